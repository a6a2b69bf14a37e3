//! How a scenario is seen: by one router or by two, sampled, one way only, or as if all were IPv6.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv6Net};

use super::campus::{UPLINK, inside};
use super::draw::{Dice, mix};
use super::record::settle;
use super::sampler::Sampler;
use super::truth::Truth;
use crate::finding::Host;
use crate::flow::{Flow, ICMP, ICMPV6};
use crate::time::{Timestamp, Window};

/// Which flows are exported, of those that come in by the uplink and those that go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkDirection {
    /// Those that come in.
    In,
    /// Those that go out.
    Out,
}

/// A flow as a router exports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportedFlow {
    /// When it arrives at the collector.
    pub arrival: Timestamp,
    /// Which router exports it, 0 or 1.
    pub router: usize,
    /// The flow, whose exporter is left for whoever gives the routers addresses.
    pub flow: Flow,
}

/// What the second router adds to the numbers of interfaces.
const INTERFACES: u32 = 10;
/// How much later its flows arrive, in nanoseconds, and its times are at most, in milliseconds.
const LATER: (u32, u32) = (10_000_000, 300_000_000);
const CLOCK: u32 = 5;

/// Turns flows as they were played into flows as they are exported. The second router's wait here for
/// up to 300 ms, no longer than their window.
#[derive(Clone, Debug)]
pub struct RouterView {
    seed: u64,
    way: Option<UplinkDirection>,
    ipv6: bool,
    /// One for each router.
    samplers: Vec<Option<Sampler>>,
    dice: Dice,
    last: Timestamp,
    held: BinaryHeap<Reverse<(ExportedFlow, u64)>>,
    count: u64,
}

impl RouterView {
    /// Everything, as one router exports it. The seed is that of the plan.
    pub fn new(seed: u64) -> RouterView {
        RouterView {
            seed,
            way: None,
            ipv6: false,
            samplers: vec![None],
            dice: Dice::new(seed, 0, PURPOSE),
            last: Timestamp::default(),
            held: BinaryHeap::new(),
            count: 0,
        }
    }

    /// The same by a second router as well, which was on the way too: with interfaces, a clock and an
    /// export of its own.
    pub fn twice(mut self) -> RouterView {
        let first = self.samplers.first().cloned().flatten();
        self.samplers = vec![first, None];
        self
    }

    /// The same, sampled: 1 in `interval` packets, by each router for itself.
    pub fn sampling(mut self, interval: u32) -> RouterView {
        for (router, sampler) in (0u64..).zip(&mut self.samplers) {
            let seed = if router == 0 { self.seed } else { mix(self.seed, router) };
            *sampler = Some(Sampler::new(seed, interval));
        }
        self
    }

    /// Only what comes in by the uplink, or only what goes out.
    pub fn oneway(mut self, way: UplinkDirection) -> RouterView {
        self.way = Some(way);
        self
    }

    /// The same hosts with addresses of IPv6, a /64 for each /24: 140.119.C.D is 2001:288:0:C::D, and
    /// an outside A.B.C.D is 2001:db8:AABB:CC::DD, each octet in hexadecimal.
    pub fn ipv6(mut self) -> RouterView {
        self.ipv6 = true;
        self
    }

    /// A window begins: what is drawn in it does not depend on those before it.
    pub fn enter(&mut self, window: Window) {
        self.samplers.iter_mut().flatten().for_each(|sampler| sampler.enter(window));
        self.dice = Dice::new(self.seed, window.start(), PURPOSE);
        self.last = Timestamp::from_nanos(Timestamp::from_secs(window.end()).nanos() - 1);
        self.held.clear();
    }

    /// Adds to `seen` what is exported of the next flows, in the order of arrival.
    pub fn take(&mut self, played: &[(Timestamp, Flow)], seen: &mut Vec<ExportedFlow>) {
        for (arrival, flow) in played {
            self.release(*arrival, seen);
            for router in 0..self.samplers.len() {
                // Drawn for every flow, so that no flow's lot depends on who sees it.
                let lot = (router > 0)
                    .then(|| (self.dice.between(LATER.0, LATER.1), self.dice.below(CLOCK + 1)));
                let taken = match &mut self.samplers[router] {
                    Some(sampler) => sampler.take(flow),
                    None => Some(*flow),
                };
                let wanted = |flow: &Flow| match self.way {
                    None => true,
                    Some(UplinkDirection::In) => flow.sif == UPLINK,
                    Some(UplinkDirection::Out) => flow.dif == UPLINK,
                };
                let Some(flow) = taken.filter(wanted) else { continue };
                let flow = if self.ipv6 { six(&flow) } else { flow };
                match lot {
                    None => seen.push(ExportedFlow { arrival: *arrival, router, flow }),
                    Some((later, off)) => {
                        let arrival = arrival.offset(i64::from(later)).min(self.last);
                        let flow = settle(second(flow, off), arrival);
                        self.held
                            .push(Reverse((ExportedFlow { arrival, router, flow }, self.count)));
                        self.count += 1;
                    }
                }
            }
        }
    }

