"""A copy of a database to be spoilt, again and again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

import psycopg
from support import App

from faults import state
from faults.state import State

LEDGER = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = to_regnamespace('usagefix')"


@dataclass
class Copies:
    """A copy that is brought back to its first state by hand, which is several times as fast as to copy again."""

    original: App
    maintenance: App
    before: State
    ledger: list[str]
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
        now = state.read(app)
        if now == self.before:
            return True
        with suppress(psycopg.Error), app.db.transaction():
            app.sql("SET LOCAL session_replication_role = replica")
            for statement in (*_catalog(now, self.before), *self._rows()):
                app.sql(statement)
        return state.read(app) == self.before

    def _rows(self) -> Iterator[str]:
        yield (
            "UPDATE presets SET usage_count = kept.usage_count, last_used_at = kept.last_used_at"
            " FROM kept.presets AS kept WHERE kept.id = presets.id"
        )
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
def of(app: App) -> Iterator[Copies]:
    """Copies of a database as it is now."""
    before = state.read(app)
    ledger = [name for (name,) in app.sql(LEDGER)]
    app.sql("CREATE SCHEMA kept")
    app.sql("CREATE TABLE kept.presets AS TABLE presets")
    for name in ledger:
        app.sql(f"CREATE TABLE kept.{name} AS TABLE usagefix.{name}")
    app.close()
    copies = Copies(app, replace(app, name="postgres", opened=[]), before, ledger)
    try:
        yield copies
    finally:
        copies.drop()
        copies.maintenance.close()
