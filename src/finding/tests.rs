//! The text forms of values, and findings for the tests of other modules.

use ipnet::IpNet;
use std::net::IpAddr;

use super::*;
use crate::time::Window;
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn rates_are_rounded_half_up_to_two_decimals() {
    let window = Window::new(0, 600);
    assert_eq!(Rate::of(2000, window).to_string(), "3.33");
    assert_eq!(Rate::of(200_000, window).to_string(), "333.33");
    assert_eq!(Rate::of(3, None).to_string(), "0.01");
    assert_eq!(Rate::of(u64::MAX, Window::new(0, 1)), Rate(u64::MAX));
}

#[test]
fn masked_text_has_no_host_part() {
    let host = |text| Host::parse(text).unwrap().text(true);
    assert_eq!(host("140.119.44.91"), "140.119.44.?");
    assert_eq!(host("140.119.56.0/21"), "140.119.56.0/21");
    assert_eq!(host("140.119.56.64/26"), "140.119.56.?");
    assert_eq!(host("2001:db8:1:2::/64"), "2001:db8:1::?");
    // A 6to4 network of 48 bits is an IPv4 address.
    assert_eq!(host("2002:c000:209::/48"), "2002:c000:200::?");
    assert_eq!(host("2002:c000:200::/40"), "2002:c000:200::/40");
    assert_eq!(host("::ffff:192.0.2.0/120"), "::?");
    let sample = Sample::parse("[2001:db8:1:2::3]:5>192.0.2.7:80/6").unwrap();
    assert_eq!(sample.text(true), "[2001:db8:1::?]:5>192.0.2.?:80/6");
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        any::<IpAddr>().prop_map(Host::Address),
        (any::<[u8; 4]>(), 0u8..=32)
            .prop_map(|(a, n)| Host::Prefix(IpNet::new(a.into(), n).unwrap().trunc())),
        (any::<[u8; 16]>(), 0u8..=128)
            .prop_map(|(a, n)| Host::Prefix(IpNet::new(a.into(), n).unwrap().trunc())),
    ]
}

/// Returns a finding about an inside host in a window of ten minutes.
pub(crate) fn finding(host: [u8; 4], kind: Kind, role: Role) -> Finding {
    let window = Window::new(998_068_800, 600);
    Finding {
        window,
        kind,
        class: "dos".to_owned(),
        host: Host::Address(host.into()),
        role,
        side: Some(Side::Inside),
        proto: Some(6),
        port: Some(80),
        peers: 1,
        peer: Vec::new(),
        more: 0,
        flows: 2000,
        packets: 6000,
        octets: 288_000,
        rate: Rate::of(2000, window),
        marks: Vec::new(),
        why: "flows=2000>1000".to_owned(),
        sample: Vec::new(),
    }
}

/// Returns a strategy for any finding that a detector could print.
pub(crate) fn any_finding() -> impl Strategy<Value = Finding> {
    let window = proptest::option::of((0u64..18_000_000_000, 1u32..86_400))
        .prop_map(|w| w.and_then(|(start, seconds)| Window::new(start, seconds)));
    let kind = prop_oneof![Just(Kind::Scan), Just(Kind::Flood), Just(Kind::Port)];
    let role = prop_oneof![Just(Role::Source), Just(Role::Target)];
    let side = prop_oneof![Just(None), Just(Some(Side::Inside)), Just(Some(Side::Outside))];
    let peer = (host(), any::<Option<u64>>()).prop_map(|(host, flows)| Peer { host, flows });
    let sample = any::<(IpAddr, u16, IpAddr, u16, u8)>()
        .prop_map(|(sip, sport, dip, dport, proto)| Sample { sip, sport, dip, dport, proto });
    let marks = proptest::collection::btree_set("[a-z]{1,9}", 0..4)
        .prop_map(|marks| marks.into_iter().collect::<Vec<_>>());
    (
        (window, kind, "[a-z][a-z-]{0,11}", host(), role, side),
        (any::<Option<u8>>(), any::<Option<u16>>(), any::<u64>()),
        (vec(peer, 0..=MAX_PEERS), 0u64..1_000_000),
        (any::<u64>(), any::<u64>(), any::<u64>(), 0u64..1 << 50),
        (marks, "([a-z]{1,5}=[0-9]{1,3}>=[0-9]{1,3})?", vec(sample, 0..=MAX_SAMPLES)),
    )
        .prop_map(|(what, which, (peer, more), counts, (marks, why, sample))| Finding {
            window: what.0,
            kind: what.1,
            class: what.2,
            host: what.3,
            role: what.4,
            side: what.5,
            proto: which.0,
            port: which.1,
            peers: which.2,
            more: if peer.is_empty() { 0 } else { more },
            peer,
            flows: counts.0,
            packets: counts.1,
            octets: counts.2,
            rate: Rate(counts.3),
            marks,
            why,
            sample,
        })
}
