//! Tests of every kind of actor: its hosts, its peers, the responses, and the counts of the truth.

use super::*;
use crate::flow::UDP;
use crate::scenario::campus::alive;

fn with(text: &str) -> Vec<With> {
    text.split(',').map(|text| text.parse().unwrap()).collect()
}

/// Plays the actors alone in the first window of a seed.
pub(super) fn alone(text: &str, seed: u64) -> (Window, Played, Vec<Truth>) {
    let player = Player::with(plan(ScenarioKind::None, seed), &with(text)).unwrap();
    let mut windows = play_all(player);
    assert_eq!(windows.len(), 1);
    windows.remove(0)
}

/// Plays actors alone in consecutive windows.
pub(super) fn hours(text: &str, windows: u32) -> Vec<(Window, Played, Vec<Truth>)> {
    let plan = ScenarioPlan { length: Some(windows * SECONDS), ..plan(ScenarioKind::None, 1) };
    play_all(Player::with(plan, &with(text)).unwrap())
}

pub(super) fn flows(played: &Played) -> impl Iterator<Item = &Flow> + Clone {
    played.iter().map(|(_, flow)| flow)
}

/// Returns the host that takes part in every conversation.
pub(super) fn centre(played: &Played) -> IpAddr {
    let mut seen = BTreeMap::<IpAddr, usize>::new();
    for flow in flows(played) {
        *seen.entry(flow.sip).or_default() += 1;
        *seen.entry(flow.dip).or_default() += 1;
    }
    seen.into_iter().max_by_key(|(_, flows)| *flows).unwrap().0
}

pub(super) fn documentation(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.is_documentation())
}

/// Returns a test for flows with a response: a flow in the reverse direction.
pub(super) fn answered(played: &Played) -> impl Fn(&Flow) -> bool {
    let seen: HashSet<_> =
        flows(played).map(|f| (f.proto, f.sip, f.dip, f.sport, f.dport)).collect();
    move |f| match f.proto {
        ICMP => seen.contains(&(ICMP, f.dip, f.sip, 0, 0)),
        _ => seen.contains(&(f.proto, f.dip, f.sip, f.dport, f.sport)),
    }
}

/// Returns the percentage of a host's own TCP and UDP flows without a response.
fn failed(played: &Played, who: IpAddr) -> usize {
    let answered = answered(played);
    let requests = flows(played).filter(|f| {
        f.sip == who && f.proto != ICMP && ![Some(0x12), Some(0x14)].contains(&f.flags)
    });
    let (mut all, mut silent) = (0, 0);
    for flow in requests {
        all += 1;
        silent += usize::from(!answered(flow));
    }
    silent * 100 / all.max(1)
}

const SCANS: [Actor; 15] = [
    Actor::Sweep,
    Actor::Horizontal,
    Actor::Patient,
    Actor::Inner,
    Actor::Ports,
    Actor::Connect,
    Actor::Block,
    Actor::Udp,
    Actor::UdpWalk,
    Actor::Icmp,
    Actor::Slow,
    Actor::Group,
    Actor::Small,
    Actor::Large,
    Actor::Survey,
];

/// The oldest innocent kinds. Every seed must play them as it always did.
const FIRST_INNOCENTS: [Actor; 18] = [
    Actor::WebServer,
    Actor::Cdn,
    Actor::DnsServer,
    Actor::Resolver,
    Actor::Ntp,
    Actor::Nat,
    Actor::P2p,
    Actor::Mail,
    Actor::Crawler,
    Actor::Spider,
    Actor::Monitor,
    Actor::Crowd,
    Actor::Backscatter,
    Actor::Vpn,
    Actor::Stale,
    Actor::Leaver,
    Actor::Trace,
    Actor::Misroute,
];

/// Returns the scanners and the oldest innocent kinds.
fn first_kinds() -> Vec<Actor> {
    SCANS.into_iter().chain(FIRST_INNOCENTS).collect()
}

/// Returns all other kinds.
fn later_kinds() -> Vec<Actor> {
    let first = first_kinds();
    Actor::ALL.into_iter().filter(|actor| !first.contains(actor)).collect()
}

/// The kinds that came last.
const NEWEST: [Actor; 18] = [
    Actor::Answers,
    Actor::Lateral,
    Actor::Checks,
    Actor::Idle,
    Actor::Call,
    Actor::Discovery,
    Actor::Protocols,
    Actor::OneTuple,
    Actor::OutTuple,
    Actor::Guessers,
    Actor::Swarm,
    Actor::Class,
    Actor::Visitors,
    Actor::Silenced,
    Actor::SlowGuess,
    Actor::Maintenance,
    Actor::Uplink,
    Actor::Cron,
];

