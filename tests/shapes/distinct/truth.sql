SELECT 'field_observers_count' AS counter, id::text AS row, observers_count AS shown,
    (SELECT count(DISTINCT observer_id) FROM observations WHERE field_id = fields.id) AS truth
FROM fields
