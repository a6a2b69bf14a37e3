//! What will be played: which windows, how much ordinary traffic and which attack in each.

use super::actor::MAX_ACTORS;
use super::attack::{self, Act};
use crate::time::Window;

/// Length of a window in seconds.
pub const SECONDS: u32 = 600;

/// Ordinary flows of a window, unless the plan says how many there are in all: 100 a second.
pub const BACKGROUND: u64 = 60_000;

/// A window of flows at one a nanosecond, which no arrival time can tell apart: the most that fits.
const MAX_FLOWS: u64 = SECONDS as u64 * 1_000_000_000;

/// The last second that a [`Timestamp`](crate::time::Timestamp) can hold.
const LAST: u64 = u64::MAX / 1_000_000_000;

/// 2001-07-01T00:20:00Z, the file of figure 3.
pub(super) const SCAN_START: u64 = 993_946_800;
/// 2001-08-04T00:00:00Z, the first file of figure 4's day.
pub(super) const DAY_START: u64 = 996_883_200;
/// 2001-08-17T17:20:00Z, the file of figure 5.
pub(super) const PORT_START: u64 = 998_068_800;
/// 2001-07-02T08:00:00Z, a Monday morning.
pub(super) const CAMPUS_START: u64 = 994_060_800;
/// Windows from the beginning of figure 4's day to its main one at 14:00.
pub(super) const MAIN: u32 = 84;

/// Which scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenarioKind {
    /// The attacks of the paper's figures amid ordinary traffic: one figure, or all three, each in
    /// a window of its own.
    Paper(Option<Figure>),
    /// Ordinary traffic alone.
    Campus,
    /// Nothing but the actors that are asked for.
    None,
}

/// A figure of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Figure 3: one scanner walks sixteen /24s. In a plan with a length it does so in the first
    /// window.
    Scan,
    /// Figure 4: inside hosts flood inside hosts. With a length the attacks come and go as on
    /// figure 4's day, whose main window stands at 14 hours; in a plan too short to reach it, the
    /// main window is the first.
    Flood,
    /// Figure 5: an infected inside host attacks one port world-wide. In a plan with a length it
    /// does so in the first window.
    Port,
}

/// A scenario as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioPlan {
    /// Which scenario.
    pub kind: ScenarioKind,
    /// One seed plays the same flows on every machine; another one, other hosts and flows.
    pub seed: u64,
    /// Flows over all windows, the attacks' own and the actors' among them. `None`: [`BACKGROUND`] a
    /// window, and the attacks and actors on top.
    pub flows: Option<u64>,
    /// Seconds to play, a multiple of [`SECONDS`]. `None`: one window per figure.
    pub length: Option<u32>,
    /// Start of the first window, in seconds since the epoch, a multiple of [`SECONDS`]; all three
    /// figures then follow one another. `None`: the scenario's own date.
    pub start: Option<u64>,
}

/// Why a plan cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There are not flows enough for the attacks alone.
    #[error("{flows} flows are too few: the attacks alone take {attacks}")]
    TooFew {
        /// Flows asked for.
        flows: u64,
        /// Flows of the attacks.
        attacks: u64,
    },
    /// More flows than a window has nanoseconds.
    #[error("{flows} flows are too many: at most {limit} fit in {windows} windows")]
    TooMany {
        /// Flows asked for.
        flows: u64,
        /// The bound that was passed.
        limit: u64,
        /// Windows of the plan.
        windows: u32,
    },
    /// A length that is not a whole number of windows, at least one.
    #[error("a length of {0} s is no multiple of {SECONDS} s")]
    Length(u32),
    /// A length for all three figures, which have one window each.
    #[error("a length needs one figure: all three have a window of {SECONDS} s each")]
    LengthOfAll,
    /// A start off the boundaries at which windows are cut.
    #[error("a start at {0} s since the epoch is no multiple of {SECONDS} s")]
    Start(u64),
    /// There are not flows enough for the actors alone.
    #[error("{flows} flows are too few: those that were asked for by name take {actors}")]
    TooFewFor {
        /// Flows asked for.
        flows: u64,
        /// Flows of the actors.
        actors: u64,
    },
    /// More actors than there are addresses for.
    #[error("{hosts} hosts by name are too many: at most {MAX_ACTORS}")]
    Crowded {
        /// Hosts asked for.
        hosts: u64,
    },
    /// Flows in all where there is nothing that could be more or less.
    #[error("there is no ordinary traffic that could fill up {flows} flows")]
    NoneOrdinary {
        /// Flows asked for.
        flows: u64,
    },
    /// A window past the end of time.
    #[error("the scenario would end after the year 2554")]
    Late,
}

