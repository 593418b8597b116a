-- Soft delete, and a thread: the table of the events is a parent of its own rows.
CREATE TABLE posts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL, comments_count integer NOT NULL DEFAULT 0
);
CREATE TABLE comments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    parent_id bigint REFERENCES comments ON DELETE CASCADE,
    user_id bigint NOT NULL,
    body text NOT NULL DEFAULT '',
    replies_count integer NOT NULL DEFAULT 0,
    deleted_at timestamptz
);
CREATE INDEX ON comments (post_id);
CREATE INDEX ON comments (parent_id);
INSERT INTO posts (title) SELECT 'Post ' || n FROM generate_series(1, 40) n;
INSERT INTO comments (post_id, user_id, deleted_at)
SELECT p, u, CASE WHEN (p + u) % 6 = 0 THEN now() END FROM generate_series(1, 40) p, generate_series(1, 20) u;
INSERT INTO comments (post_id, parent_id, user_id, deleted_at)
SELECT post_id, id, user_id, CASE WHEN id % 4 = 0 THEN now() END FROM comments WHERE id % 3 > 0;
UPDATE posts SET comments_count = (SELECT count(*) FROM comments WHERE post_id = posts.id AND deleted_at IS NULL);
UPDATE comments AS of SET replies_count = (
    SELECT count(*) FROM comments WHERE parent_id = of.id AND deleted_at IS NULL);
UPDATE posts SET comments_count = comments_count + 2 WHERE id % 4 = 0;
UPDATE comments SET replies_count = replies_count + 1 WHERE id % 7 = 0;
