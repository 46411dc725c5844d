//! The UDP socket under QUIC, with a look at every datagram before QUIC has it.
//!
//! Nothing is kept from QUIC: what is unfit there is passed over by it in silence, and a version that is not spoken here,
//! or the reset of a lost peer, it must see to answer.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, UdpPoller};

use crate::door::Door;
use crate::door::hush::Hush;
use crate::door::ids::{ID_BYTES, IdKey};

/// The one version of QUIC that is spoken here (RFC 9000).
pub(crate) const VERSION: u32 = 1;

/// The first packet of a connection fills a datagram of so many bytes at least (RFC 9000, section 14.1).
const FIRST_BYTES_MIN: usize = 1_200;
/// A shorter one is neither a packet of a connection nor a reset (RFC 9000, section 10.3).
const SHORT_BYTES_MIN: usize = 21;
/// The longest id of the version spoken here (RFC 9000, section 17.2).
const ID_BYTES_MAX: usize = 20;

/// What is wrong with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It is no QUIC.
    NotQuic,
    /// It begins a connection in a version that is not spoken here.
    OtherVersion,
    /// It is for a connection that never was. The reset of a peer looks the same.
    ToNobody,
}

/// Looks at the unprotected part of the first packet of a datagram (RFC 8999; RFC 9000, section 17). Peers are told that
/// the fixed bit counts here, so theirs is always set.
pub(crate) fn unfit(datagram: &[u8], ids: &IdKey) -> Option<Unfit> {
    let Some((&first, rest)) = datagram.split_first() else { return Some(Unfit::NotQuic) };
    if first & 0x40 == 0 {
        return Some(Unfit::NotQuic);
    }
    if first & 0x80 == 0 {
        let to = rest.get(..ID_BYTES).filter(|_| datagram.len() >= SHORT_BYTES_MIN);
        return to.map_or(Some(Unfit::NotQuic), |to| (!ids.is_own(to)).then_some(Unfit::ToNobody));
    }
    let Some((version, rest)) = rest.split_first_chunk() else { return Some(Unfit::NotQuic) };
    let version = u32::from_be_bytes(*version);
    if version > VERSION {
        let begins = datagram.len() >= FIRST_BYTES_MIN;
        return Some(if begins { Unfit::OtherVersion } else { Unfit::NotQuic });
    }
    let Some((to, rest)) = long_id(rest) else { return Some(Unfit::NotQuic) };
    let kind = if version == VERSION { Kind::of(first) } else { Kind::Versions };
    if !kind.is_whole(rest) {
        return Some(Unfit::NotQuic);
    }
    // An id of the dialler's choice is in what it sends before it has heard ours.
    let is_for_us = matches!(kind, Kind::Initial | Kind::Early) || ids.is_own(to);
    (!is_for_us).then_some(Unfit::ToNobody)
}

/// What a packet with a long header is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Initial,
    Early,
    Handshake,
    Retry,
    Versions,
}

impl Kind {
    fn of(first: u8) -> Self {
        match first & 0x30 {
            0x00 => Self::Initial,
            0x10 => Self::Early,
            0x20 => Self::Handshake,
            _ => Self::Retry,
        }
    }

    /// Whether what follows the ids is as long as it says.
    fn is_whole(self, mut rest: &[u8]) -> bool {
        if self == Self::Initial {
            let token = number(rest).and_then(|(length, rest)| rest.split_at_checked(usize::try_from(length).ok()?));
            let Some((_, behind)) = token else { return false };
            rest = behind;
        }
        match self {
            Self::Initial | Self::Early | Self::Handshake => {
                number(rest).is_some_and(|(length, rest)| length <= rest.len() as u64)
            }
            Self::Retry | Self::Versions => true,
        }
    }
}

/// A number of variable length (RFC 9000, section 16), and what follows it.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let length = 1 << (bytes.first()? >> 6);
    let (number, rest) = bytes.split_at_checked(length)?;
    let value = number.iter().fold(0, |value, &byte| value << 8 | u64::from(byte));
    Some((value & (u64::MAX >> (66 - 8 * length as u32)), rest))
}

/// The id that a packet with a long header is for, and what follows the id it is from.
fn long_id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (to, rest) = counted(bytes)?;
    counted(rest).map(|(_, rest)| (to, rest))
}

/// The ids that a packet with a long header is for and from.
pub(crate) fn long_ids(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = datagram.split_first()?;
    let (to, rest) = counted(rest.get(size_of::<u32>()..).filter(|_| first & 0x80 != 0)?)?;
    counted(rest).map(|(from, _)| (to, from))
}

fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    let length = usize::from(length);
    (length <= ID_BYTES_MAX).then(|| rest.split_at_checked(length)).flatten()
}

/// The socket of a port.
#[derive(Debug)]
pub(crate) struct WatchedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    ids: IdKey,
    door: Arc<Door>,
    hush: Arc<Hush>,
}

impl WatchedSocket {
    pub(crate) fn new(inner: Arc<dyn AsyncUdpSocket>, ids: IdKey, door: Arc<Door>, hush: Arc<Hush>) -> Self {
        Self { inner, ids, door, hush }
    }

    fn look(&self, received: &[u8], of: &RecvMeta) {
        // The kernel may hand over several datagrams of one sender at once; an empty one has no bytes to walk over.
        if received.is_empty() {
            return self.door.unfit_datagram(of.addr, Unfit::NotQuic, 0);
        }
        for datagram in received.chunks(of.stride.max(1)) {
            if let Some(fault) = unfit(datagram, &self.ids) {
                self.door.unfit_datagram(of.addr, fault, datagram.len());
            } else if let Some(id) = long_ids(datagram).map(|(to, _)| to).filter(|to| !self.ids.is_own(to)) {
                self.door.first_packet(id, of.addr, datagram.len());
            }
            self.hush.hears(datagram);
        }
    }
}

