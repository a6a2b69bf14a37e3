//! Who attacks one port: worms, guessers of passwords, and those whom they got into.
//!
//! The window's flows are put together as conversations, and what clients did at each port of a server
//! is rows by source (`trial::Trial`). Sorted, they go by one source and port after the other, whose
//! `evidence::Evidence` the classes (`class::CLASSES`) measure. [`super::paper`] is the paper's own rule, alone.

use std::cell::{RefCell, RefMut};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::threshold::{self, Measure, Visibility, why};
use super::{Counter, Detector, Explained, Metric, Site, SiteLimits, Threshold, Verdict};
use crate::conversation::{Address, Conversations, PairedFlows};
use crate::finding::{Finding, Host, Kind, MAX_PEERS, Peer, Rate, Role, Sample};
use crate::flow::{Flow, TCP};
use crate::table::Sorted;
use crate::time::{End, Window};

mod attempt;
mod attempts;
mod class;
mod evidence;
mod memory;

pub use memory::Memory;

use attempt::{Attempt, FAILED, LOGIN};
use attempts::{AttemptWriter, MAX_MAIL, Written};
use class::{BRUTEFORCE, CLASSES, Class, INFECTED, PortCase, SLOW, SPAM, SPREAD, TARGETS};
use evidence::{Builder, Evidence, Sums};

/// What nfport is told beside what all detectors are.
#[derive(Debug, Default)]
pub struct Setup {
    /// The site's own limits.
    pub bounds: SiteLimits,
    /// What is remembered between windows, if anything is.
    pub memory: Option<RefCell<Memory>>,
}

/// The names of the limits that a site can set: the classes.
pub(super) fn metrics() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().map(|class| class.name).chain([INFECTED])
}

/// Attackers of a port from which it is an outbreak, and how many times the usual.
const OUTBREAK: (u64, u64) = (10, 4);
/// The mark of findings about such a port.
const MARK: &str = "outbreak";

/// Trials of one source at one port that are kept until it is known whether it is worth a look: most are
/// not. With more, evidence is built as they go by.
const KEPT: usize = 4096;

/// Counts what clients do to servers, and judges them.
#[derive(Debug)]
pub struct Port {
    site: Arc<Site>,
    setup: Rc<Setup>,
    conversations: Conversations,
}

impl Port {
    /// An empty window.
    pub fn new(site: Arc<Site>, setup: Rc<Setup>) -> Port {
        let conversations = Conversations::new(site.memory / 2);
        Port { site, setup, conversations }
    }
}

impl Counter for Port {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.conversations.add(flows, &self.site.inside)
    }
}

impl Detector for Port {
    /// Figure 5 is the findings themselves.
    type Row = ();

    fn judge(self, end: &End) -> io::Result<Verdict<()>> {
        let Port { site, setup, mut conversations } = self;
        let sampled = conversations.sampling().or(end.sampling).is_sampled();
        let active = conversations.take_active();
        let knows_dark = !site.inside.is_empty() && !active.is_full() && !sampled;
        let mut emitter = AttemptWriter::new(&site, site.memory / 2, &active, knows_dark);
        let pairing = conversations.visit(sampled, &mut emitter)?;
        let Written { trials, mail, outage } = emitter.end();
        let memory = setup.memory.as_ref().map(RefCell::borrow_mut);
        let own = threshold::known(pairing);
        let last = memory.as_ref().and_then(|memory| memory.pairing());
        let is_new = memory.as_ref().zip(end.window);
        let is_new = is_new.is_some_and(|(memory, window)| memory.is_new(window));
        let mut judge = PortJudge {
            site: &site,
            setup: &setup,
            window: end.window,
            answers: Visibility::of(own.or(last)),
            sampled,
            outage,
            held: Vec::new(),
            epidemic_ports: BTreeSet::new(),
            mail,
            memory,
            is_new,
            suspects: Vec::new(),
            out: Verdict::default(),
        };
        trials.v4.sorted(|rows| part::<u32>(rows, &mut judge))?;
        trials.v6.sorted(|rows| part::<u128>(rows, &mut judge))?;
        Ok(judge.end(own))
    }
}

