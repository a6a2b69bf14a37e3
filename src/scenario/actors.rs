//! The actors of a scenario: their addresses, their turns in a window, and the count of what they did.
//!
//! Each has dice of its own, so that one more actor changes nothing of the others. A window's flows
//! are drawn as they are needed: held are only those of conversations that have begun and are not yet
//! exported, some half a minute's.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use super::action::ActionCtx;
use super::actor::{Actor, Home, MAX_ACTORS, Play, With};
use super::campus::{Campus, INSIDE, UPLINK, ip, world};
use super::draw::{Dice, Order, mix};
use super::plan::Error;
use super::record::{flow, settle};
use super::script::Script;
use super::traffic::ACTIVE;
use super::{floods, innocents, scans, worms};
use crate::finding::MAX_SAMPLES;
use crate::flow::{Flow, ICMP};
use crate::time::{Timestamp, Window};

/// Where inside actors live: 140.119.240.0 to 140.119.254.255, .1 to .254 of each /24.
const ROOMS: (u32, u32) = (240, 15);
/// Hosts of a /24 that have addresses.
const HOSTS: u32 = 254;
/// Scanners live beyond the paper's own, 203.0.113.45, and when that is full in TEST-NET-1 beyond the
/// exporters.
const FIRST: (u32, u32) = (ip(203, 0, 113, 46), 209);
const SECOND: (u32, u32) = (ip(192, 0, 2, 10), 245);
/// The first group's network.
const GROUP: u32 = ip(198, 51, 100, 0);
/// Sources of a group.
pub(super) const SOURCES: u8 = 16;

/// The end of a window in which no actor takes a turn, in nanoseconds, so that all flows are exported
/// before it is over.
const REST: u64 = 30_000_000_000;
/// How many milliseconds a turn has that begins at its moment: questions then follow each other in
/// their order. Of a longer one the first flow is exported then; else it would reach past the window.
const SHORT: u64 = 10_000;

/// The address of one of the sources of a group's network.
pub(super) const fn source(network: u32, number: u32) -> u32 {
    network | (32 + number)
}

/// One actor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) actor: Actor,
    /// Which of its kind it is, from 0.
    pub(super) number: u32,
    pub(super) size: u32,
    /// Its address; of a group, the network.
    pub(super) host: u32,
    /// Two more addresses of the kind of home that inside actors have, if it takes hosts over.
    pub(super) taken: [u32; 2],
    /// A hash of seed, kind and number: what it does in every window alike depends on this.
    pub(super) key: u64,
}

/// One of the things that an actor does at the same time, each with turns and dice of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// What it is there for.
    Main,
    /// Its ordinary visitors.
    Visitors,
    /// What the hosts do that it took over.
    First,
    Second,
}

const STRANDS: [Activity; 4] =
    [Activity::Main, Activity::Visitors, Activity::First, Activity::Second];

/// When a strand takes its turns in a window.
#[derive(Clone, Copy, Debug)]
struct Pace {
    turns: u32,
    /// Nanoseconds from the window's start, and for how many.
    from: u64,
    span: u64,
    /// Whether a turn is exactly at the beginning of its share of them.
    exact: bool,
}

/// How long a flood lasts that does not last the whole window, and a rush to a server, in nanoseconds.
const BURST: u64 = 120_000_000_000;
const RUSH: u64 = 90_000_000_000;
/// Whom the first of a chain asks in a window.
const CHAINED: u32 = 200;

impl Member {
    /// How many addresses of a kind of home it has.
    fn places(&self, home: Home) -> u32 {
        let takes = self.actor == Actor::Chain && home == Home::Inside;
        u32::from(self.actor.home() == home) + if takes { 2 } else { 0 }
    }

    pub(super) fn sources(&self) -> u8 {
        if self.actor == Actor::Group { SOURCES } else { 1 }
    }

    /// Whether all of it comes at once, somewhere in the window: every second flood does.
    pub(super) fn bursts(&self) -> bool {
        self.actor.play() == Play::Flood && !self.streams() && self.number % 2 == 1
    }

    /// Whether the truth counts what it gets, not what it sends.
    fn receives(&self) -> bool {
        self.actor.play() == Play::Flood && self.actor != Actor::Outbound
    }

    /// Whether its size is packets a second, of flows that never end.
    pub(super) fn streams(&self) -> bool {
        let innocent = matches!(self.actor, Actor::Download | Actor::Upload | Actor::Stream);
        innocent || matches!(self.actor, Actor::Outbound | Actor::Volume)
    }

