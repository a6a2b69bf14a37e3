//! The view of routers on a scenario: one router or two, sampled, one direction only, or as if all were IPv6.

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

/// The direction of flows through the uplink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UplinkDirection {
    /// Flows that come in.
    In,
    /// Flows that go out.
    Out,
}

/// A flow as a router exports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ExportedFlow {
    /// The arrival at the collector.
    pub arrival: Timestamp,
    /// The number of the router that exports it, 0 or 1.
    pub router: usize,
    /// The flow. Its exporter is not set, because routers have no addresses here.
    pub flow: Flow,
}

/// The difference between the interface numbers of the second router and those of the first.
const INTERFACES: u32 = 10;
/// The least and the most nanoseconds by which the flows of the second router arrive later.
const DELAY: (u32, u32) = (10_000_000, 300_000_000);
/// The most milliseconds by which the clock of the second router is ahead.
const CLOCK: u32 = 5;

/// A converter of played flows into exported flows. Those of the second router are delayed by up to 300 ms, but
/// not beyond the end of their window.
#[derive(Clone, Debug)]
pub struct RouterView {
    seed: u64,
    direction: Option<UplinkDirection>,
    is_ipv6: bool,
    /// The sampler of each router; `None` if it does not sample.
    samplers: Vec<Option<Sampler>>,
    dice: Dice,
    last: Timestamp,
    delayed: BinaryHeap<Reverse<(ExportedFlow, u64)>>,
    count: u64,
}

impl RouterView {
    /// Returns the view of one router that exports everything. The seed is that of the plan.
    pub fn new(seed: u64) -> RouterView {
        RouterView {
            seed,
            direction: None,
            is_ipv6: false,
            samplers: vec![None],
            dice: Dice::new(seed, 0, PURPOSE),
            last: Timestamp::default(),
            delayed: BinaryHeap::new(),
            count: 0,
        }
    }

    /// Adds a second router on the same path, with interfaces, a clock and an export of its own.
    pub fn twice(mut self) -> RouterView {
        let first = self.samplers.first().cloned().flatten();
        self.samplers = vec![first, None];
        self
    }

    /// Samples 1 in `interval` packets, at each router independently.
    pub fn sampling(mut self, interval: u32) -> RouterView {
        for (router, sampler) in (0u64..).zip(&mut self.samplers) {
            let seed = if router == 0 { self.seed } else { mix(self.seed, router) };
            *sampler = Some(Sampler::new(seed, interval));
        }
        self
    }

    /// Exports only flows in one direction through the uplink.
    pub fn oneway(mut self, direction: UplinkDirection) -> RouterView {
        self.direction = Some(direction);
        self
    }

    /// Gives the hosts IPv6 addresses, with a /64 for each /24: 140.119.C.D becomes 2001:288:0:C::D, and an
    /// outside A.B.C.D becomes 2001:db8:AABB:CC::DD, each byte in hexadecimal.
    pub fn ipv6(mut self) -> RouterView {
        self.is_ipv6 = true;
        self
    }

    /// Begins a window. The random numbers of a window do not depend on those before it.
    pub fn enter(&mut self, window: Window) {
        self.samplers.iter_mut().flatten().for_each(|sampler| sampler.enter(window));
        self.dice = Dice::new(self.seed, window.start(), PURPOSE);
        self.last = Timestamp::from_nanos(Timestamp::from_secs(window.end()).nanos() - 1);
        self.delayed.clear();
    }

    /// Adds the exported flows of the next played flows to `seen`, in the order of their arrival.
    pub fn take(&mut self, played: &[(Timestamp, Flow)], seen: &mut Vec<ExportedFlow>) {
        for (arrival, flow) in played {
            self.release(*arrival, seen);
            for router in 0..self.samplers.len() {
                // Drawn for every flow, so that a flow does not depend on whether those before it were seen.
                let offsets = (router > 0)
                    .then(|| (self.dice.between(DELAY.0, DELAY.1), self.dice.below(CLOCK + 1)));
                let taken = match &mut self.samplers[router] {
                    Some(sampler) => sampler.take(flow),
                    None => Some(*flow),
                };
                let wanted = |flow: &Flow| match self.direction {
                    None => true,
                    Some(UplinkDirection::In) => flow.sif == UPLINK,
                    Some(UplinkDirection::Out) => flow.dif == UPLINK,
                };
                let Some(flow) = taken.filter(wanted) else { continue };
                let flow = if self.is_ipv6 { ipv6_flow(&flow) } else { flow };
                match offsets {
                    None => seen.push(ExportedFlow { arrival: *arrival, router, flow }),
                    Some((delay, clock)) => {
                        let arrival = arrival.offset(i64::from(delay)).min(self.last);
                        let flow = settle(by_second_router(flow, clock), arrival);
                        self.delayed
                            .push(Reverse((ExportedFlow { arrival, router, flow }, self.count)));
                        self.count += 1;
                    }
                }
            }
        }
    }

