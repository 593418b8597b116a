"""The counter of a database, and the bundled SQL written for it: names in code, and nothing else."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SQL

from usagefix import catalog
from usagefix.catalog import Face
from usagefix.counter import STANDARD, Counter
from usagefix.errors import ConfigurationError
from usagefix.fragments import closed
from usagefix.quoting import quoted
from usagefix.rendering import CODE_TAGS
from usagefix.sentinels import render
from usagefix.tokens import Kind, Token, tokens

# Capitals, blanks, quotes of both kinds, reserved words, percent signs, other alphabets, 63 bytes.
ODD = Counter(
    schema="My Schema",
    parent="select",
    key='the "Key"',
    column="Zähler",
    last="order",
    label="it's",
    child="100% of Events",
    foreign_key="p" * 63,
    time="user",
    event_id="No.",
    user="who?",
    kind="$kind$",
    data="--data",
    slug="Häufigkeit /* */",
    recorder="record it",
    incrementer="table",
    daily="One a day",
)
BARE = Counter(
    last=None, label=None, time=None, event_id=None, user=None, kind=None, data=None, partitioned=False, baselines=False,
    recorder=None, incrementer=None, daily=None,
)  # fmt: skip
PLAIN = (ODD.schema, ODD.parent, ODD.child, ODD.column, ODD.foreign_key, ODD.slug)
FILES = [
    path for path in sorted(SQL.rglob("*.sql")) if path.parent.name != "notifications"
]  # of no counter: test_throttle.py
ANYWHERE = {
    *("public", "presets", "preset_usage", "usage_count", "last_used_at", "preset_id", "created_at"),
    *("track_preset_usage", "increment_preset_usage", "idx_preset_usage_daily_unique"),
    *STANDARD.objects.values(),
    *(STANDARD.slug, STANDARD.permit, STANDARD.first_permit),
}
TABLES = {"presets", "preset", "preset_usage", "written", "come", "gone", "event", "NEW", "OLD"}
QUALIFIED = {"id", "user_id", "usage_type", "usage_data"}
_NAME = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=15)


def name(path: Path) -> str:
    return str(path.relative_to(SQL))


def every_token(text: str) -> Iterator[Token]:
    """The tokens, and those of the code in dollar quotes in place of the literal that it is."""
    for token in tokens(text):
        if token.kind is Kind.DOLLAR and token.tag in CODE_TAGS:
            yield from every_token(token.content)
        else:
            yield token


def said(text: str) -> list[str]:
    """What a renderer must leave alone, but for the names of objects that are literals."""
    left = (Kind.COMMENT, Kind.LITERAL, Kind.DOLLAR)
    return [token.text for token in every_token(text) if token.kind in left and not is_constant(token)]


def is_constant(token: Token) -> bool:
    content = token.content.removeprefix("public.").removeprefix("usagefix.").removesuffix("()")
    names = {ODD.sql(what) for what in ("schema", "parent", "child", "daily", "recorder", *ODD.objects)}
    names |= {
        name.replace("'", "''")
        for name in (str(ODD.daily), str(ODD.last), str(ODD.time), *PLAIN, *ODD.objects.values())
    }
    names |= {ODD.permit, ODD.first_permit}
    of_guard = content in ("usage_count", ODD.column) or "the guard " in content or "count each event" in content
    return token.kind is Kind.LITERAL and (
        of_guard or content in ANYWHERE or content.removeprefix('"My Schema".') in names
    )


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_usual_names_change_nothing(path: Path) -> None:
    text = path.read_text()
    assert render(Counter(), text) == text


@pytest.mark.parametrize("path", FILES, ids=name)
def test_odd_names_are_written_in_code_and_nowhere_else(path: Path) -> None:
    before = path.read_text()
    after = render(ODD, before)
    assert said(after) == said(before)
    code = [token for token in every_token(after) if token.kind in (Kind.WORD, Kind.MARK)]
    parameters = {
        place for place, token in enumerate(code) if code[place - 2].text == "%" and code[place - 1].text == "("
    }
    assert {token.text for place, token in enumerate(code) if place not in parameters} & ANYWHERE == set()
    for table, dot, column in zip(code, code[1:], code[2:], strict=False):
        if dot.text == "." and table.text in TABLES and "sample" not in path.parts:
            assert column.text not in QUALIFIED, f"{table.text}.{column.text}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_name_stays_one_token(path: Path) -> None:
    before, after = path.read_text(), render(ODD, path.read_text())
    lengths = [len(list(every_token(text))) for text in (before, after)]
    assert lengths[0] == lengths[1]


@pytest.mark.parametrize("path", sorted((SQL / "queries").glob("*.sql")), ids=lambda path: path.stem)
def test_what_a_query_says_of_names_it_takes_as_parameters(path: Path) -> None:
    """No literal of a query is a name, but for the words that Python reads, and the counter's own."""
    ours = {"presets", "preset_usage", "last_used_at", "user_id", "id", STANDARD.slug}
    literals = {token.content for token in every_token(path.read_text()) if token.kind is Kind.LITERAL}
    assert literals & ((ANYWHERE | QUALIFIED) - ours) == set()
    assert not [literal for literal in literals if "public" in literal]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT usage_count FROM public.presets", 'SELECT "Zähler" FROM "My Schema"."select"'),
        ("SELECT id, name, other.id FROM other", "SELECT id, name, other.id FROM other"),
        ("SELECT presets.id, presets.name", 'SELECT "select"."the ""Key""", "select"."it\'s"'),
        ("SELECT preset.id, event.id, NEW.id", 'SELECT preset."the ""Key""", event."No.", NEW."the ""Key"""'),
        ("public.presets.id", '"My Schema"."select"."the ""Key"""'),
        ("other.presets.id", 'other."select".id'),
        ("event.user_id, user_id, event.usage_type", 'event."who?", user_id, event."$kind$"'),
        ('AS "last_used_at", last_used_at', 'AS "last_used_at", "order"'),
        ("'presets usage_count' -- presets\n/* presets */", "'presets usage_count' -- presets\n/* presets */"),
        ("$f$ presets $f$", "$f$ presets $f$"),
        (
            "$do$ presets $function$ '' presets $function$ $do$",
            '$do$ "select" $function$ \'\' "select" $function$ $do$',
        ),
        ("REVOKE ALL FROM PUBLIC", "REVOKE ALL FROM PUBLIC"),
        ("'public.presets'::regclass", '\'"My Schema"."select"\'::regclass'),
        ("'public.presets'::pg_catalog.regclass", '\'"My Schema"."select"\'::pg_catalog.regclass'),
        ("'public.presets'::text", "'public.presets'::text"),
        ("'public'::regnamespace", "'\"My Schema\"'::regnamespace"),
        (
            "pg_catalog.to_regprocedure('public.guard_preset_usage_count()')",
            'pg_catalog.to_regprocedure(\'"My Schema"."guard_Häufigkeit /* */"()\')',
        ),
        ("to_regclass('presets' || 'x')", "to_regclass('presets' || 'x')"),
        ("to_regclass('public.other')", "to_regclass('public.other')"),
        ("FROM preset_usage", 'FROM "100% of Events"'),
        ("preset_id = %(preset_id)s", f'"{"p" * 63}" = %(preset_id)s'),
        ("FROM preset_usage WHERE x = %(x)s", 'FROM "100%% of Events" WHERE x = %(x)s'),
    ],
)
def test_odd_names(text: str, expected: str) -> None:
    assert render(ODD, text) == expected


