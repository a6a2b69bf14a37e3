//! Baselines: the usual value of each subject, as the exponentially weighted mean of ln(1+x) over windows.
//!
//! The logarithm keeps one busy window from dominating the mean, and eight times the usual value is the same
//! step for a small host and a large one. Detectors do not teach a baseline the windows in which they flag its
//! subject: a flood that lasts must not become usual.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::slot::{self, DAY, SECONDS, WEEK};
use super::state::teaches;
use crate::time::{Timestamp, Window};

/// Weight of one slot against all slots before it: half of a value is forgotten in four hours.
const WEIGHT: f32 = 1.0 / 36.0;
/// Slots that a subject must be known for before it has a usual value: six hours.
const WARM: u32 = 36;
/// Slots after which a subject is forgotten if it is not seen again.
const KEPT: u32 = WEEK;
/// The most subjects that are stored, some 20 bytes each. Beyond them, the newest subjects are forgotten: a
/// flood of forged ones can neither fill the file nor evict the subjects that were there before.
const MAX: usize = 1 << 18;

/// The baselines of many subjects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baselines<K: Ord> {
    /// Start of the first window that was learned, in Unix seconds; 0 before there was one.
    since: u64,
    /// End of the last window that was learned, in Unix seconds; 0 before there was one.
    until: u64,
    all: BTreeMap<K, Mean>,
    /// Subjects that were forgotten because there were too many.
    evicted: u64,
}

/// The mean of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mean {
    /// Mean of ln(1+x) at the slot `last`.
    mean: f32,
    /// Slot in which the subject was first seen.
    first: u32,
    /// Slot in which the subject was last seen.
    last: u32,
}

impl<K: Ord> Default for Baselines<K> {
    fn default() -> Baselines<K> {
        Baselines { since: 0, until: 0, all: BTreeMap::new(), evicted: 0 }
    }
}

impl Mean {
    /// Returns the mean at a later slot, if the subject was not seen in between.
    fn at(&self, now: u32) -> f32 {
        let gap = now.saturating_sub(self.last).saturating_sub(1).min(KEPT);
        self.mean * (1.0 - WEIGHT).powi(gap as i32)
    }

    /// Returns the usual value at a slot.
    fn value(&self, now: u32) -> u64 {
        self.at(now).exp_m1().round().max(0.0) as u64
    }
}

impl<K: Ord + Clone> Baselines<K> {
    /// Returns true if a window may be learned at the time `now`.
    pub fn is_new(&self, window: Window, now: Timestamp) -> bool {
        teaches(self.until, window, now)
    }

    /// Returns true if enough windows were learned to say that the usual value of an unknown subject is 0.
    pub fn is_warm(&self) -> bool {
        self.until.saturating_sub(self.since) >= u64::from(WARM) * SECONDS
    }

    /// Returns how many subjects are stored, and how many were forgotten because there were too many.
    pub fn sizes(&self) -> (u64, u64) {
        (self.all.len() as u64, self.evicted)
    }

    /// Returns the usual value of a subject, which is 0 for one that was never seen. `None` means that too few
    /// windows are known to say so.
    pub fn usual(&self, subject: &K, window: Option<Window>) -> Option<u64> {
        // After an eviction, an unknown subject may be one that was forgotten.
        let is_sure = self.is_warm() && self.evicted == 0;
        let now = slot::at(window.map_or(self.until, Window::start));
        let so_far = || self.all.get(subject).map_or(0, |mean| mean.value(now));
        self.of(subject, window).or_else(|| is_sure.then(so_far))
    }

    /// Returns the usual value of a subject that is known for six hours or longer.
    pub fn of(&self, subject: &K, window: Option<Window>) -> Option<u64> {
        let mean = self.all.get(subject)?;
        let now = slot::at(window.map_or(self.until, Window::start));
        let known = now.saturating_sub(mean.first) >= WARM;
        known.then(|| mean.value(now))
    }

    /// Returns the value that was usual for a subject when it was last seen, if that was in the day before and it had
    /// been known for six hours.
    pub fn when_last_seen(&self, subject: &K, window: Option<Window>) -> Option<u64> {
        let mean = self.all.get(subject)?;
        let now = slot::at(window.map_or(self.until, Window::start));
        let is_known = mean.last.saturating_sub(mean.first) + 1 >= WARM;
        let is_recent = mean.last.saturating_add(DAY) >= now;
        (is_known && is_recent).then(|| mean.value(mean.last))
    }

    /// Adds the value of a subject in a window.
    pub fn learn(&mut self, subject: &K, value: u64, window: Window) {
        let now = slot::last(window);
        let value = (value as f32).ln_1p();
        if let Some(mean) = self.all.get_mut(subject) {
            // Windows shorter than a slot share its weight.
            let weight = WEIGHT * (window.seconds() as f32 / SECONDS as f32).min(1.0);
            let before = mean.at(now);
            *mean = Mean { mean: before + weight * (value - before), last: now, ..*mean };
            return;
        }
        if self.all.len() >= 2 * MAX {
            self.forget(now);
        }
        self.all.insert(subject.clone(), Mean { mean: value, first: now, last: now });
    }

    /// Ends a window, of which all values were added.
    pub fn close(&mut self, window: Window) {
        if self.until == 0 {
            self.since = window.start();
        }
        self.until = window.end();
        self.forget(slot::last(window));
    }

    /// Drops the subjects that are too old, and those that are too many.
    fn forget(&mut self, now: u32) {
        self.all.retain(|_, mean| mean.last.saturating_add(KEPT) >= now);
        let excess = self.all.len().saturating_sub(MAX);
        if excess == 0 {
            return;
        }
        // The slot of the first sighting never changes, so the order of subjects does not decide which go.
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

    /// Returns the usual value of a subject after windows of these values.
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
    fn a_lasting_value_becomes_usual_and_one_burst_does_not() {
        assert_eq!(usual([500; 35]), None, "six hours");
        assert_eq!(usual([500; 36]), Some(500));
        let burst = (0..144).map(|n| if n == 140 { 50_000 } else { 500 });
        assert!((500..600).contains(&usual(burst).unwrap()));
        let grown = (0..288).map(|n| if n < 144 { 100 } else { 5_000 });
        assert!((4_500..5_000).contains(&usual(grown).unwrap()));
    }

    #[test]
    fn a_silent_subject_comes_down_and_is_forgotten() {
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
        let now = Timestamp::from_secs(1_000_000);
        assert!(!all.is_new(window(143), now) && all.is_new(window(144), now));
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
        assert!(all.of(&0, Some(window(145))).is_some(), "older subjects stay");
    }

    #[test]
    fn baselines_read_back_from_a_state_file() {
        let mut all = Baselines::default();
        (0..40u32).for_each(|n| all.learn(&(1u8, n), u64::from(n) * 1000, window(n.into())));
        let file = crate::detect::state::write("nfflood", &all).unwrap();
        assert_eq!(crate::detect::state::read("nfflood", &file), Ok(all));
    }
}