/// One window of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedWindow {
    /// The window.
    pub window: Window,
    /// Ordinary flows.
    pub background: u64,
    /// Flows of the attack, the answers to it among them.
    pub attack: u64,
    pub(super) act: Option<Act>,
    /// Which window of the plan it is, from 0.
    pub(super) index: u32,
}

/// The windows of a plan, in time order.
#[derive(Clone, Debug)]
pub struct Parts {
    plan: ScenarioPlan,
    count: u32,
    next: u32,
    /// Ordinary flows of every window, and how many of the first windows have one more.
    share: (u64, u64),
}

impl ScenarioPlan {
    /// The windows, in time order.
    ///
    /// # Errors
    /// A plan that cannot be played.
    pub fn windows(&self) -> Result<Parts, Error> {
        let count = match (self.kind, self.length) {
            (ScenarioKind::Paper(None), Some(_)) => return Err(Error::LengthOfAll),
            (ScenarioKind::Paper(None), None) => 3,
            (_, None) => 1,
            (_, Some(length)) if length == 0 || length % SECONDS != 0 => {
                return Err(Error::Length(length));
            }
            (_, Some(length)) => length / SECONDS,
        };
        if let Some(start) = self.start {
            if start % u64::from(SECONDS) != 0 {
                return Err(Error::Start(start));
            }
            if start > LAST - u64::from(SECONDS) * u64::from(count) {
                return Err(Error::Late);
            }
        }
        let background = if self.kind == ScenarioKind::None { 0 } else { BACKGROUND };
        let mut parts = Parts { plan: *self, count, next: 0, share: (background, 0) };
        if let Some(flows) = self.flows {
            if self.kind == ScenarioKind::None {
                return Err(Error::NoneOrdinary { flows });
            }
            let limit = MAX_FLOWS.saturating_mul(u64::from(count));
            if flows > limit {
                return Err(Error::TooMany { flows, limit, windows: count });
            }
            let attacks = parts.clone().map(|part| part.attack).sum();
            let Some(background) = flows.checked_sub(attacks) else {
                return Err(Error::TooFew { flows, attacks });
            };
            parts.share = (background / u64::from(count), background % u64::from(count));
        }
        Ok(parts)
    }
}

impl Parts {
    fn part(&self, index: u32) -> Option<PlannedWindow> {
        let after = u64::from(SECONDS) * u64::from(index);
        let main = if self.count > MAIN { MAIN } else { 0 };
        let (own, act) = match self.plan.kind {
            ScenarioKind::Campus | ScenarioKind::None => (CAMPUS_START + after, None),
            ScenarioKind::Paper(Some(Figure::Scan)) => {
                (SCAN_START + after, (index == 0).then_some(Act::Scan))
            }
            ScenarioKind::Paper(Some(Figure::Flood)) => {
                let start = DAY_START + u64::from((MAIN - main) * SECONDS);
                let offset = i64::from(index) - i64::from(main);
                (start + after, attack::of_the_day(self.plan.seed, offset))
            }
            ScenarioKind::Paper(Some(Figure::Port)) => {
                (PORT_START + after, (index == 0).then_some(Act::Worm))
            }
            ScenarioKind::Paper(None) => match index {
                0 => (SCAN_START, Some(Act::Scan)),
                1 => (DAY_START + u64::from(MAIN * SECONDS), attack::of_the_day(self.plan.seed, 0)),
                _ => (PORT_START, Some(Act::Worm)),
            },
        };
        let start = self.plan.start.map_or(own, |start| start + after);
        let (share, rest) = self.share;
        Some(PlannedWindow {
            window: Window::new(start, SECONDS)?,
            background: share + u64::from(u64::from(index) < rest),
            attack: act.map_or(0, |act| act.flows(self.plan.seed)),
            act,
            index,
        })
    }
}

impl Iterator for Parts {
    type Item = PlannedWindow;

    fn next(&mut self) -> Option<PlannedWindow> {
        let part = (self.next < self.count).then(|| self.part(self.next))??;
        self.next += 1;
        Some(part)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.count - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Parts {}