/// All sources of a partition, port by port.
fn part<A: Address>(rows: &mut Sorted<'_, A::Row>, judge: &mut PortJudge) -> io::Result<()> {
    let mut next = rows.next_row()?.map(|row| Attempt::<A>::unpack(&row));
    let mut kept: Vec<Attempt<A>> = Vec::new();
    while let Some(first) = next {
        let of = (first.src, first.proto, first.port);
        let mut builder: Option<Builder<A>> = None;
        let (mut failed, mut logins, mut targets) = (0u64, 0u64, 0u64);
        let mut dst = None;
        kept.clear();
        while let Some(trial) = next.filter(|trial| (trial.src, trial.proto, trial.port) == of) {
            failed += u64::from(trial.has(FAILED));
            logins += u64::from(trial.has(LOGIN));
            targets += u64::from(dst != Some(trial.dst));
            dst = Some(trial.dst);
            match &mut builder {
                Some(builder) => builder.add(&trial),
                None => {
                    kept.push(trial);
                    if kept.len() == KEPT {
                        builder = Some(judge.build(&kept, &first));
                    }
                }
            }
            next = rows.next_row()?.map(|row| Attempt::unpack(&row));
        }
        if judge.looks_at(&first, failed, logins, targets) {
            let builder = builder.unwrap_or_else(|| judge.build(&kept, &first));
            judge.source(builder.end());
        }
    }
    Ok(())
}

/// Takes the evidence of all sources, one by one.
struct PortJudge<'a> {
    site: &'a Site,
    setup: &'a Setup,
    window: Option<Window>,
    answers: Visibility,
    sampled: bool,
    /// So many inside hosts ask, and hardly any is answered.
    outage: Option<u64>,
    /// Inside hosts that spread meanwhile; and the ports at which so many do that it is no outage.
    held: Vec<Evidence>,
    epidemic_ports: BTreeSet<(u8, u16)>,
    mail: HashSet<IpAddr, RandomState>,
    memory: Option<RefMut<'a, Memory>>,
    /// The memory has not seen this window yet.
    is_new: bool,
    /// Who asked at least so many in vain as an infected host must.
    suspects: Vec<Evidence>,
    out: Verdict<()>,
}

