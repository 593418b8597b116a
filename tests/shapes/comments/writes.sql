INSERT INTO comments (post_id, user_id) SELECT p, %(user)s FROM unnest(%(some)s::int[]) p
--
INSERT INTO comments (post_id, parent_id, user_id)
SELECT post_id, id, %(user)s FROM comments WHERE id = ANY (%(some)s::int[])
--
UPDATE comments SET deleted_at = CASE WHEN deleted_at IS NULL THEN now() END
WHERE user_id = %(user)s AND parent_id IS NOT NULL AND replies_count = 0 AND id > 1200
--
DELETE FROM comments WHERE user_id = %(user)s AND id > 1400 AND replies_count = 0
