//! Harm done to nodes and links: power cuts, full disks, wrong clocks, copied and restored disks, partitions.

use ed25519_dalek::SigningKey;
use holdfast_domain::power::{PowerPolicy, PowerState, PowerStatus};
use holdfast_driver::engine::{Engine, EngineConfig};
use holdfast_driver::event::Command;
use holdfast_store::store::Store;

use crate::happen::Coming;
use crate::link::Profile;
use crate::oracle::holds;
use crate::world::{EPOCH_MS, Mind, World, public};

/// When the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// In the middle of a commit: nothing of it is on disk.
    AtCommit,
    /// Between a commit and all that was to follow it: no frame leaves, nobody hears an answer.
    AfterCommit,
}

impl World {
    /// Lets a node run on this supply from now on.
    pub fn run_on(&mut self, node: usize, state: PowerState) {
        let status = PowerStatus { state, policy: PowerPolicy::of(state), ..PowerStatus::default() };
        self.ask(node, Command::Power(Box::new(status)));
    }

    fn store(&self, node: usize) -> &Store {
        match &self.nodes[node].mind {
            Mind::Engine(engine) => engine.store(),
            Mind::Off(store) => store,
            Mind::Between | Mind::Mallory(_) => panic!("node {} has a disk", self.nodes[node].name),
        }
    }

    /// Copies a node's disk and key into another machine, as somebody does who clones an SD card. The clone is on.
    pub fn clone_disk(&mut self, node: usize) -> usize {
        let disk = self.store(node).fork_copy().expect("a copy in memory");
        let original = &self.nodes[node];
        let (name, key, device) = (format!("clone of {}", original.name), original.key, original.device.clone());
        let offset = original.wall_offset_ms;
        let clone = self.push_node(&name, key, device, Mind::Off(disk), 1_000);
        self.nodes[clone].wall_offset_ms = offset;
        self.power_on(clone);
        clone
    }

    /// Puts a copy of a node's disk away.
    pub fn backup(&mut self, node: usize) {
        let copy = self.store(node).fork_copy().expect("a copy in memory");
        self.nodes[node].backup = Some((copy, self.now_us));
    }

    /// Puts the copy of [`World::backup`] back in place of the disk; false if there is none. What only the lost disk
    /// held cannot be asked for any more.
    pub fn restore(&mut self, node: usize) -> bool {
        let Some((copy, at_us)) = self.nodes[node].backup.take() else { return false };
        self.power_cut(node);
        let others: Vec<usize> = (0..self.size()).filter(|&other| other != node && self.is_on(other)).collect();
        let acknowledged = std::mem::take(&mut self.acknowledged);
        let kept = acknowledged.into_iter().filter(|item| {
            item.node != node || item.at_us < at_us || others.iter().any(|&other| holds(self, other, &item.outcome))
        });
        let kept = kept.collect();
        self.acknowledged = kept;
        self.nodes[node].mind = Mind::Off(copy);
        self.power_on(node);
        true
    }

    /// Sets a node's wall clock apart from the world's.
    pub fn set_clock(&mut self, node: usize, wall_ms: u64) {
        let world_ms = EPOCH_MS + self.now_us / 1000;
        self.nodes[node].wall_offset_ms = wall_ms as i64 - world_ms as i64;
    }

    /// Switches a node on, from what is on its disk.
    pub fn power_on(&mut self, node: usize) {
        let now = self.now(node);
        let authority_key = public(&self.authority);
        let this = &mut self.nodes[node];
        let store = match std::mem::replace(&mut this.mind, Mind::Between) {
            Mind::Off(store) => store,
            other => return this.mind = other,
        };
        store.fail_commits(false);
        this.boots += 1;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&this.boots.to_le_bytes());
        seed[8..16].copy_from_slice(&(node as u64).to_le_bytes());
        let config = EngineConfig {
            key: SigningKey::from_bytes(&this.key),
            device: this.device.clone(),
            authority_key,
            authority: None,
            seed,
            floor_ms: 0,
            retention: self.retention.clone(),
            blobs: self.blobs,
        };
        let engine = Engine::open(store, config, now).expect("a store that a power cut left opens");
        this.mind = Mind::Engine(Box::new(engine));
        for link in self.links_of(node) {
            self.later(0, Coming::Redial { link });
        }
    }

    /// Cuts a node's power: all in memory is gone, what was committed stays.
    pub fn power_cut(&mut self, node: usize) {
        self.note(format!("power cut at {}", self.nodes[node].name).as_bytes());
        let this = &mut self.nodes[node];
        this.cut = None;
        match std::mem::replace(&mut this.mind, Mind::Between) {
            Mind::Engine(engine) => this.mind = Mind::Off(engine.into_store()),
            other => return this.mind = other,
        }
        for link in self.links_of(node) {
            self.disconnect(link);
        }
    }

    /// Lets a node's power go with its next commit.
    pub fn power_cut_with_commit(&mut self, node: usize, cut: Cut) {
        if self.is_on(node) {
            self.nodes[node].cut = Some(cut);
            self.fail_commits(node, cut == Cut::AtCommit);
        }
    }

    /// Lets a node's next commits fail, as a full or dying disk does.
    pub fn fail_commits(&mut self, node: usize, fail: bool) {
        if let Mind::Engine(engine) = &self.nodes[node].mind {
            engine.store().fail_commits(fail);
        }
    }

    /// Ends all harm to nodes: power is on, disks have room, clocks are right.
    pub fn mend(&mut self) {
        for node in 0..self.size() {
            self.power_on(node);
            self.nodes[node].cut = None;
            self.nodes[node].wall_offset_ms = 0;
            self.fail_commits(node, false);
        }
    }

    /// Changes what a link does to bytes; packets under way are not affected. Both ends measure it again.
    pub fn set_profile(&mut self, link: usize, profile: Profile) {
        self.links[link].profile = profile;
        self.measure_later(link);
    }

    /// Parts the nodes: links between the two groups go down and stay down.
    pub fn part(&mut self, left: &[usize], right: &[usize]) {
        for link in 0..self.links.len() {
            let [a, b] = self.links[link].ends;
            if (left.contains(&a) && right.contains(&b)) || (left.contains(&b) && right.contains(&a)) {
                self.cut(link);
            }
        }
    }

    /// Takes a link down until it is healed.
    pub fn cut(&mut self, link: usize) {
        self.links[link].cut = true;
        self.disconnect(link);
    }

    /// Brings one cut link up again.
    pub fn heal_link(&mut self, link: usize) {
        self.links[link].cut = false;
        self.later(0, Coming::Redial { link });
    }

    /// Brings every cut link up again.
    pub fn heal(&mut self) {
        for link in 0..self.links.len() {
            self.heal_link(link);
        }
    }
}
