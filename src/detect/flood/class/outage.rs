//! Outages: an inside server that is dead, and whose clients keep asking.

use super::super::case::FloodClass;
use super::dos::{FILL, LIMIT, attempts, by_many};
use crate::detect::judge::DefaultLimit;
use crate::detect::threshold::Measure;
use crate::finding::Side;

/// The factor of the conversations that the server usually serves up to which failed ones are its clients'.
const TIMES: u64 = 3;
/// The share of conversations that a dead server lets fail, in percent.
const DEAD: u64 = 90;

/// An outage: as many failed conversations as in a flood, but at least half of their sources had been served by the
/// host in the day before, and they are at most three times as many as it usually serves. Only `--state` knows that;
/// without it the finding is a flood, because a flood that kills the server looks the same.
pub const OUTAGE: FloodClass = FloodClass {
    name: "outage",
    limit: DefaultLimit::same(LIMIT),
    measure: |case| {
        let past = case.extra.past?;
        let (tried, share) = case.failed();
        if case.side != Some(Side::Inside) || share < DEAD {
            return None;
        }
        let mut measures = attempts(case, &OUTAGE)?;
        measures.extend(by_many(case));
        measures.push(Measure::at_least("knownpct", past.known, 50));
        let most = past.usual.saturating_mul(TIMES).saturating_add(1);
        measures.push(Measure::below("tried", tried, most));
        Some(measures)
    },
    fill: FILL,
};
