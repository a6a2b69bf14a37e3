//! The values of one record, and the flows they make.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Batch;
use super::element::{Slot, Unit};
use super::limits::DecoderLimits;
use super::options::Options;
use super::session::DecodeOptions;
use super::stats::{Source, Stats};
use crate::flow::{Extra, Flow, ICMP, ICMPV6, TCP, UDP};
use crate::packet::{self, Headers, Link};
use crate::time::Timestamp;

const NANOS: u64 = 1_000_000_000;
pub(super) const NANOS_PER_MILLI: i64 = 1_000_000;

/// Seconds from NTP's epoch, 1900, to Unix's.
const NTP_TO_UNIX: u64 = 2_208_988_800;

/// How far a relative moment may lie after the export: some exporters read the clock twice, some
/// state the export time in whole seconds. More is nonsense.
pub(super) const AHEAD: i64 = 3_600_000;

/// When a flow started and ended, where that is known.
pub(super) type Span = (Option<Timestamp>, Option<Timestamp>);

/// What a record's values are relative to: the header of its datagram, and who sent it. Held data
/// keeps it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// Source address of the datagram.
    pub exporter: IpAddr,
    /// Export time by the header.
    pub export: Timestamp,
    /// sysUpTime by the header, in milliseconds at the export time. IPFIX has none.
    pub uptime: Option<u32>,
}

impl Context {
    /// A moment that is `millis` of sysUpTime, in 32 bits that wrap after 49.7 days, where the
    /// export was at `uptime`: the one nearest to the export, up to 24.8 days before it.
    pub fn at_uptime(&self, millis: u32, uptime: u32) -> Option<Timestamp> {
        let ahead = i64::from(millis.wrapping_sub(uptime) as i32);
        if ahead > AHEAD {
            return None;
        }
        let nanos = self.export.nanos().checked_add_signed(ahead * NANOS_PER_MILLI)?;
        Some(Timestamp::from_nanos(nanos))
    }

    /// The same by the header's sysUpTime, or without one by the moment the exporter started; if
    /// that is after the export its clock says nothing, and the start is believed.
    fn at_up(&self, millis: u64, boot: Option<Timestamp>) -> Option<Timestamp> {
        let short = u32::try_from(millis).ok()?;
        if let Some(uptime) = self.uptime {
            return self.at_uptime(short, uptime);
        }
        let boot = boot?;
        match self.export.nanos().checked_sub(boot.nanos()) {
            // The remainder modulo 2^32 is what a 32-bit sysUpTime shows.
            Some(elapsed) => self.at_uptime(short, (elapsed / 1_000_000) as u32),
            None => Some(boot.offset(i64::from(short) * NANOS_PER_MILLI)),
        }
    }

    /// Start and end. Two zeros of sysUpTime mean that neither is known; a start after the end is
    /// dropped.
    #[inline]
    pub fn span(
        &self,
        start: Option<(u64, Unit)>,
        end: Option<(u64, Unit)>,
        boot: Option<Timestamp>,
    ) -> Span {
        if let (Some((0, Unit::Uptime)), Some((0, Unit::Uptime))) = (start, end) {
            return (None, None);
        }
        let moment = |value: Option<(u64, Unit)>| {
            let (n, unit) = value?;
            self.moment(n, unit, boot)
        };
        match (moment(start), moment(end)) {
            (Some(first), Some(last)) if first > last => (None, Some(last)),
            span => span,
        }
    }

    fn moment(&self, value: u64, unit: Unit, boot: Option<Timestamp>) -> Option<Timestamp> {
        let nanos = match unit {
            Unit::Seconds => value.checked_mul(NANOS)?,
            Unit::Millis => value.checked_mul(1_000_000)?,
            Unit::Micros => value.checked_mul(1_000)?,
            Unit::NtpMicros => ntp(value & !0x7ff, 1_000_000)?,
            Unit::NtpNanos => ntp(value, NANOS)?,
            Unit::AgoMicros => self.export.nanos().checked_sub(value.checked_mul(1_000)?)?,
            Unit::Uptime => return self.at_up(value, boot),
            Unit::Plain => return None,
        };
        (value != 0 || unit == Unit::AgoMicros).then_some(Timestamp::from_nanos(nanos))
    }
}

