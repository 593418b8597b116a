"""Reports as workflow commands of GitHub Actions: the runner reads them from stdout and makes annotations of them.

The escapes are those of the runner's own toolkit: ``%``, CR and LF in messages, ``:`` and ``,`` too in properties.
"""

from collections.abc import Iterator

from usagefix.models import Outcome
from usagefix.render.outline import Mark, Result, outline
from usagefix.render.words import harmless

_COMMANDS = {Mark.FAILED: "error", Mark.WARNING: "warning"}
# The runner shows ten of each kind a step, and the rest not at all.
_MOST = 10


def annotations(outcome: Outcome) -> str:
    """An annotation for each result that is not well, at most ten of a kind, and the verdict as a plain line."""
    shown = outline(outcome)
    lines = [line for mark in _COMMANDS for line in _of(mark, shown.results)]
    lines.append(_message(f"usagefix {outcome.command}: {shown.verdict}"))
    return "\n".join(lines)


def _of(mark: Mark, results: tuple[Result, ...]) -> Iterator[str]:
    found = [result for result in results if result.mark is mark]
    fitting = found if len(found) <= _MOST else found[: _MOST - 1]
    for result in fitting:
        yield _annotation(_COMMANDS[mark], result)
    if len(found) > len(fitting):
        rest = ", ".join(dict.fromkeys(result.id for result in found[len(fitting) :]))
        yield f"::{_COMMANDS[mark]} title=usagefix::{_message(f'{len(found) - len(fitting)} more: {rest}')}"


def _annotation(command: str, result: Result) -> str:
    properties = {"file": result.path, "line": result.line, "title": f"usagefix {result.id}: {result.title}"}
    said = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value is not None)
    parts = (result.object if result.path is None else "", result.detail, result.hint and f"do: {result.hint}")
    return f"::{command} {said}::{_message('. '.join(filter(None, parts)) or result.title)}"


def _message(text: str) -> str:
    kept = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    # A line that begins with :: would be a command of whoever wrote the name of a preset.
    return harmless(kept)


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
