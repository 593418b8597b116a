SELECT 'user_followers_count' AS counter, id::text AS row, followers_count AS shown,
    (SELECT count(*) FROM follows WHERE followed_id = users.id) AS truth
FROM users
UNION ALL
SELECT 'user_following_count', id::text, following_count,
    (SELECT count(*) FROM follows WHERE follower_id = users.id)
FROM users
