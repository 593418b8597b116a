"""The one lexer: lossless, and it cuts where PostgreSQL cuts."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SQL

from usagefix.tokens import Kind, code, stretches, tokens


def kinds(text: str) -> list[tuple[str, str]]:
    return [(token.kind.value, token.text) for token in tokens(text) if token.kind is not Kind.SPACE]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a--b\nc", [("word", "a"), ("comment", "--b"), ("word", "c")]),
        ("a/* b /* c */ d */e", [("word", "a"), ("comment", "/* b /* c */ d */"), ("word", "e")]),
        ("'a -- b'", [("literal", "'a -- b'")]),
        ("'it''s'", [("literal", "'it''s'")]),
        (r"E'it\'s'", [("literal", r"E'it\'s'")]),
        ('"a""b".c', [("quoted", '"a""b"'), ("mark", "."), ("word", "c")]),
        ("$f$ ' $g$ $f$;", [("dollar", "$f$ ' $g$ $f$"), ("mark", ";")]),
        ("a$b$c", [("word", "a$b$c")]),
        ("$1::int", [("mark", "$"), ("number", "1"), ("mark", "::"), ("word", "int")]),
        ("naïve", [("word", "naïve")]),
        ("'open", [("literal", "'open")]),
        ("/* open", [("comment", "/* open")]),
    ],
)
def test_cuts(text: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(text) == expected


def test_what_a_token_says() -> None:
    first, second, third, fourth = code("""Presets "Pre""sets" 'it''s' $x$ body $x$""")
    assert (first.name, second.name, third.name) == ("presets", 'Pre"sets', "")
    assert (third.content, fourth.content, fourth.tag) == ("it's", " body ", "$x$")


@given(st.text(alphabet="ab'\"$-/*\n;.E 1é", max_size=60))
def test_nothing_is_lost(text: str) -> None:
    assert "".join(token.text for token in tokens(text)) == text


@pytest.mark.parametrize("path", sorted(SQL.rglob("*.sql")), ids=lambda path: path.name)
def test_nothing_of_our_own_files_is_lost(path: object) -> None:
    text = path.read_text()  # type: ignore[attr-defined]
    assert "".join(token.text for token in tokens(text)) == text


@given(st.text(alphabet="ab'\"$-/*\n;.E 1é\\u&%:", max_size=60))
def test_stretches_hold_the_same_comments(text: str) -> None:
    """What is between them is one token, and nothing is lost."""
    told = (Kind.COMMENT, Kind.DOLLAR)
    found = list(stretches(text))
    assert "".join(token.text for token in found) == text
    assert [token for token in found if token.kind in told] == [token for token in tokens(text) if token.kind in told]
    assert not any(a.kind not in told and b.kind not in told for a, b in pairwise(found))
