//! Every limit of the system in one place, each with its reason; the unit is the last word of the name.

/// Largest frame a peer may send. A frame is held in memory whole before it is parsed, for each of the classes.
pub const FRAME_BYTES_MAX: usize = 2 << 20;
/// Frames up to this size are packed against what was said before on their stream, and nothing unpacks to more; larger ones
/// are packed already.
pub const SMALL_FRAME_BYTES_MAX: usize = 4 << 10;
/// So much of what was said last is remembered at both ends of each stream: two dozen edits. Twice as much gains nothing at
/// three times the work.
pub const WINDOW_BYTES: usize = 8 << 10;
/// A pack is closed when its raw bodies reach this size: bundles of changes gain little beyond it.
pub const PACK_RAW_BYTES: usize = 1 << 20;
/// What a pack may unpack to: one full pack plus one largest body; a bomb is cut off here.
pub const UNPACKED_BYTES_MAX: usize = 4 << 20;
/// Entries in one pack; bounds the work of one step.
pub const PACK_ENTRIES_MAX: usize = 4_000;
/// Largest body of one entry. An import gesture of 200 incidents stays well below.
pub const ENTRY_BODY_BYTES_MAX: usize = 512 << 10;
/// Operations of one change: an import gesture of 200 incidents makes 2,400. A few bytes can claim billions.
pub const CHANGE_OPS_MAX: usize = 1 << 16;
/// Changes that one change may follow: as many as there are authors at work at once in a large org.
pub const CHANGE_DEPS_MAX: usize = 4_096;
/// Operations in one pack of changes: a full pack has far fewer than one in a byte.
pub const PACK_OPS_MAX: usize = 1 << 18;
/// At least one signature in so many entries of an author, so that a receiver need not buffer without proof.
pub const UNSIGNED_RUN_ENTRIES_MAX: usize = 500;
/// Heads named in one frontier frame; larger frontiers travel in several frames.
pub const FRONTIER_FRAME_HEADS: usize = 8_000;
/// Bodies of changes between places where a pack can be cut again, on wide links: some 150 changes, 7 kB as a bundle, which
/// is less than a pack at 64 kbit/s.
pub const CUT_SPAN_BYTES: usize = 32 << 10;
/// The same on narrow links, where twenty signatures for each cut are a burden: a pack of 64 kB holds one cut.
pub const CUT_SPAN_NARROW_BYTES: usize = 512 << 10;
/// Authors in one pack; with their credentials they stay far below a frame.
pub const PACK_AUTHORS_MAX: usize = 256;
/// When signatures of a run are thinned for sending, one is kept in so many bytes of bodies: a receiver can then relay
/// the run in packs of any start without exceeding [`PACK_RAW_BYTES`].
pub const SIGNED_SPAN_BYTES: usize = 64 << 10;
/// Packs sent and not yet acknowledged, per link, in a class and those more urgent: what a cut can cost to send again.
pub const IN_FLIGHT_BYTES_MAX: usize = 1 << 20;
/// The same, as a number of packs: past it, small items gather into larger packs until an acknowledgement comes, and
/// four classes together stay far below [`LINK_QUEUE_FRAMES_MAX`].
pub const IN_FLIGHT_PACKS_MAX: usize = 32;
/// Packs received and not yet dealt with, per link: what an honest sender may have in flight, in every class it uses.
pub const INBOX_BYTES_MAX: usize = 8 << 20;
/// Requests for entries that wait for their answer, per link; the rest wait to be sent. Half of what is served, since
/// an answer may be complete here before it is done with there.
pub const ASKS_SENT_MAX: usize = 32;
/// Requests for entries a peer may have under way before its link is closed.
pub const ASKS_SERVED_MAX: usize = 64;
/// Heads a peer may claim, in about 100 bytes each: ten times a large org's.
pub const PEER_HEADS_MAX: usize = 400_000;
/// Credentials of authors of whom nothing was admitted, kept per link.
pub const OFFERED_CREDENTIALS_MAX: usize = 4_096;
/// Links one device may hold at once, while duplicates are being ended.
pub const DEVICE_LINKS_MAX: usize = 4;
/// Scopes a greeting may name.
pub const GREETING_SCOPES_MAX: usize = 4_096;
/// Entries that wait for a missing predecessor, in all documents together; past it the oldest waiting are asked for again.
pub const HELD_ENTRIES_MAX: usize = 100_000;
/// Frames not yet taken by a slow link before the session is closed and begun again from frontiers.
pub const LINK_QUEUE_FRAMES_MAX: usize = 1_024;
/// Events taken into one step, that is into one commit.
pub const STEP_EVENTS_MAX: usize = 256;
/// Commands that wait for the engine before the API answers "busy".
pub const COMMAND_QUEUE_MAX: usize = 1_024;
/// One's own clock is never dragged further ahead than this by what others say.
pub const CLOCK_DRAG_MS_MAX: u64 = 60_000;
/// A clock further from its peers than this is flagged to people.
pub const CLOCK_SUSPECT_MS: u64 = 300_000;
/// Tail of raw changes after which a document is saved as a snapshot.
pub const SNAPSHOT_TAIL_ENTRIES: usize = 500;
/// Names: callsigns, mission names, device names.
pub const NAME_BYTES_MAX: usize = 120;
/// Titles, addresses and other one-line texts.
pub const LINE_BYTES_MAX: usize = 400;
/// Notes and messages.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// Fixes in one track entry; longer imports are cut into several.
pub const TRACK_FIXES_MAX: usize = 1_024;
/// Fixes reported here that make a segment: ten minutes at one a second, after which signature and pack cost a quarter
/// of a byte each.
pub const SEGMENT_FIXES: usize = 600;
/// A fix waits no longer than this for others to be sealed with.
pub const SEGMENT_AGE_MS_MAX: u64 = 600_000;
/// A unit that has reported nothing for so long is not waited for: longer than a tunnel or a reboot.
pub const SEGMENT_SILENCE_MS: u64 = 120_000;
/// Fewer fixes than this wait on when their unit falls silent, or a unit that reports rarely would be sealed fix by fix.
pub const SEGMENT_SILENCE_FIXES_MIN: u64 = 60;
/// Tracks sealed in one step; the rest follow with the next tick. So many take about a tenth of a second on a Pi.
pub const SEGMENTS_PER_STEP: usize = 16;
/// Fixes read in one step while position history is thinned: then no further stretch is begun, and the rest follow with
/// the next tick. A day of ten vehicles at one a second takes a minute in this way.
pub const THINNED_FIXES_PER_STEP: usize = 10_000;
/// Entries of position history dropped in one step, then no further chain is begun: a day of ten vehicles at one a second.
pub const DROPPED_SEGMENTS_PER_STEP: usize = 1_440;
/// Hours of tracks written anew in one step after their entries were dropped: about as much work as thinning does.
pub const SWEPT_HOURS_PER_STEP: usize = 4;
/// A node writes nothing of its own accord so soon after a start: a disk that was put back hears from a peer that its
/// history went further, and must not write under numbers that are taken. Nor is a disk that refused tried again sooner.
pub const UNASKED_AFTER_START_MS: u64 = 60_000;
/// Edits in one gesture, such as one chunk of an import.
pub const GESTURE_EDITS_MAX: usize = 200;
/// Largest request body of the API, imports aside.
pub const REQUEST_BODY_BYTES_MAX: usize = 1 << 20;
/// Largest import file; a day of calls of a large city is a tenth of this.
pub const IMPORT_BYTES_MAX: usize = 64 << 20;
/// Rejected rows that an import names one by one; the rest are only counted. A wrong file is wrong in every row.
pub const IMPORT_REJECTED_ROWS_MAX: usize = 1_000;
/// Columns of a table; a row of nothing but commas must not fill the memory.
pub const IMPORT_COLUMNS_MAX: usize = 1_024;
/// Largest row of a table; an unclosed quote must not swallow the rows after it.
pub const IMPORT_ROW_BYTES_MAX: usize = 64 << 10;
/// Rows of one page of a list.
pub const PAGE_ROWS_MAX: u32 = 500;
/// Rows of a page when the caller names no size.
pub const PAGE_ROWS_DEFAULT: u32 = 100;
/// Life of an invitation unless the caller says otherwise.
pub const INVITE_LIFE_S_DEFAULT: u64 = 24 * 3600;
/// Documents kept open in memory.
pub const OPEN_DOCUMENTS_MAX: usize = 64;
/// Changes in all open documents together, beyond which the least used are closed: each takes some 580 bytes with what the
/// allocator keeps, so 93 MB.
pub const OPEN_CHANGES_MAX: usize = 160_000;
/// How often what peers hold is written down, seconds: losing it costs only a longer first exchange.
pub const PEERS_PERSIST_S: u64 = 10;
/// Requests with an Idempotency-Key whose outcomes are remembered: a day of a busy node, some 3 MB on disk.
pub const REQUESTS_REMEMBERED_MAX: u64 = 10_000;
/// Bytes queued for one link before it counts as slow: what the protocol may have in flight in every class, twice.
pub const LINK_QUEUE_BYTES_MAX: usize = 16 << 20;
/// Connections at once; a hub of a large org and its strays.
pub const LINKS_MAX: usize = 2_048;
/// Events of links not yet taken by the engine; past it, peers wait in their own windows.
pub const LINK_EVENTS_MAX: usize = 256;
/// Largest message in an enrolment: two certificates, a credential and an address.
pub const ENROL_FRAME_BYTES_MAX: usize = 8 << 10;
/// Newcomers at the door at once.
pub const ENROLS_WAITING_MAX: usize = 16;

