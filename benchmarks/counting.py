"""What counting history costs: the snapshot of drift, the whole backfill, its memory.

The yardstick is what one would type instead: a bare ``GROUP BY`` for the snapshot, and for the backfill the one
statement that recounts every preset (which is exact only while nobody writes, and holds every row until it commits).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial

from benchmarks.measure import BenchmarkFailed, Row, interleaved, seconds, short, timed
from benchmarks.server import Database, Lab
from usagefix import catalog
from usagefix.backfill import backfill as run_backfill
from usagefix.database import connect
from usagefix.target import locate

BARE_COUNT = "SELECT preset_id, count(*) AS uses FROM preset_usage GROUP BY 1"
DRIFT, BARE, PLAIN_DRIFT, PLAIN_BARE = "drift", "bare", "drift as a query", "bare as a query"
ONE_STATEMENT, VERB, COMMAND = "one UPDATE", "backfill()", "usagefix backfill"

RECOUNT = """
    UPDATE presets SET usage_count = (SELECT count(*) FROM preset_usage WHERE preset_id = presets.id)
"""
# A process reports the peak of what started it as its own, so something small has to start it.
PEAK_OF_CHILD = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(done.returncode)
"""
HOLD_TRIGGERS_OFF = "SET LOCAL session_replication_role = replica"


def snapshot(lab: Lab) -> list[Row]:
    """The query that finds drift, as the backfill runs it, over two sizes of history."""
    presets = lab.scale.rows(10_000)
    statements = {
        DRIFT: f"CREATE TEMPORARY TABLE counted ON COMMIT DROP AS {catalog.query('drift')}",
        BARE: f"CREATE TEMPORARY TABLE counted ON COMMIT DROP AS {BARE_COUNT}",
        PLAIN_DRIFT: f"SELECT count(*), max(actual) FROM ({catalog.query('drift')}) AS drift",
        PLAIN_BARE: f"SELECT count(*), max(uses) FROM ({BARE_COUNT}) AS bare",
    }
    rows, last = [], None
    for number in (lab.scale.rows(2_000_000), lab.scale.rows(20_000_000)):
        database = lab.application(presets, number)
        database.run("SELECT count(*) FROM preset_usage")
        samples = interleaved(
            f"snapshot of {number:,}",
            lab.scale.rounds,
            {name: partial(database.seconds, statement) for name, statement in statements.items()},
        )
        ratio = samples.ratio(DRIFT, BARE)
        plain = samples.ratio(PLAIN_DRIFT, PLAIN_BARE)
        measured = f"{ratio}; without storing the result {plain}; {samples.seconds()}"
        met = ratio.middle <= 1.15
        if last is not None:
            growth, bare_growth = (samples.middle(name) / last.middle(name) for name in (DRIFT, BARE))
            measured += f"; grows {short(growth)}x for 10x the events (bare {short(bare_growth)}x)"
            met = met and growth <= max(10.0, bare_growth) * 1.15
        rows.append(
            Row(
                "snapshot",
                f"snapshot of drift, {number:,} events of {presets:,} presets",
                "`CREATE TABLE AS`, time compared with the same of a bare `GROUP BY preset_id`",
                "at most 1.15x" if last is None else "at most 1.15x, and linear growth",
                measured,
                met,
            )
        )
        last = samples
    return rows


def backfill(lab: Lab) -> list[Row]:
    """The whole backfill where every counter is wrong."""
    number, presets = lab.scale.rows(2_000_000), lab.scale.rows(10_000)
    template = lab.application(presets, number)
    with lab.cloned(template) as plain, lab.cloned(template) as fixed:
        fixed.usagefix("apply")

        def one_statement() -> float:
            _spoil(plain)
            elapsed = plain.seconds(HOLD_TRIGGERS_OFF, RECOUNT)
            plain.require_no_drift()
            return elapsed

        def verb() -> float:
            _spoil(fixed)
            elapsed = _backfill_in_process(fixed, presets)
            fixed.require_no_drift()
            return elapsed

        def command() -> float:
            _spoil(fixed)
            with timed() as elapsed:
                fixed.usagefix("backfill")
            fixed.require_no_drift()
            return elapsed()

        samples = interleaved(
            "backfill", lab.scale.rounds, {ONE_STATEMENT: one_statement, VERB: verb, COMMAND: command}
        )
    ratio = samples.ratio(VERB, ONE_STATEMENT)
    return [
        Row(
            "backfill",
            f"backfill of {presets:,} drifted presets from {number:,} events",
            "time compared with one `UPDATE` of all presets with a subquery; triggers on presets held off in both",
            "at most 1.5x",
            f"{ratio}; as a process {samples.ratio(COMMAND, ONE_STATEMENT)}; {samples.seconds()}",
            ratio.middle <= 1.5,
        )
    ]


def memory(lab: Lab) -> list[Row]:
    """The peak of the command's memory, which must not depend on how much there is to correct."""
    number = lab.scale.rows(2_000_000)
    few, many = (_peak(lab, lab.scale.rows(presets), number) for presets in (1_000, 1_000_000))
    return [
        Row(
            "memory",
            f"peak memory of `usagefix backfill`, {many.presets:,} drifted presets, {number:,} events",
            f"resident set of the process compared with {few.presets:,} presets and as many events; one run each",
            "",
            f"{short(many.megabytes / few.megabytes)}x; {many}; {few}",
            None,
        )
    ]


@dataclass(frozen=True, slots=True)
class _Peak:
    """What one run of the command took."""

    presets: int
    megabytes: float
    duration: float

    def __str__(self) -> str:
        return f"{self.presets:,} presets {short(self.megabytes)} MB, in {seconds(self.duration)}"


def _peak(lab: Lab, presets: int, number_of_events: int) -> _Peak:
    with lab.cloned(lab.application(presets, number_of_events)) as database:
        database.usagefix("apply")
        _spoil(database)
        with timed() as elapsed:
            printed = database.usagefix("backfill", wrapper=(sys.executable, "-S", "-c", PEAK_OF_CHILD))
        database.require_no_drift()
    return _Peak(presets, int(printed) / (1_000_000 if sys.platform == "darwin" else 1_000), elapsed())


def _spoil(database: Database) -> None:
    """Every counter is wrong again, as at first, and no dead rows are left of the round before."""
    with database.connect() as connection:
        with connection.transaction():
            connection.execute(HOLD_TRIGGERS_OFF.encode())
            connection.execute("UPDATE presets SET usage_count = 0, last_used_at = NULL")
        connection.execute("VACUUM (ANALYZE) presets")


def _backfill_in_process(database: Database, presets: int) -> float:
    db = connect(locate(database.url, "the benchmark"))
    try:
        with timed() as elapsed:
            report = run_backfill(db)
    finally:
        db.close()
    if report.rows_changed != presets:
        raise BenchmarkFailed(f"the backfill corrected {report.rows_changed} of {presets} presets")
    return elapsed()
