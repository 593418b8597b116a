"""A copy of a database to be spoilt, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import psycopg
from support import App

from faults import state
from faults.state import PRESETS, State, Subject

LEDGER = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace('usagefix')"


@dataclass
class Copies:
    """A copy that is brought back to its first state by hand, which is several times as fast as to copy again."""

    original: App
    maintenance: App
    before: State
    ledger: list[str]
    of: Subject
    current: list[App] = field(default_factory=list)

    def get(self) -> App:
        """The copy, as at first."""
        if self.current and not self._restored(self.current[0]):
            self.drop()
        if not self.current:
            self.current.append(replace(self.original, name=f"{self.original.name}_copy", opened=[]))
            self.maintenance.sql(f"CREATE DATABASE {self.current[0].name} TEMPLATE {self.original.name}")
        return self.current[0]

    def drop(self) -> None:
        for copy in self.current:
            copy.close()
            self.maintenance.sql(f"DROP DATABASE {copy.name} WITH (FORCE)")
        self.current.clear()

    def _restored(self, app: App) -> bool:
        now = state.read(app, self.of)
        if now == self.before:
            return True
        with suppress(psycopg.Error), app.db.transaction():
            app.sql("SET LOCAL session_replication_role = replica")
            for statement in (*_catalog(now, self.before), *self._rows()):
                app.sql(statement)
        return state.read(app, self.of) == self.before

    def _rows(self) -> Iterator[str]:
        columns = [name for counted in self.of.counters for name in (counted.column, counted.last) if name]
        same = ", ".join(f"{name} = kept.{name}" for name in columns)
        yield f"UPDATE {self.of.parent} AS now SET {same} FROM kept.rows_counted AS kept WHERE kept.id = now.id"
        if self.ledger:
            yield f"TRUNCATE {', '.join(f'usagefix.{name}' for name in self.ledger)}"
        else:
            yield "DROP SCHEMA IF EXISTS usagefix CASCADE"
        for name in self.ledger:
            yield f"INSERT INTO usagefix.{name} OVERRIDING SYSTEM VALUE TABLE kept.{name}"


def _catalog(now: State, before: State) -> Iterator[str]:
    there, wanted = ({row[:2]: row for row in rows} for rows in (now.catalog, before.catalog))
    for kind, name in sorted(there.keys() - wanted.keys(), reverse=True):  # triggers before their functions
        yield f"DROP {kind} {name}" + (f" ON {there[kind, name][4]}" if kind == "trigger" else "")
    for kind, name in sorted(key for key in wanted if there.get(key) != wanted[key]):
        _, _, definition, _, grants, comment = wanted[kind, name]
        yield definition
        if kind == "function" and grants:
            yield f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC"
        if kind == "index" and comment:
            yield f"COMMENT ON INDEX {name} IS '{comment}'"


@contextmanager
def of(app: App, subject: Subject = PRESETS) -> Iterator[Copies]:
    """Copies of a database as it is now."""
    before = state.read(app, subject)
    ledger = [name for (name,) in app.sql(LEDGER)]
    app.sql("CREATE SCHEMA kept")
    app.sql(f"CREATE TABLE kept.rows_counted AS TABLE {subject.parent}")
    for name in ledger:
        app.sql(f"CREATE TABLE kept.{name} AS TABLE usagefix.{name}")
    app.close()
    copies = Copies(app, replace(app, name="postgres", opened=[]), before, ledger, subject)
    try:
        yield copies
    finally:
        copies.drop()
        copies.maintenance.close()
