//! Fear: a document with a long history costs a newcomer more than what it shows is worth.

use holdfast_domain::edit::Edit;
use holdfast_domain::field::Change;
use holdfast_domain::id::TaskId;
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::task::{TaskChange, TaskStatus};
use holdfast_driver::effect::Reply;
use holdfast_driver::event::Command;
use holdfast_world::link::{Loss, Profile};
use holdfast_world::oracle::converge;
use holdfast_world::story::{Story, task};
use holdfast_world::world::World;

/// Changes of an ordinary run; `HOLDFAST_WORLD_CHANGES` asks for more.
const CHANGES: usize = 1_200;
/// A link on which bytes are time: 64 kbit/s, 300 ms.
const NARROW: Profile = Profile { loss: Loss::NONE, ..Profile::RADIO };

/// What it takes a newcomer to hold everything: bytes both ways, and milliseconds.
fn join(world: &mut World, name: &str) -> (u64, u64) {
    let late = world.node(name);
    let bytes = world.bytes_sent;
    world.link(late, 0, NARROW);
    let took = converge(world, &[0, late], 3_600_000).expect("the newcomer agrees");
    (world.bytes_sent - bytes, took)
}

fn saved_bytes(world: &World, board: StreamId) -> usize {
    let (snapshot, _) = world.engine(0).store().snapshot_and_tail(board).expect("a document");
    snapshot.map_or(0, |snapshot| snapshot.len())
}

fn history(world: &mut World, changes: usize) -> Story {
    let mut story = Story::begin(world, 0);
    let tasks: Vec<TaskId> = (0..changes / 40)
        .map(|n| {
            let outcome = world.edit(0, Edit::TaskOpen(story.mission, task(&format!("Search house {n}"))));
            let RecordId::Task(task) = outcome.expect("a task opens").record else { panic!("a task is a task") };
            task
        })
        .collect();
    for n in tasks.len()..changes {
        let (house, people, minutes) = (world.dice(5_000), world.dice(40), world.dice(1_440));
        let details = Change::Set(format!("house {house}: {people} people, {minutes} min of air, next at {n}"));
        let change = TaskChange { details, status: Some(TaskStatus::Open), ..TaskChange::default() };
        world.edit(n % 2, Edit::TaskChange(story.mission, tasks[n % tasks.len()], change)).expect("an edit");
        world.run_for_ms(if n % 50 == 0 { 2_000 } else { 20 });
    }
    story.tasks = tasks;
    story
}

fn cost(changes: usize) {
    let mut world = World::new(860);
    world.node("hub");
    world.node("engine-7");
    world.link(0, 1, Profile::LAN);
    world.run_for_ms(2_000);
    let story = history(&mut world, changes);
    converge(&mut world, &[0, 1], 60_000).expect("they agree");
    let board = StreamId::new(Scope::Mission(story.mission), StreamKind::Board);
    let (before, saved_before) = (join(&mut world, "before"), saved_bytes(&world, board));
    assert!(matches!(world.ask(0, Command::Roll { stream: board }), Reply::Rolled(Ok(1))));
    let (after, saved_after) = (join(&mut world, "after"), saved_bytes(&world, board));
    println!("{changes} changes, {} records; bytes and milliseconds of a newcomer:", story.tasks.len());
    println!("  before the roll {before:?}, saved {saved_before} bytes");
    println!("  after the roll  {after:?}, saved {saved_after} bytes");
    assert!(after.0 * 2 < before.0 && after.1 < before.1, "before {before:?}, after {after:?}");
    assert!(saved_after * 2 < saved_before);
}

#[test]
fn a_newcomer_pays_for_what_a_document_shows() {
    let changes = std::env::var("HOLDFAST_WORLD_CHANGES").ok().and_then(|text| text.parse().ok());
    cost(changes.unwrap_or(CHANGES));
}