/// Returns a request for `count` actors of each kind, of a size.
fn each(kinds: &[Actor], size: u32, count: u32) -> String {
    let each: Vec<_> = kinds.iter().map(|actor| format!("{actor}={size}x{count}")).collect();
    each.join(",")
}

#[test]
fn every_kind_plays_flows_that_a_router_can_report() {
    for actor in Actor::ALL {
        for (seed, count) in [(1, 1), (2, 3)] {
            let text = format!("{actor}={}x{count}", actor.size().min(800));
            let (window, played, truth) = alone(&text, seed);
            assert!(!played.is_empty(), "{actor}");
            check(window, &played);
            let hosts: BTreeSet<_> = truth.iter().map(|t| t.finding.host).collect();
            let hosts = hosts.into_iter().filter(|h| matches!(h, Host::Prefix(_)));
            match actor {
                Actor::Group | Actor::Carpet => assert_eq!(hosts.count(), count),
                // All swarms are in the one network of the campus.
                Actor::Swarm => assert_eq!(hosts.count(), 1),
                _ => assert_eq!(hosts.count(), 0),
            }
            assert_eq!(truth.is_empty(), actor.class().is_none(), "{actor}");
            // The flows are spread over the whole window, unless they are few and long.
            let streams = [
                Actor::Outbound,
                Actor::Volume,
                Actor::Download,
                Actor::Upload,
                Actor::Stream,
                Actor::Call,
                Actor::OneTuple,
                Actor::OutTuple,
            ];
            if streams.contains(&actor) {
                continue;
            }
            let first = played[0].0.nanos() - window.start() * 1_000_000_000;
            let last = window.end() * 1_000_000_000 - played.last().unwrap().0.nanos();
            assert!(first < 60_000_000_000 && last < 90_000_000_000, "{actor} {first} {last}");
        }
    }
}

#[test]
fn a_scanner_has_as_many_targets_as_its_size() {
    for actor in SCANS {
        for size in [actor.size(), 24] {
            for (window, played, truth) in hours(&format!("{actor}={size}"), 2) {
                let row = |kind, class: &str| {
                    let mut rows =
                        truth.iter().filter(|t| t.finding.kind == kind && t.finding.class == class);
                    (rows.next(), rows.count())
                };
                let (Some(row), more) = row(finding::Kind::Scan, actor.class().unwrap()) else {
                    panic!("{actor}: {truth:?}")
                };
                assert_eq!(more, 0, "{actor}");
                let own = |flow: &Flow| {
                    let own = match row.finding.host {
                        Host::Address(host) => flow.sip == host,
                        Host::Prefix(net) => net.contains(&flow.sip),
                    };
                    own.then_some(flow.dip)
                };
                recount(row, &played, own);
                let targets: HashSet<_> = flows(&played)
                    .filter(|flow| own(flow).is_some())
                    .map(|flow| (flow.dip, flow.dport))
                    .collect();
                assert_eq!(targets.len(), size as usize, "{actor}");
                assert_eq!(row.finding.window, Some(window));
                assert_eq!(row.finding.role, Role::Source);
                let side = match actor {
                    Actor::Inner => finding::Side::Inside,
                    _ => finding::Side::Outside,
                };
                assert_eq!(row.finding.side, Some(side));
                let must = size >= 25 && actor != Actor::Survey;
                if actor != Actor::Slow {
                    assert_eq!(row.expect == Expect::Must, must, "{actor}={size}");
                }
                let ports: HashSet<u16> = targets.iter().map(|(_, port)| *port).collect();
                assert_eq!(row.finding.port.is_some(), ports.len() == 1, "{actor}");
            }
        }
    }
}

