//! Fear: the way a vehicle took last week fills every disk, or is gone, or is another than was driven.

use holdfast_domain::edit::Edit;
use holdfast_domain::id::UnitId;
use holdfast_domain::limits::TRACK_FIXES_MAX;
use holdfast_domain::query::{PageRequest, TrackFilter};
use holdfast_domain::retention::StreamKept;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::track::{Fix, TrackNew};
use holdfast_driver::effect::Reply;
use holdfast_driver::event::Command;
use holdfast_driver::retention::Retention;
use holdfast_replica::thin::{sampled, simplified};
use holdfast_world::link::Profile;
use holdfast_world::oracle::{converge, demand_health};
use holdfast_world::story::Story;
use holdfast_world::vehicle::drive;
use holdfast_world::world::{EPOCH_MS, World};

const HOUR_MS: u64 = 3_600_000;
/// Rounds of retention, with ticks to thin and to drop.
const ROUNDS_MS: u64 = 200_000;

struct Fleet {
    world: World,
    nodes: Vec<usize>,
    story: Story,
}

impl Fleet {
    fn new(seed: u64, retention: Retention) -> Self {
        let mut world = World::new(seed);
        world.retention = retention;
        let nodes: Vec<usize> = ["hub", "engine-7", "truck-3"].map(|name| world.node(name)).to_vec();
        world.link(nodes[0], nodes[1], Profile::LAN);
        world.link(nodes[0], nodes[2], Profile::LAN);
        let story = Story::begin(&mut world, nodes[0]);
        converge(&mut world, &nodes, 10_000).expect("all agree");
        Self { world, nodes, story }
    }

    /// A drive of some hours, one fix a second, handed in at a node.
    fn drive(&mut self, node: usize, unit: UnitId, start_ms: u64, hours: u64) -> Vec<Fix> {
        let fixes = drive(unit.as_bytes()[15].into(), start_ms, hours * 3_600, 0.3);
        for part in fixes.chunks(TRACK_FIXES_MAX) {
            let new = TrackNew { source: "gpx:drive".to_owned(), fixes: part.to_vec() };
            self.world.edit(node, Edit::TrackAppend(self.story.mission, unit, new)).expect("a track is taken");
        }
        fixes
    }

    /// The days go by: every clock is set on, and the rounds of retention are waited for.
    fn later(&mut self, hours: u64) {
        for &node in &self.nodes {
            let on_ms = self.world.now(node).wall_ms + hours * HOUR_MS;
            self.world.set_clock(node, on_ms);
        }
        self.world.run_for_ms(ROUNDS_MS);
    }

    fn agree(&mut self) {
        let nodes = self.nodes.clone();
        converge(&mut self.world, &nodes, 120_000).expect("all agree");
        for node in nodes {
            demand_health(&mut self.world, node);
        }
    }

    fn kept(&mut self, node: usize, kind: StreamKind) -> Option<StreamKept> {
        let stream = StreamId::new(Scope::Mission(self.story.mission), kind).to_string();
        let Reply::Retention(status) = self.world.ask(node, Command::Retention) else { panic!("no status") };
        status.streams.into_iter().find(|kept| kept.stream == stream)
    }

    fn entries(&mut self, node: usize, kind: StreamKind) -> u64 {
        self.kept(node, kind).map_or(0, |kept| kept.entries)
    }

    fn track(&self, node: usize, unit: UnitId) -> Vec<Fix> {
        let views = self.world.engine(node).store().reader().expect("a reader");
        let (mut fixes, mut cursor) = (Vec::new(), None);
        loop {
            let page = PageRequest::new(Some(500), cursor);
            let page = views.track_list(unit, &TrackFilter::default(), &page).expect("a track");
            fixes.extend(page.items);
            let Some(next) = page.next else { return fixes };
            cursor = Some(next);
        }
    }
}

/// The ages of a new node.
fn usual() -> Retention {
    Retention::default()
}

