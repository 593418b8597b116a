-- Two counters of one parent from the same events, by opposite filters; what counts changes by UPDATE.
CREATE TABLE posts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL, likes_count integer NOT NULL DEFAULT 0, dislikes_count integer
);
CREATE TABLE post_reactions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    user_id bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('like', 'dislike', 'laugh')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON post_reactions (post_id);
INSERT INTO posts (title) SELECT 'Post ' || n FROM generate_series(1, 40) n;
INSERT INTO post_reactions (post_id, user_id, kind)
SELECT p, u, (ARRAY['like', 'dislike', 'laugh'])[1 + (p + u) % 3]
FROM generate_series(1, 40) p, generate_series(1, 30) u;
UPDATE posts SET
    likes_count = (SELECT count(*) FROM post_reactions WHERE post_id = posts.id AND kind = 'like'),
    dislikes_count = (SELECT count(*) FROM post_reactions WHERE post_id = posts.id AND kind = 'dislike');
UPDATE posts SET likes_count = likes_count + 1 WHERE id % 4 = 0; -- a reaction that changed its kind
UPDATE posts SET dislikes_count = NULL WHERE id % 9 = 0;
