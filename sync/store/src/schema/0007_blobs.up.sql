-- Attachments of missions. A removal may come before what it removes: then there is no record yet.
CREATE TABLE attachments (
    id BLOB NOT NULL,
    mission BLOB NOT NULL,
    rev INTEGER NOT NULL,
    written INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    subject BLOB,
    thumbnail BLOB,
    record TEXT,
    PRIMARY KEY (id, mission)
) STRICT;
CREATE INDEX attachments_by_thumbnail ON attachments (thumbnail);

-- Which groups of a blob lie verified in the folder `blobs`, and that they do is as durable as this row.
CREATE TABLE blobs (
    id BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    held BLOB NOT NULL,
    stored INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    PRIMARY KEY (id, bytes)
) STRICT, WITHOUT ROWID;

-- What people or room decided about a blob, over the policy: fetch and keep it (1), or let go of it (0).
CREATE TABLE blob_wishes (
    id BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    keep INTEGER NOT NULL,
    PRIMARY KEY (id, bytes)
) STRICT, WITHOUT ROWID;

-- Devices that said they hold all of a blob.
CREATE TABLE blob_holders (
    id BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    device BLOB NOT NULL,
    PRIMARY KEY (id, bytes, device)
) STRICT, WITHOUT ROWID;
CREATE INDEX attachments_by_time ON attachments (mission, written DESC, id DESC);
CREATE INDEX attachments_by_rev ON attachments (rev);
