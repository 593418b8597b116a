INSERT INTO follows SELECT p, %(one)s FROM unnest(%(some)s::int[]) p ON CONFLICT DO NOTHING
--
INSERT INTO follows SELECT %(one)s, p FROM unnest(%(some)s::int[]) p ON CONFLICT DO NOTHING
--
DELETE FROM follows WHERE (follower_id, followed_id) IN (
    SELECT follower_id, followed_id FROM follows WHERE follower_id %% 4 = %(writer)s
        AND followed_id = ANY (%(some)s::int[]) ORDER BY follower_id, followed_id FOR UPDATE)
