-- The views that read the counter (its column, or whole rows), and the materialised views that read the events, also
-- through other views; each comes after those that it reads. counter: it reads the counter; through: the views that it
-- reads for that; keyed: it has a unique index, so it can be refreshed CONCURRENTLY; owned: this role may refresh it.
WITH RECURSIVE tree AS (
    SELECT tables.relation, tables.counter
    FROM (VALUES (to_regclass(%(parent)s)::oid, true), (to_regclass(%(child)s)::oid, false))
        AS tables (relation, counter)
    UNION ALL
    SELECT parents.inhrelid, tree.counter
    FROM pg_catalog.pg_inherits AS parents JOIN tree ON parents.inhparent = tree.relation
), needs AS (
    SELECT rules.ev_class AS view, rules.oid AS rule, needed.refobjid AS relation, needed.refobjsubid AS place
    FROM pg_catalog.pg_depend AS needed
    JOIN pg_catalog.pg_rewrite AS rules ON rules.oid = needed.objid AND rules.ev_class <> needed.refobjid
    JOIN pg_catalog.pg_class AS views ON views.oid = rules.ev_class AND views.relkind IN ('v', 'm')
    WHERE needed.classid = 'pg_rewrite'::regclass AND needed.refclassid = 'pg_class'::regclass
), reading AS (
    SELECT needs.view, tree.counter, 1 AS depth
    FROM tree
    JOIN needs ON needs.relation = tree.relation
    JOIN pg_catalog.pg_class AS tables ON tables.oid = tree.relation
    JOIN pg_catalog.pg_rewrite AS rules ON rules.oid = needs.rule
    LEFT JOIN pg_catalog.pg_attribute AS columns ON columns.attrelid = tree.relation AND columns.attname = %(column)s
    WHERE NOT tree.counter OR needs.place = columns.attnum
        -- A whole row is a variable of the row's type; the server notes no column for it.
        OR strpos(rules.ev_action::text, concat(':varattno 0 :vartype ', tables.reltype, ' ')) > 0
    UNION
    SELECT needs.view, reading.counter, reading.depth + 1 FROM reading JOIN needs ON needs.relation = reading.view
    WHERE reading.depth < 64 -- views may read each other in a circle, which only a query of them refuses
)
SELECT found.view::regclass::text AS name, views.relkind = 'm' AS materialised, views.relispopulated AS populated,
    found.counter AS counter,
    ARRAY(
        SELECT DISTINCT needs.relation::regclass::text FROM needs
        JOIN reading ON reading.view = needs.relation AND reading.counter = found.counter
        WHERE needs.view = found.view ORDER BY 1
    ) AS through,
    EXISTS (
        SELECT FROM pg_catalog.pg_index AS keys
        WHERE keys.indrelid = found.view AND keys.indisunique AND keys.indimmediate AND keys.indisvalid
            AND keys.indpred IS NULL AND keys.indexprs IS NULL
    ) AS keyed,
    quote_ident(pg_catalog.pg_get_userbyid(views.relowner)) AS owner,
    pg_catalog.pg_has_role(views.relowner, 'USAGE') AS owned
FROM (
    SELECT reading.view, bool_or(reading.counter) AS counter, max(reading.depth) AS depth
    FROM reading GROUP BY reading.view
) AS found
JOIN pg_catalog.pg_class AS views ON views.oid = found.view
WHERE found.counter OR views.relkind = 'm'
ORDER BY found.depth, name
