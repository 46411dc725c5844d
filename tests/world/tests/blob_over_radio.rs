//! Fear: a photo chokes the radio, or never arrives because the link breaks before it is through.

use holdfast_domain::blob::{AttachmentNew, AttachmentShown, BlobId, BlobState};
use holdfast_domain::id::MissionId;
use holdfast_domain::power::PowerState;
use holdfast_domain::query::{MessageFilter, PageRequest};
use holdfast_domain::refusal::Refusal;
use holdfast_driver::blobs::{BlobCommand, BlobConfig, BlobReply};
use holdfast_driver::effect::Reply;
use holdfast_driver::event::Command;
use holdfast_world::link::{Loss, Profile};
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

/// Bytes that no packing makes smaller.
fn photo(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(&bytes.to_le_bytes()).finalize_xof().fill(&mut out);
    out
}

fn about(mission: MissionId) -> AttachmentNew {
    AttachmentNew { mission, media_type: "image/jpeg".to_owned(), name: "roof.jpg".to_owned(), attached_to: None }
}

/// Attaches a file at a node, with a small picture of it.
fn attach(world: &mut World, node: usize, mission: MissionId, content: &[u8], small: &[u8]) -> BlobId {
    let room = world.engine(node).store().blob_room().clone();
    let content = room.stage(1, content).expect("a file");
    let thumbnail = Some(room.stage(2, small).expect("a file"));
    let new =
        AttachmentNew { mission, media_type: "image/jpeg".to_owned(), name: "roof.jpg".to_owned(), attached_to: None };
    let add = BlobCommand::Add { new, content, thumbnail };
    match world.ask(node, Command::Blob(Box::new(add))) {
        Reply::Blob(Ok(BlobReply::Attached(id, true))) => id,
        other => panic!("{other:?}"),
    }
}

fn shown(world: &World, node: usize, mission: MissionId, id: BlobId) -> Option<AttachmentShown> {
    let views = world.engine(node).store().reader().expect("a reader");
    views.attachment_by_id(mission, id).expect("views")
}

fn counter(world: &World, node: usize, name: &str) -> u64 {
    let now = holdfast_domain::clock::Now { mono_us: world.now_ms() * 1_000, wall_ms: world.now_ms() };
    world.engine(node).status(now).expect("a status").counters.get(name).copied().unwrap_or(0)
}

const FIELD: Profile =
    Profile { delay_us: [150_000; 2], rate_bps: [256_000; 2], loss: Loss { good: 50, ..Loss::NONE }, ..Profile::LAN };

#[test]
fn two_vehicles_bring_a_photo_to_the_hub_over_links_that_flap() {
    let mut world = World::new(7);
    let (hub, engine, truck) = (world.node("hub"), world.node("engine-7"), world.node("truck-3"));
    world.link(engine, truck, Profile::LAN);
    let story = Story::begin(&mut world, engine);
    let (content, small) = (photo(900_000), photo(6_000));
    let id = attach(&mut world, engine, story.mission, &content, &small);
    world.run_for_ms(10_000);
    assert_eq!(shown(&world, truck, story.mission, id).expect("known").groups_here, 55);

    let links = [world.link(engine, hub, FIELD), world.link(truck, hub, FIELD)];
    let mut flaps = 0;
    while shown(&world, hub, story.mission, id).is_none_or(|shown| shown.groups_here < shown.groups) {
        world.run_for_ms(4_000);
        // Never both at once for long, never one for ever.
        world.cut(links[flaps % 2]);
        world.run_for_ms(1_500);
        world.heal();
        flaps += 1;
        assert!(flaps < 60, "the photo does not come through: {:?}", shown(&world, hub, story.mission, id));
    }
    println!("through after {} s and {flaps} cuts", world.now_ms() / 1_000);
    demand_agreement(&mut world, &[hub, engine, truck], 60_000);
    let key = shown(&world, hub, story.mission, id).expect("known").record.key();
    assert_eq!(world.engine(hub).store().blob_room().content(&key).expect("here"), content);
    assert!(shown(&world, hub, story.mission, id).expect("known").thumbnail_here);
    let (came, twice) = (counter(&world, hub, "blob_bytes_received"), counter(&world, hub, "blob_bytes_unwanted"));
    println!("{came} bytes of parts came, {twice} of them in vain, for {} of content", content.len());
    assert!(twice * 10 < came, "{twice} of {came} bytes came in vain");
    for (node, name) in [(engine, "engine-7"), (truck, "truck-3")] {
        assert!(counter(&world, node, "blob_parts_sent") > 0, "{name} did its part");
    }
}

