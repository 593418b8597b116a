"""What the editor makes of a function, to the character; and what it leaves to a person."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import SQL

from usagefix.reading import Argument, Column, Events, Reader, Routine, Subject, Uneditable, UserKey, with_body

STAND_IN = " ON CONFLICT DO NOTHING /* usagefix: until the daily limit is gone */"
TAKEN = "NULL; /* counted by the trigger */"
INSERT = "INSERT INTO preset_usage (preset_id, user_id, usage_type) VALUES (preset_uuid, auth.uid(), usage_type_param)"
CLAUSE = " ON CONFLICT (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date)) DO NOTHING"
COUNTS = "UPDATE presets SET usage_count = usage_count + 1 WHERE id = preset_uuid;"
COLUMNS = (
    Column("id", "uuid", not_null=True),
    Column("preset_id", "uuid", required=True, not_null=True),
    Column("user_id", "uuid", required=True, not_null=True),
    Column("usage_type", "text", required=True, not_null=True),
    Column("usage_data", "jsonb"),
    Column("created_at", "timestamp with time zone", not_null=True),
)
SAMPLE = Events(COLUMNS, auth_uid=True, user_key=UserKey("auth.users", "id"))
ARGUMENTS = (
    Argument("preset_uuid", "uuid", "U"),
    Argument("usage_type_param", "text", "S"),
    Argument("usage_data_param", "jsonb", "U", required=False),
)


def recorder(body: str, language: str = "plpgsql", **further: object) -> Routine:
    known = {"arguments": ARGUMENTS, "returns": "uuid", **further}
    return Routine("track_preset_usage(uuid,text,jsonb)", "public", "track_preset_usage", language, body, **known)  # type: ignore[arg-type]


def sample_function(name: str) -> str:
    """The body of a function of the sample."""
    text = (SQL / "sample" / "schema.sql").read_text()
    found = re.search(rf"FUNCTION public\.{name}\(.*?AS \$function\$(.*?)\$function\$", text, re.DOTALL)
    assert found
    return found[1]


# Each body in parts: [what goes when the clause goes], {what goes for the counting}. A plain body stays as it is.
WORKING = {
    "as in the sample": sample_function("track_preset_usage").replace(
        "\n    ON CONFLICT (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date)) DO NOTHING",
        "⟦\n    ON CONFLICT (preset_id, user_id, usage_type, ((created_at AT TIME ZONE 'UTC')::date)) DO NOTHING⟧",
    ),
    "on its own": f"BEGIN {INSERT}⟦{CLAUSE}⟧; RETURN NULL; END",
    "in lower case": f"begin {INSERT.lower()}⟦{CLAUSE.lower()}⟧ returning id into e; return e; end",
    "a comment with a semicolon": f"BEGIN {INSERT} -- one; a day\n⟦{CLAUSE}⟧; RETURN gen_random_uuid(); END",
    "a comment before the target": f"BEGIN {INSERT}⟦{CLAUSE.replace('CONFLICT (', 'CONFLICT /* daily */ (')}⟧; RETURN NULL; END",
    "a comment before the clause": f"BEGIN {INSERT} /* one; /* a */ day */⟦{CLAUSE}⟧; RETURN NULL; END",
    "a comment that speaks of counting": "BEGIN -- used to UPDATE presets SET usage_count = usage_count + 1\n"
    f" /* and increment_preset_usage() */ {INSERT}⟦ {CLAUSE}⟧; RETURN NULL; END",
    "literals that speak of counting": f"BEGIN {INSERT}⟦{CLAUSE}⟧; RAISE DEBUG '{COUNTS} -- it''s'; RAISE DEBUG $q${COUNTS}$q$; END",
    "a literal with a semicolon": f"BEGIN {INSERT.replace('auth.uid()', 'CASE WHEN $q$;$q$ = $q$;$q$ THEN auth.uid() END')}⟦{CLAUSE}⟧;"
    " RAISE DEBUG 'it''s -- done;'; RETURN NULL; END",
    "counting of its own": f"BEGIN {INSERT}⟦{CLAUSE}⟧; ⟨UPDATE presets SET usage_count = usage_count + 1, last_used_at = now()"
    " WHERE id = preset_uuid;⟩ RETURN NULL; END",
    "counting, with all that may go with it": f'BEGIN {INSERT}; <<here>> ⟨UPDATE ONLY public."presets" AS p\n SET usage_count /* ; */ = coalesce(((p."usage_count")), 0)'
    " + array_length(ARRAY[1, 2], 1), updated_at = now() WHERE p.id IN (1, 2) -- why;\n;⟩ RETURN NULL; END",
    "counting in branches": f"BEGIN {INSERT}; IF a THEN ⟨{COUNTS}⟩ ELSE ⟨{COUNTS}⟩ END IF; LOOP ⟨{COUNTS}⟩ END LOOP; END",
    "calling the function that adds one": f"BEGIN {INSERT}⟦{CLAUSE}⟧; ⟨PERFORM increment_preset_usage(preset_uuid);⟩ RETURN NULL; END",
    "calling it by its whole name": f'BEGIN {INSERT}; ⟨PERFORM "public" . increment_preset_usage (coalesce(a, (b)));⟩ RETURN NULL; END',
    "quoted and qualified names": 'BEGIN INSERT INTO "public"."preset_usage" (preset_id, user_id, usage_type) VALUES'
    f" (preset_uuid, auth.uid(), usage_type_param)⟦{CLAUSE}⟧; RETURN NULL; END",
    "a condition of the limit": f"BEGIN {INSERT}⟦ ON CONFLICT (preset_id, used_at) WHERE usage_type <> 'do' DO NOTHING⟧; END",
    "by the name of the limit": f'BEGIN {INSERT}⟦ ON CONFLICT ON CONSTRAINT "idx_preset_usage_daily_unique" DO NOTHING⟧; END',
    "by the columns of the limit": f"BEGIN {INSERT}⟦ ON CONFLICT (on_day, preset_id) DO NOTHING⟧; END",
    "in a WITH": f"BEGIN WITH e AS ({INSERT}⟦{CLAUSE}⟧ RETURNING id) INSERT INTO log SELECT id FROM e ON CONFLICT (created_at) DO NOTHING; END",
    "with an alias": f"BEGIN {INSERT.replace('usage (', 'usage AS pu (')}⟦{CLAUSE}⟧; END",
    "two of them": f"BEGIN {INSERT}⟦{CLAUSE}⟧; {INSERT}⟦{CLAUSE}⟧; END",
    "lines that end as on Windows": f"BEGIN\r\n  {INSERT} -- one\r⟦\n {CLAUSE}⟧\r\n  RETURNING id INTO e;\r\n  ⟨UPDATE presets\r\n SET usage_count = 1;⟩\r\nEND\r\n",
    "in SQL": f" {INSERT}⟦{CLAUSE}⟧ RETURNING id ",
    "tables of another schema": "BEGIN INSERT INTO stats.preset_usage VALUES (1) ON CONFLICT (created_at) DO NOTHING;"
    " UPDATE stats.presets SET usage_count = usage_count + 1; RETURN NULL; END",
    "a plain insert": f"BEGIN {INSERT}; RETURN NULL; END",
    "a conflict that is not about the day": f"BEGIN {INSERT} ON CONFLICT (id) DO UPDATE SET usage_type = 'x'; {INSERT} ON CONFLICT DO NOTHING; END",
    "another table's": f"BEGIN {INSERT}; INSERT INTO log VALUES (1) ON CONFLICT (created_at) DO NOTHING; END",
    "a threshold": "BEGIN UPDATE presets SET is_public = true WHERE id = NEW.preset_id AND usage_count >= 100; RETURN NULL; END",
    "another column from it": "BEGIN UPDATE presets SET technical_settings = to_jsonb(usage_count * 2), is_public = true WHERE id = NEW.preset_id; END",
    "another table's counter": "BEGIN UPDATE stats.totals SET usage_count = usage_count + 1; RETURN NULL; END",
    "characters of control": f"BEGIN \x01c1\x02 {INSERT}⟦{CLAUSE}⟧; END",
}  # fmt: skip
LIMIT = Events(COLUMNS, auth_uid=True, limit_columns=("preset_id", "on_day"))


def _as_left(marked: str, stand_in: str) -> str:
    """A marked body as the editor leaves it. What ends with a comment to the end of its line keeps that end."""
    text = re.sub(r"⟨.*?⟩", TAKEN, marked, flags=re.DOTALL)
    text = re.sub(r"(--[^\n]*)(\n?)⟦.*?⟧", rf"\1\n{stand_in}", text, flags=re.DOTALL)
    return re.sub(r"⟦.*?⟧", stand_in, text, flags=re.DOTALL)


@pytest.mark.parametrize("what", WORKING)
def test_a_recorder_only_inserts(what: str) -> None:
    marked = WORKING[what]
    language = "sql" if what == "in SQL" else "plpgsql"
    routine = recorder(re.sub("[⟦⟧⟨⟩]", "", marked), language)
    reader = Reader((routine,), LIMIT)
    loose, strict = reader.edited(routine, limit_stays=True), reader.edited(routine, limit_stays=False)
    assert loose == _as_left(marked, STAND_IN)
    assert strict == _as_left(marked, "")
    later = recorder(loose, language)
    assert reader.edited(later, limit_stays=True) == loose, "again changes nothing"
    assert reader.edited(later, limit_stays=False) == strict, "and the clause goes in the end"
    state = reader.recorder_state(recorder(strict, language))
    assert (state.limited, state.counting, state.unfinished) == (False, False, False)
    assert reader.recorder_state(later).unfinished is ("⟦" in marked)
    assert reader.recorder_state(routine).limited is ("⟦" in marked)
    assert reader.counts(routine) is ("⟨" in marked)
    assert reader.needing_limit() == ()


CANNOT, DEPENDS = (
    "counts by itself in a way that usagefix cannot take out",
    "counts by itself, and what follows depends on that",
)
LIMITED = "uses the daily limit in a way that usagefix cannot take out"
REFUSED = {
    "a list of columns": (
        f"BEGIN {INSERT}{CLAUSE};\n\nUPDATE presets SET (usage_count, last_used_at) = (usage_count + 1, now()) WHERE id = preset_uuid; END", CANNOT, 3),
    "dynamic SQL": (
        f"BEGIN {INSERT}{CLAUSE};\nEXECUTE format('UPDATE %I SET usage_count = usage_count + 1 WHERE id = %L', 'presets', preset_uuid); END", CANNOT, 2),
    "dynamic SQL, later": (f"BEGIN q := '{COUNTS}'; EXECUTE q; END", CANNOT, 1),
    "do update": (f"BEGIN\n {INSERT}\n{CLAUSE.replace('NOTHING', 'UPDATE SET usage_data = NULL')}; RETURN NULL; END", LIMITED, 3),
    "FOUND, after a join": (f"BEGIN {INSERT};\nUPDATE presets SET usage_count = 1 FROM x WHERE id = x.id; IF FOUND THEN NULL; END IF; END", DEPENDS, 2),
    "FOUND, at a cursor": (f"BEGIN\nUPDATE presets SET usage_count = 1 WHERE CURRENT OF c; RETURN FOUND; {INSERT}; END", DEPENDS, 2),
    "another column from it, beside it": ("BEGIN UPDATE presets SET usage_count = usage_count + 1, is_public = usage_count > 9; END", CANNOT, 1),
    "another column, where it is something": ("BEGIN UPDATE presets SET usage_count = usage_count + 1, is_public = true WHERE usage_count < 9; END", CANNOT, 1),
    "another column, and what it counted is read": ("BEGIN UPDATE presets SET usage_count = usage_count + 1, is_public = true RETURNING id INTO n; END", CANNOT, 1),
    "what it counted is read": ("BEGIN UPDATE presets SET usage_count = usage_count + 1 RETURNING usage_count INTO n; END", CANNOT, 1),
    "in a WITH": ("BEGIN WITH a AS (SELECT 1) UPDATE presets SET usage_count = 1; END", CANNOT, 1),
    "an expression calls the function that adds one": ("BEGIN\r\n x := increment_preset_usage(a);\r\nEND", CANNOT, 2),
    "on the conflict": ("BEGIN INSERT INTO presets (id) VALUES (a) ON CONFLICT (id)\nDO UPDATE SET usage_count = 1; END", CANNOT, 2),
    "in SQL, in a WITH": (f"WITH e AS ({INSERT} RETURNING preset_id)\nUPDATE presets SET usage_count = usage_count + 1 FROM e WHERE id = e.preset_id", CANNOT, 2),
    "after a literal that ends like a comment": ("begin raise debug 'a -- b'; update presets set usage_count = usage_count + 1 returning 1 into x; end", CANNOT, 1),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_a_recorder_that_cannot_be_edited_safely_is_left_to_a_person(what: str) -> None:
    body, said, line = REFUSED[what]
    routine = recorder(body, "sql" if what.startswith("in SQL") else "plpgsql")
    reader = Reader((routine,), SAMPLE)
    for edit in (reader.edited, reader.repaired):
        with pytest.raises(Uneditable) as caught:
            edit(routine, limit_stays=False)
        assert (caught.value.message, caught.value.line) == (f"track_preset_usage() {said}", line)
        assert caught.value.hint == (
            "Remove its ON CONFLICT clause by hand (the insert is all it needs), then run this again."
            if said is LIMITED
            else "Remove from it what changes usage_count (the trigger counts), then run this again."
        )
    assert reader.counts(routine) is (said is not LIMITED)


WHICH = "presets WHERE id = preset_uuid"
SET = "UPDATE presets SET usage_count = usage_count + 1"
PERFORMED = f"PERFORM FROM {WHICH}; /* counted by the trigger */"
ONLY = INSERT + " ON CONFLICT DO NOTHING"
# As they stand in textbooks: what is left where the counting stood.
TEXTBOOK = {
    "IF FOUND": (f"BEGIN {ONLY}; IF FOUND THEN ⟨{COUNTS}⟩ END IF; END", TAKEN),
    "IF FOUND, and the time": (f"BEGIN {ONLY}; IF FOUND THEN ⟨{SET}, last_used_at = now() WHERE id = preset_uuid;⟩ END IF; END", TAKEN),
    "IF NOT FOUND THEN RETURN": (f"BEGIN {ONLY} RETURNING id INTO e; IF NOT FOUND THEN RETURN NULL; END IF; ⟨{COUNTS}⟩ RETURN e; END", TAKEN),
    "GET DIAGNOSTICS": (f"BEGIN {ONLY}; GET DIAGNOSTICS n = ROW_COUNT; IF n > 0 THEN ⟨{COUNTS}⟩ END IF; RETURN n; END", TAKEN),
    "RETURN FOUND": (f"BEGIN {ONLY}; IF FOUND THEN ⟨{COUNTS}⟩ END IF; RETURN FOUND; END", PERFORMED),
    "FOUND of the counting": (f"BEGIN ⟨{COUNTS}⟩ IF NOT FOUND THEN RAISE 'no such preset'; END IF; {ONLY}; RETURN NULL; END", PERFORMED),
    "ROW_COUNT of the counting": (f"BEGIN {INSERT}; ⟨{COUNTS}⟩ GET DIAGNOSTICS n = ROW_COUNT; RETURN n; END", PERFORMED),
    "FOUND in a loop": (f"BEGIN LOOP EXIT WHEN FOUND; {INSERT}; ⟨{COUNTS}⟩ END LOOP; END", PERFORMED),
    "FOUND, all that may go with it": (f"BEGIN {INSERT}; ⟨UPDATE ONLY public.presets AS p SET usage_count = 1 WHERE p.id = (SELECT x FROM y);⟩ RETURN FOUND; END",
        "PERFORM FROM ONLY public.presets AS p WHERE p.id = (SELECT x FROM y); /* counted by the trigger */"),
    "FOUND of a call": (f"BEGIN {INSERT}; ⟨PERFORM increment_preset_usage(preset_uuid);⟩ RETURN FOUND; END", "PERFORM 1; /* counted by the trigger */"),
    "unique_violation": (f"BEGIN {INSERT}; ⟨{COUNTS}⟩ EXCEPTION WHEN unique_violation THEN NULL; END", TAKEN),
    "another column beside it": (f"BEGIN {INSERT}; UPDATE presets SET ⟨usage_count = usage_count + 1, is_public = f(1, 2)⟩ WHERE id = preset_uuid; RETURN FOUND; END",
        "is_public = f(1, 2)"),
    "other columns around it": (f"BEGIN {INSERT}; UPDATE presets p SET ⟨a = 1 , usage_count = p.usage_count + 1,\nb = (SELECT x FROM y)⟩; END", "a = 1, b = (SELECT x FROM y)"),
    "in SQL, ended": (f"{INSERT}; ⟨{COUNTS}⟩", "/* counted by the trigger */"),
    "in SQL": (f"{INSERT};\n⟨{COUNTS[:-1]}⟩", "/* counted by the trigger */"),
    "in SQL, first": (f"⟨{COUNTS}⟩ {INSERT} RETURNING id", "/* counted by the trigger */"),
}  # fmt: skip


@pytest.mark.parametrize("what", TEXTBOOK)
def test_textbook_recorders_keep_all_but_their_counting(what: str) -> None:
    marked, left = TEXTBOOK[what]
    language = "sql" if what.startswith("in SQL") else "plpgsql"
    routine = recorder(re.sub("[⟨⟩]", "", marked), language)
    reader = Reader((routine,), SAMPLE)
    assert reader.counts(routine)
    edited = reader.edited(routine, limit_stays=False)
    assert edited == re.sub("⟨.*?⟩", lambda _: left, marked, flags=re.DOTALL)
    assert reader.edited(routine, limit_stays=True) == edited
    assert not reader.recorder_state(recorder(edited, language)).counting


@pytest.mark.parametrize(
    "routine", [recorder("x", "plpython3u"), recorder("", "sql"), recorder(INSERT, "sql", atomic=True)]
)
def test_what_has_no_text_is_not_edited(routine: Routine) -> None:
    reader = Reader((routine,), SAMPLE)
    assert reader.edited(routine, limit_stays=False) is None
    assert reader.repaired(routine, limit_stays=False) is None


def test_calls_that_count_and_do_nothing_else_go() -> None:
    add = Routine("add(uuid)", "public", "add", "sql", "UPDATE presets SET usage_count = usage_count + 1 WHERE id = $1")
    logs = Routine("logs(uuid)", "public", "logs", "plpgsql", f"BEGIN INSERT INTO log VALUES (1); {COUNTS} END")
    calls = Routine("calls(uuid)", "public", "calls", "plpgsql", "BEGIN PERFORM logs($1); END")
    body = "BEGIN {} RETURN NULL; END"
    routine = recorder(body.format("PERFORM add(preset_uuid);"))
    assert Reader((routine, add, logs, calls)).edited(routine, limit_stays=False) == body.format(TAKEN)
    for function in ("logs", "calls"):
        routine = recorder(body.format(f"PERFORM {function}(preset_uuid);"))
        with pytest.raises(Uneditable, match="cannot take out"):
            Reader((routine, add, logs, calls)).edited(routine, limit_stays=False)


def test_a_recorder_that_calls_another_is_not_counting() -> None:
    counting = recorder(f"BEGIN {INSERT}; {COUNTS} END")
    calling = recorder("BEGIN RETURN track_preset_usage(preset_uuid, 'x', '{}'); END", arguments=ARGUMENTS[:1])
    reader = Reader((counting, calling))
    assert reader.edited(calling, limit_stays=False) == calling.body
    assert not reader.recorder_state(calling).counting
    assert reader.recorder_state(counting).counting


def test_a_function_made_to_add_one_that_does_something_else_stays() -> None:
    other = Routine(
        "increment_preset_usage(uuid)", "public", "increment_preset_usage", "sql", "INSERT INTO log VALUES (1)"
    )
    routine = recorder(f"BEGIN {INSERT}; PERFORM increment_preset_usage(preset_uuid); END")
    assert Reader((routine, other)).edited(routine, limit_stays=False) == routine.body
    assert Reader((routine,)).edited(routine, limit_stays=False) == f"BEGIN {INSERT}; {TAKEN} END"


def test_odd_names() -> None:
    subject = Subject(
        'Shop "1"', "Pre sets", "Count", "the;events", times=("At",), incrementer="Add One", recorder="use it"
    )
    schema = '"Shop ""1""".'
    body = (
        f'BEGIN INSERT INTO {schema}"the;events" (id, "At") VALUES (1, now()){{}}; {{}} {{}}'
        ' UPDATE "Pre sets" SET count = 1; UPDATE presets SET usage_count = 1; PERFORM increment_preset_usage(1); END'
    )
    routine = Routine('"use it"()', subject.schema, "use it", "plpgsql", body.format(
        ' ON CONFLICT ("At") DO NOTHING', 'UPDATE "Pre sets" SET "Count" = "Count" + 1;', f'PERFORM {schema}"Add One"(1);'
    ))  # fmt: skip
    reader = Reader((routine,), Events((Column("id", "bigint"),), "bigint"), subject)
    assert reader.edited(routine, limit_stays=True) == body.format(STAND_IN, TAKEN, TAKEN)
    assert reader.repaired(routine, limit_stays=False) == body.replace(', "At"', "").replace(", now()", "").format(
        "", TAKEN, TAKEN
    )
    assert reader.recorders == (routine,)


