"""A second counter is held off in the same moment in which ours begins: seen in snapshots while people write.

From the commit of version 1 on, an event and its count commit together, once; so what is wrong stays as wrong as it was
until a backfill mends it. An event that counts twice, or not at all, would show as a step.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from support import APPLICATIONS, VERSION, App, wait_until
from traffic import traffic

STEP = "-- Disable trigger "  # begins the statements that hold off, or edit, what counts too
# One snapshot: whether ours counts, and by how much the counters are wrong in all.
SEEN = """
    SELECT EXISTS (SELECT FROM pg_trigger WHERE tgname = 'trigger_auto_increment_preset_usage_count' AND tgnewtable IS NOT NULL),
        (SELECT count(*) FROM preset_usage) - (SELECT sum(usage_count) FROM presets)
"""


def drifts_since_ours_counts(app: App, parts: Callable[[str], list[str]]) -> set[int]:
    """Run the script for this database in parts, each a transaction, while people write and others look; returns what
    they saw of the drift."""
    for name in ("by_hand", "counted_twice"):
        app.sql((APPLICATIONS / f"{name}.sql").read_text())
    app.sql("UPDATE presets SET usage_count = 0 WHERE usage_count IS NULL")
    printed = app.usagefix("sql", VERSION, "apply", "--adapt")
    assert printed.code == 0, printed.stderr
    seen: list[list[int | None]] = [[], []]
    over = threading.Event()

    def look(mine: list[int | None]) -> None:
        with app.connect() as connection:
            while not over.is_set():
                for ours, drift in connection.execute(SEEN.encode()):
                    mine.append(int(drift) if ours else None)

    def looked() -> None:
        """Wait until each has looked again, and again."""
        targets = [len(mine) + 3 for mine in seen]
        wait_until(lambda: all(len(mine) >= target for mine, target in zip(seen, targets, strict=True)))

    lookers = [threading.Thread(target=look, args=(mine,)) for mine in seen]
    with traffic(app, most=1) as writers:  # row-level triggers deadlock otherwise
        for looker in lookers:
            looker.start()
        try:
            for script in parts(printed.stdout):
                writers.progress()
                looked()
                with app.connect(autocommit=False) as connection:
                    connection.execute("SET LOCAL lock_timeout = '1min'")
                    connection.execute(script.encode())
                looked()
            writers.progress(200)
            looked()
        finally:
            over.set()
            for looker in lookers:
                looker.join()
    assert writers.failures == []
    return {drift for mine in seen for drift in mine if drift is not None}


def test_no_event_counts_twice_or_not_at_all(app: App) -> None:
    assert len(drifts_since_ours_counts(app, lambda script: [script])) == 1


def test_holding_it_off_a_moment_later_is_caught(app: App) -> None:
    def late(script: str) -> list[str]:
        ours, found, held_off = script.partition(STEP)
        assert found
        return [ours, found + held_off]

    assert len(drifts_since_ours_counts(app, late)) > 1
