-- A key of two columns, as generic relations have it.
CREATE TABLE vote_totals (
    content_type_id integer NOT NULL, object_id text NOT NULL,
    votes bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (content_type_id, object_id)
);
CREATE TABLE votes_vote (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    content_type_id integer NOT NULL, object_id text,
    user_id bigint NOT NULL
);
CREATE INDEX ON votes_vote (content_type_id, object_id);
INSERT INTO vote_totals SELECT t, 'a "b", (' || n FROM generate_series(1, 2) t, generate_series(1, 20) n;
INSERT INTO votes_vote (content_type_id, object_id, user_id)
SELECT t, 'a "b", (' || n, u FROM generate_series(1, 3) t, generate_series(1, 20) n, generate_series(1, 20) u
WHERE (n + u) % 3 > 0;
INSERT INTO votes_vote (content_type_id, object_id, user_id) VALUES (1, NULL, 1), (2, NULL, 2);
UPDATE vote_totals SET votes = (
    SELECT count(*) FROM votes_vote AS v WHERE (v.content_type_id, v.object_id)
        = (vote_totals.content_type_id, vote_totals.object_id));
UPDATE vote_totals SET votes = votes + 1 WHERE object_id LIKE '%5';
