//! Tests of floods, attacks on ports and the innocents that look like them: the traffic of each, the responses,
//! and the counts of the truth.

use super::actors::{alone, answered, centre, documentation, flows, hours};
use super::*;
use crate::flow::UDP;
use crate::scenario::campus::alive;

const SYN: Option<u16> = Some(0x02);

/// Returns the rows of a kind and a class.
fn rows<'a>(truth: &'a [Truth], kind: finding::Kind, class: &str) -> Vec<&'a Truth> {
    truth.iter().filter(|t| t.finding.kind == kind && t.finding.class == class).collect()
}

fn address(row: &Truth) -> IpAddr {
    match row.finding.host {
        Host::Address(host) => host,
        Host::Prefix(net) => net.network(),
    }
}

fn marks(row: &Truth) -> Vec<&str> {
    row.finding.marks.iter().map(String::as_str).collect()
}

/// Returns the seconds from the first of some flows to the last.
fn lasted<'a>(flows: impl Iterator<Item = &'a Flow>) -> u64 {
    let starts: Vec<u64> = flows.map(|f| f.start.unwrap().nanos() / 1_000_000_000).collect();
    starts.iter().max().unwrap() - starts.iter().min().unwrap()
}

/// A test for the flows of a victim that belong to the flood.
type Own = fn(&Flow) -> bool;

/// Kind, class, protocol, port, and true if the sources are forged.
type Flood = (&'static str, &'static str, u8, Option<u16>, bool, Own);

const FLOODS: [Flood; 12] = [
    ("flood", "dos", TCP, Some(80), false, |f| f.flags == SYN && f.octets == 40),
    ("udpflood", "dos", UDP, None, false, |f| f.octets == 540 * f.packets),
    ("botnet", "ddos", TCP, Some(443), false, |f| f.octets < 70 * f.packets && f.packets < 5),
    ("forged", "ddos", TCP, Some(80), true, |f| f.flags == SYN && f.octets == 40),
    ("drawn", "ddos", TCP, Some(443), true, |f| f.flags == SYN && f.octets == 40),
    ("spoofed", "ddos", TCP, Some(80), true, |f| f.flags == SYN && f.octets == 40),
    ("reflected", "reflection", UDP, Some(80), false, |f| f.sport == 53),
    ("unlisted", "reflection", UDP, Some(80), false, |f| f.sport == 10_074),
    ("synack", "reflection", TCP, None, false, |f| f.flags == Some(0x12)),
    ("carpet", "carpet", UDP, None, false, |f| f.proto == UDP),
    ("quicflood", "ddos", UDP, Some(443), false, |f| f.proto == UDP),
    ("volume", "volume", UDP, Some(443), false, |f| f.proto == UDP),
];

#[test]
fn a_flood_is_counted_at_its_victim() {
    for (kind, class, proto, port, forged, own) in FLOODS {
        let (_, played, truth) = alone(kind, 1);
        let found = rows(&truth, finding::Kind::Flood, class);
        let [row] = found[..] else { panic!("{kind}: {truth:?}") };
        assert_eq!(
            (row.finding.role, row.finding.side),
            (Role::Target, Some(finding::Side::Inside))
        );
        assert_eq!((row.finding.proto, row.finding.port), (Some(proto), port), "{kind}");
        assert_eq!(marks(row), if forged { vec!["forged"] } else { vec![] }, "{kind}");
        assert_eq!(row.expect == Expect::Must, kind != "volume", "{kind}");
        let of = |f: &Flow| match row.finding.host {
            Host::Address(host) => f.dip == host,
            Host::Prefix(net) => net.contains(&f.dip),
        };
        recount(row, &played, |f| (of(f) && f.sif == 1 && own(f)).then_some(f.sip));
        let size = kind.parse::<With>().unwrap().size;
        match kind {
            "reflected" | "unlisted" | "synack" => {
                assert!((size - 5..=size).contains(&(row.finding.peers as u32)), "{kind}");
            }
            "volume" => assert_eq!(row.finding.packets, u64::from(size) * 600),
            _ => assert_eq!(row.finding.flows, u64::from(size), "{kind}"),
        }
        let visits = flows(&played).filter(|f| of(f) && !own(f)).count();
        // The other flows are those of visitors.
        assert!(kind == "carpet" || (6..800).contains(&visits), "{kind}: {visits}");
    }
}

