//! Scanners: who asked many in vain.
//!
//! The window's flows are put together as conversations, and each (host, port) that somebody asked for
//! is a trial that worked or failed (`trial::Trial`). Trials go by source, sorted, into one
//! source's `Evidence` after the other, and the classes of scans
//! (`class::CLASSES`) take their measures of it. [`super::paper`] is the paper's own rule, alone.

use std::cell::{RefCell, RefMut};
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use ipnet::IpNet;

use super::paper::Subnet;
use super::threshold::{self, Measure, why};
use super::visibility::{self, Visibility};
use super::{Counter, Detector, Explained, Metric, Site, SiteLimits, Threshold, Verdict};
use crate::conversation::{Address, Conversations};
use crate::finding::{Finding, Host, Kind, MAX_PEERS, MAX_SAMPLES, Peer, Rate, Role, Side};
use crate::flow::{Flow, Networks, TCP};
use crate::time::{End, Timestamp, Window};

mod answers;
mod attempt;
mod attempts;
mod class;
mod evidence;
mod group;
mod memory;
mod sources;

pub use memory::Memory;

use answers::Attempts;
use attempt::Attempt;
use attempts::{AttemptWriter, Known};
use class::backscatter::BACKSCATTER;
use class::sweep::{self, SWEEP};
use class::{CLASSES, Class, ScanCase};
use evidence::Evidence;
use group::Group;
use sources::Sources;

/// What nfscan is told beside what all detectors are.
#[derive(Debug, Default)]
pub struct Setup {
    /// The site's own limits.
    pub bounds: SiteLimits,
    /// Networks of those who scan for research and say so.
    pub survey: Networks,
    /// What is remembered between windows, if anything is.
    pub memory: Option<RefCell<Memory>>,
}

/// The names of the limits that a site can set: the classes, and those without a rule of their own.
pub(super) fn metrics() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().map(|class| class.name).chain(["group", "slow", BACKSCATTER.name])
}

/// Counts who asked whom, and judges the sources.
#[derive(Debug)]
pub struct Scan {
    site: Arc<Site>,
    setup: Rc<Setup>,
    conversations: Conversations,
}

impl Scan {
    /// An empty window.
    pub fn new(site: Arc<Site>, setup: Rc<Setup>) -> Scan {
        let conversations = Conversations::new(site.memory / 2);
        Scan { site, setup, conversations }
    }
}

impl Counter for Scan {
    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.conversations.add(flows, &self.site.inside)
    }
}

impl Detector for Scan {
    type Row = Subnet;

    fn judge(self, end: &End, now: Timestamp) -> io::Result<Verdict<Subnet>> {
        let Scan { site, setup, mut conversations } = self;
        let sampled = conversations.sampling().or(end.sampling).is_sampled();
        let active = conversations.take_active();
        let memory = setup.memory.as_ref().map(RefCell::borrow_mut);
        // Of one packet in many, an address may well be in use and not be seen in a single window.
        let is_shown = !sampled || memory.as_ref().is_some_and(|memory| memory.is_warm());
        let knows_dark = !site.inside.is_empty() && !active.is_full() && is_shown;
        let inside = knows_dark.then_some(&site.inside);
        let (window, before) = (end.window, memory.as_deref());
        let known = Known { inside, active: &active, memory: before, window, sampled };
        let mut emitter = AttemptWriter::new(site.memory / 2, known);
        let pairing = conversations.visit(sampled, &mut emitter)?;
        let trials = emitter.into_attempts();
        let own = visibility::conclusive(pairing);
        let last = memory.as_ref().and_then(|memory| memory.pairing());
        let is_new = memory.as_ref().zip(end.window);
        let is_new = is_new.is_some_and(|(memory, window)| memory.is_new(window, now));
        let mut judge = ScanJudge {
            site: &site,
            setup: &setup,
            window: end.window,
            answers: Visibility::of(own.or(last)),
            sampled,
            knows_dark,
            memory,
            is_new,
            out: Verdict::default(),
        };
        let mut four = Sources::<u32>::new();
        trials.v4.sorted(|rows| four.part(rows, &mut judge))?;
        let mut six = Sources::<u128>::new();
        trials.v6.sorted(|rows| six.part(rows, &mut judge))?;
        let ScanJudge { mut out, memory, .. } = judge;
        if let (Some(mut memory), Some(window)) = (memory, end.window) {
            if is_new {
                memory.learn(window, &active, own);
            }
        }
        out.findings.sort_by(Finding::order);
        out.figure.sort();
        out.seen.sort();
        Ok(out)
    }
}

