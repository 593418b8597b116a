INSERT INTO drafts (user_id) SELECT p FROM unnest(%(some)s::int[]) p
--
INSERT INTO drafts (user_id) SELECT p + 20 FROM unnest(%(some)s::int[]) p
--
DELETE FROM drafts WHERE id IN (
    SELECT id FROM drafts WHERE user_id = ANY (%(some)s::int[]) AND id %% 4 = %(writer)s ORDER BY id LIMIT 3)
--
UPDATE drafts SET user_id = %(one)s WHERE id IN (
    SELECT id FROM drafts WHERE user_id = %(other)s AND id %% 4 = %(writer)s ORDER BY id LIMIT 2)
