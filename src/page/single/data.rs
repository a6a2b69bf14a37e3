//! The findings and closing marks of the input, each contents once, in bounded memory.

use std::collections::BTreeMap;

use crate::finding::{Finding, Item, Kind, UNKNOWN_SECONDS};
use crate::page::day::{self, DayData, DayVerdict};
use crate::time::{End, Mark, Timeline, Timestamp, Window, WindowState};

/// The most findings that are kept: those of the newest days, of which each has a bound of its own.
const MAX_FINDINGS: usize = 30_000;

/// The most findings that are in memory before those beyond [`MAX_FINDINGS`] are dropped.
const MAX_WAITING: usize = MAX_FINDINGS + day::MAX_FINDINGS;

/// The most verdicts that are kept, one a window and tool: those of the newest windows. A stream of any
/// length cannot cost more memory than twice as many.
const MAX_VERDICTS: usize = 50_000;

/// The longest name of a tool in bytes.
const MAX_TOOL: usize = 32;

const DAY: u64 = 86_400;

/// The content of finding streams, read in any order: findings, verdicts on windows, and the number of lines
/// that could not be read.
#[derive(Debug, Default)]
pub struct PageData {
    /// The findings, by the day of their window in UTC, counted from 1970-01-01.
    days: BTreeMap<u64, DayData>,
    /// Findings that the days had when they were last counted, and that have come since.
    kept: usize,
    /// The newest day that was dropped because there were too many findings.
    dropped: Option<u64>,
    /// The findings of an unknown time, in the window of [`no_time`].
    untimed: DayData,
    verdicts: Vec<WindowVerdict>,
    /// True if verdicts were dropped because there were too many.
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
    /// The state is never that a window was seen whole if the tool is no detector.
    pub verdict: DayVerdict,
}

/// The contents of a [`PageData`], each item once.
pub(super) struct PageContents {
    /// The findings, and for each day of those the verdicts of the detectors; the oldest day first.
    pub days: Vec<DayData>,
    /// The findings of an unknown time, in the window of [`no_time`].
    pub untimed: DayData,
    /// The verdicts by window, the newest first and the unknown one last, and tool.
    pub verdicts: Vec<WindowVerdict>,
    /// True if days or verdicts were dropped because there were too many.
    pub overflow: bool,
    pub bad_lines: u64,
    pub bad_inputs: u64,
    pub timeline: Timeline,
}

impl PageContents {
    /// Returns true if every line of the input was understood. Only then can a window be called clean.
    pub(super) fn is_understood(&self) -> bool {
        self.bad_lines == 0 && self.bad_inputs == 0
    }
}

