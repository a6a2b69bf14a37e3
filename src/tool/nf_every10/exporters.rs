//! OUT/exporters: who has sent data, and who has fallen silent.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::IpAddr;

use crate::time::{Timestamp, WindowState};

/// The row that stands for any exporter.
const ANY: &str = "*";

/// Windows without a datagram from which on an exporter is silent.
const SILENT: u64 = 2;

/// Windows without a datagram from which on an exporter is gone, and forgotten: a day of ten minutes.
const GONE: u64 = 144;

/// The most exporters that are kept. Forged source addresses must not fill the table: those that were
/// silent for longest are forgotten first.
const MAX_EXPORTERS: usize = 1000;

/// One exporter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Row {
    /// Start of the last window in which it sent data, in Unix seconds.
    last: Option<u64>,
    /// Windows since then that the collector saw whole.
    missed: u64,
}

/// The exporters of a spool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exporters {
    /// Start of the newest window that was listened to, in Unix seconds.
    newest: Option<u64>,
    rows: BTreeMap<String, Row>,
}

/// A window that was listened to.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    /// Start of the window, in Unix seconds.
    pub at: u64,
    /// The states of the window; more than one if it has several parts.
    pub states: Vec<Option<WindowState>>,
    /// The exporters that sent a datagram.
    pub spoke: BTreeSet<IpAddr>,
}

/// A change in an exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The address; `*` for any exporter.
    pub who: String,
    /// The change.
    pub kind: ChangeKind,
    /// A sentence for people.
    pub text: String,
}

/// The kind of a change in an exporter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChangeKind {
    /// No datagram came in two windows in a row.
    Silent,
    /// Data comes again after a silence.
    Again,
    /// The silence has lasted so long that the exporter is forgotten.
    Gone,
}

impl Exporters {
    /// Parses the file. Lines that cannot be read are left out.
    pub fn parse(text: &str) -> Exporters {
        let time = |text: &str| Timestamp::parse(text.as_bytes()).map(Timestamp::secs);
        let mut exporters = Exporters::default();
        for line in text.lines() {
            match line.split('\t').collect::<Vec<_>>().as_slice() {
                ["#newest", newest] => exporters.newest = time(newest),
                [who, last, missed] if !who.starts_with('#') => {
                    let Ok(missed) = missed.parse() else { continue };
                    exporters.rows.insert((*who).to_owned(), Row { last: time(last), missed });
                }
                _ => {}
            }
        }
        exporters
    }

    /// Returns the text of the file.
    pub fn text(&self) -> String {
        let time = |secs: u64| Timestamp::from_secs(secs).rfc3339();
        let newest = self.newest.map(time).unwrap_or_default();
        let mut text = format!("#newest\t{newest}\n#fields\texporter\tlast\tmissed\n");
        for (who, row) in &self.rows {
            let last = row.last.map_or_else(|| "-".to_owned(), time);
            // Writing to a string cannot fail.
            _ = writeln!(text, "{who}\t{last}\t{}", row.missed);
        }
        text
    }

    /// Returns how many exporters are silent.
    pub fn silent(&self) -> u64 {
        let silent = |(who, row): &(&String, &Row)| *who != ANY && row.missed >= SILENT;
        self.rows.iter().filter(silent).count() as u64
    }

    /// Returns the silent exporters with a sentence about each.
    pub fn silent_rows(&self) -> Vec<(String, String)> {
        let silent = self.rows.iter().filter(|(_, row)| row.missed >= SILENT);
        let at = self.newest.unwrap_or(0);
        silent
            .map(|(who, row)| (who.clone(), silence(who, ChangeKind::Silent, at, row.last)))
            .collect()
    }

    /// Returns true if a window starts before the newest one that was listened to.
    pub fn is_past(&self, at: u64) -> bool {
        self.newest.is_some_and(|newest| at < newest)
    }

    /// Returns true if an exporter is known.
    pub fn knows(&self, who: &str) -> bool {
        self.rows.contains_key(who)
    }

