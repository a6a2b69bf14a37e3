//! Information elements, and the fields of templates that name them.
//!
//! The numbers and names are those of IANA's registry "IPFIX Information Elements" (RFC 7012). Field
//! types of NetFlow v9 up to 127 have the same numbers.

/// Private enterprise number of reverse elements (RFC 5103 section 6.1).
pub(super) const REVERSE: u32 = 29305;

/// Length in a template that means "variable length" (RFC 7011 section 7).
pub(super) const VARIABLE: u16 = 65535;

/// A field of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// Private enterprise number; 0 for IANA's elements.
    pub enterprise: u32,
    /// Number of the element.
    pub element: u16,
    /// Bytes, or [`VARIABLE`].
    pub len: u16,
    /// True for a scope field, which names the subject of an options record.
    pub scope: bool,
}

pub(super) const OCTET_DELTA_COUNT: u16 = 1;
pub(super) const PACKET_DELTA_COUNT: u16 = 2;
pub(super) const PROTOCOL_IDENTIFIER: u16 = 4;
pub(super) const TCP_CONTROL_BITS: u16 = 6;
pub(super) const SOURCE_TRANSPORT_PORT: u16 = 7;
pub(super) const SOURCE_IPV4_ADDRESS: u16 = 8;
pub(super) const INGRESS_INTERFACE: u16 = 10;
pub(super) const DESTINATION_TRANSPORT_PORT: u16 = 11;
pub(super) const DESTINATION_IPV4_ADDRESS: u16 = 12;
pub(super) const EGRESS_INTERFACE: u16 = 14;
pub(super) const FLOW_END_SYS_UP_TIME: u16 = 21;
pub(super) const FLOW_START_SYS_UP_TIME: u16 = 22;
pub(super) const SOURCE_IPV6_ADDRESS: u16 = 27;
pub(super) const DESTINATION_IPV6_ADDRESS: u16 = 28;
pub(super) const ICMP_TYPE_CODE_IPV4: u16 = 32;
pub(super) const SAMPLING_INTERVAL: u16 = 34;
pub(super) const SAMPLING_ALGORITHM: u16 = 35;
pub(super) const ICMP_TYPE_CODE_IPV6: u16 = 139;
pub(super) const LINE_CARD_ID: u16 = 141;
pub(super) const TEMPLATE_ID: u16 = 145;
pub(super) const OBSERVATION_DOMAIN_ID: u16 = 149;
pub(super) const FLOW_START_MILLISECONDS: u16 = 152;
pub(super) const FLOW_END_MILLISECONDS: u16 = 153;
pub(super) const SELECTOR_ALGORITHM: u16 = 304;
pub(super) const SAMPLING_PACKET_INTERVAL: u16 = 305;
pub(super) const SAMPLING_PACKET_SPACE: u16 = 306;

/// The number of no element: 0 is reserved.
pub(super) const NONE: u16 = 0;

/// Scopes of options records that cover the whole domain: the exporter's address, the metering or
/// exporting process, the domain itself.
pub(super) const WHOLE: [u16; 6] = [NONE, 130, 131, 143, 144, 149];

/// Elements whose value names the subject of an options record, even if they are not a scope field:
/// interface, sampler, class, application, observation point, card, port, process, template, flow,
/// domain, VRF, selection, element and enterprise.
const NAMES: [u16; 21] = [
    INGRESS_INTERFACE,
    EGRESS_INTERFACE,
    48,
    51,
    95,
    138,
    LINE_CARD_ID,
    142,
    143,
    144,
    TEMPLATE_ID,
    148,
    OBSERVATION_DOMAIN_ID,
    234,
    235,
    252,
    253,
    301,
    302,
    303,
    346,
];

/// Returns true if the element's value names the subject of an options record.
pub(super) fn is_name(enterprise: u32, number: u16) -> bool {
    enterprise == 0 && NAMES.contains(&number)
}

