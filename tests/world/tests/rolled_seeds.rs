//! Fear: the thing nobody thought of, while documents roll and everything old is dropped at once.

use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_driver::effect::Notice;
use holdfast_driver::event::Command;
use holdfast_driver::retention::Retention;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

/// Seeds of an ordinary run; `HOLDFAST_WORLD_SEEDS` asks for more.
const SEEDS: u64 = 12;

fn linked(world: &mut World) -> Vec<usize> {
    let size = 3 + world.dice(3);
    let hubs = 1 + world.dice(2);
    let names: &[&str] = &["hub", if hubs == 2 { "hub-2" } else { "engine-7" }, "truck-3", "medic-17", "boat-1"];
    let nodes: Vec<usize> = names[..size].iter().map(|name| world.node(name)).collect();
    for a in 0..size {
        for b in a + 1..size {
            let radio = world.dice(3) == 0;
            if b == a + 1 || world.dice(2) == 0 {
                world.link(nodes[a], nodes[b], if radio { Profile::RADIO } else { Profile::LAN });
            }
        }
    }
    nodes
}

fn live(seed: u64) -> usize {
    let mut world = World::new(seed);
    world.retention = Retention {
        document_days: 0,
        generation_changes_max: 70,
        late_wait_s: 90,
        reset_wait_s: 300,
        ..world.retention.clone()
    };
    let nodes = linked(&mut world);
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(5_000);
    for _ in 0..80 {
        let node = nodes[world.dice(nodes.len())];
        match world.dice(24) {
            0 | 1 => {
                let cut = 1 + world.dice(nodes.len() - 1);
                world.part(&nodes[..cut], &nodes[cut..]);
            }
            2 | 3 => world.heal(),
            4 => {
                world.power_cut(node);
                world.run_for_ms(200);
                world.power_on(node);
            }
            5 => {
                world.fail_commits(node, true);
                world.run_for_ms(1_000);
                world.fail_commits(node, false);
            }
            6 => {
                let days = world.dice(40_000) as u64;
                world.set_clock(node, days * 24 * 3_600_000);
            }
            7 | 8 => {
                let kind = if world.dice(3) == 0 { StreamKind::Roster } else { StreamKind::Board };
                let stream = StreamId::new(Scope::Mission(story.mission), kind);
                world.ask(node, Command::Roll { stream });
            }
            10 => {
                let kinds = [StreamKind::Message, StreamKind::Track, StreamKind::TrackSampled];
                let kind = kinds[world.dice(kinds.len())];
                let stream = StreamId::new(Scope::Mission(story.mission), kind);
                world.ask(node, Command::Floor { stream });
            }
            9 => world.run_for_ms(61_000),
            _ => story.anything(&mut world, node),
        }
        let pause = world.dice(3_000) as u64;
        world.run_for_ms(pause);
    }
    for &node in &nodes {
        world.fail_commits(node, false);
    }
    world.heal();
    world.run_for_ms(600_000);
    demand_agreement(&mut world, &nodes, 120_000);
    world.told().iter().filter(|(_, notice)| matches!(notice, Notice::Turned { .. })).count()
}

#[test]
fn every_seed_agrees_in_the_end_though_documents_roll() {
    let seeds = std::env::var("HOLDFAST_WORLD_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    let mut turns = 0;
    for seed in 0..seeds {
        println!("seed {seed}");
        turns += live(5_000 + seed);
    }
    assert!(turns > 0, "no document ever turned");
}