    /// Milliseconds after which the router cuts a flow that never ends: the active timeout, or sooner
    /// if the octets would not fit in 32 bits.
    pub(super) fn cut(&self) -> u32 {
        let mut cut = ACTIVE;
        while u64::from(cut) / 1000 * u64::from(self.size) * MTU > u64::from(u32::MAX) {
            cut /= 2;
        }
        cut
    }

    /// Turns of each strand in a window.
    fn turns(&self, strand: Activity) -> u32 {
        match (strand, self.actor) {
            // A flow of each peer in each half of the window: longer than five minutes is none.
            (Activity::Main, Actor::Vpn) => 2 * self.size,
            (Activity::Main, Actor::Chain) => CHAINED,
            (Activity::Main, _) => self.size,
            (Activity::Visitors, Actor::Volume) => 60,
            (Activity::Visitors, Actor::Opening) => 10 + self.size / 20,
            (Activity::Visitors, Actor::Carpet | Actor::Outbound | Actor::OutSyn) => 0,
            (Activity::Visitors, actor) if actor.play() == Play::Flood => 6,
            (Activity::First | Activity::Second, Actor::Chain) => self.size,
            (Activity::Visitors | Activity::First | Activity::Second, _) => 0,
        }
    }

    /// Which turns infect the next one in the first window: of the first of a chain and of the second.
    pub(super) fn infects(&self) -> [u32; 2] {
        [CHAINED / 12, self.size * 3 / 8]
    }

    fn strands(&self) -> impl Iterator<Item = Activity> + use<> {
        let member = *self;
        STRANDS.into_iter().filter(move |&strand| member.turns(strand) > 0)
    }

    fn pace(&self, strand: Activity, window: Window, index: u32) -> Pace {
        let whole = u64::from(window.seconds()) * 1_000_000_000;
        let (turns, span) = (self.turns(strand), whole - REST);
        let place = |room: u64| mix(self.key, window.start()) % room.max(1);
        match strand {
            Activity::Main if self.streams() => {
                let cut = u64::from(self.cut()) * 1_000_000;
                // The same in every window, so that the pieces meet.
                let from = self.key % (cut / 5 * 4);
                let turns = (whole / cut).max(1);
                Pace { turns: turns as u32, from, span: turns * cut, exact: true }
            }
            Activity::Main if self.bursts() || self.actor == Actor::Opening => {
                let burst = if self.bursts() { BURST } else { RUSH }.min(span);
                Pace { turns, from: place(span - burst), span: burst, exact: false }
            }
            Activity::First | Activity::Second if index == 0 => {
                // When the turn is over that infects it, and it has looked around.
                let [first, second] = self.infects();
                let look = span / 32;
                let one = span / u64::from(CHAINED) * u64::from(first + 1) + look;
                let share = (span - one) / u64::from(self.size);
                let two = (one + share * u64::from(second + 1) + look).min(span - look);
                let from = if strand == Activity::First { one } else { two };
                Pace { turns, from, span: span - from, exact: false }
            }
            _ => Pace { turns, from: 0, span, exact: false },
        }
    }
}

/// The longest packet.
const MTU: u64 = 1_500;

/// All actors of a scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Actors(Vec<Member>);

impl Actors {
    pub(super) fn new(seed: u64, campus: &Campus, with: &[With]) -> Result<Actors, Error> {
        let hosts = with.iter().map(|with| u64::from(with.count)).sum();
        if hosts > u64::from(MAX_ACTORS) {
            return Err(Error::Crowded { hosts });
        }
        let mut members: Vec<Member> = Vec::new();
        for &With { actor, size, count } in with {
            for _ in 0..count {
                let of_kind = members.iter().filter(|member| member.actor == actor);
                let number = of_kind.count() as u32;
                let home = actor.home();
                let places = |of| members.iter().map(|m: &Member| m.places(of)).sum::<u32>();
                let host = address(seed, campus, home, places(home));
                let taken = [0, 1].map(|n| match actor {
                    Actor::Chain => address(seed, campus, Home::Inside, places(Home::Inside) + n),
                    _ => 0,
                });
                // A kind's place in the table may change, its name does not.
                let name = actor.name().bytes().fold(0, |key, byte| mix(key, u64::from(byte)));
                let key = mix(mix(seed, name), u64::from(number));
                members.push(Member { actor, number, size, host, taken, key });
            }
        }
        Ok(Actors(members))
    }

