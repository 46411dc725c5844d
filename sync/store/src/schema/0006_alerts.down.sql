-- Alerts are derived from their entries, which stay; on the way up again they are shown anew.
DROP TABLE alert_words;
DROP TABLE alerts;
DELETE FROM meta WHERE name = 'views_stale';
