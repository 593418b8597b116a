"""Where a result goes: stdout in the format asked for, and what GitHub Actions reads beside it."""

from __future__ import annotations

import codecs
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO, assert_never

import typer

from usagefix.cli.options import Format
from usagefix.errors import ConfigurationError
from usagefix.models.outcome import Outcome
from usagefix.render import words

# The formats are imported where they are needed: rich takes longer to import than a connection to be made.


def show(outcome: Outcome, output: Format | None) -> None:
    """Print it. None is a table, with annotations where GitHub Actions reads along."""
    match output:
        case Format.TABLE:
            table(outcome)
        case None:
            table(outcome)
            if os.environ.get("GITHUB_ACTIONS") == "true":
                from usagefix.render.github import annotations

                _print(outcome, *annotations(outcome))
                _summarise(outcome)
        case Format.JSON:
            from usagefix.render.document import document

            _print(outcome, document(outcome, ascii_only=not _holds_everything(sys.stdout)))
        case Format.MARKDOWN:
            from usagefix.render.markdown import markdown

            _print(outcome, markdown(outcome))
        case Format.GITHUB:
            from usagefix.render.github import report

            _print(outcome, report(outcome))
            _summarise(outcome)
        case Format.JUNIT:
            from usagefix.render.junit import junit

            _print(outcome, junit(outcome))
        case Format.CSV:
            from usagefix.render.flat import flat

            _print(outcome, *flat(outcome))
        case _:
            assert_never(output)


def line(outcome: Outcome) -> bool:
    """One line of JSON; whether somebody still reads."""
    from usagefix.render.document import document

    text = document(outcome, indent=None, ascii_only=not _holds_everything(sys.stdout))
    return to_stdout(lambda: print(text), outcome.changes)


def wanted(arguments: Sequence[str], environment: Mapping[str, str]) -> Format | None:
    """The format that a command line asks for which could not be parsed; None where it names none."""
    said = environment.get("USAGEFIX_FORMAT", "")
    for place, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument == "--format" and place + 1 < len(arguments):
            said = arguments[place + 1]
        elif argument.startswith("--format="):
            said = argument.removeprefix("--format=")
    return Format(said) if said in tuple(Format) else None


def table(outcome: Outcome) -> bool:
    """The table, if there is a report; whether somebody still reads."""
    if outcome.report is None and not outcome.parts:
        return True
    from usagefix.render.layout import stdout_console
    from usagefix.render.table import show_all

    def write() -> None:
        console = stdout_console()
        with console.capture() as laid_out:  # it flushes stdout when it ends
            show_all(outcome, console)
        print(words.unobeyed(re.sub(r" +$", "", laid_out.get(), flags=re.MULTILINE)), end="")

    return to_stdout(write, outcome.changes)


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


def _print(outcome: Outcome, *lines: str) -> None:
    if lines:
        to_stdout(lambda: print(*lines, sep="\n"), outcome.changes)


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
        hint="free some space; usagefix status shows where things stand",
    )