/// Takes the evidence of all sources, one by one.
struct ScanJudge<'a> {
    site: &'a Site,
    setup: &'a Setup,
    window: Option<Window>,
    answers: Visibility,
    sampled: bool,
    knows_dark: bool,
    memory: Option<RefMut<'a, Memory>>,
    /// The memory has not learned this window yet.
    is_new: bool,
    out: Verdict<Subnet>,
}

impl ScanJudge<'_> {
    /// Whether a source with so many failures, or answers that nobody asked for, is worth a look.
    fn looks_at(&self, src: IpAddr, failed: usize, unasked: usize) -> bool {
        let floor = if self.sampled { class::SAMPLED } else { class::NET };
        let victim = self.setup.bounds.least(BACKSCATTER.name).unwrap_or(BACKSCATTER.limit.0);
        let is_asked_about = self.site.explain == Some(src) || (self.site.calibrate && failed > 0);
        failed as u64 >= floor || unasked as u64 >= victim || is_asked_about
    }

    /// Whether a source asked in vain in an earlier window.
    fn remembers(&self, src: IpAddr, proto: u8) -> bool {
        self.memory.as_ref().is_some_and(|memory| memory.knows(src, proto))
    }

    /// Fewer attempts make no group.
    fn group_floor(&self) -> u64 {
        self.setup.bounds.least("group").unwrap_or(group::ATTEMPTS)
    }

    /// Judges a source: the class that it was flagged for, if it was.
    fn source(&mut self, evidence: &Evidence) -> Option<&'static str> {
        let setup = self.setup;
        let case = ScanCase {
            evidence,
            side: self.site.side(evidence.src),
            answers: self.answers,
            sampled: self.sampled,
            knows_dark: self.knows_dark,
            bounds: &setup.bounds,
        };
        let all = CLASSES.iter().chain([&&BACKSCATTER]);
        let all: Vec<(&Class, Vec<Measure>)> =
            all.filter_map(|class| Some((*class, (class.measure)(&case)?))).collect();
        if self.site.explain == Some(evidence.src) {
            self.explain(evidence, &all);
        }
        if self.site.calibrate {
            self.calibrate(&case, &all);
        }
        let mut fired = all.iter().filter(|(_, measures)| measures.iter().all(Measure::passes));
        let first = fired.next();
        let also: Vec<&str> = fired.clone().map(|(class, _)| class.name).collect();
        let (class, measures) = first?;
        if class.name == BACKSCATTER.name {
            let finding = self.victim(&case, measures);
            self.out.findings.push(finding);
            return None;
        }
        let finding = self.scanner(&case, class, measures, &also);
        self.out.findings.push(finding);
        if let Some((_, measures)) = all.last().filter(|_| also.contains(&BACKSCATTER.name)) {
            let finding = self.victim(&case, measures);
            self.out.findings.push(finding);
        }
        if class.name == SWEEP.name {
            let nets = sweep::walked(evidence, case.limit(&SWEEP));
            self.out.figure.extend(nets.map(|net| Subnet {
                scanner: evidence.src,
                net: net.net,
                hosts: net.asked,
                flows: net.flows,
            }));
        }
        Some(class.name)
    }

    fn scanner(
        &self,
        case: &ScanCase,
        class: &Class,
        measures: &[Measure],
        also: &[&str],
    ) -> Finding {
        let evidence = case.evidence;
        let mut why = why(measures);
        why.extend(tells(evidence));
        let (class_name, mark) = self.named(class.name, evidence.src);
        if mark.is_some() {
            why.push(format!("class={}", class.name));
        }
        let also: Vec<&str> =
            also.iter().copied().filter(|name| *name != BACKSCATTER.name).collect();
        if !also.is_empty() {
            why.push(format!("also={}", also.join("+")));
        }
        let (peer, more) = merged(&evidence.nets, evidence.more_nets);
        let sums = [evidence.flows, evidence.packets, evidence.octets];
        Finding {
            port: (class.port)(evidence),
            peers: evidence.hosts,
            peer,
            more,
            sample: evidence.sample.clone(),
            ..self.finding(Host::Address(evidence.src), class_name, mark, evidence.proto, sums, why)
        }
    }

    fn victim(&self, case: &ScanCase, measures: &[Measure]) -> Finding {
        let (evidence, unasked) = (case.evidence, &case.evidence.unasked);
        let mut why = why(measures);
        why.push(format!("from={}", unasked.top.0));
        let sums = [unasked.flows, unasked.packets, unasked.octets];
        let host = Host::Address(evidence.src);
        Finding {
            role: Role::Target,
            peers: unasked.hosts,
            sample: unasked.sample.clone(),
            ..self.finding(host, BACKSCATTER.name, None, evidence.proto, sums, why)
        }
    }

    /// What a source did in vain, in this window and those before. Where it is flagged already, it is only
    /// remembered.
    fn slow<A: Address>(&mut self, trials: &[Attempt<A>], is_flagged: bool) {
        let (Some(first), Some(window)) = (trials.first(), self.window) else { return };
        let is_sure = self.answers == Visibility::BothWays && !self.sampled;
        let (src, side) = (first.src.ip(), self.site.side(first.src.ip()));
        let hears = first.proto == TCP || is_sure;
        if Attempts::of(trials).may_be_answers(first.proto) {
            return;
        }
        let Some(memory) = self.memory.as_mut().filter(|_| hears) else { return };
        let limit = self.setup.bounds.of("slow", src).unwrap_or(memory::HOUR);
        let share = if is_sure { 50 } else { 90 };
        let is_inside = side == Some(Side::Inside);
        let Some(slow) = memory.observe(window, self.is_new, trials, limit, is_inside, share)
        else {
            return;
        };
        // Named already, or quiet now.
        if is_flagged || !trials.iter().any(Attempt::is_failed) {
            return;
        }
        let failed = || trials.iter().filter(|trial| trial.is_failed());
        let sum = |of: fn(&Attempt<A>) -> u32| failed().map(|trial| u64::from(of(trial))).sum();
        let sums =
            [sum(|trial| trial.flows), sum(|trial| trial.packets), sum(|trial| trial.octets)];
        let mut why = why(&slow.measures);
        why.push(format!("over={}", slow.span));
        let mut nets: Vec<IpNet> = failed().map(|trial| trial.dst.prefix()).collect();
        nets.dedup();
        let (peer, more) = merged(&nets, 0);
        let (class, mark) = self.named("slow", src);
        let finding = Finding {
            port: slow.port,
            peers: slow.hosts,
            peer,
            more,
            sample: failed().take(MAX_SAMPLES).map(Attempt::sample).collect(),
            ..self.finding(Host::Address(src), class, mark, first.proto, sums, why)
        };
        self.out.findings.push(finding);
    }

    /// Sources of one network that scan together.
    fn group(&mut self, group: &Group) {
        let limit = self.setup.bounds.of("group", group.net.addr()).unwrap_or(group::ATTEMPTS);
        let measures = group.measures(limit, self.sampled || self.answers != Visibility::BothWays);
        if !measures.iter().all(Measure::passes) {
            return;
        }
        let sums = [group.flows, group.packets, group.octets];
        let host = Host::Prefix(group.net);
        let finding = Finding {
            port: Some(group.port),
            peers: group.targets,
            peer: group.peer.clone(),
            more: group.more,
            sample: group.sample.clone(),
            ..self.finding(host, "group", None, group.proto, sums, why(&measures))
        };
        self.out.findings.push(finding);
    }

    /// What all findings have; the source's own port, peers and samples come from the caller.
    fn finding(
        &self,
        host: Host,
        class: &str,
        mark: Option<&str>,
        proto: u8,
        [flows, packets, octets]: [u64; 3],
        why: Vec<String>,
    ) -> Finding {
        let address = match host {
            Host::Address(address) => address,
            Host::Prefix(net) => net.addr(),
        };
        let oneway = (self.answers != Visibility::BothWays).then_some("oneway");
        Finding {
            window: self.window,
            kind: Kind::Scan,
            class: class.to_owned(),
            host,
            role: Role::Source,
            side: self.site.side(address),
            proto: Some(proto),
            port: None,
            peers: 0,
            peer: Vec::new(),
            more: 0,
            flows,
            packets,
            octets,
            rate: Rate::of(flows, self.window),
            marks: oneway.into_iter().chain(mark).map(str::to_owned).collect(),
            why: why.join(","),
            sample: Vec::new(),
        }
    }

    /// The class that a source is named for, and the mark that goes with it.
    fn named(&self, class: &'static str, src: IpAddr) -> (&'static str, Option<&'static str>) {
        match self.setup.survey.contains(src) {
            true => ("survey", Some("survey")),
            false => (class, None),
        }
    }

    /// What the source comes to of each class whose other measures pass: whether it is flagged is then
    /// up to the limit alone.
    fn calibrate(&mut self, case: &ScanCase, all: &[(&Class, Vec<Measure>)]) {
        for (class, measures) in all {
            let Some((first, rest)) = measures.split_first() else { continue };
            if first.value > 0 && rest.iter().all(Measure::passes) {
                let limit = class.default(case.side == Some(Side::Inside), case.sampled);
                let (name, side) = (class.name, case.side);
                self.out.metrics.push(Metric { name, side, value: first.value, limit });
            }
        }
    }

    fn explain(&mut self, evidence: &Evidence, all: &[(&Class, Vec<Measure>)]) {
        let mut see = |of: String, measure, value, limit| {
            self.out.seen.push(Explained { of, measure, value, limit });
        };
        for (class, measures) in all {
            for measure in measures {
                let of = format!("proto {} {}", evidence.proto, class.name);
                see(of, measure.name, measure.value, measure.limit);
            }
        }
        let of = format!("proto {} attempts", evidence.proto);
        see(of.clone(), "failed", evidence.failed, Threshold::AtLeast(0));
        see(of.clone(), "worked", evidence.worked, Threshold::AtLeast(0));
        see(of.clone(), "dark", evidence.dark, Threshold::AtLeast(0));
        let answers = if evidence.are_answers() { evidence.failed } else { 0 };
        see(of, "answers", answers, Threshold::AtLeast(0));
    }
}

