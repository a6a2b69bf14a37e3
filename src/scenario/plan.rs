//! The plan of a scenario: its windows, with the ordinary traffic and the attack of each.

use super::actor::MAX_ACTORS;
use super::attack::{self, AttackKind};
use crate::time::Window;

/// The length of a window in seconds.
pub const SECONDS: u32 = 600;

/// Ordinary flows of a window, if the plan gives no total: 100 a second.
pub const BACKGROUND: u64 = 60_000;

/// The most flows of a window: one a nanosecond, because closer ones would arrive at the same time.
const MAX_FLOWS: u64 = SECONDS as u64 * 1_000_000_000;

/// The last second that a [`Timestamp`](crate::time::Timestamp) can hold.
const LAST: u64 = u64::MAX / 1_000_000_000;

/// 2001-07-01T00:20:00Z, the window of figure 3.
pub(super) const SCAN_START: u64 = 993_946_800;
/// 2001-08-04T00:00:00Z, the first window of the day of figure 4.
pub(super) const DAY_START: u64 = 996_883_200;
/// 2001-08-17T17:20:00Z, the window of figure 5.
pub(super) const PORT_START: u64 = 998_068_800;
/// 2001-07-02T08:00:00Z, a Monday morning.
pub(super) const CAMPUS_START: u64 = 994_060_800;
/// Number of windows from the beginning of the day of figure 4 to its main one at 14:00.
pub(super) const MAIN: u32 = 84;

/// A kind of scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScenarioKind {
    /// The attacks of the paper's figures amid ordinary traffic: one figure, or all three, each in
    /// a window of its own.
    Paper(Option<Figure>),
    /// Ordinary traffic alone.
    Campus,
    /// Only the actors that are added by name.
    None,
}

/// A figure of the paper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Figure 3: one scanner probes sixteen /24s. A plan with a length has the scan in its first window.
    Scan,
    /// Figure 4: inside hosts flood inside hosts. A plan with a length has all attacks of the day of figure 4,
    /// whose main window begins after 14 hours. If the plan is too short for that, the main window is the
    /// first.
    Flood,
    /// Figure 5: an infected inside host attacks one port of hosts all over the world. A plan with a length
    /// has the attack in its first window.
    Port,
}

/// The request for a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScenarioPlan {
    /// The kind of scenario.
    pub kind: ScenarioKind,
    /// The seed. One seed plays the same flows on every machine, and other seeds play other hosts and flows.
    pub seed: u64,
    /// Flows of all windows together, those of attacks and actors included. `None`: [`BACKGROUND`] ordinary
    /// flows a window, and attacks and actors besides.
    pub flows: Option<u64>,
    /// The length in seconds, a multiple of [`SECONDS`]. `None`: one window per figure.
    pub length: Option<u32>,
    /// The start of the first window in seconds since the epoch, a multiple of [`SECONDS`]. All three figures
    /// then follow one another. `None`: the dates of the scenario.
    pub start: Option<u64>,
}

/// The reason why a plan cannot be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The total of flows is too small for the attacks alone.
    #[error("{flows} flows are too few: the attacks alone take {attacks}")]
    TooFew {
        /// The total of flows.
        flows: u64,
        /// Flows of the attacks.
        attacks: u64,
    },
    /// There are more flows than nanoseconds in the windows.
    #[error("{flows} flows are too many: at most {limit} fit in {windows} windows")]
    TooMany {
        /// The total of flows.
        flows: u64,
        /// The most flows of such a plan.
        limit: u64,
        /// The number of windows of the plan.
        windows: u32,
    },
    /// The length is not a whole number of windows, or 0.
    #[error("a length of {0} s is not a multiple of {SECONDS} s, the length of a window")]
    Length(u32),
    /// The plan has a length and all three figures, which have one window each.
    #[error("a length needs one figure: with all three, each has one window of {SECONDS} s")]
    LengthOfAll,
    /// The start is not on a boundary of windows.
    #[error("a start at {0} s since the epoch is not a multiple of {SECONDS} s")]
    Start(u64),
    /// The total of flows is too small for the actors alone.
    #[error("{flows} flows are too few: the hosts that are added by name take {actors}")]
    TooFewFor {
        /// The total of flows.
        flows: u64,
        /// Flows of the actors.
        actors: u64,
    },
    /// There are more actors than addresses for them.
    #[error("{hosts} hosts are added by name; the limit is {MAX_ACTORS}")]
    Crowded {
        /// The number of hosts.
        hosts: u64,
    },
    /// The plan gives a total of flows, but the scenario has no ordinary traffic to reach it.
    #[error("a total of {flows} flows needs ordinary traffic, and this scenario has none")]
    NoneOrdinary {
        /// The total of flows.
        flows: u64,
    },
    /// A window lies after the last time that a timestamp can hold.
    #[error("the scenario would end after the year 2554")]
    Late,
}

/// One window of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedWindow {
    /// The window.
    pub window: Window,
    /// Number of ordinary flows.
    pub background: u64,
    /// Number of flows of the attack, responses included.
    pub attack: u64,
    pub(super) kind: Option<AttackKind>,
    /// The number of the window in the plan, from 0.
    pub(super) index: u32,
}

/// The windows of a plan, in time order.
#[derive(Clone, Debug)]
pub struct Parts {
    plan: ScenarioPlan,
    count: u32,
    next: u32,
    /// Ordinary flows of every window, and the number of first windows that have one more.
    share: (u64, u64),
}

impl ScenarioPlan {
    /// Returns the windows in time order.
    ///
    /// # Errors
    /// Returns an error for a plan that cannot be played.
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
        let (default, kind) = match self.plan.kind {
            ScenarioKind::Campus | ScenarioKind::None => (CAMPUS_START + after, None),
            ScenarioKind::Paper(Some(Figure::Scan)) => {
                (SCAN_START + after, (index == 0).then_some(AttackKind::Scan))
            }
            ScenarioKind::Paper(Some(Figure::Flood)) => {
                let start = DAY_START + u64::from((MAIN - main) * SECONDS);
                let offset = i64::from(index) - i64::from(main);
                (start + after, attack::of_the_day(self.plan.seed, offset))
            }
            ScenarioKind::Paper(Some(Figure::Port)) => {
                (PORT_START + after, (index == 0).then_some(AttackKind::Worm))
            }
            ScenarioKind::Paper(None) => match index {
                0 => (SCAN_START, Some(AttackKind::Scan)),
                1 => (DAY_START + u64::from(MAIN * SECONDS), attack::of_the_day(self.plan.seed, 0)),
                _ => (PORT_START, Some(AttackKind::Worm)),
            },
        };
        let start = self.plan.start.map_or(default, |start| start + after);
        let (share, rest) = self.share;
        Some(PlannedWindow {
            window: Window::new(start, SECONDS)?,
            background: share + u64::from(u64::from(index) < rest),
            attack: kind.map_or(0, |kind| kind.flows(self.plan.seed)),
            kind,
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
