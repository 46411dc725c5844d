//! Fear: people believe that an order has arrived where it has not, or nobody can tell without asking by voice.

use holdfast_domain::edit::Edit;
use holdfast_domain::field::Change;
use holdfast_domain::holders::{Holder, Holders};
use holdfast_domain::id::MissionId;
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::Class;
use holdfast_domain::task::TaskChange;
use holdfast_driver::effect::Reply;
use holdfast_driver::event::Command;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::{Story, alert, message};
use holdfast_world::world::{EPOCH_MS, World};

fn line(world: &mut World, names: &[&str], profile: Profile) -> Vec<usize> {
    let nodes: Vec<usize> = names.iter().map(|name| world.node(name)).collect();
    for pair in nodes.windows(2) {
        world.link(pair[0], pair[1], profile);
    }
    nodes
}

fn say(world: &mut World, node: usize, mission: MissionId, text: &str) -> RecordId {
    world.edit(node, Edit::MessageSend(mission, message(text))).expect("a message goes").record
}

fn names(holders: &Holders) -> (Vec<&str>, Vec<&str>) {
    fn names(list: &[Holder]) -> Vec<&str> {
        list.iter().map(|holder| holder.name.as_str()).collect()
    }
    (names(&holders.held_by), names(&holders.not_yet))
}

/// How often this node said what it holds.
fn told(world: &World, node: usize) -> u64 {
    let now = holdfast_domain::clock::Now { mono_us: world.now_ms() * 1000, wall_ms: EPOCH_MS + world.now_ms() };
    let status = world.engine(node).status(now).expect("a status");
    status.counters.get("holdings_told").copied().unwrap_or(0)
}

#[test]
fn a_node_that_is_away_is_named_until_it_has_the_order() {
    let mut world = World::new(81);
    let nodes: Vec<usize> = ["hub", "engine-7", "truck-3"].map(|name| world.node(name)).into();
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        world.link(nodes[a], nodes[b], Profile::LAN);
    }
    let mut story = Story::begin(&mut world, 0);
    let task = RecordId::Task(story.task(&mut world, 0, "Search second floor"));
    demand_agreement(&mut world, &nodes, 10_000);
    world.run_for_ms(60_000);
    let mission = Some(story.mission);
    assert_eq!(names(&world.holders(1, mission, task)), (vec!["engine-7", "hub", "truck-3"], vec![]));

    world.part(&nodes[..2], &nodes[2..]);
    let parted_ms = EPOCH_MS + world.now_ms();
    let order = say(&mut world, 1, story.mission, "Out of the building");
    let RecordId::Task(id) = task else { unreachable!() };
    let change = TaskChange { details: Change::Set("Now the third".to_owned()), ..TaskChange::default() };
    world.edit(0, Edit::TaskChange(story.mission, id, change)).expect("edited");
    let warning = world.edit(1, Edit::AlertRaise(None, alert("Gas"))).expect("raised").record;
    world.run_for_ms(600_000);
    for (scope, record) in [(mission, order), (mission, task), (None, warning)] {
        for node in [0, 1] {
            let holders = world.holders(node, scope, record);
            assert_eq!(names(&holders), (vec!["engine-7", "hub"], vec!["truck-3"]), "{record} at {node}");
            assert_eq!((holders.of, holders.at_hub), (3, true));
            let heard = holders.not_yet[0].last_heard_ms.expect("it was heard before");
            assert!(heard <= parted_ms && parted_ms - heard < 60_000, "{heard} {parted_ms}");
        }
    }
    let old = world.holders(2, mission, task);
    assert_eq!(old.held_by.len(), 3, "what it shows itself, all had");

    world.heal();
    demand_agreement(&mut world, &nodes, 20_000);
    world.run_for_ms(60_000);
    for (scope, record) in [(mission, order), (mission, task), (None, warning)] {
        for &node in &nodes {
            assert_eq!(world.holders(node, scope, record).not_yet, [], "{record} at {node}");
        }
    }
}

