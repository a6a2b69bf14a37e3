//! The values of one record, and the flows that they make.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::context::{Context, Span, TimeUnits};
use super::element::{Slot, Unit};
use super::options::OptionsValues;
use super::sink::RecordSink;
use super::stats::Source;
use crate::flow::{Extra, Flow, ICMP, ICMPV6, TCP, UDP};
use crate::packet::{self, Headers, Link};
use crate::time::Timestamp;

/// The values of one record, by slot. The decoder clears and fills one `Record` for all records.
#[derive(Debug)]
pub(super) struct Record {
    /// One bit for each slot that has a value.
    present: u128,
    numbers: [u64; Slot::COUNT],
    wide: [u128; Slot::WIDE],
    /// Headers of a packet, if the record holds the first bytes of one.
    packet: Option<Headers>,
}

const _: () = assert!(Slot::COUNT <= 128);

impl Record {
    pub const fn new() -> Record {
        Record { present: 0, numbers: [0; Slot::COUNT], wide: [0; Slot::WIDE], packet: None }
    }

    /// Removes all values.
    pub fn clear(&mut self) {
        self.present = 0;
        self.packet = None;
    }

    /// Stores the value of a field, unless the slot cannot have a field of this length.
    #[inline]
    pub fn load(&mut self, slot: Slot, bytes: &[u8]) {
        let number = match *bytes {
            [a] => u64::from(a),
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => return self.load_odd(slot, bytes),
        };
        if slot.takes(bytes.len()) {
            self.set(slot, number);
        }
    }

    fn load_odd(&mut self, slot: Slot, bytes: &[u8]) {
        if !slot.takes(bytes.len()) {
            return;
        }
        match slot {
            Slot::Frame => self.packet = packet::headers(Link::Ethernet, bytes, None),
            Slot::Ip => self.packet = packet::headers(Link::Ip, bytes, None),
            _ => {}
        }
        match (self.wide.get_mut(slot as usize), <[u8; 16]>::try_from(bytes)) {
            (Some(place), Ok(wide)) => {
                *place = u128::from_be_bytes(wide);
                self.present |= 1 << slot as u8;
            }
            _ => {
                let number = bytes.iter().fold(0, |n, &byte| (n << 8) | u64::from(byte));
                self.set(slot, number);
            }
        }
    }

    fn set(&mut self, slot: Slot, number: u64) {
        if let Some(place) = self.numbers.get_mut(slot as usize) {
            *place = number;
            self.present |= 1 << slot as u8;
        }
    }

    fn has(&self, slot: Slot) -> bool {
        self.present & (1 << slot as u8) != 0
    }

    /// Returns the value of a slot, if the record has one.
    pub fn get(&self, slot: Slot) -> Option<u64> {
        if self.has(slot) { self.numbers.get(slot as usize).copied() } else { None }
    }

    /// Returns the value of a slot; 0 if there is none, or if its column cannot hold it.
    fn fit<T: TryFrom<u64> + Default>(&self, slot: Slot) -> T {
        self.get(slot).and_then(|n| T::try_from(n).ok()).unwrap_or_default()
    }

