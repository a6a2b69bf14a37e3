//! One actor of a scenario: its activities, when it acts in a window, and the counts of its sources.

use std::net::IpAddr;

use super::actor::{Actor, Family, Home};
use super::draw::mix;
use super::traffic::ACTIVE;
use crate::finding::MAX_SAMPLES;
use crate::flow::{Flow, ICMP, TCP, UDP};
use crate::time::Window;

/// The number of sources of a group.
pub(super) const SOURCES: u8 = 16;

/// The time before the end of a window in which no actor begins an action, in nanoseconds, so that all flows
/// are exported in the window.
const REST: u64 = 30_000_000_000;

/// Returns the address of one of the sources in the network of a group.
pub(super) const fn source(network: u32, number: u32) -> u32 {
    network | (32 + number)
}

/// One actor.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member {
    pub(super) actor: Actor,
    /// The number of the actor among those of its kind, from 0.
    pub(super) number: u32,
    /// The size, see [`With`](super::With).
    pub(super) size: u32,
    /// The address, or the network of a group.
    pub(super) host: u32,
    /// Two more inside addresses, of the hosts that a chain of infections takes over.
    pub(super) taken: [u32; 2],
    /// A hash of seed, kind and number. Everything that the actor does alike in every window depends on it.
    pub(super) key: u64,
}

/// An activity of an actor. The activities of an actor go on at the same time, each with actions and a random
/// generator of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// The behaviour that the kind is named for.
    Main,
    /// The ordinary visitors of the actor.
    Visitors,
    /// The scans of the first host that the actor infected.
    First,
    /// The scans of the host that the first one infected.
    Second,
}

const ACTIVITIES: [Activity; 4] =
    [Activity::Main, Activity::Visitors, Activity::First, Activity::Second];

/// The times of the actions of an activity in a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// The number of actions. The span is divided into as many shares.
    pub(super) actions: u32,
    /// Nanoseconds from the start of the window to the beginning of the span.
    pub(super) from: u64,
    /// The length of the span in nanoseconds.
    pub(super) span: u64,
    /// True if an action begins at the beginning of its share, and not somewhere in it.
    pub(super) is_exact: bool,
}

/// The length of a flood that does not last the whole window, in nanoseconds.
const BURST: u64 = 120_000_000_000;
/// The length of a rush to a server, in nanoseconds.
const RUSH: u64 = 90_000_000_000;
/// The protocols that a scan of protocols tries: those that are assigned, without TCP, UDP and ICMP.
const PROTOCOLS: u32 = 130;
/// The attempts of each client in a window in which its server is down.
const ATTEMPTS: u32 = 3;
/// The fetches of each client behind an uplink in a window.
const FETCHES: u32 = 8;
/// The number of targets of the first scanner of a chain in a window.
const CHAINED: u32 = 200;

impl Member {
    /// Returns the number of addresses that the actor has of a kind of home.
    pub(super) fn places(&self, home: Home) -> u32 {
        let takes = self.actor == Actor::Chain && home == Home::Inside;
        u32::from(self.actor.home() == home) + if takes { 2 } else { 0 }
    }

    /// Returns the number of the actor's sources that the truth counts apart.
    pub(super) fn sources(&self) -> u8 {
        if self.actor == Actor::Group { SOURCES } else { 1 }
    }

    /// Returns true if the flood lasts two minutes somewhere in the window, as every second one does.
    pub(super) fn bursts(&self) -> bool {
        let lasts = self.streams() || self.actor == Actor::Silenced;
        self.actor.family() == Family::Flood && !lasts && self.number % 2 == 1
    }

    /// Returns true if the sources of the flood are forged.
    pub(super) fn has_forged_sources(&self) -> bool {
        match self.actor {
            Actor::Forged | Actor::Drawn | Actor::Spoofed => true,
            Actor::Silenced => self.number % 2 == 1,
            _ => false,
        }
    }

    /// Returns the number of regular clients of a server that is down in some windows. A flood is as large as the
    /// attempts of its clients.
    pub(super) fn clients(&self) -> u32 {
        match self.actor {
            Actor::Silenced => self.size.div_ceil(ATTEMPTS),
            _ => self.size,
        }
    }

    /// Returns true if the truth counts the flows to the actor, not those from it.
    pub(super) fn receives(&self) -> bool {
        let floods = self.actor.family() == Family::Flood && self.actor != Actor::Outbound;
        floods || matches!(self.actor, Actor::Guessers | Actor::Swarm | Actor::Maintenance)
    }

    /// Returns true if the size is packets a second, of flows that never end.
    pub(super) fn streams(&self) -> bool {
        let innocent =
            matches!(self.actor, Actor::Download | Actor::Upload | Actor::Stream | Actor::Call);
        let tuple = matches!(self.actor, Actor::OneTuple | Actor::OutTuple);
        innocent || tuple || matches!(self.actor, Actor::Outbound | Actor::Volume)
    }

