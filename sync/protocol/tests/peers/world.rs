//! The world: nodes, links between them, and a seed that decides what is delivered next.

use std::collections::{BTreeMap, VecDeque};

use holdfast_domain::frame::LinkId;
use holdfast_domain::scope::Class;
use holdfast_protocol::protocol::Input;

use crate::node::{Node, Outward};
use crate::org;

/// A small generator (splitmix64), so that a seed repeats a run exactly.
#[derive(Debug, Clone)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Rising,
    Up,
    Falling,
    Down,
}

/// A link between two nodes; side 0 dialled. Frames of one class keep order, classes overtake each other.
struct Wire {
    nodes: [usize; 2],
    ends: [End; 2],
    queues: BTreeMap<(usize, Class), VecDeque<Vec<u8>>>,
    sent: [usize; 2],
}

pub(crate) struct World {
    pub(crate) nodes: Vec<Node>,
    wires: Vec<Wire>,
    dice: Dice,
    /// Every frame ever sent, with who sent it to whom.
    pub(crate) trace: Vec<(usize, usize, Class, Vec<u8>)>,
    /// Frames lost at cuts are lost; those of these classes are held back until the hold is lifted.
    pub(crate) hold: Option<Class>,
}

#[derive(Debug, Clone, Copy)]
enum Move {
    Rise(usize, usize),
    Fall(usize, usize),
    Deliver(usize, usize, Class),
}

impl World {
    /// Nodes numbered from 1.
    pub(crate) fn new(count: u8, seed: u64) -> Self {
        Self {
            nodes: (1..=count).map(Node::new).collect(),
            wires: Vec::new(),
            dice: Dice::new(seed),
            trace: Vec::new(),
            hold: None,
        }
    }

    /// `a` dials `b`.
    pub(crate) fn dial(&mut self, a: usize, b: usize) -> usize {
        let queues = BTreeMap::new();
        self.wires.push(Wire { nodes: [a, b], ends: [End::Rising; 2], queues, sent: [0; 2] });
        self.wires.len() - 1
    }

    pub(crate) fn cut(&mut self, wire: usize) {
        self.wires[wire].queues.clear();
        for end in &mut self.wires[wire].ends {
            *end = match *end {
                End::Rising | End::Down => End::Down,
                End::Up | End::Falling => End::Falling,
            };
        }
    }

    pub(crate) fn cut_all(&mut self) {
        (0..self.wires.len()).for_each(|wire| self.cut(wire));
        self.run();
    }

    /// Puts a node in place of another, as a restart does; its links are gone.
    pub(crate) fn replace(&mut self, index: usize, node: Node) {
        self.cut_all();
        self.nodes[index] = node;
    }

    pub(crate) fn write(&mut self, node: usize, stream: holdfast_domain::scope::StreamId, bodies: &[&str]) {
        let outward = self.nodes[node].write(stream, bodies, false);
        self.carry(node, outward);
    }

    pub(crate) fn say(&mut self, node: usize, input: Input) {
        let outward = self.nodes[node].say(input);
        self.carry(node, outward);
    }

    /// Delivers until nothing is on its way and time alone brings nothing new.
    pub(crate) fn run(&mut self) {
        let (mut steps, mut quiet) = (0, 0);
        while quiet < 6 {
            let said = self.trace.len();
            while self.step() {
                steps += 1;
                assert!(steps < 200_000, "the world never comes to rest");
            }
            self.tick();
            quiet = if self.trace.len() > said { 0 } else { quiet + 1 };
        }
    }

    /// Lets a second pass for everybody.
    pub(crate) fn tick(&mut self) {
        for node in 0..self.nodes.len() {
            self.nodes[node].now.mono_us += 1_000_000;
            self.say(node, Input::Tick);
        }
    }

    /// Delivers so many things, or as many as are on their way.
    pub(crate) fn steps(&mut self, count: usize) {
        for _ in 0..count {
            self.step();
        }
    }

