"""What counting costs those who insert events.

Three variants of one database: ``bare`` counts nothing; ``row-level`` has the trigger that most write-ups give;
``usagefix`` had ``usagefix apply`` run on it. The application's own triggers on presets are dropped from all three:
they fire for each changed row whoever changes it, and would make both ways of counting look alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from benchmarks.clients import SCHEDSTAT, Session, contend, pgbench_rate
from benchmarks.measure import Row, interleaved, seconds, short
from benchmarks.server import EVENT_COLUMNS, STRIDE, USERS, Database, Lab, events, program

BARE, ROW_LEVEL, USAGEFIX = "bare", "row-level", "usagefix"
EMPTY, UNGUARDED = "empty statement-level", "usagefix without guard"
FURTHER = {EMPTY: BARE, UNGUARDED: USAGEFIX}
PROCESSOR_ROUNDS = 10
CONTENDED_PRESETS = 40
CONTENDED_SECONDS = 10.0

ROW_LEVEL_TRIGGER = """
    CREATE FUNCTION count_use() RETURNS trigger LANGUAGE plpgsql AS $function$
    BEGIN
        UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1, last_used_at = NEW.created_at
        WHERE id = NEW.preset_id;
        RETURN NULL;
    END
    $function$;
    CREATE TRIGGER count_use AFTER INSERT ON preset_usage FOR EACH ROW EXECUTE FUNCTION count_use();
"""

EMPTY_TRIGGER = """
    CREATE FUNCTION count_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER count_nothing AFTER INSERT ON preset_usage REFERENCING NEW TABLE AS new_events
        FOR EACH STATEMENT EXECUTE FUNCTION count_nothing();
"""

ONE_EVENT = """
    INSERT INTO preset_usage (preset_id, user_id, usage_type)
    VALUES (md5('preset ' || %s::bigint)::uuid, md5('user ' || %s::bigint)::uuid, 'showcase_creation')
"""

SINGLE_ROW = """\
\\set preset random(1, {presets})
\\set user random(1, 1000)
INSERT INTO preset_usage (preset_id, user_id, usage_type)
VALUES (md5('preset ' || :preset)::uuid, md5('user ' || :user)::uuid, 'showcase_creation');
"""

SEVERAL_PRESETS = f"""
    INSERT INTO preset_usage (preset_id, user_id, usage_type)
    SELECT md5('preset ' || n)::uuid, md5('user 1')::uuid, 'showcase_creation'
    FROM generate_series(1, {CONTENDED_PRESETS}) AS n ORDER BY random() LIMIT 20
"""


def insert(lab: Lab) -> list[Row]:
    """One INSERT ... SELECT of many rows."""
    number, presets = lab.scale.rows(200_000), lab.scale.rows(1_000)
    what = f"one `INSERT … SELECT` of {number:,} rows over {presets:,} presets"
    return [_bulk(lab, "insert", what, f"INSERT INTO preset_usage ({EVENT_COLUMNS}) {events(number, presets)}", 1.05)]


def copy(lab: Lab) -> list[Row]:
    """COPY of many rows, from a file that the server reads itself: no client's work dilutes the difference."""
    number, presets = lab.scale.rows(200_000), lab.scale.rows(1_000)
    file = lab.server.folder / "events.copy"
    lab.main.run(f"COPY ({events(number, presets)}) TO '{file}'")
    what = f"`COPY` of {number:,} rows over {presets:,} presets"
    row = _bulk(lab, "copy", what, f"COPY preset_usage ({EVENT_COLUMNS}) FROM '{file}'", 1.1)
    file.unlink()
    return [row]


def single(lab: Lab) -> list[Row]:
    """Single-row inserts: as fast as four clients can, and what one session costs the server."""
    presets = lab.scale.rows(10_000)
    with _variants(lab, presets) as variants:
        return [_throughput(lab, variants, presets), _processor(lab, variants, presets)]


def _throughput(lab: Lab, variants: dict[str, Database], presets: int) -> Row:
    """More and shorter rounds than others have, since each sees another machine."""
    what = f"single-row inserts, 4 clients, {presets:,} presets"
    how = "pgbench, prepared statements; throughput compared with the row-level trigger"
    aim = "at least 0.95x"
    pgbench = program(lab.server, "pgbench")
    if pgbench is None:
        return Row("single", what, how, aim, "left out: pgbench is not beside the server's programs or on PATH", None)
    script = SINGLE_ROW.format(presets=presets)

    def throughput(variant: Database) -> float:
        with lab.cloned(variant) as database:
            return pgbench_rate(pgbench, database, script, lab.scale.window / 3)

    samples = interleaved(
        "single", lab.scale.rounds * 2, {name: partial(throughput, variants[name]) for name in variants}
    )
    ratio = samples.ratio(USAGEFIX, ROW_LEVEL)
    against_bare = ", ".join(f"{name} {samples.ratio(name, BARE)}" for name in (ROW_LEVEL, USAGEFIX))
    measured = f"{ratio}; compared with bare: {against_bare}; {samples.rates('inserts/s')}"
    return Row("single", what, how, aim, measured, ratio.middle >= 0.95)


