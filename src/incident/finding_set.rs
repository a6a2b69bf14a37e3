//! The findings of one run, each once.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::{Finding, Host, Kind, Role, Side};
use crate::time::{End, Window, WindowState};

/// The most findings that are kept, and the most windows without data. Whoever can forge exports
/// can make findings without end; they would fill the memory, and nobody reads more.
pub const LIMIT: usize = 10_000;

/// What makes two rows updates of each other, nfkit-finding(5).
type Key = (Option<Window>, Kind, String, Host, Role, Option<u8>, Option<u16>);

/// Findings and windows without data, read in any order and any number of times.
///
/// Of rows that are equal in window, kind, class, host, role, protocol and port, the one with the
/// most flows holds. Beyond [`LIMIT`], those about inside hosts and those with many flows are kept.
#[derive(Clone, Debug, Default)]
pub struct FindingSet {
    rows: BTreeMap<Key, Finding>,
    silent: BTreeSet<Option<Window>>,
    left_out: bool,
}

impl FindingSet {
    /// An empty one.
    pub fn new() -> FindingSet {
        FindingSet::default()
    }

    /// Notes a finding.
    pub fn finding(&mut self, finding: Finding) {
        let key = key(&finding);
        match self.rows.get_mut(&key) {
            Some(known) if weight(known) >= weight(&finding) => {}
            Some(known) => *known = finding,
            None => {
                self.rows.insert(key, finding);
            }
        }
        if self.rows.len() >= 2 * LIMIT {
            self.shorten();
        }
    }

    /// Notes how a window ended: that no exporter spoke is news, whichever tool says it.
    pub fn end(&mut self, end: &End) {
        if end.state == Some(WindowState::NoData) {
            self.silent.insert(end.window);
            if self.silent.len() > LIMIT {
                self.left_out = true;
                self.silent.pop_first();
            }
        }
    }

    /// Drops what is beyond the limit. Rows beyond it stay so whatever follows, so that the result
    /// does not depend on the order of the input.
    fn shorten(&mut self) {
        if self.rows.len() > LIMIT {
            self.left_out = true;
            let mut rows: Vec<_> = std::mem::take(&mut self.rows).into_iter().collect();
            rows.sort_by(|(a, one), (b, other)| {
                let rank = |finding: &Finding| (finding.side == Some(Side::Outside), finding.flows);
                let ((out, flows), (other_out, other_flows)) = (rank(one), rank(other));
                (out.cmp(&other_out)).then(other_flows.cmp(&flows)).then_with(|| a.cmp(b))
            });
            rows.truncate(LIMIT);
            self.rows = rows.into_iter().collect();
        }
    }

    /// The findings by window, then in the order that a window's findings are printed in.
    pub fn findings(&mut self) -> Vec<&Finding> {
        self.shorten();
        let mut findings: Vec<_> = self.rows.values().collect();
        findings.sort_by(|a, b| a.window.cmp(&b.window).then_with(|| a.order(b)));
        findings
    }

    /// The windows in which no exporter spoke, in their order.
    pub fn silent(&self) -> impl Iterator<Item = Option<Window>> {
        self.silent.iter().copied()
    }

    /// Whether there was more than could be kept; known once [`FindingSet::findings`] was asked.
    pub fn left_out(&self) -> bool {
        self.left_out
    }
}

fn key(finding: &Finding) -> Key {
    let Finding { window, kind, ref class, host, role, proto, port, .. } = *finding;
    (window, kind, class.clone(), host, role, proto, port)
}

/// What decides between two rows of one key: the flows, then that `forged` is never forgotten, then
/// all the rest, so that the order of the input does not.
fn weight(finding: &Finding) -> impl Ord + use<'_> {
    let Finding { flows, packets, octets, rate, peers, more, side, .. } = *finding;
    let Finding { peer, marks, why, sample, .. } = finding;
    let is_forged = marks.iter().any(|mark| mark == "forged");
    ((flows, is_forged, packets, octets, rate), (peers, more, side, peer, marks, why, sample))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::finding::Rate;

    /// An inside host that did something in a window of ten minutes.
    pub(in crate::incident) fn finding(host: [u8; 4], kind: Kind, role: Role) -> Finding {
        let window = Window::new(998_068_800, 600);
        Finding {
            window,
            kind,
            class: "dos".to_owned(),
            host: Host::Address(host.into()),
            role,
            side: Some(Side::Inside),
            proto: Some(6),
            port: Some(80),
            peers: 1,
            peer: Vec::new(),
            more: 0,
            flows: 2000,
            packets: 6000,
            octets: 288_000,
            rate: Rate::of(2000, window),
            marks: Vec::new(),
            why: "flows=2000>1000".to_owned(),
            sample: Vec::new(),
        }
    }

    #[test]
    fn of_two_updates_the_larger_holds_in_either_order() {
        let small = finding([10, 0, 0, 1], Kind::Flood, Role::Target);
        let large = Finding { flows: 3000, ..small.clone() };
        let other = Finding { port: Some(81), ..small.clone() };
        let forged = Finding { marks: vec!["forged".to_owned()], ..large.clone() };
        for order in [[&small, &large, &other, &forged], [&forged, &other, &large, &small]] {
            let mut docket = FindingSet::new();
            order.into_iter().for_each(|row| docket.finding(row.clone()));
            assert_eq!(docket.findings(), [&forged, &other]);
        }
    }

    #[test]
    fn a_window_without_data_is_one_whoever_says_so() {
        let mut docket = FindingSet::new();
        for (state, tool) in [
            (WindowState::NoData, "nfscan"),
            (WindowState::NoData, "nfport"),
            (WindowState::Ok, "nfscan"),
        ] {
            let start = if state == WindowState::Ok { 600 } else { 0 };
            let (window, tool) = (Window::new(start, 600), Some(tool.to_owned()));
            docket.end(&End { window, state: Some(state), tool, ..End::default() });
        }
        assert_eq!(docket.silent().collect::<Vec<_>>(), [Window::new(0, 600)]);
    }

    #[test]
    fn a_flood_of_findings_is_cut_and_the_inside_is_kept() {
        let row = |n: u32, side| Finding {
            host: Host::Address(n.to_be_bytes().into()),
            side: Some(side),
            flows: u64::from(n),
            ..finding([0; 4], Kind::Scan, Role::Source)
        };
        let count = 2 * LIMIT as u32 + 7;
        let mut orders: [Vec<_>; 2] = std::array::from_fn(|_| {
            (0..count).map(|n| row(n, if n == 3 { Side::Inside } else { Side::Outside })).collect()
        });
        orders[1].reverse();
        for rows in orders {
            let mut docket = FindingSet::new();
            rows.into_iter().for_each(|row| docket.finding(row));
            assert!(docket.rows.len() < 2 * LIMIT);
            let flows: Vec<_> = docket.findings().iter().map(|finding| finding.flows).collect();
            assert_eq!(
                (flows.len(), flows[0], flows[LIMIT - 2], flows[LIMIT - 1]),
                (LIMIT, u64::from(count) - 1, u64::from(count) - LIMIT as u64 + 1, 3)
            );
            assert!(docket.left_out());
        }
    }
}
