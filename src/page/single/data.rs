//! The findings and closing marks of the input, each contents once, in bounded memory.

use std::cmp::Ordering;

use crate::finding::{DETECTORS, Finding, Item};
use crate::time::{End, Mark, Timeline, Timestamp, Window, WindowState};

/// The most findings that are kept: those of the newest windows, and in a window those with the most flows.
/// A stream of any length cannot cost more memory than twice as many.
const MAX_FINDINGS: usize = 30_000;

/// The most verdicts that are kept, one a window and tool: those of the newest windows. A stream of any
/// length cannot cost more memory than twice as many.
const MAX_VERDICTS: usize = 50_000;

/// The most characters of a rule that are kept. nfkit's own rules have some dozens.
const MAX_WHY: usize = 300;

/// The longest name of a tool in bytes.
const MAX_TOOL: usize = 32;

/// The content of finding streams, read in any order: findings, verdicts on windows, and the number of lines
/// that could not be read.
#[derive(Debug, Default)]
pub struct PageData {
    findings: Vec<Finding>,
    verdicts: Vec<WindowVerdict>,
    /// True if findings or verdicts were dropped because there were too many.
    overflow: bool,
    /// True if findings were dropped: nothing is known of windows before the oldest that is kept.
    is_cut: bool,
    bad_lines: u64,
    bad_inputs: u64,
    timeline: Timeline,
}

/// One tool's verdict on one window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct WindowVerdict {
    pub window: Option<Window>,
    /// The name of the tool; empty if the mark has none or an odd one.
    pub tool: String,
    pub state: Option<WindowState>,
    /// True if flows or export datagrams are missing.
    pub is_lossy: bool,
    /// True if an exporter was silent that sent data before.
    pub has_silent: bool,
    /// True if the collector took exports from anybody.
    pub is_open: bool,
}

/// The contents of a [`PageData`], each item once: findings in the order of the page, verdicts by window (the
/// newest first) and tool.
pub(super) struct PageContents<'a> {
    pub findings: &'a [Finding],
    pub verdicts: &'a [WindowVerdict],
    pub overflow: bool,
    pub bad_lines: u64,
    pub bad_inputs: u64,
    pub timeline: &'a Timeline,
}

impl PageContents<'_> {
    /// Returns true if every line of the input was understood. Only then can a window be called clean.
    pub(super) fn is_understood(&self) -> bool {
        self.bad_lines == 0 && self.bad_inputs == 0
    }
}

impl PageData {
    /// Returns data without findings. With `now`, lines of windows that begin more than one slot after it are
    /// set aside.
    pub fn new(now: Option<Timestamp>) -> PageData {
        PageData { timeline: Timeline::new(now), ..PageData::default() }
    }

    /// Returns the times of the lines that were taken or set aside.
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Adds one line of a finding stream.
    pub fn item(&mut self, item: Item) {
        let Some(window) = item.window() else { return };
        if !self.timeline.note(window) {
            return;
        }
        match item {
            Item::Finding(mut finding) => {
                if let Some((end, _)) = finding.why.char_indices().nth(MAX_WHY) {
                    finding.why.truncate(end);
                    finding.why.push('…');
                }
                self.findings.push(*finding);
                if self.findings.len() >= 2 * MAX_FINDINGS {
                    self.settle();
                }
            }
            Item::Mark(Mark::End(end)) => {
                self.verdicts.push(WindowVerdict::new(&end));
                if self.verdicts.len() >= 2 * MAX_VERDICTS {
                    self.settle();
                }
            }
            Item::Mark(Mark::Window(_)) => {}
        }
    }

    /// Counts a line that could not be read. The page then says that something is missing.
    pub fn bad_line(&mut self) {
        self.bad_lines += 1;
    }

    /// Counts an input that could not be read to its end. The page then says that something is missing.
    pub fn bad_input(&mut self) {
        self.bad_inputs += 1;
    }

    /// Returns true if the input had lines or files, but none could be read. A page about it must not replace
    /// an older page, which says more.
    pub fn is_unreadable(&self) -> bool {
        let is_empty = self.findings.is_empty() && self.verdicts.is_empty();
        is_empty && self.bad_lines + self.bad_inputs > 0
    }