#[test]
fn a_small_attack_need_not_be_found() {
    for (text, must) in [
        ("flood=999", false),
        ("flood=1000", true),
        ("botnet=999", false),
        ("reflected=50", false),
        ("carpet=900", false),
        ("silenced=999", false),
        ("silenced=1000", true),
        ("outbound=1999", false),
        ("outbound=2000", true),
        ("codered=999", false),
        ("codered=1000", true),
        ("guess=19", false),
        ("guess=20", true),
        ("spam=49", false),
        ("spam=55", true),
    ] {
        let (_, _, truth) = alone(text, 1);
        let mut rows = truth.iter().filter(|t| t.finding.kind != finding::Kind::Scan);
        assert_eq!(rows.next().unwrap().expect == Expect::Must, must, "{text}");
        assert!(rows.next().is_none());
    }
}

#[test]
fn every_second_flood_lasts_two_minutes() {
    for kind in ["flood", "udpflood", "botnet", "forged", "spoofed", "reflected", "quicflood"] {
        let (_, played, truth) = alone(&format!("{kind}x2"), 1);
        let found: Vec<_> =
            truth.iter().filter(|t| t.finding.kind == finding::Kind::Flood).collect();
        let times = found.iter().map(|row| {
            let proto = row.finding.proto.unwrap();
            // A visitor who leaves has sent one SYN too, of 48 bytes.
            let own = flows(&played).filter(|f| {
                f.dip == address(row)
                    && f.proto == proto
                    && (proto == UDP || f.flags == SYN && f.octets != 48)
            });
            lasted(own)
        });
        let mut times: Vec<_> = times.collect();
        times.sort_unstable();
        assert!((100..=140).contains(&times[0]) && times[1] > 500, "{kind}: {times:?}");
    }
    // The flood comes at another time in each window.
    let spans = hours("floodx2", 3);
    assert_eq!(spans.len(), 3);
}

#[test]
fn victims_respond_as_servers_do() {
    let share = |kind: &str, flags: u16| {
        let (_, played, truth) = alone(kind, 1);
        let row = truth.iter().find(|t| t.finding.kind == finding::Kind::Flood).unwrap();
        let back = flows(&played)
            .filter(|f| f.sip == address(row) && f.flags == Some(flags) && f.packets <= 4);
        back.count() as u64 * 1000 / row.finding.flows
    };
    assert!((640..690).contains(&share("flood", 0x12)), "{}", share("flood", 0x12));
    assert!((150..185).contains(&share("flood", 0x14)));
    for kind in ["forged", "drawn", "spoofed"] {
        assert!((260..350).contains(&share(kind, 0x12)), "{kind}: {}", share(kind, 0x12));
    }
    // Nobody answers a source in 0/8 or 127/8, or a multicast group.
    let (_, played, _) = alone("forged", 1);
    let out: Vec<u32> = flows(&played).filter(|f| f.dif == 1).map(|f| v4(f.dip) >> 24).collect();
    assert!(out.iter().all(|net| !matches!(net, 0 | 127 | 224..)));
    let (_, played, _) = alone("udpflood", 1);
    let errors = flows(&played).filter(|f| f.proto == ICMP).count();
    assert!((60..130).contains(&errors), "{errors}");
}

