//! Local edits: ids and numbers are minted, what is there already is left out, one gesture becomes one change.

use holdfast_domain::alert::may_cancel;
use holdfast_domain::edit::{Edit, EditEffect, Outcome};
use holdfast_domain::entry::Digest;
use holdfast_domain::id::{AlertId, IncidentId, MissionId, TaskId, UnitId};
use holdfast_domain::identity::DeviceCredential;
use holdfast_domain::limits::GESTURE_EDITS_MAX;
use holdfast_domain::record::RecordId;
use holdfast_domain::refusal::Refusal;
use holdfast_domain::track::Fix;
use holdfast_replica::replica::{Context, documents_of};
use holdfast_store::error::StoreError;
use rand_chacha::rand_core::Rng;

use crate::engine::{Core, Step};
use crate::event::EditOptions;

type Outcomes = Vec<Result<Outcome, Refusal>>;

/// An edit made ready, with the place of its outcome; an edit that the engine adds itself has none.
struct Ready {
    place: Option<usize>,
    edit: Edit,
}

impl Core {
    pub(crate) fn gesture(
        &mut self,
        step: &mut Step<'_>,
        edits: Vec<Edit>,
        options: &EditOptions,
    ) -> Result<Result<Outcomes, Refusal>, StoreError> {
        if edits.len() > GESTURE_EDITS_MAX {
            return Ok(Err(Refusal::TooMany { given: edits.len(), max: GESTURE_EDITS_MAX }));
        }
        // The digest is over the request as it came: minted ids differ from one try to the next.
        let request = Digest(*blake3_of(&edits).as_bytes());
        if let Some(key) = &options.idempotency_key
            && let Some((known, outcomes)) = step.store.recalled(key)?
        {
            return Ok(recall(known == request, &outcomes));
        }
        let edits = edits.into_iter().map(|edit| self.assigned(step, edit)).collect::<Result<Vec<_>, _>>()?;
        if let Some(refusal) = one_mission(&edits).or(stale(step, &edits, options)?) {
            return Ok(Err(refusal));
        }
        let mut outcomes: Vec<Option<Result<Outcome, Refusal>>> = vec![None; edits.len()];
        let mut ready = Vec::with_capacity(edits.len());
        for (place, edit) in edits.into_iter().enumerate() {
            match needless(step, &self.config.device, &edit)? {
                Some(outcome) => outcomes[place] = Some(outcome),
                None => prepare(step, place, edit, &mut ready, &mut outcomes)?,
            }
        }
        self.draft(step, ready, &mut outcomes)?;
        let outcomes: Outcomes = outcomes.into_iter().flatten().collect();
        if let Some(key) = &options.idempotency_key
            && let Ok(taken) = outcomes.iter().cloned().collect::<Result<Vec<_>, _>>()
        {
            let text = serde_json::to_string(&taken).expect("outcomes in memory always encode");
            step.txn.remember(key, request, &text)?;
            step.dirty = true;
        }
        Ok(Ok(outcomes))
    }

    fn draft(
        &mut self,
        step: &mut Step<'_>,
        ready: Vec<Ready>,
        outcomes: &mut [Option<Result<Outcome, Refusal>>],
    ) -> Result<(), StoreError> {
        for stream in ready.iter().flat_map(|ready| documents_of(&ready.edit)) {
            self.open_document(step, stream)?;
        }
        let hlc = self.clock.tick(step.now);
        let context = Context { author: self.credential.author(), hlc, from: &self.credential.device.name };
        let reported: Vec<_> = ready.iter().filter_map(reported).collect();
        let (places, edits): (Vec<_>, Vec<_>) = ready.into_iter().map(|ready| (ready.place, ready.edit)).unzip();
        let draft = self.replica.draft(&context, &edits);
        for (place, outcome) in places.into_iter().zip(draft.outcomes) {
            if let Some(place) = place {
                outcomes[place] = Some(outcome);
            }
        }
        for (stream, body) in draft.bodies {
            self.write(step, stream, body);
        }
        if !draft.patches.is_empty() {
            step.dirty = true;
            // Whose word it is that calls an alert off is read from the credential.
            step.txn.put_credential(&self.credential)?;
            step.show(&draft.patches)?;
        }
        for (_, mission, unit, fix) in reported.iter().filter(|(place, ..)| matches!(outcomes[*place], Some(Ok(_)))) {
            self.keep_fix(step, *mission, *unit, fix)?;
        }
        Ok(())
    }

    /// Fills in what the caller left to the node: ids, numbers, the time of a report.
    fn assigned(&mut self, step: &mut Step<'_>, mut edit: Edit) -> Result<Edit, StoreError> {
        let at_ms = step.now.wall_ms;
        match &mut edit {
            Edit::MissionOpen(new) => {
                new.id.get_or_insert_with(|| MissionId::mint(at_ms, self.random()));
            }
            Edit::IncidentOpen(_, new) => {
                new.id.get_or_insert_with(|| IncidentId::mint(at_ms, self.random()));
                new.opened_ms.get_or_insert(at_ms);
                if new.number.is_none() {
                    new.number = Some(self.number(step)?);
                }
            }
            Edit::TaskOpen(_, new) => {
                new.id.get_or_insert_with(|| TaskId::mint(at_ms, self.random()));
                if new.number.is_none() {
                    new.number = Some(self.number(step)?);
                }
            }
            Edit::UnitAdd(_, new) => {
                new.id.get_or_insert_with(|| UnitId::mint(at_ms, self.random()));
            }
            Edit::AlertRaise(_, new) => {
                new.id.get_or_insert_with(|| AlertId::mint(at_ms, self.random()));
            }
            _ => {}
        }
        Ok(edit)
    }