/// Only hosts that exist respond to a scan, and most of them do.
#[test]
fn hosts_that_exist_respond_to_scans_and_others_do_not() {
    for actor in [
        Actor::Sweep,
        Actor::Horizontal,
        Actor::Patient,
        Actor::Block,
        Actor::Udp,
        Actor::UdpWalk,
        Actor::Icmp,
        Actor::Small,
        Actor::Survey,
        Actor::Group,
    ] {
        let (_, played, _) = alone(&format!("{actor}=5000"), 3);
        let (mut living, mut answers) = (BTreeSet::new(), BTreeSet::new());
        for flow in flows(&played) {
            if documentation(flow.dip) {
                assert!(alive(3, v4(flow.sip)), "{actor}: {flow:?}");
                answers.insert(flow.sip);
            } else if alive(3, v4(flow.dip)) {
                living.insert(flow.dip);
            }
        }
        let least = if matches!(actor, Actor::Udp | Actor::UdpWalk) { 45 } else { 75 };
        let percent = answers.len() * 100 / living.len();
        assert!((least..=100).contains(&percent), "{actor}: {percent} %");
    }
}

#[test]
fn scans_have_the_packets_of_their_tools() {
    let sizes = |text: &str| {
        let (_, played, _) = alone(text, 1);
        let own = flows(&played).filter(|f| documentation(f.sip) && f.flags == Some(2));
        own.map(|f| (f.packets, f.octets / f.packets)).collect::<BTreeSet<_>>()
    };
    let once = |octets| BTreeSet::from([(1, octets)]);
    for text in ["sweep", "horizontal", "large=3000", "survey", "group"] {
        assert_eq!(sizes(text), once(40), "{text}");
    }
    for text in ["ports", "block", "small"] {
        assert_eq!(sizes(text), once(44), "{text}");
    }
    assert_eq!(sizes("connect"), once(60));
    assert_eq!(sizes("slow=100"), BTreeSet::from([(1, 60), (2, 60), (3, 60)]));
    let patient = sizes("patientx9");
    assert!(patient.iter().all(|(tries, octets)| *tries <= 3 && (48..=60).contains(octets)));
    assert_eq!(patient.len(), 9, "{patient:?}");
    let sports = |text: &str| {
        let (_, played, _) = alone(text, 1);
        let own = flows(&played).filter(|f| documentation(f.sip)).map(|f| f.sport);
        own.collect::<HashSet<_>>().len()
    };
    assert_eq!(["ports", "horizontal", "udp"].map(sports), [1, 1, 1]);
    assert_eq!(["connect", "patient", "block"].map(sports), [200, 300, 300]);
    // Two ports of each host are open.
    let (_, played, _) = alone("ports,connect", 1);
    let open = flows(&played).filter(|f| f.flags.is_some_and(|flags| flags & 0x12 == 0x12));
    assert_eq!(open.filter(|f| documentation(f.dip)).count(), 4);
    let victims: HashSet<_> =
        flows(&played).map(|f| f.dip).filter(|d| !documentation(*d)).collect();
    assert_eq!(victims.len(), 2);
}

#[test]
fn only_walks_probe_hosts_in_order() {
    for actor in [Actor::Sweep, Actor::UdpWalk, Actor::Icmp, Actor::Horizontal, Actor::Udp] {
        let windows = hours(&format!("{actor}=508"), 2);
        let mut all = HashSet::new();
        let mut straight = 0;
        for (_, played, _) in &windows {
            let mut probes: Vec<_> =
                flows(played).filter(|f| documentation(f.sip)).map(|f| (f.start, f.dip)).collect();
            probes.sort_unstable();
            straight += usize::from(probes.is_sorted_by_key(|(_, dip)| *dip));
            all.extend(probes.iter().map(|(_, dip)| *dip));
        }
        let walks = matches!(actor, Actor::Sweep | Actor::UdpWalk | Actor::Icmp);
        assert_eq!(straight, if walks { 2 } else { 0 }, "{actor}");
        assert_eq!(all.len(), 1016, "{actor} probes a host twice");
    }
}

#[test]
fn a_slow_scanner_must_be_found_after_an_hour_or_a_day() {
    let expected = |text: &str, windows| {
        let rows = hours(text, windows).into_iter().map(|(_, _, truth)| truth[0].expect);
        rows.collect::<Vec<_>>()
    };
    let (may, must) = (Expect::May, Expect::Must);
    assert_eq!(expected("slow", 7), [may, may, may, may, may, must, must]);
    assert_eq!(expected("slow=11", 6), [may, may, may, may, may, must]);
    assert_eq!(expected("slow=10", 6), [may; 6]);
    // 300 targets in a day, at any times.
    let day = expected("slow=3", 102);
    assert!(day[..99].iter().all(|e| *e == may) && day[99..].iter().all(|e| *e == must));
    assert_eq!(expected("slow=100", 3), [may, may, must]);
    let mut all = HashSet::new();
    for (_, played, _) in hours("slow", 20) {
        all.extend(flows(&played).filter(|f| documentation(f.sip)).map(|f| f.dip));
    }
    assert_eq!(all.len(), 240);
}

