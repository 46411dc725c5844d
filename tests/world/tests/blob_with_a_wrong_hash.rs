//! Fear: somebody slips other bytes into a photo, and a crew acts on what it shows.

use holdfast_domain::blob::{AttachmentNew, BlobId};
use holdfast_domain::frame::{BlobPart, Bye, Frame, FrameV1};
use holdfast_driver::blobs::{BlobCommand, BlobReply};
use holdfast_driver::effect::{Notice, Reply};
use holdfast_driver::event::Command;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

const PHOTO_BYTES: usize = 200_000;

/// Attaches a photo at a node.
fn attach(world: &mut World, node: usize, story: &Story, content: &[u8]) -> BlobId {
    let content = world.engine(node).store().blob_room().stage(1, content).expect("a file");
    let (media_type, name) = ("image/jpeg".to_owned(), "roof.jpg".to_owned());
    let new = AttachmentNew { mission: story.mission, media_type, name, attached_to: None };
    match world.ask(node, Command::Blob(Box::new(BlobCommand::Add { new, content, thumbnail: None }))) {
        Reply::Blob(Ok(BlobReply::Attached(id, true))) => id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_bytes_are_counted_told_of_once_and_not_kept_and_their_bringer_is_closed() {
    let mut world = World::new(251);
    let (hub, engine, truck) = (world.node("hub"), world.node("engine-7"), world.node("truck-3"));
    let radio = Profile { rate_bps: [64_000; 2], ..Profile::LAN };
    world.link(hub, engine, radio);
    let bad = world.link(engine, truck, Profile::LAN);
    let story = Story::begin(&mut world, hub);
    world.run_for_ms(2_000);
    let content: Vec<u8> = (0..PHOTO_BYTES).map(|place| (place * place % 251) as u8).collect();
    let id = attach(&mut world, hub, &story, &content);
    // The word of it is there and a few of its bytes: it takes half a minute.
    world.run_for_ms(5_000);
    let views = world.engine(engine).store().reader().expect("a reader");
    let shown = views.attachment_by_id(story.mission, id).expect("views").expect("known");
    assert!(shown.groups_here < shown.groups, "it is here already");
    let blob = shown.record.key();
    let last = shown.groups - 1;
    let part = BlobPart { id: 7, blob, first: last, count: 1, slice: vec![0x5a; 8_000] };
    world.deliver(truck, engine, Frame::V1(FrameV1::BlobPart(part)).encode());
    world.run_for_ms(100);
    let culprit = Some(world.device(truck).device());
    assert_eq!(world.told(), [(engine, Notice::PeerRefused { device: culprit, reason: Bye::BadSignature })]);
    let counters = world.counters(engine);
    assert_eq!((counters["blob_parts_forged"], counters["bad_signature"]), (1, 1));
    // The bent end is kept away from here on; the photo comes whole from where it was made.
    world.cut(bad);
    world.run_for_ms(60_000);
    assert_eq!(world.engine(engine).store().blob_room().content(&blob).expect("here"), content);
    assert_eq!(world.counters(engine)["blob_parts_forged"], 1);
    world.heal();
    demand_agreement(&mut world, &[hub, engine, truck], 30_000);
}
