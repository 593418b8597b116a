SELECT 'user_stat_drafts_count' AS counter, events.user_id::text AS row, drafts_count AS shown, truth
FROM (SELECT user_id, count(*) AS truth FROM drafts GROUP BY user_id) AS events LEFT JOIN user_stats USING (user_id)
UNION ALL
SELECT 'user_stat_drafts_count', user_id::text, drafts_count, 0 FROM user_stats
WHERE NOT EXISTS (SELECT FROM drafts WHERE drafts.user_id = user_stats.user_id)
