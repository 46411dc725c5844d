//! The rules of edits: what each needs to find, and what it then writes.

use automerge::ScalarValue;
use holdfast_domain::alert::AlertNew;
use holdfast_domain::edit::{Edit, EditEffect, Outcome, Resolution};
use holdfast_domain::feed::{self, AlertBody, MessageBody, RegisterBody};
use holdfast_domain::field::{Change, Deletion};
use holdfast_domain::id::{AlertId, IncidentId, MissionId, TaskId, UnitId};
use holdfast_domain::incident::{IncidentChange, IncidentNew, IncidentStatus};
use holdfast_domain::message::MessageNew;
use holdfast_domain::mission::{MissionChange, MissionNew, MissionStatus};
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::refusal::Refusal;
use holdfast_domain::scope::{Scope, StreamId, StreamKind};
use holdfast_domain::task::{TaskChange, TaskNew, TaskStatus};
use holdfast_domain::track::{Fix, TrackNew, UnitPosition};
use holdfast_domain::unit::{UnitChange, UnitNew, UnitStatus};

use crate::conflict;
use crate::feed::{self as rows, in_order};
use crate::gesture::{Gesture, Plan};
use crate::layout::{self, ASSIGNEE, DELETED, STATUS, Table};
use crate::replica::Context;
use crate::segment;
use crate::value;

/// What an edit adds to a feed, with its row.
pub(crate) struct Said {
    pub(crate) stream: StreamId,
    pub(crate) body: Vec<u8>,
    pub(crate) patch: Patch,
}

