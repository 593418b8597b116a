-- A sum that may be negative, beside a count; a vote that is taken back is NULL.
CREATE TABLE posts (
    id uuid PRIMARY KEY,
    title text, score bigint NOT NULL DEFAULT 0, votes_count integer NOT NULL DEFAULT 0
);
CREATE TABLE votes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    post_id uuid NOT NULL REFERENCES posts ON DELETE CASCADE,
    user_id bigint NOT NULL,
    value smallint CHECK (value IN (-1, 1))
);
CREATE INDEX ON votes (post_id) INCLUDE (value);
INSERT INTO posts (id, title) SELECT md5('post ' || n)::uuid, 'Post ' || n FROM generate_series(1, 40) n;
INSERT INTO votes (post_id, user_id, value)
SELECT md5('post ' || p)::uuid, u, CASE WHEN u % 9 = 0 THEN NULL WHEN (p * u) % 3 = 0 THEN 1 ELSE -1 END
FROM generate_series(1, 40) p, generate_series(1, 30) u;
UPDATE posts SET score = (SELECT COALESCE(sum(value), 0) FROM votes WHERE post_id = posts.id),
    votes_count = (SELECT count(*) FROM votes WHERE post_id = posts.id);
UPDATE posts SET score = score + 2, votes_count = votes_count + 1 WHERE get_byte(uuid_send(id), 0) % 4 = 0;
