//! The other way: flows packed into export datagrams.
//!
//! Six versions are three ways to pack: `fixed` for the records of v1, v5 and v7, `sets` for the
//! templates and sets of v9 and IPFIX, `samples` for sFlow. Here is what they have in common: who
//! exports, since when, and how he samples.

use std::net::IpAddr;

use super::record::AHEAD;
use super::{Version, v5};
use crate::flow::Flow;
use crate::time::Timestamp;

mod fixed;
mod samples;
pub(super) mod sets;
#[cfg(test)]
mod tests;

use fixed::{Fixed, Layout};
use samples::Samples;
use sets::{Protocol, Sets};

/// Octets of a datagram of v9, IPFIX or sFlow at most: it travels unfragmented through Ethernet and
/// tunnels. Those of v1, v5 and v7 are as long as their full number of records.
pub const DATAGRAM: usize = 1400;

/// Each how many datagrams v9 and IPFIX repeat their templates and options (RFC 3954 section 9, RFC
/// 7011 section 8.4: periodically over UDP).
pub const REFRESH: u64 = 20;

/// How far before the export a moment of sysUpTime may lie, in milliseconds: half of what 32 bits
/// tell apart.
const BEHIND: i64 = 1 << 31;

/// Why a flow was not packed, or sampling not announced. The datagram under way is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One address of IPv4, one of IPv6: no exporter of ours has a template for that.
    #[error("source and destination are of different families")]
    Mixed,
    /// NetFlow before v9 has 32 bits for an address.
    #[error("{version} carries no IPv6")]
    Ipv6 {
        /// The protocol.
        version: Version,
    },
    /// NetFlow before v9 has 16 bits for an interface and 32 for a count; sFlow 32 for the octets
    /// of a packet, and for an interface all values but two.
    #[error("{version} carries no {column} of {value}")]
    Wide {
        /// The protocol.
        version: Version,
        /// The column.
        column: &'static str,
        /// Its value.
        value: u64,
    },
    /// NetFlow tells moments by a sysUpTime of 32 bits.
    #[error(
        "{version} carries no moment that is {ahead} ms after the export (24.8 days before it)"
    )]
    Time {
        /// The protocol.
        version: Version,
        /// Milliseconds after the export, negative before it.
        ahead: i64,
    },
    /// sFlow carries packets, and a flow without any makes none.
    #[error("sFlow carries no flow without packets")]
    Empty,
    /// A packet of this protocol has no place for these ports; one of IPv6 ends in no extension
    /// header.
    #[error("sFlow carries no packet of protocol {proto} with the ports {sport} and {dport}")]
    Packet {
        /// The protocol's number.
        proto: u8,
        /// Source port.
        sport: u16,
        /// Destination port.
        dport: u16,
    },
    /// v1 and v7 cannot say that they sample, v5 has 14 bits for it.
    #[error("{version} announces no sampling of 1 in {interval}")]
    Sampling {
        /// The protocol.
        version: Version,
        /// N of 1 in N.
        interval: u32,
    },
}

/// A stateful exporter: packs flows into the datagrams of one version, with its sequence numbers
/// and, for v9 and IPFIX, its templates.
///
/// What NetFlow and IPFIX keep of a flow: the nine columns, start and end in whole milliseconds,
/// and flags (v1, v5 and v7: the lower eight; unknown ones as 0). NetFlow writes an unknown start as
/// the end and an unknown end as the start; both 0 is unknown, so a flow that starts and ends at the
/// boot ends 1 ms later. The exporter's address and the flow's own sampling are not carried.
///
/// sFlow knows packets and not flows: a flow is so many samples as it has packets, which share its
/// octets, the first with what does not divide. Of the flags the lower twelve of TCP's are kept;
/// start and end are not, a sample is read as of when its datagram came.
#[derive(Clone, Debug)]
pub struct Exporter {
    origin: Origin,
    packer: Packer,
}

/// Who exports.
#[derive(Clone, Copy, Debug)]
struct Origin {
    version: Version,
    domain: u32,
    /// Milliseconds since the epoch.
    boot: u64,
    /// Packet sampling 1 in N; 0 if nothing is said of it.
    sampling: u32,
    /// The agent's address, for sFlow.
    agent: Option<IpAddr>,
}

/// The three ways to pack.
#[derive(Clone, Debug)]
enum Packer {
    Fixed(Fixed),
    Sets(Sets),
    Samples(Samples),
}

