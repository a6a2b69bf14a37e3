//! Evidence about one source by one protocol, added up over its attempts as they are read, sorted.
//!
//! The size does not grow with the source's activity: 64 Ki counters for each kind of port, which all sources
//! share, and lists of limited length. A scanner of the whole Internet costs no more than one of a few networks.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::answers::AttemptCounts;
use super::attempt::{Attempt, DARK, OPENED, REJECTED, STREAM, WORKED};
use crate::conversation::Address;
use crate::detect::threshold::percent;
use crate::detect::traffic::Traffic;
use crate::finding::{MAX_SAMPLES, Sample};
use crate::flow::UDP;

/// Networks that a finding can name. If a source probed more, the first ones are named.
const MAX_NETS: usize = 4096;
/// Networks scanned as a whole that are kept: those of a /8.
const MAX_WHOLE: usize = 1 << 16;
/// Hosts of one /24 (IPv6: /64) that make it a network scanned as a whole.
pub(super) const WHOLE: u64 = 200;
/// Distinct shapes that are counted.
const MAX_SHAPES: usize = 64;
/// Attempts whose times show the order of the targets.
const MAX_ORDER: usize = 4096;
/// Ports of unsolicited replies that are counted.
const MAX_SERVICES: usize = 64;
/// The ports of traceroute, which are unanswered by design.
const TRACEROUTE: std::ops::RangeInclusive<u16> = 33_434..=33_534;
/// The most ports that one horizontal scan may try.
pub(super) const TOP_PORTS: usize = 4;
/// Unsolicited replies from one port that make it the port of a service.
const REPLIES: u64 = 12;
/// The longest short step, in targets. Records that share a millisecond, or that were exported in another order,
/// may swap neighbours.
const SHORT_STEP: u32 = 3;

/// Counts of failures and successes by port.
#[derive(Debug)]
struct Ports {
    counts: Vec<PortCounts>,
    /// The ports whose counts are not zero.
    touched: Vec<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct PortCounts {
    failed: u32,
    worked: u32,
    /// True if the source completed a conversation there.
    spoke: bool,
}

impl Ports {
    fn new() -> Ports {
        Ports { counts: vec![PortCounts::default(); 1 << 16], touched: Vec::new() }
    }

    fn add_failed(&mut self, port: u16) {
        if let Some(counts) = self.touch(port) {
            counts.failed = counts.failed.saturating_add(1);
        }
    }

    fn add_worked(&mut self, port: u16) {
        if let Some(counts) = self.touch(port) {
            counts.worked = counts.worked.saturating_add(1);
        }
    }

    fn add_spoken(&mut self, port: u16) {
        if let Some(counts) = self.touch(port) {
            counts.spoke = true;
        }
    }

    fn touch(&mut self, port: u16) -> Option<&mut PortCounts> {
        let counts = self.counts.get_mut(usize::from(port))?;
        if *counts == PortCounts::default() {
            self.touched.push(port);
        }
        Some(counts)
    }

    /// Returns the ports with failures, in no order.
    fn failed(&self) -> impl Iterator<Item = TriedPort> {
        let tried = |port: &u16| {
            let counts = self.counts.get(usize::from(*port))?;
            let (failed, worked) = (counts.failed.into(), counts.worked.into());
            let spoke = counts.spoke;
            (failed > 0).then_some(TriedPort { port: *port, failed, worked, spoke })
        };
        self.touched.iter().filter_map(tried)
    }

    fn clear(&mut self) {
        for port in self.touched.drain(..) {
            if let Some(counts) = self.counts.get_mut(usize::from(port)) {
                *counts = PortCounts::default();
            }
        }
    }
}

/// A port at which attempts failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TriedPort {
    pub port: u16,
    /// Distinct hosts at which the port failed.
    pub failed: u64,
    /// Distinct hosts at which the port worked.
    pub worked: u64,
    /// True if the source completed a conversation at the port of some host.
    pub spoke: bool,
}

