//! Helpers for the tests of the classes, and tests of the whole detector.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

use ipnet::IpNet;
use proptest::prelude::*;

use super::{Memory, Scan, Setup};
use crate::detect::paper::{PaperScan, PaperScanRules, Subnet};
pub(super) use crate::detect::play::*;
use crate::detect::{Detector, Site, SiteLimits, Verdict};
use crate::finding::{Finding, Host, MAX_PEERS, Peer, Role};
use crate::flow::{Flow, ICMP, Networks, TCP, UDP};
use crate::time::{End, Timestamp, Window};
use crate::window::Counter;

mod innocents;

/// Returns the verdict about a window.
pub(super) fn judge_by(setup: Setup, end: &End, flows: &[Flow]) -> Verdict<Subnet> {
    let mut scan = Scan::new(site(1 << 30), Rc::new(setup));
    scan.add(flows).unwrap();
    scan.judge(end, NOW).unwrap()
}

/// Returns the findings of a window of ten minutes.
pub(super) fn judge(flows: &[Flow]) -> Vec<Finding> {
    let end = End { window: Window::new(0, 600), ..End::default() };
    judge_by(Setup::default(), &end, flows).findings
}

/// Returns the names of the findings, which must be the same with flags and on nine columns.
pub(super) fn both(flows: &[Flow]) -> Vec<String> {
    let named = names(&judge(flows));
    assert_eq!(names(&judge(&nine(flows))), named, "nine columns give other findings");
    named
}

/// Returns the names of the findings with limits of the site.
pub(super) fn named_by(limits: &str, flows: &[Flow]) -> Vec<String> {
    let named = |flows: &[Flow]| {
        let setup = Setup { limits: SiteLimits::parse(limits).unwrap(), ..Setup::default() };
        names(&judge_by(setup, &End::default(), flows).findings)
    };
    assert_eq!(named(&nine(flows)), named(flows), "nine columns give other findings");
    named(flows)
}

#[test]
fn a_host_that_many_answer_is_no_scanner() {
    let flows: Vec<Flow> = (0..600).flat_map(|n| talk(OUTSIDE, ours(n), 80)).collect();
    assert_eq!(both(&flows), [""; 0]);
    let flows: Vec<Flow> = (0..600).flat_map(|n| reply(UDP, INSIDE, theirs(n), 53)).collect();
    assert_eq!(both(&flows), [""; 0]);
    // A host that resets unsolicited SYN-ACKs is no scanner either.
    let flows: Vec<Flow> = (0..600).flat_map(|n| reflected(theirs(n), INSIDE, 80)).collect();
    assert_eq!(both(&flows), [""; 0]);
}

#[test]
fn why_shows_the_order_of_targets_and_the_tool() {
    let mut flows: Vec<Flow> = (0..40).map(|n| ask(OUTSIDE, ours(n), 23)).collect();
    for (n, flow) in (0..).zip(&mut flows) {
        (flow.start, flow.sport) = (Some(Timestamp::from_millis(1_000_000 + n * 10)), 61_000);
    }
    let why = |flows: &[Flow]| judge(flows)[0].why.clone();
    let walk = why(&flows);
    assert!(walk.ends_with("order=sequential,octetsapacket=40,sport=fixed,also=dark"), "{walk}");
    for (n, flow) in (0..).zip(&mut flows) {
        flow.start = Some(Timestamp::from_millis(1_000_000 + (n * 17 % 40) * 10));
    }
    assert!(why(&flows).contains("order=random"), "{}", why(&flows));
    assert!(!why(&nine(&flows)).contains("order"), "{}", why(&nine(&flows)));
}

