-- Who applies, for which owner, and what apply has to adapt to. path: schemas besides the application's own that are
-- configured for the database or the owner of presets, and in which nobody else can create an object. grantees: roles
-- that default privileges let execute new functions of this role. closing: something may open or reassign new tables.
-- tree: the event tables, the whole first. acting: as whom uses are tried, the owner of presets, or of the events where
-- that one alone is no superuser; acting_superuser: both are; acting_lacks: that role may not use presets.
WITH RECURSIVE tree AS (
    SELECT to_regclass(%(child)s)::oid AS relation, 0 AS level
    UNION ALL
    SELECT parents.inhrelid, tree.level + 1
    FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
), counters AS (
    SELECT oid, relowner, relkind, relrowsecurity FROM pg_catalog.pg_class WHERE oid = to_regclass(%(parent)s)
), acting AS (
    SELECT tables.oid, tables.relowner, roles.rolsuper
    FROM pg_catalog.pg_class AS tables JOIN pg_catalog.pg_roles AS roles ON roles.oid = tables.relowner
    WHERE tables.oid IN (to_regclass(%(parent)s), to_regclass(%(child)s))
    ORDER BY roles.rolsuper, tables.oid <> to_regclass(%(parent)s) LIMIT 1
), configured AS (
    SELECT namespace.nspname AS schema, min(part.n) AS rank
    FROM pg_catalog.pg_db_role_setting AS settings
    CROSS JOIN counters
    JOIN pg_catalog.pg_database AS here ON here.datname = current_database()
    CROSS JOIN LATERAL unnest(settings.setconfig) AS configured (entry)
    CROSS JOIN LATERAL string_to_table(substr(configured.entry, 13), ',') WITH ORDINALITY AS part (name, n)
    JOIN pg_catalog.pg_namespace AS namespace ON namespace.nspname = btrim(part.name, ' "')
    JOIN pg_catalog.pg_roles AS owners ON owners.oid = namespace.nspowner
    WHERE settings.setdatabase IN (0::oid, here.oid) AND settings.setrole IN (0::oid, counters.relowner)
        AND configured.entry LIKE 'search\_path=%%' AND namespace.nspname !~ '^pg_'
        AND namespace.oid <> to_regnamespace(%(schema_sql)s)::oid
        AND (owners.rolsuper OR owners.oid IN (counters.relowner, here.datdba))
        AND NOT EXISTS (
            SELECT FROM aclexplode(namespace.nspacl) AS granted
            WHERE granted.privilege_type = 'CREATE' AND granted.grantee NOT IN (counters.relowner, namespace.nspowner))
    GROUP BY namespace.nspname
), defaults AS (
    SELECT defaults.defaclobjtype AS kind, granted.grantee
    FROM pg_catalog.pg_default_acl AS defaults CROSS JOIN LATERAL aclexplode(defaults.defaclacl) AS granted
    WHERE defaults.defaclrole = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
        AND granted.grantee <> defaults.defaclrole
        AND defaults.defaclnamespace IN (0::oid, to_regnamespace(%(schema_sql)s)::oid)
)
SELECT
    pg_catalog.pg_get_userbyid(counters.relowner)::text AS owner,
    quote_ident(pg_catalog.pg_get_userbyid(counters.relowner)) AS owner_sql,
    pg_catalog.pg_get_userbyid(acting.relowner)::text AS acting,
    acting.rolsuper AS acting_superuser,
    acting.oid <> counters.oid AND NOT (
        has_table_privilege(acting.relowner, counters.oid, 'SELECT')
        AND has_any_column_privilege(acting.relowner, counters.oid, 'UPDATE')
        AND (NOT counters.relrowsecurity OR (
            SELECT roles.rolbypassrls FROM pg_catalog.pg_roles AS roles WHERE roles.oid = acting.relowner))
    ) AS acting_lacks,
    current_user::text AS runner,
    self.rolsuper AS superuser,
    ARRAY(
        SELECT roles.rolname::text FROM pg_catalog.pg_roles AS roles
        WHERE pg_catalog.pg_has_role(counters.relowner, roles.oid, 'MEMBER')
    ) AS rights_of_owner,
    ARRAY(SELECT roles.rolname::text FROM pg_catalog.pg_roles AS roles) AS roles,
    counters.oid::regclass::text AS parent,
    counters.relkind = 'p' AS parent_partitioned,
    ARRAY(SELECT quote_ident(configured.schema) FROM configured ORDER BY configured.rank) AS path,
    (
        SELECT count(*) = 1 FROM pg_catalog.pg_attribute
        WHERE atttypid = 'timestamp'::regtype AND NOT attisdropped AND (
            attrelid = to_regclass(%(parent)s) AND attname = %(last)s
            OR attrelid = to_regclass(%(child)s) AND attname = %(time)s)
    ) AS mixes_zones,
    ARRAY(
        SELECT DISTINCT COALESCE(quote_ident(roles.rolname), 'PUBLIC')
        FROM defaults LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = defaults.grantee WHERE defaults.kind = 'f'
    ) AS grantees,
    to_regnamespace('usagefix') IS NOT NULL OR self.oid <> counters.relowner
        OR EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D')
        OR EXISTS (SELECT FROM defaults WHERE defaults.kind <> 'f') AS closing,
    ARRAY(
        SELECT jsonb_build_object('name', tables.oid::regclass::text, 'kind', tables.relkind, 'whole', tree.level = 0,
            'clustered', (
                SELECT marked.indexrelid::regclass::text FROM pg_catalog.pg_index AS marked
                WHERE marked.indrelid = tables.oid AND marked.indisclustered),
            'identity', CASE WHEN tables.relreplident <> 'i' THEN tables.relreplident::text ELSE (
                SELECT marked.indexrelid::regclass::text FROM pg_catalog.pg_index AS marked
                WHERE marked.indrelid = tables.oid AND marked.indisreplident) END)
        FROM tree JOIN pg_catalog.pg_class AS tables ON tables.oid = tree.relation
        ORDER BY tree.level, tables.oid
    ) AS tree
FROM counters
JOIN acting ON true
JOIN pg_catalog.pg_roles AS self ON self.rolname = current_user
