INSERT INTO comments (post_id, user_id) SELECT p, %(user)s FROM unnest(%(some)s::int[]) p
--
DELETE FROM comments WHERE user_id = %(user)s AND post_id = ANY (%(some)s::int[])
--
UPDATE comments SET post_id = %(one)s WHERE user_id = %(user)s AND post_id = %(other)s
--
UPDATE posts SET hidden = NOT hidden WHERE id = %(one)s
--
UPDATE posts SET community_id = 1 + (%(number)s %% 8) WHERE id = %(one)s
