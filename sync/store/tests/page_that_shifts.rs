//! Lists: no row repeated, none missed, though rows come and go between pages; filters; cursors made up.

mod fixture;

use std::collections::BTreeSet;

use fixture::{
    NOON_MS, apply, author, conflict, conflicts, fix, incident, incident_id, message, mission, position, task, unit,
    unit_id,
};
use holdfast_domain::api::{Item, Page};
use holdfast_domain::field::Deletion;
use holdfast_domain::incident::IncidentStatus;
use holdfast_domain::message::Channel;
use holdfast_domain::query::{IncidentFilter, MessageFilter, PageRequest, TaskFilter, TrackFilter, UnitFilter};
use holdfast_domain::record::{Patch, RecordId};
use holdfast_domain::task::TaskStatus;
use holdfast_store::error::StoreError;
use holdfast_store::store::Store;
use holdfast_store::views::Views;

fn store_with(patches: &[Patch]) -> Store {
    let store = Store::memory().expect("a store");
    apply(&store, patches);
    store
}

/// Walks a list to its end in pages of `limit`.
fn walk<T>(limit: u32, mut ask: impl FnMut(&PageRequest) -> Page<T>) -> Vec<T> {
    let mut out = Vec::new();
    let mut request = PageRequest::new(Some(limit), None);
    loop {
        let page = ask(&request);
        assert!(page.items.len() <= limit as usize);
        out.extend(page.items);
        match page.next {
            Some(next) => request.cursor = Some(next),
            None => return out,
        }
    }
}

fn incidents(
    views: &Views,
    filter: &IncidentFilter,
    request: &PageRequest,
) -> Page<Item<holdfast_domain::incident::Incident>> {
    views.incident_list(mission(1), filter, request).expect("a page")
}

#[test]
fn pages_miss_and_repeat_nothing_while_newer_rows_arrive() {
    let store = store_with(&(0..100).map(|n| Patch::Incident(incident(n))).collect::<Vec<_>>());
    let views = store.reader().expect("a reader");
    let mut arriving = 1000;
    let seen = walk(7, |request| {
        let page = incidents(&views, &IncidentFilter::default(), request);
        arriving += 1;
        apply(&store, &[Patch::Incident(incident(arriving))]);
        page
    });
    let ids: Vec<_> = seen.iter().map(|item| item.record.id).collect();
    assert_eq!(ids.len(), 100);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 100);
    let order: Vec<_> = seen.iter().map(|item| (item.record.opened_ms, item.record.id)).collect();
    assert!(order.windows(2).all(|pair| pair[0] > pair[1]), "newest first, equals by id");
}

#[test]
fn the_total_counts_what_matches_and_the_last_page_has_no_next() {
    let store = store_with(&(0..10).map(|n| Patch::Incident(incident(n))).collect::<Vec<_>>());
    let views = store.reader().expect("a reader");
    let page = incidents(&views, &IncidentFilter::default(), &PageRequest::new(Some(10), None));
    assert_eq!((page.items.len(), page.total, page.next), (10, 10, None));
    let page = incidents(&views, &IncidentFilter::default(), &PageRequest::new(Some(9), None));
    assert_eq!((page.items.len(), page.total), (9, 10));
    let rest = incidents(&views, &IncidentFilter::default(), &PageRequest::new(Some(9), page.next));
    assert_eq!((rest.items.len(), rest.total, rest.next), (1, 10, None));
    let none = views.incident_list(mission(2), &IncidentFilter::default(), &PageRequest::default()).expect("a page");
    assert_eq!((none.items.len(), none.total), (0, 0));
}

#[test]
fn filters_by_status_text_and_deletion_agree_with_their_totals() {
    let mut rows: Vec<_> = (0..30).map(incident).collect();
    rows[3].address = "Hauptstraße 100% ÄRZTEHAUS_A".to_owned();
    rows[4].deleted = Some(Deletion { at_ms: 1, basis: holdfast_domain::entry::Digest([0; 32]) });
    let store = store_with(&rows.iter().cloned().map(Patch::Incident).collect::<Vec<_>>());
    let views = store.reader().expect("a reader");
    let count = |filter: IncidentFilter| {
        let page = incidents(&views, &filter, &PageRequest::default());
        assert_eq!(page.items.len() as u64, page.total);
        page.total
    };
    let text = |text: &str| count(IncidentFilter { text: Some(text.to_owned()), ..Default::default() });
    assert_eq!(count(IncidentFilter::default()), 29);
    assert_eq!(count(IncidentFilter { deleted: true, ..Default::default() }), 30);
    let closed = vec![IncidentStatus::Closed];
    assert_eq!(count(IncidentFilter { status: closed.clone(), ..Default::default() }), 10);
    let two = vec![IncidentStatus::Closed, IncidentStatus::OnScene];
    assert_eq!(count(IncidentFilter { status: two, text: Some("alarms".to_owned()), ..Default::default() }), 5);
    assert_eq!(text("MEDICAL inc"), 8);
    assert_eq!(text("ärztehaus"), 1);
    assert_eq!(text("100%"), 1);
    assert_eq!(text("%"), 1);
    assert_eq!(text("ÄRZTEHAUS_A"), 1);
    assert_eq!(text("ÄRZTEHAUSxA"), 0);
    assert_eq!(text("ENGINE-7-29"), 1);
    assert_eq!(text("  "), 29);
    assert_eq!(text("' OR 1=1 --"), 0);
}