REPAIRED = {
    "one of three": (
        "BEGIN INSERT INTO preset_usage (preset_id, user_id, kind) VALUES ($1, auth.uid(), $2); RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END",
        "BEGIN INSERT INTO preset_usage (preset_id, user_id) VALUES ($1, auth.uid()); RETURN true; EXCEPTION WHEN OTHERS THEN RETURN false; END"),
    "the first": ("INSERT INTO preset_usage ( kind, preset_id ) VALUES ( $2, $1 )", "INSERT INTO preset_usage (preset_id) VALUES ($1)"),
    "all it checks stays": (
        "DECLARE e uuid; BEGIN IF NOT EXISTS (SELECT FROM presets WHERE id = preset_uuid AND (is_public OR user_id = auth.uid())) THEN RAISE EXCEPTION 'not yours'; END IF;"
        " INSERT INTO preset_usage (preset_id, user_id, usage_type, device, usage_data)"
        " VALUES (preset_uuid, auth.uid(), usage_type_param, coalesce(lower('a,b(' || 'c)'), '')::text, '{}') RETURNING id INTO e; RETURN e; END",
        "DECLARE e uuid; BEGIN IF NOT EXISTS (SELECT FROM presets WHERE id = preset_uuid AND (is_public OR user_id = auth.uid())) THEN RAISE EXCEPTION 'not yours'; END IF;"
        " INSERT INTO preset_usage (preset_id, user_id, usage_type, usage_data)"
        " VALUES (preset_uuid, auth.uid(), usage_type_param, '{}') RETURNING id INTO e; RETURN e; END"),
    "brackets, and a clause for the day": (
        "BEGIN INSERT INTO preset_usage (a, preset_id, b)\nVALUES (ARRAY[1, 2], (f(1, 2)), 'x') ON CONFLICT (preset_id, b, DATE(created_at)) DO NOTHING; END",
        "BEGIN INSERT INTO preset_usage (preset_id)\nVALUES ((f(1, 2))); END"),
    "comments": (
        "INSERT INTO preset_usage (preset_id, -- the, preset\n kind /* gone */, \"user_id\" -- user\n) VALUES (1, 2, /* three */ 3)",
        "INSERT INTO preset_usage (preset_id, \"user_id\" -- user\n) VALUES (1, /* three */ 3)"),
    "several rows": ("INSERT INTO preset_usage (kind, preset_id) VALUES (1, 2), (3, 4)", "INSERT INTO preset_usage (preset_id) VALUES (2), (4)"),
    "the second insert": (
        "BEGIN INSERT INTO preset_usage (preset_id) VALUES (1); INSERT INTO preset_usage (kind, preset_id) VALUES (1, 2); END",
        "BEGIN INSERT INTO preset_usage (preset_id) VALUES (1); INSERT INTO preset_usage (preset_id) VALUES (2); END"),
    "nothing to repair": ("INSERT INTO preset_usage SELECT 1", "INSERT INTO preset_usage SELECT 1"),
    "a query": ("INSERT INTO preset_usage (preset_id, kind) SELECT 1, 2", None),
    "too few values": ("INSERT INTO preset_usage (preset_id, kind) VALUES (1)", None),
    "nothing would be left": ("INSERT INTO preset_usage (kind) VALUES (1)", None),
    "never closed": ("INSERT INTO preset_usage (preset_id, kind) VALUES (1, 2", None),
}  # fmt: skip


