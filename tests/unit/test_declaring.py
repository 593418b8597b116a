"""From a file and options to declarations: what is read, and every mistake with its file, line and key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usagefix.declaration import Declaration, Missing, Name
from usagefix.declaring import USUAL, Flags, chosen, declared
from usagefix.declaring.fragments import constants, mistakes
from usagefix.declaring.places import lines
from usagefix.errors import ConfigurationError

WHOLE = """
[[counter]]
counter = "posts.likes_count"          # [schema.]table.column, quoted where SQL needs it
events  = "post_reactions.post_id"
where   = "kind = 'like'"
sum     = "value"
last    = { column = "last_liked_at", from = "liked_at" }
key     = "id"
missing = "create"
only    = "timeframe = 'AllTime'"
label   = "title"
name    = "post_likes_count"
recorder = "like_post"
"""


def of(folder: Path, text: str | bytes, name: str = "usagefix.toml") -> tuple[Declaration, ...]:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return declared(Flags(), folder).counters


def wrong(folder: Path, text: str | bytes, name: str = "usagefix.toml") -> str:
    with pytest.raises(ConfigurationError) as raised:
        of(folder, text, name)
    assert raised.value.exit_code == 2
    assert raised.value.hint
    return raised.value.message


def test_every_key_is_read(tmp_path: Path) -> None:
    assert of(tmp_path, WHOLE) == (
        Declaration(
            parent=Name(None, "posts"),
            column="likes_count",
            name="post_likes_count",
            events=Name(None, "post_reactions"),
            foreign_key=("post_id",),
            key=("id",),
            where="kind = 'like'",
            weight="value",
            last="last_liked_at",
            time="liked_at",
            only="timeframe = 'AllTime'",
            missing=Missing.CREATE,
            label="title",
            recorder="like_post",
        ),
    )


def test_names_are_as_sql_writes_them(tmp_path: Path) -> None:
    (one, two, three) = of(
        tmp_path,
        """
        [[counter]]
        counter = '"My ""Schema".Posts."likes.Count"'
        events = 'app . Likes . "postId"'
        [[counter]]
        counter = "votes.count"
        events = "votes_vote.(content_type_id, object_id)"
        key = '(content_type_id, "objectId")'
        [[counter]]
        counter = "fields.observers"
        truth = "SELECT field_id, count(DISTINCT user_id) FROM observations GROUP BY 1"
        """,
    )
    assert (one.parent, one.column) == (Name('My "Schema', "posts"), "likes.Count")
    assert (one.events, one.foreign_key) == (Name("app", "likes"), ("postId",))
    assert (two.foreign_key, two.key) == (("content_type_id", "object_id"), ("content_type_id", "objectId"))
    assert (three.events, three.name) == (None, "field_observers")


def test_without_file_and_options_it_is_the_usual_one(tmp_path: Path) -> None:
    assert declared(Flags(), tmp_path).counters == (USUAL,)
    assert USUAL.name == "preset_usage_count"


def test_which_file_wins_is_said(tmp_path: Path) -> None:
    project = WHOLE.replace("[[counter]]", "[[ tool.usagefix . counter ]]").replace("likes_count", "n")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n" + project)
    found = declared(Flags(), tmp_path)
    assert (found.counters[0].column, found.notes, found.by) == ("n", (), "[tool.usagefix] of pyproject.toml")
    assert found.counters[0].place("where") == "pyproject.toml:7: where"
    (tmp_path / "usagefix.toml").write_text(WHOLE)
    found = declared(Flags(), tmp_path)
    assert found.counters[0].column == "likes_count"
    assert found.notes == ("the counters are those of usagefix.toml; [tool.usagefix] of pyproject.toml is not read",)
    given = declared(Flags(config=Path("pyproject.toml")), tmp_path)
    assert (given.counters[0].column, given.notes) == ("n", ())


@pytest.mark.parametrize("text", ["[tool.other]\n", "broken = \n", "# tool.usagefix\n[tool.ruff]\n"])
def test_a_project_of_others_is_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert declared(Flags(), tmp_path).counters == (USUAL,)


HEAD = '[[counter]]\ncounter = "a.b"\nevents = "c.d"\n'
MISTAKES = [
    ("", "usagefix.toml declares no counter"),
    ("counter = 1", "usagefix.toml:1: counter is not an array of tables: begin each counter with [[counter]]"),
    ("[[counters]]\n", "usagefix.toml:1: counters is no key here; is counter meant?"),
    ("\n[[counter]]\ncounter = 'a\n", "usagefix.toml:3 is not TOML: "),
    ("[[counter]\n", "usagefix.toml:1 is not TOML: "),
    ("x = [", "usagefix.toml:1 is not TOML: "),
    (b"\n\n# \xe9\n", "usagefix.toml:3 is not UTF-8"),
    (b"\0", "usagefix.toml:1 is not TOML: "),
    ("[[counter]]\nevents = 'c.d'\n", 'usagefix.toml:1: counter is missing: counter = "table.column"'),
    ("[[counter]]\ncounter = 'a.b'\n", "usagefix.toml:1: events is missing"),
    (HEAD + "sums = 'x'", "usagefix.toml:4: sums is no key of a counter; is sum meant?"),
    (HEAD + "zzz = 'x'", "usagefix.toml:4: zzz is no key of a counter; there are counter, "),
    (HEAD + "where = 1", "usagefix.toml:4: where is a number; it should be text in quotes"),
    (HEAD + "where = true", "usagefix.toml:4: where is a boolean"),
    (HEAD + "where = 2024-01-01", "usagefix.toml:4: where is a date"),
    (HEAD + "key = ['a']", "usagefix.toml:4: key is an array"),
    (HEAD + "last = 1", "usagefix.toml:4: last is a number"),
    (HEAD + "last = { colum = 'x' }", "usagefix.toml:4: last has 'colum', which is no key of it; is column meant?"),
    (HEAD + "last = { column = 3 }", "usagefix.toml:4: last has column = a number"),
    (HEAD + "[counter.last]\nfrom = 'x'", "usagefix.toml:4: last lacks column"),
    (HEAD + "truth = 'SELECT 1, 2'", "usagefix.toml:4: truth stands beside events: a counter has one of the two"),
    (HEAD + "missing = 'Create'", "usagefix.toml:4: missing = 'Create' is neither 'ignore' nor 'create'"),
    (HEAD + "missing = 'create'\nonly = 'local'", "usagefix.toml:4: missing = 'create' needs an only of the form"),
    (HEAD + "key = '(x, y)'", "usagefix.toml:4: key has 2 columns, events has 1"),
    (HEAD + "name = 'No!'", "usagefix.toml:4: name = 'No!' cannot be a name"),
    (HEAD + f"name = '{'x' * 35}'", "usagefix.toml:4: name = 'xxx"),
    (HEAD + "name = 'preset_usage_count'", "usagefix.toml:4: name = 'preset_usage_count' is the name of presets.usage_count only"),
    (HEAD + HEAD, "usagefix.toml:5: counter is a.b, which usagefix.toml:2: counter is already"),
    (HEAD + "name='n'\n" + HEAD.replace("a.b", "a.e") + "name='n'", "usagefix.toml:8: name is n, which usagefix.toml:4: name is already"),
    (HEAD.replace("a.b", "b"), "usagefix.toml:2: counter = 'b' is not table.column or schema.table.column"),
    (HEAD.replace("a.b", "w.x.y.z"), "usagefix.toml:2: counter = 'w.x.y.z' is not table.column"),
    (HEAD.replace("a.b", "a.(b, c)"), "usagefix.toml:2: counter has several columns"),
    (HEAD.replace("a.b", "a b.c"), "usagefix.toml:2: counter = 'a b.c' cannot be read from 'b' on"),
    (HEAD.replace("a.b", "a."), "usagefix.toml:2: counter = 'a.' ends where a name should be"),
    (HEAD.replace("a.b", "a.b; DROP TABLE x"), "usagefix.toml:2: counter = 'a.b; DROP TABLE x' cannot be read from ';' on"),
    (HEAD.replace("a.b", "a-b.c"), "usagefix.toml:2: counter = 'a-b.c' cannot be read from '-' on"),
    (HEAD.replace("a.b", "1.c"), "usagefix.toml:2: counter = '1.c' has '1.c' where a name should be"),
    (HEAD.replace("a.b", "a." + "x" * 64), "has a name longer than 63 bytes"),
    (HEAD.replace("c.d", "c.(d, d)"), "usagefix.toml:3: events has a column twice"),
    (HEAD.replace('"c.d"', "'c.(\"d'"), "has a quoted name that never ends"),
    (HEAD.replace("c.d", "c.(d e)"), "lacks a comma or a closing bracket"),
    ("[[counter]]\ncounter = 'a.b'\ntruth = 'DELETE FROM x'\n", "usagefix.toml:3: truth is not a query"),
    ("[[counter]]\ncounter = 'a.b'\ntruth = 'SELECT 1; SELECT 2'\n", "usagefix.toml:3: truth has ';' in it"),
    ("[[counter]]\ncounter = 'a.b'\ntruth = 'SELECT 1, 2'\nsum = 'x'\n", "usagefix.toml:4: sum makes no sense with truth"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_has_its_line_and_key(tmp_path: Path, text: str | bytes, said: str) -> None:
    assert said in wrong(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    said = wrong(tmp_path, HEAD + "sums = 1\nwhere = ')'\nmissing = 'x'\n\n" + HEAD + "key = 5\n")
    assert said.startswith("4 mistakes in the counters")
    assert [int(line) for line in re.findall(r"usagefix.toml:(\d+)", said)] == [4, 5, 6, 11]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_of_windows_is_read(tmp_path: Path, newline: str, mark: str) -> None:
    text = mark + newline.join(
        ("", "[[counter]]", 'counter = "a.b"', "events = '''c.d'''", 'where = """', "x =", '1"""')
    )
    (found,) = of(tmp_path, text)
    assert found.place("where") == "usagefix.toml:5: where"
    assert wrong(tmp_path, text + newline + "sums = 1").startswith("usagefix.toml:8: sums")


def test_what_is_no_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "usagefix.toml").mkdir()
    with pytest.raises(ConfigurationError, match=r"usagefix.toml is a folder"):
        declared(Flags(), tmp_path)
    with pytest.raises(ConfigurationError, match=r"none.toml cannot be read: No such file"):
        declared(Flags(config=Path("none.toml")), tmp_path)
    (tmp_path / "usagefix.toml").rmdir()
    (tmp_path / "usagefix.toml").symlink_to(tmp_path / "usagefix.toml")
    with pytest.raises(ConfigurationError, match=r"usagefix.toml cannot be read: Too many levels"):
        declared(Flags(), tmp_path)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "usagefix.toml").write_bytes(b"#" * (5 << 20))
    with pytest.raises(ConfigurationError, match="larger than 4 MiB"):
        declared(Flags(), tmp_path)
    (tmp_path / "usagefix.toml").write_text("x = " + "[" * 100_000)
    with pytest.raises(ConfigurationError, match="nested too deeply"):
        declared(Flags(), tmp_path)


def test_a_thousand_counters_have_a_thousand_names(tmp_path: Path) -> None:
    text = "".join(f'[[counter]]\ncounter = "s{n % 7}.posts.{"x" * 40}{n}"\nevents = "c.d"\n' for n in range(1000))
    found = of(tmp_path, text)
    assert len({declaration.name for declaration in found}) == 1000
    assert found[999].origin == "usagefix.toml:2998"


SOUND = [
    "kind = 'like'", "deleted_at IS NULL", "a AND (b OR c[1] = 2)", "kind IN ('a', 'b;--')", "x ~ '\\d'", "data ->> 'kind' = 'x'",
    "kind = 'it''s'", "kind = E'it\\'s'", '"select" = 1', "a BETWEEN 1 AND 2", "now > 3", "value % 2 = 0", "x::numeric(10,2) > 1.5",
    "CASE WHEN up THEN 1 ELSE -1 END", "app.is_counted(kind)", "at < '2024-01-01 00:00:00+00'::timestamp with time zone", "''=kind",
]  # fmt: skip
UNSOUND = [
    ("", "is empty"), (" \n", "is empty"), ("true) OR (true", None), ("a = (1", "never closed"), ("a]", "closes nothing"), ("(a]", "closes nothing"),
    ("true; DROP TABLE x", "';'"), ("a -- b", "comment"), ("a /* b", "comment"), ("a = $$x$$", "dollar"), ("a = $1", "dollar"),
    ("a = $tag$x", "dollar"), ("a = 'x", "never ends"), ("a = E'x\\'", "never ends"), ('"a = 1', "never ends"), ("a IN (SELECT 1)", "subquery"),
    ("a IN (VALUES (1))", "subquery"), ("EXISTS (TABLE x)", "subquery"), ("a < now()", "depends on more"), ("a < pg_catalog.now()", "depends on more"),
    ("a < CURRENT_DATE", "depends on more"), ("user_id = :user", "':'"), ("a \\! ls", "'\\\\'"), ("a = 1)", "closes nothing"),
    (") OR (", "closes nothing"), ("x" * 20_000, "longer"), ("a = '\0'", "zero byte"),
]  # fmt: skip


@pytest.mark.parametrize("text", SOUND)
def test_an_expression_is_one(text: str) -> None:
    assert list(mistakes(text)) == []


@pytest.mark.parametrize(("text", "said"), [(text, said or "closes nothing") for text, said in UNSOUND])
def test_what_is_more_than_an_expression_is_refused(text: str, said: str) -> None:
    assert any(said in mistake for mistake in mistakes(text)), list(mistakes(text))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("timeframe = 'AllTime'", (("timeframe", "'AllTime'"),)),
        ("((a = 1) )", (("a", "1"),)),
        ('"A" = -1.5 AND b = TRUE and c = \'x\'', (("A", "-1.5"), ("b", "TRUE"), ("c", "'x'"))),
        ("a = b", None), ("a", None), ("a = 1 OR b = 2", None), ("a = 1 AND a = 2", None), ("a = 1 AND", None), ("a = -'x'", None),
        ("a = 1 + 1", None), ("(a = 1) AND (b = 2)", None), ("a = E'x'", None), ("a.b = 1", None), ("a = NULL", None),
    ],
)  # fmt: skip
def test_constants_of_a_parent_row(text: str, found: object) -> None:
    assert constants(text) == found


def test_options_declare_one_counter(tmp_path: Path) -> None:
    (tmp_path / "usagefix.toml").write_text(WHOLE)
    flags = Flags(counter=("posts.likes_count",), events="likes.post_id", sum="n", last="seen", only_rows="a = 1")
    found = declared(flags, tmp_path)
    (one,) = found.counters
    assert (one.weight, one.last, one.time, one.only) == ("n", "seen", "created_at", "a = 1")
    assert found.notes == ("usagefix.toml is not read: options declare the counter",)
    (one,) = declared(Flags(counter=("p.n",), events="l.p", last="seen=at"), tmp_path).counters
    assert (one.last, one.time) == ("seen", "at")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (Flags(where="x"), "--where declares no counter without --events"),
        (Flags(counter=("a.b",), only_rows="x"), "--only-rows declares no counter without --events"),
        (Flags(events="a.b"), "--counter is missing"),
        (Flags(counter=("a.b", "c.d"), events="a.b"), "--counter is given more than once"),
        (Flags(config=Path("x"), counter=("a.b",), events="a.b"), "--config stands beside --events"),
        (Flags(counter=("a.b",), events="a.b", only_rows=")"), "--only-rows has a ')' that closes nothing"),
        (Flags(counter=("a.b",), events="a.b", truth="SELECT"), "--truth stands beside events"),
    ],
)
def test_options_that_do_not_fit_are_told(tmp_path: Path, flags: Flags, said: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        declared(flags, tmp_path)
    assert raised.value.message.startswith(said)


def test_counters_are_selected_by_name_or_column(tmp_path: Path) -> None:
    there = of(
        tmp_path,
        "".join(f'[[counter]]\ncounter = "{c}"\nevents = "c.d"\n' for c in ("posts.n", "a.tags.n", "b.tags.n")),
    )
    assert chosen((), there) == there
    assert chosen(("a.tags.n", "post_n"), there) == there[:2]
    assert chosen(("tag_n",), there) == there[1:2]
    for wanted, said in (
        ("tags.n", "is more than one counter of F"),
        ("x", "is no counter of F"),
        ("a.b.c.d", "is no"),
    ):
        with pytest.raises(ConfigurationError) as raised:
            chosen((wanted,), there, "F")
        assert said in raised.value.message
        assert "post_n, tag_n, tag_n_" in raised.value.hint


_VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(0, 9), st.sampled_from(["x", "a.b", "[", "}", "#", "'''", "=", "\n", '"', "é"])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abcd.[ "), inner, max_size=3)),
    max_leaves=8,
)  # fmt: skip


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_toml(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    return str(value).lower()


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    if isinstance(value, dict):
        return {(*path, key) for key in value}.union(*(_paths(inner, (*path, key)) for key, inner in value.items()))
    if isinstance(value, list):
        inner = ((number, one) for number, one in enumerate(value) if isinstance(one, dict | list))
        return set().union(*(_paths(one, (*path, number)) for number, one in inner))
    return set()


@given(st.dictionaries(st.sampled_from(["a", "b", "c d", "counter"]), _VALUES, max_size=4))
def test_every_key_of_any_file_has_its_line(values: dict[str, Any]) -> None:
    text = "".join(f"# [x]\n{_toml(key)} = {_toml(value)} # y = [\n" for key, value in values.items())
    assert tomllib.loads(text) == values
    found = lines(text)
    assert _paths(values) <= found.keys()
    for key in values:
        assert text.split("\n")[found[key,] - 1].startswith(_toml(key))
