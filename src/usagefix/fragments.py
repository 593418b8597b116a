"""SQL that a person gave for a counter, as the server prints it: each operation in brackets, keywords in capitals."""

from __future__ import annotations

from usagefix.tokens import CODE, Kind, Token, tokens

_OPERATOR = frozenset("+-*/<>=~!@#%^&|`?")
_NO_OPERATOR = frozenset({"::", ":=", "=>"})


def closed(fragment: str) -> str:
    """The same with pg_catalog named for each operator and function of it: for code under a path on which others may
    create."""
    found, written = list(tokens(fragment)), list[str]()
    before, in_type, at = "", False, 0
    while at < len(found):
        token, text, at = found[at], found[at].text, at + 1
        while _is_operator(token) and at < len(found) and _is_operator(found[at]):
            text, at = text + found[at].text, at + 1
        if token.kind not in CODE:
            written.append(text)
            continue
        in_type = text == "::" or (in_type and (text == "." or _is_name(token)))
        if before != "." and _is_operator(token):
            written.append(f"OPERATOR(pg_catalog.{text})")
        elif before != "." and not in_type and _is_name(token) and _opens(found, at):
            written.append(f"pg_catalog.{text}")
        else:
            written.append(text)
        before = text
    return "".join(written)


def moved(fragment: str, alias: str, to: str) -> str:
    """The same over columns behind another alias."""
    found = list(tokens(fragment))
    texts = ["", *(token.text for token in found), ""]
    return "".join(
        to if text == alias and before != "." and after == "." else text
        for before, text, after in zip(texts, texts[1:], texts[2:], strict=False)
    )


def _opens(found: list[Token], at: int) -> bool:
    return at < len(found) and found[at].text == "("


def _is_operator(token: Token) -> bool:
    return token.kind is Kind.MARK and token.text not in _NO_OPERATOR and set(token.text) <= _OPERATOR


def _is_name(token: Token) -> bool:
    """Whether it names a function or a type: the server prints keywords in capitals, names that have any in quotes."""
    return token.kind is Kind.QUOTED or (token.kind is Kind.WORD and token.text == token.name)
