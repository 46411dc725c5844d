//! Fear: an enrolled device gone mad sends what is no frame, again and again, and fills the log, or a node with its words.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use holdfast_domain::frame::Bye;
use holdfast_domain::identity::DeviceRole;
use holdfast_driver::config::NodeConfig;
use holdfast_driver::data_dir::{DataDir, found};
use holdfast_driver::run::{Running, start};
use holdfast_transport::identity::{Authority, DeviceKey, Membership};
use holdfast_transport::profile::{self, Side};
use holdfast_transport::tls;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// Lines of warnings and errors.
#[derive(Clone, Default)]
struct Witness(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string cannot fail.
        write!(self.0, "{field}={value:?} ").ok();
    }
}

impl<S: Subscriber> Layer<S> for Witness {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() <= Level::WARN {
            let mut line = Line(String::new());
            event.record(&mut line);
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
        }
    }
}

/// An enrolled device whose QUIC is driven by hand.
struct Mad {
    endpoint: Endpoint,
    config: ClientConfig,
}

impl Mad {
    fn enrolled(dir: &DataDir, home: &std::path::Path) -> (Self, String) {
        let authority = Authority::load(&dir.authority()).expect("the authority");
        let key = DeviceKey::load_or_create(&home.join("mad.key")).expect("a key");
        let device = authority.vouch(&key.public(), "mad", DeviceRole::Node, 1_767_225_600_000);
        let membership: Membership = authority.admit(&key.public(), device).expect("certificates");
        let tls = tls::quic_client(tls::peer_client(&key, &membership, 0).expect("settings")).expect("settings");
        let mut config = ClientConfig::new(Arc::new(tls));
        config.transport_config(profile::transport(None, Side::Dials, None, None));
        let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).expect("a socket");
        (Self { endpoint, config }, key.device().to_string())
    }

    async fn dial(&self, node: &Running) -> Connection {
        let connecting = self.endpoint.connect_with(self.config.clone(), node.peer_address, "node.holdfast.internal");
        connecting.expect("settings").await.expect("let in")
    }
}

/// A way to send what is no frame.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Datagram,
    Frame,
}

async fn commit(deed: Deed, connection: &Connection) -> Option<quinn::SendStream> {
    let garbage = b"GET / HTTP/1.1\r\n\r\n";
    match deed {
        Deed::Datagram => {
            connection.send_datagram(garbage.to_vec().into()).expect("room");
            None
        }
        Deed::Frame => {
            let mut stream = connection.open_uni().await.expect("a stream");
            stream.write_all(&(garbage.len() as u32).to_be_bytes()).await.expect("written");
            stream.write_all(garbage).await.expect("written");
            Some(stream)
        }
    }
}

/// Why the node ended a connection.
async fn verdict(connection: &Connection) -> Option<u64> {
    match tokio::time::timeout(Duration::from_secs(20), connection.closed()).await {
        Ok(ConnectionError::ApplicationClosed(closed)) => Some(closed.error_code.into_inner()),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_frame_is_counted_each_time_told_of_once_and_ends_the_link() {
    let witness = Witness::default();
    tracing::subscriber::set_global_default(Registry::default().with(witness.clone())).expect("the only one");
    let home = tempfile::tempdir().expect("a folder");
    let dir = DataDir::new(home.path().join("hub"));
    found(&dir, "hub").expect("an org");
    let anywhere = ([127, 0, 0, 1], 0).into();
    let config = NodeConfig { peer_listen: anywhere, enrol_listen: anywhere, ..NodeConfig::default() };
    let node = start(&dir, config).await.expect("a node");
    let (mad, device) = Mad::enrolled(&dir, home.path());
    let before = node.handle.status().await.expect("a status");
    let deeds = [Deed::Datagram, Deed::Frame].repeat(3);
    for &deed in &deeds {
        let connection = mad.dial(&node).await;
        let _kept = commit(deed, &connection).await;
        assert_eq!(verdict(&connection).await, Some(Bye::BadFrame as u64), "{deed:?}");
    }
    let after = node.handle.status().await.expect("a status");
    // Some of it is found out before the engine sees it.
    let early = after.turned_away.links_bad_frame;
    assert_eq!(after.counters["bad_frame"] + early, deeds.len() as u64);
    assert_eq!((after.entries, &after.scopes), (before.entries, &before.scopes), "something was applied");
    assert!(after.peers.iter().all(|peer| !peer.connected), "{:?}", after.peers);
    let lines = witness.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let told: Vec<&String> = lines.iter().filter(|line| line.contains("a peer was turned away")).collect();
    assert!(told.len() == 1 && told[0].contains(&device) && told[0].contains("bad_frame"), "{lines:?}");
    node.stop().await;
}
