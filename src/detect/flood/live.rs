//! Floods while they go on: what came so far, judged every ten seconds of the flows' own time.
//!
//! What is judged at the end of a window is all of it, from the first flow on. Meanwhile each slice is put
//! together by itself, and of what it comes to only that is carried into the next which may yet become a
//! flood: the events of hosts, and of networks, upon which enough came in vain. So a slice costs what its
//! flows cost and not what the window does, and who drowns is told at the first slice's end at which what
//! came so far is enough for the whole window.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::IpNet;

use super::class::{DDOS, DOS, OUTBOUND, REFLECTION, VOLUME};
use super::emit::Emitter;
use super::event::{Event, Events, Kind};
use super::evidence::{Counts, View};
use super::victims::Glance;
use super::{CARPET, Flood, Judge, Setup, carpet};
use crate::detect::Site;
use crate::detect::conversation::{Address, Conversations, Pairing};
use crate::detect::rule::{self, Answers};
use crate::finding::{Finding, Host, Role, UNKNOWN_SECONDS};
use crate::flow::{Flow, Networks, UDP};
use crate::time::Window;

/// Milliseconds of a slice.
const SLICE: u64 = 10_000;
/// Slices of ten minutes, which limits are for, and a little more: who has less than this part of a limit in
/// a slice is no flood yet.
const PARTS: u64 = 100;
/// Conversations of a slice from which on it is remembered that a host serves.
const SERVES: u32 = 20;

/// Flows after a slice's end that close it: a wrong clock is not the time.
const BEYOND: u32 = 8;
/// Milliseconds after the window's end beyond which no clock is believed.
const LATE: u64 = 120_000;

/// Of the memory, what the flows of a slice get, and what is carried.
const SHARES: u64 = 8;

/// Rows that are carried from one slice to the next, 32 octets each of IPv4. What has no room begins anew.
const MAX_CARRIED: u64 = 1 << 21;
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
    told: Told,
    pub pairing: Option<Pairing>,
}

/// Whom it was told of in this window: once each.
#[derive(Debug, Default)]
pub(super) struct Told {
    hosts: HashSet<IpAddr, RandomState>,
    nets: HashSet<IpNet, RandomState>,
}

impl Told {
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
        Live {
            clock: Clock::default(),
            slice: Conversations::at(site.memory / SHARES, setup.outside_if.clone()),
            carried: Events::new(site.memory / SHARES),
            told: Told::default(),
            pairing: None,
        }
    }

    /// Flows of the slice.
    pub(super) fn add(&mut self, flows: &[Flow]) -> io::Result<()> {
        self.clock.see(flows);
        // Who is active is known of all of the window.
        self.slice.add(flows, &Networks::default())
    }
}

impl Flood {
    /// What came so far of the window, if a slice of it is over: those for whom it is enough.
    pub(super) fn slice(&mut self, window: Window) -> io::Result<Vec<Finding>> {
        let Some(live) = &mut self.live else { return Ok(Vec::new()) };
        if !live.clock.is_over(window) {
            return Ok(Vec::new());
        }
        let (site, setup) = (&self.site, &self.setup);
        let sampling = self.conversations.sampling();
        let (sampled, sampling) = (sampling.is_sampled(), sampling.usual());
        let fresh = Conversations::at(site.memory / SHARES, setup.outside_if.clone());
        let slice = std::mem::replace(&mut live.slice, fresh);
        let events = std::mem::replace(&mut live.carried, Events::new(site.memory / SHARES));
        let mut emitter = Emitter::new(site, events, setup.least_sent(SLICE / 1000));
        let own = rule::known(slice.visit(sampled, &mut emitter)?);
        live.pairing = own.or(live.pairing);
        let memory = setup.memory.as_ref().map(std::cell::RefCell::borrow_mut);
        let last = memory.as_ref().and_then(|memory| memory.pairing());
        let view = View { site, answers: Answers::of(live.pairing.or(last)), sampled };
        let active = self.conversations.active();
        let mut judge = Judge::new(setup, view, sampling, Some(window), active, memory);
        judge.is_new = false;
        let seen = |limit: u64| (limit / PARTS / sampling).max(1);
        let flows = setup.least(&DOS).min(setup.least(&DDOS));
        // What is too much a second is so over the whole window.
        let volume = setup.least(&VOLUME).saturating_mul(UNKNOWN_SECONDS.into());
        let packets = setup.least(&REFLECTION).min(volume);
        judge.carry = Some(Carry {
            next: &mut live.carried,
            told: &live.told,
            least: (seen(flows), seen(packets)),
            least_net: seen(setup.own(CARPET, carpet::LARGE.1)),
            rows: 0,
            left: 0,
        });
        judge.all(emitter.into_events()?)?;
        let left = judge.carry.as_ref().map_or(0, |carry| carry.left);
        let findings = judge.end(None).findings;
        setup.forgotten.set(setup.forgotten.get() + left);
        findings.iter().for_each(|finding| live.told.add(finding));
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
pub(super) struct Carry<'a> {
    pub next: &'a mut Events,
    pub told: &'a Told,
    /// Less of a host: conversations in vain, and packets, and so many packets of a network.
    pub least: (u64, u64),
    pub least_net: u64,
    pub rows: u64,
    /// Rows that had no room.
    pub left: u64,
}

impl Carry<'_> {
    pub(super) fn has_told(&self, host: IpAddr) -> bool {
        self.told.is_full() || self.told.hosts.contains(&host)
    }