#[test]
fn forged_sources_lie_in_their_networks() {
    let sources = |text: &str| {
        let (_, played, truth) = alone(text, 1);
        let sources = |row: &Truth| {
            let own = flows(&played).filter(|f| f.dip == address(row) && f.sif == 1);
            own.filter(|f| f.flags == SYN).map(|f| v4(f.sip)).collect::<Vec<_>>()
        };
        truth.iter().map(sources).collect::<Vec<_>>()
    };
    let [forged] = &sources("forged")[..] else { panic!("one") };
    let eights: HashSet<u32> = forged.iter().map(|s| s >> 24).collect();
    assert_eq!(eights.len(), 256);
    let bogon = |s: &&u32| {
        let v4 = Ipv4Addr::from(**s);
        v4.is_private()
            || v4.is_multicast()
            || v4.is_loopback()
            || **s >> 24 == 0
            || **s >> 28 == 15
    };
    let percent = forged.iter().filter(bogon).count() * 100 / forged.len();
    assert!((10..18).contains(&percent), "{percent}");

    let drawn = sources("drawnx2");
    assert!(drawn.iter().flatten().filter(bogon).count() == 0);
    let wide: Vec<usize> =
        drawn.iter().map(|s| s.iter().map(|s| s >> 24).collect::<HashSet<_>>().len()).collect();
    assert!(wide.contains(&1) && wide.iter().any(|w| *w > 200), "{wide:?}");
    for sources in drawn {
        // n sources in K cells have n*n/2K pairs in one cell. K is some 57,000 /16s, or 256.
        let mut cells = BTreeMap::<u32, u64>::new();
        sources.iter().for_each(|s| *cells.entry(s >> 16).or_default() += 1);
        let pairs: u64 = cells.values().map(|n| n * (n - 1) / 2).sum();
        let fit = (sources.len() * sources.len()) as u64 / 2 / pairs;
        assert!((240..275).contains(&fit) || (45_000..70_000).contains(&fit), "{fit}");
    }
    let [spoofed] = &sources("spoofed")[..] else { panic!("one") };
    assert!(spoofed.iter().all(|s| inside(*s)));
}

#[test]
fn reflections_come_from_the_ports_of_their_services() {
    let (_, played, truth) = alone("reflectedx10", 1);
    let mut seen = BTreeSet::new();
    for row in &truth {
        let own: Vec<_> = flows(&played)
            .filter(|f| f.dip == address(row) && f.proto == UDP && f.octets >= 400 * f.packets)
            .collect();
        let ports: BTreeSet<u16> = own.iter().map(|f| f.sport).collect();
        assert_eq!(ports.len(), 1);
        seen.extend(ports);
        let dports: BTreeSet<u16> = own.iter().map(|f| f.dport).collect();
        assert_eq!(row.finding.port.is_some(), dports.len() == 1);
        assert!(own.iter().all(|f| (3..=60).contains(&f.packets)));
    }
    assert!(seen.into_iter().eq([17, 19, 53, 111, 123, 161, 389, 1_900, 3_702, 11_211]));
    let (_, played, _) = alone("unlistedx7", 1);
    let ports = flows(&played).filter(|f| f.proto == UDP).map(|f| f.sport);
    assert_eq!(ports.collect::<HashSet<_>>().len(), 7);
}

#[test]
fn a_carpet_is_spread_evenly_over_its_network() {
    for (text, bits, hosts) in [("carpet", 24, 254), ("carpetx2", 23, 2 * 254)] {
        let (_, played, truth) = alone(text, 1);
        let row = truth
            .iter()
            .find(|t| matches!(t.finding.host, Host::Prefix(net) if net.prefix_len() == bits));
        let Host::Prefix(net) = row.unwrap().finding.host else { panic!("an address") };
        let mut each = BTreeMap::<IpAddr, usize>::new();
        flows(&played)
            .filter(|f| net.contains(&f.dip))
            .for_each(|f| *each.entry(f.dip).or_default() += 1);
        assert_eq!(each.len(), hosts, "{text}");
        assert!(each.values().all(|n| *n < 8_000 / 5));
        let there: HashSet<_> =
            flows(&played).map(|f| f.sip).filter(|sip| net.contains(sip)).collect();
        assert!(!there.is_empty() && there.len() < hosts / 6, "{}", there.len());
    }
}

