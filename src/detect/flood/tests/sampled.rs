//! Floods in sampled input, where most answers are not seen.

use super::*;

/// Returns conversations of the victim's neighbours, and long flows, of which one packet in a hundred is seen both ways.
fn campus() -> Vec<Flow> {
    let neighbour = |n: u32| {
        let there = Flow { packets: 12, octets: 1800, ..talk(theirs(n), [10, 1, 1, 9], 443)[0] };
        let there = Flow { sport: 20_000 + n as u16, ..there };
        [there, back(&there, 20, 20_000, 24)]
    };
    (0..40).flat_map(neighbour).collect()
}

/// Returns what is seen of a stream of datagrams to the victim of so many packets a second.
fn stream(pps: u64) -> Flow {
    datagram(OUTSIDE, 4000, VICTIM, 9000, pps * 600 / 100)
}

fn found(flows: &[Flow]) -> Vec<String> {
    let sampled = flows.iter().map(|flow| Flow { sampling: 100, ..*flow }).collect::<Vec<_>>();
    names(&judge(&sampled))
}

#[test]
fn a_host_without_a_packet_among_neighbours_that_answer_is_flooded() {
    let with = |flows: &[Flow]| found(&[campus().as_slice(), flows].concat());
    assert_eq!(with(&[]), [""; 0]);
    assert_eq!(with(&[stream(10_000)]), ["volume 10.1.1.1 target"]);
    assert_eq!(with(&[stream(9_999)]), [""; 0]);
    // It answers somebody, or asks somebody.
    assert_eq!(with(&[&[stream(10_000)][..], &talk(theirs(7), VICTIM, 22)].concat()), [""; 0]);
    assert_eq!(with(&[stream(10_000), send(UDP, VICTIM, theirs(7), 53)]), [""; 0]);
    // Of another network not one answer is seen.
    let other = Flow { dip: [10, 1, 2, 1].into(), ..stream(10_000) };
    assert_eq!(with(&[other]), [""; 0]);
    // Streams of inside hosts are nothing against one of them.
    let ours = Flow { sip: INSIDE.into(), ..stream(10_000) };
    assert_eq!(with(&[ours]), [""; 0]);
}

#[test]
fn input_that_does_not_show_answers_shows_no_flood() {
    assert_eq!(found(&[stream(10_000)]), [""; 0]);
    let one_way: Vec<Flow> =
        campus().into_iter().step_by(2).chain(campus().into_iter().take(20)).collect();
    assert_eq!(found(&[one_way.as_slice(), &[stream(10_000)]].concat()), [""; 0]);
}

#[test]
fn a_hundred_samples_are_needed() {
    let with = |packets: u64, sampling| {
        let flood = Flow { packets, octets: packets * 1000, ..stream(1) };
        let flows = campus().into_iter().chain([flood]);
        let sampled = flows.map(|flow| Flow { sampling, ..flow }).collect::<Vec<_>>();
        names(&judge(&sampled))
    };
    assert_eq!(with(100, 60_000), ["volume 10.1.1.1 target"]);
    assert_eq!(with(99, 65_000), [""; 0]);
}

#[test]
fn a_receiver_that_never_answers_is_known_by_its_past() {
    let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
    let named = |n: u64, flows: &[Flow]| {
        let flows = flows.iter().map(|flow| Flow { sampling: 100, ..*flow }).collect::<Vec<_>>();
        let mut flood = Flood::new(site(1 << 30), setup.clone());
        flood.add(&flows).unwrap();
        names(&flood.judge(&window(n), NOW).unwrap().findings)
    };
    let of = |pps| [campus().as_slice(), &[stream(pps)]].concat();
    for n in 0..48 {
        assert_eq!(named(n, &of(5_000)), [""; 0], "{n}");
    }
    assert_eq!(named(48, &of(20_000)), [""; 0], "four times as much as usual");
    assert_eq!(named(49, &of(60_000)), ["volume 10.1.1.1 target"]);
}