#[test]
fn tasks_come_most_urgent_first_and_by_assignee_or_incident() {
    let store = store_with(&(0..40).map(|n| Patch::Task(task(n))).collect::<Vec<_>>());
    let views = store.reader().expect("a reader");
    let all = walk(6, |request| views.task_list(mission(1), &TaskFilter::default(), request).expect("a page"));
    let order: Vec<_> = all.iter().map(|item| (item.record.priority, item.record.created_ms)).collect();
    assert_eq!(order.len(), 40);
    assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
    let list = |filter: TaskFilter| {
        walk(3, |request| views.task_list(mission(1), &filter, request).expect("a page"))
            .into_iter()
            .map(|item| item.record)
            .collect::<Vec<_>>()
    };
    let mine = list(TaskFilter { assignee: Some(unit_id(1)), ..Default::default() });
    assert!(!mine.is_empty() && mine.iter().all(|task| task.assignee == Some(unit_id(1))));
    let here = list(TaskFilter { incident: Some(incident_id(2)), ..Default::default() });
    assert_eq!(here.len(), 13);
    let open = list(TaskFilter { status: vec![TaskStatus::Open], ..Default::default() });
    assert_eq!(open.len(), 20);
    assert_eq!(list(TaskFilter { text: Some("FILL 7 sand".to_owned()), ..Default::default() }).len(), 1);
}

#[test]
fn units_come_by_callsign_whatever_the_case() {
    let mut rows: Vec<_> = (0..5).map(unit).collect();
    rows[1].callsign = "battalion 2".to_owned();
    rows[2].callsign = "Ambulance 1".to_owned();
    rows[3].incident = Some(incident_id(1));
    let store = store_with(&rows.into_iter().map(Patch::Unit).collect::<Vec<_>>());
    let views = store.reader().expect("a reader");
    let all = walk(2, |request| views.unit_list(mission(1), &UnitFilter::default(), request).expect("a page"));
    let names: Vec<_> = all.iter().map(|item| item.record.callsign.as_str()).collect();
    assert_eq!(names, ["Ambulance 1", "battalion 2", "E00", "E03", "E04"]);
    let committed = UnitFilter { incident: Some(incident_id(1)), ..Default::default() };
    let page = views.unit_list(mission(1), &committed, &PageRequest::default()).expect("a page");
    assert_eq!((page.total, page.items[0].record.callsign.as_str()), (1, "E03"));
}

#[test]
fn messages_come_newest_first_and_by_channel() {
    let channel = |n: u64| match n % 3 {
        0 => Channel::Mission,
        1 => Channel::Incident(incident_id(1)),
        _ => Channel::Unit(unit_id(1)),
    };
    let store = store_with(&(0..30).map(|n| Patch::Message(message(n, channel(n)))).collect::<Vec<_>>());
    let views = store.reader().expect("a reader");
    let list = |filter: MessageFilter| {
        walk(4, |request| views.message_list(mission(1), &filter, request).expect("a page"))
            .into_iter()
            .map(|item| item.record)
            .collect::<Vec<_>>()
    };
    let all = list(MessageFilter::default());
    assert_eq!(all.len(), 30);
    assert!(all.windows(2).all(|pair| pair[0].sent > pair[1].sent));
    for n in 0..3 {
        let some = list(MessageFilter { channel: Some(channel(n)) });
        assert_eq!(some.len(), 10);
        assert!(some.iter().all(|message| message.channel == channel(n)));
    }
}

