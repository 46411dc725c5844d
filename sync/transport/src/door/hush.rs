//! Attempts that nobody has answered end without a word. A goodbye in the first packets of a connection fills a datagram of
//! 1,200 bytes (RFC 9000, section 14.1), and tells nothing to an end that has not heard of the attempt; when a link comes
//! back after an outage, several attempts are given up at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quinn::ConnectionId;

use crate::door::socket::long_ids;
use crate::error::TransportError;

/// Bytes of the id that an attempt is for until it is answered: nobody guesses it, and no two are the same.
const FIRST_ID_BYTES: usize = 16;
/// Attempts given up that are remembered. Quinn forgets one after three of its timeouts, and as many are not given up in
/// that time.
const GIVEN_UP_MAX: usize = 256;
/// What leaves within this belongs together; nothing is said again sooner.
const BURST: Duration = Duration::from_millis(10);

/// The attempts of a port.
#[derive(Debug, Default)]
pub(crate) struct Hush(Mutex<Vec<Attempt>>);

#[derive(Debug)]
struct Attempt {
    /// The id that its first packets are for, and the one they are from once one has left.
    first: ConnectionId,
    own: Option<Vec<u8>>,
    given_up: bool,
    /// Whether one copy of what is said again is enough.
    sparing: bool,
    said: Said,
}

/// What an attempt has said so far.
#[derive(Debug, Clone, Copy)]
enum Said {
    Nothing,
    /// Its piece, begun then; whether that takes several datagrams.
    Once {
        at: Instant,
        is_long: bool,
    },
    /// The same again, the last time then.
    Again {
        at: Instant,
        is_long: bool,
    },
}

impl Attempt {
    /// Whether a datagram is a second copy: quinn says again two of them where no answer came in time (RFC 9002, section
    /// 6.2.4, leaves it the choice).
    fn is_copy(&mut self, now: Instant) -> bool {
        let at_once = |at: Instant| now.saturating_duration_since(at) < BURST;
        self.said = match self.said {
            Said::Nothing => Said::Once { at: now, is_long: false },
            Said::Once { at, .. } if at_once(at) => Said::Once { at, is_long: true },
            Said::Again { at, is_long } if at_once(at) => return !is_long,
            Said::Once { is_long, .. } | Said::Again { is_long, .. } => Said::Again { at: now, is_long },
        };
        false
    }
}

/// An attempt under way; given up where it is dropped without having ended.
#[derive(Debug)]
pub(crate) struct UnderWay {
    hush: Arc<Hush>,
    first: ConnectionId,
    ended: bool,
}

impl Hush {
    /// Begins an attempt. The id it is to have at first is [`UnderWay::first`]. `sparing`: until it is answered, of what is
    /// said again one copy goes.
    pub(crate) fn begin(self: &Arc<Self>, sparing: bool) -> Result<UnderWay, TransportError> {
        let mut id = [0; FIRST_ID_BYTES];
        getrandom::fill(&mut id).map_err(TransportError::Randomness)?;
        let first = ConnectionId::new(&id);
        let attempt = Attempt { first, own: None, given_up: false, sparing, said: Said::Nothing };
        self.attempts().push(attempt);
        Ok(UnderWay { hush: Arc::clone(self), first, ended: false })
    }

    /// Whether a datagram is better not sent.
    pub(crate) fn swallows(&self, datagram: &[u8], now: Instant) -> bool {
        let Some((to, from)) = long_ids(datagram) else { return false };
        let mut attempts = self.attempts();
        // An attempt that was answered is for an id of the other end's choice.
        let Some(attempt) = attempts.iter_mut().find(|attempt| attempt.first[..] == *to) else { return false };
        if attempt.own.is_none() {
            attempt.own = Some(from.to_vec());
        }
        attempt.given_up || (attempt.is_copy(now) && attempt.sparing)
    }

    /// A datagram came: who is answered says goodbye as is proper, so that nothing more comes.
    pub(crate) fn hears(&self, datagram: &[u8]) {
        let Some((to, _)) = long_ids(datagram) else { return };
        let mut attempts = self.attempts();
        attempts.retain(|attempt| attempt.own.as_deref() != Some(to));
    }

    fn end(&self, first: ConnectionId) {
        self.attempts().retain(|attempt| attempt.first != first);
    }

    fn give_up(&self, first: ConnectionId) {
        let mut attempts = self.attempts();
        if let Some(attempt) = attempts.iter_mut().find(|attempt| attempt.first == first) {
            attempt.given_up = true;
        }
        let given_up = attempts.iter().filter(|attempt| attempt.given_up).count();
        if given_up > GIVEN_UP_MAX
            && let Some(oldest) = attempts.iter().position(|attempt| attempt.given_up)
        {
            attempts.remove(oldest);
        }
    }

    fn attempts(&self) -> MutexGuard<'_, Vec<Attempt>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    /// The id that its first packets are to be for.
    pub(crate) fn first(&self) -> ConnectionId {
        self.first
    }

