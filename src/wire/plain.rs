//! A fast path for records of the common shape.
//!
//! Nearly all templates of routers have a fixed length, addresses of one family, one direction, and
//! no element twice. For such a template all decisions are made when it arrives; a record then costs
//! a dozen reads at known offsets. Every other record goes through
//! [`Record`](super::record::Record), the reference implementation: a property test checks that both
//! make the same flows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::context::TimeUnits;
use super::element::{Slot, Unit};
use super::sink::RecordSink;
use super::stats::Source;
use crate::flow::{Flow, ICMP, ICMPV6};

/// A field of a record of fixed length, and the slot that it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FixedField {
    /// Bytes before the field.
    pub offset: u16,
    /// Bytes of the field.
    pub len: u16,
    pub slot: Slot,
}

/// The place of a field in a record, in bytes from its start. A field of length 0 is absent, and
/// reads as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct FieldAt {
    offset: u16,
    len: u16,
}

impl FieldAt {
    #[inline(always)]
    fn read(self, record: &[u8]) -> u64 {
        let from = usize::from(self.offset);
        match *record.get(from..from + usize::from(self.len)).unwrap_or_default() {
            [] => 0,
            [a] => a.into(),
            [a, b] => u16::from_be_bytes([a, b]).into(),
            [a, b, c, d] => u32::from_be_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            ref odd => odd.iter().fold(0, |n, &byte| (n << 8) | u64::from(byte)),
        }
    }

    const fn is_present(self) -> bool {
        self.len > 0
    }

    #[inline(always)]
    fn value(self, record: &[u8]) -> Option<u64> {
        if self.is_present() { Some(self.read(record)) } else { None }
    }

    /// Returns the value, or 0 if its column cannot hold it.
    #[inline(always)]
    fn fit<T: TryFrom<u64> + Default>(self, record: &[u8]) -> T {
        T::try_from(self.read(record)).unwrap_or_default()
    }
}

/// The places of a flow's columns in each record of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FixedLayout {
    is_ipv6: bool,
    source: FieldAt,
    destination: FieldAt,
    proto: FieldAt,
    sport: FieldAt,
    dport: FieldAt,
    /// Type and code of ICMP and of ICMPv6.
    icmp: [FieldAt; 2],
    ingress: FieldAt,
    egress: FieldAt,
    flags: FieldAt,
    packets: FieldAt,
    octets: FieldAt,
    start: (FieldAt, Unit),
    end: (FieldAt, Unit),
    sampling: FieldAt,
    sampler: FieldAt,
    selector: FieldAt,
}

impl FixedLayout {
    /// Returns the layout of a template with these fields, or `None` if the fast path cannot read
    /// its records.
    pub fn of(fields: &[FixedField], units: &TimeUnits) -> Option<FixedLayout> {
        let place = |slot| {
            let field = fields.iter().find(|field| field.slot == slot);
            field.map_or(FieldAt::default(), |field| FieldAt {
                offset: field.offset,
                len: field.len,
            })
        };
        let is_plain = |slot| {
            matches!(
                slot,
                Slot::Source4
                    | Slot::Destination4
                    | Slot::Source6
                    | Slot::Destination6
                    | Slot::Protocol
                    | Slot::SourcePort
                    | Slot::DestinationPort
                    | Slot::Icmp4
                    | Slot::Icmp6
                    | Slot::Ingress
                    | Slot::Egress
                    | Slot::Flags
                    | Slot::Packets
                    | Slot::Octets
                    | Slot::Start
                    | Slot::End
                    | Slot::Sampling
                    | Slot::Sampler
                    | Slot::Selector
            )
        };
        if !fields.iter().all(|field| is_plain(field.slot)) {
            return None;
        }
        let ipv4 = [place(Slot::Source4), place(Slot::Destination4)];
        let ipv6 = [place(Slot::Source6), place(Slot::Destination6)];
        let is_whole = |pair: [FieldAt; 2]| pair.into_iter().all(FieldAt::is_present);
        let is_absent = |pair: [FieldAt; 2]| !pair.into_iter().any(FieldAt::is_present);
        let [source, destination] = if is_whole(ipv4) && is_absent(ipv6) {
            ipv4
        } else if is_whole(ipv6) && is_absent(ipv4) {
            ipv6
        } else {
            return None;
        };
        let proto = place(Slot::Protocol);
        Some(FixedLayout {
            is_ipv6: is_whole(ipv6),
            source,
            destination,
            proto: proto.is_present().then_some(proto)?,
            sport: place(Slot::SourcePort),
            dport: place(Slot::DestinationPort),
            icmp: [place(Slot::Icmp4), place(Slot::Icmp6)],
            ingress: place(Slot::Ingress),
            egress: place(Slot::Egress),
            flags: place(Slot::Flags),
            packets: place(Slot::Packets),
            octets: place(Slot::Octets),
            start: (place(Slot::Start), units.start),
            end: (place(Slot::End), units.end),
            sampling: place(Slot::Sampling),
            sampler: place(Slot::Sampler),
            selector: place(Slot::Selector),
        })
    }

