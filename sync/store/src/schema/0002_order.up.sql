-- The orders in which lists are shown; the filters that most lists use lie in the index, so counting reads no row.
CREATE INDEX missions_by_time ON missions (opened_ms, id, deleted);
CREATE INDEX incidents_by_time ON incidents (mission, opened_ms, id, deleted, status);
CREATE INDEX tasks_by_urgency ON tasks (mission, priority, created_ms, id, deleted, status);
CREATE INDEX tasks_by_incident ON tasks (mission, incident, priority, created_ms, id)
    WHERE incident IS NOT NULL;
CREATE INDEX tasks_by_assignee ON tasks (mission, assignee, priority, created_ms, id)
    WHERE assignee IS NOT NULL;
CREATE INDEX units_by_callsign ON units (mission, callsign, id, deleted, status);
CREATE INDEX messages_by_time ON messages (mission, sent, id);
CREATE INDEX messages_by_channel ON messages (mission, channel, sent, id);
CREATE INDEX positions_by_unit ON positions (mission, unit);
CREATE INDEX conflicts_by_time ON conflicts (mission, open, at_ms, subject, field);

-- The order in which rows changed, for listeners that come back.
CREATE UNIQUE INDEX missions_by_rev ON missions (rev);
CREATE UNIQUE INDEX incidents_by_rev ON incidents (rev);
CREATE UNIQUE INDEX tasks_by_rev ON tasks (rev);
CREATE UNIQUE INDEX units_by_rev ON units (rev);
CREATE UNIQUE INDEX messages_by_rev ON messages (rev);
CREATE UNIQUE INDEX positions_by_rev ON positions (rev);
CREATE UNIQUE INDEX conflicts_by_rev ON conflicts (rev);
