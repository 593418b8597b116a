-- The daily limit as it is in the database now; no row where it is gone.
SELECT existing.indisvalid AS valid, tables.relkind = 'p' AS partitioned
FROM pg_catalog.pg_index AS existing
JOIN pg_catalog.pg_class AS tables ON tables.oid = existing.indrelid
WHERE existing.indexrelid = to_regclass('public.idx_preset_usage_daily_unique')
