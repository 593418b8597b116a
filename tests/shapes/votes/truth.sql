SELECT 'post_score' AS counter, id::text AS row, score AS shown,
    (SELECT COALESCE(sum(value), 0) FROM votes WHERE post_id = posts.id) AS truth
FROM posts
UNION ALL
SELECT 'post_votes_count', id::text, votes_count, (SELECT count(*) FROM votes WHERE post_id = posts.id) FROM posts
