//! Judges hosts and networks, and makes findings of those that are flooded and of those that attack.

use std::cell::RefMut;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use super::answering_nets::AnsweringNets;
use super::carpet::{self, CARPET, Carpet};
use super::carry_over::CarryOver;
use super::case::{FloodCase, FloodClass, FloodFacts, FloodMeasured, Past, Totals, seconds};
use super::class::{CLASSES, DDOS, DOS, OUTAGE, OUTBOUND, REFLECTION, VOLUME};
use super::clients;
use super::evidence::Evidence;
use super::forged::Sign;
use super::host_summary::HostSummary;
use super::input_profile::InputProfile;
use super::memory::{Memory, Usual};
use super::setup::Setup;
use super::traffic_sum::{TopSource, attacking};
use crate::conversation::{Active, PairedFlows, PerWindow};
use crate::detect::judge::{
    Case, Counts, JudgeContext, Measured, also, calibrate, explain, knows_dark,
};
use crate::detect::paper::AttackerVictim;
use crate::detect::spoke::marked;
use crate::detect::threshold::{Measure, Threshold, percent, why};
use crate::detect::traffic::Traffic;
use crate::detect::verdict::{Explained, Metric, Verdict};
use crate::detect::visibility::Visibility;
use crate::finding::{
    Finding, Host, Kind, MAX_PEERS, MAX_SAMPLES, Peer, Role, Side, UNKNOWN_SECONDS,
};
use crate::time::Window;

/// The fewest sources of a carpet. With fewer it is a scan.
const CARPET_SOURCES: u64 = 10;
/// The factor by which the traffic of a network must exceed its usual value.
const TIMES: u64 = 8;

/// A source that sends at least this share of the flagged traffic, 1 in N, is an attacker by itself.
const SHARE: u64 = 10;

/// The mark of floods whose sources were forged.
const FORGED: &str = "forged";

/// The judge of a window, to which the hosts are passed one by one.
pub(super) struct FloodJudge<'a> {
    pub(super) view: InputProfile<'a>,
    context: JudgeContext<'a>,
    /// Packet sampling, 1 in N; 1 if there is none.
    sampling: u64,
    active: &'a Active,
    knows_dark: bool,
    memory: Option<RefMut<'a, Memory>>,
    /// True if the memory may learn this window.
    pub(super) is_new: bool,
    /// The fewest failed conversations of a host that can be flagged.
    least_failed: u64,
    /// The fewest unanswered packets of a host that can be flagged.
    least_packets: u64,
    /// The fewest packets of bursts of a host that may be flagged for them.
    least_burst: u64,
    /// The fewest packets of a network that can be flagged.
    pub(super) least_carpet: u64,
    /// The networks whose answers sampled input shows.
    pub(super) answering: AnsweringNets,
    /// The parts of inside attackers in floods: each attacker has one finding a class, over all of its victims.
    attackers: BTreeMap<(IpAddr, &'static str), Vec<AttackerShare>>,
    carpets: Vec<Carpet>,
    /// Rows for the next look at the window, if it is still open.
    pub(super) carry: Option<CarryOver<'a>>,
    out: Verdict<AttackerVictim>,
}

/// The part of an inside attacker in the flood of one victim.
struct AttackerShare {
    victim: IpAddr,
    sender: TopSource,
    /// True if the attacker completed a TCP conversation with the victim.
    spoke: bool,
    /// Protocol and port of the flood, where it has one.
    service: (Option<u8>, Option<u16>),
    why: String,
}

