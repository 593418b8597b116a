"""Random writes, transactions, savepoints and rollbacks against a simple model: a list of which preset each event is of."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from support import DRIFT, App, Connection

PRESETS = 6
presets = st.integers(1, PRESETS)
Model = tuple[int, ...]  # the preset of each event


class Counters(RuleBasedStateMachine):
    """Every write the application may make, in one connection; ``model`` is what must be counted now."""

    app: App
    reset: str

    def __init__(self) -> None:
        super().__init__()
        self.model: Model = ()
        self.saved: list[Model] = []  # at BEGIN, then at each savepoint
        self.connection: Connection = self.app.connect()

    def teardown(self) -> None:
        self.connection.close()

    def run(self, statement: str, *params: Any) -> int:
        return self.connection.execute(statement.encode(), params or None).rowcount

    @initialize()
    def empty(self) -> None:
        self.run("TRUNCATE preset_usage")

    @rule(
        chosen=st.lists(presets, min_size=1, max_size=8),
        table=st.sampled_from(["preset_usage", "usage_recent", "usage_later"]),
    )
    def insert(self, chosen: list[int], table: str) -> None:
        when = "'2090-06-06'" if table == "usage_later" else "now()"
        self.run(
            f"INSERT INTO {table} (preset_id, user_id, usage_type, created_at)"
            f" SELECT md5('preset ' || p)::uuid, md5('user 1')::uuid, 'showcase_creation', {when} FROM unnest(%s::int[]) p",
            chosen,
        )
        self.model += tuple(chosen)

    @rule(preset=presets, most=st.integers(1, 5))
    def delete(self, preset: int, most: int) -> None:
        gone = self.run(
            "DELETE FROM preset_usage WHERE id IN (SELECT id FROM preset_usage WHERE preset_id = md5('preset ' || %s::int)::uuid LIMIT %s)",
            preset,
            most,
        )
        assert gone == min(most, self.model.count(preset))
        self._take(preset, gone)

    @rule(old=presets, new=presets, most=st.integers(1, 5))
    def move(self, old: int, new: int, most: int) -> None:
        moved = self.run(
            "UPDATE preset_usage SET preset_id = md5('preset ' || %s::int)::uuid, usage_type = 'sample_verification'"
            " WHERE id IN (SELECT id FROM preset_usage WHERE preset_id = md5('preset ' || %s::int)::uuid LIMIT %s)",
            new,
            old,
            most,
        )
        self._take(old, moved)
        self.model += (new,) * moved

    @rule(shift=st.integers(1, PRESETS - 1))
    def move_all_in_a_ring(self, shift: int) -> None:
        self.run(
            "UPDATE preset_usage SET preset_id = md5('preset ' || 1 + (n - 1 + %s) %% %s)::uuid"
            " FROM generate_series(1, %s) n WHERE preset_id = md5('preset ' || n)::uuid",
            shift,
            PRESETS,
            PRESETS,
        )
        self.model = tuple(1 + (p - 1 + shift) % PRESETS for p in self.model)

    @rule()
    def fail(self) -> None:
        """A statement that fails half way is undone, with all that it counted."""
        self.run(
            "DO $$ BEGIN INSERT INTO preset_usage (preset_id, user_id, usage_type)"
            " SELECT md5('preset ' || n)::uuid, md5('user 1')::uuid, 'showcase_creation' FROM generate_series(1, 90) n;"
            " EXCEPTION WHEN foreign_key_violation THEN NULL; END $$"
        )

    @rule(
        table=st.sampled_from(["preset_usage", "usage_recent_samples", "presets_and_events"]), chance=st.integers(0, 4)
    )
    def truncate(self, table: str, chance: int) -> None:
        if chance:  # rarely, or there is never much to count
            return
        if table == "usage_recent_samples":
            gone = self.connection.execute(
                "SELECT substr(n::text, 1)::int, count(*) FROM usage_recent_samples JOIN generate_series(1, %s) n"
                " ON preset_id = md5('preset ' || n)::uuid GROUP BY 1",
                (PRESETS,),
            ).fetchall()
            self.run("TRUNCATE usage_recent_samples")
            for preset, number in gone:
                self._take(preset, number)
            return
        self.run("TRUNCATE preset_usage" if table == "preset_usage" else "TRUNCATE preset_usage, preset_notifications")
        self.model = ()

    @precondition(lambda self: not self.saved)
    @rule()
    def begin(self) -> None:
        self.run("BEGIN")
        self.saved.append(self.model)

    @precondition(lambda self: self.saved)
    @rule()
    def savepoint(self) -> None:
        self.run(f"SAVEPOINT s{len(self.saved)}")
        self.saved.append(self.model)

    @precondition(lambda self: len(self.saved) > 1)
    @rule(data=st.data())
    def rollback_to(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, len(self.saved) - 1))
        self.run(f"ROLLBACK TO s{number}")
        self.model = self.saved[number]
        del self.saved[number + 1 :]

    @precondition(lambda self: self.saved)
    @rule()
    def commit(self) -> None:
        self.run("COMMIT")
        self.saved.clear()

    @precondition(lambda self: self.saved)
    @rule()
    def rollback(self) -> None:
        self.run("ROLLBACK")
        self.model = self.saved[0]
        self.saved.clear()

    @invariant()
    def counted(self) -> None:
        shown = self.connection.execute(
            "SELECT n, coalesce(usage_count, 0) FROM generate_series(1, %s) n JOIN presets ON id = md5('preset ' || n)::uuid",
            (PRESETS,),
        ).fetchall()
        assert dict(shown) == {n: self.model.count(n) for n in range(1, PRESETS + 1)}
        assert self.connection.execute(DRIFT.encode()).fetchall()[0][0] == 0

    def _take(self, preset: int, number: int) -> None:
        left = list(self.model)
        for _ in range(number):
            left.remove(preset)
        self.model = tuple(left)


def check(app: App, examples: int, phases: Collection[Phase] = tuple(Phase)) -> None:
    app.sql("CREATE TABLE usage_later PARTITION OF preset_usage FOR VALUES FROM ('2090-01-01') TO ('2091-01-01')")
    machine = type("Bound", (Counters,), {"app": app})
    limits = settings(
        max_examples=examples, stateful_step_count=30, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(HealthCheck), print_blob=False, phases=phases,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=limits)


def test_counters_follow_the_model(counted: App) -> None:
    check(counted, examples=40)


def test_a_wrong_trigger_is_caught(counted: App) -> None:
    """One that forgets what moves. The first story that shows it will do: nobody reads the shortest one."""
    for table in ("preset_usage", "usage_old", "usage_recent", "usage_recent_rest", "usage_recent_samples"):
        counted.sql(f"ALTER TABLE {table} DISABLE TRIGGER trigger_auto_adjust_preset_usage_count_update")
    with pytest.raises(AssertionError):
        check(counted, examples=40, phases=[Phase.generate])
