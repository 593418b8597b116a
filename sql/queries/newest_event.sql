-- When the application recorded a use last; null where it never did.
SELECT max(preset_usage.created_at)::timestamptz AS newest FROM public.preset_usage