@pytest.mark.parametrize("what", REPAIRED)
def test_columns_that_are_not_there_are_taken_out(what: str) -> None:
    body, repaired = REPAIRED[what]
    routine = recorder(body)
    assert Reader((routine,), SAMPLE).repaired(routine, limit_stays=False) == repaired


def test_a_repaired_one_works_while_the_limit_stays() -> None:
    routine = recorder(f"BEGIN {INSERT.replace('usage_type)', 'kind)')}{CLAUSE}; END")
    assert Reader((routine,), SAMPLE).repaired(routine, limit_stays=True) == (
        f"BEGIN INSERT INTO preset_usage (preset_id, user_id) VALUES (preset_uuid, auth.uid()){STAND_IN}; END"
    )


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_body_is_put_into_its_definition(old: str, new: str) -> None:
    head, tag = "CREATE OR REPLACE FUNCTION f()\n RETURNS void\n LANGUAGE plpgsql\nAS ", "$function$"
    made = with_body(recorder(old, definition=f"{head}{tag}{old}{tag}\n"), new)
    assert made == f"{head}{tag}{new}{tag}\n"


@pytest.mark.parametrize(
    ("body", "tag"),
    [
        ("begin end --$function$; alter role x superuser; --", "$functionx$"),
        ("$function$ $functionx$", "$functionxx$"),
        ("ends like $function", "$functionx$"),
        ("ends like $", "$function$"),
        ("", "$function$"),
    ],
)
def test_a_body_cannot_break_out_of_its_quotes(body: str, tag: str) -> None:
    definition = "CREATE OR REPLACE PROCEDURE f()\n LANGUAGE sql\nAS $function$ 'AS $function$\r\n' $function$\n"
    made = with_body(recorder(" 'AS $function$\r\n' ", definition=definition), body)
    assert made == f"CREATE OR REPLACE PROCEDURE f()\n LANGUAGE sql\nAS {tag}{body}{tag}\n"


