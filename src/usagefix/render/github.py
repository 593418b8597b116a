"""Reports as workflow commands of GitHub Actions: the runner reads them from stdout and creates annotations. The
escapes are those of the runner's own toolkit: ``%`` in messages, also ``:`` and ``,`` in properties."""

import os
from collections.abc import Iterator
from pathlib import Path

from usagefix.models.figures import grouped
from usagefix.models.outcome import Outcome
from usagefix.render.markdown import markdown
from usagefix.render.outline import chapters, headed, overall
from usagefix.render.outline import results as all_results
from usagefix.render.pieces import Mark, Result
from usagefix.render.words import harmless, unobeyed

_COMMANDS = {Mark.FAILED: "error", Mark.WARNING: "warning"}
# The runner shows ten of each kind a step, and the rest not at all.
_MOST = 10
# Of all summaries of one step together; a larger one is not shown at all.
_SUMMARY_BYTES = 1 << 20
_CUT = "\n\nThe rest is left out: the summary of a step holds no more than 1 MiB.\n"


def report(outcome: Outcome) -> str:
    """The annotations, results that are listed in full (a plain line each), and the verdict."""
    told = chapters(outcome)
    said = ": ".join(headed(outcome.command, overall(told)))
    listed = [f"{result.detail}: {result.title}" for each in told if each.shown.listed for result in each.shown.results]
    return "\n".join((*annotations(outcome), *(unobeyed(harmless(line)) for line in (*listed, said))))


def annotations(outcome: Outcome) -> tuple[str, ...]:
    """One for each result that is not well, at most ten of a kind; the last of ten tells of the rest."""
    results = all_results(chapters(outcome))
    return tuple(line for mark in _COMMANDS for line in _of(mark, results))


def append_summary(path: Path, outcome: Outcome) -> None:
    """Add the report to the summary of the step, as much of it as still fits. Raises OSError."""
    # What Python could not decode of an argument cannot be encoded either.
    added = f"{markdown(outcome)}\n\n".encode(errors="backslashreplace")
    with path.open("ab") as file:
        room = _SUMMARY_BYTES - file.tell()
        if len(added) > room:
            cut = _CUT.encode()
            kept = added[: max(room - len(cut), 0)]
            added = kept[: kept.rfind(b"\n")] + cut if b"\n" in kept else b""
        file.write(added)


def _of(mark: Mark, results: tuple[Result, ...]) -> Iterator[str]:
    found = [result for result in results if result.mark is mark]
    fitting = found if len(found) <= _MOST else found[: _MOST - 1]
    for result in fitting:
        yield _annotation(_COMMANDS[mark], result)
    if len(found) > len(fitting):
        rest = ", ".join(dict.fromkeys(result.id for result in found[len(fitting) :]))
        yield f"::{_COMMANDS[mark]} title=usagefix::{_message(f'{grouped(len(found) - len(fitting))} more: {rest}')}"


def _annotation(command: str, result: Result) -> str:
    path = None if result.path is None else _in_the_repository(result.path)
    properties = {
        "file": path,
        "line": result.line,
        "col": result.column,
        "title": f"usagefix {result.id}: {result.title}",
    }
    said = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value is not None)
    parts = (result.object if path is None else "", result.detail, result.hint and f"hint: {result.hint}", result.link)
    return f"::{command} {said}::{_message('. '.join(filter(None, parts)) or result.title)}"


def _in_the_repository(path: str) -> str:
    """Relative to the checkout, which the runner names, else to the working directory; else the whole path."""
    root = Path(os.environ.get("GITHUB_WORKSPACE") or Path.cwd()).resolve()
    absolute = Path(os.path.normpath(Path.cwd() / path))
    return absolute.relative_to(root).as_posix() if absolute.is_relative_to(root) else absolute.as_posix()


def _message(text: str) -> str:
    # Without a line's end: a line that begins with :: would be a command of whoever wrote the name of a preset.
    return harmless(text).replace("%", "%25")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")
