SELECT 'pieces_of_order' AS counter, "No."::text AS row, "№ of items" AS shown,
    (SELECT COALESCE(sum("from"), 0) FROM "Shop floor"."100% items"
    WHERE "select" = "No." AND "group" = 'it''s "--" % $$ event' AND "Event") AS truth
FROM "Shop floor"."Order ""A"".x"
