//! Floods while they go on: what came so far, judged every ten seconds of the flows' own time.
//!
//! What is judged at the end of a window is all of it, from the first flow on. Meanwhile each slice is put
//! together by itself, and of what it comes to only that is carried into the next which may yet become a
//! flood: the events of hosts, and of networks, upon which enough came in vain. So a slice costs what its
//! flows cost and not what the window does, and who drowns is told at the first slice's end at which what
//! came so far is enough for the whole window.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::class::{DDOS, DOS, OUTBOUND, REFLECTION, VOLUME};
use super::event::{Event, EventKind, Events};
use super::events::EventWriter;
use super::evidence::InputProfile;
use super::traffic::Counts;
use super::victims::HostSummary;
use super::{CARPET, Flood, FloodJudge, Setup, carpet};
use crate::conversation::{Address, AnswerRate, Conversations, PairedFlows};
use crate::detect::Site;
use crate::detect::threshold::{self, Visibility};
use crate::finding::{Finding, Host, Role, UNKNOWN_SECONDS};
use crate::flow::{Flow, Networks, UDP};
use crate::time::Window;

/// Milliseconds of a slice.
const SLICE: u64 = 10_000;
/// Slices of ten minutes, which limits are for, and a little more: who has less than this part of a limit in
/// a slice is no flood yet.
const PARTS: u64 = 100;
/// What the pairing of one window weighs in the next, in directions of conversations.
const KEPT: u64 = 20;
/// Hosts of which it is remembered how many they served.
const MAX_SERVERS: usize = 1 << 18;

/// Flows after a slice's end that close it: a wrong clock is not the time.
const BEYOND: u32 = 8;
/// Milliseconds after the window's end beyond which no clock is believed.
const LATE: u64 = 120_000;

/// Of the memory, what the flows of a slice get, and what is carried.
const SHARES: u64 = 8;

/// Rows that are carried from one slice to the next, 32 octets each of IPv4. What has no room begins anew.
const MAX_CARRIED: u64 = 1 << 21;
/// What was carried is judged again when so many times its rows came since; with fewer rows, and after so
/// long by our own clock, always. So a file is read in the time that its rows take, be its window a day, and
/// who looks at what goes on waits for no slice.
const TIMES: u64 = 8;
const FEW: u64 = 1 << 16;
const PATIENCE: Duration = Duration::from_secs(1);
/// Rows of one host, and of the rest of one network.
const MAX_ROWS: usize = 1 << 16;
/// Hosts and networks that were told. With more, nobody else is before the window's end.
const MAX_TOLD: usize = 1 << 16;

/// What goes on in an open window.
#[derive(Debug)]
pub(super) struct Live {
    pub clock: Clock,
    pub slice: Conversations,
    /// Events of the slices before.
    pub carried: Events,
    told: AlreadyReported,
    /// Conversations that hosts served in the slices before.
    served: HashMap<IpAddr, u32, RandomState>,
    heard: AnswersSeen,
    /// Rows that were carried, flows since, and when that was.
    rows: u64,
    flows: u64,
    judged: Instant,
}

/// Whether answers come, and where their questions are, in this window and those before.
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswersSeen {
    pairing: PairedFlows,
    /// Some question came with its answer.
    is_answered: bool,
    /// Most answers come in a slice after the one of their questions.
    is_torn: bool,
}

impl AnswersSeen {
    /// What a slice said.
    fn hear(&mut self, pairing: PairedFlows, answers: &AnswerRate, is_answered: bool) {
        self.pairing.long_flows += pairing.long_flows;
        self.pairing.paired += pairing.paired;
        self.is_answered |= is_answered;
        self.is_torn = answers.is_outage().unwrap_or(self.is_torn);
    }

    /// What is left of it for the window after: enough to know until that says more.
    fn kept(&self) -> AnswersSeen {
        let PairedFlows { long_flows: long, paired } = self.pairing;
        let pairing = match threshold::known(self.pairing) {
            Some(_) => PairedFlows { long_flows: KEPT, paired: paired * KEPT / long.max(1) },
            None => self.pairing,
        };
        AnswersSeen { pairing, ..*self }
    }

    /// Of the input; `last` is what was remembered.
    fn answers(&self, last: Option<PairedFlows>) -> Visibility {
        match threshold::known(self.pairing).or(last) {
            _ if self.is_torn => Visibility::OneWay,
            // An export of one direction must not be taken for a site that is drowning before enough of it came.
            None if !self.is_answered => Visibility::OneWay,
            known => Visibility::of(known),
        }
    }
}

/// Whom it was told of in this window: once each.
#[derive(Debug, Default)]
pub(super) struct AlreadyReported {
    hosts: HashSet<IpAddr, RandomState>,
    nets: HashSet<IpNet, RandomState>,
}