#[test]
fn a_drive_is_whole_for_a_day_in_samples_for_a_week_and_then_its_way() {
    let mut fleet = Fleet::new(900, usual());
    let (unit, other) = (fleet.story.units[0], fleet.story.units[1]);
    let start = EPOCH_MS / HOUR_MS * HOUR_MS + 1_234_567;
    let (hub, engine, truck) = (fleet.nodes[0], fleet.nodes[1], fleet.nodes[2]);
    let driven = fleet.drive(engine, unit, start, 3);
    let beside = fleet.drive(truck, other, start + HOUR_MS / 2, 1);
    fleet.agree();
    fleet.later(0);
    fleet.later(12);
    assert_eq!(fleet.track(truck, unit), driven, "half a day is no age");
    // A day after it saw the first of it the command post writes what will be left.
    fleet.later(13);
    fleet.agree();
    assert!(fleet.entries(truck, StreamKind::TrackSampled) > 0, "what is left goes to all");
    assert_eq!(fleet.track(truck, unit), driven, "nothing is dropped for a day after that");
    let apart = fleet.world.clone_disk(truck);
    fleet.world.power_cut(apart);

    fleet.later(25);
    let today = fleet.drive(engine, other, start + 50 * HOUR_MS, 1);
    fleet.agree();
    fleet.later(25);
    fleet.agree();
    let samples = sampled(&driven);
    for node in [engine, truck] {
        assert_eq!(fleet.track(node, unit), samples, "one fix in ten seconds is left");
        assert_eq!(fleet.kept(node, StreamKind::Track).expect("known").passed_over, 0);
    }
    assert_eq!(fleet.track(truck, other), [sampled(&beside), today.clone()].concat(), "what is of today is whole");
    assert_eq!(fleet.track(hub, unit), driven, "the command post has all of it");
    fleet.world.power_cut(truck);
    fleet.world.power_on(truck);
    assert_eq!(fleet.track(truck, unit), samples, "and after a power cut it is the same");

    for _ in 0..9 {
        // Nothing new comes, and the days pass by the word of the command post alone.
        fleet.later(25);
    }
    fleet.agree();
    let way = simplified(&driven);
    assert!(way.len() * 10 < driven.len(), "{} of {} fixes", way.len(), driven.len());
    for node in [engine, truck] {
        assert_eq!(fleet.track(node, unit), way, "only the way is left");
        assert_eq!(fleet.track(node, other), [simplified(&beside), simplified(&today)].concat());
    }
    assert_eq!((fleet.track(hub, unit), fleet.kept(hub, StreamKind::Track).expect("known").below), (driven, 0));
    who_comes_late_gets_the_way(&mut fleet, &way, apart);
}

/// A newcomer, and the disk that lay in a drawer since the second day.
fn who_comes_late_gets_the_way(fleet: &mut Fleet, way: &[Fix], apart: usize) {
    let (hub, truck, unit) = (fleet.nodes[0], fleet.nodes[2], fleet.story.units[0]);
    let late = fleet.world.node("medic-17");
    let clock = fleet.world.now(hub).wall_ms;
    fleet.world.set_clock(late, clock);
    fleet.world.link(late, hub, Profile::LAN);
    fleet.nodes.push(late);
    fleet.agree();
    fleet.world.run_for_ms(ROUNDS_MS);
    assert_eq!(fleet.track(late, unit), way);
    let (all, few) =
        (fleet.kept(hub, StreamKind::Track).expect("known"), fleet.kept(late, StreamKind::Track).expect("known"));
    assert!(few.bytes * 5 < all.bytes, "the newcomer holds {} B of {}", few.bytes, all.bytes);

    fleet.world.power_cut(truck);
    fleet.world.link(apart, hub, Profile::LAN);
    fleet.world.power_on(apart);
    fleet.world.set_clock(apart, clock);
    fleet.nodes.retain(|node| *node != truck);
    fleet.nodes.push(apart);
    fleet.agree();
    fleet.world.run_for_ms(ROUNDS_MS);
    assert_eq!(fleet.track(apart, unit), way);
    fleet.agree();
}

