//! Who is drowning: hosts and networks under DoS and DDoS, and the inside hosts that attack.
//!
//! The window's flows are put together as conversations, and what each host was sent in vain, beside
//! what it was asked and served, are rows by host (`event::Event`). Sorted, they go by one host after
//! the other, whose `evidence::Evidence` the classes of floods (`class::CLASSES`) measure; what is
//! spread over the hosts of a network is a `carpet`. [`super::paper`] is the paper's own rule, alone.

use std::cell::{Cell, RefCell, RefMut};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::paper::AttackerVictim;
use super::threshold::{self, Measure, Visibility, why};
use super::{Counter, Detector, Explained, Metric, Site, SiteLimits, Threshold, Verdict};
use crate::conversation::{Active, Conversations, PerWindow};
use crate::finding::{
    Finding, Host, Kind, MAX_PEERS, MAX_SAMPLES, Peer, Rate, Role, Side, UNKNOWN_SECONDS,
};
use crate::flow::Flow;
use crate::time::{End, Window};

mod answers_seen;
mod carpet;
mod carry_over;
mod class;
mod clock;
mod event;
mod events;
mod evidence;
mod failed_attempts;
mod forged;
mod host_summary;
mod input_profile;
mod live;
mod memory;
mod reflected;
mod source_set;
mod source_traffic;
mod traffic;
mod traffic_sum;
mod victims;

pub use answers_seen::AnswersSeen;
pub use memory::Memory;

use carpet::{CARPET, Carpet};
use carry_over::CarryOver;
use class::{CLASSES, Class, DDOS, DOS, FloodCase, OUTBOUND, REFLECTION, Usual, VOLUME};
use event::Events;
use events::EventWriter;
use evidence::Evidence;
use forged::Sign;
use host_summary::HostSummary;
use input_profile::InputProfile;
use live::Live;
use traffic::Traffic;
use traffic_sum::{TopSource, attacking};
use victims::judge_all;

/// What nfflood is told beside what all detectors are.
#[derive(Debug, Default)]
pub struct Setup {
    /// The site's own limits.
    pub bounds: SiteLimits,
    /// Interfaces (SNMP ifIndex) at which the outside begins.
    pub outside_if: Arc<[u32]>,
    /// What is remembered between windows, if anything is.
    pub memory: Option<RefCell<Memory>>,
    /// Floods are told while they go on.
    pub live: bool,
    /// Rows for which that had no room.
    pub forgotten: Cell<u64>,
    /// What was heard of answers so far.
    pub heard: Cell<AnswersSeen>,
}

impl Setup {
    /// The least limit of a class, whosever it is.
    fn least(&self, class: &Class) -> u64 {
        self.own(class.name, class.limit)
    }

    fn own(&self, name: &str, limit: u64) -> u64 {
        self.bounds.least(name).unwrap_or(limit).min(limit)
    }

    /// Packets in so many seconds to one host below which nobody floods it, be it one of ten: a hundredth
    /// of what all of them must get.
    fn least_sent(&self, seconds: u64) -> u64 {
        (self.least(&OUTBOUND).saturating_mul(seconds) / 100).max(1)
    }
}

/// The names of the limits that a site can set: the classes.
pub(super) fn metrics() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().chain([&&OUTBOUND]).map(|class| class.name).chain([CARPET])
}

/// Sources of a carpet, or else it is a scan.
const CARPET_SOURCES: u64 = 10;
/// Times its baseline that a network must get.
const TIMES: u64 = 8;

/// A source that sends at least this share of the flagged traffic, 1 in N, is an attacker by itself.
const SHARE: u64 = 10;

/// Counts what came upon each host, and judges it.
#[derive(Debug)]
pub struct Flood {
    site: Arc<Site>,
    setup: Rc<Setup>,
    conversations: Conversations,
    live: Option<Live>,
}

