//! Fear: the power goes in the middle of a commit, or just after it, before anybody heard.

use holdfast_domain::edit::Edit;
use holdfast_domain::query::{MessageFilter, PageRequest};
use holdfast_world::harm::Cut;
use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::story::message;
use holdfast_world::world::World;

fn texts(world: &World, story: &Story) -> Vec<String> {
    let views = world.engine(0).store().reader().expect("a reader");
    let page = views.message_list(story.mission, &MessageFilter::default(), &PageRequest::default()).expect("views");
    page.items.into_iter().map(|item| item.record.text).collect()
}

#[test]
fn a_commit_is_whole_or_not_at_all_and_only_what_was_answered_was_promised() {
    for (cut, there) in [(Cut::AtCommit, false), (Cut::AfterCommit, true)] {
        let mut world = World::new(81);
        let nodes = world.nodes(&["hub", "engine-7"]);
        world.line(&nodes, Profile::LAN);
        let story = Story::begin(&mut world, 0);
        demand_agreement(&mut world, &nodes, 5_000);
        world.power_cut_with_commit(1, cut);
        world.edit(1, Edit::MessageSend(story.mission, message("mayday"))).expect_err("nobody answers");
        assert!(!world.is_on(1));
        world.power_on(1);
        demand_agreement(&mut world, &nodes, 5_000);
        assert_eq!(texts(&world, &story).contains(&"mayday".to_owned()), there, "{cut:?}");
    }
}

#[test]
fn power_goes_with_what_others_sent() {
    let mut world = World::new(82);
    let nodes = world.nodes(&["hub", "engine-7", "truck-3"]);
    world.line(&nodes, Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(2_000);
    for round in 0..30 {
        world.power_cut_with_commit(1, [Cut::AtCommit, Cut::AfterCommit][round % 2]);
        story.anything(&mut world, [0, 2][round % 2]);
        world.run_for_ms(100);
        world.power_cut(1);
        world.power_on(1);
        world.run_for_ms(300);
    }
    demand_agreement(&mut world, &nodes, 10_000);
}
