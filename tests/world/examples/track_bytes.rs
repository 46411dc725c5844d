//! What a fix costs: `cargo run --release -p holdfast-world --example track_bytes -- [FILES]`. Tracks of the fixtures (or
//! the files named) and drives of a simulated vehicle at 1 Hz, in bytes a fix: as plain fixes and as varints of
//! differences, both under the zstd of packs; as a segment; in all frames between two nodes that meet; and, in bytes a fix
//! that was there, as segments of what is left when it is thinned.

use std::path::{Path, PathBuf};

use holdfast_domain::edit::Edit;
use holdfast_domain::entry::{Entry, EntryKey};
use holdfast_domain::feed;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::{SEGMENT_FIXES, TRACK_FIXES_MAX};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::track::{Fix, TrackNew};
use holdfast_formats::track::sniff;
use holdfast_replica::replica::Replica;
use holdfast_replica::{segment, thin};
use holdfast_world::link::Profile;
use holdfast_world::oracle::converge;
use holdfast_world::story::Story;
use holdfast_world::vehicle::drive;
use holdfast_world::world::{EPOCH_MS, World};

fn main() {
    let given: Vec<PathBuf> = std::env::args().skip(1).map(PathBuf::from).collect();
    let files = if given.is_empty() { fixtures() } else { given };
    println!(
        "{:<32} {:>6} {:>12} {:>12} {:>9} {:>9} {:>9} {:>9}",
        "track", "fixes", "plain+zstd", "varint+zstd", "segment", "on wire", "sampled", "way"
    );
    for file in files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Ok(bytes) = std::fs::read(&file) else { continue };
        let Some(mut fixes) = sniff(&name, &bytes).ok().and_then(|format| Some(format.read(&bytes).ok()?.fixes)) else {
            continue;
        };
        fixes.sort_by_key(|fix| fix.at_ms);
        fixes.dedup_by_key(|fix| fix.at_ms);
        if fixes.len() >= 20 {
            tell(&name, &fixes);
        }
    }
    for white_m in [0.1, 0.3, 1.0] {
        tell(&format!("vehicle, white noise {white_m} m"), &drive(7, EPOCH_MS, 4 * 3_600, white_m));
    }
}

fn fixtures() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let folders = ["gpx", "nmea"].map(|folder| root.join(folder));
    let mut files: Vec<PathBuf> = folders
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flatten()
        .flatten()
        .map(|e| e.path())
        .collect();
    files.sort();
    files
}

fn tell(name: &str, fixes: &[Fix]) {
    let each = |bytes: usize| bytes as f64 / fixes.len() as f64;
    let parts: Vec<&[Fix]> = fixes.chunks(SEGMENT_FIXES).collect();
    let plain = packed(parts.iter().map(|part| feed::encode(&part.to_vec())));
    let varints = packed(parts.iter().map(|part| varints(part)));
    let segments = parts.iter().map(|part| segment::seal(part).len()).sum();
    let left = |left: Vec<Fix>| left.chunks(TRACK_FIXES_MAX).map(|part| segment::seal(part).len()).sum();
    println!(
        "{name:<32} {:>6} {:>12.2} {:>12.2} {:>9.2} {:>9.2} {:>9.2} {:>9.2}",
        fixes.len(),
        each(plain),
        each(varints),
        each(segments),
        each(on_wire(fixes)),
        each(left(thin::sampled(fixes))),
        each(left(thin::simplified(fixes)))
    );
}

/// Bodies as a pack takes them.
fn packed(bodies: impl Iterator<Item = Vec<u8>>) -> usize {
    let stream = StreamId::new(Scope::Mission(MissionId::from_bytes([1; 16])), StreamKind::Track);
    let entries = (1..)
        .zip(bodies)
        .map(|(seq, body)| Entry::next(EntryKey { stream, author: AuthorId([1; 16]), seq }, None, body));
    Replica::new().pack(stream, &entries.collect::<Vec<_>>(), false).1.len()
}

/// Columns of differences (of differences, for time and place) as zigzag varints.
fn varints(fixes: &[Fix]) -> Vec<u8> {
    type Read = fn(&Fix) -> Option<i64>;
    let columns: [(usize, Read); 6] = [
        (2, |fix| Some(fix.at_ms as i64)),
        (2, |fix| Some(fix.position.lat_e7().into())),
        (2, |fix| Some(fix.position.lon_e7().into())),
        (1, |fix| fix.altitude_dm.map(i64::from)),
        (1, |fix| fix.speed_cm_s.map(i64::from)),
        (1, |fix| fix.course_cdeg.map(i64::from)),
    ];
    let mut out = Vec::new();
    for (order, read) in columns {
        let values: Vec<Option<i64>> = fixes.iter().map(read).collect();
        let given: Vec<bool> = values.iter().map(Option::is_some).collect();
        if given.contains(&false) {
            out.extend(given.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))));
        }
        let mut numbers: Vec<i64> = values.into_iter().flatten().collect();
        for _ in 0..order {
            let mut before = 0;
            numbers.iter_mut().for_each(|number| (*number, before) = (*number - before, *number));
        }
        numbers.iter().for_each(|number| out.extend(feed::encode(number)));
    }
    out
}

/// Bytes of all frames, both ways, when a node that has the track meets one that has all but the track.
fn on_wire(fixes: &[Fix]) -> usize {
    let mut world = World::new(9);
    let nodes = [world.node("hub"), world.node("engine-7")];
    let link = world.link(nodes[0], nodes[1], Profile::LAN);
    let story = Story::begin(&mut world, nodes[0]);
    converge(&mut world, &nodes, 5_000).expect("they agree");
    world.run_for_ms(5_000);
    world.cut(link);
    for part in fixes.chunks(SEGMENT_FIXES) {
        let new = TrackNew { source: "live".to_owned(), fixes: part.to_vec() };
        world.edit(nodes[1], Edit::TrackAppend(story.mission, story.units[0], new)).expect("a track");
    }
    let before = world.bytes_sent;
    world.heal();
    converge(&mut world, &nodes, 60_000).expect("they agree");
    world.run_for_ms(2_000);
    (world.bytes_sent - before) as usize
}
