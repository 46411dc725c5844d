-- Fixes reported here that no sealed segment holds yet: the only copy there is, in the order of their track. They belong
-- to no view. The table outlives the way back, which finds it here again.
CREATE TABLE IF NOT EXISTS pending_fixes (
    unit BLOB NOT NULL,
    mission BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    reported_ms INTEGER NOT NULL,
    fix BLOB NOT NULL,
    PRIMARY KEY (unit, mission, at_ms)
) STRICT, WITHOUT ROWID;
