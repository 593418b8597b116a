-- The event triggers that fire for a command and may forbid it. Parameter: tag (such as DROP INDEX; null: any).
SELECT quote_ident(events.evtname) AS name, functions.proname::text AS function
FROM pg_catalog.pg_event_trigger AS events JOIN pg_catalog.pg_proc AS functions ON functions.oid = events.evtfoid
WHERE events.evtenabled IN ('O', 'A') AND events.evtevent <> 'table_rewrite'
    AND (%(tag)s::text IS NULL OR events.evttags IS NULL OR %(tag)s = ANY (events.evttags))
ORDER BY events.evtname