#[test]
fn tracks_come_oldest_first_within_a_time() {
    let fixes = (0..100).rev().map(|n| fix(NOON_MS + n, 37.0)).collect();
    let store = store_with(&[Patch::Fixes { mission: mission(1), unit: unit_id(1), fixes }]);
    let views = store.reader().expect("a reader");
    let filter = TrackFilter { from_ms: Some(NOON_MS + 10), to_ms: Some(NOON_MS + 30) };
    let some = walk(8, |request| views.track_list(unit_id(1), &filter, request).expect("a page"));
    assert_eq!(some, (10..=30).map(|n| fix(NOON_MS + n, 37.0)).collect::<Vec<_>>());
    let none = views.track_list(unit_id(2), &TrackFilter::default(), &PageRequest::default()).expect("a page");
    assert_eq!((none.items.len(), none.total), (0, 0));
}

#[test]
fn positions_and_conflicts_have_pages_too() {
    let mut patches: Vec<_> =
        (0..9).map(|n| Patch::Position(position(unit_id(n), author(1), NOON_MS + n, 37.0))).collect();
    patches.extend((0..9).map(|n| {
        let record = RecordId::Incident(incident_id(n));
        conflicts(record, vec![conflict(record, "kind", NOON_MS + n), conflict(record, "address", NOON_MS + n)])
    }));
    let store = store_with(&patches);
    let views = store.reader().expect("a reader");
    let positions = walk(2, |request| views.position_list(mission(1), request).expect("a page"));
    assert_eq!(positions.len(), 9);
    let open = walk(5, |request| views.conflict_list(mission(1), request).expect("a page"));
    assert_eq!(open.len(), 18);
    let newest = |item: &Item<holdfast_domain::conflict::Conflict>| item.record.rivals[0].at_ms;
    assert!(open.windows(2).all(|pair| newest(&pair[0]) >= newest(&pair[1])));
}

#[test]
fn missions_come_newest_first_and_deleted_ones_on_request() {
    let mut gone = fixture::mission_record(3);
    gone.deleted = Some(Deletion { at_ms: 1, basis: holdfast_domain::entry::Digest([0; 32]) });
    let rows = [fixture::mission_record(1), fixture::mission_record(2), gone];
    let store = store_with(&rows.map(Patch::Mission));
    let views = store.reader().expect("a reader");
    let names = |deleted: bool| {
        walk(1, |request| views.mission_list(request, deleted).expect("a page"))
            .into_iter()
            .map(|item| item.record.name)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(false), ["Flood 2", "Flood 1"]);
    assert_eq!(names(true), ["Flood 3", "Flood 2", "Flood 1"]);
    assert!(views.mission_by_id(mission(3)).expect("a mission").is_some(), "deleted, yet there");
    assert_eq!(views.mission_by_id(mission(4)).expect("no fault"), None);
}

#[test]
fn a_made_up_cursor_is_refused_and_one_of_another_list_too() {
    let store = store_with(&(0..5).map(|n| Patch::Incident(incident(n))).collect::<Vec<_>>());
    let views = store.reader().expect("a reader");
    let page = incidents(&views, &IncidentFilter::default(), &PageRequest::new(Some(1), None));
    let cursor = page.next.expect("more pages");
    for bad in ["x", "", "00", "; DROP TABLE incidents", &cursor[1..], &format!("{cursor}0")] {
        let request = PageRequest::new(None, Some(bad.to_owned()));
        let refused = views.incident_list(mission(1), &IncidentFilter::default(), &request);
        assert!(matches!(refused, Err(StoreError::BadCursor)), "{bad}");
    }
    let request = PageRequest::new(None, Some(cursor));
    let refused = views.message_list(mission(1), &MessageFilter::default(), &request);
    assert!(matches!(refused, Err(StoreError::BadCursor)));
}

#[test]
fn single_records_are_found_by_id_or_not_at_all() {
    let store = store_with(&[
        Patch::Incident(incident(1)),
        Patch::Task(task(1)),
        Patch::Unit(unit(1)),
        Patch::Message(message(1, Channel::Mission)),
    ]);
    let views = store.reader().expect("a reader");
    assert_eq!(views.incident_by_id(incident_id(1)).expect("found").map(|item| item.record), Some(incident(1)));
    assert_eq!(views.task_by_id(task(1).id).expect("found").map(|item| item.record), Some(task(1)));
    assert_eq!(views.unit_by_id(unit_id(1)).expect("found").map(|item| item.record), Some(unit(1)));
    let found = views.message_by_id(message(1, Channel::Mission).id).expect("found").map(|item| item.record);
    assert_eq!(found, Some(message(1, Channel::Mission)));
    assert_eq!(views.incident_by_id(incident_id(2)).expect("no fault"), None);
    assert_eq!(store.record_rev(RecordId::Task(task(2).id)).expect("no fault"), None);
}
