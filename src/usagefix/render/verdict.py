"""The last line of each report: one word, the reason, and what to do next."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import assert_never

from usagefix.models.choices import GuardMode
from usagefix.models.correction import BackfillReport
from usagefix.models.diagnosis import DoctorReport, Severity
from usagefix.models.discovery import DiscoverReport
from usagefix.models.figures import grouped, out_of, parts, percent, plural, size
from usagefix.models.guarding import GuardReport
from usagefix.models.history import LogReport
from usagefix.models.insight import DashboardReport, HeatmapReport, Of, TopReport, TrendsReport, Window, WrittenPage
from usagefix.models.migration import ApplyReport, ExportReport, RollbackReport, State, StatusReport
from usagefix.models.notifying import NotificationsReport
from usagefix.models.nouns import USUAL, Nouns
from usagefix.models.probe import ProbeReport
from usagefix.models.reports import Report
from usagefix.models.smoke import SmokeReport
from usagefix.models.verification import RowReport, Status, VerifyReport
from usagefix.render.ending import BAD, GOOD, MIND, Verdict, discovered, logged, probed, throttled
from usagefix.render.phrases import after_export, tally

GUARDED = {
    GuardMode.IGNORE: "the counter keeps its value, the rest of the statement succeeds",
    GuardMode.WARN: "the counter keeps its value, the rest of the statement succeeds, with a warning",
    GuardMode.REJECT: "a statement that writes the counter fails",
}


def verdict(report: Report, nouns: Nouns = USUAL) -> Verdict:
    """The verdict of one report, in the words for its counter."""
    match report:
        case VerifyReport():
            return _verified(report, nouns)
        case ApplyReport():
            if report.after is None:
                following = str(report.before.next or "") or ("usagefix apply" if report.migrations else "")
                return Verdict("dry run", _unchanged(report.migrations), next=following)
            proved = _verified(report.after, nouns)
            smoke_as = f" --as {shlex.quote(report.smoke_as)}" if report.smoke_as else ""
            return replace(proved, next=proved.next or f"usagefix smoke{smoke_as}, then in CI usagefix verify")
        case BackfillReport():
            return _backfilled(report, nouns)
        case RollbackReport():
            return _rolled_back(report, nouns)
        case StatusReport():
            return _standing(report)
        case RowReport():
            if report.ok:
                truth = "the sum of events" if nouns.weighed else "the number of events"
                truth = f"its baseline and {truth}" if report.row.baseline else truth
                return Verdict("right", f"the counter equals {truth}", GOOD)
            return Verdict("not right", "the counter and the events differ", BAD, str(report.next or ""))
        case DoctorReport():
            return _diagnosed(report)
        case ExportReport():
            return _exported(report)
        case GuardReport():
            means = GUARDED[report.mode]
            if report.was is None:
                return Verdict(f"mode {report.mode}", means)
            was = "as before" if report.was is report.mode else f"was {report.was}"
            return Verdict(f"mode {report.mode}", f"{means} ({was})", GOOD)
        case SmokeReport():
            return _smoked(report, nouns)
        case DashboardReport():
            if report.verified is None:
                return Verdict("not known", "verify has no answer: usagefix verify says why", MIND)
            return _verified(report.verified, nouns)
        case WrittenPage():
            return Verdict("written", f"{report.file}, {size(report.bytes)}", GOOD)
        case TrendsReport() | HeatmapReport() | TopReport():
            return _seen(report, nouns)
        case DiscoverReport():
            return discovered(report)
        case LogReport():
            return logged(report)
        case NotificationsReport():
            return throttled(report)
        case ProbeReport():
            return probed(report)
        case _:
            assert_never(report)


def _unchanged(migrations: tuple[str, ...], face: str = "", of: str = "") -> str:
    """Nothing, and the commands that print what would have been run."""
    prints = ", ".join(f"usagefix sql {migration.partition('_')[0]}{face} --adapt" for migration in migrations)
    return f"nothing was changed; the SQL{of}: {prints}" if prints else "nothing was changed"


def _verified(report: VerifyReport, nouns: Nouns) -> Verdict:
    counts = report.counts
    accuracy = f"; {grouped(counts.accurate)} of {nouns.of(counts.rows)} accurate" if counts else ""
    said = f"{tally(check.status for check in report.checks)}{accuracy}"
    if not report.ok:
        return Verdict("not right", said, BAD, str(report.next or ""))
    if not any(check.status is Status.OK for check in report.checks):
        return Verdict("cannot tell", said, MIND)
    allowed = ", the drift is within what is allowed" if counts and counts.inaccurate else ""
    return Verdict("right", f"{said}{allowed}", GOOD)


def _backfilled(report: BackfillReport, nouns: Nouns) -> Verdict:
    if report.dry_run:
        return Verdict("dry run", "nothing was changed")
    if not report.ok:
        left = f"{nouns.of(len(report.unrepaired))} not corrected: the server refuses to update the row"
        return Verdict("not done", left, BAD, "mend what refuses it, then usagefix backfill")
    what = "the drift is removed" if report.rows_changed else "there was no drift"
    return Verdict("done", what, GOOD, "usagefix verify")


def _seen(report: TrendsReport | HeatmapReport | TopReport, nouns: Nouns) -> Verdict:
    said = f"{nouns.total(report.total_uses)} {_window(report.window)}"
    match report:
        case TrendsReport():
            if report.change is None:
                return Verdict("trend", f"{said}, and {nouns.total(report.before_uses)} in the time before")
            than = f"{percent(abs(report.change))} {'more' if report.change >= 0 else 'fewer'}"
            return Verdict("trend", f"{said}, {than} than the {grouped(report.before_uses)} in the time before")
        case HeatmapReport():
            return Verdict("heatmap", said)
        case _:
            if not report.rows:
                return Verdict("top", said)
            what = "users" if report.of is Of.USERS else nouns.rows
            share = percent(report.top_share)
            return Verdict("top", f"{said}; {share} by {out_of(len(report.rows), report.among)} {what}")


def _window(window: Window) -> str:
    """Which events, in words."""
    form = "%Y-%m-%d %H:%M"
    kind = f"of kind {window.kind!r} " * (window.kind is not None)
    row = f"of {window.preset} " * (window.preset is not None)
    return f"{kind}{row}from {window.since.strftime(form)} until {window.until.strftime(form)} ({window.timezone})"


def _rolled_back(report: RollbackReport, nouns: Nouns) -> Verdict:
    if report.dry_run and (report.migrations or report.purged):
        # The script of the second one can be made only when the first has run.
        first = " of the first step" if len(report.migrations) > 1 else ""
        return Verdict("dry run", _unchanged(report.migrations[:1], " rollback", first))
    if not report.migrations and report.purged:
        return Verdict("purged", "schema usagefix is gone", MIND)
    if not report.migrations:
        what = "no later version is applied" if report.remains else "no migration is applied here"
        return Verdict("nothing to do", what)
    left = f"to {report.remains}" if report.remains else f"new {nouns.events} are no longer counted by usagefix"
    return Verdict("rolled back", left, MIND)


def _standing(report: StatusReport) -> Verdict:
    if report.reads is not None:
        return Verdict("only verified", "no trigger keeps it; usagefix verify tells whether it is right")
    states = {migration.state for migration in report.migrations}
    if states <= {State.APPLIED}:
        return Verdict("applied", "every migration; usagefix verify proves the counters", GOOD)
    if State.OUTDATED in states or State.FOREIGN in states:
        return Verdict("not as released", "usagefix verify names what differs", BAD, str(report.next or ""))
    pending = sum(migration.state is State.PENDING for migration in report.migrations)
    return Verdict("pending", f"{parts(pending, len(report.migrations), 'migration')}", MIND, str(report.next or ""))


def _diagnosed(report: DoctorReport) -> Verdict:
    errors = report.count(Severity.ERROR)
    warnings, others = report.count(Severity.WARNING), report.count(Severity.INFO)
    told = {plural(errors, "error"): errors, plural(warnings, "warning"): warnings}
    told[f"{grouped(others)} good to know"] = others
    said = ", ".join(words for words, number in told.items() if number) or "nothing found"
    following = str(report.next or "")
    following += " --dry-run" if following == "usagefix apply" else ""
    following = next((f.remedy for f in report.findings if f.finding_id == "events_incomplete"), following)
    if report.ok:
        return Verdict("right", said, GOOD, following)
    if errors:
        return Verdict("not right", said, BAD, following)
    return Verdict("cannot tell", f"{said}; the counters and the events were not looked at", MIND, following)


def _smoked(report: SmokeReport, nouns: Nouns) -> Verdict:
    failed = [step for step in report.steps if step.status is Status.FAILED]
    if not failed and any(step.step_id == "first_use" and step.status is Status.SKIPPED for step in report.steps):
        return Verdict("cannot tell", f"no {nouns.event} was tried", MIND)
    steps = tally((step.status for step in report.steps), "step", skipped=("was not tried", "were not tried"))
    if not failed:
        some = any(step.status is Status.SKIPPED for step in report.steps)
        return Verdict("right", f"{nouns.smoked} ({steps})" if some else nouns.smoked, GOOD)
    hints = "; ".join(dict.fromkeys(step.hint for step in failed if step.hint))
    return Verdict("not right", f"{steps}; all of it is undone", BAD, hints)


def _exported(report: ExportReport) -> Verdict:
    written = f"{plural(len(report.files), 'file')} written, {grouped(len(report.there))} there already"
    return Verdict("exported", written, GOOD, after_export(report))
