use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::super::slot::MAX_WINDOWS;
use super::*;

fn counts(octets: u64) -> Counts {
    Counts { flows: 1, packets: 2, octets }
}

fn host(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + n))
}

/// Returns the `n`-th window with these addresses, and ports and interfaces with the same traffic.
fn slot(n: u64, addresses: &[(u32, u64, u64)]) -> SlotTraffic {
    let entries =
        || addresses.iter().map(|&(key, sent, received)| (key, counts(sent), counts(received)));
    let sum = addresses.iter().fold(Counts::default(), |sum, of| sum.plus(counts(of.1)));
    SlotTraffic {
        window: Window::new(600 * n, 600).unwrap(),
        protocols: vec![
            ProtocolCounts { proto: 6, counts: sum },
            ProtocolCounts { proto: 17, counts: counts(n) },
        ],
        addresses: entries()
            .map(|(key, sent, received)| Entry { key: host(key), sent, received })
            .collect(),
        ports: entries()
            .map(|(key, sent, received)| Entry {
                key: ProtoPort { proto: 6, port: key as u16 },
                sent,
                received,
            })
            .collect(),
        interfaces: entries().map(|(key, sent, received)| Entry { key, sent, received }).collect(),
    }
}

fn day(slots: &[SlotTraffic]) -> TrafficDay {
    let mut day = TrafficDay::new();
    slots.iter().for_each(|slot| day.add(slot));
    day
}

fn bytes(day: &TrafficDay) -> Vec<u8> {
    postcard::to_stdvec(day).unwrap()
}

#[test]
fn sums_say_in_how_many_windows_a_key_is_listed() {
    let day = day(&[slot(1, &[(1, 10, 0), (2, 0, 5)]), slot(2, &[(1, 30, 2)])]);
    let sum = |n, sent, received, windows| AddressSum { address: host(n), sent, received, windows };
    assert_eq!(day.addresses(), [sum(1, 40, 2, 2), sum(2, 0, 5, 1)]);
    let ports: Vec<_> = day
        .ports()
        .iter()
        .map(|sum| (sum.entry.key.port, sum.entry.sent.octets, sum.windows))
        .collect();
    assert_eq!(ports, [(1, 40, 2), (2, 0, 1)]);
    let interfaces: Vec<_> = day.interfaces().iter().map(|sum| sum.entry.key).collect();
    assert_eq!(interfaces, [1, 2]);
    // 40 bytes and no byte by TCP, 1 and 2 by UDP.
    let protocols: Vec<_> = day.protocols().iter().map(|of| (of.proto, of.counts.octets)).collect();
    assert_eq!(protocols, [(6, 40), (17, 3)]);
    assert_eq!(day.total(), Some(Counts { flows: 5, packets: 10, octets: 43 }));
    let series: Vec<_> = day.series(host(2)).map(|(_, of)| of.map(|of| of.received)).collect();
    assert_eq!(series, [Some(5), None]);
}

#[test]
fn a_window_without_protocols_has_no_total() {
    let bare = SlotTraffic { protocols: Vec::new(), ..slot(1, &[(1, 10, 0)]) };
    let day = day(&[bare]);
    assert_eq!(day.total(), None);
    assert_eq!(day.windows().map(|(_, kept)| kept.total()).collect::<Vec<_>>(), [None]);
}

#[test]
fn a_window_that_was_counted_anew_replaces_the_old_one() {
    let (old, new) = (slot(1, &[(1, 10, 0), (2, 1, 1)]), slot(1, &[(1, 12, 0)]));
    assert_eq!(day(&[old, new.clone()]), day(&[new]));
}

#[test]
fn the_hosts_that_receive_most_are_kept_beside_those_that_send_most() {
    let most = KEPT_ADDRESSES as u32 / 2;
    // Senders of much, and receivers of little.
    let senders = (0..3 * most).map(|n| (n, 1_000_000 + u64::from(n), 0));
    let receivers = (0..3 * most).map(|n| (1000 + n, 0, 10 + u64::from(n)));
    let all: Vec<_> = senders.chain(receivers).collect();
    let kept = day(&[slot(1, &all)]).addresses();
    assert_eq!(kept.len(), KEPT_ADDRESSES);
    assert_eq!(kept[0].address, host(3 * most - 1));
    assert_eq!(kept[kept.len() / 2 - 1].address, host(2 * most));
    assert_eq!(kept[kept.len() / 2].address, host(1000 + 3 * most - 1));
    assert_eq!(kept[kept.len() - 1].address, host(1000 + 2 * most));
}

#[test]
fn the_earliest_windows_of_too_many_are_kept() {
    let more = MAX_WINDOWS as u64 + 5;
    let slots: Vec<_> = (0..more).map(|n| slot(n, &[])).collect();
    let forwards = day(&slots);
    let backwards = day(&slots.iter().rev().cloned().collect::<Vec<_>>());
    assert!(forwards.is_full() && forwards == backwards);
    assert_eq!(forwards.windows().count(), MAX_WINDOWS);
    assert_eq!(forwards.windows().last().unwrap().0.start(), 600 * (more - 6));
    assert!(!day(&slots[..MAX_WINDOWS]).is_full());
}

#[test]
fn a_window_without_a_length_cannot_be_read() {
    let mut bytes = bytes(&day(&[slot(1, &[])]));
    // The number of windows, then the start, 600, and the length, 600.
    assert_eq!(bytes[..5], [1, 0xd8, 4, 0xd8, 4]);
    assert!(postcard::from_bytes::<TrafficDay>(&bytes).is_ok());
    bytes.splice(3..5, [0]);
    assert!(postcard::from_bytes::<TrafficDay>(&bytes).is_err());
}

proptest! {
    #[test]
    fn order_repetition_and_parts_change_nothing(
        lists in prop::collection::vec(
            prop::collection::vec((0u32..30, 0u64..100, 0u64..100), 0..20), 1..8,
        ),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 0..30),
    ) {
        let slots: Vec<_> = (0u64..).zip(&lists).map(|(n, list)| slot(n, list)).collect();
        let expected = day(&slots);
        // Each window comes somewhere, some of them often.
        let mut shuffled: Vec<_> = slots.iter().rev().cloned().map(|slot| (slot, true)).collect();
        for (index, is_first) in &order {
            shuffled.insert(index.index(shuffled.len()), (index.get(&slots).clone(), *is_first));
        }
        let part = |is_first| {
            let of = shuffled.iter().filter(|(_, of)| *of == is_first).map(|(slot, _)| slot.clone());
            day(&of.collect::<Vec<_>>())
        };
        let all: Vec<_> = shuffled.iter().map(|(slot, _)| slot.clone()).collect();
        for is_first in [false, true] {
            let mut merged = part(is_first);
            merged.merge(part(!is_first));
            for found in [&merged, &day(&all)] {
                prop_assert_eq!(found, &expected);
                prop_assert_eq!(bytes(found), bytes(&expected));
                prop_assert_eq!(found.addresses(), expected.addresses());
            }
        }
        let read: TrafficDay = postcard::from_bytes(&bytes(&expected)).unwrap();
        prop_assert_eq!(read, expected);
    }
}
