//! Every kind of actor: who acts, on how many, what comes back, and that the truth counts it right.

use super::*;
use crate::flow::UDP;
use crate::scenario::campus::alive;

fn with(text: &str) -> Vec<With> {
    text.split(',').map(|text| text.parse().unwrap()).collect()
}

/// What the actors alone play in a seed's first window.
fn alone(text: &str, seed: u64) -> (Window, Played, Vec<Truth>) {
    let player = Player::with(plan(Kind::None, seed), &with(text)).unwrap();
    let mut windows = play_all(player);
    assert_eq!(windows.len(), 1);
    windows.remove(0)
}

/// Windows of actors alone, one after the other.
fn hours(text: &str, windows: u32) -> Vec<(Window, Played, Vec<Truth>)> {
    let plan = Plan { length: Some(windows * SECONDS), ..plan(Kind::None, 1) };
    play_all(Player::with(plan, &with(text)).unwrap())
}

fn flows(played: &Played) -> impl Iterator<Item = &Flow> {
    played.iter().map(|(_, flow)| flow)
}

/// The one host that has a part in every conversation.
fn centre(played: &Played) -> IpAddr {
    let mut seen = BTreeMap::<IpAddr, usize>::new();
    for flow in flows(played) {
        *seen.entry(flow.sip).or_default() += 1;
        *seen.entry(flow.dip).or_default() += 1;
    }
    seen.into_iter().max_by_key(|(_, flows)| *flows).unwrap().0
}

fn documentation(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if v4.is_documentation())
}

/// Whether a flow was answered: one comes back with the ports turned round.
fn answered(played: &Played) -> impl Fn(&Flow) -> bool {
    let seen: HashSet<_> =
        flows(played).map(|f| (f.proto, f.sip, f.dip, f.sport, f.dport)).collect();
    move |f| match f.proto {
        ICMP => seen.contains(&(ICMP, f.dip, f.sip, 0, 0)),
        _ => seen.contains(&(f.proto, f.dip, f.sip, f.dport, f.sport)),
    }
}

/// The share of a host's own TCP and UDP flows that nobody answered, in percent.
fn failed(played: &Played, who: IpAddr) -> usize {
    let answered = answered(played);
    let asked = flows(played).filter(|f| {
        f.sip == who && f.proto != ICMP && (f.proto == UDP || f.flags.unwrap() & 0x12 != 0x12)
    });
    let (mut all, mut silent) = (0, 0);
    for flow in asked {
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

#[test]
fn every_kind_plays_flows_that_a_router_reports() {
    for actor in Actor::ALL {
        for (seed, count) in [(1, 1), (2, 3)] {
            let text = format!("{actor}={}x{count}", actor.size().min(800));
            let (window, played, truth) = alone(&text, seed);
            assert!(!played.is_empty(), "{actor}");
            check(window, &played);
            let hosts: BTreeSet<_> = truth.iter().map(|t| t.finding.host).collect();
            let hosts = hosts.into_iter().filter(|h| matches!(h, Host::Prefix(_)));
            match actor {
                Actor::Group => assert_eq!(hosts.count(), count),
                _ => assert_eq!(hosts.count(), 0),
            }
            assert_eq!(truth.is_empty(), actor.class().is_none(), "{actor}");
            // Spread over the whole window.
            let first = played[0].0.nanos() - window.start() * 1_000_000_000;
            let last = window.end() * 1_000_000_000 - played.last().unwrap().0.nanos();
            assert!(first < 60_000_000_000 && last < 90_000_000_000, "{actor} {first} {last}");
        }
    }
}

#[test]
fn a_scanner_has_as_many_targets_as_were_asked_for() {
    for actor in SCANS {
        for size in [actor.size(), 26, 7, 1] {
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
