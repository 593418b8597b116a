INSERT INTO votes (post_id, user_id, value)
SELECT md5('post ' || p)::uuid, %(user)s, CASE WHEN (p + %(number)s) %% 3 = 0 THEN -1 ELSE 1 END
FROM unnest(%(some)s::int[]) p
--
UPDATE votes SET value = - value WHERE user_id = %(user)s AND post_id = md5('post ' || %(one)s::int)::uuid
--
UPDATE votes SET value = NULLIF(COALESCE(value, 0), 1) WHERE user_id = %(user)s AND value IS DISTINCT FROM -1
    AND id %% 3 = 0 AND value = 1
--
DELETE FROM votes WHERE user_id = %(user)s AND post_id = md5('post ' || %(one)s::int)::uuid
