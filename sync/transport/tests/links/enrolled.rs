//! Enrolment: one token, one device; no false hub; no second use.

use std::net::SocketAddr;
use std::sync::Arc;

use holdfast_domain::api::TurnedAway;
use holdfast_domain::identity::DeviceRole;
use holdfast_transport::door::Door;
use holdfast_transport::enrolment::{EnrolGrant, EnrolRefusal, Token, enrol, serve};
use holdfast_transport::error::EnrolError;
use tokio::net::UdpSocket;

use crate::members::{ISSUED_MS, Org, local, org};
use crate::witness::Witness;

const SECRET: [u8; 16] = [7; 16];

/// A door whose keeper knows one secret, good once.
fn door(org: &Org) -> SocketAddr {
    kept(org, &Arc::new(Door::default()))
}

/// The same; what is turned away is counted here.
fn kept(org: &Org, door: &Arc<Door>) -> SocketAddr {
    let (key, membership) = org.member("hub");
    let (address, mut requests) = serve(local(), &key, &membership, door).expect("a door");
    let authority = org.authority.clone();
    tokio::spawn(async move {
        let mut used = false;
        while let Some(request) = requests.recv().await {
            let good = request.secret_hash == *blake3::hash(&SECRET).as_bytes() && !std::mem::replace(&mut used, true);
            let device = authority.vouch(&request.device, "engine-7", DeviceRole::Node, ISSUED_MS);
            let grant = authority.admit(&request.device, device).expect("certificates");
            let answer = EnrolGrant { membership: grant, peer: Some("192.0.2.7:7400".to_owned()) };
            drop(request.reply.send(if good { Ok(answer) } else { Err(EnrolRefusal::UnknownUsedOrExpired) }));
        }
    });
    address
}

fn token(org: &Org, address: SocketAddr, secret: [u8; 16]) -> Token {
    Token { address: address.to_string(), authority: org.authority.public(), secret }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_makes_one_device_a_member_and_no_second() {
    let org = org();
    let address = door(&org);
    let token: Token = token(&org, address, SECRET).to_string().parse().expect("a whole token");
    let key = org.key("newcomer");
    let (membership, peer) = enrol(&token, &key).await.expect("enrolled");
    assert_eq!(membership.credential.name, "engine-7");
    assert_eq!(peer.as_deref(), Some("192.0.2.7:7400"));
    let again = enrol(&token, &org.key("second")).await.expect_err("used");
    assert!(matches!(again, EnrolError::Refused), "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_refused() {
    let org = org();
    let address = door(&org);
    let error = enrol(&token(&org, address, [8; 16]), &org.key("newcomer")).await.expect_err("wrong");
    assert!(matches!(error, EnrolError::Refused), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_false_hub_is_found_out_before_the_secret_is_told() {
    let (ours, theirs) = (org(), org());
    let address = door(&theirs);
    let error = enrol(&token(&ours, address, SECRET), &ours.key("newcomer")).await.expect_err("an impostor");
    assert!(matches!(error, EnrolError::Impostor { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_mistyped_token_is_told() {
    let org = org();
    let text = token(&org, local(), SECRET).to_string();
    for broken in [&text[..text.len() - 2], &text[5..], "", "hfi1.", &text.replace('a', "b")] {
        assert!(matches!(broken.parse::<Token>(), Err(EnrolError::Token)), "{broken}");
    }
    assert_eq!(format!("{:?}", text.parse::<Token>().expect("whole")), format!("Token({})", local()));
}

#[tokio::test]
async fn guesses_and_garbage_are_counted_and_told_of_once_and_the_honest_newcomer_comes_in() {
    let witness = Witness::new();
    let org = org();
    let keeper = Arc::new(Door::default());
    let address = kept(&org, &keeper);
    let mad = UdpSocket::bind(local()).await.expect("a socket");
    mad.send_to(b"GET / HTTP/1.1\r\n\r\n", address).await.expect("loopback takes it");
    for guess in 0..3 {
        let refused = enrol(&token(&org, address, [guess; 16]), &org.key("guesser")).await;
        assert!(matches!(refused, Err(EnrolError::Refused)), "{guess}");
    }
    enrol(&token(&org, address, SECRET), &org.key("newcomer")).await.expect("enrolled");
    let counted = TurnedAway { datagrams_not_quic: 1, enrolments_failed: 3, ..TurnedAway::default() };
    assert_eq!(keeper.turned_away(), counted);
    let told = witness.heard("an enrolment came to nothing");
    assert!(told.len() == 1 && told[0].contains("fresh invitation"), "{told:?}");
}
