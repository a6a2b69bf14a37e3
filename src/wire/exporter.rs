//! The other way: flows packed into export datagrams.

use std::net::IpAddr;

use super::classic::Narrow;
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
            Version::V1 | Version::V5 | Version::V7 | Version::Sflow => {
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
            _ => self.flows.into(),
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
            Version::V5 | Version::V1 | Version::V7 | Version::Sflow => v5::HEADER,
            Version::V9 => v9::HEADER,
            Version::Ipfix => ipfix::HEADER,
        }
    }

    /// Appends the templates as a set. Returns how many.
    fn emit_templates(&self, out: &mut Vec<u8>) -> u16 {
        let (id, fields) = match self.version {
            Version::V1 | Version::V5 | Version::V7 | Version::Sflow => return 0,
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
            Version::V1 | Version::V5 | Version::V7 | Version::Sflow => {
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

    fn narrow(&self, flow: &Flow, now: Timestamp) -> Result<Narrow, Refused> {
        let (IpAddr::V4(source), IpAddr::V4(destination)) = (flow.sip, flow.dip) else {
            return Err(Refused::Ipv6);
        };
        let interface = |column, value: u32| {
            u16::try_from(value).map_err(|_| Refused::Wide { column, value: value.into() })
        };
        let count =
            |column, value: u64| u32::try_from(value).map_err(|_| Refused::Wide { column, value });
        let [first, last] = self.uptimes(flow, now)?;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Batch, Decoder, Fault, Limits};
    use super::*;

    const VERSIONS: [Version; 3] = [Version::V5, Version::V9, Version::Ipfix];

    fn exporter_address() -> IpAddr {
        "192.0.2.1".parse().unwrap()
    }

    fn boot() -> Timestamp {
        Timestamp::from_millis(994_000_000_250)
    }

    fn flow() -> Flow {
        Flow {
            sip: "140.119.44.91".parse().unwrap(),
            dip: "192.0.2.7".parse().unwrap(),
            sif: 3,
            dif: 4,
            proto: 6,
            sport: 1234,
            dport: 80,
            packets: 2,
            octets: 96,
            start: Timestamp::parse(b"994000001.25"),
            end: Timestamp::parse(b"994000002.25"),
            flags: Some(2),
            exporter: Some(exporter_address()),
            sampling: 0,
        }
    }

    fn flow6() -> Flow {
        Flow {
            sip: "2001:db8::1".parse().unwrap(),
            dip: "2001:db8::2".parse().unwrap(),
            proto: ICMPV6,
            sport: 0,
            dport: 0x8000,
            ..flow()
        }
    }

    fn export(version: Version, flows: &[Flow], now: Timestamp) -> Vec<Vec<u8>> {
        let mut exporter = Exporter::new(version, 0x0102, boot());
        let mut datagrams = Vec::new();
        let mut send = |datagram: &[u8]| datagrams.push(datagram.to_vec());
        for flow in flows {
            exporter.push(flow, now, &mut send).unwrap();
        }
        exporter.flush(now, &mut send);
        exporter.flush(now, &mut send);
        datagrams
    }

    fn decode(datagrams: &[Vec<u8>]) -> Batch {
        let mut decoder = Decoder::new(Limits::default());
        let mut batch = Batch::default();
        for datagram in datagrams {
            decoder.datagram(exporter_address(), Timestamp::default(), datagram, &mut batch);
        }
        for (_, stats) in decoder.stats() {
            assert_eq!((stats.undecodable_sets, stats.no_address), (0, 0));
        }
        batch
    }

    #[test]
    fn a_v9_datagram() {
        let now = Timestamp::parse(b"994000003.5").unwrap();
        #[rustfmt::skip]
        let expected = [
            0, 9, 0, 4, 0, 0, 0x0a, 0xbe, 0x3b, 0x3f, 0x3c, 0x83, 0, 0, 0, 0, 0, 0, 1, 2,
            0, 0, 0, 116,
            1, 0, 0, 13,
            0, 10, 0, 4, 0, 14, 0, 4, 0, 2, 0, 8, 0, 1, 0, 8, 0, 22, 0, 4, 0, 21, 0, 4,
            0, 7, 0, 2, 0, 11, 0, 2, 0, 6, 0, 2, 0, 4, 0, 1, 0, 32, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4,
            1, 1, 0, 13,
            0, 10, 0, 4, 0, 14, 0, 4, 0, 2, 0, 8, 0, 1, 0, 8, 0, 22, 0, 4, 0, 21, 0, 4,
            0, 7, 0, 2, 0, 11, 0, 2, 0, 6, 0, 2, 0, 4, 0, 1, 0, 139, 0, 2, 0, 27, 0, 16, 0, 28, 0, 16,
            1, 0, 0, 56,
            0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 96,
            0, 0, 0x03, 0xe8, 0, 0, 0x07, 0xd0, 0x04, 0xd2, 0, 80, 0, 2, 6, 0, 0,
            140, 119, 44, 91, 192, 0, 2, 7, 0, 0, 0,
            1, 1, 0, 80,
            0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 96,
            0, 0, 0x03, 0xe8, 0, 0, 0x07, 0xd0, 0, 0, 0x80, 0, 0, 2, 58, 0x80, 0,
            0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
            0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
        ];
        assert_eq!(export(Version::V9, &[flow(), flow6()], now), [expected.to_vec()]);
        let templates = Exporter::new(Version::V9, 0x0102, boot()).templates(now).unwrap();
        assert_eq!(templates[20..], expected[20..136]);
        assert_eq!(templates[..4], [0, 9, 0, 2]);
    }

    #[test]
    fn an_ipfix_datagram() {
        let now = Timestamp::parse(b"994000003.5").unwrap();
        #[rustfmt::skip]
        let expected = [
            0, 10, 0, 196, 0x3b, 0x3f, 0x3c, 0x83, 0, 0, 0, 0, 0, 0, 1, 2,
            0, 2, 0, 116,
            1, 0, 0, 13,
            0, 10, 0, 4, 0, 14, 0, 4, 0, 2, 0, 8, 0, 1, 0, 8, 0, 152, 0, 8, 0, 153, 0, 8,
            0, 7, 0, 2, 0, 11, 0, 2, 0, 6, 0, 2, 0, 4, 0, 1, 0, 32, 0, 2, 0, 8, 0, 4, 0, 12, 0, 4,
            1, 1, 0, 13,
            0, 10, 0, 4, 0, 14, 0, 4, 0, 2, 0, 8, 0, 1, 0, 8, 0, 152, 0, 8, 0, 153, 0, 8,
            0, 7, 0, 2, 0, 11, 0, 2, 0, 6, 0, 2, 0, 4, 0, 1, 0, 139, 0, 2, 0, 27, 0, 16, 0, 28, 0, 16,
            1, 0, 0, 64,
            0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 96,
            0, 0, 0, 0xe7, 0x6f, 0x04, 0x58, 0xe2, 0, 0, 0, 0xe7, 0x6f, 0x04, 0x5c, 0xca,
            0x04, 0xd2, 0, 80, 0, 2, 6, 0, 0,
            140, 119, 44, 91, 192, 0, 2, 7, 0, 0, 0,
        ];
        assert_eq!(export(Version::Ipfix, &[flow()], now), [expected.to_vec()]);
    }

    #[test]
    fn records_fill_their_layout() {
        let mut octets = [0xa5; v9::RECORD];
        v9::emit_record(&Flow::default(), 0, [0; 2], &mut octets);
        assert_eq!(octets, [0; v9::RECORD]);
        let mut octets = [0xa5; ipfix::RECORD];
        ipfix::emit_record(&Flow::default(), 0, [0; 2], &mut octets);
        assert_eq!(octets, [0; ipfix::RECORD]);
        let sum = |fields: &[(u16, u16)]| fields.iter().map(|&(_, len)| len).sum::<u16>();
        assert_eq!(usize::from(sum(&v9::FIELDS)), v9::RECORD);
        assert_eq!(usize::from(sum(&ipfix::FIELDS)), ipfix::RECORD);
    }

    #[test]
    fn datagrams_are_numbered_and_filled() {
        let now = Timestamp::parse(b"994000003.5").unwrap();
        let flows = vec![flow(); 1200];
        for version in VERSIONS {
            let datagrams = export(version, &flows, now);
            let mut decoder = Decoder::new(Limits::default());
            let mut batch = Batch::default();
            let mut before = 0;
            for (n, datagram) in datagrams.iter().enumerate() {
                let number =
                    |at: usize| u32::from_be_bytes(datagram[at..at + 4].try_into().unwrap());
                let sequence = match version {
                    Version::V9 => number(12),
                    Version::Ipfix => number(8),
                    _ => number(16),
                };
                let expected = if version == Version::V9 { n } else { batch.flows.len() };
                assert_eq!(sequence as usize, expected, "{version}");
                decoder.datagram(exporter_address(), now, datagram, &mut batch);
                let flows = batch.flows.len() - before;
                before = batch.flows.len();
                let last = n + 1 == datagrams.len();
                match version {
                    Version::V5 => assert_eq!(flows, 30),
                    _ => assert!(last || (1300..=DATAGRAM).contains(&datagram.len())),
                }
                let (_, stats) = decoder.stats().next().unwrap();
                let sent = if version == Version::V5 { 0 } else { n as u64 / REFRESH + 1 };
                assert_eq!(stats.templates, 2 * sent, "{version} {n}");
            }
            assert_eq!(batch.flows, flows);
        }
    }

    #[test]
    fn a_file_s_head_lets_the_rest_be_read() {
        let now = Timestamp::parse(b"994000003.5").unwrap();
        assert_eq!(Exporter::new(Version::V5, 1, boot()).templates(now), None);
        for version in [Version::V9, Version::Ipfix] {
            let mut exporter = Exporter::new(version, 1, boot());
            let mut datagrams = Vec::new();
            let mut send = |datagram: &[u8]| datagrams.push(datagram.to_vec());
            for _ in 0..2 {
                exporter.push(&flow(), now, &mut send).unwrap();
                exporter.flush(now, &mut send);
            }
            let head = exporter.templates(now).unwrap();
            let mut decoder = Decoder::new(Limits::default());
            let mut batch = Batch::default();
            decoder.learn(exporter_address(), &head, &mut batch);
            decoder.datagram(exporter_address(), now, &datagrams[1], &mut batch);
            assert_eq!((batch.flows, batch.late), (vec![flow()], 0), "{version}");
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let now = Timestamp::parse(b"994000003.5").unwrap();
        let refused = |version, flow: Flow| {
            let mut exporter = Exporter::new(version, 1, boot());
            let refused = exporter.push(&flow, now, &mut |_| {}).unwrap_err();
            exporter.flush(now, &mut |_| panic!("nothing to send"));
            refused
        };
        assert_eq!(refused(Version::V5, flow6()), Refused::Ipv6);
        for version in [Version::V9, Version::Ipfix] {
            assert_eq!(refused(version, Flow { sip: flow().sip, ..flow6() }), Refused::Mixed);
        }
        let wide = |column, value| Refused::Wide { column, value };
        let flows = [
            (Flow { sif: 65_536, ..flow() }, wide("sif", 65_536)),
            (Flow { dif: 65_537, ..flow() }, wide("dif", 65_537)),
            (Flow { packets: 1 << 32, ..flow() }, wide("packets", 1 << 32)),
            (Flow { octets: 1 << 33, ..flow() }, wide("octets", 1 << 33)),
        ];
        for (flow, reason) in flows {
            assert_eq!(refused(Version::V5, flow), reason);
        }
        for version in [Version::V5, Version::V9] {
            let old = Flow { start: Timestamp::parse(b"991000003.5"), ..flow() };
            let ahead = -3_000_000_000;
            assert_eq!(refused(version, old), Refused::Time { version, ahead });
        }
    }

    /// A flow as the version can carry it.
    fn any_flow(version: Version) -> impl Strategy<Value = Flow> {
        let v5 = version == Version::V5;
        let addresses = (any::<[u8; 16]>(), any::<[u8; 16]>(), any::<bool>());
        let addresses = addresses.prop_map(move |(a, b, six)| match six && !v5 {
            true => (IpAddr::from(a), IpAddr::from(b)),
            false => {
                let four = |a: [u8; 16]| IpAddr::from([a[0], a[1], a[2], a[3]]);
                (four(a), four(b))
            }
        });
        let (interfaces, counts) = if v5 { (65_535, 1 << 32) } else { (u32::MAX, u64::MAX) };
        let columns = (0..=interfaces, 0..=interfaces, 0..counts, 0..counts, any::<u16>());
        let proto = prop_oneof![Just(6u8), Just(17), Just(ICMP), Just(ICMPV6), any::<u8>()];
        let ports = (proto, any::<u16>(), any::<u16>());
        // Start at most 20 days before the export, known to the millisecond; end after it.
        let times = prop::option::of((0..1_728_000_000u64, 0..1_000u64));
        (addresses, columns, ports, times).prop_map(move |(addresses, columns, ports, times)| {
            let (sif, dif, packets, octets, flags) = columns;
            let (proto, sport, dport) = ports;
            let at = |millis| Timestamp::from_millis(994_000_000_500 - millis);
            Flow {
                sip: addresses.0,
                dip: addresses.1,
                sif,
                dif,
                proto,
                sport: if proto == ICMP || proto == ICMPV6 { 0 } else { sport },
                dport,
                packets,
                octets,
                start: times.map(|(before, _)| at(before)),
                end: times.map(|(before, lasts)| at(before.saturating_sub(lasts))),
                flags: Some(if v5 { flags & 0xff } else { flags }),
                ..flow()
            }
        })
    }

    fn round_trip(version: Version, flows: &[Flow]) -> Result<(), TestCaseError> {
        let now = Timestamp::parse(b"994000000.987654321").unwrap();
        let datagrams = export(version, flows, now);
        let batch = decode(&datagrams);
        prop_assert_eq!(&batch.flows, flows);
        prop_assert!(batch.errors.is_empty() && batch.late == 0);
        let most = if version == Version::V5 { 1464 } else { DATAGRAM };
        prop_assert!(datagrams.iter().all(|datagram| datagram.len() <= most));
        Ok(())
    }

    proptest! {
        #[test]
        fn v5_reads_back(flows in prop::collection::vec(any_flow(Version::V5), 0..80)) {
            round_trip(Version::V5, &flows)?;
        }

        #[test]
        fn v9_reads_back(flows in prop::collection::vec(any_flow(Version::V9), 0..80)) {
            round_trip(Version::V9, &flows)?;
        }

        #[test]
        fn ipfix_reads_back(flows in prop::collection::vec(any_flow(Version::Ipfix), 0..80)) {
            round_trip(Version::Ipfix, &flows)?;
        }

        #[test]
        fn a_cut_datagram_gives_the_flows_before_the_cut(
            flows in prop::collection::vec(any_flow(Version::V9), 1..20),
            cut: prop::sample::Index,
            ipfix: bool,
        ) {
            let version = if ipfix { Version::Ipfix } else { Version::V9 };
            let mut datagrams = export(version, &flows, Timestamp::from_millis(994_000_000_500));
            datagrams.truncate(1);
            let whole = decode(&datagrams).flows;
            let at = cut.index(datagrams[0].len());
            datagrams[0].truncate(at);
            let mut decoder = Decoder::new(Limits::default());
            let mut batch = Batch::default();
            decoder.datagram(exporter_address(), Timestamp::default(), &datagrams[0], &mut batch);
            prop_assert!(whole.starts_with(&batch.flows));
            let header = if ipfix { ipfix::HEADER } else { v9::HEADER };
            if ipfix && at >= header {
                let (_, stats) = decoder.stats().next().unwrap();
                prop_assert_eq!(stats.faults.get(Fault::MessageLength), 1);
            }
        }
    }
}