    #[cfg(test)]
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The address of the actor that came to a kind of home as number `place`.
fn address(seed: u64, campus: &Campus, home: Home, place: u32) -> u32 {
    let order = |purpose, n| Order::new(mix(seed, purpose), n);
    match home {
        Home::Inside => {
            let room = order(0x1005, ROOMS.1 * HOSTS).at(u64::from(place));
            INSIDE | ((ROOMS.0 + room / HOSTS) << 8) | (1 + room % HOSTS)
        }
        Home::Scanner => match place.checked_sub(FIRST.1) {
            None => FIRST.0 + order(0x5ca1, FIRST.1).at(u64::from(place)),
            Some(place) => SECOND.0 + order(0x5ca2, SECOND.1).at(u64::from(place)),
        },
        Home::Group if place == 0 => GROUP,
        Home::Group => elsewhere(seed, campus, 0x6409, place) & 0xffff_ff00,
        Home::Public => elsewhere(seed, campus, 0x9b11c, place),
        // Two that nobody lives in, and those of the rooms that the others' are not in.
        Home::Net if place % 2 == 0 => {
            let nets = [255, 0, 254, 253, 252];
            INSIDE | (nets[place as usize / 2 % nets.len()] << 8)
        }
        Home::Net => INSIDE | ((ROOMS.0 + 4 * (place / 2 % 3)) << 8),
    }
}

/// An address in a /16 of the world that nobody else has anything to do with.
fn elsewhere(seed: u64, campus: &Campus, purpose: u64, place: u32) -> u32 {
    let mut dice = Dice::new(seed, u64::from(place), purpose);
    loop {
        let address = world(&mut dice);
        if (1..255).contains(&(address & 0xff)) && !campus.nets.holds(address & 0xffff_0000) {
            return address;
        }
    }
}

/// Counts of one source's own direction, as played.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceCounts {
    pub(super) flows: u64,
    pub(super) packets: u64,
    pub(super) octets: u64,
    /// The other side of each flow, and the port that it went to.
    pub(super) targets: Vec<(u32, u16)>,
    pub(super) sample: Vec<Flow>,
}

impl SourceCounts {
    /// Adds the counts of another source.
    pub(super) fn add(&mut self, other: &SourceCounts) {
        self.flows += other.flows;
        self.packets += other.packets;
        self.octets += other.octets;
        self.targets.extend_from_slice(&other.targets);
        let room = MAX_SAMPLES - self.sample.len();
        self.sample.extend(other.sample.iter().take(room));
    }

    /// Counts a flow of somebody, or one to somebody that is `received`.
    fn count(&mut self, flow: &Flow, received: bool) {
        self.flows += 1;
        self.packets += flow.packets;
        self.octets += flow.octets;
        if let IpAddr::V4(target) = if received { flow.sip } else { flow.dip } {
            let port = if flow.proto == ICMP { 0 } else { flow.dport };
            self.targets.push((u32::from(target), port));
        }
        if self.sample.len() < MAX_SAMPLES {
            self.sample.push(*flow);
        }
    }
}

/// A strand of an actor in a window.
#[derive(Clone, Debug)]
struct ActorActivity {
    member: Member,
    strand: Activity,
    pace: Pace,
    script: Script,
    /// Turns taken.
    done: u32,
    tallies: Vec<SourceCounts>,
}

/// A flow that was drawn and has not arrived. The order is that of arrival; the rest makes it total.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PendingFlow {
    arrival: Timestamp,
    part: usize,
    number: u64,
    own: Option<u8>,
    flow: Flow,
}

/// The actors in one window.
#[derive(Clone, Debug)]
pub(super) struct WindowActors {
    seed: u64,
    window: Window,
    /// Which window it is, from 0.
    index: u32,
    parts: Vec<ActorActivity>,
    /// When each actor that has turns left takes its next.
    turns: BinaryHeap<Reverse<(Timestamp, usize)>>,
    held: BinaryHeap<Reverse<PendingFlow>>,
    drawn: u64,
}

impl WindowActors {
    pub(super) fn new(seed: u64, window: Window, index: u32, cast: &Actors) -> WindowActors {
        let strands = cast.0.iter().flat_map(|member| member.strands().map(|s| (*member, s)));
        let parts = strands.map(|(member, strand)| ActorActivity {
            member,
            strand,
            pace: member.pace(strand, window, index),
            script: Script::new(Dice::new(member.key, window.start(), 0xac7 + strand as u64)),
            done: 0,
            tallies: vec![SourceCounts::default(); usize::from(member.sources())],
        });
        let parts: Vec<ActorActivity> = parts.collect();
        let (turns, held) = (BinaryHeap::new(), BinaryHeap::new());
        let mut scene = WindowActors { seed, window, index, parts, turns, held, drawn: 0 };
        (0..scene.parts.len()).for_each(|part| scene.call(part));
        scene
    }

