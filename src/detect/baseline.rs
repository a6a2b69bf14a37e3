//! What is usual: for each subject, the exponentially weighted mean of ln(1+x) over windows.
//!
//! The logarithm keeps one busy window from being taken for the habit, and eight times the usual is the
//! same step for a small host and a large one. A subject that was found at fault does not learn from
//! that window: a flood that lasts must not become usual.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::state::teaches;
use crate::time::Window;

/// Seconds of a slot, the unit in which moments are remembered.
const SLOT: u64 = 600;
/// What a window of one slot weighs against all that came before: half of it is forgotten in four hours.
const WEIGHT: f32 = 1.0 / 36.0;
/// Nothing is called usual before six hours were seen of it.
const WARM: u32 = 36;
/// A subject that is not seen for a week is forgotten.
const KEPT: u32 = 7 * 144;
/// Subjects that are remembered, some 20 octets each. With more, those that were seen last for the first
/// time are forgotten: a flood of forged ones can neither fill the file nor drive out who was there.
const MAX: usize = 1 << 18;

/// The usual of many subjects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baselines<K: Ord> {
    /// Start of the first window that was learned and end of the last, in Unix seconds; 0 before.
    since: u64,
    until: u64,
    all: BTreeMap<K, Mean>,
    evicted: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mean {
    /// Of ln(1+x), as of `last`.
    mean: f32,
    /// Slots in which it was seen first and last.
    first: u32,
    last: u32,
}

impl<K: Ord> Default for Baselines<K> {
    fn default() -> Baselines<K> {
        Baselines { since: 0, until: 0, all: BTreeMap::new(), evicted: 0 }
    }
}

fn slot(seconds: u64) -> u32 {
    u32::try_from(seconds / SLOT).unwrap_or(u32::MAX)
}

impl Mean {
    /// The mean at a later slot: nothing was seen in between.
    fn at(&self, now: u32) -> f32 {
        let gap = now.saturating_sub(self.last).saturating_sub(1).min(KEPT);
        self.mean * (1.0 - WEIGHT).powi(gap as i32)
    }

    fn worth(&self, now: u32) -> u64 {
        self.at(now).exp_m1().round().max(0.0) as u64
    }
}

impl<K: Ord + Clone> Baselines<K> {
    /// Whether a window is to be learned.
    pub fn is_new(&self, window: Window) -> bool {
        teaches(self.until, window)
    }

    /// Whether enough windows were learned to say that what is not known is not usual.
    pub fn is_warm(&self) -> bool {
        self.until.saturating_sub(self.since) >= u64::from(WARM) * SLOT
    }

    /// Subjects that are remembered, and that were forgotten for want of room.
    pub fn sizes(&self) -> (u64, u64) {
        (self.all.len() as u64, self.evicted)
    }

    /// What is usual for a subject, which is nothing for one that was not seen in all the time that is known;
    /// `None` before enough is.
    pub fn usual(&self, subject: &K, window: Option<Window>) -> Option<u64> {
        // Who was forgotten for want of room is not who was never seen.
        let is_sure = self.is_warm() && self.evicted == 0;
        let now = slot(window.map_or(self.until, Window::start));
        let seen = || self.all.get(subject).map_or(0, |mean| mean.worth(now));
        self.of(subject, window).or_else(|| is_sure.then(seen))
    }

    /// What is usual for a subject, if it is known for long enough.
    pub fn of(&self, subject: &K, window: Option<Window>) -> Option<u64> {
        let mean = self.all.get(subject)?;
        let now = slot(window.map_or(self.until, Window::start));
        let known = now.saturating_sub(mean.first) >= WARM;
        known.then(|| mean.worth(now))
    }