/// How long a message from one node takes to another, milliseconds.
fn message_ms(world: &mut World, story: &Story, from: usize, to: usize, text: &str) -> u64 {
    story.say(world, from, text);
    let start = world.now_ms();
    loop {
        world.run_for_ms(20);
        let views = world.engine(to).store().reader().expect("a reader");
        let page =
            views.message_list(story.mission, &MessageFilter::default(), &PageRequest::default()).expect("views");
        if page.items.iter().any(|item| item.record.text == text) {
            return world.now_ms() - start;
        }
        assert!(world.now_ms() - start < 120_000, "`{text}` does not come");
    }
}

#[test]
fn messages_go_on_while_a_photo_is_on_its_way() {
    let mut world = World::new(8);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let radio = Profile { loss: Loss::NONE, ..FIELD };
    world.link(engine, hub, radio);
    let story = Story::begin(&mut world, engine);
    world.run_for_ms(20_000);
    let idle = (0..5).map(|n| message_ms(&mut world, &story, engine, hub, &format!("idle {n}"))).max().expect("five");
    let id = attach(&mut world, engine, story.mission, &photo(2_000_000), &photo(6_000));
    world.run_for_ms(5_000);
    let mut worst = 0;
    let mut count = 0;
    while shown(&world, hub, story.mission, id).expect("the manifest is small").groups_here < 100 {
        count += 1;
        worst = worst.max(message_ms(&mut world, &story, engine, hub, &format!("busy {count}")));
        world.run_for_ms(2_500);
    }
    println!("a message takes {idle} ms on an idle link, {worst} ms at worst of {count} beside a photo");
    assert!(count >= 5, "{count} messages");
    // The link carries 32 kB a second; what comes in a second and a half may lie on it.
    assert!(worst <= idle + 1_500, "{worst} ms instead of {idle} ms");
}

#[test]
fn a_removed_photo_is_dropped_everywhere_and_one_that_saves_power_waits() {
    let mut world = World::new(9);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    world.link(engine, hub, Profile::LAN);
    let story = Story::begin(&mut world, engine);
    world.run_on(engine, PowerState::Low);
    let id = attach(&mut world, engine, story.mission, &photo(300_000), &photo(6_000));
    world.run_for_ms(30_000);
    let kept = shown(&world, hub, story.mission, id).expect("the manifest comes in any case");
    assert_eq!((kept.groups_here, kept.thumbnail_here), (0, false));
    world.ask(engine, Command::Power(Box::default()));
    world.run_for_ms(10_000);
    let came = shown(&world, hub, story.mission, id).expect("known");
    assert_eq!((came.state, came.thumbnail_here), (BlobState::Here, true));
    let remove = BlobCommand::Remove { mission: story.mission, id };
    assert!(matches!(world.ask(hub, Command::Blob(Box::new(remove))), Reply::Blob(Ok(BlobReply::Done))));
    demand_agreement(&mut world, &[hub, engine], 10_000);
    for node in [hub, engine] {
        assert!(world.engine(node).store().blob_list().expect("rows").is_empty(), "node {node}");
        assert!(shown(&world, node, story.mission, id).expect("history stays").record.removed.is_some());
    }
}

#[test]
fn a_power_cut_costs_no_group_that_was_acknowledged() {
    let mut world = World::new(10);
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    world.link(engine, hub, FIELD);
    let story = Story::begin(&mut world, engine);
    let content = photo(1_000_000);
    let id = attach(&mut world, engine, story.mission, &content, &photo(6_000));
    let mut before = 0;
    for _ in 0..200 {
        world.run_for_ms(3_000);
        let here = shown(&world, hub, story.mission, id).map_or(0, |shown| shown.groups_here);
        assert!(here >= before, "{here} after {before}");
        before = here;
        if here == 62 {
            break;
        }
        let victim = [hub, engine][world.dice(2)];
        world.power_cut(victim);
        world.run_for_ms(100);
        world.power_on(victim);
    }
    let key = shown(&world, hub, story.mission, id).expect("known").record.key();
    assert_eq!(world.engine(hub).store().blob_room().content(&key).expect("here"), content);
}

