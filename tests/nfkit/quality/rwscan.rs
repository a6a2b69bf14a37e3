//! SiLK's rwscan with its hybrid model, one window at a time. A threshold random walk goes over the
//! destinations of a source's TCP flows. If it does not decide, and for UDP and ICMP, a logistic
//! regression decides from 32 flows on (Gates et al., "Scan Detection on Very Large Networks Using
//! Logistic Regression Modeling", ISCC 2006).
//!
//! The limits and coefficients are those of rwscan.h, the measures those of rwscan.c, rwscan_tcp.c,
//! rwscan_udp.c, rwscan_icmp.c and rwscan_utils.c of SiLK 3.18 (revision 945cf5167607), written
//! anew from what they compute. Quirks that change a measure are kept: source ports are counted for
//! the last destination only, a run of hosts at the end of a network is forgotten or goes on in the
//! next, and the ports of a destination begin with the last one of the destination before it. Like
//! the original it reads IPv4 only.
//!
//! rwscan wants the set of addresses in use (`--trw-internal-set`). Here this is every inside
//! address that sent a flow in the window, as its manual page suggests.
//!
//! Limits and coefficients are those of rwscan.h, the measures those of rwscan.c, rwscan_tcp.c,
//! rwscan_udp.c, rwscan_icmp.c and rwscan_utils.c of SiLK 3.18 (revision 945cf5167607), written anew
//! from what they compute. Kept are the quirks that change a measure: source ports are counted for
//! the last destination only, a run of hosts that a network ends with is forgotten or goes on in the
//! next, and the ports of a destination begin with the last one of the destination before it. IPv4
//! only, as the original.
//!
//! The set of addresses in use that rwscan wants (`--trw-internal-set`) is every inside address that
//! sent a flow in the window, which is how its manual page has it made.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use foldhash::HashSet;
use ipnet::IpNet;

use super::flows::Flow;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// The factors of the likelihood for a miss and for a hit: theta0 is .8, theta1 .2.
const MISS: f64 = (1.0 - 0.2) / (1.0 - 0.8);
const HIT: f64 = 0.2 / 0.8;

/// The likelihoods beyond which a source is a scanner or benign: alpha is .01, beta .99.
const SCANNER: f64 = 0.99 / 0.01;
const BENIGN: f64 = (1.0 - 0.99) / (1.0 - 0.01);

/// The number of flows after which the walk gives up.
const GIVE_UP: usize = 100_000;

/// The least number of flows for the regression.
const EVENT: usize = 32;

/// A flow of fewer packets is small. A flow with more octets a packet than `PAYLOAD` has a payload.
const SMALL: u64 = 3;
const PAYLOAD: u64 = 60;

/// Returns the sources that rwscan would print for a window's flows.
pub fn rwscan(flows: &[Flow], inside: &[IpNet]) -> BTreeSet<IpAddr> {
    let mut flows: Vec<Flow> = flows
        .iter()
        .filter(|f| f.sip.is_ipv4() && [ICMP, TCP, UDP].contains(&f.proto) && f.packets > 0)
        .copied()
        .collect();
    let ours = |ip: &IpAddr| inside.iter().any(|net| net.contains(ip));
    let used: HashSet<IpAddr> = flows.iter().map(|f| f.sip).filter(ours).collect();
    // Sort by source, protocol, destination and time, as rwsort is told to and as the two models
    // do. The order is total, so that the result does not depend on the input's.
    flows.sort_unstable();
    let events = flows.chunk_by(|a, b| (a.sip, a.proto) == (b.sip, b.proto));
    events.filter(|event| scans(event, &used)).map(|event| event[0].sip).collect()
}

fn scans(event: &[Flow], used: &HashSet<IpAddr>) -> bool {
    if event[0].proto == TCP {
        match walk(event, used) {
            Verdict::Scan => return true,
            Verdict::Other => return false,
            Verdict::Benign | Verdict::Unknown => {}
        }
    }
    event.len() >= EVENT && probability(event) > 0.5
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Scan,
    /// The walk ended as benign, but the regression is applied all the same.
    Benign,
    Unknown,
    /// Backscatter or a flood, to which the regression is not applied.
    Other,
}

