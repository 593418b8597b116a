-- Add the deltas to presets that this transaction has locked. If a TRUNCATE set a counter back meanwhile, it stops at
-- 0, and the next round counts again. This may run code of the application, under the path that this code needs, so
-- every name has its schema. Each row: the counter now, and the key. Parameters: ids (an array as text), keys (the same
-- as texts), deltas, newest.
UPDATE public.presets AS preset
SET usage_count = GREATEST(COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) wanted.delta, 0)
  , last_used_at = GREATEST(preset.last_used_at, wanted.newest) --? presets.last_used_at
FROM ROWS FROM (
    pg_catalog.unnest(%(keys)s::pg_catalog.text[]), pg_catalog.unnest(%(deltas)s::pg_catalog.numeric[]),
    pg_catalog.unnest(%(newest)s::pg_catalog.timestamptz[])
) AS wanted (row_key, delta, newest)
WHERE preset.id OPERATOR(pg_catalog.=) ANY (%(ids)s)
    AND preset.id::pg_catalog.text OPERATOR(pg_catalog.=) wanted.row_key
RETURNING pg_catalog.concat(preset.usage_count, ' ', wanted.row_key)
