//! What it costs to thin a day: `cargo run --release -p holdfast-world --example thinned_day -- [VEHICLES]`. Vehicles at one
//! fix a second for 24 hours, a command post that thins them and a node that drops them: how long, how long a second of it
//! takes at most, and what is left on the node.

use std::time::Instant;

use holdfast_domain::edit::{Edit, EditEffect};
use holdfast_domain::limits::TRACK_FIXES_MAX;
use holdfast_domain::query::{PageRequest, TrackFilter};
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::track::TrackNew;
use holdfast_domain::unit::UnitNew;
use holdfast_driver::event::Command;
use holdfast_driver::retention::Retention;
use holdfast_world::link::Profile;
use holdfast_world::oracle::converge;
use holdfast_world::story::Story;
use holdfast_world::vehicle::drive;
use holdfast_world::world::{EPOCH_MS, World};

fn main() {
    let vehicles: u64 = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(10);
    let mut world = World::new(5);
    world.retention = Retention { track_full_hours: 0, ..Retention::default() };
    let nodes = [world.node("hub"), world.node("engine-7")];
    world.link(nodes[0], nodes[1], Profile::LAN);
    let story = Story::begin(&mut world, nodes[0]);
    converge(&mut world, &nodes, 10_000).expect("both agree");
    let mut units = Vec::new();
    for vehicle in 0..vehicles {
        let new = UnitNew { id: None, callsign: format!("M{vehicle}"), kind: String::new(), home: String::new() };
        let added = world.edit(nodes[1], Edit::UnitAdd(story.mission, new)).expect("a unit is added");
        let (RecordId::Unit(unit), EditEffect::Created) = (added.record, added.effect) else { panic!("a unit") };
        units.push(unit);
        for part in drive(vehicle, EPOCH_MS, 24 * 3_600, 0.3).chunks(TRACK_FIXES_MAX) {
            let new = TrackNew { source: "live".to_owned(), fixes: part.to_vec() };
            world.edit(nodes[1], Edit::TrackAppend(story.mission, unit, new)).expect("a track is taken");
        }
    }
    converge(&mut world, &nodes, 3_600_000).expect("both agree");
    let stream = |kind| StreamId::new(Scope::Mission(story.mission), kind);
    let weight =
        |world: &World, kind| world.engine(nodes[1]).store().stream_weight(stream(kind)).expect("a weight").bytes;
    let before = weight(&world, StreamKind::Track);
    world.run_for_ms(61_000);
    world.ask(nodes[0], Command::Floor { stream: stream(StreamKind::Track) });
    let (mut longest_ms, mut seconds) = (0, 0);
    let shown = |world: &World| {
        let views = world.engine(nodes[1]).store().reader().expect("a reader");
        let page = PageRequest::new(Some(1), None);
        let total = |unit| views.track_list(unit, &TrackFilter::default(), &page).expect("a track").total;
        units.iter().map(|unit| total(*unit)).sum::<u64>()
    };
    // A sample in ten seconds, and the last of each hour.
    let left = vehicles * (24 * 361 + 1);
    while weight(&world, StreamKind::Track) > 0 || shown(&world) > left {
        let begun = Instant::now();
        world.run_for_ms(1_000);
        longest_ms = longest_ms.max(begun.elapsed().as_millis());
        seconds += 1;
        assert!(seconds < 36_000, "it never ends");
    }
    let after = weight(&world, StreamKind::TrackSampled);
    println!("{vehicles} vehicles: {seconds} s, {} fixes are left,", shown(&world));
    println!("a second of both nodes takes {longest_ms} ms at most, {before} B -> {after} B");
}