/// A place for a value in a [`Record`](super::record::Record).
///
/// The order is: slots of 16 bytes, columns of a flow, sampling, the reverse direction, columns of an
/// [`Extra`](crate::flow::Extra).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Slot {
    Source6,
    Destination6,
    NextHop6,
    BgpNextHop6,
    NatSource6,
    NatDestination6,
    Source4,
    Destination4,
    Protocol,
    SourcePort,
    DestinationPort,
    UdpSource,
    UdpDestination,
    TcpSource,
    TcpDestination,
    Icmp4,
    IcmpType4,
    IcmpCode4,
    Icmp6,
    IcmpType6,
    IcmpCode6,
    Ingress,
    Egress,
    Flags,
    Packets,
    Octets,
    Start,
    End,
    Duration,
    SystemInit,
    /// First bytes of a packet, from its layer 2 header on.
    Frame,
    /// First bytes of a packet, from its IP header on.
    Ip,
    Sampling,
    SampledPackets,
    SampledSpace,
    SamplingSize,
    SamplingPopulation,
    SamplingProbability,
    Sampler,
    Selector,
    /// Scope of an options record, if it is a part of the exporter that flow records do not name.
    Part,
    ReverseIcmp4,
    ReverseIcmp6,
    ReverseIngress,
    ReverseEgress,
    ReverseFlags,
    ReversePackets,
    ReverseOctets,
    ReverseStart,
    ReverseEnd,
    ReverseDuration,
    Tos,
    ReverseTos,
    SourceAs,
    DestinationAs,
    SourceMask,
    DestinationMask,
    NextHop4,
    BgpNextHop4,
    Vlan,
    OutVlan,
    SourceMac,
    DestinationMac,
    NatSource4,
    NatDestination4,
    NatSourcePort,
    NatDestinationPort,
    FirewallEvent,
    NatEvent,
    Direction,
    EndReason,
    Vrf,
}

impl Slot {
    /// Number of slots.
    pub const COUNT: usize = Slot::Vrf as usize + 1;

    /// Number of slots that have 16 bytes.
    pub const WIDE: usize = Slot::Source4 as usize;

    /// Returns true if the slot can hold a field of `len` bytes. Addresses have one length; numbers
    /// may be reduced to as little as one byte (RFC 7011 section 6.2) or be longer than necessary.
    pub const fn takes(self, len: usize) -> bool {
        match self {
            _ if (self as usize) < Slot::WIDE => len == 16,
            Slot::Source4
            | Slot::Destination4
            | Slot::NextHop4
            | Slot::BgpNextHop4
            | Slot::NatSource4
            | Slot::NatDestination4 => len == 4,
            Slot::SourceMac | Slot::DestinationMac => len == 6,
            // float64, which may be reduced to float32 (RFC 7011 section 6.2).
            Slot::SamplingProbability => len == 4 || len == 8,
            Slot::Frame | Slot::Ip | Slot::Part => len > 0,
            _ => 1 <= len && len <= 8,
        }
    }

    /// Returns true if the value is a column of [`Extra`](crate::flow::Extra) only.
    pub const fn is_extra(self) -> bool {
        self as u8 >= Slot::Tos as u8
            || matches!(
                self,
                Slot::NextHop6 | Slot::BgpNextHop6 | Slot::NatSource6 | Slot::NatDestination6
            )
    }

    /// Returns true if the value is used for start and end of a flow only.
    pub const fn is_time(self) -> bool {
        matches!(
            self,
            Slot::Start
                | Slot::End
                | Slot::Duration
                | Slot::ReverseStart
                | Slot::ReverseEnd
                | Slot::ReverseDuration
        )
    }

    /// Returns the slot of the same element in the reverse direction (RFC 5103).
    const fn reverse(self) -> Option<Slot> {
        match self {
            Slot::Icmp4 => Some(Slot::ReverseIcmp4),
            Slot::Icmp6 => Some(Slot::ReverseIcmp6),
            Slot::Ingress => Some(Slot::ReverseIngress),
            Slot::Egress => Some(Slot::ReverseEgress),
            Slot::Flags => Some(Slot::ReverseFlags),
            Slot::Tos => Some(Slot::ReverseTos),
            Slot::Packets => Some(Slot::ReversePackets),
            Slot::Octets => Some(Slot::ReverseOctets),
            Slot::Start => Some(Slot::ReverseStart),
            Slot::End => Some(Slot::ReverseEnd),
            Slot::Duration => Some(Slot::ReverseDuration),
            _ => None,
        }
    }
}

/// The unit of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Unit {
    /// None: a plain number.
    #[default]
    Plain,
    /// Seconds; of a time, since the epoch.
    Seconds,
    /// Milliseconds; of a time, since the epoch.
    Millis,
    /// Microseconds.
    Micros,
    /// A time in NTP's format, whose last 11 bits are to be ignored (RFC 7011 section 6.1.9).
    NtpMicros,
    /// A time in NTP's format (RFC 7011 section 6.1.10).
    NtpNanos,
    /// Microseconds before the export time.
    AgoMicros,
    /// Milliseconds of sysUpTime, a number of 32 bits that wraps.
    Uptime,
}

