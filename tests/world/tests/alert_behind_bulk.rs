//! Fear: an alert waits behind a day of tracks.

use holdfast_domain::scope::{Class, Scope, StreamKind};
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

const P0: StreamKind = StreamKind::Control;

fn knows(world: &World, node: usize, of: usize) -> bool {
    let author = world.engine(of).author();
    world.engine(node).frontier().scope(Scope::Org).is_some_and(|held| held.seq(P0, author) > 0)
}

/// Two nodes with a link, and megabytes of tracks at the first that the second lacks.
fn laden(seed: u64, profile: Profile) -> (World, Vec<usize>, usize) {
    assert_eq!(P0.class(), Class::P0);
    let mut world = World::new(seed);
    let nodes = world.nodes(&["hub", "engine-7"]);
    let link = world.link(nodes[0], nodes[1], profile);
    let mut story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 30_000);
    world.cut(link);
    for _ in 0..200 {
        story.track(&mut world, 0, 1_000);
    }
    (world, nodes, link)
}

/// A further command post turns up beside the first and tells the org of itself: an item of the most urgent class.
fn alert(world: &mut World, beside: usize) -> usize {
    let post = world.node("hub of the next county");
    world.link(post, beside, Profile::LAN);
    world.run_for_ms(20);
    assert!(knows(world, beside, post), "the post is not heard beside");
    post
}

#[test]
fn an_alert_overtakes_all_bulk_on_a_busy_link() {
    let (mut world, nodes, link) = laden(301, Profile::CONTACT);
    world.heal();
    world.run_for_ms(5_000);
    for _ in 0..5 {
        let post = alert(&mut world, nodes[0]);
        // One packet under way, those of the alert, and the way itself.
        let packets_ms = 6 * 1_240 * 8_000 / world.profile(link).rate_bps[0];
        world.run_for_ms(packets_ms + world.profile(link).rtt_us() / 2_000);
        assert!(knows(&world, nodes[1], post), "the alert waited behind bulk");
        assert_ne!(world.engine(0).frontier(), world.engine(1).frontier(), "there was no bulk");
        world.run_for_ms(3_000);
    }
}

#[test]
fn an_alert_is_through_in_every_short_window() {
    let (mut world, nodes, link) = laden(302, Profile::CONTACT);
    for _ in 0..8 {
        let post = alert(&mut world, nodes[0]);
        world.heal();
        // Greetings, heads and the alert: three ways, and their packets with one of bulk before each.
        let packets_ms = 10 * 1_240 * 8_000 / world.profile(link).rate_bps[0];
        world.run_for_ms(3 * world.profile(link).rtt_us() / 2_000 + packets_ms);
        world.cut(link);
        assert!(knows(&world, nodes[1], post), "the window passed without the alert");
        world.run_for_ms(60_000);
    }
}
