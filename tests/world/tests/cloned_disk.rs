//! Fear: somebody clones an SD card, two machines write as one, and history splits in silence.

use holdfast_domain::query::{MessageFilter, PageRequest};
use holdfast_driver::effect::Notice;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn two_machines_that_write_as_one_are_found_out_and_told() {
    let mut world = World::new(41);
    let hub = world.node("hub");
    let original = world.node("engine-7");
    let link = world.link(original, hub, Profile::LAN);
    let mut story = Story::begin(&mut world, hub);
    world.run_for_ms(2_000);
    story.say(&mut world, original, "before the copy");
    demand_agreement(&mut world, &[hub, original], 5_000);
    world.cut(link);
    let clone = world.clone_disk(original);
    story.say(&mut world, original, "from the first machine");
    story.say(&mut world, clone, "from the second machine");
    world.heal();
    world.run_for_ms(5_000);
    world.link(clone, hub, Profile::LAN);
    world.run_for_ms(10_000);
    let forks: Vec<_> = world
        .told()
        .iter()
        .filter(|(_, notice)| matches!(notice, Notice::Fork { .. } | Notice::EpochRaised { .. }))
        .collect();
    assert!(forks.iter().any(|(node, notice)| *node == hub && matches!(notice, Notice::Fork { .. })), "{forks:?}");
    assert!(
        forks.iter().any(|(node, notice)| *node == clone && matches!(notice, Notice::EpochRaised { .. })),
        "{forks:?}"
    );
    // The mission goes on: both machines are heard again, as authors of their own.
    story.incident(&mut world, hub, "9 Pier Street");
    world.run_for_ms(5_000);
    let before = world.acknowledged.len();
    story.say(&mut world, clone, "the second machine again");
    world.run_for_ms(5_000);
    assert_eq!(world.acknowledged.len(), before + 1);
    let views = world.engine(hub).store().reader().expect("a reader");
    let messages =
        views.message_list(story.mission, &MessageFilter::default(), &PageRequest::default()).expect("views");
    assert!(messages.items.iter().any(|item| item.record.text == "the second machine again"));
}

#[test]
fn a_node_whose_disk_was_rolled_back_gets_its_own_history_and_goes_on() {
    let mut world = World::new(42);
    let hub = world.node("hub");
    let node = world.node("engine-7");
    let link = world.link(node, hub, Profile::LAN);
    let mut story = Story::begin(&mut world, hub);
    world.run_for_ms(2_000);
    story.say(&mut world, node, "one");
    demand_agreement(&mut world, &[hub, node], 5_000);
    // The rolled-back machine: a copy of the disk as it was, while the first goes on and is then lost.
    let restored = world.clone_disk(node);
    story.say(&mut world, node, "two");
    story.say(&mut world, node, "three");
    demand_agreement(&mut world, &[hub, node], 5_000);
    world.cut(link);
    world.power_cut(node);
    world.link(restored, hub, Profile::LAN);
    world.run_for_ms(5_000);
    assert!(world.told().iter().any(|(at, notice)| *at == restored && matches!(notice, Notice::EpochRaised { .. })));
    story.say(&mut world, restored, "four");
    story.incident(&mut world, restored, "2 Pier Street");
    demand_agreement(&mut world, &[hub, restored], 10_000);
    assert!(!world.told().iter().any(|(_, notice)| matches!(notice, Notice::Fork { .. })), "nothing was forked");
}
