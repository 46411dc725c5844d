//! The fear: a pack that unpacks to something else, to too much, or not at all.

use std::io::Write;

use holdfast_domain::edit::Edit;
use holdfast_domain::entry::{Entry, EntryKey, ShortDigest, Signature};
use holdfast_domain::frame::{PackForm, PackRange};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::limits::UNPACKED_BYTES_MAX;
use holdfast_domain::message::{Channel, MessageNew};
use holdfast_domain::scope::StreamKind;
use holdfast_replica::pack::{UnpackError, unpack};
use holdfast_replica::replica::Replica;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::crew::*;
use crate::mad_device::{chunk, content};

/// Three members who each edited, and now hold all.
fn busy() -> Member {
    let mut one = Member::new(1);
    one.edit(mission_new());
    for n in 1..=4 {
        one.edit(Edit::IncidentOpen(mission(), incident_new(n)));
    }
    let mut others = [Member::new(2), Member::new(3)];
    for other in &mut others {
        other.take_from(&one);
        for n in 1..=4 {
            other.edit(incident_notes(n, &format!("seen by {}", other.author)));
        }
    }
    for other in &others {
        one.take_from(other);
    }
    one.edit(incident_notes(1, "all accounted for"));
    one
}

/// The entries of a stream author by author, and the ranges that name them.
fn run(member: &Member, kind: StreamKind) -> (Vec<Entry>, Vec<PackRange>) {
    let mut entries: Vec<Entry> = member.log.iter().filter(|entry| entry.key.stream.kind == kind).cloned().collect();
    entries.sort_by_key(|entry| entry.key);
    let mut ranges: Vec<PackRange> = Vec::new();
    for entry in &entries {
        match ranges.last_mut().filter(|range| range.author == entry.key.author) {
            Some(range) => range.count += 1,
            None => ranges.push(range(entry.key.author, entry.key.seq, 1)),
        }
    }
    (entries, ranges)
}

pub(crate) fn range(author: AuthorId, first: u64, count: u32) -> PackRange {
    PackRange { author, first, count, skips: Vec::new(), base: ShortDigest([0; 8]), signatures: Vec::new() }
}

fn bodies(entries: &[Entry]) -> Vec<Vec<u8>> {
    entries.iter().map(|entry| entry.body.clone()).collect()
}

#[test]
fn every_form_gives_back_what_went_in() {
    let member = busy();
    let (entries, ranges) = run(&member, StreamKind::Board);
    let (form, bundle) = member.replica.pack(board(), &entries, true);
    assert_eq!(form, PackForm::Bundle);
    assert_eq!(unpack(form, &bundle, &ranges).as_ref(), Ok(&bodies(&entries)));
    let (form, small) = member.replica.pack(board(), &entries, false);
    assert_eq!(form, PackForm::RawZstd);
    assert_eq!(unpack(form, &small, &ranges).as_ref(), Ok(&bodies(&entries)));
    let (form, raw) = member.replica.pack(board(), &entries[..0], true);
    assert_eq!((form, raw.as_slice()), (PackForm::Raw, [0].as_slice()));
    assert_eq!(unpack(form, &raw, &[]), Ok(Vec::new()));
    assert_eq!(member.replica.bundle_mismatches(), 0);
}

#[test]
fn a_part_of_the_history_can_be_bundled_by_itself() {
    let member = busy();
    let (entries, _) = run(&member, StreamKind::Board);
    let last = &entries[entries.len() - 1..];
    let ranges = [range(last[0].key.author, last[0].key.seq, 1)];
    let (form, payload) = member.replica.pack(board(), last, true);
    assert_eq!(unpack(form, &payload, &ranges), Ok(bodies(last)));
}

#[test]
fn what_waits_is_left_out_of_a_bundle_and_the_rest_goes() {
    let member = busy();
    let (mut entries, _) = run(&member, StreamKind::Board);
    for entry in &mut entries {
        entry.signature = Some(Signature([7; 64]));
    }
    assert_eq!(member.replica.without_waiting(board(), entries.clone()), entries, "nothing waits here");
    let missing = member.author;
    let others: Vec<Entry> = entries.iter().filter(|entry| entry.key.author != missing).cloned().collect();
    let mut late = Member::new(4);
    late.take(&others);
    assert!(late.replica.held() > 0);
    assert!(late.replica.without_waiting(board(), others).is_empty(), "all of it follows from what is missing");
    let first = entries.iter().filter(|entry| entry.key.author == missing).take(3).cloned().collect::<Vec<_>>();
    late.take(&first);
    let ready = late.replica.without_waiting(board(), entries.clone());
    assert!(ready.len() >= first.len() && ready.len() < entries.len(), "{} of {}", ready.len(), entries.len());
    assert_eq!(late.replica.pack(board(), &ready, true).0, PackForm::Bundle);
}

#[test]
fn changes_that_wait_travel_raw() {
    let member = busy();
    let (entries, _) = run(&member, StreamKind::Board);
    let mut late = Member::new(4);
    let waiting = &entries[entries.len() - 1..];
    late.take(waiting);
    assert_eq!(late.replica.held(), 1);
    let (form, _) = late.replica.pack(board(), waiting, true);
    assert_ne!(form, PackForm::Bundle);
    assert_eq!(late.replica.bundle_mismatches(), 0);
}

