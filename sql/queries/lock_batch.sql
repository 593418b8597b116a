-- Lock presets in the order of their ids, as the counting triggers do, without those that another session has locked.
-- The lock allows foreign-key checks. Parameter: ids (an array as text: the server gives it the type of the key).
SELECT preset.id::text AS id
FROM public.presets AS preset
WHERE preset.id = ANY (%(ids)s)
ORDER BY preset.id
FOR NO KEY UPDATE SKIP LOCKED