    /// Takes a window that was listened to. Windows that start later than `limit` were judged while the
    /// clock was wrong: they are not the newest.
    pub fn hear(&mut self, heard: &Heard, limit: Timestamp) -> Vec<Change> {
        self.drop_future(limit.secs());
        let at = heard.at;
        let has = |state| heard.states.contains(&Some(state));
        let mut spoke: BTreeSet<String> = heard.spoke.iter().map(ToString::to_string).collect();
        if has(WindowState::Ok) || !spoke.is_empty() {
            spoke.insert(ANY.to_owned());
        }
        let (mut changes, mut new) = (Vec::new(), BTreeSet::new());
        let is_newest = self.newest.is_none_or(|newest| at >= newest);
        let is_newer = self.newest.is_none_or(|newest| at > newest);
        if is_newest {
            self.rows.entry(ANY.to_owned()).or_default();
            for who in &spoke {
                if !self.rows.contains_key(who) {
                    new.insert(who.clone());
                }
                let row = self.rows.entry(who.clone()).or_default();
                if row.missed >= SILENT {
                    let text = format!("{} speaks again, in the window of {}", name(who), rfc(at));
                    changes.push(Change { who: who.clone(), kind: ChangeKind::Again, text });
                }
                *row = Row { last: Some(at), missed: 0 };
            }
        }
        // A torn window was not listened to from end to end, and a window counts once.
        let is_whole = !has(WindowState::Cut) && (has(WindowState::Ok) || has(WindowState::NoData));
        if is_newer && is_whole {
            for (who, row) in self.rows.iter_mut().filter(|(who, _)| !spoke.contains(*who)) {
                row.missed += 1;
                let kind = match row.missed {
                    SILENT => ChangeKind::Silent,
                    GONE if who != ANY => ChangeKind::Gone,
                    _ => continue,
                };
                let text = silence(who, kind, at, row.last);
                changes.push(Change { who: who.clone(), kind, text });
            }
        }
        if is_newer {
            self.newest = Some(at);
        }
        self.rows.retain(|who, row| who == ANY || row.missed < GONE);
        self.evict(&new, &mut changes);
        changes
    }

    /// Corrects times that lie behind `limit`.
    fn drop_future(&mut self, limit: u64) {
        if self.newest.is_none_or(|newest| newest <= limit) {
            return;
        }
        let known = self.rows.values().filter_map(|row| row.last);
        self.newest = known.filter(|last| *last <= limit).max();
        for row in self.rows.values_mut().filter(|row| row.last > Some(limit)) {
            row.last = self.newest;
        }
    }

    /// Forgets exporters beyond the limit: those that were silent for longest and, of these, the ones that
    /// are `new` in this window. Senders of forged addresses are always new.
    fn evict(&mut self, new: &BTreeSet<String>, changes: &mut Vec<Change>) {
        let surplus = self.rows.len().saturating_sub(MAX_EXPORTERS + 1);
        if surplus == 0 {
            return;
        }
        let others = self.rows.iter().filter(|(who, _)| *who != ANY);
        let mut others: Vec<_> =
            others.map(|(who, row)| (row.missed, new.contains(who), who.clone())).collect();
        others.sort_by(|a, b| b.cmp(a));
        for (missed, _, who) in others.into_iter().take(surplus) {
            self.rows.remove(&who);
            changes.retain(|change| change.who != who || change.kind == ChangeKind::Again);
            if missed >= SILENT {
                let text =
                    format!("exporter {who} is forgotten: more than {MAX_EXPORTERS} are known");
                changes.push(Change { who, kind: ChangeKind::Gone, text });
            }
        }
    }
}

fn rfc(secs: u64) -> String {
    Timestamp::from_secs(secs).rfc3339()
}

fn name(who: &str) -> String {
    if who == ANY { "any exporter".to_owned() } else { format!("exporter {who}") }
}

