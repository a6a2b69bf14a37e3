//! Swarms: many unrelated sources that each try a few unused addresses at one port, too few to be flagged by
//! themselves. They are the hosts of one botnet, or one scanner that spreads its work over rented machines.

use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::attempt::{Attempt, DARK};
use crate::conversation::Address;
use crate::detect::threshold::Measure;
use crate::detect::top::Top;
use crate::detect::traffic::Traffic;
use crate::finding::{Host, MAX_PEERS, MAX_SAMPLES, Peer, Sample};
use crate::flow::Networks;

/// The class of a network whose port a swarm tries.
pub(super) const SWARM: &str = "swarm";
/// The fewest sources of a swarm.
pub(super) const SOURCES: u64 = 50;
/// The factor by which they must exceed their usual number.
const FACTOR: u64 = 4;
/// The fewest and the most unused addresses that a source of a swarm tries. With more it is a scanner by itself, or one
/// of those that flood a whole network. The background of the Internet tries one or two of a network of 65,536
/// addresses in ten minutes: a bot that draws its targets at random needs 500 packets a second for five (Durumeric et
/// al., An Internet-wide view of Internet-wide scanning, USENIX Security 2014).
const HITS: RangeInclusive<u64> = 5..=24;
/// The fewest unrelated networks from which the sources come: /16, of IPv6 /32.
const NETS: u64 = 20;
/// The most networks of the sources of one port that are told apart, far more than any limit.
const MAX_NETS: usize = 4096;
/// The most ports with sources that are kept. A flood of forged sources may name every port; those that come last by
/// protocol and number go, and are counted.
const MAX_PORTS: usize = 1 << 14;

/// A protocol, a port, and true for IPv4.
pub(super) type At = (u8, u16, bool);

/// The sources that tried one port.
#[derive(Debug)]
pub(super) struct Swarm {
    sources: u64,
    /// Networks of the sources.
    nets: HashSet<u32, RandomState>,
    /// Unused addresses that they tried, summed over the sources.
    targets: u64,
    traffic: Traffic,
    top: Top<IpAddr, MAX_PEERS>,
    samples: Top<Sample, MAX_SAMPLES>,
    /// The largest inside networks in which the first targets lie, with the sources that tried them.
    at: BTreeMap<IpNet, u64>,
}

/// The attempts of one source at unused addresses.
#[derive(Clone, Copy, Debug)]
pub(super) struct DarkHits<A> {
    last: Option<A>,
    targets: u64,
    traffic: Traffic,
    first: Option<(A, Sample)>,
}

/// All ports that sources of swarms may have tried.
#[derive(Debug, Default)]
pub(super) struct Swarms {
    ports: BTreeMap<At, Swarm>,
    /// Sources whose ports were dropped because there were too many.
    dropped: u64,
}

impl<A: Address> DarkHits<A> {
    pub(super) const NONE: DarkHits<A> =
        DarkHits { last: None, targets: 0, traffic: Traffic::NONE, first: None };

    /// Adds an attempt; those at one target follow each other.
    pub(super) fn add(&mut self, attempt: &Attempt<A>) {
        if !attempt.has(DARK) {
            return;
        }
        self.targets += u64::from(self.last.replace(attempt.dst) != Some(attempt.dst));
        self.traffic.add(attempt.traffic());
        self.first.get_or_insert_with(|| (attempt.dst, attempt.sample()));
    }
}

impl Swarms {
    /// Adds the attempts of one source at one port, if they are enough for a part of a swarm.
    pub(super) fn add<A: Address>(
        &mut self,
        first: &Attempt<A>,
        hits: &DarkHits<A>,
        inside: &Networks,
    ) {
        let Some((target, sample)) = hits.first.filter(|_| HITS.contains(&hits.targets)) else {
            return;
        };
        let src = first.src.ip();
        let swarm = self.ports.entry((first.proto, first.port, src.is_ipv4())).or_default();
        swarm.sources += 1;
        if swarm.nets.len() < MAX_NETS {
            swarm.nets.insert(unrelated(src));
        }
        swarm.targets += hits.targets;
        swarm.traffic.add(hits.traffic);
        swarm.top.offer(hits.traffic.flows, src);
        swarm.samples.offer(hits.traffic.flows, sample);
        *swarm.at.entry(widest(inside, target.prefix())).or_default() += 1;
        if self.ports.len() > MAX_PORTS {
            self.dropped += self.ports.pop_last().map_or(0, |(_, swarm)| swarm.sources);
        }
    }

    /// Returns the number of sources whose ports were dropped because there were too many.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns all ports with their sources.
    pub(super) fn into_ports(self) -> impl Iterator<Item = (At, Swarm)> {
        self.ports.into_iter()
    }
}

impl Default for Swarm {
    fn default() -> Swarm {
        Swarm {
            sources: 0,
            nets: HashSet::default(),
            targets: 0,
            traffic: Traffic::NONE,
            top: Top::new(),
            samples: Top::new(),
            at: BTreeMap::new(),
        }
    }
}

impl Swarm {
    /// Returns the number of sources.
    pub(super) fn sources(&self) -> u64 {
        self.sources
    }

    /// Returns the measures. `usual` is the usual number of sources at the port, if it is known.
    pub(super) fn measures(&self, limit: u64, usual: Option<u64>) -> Vec<Measure> {
        let limit = limit.max(usual.unwrap_or(0).saturating_mul(FACTOR));
        vec![
            Measure::at_least("sources", self.sources, limit),
            Measure::at_least("nets", self.nets.len() as u64, NETS),
        ]
    }

