-- Objects in schema usagefix that usagefix did not create.
SELECT relations.relname::text AS name
FROM pg_catalog.pg_class AS relations
WHERE relations.relnamespace = to_regnamespace('usagefix') AND relations.relkind IN ('r', 'p', 'v', 'm', 'f')
    AND relations.relname NOT IN (
        'counters', 'history', 'saved_objects', 'backfills', 'corrections', 'baselines', 'held_at_zero',
        'refused_writes')
ORDER BY relations.relname
