//! What can go wrong with keys, certificates, addresses and enrolment, and what people do about it.

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the transport could not do it.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// A file of keys or certificates cannot be read or written.
    #[error("{} cannot be read or written; check that it exists and belongs to this user", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A private key that others may read.
    #[error("{} can be read by others; if they should not have it already, run: chmod 600 {}", .path.display(), .path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// A file that is not what it should be.
    #[error("{} is damaged ({fault}); restore it from a backup, or enrol this device anew", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        fault: String,
    },
    /// The certificates are of another device or org.
    #[error("{} does not fit this device ({fault}); enrol this device anew", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        fault: &'static str,
    },
    /// The port is taken.
    #[error("UDP {address} is in use; stop the other program or choose another address (port 0 takes a free one)")]
    PortInUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address is not to be had.
    #[error("UDP {address} cannot be opened; give an address of this machine")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A certificate could not be made or used.
    #[error("a certificate could not be made or used: {fault}")]
    Certificate {
        /// What is wrong with it.
        fault: String,
    },
    /// The system gave no randomness.
    #[error("the system gave no randomness: {0}")]
    Randomness(getrandom::Error),
    /// Enrolment.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
}

/// Why a device was not enrolled. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The token is not whole.
    #[error("the token is cut or mistyped; copy it whole, from `hfi1.` to its end")]
    Token,
    /// The authority's address does not resolve or answer.
    #[error("the command post at {address} does not answer ({fault}); check the network and that it runs")]
    Unreachable {
        /// The address in the token.
        address: String,
        /// What happened.
        fault: String,
    },
    /// Whoever answers is not the authority of the token.
    #[error(
        "whoever answers at {address} is not the command post that made this token; do not go on, ask your command post"
    )]
    Impostor {
        /// The address in the token.
        address: String,
    },
    /// The authority said no.
    #[error("the command post refused: the token is unknown, used already or past its time; ask for a fresh one")]
    Refused,
    /// The authority could not now.
    #[error("the command post is busy; try again in a minute")]
    Busy,
    /// The answer makes no sense.
    #[error("the command post gave an answer that does not fit this device; ask for a fresh token")]
    BadGrant,
}

impl From<rcgen::Error> for TransportError {
    fn from(error: rcgen::Error) -> Self {
        Self::Certificate { fault: error.to_string() }
    }
}

impl From<rustls::Error> for TransportError {
    fn from(error: rustls::Error) -> Self {
        Self::Certificate { fault: error.to_string() }
    }
}
