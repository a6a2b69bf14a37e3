//! What `nfgen` plays: a campus' ordinary traffic, the paper's attacks amid it, and the truth.
//!
//! A [`ScenarioPlan`] says which scenario and how much of it; a [`Player`] plays it window after window, as
//! flows in the order of their arrival at the collector, and afterwards tells which findings the
//! window holds ([`Truth`]). It is a stream: no more of a window is held than the answers that are
//! about to come and the addresses that the attack touched, at most 200,000, or each attack by name,
//! at most 60,000 flows or so ([`MAX_SIZE`]).
//!
//! A [`RouterView`] makes of its flows what is exported: by one router or by two, sampled ([`Sampler`]), one
//! way only, or as IPv6.
//!
//! All times are data time. The campus is 140.119.0.0/16 behind ifIndex 2, the world lies behind
//! ifIndex 1. Flows end before they arrive: within a second if the connection was closed, else after
//! the router's inactive timeout of 15 s, and no flow lasts longer than its active timeout of five
//! minutes, so starts and ends may lie before the window. Starts and ends are whole milliseconds,
//! which all export formats carry.
//!
//! What a seed plays is the same on every machine and in every version that does not say otherwise
//! in its change log; a test pins it.
//!
//! # What is attacked
//! * Figure 3: 203.0.113.45 (documentation space, RFC 5737: nobody is accused) knocks at port 21 of
//!   the hosts .1 to .254 of 140.119.56.0/24 to 140.119.71.0/24, one after the other: 4064 hosts and
//!   a few second tries. Most of the living ones answer.
//! * Figure 4: 140.119.53.7 floods 140.119.100.13 with 2000 flows. On its day (`length` of 24 h)
//!   also about 2000 in other hours, two lesser pairs (to 140.119.162.20 and 140.119.31.5) with 1050
//!   to 1500, and sixty inside sources at 140.119.9.60 together.
//! * Figure 5: 140.119.44.91 opens 200,000 flows to port 80 of random addresses of the world.
//!
//! The hosts named here have no ordinary traffic, so that what the truth counts is what a detector
//! counts.
//!
//! # Who can be added by name
//! [`Actor`] has the kinds: `scans` says what scanners do, `floods` how hosts are drowned, `worms`
//! how ports are attacked, `innocents` what those do that look like one of these. A `cast` gives each its address, its dice and its turns, and counts what the truth tells. What
//! a plan plays without them is the same beside them.
//!
//! # How ordinary the traffic is
//! At [`BACKGROUND`] flows a window and at ten times as many, no ordinary source meets the paper's
//! rules for scans and port attacks. The busiest servers and resolvers do receive more than 1000
//! flows in ten minutes, which the paper's rule for floods takes for an attack; they are innocent.
//! The hosts do not grow with the flows: far beyond ten times, the resolvers open 10,000 flows to
//! port 53 as well.

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
mod worms;

use actors::{Actors, WindowActors};
use attack::Attack;
use campus::Campus;
use traffic::Traffic;

pub use actor::{Actor, MAX_ACTORS, MAX_COUNT, MAX_SIZE, Unfit, With};
pub use plan::{
    BACKGROUND, Error, Figure, Parts, PlannedWindow, SECONDS, ScenarioKind, ScenarioPlan,
};
pub use sampler::Sampler;
pub use truth::{Expect, Truth};
pub use view::{ExportedFlow, RouterView, UplinkDirection};

/// Plays a plan, one window after the other.
#[derive(Clone, Debug)]
pub struct Player {
    seed: u64,
    parts: Parts,
    campus: Campus,
    actors: Actors,
    window: Option<PlayedWindow>,
}

/// A window while it is played.
#[derive(Clone, Debug)]
struct PlayedWindow {
    window: Window,
    arrivals: ArrivalClock,
    traffic: Traffic,
    background: u64,
    attack: Option<Attack>,
    /// Flows of the attack, and the running remainder that spreads them over all flows.
    spread: (u64, u64),
    /// The actors, if there are any, and the flow of the others that waits for theirs.
    actors: Option<WindowActors>,
    waiting: Option<(Timestamp, Flow)>,
}