    /// Reads all whole records of `len` bytes. Each of them makes one flow.
    pub fn read(&self, bytes: &[u8], len: usize, sink: &mut RecordSink<'_>) {
        let records = bytes.chunks_exact(len);
        let count = records.len();
        sink.out.flows.reserve(count);
        for record in records {
            let flow = self.flow(record, sink);
            sink.out.flows.push(flow);
        }
        sink.stats.records += count as u64;
        sink.stats.flows += count as u64;
    }

    #[inline(always)]
    fn flow(&self, record: &[u8], sink: &mut RecordSink<'_>) -> Flow {
        let context = sink.context;
        let proto: u8 = self.proto.fit(record);
        let (mut sport, mut dport) = (self.sport.fit(record), self.dport.fit(record));
        if proto == ICMP || proto == ICMPV6 {
            sport = 0;
            let [icmp4, icmp6] = self.icmp;
            let [own, other] = if proto == ICMP { [icmp4, icmp6] } else { [icmp6, icmp4] };
            let type_and_code = |place: FieldAt| u16::try_from(place.value(record)?).ok();
            dport = type_and_code(own).or_else(|| type_and_code(other)).unwrap_or(dport);
        }
        let (start, end) = context.span(
            self.start.0.value(record).map(|n| (n, self.start.1)),
            self.end.0.value(record).map(|n| (n, self.end.1)),
            sink.options.boot,
        );
        let ingress = self.ingress.read(record);
        let egress = self.egress.read(record);
        let (sampling, from) = match u32::try_from(self.sampling.read(record)).unwrap_or(u32::MAX) {
            0 => sink
                .options
                .sampling(
                    self.sampler.value(record),
                    self.selector.value(record),
                    [ingress, egress],
                )
                .unwrap_or((0, Source::Record)),
            own => (own, Source::Record),
        };
        sink.stats.sampled(sampling, from);
        Flow {
            sip: self.address(self.source, record),
            dip: self.address(self.destination, record),
            sif: u32::try_from(ingress).unwrap_or_default(),
            dif: u32::try_from(egress).unwrap_or_default(),
            proto,
            sport,
            dport,
            packets: self.packets.read(record),
            octets: self.octets.read(record),
            start,
            end,
            flags: self.flags.value(record).and_then(|n| u16::try_from(n).ok()),
            exporter: Some(context.exporter),
            sampling,
        }
    }

    #[inline(always)]
    fn address(&self, place: FieldAt, record: &[u8]) -> IpAddr {
        let from = usize::from(place.offset);
        let bytes = record.get(from..).unwrap_or_default();
        if self.is_ipv6 {
            let address = bytes.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
            IpAddr::V6(Ipv6Addr::from_bits(address))
        } else {
            let address = bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            IpAddr::V4(Ipv4Addr::from_bits(address))
        }
    }
}
