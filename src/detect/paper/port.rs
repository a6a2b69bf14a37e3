//! Hosts that attack one port, by the paper's rule: ten thousand flows from one host to one port in
//! ten minutes, as Code Red did (figure 5).

use std::cmp::Ordering;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use crate::detect::top::Top;
use crate::detect::{Counter, Detector, Explained, PairTotals, Site, Tallies, Threshold, Verdict};
use crate::finding::{Finding, Host, Kind, MAX_PEERS, MAX_SAMPLES, Peer, Rate, Role, Sample};
use crate::flow::Flow;
use crate::time::{End, Window};

/// Targets from which an attack on a port is called a spread.
const MANY: u64 = 10;

/// Protocols that have ports: TCP, UDP, DCCP, SCTP, UDP-Lite (IANA protocol numbers).
const WITH_PORTS: [u8; 5] = [6, 17, 33, 132, 136];

/// The limits of the rule.
#[derive(Clone, Copy, Debug)]
pub struct PaperPortRules {
    /// Flows from one host to one port in 600 s.
    pub flows: u64,
}

impl PaperPortRules {
    /// The paper's rule.
    pub const PAPER: PaperPortRules = PaperPortRules { flows: 10_000 };
}

/// Counts flows by source, protocol, destination port and destination.
#[derive(Debug)]
pub struct PaperPort {
    site: Arc<Site>,
    rules: PaperPortRules,
    tallies: Tallies,
}

impl PaperPort {
    /// An empty window.
    pub fn new(site: Arc<Site>, rules: PaperPortRules) -> PaperPort {
        let tallies = Tallies::new(site.memory);
        PaperPort { site, rules, tallies }
    }
}

impl Counter for PaperPort {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        for flow in flows.iter().filter(|flow| WITH_PORTS.contains(&flow.proto)) {
            let port = (u32::from(flow.proto) << 16) | u32::from(flow.dport);
            self.tallies.add(flow.sip, port, flow.dip, flow)?;
        }
        Ok(())
    }
}

impl Detector for PaperPort {
    /// Figure 5 is the findings themselves.
    type Row = ();

    fn judge(self, end: &End) -> io::Result<Verdict<()>> {
        let window = end.window;
        let PaperPort { site, rules, tallies } = self;
        let limit = Threshold::AtLeast(rules.flows).scaled(window);
        let mut judge = PaperPortJudge { site: &site, limit, window, out: Verdict::default() };
        let mut attack: Option<Attack> = None;
        tallies.visit(site.least(limit.least()), |sip, port, dip, tally| {
            let (proto, port) = ((port >> 16) as u8, port as u16);
            if attack.as_ref().is_none_or(|attack| attack.of != (sip, proto, port)) {
                let next = Attack::new((sip, proto, port));
                attack.replace(next).into_iter().for_each(|over| judge.attack(over));
            }
            if let Some(attack) = &mut attack {
                attack.target(dip, &tally);
            }
        })?;
        attack.into_iter().for_each(|over| judge.attack(over));
        judge.out.findings.sort_by(Finding::order);
        judge.out.seen.sort_by(most_flows);
        Ok(judge.out)
    }
}

/// What one source does on one port, while its targets go by in ascending order.
struct Attack {
    of: (IpAddr, u8, u16),
    sum: PairTotals,
    targets: u64,
    nets: u64,
    net: Option<(IpNet, u64)>,
    top: Top<IpNet, MAX_PEERS>,
    samples: Vec<Sample>,
}

impl Attack {
    fn new(of: (IpAddr, u8, u16)) -> Attack {
        Attack {
            of,
            sum: PairTotals::EMPTY,
            targets: 0,
            nets: 0,
            net: None,
            top: Top::new(),
            samples: Vec::new(),
        }
    }

    fn target(&mut self, dip: IpAddr, tally: &PairTotals) {
        self.sum.merge(tally);
        self.targets += 1;
        match &mut self.net {
            Some((net, flows)) if net.contains(&dip) => *flows = flows.saturating_add(tally.flows),
            _ => {
                self.close_net();
                self.net = Some((super::subnet(dip), tally.flows));
            }
        }
        if self.samples.len() < MAX_SAMPLES {
            let (proto, dport, sport) = tally.evidence();
            self.samples.push(Sample { sip: self.of.0, sport, dip, dport, proto });
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
        let (host, proto, port) = attack.of;
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
            octets: attack.sum.octets,
            rate: Rate::of(flows, self.window),
            marks: Vec::new(),
            why: self.limit.why("flows", flows),
            sample: attack.samples,
        });
    }

    /// Keeps the ports with the most flows: a host can have sent to all of them.
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
        port.judge(&End { window: Window::new(0, 600), ..End::default() }).unwrap().findings
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
    fn one_target_is_hammered() {
        let findings = run((0..10_000).map(|n| Flow { dip: [192, 0, 2, 1].into(), ..worm(n) }));
        assert_eq!((findings[0].class.as_str(), findings[0].peers), ("bruteforce", 1));
        assert_eq!(findings[0].peer[0].flows, Some(10_000));
    }
}
