"""How reports look: numbers, names that would draw lines of their own, terminals without boxes, findings as blocks."""

from __future__ import annotations

import dataclasses
import io
import unicodedata
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from reports import COUNTS, FINDING, NOON, REPORTS, VERIFIED
from rich.cells import cell_len
from rich.console import Console

from usagefix.errors import UsagefixError
from usagefix.models import figures
from usagefix.models.diagnosis import DoctorReport, Excerpt
from usagefix.models.nouns import USUAL
from usagefix.models.outcome import Outcome, Part
from usagefix.models.reports import Report
from usagefix.models.verification import RowCount, VerifyReport
from usagefix.render import github, junit, words
from usagefix.render.markdown import markdown
from usagefix.render.pieces import Bars, Cell, Column
from usagefix.render.table import draw, show_all

CLAIM = "right: all 18 checks pass"
ENDS = (
    "\n",
    "\r",
    "\r\n",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b[2K\x1b[1G",
    "\u202e",
    "\u2066",
    "\t\b",
)
ODD = " ".join(f"x{end}{CLAIM}" for end in ENDS)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (figures.grouped(60_000), "60,000"),
        (figures.signed(-60_000), "-60,000"),
        (figures.signed(1_000), "+1,000"),
        (figures.signed(0), "0"),
        (figures.parts(60_000, 60_000, "preset"), "60,000 of 60,000 presets"),
        (figures.parts(1, 1, "use"), "1 of 1 use"),
        (figures.parts(0, 0, "use"), "0 of 0 uses"),
        (figures.aligned([1, None, 2_000]), ["1", "null", "2,000"]),
        ([figures.percent(share) for share in (0, 0.0004, 0.05, 0.333, 0.9949, 0.9996, 1, 12.5)],
         ["0%", "<0.1%", "5.0%", "33%", "99%", ">99.9%", "100%", "1,250%"]),
        ([figures.duration(seconds) for seconds in (0, 0.0004, 0.04, 1.5, 3, 12.4, 90, 320, 7_500)],
         ["0 s", "1 ms", "40 ms", "1.5 s", "3 s", "12 s", "90 s", "5 min 20 s", "2 h 5 min"]),
        ([figures.size(count) for count in (0, 24_576, 1_572_864, 5 << 30, 5_000 << 40)],
         ["1 kB", "24 kB", "1.5 MB", "5.0 GB", "5,000 TB"]),
    ],
)  # fmt: skip
def test_numbers_have_one_form(written: object, expected: object) -> None:
    assert written == expected


def spoiled(piece: Any, name: str) -> Any:
    """The same with each text in it replaced."""
    if type(piece) is str:
        return piece if piece == "rival" else name  # a word of the program's own
    if isinstance(piece, tuple):
        return tuple(spoiled(each, name) for each in piece)
    if isinstance(piece, dict):
        return {f"{name}{key}": spoiled(each, name) for key, each in piece.items()}
    if dataclasses.is_dataclass(piece) and not isinstance(piece, type):
        held = {f.name: spoiled(getattr(piece, f.name), name) for f in dataclasses.fields(piece) if f.init}
        return dataclasses.replace(piece, **held)
    return piece


def table(outcome: Outcome, width: int, encoding: str = "utf-8") -> str:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, highlight=False, emoji=False, markup=False)
    show_all(outcome, console)
    file.flush()
    return file.buffer.getvalue().decode(encoding)


def outcome_of(report: Report, name: str = "") -> Outcome:
    nouns = dataclasses.replace(USUAL, counter=name or "a", counted=name or "b", usual=False)
    return Outcome("a command", parts=[Part(nouns, report)] * 2)


def everywhere(outcome: Outcome, capsys: pytest.CaptureFixture[str]) -> Iterator[str]:
    yield from (table(outcome, width) for width in (40, 100, 160))
    yield markdown(outcome)
    yield github.report(outcome)
    for element in ElementTree.fromstring(junit.junit(outcome)).iter():
        yield from (element.text or "", *element.attrib.values())
    error = UsagefixError(ODD, hint=ODD)
    error.details = (ODD,)
    words.fail(error, ODD, ODD)
    yield capsys.readouterr().err


