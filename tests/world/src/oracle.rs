//! What must be true once the harm is over: all agree, and nothing acknowledged is missing.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_domain::clock::Now;
use holdfast_domain::frontier::{Fingerprint, Frontier};
use holdfast_domain::record::RecordId;
use holdfast_domain::scope::Scope;
use holdfast_driver::effect::{Effect, Reply};
use holdfast_driver::event::{Command, Event, Ticket};

use crate::world::World;

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
            let (ahead, behind) = (first.lead_over(other), other.lead_over(first));
            format!("node {node} lacks {ahead:?} of node {}, which lacks {behind:?}", nodes[0])
        })
    })
}

/// Demands that these nodes agree in entries, documents and views, that views rebuilt equal views kept, and that
/// everything acknowledged is there.
pub fn demand_agreement(world: &mut World, nodes: &[usize], bound_ms: u64) -> u64 {
    let took = converge(world, nodes, bound_ms).unwrap_or_else(|difference| panic!("no convergence: {difference}"));
    let scopes: BTreeSet<_> = world.engine(nodes[0]).frontier().scopes().map(|(scope, _)| scope).collect();
    for &node in nodes {
        assert_eq!(world.engine(node).held(), 0, "node {node} still waits for predecessors");
        let views = world.engine(node).store().reader().expect("a reader");
        let reference = world.engine(nodes[0]).store().reader().expect("a reader");
        for &scope in &scopes {
            assert_eq!(
                views.scope_digest(scope).expect("views"),
                reference.scope_digest(scope).expect("views"),
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

fn demand_acknowledged(world: &World, nodes: &[usize]) {
    for &node in nodes {
        let views = world.engine(node).store().reader().expect("a reader");
        for outcome in &world.acknowledged {
            let there = match outcome.record {
                RecordId::Mission(id) => views.mission_by_id(id).expect("views").is_some(),
                RecordId::Incident(id) => views.incident_by_id(id).expect("views").is_some(),
                RecordId::Task(id) => views.task_by_id(id).expect("views").is_some(),
                RecordId::Unit(id) => views.unit_by_id(id).expect("views").is_some(),
                RecordId::Message(id) => views.message_by_id(id).expect("views").is_some(),
                RecordId::Alert(id) => {
                    let mut scopes = world.engine(node).frontier().scopes();
                    scopes.any(|(scope, _)| views.alert_by_id(scope.mission(), id).expect("views").is_some())
                }
            };
            assert!(there, "{} was acknowledged and is missing on node {node}", outcome.record);
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