/// A network that a source probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probed {
    pub net: IpNet,
    /// Distinct hosts that the source tried to reach.
    pub hosts: u64,
    /// Hosts among these on which an attempt failed.
    pub failed: u64,
    /// Flows of the failed attempts.
    pub flows: u64,
}

/// The evidence about a source.
#[derive(Clone, Debug)]
pub(super) struct Evidence {
    pub src: IpAddr,
    pub proto: u8,
    /// Distinct (host, port) that worked.
    pub worked: u64,
    /// Distinct (host, port) that failed.
    pub failed: u64,
    /// Distinct hosts on which a port failed.
    pub hosts: u64,
    /// Distinct dark addresses among these hosts.
    pub dark: u64,
    /// Distinct ports that failed on some host.
    pub ports: u64,
    /// The ports that failed most, greatest first.
    pub top: Vec<TriedPort>,
    /// Failed and working ports of the host on which most ports failed.
    pub widest: (u64, u64),
    /// Networks in which an attempt failed, sorted.
    pub nets: Vec<IpNet>,
    /// Number of further networks that are not in `nets`.
    pub more_nets: u64,
    /// Networks scanned as a whole, most hosts of which failed, sorted.
    pub whole: Vec<Probed>,
    /// Hosts in the network with most hosts.
    pub most_hosts: u64,
    /// The commonest packets and bytes of a failed attempt, and the number of attempts that have them.
    pub shape: ((u32, u32), u64),
    /// Distinct (host, port) that refused an inside host, among the login ports of other inside hosts that it was not
    /// seen at before.
    pub refused: u64,
    /// Distinct login ports of other inside hosts that let an inside host in.
    pub let_in: u64,
    /// True if the source completed a TCP conversation with one of these hosts.
    pub spoke: bool,
    /// Distinct source ports of failed attempts.
    pub sports: u64,
    /// Distinct (host, port) that worked from the source port of most failed attempts.
    pub port_peers: u64,
    /// Failed attempts whose flags show that the source is the initiator.
    opened: u64,
    counts: AttemptCounts,
    /// Traffic of the failed attempts.
    pub traffic: Traffic,
    pub sample: Vec<Sample>,
    /// Short steps and all steps from one target to the next in time; both 0 if times are unknown.
    pub steps: (u64, u64),
    pub unsolicited: UnsolicitedReplies,
}

/// The login ports of inside hosts that an inside host came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LoginPorts {
    /// Login ports that refused it and at which it was not seen before.
    pub refused: u64,
    /// Login ports that let it in.
    pub let_in: u64,
}

/// Replies of a source to requests that its peers never sent.
#[derive(Clone, Debug, Default)]
pub(super) struct UnsolicitedReplies {
    /// Hosts that received one.
    pub hosts: u64,
    /// Dark addresses among these hosts.
    pub dark: u64,
    /// The source port of most of them, and how many it sent.
    pub top: (u16, u64),
    pub traffic: Traffic,
    pub sample: Vec<Sample>,
}

/// A builder of the evidence of one source after the other.
#[derive(Debug)]
pub(super) struct Builder<A> {
    src: A,
    proto: u8,
    worked: u64,
    failed: u64,
    hosts: u64,
    dark: u64,
    ports: Ports,
    widest: (u64, u64),
    nets: Vec<IpNet>,
    more_nets: u64,
    whole: Vec<Probed>,
    most_hosts: u64,
    /// The network of the current host.
    net: Option<Probed>,
    shapes: HashMap<(u32, u32), u64, RandomState>,
    sports: Ports,
    spoke: bool,
    opened: u64,
    flagged: u64,
    rejected: u64,
    traffic: Traffic,
    sample: Vec<Sample>,
    times: Vec<TargetAt>,
    unsolicited: UnsolicitedReplies,
    /// Source ports of unsolicited replies, with the number of replies.
    services: Vec<(u16, u64)>,
    last_unsolicited: Option<A>,
    host: Option<CurrentHost<A>>,
}

