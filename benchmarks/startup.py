"""What a script waits for: the whole process of a command, beside psql on the same checks."""

from __future__ import annotations

import subprocess
from functools import partial
from pathlib import Path

from benchmarks.measure import BenchmarkFailed, Row, interleaved, seconds, timed
from benchmarks.server import Database, Lab, program
from usagefix import catalog

ROUNDS = 15


def startup(lab: Lab) -> list[Row]:
    """``usagefix verify --format json`` on the sample, and the same checks by psql."""
    what = "`usagefix verify --format json` on a database of 40 presets, the whole process"
    how = "time less that of psql on the three `verify.sql`"
    psql = program(lab.server, "psql")
    if psql is None:
        return [Row("startup", what, how, "", "left out: psql is not beside the server's programs or on PATH", None)]
    with lab.cloned(lab.application(40, 2_000)) as database:
        database.usagefix("apply")
        files = [f"--file={migration.folder / 'verify.sql'}" for migration in catalog.migrations()]
        ways = {"usagefix": partial(_verify, database), "psql": partial(_psql, psql, database, files)}
        samples = interleaved("startup", ROUNDS, ways)
    ahead = [a - b for a, b in zip(samples.values["usagefix"], samples.values["psql"], strict=True)]
    middle = sorted(ahead)[len(ahead) // 2]
    measured = f"{seconds(middle)} ({seconds(min(ahead))} to {seconds(max(ahead))}); {samples.seconds()}"
    return [Row("startup", what, how, "at most 150 ms", measured, middle <= 0.15)]


def _verify(database: Database) -> float:
    with timed() as elapsed:
        database.usagefix("verify", "--format", "json")
    return elapsed()


def _psql(psql: Path, database: Database, files: list[str]) -> float:
    with timed() as elapsed:
        done = subprocess.run(
            [psql, "--no-psqlrc", "--dbname", database.url, *files], capture_output=True, text=True, check=False
        )
    if done.returncode or done.stderr:
        raise BenchmarkFailed(f"psql failed: {done.stderr.strip()}")
    return elapsed()