/// Frames shorter than this are sent again whole after a cut: naming their beginning would cost as much.
pub const RESUME_BYTES_MIN: usize = 512;
/// Beginnings of frames kept for one peer until it comes back: one for each class.
pub const PARTIALS_MAX: usize = 6;
/// Frames kept for one peer after a cut, to send their rest: what may be in flight in all classes.
pub const UNFINISHED_BYTES_MAX: usize = 4 << 20;
/// Peers for whom beginnings or rests of frames are kept; past it the one parted from longest ago is forgotten.
pub const RESUME_PEERS_MAX: usize = 64;
/// Frontiers of one's own that peers may name as a base: what was said in a week of contacts on the hour, with room.
pub const MARKS_MAX: usize = 1_024;
/// The first pack on a link of which nothing is known: two seconds at 64 kbit/s.
pub const PACK_FIRST_BYTES: usize = 16 << 10;
/// Smallest pack worth its headers: one packet.
pub const PACK_BYTES_MIN: usize = 1_100;
/// A frame of at most this many bytes fits one packet on every link.
pub const PACKET_BYTES: usize = 1_100;
/// A pack takes this long on its link, milliseconds: the longest that a cut can cost in work begun, while headers and
/// signatures stay a small part.
pub const PACK_SPAN_MS: u64 = 700;
/// Time that a peer's commit adds to a round trip, milliseconds; packs go on meanwhile.
pub const COMMIT_SPAN_MS: u64 = 200;
/// A lacking item that another peer is about to bring is waited for this long, milliseconds, and a few round trips more.
pub const PATIENCE_MS: u64 = 2_000;
/// What saying who holds what may take of a link of known rate, one part in so many.
pub const ANNOUNCE_SHARE: u64 = 50;
/// Radius of an alert's area, metres: half the way round the Earth is everywhere.
pub const ALERT_RADIUS_M_MAX: u32 = 20_038_000;
/// Words of devices shown with one alert: ten times a large org.
pub const ALERT_WORDS_MAX: usize = 20_000;
/// What a device holds is told once nothing has changed for so long: the burst that an order causes is over by then.
pub const HOLDS_QUIET_S: u64 = 10;
/// While things go on changing it is told at most so often, in a small org.
pub const HOLDS_PAUSE_S_MIN: u64 = 30;
/// And at least so often, in the largest: people must not read an hour-old word.
pub const HOLDS_PAUSE_S_MAX: u64 = 600;
/// What all devices of a scope together may say of what they hold, bits a second: 4 % of the narrowest link, and
/// nothing at all while nothing changes.
pub const HOLDS_BPS: u64 = 400;
/// Authors in one summary: with four streams each they stay below the largest body; a large org has a tenth.
pub const HOLDS_AUTHORS_MAX: usize = 10_000;
/// Largest parcel: what a Pi can hold in memory a few times over; a larger org exports mission by mission.
pub const PARCEL_BYTES_MAX: usize = 64 << 20;
/// Header of a parcel: a credential and a few numbers, with room for a long name.
pub const PARCEL_HEADER_BYTES_MAX: usize = 4 << 10;
/// What all packs of a parcel may unpack to together; a bomb is cut off here before anything is taken in.
pub const PARCEL_UNPACKED_BYTES_MAX: usize = 512 << 20;
/// Packs of a parcel that one step takes in: other work waits for about 2 MiB of bodies at most.
pub const PARCEL_STEP_PACKS: usize = 8;
/// Addresses at which a device may say it is reached: its interfaces and a name.
pub const ADDRESSES_MAX: usize = 8;
/// One of them: a name of 253 bytes, a port, a kind of link.
pub const ADDRESS_BYTES_MAX: usize = 280;
/// Changes of a document after which it is rolled to its next generation: automerge loads 100,000 in 0.8 s on a laptop, in
/// many times that on a Pi, and history cannot be cut.
pub const GENERATION_CHANGES_MAX: u64 = 50_000;
/// Size of a saved document at which it is rolled: what a Pi writes and reads at each snapshot.
pub const GENERATION_BYTES_MAX: usize = 2 << 20;
/// Content of one start entry of a generation: small enough to be sent and resumed on any link, large enough that a
/// document of 2,000 records has few.
pub const START_ENTRY_BYTES: usize = 48 << 10;
/// A document that is large in what it shows is not rolled again before it has so many more changes: a roll would not
/// make it smaller.
pub const ROLL_CHANGES_MIN: u64 = 1_000;
/// Authors that one floor names, with who they are: in about 200 bytes each they fit an entry.
pub const FLOOR_HEADS_MAX: usize = 2_000;
/// A record deleted longer ago than this is carried into the next generation as its id and its deletion alone.
pub const DELETED_KEPT_MS: u64 = 30 * 24 * 3600 * 1000;
/// Requests to fill one and the same gap in a session: a peer that has dropped the entries cannot fill it, however often
/// it is asked, and the floor that explains it may be on its way.
pub const GAP_ASKS_MAX: u32 = 4;
/// A blob is verified, stored and asked for in groups of so many bytes: hashes take 0.4 % beside them, and one group is
/// what the slowest link carries in a quarter of a minute.
pub const BLOB_GROUP_BYTES: u64 = 16 << 10;
/// Largest blob: half an hour of video of a helmet camera, or a map of a region.
pub const BLOB_BYTES_MAX: u64 = 512 << 20;
/// Blobs of at most this many bytes travel in the class of thumbnails: one group.
pub const BLOB_SMALL_BYTES_MAX: u64 = BLOB_GROUP_BYTES;
/// Largest small picture that this node makes: a second and a half at 64 kbit/s.
pub const THUMBNAIL_BYTES_MAX: usize = 8 << 10;
/// Longer side of a small picture, pixels.
pub const THUMBNAIL_SIDE_PIXELS: u32 = 160;
/// Memory that decoding a picture may take, bytes: a photo of 24 megapixels. A bomb gets no small picture.
pub const PICTURE_DECODE_BYTES_MAX: u64 = 96 << 20;
/// Largest side of a picture that gets a small one, pixels.
pub const PICTURE_SIDE_PIXELS_MAX: u32 = 16_384;
/// Groups in one part: what fits a frame with its hashes, with room.
pub const BLOB_PART_GROUPS_MAX: u32 = 32;
/// Ranges that a frame may name of a blob: beyond it they are told in halves.
pub const BLOB_RANGES_MAX: usize = 512;
/// Blobs of which one link is asked at once whether its peer holds them.
pub const BLOBS_SOUGHT_MAX: usize = 64;
/// Blobs a peer may want of one link; past it the link is closed. Twice what an honest one asks for.
pub const BLOBS_SERVED_MAX: usize = 256;
/// Blobs of which a peer is told how much is here, per link; past it the one it asked for longest ago is forgotten.
pub const BLOB_INTERESTS_MAX: usize = 4_096;
/// Groups promised by one link at once, at first: two seconds at 128 kbit/s.
pub const BLOB_CLAIM_GROUPS_FIRST: u32 = 2;
/// The same at most: 2 MiB, a round trip of a fast and long link.
pub const BLOB_CLAIM_GROUPS_MAX: u32 = 128;
/// Blobs that are fetched at once; the others wait. Each takes some hundred bytes of memory.
pub const BLOBS_WANTED_MAX: usize = 65_536;
/// What blobs may take on disk unless the settings say otherwise.
pub const BLOB_QUOTA_BYTES_DEFAULT: u64 = 2 << 30;
/// Free bytes of the disk below which no blob is taken, unless the settings say otherwise: the database needs room too.
pub const BLOB_FREE_BYTES_MIN_DEFAULT: u64 = 256 << 20;
