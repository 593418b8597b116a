"""Cuts any language into names, texts and marks, without comments, by the little that it knows of its syntax. It is
no parser: an error stays within a line or a literal."""

from __future__ import annotations

import re

from usagefix.reading.code import Token, python
from usagefix.reading.code import javascript as _javascript
from usagefix.reading.languages import Language
from usagefix.reading.subject import ANYTHING

_MEMBERS = {"->": ".", "?->": ".", "::": ".", "&.": ".", "!!.": ".", ":=": "=", "<-": "=", "=>": "=>"}
_OPENS = re.compile(r"(?P<raw>[@$~%]*[A-Za-z]{0,3}[@$]?)(?P<hashes>\#*)(?P<quote>\"{3}|'{3}|[\"'`]|\[\[|[(\[{])")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_FILLED_SCHEMA = re.compile(r"(?:[#$\\]?[{(][^{}()\n]{0,80}[)}]|\$\w{1,80})(?=\"?\.)")
_CLOSERS = {"(": ")", "[": "]", "{": "}", "[[": "]]"}


def cut(code: str, language: Language) -> list[list[Token]]:
    """The tokens of a file, as streams: code in a template literal of JavaScript is one of its own."""
    if language.python:
        return python(code)
    if language.javascript:
        return _javascript(code)
    marks = _MEMBERS | dict(language.marks)
    tokens: list[Token] = []
    bodies: dict[int, int] = {}  # of heredocs, by where they start, where they end
    waits = at = 0
    match = language.pattern.match
    while found := match(code, at):
        kind, text, offset, at = str(found.lastgroup), found[0], at, found.end()
        if kind == "heredoc":
            start = max(code.find("\n", at) + 1, waits) or len(code)
            end, waits = _end_of_heredoc(code, start, found["tag"])
            bodies[start] = waits
            tokens.append(Token("text", _schema(code[start:end]), start, at))
        elif kind == "text":
            tokens.append(Token("text", _content(text), offset, at))
        elif kind == "name":
            tokens.append(Token("name", text.lstrip("@$%") or text, offset, at))
        elif kind != "skip":
            tokens.append(Token(kind, marks.get(text, text), offset, at))
        while at in bodies:
            at = bodies.pop(at)
    return [tokens]


def _end_of_heredoc(code: str, start: int, tag: str) -> tuple[int, int]:
    """Where the body of a heredoc ends, and the line of its tag."""
    closing = re.compile(rf"^[ \t]*{re.escape(tag)}\b", re.MULTILINE).search(code, start)
    return (closing.start(), closing.end()) if closing else (len(code), len(code))


def _content(text: str) -> str:
    """What a literal holds, on as many lines."""
    if text.startswith(":") and text[1:2] not in ("'", '"'):
        return text[1:]
    opened = _OPENS.match(text)
    if not opened:
        return text
    raw, quote = opened["raw"], opened["quote"]
    content = text[opened.end() :].removesuffix(opened["hashes"]).removesuffix(_CLOSERS.get(quote, quote))
    if raw == "R":  # R"(...)"
        content = content.removeprefix("(").removesuffix(")")
    elif "@" in raw:
        content = content.replace('""', '"')
    elif "\\" in content and quote not in ("`", "[["):
        content = _ESCAPE.sub(lambda escape: escape[1] if escape[1] in "\n'\"`" else " ", content)
    return _schema(content)


def _schema(text: str) -> str:
    """A text in which a value that is put before a dot is a schema which only a run would tell."""
    return _FILLED_SCHEMA.sub(ANYTHING, text)