def test_a_constant_that_is_cast_to_name_is_plain() -> None:
    """The server reads no quotes there, and no schema."""
    odd = replace(STANDARD, slug='my "Count"')
    assert render(odd, "'guard_preset_usage_count'::name") == "'guard_my \"Count\"'::name"
    assert render(odd, "'guard_preset_usage_count'::pg_catalog.name") == "'guard_my \"Count\"'::pg_catalog.name"
    assert render(replace(STANDARD, daily="it's"), "'idx_preset_usage_daily_unique'::name") == "'it''s'::name"


def test_a_single_quote_in_a_constant_is_doubled() -> None:
    assert render(replace(STANDARD, parent="it's"), "'public.presets'::regclass") == "'public.\"it''s\"'::regclass"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT presets.last_used_at AS last", "SELECT NULL::pg_catalog.timestamptz AS last"),
        ("max(public.preset_usage . created_at)", "max(NULL::pg_catalog.timestamptz)"),
        ("SELECT event.user_id::text, last_used_at", "SELECT NULL::pg_catalog.text::text, last_used_at"),
        ("event.created_at", "NULL::pg_catalog.timestamptz"),
        ("$function$ max(event.created_at) $function$", "$function$ max(pg_catalog.now()) $function$"),
        ("$function$ preset_usage.created_at $function$", "$function$ NULL::pg_catalog.timestamptz $function$"),
        ("a\n , b --? presets.last_used_at\n , c\n", "a\n , c\n"),
        ("b --? presets.name, preset_usage.created_at", ""),
        ("$do$\nb --? preset_usage.id\nc $do$", "$do$\nc $do$"),
        ("'\nb --? preset_usage.id\nc'", "'\nb --? preset_usage.id\nc'"),
    ],
)
def test_missing_columns(text: str, expected: str) -> None:
    assert render(BARE, text) == expected
    assert render(STANDARD, text) == text


