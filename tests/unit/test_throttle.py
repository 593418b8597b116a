"""A throttle as SQL: whatever a table and its columns are called, and which of them is what."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import product

import pytest
from support import SQL

from usagefix.errors import ConfigurationError
from usagefix.models.notifying import Roles
from usagefix.throttle import window_of
from usagefix.throttle.roles import Column, found
from usagefix.throttle.written import Made, Written, named, read
from usagefix.tokens import Kind, tokens

NAME = "a\".b; -- %s \\ $a$ ' user_id"
WHOLE = Roles("user_id", "preset_id", "created_at", "type", "is_read", "data", "actor_id")
MINE = Written("public", "preset_notifications", WHOLE, "12 hours")
WORDS = {"user_id", "preset_id", "created_at", "type", "is_read", "read_at", "data", "actor_id", "preset_notifications"}


def words_of(body: str) -> list[str]:
    return [token.text for token in tokens(body) if token.kind in (Kind.WORD, Kind.QUOTED)]


def test_the_names_of_the_files_change_nothing() -> None:
    for mode, written in (("collapse", MINE), ("drop", replace(MINE, roles=replace(WHOLE, data=None, actor=None)))):
        file = (SQL / "notifications" / f"{mode}.sql").read_text()
        assert set(written.body.split("\n")) <= set(file.split("\n"))


@pytest.mark.parametrize("missing", list(product((True, False), repeat=3)))
def test_odd_names_are_written_in_code_and_nowhere_else(missing: tuple[bool, ...]) -> None:
    odd = {role: f"{NAME}{place}" for place, role in enumerate(asdict(WHOLE)) if role != "actor_key"}
    odd |= {role: None for role, gone in zip(("type", "read", "actor"), missing, strict=True) if gone}  # type: ignore[misc]
    for stamped, data in product((True, False), repeat=2):
        roles = Roles(**(odd if data else odd | {"data": None, "actor": None}))
        written = Written(NAME, NAME, roles, "1 hour", stamped)
        assert not WORDS & set(words_of(written.body))
        told = read(NAME, NAME, Made(written.trigger, NAME, written.function), written.arguments)
        assert told is not None
        assert replace(told, stamped=stamped) == written, "the trigger says all of it"
        made = "\n".join(statement.text for statement in written.making)
        assert [token.tag for token in tokens(made) if token.kind is Kind.DOLLAR] == ["$do$", "$function$"]


def test_a_name_that_ends_the_function_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="cannot be part of a function"):
        _ = Written("public", "t", replace(WHOLE, recipient="a$function$"), "1 hour").body


def test_names_are_short_enough_and_differ() -> None:
    longest = "x" * 62
    names = {named("collapse_", longest), named("collapse_", f"{longest}y"), named("collapse_", "é" * 31)}
    assert len(names) == 3
    assert all(len(f"zz_{name}".encode()) <= 63 for name in names)


@pytest.mark.parametrize(
    ("text", "interval"),
    [
        ("12h", "12 hours"),
        ("1h", "1 hour"),
        ("30 m", "30 minutes"),
        ("2D", "48 hours"),
        ("1s", "1 second"),
        ("365d", "8760 hours"),
    ],
)
def test_windows(text: str, interval: str) -> None:
    assert window_of(text) == interval


def columns(*described: str) -> tuple[Column, ...]:
    """``name:type>table``."""
    made = []
    for one in described:
        name, _, rest = one.partition(":")
        kind, _, refers = rest.partition(">")
        made.append(Column(name, kind or "uuid", refers or None, not kind.startswith("generated")))
    return tuple(made)


STAMP, PLAIN_STAMP = "timestamp with time zone", "timestamp without time zone"
TABLES = {
    "rails": (
        columns("id:bigint", "recipient_id:bigint>users", "actor_id:bigint>users", "post_id:bigint>posts", "type:text", f"read_at:{STAMP}", "params:jsonb", f"created_at:{PLAIN_STAMP}"),
        Roles("recipient_id", "post_id", "created_at", "type", "read_at", "params", "actor_id"),
    ),
    "supabase": (
        columns("id", "user_id:uuid>auth.users", "preset_id:uuid>presets", "kind:text", "read:boolean", "payload:jsonb", f"inserted_at:{STAMP}"),
        Roles("user_id", "preset_id", "inserted_at", "kind", "read", "payload", None, "used_by"),
    ),
    "no more than needed": (
        columns("user_id", "preset_id", f"created_at:{STAMP}", "data:json", "read:text", "type:text"),
        Roles("user_id", "preset_id", "created_at", "type"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", TABLES)
def test_which_column_is_what(what: str) -> None:
    there, roles = TABLES[what]
    assert found("notes", there, {}, ["used_by", "else"]).roles == roles


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "--preset-column"),
        ({"preset": "a"}, None),
        ({"preset": "user_id"}, "the same column"),
        ({"preset": "a", "recipient": "nobody"}, "has no column nobody"),
        ({"preset": "a", "time": "a"}, "is of type uuid"),
    ],
)
def test_what_nothing_tells_has_to_be_said(given: dict[str, str], said: str | None) -> None:
    there = columns("user_id:uuid>users", "a:uuid>posts", "b:uuid>presets", f"created_at:{STAMP}")
    if said is None:
        assert found("notes", there, given, []).roles.preset == "a"
    else:
        with pytest.raises(ConfigurationError) as refused:
            found("notes", there, given, [])
        assert said in f"{refused.value.message} {refused.value.hint}"
