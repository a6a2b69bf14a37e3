//! Judges sources, and makes findings of those that scan.

use std::cell::RefMut;
use std::net::IpAddr;

use ipnet::IpNet;

use super::answers::AttemptCounts;
use super::attempt::{Attempt, PROTOCOLS, REJECTED, WORKED};
use super::case::{self, ScanCase, ScanFacts, ScanMeasured};
use super::class::backscatter::BACKSCATTER;
use super::class::dark::DARK;
use super::class::sweep::{self, SWEEP};
use super::class::vertical::VERTICAL;
use super::class::{CLASSES, GROUP, LISTED, SLOW, SURVEY};
use super::evidence::{Evidence, TriedPort};
use super::group::{self, Group};
use super::listed::{self, ListedHost};
use super::memory::{self, Memory};
use crate::conversation::{Active, Address, PairedFlows};
use crate::detect::judge::{Case, Counts, JudgeContext, Measured, also, calibrate, explain};
use crate::detect::outage::are_inside;
use crate::detect::paper::Subnet;
use crate::detect::spoke::marked;
use crate::detect::threshold::{Measure, percent, why};
use crate::detect::traffic::Traffic;
use crate::detect::verdict::{Explained, Metric, Verdict};
use crate::finding::{Finding, Host, MAX_PEERS, MAX_SAMPLES, Peer, Role, Side};
use crate::flow::{Networks, TCP};

/// The judge of a window, to which the sources are passed one by one.
pub(super) struct ScanJudge<'a> {
    pub context: JudgeContext<'a>,
    /// Networks of known research scanners.
    survey: &'a Networks,
    facts: ScanFacts,
    memory: Option<RefMut<'a, Memory>>,
    /// True if the memory may learn this window.
    is_new: bool,
    /// Sources of the network at hand that scan dark addresses: if they are many of one shape, they become one
    /// finding.
    held: Vec<Held>,
    out: Verdict<Subnet>,
}

/// A finding about a source that scans dark addresses, until it is known how many of its network do the same.
struct Held {
    src: IpAddr,
    proto: u8,
    /// The commonest packets and bytes of its attempts.
    shape: (u32, u32),
    finding: Finding,
}