    /// Adds the flows that are still delayed at the end of a window.
    pub fn end(&mut self, seen: &mut Vec<ExportedFlow>) {
        self.release(self.last, seen);
    }

    fn release(&mut self, until: Timestamp, seen: &mut Vec<ExportedFlow>) {
        while let Some(Reverse((first, _))) = self.delayed.peek() {
            if first.arrival > until {
                break;
            }
            seen.push(*first);
            self.delayed.pop();
        }
    }

    /// Returns the truth with the addresses that the exported flows have. It does not depend on how much of the
    /// traffic the routers see.
    pub fn truth(&self, mut truth: Vec<Truth>) -> Vec<Truth> {
        if self.is_ipv6 {
            for Truth { finding, .. } in &mut truth {
                finding.host = ipv6_host(finding.host);
                finding.peer.iter_mut().for_each(|peer| peer.host = ipv6_host(peer.host));
                finding.octets += HEADER * finding.packets;
                if finding.proto == Some(ICMP) {
                    (finding.proto, finding.port) =
                        (Some(ICMPV6), finding.port.map(icmpv6_message));
                }
                for sample in &mut finding.sample {
                    (sample.sip, sample.dip) = (ipv6_address(sample.sip), ipv6_address(sample.dip));
                    if sample.proto == ICMP {
                        (sample.proto, sample.dport) = (ICMPV6, icmpv6_message(sample.dport));
                    }
                }
            }
            truth.sort_by(|a, b| a.finding.order(&b.finding));
        }
        truth
    }
}

/// The purpose of the view's random numbers.
const PURPOSE: u64 = 0x2e0d;

/// The bytes by which the header of IPv6 is longer than that of IPv4 (RFC 8200 section 3, RFC 791 section 3.1).
const HEADER: u64 = 20;

/// Returns a flow as the second router reports it. `clock` is the milliseconds by which its clock is ahead.
fn by_second_router(flow: Flow, clock: u32) -> Flow {
    let moved =
        |time: Option<Timestamp>| time.map(|time| time.offset(i64::from(clock) * 1_000_000));
    Flow {
        sif: flow.sif + INTERFACES,
        dif: flow.dif + INTERFACES,
        start: moved(flow.start),
        end: moved(flow.end),
        ..flow
    }
}

fn ipv6_flow(flow: &Flow) -> Flow {
    let mut flow = Flow {
        sip: ipv6_address(flow.sip),
        dip: ipv6_address(flow.dip),
        octets: flow.octets + HEADER * flow.packets,
        ..*flow
    };
    if flow.proto == ICMP {
        (flow.proto, flow.dport) = (ICMPV6, icmpv6_message(flow.dport));
    }
    flow
}

fn ipv6_address(host: IpAddr) -> IpAddr {
    let IpAddr::V4(host) = host else { return host };
    let [a, b, c, d] = host.octets().map(u16::from);
    IpAddr::V6(if inside(u32::from(host)) {
        Ipv6Addr::new(0x2001, 0x288, 0, c, 0, 0, 0, d)
    } else {
        Ipv6Addr::new(0x2001, 0xdb8, (a << 8) | b, c, 0, 0, 0, d)
    })
}

fn ipv6_host(host: Host) -> Host {
    match host {
        Host::Address(host) => Host::Address(ipv6_address(host)),
        Host::Prefix(IpNet::V4(net)) => {
            // The first two bytes are in the first 48 bits, the third ends at bit 64, the last at bit 128.
            let bits = match net.prefix_len() {
                bits @ ..=16 => bits + 32,
                bits @ 17..=24 => bits + 40,
                bits => bits + 96,
            };
            let first = ipv6_address(IpAddr::V4(Ipv4Addr::from(u32::from(net.network()))));
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

/// Returns the ICMPv6 type*256+code of an ICMP type*256+code (RFC 792, RFC 4443).
fn icmpv6_message(icmp: u16) -> u16 {
    match (icmp >> 8, icmp & 0xff) {
        (0, _) => 129 << 8,
        (8, _) => 128 << 8,
        // Host, port, administrative prohibition, packet too big, and no route for all others.
        (3, 1) => (1 << 8) | 3,
        (3, 3) => (1 << 8) | 4,
        (3, 9 | 10 | 13) => (1 << 8) | 1,
        (3, 4) => 2 << 8,
        (3, _) => 1 << 8,
        (11, code) => (3 << 8) | code,
        _ => 4 << 8,
    }
}
