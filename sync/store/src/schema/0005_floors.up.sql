-- What command posts hold for good, by the entry of `control` that says so; derived from there.
CREATE TABLE floors (
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    stream BLOB NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (author, seq)
) STRICT, WITHOUT ROWID;

-- The generation in which each document is kept; none for the first.
CREATE TABLE generations (
    stream BLOB PRIMARY KEY,
    number INTEGER NOT NULL,
    tag BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Where a chain begins here: entries up to `base` are not needed any more, `base_digest` is the chain digest there.
ALTER TABLE chains ADD COLUMN base INTEGER NOT NULL DEFAULT 0;
ALTER TABLE chains ADD COLUMN base_digest BLOB NOT NULL DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';

-- Entries that this node was to have and passes over, since a floor covers them.
CREATE TABLE skips (
    stream BLOB NOT NULL,
    author BLOB NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (stream, author, first)
) STRICT, WITHOUT ROWID;
