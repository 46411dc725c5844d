//! Fear: what travels by hand is lost, doubled, forged or read on its way, or a bad file half-changes a node.

use ed25519_dalek::Signer;
use holdfast_domain::clock::Hlc;
use holdfast_domain::entry::{Digest, Entry, EntryKey, Signature};
use holdfast_domain::feed::{self, ControlBody};
use holdfast_domain::frame::PackForm;
use holdfast_domain::identity::Credential;
use holdfast_domain::limits::PARCEL_BYTES_MAX;
use holdfast_domain::parcel::{Parcel, ParcelBody, ParcelError, ParcelImported, ParcelNew};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_driver::effect::Notice;
use holdfast_driver::handle::Failed;
use holdfast_driver::parcel::sealing::Recipient;
use holdfast_driver::parcel::{ParcelRefusal, export, import};
use holdfast_replica::replica::Replica;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

fn parcel(world: &mut World, node: usize, new: &ParcelNew) -> Result<Vec<u8>, Failed> {
    export(&mut |command| Ok(world.ask(node, command)), new)
}

fn everything(world: &mut World, node: usize) -> Vec<u8> {
    parcel(world, node, &ParcelNew::default()).expect("a parcel")
}

fn take(world: &mut World, node: usize, bytes: &[u8]) -> Result<ParcelImported, Failed> {
    let reader = world.parcel_reader(node);
    import(&mut |command| Ok(world.ask(node, command)), &reader, bytes)
}

/// Gives the refusal, and demands that nothing changed, and that it was counted and told of once.
fn refused(world: &mut World, node: usize, bytes: &[u8]) -> ParcelError {
    let before = world.engine(node).frontier().clone();
    let (counted, told) = (counter(world, node, "parcels_refused"), world.told().len());
    let error = take(world, node, bytes).expect_err("a bad parcel is refused");
    assert_eq!(*world.engine(node).frontier(), before, "a refused parcel changes nothing");
    let Failed::Parcel(ParcelRefusal::Parcel(error)) = error else { panic!("another error: {error}") };
    // Who carries one for others does nothing wrong.
    let is_guilty = error != ParcelError::SealedToOthers;
    let fault = Notice::ParcelRefused { fault: error.to_string() };
    assert_eq!(counter(world, node, "parcels_refused") - counted, u64::from(is_guilty), "{error}");
    assert_eq!(world.told()[told..], is_guilty.then_some((node, fault)).into_iter().collect::<Vec<_>>());
    error
}

fn counter(world: &World, node: usize, name: &str) -> u64 {
    world.counters(node).get(name).copied().unwrap_or(0)
}

/// A small parcel of the hub's with one mission.
fn of_hub(world: &mut World, hub: usize) -> Vec<u8> {
    let mut story = Story::begin(world, hub);
    story.incident(world, hub, "1 Pier Street");
    story.say(world, hub, "on scene");
    everything(world, hub)
}

/// What a member gone mad makes of a parcel: another body, under its own good signature.
fn rewritten(world: &World, node: usize, bytes: &[u8], change: impl FnOnce(&mut ParcelBody, &mut u64)) -> Vec<u8> {
    let mut parcel = Parcel::decode(bytes).expect("a parcel");
    let mut body = ParcelBody::decode(&parcel.body).expect("an open parcel");
    change(&mut body, &mut parcel.header.entries);
    parcel.body = body.encode();
    parcel.header.body_bytes = parcel.body.len() as u64;
    parcel.header.body_digest = Digest(*blake3::hash(&parcel.body).as_bytes());
    parcel.header.exporter.device = world.device(node).clone();
    parcel.signature = Signature(world.key(node).sign(&parcel.header.signed_text()).to_bytes());
    parcel.encode()
}

#[test]
fn two_nodes_that_never_had_a_link_agree_after_two_parcels() {
    let mut world = World::new(71);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let mut story = Story::begin(&mut world, hub);
    for _ in 0..30 {
        story.anything(&mut world, hub);
    }
    let there = everything(&mut world, hub);
    let first = take(&mut world, engine, &there).expect("taken");
    assert_eq!((first.fresh, first.known), (first.entries, 0));
    assert!(first.gaps.is_empty() && first.refused.is_empty(), "{first:?}");
    for _ in 0..30 {
        world.run_for_ms(1_000);
        story.anything(&mut world, engine);
    }
    let back = everything(&mut world, engine);
    take(&mut world, hub, &back).expect("taken");
    demand_agreement(&mut world, &[hub, engine], 0);
}

