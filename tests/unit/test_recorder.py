"""Which trigger functions count and what can be done about them; which recorders lose nothing when written anew."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from support import APPLICATIONS, SQL

from usagefix.reading import (
    Argument,
    Column,
    Edited,
    Events,
    OnlyCounts,
    Reader,
    Refused,
    Routine,
    Subject,
    UserKey,
    arguments_of,
    in_sql,
    unknown_arguments,
    unknown_columns,
)
from usagefix.reading.recorder import only_inserts

TAKEN = "NULL; /* counted by the trigger */"
COUNTS = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id;"
BOTH = "UPDATE presets SET usage_count = coalesce(usage_count, 0) + 1 WHERE id = coalesce(NEW.preset_id, OLD.preset_id)"
TEXTS = [SQL / "sample" / "schema.sql", *sorted(APPLICATIONS.glob("*.sql"))]


def function(body: str, name: str = "other", language: str = "plpgsql", **further: object) -> Routine:
    return Routine(f"{name}()", "public", name, language, body, **further)  # type: ignore[arg-type]


def made_in(path: Path) -> dict[str, Routine]:
    """The functions that a script makes, by name."""
    made = re.finditer(
        r"FUNCTION (?:public\.)?(\w+)\(([^;]*?)\bAS (\$\w*\$)(.*?)\3",
        path.read_text(),
        re.DOTALL,
    )
    return {
        found[1]: function(found[4], found[1], "sql" if "LANGUAGE sql" in found[2] else "plpgsql") for found in made
    }


def test_the_trigger_functions_of_the_applications() -> None:
    sample = made_in(SQL / "sample" / "schema.sql")
    by_hand = made_in(APPLICATIONS / "by_hand.sql")
    twice = made_in(APPLICATIONS / "counted_twice.sql")
    reader = Reader((*sample.values(), *by_hand.values(), *twice.values()))
    counting = {routine.name for routine in reader.functions if reader.counts(routine)}
    assert counting == {
        "increment_preset_usage", "auto_increment_preset_usage_count", "update_preset_usage_count", "call_increment", "log_and_count",
    }  # fmt: skip
    for name in ("auto_increment_preset_usage_count", "update_preset_usage_count", "call_increment"):
        assert reader.of_trigger((by_hand | twice)[name]) == OnlyCounts()
    counts = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id;"
    assert reader.of_trigger(twice["log_and_count"]) == Edited(twice["log_and_count"].body.replace(counts, TAKEN))


ONLY = {
    "plain": f"BEGIN {COUNTS} RETURN NULL; END",
    "one more semicolon": f"BEGIN {COUNTS}; RETURN NEW;; END;",
    "by kind": f"BEGIN IF (TG_OP = 'INSERT') THEN {COUNTS} RETURN NEW; ELSIF tg_op = 'DELETE' THEN {BOTH}; RETURN OLD; ELSE NULL; END IF; RETURN NULL; END",
    "either row": f"DECLARE BEGIN {BOTH}; RETURN COALESCE(NEW, OLD); END",
    "comments": f"BEGIN -- INSERT INTO log;\n {COUNTS} /* and; /* more */ */ RETURN NULL; END -- x",
    "lines that end as on Windows": f"BEGIN\r\n  -- count\r\n  {COUNTS}\r\n  RETURN NEW;\r\nEND;\r\n",
    "by the function that adds one": "BEGIN PERFORM public.increment_preset_usage(NEW.preset_id); RETURN NULL; END",
    "by another that does nothing else": "BEGIN PERFORM add(NEW.preset_id); RETURN NULL; END",
}  # fmt: skip
MORE = {
    "a log": (f"BEGIN INSERT INTO log VALUES (';'); {COUNTS} RETURN NULL; END", COUNTS),
    "another condition": (f"BEGIN IF NEW.usage_type = 'INSERT' THEN {COUNTS} END IF; RETURN NULL; END", COUNTS),
    "a message": (f"BEGIN RAISE DEBUG 'a -- b'; {COUNTS} RETURN NULL; END", COUNTS),
    "a notification": (f"BEGIN {BOTH}; INSERT INTO public.preset_notifications DEFAULT VALUES; RETURN NULL; END", f"{BOTH};"),
    "what it declares": (f"DECLARE n integer := f(); BEGIN {COUNTS} RETURN NULL; END", COUNTS),
    "a row that it makes": (f"BEGIN NEW.usage_type := 'x'; {COUNTS} RETURN NEW; END", COUNTS),
}  # fmt: skip
CANNOT, DEPENDS = (
    "counts by itself in a way that usagefix cannot take out",
    "counts by itself, and what follows depends on that",
)
REFUSED = {
    "dynamic SQL": (f"BEGIN\nEXECUTE replace('{BOTH}', 'coalesce(NEW.preset_id, OLD.preset_id)', quote_literal(NEW.preset_id)); RETURN NULL; END", CANNOT, 2),
    "what follows depends on it": (f"BEGIN {COUNTS.replace(' WHERE', ' FROM x WHERE')} IF FOUND THEN RAISE DEBUG 'counted'; END IF; RETURN NULL; END", DEPENDS, 1),
    "through a function that does more": ("BEGIN\n\nPERFORM logs(NEW.preset_id); RETURN NULL; END", CANNOT, 3),
    "through a function that calls another": ("BEGIN\nPERFORM calls(NEW.preset_id); RETURN NULL; END", CANNOT, 2),
    "as a value": ("BEGIN x := add(NEW.preset_id); RETURN NULL; END", CANNOT, 1),
    "merged": ("BEGIN MERGE INTO presets p USING x ON true\nWHEN MATCHED THEN UPDATE SET usage_count = 1; RETURN NULL; END", CANNOT, 2),
}  # fmt: skip
NOT = {
    "a threshold": "UPDATE presets SET is_public = true WHERE id = NEW.preset_id AND usage_count >= 100",
    "another column from it": "UPDATE presets SET technical_settings = to_jsonb(usage_count * 2), is_public = true WHERE id = NEW.preset_id",
    "another schema's counter": "UPDATE stats.presets SET usage_count = usage_count + 1 WHERE id = NEW.preset_id",
    "another table's counter": "UPDATE stats.totals SET usage_count = usage_count + 1",
    "text": f"RAISE DEBUG '{COUNTS}'; /* {COUNTS} */ -- {COUNTS}\n",
    "a quoted name": f'PERFORM f("{COUNTS}")',
    "a column of its own row": "NEW.usage_count := 1",
    "a call of what does not count": "PERFORM harmless(NEW.preset_id)",
}
AROUND = (
    function("UPDATE presets SET usage_count = usage_count + 1 WHERE id = $1", "add", "sql"),
    function(f"BEGIN INSERT INTO log VALUES (1); {COUNTS} END", "logs"),
    function("BEGIN PERFORM once_more($1); END", "calls"),
    function("SELECT logs($1)", "once_more", "sql"),
    function("BEGIN RAISE DEBUG 'PERFORM add(1)'; END", "harmless"),
)


@pytest.mark.parametrize("what", [*ONLY, *MORE, *REFUSED])
def test_a_trigger_function_that_counts(what: str) -> None:
    body = ONLY.get(what) or (MORE.get(what) or REFUSED[what])[0]
    routine = function(body)
    reader = Reader((routine, *AROUND))
    assert reader.counts(routine)
    found = reader.of_trigger(routine)
    if what in ONLY:
        assert found == OnlyCounts()
    elif what in MORE:
        assert found == Edited(body.replace(MORE[what][1], TAKEN))
    else:
        _, said, line = REFUSED[what]
        hint = "Remove from it what changes usage_count (the trigger counts), then run this again."
        assert found == Refused(f"other() {said}", hint, line)


@pytest.mark.parametrize("what", NOT)
def test_a_trigger_function_that_does_not_count(what: str) -> None:
    routine = function(f"BEGIN {NOT[what]}; RETURN NULL; END")
    assert not Reader((routine, *AROUND)).counts(routine)


def test_the_two_readers_of_before_agree() -> None:
    """A literal that ends like a comment hides nothing, whoever asks."""
    body = "begin raise debug 'a -- b'; update presets set usage_count = usage_count + 1 where id = new.preset_id; return null; end"
    assert Reader().counts(function(body))
    assert [found.use.value for found in in_sql(body)] == ["writes the counter"]


def test_a_body_that_is_parsed_already_cannot_be_edited() -> None:
    body = "BEGIN ATOMIC\n INSERT INTO log VALUES (1);\n UPDATE public.presets SET usage_count = (presets.usage_count + 1);\nEND"
    routine = function(body, language="sql", atomic=True)
    assert Reader().counts(routine)
    found = Reader().of_trigger(routine)
    assert isinstance(found, Refused)


def test_names_that_the_server_would_not_fold() -> None:
    subject = Subject("app", "Presets", "Uses", "Events", incrementer="Add")
    reader = Reader(subject=subject)
    for body in ('UPDATE "Presets" SET "Uses" = 1', 'UPDATE app."Presets" SET "Uses" = 1', 'PERFORM "Add"(1)'):
        assert reader.of_trigger(function(f"BEGIN {body}; RETURN NULL; END")) == OnlyCounts()
    for body in (
        'UPDATE presets SET "Uses" = 1',
        'UPDATE "Presets" SET uses = 1',
        'UPDATE public."Presets" SET "Uses" = 1',
        "PERFORM add(1)",
    ):
        assert not reader.counts(function(f"BEGIN {body}; RETURN NULL; END"))


CLAUSE = "ON CONFLICT (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date)) DO NOTHING"
NEEDS = "INSERT INTO public.preset_usage (preset_id, user_id, usage_type) VALUES ($1, auth.uid(), $2) " + CLAUSE
NEEDING = {
    "a function of another name": function(f"BEGIN {NEEDS}; END", "use_preset"),
    "a statement that is parsed already": function(f"BEGIN ATOMIC\n {NEEDS};\nEND", "track_preset_usage", "sql", atomic=True),
    "dynamic SQL": function(f"BEGIN EXECUTE '{NEEDS.replace(chr(39), chr(39) * 2)}' USING $1, $2; END", "track_preset_usage"),
    "dynamic SQL in pieces": function("BEGIN EXECUTE 'INSERT INTO preset_usage (a) VALUES (1) ' || $q$ON CONFLICT (used_at) DO NOTHING$q$; END", "f"),
    "code in code": function(f"DO $a$ BEGIN EXECUTE $b${NEEDS}$b$; END $a$", "f"),
    "another language": function(f'plpy.execute("""{NEEDS}""")', "f", "plpython3u"),
    "by the columns of the limit": function("INSERT INTO preset_usage VALUES (1) ON CONFLICT (on_day, preset_id) DO UPDATE SET a = 1", "f", "sql"),
}  # fmt: skip
NOT_NEEDING = [
    function(f"BEGIN {NEEDS}; END", "track_preset_usage"),
    function(f"BEGIN /* {NEEDS} */ INSERT INTO preset_usage VALUES (1); END", "f"),
    function("INSERT INTO preset_usage VALUES (1) ON CONFLICT (id) DO NOTHING", "f", "sql"),
    function("INSERT INTO log VALUES (1) ON CONFLICT (created_at) DO NOTHING", "f", "sql"),
    function("INSERT INTO stats.preset_usage VALUES (1) ON CONFLICT (created_at) DO NOTHING", "f", "sql"),
    function("SELECT 'preset_usage', 'on conflict (created_at)'", "f", "sql"),
]


@pytest.mark.parametrize("what", NEEDING)
def test_what_would_fail_without_the_daily_limit(what: str) -> None:
    routine = NEEDING[what]
    reader = Reader((routine, *NOT_NEEDING), Events(limit_columns=("preset_id", "on_day")))
    assert reader.needing_limit() == (routine,)
    assert reader.recorder_state(routine).limited


def test_literals_in_literals_end() -> None:
    text = "x"
    for n in range(16):
        text = f"$a{n}${text}$a{n}$ 'y'"
    assert Reader((function(text, "f"),)).needing_limit() == ()


COLUMNS = ("id", "preset_id", "user_id", "usage_type", "usage_data", "created_at")


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        ("INSERT INTO preset_usage (preset_id, kind, \"Device\", ID) VALUES (1, 2, 3)", ("Device", "kind")),
        ("INSERT INTO preset_usage AS pu (b, a) SELECT 1; INSERT INTO public.preset_usage(a /* , x */, c) VALUES (1)", ("a", "b", "c")),
        ("INSERT INTO preset_usage (SELECT kind FROM x)", ()),
        ("INSERT INTO preset_usage VALUES (kind)", ()),
        ("INSERT INTO stats.preset_usage (kind) VALUES (1); INSERT INTO log (kind) VALUES (1)", ()),
        ("-- INSERT INTO preset_usage (kind)\n SELECT 'INSERT INTO preset_usage (kind)'", ()),
    ],
)  # fmt: skip
def test_columns_that_are_not_there(body: str, unknown: tuple[str, ...]) -> None:
    assert unknown_columns(body, COLUMNS) == unknown


def test_the_state_of_a_recorder() -> None:
    columns = Events(tuple(Column(name, "text") for name in COLUMNS))
    other = made_in(APPLICATIONS / "other_columns.sql")["track_preset_usage"]
    state = Reader((other,), columns).recorder_state(other)
    assert (state.limited, state.counting, state.unknown, state.unfinished) == (True, False, (), False)
    fewer = replace(columns, columns=tuple(column for column in columns.columns if not column.name.startswith("usage")))
    assert Reader((other,), fewer).recorder_state(other).unknown == ("usage_data", "usage_type")
    counting = function("BEGIN PERFORM calls(1); END", "track_preset_usage")
    assert Reader((counting, *AROUND)).recorder_state(counting).counting
    assert not Reader().recorder_state(function("BEGIN RAISE DEBUG 'add(1)'; END")).counting


SIGN_IN = "IF caller IS NULL THEN RAISE EXCEPTION 'sign in' USING HINT = 'x'; END IF;"
INSERTS = {
    "plain": "BEGIN INSERT INTO preset_usage (a) VALUES (f(1)); END",
    "in SQL": " INSERT INTO preset_usage (a) VALUES ($1) RETURNING id ",
    "returns the event": "DECLARE e uuid; BEGIN INSERT INTO preset_usage (a) VALUES (1) RETURNING id INTO e; RETURN e; END",
    "hides what fails": "BEGIN INSERT INTO preset_usage (a) VALUES (1); RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END",
    "looks up the user": "BEGIN SELECT id INTO p FROM users_profile WHERE user_id = auth.uid(); INSERT INTO preset_usage (a) VALUES (1); RETURN; END;",
    "turns away who is not signed in": f"BEGIN {SIGN_IN} IF auth . uid() IS NULL THEN RETURN NULL; END IF; INSERT INTO preset_usage (a) VALUES (1); END",
    "comments": "BEGIN -- INSERT INTO log;\nINSERT INTO preset_usage (a) VALUES (1); /* PERFORM f(); */ END",
}  # fmt: skip
DOES_MORE = {
    "a query": "INSERT INTO preset_usage (a) VALUES (1); SELECT f()",
    "a log": "BEGIN INSERT INTO preset_usage (a) VALUES (1); INSERT INTO log VALUES (1); END",
    "two events": "BEGIN INSERT INTO preset_usage (a) VALUES (1); INSERT INTO preset_usage (a) VALUES (2); END",
    "a check": "BEGIN IF true THEN RAISE EXCEPTION 'members only'; END IF; INSERT INTO preset_usage (a) VALUES (1); END",
    "a check of something else": "BEGIN IF a IS NULL THEN PERFORM f(); END IF; INSERT INTO preset_usage (a) VALUES (1); END",
    "a quota": "BEGIN PERFORM check_quota(preset_uuid); INSERT INTO preset_usage (a) VALUES (1); END",
    "another table": "BEGIN INSERT INTO stats.preset_usage (a) VALUES (1); END",
    "more users": "BEGIN SELECT auth.uid() INTO a; SELECT auth.uid() INTO b; INSERT INTO preset_usage (a) VALUES (1); END",
    "what it returns": "BEGIN INSERT INTO preset_usage (a) VALUES (1); RETURN noted(a); END",
    "counting": f"BEGIN INSERT INTO preset_usage (a) VALUES (1); {COUNTS} END",
}  # fmt: skip


@pytest.mark.parametrize("what", [*INSERTS, *DOES_MORE])
def test_a_recorder_that_only_inserts(what: str) -> None:
    assert only_inserts(INSERTS.get(what) or DOES_MORE[what]) is (what in INSERTS)


ROLES = ("preset_id", "user_id", "usage_type", "usage_data")
PRESET, KIND, DATA = (
    Argument("preset_uuid", "uuid", "U"),
    Argument("kind", "text", "S"),
    Argument("data", "jsonb", "U", required=False),
)
USER, WHO = Argument("p_user_id", "uuid", "U"), Argument("", "uuid", "U")
INET = Argument("device", "inet", "I")
THROUGH = (
    "INSERT INTO preset_usage (preset_id, user_id, origin) VALUES ($2, coalesce(whose.who, $1), lower(origin::text))"
)


@pytest.mark.parametrize(
    ("arguments", "key", "body", "given"),
    [
        ((PRESET, KIND, DATA), "uuid", "", {"preset_id": 1, "usage_type": 2, "usage_data": 3}),
        ((KIND, PRESET, Argument("source", "text", "S", required=False)), "uuid", "", {"usage_type": 1, "preset_id": 2}),
        ((WHO, Argument("", "mood", "E")), "uuid", "", {"preset_id": 1, "usage_type": 2}),
        ((Argument("usage_TYPE", "text", "S"), Argument("preset", "text", "S")), "text", "", {"usage_type": 1, "preset_id": 2}),
        ((PRESET, INET), "uuid", "", ["device inet"]),
        ((PRESET, replace(INET, required=False), replace(KIND, required=False)), "uuid", "", {"preset_id": 1, "usage_type": 3}),
        ((WHO, replace(INET, name="", required=False), replace(KIND, name="", required=False)), "uuid", "", {"preset_id": 1}),
        ((KIND, DATA), "uuid", "", []),
        ((PRESET,), "bigint", "", {"preset_id": 1}),
        ((WHO,), "bigint", "", ["uuid"]),
        ((), "uuid", "", []),
        ((PRESET, USER, KIND), "uuid", "", {"preset_id": 1, "user_id": 2, "usage_type": 3}),
        ((USER, Argument("target", "uuid", "U")), "uuid", "", {"user_id": 1, "preset_id": 2}),
        ((Argument("presetId", "text", "S"), Argument("userId", "text", "S")), "uuid", "", {"preset_id": 1, "user_id": 2}),
        ((USER,), "uuid", "", []),
        ((WHO, WHO, KIND), "uuid", "", ["uuid"]),
        ((WHO, WHO), "uuid", THROUGH, {"user_id": 1, "preset_id": 2}),
        ((PRESET, Argument("p_origin", "text", "S")), "uuid", "", {"preset_id": 1, "origin": 2}),
        ((WHO, WHO, Argument("came_from", "text", "S")), "uuid", THROUGH.replace("origin::", "came_from::"),
         {"user_id": 1, "preset_id": 2, "origin": 3}),
        ((Argument("payload", "jsonb", "U"),), "uuid",
         "INSERT INTO preset_usage (preset_id, usage_type) VALUES ((payload->>'preset')::uuid, payload->>'kind')", []),
        ((PRESET, Argument("usage_types", "text[]", "A")), "uuid",
         "INSERT INTO preset_usage (preset_id, usage_type) VALUES (preset_uuid, usage_types[1])", ["usage_types text[]"]),
        ((PRESET, Argument("user", "jsonb", "U"), DATA), "uuid", "", {"preset_id": 1, "usage_data": 2}),
        ((PRESET, Argument("client_id", "uuid", "U")), "uuid",
         "INSERT INTO preset_usage (id, preset_id) SELECT client_id, preset_uuid FROM x", ["client_id uuid"]),
    ],
)  # fmt: skip
def test_arguments(arguments: tuple[Argument, ...], key: str, body: str, given: dict[str, int] | list[str]) -> None:
    """``given``: columns by argument; or those of which nothing is known."""
    routine, columns = function(body, arguments=arguments), ["id", *ROLES, "origin"]
    known = arguments_of(routine, key, columns=columns)
    assert known == given if isinstance(given, dict) else known is None
    unknown = [] if isinstance(given, dict) else given
    assert list(unknown_arguments(routine, key, columns=columns)) == unknown


SAMPLE = Events(
    (
        Column("id", "uuid", not_null=True),
        Column("preset_id", "uuid", required=True, not_null=True),
        Column("user_id", "uuid", required=True, not_null=True),
        Column("usage_type", "character varying(40)", required=True, not_null=True),
        Column("usage_data", "jsonb"),
        Column("used_at", "timestamp with time zone", required=True, not_null=True),
        Column("note", "text"),
    ),
    auth_uid=True,
    user_key=UserKey("auth.users", "id"),
)
PROFILES = Events(
    (Column("id", "uuid"), Column("preset_id", "uuid", required=True), Column("user_id", "uuid"), Column("used_at", "date")),
    auth_uid=True,
    user_key=UserKey("users_profile", "Key", profile=True),
)  # fmt: skip
BROKEN = "INSERT INTO preset_usage (preset_id, user_id, kind) VALUES ($1, auth.uid(), $2)"
HEAD = "-- Written by usagefix: the one before named what preset_usage lacks. The trigger counts."
INTO = "INSERT INTO public.preset_usage (preset_id, user_id, usage_type, usage_data, used_at) VALUES"
VALUES = "$2::character varying(40), COALESCE($3, '{}')::jsonb, pg_catalog.now())"
STAND_IN = " ON CONFLICT DO NOTHING /* usagefix: until the daily limit is gone */"
FRESH = {
    "returns the event": (
        f"DECLARE e uuid; BEGIN {BROKEN} RETURNING id INTO e; RETURN e; END", "plpgsql", "uuid", SAMPLE,
        f"\n{HEAD}\nDECLARE\n    caller uuid := auth.uid()::uuid;\n    event_id uuid;\nBEGIN\n"
        "    IF caller IS NULL THEN\n        RAISE EXCEPTION 'sign in to use a preset' USING ERRCODE = 'insufficient_privilege';\n    END IF;\n"
        f"    {INTO} ($1, caller, {VALUES}⟦⟧ RETURNING preset_usage.id INTO event_id;\n    RETURN event_id;\nEND\n",
    ),
    "returns whether": (
        f"BEGIN {BROKEN}; RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END", "plpgsql", "boolean", PROFILES,
        f"\n{HEAD}\nDECLARE\n    caller uuid := (SELECT profile.\"Key\" FROM users_profile AS profile WHERE profile.user_id OPERATOR(pg_catalog.=) auth.uid());\n"
        "BEGIN\n    INSERT INTO public.preset_usage (preset_id, user_id) VALUES ($1, caller)⟦⟧;\n    RETURN true;\nEND\n",
    ),
    "returns nothing, knows no user": (
        f"BEGIN {BROKEN}; END", "plpgsql", "void", replace(PROFILES, auth_uid=False),
        f"\n{HEAD}\nBEGIN\n    INSERT INTO public.preset_usage (preset_id) VALUES ($1)⟦⟧;\n    RETURN;\nEND\n",
    ),
    "in SQL": (
        f" {BROKEN} RETURNING id ", "sql", "uuid", SAMPLE,
        f"\n    {HEAD}\n    {INTO} ($1, auth.uid()::uuid, {VALUES}⟦⟧ RETURNING preset_usage.id\n",
    ),
    "in SQL, returns whether": (
        f" {BROKEN} RETURNING id ", "sql", "boolean", replace(PROFILES, auth_uid=False),
        f"\n    {HEAD}\n    INSERT INTO public.preset_usage (preset_id) VALUES ($1)⟦⟧; SELECT true\n",
    ),
    "its result cannot be guessed": (f"BEGIN {BROKEN}; RETURN '{{}}'; END", "plpgsql", "jsonb", SAMPLE, None),
    "in SQL, its result cannot be guessed": (f" {BROKEN} RETURNING kind ", "sql", "text", SAMPLE, None),
    "nobody says who": (f"BEGIN {BROKEN}; END", "plpgsql", "void", replace(SAMPLE, auth_uid=False), None),
    "it does more": (f"BEGIN {BROKEN}; PERFORM f(); END", "plpgsql", "void", SAMPLE, None),
    "another language": ("INSERT INTO preset_usage VALUES (1)", "plpython3u", "void", SAMPLE, None),
}  # fmt: skip


@pytest.mark.parametrize("what", FRESH)
def test_a_recorder_written_anew(what: str) -> None:
    body, language, returns, events, expected = FRESH[what]
    routine = function(body, "track_preset_usage", language, arguments=(PRESET, KIND, DATA), returns=returns)
    reader = Reader((routine,), events)
    for limit_stays, clause in ((False, ""), (True, STAND_IN)):
        written = reader.fresh(routine, limit_stays=limit_stays)
        assert written == (expected.replace("⟦⟧", clause) if expected else None)
        if written:
            assert reader.fresh(replace(routine, body=written), limit_stays=False) == expected.replace("⟦⟧", "")  # type: ignore[union-attr]
            state = reader.recorder_state(replace(routine, body=written))
            assert (state.limited, state.counting, state.unknown, state.unfinished) == (False, False, (), limit_stays)
    assert reader.fresh(replace(routine, returns_set=True), limit_stays=False) is None
    assert reader.fresh(replace(routine, arguments=()), limit_stays=False) is None


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.stem)
def test_every_function_of_the_applications_is_read(path: Path) -> None:
    functions = tuple(made_in(path).values())
    reader = Reader(functions)
    assert reader.needing_limit() == ()
    for routine in functions:
        if routine.name == "track_preset_usage":
            edited = reader.edited(routine, limit_stays=False)
            assert edited is not None
            assert not re.search(r"on\s+conflict", edited, re.IGNORECASE)
