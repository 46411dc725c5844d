//! The targets, with inputs that a mutation can start from.

mod parcel;
mod window;

use std::collections::BTreeSet;

use ed25519_dalek::{Signer, SigningKey};
use holdfast_domain::clock::{Hlc, Now};
use holdfast_domain::entry::{Digest, Entry, EntryKey, ShortDigest, Signature};
use holdfast_domain::feed::{self, AlertBody, ControlBody, HoldsBody, MessageBody, RegisterBody, TrackBody, TrackSpan};
use holdfast_domain::frame::{Flow, Frame, FrameV1, Greeting, LinkId, PackForm, PackRange};
use holdfast_domain::frontier::{Fingerprint, Mark};
use holdfast_domain::geography::LatLon;
use holdfast_domain::id::{MessageId, MissionId};
use holdfast_domain::identity::{AuthorId, Credential, DeviceCredential, DeviceRole, OrgId, PublicKey};
use holdfast_domain::limits::TRACK_FIXES_MAX;
use holdfast_domain::message::Channel;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::track::Fix;
use holdfast_formats::dispatch::read_dispatch;
use holdfast_formats::mapping::Mapping;
use holdfast_protocol::protocol::{Config, Effect, Input, Memory, Protocol};
use holdfast_replica::replica::Replica;
use holdfast_replica::segment;

/// A target: its name, what it does with bytes, and inputs to start from.
pub struct Target {
    /// Its name, also that of its folder of kept crashers.
    pub name: &'static str,
    /// What it does; a panic is a finding.
    pub run: fn(&[u8]),
    /// Inputs to mutate.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Every target.
pub const ALL: [Target; 11] = [
    Target { name: "frame", run: frame, seeds: frames },
    Target { name: "session", run: session, seeds: frames },
    Target { name: "body", run: body, seeds: bodies },
    Target { name: "unpack", run: unpack, seeds: payloads },
    Target { name: "merge", run: merge, seeds: bodies },
    Target { name: "import", run: import, seeds: imports },
    Target { name: "parcel", run: parcel::file, seeds: parcel::files },
    Target { name: "parcel_body", run: parcel::body, seeds: parcel::bodies },
    Target { name: "parcel_frame", run: parcel::frame, seeds: parcel::frames },
    Target { name: "segment", run: segment, seeds: segments },
    Target { name: "window", run: window::stream, seeds: window::streams },
];

fn mission() -> MissionId {
    MissionId::mint(1_700_000_000_000, [7; 10])
}

fn member(secret: u8) -> (SigningKey, Credential) {
    let authority = SigningKey::from_bytes(&[1; 32]);
    let authority_key = PublicKey(authority.verifying_key().to_bytes());
    let key = SigningKey::from_bytes(&[secret; 32]);
    let mut device = DeviceCredential {
        org: OrgId::of(&authority_key),
        key: PublicKey(key.verifying_key().to_bytes()),
        name: "engine-7".to_owned(),
        role: DeviceRole::Node,
        issued_ms: 1_700_000_000_000,
        signature: Signature([0; 64]),
    };
    device.signature = Signature(authority.sign(&device.signed_text()).to_bytes());
    (key, Credential { device, epoch: 0 })
}

fn message_body() -> Vec<u8> {
    feed::encode(&MessageBody::V1 {
        id: MessageId::mint(1_700_000_000_000, [3; 10]),
        sent: Hlc::new(1_700_000_000_000, 0),
        channel: Channel::Mission,
        from: "engine-7".to_owned(),
        text: "On scene".to_owned(),
    })
}

fn greeting(secret: u8) -> Vec<u8> {
    let (_, credential) = member(secret);
    Frame::V1(FrameV1::Greeting(Greeting {
        org: credential.device.org,
        author: credential.author(),
        credential: Some(credential),
        capabilities: 1,
        wall_ms: 1_700_000_000_000,
        whole: Fingerprint([0; 16]),
        latest: Mark([0; 8]),
        base: None,
        scopes: Vec::new(),
        partials: Vec::new(),
        flow: Flow::Eager,
    }))
    .encode()
}

fn signed_entry() -> (Entry, Credential) {
    let (key, credential) = member(3);
    let stream = StreamId::new(Scope::Mission(mission()), StreamKind::Message);
    let mut entry = Entry::next(EntryKey { stream, author: credential.author(), seq: 1 }, None, message_body());
    entry.sign(&credential.device.org, &key);
    (entry, credential)
}

/// A greeting and what a peer says after it.
fn frames() -> Vec<Vec<u8>> {
    let (mut sender, link) = (protocol(3), LinkId(1));
    let (entry, credential) = signed_entry();
    let mut frames = vec![greeting(3)];
    let now = Now { mono_us: 1, wall_ms: 1_700_000_000_000 };
    let committed =
        Input::Committed { from: None, entries: vec![(entry.key, entry.digest)], credentials: vec![credential] };
    let (_, peer) = member(2);
    let up = Input::Up { link, device: peer.device.device(), outgoing: true };
    let hello = Input::Frame { link, bytes: greeting(2) };
    let mut inputs = vec![committed, hello, up];
    while let Some(input) = inputs.pop() {
        for effect in sender.handle(now, input) {
            match effect {
                Effect::Send { bytes, .. } => frames.push(bytes),
                Effect::Load { link, stream, .. } => {
                    let entries = vec![entry.clone()];
                    let (form, payload) = Replica::new().pack(stream, &entries, false);
                    inputs.push(Input::Loaded {
                        link,
                        stream,
                        entries,
                        bases: Vec::new(),
                        cuts: BTreeSet::new(),
                        form,
                        payload,
                    });
                }
                _ => {}
            }
        }
    }
    frames
}

fn protocol(secret: u8) -> Protocol {
    let (_, credential) = member(secret);
    let authority = SigningKey::from_bytes(&[1; 32]);
    let config = Config {
        org: credential.device.org,
        authority: PublicKey(authority.verifying_key().to_bytes()),
        device: credential.device.device(),
        credential,
        capabilities: 1,
    };
    Protocol::new(config, Memory::default())
}

fn frame(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        assert_eq!(Frame::decode(&frame.encode()).as_ref(), Ok(&frame), "a frame survives its own encoding");
    }
}