/// Describes the silence of an exporter up to the window `at`.
fn silence(who: &str, kind: ChangeKind, at: u64, last: Option<u64>) -> String {
    let last = last
        .map_or_else(String::new, |last| format!("; the last time was in that of {}", rfc(last)));
    let at = rfc(at);
    match (who, kind) {
        (ANY, _) => {
            format!("no exporter has spoken for two windows (state=nodata), up to {at}{last}")
        }
        (_, ChangeKind::Gone) => format!(
            "exporter {who} has been silent for {GONE} windows, up to {at}, and is forgotten{last}"
        ),
        _ => format!("exporter {who} has been silent for two windows, up to {at}{last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Timestamp = Timestamp::from_secs(1_000_000_000);

    fn heard(n: u64, state: WindowState, spoke: &[&str]) -> Heard {
        let spoke = spoke.iter().map(|who| who.parse().unwrap()).collect();
        Heard { at: 994_000_200 + 600 * n, states: vec![Some(state)], spoke }
    }

    fn kinds(changes: &[Change]) -> Vec<(String, ChangeKind)> {
        changes.iter().map(|change| (change.who.clone(), change.kind)).collect()
    }

    #[test]
    fn an_exporter_is_silent_from_its_second_window_until_it_is_gone() {
        let mut all = Exporters::default();
        all.hear(&heard(0, WindowState::Ok, &["192.0.2.1", "192.0.2.2"]), LIMIT);
        let mut counts = Vec::new();
        let mut changes = Vec::new();
        for n in 1..=145 {
            changes.extend(all.hear(&heard(n, WindowState::Ok, &["192.0.2.1"]), LIMIT));
            counts.push(all.silent());
            // A window counts once.
            all.hear(&heard(n, WindowState::Ok, &["192.0.2.1"]), LIMIT);
            assert_eq!(Exporters::parse(&all.text()), all);
        }
        assert_eq!(counts[..2], [0, 1]);
        assert_eq!(counts[142..], [1, 0, 0]);
        let who = "192.0.2.2".to_owned();
        assert_eq!(kinds(&changes), [(who.clone(), ChangeKind::Silent), (who, ChangeKind::Gone)]);
        assert!(!all.text().contains("192.0.2.2"));
    }

    #[test]
    fn torn_windows_are_no_silence() {
        let mut all = Exporters::default();
        all.hear(&heard(0, WindowState::Ok, &["192.0.2.1"]), LIMIT);
        for n in 1..9 {
            assert!(all.hear(&heard(n, WindowState::Cut, &[]), LIMIT).is_empty());
        }
        assert_eq!(all.silent(), 0);
    }

    #[test]
    fn nobody_at_all_is_one_matter() {
        let mut all = Exporters::default();
        all.hear(&heard(0, WindowState::Ok, &["192.0.2.1"]), LIMIT);
        assert!(all.hear(&heard(1, WindowState::NoData, &[]), LIMIT).is_empty());
        let changes = all.hear(&heard(2, WindowState::NoData, &[]), LIMIT);
        assert_eq!(changes[0].who, "*");
        assert!(changes[0].text.starts_with("no exporter has spoken"));
        let changes = all.hear(&heard(3, WindowState::Ok, &["192.0.2.1"]), LIMIT);
        assert!(changes.iter().all(|change| change.kind == ChangeKind::Again));
        assert_eq!(changes.len(), 2);
    }

    #[test]
    fn forged_exporters_push_out_the_silent_ones_and_no_more() {
        let mut all = Exporters::default();
        let names = |from: u32| {
            let of = |n: u32| std::net::Ipv4Addr::from(0x0a00_0000 + from + n).into();
            (0..700).map(of).collect::<BTreeSet<IpAddr>>()
        };
        for n in 0..20u64 {
            let spoke = names(1000 * u32::try_from(n).unwrap());
            let heard = Heard { spoke, ..heard(n, WindowState::Ok, &[]) };
            all.hear(&heard, LIMIT);
            assert!(all.rows.len() <= MAX_EXPORTERS + 1);
        }
        // An exporter that was there before them stays.
        let mut all = Exporters::default();
        let real: IpAddr = "192.0.2.1".parse().unwrap();
        all.hear(&heard(0, WindowState::Ok, &["192.0.2.1"]), LIMIT);
        for n in 1..20u64 {
            let mut spoke: BTreeSet<IpAddr> = names(3000 * u32::try_from(n).unwrap());
            spoke.extend(names(3000 * u32::try_from(n).unwrap() + 1500));
            spoke.insert(real);
            all.hear(&Heard { spoke, ..heard(n, WindowState::Ok, &[]) }, LIMIT);
            assert!(all.knows("192.0.2.1"), "window {n}");
        }
    }

    #[test]
    fn a_window_of_the_future_is_not_the_newest() {
        let mut all = Exporters::default();
        all.hear(&heard(0, WindowState::Ok, &["192.0.2.1"]), LIMIT);
        all.hear(
            &heard(9_000_000, WindowState::Ok, &["192.0.2.1"]),
            Timestamp::from_nanos(u64::MAX),
        );
        let now = Timestamp::from_secs(994_000_200 + 6000);
        for n in 1..3 {
            all.hear(&heard(n, WindowState::NoData, &[]), now);
        }
        assert_eq!(all.silent(), 1);
        assert_eq!(all.newest, Some(994_001_400));
    }
}