#[test]
fn inside_hosts_that_flood_have_an_outside_victim() {
    let (_, played, truth) = alone("outsyn", 1);
    let found = rows(&truth, finding::Kind::Flood, "dos");
    assert_eq!((truth.len(), found.len()), (2, 2));
    for row in found {
        let side = if row.finding.role == Role::Source {
            finding::Side::Inside
        } else {
            finding::Side::Outside
        };
        assert_eq!((row.finding.side, row.expect), (Some(side), Expect::Must));
        recount(row, &played, |f| {
            let other = if row.finding.role == Role::Source { f.dip } else { f.sip };
            (f.flags == SYN).then_some(other)
        });
    }
    for text in ["outbound", "outboundx2"] {
        let (_, played, truth) = alone(text, 1);
        for row in truth {
            assert_eq!((row.finding.role, row.finding.peers), (Role::Source, 1));
            recount(&row, &played, |f| (f.sip == address(&row)).then_some(f.dip));
            assert_eq!(row.finding.packets, 3_000_000);
        }
    }
}

/// Flows that never end are cut into chunks, which follow each other across windows.
#[test]
fn chunks_of_a_long_flow_follow_each_other() {
    for text in
        ["outbound", "volume", "download", "upload", "stream", "stream=60000", "download=60000"]
    {
        let mut pieces = BTreeMap::<_, Vec<(u64, u64)>>::new();
        for (window, played, _) in hours(text, 2) {
            check(window, &played);
            for f in flows(&played).filter(|f| f.octets > 1_000_000) {
                let millis = |t: Option<Timestamp>| t.unwrap().nanos() / 1_000_000;
                let key = (f.sip, f.sport, f.dip, f.dport);
                pieces.entry(key).or_default().push((millis(f.start), millis(f.end)));
            }
        }
        for (key, mut pieces) in pieces.into_iter().filter(|(_, pieces)| pieces.len() > 1) {
            pieces.sort_unstable();
            for two in pieces.windows(2) {
                assert!(two[0].1.abs_diff(two[1].0) <= 1, "{text} {key:?} {two:?}");
            }
        }
    }
}

#[test]
fn worms_have_new_targets_in_every_window() {
    for (text, size) in [("codered=2000", 2_000), ("slowworm", 150)] {
        let mut all = HashSet::new();
        for (_, played, truth) in hours(text, 3) {
            let row = rows(&truth, finding::Kind::Port, "spread")[0];
            let own = |f: &Flow| (f.sip == address(row)).then_some(f.dip);
            recount(row, &played, own);
            let scan = rows(&truth, finding::Kind::Scan, "horizontal")[0];
            recount(scan, &played, own);
            assert_eq!(scan.expect, Expect::May);
            all.extend(flows(&played).filter_map(own));
            let answered = answered(&played);
            let requests = flows(&played).filter(|f| own(f).is_some());
            let lost = requests.clone().filter(|f| !answered(f)).count() * 100 / requests.count();
            assert!((93..=99).contains(&lost), "{text}: {lost} %");
        }
        assert!(all.len() > 3 * size - 3, "{text}: {}", all.len());
    }
    let expected = hours("slowworm", 8)
        .into_iter()
        .map(|(_, _, truth)| rows(&truth, finding::Kind::Port, "spread")[0].expect == Expect::Must);
    assert!(expected.eq([false, false, false, false, false, false, true, true]));
}