/// Returns true for a reset, or for an answer to a request that no inside host may have sent.
fn backscatter(flags: u8) -> bool {
    [RST, SYN | ACK, RST | ACK].contains(&flags)
}

fn walk(event: &[Flow], used: &HashSet<IpAddr>) -> Verdict {
    let request = |f: &Flow| f.flags & (FIN | SYN | RST | ACK) == SYN;
    let (mut hits, mut misses, mut dips) = (0, 0, 0);
    let (mut syns, mut back, mut rejected) = (0, 0, 0);
    let mut likelihood = 0.0;
    for (n, flow) in event.iter().enumerate() {
        let new = n == 0 || flow.dip != event[n - 1].dip;
        if new {
            let miss = !used.contains(&flow.dip) && request(flow);
            *(if miss { &mut misses } else { &mut hits }) += 1;
            dips += 1;
            likelihood = HIT.powi(hits) * MISS.powi(misses);
        }
        syns += usize::from(request(flow));
        back += usize::from(backscatter(flow.flags));
        rejected += usize::from([RST, SYN | RST, RST | ACK].contains(&flow.flags));
        if n > GIVE_UP {
            break;
        }
        if syns == n + 1 && likelihood > SCANNER {
            return Verdict::Scan;
        }
        if syns == n + 1 && likelihood < BENIGN {
            return Verdict::Benign;
        }
    }
    let all = event.len();
    if back == all && dips > 3 && all > 100 {
        return Verdict::Other;
    }
    if dips == 1 && 2 * syns >= all && syns + rejected == all && all > 10 {
        return Verdict::Other;
    }
    Verdict::Unknown
}

fn probability(event: &[Flow]) -> f64 {
    let y = match event[0].proto {
        ICMP => icmp(event),
        TCP => tcp(event),
        _ => udp(event),
    };
    1.0 / (1.0 + f64::exp(-y))
}

/// Returns the share of an event's flows that satisfy `is`.
fn share(event: &[Flow], is: impl Fn(&Flow) -> bool) -> f64 {
    event.iter().filter(|f| is(f)).count() as f64 / event.len() as f64
}

/// The measures that all protocols share.
struct Shared {
    dips: f64,
    /// Changes of (destination, port) in the order of the flows.
    dsts: f64,
    /// Changes of the source port, for the last destination only.
    sports: f64,
}

fn shared(event: &[Flow]) -> Shared {
    let mut shared = Shared { dips: 1.0, dsts: 1.0, sports: 1.0 };
    for pair in event.windows(2) {
        let [last, flow] = pair else { continue };
        if flow.dip != last.dip {
            shared.dips += 1.0;
            shared.sports = 1.0;
        } else if flow.sport != last.sport {
            shared.sports += 1.0;
        }
        if (flow.dip, flow.dport) != (last.dip, last.dport) {
            shared.dsts += 1.0;
        }
    }
    shared
}

fn tcp(event: &[Flow]) -> f64 {
    let mut event = event.to_vec();
    event.sort_by_key(|f| (f.dip, f.sport));
    let Shared { dips, sports, .. } = shared(&event);
    let event = event.as_slice();
    -2.838353611 + 3.309023427 * share(event, |f| f.flags & ACK == 0)
        - 0.157047027 * share(event, |f| f.packets < SMALL)
        - 0.002319304 * (sports / dips)
        - 1.047413699 * share(event, |f| f.octets / f.packets > PAYLOAD)
        + 3.163018548 * (dips / event.len() as f64)
        - 3.260270447 * share(event, |f| backscatter(f.flags))
}

fn number(ip: IpAddr) -> u32 {
    match ip {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(_) => Ipv4Addr::UNSPECIFIED.into(),
    }
}