impl Exporter {
    /// An exporter that started at `boot` (sub-milliseconds are dropped). `domain` is v9's source
    /// id, IPFIX's observation domain or sFlow's sub-agent; v5 and v7 have its lower 16 bits as
    /// engine type and id, v1 has none.
    pub fn new(version: Version, domain: u32, boot: Timestamp) -> Exporter {
        let packer = match version {
            Version::V1 => Packer::Fixed(Fixed::new(Layout::V1)),
            Version::V5 => Packer::Fixed(Fixed::new(Layout::V5)),
            Version::V7 => Packer::Fixed(Fixed::new(Layout::V7)),
            Version::V9 => Packer::Sets(Sets::new(Protocol::V9)),
            Version::Ipfix => Packer::Sets(Sets::new(Protocol::Ipfix)),
            Version::Sflow => Packer::Samples(Samples::default()),
        };
        let origin = Origin { version, domain, boot: millis(boot), sampling: 0, agent: None };
        Exporter { origin, packer }
    }

    /// The same exporter, that says that its flows are those of one packet in `interval`: in v5's
    /// header, in options records of v9 and IPFIX that go with the templates, in each sample of
    /// sFlow. Counts are written as they are.
    ///
    /// # Errors
    /// [`Refused::Sampling`]: an interval of 0, one that the version has no bits for, any in v1 and
    /// v7.
    pub fn sampling(mut self, interval: u32) -> Result<Exporter, Refused> {
        let version = self.origin.version;
        let most = match version {
            Version::V1 | Version::V7 => 0,
            Version::V5 => v5::SAMPLING,
            Version::V9 | Version::Ipfix | Version::Sflow => u32::MAX,
        };
        if !(1..=most).contains(&interval) {
            return Err(Refused::Sampling { version, interval });
        }
        self.origin.sampling = interval;
        Ok(self)
    }

    /// The same exporter, with the address that sFlow's header has for the agent. Without one it is
    /// unknown there, and readers take the source address of the datagrams.
    pub fn agent(mut self, address: IpAddr) -> Exporter {
        self.origin.agent = Some(address);
        self
    }

    /// Adds a flow at the moment `now`; when it does not fit any more, sends the datagram before.
    ///
    /// # Errors
    /// A flow that the version cannot carry; nothing is cut down to fit.
    pub fn push(
        &mut self,
        flow: &Flow,
        now: Timestamp,
        send: &mut impl FnMut(&[u8]),
    ) -> Result<(), Refused> {
        match &mut self.packer {
            Packer::Fixed(fixed) => fixed.push(&self.origin, flow, now, send),
            Packer::Sets(sets) => sets.push(&self.origin, flow, now, send),
            Packer::Samples(samples) => samples.push(&self.origin, flow, now, send),
        }
    }

    /// Sends the datagram under way, if there is anything in it.
    pub fn flush(&mut self, now: Timestamp, send: &mut impl FnMut(&[u8])) {
        match &mut self.packer {
            Packer::Fixed(fixed) => fixed.flush(&self.origin, now, send),
            Packer::Sets(sets) => sets.flush(&self.origin, now, send),
            Packer::Samples(samples) => samples.flush(&self.origin, now, send),
        }
    }

    /// A datagram with the templates in force and what options records say, and no flows, for the
    /// head of a file; it counts in no sequence. `None` where there are no templates: each datagram
    /// says all by itself then.
    pub fn templates(&self, now: Timestamp) -> Option<Vec<u8>> {
        match &self.packer {
            Packer::Sets(sets) => Some(sets.templates(&self.origin, now)),
            Packer::Fixed(_) | Packer::Samples(_) => None,
        }
    }
}

impl Origin {
    /// sysUpTime at a moment in milliseconds.
    const fn uptime(&self, millis: u64) -> u32 {
        millis.wrapping_sub(self.boot) as u32
    }

    /// sysUpTime at the flow's start and end; both 0 if they are not known.
    fn uptimes(&self, flow: &Flow, now: Timestamp) -> Result<[u32; 2], Refused> {
        let (Some(first), Some(last)) = (flow.start.or(flow.end), flow.end.or(flow.start)) else {
            return Ok([0, 0]);
        };
        let now = millis(now);
        let uptime = |time| {
            let time = millis(time);
            let ahead = time.wrapping_sub(now) as i64;
            if !(-BEHIND..=AHEAD).contains(&ahead) {
                return Err(Refused::Time { version: self.version, ahead });
            }
            Ok(self.uptime(time))
        };
        match [uptime(first)?, uptime(last)?] {
            [0, 0] => Ok([0, 1]),
            times => Ok(times),
        }
    }
}

const fn millis(time: Timestamp) -> u64 {
    time.nanos() / 1_000_000
}

/// Seconds of a header, and the rest in nanoseconds that are whole milliseconds.
fn seconds(time: Timestamp) -> (u32, u32) {
    let secs = u32::try_from(time.secs()).unwrap_or(u32::MAX);
    (secs, (millis(time) % 1_000) as u32 * 1_000_000)
}
