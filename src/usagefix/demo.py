"""The whole story on the sample application: drifted, fixed, proven, used twice on one day. Yields one chapter after
the other; the caller shows them. The database must be empty and the role a superuser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from usagefix import catalog
from usagefix.apply import apply
from usagefix.database import Database
from usagefix.models.choices import BATCH_SIZE
from usagefix.models.correction import BackfillProgress
from usagefix.models.migration import ApplyReport
from usagefix.models.verification import RowReport, VerifyReport
from usagefix.preset import check_preset
from usagefix.verify import verify

PRESET = "Watercolour"
USES = 2


@dataclass(frozen=True, slots=True)
class Chapter:
    """What was done, as a person would type it, and what came of it."""

    title: str
    command: str
    report: VerifyReport | ApplyReport | RowReport


def story(
    db: Database, *, on_step: Callable[[str], None], on_progress: Callable[[BackfillProgress], None]
) -> Iterator[Chapter]:
    """Load the sample, then each chapter. Raises what the verbs raise."""
    load_sample(db)
    yield Chapter("An application whose usage counts drifted", "usagefix verify", verify(db))
    report = apply(db, batch_size=BATCH_SIZE, on_step=on_step, on_progress=on_progress)
    yield Chapter("The fix", "usagefix apply", report)
    yield Chapter("The proof", "usagefix verify", verify(db))
    command = f"usagefix check-preset {PRESET}"
    before = check_preset(db, PRESET)
    yield Chapter("One preset", command, before)
    use(db, before.row.id, times=USES)
    after = check_preset(db, PRESET, recent=USES)
    yield Chapter(
        f"The same preset after {USES} uses by one person on one day, through track_preset_usage()",
        f"{command} --recent {USES}",
        after,
    )


def load_sample(db: Database) -> None:
    """Create the sample application in an empty database, in one transaction."""
    with db.transaction():
        db.run(catalog.sample("schema"))
        db.run(catalog.sample("data"))


def use(db: Database, preset_id: str, *, times: int) -> None:
    """Use a preset as the application does: as ``authenticated``, with one user's claims."""
    (user,) = db.values("SELECT id::text FROM auth.users ORDER BY id LIMIT 1")
    with db.transaction(settings={"request.jwt.claim.sub": user, "role": "authenticated", "row_security": "on"}):
        for _ in range(times):
            db.run(
                "SELECT public.track_preset_usage(preset_uuid => %(id)s, usage_type_param => 'showcase_creation')",
                {"id": preset_id},
            )