    /// Which window it is, from 0.
    pub(super) fn index(&self) -> u32 {
        self.index
    }

    /// Each strand of each actor with the counts of its sources.
    pub(super) fn tallies(&self) -> impl Iterator<Item = (&Member, Activity, &[SourceCounts])> {
        self.parts.iter().map(|part| (&part.member, part.strand, part.tallies.as_slice()))
    }

    /// Gives an actor the moment of its next turn: somewhere in its share of the window.
    fn call(&mut self, part: usize) {
        let ActorActivity { pace, script, done, .. } = &mut self.parts[part];
        let turns = u64::from(pace.turns);
        if u64::from(*done) < turns {
            let share = if pace.exact { 1 } else { (pace.span / turns).max(1) };
            let place = (u128::from(pace.span) * u128::from(*done) / u128::from(turns)) as u64;
            let moment = pace.from + place + script.dice.below_wide(share);
            let start = Timestamp::from_secs(self.window.start());
            self.turns.push(Reverse((Timestamp::from_nanos(start.nanos() + moment), part)));
        }
    }

    /// When the next flow arrives.
    pub(super) fn peek(&mut self, campus: &Campus) -> Option<Timestamp> {
        while let Some(&Reverse((moment, part))) = self.turns.peek() {
            if self.held.peek().is_some_and(|Reverse(held)| held.arrival <= moment) {
                break;
            }
            self.turns.pop();
            self.play(part, moment, campus);
            self.call(part);
        }
        self.held.peek().map(|Reverse(held)| held.arrival)
    }

    /// The next flow and its arrival.
    pub(super) fn next(&mut self, campus: &Campus) -> Option<(Timestamp, Flow)> {
        self.peek(campus)?;
        let Reverse(held) = self.held.pop()?;
        let ActorActivity { member, tallies, .. } = &mut self.parts[held.part];
        if let Some(tally) = held.own.and_then(|own| tallies.get_mut(usize::from(own))) {
            tally.count(&held.flow, member.receives());
        }
        Some((held.arrival, held.flow))
    }

    /// An actor's turn, whose flows arrive when the router is done with each: at `moment` or later.
    fn play(&mut self, part: usize, moment: Timestamp, campus: &Campus) {
        let ActorActivity { member, strand, script, done, .. } = &mut self.parts[part];
        let all = u64::from(self.index) * u64::from(member.turns(*strand)) + u64::from(*done);
        let (seed, index, strand, n) = (self.seed, self.index, *strand, *done);
        let turn = ActionCtx { seed, member, strand, campus, index, n, all };
        match (strand, member.actor.play()) {
            (Activity::Visitors, _) => innocents::visitor(&turn, script),
            (_, Play::Scan) => scans::turn(&turn, script),
            (_, Play::Flood) => floods::turn(&turn, script),
            (_, Play::Worm) => worms::turn(&turn, script),
            (_, Play::Innocent) => innocents::turn(&turn, script),
        }
        *done += 1;
        let mut legs = std::mem::take(&mut script.legs);
        let exported = legs.iter().map(|leg| leg.start + leg.millis + script.idle(leg));
        let exported: Vec<u64> = exported.collect();
        let lasts = legs.iter().map(|leg| leg.start + leg.millis).max();
        let first = match lasts {
            Some(SHORT..) => exported.iter().copied().min().unwrap_or(0),
            _ => 0,
        };
        let zero = (moment.nanos() / 1_000_000).saturating_sub(first);
        let last = Timestamp::from_nanos(Timestamp::from_secs(self.window.end()).nanos() - 1);
        for (leg, exported) in legs.drain(..).zip(exported) {
            let arrival = moment.offset(((exported - first) * 1_000_000) as i64).min(last);
            let end = zero + leg.start + leg.millis;
            let mut flow = flow(leg.proto, leg.from, leg.to, leg.heap, end, leg.millis);
            if leg.uplink {
                flow.sif = UPLINK;
            }
            let (number, own) = (self.drawn, leg.own);
            let flow = settle(flow, arrival);
            self.held.push(Reverse(PendingFlow { arrival, part, number, own, flow }));
            self.drawn += 1;
        }
        script.legs = legs;
    }
}
