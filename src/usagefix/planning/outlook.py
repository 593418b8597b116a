"""What would stop apply and backfill here, found without running either. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from usagefix import catalog, ledger, preflight
from usagefix.advice import BACKFILL, Outlook, after
from usagefix.database import Database
from usagefix.errors import DatabaseRefused, Refused, UsagefixError
from usagefix.models.advice import Step
from usagefix.models.verification import ACCEPTED
from usagefix.picture.code import Code, routine
from usagefix.picture.edits import of_refusing
from usagefix.picture.obstacles import Obstacle, of_uses
from usagefix.planning import applying
from usagefix.planning.countable import require_countable
from usagefix.planning.plan import Choices
from usagefix.planning.scene import scene
from usagefix.quoting import quoted

_SECURE = ("function_secure", "adjusting_function_secure", "guard_function_secure")


def outlook(db: Database, seen: Code) -> Outlook:
    """The outlook, in the open snapshot, which goes on even if the server refuses something."""
    db.run("SAVEPOINT usagefix_outlook")
    try:
        preflight.require_changeable(db)
        ledger.require_trusted(db)
        exact = ledger.exists(db) and bool(db.values(db.query("counting"))[0])
    except UsagefixError as error:
        db.run("ROLLBACK TO SAVEPOINT usagefix_outlook")
        return Outlook(barred=Step(after(error.hint), error.message))
    refused = (*of_refusing(seen), *of_uses(db, ahead=True))
    by_hand = _by_hand(seen) if _begun(seen) else {}
    if refused:
        by_hand[ACCEPTED] = Step(after(refused[0].hint), refused[0].what)
    return Outlook(exact, refusal=_refusal(db, refused), by_hand=by_hand, nouns=db.nouns)


def _refusal(db: Database, refused: tuple[Obstacle, ...]) -> Step | None:
    """Why apply would stop before it changed or tried anything."""
    try:
        now = scene(db)
        require_countable(now, refused)
        applying.plan(now, catalog.counting(), Choices(limit_stays=now.code.limit is not None))
    except Refused as error:
        return Step(after(error.hint), error.message)
    except DatabaseRefused:
        db.run("ROLLBACK TO SAVEPOINT usagefix_outlook")
    return None


def _begun(seen: Code) -> bool:
    """Whether apply has been here: before that, it may mend what it would leave now."""
    return any(trigger.name in seen.counter.triggers for trigger in seen.triggers)


def _by_hand(seen: Code) -> dict[str, Step]:
    steps = {check: step for step in _held_to_policies(seen) for check in _SECURE}
    useless = next(_useless(seen), None)
    return steps | ({"tracker_inserts_only": useless} if useless else {})


def _useless(seen: Code) -> Iterator[Step]:
    """A function that records uses and cannot, which apply has left as it is."""
    for function in seen.recorders:
        unknown = ", ".join(seen.reader.unknown_columns(routine(function)))
        why = f"each call of it fails, because {seen.counter.child} has no column {unknown}"
        if unknown and seen.calls(function.name):
            yield Step(f"write {function.signature} anew: all it needs is to insert the event", why)
        elif unknown:
            why += "; nothing in the database calls it. If the application does, write a new one that only inserts"
            yield Step(f"DROP FUNCTION {function.signature}", f"{why} the event")


def _held_to_policies(seen: Code) -> Iterator[Step]:
    """Row level security that hides counters from the owner of what counts, too."""
    for function in seen.functions:
        if function.name in seen.counter.functions and not function.owner_passes_rls:
            table = seen.counter.parent_sql
            yield Step(
                f"ALTER ROLE {quoted(function.owner)} BYPASSRLS, then {BACKFILL}",
                f"FORCE ROW LEVEL SECURITY hides rows of {table} from its owner, and the triggers count as the"
                f" owner; ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY does as well",
            )
