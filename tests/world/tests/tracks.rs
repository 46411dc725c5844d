//! Fear: the way a vehicle took while it was apart is lost, doubled, or in the way of where it is now.

use std::collections::BTreeSet;

use holdfast_domain::edit::Edit;
use holdfast_domain::feed::{self, TrackBody};
use holdfast_domain::id::UnitId;
use holdfast_domain::limits::{SEGMENT_SILENCE_FIXES_MIN, SEGMENT_SILENCE_MS, SEGMENTS_PER_STEP};
use holdfast_domain::query::{PageRequest, TrackFilter};
use holdfast_domain::scope::{Class, Scope, StreamId, StreamKind};
use holdfast_domain::track::{Fix, TrackNew};
use holdfast_driver::effect::Notice;
use holdfast_replica::segment;
use holdfast_world::link::{Loss, Profile};
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::vehicle::drive;
use holdfast_world::world::{EPOCH_MS, World};

const HOUR_S: u64 = 3_600;
/// A voice radio in narrow band: 9.6 kbit/s, half a second, one packet in twenty lost.
const NARROW: Profile =
    Profile { delay_us: [500_000; 2], rate_bps: [9_600; 2], loss: Loss { good: 50, ..Loss::NONE }, ..Profile::LAN };

/// All that a node shows of a unit's track.
fn track(world: &World, node: usize, unit: UnitId) -> Vec<Fix> {
    let views = world.engine(node).store().reader().expect("a reader");
    let (mut fixes, mut cursor) = (Vec::new(), None);
    loop {
        let page = PageRequest::new(Some(500), cursor);
        let page = views.track_list(unit, &TrackFilter::default(), &page).expect("a track");
        fixes.extend(page.items);
        let Some(next) = page.next else {
            assert_eq!(fixes.len() as u64, page.total);
            return fixes;
        };
        cursor = Some(next);
    }
}

/// The fixes of every segment that a node holds, segment by segment.
fn segments(world: &World, node: usize, story: &Story) -> Vec<Vec<Fix>> {
    let stream = StreamId::new(Scope::Mission(story.mission), StreamKind::Track);
    let entries = world.engine(node).store().feed_entries(stream, 0, 10_000).expect("entries");
    let opened = entries.into_iter().map(|(_, entry)| match feed::decode(&entry.body).expect("a track body") {
        TrackBody::V3 { segment, .. } => segment::open(&segment).expect("a segment"),
        TrackBody::V1 { .. } | TrackBody::V2 { .. } => panic!("nothing writes the forms of before"),
    });
    opened.collect()
}

fn newest(world: &World, node: usize, unit: UnitId) -> Option<Fix> {
    let views = world.engine(node).store().reader().expect("a reader");
    views.position_by_unit(unit).expect("a position").map(|item| item.record.fix)
}

/// Reports a drive from now on, one fix a second, and lets the world go on meanwhile.
fn report(world: &mut World, node: usize, story: &Story, unit: UnitId, fixes: &[Fix]) {
    for fix in fixes {
        world.edit(node, Edit::PositionReport(story.mission, unit, *fix)).expect("a position is taken");
        world.run_for_ms(1_000);
    }
}

fn drive_from_now(world: &World, seconds: u64) -> Vec<Fix> {
    drive(7, EPOCH_MS + world.now_ms(), seconds, 0.3)
}

