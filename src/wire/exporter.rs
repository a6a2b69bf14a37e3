//! The other way: flows packed into export datagrams.

use std::net::IpAddr;

use super::element;
use super::record::AHEAD;
use super::{Version, ipfix, set, v5, v9};
use crate::flow::{Flow, ICMP, ICMPV6};
use crate::time::Timestamp;

/// Octets of a v9 or IPFIX datagram at most: it travels unfragmented through Ethernet and tunnels.
pub const DATAGRAM: usize = 1400;

/// Each how many datagrams v9 and IPFIX repeat their templates (RFC 3954 section 9, RFC 7011
/// section 8.4: periodically over UDP).
pub const REFRESH: u64 = 20;

/// Template id of flows between IPv4 addresses.
const TEMPLATE4: u16 = 256;
/// Template id of flows between IPv6 addresses.
const TEMPLATE6: u16 = 257;

const FIELDS4: [(u16, u16); 2] =
    [(element::SOURCE_IPV4_ADDRESS, 4), (element::DESTINATION_IPV4_ADDRESS, 4)];
const FIELDS6: [(u16, u16); 2] =
    [(element::SOURCE_IPV6_ADDRESS, 16), (element::DESTINATION_IPV6_ADDRESS, 16)];

/// How far before the export a moment of sysUpTime may lie, in milliseconds: half of what 32 bits
/// tell apart.
const BEHIND: i64 = 1 << 31;

/// Why a flow was not packed. The datagram under way is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// One address of IPv4, one of IPv6: no exporter of ours has a template for that.
    #[error("source and destination are of different families")]
    Mixed,
    /// NetFlow v5 has 32 bits for an address.
    #[error("NetFlow v5 carries no IPv6")]
    Ipv6,
    /// NetFlow v5 has 16 bits for an interface and 32 for a count.
    #[error("NetFlow v5 carries no {column} of {value}")]
    Wide {
        /// The column.
        column: &'static str,
        /// Its value.
        value: u64,
    },
    /// v5 and v9 tell moments by a sysUpTime of 32 bits.
    #[error(
        "{version} carries no moment that is {ahead} ms after the export (24.8 days before it)"
    )]
    Time {
        /// The protocol.
        version: Version,
        /// Milliseconds after the export, negative before it.
        ahead: i64,
    },
}

/// A stateful exporter: packs flows into the datagrams of one version, with its sequence numbers
/// and, for v9 and IPFIX, its templates.
///
/// What it keeps of a flow: the nine columns, start and end in whole milliseconds, and flags (v5:
/// the lower eight; unknown ones as 0). v5 and v9 write an unknown start as the end and an unknown
/// end as the start; both 0 is unknown, so a flow that starts and ends at the boot ends 1 ms later.
/// The exporter's address and the sampling are not carried.
#[derive(Clone, Debug)]
pub struct Exporter {
    version: Version,
    domain: u32,
    /// Milliseconds since the epoch.
    boot: u64,
    /// v5: flows, v9: datagrams, IPFIX: data records before the next datagram.
    sequence: u32,
    /// Datagrams sent.
    sent: u64,
    /// The datagram under way; its header is written when it goes.
    datagram: Vec<u8>,
    /// Where the set under way began, and its id.
    set: Option<(usize, u16)>,
    /// Flows in the datagram under way.
    flows: u16,
    /// Templates in the datagram under way.
    templates: u16,
}