/// Returns the window in which findings of an unknown time are kept, so that they can be grouped as all others are.
/// No page shows it.
fn no_time() -> Option<Window> {
    Window::new(0, UNKNOWN_SECONDS)
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
            Item::Finding(finding) => self.finding(*finding),
            Item::Mark(Mark::End(end)) => {
                self.verdicts.push(WindowVerdict::new(&end));
                if self.verdicts.len() >= 2 * MAX_VERDICTS {
                    self.settle();
                }
            }
            Item::Mark(Mark::Window(_)) => {}
        }
    }

    fn finding(&mut self, finding: Finding) {
        let Some(window) = finding.window else {
            self.untimed.finding(Finding { window: no_time(), ..finding });
            return;
        };
        let day = window.start() / DAY;
        if self.dropped.is_some_and(|dropped| day <= dropped) {
            return;
        }
        self.days.entry(day).or_default().finding(finding);
        self.kept += 1;
        if self.kept >= MAX_WAITING {
            self.settle();
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
        let is_empty = self.days.is_empty() && self.untimed.is_empty() && self.verdicts.is_empty();
        is_empty && self.bad_lines + self.bad_inputs > 0
    }

    /// Returns the contents, each item once and in order.
    pub(super) fn contents(mut self) -> PageContents {
        self.settle();
        let mut days = self.days;
        for WindowVerdict { window, tool, verdict } in &self.verdicts {
            if let (Some(window), Some(kind)) = (*window, Kind::of_detector(tool)) {
                days.entry(window.start() / DAY).or_default().verdict(window, kind, *verdict);
            }
        }
        PageContents {
            days: days.into_values().collect(),
            untimed: self.untimed,
            verdicts: self.verdicts,
            overflow: self.is_cut || self.dropped.is_some(),
            bad_lines: self.bad_lines,
            bad_inputs: self.bad_inputs,
            timeline: self.timeline,
        }
    }

    /// Drops duplicates, and what is beyond the limits. A day that was dropped would be dropped after any further
    /// input too, so what is kept does not depend on the order of the input.
    fn settle(&mut self) {
        self.untimed.settle();
        self.days.values_mut().for_each(DayData::settle);
        self.kept = self.days.values().map(DayData::len).sum();
        while self.kept > MAX_FINDINGS {
            let Some((day, data)) = self.days.pop_first() else { break };
            self.kept -= data.len();
            self.dropped = Some(day);
        }

        // A window whose findings were dropped must not look clean.
        let dropped = self.dropped;
        self.verdicts.retain(|verdict| {
            dropped.is_none_or(|day| verdict.window.is_some_and(|w| w.start() / DAY > day))
        });
        self.verdicts.sort_by(|a, b| b.window.cmp(&a.window).then_with(|| a.tool.cmp(&b.tool)));
        self.verdicts.dedup_by(|a, b| {
            let same = (a.window, &a.tool) == (b.window, &b.tool);
            if same {
                b.verdict.join(a.verdict);
            }
            same
        });
        self.is_cut |= self.verdicts.len() > MAX_VERDICTS;
        self.verdicts.truncate(MAX_VERDICTS);
    }
}

impl WindowVerdict {
    fn new(end: &End) -> WindowVerdict {
        let is_word = |text: &&String| {
            text.len() <= MAX_TOOL
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        };
        let tool = end.tool.as_ref().filter(is_word).cloned().unwrap_or_default();
        let mut verdict = DayVerdict::new(end);
        // Other streams have marks too. Their `state=ok` says that a window was seen whole, not that it was judged.
        verdict.state = end
            .state
            .filter(|state| *state != WindowState::Ok || Kind::of_detector(&tool).is_some());
        WindowVerdict { window: end.window, tool, verdict }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{end, finding};
    use super::*;
    use crate::finding::{Host, Side};

    fn data(items: impl IntoIterator<Item = Item>) -> PageData {
        let mut data = PageData::new(None);
        items.into_iter().for_each(|item| data.item(item));
        data
    }

    fn found(finding: Finding) -> Item {
        Item::Finding(Box::new(finding))
    }

    fn flows(data: PageData) -> Vec<u64> {
        data.contents().days.iter().flat_map(DayData::findings).map(|f| f.flows).collect()
    }

    #[test]
    fn a_finding_counts_once_with_the_larger_flows() {
        let item = |host: &str, flows| found(finding(host, 600, flows));
        let items = [item("192.0.2.1", 9), item("192.0.2.1", 11), item("192.0.2.2", 10)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2]] {
            assert_eq!(flows(data(order.map(|n| items[n].clone()))), [11, 10], "{order:?}");
        }
        let other = Finding { port: Some(22), ..finding("192.0.2.1", 600, 9) };
        assert_eq!(flows(data([items[1].clone(), found(other)])), [11, 9]);
    }

