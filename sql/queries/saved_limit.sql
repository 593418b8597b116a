-- The daily limit as apply found it; no row where there was none.
SELECT saved.identity AS name, saved.definition AS definition,
    saved.key_columns AS key_columns, saved.predicate AS predicate
FROM usagefix.saved_objects AS saved
WHERE saved.version = '20250930000001' AND saved.kind = 'index' AND saved.definition IS NOT NULL
