//! What must be true once the harm is over: all agree, and nothing acknowledged is missing.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::clock::Now;
use holdfast_domain::edit::Outcome;
use holdfast_domain::frame::Bye;
use holdfast_domain::frontier::{Fingerprint, Frontier, ScopeFrontier};
use holdfast_domain::identity::AuthorId;
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::{Scope, StreamId};
use holdfast_driver::effect::{Effect, Notice, Reply};
use holdfast_driver::event::{Command, Event, Ticket};

use crate::world::World;

/// What an entry of a story takes on a link at most, on average, bytes.
const ENTRY_BYTES: u64 = 300;
/// For ticks, redialling and backing off, milliseconds.
const SETTLE_MS: u64 = 30_000;

/// Lets time pass until these nodes hold the same, at most `bound_ms`. Returns how long it took, or says who differs.
pub fn converge(world: &mut World, nodes: &[usize], bound_ms: u64) -> Result<u64, String> {
    let start = world.now_ms();
    loop {
        match differing(world, nodes) {
            None => return Ok(world.now_ms() - start),
            Some(difference) if world.now_ms() - start >= bound_ms => return Err(difference),
            Some(_) => world.run_for_ms(100),
        }
    }
}

/// How long these nodes may need to agree once all is healed, milliseconds, from what they hold and what their links
/// carry: each hop carries everything once at a quarter of its rate, and has forty round trips for what is lost,
/// resent and asked for.
pub fn bound_ms(world: &World, nodes: &[usize]) -> u64 {
    let entries = nodes.iter().map(|&node| world.engine(node).status(world.now(node)).expect("a status").entries);
    let bytes = entries.max().unwrap_or(0) * ENTRY_BYTES;
    let hop = |link: usize| {
        let profile = world.profile(link);
        bytes * 32_000 / profile.rate_bps[0].min(profile.rate_bps[1]).max(1) + profile.rtt_us() / 25
    };
    let slowest = (0..world.links()).map(hop).max().unwrap_or(0);
    SETTLE_MS + slowest * nodes.len() as u64
}

/// The content of what is held, scope by scope.
fn content(frontier: &Frontier) -> BTreeMap<Scope, Fingerprint> {
    frontier.scopes().map(|(scope, held)| (scope, held.content())).collect()
}

/// The first difference between frontiers, if any. What devices say of what they hold is never at rest for long, and
/// passes on links only.
fn differing(world: &World, nodes: &[usize]) -> Option<String> {
    let first = world.engine(nodes[0]).frontier();
    nodes[1..].iter().find_map(|&node| {
        let other = world.engine(node).frontier();
        (content(first) != content(other)).then(|| {
            let (lacks, is_ahead) = (gaps(first, other), gaps(other, first));
            format!("node {node} lacks {lacks:?} of node {}, which lacks {is_ahead:?}", nodes[0])
        })
    })
}

/// What `behind` lacks of `ahead`: stream, author, number there, number here.
fn gaps(ahead: &Frontier, behind: &Frontier) -> Vec<String> {
    let mut gaps = Vec::new();
    for (scope, heads) in ahead.scopes() {
        for (kind, author, head) in heads.heads() {
            let stream = StreamId::new(scope, kind);
            let here = behind.seq(stream, author);
            if here < head.seq {
                gaps.push(format!("{stream} of {author} from {here} to {}", head.seq));
            }
        }
    }
    gaps
}

/// Demands that these nodes agree in entries, documents and views, that views rebuilt equal views kept, and that
/// everything acknowledged is there.
pub fn demand_agreement(world: &mut World, nodes: &[usize], bound_ms: u64) -> u64 {
    let took = converge(world, nodes, bound_ms).unwrap_or_else(|difference| panic!("no convergence: {difference}"));
    let scopes: BTreeSet<_> = world.engine(nodes[0]).frontier().scopes().map(|(scope, _)| scope).collect();
    for &node in nodes {
        assert_eq!(world.engine(node).held(), 0, "node {node} still waits for predecessors");
        let (views, reference) = (world.engine(node).store(), world.engine(nodes[0]).store());
        for &scope in &scopes {
            assert_eq!(
                views.scope_summary(scope).expect("views"),
                reference.scope_summary(scope).expect("views"),
                "nodes {node} and {} show different things of {scope}",
                nodes[0]
            );
        }
    }
    demand_acknowledged(world, nodes);
    for &node in nodes {
        demand_health(world, node);
    }
    took
}

