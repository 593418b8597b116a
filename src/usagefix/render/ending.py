"""How the reports about a whole database end, those about no counter in particular; and what a verdict is."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import assert_never

from usagefix.models.choices import Throttling
from usagefix.models.discovery import DiscoverReport
from usagefix.models.figures import grouped, plural
from usagefix.models.history import LogReport
from usagefix.models.notifying import TABLE, NotificationsReport
from usagefix.models.probe import Probed, ProbeReport
from usagefix.naming import USUAL
from usagefix.render.phrases import moved

GOOD, BAD, MIND, FAINT, PLAIN = "green", "red", "yellow", "dim", ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """``word: rest``, and what to do next where something is to be done; the colour only repeats the word."""

    word: str
    rest: str
    colour: str = PLAIN
    next: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.rest}"


def discovered(report: DiscoverReport) -> Verdict:
    """What discover found, and what to do with it."""
    looked = f"{plural(report.columns, 'column')} of {plural(report.tables, 'table')} looked at"
    if not report.tables:
        none = "this role may read no table" if report.passed_over else "there is no table here"
        following = "connect as a role that may read the tables, then usagefix discover"
        if not report.passed_over:
            following = "connect to the database of your application, then usagefix discover"
        return Verdict("none found", none, MIND, following)
    if not report.counters:
        maybe = [(idle.counter, idle.events) for idle in report.never_maintained]
        maybe += [(one.counter, (one.events,)) for one in report.undecided]
        which = "one of these if it counts" if maybe else "a counter that you know yourself"
        following = f"declare {which} (docs/counters.md), then usagefix verify"
        if any(column == ".".join(USUAL) and "preset_usage.preset_id" in events for column, events in maybe):
            following = "usagefix verify, which counts presets.usage_count without a declaration"
        return Verdict("none found", looked, MIND, following)
    written = report.written
    added = f", {grouped(len(written.added))} written to {written.path}" if written else ""
    following = "usagefix discover --write usagefix.toml"
    if written:
        # A file of another name, or in another folder, is read only where somebody says so.
        named = "" if str(written.path) == "usagefix.toml" else f" --config {shlex.quote(str(written.path))}"
        following = f"usagefix{named} verify"
    return Verdict("found", f"{plural(len(report.counters), 'counter')}{added}; {looked}", GOOD, following)


def logged(report: LogReport) -> Verdict:
    """What the ledger has."""
    if not report.entries:
        never = "usagefix was never applied here"
        gone = f"there is no schema usagefix, because {never} or rollback --purge dropped it"
        why = f"the ledger is empty, because {never}" if report.ledger else gone
        return Verdict("nothing", why, MIND, str(report.next or ""))
    shown = "1 entry" if len(report.entries) == 1 else f"{grouped(len(report.entries))} entries"
    older = report.found - len(report.entries)
    more = f"; {grouped(older)} older: usagefix log --limit {report.found}" if older else ""
    return Verdict("log", f"{shown}, the newest first{more}")


def collapsing(table: str | None) -> str:
    """The command that throttles a table."""
    named = f" --table {shlex.quote(table)}" if table not in (None, TABLE) else ""
    return f"usagefix notifications collapse{named}"


def made_again(table: str) -> str:
    """What repairs a throttle."""
    return f"{collapsing(table)} (it creates the throttle again; off removes it)"


def throttled(report: NotificationsReport) -> Verdict:
    """Which notifications are throttled, and what was done about it."""
    broken = [throttle.table for throttle in report.throttles if not throttle.works]
    if report.dry_run:
        said = "nothing was changed" if report.plan else "there is nothing to do"
        return Verdict("dry run", said, next="the same without --dry-run" if report.plan else "")
    if report.action is Throttling.OFF:
        said = "each notification is a row of its own again" if report.changed else "it was off"
        return Verdict("off", f"{report.table}: {said}", GOOD)
    if broken:
        said = f"{', '.join(broken)}: somebody disabled or altered the throttle"
        return Verdict("not as made", said, BAD, made_again(broken[0]))
    if report.action is Throttling.COLLAPSE:
        return Verdict("on", f"{report.table}" + ("" if report.changed else ": this was already so"), GOOD)
    if not report.throttles:
        found = next(iter((report.table, *report.others) if report.there else report.others), None)
        following = f"{collapsing(found)} --dry-run" if found else ""
        if report.there:
            return Verdict("off", "every notification is a row of its own", next=following)
        said = f"there is no table {report.table}" + ("" if found else "; --table names that of your notifications")
        return Verdict("nothing to throttle", said, MIND, following)
    return Verdict("on", ", ".join(throttle.table for throttle in report.throttles), GOOD)


def probed(report: ProbeReport) -> Verdict:
    """What came of the uses that were posted."""
    said = moved(report)
    source = "in the folder of your application: usagefix doctor --source ."
    match report.verdict:
        case Probed.COUNTED:
            return Verdict("counted", said, GOOD)
        case Probed.NOT_RECORDED:
            limited = any(finding.finding_id == "daily_limit" for finding in report.why)
            return Verdict("not recorded", said, BAD, "usagefix apply --dry-run" if limited else source)
        case Probed.NOT_COUNTED:
            return Verdict("not counted", said, BAD, "usagefix verify, then usagefix apply")
        case Probed.COUNTED_TWICE:
            return Verdict("counted twice", said, BAD, f"to find what else counts, {source}")
        case Probed.RECORDED_TWICE:
            return Verdict("recorded twice", said, BAD, f"to find what records a use, {source}")
        case Probed.REFUSED:
            hint = next((post.hint for post in report.posts if not post.accepted), "")
            return Verdict("refused", said, BAD, hint)
        case Probed.UNCLEAR:
            return Verdict("cannot tell", said, MIND, "choose a preset that nobody uses meanwhile")
        case _:
            assert_never(report.verdict)