#[test]
fn an_hour_apart_comes_back_whole_and_after_where_the_vehicle_is() {
    let mut world = World::new(71);
    let [hub, engine, truck] = ["hub", "engine-7", "truck-3"].map(|name| world.node(name));
    let radio = world.link(hub, engine, Profile::LAN);
    world.link(hub, truck, Profile::LAN);
    let story = Story::begin(&mut world, hub);
    let unit = story.units[0];
    demand_agreement(&mut world, &[hub, engine, truck], 5_000);

    world.cut(radio);
    let fixes = drive_from_now(&world, HOUR_S);
    for (round, part) in fixes.chunks(400).enumerate() {
        report(&mut world, engine, &story, unit, part);
        let told = (round + 1) * 400;
        assert_eq!(track(&world, engine, unit), fixes[..told], "all that was reported is shown here at once");
        world.power_cut(engine);
        world.power_on(engine);
        assert_eq!(track(&world, engine, unit), fixes[..told], "and is still there after a power cut");
    }
    world.run_for_ms(700_000);

    world.set_profile(radio, NARROW);
    // What devices say of what they hold goes by the clock, not by the fix: it is no part of the figure.
    let spent = |world: &World| world.bytes_sent - world.bytes_by_class.get(&Class::P3).copied().unwrap_or(0);
    let before = spent(&world);
    world.heal();
    let start = world.now_ms();
    let last = fixes.last().copied();
    let mut seen = None;
    while track(&world, truck, unit).len() < fixes.len() {
        world.run_for_ms(250);
        assert!(world.now_ms() - start < 120_000, "the history does not arrive");
        if seen.is_none() && newest(&world, truck, unit) == last {
            seen = Some(world.now_ms() - start);
            assert!(track(&world, truck, unit).is_empty(), "where it is comes before where it was");
        }
    }
    let whole = world.now_ms() - start;
    demand_agreement(&mut world, &[hub, engine, truck], 60_000);
    let seen = seen.expect("the newest position arrived");
    // Over two links: to the hub and on to the truck.
    let each = (spent(&world) - before) as f64 / 2.0 / fixes.len() as f64;
    println!("position after {seen} ms, {} fixes after {whole} ms, {each:.2} B a fix on each link", fixes.len());
    assert!(seen < 6_000, "the position took {seen} ms");
    assert!(each <= 6.0, "{each:.2} B a fix");
    for node in [hub, engine, truck] {
        assert_eq!(track(&world, node, unit), fixes);
        let sealed: Vec<Fix> = segments(&world, node, &story).concat();
        let times: BTreeSet<u64> = sealed.iter().map(|fix| fix.at_ms).collect();
        assert_eq!((sealed.len(), times.len()), (fixes.len(), fixes.len()), "each fix lies in one segment");
    }
}

#[test]
fn positions_reported_at_a_relay_and_at_the_vehicle_are_sealed_by_each_alone() {
    let mut world = World::new(72);
    let nodes = ["hub", "engine-7", "truck-3"].map(|name| world.node(name));
    world.link(nodes[0], nodes[1], Profile::LAN);
    world.link(nodes[1], nodes[2], Profile::LAN);
    let story = Story::begin(&mut world, 0);
    let unit = story.units[0];
    demand_agreement(&mut world, &nodes, 5_000);
    let fixes = drive_from_now(&world, 300);
    for (second, fix) in fixes.iter().enumerate() {
        // The crew's phone talks to the truck now and then.
        let node = if second % 3 == 0 { nodes[2] } else { nodes[1] };
        report(&mut world, node, &story, unit, &[*fix]);
    }
    world.run_for_ms(700_000);
    demand_agreement(&mut world, &nodes, 30_000);
    for node in nodes {
        assert_eq!(track(&world, node, unit), fixes);
        let sizes: Vec<usize> = segments(&world, node, &story).iter().map(Vec::len).collect();
        assert_eq!(sizes.iter().sum::<usize>(), fixes.len(), "{sizes:?}");
    }
}

#[test]
fn a_unit_that_falls_silent_is_sealed_soon_and_a_rare_reporter_not_fix_by_fix() {
    let mut world = World::new(73);
    world.tick_alone_us = 1_000_000;
    let hub = world.node("hub");
    let story = Story::begin(&mut world, hub);
    let [quick, rare] = [story.units[0], story.units[1]];
    let fixes = drive_from_now(&world, 100);
    report(&mut world, hub, &story, quick, &fixes);
    world.run_for_ms(110_000);
    assert!(segments(&world, hub, &story).is_empty(), "it may come out of a tunnel yet");
    world.run_for_ms(20_000);
    assert_eq!(segments(&world, hub, &story), std::slice::from_ref(&fixes));
    let rarely: Vec<Fix> = drive_from_now(&world, 1_500).into_iter().step_by(150).collect();
    for fix in &rarely {
        world.edit(hub, Edit::PositionReport(story.mission, rare, *fix)).expect("a position is taken");
        world.run_for_ms(150_000);
    }
    world.run_for_ms(700_000);
    let sizes: Vec<usize> = segments(&world, hub, &story).iter().map(Vec::len).collect();
    assert_eq!(sizes, [100, 4, 4, 2]);
    assert_eq!(track(&world, hub, rare), rarely);
    demand_agreement(&mut world, &[hub], 0);
}