/// A peer that has greeted well sends these bytes as a frame.
fn session(bytes: &[u8]) {
    let mut node = protocol(2);
    let (_, peer) = member(3);
    let link = LinkId(1);
    let now = Now { mono_us: 1, wall_ms: 1_700_000_000_000 };
    node.handle(now, Input::Up { link, device: peer.device.device(), outgoing: false });
    node.handle(now, Input::Frame { link, bytes: greeting(3) });
    let mut inputs = vec![Input::Frame { link, bytes: bytes.to_vec() }];
    while let Some(input) = inputs.pop() {
        for effect in node.handle(now, input) {
            match effect {
                Effect::Unpack { link, mut pack } => {
                    let payload = std::mem::take(&mut pack.payload);
                    let bodies = holdfast_replica::pack::unpack(pack.form, &payload, &pack.ranges)
                        .map_err(|error| error.to_string());
                    inputs.push(Input::Unpacked { link, pack, bodies, mine: Vec::new() });
                }
                Effect::Admit { entries, .. } => {
                    // Only what the author truly signed may come this far.
                    let (signed, _) = signed_entry();
                    assert_eq!(entries, [signed], "an entry that nobody signed was admitted");
                }
                _ => {}
            }
        }
    }
}

fn bodies() -> Vec<Vec<u8>> {
    let (_, credential) = member(3);
    let hlc = Hlc::new(1_700_000_000_000, 0);
    let unit = holdfast_domain::id::UnitId::mint(1_700_000_000_000, [4; 10]);
    let fix = drive(1)[0];
    vec![
        message_body(),
        feed::encode(&TrackBody::V1 { written: hlc, unit, source: "gpx".to_owned(), fixes: vec![fix; 3] }),
        feed::encode(&TrackBody::V2 {
            written: hlc,
            unit,
            source: "live".to_owned(),
            segment: segment::seal(&drive(20)),
        }),
        feed::encode(&segment::body(hlc, unit, "thinned", &drive(20))),
        feed::encode(&ControlBody::EnrolledV1 { written: hlc, device: credential.device }),
        feed::encode(&RegisterBody::PositionV1 { reported: hlc, unit, fix }),
        feed::encode(&AlertBody::AcknowledgedV1 {
            alert: holdfast_domain::id::AlertId::mint(1_700_000_000_000, [5; 10]),
            at: hlc,
            from: "engine-7".to_owned(),
            note: "leaving".to_owned(),
        }),
        feed::encode(&HoldsBody::V1 { said: hlc, held: holdfast_domain::holders::Held::default() }),
    ]
}

/// Fixes that go round in circles.
fn drive(seconds: u64) -> Vec<Fix> {
    let fixes = (0..seconds).map(|second| Fix {
        at_ms: 1_700_000_000_000 + second * 1_000,
        position: LatLon::new(37.78 + (second as f64).sin() / 1e3, -122.42 + (second as f64).cos() / 1e3)
            .expect("San Francisco is on Earth"),
        altitude_dm: (second % 7 != 5).then_some(120 + (second % 3) as i32),
        speed_cm_s: (second % 11 != 10).then_some(830),
        course_cdeg: Some((second * 573 % 36_000) as u16),
    });
    fixes.collect()
}

