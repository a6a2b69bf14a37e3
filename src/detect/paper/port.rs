//! Attackers of one port by the paper's rule: hosts with ten thousand flows to one port in ten minutes, as those
//! that Code Red infected (figure 5).

use std::cmp::Ordering;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::net::subnet;
use crate::detect::detector::Detector;
use crate::detect::pair_totals::{PairTable, PairTotals};
use crate::detect::site::Site;
use crate::detect::threshold::Threshold;
use crate::detect::top::Top;
use crate::detect::verdict::{Explained, Verdict};
use crate::finding::{Finding, Host, Kind, MAX_PEERS, MAX_SAMPLES, Peer, Rate, Role, Sample};
use crate::flow::Flow;
use crate::time::{End, Timestamp, Window};
use crate::window::Counter;

/// The fewest targets of an attack that is called a spread.
const MANY: u64 = 10;

/// The protocols that have ports: TCP, UDP, DCCP, SCTP, UDP-Lite (IANA protocol numbers).
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// The limits of the rule.
#[derive(Clone, Copy, Debug)]
pub struct PaperPortRules {
    /// The fewest flows from one host to one port in 600 s.
    pub flows: u64,
}

impl PaperPortRules {
    /// The paper's rule.
    pub const PAPER: PaperPortRules = PaperPortRules { flows: 10_000 };
}

/// The detector of figure 5: the flows of a window by source, protocol, destination port and destination.
#[derive(Debug)]
pub struct PaperPort {
    site: Arc<Site>,
    rules: PaperPortRules,
    pairs: PairTable,
}

impl PaperPort {
    /// Returns an empty window.
    pub fn new(site: Arc<Site>, rules: PaperPortRules) -> PaperPort {
        let pairs = PairTable::new(site.memory);
        PaperPort { site, rules, pairs }
    }
}

impl Counter for PaperPort {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        for flow in flows.iter().filter(|flow| WITH_PORTS.contains(&flow.proto)) {
            let port = (u32::from(flow.proto) << 16) | u32::from(flow.dport);
            self.pairs.add(flow.sip, port, flow.dip, flow)?;
        }
        Ok(())
    }
}

impl Detector for PaperPort {
    /// Figure 5 consists of the findings themselves.
    type Row = ();

    fn judge(self, end: &End, _: Timestamp) -> io::Result<Verdict<()>> {
        let window = end.window;
        let PaperPort { site, rules, pairs } = self;
        let limit = Threshold::AtLeast(rules.flows).scaled(window);
        let mut judge = PaperPortJudge { site: &site, limit, window, out: Verdict::default() };
        let mut attack: Option<Attack> = None;
        pairs.visit(site.least(limit.least()), |sip, port, dip, totals| {
            let (proto, port) = ((port >> 16) as u8, port as u16);
            if attack.as_ref().is_none_or(|attack| attack.key != (sip, proto, port)) {
                let next = Attack::new((sip, proto, port));
                attack.replace(next).into_iter().for_each(|over| judge.attack(over));
            }
            if let Some(attack) = &mut attack {
                attack.target(dip, &totals);
            }
        })?;
        attack.into_iter().for_each(|over| judge.attack(over));
        judge.out.findings.sort_by(Finding::order);
        judge.out.seen.sort_by(most_flows);
        Ok(judge.out)
    }
}

/// The flows of one source to one port. Targets are added in ascending order.
struct Attack {
    /// Source, protocol and port.
    key: (IpAddr, u8, u16),
    sum: PairTotals,
    targets: u64,
    /// Networks of the targets, without the current one.
    nets: u64,
    /// The network of the current target, with its flows.
    net: Option<(IpNet, u64)>,
    top: Top<IpNet, MAX_PEERS>,
    samples: Vec<Sample>,
}

impl Attack {
    fn new(key: (IpAddr, u8, u16)) -> Attack {
        Attack {
            key,
            sum: PairTotals::EMPTY,
            targets: 0,
            nets: 0,
            net: None,
            top: Top::new(),
            samples: Vec::new(),
        }
    }

    fn target(&mut self, dip: IpAddr, totals: &PairTotals) {
        self.sum.merge(totals);
        self.targets += 1;
        match &mut self.net {
            Some((net, flows)) if net.contains(&dip) => *flows = flows.saturating_add(totals.flows),
            _ => {
                self.close_net();
                self.net = Some((subnet(dip), totals.flows));
            }
        }
        if self.samples.len() < MAX_SAMPLES {
            self.samples.push(totals.sample(self.key.0, dip));
        }
    }

