//! Simulated traffic for `nfgen`: the ordinary traffic of a campus, attacks among it, and the truth.
//!
//! A [`ScenarioPlan`] names the scenario and its length. A [`Player`] plays it window after window, as flows
//! in the order of their arrival at the collector, and afterwards returns the findings that the window holds
//! ([`Truth`]). It is a stream. Of a window it holds only the responses that are not due yet, and the
//! addresses of each attack: at most 200,000 of a figure, and some 60,000 of an attack by name
//! ([`MAX_SIZE`]).
//!
//! A [`RouterView`] turns these flows into exported ones: by one router or by two, sampled ([`Sampler`]), in
//! one direction only, or as IPv6.
//!
//! All times are times of the data. The campus is 140.119.0.0/16 behind ifIndex 2, and the world is behind
//! ifIndex 1. Flows end before they arrive: within a second if the connection was closed, otherwise after the
//! router's inactive timeout of 15 s. No flow lasts longer than the router's active timeout of five minutes.
//! So starts and ends may lie before the window. They are whole milliseconds, which all export formats carry.
//!
//! A seed plays the same flows on every machine, and in every version whose change log does not say
//! otherwise. A test pins this.
//!
//! # The attacks of the figures
//! * Figure 3: 203.0.113.45 (documentation space, RFC 5737, so nobody is accused) probes port 21 of the hosts
//!   .1 to .254 of 140.119.56.0/24 to 140.119.71.0/24, one after the other: 4064 hosts, a few of them twice.
//!   Most of the existing hosts answer.
//! * Figure 4: 140.119.53.7 floods 140.119.100.13 with 2000 flows. On the day of the figure (`length` of
//!   24 h) there are about 2000 flows in other hours too, two lesser pairs (to 140.119.162.20 and
//!   140.119.31.5) with 1050 to 1500 flows, and sixty inside sources that flood 140.119.9.60 together.
//! * Figure 5: 140.119.44.91 opens 200,000 flows to port 80 of random addresses of the world.
//!
//! The hosts named here have no ordinary traffic, so that the truth counts the same flows as a detector.
//!
//! # Actors that can be added by name
//! [`Actor`] lists the kinds. `scans`, `floods` and `worms` (attacks on one port) play the attackers, and
//! `innocents` the hosts that look like one of these. `actors` gives each actor its address, and
//! `window_actors` plays them in a window and counts the flows for the truth. Each has a random generator of
//! its own, so that the rest of the plan is the same with and without them.
//!
//! # Rules that ordinary traffic does not meet
//! At [`BACKGROUND`] flows a window, and at ten times as many, no ordinary source meets the paper's rules for
//! scans and port attacks. The busiest servers and resolvers do receive more than 1000 flows in ten minutes,
//! which the paper's rule for floods takes for an attack; they are innocent. The number of hosts does not grow
//! with the flows: far beyond ten times, the resolvers open 10,000 flows to port 53 as well.

use crate::flow::{BATCH, Flow};
use crate::time::{Timestamp, Window};

mod action;
mod actor;
mod actors;
mod attack;
mod campus;
mod draw;
mod floods;
mod innocents;
mod member;
mod plan;
mod record;
mod sampler;
mod scans;
mod script;
#[cfg(test)]
mod tests;
mod traffic;
mod truth;
mod view;
mod window_actors;
mod worms;

use actors::Actors;
use attack::Attack;
use campus::Campus;
use traffic::Traffic;
use window_actors::WindowActors;

pub use actor::{Actor, MAX_ACTORS, MAX_COUNT, MAX_SIZE, With, WithError};
pub use plan::{
    BACKGROUND, Error, Figure, Parts, PlannedWindow, SECONDS, ScenarioKind, ScenarioPlan,
};
pub use sampler::Sampler;
pub use truth::{Expect, Truth};
pub use view::{ExportedFlow, RouterView, UplinkDirection};

/// A player of a plan, one window after the other.
#[derive(Clone, Debug)]
pub struct Player {
    seed: u64,
    parts: Parts,
    campus: Campus,
    actors: Actors,
    window: Option<PlayedWindow>,
}

/// The window that is being played.
#[derive(Clone, Debug)]
struct PlayedWindow {
    window: Window,
    arrivals: ArrivalClock,
    traffic: Traffic,
    background: u64,
    attack: Option<Attack>,
    /// Flows of the attack in this window, and the running remainder that spreads them evenly over all
    /// flows.
    spread: (u64, u64),
    /// The actors, if there are any.
    actors: Option<WindowActors>,
    /// The next flow that is not an actor's, while flows of actors arrive before it.
    waiting: Option<(Timestamp, Flow)>,
}

/// A generator of arrival times. It divides the window into as many slots as it has flows, and draws one
/// arrival in each slot.
#[derive(Clone, Debug)]
struct ArrivalClock {
    dice: draw::Dice,
    flows: u64,
    left: u64,
    /// The start of the next slot, in nanoseconds since the epoch.
    slot: u64,
    /// The length of a slot in nanoseconds.
    length: u64,
    /// The nanoseconds of the window that the division into slots left over.
    rest: u64,
    /// The running remainder that spreads `rest` evenly over the slots.
    carry: u64,
}

impl Player {
    /// Returns a player that stands before the first window.
    ///
    /// # Errors
    /// Returns an error for a plan that cannot be played.
    pub fn new(plan: ScenarioPlan) -> Result<Player, Error> {
        Player::with(plan, &[])
    }