#[test]
fn infected_hosts_attack_others() {
    for text in ["chain", "chain=20", "chain=2"] {
        let windows = hours(text, 2);
        let (_, played, truth) = &windows[0];
        let found = rows(truth, finding::Kind::Port, "infected");
        assert_eq!(found.len(), 2);
        let victims: Vec<IpAddr> = found.iter().map(|row| address(row)).collect();
        let scanner = truth.iter().find(|t| documentation(address(t))).unwrap();
        // The two infections, each before its victim attacks others.
        let mut big: Vec<&Flow> = flows(played)
            .filter(|f| f.octets > 50_000 && f.dport == 445 && victims.contains(&f.dip))
            .collect();
        big.sort_by_key(|f| f.start);
        assert_eq!(big.len(), 2);
        assert_eq!(big[0].sip, address(scanner));
        assert_eq!(big[1].sip, big[0].dip);
        for infection in &big {
            let requests = flows(played).filter(|f| f.sip == infection.dip && f.dport == 445);
            assert!(requests.clone().count() > 0);
            assert!(requests.map(|f| f.start).min().unwrap() > infection.end, "{text}");
        }
        for (n, (_, played, truth)) in windows.iter().enumerate() {
            for row in rows(truth, finding::Kind::Port, "infected") {
                recount(row, played, |f| {
                    (f.sip == address(row) && f.dport == 445).then_some(f.dip)
                });
                assert_eq!(row.expect == Expect::Must, text == "chain", "{n}");
            }
        }
    }
}

#[test]
fn guesses_of_passwords_and_mails_follow_each_other() {
    let (_, played, truth) = alone("guess=60x5", 1);
    assert_eq!(rows(&truth, finding::Kind::Port, "bruteforce").len(), 5);
    let ports: BTreeSet<_> = truth.iter().map(|t| t.finding.port.unwrap()).collect();
    assert!(ports.into_iter().eq([21, 22, 23, 3_389, 5_900]));
    for row in &truth {
        recount(row, &played, |f| (f.sip == address(row)).then_some(f.dip));
        assert_eq!((row.finding.flows, row.finding.peers), (60, 1));
        assert!(alive(1, v4(row.finding.sample[0].dip)));
    }
    for f in flows(&played) {
        assert!((11..=40).contains(&f.packets) && f.flags == Some(0x1b), "{f:?}");
    }
    let (_, played, truth) = alone("spam", 1);
    let [row] = &truth[..] else { panic!("{truth:?}") };
    recount(row, &played, |f| (f.sip == address(row)).then_some(f.dip));
    assert!(row.finding.peers > 195);
    let written = flows(&played).filter(|f| f.dport == 25 && f.octets > 500).count();
    assert!((130..170).contains(&written), "{written}");
}

#[test]
fn a_slow_guesser_must_be_found_after_49_logins_in_an_hour() {
    let expected = |text: &str| {
        let rows = hours(text, 7).into_iter().map(|(_, played, truth)| {
            let [row] = &truth[..] else { panic!("{truth:?}") };
            recount(row, &played, |f| (f.sip == address(row)).then_some(f.dip));
            assert_eq!((row.finding.class.as_str(), row.finding.port), ("bruteforce", Some(22)));
            row.expect
        });
        rows.collect::<Vec<_>>()
    };
    let (may, must) = (Expect::May, Expect::Must);
    assert_eq!(expected("slowguess"), [may, may, may, may, must, must, must]);
    assert_eq!(expected("slowguess=9"), [may, may, may, may, may, must, must]);
    assert_eq!(expected("slowguess=8"), [may; 7]);
}

