//! Fear: a document rolls on while crews are apart, and what they wrote meanwhile is lost, doubled or decided in silence.

use holdfast_domain::conflict::ConflictKind;
use holdfast_domain::edit::Edit;
use holdfast_domain::entry::{Entry, EntryKey, ShortDigest};
use holdfast_domain::feed;
use holdfast_domain::field::Change;
use holdfast_domain::frame::{Frame, FrameV1, Pack, PackForm, PackRange};
use holdfast_domain::id::TaskId;
use holdfast_domain::identity::Credential;
use holdfast_domain::query::{PageRequest, TaskFilter};
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::task::TaskChange;
use holdfast_driver::effect::{Notice, Reply};
use holdfast_driver::event::Command;
use holdfast_driver::retention::Retention;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

fn mesh(world: &mut World, names: &[&str]) -> Vec<usize> {
    let nodes: Vec<usize> = names.iter().map(|name| world.node(name)).collect();
    for (index, &a) in nodes.iter().enumerate() {
        for &b in &nodes[index + 1..] {
            world.link(a, b, Profile::LAN);
        }
    }
    nodes
}

fn board(story: &Story) -> StreamId {
    StreamId::new(Scope::Mission(story.mission), StreamKind::Board)
}

fn roll(world: &mut World, hub: usize, stream: StreamId) -> u32 {
    match world.ask(hub, Command::Roll { stream }) {
        Reply::Rolled(Ok(number)) => number,
        other => panic!("the document does not roll: {other:?}"),
    }
}

fn details(world: &mut World, node: usize, story: &Story, task: TaskId, text: &str) {
    let change = TaskChange { details: Change::Set(text.to_owned()), ..TaskChange::default() };
    world.edit(node, Edit::TaskChange(story.mission, task, change)).expect("edited");
}

fn turned(world: &World, node: usize) -> bool {
    world.told().iter().any(|(who, notice)| *who == node && matches!(notice, Notice::Turned { .. }))
}

#[test]
fn three_vehicles_edit_apart_while_the_document_rolls_and_meet_in_any_order() {
    for seed in 0..12 {
        let mut world = World::new(700 + seed);
        let nodes = mesh(&mut world, &["hub", "engine-7", "truck-3", "medic-17"]);
        let mut story = Story::begin(&mut world, 0);
        let shared = story.task(&mut world, 0, "Search second floor");
        // Nobody deletes this one by chance.
        story.tasks.clear();
        demand_agreement(&mut world, &nodes, 10_000);
        for &node in &nodes {
            let others: Vec<usize> = nodes.iter().copied().filter(|other| *other != node).collect();
            world.part(&[node], &others);
        }
        for round in 0..24 {
            story.anything(&mut world, nodes[1 + round % 3]);
            world.run_for_ms(60_000);
        }
        for &node in &nodes[1..] {
            details(&mut world, node, &story, shared, &format!("said by {node}"));
        }
        assert_eq!(roll(&mut world, 0, board(&story)), 1);
        story.task(&mut world, 0, "Relieve the crews");
        let victim = nodes[1 + world.dice(3)];
        world.heal();
        for _ in 0..6 {
            let pause = 5 + world.dice(40) as u64;
            world.run_for_ms(pause);
            world.power_cut(victim);
            world.run_for_ms(pause);
            world.power_on(victim);
        }
        demand_agreement(&mut world, &nodes, 30_000);
        for &node in &nodes[1..] {
            assert!(turned(&world, node), "seed {seed}: node {node} never turned");
        }
        let views = world.engine(2).store().reader().expect("a reader");
        let odds = views.conflict_list(story.mission, &PageRequest::default()).expect("views").items;
        let said = odds.iter().find(|odds| odds.record.record == RecordId::Task(shared)).expect("three versions");
        assert_eq!(said.record.kind, ConflictKind::Values);
        assert_eq!(said.record.rivals.len(), 3, "seed {seed}: {:?}", said.record.rivals);
        let tasks = views.task_list(story.mission, &TaskFilter::default(), &PageRequest::default()).expect("views");
        let mut ids: Vec<TaskId> = tasks.items.iter().map(|item| item.record.id).collect();
        let count = ids.len();
        ids.dedup();
        assert_eq!(ids.len(), count, "seed {seed}: a task is there twice");
    }
}