fn udp(event: &[Flow]) -> f64 {
    let Shared { dsts, sports, .. } = shared(event);
    let (mut host_run, mut best_run, mut longest) = (1_u32, 1, 0);
    let (mut low_ports, mut low_run) = (0, 0);
    let mut low = BTreeSet::new();
    for (n, flow) in event.iter().enumerate() {
        let dip = number(flow.dip);
        let next = event.get(n + 1).map(|f| number(f.dip));
        let mut count_low_port = |f: &Flow| _ = f.dport < 1024 && low.insert(f.dport);
        if n == 0 {
            count_low_port(flow);
        }
        if next == Some(dip) {
            count_low_port(&event[n + 1]);
        }
        match next {
            None => best_run = best_run.max(host_run),
            Some(next) if next != dip && next >> 8 == dip >> 8 => {
                if next - dip == 1 {
                    host_run += 1;
                } else if host_run > best_run {
                    best_run = host_run;
                    host_run = 1;
                }
            }
            Some(_) => {}
        }
        if next != Some(dip) {
            low_ports = low_ports.max(low.len());
            low_run = low_run.max(run(&low));
            low.clear();
            _ = flow.dport < 1024 && low.insert(flow.dport);
        }
        if next.is_none_or(|next| next >> 8 != dip >> 8) {
            longest = longest.max(best_run);
            best_run = 1;
        }
    }
    let sources: HashSet<u16> = event.iter().map(|f| f.sport).collect();
    -1.887907966
        + 0.543683505 * share(event, |f| f.packets < SMALL)
        + 0.025150994 * f64::from(longest)
        + 0.529094801 * low_ports as f64
        - 1.244182168 * low_run as f64
        - 0.001841634 * (sports / dsts)
        - 0.224548546 * share(event, |f| f.octets / f.packets > PAYLOAD)
        - 0.697943155 * (sources.len() as f64 / event.len() as f64)
}

/// Returns the length of the longest run of neighbouring ports.
fn run(ports: &BTreeSet<u16>) -> usize {
    let ports: Vec<u16> = ports.iter().copied().collect();
    ports.chunk_by(|a, b| a + 1 == *b).map(<[u16]>::len).max().unwrap_or(0)
}

fn icmp(event: &[Flow]) -> f64 {
    let Shared { dsts, .. } = shared(event);
    // The original counts the hosts of a network in 8 bits.
    let (mut hosts, mut most_hosts) = (1_u8, 1_u8);
    let (mut host_run, mut best_run, mut longest) = (1_u8, 1_u8, 0_u8);
    let (mut net_run, mut best_nets) = (1_u32, 1);
    for pair in event.windows(2) {
        let [dip, next] = [number(pair[0].dip), number(pair[1].dip)];
        if dip >> 8 == next >> 8 {
            if dip != next {
                hosts = hosts.wrapping_add(1);
                if next - dip == 1 {
                    host_run = host_run.wrapping_add(1);
                } else {
                    best_run = best_run.max(host_run);
                    host_run = 1;
                }
            }
        } else {
            if (next >> 8) - (dip >> 8) == 1 {
                net_run += 1;
            } else {
                best_nets = best_nets.max(net_run);
                net_run = 1;
            }
            longest = longest.max(best_run);
            most_hosts = most_hosts.max(hosts);
            hosts = 1;
        }
    }
    // The end of the input closes the last network, but not its runs.
    best_nets = best_nets.max(net_run);
    longest = longest.max(best_run);
    most_hosts = most_hosts.max(hosts);
    let is_request = |f: &Flow| [8, 13, 15, 17].map(|kind: u16| kind << 8).contains(&f.dport);
    -4.307079 - 0.08245704 * f64::from(best_nets) - 0.02800612 * f64::from(longest)
        + 0.04877852 * f64::from(most_hosts)
        - 0.000006398878 * dsts
        + 4.016751 * share(event, is_request)
}

#[cfg(test)]
mod tests {
    use super::super::flows::request;
    use super::*;

    const BAD: &str = "203.0.113.45";

    fn inside() -> [IpNet; 1] {
        ["140.119.0.0/16".parse().unwrap()]
    }

