//! Judges sources at a port, and makes findings of those that attack it.

use std::cell::RefMut;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::attempt::{self, ACCEPTED, Attempt, FAILED, LOGIN};
use super::attempts::MAX_MAIL;
use super::class::{
    self, BRUTEFORCE, CLASSES, Details, INFECTED, INFECTED_LIMIT, PortCase, PortFacts,
    PortMeasured, SLOW, SPAM, SPREAD,
};
use super::evidence::{Builder, Evidence};
use super::guessing::{self, GuessedPort};
use super::memory::{At, Memory};
use super::swarm::{self, DarkHits, SWARM, Swarms};
use crate::conversation::{Address, PairedFlows};
use crate::detect::judge::{Case, Counts, JudgeContext, Measured, also, calibrate, explain};
use crate::detect::outage::Outage;
use crate::detect::slot;
use crate::detect::spoke::marked;
use crate::detect::threshold::{Measure, Threshold, why};
use crate::detect::traffic::Traffic;
use crate::detect::verdict::Verdict;
use crate::finding::{Finding, Host, Role, Side};
use crate::flow::TCP;

/// The fewest attackers of a port that make an outbreak.
const OUTBREAK: u64 = 10;
/// The factor by which attackers of a port must exceed their usual number to make an outbreak.
const OUTBREAK_FACTOR: u64 = 4;
/// The mark of findings about such a port.
const MARK: &str = "outbreak";

/// Counts of the attempts of one source at one port.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AttemptSums {
    failed: u64,
    /// Sessions that may be failed logins.
    logins: u64,
    /// Distinct targets.
    targets: u64,
    /// True if the source completed a TCP conversation.
    spoke: bool,
}

impl AttemptSums {
    /// Adds an attempt; `is_new` says that it is the first at its target.
    pub(super) fn add<A: Address>(&mut self, attempt: &Attempt<A>, is_new: bool) {
        self.failed += u64::from(attempt.has(FAILED));
        self.logins += u64::from(attempt.has(LOGIN));
        self.targets += u64::from(is_new);
        self.spoke |= attempt.has(attempt::SPOKE);
    }
}

/// The judge of a window, to which the sources are passed port by port.
pub(super) struct PortJudge<'a> {
    context: JudgeContext<'a>,
    /// The address families by which hardly any inside host is answered.
    outage: Outage,
    /// Inside hosts that try to spread during an outage, and are judged when their number is known.
    pending: Vec<Evidence>,
    /// Ports at which so many hosts spread by a family, IPv4 if true, that the outage does not excuse them.
    epidemic_ports: BTreeSet<(bool, (u8, u16))>,
    /// Inside mail servers.
    mail: HashSet<IpAddr, RandomState>,
    memory: Option<RefMut<'a, Memory>>,
    /// True if the memory may learn this window.
    is_new: bool,
    /// Sources with at least as many failed attempts as an infected host must have.
    suspects: Vec<Evidence>,
    /// Ports that many sources may try together.
    swarms: Swarms,
    out: Verdict<()>,
}