#[test]
fn a_group_is_sixteen_sources_of_one_network() {
    let (_, played, truth) = alone("groupx3", 2);
    for net in truth.iter().filter(|t| matches!(t.finding.host, Host::Prefix(_))) {
        let Host::Prefix(prefix) = net.finding.host else { continue };
        assert_eq!((net.finding.class.as_str(), net.expect), ("group", Expect::Must));
        assert_eq!(prefix.prefix_len(), 24);
        let sources: BTreeSet<_> =
            flows(&played).map(|f| f.sip).filter(|sip| prefix.contains(sip)).collect();
        assert_eq!(sources.len(), 16);
        for source in sources {
            let mut rows = truth.iter().filter(|t| t.finding.host == Host::Address(source));
            let row = rows.next().unwrap();
            assert_eq!((row.finding.class.as_str(), row.expect), ("horizontal", Expect::May));
            recount(row, &played, |f| (f.sip == source).then_some(f.dip));
            assert!(rows.next().is_none());
        }
    }
    assert_eq!(truth.len(), 3 * 17);
    assert!(truth.iter().any(|t| t.finding.host.text(false) == "198.51.100.0/24"));
}

#[test]
fn a_wide_scan_of_one_port_may_be_called_an_attack_on_it() {
    let (_, played, truth) = alone("large=1000,udp=1000,icmp=1000,survey,sweep=999", 1);
    let ports: Vec<_> = truth.iter().filter(|t| t.finding.kind == finding::Kind::Port).collect();
    assert_eq!(ports.len(), 2, "{truth:?}");
    for row in ports {
        assert_eq!((row.expect, row.finding.class.as_str()), (Expect::May, "spread"));
        let Host::Address(who) = row.finding.host else { panic!("a prefix") };
        recount(row, &played, |f| (f.sip == who).then_some(f.dip));
    }
}

#[test]
fn actors_have_addresses_of_their_own() {
    let campus = Campus::new(5);
    let members = |kinds: &[Actor]| {
        let actors = Actors::new(5, &campus, &with(&each(kinds, 40, 8))).unwrap();
        actors.members().map(|member| member.host).collect::<BTreeSet<_>>()
    };
    let (first, later) = (first_kinds(), later_kinds());
    let (_, _, truth) = alone(&each(&first, 40, 8), 5);
    let hosts: BTreeSet<_> = truth.iter().map(|t| t.finding.host).collect();
    // A finding each, and sixteen sources of each group.
    assert_eq!(hosts.len(), 16 * 8 + 8 * 16, "{}", hosts.len());
    let (first, later) = (members(&first), members(&later));
    assert_eq!(first.len(), 33 * 8);
    // Two of the carpets share a network.
    assert_eq!(later.len(), (Actor::ALL.len() - 33) * 8 - 1);
    for host in first.union(&later).copied() {
        assert!(!alive(5, host) && host != SCANNER && !RESERVED.contains(&host));
        let [a, b, c, d] = host.to_be_bytes();
        match (a, b, c) {
            (140, 119, net) if d == 0 => assert!(matches!(net, 0 | 240..)),
            (140, 119, net) => assert!((240..=254).contains(&net) && (1..=254).contains(&d)),
            (203, 0, 113) => assert!((46..255).contains(&d)),
            (192, 0, 2) => assert!((10..255).contains(&d)),
            (198, 51, 100) => assert_eq!(d, 0),
            _ => assert!(!Ipv4Addr::from(host).is_documentation()),
        }
    }
}

#[test]
fn adding_an_actor_does_not_change_the_others() {
    let two = |text: &str| {
        let plan =
            ScenarioPlan { flows: None, length: Some(1_200), ..plan(ScenarioKind::Campus, 4) };
        let windows = play_all(Player::with(plan, &with(text)).unwrap()).into_iter();
        windows
            .map(|(_, played, _)| played.into_iter().collect::<BTreeSet<_>>())
            .collect::<Vec<_>>()
    };
    let (nat, both) = (two("nat=200"), two("nat=200,stale,p2p=100"));
    let bare = ScenarioPlan { length: Some(1_200), ..plan(ScenarioKind::Campus, 4) };
    for ((nat, both), (_, bare, _)) in nat.iter().zip(&both).zip(play(bare)) {
        assert!(nat.is_subset(both) && nat.len() < both.len());
        assert!(bare.iter().all(|flow| nat.contains(flow)) && bare.len() < nat.len());
    }
}

