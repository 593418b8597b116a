INSERT INTO post_reactions (post_id, user_id, kind)
SELECT p, %(user)s, (ARRAY['like', 'dislike', 'laugh'])[1 + (p + %(number)s) %% 3] FROM unnest(%(some)s::int[]) p
--
UPDATE post_reactions SET kind = CASE kind WHEN 'like' THEN 'dislike' WHEN 'dislike' THEN 'laugh' ELSE 'like' END
WHERE user_id = %(user)s AND post_id = ANY (%(some)s::int[])
--
UPDATE post_reactions SET post_id = %(one)s WHERE user_id = %(user)s AND post_id = %(other)s
--
DELETE FROM post_reactions WHERE user_id = %(user)s AND post_id = ANY (%(some)s::int[]) AND id %% 2 = 0