#[test]
fn programs_log_in_as_often_as_a_slow_guesser() {
    let sessions = |text: &str| {
        let (_, played, _) = alone(text, 1);
        let all = flows(&played).filter(|f| f.dport == 22).map(|f| (f.dip, f.sip, f.packets));
        all.collect::<Vec<_>>()
    };
    let guesses = sessions("slowguess");
    assert!(guesses.iter().all(|(_, _, packets)| (11..=51).contains(packets)));
    let programs = sessions("cronx3");
    let servers: BTreeSet<_> = programs.iter().map(|(server, ..)| *server).collect();
    let mut kinds = BTreeSet::new();
    for server in servers {
        let own = || programs.iter().filter(|(to, ..)| *to == server);
        assert_eq!(own().count(), guesses.len());
        assert_eq!(own().map(|(_, from, _)| from).collect::<HashSet<_>>().len(), 1);
        let is_inside = own().all(|(_, from, _)| inside(v4(*from)));
        let is_short = own().all(|(_, _, packets)| (11..=51).contains(packets));
        assert!(is_short || own().all(|(_, _, packets)| *packets > 51));
        kinds.insert((is_inside, is_short));
    }
    assert!(kinds.into_iter().eq([(false, false), (false, true), (true, true)]));
}

/// Returns the peers of the requests at a host, and the percentage of these without an answer.
fn requests(played: &Played, host: IpAddr) -> (Vec<IpAddr>, usize) {
    let answered = answered(played);
    let all: Vec<&Flow> = flows(played).filter(|f| f.dip == host).collect();
    let is_rejected = |f: &Flow| f.flags == SYN && answered(f);
    let failed = all.iter().filter(|f| !answered(f) || is_rejected(f)).count();
    (all.iter().map(|f| f.sip).collect(), failed * 100 / all.len())
}

#[test]
fn a_server_is_down_in_one_window_of_eight_hours() {
    for (text, size) in [("maintenancex2", 400), ("silencedx2", 1_200)] {
        let is_silenced = size == 1_200;
        let windows = hours(text, 50);
        let (_, _, first) = &windows[0];
        let hosts: Vec<IpAddr> = first.iter().map(address).collect();
        assert_eq!(hosts.len(), 2);
        let past = hosts.iter().map(|host| requests(&windows[47].1, *host));
        let past: Vec<_> = past.collect();
        for (n, (_, played, truth)) in windows.iter().enumerate() {
            let is_down = n % 48 == 0;
            assert_eq!(truth.len(), if is_down { 2 } else { 0 }, "{text} {n}");
            for (host, (clients, _)) in hosts.iter().zip(&past) {
                let (sources, failed) = requests(played, *host);
                assert_eq!(failed, if is_down { 100 } else { 0 }, "{text} {n}");
                if !is_down {
                    assert_eq!(sources.len(), 600);
                    continue;
                }
                assert_eq!(sources.len(), if is_silenced { 2_400 } else { 1_200 });
                let known: HashSet<_> = clients.iter().collect();
                let sources: HashSet<_> = sources.into_iter().collect();
                let share = sources.iter().filter(|s| known.contains(s)).count() * 100;
                let share = share / sources.len();
                // Of a flooded server, fewer than half of those who fail were there before.
                let range = if is_silenced { 20..50 } else { 85..96 };
                assert!(range.contains(&share), "{text} {n}: {share} %");
            }
            for row in truth {
                let class = if is_silenced { "ddos" } else { "outage" };
                assert_eq!((row.finding.class.as_str(), row.finding.role), (class, Role::Target));
                assert_eq!(row.expect == Expect::Must, is_silenced);
                assert_eq!(row.finding.flows, 1_200);
                assert_eq!(row.finding.port, Some(443));
            }
            let forged = truth.iter().filter(|row| marks(row) == ["forged"]).count();
            assert_eq!(forged, usize::from(is_silenced && is_down));
        }
    }
    // Of two servers that are switched off, one is silent and one rejects.
    let (_, played, truth) = alone("maintenancex2", 1);
    let answered = answered(&played);
    let silent = truth.iter().filter(|row| {
        let mut own = flows(&played).filter(|f| f.dip == address(row));
        own.all(|f| !answered(f))
    });
    assert_eq!(silent.count(), 1);
}

