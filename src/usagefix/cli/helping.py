"""Pages of help: the commands by what one does, a command's own options first, what all share at the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from usagefix.cli.options import formats
from usagefix.cli.shared import COUNTERS, EVERY

_WIDEST = 28  # the most columns for names
_BOUNDS = ((r"^(\S+)<=x<=(\S+)$", r"\1 to \2"), (r"^x>=(\S+)$", r"at least \1"), (r"^(default: \d+)\.0$", r"\1"))
_MORE = "`usagefix help COMMAND` shows the options of a command, and those that declare counters."
_VARIABLES = "Each option is a variable, too: --dry-run is USAGEFIX_DRY_RUN."


def options(name: str | None, params: Sequence[Any], context: Any, formatter: Any) -> None:
    """The sections of arguments and options, of a command or of none: those that declare counters are long, and shown
    with a command."""
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], COUNTERS: [], EVERY: []}
    for param in params:
        record = param.get_help_record(context)
        if record is None:
            continue
        kind = "Arguments" if param.param_type_name == "argument" else "Options"
        panel = EVERY if param.name == "help" else getattr(param, "rich_help_panel", None) or kind
        text = formats(name) if param.name == "output" else _shortened(param, record[1])
        sections[panel].append((record[0], text))
    if name is None:
        del sections[COUNTERS]
    _written(sections, formatter)
    if any(getattr(param, "envvar", None) for param in params):
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(_VARIABLES if name is not None else f"{_VARIABLES} {_MORE}")


def prose(text: str, example: str, formatter: Any) -> None:
    """What a command does, in paragraphs, and the example, as it is."""
    with formatter.indentation():
        formatter.write_paragraph()
        formatter.write_text(text)
        formatter.write_paragraph()
        formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


def commands(group: Any, formatter: Any) -> None:
    """The commands, each with a line, under what one does with them."""
    sections: dict[str, list[tuple[str, str]]] = {}
    for name, command in group.commands.items():
        sections.setdefault(command.rich_help_panel, []).append((name, command.get_short_help_str(1000)))
    _written(sections, formatter)


def _written(sections: dict[str, list[tuple[str, str]]], formatter: Any) -> None:
    """All sections with one column of names."""
    width = min(max(len(name) for rows in sections.values() for name, _ in rows), _WIDEST)
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl([(name.ljust(width), text) for name, text in rows], col_max=_WIDEST)


def _shortened(param: Any, text: str) -> str:
    """Without the variable that follows from the option's name, and with bounds in words."""
    said, bracket, extra = text.rpartition("  [")
    if not bracket:
        return text
    usual = f"env var: USAGEFIX_{param.opts[0].removeprefix('--').upper().replace('-', '_')}"
    kept = [_in_words(part) for part in extra.removesuffix("]").split("; ") if part != usual]
    return f"{said} [{', '.join(kept)}]" if kept else said


def _in_words(part: str) -> str:
    for written, words in _BOUNDS:
        part = re.sub(written, words, part)
    return part
