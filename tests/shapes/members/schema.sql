-- Members by status, an enum: who is approved, left or was thrown out.
CREATE TYPE membership AS ENUM ('invited', 'approved', 'banned');
CREATE TABLE groups (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name varchar(80) NOT NULL, members_count integer NOT NULL DEFAULT 0 CHECK (members_count >= 0)
);
CREATE TABLE group_members (
    group_id integer NOT NULL REFERENCES groups ON DELETE CASCADE ON UPDATE CASCADE,
    user_id bigint NOT NULL,
    status membership NOT NULL DEFAULT 'invited',
    PRIMARY KEY (group_id, user_id)
);
INSERT INTO groups (name) SELECT 'Group ' || n FROM generate_series(1, 40) n;
INSERT INTO group_members
SELECT g, u, (enum_range(NULL::membership))[1 + (g + u) % 3] FROM generate_series(1, 40) g, generate_series(1, 30) u;
UPDATE groups SET members_count = (
    SELECT count(*) FROM group_members WHERE group_id = groups.id AND status = 'approved');
UPDATE groups SET members_count = members_count + 1 WHERE id % 3 = 0;
