//! The findings of one run, each held once.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Host, Kind, Role, Side};
use crate::time::{End, Window, WindowState};

/// The most findings that are kept, and the most windows without data. An attacker who forges exports can
/// cause any number of findings, which would fill the memory, and nobody reads more than these.
pub const SET_LIMIT: usize = 10_000;

/// The identity of a finding, nfkit-finding(5): of two rows with one identity, one is an update of the
/// other. The fields are compared in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Identity {
    /// The window; `None` if unknown.
    pub window: Option<Window>,
    /// The family of rules.
    pub kind: Kind,
    class: String,
    host: Host,
    role: Role,
    proto: Option<u8>,
    port: Option<u16>,
}

impl Identity {
    /// Returns the identity of a finding.
    pub fn of(finding: &Finding) -> Identity {
        let Finding { window, kind, ref class, host, role, proto, port, .. } = *finding;
        Identity { window, kind, class: class.clone(), host, role, proto, port }
    }
}

/// The findings and the windows without data of one run, read in any order and any number of times.
///
/// If rows are equal in window, kind, class, host, role, protocol and port, the one with the most flows is
/// kept. If there are more than [`SET_LIMIT`], findings about inside hosts are kept before others, and those
/// with many flows before those with few.
#[derive(Clone, Debug, Default)]
pub struct FindingSet {
    rows: BTreeMap<Identity, Finding>,
    /// Windows in which no exporter sent data.
    silent: BTreeSet<Option<Window>>,
    left_out: bool,
}

impl FindingSet {
    /// Returns an empty set.
    pub fn new() -> FindingSet {
        FindingSet::default()
    }

    /// Adds a finding.
    pub fn finding(&mut self, finding: Finding) {
        let identity = Identity::of(&finding);
        match self.rows.get_mut(&identity) {
            Some(known) => known.update(finding),
            None => {
                self.rows.insert(identity, finding);
            }
        }
        if self.rows.len() >= 2 * SET_LIMIT {
            self.shorten();
        }
    }

    /// Notes the state of a closed window. A window without data is reported, whichever tool says so.
    pub fn end(&mut self, end: &End) {
        if end.state == Some(WindowState::NoData) {
            self.silent.insert(end.window);
            if self.silent.len() > SET_LIMIT {
                self.left_out = true;
                self.silent.pop_first();
            }
        }
    }

    /// Drops the rows beyond [`SET_LIMIT`]. A row that was dropped would be dropped after any further input
    /// too, so the result does not depend on the order of the input.
    fn shorten(&mut self) {
        if self.rows.len() > SET_LIMIT {
            self.left_out = true;
            let mut rows: Vec<_> = std::mem::take(&mut self.rows).into_iter().collect();
            rows.sort_by(|(a, one), (b, other)| {
                let rank = |finding: &Finding| (finding.side == Some(Side::Outside), finding.flows);
                let (is_outside, flows) = rank(one);
                let (other_is_outside, other_flows) = rank(other);
                (is_outside.cmp(&other_is_outside))
                    .then(other_flows.cmp(&flows))
                    .then_with(|| a.cmp(b))
            });
            rows.truncate(SET_LIMIT);
            self.rows = rows.into_iter().collect();
        }
    }

    /// Drops the findings and windows without data that begin before `since`, in Unix seconds, and returns how
    /// many these were. Those of an unknown time stay.
    pub fn keep_since(&mut self, since: u64) -> usize {
        let is_kept = |window: Option<Window>| window.is_none_or(|one| one.start() >= since);
        let before = self.rows.len() + self.silent.len();
        self.rows.retain(|identity, _| is_kept(identity.window));
        self.silent.retain(|window| is_kept(*window));
        before - self.rows.len() - self.silent.len()
    }

    /// Returns the findings by window, and those of one window in the order of finding lines.
    pub fn findings(&mut self) -> Vec<&Finding> {
        self.shorten();
        let mut findings: Vec<_> = self.rows.values().collect();
        findings.sort_by(|a, b| a.window.cmp(&b.window).then_with(|| a.order(b)));
        findings
    }

    /// Returns the windows in which no exporter sent data, in their order.
    pub fn silent(&self) -> impl Iterator<Item = Option<Window>> {
        self.silent.iter().copied()
    }

