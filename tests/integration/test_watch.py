"""verify again and again, and how much drift a nightly job takes."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from support import LONG, App, environment, failing


def rounds(process: subprocess.Popen[str], number: int) -> list[dict[str, Any]]:
    assert process.stdout
    return [json.loads(process.stdout.readline()) for _ in range(number)]


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=LONG)
    return process.returncode, said


def test_a_line_a_round_in_a_pipe(fixed: App) -> None:
    watching = fixed.spawn("verify", "--watch", "0.1")
    first = rounds(watching, 2)
    assert [entry["ok"] for entry in first] == [True, True]
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 3 WHERE id = %s", fixed.preset())
    while (entry := rounds(watching, 1)[0])["ok"]:
        pass
    assert entry["counters"][0]["counts"]["drift_total"] == -3
    assert entry["command"] == "verify"
    code, said = ended(watching)
    assert code == 1, "that of the last round"
    assert said.count("target: ") == 1
    fixed.usagefix("backfill")
    again = fixed.spawn("verify", "--watch", "0.1", "--format", "json")
    rounds(again, 1)
    assert ended(again)[0] == 0


def test_a_table_a_round_in_a_pipe_where_that_is_asked_for(fixed: App) -> None:
    watching = fixed.spawn("verify", "--watch", "0.1", "--format", "table")
    assert watching.stdout
    seen = ""
    while seen.count("right: 16 checks pass") < 2:
        line = watching.stdout.readline()
        assert line, "it ended"
        seen += line
    assert ended(watching)[0] == 0


def test_it_waits_for_a_server_that_goes_away(fixed: App) -> None:
    watching = fixed.spawn("verify", "--watch", "0.1")
    rounds(watching, 1)
    maintenance = App(fixed.host, fixed.port, "postgres", fixed.binaries)
    maintenance.sql(f"ALTER DATABASE {fixed.name} ALLOW_CONNECTIONS false")
    try:
        while (entry := rounds(watching, 1)[0])["error"] is None:
            pass
        assert entry["exit_code"] == 3
    finally:
        maintenance.sql(f"ALTER DATABASE {fixed.name} ALLOW_CONNECTIONS true")
        maintenance.close()
    while not (entry := rounds(watching, 1)[0])["ok"]:
        pass
    assert ended(watching)[0] == 0


def test_it_ends_with_its_reader(fixed: App) -> None:
    watching = fixed.spawn("verify", "--watch", "0.1")
    rounds(watching, 1)
    assert watching.stdout
    assert watching.stderr
    watching.stdout.close()
    assert watching.wait(LONG) == 0
    watching.stderr.close()


def test_what_waiting_cannot_mend_ends_it(app: App) -> None:
    app.sql("DROP TABLE preset_usage")
    done = app.usagefix("verify", "--watch", "0.1")
    assert done.code == 2
    assert done.json["exit_code"] == 2
    assert "error: " in done.stderr
    assert app.usagefix("verify", "--watch", "1", "--format", "junit").code == 2
    odd = app.usagefix("verify", "--watch", "nan")
    assert odd.code == 2, odd.stderr
    assert "not a number" in odd.stderr


def test_a_live_table_on_a_terminal(fixed: App) -> None:
    leader, follower = pty.openpty()
    variables = environment(DATABASE_URL=fixed.url(), TERM="xterm", COLUMNS="80", LINES="24")
    watching = subprocess.Popen(
        [sys.executable, "-m", "usagefix", "verify", "--watch", "0.1"], stdin=follower, stdout=follower,
        stderr=subprocess.DEVNULL, env=variables, cwd="/", start_new_session=True,
    )  # fmt: skip
    os.close(follower)
    seen, deadline, told = "", time.monotonic() + LONG, False
    while time.monotonic() < deadline:
        if select.select([leader], [], [], 0.1)[0]:
            try:
                chunk = os.read(leader, 65536)
            except OSError:
                break
            seen += chunk.decode(errors="replace")
        if not told and seen.count("every 0.1 s") > 2:
            watching.send_signal(signal.SIGINT)
            told = True
    os.close(leader)
    assert watching.wait(LONG) == 0
    assert seen.count("\x1b[H") >= seen.count("every 0.1 s") - 1, "each round is drawn over the last one"
    alternate, rest = seen.split("\x1b[?1049l")
    frames = alternate.split("\x1b[H")  # the last one may be cut short
    assert max(frame.count("\n") for frame in frames[:-1]) < 24, "no frame scrolls"
    assert "right" in rest
    assert "16 checks pass, 4 do not apply" in re.sub(r"\x1b\[[\d;]*m", "", rest), "the last report stays on the screen"


@pytest.mark.parametrize(("allowed", "code"), [(0, 1), (9, 1), (10, 0), (1000, 0)])
def test_a_threshold(fixed: App, allowed: int, code: int) -> None:
    """Opposite errors do not cancel out."""
    fixed.spoil("UPDATE presets SET usage_count = usage_count + 4 WHERE id = %s", fixed.preset(1))
    fixed.spoil("UPDATE presets SET usage_count = usage_count - 6 WHERE id = %s", fixed.preset(2))
    done = fixed.usagefix("verify", "--fail-over", str(allowed), "--format", "json")
    assert (done.code, failing(done)) == (code, {"counters_accurate"} if code else set()), done.stdout
    assert (done.one["counts"]["drift_total"], done.one["counts"]["drift_magnitude"]) == (2, 10)
    assert done.one["counts"]["inaccurate"] == 2


def test_a_threshold_is_for_the_last_use_too_and_for_nothing_else(fixed: App) -> None:
    fixed.sql("UPDATE presets SET last_used_at = NULL WHERE id IN (%s, %s)", fixed.preset(1), fixed.preset(2))
    assert failing(fixed.usagefix("verify", "--fail-over", "1", "--format", "json")) == {"last_used_current"}
    assert failing(fixed.usagefix("verify", "--fail-over", "2", "--format", "json")) == set()
    fixed.sql("ALTER TABLE preset_usage DISABLE TRIGGER trigger_auto_increment_preset_usage_count")
    assert fixed.usagefix("verify", "--fail-over", "1000000").code == 1


def test_a_null_counter_is_wrong_without_a_threshold(fixed: App) -> None:
    fixed.sql("DELETE FROM preset_usage WHERE preset_id = %s", fixed.preset(1))
    fixed.spoil("UPDATE presets SET usage_count = NULL WHERE id = %s", fixed.preset(1))
    assert failing(fixed.usagefix("verify", "--format", "json")) == {"counters_accurate"}
    assert failing(fixed.usagefix("verify", "--fail-over", "1", "--format", "json")) == set()
