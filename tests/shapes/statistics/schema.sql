-- A table of statistics, a row for each user, made when the first event comes; no foreign key leads to it.
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, handle text NOT NULL);
CREATE TABLE user_stats (
    user_id bigint PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    drafts_count integer NOT NULL DEFAULT 0, logins integer NOT NULL DEFAULT 0
);
CREATE TABLE drafts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    title text NOT NULL DEFAULT ''
);
CREATE INDEX ON drafts (user_id);
INSERT INTO users (handle) SELECT 'user' || n FROM generate_series(1, 60) n;
INSERT INTO drafts (user_id) SELECT u FROM generate_series(1, 40) u, generate_series(1, 20) d WHERE (u + d) % 3 > 0;
INSERT INTO user_stats (user_id, drafts_count)
SELECT user_id, count(*) FROM drafts WHERE user_id % 5 > 0 GROUP BY user_id;
UPDATE user_stats SET drafts_count = drafts_count - 1 WHERE user_id % 4 = 0;
