SELECT 'post_comments_count' AS counter, id::text AS row, comments_count AS shown,
    (SELECT count(*) FROM comments WHERE post_id = posts.id) AS truth
FROM posts
UNION ALL
SELECT 'community_comments_total', id::text, comments_total,
    (SELECT count(*) FROM comments JOIN posts ON posts.id = post_id WHERE community_id = communities.id)
FROM communities
UNION ALL
SELECT 'community_posts_count', id::text, posts_count,
    (SELECT count(*) FROM posts WHERE community_id = communities.id AND NOT hidden)
FROM communities
