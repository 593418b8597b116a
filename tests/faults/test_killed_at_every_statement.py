"""Killed, or cut off from the server, after each statement that leaves something; run again, it ends where it always ends.

Nothing is done by half, no delta is added twice, and the application goes on in between.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import pytest
from psycopg import IsolationLevel, OperationalError
from shapes import Shape
from support import GUARDING, INDEX, App

from faults import copies, state, wire
from faults.copies import Copies
from faults.state import PRESETS, REACTIONS, State, Subject
from faults.wire import Fault, Run, Statement, Wire

# With the fewest statements that each can do with: less, and the faults would miss some.
COMMANDS = {
    "apply": (("apply",), 60),
    "backfill": (("backfill", "--batch-size", "20"), 30),
    "rollback": (("rollback", "--yes"), 25),
    "trusting": (("backfill", "--trust", "counters", "--batch-size", "20"), 30),
}
# Killed is what leaves most: the command that shares nearly all its statements with another needs no other fault.
FAULTS = [(command, fault) for command in COMMANDS for fault in Fault if command != "trusting" or fault is Fault.KILLED]
GONE = """
    SELECT NOT EXISTS (
        SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'usagefix'
    )
"""
LEFT_OVER = """
    SELECT 'lock', mode FROM pg_locks JOIN pg_database ON pg_database.oid = database
    WHERE datname = current_database() AND locktype = 'advisory'
    UNION ALL
    SELECT 'invalid index', indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid
