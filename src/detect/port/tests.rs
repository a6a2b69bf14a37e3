//! Tests of each class at its limit, and of innocent hosts that come near.

use std::rc::Rc;

use super::{Memory, Port, Setup};
use crate::detect::Detector;
use crate::detect::play::*;
use crate::finding::Finding;
use crate::flow::{Flow, UDP};
use crate::time::{End, Timestamp, Window};
use crate::window::Counter;

fn window(n: u64) -> End {
    End { window: Window::new(n * 600, 600), ..End::default() }
}

fn judge_with(setup: &Rc<Setup>, n: u64, flows: &[Flow]) -> Vec<Finding> {
    let mut port = Port::new(site(1 << 30), setup.clone());
    port.add(flows).unwrap();
    port.judge(&window(n), NOW).unwrap().findings
}

fn judge(flows: &[Flow]) -> Vec<Finding> {
    judge_with(&Rc::default(), 0, flows)
}

/// Returns the names of the findings, which must be the same with flags and on nine columns.
fn both(flows: &[Flow]) -> Vec<String> {
    let named = names(&judge(flows));
    assert_eq!(names(&judge(&nine(flows))), named, "nine columns give other findings");
    named
}

fn remembering() -> Rc<Setup> {
    Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() })
}

/// Returns failed attempts at a port of this many hosts.
fn worm(from: [u8; 4], port: u16, count: u32) -> Vec<Flow> {
    let to = if from[0] == 10 { theirs } else { ours };
    (0..count).map(|n| ask(from, to(n), port)).collect()
}

#[test]
fn a_thousand_failed_targets_are_a_worm() {
    assert_eq!(both(&worm(OUTSIDE, 80, 1000)), ["spread 192.0.2.9 source"]);
    assert_eq!(both(&worm(OUTSIDE, 80, 999)), [""; 0]);
    let mut two = worm(OUTSIDE, 80, 999);
    two.extend(worm(OUTSIDE, 81, 999));
    assert_eq!(both(&two), [""; 0], "a port each");
    // A crawler, a NAT, a resolver.
    let mut served = worm(INSIDE, 443, 1000);
    served.extend((2000..3001).flat_map(|n| talk(INSIDE, theirs(n), 443)));
    assert_eq!(both(&served), [""; 0]);
    // A peer-to-peer program finds a third of its peers alive, a worm hardly any.
    let peers = |alive: u32| {
        let mut flows = worm(OUTSIDE, 6881, 1000);
        flows.extend((2000..2000 + alive).flat_map(|n| talk(OUTSIDE, ours(n), 6881)));
        both(&flows)
    };
    assert_eq!(peers(24), ["spread 192.0.2.9 source"]);
    assert_eq!(peers(250), ["spread 192.0.2.9 source"], "80 %");
    assert_eq!(peers(400), [""; 0]);
    // The target of a flood of unsolicited answers.
    let reflected = (0..2000).flat_map(|n| reflected(theirs(n), INSIDE, 80));
    assert_eq!(both(&reflected.collect::<Vec<_>>()), [""; 0]);
    // A DHCP server answers clients that sent a broadcast.
    let offer = |n| Flow { sport: 67, ..send(UDP, INSIDE, ours(n), 68) };
    assert_eq!(both(&(0..1500).map(offer).collect::<Vec<_>>()), [""; 0]);
}

#[test]
fn a_hundred_failed_targets_in_ten_seconds_are_a_worm() {
    let at = |count: u32, every: u64| {
        let flows = worm(OUTSIDE, 445, count).into_iter().enumerate();
        let start =
            |n: usize| Some(Timestamp::from_nanos((100_000 + n as u64 * every) * 1_000_000));
        names(&judge(&flows.map(|(n, flow)| Flow { start: start(n), ..flow }).collect::<Vec<_>>()))
    };
    assert_eq!(at(100, 90), ["spread 192.0.2.9 source"]);
    assert_eq!(at(99, 90), [""; 0]);
    assert_eq!(at(300, 200), [""; 0]);
}

