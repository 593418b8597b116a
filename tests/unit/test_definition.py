"""What the ledger keeps of a counter, and what it is believed of that."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from odd import ODD

from usagefix import catalog, definition
from usagefix.counter import STANDARD, Counter
from usagefix.errors import NotPermitted
from usagefix.sentinels import render

LIKES = Counter(
    parent="posts", column="likes_count", child="reactions", foreign_key="post_id", slug="post_likes_count",
    where="(event.kind = 'like'::text)", declared=(("where", "kind = 'like'"),), more_keys=(("site", "site_id"),), creates=True,
    constants=(("timeframe", "'AllTime'::text"),), beside=("liker_id",), recorder=None, incrementer=None, daily=None,
)  # fmt: skip


def kept(counter: Counter) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in definition.entries(counter).items()}


@pytest.mark.parametrize("counter", [STANDARD, ODD, LIKES], ids=["usual", "odd", "all kinds"])
def test_there_and_back(counter: Counter) -> None:
    asked = replace(counter, partitioned=True, baselines=True, encoding="utf-8")
    assert definition.counter_of(counter.slug, kept(counter)) == asked


@pytest.mark.parametrize(
    "other",
    [
        {"parent": None}, {"parent": ""}, {"column": 3}, {"where": ["x"]}, {"creates": "yes"}, {"more_keys": "site"},
        {"more_keys": [["site", 1]]}, {"constants": {"a": "b"}}, {"child": "a\0b"}, {"key": "%(key)s"},
    ],
    ids=str,
)  # fmt: skip
def test_what_apply_would_not_have_written(other: dict[str, Any]) -> None:
    with pytest.raises(NotPermitted, match="something that apply does not write"):
        definition.counter_of("x", kept(LIKES) | other)


def test_fragments_from_the_ledger_are_run_nowhere() -> None:
    stored = replace(LIKES, where="(public.mine() > 0)", slug="as_applied")
    wanted = replace(LIKES, where="kind = 'like'", declared=())
    here = definition.settled(wanted, stored)
    assert here.slug == "as_applied"
    assert here.where == "kind = 'like'"
    everything = [
        render(here, (catalog.root() / "queries" / f"{name}.sql").read_text()) for name in ("accuracy", "drift")
    ]
    everything += [migration.object_checks(here) for migration in catalog.migrations()]
    assert not [text for text in everything if "mine" in text]
    told = [counter.as_stored for counter in (here, definition.settled(replace(wanted, where="kind = 'wow'"), stored))]
    assert [counter.where for counter in told] == ["(public.mine() > 0)", "kind = 'wow'"]


def test_what_counts_other_events() -> None:
    assert definition.changed(LIKES, LIKES) == ()
    assert definition.changed(replace(LIKES, where="(event.kind = 'wow'::text)", declared=()), LIKES) == ("where",)
    assert definition.changed(replace(LIKES, declared=(("where", "kind='like'"),)), LIKES) == (), (
        "only written otherwise"
    )
    assert definition.changed(replace(LIKES, where="kind = 'like'", declared=()), LIKES) == (), "not yet vetted"
    assert definition.changed(replace(LIKES, child="likes", label="title"), LIKES) == ("child",)
    assert definition.changed(replace(LIKES, child="likes"), LIKES, frozenset({"child"})) == (), "renamed"
    assert definition.changed(replace(LIKES, child_schema="public"), LIKES) == ()