    fn close_net(&mut self) {
        if let Some((net, flows)) = self.net.take() {
            self.nets += 1;
            self.top.offer(flows, net);
        }
    }
}

struct PaperPortJudge<'a> {
    site: &'a Site,
    limit: Threshold,
    window: Option<Window>,
    out: Verdict<()>,
}

impl PaperPortJudge<'_> {
    fn attack(&mut self, mut attack: Attack) {
        attack.close_net();
        let (host, proto, port) = attack.key;
        let flows = attack.sum.flows;
        if self.site.explain == Some(host) {
            self.see(Explained {
                of: format!("port {proto}/{port}"),
                measure: "flows",
                value: flows,
                limit: self.limit,
            });
        }
        if !self.limit.passes(flows) {
            return;
        }
        let peer = |(flows, net)| Peer { host: Host::Prefix(net), flows: Some(flows) };
        self.out.findings.push(Finding {
            window: self.window,
            kind: Kind::Port,
            class: if attack.targets >= MANY { "spread" } else { "bruteforce" }.to_owned(),
            host: Host::Address(host),
            role: Role::Source,
            side: self.site.side(host),
            proto: Some(proto),
            port: Some(port),
            peers: attack.targets,
            peer: attack.top.iter().map(peer).collect(),
            more: attack.nets.saturating_sub(MAX_PEERS as u64),
            flows,
            packets: attack.sum.packets,
            octets: attack.sum.bytes,
            rate: Rate::of(flows, self.window),
            marks: Vec::new(),
            why: self.limit.why("flows", flows),
            sample: attack.samples,
        });
    }

    /// Keeps the ports with most flows, because a host can have sent to all ports.
    fn see(&mut self, seen: Explained) {
        self.out.seen.push(seen);
        if self.out.seen.len() > MAX_PEERS {
            self.out.seen.sort_by(most_flows);
            self.out.seen.truncate(MAX_PEERS);
        }
    }
}

fn most_flows(a: &Explained, b: &Explained) -> Ordering {
    b.value.cmp(&a.value).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(flows: impl IntoIterator<Item = Flow>) -> Vec<Finding> {
        let mut port = PaperPort::new(
            Arc::new(Site { memory: 1 << 28, ..Site::default() }),
            PaperPortRules::PAPER,
        );
        port.add(&flows.into_iter().collect::<Vec<_>>()).unwrap();
        port.judge(&End { window: Window::new(0, 600), ..End::default() }, Timestamp::from_secs(0))
            .unwrap()
            .findings
    }

    fn worm(n: u32) -> Flow {
        Flow {
            sip: [140, 119, 44, 91].into(),
            dip: n.wrapping_mul(2_654_435_761).to_be_bytes().into(),
            proto: 6,
            sport: n as u16,
            dport: 80,
            packets: 3,
            octets: 144,
            ..Flow::default()
        }
    }

    #[test]
    fn the_worm_of_figure_5_is_one_finding() {
        let findings = run((0..200_000).map(worm));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.class.as_str(), finding.peers), ("spread", 200_000));
        assert_eq!(finding.rate.to_string(), "333.33");
        assert_eq!(finding.why, "flows=200000>=10000");
        assert_eq!(finding.peer.len() as u64, MAX_PEERS as u64);
        assert!(finding.more > 100_000);
    }

    #[test]
    fn the_limit_is_on_one_host_one_protocol_and_one_port() {
        assert_eq!(run((0..10_000).map(worm)).len(), 1);
        assert_eq!(run((0..9_999).map(worm)).len(), 0);
        let split = |n: u32, flow: Flow| match n % 3 {
            0 => Flow { dport: 81, ..flow },
            1 => Flow { proto: 17, ..flow },
            _ => flow,
        };
        assert_eq!(run((0..29_000).map(|n| split(n, worm(n)))).len(), 0);
        assert_eq!(run((0..20_000).map(|n| Flow { proto: 1, ..worm(n) })).len(), 0, "no ports");
    }

    #[test]
    fn an_attack_on_one_target_is_not_a_spread() {
        let findings = run((0..10_000).map(|n| Flow { dip: [192, 0, 2, 1].into(), ..worm(n) }));
        assert_eq!((findings[0].class.as_str(), findings[0].peers), ("bruteforce", 1));
        assert_eq!(findings[0].peer[0].flows, Some(10_000));
    }
}
