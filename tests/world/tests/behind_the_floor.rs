//! Fear: a node drops what another still needed, or comes too late for it, and nobody notices the hole.

use holdfast_domain::edit::Edit;
use holdfast_domain::query::{MessageFilter, PageRequest};
use holdfast_domain::retention::{RetentionStatus, StreamKept};
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_driver::effect::{Notice, Reply};
use holdfast_driver::event::Command;
use holdfast_driver::retention::Retention;
use holdfast_world::link::Profile;
use holdfast_world::oracle::{converge, demand_agreement, demand_health};
use holdfast_world::story::{Story, message, task};
use holdfast_world::world::World;

/// Floors are gone through once a minute.
const ROUND_MS: u64 = 130_000;

fn stream(story: &Story, kind: StreamKind) -> StreamId {
    StreamId::new(Scope::Mission(story.mission), kind)
}

fn lay(world: &mut World, hub: usize, command: Command) -> u32 {
    match world.ask(hub, command) {
        Reply::Rolled(Ok(number)) => number,
        other => panic!("no floor is laid: {other:?}"),
    }
}

fn status(world: &mut World, node: usize) -> RetentionStatus {
    match world.ask(node, Command::Retention) {
        Reply::Retention(status) => status,
        other => panic!("no status: {other:?}"),
    }
}

fn kept(world: &mut World, node: usize, stream: StreamId) -> StreamKept {
    let found = status(world, node).streams.into_iter().find(|kept| kept.stream == stream.to_string());
    found.expect("the stream is known")
}

fn mesh(world: &mut World, names: &[&str], profile: Profile) -> Vec<usize> {
    let nodes: Vec<usize> = names.iter().map(|name| world.node(name)).collect();
    for (index, &a) in nodes.iter().enumerate() {
        for &b in &nodes[index + 1..] {
            world.link(a, b, profile);
        }
    }
    nodes
}

fn texts(world: &World, node: usize, story: &Story) -> Vec<String> {
    let views = world.engine(node).store().reader().expect("a reader");
    let page = PageRequest::new(Some(500), None);
    let list = views.message_list(story.mission, &MessageFilter::default(), &page).expect("views");
    let mut texts: Vec<String> = list.items.into_iter().map(|item| item.record.text).collect();
    texts.sort();
    texts
}

fn was_reset(world: &World, node: usize) -> bool {
    world.told().iter().any(|(who, notice)| *who == node && matches!(notice, Notice::Reset { .. }))
}

#[test]
fn a_peer_from_before_the_floor_meets_only_a_node_that_has_dropped() {
    for (seed, profile) in [(800, Profile::LAN), (801, Profile::RADIO), (802, Profile::RADIO), (803, Profile::LAN)] {
        let mut world = World::new(seed);
        world.retention = Retention { document_days: 0, ..Retention::default() };
        let nodes = mesh(&mut world, &["hub", "engine-7", "truck-3"], profile);
        let mut story = Story::begin(&mut world, 0);
        demand_agreement(&mut world, &nodes, 60_000);
        world.part(&nodes[..2], &nodes[2..]);
        let own = story.task(&mut world, 2, "Hold the pier");
        story.say(&mut world, 2, "cut off at the pier");
        for round in 0..40 {
            story.anything(&mut world, nodes[round % 2]);
            world.run_for_ms(2_000);
        }
        let board = stream(&story, StreamKind::Board);
        converge(&mut world, &nodes[..2], 60_000).expect("hub and engine agree");
        lay(&mut world, 0, Command::Roll { stream: board });
        for round in 0..10 {
            story.anything(&mut world, nodes[round % 2]);
            world.run_for_ms(2_000);
        }
        world.run_for_ms(ROUND_MS);
        let dropped = kept(&mut world, 1, board);
        assert!(dropped.below > 0 && dropped.generation == Some(1), "seed {seed}: {dropped:?}");
        assert_eq!(kept(&mut world, 0, board).below, 0, "the command post keeps everything");
        demand_health(&mut world, 1);

        world.power_cut(0);
        world.heal();
        converge(&mut world, &nodes[1..], 120_000).expect("engine and truck agree");
        assert!(was_reset(&world, 2), "seed {seed}: the truck is told");
        assert!(kept(&mut world, 2, board).passed_over > 0);
        for &node in &nodes[1..] {
            let views = world.engine(node).store().reader().expect("a reader");
            assert!(views.task_by_id(own).expect("views").is_some(), "seed {seed}: the truck's own work is lost");
        }
        world.power_on(0);
        demand_agreement(&mut world, &nodes, 120_000);
    }
}

