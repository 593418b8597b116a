-- The daily limit as it is in the database now; no row where it is gone.
SELECT daily.indisvalid AS valid
FROM pg_catalog.pg_index AS daily
WHERE daily.indexrelid = to_regclass('public.idx_preset_usage_daily_unique')
    AND daily.indrelid = to_regclass('public.preset_usage') AND daily.indisunique
