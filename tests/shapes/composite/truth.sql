SELECT 'vote_total_votes' AS counter, ROW(content_type_id, object_id)::text AS row, votes AS shown,
    (SELECT count(*) FROM votes_vote AS v WHERE (v.content_type_id, v.object_id) = (t.content_type_id, t.object_id))
        AS truth
FROM vote_totals AS t