/// Arrival times: the window in as many slots as it has flows, each arrival somewhere in its slot.
#[derive(Clone, Debug)]
struct ArrivalClock {
    dice: draw::Dice,
    flows: u64,
    left: u64,
    /// Where the next slot begins, in nanoseconds since the epoch.
    slot: u64,
    /// The slots' length in nanoseconds, and what the division left over, so far.
    length: u64,
    rest: u64,
    carry: u64,
}

impl Player {
    /// A player before the first window.
    ///
    /// # Errors
    /// A plan that cannot be played.
    pub fn new(plan: ScenarioPlan) -> Result<Player, Error> {
        Player::with(plan, &[])
    }

    /// A player before the first window, with actors in every window besides what the plan has. The
    /// flows of a plan that says how many there are in all are also those of the actors; they are
    /// played once to be counted then.
    ///
    /// # Errors
    /// A plan that cannot be played, or not with so many actors.
    pub fn with(mut plan: ScenarioPlan, with: &[With]) -> Result<Player, Error> {
        let (seed, campus) = (plan.seed, Campus::new(plan.seed));
        let cast = Actors::new(seed, &campus, with)?;
        if let Some(flows) = plan.flows.filter(|_| !cast.is_empty()) {
            let actors = plan.windows()?.map(|part| {
                let mut scene = WindowActors::new(seed, part.window, part.index, &cast);
                std::iter::from_fn(|| scene.next(&campus)).count() as u64
            });
            let actors = actors.sum();
            plan.flows = Some(flows.checked_sub(actors).ok_or(Error::TooFewFor { flows, actors })?);
        }
        Ok(Player { seed, parts: plan.windows()?, campus, actors: cast, window: None })
    }

    /// Goes on to the next window, whether the one before was played to its end or not. `None` when
    /// there is none.
    pub fn next_window(&mut self) -> Option<Window> {
        self.window =
            self.parts.next().map(|part| PlayedWindow::new(self.seed, part, &self.actors));
        Some(self.window.as_ref()?.window)
    }

    /// Fills a batch with the window's next flows in the order of their arrival at the collector,
    /// at most [`BATCH`]. What the batch held is dropped. False when the window is over and the
    /// batch is empty.
    pub fn next(&mut self, batch: &mut Vec<(Timestamp, Flow)>) -> bool {
        batch.clear();
        if let Some(stage) = &mut self.window {
            while batch.len() < BATCH {
                let Some(next) = stage.next(&self.campus) else { break };
                batch.push(next);
            }
        }
        !batch.is_empty()
    }

    /// What was to be found in what the window played so far: complete once [`Player::next`] said
    /// that it is over. In the order of finding lines.
    pub fn truth(&self) -> Vec<Truth> {
        let Some(stage) = &self.window else { return Vec::new() };
        let attack = stage.attack.as_ref();
        let told = attack.map(|attack| truth::tell(stage.window, attack.act(), attack.tally()));
        let mut told = told.unwrap_or_default();
        told.extend(stage.actors.iter().flat_map(|scene| truth::of_actors(stage.window, scene)));
        told.sort_by(|a, b| a.finding.order(&b.finding));
        told
    }
}

impl PlayedWindow {
    fn new(seed: u64, part: PlannedWindow, cast: &Actors) -> PlayedWindow {
        let place = part.window.start();
        PlayedWindow {
            window: part.window,
            arrivals: ArrivalClock::new(seed, part.window, part.background + part.attack),
            traffic: Traffic::new(seed, place),
            background: part.background,
            attack: part.act.map(|act| Attack::new(act, seed, place)),
            spread: (part.attack, 0),
            actors: (!cast.is_empty())
                .then(|| WindowActors::new(seed, part.window, part.index, cast)),
            waiting: None,
        }
    }

    fn next(&mut self, campus: &Campus) -> Option<(Timestamp, Flow)> {
        if self.actors.is_none() {
            return self.ordinary(campus);
        }
        self.waiting = self.waiting.or_else(|| self.ordinary(campus));
        let scene = self.actors.as_mut()?;
        match (scene.peek(campus), &self.waiting) {
            (None, _) => self.waiting.take(),
            (Some(moment), Some((arrival, _))) if *arrival <= moment => self.waiting.take(),
            (Some(_), _) => scene.next(campus),
        }
    }

    /// The next flow of ordinary traffic or of the attack.
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