impl Exporter {
    /// An exporter that started at `boot` (sub-milliseconds are dropped). `domain` is v9's source
    /// id or IPFIX's observation domain; v5 has its lower 16 bits as engine type and id.
    pub fn new(version: Version, domain: u32, boot: Timestamp) -> Exporter {
        Exporter {
            version,
            domain,
            boot: millis(boot),
            sequence: 0,
            sent: 0,
            datagram: Vec::with_capacity(v5::HEADER + v5::RECORDS * v5::RECORD),
            set: None,
            flows: 0,
            templates: 0,
        }
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
        let icmp = if flow.proto == ICMP || flow.proto == ICMPV6 { flow.dport } else { 0 };
        match self.version {
            Version::V5 => {
                let narrow = self.narrow(flow, now)?;
                let mut record = [0; v5::RECORD];
                v5::emit_record(flow, &narrow, &mut record);
                if self.flows == 0 {
                    self.begin();
                }
                self.datagram.extend_from_slice(&record);
                self.flows += 1;
                if usize::from(self.flows) == v5::RECORDS {
                    self.flush(now, send);
                }
                Ok(())
            }
            Version::V9 => {
                let mut record = [0; v9::RECORD];
                v9::emit_record(flow, icmp, self.uptimes(flow, now)?, &mut record);
                self.add(flow, &record, now, send)
            }
            Version::Ipfix => {
                let mut record = [0; ipfix::RECORD];
                let times = [flow.start, flow.end].map(|time| time.map_or(0, millis));
                ipfix::emit_record(flow, icmp, times, &mut record);
                self.add(flow, &record, now, send)
            }
        }
    }

    /// Sends the datagram under way, if it has any flows.
    pub fn flush(&mut self, now: Timestamp, send: &mut impl FnMut(&[u8])) {
        if self.flows == 0 {
            return;
        }
        if let Some((at, _)) = self.set.take() {
            set::end(&mut self.datagram, at);
        }
        let mut datagram = std::mem::take(&mut self.datagram);
        self.finish(&mut datagram, self.flows + self.templates, now);
        send(&datagram);
        self.datagram = datagram;
        self.sent += 1;
        self.sequence = self.sequence.wrapping_add(match self.version {
            Version::V9 => 1,
            Version::V5 | Version::Ipfix => self.flows.into(),
        });
        self.flows = 0;
        self.templates = 0;
    }

    /// A datagram with the templates in force and nothing else, for the head of a file; it counts
    /// in no sequence. `None` for v5, which has none.
    pub fn templates(&self, now: Timestamp) -> Option<Vec<u8>> {
        let mut datagram = vec![0; self.header()];
        let count = self.emit_templates(&mut datagram);
        self.finish(&mut datagram, count, now);
        (count > 0).then_some(datagram)
    }

    const fn header(&self) -> usize {
        match self.version {
            Version::V5 => v5::HEADER,
            Version::V9 => v9::HEADER,
            Version::Ipfix => ipfix::HEADER,
        }
    }

    /// Appends the templates as a set. Returns how many.
    fn emit_templates(&self, out: &mut Vec<u8>) -> u16 {
        let (id, fields) = match self.version {
            Version::V5 => return 0,
            Version::V9 => (v9::TEMPLATES, v9::FIELDS),
            Version::Ipfix => (ipfix::TEMPLATES, ipfix::FIELDS),
        };
        let fields6 = fields.map(|(number, len)| match number {
            element::ICMP_TYPE_CODE_IPV4 => (element::ICMP_TYPE_CODE_IPV6, len),
            _ => (number, len),
        });
        let at = set::begin(out, id);
        set::template(out, TEMPLATE4, &[&fields, &FIELDS4]);
        set::template(out, TEMPLATE6, &[&fields6, &FIELDS6]);
        set::end(out, at);
        2
    }

