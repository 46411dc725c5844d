//! Fear: a node reaches for another org, or is reached for by one, and nobody knows why no link comes.

use holdfast_domain::api::TurnedAway;
use holdfast_transport::endpoint::LinkEvent;

use crate::members::{next_where, node, org};
use crate::stranger::Stranger;
use crate::turned_away::nobody_comes;
use crate::witness::Witness;

#[tokio::test]
async fn another_org_is_turned_away_counted_and_told_of_once_on_both_ends() {
    let witness = Witness::new();
    let (ours, theirs) = (org(), org());
    let (listener, mut listening) = node(&ours.member("a"), &[]);
    let (dialler, mut dialling) = node(&theirs.member("b"), &[listener.local_addr()]);
    let mut waits = 0;
    // It dials again and again.
    while listener.door().turned_away().handshakes_other_org < 3 {
        nobody_comes(&mut listening).await;
        nobody_comes(&mut dialling).await;
        waits += 1;
        assert!(waits < 10, "{:?}", listener.door().turned_away());
    }
    for end in [&listener, &dialler] {
        let turned_away = end.door().turned_away();
        assert!(turned_away.handshakes_other_org >= 3, "{turned_away:?}");
        assert_eq!(TurnedAway { handshakes_other_org: 0, ..turned_away }, TurnedAway::default());
    }
    let dialled = witness.heard("whoever answers there belongs to another org");
    assert!(dialled.len() == 1 && dialled[0].contains(&listener.local_addr().to_string()), "{dialled:?}");
    assert!(dialled[0].contains("Check the address"), "{dialled:?}");
    let was_dialled = witness.heard("a device of another org dialled this node");
    assert!(was_dialled.len() == 1 && was_dialled[0].contains(&dialler.local_addr().to_string()), "{was_dialled:?}");
    assert!(was_dialled[0].contains("enrol it"), "{was_dialled:?}");
}

#[tokio::test]
async fn a_device_of_another_org_that_pretends_to_trust_us_is_turned_away_by_us() {
    let witness = Witness::new();
    let (ours, theirs) = (org(), org());
    let (listener, mut listening) = node(&ours.member("a"), &[]);
    let (key, mut membership) = theirs.member("b");
    membership.ca = ours.member("c").1.ca;
    let stranger = Stranger::new(&(key, membership));
    for _ in 0..3 {
        // Its own handshake is over before ours has seen its certificate.
        let connection = stranger.connect(listener.local_addr()).await;
        connection.closed().await;
    }
    nobody_comes(&mut listening).await;
    assert_eq!(listener.door().turned_away().handshakes_other_org, 3);
    let told = witness.heard("another org");
    assert!(told.len() == 1 && told[0].contains("enrol it"), "{told:?}");
}

#[tokio::test]
async fn a_certificate_past_its_time_is_counted_and_told_of_once() {
    let witness = Witness::new();
    let org = org();
    let (listener, mut listening) = node(&org.member("a"), &[]);
    // Issued for one day; the machine's clock is past that.
    let stranger = Stranger::new(&org.member_for("b", 1));
    for _ in 0..3 {
        stranger.connect(listener.local_addr()).await.closed().await;
    }
    nobody_comes(&mut listening).await;
    assert_eq!(listener.door().turned_away().handshakes_untrusted, 3);
    let told = witness.heard("do not trust each other");
    assert!(told.len() == 1 && told[0].contains("enrol that device anew"), "{told:?}");
    let (_honest, _events) = node(&org.member("c"), &[listener.local_addr()]);
    let up = |event: &LinkEvent| matches!(event, LinkEvent::Up { .. });
    assert!(next_where(&mut listening, up).await.is_some(), "others come in");
}
