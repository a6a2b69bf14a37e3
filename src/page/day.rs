//! The findings and verdicts of one day, each once, in bounded memory.
//!
//! This is what the site's store keeps, as a stream of finding lines: everything else is computed from it again.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::finding::{Condition, Finding, Identity, Item, Kind, Reader, Side, line};
use crate::time::{End, Mark, Window, WindowState};

/// The most findings that are kept of a day, so that forged sources fill neither memory nor disk. Findings about
/// inside hosts are kept before others, and those far beyond their limit before those close to it.
pub const MAX_FINDINGS: usize = 12_000;

/// The most verdicts that are kept of a day, one a window and detector: windows of 10 seconds have fewer.
pub const MAX_VERDICTS: usize = 30_000;

/// The most characters of a rule that are kept. nfkit's own rules have some dozens.
const MAX_WHY: usize = 300;

/// The verdict of one detector on one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DayVerdict {
    /// The part of the window that was seen; `None` if the mark does not say.
    pub state: Option<WindowState>,
    /// True if flows or export datagrams are missing.
    pub is_lossy: bool,
    /// True if an exporter was silent that sent data before.
    pub has_silent: bool,
    /// True if the detector saw only a part of the flows on purpose.
    pub is_filtered: bool,
    /// True if the collector took exports from anyone; `None` if nobody says.
    pub is_open: Option<bool>,
}

/// The importance of a finding: the greatest is kept. The identity makes it a total order.
type Rank = (bool, u64, u64, Reverse<Identity>);

/// The findings and verdicts of one day.
#[derive(Clone, Debug, Default)]
pub struct DayData {
    findings: BTreeMap<Identity, Finding>,
    verdicts: BTreeMap<(Window, Kind), DayVerdict>,
    /// Findings that were not kept, by window and detector.
    left_out: BTreeMap<(Window, Kind), u64>,
    /// True if verdicts were not kept.
    lacks_verdicts: bool,
    /// True if the file of this day was damaged once, so that windows may be missing.
    pub was_damaged: bool,
}

impl DayVerdict {
    /// Returns what a closing mark says.
    pub fn new(end: &End) -> DayVerdict {
        let some = |count: Option<u64>| count.is_some_and(|count| count > 0);
        DayVerdict {
            state: end.state,
            is_lossy: some(end.lost_flows) || some(end.lost_datagrams),
            has_silent: some(end.silent),
            is_filtered: end.other.iter().any(|(key, value)| key == "filtered" && value != "0"),
            is_open: end.open,
        }
    }

    /// Returns the closing mark that says the same.
    fn end(&self, window: Window, kind: Kind) -> End {
        let one = |is: bool| is.then_some(1);
        let mut end = End {
            window: Some(window),
            state: self.state,
            lost_flows: one(self.is_lossy),
            silent: one(self.has_silent),
            open: self.is_open,
            tool: Some(kind.detector().to_owned()),
            ..End::default()
        };
        if self.is_filtered {
            end.other.push(("filtered".to_owned(), "1".to_owned()));
        }
        end
    }

    /// Adds another verdict on the same window by the same detector. The worse value of each field is kept.
    pub fn join(&mut self, other: DayVerdict) {
        self.state = worse(self.state, other.state);
        self.is_lossy |= other.is_lossy;
        self.has_silent |= other.has_silent;
        self.is_filtered |= other.is_filtered;
        self.is_open = match (self.is_open, other.is_open) {
            (Some(false), Some(false)) => Some(false),
            (Some(true), _) | (_, Some(true)) => Some(true),
            _ => None,
        };
    }

    /// Returns true if the window was seen whole by this detector: no finding means that there was no attack.
    pub fn is_whole(&self) -> bool {
        self.state == Some(WindowState::Ok) && !self.has_silent && !self.is_filtered
    }
}

/// Returns the worse of two states.
pub fn worse(a: Option<WindowState>, b: Option<WindowState>) -> Option<WindowState> {
    let badness = |state: Option<WindowState>| match state {
        Some(WindowState::Ok) => 0,
        None => 1,
        Some(WindowState::Cut) => 2,
        Some(WindowState::NoData) => 3,
    };
    if badness(a) >= badness(b) { a } else { b }
}

impl DayData {
    /// Returns a day without data whose file was damaged.
    pub fn damaged() -> DayData {
        DayData { was_damaged: true, ..DayData::default() }
    }

    /// Adds a finding. Of several lines about the same finding the one with the most flows is kept. One without a
    /// window belongs to no day and is not taken.
    pub fn finding(&mut self, mut finding: Finding) {
        if finding.window.is_none() {
            return;
        }
        if let Some((end, _)) = finding.why.char_indices().nth(MAX_WHY) {
            finding.why.truncate(end);
            finding.why.push('…');
        }
        let identity = Identity::of(&finding);
        match self.findings.get_mut(&identity) {
            Some(known) => known.update(finding),
            None => {
                self.findings.insert(identity, finding);
            }
        }
        if self.findings.len() >= 2 * MAX_FINDINGS {
            self.settle();
        }
    }

