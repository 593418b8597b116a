"""What people notice while the fix is applied to their database: the latency of their inserts.

Four clients insert single rows at a fixed rate, each insert at its appointed time whether the one before was late or
not; latency counts from that time, so that an insert which has to queue behind a slow one is late as well. The same
load is measured with nothing else going on, and while somebody runs a bare ``GROUP BY`` over and over: what that does
to latency is the price of counting on this machine's cores, whoever counts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from threading import Event, Thread

import psycopg

from benchmarks.counting import BARE_COUNT
from benchmarks.measure import Ratio, Row, say, short
from benchmarks.server import STRIDE, USERS, Connection, Database, Lab
from usagefix.database import Limits

CLIENTS, RATE, ROUNDS = 4, 100, 3
ALONE, COUNTING, APPLYING = "alone", "bare count", "usagefix apply"
DAILY_LIMIT = """
    CREATE UNIQUE INDEX idx_preset_usage_daily_unique
    ON preset_usage (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date))
"""
INSERT = """
    INSERT INTO preset_usage (preset_id, user_id, usage_type)
    VALUES (md5('preset ' || %s::bigint)::uuid, md5('user ' || %s::bigint)::uuid, 'showcase_creation')
"""


@dataclass(slots=True)
class _Writer:
    """One client. Its users are its own, and no use repeats another: it never meets the daily limit."""

    database: Database
    number: int
    presets: int
    uses: Iterator[int] = field(default_factory=count)
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def write(self, stop: Event) -> None:
        """Insert at the appointed times until told to stop."""
        with self.database.connect() as connection:
            self._insert(connection)
            due = time.perf_counter() + self.number / RATE / CLIENTS
            while not stop.is_set():
                time.sleep(max(0.0, due - time.perf_counter()))
                self._insert(connection)
                self.latencies.append(time.perf_counter() - due)
                due += 1 / RATE

    def _insert(self, connection: Connection) -> None:
        use = next(self.uses)
        own_users = USERS // CLIENTS
        user = 1 + self.number * own_users + use // self.presets % own_users
        try:
            connection.execute(INSERT, (1 + use * STRIDE % self.presets, user), prepare=True)
        except psycopg.Error as error:
            self.failures.append(str(error))


@dataclass(frozen=True, slots=True)
class _Latencies:
    """Of one window, or the medians of several, in milliseconds."""

    p50: float
    p99: float
    p999: float
    longest: float

    def __str__(self) -> str:
        return " / ".join(short(value) for value in (self.p50, self.p99, self.p999, self.longest))


def latency(lab: Lab) -> list[Row]:
    """The whole of ``usagefix apply`` on a large history, daily limit and all, under a steady load."""
    number, presets = lab.scale.rows(20_000_000), lab.scale.rows(10_000)
    windows: dict[str, list[_Latencies]] = {ALONE: [], COUNTING: [], APPLYING: []}
    failures: list[str] = []
    with lab.cloned(lab.application(presets, number)) as database:
        database.run(DAILY_LIMIT, "CHECKPOINT")
        writers = [_Writer(database, n, presets) for n in range(CLIENTS)]
        work: dict[str, Callable[[], object]] = {
            ALONE: lambda: time.sleep(lab.scale.window),
            COUNTING: lambda: _count_for(database, lab.scale.window),
            APPLYING: lambda: database.usagefix("apply"),
        }
        for turn in range(ROUNDS):
            for name, busy in work.items():
                os.sync()
                windows[name].append(_during(busy, writers))
                say(f"latency, round {turn + 1} of {ROUNDS}, {name}: {windows[name][-1]} ms")
            database.require_no_drift()
            if turn + 1 < ROUNDS:
                database.usagefix("rollback", "--yes")
                database.run("SET session_replication_role = replica", "UPDATE presets SET usage_count = 0")
        failures = [failure for writer in writers for failure in writer.failures]
    for failure in sorted(set(failures)):
        say(f"an insert failed: {failure}")
    return [_row(number, windows, len(failures))]


def _during(busy: Callable[[], object], writers: list[_Writer]) -> _Latencies:
    """The latencies of what the writers insert while something else runs."""
    stop = Event()
    threads = [Thread(target=writer.write, args=(stop,)) for writer in writers]
    for thread in threads:
        thread.start()
    try:
        busy()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    values = sorted(value * 1_000 for writer in writers for value in writer.latencies)
    for writer in writers:
        writer.latencies.clear()
    p50, p99, p999 = (values[int(len(values) * share)] for share in (0.5, 0.99, 0.999))
    return _Latencies(p50, p99, p999, values[-1])


def _count_for(database: Database, length: float) -> None:
    deadline = time.monotonic() + length
    with database.connect() as connection:
        while time.monotonic() < deadline:
            connection.execute(f"SELECT max(uses) FROM ({BARE_COUNT}) AS bare".encode())


def _row(number: int, windows: dict[str, list[_Latencies]], failed: int) -> Row:
    def p999_ratio(name: str) -> Ratio:
        return Ratio.of([w.p999 for w in windows[name]], [w.p999 for w in windows[ALONE]])

    limit = Limits().lock_timeout + 100
    ratio, longest = p999_ratio(APPLYING), max(window.longest for window in windows[APPLYING])
    medians = "; ".join(f"{name} {_middle(found)}" for name, found in windows.items())
    return Row(
        "latency",
        f"inserts ({CLIENTS} clients, {RATE}/s each) while `usagefix apply` runs over {number:,} events",
        "p99.9 compared with the same load alone; p50 / p99 / p99.9 / longest in ms, medians of the rounds",
        f"p99.9 at most 2x, longest at most {limit} ms, no failures",
        f"{ratio}, bare count {p999_ratio(COUNTING)}; longest of all {short(longest)} ms; {failed} failed; {medians}",
        ratio.middle <= 2 and longest <= limit and not failed,
    )


def _middle(windows: list[_Latencies]) -> _Latencies:
    return _Latencies(
        *(median(getattr(window, name) for window in windows) for name in ("p50", "p99", "p999", "longest"))
    )