impl AlreadyReported {
    fn add(&mut self, finding: &Finding) {
        match finding.host {
            // Who attacks many is told with each of them.
            Host::Address(_) if finding.role == Role::Source && finding.class != OUTBOUND.name => {}
            Host::Address(host) => _ = self.hosts.insert(host),
            Host::Prefix(net) => _ = self.nets.insert(net),
        }
    }

    /// Nobody else can be told.
    fn is_full(&self) -> bool {
        self.hosts.len() + self.nets.len() >= MAX_TOLD
    }
}

impl Live {
    pub(super) fn new(site: &Site, setup: &Setup) -> Live {
        // What was heard in the window before counts until this one says enough.
        Live {
            clock: Clock::default(),
            slice: Conversations::with_outside_interfaces(
                site.memory / SHARES,
                setup.outside_if.clone(),
            ),
            carried: Events::new(site.memory / SHARES),
            told: AlreadyReported::default(),
            served: HashMap::default(),
            heard: setup.heard.get().kept(),
            rows: 0,
            flows: 0,
            judged: Instant::now(),
        }
    }

    /// Whether it is worth to judge again what was carried, now that a slice is over.
    fn is_due(&self) -> bool {
        let is_enough = self.rows < FEW || self.flows.saturating_mul(TIMES) >= self.rows;
        is_enough || self.judged.elapsed() >= PATIENCE
    }

    /// Flows of the slice.
    pub(super) fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.clock.see(flows);
        self.flows += flows.len() as u64;
        // Who is active is known of all of the window.
        self.slice.add(flows, &Networks::default())
    }
}

impl Flood {
    /// What came so far of the window, if a slice of it is over: those for whom it is enough.
    pub(super) fn slice(&mut self, window: Window) -> io::Result<Vec<Finding>> {
        let Some(live) = &mut self.live else { return Ok(Vec::new()) };
        if !live.clock.is_over(window) || !live.is_due() {
            return Ok(Vec::new());
        }
        (live.flows, live.judged) = (0, Instant::now());
        let (site, setup) = (&self.site, &self.setup);
        let sampling = self.conversations.sampling();
        let (sampled, sampling) = (sampling.is_sampled(), sampling.usual());
        let mut fresh =
            Conversations::with_outside_interfaces(site.memory / SHARES, setup.outside_if.clone());
        // A rate is over the whole window, not over a slice.
        fresh.rate_over(super::seconds(Some(window)));
        let slice = std::mem::replace(&mut live.slice, fresh);
        let events = std::mem::replace(&mut live.carried, Events::new(site.memory / SHARES));
        let mut emitter = EventWriter::new(site, events, setup.least_sent(SLICE / 1000)).live();
        let pairing = slice.visit(sampled, &mut emitter)?;
        if let Some((answers, is_answered)) = emitter.heard() {
            live.heard.hear(pairing, answers, is_answered);
            setup.heard.set(live.heard);
        }
        let memory = setup.memory.as_ref().map(std::cell::RefCell::borrow_mut);
        let last = memory.as_ref().and_then(|memory| memory.pairing());
        let view = InputProfile { site, answers: live.heard.answers(last), sampled, live: true };
        let active = self.conversations.active();
        let mut judge = FloodJudge::new(setup, view, sampling, Some(window), active, memory);
        judge.is_new = false;
        let seen = |limit: u64| (limit / PARTS / sampling).max(1);
        let flows = setup.least(&DOS).min(setup.least(&DDOS));
        // What is too much a second is so over the whole window.
        let volume = setup.least(&VOLUME).saturating_mul(UNKNOWN_SECONDS.into());
        let packets = setup.least(&REFLECTION).min(volume);
        judge.carry = Some(CarryOver {
            next: &mut live.carried,
            told: &live.told,
            served: &mut live.served,
            least: (seen(flows), seen(packets)),
            least_net: seen(setup.own(CARPET, carpet::LARGE.1)),
            rows: 0,
            left: 0,
        });
        judge.all(emitter.into_events()?)?;
        let left = judge.carry.as_ref().map_or(0, |carry| carry.left);
        let rows = judge.carry.as_ref().map_or(0, |carry| carry.rows);
        let findings = judge.end(None).findings;
        setup.forgotten.set(setup.forgotten.get() + left);
        findings.iter().for_each(|finding| live.told.add(finding));
        live.rows = rows;
        Ok(findings)
    }
}

/// The time of the flows that go by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    /// When the slice ends, and the last moment that is believed, in Unix milliseconds; 0 before a window is
    /// known.
    until: u64,
    last: u64,
    /// Flows beyond the slice, and the first moment of these.
    beyond: u32,
    first: u64,
}

impl Clock {
    /// Flows go by.
    pub(super) fn see(&mut self, flows: &[Flow]) {
        for time in flows.iter().filter_map(|flow| flow.end.or(flow.start)) {
            let millis = time.nanos() / 1_000_000;
            if millis >= self.until && millis <= self.last {
                self.first = if self.beyond == 0 { millis } else { self.first.min(millis) };
                self.beyond += 1;
            }
        }
    }

