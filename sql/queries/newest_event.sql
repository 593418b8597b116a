-- When the application last recorded a use; null if never.
SELECT max(event.created_at)::timestamptz AS newest FROM public.preset_usage AS event
