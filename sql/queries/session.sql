-- The server and the session, for the line that names the target and for checks before writing.
SELECT
    current_setting('server_version') AS server_version,
    current_setting('server_version_num')::integer AS version_number,
    pg_catalog.pg_backend_pid() AS backend_pid,
    current_user::text AS role,
    pg_catalog.current_database()::text AS database,
    pg_catalog.pg_is_in_recovery() AS standby,
    current_setting('default_transaction_read_only')::boolean AS read_only