    #[test]
    fn findings_are_kept_by_day_and_those_of_an_unknown_time_aside() {
        let unknown = Finding { window: None, ..finding("192.0.2.1", 0, 3) };
        let items = [unknown, finding("192.0.2.1", DAY, 5), finding("192.0.2.1", DAY - 600, 7)];
        let contents = data(items.map(found)).contents();
        let days: Vec<_> = contents.days.iter().map(DayData::len).collect();
        assert_eq!(days, [1, 1]);
        assert_eq!(contents.days[0].findings().next().map(|f| f.flows), Some(7));
        assert_eq!(contents.untimed.findings().map(|f| f.flows).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn the_worst_verdict_of_a_tool_is_kept() {
        for order in [[0, 1], [1, 0]] {
            let ends = [
                end(600, "nfscan", Some(WindowState::Ok)),
                end(600, "nfscan", Some(WindowState::Cut)),
            ];
            let data = data(order.map(|n| Item::Mark(Mark::End(ends[n].clone()))));
            let contents = data.contents();
            assert_eq!(contents.verdicts.len(), 1);
            assert_eq!(contents.verdicts[0].verdict.state, Some(WindowState::Cut));
            assert!(contents.days[0].verdicts().all(|(_, _, verdict)| !verdict.is_whole()));
        }
    }

    #[test]
    fn memory_is_bounded_for_a_stream_of_any_length() {
        let mut data = PageData::new(None);
        let most = MAX_FINDINGS as u64;
        for n in 0..3 * most {
            data.item(found(finding("192.0.2.1", n * 600, n)));
            assert!(data.kept < MAX_WAITING);
        }
        let contents = data.contents();
        assert!(contents.overflow);
        let kept: usize = contents.days.iter().map(DayData::len).sum();
        assert!(kept <= MAX_FINDINGS && kept > MAX_FINDINGS - 144, "{kept}");
        let newest = contents.days.last().unwrap().findings().last().unwrap();
        assert_eq!(newest.flows, 3 * most - 1);

        let mut data = PageData::new(None);
        for n in 0..3 * MAX_VERDICTS as u64 {
            data.item(Item::Mark(Mark::End(end(n * 600, "nfscan", None))));
            assert!(data.verdicts.len() < 2 * MAX_VERDICTS);
        }
        assert!(data.contents().overflow);
        assert!(!PageData::new(None).contents().overflow);
    }

    fn hosts(number: usize, start: u64) -> impl Iterator<Item = Item> + Clone {
        (0..number as u32).map(move |n| {
            let host = Host::Address(std::net::Ipv4Addr::from_bits(n).into());
            found(Finding { host, side: Some(Side::Outside), ..finding("192.0.2.1", start, 1) })
        })
    }

    #[test]
    fn a_window_whose_findings_were_dropped_is_not_clean() {
        // Three days, each with as many findings as one can have.
        let ends = [0, 1, 2]
            .map(|day| Item::Mark(Mark::End(end(day * DAY, "nfscan", Some(WindowState::Ok)))));
        let found = [0, 1, 2].map(|day| hosts(day::MAX_FINDINGS, day * DAY));
        let found = found.into_iter().flatten();
        let both = [data(found.clone().chain(ends.clone())), data(ends.into_iter().chain(found))];
        for contents in both.map(PageData::contents) {
            assert!(contents.overflow);
            assert_eq!(contents.days.len(), 2);
            let starts: Vec<_> = contents.verdicts.iter().map(|verdict| verdict.window).collect();
            assert_eq!(starts, [Window::new(2 * DAY, 600), Window::new(DAY, 600)]);
        }
    }

    #[test]
    fn the_hosts_of_a_forger_do_not_displace_one_of_ours() {
        let ours = found(finding("192.0.2.1", 600, 1));
        let forged = hosts(2 * day::MAX_FINDINGS, 1200);
        let contents = data([ours].into_iter().chain(forged)).contents();
        assert!(!contents.overflow && contents.days[0].left_out() > 0);
        assert!(contents.days[0].findings().any(|finding| finding.side == Some(Side::Inside)));
    }

    #[test]
    fn odd_names_of_tools_are_not_kept() {
        let contents = data([Item::Mark(Mark::End(end(0, "<b>", None)))]).contents();
        assert_eq!(contents.verdicts[0].tool, "");
    }
}