#[test]
fn a_second_import_changes_nothing_and_says_so() {
    let mut world = World::new(72);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let mut story = Story::begin(&mut world, hub);
    story.incident(&mut world, hub, "1 Pier Street");
    let bytes = everything(&mut world, hub);
    let first = take(&mut world, engine, &bytes).expect("taken");
    let held = world.engine(engine).frontier().clone();
    let rev = world.engine(engine).store().newest_rev();
    let second = take(&mut world, engine, &bytes).expect("taken again");
    assert_eq!((second.fresh, second.known), (0, first.fresh));
    assert_eq!(*world.engine(engine).frontier(), held);
    assert_eq!(world.engine(engine).store().newest_rev(), rev, "no row moved");
}

#[test]
fn the_later_parcel_first_names_the_gap_and_both_together_agree() {
    let mut world = World::new(73);
    let (hub, engine, met) = (world.node("hub"), world.node("engine-7"), world.node("truck-3"));
    let link = world.link(hub, met, Profile::LAN);
    let story = Story::begin(&mut world, hub);
    story.say(&mut world, hub, "while the truck was here");
    demand_agreement(&mut world, &[hub, met], 5_000);
    let earlier = everything(&mut world, hub);
    world.cut(link);
    story.say(&mut world, hub, "after the truck left");
    let wanted = ParcelNew { for_device: Some("truck-3".to_owned()), ..ParcelNew::default() };
    let later = parcel(&mut world, hub, &wanted).expect("what the truck lacks");
    let missed = take(&mut world, engine, &later).expect("read");
    assert_eq!((missed.entries, missed.fresh, missed.gaps.len()), (1, 0, 1), "{missed:?}");
    assert_eq!((missed.gaps[0].first_missing, missed.gaps[0].first), (1, 2));
    take(&mut world, engine, &earlier).expect("taken");
    take(&mut world, engine, &later).expect("taken");
    take(&mut world, met, &later).expect("taken");
    demand_agreement(&mut world, &[hub, engine, met], 0);
}

#[test]
fn a_carrier_that_may_not_read_a_parcel_can_still_tell_that_it_is_whole() {
    let mut world = World::new(74);
    let (hub, engine, relay) = (world.node("hub"), world.node("engine-7"), world.node("boat-1"));
    let mut story = Story::begin(&mut world, hub);
    story.incident(&mut world, hub, "12 Secret Street");
    let key = Recipient::of_device(&world.device(engine).key).expect("a key").to_string();
    assert!(key.starts_with("age1"), "{key}");
    let sealed = ParcelNew { seal_to: vec![key], ..ParcelNew::default() };
    let bytes = parcel(&mut world, hub, &sealed).expect("a sealed parcel");
    let contents = world.parcel_reader(relay).inspect(&bytes).expect("its header");
    assert!(contents.sealed && !contents.readable && contents.chains.is_empty(), "{contents:?}");
    assert_eq!(contents.exporter_name, "hub");
    assert_eq!(refused(&mut world, relay, &bytes), ParcelError::SealedToOthers);
    let mut altered = bytes.clone();
    *altered.last_mut().expect("bytes") ^= 1;
    assert!(matches!(world.parcel_reader(relay).inspect(&altered), Err(ParcelError::Altered { .. })));
    assert!(world.parcel_reader(hub).inspect(&bytes).expect("the maker reads it, too").readable);
    let mission = story.mission.to_string();
    let told = world.parcel_reader(engine).inspect(&bytes).expect("the recipient reads it");
    assert!(told.chains.iter().any(|chain| chain.stream.starts_with(&mission) && chain.device == "hub"), "{told:?}");
    take(&mut world, engine, &bytes).expect("taken");
    demand_agreement(&mut world, &[hub, engine], 0);
}

#[test]
fn a_parcel_cut_anywhere_is_refused_whole() {
    let mut world = World::new(75);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let bytes = of_hub(&mut world, hub);
    for end in (1..bytes.len()).step_by(7).chain([bytes.len() / 2, bytes.len() - 1]) {
        let error = refused(&mut world, engine, &bytes[..end]);
        assert!(matches!(error, ParcelError::Cut { .. }), "cut at {end}: {error}");
    }
    assert_eq!(refused(&mut world, engine, &[]), ParcelError::NotAParcel);
    let longer = [bytes.as_slice(), b"!"].concat();
    assert_eq!(refused(&mut world, engine, &longer), ParcelError::Trailing { bytes: 1 });
}