#[test]
fn when_room_is_short_only_what_others_keep_for_sure_is_let_go_of() {
    let mut world = World::new(11);
    world.blobs = BlobConfig { quota_bytes: 1_000_000, free_bytes_min: 0, ..BlobConfig::default() };
    let (hub, engine) = (world.node("hub"), world.node("engine-7"));
    let link = world.link(engine, hub, Profile::LAN);
    let story = Story::begin(&mut world, engine);
    let first = attach(&mut world, engine, story.mission, &photo(600_000), &photo(6_000));
    world.run_for_ms(10_000);
    assert_eq!(shown(&world, engine, story.mission, first).expect("known").holders, 1);
    world.cut(link);
    // The hub has the first: it may go for the second, which is nowhere else.
    let second = attach(&mut world, engine, story.mission, &photo(610_000), &photo(6_100));
    let states = |world: &World| {
        [first, second].map(|id| {
            let shown = shown(world, engine, story.mission, id).expect("known");
            (shown.state, shown.thumbnail_here)
        })
    };
    assert_eq!(states(&world), [(BlobState::Elsewhere, true), (BlobState::Here, true)]);
    // Nothing may go for a third: it is refused, and nothing changes.
    let room = world.engine(engine).store().blob_room().clone();
    let content = room.stage(1, &photo(620_000)).expect("a file");
    let new = about(story.mission);
    let refused = world.ask(engine, Command::Blob(Box::new(BlobCommand::Add { new, content, thumbnail: None })));
    let Reply::Blob(Err(Refusal::NoRoom { fault })) = refused else { panic!("{refused:?}") };
    assert!(fault.contains("raise blob_quota_bytes"), "{fault}");
    assert_eq!(states(&world), [(BlobState::Elsewhere, true), (BlobState::Here, true)]);
    // What was let go of is not fetched again by itself, but it is when somebody asks, once there is room.
    world.heal();
    world.run_for_ms(60_000);
    assert_eq!(states(&world)[0].0, BlobState::Elsewhere);
    let remove = BlobCommand::Remove { mission: story.mission, id: second };
    world.ask(engine, Command::Blob(Box::new(remove)));
    let fetch = BlobCommand::Fetch { mission: story.mission, id: first };
    assert!(matches!(world.ask(engine, Command::Blob(Box::new(fetch))), Reply::Blob(Ok(BlobReply::Done))));
    world.run_for_ms(10_000);
    assert_eq!(states(&world)[0].0, BlobState::Here);
}

#[test]
fn a_hub_that_is_full_says_so_and_goes_on_once_there_is_room() {
    let mut world = World::new(12);
    world.blobs = BlobConfig { quota_bytes: 700_000, free_bytes_min: 0, ..BlobConfig::default() };
    let hub = world.node("hub");
    world.blobs = BlobConfig { free_bytes_min: 0, ..BlobConfig::default() };
    let engine = world.node("engine-7");
    world.link(engine, hub, Profile::LAN);
    let story = Story::begin(&mut world, engine);
    let first = attach(&mut world, engine, story.mission, &photo(600_000), &photo(6_000));
    world.run_for_ms(10_000);
    let second = attach(&mut world, engine, story.mission, &photo(610_000), &photo(6_100));
    world.run_for_ms(10_000);
    let Reply::Status(status) = world.ask(hub, Command::Status) else { panic!("a status") };
    assert!(
        status.blobs.full.as_ref().is_some_and(|full| full.contains("raise blob_quota_bytes")),
        "{:?}",
        status.blobs
    );
    assert!(status.blobs.bytes <= status.blobs.quota_bytes, "{:?}", status.blobs);
    assert_eq!(shown(&world, hub, story.mission, first).expect("known").state, BlobState::Here, "a hub keeps all");
    let remove = BlobCommand::Remove { mission: story.mission, id: first };
    world.ask(engine, Command::Blob(Box::new(remove)));
    world.run_for_ms(90_000);
    assert_eq!(shown(&world, hub, story.mission, second).expect("known").state, BlobState::Here);
    let Reply::Status(status) = world.ask(hub, Command::Status) else { panic!("a status") };
    assert_eq!((status.blobs.full, status.blobs.wanted), (None, 0));
}

#[test]
fn a_node_on_battery_sends_what_is_left_of_a_photo_after_a_cut() {
    let mut world = World::new(23);
    let (hub, medic) = (world.node("hub"), world.node("medic-17"));
    world.link(medic, hub, FIELD);
    let story = Story::begin(&mut world, hub);
    world.tick_alone_us = 1_000_000;
    demand_agreement(&mut world, &[hub, medic], 30_000);
    world.run_on(medic, PowerState::Battery);
    let content = photo(300_000);
    let id = attach(&mut world, medic, story.mission, &content, &photo(4_000));
    while shown(&world, hub, story.mission, id).is_none() {
        world.run_for_ms(100);
    }
    world.part(&[hub], &[medic]);
    // Long enough that nothing is under way any more.
    world.run_for_ms(120_000);
    world.heal();
    let begun_ms = world.now_ms();
    while shown(&world, hub, story.mission, id).is_none_or(|shown| shown.groups_here < shown.groups) {
        world.run_for_ms(500);
        assert!(world.now_ms() - begun_ms < 90_000, "{:?}", shown(&world, hub, story.mission, id));
    }
    println!("the photo was through after {} s", (world.now_ms() - begun_ms) / 1_000);
}
