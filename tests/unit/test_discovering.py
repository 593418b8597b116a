"""What names suggest, what is tried, and what counts as agreement: no server is needed."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from usagefix.discovering import links, names
from usagefix.discovering.hypotheses import Expression, Hypothesis, Profile, hypotheses
from usagefix.discovering.links import Kind, Link
from usagefix.discovering.scoring import Column as Values
from usagefix.discovering.scoring import Doubt, chance, score, verdict
from usagefix.discovering.tables import Column, ForeignKey, Table


def column(name: str, kind: str = "integer", *, nullable: bool = True, made: bool = False) -> Column:
    return Column(name, name, kind, nullable, made)


def table(oid: int, name: str, *columns: Column, keys: tuple[ForeignKey, ...] = (), unique: str = "id") -> Table:
    return Table(oid, "public", name, "public", name, 100, columns, ((unique,),), (unique,), keys)


POSTS = table(1, "posts", column("id", made=True), column("likes_count"), column("author_id"))
LIKES = table(
    2, "likes", column("id", made=True), column("post_id"), column("kind", "text"), column("points"),
    column("deleted_at", "timestamp with time zone"), column("hidden", "boolean"),
    keys=(ForeignKey(1, ("post_id",), ("id",)),),
)  # fmt: skip
LINK = Link(Kind.FOREIGN_KEY, POSTS, ("id",), LIKES, ("post_id",))
PLAIN, LESS_PLAIN = Hypothesis(LINK), Hypothesis(LINK, (Expression((LIKES.by_name["hidden"],)),), cost=10)


@pytest.mark.parametrize(
    ("named", "of", "is_one"),
    [
        ("post_id", "posts", True), ("postId", "Post", True), ("post", "posts", True), ("parent_post_id", "posts", True),
        ("post_id", "blog_posts", True), ("category_uuid", "categories", True), ("person_id", "people", True),
        ("user", "users", True), ("postal_id", "posts", False), ("posts_read", "posts", False), ("id", "posts", False),
        ("last_post", "posts", False), ("", "posts", False), ("post_id", "", False),
    ],
)  # fmt: skip
def test_a_column_that_names_a_row(named: str, of: str, is_one: bool) -> None:
    assert names.names_a_row(named, of) == is_one


@pytest.mark.parametrize(
    ("counter", "events", "is_one"),
    [
        ("likes_count", ("post_likes", "post_id"), True), ("followers_count", ("follows", "followed_id"), True),
        ("num_comments", ("comments", "post_id"), True), ("followingCount", ("follow", "followerId"), True),
        ("retry_count", ("job_logs", "job_id"), False), ("total", ("likes", "post_id"), False),
    ],
)  # fmt: skip
def test_a_column_called_after_its_events(counter: str, events: tuple[str, str], is_one: bool) -> None:
    assert names.speaks_of(counter, *events) == is_one


@pytest.mark.parametrize("value", ["Post", "post", "posts", r"App\Models\Post", "blog.Post", "BlogPost", "App::Post"])
def test_a_type_as_frameworks_write_it(value: str) -> None:
    assert names.is_a_type(value, "blog_posts")
    assert not names.is_a_type(value, "photos")


def test_links_by_key_by_name_and_upward() -> None:
    replies = table(
        3, "replies", column("id", made=True), column("postId"), column("replies_count"), column("parent_id")
    )
    follows = table(4, "stats", column("user_id"), column("n"), unique="user_id")
    drafts = table(5, "drafts", column("id", made=True), column("user_id"))
    found = {(link.kind, link.parent.name, link.child.name, link.columns) for link in links.by_catalog((POSTS, LIKES, replies, follows, drafts))}  # fmt: skip
    assert (Kind.FOREIGN_KEY, "posts", "likes", ("post_id",)) in found
    assert (Kind.NAMED, "posts", "replies", ("postId",)) in found
    assert (Kind.NAMED, "replies", "replies", ("parent_id",)) in found
    assert (Kind.NAMED, "stats", "drafts", ("user_id",)) in found
    assert not [one for one in found if one[1] == "likes"], "its points are what a sum is of; nothing names its rows"


def test_what_is_tried_of_a_table() -> None:
    profile = Profile({"kind": ("it's", "like")}, frozenset({"deleted_at"}), frozenset({"kind"}))
    tried = hypotheses(LINK, profile)
    said = {(one.filter, one.sum) for one in tried}
    assert {
        (None, None), ("deleted_at IS NULL", None), ("NOT hidden", None), ("kind = 'it''s'", None), (None, "points"),
        ("deleted_at IS NULL", "points"), ("deleted_at IS NULL AND kind = 'like'", None),
        (None, "CASE kind WHEN 'like' THEN 1 WHEN 'it''s' THEN -1 ELSE 0 END"),
    } <= said  # fmt: skip
    assert len(said) == len(tried), "nothing is tried twice"
    assert tried[0].cost == min(one.cost for one in tried)


def test_a_wide_table_is_tried_within_bounds() -> None:
    wide = table(9, "wide", column("id"), column("post_id"), *(column(f"c{n}", "text") for n in range(300)), *(column(f"n{n}") for n in range(300)))  # fmt: skip
    values = {f"c{n}": tuple("abcdefgh") for n in range(300)}
    tried = hypotheses(Link(Kind.NAMED, POSTS, ("id",), wide, ("post_id",)), Profile(values, whole=frozenset(values)))
    assert len(tried) < 320


def values(*numbers: int) -> Values:
    return Values(KEYS[: len(numbers)], numbers)


KEYS = tuple(map(str, range(10_000)))


def test_agreement_leaves_out_rows_in_which_both_are_nothing() -> None:
    found = score(values(0, 0, 3, 4, 0), values(0, 0, 3, 5, 1), PLAIN)
    assert (found.agreed, found.rows, round(found.agreement, 2)) == (1, 3, 0.33)


def test_numbers_that_hardly_differ_agree_by_chance() -> None:
    ones, many = values(*[1] * 50), values(*range(1, 51))
    assert chance(ones, ones, 50) == 1.0
    assert chance(many, many, 50) < 1e-50
    assert chance(values(), values(), 0) == 1.0
    assert chance(values(1, 2), values(3, 4), 0) == 1.0


def judged(counter: Sequence[int], tried: Sequence[tuple[Hypothesis, Sequence[int]]], named: Sequence[Hypothesis] = ()) -> tuple[Hypothesis | None, Doubt | None]:  # fmt: skip
    found = verdict([(values(*counter), [(one, values(*tallied)) for one, tallied in tried])], named)
    return (found.best.hypothesis, found.doubt) if found else (None, None)


TRUE = [n % 17 + 1 for n in range(200)]
DRIFTED = [value + (n % 5 < 2) * 3 for n, value in enumerate(TRUE)]


@pytest.mark.parametrize(
    ("counter", "tried", "expected"),
    [
        (DRIFTED, [(PLAIN, TRUE)], (PLAIN, None)),
        ([value + (n % 5 < 3) * 30 for n, value in enumerate(TRUE)], [(PLAIN, TRUE)], (PLAIN, Doubt.LOW)),
        # What no row tells apart: the simpler one.
        (DRIFTED, [(LESS_PLAIN, TRUE), (PLAIN, TRUE)], (PLAIN, None)),
        # Where they differ, one of the two is right.
        (DRIFTED, [(PLAIN, TRUE), (LESS_PLAIN, [v - (n % 10 == 4) for n, v in enumerate(TRUE)])], (PLAIN, None)),
        (DRIFTED, [(PLAIN, [v + (n % 10 == 4) for n, v in enumerate(TRUE)]), (LESS_PLAIN, TRUE)], (LESS_PLAIN, None)),
        # Two rows are too few to prefer the less simple one.
        (DRIFTED, [(PLAIN, [v + (n in (2, 3)) for n, v in enumerate(TRUE)]), (LESS_PLAIN, TRUE)], (LESS_PLAIN, Doubt.RIVAL)),
        # Half of the rows speak for each.
        ([v + n % 2 for n, v in enumerate(TRUE)], [(PLAIN, TRUE), (LESS_PLAIN, [v + 1 for v in TRUE])], (PLAIN, Doubt.RIVAL)),
        ([1] * 40, [(PLAIN, [1] * 40)], (PLAIN, Doubt.FEW)),
        ([3, 1, 2], [(PLAIN, [3, 1, 2])], (PLAIN, Doubt.FEW)),
        ([0] * 9, [(PLAIN, [4] * 9)], (None, None)),
    ],
)  # fmt: skip
def test_a_verdict(counter: list[int], tried: list[tuple[Hypothesis, list[int]]], expected: tuple[Hypothesis | None, Doubt | None]) -> None:  # fmt: skip
    assert judged(counter, tried) == expected


def test_a_name_and_a_foreign_key_need_fewer_rows_but_data_all_the_same() -> None:
    assert judged([3, 1, 2, 5], [(PLAIN, [3, 1, 2, 5])], [PLAIN]) == (PLAIN, None)
    assert judged([3, 1, 2, 5], [(PLAIN, [1, 5, 3, 2])], [PLAIN]) == (None, None)
    assert judged([1, 1, 1], [(PLAIN, [1, 1, 1])], [PLAIN]) == (PLAIN, Doubt.FEW)


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_counter(seed: int) -> None:
    """Hundreds of tries of numbers that have nothing to do with each other, in tables of any size."""
    chosen = random.Random(seed)
    for size in (3, 6, 12, 40, 400):
        counter = [chosen.randint(1, 5) for _ in range(size)]
        tried = [(LESS_PLAIN, [chosen.randint(0, 5) for _ in range(size)]) for _ in range(300)]
        found = verdict([(values(*counter), [(one, values(*tallied)) for one, tallied in tried])], ())
        assert found is not None
        assert found.doubt is not None
