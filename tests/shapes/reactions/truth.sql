SELECT 'post_likes_count' AS counter, id::text AS row, likes_count AS shown,
    (SELECT count(*) FROM post_reactions WHERE post_id = posts.id AND kind = 'like') AS truth
FROM posts
UNION ALL
SELECT 'post_dislikes_count', id::text, dislikes_count,
    (SELECT count(*) FROM post_reactions WHERE post_id = posts.id AND kind = 'dislike')
FROM posts
