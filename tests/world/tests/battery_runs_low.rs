//! Fear: a node with a low battery keeps its radio awake for old tracks; or, to save power, keeps a message back.

use holdfast_domain::power::{PowerPolicy, PowerState};
use holdfast_domain::scope::StreamKind;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

/// Entries of a kind that a node holds, in all streams.
fn held(world: &World, node: usize, kind: StreamKind) -> u64 {
    let frontier = world.engine(node).frontier();
    let heads = frontier.scopes().flat_map(|(_, heads)| heads.heads());
    heads.filter(|(of, ..)| *of == kind).map(|(_, _, head)| head.seq).sum()
}

#[test]
fn bulk_goes_now_and_then_and_words_at_once() {
    let mut world = World::new(311);
    let nodes = world.nodes(&["hub", "truck-3"]);
    world.link(nodes[0], nodes[1], Profile::CELL);
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(10_000);
    world.run_on(1, PowerState::Low);
    let every_ms = u64::from(PowerPolicy::of(PowerState::Low).bulk_every_s) * 1_000;
    let (mut bursts, mut slowest_ms, mut tracks) = (0, 0, 0);
    let half_minutes = 60;
    for _ in 0..half_minutes {
        story.track(&mut world, 1, 30);
        story.say(&mut world, 1, "Still on scene.");
        let said = held(&world, 1, StreamKind::Message);
        let start = world.now_ms();
        while held(&world, 0, StreamKind::Message) < said {
            world.run_for_ms(100);
        }
        slowest_ms = slowest_ms.max(world.now_ms() - start);
        world.run_for_ms(30_000 - (world.now_ms() - start));
        let now = held(&world, 0, StreamKind::Track);
        bursts += u64::from(now > tracks);
        tracks = now;
    }
    let windows = half_minutes * 30_000 / every_ms;
    assert!((1..=windows + 1).contains(&bursts), "tracks came in {bursts} of {half_minutes} half minutes");
    assert!(slowest_ms < 2_000, "a message took {slowest_ms} ms");
    world.run_on(1, PowerState::Mains);
    demand_agreement(&mut world, &nodes, 60_000);
}
