"""``python -m benchmarks [NAME …] [--scale small|full] [--write]``, from the repository's root."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable

from benchmarks import counting, insight, many, notifications, online, server, startup, table, writes
from benchmarks.measure import SCALES, BenchmarkFailed, Row, say, timed
from usagefix.errors import UsagefixError

BENCHMARKS: dict[str, Callable[[server.Lab], list[Row]]] = {
    "insert": writes.insert,
    "copy": writes.copy,
    "single": writes.single,
    "contention": writes.contention,
    "many": many.many,
    "notifications": notifications.notifications,
    "snapshot": counting.snapshot,
    "backfill": counting.backfill,
    "latency": online.latency,
    "memory": counting.memory,
    "insight": insight.insight,
    "startup": startup.startup,
}


def main() -> int:
    """Run what is asked for, print the table, and keep it where asked to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument(
        "--scale", choices=SCALES, default="full", help="small: a twentieth of the rows (default: full)"
    )
    parser.add_argument("--write", action="store_true", help="replace the table in benchmarks/README.md")
    arguments = parser.parse_args()
    names = arguments.names or list(BENCHMARKS)
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}")
    if arguments.write and set(names) != set(BENCHMARKS):
        parser.error("--write needs all benchmarks: the table is one run")
    for name in [name for name in os.environ if name.startswith("PG") or name.endswith(("DATABASE_URL", "DB_URL"))]:
        del os.environ[name]

    rows: list[Row] = []
    try:
        with timed() as elapsed, server.running(SCALES[arguments.scale]) as lab:
            for name in names:
                with timed() as part:
                    rows += BENCHMARKS[name](lab)
                say(f"{name} done in {part():.0f} s")
            version = lab.main.value("SHOW server_version")
    except (BenchmarkFailed, UsagefixError) as error:
        say(f"failed: {error}")
        return 1
    text = table.rendered(rows, version=str(version), command=" ".join(sys.argv[1:]), seconds=elapsed())
    print(text)
    if arguments.write:
        table.write(text)
    return 0


sys.exit(main())
