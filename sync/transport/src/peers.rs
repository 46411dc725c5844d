//! Peers that are dialled until they answer, and again when they are gone or have fallen silent.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast_domain::identity::DeviceId;
use quinn::Connection;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};

use crate::endpoint::{NotEntered, Transport};
use crate::profile::LinkProfile;
use crate::pulse::Pulse;
use crate::tickets::Spending;

const FIRST_WAIT: Duration = Duration::from_millis(250);
/// A vehicle that comes into reach waits half of this on average.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A link that has fallen silent asks at every beat whether the road is open again, which costs a fiftieth of a handshake.
/// So much of a start it has before its peer is dialled afresh, and between two attempts for as long as it stands: these are
/// for a peer that has lost its memory of the link, or the road that led to it.
const HEAD_START: Duration = LONGEST_WAIT;
/// Attempts under way at once: the first, the newest and the one before.
const ATTEMPTS_MAX: usize = 3;
/// Attempts before a name is looked up again.
const ATTEMPTS_A_NAME: usize = 8;

/// Where a peer is reached, and over what kind of link where that is known: `host:port` or `host:port#narrowband`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PeerAddress {
    /// `host:port`.
    pub host_port: String,
    /// The kind of link; `None`: the node's own setting counts.
    pub profile: Option<LinkProfile>,
}

/// A text is no peer's address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no peer address; give host:port, or host:port#PROFILE with lan, wifi, lte, sat or narrowband")]
pub struct BadPeerAddress {
    /// The text.
    pub text: String,
}

