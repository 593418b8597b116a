-- Lock presets in the order of their ids, as the counting triggers do, leaving out those that somebody else holds. A
-- lock that lets foreign-key checks through. Parameter: ids (an array as text: the server gives it the type of the
-- key).
SELECT preset.id::text AS id
FROM public.presets AS preset
WHERE preset.id = ANY (%(ids)s)
ORDER BY preset.id
FOR NO KEY UPDATE SKIP LOCKED
