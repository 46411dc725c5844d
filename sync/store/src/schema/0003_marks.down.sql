DROP TABLE marks;
DROP INDEX chains_by_growth;
ALTER TABLE chains DROP COLUMN grown;