/// Nanoseconds since Unix's epoch of an NTP timestamp (RFC 5905 section 6), to the nearest of
/// `per_second` parts of a second. Seconds before 1970 are those of NTP's next era, from 2036.
fn ntp(value: u64, per_second: u64) -> Option<u64> {
    let (secs, fraction) = (value >> 32, value & 0xffff_ffff);
    let secs = match secs.checked_sub(NTP_TO_UNIX) {
        Some(secs) => secs,
        None => secs + (1 << 32) - NTP_TO_UNIX,
    };
    let parts = (fraction * per_second + (1 << 31)) >> 32;
    secs.checked_mul(NANOS)?.checked_add(parts * (NANOS / per_second))
}

/// What a template's time fields count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Units {
    pub start: Unit,
    pub end: Unit,
    pub duration: Unit,
    pub reverse_start: Unit,
    pub reverse_end: Unit,
    pub reverse_duration: Unit,
}

/// What the records of a set are read with, and what they are read into.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub context: &'a Context,
    pub want: DecodeOptions,
    /// Number of the domain.
    pub domain: u32,
    pub limits: &'a DecoderLimits,
    /// What the domain's options records said, and may say anew.
    pub options: &'a mut Options,
    pub stats: &'a mut Stats,
    pub out: &'a mut Batch,
}

/// The values of one record, by slot. Emptied and filled again for each record of a set.
#[derive(Debug)]
pub(super) struct Record {
    /// A bit for each slot that has a value.
    seen: u128,
    numbers: [u64; Slot::COUNT],
    wide: [u128; Slot::WIDE],
    /// The headers of a packet, if the record has octets of one.
    packet: Option<Headers>,
}

const _: () = assert!(Slot::COUNT <= 128);

impl Record {
    pub const fn new() -> Record {
        Record { seen: 0, numbers: [0; Slot::COUNT], wide: [0; Slot::WIDE], packet: None }
    }

    /// Forgets all values.
    pub fn clear(&mut self) {
        self.seen = 0;
        self.packet = None;
    }

    /// Takes a field's octets; those of a length that the slot cannot have are left out.
    #[inline]
    pub fn load(&mut self, slot: Slot, octets: &[u8]) {
        let number = match *octets {
            [a] => u64::from(a),
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
            [a, b, c, d, e, f, g, h] => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            _ => return self.load_odd(slot, octets),
        };
        if slot.takes(octets.len()) {
            self.set(slot, number);
        }
    }

    fn load_odd(&mut self, slot: Slot, octets: &[u8]) {
        if !slot.takes(octets.len()) {
            return;
        }
        match slot {
            Slot::Frame => self.packet = packet::headers(Link::Ethernet, octets, None),
            Slot::Ip => self.packet = packet::headers(Link::Ip, octets, None),
            _ => {}
        }
        match (self.wide.get_mut(slot as usize), <[u8; 16]>::try_from(octets)) {
            (Some(place), Ok(wide)) => {
                *place = u128::from_be_bytes(wide);
                self.seen |= 1 << slot as u8;
            }
            _ => {
                let number = octets.iter().fold(0, |n, &octet| (n << 8) | u64::from(octet));
                self.set(slot, number);
            }
        }
    }

    fn set(&mut self, slot: Slot, number: u64) {
        if let Some(place) = self.numbers.get_mut(slot as usize) {
            *place = number;
            self.seen |= 1 << slot as u8;
        }
    }

    fn has(&self, slot: Slot) -> bool {
        self.seen & (1 << slot as u8) != 0
    }

    /// The value, if the record has one.
    pub fn get(&self, slot: Slot) -> Option<u64> {
        if self.has(slot) { self.numbers.get(slot as usize).copied() } else { None }
    }

    /// The value, zero if there is none or it is larger than its column.
    fn fit<T: TryFrom<u64> + Default>(&self, slot: Slot) -> T {
        self.get(slot).and_then(|n| T::try_from(n).ok()).unwrap_or_default()
    }

