"""Numbers, times and findings in words, the same in every format. Needs no rich."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import isfinite

from usagefix.models.amount import Amount
from usagefix.models.choices import DailyLimit
from usagefix.models.correction import BackfillReport
from usagefix.models.figures import drifted, duration, grouped, out_of, plural, signed
from usagefix.models.migration import Durations, ExportReport, RollbackReport
from usagefix.models.nouns import USUAL, Nouns
from usagefix.models.probe import Notified, Post, Probed, ProbeReport
from usagefix.models.verification import Status

MINUTES, SECONDS = "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"
# What becomes of the application's triggers: held off or not, in a dry run or not.
_FATE = {
    (True, True): "would be held off; otherwise they would fire",
    (True, False): "were held off; otherwise they would have fired",
    (False, True): "would fire",
    (False, False): "fired",
}

_KINDS = {Status.OK: "passed", Status.SKIPPED: "skipped"}  # all others have failed
APPLIES_NOT = ("does not apply", "do not apply")
_COMPETITORS = ("counted_twice", "competing_writer", "counter_writer")
_MOST_IDS = 3
_MOST_UNREPAIRED = 10
_SECOND = 1_000  # milliseconds


@dataclass(frozen=True, slots=True)
class Answers:
    """Posts that were answered alike: their number, and one that stands for them, the slowest."""

    number: int
    post: Post

    @property
    def word(self) -> str:
        """Outcome and status."""
        status = f" ({self.post.status})" if self.post.status is not None else ""
        return f"{self.post.outcome.replace('_', ' ')}{status}"


def tally(statuses: Iterable[Status], noun: str = "check", *, skipped: tuple[str, str] = APPLIES_NOT) -> str:
    """How many failed, passed and were skipped: ``1 check fails, 15 pass, 2 do not apply``."""
    kinds = Counter(_KINDS.get(status, "failed") for status in statuses)
    said = {"failed": ("fails", "fail"), "passed": ("passes", "pass"), "skipped": skipped}
    counted = [(kinds[kind], verb) for kind, verb in said.items() if kinds[kind]]
    if not counted:
        return f"there is no {noun}"
    told = [f"{grouped(number)} {verbs[number > 1]}" for number, verbs in counted]
    first, verbs = counted[0]
    who = plural(first, noun)
    if len(counted) == 1:
        who = {1: f"the {noun}", 2: f"both {noun}s"}.get(first, f"all {who}")
    return ", ".join([f"{who} {verbs[first > 1]}", *told[1:]])


def drawn(value: Amount) -> float:
    """An amount as a length, or a shade; what is no number, or beyond all of them, is none."""
    length = float(Decimal(value))
    return length if isfinite(length) else 0.0


def moment(value: datetime | None, form: str = MINUTES) -> str:
    """A time in UTC."""
    return "never" if value is None else value.astimezone(UTC).strftime(form)


def corrections(report: BackfillReport, nouns: Nouns = USUAL) -> Iterator[str]:
    """What a backfill changed, or would change, a line each; lines about one trigger are indented."""
    yield from _made_right(report, nouns)
    if report.unrepaired:
        yield f"{nouns.of(len(report.unrepaired))} not corrected, because the server refuses to update the row:"
        yield from (f"  {row.id}: {row.why}" for row in report.unrepaired[:_MOST_UNREPAIRED])
    if report.baselines.rows:
        became = "would become" if report.dry_run else "became"
        counters = plural(report.baselines.rows, "counter")
        yield (
            f"{nouns.total(report.baselines.total)} that {counters} showed in addition to their events {became}"
            " baselines"
        )
    if report.forgotten.rows:
        gone = "would be forgotten" if report.dry_run else "forgotten"
        had = plural(report.forgotten.rows, "baseline")
        yield f"{had} of {nouns.total(report.forgotten.total)} {gone}: the events are the truth"
    if report.refresh:
        kept = plural(len(report.refresh), "materialised view")
        shows = "would still show" if report.dry_run else "still shows" if len(report.refresh) == 1 else "still show"
        yield f"{kept} {shows} the counters as they were, until you run:"
        yield from (f"  {statement};" for statement in report.refresh)
    if report.resumed:
        yield f"{nouns.of(report.resumed)} were corrected by an earlier run that was interrupted"
    if report.rounds > 1:
        yield f"counted {plural(report.rounds, 'time')}, since events were deleted or truncated meanwhile"
    if report.rows_changed and report.triggers:
        yield f"your triggers on {nouns.parent} {_FATE[report.triggers[0].held_off, report.dry_run]}:"
        for trigger in report.triggers:
            times = f"{'at most ' if trigger.at_most else ''}{plural(trigger.fires, 'time')}"
            yield f"  {trigger.name}: {times}"


def took(backfill: BackfillReport, durations: Durations | None = None) -> Iterator[str]:
    """How long each step of a backfill took, or of an apply: a line, but for a dry run."""
    if backfill.counted_ms is None or backfill.corrected_ms is None:
        return
    steps = {"counting": backfill.counted_ms}
    if backfill.rows_changed:
        steps["correcting"] = backfill.corrected_ms
    if durations is not None:
        steps = {"looking": durations.looked_ms, "triggers": durations.changed_ms} | steps
        if durations.waited_ms >= _SECOND:
            steps["waiting for older transactions"] = durations.waited_ms
        if durations.dropped_ms is not None:
            steps["dropping the daily limit"] = durations.dropped_ms
        steps["verifying"] = durations.verified_ms
    yield ", ".join(f"{step} {duration(milliseconds / _SECOND)}" for step, milliseconds in steps.items())


def _made_right(report: BackfillReport, nouns: Nouns) -> Iterator[str]:
    verb = "would be corrected" if report.dry_run else "corrected"
    moved_on = "would be brought up to date" if report.dry_run else "brought up to date"
    if report.counters_changed:
        yield f"{nouns.of(report.counters_changed)} {verb}: {drifted(report.drift_removed, report.magnitude)}"
    elif report.last_only or not report.unrepaired:
        yield "no drift to remove" if report.baselines.rows else "every counter was right: no drift to remove"
    if report.last_only:
        more = "more " if report.counters_changed else ""
        yield f"the {nouns.last_event} of {plural(report.last_only, f'{more}{nouns.row}')} {moved_on}"


def undone(report: RollbackReport, nouns: Nouns = USUAL) -> Iterator[str]:
    """What a rollback undid, or, in a dry run, would undo, a line each."""
    would = report.dry_run
    for version in report.migrations:
        yield f"{version} {'would be rolled back' if would else 'rolled back'}"
    match report.daily_limit:
        case DailyLimit.RESTORE:
            comes = "would come back" if would else "is back"
            yield f"the daily limit {comes}, and {nouns.recorder} as it was"
        case DailyLimit.SKIP:
            yield f"the daily limit stays off, and {nouns.recorder} as it is (the old one needs the limit)"
        case None:
            pass
    if report.counters_restored is not None:
        changed = "would show again" if would else "shows again" if report.counters_restored == 1 else "show again"
        those = plural(report.counters_restored, "counter")
        yield f"{those} {changed} what they showed before apply, plus later {nouns.events}"
    elif report.migrations and report.counts is not None:
        yield f"the counters keep their values: {out_of(report.counts.accurate, report.counts.rows)} accurate"
    elif report.migrations:
        yield "the counters keep their values"
    if report.purged:
        yield f"schema usagefix {'would be dropped' if would else 'is gone'}, with its history"
    yield from report.remarks


def answers(report: ProbeReport) -> list[Answers]:
    """The posts of a probe by outcome and status."""
    alike: dict[tuple[str, int | None], list[Post]] = {}
    for post in report.posts:
        alike.setdefault((post.outcome, post.status), []).append(post)
    return [Answers(len(posts), max(posts, key=lambda post: post.seconds)) for posts in alike.values()]


def moved(report: ProbeReport) -> str:
    """What a probe did, and what came of it."""
    did = f"{plural(report.expected, 'use')} posted"
    if report.refused:
        did = f"{grouped(report.refused)} of {plural(report.expected, 'post')} refused"
    counter = f"counter {signed(report.counted)}" if report.counted else "the counter did not move"
    return f"{did}, {plural(report.recorded, 'event')} recorded, {counter}"


def remarks(report: ProbeReport) -> Iterator[str]:
    """What there is to say beside it, a line each."""
    confirmed = report.expected - report.refused
    if report.refused and (report.recorded if report.ours is None else report.ours) > confirmed:
        moved_too = "and the counter moved" if report.counted > confirmed else "though the counter did not move for it"
        yield f"the API recorded a use all the same that it did not confirm, {moved_too}"
    elif report.refused and report.counted > max(confirmed, report.recorded):
        yield "the counter moved all the same, and no event was recorded for it"
    if report.verdict is Probed.COUNTED_TWICE or report.guard:
        if not any(finding.finding_id in _COMPETITORS for finding in report.why):
            by = "".join(f", perhaps by {f.object}" for f in report.why if f.finding_id == "increment_not_called")
            yield f"no competing writer is known to the catalog: the application's own code must do it{by}"
        yield report.guard or "the guard was not looked at"
    yield from _whose(report)
    yield from map(_notified, report.notified)
    if report.events:
        some = ", ".join(report.events[:_MOST_IDS])
        more = len(report.events) - _MOST_IDS
        stays = "the event stays" if len(report.events) == 1 else f"the {plural(len(report.events), 'event')} stay"
        yield f"{stays} recorded: {some}" + (f" and {grouped(more)} more" if more > 0 else "")
    elif report.recorded > 0:
        yield f"{'what was' if report.recorded == 1 else 'all that was'} recorded stays recorded"
    if not report.preset.accurate:
        yield f"the preset's drift is {signed(report.preset.drift)}"


def _notified(one: Notified) -> str:
    if one.rows is None:
        return f"{one.table}: notifications may have arisen; the server does not tell how many"
    if not one.rows:
        return f"{one.table}: no notification of the preset arose"
    return f"{one.table}: {plural(one.rows, 'notification')} of the preset arose, for {people(one.people or 0)}"


def people(number: int) -> str:
    """``1 person``, ``2 people``."""
    return "1 person" if number == 1 else f"{grouped(number)} people"


def _whose(report: ProbeReport) -> Iterator[str]:
    if report.ours is None:
        if report.recorded:
            yield "events keep no usageData here, so these are told from others' by their number only"
    elif report.ours == 0 and report.verdict is Probed.UNCLEAR:
        yield "none of them carries what was posted: the API keeps no usageData, or others used the preset"
    elif report.recorded > report.ours:
        yield f"{plural(report.ours, 'event')} of ours, {grouped(report.recorded - report.ours)} of others meanwhile"


def exported(report: ExportReport) -> Iterator[str]:
    """What there is to say beside the files that were written."""
    for path in report.edited:
        yield f"{path} was edited after an export; it stays, and what is written comes after it"
    for path in report.older:
        yield f"{path} is of another usagefix; it stays, and what is written comes after it"
    if not report.files:
        yield "nothing to write: every file is there already"
    yield f"next: {after_export(report)}"


def after_export(report: ExportReport) -> str:
    """What to do with the files. A folder of no tool may be one to read them in."""
    read = "" if report.certain else "read the files; then usagefix apply, or "
    return f"{read}{report.runs}, then usagefix verify"
