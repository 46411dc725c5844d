//! Views that must come out the same on every node, whatever the order in which patches arrive.

mod fixture;

use fixture::{
    NOON_MS, alert, alert_word, apply, author, conflict, conflicts, device, fix, incident, incident_id, message,
    mission, position, unit, unit_id,
};
use holdfast_domain::alert::AlertDetail;
use holdfast_domain::id::MissionId;
use holdfast_domain::identity::DeviceRole;
use holdfast_domain::message::Channel;
use holdfast_domain::query::{AlertFilter, PageRequest, TrackFilter};
use holdfast_domain::record::{Patch, RecordId};
use holdfast_store::store::Store;

/// Every order of up to a handful of things.
fn orders<T: Clone>(things: &[T]) -> Vec<Vec<T>> {
    if things.is_empty() {
        return vec![Vec::new()];
    }
    (0..things.len())
        .flat_map(|first| {
            let mut rest = things.to_vec();
            let thing = rest.remove(first);
            orders(&rest).into_iter().map(move |order| [vec![thing.clone()], order].concat())
        })
        .collect()
}

/// Applies the patches in every order, together and one by one; demands one outcome and returns a store with it.
fn one_outcome(patches: &[Patch]) -> Store {
    let mut outcome = None;
    for order in orders(patches) {
        let together = Store::memory().expect("a store");
        apply(&together, &order);
        let one_by_one = Store::memory().expect("a store");
        for patch in &order {
            apply(&one_by_one, std::slice::from_ref(patch));
            apply(&one_by_one, std::slice::from_ref(patch));
        }
        for store in [&together, &one_by_one] {
            let shown = store.views_summary(mission(1)).expect("a summary");
            assert_eq!(outcome.get_or_insert_with(|| shown.clone()), &shown, "{order:?}");
        }
    }
    let store = Store::memory().expect("a store");
    apply(&store, patches);
    store
}

#[test]
fn the_newest_report_of_a_position_wins_and_ties_fall_to_the_greater_author() {
    let unit = unit_id(1);
    let reports = [
        position(unit, author(3), NOON_MS, 37.1),
        position(unit, author(1), NOON_MS + 5, 37.2),
        position(unit, author(2), NOON_MS + 5, 37.3),
        position(unit, author(9), NOON_MS + 4, 37.4),
    ];
    let store = one_outcome(&reports.clone().map(Patch::Position));
    assert_eq!(store.unit_position(unit).expect("a position"), Some(reports[2].clone()));
}

#[test]
fn a_report_from_a_clock_beyond_all_time_is_kept_and_read_back() {
    let unit = unit_id(1);
    let mut far = position(unit, author(1), NOON_MS, 37.1);
    far.reported = holdfast_domain::clock::Hlc(u64::MAX);
    let store = one_outcome(&[Patch::Position(far.clone()), Patch::Position(position(unit, author(2), NOON_MS, 37.2))]);
    assert_eq!(store.unit_position(unit).expect("a position"), Some(far));
}

#[test]
fn two_fixes_of_one_millisecond_settle_on_one() {
    let unit = unit_id(1);
    let fixes = |lats: &[f64]| Patch::Fixes {
        mission: mission(1),
        unit,
        fixes: lats.iter().enumerate().map(|(n, &lat)| fix(NOON_MS + n as u64, lat)).collect(),
    };
    let mut bare = fix(NOON_MS, 37.5);
    bare.altitude_dm = None;
    let bare = Patch::Fixes { mission: mission(1), unit, fixes: vec![bare] };
    let store = one_outcome(&[fixes(&[37.1, 37.2]), fixes(&[37.3, 37.0, 37.7]), bare]);
    let page = store.reader().expect("a reader").track_list(unit, &TrackFilter::default(), &PageRequest::default());
    assert_eq!(page.expect("a track").total, 3);
    let times = store.fix_times(unit, &[NOON_MS - 1, NOON_MS, NOON_MS + 2, NOON_MS + 3]).expect("times");
    assert_eq!(times.into_iter().collect::<Vec<_>>(), [NOON_MS, NOON_MS + 2]);
}

#[test]
fn two_messages_under_one_id_settle_on_one() {
    let mut rival = message(1, Channel::Mission);
    rival.text = "Another text".to_owned();
    one_outcome(&[
        Patch::Message(message(1, Channel::Mission)),
        Patch::Message(rival),
        Patch::Message(message(2, Channel::Unit(unit_id(1)))),
    ]);
}

/// A store that knows devices 1 to 3, of which 3 is a command post; 1 and 2 have had two lives.
fn acquainted() -> Store {
    let store = Store::memory().expect("a store");
    let txn = store.begin().expect("a transaction");
    for (n, epoch) in [(1, 0), (1, 5), (2, 0), (2, 5), (3, 0)] {
        let mut credential = fixture::credential(n, epoch);
        credential.device.role = if n == 3 { DeviceRole::Hub } else { DeviceRole::Node };
        txn.put_credential(&credential).expect("a credential");
    }
    txn.commit().expect("a commit");
    store
}