impl Flood {
    /// An empty window.
    pub fn new(site: Arc<Site>, setup: Rc<Setup>) -> Flood {
        let live = setup.live.then(|| Live::new(&site, &setup));
        let conversations =
            Conversations::with_outside_interfaces(site.memory / 2, setup.outside_if.clone());
        let mut flood = Flood { site, setup, conversations, live };
        flood.begin(None);
        flood
    }
}

/// Seconds of a window, which rates are over.
fn seconds(window: Option<Window>) -> u64 {
    u64::from(window.map_or(UNKNOWN_SECONDS, Window::seconds))
}

impl Counter for Flood {
    fn begin(&mut self, window: Option<Window>) {
        self.conversations.rate_over(seconds(window));
        if let Some(live) = &mut self.live {
            live.slice.rate_over(seconds(window));
        }
    }

    fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        if let Some(live) = &mut self.live {
            live.add(flows)?;
        }
        self.conversations.add(flows, &self.site.inside)
    }
}

impl Detector for Flood {
    type Row = AttackerVictim;

    fn early(&mut self, window: Window, now: Duration) -> io::Result<Vec<Finding>> {
        let Flood { site, setup, conversations, live } = self;
        let Some(live) = live else { return Ok(Vec::new()) };
        live.judge_slice(site, setup, conversations, window, now)
    }

    fn judge(self, end: &End) -> io::Result<Verdict<AttackerVictim>> {
        let Flood { site, setup, mut conversations, .. } = self;
        let sampling = conversations.sampling().or(end.sampling);
        let sampled = sampling.is_sampled();
        let active = conversations.take_active();
        let least_sent = setup.least_sent(seconds(end.window));
        let mut emitter = EventWriter::new(&site, Events::new(site.memory / 2), least_sent);
        let pairing = conversations.visit(sampled, &mut emitter)?;
        let events = emitter.into_events()?;
        let memory = setup.memory.as_ref().map(RefCell::borrow_mut);
        let own = threshold::known(pairing);
        let last = memory.as_ref().and_then(|memory| memory.pairing());
        let view = InputProfile {
            site: &site,
            answers: Visibility::of(own.or(last)),
            sampled,
            live: false,
        };
        let mut judge =
            FloodJudge::new(&setup, view, sampling.usual(), end.window, &active, memory);
        judge_all(events, &mut judge)?;
        Ok(judge.end(own))
    }
}

/// Takes the evidence of all hosts, one by one.
struct FloodJudge<'a> {
    setup: &'a Setup,
    view: InputProfile<'a>,
    sampling: u64,
    window: Option<Window>,
    active: &'a Active,
    knows_dark: bool,
    memory: Option<RefMut<'a, Memory>>,
    /// The memory has not seen this window yet.
    is_new: bool,
    /// Fewer conversations in vain, packets of an answer, and packets upon a network are no flood.
    least: (u64, u64),
    least_carpet: u64,
    /// What inside attackers did, over all of their victims: one line each and class.
    attackers: BTreeMap<(IpAddr, &'static str), Vec<AttackerShare>>,
    carpets: Vec<Carpet>,
    /// The window is still open.
    carry: Option<CarryOver<'a>>,
    out: Verdict<AttackerVictim>,
}

/// What an inside attacker did to one victim.
struct AttackerShare {
    victim: IpAddr,
    sender: TopSource,
    of: (Option<u8>, Option<u16>),
    why: String,
}

