"""The same reading for applications that have no presets: what writes one counter, and what inserts its events."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from usagefix.reading import Argument, Edited, Events, OnlyCounts, Reader, Refused, Routine, Use, in_file
from usagefix.reading.subject import Subject

WRITES, INSERTS, DELETES, CARRIES = Use.WRITES_COUNTER, Use.INSERTS_EVENT, Use.DELETES_EVENT, Use.INSERTS_COUNTER


def subject(parent: str, counter: str, child: str, foreign_key: str) -> Subject:
    return Subject(
        parent=parent, counter=counter, child=child, foreign_key=foreign_key, kind="", data="", incrementer="",
        recorder="", daily="", alongside=("updated_at",),
    )  # fmt: skip


LIKES = subject("posts", "likes_count", "likes", "post_id")
COMMENTS = subject("posts", "comments_count", "comments", "post_id")
REACTIONS = subject("posts", "likes_count", "post_reactions", "post_id")
FOLLOWERS = subject("users", "followers_count", "follows", "followed_id")
RAISED = subject("campaigns", "raised", "donations", "campaign_id")
REPLIES = subject("comments", "replies_count", "comments", "parent_id")

# A file, its text, what it is read for, what it does and on which line.
FOUND: list[tuple[str, str, Subject, Use, int]] = [
    ("a.rb", "class Like < ApplicationRecord\n  belongs_to :post, counter_cache: true\nend", LIKES, WRITES, 2),
    ("a.rb", "class Like < ApplicationRecord\n  belongs_to :post, counter_cache: :likes_count\nend", LIKES, WRITES, 2),
    (
        "a.rb",
        "class Comment < ApplicationRecord\n  belongs_to :parent, counter_cache: :replies_count\nend",
        REPLIES,
        WRITES,
        2,
    ),
    ("a.rb", "class Comment < ApplicationRecord\n  counter_culture :post\nend", COMMENTS, WRITES, 2),
    (
        "a.rb",
        "class PostReaction < ApplicationRecord\n  counter_culture :post, column_name: 'likes_count'\nend",
        REACTIONS,
        WRITES,
        2,
    ),
    (
        "a.rb",
        "class PostReaction < ApplicationRecord\n  counter_culture :post,\n    column_name: proc { |r| r.like? ? 'likes_count' : nil }\nend",
        REACTIONS,
        WRITES,
        3,
    ),
    ("a.rb", "Post.reset_counters(post.id, :likes)", LIKES, WRITES, 1),
    ("a.rb", "post.update!(comments_count: post.comments.where(deleted_at: nil).count)", COMMENTS, WRITES, 1),
    ("a.rb", "User.update_counters(user.id, followers_count: -1)", FOLLOWERS, WRITES, 1),
    ("a.rb", "post.likes.create!(user: current_user)", LIKES, INSERTS, 1),
    ("a.py", "Post.objects.filter(pk=pk).update(likes_count=F('likes_count') + 1)", LIKES, WRITES, 1),
    ("a.py", "post.likes_count = F('likes_count') + 1\npost.save(update_fields=['likes_count'])", LIKES, WRITES, 1),
    ("a.py", "post.comments_count = post.comments.count()\npost.save()", COMMENTS, WRITES, 1),
    ("a.py", "user.followers_count -= 1\nsession.commit()", FOLLOWERS, WRITES, 1),
    (
        "a.py",
        "session.execute(update(Campaign).where(Campaign.id == i).values(raised=Campaign.raised + amount))",
        RAISED,
        WRITES,
        1,
    ),
    ("a.py", "Campaign.objects.filter(id=i).update(raised=F('raised') + amount)", RAISED, WRITES, 1),
    ("a.py", "Like.objects.create(post=post, user=user)", LIKES, INSERTS, 1),
    ("a.py", "db.session.add(Donation(campaign_id=c, amount=a))", RAISED, INSERTS, 1),
    ("a.py", "Follow.objects.filter(follower=a, followed=b).delete()", FOLLOWERS, DELETES, 1),
    ("a.ts", "await prisma.post.update({ where: { id }, data: { likesCount: { increment: 1 } } });", LIKES, WRITES, 1),
    (
        "a.ts",
        "await prisma.user.update({\n  where: { id },\n  data: { followersCount: { decrement: 1 } },\n});",
        FOLLOWERS,
        WRITES,
        3,
    ),
    ("a.ts", "await prisma.like.create({ data: { postId, userId } });", LIKES, INSERTS, 1),
    ("a.ts", "await prisma.postReaction.deleteMany({ where: { postId } });", REACTIONS, DELETES, 1),
    (
        "a.ts",
        "await supabase.from('posts').update({ likes_count: post.likes_count + 1 }).eq('id', id);",
        LIKES,
        WRITES,
        1,
    ),
    ("a.ts", "await supabase.from('post_reactions').insert({ post_id: id, kind: 'like' });", REACTIONS, INSERTS, 1),
    (
        "a.ts",
        "await db.update(posts).set({ likesCount: sql`${posts.likesCount} + 1` }).where(eq(posts.id, id));",
        LIKES,
        WRITES,
        1,
    ),
    ("a.ts", "await this.postRepository.increment({ id }, 'likesCount', 1);", LIKES, WRITES, 1),
    ("a.js", "await Post.increment('comments_count', { where: { id } });", COMMENTS, WRITES, 1),
    ("a.js", "await knex('users').where({ id }).increment('followers_count', 1);", FOLLOWERS, WRITES, 1),
    ("a.js", "await knex('follows').insert({ follower_id, followed_id });", FOLLOWERS, INSERTS, 1),
    ("a.php", "<?php\n$post->increment('likes_count');", LIKES, WRITES, 2),
    ("a.php", "<?php\nPost::whereKey($id)->decrement('comments_count');", COMMENTS, WRITES, 2),
    ("a.php", "<?php\nLike::create(['post_id' => $id, 'user_id' => $user->id]);", LIKES, INSERTS, 2),
    ("a.go", 'db.Model(&post).UpdateColumn("likes_count", gorm.Expr("likes_count + ?", 1))', LIKES, WRITES, 1),
    (
        "a.go",
        'db.Exec("UPDATE users SET followers_count = GREATEST(followers_count - 1, 0) WHERE id = $1", id)',
        FOLLOWERS,
        WRITES,
        1,
    ),
    ("a.ex", "Repo.update_all(from(p in Post, where: p.id == ^id), inc: [likes_count: 1])", LIKES, WRITES, 1),
    ("a.java", '@Query("UPDATE Post p SET p.likesCount = p.likesCount + 1 WHERE p.id = :id")', LIKES, WRITES, 1),
    ("a.rs", 'sqlx::query!("UPDATE campaigns SET raised = raised + $1 WHERE id = $2", a, id)', RAISED, WRITES, 1),
    (
        "a.sql",
        "UPDATE public.posts p SET likes_count = (SELECT count(*) FROM likes l WHERE l.post_id = p.id);",
        LIKES,
        WRITES,
        1,
    ),
    ("a.sql", "INSERT INTO likes (post_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING;", LIKES, INSERTS, 1),
]
# What is like it, and is another counter, another table, or no write.
OTHERS: list[tuple[str, str, Subject]] = [
    ("a.rb", "class Comment < ApplicationRecord\n  belongs_to :post, counter_cache: true\nend", LIKES),
    ("a.rb", "class Like < ApplicationRecord\n  belongs_to :post\nend", LIKES),
    ("a.rb", "class Comment < ApplicationRecord\n  counter_culture :post, column_name: 'replies_count'\nend", COMMENTS),
    ("a.rb", "photo.update!(comments_count: photo.comments.count)", COMMENTS),
    ("a.rb", "Post.reset_counters(post.id, :comments)", LIKES),
    ("a.py", "post.comments_count += 1\npost.save()", LIKES),
    ("a.py", "if post.likes_count > 3:\n    pass", LIKES),
    ("a.py", "Post.objects.order_by('-likes_count')", LIKES),
    ("a.py", "class Post(models.Model):\n    likes_count = models.IntegerField(default=0)", LIKES),
    ("a.ts", "const { likesCount } = await prisma.post.findUnique({ where: { id } });", LIKES),
    ("a.ts", "await prisma.post.update({ where: { id }, data: { commentsCount: { increment: 1 } } });", LIKES),
    ("a.ts", "await prisma.photo.update({ where: { id }, data: { likesCount: { increment: 1 } } });", LIKES),
    ("a.ts", "setPost({ ...post, likesCount: post.likesCount + 1 });", LIKES),
    ("a.sql", "UPDATE photos SET likes_count = likes_count + 1;", LIKES),
    ("a.sql", "SELECT name LIKE 'a%' FROM posts WHERE likes_count > 0;", LIKES),
]


@pytest.mark.parametrize(("name", "text", "of", "use", "line"), FOUND)
def test_it_is_found(tmp_path: Path, name: str, text: str, of: Subject, use: Use, line: int) -> None:
    (tmp_path / name).write_text(text)
    assert (use, line) in {(found.use, found.line) for found in in_file(tmp_path / name, subject=of)}


@pytest.mark.parametrize(("name", "text", "of"), OTHERS)
def test_it_is_none(tmp_path: Path, name: str, text: str, of: Subject) -> None:
    (tmp_path / name).write_text(text)
    assert in_file(tmp_path / name, subject=of) == []


def routine(
    body: str, *, name: str = "count", arguments: tuple[Argument, ...] = (), returns: str = "trigger"
) -> Routine:
    return Routine(
        signature=f"{name}()", schema="public", name=name, language="plpgsql", body=body, definition="", returns=returns,
        arguments=arguments, returns_set=False, atomic=False,
    )  # fmt: skip


def read(body: str, of: Subject) -> OnlyCounts | Edited | Refused | None:
    function = routine(body)
    reader = Reader((function,), Events(), of)
    return reader.of_trigger(function) if reader.counts(function) else None


SEVERAL = """
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.kind = 'like' THEN
            UPDATE posts SET likes_count = likes_count + 1 WHERE id = NEW.post_id;
        ELSIF NEW.kind = 'dislike' THEN
            UPDATE posts SET dislikes_count = dislikes_count + 1 WHERE id = NEW.post_id;
        END IF;
        UPDATE users SET reactions_count = reactions_count + 1 WHERE id = NEW.user_id;
        RETURN NEW;
    END IF;
    UPDATE public.posts AS p SET likes_count = GREATEST(p.likes_count - 1, 0), touched_at = now() WHERE p.id = OLD.post_id;
    RETURN OLD;
