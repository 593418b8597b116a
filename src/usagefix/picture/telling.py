"""What columns of an event are called that tell when it was, by whom, and of what kind."""

from __future__ import annotations

import re

from usagefix.counter import EVENT_TIMES, Counter
from usagefix.picture import Table

TIMES = (
    *EVENT_TIMES, "inserted_at", "occurred_at", "happened_at", "recorded_at", "createdAt", "created", "timestamp",
    "created_on", "date_created", "time", "date",
)  # fmt: skip
USERS = (
    "user_id", "userId", "author_id", "actor_id", "account_id", "profile_id", "member_id", "person_id", "voter_id",
    "creator_id", "owner_id", "customer_id", "donor_id", "follower_id", "created_by", "user", "author",
)  # fmt: skip
KINDS = ("usage_type", "event_type", "kind", "type", "action", "reaction", "reaction_type", "event", "category")

_LATER = re.compile(r"delet|updat|modif|chang|expir|remov|archiv|until|end|read|seen", re.IGNORECASE)  # than an event


def times_of(table: Table) -> list[str]:
    """The columns that hold times, or days."""
    kinds = {name: str(about["base"]) for name, about in table.columns.items()}
    return [name for name, kind in kinds.items() if kind == "date" or kind.startswith("timestamp")]


def time_of(counter: Counter, table: Table) -> str | None:
    """The one that tells when an event was: of the counter, else one that is called after it, else the only one."""
    times = times_of(table)
    sole = [name for name in times if len(times) == 1 and not _LATER.search(name)]
    return next((name for name in (counter.time, *TIMES, *sole) if name in times), None)
