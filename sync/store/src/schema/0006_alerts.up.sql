-- Alerts as they stand, by the device that raised them: nobody can put another alert in the place of one. `mission` is
-- sixteen zero bytes for those of the whole org.
CREATE TABLE alerts (
    id BLOB NOT NULL,
    mission BLOB NOT NULL,
    device BLOB NOT NULL,
    rev INTEGER NOT NULL,
    raised INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    cancelled INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (id, mission, device)
) STRICT;
CREATE INDEX alerts_by_time ON alerts (mission, raised, id, device, cancelled, ends_ms);
CREATE UNIQUE INDEX alerts_by_rev ON alerts (rev);

-- What was said to alerts, known here or not: 0 heard, 1 called off. One word of each device counts, its first.
CREATE TABLE alert_words (
    alert BLOB NOT NULL,
    mission BLOB NOT NULL,
    kind INTEGER NOT NULL,
    device BLOB NOT NULL,
    at INTEGER NOT NULL,
    hub INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (alert, mission, kind, device)
) STRICT;

-- Streams of alerts that an earlier program could only keep are to be shown now: the views are written anew.
INSERT INTO meta (name, value) SELECT 'views_stale', X'01'
WHERE EXISTS (SELECT 1 FROM chains WHERE substr(stream, 17, 1) = X'06');