impl FromStr for PeerAddress {
    type Err = BadPeerAddress;
    fn from_str(text: &str) -> Result<Self, BadPeerAddress> {
        let bad = || BadPeerAddress { text: text.to_owned() };
        let (host_port, profile) = match text.split_once('#') {
            Some((host_port, profile)) => (host_port, Some(profile.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let (host, port) = host_port.rsplit_once(':').ok_or_else(bad)?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(bad());
        }
        Ok(Self { host_port: host_port.to_owned(), profile })
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host_port)?;
        self.profile.map_or(Ok(()), |profile| write!(f, "#{profile}"))
    }
}

/// Addresses that are dialled, each by one task, with a way to hurry it.
#[derive(Debug, Default)]
pub(crate) struct Dialled(Mutex<BTreeMap<PeerAddress, Arc<Notify>>>);

impl Dialled {
    /// What hurries a task that is to be begun; `None` where there is one, which is hurried now.
    pub(crate) fn begin(&self, address: &PeerAddress) -> Option<Arc<Notify>> {
        let mut dialled = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(hurry) = dialled.get(address) {
            hurry.notify_one();
            return None;
        }
        let hurry = Arc::new(Notify::new());
        dialled.insert(address.clone(), Arc::clone(&hurry));
        Some(hurry)
    }
}

/// Dials an address for ever, with growing and jittered pauses; ends if it turns out to be this node itself.
pub(crate) async fn keep_dialling(transport: Transport, address: PeerAddress, hurry: Arc<Notify>) {
    let mut wait = FIRST_WAIT;
    let mut known = None;
    let mut unheard = 0;
    let mut news = transport.listen_for_news();
    loop {
        if known.is_some_and(|device| transport.hears(device)) {
            tokio::time::timeout(jittered(LONGEST_WAIT), news.changed()).await.ok();
            continue;
        }
        // Whoever is heard again on the link that stands is not waited for on another.
        let sought = Instant::now();
        let reached = tokio::select! {
            reached = reach(&transport, &address, known, &mut unheard, &hurry) => reached,
            () = heard_again(&transport, known) => {
                unheard = 0;
                continue;
            }
        };
        match reached {
            Ok(connection) => match transport.enter(connection, Some(sought)) {
                Ok(entered) => {
                    let device = entered.device;
                    known = Some(device);
                    let begun = tokio::time::Instant::now();
                    let (carrier, knobs) = (transport.clone(), transport.knobs(address.profile));
                    tokio::spawn(async move { carrier.carry(entered, knobs).await });
                    while transport.hears(device) {
                        tokio::time::timeout(LONGEST_WAIT, news.changed()).await.ok();
                    }
                    // A link that ends at once, such as a refused one, must not be dialled in a storm.
                    if begun.elapsed() > LONGEST_WAIT {
                        wait = FIRST_WAIT;
                    }
                }
                Err(NotEntered::Myself) => {
                    tracing::info!(%address, "this address is this node itself; it is not dialled again");
                    return;
                }
                Err(NotEntered::Superfluous(device)) => {
                    known = Some(device);
                    continue;
                }
                // The door tells of it, once in a while.
                Err(NotEntered::Unproved) => {}
            },
            Err(fault) => tracing::debug!(%address, fault, "a peer does not answer"),
        }
        tokio::select! {
            () = tokio::time::sleep(jittered(wait * transport.thrift())) => wait = (wait * 2).min(LONGEST_WAIT),
            () = hurry.notified() => (wait, unheard) = (FIRST_WAIT, 0),
        }
    }
}

/// Waits until a device is heard on a link that stands; without end where none is known.
async fn heard_again(transport: &Transport, device: Option<DeviceId>) {
    let Some(device) = device else { return std::future::pending().await };
    until(transport, || transport.hears(device)).await;
}

async fn until(transport: &Transport, is_so: impl Fn() -> bool) {
    let mut news = transport.listen_for_news();
    while !is_so() {
        news.changed().await.ok();
    }
}

/// After a start, whether the next beat of a silent link is answered in time. Who is dialled right after one that is not
/// seldom has both to answer.
async fn is_answered(
    (connection, pulse): (Connection, Arc<Pulse>),
    start: Duration,
    longest: Duration,
    answer: Duration,
) -> bool {
    tokio::time::sleep(start).await;
    let came = connection.stats().udp_rx.datagrams;
    tokio::time::timeout(longest, pulse.beat()).await.ok();
    tokio::time::sleep(answer).await;
    connection.stats().udp_rx.datagrams > came
}

/// Dials until somebody answers. Attempts follow each other at growing intervals and run beside each other; the first to
/// succeed wins, and the others end as they are dropped. Of those under way the oldest stays, which a slow link needs, and
/// the newest, which finds a peer that has just come into reach. Where a silent link with the device stands, that goes first,
/// and fewer attempts follow later. `unheard` counts attempts since the peer was heard last.
async fn reach(
    transport: &Transport,
    address: &PeerAddress,
    known: Option<DeviceId>,
    unheard: &mut u64,
    hurry: &Notify,
) -> Result<Connection, String> {
    let found = tokio::net::lookup_host(&address.host_port).await;
    let targets: Vec<_> = found.map_err(|error| error.to_string())?.collect();
    let mut last = "the name has no address".to_owned();
    let beacon = transport.knobs(address.profile).beacon;
    let (mut interval, longest) = (beacon, beacon.max(LONGEST_WAIT));
    let (mut attempts, mut under_way) = (JoinSet::new(), Vec::<AbortHandle>::new());
    // A name is looked up again now and then.
    for &target in targets.iter().cycle().take(targets.len().max(ATTEMPTS_A_NAME)) {
        let standing = || known.and_then(|device| transport.standing(device, target));
        let stands = || standing().is_some();
        if let Some(standing) = standing() {
            let start = if *unheard == 0 { HEAD_START } else { Duration::ZERO };
            let answer = transport.met(target).map_or(beacon, |met| met.rtt * 3 / 2).min(beacon / 2);
            let answered = tokio::select! {
                answered = is_answered(standing, start, longest, answer) => answered,
                () = until(transport, || !stands()) => false,
                () = hurry.notified() => false,
                Ok(connection) = first_success(&mut attempts), if !attempts.is_empty() => {
                    *unheard = 0;
                    return Ok(connection);
                }
            };
            if answered {
                continue;
            }
            // Tickets are for when nothing goes first any more.
            (interval, *unheard) = if stands() { (longest, *unheard) } else { (beacon, 0) };
        }
        under_way.retain(|attempt| !attempt.is_finished());
        let stood = stands();
        if under_way.len() >= ATTEMPTS_MAX - usize::from(stood) {
            under_way.remove(1).abort();
        }
        *unheard += 1;
        let (dialler, profile) = (transport.clone(), address.profile);
        // Fewer and fewer, as it becomes likely that nobody is there.
        let spending = if !stood && unheard.is_power_of_two() { Spending::Spend } else { Spending::Spare };
        // While the link stands an attempt says its piece once.
        let (rtt, sparing) = (stood.then_some(longest), known.is_some() || *unheard > 1);
        under_way.push(attempts.spawn(async move { dialler.dial(target, profile, spending, rtt, sparing).await }));
        let ended = tokio::select! {
            ended = tokio::time::timeout(interval, first_success(&mut attempts)) => ended.ok(),
            // It is gone for good, and nothing goes first any more.
            () = until(transport, || !stands()), if stood => None,
            () = hurry.notified() => {
                (interval, *unheard) = (beacon, 0);
                continue;
            }
        };
        match ended {
            Some(Ok(connection)) => {
                *unheard = 0;
                return Ok(connection);
            }
            // Nothing is under way any more: another address may do better, the same one would not.
            Some(Err(fault)) if targets.len() == 1 => return Err(fault),
            Some(Err(fault)) => last = fault,
            None if stood && !stands() => (interval, *unheard) = (beacon, 0),
            None => interval = longest.min(interval * 2),
        }
    }
    tokio::time::timeout(interval, first_success(&mut attempts)).await.unwrap_or(Err(last))
}

/// The first connection that comes up, or the last fault once no attempt is left.
async fn first_success(attempts: &mut JoinSet<Result<Connection, String>>) -> Result<Connection, String> {
    let mut last = "no answer in time".to_owned();
    while let Some(ended) = attempts.join_next().await {
        match ended {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(fault)) => last = fault,
            // It was ended to make room for another.
            Err(_) => {}
        }
    }
    Err(last)
}

/// Between half of `wait` and all of it, so that nodes that lost one peer together do not come back together.
pub(crate) fn jittered(wait: Duration) -> Duration {
    let mut byte = [0; 1];
    // Without randomness the full wait is as good.
    getrandom::fill(&mut byte).map_or(wait, |()| wait.mul_f64(0.5 + f64::from(byte[0]) / 512.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_name_its_kind_of_link_and_a_wrong_one_is_told_what_to_write() {
        let plain: PeerAddress = "hub.example:7400".parse().expect("an address");
        assert_eq!(plain, PeerAddress { host_port: "hub.example:7400".to_owned(), profile: None });
        let narrow: PeerAddress = "[2001:db8::1]:7400#narrowband".parse().expect("an address");
        assert_eq!(narrow.profile, Some(LinkProfile::Narrowband));
        assert_eq!(narrow.to_string(), "[2001:db8::1]:7400#narrowband");
        for bad in ["", "hub", ":7400", "hub:", "hub:99999", "hub:7400#lora", "hub:7400#", "#sat"] {
            let error = bad.parse::<PeerAddress>().expect_err(bad).to_string();
            assert!(error.contains("host:port#PROFILE"), "{error}");
        }
    }
}