    /// A subject came to `value` in a window.
    pub fn learn(&mut self, subject: &K, value: u64, window: Window) {
        let now = slot(window.end().saturating_sub(1));
        let value = (value as f32).ln_1p();
        if let Some(mean) = self.all.get_mut(subject) {
            // Windows shorter than a slot share its weight.
            let weight = WEIGHT * (window.seconds() as f32 / SLOT as f32).min(1.0);
            let before = mean.at(now);
            *mean = Mean { mean: before + weight * (value - before), last: now, ..*mean };
            return;
        }
        if self.all.len() >= 2 * MAX {
            self.forget(now);
        }
        self.all.insert(subject.clone(), Mean { mean: value, first: now, last: now });
    }

    /// A window is over, and all of it was learned.
    pub fn close(&mut self, window: Window) {
        if self.until == 0 {
            self.since = window.start();
        }
        self.until = window.end();
        self.forget(slot(window.end().saturating_sub(1)));
    }

    fn forget(&mut self, now: u32) {
        self.all.retain(|_, mean| mean.last.saturating_add(KEPT) >= now);
        let excess = self.all.len().saturating_sub(MAX);
        if excess == 0 {
            return;
        }
        // When one was seen first does not change, so that what goes does not depend on their order.
        let mut order: Vec<(std::cmp::Reverse<u32>, K)> = self
            .all
            .iter()
            .map(|(key, mean)| (std::cmp::Reverse(mean.first), key.clone()))
            .collect();
        order.sort_unstable();
        for (_, key) in order.into_iter().take(excess) {
            self.all.remove(&key);
            self.evicted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(n: u64) -> Window {
        Window::new(n * 600, 600).unwrap()
    }

    /// What is usual after so many windows of these values.
    fn usual(values: impl IntoIterator<Item = u64>) -> Option<u64> {
        let mut all = Baselines::default();
        let mut count = 0;
        for (n, value) in (100..).zip(values) {
            all.learn(&1, value, window(n));
            all.close(window(n));
            count = n;
        }
        all.of(&1, Some(window(count + 1)))
    }

    #[test]
    fn what_lasts_is_usual_and_one_burst_is_not() {
        assert_eq!(usual([500; 35]), None, "six hours");
        assert_eq!(usual([500; 36]), Some(500));
        let burst = (0..144).map(|n| if n == 140 { 50_000 } else { 500 });
        assert!((500..600).contains(&usual(burst).unwrap()));
        let grown = (0..288).map(|n| if n < 144 { 100 } else { 5_000 });
        assert!((4_500..5_000).contains(&usual(grown).unwrap()));
    }

    #[test]
    fn who_is_silent_comes_down_and_is_forgotten() {
        let mut all = Baselines::default();
        (0..144).for_each(|n| all.learn(&1, 10_000, window(n)));
        all.close(window(143));
        assert_eq!(all.of(&2, Some(window(144))), None);
        let after = |windows: u64| all.of(&1, Some(window(143 + windows))).unwrap();
        assert!((9_999..=10_001).contains(&after(1)));
        assert!((20..30).contains(&after(37)), "{}", after(37));
        let mut later = all.clone();
        later.close(window(143 + 1009));
        assert_eq!(later.sizes(), (0, 0));
        assert!(!all.is_new(window(143)) && all.is_new(window(144)));
    }

    #[test]
    fn invented_subjects_do_not_fill_memory() {
        let mut all = Baselines::default();
        (0..144).for_each(|n| all.learn(&0u32, 7, window(n)));
        for subject in 0..3 * MAX as u32 {
            all.learn(&subject, 1, window(144));
            assert!(all.all.len() <= 2 * MAX);
        }
        all.close(window(144));
        assert_eq!(all.sizes(), (MAX as u64, 2 * MAX as u64));
        assert!(all.of(&0, Some(window(145))).is_some(), "who was there before stays");
    }

    #[test]
    fn it_is_written_and_read_back() {
        let mut all = Baselines::default();
        (0..40u32).for_each(|n| all.learn(&(1u8, n), u64::from(n) * 1000, window(n.into())));
        let octets = crate::detect::state::write("nfflood", &all).unwrap();
        assert_eq!(crate::detect::state::read("nfflood", &octets), Ok(all));
    }
}
