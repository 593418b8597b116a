-- The server and the session, for the line that names the target and for checks before writing. No path is set yet, so
-- every name has its schema.
SELECT
    pg_catalog.current_setting('server_version') AS server_version,
    pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS version_number,
    pg_catalog.pg_backend_pid() AS backend_pid,
    current_user::pg_catalog.text AS role,
    pg_catalog.current_database()::pg_catalog.text AS database,
    pg_catalog.pg_is_in_recovery() AS standby,
    (SELECT CASE WHEN of_session.setting OPERATOR(pg_catalog.=) 'on' THEN of_session.source END
        FROM pg_catalog.pg_settings AS of_session
        WHERE of_session.name OPERATOR(pg_catalog.=) 'default_transaction_read_only') AS read_only_by,
    pg_catalog.current_setting('is_superuser')::pg_catalog.bool AS superuser,
    pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.=) 'replica' AS triggerless,
    pg_catalog.current_setting('search_path') AS search_path,
    pg_catalog.getdatabaseencoding()::pg_catalog.text AS encoding,
    -- A relation of the ledger that could run somebody's code when it is read: it is no table (but a view), a column
    -- has a type that somebody made, or the planner evaluates expressions. usagefix creates none of that
    (SELECT pg_catalog.min(parts.relname::pg_catalog.text)
        FROM pg_catalog.pg_class AS parts
        JOIN pg_catalog.pg_namespace AS ledger ON ledger.oid OPERATOR(pg_catalog.=) parts.relnamespace
        WHERE ledger.nspname OPERATOR(pg_catalog.=) 'usagefix' AND CASE
            WHEN parts.relname OPERATOR(pg_catalog.~) '^(rejected|unnoted)_'
                THEN parts.relkind OPERATOR(pg_catalog.<>) 'S'::pg_catalog."char"
            WHEN parts.relname OPERATOR(pg_catalog.~) '^(counters|history|saved_objects|backfills|corrections|baselines'
                    '|held_at_zero|refused_writes)$'
                THEN parts.relkind OPERATOR(pg_catalog.<>) 'r'::pg_catalog."char" OR parts.relhassubclass
                    OR EXISTS (
                        SELECT FROM pg_catalog.pg_attribute AS columns
                        JOIN pg_catalog.pg_type AS types ON types.oid OPERATOR(pg_catalog.=) columns.atttypid
                        WHERE columns.attrelid OPERATOR(pg_catalog.=) parts.oid
                            AND types.typnamespace OPERATOR(pg_catalog.<>) 'pg_catalog'::pg_catalog.regnamespace)
                    OR EXISTS (
                        SELECT FROM pg_catalog.pg_index AS keys
                        WHERE keys.indrelid OPERATOR(pg_catalog.=) parts.oid
                            AND (keys.indexprs IS NOT NULL OR keys.indpred IS NOT NULL))
                    OR EXISTS (
                        SELECT FROM pg_catalog.pg_statistic_ext AS statistics
                        WHERE statistics.stxrelid OPERATOR(pg_catalog.=) parts.oid AND statistics.stxexprs IS NOT NULL)
            ELSE false END) AS trap