    /// Returns the length in milliseconds of the chunks into which the router cuts a flow that never ends: the
    /// active timeout, or less if the bytes would not fit in 32 bits.
    pub(super) fn chunk_millis(&self) -> u32 {
        let mut millis = ACTIVE;
        while u64::from(millis) / 1000 * u64::from(self.size) * MTU > u64::from(u32::MAX) {
            millis /= 2;
        }
        millis
    }

    /// Returns the number of actions of an activity in a window.
    pub(super) fn actions(&self, activity: Activity) -> u32 {
        match (activity, self.actor) {
            // Each peer has a flow in each half of the window, because none is longer than five minutes.
            (Activity::Main, Actor::Vpn) => 2 * self.size,
            (Activity::Main, Actor::Chain) => CHAINED,
            (Activity::Main, Actor::Guessers | Actor::Class) => 5 * self.size,
            (Activity::Main, Actor::Swarm | Actor::Visitors) => 10 * self.size,
            (Activity::Main, Actor::Maintenance) => ATTEMPTS * self.size,
            (Activity::Main, Actor::Uplink) => FETCHES * self.size,
            (Activity::Main, Actor::Protocols) => self.size.min(PROTOCOLS),
            (Activity::Main, _) => self.size,
            (Activity::Visitors, Actor::Volume) => 60,
            (Activity::Visitors, Actor::Silenced) => ATTEMPTS * self.clients(),
            (Activity::Visitors, Actor::Opening) => 10 + self.size / 20,
            (
                Activity::Visitors,
                Actor::Carpet | Actor::Outbound | Actor::OutSyn | Actor::OutTuple,
            ) => 0,
            (Activity::Visitors, actor) if actor.family() == Family::Flood => 6,
            (Activity::First | Activity::Second, Actor::Chain) => self.size,
            (Activity::Visitors | Activity::First | Activity::Second, _) => 0,
        }
    }

    /// Returns the numbers of the actions in the first window that infect the next host of a chain: that of
    /// the scanner, and that of the first infected host.
    pub(super) fn infects(&self) -> [u32; 2] {
        [CHAINED / 12, self.size * 3 / 8]
    }

    /// Returns the activities that have actions.
    pub(super) fn activities(&self) -> impl Iterator<Item = Activity> + use<> {
        let member = *self;
        ACTIVITIES.into_iter().filter(move |&activity| member.actions(activity) > 0)
    }

    /// Returns the schedule of an activity in a window, whose number in the plan is `index`.
    pub(super) fn schedule(&self, activity: Activity, window: Window, index: u32) -> Schedule {
        let whole = u64::from(window.seconds()) * 1_000_000_000;
        let (actions, span) = (self.actions(activity), whole - REST);
        let place = |room: u64| mix(self.key, window.start()) % room.max(1);
        match activity {
            Activity::Main if self.streams() => {
                let chunk = u64::from(self.chunk_millis()) * 1_000_000;
                // The same in every window, so that the chunks follow each other without a gap.
                let from = self.key % (chunk / 5 * 4);
                let actions = (whole / chunk).max(1);
                let span = actions * chunk;
                Schedule { actions: actions as u32, from, span, is_exact: true }
            }
            Activity::Main if self.bursts() || self.actor == Actor::Opening => {
                let burst = if self.bursts() { BURST } else { RUSH }.min(span);
                Schedule { actions, from: place(span - burst), span: burst, is_exact: false }
            }
            Activity::First | Activity::Second if index == 0 => {
                // It begins some time after the share of the action that infects the host.
                let [first, second] = self.infects();
                let delay = span / 32;
                let one = span / u64::from(CHAINED) * u64::from(first + 1) + delay;
                let share = (span - one) / u64::from(self.size);
                let two = (one + share * u64::from(second + 1) + delay).min(span - delay);
                let from = if activity == Activity::First { one } else { two };
                Schedule { actions, from, span: span - from, is_exact: false }
            }
            _ => Schedule { actions, from: 0, span, is_exact: false },
        }
    }
}

/// The bytes of the longest packet.
const MTU: u64 = 1_500;

/// The counts of one source in its forward direction, as played.
#[derive(Clone, Debug, Default)]
pub(super) struct SourceCounts {
    pub(super) flows: u64,
    pub(super) packets: u64,
    pub(super) octets: u64,
    /// The host on the other side of each flow, and the destination port.
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

    /// Adds a flow. `is_received` says that the truth counts flows to the actor, not from it.
    pub(super) fn count(&mut self, flow: &Flow, is_received: bool) {
        self.flows += 1;
        self.packets += flow.packets;
        self.octets += flow.octets;
        if let IpAddr::V4(target) = if is_received { flow.sip } else { flow.dip } {
            // A scan of protocols has them in place of ports.
            let port = match flow.proto {
                TCP | UDP => flow.dport,
                ICMP => 0,
                proto => proto.into(),
            };
            self.targets.push((u32::from(target), port));
        }
        if self.sample.len() < MAX_SAMPLES {
            self.sample.push(*flow);
        }
    }
}
