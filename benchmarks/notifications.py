"""What throttling notifications costs those who write them: eight writers on three presets.

Beside usagefix's throttle: no trigger at all, and one that takes its lock before it looks, for each row.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from benchmarks.clients import Session
from benchmarks.measure import BenchmarkFailed, Row, interleaved
from benchmarks.server import Database, Lab

BARE, ALWAYS, USAGEFIX = "bare", "a lock always", "usagefix"
PRESETS, WRITERS = 3, 8
INSERT = """
    INSERT INTO preset_notifications (preset_id, creator_id, type, title, message)
    VALUES (md5('preset ' || %s::bigint)::uuid, md5('user ' || %s::bigint)::uuid, 'preset_used', 'Used', 'By somebody')
"""
INDEX = "CREATE INDEX ON preset_notifications (creator_id, preset_id, created_at) WHERE NOT is_read"
USES = "SELECT coalesce(sum(coalesce((data ->> 'uses')::bigint, 1)), 0) FROM preset_notifications"
LOCK = re.compile(r" *PERFORM pg_catalog\.pg_advisory_xact_lock\(.*?\);\n", re.DOTALL)
AGAIN = 2_000  # statements of one session


def notifications(lab: Lab) -> list[Row]:
    """Throughput of eight writers, and what one session costs the server."""
    return [_throughput(lab), _processor(lab)]


def _throughput(lab: Lab) -> Row:
    def rate(variant: str) -> float:
        with _prepared(lab, variant) as database:
            sent = _write(database, lab.scale.window)
            rows = int(database.value("SELECT count(*) FROM preset_notifications"))
            if int(database.value(USES)) != sent or (variant != BARE and rows != PRESETS):
                raise BenchmarkFailed(f"{variant}: {sent} notifications sent, {rows} rows")
            return sent / lab.scale.window

    alternatives = (BARE, ALWAYS, USAGEFIX)
    samples = interleaved("notifications", lab.scale.rounds, {v: partial(rate, v) for v in alternatives})
    ratio = samples.ratio(USAGEFIX, ALWAYS)
    return Row(
        "notifications",
        f"{WRITERS} writers of notifications of {PRESETS} presets, one a statement",
        "throughput compared with a lock always; each is counted once, one is unread for each preset",
        "at least 1x",
        f"{ratio}; compared with bare {samples.ratio(USAGEFIX, BARE)}; {samples.rates('notifications/s')}",
        ratio.middle >= 1,
    )


def _processor(lab: Lab) -> Row:
    def cost(variant: str) -> float:
        with _prepared(lab, variant) as database, database.connect() as connection:
            session = Session(connection, INSERT, lambda number: (1 + number % PRESETS,) * 2)
            session.microseconds(100)
            return session.microseconds(AGAIN)

    samples = interleaved(
        "notifications, one session", lab.scale.rounds, {v: partial(cost, v) for v in (BARE, USAGEFIX)}
    )
    return Row(
        "notifications",
        "the server's processor time for a notification, one session",
        f"microseconds of {AGAIN:,} prepared inserts (/proc/PID/schedstat); bare adds a row each, usagefix updates one",
        "",
        f"{samples.ratio(USAGEFIX, BARE)}; {samples.rates('µs')}",
        None,
    )


@contextmanager
def _prepared(lab: Lab, variant: str) -> Iterator[Database]:
    with lab.cloned(lab.application(lab.scale.rows(1_000))) as database:
        database.run(INDEX)
        if variant != BARE:
            database.usagefix("notifications", "collapse")
        if variant == ALWAYS:
            database.run(_locked_first(database))
        yield database


def _locked_first(database: Database) -> str:
    """The function with its lock taken before it looks."""
    text = str(database.value("SELECT pg_get_functiondef('collapse_preset_notifications'::regproc)"))
    (lock,) = LOCK.findall(text)
    return LOCK.sub("", text).replace("    FOR attempt IN", f"{lock}    FOR attempt IN")


def _write(database: Database, seconds: float) -> int:
    sent, failures = [0] * WRITERS, list[Exception]()

    def write(number: int) -> None:
        with database.connect() as connection:
            deadline = time.monotonic() + seconds
            try:
                while time.monotonic() < deadline:
                    preset = 1 + (number + sent[number]) % PRESETS
                    connection.execute(INSERT.encode(), (preset, preset), prepare=True)
                    sent[number] += 1
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise BenchmarkFailed(f"a writer failed: {failures[0]}") from failures[0]
    return sum(sent)