    /// Returns the contents, each item once and in order.
    pub(super) fn contents(&mut self) -> PageContents<'_> {
        self.settle();
        PageContents {
            findings: &self.findings,
            verdicts: &self.verdicts,
            overflow: self.overflow,
            bad_lines: self.bad_lines,
            bad_inputs: self.bad_inputs,
            timeline: &self.timeline,
        }
    }

    /// Sorts the items, and drops duplicates and what is beyond the limits.
    fn settle(&mut self) {
        // The first of several lines about the same finding is kept: the one with the most flows.
        self.findings
            .sort_unstable_by(|a, b| identity(a).cmp(&identity(b)).then_with(|| rank(a, b)));
        self.findings.dedup_by(|a, b| identity(a) == identity(b));
        self.findings.sort_unstable_by(by_page);
        self.is_cut |= self.findings.len() > MAX_FINDINGS;
        self.findings.truncate(MAX_FINDINGS);
        if let Some(last) = self.findings.last().filter(|_| self.is_cut) {
            // A window whose findings were dropped must not look clean.
            self.verdicts.retain(|look| look.window >= last.window);
        }

        self.verdicts.sort_by(|a, b| newest(a.window, b.window).then_with(|| a.tool.cmp(&b.tool)));
        self.verdicts.dedup_by(|a, b| {
            let same = (a.window, &a.tool) == (b.window, &b.tool);
            if same {
                b.join(a);
            }
            same
        });
        self.overflow |= self.is_cut || self.verdicts.len() > MAX_VERDICTS;
        self.verdicts.truncate(MAX_VERDICTS);
    }
}

impl WindowVerdict {
    fn new(end: &End) -> WindowVerdict {
        let is_word = |text: &&String| {
            text.len() <= MAX_TOOL
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let some = |count: Option<u64>| count.is_some_and(|count| count > 0);
        let tool = end.tool.as_ref().filter(is_word).cloned().unwrap_or_default();
        let is_detector = DETECTORS.contains(&tool.as_str());
        WindowVerdict {
            window: end.window,
            // Other streams have marks too. Their `state=ok` says that a window was seen whole, not that it
            // was judged.
            state: end.state.filter(|state| *state != WindowState::Ok || is_detector),
            tool,
            is_lossy: some(end.lost_flows) || some(end.lost_datagrams),
            has_silent: some(end.silent),
            is_open: end.open == Some(true),
        }
    }

    /// Adds another verdict on the same window by the same tool. The worse value of each field is kept.
    fn join(&mut self, other: &WindowVerdict) {
        self.state = worse(self.state, other.state);
        self.is_lossy |= other.is_lossy;
        self.has_silent |= other.has_silent;
        self.is_open |= other.is_open;
    }
}

/// Returns the worse of two states.
pub(super) fn worse(a: Option<WindowState>, b: Option<WindowState>) -> Option<WindowState> {
    let badness = |state: &Option<WindowState>| match state {
        Some(WindowState::Ok) => 0,
        None => 1,
        Some(WindowState::Cut) => 2,
        Some(WindowState::NoData) => 3,
    };
    if badness(&a) >= badness(&b) { a } else { b }
}

/// Returns the identity of a finding, nfkit-finding(5).
fn identity(finding: &Finding) -> impl Ord + '_ {
    let Finding { window, kind, class, host, role, proto, port, .. } = finding;
    (window, kind, class, host, role, proto, port)
}

/// Compares two lines about the same finding: the one to keep comes first, whatever the order of the input.
fn rank(a: &Finding, b: &Finding) -> Ordering {
    fn rest(f: &Finding) -> impl Ord + '_ {
        let counts = (f.flows, f.packets, f.octets, f.peers, f.rate, f.more, f.side);
        (counts, &f.peer, &f.marks, &f.why, &f.sample)
    }
    rest(b).cmp(&rest(a))
}

/// Compares two findings by the order of the page: the newest window first, and within a window the order of
/// finding lines.
fn by_page(a: &Finding, b: &Finding) -> Ordering {
    newest(a.window, b.window).then_with(|| a.order(b))
}