    fn random(&mut self) -> [u8; 10] {
        let mut bytes = [0; 10];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    /// The next number that people say for things made here: unique without asking anybody, since it carries the name
    /// of the device.
    fn number(&mut self, step: &mut Step<'_>) -> Result<String, StoreError> {
        let last = step.store.meta("numbers")?.and_then(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)));
        let next = last.unwrap_or(0) + 1;
        step.txn.put_meta("numbers", &next.to_le_bytes())?;
        step.dirty = true;
        Ok(format!("{}-{next}", self.config.device.name))
    }
}

/// The outcome of what is said to an alert where nothing need be written: it stands already, or may not be.
fn needless(
    step: &Step<'_>,
    me: &DeviceCredential,
    edit: &Edit,
) -> Result<Option<Result<Outcome, Refusal>>, StoreError> {
    let (mission, id) = match edit {
        Edit::AlertRaise(mission, new) => (*mission, new.id),
        Edit::AlertAcknowledge(mission, id, _) | Edit::AlertCancel(mission, id, _) => (*mission, Some(*id)),
        _ => return Ok(None),
    };
    let Some(id) = id else { return Ok(None) };
    let state = step.store.alert_state(mission, id, me.device())?;
    let unchanged = Ok(Outcome { record: RecordId::Alert(id), effect: EditEffect::Unchanged });
    Ok(match (edit, state) {
        (Edit::AlertRaise(..), None) => None,
        (Edit::AlertRaise(..), Some(_)) => Some(unchanged),
        (_, None) => Some(Err(Refusal::NotFound { kind: "alert", id: id.to_string() })),
        (Edit::AlertAcknowledge(..), Some(state)) => state.acknowledged.then_some(unchanged),
        (_, Some(state)) if state.cancelled => Some(unchanged),
        (_, Some(state)) if may_cancel(state.raised_by, me.device(), me.role) => None,
        _ => Some(Err(Refusal::MayNot {
            what: "an alert is called off by the device that raised it, or by a command post; ask them",
        })),
    })
}

/// A position that somebody reports here. One that the engine adds is already among the fixes of its track.
fn reported(ready: &Ready) -> Option<(usize, MissionId, UnitId, Fix)> {
    match ready.edit {
        Edit::PositionReport(mission, unit, fix) => Some((ready.place?, mission, unit, fix)),
        _ => None,
    }
}

/// Leaves fixes out that the track has already, and lets the newest fix become the unit's position.
fn prepare(
    step: &Step<'_>,
    place: usize,
    edit: Edit,
    ready: &mut Vec<Ready>,
    outcomes: &mut [Option<Result<Outcome, Refusal>>],
) -> Result<(), StoreError> {
    let Edit::TrackAppend(mission, unit, mut new) = edit else {
        ready.push(Ready { place: Some(place), edit });
        return Ok(());
    };
    if let Err(refusal) = new.check() {
        outcomes[place] = Some(Err(refusal));
        return Ok(());
    }
    let times: Vec<u64> = new.fixes.iter().map(|fix| fix.at_ms).collect();
    let there = step.store.fix_times(unit, &times)?;
    new.fixes.retain(|fix| !there.contains(&fix.at_ms));
    let Some(newest) = new.fixes.iter().max_by_key(|fix| fix.at_ms).copied() else {
        outcomes[place] = Some(Ok(Outcome { record: RecordId::Unit(unit), effect: EditEffect::Unchanged }));
        return Ok(());
    };
    let present = step.store.unit_position(unit)?;
    ready.push(Ready { place: Some(place), edit: Edit::TrackAppend(mission, unit, new) });
    if present.is_none_or(|present| present.fix.at_ms < newest.at_ms) {
        ready.push(Ready { place: None, edit: Edit::PositionReport(mission, unit, newest) });
    }
    Ok(())
}

fn blake3_of(edits: &[Edit]) -> blake3::Hash {
    blake3::hash(&serde_json::to_vec(edits).expect("edits in memory always encode"))
}

fn recall(same: bool, outcomes: &str) -> Result<Outcomes, Refusal> {
    if !same {
        return Err(Refusal::KeyReused);
    }
    let outcomes: Vec<Outcome> = serde_json::from_str(outcomes).map_err(|_| Refusal::KeyReused)?;
    Ok(outcomes.into_iter().map(Ok).collect())
}

fn one_mission(edits: &[Edit]) -> Option<Refusal> {
    let mut missions = edits.iter().map(Edit::mission);
    let first = missions.next()?;
    missions.any(|mission| mission != first).then(|| Refusal::Invalid {
        field: "mission",
        fault: "differs between the edits of one request; send one request for each mission".to_owned(),
    })
}

fn stale(step: &Step<'_>, edits: &[Edit], options: &EditOptions) -> Result<Option<Refusal>, StoreError> {
    let (Some(expected), [edit]) = (options.expect_rev, edits) else { return Ok(None) };
    let Some(record) = edit.record() else { return Ok(None) };
    let actual = step.store.record_rev(record)?;
    Ok(actual.filter(|&actual| actual != expected).map(|actual| Refusal::Stale { record, expected, actual }))
}