impl<'a> ScanJudge<'a> {
    pub(super) fn new(
        context: JudgeContext<'a>,
        survey: &'a Networks,
        facts: ScanFacts,
        memory: Option<RefMut<'a, Memory>>,
        is_new: bool,
    ) -> ScanJudge<'a> {
        ScanJudge {
            context,
            survey,
            facts,
            memory,
            is_new,
            held: Vec::new(),
            out: Verdict::default(),
        }
    }

    /// Returns true if a source with so many failures and unsolicited replies may be flagged.
    pub(super) fn looks_at(&self, src: IpAddr, failed: usize, unsolicited: usize) -> bool {
        let floor = if self.context.sampled { case::NET_SAMPLED } else { case::NET };
        let site = self.context.site;
        let victim = self.context.limits.least(BACKSCATTER.name);
        failed as u64 >= floor
            || unsolicited as u64 >= victim.unwrap_or(BACKSCATTER.limit.outside())
            || site.explain == Some(src)
            || (site.calibrate && failed > 0)
    }

    /// Returns true if attempts of a source failed in an earlier window.
    pub(super) fn remembers(&self, src: IpAddr, proto: u8) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.knows(src, proto))
    }

    /// Returns true if a connection that was accepted without data is a habit of its source, and remembers it.
    pub(super) fn is_habit<A: Address>(&mut self, attempt: &Attempt<A>) -> bool {
        let Some(memory) = &mut self.memory else { return false };
        let Attempt { src, dst, port, .. } = *attempt;
        if self.is_new {
            memory.habits.add([src, dst], port);
        }
        memory.habits.is_habit([src, dst], port)
    }

    /// Returns true for an attempt of an inside host at another one.
    pub(super) fn is_among_inside<A: Address>(&self, attempt: &Attempt<A>) -> bool {
        self.is_inside(attempt.src) && self.is_inside(attempt.dst)
    }

    /// Returns true for an inside host.
    pub(super) fn is_inside<A: Address>(&self, host: A) -> bool {
        self.context.site.side(host.ip()) == Some(Side::Inside)
    }

    /// Remembers the ports at which a source completed a conversation.
    pub(super) fn spoke(&mut self, src: IpAddr, ports: &[u16]) {
        if let (Some(memory), true) = (&mut self.memory, self.is_new) {
            ports.iter().for_each(|port| memory.spoken.add(src, *port));
        }
    }

    /// Returns true if the source completed a conversation at one of these ports in the day before.
    fn spoke_before(&self, src: IpAddr, mut ports: impl Iterator<Item = u16>) -> bool {
        let (memory, now) = (self.memory.as_ref(), self.context.slot());
        memory.is_some_and(|memory| ports.any(|port| memory.spoken.knows(src, port, now)))
    }

    /// Returns true unless an inside host came to a login port of another one at which no earlier window saw it. It is
    /// remembered.
    pub(super) fn is_acquainted<A: Address>(&mut self, attempt: &Attempt<A>) -> bool {
        let Attempt { src, dst, port, .. } = *attempt;
        if !self.is_among_inside(attempt) {
            return true;
        }
        let Some(memory) = &mut self.memory else { return false };
        // A port that nobody answers at is none.
        if self.is_new && attempt.has(WORKED | REJECTED) {
            memory.acquaintances.add([src, dst], port);
        }
        memory.acquaintances.knows([src, dst], port, self.context.slot())
    }

    /// Returns the fewest attempts that make a group.
    pub(super) fn group_floor(&self) -> u64 {
        self.context.limits.least(GROUP).unwrap_or(group::ATTEMPTS)
    }

    /// Judges a source. Returns the class that it was flagged for as a scanner, if it was.
    pub(super) fn source(&mut self, evidence: &Evidence) -> Option<&'static str> {
        let case = Case {
            host: evidence.src,
            side: self.context.site.side(evidence.src),
            evidence,
            context: self.context,
            extra: self.facts,
        };
        let classes = CLASSES.into_iter().chain([&BACKSCATTER]);
        let is_of_protocols = evidence.proto == PROTOCOLS;
        let classes = classes.filter(|class| !is_of_protocols || class.name == VERTICAL.name);
        let measured: Vec<_> = classes.filter_map(|class| Measured::new(class, &case)).collect();
        if self.context.site.explain == Some(evidence.src) {
            self.explain(evidence, &measured);
        }
        if self.context.site.calibrate {
            calibrate(&case, &measured, &mut self.out.metrics);
        }
        let holding: Vec<_> = measured.iter().filter(|measured| measured.passes()).collect();
        // A victim of forged addresses is no scanner, but a source can be both.
        let victim = holding.iter().find(|holding| holding.class.name == BACKSCATTER.name);
        let scans: Vec<_> =
            holding.iter().filter(|holding| holding.class.name != BACKSCATTER.name).collect();
        let scanner = scans.split_first().map(|(first, rest)| {
            let also: Vec<&str> = rest.iter().map(|other| other.class.name).collect();
            self.scanner(&case, first, &also)
        });
        let victim = victim.map(|victim| self.victim(&case, &victim.measures));
        let class = scans.first().map(|first| first.class.name);
        self.out.findings.extend(victim);
        match scanner {
            Some(finding)
                if class == Some(DARK.name)
                    && finding.class != SURVEY
                    && case.side == Some(Side::Outside) =>
            {
                let Evidence { src, proto, shape: (shape, _), .. } = *evidence;
                self.held.push(Held { src, proto, shape, finding });
            }
            found => self.out.findings.extend(found),
        }
        let class = class?;
        if class == SWEEP.name {
            let nets = sweep::walked(evidence, case.class_limit(&SWEEP));
            self.out.figure.extend(nets.map(|net| Subnet {
                scanner: evidence.src,
                net: net.net,
                hosts: net.hosts,
                flows: net.flows,
            }));
        }
        Some(class)
    }

    fn scanner(&self, case: &ScanCase, holding: &ScanMeasured, other: &[&str]) -> Finding {
        let ScanMeasured { class, measures } = holding;
        let evidence = case.evidence;
        let mut why = why(measures);
        why.extend(hints(evidence));
        let is_survey = self.survey.contains(evidence.src);
        if is_survey {
            why.push(format!("class={}", class.name));
        }
        why.extend(also(other));
        let (peer, more) = if class.name == SWEEP.name && !is_survey {
            sweep::peers(evidence, case.class_limit(&SWEEP))
        } else {
            merged(&evidence.nets, evidence.more_nets)
        };
        let port = (class.fill)(evidence);
        let is_of_port = |tried: &&TriedPort| port == Some(tried.port);
        let spoke = evidence.spoke
            || evidence.top.iter().filter(is_of_port).any(|tried| tried.spoke)
            || (evidence.proto == TCP && self.spoke_before(evidence.src, port.into_iter()));
        let finding = Finding {
            proto: Some(evidence.proto).filter(|proto| *proto != PROTOCOLS),
            port,
            peers: evidence.hosts,
            peer,
            more,
            sample: evidence.sample.clone(),
            ..self.finding(Host::Address(evidence.src), class.name, evidence.traffic, &why)
        };
        let finding = marked(finding, spoke);
        if is_survey { survey(finding) } else { finding }
    }

    /// Returns the finding about a host whose address was forged, so that it answered hosts that sent it nothing.
    fn victim(&self, case: &ScanCase, measures: &[Measure]) -> Finding {
        let (evidence, unsolicited) = (case.evidence, &case.evidence.unsolicited);
        let mut why = why(measures);
        why.push(format!("from={}", unsolicited.top.0));
        let host = Host::Address(evidence.src);
        Finding {
            role: Role::Target,
            proto: Some(evidence.proto),
            peers: unsolicited.hosts,
            sample: unsolicited.sample.clone(),
            ..self.finding(host, BACKSCATTER.name, unsolicited.traffic, &why)
        }
    }

    /// Adds the attempts of a source to the memory, and judges them together with those of earlier windows. A
    /// source that is flagged already is only remembered.
    pub(super) fn slow<A: Address>(&mut self, attempts: &[Attempt<A>], is_flagged: bool) {
        let (Some(first), Some(window)) = (attempts.first(), self.context.window) else { return };
        let (src, proto) = (first.src.ip(), first.proto);
        if AttemptCounts::of(attempts).may_be_answers(proto) {
            return;
        }
        let context = self.context;
        let targets = || attempts.iter().filter(|one| one.is_failed()).map(|one| one.dst.ip());
        if self.facts.is_cut_off(&context, src) && !are_inside(context.site, targets()) {
            return;
        }
        let memory = self.memory.as_mut().filter(|_| context.silence_counts(proto));
        let remembered = memory.and_then(|memory| memory.observe(window, self.is_new, attempts));
        let Some(remembered) = remembered.filter(|_| !is_flagged) else { return };
        let failed = || attempts.iter().filter(|attempt| attempt.is_failed());
        if failed().next().is_none() {
            return;
        }
        let limit = context.limits.of(SLOW, src).unwrap_or(memory::HOUR);
        let is_inside = context.site.side(src) == Some(Side::Inside);
        let slow = remembered.slow(window, limit, is_inside, context.failed_share(50));
        let Some(slow) = slow else { return };
        let mut traffic = Traffic::NONE;
        failed().for_each(|attempt| traffic.add(attempt.traffic()));
        let mut why = why(&slow.measures);
        why.push(format!("over={}", slow.span));
        let mut nets: Vec<IpNet> = failed().map(|attempt| attempt.dst.prefix()).collect();
        nets.dedup();
        let (peer, more) = merged(&nets, 0);
        let targets: Vec<A> = failed().map(|attempt| attempt.dst).collect();
        let spoke = attempts.iter().any(|one| {
            one.spoke && (slow.port == Some(one.port) || targets.binary_search(&one.dst).is_ok())
        });
        let spoke = spoke || (proto == TCP && self.spoke_before(src, slow.port.into_iter()));
        let finding = Finding {
            proto: Some(proto),
            port: slow.port,
            peers: slow.hosts,
            peer,
            more,
            sample: failed().take(MAX_SAMPLES).map(Attempt::sample).collect(),
            ..self.finding(Host::Address(src), SLOW, traffic, &why)
        };
        let is_survey = self.survey.contains(src);
        let finding = marked(finding, spoke);
        self.out.findings.push(if is_survey { survey(finding) } else { finding });
    }

    /// Ends a network: judges its sources that tried the same port, and those that scan dark addresses. `carpet`
    /// returns the group of sources, which are sorted, by a protocol.
    pub(super) fn end_net(
        &mut self,
        groups: Vec<Group>,
        carpet: impl Fn(u8, &[IpAddr]) -> Option<Group>,
    ) {
        let mut held = std::mem::take(&mut self.held);
        held.sort_by_key(|held| (held.proto, held.shape, held.src));
        let mut carpets: Vec<(Group, Vec<Measure>)> = Vec::new();
        for alike in held.chunk_by(|a, b| (a.proto, a.shape) == (b.proto, b.shape)) {
            let Some(first) = alike.first() else { continue };
            let sources: Vec<IpAddr> = alike.iter().map(|held| held.src).collect();
            let is_carpet =
                sources.len() as u64 >= group::CARPET && carpets.len() < group::MAX_CARPETS;
            let group = is_carpet.then(|| carpet(first.proto, &sources)).flatten();
            let measures = group.as_ref().map(Group::carpet_measures).unwrap_or_default();
            let group = group.filter(|_| measures.iter().all(Measure::passes));
            // A source that is too large for a group keeps its own line.
            let is_in = |held: &&Held| {
                group.as_ref().is_some_and(|group| group.sources.binary_search(&held.src).is_ok())
            };
            let others = alike.iter().filter(|held| !is_in(held));
            self.out.findings.extend(others.map(|held| held.finding.clone()));
            carpets.extend(group.map(|group| (group, measures)));
        }
        for group in groups {
            let net = group.net.addr();
            let targets = || group.sample.iter().map(|sample| sample.dip);
            let is_cut_off = self.facts.is_cut_off(&self.context, net)
                && !are_inside(self.context.site, targets());
            let limit = self.context.limits.of(GROUP, net).unwrap_or(group::ATTEMPTS);
            let measures = group.measures(limit, self.context.failed_share(50));
            if !is_cut_off && measures.iter().all(Measure::passes) {
                let is_part = |carpet: &Group| {
                    let mut sources = carpet.sources.iter();
                    carpet.proto == group.proto
                        && sources.all(|source| group.sources.binary_search(source).is_ok())
                };
                let (same, others): (Vec<_>, Vec<_>) =
                    carpets.into_iter().partition(|(carpet, _)| is_part(carpet));
                carpets = others;
                let dark = same.iter().map(|(carpet, _)| carpet.sources.len()).sum();
                self.group(group, &measures, dark);
            }
        }
        for (carpet, measures) in carpets {
            let dark = carpet.sources.len();
            self.group(carpet, &measures, dark);
        }
    }

    /// Adds the finding about sources of one network that scan together. `dark` is the number of those that would have
    /// a finding of their own.
    fn group(&mut self, group: Group, measures: &[Measure], dark: usize) {
        let mut why = why(measures);
        if dark > 0 {
            why.push(format!("dark={dark}"));
        }
        let finding = Finding {
            proto: Some(group.proto),
            port: group.port,
            peers: group.targets,
            peer: group.peer,
            more: group.more,
            sample: group.sample,
            ..self.finding(Host::Prefix(group.net), GROUP, group.traffic, &why)
        };
        self.out.findings.push(finding);
    }

    /// Judges an inside host that talked with addresses of threat feeds.
    pub(super) fn listed(&mut self, host: ListedHost) {
        let limit = self.context.limits.of(LISTED, host.host).unwrap_or(listed::ADDRESSES);
        let measure = Measure::at_least("addresses", host.addresses, limit);
        let site = self.context.site;
        if site.explain == Some(host.host) {
            self.out.seen.push(Explained {
                of: format!("proto {} {LISTED}", host.proto),
                measure: measure.name,
                value: measure.value,
                limit: measure.limit,
            });
        }
        if site.calibrate {
            self.out.metrics.push(Metric {
                name: LISTED,
                side: site.side(host.host),
                value: host.addresses,
                limit: listed::ADDRESSES,
            });
        }
        if !measure.passes() {
            return;
        }
        let mut why = why(&[measure]);
        why.extend(host.feeds.iter().map(|name| format!("feed={name}")));
        let finding = Finding {
            proto: Some(host.proto),
            port: host.port,
            peers: host.addresses,
            more: host.addresses.saturating_sub(host.peer.len() as u64),
            peer: host.peer,
            sample: host.sample,
            ..self.finding(Host::Address(host.host), LISTED, host.traffic, &why)
        };
        self.out.findings.push(marked(finding, host.spoke));
    }

    fn finding(&self, host: Host, class: &str, traffic: Traffic, why: &[String]) -> Finding {
        self.context.finding(host, class, Role::Source, traffic, why)
    }

    fn explain(&mut self, evidence: &Evidence, measured: &[ScanMeasured]) {
        let answers = if evidence.are_answers() { evidence.failed } else { 0 };
        let counts = [
            ("failed", evidence.failed),
            ("worked", evidence.worked),
            ("dark", evidence.dark),
            ("answers", answers),
        ];
        let counts = Counts { of: "attempts", counts: &counts };
        explain(&format!("proto {} ", evidence.proto), measured, &counts, &mut self.out.seen);
    }

    /// Ends the window: all of its sources were judged.
    pub(super) fn end(self, active: &Active, pairing: Option<PairedFlows>) -> Verdict<Subnet> {
        let ScanJudge { context, memory, is_new, mut out, .. } = self;
        out.findings.sort_by(Finding::order);
        if let (Some(mut memory), Some(window), true) = (memory, context.window, is_new) {
            memory.learn(window, active, pairing, &out.findings);
        }
        out.figure.sort();
        out.seen.sort();
        out
    }
}

