"""Reports as JUnit XML, which every CI server reads: a suite for the command, a case for each result."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as xml

from usagefix.models.outcome import Outcome
from usagefix.render.outline import outline
from usagefix.render.pieces import Mark, Result

# What XML 1.0 cannot hold, not even escaped, and what readers make a line's end of.
_FORBIDDEN = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What the runner of GitHub Actions would obey, should it read the XML.
_COMMAND = re.compile(r"^(?P<indent>\s*):(?=:)|##(?=\[)", re.MULTILINE)


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
    for name, result in zip(_names(shown.results), shown.results, strict=True):
        _case(suite, outcome, name, result)
    following = shown.verdict.next and f"next: {shown.verdict.next}"
    told = "\n".join(filter(None, (str(shown.verdict), *shown.notes, following)))
    xml.SubElement(suite, "system-out").text = _clean(told)
    xml.indent(suites)
    # ASCII, and all else by number: it arrives whole whatever the encoding of stdout.
    text = xml.tostring(suites, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + _COMMAND.sub(_by_number, text)


def _names(results: Sequence[Result]) -> Iterator[str]:
    """A name of its own for each case: readers take two of one name for one."""
    names = [f"{result.id}: {result.title}" for result in results]
    often = Counter(names)
    seen: Counter[str] = Counter()
    for short, result in zip(names, results, strict=True):
        name = f"{short} ({result.object})" if often[short] > 1 else short
        seen[name] += 1
        yield f"{name} [{seen[name]}]" if seen[name] > 1 else name


def _case(suite: xml.Element, outcome: Outcome, name: str, result: Result) -> None:
    attributes = _attributes(name=name, classname=f"usagefix.{outcome.command}", time="0")
    case = xml.SubElement(suite, "testcase", attributes)
    text = _clean("\n".join(filter(None, (result.object, result.detail, result.hint and f"hint: {result.hint}"))))
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


def _by_number(match: re.Match[str]) -> str:
    return "#&#35;" if match["indent"] is None else f"{match['indent']}&#58;"