def test_a_mark_drops_its_line_where_one_of_its_columns_is_missing() -> None:
    text = "a --? presets.last_used_at, preset_usage.created_at\n"
    assert render(replace(STANDARD, time=None), text) == ""
    assert render(replace(STANDARD, label=None), text) == text


def test_what_a_database_does_not_need_is_left_out() -> None:
    text = "a --? partitions\nb -- why --? partitions\nc -- it stays\n"
    assert render(Counter(partitioned=False), text) == "c -- it stays\n"
    assert render(STANDARD, text) == text


@pytest.mark.parametrize("path", FILES, ids=name)
def test_no_missing_column_is_read(path: Path) -> None:
    if "sample" in path.parts:
        return
    after = render(BARE, path.read_text())
    marks = [token.text for token in every_token(after) if token.text.startswith("--?")]
    assert set(marks) <= {"--? counted", "--? whole"}, "it counts one for each, in every row"
    code = [token.text for token in every_token(after) if token.kind in (Kind.WORD, Kind.MARK)]
    for table, dot, column in zip(code, code[1:], code[2:], strict=False):
        if dot == "." and table in TABLES - {"NEW", "OLD"}:
            assert column not in {"last_used_at", "created_at", "user_id", "usage_type", "usage_data"}


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                [
                    *sorted(ANYWHERE | TABLES | QUALIFIED),
                    ".",
                    "\n",
                    "$do$",
                    "$x$",
                    "'",
                    '"',
                    "--",
                    "/*",
                    "*/",
                    "::regclass",
                ]
            ),
            st.text(max_size=3),
        )
    )
)
def test_any_text_keeps_its_comments_and_literals(parts: list[str]) -> None:
    text = " ".join(parts)
    once = render(ODD, text)
    assert said(once) == said(text)
    assert render(STANDARD, text) == text
    assert render(ODD, once) == once


@given(_NAME, _NAME)
def test_any_name_is_one_identifier(parent: str, column: str) -> None:
    counter = replace(STANDARD, parent=parent, column=column)
    code = list(tokens(render(counter, "public.presets.usage_count")))
    assert [token.name for token in code] == ["public", "", parent, "", column]