#[test]
fn a_research_scanner_has_the_class_survey() {
    let flows: Vec<Flow> = (0..40).map(|n| ask(OUTSIDE, ours(n), 23)).collect();
    let survey = Networks::new(["192.0.2.0/24".parse().unwrap()]);
    let setup = Setup { survey, ..Setup::default() };
    let findings = judge_by(setup, &End::default(), &flows).findings;
    assert_eq!(names(&findings), ["survey 192.0.2.9 source"]);
    assert_eq!(findings[0].marks, ["survey"]);
    assert!(findings[0].why.contains("class=horizontal"), "{}", findings[0].why);
}

#[test]
fn a_site_sets_its_own_limits() {
    let flows: Vec<Flow> = (0..40).map(|n| ask(OUTSIDE, ours(n), 23)).collect();
    let named = |text: &str| {
        let setup = Setup { limits: SiteLimits::parse(text).unwrap(), ..Setup::default() };
        names(&judge_by(setup, &End::default(), &flows).findings)
    };
    assert_eq!(named(""), ["horizontal 192.0.2.9 source"]);
    assert_eq!(named("192.0.2.0/24,horizontal,41"), ["dark 192.0.2.9 source"]);
    assert_eq!(named("192.0.2.0/24,horizontal,off\n*,dark,off"), [""; 0]);
    assert_eq!(named("192.0.2.128/25,horizontal,41"), ["horizontal 192.0.2.9 source"]);
}

#[test]
fn oneway_input_is_marked_and_needs_more_failures() {
    // Long flows whose reverse direction is not exported.
    let long =
        |n| Flow { packets: 50, octets: 60_000, flags: Some(27), ..ask(theirs(n), ours(n), 443) };
    let mut flows: Vec<Flow> = (0..60).map(long).collect();
    assert_eq!(both(&flows), [""; 0]);
    // Resolvers whose answers are not exported are not flagged, but a scan by TCP is.
    flows.extend((0..400).map(|n| send(UDP, INSIDE, theirs(n), 53)));
    assert_eq!(both(&flows), [""; 0]);
    flows.extend((0..400).map(|n| ask(OUTSIDE, ours(n), 23)));
    let findings = judge(&flows);
    assert_eq!(names(&findings), ["horizontal 192.0.2.9 source"]);
    assert_eq!(findings[0].marks, ["oneway"]);
    let sampled = |flow: &Flow| Flow { sampling: 100, ..*flow };
    let flows: Vec<Flow> = (0..400).map(|n| sampled(&send(UDP, INSIDE, theirs(n), 53))).collect();
    assert_eq!(both(&flows), [""; 0]);
    // Long attempts at absent hosts do not make the input one-way.
    let retries = |n| Flow { packets: 20, octets: 800, ..ask(theirs(n), ours(n), 443) };
    let mut flows: Vec<Flow> = (0..400).map(retries).collect();
    flows.extend((0..400).map(|n| ask(OUTSIDE, ours(n), 23)));
    assert_eq!(judge(&flows)[0].marks, [""; 0]);
}

#[test]
fn memory_finds_slow_scans_and_hosts_in_use() {
    let setup = Setup { memory: Some(Memory::default().into()), ..Setup::default() };
    let setup = Rc::new(setup);
    let mut found = Vec::new();
    for n in 0..60u32 {
        let mut scan = Scan::new(site(1 << 30), setup.clone());
        let flows: Vec<Flow> = (n * 11..(n + 1) * 11)
            .map(|n| ask(OUTSIDE, ours(n * 7), 22))
            .chain((0..3).flat_map(|n| talk(theirs(n), INSIDE, 80)))
            .collect();
        scan.add(&flows).unwrap();
        let window = Window::new(u64::from(n) * 600, 600);
        let verdict = scan.judge(&End { window, ..End::default() }, NOW).unwrap();
        found.extend(names(&verdict.findings).into_iter().map(|name| format!("{n} {name}")));
    }
    // There are 11 targets a window, so the sixth window is the first with more than 61 in an hour.
    assert_eq!(found.first().map(String::as_str), Some("5 slow 192.0.2.9 source"));
    assert_eq!(found.len(), 55, "{found:?}");
    // A window that is judged again is not learned again.
    let before = setup.memory.as_ref().unwrap().borrow().clone();
    let mut scan = Scan::new(site(1 << 30), setup.clone());
    scan.add(&[ask(OUTSIDE, ours(9), 22)]).unwrap();
    scan.judge(&End { window: Window::new(600, 600), ..End::default() }, NOW).unwrap();
    assert_eq!(*setup.memory.as_ref().unwrap().borrow(), before);
    // A host that was active today is in use, though it is silent now.
    assert!(before.holds(INSIDE.into(), Window::new(60 * 600, 600)));
    assert!(!before.holds(INSIDE.into(), Window::new(60 * 600 + 86_400 * 2, 600)));
    assert!(before.is_warm());
}