#[test]
fn a_bit_altered_anywhere_is_noticed() {
    let mut world = World::new(76);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let bytes = of_hub(&mut world, hub);
    for place in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[place] ^= 1 << (place % 8);
        let error = refused(&mut world, engine, &altered);
        assert!(!matches!(error, ParcelError::Malformed { .. }), "at {place} the maker is blamed: {error}");
    }
    take(&mut world, engine, &bytes).expect("the true one is taken");
    demand_agreement(&mut world, &[hub, engine], 0);
}

#[test]
fn what_is_no_parcel_or_too_large_or_from_tomorrow_is_told_as_such() {
    let mut world = World::new(77);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let mut bytes = of_hub(&mut world, hub);
    assert_eq!(refused(&mut world, engine, b"PK\x03\x04 a zip of photos"), ParcelError::NotAParcel);
    assert_eq!(
        refused(&mut world, engine, &vec![b'H'; PARCEL_BYTES_MAX + 1]),
        ParcelError::TooLarge { bytes: PARCEL_BYTES_MAX as u64 + 1 }
    );
    bytes[8] = 2;
    let error = refused(&mut world, engine, &bytes);
    assert_eq!(error, ParcelError::UnknownVersion { found: 2 });
    assert!(error.to_string().contains("update this node"), "{error}");
}

#[test]
fn another_orgs_parcel_is_turned_away_by_name() {
    let (mut ours, mut theirs) = (World::new(78), World::new(79));
    let engine = ours.node("engine-7");
    let hub = theirs.node("hub");
    let bytes = of_hub(&mut theirs, hub);
    let org = theirs.device(hub).org;
    assert_eq!(refused(&mut ours, engine, &bytes), ParcelError::OtherOrg { org });
    // Their device claims our org: its word is not our authority's.
    let hub_here = ours.node("hub");
    let own = of_hub(&mut ours, hub_here);
    let mut parcel = Parcel::decode(&own).expect("a parcel");
    parcel.header.exporter.device = theirs.device(hub).clone();
    parcel.signature = Signature(theirs.key(hub).sign(&parcel.header.signed_text()).to_bytes());
    assert_eq!(refused(&mut ours, engine, &parcel.encode()), ParcelError::Stranger { name: "hub".to_owned() });
}

#[test]
fn a_bomb_is_cut_off_before_anything_is_taken() {
    let mut world = World::new(80);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let bytes = of_hub(&mut world, hub);
    let zeros = Replica::new();
    let bomb = rewritten(&world, hub, &bytes, |body, _| {
        let last = body.packs.len() - 1;
        let pack = &mut body.packs[last];
        let key = EntryKey { stream: pack.stream, author: pack.ranges[0].author, seq: 1 };
        let entry = Entry::next(key, None, vec![0; 64 << 20]);
        (pack.form, pack.payload) = zeros.pack(pack.stream, &[entry], false);
        assert_eq!(pack.form, PackForm::RawZstd);
        assert!(pack.payload.len() < 64 << 10);
    });
    let error = refused(&mut world, engine, &bomb);
    assert!(matches!(&error, ParcelError::Malformed { fault } if fault.contains("unpacks to more")), "{error}");
    let short = rewritten(&world, hub, &bytes, |_, entries| *entries += 1);
    assert!(matches!(refused(&mut world, engine, &short), ParcelError::Malformed { .. }));
}

#[test]
fn a_member_that_forges_anothers_words_is_named_and_the_true_ones_stand() {
    let mut world = World::new(81);
    let (hub, liar, engine) = (world.node("hub"), world.node("boat-1"), world.node("engine-7"));
    let bytes = of_hub(&mut world, hub);
    let forged = rewritten(&world, liar, &bytes, |body, _| {
        let pack = body.packs.last_mut().expect("packs");
        for (_, signature) in &mut pack.ranges[0].signatures {
            signature.0[0] ^= 1;
        }
    });
    let report = take(&mut world, engine, &forged).expect("read");
    assert_eq!(report.refused.len(), 1, "{report:?}");
    assert!(report.refused[0].reason.contains("never signed"), "{report:?}");
    let fault = report.refused[0].reason.clone();
    assert_eq!(world.told(), [(engine, Notice::ParcelRunsRefused { runs: 1, fault })]);
    assert_eq!(counter(&world, engine, "parcel_runs_refused"), 1);
    assert_eq!(report.fresh, report.entries - report.refused[0].entries);
    let unvouched = rewritten(&world, liar, &bytes, |body, _| body.credentials.clear());
    let blank = world.node("truck-3");
    let report = take(&mut world, blank, &unvouched).expect("read");
    assert_eq!((report.fresh, report.refused.len()), (0, body_runs(&unvouched)));
    take(&mut world, engine, &bytes).expect("taken");
    take(&mut world, blank, &bytes).expect("taken");
    demand_agreement(&mut world, &[hub, engine, blank], 0);
}

