//! Which windows were judged, by whom, and how much of them was seen: what makes "no findings" mean
//! something.

use std::collections::{BTreeMap, BTreeSet};

use super::data::{WindowVerdict, worse};
use super::words;
use crate::finding::Finding;
use crate::time::{Window, WindowState};

/// The most stretches of time that are named in one place; the rest is counted.
const MAX_SPANS: usize = 8;

/// How a window stands, the alarming first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coverage {
    /// No exporter spoke.
    NoData,
    /// Part of it was not seen.
    Cut,
    /// There are findings, and no mark that closes it.
    Unclosed,
    /// Nothing is torn, but flows or export datagrams are missing.
    Lossy,
    /// It was judged, and nobody said how much of it was seen.
    Unsaid,
    /// Seen whole, with findings.
    Found,
    /// Seen whole, without.
    Clean,
}

/// One window, over all tools.
#[derive(Clone, Debug, Default)]
struct JudgedWindow {
    tools: BTreeSet<String>,
    state: Option<WindowState>,
    is_lossy: bool,
    findings: u64,
}

/// Windows that stand alike and were judged by the same tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub standing: Coverage,
    pub tools: Vec<String>,
    pub windows: u64,
    pub findings: u64,
    pub when: Vec<String>,
}

/// All windows of the page.
#[derive(Debug)]
pub(super) struct Windows(BTreeMap<Option<Window>, JudgedWindow>);

impl Windows {
    pub(super) fn new(looks: &[&WindowVerdict], findings: &[&Finding]) -> Windows {
        let mut windows: BTreeMap<Option<Window>, JudgedWindow> = BTreeMap::new();
        for look in looks {
            let judged = windows.entry(look.window).or_default();
            judged.state = match judged.tools.is_empty() {
                true => look.state,
                false => worse(judged.state, look.state),
            };
            judged.is_lossy |= look.is_lossy;
            judged.tools.insert(look.tool.clone());
        }
        for finding in findings {
            windows.entry(finding.window).or_default().findings += 1;
        }
        Windows(windows)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many were judged.
    pub(super) fn judged(&self) -> usize {
        self.0.values().filter(|judged| !judged.tools.is_empty()).count()
    }

    /// From the first to the last moment, in seconds since the epoch; `None` if no time is known.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        let known = || self.0.keys().flatten();
        Some((known().map(|w| w.start()).min()?, known().map(|w| w.end()).max()?))
    }

    pub(super) fn standing(&self, window: Option<Window>) -> Coverage {
        self.0.get(&window).map_or(Coverage::Unclosed, JudgedWindow::standing)
    }

    /// The windows that stand like this: how many, and when.
    pub(super) fn of(&self, standing: Coverage) -> (u64, Vec<String>) {
        let windows = self.0.iter().filter(|(_, judged)| judged.standing() == standing);
        let windows: Vec<_> = windows.map(|(window, _)| *window).collect();
        (windows.len() as u64, when(&windows))
    }

    pub(super) fn groups(&self) -> Vec<Group> {
        let mut groups: BTreeMap<(Coverage, Vec<String>), Vec<Option<Window>>> = BTreeMap::new();
        for (window, judged) in &self.0 {
            let tools: Vec<_> = judged.tools.iter().cloned().collect();
            groups.entry((judged.standing(), tools)).or_default().push(*window);
        }
        let findings = |window: &_| self.0.get(window).map_or(0, |judged| judged.findings);
        let groups = groups.into_iter();
        groups
            .map(|((standing, tools), windows)| Group {
                standing,
                tools,
                windows: windows.len() as u64,
                findings: windows.iter().map(findings).sum(),
                when: when(&windows),
            })
            .collect()
    }

    /// The time between the first and the last window that lies in none; empty if there is none.
    pub(super) fn gaps(&self) -> Vec<String> {
        let covered = merged(self.0.keys().flatten().copied());
        let gaps = covered.iter().zip(covered.iter().skip(1)).map(|(a, b)| (a.1, b.0));
        spans(&gaps.collect::<Vec<_>>())
    }
}

