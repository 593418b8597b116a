"""Reads everything around the counter and the events, in the open snapshot. Reads only. What the role may not see is
no error: ``Picture.unseen`` lists it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from usagefix import picture, trust
from usagefix.database import Database
from usagefix.errors import DatabaseRefused, Refused
from usagefix.models.guarding import RefusedWrite
from usagefix.picture import Table
from usagefix.picture.code import code
from usagefix.picture.edits import of_edits
from usagefix.picture.objects import (
    Creator,
    Drift,
    Fired,
    ForeignKey,
    Grant,
    Index,
    Job,
    Picture,
    Reader,
    Recorded,
    Relying,
    Strays,
    Subscription,
    Surroundings,
    Unseen,
    View,
)
from usagefix.picture.obstacles import (
    distributed,
    of_any_use,
    of_deletes,
    of_keys,
    of_limits,
    of_number,
    of_tables,
    of_uses,
)

T = TypeVar("T")


def look(db: Database) -> Picture:
    """Everything, within the snapshot that is open."""
    return _Look(db).picture()


class _Look:
    """One look: it notes what it could not see."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.unseen: list[Unseen] = []

    def picture(self) -> Picture:
        self.db.counter = replace(self.db.counter, baselines=picture.baselines(self.db) is not None)
        seen = code(self.db)
        presets, events = seen.parent, seen.events
        around = self.db.row(self.db.query("picture_surroundings"), Surroundings)
        foreign_keys = self._rows("picture_foreign_keys", ForeignKey)
        readable = self._readable(presets, events)
        functions = {"functions": [function.oid for function in seen.functions]}
        return Picture(
            presets=presets,
            events=events,
            indexes=self._rows("picture_indexes", Index),
            triggers=seen.triggers,
            functions=seen.functions,
            code=seen,
            foreign_keys=foreign_keys,
            surroundings=around,
            fired=self._rows("fired_triggers", Fired),
            creators=self._rows("picture_creators", Creator),
            grants=tuple(self.db.rows(self.db.query("picture_grants"), Grant, functions)),
            relying=tuple(self.db.rows(self.db.query("picture_relying"), Relying, functions)),
            readers=self._rows("picture_readers", Reader),
            views=self._rows("picture_views", View),
            applied=self._permitted(around.sees_applied, "the ledger's history", self._applied),
            subscriptions=self._permitted(
                around.sees_subscriptions,
                "subscriptions of replication",
                lambda: self._rows("picture_subscriptions", Subscription),
            ),
            jobs=self._permitted(around.sees_jobs, "jobs of pg_cron", lambda: self._rows("picture_jobs", Job)),
            refused=self._permitted(
                around.sees_refused,
                "writes that the guard refused",
                lambda: self._rows("refused_writes", RefusedWrite),
            ),
            drift=self._drift() if readable else None,
            strays=self._strays(events, foreign_keys) if readable else None,
            recorded=self._recorded() if readable else None,
            unseen=tuple(self.unseen),
            refuses_deletes=None if distributed(self.db) else of_deletes(self.db),
            obstacles=(
                *of_number(
                    self.db.counter, presets, applied=bool(self.db.counter.functions & {f.name for f in seen.functions})
                ),
                *of_keys(self.db.counter, presets, events),
                *of_limits(self.db.counter.child_sql, seen.limits),
                *of_edits(seen),
                *of_tables(self.db),
                *(of_uses(self.db, ahead=True) if readable else of_any_use(self.db)),
            ),
        )

    def _rows(self, query: str, into: type[T]) -> tuple[T, ...]:
        return tuple(self.db.rows(self.db.query(query), into))

    def _applied(self) -> tuple[str, ...]:
        latest = self.db.query("history")
        return tuple(self.db.values(f"SELECT version FROM ({latest}) AS latest WHERE action = 'apply'"))  # noqa: S608

    def _permitted(self, sees: bool | None, what: str, read: Callable[[], tuple[T, ...]]) -> tuple[T, ...]:
        """What ``read`` returns, for which a right is needed; nothing if there is nothing to see, or no right."""
        if sees is None:
            return ()
        if sees:
            return self._attempt(what, read) or ()
        self._missed(what, f"role {self.db.session.role} may not read them")
        return ()

    def _attempt(self, what: str, read: Callable[[], T]) -> T | None:
        """What ``read`` returns; None, and noted, where the server, or usagefix, refuses it."""
        self.db.run("SAVEPOINT look")
        try:
            seen = read()
        except (DatabaseRefused, Refused) as refused:
            self.db.run("ROLLBACK TO SAVEPOINT look")
            self._missed(what, refused.message)
            return None
        self.db.run("RELEASE SAVEPOINT look")
        return seen

    def _missed(self, what: str, why: str, remedy: str = "run usagefix doctor as a superuser, or grant SELECT") -> None:
        self.unseen.append(Unseen(what, why, remedy))

    def _readable(self, *both: Table) -> bool:
        """Whether the rows of both tables can be counted."""
        for table in both:
            unreadable = picture.unreadable(self.db, table)
            if unreadable is not None:
                self._missed("the counters and events", unreadable.why, unreadable.remedy)
                return False
        return True

    def _drift(self) -> Drift | None:
        largest = self.db.query("picture_largest").replace("%", "%%")  # it takes no parameters, but the whole does
        query = (
            f"SELECT counted.rows, inaccurate, drift_total, ({largest}), to_jsonb(counted)"  # noqa: S608
            f" FROM ({self.db.query('accuracy')}) AS counted"
        )

        def counted() -> Drift:
            rows, inaccurate, drift, largest, everything = self.db.tuple(query, {"top": 0, "falls": trust.LOOKED_AT})
            return Drift(rows, inaccurate, drift, largest, trust.doubt(self.db, trust.Falls.of(everything)))

        return self._attempt("the drift", counted)

    def _recorded(self) -> Recorded | None:
        query = self.db.query("picture_recorded")
        return self._attempt("when events were recorded", lambda: self.db.row(query, Recorded))

    def _strays(self, events: Table, foreign_keys: tuple[ForeignKey, ...]) -> Strays | None:
        ruled_out = any(key.to_presets and key.validated for key in foreign_keys)
        if ruled_out and events.columns[self.db.counter.foreign_key]["required"]:
            return Strays(without_preset=0, preset_gone=None)
        query = self.db.query("picture_strays")
        return self._attempt(
            "events without a preset", lambda: self.db.row(query, Strays, {"anti_join": not ruled_out})
        )