@pytest.mark.parametrize("name", REPORTS)
def test_no_name_draws_a_line_of_its_own(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = spoiled(REPORTS[name], ODD)
    for text in everywhere(outcome_of(report, ODD), capsys):
        assert not [line for line in text.splitlines() if line.startswith(CLAIM)]
        assert {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")} <= {"\n", "\u200b"}
    for width in range(30, 70, 3):  # nor does a line that is broken before it
        told = table(outcome_of(spoiled(REPORTS[name], f"{'x' * 9} {CLAIM}"), "x"), width)
        assert not [line for line in told.splitlines() if line.startswith(CLAIM)]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("name", REPORTS)
def test_a_table_looks_the_same_without_boxes(name: str, encoding: str) -> None:
    outcome = Outcome("a command", report=REPORTS[name])
    drawn = table(outcome, 100).replace("\u2500", "-")
    if drawn.isascii():
        assert table(outcome, 100, encoding) == drawn
    odd = Outcome("a command", report=spoiled(REPORTS[name], "\u2190 \u65e5\u672c \u2026 \u2192"))
    spelled = table(odd, 100, encoding)
    assert "?" not in spelled
    assert (r"<- \u65e5\u672c ..." in spelled) == ("\u2190 \u65e5\u672c \u2026" in table(odd, 100))


def test_columns_line_up_and_rows_are_told_apart() -> None:
    labels = ("Golden hour", "Golden hour", "\u65e5\u672c\u8a9e\u306e\u591c\u666f", "\U0001f306 neon", "")
    ids = [f"{place}fd8b{place}c2-0000-4000-8000-000000000000" for place in range(5)]
    rows = tuple(RowCount(of, label, 1_234, 0, -1_234, NOON) for of, label in zip(ids, labels, strict=True))
    lines = table(Outcome("verify", report=VerifyReport(VERIFIED.checks, COUNTS, rows)), 80).splitlines()
    told = [line for line in lines if "-1,234" in line]
    assert {cell_len(line[: line.index("1,234")]) for line in told} == {len("  Golden hour (0fd8b0c2)      ")}
    names = [line[: line.index("1,234")].strip() for line in told]
    assert names == ["Golden hour (0fd8b0c2)", "Golden hour (1fd8b1c2)", *labels[2:4], "4fd8b4c2\u2026"]
    cut = [Cell(f"A preset with a long name, number {of}", id=of[:8]) for of in ids]
    for width in (30, 40, 60, 80):
        console = Console(file=io.StringIO(), width=width)
        bars = Bars("", (Column("preset"), Column("uses", number=True)), tuple((c, Cell("1")) for c in cut), (1.0,) * 5)
        draw((bars,), console)
        assert isinstance(console.file, io.StringIO)
        printed = console.file.getvalue().splitlines()[1:6]
        assert len({line[: line.rindex(" 1 ")] for line in printed}) == 5
        assert len({cell_len(line[: line.rindex(" 1 ")]) for line in printed}) == 1


CODE = (
    "\tconst total = 1",
    "\tawait supabase.from('presets').update({ usage_count: total + 1 }).eq('id', id) // and so on and so forth, at length",
)
BLOCK = """\
error: A daily limit (root cause 3)
   -->  public.idx
   :::  src/api/use.ts:120
     |
 119 | const total = 1
 120 | await supabase.from('presets').update({ usage_count: total + 1 }).eq('id', id) // and so o...
     |                                         ^^^^^^^^^^^
     |
   why  CREATE UNIQUE INDEX
    do  REVOKE UPDATE ON public.presets FROM web;
        GRANT UPDATE (name) ON public.presets TO web
   see  docs/doctor.md#daily_limit
"""
NARROW = """\
error: A daily limit (root cause 3)
   -->  public.idx
   :::  src/api/use.ts:120
     |
 119 | const total = 1
 120 | ...).update({ usage_count: tot...
     |               ^^^^^^^^^^^
     |
   why  CREATE UNIQUE INDEX
    do  REVOKE UPDATE ON public.presets
        FROM web;
        GRANT UPDATE (name) ON
        public.presets TO web
   see  docs/doctor.md#daily_limit
"""


def test_a_finding_is_a_block() -> None:
    column = CODE[1].index("usage_count") + 1
    remedy = "REVOKE UPDATE ON public.presets FROM web; GRANT UPDATE (name) ON public.presets TO web"
    excerpt = Excerpt("src/api/use.ts", None, 120, column, len("usage_count"), 119, CODE)
    report = DoctorReport((dataclasses.replace(FINDING, remedy=remedy, excerpt=excerpt),), None)
    for width, block in ((160, BLOCK), (100, BLOCK), (40, NARROW)):
        for encoding in ("utf-8", "ascii"):
            assert table(Outcome("doctor", report=report), width, encoding).startswith(block), width