def test_names_as_parameters() -> None:
    params = ODD.params
    assert (params["schema"], params["schema_sql"], params["parent_name"]) == ("My Schema", '"My Schema"', "select")
    assert (params["child"], params["child_name"]) == ('"My Schema"."100% of Events"', "100% of Events")
    assert params["guard"] == '"My Schema"."guard_Häufigkeit /* */"()'
    assert params["zz_trigger_guard"] == "zz_trigger_guard_Häufigkeit /* */"
    assert STANDARD.params["daily"] == "public.idx_preset_usage_daily_unique"
    assert BARE.params["time"] is None
    assert (BARE.params["daily"], BARE.params["daily_name"], BARE.params["recorder"]) == (None, None, None)
    assert replace(BARE, child_schema="Other").params["child"] == '"Other".preset_usage'


def test_what_the_usual_counter_is_called() -> None:
    assert (STANDARD.parent_sql, STANDARD.child_sql) == ("public.presets", "public.preset_usage")
    assert STANDARD.objects["trigger_auto_adjust_truncate"] == "trigger_auto_adjust_preset_usage_count_truncate"
    assert STANDARD.objects["trigger_auto_note_enter"] == "trigger_auto_note_preset_usage_count_enter"
    assert "zz_trigger_guard_preset_usage_count" in STANDARD.triggers
    assert "guard_preset_usage_count" not in STANDARD.triggers
    assert STANDARD.dated
    assert not replace(STANDARD, time=None).dated
    assert replace(STANDARD, time=None).keeps_last_use