#[test]
fn feeds_travel_raw_and_small_ones_uncompressed() {
    let mut member = busy();
    member.edit(Edit::MessageSend(
        mission(),
        MessageNew { id: Some(message(1)), channel: Channel::Mission, text: "go".to_owned() },
    ));
    let (entries, ranges) = run(&member, StreamKind::Message);
    let (form, payload) = member.replica.pack(stream(StreamKind::Message), &entries, true);
    assert_eq!(form, PackForm::Raw);
    assert_eq!(unpack(form, &payload, &ranges), Ok(bodies(&entries)));
}

#[test]
fn ranges_that_do_not_fit_the_payload_are_an_error() {
    let member = busy();
    let (entries, ranges) = run(&member, StreamKind::Board);
    for bundle in [true, false] {
        let (form, payload) = member.replica.pack(board(), &entries, bundle);
        let mut fewer = ranges.clone();
        fewer[0].count -= 1;
        let mut more = ranges.clone();
        more[0].count += 1;
        for ranges in [&fewer, &more] {
            assert!(matches!(unpack(form, &payload, ranges), Err(UnpackError::OtherEntries { .. })));
        }
        assert!(unpack(form, &payload, &[]).is_err());
    }
    let (form, payload) = member.replica.pack(board(), &entries, true);
    let mut shifted = ranges.clone();
    shifted[0].first += 1;
    assert!(matches!(unpack(form, &payload, &shifted), Err(UnpackError::OtherEntries { .. })));
    let mut twice = ranges;
    twice[1] = twice[0].clone();
    assert!(unpack(form, &payload, &twice).is_err());
    let endless = [range(AuthorId([1; 16]), 1, u32::MAX)];
    assert_eq!(unpack(form, &payload, &endless), Err(UnpackError::BadRanges));
    let overflowing = [range(AuthorId([1; 16]), u64::MAX, 2)];
    assert_eq!(unpack(form, &payload, &overflowing), Err(UnpackError::BadRanges));
}

#[test]
fn a_zstd_bomb_is_cut_off() {
    let key = EntryKey { stream: stream(StreamKind::Message), author: AuthorId([1; 16]), seq: 1 };
    let bomb = Entry::next(key, None, vec![0; UNPACKED_BYTES_MAX * 8]);
    let (form, payload) = Replica::new().pack(key.stream, &[bomb], false);
    assert_eq!(form, PackForm::RawZstd);
    assert!(payload.len() < 10_000);
    assert_eq!(unpack(form, &payload, &[range(key.author, 1, 1)]), Err(UnpackError::TooLarge));
}

#[test]
fn a_bundle_whose_columns_inflate_without_end_is_cut_off() {
    let mut deflater = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    deflater.write_all(&vec![0; UNPACKED_BYTES_MAX * 8]).expect("memory takes all");
    let column = deflater.finish().expect("memory takes all");
    assert!(column.len() < 1 << 16);
    // No predecessors, no authors, one deflated column of raw values among the changes', none among the operations'.
    let mut bomb = vec![0, 0, 1, 0x7f];
    let length = column.len();
    bomb.extend([length as u8 | 0x80, (length >> 7) as u8 | 0x80, (length >> 14) as u8]);
    bomb.extend(column);
    bomb.push(0);
    let malformed = UnpackError::Malformed { form: PackForm::Bundle };
    assert_eq!(unpack(PackForm::Bundle, &chunk(3, &bomb), &[]), Err(malformed));
}

#[test]
fn a_bundle_that_claims_billions_of_rows_is_cut_off() {
    let member = busy();
    let (entries, ranges) = run(&member, StreamKind::Board);
    let (form, payload) = member.replica.pack(board(), &entries, true);
    // A run of 2^62 equal values in ten bytes, put in place of each stretch of the bundle.
    let run = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0xc0, 0x00];
    let whole = content(&payload).to_vec();
    for at in 0..whole.len().saturating_sub(run.len()) {
        let mut bent = whole.clone();
        bent[at..at + run.len()].copy_from_slice(&run);
        let bent = chunk(3, &bent);
        if let Ok(found) = unpack(form, &bent, &ranges) {
            assert_eq!(found.len(), entries.len());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_payload_is_an_error_or_as_many_bodies_as_promised(
        bundle in any::<bool>(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
        cut in prop::option::of(any::<Index>()),
    ) {
        let member = busy();
        let (entries, ranges) = run(&member, StreamKind::Board);
        let (form, mut payload) = member.replica.pack(board(), &entries, bundle);
        for (at, byte) in flips {
            let at = at.index(payload.len());
            payload[at] ^= byte;
        }
        if let Some(cut) = cut {
            payload.truncate(cut.index(payload.len()));
        }
        if let Ok(found) = unpack(form, &payload, &ranges) {
            prop_assert_eq!(found.len(), entries.len());
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_as_many_bodies_as_promised(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let ranges = [range(AuthorId([1; 16]), 1, u32::from(bytes.first().copied().unwrap_or(0)))];
        for form in [PackForm::Raw, PackForm::RawZstd, PackForm::Bundle] {
            for payload in [bytes.clone(), chunk(3, &bytes)] {
                if let Ok(found) = unpack(form, &payload, &ranges) {
                    prop_assert_eq!(found.len(), ranges[0].count as usize);
                }
            }
        }
    }
}
