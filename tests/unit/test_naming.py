"""What counters are called: singulars, names that fit, and no two that are the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usagefix import naming
from usagefix.counter import LONGEST_NAME, STANDARD, Counter

SINGULARS = """
    presets preset|posts post|likes like|menus menu|categories category|replies reply|entries entry|movies movie|series series|news news
    boxes box|taxes tax|classes class|dishes dish|matches match|statuses status|viruses virus|buses bus|bonuses bonus|campuses campus
    houses house|causes cause|uses use|courses course|responses response|databases database|purchases purchase|releases release
    status status|address address|addresses address|analysis analysis|analyses analysis|people person|children child|caches cache
    data data|photos photo|heroes hero|keys key|days day|movies movie|aliases alias|quizzes quiz|votes vote|pages page|images image
    group_members group_member|account_stats account_stat|user_statuses user_status|post_agg post_agg|votes_vote votes_vote|media media
    ties tie|companies company|queries query|indices index|sizes size|prizes prize|messages message|notices notice|licenses license
    s s|posts2 posts2|bus bus|stories story|cities city|allies ally|activities activity|libraries library|watches watch|invoices invoice
"""


@pytest.mark.parametrize(
    "pair", [pair.split() for line in SINGULARS.split("\n") for pair in line.split("|") if pair.strip()]
)
def test_a_table_in_the_singular(pair: tuple[str, str]) -> None:
    many, one = pair
    assert naming.singular(many) == one


@pytest.mark.parametrize(
    ("parent", "column", "name"),
    [
        ("presets", "usage_count", "preset_usage_count"),
        ("posts", "likes_count", "post_likes_count"),
        ("post_agg", "likeCount", "post_agg_like_count"),
        ("Order Items", 'the "N"', "order_item_the_n"),
        ("2024_posts", "n", "_2024_post_n"),
        ("日本", "数", "日本_数"),
    ],
)
def test_a_name_is_the_table_and_the_column(parent: str, column: str, name: str) -> None:
    assert naming.fitting(None, parent, column) == name


def test_the_usual_counter_has_its_name_by_the_rule_and_nobody_else_gets_it() -> None:
    assert naming.fitting(None, *naming.USUAL) == STANDARD.slug
    for parent, column in (("preset", "usage_count"), ("Presets", "usage_count"), ("presets", "usageCount")):
        assert naming.fitting(None, parent, column) != STANDARD.slug


def test_a_long_or_taken_name_is_shortened_with_a_hash_of_all_that_it_names() -> None:
    long = naming.fitting("app", "conversation_participants", "unread_messages_count")
    assert (long[:28], len(long)) == ("conversation_participant_unr"[:27] + "_", 34)
    assert long != naming.fitting("app", "conversation_participants", "unread_messages_counted")
    taken = frozenset({"post_likes_count"})
    assert naming.fitting("a", "posts", "likes_count", taken) != naming.fitting("b", "posts", "likes_count", taken)


@given(st.lists(st.tuples(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30)), max_size=6))
def test_whatever_they_are_names_fit_and_differ(columns: list[tuple[str, str]]) -> None:
    taken: set[str] = set()
    for parent, column in columns:
        name = naming.fitting(None, parent, column, frozenset(taken))
        assert naming.is_name(name), name
        assert name not in taken
        taken.add(name)
        assert all(len(made.encode()) <= LONGEST_NAME for made in Counter(slug=name).objects.values())