/// An information element that fills a column of a flow.
#[derive(Clone, Copy, Debug)]
pub(super) struct Element {
    /// Number in IANA's registry.
    pub number: u16,
    /// Name in IANA's registry.
    #[allow(dead_code, reason = "the table is read by people, and by the tests")]
    pub name: &'static str,
    /// The slot that it fills.
    pub slot: Slot,
    /// Preference among the elements for one slot: the lowest rank is used.
    pub rank: u8,
    /// Unit of its value.
    pub unit: Unit,
}

/// Returns the element with this number, or `None` if it fills no column. `enterprise` is 0 for
/// IANA's elements.
pub(super) fn find(enterprise: u32, number: u16) -> Option<Element> {
    let find = || {
        let at = ELEMENTS.binary_search_by_key(&number, |element| element.number).ok()?;
        ELEMENTS.get(at).copied()
    };
    match enterprise {
        0 => find(),
        REVERSE => find().and_then(|e| Some(Element { slot: e.slot.reverse()?, ..e })),
        _ => None,
    }
}

const fn e(number: u16, name: &'static str, slot: Slot, rank: u8, unit: Unit) -> Element {
    Element { number, name, slot, rank, unit }
}

/// All elements, in the order of their numbers.
///
/// 232 and 299 count traffic of the responder, so they fill reverse slots although they are not
/// reverse elements of RFC 5103. Numbers from 40001 on are those that Cisco's ASA used before IANA
/// assigned any. Only v9 can carry them: an element number of IPFIX has 15 bits.
#[rustfmt::skip]
const ELEMENTS: &[Element] = &[
    e(OCTET_DELTA_COUNT, "octetDeltaCount", Slot::Octets, 0, Unit::Plain),
    e(PACKET_DELTA_COUNT, "packetDeltaCount", Slot::Packets, 0, Unit::Plain),
    e(PROTOCOL_IDENTIFIER, "protocolIdentifier", Slot::Protocol, 0, Unit::Plain),
    e(5, "ipClassOfService", Slot::Tos, 0, Unit::Plain),
    e(TCP_CONTROL_BITS, "tcpControlBits", Slot::Flags, 0, Unit::Plain),
    e(SOURCE_TRANSPORT_PORT, "sourceTransportPort", Slot::SourcePort, 0, Unit::Plain),
    e(SOURCE_IPV4_ADDRESS, "sourceIPv4Address", Slot::Source4, 0, Unit::Plain),
    e(9, "sourceIPv4PrefixLength", Slot::SourceMask, 0, Unit::Plain),
    e(INGRESS_INTERFACE, "ingressInterface", Slot::Ingress, 0, Unit::Plain),
    e(DESTINATION_TRANSPORT_PORT, "destinationTransportPort", Slot::DestinationPort, 0, Unit::Plain),
    e(DESTINATION_IPV4_ADDRESS, "destinationIPv4Address", Slot::Destination4, 0, Unit::Plain),
    e(13, "destinationIPv4PrefixLength", Slot::DestinationMask, 0, Unit::Plain),
    e(EGRESS_INTERFACE, "egressInterface", Slot::Egress, 0, Unit::Plain),
    e(15, "ipNextHopIPv4Address", Slot::NextHop4, 0, Unit::Plain),
    e(16, "bgpSourceAsNumber", Slot::SourceAs, 0, Unit::Plain),
    e(17, "bgpDestinationAsNumber", Slot::DestinationAs, 0, Unit::Plain),
    e(18, "bgpNextHopIPv4Address", Slot::BgpNextHop4, 0, Unit::Plain),
    e(FLOW_END_SYS_UP_TIME, "flowEndSysUpTime", Slot::End, 6, Unit::Uptime),
    e(FLOW_START_SYS_UP_TIME, "flowStartSysUpTime", Slot::Start, 6, Unit::Uptime),
    e(23, "postOctetDeltaCount", Slot::Octets, 3, Unit::Plain),
    e(24, "postPacketDeltaCount", Slot::Packets, 3, Unit::Plain),
    e(SOURCE_IPV6_ADDRESS, "sourceIPv6Address", Slot::Source6, 0, Unit::Plain),
    e(DESTINATION_IPV6_ADDRESS, "destinationIPv6Address", Slot::Destination6, 0, Unit::Plain),
    e(29, "sourceIPv6PrefixLength", Slot::SourceMask, 1, Unit::Plain),
    e(30, "destinationIPv6PrefixLength", Slot::DestinationMask, 1, Unit::Plain),
    e(ICMP_TYPE_CODE_IPV4, "icmpTypeCodeIPv4", Slot::Icmp4, 0, Unit::Plain),
    e(34, "samplingInterval", Slot::Sampling, 0, Unit::Plain),
    e(48, "samplerId", Slot::Sampler, 0, Unit::Plain),
    e(50, "samplerRandomInterval", Slot::Sampling, 1, Unit::Plain),
    e(55, "postIpClassOfService", Slot::Tos, 1, Unit::Plain),
    e(56, "sourceMacAddress", Slot::SourceMac, 0, Unit::Plain),
    e(57, "postDestinationMacAddress", Slot::DestinationMac, 1, Unit::Plain),
    e(58, "vlanId", Slot::Vlan, 0, Unit::Plain),
    e(59, "postVlanId", Slot::OutVlan, 0, Unit::Plain),
    e(61, "flowDirection", Slot::Direction, 0, Unit::Plain),
    e(62, "ipNextHopIPv6Address", Slot::NextHop6, 0, Unit::Plain),
    e(63, "bgpNextHopIPv6Address", Slot::BgpNextHop6, 0, Unit::Plain),
    e(80, "destinationMacAddress", Slot::DestinationMac, 0, Unit::Plain),
    e(81, "postSourceMacAddress", Slot::SourceMac, 1, Unit::Plain),
    e(85, "octetTotalCount", Slot::Octets, 1, Unit::Plain),
    e(86, "packetTotalCount", Slot::Packets, 1, Unit::Plain),
    e(104, "layer2packetSectionData", Slot::Frame, 1, Unit::Plain),
    e(136, "flowEndReason", Slot::EndReason, 0, Unit::Plain),
    e(ICMP_TYPE_CODE_IPV6, "icmpTypeCodeIPv6", Slot::Icmp6, 0, Unit::Plain),
    e(150, "flowStartSeconds", Slot::Start, 4, Unit::Seconds),
    e(151, "flowEndSeconds", Slot::End, 4, Unit::Seconds),
    e(FLOW_START_MILLISECONDS, "flowStartMilliseconds", Slot::Start, 3, Unit::Millis),
    e(FLOW_END_MILLISECONDS, "flowEndMilliseconds", Slot::End, 3, Unit::Millis),
    e(154, "flowStartMicroseconds", Slot::Start, 2, Unit::NtpMicros),
    e(155, "flowEndMicroseconds", Slot::End, 2, Unit::NtpMicros),
    e(156, "flowStartNanoseconds", Slot::Start, 1, Unit::NtpNanos),
    e(157, "flowEndNanoseconds", Slot::End, 1, Unit::NtpNanos),
    e(158, "flowStartDeltaMicroseconds", Slot::Start, 5, Unit::AgoMicros),
    e(159, "flowEndDeltaMicroseconds", Slot::End, 5, Unit::AgoMicros),
    e(160, "systemInitTimeMilliseconds", Slot::SystemInit, 0, Unit::Millis),
    e(161, "flowDurationMilliseconds", Slot::Duration, 1, Unit::Millis),
    e(162, "flowDurationMicroseconds", Slot::Duration, 0, Unit::Micros),
    e(171, "postOctetTotalCount", Slot::Octets, 4, Unit::Plain),
    e(172, "postPacketTotalCount", Slot::Packets, 4, Unit::Plain),
    e(176, "icmpTypeIPv4", Slot::IcmpType4, 0, Unit::Plain),
    e(177, "icmpCodeIPv4", Slot::IcmpCode4, 0, Unit::Plain),
    e(178, "icmpTypeIPv6", Slot::IcmpType6, 0, Unit::Plain),
    e(179, "icmpCodeIPv6", Slot::IcmpCode6, 0, Unit::Plain),
    e(180, "udpSourcePort", Slot::UdpSource, 0, Unit::Plain),
    e(181, "udpDestinationPort", Slot::UdpDestination, 0, Unit::Plain),
    e(182, "tcpSourcePort", Slot::TcpSource, 0, Unit::Plain),
    e(183, "tcpDestinationPort", Slot::TcpDestination, 0, Unit::Plain),
    e(225, "postNATSourceIPv4Address", Slot::NatSource4, 0, Unit::Plain),
    e(226, "postNATDestinationIPv4Address", Slot::NatDestination4, 0, Unit::Plain),
    e(227, "postNAPTSourceTransportPort", Slot::NatSourcePort, 0, Unit::Plain),
    e(228, "postNAPTDestinationTransportPort", Slot::NatDestinationPort, 0, Unit::Plain),
    e(230, "natEvent", Slot::NatEvent, 0, Unit::Plain),
    e(231, "initiatorOctets", Slot::Octets, 2, Unit::Plain),
    e(232, "responderOctets", Slot::ReverseOctets, 2, Unit::Plain),
    e(233, "firewallEvent", Slot::FirewallEvent, 0, Unit::Plain),
    e(234, "ingressVRFID", Slot::Vrf, 0, Unit::Plain),
    e(243, "dot1qVlanId", Slot::Vlan, 1, Unit::Plain),
    e(252, "ingressPhysicalInterface", Slot::Ingress, 1, Unit::Plain),
    e(253, "egressPhysicalInterface", Slot::Egress, 1, Unit::Plain),
    e(254, "postDot1qVlanId", Slot::OutVlan, 1, Unit::Plain),
    e(281, "postNATSourceIPv6Address", Slot::NatSource6, 0, Unit::Plain),
    e(282, "postNATDestinationIPv6Address", Slot::NatDestination6, 0, Unit::Plain),
    e(298, "initiatorPackets", Slot::Packets, 2, Unit::Plain),
    e(299, "responderPackets", Slot::ReversePackets, 2, Unit::Plain),
    e(302, "selectorId", Slot::Selector, 0, Unit::Plain),
    e(305, "samplingPacketInterval", Slot::SampledPackets, 0, Unit::Plain),
    e(306, "samplingPacketSpace", Slot::SampledSpace, 0, Unit::Plain),
    e(309, "samplingSize", Slot::SamplingSize, 0, Unit::Plain),
    e(310, "samplingPopulation", Slot::SamplingPopulation, 0, Unit::Plain),
    e(311, "samplingProbability", Slot::SamplingProbability, 0, Unit::Plain),
    e(313, "ipHeaderPacketSection", Slot::Ip, 0, Unit::Plain),
    e(315, "dataLinkFrameSection", Slot::Frame, 0, Unit::Plain),
    e(322, "observationTimeSeconds", Slot::End, 10, Unit::Seconds),
    e(323, "observationTimeMilliseconds", Slot::End, 9, Unit::Millis),
    e(324, "observationTimeMicroseconds", Slot::End, 8, Unit::NtpMicros),
    e(325, "observationTimeNanoseconds", Slot::End, 7, Unit::NtpNanos),
    e(352, "layer2OctetDeltaCount", Slot::Octets, 5, Unit::Plain),
    e(353, "layer2OctetTotalCount", Slot::Octets, 6, Unit::Plain),
    e(40001, "NF_F_XLATE_SRC_ADDR_IPV4", Slot::NatSource4, 1, Unit::Plain),
    e(40002, "NF_F_XLATE_DST_ADDR_IPV4", Slot::NatDestination4, 1, Unit::Plain),
    e(40003, "NF_F_XLATE_SRC_PORT", Slot::NatSourcePort, 1, Unit::Plain),
    e(40004, "NF_F_XLATE_DST_PORT", Slot::NatDestinationPort, 1, Unit::Plain),
    e(40005, "NF_F_FW_EVENT", Slot::FirewallEvent, 1, Unit::Plain),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_no_two_elements_share_slot_and_rank() {
        assert!(ELEMENTS.windows(2).all(|pair| pair[0].number < pair[1].number));
        let mut ranks: Vec<_> = ELEMENTS.iter().map(|e| (e.slot, e.rank)).collect();
        ranks.sort();
        ranks.dedup();
        assert_eq!(ranks.len(), ELEMENTS.len());
    }

    #[test]
    fn enterprises_have_their_own_numbers() {
        assert_eq!(find(0, 1).unwrap().slot, Slot::Octets);
        assert_eq!(find(REVERSE, 1).unwrap().slot, Slot::ReverseOctets);
        assert!(find(REVERSE, SOURCE_IPV4_ADDRESS).is_none());
        assert!(find(9, 1).is_none());
        assert!(find(0, 40006).is_none());
    }
}
