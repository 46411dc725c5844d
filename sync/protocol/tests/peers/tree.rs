//! In a mesh bulk comes to each node once, and goes on coming when the neighbour that brought it is gone.

use holdfast_domain::scope::{Class, StreamKind};

use crate::org::{board, stream};
use crate::world::World;

fn full_mesh(count: u8, seed: u64) -> World {
    let mut world = World::new(count, seed);
    for a in 0..usize::from(count) {
        for b in a + 1..usize::from(count) {
            world.dial(a, b);
        }
    }
    world.run();
    world
}

fn totals(world: &World) -> (u64, u64) {
    let sum = |name| world.nodes.iter().map(|node| node.counter(name)).sum::<u64>();
    (sum("entries_received"), sum("entries_duplicate"))
}

#[test]
fn in_a_mesh_of_eight_nearly_nothing_comes_twice() {
    for seed in 0..8 {
        let mut world = full_mesh(8, seed);
        let mut settled = (0, 0);
        for turn in 0..300 {
            if turn == 100 {
                settled = totals(&world);
            }
            world.write(turn % 8, board(), &["news"]);
            world.steps(20);
            if turn % 4 == 0 {
                while world.step() {}
                world.tick();
            }
        }
        world.run();
        world.assert_converged();
        let (received, duplicate) = totals(&world);
        let (received, duplicate) = (received - settled.0, duplicate - settled.1);
        let ratio = received as f64 / (received - duplicate) as f64;
        println!("seed {seed}: {received} received, {duplicate} of them twice, ratio {ratio:.3}");
        assert!(ratio <= 1.1, "seed {seed}: {ratio}");
    }
}

#[test]
fn a_node_that_meets_a_whole_mesh_gets_its_history_once() {
    let mut world = World::new(5, 3);
    for n in 0..300 {
        world.write(0, board(), &[&format!("{n}")]);
    }
    for (a, b) in [(0, 1), (1, 2), (2, 3)] {
        world.dial(a, b);
    }
    world.run();
    for a in 0..4 {
        world.dial(4, a);
    }
    world.run();
    world.assert_converged();
    let duplicate = world.nodes[4].counter("entries_duplicate");
    println!("300 entries from four neighbours: {duplicate} twice");
    assert!(duplicate <= 300, "{duplicate}");
}

#[test]
fn when_the_neighbour_that_brought_everything_is_gone_another_takes_its_part() {
    for seed in 0..20 {
        let mut world = World::new(4, seed);
        let wires = [(0, 1), (0, 2), (1, 3), (2, 3), (1, 2)].map(|(a, b)| world.dial(a, b));
        world.run();
        world.write(0, board(), &["one"]);
        world.run();
        for cut in [0, 2, 3] {
            world.cut(wires[cut]);
            world.write(0, board(), &["more"]);
            world.write(3, stream(StreamKind::Latest), &["p"]);
            world.run();
            if cut == 3 {
                let (a, b) = (1, 3);
                world.dial(a, b);
                world.run();
            }
        }
        world.assert_converged();
    }
}

#[test]
fn what_is_most_urgent_goes_to_everybody_at_once() {
    let mut world = full_mesh(5, 1);
    world.write(0, board(), &["settle"]);
    world.run();
    let before = world.trace.len();
    world.write(0, stream(StreamKind::Control), &["evacuate"]);
    let urgent = world.trace[before..].iter().filter(|(from, _, class, _)| *from == 0 && *class == Class::P0).count();
    assert_eq!(urgent, 4);
}