    /// Adds what waits, at the end of a window.
    pub fn end(&mut self, seen: &mut Vec<ExportedFlow>) {
        self.release(self.last, seen);
    }

    fn release(&mut self, until: Timestamp, seen: &mut Vec<ExportedFlow>) {
        while let Some(Reverse((first, _))) = self.held.peek() {
            if first.arrival > until {
                break;
            }
            seen.push(*first);
            self.held.pop();
        }
    }

    /// What is to be found, with the addresses that the flows have. What the routers see of it makes
    /// no difference.
    pub fn truth(&self, mut truth: Vec<Truth>) -> Vec<Truth> {
        if self.ipv6 {
            for Truth { finding, .. } in &mut truth {
                finding.host = host_of_six(finding.host);
                finding.peer.iter_mut().for_each(|peer| peer.host = host_of_six(peer.host));
                finding.octets += HEADER * finding.packets;
                if finding.proto == Some(ICMP) {
                    (finding.proto, finding.port) = (Some(ICMPV6), finding.port.map(message));
                }
                for sample in &mut finding.sample {
                    (sample.sip, sample.dip) = (address(sample.sip), address(sample.dip));
                    if sample.proto == ICMP {
                        (sample.proto, sample.dport) = (ICMPV6, message(sample.dport));
                    }
                }
            }
            truth.sort_by(|a, b| a.finding.order(&b.finding));
        }
        truth
    }
}

/// Of the dice.
const PURPOSE: u64 = 0x2e0d;

/// Octets by which IPv6's header is longer (RFC 8200 section 3 against RFC 791 section 3.1).
const HEADER: u64 = 20;

fn second(flow: Flow, off: u32) -> Flow {
    let moved = |time: Option<Timestamp>| time.map(|time| time.offset(i64::from(off) * 1_000_000));
    Flow {
        sif: flow.sif + INTERFACES,
        dif: flow.dif + INTERFACES,
        start: moved(flow.start),
        end: moved(flow.end),
        ..flow
    }
}

fn six(flow: &Flow) -> Flow {
    let mut flow = Flow {
        sip: address(flow.sip),
        dip: address(flow.dip),
        octets: flow.octets + HEADER * flow.packets,
        ..*flow
    };
    if flow.proto == ICMP {
        (flow.proto, flow.dport) = (ICMPV6, message(flow.dport));
    }
    flow
}

fn address(host: IpAddr) -> IpAddr {
    let IpAddr::V4(host) = host else { return host };
    let [a, b, c, d] = host.octets().map(u16::from);
    IpAddr::V6(match inside(u32::from(host)) {
        true => Ipv6Addr::new(0x2001, 0x288, 0, c, 0, 0, 0, d),
        false => Ipv6Addr::new(0x2001, 0xdb8, (a << 8) | b, c, 0, 0, 0, d),
    })
}

fn host_of_six(host: Host) -> Host {
    match host {
        Host::Address(host) => Host::Address(address(host)),
        Host::Prefix(IpNet::V4(net)) => {
            // The first two octets are in the first 48 bits, the third ends at 64, the last at 128.
            let bits = match net.prefix_len() {
                bits @ ..=16 => bits + 32,
                bits @ 17..=24 => bits + 40,
                bits => bits + 96,
            };
            let first = address(IpAddr::V4(Ipv4Addr::from(u32::from(net.network()))));
            match first {
                IpAddr::V6(first) => match Ipv6Net::new(first, bits) {
                    Ok(net) => Host::Prefix(IpNet::V6(net.trunc())),
                    Err(_) => host,
                },
                IpAddr::V4(_) => host,
            }
        }
        Host::Prefix(IpNet::V6(_)) => host,
    }
}

/// ICMP's type*256+code as ICMPv6 says it (RFC 792, RFC 4443).
fn message(icmp: u16) -> u16 {
    match (icmp >> 8, icmp & 0xff) {
        (0, _) => 129 << 8,
        (8, _) => 128 << 8,
        // A host and a port; a net and whatever else has no route.
        (3, 1) => (1 << 8) | 3,
        (3, 3) => (1 << 8) | 4,
        (3, 9 | 10 | 13) => (1 << 8) | 1,
        (3, 4) => 2 << 8,
        (3, _) => 1 << 8,
        (11, code) => (3 << 8) | code,
        _ => 4 << 8,
    }
}
