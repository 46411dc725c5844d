//! Fear: somebody calls "everybody out", and the order waits behind a day of bulk, or nobody learns who has heard it.

use holdfast_domain::alert::{AlertAck, AlertCancel, AlertDetail};
use holdfast_domain::edit::Edit;
use holdfast_domain::id::{AlertId, MissionId};
use holdfast_domain::query::{AlertFilter, MessageFilter, PageRequest};
use holdfast_domain::record::RecordId;
use holdfast_domain::refusal::Refusal;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::{Story, alert, message};
use holdfast_world::world::{EPOCH_MS, World};

fn raise(world: &mut World, node: usize, mission: Option<MissionId>, title: &str) -> AlertId {
    let outcome = world.edit(node, Edit::AlertRaise(mission, alert(title))).expect("an alert is raised");
    let RecordId::Alert(id) = outcome.record else { panic!("an alert is an alert") };
    id
}

fn seen(world: &World, node: usize, mission: Option<MissionId>, id: AlertId) -> Option<AlertDetail> {
    world.engine(node).store().reader().expect("a reader").alert_by_id(mission, id).expect("views")
}

/// Lets time pass until the alert is as wanted at a node; gives the milliseconds it took.
fn wait(world: &mut World, bound_ms: u64, done: impl Fn(&World) -> bool) -> u64 {
    let start = world.now_ms();
    while !done(world) {
        assert!(world.now_ms() - start < bound_ms, "not after {bound_ms} ms");
        world.run_for_ms(50);
    }
    world.now_ms() - start
}

#[test]
fn the_order_and_its_acknowledgement_overtake_the_bulk_on_a_narrow_link() {
    let mut world = World::new(71);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    world.link(hub, engine, Profile::NARROW);
    let story = Story::begin(&mut world, hub);
    demand_agreement(&mut world, &[hub, engine], 60_000);
    for _ in 0..60 {
        // Drawn by lot, so that no packing makes the bulk less.
        let text: String = (0..1_500).map(|_| char::from(b'!' + world.dice(90) as u8)).collect();
        let edit = Edit::MessageSend(story.mission, message(&text));
        world.edit(hub, edit).expect("a message goes");
    }
    world.run_for_ms(3_000);
    let missions = Some(story.mission);
    let id = raise(&mut world, hub, missions, "Roof is coming down, everybody out");
    let there = wait(&mut world, 10_000, |world| seen(world, engine, missions, id).is_some());
    let bulk = |world: &World, node: usize| {
        let views = world.engine(node).store().reader().expect("a reader");
        views.message_list(story.mission, &MessageFilter::default(), &PageRequest::default()).expect("views").total
    };
    let ack = AlertAck { note: "Leaving by the east stair".to_owned() };
    world.edit(engine, Edit::AlertAcknowledge(missions, id, ack)).expect("heard");
    let back = wait(&mut world, 10_000, |world| {
        seen(world, hub, missions, id).is_some_and(|shown| shown.alert.record.acknowledged == 1)
    });
    let arrived = bulk(&world, engine);
    assert!(arrived < 15, "{arrived} of 60 messages were there before the acknowledgement was back");
    let heard = &seen(&world, hub, missions, id).expect("shown").acknowledgements[0];
    assert_eq!((heard.from.as_str(), heard.text.as_str()), ("engine-7", "Leaving by the east stair"));
    // On the wire already: a window of 3 kB and the pack that filled it, 4 s; then the way itself, a lost packet included.
    // The way back is free. The bulk takes 80 s.
    assert!(there <= 6_000 && back <= 1_500, "there {there} ms, back {back} ms");
    demand_agreement(&mut world, &[hub, engine], 300_000);
}

#[test]
fn everybody_sees_who_has_heard_it_over_every_relay_and_in_the_whole_org() {
    let mut world = World::new(72);
    let nodes: Vec<usize> = ["hub", "engine-7", "truck-3", "medic-17", "boat-1"].map(|name| world.node(name)).into();
    for pair in nodes.windows(2) {
        world.link(pair[0], pair[1], Profile::RADIO);
    }
    let story = Story::begin(&mut world, 0);
    demand_agreement(&mut world, &nodes, 60_000);
    for mission in [Some(story.mission), None] {
        let id = raise(&mut world, 4, mission, "Dam has burst");
        wait(&mut world, 60_000, |world| nodes.iter().all(|&node| seen(world, node, mission, id).is_some()));
        for &node in &nodes {
            for _ in 0..2 {
                world.edit(node, Edit::AlertAcknowledge(mission, id, AlertAck::default())).expect("heard");
            }
        }
        demand_agreement(&mut world, &nodes, 60_000);
        for &node in &nodes {
            let shown = seen(&world, node, mission, id).expect("shown");
            assert_eq!((shown.alert.record.acknowledged, shown.acknowledgements.len()), (5, 5), "node {node}");
        }
    }
}

#[test]
fn only_the_raiser_and_a_command_post_call_it_off_and_the_end_ends_it() {
    let mut world = World::new(73);
    let nodes: Vec<usize> = ["hub", "engine-7", "truck-3"].map(|name| world.node(name)).into();
    world.link(0, 1, Profile::LAN);
    world.link(1, 2, Profile::LAN);
    let id = raise(&mut world, 1, None, "Gas in the cellar");
    let brief = alert("Short road closure");
    let ends = EPOCH_MS + 60_000;
    world
        .edit(1, Edit::AlertRaise(None, holdfast_domain::alert::AlertNew { expires_ms: Some(ends), ..brief }))
        .expect("raised");
    demand_agreement(&mut world, &nodes, 20_000);
    let cancel = || Edit::AlertCancel(None, id, AlertCancel { reason: "Aired".to_owned() });
    let refused = world.edit(2, cancel()).expect_err("not its own");
    assert!(matches!(refused, Refusal::MayNot { .. }), "{refused:?}");
    let unknown = AlertId::mint(EPOCH_MS, [9; 10]);
    let missing = world.edit(2, Edit::AlertAcknowledge(None, unknown, AlertAck::default())).expect_err("unknown");
    assert!(matches!(missing, Refusal::NotFound { kind: "alert", .. }), "{missing:?}");
    let open = |world: &World, node: usize, now_ms: u64| {
        let views = world.engine(node).store().reader().expect("a reader");
        let filter = AlertFilter { open_at_ms: Some(now_ms) };
        views.alert_list(None, filter, &PageRequest::default()).expect("views").total
    };
    assert_eq!((open(&world, 2, ends - 1), open(&world, 2, ends)), (2, 1), "its end ends it");
    world.edit(0, cancel()).expect("a command post may");
    demand_agreement(&mut world, &nodes, 20_000);
    assert_eq!(open(&world, 2, ends), 0);
    let by = seen(&world, 2, None, id).expect("shown").alert.record.cancelled.expect("over");
    assert_eq!((by.from.as_str(), by.text.as_str()), ("hub", "Aired"));
}
