-- The commonest shape: one counter, a foreign key to the primary key; a person likes a post once.
CREATE TABLE posts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    title text NOT NULL, likes_count integer NOT NULL DEFAULT 0
);
CREATE TABLE likes (
    post_id bigint NOT NULL REFERENCES posts ON DELETE CASCADE,
    user_id bigint NOT NULL,
    PRIMARY KEY (post_id, user_id)
);
INSERT INTO posts (title) SELECT 'Post ' || n FROM generate_series(1, 40) n;
INSERT INTO likes SELECT p, u FROM generate_series(1, 40) p, generate_series(1, 40) u WHERE (p * 7 + u * 3) % 5 < 2;
UPDATE posts SET likes_count = (SELECT count(*) FROM likes WHERE post_id = posts.id);
UPDATE posts SET likes_count = likes_count + id % 3 + 1 WHERE id % 5 = 0;
