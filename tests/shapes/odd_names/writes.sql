INSERT INTO "Shop floor"."100%% items" ("select", "group", "Event", "from", "who")
SELECT p, 'it''s "--" %% $$ event', p %% 5 > 0, p %% 7, %(user)s FROM unnest(%(some)s::int[]) p
--
UPDATE "Shop floor"."100%% items" SET "Event" = NOT "Event", "from" = NULLIF("from", 3)
WHERE "who" = %(user)s AND "select" = ANY (%(some)s::int[])
--
UPDATE "Shop floor"."100%% items" SET "group" = 'none' WHERE "who" = %(user)s AND "select" = %(one)s
--
DELETE FROM "Shop floor"."100%% items" WHERE "who" = %(user)s AND "$id" %% 3 = 0
