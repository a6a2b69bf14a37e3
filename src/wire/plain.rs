//! Records of the common shape, read straight into flows.
//!
//! Nearly all templates of routers have a fixed length, addresses of one family, one direction, and
//! no element twice. What such a template leaves to be decided is decided when it comes; a record
//! then costs a dozen reads at known places. Everything else goes through
//! [`Record`](super::record::Record), which gives the same flows (a property test holds the two
//! together).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::element::{Slot, Unit};
use super::record::{Reading, Units};
use super::stats::Source;
use crate::flow::{Flow, ICMP, ICMPV6};

/// A field of a record, in octets from its start. One of no octets is not there, and reads as 0.
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
            ref odd => odd.iter().fold(0, |n, &octet| (n << 8) | u64::from(octet)),
        }
    }

    const fn is_present(self) -> bool {
        self.len > 0
    }

    #[inline(always)]
    fn value(self, record: &[u8]) -> Option<u64> {
        if self.is_present() { Some(self.read(record)) } else { None }
    }

    /// The value; 0 if it is larger than its column.
    #[inline(always)]
    fn fit<T: TryFrom<u64> + Default>(self, record: &[u8]) -> T {
        T::try_from(self.read(record)).unwrap_or_default()
    }
}

/// Where the columns of a flow lie in each record of a template.
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
    /// The plan of a template with these fields as (slot, offset, length); `None` if it takes more.
    pub fn of(fields: &[(Slot, u16, u16)], units: &Units) -> Option<FixedLayout> {
        let place = |slot| {
            let field = fields.iter().find(|&&(of, _, _)| of == slot);
            field.map_or(FieldAt::default(), |&(_, offset, len)| FieldAt { offset, len })
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
        if !fields.iter().all(|&(slot, _, _)| is_plain(slot)) {
            return None;
        }
        let four = [place(Slot::Source4), place(Slot::Destination4)];
        let six = [place(Slot::Source6), place(Slot::Destination6)];
        let whole = |pair: [FieldAt; 2]| pair.into_iter().all(FieldAt::is_present);
        let empty = |pair: [FieldAt; 2]| !pair.into_iter().any(FieldAt::is_present);
        let [source, destination] = match () {
            () if whole(four) && empty(six) => four,
            () if whole(six) && empty(four) => six,
            () => return None,
        };
        let proto = place(Slot::Protocol);
        Some(FixedLayout {
            is_ipv6: whole(six),
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

    /// Reads records of `len` octets each, as many as `octets` holds whole. Every one makes a flow.
    pub fn read(&self, octets: &[u8], len: usize, reading: &mut Reading<'_>) {
        let records = octets.chunks_exact(len);
        let count = records.len();
        reading.out.flows.reserve(count);
        for record in records {
            let flow = self.flow(record, reading);
            reading.out.flows.push(flow);
        }
        reading.stats.records += count as u64;
        reading.stats.flows += count as u64;
    }

    #[inline(always)]
    fn flow(&self, record: &[u8], reading: &mut Reading<'_>) -> Flow {
        let context = reading.context;
        let proto: u8 = self.proto.fit(record);
        let (mut sport, mut dport) = (self.sport.fit(record), self.dport.fit(record));
        if proto == ICMP || proto == ICMPV6 {
            sport = 0;
            let [icmp4, icmp6] = self.icmp;
            let [own, other] = if proto == ICMP { [icmp4, icmp6] } else { [icmp6, icmp4] };
            let whole = |place: FieldAt| u16::try_from(place.value(record)?).ok();
            dport = whole(own).or_else(|| whole(other)).unwrap_or(dport);
        }
        let (start, end) = context.span(
            self.start.0.value(record).map(|n| (n, self.start.1)),
            self.end.0.value(record).map(|n| (n, self.end.1)),
            reading.options.boot,
        );
        let ingress = self.ingress.read(record);
        let egress = self.egress.read(record);
        let (sampling, from) = match u32::try_from(self.sampling.read(record)).unwrap_or(u32::MAX) {
            0 => reading
                .options
                .sampling(
                    self.sampler.value(record),
                    self.selector.value(record),
                    [ingress, egress],
                )
                .unwrap_or((0, Source::Record)),
            own => (own, Source::Record),
        };
        reading.stats.sampled(sampling, from);
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
        let octets = record.get(from..).unwrap_or_default();
        if self.is_ipv6 {
            let address = octets.first_chunk().map_or(0, |octets| u128::from_be_bytes(*octets));
            IpAddr::V6(Ipv6Addr::from_bits(address))
        } else {
            let address = octets.first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
            IpAddr::V4(Ipv4Addr::from_bits(address))
        }
    }
}
