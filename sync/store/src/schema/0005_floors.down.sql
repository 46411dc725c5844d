-- Back only while no document was rolled and no chain begins above its first entry: an earlier program could not read it.
CREATE TEMP TABLE way_back (blocked INTEGER NOT NULL CHECK (blocked = 0)) STRICT;
INSERT INTO way_back SELECT count(*) FROM generations;
INSERT INTO way_back SELECT count(*) FROM chains WHERE base > 0;
DROP TABLE way_back;
DROP TABLE skips;
ALTER TABLE chains DROP COLUMN base_digest;
ALTER TABLE chains DROP COLUMN base;
DROP TABLE generations;
DROP TABLE floors;