/// Applies the patches in every order to a store that knows the devices; gives the one outcome.
fn one_alert(patches: &[Patch]) -> AlertDetail {
    let mut outcome = None;
    for order in orders(patches) {
        let store = acquainted();
        for patch in order.iter().flat_map(|patch| [patch, patch]) {
            apply(&store, std::slice::from_ref(patch));
        }
        let shown = store.views_summary(mission(1)).expect("a summary");
        assert_eq!(outcome.get_or_insert_with(|| shown.clone()), &shown, "{order:?}");
    }
    let store = acquainted();
    apply(&store, patches);
    let views = store.reader().expect("a reader");
    views.alert_by_id(Some(mission(1)), alert(1, 1).id).expect("an alert").expect("it is there")
}

#[test]
fn an_acknowledgement_that_comes_before_its_alert_is_kept_and_counts_once_for_each_device() {
    let raised = alert(1, 1);
    let detail = one_alert(&[
        Patch::AlertAcknowledged(alert_word(2, 0, &raised, 5)),
        Patch::Alert(raised.clone()),
        Patch::AlertAcknowledged(alert_word(2, 5, &raised, 7)),
        Patch::AlertAcknowledged(alert_word(3, 0, &raised, 6)),
    ]);
    assert_eq!(detail.alert.record.acknowledged, 2);
    let first: Vec<u64> = detail.acknowledgements.iter().map(|word| word.at.ms() - NOON_MS).collect();
    assert_eq!(first, [5, 6], "the first word of each device, oldest first");
    assert_eq!(detail.acknowledgements[0].device, Some(fixture::credential(2, 0).device.device()));
}

#[test]
fn nobody_but_its_raiser_and_a_command_post_calls_an_alert_off() {
    let raised = alert(1, 1);
    let foreign = Patch::AlertCancelled(alert_word(2, 0, &raised, 3));
    let detail = one_alert(&[foreign.clone(), Patch::Alert(raised.clone())]);
    assert_eq!((detail.alert.record.cancelled, detail.refused.len()), (None, 1));
    let own = Patch::AlertCancelled(alert_word(1, 5, &raised, 8));
    let detail = one_alert(&[foreign.clone(), own.clone(), Patch::Alert(raised.clone())]);
    let by = detail.alert.record.cancelled.expect("its raiser may, in a later life too");
    assert_eq!((by.at.ms(), detail.refused.len()), (NOON_MS + 8, 1));
    let post = Patch::AlertCancelled(alert_word(3, 0, &raised, 7));
    let detail = one_alert(&[foreign, own, post, Patch::Alert(raised)]);
    assert_eq!(detail.alert.record.cancelled.expect("a command post may").at.ms(), NOON_MS + 7, "the first counts");
}

#[test]
fn an_alert_raised_under_the_id_of_another_takes_nothing_from_it() {
    let raised = alert(1, 1);
    let mut rival = alert(2, 1);
    rival.title = "All well".to_owned();
    let mut twice = raised.clone();
    twice.title = "Zone is clear".to_owned();
    let over = Patch::AlertCancelled(alert_word(2, 0, &rival, 9));
    one_alert(&[Patch::Alert(rival.clone()), Patch::Alert(twice.clone()), Patch::Alert(raised.clone()), over.clone()]);
    let store = acquainted();
    apply(&store, &[Patch::Alert(rival), over, Patch::Alert(twice), Patch::Alert(raised.clone())]);
    let views = store.reader().expect("a reader");
    let open = AlertFilter { open_at_ms: Some(NOON_MS) };
    let page = views.alert_list(Some(mission(1)), open, &PageRequest::default()).expect("alerts");
    assert_eq!(page.items.len(), 1, "the rival called off its own");
    assert_eq!((page.items[0].record.title.as_str(), page.total), (raised.title.as_str(), 1));
    let all = views.alert_list(Some(mission(1)), AlertFilter::default(), &PageRequest::default()).expect("alerts");
    assert_eq!(all.total, 2, "two devices, two alerts");
}

#[test]
fn the_later_word_for_a_device_stands() {
    let store = Store::memory().expect("a store");
    for order in orders(&[("engine-7", 1), ("engine-8", 3), ("engine-9", 2)]) {
        for (name, issued_ms) in order {
            apply(&store, &[Patch::Device(device(1, name, issued_ms))]);
        }
        let page = store.reader().expect("a reader").device_list(&PageRequest::default()).expect("devices");
        assert_eq!(page.items.len(), 1);
        assert_eq!(page.items[0].record.name, "engine-8");
    }
}

