//! Several links between two devices end as one, the same at both ends, in every order of events.

use crate::org::{self, board};
use crate::world::World;

fn settle(dials: &[(usize, usize)], seed: u64) -> World {
    let mut world = World::new(2, seed);
    world.write(0, board(), &["one", "two"]);
    world.write(1, board(), &["three"]);
    for (turn, &(a, b)) in dials.iter().enumerate() {
        world.dial(a, b);
        world.steps((seed as usize + turn) % 7);
    }
    world.run();
    world
}

#[test]
fn duplicate_links_come_down_to_one_at_both_ends() {
    let patterns: [&[(usize, usize)]; 6] = [
        &[(0, 1), (1, 0)],
        &[(1, 0), (0, 1)],
        &[(0, 1), (0, 1)],
        &[(1, 0), (1, 0)],
        &[(0, 1), (1, 0), (0, 1), (1, 0)],
        &[(1, 0), (1, 0), (0, 1), (0, 1), (1, 0)],
    ];
    for dials in patterns {
        for seed in 0..300 {
            let world = settle(dials, seed);
            let links = |node: usize| world.nodes[node].protocol.links().collect::<Vec<_>>();
            assert_eq!((links(0).len(), links(1).len(), world.wires_up()), (1, 1, 1), "{dials:?} with seed {seed}");
            assert_eq!(links(0)[0].0.0 / 2, links(1)[0].0.0 / 2, "the same link, {dials:?} with seed {seed}");
            assert!(links(0)[0].2 && links(1)[0].2);
            world.assert_converged();
        }
    }
}

#[test]
fn the_link_dialled_by_the_lower_device_stays() {
    let lower = usize::from(org::device(1) > org::device(2));
    for seed in 0..50 {
        let world = settle(&[(0, 1), (1, 0)], seed);
        let kept = world.nodes[0].protocol.links().next().map(|(link, ..)| link.0 as usize / 2);
        assert_eq!(kept, Some(lower), "wire 0 is dialled by node 0, wire 1 by node 1");
    }
}
