-- When the application recorded a use last; null where it never did.
SELECT max(event.created_at)::timestamptz AS newest FROM public.preset_usage AS event
