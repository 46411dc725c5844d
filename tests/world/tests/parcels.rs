//! Fear: what travels by hand is lost, doubled, forged or read on its way, or a bad file half-changes a node.

use holdfast_domain::parcel::{ParcelError, ParcelImported, ParcelNew};
use holdfast_driver::handle::Failed;
use holdfast_driver::parcel::sealing::Recipient;
use holdfast_driver::parcel::{ParcelRefusal, export, import};
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

/// Gives the refusal, and demands that nothing changed.
fn refused(world: &mut World, node: usize, bytes: &[u8]) -> ParcelError {
    let before = world.engine(node).frontier().clone();
    let error = take(world, node, bytes).expect_err("a bad parcel is refused");
    assert_eq!(*world.engine(node).frontier(), before, "a refused parcel changes nothing");
    match error {
        Failed::Parcel(ParcelRefusal::Parcel(error)) => error,
        other => panic!("another error: {other}"),
    }
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
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let met = world.node("truck-3");
    let link = world.link(hub, met, Profile::LAN);
    let story = Story::begin(&mut world, hub);
    demand_agreement(&mut world, &[hub, met], 5_000);
    let earlier = everything(&mut world, hub);
    world.cut(link);
    story.say(&mut world, hub, "after the truck left");
    let wanted = ParcelNew { for_device: Some("truck-3".to_owned()), ..ParcelNew::default() };
    // A node that has written is known by name; the truck is known since it was met.
    let later = parcel(&mut world, hub, &wanted).expect("what the truck lacks");
    assert!(later.len() < earlier.len(), "{} {}", later.len(), earlier.len());
    let missed = take(&mut world, engine, &later).expect("read");
    assert_eq!(missed.fresh + missed.known, missed.entries - missed.gaps.iter().map(|gap| gap.entries).sum::<u64>());
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
