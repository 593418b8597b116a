-- How many of some presets were used more than a day after their newest event; clocks and time zones differ by less.
-- Parameter: ids (an array as text: the server gives it the type of the key).
SELECT count(*) AS used_later
FROM public.presets AS preset
LEFT JOIN (
    SELECT event.preset_id AS parent, max(event.created_at) AS newest
    FROM public.preset_usage AS event
    WHERE event.preset_id = ANY (%(ids)s)
    GROUP BY event.preset_id
) AS events ON events.parent = preset.id
WHERE preset.id = ANY (%(ids)s) AND preset.last_used_at > COALESCE(events.newest, '-infinity') + interval '1 day'