"""


@pytest.fixture(scope="session")
def line() -> Iterator[Wire]:
    with wire.opened() as line:
        yield line


@contextmanager
def noted(where: str) -> Iterator[None]:
    """Say in a failure which of the many faults it was."""
    try:
        yield
    except BaseException as error:
        error.add_note(where)
        raise


@dataclass(frozen=True)
class Story:
    """A command, copies of the database that it starts from, and how it ends when nothing happens to it."""

    arguments: tuple[str, ...]
    copies: Copies
    before: State
    end: State
    statements: list[Statement]
    of: Subject = PRESETS


@contextmanager
def told(app: App, line: Wire, command: str) -> Iterator[Story]:
    """Bring the database to where the command starts from, and see how it ends."""
    arguments, _ = COMMANDS[command]
    count_in_tracker(app)
    sample = state.read(app)
    if command != "apply":
        assert line.run(app, "apply").result.code == 0
    if command in ("backfill", "trusting"):
        drift(app)
    if command == "trusting":
        app.spoil("UPDATE presets SET usage_count = usage_count + 500 WHERE name LIKE 'Neon%%'".replace("%%", "%"))
    with copies.of(app) as spoilt:
        copy = spoilt.get()
        run = line.run(copy, *arguments)
        assert run.result.code == 0, run.result.stderr
        end = state.read(copy)
        assert set(Counter(end.history).values()) == {1}
        assert command != "rollback" or end.catalog == sample.catalog
        assert application_triggers(end) == application_triggers(sample)
        yield Story(arguments, spoilt, spoilt.before, end, run.statements)


def application_triggers(of: State) -> list[state.Row]:
    return [row for row in of.catalog if row[0] == "trigger" and row[4] == "presets" and GUARDING not in row[1]]


def count_in_tracker(app: App) -> None:
    """Let track_preset_usage() count by itself, so that it and the trigger must never be there, or gone, together."""
    tracker = app.one("SELECT pg_get_functiondef('track_preset_usage'::regproc)")
    before, end = tracker.split("    RETURN event_id;")
    app.sql(f"{before}    PERFORM increment_preset_usage(preset_uuid);\n    RETURN event_id;{end}")


def drift(app: App) -> None:
    """Counters changed by hands that go around the triggers."""
    with app.connect() as hands:
        hands.execute("SET session_replication_role = replica")
        hands.execute(
            "UPDATE presets SET usage_count = CASE WHEN name NOT LIKE 'Film%' THEN usage_count / 3 END,"
            " last_used_at = CASE WHEN name NOT LIKE 'Line%' THEN last_used_at - interval '1 day' END"
        )


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("command", "fault"), FAULTS, ids=[f"{command}-{fault.name.lower()}" for command, fault in FAULTS]
)
def test_a_fault_after_every_statement(app: App, line: Wire, command: str, fault: Fault) -> None:
    """The application goes on from what is left, and so does the command.

    Most statements leave what the one before has left: both are tried from each state once.
    """
    seen, struck = set[State](), 0
    with told(app, line, command) as story:
        for at in chosen(story.statements, fault):
            copy = story.copies.get()
            run = line.run(copy, *story.arguments, fault=fault, at=at)
            if len(run.statements) <= at:
                continue  # it ended before that, this time
            struck += 1
            with noted(f"{fault}, number {at}: {run.statements[at].text}\n{run.result.stderr}"):
                left = check_what_is_left(copy, story, run, fault)
                if left not in seen:
                    seen.add(left)
                    assert state.counted(copy) == [1, left.counting, -left.adjusting]
                    check_the_run_after_it(copy, story, line)
    assert len(story.statements) > COMMANDS[command][1]
    assert struck > len(seen) > 3


def chosen(statements: list[Statement], fault: Fault) -> list[int]:
    """After which of the statements a fault finds something that it did not find before.

    Each that is kept. Of an open transaction, which any loss undoes, the last: all is done, and nothing committed. It
    gets no answer where the loss of the answer to the commit is tried. The command, which lives on when it is only cut
    off, notices it in the next statement: it must do so wherever it asks something, once.
    """
    texts = set[str]()
    found = []
    for at, (statement, then) in enumerate(pairwise((*statements, Statement("", kept=True)))):
        last_but_commit = then.kept and fault is not Fault.UNANSWERED
        new = fault is Fault.CUT and then.text not in texts
        texts.add(then.text)
        if statement.kept or last_but_commit or new:
            found.append(at)
    return found


@contextmanager
def told_of_two(app: App, line: Wire) -> Iterator[Story]:
    """How apply ends for two counters of one table of events, by opposite filters, when nothing happens to it."""
    Shape("reactions").load(app)
    arguments = ("apply", "--config", str(Shape("reactions").declaration), "--batch-size", "8")
    with copies.of(app, REACTIONS) as spoilt:
        copy = spoilt.get()
        run = line.run(copy, *arguments)
        assert run.result.code == 0, run.result.stderr
        end = state.read(copy, REACTIONS)
        assert set(Counter(end.history).values()) == {1}
        assert len(end.history) == 4
        assert state.drift(copy, REACTIONS) == 0
        yield Story(arguments, spoilt, spoilt.before, end, run.statements, REACTIONS)


@pytest.mark.timeout(600)
def test_killed_while_two_counters_of_the_same_events_are_applied(app: App, line: Wire) -> None:
    """Each is right, or as it was, wherever the run was in the one or the other; the next run ends with both.

    In an open transaction, one statement of thirty: a loss there leaves what the transaction before it has left.
    """
    seen, between = set[State](), 0
    with told_of_two(app, line) as story:
        for at, statement in enumerate(story.statements):
            if not statement.kept and at % 30:
                continue
            copy = story.copies.get()
            run = line.run(copy, *story.arguments, fault=Fault.KILLED, at=at)
            assert len(run.statements) == at + 1, "the same statements each time"
            with noted(f"{Fault.KILLED}, number {at}: {run.statements[at].text}"):
                left = check_what_is_left(copy, story, run, Fault.KILLED)
                if left not in seen:
                    seen.add(left)
                    likes, dislikes = (left.counts(of.counter) for of in REACTIONS.counters)
                    between += likes and not dislikes
                    assert state.reacted(copy) == [(likes, 0), (0, dislikes), (-likes, dislikes), (0, -dislikes)]
                    check_the_run_after_it(copy, story, line)
        copy = story.copies.get()
        copy.sql("UPDATE posts SET dislikes_count = dislikes_count + 1 WHERE id = 1")
        assert state.miscounted(story.before, state.read(copy, story.of)) == ["post_dislikes_count 1"]
    assert len(story.statements) > 250
    assert len(seen) > 10
    assert between > 3, "the first is done, the second is not begun or under way"


def check_what_is_left(app: App, story: Story, run: Run, fault: Fault) -> State:
    """Nothing by half, though nobody runs the command again; and what it could still say is true."""
    app.wait_for(GONE)
    now = state.read(app, story.of)
    assert app.sql(LEFT_OVER) == []
    assert state.miscounted(story.before, now) == []
    if fault is Fault.KILLED:
        assert run.result.code == -9
        return now
    assert "Traceback" not in run.result.stderr
    assert "psycopg" not in run.result.stderr
    if run.result.code == 0:  # the loss came after its last statement
        assert fault is Fault.CUT
        assert now == story.end
    else:
        assert run.result.code == 3
        assert state.untrue(run.result.stderr, story.before, now) == []
    return now


def check_the_run_after_it(app: App, story: Story, line: Wire) -> None:
    again = line.run(app, *story.arguments)
    assert again.result.code == 0, again.result.stderr
    now = state.read(app, story.of)
    assert (state.drift(app, story.of) == 0) == (not now.baselines)
    assert state.miscounted(story.before, now) == []
    assert now.baselines == story.end.baselines
    assert now.counters == story.end.counters
    assert now.declared == story.end.declared
    assert now.catalog == story.end.catalog
    assert Counter(now.history) == Counter(story.end.history)
    assert all(now.runs_finished)
    assert all(marked for *_, marked in now.corrections)
    if now.counting:
        assert line.run(app, "verify", *story.arguments[1:] * (story.of is not PRESETS)).result.code == 0


@pytest.mark.parametrize("command", ["apply", "rollback"])
def test_cut_off_in_the_middle_of_a_statement_that_commits_twice(app: App, line: Wire, command: str) -> None:
    """DROP and CREATE INDEX CONCURRENTLY are the only ones that can be left half done, while they wait for a reader."""
    with told(app, line, command) as story:
        at, text = next((n, s.text) for n, s in enumerate(story.statements) if " CONCURRENTLY " in s.text)
        copy = story.copies.get()
        line.run(copy, *story.arguments, fault=Fault.KILLED, at=at - 1)
        with copy.connect(autocommit=False) as reader, copy.connect() as other, ThreadPoolExecutor() as threads:
            reader.isolation_level = IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT FROM preset_usage LIMIT 1")
            statement = threads.submit(other.execute, text.encode())
            pid = other.info.backend_pid
            copy.wait_for("SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s", pid)
            copy.one("SELECT pg_terminate_backend(%s)", pid)
            with pytest.raises(OperationalError):
                statement.result()
        assert copy.sql(LEFT_OVER) == [("invalid index", INDEX)]
        assert state.counted(copy)[:2] == [1, 1]
        check_the_run_after_it(copy, story, line)


@pytest.mark.parametrize("order", [("add", "mark"), ("mark", "add")])
def test_adding_and_marking_in_two_transactions_is_caught(fixed: App, order: tuple[str, str]) -> None:
    """The checks above would notice a backfill that is cut off in between, and one that then goes on from there."""
    drift(fixed)
    before = state.read(fixed)
    run = fixed.one("INSERT INTO usagefix.backfills (counter) VALUES ('preset_usage_count') RETURNING run")
    fixed.sql(
        "INSERT INTO usagefix.corrections (counter, run, place, row_key, actual, delta)"
        f" SELECT 'preset_usage_count', {run}, row_number() OVER (), id, n, n - coalesce(usage_count, 0) FROM presets CROSS JOIN LATERAL"
        " (SELECT count(*) AS n FROM preset_usage WHERE preset_id = presets.id) AS events"
        " WHERE usage_count IS DISTINCT FROM n"
    )
    steps = {
        "add": "UPDATE presets SET usage_count = coalesce(usage_count, 0) + delta FROM usagefix.corrections"
        f" WHERE row_key = id::text AND run = {run} AND applied_at IS NULL",
        "mark": f"UPDATE usagefix.corrections SET applied_at = now() WHERE run = {run}",
    }
    fixed.spoil(steps[order[0]])
    assert state.miscounted(before, state.read(fixed)) != []
    for step in order:
        fixed.spoil(steps[step])
    assert fixed.drift()[0] > 10
    assert state.miscounted(before, state.read(fixed)) != []


def test_an_untrue_report_is_caught(app: App, line: Wire) -> None:
    with told(app, line, "apply") as story:
        before, end = story.before, story.end
    corrected = (f"{len(run)} of {len(run)} presets corrected" for run in end.since(before))
    others = ("only the triggers change the counter", "the daily limit is gone")
    truth = "; ".join(("done before that, and kept: every use is counted", *others, *corrected))
    assert state.untrue(truth, before, end) == []
    for lie in (
        "nothing in the database was changed",
        truth.replace("gone", "back"),
        truth.replace(" of ", "0 of ", 1),
    ):
        assert state.untrue(lie, before, end) != []
    assert state.untrue(truth, before, before) != []