/// Returns the finding as one about a known research scanner.
fn survey(finding: Finding) -> Finding {
    let mut marks = finding.marks;
    marks.push("survey".to_owned());
    Finding { class: SURVEY.to_owned(), marks, ..finding }
}

/// Returns further parts of `why`: the order of the targets, and marks of the tool.
fn hints(evidence: &Evidence) -> Vec<String> {
    let mut hints = Vec::new();
    let (near, steps) = evidence.steps;
    if steps >= 10 {
        let order = match percent(near, steps) {
            70.. => Some("sequential"),
            ..30 => Some("random"),
            _ => None,
        };
        hints.extend(order.map(|order| format!("order={order}")));
    }
    let ((packets, bytes), alike) = evidence.shape;
    if packets > 0 && alike * 10 >= evidence.failed * 9 {
        hints.push(format!("octetsapacket={}", bytes / packets));
    }
    if evidence.sports == 1 && evidence.failed > 1 {
        hints.push("sport=fixed".to_owned());
    }
    hints
}

/// Returns the column `peer` for these networks, with neighbours merged, and how many more there are.
fn merged(nets: &[IpNet], more: u64) -> (Vec<Peer>, u64) {
    let merged = IpNet::aggregate(&nets.to_vec());
    let more = more + merged.len().saturating_sub(MAX_PEERS) as u64;
    let peer = merged.into_iter().take(MAX_PEERS);
    (peer.map(|net| Peer { host: Host::Prefix(net), flows: None }).collect(), more)
}
