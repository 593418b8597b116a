-- The functions of the application that have a word in their text, have one of some names, are called by a trigger of
-- some tables or their partitions, or name one of the functions found before; without those of extensions. Parameters:
-- words, known_names, relations, names (in lower case), known (oids of functions that need not be read again).
WITH RECURSIVE tree AS (
    SELECT to_regclass(given.name)::oid AS relation FROM unnest(%(relations)s::text[]) AS given (name)
    UNION
    SELECT parents.inhrelid FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
)
SELECT
    proc.oid::bigint AS oid,
    namespace.nspname::text AS schema,
    proc.proname::text AS name,
    proc.oid::regprocedure::text AS signature,
    languages.lanname::text AS language,
    owners.rolname::text AS owner,
    proc.prosecdef AS security_definer,
    (SELECT substr(configured.entry, 13) FROM unnest(proc.proconfig) AS configured (entry)
     WHERE starts_with(configured.entry, 'search_path=')) AS search_path,
    proc.prorettype = 'trigger'::regtype AS is_trigger,
    ARRAY(
        SELECT arguments.name
        FROM unnest(proc.proargnames, proc.proargmodes) WITH ORDINALITY AS arguments (name, mode, place)
        WHERE COALESCE(arguments.mode, 'i') IN ('i', 'b', 'v') AND arguments.name <> ''
        ORDER BY arguments.place
    ) AS arguments,
    ARRAY(
        SELECT 'PUBLIC' WHERE EXISTS (
            SELECT FROM aclexplode(COALESCE(proc.proacl, acldefault('f', proc.proowner))) AS granted
            WHERE granted.grantee = 0)
        UNION ALL
        SELECT roles.rolname::text
        FROM pg_catalog.pg_roles AS roles
        WHERE roles.rolname IN ('anon', 'authenticated') AND has_function_privilege(roles.oid, proc.oid, 'EXECUTE')
    ) AS executors,
    COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc) AS body,
    proc.prokind::text AS kind,
    proc.prosqlbody IS NOT NULL AS atomic,
    CASE WHEN proc.prokind = 'f' THEN pg_get_functiondef(proc.oid) END AS definition,
    pg_catalog.format_type(proc.prorettype, NULL) AS returns,
    proc.proretset AS returns_set,
    COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'name', COALESCE(named.name, ''), 'type', pg_catalog.format_type(types.oid, NULL),
            'category', types.typcategory, 'required', given.place <= proc.pronargs - proc.pronargdefaults)
            ORDER BY given.place)
        FROM unnest(proc.proargtypes::oid[]) WITH ORDINALITY AS given (type, place)
        JOIN pg_catalog.pg_type AS types ON types.oid = given.type
        LEFT JOIN (
            SELECT each.name, row_number() OVER (ORDER BY each.place) AS place
            FROM unnest(proc.proargnames) WITH ORDINALITY AS each (name, place)
            WHERE COALESCE(proc.proargmodes[each.place::integer], 'i') IN ('i', 'b', 'v')
        ) AS named ON named.place = given.place
    ), '[]') AS parameters,
    ARRAY(
        SELECT DISTINCT COALESCE(quote_ident(roles.rolname), 'PUBLIC')
        FROM aclexplode(proc.proacl) AS granted LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
        WHERE granted.grantee <> proc.proowner
    ) AS grantees,
    ARRAY(
        SELECT format('GRANT EXECUTE ON FUNCTION %%s TO %%s%%s', proc.oid::regprocedure,
            COALESCE(quote_ident(roles.rolname), 'PUBLIC'),
            CASE WHEN granted.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
        FROM aclexplode(COALESCE(proc.proacl, acldefault('f', proc.proowner))) AS granted
        LEFT JOIN pg_catalog.pg_roles AS roles ON roles.oid = granted.grantee
        WHERE granted.grantee <> proc.proowner
    ) || format('ALTER FUNCTION %%s OWNER TO %%I', proc.oid::regprocedure, owners.rolname) AS extras,
    ARRAY(
        SELECT format('ALTER FUNCTION %%s DEPENDS ON EXTENSION %%I', proc.oid::regprocedure, extensions.extname)
        FROM pg_catalog.pg_depend AS needs
        JOIN pg_catalog.pg_extension AS extensions ON extensions.oid = needs.refobjid
        WHERE needs.classid = 'pg_proc'::regclass AND needs.objid = proc.oid AND needs.deptype = 'x'
            AND needs.refclassid = 'pg_extension'::regclass
    ) AS needing
FROM pg_catalog.pg_proc AS proc
JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = proc.pronamespace
JOIN pg_catalog.pg_language AS languages ON languages.oid = proc.prolang
JOIN pg_catalog.pg_roles AS owners ON owners.oid = proc.proowner
CROSS JOIN LATERAL (SELECT lower(COALESCE(pg_get_function_sqlbody(proc.oid), proc.prosrc)) AS code) AS texts
WHERE proc.oid::bigint <> ALL (%(known)s::bigint[])
    AND proc.prokind IN ('f', 'p') AND languages.lanname NOT IN ('c', 'internal')
    AND namespace.nspname NOT IN ('pg_catalog', 'information_schema', 'usagefix')
    AND namespace.nspname !~ '^pg_(toast|temp)'
    AND NOT EXISTS (
        SELECT FROM pg_catalog.pg_depend AS belongs
        WHERE belongs.classid = 'pg_proc'::regclass AND belongs.objid = proc.oid AND belongs.deptype = 'e')
    AND (EXISTS (
            SELECT FROM unnest(%(words)s::text[]) AS word (text)
            WHERE strpos(texts.code, lower(replace(word.text, '"', '""'))) > 0)
        OR proc.proname::text = ANY (%(known_names)s::text[])
        OR proc.oid IN (
            SELECT existing.tgfoid FROM pg_catalog.pg_trigger AS existing
            WHERE existing.tgrelid IN (SELECT relation FROM tree))
        OR EXISTS (SELECT FROM unnest(%(names)s::text[]) AS called (name) WHERE strpos(texts.code, called.name) > 0))
ORDER BY signature