/// A target, and the time at which it was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TargetAt {
    start: u32,
    address: u32,
    port: u16,
}

/// The host whose attempts are being read.
#[derive(Clone, Copy, Debug)]
struct CurrentHost<A> {
    host: A,
    failed: u64,
    worked: u64,
    is_dark: bool,
    /// True if the source completed a conversation with it.
    spoke: bool,
    /// Flows of the failed attempts.
    flows: u64,
}

impl<A: Address> Builder<A> {
    pub(super) fn new() -> Builder<A> {
        Builder {
            src: A::default(),
            proto: 0,
            worked: 0,
            failed: 0,
            hosts: 0,
            dark: 0,
            ports: Ports::new(),
            widest: (0, 0),
            nets: Vec::new(),
            more_nets: 0,
            whole: Vec::new(),
            most_hosts: 0,
            net: None,
            shapes: HashMap::default(),
            sports: Ports::new(),
            spoke: false,
            opened: 0,
            flagged: 0,
            rejected: 0,
            traffic: Traffic::NONE,
            sample: Vec::new(),
            times: Vec::new(),
            unsolicited: UnsolicitedReplies::default(),
            services: Vec::new(),
            last_unsolicited: None,
            host: None,
        }
    }

    /// Begins a new source.
    pub(super) fn begin(&mut self, src: A, proto: u8) {
        (self.src, self.proto) = (src, proto);
        (self.worked, self.failed, self.hosts, self.dark) = (0, 0, 0, 0);
        (self.widest, self.more_nets, self.most_hosts) = ((0, 0), 0, 0);
        (self.opened, self.flagged, self.rejected) = (0, 0, 0);
        self.spoke = false;
        self.traffic = Traffic::NONE;
        (self.host, self.net) = (None, None);
        self.whole.clear();
        self.ports.clear();
        self.sports.clear();
        self.nets.clear();
        self.shapes.clear();
        self.sample.clear();
        self.times.clear();
        self.unsolicited = UnsolicitedReplies::default();
        self.services.clear();
        self.last_unsolicited = None;
    }

    /// Adds an attempt of the source; attempts come in the order of their rows. `streams_work` says that traffic
    /// in one direction shows that the target exists, because only one direction is exported.
    pub(super) fn add(&mut self, attempt: &Attempt<A>, streams_work: bool) {
        if attempt.unsolicited {
            return self.add_unsolicited(attempt);
        }
        if self.host.is_none_or(|current| current.host != attempt.dst) {
            self.end_host();
            self.host = Some(CurrentHost {
                host: attempt.dst,
                failed: 0,
                worked: 0,
                is_dark: false,
                spoke: false,
                flows: 0,
            });
        }
        let Some(current) = &mut self.host else { return };
        if attempt.spoke {
            current.spoke = true;
            self.ports.add_spoken(attempt.port);
        }
        if !attempt.is_failed() {
            if attempt.has(WORKED) || streams_work && attempt.has(STREAM) {
                self.sports.add_worked(attempt.sport);
                current.worked += 1;
                self.worked += 1;
                self.ports.add_worked(attempt.port);
            }
            return;
        }
        if is_excused(attempt, &self.services) {
            return;
        }
        current.failed += 1;
        current.is_dark |= attempt.has(DARK);
        current.flows += u64::from(attempt.flows);
        self.failed += 1;
        self.ports.add_failed(attempt.port);
        self.sports.add_failed(attempt.sport);
        self.opened += u64::from(attempt.has(OPENED));
        self.flagged += u64::from(attempt.flags != 0);
        self.rejected += u64::from(attempt.has(REJECTED));
        let has_room = self.shapes.len() < MAX_SHAPES;
        match self.shapes.get_mut(&attempt.shape()) {
            Some(count) => *count += 1,
            None if has_room => _ = self.shapes.insert(attempt.shape(), 1),
            None => {}
        }
        self.traffic.add(attempt.traffic());
        if self.sample.len() < MAX_SAMPLES {
            self.sample.push(attempt.sample());
        }
        if attempt.start != 0 && self.times.len() < MAX_ORDER {
            let (address, port) = (attempt.dst.low(), attempt.port);
            self.times.push(TargetAt { start: attempt.start, address, port });
        }
    }

