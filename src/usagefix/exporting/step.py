"""What an export writes a migration for, whatever the tool: a version, or the backfill, of one counter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from usagefix import catalog
from usagefix.catalog import Face, Migration, MigrationKind
from usagefix.counter import STANDARD, Counter
from usagefix.models.choices import Trust

KEEPS = "-- The counters keep their values: they are right.\n"
_NO_FILE_NAME = re.compile(r"[^a-z0-9_]+")
_FAILS = """\
-- Stop where it is not so
DO $verify$
#variable_conflict use_column
DECLARE
    not_so text;
BEGIN
    SELECT string_agg(format('%s: %s', checked.title, checked.detail), '; ') INTO not_so FROM (
{checks}
    ) AS checked WHERE checked.status NOT IN ({passes});
    IF not_so IS NOT NULL THEN
        RAISE EXCEPTION '%', not_so USING HINT = 'usagefix verify says more.';
    END IF;
END $verify$;
"""


@dataclass(frozen=True, slots=True)
class Step:
    """A migration to be: ``name`` as in file names, and its SQL: ``up``, the way back ``down``, and ``proof``, which
    fails where it is not there as it should be. ``applied``: the database has what it does."""

    name: str
    title: str
    up: str
    down: str
    proof: str
    applied: bool = False


@dataclass(frozen=True, slots=True)
class Scripts:
    """The scripts of one version for one database, in place of the plain ones."""

    up: str
    down: str
    applied: bool = False


def plain(counters: Iterable[Counter], to: str | None, believed: Trust | None) -> list[Step]:
    """The steps of a database that is as usual, but for the names. ``to``: the last version; ``believed``: the side
    that the backfill takes for true, else it stops where that matters."""
    steps, parents = list[Step](), set[str]()
    for counter in counters:
        scripts = {}
        for migration in _wanted(to):
            up = migration.script(Face.APPLY, counter, with_ledger=counter.parent_sql not in parents)
            scripts[migration] = Scripts(up, migration.read(Face.ROLLBACK, counter))
            parents.add(counter.parent_sql)
        backfill = catalog.decided(catalog.counting().read(Face.BACKFILL, counter), believed)
        steps += of_counter(counter, scripts, backfill, first=not steps)
    return steps


def plain_script(counters: Sequence[Counter], migration: Migration, face: Face, believed: Trust | None) -> str:
    """What to run by hand for a face of a version, for each counter: back in reverse."""
    texts, parents = list[str](), set[str]()
    for counter in reversed(counters) if face is Face.ROLLBACK else counters:
        text = migration.script(face, counter, with_ledger=counter.parent_sql not in parents)
        texts.append(catalog.decided(text, believed) if face is Face.BACKFILL else text)
        parents.add(counter.parent_sql)
    return "\n".join(texts)


def of_counter(counter: Counter, scripts: dict[Migration, Scripts], backfill: str, *, first: bool) -> Iterator[Step]:
    """The steps of one counter, in order. ``first``: the first script opens the ledger."""
    of = "" if counter.slug == STANDARD.slug else f" for {counter.slug}"
    for place, (migration, script) in enumerate(scripts.items()):
        title = f"{migration}{of}{' with the ledger' if first and place == 0 else ''}"
        proof = _proof(migration.read(Face.VERIFY, counter), migration.object_checks(counter))
        yield Step(_name(migration, counter), title, script.up, script.down, proof, script.applied)
    newest, counting = [*scripts][-1], catalog.counting()
    proof = _proof(counting.read(Face.VERIFY, counter), counting.counter_checks(counter), "'ok'")
    yield Step(_name(None, counter), f"backfill of {newest}{of}", backfill, KEEPS, proof)


def _wanted(to: str | None) -> list[Migration]:
    """The versions up to one, oldest first."""
    return [m for m in catalog.migrations() if to is None or m.version <= catalog.migration(to).version]


def _name(migration: Migration | None, counter: Counter) -> str:
    """As in a file's name; ``migration`` is None for the backfill."""
    if counter.slug == STANDARD.slug:
        return migration.name if migration else "backfill_usage_count"
    slug = _NO_FILE_NAME.sub("_", counter.slug.lower())
    verb = "backfill" if migration is None else "count" if migration.kind is MigrationKind.COUNTING else "guard"
    return f"{verb}_{slug}"


def _proof(script: str, checks: str, passes: str = "'ok', 'skipped'") -> str:
    """A script that fails where a check does not pass: what verify.sql sets, then that question."""
    settings = catalog.statements(script)[0]
    return f"{settings.text}\n\n{_FAILS.replace('{passes}', passes).replace('{checks}', checks)}"
