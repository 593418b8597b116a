"""The counters that a command works on, once there is a database: the declared ones, without those that it cannot
serve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

from usagefix.cli.undeclared import as_applied, asked_for, recalled, require_declared, undeclared
from usagefix.counter import Counter
from usagefix.declaration import Declaration
from usagefix.declaring import Declared, Mistaken, chosen
from usagefix.errors import ConfigurationError
from usagefix.render import words

# psycopg takes long to import: where it is needed.
if TYPE_CHECKING:
    from usagefix.database import Database

C = TypeVar("C", Counter, Declaration)


def look_up(
    db: Database, wanted: Declared, *, vetting: bool, making: bool, recalling: bool = False
) -> tuple[Counter, ...]:
    """Tell the database which counters the command is about. Returns those that are applied and not declared.

    Raises Mistaken with all that is wrong, ConfigurationError if a counter is asked for that is applied and not
    declared, unless the ledger's word will do (``recalling``), also for one whose declaration no longer fits;
    ``making``: and Refused if their triggers would be in each other's way.
    """
    from usagefix import ledger
    from usagefix.picture.hidden import require_nothing_hidden
    from usagefix.picture.resolving import resolved

    with db.snapshot():
        schema, applied = db.counter.schema, ledger.counters(db)
    missing = undeclared(wanted, schema, applied)
    kept = recalled(db, wanted, [of for of in missing if asked_for(wanted, of)]) if recalling else ()
    if not kept:
        require_declared(wanted, missing)
    of_ledger = {name for of in missing for name in asked_for(wanted, of)}
    selected = tuple(name for name in wanted.selected if name not in of_ledger)
    asked = chosen(selected, wanted.counters, wanted.by) if selected or not kept else ()
    try:
        found = resolved(db, wanted.counters, schema, vetting=vetting, asked=asked, applied=applied, making=making)
    except Mistaken as mistaken:  # the tables are not any more what the declaration says
        once = as_applied(asked, schema, applied) if recalling else ()
        if not once:
            raise
        words.say(f"what is declared no longer fits, so this goes back as the ledger has it: {mistaken.message}")
        found, kept = (), (*recalled(db, wanted, once), *kept)
    with db.snapshot():
        db.counters = (*(ledger.settled(db, counter) for counter in found), *kept)
        db.counter = db.counters[0]
        require_nothing_hidden(db, (table for of in db.counters for table in (of.parent_sql, of.child_sql)))
    return missing


def kept_by_sql(counters: Sequence[C], why: str = "no SQL keeps it") -> Sequence[C]:
    """Those that are not only verified, unless that is all."""
    kept = [one for one in counters if one.truth is None]
    for one in counters if kept else ():
        if one.truth is not None:
            words.say(f"{one.slug if isinstance(one, Counter) else one.name} is only verified: {why}")
    return kept or counters


def leave_out(db: Database, why: str = "there is no SQL that keeps it") -> None:
    """Leave out what is only verified. Raises ConfigurationError if that is all."""
    db.counters = tuple(kept_by_sql(db.counters, why))
    db.counter = db.counters[0]
    if db.counter.truth is not None:
        raise ConfigurationError(
            f"{db.counter.slug} is only verified: {why}",
            hint="usagefix verify proves it; name another with --counter, or declare it with events",
        )


def keep_uses(db: Database) -> None:
    """Leave out what no use of a preset counts for. Raises ConfigurationError if that is all."""
    kept = tuple(counter for counter in db.counters if counter.usual)
    if not kept:
        raise ConfigurationError(
            f"probe-api posts uses of presets, and {db.counter.slug} counts {db.counter.child}; nothing was posted",
            hint="try an event in the database with usagefix smoke; or use your application once, and look at the row"
            " before and afterwards with usagefix check",
        )
    for counter in db.counters:
        if not counter.usual:
            words.say(f"{counter.slug} is skipped, because probe-api posts uses of presets")
    db.counters, db.counter = kept, kept[0]