def _processor(lab: Lab, variants: dict[str, Database], presets: int) -> Row:
    """The smallest of the rounds: what else the machine does only adds."""
    inserts = 2_000
    what = f"the server's processor time for a single-row insert, one session, {presets:,} presets"
    how = f"microseconds, smallest of {PROCESSOR_ROUNDS} rounds of {inserts:,} prepared inserts (/proc/PID/schedstat)"
    aim = "at most 1.15x of row-level, guard included"
    if not SCHEDSTAT.exists():
        return Row("single", what, how, aim, "left out: there is no /proc/PID/schedstat here", None)
    with ExitStack() as stack:
        databases = {name: stack.enter_context(lab.cloned(variants[name])) for name in variants}
        databases |= {name: stack.enter_context(lab.cloned(variants[of])) for name, of in FURTHER.items()}
        databases[EMPTY].run(EMPTY_TRIGGER)
        databases[UNGUARDED].run("DROP TRIGGER zz_trigger_guard_preset_usage_count ON presets")
        order = (BARE, EMPTY, ROW_LEVEL, UNGUARDED, USAGEFIX)
        sessions = {
            name: Session(
                stack.enter_context(databases[name].connect()),
                ONE_EVENT,
                lambda number: (1 + number * STRIDE % presets, 1 + number % USERS),
            )
            for name in order
        }
        for session in sessions.values():
            session.microseconds(inserts)
        samples = interleaved(
            "processor time", PROCESSOR_ROUNDS, {n: partial(s.microseconds, inserts) for n, s in sessions.items()}
        )
        databases[USAGEFIX].require_no_drift()
    least = {name: min(samples.values[name]) for name in order}
    ratio = least[USAGEFIX] / least[ROW_LEVEL]
    figures = ", ".join(f"{name} {least[name]:.1f}" for name in order)
    measured = f"{short(ratio)}x, without guard {short(least[UNGUARDED] / least[ROW_LEVEL])}x; {figures} µs"
    return Row("single", what, how, aim, measured, ratio <= 1.15)


def contention(lab: Lab) -> list[Row]:
    """Statements that touch the same presets in different orders."""
    length, presets = min(lab.scale.window, CONTENDED_SECONDS), lab.scale.rows(10_000)
    deadlocks = {ROW_LEVEL: 0, USAGEFIX: 0}
    with _variants(lab, presets) as variants:

        def throughput(name: str) -> float:
            with lab.cloned(variants[name]) as database:
                done, dead = contend(database, SEVERAL_PRESETS, length)
                deadlocks[name] += dead
                if name == USAGEFIX:
                    database.require_no_drift()
                return max(done, 1) / length  # never nothing: others are divided by it

        rounds = min(3, lab.scale.rounds)
        samples = interleaved("contention", rounds, {name: partial(throughput, name) for name in deadlocks})
    ratio = samples.ratio(USAGEFIX, ROW_LEVEL)
    return [
        Row(
            "contention",
            f"8 clients for {length:.0f} s, each statement 20 random ones of the same {CONTENDED_PRESETS} presets"
            f" (of {presets:,})",
            "throughput compared with the row-level trigger; deadlocks of all rounds",
            "0 deadlocks, at least 100x",
            f"{deadlocks[USAGEFIX]} deadlocks (row-level {deadlocks[ROW_LEVEL]}), {ratio}; "
            f"{samples.rates('statements/s')}",
            deadlocks[USAGEFIX] == 0 and ratio.middle >= 100,
        )
    ]


@contextmanager
def _variants(lab: Lab, presets: int) -> Iterator[dict[str, Database]]:
    template = lab.application(presets)
    variants = {name: lab.clone(template) for name in (BARE, ROW_LEVEL, USAGEFIX)}
    for database in variants.values():
        database.run(
            "DROP TRIGGER presets_touch_updated_at ON presets", "DROP TRIGGER presets_notify_usage_milestone ON presets"
        )
    variants[ROW_LEVEL].run(ROW_LEVEL_TRIGGER)
    variants[USAGEFIX].usagefix("apply")
    yield variants
    for database in variants.values():
        database.drop()


def _bulk(lab: Lab, name: str, what: str, statement: str, aim: float) -> Row:
    with _variants(lab, lab.scale.rows(1_000)) as variants:

        def elapsed(variant: str) -> float:
            with lab.cloned(variants[variant]) as database:
                os.sync()
                took = database.seconds(statement)
                if variant == USAGEFIX:
                    database.require_no_drift()
                return took

        rounds = lab.scale.rounds * 2
        samples = interleaved(name, rounds, {v: partial(elapsed, v) for v in (BARE, USAGEFIX)})
        # Once will do: it is many times slower, and what it writes disturbs whatever comes next.
        slow = interleaved(name, 1, {v: partial(elapsed, v) for v in (BARE, ROW_LEVEL)})
    ratio = samples.ratio(USAGEFIX, BARE)
    return Row(
        name,
        what,
        "time compared with bare inserts; row-level one round only",
        f"at most {aim}x",
        f"{ratio}; row-level {short(slow.ratio(ROW_LEVEL, BARE).middle)}x; {samples.seconds()}, "
        f"row-level {seconds(slow.middle(ROW_LEVEL))}",
        ratio.middle <= aim,
    )