#[test]
fn fifty_failed_targets_of_an_inside_host_are_enough_if_hardly_any_worked() {
    let with = |failed, worked: u32| {
        let mut flows = worm(INSIDE, 445, failed);
        flows.extend((2000..2000 + worked).flat_map(|n| talk(INSIDE, theirs(n), 445)));
        both(&flows)
    };
    assert_eq!(with(50, 2), ["spread 10.7.7.7 source"]);
    assert_eq!(with(49, 0), [""; 0]);
    // A peer-to-peer client reaches some peers.
    assert_eq!(with(600, 40), [""; 0]);
    // Where QUIC is blocked.
    let udp = |flow| Flow { proto: UDP, flags: None, ..flow };
    assert_eq!(both(&worm(INSIDE, 443, 900).into_iter().map(udp).collect::<Vec<_>>()), [""; 0]);
}

#[test]
fn a_monitor_of_a_site_that_is_down_is_no_worm() {
    let watch = |nets: u32| -> Vec<Flow> {
        let host = |n: u32| [198, 18, (n % nets) as u8, n as u8];
        (0..90).map(|n| ask(INSIDE, host(n), 9100)).collect()
    };
    assert_eq!(both(&watch(9)), [""; 0]);
    assert_eq!(both(&watch(10)), ["spread 10.7.7.7 source"]);
    let setup = remembering();
    assert!((0..9).all(|n| judge_with(&setup, n, &watch(9)[..n as usize * 10]).is_empty()));
}

#[test]
fn an_outage_makes_no_host_a_worm() {
    // Each client tries 60 hosts or more, and the first one `most`; only some clients are answered.
    let site = |answered: u32, most: u32| -> Vec<Flow> {
        let client = |c: u32| {
            let targets = if c == 0 { most } else { 60 + c * 40 };
            let ask = move |n: u32| ask(ours(c), theirs(c * 100 + n), 443);
            let talk = move |n: u32| talk(ours(c), theirs(90_000 + n), 443);
            let count = if c < answered { 200 } else { 0 };
            (0..targets).map(ask).chain((0..count).flat_map(talk))
        };
        (0..9).flat_map(client).collect()
    };
    assert_eq!(both(&site(0, 400)), [""; 0]);
    assert_eq!(both(&site(0, 10_000)), ["spread 10.1.0.0 source"], "a worm may be the reason");
    assert_eq!(both(&site(1, 60)).len(), 8, "some are answered");
    // A worm in more than half of the clients, and in fewer.
    let infected = |hosts: u32| -> Vec<Flow> {
        let worm = (0..hosts).flat_map(|c| worm(ours(c), 445, 1_000));
        site(0, 60).into_iter().chain(worm).collect()
    };
    assert_eq!(both(&infected(5)).len(), 5);
    assert_eq!(both(&infected(4)), [""; 0]);
    let resolvers = |n: u32| Flow { proto: UDP, ..ask(ours(n % 6), theirs(n), 53) };
    let cut_off: Vec<Flow> = site(0, 60).into_iter().chain((0..9_000).map(resolvers)).collect();
    assert_eq!(both(&cut_off), [""; 0], "resolvers do the same by UDP");
    // Hosts that are flooded with answers initiated nothing, so there is no outage.
    let flooded = (0..6_000).flat_map(|n| reflected(theirs(n), ours(n % 60), 80));
    let flooded: Vec<Flow> = flooded.chain(worm(INSIDE, 445, 200)).collect();
    assert_eq!(both(&flooded), ["spread 10.7.7.7 source"]);
    // Servers on unknown ports that answered checks initiated nothing either, although no flag shows it.
    let answer = |n: u32| {
        let sport = 8001 + (n % 5) as u16;
        let flags = Some(18);
        Flow { sport, flags, octets: 60, ..ask(ours(n % 10), OUTSIDE, 33_000 + n as u16) }
    };
    let answers: Vec<Flow> = (0..1000).map(answer).chain(worm(INSIDE, 445, 1000)).collect();
    assert_eq!(both(&answers), ["spread 10.7.7.7 source"]);
    let setup = remembering();
    assert!((0..9).all(|n| judge_with(&setup, n, &site(0, 400)).is_empty()));
}

