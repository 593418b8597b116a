-- The roles of Supabase, the session's role, what it may read, the schemas, those on a path that is configured here,
-- whether a crash empties the events, whose sessions fire no trigger, how presets was updated so far, about how large
-- the events are, and by which columns they are ordered on disk.
WITH looked_at AS (
    SELECT
        CASE tables.relname WHEN 'job' THEN 'jobs' WHEN 'history' THEN 'applied' ELSE 'refused' END AS what,
        COALESCE(has_schema_privilege(namespace.oid, 'USAGE') AND has_table_privilege(tables.oid, 'SELECT'), false)
            AND NOT pg_catalog.row_security_active(tables.oid) AS readable
    FROM pg_catalog.pg_class AS tables
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = tables.relnamespace
    WHERE (namespace.nspname, tables.relname) IN (
            ('cron', 'job'), ('usagefix', 'refused_writes'), ('usagefix', 'history'))
        AND tables.relkind IN ('r', 'p')
)
SELECT
    ARRAY(
        SELECT rolname::text FROM pg_catalog.pg_roles
        WHERE rolname IN ('anon', 'authenticated', 'service_role') ORDER BY rolname) AS application_roles,
    self.rolsuper AS superuser,
    self.rolbypassrls AS bypasses_rls,
    has_column_privilege('pg_catalog.pg_subscription', 'subname', 'SELECT')
        AND has_table_privilege('pg_catalog.pg_subscription_rel', 'SELECT') AS sees_subscriptions,
    (SELECT readable FROM looked_at WHERE what = 'jobs') AS sees_jobs,
    (SELECT readable FROM looked_at WHERE what = 'refused') AS sees_refused,
    (SELECT readable FROM looked_at WHERE what = 'applied') AS sees_applied,
    ARRAY(SELECT nspname::text FROM pg_catalog.pg_namespace) AS schemas,
    ARRAY(
        SELECT quote_ident(namespace.nspname)
        FROM pg_catalog.pg_db_role_setting AS settings
        JOIN pg_catalog.pg_database AS here ON here.datname = pg_catalog.current_database()
        CROSS JOIN LATERAL unnest(settings.setconfig) AS configured (entry)
        CROSS JOIN LATERAL string_to_table(substr(configured.entry, 13), ',') WITH ORDINALITY AS part (name, place)
        JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = btrim(part.name, ' "')
        WHERE settings.setdatabase IN (0::oid, here.oid) AND configured.entry LIKE 'search\_path=%%'
            AND NOT starts_with(namespace.nspname::text, 'pg_')
        GROUP BY namespace.nspname ORDER BY min(part.place), namespace.nspname) AS path,
    (SELECT relpersistence = 'u' FROM pg_catalog.pg_class WHERE oid = to_regclass(%(child)s)) AS events_unlogged,
    ARRAY(
        SELECT concat_ws(' IN ', CASE WHEN setrole <> 0 THEN format('ROLE %%I', pg_get_userbyid(setrole)) END,
            CASE WHEN setdatabase <> 0 THEN format('DATABASE %%I', pg_catalog.current_database()) END)
        FROM pg_catalog.pg_db_role_setting
        WHERE (setdatabase = 0 OR setdatabase = (
                SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()))
            AND 'session_replication_role=replica' ILIKE ANY (setconfig)
        ORDER BY 1) AS triggerless,
    COALESCE(statistics.n_tup_upd, 0) AS updates,
    COALESCE(statistics.n_tup_hot_upd, 0) AS hot_updates,
    COALESCE(GREATEST(events.reltuples, 0), 0)::bigint AS event_rows,
    COALESCE(events.relpages, 0) AS event_pages,
    COALESCE((
        SELECT jsonb_object_agg(attname, correlation)
        FROM pg_catalog.pg_stats
        WHERE (schemaname, tablename) = (spaces.nspname, events.relname) AND NOT inherited
            AND correlation IS NOT NULL
    ), '{}') AS correlations
FROM pg_catalog.pg_roles AS self
LEFT JOIN pg_catalog.pg_stat_all_tables AS statistics ON statistics.relid = to_regclass(%(parent)s)
LEFT JOIN pg_catalog.pg_class AS events ON events.oid = to_regclass(%(child)s)
LEFT JOIN pg_catalog.pg_namespace AS spaces ON spaces.oid = events.relnamespace
WHERE self.rolname = current_user