END
"""
UPSERT = """
BEGIN
    INSERT INTO user_stats (user_id, drafts_count) VALUES (NEW.user_id, 1)
    ON CONFLICT (user_id) DO UPDATE SET drafts_count = user_stats.drafts_count + 1, updated_at = now();
    RETURN NEW;
END
"""
DRAFTS = replace(subject("user_stats", "drafts_count", "drafts", "user_id"), key="user_id", creates=True)


def test_one_function_of_several_counters_loses_only_one() -> None:
    likes = read(SEVERAL, REACTIONS)
    assert isinstance(likes, Edited)
    assert "likes_count + 1" not in likes.body.replace("dislikes_count + 1", "")
    assert "GREATEST" not in likes.body
    for kept in ("SET dislikes_count = dislikes_count + 1", "SET reactions_count = reactions_count + 1"):
        assert kept in likes.body
    assert "SET touched_at = now() WHERE p.id = OLD.post_id" in likes.body
    users = read(SEVERAL, subject("users", "reactions_count", "post_reactions", "user_id"))
    assert isinstance(users, Edited)
    assert users.body.replace("NULL; /* counted by the trigger */", "") == SEVERAL.replace(
        "UPDATE users SET reactions_count = reactions_count + 1 WHERE id = NEW.user_id;", ""
    )
    assert read(SEVERAL, COMMENTS) is None
    assert read(SEVERAL, subject("photos", "likes_count", "post_reactions", "photo_id")) is None


def test_a_row_that_is_made_when_it_is_missing_is_counting() -> None:
    assert isinstance(read(UPSERT, DRAFTS), OnlyCounts)
    assert isinstance(read(UPSERT, replace(DRAFTS, creates=False)), Refused), "who makes the row then?"
    more = UPSERT.replace(
        "(user_id, drafts_count) VALUES (NEW.user_id, 1)", "(user_id, drafts_count, name) VALUES (NEW.user_id, 1, 'x')"
    )
    assert isinstance(read(more, DRAFTS), Refused), "it writes another column, too"


def test_a_recorder_of_another_domain() -> None:
    body = """
BEGIN
    INSERT INTO likes (post_id, user_id) VALUES (post, auth.uid()) ON CONFLICT DO NOTHING;
    UPDATE posts SET likes_count = likes_count + 1 WHERE id = post;
    UPDATE posts SET hot = true WHERE id = post;
END
"""
    post = Argument("post", "bigint", "N", required=True)
    of = replace(LIKES, recorder="like_post")
    recorder = routine(body, name="like_post", arguments=(post,), returns="void")
    reader = Reader((recorder,), Events(), of)
    assert [each.name for each in reader.recorders] == ["like_post"]
    assert reader.recorder_state(recorder).counting
    edited = reader.edited(recorder, limit_stays=False)
    assert edited is not None
    assert "likes_count" not in edited
    assert "ON CONFLICT DO NOTHING" in edited, "once is once"
    assert "SET hot = true" in edited
    daily = routine(
        body.replace("ON CONFLICT", "ON CONFLICT (post_id, created_at)"), name="like_post", arguments=(post,)
    )
    assert not reader.recorder_state(daily).limited, "there is no daily limit that would go"