    fn add_unsolicited(&mut self, attempt: &Attempt<A>) {
        if attempt.has(STREAM) {
            return;
        }
        let unsolicited = &mut self.unsolicited;
        let has_room = self.services.len() < MAX_SERVICES;
        match self.services.iter_mut().find(|(port, _)| *port == attempt.sport) {
            Some((_, count)) => *count += 1,
            None if has_room => self.services.push((attempt.sport, 1)),
            None => {}
        }
        if self.last_unsolicited.replace(attempt.dst) != Some(attempt.dst) {
            unsolicited.hosts += 1;
            unsolicited.dark += u64::from(attempt.has(DARK));
        }
        unsolicited.traffic.add(attempt.traffic());
        if unsolicited.sample.len() < MAX_SAMPLES {
            unsolicited.sample.push(attempt.sample());
        }
    }

    fn end_host(&mut self) {
        let Some(current) = self.host.take() else { return };
        let CurrentHost { host, failed, worked, is_dark, spoke, flows } = current;
        if failed + worked == 0 {
            return;
        }
        self.hosts += u64::from(failed > 0);
        self.dark += u64::from(is_dark);
        self.spoke |= spoke && failed > 0;
        self.widest = self.widest.max((failed, worked));
        let net = host.prefix();
        if self.net.is_none_or(|last| last.net != net) {
            self.end_net();
        }
        let last = self.net.get_or_insert(Probed { net, hosts: 0, failed: 0, flows: 0 });
        last.hosts += 1;
        last.failed += u64::from(failed > 0);
        last.flows += flows;
    }

    fn end_net(&mut self) {
        let Some(net) = self.net.take() else { return };
        self.most_hosts = self.most_hosts.max(net.hosts);
        if net.failed == 0 {
            return;
        }
        if self.nets.len() < MAX_NETS {
            self.nets.push(net.net);
        } else {
            self.more_nets += 1;
        }
        let is_whole = net.hosts >= WHOLE && net.failed * 2 >= net.hosts;
        if is_whole && self.whole.len() < MAX_WHOLE {
            self.whole.push(net);
        }
    }

    /// Returns the evidence about the source, all of whose attempts were added.
    pub(super) fn end(&mut self, login_ports: LoginPorts) -> Evidence {
        self.end_host();
        self.end_net();
        let mut counts = AttemptCounts {
            all: self.failed,
            flagged: self.flagged,
            rejected: self.rejected,
            sports: self.sports.failed().count() as u64,
            ..AttemptCounts::default()
        };
        let own = self.sports.failed().max_by_key(|own| (own.failed, own.worked));
        let mut top: Vec<TriedPort> = self.ports.failed().collect();
        top.iter().for_each(|tried| counts.add_port(tried.port, tried.failed));
        top.sort_unstable_by_key(|tried| (std::cmp::Reverse(tried.failed), tried.port));
        top.truncate(TOP_PORTS);
        let shape = self.shapes.iter().map(|(shape, count)| (*count, std::cmp::Reverse(*shape)));
        let shape = shape.max().map_or(((0, 0), 0), |(count, shape)| (shape.0, count));
        self.services.sort_unstable_by_key(|&(port, count)| (std::cmp::Reverse(count), port));
        self.unsolicited.top = self.services.first().copied().unwrap_or_default();
        Evidence {
            src: self.src.ip(),
            proto: self.proto,
            worked: self.worked,
            failed: self.failed,
            hosts: self.hosts,
            dark: self.dark,
            ports: counts.ports,
            top,
            widest: self.widest,
            nets: self.nets.clone(),
            more_nets: self.more_nets,
            whole: self.whole.clone(),
            most_hosts: self.most_hosts,
            shape,
            refused: login_ports.refused,
            let_in: login_ports.let_in,
            spoke: self.spoke,
            sports: counts.sports,
            port_peers: own.map_or(0, |own| own.worked),
            opened: self.opened,
            counts,
            traffic: self.traffic,
            sample: self.sample.clone(),
            steps: steps(&mut self.times, self.hosts),
            unsolicited: self.unsolicited.clone(),
        }
    }
}