#[test]
fn the_total_of_flows_includes_those_of_actors() {
    let campus =
        ScenarioPlan { flows: Some(3_001), length: Some(1_200), ..plan(ScenarioKind::Campus, 1) };
    let windows = play_all(Player::with(campus, &with("patient=100,mail=20")).unwrap());
    let all: usize = windows.iter().map(|(_, played, _)| played.len()).sum();
    assert_eq!(all, 3_001);
    for (window, played, _) in &windows {
        check(*window, played);
    }
    let few = ScenarioPlan { flows: Some(99), ..campus };
    let error = Player::with(few, &with("patient=100")).unwrap_err();
    assert!(matches!(error, Error::TooFewFor { flows: 99, actors: 200.. }), "{error}");
    let none = ScenarioPlan { flows: Some(5), ..plan(ScenarioKind::None, 1) };
    assert_eq!(Player::new(none).err(), Some(Error::NoneOrdinary { flows: 5 }));
    let crowd = with("natx100,natx100,sweepx100,groupx100,vpn");
    let error = Player::with(plan(ScenarioKind::None, 1), &crowd).unwrap_err();
    assert_eq!(error, Error::Crowded { hosts: 401 });
}

/// Kind, true if its host is inside, the number of its peers, and the percentage of its own requests without a
/// response.
const INNOCENTS: [(Actor, bool, [usize; 2], [usize; 2]); 17] = [
    (Actor::WebServer, true, [1_980, 2_000], [0, 1]),
    (Actor::Cdn, false, [400, 400], [0, 1]),
    (Actor::DnsServer, true, [1_980, 2_000], [0, 1]),
    (Actor::Resolver, true, [1_450, 1_500], [3, 6]),
    (Actor::Ntp, true, [2_970, 3_000], [0, 0]),
    (Actor::Nat, true, [900, 1_050], [2, 6]),
    (Actor::P2p, true, [590, 600], [33, 50]),
    (Actor::Mail, true, [400, 480], [10, 25]),
    (Actor::Crawler, true, [1_480, 1_504], [1, 6]),
    (Actor::Spider, false, [95, 104], [4, 10]),
    (Actor::Monitor, true, [200, 200], [1, 7]),
    (Actor::Crowd, true, [2_970, 3_000], [0, 0]),
    (Actor::Backscatter, false, [600, 600], [0, 0]),
    (Actor::Vpn, true, [55, 60], [2, 20]),
    (Actor::Stale, true, [5, 5], [100, 100]),
    (Actor::Leaver, true, [390, 400], [0, 0]),
    (Actor::Trace, true, [60, 220], [90, 100]),
];

#[test]
fn innocents_have_their_peers_and_failures() {
    for (actor, ours, others, lost) in INNOCENTS {
        for seed in 1..3 {
            let (_, played, truth) = alone(actor.name(), seed);
            let who = centre(&played);
            assert_eq!(inside(v4(who)), ours, "{actor}");
            assert!(!documentation(who));
            let mut peers = BTreeSet::new();
            for flow in flows(&played) {
                assert!(flow.sip == who || flow.dip == who, "{actor}: {flow:?}");
                peers.insert(if flow.sip == who { flow.dip } else { flow.sip });
            }
            let count = peers.len();
            let failed = failed(&played, who);
            assert!((others[0]..=others[1]).contains(&count), "{actor}: {count} others");
            assert!((lost[0]..=lost[1]).contains(&failed), "{actor}: {failed} % failed");
            assert_eq!(truth.len(), usize::from(actor == Actor::Backscatter), "{actor}");
        }
    }
}

#[test]
fn failed_connections_of_clients_are_visible_at_the_server() {
    for (actor, lost) in
        [(Actor::DnsServer, [2, 4]), (Actor::Crowd, [11, 13]), (Actor::Leaver, [45, 60])]
    {
        let (_, played, _) = alone(actor.name(), 1);
        let (who, answered) = (centre(&played), answered(&played));
        let requests: Vec<_> = flows(&played).filter(|f| f.dip == who).collect();
        let unanswered = requests.iter().filter(|f| !answered(f)).count();
        let percent = unanswered * 100 / requests.len();
        assert!((lost[0]..=lost[1]).contains(&percent), "{actor}: {percent} %");
    }
}

