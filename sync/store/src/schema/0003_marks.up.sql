-- The step that each chain grew in last, numbered from 1; and frontiers of this node's own that peers may name as what
-- they remember of it, each with the newest step that it covers for sure.
ALTER TABLE chains ADD COLUMN grown INTEGER NOT NULL DEFAULT 0;
CREATE INDEX chains_by_growth ON chains (grown);

CREATE TABLE marks (
    id INTEGER PRIMARY KEY,
    mark BLOB NOT NULL UNIQUE,
    grown INTEGER NOT NULL
) STRICT;
