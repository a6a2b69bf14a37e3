//! The windows of the page: the tools that judged each, and how much of its time was seen. A window without
//! findings is only clean if it was judged and seen whole.

use std::collections::{BTreeMap, BTreeSet};

use super::data::WindowVerdict;
use crate::page::day::worse;
use crate::page::words;
use crate::time::{Window, WindowState};

/// The most periods that are named in one place. Further ones are only counted.
const MAX_SPANS: usize = 8;

/// The part of a window that was seen and judged; the most alarming first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Coverage {
    /// No exporter sent data.
    NoData,
    /// Part of the window was not seen.
    Cut,
    /// There are findings, but no mark closes the window.
    Unclosed,
    /// The window is whole, but an exporter was silent that sent data before.
    Silent,
    /// The window is whole, but flows or export datagrams are missing.
    Lossy,
    /// The window was judged, and no mark says how much of it was seen.
    Unsaid,
    /// The window was seen whole and has findings.
    Found,
    /// The window was seen whole and has no findings.
    Clean,
}

/// The verdicts of all tools on one window.
#[derive(Clone, Debug, Default)]
struct JudgedWindow {
    tools: BTreeSet<String>,
    /// The worst state that a tool reported.
    state: Option<WindowState>,
    is_lossy: bool,
    has_silent: bool,
    findings: u64,
    /// True if there were too many findings to keep them all.
    lacks_findings: bool,
}

/// The windows with the same coverage that were judged by the same tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    pub coverage: Coverage,
    pub tools: Vec<String>,
    pub windows: u64,
    pub findings: u64,
    /// The periods in words, the newest first.
    pub when: Vec<String>,
}

/// All windows of the page, by time.
#[derive(Debug)]
pub(super) struct Windows(BTreeMap<Option<Window>, JudgedWindow>);

impl Windows {
    /// Returns the windows that were judged or have findings. `found` has the window of each finding, and `lacking`
    /// those of which findings were not kept.
    pub(super) fn new<'v>(
        verdicts: impl IntoIterator<Item = &'v WindowVerdict>,
        found: impl IntoIterator<Item = Option<Window>>,
        lacking: impl IntoIterator<Item = Option<Window>>,
    ) -> Windows {
        let mut windows: BTreeMap<Option<Window>, JudgedWindow> = BTreeMap::new();
        for WindowVerdict { window, tool, verdict } in verdicts {
            let judged = windows.entry(*window).or_default();
            judged.state = if judged.tools.is_empty() {
                verdict.state
            } else {
                worse(judged.state, verdict.state)
            };
            judged.is_lossy |= verdict.is_lossy;
            judged.has_silent |= verdict.has_silent;
            judged.tools.insert(tool.clone());
        }
        for window in found {
            windows.entry(window).or_default().findings += 1;
        }
        for window in lacking {
            windows.entry(window).or_default().lacks_findings = true;
        }
        Windows(windows)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of windows that a tool judged.
    pub(super) fn judged(&self) -> usize {
        self.0.values().filter(|judged| !judged.tools.is_empty()).count()
    }

    /// Returns the first and the last moment in seconds since the epoch; `None` if no time is known.
    pub(super) fn range(&self) -> Option<(u64, u64)> {
        let known = || self.0.keys().flatten();
        Some((known().map(|w| w.start()).min()?, known().map(|w| w.end()).max()?))
    }

    pub(super) fn coverage(&self, window: Option<Window>) -> Coverage {
        self.0.get(&window).map_or(Coverage::Unclosed, JudgedWindow::coverage)
    }

    /// Returns the number of windows with this coverage, and their periods.
    pub(super) fn of(&self, coverage: Coverage) -> (u64, Vec<String>) {
        let windows = self.0.iter().filter(|(_, judged)| judged.coverage() == coverage);
        let windows: Vec<_> = windows.map(|(window, _)| *window).collect();
        (windows.len() as u64, when(&windows))
    }

    pub(super) fn groups(&self) -> Vec<Group> {
        let mut groups: BTreeMap<(Coverage, Vec<String>), Vec<Option<Window>>> = BTreeMap::new();
        for (window, judged) in &self.0 {
            let tools: Vec<_> = judged.tools.iter().cloned().collect();
            groups.entry((judged.coverage(), tools)).or_default().push(*window);
        }
        let findings = |window: &_| self.0.get(window).map_or(0, |judged| judged.findings);
        let groups = groups.into_iter();
        groups
            .map(|((coverage, tools), windows)| Group {
                coverage,
                tools,
                windows: windows.len() as u64,
                findings: windows.iter().map(findings).sum(),
                when: when(&windows),
            })
            .collect()
    }

    /// Returns the periods between the first and the last window that no window covers.
    pub(super) fn gaps(&self) -> Vec<String> {
        let covered = merged(self.0.keys().flatten().copied());
        let gaps = covered.iter().zip(covered.iter().skip(1)).map(|(a, b)| (a.1, b.0));
        spans(&gaps.collect::<Vec<_>>())
    }
}

