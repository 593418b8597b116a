"""Reports as JUnit XML, which every CI server reads: a suite for each counter, a case for each result."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from xml.etree import ElementTree as xml

from usagefix.models.outcome import Outcome
from usagefix.render.outline import Chapter, chapters
from usagefix.render.pieces import Mark, Result

# What XML 1.0 cannot hold, not even escaped, and what readers make a line's end of.
_FORBIDDEN = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What the runner of GitHub Actions would obey, should it read the XML.
_COMMAND = re.compile(r"^(?P<indent>\s*):(?=:)|##(?=\[)", re.MULTILINE)


def junit(outcome: Outcome) -> str:
    """The whole result. What failed is a failure; what kept the command from its end is an error."""
    told = chapters(outcome)
    seconds = f"{outcome.duration_ms / 1000:.3f}"
    name = f"usagefix {outcome.command}"
    totals = Counter[str]()
    suites = xml.Element("testsuites")
    for place, chapter in enumerate(told):
        suite = xml.SubElement(suites, "testsuite")
        own = _totals(chapter)
        totals.update(own)
        _fill(suite, outcome, chapter, dict[str, object](time=seconds if place == 0 else "0.000") | dict(own))
    counted = {key: totals[key] for key in ("tests", "failures", "errors")}
    suites.attrib |= _attributes(name=name, time=seconds, **counted)
    xml.indent(suites)
    # ASCII, and all else by number: it arrives whole whatever the encoding of stdout.
    text = xml.tostring(suites, encoding="us-ascii", xml_declaration=False).decode("ascii")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + _COMMAND.sub(_by_number, text)


def _totals(chapter: Chapter) -> dict[str, int]:
    """How many cases, and how many of them went which way."""
    results = chapter.shown.results
    failed = sum(result.mark is Mark.FAILED for result in results)
    errors = failed if chapter.failed else 0
    skipped = sum(result.mark is Mark.SKIPPED for result in results)
    return {"tests": len(results), "failures": failed - errors, "errors": errors, "skipped": skipped}


def _fill(suite: xml.Element, outcome: Outcome, chapter: Chapter, attributes: Mapping[str, object]) -> None:
    shown = chapter.shown
    about = chapter.nouns.counter if chapter.named else ""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    name = " ".join(filter(None, ("usagefix", outcome.command, about)))
    suite.attrib |= _attributes(name=name, **attributes, timestamp=now)
    if outcome.target is not None:
        properties = xml.SubElement(suite, "properties")
        xml.SubElement(properties, "property", _attributes(name="target", value=str(outcome.target)))
    class_name = ".".join(filter(None, ("usagefix", outcome.command, about)))
    for case_name, result in zip(_names(shown.results), shown.results, strict=True):
        case = xml.SubElement(suite, "testcase", _attributes(name=case_name, classname=class_name, time="0"))
        _case(case, chapter, result)
    heading = chapter.nouns.heading if chapter.named else ""
    following = shown.verdict.next and f"next: {shown.verdict.next}"
    said = "\n".join(filter(None, (heading, str(shown.verdict), *shown.notes, following)))
    xml.SubElement(suite, "system-out").text = _clean(said)


def _names(results: Sequence[Result]) -> Iterator[str]:
    """A name of its own for each case: readers take two of one name for one."""
    names = [f"{result.id}: {result.title}" for result in results]
    often = Counter(names)
    seen: Counter[str] = Counter()
    for short, result in zip(names, results, strict=True):
        name = f"{short} ({result.object})" if often[short] > 1 else short
        seen[name] += 1
        yield f"{name} [{seen[name]}]" if seen[name] > 1 else name


def _case(case: xml.Element, chapter: Chapter, result: Result) -> None:
    parts = (result.object, result.detail, result.hint and f"hint: {result.hint}", result.link)
    text = _clean("\n".join(filter(None, parts)))
    match result.mark:
        case Mark.FAILED:
            tag = "error" if chapter.failed else "failure"
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