/// Returns true if the failure of an attempt means nothing. The packets of traceroute are never answered. An
/// attempt from a port that also sent unsolicited replies is a reply too, unless flags say otherwise.
fn is_excused<A: Address>(attempt: &Attempt<A>, services: &[(u16, u64)]) -> bool {
    if attempt.proto == UDP && TRACEROUTE.contains(&attempt.port) {
        return true;
    }
    let replies = services.iter().find(|(port, _)| *port == attempt.sport);
    !attempt.has(OPENED) && replies.is_some_and(|(_, count)| *count >= REPLIES)
}

/// Returns how many steps from one target to the next in time are short, and how many there are. A step goes from
/// address to address, or on a single host from port to port. Its length counts the targets that lie between, so
/// that a walk through every tenth address has short steps.
fn steps(times: &mut [TargetAt], hosts: u64) -> (u64, u64) {
    times.sort_unstable();
    let place = |at: &TargetAt| if hosts == 1 { u32::from(at.port) } else { at.address };
    let mut places: Vec<u32> = times.iter().map(place).collect();
    let mut sorted = places.clone();
    sorted.sort_unstable();
    sorted.dedup();
    for place in &mut places {
        *place = sorted.partition_point(|other| other < place) as u32;
    }
    places.dedup();
    let is_short = |step: &&[u32]| matches!(step, [a, b] if a.abs_diff(*b) <= SHORT_STEP);
    let short = places.windows(2).filter(is_short);
    (short.count() as u64, places.len().saturating_sub(1) as u64)
}

impl Evidence {
    /// Returns the share of failures among all attempts, in percent.
    pub(super) fn failed_percent(&self) -> u64 {
        percent(self.failed, self.failed + self.worked)
    }

    /// Returns true if the attempts may be answers of an unknown service: they come from one port, go to another
    /// port on nearly each host, and no flags say otherwise. A flooded server answers forged clients like that,
    /// and no scanner tries another port on each host.
    pub(super) fn may_be_answers(&self) -> bool {
        let is_scattered = self.ports * 10 >= self.failed * 9;
        let is_fixed = self.sports == 1 && self.failed > 1;
        (self.opened == 0 && is_fixed && is_scattered) || self.are_answers()
    }

    /// Returns true if the attempts are probably resets, or SYN and ACK, of a server at an unknown port.
    pub(super) fn are_answers(&self) -> bool {
        self.counts.may_be_answers(self.proto)
    }

    /// Returns the ports that the source is after: the fewest ports, up to [`TOP_PORTS`], that make at least half
    /// of all failures.
    pub(super) fn focus(&self) -> Focus {
        let mut focus = Focus { ports: Vec::new(), failed: 0, worked: 0 };
        for tried in &self.top {
            if focus.failed * 2 >= self.failed {
                break;
            }
            focus.ports.push(tried.port);
            focus.failed += tried.failed;
            focus.worked += tried.worked;
        }
        focus
    }

    /// Returns the port that failed most; it has no failures if there was none.
    pub(super) fn top_port(&self) -> TriedPort {
        self.top.first().copied().unwrap_or_default()
    }
}

/// The ports that a source is after, with their failures and successes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Focus {
    ports: Vec<u16>,
    pub failed: u64,
    pub worked: u64,
}

impl Focus {
    /// Returns the port, if there is only one.
    pub(super) fn port(&self) -> Option<u16> {
        match self.ports.as_slice() {
            [port] => Some(*port),
            _ => None,
        }
    }
}
