"""The words for one counter: presets and uses for the usual one, rows and events of its tables for any other."""

from __future__ import annotations

import re
from functools import cache

from usagefix.counter import Counter
from usagefix.models.nouns import USUAL, Nouns
from usagefix.quoting import shown
from usagefix.rendering import CODE_TAGS, FORMAT
from usagefix.tokens import Kind, Token, lexed, stretches, tokens

_ABOUT = ("event", "preset")  # what stands before a column in a fragment
_NOUN = re.compile(r"\b(?:presets|preset_usage|uses|use)\b")
_COMMENTED = re.compile(r"\b(?:preset_usage|usage_count|[Pp]resets?|a use|[Uu]ses?)\b")
_GONE = re.compile(r"[ \t]*\0")  # a comment that was nothing but a mark


@cache
def nouns(counter: Counter) -> Nouns:
    """The words for it."""
    if counter.usual:
        return USUAL
    parent = shown(counter.parent)
    return Nouns(
        counter=counter.slug,
        counted=_counted(counter),
        usual=False,
        weighed=counter.weight is not None,
        row="row",
        event="event",
        an_event="an event",
        does="records it",
        untried="smoke could try no event, because there is no row for one",
        parent=parent,
        child=shown(counter.child),
        column=f"{parent}.{shown(counter.column)}",
        last=f"{parent}.{shown(counter.last)}" if counter.last else parent,
        recorder=f"{shown(counter.recorder)}()" if counter.recorder else "",
        with_count="rows with a count",
        with_events="rows with events",
        most="Rows with the most events",
        last_event="last event",
        smoked="an event counts; all of it is undone",
    )


def _counted(counter: Counter) -> str:
    """What is counted where, in a line."""
    schema = "" if counter.schema == "public" else f"{shown(counter.schema)}."
    column = f"{schema}{shown(counter.parent)}.{shown(counter.column)}"
    if counter.truth is not None:
        return f"{column} ← {' '.join(counter.truth.split())}"
    within = counter.child_schema or counter.schema
    child = f"{'' if within == 'public' else f'{shown(within)}.'}{shown(counter.child)}"
    keys = [shown(of_event) for _, of_event in counter.keys]
    events = f"{child}.{keys[0]}" if len(keys) == 1 else f"{child}.({', '.join(keys)})"
    written = {what: fragment(text) for what, text in counter.written.items()}
    what = f"sum of {written['weight']} of {events}" if counter.weight else events
    where = f" where {written['where']}" if counter.where else ""
    only = f", only {written['only']}" if counter.only else ""
    return f"{column} ← {what}{where}{only}"


def fragment(text: str) -> str:
    """A condition or a weight without the word for the row that it is about, on one line."""
    words = [token.text for token in tokens(text)]
    for place in range(len(words) - 1):
        if words[place] in _ABOUT and words[place + 1] == ".":
            words[place : place + 2] = "", ""
    said = " ".join("".join(words).split())
    return said[1:-1] if said.startswith("(") and said.endswith(")") and _closes(said[1:-1]) else said


def _closes(text: str) -> bool:
    """Whether each bracket in it has its other."""
    depth = 0
    for token in tokens(text):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0:
            return False
    return depth == 0


def in_words(text: str, words: Nouns) -> str:
    """A sentence of a bundled file about presets, in the words for another counter."""
    here = {"presets": words.parent, "preset_usage": words.child, "uses": words.events, "use": words.event}
    return _NOUN.sub(lambda match: here[match[0]], text)


def commented(script: str, counter: Counter) -> str:
    """A rendered script whose comments, also those in functions, have the words for another counter; without the
    ``--?`` marks."""
    if counter.usual:
        return script
    words = nouns(counter)

    def inside(token: Token) -> str:
        if token.kind is Kind.COMMENT:
            return in_comment(token.text.partition("--?")[0].rstrip(), words) or "\0"
        if token.kind is Kind.DOLLAR and token.tag in CODE_TAGS - {FORMAT}:
            return f"{token.tag}{commented(token.content, counter)}{token.text[len(token.tag) + len(token.content) :]}"
        return token.text

    return _GONE.sub("", "".join(map(inside, stretches(script))))


def in_comment(text: str, words: Nouns) -> str:
    """A comment about presets, in the words for another counter."""
    here = {"presets": words.parent, "preset_usage": words.child, "usage_count": words.column.rpartition(".")[2]}
    here |= {"preset": words.row, "use": words.event, "uses": words.events, "a use": words.an_event}
    return _COMMENTED.sub(lambda match: here[match[0].lower()], text)


def spoken(script: str, counter: Counter) -> str:
    """A bundled script whose messages have the words for another counter. Messages are the literals with blanks, and
    the name of a table that is only printed."""
    words = nouns(counter)

    def said(literal: str) -> str:
        literal = literal.replace("%s presets", f"%s {words.rows}")
        return _NOUN.sub(lambda match: in_words(match[0], words).replace("'", "''"), literal)

    def inside(token: Token, then: str) -> str:
        if token.kind is Kind.LITERAL and (" " in token.text or token.text == "'preset_usage'") and then != "::":
            return said(token.text)
        return f"$do${spoken(token.content, counter)}$do$" if token.text.startswith("$do$") else token.text

    found = list(lexed(script))
    behind = (token.text for token in found[1:])
    return "".join(inside(token, next(behind, "")) for token in found)
