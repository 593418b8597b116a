"""Prints a result: on stdout in the format asked for, and as annotations and a summary for GitHub Actions."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from io import TextIOWrapper
from itertools import pairwise, takewhile
from pathlib import Path
from typing import TextIO, assert_never

import typer

from usagefix.cli.options import Format
from usagefix.cli.writing import write_whole
from usagefix.errors import ConfigurationError
from usagefix.models.outcome import Outcome
from usagefix.render import words

# The formats are imported when they are needed, because importing rich takes longer than connecting.


def show(outcome: Outcome, output: Format | None, file: Path | None = None) -> None:
    """Print it, or write it to a file. None is a table, with annotations where GitHub Actions reads along."""
    reads_along = output is None and os.environ.get("GITHUB_ACTIONS") == "true"
    if file is not None:
        written(outcome, output, file)
    elif output in (None, Format.TABLE):
        table(outcome)
        if reads_along:
            from usagefix.render.github import annotations

            put("".join(f"{line}\n" for line in annotations(outcome)), outcome.changes)
    else:
        if output is Format.OPENMETRICS and isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # the format has no other
        text = _laid_out(outcome, output, ascii_only=not _holds_everything(sys.stdout))
        put(words.unobeyed(text) if output is Format.CSV else text, outcome.changes)
    if reads_along or output is Format.GITHUB:
        _summarise(outcome)


def written(outcome: Outcome, output: Format | None, file: Path) -> None:
    """Write it to a file. Ends the process with exit code 2 where that fails, and says what was changed."""
    try:
        write_whole(file, _laid_out(outcome, output))
    except ConfigurationError as error:
        words.fail(error, outcome.changes)
        raise typer.Exit(error.exit_code) from None


def _laid_out(outcome: Outcome, output: Format | None, *, ascii_only: bool = False) -> str:  # noqa: PLR0911 - one a format
    """The whole text. A table is laid out for a file."""
    match output:
        case Format.TABLE | None:
            return _table(outcome, file=True)
        case Format.JSON:
            from usagefix.render.document import document

            return document(outcome, ascii_only=ascii_only) + "\n"
        case Format.MARKDOWN:
            from usagefix.render.markdown import markdown

            return markdown(outcome) + "\n"
        case Format.GITHUB:
            from usagefix.render.github import report

            return report(outcome) + "\n"
        case Format.JUNIT:
            from usagefix.render.junit import junit

            return junit(outcome) + "\n"
        case Format.OPENMETRICS:
            from usagefix.render.openmetrics import openmetrics

            return openmetrics(outcome) if outcome.command in ("verify", "usagefix") else ""
        case Format.CSV:
            from usagefix.render.flat import flat

            return "".join(f"{line}\n" for line in flat(outcome))
        case _:
            assert_never(output)


def line(outcome: Outcome) -> bool:
    """One line of JSON; whether somebody still reads."""
    from usagefix.render.document import document

    return put(document(outcome, indent=None, ascii_only=not _holds_everything(sys.stdout)) + "\n", outcome.changes)


def wanted(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[Format | None, Path | None]:
    """The format, and the file, that a command line asks for which could not be parsed; None if it names none.

    A file only in the place of one that a program reads: with no format, there is nothing to write.
    """
    form = environment.get("USAGEFIX_FORMAT", "")
    to = environment.get("USAGEFIX_OUTPUT", "")
    for argument, behind in pairwise([*takewhile("--".__ne__, arguments), ""]):
        match argument.partition("="):
            case ("--format", "", _):
                form = behind
            case ("--format", _, said):
                form = said
            case ("--output" | "-o", "", _):
                to = behind
            case ("--output", _, said):
                to = said
            case _ if re.match(r"-o[^=]", argument):
                to = argument[2:]
    if form not in tuple(Format):
        return None, None
    return Format(form), Path(to) if to and not to.startswith("-") and form != Format.TABLE else None


def table(outcome: Outcome) -> bool:
    """The table, if there is a report; whether somebody still reads."""
    return put(lambda: _table(outcome), outcome.changes)


def _table(outcome: Outcome, *, file: bool = False) -> str:
    reports = (outcome.report, *(part.report for part in outcome.parts))
    if not (file and outcome.parts) and all(report is None for report in reports):  # stderr says what failed
        return ""
    from usagefix.render.layout import drawn, file_console, stdout_console
    from usagefix.render.table import show_all

    console = file_console() if file else stdout_console()
    return words.unobeyed(drawn(console, lambda: show_all(outcome, console)))


def _summarise(outcome: Outcome) -> None:
    """The report in the summary of the step, which GitHub Actions shows as a page."""
    from usagefix.render.github import append_summary

    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    try:
        append_summary(Path(summary), outcome)
    except OSError as error:
        words.say(f"the step summary cannot be written: {error.strerror}")


def _holds_everything(stream: TextIO) -> bool:
    return codecs.lookup(stream.encoding or "ascii").name == "utf-8"


def put(text: str | Callable[[], str], changes: str = "") -> bool:
    """Text on stdout, unless hushed; whether somebody still reads. A table is laid out on stdout, which rich flushes
    then: so within what catches a full disk."""

    def write() -> None:
        laid_out = text if isinstance(text, str) else text()
        print(words.spelled(laid_out, sys.stdout.encoding or "ascii"), end="")

    return to_stdout(write, changes) if text and not words.hushed() else True


def to_stdout(write: Callable[[], None], changes: str | None = None) -> bool:
    """Write data. Where the reader has gone (a closed pipe) the rest is dropped; the work is done all the same.

    Returns whether somebody still reads. Ends the process with exit code 2 where data cannot be written (a full disk),
    and says what was changed.
    """
    try:
        write()
        sys.stdout.flush()
    except OSError as error:
        abandon_stdout()
        if isinstance(error, BrokenPipeError):
            return False
        words.fail(unwritable(error), changes)
        raise typer.Exit(ConfigurationError.exit_code) from None
    return True


def abandon_stdout() -> None:
    """Let what is still to be written go nowhere: Python flushes stdout once more when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def unwritable(error: OSError) -> ConfigurationError:
    """What a full disk means: the work is done, its result is lost."""
    return ConfigurationError(
        f"the result cannot be written: {error.strerror}",
        hint="free some space; usagefix status shows the present state",
    )
