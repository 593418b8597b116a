"""Uses to try: of one's own preset, of somebody else's, of one that belongs to nobody; and of each kind. Reads only."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from usagefix.database import Database
from usagefix.models.choices import USAGE_TYPE

OWN, OTHERS, NOBODYS, ANY = "one's own preset", "somebody else's preset", "a preset that is nobody's", "a preset"
_CLASSES = (OTHERS, OWN, NOBODYS, ANY)  # somebody else's first: most is done for such a use
_EVENTS, _PRESETS = 2000, 100  # looked at


@dataclass(frozen=True, slots=True)
class Case:
    """A use to try: which preset, by whom, of which kind. ``user``: as the event has it, ``claim``: as the session's
    token has it; ``proven``: such an event is there.

    Of any other table: ``whose`` says what is tried, ``example`` is where the event is that is copied, which
    ``counts`` or does not, and ``given`` what must differ, see :mod:`usagefix.picture.examples`; ``preset`` is the key
    of its row.
    """

    preset: str
    user: str | None
    claim: str
    kind: str | None
    whose: str
    proven: bool = False
    example: str | None = None
    counts: bool = True
    given: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        if self.whose not in _CLASSES:
            return self.whose
        return f"a use of {self.whose}" + (f" of kind {self.kind}" if self.kind else "")

    def of_kinds(self, kinds: tuple[str, ...]) -> tuple[Case, ...]:
        """The same with each other kind."""
        return tuple(replace(self, kind=kind, proven=False) for kind in kinds if kind != self.kind)


@dataclass(frozen=True, slots=True)
class _Pair:
    preset: str
    who: str | None
    kind: str | None
    whose: str
    proven: bool


@dataclass(frozen=True, slots=True)
class Users:
    """Where the users of events are: the columns of ``smoke_users.sql``."""

    relation: str
    key: str
    claim: str
    readable: bool


@dataclass(frozen=True, slots=True)
class _Claim:
    who: str
    claim: str


def kinds(db: Database) -> tuple[str, ...]:
    """The kinds of use that the events take, as far as their type and constraints tell."""
    return tuple(db.values(db.query("kinds"))) if db.counter.kind is not None else ()


def cases(db: Database) -> tuple[Case, ...]:
    """Up to three presets and users for each kind of owner, the ones most likely to work first. Empty if there is no
    preset. A role that may read no table of users gets the users that events and presets name."""
    users = next(iter(db.rows(db.query("smoke_users"), Users)), None) if db.counter.user else None
    users = users if users is not None and users.readable else None
    found = sorted(db.rows(_pairs(db, users), _Pair), key=lambda pair: _CLASSES.index(pair.whose))
    claims = _claims(db, users, sorted({pair.who for pair in found if pair.who is not None}))
    usual = next(iter(kinds(db)), USAGE_TYPE) if db.counter.kind is not None else None
    return tuple(
        Case(
            pair.preset,
            pair.who,
            claims.get(pair.who or "", pair.who) or str(uuid.uuid4()),
            pair.kind or usual,
            pair.whose,
            pair.proven,
        )
        for pair in found
    )


def _claims(db: Database, users: Users | None, whom: list[str]) -> dict[str, str | None]:
    """The session's user of each user, where the events name profiles."""
    if users is None or users.key == users.claim:
        return {}
    found = db.rows(
        f"SELECT {_text(users.key)} AS who, {_text(users.claim)} AS claim FROM {users.relation}"  # noqa: S608 - of the catalog
        f" WHERE {_text(users.key)} = ANY (%(whom)s)",
        _Claim,
        {"whom": whom},
    )
    return {each.who: each.claim for each in found}


def _pairs(db: Database, users: Users | None) -> str:
    """The question for presets and their users. Only some events and some presets are looked at."""
    counter = db.counter
    creator = next(iter(db.values(db.query("creators"))), None) if counter.user else None
    key, foreign = f"preset.{counter.sql('key')}", counter.sql("foreign_key")
    which = _text(key)
    user = _text(f"event.{counter.sql('user')}") if counter.user else "NULL::text"
    kind = _text(f"event.{counter.sql('kind')}") if counter.kind else "NULL::text"
    made_by = _text(f"preset.{creator}") if creator else "NULL::text"
    whose = (
        f"CASE WHEN pairs.creator IS NULL THEN $${NOBODYS}$$ WHEN pairs.creator = pairs.who THEN $${OWN}$$"
        f" ELSE $${OTHERS}$$ END"
        if creator
        else f"$${ANY}$$"
    )
    people = " UNION ALL ".join(_people(users))
    return f"""
        WITH events AS (
            SELECT event.{foreign} AS preset, {user} AS who, {kind} AS kind
            FROM {counter.child_sql} AS event LIMIT {_EVENTS}
        ), presets AS (
            (SELECT {which} AS preset, {made_by} AS creator FROM {counter.parent_sql} AS preset
             WHERE {made_by} IS NOT NULL LIMIT {_PRESETS})
            UNION ALL
            (SELECT {which}, NULL FROM {counter.parent_sql} AS preset
             WHERE {made_by} IS NULL LIMIT {_PRESETS})
        ), people AS (
            SELECT DISTINCT who FROM ({people}) AS everybody WHERE who IS NOT NULL LIMIT {_PRESETS}
        ), pairs AS (
            SELECT {which} AS preset, events.who, events.kind, {made_by} AS creator, true AS proven,
                count(*) OVER (PARTITION BY {key}) AS uses
            FROM events JOIN {counter.parent_sql} AS preset ON {key} = events.preset
            UNION ALL
            SELECT presets.preset, presets.creator, NULL, presets.creator, false, 0 FROM presets
            WHERE presets.creator IS NOT NULL
            UNION ALL
            SELECT presets.preset, somebody.who, NULL, presets.creator, false, 0
            FROM presets LEFT JOIN LATERAL (
                SELECT people.who FROM people WHERE people.who IS DISTINCT FROM presets.creator LIMIT 1
            ) AS somebody ON true
        ), ranked AS (
            SELECT pairs.*, {whose} AS whose, row_number() OVER (
                PARTITION BY {whose}, pairs.preset ORDER BY NOT proven, pairs.kind, pairs.who) AS of_preset
            FROM pairs
        ), first AS (
            SELECT ranked.*, row_number() OVER (
                PARTITION BY whose ORDER BY NOT proven, uses, preset) AS place
            FROM ranked WHERE of_preset = 1
        )
        SELECT preset, who, kind, whose, proven FROM first WHERE place <= 3 ORDER BY whose, place
    """  # noqa: S608 - names of the catalog's


def _text(expression: str) -> str:
    """A value as its type writes it: a cast to text may be a function of whoever made the type."""
    return f"NULLIF(pg_catalog.concat({expression}), '')"


def _people(users: Users | None) -> Iterator[str]:
    yield "SELECT who FROM events"
    yield "SELECT creator FROM presets"
    if users is not None:
        yield f"(SELECT {_text(users.key)} FROM {users.relation} LIMIT 20)"  # noqa: S608 - names of the catalog's