    /// Returns true if something was dropped for lack of room. [`FindingSet::findings`] must be called
    /// first: it drops the last rows.
    pub fn left_out(&self) -> bool {
        self.left_out
    }
}

impl Finding {
    /// Takes the place of this row by another one of the same identity, if that is the one to keep.
    pub fn update(&mut self, other: Finding) {
        if weight(&other) > weight(self) {
            *self = other;
        }
    }
}

/// Returns the rank of a row among those of one identity; the greatest is kept. The flows come first, then
/// the mark `forged`, which must not get lost, then all other columns, so that the order of the input does
/// not decide.
fn weight(finding: &Finding) -> impl Ord + use<'_> {
    let Finding { flows, packets, octets, rate, peers, more, side, .. } = *finding;
    let Finding { peer, marks, why, sample, .. } = finding;
    let is_forged = marks.iter().any(|mark| mark == "forged");
    ((flows, is_forged, packets, octets, rate), (peers, more, side, peer, marks, why, sample))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::tests::finding;

    #[test]
    fn the_larger_of_two_updates_is_kept_in_either_order() {
        let small = finding([10, 0, 0, 1], Kind::Flood, Role::Target);
        let large = Finding { flows: 3000, ..small.clone() };
        let other = Finding { port: Some(81), ..small.clone() };
        let forged = Finding { marks: vec!["forged".to_owned()], ..large.clone() };
        for order in [[&small, &large, &other, &forged], [&forged, &other, &large, &small]] {
            let mut set = FindingSet::new();
            order.into_iter().for_each(|row| set.finding(row.clone()));
            assert_eq!(set.findings(), [&forged, &other]);
        }
    }

    #[test]
    fn a_window_without_data_counts_once_whichever_tool_reports_it() {
        let mut set = FindingSet::new();
        for (state, tool) in [
            (WindowState::NoData, "nfscan"),
            (WindowState::NoData, "nfport"),
            (WindowState::Ok, "nfscan"),
        ] {
            let start = if state == WindowState::Ok { 600 } else { 0 };
            let (window, tool) = (Window::new(start, 600), Some(tool.to_owned()));
            set.end(&End { window, state: Some(state), tool, ..End::default() });
        }
        assert_eq!(set.silent().collect::<Vec<_>>(), [Window::new(0, 600)]);
    }

    #[test]
    fn older_findings_can_be_dropped() {
        let mut set = FindingSet::new();
        let old = finding([10, 0, 0, 1], Kind::Scan, Role::Source);
        let start = old.window.unwrap().start();
        let newer = Finding { window: Window::new(start + 600, 600), ..old.clone() };
        let unknown = Finding { window: None, ..old.clone() };
        [&old, &newer, &unknown].into_iter().for_each(|one| set.finding(one.clone()));
        for window in [old.window, newer.window] {
            set.end(&End { window, state: Some(WindowState::NoData), ..End::default() });
        }
        assert_eq!(set.keep_since(start), 0);
        assert_eq!(set.keep_since(start + 1), 2);
        assert_eq!(set.findings(), [&unknown, &newer]);
        assert_eq!(set.silent().collect::<Vec<_>>(), [newer.window]);
    }

    #[test]
    fn beyond_the_limit_inside_hosts_and_large_findings_are_kept() {
        let row = |n: u32, side| Finding {
            host: Host::Address(n.to_be_bytes().into()),
            side: Some(side),
            flows: u64::from(n),
            ..finding([0; 4], Kind::Scan, Role::Source)
        };
        let count = 2 * SET_LIMIT as u32 + 7;
        let mut orders: [Vec<_>; 2] = std::array::from_fn(|_| {
            (0..count).map(|n| row(n, if n == 3 { Side::Inside } else { Side::Outside })).collect()
        });
        orders[1].reverse();
        for rows in orders {
            let mut set = FindingSet::new();
            rows.into_iter().for_each(|row| set.finding(row));
            assert!(set.rows.len() < 2 * SET_LIMIT);
            let flows: Vec<_> = set.findings().iter().map(|finding| finding.flows).collect();
            assert_eq!(
                (flows.len(), flows[0], flows[SET_LIMIT - 2], flows[SET_LIMIT - 1]),
                (SET_LIMIT, u64::from(count) - 1, u64::from(count) - SET_LIMIT as u64 + 1, 3)
            );
            assert!(set.left_out());
        }
    }
}