#[test]
fn a_document_rolls_by_itself_before_it_is_too_large() {
    let mut world = World::new(720);
    world.retention = Retention { generation_changes_max: 60, ..Retention::default() };
    let nodes = mesh(&mut world, &["hub", "engine-7"]);
    let mut story = Story::begin(&mut world, 0);
    // Right after its start a command post writes nothing of its own accord.
    world.run_for_ms(61_000);
    for round in 0..300 {
        story.anything(&mut world, nodes[round % 2]);
        world.run_for_ms(200);
    }
    demand_agreement(&mut world, &nodes, 10_000);
    let rolls = world.told().iter().filter(|(node, notice)| *node == 1 && matches!(notice, Notice::Turned { .. }));
    assert!(rolls.count() >= 2, "300 edits in generations of 60");
}

/// A pack with one entry that a node may not write, signed by the node itself.
fn bent(world: &World, node: usize, stream: StreamId, body: Vec<u8>) -> Vec<u8> {
    let device = world.device(node).clone();
    let author = world.engine(node).author();
    let mut entry = Entry::next(EntryKey { stream, author, seq: 1 }, None, body.clone());
    entry.sign(&device.org, &world.key(node));
    let range = PackRange {
        author,
        first: 1,
        count: 1,
        skips: Vec::new(),
        base: ShortDigest([0; 8]),
        signatures: vec![(0, entry.signature.expect("just signed"))],
    };
    let pack = Pack {
        id: 99_999,
        stream,
        credentials: vec![Credential { device, epoch: 0 }],
        ranges: vec![range],
        form: PackForm::Raw,
        payload: feed::encode(&vec![body]),
    };
    Frame::V1(FrameV1::Pack(pack)).encode()
}

#[test]
fn a_node_cannot_forge_a_floor_nor_roll_a_document() {
    use holdfast_domain::clock::Hlc;
    use holdfast_domain::feed::ControlBody;
    use holdfast_domain::floor::{Floor, FloorReason};

    let mut world = World::new(721);
    let nodes = mesh(&mut world, &["hub", "engine-7"]);
    let mut story = Story::begin(&mut world, 0);
    story.task(&mut world, 0, "Search second floor");
    demand_agreement(&mut world, &nodes, 10_000);
    assert!(matches!(world.ask(1, Command::Roll { stream: board(&story) }), Reply::Rolled(Err(_))));
    // A floor in the node's own `control` chain, as a bent program would write it.
    let stream = board(&story);
    let reason = FloorReason::Generation { from: holdfast_domain::floor::Generation::FIRST.tag, first: 1, count: 1 };
    let floor = Floor { stream, number: 1, heads: Vec::new(), credentials: Vec::new(), reason, cut_ms: 0 };
    let body = feed::encode(&ControlBody::FloorV1 { written: Hlc::default(), floor });
    let frame = bent(&world, 1, StreamId::new(Scope::Org, StreamKind::Control), body);
    world.deliver(1, 0, frame);
    world.run_for_ms(5_000);
    assert!(world.told().iter().any(|(node, notice)| *node == 0 && matches!(notice, Notice::Quarantined { .. })));
    assert!(!turned(&world, 0) && !turned(&world, 1));
    let Reply::Retention(status) = world.ask(0, Command::Retention) else { panic!("the hub answers") };
    assert!(status.streams.iter().all(|kept| kept.floor.is_none()), "{status:?}");
}

#[test]
fn a_question_that_comes_with_a_new_generation_is_not_answered_from_its_midst() {
    let mut world = World::new(1_500);
    let nodes = mesh(&mut world, &["hub", "engine-7"]);
    world.ask_at_every_step();
    let mut story = Story::begin(&mut world, 0);
    story.task(&mut world, 0, "Search second floor");
    demand_agreement(&mut world, &nodes, 10_000);
    world.part(&[0], &[1]);
    story.task(&mut world, 1, "Hold the pier");
    assert_eq!(roll(&mut world, 0, board(&story)), 1);
    world.heal();
    demand_agreement(&mut world, &nodes, 10_000);
    assert!(turned(&world, 1));
}
