//! The packer of v1, v5 and v7: a header and records of one layout, up to the limit of the
//! specification.

use std::net::IpAddr;

use super::super::classic::{self, Narrow};
use super::super::{v1, v5, v7};
use super::origin::{Origin, Refused, millis, seconds};
use crate::flow::Flow;
use crate::time::Timestamp;

/// The layout of header and records.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layout {
    V1,
    V5,
    V7,
}

impl Layout {
    /// Returns the bytes of the header, and the most records of a datagram.
    const fn sizes(self) -> (usize, usize) {
        match self {
            Layout::V1 => (v1::HEADER, v1::RECORDS),
            Layout::V5 => (v5::HEADER, v5::RECORDS),
            Layout::V7 => (v5::HEADER, v7::RECORDS),
        }
    }
}

/// A packer for fixed records.
#[derive(Clone, Debug)]
pub(super) struct Fixed {
    layout: Layout,
    /// Number of flows before the open datagram.
    sequence: u32,
    /// The open datagram. Its header is written when it is sent.
    datagram: Vec<u8>,
    /// Number of flows in the open datagram.
    flows: u16,
}

impl Fixed {
    pub fn new(layout: Layout) -> Fixed {
        Fixed { layout, sequence: 0, datagram: Vec::new(), flows: 0 }
    }

    pub fn push(
        &mut self,
        origin: &Origin,
        flow: &Flow,
        now: Timestamp,
        send: &mut impl FnMut(&[u8]),
    ) -> Result<(), Refused> {
        let narrow = narrow(origin, flow, now)?;
        let (header, most) = self.layout.sizes();
        if self.flows == 0 {
            self.datagram.clear();
            self.datagram.resize(header, 0);
        }
        match self.layout {
            Layout::V1 => append(&mut self.datagram, |bytes| {
                v1::emit_record(flow, &narrow, bytes);
            }),
            Layout::V5 => append(&mut self.datagram, |bytes| {
                v5::emit_record(flow, &narrow, bytes);
            }),
            Layout::V7 => append(&mut self.datagram, |bytes| {
                v7::emit_record(flow, &narrow, bytes);
            }),
        }
        self.flows += 1;
        if usize::from(self.flows) == most {
            self.flush(origin, now, send);
        }
        Ok(())
    }

    pub fn flush(&mut self, origin: &Origin, now: Timestamp, send: &mut impl FnMut(&[u8])) {
        if self.flows == 0 {
            return;
        }
        let uptime = origin.uptime(millis(now));
        let (secs, nsecs) = seconds(now);
        let shared = classic::Header { count: self.flows, uptime, secs, nsecs };
        let (sequence, engine) = (self.sequence, origin.domain as u16);
        let datagram = &mut self.datagram[..];
        match self.layout {
            Layout::V1 => {
                if let Some(bytes) = datagram.first_chunk_mut::<{ v1::HEADER }>() {
                    shared.emit(1, bytes);
                }
            }
            Layout::V5 => {
                let sampling = match origin.sampling {
                    0 => 0,
                    interval => v5::SAMPLED | interval as u16,
                };
                if let Some(bytes) = datagram.first_chunk_mut() {
                    v5::Header { shared, sequence, engine, sampling }.emit(5, bytes);
                }
            }
            Layout::V7 => {
                if let Some(bytes) = datagram.first_chunk_mut() {
                    v5::Header { shared, sequence, engine, sampling: 0 }.emit(7, bytes);
                }
            }
        }
        send(&self.datagram);
        self.sequence = self.sequence.wrapping_add(self.flows.into());
        self.flows = 0;
    }
}

fn append<const N: usize>(datagram: &mut Vec<u8>, emit: impl FnOnce(&mut [u8; N])) {
    let mut record = [0; N];
    emit(&mut record);
    datagram.extend_from_slice(&record);
}

/// Narrows the columns of a flow to the widths of a record.
fn narrow(origin: &Origin, flow: &Flow, now: Timestamp) -> Result<Narrow, Refused> {
    let version = origin.version;
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (flow.sip, flow.dip) else {
        return Err(Refused::Ipv6 { version });
    };
    let interface = |column, value: u32| {
        u16::try_from(value).map_err(|_| Refused::Wide { version, column, value: value.into() })
    };
    let count = |column, value: u64| {
        u32::try_from(value).map_err(|_| Refused::Wide { version, column, value })
    };
    let [first, last] = origin.uptimes(flow, now)?;
    Ok(Narrow {
        source,
        destination,
        input: interface("sif", flow.sif)?,
        output: interface("dif", flow.dif)?,
        packets: count("packets", flow.packets)?,
        octets: count("octets", flow.octets)?,
        first,
        last,
    })
}
