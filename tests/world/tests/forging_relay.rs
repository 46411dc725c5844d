//! Fear: a relay alters, renumbers or replays what it carries, and somebody believes it.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn altered_frames_change_nothing_and_honest_links_still_agree() {
    for seed in 0..6 {
        let mut world = World::new(100 + seed);
        let nodes: Vec<usize> = ["hub", "engine-7", "truck-3"].iter().map(|name| world.node(name)).collect();
        let forged = Profile { forge_permille: 300, ..Profile::LAN };
        let bad = world.link(nodes[0], nodes[1], forged);
        world.link(nodes[1], nodes[2], forged);
        let mut story = Story::begin(&mut world, 0);
        for round in 0..40 {
            story.anything(&mut world, nodes[usize::from(round % 4 == 0)]);
            world.run_for_ms(400);
        }
        // What a forger claimed of its own frontier is believed for its session; an honest one begins afresh.
        for link in [bad, bad + 1] {
            world.set_profile(link, Profile::LAN);
            world.cut(link);
        }
        world.heal();
        demand_agreement(&mut world, &nodes, 20_000);
    }
}

#[test]
fn replayed_frames_change_nothing() {
    let mut world = World::new(111);
    let nodes = [world.node("hub"), world.node("engine-7")];
    let link = world.link(nodes[0], nodes[1], Profile { replay_permille: 500, ..Profile::LAN });
    let mut story = Story::begin(&mut world, 0);
    for round in 0..40 {
        story.anything(&mut world, nodes[round % 2]);
        world.run_for_ms(100);
    }
    world.set_profile(link, Profile::LAN);
    world.run_for_ms(1_000);
    demand_agreement(&mut world, &nodes, 20_000);
}
