//! Fear: a run that failed cannot be repeated; and the thing nobody thought of. Many seeds, everything at once.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

/// Seeds of an ordinary run; `HOLDFAST_WORLD_SEEDS` asks for more.
const SEEDS: u64 = 20;

fn live(seed: u64) -> (String, u64) {
    let mut world = World::new(seed);
    let size = 3 + world.dice(3);
    let names = ["hub", "engine-7", "truck-3", "medic-17", "boat-1"];
    let nodes: Vec<usize> = names[..size].iter().map(|name| world.node(name)).collect();
    for a in 0..size {
        for b in a + 1..size {
            let radio = world.dice(3) == 0;
            if b == a + 1 || world.dice(2) == 0 {
                world.link(nodes[a], nodes[b], if radio { Profile::RADIO } else { Profile::LAN });
            }
        }
    }
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(5_000);
    for _ in 0..60 {
        let node = nodes[world.dice(size)];
        match world.dice(20) {
            0 => {
                let cut = 1 + world.dice(size - 1);
                world.part(&nodes[..cut], &nodes[cut..]);
            }
            1 => world.heal(),
            2 => {
                world.power_cut(node);
                world.run_for_ms(200);
                world.power_on(node);
            }
            3 => {
                world.fail_commits(node, true);
                world.run_for_ms(1_000);
                world.fail_commits(node, false);
            }
            4 => {
                let days = world.dice(40_000) as u64;
                world.set_clock(node, days * 24 * 3_600_000);
            }
            _ => story.anything(&mut world, node),
        }
        let pause = world.dice(3_000) as u64;
        world.run_for_ms(pause);
    }
    for &node in &nodes {
        world.fail_commits(node, false);
    }
    world.heal();
    let took = demand_agreement(&mut world, &nodes, 120_000);
    (world.trace(), took)
}

#[test]
fn every_seed_agrees_in_the_end_and_repeats_itself() {
    let seeds = std::env::var("HOLDFAST_WORLD_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        println!("seed {seed}");
        let (first, _) = live(seed);
        let (second, _) = live(seed);
        assert_eq!(first, second, "seed {seed} does not repeat itself");
    }
}