    /// Returns the number of unused addresses that the sources tried, each counted for itself.
    pub(super) fn targets(&self) -> u64 {
        self.targets
    }

    pub(super) fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// Returns the inside network that most of the sources tried.
    pub(super) fn net(&self) -> Option<IpNet> {
        let most = self.at.iter().max_by_key(|(net, count)| (**count, std::cmp::Reverse(**net)));
        most.map(|(net, _)| *net)
    }

    /// Returns the sources with most flows, and how many more there are.
    pub(super) fn peers(&self) -> (Vec<Peer>, u64) {
        let peer = |(flows, src)| Peer { host: Host::Address(src), flows: Some(flows) };
        let peers: Vec<Peer> = self.top.iter().map(peer).collect();
        let more = self.sources.saturating_sub(peers.len() as u64);
        (peers, more)
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.samples.iter().map(|(_, sample)| sample).collect()
    }
}

/// Returns the network by which two sources are related: its /16, or its /32 of IPv6.
fn unrelated(src: IpAddr) -> u32 {
    match src {
        IpAddr::V4(src) => u32::from(src) >> 16,
        IpAddr::V6(src) => (u128::from(src) >> 96) as u32,
    }
}

/// Returns the largest network around another that is inside as a whole.
fn widest(inside: &Networks, net: IpNet) -> IpNet {
    let wider = std::iter::successors(Some(net), IpNet::supernet);
    wider.take_while(|net| inside.contains_net(*net)).last().unwrap_or(net)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::super::{Memory, Port, Setup};
    use super::*;
    use crate::detect::Detector;
    use crate::detect::play::*;
    use crate::finding::Finding;
    use crate::flow::Flow;
    use crate::time::{End, Window};
    use crate::window::Counter;

    fn judge(setup: &Rc<Setup>, n: u64, flows: &[Flow]) -> Vec<Finding> {
        let mut port = Port::new(site(1 << 30), setup.clone());
        port.add(flows).unwrap();
        let end = End { window: Window::new(n * 600, 600), ..End::default() };
        port.judge(&end, NOW).unwrap().findings
    }

    /// Returns attempts of some sources, each at `hits` unused addresses.
    fn swarm(sources: u32, hits: u32) -> Vec<Flow> {
        let from = |n: u32| (0x3000_0000 + (n << 16) + 9).to_be_bytes();
        let pairs = (0..sources).flat_map(|n| (0..hits).map(move |k| (n, k)));
        pairs.map(|(n, k)| ask(from(n), ours(n * 977 + k * 31), 22)).collect()
    }

    #[test]
    fn fifty_unrelated_sources_with_five_unused_addresses_each_are_a_swarm() {
        let named = |flows: &[Flow]| names(&judge(&Rc::default(), 0, flows));
        assert_eq!(named(&swarm(50, 5)), ["swarm 10.0.0.0/8 target"]);
        assert_eq!(named(&nine(&swarm(50, 5))), ["swarm 10.0.0.0/8 target"]);
        assert_eq!(named(&swarm(49, 9)), [""; 0]);
        assert_eq!(named(&swarm(4000, 4)), [""; 0], "the background of the Internet");
        assert_eq!(named(&swarm(100, 24)), ["swarm 10.0.0.0/8 target"]);
        assert_eq!(named(&swarm(100, 25)), [""; 0], "each is flagged by itself");
        let related: Vec<Flow> = swarm(50, 5)
            .into_iter()
            .zip(0..)
            .map(|(flow, n)| Flow { sip: [198, 51, 100, (n / 5) as u8].into(), ..flow })
            .collect();
        assert_eq!(named(&related), [""; 0], "one network");
        let finding = &judge(&Rc::default(), 0, &swarm(200, 10))[0];
        assert_eq!((finding.peers, finding.flows, finding.port), (200, 2000, Some(22)));
        assert_eq!(finding.why, "sources=200>=50,nets=200>=20,targets=2000");
    }

    #[test]
    fn a_flood_of_all_ports_does_not_fill_memory() {
        let add = |ports: &mut dyn Iterator<Item = u16>| {
            let mut swarms = Swarms::default();
            for port in ports {
                let mut hits = DarkHits::NONE;
                let to = |n: u32| Attempt {
                    src: 9u32,
                    proto: 6,
                    port,
                    dst: n,
                    bits: DARK,
                    ..Attempt::default()
                };
                (0..5).for_each(|n| hits.add(&to(n)));
                swarms.add(&to(0), &hits, &Networks::default());
                assert!(swarms.ports.len() <= MAX_PORTS);
            }
            let dropped = swarms.dropped();
            (swarms.into_ports().map(|(at, _)| at).collect::<Vec<_>>(), dropped)
        };
        let (kept, dropped) = add(&mut (0..20_000));
        assert_eq!((kept.len(), dropped), (MAX_PORTS, 20_000 - MAX_PORTS as u64));
        assert_eq!(add(&mut (0..20_000).rev()).0, kept, "the order matters");
    }

    #[test]
    fn a_swarm_that_is_usual_is_none() {
        let setup = Rc::new(Setup { memory: Some(Memory::default().into()), ..Setup::default() });
        let mut found = Vec::new();
        for n in 0..48 {
            let sources = if n < 40 { 40 } else { 60 };
            found.extend(names(&judge(&setup, n, &swarm(sources, 6))));
        }
        assert_eq!(found, [""; 0]);
        assert_eq!(names(&judge(&setup, 48, &swarm(200, 6))), ["swarm 10.0.0.0/8 target"]);
    }
}
