//! The packer of v9 and IPFIX: templates, options, and records in sets by template.

use std::net::IpAddr;

use super::super::{element, ipfix, set, v9};
use super::origin::{DATAGRAM, Origin, REFRESH, Refused, millis, seconds};
use crate::flow::{Flow, ICMP, ICMPV6};
use crate::time::Timestamp;

/// Template id of flows between IPv4 addresses.
const TEMPLATE4: u16 = 256;
/// Template id of flows between IPv6 addresses.
const TEMPLATE6: u16 = 257;
/// Id of the options template for the sampling.
const OPTIONS: u16 = 258;

const FIELDS4: [(u16, u16); 2] =
    [(element::SOURCE_IPV4_ADDRESS, 4), (element::DESTINATION_IPV4_ADDRESS, 4)];
const FIELDS6: [(u16, u16); 2] =
    [(element::SOURCE_IPV6_ADDRESS, 16), (element::DESTINATION_IPV6_ADDRESS, 16)];

/// A protocol with templates. The methods cover the differences between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) enum Protocol {
    V9,
    Ipfix,
}

/// The contents of a header, for both protocols.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::wire) struct Head {
    /// sysUpTime at `secs`, in milliseconds; v9 only.
    pub uptime: u32,
    /// Export time in seconds.
    pub secs: u32,
    pub sequence: u32,
    pub domain: u32,
    /// Number of records in the datagram; v9 only.
    pub count: u16,
}

impl Protocol {
    /// Returns the bytes of the header.
    pub const fn header(self) -> usize {
        match self {
            Protocol::V9 => v9::HEADER,
            Protocol::Ipfix => ipfix::HEADER,
        }
    }

    /// Returns the ids of sets of templates and of options templates.
    pub const fn ids(self) -> [u16; 2] {
        match self {
            Protocol::V9 => [v9::TEMPLATES, v9::OPTIONS],
            Protocol::Ipfix => [ipfix::TEMPLATES, ipfix::OPTIONS],
        }
    }

    /// Writes the header of a datagram that is otherwise complete.
    pub fn finish(self, head: &Head, datagram: &mut [u8]) {
        let len = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
        let Head { uptime, secs, sequence, domain, count } = *head;
        match self {
            Protocol::V9 => {
                let header = v9::Header { uptime, secs, sequence, source: domain };
                if let Some(bytes) = datagram.first_chunk_mut() {
                    header.emit(count, bytes);
                }
            }
            Protocol::Ipfix => {
                let header = ipfix::Header { len, secs, sequence, domain };
                if let Some(bytes) = datagram.first_chunk_mut() {
                    header.emit(bytes);
                }
            }
        }
    }

