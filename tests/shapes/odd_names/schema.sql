-- Names that only quotes make possible, in a schema of their own.
CREATE SCHEMA "Shop floor";
CREATE TABLE "Shop floor"."Order ""A"".x" (
    "No." integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "label." text, "№ of items" bigint DEFAULT 0, "the last" timestamptz
);
CREATE TABLE "Shop floor"."100% items" (
    "$id" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "select" integer REFERENCES "Shop floor"."Order ""A"".x" ON DELETE CASCADE,
    "group" text, "Event" boolean, "from" integer, "when" timestamptz DEFAULT clock_timestamp(),
    "who" bigint NOT NULL
);
CREATE INDEX ON "Shop floor"."100% items" ("select");
INSERT INTO "Shop floor"."Order ""A"".x" ("label.") SELECT 'Order ' || n FROM generate_series(1, 40) n;
INSERT INTO "Shop floor"."100% items" ("select", "group", "Event", "from", "who")
SELECT o, CASE WHEN i % 3 > 0 THEN 'it''s "--" % $$ event' ELSE 'other' END, i % 4 > 0, i % 5 + 1, i
FROM generate_series(1, 40) o, generate_series(1, 30) i;
UPDATE "Shop floor"."Order ""A"".x" SET "№ of items" = (
    SELECT sum("from") FROM "Shop floor"."100% items"
    WHERE "select" = "No." AND "group" = 'it''s "--" % $$ event' AND "Event");
UPDATE "Shop floor"."Order ""A"".x" SET "№ of items" = "№ of items" + 3 WHERE "No." % 4 = 0;