/// Demands that a node in bad hands was found guilty of one of these deeds by somebody, and that each time it was counted
/// once, told of once, and nobody else was blamed; that nothing of its own hand is held; and that nothing was put aside.
pub fn demand_guilt(world: &World, nodes: &[usize], guilty: usize, reasons: &[Bye]) {
    let culprit = world.device(guilty).device();
    let mut found = 0;
    for &node in nodes {
        let refused = |(of, notice): &(usize, Notice)| match notice {
            Notice::PeerRefused { device, reason } if *of == node => Some((*device, *reason)),
            _ => None,
        };
        let told: Vec<_> = world.told().iter().filter_map(refused).collect();
        assert!(told.iter().all(|(device, reason)| *device == Some(culprit) && reasons.contains(reason)), "{told:?}");
        let counters = world.counters(node);
        for reason in [Bye::OtherOrg, Bye::BadCredential, Bye::BadFrame, Bye::BadSignature] {
            let times = told.iter().filter(|(_, of)| *of == reason).count() as u64;
            let counted = counters.get(reason.as_str()).copied().unwrap_or(0);
            assert_eq!(counted, times, "node {node} counts and tells differently of {reason:?}");
        }
        found += told.len();
        demand_untouched(world, node, guilty);
    }
    assert!(found > 0, "none of {reasons:?} was told: {:?}", world.told());
}

/// Demands that a node holds nothing of the hand of another, and put nothing aside.
pub fn demand_untouched(world: &World, node: usize, other: usize) {
    let author = AuthorId::of(&world.device(other).key, 0);
    let engine = world.engine(node);
    let by_other =
        |(scope, heads): (Scope, &ScopeFrontier)| heads.heads().any(|(_, of, _)| of == author).then_some(scope);
    let scopes: Vec<Scope> = engine.frontier().scopes().filter_map(by_other).collect();
    assert!(scopes.is_empty(), "node {node} took in what node {other} wrote in {scopes:?}");
    let aside = engine.store().quarantined().expect("a store");
    assert!(aside.is_empty(), "node {node} put something aside: {aside:?}");
}

/// Whether a node shows the record of an acknowledged edit.
pub fn holds(world: &World, node: usize, outcome: &Outcome) -> bool {
    let views = world.engine(node).store().reader().expect("a reader");
    match outcome.record {
        RecordId::Mission(id) => views.mission_by_id(id).expect("views").is_some(),
        RecordId::Incident(id) => views.incident_by_id(id).expect("views").is_some(),
        RecordId::Task(id) => views.task_by_id(id).expect("views").is_some(),
        RecordId::Unit(id) => views.unit_by_id(id).expect("views").is_some(),
        RecordId::Message(id) => views.message_by_id(id).expect("views").is_some(),
        RecordId::Alert(id) => {
            let mut scopes = world.engine(node).frontier().scopes();
            scopes.any(|(scope, _)| views.alert_by_id(scope.mission(), id).expect("views").is_some())
        }
    }
}

fn demand_acknowledged(world: &World, nodes: &[usize]) {
    let records: BTreeMap<String, &Outcome> =
        world.acknowledged.iter().map(|item| (item.outcome.record.to_string(), &item.outcome)).collect();
    for &node in nodes {
        for (record, outcome) in &records {
            assert!(holds(world, node, outcome), "{record} was acknowledged and is missing on node {node}");
        }
    }
}

/// Runs the doctor on a node and demands that it finds nothing.
pub fn demand_health(world: &mut World, node: usize) {
    let now = Now { mono_us: world.now_ms() * 1000, wall_ms: crate::world::EPOCH_MS + world.now_ms() };
    let effects = world.engine_mut(node).step(now, vec![Event::Command(Ticket(0), Command::Doctor)]);
    let report = effects
        .into_iter()
        .find_map(|effect| if let Effect::Reply(_, Reply::Examined(report)) = effect { Some(report) } else { None });
    let report = report.expect("the doctor answers").expect("the doctor reads");
    assert!(report.faults.is_empty(), "node {node}: {:?}", report.faults);
}
