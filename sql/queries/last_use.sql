-- The newest event of each preset whose time of the last use is older. Run last_use_from.sql first, in the same
-- transaction: then this reads few events if few are later than what is shown.
SELECT
    preset.id AS "preset_id",
    preset.usage_count AS displayed,
    events.newest AS newest
FROM public.presets AS preset
JOIN (
    SELECT candidates.parent, max(candidates.newest) AS newest
    FROM (
        SELECT event.preset_id AS parent, max(event.created_at) AS newest
        FROM public.preset_usage AS event
        WHERE event.created_at > current_setting('usagefix.later_than')::timestamptz
        GROUP BY event.preset_id
        UNION ALL
        SELECT event.preset_id AS parent, max(event.created_at)
        FROM public.presets AS preset
        JOIN public.preset_usage AS event ON event.preset_id = preset.id
        WHERE preset.last_used_at < current_setting('usagefix.later_than')::timestamptz
            OR (preset.last_used_at IS NULL AND current_setting('usagefix.later_than') <> '-infinity')
        GROUP BY event.preset_id
    ) AS candidates
    GROUP BY candidates.parent
) AS events ON events.parent = preset.id
WHERE events.newest > COALESCE(preset.last_used_at, '-infinity')