    /// Adds a closing mark. A mark of no detector, or of no window, says nothing about a day.
    pub fn end(&mut self, end: &End) {
        if let (Some(window), Some(kind)) =
            (end.window, end.tool.as_deref().and_then(Kind::of_detector))
        {
            self.verdict(window, kind, DayVerdict::new(end));
        }
    }

    /// Adds the verdict of a detector on a window.
    pub fn verdict(&mut self, window: Window, kind: Kind, verdict: DayVerdict) {
        if let Some(known) = self.verdicts.get_mut(&(window, kind)) {
            known.join(verdict);
        } else if self.verdicts.len() < MAX_VERDICTS {
            self.verdicts.insert((window, kind), verdict);
        } else {
            self.lacks_verdicts = true;
        }
    }

    /// Adds all of another day's data of the same date.
    pub fn join(&mut self, other: DayData) {
        for finding in other.findings.into_values() {
            self.finding(finding);
        }
        for ((window, kind), verdict) in other.verdicts {
            self.verdict(window, kind, verdict);
        }
        for (key, count) in other.left_out {
            *self.left_out.entry(key).or_default() += count;
        }
        self.lacks_verdicts |= other.lacks_verdicts;
        self.was_damaged |= other.was_damaged;
        self.settle();
    }

    /// Drops what is beyond the limit. A finding that was dropped would be dropped after any further input too,
    /// so what is kept does not depend on the order of the input.
    pub fn settle(&mut self) {
        if self.findings.len() > MAX_FINDINGS {
            let mut ranked: Vec<(Rank, Finding)> = std::mem::take(&mut self.findings)
                .into_iter()
                .map(|(identity, finding)| (rank(identity, &finding), finding))
                .collect();
            ranked.sort_unstable_by(|a, b| b.0.cmp(&a.0));
            for (rank, finding) in ranked {
                let Reverse(identity) = rank.3;
                if self.findings.len() < MAX_FINDINGS {
                    self.findings.insert(identity, finding);
                } else if let Some(window) = identity.window {
                    *self.left_out.entry((window, identity.kind)).or_default() += 1;
                }
            }
        }
    }

    /// Drops the findings for which `is_wanted` returns false.
    pub fn retain(&mut self, is_wanted: impl Fn(&Finding) -> bool) {
        self.findings.retain(|_, finding| is_wanted(finding));
    }

    /// Returns true if nothing is dropped when the data of another day are added.
    pub fn has_room_for(&self, other: &DayData) -> bool {
        self.findings.len() + other.findings.len() <= MAX_FINDINGS
            && self.verdicts.len() + other.verdicts.len() <= MAX_VERDICTS
    }

    /// Splits the data by windows: those of which `of` returns the same value are one day's.
    pub fn split<K: Ord>(self, of: impl Fn(Window) -> K) -> BTreeMap<K, DayData> {
        let mut days: BTreeMap<K, DayData> = BTreeMap::new();
        for (identity, finding) in self.findings {
            if let Some(window) = identity.window {
                days.entry(of(window)).or_default().findings.insert(identity, finding);
            }
        }
        for (key, verdict) in self.verdicts {
            days.entry(of(key.0)).or_default().verdicts.insert(key, verdict);
        }
        for (key, count) in self.left_out {
            days.entry(of(key.0)).or_default().left_out.insert(key, count);
        }
        for day in days.values_mut() {
            (day.was_damaged, day.lacks_verdicts) = (self.was_damaged, self.lacks_verdicts);
        }
        days
    }

