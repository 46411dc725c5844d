-- The way back is for a database without attachments: earlier versions cannot read a stream that they do not know.
CREATE TEMP TABLE way_back (attachments INTEGER CHECK (attachments = 0));
INSERT INTO way_back SELECT count(*) FROM chains WHERE substr(stream, 17, 1) = x'07';
DROP TABLE way_back;
DROP TABLE blob_holders;
DROP TABLE blob_wishes;
DROP TABLE blobs;
DROP TABLE attachments;