@pytest.mark.parametrize(
    "given",
    [{"parent": ""}, {"key": "k" * 64}, {"slug": "s" * 40}, {"column": "a\0"}, {"label": "$do$"}, {"label": "%(x)s"}],
)
def test_what_cannot_be_a_name(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        Counter(**given)


@pytest.mark.parametrize("counter", [STANDARD, ODD, BARE], ids=["standard", "odd", "bare"])
def test_a_verification_looks_for_the_bodies_that_apply_writes(counter: Counter) -> None:
    """The whole one first, then the one for a database without partitions, where this differs."""
    for migration in catalog.migrations():
        written = [
            [hashlib.md5(body.encode()).hexdigest() for body in migration.bodies(replace(counter, partitioned=here))]
            for here in (True, False)
        ]
        found = [
            text.split()
            for text in re.findall(r"'([0-9a-f]{32}(?: [0-9a-f]{32})?)'", migration.read(Face.VERIFY, counter))
        ]
        assert found == [list(dict.fromkeys(pair)) for pair in zip(*written, strict=True)]
        assert [len(one) for one in found] == ([2, 2] if migration is catalog.counting() else [1])


def test_the_bodies_that_are_known_as_ours() -> None:
    """Those of apply and of partitions; also as they were where a column came or went since."""
    here = {body for migration in catalog.migrations() for body in migration.bodies(ODD)}
    on_partitions = {
        body
        for statement in catalog.counting().partitions(ODD)
        for body in re.findall(r"AS \$function\$(.*)\$function\$", statement.text, re.DOTALL)
    }
    assert len(on_partitions) == 2
    assert here | on_partitions <= catalog.released_bodies(ODD)
    undated = {body for migration in catalog.migrations() for body in migration.bodies(replace(ODD, last=None))}
    assert undated - here
    assert undated <= catalog.released_bodies(ODD)
    assert not here & catalog.released_bodies()
    assert quoted('a"b') == '"a""b"'


LIKES = replace(STANDARD, where="((event.kind ~~ 'a%'::text) AND (event.score > 0))", weight="event.score")
SOME = "(SELECT event.*, COALESCE(event.score, 0) AS usagefix_weight FROM {} AS event WHERE (" + str(LIKES.where) + "))"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FROM public.preset_usage AS event", f"FROM {SOME.format('public.preset_usage')} AS event"),
        ("LEFT JOIN new_events AS come ON", f"LEFT JOIN {SOME.format('new_events')} AS come ON"),
        ("FROM public.preset_usage", "FROM public.preset_usage"),
        ("DELETE FROM public.preset_usage AS event", "DELETE FROM public.preset_usage AS event"),
        ("ON public.preset_usage AS x", "ON public.preset_usage AS x"),
        ("SELECT pg_catalog.count(*) AS uses", "SELECT COALESCE(pg_catalog.sum(usagefix_weight), 0) AS uses"),
        ("SELECT count(*) AS actual", "SELECT COALESCE(pg_catalog.sum(usagefix_weight), 0) AS actual"),
        ('SELECT count(*) AS "presets"', 'SELECT count(*) AS "presets"'),
        (
            "SELECT -1 AS uses, 1 AS uses",
            "SELECT OPERATOR(pg_catalog.-) usagefix_weight AS uses, usagefix_weight AS uses",
        ),
        ("GREATEST(a + (b), 0)", "(a + (b))"),
        ("GREATEST(a, b, 0, c)", "GREATEST(a, b, 0, c)"),
        ("a --? counted\nb\n", "b\n"),
        (
            "$function$ FROM (SELECT OLD.*) AS gone $function$",
            "$function$ FROM (SELECT event.*, COALESCE(event.score, 0) AS usagefix_weight FROM (SELECT OLD.*) AS event"
            " WHERE (((event.kind OPERATOR(pg_catalog.~~) 'a%'::text) AND (event.score OPERATOR(pg_catalog.>) 0))))"
            " AS gone $function$",
        ),
        ("$format$ count(*) FROM ONLY %s AS x $format$", f"$format$ count(*) FROM {'{}'} AS x $format$"),
    ],
)
def test_events_that_count_for_what_they_are_worth(text: str, expected: str) -> None:
    if "{}" in expected:
        event = "(SELECT event.*, COALESCE(event.score, 0) AS usagefix_weight FROM ONLY %s AS event WHERE"
        where = "(((event.kind OPERATOR(pg_catalog.~~) 'a%%'::text) AND (event.score OPERATOR(pg_catalog.>) 0))))"
        expected = expected.format(f"{event} {where}")
    assert render(LIKES, text) == expected
    assert render(STANDARD, text) == text


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("(event.a = 1)", "(event.a OPERATOR(pg_catalog.=) 1)"),
        ("((event.a ->> 'x'::text) !~~* '%'::text)",
         "((event.a OPERATOR(pg_catalog.->>) 'x'::text) OPERATOR(pg_catalog.!~~*) '%'::text)"),
        ("(event.a OPERATOR(app.=) 1)", "(event.a OPERATOR(app.=) 1)"),
        ("(lower((event.a)::character varying(20)) = ANY (ARRAY['a'::text]))",
         "(pg_catalog.lower((event.a)::character varying(20)) OPERATOR(pg_catalog.=) ANY (ARRAY['a'::text]))"),
        ("CASE WHEN app.f(event.a) THEN 'x'::text ELSE \"left\"(event.b, 2) END",
         "CASE WHEN app.f(event.a) THEN 'x'::text ELSE pg_catalog.\"left\"(event.b, 2) END"),
        ("CASE WHEN true THEN 'x'::text ELSE lower(event.b) END",
         "CASE WHEN true THEN 'x'::text ELSE pg_catalog.lower(event.b) END"),
        ("(event.a IS NOT NULL)", "(event.a IS NOT NULL)"),
        ("(NOT COALESCE(event.\"a(\", '('::text) IN ('a = 1'))", "(NOT COALESCE(event.\"a(\", '('::text) IN ('a = 1'))"),
        ("('-1'::integer * (- event.a))", "('-1'::integer OPERATOR(pg_catalog.*) (OPERATOR(pg_catalog.-) event.a))"),
        ("(event.a = 'b'::app.kind)", "(event.a OPERATOR(pg_catalog.=) 'b'::app.kind)"),
    ],
)  # fmt: skip
def test_a_fragment_under_a_path_of_others(fragment: str, expected: str) -> None:
    assert closed(fragment) == expected