    pub(super) fn has_told_net(&self, net: IpNet) -> bool {
        let mut wider = std::iter::successors(Some(net), IpNet::supernet);
        self.told.is_full() || wider.any(|net| self.told.nets.contains(&net))
    }

    fn push<A: Address>(&mut self, events: &[Event<A>]) -> io::Result<()> {
        if self.rows + events.len() as u64 > MAX_CARRIED {
            self.left += events.len() as u64;
            return Ok(());
        }
        self.rows += events.len() as u64;
        events.iter().try_for_each(|event| self.next.push(event))
    }

    /// A host that is not flooded so far.
    pub(super) fn host<A: Address>(
        &mut self,
        baggage: &mut Baggage<A>,
        glance: &Glance,
    ) -> io::Result<()> {
        let may_drown = glance.tried >= self.least.0 || glance.stream.1 >= self.least.1;
        if may_drown || glance.sent > 0 {
            self.push(&baggage.events)?;
        } else {
            baggage.stays();
        }
        match baggage.served {
            Some(served) if may_drown || served.flows >= SERVES => self.push(&[served]),
            _ => Ok(()),
        }
    }

    /// A network, all of whose hosts went by.
    pub(super) fn net<A: Address>(
        &mut self,
        baggage: &mut Baggage<A>,
        net: IpNet,
        (_, packets, octets): Counts,
    ) -> io::Result<()> {
        let is_large = octets >= carpet::LARGE.0.saturating_mul(packets);
        let times = if is_large { 1 } else { carpet::PACKETS / carpet::LARGE.1 };
        if packets >= self.least_net.saturating_mul(times) && !self.has_told_net(net) {
            self.push(&baggage.rest)?;
        }
        baggage.rest.clear();
        Ok(())
    }
}

/// What there is to carry of the host that goes by, and of the others of its network.
#[derive(Debug)]
pub(super) struct Baggage<A> {
    events: Vec<Event<A>>,
    /// All that it served, as one.
    served: Option<Event<A>>,
    /// What came in vain upon hosts that are not carried themselves.
    rest: Vec<Event<A>>,
}

impl<A: Address> Baggage<A> {
    pub(super) fn new() -> Baggage<A> {
        Baggage { events: Vec::new(), served: None, rest: Vec::new() }
    }

    pub(super) fn add(&mut self, event: &Event<A>) {
        match event.kind {
            Kind::Served => {
                let of = |event: &Event<A>| Event {
                    host: event.host,
                    kind: Kind::Served,
                    flows: event.flows,
                    packets: event.packets,
                    octets: event.octets,
                    more: event.more,
                    ..Event::default()
                };
                match &mut self.served {
                    Some(served) => _ = served.absorb(&of(event)),
                    None => self.served = Some(of(event)),
                }
            }
            // Whose answers by UDP are wanted must be known; of TCP that shows by itself.
            Kind::Asked if event.proto != UDP => {}
            _ if self.events.len() < MAX_ROWS => self.events.push(*event),
            _ => {}
        }
    }

    /// The host is not carried; its network may be.
    fn stays(&mut self) {
        let in_vain = |event: &&Event<A>| matches!(event.kind, Kind::Tried | Kind::Unasked);
        let room = MAX_ROWS - self.rest.len().min(MAX_ROWS);
        self.rest.extend(self.events.iter().filter(in_vain).take(room));
    }

    /// The host is over.
    pub(super) fn end(&mut self) {
        self.events.clear();
        self.served = None;
    }
}
