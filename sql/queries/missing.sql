-- The keys that events name and no row of presets has, in their order.
SELECT found.parent::text AS id
FROM (
    SELECT event.preset_id AS parent FROM public.preset_usage AS event
    WHERE event.preset_id IS NOT NULL GROUP BY event.preset_id
) AS found
WHERE NOT EXISTS (SELECT FROM public.presets AS preset WHERE preset.id = found.parent)
ORDER BY found.parent