    /// Delivers one thing; false if nothing is on its way.
    pub(crate) fn step(&mut self) -> bool {
        let moves = self.moves();
        if moves.is_empty() {
            return false;
        }
        match moves[self.dice.roll(moves.len())] {
            Move::Rise(wire, side) => {
                self.wires[wire].ends[side] = End::Up;
                let (node, peer) = (self.wires[wire].nodes[side], self.wires[wire].nodes[1 - side]);
                let device = org::device(self.nodes[peer].number);
                self.say(node, Input::Up { link: link_id(wire, side), device, outgoing: side == 0 });
            }
            Move::Fall(wire, side) => {
                self.wires[wire].ends[side] = End::Down;
                self.wires[wire].queues.clear();
                self.say(
                    self.wires[wire].nodes[side],
                    Input::Down { link: link_id(wire, side), silent_us: 0, partials: Vec::new() },
                );
            }
            Move::Deliver(wire, side, class) => {
                let frame = self.wires[wire].queues.get_mut(&(side, class)).and_then(VecDeque::pop_front);
                let Some(bytes) = frame else { return true };
                self.say(self.wires[wire].nodes[side], Input::Frame { link: link_id(wire, side), bytes });
            }
        }
        true
    }

    fn moves(&self) -> Vec<Move> {
        let mut moves = Vec::new();
        for (index, wire) in self.wires.iter().enumerate() {
            for side in 0..2 {
                match wire.ends[side] {
                    End::Rising => moves.push(Move::Rise(index, side)),
                    End::Falling => moves.push(Move::Fall(index, side)),
                    End::Up | End::Down => {}
                }
            }
            let waiting = wire.queues.iter().filter(|((side, class), queue)| {
                wire.ends[*side] == End::Up && !queue.is_empty() && Some(*class) != self.hold
            });
            moves.extend(waiting.map(|(&(side, class), _)| Move::Deliver(index, side, class)));
        }
        moves
    }

    fn carry(&mut self, node: usize, outward: Vec<Outward>) {
        for effect in outward {
            let (Outward::Send(link, ..) | Outward::Close(link)) = &effect;
            // Links of puppets are none of the world's.
            if wire_of(*link).0 >= self.wires.len() {
                continue;
            }
            match effect {
                Outward::Send(link, class, bytes) => {
                    let (wire, side) = wire_of(link);
                    self.trace.push((node, self.wires[wire].nodes[1 - side], class, bytes.clone()));
                    self.wires[wire].sent[side] += bytes.len();
                    let gone = matches!(self.wires[wire].ends[1 - side], End::Falling | End::Down);
                    if !gone {
                        self.wires[wire].queues.entry((1 - side, class)).or_default().push_back(bytes);
                    }
                }
                Outward::Close(link) => {
                    let (wire, side) = wire_of(link);
                    let wire = &mut self.wires[wire];
                    wire.queues.retain(|(to, _), _| *to != side);
                    for end in 0..2 {
                        if wire.ends[end] == End::Up {
                            wire.ends[end] = End::Falling;
                        }
                    }
                    // A connection that one end ends while the other has not seen it rise never rises there.
                    if wire.ends[1 - side] == End::Rising {
                        wire.ends[1 - side] = End::Down;
                    }
                }
            }
        }
    }

    /// Bytes that each end of a link has sent.
    pub(crate) fn sent(&self, wire: usize) -> [usize; 2] {
        self.wires[wire].sent
    }

    /// Links that are up at both ends.
    pub(crate) fn wires_up(&self) -> usize {
        self.wires.iter().filter(|wire| wire.ends == [End::Up; 2]).count()
    }

    pub(crate) fn assert_converged(&self) {
        let first = &self.nodes[0];
        for node in &self.nodes[1..] {
            assert_eq!(first.protocol.frontier(), node.protocol.frontier(), "node {}", node.number);
            assert_eq!(first.store.heads, node.store.heads, "node {}", node.number);
            assert_eq!(first.store.registers, node.store.registers, "node {}", node.number);
            for (chain, entries) in &first.store.chains {
                let theirs = &node.store.chains[chain];
                let same = entries.iter().zip(theirs).all(|(a, b)| (a.key, &a.body) == (b.key, &b.body));
                assert!(same && entries.len() == theirs.len(), "node {} differs in {chain:?}", node.number);
            }
        }
    }
}

pub(crate) fn link_id(wire: usize, side: usize) -> LinkId {
    LinkId((wire * 2 + side) as u64)
}

fn wire_of(link: LinkId) -> (usize, usize) {
    (link.0 as usize / 2, link.0 as usize % 2)
}
