"""Counters of the shapes as declaring resolves them, made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from support import App

from usagefix import picture
from usagefix.counter import Counter
from usagefix.database import Database, connect
from usagefix.target import locate


def declared(slug: str, parent: str, column: str, child: str, foreign_key: str, **more: Any) -> Counter:
    """A counter of an application that has none of what the usual one has."""
    nothing = dict.fromkeys(("last", "label", "time", "kind", "data", "recorder", "incrementer", "daily"))
    names = {"slug": slug, "parent": parent, "column": column, "child": child, "foreign_key": foreign_key}
    return Counter(**{**nothing, "partitioned": False, **names, **more})


COUNTERS: dict[str, tuple[Counter, ...]] = {
    "likes": (declared("post_likes_count", "posts", "likes_count", "likes", "post_id", label="title"),),
    "reactions": (
        declared(
            "post_likes_count", "posts", "likes_count", "post_reactions", "post_id", time=None,
            where="(event.kind = 'like'::text)",
        ),
        declared(
            "post_dislikes_count", "posts", "dislikes_count", "post_reactions", "post_id",
            where="(event.kind = 'dislike'::text)",
        ),
    ),
    "votes": (
        declared("post_score", "posts", "score", "votes", "post_id", number="bigint", weight="event.value"),
        declared("post_votes_count", "posts", "votes_count", "votes", "post_id"),
    ),
    "comments": (
        declared(
            "post_comments_count", "posts", "comments_count", "comments", "post_id",
            where="(event.deleted_at IS NULL)",
        ),
        declared(
            "comment_replies_count", "comments", "replies_count", "comments", "parent_id",
            where="(event.deleted_at IS NULL)",
        ),
    ),
    "follows": (
        declared(
            "user_followers_count", "users", "followers_count", "follows", "followed_id", number="bigint",
            beside=("follower_id",), user=None,
        ),
        declared(
            "user_following_count", "users", "following_count", "follows", "follower_id", number="bigint",
            beside=("followed_id",), user=None,
        ),
    ),
    "members": (
        declared(
            "group_members_count", "groups", "members_count", "group_members", "group_id", label="name",
            where="(event.status = 'approved'::public.membership)",
        ),
    ),
    "polymorphic": (
        declared(
            "article_comments_count", "articles", "comments_count", "comments", "commentable_id",
            where="(event.commentable_type = 'Article'::text)",
        ),
    ),
    "statistics": (
        declared(
            "user_stat_drafts_count", "user_stats", "drafts_count", "drafts", "user_id", key="user_id", creates=True,
            user=None,
        ),
    ),
    "donations": (
        declared(
            "campaign_raised", "campaigns", "raised", "donations", "campaign_id", label="title",
            number="numeric(14,2)", where="(event.status = 'paid'::text)", weight="event.amount",
            last="last_donation_at", time="paid_at",
        ),
    ),
    "composite": (
        declared(
            "vote_total_votes", "vote_totals", "votes", "votes_vote", "content_type_id", key="content_type_id",
            more_keys=(("object_id", "object_id"),), number="bigint",
        ),
    ),
    "chain": (declared("post_comments_count", "posts", "comments_count", "comments", "post_id"),),
}  # fmt: skip


@contextmanager
def looking(app: App, counter: Counter) -> Iterator[Database]:
    """A connection that is about this counter."""
    db = connect(locate(app.url(), "a test"))
    try:
        db.counter = picture.look_up(db, counter)
        yield db
    finally:
        db.close()
