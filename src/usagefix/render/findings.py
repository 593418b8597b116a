"""The pieces of what is found: the report of doctor, and of probe-api, which names what explains it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace

from usagefix.models.diagnosis import DoctorReport, Excerpt, Finding, Severity
from usagefix.models.figures import counted, duration, grouped, plural, signed
from usagefix.models.probe import ProbeReport
from usagefix.render import counts
from usagefix.render.ending import BAD
from usagefix.render.phrases import answers, remarks
from usagefix.render.pieces import Cell, Code, Column, Facts, Mark, Notes, Outline, Remark, Result, Results, Table
from usagefix.render.verdict import verdict

_MARK = {Severity.ERROR: Mark.FAILED, Severity.WARNING: Mark.WARNING, Severity.INFO: Mark.NOTE}
_MOST_SKIPPED = 5
_PLACE = re.compile(r"(?P<path>.+):(?P<line>\d+)")


def diagnosis(report: DoctorReport) -> Outline:
    """What doctor found, and how much of the source it read."""
    findings = tuple(_finding(finding, report.source.folder if report.source else None) for finding in report.findings)
    others = []
    if not report.counted:
        unseen = "the counters and the events were not looked at"
        said = (finding.remedy for finding in report.findings if finding.object == "the counters and events")
        hint = next(said, "connect as a role that may read both tables")
        others.append(Result("not_counted", Mark.FAILED, "cannot tell", unseen, hint=hint))
    elif not findings:
        others.append(Result("nothing_found", Mark.OK, "ok", "Nothing found"))
    sections = (*((Results("", findings),) if findings else ()), *_source(report))
    return Outline((*findings, *others), verdict(report), sections)


def _source(report: DoctorReport) -> Iterator[Remark | Notes]:
    if report.source is None:
        yield Remark("source", "not read; --source DIR looks for competing writers there")
        return
    skipped = report.source.skipped
    folders = sum(path.partition(": ")[0].endswith("/") for path in skipped)
    unread = [f"{plural(len(skipped) - folders, 'file')} not read"] if len(skipped) > folders else []
    unread += [f"{plural(folders, 'folder')} not entered"] if folders else []
    yield Remark("source", ", ".join([f"{plural(report.source.files_read, 'file')} read", *unread]))
    if skipped:
        yield Notes("", tuple(_by_reason(skipped)))


def _by_reason(skipped: tuple[str, ...]) -> Iterator[str]:
    """What was passed over, a line for each reason: all of it is in JSON."""
    reasons: dict[str, list[str]] = {}
    for passed in skipped:
        path, _, why = passed.partition(": ")
        reasons.setdefault(why, []).append(path)
    for why, paths in sorted(reasons.items(), key=lambda reason: len(reason[1])):
        more = f" and {grouped(len(paths) - _MOST_SKIPPED)} more" if len(paths) > _MOST_SKIPPED else ""
        yield f"{why}: {', '.join(paths[:_MOST_SKIPPED])}{more}"


def _finding(finding: Finding, folder: str | None = None) -> Result:
    title = f"{finding.title} (root cause {finding.cause})" if finding.cause else finding.title
    excerpt = finding.excerpt
    found = Result(
        finding.finding_id, _MARK[finding.severity], finding.severity, title, finding.object, finding.evidence,
        finding.remedy, code=_code(excerpt) if excerpt is not None else None, link=finding.docs,
    )  # fmt: skip
    place = _PLACE.fullmatch(finding.object) if finding.finding_id.startswith("source_") else None
    if folder is None or place is None:
        return found
    path = os.path.normpath(f"{folder}/{place['path']}")
    return replace(found, path=path, line=int(place["line"]), column=excerpt.column if excerpt else None)


def _code(excerpt: Excerpt) -> Code:
    """The lines without the blanks that all of them begin with."""
    at, start = excerpt.line - excerpt.first_line, excerpt.column - 1
    marked = excerpt.lines[at]
    pieces = (marked[:start].expandtabs(4), marked[start : start + excerpt.length], marked[start + excerpt.length :])
    above, below = ([line.expandtabs(4) for line in lines] for lines in (excerpt.lines[:at], excerpt.lines[at + 1 :]))
    lines = [*above, "".join(pieces), *below]
    inset = min((len(line) - len(line.lstrip(" ")) for line in lines if line.strip()), default=0)
    inset = min(inset, len(pieces[0]))
    whose = f"{excerpt.file}:{excerpt.line}" if excerpt.file else f"{excerpt.function}, line {excerpt.line}"
    return Code(
        whose, excerpt.line, tuple(line[inset:] for line in above), pieces[0][inset:], *pieces[1:],
        tuple(line[inset:] for line in below),
    )  # fmt: skip


def probe(report: ProbeReport) -> Outline:
    """The numbers, what the API answered, and what explains it."""
    said = verdict(report)
    mark = Mark.OK if report.ok else Mark.FAILED
    title = f"{report.preset.called}: a use that comes by the API counts once"
    refused = [alike for alike in answers(report) if not alike.post.accepted]
    why = tuple(_finding(finding) for finding in report.why)
    results = (
        Result("counted_once", mark, said.word, title, report.url, said.rest, said.next),
        *(
            Result(alike.post.outcome, Mark.FAILED, alike.word, "The API did not accept a use", "", alike.post.detail,
                   alike.post.hint)
            for alike in refused
        ),
        *(replace(found, mark=Mark.NOTE) for found in why),
    )  # fmt: skip
    several = len(refused) > 1  # what to do about a single one is said at the end
    columns = (Column("answer"), Column("posts", number=True), Column("seen"), *((Column("do"),) if several else ()))
    rows = tuple(
        (
            Cell(alike.word, BAD),
            counts.number(alike.number),
            Cell(alike.post.detail),
            *((Cell(alike.post.hint),) if several else ()),
        )
        for alike in refused
    )
    notes = tuple(remarks(report))
    sections = (
        _posted(report),
        *((Table("What the API answered", columns, rows),) if rows else ()),
        *((Results("What the database knows of it", why),) if why else ()),
        *((Notes("", notes),) if notes else ()),
    )
    return Outline(results, said, sections)


def _posted(report: ProbeReport) -> Facts:
    preset = report.preset
    numbers = ", ".join(f"{grouped(alike.number)} {alike.word}" for alike in answers(report))
    slowest = max(post.seconds for post in report.posts)
    facts = (
        *((("preset", Cell(preset.label)),) if preset.label else ()),
        ("id", Cell(preset.id)),
        ("posted to", Cell(report.url)),
        ("answers", Cell(f"{numbers}, within {duration(slowest)}")),
        ("events", Cell(f"{signed(report.recorded)}, now {grouped(preset.actual_records)}")),
        ("counter", Cell(f"{signed(report.counted)}, now {counted(preset.displayed_count)}")),
    )
    return Facts("", facts)
