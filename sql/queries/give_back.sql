-- Undo corrections of presets that this transaction has locked. A counter that was NULL becomes NULL again if nothing
-- was counted since. Later deletions take no counter below 0 that was not there before. Like add_deltas.sql it may run
-- code of the application, so every name has its schema. Each row: the counter now, and the key. Parameters: ids (an
-- array as text), keys (the same as texts), deltas, displayed (what each showed at first).
UPDATE public.presets AS preset
SET usage_count = CASE
    WHEN wanted.displayed IS NULL
        AND COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) wanted.delta OPERATOR(pg_catalog.=) 0 THEN NULL
    WHEN COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) wanted.delta --? counted
        OPERATOR(pg_catalog.<) LEAST(wanted.displayed, 0) THEN LEAST(wanted.displayed, 0) --? counted
    ELSE COALESCE(preset.usage_count, 0) OPERATOR(pg_catalog.+) wanted.delta END
FROM ROWS FROM (
    pg_catalog.unnest(%(keys)s::pg_catalog.text[]), pg_catalog.unnest(%(deltas)s::pg_catalog.numeric[]),
    pg_catalog.unnest(%(displayed)s::pg_catalog.numeric[])
) AS wanted (row_key, delta, displayed)
WHERE preset.id OPERATOR(pg_catalog.=) ANY (%(ids)s)
    AND preset.id::pg_catalog.text OPERATOR(pg_catalog.=) wanted.row_key
RETURNING pg_catalog.concat(COALESCE(preset.usage_count, 0), ' ', wanted.row_key)
