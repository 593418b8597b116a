"""Cuts TypeScript, JavaScript and Python into names, texts and marks, without comments.

Not a parser of either language: what it gets wrong in a file that is neither stays within a line or a literal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from usagefix.reading.findings import Lines
from usagefix.reading.subject import ANYTHING

# No possessive quantifiers: some Python 3.11 (seen with 3.11.2) loses matches with them. What is repeated here is
# followed by nothing that can fail, or its alternatives begin with different characters: nothing is tried in two ways.
_JAVASCRIPT = re.compile(
    r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?(?:\*/|\Z)|[^\w\s'"`\#]{65,})
    |(?P<name>[^\W\d][\w$]*|\$[\w$]*(?!\{))
    |(?P<text>'(?:[^'\\\n]+|\\.)*'?|"(?:[^"\\\n]+|\\.)*"?)
    |(?P<template>`)
    |(?P<number>\d[\w.]*)
    |(?P<mark>===|!==|==|!=|<=|>=|=>|\+=|-=|\?\.|&&|\|\||\?\?|\.\.\.|\+\+|--|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_PYTHON = re.compile(
    r"""
    (?P<skip>\s+|\#[^\n]*|\\\n|[^\w\s'"`\#]{65,})
    |(?P<text>[rRbBuUfF]{0,2}(?:\"{3}(?:[^"\\]+|\\.|"(?!""))*(?:\"{3})?|'{3}(?:[^'\\]+|\\.|'(?!''))*(?:'{3})?
        |"(?:[^"\\\n]+|\\.)*"?|'(?:[^'\\\n]+|\\.)*'?))
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<mark>==|!=|<=|>=|:=|\+=|-=|\*\*|->|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_TEMPLATE = re.compile(r"(?:[^`\\$]+|\\.|\$(?!\{))*(?P<edge>`|\$\{)?", re.DOTALL)
_PATTERN = re.compile(r"/(?![*/])(?:[^\\/\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*\])+/[a-z]*")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PLAIN = re.compile(r"[\w$.\s]+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SCRIPT = re.compile(r"<script\b[^<>]*>")
_BEFORE_PATTERN = {"return", "typeof", "case", "in", "of", "await", "yield", "else", "do"}
_LONGEST_PLAIN = 80  # characters of ${presets.usageCount}
_DEEPEST = 20  # templates in templates


class Token(NamedTuple):
    """A name, text (a string, escapes and quotes taken out), number or mark, from ``offset`` up to ``end``."""

    kind: str
    text: str
    offset: int
    end: int


@dataclass(slots=True)
class _Template:
    """A template literal that is being read, with what was being read around it."""

    offset: int
    around: list[Token]
    depth: int  # of braces, around it
    pieces: list[str] = field(default_factory=list)
    expression: int = 0  # the offset of the ${…} that is being read


def python(code: str) -> list[list[Token]]:
    """The tokens of Python, as one stream. A text keeps its lines."""
    tokens: list[Token] = []
    for match in _PYTHON.finditer(code):
        kind, text = match.lastgroup, match[0]
        if kind == "text":
            text = text.lstrip("rRbBuUfF")
            quote = text[:3] if text[:3] in ('"""', "'''") else text[:1]
            text = _plain(text[len(quote) :].removesuffix(quote))
        if kind and kind != "skip":
            tokens.append(Token(kind, text, match.start(), match.end()))
    return [tokens]


def _plain(text: str) -> str:
    """A text with its escapes replaced, on as many lines as it was."""
    return _ESCAPE.sub(lambda escape: escape[1] if escape[1] in "\n'\"`" else " ", text) if "\\" in text else text


def scripts(code: str) -> str:
    """A Vue or Svelte component with all but its scripts blanked out, on the same lines."""
    kept: list[str] = []
    at = 0
    for tag in _SCRIPT.finditer(code):
        if tag.start() < at:
            continue
        end = code.find("</script", tag.end())
        end = len(code) if end < 0 else end
        kept += ["\n" * code.count("\n", at, tag.end()), code[tag.end() : end]]
        at = end
    return "".join(kept)


def javascript(code: str) -> list[list[Token]]:
    """The tokens of TypeScript or JavaScript: the file's stream, then one for each ``${…}`` of a template literal."""
    streams, unclosed = _cut(code, len(code))
    if unclosed is not None:  # a backtick in the text of a page, say: it quotes nothing
        streams, _ = _cut(code, unclosed)
    return streams


def _cut(code: str, last: int) -> tuple[list[list[Token]], int | None]:
    """The streams, and the offset of a template literal that never ends; from ``last`` on none starts."""
    stream: list[Token] = []
    streams, open_templates = [stream], list[_Template]()
    lines = Lines(code)
    at = depth = no_pattern = 0
    while match := _JAVASCRIPT.match(code, at):
        kind, text, offset, at = str(match.lastgroup), match[0], at, match.end()
        if kind == "skip":
            continue
        if kind == "template" and offset < last and len(open_templates) < _DEEPEST:
            open_templates.append(_Template(offset, stream, depth))
        elif text == "}" and depth == 0 and open_templates:
            open_templates[-1].pieces.append(_expression(code, open_templates[-1].expression, offset, lines))
        else:
            depth += (text == "{") - (text == "}")
            if text == "/" and offset >= no_pattern and _starts_pattern(stream):
                pattern = _PATTERN.match(code, offset)
                at = pattern.end() if pattern else at
                no_pattern = at if pattern else lines.end(offset)
            stream.append(Token(kind, _plain(text[1:].removesuffix(text[0])) if kind == "text" else text, offset, at))
            continue
        at, opened = _in_template(code, at, open_templates)
        if at < 0:
            return streams, open_templates[0].offset
        stream, depth = opened
        if open_templates and stream is not open_templates[-1].around and not stream:
            streams.append(stream)
    return streams, open_templates[0].offset if open_templates else None


def _in_template(code: str, at: int, open_templates: list[_Template]) -> tuple[int, tuple[list[Token], int]]:
    """Reads a template literal up to its end or its next ``${``: the offset after that (-1 where there is neither),
    and the stream and depth of braces to go on with."""
    template = open_templates[-1]
    match = _TEMPLATE.match(code, at)
    if not match or not match["edge"]:
        return -1, ([], 0)
    template.pieces.append(_plain(code[at : match.start("edge")]))
    if match["edge"] == "`":
        open_templates.pop()
        template.around.append(Token("text", "".join(template.pieces), template.offset, match.end()))
        return match.end(), (template.around, template.depth)
    template.expression = match.end()
    return match.end(), ([], 0)


def _starts_pattern(stream: list[Token]) -> bool:
    """Whether a slash after these tokens starts a regular expression; else it divides, or closes a tag."""
    before = stream[-1] if stream else None
    if before is None or before.text in _BEFORE_PATTERN:
        return True
    return before.kind == "mark" and before.text not in (")", "]", "}", "<")


def _expression(code: str, start: int, end: int, lines: Lines) -> str:
    """What stands for ``${…}`` in the text: a plain name in the database's spelling, else a value; before a dot, the
    schema is not known."""
    if code.startswith((".", '".'), end + 1):
        return ANYTHING
    text = code[start:end] if end - start < _LONGEST_PLAIN else "("
    if _PLAIN.fullmatch(text):
        return _HUMP.sub("_", text).lower()
    return "(?)" + "\n" * (lines.at(end) - lines.at(start))