    /// Returns the findings, in the order of their windows.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.findings.values()
    }

    /// Returns the verdicts, by window and detector.
    pub fn verdicts(&self) -> impl Iterator<Item = (Window, Kind, &DayVerdict)> {
        self.verdicts.iter().map(|(&(window, kind), verdict)| (window, kind, verdict))
    }

    /// Returns the number of findings that are kept.
    pub fn len(&self) -> usize {
        self.findings.len()
    }

    /// Returns true if there is neither a finding nor a verdict.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.verdicts.is_empty()
    }

    /// Returns the number of findings that are not kept. One that comes again counts again.
    pub fn left_out(&self) -> u64 {
        self.left_out.values().sum()
    }

    /// Returns the windows of which findings were not kept, each once a kind.
    pub fn lacking(&self) -> impl Iterator<Item = Window> {
        self.left_out.keys().map(|(window, _)| *window)
    }

    /// Returns true if findings of this window and kind were not kept.
    pub fn lacks(&self, window: Window, kind: Kind) -> bool {
        self.left_out.contains_key(&(window, kind))
    }

    /// Returns true if verdicts were not kept, because there were too many.
    pub fn lacks_verdicts(&self) -> bool {
        self.lacks_verdicts
    }

    /// Returns the data as a stream of finding lines, nfkit-finding(5). Further facts are in comments.
    pub fn text(&self) -> String {
        let mut text = format!("#fields\t{}\n", crate::finding::COLUMNS.join("\t"));
        for (_, comment) in [(self.was_damaged, DAMAGED), (self.lacks_verdicts, NO_VERDICTS)]
            .into_iter()
            .filter(|(is_so, _)| *is_so)
        {
            text.push_str(comment);
            text.push('\n');
        }
        for (&(window, kind), count) in &self.left_out {
            text.push_str(&format!(
                "{NOT_KEPT}\t{}\t{}\t{kind}\t{count}\n",
                window.start(),
                window.seconds()
            ));
        }
        for finding in self.findings.values() {
            text.push_str(&line(finding));
            text.push('\n');
        }
        for (&(window, kind), verdict) in &self.verdicts {
            text.push_str(&format!("{}\n", Mark::End(verdict.end(window, kind))));
        }
        text
    }

    /// Reads back what [`text`](DayData::text) wrote.
    ///
    /// # Errors
    /// The number of the first line that cannot be read, from 1, and the reason.
    pub fn parse(text: &str) -> Result<DayData, String> {
        let mut day = DayData::default();
        let mut reader = Reader::new();
        for (at, line) in text.lines().enumerate() {
            match line {
                DAMAGED => day.was_damaged = true,
                NO_VERDICTS => day.lacks_verdicts = true,
                _ => {}
            }
            let wrong = |why: &dyn std::fmt::Display| format!("line {}: {why}", at + 1);
            if let Some(rest) = line.strip_prefix(NOT_KEPT) {
                let (key, count) = not_kept(rest).ok_or_else(|| wrong(&"not a count"))?;
                day.left_out.insert(key, count);
                continue;
            }
            match reader.line(line.as_bytes()).map_err(|error| wrong(&error))? {
                Some(Item::Finding(finding)) => day.finding(*finding),
                Some(Item::Mark(Mark::End(end))) => day.end(&end),
                Some(Item::Mark(Mark::Window(_))) | None => {}
            }
        }
        Ok(day)
    }
}

/// The comment of a day whose file was damaged once.
const DAMAGED: &str = "# damaged";

/// The comment of a day that had more verdicts than are kept.
const NO_VERDICTS: &str = "# verdicts not kept";

/// The beginning of a comment that counts findings that were not kept.
const NOT_KEPT: &str = "# not kept";

fn not_kept(rest: &str) -> Option<((Window, Kind), u64)> {
    let mut parts = rest.strip_prefix('\t')?.split('\t');
    let start = parts.next()?.parse().ok()?;
    let window = Window::new(start, parts.next()?.parse().ok()?)?;
    let kind = Kind::parse(parts.next()?)?;
    Some(((window, kind), parts.next()?.parse().ok()?))
}

fn rank(identity: Identity, finding: &Finding) -> Rank {
    let ratio = Condition::first(&finding.why).map_or(0.0, |condition| condition.ratio());
    // In thousandths, so that the order is one of whole numbers.
    let ratio = (ratio * 1000.0) as u64;
    (finding.side == Some(Side::Inside), ratio, finding.flows, Reverse(identity))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::single::tests::finding;

    fn end(start: u64) -> End {
        End { window: Window::new(start, 1), tool: Some("nfscan".to_owned()), ..End::default() }
    }

    #[test]
    fn a_day_reads_back_what_it_wrote() {
        let mut day = DayData::damaged();
        (0..MAX_FINDINGS as u64 + 5).for_each(|n| day.finding(finding("192.0.2.1", n * 600, n)));
        day.settle();
        assert_eq!((day.len(), day.left_out(), day.lacks_verdicts()), (MAX_FINDINGS, 5, false));
        (0..=MAX_VERDICTS as u64).for_each(|n| day.end(&end(n)));
        assert!(day.lacks_verdicts());
        let read = DayData::parse(&day.text()).unwrap();
        assert_eq!(read.text(), day.text());
        assert!(read.was_damaged && read.lacks_verdicts());
        assert_eq!((read.len(), read.left_out()), (MAX_FINDINGS, 5));
        let error = DayData::parse("# not kept\tx\n").unwrap_err();
        assert_eq!(error, "line 1: not a count");
    }

    #[test]
    fn of_two_lines_with_the_same_flows_the_forged_one_is_kept() {
        let plain = finding("192.0.2.1", 600, 9);
        let forged = Finding { marks: vec!["forged".to_owned()], packets: 1, ..plain.clone() };
        for order in [[&plain, &forged], [&forged, &plain]] {
            let mut day = DayData::default();
            order.into_iter().for_each(|finding| day.finding(finding.clone()));
            assert_eq!(day.findings().next(), Some(&forged));
        }
    }
}
