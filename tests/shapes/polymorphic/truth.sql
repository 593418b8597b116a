SELECT 'article_comments_count' AS counter, id::text AS row, comments_count AS shown,
    (SELECT count(*) FROM comments WHERE commentable_id = articles.id AND commentable_type = 'Article') AS truth
FROM articles
UNION ALL
SELECT 'photo_comments_count', id::text, comments_count,
    (SELECT count(*) FROM comments WHERE commentable_id = photos.id AND commentable_type = 'Photo')
FROM photos