impl JudgedWindow {
    fn standing(&self) -> Coverage {
        match (self.tools.is_empty(), self.state) {
            (true, _) => Coverage::Unclosed,
            (_, Some(WindowState::NoData)) => Coverage::NoData,
            (_, Some(WindowState::Cut)) => Coverage::Cut,
            (_, Some(WindowState::Ok)) if self.is_lossy => Coverage::Lossy,
            (_, None) => Coverage::Unsaid,
            (_, Some(WindowState::Ok)) if self.findings > 0 => Coverage::Found,
            (_, Some(WindowState::Ok)) => Coverage::Clean,
        }
    }
}

fn when(windows: &[Option<Window>]) -> Vec<String> {
    let mut when = spans(&merged(windows.iter().flatten().copied()));
    if windows.contains(&None) {
        when.push("at an unknown time".to_owned());
    }
    when
}

/// Stretches of time that the windows, in order, cover without a gap: start and end in seconds.
fn merged(windows: impl Iterator<Item = Window>) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = Vec::new();
    for window in windows {
        match all.last_mut() {
            Some(last) if window.start() <= last.1 => last.1 = last.1.max(window.end()),
            _ => all.push((window.start(), window.end())),
        }
    }
    all
}

/// The newest stretches in words, newest first.
fn spans(all: &[(u64, u64)]) -> Vec<String> {
    let named = all.iter().rev().take(MAX_SPANS).map(|&(start, end)| words::span(start, end));
    let more = all.len().saturating_sub(MAX_SPANS);
    named.chain((more > 0).then(|| format!("and {more} earlier"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{end, finding};
    use super::super::{PageData, words};
    use super::*;
    use crate::finding::Item;
    use crate::time::Mark;

    fn windows(ends: &[(u64, &str, Option<WindowState>)], found: &[u64]) -> Windows {
        let mut board = PageData::new(None);
        for &(start, tool, state) in ends {
            board.item(Item::Mark(Mark::End(end(start, tool, state))));
        }
        for &start in found {
            board.item(Item::Finding(Box::new(finding("192.0.2.1", start, 1))));
        }
        let held = board.held();
        let (looks, findings) = (held.looks.iter(), held.findings.iter());
        Windows::new(&looks.collect::<Vec<_>>(), &findings.collect::<Vec<_>>())
    }

    #[test]
    fn windows_stand_as_the_worst_that_was_said_of_them() {
        let ok = Some(WindowState::Ok);
        let all = windows(
            &[
                (0, "nfscan", ok),
                (0, "nfflood", ok),
                (600, "nfscan", ok),
                (600, "nfflood", Some(WindowState::Cut)),
                (1200, "nfscan", None),
                (1800, "nfscan", Some(WindowState::NoData)),
                (2400, "nfscan", ok),
                (2400, "nfflood", ok),
            ],
            &[2400, 3000],
        );
        let standings: Vec<_> = (0..6).map(|n| all.standing(Window::new(n * 600, 600))).collect();
        use Coverage::*;
        assert_eq!(standings, [Clean, Cut, Unsaid, NoData, Found, Unclosed]);
        assert_eq!((all.judged(), all.range()), (5, Some((0, 3600))));
        let tools: Vec<_> = all.groups().iter().map(|g| g.tools.join(" ")).collect();
        assert_eq!(
            tools,
            ["nfscan", "nfflood nfscan", "", "nfscan", "nfflood nfscan", "nfflood nfscan"]
        );
    }

    #[test]
    fn time_that_nobody_looked_at_is_no_quiet_time() {
        let ok = Some(WindowState::Ok);
        let all = windows(
            &[(0, "nfscan", ok), (600, "nfscan", ok), (1800, "nfscan", ok), (9000, "nfscan", ok)],
            &[],
        );
        let span = words::span;
        assert_eq!(all.gaps(), [span(2400, 9000), span(1200, 1800)]);
        let (count, when) = all.of(Coverage::Clean);
        assert_eq!(count, 4);
        assert_eq!(when, [span(9000, 9600), span(1800, 2400), span(0, 1200)]);
        let many: Vec<_> = (0..20).map(|n| (n * 1200, "nfscan", ok)).collect();
        let when = windows(&many, &[]).of(Coverage::Clean).1;
        assert_eq!((when.len(), when.last().unwrap().as_str()), (MAX_SPANS + 1, "and 12 earlier"));
    }
}