#[test]
fn an_outage_is_one_although_hosts_inside_answer() {
    // The clients reach nobody outside. The resolver inside answers them.
    let cut_off = |clients: u32| -> Vec<Flow> {
        let client = |c: u32| {
            let asks = (0..60).map(move |n| ask(ours(c), theirs(c * 100 + n), 443));
            let names = (0..60).flat_map(move |n| {
                let there = Flow { sport: 2000 + n, ..send(UDP, ours(c), [10, 1, 0, 53], 53) };
                [there, back(&there, 1, 120, 0)]
            });
            asks.chain(names)
        };
        (100..100 + clients).flat_map(client).collect()
    };
    assert_eq!(both(&cut_off(9)), [""; 0]);
    // It is no reason that hosts inside do not answer.
    let inner: Vec<Flow> = (0..300).map(|n| ask(INSIDE, ours(n * 256), 445)).collect();
    assert_eq!(both(&[cut_off(9), inner].concat()), ["spread 10.7.7.7 source"]);
    // Only those that are infected try to reach the outside, which the others do by a proxy.
    let by_proxy = |n: u32| {
        let there =
            Flow { sport: 2000 + n as u16, ..talk(ours(200 + n % 40), [10, 1, 0, 80], 3128)[0] };
        [there, back(&there, 8, 4_000, 27)]
    };
    let by_proxy: Vec<Flow> = (0..400).flat_map(by_proxy).collect();
    assert_eq!(both(&[cut_off(9), by_proxy].concat()).len(), 9);
}

#[test]
fn what_failed_in_an_outage_is_not_remembered_and_what_works_counts() {
    let mail = |works: u32, fails: u32| -> Vec<Flow> {
        let works = (0..works).flat_map(|n| talk(INSIDE, theirs(n), 25));
        works.chain((0..fails).map(|n| ask(INSIDE, theirs(500 + n), 25))).collect()
    };
    let others: Vec<Flow> =
        (0..9).flat_map(|c| (0..9).map(move |n| ask(ours(c), theirs(9000 + n), 443))).collect();
    let setup = remembering();
    let outage = [mail(0, 60), others].concat();
    assert!(judge_with(&setup, 0, &outage).is_empty(), "without mail that comes in, too");
    assert!((1..9).all(|n| {
        judge_with(&setup, n, &[mail(57, 3), talk(OUTSIDE, INSIDE, 25).to_vec()].concat())
            .is_empty()
    }));
    // Attempts that failed for another reason are outweighed by what works later.
    let setup = remembering();
    let inbound = talk(OUTSIDE, INSIDE, 25).to_vec();
    assert_eq!(judge_with(&setup, 0, &[mail(0, 60), inbound.clone()].concat()).len(), 1);
    assert!(
        (1..9).all(|n| judge_with(&setup, n, &[mail(57, 3), inbound.clone()].concat()).is_empty())
    );
}

#[test]
fn a_slow_worm_is_found_over_a_day() {
    let found = |from, a_window: u32, windows: u64| {
        let setup = remembering();
        let part = |n: u64| worm(from, 445, a_window * (n as u32 + 1));
        let part = |n: u64| part(n).split_off(a_window as usize * n as usize);
        (0..windows).find(|n| !judge_with(&setup, *n, &part(*n)).is_empty())
    };
    assert_eq!(found(OUTSIDE, 100, 12), Some(9), "a thousand after ten windows");
    assert_eq!(found(INSIDE, 10, 12), Some(4), "fifty after five");
    assert_eq!(found(INSIDE, 9, 12), None, "too few to be remembered");
    // The same targets in every window do not add up.
    let setup = remembering();
    assert!((0..40).all(|n| judge_with(&setup, n, &worm(INSIDE, 445, 40)).is_empty()));
}