fn body_runs(bytes: &[u8]) -> usize {
    let parcel = Parcel::decode(bytes).expect("a parcel");
    ParcelBody::decode(&parcel.body).expect("open").packs.iter().map(|pack| pack.ranges.len()).sum()
}

#[test]
fn a_disk_older_than_its_words_learns_so_from_a_parcel() {
    let mut world = World::new(82);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let story = Story::begin(&mut world, hub);
    let there = everything(&mut world, hub);
    take(&mut world, engine, &there).expect("taken");
    story.say(&mut world, engine, "one");
    let restored = world.clone_disk(engine);
    story.say(&mut world, engine, "two");
    let carried = everything(&mut world, engine);
    world.power_cut(engine);
    take(&mut world, hub, &carried).expect("taken");
    take(&mut world, restored, &carried).expect("taken");
    assert!(world.told().iter().any(|(at, told)| *at == restored && matches!(told, Notice::EpochRaised { .. })));
    story.say(&mut world, restored, "three");
    let again = everything(&mut world, restored);
    take(&mut world, hub, &again).expect("taken");
    demand_agreement(&mut world, &[hub, restored], 0);
    assert!(!world.told().iter().any(|(_, told)| matches!(told, Notice::Fork { .. })), "nothing was forked");
}

#[test]
fn a_full_disk_takes_nothing_of_a_parcel_and_all_of_it_later() {
    let mut world = World::new(83);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let bytes = of_hub(&mut world, hub);
    world.fail_commits(engine, true);
    let before = world.engine(engine).frontier().clone();
    let error = take(&mut world, engine, &bytes).expect_err("the disk is full");
    assert!(matches!(error, Failed::Refused(_)), "{error}");
    assert_eq!(*world.engine(engine).frontier(), before);
    world.fail_commits(engine, false);
    take(&mut world, engine, &bytes).expect("taken");
    demand_agreement(&mut world, &[hub, engine], 0);
}

#[test]
fn what_came_after_an_earlier_parcel_is_enough_for_who_has_that_one() {
    let mut world = World::new(84);
    let (hub, engine, empty) = (world.node("hub"), world.node("engine-7"), world.node("truck-3"));
    let story = Story::begin(&mut world, hub);
    let earlier = everything(&mut world, hub);
    take(&mut world, engine, &earlier).expect("taken");
    story.say(&mut world, hub, "one more");
    let after = world.parcel_reader(hub).inspect(&earlier).expect("its own").chains;
    let new = ParcelNew { after, ..ParcelNew::default() };
    let later = parcel(&mut world, hub, &new).expect("what came after");
    assert_eq!(world.parcel_reader(hub).inspect(&later).expect("its own").entries, 1);
    take(&mut world, engine, &later).expect("taken");
    demand_agreement(&mut world, &[hub, engine], 0);
    story.say(&mut world, hub, "and another");
    let chains = world.parcel_reader(hub).inspect(&later).expect("its own").chains;
    let new = ParcelNew { after: chains, mission: Some(story.mission), ..ParcelNew::default() };
    let partly = parcel(&mut world, hub, &new).expect("the rest");
    let report = take(&mut world, empty, &partly).expect("read");
    assert_eq!(report.gaps.len(), 1, "the first message is missing: {report:?}");
    assert_eq!((report.gaps[0].first_missing, report.gaps[0].first), (1, 2));
    let nothing = ParcelNew { for_device: Some("nobody".to_owned()), ..ParcelNew::default() };
    let error = parcel(&mut world, hub, &nothing).expect_err("nobody");
    assert!(error.to_string().contains("no device `nobody`"), "{error}");
    let bad = ParcelNew { seal_to: vec!["age1oops".to_owned()], ..ParcelNew::default() };
    assert!(parcel(&mut world, hub, &bad).expect_err("no key").to_string().contains("age1oops"));
}

