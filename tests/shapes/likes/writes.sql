INSERT INTO likes SELECT p, %(user)s FROM unnest(%(some)s::int[]) p ON CONFLICT DO NOTHING
--
DELETE FROM likes WHERE user_id = %(user)s AND post_id = ANY (%(some)s::int[])
--
UPDATE likes SET post_id = %(one)s WHERE user_id = %(user)s AND post_id = %(other)s
    AND NOT EXISTS (SELECT FROM likes AS there WHERE there.user_id = %(user)s AND there.post_id = %(one)s)