impl<'a> FloodJudge<'a> {
    /// Returns the judge of a window. `sampling` is 1 in N, and 1 if there is none.
    pub(super) fn new(
        setup: &'a Setup,
        view: InputProfile<'a>,
        sampling: u64,
        window: Option<Window>,
        active: &'a Active,
        memory: Option<RefMut<'a, Memory>>,
    ) -> FloodJudge<'a> {
        let seen = |count: u64| (count / sampling.max(1)).max(1);
        let scaled = |limit| seen(Threshold::AtLeast(limit).scaled(window).least());
        // A fifth of the limit for ten minutes is enough in one.
        let failed = |class: &FloodClass| {
            let least = setup.least(class);
            scaled(least).min(seen(least / 5))
        };
        let volume = seen(setup.least(&VOLUME).saturating_mul(seconds(window)));
        FloodJudge {
            view,
            context: JudgeContext {
                kind: Kind::Flood,
                site: view.site,
                limits: &setup.limits,
                window,
                visibility: view.answers,
                sampled: view.sampled,
            },
            sampling,
            active,
            knows_dark: knows_dark(view.site, active, !view.sampled),
            memory,
            is_new: false,
            least_failed: failed(&DOS).min(failed(&DDOS)),
            least_packets: scaled(setup.least(&REFLECTION)).min(volume),
            least_burst: setup.least(&VOLUME).min(setup.least(&OUTBOUND)).saturating_mul(60),
            least_carpet: scaled(setup.own(CARPET, carpet::LARGE_PACKETS)),
            answering: AnsweringNets::default(),
            attackers: BTreeMap::new(),
            carpets: Vec::new(),
            carry: None,
            out: Verdict::default(),
        }
    }

    /// Returns true if the window is still open.
    pub(super) fn is_live(&self) -> bool {
        self.carry.is_some()
    }

    /// Returns true if the host was reported before, in this window that is still open.
    pub(super) fn is_reported(&self, host: IpAddr) -> bool {
        self.carry.as_ref().is_some_and(|carry| carry.has_reported(host))
    }

    /// Returns true if the host is an inside address that is not in use.
    pub(super) fn is_dark(&self, host: IpAddr) -> bool {
        self.knows_dark && self.active.lacks(&self.context.site.inside, host)
    }

    /// Returns true if a host may be flagged.
    pub(super) fn looks_at(&self, host: IpAddr, summary: &HostSummary) -> bool {
        let site = self.context.site;
        summary.failed >= self.least_failed
            || summary.per_window.packets >= self.least_packets
            || summary.sent > 0
            || summary.bursts >= self.least_burst
            || site.explain == Some(host)
            || (site.calibrate && summary.one_way.flows > 0)
    }

    fn case<'e>(&self, evidence: &'e Evidence) -> FloodCase<'e>
    where
        'a: 'e,
    {
        let memory = self.memory.as_deref();
        Case {
            host: evidence.host,
            side: self.context.site.side(evidence.host),
            evidence,
            context: self.context,
            extra: FloodFacts {
                live: self.view.live,
                knows_pairing: self.view.knows_pairing,
                sampling: self.sampling,
                net_answers: self.answering.has(evidence.host),
                usual: memory.and_then(|memory| memory.usual(evidence.host, self.context.window)),
                past: self.past(evidence),
            },
        }
    }

    /// Returns what a host served in the day before, if enough of its conversations failed to ask.
    fn past(&self, evidence: &Evidence) -> Option<Past> {
        let memory = self.memory.as_deref()?;
        if evidence.failed.flows < self.least_failed {
            return None;
        }
        let now = self.context.slot();
        let sources = evidence.failed_sources.iter().copied();
        let all = sources.len() as u64;
        let known = memory.clients.known(evidence.host, sources, now)?;
        let usual = memory.usually_served(evidence.host, self.context.window)?;
        Some(Past { known: percent(known, all), usual })
    }

    /// Judges a host. Returns true if it is flooded, so that its traffic must not become usual.
    pub(super) fn host(&mut self, evidence: &Evidence) -> bool {
        let case = self.case(evidence);
        let measured: Vec<_> =
            CLASSES.into_iter().filter_map(|class| Measured::new(class, &case)).collect();
        let outbound = Measured::new(&OUTBOUND, &case);
        if self.context.site.calibrate {
            calibrate(&case, measured.iter().chain(&outbound), &mut self.out.metrics);
        }
        if self.context.site.explain == Some(evidence.host) {
            self.explain(evidence, measured.iter().chain(&outbound));
        }
        if let Some(Measured { class, measures }) = outbound.filter(Measured::passes) {
            let finding = self.finding(evidence, class, Role::Source, &why(&measures));
            let targets = &evidence.spoken.targets;
            let spoke = |(_, to): &(u64, TopSource)| targets.binary_search(&to.peer).is_ok();
            let spoke = evidence.sent.top().iter().any(spoke);
            self.out.findings.push(marked(finding, spoke));
        }
        let mut holding = measured.iter().filter(|measured| measured.passes());
        let Some(Measured { class, measures }) = holding.next() else { return false };
        // Every distributed flood is also a flood of many conversations.
        let of_same = |other: &str| match class.name {
            name if name == DDOS.name => other == DOS.name,
            name if name == OUTAGE.name => [DDOS.name, DOS.name].contains(&other),
            _ => false,
        };
        let other: Vec<&str> =
            holding.map(|other| other.class.name).filter(|name| !of_same(name)).collect();
        let mut why = why(measures);
        why.extend((class.fill.hints)(evidence));
        let sign = evidence.sign.filter(|_| class.name != REFLECTION.name);
        why.extend(sign.map(|sign| match sign {
            Sign::Bogons(count) => format!("bogons={count}"),
            Sign::Spoofed(count) => format!("ours={count}"),
            Sign::Drawn(range) => format!("drawnof={range}"),
        }));
        why.extend(also(&other));
        let mut finding = self.finding(evidence, class, Role::Target, &why);
        if sign.is_some() {
            finding.marks.insert(0, FORGED.to_owned());
        }
        // The clients of a dead server attack nobody.
        if class.name != OUTAGE.name {
            self.add_attackers(evidence, class, &finding);
        }
        self.out.findings.push(finding);
        // The traffic of a host without a past may be usual for it.
        !(class.name == VOLUME.name && case.extra.usual.is_none())
    }

    fn finding(
        &self,
        evidence: &Evidence,
        class: &FloodClass,
        role: Role,
        why: &[String],
    ) -> Finding {
        let load = (class.fill.load)(evidence);
        let (proto, port) = load.aim();
        let peer = load.peers();
        let Totals { sources, traffic } = (class.fill.totals)(evidence);
        Finding {
            proto,
            port,
            peers: sources,
            more: sources.saturating_sub(peer.len() as u64),
            peer,
            sample: load.samples(),
            ..self.context.finding(Host::Address(evidence.host), class.name, role, traffic, why)
        }
    }

    /// Adds the rows of the figure for a flood, and the inside hosts that alone send a tenth of it.
    fn add_attackers(&mut self, evidence: &Evidence, class: &'static FloodClass, flood: &Finding) {
        let load = (class.fill.load)(evidence);
        let top = load.top();
        let counts_flows = [DOS.name, DDOS.name].contains(&class.name);
        let all = if counts_flows { load.flows } else { load.per_window.packets };
        let is_heavy = |source: &&(u64, TopSource)| attacking(source) >= all.div_ceil(SHARE).max(1);
        let explained = self.context.site.explain;
        if let Some(source) = top.iter().find(|(_, from)| explained == Some(from.peer)) {
            // The host of --explain is shown as an attacker too.
            self.out.seen.push(Explained {
                of: format!("{} source", class.name),
                measure: "ofpct",
                value: percent(attacking(source), all),
                limit: Threshold::AtLeast(100 / SHARE),
            });
        }
        let pair = |attacker, flows| AttackerVictim { victim: evidence.host, attacker, flows };
        let heavy: Vec<_> = top.iter().filter(is_heavy).collect();
        if heavy.is_empty() {
            self.out.figure.push(pair(None, load.flows));
        }
        let pairs = heavy.iter().map(|(_, from)| pair(Some(from.peer), from.sums.flows));
        self.out.figure.extend(pairs);
        // A host whose address was forged is no attacker.
        if flood.marks.iter().any(|mark| mark == FORGED) {
            return;
        }
        let measure = if counts_flows { "flows" } else { "packets" };
        for source @ (_, sender) in heavy {
            if self.context.site.side(sender.peer) != Some(Side::Inside) {
                continue;
            }
            let weight = attacking(source);
            let percent = percent(weight, all);
            let parts = self.attackers.entry((sender.peer, class.name)).or_default();
            parts.push(AttackerShare {
                victim: evidence.host,
                sender: *sender,
                spoke: evidence.spoken.peers.binary_search(&sender.peer).is_ok(),
                service: (flood.proto, flood.port),
                why: format!("{measure}={weight},ofpct={percent}>={}", 100 / SHARE),
            });
        }
    }

    /// Returns the finding about an inside attacker of one class, over all of its victims.
    fn attacker(&self, host: IpAddr, class: &str, mut parts: Vec<AttackerShare>) -> Finding {
        // The order in which the victims were judged must not matter.
        parts.sort_by_key(|part| (Reverse(part.sender.sums.flows), part.victim));
        let mut total = Traffic::NONE;
        parts.iter().for_each(|part| total.add(part.sender.sums));
        let peer = |part: &AttackerShare| Peer {
            host: Host::Address(part.victim),
            flows: Some(part.sender.sums.flows),
        };
        let first = parts.first();
        let (proto, port) = first.map_or((None, None), |first| first.service);
        let proto = proto.filter(|_| parts.iter().all(|part| part.service.0 == proto));
        let is_same_port = proto.is_some() && parts.iter().all(|part| part.service.1 == port);
        let why: Vec<String> = first.map(|first| first.why.clone()).into_iter().collect();
        let spoke = parts.iter().any(|part| part.spoke);
        let finding = Finding {
            proto,
            port: port.filter(|_| is_same_port),
            peers: parts.len() as u64,
            peer: parts.iter().take(MAX_PEERS).map(peer).collect(),
            more: parts.len().saturating_sub(MAX_PEERS) as u64,
            sample: parts.iter().take(MAX_SAMPLES).map(|part| part.sender.sample).collect(),
            ..self.context.finding(Host::Address(host), class, Role::Source, total, &why)
        };
        marked(finding, spoke)
    }

    /// Judges a network with enough traffic to be flooded as a whole.
    pub(super) fn carpet(&mut self, carpet: Option<Carpet>) {
        let is_reported =
            |net| self.carry.as_ref().is_some_and(|carry| carry.has_reported_net(net));
        let Some(carpet) = carpet.filter(|carpet| !is_reported(carpet.net)) else { return };
        let Some(measures) = self.measure_carpet(&carpet) else { return };
        if self.context.site.calibrate && measures.iter().skip(1).all(Measure::passes) {
            let side = self.context.site.side(carpet.net.addr());
            let value = measures.first().map_or(0, |measure| measure.value);
            self.out.metrics.push(Metric { name: CARPET, side, value, limit: carpet::PACKETS });
        }
        if measures.iter().all(Measure::passes) {
            self.carpets.push(carpet);
        } else if let (Some(memory), Some(window), true) =
            (&mut self.memory, self.context.window, self.is_new)
        {
            let packets = u128::from(carpet.per_window.packets) * u128::from(UNKNOWN_SECONDS);
            let usual = packets / u128::from(window.seconds());
            memory.learn_net(carpet.net, u64::try_from(usual).unwrap_or(u64::MAX), window);
        }
    }

    fn measure_carpet(&self, carpet: &Carpet) -> Option<Vec<Measure>> {
        if !self.context.shows_answers() {
            return None;
        }
        let window = self.context.window;
        let own = self.context.limits.of(CARPET, carpet.net.addr());
        let packets = carpet.per_window.packets;
        let default =
            if carpet::is_large(carpet.sums) { carpet::LARGE_PACKETS } else { carpet::PACKETS };
        let usual = self.memory.as_ref().and_then(|memory| memory.usual_of_net(carpet.net, window));
        let limit = own.unwrap_or(default).max(usual.unwrap_or(0).saturating_mul(TIMES));
        let limit = Threshold::AtLeast(limit).scaled(window).least();
        let mut measures = vec![
            Measure::at_least("packets", packets, limit),
            Measure::at_least("hosts", carpet.hosts, carpet::HOSTS),
            Measure::below("mostpct", carpet.most, 20),
            Measure::at_least("sources", carpet.sources, CARPET_SOURCES),
            Measure::below("largestpct", carpet.largest, 50),
        ];
        // A network that gets five times the limit is flooded even if all of its hosts are in use.
        if self.knows_dark
            && self.context.site.inside.contains(carpet.net.addr())
            && packets < limit.saturating_mul(5)
        {
            measures.push(Measure::at_least("darkpct", carpet.dark, 50));
        }
        Some(measures)
    }

    /// Returns the finding about a network that is flooded as a whole.
    fn carpet_finding(&self, carpet: &Carpet) -> Finding {
        let measures = self.measure_carpet(carpet).unwrap_or_default();
        let peer = |(_, from): &(u64, TopSource)| Peer {
            host: Host::Address(from.peer),
            flows: Some(from.sums.flows),
        };
        let (host, total) = (Host::Prefix(carpet.net), carpet.sums);
        Finding {
            proto: carpet.proto,
            port: carpet.port,
            peers: carpet.sources,
            peer: carpet.top.iter().map(peer).collect(),
            more: carpet.sources.saturating_sub(carpet.top.len() as u64),
            sample: carpet.top.iter().take(MAX_SAMPLES).map(|(_, from)| from.sample).collect(),
            ..self.context.finding(host, CARPET, Role::Target, total, &why(&measures))
        }
    }

    /// Adds the traffic of a host that is not flooded to its usual traffic.
    pub(super) fn learn(&mut self, host: IpAddr, summary: &HostSummary) {
        // The rate is the same however many packets are sampled.
        let is_sure = self.context.visibility == Visibility::BothWays && self.is_new;
        let is_outside = self.context.site.side(host) == Some(Side::Outside);
        if let (Some(memory), Some(window), true) =
            (&mut self.memory, self.context.window, is_sure && !is_outside)
        {
            let seconds = u64::from(window.seconds());
            let PerWindow { packets, bytes } = summary.per_window;
            let [packets, bytes] = [packets, bytes].map(|n| n.saturating_mul(self.sampling.max(1)));
            let seen =
                Usual { pps: packets / seconds, kbps: bytes.saturating_mul(8) / seconds / 1000 };
            memory.learn(host, seen, window);
        }
    }

    /// Remembers the clients of a host that is not flooded.
    pub(super) fn learn_served(&mut self, host: IpAddr, clients: &[u32], flows: u64) {
        let is_sure = self.context.shows_answers() && self.is_new;
        let is_server =
            clients.len() >= clients::FEW && self.context.site.side(host) == Some(Side::Inside);
        if let (Some(memory), Some(window), true) =
            (&mut self.memory, self.context.window, is_sure && is_server)
        {
            memory.learn_served(host, clients, flows, window);
        }
    }

    /// Ends the window: all of its hosts were judged.
    pub(super) fn end(mut self, pairing: Option<PairedFlows>) -> Verdict<AttackerVictim> {
        for carpet in carpet::merged(std::mem::take(&mut self.carpets)) {
            let finding = self.carpet_finding(&carpet);
            self.out.findings.push(finding);
        }
        for ((host, class), parts) in std::mem::take(&mut self.attackers) {
            let finding = self.attacker(host, class, parts);
            self.out.findings.push(finding);
        }
        self.out.findings.sort_by(Finding::order);
        if let (Some(mut memory), Some(window), true) =
            (self.memory, self.context.window, self.is_new)
        {
            memory.close(window, pairing, &self.out.findings);
        }
        self.out.figure.sort_by_key(AttackerVictim::order);
        self.out.seen.sort();
        self.out
    }

    fn explain<'m>(
        &mut self,
        evidence: &Evidence,
        measured: impl Iterator<Item = &'m FloodMeasured>,
    ) {
        let counts = [
            ("tried", evidence.failed.flows),
            ("served", evidence.served.flows),
            ("asked", evidence.opened.flows),
            ("scanned", evidence.scanned),
            ("packets", evidence.one_way.packets),
            ("unsolicited", evidence.unsolicited),
        ];
        explain("", measured, &Counts { of: "host", counts: &counts }, &mut self.out.seen);
    }
}