#[test]
fn the_word_of_the_far_end_comes_through_every_relay() {
    let mut world = World::new(82);
    let nodes = line(&mut world, &["engine-7", "relay-1", "relay-2", "hub"], Profile::RADIO);
    let story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 60_000);
    world.run_for_ms(120_000);
    world.cut(2);
    let order = say(&mut world, 0, story.mission, "Hold the bridge");
    world.run_for_ms(120_000);
    let mission = Some(story.mission);
    let before = world.holders(0, mission, order);
    assert_eq!(names(&before), (vec!["engine-7", "relay-1", "relay-2"], vec!["hub"]));
    assert!(!before.at_hub, "no command post has it");
    world.heal();
    demand_agreement(&mut world, &nodes, 60_000);
    world.run_for_ms(120_000);
    let after = world.holders(0, mission, order);
    assert!(after.at_hub && after.not_yet.is_empty(), "{after:?}");
    // Three hops away nothing is known of the hub but what it signed itself.
    let Reply::ScopeHolders(rows) = world.ask(0, Command::ScopeHolders { mission }) else { panic!("rows") };
    let hub = rows.iter().find(|row| row.holder.name == "hub").expect("the hub");
    assert_eq!((hub.said_ms.is_some(), hub.lacks), (true, 0));
}

#[test]
fn what_an_item_is_made_of_must_all_be_there() {
    let mut world = World::new(83);
    let nodes = line(&mut world, &["engine-7", "hub", "truck-3"], Profile::LAN);
    let mut story = Story::begin(&mut world, 1);
    let task = story.task(&mut world, 1, "Lay hose");
    demand_agreement(&mut world, &nodes, 20_000);
    world.run_for_ms(60_000);
    // Both ends edit apart, then only one of them meets the hub.
    world.part(&[0, 2], &[1]);
    let change = |details: &str| TaskChange { details: Change::Set(details.to_owned()), ..TaskChange::default() };
    world.edit(0, Edit::TaskChange(story.mission, task, change("two lines"))).expect("edited");
    world.edit(2, Edit::TaskChange(story.mission, task, change("three lines"))).expect("edited");
    world.run_for_ms(60_000);
    world.heal();
    world.cut(1);
    world.run_for_ms(120_000);
    let mission = Some(story.mission);
    let holders = world.holders(1, mission, RecordId::Task(task));
    assert_eq!(names(&holders), (vec!["engine-7", "hub"], vec!["truck-3"]));
    world.heal();
    demand_agreement(&mut world, &nodes, 20_000);
    world.run_for_ms(120_000);
    // At odds now: who has both values has it.
    assert_eq!(world.holders(0, mission, RecordId::Task(task)).not_yet, []);
}

#[test]
fn words_about_words_cause_no_words_and_silence_is_free() {
    let mut world = World::new(84);
    let nodes = line(&mut world, &["hub", "engine-7", "truck-3", "medic-17"], Profile::NARROW);

    let story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 120_000);
    world.run_for_ms(300_000);
    let words: Vec<u64> = nodes.iter().map(|&node| told(&world, node)).collect();
    let bytes = world.bytes_sent;
    world.run_for_ms(3_600_000);
    assert_eq!(nodes.iter().map(|&node| told(&world, node)).collect::<Vec<_>>(), words, "nothing changed");
    let idle = world.bytes_sent - bytes;
    // One part in a hundred of three links both ways at 9.6 kbit/s for an hour.
    assert!(idle <= 3 * 2 * 9_600 / 8 * 3_600 / 100, "{idle} bytes in an idle hour");
    // An hour with ten messages a minute: so many words and no more.
    let words_bytes = |world: &World| world.bytes_by_class.get(&Class::P3).copied().unwrap_or(0);
    let (before, all_before) = (words_bytes(&world), world.bytes_sent);
    for _ in 0..600 {
        say(&mut world, 0, story.mission, "On our way");
        world.run_for_ms(6_000);
    }
    let more = told(&world, 0) - words[0];
    assert!((10..=120).contains(&more), "{more} words in an hour of change");
    let (cost, all) = (words_bytes(&world) - before, world.bytes_sent - all_before);
    println!("idle hour {idle} bytes; busy hour {all} bytes, {cost} of them words, {more} words of the hub");
    // Their share of three links at 9.6 kbit/s, acknowledgements and the tree's choices aside.
    assert!(cost <= 3 * 9_600 / 8 * 3_600 * 5 / 100, "{cost} bytes of words in a busy hour");
    // A node that was off says nothing that it had said before.
    demand_agreement(&mut world, &nodes, 120_000);
    world.run_for_ms(300_000);
    world.power_cut(3);
    world.power_on(3);
    world.run_for_ms(120_000);
    assert_eq!(told(&world, 3), 0);
}
