"""Reports as JUnit XML, which every CI server reads: a suite for the command, a case for each result."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as xml

from usagefix.models import Outcome
from usagefix.render.outline import Mark, Result, outline

# What XML 1.0 cannot hold, not even escaped.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(outcome: Outcome) -> str:
    """The whole result. What failed is a failure; what kept the command from its end is an error."""
    shown = outline(outcome)
    failed = sum(result.mark is Mark.FAILED for result in shown.results)
    errors = failed if outcome.error is not None else 0
    seconds = f"{outcome.duration_ms / 1000:.3f}"
    totals = {"tests": len(shown.results), "failures": failed - errors, "errors": errors}
    name = f"usagefix {outcome.command}"
    suites = xml.Element("testsuites", _attributes(name=name, time=seconds, **totals))
    skipped = sum(result.mark is Mark.SKIPPED for result in shown.results)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    suite = xml.SubElement(
        suites, "testsuite", _attributes(name=name, **totals, skipped=skipped, time=seconds, timestamp=now)
    )
    if outcome.target is not None:
        properties = xml.SubElement(suite, "properties")
        xml.SubElement(properties, "property", _attributes(name="target", value=str(outcome.target)))
    for result in shown.results:
        _case(suite, outcome, result)
    following = shown.verdict.next and f"next: {shown.verdict.next}"
    told = "\n".join(filter(None, (str(shown.verdict), *shown.notes, following)))
    xml.SubElement(suite, "system-out").text = _clean(told)
    xml.indent(suites)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(suites, encoding="unicode")


def _case(suite: xml.Element, outcome: Outcome, result: Result) -> None:
    attributes = _attributes(name=f"{result.id}: {result.title}", classname=f"usagefix.{outcome.command}", time="0")
    case = xml.SubElement(suite, "testcase", attributes)
    text = _clean("\n".join(filter(None, (result.object, result.detail, result.hint and f"do: {result.hint}"))))
    match result.mark:
        case Mark.FAILED:
            tag = "error" if outcome.error is not None else "failure"
            said = _attributes(message=f"{result.word}: {result.detail or result.title}", type=result.word)
            xml.SubElement(case, tag, said).text = text
        case Mark.SKIPPED:
            xml.SubElement(case, "skipped", _attributes(message=result.detail))
        case Mark.OK | Mark.NOTE | Mark.WARNING:
            if text:
                xml.SubElement(case, "system-out").text = f"{result.word}\n{text}"


def _attributes(**values: object) -> dict[str, str]:
    return {name: _clean(str(value)) for name, value in values.items()}


def _clean(text: str) -> str:
    return _FORBIDDEN.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
