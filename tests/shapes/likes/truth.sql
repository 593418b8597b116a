SELECT 'post_likes_count' AS counter, id::text AS row, likes_count AS shown,
    (SELECT count(*) FROM likes WHERE post_id = posts.id) AS truth
FROM posts