impl<'a> FloodJudge<'a> {
    fn new(
        setup: &'a Setup,
        view: InputProfile<'a>,
        sampling: u64,
        window: Option<Window>,
        active: &'a Active,
        memory: Option<RefMut<'a, Memory>>,
    ) -> FloodJudge<'a> {
        let seen = |count: u64| (count / sampling.max(1)).max(1);
        let scaled = |limit| match Threshold::AtLeast(limit).scaled(window) {
            Threshold::AtLeast(scaled) => seen(scaled),
            _ => limit,
        };
        // A fifth of what is too much in ten minutes is enough in one.
        let in_vain = |class: &Class| {
            let least = setup.least(class);
            scaled(least).min(seen(least / 5))
        };
        let flows = in_vain(&DOS).min(in_vain(&DDOS));
        let volume = seen(setup.least(&VOLUME).saturating_mul(seconds(window)));
        let packets = scaled(setup.least(&REFLECTION)).min(volume);
        let is_new =
            memory.as_ref().zip(window).is_some_and(|(memory, window)| memory.is_new(window));
        FloodJudge {
            setup,
            view,
            sampling,
            window,
            active,
            knows_dark: !view.site.inside.is_empty() && !active.is_full() && !view.sampled,
            memory,
            is_new,
            least: (flows, packets),
            least_carpet: scaled(setup.own(CARPET, carpet::LARGE_PACKETS)),
            attackers: BTreeMap::new(),
            carpets: Vec::new(),
            carry: None,
            out: Verdict::default(),
        }
    }

    fn is_live(&self) -> bool {
        self.carry.is_some()
    }

    /// Whether the host was told of before, in this window that is still open.
    fn is_told(&self, host: IpAddr) -> bool {
        self.carry.as_ref().is_some_and(|carry| carry.has_reported(host))
    }

    fn is_dark(&self, host: IpAddr) -> bool {
        self.knows_dark && self.active.lacks(&self.view.site.inside, host)
    }

    /// Whether a host is worth a look.
    fn looks_at(&self, host: IpAddr, glance: &HostSummary) -> bool {
        let site = self.view.site;
        let is_asked_about =
            site.explain == Some(host) || (site.calibrate && glance.one_way.flows > 0);
        glance.failed >= self.least.0
            || glance.per_window.packets >= self.least.1
            || glance.sent > 0
            || is_asked_about
    }

    fn case<'e>(&'e self, evidence: &'e Evidence) -> FloodCase<'e> {
        let memory = self.memory.as_deref();
        FloodCase {
            evidence,
            view: self.view,
            side: self.view.site.side(evidence.host),
            window: self.window,
            sampling: self.sampling,
            usual: memory.and_then(|memory| memory.usual(evidence.host, self.window)),
            bounds: &self.setup.bounds,
        }
    }

    /// Judges a host: whether it is flooded.
    fn host(&mut self, evidence: &Evidence) -> bool {
        let case = self.case(evidence);
        let measured = |class: &&'static Class| Some((*class, (class.measure)(&case)?));
        let all: Vec<(&Class, Vec<Measure>)> = CLASSES.iter().filter_map(measured).collect();
        let outbound = measured(&&OUTBOUND);
        let passes = |(_, measures): &&(&Class, Vec<Measure>)| measures.iter().all(Measure::passes);
        let side = case.side;
        if self.view.site.explain == Some(evidence.host) {
            self.explain(evidence, all.iter().chain(&outbound));
        }
        if self.view.site.calibrate {
            self.calibrate(side, all.iter().chain(&outbound));
        }
        if let Some((class, measures)) = outbound.as_ref().filter(passes) {
            let finding = self.finding(evidence, class, Role::Source, why(measures), None);
            self.out.findings.push(finding);
        }
        let mut fired = all.iter().filter(passes);
        let Some((class, measures)) = fired.next() else { return false };
        // One that is distributed is also one of many flows.
        let also: Vec<&str> = fired
            .map(|(class, _)| class.name)
            .filter(|name| (class.name, *name) != (DDOS.name, DOS.name))
            .collect();
        let mut why = why(measures);
        why.extend((class.tell)(evidence));
        let sign = evidence.sign.filter(|_| class.name != REFLECTION.name);
        why.extend(sign.map(|sign| match sign {
            Sign::Bogons(count) => format!("bogons={count}"),
            Sign::Spoofed(count) => format!("ours={count}"),
            Sign::Drawn(range) => format!("drawnof={range}"),
        }));
        if !also.is_empty() {
            why.push(format!("also={}", also.join("+")));
        }
        let mark = sign.map(|_| "forged");
        let finding = self.finding(evidence, class, Role::Target, why.clone(), mark);
        self.told(evidence, class, &finding);
        self.out.findings.push(finding);
        true
    }

    fn finding(
        &self,
        evidence: &Evidence,
        class: &Class,
        role: Role,
        why: Vec<String>,
        mark: Option<&str>,
    ) -> Finding {
        let load = (class.load)(evidence);
        let (proto, port) = load.aim();
        let peer = load.peers();
        let (sources, sums) = (class.sums)(evidence);
        Finding {
            proto,
            port,
            peers: sources,
            more: sources.saturating_sub(peer.len() as u64),
            peer,
            sample: load.samples(),
            ..self.blank(Host::Address(evidence.host), class.name, role, sums, why, mark)
        }
    }

    /// What all findings have.
    fn blank(
        &self,
        host: Host,
        class: &str,
        role: Role,
        traffic: Traffic,
        why: Vec<String>,
        mark: Option<&str>,
    ) -> Finding {
        let address = match host {
            Host::Address(address) => address,
            Host::Prefix(net) => net.addr(),
        };
        let oneway = (self.view.answers != Visibility::BothWays).then_some("oneway");
        Finding {
            window: self.window,
            kind: Kind::Flood,
            class: class.to_owned(),
            host,
            role,
            side: self.view.site.side(address),
            proto: None,
            port: None,
            peers: 0,
            peer: Vec::new(),
            more: 0,
            flows: traffic.flows,
            packets: traffic.packets,
            octets: traffic.bytes,
            rate: Rate::of(traffic.flows, self.window),
            marks: mark.into_iter().chain(oneway).map(str::to_owned).collect(),
            why: why.join(","),
            sample: Vec::new(),
        }
    }

    /// Remembers the inside hosts that alone send a tenth of a flood.
    fn told(&mut self, evidence: &Evidence, class: &'static Class, flood: &Finding) {
        let load = (class.load)(evidence);
        let top = load.top();
        let is_of_flows = [DOS.name, DDOS.name].contains(&class.name);
        let all = if is_of_flows { load.flows } else { load.per_window.packets };
        let heavy = |source: &&(u64, TopSource)| attacking(source) >= all.div_ceil(SHARE).max(1);
        if let Some(source) = top.iter().find(|(_, from)| self.view.site.explain == Some(from.peer))
        {
            // Of who attacks, whether he is flooded himself or not.
            self.out.seen.push(Explained {
                of: format!("{} source", class.name),
                measure: "ofpct",
                value: threshold::percent(attacking(source), all),
                limit: Threshold::AtLeast(100 / SHARE),
            });
        }
        let pair = |attacker, flows| AttackerVictim { victim: evidence.host, attacker, flows };
        let pairs =
            top.iter().filter(heavy).map(|(_, from)| pair(Some(from.peer), from.sums.flows));
        let pairs: Vec<AttackerVictim> = pairs.collect();
        match pairs.is_empty() {
            true => self.out.figure.push(pair(None, load.flows)),
            false => self.out.figure.extend(pairs),
        }
        // Whose address was forged attacks nobody.
        if flood.marks.iter().any(|mark| mark == "forged") {
            return;
        }
        let measure = if is_of_flows { "flows" } else { "packets" };
        for source @ (_, sender) in top.iter().filter(heavy) {
            let weight = attacking(source);
            if self.view.site.side(sender.peer) == Some(Side::Inside) {
                let percent = threshold::percent(weight, all);
                let parts = self.attackers.entry((sender.peer, class.name)).or_default();
                parts.push(AttackerShare {
                    victim: evidence.host,
                    sender: *sender,
                    of: (flood.proto, flood.port),
                    why: format!("{measure}={weight},ofpct={percent}>={}", 100 / SHARE),
                });
            }
        }
    }

    /// An inside attacker of one class, over all of its victims, whatever order they came in.
    fn attacker(&self, host: IpAddr, class: &str, mut parts: Vec<AttackerShare>) -> Finding {
        parts.sort_by_key(|part| (Reverse(part.sender.sums.flows), part.victim));
        let mut sums = Traffic::NONE;
        for part in &parts {
            sums.add(part.sender.sums);
        }
        let peer = |part: &AttackerShare| Peer {
            host: Host::Address(part.victim),
            flows: Some(part.sender.sums.flows),
        };
        let first = parts.first();
        let (proto, port) = first.map_or((None, None), |first| first.of);
        let proto = proto.filter(|_| parts.iter().all(|part| part.of.0 == proto));
        let port = port.filter(|_| proto.is_some() && parts.iter().all(|part| part.of.1 == port));
        let why = first.map(|first| first.why.clone()).into_iter().collect();
        Finding {
            proto,
            port,
            peers: parts.len() as u64,
            peer: parts.iter().take(MAX_PEERS).map(peer).collect(),
            more: parts.len().saturating_sub(MAX_PEERS) as u64,
            sample: parts.iter().take(MAX_SAMPLES).map(|part| part.sender.sample).collect(),
            ..self.blank(Host::Address(host), class, Role::Source, sums, why, None)
        }
    }

    /// A network upon whose hosts enough came together.
    fn carpet(&mut self, carpet: Option<Carpet>) {
        let is_told = |net| self.carry.as_ref().is_some_and(|carry| carry.has_reported_net(net));
        let Some(carpet) = carpet.filter(|carpet| !is_told(carpet.net)) else { return };
        let Some(measures) = self.measure_carpet(&carpet) else { return };
        if self.view.site.calibrate && measures.iter().skip(1).all(Measure::passes) {
            let side = self.view.site.side(carpet.net.addr());
            let value = measures.first().map_or(0, |measure| measure.value);
            self.out.metrics.push(Metric { name: CARPET, side, value, limit: carpet::PACKETS });
        }
        match measures.iter().all(Measure::passes) {
            true => self.carpets.push(carpet),
            false => {
                if let (Some(memory), Some(window), true) =
                    (&mut self.memory, self.window, self.is_new)
                {
                    let packets = carpet.per_window.packets;
                    let per_window = u128::from(packets) * u128::from(UNKNOWN_SECONDS);
                    let usual = per_window / u128::from(window.seconds());
                    memory.learn_net(carpet.net, u64::try_from(usual).unwrap_or(u64::MAX), window);
                }
            }
        }
    }

    fn measure_carpet(&self, carpet: &Carpet) -> Option<Vec<Measure>> {
        if !self.view.sees_answers() {
            return None;
        }
        let own = self.setup.bounds.of(CARPET, carpet.net.addr());
        let packets = carpet.per_window.packets;
        let default = match carpet::is_large(carpet.sums) {
            true => carpet::LARGE_PACKETS,
            false => carpet::PACKETS,
        };
        let usual = self.memory.as_ref().and_then(|m| m.usual_of_net(carpet.net, self.window));
        let limit = own.unwrap_or(default).max(usual.unwrap_or(0).saturating_mul(TIMES));
        let Threshold::AtLeast(limit) = Threshold::AtLeast(limit).scaled(self.window) else {
            return None;
        };
        let mut measures = vec![
            Measure::at_least("packets", packets, limit),
            Measure::at_least("hosts", carpet.hosts, carpet::HOSTS),
            Measure::below("mostpct", carpet.most, 20),
            Measure::at_least("sources", carpet.sources, CARPET_SOURCES),
            Measure::below("largestpct", carpet.largest, 50),
        ];
        // A network in use that gets five times as much needs no absent hosts to be flooded.
        if self.knows_dark
            && self.view.site.inside.contains(carpet.net.addr())
            && packets < limit.saturating_mul(5)
        {
            measures.push(Measure::at_least("darkpct", carpet.dark, 50));
        }
        Some(measures)
    }

    /// What a host that is not flooded came to becomes part of what it is used to.
    fn learn(&mut self, host: IpAddr, glance: &HostSummary) {
        let is_sure = self.view.sees_answers() && self.is_new;
        let is_ours = self.view.site.side(host) != Some(Side::Outside);
        if let (Some(memory), Some(window), true) =
            (&mut self.memory, self.window, is_sure && is_ours)
        {
            let seconds = u64::from(window.seconds());
            let PerWindow { packets, bytes } = glance.per_window;
            let seen =
                Usual { pps: packets / seconds, kbps: bytes.saturating_mul(8) / seconds / 1000 };
            memory.learn(host, seen, window);
        }
    }

    /// All hosts were judged.
    fn end(mut self, pairing: Option<crate::conversation::PairedFlows>) -> Verdict<AttackerVictim> {
        for carpet in carpet::merged(std::mem::take(&mut self.carpets)) {
            let measures = self.measure_carpet(&carpet).unwrap_or_default();
            let peer = |(_, from): &(u64, TopSource)| Peer {
                host: Host::Address(from.peer),
                flows: Some(from.sums.flows),
            };
            let finding = Finding {
                proto: carpet.proto,
                port: carpet.port,
                peers: carpet.sources,
                peer: carpet.top.iter().map(peer).collect(),
                more: carpet.sources.saturating_sub(carpet.top.len() as u64),
                sample: carpet.top.iter().take(MAX_SAMPLES).map(|(_, from)| from.sample).collect(),
                ..self.blank(
                    Host::Prefix(carpet.net),
                    CARPET,
                    Role::Target,
                    carpet.sums,
                    why(&measures),
                    None,
                )
            };
            self.out.findings.push(finding);
        }
        for ((host, class), parts) in std::mem::take(&mut self.attackers) {
            let finding = self.attacker(host, class, parts);
            self.out.findings.push(finding);
        }
        if let (Some(mut memory), Some(window), true) = (self.memory, self.window, self.is_new) {
            memory.close(window, pairing);
        }
        self.out.findings.sort_by(Finding::order);
        self.out.figure.sort_by_key(AttackerVictim::order);
        self.out.seen.sort();
        self.out
    }

    /// What the host comes to of each class whose other measures pass: whether it is flagged is then up to
    /// the limit alone.
    fn calibrate<'m>(
        &mut self,
        side: Option<Side>,
        all: impl Iterator<Item = &'m (&'static Class, Vec<Measure>)>,
    ) {
        for (class, measures) in all {
            let Some((first, rest)) = measures.split_first() else { continue };
            if first.value > 0 && rest.iter().all(Measure::passes) {
                let (name, value, limit) = (class.name, first.value, class.limit);
                self.out.metrics.push(Metric { name, side, value, limit });
            }
        }
    }

    fn explain<'m>(
        &mut self,
        evidence: &Evidence,
        all: impl Iterator<Item = &'m (&'static Class, Vec<Measure>)>,
    ) {
        let mut see = |of: &str, measure, value, limit| {
            self.out.seen.push(Explained { of: of.to_owned(), measure, value, limit });
        };
        for (class, measures) in all {
            for measure in measures {
                see(class.name, measure.name, measure.value, measure.limit);
            }
        }
        let counts = [
            ("tried", evidence.failed.flows),
            ("served", evidence.served.flows),
            ("asked", evidence.opened.flows),
            ("scanned", evidence.scanned),
            ("packets", evidence.one_way.packets),
            ("unsolicited", evidence.unsolicited),
        ];
        for (measure, value) in counts {
            see("host", measure, value, Threshold::AtLeast(0));
        }
    }
}

#[cfg(test)]
mod tests;