#[test]
fn what_its_author_may_not_write_is_kept_aside_though_a_parcel_brings_it() {
    let mut world = World::new(85);
    let (hub, rogue) = (world.node("hub"), world.node("boat-1"));
    let base = of_hub(&mut world, hub);
    let credential = Credential { device: world.device(rogue).clone(), epoch: 0 };
    let stream = StreamId::new(Scope::Org, StreamKind::Control);
    let device = world.device(rogue).clone();
    let enrolled = feed::encode(&ControlBody::EnrolledV1 { written: Hlc::default(), device });
    let mut entry = Entry::next(EntryKey { stream, author: credential.author(), seq: 1 }, None, enrolled);
    entry.sign(&credential.device.org, &world.key(rogue));
    let smuggled = rewritten(&world, rogue, &base, |body, entries| {
        let packed = Replica::new().pack(stream, std::slice::from_ref(&entry), false);
        let wanted = [(credential.author(), 1)];
        let pack = holdfast_protocol::parcel::pack(0, stream, &wanted, &[entry], &[], packed).expect("a pack");
        *body = ParcelBody { credentials: vec![credential], packs: vec![pack] };
        *entries = 1;
    });
    let report = take(&mut world, hub, &smuggled).expect("read");
    assert_eq!((report.fresh, report.quarantined), (1, 1), "{report:?}");
    assert!(world.told().iter().any(|(at, told)| *at == hub && matches!(told, Notice::Quarantined { .. })));
    assert_eq!(take(&mut world, hub, &smuggled).expect("read").known, 1);
}

#[test]
fn a_clone_is_found_out_by_two_parcels_and_nothing_of_its_second_history_is_taken() {
    let mut world = World::new(86);
    let (hub, original) = (world.node("hub"), world.node("engine-7"));
    let story = Story::begin(&mut world, hub);
    let there = everything(&mut world, hub);
    take(&mut world, original, &there).expect("taken");
    story.say(&mut world, original, "before the copy");
    let clone = world.clone_disk(original);
    story.say(&mut world, original, "from the first machine");
    story.say(&mut world, clone, "from the second machine");
    let (first, second) = (everything(&mut world, original), everything(&mut world, clone));
    take(&mut world, hub, &first).expect("taken");
    let report = take(&mut world, hub, &second).expect("read");
    assert_eq!((report.fresh, report.refused.len()), (0, 1), "{report:?}");
    assert!(report.refused[0].reason.contains("two histories"), "{report:?}");
    assert!(world.told().iter().any(|(at, told)| *at == hub && matches!(told, Notice::Fork { .. })));
    let now = holdfast_domain::clock::Now::default();
    assert_eq!(world.engine(hub).status(now).expect("status").forks.len(), 1);
}

#[test]
fn what_a_parcel_brings_goes_on_to_neighbours_at_once() {
    let mut world = World::new(87);
    let (hub, near, far) = (world.node("hub"), world.node("engine-7"), world.node("truck-3"));
    world.link(near, far, Profile::LAN);
    let bytes = of_hub(&mut world, hub);
    world.run_for_ms(2_000);
    take(&mut world, near, &bytes).expect("taken");
    demand_agreement(&mut world, &[hub, near, far], 2_000);
}

#[test]
fn an_import_that_a_power_cut_ended_goes_on_with_what_is_missing() {
    let mut world = World::new(88);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let story = Story::begin(&mut world, hub);
    for line in 0..240 {
        story.say(&mut world, hub, &format!("{line:04} ").repeat(3_000));
    }
    let bytes = everything(&mut world, hub);
    let reader = world.parcel_reader(engine);
    let mut portions = 0;
    let cut = import(
        &mut |command| {
            portions += 1;
            if portions > 1 { Err(Failed::Stopped) } else { Ok(world.ask(engine, command)) }
        },
        &reader,
        &bytes,
    );
    assert!(cut.is_err() && portions == 2, "the parcel goes in by several commits");
    world.power_cut(engine);
    world.power_on(engine);
    let report = take(&mut world, engine, &bytes).expect("taken");
    assert!(report.known > 0 && report.fresh > 0 && report.known + report.fresh == report.entries, "{report:?}");
    demand_agreement(&mut world, &[hub, engine], 0);
}
