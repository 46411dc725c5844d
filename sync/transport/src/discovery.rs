//! Finding peers of the same org on local networks by mDNS.

use std::net::SocketAddr;
use std::time::Duration;

use holdfast_domain::identity::{DeviceId, OrgId};
use mdns_sd::{IfKind, ServiceDaemon, ServiceEvent, ServiceInfo};

use crate::endpoint::Transport;
use crate::peers::PeerAddress;

const SERVICE: &str = "_holdfast._udp.local.";
/// The side with the higher device id waits this long for the other to dial.
const COURTESY: Duration = Duration::from_secs(2);

/// What is told of an org on the air: enough to find one's own, nothing of its name.
fn org_mark(org: OrgId) -> String {
    org.to_string().chars().take(16).collect()
}

/// Announces this node and dials those it hears. A network without mDNS costs a warning, nothing else.
pub(crate) fn start(transport: &Transport, interfaces: &[String], org: OrgId) {
    if let Err(error) = announce(transport.clone(), interfaces, org) {
        tracing::warn!(%error, "peers cannot be found by mDNS; configured peers are dialled all the same");
    }
}

fn announce(transport: Transport, interfaces: &[String], org: OrgId) -> Result<(), mdns_sd::Error> {
    let daemon = ServiceDaemon::new()?;
    if interfaces.is_empty() {
        daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
    } else {
        daemon.disable_interface(IfKind::All)?;
        let chosen: Vec<IfKind> = interfaces
            .iter()
            .map(|name| name.parse().map_or_else(|_| IfKind::Name(name.clone()), IfKind::Addr))
            .collect();
        daemon.enable_interface(chosen)?;
    }
    let me = transport.shared.me.to_string();
    let properties = [("org", org_mark(org)), ("device", me.clone())];
    let host = format!("{me}.local.");
    let port = transport.local_addr().port();
    daemon.register(ServiceInfo::new(SERVICE, &me, &host, "", port, &properties[..])?.enable_addr_auto())?;
    let found = daemon.browse(SERVICE)?;
    tokio::spawn(async move {
        // The daemon lives as long as somebody listens.
        let _daemon = daemon;
        let mut dialled = std::collections::BTreeSet::new();
        while let Ok(event) = found.recv_async().await {
            let ServiceEvent::ServiceResolved(service) = event else { continue };
            let property = |name| service.get_property_val_str(name).unwrap_or_default();
            let Some(device) = peer(transport.shared.me, org, property("org"), property("device")) else { continue };
            for address in service.get_addresses() {
                let address = SocketAddr::new(address.to_ip_addr(), service.get_port());
                if dialled.insert(address) {
                    tokio::spawn(meet(transport.clone(), device, address));
                }
            }
        }
    });
    Ok(())
}

async fn meet(transport: Transport, device: DeviceId, address: SocketAddr) {
    tracing::info!(%device, %address, "found a peer by mDNS");
    if transport.shared.me > device {
        tokio::time::sleep(COURTESY).await;
    }
    transport.add_peer(PeerAddress { host_port: address.to_string(), profile: None });
}

/// The device announced, if it is another one of this org.
fn peer(me: DeviceId, org: OrgId, org_told: &str, device_told: &str) -> Option<DeviceId> {
    let device: DeviceId = device_told.parse().ok()?;
    (org_told == org_mark(org) && device != me).then_some(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_other_devices_of_the_own_org_are_dialled() {
        let (me, other) = (DeviceId([1; 16]), DeviceId([2; 16]));
        let (ours, theirs) = (OrgId([3; 16]), OrgId([4; 16]));
        assert_eq!(peer(me, ours, &org_mark(ours), &other.to_string()), Some(other));
        assert_eq!(peer(me, ours, &org_mark(ours), &me.to_string()), None);
        assert_eq!(peer(me, ours, &org_mark(theirs), &other.to_string()), None);
        assert_eq!(peer(me, ours, &org_mark(ours), "no device"), None);
    }
}
