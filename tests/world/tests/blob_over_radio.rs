//! Fear: a photo chokes the radio, or never arrives because the link breaks before it is through.

use holdfast_domain::blob::{AttachmentNew, AttachmentShown, BlobId};
use holdfast_domain::id::MissionId;
use holdfast_driver::blobs::{BlobCommand, BlobReply};
use holdfast_driver::effect::Reply;
use holdfast_driver::event::Command;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

/// Bytes that no packing makes smaller.
fn photo(bytes: usize) -> Vec<u8> {
    let mut out = vec![0; bytes];
    blake3::Hasher::new().update(b"a photo").finalize_xof().fill(&mut out);
    out
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
    Profile { delay_us: 150_000, rate_bps: 256_000, loss_permille: 50, forge_permille: 0, replay_permille: 0 };

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