#[test]
fn backscatter_has_no_requests() {
    let (_, played, truth) = alone("backscatterx2", 1);
    assert_eq!(truth.len(), 2);
    let mut flags = BTreeSet::new();
    for row in &truth {
        assert_eq!((row.finding.role, row.expect), (Role::Target, Expect::May));
        assert_eq!((row.finding.class.as_str(), row.finding.port), ("backscatter", None));
        let Host::Address(victim) = row.finding.host else { panic!("a prefix") };
        recount(row, &played, |f| (f.sip == victim).then_some(f.dip));
        for flow in flows(&played).filter(|f| f.sip == victim) {
            assert_eq!((flow.sport, flow.sif), (80, 1));
            flags.insert(flow.flags);
        }
        // Only hosts that exist reset the connection.
        for flow in flows(&played).filter(|f| f.dip == victim) {
            assert!(alive(1, v4(flow.sip)) && flow.flags == Some(0x04), "{flow:?}");
        }
    }
    assert_eq!(flags, BTreeSet::from([Some(0x12), Some(0x14)]));
}

#[test]
fn a_server_whose_requests_are_not_seen_has_only_responses() {
    let (_, played, truth) = alone("answersx6", 1);
    assert!(truth.is_empty());
    let hosts: BTreeSet<_> = flows(&played).map(|f| f.sip).collect();
    assert_eq!((hosts.len(), played.len()), (6, 18_000));
    assert!(flows(&played).all(|f| inside(v4(f.sip)) && !inside(v4(f.dip)) && f.dport >= 32_768));
    let kinds: BTreeSet<_> = flows(&played).map(|f| (f.proto, f.sport, f.flags)).collect();
    assert_eq!(kinds.len(), 6, "{kinds:?}");
    for host in hosts {
        let peers = flows(&played).filter(|f| f.sip == host).map(|f| f.dip);
        let mut counts = std::collections::BTreeMap::new();
        peers.for_each(|peer| *counts.entry(peer).or_insert(0) += 1);
        assert_eq!(counts.values().filter(|count| **count >= 250).count(), 6);
    }
}

#[test]
fn a_monitor_has_the_same_targets_and_a_tunnel_one_port() {
    let targets = |text: &str| {
        let sets = hours(text, 2).into_iter().map(|(_, played, _)| {
            let who = centre(&played);
            flows(&played).filter(|f| f.sip == who).map(|f| f.dip).collect::<BTreeSet<_>>()
        });
        sets.collect::<Vec<_>>()
    };
    for text in ["monitor", "vpn", "stale", "mail"] {
        let sets = targets(text);
        let same = sets[0].intersection(&sets[1]).count();
        assert!(same * 10 >= sets[0].len() * 6, "{text}: {same} of {}", sets[0].len());
    }
    assert!(targets("monitor").windows(2).all(|two| two[0] == two[1]));
    let (_, played, _) = alone("vpn", 1);
    assert!(flows(&played).all(|f| f.sport == f.dport && f.proto == UDP));
    let long = flows(&played)
        .filter(|f| f.end.unwrap().nanos() - f.start.unwrap().nanos() == 300_000_000_000);
    assert!(long.count() > played.len() / 2);
    let (_, played, _) = alone("misroute", 1);
    assert!(
        flows(&played).all(|f| f.proto == ICMP && f.dif == 2 && [3, 11].contains(&(f.dport >> 8)))
    );
    assert!(flows(&played).map(|f| f.sip).collect::<HashSet<_>>().len() > 195);
}

#[test]
fn a_seed_plays_the_same_actors_everywhere() {
    let played = |kinds: &[Actor], seed| {
        let (_, played, _) = alone(&each(kinds, 100, 2), seed);
        played.iter().fold(0xcbf2_9ce4_8422_2325, digest)
    };
    let (first, mut later) = (first_kinds(), later_kinds());
    // The newest kinds. The others are played as they always were.
    later.retain(|actor| !NEWEST.contains(actor));
    // If these change, every seed plays other flows, and the change log must say so.
    assert_eq!(format!("{:016x}", played(&first, 1)), "36afa61e2a4b1588");
    assert_eq!(format!("{:016x}", played(&later, 1)), "914b94f79f8c1ac2");
    assert_ne!(played(&later, 2), played(&later, 1));
}