/// As soon as a floor is laid everything goes.
fn at_once() -> Retention {
    Retention { track_full_hours: 0, track_sampled_days: 0, ..Retention::default() }
}

fn floor(fleet: &mut Fleet, kind: StreamKind) {
    let stream = StreamId::new(Scope::Mission(fleet.story.mission), kind);
    let reply = fleet.world.ask(fleet.nodes[0], Command::Floor { stream });
    assert!(matches!(reply, Reply::Rolled(Ok(_))), "{reply:?}");
}

#[test]
fn a_command_post_that_loses_power_while_it_thins_begins_again() {
    let mut fleet = Fleet::new(910, at_once());
    let (hub, unit) = (fleet.nodes[0], fleet.story.units[0]);
    fleet.world.run_for_ms(70_000);
    let start = EPOCH_MS / HOUR_MS * HOUR_MS;
    let driven = fleet.drive(fleet.nodes[1], unit, start, 12);
    fleet.agree();
    floor(&mut fleet, StreamKind::Track);
    fleet.world.run_for_ms(2_500);
    assert!(fleet.kept(hub, StreamKind::Track).expect("known").thinning, "twelve hours take more than two ticks");
    let begun = fleet.entries(hub, StreamKind::TrackSampled);
    assert!(begun > 0);
    assert_eq!(fleet.track(fleet.nodes[1], unit), driven, "without a floor nobody drops anything");
    fleet.world.power_cut(hub);
    fleet.world.run_for_ms(5_000);
    fleet.world.power_on(hub);
    fleet.world.run_for_ms(70_000);
    assert!(!fleet.kept(hub, StreamKind::Track).expect("known").thinning);
    floor(&mut fleet, StreamKind::Track);
    fleet.world.fail_commits(hub, true);
    fleet.world.run_for_ms(2_000);
    fleet.world.fail_commits(hub, false);
    // A disk that refused is not tried again for a minute.
    fleet.world.run_for_ms(70_000);
    let again = fleet.kept(hub, StreamKind::Track).expect("known");
    if !again.thinning && again.floor.is_none() {
        floor(&mut fleet, StreamKind::Track);
    }
    fleet.world.run_for_ms(ROUNDS_MS);
    fleet.agree();
    assert_eq!(fleet.kept(hub, StreamKind::Track).expect("known").floor, Some(1));
    for node in [fleet.nodes[1], fleet.nodes[2]] {
        assert_eq!(fleet.track(node, unit), sampled(&driven), "what was written twice is shown once");
    }
    assert_eq!(fleet.track(hub, unit), driven);
}

#[test]
fn what_a_vehicle_brings_days_later_is_thinned_with_the_hours_it_belongs_to() {
    let mut fleet = Fleet::new(920, at_once());
    let (hub, engine, truck) = (fleet.nodes[0], fleet.nodes[1], fleet.nodes[2]);
    let unit = fleet.story.units[0];
    fleet.world.run_for_ms(70_000);
    fleet.world.part(&[hub, engine], &[truck]);
    let start = EPOCH_MS / HOUR_MS * HOUR_MS;
    // Two trackers in one vehicle, half a second apart; one of them is out of reach.
    let near = fleet.drive(engine, unit, start, 2);
    let far: Vec<Fix> = near.iter().map(|fix| Fix { at_ms: fix.at_ms + 500, ..*fix }).collect();
    for part in far.chunks(TRACK_FIXES_MAX) {
        let new = TrackNew { source: "second tracker".to_owned(), fixes: part.to_vec() };
        fleet.world.edit(truck, Edit::TrackAppend(fleet.story.mission, unit, new)).expect("a track is taken");
    }
    converge(&mut fleet.world, &[hub, engine], 10_000).expect("the two agree");
    floor(&mut fleet, StreamKind::Track);
    fleet.world.run_for_ms(ROUNDS_MS);
    assert_eq!(fleet.track(engine, unit), sampled(&near));
    assert_eq!(fleet.track(truck, unit), far, "out of reach nothing is thinned");

    fleet.world.heal();
    fleet.agree();
    assert_eq!(fleet.track(hub, unit).len(), near.len() + far.len());
    let both = fleet.track(hub, unit);
    assert_eq!(fleet.track(engine, unit).len(), far.len() + sampled(&near).len(), "what came late is whole at first");
    floor(&mut fleet, StreamKind::Track);
    fleet.world.run_for_ms(ROUNDS_MS);
    fleet.agree();
    // The last fix of each hour is another than before: both stay.
    let mut left: Vec<Fix> = [sampled(&near), sampled(&both)].concat();
    left.sort_by_key(|fix| fix.at_ms);
    left.dedup();
    for node in [engine, truck] {
        assert_eq!(fleet.track(node, unit), left);
    }
    floor(&mut fleet, StreamKind::TrackSampled);
    fleet.world.run_for_ms(ROUNDS_MS);
    fleet.agree();
    for node in [engine, truck] {
        assert_eq!(fleet.track(node, unit), simplified(&both));
        assert_eq!(fleet.entries(node, StreamKind::TrackSampled), 0);
    }
    // Nothing more is to be done, and that is said.
    let stream = StreamId::new(Scope::Mission(fleet.story.mission), StreamKind::Track);
    let reply = fleet.world.ask(hub, Command::Floor { stream });
    assert!(matches!(reply, Reply::Rolled(Err(_))), "{reply:?}");
}