/// What else an admin wants to know of a scanner: the order of its targets, and marks of its tool.
fn tells(evidence: &Evidence) -> Vec<String> {
    let mut tells = Vec::new();
    let (near, steps) = evidence.steps;
    if steps >= 10 {
        let percent = threshold::percent(near, steps);
        let order = match percent {
            70.. => Some("sequential"),
            ..30 => Some("random"),
            _ => None,
        };
        tells.extend(order.map(|order| format!("order={order}")));
    }
    let ((packets, octets), alike) = evidence.shape;
    if packets > 0 && alike * 10 >= evidence.failed * 9 {
        tells.push(format!("octetsapacket={}", octets / packets));
    }
    if evidence.sports == 1 && evidence.failed > 1 {
        tells.push("sport=fixed".to_owned());
    }
    tells
}

/// The column `peer`: networks, neighbours merged.
fn merged(nets: &[IpNet], more: u64) -> (Vec<Peer>, u64) {
    let merged = IpNet::aggregate(&nets.to_vec());
    let more = more + merged.len().saturating_sub(MAX_PEERS) as u64;
    let peer = merged.into_iter().take(MAX_PEERS);
    (peer.map(|net| Peer { host: Host::Prefix(net), flows: None }).collect(), more)
}

#[cfg(test)]
mod tests;
