-- For the known lists of a migration tool that exist here and that this role may read completely: the query that tells
-- whether the parameter version is in it. golang-migrate and Alembic keep the newest version only. Parameter: the tool.
SELECT format('SELECT EXISTS (SELECT FROM ONLY %%I.%%I WHERE %%s)', namespace.nspname, list.relname, known.condition)
FROM (VALUES
    ('supabase', 'schema_migrations', ARRAY['version', 'statements'], 'version::text = %%(version)s::text'),
    ('dbmate', 'schema_migrations', ARRAY['version'], 'version::text = %%(version)s::text'),
    ('sqitch', 'changes', ARRAY['change', 'change_id', 'project'], 'change = %%(version)s::text'),
    ('flyway', 'flyway_schema_history', ARRAY['version', 'success', 'type'],
        'version::text = translate(%%(version)s::text, ''_'', ''.'') AND success AND type::text NOT LIKE ''UNDO%%%%'''),
    ('golang-migrate', 'schema_migrations', ARRAY['version', 'dirty'],
        'version >= substring(%%(version)s::text FROM ''^\d{1,18}$'')::bigint'),
    ('prisma', '_prisma_migrations', ARRAY['migration_name', 'finished_at', 'rolled_back_at'],
        'migration_name::text = %%(version)s::text AND finished_at IS NOT NULL AND rolled_back_at IS NULL'),
    ('alembic', 'alembic_version', ARRAY['version_num'], 'version_num IS NOT NULL OR %%(version)s::text IS NULL')
) AS known (tool, name, columns, condition)
JOIN pg_class AS list ON list.relname = known.name AND list.relkind = 'r'
JOIN pg_namespace AS namespace ON namespace.oid = list.relnamespace
WHERE known.tool = %(tool)s::text AND has_schema_privilege(namespace.oid, 'USAGE')
    AND has_table_privilege(list.oid, 'SELECT') AND NOT row_security_active(list.oid)
    -- Only types whose comparison runs no code of others
    AND cardinality(known.columns) = (
        SELECT count(*) FROM pg_attribute AS attribute
        JOIN pg_type AS type ON type.oid = attribute.atttypid AND type.typnamespace = 'pg_catalog'::regnamespace
        WHERE attribute.attrelid = list.oid AND attribute.attname = ANY (known.columns) AND NOT attribute.attisdropped)