#[test]
fn a_receiver_that_was_in_1970_for_a_moment_holds_nothing_up() {
    let mut fleet = Fleet::new(940, at_once());
    let (hub, engine, unit) = (fleet.nodes[0], fleet.nodes[1], fleet.story.units[0]);
    fleet.world.run_for_ms(70_000);
    let mut driven = fleet.drive(engine, unit, EPOCH_MS / HOUR_MS * HOUR_MS, 2);
    let lost = [Fix { at_ms: 86_400_000, ..driven[0] }, Fix { at_ms: driven[7_199].at_ms + 1, ..driven[0] }];
    let new = TrackNew { source: "gpx:lost".to_owned(), fixes: lost.to_vec() };
    fleet.world.edit(engine, Edit::TrackAppend(fleet.story.mission, unit, new)).expect("a track is taken");
    driven.insert(0, lost[0]);
    driven.push(lost[1]);
    fleet.agree();
    floor(&mut fleet, StreamKind::Track);
    fleet.world.run_for_ms(ROUNDS_MS);
    assert_eq!(fleet.track(engine, unit), sampled(&driven), "and not only when a doctor looks at it");
    fleet.agree();
    assert_eq!(fleet.track(hub, unit), driven);
}

#[test]
fn raw_history_stays_until_what_is_left_of_it_has_come() {
    let mut fleet = Fleet::new(930, at_once());
    let (hub, truck, unit) = (fleet.nodes[0], fleet.nodes[2], fleet.story.units[0]);
    fleet.world.run_for_ms(70_000);
    let driven = fleet.drive(truck, unit, EPOCH_MS / HOUR_MS * HOUR_MS, 4);
    fleet.agree();
    // The floor is of the most urgent class, what is left of the least: on a thin link there is time between the two.
    fleet.world.set_profile(1, Profile { rate_bps: [1_200; 2], ..Profile::RADIO });
    floor(&mut fleet, StreamKind::Track);
    let mut between = 0;
    while fleet.track(truck, unit) == driven {
        fleet.world.run_for_ms(500);
        let told = fleet.kept(truck, StreamKind::Track).expect("known").floor.is_some();
        let (here, there) =
            (fleet.entries(truck, StreamKind::TrackSampled), fleet.entries(hub, StreamKind::TrackSampled));
        between += u32::from(told && here < there);
        assert!(fleet.world.now_ms() < 3_600_000, "it is never dropped");
    }
    assert!(between > 10, "the floor was there before what is left: {between}");
    assert_eq!(fleet.track(truck, unit), sampled(&driven), "the way is never shown with a hole");
}
