//! Fear: between people who meet by chance, word does not travel as far as it could.

use std::collections::BTreeSet;

use holdfast_domain::edit::Edit;
use holdfast_world::contacts::{flood, parse};
use holdfast_world::link::Profile;
use holdfast_world::oracle::{demand_agreement, holds};
use holdfast_world::story::{Story, message};
use holdfast_world::world::World;

const OBSERVERS: usize = 21;
const DAYS: u64 = 35;
const ITEMS: u64 = 350;
/// Of what unlimited contacts would deliver, so many thousandths must be.
const PART_PERMILLE: usize = 990;

#[test]
fn over_35_days_of_real_contacts_word_gets_as_far_as_it_could() {
    let trace = include_str!("../../fixtures/contacts/upb2011-contacts.dat");
    let contacts = parse(trace, OBSERVERS);
    let mut world = World::new(401);
    let nodes: Vec<usize> = (0..OBSERVERS).map(|number| world.node(&format!("observer-{number}"))).collect();
    let story = Story::begin(&mut world, 0);
    let together: Vec<usize> = world.line(&nodes, Profile::LAN);
    demand_agreement(&mut world, &nodes, 20_000);
    together.iter().for_each(|&link| world.cut(link));

    let pairs: BTreeSet<(usize, usize)> = contacts.iter().map(|contact| contact.pair).collect();
    for pair in pairs {
        let link = world.link_apart(nodes[pair.0], nodes[pair.1], Profile::CONTACT);
        for contact in contacts.iter().filter(|contact| contact.pair == pair) {
            world.plan_contact(link, contact.from_s * 1_000, contact.until_s * 1_000);
        }
    }

    let mut written = Vec::new();
    let mut outcomes = Vec::new();
    for item in 0..ITEMS {
        let (at_s, node) = (item * DAYS * 86_400 / ITEMS, world.dice(OBSERVERS));
        let text = format!("word {item}");
        outcomes.push(world.edit(nodes[node], Edit::MessageSend(story.mission, message(&text))).expect("a message"));
        written.push((at_s, node));
        world.run_for_ms(((item + 1) * DAYS * 86_400 / ITEMS - at_s) * 1_000);
    }

    let (mut could, mut did) = (0, 0);
    for (best, outcome) in flood(&contacts, &written, OBSERVERS).iter().zip(&outcomes) {
        could += best.len();
        did += best.iter().filter(|&&node| holds(&world, nodes[node], outcome)).count();
    }
    println!("{did} of {could} deliveries over {} contacts, {} bytes", contacts.len(), world.bytes_sent);
    assert!(could > 2 * ITEMS as usize, "the trace carries nothing");
    assert!(did * 1_000 >= could * PART_PERMILLE, "{did} of {could} deliveries");
}
