//! The packer of sFlow: each packet of a flow becomes a sample.

use std::net::IpAddr;

use super::super::{frame, sflow};
use super::origin::{DATAGRAM, Origin, Refused, millis};
use crate::flow::Flow;
use crate::time::Timestamp;

/// The longest packet in bytes: the length of its Ethernet frame has 32 bits.
const PACKET: u64 = u32::MAX as u64 - 64;

/// A packer for samples.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    /// Number of datagrams sent.
    sent: u32,
    /// Number of samples packed.
    taken: u32,
    /// Number of packets that the samples were taken from.
    pool: u32,
    /// The samples of the open datagram.
    body: Vec<u8>,
    /// Number of samples in the open datagram.
    samples: u32,
    /// Scratch space for the datagram to send, one sample, and the headers of its packet.
    datagram: Vec<u8>,
    sample: Vec<u8>,
    header: Vec<u8>,
}

impl Samples {
    pub fn push(
        &mut self,
        origin: &Origin,
        flow: &Flow,
        now: Timestamp,
        send: &mut impl FnMut(&[u8]),
    ) -> Result<(), Refused> {
        check(origin, flow)?;
        // The check made sure that there is a packet.
        let share = flow.octets / flow.packets;
        let mut octets = share + flow.octets % flow.packets;
        for _ in 0..flow.packets {
            self.add(origin, flow, octets, now, send);
            octets = share;
        }
        Ok(())
    }

    fn add(
        &mut self,
        origin: &Origin,
        flow: &Flow,
        octets: u64,
        now: Timestamp,
        send: &mut impl FnMut(&[u8]),
    ) {
        let rate = origin.sampling.max(1);
        self.taken = self.taken.wrapping_add(1);
        self.pool = self.pool.wrapping_add(rate);
        self.header.clear();
        let frame = frame::emit_ethernet(flow, octets, &mut self.header);
        self.sample.clear();
        let sample = sflow::Sample {
            sequence: self.taken,
            rate,
            pool: self.pool,
            input: flow.sif,
            output: flow.dif,
        };
        sample.emit(frame, &self.header, &mut self.sample);
        if sflow::HEADER + self.body.len() + self.sample.len() > DATAGRAM {
            self.flush(origin, now, send);
        }
        self.body.extend_from_slice(&self.sample);
        self.samples += 1;
    }

    pub fn flush(&mut self, origin: &Origin, now: Timestamp, send: &mut impl FnMut(&[u8])) {
        if self.samples == 0 {
            return;
        }
        self.sent = self.sent.wrapping_add(1);
        let header = sflow::Header {
            agent: origin.agent,
            sub_agent: origin.domain,
            sequence: self.sent,
            uptime: origin.uptime(millis(now)),
            samples: self.samples,
        };
        self.datagram.clear();
        header.emit(&mut self.datagram);
        self.datagram.extend_from_slice(&self.body);
        send(&self.datagram);
        self.body.clear();
        self.samples = 0;
    }
}

/// Checks that sFlow can carry the flow.
fn check(origin: &Origin, flow: &Flow) -> Result<(), Refused> {
    let version = origin.version;
    let Flow { proto, sport, dport, .. } = *flow;
    if matches!(
        (flow.sip, flow.dip),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_))
    ) {
        return Err(Refused::Mixed);
    }
    if !frame::carries(flow) {
        return Err(Refused::Packet { proto, sport, dport });
    }
    for (column, index) in [("sif", flow.sif), ("dif", flow.dif)] {
        if !sflow::is_index(index) {
            return Err(Refused::Wide { version, column, value: index.into() });
        }
    }
    let Some(share) = flow.octets.checked_div(flow.packets) else {
        return Err(Refused::Empty);
    };
    let first = share.checked_add(flow.octets % flow.packets);
    if first.is_none_or(|first| first > PACKET) {
        return Err(Refused::Wide { version, column: "octets", value: flow.octets });
    }
    Ok(())
}