/// Compares two windows: newer ones come first, and the unknown one last.
fn newest(a: Option<Window>, b: Option<Window>) -> Ordering {
    b.cmp(&a)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{end, finding};
    use super::*;
    use crate::finding::Host;

    fn data(items: impl IntoIterator<Item = Item>) -> PageData {
        let mut data = PageData::new(None);
        items.into_iter().for_each(|item| data.item(item));
        data
    }

    fn flows(data: &mut PageData) -> Vec<u64> {
        data.contents().findings.iter().map(|finding| finding.flows).collect()
    }

    #[test]
    fn a_finding_counts_once_with_the_larger_flows() {
        let item = |host: &str, flows| Item::Finding(Box::new(finding(host, 600, flows)));
        let items = [item("192.0.2.1", 9), item("192.0.2.1", 11), item("192.0.2.2", 10)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            let mut data = data(order.map(|n| items[n].clone()));
            assert_eq!(flows(&mut data), [11, 10], "{order:?}");
        }
        let other = Finding { port: Some(22), ..finding("192.0.2.1", 600, 9) };
        let mut data = data([items[1].clone(), Item::Finding(Box::new(other))]);
        assert_eq!(flows(&mut data), [11, 9]);
    }

    #[test]
    fn the_newest_window_comes_first_and_the_unknown_one_last() {
        let unknown = Finding { window: None, ..finding("192.0.2.1", 0, 3) };
        let old = finding("192.0.2.1", 600, 5);
        let new = finding("192.0.2.1", 1200, 1);
        let mut data = data([unknown, old, new].map(|f| Item::Finding(Box::new(f))));
        assert_eq!(flows(&mut data), [1, 5, 3]);
    }

    #[test]
    fn the_worst_verdict_of_a_tool_is_kept() {
        for order in [[0, 1], [1, 0]] {
            let ends = [
                end(600, "nfscan", Some(WindowState::Ok)),
                end(600, "nfscan", Some(WindowState::Cut)),
            ];
            let mut data = data(order.map(|n| Item::Mark(Mark::End(ends[n].clone()))));
            let contents = data.contents();
            assert_eq!(contents.verdicts.len(), 1);
            assert_eq!(contents.verdicts[0].state, Some(WindowState::Cut));
        }
    }

    #[test]
    fn memory_is_bounded_for_a_stream_of_any_length() {
        let mut data = PageData::new(None);
        for n in 0..3 * MAX_FINDINGS as u64 {
            data.item(Item::Finding(Box::new(finding("192.0.2.1", n * 600, n))));
            assert!(data.findings.len() < 2 * MAX_FINDINGS);
        }
        let contents = data.contents();
        assert!(contents.overflow);
        assert_eq!(contents.findings.len(), MAX_FINDINGS);
        assert_eq!(contents.findings[0].flows, 3 * MAX_FINDINGS as u64 - 1);

        let mut data = PageData::new(None);
        for n in 0..3 * MAX_VERDICTS as u64 {
            data.item(Item::Mark(Mark::End(end(n * 600, "nfscan", None))));
            assert!(data.verdicts.len() < 2 * MAX_VERDICTS);
        }
        assert!(data.contents().overflow);
        assert!(!PageData::new(None).contents().overflow);
    }

    #[test]
    fn a_window_whose_findings_were_dropped_is_not_clean() {
        let ends =
            (0..2).map(|n| Item::Mark(Mark::End(end(n * 600, "nfscan", Some(WindowState::Ok)))));
        let found = (0..=MAX_FINDINGS as u32).map(|n| {
            let host = Host::Address(std::net::Ipv4Addr::from_bits(n).into());
            let start = if n == 0 { 0 } else { 600 };
            Item::Finding(Box::new(Finding { host, ..finding("192.0.2.1", start, 1) }))
        });
        for mut data in [data(found.clone().chain(ends.clone())), data(ends.chain(found))] {
            let contents = data.contents();
            assert!(contents.overflow);
            let starts: Vec<_> = contents.verdicts.iter().map(|verdict| verdict.window).collect();
            assert_eq!(starts, [Window::new(600, 600)]);
        }
    }

    #[test]
    fn long_rules_and_odd_names_of_tools_are_not_kept() {
        let long = Finding { why: "é".repeat(2000), ..finding("192.0.2.1", 0, 1) };
        let mut data =
            data([Item::Finding(Box::new(long)), Item::Mark(Mark::End(end(0, "<b>", None)))]);
        let contents = data.contents();
        assert_eq!(contents.findings[0].why.chars().count(), MAX_WHY + 1);
        assert_eq!(contents.verdicts[0].tool, "");
    }
}
