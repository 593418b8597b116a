SELECT 'post_comments_count' AS counter, id::text AS row, comments_count AS shown,
    (SELECT count(*) FROM comments WHERE post_id = posts.id AND deleted_at IS NULL) AS truth
FROM posts
UNION ALL
SELECT 'comment_replies_count', id::text, replies_count,
    (SELECT count(*) FROM comments WHERE parent_id = one.id AND deleted_at IS NULL)
FROM comments AS one
