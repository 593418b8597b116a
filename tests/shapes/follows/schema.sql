-- Two counters of one parent by two foreign keys: each event touches two rows of the same table.
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    handle text NOT NULL UNIQUE,
    followers_count bigint NOT NULL DEFAULT 0, following_count bigint NOT NULL DEFAULT 0
);
CREATE TABLE follows (
    follower_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    followed_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    PRIMARY KEY (follower_id, followed_id)
);
CREATE INDEX ON follows (followed_id);
INSERT INTO users (handle) SELECT 'user' || n FROM generate_series(1, 60) n;
INSERT INTO follows SELECT a, b FROM generate_series(1, 40) a, generate_series(1, 60) b
WHERE a <> b AND (a * 5 + b * 3) % 4 = 0;
UPDATE users SET followers_count = (SELECT count(*) FROM follows WHERE followed_id = users.id),
    following_count = (SELECT count(*) FROM follows WHERE follower_id = users.id);
UPDATE users SET followers_count = followers_count + 1 WHERE id % 5 = 0;
UPDATE users SET following_count = following_count + 2 WHERE id % 6 = 0;
