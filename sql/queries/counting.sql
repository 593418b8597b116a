-- Whether new uses are counted: the trigger exists and is enabled.
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_trigger
    WHERE tgrelid = to_regclass(%(child)s)
        AND tgname = %(trigger_auto_increment)s AND tgenabled IN ('O', 'A')
        AND tgtype = 4 AND tgfoid = to_regprocedure(%(auto_increment)s)
) AS counting
