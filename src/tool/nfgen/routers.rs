//! The routers that nfgen plays, and their exporters.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::time::Timestamp;
use crate::wire::{Exporter, Refused, Version};

/// The addresses of the routers: TEST-NET-1 of RFC 5737, with the port of softflowd. The index of each
/// is its domain or engine id.
pub const ROUTERS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 2055),
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3)), 2055),
];

/// The address that the routers export to, with the collector's default port.
pub const COLLECTOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 9999);

/// Returns the exporter of a router, given by its index in [`ROUTERS`], that started at `boot`.
///
/// # Errors
/// Fails if the version cannot say that packets are sampled.
pub fn exporter(
    version: Version,
    router: usize,
    sampling: Option<u32>,
    boot: Timestamp,
) -> Result<Exporter, Refused> {
    let exporter = Exporter::new(version, router as u32, boot).agent(ROUTERS[router].ip());
    match sampling {
        None => Ok(exporter),
        Some(interval) => exporter.sampling(interval),
    }
}