#[test]
fn a_fleet_that_falls_silent_at_once_does_not_hold_a_step_up() {
    let mut world = World::new(77);
    world.tick_alone_us = 1_000_000;
    let hub = world.node("hub");
    let mut story = Story::begin(&mut world, hub);
    let fleet = 2 * SEGMENTS_PER_STEP + 1;
    while story.units.len() < fleet {
        story.unit(&mut world, hub, "E99");
    }
    let fixes = drive_from_now(&world, SEGMENT_SILENCE_FIXES_MIN);
    for &unit in &story.units {
        let reports = fixes.iter().map(|fix| Edit::PositionReport(story.mission, unit, *fix)).collect();
        let taken = world.edits(hub, reports).expect("positions are taken");
        assert!(taken.iter().all(Result::is_ok));
    }
    world.run_for_ms(SEGMENT_SILENCE_MS - 1);
    let mut sealed = Vec::new();
    for _ in 0..5 {
        sealed.push(segments(&world, hub, &story).len());
        world.run_for_ms(1_000);
    }
    assert_eq!(sealed, [0, SEGMENTS_PER_STEP, 2 * SEGMENTS_PER_STEP, fleet, fleet]);
    assert!(story.units.iter().all(|unit| track(&world, hub, *unit) == fixes));
    demand_agreement(&mut world, &[hub], 0);
}

#[test]
fn what_an_import_or_a_second_report_says_again_is_not_doubled() {
    let mut world = World::new(74);
    let hub = world.node("hub");
    let story = Story::begin(&mut world, hub);
    let unit = story.units[0];
    let fixes = drive_from_now(&world, 120);
    report(&mut world, hub, &story, unit, &fixes[..90]);
    report(&mut world, hub, &story, unit, &fixes[60..90]);
    let log = TrackNew { source: "gpx:log.gpx".to_owned(), fixes: fixes.clone() };
    world.edit(hub, Edit::TrackAppend(story.mission, unit, log)).expect("a log");
    assert_eq!(track(&world, hub, unit), fixes);
    world.run_for_ms(700_000);
    assert_eq!(track(&world, hub, unit), fixes);
    let mut sizes: Vec<usize> = segments(&world, hub, &story).iter().map(Vec::len).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [30, 90], "the log brought what was not reported");
    assert_eq!(newest(&world, hub, unit), fixes.last().copied());
    demand_agreement(&mut world, &[hub], 0);
}

#[test]
fn a_disk_that_refuses_keeps_nothing_of_a_report_and_seals_nothing_twice() {
    let mut world = World::new(75);
    world.tick_alone_us = 1_000_000;
    let hub = world.node("hub");
    let story = Story::begin(&mut world, hub);
    let unit = story.units[0];
    let fixes = drive_from_now(&world, 600);
    report(&mut world, hub, &story, unit, &fixes[..599]);
    world.fail_commits(hub, true);
    world.edit(hub, Edit::PositionReport(story.mission, unit, fixes[599])).expect_err("a full disk");
    // The age is reached, but no segment can be written.
    world.run_for_ms(30_000);
    assert_eq!(track(&world, hub, unit), fixes[..599]);
    world.fail_commits(hub, false);
    world.run_for_ms(130_000);
    assert_eq!(track(&world, hub, unit), fixes[..599]);
    assert_eq!(segments(&world, hub, &story), [&fixes[..599]]);
    demand_agreement(&mut world, &[hub], 0);
}

#[test]
fn a_node_that_rises_under_another_epoch_seals_what_waited_and_nothing_of_it_twice() {
    let mut world = World::new(76);
    let [hub, engine] = ["hub", "engine-7"].map(|name| world.node(name));
    let link = world.link(engine, hub, Profile::LAN);
    let story = Story::begin(&mut world, hub);
    let unit = story.units[0];
    demand_agreement(&mut world, &[hub, engine], 5_000);
    let fixes = drive_from_now(&world, 400);
    report(&mut world, engine, &story, unit, &fixes[..200]);
    // The copy of the disk has 200 fixes that wait; the original goes on, seals all and is lost.
    let restored = world.clone_disk(engine);
    world.power_cut(restored);
    report(&mut world, engine, &story, unit, &fixes[200..]);
    world.run_for_ms(130_000);
    demand_agreement(&mut world, &[hub, engine], 5_000);
    world.cut(link);
    world.power_cut(engine);
    world.power_on(restored);
    let author = world.engine(restored).author();
    world.run_for_ms(50_000);
    world.link(restored, hub, Profile::LAN);
    world.run_for_ms(5_000);
    assert_ne!(world.engine(restored).author(), author, "it writes as another author from now on");
    assert!(!world.told().iter().any(|(_, notice)| matches!(notice, Notice::Fork { .. })), "nothing was forked");
    let more = drive_from_now(&world, 70);
    report(&mut world, restored, &story, unit, &more);
    world.run_for_ms(700_000);
    demand_agreement(&mut world, &[hub, restored], 30_000);
    let all = [fixes, more].concat();
    for node in [hub, restored] {
        assert_eq!(track(&world, node, unit), all);
        assert_eq!(segments(&world, node, &story).concat().len(), all.len());
    }
}