impl PortJudge<'_> {
    /// Whether a source at a port is worth a look.
    fn looks_at<A: Address>(
        &self,
        at: &Attempt<A>,
        failed: u64,
        logins: u64,
        targets: u64,
    ) -> bool {
        let bounds = &self.setup.bounds;
        let least = |name: &str, limit: u64| bounds.least(name).unwrap_or(limit).min(limit);
        let is_mail = at.proto == TCP && at.port == 25;
        let is_asked_about = self.site.explain == Some(at.src.ip())
            || (self.site.calibrate && (failed > 0 || logins > 0 || is_mail));
        let targets_in_vain =
            least(INFECTED, TARGETS).min(class::few(least(SPREAD.name, SPREAD.limit)));
        let is_slow = self.memory.is_some() && failed >= SLOW;
        failed >= targets_in_vain
            || is_slow
            || logins >= least(BRUTEFORCE.name, BRUTEFORCE.limit)
            || (is_mail && targets >= least(SPAM.name, SPAM.limit))
            || is_asked_about
    }

    fn build<A: Address>(&self, kept: &[Attempt<A>], first: &Attempt<A>) -> Builder<A> {
        let sessions = class::sessions(&self.setup.bounds, first.src.ip(), self.window);
        let mut builder = Builder::new(first, sessions);
        kept.iter().for_each(|trial| builder.add(trial));
        builder
    }

    fn case<'e>(&'e self, evidence: &'e Evidence) -> PortCase<'e> {
        let at = (evidence.src, evidence.proto, evidence.port);
        let memory = self.memory.as_deref();
        PortCase {
            evidence,
            side: self.site.side(evidence.src),
            window: self.window,
            answers: self.answers,
            sampled: self.sampled,
            is_outage: self.outage.is_some()
                && !self.epidemic_ports.contains(&(evidence.proto, evidence.port)),
            is_mail: self.mail.len() >= MAX_MAIL
                || self.mail.contains(&evidence.src)
                || memory.is_some_and(|memory| memory.is_mail(evidence.src)),
            slow: memory.and_then(|memory| memory.slow(&at)),
            bounds: &self.setup.bounds,
        }
    }

    /// Judges a source at a port, or holds it back until it is known how many others do the same.
    fn source(&mut self, evidence: Evidence) {
        let case = self.case(&evidence);
        match case.is_cut_off() && case.may_be_epidemic() {
            true => self.held.push(evidence),
            false => self.judge(evidence),
        }
    }

    /// Those who were held back: where half of the hosts that ask do so, a worm has them all.
    fn release(&mut self) {
        let mut spreading: BTreeMap<(u8, u16), u64> = BTreeMap::new();
        for evidence in &self.held {
            *spreading.entry((evidence.proto, evidence.port)).or_default() += 1;
        }
        let hosts = self.outage.unwrap_or(0);
        self.epidemic_ports =
            spreading.iter().filter(|(_, n)| **n * 2 >= hosts).map(|(at, _)| *at).collect();
        for evidence in std::mem::take(&mut self.held) {
            self.judge(evidence);
        }
    }

    fn judge(&mut self, evidence: Evidence) {
        let is_attack = self.case(&evidence).is_attack(true);
        let is_remembered = self.case(&evidence).is_remembered();
        if let (Some(memory), Some(window), true) =
            (&mut self.memory, self.window, self.is_new && is_remembered)
        {
            memory.add(&evidence, window);
        }
        let case = self.case(&evidence);
        let measured = |class: &&'static Class| Some((*class, (class.measure)(&case)?));
        let all: Vec<(&Class, Vec<Measure>)> = CLASSES.iter().filter_map(measured).collect();
        let side = case.side;
        if self.site.explain == Some(evidence.src) {
            self.explain(&evidence, &all);
        }
        if self.site.calibrate {
            for (class, measures) in &all {
                let Some((first, rest)) = measures.split_first() else { continue };
                if first.value > 0 && rest.iter().all(Measure::passes) {
                    let (name, value, limit) = (class.name, first.value, class.limit);
                    self.out.metrics.push(Metric { name, side, value, limit });
                }
            }
        }
        let passes = |(_, measures): &&(&Class, Vec<Measure>)| measures.iter().all(Measure::passes);
        let mut fired = all.iter().filter(passes);
        if let Some((class, measures)) = fired.next() {
            let mut why = why(measures);
            if class.name == SPREAD.name && evidence.dark > 0 {
                why.push(format!("dark={}", evidence.dark));
            }
            let also: Vec<&str> = fired.map(|(class, _)| class.name).collect();
            if !also.is_empty() {
                why.push(format!("also={}", also.join("+")));
            }
            let finding = self.finding(&evidence, class.name, why);
            self.out.findings.push(finding);
        }
        if is_attack {
            self.suspects.push(evidence);
        }
    }

    fn finding(&self, evidence: &Evidence, class: &str, why: Vec<String>) -> Finding {
        let (sums, peers, peer, more, sample): (Sums, u64, Vec<Peer>, u64, Vec<Sample>) =
            match class {
                "bruteforce" => {
                    let hosts = evidence.hammered.len() as u64 + evidence.hammered_more;
                    (
                        evidence.sessions,
                        hosts,
                        evidence.hammered.clone(),
                        evidence.hammered_more,
                        evidence.session_sample.clone(),
                    )
                }
                "spam" => (
                    evidence.all,
                    evidence.failed + evidence.worked,
                    evidence.got_into.iter().take(MAX_PEERS).map(|host| named(*host)).collect(),
                    (evidence.failed + evidence.worked)
                        .saturating_sub(evidence.got_into.len().min(MAX_PEERS) as u64),
                    evidence.sample.clone(),
                ),
                _ => (
                    evidence.sums,
                    evidence.failed,
                    evidence.nets.clone(),
                    evidence.more,
                    evidence.sample.clone(),
                ),
            };
        let more = if peer.is_empty() { 0 } else { more };
        let oneway = (self.answers != Visibility::BothWays).then(|| "oneway".to_owned());
        Finding {
            window: self.window,
            kind: Kind::Port,
            class: class.to_owned(),
            host: Host::Address(evidence.src),
            role: Role::Source,
            side: self.site.side(evidence.src),
            proto: Some(evidence.proto),
            port: Some(evidence.port),
            peers,
            peer,
            more,
            flows: sums.0,
            packets: sums.1,
            octets: sums.2,
            rate: Rate::of(sums.0, self.window),
            marks: oneway.into_iter().collect(),
            why: why.join(","),
            sample,
        }
    }

    /// Who of the suspects was got into by another, now or in the day before: with the one that did.
    ///
    /// Who infects is an attacker: a suspect from outside, one inside who asks more, or one who is infected
    /// himself, so that a chain of them is followed to its end.
    fn infected(&self) -> BTreeMap<usize, IpAddr> {
        let Some(memory) = self.memory.as_deref() else { return BTreeMap::new() };
        let at = |evidence: &Evidence| (evidence.src, evidence.proto, evidence.port);
        let mut infected = BTreeMap::new();
        let mut entered: BTreeMap<(IpAddr, u8, u16), BTreeSet<IpAddr>> = BTreeMap::new();
        let mut new: Vec<usize> = Vec::new();
        for (n, suspect) in self.suspects.iter().enumerate() {
            if let Some(by) = memory.entered(&at(suspect)) {
                infected.insert(n, by);
                new.push(n);
            } else if self.case(suspect).is_attack(false) || memory.attacked(&at(suspect)) {
                new.push(n);
            }
        }
        let places: BTreeMap<_, usize> =
            self.suspects.iter().enumerate().map(|(n, suspect)| (at(suspect), n)).collect();
        while let Some(n) = new.pop() {
            let Some(attacker) = self.suspects.get(n) else { continue };
            for host in &attacker.got_into {
                let place = (*host, attacker.proto, attacker.port);
                if !entered.entry(place).or_default().insert(attacker.src) {
                    continue;
                }
                if let Some(&m) = places.get(&place).filter(|&&m| m != n) {
                    // Of several, the least address, so that their order does not matter.
                    let known = infected.get(&m).copied();
                    if known.is_none() {
                        new.push(m);
                    }
                    if memory.entered(&place).is_none() {
                        infected.insert(m, known.map_or(attacker.src, |by| by.min(attacker.src)));
                    }
                }
            }
        }
        infected
    }

    /// All sources were judged.
    fn end(mut self, pairing: Option<PairedFlows>) -> Verdict<()> {
        self.release();
        // Whom two attackers got into, and what is remembered, must not hang on whose partition came first.
        self.suspects.sort_by_key(|suspect| (suspect.src, suspect.proto, suspect.port));
        let infected = self.infected();
        // Who is infected is found for one port once.
        let mut found: BTreeMap<(Host, Option<u8>, Option<u16>), Finding> = BTreeMap::new();
        for finding in std::mem::take(&mut self.out.findings) {
            found.insert((finding.host, finding.proto, finding.port), finding);
        }
        for (n, by) in &infected {
            let Some(evidence) = self.suspects.get(*n) else { continue };
            let host = Host::Address(evidence.src);
            let limit = self.setup.bounds.of(INFECTED, evidence.src).unwrap_or(TARGETS);
            let mut why =
                vec![Threshold::AtLeast(limit).why("targets", evidence.failed), format!("by={by}")];
            let of = (host, Some(evidence.proto), Some(evidence.port));
            if let Some(other) = found.remove(&of) {
                why.push(format!("also={}", other.class));
            }
            found.insert(of, self.finding(evidence, INFECTED, why));
        }
        self.out.findings = found.into_values().collect();
        let mut attackers: BTreeMap<(u8, u16), u64> = BTreeMap::new();
        let is_attacker = |n: &usize, suspect: &Evidence| {
            infected.contains_key(n) || self.case(suspect).is_attack(false)
        };
        let sure: Vec<usize> = self
            .suspects
            .iter()
            .enumerate()
            .filter(|(n, suspect)| is_attacker(n, suspect))
            .map(|(n, _)| n)
            .collect();
        for suspect in sure.iter().filter_map(|n| self.suspects.get(*n)) {
            *attackers.entry((suspect.proto, suspect.port)).or_default() += 1;
        }
        let mut outbreaks = BTreeSet::new();
        if let Some(memory) = self.memory.as_deref() {
            for (port, count) in &attackers {
                let usual = memory.usual(*port, self.window);
                let grown = usual.is_some_and(|usual| *count >= usual.max(1) * OUTBREAK.1);
                if *count >= OUTBREAK.0 && grown {
                    outbreaks.insert(*port);
                }
            }
        }
        for finding in &mut self.out.findings {
            let port = finding.proto.zip(finding.port);
            if port.is_some_and(|port| outbreaks.contains(&port)) {
                finding.marks.push(MARK.to_owned());
            }
        }
        if let (Some(memory), Some(window), true) = (&mut self.memory, self.window, self.is_new) {
            for suspect in sure.iter().filter_map(|n| self.suspects.get(*n)) {
                memory.attack((suspect.src, suspect.proto, suspect.port), window);
                for host in suspect.got_into.iter().filter(|host| **host != suspect.src) {
                    memory.enter((*host, suspect.proto, suspect.port), suspect.src, window);
                }
            }
            for (port, count) in &attackers {
                if !outbreaks.contains(port) {
                    memory.count(*port, *count, window);
                }
            }
            memory.close(window, self.mail, pairing);
        }
        self.out.findings.sort_by(Finding::order);
        self.out.seen.sort();
        self.out
    }

    fn explain(&mut self, evidence: &Evidence, all: &[(&Class, Vec<Measure>)]) {
        let port = format!("port {}/{}", evidence.proto, evidence.port);
        let mut see = |of: String, measure, value, limit| {
            self.out.seen.push(Explained { of, measure, value, limit });
        };
        for (class, measures) in all {
            for measure in measures {
                see(format!("{port} {}", class.name), measure.name, measure.value, measure.limit);
            }
        }
        let counts =
            [("failed", evidence.failed), ("worked", evidence.worked), ("dark", evidence.dark)];
        for (measure, value) in counts {
            see(format!("{port} targets"), measure, value, Threshold::AtLeast(0));
        }
    }
}

fn named(host: IpAddr) -> Peer {
    Peer { host: Host::Address(host), flows: None }
}

#[cfg(test)]
mod tests;