    /// It came to an end of its own, good or bad: what it has to say of that is said.
    pub(crate) fn ended(mut self) {
        self.ended = true;
        self.hush.end(self.first);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if !self.ended {
            self.hush.give_up(self.first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use holdfast_domain::identity::DeviceRole;
    use tokio::net::UdpSocket;

    use super::*;
    use crate::endpoint::{Transport, TransportConfig};
    use crate::identity::{Authority, DeviceKey};
    use crate::profile::LinkProfile;
    use crate::tickets::Spending;

    /// When the certificates of this test are issued: 2026-01-01.
    const ISSUED_MS: u64 = 1_767_225_600_000;

    fn node() -> Transport {
        let home = tempfile::tempdir().expect("a folder");
        let authority = Authority::load_or_create(&home.path().join("authority")).expect("an authority");
        let key = DeviceKey::load_or_create(&home.path().join("a")).expect("a key");
        let device = authority.vouch(&key.public(), "a", DeviceRole::Node, ISSUED_MS);
        let membership = authority.admit_for(&key.public(), device, 10_000).expect("certificates");
        let config = TransportConfig {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            peers: Vec::new(),
            mdns: None,
            clock_floor_ms: ISSUED_MS,
            profile: Some(LinkProfile::Sat),
            ceiling_bps: None,
        };
        Transport::bind(config, &key, &membership).expect("an endpoint").0
    }

    #[tokio::test]
    async fn nothing_is_heard_of_a_dialler_that_was_never_answered_and_gives_up() {
        let mute = UdpSocket::bind(("127.0.0.1", 0)).await.expect("a socket");
        let (dialler, there) = (node(), mute.local_addr().expect("bound"));
        let attempt =
            tokio::spawn(async move { dialler.dial(there, None, Spending::Spare, None, false).await.is_ok() });
        let mut datagram = vec![0; 2_000];
        mute.recv(&mut datagram).await.expect("a first packet");
        attempt.abort();
        // Loopback takes no time, and the first packet is due again after two seconds only.
        let more = tokio::time::timeout(Duration::from_millis(300), mute.recv(&mut datagram)).await;
        assert!(more.is_err(), "a goodbye of {more:?} bytes");
    }

    /// A packet of a handshake: of which attempt, and from whom.
    fn first_packet(to: &[u8], from: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xc0, 0, 0, 0, 1];
        for id in [to, from] {
            bytes.push(id.len() as u8);
            bytes.extend(id);
        }
        bytes.resize(1_200, 0x5a);
        bytes
    }

    #[test]
    fn an_attempt_given_up_before_anybody_answered_says_no_more() {
        let hush = Arc::new(Hush::default());
        let (given_up, other) = (hush.begin(false).expect("randomness"), hush.begin(false).expect("randomness"));
        let packets = [&given_up, &other].map(|attempt| first_packet(&attempt.first(), &[1; 8]));
        assert!(
            packets.iter().all(|packet| !hush.swallows(packet, Instant::now())),
            "both speak while they are under way"
        );
        drop(given_up);
        assert_eq!(packets.map(|packet| hush.swallows(&packet, Instant::now())), [true, false]);
    }

    #[test]
    fn one_that_was_answered_or_ended_says_goodbye() {
        let hush = Arc::new(Hush::default());
        let attempt = hush.begin(false).expect("randomness");
        let packet = first_packet(&attempt.first(), &[1; 8]);
        assert!(!hush.swallows(&packet, Instant::now()));
        hush.hears(&first_packet(&[1; 8], &[9; 8]));
        drop(attempt);
        assert!(
            !hush.swallows(&packet, Instant::now()) && !hush.swallows(&first_packet(&[9; 8], &[1; 8]), Instant::now())
        );
        let refused = hush.begin(false).expect("randomness");
        let packet = first_packet(&refused.first(), &[2; 8]);
        refused.ended();
        assert!(!hush.swallows(&packet, Instant::now()));
        assert!(hush.attempts().is_empty(), "nothing is kept of either");
    }

    #[test]
    fn what_nobody_answers_is_said_again_in_one_copy_unless_it_takes_more_datagrams_to_say() {
        let hush = Arc::new(Hush::default());
        let begun = Instant::now();
        for (sparing, first_flight, again) in [(true, 1, 1), (false, 1, 2), (true, 2, 2)] {
            let attempt = hush.begin(sparing).expect("randomness");
            let packet = first_packet(&attempt.first(), &[1; 8]);
            let left = |count: usize, ms: u64| {
                let now = begun + Duration::from_millis(ms);
                (0..count).filter(|_| !hush.swallows(&packet, now)).count()
            };
            assert_eq!(left(first_flight, 0), first_flight);
            assert_eq!([left(2, 300), left(2, 900)], [again; 2], "sparing {sparing}, {first_flight} datagrams");
        }
    }

    #[test]
    fn a_day_of_attempts_at_nobody_is_not_remembered() {
        let hush = Arc::new(Hush::default());
        (0..10_000).for_each(|_| drop(hush.begin(false).expect("randomness")));
        assert_eq!(hush.attempts().len(), GIVEN_UP_MAX);
    }

    #[test]
    fn what_is_no_first_packet_goes_its_way() {
        let hush = Hush::default();
        for bytes in [&[][..], &[0xc0], &[0xc0, 0, 0, 0, 1, 20, 1], &[0x41; 40]] {
            hush.hears(bytes);
            assert!(!hush.swallows(bytes, Instant::now()));
        }
    }
}
