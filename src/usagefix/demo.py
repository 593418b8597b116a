"""The whole story on the sample application: drifted, fixed, used twice on one day.

Each chapter is shown by the caller while it is told. The database must be empty and the role a superuser.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from usagefix import catalog
from usagefix.apply import apply
from usagefix.database import Database
from usagefix.models.choices import BATCH_SIZE
from usagefix.models.correction import BackfillProgress
from usagefix.models.migration import ApplyReport
from usagefix.models.verification import RowCount, RowReport, VerifyReport
from usagefix.preset import check_preset, one_preset
from usagefix.verify import verify

PRESET = "Watercolour"
USES = 2
WORST = 3  # presets, where the story is told in short

Told = TypeVar("Told", VerifyReport, ApplyReport, RowReport)


class Chapter(Protocol):
    """Shows a title and the command that a person types, does the work, shows what comes of it, and returns that."""

    def __call__(self, title: str, command: str, work: Callable[[], Told], /) -> Told: ...


@dataclass(frozen=True, slots=True)
class Moral:
    """What the story has shown. ``tried``: the preset before and after two uses on one day, while nothing was fixed;
    ``used``: the same after the fix."""

    before: VerifyReport
    after: VerifyReport
    tried: tuple[RowCount, RowCount]
    used: tuple[RowCount, RowCount]


def story(
    db: Database,
    chapter: Chapter,
    *,
    full: bool,
    on_step: Callable[[str], None],
    on_progress: Callable[[BackfillProgress], None],
) -> Moral:
    """Load the sample, then tell each chapter; ``full``: with every check. Raises what the verbs raise."""
    load_sample(db)
    if full:
        before = chapter("An application whose usage counts have drifted", "usagefix verify --all", lambda: verify(db))
    else:
        command = f"usagefix verify --top {WORST}"
        before = chapter("An application whose usage counts have drifted", command, lambda: verify(db, top=WORST))
    tried = use(db, PRESET, times=USES, keep=False)
    chapter(
        "The fix",
        "usagefix apply",
        lambda: apply(db, batch_size=BATCH_SIZE, on_step=on_step, on_progress=on_progress),
    )
    check = f"usagefix check-preset {PRESET}"
    if full:
        chapter("The proof", "usagefix verify --all", lambda: verify(db))
        chapter("One preset", check, lambda: check_preset(db, PRESET))
    used = use(db, PRESET, times=USES)
    title = "The same preset after two uses by one person on one day" if full else "Two uses by one person on one day"
    chapter(title, f"{check} --recent {USES}", lambda: check_preset(db, PRESET, recent=USES))
    return Moral(before, verify(db), tried, used)


def load_sample(db: Database) -> None:
    """Create the sample application in an empty database, in one transaction."""
    with db.transaction():
        db.run(catalog.sample("schema"))
        db.run(catalog.sample("data"))


def use(db: Database, preset: str, *, times: int, keep: bool = True) -> tuple[RowCount, RowCount]:
    """Use a preset as the application does: through its function, as ``authenticated``, with one user's claims.

    Returns the preset before and after; without ``keep`` all of it is undone.
    """
    (user,) = db.values("SELECT id::text FROM auth.users ORDER BY id LIMIT 1")
    with db.transaction(settings={"request.jwt.claim.sub": user, "row_security": "on"}, rollback=not keep):
        before = one_preset(db, preset)
        db.run("SET LOCAL ROLE authenticated")
        for _ in range(times):
            db.run(
                "SELECT public.track_preset_usage(preset_uuid => %(id)s, usage_type_param => 'showcase_creation')",
                {"id": before.id},
            )
        db.run("RESET ROLE")
        return before, one_preset(db, preset)
