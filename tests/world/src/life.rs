//! A random life: nodes, links, work and every harm at once, all drawn from one seed; then heal, and demand agreement.

use crate::harm::Cut;
use crate::link::{Loss, Profile};
use crate::mallory::Malice;
use crate::oracle::{self, bound_ms, demand_agreement};
use crate::record::Recorder;
use crate::story::Story;
use crate::world::World;

/// What came of a life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    /// Hash over all that was sent and told.
    pub trace: String,
    /// Virtual time of all honest nodes together, milliseconds.
    pub node_ms: u64,
    /// How long it took to agree once all was healed, milliseconds.
    pub took_ms: u64,
    /// Bytes of frames sent.
    pub bytes_sent: u64,
}

/// Things done in a life.
const ROUNDS: usize = 60;
/// Devices in bad hands, at most.
const MALLORIES_MAX: usize = 2;
const NAMES: [&str; 5] = ["hub", "engine-7", "truck-3", "medic-17", "boat-1"];
const DAY_MS: u64 = 24 * 3_600_000;

struct Living {
    world: World,
    nodes: Vec<usize>,
    story: Story,
    honest_links: Vec<(usize, Profile)>,
    mallories: usize,
}

/// Lives the life of a seed. Panics if anything that must hold does not.
pub fn live(seed: u64, recorder: Option<Recorder>) -> Life {
    let mut world = World::new(seed);
    if let Some(recorder) = recorder {
        world.record(recorder);
    }
    let size = 3 + world.dice(3);
    let nodes = world.nodes(&NAMES[..size]);
    let mut honest_links = Vec::new();
    for a in 0..size {
        for b in a + 1..size {
            let profile = [Profile::LAN, Profile::LAN, Profile::RADIO, Profile::CELL][world.dice(4)];
            if b == a + 1 || world.dice(2) == 0 {
                honest_links.push((world.link(nodes[a], nodes[b], profile), profile));
            }
        }
    }
    let story = Story::begin(&mut world, 0);
    world.run_for_ms(5_000);
    let mut living = Living { world, nodes, story, honest_links, mallories: 0 };
    for _ in 0..ROUNDS {
        living.something();
        let pause = living.world.dice(3_000) as u64;
        living.world.run_for_ms(pause);
    }
    living.heal();
    let bound = bound_ms(&living.world, &living.nodes);
    let took_ms = demand_agreement(&mut living.world, &living.nodes, bound);
    let (world, bytes_sent) = (&living.world, living.world.bytes_sent);
    Life { trace: world.trace(), node_ms: world.now_ms() * size as u64, took_ms, bytes_sent }
}

impl Living {
    fn something(&mut self) {
        let node = self.nodes[self.world.dice(self.nodes.len())];
        let link = self.honest_links[self.world.dice(self.honest_links.len())].0;
        let world = &mut self.world;
        match world.dice(30) {
            0 => {
                let cut = 1 + world.dice(self.nodes.len() - 1);
                world.part(&self.nodes[..cut], &self.nodes[cut..]);
            }
            1 => world.heal(),
            2 => {
                world.power_cut(node);
                world.run_for_ms(200);
                world.power_on(node);
            }
            3 => self.power_goes_with_a_commit(node),
            4 => {
                world.fail_commits(node, true);
                world.run_for_ms(1_000);
                world.fail_commits(node, false);
            }
            5 => {
                let days = world.dice(40_000) as u64;
                world.set_clock(node, days * DAY_MS);
            }
            6 => self.worsen(link),
            7 => {
                for _ in 0..4 {
                    world.cut(link);
                    world.run_for_ms(300);
                    world.heal_link(link);
                    world.run_for_ms(700);
                }
            }
            8 => world.backup(node),
            9 => self.restore(node),
            10 if self.mallories < MALLORIES_MAX => {
                let malice = Malice::ALL[world.dice(Malice::ALL.len())];
                let mallory = world.mallory(malice, self.nodes[0]);
                world.link(mallory, node, Profile::LAN);
                self.mallories += 1;
            }
            _ => self.story.anything(world, node),
        }
    }

    fn power_goes_with_a_commit(&mut self, node: usize) {
        let cut = [Cut::AtCommit, Cut::AfterCommit][self.world.dice(2)];
        self.world.power_cut_with_commit(node, cut);
        self.story.anything(&mut self.world, node);
        self.world.run_for_ms(200);
        self.world.power_cut(node);
        self.world.power_on(node);
    }

    fn worsen(&mut self, link: usize) {
        let worse = self.world.profile(link);
        let worse = match self.world.dice(5) {
            0 => Profile { forge_permille: 100, ..worse },
            1 => Profile { replay_permille: 300, ..worse },
            2 => Profile { reorder_permille: 200, ..worse },
            3 => Profile { loss: Loss::BURSTS, jitter_us: 200_000, ..worse },
            _ => worse.at_bps(128_000),
        };
        self.world.set_profile(link, worse);
    }

    /// A disk is given back as it was when it was last put away; the node meets the others before it writes again, as
    /// who restores a disk is told to see to.
    fn restore(&mut self, node: usize) {
        self.heal();
        let bound = bound_ms(&self.world, &self.nodes);
        oracle::converge(&mut self.world, &self.nodes, bound)
            .unwrap_or_else(|fault| panic!("before a restore: {fault}"));
        if self.world.restore(node) {
            self.world.run_for_ms(1_000);
            let bound = bound_ms(&self.world, &self.nodes);
            oracle::converge(&mut self.world, &self.nodes, bound)
                .unwrap_or_else(|fault| panic!("after a restore: {fault}"));
        }
    }

    /// Ends all harm. What a forger claimed of itself is believed for its session; an honest one begins afresh.
    fn heal(&mut self) {
        self.world.mend();
        for &(link, profile) in &self.honest_links {
            self.world.set_profile(link, profile);
            self.world.cut(link);
        }
        self.world.heal();
    }
}
