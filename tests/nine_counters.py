"""A schema of nine counters of nine shapes, each drifted in its own share of rows, among numbers that are none."""

from __future__ import annotations

# Every share of drift is between a tenth and two fifths; the seed decides which rows, and by how much.
SCHEMA = """
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text, age int, version int DEFAULT 1,
    followers_count int DEFAULT 0, following_count int DEFAULT 0, drafts_count int, karma bigint DEFAULT 0
);
CREATE TABLE posts (
    id uuid PRIMARY KEY, author_id bigint NOT NULL REFERENCES users, parent_id uuid REFERENCES posts, title text,
    price numeric(10, 2), sort_order int, version int NOT NULL DEFAULT 1, word_count int,
    likes_count int DEFAULT 0, comments_count bigint NOT NULL DEFAULT 0, replies_count int, last_liked_at timestamptz,
    created_at timestamptz DEFAULT now(), updated_at timestamptz DEFAULT now()
);
CREATE TABLE post_reactions (
    id bigserial PRIMARY KEY, post_id uuid NOT NULL REFERENCES posts, user_id bigint REFERENCES users,
    kind text NOT NULL, weight int DEFAULT 3, created_at timestamptz NOT NULL
);
CREATE TABLE comments (
    id bigserial PRIMARY KEY, commentable_type text NOT NULL, commentable_id uuid NOT NULL, body text,
    user_id bigint, deleted_at timestamptz, score int
);
CREATE TABLE follows (
    follower_id bigint REFERENCES users, followed_id bigint REFERENCES users, PRIMARY KEY (follower_id, followed_id)
);
CREATE TABLE actions (id bigserial PRIMARY KEY, "userId" bigint NOT NULL, up int, down int NOT NULL, ip inet);
CREATE TABLE drafts (id bigserial PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);
CREATE TABLE campaigns (id serial PRIMARY KEY, goal numeric, raised numeric NOT NULL DEFAULT 0, backers int, currency text);
CREATE TABLE donations (
    id serial PRIMARY KEY, campaign int NOT NULL, amount numeric(12, 2) NOT NULL, fee numeric(12, 2), donor text
);
CREATE TABLE account_stats (
    user_id bigint PRIMARY KEY REFERENCES users, posts_count int NOT NULL DEFAULT 0, level int DEFAULT 1, reputation bigint
);
CREATE TABLE view_aggregates (uri text PRIMARY KEY, views bigint NOT NULL DEFAULT 0, rank int);
CREATE TABLE records (id bigserial PRIMARY KEY, subject text NOT NULL, agent text, ms int);
CREATE TABLE products (id serial PRIMARY KEY, stock int, rating int, copied int);
"""