    /// Appends a set of the templates. Returns their number.
    fn emit_templates(self, out: &mut Vec<u8>) -> u16 {
        let (fields, [id, _]) = match self {
            Protocol::V9 => (v9::FIELDS, self.ids()),
            Protocol::Ipfix => (ipfix::FIELDS, self.ids()),
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

    /// Appends a set of the options template for the sampling, and a set of its record.
    fn emit_options(self, domain: u32, interval: u32, out: &mut Vec<u8>) -> Announced {
        let [_, id] = self.ids();
        let at = set::begin(out, id);
        match self {
            Protocol::V9 => v9::emit_options_template(OPTIONS, out),
            Protocol::Ipfix => ipfix::emit_options_template(OPTIONS, out),
        }
        set::end(out, at);
        let at = set::begin(out, OPTIONS);
        match self {
            Protocol::V9 => v9::emit_options(domain, interval, out),
            Protocol::Ipfix => ipfix::emit_options(domain, interval, out),
        }
        set::end(out, at);
        Announced { templates: 1, options: 1 }
    }
}

/// Numbers of records that were appended besides flows.
#[derive(Clone, Copy, Debug, Default)]
struct Announced {
    /// Templates and options templates.
    templates: u16,
    /// Options data records.
    options: u16,
}

/// A packer for sets.
#[derive(Clone, Debug)]
pub(super) struct Sets {
    protocol: Protocol,
    /// Number of datagrams (v9) or data records (IPFIX) before the open datagram.
    sequence: u32,
    /// Number of datagrams sent.
    sent: u64,
    /// The open datagram. Its header is written when it is sent.
    datagram: Vec<u8>,
    /// Offset and id of the open set.
    set: Option<(usize, u16)>,
    /// Number of flows in the open datagram.
    flows: u16,
    /// Other records in the open datagram.
    announced: Announced,
}

impl Sets {
    pub fn new(protocol: Protocol) -> Sets {
        Sets {
            protocol,
            sequence: 0,
            sent: 0,
            datagram: Vec::new(),
            set: None,
            flows: 0,
            announced: Announced::default(),
        }
    }

    pub fn push(
        &mut self,
        origin: &Origin,
        flow: &Flow,
        now: Timestamp,
        send: &mut impl FnMut(&[u8]),
    ) -> Result<(), Refused> {
        let icmp = if flow.proto == ICMP || flow.proto == ICMPV6 { flow.dport } else { 0 };
        match self.protocol {
            Protocol::V9 => {
                let mut record = [0; v9::RECORD];
                v9::emit_record(flow, icmp, origin.uptimes(flow, now)?, &mut record);
                self.add(origin, flow, &record, now, send)
            }
            Protocol::Ipfix => {
                let mut record = [0; ipfix::RECORD];
                let times = [flow.start, flow.end].map(|time| time.map_or(0, millis));
                ipfix::emit_record(flow, icmp, times, &mut record);
                self.add(origin, flow, &record, now, send)
            }
        }
    }

    pub fn flush(&mut self, origin: &Origin, now: Timestamp, send: &mut impl FnMut(&[u8])) {
        if self.flows == 0 {
            return;
        }
        if let Some((at, _)) = self.set.take() {
            set::end(&mut self.datagram, at);
        }
        let Announced { templates, options } = self.announced;
        let count = self.flows + templates + options;
        let head = head(origin, self.sequence, count, now);
        self.protocol.finish(&head, &mut self.datagram);
        send(&self.datagram);
        self.sent += 1;
        self.sequence = self.sequence.wrapping_add(match self.protocol {
            Protocol::V9 => 1,
            // An options record is a data record too (RFC 7011 section 2).
            Protocol::Ipfix => u32::from(self.flows) + u32::from(options),
        });
        self.flows = 0;
        self.announced = Announced::default();
    }

    /// Returns a datagram of templates and options alone.
    pub fn templates(&self, origin: &Origin, now: Timestamp) -> Vec<u8> {
        let mut datagram = vec![0; self.protocol.header()];
        let Announced { templates, options } = self.announce(origin, &mut datagram);
        let head = head(origin, self.sequence, templates + options, now);
        self.protocol.finish(&head, &mut datagram);
        datagram
    }

    /// Appends the templates, and the sampling if there is any.
    fn announce(&self, origin: &Origin, out: &mut Vec<u8>) -> Announced {
        let templates = self.protocol.emit_templates(out);
        let sampling = match origin.sampling {
            0 => Announced::default(),
            interval => self.protocol.emit_options(origin.domain, interval, out),
        };
        Announced { templates: templates + sampling.templates, ..sampling }
    }

    /// Opens a datagram, with templates and options if it is their turn.
    fn begin(&mut self, origin: &Origin) {
        self.datagram.clear();
        self.datagram.resize(self.protocol.header(), 0);
        if self.sent % REFRESH == 0 {
            let mut datagram = std::mem::take(&mut self.datagram);
            self.announced = self.announce(origin, &mut datagram);
            self.datagram = datagram;
        }
    }

    /// Adds a record to a set of its address family.
    fn add(
        &mut self,
        origin: &Origin,
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
        // Another set costs its header, and up to 3 bytes of padding for itself and for the one
        // before.
        let most = record.len() + addresses + set::HEADER + 6;
        if self.flows > 0 && self.datagram.len() + most > DATAGRAM {
            self.flush(origin, now, send);
        }
        if self.flows == 0 {
            self.begin(origin);
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
}

fn head(origin: &Origin, sequence: u32, count: u16, now: Timestamp) -> Head {
    let (secs, _) = seconds(now);
    // The export time has whole seconds. sysUpTime is that at the whole second, so that readers
    // find the exact boot time.
    let uptime = origin.uptime(u64::from(secs) * 1_000);
    Head { uptime, secs, sequence, domain: origin.domain, count }
}