/// Returns a flow among few hosts and ports, so that conversations have both directions.
fn any_flow() -> impl Strategy<Value = Flow> {
    let host = || {
        (0u32..3, 0u32..90).prop_map(|(net, n)| match net {
            0 => OUTSIDE,
            1 => ours(n),
            _ => theirs(n % 7),
        })
    };
    let port = || prop::sample::select(vec![22u16, 53, 80, 4000, 40_000, 50_000, 65_535]);
    let proto = prop::sample::select(vec![TCP, TCP, TCP, UDP, ICMP, 47]);
    let flags = prop::option::of(prop::sample::select(vec![2u16, 18, 20, 27, 16, 4]));
    let counts = (1u64..20, 40u64..200);
    (host(), host(), proto, port(), port(), counts, flags, prop::option::of(0u64..1_000)).prop_map(
        |(sip, dip, proto, sport, dport, (packets, size), flags, start)| Flow {
            sip: sip.into(),
            dip: dip.into(),
            proto,
            sport,
            dport,
            packets,
            octets: packets * size,
            flags,
            start: start.map(Timestamp::from_secs),
            ..Flow::default()
        },
    )
}

/// Returns the column `peer` of a sweep by a slow reference that counts in the flows themselves. Also returns
/// the number of entries that are left out, without networks outside of the sweep.
fn reference(flows: &[Flow]) -> (Vec<Peer>, u64) {
    let net = |flow: &Flow| IpNet::new(flow.dip, 24).unwrap().trunc();
    let to = |nets: &[IpNet]| flows.iter().filter(|flow| nets.contains(&net(flow))).count() as u64;
    let mut hosts: BTreeMap<IpNet, BTreeSet<IpAddr>> = BTreeMap::new();
    for flow in flows {
        hosts.entry(net(flow)).or_default().insert(flow.dip);
    }
    let is_whole = |n: u32| {
        let net = IpNet::new(IpAddr::from(ours(n << 8)), 24).unwrap();
        hosts.get(&net).is_some_and(|hosts| hosts.len() >= 200)
    };
    // Network 0 has none before it.
    let nets = (1..100).filter(|&n| is_whole(n) && (is_whole(n - 1) || is_whole(n + 1)));
    let nets: Vec<IpNet> =
        nets.map(|n| IpNet::new(IpAddr::from(ours(n << 8)), 24).unwrap()).collect();
    let entries = if nets.len() > MAX_PEERS { IpNet::aggregate(&nets) } else { nets.clone() };
    let more = entries.len().saturating_sub(MAX_PEERS) as u64;
    let peer = entries.into_iter().take(MAX_PEERS).map(|entry| {
        let parts: Vec<IpNet> = nets.iter().copied().filter(|net| entry.contains(net)).collect();
        Peer { host: Host::Prefix(entry), flows: Some(to(&parts)) }
    });
    (peer.collect(), more)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Checks that a sweep's line has the bars of figure 3: each scanned network with the flows to it.
    #[test]
    fn the_networks_of_a_sweep_have_their_flows(
        nets in prop::collection::btree_map(1u32..60, (196u32..256, 0u32..9), 1..50),
        others in prop::collection::btree_set(100u32..160, 0..6),
    ) {
        // Some hosts of a network are tried again, in flows of their own.
        let walk = |(net, (hosts, again)): (u32, (u32, u32))| {
            let flow = |host: u32| ask(OUTSIDE, ours((net << 8) | host), 23);
            (0..hosts).chain(0..again).map(flow).collect::<Vec<_>>()
        };
        let mut flows: Vec<Flow> = nets.into_iter().flat_map(walk).collect();
        flows.extend(others.iter().map(|net| ask(OUTSIDE, ours(net << 8), 23)));
        let (peer, left) = reference(&flows);
        let end = End { window: Window::new(0, 600), ..End::default() };
        let verdict = judge_by(Setup::default(), &end, &flows);
        let mut paper = PaperScan::new(site(1 << 30), PaperScanRules::PAPER);
        paper.add(&flows).unwrap();
        let paper = paper.judge(&end, NOW).unwrap();
        prop_assert_eq!(&verdict.figure, &paper.figure);
        let sweeps = |verdict: &Verdict<Subnet>| -> Vec<Finding> {
            verdict.findings.iter().filter(|finding| finding.class == "sweep").cloned().collect()
        };
        if peer.is_empty() {
            prop_assert_eq!((sweeps(&verdict), sweeps(&paper)), (Vec::new(), Vec::new()));
            return Ok(());
        }
        let [judged] = &sweeps(&verdict)[..] else { panic!("{verdict:?}") };
        let [by_paper] = &sweeps(&paper)[..] else { panic!("{paper:?}") };
        prop_assert_eq!((&judged.peer, &by_paper.peer), (&peer, &peer));
        let tried: BTreeSet<IpNet> =
            flows.iter().map(|flow| IpNet::new(flow.dip, 24).unwrap().trunc()).collect();
        let outside = (tried.len() - verdict.figure.len()) as u64;
        prop_assert_eq!((judged.more, by_paper.more), (left + outside, left));
        // A sum of all entries is what the finding counts.
        let sum: u64 = peer.iter().filter_map(|peer| peer.flows).sum();
        let in_figure = verdict.figure.iter().filter(|row| {
            peer.iter().any(|peer| matches!(peer.host, Host::Prefix(net) if net.contains(&row.net)))
        });
        prop_assert_eq!(sum, in_figure.map(|row| row.flows).sum::<u64>());
        prop_assert_eq!(sum == by_paper.flows, by_paper.more == 0);
        prop_assert_eq!(sum == judged.flows, judged.more == 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Checks that order, partition and memory change no finding, and that doubled flows only change the sums.
    #[test]
    fn findings_do_not_depend_on_how_the_work_was_done(
        mut flows in proptest::collection::vec(any_flow(), 0..400),
        scan in 0u32..80,
        shuffle in any::<u64>(),
    ) {
        flows.extend((0..scan).map(|n| ask(OUTSIDE, ours(n), 23)));
        let judge = |flows: &[Flow], memory| {
            let mut scan = Scan::new(site(memory), Rc::new(Setup::default()));
            for part in flows.chunks(7) {
                scan.add(part).unwrap();
            }
            scan.judge(&End { window: Window::new(0, 600), ..End::default() }, NOW).unwrap()
        };
        let straight = judge(&flows, 1 << 30);
        let mut mixed = flows.clone();
        let mut state = shuffle | 1;
        for n in (1..mixed.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            mixed.swap(n, (state >> 33) as usize % (n + 1));
        }
        prop_assert_eq!(&judge(&mixed, 0), &straight);
        let twice = [mixed.clone(), flows].concat();
        prop_assert_eq!(names(&judge(&twice, 1 << 30).findings).len(), names(&straight.findings).len());
        for (a, b) in judge(&twice, 1 << 30).findings.iter().zip(&straight.findings) {
            prop_assert!(a.role == Role::Target || a.peers == b.peers || a.host != b.host);
        }
    }
}
