//! Words for numbers, and words of other programs that filters do not have.

/// The words that a term can begin with, for messages.
pub(super) const TERMS: &str = "src, dst, host, net, port, if, proto or a protocol, ip, ip6, packets, \
     octets, duration, bps, pps, bpp, start, end, flags, icmp-type, icmp-code, exporter, sampling, \
     inside, outside, in or any";

/// The columns that filters see, for messages.
pub(super) const COLUMNS: &str =
    "the nine columns, start, end, flags, exporter and sampling, see nfkit-flow(5)";

/// Protocols by their names (IANA "Assigned Internet Protocol Numbers"), as tcpdump and nfdump
/// write them. Names that have another meaning in the language are left out, such as `ipv6` for
/// IPv6 in IPv4.
const PROTOCOLS: [(&str, u8); 26] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipip", 4),
    ("tcp", 6),
    ("egp", 8),
    ("igrp", 9),
    ("udp", 17),
    ("dccp", 33),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("icmp6", 58),
    ("icmpv6", 58),
    ("ipv6-icmp", 58),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("etherip", 97),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("carp", 112),
    ("l2tp", 115),
    ("sctp", 132),
    ("udplite", 136),
];

/// Returns the number of a protocol.
pub(super) fn protocol(name: &str) -> Option<u8> {
    PROTOCOLS.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

/// TCP's control bits (RFC 9293 section 3.1) by their letters.
const FLAGS: [(char, u16); 8] = [
    ('f', 0x01),
    ('s', 0x02),
    ('r', 0x04),
    ('p', 0x08),
    ('a', 0x10),
    ('u', 0x20),
    ('e', 0x40),
    ('c', 0x80),
];

/// nfdump's `X`: the six flags of RFC 793.
const ALL_FLAGS: u16 = 0x3f;

/// Returns the bits of letters such as `SA`; `None` if one of them is no flag.
pub(super) fn flags(letters: &str) -> Option<u16> {
    let bit = |letter: char| match letter.to_ascii_lowercase() {
        'x' => Some(ALL_FLAGS),
        letter => FLAGS.iter().find(|(known, _)| *known == letter).map(|(_, bit)| *bit),
    };
    letters.chars().try_fold(0, |bits, letter| Some(bits | bit(letter)?))
}

/// Returns true for words of tcpdump's and nfdump's filters whose value is not in flow lines, or in
/// columns that readers pass over.
pub(super) fn is_not_carried(word: &str) -> bool {
    const WORDS: [&str; 34] = [
        "arp",
        "as",
        "asn",
        "bgpnext",
        "broadcast",
        "count",
        "decnet",
        "dscp",
        "engine-id",
        "engine-type",
        "ether",
        "flow",
        "flowdir",
        "flows",
        "gateway",
        "geo",
        "ident",
        "mac",
        "mask",
        "mpls",
        "multicast",
        "nat",
        "nbar",
        "next",
        "observation",
        "payload",
        "prev",
        "rarp",
        "sysid",
        "tos",
        "tun",
        "vlan",
        "vrf",
        "wlan",
    ];
    WORDS.contains(&word)
}