@pytest.mark.parametrize(
    "definition", ["", "CREATE FUNCTION f() BEGIN ATOMIC\n SELECT 1;\nEND\n", "AS $a$ other $a$", "AS $a$x$b$"]
)
def test_a_definition_that_cannot_be_read_is_not_replaced(definition: str) -> None:
    with pytest.raises(Uneditable, match=r"the definition of track_preset_usage\(uuid,text,jsonb\) cannot be read"):
        with_body(recorder("x", definition=definition), "y")


PARTS = [
    "begin", "end", ";", "(", ")", ",", "insert into preset_usage", "values", "on conflict", "created_at", "do nothing", "do", "where",
    "update presets set", "usage_count =", "usage_count", "perform", "increment_preset_usage", "'", "$q$", "--", "\n", "/*", "*/", '"', "select",
    "auth.uid(", "if", "is null then", "end if", "return", "execute", "format(", "declare", "as", ".", "kind", "preset_id", STAND_IN, "tg_op = 'x'",
]  # fmt: skip


@given(st.lists(st.sampled_from(PARTS), max_size=40), st.sampled_from(["sql", "plpgsql", "plv8"]), st.booleans())
def test_whatever_is_written_it_is_edited_or_left_to_a_person(
    parts: list[str], language: str, limit_stays: bool
) -> None:
    routine = recorder(" ".join(parts), language)
    reader = Reader((routine,), LIMIT)
    reader.recorder_state(routine)
    reader.of_trigger(routine)
    reader.fresh(routine, limit_stays=limit_stays)
    try:
        reader.needing_limit()
        reader.repaired(routine, limit_stays=limit_stays)
        edited = reader.edited(routine, limit_stays=limit_stays)
    except Uneditable:
        return
    if edited is not None:
        assert not reader.counts(recorder(edited, language))
