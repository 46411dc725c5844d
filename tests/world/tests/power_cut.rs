//! Fear: the power goes at the worst moment and what was acknowledged is gone, or half of something is there.

use holdfast_domain::edit::Edit;
use holdfast_domain::query::{MessageFilter, PageRequest};
use holdfast_domain::refusal::Refusal;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::{Story, message};
use holdfast_world::world::World;

#[test]
fn nodes_lose_power_again_and_again_under_load() {
    let mut world = World::new(31);
    let nodes: Vec<usize> = ["hub", "engine-7", "truck-3"].iter().map(|name| world.node(name)).collect();
    world.link(nodes[0], nodes[1], Profile::LAN);
    world.link(nodes[1], nodes[2], Profile::LAN);
    world.link(nodes[0], nodes[2], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 5_000);
    for round in 0..50 {
        let node = nodes[world.dice(3)];
        for _ in 0..3 {
            story.anything(&mut world, node);
            let pause = world.dice(3) as u64;
            world.run_for_ms(pause);
        }
        let victim = nodes[round % 3];
        world.power_cut(victim);
        world.run_for_ms(40);
        world.power_on(victim);
        world.run_for_ms(20);
    }
    demand_agreement(&mut world, &nodes, 10_000);
}

#[test]
fn a_full_disk_refuses_says_so_and_changes_nothing() {
    let mut world = World::new(32);
    let nodes = [world.node("hub"), world.node("engine-7")];
    world.link(nodes[0], nodes[1], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 5_000);
    world.fail_commits(1, true);
    let refusal = world.edit(1, Edit::MessageSend(story.mission, message("nobody will see this"))).expect_err("full");
    assert!(matches!(refusal, Refusal::NotSaved { .. }), "{refusal}");
    // What others write meanwhile waits for the disk, too.
    story.say(&mut world, 0, "are you there?");
    story.incident(&mut world, 0, "5 Pier Street");
    world.run_for_ms(5_000);
    assert_ne!(world.engine(0).frontier(), world.engine(1).frontier());
    world.fail_commits(1, false);
    story.say(&mut world, 1, "the disk has room again");
    demand_agreement(&mut world, &nodes, 10_000);
    let views = world.engine(0).store().reader().expect("a reader");
    let messages =
        views.message_list(story.mission, &MessageFilter::default(), &PageRequest::default()).expect("views");
    let texts: Vec<&str> = messages.items.iter().map(|item| item.record.text.as_str()).collect();
    assert_eq!(texts, ["the disk has room again", "are you there?"]);
}
