"""What people read on a terminal of any width: words stay whole, a line of a diff keeps its sign. No server is needed."""

from __future__ import annotations

import io
import json
import re

import pytest
from reports import NOON
from rich.console import Console
from rich.text import Text

from usagefix.models.figures import drifted
from usagefix.models.history import LogEntry, LogReport
from usagefix.models.outcome import Outcome
from usagefix.render.document import document
from usagefix.render.github import report as github
from usagefix.render.junit import junit
from usagefix.render.layout import grid, line
from usagefix.render.markdown import markdown
from usagefix.render.pieces import Change, Column, Notes, Section
from usagefix.render.table import draw


def on(width: int) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False, emoji=False, markup=False, color_system=None)


def written(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return [each.rstrip() for each in console.file.getvalue().splitlines()]


def table(width: int, *rows: tuple[str, ...]) -> list[str]:
    console = on(width)
    columns = (Column("name"), Column("displayed", number=True), Column("found"))
    grid(columns, [[Text(cell) for cell in row] for row in rows], console, width=0)
    return written(console)


@pytest.mark.parametrize(
    ("width", "rows", "shown"),
    [
        (40, [("a", "1", ""), ("b", "20", "")], ["  name  displayed", "  a             1", "  b            20"]),
        (30, [("Studio portrait", "1", "as it is")],
         ["  name      displayed  found", "  Studio            1  as it", "  portrait             is"]),
        (24, [("Studio portrait", "1", "as it is")],
         ["name: Studio portrait", "displayed: 1", "found: as it is"]),
        (37, [("idx_preset_usage_daily_unique", "", "")], ["  name", "  idx_preset_usage_daily_unique"]),
        (28, [("idx_preset_usage_daily_unique", "1", "")],
         ["  name             displayed", "  idx_preset_              1", "  usage_daily_", "  unique"]),
        (34, [("the  second  on it", "1", "on")],
         ["  name            displayed  found", "  the second on           1  on", "  it"]),
    ],
)  # fmt: skip
def test_a_table_breaks_between_words_and_has_no_empty_column(
    width: int, rows: list[tuple[str, ...]], shown: list[str]
) -> None:
    assert [each for each in table(width, *rows) if each.strip(" ─")] == shown


@pytest.mark.parametrize(
    ("section", "shown"),
    [
        (Change("f()", "--- now\n-    ON CONFLICT (preset_id, user_id) DO NOTHING\n     RETURNING id INTO event_id;"),
         ["f()", "  --- now", "  -    ON CONFLICT (preset_id,", "  -      user_id) DO NOTHING", "       RETURNING id INTO",
          "         event_id;", ""]),
        (Notes("", ("29 presets corrected: drift +4,308 in all", "  a_trigger: 35 times")),
         ["  29 presets corrected: drift", "    +4,308 in all", "    a_trigger: 35 times"]),
    ],
)  # fmt: skip
def test_lines_that_are_folded(section: Section, shown: list[str]) -> None:
    console = on(31)
    draw([section], console)
    assert written(console) == shown


def test_a_command_stays_whole() -> None:
    console = on(30)
    line("dry run", "nothing was changed; the SQL: usagefix sql VERSION", "", console)
    assert written(console) == ["dry run: nothing was changed;", "  the SQL:", "  usagefix sql VERSION"]


@pytest.mark.parametrize(
    ("total", "magnitude", "said"),
    [(3940, 3940, "+3,940"), (-2, 2, "-2"), (4308, 4582, "+4,308 (4,582 up and down together)"),
     (0, 4, "0 (4 up and down together)")],
)  # fmt: skip
def test_drift_of_one_sign_is_said_once(total: int, magnitude: int, said: str) -> None:
    assert drifted(total, magnitude) == f"drift {said}"


def test_json_turns_no_line_round() -> None:
    """A terminal shows it, too: the same string, with what it would obey written out."""
    names = "\u202ethgir\x7f\x9b31m\u2066\U000e0041 \u0645\u0631 \U0001f600"
    entry = LogEntry(NOON, "apply", "counter", "1", None, None, None, None, None, None, None, None, names, "", None)
    text = document(Outcome("log", report=LogReport((entry,), 1, ledger=True)))
    assert json.loads(text)["entries"][0]["by_role"] == names
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2060-\u206f\U000e0000-\U000e007f]", text)
    assert "\u0645\u0631 \U0001f600" in text


def test_the_log_is_told_in_every_format() -> None:
    entries = (
        LogEntry(
            NOON, "apply", "counter", "1", None, None, None, None, None, None, None, None, "ann", "", "usagefix 1"
        ),
        LogEntry(NOON, "backfill", "counter", None, 1, None, 2, 5, 5, 0, 0, None, "ann|\n::error::x", "", None),
    )
    outcome = Outcome("log", report=LogReport(entries, 3, ledger=True))
    told = "2025-10-01 12:00:00 UTC by ann, usagefix 1: 1 applied"
    assert github(outcome).splitlines() == [
        told,
        r"2025-10-01 12:00:00 UTC by ann|\n::error::x, by hand: 2 counters corrected: drift +5",
        "usagefix log: 2 entries, the newest first; 1 older: usagefix log --limit 3",
    ]
    page = markdown(outcome)
    assert page.startswith("## usagefix log\n\n2 entries")
    assert page.count("2 counters corrected") == junit(outcome).count("2 counters corrected") == 1
    assert 'tests="2"' in junit(outcome)