impl<'a> PortJudge<'a> {
    pub(super) fn new(
        context: JudgeContext<'a>,
        outage: Outage,
        mail: HashSet<IpAddr, RandomState>,
        memory: Option<RefMut<'a, Memory>>,
        is_new: bool,
    ) -> PortJudge<'a> {
        PortJudge {
            context,
            outage,
            pending: Vec::new(),
            epidemic_ports: BTreeSet::new(),
            mail,
            memory,
            is_new,
            suspects: Vec::new(),
            swarms: Swarms::default(),
            out: Verdict::default(),
        }
    }

    /// Returns the attempt as it counts: one that was accepted, and is a habit of its source, did not fail. It is
    /// remembered.
    pub(super) fn counted<A: Address>(&mut self, attempt: Attempt<A>) -> Attempt<A> {
        let Some(memory) = self.memory.as_mut().filter(|_| attempt.has(ACCEPTED)) else {
            return attempt;
        };
        let (pair, port) = ([attempt.src, attempt.dst], attempt.port);
        if self.is_new {
            memory.habits.add(pair, port);
        }
        let is_habit = memory.habits.is_habit(pair, port);
        let bits = if is_habit { attempt.bits & !FAILED } else { attempt.bits };
        Attempt { bits, ..attempt }
    }

    /// Returns true if a source with these attempts may be flagged. `at` is one of them.
    pub(super) fn looks_at<A: Address>(&self, at: &Attempt<A>, sums: AttemptSums) -> bool {
        let AttemptSums { failed, logins, targets, .. } = sums;
        let limits = self.context.limits;
        let least = |name: &str, limit: u64| limits.least(name).unwrap_or(limit).min(limit);
        let is_mail = at.proto == TCP && at.port == 25;
        let site = self.context.site;
        let is_shown = site.explain == Some(at.src.ip())
            || (site.calibrate && (failed > 0 || logins > 0 || is_mail));
        let spread = class::few(least(SPREAD.name, class::SPREAD_LIMIT));
        failed >= least(INFECTED, INFECTED_LIMIT).min(spread)
            || (self.memory.is_some() && failed >= SLOW)
            || logins >= least(BRUTEFORCE.name, class::BRUTEFORCE_LIMIT)
            || (self.memory.is_some() && logins >= class::FEW_SESSIONS)
            || (is_mail && targets >= least(SPAM.name, class::SPAM_LIMIT))
            || is_shown
            || self
                .memory
                .as_ref()
                .is_some_and(|memory| memory.has_failed(&(at.src.ip(), at.proto, at.port)))
    }

    /// Remembers that a source with these attempts, one of which is `at`, completed a conversation at the port: if it
    /// is an inside host, or one whose attempts failed too.
    pub(super) fn spoke<A: Address>(&mut self, at: &Attempt<A>, sums: AttemptSums) {
        let src = at.src.ip();
        let is_inside = self.context.site.side(src) == Some(Side::Inside);
        if let (Some(memory), true) = (&mut self.memory, self.is_new) {
            if sums.spoke && (is_inside || sums.failed > 0) {
                memory.spoken.add(src, at.port);
            }
        }
    }

    /// Adds the attempts of a source at unused addresses, all at the port of `first`.
    pub(super) fn swarm<A: Address>(&mut self, first: &Attempt<A>, hits: &DarkHits<A>) {
        self.swarms.add(first, hits, &self.context.site.inside);
    }

    /// Judges the ports that many sources tried.
    fn judge_swarms(&mut self) {
        let mut usual: BTreeMap<(u8, u16), u64> = BTreeMap::new();
        let swarms = std::mem::take(&mut self.swarms);
        let dropped = swarms.dropped();
        for ((proto, port, _), swarm) in swarms.into_ports() {
            let Some(net) = swarm.net() else { continue };
            let at = (proto, port);
            let limit = self.context.limits.of(SWARM, net.addr()).unwrap_or(swarm::SOURCES);
            let memory = self.memory.as_deref();
            let known = memory.and_then(|memory| memory.usual_swarm(at, self.context.window));
            let measures = swarm.measures(limit, known);
            let passes = measures.iter().all(Measure::passes);
            // Until it is known what is usual, each window teaches it.
            if !passes || known.is_none() {
                let sum = usual.entry(at).or_default();
                *sum = (*sum).max(swarm.sources());
            }
            if !passes {
                continue;
            }
            let mut why = why(&measures);
            why.push(format!("targets={}", swarm.targets()));
            let (peer, more) = swarm.peers();
            self.out.findings.push(Finding {
                proto: Some(proto),
                port: Some(port),
                peers: swarm.sources(),
                peer,
                more,
                sample: swarm.samples(),
                ..self.context.finding(
                    Host::Prefix(net),
                    SWARM,
                    Role::Target,
                    swarm.traffic(),
                    &why,
                )
            });
        }
        if let (Some(memory), Some(window), true) =
            (&mut self.memory, self.context.window, self.is_new)
        {
            usual.into_iter().for_each(|(port, sources)| memory.count_swarm(port, sources, window));
            memory.drop_swarms(dropped);
        }
    }

    /// Judges a port of a host at which others logged in.
    pub(super) fn guessed(&mut self, guessed: GuessedPort) {
        if self.context.sampled || self.context.site.side(guessed.host) == Some(Side::Outside) {
            return;
        }
        let own = self.context.limits.of(BRUTEFORCE.name, guessed.host);
        let limit = own.map_or(guessing::SESSIONS, |own| own.max(guessing::SESSIONS));
        let limit = Threshold::AtLeast(limit).scaled(self.context.window).least().max(limit);
        let measures = guessed.measures(limit);
        if !measures.iter().all(Measure::passes) {
            return;
        }
        let more = guessed.more();
        let GuessedPort { host, proto, port, sources, traffic, peer, sample, .. } = guessed;
        let host = Host::Address(host);
        self.out.findings.push(Finding {
            proto: Some(proto),
            port: Some(port),
            peers: sources,
            peer,
            more,
            sample,
            ..self.context.finding(host, BRUTEFORCE.name, Role::Target, traffic, &why(&measures))
        });
    }

    /// Returns a builder of evidence with these attempts, all of the source and port of `first`.
    pub(super) fn build<A: Address>(
        &self,
        attempts: &[Attempt<A>],
        first: &Attempt<A>,
    ) -> Builder<A> {
        let sessions = class::sessions(self.context.limits, first.src.ip(), self.context.window);
        let mut builder = Builder::new(first, sessions);
        attempts.iter().for_each(|attempt| builder.add(attempt));
        builder
    }

    fn case<'e>(&self, evidence: &'e Evidence) -> PortCase<'e>
    where
        'a: 'e,
    {
        let memory = self.memory.as_deref();
        let (src, port) = (evidence.src, (evidence.proto, evidence.port));
        Case {
            host: src,
            side: self.context.site.side(src),
            evidence,
            context: self.context,
            extra: PortFacts {
                is_outage: self.outage.hosts(src.is_ipv4()).is_some()
                    && !self.epidemic_ports.contains(&(src.is_ipv4(), port)),
                is_mail: self.mail.len() >= MAX_MAIL
                    || self.mail.contains(&src)
                    || memory.is_some_and(|memory| memory.is_mail(src)),
                slow: memory.and_then(|memory| memory.slow(&at(evidence))),
                sessions: self.sessions_of_hour(evidence),
            },
        }
    }

    /// Returns the sessions of an outside source with one host in the hour that ends with the window.
    fn sessions_of_hour(&self, evidence: &Evidence) -> Option<u64> {
        let window = self.context.window?;
        let busiest = evidence.busiest?;
        let is_outside = self.context.site.side(evidence.src) == Some(Side::Outside);
        let memory = self.memory.as_deref().filter(|_| is_outside)?;
        memory.sessions(&at(evidence), busiest.host, slot::last(window))
    }

    /// Judges a source at a port, or keeps it until it is known how many others do the same.
    pub(super) fn source(&mut self, evidence: Evidence) {
        let case = self.case(&evidence);
        if case.is_cut_off() && case.may_be_epidemic() {
            self.pending.push(evidence);
        } else {
            self.judge(evidence);
        }
    }

    /// Judges the sources that were kept. If half of the hosts that try to reach others spread at one port, a worm
    /// has infected them all.
    fn judge_pending(&mut self) {
        let mut spreading: BTreeMap<(bool, (u8, u16)), u64> = BTreeMap::new();
        for evidence in &self.pending {
            let port = (evidence.proto, evidence.port);
            *spreading.entry((evidence.src.is_ipv4(), port)).or_default() += 1;
        }
        let hosts = |is_v4: bool| self.outage.hosts(is_v4).unwrap_or(0);
        let is_epidemic = |((is_v4, _), n): &(&(bool, (u8, u16)), &u64)| **n * 2 >= hosts(*is_v4);
        self.epidemic_ports = spreading.iter().filter(is_epidemic).map(|(port, _)| *port).collect();
        for evidence in std::mem::take(&mut self.pending) {
            self.judge(evidence);
        }
    }

    fn judge(&mut self, evidence: Evidence) {
        let is_attack = self.case(&evidence).is_attack(true);
        let is_remembered = self.case(&evidence).is_remembered();
        if let (Some(memory), Some(window), true) =
            (&mut self.memory, self.context.window, self.is_new)
        {
            memory.add(&evidence, is_remembered, window);
        }
        if let (Some(memory), Some(window), Some(busiest)) =
            (&mut self.memory, self.context.window, evidence.busiest)
        {
            let is_outside = self.context.site.side(evidence.src) == Some(Side::Outside);
            if self.is_new && is_outside && busiest.traffic.flows >= class::FEW_SESSIONS {
                let Traffic { flows, bytes, .. } = busiest.traffic;
                let seen = (flows, bytes / flows.max(1));
                memory.add_sessions(at(&evidence), busiest.host, seen, slot::last(window));
            }
        }
        // The case is made anew, because the memory knows more now.
        let case = self.case(&evidence);
        let measured: Vec<_> =
            CLASSES.into_iter().filter_map(|class| Measured::new(class, &case)).collect();
        if self.context.site.calibrate {
            calibrate(&case, &measured, &mut self.out.metrics);
        }
        if self.context.site.explain == Some(evidence.src) {
            self.explain(&evidence, &measured);
        }
        let mut holding = measured.iter().filter(|measured| measured.passes());
        if let Some(Measured { class, measures }) = holding.next() {
            let mut why = why(measures);
            if class.name == SPREAD.name && evidence.dark > 0 {
                why.push(format!("dark={}", evidence.dark));
            }
            let other: Vec<&str> = holding.map(|other| other.class.name).collect();
            why.extend(also(&other));
            let finding = self.finding(&evidence, class.name, (class.fill)(&evidence), &why);
            self.out.findings.push(finding);
        }
        if is_attack {
            self.suspects.push(evidence);
        }
    }

    fn finding(
        &self,
        evidence: &Evidence,
        class: &str,
        details: Details,
        why: &[String],
    ) -> Finding {
        let Details { traffic, peers, peer, more, sample } = details;
        let host = Host::Address(evidence.src);
        let now = self.context.slot();
        let memory = self.memory.as_deref().filter(|_| evidence.proto == TCP);
        let spoke = evidence.spoke
            || memory.is_some_and(|memory| memory.spoken.knows(evidence.src, evidence.port, now));
        let finding = Finding {
            proto: Some(evidence.proto),
            port: Some(evidence.port),
            peers,
            more: if peer.is_empty() { 0 } else { more },
            peer,
            sample,
            ..self.context.finding(host, class, Role::Source, traffic, why)
        };
        marked(finding, spoke)
    }

    /// Returns the suspects that an attacker reached, in this window or in the day before, each with the attacker.
    ///
    /// An attacker is a suspect from outside, one inside with more failed attempts, or a host that is infected
    /// itself, so that a chain of infections is followed to its end.
    fn infected(&self) -> BTreeMap<usize, IpAddr> {
        let Some(memory) = self.memory.as_deref() else { return BTreeMap::new() };
        let mut infected = BTreeMap::new();
        let mut seen: BTreeSet<(At, IpAddr)> = BTreeSet::new();
        let mut attackers: Vec<usize> = Vec::new();
        for (n, suspect) in self.suspects.iter().enumerate() {
            if let Some(by) = memory.entered(&at(suspect)) {
                infected.insert(n, by);
                attackers.push(n);
            } else if self.case(suspect).is_attack(false) || memory.attacked(&at(suspect)) {
                attackers.push(n);
            }
        }
        let places: BTreeMap<At, usize> =
            self.suspects.iter().enumerate().map(|(n, suspect)| (at(suspect), n)).collect();
        while let Some(n) = attackers.pop() {
            let Some(attacker) = self.suspects.get(n) else { continue };
            for host in &attacker.reached {
                let place = (*host, attacker.proto, attacker.port);
                if !seen.insert((place, attacker.src)) {
                    continue;
                }
                let Some(&victim) = places.get(&place).filter(|&&victim| victim != n) else {
                    continue;
                };
                let known = infected.get(&victim).copied();
                if known.is_none() {
                    attackers.push(victim);
                }
                if memory.entered(&place).is_none() {
                    // The least address of several attackers, so that their order does not matter.
                    let by = known.map_or(attacker.src, |by| by.min(attacker.src));
                    infected.insert(victim, by);
                }
            }
        }
        infected
    }

    /// Replaces the findings about infected hosts: each of them has one finding a port.
    fn find_infected(&mut self, infected: &BTreeMap<usize, IpAddr>) {
        let mut found: BTreeMap<(Host, Option<u8>, Option<u16>), Finding> = BTreeMap::new();
        let (sources, targets): (Vec<Finding>, Vec<Finding>) =
            std::mem::take(&mut self.out.findings)
                .into_iter()
                .partition(|finding| finding.role == Role::Source);
        for finding in sources {
            found.insert((finding.host, finding.proto, finding.port), finding);
        }
        for (n, by) in infected {
            let Some(evidence) = self.suspects.get(*n) else { continue };
            let limit = self.context.limits.of(INFECTED, evidence.src).unwrap_or(INFECTED_LIMIT);
            let mut why =
                vec![Threshold::AtLeast(limit).why("targets", evidence.failed), format!("by={by}")];
            let key = (Host::Address(evidence.src), Some(evidence.proto), Some(evidence.port));
            if let Some(other) = found.remove(&key) {
                why.push(format!("also={}", other.class));
            }
            let details = Details::of_failures(evidence);
            found.insert(key, self.finding(evidence, INFECTED, details, &why));
        }
        self.out.findings = found.into_values().chain(targets).collect();
    }

    /// Returns the ports with so many attackers that it is an outbreak.
    fn outbreaks(&self, attackers: &BTreeMap<(u8, u16), u64>) -> BTreeSet<(u8, u16)> {
        let Some(memory) = self.memory.as_deref() else { return BTreeSet::new() };
        let is_outbreak = |port: (u8, u16), count: u64| {
            let usual = memory.usual(port, self.context.window);
            let grown = usual.is_some_and(|usual| count >= usual.max(1) * OUTBREAK_FACTOR);
            count >= OUTBREAK && grown
        };
        let outbreaks = attackers.iter().filter(|&(port, count)| is_outbreak(*port, *count));
        outbreaks.map(|(port, _)| *port).collect()
    }

    /// Ends the window: all of its sources were judged.
    pub(super) fn end(mut self, pairing: Option<PairedFlows>) -> Verdict<()> {
        self.judge_pending();
        self.judge_swarms();
        // The attacker that is named, and what is remembered, must not depend on the order of partitions.
        self.suspects.sort_by_key(at);
        let infected = self.infected();
        self.find_infected(&infected);
        let is_attacker = |&(n, suspect): &(usize, &Evidence)| {
            infected.contains_key(&n) || self.case(suspect).is_attack(false)
        };
        let sure: Vec<&Evidence> = self
            .suspects
            .iter()
            .enumerate()
            .filter(is_attacker)
            .map(|(_, suspect)| suspect)
            .collect();
        let mut attackers: BTreeMap<(u8, u16), u64> = BTreeMap::new();
        for suspect in &sure {
            *attackers.entry((suspect.proto, suspect.port)).or_default() += 1;
        }
        let outbreaks = self.outbreaks(&attackers);
        for finding in &mut self.out.findings {
            let port = finding.proto.zip(finding.port);
            if port.is_some_and(|port| outbreaks.contains(&port)) {
                finding.marks.push(MARK.to_owned());
            }
        }
        self.out.findings.sort_by(Finding::order);
        if let (Some(memory), Some(window), true) =
            (&mut self.memory, self.context.window, self.is_new)
        {
            for suspect in sure {
                memory.attack(at(suspect), window);
                for host in suspect.reached.iter().filter(|host| **host != suspect.src) {
                    memory.enter((*host, suspect.proto, suspect.port), suspect.src, window);
                }
            }
            for (port, count) in &attackers {
                if !outbreaks.contains(port) {
                    memory.count(*port, *count, window);
                }
            }
            memory.close(window, self.mail, pairing, &self.out.findings);
        }
        self.out.seen.sort();
        self.out
    }

    fn explain(&mut self, evidence: &Evidence, measured: &[PortMeasured]) {
        let counts =
            [("failed", evidence.failed), ("worked", evidence.worked), ("dark", evidence.dark)];
        let counts = Counts { of: "targets", counts: &counts };
        let prefix = format!("port {}/{} ", evidence.proto, evidence.port);
        explain(&prefix, measured, &counts, &mut self.out.seen);
    }
}

/// Returns the source and port that the evidence is about.
fn at(evidence: &Evidence) -> At {
    (evidence.src, evidence.proto, evidence.port)
}