    /// Returns one packet to each of `count` hosts of one network, each from a port of its own.
    fn sweep(count: u8, proto: u8, step: u8, net: u8) -> Vec<Flow> {
        let to = |n: u8| format!("140.119.{net}.{}", n * step + 1);
        let flow = |n| request(BAD, &to(n), 2000 + u16::from(n), 53);
        (0..count).map(|n| Flow { proto, ..flow(n) }).collect()
    }

    fn is_named(flows: &[Flow]) -> bool {
        let mut back = flows.to_vec();
        back.reverse();
        let found = rwscan(flows, &inside());
        assert_eq!(found, rwscan(&back, &inside()));
        found.contains(&BAD.parse().unwrap())
    }

    /// Returns a flow that the destination of `flow` sends, so that its address is in use.
    fn speaks(flow: &Flow) -> Flow {
        Flow {
            sip: flow.dip,
            dip: flow.sip,
            sport: flow.dport,
            dport: flow.sport,
            flags: 18,
            ..*flow
        }
    }

    #[test]
    fn four_more_misses_than_hits_are_a_scan() {
        let four = sweep(4, TCP, 1, 7);
        assert!(is_named(&four));
        assert!(!is_named(&four[1..]));
        let one_there = [four.clone(), vec![speaks(&four[0])]].concat();
        assert!(!is_named(&one_there));
        assert!(is_named(&[sweep(6, TCP, 1, 7), vec![speaks(&four[0])]].concat()));
    }

    /// The known gap of rwscan: without flags the walk never recognises a request, so it never
    /// ends.
    #[test]
    fn without_flags_the_walk_does_not_decide() {
        let blind =
            |flows: &[Flow]| flows.iter().map(|f| Flow { flags: 0, ..*f }).collect::<Vec<_>>();
        assert_eq!(walk(&blind(&sweep(30, TCP, 1, 7)), &HashSet::default()), Verdict::Unknown);
        assert!(!is_named(&blind(&sweep(31, TCP, 1, 7))));
        // No ACK was seen in these flows, so the regression takes them for requests.
        assert!(is_named(&blind(&sweep(32, TCP, 1, 7))));
        let acked: Vec<_> =
            sweep(200, TCP, 1, 7).iter().map(|f| Flow { flags: 16, ..*f }).collect();
        assert!((probability(&acked) - 0.54).abs() < 0.005, "{}", probability(&acked));
    }

    #[test]
    fn backscatter_and_floods_are_no_scans() {
        let back: Vec<_> =
            sweep(101, TCP, 1, 7).iter().map(|f| Flow { flags: RST | ACK, ..*f }).collect();
        assert_eq!(walk(&back, &HashSet::default()), Verdict::Other);
        let flood: Vec<_> = (0..40).map(|n| request(BAD, "140.119.7.1", n, 80)).collect();
        assert_eq!(walk(&flood, &HashSet::default()), Verdict::Other);
        assert!(!is_named(&flood));
    }

    /// Detectors of this kind find hosts probed in order, and not hosts probed at random.
    #[test]
    fn udp_scans_are_found_only_in_the_order_of_hosts() {
        assert!(is_named(
            &sweep(120, UDP, 1, 7).iter().map(|f| Flow { sport: 9, ..*f }).collect::<Vec<_>>()
        ));
        let spread: Vec<_> = (0..100).flat_map(|net| sweep(1, UDP, 1, net)).collect();
        let p = probability(&spread);
        assert!((0.08..0.13).contains(&p), "{p}");
    }

    #[test]
    fn icmp_scans_are_found_from_nine_hosts_of_a_network_on() {
        let echo = |count: u8| {
            let nets = (0..20).flat_map(|net| sweep(count, ICMP, 2, 2 * net));
            nets.map(|f| Flow { sport: 0, dport: 2048, ..f }).collect::<Vec<_>>()
        };
        assert!(is_named(&echo(9)), "{}", probability(&echo(9)));
        assert!(!is_named(&echo(8)), "{}", probability(&echo(8)));
    }
}
