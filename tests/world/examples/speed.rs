//! How fast the world goes: twelve nodes in a line of cables for a day, an edit each minute. Figures, no verdict.

use std::time::Instant;

use holdfast_world::link::Profile;
use holdfast_world::oracle::demand_agreement;
use holdfast_world::story::Story;
use holdfast_world::world::World;

const NODES: usize = 12;
const MINUTES: usize = 24 * 60;

fn main() {
    let start = Instant::now();
    let mut world = World::new(1);
    let nodes: Vec<usize> = (0..NODES).map(|number| world.node(&format!("node-{number}"))).collect();
    world.line(&nodes, Profile::LAN);
    let mut story = Story::begin(&mut world, 0);
    world.run_for_ms(10_000);
    story.busy(&mut world, &nodes, MINUTES, 60_000);
    let lived = start.elapsed().as_secs_f64();
    demand_agreement(&mut world, &nodes, 30_000);
    let hours = world.now_ms() as f64 * NODES as f64 / 3_600_000.0;
    let (per_hour, frames) = (hours * 3_600.0 / lived, world.frames_sent);
    println!("{hours:.0} node-hours in {lived:.1} s: {per_hour:.0} node-hours per CPU-hour, {frames} frames");
}