/// Returns sessions of a client with a server at a port, of this many packets.
fn sessions(from: [u8; 4], to: [u8; 4], port: u16, count: u16, packets: u64) -> Vec<Flow> {
    let session = |n: u16| {
        let octets = packets * 150 + u64::from(n % 7) * 10;
        let there =
            Flow { sport: 41_000 + n, packets, octets, flags: Some(27), ..ask(from, to, port) };
        [there, back(&there, packets - 1, 3_000, 27)]
    };
    (0..count).flat_map(session).collect()
}

#[test]
fn twenty_sessions_of_like_size_are_password_guessing() {
    let guess = |count, packets| both(&sessions(OUTSIDE, ours(1), 22, count, packets));
    assert_eq!(guess(20, 16), ["bruteforce 192.0.2.9 source"]);
    assert_eq!(guess(19, 16), [""; 0]);
    assert_eq!(guess(20, 10), [""; 0]);
    assert_eq!(guess(20, 52), [""; 0]);
    // Sessions after a login differ in size.
    let work: Vec<Flow> = (0..40)
        .flat_map(|n| sessions(OUTSIDE, ours(1), 22, 1, 11 + n))
        .enumerate()
        .map(|(n, flow)| match flow.dport {
            22 => Flow { sport: 30_000 + (n / 2) as u16, ..flow },
            _ => Flow { dport: 30_000 + (n / 2) as u16, ..flow },
        })
        .collect();
    assert_eq!(both(&work), [""; 0]);
    // Inside programs have sessions with their databases all day.
    assert_eq!(both(&sessions(ours(7), ours(1), 3306, 500, 16)), [""; 0]);
    assert_eq!(both(&sessions(OUTSIDE, ours(1), 3306, 500, 16)), ["bruteforce 192.0.2.9 source"]);
}

#[test]
fn an_inside_host_that_mails_to_fifty_and_takes_no_mail_is_a_spammer() {
    let mails = |count| (0..count).flat_map(|n| talk(INSIDE, theirs(n), 25)).collect::<Vec<_>>();
    assert_eq!(both(&mails(50)), ["spam 10.7.7.7 source"]);
    assert_eq!(both(&mails(49)), [""; 0]);
    let mut server = mails(300);
    server.extend(talk(OUTSIDE, INSIDE, 25));
    assert_eq!(both(&server), [""; 0]);
}

#[test]
fn a_chain_of_infections_is_followed_if_there_is_memory() {
    let (first, second) = (ours(1), ours(2));
    let attack = |from, count| (0..count).map(move |n| ask(from, theirs(500 + n), 445));
    let start = |flows: &mut Vec<Flow>| {
        flows.extend(attack(OUTSIDE, 200));
        flows.extend(talk(OUTSIDE, first, 445));
    };
    let mut flows = Vec::new();
    start(&mut flows);
    flows.extend(attack(first, 30));
    flows.extend(talk(first, second, 445));
    flows.extend(attack(second, 25));
    assert_eq!(names(&judge(&flows)), [""; 0]);
    let expected = ["infected 10.1.0.1 source", "infected 10.1.0.2 source"];
    let found = judge_with(&remembering(), 0, &flows);
    assert_eq!(names(&found), expected);
    assert_eq!(found[1].why, "targets=25>=25,by=10.1.0.1");
    flows.reverse();
    assert_eq!(judge_with(&remembering(), 0, &flows), found, "the order of flows matters");
    // A host that was reached before, and attacks now.
    let setup = remembering();
    let mut entry = Vec::new();
    start(&mut entry);
    assert_eq!(names(&judge_with(&setup, 0, &entry)), [""; 0]);
    let now: Vec<Flow> = attack(first, 25).collect();
    assert_eq!(names(&judge_with(&setup, 5, &now)), ["infected 10.1.0.1 source"]);
    assert_eq!(names(&judge_with(&setup, 6, &attack(first, 24).collect::<Vec<_>>())), [""; 0]);
    // A host that no attacker reached.
    assert_eq!(names(&judge_with(&setup, 7, &attack(second, 40).collect::<Vec<_>>())), [""; 0]);
}