    /// Whether a slice of this window is over; the next one begins.
    pub(super) fn is_over(&mut self, window: Window) -> bool {
        if self.until == 0 {
            self.until = window.start() * 1000 + SLICE;
            self.last = window.end() * 1000 + LATE;
        }
        let is_over = self.beyond >= BEYOND;
        if is_over {
            self.until = (self.first / SLICE + 1) * SLICE;
            self.beyond = 0;
        }
        is_over
    }
}

/// Takes what may yet become a flood into the next slice.
#[derive(Debug)]
pub(super) struct CarryOver<'a> {
    pub next: &'a mut Events,
    pub told: &'a AlreadyReported,
    pub served: &'a mut HashMap<IpAddr, u32, RandomState>,
    /// Less of a host: conversations in vain, and packets, and so many packets of a network.
    pub least: (u64, u64),
    pub least_net: u64,
    pub rows: u64,
    /// Rows that had no room.
    pub left: u64,
}

impl CarryOver<'_> {
    pub(super) fn has_reported(&self, host: IpAddr) -> bool {
        self.told.is_full() || self.told.hosts.contains(&host)
    }

    pub(super) fn has_reported_net(&self, net: IpNet) -> bool {
        let mut wider = std::iter::successors(Some(net), IpNet::supernet);
        self.told.is_full() || wider.any(|net| self.told.nets.contains(&net))
    }

    fn push<A: Address>(&mut self, events: &[Event<A>]) -> io::Result<()> {
        let rests = events.iter().filter(|event| event.has_rest()).count();
        let rows = (events.len() + rests) as u64;
        if self.rows + rows > MAX_CARRIED {
            self.left += events.len() as u64;
            return Ok(());
        }
        self.rows += rows;
        events.iter().try_for_each(|event| self.next.push(event))
    }

    /// A host that is not flooded so far.
    pub(super) fn host<A: Address>(
        &mut self,
        baggage: &mut HostRows<A>,
        glance: &HostSummary,
    ) -> io::Result<()> {
        let may_drown = glance.failed >= self.least.0 || glance.per_window.packets >= self.least.1;
        if may_drown || glance.sent > 0 {
            self.push(&baggage.events)?;
        } else {
            baggage.stays();
        }
        if let Some((host, flows)) = baggage.served {
            let is_full = self.served.len() >= MAX_SERVERS;
            match self.served.get_mut(&host.ip()) {
                Some(served) => *served = served.saturating_add(flows),
                None if is_full => {}
                None => _ = self.served.insert(host.ip(), flows),
            }
        }
        Ok(())
    }

    /// What a host served in the slices before.
    pub(super) fn served(&self, host: IpAddr) -> u64 {
        self.served.get(&host).copied().unwrap_or(0).into()
    }

    /// A network, all of whose hosts went by.
    pub(super) fn net<A: Address>(
        &mut self,
        baggage: &mut HostRows<A>,
        net: IpNet,
        sums: Counts,
        packets: u64,
    ) -> io::Result<()> {
        let times = if carpet::is_large(sums) { 1 } else { carpet::PACKETS / carpet::LARGE.1 };
        if packets >= self.least_net.saturating_mul(times) && !self.has_reported_net(net) {
            self.push(&baggage.rest)?;
        }
        baggage.rest.clear();
        Ok(())
    }
}

/// What there is to carry of the host that goes by, and of the others of its network.
#[derive(Debug)]
pub(super) struct HostRows<A> {
    events: Vec<Event<A>>,
    /// The host, if it served, and how many conversations.
    served: Option<(A, u32)>,
    /// What came in vain upon hosts that are not carried themselves.
    rest: Vec<Event<A>>,
}

impl<A: Address> HostRows<A> {
    pub(super) fn new() -> HostRows<A> {
        HostRows { events: Vec::new(), served: None, rest: Vec::new() }
    }

    pub(super) fn add(&mut self, event: &Event<A>) {
        match event.kind {
            EventKind::Served => {
                let (_, flows) = self.served.get_or_insert((event.host, 0));
                *flows = flows.saturating_add(event.flows);
            }
            // Whose answers by UDP are wanted must be known; of TCP that shows by itself.
            EventKind::Opened if event.proto != UDP => {}
            _ if self.events.len() < MAX_ROWS => self.events.push(*event),
            _ => {}
        }
    }

    /// The host is not carried; its network may be.
    fn stays(&mut self) {
        let in_vain =
            |event: &&Event<A>| matches!(event.kind, EventKind::Failed | EventKind::Unsolicited);
        let room = MAX_ROWS - self.rest.len().min(MAX_ROWS);
        self.rest.extend(self.events.iter().filter(in_vain).take(room));
    }

    /// The host is over.
    pub(super) fn end(&mut self) {
        self.events.clear();
        self.served = None;
    }
}