ROWS = """
SELECT setseed({seed});
INSERT INTO users (name, age, version) SELECT 'u' || n, 18 + n % 60, 1 + n % 3 FROM generate_series(1, 120) AS n;
INSERT INTO posts (id, author_id, title, price, sort_order, version, word_count)
    SELECT md5('p' || n)::uuid, 1 + floor(120 * random() ^ 2), 't' || n, (random() * 100)::numeric(10, 2), n % 10,
        1 + n % 4, 100 + n FROM generate_series(1, 300) AS n;
UPDATE posts SET parent_id = md5('p' || 1 + floor(random() ^ 2 * 100))::uuid WHERE random() < 0.6 AND id <> md5('p1')::uuid;
INSERT INTO post_reactions (post_id, user_id, kind, weight, created_at)
    SELECT md5('p' || 1 + floor(300 * random() ^ 2))::uuid, 1 + floor(120 * random()),
        (ARRAY['like', 'like', 'like', 'love', 'angry'])[1 + floor(5 * random())], 1 + floor(random() * 4),
        now() - random() * interval '90 days' FROM generate_series(1, 3000);
INSERT INTO comments (commentable_type, commentable_id, user_id, body, deleted_at, score)
    SELECT CASE WHEN random() < 0.7 THEN 'Post' ELSE 'Photo' END, md5('p' || 1 + floor(300 * random() ^ 2))::uuid,
        1 + floor(120 * random()), repeat('word ', n % 60), CASE WHEN random() < 0.2 THEN now() END, floor(random() * 9)
    FROM generate_series(1, 2500) AS n;
INSERT INTO follows SELECT a, b FROM generate_series(1, 120) AS a, generate_series(1, 120) AS b
    WHERE a <> b AND random() < 0.06 + 0.06 * ((a + b) % 3);
INSERT INTO actions ("userId", up, down)
    SELECT 1 + floor(120 * random()), NULLIF(floor(random() * 4), 3), floor(random() * 3) FROM generate_series(1, 800);
INSERT INTO drafts (user_id) SELECT 1 + floor(120 * random()) FROM generate_series(1, 200);
INSERT INTO campaigns (goal, backers, currency) SELECT n * 100, n % 7, 'EUR' FROM generate_series(1, 80) AS n;
INSERT INTO donations (campaign, amount, fee, donor)
    SELECT 1 + floor(80 * random() ^ 2), (1 + random() * 200)::numeric(12, 2), (random() * 2)::numeric(12, 2), 'd' || n
    FROM generate_series(1, 900) AS n;
INSERT INTO account_stats (user_id, level, reputation)
    SELECT id, 1 + id % 5, floor(random() * 1000) FROM users WHERE id % 9 <> 0;
INSERT INTO view_aggregates (uri, rank) SELECT 'at://post/' || n, n FROM generate_series(1, 150) AS n;
INSERT INTO records (subject, agent, ms) SELECT 'at://post/' || 1 + floor(150 * random() ^ 2), 'agent' || n % 3, n % 900
    FROM generate_series(1, 2000) AS n;
INSERT INTO products (stock, rating, copied) VALUES (3, 5, 1), (1, 4, 2), (2, 5, 1), (5, 3, 1);

UPDATE posts SET likes_count = (SELECT count(*) FROM post_reactions WHERE post_id = posts.id AND kind = 'like'),
    comments_count = (SELECT count(*) FROM comments
        WHERE commentable_type = 'Post' AND commentable_id = posts.id AND deleted_at IS NULL),
    replies_count = (SELECT count(*) FROM posts AS reply WHERE reply.parent_id = posts.id),
    last_liked_at = (SELECT max(created_at) FROM post_reactions WHERE post_id = posts.id AND kind = 'like');
UPDATE users SET followers_count = (SELECT count(*) FROM follows WHERE followed_id = users.id),
    following_count = (SELECT count(*) FROM follows WHERE follower_id = users.id);
UPDATE campaigns SET raised = (SELECT coalesce(sum(amount), 0) FROM donations WHERE campaign = campaigns.id);
UPDATE account_stats SET posts_count = (SELECT count(*) FROM posts WHERE author_id = user_id);
UPDATE view_aggregates SET views = (SELECT count(*) FROM records WHERE subject = uri);
UPDATE users SET drafts_count = 0,
    karma = (SELECT coalesce(sum(up - down), 0) FROM actions WHERE "userId" = users.id);

UPDATE posts SET likes_count = likes_count + 1 + floor(random() * 3) WHERE random() < 0.4;
UPDATE posts SET comments_count = greatest(comments_count - 1 - floor(random() * 2), 0) WHERE random() < 0.3;
UPDATE posts SET replies_count = CASE WHEN random() < 0.5 THEN NULL ELSE replies_count + 1 END WHERE random() < 0.15;
UPDATE users SET followers_count = followers_count - 1 WHERE random() < 0.4;
UPDATE users SET following_count = following_count + 2 WHERE random() < 0.2;
UPDATE users SET karma = karma + 1 WHERE random() < 0.3;
UPDATE campaigns SET raised = raised - (random() * 20)::numeric(12, 2) WHERE random() < 0.35;
UPDATE account_stats SET posts_count = posts_count + 1 WHERE random() < 0.25;
UPDATE view_aggregates SET views = views - 1 WHERE random() < 0.4 AND views > 0;
ANALYZE;
"""
NINE = {
    "posts.likes_count": ("post_reactions.post_id", "kind = 'like'", None),
    "posts.comments_count": ("comments.commentable_id", "commentable_type = 'Post' AND deleted_at IS NULL", None),
    "posts.replies_count": ("posts.parent_id", None, None),
    "users.followers_count": ("follows.followed_id", None, None),
    "users.following_count": ("follows.follower_id", None, None),
    "users.karma": ('actions."userId"', None, "up - down"),
    "campaigns.raised": ("donations.campaign", None, "amount"),
    "account_stats.posts_count": ("posts.author_id", None, None),
    "view_aggregates.views": ("records.subject", None, None),
}
