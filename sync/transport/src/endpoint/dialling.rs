//! One attempt at an address, and the settings of connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::Connection;

use crate::door::Opener;
use crate::endpoint::Transport;
use crate::identity::SERVER_NAME;
use crate::profile::{self, LinkProfile, Met, Side};
use crate::tickets::Spending;

impl Transport {
    /// Dials an address once. An attempt that is dropped before anybody has answered ends in silence. What
    /// is not answered is said again after three of `rtt`; `None`: of what a round trip took when the machine was last met.
    /// `sparing`: in one copy, since other attempts follow.
    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        profile: Option<LinkProfile>,
        spending: Spending,
        rtt: Option<Duration>,
        sparing: bool,
    ) -> Result<Connection, String> {
        let settings = self.shared.tickets.settings(address, spending).map_err(|error| error.to_string())?;
        let mut client = quinn::ClientConfig::new(settings);
        let met = self.met(address);
        let rate_bps = met.and_then(|met| met.rate_bps);
        let expected = rtt.map(|rtt| Met { rtt, rate_bps }).or(met);
        client.transport_config(self.settings(profile, Side::Dials, expected));
        let attempt = self.shared.hush.begin(sparing).map_err(|error| error.to_string())?;
        let first = attempt.first();
        client.initial_dst_cid_provider(Arc::new(move || first));
        let connecting =
            self.shared.endpoint.connect_with(client, address, SERVER_NAME).map_err(|error| error.to_string())?;
        // What is declared last is dropped first: the attempt is given up before quinn lets its connection go.
        let mut connecting = std::pin::pin!(connecting);
        let attempt = attempt;
        let end = connecting.as_mut().await;
        attempt.ended();
        end.map_err(|error| {
            self.door().ended(address, Opener::Here, &error);
            error.to_string()
        })
    }

    /// What was seen of the way to a machine when it was last met.
    pub(crate) fn met(&self, address: SocketAddr) -> Option<Met> {
        self.shared.tickets.met(address)
    }

    pub(super) fn settings(
        &self,
        profile: Option<LinkProfile>,
        side: Side,
        met: Option<Met>,
    ) -> Arc<quinn::TransportConfig> {
        profile::transport(profile.or(self.shared.profile), side, self.shared.ceiling_bps, met)
    }

    /// So much was seen of the way to a peer.
    pub(crate) fn note_met(&self, address: SocketAddr, met: Met) {
        self.shared.tickets.note_met(address, met);
    }
}