impl AsyncUdpSocket for WatchedSocket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if self.hush.swallows(transmit.contents, Instant::now()) {
            return Ok(());
        }
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(self.inner.poll_recv(cx, bufs, meta))?;
        for (buffer, of) in bufs.iter().zip(meta.iter()).take(count) {
            self.look(&buffer[..of.len.min(buffer.len())], of);
        }
        Poll::Ready(Ok(count))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        self.inner.max_transmit_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }

    fn may_fragment(&self) -> bool {
        self.inner.may_fragment()
    }
}

#[cfg(test)]
mod tests {
    use quinn::ConnectionIdGenerator;

    use super::*;
    use crate::door::ids::{Ids, Port};
    use crate::identity::DeviceKey;

    fn key() -> IdKey {
        let home = tempfile::tempdir().expect("a folder");
        IdKey::of(&DeviceKey::load_or_create(&home.path().join("a")).expect("a key"), Port::Peers)
    }

    /// A packet with a long header, `size` bytes long, that names its length.
    fn long(first: u8, version: u32, to: &[u8], size: usize) -> Vec<u8> {
        let mut bytes = vec![first];
        bytes.extend(version.to_be_bytes());
        bytes.push(to.len() as u8);
        bytes.extend(to);
        bytes.push(0);
        if first & 0x30 == 0 {
            bytes.push(0);
        }
        let length = size.saturating_sub(bytes.len() + 2) as u16;
        bytes.extend((0x4000 | length).to_be_bytes());
        bytes.resize(size, 0x5a);
        bytes
    }

    /// A first packet of 1,200 bytes that says that its token has so many.
    fn first_with_token(bytes: u16) -> Vec<u8> {
        let mut packet = vec![0xc0, 0, 0, 0, 1, 0, 0];
        packet.extend((0x4000 | bytes).to_be_bytes());
        packet.resize(packet.len() + usize::from(bytes).min(1_000), 7);
        packet.push(50);
        packet.resize(1_200, 0x5a);
        packet
    }

    #[test]
    fn numbers_are_read_as_the_standard_has_them() {
        // RFC 9000, appendix A.1.
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
        ] {
            assert_eq!(number(bytes), Some((value, &[][..])));
            assert_eq!(number(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[test]
    fn what_is_no_quic_is_told_from_what_quic_must_see() {
        let key = key();
        let own = Ids::new(key.clone()).expect("randomness").generate_cid();
        let (foreign, short) = ([9; 8], |to: &[u8], size: usize| {
            let mut bytes = [&[0x41], to].concat();
            bytes.resize(size, 0x5a);
            bytes
        });
        for (what, datagram, verdict) in [
            ("nothing", vec![], Some(Unfit::NotQuic)),
            ("a byte", vec![0x41], Some(Unfit::NotQuic)),
            ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec(), Some(Unfit::NotQuic)),
            ("DNS", b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x00".to_vec(), Some(Unfit::NotQuic)),
            ("a packet of a connection", short(&own, 40), None),
            ("too short for one", short(&own, 20), Some(Unfit::NotQuic)),
            ("for a connection that never was", short(&foreign, 40), Some(Unfit::ToNobody)),
            ("a first packet", long(0xc0, 1, &foreign, 1_200), None),
            ("early data", long(0xd0, 1, &foreign, 1_200), None),
            ("a handshake", long(0xe0, 1, &own, 200), None),
            ("a handshake of nobody's", long(0xe0, 1, &foreign, 200), Some(Unfit::ToNobody)),
            ("a call to try again", long(0xf0, 1, &own, 60), None),
            ("an answer on versions", long(0xc0, 0, &own, 40), None),
            ("an answer to nobody", long(0xc0, 0, &foreign, 40), Some(Unfit::ToNobody)),
            ("version 2", long(0xc0, 0x6b33_43cf, &foreign, 1_200), Some(Unfit::OtherVersion)),
            ("too short to begin in version 2", long(0xc0, 0x6b33_43cf, &foreign, 400), Some(Unfit::NotQuic)),
            ("a first packet cut off", long(0xc0, 1, &foreign, 1_200)[..1_199].to_vec(), Some(Unfit::NotQuic)),
            ("a first packet whose token is longer than it", first_with_token(2_000), Some(Unfit::NotQuic)),
            ("a first packet with a token", first_with_token(90), None),
            ("a handshake cut off", long(0xe0, 1, &own, 200)[..100].to_vec(), Some(Unfit::NotQuic)),
            ("an id over the limit", long(0xc0, 1, &[7; 21], 1_200), Some(Unfit::NotQuic)),
            ("an id cut off", vec![0xc0, 0, 0, 0, 1, 8, 1, 2], Some(Unfit::NotQuic)),
            ("a version cut off", vec![0xc0, 0, 0], Some(Unfit::NotQuic)),
        ] {
            assert_eq!(unfit(&datagram, &key), verdict, "{what}");
        }
    }

    #[test]
    fn no_garbage_of_any_length_stops_the_look() {
        let key = key();
        for seed in 0..20_000_u64 {
            let hash = blake3::hash(&seed.to_le_bytes());
            let mut bytes = vec![0; (seed % 90) as usize];
            hash_into(&hash, &mut bytes);
            unfit(&bytes, &key);
        }
    }

    fn hash_into(hash: &blake3::Hash, bytes: &mut [u8]) {
        for (byte, random) in bytes.iter_mut().zip(hash.as_bytes().iter().cycle()) {
            *byte = *random;
        }
    }
}