type Fields = Vec<(&'static str, ScalarValue)>;

/// Checks an edit and plans what it writes. A refused edit plans nothing.
pub(crate) fn draft(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    edit: &Edit,
    said: &mut Vec<Said>,
) -> Result<Outcome, Refusal> {
    edit.check()?;
    match edit {
        Edit::MissionOpen(new) => mission_open(gesture, context, new),
        Edit::MissionChange(mission, change) => mission_change(gesture, *mission, change),
        Edit::IncidentOpen(mission, new) => incident_open(gesture, context, *mission, new),
        Edit::IncidentChange(mission, id, change) => incident_change(gesture, *mission, *id, change),
        Edit::TaskOpen(mission, new) => task_open(gesture, context, *mission, new),
        Edit::TaskChange(mission, id, change) => task_change(gesture, *mission, *id, change),
        Edit::UnitAdd(mission, new) => unit_add(gesture, *mission, new),
        Edit::UnitChange(mission, id, change) => unit_change(gesture, *mission, *id, change),
        Edit::Delete(mission, record) => delete(gesture, context, *mission, *record),
        Edit::Restore(mission, record) => restore(gesture, *mission, *record),
        Edit::ConflictResolve(mission, record, resolution) => resolve(gesture, context, *mission, *record, resolution),
        Edit::MessageSend(mission, new) => message_send(gesture, context, *mission, new, said),
        Edit::PositionReport(mission, unit, fix) => position_report(gesture, context, *mission, *unit, *fix, said),
        Edit::TrackAppend(mission, unit, new) => track_append(gesture, context, *mission, *unit, new, said),
        Edit::AlertRaise(mission, new) => alert_raise(gesture, context, *mission, new, said),
        Edit::AlertAcknowledge(mission, alert, ack) => {
            let (at, from, note) = (context.hlc, context.from.to_owned(), ack.note.clone());
            let body = AlertBody::AcknowledgedV1 { alert: *alert, at, from, note };
            Ok(alert_say(context, *mission, *alert, body, said))
        }
        Edit::AlertCancel(mission, alert, cancel) => {
            let (at, from, reason) = (context.hlc, context.from.to_owned(), cancel.reason.clone());
            let body = AlertBody::CancelledV1 { alert: *alert, at, from, reason };
            Ok(alert_say(context, *mission, *alert, body, said))
        }
    }
}

fn mission_open(gesture: &mut Gesture<'_>, context: &Context<'_>, new: &MissionNew) -> Result<Outcome, Refusal> {
    let id = given("id", new.id)?;
    let fields = || {
        vec![
            ("name", value::from_text(&new.name)),
            (STATUS, value::from_text(MissionStatus::Active.as_str())),
            ("objective", value::from_text(&new.objective)),
            ("operational_period", ScalarValue::Uint(1)),
            ("opened_ms", ScalarValue::Uint(context.hlc.ms())),
        ]
    };
    create(gesture, id, RecordId::Mission(id), fields)
}

fn mission_change(gesture: &mut Gesture<'_>, mission: MissionId, change: &MissionChange) -> Result<Outcome, Refusal> {
    let id = RecordId::Mission(mission);
    let plan = gesture.live(mission, id)?;
    let from = layout::mission_status(plan.shown(STATUS));
    let more = change.name.is_some() || !change.objective.is_keep() || change.operational_period.is_some();
    if from == MissionStatus::Closed && more && change.status.is_none_or(|to| to == MissionStatus::Closed) {
        return Err(Refusal::MissionClosed { id: mission.to_string() });
    }
    change.status.map_or(Ok(()), |to| from.step(to))?;
    let mut fields = Fields::new();
    fields.extend(change.name.as_ref().map(|name| ("name", value::from_text(name))));
    fields.extend(change.status.map(|status| (STATUS, value::from_text(status.as_str()))));
    fields.extend(text("objective", &change.objective));
    let period = change.operational_period;
    fields.extend(period.map(|period| ("operational_period", ScalarValue::Uint(u64::from(period)))));
    Ok(set_all(plan, id, fields))
}

fn incident_open(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    mission: MissionId,
    new: &IncidentNew,
) -> Result<Outcome, Refusal> {
    let id = given("id", new.id)?;
    let number = given("number", new.number.as_ref())?;
    gesture.mission_open(mission)?;
    let fields = || {
        vec![
            ("number", value::from_text(number)),
            ("kind", value::from_text(&new.kind)),
            ("priority", ScalarValue::Uint(u64::from(new.priority))),
            (STATUS, value::from_text(new.status.unwrap_or(IncidentStatus::Reported).as_str())),
            ("address", value::from_text(&new.address)),
            ("area", value::from_text(&new.area)),
            ("position", value::from_position(new.position)),
            ("notes", value::from_text(&new.notes)),
            ("opened_ms", ScalarValue::Uint(new.opened_ms.unwrap_or(context.hlc.ms()))),
        ]
    };
    create(gesture, mission, RecordId::Incident(id), fields)
}

fn incident_change(
    gesture: &mut Gesture<'_>,
    mission: MissionId,
    incident: IncidentId,
    change: &IncidentChange,
) -> Result<Outcome, Refusal> {
    gesture.mission_open(mission)?;
    let id = RecordId::Incident(incident);
    let plan = gesture.live(mission, id)?;
    let from = layout::incident_status(plan.shown(STATUS));
    change.status.map_or(Ok(()), |to| from.step(to))?;
    let mut fields = Fields::new();
    fields.extend(change.kind.as_ref().map(|kind| ("kind", value::from_text(kind))));
    fields.extend(change.priority.map(|priority| ("priority", ScalarValue::Uint(u64::from(priority)))));
    fields.extend(change.status.map(|status| (STATUS, value::from_text(status.as_str()))));
    fields.extend(text("address", &change.address));
    fields.extend(text("area", &change.area));
    fields.extend(optional("position", &change.position, |position| value::from_position(position.copied())));
    fields.extend(text("notes", &change.notes));
    Ok(set_all(plan, id, fields))
}

fn task_open(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    mission: MissionId,
    new: &TaskNew,
) -> Result<Outcome, Refusal> {
    let id = given("id", new.id)?;
    let number = given("number", new.number.as_ref())?;
    gesture.mission_open(mission)?;
    if !gesture.look(mission, RecordId::Task(id))?.exists() {
        refers(gesture, mission, new.incident, new.assignee)?;
    }
    let fields = || {
        vec![
            ("number", value::from_text(number)),
            ("title", value::from_text(&new.title)),
            ("details", value::from_text(&new.details)),
            ("priority", ScalarValue::Uint(u64::from(new.priority))),
            (STATUS, value::from_text(TaskStatus::Open.as_str())),
            (ASSIGNEE, value::from_id(new.assignee.as_ref().map(UnitId::as_bytes))),
            ("incident", value::from_id(new.incident.as_ref().map(IncidentId::as_bytes))),
            ("due_ms", value::from_time(new.due_ms)),
            ("created_ms", ScalarValue::Uint(context.hlc.ms())),
        ]
    };
    create(gesture, mission, RecordId::Task(id), fields)
}

fn task_change(
    gesture: &mut Gesture<'_>,
    mission: MissionId,
    task: TaskId,
    change: &TaskChange,
) -> Result<Outcome, Refusal> {
    gesture.mission_open(mission)?;
    let id = RecordId::Task(task);
    let plan = gesture.live(mission, id)?;
    let from = layout::task_status(plan.shown(STATUS));
    change.status.map_or(Ok(()), |to| from.step(to))?;
    refers(gesture, mission, change.incident.value().copied(), change.assignee.value().copied())?;
    let mut fields = Fields::new();
    fields.extend(change.title.as_ref().map(|title| ("title", value::from_text(title))));
    fields.extend(text("details", &change.details));
    fields.extend(change.priority.map(|priority| ("priority", ScalarValue::Uint(u64::from(priority)))));
    fields.extend(change.status.map(|status| (STATUS, value::from_text(status.as_str()))));
    fields.extend(optional(ASSIGNEE, &change.assignee, |unit| value::from_id(unit.map(UnitId::as_bytes))));
    fields.extend(optional("incident", &change.incident, |id| value::from_id(id.map(IncidentId::as_bytes))));
    fields.extend(optional("due_ms", &change.due_ms, |ms| value::from_time(ms.copied())));
    Ok(set_all(gesture.live(mission, id)?, id, fields))
}

fn unit_add(gesture: &mut Gesture<'_>, mission: MissionId, new: &UnitNew) -> Result<Outcome, Refusal> {
    let id = given("id", new.id)?;
    gesture.mission_open(mission)?;
    let fields = || {
        vec![
            ("callsign", value::from_text(&new.callsign)),
            ("kind", value::from_text(&new.kind)),
            ("home", value::from_text(&new.home)),
            (STATUS, value::from_text(UnitStatus::Available.as_str())),
        ]
    };
    create(gesture, mission, RecordId::Unit(id), fields)
}

fn unit_change(
    gesture: &mut Gesture<'_>,
    mission: MissionId,
    unit: UnitId,
    change: &UnitChange,
) -> Result<Outcome, Refusal> {
    gesture.mission_open(mission)?;
    let id = RecordId::Unit(unit);
    let plan = gesture.live(mission, id)?;
    let from = layout::unit_status(plan.shown(STATUS));
    change.status.map_or(Ok(()), |to| from.step(to))?;
    refers(gesture, mission, change.incident.value().copied(), None)?;
    let mut fields = Fields::new();
    fields.extend(change.callsign.as_ref().map(|callsign| ("callsign", value::from_text(callsign))));
    fields.extend(text("kind", &change.kind));
    fields.extend(text("home", &change.home));
    fields.extend(change.status.map(|status| (STATUS, value::from_text(status.as_str()))));
    fields.extend(optional("incident", &change.incident, |id| value::from_id(id.map(IncidentId::as_bytes))));
    Ok(set_all(gesture.live(mission, id)?, id, fields))
}

fn delete(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    mission: MissionId,
    id: RecordId,
) -> Result<Outcome, Refusal> {
    let plan = at_hand(gesture, mission, id)?;
    let deletion = Deletion { at_ms: context.hlc.ms(), basis: plan.basis() };
    Ok(set_all(plan, id, vec![(DELETED, value::from_deletion(Some(&deletion)))]))
}

fn restore(gesture: &mut Gesture<'_>, mission: MissionId, id: RecordId) -> Result<Outcome, Refusal> {
    let plan = at_hand(gesture, mission, id)?;
    Ok(set_all(plan, id, vec![(DELETED, value::from_deletion(None))]))
}

fn resolve(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    mission: MissionId,
    id: RecordId,
    resolution: &Resolution,
) -> Result<Outcome, Refusal> {
    let none = || Refusal::NoConflict { record: id, field: resolution.field.clone() };
    at_hand(gesture, mission, id)?;
    let document = gesture.document(mission, id).ok_or_else(none)?;
    let field = Table::of_record(id).and_then(|table| table.field(&resolution.field)).ok_or_else(none)?;
    if field.0 != DELETED {
        gesture.live(mission, id)?;
    }
    let plan = gesture.there(mission, id)?;
    let base = plan.base().filter(|_| plan.is_at_odds(field)).ok_or_else(none)?;
    let value = if field.0 == DELETED {
        let deleted = conflict::chosen_deletion(&document.doc, mission, base, &resolution.choice).ok_or_else(none)?;
        let deletion = deleted.then(|| Deletion { at_ms: context.hlc.ms(), basis: plan.basis() });
        value::from_deletion(deletion.as_ref())
    } else {
        conflict::chosen(&document.doc, base, field, &resolution.choice).ok_or_else(none)?.value
    };
    Ok(set_all(plan, id, vec![(field.0, value)]))
}

fn message_send(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    mission: MissionId,
    new: &MessageNew,
    said: &mut Vec<Said>,
) -> Result<Outcome, Refusal> {
    gesture.mission_open(mission)?;
    let (sent, channel, from, text) = (context.hlc, new.channel, context.from.to_owned(), new.text.clone());
    let body = match new.id {
        Some(id) => MessageBody::V1 { id, sent, channel, from, text },
        // What else was said at this time has other places.
        None => MessageBody::V2 { sent, place: said.len() as u32, channel, from, text },
    };
    let bytes = feed::encode(&body);
    let message = body.message(mission, context.author);
    let outcome = Outcome { record: RecordId::Message(message.id), effect: EditEffect::Created };
    say(said, mission, StreamKind::Message, bytes, Patch::Message(message));
    Ok(outcome)
}

fn position_report(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    mission: MissionId,
    unit: UnitId,
    fix: Fix,
    said: &mut Vec<Said>,
) -> Result<Outcome, Refusal> {
    gesture.mission_open(mission)?;
    gesture.live(mission, RecordId::Unit(unit))?;
    let body = RegisterBody::PositionV1 { reported: context.hlc, unit, fix };
    let position = UnitPosition { unit, mission, fix, author: context.author, reported: context.hlc };
    say(said, mission, StreamKind::Latest, feed::encode(&body), Patch::Position(position));
    Ok(Outcome { record: RecordId::Unit(unit), effect: EditEffect::Changed })
}

fn track_append(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    mission: MissionId,
    unit: UnitId,
    new: &TrackNew,
    said: &mut Vec<Said>,
) -> Result<Outcome, Refusal> {
    gesture.mission_open(mission)?;
    gesture.live(mission, RecordId::Unit(unit))?;
    let fixes = in_order(new.fixes.clone());
    let body = segment::body(context.hlc, unit, &new.source, &fixes);
    say(said, mission, StreamKind::Track, feed::encode(&body), Patch::Fixes { mission, unit, fixes });
    Ok(Outcome { record: RecordId::Unit(unit), effect: EditEffect::Changed })
}

fn alert_raise(
    gesture: &mut Gesture<'_>,
    context: &Context<'_>,
    mission: Option<MissionId>,
    new: &AlertNew,
    said: &mut Vec<Said>,
) -> Result<Outcome, Refusal> {
    let id = given("id", new.id)?;
    mission.map_or(Ok(()), |mission| gesture.mission_open(mission))?;
    let body = AlertBody::RaisedV1 {
        id,
        raised: context.hlc,
        severity: new.severity,
        response: new.response,
        title: new.title.clone(),
        text: new.text.clone(),
        area: new.area,
        expires_ms: new.expires_ms,
        from: context.from.to_owned(),
    };
    let outcome = alert_say(context, mission, id, body, said);
    Ok(Outcome { effect: EditEffect::Created, ..outcome })
}

/// What is said to an alert needs no document: it counts even where its mission is closed, or has not come yet.
fn alert_say(
    context: &Context<'_>,
    mission: Option<MissionId>,
    alert: AlertId,
    body: AlertBody,
    said: &mut Vec<Said>,
) -> Outcome {
    let stream = StreamId::new(mission.map_or(Scope::Org, Scope::Mission), StreamKind::Alert);
    let bytes = feed::encode(&body);
    let (_, patch) = rows::alert(mission, context.author, body);
    said.push(Said { stream, body: bytes, patch });
    Outcome { record: RecordId::Alert(alert), effect: EditEffect::Changed }
}

fn say(said: &mut Vec<Said>, mission: MissionId, kind: StreamKind, body: Vec<u8>, patch: Patch) {
    said.push(Said { stream: StreamId::new(Scope::Mission(mission), kind), body, patch });
}

/// A value that the engine fills in before it drafts.
fn given<T>(field: &'static str, value: Option<T>) -> Result<T, Refusal> {
    value.ok_or_else(|| Refusal::Invalid { field, fault: "is missing".to_owned() })
}

/// Makes a record, or leaves one of the same id as it is: an import can be repeated.
fn create(
    gesture: &mut Gesture<'_>,
    mission: MissionId,
    id: RecordId,
    fields: impl FnOnce() -> Fields,
) -> Result<Outcome, Refusal> {
    let plan = gesture.look(mission, id)?;
    if plan.exists() {
        return Ok(Outcome { record: id, effect: EditEffect::Unchanged });
    }
    plan.create(fields());
    Ok(Outcome { record: id, effect: EditEffect::Created })
}

/// A record to delete, restore or settle: in a mission that is open, unless it is the mission itself.
fn at_hand<'g>(gesture: &'g mut Gesture<'_>, mission: MissionId, id: RecordId) -> Result<&'g mut Plan, Refusal> {
    if let RecordId::Message(_) = id {
        return Err(Refusal::Invalid { field: "record", fault: "is a message; messages stay as sent".to_owned() });
    }
    if let RecordId::Alert(_) = id {
        return Err(Refusal::Invalid { field: "record", fault: "is an alert; cancel it instead".to_owned() });
    }
    if id != RecordId::Mission(mission) {
        gesture.mission_open(mission)?;
    }
    gesture.there(mission, id)
}

/// Checks that what is referred to is there and not deleted.
fn refers(
    gesture: &mut Gesture<'_>,
    mission: MissionId,
    incident: Option<IncidentId>,
    unit: Option<UnitId>,
) -> Result<(), Refusal> {
    if let Some(incident) = incident {
        gesture.live(mission, RecordId::Incident(incident))?;
    }
    if let Some(unit) = unit {
        gesture.live(mission, RecordId::Unit(unit))?;
    }
    Ok(())
}

fn set_all(plan: &mut Plan, id: RecordId, fields: Fields) -> Outcome {
    let table = Table::of_record(id);
    let mut changed = false;
    for (name, value) in fields {
        if let Some(field) = table.and_then(|table| table.field(name)) {
            changed |= plan.set(field, value);
        }
    }
    let effect = if changed { EditEffect::Changed } else { EditEffect::Unchanged };
    Outcome { record: id, effect }
}

/// A text that `null` empties.
fn text(name: &'static str, change: &Change<String>) -> Option<(&'static str, ScalarValue)> {
    optional(name, change, value::from_text_or_none)
}

/// A field that `null` clears.
fn optional<T>(
    name: &'static str,
    change: &Change<T>,
    scalar: impl FnOnce(Option<&T>) -> ScalarValue,
) -> Option<(&'static str, ScalarValue)> {
    (!change.is_keep()).then(|| (name, scalar(change.value())))
}