#[test]
fn a_newcomer_after_the_roll_gets_the_present_generation_alone() {
    let mut world = World::new(810);
    let nodes = mesh(&mut world, &["hub", "engine-7"], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    for round in 0..200 {
        story.anything(&mut world, nodes[round % 2]);
        world.run_for_ms(100);
    }
    demand_agreement(&mut world, &nodes, 10_000);
    for kind in [StreamKind::Board, StreamKind::Roster] {
        lay(&mut world, 0, Command::Roll { stream: stream(&story, kind) });
    }
    story.task(&mut world, 1, "Mop up");
    demand_agreement(&mut world, &nodes, 10_000);
    let late = world.node("medic-17");
    world.link(late, nodes[0], Profile::LAN);
    world.link(late, nodes[1], Profile::RADIO);
    demand_agreement(&mut world, &[nodes[0], nodes[1], late], 30_000);
    let board = stream(&story, StreamKind::Board);
    let (all, few) = (kept(&mut world, 0, board), kept(&mut world, late, board));
    assert!(few.entries * 5 < all.entries, "the hub has {} entries, the newcomer {}", all.entries, few.entries);
    assert!(!was_reset(&world, late), "whoever held nothing has missed nothing");
}

#[test]
fn two_command_posts_roll_at_once() {
    for seed in 0..8 {
        let mut world = World::new(820 + seed);
        world.retention = Retention { document_days: u32::from(seed % 2 == 0) * 7, ..Retention::default() };
        let nodes = mesh(&mut world, &["hub", "hub-2", "engine-7", "truck-3"], Profile::LAN);
        let mut story = Story::begin(&mut world, 0);
        for round in 0..16 {
            story.anything(&mut world, nodes[round % 4]);
            world.run_for_ms(500);
        }
        demand_agreement(&mut world, &nodes, 10_000);
        let board = stream(&story, StreamKind::Board);
        world.part(&[nodes[0], nodes[2]], &[nodes[1], nodes[3]]);
        for round in 0..2 {
            for step in 0..12 {
                story.anything(&mut world, nodes[step % 4]);
                world.run_for_ms(500);
            }
            if round == 0 {
                for hub in 0..2 {
                    assert_eq!(lay(&mut world, hub, Command::Roll { stream: board }), 1);
                }
            }
        }
        world.run_for_ms(ROUND_MS);
        world.heal();
        demand_agreement(&mut world, &nodes, 60_000);
        world.run_for_ms(ROUND_MS);
        demand_agreement(&mut world, &nodes, 60_000);
    }
}

#[test]
fn a_command_post_restored_from_an_old_copy_learns_where_all_others_are() {
    for seed in 0..4 {
        let mut world = World::new(870 + seed);
        world.retention = Retention { document_days: 0, reset_wait_s: 120, ..Retention::default() };
        let nodes = mesh(&mut world, &["hub", "engine-7", "truck-3"], Profile::LAN);
        let mut story = Story::begin(&mut world, 0);
        for round in 0..12 {
            story.anything(&mut world, nodes[round % 3]);
            world.run_for_ms(500);
        }
        demand_agreement(&mut world, &nodes, 10_000);
        // The copy lies in a drawer while work goes on and the document rolls twice.
        let copy = world.clone_disk(0);
        world.power_cut(copy);
        for _ in 0..2 {
            for round in 0..12 {
                story.anything(&mut world, nodes[round % 3]);
                world.run_for_ms(500);
            }
            demand_agreement(&mut world, &nodes, 10_000);
            let board = stream(&story, StreamKind::Board);
            lay(&mut world, 0, Command::Roll { stream: board });
            world.run_for_ms(ROUND_MS);
        }
        let kept_task = story.task(&mut world, 0, "The last order of the old command post");
        demand_agreement(&mut world, &nodes, 10_000);
        world.power_cut(0);
        world.link(copy, nodes[1], Profile::LAN);
        world.link(copy, nodes[2], Profile::RADIO);
        world.power_on(copy);
        story.task(&mut world, 1, "Is the command post there?");
        world.run_for_ms(2 * ROUND_MS);
        story.task(&mut world, copy, "The command post is back");
        demand_agreement(&mut world, &[copy, nodes[1], nodes[2]], 120_000);
        assert!(was_reset(&world, copy), "seed {seed}: nobody has what lies below any more, and that is told");
        let views = world.engine(copy).store().reader().expect("a reader");
        assert!(views.task_by_id(kept_task).expect("views").is_some());
        // It rolls again, as another author.
        lay(&mut world, copy, Command::Roll { stream: stream(&story, StreamKind::Board) });
        demand_agreement(&mut world, &[copy, nodes[1], nodes[2]], 120_000);
    }
}

#[test]
fn messages_below_an_old_floor_are_dropped_and_the_command_post_has_them() {
    let mut world = World::new(840);
    world.retention = Retention { message_days: 0, track_days: 0, ..Retention::default() };
    let nodes = mesh(&mut world, &["hub", "engine-7", "truck-3"], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 10_000);
    for n in 0..6 {
        story.say(&mut world, n % 3, &format!("old {n}"));
    }
    demand_agreement(&mut world, &nodes, 10_000);
    world.part(&nodes[..2], &nodes[2..]);
    story.say(&mut world, 2, "from the cut off truck");
    story.say(&mut world, 1, "while the truck was away");
    converge(&mut world, &nodes[..2], 10_000).expect("they agree");
    lay(&mut world, 0, Command::Floor { stream: stream(&story, StreamKind::Message) });
    story.say(&mut world, 0, "after the floor");
    world.run_for_ms(ROUND_MS);
    assert_eq!(texts(&world, 1, &story), ["after the floor"]);
    assert_eq!(texts(&world, 0, &story).len(), 8);
    demand_health(&mut world, 1);

    // The truck meets the engine alone, which has nothing of the time between.
    world.power_cut(0);
    world.heal();
    converge(&mut world, &nodes[1..], 200_000).expect("engine and truck agree");
    assert!(was_reset(&world, 2));
    assert_eq!(texts(&world, 1, &story), ["after the floor", "from the cut off truck"]);
    world.power_on(0);
    converge(&mut world, &nodes, 60_000).expect("all agree");
    let late = world.node("medic-17");
    world.link(late, nodes[0], Profile::LAN);
    converge(&mut world, &[nodes[0], late], 200_000).expect("the newcomer agrees");
    assert_eq!(texts(&world, late, &story), ["after the floor", "from the cut off truck"]);
    for node in [nodes[0], nodes[1], nodes[2], late] {
        demand_health(&mut world, node);
    }
    // What is on disk is what is shown, also after the power was cut.
    world.power_cut(nodes[1]);
    world.power_on(nodes[1]);
    story.task(&mut world, nodes[1], "Relieve the crews");
    converge(&mut world, &[0, 1, 2, late], 60_000).expect("all agree");
    demand_health(&mut world, nodes[1]);
}

#[test]
fn what_a_lost_vehicle_wrote_late_is_said_for_it() {
    let mut world = World::new(850);
    world.retention = Retention { late_wait_s: 60, ..Retention::default() };
    let nodes = mesh(&mut world, &["hub", "engine-7", "truck-3"], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    let shared = story.task(&mut world, 0, "Search second floor");
    demand_agreement(&mut world, &nodes, 10_000);
    world.part(&nodes[..1], &nodes[1..]);
    lay(&mut world, 0, Command::Roll { stream: stream(&story, StreamKind::Board) });
    let new = task("Two people on the roof");
    let roof = world.edit(2, Edit::TaskOpen(story.mission, new)).expect("a task opens").record;
    story.assign(&mut world, 2, shared, story.units[1]);
    world.run_for_ms(5_000);
    // Its words reached the engine, the truck itself is gone.
    world.power_cut(2);
    world.heal();
    world.run_for_ms(3 * ROUND_MS);
    demand_agreement(&mut world, &nodes[..2], 10_000);
    for node in 0..2 {
        let views = world.engine(node).store().reader().expect("a reader");
        let holdfast_domain::record::RecordId::Task(roof) = roof else { panic!("a task is a task") };
        assert_eq!(views.task_by_id(roof).expect("views").expect("it is there").record.title, "Two people on the roof");
        let assigned = views.task_by_id(shared).expect("views").expect("it is there").record.assignee;
        assert_eq!(assigned, Some(story.units[1]));
    }
    // And if it comes back after all nothing is doubled.
    world.power_on(2);
    world.run_for_ms(ROUND_MS);
    demand_agreement(&mut world, &nodes, 10_000);
    let views = world.engine(1).store().reader().expect("a reader");
    assert!(views.conflict_list(story.mission, &PageRequest::default()).expect("views").items.is_empty());
    world.edit(1, Edit::MessageSend(story.mission, message("welcome back"))).expect("a message goes");
}