#[test]
fn nobody_outside_answers_while_the_uplink_is_down() {
    let windows = hours("uplink", 3);
    let mut shares = Vec::new();
    for (_, played, truth) in &windows {
        assert!(truth.is_empty());
        let answered = answered(played);
        let is_request = |f: &&Flow| inside(v4(f.sip)) && f.sif == 2 && f.dport < 1_024;
        let (within, out) =
            flows(played).filter(is_request).partition::<Vec<&Flow>, _>(|f| f.dif == 2);
        assert!(within.iter().all(|f| answered(f)));
        let failed: Vec<&Flow> = out.iter().copied().filter(|f| !answered(f)).collect();
        shares.push(failed.len() * 100 / out.len());
        if shares.len() > 2 {
            break;
        }
        // A few questions are lost at any time.
        let lasted = lasted(failed.iter().copied().filter(|f| f.proto == TCP));
        assert!(shares.len() > 1 || (200..270).contains(&lasted), "{lasted} s");
        let clients: HashSet<_> = failed.iter().map(|f| f.sip).collect();
        assert!(clients.len() > 120, "{}", clients.len());
    }
    assert!((35..65).contains(&shares[0]), "{shares:?}");
    assert!(shares[1] == 100 && shares[2] < 3, "{shares:?}");
}

#[test]
fn innocents_get_responses() {
    for (kind, least, most) in
        [("quic", 0, 0), ("logins", 0, 0), ("opening", 0, 0), ("mobile", 0, 0), ("download", 0, 0)]
    {
        let (_, played, truth) = alone(kind, 1);
        let answered = answered(&played);
        let lost = flows(&played).filter(|f| !answered(f)).count() * 100 / played.len();
        assert!((least..=most).contains(&lost), "{kind}: {lost} %");
        assert!(truth.is_empty() && inside(v4(centre(&played))));
    }
    let (_, played, _) = alone("opening", 1);
    let who = centre(&played);
    // Some visitors at other times leave after one SYN of 48 bytes.
    let requests: Vec<_> = flows(&played).filter(|f| f.dip == who && f.octets != 48).collect();
    let refused = requests.iter().filter(|f| f.flags == SYN).count() * 100 / requests.len();
    assert!((22..=28).contains(&refused), "{refused} %");
    let visitors: HashSet<_> = requests.iter().map(|f| f.sip).collect();
    let served: HashSet<_> = requests.iter().filter(|f| f.flags != SYN).map(|f| f.sip).collect();
    assert!(visitors.difference(&served).next().is_none());
    let (_, played, _) = alone("logins=200", 1);
    let own = flows(&played).filter(|f| f.dport == 22);
    let (mut hosts, mut sizes) = (HashSet::new(), Vec::new());
    own.for_each(|f| {
        hosts.insert(f.dip);
        sizes.push(f.packets);
    });
    assert_eq!(hosts.len(), 10);
    assert!(*sizes.iter().min().unwrap() < 30 && *sizes.iter().max().unwrap() > 1_000);
    let (_, played, truth) = alone("innerports", 1);
    let resets = flows(&played).filter(|f| f.flags == Some(0x14)).count();
    assert!((2_750..2_950).contains(&resets), "{resets}");
    assert_eq!((truth.len(), truth[0].finding.class.as_str()), (1, "vertical"));
    recount(&truth[0], &played, |f| (f.sip == address(&truth[0])).then_some(f.dip));
}

/// A larger size changes only the number of flows.
#[test]
fn a_larger_flood_has_the_same_victim() {
    for kind in ["flood", "botnet", "reflected", "outsyn", "codered", "guess", "spam"] {
        let hosts = |size| {
            let (_, _, truth) = alone(&format!("{kind}={size}"), 4);
            let flows: u64 = truth.iter().map(|t| t.finding.flows).sum();
            (truth.iter().map(|t| (t.finding.host, t.finding.role)).collect::<BTreeSet<_>>(), flows)
        };
        let (small, large) = (hosts(300), hosts(900));
        assert_eq!(small.0, large.0, "{kind}");
        assert!(large.1 > 2 * small.1, "{kind}");
    }
}