#[test]
fn an_outbreak_is_more_attackers_than_usual() {
    let setup = remembering();
    let attackers = |count: u32| -> Vec<Flow> {
        (0..count).flat_map(|n| worm(theirs(70_000 + n), 445, 1000)).collect()
    };
    let marked = |setup: &Rc<Setup>, n: u64, count| {
        judge_with(setup, n, &attackers(count))[0].marks.contains(&"outbreak".to_owned())
    };
    assert!(!marked(&remembering(), 0, 12), "the usual number is unknown");
    let marks = |n, count| marked(&setup, n, count);
    assert!((0..40).all(|n| !marks(n, 2)));
    assert!(!marks(40, 9));
    assert!(marks(41, 12));
    assert!(marks(42, 12), "an outbreak does not become usual");
}

#[test]
fn a_source_that_completed_a_conversation_at_the_port_spoke() {
    let marks = |more: &[Flow]| {
        let findings = judge(&[worm(OUTSIDE, 445, 1000), more.to_vec()].concat());
        assert_eq!(names(&findings), ["spread 192.0.2.9 source"]);
        findings[0].marks.clone()
    };
    assert_eq!(marks(&[]), [""; 0]);
    assert_eq!(marks(&talk(OUTSIDE, ours(5000), 445)), ["spoke"]);
    assert_eq!(marks(&talk(OUTSIDE, ours(5000), 80)), [""; 0], "another port");
    assert_eq!(marks(&talk(ours(5000), OUTSIDE, 445)), [""; 0], "it only answered");
}

#[test]
fn checks_of_many_hosts_are_no_worm() {
    let check = |n: u32, sport: u16| {
        let there =
            Flow { packets: 2, octets: 84, flags: Some(6), sport, ..ask(INSIDE, ours(n), 80) };
        [there, back(&there, 1, 44, 18)]
    };
    let once: Vec<Flow> = (0..1200).flat_map(|n| check(n, 40_000)).collect();
    let twice: Vec<Flow> =
        (0..1200).flat_map(|n| [check(n, 40_000), check(n, 40_001)].concat()).collect();
    assert_eq!(names(&judge(&twice)), [""; 0]);
    assert_eq!(names(&judge(&once)), ["spread 10.7.7.7 source"]);
    let setup = remembering();
    let found: Vec<usize> = (0..8).map(|n| judge_with(&setup, n, &once).len()).collect();
    assert_eq!(found, [1, 1, 1, 1, 1, 0, 0, 0], "a habit");
}

#[test]
fn a_session_a_minute_for_an_hour_is_password_guessing() {
    // Ten sessions of like size in each window.
    let guess = |from: [u8; 4], to: [u8; 4], octets: u64| -> Vec<Flow> {
        let session = |n: u16| {
            let flow = Flow {
                packets: 14,
                octets,
                flags: Some(27),
                sport: 40_000 + n,
                ..ask(from, to, 22)
            };
            [flow, back(&flow, 15, 3_000, 27)]
        };
        (0..10).flat_map(session).collect()
    };
    let run = |flows: &dyn Fn(u64) -> Vec<Flow>| -> Vec<usize> {
        let setup = remembering();
        (0..12).map(|n| judge_with(&setup, n, &flows(n)).len()).collect()
    };
    let found = run(&|_| guess(OUTSIDE, INSIDE, 2100));
    assert_eq!(found, [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    let setup = remembering();
    let found: Vec<_> =
        (0..5).map(|n| judge_with(&setup, n, &guess(OUTSIDE, INSIDE, 2100))).collect();
    let last = &found[4];
    assert_eq!(names(last), ["bruteforce 192.0.2.9 source"]);
    assert_eq!((last[0].flows, last[0].peers), (10, 1));
    assert_eq!(last[0].why, "sessions1h=50>=49");
    assert_eq!(run(&|_| guess(INSIDE, OUTSIDE, 2100)), [0; 12], "from inside");
    assert_eq!(run(&|n| guess(OUTSIDE, ours(n as u32), 2100)), [0; 12], "each with another host");
    assert_eq!(run(&|n| guess(OUTSIDE, INSIDE, 900 << (n % 4))), [0; 12], "of all sizes");
    assert!(both(&guess(OUTSIDE, INSIDE, 2100)).is_empty(), "without a memory");
}