    /// Returns a player that stands before the first window, and adds actors to every window.
    ///
    /// If the plan gives a total of flows, it includes those of the actors, which are then played once to be
    /// counted.
    ///
    /// # Errors
    /// Returns an error for a plan that cannot be played, or not with so many actors.
    pub fn with(mut plan: ScenarioPlan, with: &[With]) -> Result<Player, Error> {
        let (seed, campus) = (plan.seed, Campus::new(plan.seed));
        let actors = Actors::new(seed, &campus, with)?;
        if let Some(flows) = plan.flows.filter(|_| !actors.is_empty()) {
            let count = |part: PlannedWindow| {
                let mut played = WindowActors::new(seed, part.window, part.index, &actors);
                std::iter::from_fn(|| played.next(&campus)).count() as u64
            };
            let by_actors = plan.windows()?.map(count).sum();
            let others = flows.checked_sub(by_actors);
            plan.flows = Some(others.ok_or(Error::TooFewFor { flows, actors: by_actors })?);
        }
        Ok(Player { seed, parts: plan.windows()?, campus, actors, window: None })
    }

    /// Moves on to the next window, even if the one before was not played to its end. Returns `None` after
    /// the last window.
    pub fn next_window(&mut self) -> Option<Window> {
        self.window =
            self.parts.next().map(|part| PlayedWindow::new(self.seed, part, &self.actors));
        Some(self.window.as_ref()?.window)
    }

    /// Replaces the contents of a batch by the next flows of the window, at most [`BATCH`], in the order of
    /// their arrival at the collector. Returns false, with an empty batch, when the window is over.
    pub fn next(&mut self, batch: &mut Vec<(Timestamp, Flow)>) -> bool {
        batch.clear();
        if let Some(played) = &mut self.window {
            while batch.len() < BATCH {
                let Some(next) = played.next(&self.campus) else { break };
                batch.push(next);
            }
        }
        !batch.is_empty()
    }

    /// Returns the findings that the window holds so far, in the order of finding lines. They are complete
    /// once [`Player::next`] has returned false.
    pub fn truth(&self) -> Vec<Truth> {
        let Some(played) = &self.window else { return Vec::new() };
        let attack = played.attack.as_ref();
        let of_attack =
            attack.map(|attack| truth::of_attack(played.window, attack.kind(), attack.counts()));
        let mut truth = of_attack.unwrap_or_default();
        truth.extend(
            played.actors.iter().flat_map(|actors| truth::of_actors(played.window, actors)),
        );
        truth.sort_by(|a, b| a.finding.order(&b.finding));
        truth
    }
}

impl PlayedWindow {
    fn new(seed: u64, part: PlannedWindow, actors: &Actors) -> PlayedWindow {
        let start = part.window.start();
        PlayedWindow {
            window: part.window,
            arrivals: ArrivalClock::new(seed, part.window, part.background + part.attack),
            traffic: Traffic::new(seed, start),
            background: part.background,
            attack: part.kind.map(|kind| Attack::new(kind, seed, start)),
            spread: (part.attack, 0),
            actors: (!actors.is_empty())
                .then(|| WindowActors::new(seed, part.window, part.index, actors)),
            waiting: None,
        }
    }

    fn next(&mut self, campus: &Campus) -> Option<(Timestamp, Flow)> {
        if self.actors.is_none() {
            return self.ordinary(campus);
        }
        self.waiting = self.waiting.or_else(|| self.ordinary(campus));
        let actors = self.actors.as_mut()?;
        match (actors.peek(campus), &self.waiting) {
            (None, _) => self.waiting.take(),
            (Some(moment), Some((arrival, _))) if *arrival <= moment => self.waiting.take(),
            (Some(_), _) => actors.next(campus),
        }
    }

    /// Returns the next flow of ordinary traffic or of the attack, with its arrival.
    fn ordinary(&mut self, campus: &Campus) -> Option<(Timestamp, Flow)> {
        let arrival = self.arrivals.next()?;
        let (share, carry) = &mut self.spread;
        *carry += *share;
        if let Some(attack) = self.attack.as_mut().filter(|_| *carry >= self.arrivals.flows) {
            *carry -= self.arrivals.flows;
            return Some((arrival, attack.flow(arrival, campus)));
        }
        self.background = self.background.saturating_sub(1);
        Some((arrival, self.traffic.flow(arrival, self.background, campus)))
    }
}

impl ArrivalClock {
    fn new(seed: u64, window: Window, flows: u64) -> ArrivalClock {
        let nanos = u64::from(window.seconds()) * 1_000_000_000;
        let slots = flows.max(1);
        ArrivalClock {
            dice: draw::Dice::new(seed, window.start(), 0xbea7),
            flows,
            left: flows,
            slot: Timestamp::from_secs(window.start()).nanos(),
            length: nanos / slots,
            rest: nanos % slots,
            carry: 0,
        }
    }

    fn next(&mut self) -> Option<Timestamp> {
        self.left = self.left.checked_sub(1)?;
        let arrival = self.slot + self.dice.below_wide(self.length);
        self.slot += self.length;
        self.carry += self.rest;
        if self.carry >= self.flows {
            self.carry -= self.flows;
            self.slot += 1;
        }
        Some(Timestamp::from_nanos(arrival))
    }
}