@pytest.mark.parametrize("path", FILES, ids=name)
def test_fragments_and_odd_names(path: Path) -> None:
    """What a person gave is written as it is, whatever names it has in common with ours."""
    counter = replace(ODD, where="(event.usage_count = 'preset_usage''s %'::text)", weight="event.created_at")
    text = path.read_text()
    whole = list(every_token(render(counter, text)))
    if "usagefix_weight" in {token.text for token in whole}:
        assert {"usage_count", "created_at"} <= {token.text for token in whole}
    quoted = {token.text for token in whole if token.kind is Kind.LITERAL and "preset_usage''s" in token.text}
    assert quoted <= {"'preset_usage''s %'", "'preset_usage''s %%'"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "FROM public.presets AS preset",
            "FROM (SELECT preset.* FROM public.presets AS preset WHERE (preset.a > 0)) AS preset",
        ),
        ("FROM public.presets AS other", "FROM public.presets AS other"),
        ("DELETE FROM public.presets AS preset", "DELETE FROM public.presets AS preset"),
        (
            "UPDATE public.presets AS preset SET a = (SELECT b WHERE c) WHERE d",
            "UPDATE public.presets AS preset SET a = (SELECT b WHERE c) WHERE (preset.a OPERATOR(pg_catalog.>) 0) AND d",
        ),
        ("(UPDATE public.presets AS preset SET a = 1) WHERE d", "(UPDATE public.presets AS preset SET a = 1) WHERE d"),
        (
            "IF NEW.id IS DISTINCT FROM OLD.id",
            "IF (NEW.a OPERATOR(pg_catalog.>) 0) IS NOT TRUE THEN RETURN NEW; END IF; -- it has no counter\n"
            "    IF NEW.id IS DISTINCT FROM OLD.id",
        ),
        ("a --? whole\nb\n", "b\n"),
    ],
)
def test_rows_that_have_a_counter(text: str, expected: str) -> None:
    assert render(replace(STANDARD, only="preset.a > 0"), text) == expected
    assert render(STANDARD, text) == text


@pytest.mark.parametrize("path", FILES, ids=name)
def test_the_conditions_of_an_update_are_joined_by_and(path: Path) -> None:
    """So another one can stand before them."""
    after = render(replace(STANDARD, only="preset.only"), path.read_text())
    for condition in re.findall(r"WHERE \(preset\.only\) AND (.*?)(?:;|RETURNING|\Z)", after, re.DOTALL):
        depth, outside = 0, []
        for token in every_token(condition):
            depth += (token.text == "(") - (token.text == ")")
            outside += [token.name] if depth == 0 else []
        assert "or" not in outside


def test_events_in_another_schema() -> None:
    counter = replace(STANDARD, child_schema='the "Other" %')
    schema = '"the ""Other"" %"'
    assert render(counter, "public.preset_usage, public.presets") == f"{schema}.preset_usage, public.presets"
    assert render(counter, "'public.preset_usage'::regclass") == f"'{schema}.preset_usage'::regclass"
    assert render(counter, "'public.presets'::regclass") == "'public.presets'::regclass"
    assert render(counter, "public.preset_usage %(x)s").startswith('"the ""Other"" %%".')
    assert (counter.params["child"], counter.params["parent"]) == (f"{schema}.preset_usage", "public.presets")


@pytest.mark.parametrize("migration", catalog.migrations(), ids=str)
def test_the_checks_of_partitions_are_behind_those_of_their_version_alone(migration: catalog.Migration) -> None:
    whole = migration.script(Face.VERIFY, replace(ODD, partitioned=True))
    assert ("-- Partitions" in whole) == (migration is catalog.counting())
    assert "-- Partitions" not in migration.script(Face.VERIFY, replace(ODD, partitioned=False))
