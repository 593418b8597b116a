-- Lock presets in the order of their ids, as the counting triggers do, leaving out those that somebody else holds. A lock
-- that lets foreign-key checks through. Parameter: ids.
SELECT presets.id AS id
FROM public.presets
WHERE presets.id = ANY (%(ids)s)
ORDER BY presets.id
FOR NO KEY UPDATE SKIP LOCKED
