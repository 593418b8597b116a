"""The command that writes all of it on one page."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from usagefix.cli import options, printing, run, viewing, watching
from usagefix.cli.shared import shared
from usagefix.cli.turns import READ
from usagefix.cli.writing import require_writable, write_whole
from usagefix.errors import Busy, CannotConnect, ConfigurationError
from usagefix.models.figures import duration
from usagefix.models.insight import Asked, DashboardReport, Insight, Step, WrittenPage
from usagefix.models.outcome import Outcome
from usagefix.render import words

if TYPE_CHECKING:
    from usagefix.database import Database
    from usagefix.models.reports import Report

_SECONDS = re.compile(r"([0-9]{1,6}(?:\.[0-9]+)?)(s|m|h)?")
_STDOUT = "-"
# How long a window is of which a year's detail is drawn: by hours, by days, by weeks.
_STEPS = ((timedelta(hours=49), Step.HOUR), (timedelta(days=800), Step.DAY), (timedelta(days=12 * 366), Step.WEEK))


def _seconds(text: str) -> float:
    """``60s``, ``5m``, ``1h``, or a mere number of seconds."""
    found = _SECONDS.fullmatch(text.strip())
    seconds = float(found[1]) * {"m": 60, "h": 3600}.get(found[2] or "s", 1) if found else 0.0
    if not 0.1 <= seconds <= 86_400:  # noqa: PLR2004
        raise typer.BadParameter(f"{text!r} is no time from 0.1s to 24h")
    return seconds


def dashboard(
    context: typer.Context,
    page: Annotated[str, typer.Argument(metavar="FILE.html", help="The page to write; - is stdout.")],
    since: viewing.Since = "365d",
    until: viewing.Until = None,
    zone: viewing.Zone = None,
    limit: Annotated[
        int, options.option("--limit", "How many presets and users to list.", metavar="N", min=1, max=50)
    ] = 10,
    user_label: viewing.UserLabel = None,
    opens: Annotated[bool, options.option("--open", "Open the page in a browser.")] = False,
    every: Annotated[
        float | None,
        options.option(
            "--every",
            "Write it again this often (60s, 5m, 1h), until Ctrl-C. A browser shows it when it loads the page again.",
            metavar="TIME",
            parser=_seconds,
            show_default=False,
        ),
    ] = None,
    time_column: viewing.TimeColumn = None,
    user_column: viewing.UserColumn = None,
    kind_column: viewing.KindColumn = None,
) -> None:
    """Write all of that, and the result of verify, on one page. Reads only.

    The page is one file that opens from disk, without a network and without scripts. Only its owner can read a new file
    (mode 0600), because it holds data; one that is there keeps its mode. The exit code is 0 when the page is written.
    Where verify finds drift, the page and the last line say so.

    Example: usagefix dashboard usage.html --tz Europe/Berlin
    """
    from usagefix.cli.zone import of_this_machine

    asked = Asked(
        since, until, zone if zone is not None else of_this_machine(), _step(since, until), user_label=user_label,
        time_column=time_column, user_column=user_column, kind_column=kind_column,
    )  # fmt: skip
    maker = _Maker(context, page, asked, limit, opens)
    if page == _STDOUT:
        _require_stdout_alone(opens, every, shared(context).output, shared(context).file)
    elif (to := shared(context).file) is not None and Path(page).resolve() == to.resolve():
        raise ConfigurationError(f"{page} is both the page and the report of --output", hint="leave --output out")
    if every is not None:
        watching.watch(context, "dashboard", every, maker.make, "--every", _Told(page, every).show)
    outcome = Outcome("dashboard")
    with run.timed(outcome):
        maker.make(outcome)
    if page == _STDOUT:
        run.tell(outcome)
        raise typer.Exit(outcome.exit_code)
    run.end(outcome, shared(context).output, shared(context).file)


def _require_stdout_alone(opens: bool, every: float | None, output: options.Format | None, to: Path | None) -> None:
    """Raise ConfigurationError where the page on stdout would not be alone there."""
    told = output not in (None, options.Format.TABLE)
    wrong = {"--open": opens, "--every": every is not None, "--format": told, "--output": to is not None}
    for name, given in wrong.items():
        if given:
            raise ConfigurationError(
                f"- writes the page to stdout, which {name} does not go with", hint="name a file: usage.html"
            )


def _step(since: str, until: str | None) -> Step:
    """How long a period of the page is: so that its lines have some hundred points."""
    from usagefix.insight.asking import span

    long = span(since, until, datetime.now(UTC))
    return next((step for most, step in _STEPS if long <= most), Step.MONTH)


@dataclass(slots=True)
class _Maker:
    """Makes the page, once or again."""

    context: typer.Context
    file: str
    asked: Asked
    limit: int
    opens: bool
    found: dict[str, Insight] = field(default_factory=dict)

    def make(self, outcome: Outcome, say: Callable[[str], None] = words.say) -> None:
        """Look, and write; what comes of it is in the outcome."""
        self.found.clear()
        run.on_database(self.context, outcome, self._look, READ, first=self._require, say=say)
        if outcome.error is None and self.found:
            with run.caught(outcome):
                outcome.report = self._write(outcome)

    def _require(self) -> None:
        from usagefix.insight.asking import parameters

        if self.file != _STDOUT:
            require_writable(Path(self.file))
        parameters(self.asked)

    def _look(self, db: Database) -> Report:
        from usagefix.insight import insight
        from usagefix.render.progress import reading_shown

        with reading_shown() as tell:
            found = insight(db, self.asked, self.limit, tell)
        self.found[db.counter.slug] = found
        return DashboardReport(found.verified)

    def _write(self, outcome: Outcome) -> WrittenPage | None:
        from usagefix.render.page import page

        told = [(p.nouns, p.error or self.found[p.nouns.counter]) for p in outcome.parts]
        assert outcome.target is not None  # noqa: S101
        text = page(told, outcome.target, datetime.now(UTC), outcome.given).encode(errors="backslashreplace")
        if self.file == _STDOUT:
            printing.to_stdout(partial(_through, text))
            return None
        write_whole(Path(self.file), text, private=True)
        if self.opens:
            _open(Path(self.file))
            self.opens = False
        return WrittenPage(self.file, len(text))


def _through(text: bytes) -> None:
    sys.stdout.buffer.write(text)


def _open(file: Path) -> None:
    import webbrowser

    try:
        done = webbrowser.open(file.resolve().as_uri())
    except webbrowser.Error:
        done = False
    if not done:
        words.say(f"no browser could be started here: open {file} yourself")


@dataclass(slots=True)
class _Told:
    """Tells of rounds: the first page, and each time that one is not written."""

    file: str
    seconds: float
    written: bool = False
    failing: bool = False

    def show(self, outcome: Outcome) -> bool:
        """Say what is new in a round; somebody always looks."""
        failure = outcome.failure
        if outcome.report is not None and (self.failing or not self.written):
            words.say(f"{self.file} is written, and again every {duration(self.seconds)}")
        elif outcome.report is None and self.written and isinstance(failure, CannotConnect | Busy):
            words.say(f"{failure.message}; {self.file} stays as it is, and is tried again in {duration(self.seconds)}")
        self.failing = outcome.report is None
        self.written = self.written or outcome.report is not None
        return True
