-- How many presets have events after their time of the last use, of how many presets. It reads both sides separately
-- and the events once, so that it also works on distributed tables.
WITH shown AS MATERIALIZED (
    SELECT preset.id AS id, preset.last_used_at AS last_use FROM public.presets AS preset
), events AS MATERIALIZED (
    SELECT event.preset_id AS parent, max(event.created_at) AS newest
    FROM public.preset_usage AS event GROUP BY event.preset_id
)
SELECT count(*) FILTER (WHERE events.newest > COALESCE(shown.last_use, '-infinity')) AS behind, count(*) AS rows
FROM shown LEFT JOIN events ON events.parent = shown.id
