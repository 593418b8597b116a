-- A counter that sums another counter: the events of the one are the parents of the other.
CREATE TABLE communities (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL, posts_count integer NOT NULL DEFAULT 0, comments_total bigint NOT NULL DEFAULT 0
);
CREATE TABLE posts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    community_id integer NOT NULL REFERENCES communities ON DELETE CASCADE,
    title text NOT NULL, hidden boolean NOT NULL DEFAULT false, comments_count integer NOT NULL DEFAULT 0
);
CREATE TABLE comments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    user_id bigint NOT NULL
);
CREATE INDEX ON posts (community_id);
CREATE INDEX ON comments (post_id);
INSERT INTO communities (name) SELECT 'Community ' || n FROM generate_series(1, 8) n;
INSERT INTO posts (community_id, title, hidden) SELECT 1 + n % 8, 'Post ' || n, n % 7 = 0 FROM generate_series(1, 40) n;
INSERT INTO comments (post_id, user_id) SELECT p, u FROM generate_series(1, 40) p, generate_series(1, 20) u WHERE (p + u) % 3 > 0;
UPDATE posts SET comments_count = (SELECT count(*) FROM comments WHERE post_id = posts.id);
UPDATE posts SET comments_count = comments_count + 2 WHERE id % 4 = 0;
UPDATE communities SET posts_count = (SELECT count(*) FROM posts WHERE community_id = communities.id AND NOT hidden) + id % 2,
    comments_total = (SELECT sum(comments_count) FROM posts WHERE community_id = communities.id) - id % 3;
