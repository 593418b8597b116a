-- What triggers of this tool do not keep: people, counted once each. It is only verified.
CREATE TABLE fields (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL, observers_count integer NOT NULL DEFAULT 0
);
CREATE TABLE observations (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    field_id bigint NOT NULL REFERENCES fields ON DELETE CASCADE, observer_id bigint NOT NULL
);
INSERT INTO fields (name) SELECT 'Field ' || n FROM generate_series(1, 40) n;
INSERT INTO observations (field_id, observer_id)
SELECT f, o % 6 FROM generate_series(1, 40) f, generate_series(1, 20) o WHERE (f + o) % 3 > 0;
UPDATE fields SET observers_count = (SELECT count(DISTINCT observer_id) FROM observations WHERE field_id = fields.id);
UPDATE fields SET observers_count = observers_count + 1 WHERE id % 8 = 0;
