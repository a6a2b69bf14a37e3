//! The exporter: flows packed into export datagrams.
//!
//! The six versions are packed in three ways: `fixed` for the records of v1, v5 and v7, `sets` for
//! the templates and sets of v9 and IPFIX, `samples` for sFlow. `origin` has the parts that they
//! share.

use std::net::IpAddr;

use super::domain::Version;
use super::v5;
use crate::flow::Flow;
use crate::time::Timestamp;

mod fixed;
pub(super) mod origin;
mod samples;
pub(super) mod sets;
#[cfg(test)]
mod tests;

use fixed::{Fixed, Layout};
use origin::{Origin, millis};
use samples::Samples;
use sets::{Protocol, Sets};

pub use origin::{DATAGRAM, REFRESH, Refused};

/// A stateful exporter. It packs flows into the datagrams of one version, with sequence numbers and,
/// for v9 and IPFIX, templates.
///
/// NetFlow and IPFIX keep these columns of a flow: the nine of the text format, start and end in
/// whole milliseconds, and flags (v1, v5 and v7: the lower eight; unknown flags become 0). NetFlow
/// writes an unknown start as the end and an unknown end as the start. Both 0 means unknown, so a
/// flow that starts and ends at the boot ends 1 ms later. The exporter's address and the flow's own
/// sampling are not carried.
///
/// sFlow carries packets, not flows: a flow becomes one sample for each of its packets. They share
/// its bytes evenly, and the first sample has the remainder. The lower twelve of TCP's flags are
/// kept. Start and end are not: the time of a sample is the arrival of its datagram.
#[derive(Clone, Debug)]
pub struct Exporter {
    origin: Origin,
    packer: Packer,
}

/// The three ways to pack.
#[derive(Clone, Debug)]
enum Packer {
    Fixed(Fixed),
    Sets(Sets),
    Samples(Samples),
}

impl Exporter {
    /// Creates an exporter that started at `boot`, rounded down to milliseconds. `domain` is the
    /// source id of v9, the observation domain of IPFIX or the sub-agent of sFlow; its lower 16 bits
    /// are engine type and id of v5 and v7. v1 has none.
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

    /// Sets the packet sampling that is announced, one packet in `interval`: in the header of v5, in
    /// options records of v9 and IPFIX that go with the templates, in each sample of sFlow. Counters
    /// are not scaled by it.
    ///
    /// # Errors
    /// [`Refused::Sampling`] if `interval` is 0 or the version has no bits for it.
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

    /// Sets the agent's address in the header of sFlow. Without it the address is unknown there, and
    /// readers take the source address of the datagrams.
    pub fn agent(mut self, address: IpAddr) -> Exporter {
        self.origin.agent = Some(address);
        self
    }

    /// Adds a flow at the time `now`. If the open datagram has no room for it, that is sent first.
    ///
    /// # Errors
    /// A flow that the version cannot carry. Values are never cut down to fit.
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

    /// Sends the open datagram, unless it is empty.
    pub fn flush(&mut self, now: Timestamp, send: &mut impl FnMut(&[u8])) {
        match &mut self.packer {
            Packer::Fixed(fixed) => fixed.flush(&self.origin, now, send),
            Packer::Sets(sets) => sets.flush(&self.origin, now, send),
            Packer::Samples(samples) => samples.flush(&self.origin, now, send),
        }
    }

    /// Returns a datagram with the templates and options and without flows, for the head of a file.
    /// It is not counted in the sequence. `None` for a protocol without templates.
    pub fn templates(&self, now: Timestamp) -> Option<Vec<u8>> {
        match &self.packer {
            Packer::Sets(sets) => Some(sets.templates(&self.origin, now)),
            Packer::Fixed(_) | Packer::Samples(_) => None,
        }
    }
}