fn segments() -> Vec<Vec<u8>> {
    [0, 1, 20, 300].map(|seconds| segment::seal(&drive(seconds))).to_vec()
}

fn segment(bytes: &[u8]) {
    if let Ok(fixes) = segment::open(bytes) {
        assert!(fixes.len() <= TRACK_FIXES_MAX, "no more fixes than a segment may hold");
        assert_eq!(segment::open(&segment::seal(&fixes)), Ok(fixes), "fixes survive their own sealing");
    }
}

fn body(bytes: &[u8]) {
    let survives = |encoded: Vec<u8>, again: bool| assert!(again, "a body survives its own encoding: {encoded:?}");
    if let Ok(body) = feed::decode::<MessageBody>(bytes) {
        let encoded = feed::encode(&body);
        let again = feed::decode(&encoded) == Ok(body);
        survives(encoded, again);
    }
    if let Ok(body) = feed::decode::<AlertBody>(bytes) {
        let encoded = feed::encode(&body);
        let again = feed::decode(&encoded) == Ok(body);
        survives(encoded, again);
    }
    if let Ok(body) = feed::decode::<HoldsBody>(bytes) {
        let encoded = feed::encode(&body);
        let again = feed::decode(&encoded) == Ok(body);
        survives(encoded, again);
    }
    if let Ok(body) = feed::decode::<TrackBody>(bytes) {
        let told = TrackSpan::read(&bytes[..bytes.len().min(TrackSpan::BEGINNING_BYTES)]);
        let inside = if let TrackBody::V3 { span, .. } = &body { Some(*span) } else { None };
        assert_eq!(told, inside, "the beginning tells what the body does");
        let encoded = feed::encode(&body);
        let again = feed::decode(&encoded) == Ok(body);
        survives(encoded, again);
    }
}

fn payloads() -> Vec<Vec<u8>> {
    let (entry, _) = signed_entry();
    let (_, payload) = Replica::new().pack(entry.key.stream, std::slice::from_ref(&entry), false);
    vec![payload, message_body()]
}

fn unpack(bytes: &[u8]) {
    let range = PackRange {
        author: AuthorId([3; 16]),
        first: 1,
        count: u32::from(bytes.first().copied().unwrap_or(1)),
        skips: Vec::new(),
        base: ShortDigest([0; 8]),
        signatures: Vec::new(),
    };
    for form in [PackForm::Raw, PackForm::RawZstd, PackForm::Bundle] {
        if let Ok(bodies) = holdfast_replica::pack::unpack(form, bytes, std::slice::from_ref(&range)) {
            assert_eq!(bodies.len(), range.count as usize, "as many bodies as the range says");
        }
    }
}

/// Verified entries may still hold nonsense: an enrolled device that went mad.
fn merge(bytes: &[u8]) {
    let mut replica = Replica::new();
    let scope = Scope::Mission(mission());
    for kind in StreamKind::ALL {
        let stream = StreamId::new(scope, kind);
        replica.open(stream, None, &[]).ok();
        let key = EntryKey { stream, author: AuthorId([3; 16]), seq: 1 };
        let entry = Entry { key, body: bytes.to_vec(), digest: Digest([0; 32]), signature: None };
        replica.merge(&[entry]);
        replica.rows(stream);
    }
}

fn imports() -> Vec<Vec<u8>> {
    let csv = "CallNumber,UnitID,IncidentNumber,CallType,CallDate\n20110016,T13,2003235,Structure Fire,2002-01-11\n";
    let nmea = "$GPRMC,072457.000,A,2717.9400,S,15254.6500,E,10.61,283.02,080407,,,A*7A\r\n";
    let gpx = "<gpx version=\"1.1\" creator=\"x\"><trk><trkseg><trkpt lat=\"1\" lon=\"2\"><time>2020-01-01T00:00:00Z</time></trkpt></trkseg></trk></gpx>";
    vec![csv.into(), nmea.into(), gpx.into(), "time,lat,lon\n2020-01-01T00:00:00Z,1,2\n".into()]
}

fn import(bytes: &[u8]) {
    read_dispatch(bytes, &Mapping::san_francisco(), mission()).ok();
    holdfast_formats::gpx::read_gpx(bytes).ok();
    holdfast_formats::nmea::read_nmea(bytes).ok();
    holdfast_formats::track_csv::read_track_csv(bytes).ok();
}