    /// Writes the header of a datagram that holds `count` records.
    fn finish(&self, datagram: &mut [u8], count: u16, now: Timestamp) {
        let secs = u32::try_from(now.secs()).unwrap_or(u32::MAX);
        let uptime = |millis: u64| millis.wrapping_sub(self.boot) as u32;
        let len = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
        match self.version {
            Version::V5 => {
                let header = v5::Header {
                    count,
                    uptime: uptime(millis(now)),
                    secs,
                    nsecs: (millis(now) % 1_000) as u32 * 1_000_000,
                    sequence: self.sequence,
                    engine: self.domain as u16,
                    sampling: 0,
                };
                if let Some(octets) = datagram.first_chunk_mut() {
                    header.emit(octets);
                }
            }
            Version::V9 => {
                // The export time has whole seconds: sysUpTime is that of the second, so that the
                // boot is exact to the millisecond.
                let header = v9::Header {
                    uptime: uptime(u64::from(secs) * 1_000),
                    secs,
                    sequence: self.sequence,
                    source: self.domain,
                };
                if let Some(octets) = datagram.first_chunk_mut() {
                    header.emit(count, octets);
                }
            }
            Version::Ipfix => {
                let header =
                    ipfix::Header { len, secs, sequence: self.sequence, domain: self.domain };
                if let Some(octets) = datagram.first_chunk_mut() {
                    header.emit(octets);
                }
            }
        }
    }

    fn begin(&mut self) {
        self.datagram.clear();
        self.datagram.resize(self.header(), 0);
        if self.sent.is_multiple_of(REFRESH) {
            let mut datagram = std::mem::take(&mut self.datagram);
            self.templates = self.emit_templates(&mut datagram);
            self.datagram = datagram;
        }
    }

    /// Adds a v9 or IPFIX record, in a set of its family.
    fn add(
        &mut self,
        flow: &Flow,
        record: &[u8],
        now: Timestamp,
        send: &mut impl FnMut(&[u8]),
    ) -> Result<(), Refused> {
        let (id, addresses) = match (flow.sip, flow.dip) {
            (IpAddr::V4(_), IpAddr::V4(_)) => (TEMPLATE4, 8),
            (IpAddr::V6(_), IpAddr::V6(_)) => (TEMPLATE6, 32),
            _ => return Err(Refused::Mixed),
        };
        // A further set costs its header and the padding of the one before, and this one's own.
        let most = record.len() + addresses + set::HEADER + 6;
        if self.flows > 0 && self.datagram.len() + most > DATAGRAM {
            self.flush(now, send);
        }
        if self.flows == 0 {
            self.begin();
        }
        match self.set {
            Some((_, open)) if open == id => {}
            other => {
                if let Some((at, _)) = other {
                    set::end(&mut self.datagram, at);
                }
                self.set = Some((set::begin(&mut self.datagram, id), id));
            }
        }
        self.datagram.extend_from_slice(record);
        for address in [flow.sip, flow.dip] {
            match address {
                IpAddr::V4(address) => self.datagram.extend_from_slice(&address.octets()),
                IpAddr::V6(address) => self.datagram.extend_from_slice(&address.octets()),
            }
        }
        self.flows += 1;
        Ok(())
    }

    fn narrow(&self, flow: &Flow, now: Timestamp) -> Result<v5::Narrow, Refused> {
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (flow.sip, flow.dip) else {
            return Err(Refused::Ipv6);
        };
        let interface = |column, value: u32| {
            u16::try_from(value).map_err(|_| Refused::Wide { column, value: value.into() })
        };
        let count =
            |column, value: u64| u32::try_from(value).map_err(|_| Refused::Wide { column, value });
        let [first, last] = self.uptimes(flow, now)?;
        Ok(v5::Narrow {
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

    /// sysUpTime at the flow's start and end; both 0 if they are not known.
    fn uptimes(&self, flow: &Flow, now: Timestamp) -> Result<[u32; 2], Refused> {
        let (Some(first), Some(last)) = (flow.start.or(flow.end), flow.end.or(flow.start)) else {
            return Ok([0, 0]);
        };
        let now = millis(now);
        let uptime = |time| {
            let time = millis(time);
            let ahead = time.wrapping_sub(now).cast_signed();
            if !(-BEHIND..=AHEAD).contains(&ahead) {
                return Err(Refused::Time { version: self.version, ahead });
            }
            Ok(time.wrapping_sub(self.boot) as u32)
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