impl JudgedWindow {
    fn coverage(&self) -> Coverage {
        match (self.tools.is_empty(), self.state) {
            (true, _) => Coverage::Unclosed,
            (_, Some(WindowState::NoData)) => Coverage::NoData,
            (_, Some(WindowState::Cut)) => Coverage::Cut,
            (_, Some(WindowState::Ok)) if self.has_silent => Coverage::Silent,
            (_, Some(WindowState::Ok)) if self.is_lossy => Coverage::Lossy,
            (_, None) => Coverage::Unsaid,
            (_, Some(WindowState::Ok)) if self.findings > 0 || self.lacks_findings => {
                Coverage::Found
            }
            (_, Some(WindowState::Ok)) => Coverage::Clean,
        }
    }
}

/// Returns the periods of windows in words.
fn when(windows: &[Option<Window>]) -> Vec<String> {
    let mut when = spans(&merged(windows.iter().flatten().copied()));
    if windows.contains(&None) {
        when.push("at an unknown time".to_owned());
    }
    when
}

/// Returns the periods that the windows, given in order, cover without a gap: start and end in seconds.
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

/// Returns the newest periods in words, the newest first.
fn spans(all: &[(u64, u64)]) -> Vec<String> {
    let named = all.iter().rev().take(MAX_SPANS).map(|&(start, end)| words::span(start, end));
    let more = all.len().saturating_sub(MAX_SPANS);
    named.chain((more > 0).then(|| format!("and {more} earlier"))).collect()
}

#[cfg(test)]
mod tests {
    use super::super::PageData;
    use super::super::tests::{end, finding};
    use super::*;
    use crate::finding::Item;
    use crate::page::day::DayData;
    use crate::page::words;
    use crate::time::Mark;

    fn windows(ends: &[(u64, &str, Option<WindowState>)], found: &[u64]) -> Windows {
        let mut data = PageData::new(None);
        for &(start, tool, state) in ends {
            data.item(Item::Mark(Mark::End(end(start, tool, state))));
        }
        for &start in found {
            data.item(Item::Finding(Box::new(finding("192.0.2.1", start, 1))));
        }
        let contents = data.contents();
        let found = contents.days.iter().flat_map(DayData::findings).map(|finding| finding.window);
        Windows::new(&contents.verdicts, found, [])
    }

    #[test]
    fn the_worst_verdict_of_any_tool_decides_the_coverage() {
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
        let found: Vec<_> = (0..6).map(|n| all.coverage(Window::new(n * 600, 600))).collect();
        use Coverage::*;
        assert_eq!(found, [Clean, Cut, Unsaid, NoData, Found, Unclosed]);
        assert_eq!((all.judged(), all.range()), (5, Some((0, 3600))));
        let tools: Vec<_> = all.groups().iter().map(|g| g.tools.join(" ")).collect();
        assert_eq!(
            tools,
            ["nfscan", "nfflood nfscan", "", "nfscan", "nfflood nfscan", "nfflood nfscan"]
        );
    }

    #[test]
    fn time_that_no_window_covers_is_a_gap() {
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