    /// Returns source and destination address. A dual-stack template has fields for both families,
    /// and its records leave one family zero: the other one is returned. If both are filled or both
    /// are zero, it is IPv4.
    fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let (source4, destination4) = (self.ipv4(Slot::Source4), self.ipv4(Slot::Destination4));
        let (source6, destination6) = (self.ipv6(Slot::Source6), self.ipv6(Slot::Destination6));
        if let (None, None, None, None, Some(packet)) =
            (source4, destination4, source6, destination6, &self.packet)
        {
            return Some((packet.sip, packet.dip));
        }
        if source6.is_none() && destination6.is_none() {
            return Some((source4?, destination4?));
        }
        let filled = |address: Option<IpAddr>| address.is_some_and(|a| !a.is_unspecified());
        let prefer6 = !filled(source4)
            && !filled(destination4)
            && (filled(source6) || filled(destination6) || source4.is_none());
        if prefer6 {
            Some((source6.or(source4)?, destination6.or(destination4)?))
        } else {
            Some((source4.or(source6)?, destination4.or(destination6)?))
        }
    }

    fn ipv4(&self, slot: Slot) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::from_bits(self.get(slot)? as u32)))
    }

    fn ipv6(&self, slot: Slot) -> Option<IpAddr> {
        if !self.has(slot) {
            return None;
        }
        self.wide.get(slot as usize).map(|&bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
    }

    /// Returns the protocol. Templates without its element (softflowd's for ICMP) have elements of
    /// one protocol only, which name it; 0 if there are none of these either.
    fn proto(&self) -> u8 {
        let any = |slots: [Slot; 2]| slots.into_iter().any(|slot| self.has(slot));
        if self.has(Slot::Protocol) {
            self.fit(Slot::Protocol)
        } else if any([Slot::Icmp4, Slot::IcmpType4]) {
            ICMP
        } else if any([Slot::Icmp6, Slot::IcmpType6]) {
            ICMPV6
        } else if any([Slot::TcpSource, Slot::TcpDestination]) {
            TCP
        } else if any([Slot::UdpSource, Slot::UdpDestination]) {
            UDP
        } else {
            self.packet.map_or(0, |packet| packet.proto)
        }
    }

    /// Returns type * 256 + code of ICMP by its own elements; those of the flow's address family are
    /// tried first.
    fn icmp(&self, proto: u8) -> Option<u16> {
        let pair = |kind, code| {
            let kind = u8::try_from(self.get(kind)?).ok()?;
            Some(u16::from_be_bytes([kind, self.fit::<u8>(code)]))
        };
        let whole = |slot| self.get(slot).and_then(|n| u16::try_from(n).ok());
        let icmp4 = || whole(Slot::Icmp4).or_else(|| pair(Slot::IcmpType4, Slot::IcmpCode4));
        let icmp6 = || whole(Slot::Icmp6).or_else(|| pair(Slot::IcmpType6, Slot::IcmpCode6));
        if proto == ICMP { icmp4().or_else(icmp6) } else { icmp6().or_else(icmp4) }
    }

    /// Returns the headers of the packet if its protocol is `proto`. The record's own element may
    /// name another protocol; ports and flags of the packet mean nothing then.
    fn packet_of(&self, proto: u8) -> Option<&Headers> {
        self.packet.as_ref().filter(|packet| packet.proto == proto)
    }

    fn ports(&self, proto: u8) -> (u16, u16) {
        let has_ports =
            [Slot::SourcePort, Slot::DestinationPort].into_iter().any(|slot| self.has(slot));
        if let (false, Some(packet)) = (has_ports, self.packet_of(proto)) {
            return (packet.sport, packet.dport);
        }
        let port = |slot: Slot, udp: Slot, tcp: Slot| {
            let other = match proto {
                UDP => udp,
                TCP => tcp,
                _ => slot,
            };
            self.fit(if self.has(slot) { slot } else { other })
        };
        let sport = port(Slot::SourcePort, Slot::UdpSource, Slot::TcpSource);
        let dport = port(Slot::DestinationPort, Slot::UdpDestination, Slot::TcpDestination);
        if proto == ICMP || proto == ICMPV6 {
            (0, self.icmp(proto).unwrap_or(dport))
        } else {
            (sport, dport)
        }
    }

    /// Returns the N of packet sampling 1 in N; 0 if the record does not state it. The first of these
    /// elements counts:
    ///
    /// * 34 or 50: N;
    /// * 305 and 306: 305 packets are taken, then 306 are left out (RFC 5477 section 8.2); exporters
    ///   that send 305 alone mean N;
    /// * 309 and 310: 309 packets out of 310;
    /// * 311: the probability.
    fn sampling(&self) -> u32 {
        let clamp = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        if let Some(interval) = self.get(Slot::Sampling).filter(|&interval| interval > 0) {
            return clamp(interval);
        }
        match (self.get(Slot::SampledPackets), self.get(Slot::SampledSpace)) {
            (Some(taken), Some(space)) if taken > 0 => {
                return clamp(taken.saturating_add(space) / taken);
            }
            (Some(taken), None) => return clamp(taken),
            _ => {}
        }
        match (self.get(Slot::SamplingSize), self.get(Slot::SamplingPopulation)) {
            (Some(size), Some(population)) if size > 0 => return clamp(population / size),
            _ => {}
        }
        match self.get(Slot::SamplingProbability) {
            None => 0,
            Some(bits) => {
                // A float32 fills the lower half only. No float64 that is a sensible probability
                // has an upper half of zeros.
                let float32 = u32::try_from(bits).map(|bits| f64::from(f32::from_bits(bits)));
                let probability = float32.unwrap_or(f64::from_bits(bits));
                if probability > 0.0 && probability <= 1.0 {
                    clamp((1.0 / probability).round() as u64)
                } else {
                    0
                }
            }
        }
    }

    /// Returns the values of an options data record.
    pub fn options_values(&self) -> OptionsValues {
        OptionsValues {
            boot_millis: self.get(Slot::SystemInit),
            sampling: self.sampling(),
            sampler: self.get(Slot::Sampler),
            selector: self.get(Slot::Selector),
            interface: self.get(Slot::Ingress),
            part: self.get(Slot::Part),
        }
    }

    /// Returns start and end of one direction. If one of them is missing, it follows from the other
    /// and the duration.
    fn times(
        &self,
        context: &Context,
        boot: Option<Timestamp>,
        [start, end, duration]: [(Slot, Unit); 3],
    ) -> Span {
        let value = |(slot, unit): (Slot, Unit)| self.get(slot).map(|value| (value, unit));
        let (mut first, mut last) = context.span(value(start), value(end), boot);
        let known = value(duration).and_then(|(n, unit)| {
            n.checked_mul(if unit == Unit::Millis { 1_000_000 } else { 1_000 })
        });
        if let Some(nanos) = known {
            match (first, last) {
                (Some(at), None) => last = at.nanos().checked_add(nanos).map(Timestamp::from_nanos),
                (None, Some(at)) => {
                    first = at.nanos().checked_sub(nanos).map(Timestamp::from_nanos)
                }
                _ => {}
            }
        }
        (first, last)
    }

    /// Appends the forward flow, and the reverse flow if one of its counters is above 0. If there is a
    /// reverse flow, a forward flow that states 0 packets and has no bytes is left out. Returns the
    /// number of flows: 0 if an address is missing.
    pub fn flows(&self, units: &TimeUnits, sink: &mut RecordSink<'_>) -> u64 {
        let Some((sip, dip)) = self.addresses() else { return 0 };
        let packet = self.packet.as_ref();
        let proto = self.proto();
        let (sport, dport) = self.ports(proto);
        let options = &*sink.options;
        let boot = self.get(Slot::SystemInit).map(Timestamp::from_millis).or(options.boot);
        let (start, end) = self.times(
            sink.context,
            boot,
            [(Slot::Start, units.start), (Slot::End, units.end), (Slot::Duration, units.duration)],
        );
        // A sampled packet has one time.
        let (start, end) = match packet {
            Some(_) => (start.or(end), end.or(start)),
            None => (start, end),
        };
        let flags = |slot| self.get(slot).and_then(|n| u16::try_from(n).ok());
        let (sampling, source) = match self.sampling() {
            0 => {
                let (sampler, selector) = (self.get(Slot::Sampler), self.get(Slot::Selector));
                let interfaces =
                    [Slot::Ingress, Slot::Egress].map(|slot| self.get(slot).unwrap_or(0));
                options.sampling(sampler, selector, interfaces).unwrap_or((0, Source::Record))
            }
            own => (own, Source::Record),
        };
        // A record of a sampled packet may have no counters: it counts one packet.
        let counted = |slot, of_packet: u64| match packet {
            Some(_) if !self.has(slot) => of_packet,
            _ => self.fit(slot),
        };
        let flow = Flow {
            sip,
            dip,
            sif: self.fit(Slot::Ingress),
            dif: self.fit(Slot::Egress),
            proto,
            sport,
            dport,
            packets: counted(Slot::Packets, 1),
            octets: counted(Slot::Octets, packet.map_or(0, |packet| packet.length)),
            start,
            end,
            flags: flags(Slot::Flags).or(self.packet_of(proto).and_then(|packet| packet.flags)),
            exporter: Some(sink.context.exporter),
            sampling,
        };
        sink.stats.sampled(sampling, source);
        let extra = sink.want.extras.then(|| self.extra(sink.domain));
        let packets = self.fit(Slot::ReversePackets);
        let octets = self.fit(Slot::ReverseOctets);
        let has_reverse = packets != 0 || octets != 0;
        // softflowd exports a reverse direction alone if it has seen no forward packet.
        let is_reverse_only =
            has_reverse && self.has(Slot::Packets) && (flow.packets, flow.octets) == (0, 0);
        if !is_reverse_only {
            sink.out.flows.push(flow);
            sink.out.extras.extend(extra);
        }
        if !has_reverse {
            return 1;
        }
        let icmp = proto == ICMP || proto == ICMPV6;
        let (sport, dport) =
            if icmp { (0, self.reverse_icmp(proto, dport)) } else { (dport, sport) };
        let reverse_times = [
            (Slot::ReverseStart, units.reverse_start),
            (Slot::ReverseEnd, units.reverse_end),
            (Slot::ReverseDuration, units.reverse_duration),
        ];
        let (start, end) = match self.times(sink.context, boot, reverse_times) {
            // A reverse direction without times of its own has those of the forward one.
            (None, None) => (start, end),
            times => times,
        };
        let interface = |slot, other| if self.has(slot) { self.fit(slot) } else { other };
        sink.out.flows.push(Flow {
            sip: dip,
            dip: sip,
            sif: interface(Slot::ReverseIngress, flow.dif),
            dif: interface(Slot::ReverseEgress, flow.sif),
            sport,
            dport,
            packets,
            octets,
            start,
            end,
            flags: flags(Slot::ReverseFlags),
            ..flow
        });
        let tos = self.get(Slot::ReverseTos).and_then(|n| u8::try_from(n).ok());
        let reversed = |extra: Extra| Extra { tos: tos.or(extra.tos), ..extra.reversed() };
        sink.out.extras.extend(extra.map(reversed));
        if is_reverse_only { 1 } else { 2 }
    }

    /// Returns the columns that a [`Flow`] does not have.
    fn extra(&self, domain: u32) -> Extra {
        let packet = self.packet.as_ref();
        let number = |slot| self.get(slot).and_then(|n| u32::try_from(n).ok());
        let short = |slot| self.get(slot).and_then(|n| u16::try_from(n).ok());
        let byte = |slot| self.get(slot).and_then(|n| u8::try_from(n).ok());
        let mac = |slot| {
            let [_, _, mac @ ..] = self.get(slot)?.to_be_bytes();
            Some(mac)
        };
        // If the template has an address of both families, the record leaves one zero.
        let address = |slot4, slot6| {
            let ipv4 = self.ipv4(slot4);
            match ipv4 {
                Some(address) if !address.is_unspecified() => ipv4,
                _ => self.ipv6(slot6).or(ipv4),
            }
        };
        Extra {
            tos: byte(Slot::Tos).or(packet.and_then(|packet| packet.tos)),
            srcas: number(Slot::SourceAs),
            dstas: number(Slot::DestinationAs),
            srcmask: byte(Slot::SourceMask),
            dstmask: byte(Slot::DestinationMask),
            nexthop: address(Slot::NextHop4, Slot::NextHop6),
            bgpnexthop: address(Slot::BgpNextHop4, Slot::BgpNextHop6),
            vlan: short(Slot::Vlan).or(packet.and_then(|packet| packet.vlan)),
            outvlan: short(Slot::OutVlan),
            srcmac: mac(Slot::SourceMac).or(packet.and_then(|packet| packet.srcmac)),
            dstmac: mac(Slot::DestinationMac).or(packet.and_then(|packet| packet.dstmac)),
            natsip: address(Slot::NatSource4, Slot::NatSource6),
            natdip: address(Slot::NatDestination4, Slot::NatDestination6),
            natsport: short(Slot::NatSourcePort),
            natdport: short(Slot::NatDestinationPort),
            event: byte(Slot::FirewallEvent).or(byte(Slot::NatEvent)),
            direction: byte(Slot::Direction),
            endreason: byte(Slot::EndReason),
            vrf: number(Slot::Vrf),
            domain: Some(domain),
        }
    }

    /// Returns ICMP type and code of the reverse direction: by its own element, else the forward
    /// ones. The reverse of an echo request is an echo reply, so that a host which answers pings is
    /// not taken for one that sends them.
    fn reverse_icmp(&self, proto: u8, forward: u16) -> u16 {
        let own = self.get(Slot::ReverseIcmp4).or(self.get(Slot::ReverseIcmp6));
        match (own.and_then(|n| u16::try_from(n).ok()), proto, forward >> 8) {
            (Some(own), _, _) => own,
            (None, ICMP, 8) => 0,
            (None, ICMPV6, 128) => 129 << 8,
            (None, _, _) => forward,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::tests::context;
    use super::*;

    #[test]
    fn a_duration_gives_the_missing_time() {
        let mut record = Record::new();
        record.load(Slot::Start, &1_000u64.to_be_bytes());
        record.load(Slot::Duration, &[0, 0, 1]);
        let times = |record: &Record, unit| {
            let times =
                [(Slot::Start, Unit::Seconds), (Slot::End, Unit::Seconds), (Slot::Duration, unit)];
            record.times(&context(), None, times)
        };
        let end = |record: &Record, unit| times(record, unit).1.unwrap().to_string();
        assert_eq!(end(&record, Unit::Millis), "1000.001");
        assert_eq!(end(&record, Unit::Micros), "1000.000001");
        record.clear();
        record.load(Slot::End, &[9]);
        record.load(Slot::Duration, &[255, 255, 255, 255]);
        assert_eq!(times(&record, Unit::Millis).0, None);
        record.load(Slot::Start, &[10]);
        assert_eq!(times(&record, Unit::Millis), (None, Some(Timestamp::from_secs(9))));
    }

    #[test]
    fn numbers_have_one_to_eight_bytes() {
        let mut record = Record::new();
        for len in 0..20 {
            record.clear();
            record.load(Slot::Packets, &[1u8; 20][..len]);
            let expected = match len {
                1..=8 => Some(0x0101_0101_0101_0101 >> (64 - 8 * len)),
                _ => None,
            };
            assert_eq!(record.get(Slot::Packets), expected, "{len}");
        }
    }

    #[test]
    fn the_address_family_that_is_filled_is_used() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let ipv4 = [10, 0, 0, 1];
        let mut ipv6 = [0; 16];
        ipv6[0] = 0x20;
        let with = |fields: &[(Slot, &[u8])]| {
            let mut record = Record::new();
            for (slot, bytes) in fields {
                record.load(*slot, bytes);
            }
            record.addresses()
        };
        let zero6 = [0; 16];
        use Slot::{Destination4, Destination6, Source4, Source6};
        assert_eq!(with(&[(Source4, &ipv4)]), None);
        assert_eq!(with(&[(Source6, &ipv6)]), None);
        assert_eq!(with(&[(Source6, &ipv6[..15]), (Destination6, &ipv6)]), None);
        assert_eq!(
            with(&[(Source4, &ipv4), (Destination4, &[0; 4]), (Source6, &zero6)]),
            Some((address("10.0.0.1"), address("0.0.0.0")))
        );
        let dual: [(Slot, &[u8]); 4] =
            [(Source4, &[0; 4]), (Destination4, &[0; 4]), (Source6, &zero6), (Destination6, &ipv6)];
        assert_eq!(with(&dual), Some((address("::"), address("2000::"))));
        let both: [(Slot, &[u8]); 4] =
            [(Source4, &ipv4), (Destination4, &ipv4), (Source6, &ipv6), (Destination6, &ipv6)];
        assert_eq!(with(&both), Some((address("10.0.0.1"), address("10.0.0.1"))));
        let zeros: [(Slot, &[u8]); 4] = [
            (Source4, &[0; 4]),
            (Destination4, &[0; 4]),
            (Source6, &zero6),
            (Destination6, &zero6),
        ];
        assert_eq!(with(&zeros), Some((address("0.0.0.0"), address("0.0.0.0"))));
    }

    #[test]
    fn sampling_is_read_from_any_of_its_elements() {
        let sampling = |fields: &[(Slot, u8)]| {
            let mut record = Record::new();
            for &(slot, n) in fields {
                record.load(slot, &[n]);
            }
            record.sampling()
        };
        assert_eq!(sampling(&[]), 0);
        assert_eq!(sampling(&[(Slot::Sampling, 100)]), 100);
        assert_eq!(sampling(&[(Slot::Sampling, 0), (Slot::SampledPackets, 100)]), 100);
        assert_eq!(sampling(&[(Slot::SampledPackets, 100)]), 100);
        assert_eq!(sampling(&[(Slot::SampledPackets, 1), (Slot::SampledSpace, 99)]), 100);
        assert_eq!(sampling(&[(Slot::SampledPackets, 0), (Slot::SampledSpace, 99)]), 0);
    }

    #[test]
    fn an_options_record_gives_sampling_and_scope() {
        let mut record = Record::new();
        for (slot, n) in
            [(Slot::Selector, 7u64), (Slot::SampledPackets, 1), (Slot::SampledSpace, 999)]
        {
            record.load(slot, &n.to_be_bytes());
        }
        let expected =
            OptionsValues { sampling: 1000, selector: Some(7), ..OptionsValues::default() };
        assert_eq!(record.options_values(), expected);
    }
}
