-- The DELETE of events, with EXPLAIN only: the server reports what it would refuse for any row, and changes nothing.
EXPLAIN DELETE FROM public.preset_usage
