INSERT INTO group_members SELECT p, %(user)s, 'invited' FROM unnest(%(some)s::int[]) p ON CONFLICT DO NOTHING
--
INSERT INTO group_members SELECT p, %(user)s FROM unnest(%(sorted)s::int[]) p
ON CONFLICT (group_id, user_id) DO UPDATE SET status = 'approved'
--
UPDATE group_members SET status = (enum_range(NULL::membership))[1 + (%(number)s + group_id) %% 3]
WHERE user_id = %(user)s
--
DELETE FROM group_members WHERE user_id = %(user)s AND group_id = ANY (%(some)s::int[])