    /// Source and destination address. A dual-stack template leaves one family all zero: the
    /// other one holds, IPv4 if both are filled or both are zero.
    fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let (source4, destination4) = (self.four(Slot::Source4), self.four(Slot::Destination4));
        let (source6, destination6) = (self.six(Slot::Source6), self.six(Slot::Destination6));
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
        match prefer6 {
            true => Some((source6.or(source4)?, destination6.or(destination4)?)),
            false => Some((source4.or(source6)?, destination4.or(destination6)?)),
        }
    }

    fn four(&self, slot: Slot) -> Option<IpAddr> {
        Some(IpAddr::V4(Ipv4Addr::from_bits(self.get(slot)? as u32)))
    }

    fn six(&self, slot: Slot) -> Option<IpAddr> {
        if !self.has(slot) {
            return None;
        }
        self.wide.get(slot as usize).map(|&bits| IpAddr::V6(Ipv6Addr::from_bits(bits)))
    }

    /// The protocol; without its element (softflowd's ICMP templates) the one whose own elements
    /// there are, 0 if none.
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

    /// Type*256+code of ICMP by the elements made for it, that of the flow's own family first.
    fn icmp(&self, proto: u8) -> Option<u16> {
        let pair = |kind, code| {
            let (kind, code): (u8, u8) =
                (u8::try_from(self.get(kind)?).ok()?, self.fit::<u8>(code));
            Some(u16::from_be_bytes([kind, code]))
        };
        let whole = |slot| self.get(slot).and_then(|n| u16::try_from(n).ok());
        let four = || whole(Slot::Icmp4).or_else(|| pair(Slot::IcmpType4, Slot::IcmpCode4));
        let six = || whole(Slot::Icmp6).or_else(|| pair(Slot::IcmpType6, Slot::IcmpCode6));
        if proto == ICMP { four().or_else(six) } else { six().or_else(four) }
    }

    /// The section of a packet, if it is of this protocol: what it says above IP means nothing in
    /// another, which the record's own element may name.
    fn packet_of(&self, proto: u8) -> Option<&Headers> {
        self.packet.as_ref().filter(|packet| packet.proto == proto)
    }

    fn ports(&self, proto: u8) -> (u16, u16) {
        let own = [Slot::SourcePort, Slot::DestinationPort].into_iter().any(|slot| self.has(slot));
        if let (false, Some(packet)) = (own, self.packet_of(proto)) {
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

    /// Packet sampling, 1 in N; 0 if the record does not say. By 34 or 50; by 305 and 306, N packets
    /// out of N and the space between them (RFC 5477 section 8.2), with 305 alone the exporters that
    /// send it mean N; by 309 out of 310; by the probability, 311.
    pub fn sampling(&self) -> u32 {
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
                // A float32 came in the lower half, where no float64 above zero is that small.
                let of = u32::try_from(bits).map(|bits| f64::from(f32::from_bits(bits)));
                let probability = of.unwrap_or(f64::from_bits(bits));
                match probability > 0.0 && probability <= 1.0 {
                    true => clamp((1.0 / probability).round() as u64),
                    false => 0,
                }
            }
        }
    }

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

    /// Appends the flow of this record and that of the reverse direction, without the one that is
    /// told to have no packets where the other has. Returns how many; none if an address is missing.
    pub fn flows(&self, units: &Units, reading: &mut Reading<'_>) -> u64 {
        let Some((sip, dip)) = self.addresses() else { return 0 };
        let packet = self.packet.as_ref();
        let proto = self.proto();
        let (sport, dport) = self.ports(proto);
        let options = &*reading.options;
        let boot = self.get(Slot::SystemInit).map(Timestamp::from_millis).or(options.boot);
        let (start, end) = self.times(
            reading.context,
            boot,
            [(Slot::Start, units.start), (Slot::End, units.end), (Slot::Duration, units.duration)],
        );
        // A single packet was seen at one moment.
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
        // Of a sampled packet the record may tell no counts: it is one.
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
            exporter: Some(reading.context.exporter),
            sampling,
        };
        reading.stats.sampled(sampling, source);
        let extra = reading.want.extras.then(|| self.extra(reading.domain));
        let packets = self.fit(Slot::ReversePackets);
        let octets = self.fit(Slot::ReverseOctets);
        let answered = packets != 0 || octets != 0;
        // softflowd exports so a packet of which it saw no other direction.
        let unasked = answered && self.has(Slot::Packets) && (flow.packets, flow.octets) == (0, 0);
        if !unasked {
            reading.out.flows.push(flow);
            reading.out.extras.extend(extra);
        }
        if !answered {
            return 1;
        }
        let icmp = proto == ICMP || proto == ICMPV6;
        let (sport, dport) = if icmp { (0, self.reply(proto, dport)) } else { (dport, sport) };
        let own = [
            (Slot::ReverseStart, units.reverse_start),
            (Slot::ReverseEnd, units.reverse_end),
            (Slot::ReverseDuration, units.reverse_duration),
        ];
        let (start, end) = match self.times(reading.context, boot, own) {
            // Counters without times of their own are those of the same observation.
            (None, None) => (start, end),
            times => times,
        };
        let interface = |slot, other| if self.has(slot) { self.fit(slot) } else { other };
        reading.out.flows.push(Flow {
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
        let back = |extra: Extra| Extra { tos: tos.or(extra.tos), ..extra.reversed() };
        reading.out.extras.extend(extra.map(back));
        if unasked { 1 } else { 2 }
    }

    /// What only an [`Extra`] holds.
    fn extra(&self, domain: u32) -> Extra {
        let packet = self.packet.as_ref();
        let number = |slot| self.get(slot).and_then(|n| u32::try_from(n).ok());
        let short = |slot| self.get(slot).and_then(|n| u16::try_from(n).ok());
        let octet = |slot| self.get(slot).and_then(|n| u8::try_from(n).ok());
        let mac = |slot| {
            let [_, _, mac @ ..] = self.get(slot)?.to_be_bytes();
            Some(mac)
        };
        // Of a next hop of both families one is zero.
        let address = |four, six| {
            let four = self.four(four);
            match four {
                Some(address) if !address.is_unspecified() => four,
                _ => self.six(six).or(four),
            }
        };
        Extra {
            tos: octet(Slot::Tos).or(packet.and_then(|packet| packet.tos)),
            srcas: number(Slot::SourceAs),
            dstas: number(Slot::DestinationAs),
            srcmask: octet(Slot::SourceMask),
            dstmask: octet(Slot::DestinationMask),
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
            event: octet(Slot::FirewallEvent).or(octet(Slot::NatEvent)),
            direction: octet(Slot::Direction),
            endreason: octet(Slot::EndReason),
            vrf: number(Slot::Vrf),
            domain: Some(domain),
        }
    }

    /// Type and code of the reverse direction: by its own element, else the reply to an echo
    /// request is an echo reply, so that who was pinged is not taken for one who pings.
    fn reply(&self, proto: u8, forward: u16) -> u16 {
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
    use super::*;

    fn context() -> Context {
        Context {
            exporter: "192.0.2.1".parse().unwrap(),
            export: Timestamp::from_secs(1_000_000_000),
            uptime: Some(5_000),
        }
    }

    fn moment(value: u64, unit: Unit) -> Option<String> {
        context().moment(value, unit, None).map(|time| time.to_string())
    }

    fn text(time: &str) -> Option<String> {
        Some(time.to_owned())
    }

    #[test]
    fn every_kind_of_moment() {
        assert_eq!(moment(994_025_700, Unit::Seconds), text("994025700.000"));
        assert_eq!(moment(994_025_700_125, Unit::Millis), text("994025700.125"));
        assert_eq!(moment(1_500_001, Unit::AgoMicros), text("999999998.499999"));
        assert_eq!(moment(4_000, Unit::Uptime), text("999999999.000"));
        // 2001-07-01T22:15:00.25Z in NTP seconds; then the same with bits that mean nothing.
        let ntp = ((994_025_700 + NTP_TO_UNIX) << 32) | 0x4000_0000;
        assert_eq!(moment(ntp, Unit::NtpNanos), text("994025700.250"));
        assert_eq!(moment(ntp | 0x7ff, Unit::NtpMicros), text("994025700.250"));
        assert_eq!(moment(ntp | 4_295, Unit::NtpNanos), text("994025700.250001"));
        // NTP's second era.
        assert_eq!(moment(1 << 32, Unit::NtpNanos), text("2085978497.000"));
    }

    #[test]
    fn sys_up_time_wraps() {
        // 1,000 ms before the wrap and 5,000 after it.
        assert_eq!(moment(u64::from(u32::MAX - 999), Unit::Uptime), text("999999994.000"));
        // A second after the export is a clock read twice, two hours are nonsense.
        assert_eq!(moment(6_000, Unit::Uptime), text("1000000001.000"));
        assert_eq!(moment(5_000 + 7_200_000, Unit::Uptime), None);
    }

    #[test]
    fn without_a_header_s_sys_up_time_the_boot_counts() {
        let context = Context { uptime: None, ..context() };
        let moment = |boot| Some(context.moment(4_000, Unit::Uptime, boot)?.to_string());
        assert_eq!(moment(None), None);
        assert_eq!(moment(Timestamp::parse(b"999999995")), text("999999999.000"));
        // Up for longer than 32 bits of milliseconds tell.
        assert_eq!(moment(Timestamp::parse(b"995705027.704")), text("999999999.000"));
        assert_eq!(moment(Timestamp::parse(b"1585735165.729")), text("1585735169.729"));
    }

    #[test]
    fn nonsense_is_no_moment() {
        for unit in [Unit::Seconds, Unit::Millis, Unit::NtpMicros, Unit::NtpNanos] {
            assert_eq!(moment(0, unit), None);
        }
        assert_eq!(moment(u64::MAX, Unit::Seconds), None);
        assert_eq!(moment(u64::MAX, Unit::Millis), None);
        assert_eq!(moment(u64::MAX, Unit::AgoMicros), None);
        assert_eq!(moment(1 << 32, Unit::Uptime), None);
    }

    #[test]
    fn durations_fill_in() {
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
    fn numbers_have_one_to_eight_octets() {
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
    fn the_family_that_is_filled_holds() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let four = [10, 0, 0, 1];
        let mut six = [0; 16];
        six[0] = 0x20;
        let with = |fields: &[(Slot, &[u8])]| {
            let mut record = Record::new();
            for (slot, octets) in fields {
                record.load(*slot, octets);
            }
            record.addresses()
        };
        let zero6 = [0; 16];
        use Slot::{Destination4, Destination6, Source4, Source6};
        assert_eq!(with(&[(Source4, &four)]), None);
        assert_eq!(with(&[(Source6, &six)]), None);
        assert_eq!(with(&[(Source6, &six[..15]), (Destination6, &six)]), None);
        assert_eq!(
            with(&[(Source4, &four), (Destination4, &[0; 4]), (Source6, &zero6)]),
            Some((address("10.0.0.1"), address("0.0.0.0")))
        );
        let dual: [(Slot, &[u8]); 4] =
            [(Source4, &[0; 4]), (Destination4, &[0; 4]), (Source6, &zero6), (Destination6, &six)];
        assert_eq!(with(&dual), Some((address("::"), address("2000::"))));
        let both: [(Slot, &[u8]); 4] =
            [(Source4, &four), (Destination4, &four), (Source6, &six), (Destination6, &six)];
        assert_eq!(with(&both), Some((address("10.0.0.1"), address("10.0.0.1"))));
        let nothing: [(Slot, &[u8]); 4] = [
            (Source4, &[0; 4]),
            (Destination4, &[0; 4]),
            (Source6, &zero6),
            (Destination6, &zero6),
        ];
        assert_eq!(with(&nothing), Some((address("0.0.0.0"), address("0.0.0.0"))));
    }

    #[test]
    fn sampling_by_three_elements() {
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
}
