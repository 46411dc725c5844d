//! Fear: the thing nobody thought of about files. Many seeds: uploads, removals, cuts, power cuts, full disks, forging relays.

use std::collections::BTreeMap;

use holdfast_domain::blob::{AttachmentNew, BlobId};
use holdfast_domain::id::MissionId;
use holdfast_driver::blobs::{BlobCommand, BlobReply};
use holdfast_driver::effect::Reply;
use holdfast_driver::event::Command;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

/// Seeds of an ordinary run; `HOLDFAST_WORLD_SEEDS` asks for more.
const SEEDS: u64 = 12;

/// What is attached, with its bytes, as people were told.
type Attached = BTreeMap<BlobId, Vec<u8>>;

fn attach(world: &mut World, node: usize, mission: MissionId, attached: &mut Attached) {
    let mut content = vec![0; 1 + world.dice(400_000)];
    blake3::Hasher::new().update(&world.now_ms().to_le_bytes()).finalize_xof().fill(&mut content);
    let room = world.engine(node).store().blob_room().clone();
    let staged = room.stage(1, &content).expect("a file");
    let thumbnail = (world.dice(2) == 0).then(|| room.stage(2, &content[..content.len().min(900)]).expect("a file"));
    let name = "photo.jpg".to_owned();
    let new = AttachmentNew { mission, media_type: "image/jpeg".to_owned(), name, attached_to: None };
    let add = BlobCommand::Add { new, content: staged, thumbnail };
    if let Reply::Blob(Ok(BlobReply::Attached(id, _))) = world.ask(node, Command::Blob(Box::new(add))) {
        attached.insert(id, content);
    }
}

fn remove(world: &mut World, node: usize, mission: MissionId, attached: &mut Attached) {
    let pick = world.dice(attached.len().max(1));
    let Some(&id) = attached.keys().nth(pick) else { return };
    let remove = BlobCommand::Remove { mission, id };
    if let Reply::Blob(Ok(BlobReply::Done)) = world.ask(node, Command::Blob(Box::new(remove))) {
        attached.remove(&id);
    }
}

/// Whether every node has every attached file and nothing else.
fn settled(world: &World, nodes: &[usize], mission: MissionId, attached: &Attached) -> bool {
    nodes.iter().all(|&node| {
        let store = world.engine(node).store();
        let wanted = store.attachment_all().expect("rows");
        let small = wanted.iter().filter_map(|attachment| attachment.thumbnail.map(|small| small.key()));
        let keys: std::collections::BTreeSet<_> = wanted.iter().map(|one| one.key()).chain(small).collect();
        let rows = store.blob_list().expect("rows");
        let views = store.reader().expect("a reader");
        rows.iter().all(|row| row.is_whole() && keys.contains(&row.key))
            && rows.len() == keys.len()
            && attached.keys().all(|id| views.attachment_by_id(mission, *id).expect("views").is_some())
            && wanted.len() == attached.len()
    })
}

/// What each node has, wants and knows of.
fn told(world: &World, nodes: &[usize]) -> String {
    let one = |&node: &usize| {
        let store = world.engine(node).store();
        let rows = store.blob_list().expect("rows").len();
        let part = store.blob_list().expect("rows").into_iter().filter(|row| !row.is_whole()).collect::<Vec<_>>();
        let now = holdfast_domain::clock::Now { mono_us: world.now_ms() * 1_000, wall_ms: world.now_ms() };
        let status = world.engine(node).status(now).expect("a status").blobs;
        let known = store.attachment_all().expect("rows").len();
        format!("\nnode {node}: {known} attached, {rows} blobs, in part {part:?}, {status:?}")
    };
    nodes.iter().map(one).collect()
}

fn live(seed: u64) -> String {
    let mut world = World::new(seed);
    let nodes = ["hub", "engine-7", "truck-3"].map(|name| world.node(name));
    let forging = Profile { forge_permille: 20, replay_permille: 20, ..Profile::LAN };
    let links = [
        world.link(nodes[0], nodes[1], Profile::LAN),
        world.link(nodes[1], nodes[2], forging),
        world.link(nodes[0], nodes[2], Profile::RADIO.at_bps(2_000_000)),
    ];
    let story = Story::begin(&mut world, 0);
    world.run_for_ms(5_000);
    let mut attached = Attached::new();
    for _ in 0..40 {
        let node = nodes[world.dice(3)];
        match world.dice(9) {
            0 => {
                let link = links[world.dice(3)];
                world.cut(link);
            }
            1 => world.heal(),
            2 => {
                world.power_cut(node);
                world.run_for_ms(200);
                world.power_on(node);
            }
            3 => {
                world.fail_commits(node, true);
                world.run_for_ms(1_000);
                world.fail_commits(node, false);
            }
            4 => remove(&mut world, node, story.mission, &mut attached),
            5 => story.say(&mut world, node, "all well"),
            _ => attach(&mut world, node, story.mission, &mut attached),
        }
        let pause = world.dice(1_500) as u64;
        world.run_for_ms(pause);
    }
    world.set_profile(links[1], Profile::LAN);
    world.heal();
    demand_agreement(&mut world, &nodes, 120_000);
    let mut patience = 600;
    while !settled(&world, &nodes, story.mission, &attached) {
        patience -= 1;
        assert!(patience > 0, "seed {seed}: files do not settle: {}", told(&world, &nodes));
        world.run_for_ms(500);
    }
    for &node in &nodes {
        let room = world.engine(node).store().blob_room();
        for (id, content) in &attached {
            let key = holdfast_domain::blob::BlobKey { id: *id, bytes: content.len() as u64 };
            assert_eq!(&room.content(&key).expect("here"), content, "seed {seed}");
        }
    }
    world.trace()
}

#[test]
fn every_file_is_everywhere_in_the_end_and_a_seed_repeats_itself() {
    let seeds = std::env::var("HOLDFAST_WORLD_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS);
    for seed in 0..seeds {
        println!("seed {seed}");
        assert_eq!(live(seed), live(seed), "seed {seed} does not repeat itself");
    }
}
