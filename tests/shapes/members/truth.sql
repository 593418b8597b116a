SELECT 'group_members_count' AS counter, id::text AS row, members_count AS shown,
    (SELECT count(*) FROM group_members WHERE group_id = groups.id AND status = 'approved') AS truth
FROM groups
