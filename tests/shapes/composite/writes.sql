INSERT INTO votes_vote (content_type_id, object_id, user_id)
SELECT 1 + p %% 3, 'a "b", (' || 1 + p %% 20, %(user)s FROM unnest(%(some)s::int[]) p
--
UPDATE votes_vote SET content_type_id = 3 - content_type_id WHERE user_id = %(user)s AND content_type_id < 3
    AND object_id = 'a "b", (' || 1 + %(one)s::int %% 20
--
UPDATE votes_vote SET object_id = CASE WHEN object_id IS NULL THEN 'a "b", (1' END
WHERE user_id = %(user)s AND id %% 5 = 0
--
DELETE FROM votes_vote WHERE user_id = %(user)s AND id %% 3 = 0
