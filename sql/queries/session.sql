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
    pg_catalog.getdatabaseencoding()::pg_catalog.text AS encoding
