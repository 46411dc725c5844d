//! Fear: a node that joins late, empty, behind relays, does not get everything.

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

#[test]
fn an_empty_node_at_the_end_of_a_line_gets_everything() {
    let mut world = World::new(11);
    let line: Vec<usize> = ["hub", "engine-7", "truck-3"].iter().map(|name| world.node(name)).collect();
    world.link(line[0], line[1], Profile::LAN);
    world.link(line[1], line[2], Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    for round in 0..80 {
        story.anything(&mut world, line[round % 3]);
        world.run_for_ms(500);
    }
    demand_agreement(&mut world, &line, 10_000);
    let late = world.node("medic-17");
    world.link(late, line[2], Profile::LAN);
    demand_agreement(&mut world, &[line[0], line[1], line[2], late], 10_000);
}

#[test]
fn a_line_of_radios_that_lose_one_packet_in_ten() {
    let mut world = World::new(12);
    let line: Vec<usize> =
        ["hub", "relay-1", "relay-2", "relay-3", "engine-7"].iter().map(|name| world.node(name)).collect();
    for pair in line.windows(2) {
        world.link(pair[0], pair[1], Profile::RADIO);
    }
    let mut story = Story::begin(&mut world, 0);
    for round in 0..60 {
        story.anything(&mut world, line[round % line.len()]);
        world.run_for_ms(2_000);
    }
    demand_agreement(&mut world, &line, 120_000);
}

#[test]
fn a_link_that_flaps_while_much_is_to_be_sent() {
    let mut world = World::new(13);
    let nodes = [world.node("hub"), world.node("engine-7")];
    let link = world.link(nodes[0], nodes[1], Profile::RADIO.at_bps(256_000));
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(5_000);
    world.cut(link);
    for _ in 0..150 {
        story.anything(&mut world, nodes[0]);
        world.run_for_ms(1_000);
    }
    for _ in 0..10 {
        world.heal();
        world.run_for_ms(1_500);
        world.cut(link);
        world.run_for_ms(700);
    }
    world.heal();
    demand_agreement(&mut world, &nodes, 60_000);
}