#[test]
fn a_patch_that_changes_nothing_raises_no_revision() {
    let store = Store::memory().expect("a store");
    let record = RecordId::Incident(incident_id(1));
    let patches = [
        Patch::Mission(fixture::mission_record(1)),
        Patch::Incident(incident(1)),
        Patch::Unit(unit(1)),
        Patch::Task(fixture::task(1)),
        Patch::Message(message(1, Channel::Mission)),
        Patch::Position(position(unit_id(1), author(1), NOON_MS, 37.1)),
        Patch::Fixes { mission: mission(1), unit: unit_id(1), fixes: vec![fix(NOON_MS, 37.1)] },
        conflicts(record, vec![conflict(record, "priority", NOON_MS)]),
        Patch::Device(device(1, "engine-7", 1)),
    ];
    assert_eq!(apply(&store, &patches), (1..=8).collect::<Vec<u64>>());
    assert_eq!(apply(&store, &patches), Vec::<u64>::new());
    assert_eq!(store.record_rev(record).expect("a rev"), Some(2));
    let mut changed = incident(1);
    changed.notes = "All out".to_owned();
    assert_eq!(apply(&store, &[Patch::Incident(changed)]), [9]);
    assert_eq!(store.record_rev(record).expect("a rev"), Some(9));
    assert_eq!(store.reader().expect("a reader").newest_rev().expect("a rev"), 9);
}

#[test]
fn whoever_writes_in_one_mission_cannot_touch_what_another_shows() {
    let store = Store::memory().expect("a store");
    apply(&store, &[Patch::Incident(incident(1)), Patch::Unit(unit(1))]);
    apply(&store, &[Patch::Position(position(unit_id(1), author(1), NOON_MS, 37.1))]);
    let before = store.views_summary(mission(1)).expect("a summary");
    let mut intruder = incident(1);
    intruder.mission = mission(2);
    intruder.notes = "Nothing to see here".to_owned();
    let mut elsewhere = position(unit_id(1), author(9), NOON_MS * 2, 10.0);
    elsewhere.mission = mission(2);
    let fixes = Patch::Fixes { mission: mission(2), unit: unit_id(1), fixes: vec![fix(1, 10.0)] };
    apply(&store, &[Patch::Incident(intruder), Patch::Position(elsewhere), fixes]);
    assert_eq!(store.views_summary(mission(1)).expect("a summary"), before);
    let views = store.reader().expect("a reader");
    let shown = views.incident_by_id(incident_id(1)).expect("an incident").expect("it is there");
    assert_eq!(shown.record.mission, mission(1));
    let shown = views.position_by_unit(unit_id(1)).expect("a position").expect("it is there");
    assert_eq!(shown.record.mission, mission(1));
}

#[test]
fn views_rebuilt_are_the_views_kept_and_revisions_go_on_rising() {
    let store = Store::memory().expect("a store");
    fixture::fill(&store);
    let digest = |mission: MissionId| store.reader().expect("a reader").views_digest(mission).expect("a digest");
    let (before, newest) = (digest(mission(1)), store.newest_rev());
    let record = RecordId::Incident(incident_id(1));
    let mut patches = vec![Patch::Mission(fixture::mission_record(1))];
    patches.extend((0..30).rev().map(|n| Patch::Incident(incident(n))));
    patches.extend((0..30).map(|n| Patch::Task(fixture::task(n))));
    patches.extend((0..30).map(|n| Patch::Unit(unit(n))));
    patches.extend((0..30).map(|n| Patch::Message(message(n, Channel::Mission))));
    patches.push(Patch::Position(position(unit_id(1), author(1), NOON_MS, 37.7)));
    let fixes = (0..30).map(|n| fix(NOON_MS + n * 1000, 37.7)).collect();
    patches.push(Patch::Fixes { mission: mission(1), unit: unit_id(1), fixes });
    patches.push(Patch::AlertAcknowledged(alert_word(2, 0, &alert(1, 1), 9)));
    patches.extend((0..30).rev().map(|n| Patch::Alert(alert(1, n))));
    patches.push(conflicts(record, vec![conflict(record, "priority", NOON_MS)]));
    let txn = store.begin().expect("a transaction");
    txn.clear_views().expect("cleared");
    assert_eq!(store.views_summary(mission(1)).expect("a summary").values().map(|(rows, _)| rows).sum::<u64>(), 0);
    let revs = txn.apply(&patches).expect("patches apply");
    assert!(revs.iter().all(|rev| *rev > newest));
    txn.commit().expect("a commit");
    assert_eq!(digest(mission(1)), before);
    assert_ne!(digest(mission(2)), before);
    assert_eq!(store.check().expect("a check"), Vec::<String>::new());
    // One row less shows in one table.
    let summary = store.views_summary(mission(1)).expect("a summary");
    let txn = store.begin().expect("a transaction");
    txn.clear_views().expect("cleared");
    txn.apply(&patches[1..]).expect("patches apply");
    let other = store.views_summary(mission(1)).expect("a summary");
    let differing: Vec<_> = summary.iter().filter(|(table, shown)| other[*table] != **shown).map(|(t, _)| *t).collect();
    assert_eq!(differing, ["missions"]);
}
