SELECT 'campaign_raised' AS counter, id::text AS row, raised AS shown,
    (SELECT COALESCE(sum(amount), 0) FROM donations WHERE campaign_id = campaigns.id AND status = 'paid') AS truth
FROM campaigns
