//! Fear: with sticks alone, carried in any order, some lost and some late, nodes end up with different missions.

use holdfast_domain::parcel::ParcelNew;
use holdfast_driver::parcel::{export, import};
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

const NAMES: [&str; 4] = ["hub", "engine-7", "truck-3", "boat-1"];

fn write(world: &mut World, node: usize, new: &ParcelNew) -> Option<Vec<u8>> {
    export(&mut |command| Ok(world.ask(node, command)), new).ok()
}

fn take(world: &mut World, node: usize, stick: &[u8]) {
    let reader = world.parcel_reader(node);
    let report = import(&mut |command| Ok(world.ask(node, command)), &reader, stick).expect("an honest parcel is read");
    assert!(report.refused.is_empty(), "{report:?}");
    let left_out: u64 = report.gaps.iter().map(|gap| gap.entries).sum();
    assert_eq!(report.fresh + report.known + left_out, report.entries, "{report:?}");
}

/// A stick with everything, or with what came after another stick that the writer holds.
fn any_stick(world: &mut World, node: usize, sticks: &[Vec<u8>]) -> Option<Vec<u8>> {
    let mut new = ParcelNew::default();
    if !sticks.is_empty() && world.dice(2) == 0 {
        let earlier = &sticks[world.dice(sticks.len())];
        new.after = world.parcel_reader(node).inspect(earlier).expect("a parcel of the org").chains;
    }
    write(world, node, &new)
}

fn live(seed: u64) {
    let mut world = World::new(seed);
    let nodes: Vec<usize> = NAMES.iter().map(|name| world.node(name)).collect();
    let mut story = Story::begin(&mut world, 0);
    let mut sticks = vec![write(&mut world, 0, &ParcelNew::default()).expect("the mission")];
    for &node in &nodes[1..] {
        take(&mut world, node, &sticks[0]);
    }
    for _ in 0..60 {
        world.run_for_ms(60_000);
        let node = nodes[world.dice(nodes.len())];
        match world.dice(4) {
            0 | 1 => story.anything(&mut world, node),
            2 => sticks.extend(any_stick(&mut world, node, &sticks)),
            _ => {
                let stick = sticks[world.dice(sticks.len())].clone();
                take(&mut world, node, &stick);
                if world.dice(6) == 0 {
                    world.power_cut(node);
                    world.power_on(node);
                }
            }
        }
    }
    // In the end everybody brings everything to the hub, and takes home what it has then.
    for &node in &nodes[1..] {
        let stick = write(&mut world, node, &ParcelNew::default()).expect("everything");
        take(&mut world, nodes[0], &stick);
    }
    let home = write(&mut world, nodes[0], &ParcelNew::default()).expect("everything");
    for &node in &nodes[1..] {
        take(&mut world, node, &home);
    }
    demand_agreement(&mut world, &nodes, 0);
}

#[test]
fn sticks_in_any_order_bring_everybody_to_the_same() {
    for seed in 900..912 {
        live(seed);
    }
}
