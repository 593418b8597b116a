"""Text in lines, broken between words. Importing it costs nothing."""

from __future__ import annotations

import re

# What a person pastes: a command with its options, or a statement of SQL up to its end or to where prose goes on.
_WORD = r"""(?:'[^']*'|"[^"]*"|[^\s'"])+"""
_NEXT = r"(?<![,;:.)]) "
_OPTIONS = rf"(?:{_NEXT}-\S+(?:{_NEXT}(?!-){_WORD})?)*"
_SHELL = (
    rf"(?<!schema )(?<!by )usagefix{_OPTIONS}(?:{_NEXT}(?!-){_WORD}){{1,2}}{_OPTIONS}|pip install {_WORD}|kill -INT .*"
)
_BEGINS = (
    r"(?:ALTER|COMMENT|CREATE|DROP|GRANT|REFRESH|REINDEX|REVOKE) [A-Z]{3}|(?:GRANT|REVOKE) \S+ (?:TO|FROM) "
    r"|DELETE FROM |INSERT INTO |UPDATE \S+ SET |SELECT \w+\("
)
_ENDS = r"[;:] |[,;]? (?:or|and|then|if|unless|where|which) | \(usagefix |$"
_SQL = rf"""(?:{_BEGINS})(?:'[^']*'|"[^"]*"|.)*?(?={_ENDS})"""
_WORDS = re.compile(rf"(?:(?P<sql>{_SQL})|(?P<shell>{_SHELL}))\S*|\S+")
_MARKS = "@/.:,(", "_-"  # behind these a name that is longer than a line goes on in the next one; the first rather
BREAKS = "".join(_MARKS)


def fold(line: str, width: int, hang: int = 2) -> list[str]:
    """The line in lines of this width. Its further lines begin ``hang`` columns behind its indentation."""
    lead = len(line) - len(line.lstrip())
    first, *further = wrapped(line[lead:], width - lead - hang, width - lead, whole=True) or [""]
    return [" " * lead + first, *(" " * (lead + hang) + each for each in further)]


def wrapped(said: str, room: int, first: int | None = None, *, whole: bool = False) -> list[str]:
    """Text in lines of so many columns, the first of ``first``. A statement behind another one begins a line.
    ``whole``: a command or a statement is not broken, and its line longer where it has to be."""
    from rich.cells import cell_len

    lines: list[str] = []
    line, left = "", max(room if first is None else first, 1)
    for found in _WORDS.finditer(said):
        unbroken = whole and found.lastgroup is not None
        begins = found["sql"] and line.endswith(";")
        for word in [found[0]] if unbroken else found[0].split():
            joined = f"{line} {word}" if line else word
            if cell_len(joined) <= left and not begins:
                line = joined
                continue
            begins = False
            if line:
                lines.append(line)
                left = max(room, 1)
            line = word
            while not unbroken and cell_len(line) > left:
                at = _break(line, left)
                lines.append(line[:at])
                line, left = line[at:], max(room, 1)
    return lines + ([line] if line else [])


def _break(word: str, room: int) -> int:
    """How many characters of a word that is too long go into this line."""
    fits = max(fitting(word, room), 1)
    for marks in _MARKS:
        at = max(word.rfind(mark, 0, fits) for mark in marks) + 1
        if at > fits // 3:
            return at
    return fits


def fitting(said: str, room: int) -> int:
    """How many characters of a text so many columns hold."""
    from rich.cells import cell_len

    used = 0
    for place, character in enumerate(said):
        used += cell_len(character)
        if used > room:
            return place
    return len(said)
