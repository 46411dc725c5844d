-- Entries, the truth: each author's chain in each stream, with its head.
CREATE TABLE chains (
    id INTEGER PRIMARY KEY,
    stream BLOB NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    held INTEGER NOT NULL,
    UNIQUE (stream, author)
) STRICT;

-- The id is the order of arrival. The body comes last: a row of digests is read without it.
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    chain INTEGER NOT NULL REFERENCES chains (id),
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    signature BLOB,
    body BLOB NOT NULL,
    UNIQUE (chain, seq)
) STRICT;

CREATE TABLE registers (
    chain INTEGER NOT NULL REFERENCES chains (id),
    key BLOB NOT NULL,
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    signature BLOB,
    body BLOB NOT NULL,
    PRIMARY KEY (chain, key)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX registers_by_seq ON registers (chain, seq);

-- A snapshot stands for every entry of its stream that arrived up to and including the entry with this id.
CREATE TABLE snapshots (
    stream BLOB PRIMARY KEY,
    upto INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT;

CREATE TABLE forks (
    stream BLOB NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (stream, author)
) STRICT, WITHOUT ROWID;

CREATE TABLE rivals (
    stream BLOB NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    digest BLOB NOT NULL,
    signature BLOB,
    body BLOB NOT NULL,
    PRIMARY KEY (stream, author, seq, digest),
    FOREIGN KEY (stream, author) REFERENCES forks (stream, author)
) STRICT;

CREATE TABLE quarantine (
    stream BLOB NOT NULL,
    author BLOB NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (stream, author, seq)
) STRICT, WITHOUT ROWID;

-- What the node knows of itself and of others.
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE credentials (
    author BLOB PRIMARY KEY,
    issued_ms INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE peers (
    device BLOB PRIMARY KEY,
    last_heard_ms INTEGER,
    paused INTEGER NOT NULL,
    frontier BLOB
) STRICT;

CREATE TABLE invitations (
    hash BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    expires_ms INTEGER NOT NULL,
    used_ms INTEGER
) STRICT;

CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    outcomes TEXT NOT NULL
) STRICT;

-- Views: derived, can be rebuilt from the entries. A row is named by its id and its mission, so that nobody who writes
-- in one mission can touch what another mission shows. `words` holds the searchable fields in lower case.
CREATE TABLE revision (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    newest INTEGER NOT NULL
) STRICT;
INSERT INTO revision (id, newest) VALUES (1, 0);

CREATE TABLE missions (
    id BLOB NOT NULL PRIMARY KEY,
    rev INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    deleted INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;

CREATE TABLE incidents (
    id BLOB NOT NULL,
    mission BLOB NOT NULL,
    rev INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    words TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (id, mission)
) STRICT;

CREATE TABLE tasks (
    id BLOB NOT NULL,
    mission BLOB NOT NULL,
    rev INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    status TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    incident BLOB,
    assignee BLOB,
    words TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (id, mission)
) STRICT;

CREATE TABLE units (
    id BLOB NOT NULL,
    mission BLOB NOT NULL,
    rev INTEGER NOT NULL,
    callsign TEXT NOT NULL,
    status TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    incident BLOB,
    words TEXT NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (id, mission)
) STRICT;

CREATE TABLE messages (
    id BLOB NOT NULL,
    mission BLOB NOT NULL,
    rev INTEGER NOT NULL,
    sent INTEGER NOT NULL,
    channel BLOB NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (id, mission)
) STRICT;

CREATE TABLE positions (
    unit BLOB NOT NULL,
    mission BLOB NOT NULL,
    rev INTEGER NOT NULL,
    reported INTEGER NOT NULL,
    author BLOB NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (unit, mission)
) STRICT;

CREATE TABLE tracks (
    id INTEGER PRIMARY KEY,
    unit BLOB NOT NULL,
    mission BLOB NOT NULL,
    UNIQUE (unit, mission)
) STRICT;

CREATE TABLE fixes (
    track INTEGER NOT NULL REFERENCES tracks (id),
    at_ms INTEGER NOT NULL,
    fix BLOB NOT NULL,
    PRIMARY KEY (track, at_ms)
) STRICT, WITHOUT ROWID;

-- A settled conflict stays as a row with `open` = 0: listeners who were away must hear that it is over.
CREATE TABLE conflicts (
    mission BLOB NOT NULL,
    subject BLOB NOT NULL,
    field TEXT NOT NULL,
    rev INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    open INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (mission, subject, field)
) STRICT;

CREATE TABLE devices (
    device BLOB PRIMARY KEY,
    rev INTEGER NOT NULL,
    name TEXT NOT NULL,
    issued_ms INTEGER NOT NULL,
    record TEXT NOT NULL
) STRICT;
