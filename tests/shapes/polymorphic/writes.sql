INSERT INTO comments (commentable_type, commentable_id, user_id)
SELECT (ARRAY['Article', 'Photo'])[1 + (p + %(number)s) %% 2], p, %(user)s FROM unnest(%(some)s::int[]) p
--
UPDATE comments SET commentable_type = CASE commentable_type WHEN 'Article' THEN 'Photo' ELSE 'Article' END
WHERE user_id = %(user)s AND commentable_id = ANY (%(some)s::int[])
--
UPDATE comments SET commentable_id = %(one)s WHERE user_id = %(user)s AND commentable_id = %(other)s
--
DELETE FROM comments WHERE user_id = %(user)s AND commentable_id = %(one)s AND id %% 2 = 0
