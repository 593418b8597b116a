-- The DELETE of events, explained only: the server says what it would refuse of any, and does nothing.
EXPLAIN DELETE FROM public.preset_usage
