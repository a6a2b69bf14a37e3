//! The table's text: what the columns mean, a row for each scenario and half, the aims.

use super::score::Score;

/// The rules that nfscan is compared with, in the order of their columns.
pub const PEERS: [&str; 4] = ["paper", "dscan", "unanswered", "rwscan"];

/// A line of the table.
pub struct Row {
    pub scenario: String,
    pub half: &'static str,
    /// `None` where the commands cannot do this yet.
    pub scores: Option<[Score; 5]>,
}

impl Row {
    /// nfscan's own.
    fn ours(&self) -> Option<&Score> {
        self.scores.as_ref().map(|scores| &scores[0])
    }
}

/// What is to be reached, of which rows, and how it is measured.
pub struct Aim {
    pub about: &'static str,
    pub rows: &'static [&'static str],
    pub measure: Measure,
    /// The limit as it stands in the aim, and as a number.
    pub limit: (&'static str, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Found of those that must be: at least.
    Recall,
    /// Right of those that were named: at least.
    Precision,
    /// Victims of floods called scanners: at most.
    Accused,
    /// Innocents named per 3,000 inside hosts and day: at most.
    Daily,
    /// Innocents named: at most.
    Wrong,
}

impl Measure {
    /// Its value, and the counts behind it.
    fn of(self, score: &Score) -> Option<(f64, String)> {
        let share = |a: usize, b: usize| (b > 0).then(|| (a as f64 / b as f64, format!("{a}/{b}")));
        match self {
            Measure::Recall => share(score.found, score.must),
            Measure::Precision => share(score.found, score.found + score.wrong),
            Measure::Accused => share(score.accused, score.victims),
            Measure::Wrong => Some((score.wrong as f64, score.wrong.to_string())),
            Measure::Daily => {
                let days = score.watched as f64 / (144.0 * 3000.0);
                let of = format!("{} in {days:.1}", score.wrong);
                (days > 0.0).then(|| (score.wrong as f64 / days, of))
            }
        }
    }

    fn met(self, value: f64, limit: f64) -> bool {
        match self {
            Measure::Recall | Measure::Precision => value >= limit,
            Measure::Accused | Measure::Daily | Measure::Wrong => value <= limit,
        }
    }
}

const ABOUT: &str = "\
# How good nfscan is, by its defaults, beside simpler rules. Reviewed: scripts/quality writes it and
# shows what moved; cargo test fails when it moves.
#
# Each row is a scenario of tests/nfkit/quality/grid.rs, once on seeds on which defaults may be chosen
# and once on seeds that are kept to see whether they hold: two seeds a half if an aim below hangs on
# the row, else one. Rows that end in -nine have the nine columns alone, others also times and flags.
#   must    scanners that must be found       found   those nfscan named, by whatever class
#   missed  those it did not                  class   of the found, those by the class of the truth
#   false   innocent hosts that it named      hosts   hosts seen
# Then found and false of: the paper's rule (nfscan --paper); flow-dscan (over 200 destinations, or 64
# ports below 1024 of one host); 25 or more targets without a reverse flow; SiLK's rwscan.
";

const LABELLED: &str = "\
#
# Labelled traffic of others, which is not part of the project: ../shared/labelled. A scanner there is
# a source with 25 or more distinct (host, port) in a slot of ten minutes; false are hosts that occur
# in benign flows alone. A name with + is an attack played into benign traffic.
";

fn line(cells: &[String], out: &mut String) {
    let wide = [24, 7, 6, 6, 7, 6, 6, 8, 7, 6, 7, 6, 11, 6, 7, 6];
    let mut text = String::new();
    for (n, (cell, wide)) in cells.iter().zip(wide).enumerate() {
        match n {
            0 | 1 => text += &format!("{cell:<wide$}"),
            _ => text += &format!("{cell:>wide$}"),
        }
    }
    *out += text.trim_end();
    out.push('\n');
}

fn heads(out: &mut String) {
    let ours = ["scenario", "half", "must", "found", "missed", "class", "false", "hosts"];
    let peers = PEERS.iter().flat_map(|name| [*name, "false"]);
    let cells: Vec<_> = ours.into_iter().chain(peers).map(str::to_owned).collect();
    line(&cells, out);
}

fn rows(rows: &[Row], out: &mut String) {
    heads(out);
    for row in rows {
        let mut cells = vec![row.scenario.clone(), row.half.to_owned()];
        match &row.scores {
            None => cells.push("-".to_owned()),
            Some([ours, peers @ ..]) => {
                let Score { must, found, class, wrong, hosts, .. } = ours;
                let ours = [must, found, &ours.missed(), class, wrong, hosts];
                cells.extend(ours.map(usize::to_string));
                let peers = peers.iter().flat_map(|peer| [peer.found, peer.wrong]);
                cells.extend(peers.map(|n| n.to_string()));
            }
        }
        line(&cells, out);
    }
}

fn aims(title: &str, aims: &[Aim], all: &[Row], halves: &[&str], out: &mut String) {
    *out += &format!("\n{title:<64}{:<9}", "aim");
    halves.iter().for_each(|half| *out += &format!("{half:<25}"));
    *out = out.trim_end().to_owned() + "\n";
    for aim in aims {
        let mut text = format!("{:<64}{:<9}", aim.about, aim.limit.0);
        for half in halves {
            let mut sum = Score::default();
            let mine = all.iter().filter(|row| row.half == *half);
            let mine = mine.filter(|row| aim.rows.contains(&row.scenario.as_str()));
            mine.filter_map(Row::ours).for_each(|score| sum.add(score));
            let cell = match aim.measure.of(&sum) {
                None => "nothing to measure".to_owned(),
                Some((value, of)) => {
                    let met = if aim.measure.met(value, aim.limit.1) { "met" } else { "MISSED" };
                    match aim.measure {
                        Measure::Wrong => format!("{of} {met}"),
                        _ => format!("{value:.4} ({of}) {met}"),
                    }
                }
            };
            text += &format!("{cell:<25}");
        }
        *out += text.trim_end();
        out.push('\n');
    }
}

const fn aim(
    about: &'static str,
    rows: &'static [&'static str],
    measure: Measure,
    limit: (&'static str, f64),
) -> Aim {
    Aim { about, rows, measure, limit }
}

use Measure::{Accused, Daily, Precision, Recall, Wrong};

/// What nfscan is to reach.
pub const AIMS: &[Aim] = &[
    aim("TCP scans with flags, recall", &["tcp"], Recall, (">= .99", 0.99)),
    aim("TCP scans with flags, precision", &["tcp"], Precision, (">= .99", 0.99)),
    aim("TCP scans on nine columns, recall", &["tcp-nine"], Recall, (">= .97", 0.97)),
    aim("TCP scans on nine columns, precision", &["tcp-nine"], Precision, (">= .98", 0.98)),
    aim("UDP in random order, recall", &["udp"], Recall, (">= .95", 0.95)),
    aim("UDP in random order on nine columns, recall", &["udp-nine"], Recall, (">= .95", 0.95)),
    aim("ICMP, recall", &["icmp", "icmp-nine"], Recall, (">= .95", 0.95)),
    aim("many ports of one host, recall", &["vertical"], Recall, (">= .98", 0.98)),
    aim("the same on nine columns", &["vertical-nine"], Recall, (">= .98", 0.98)),
    aim(
        "slow scans in a day, with --state, recall",
        &["slow", "slow-nine"],
        Recall,
        (">= .95", 0.95),
    ),
    aim(
        "victims of floods that were called scanners",
        &["backscatter", "backscatter-nine"],
        Accused,
        ("<= .01", 0.01),
    ),
    aim(
        "innocents named per 3,000 hosts and day",
        &["campus-day", "campus-day-state"],
        Daily,
        ("<= 1", 1.0),
    ),
    aim("1:100 sampled, 841 targets or more, recall", &["sampled-100"], Recall, (">= .99", 0.99)),
];

/// The same for labelled traffic.
pub const LABELLED_AIMS: &[Aim] = &[
    aim("hosts named in the benign sets", super::labelled::BENIGN, Wrong, ("0", 0.0)),
    aim("attackers found", super::labelled::ATTACKS, Recall, ("all", 1.0)),
    aim("attackers found amid benign traffic", super::labelled::MIXED, Recall, ("all", 1.0)),
    aim("innocents named amid attacks", super::labelled::MIXED, Wrong, ("0", 0.0)),
];

/// The part that nfgen's scenarios make.
pub fn played(all: &[Row]) -> String {
    let mut out = ABOUT.to_owned() + "\n";
    rows(all, &mut out);
    aims("aims, of scenarios", AIMS, all, &["chosen", "kept"], &mut out);
    out
}

/// The part that needs the labelled sets; it begins with [`SEAM`].
pub fn labelled(all: &[Row]) -> String {
    let mut out = SEAM.to_owned() + LABELLED + "\n";
    rows(all, &mut out);
    aims("aims, of labelled traffic", LABELLED_AIMS, all, &["-"], &mut out);
    out
}

/// The line between the two parts.
pub const SEAM: &str = "\n# ---- labelled traffic\n";

/// The lines that two texts do not share, in their order: `-` for the first one's.
pub fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    // The longest common part, by the table of its lengths; both are some hundred lines.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = match old[i] == new[j] {
                true => common[i + 1][j + 1] + 1,
                false => common[i + 1][j].max(common[i][j + 1]),
            };
        }
    }
    let (mut i, mut j, mut out) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            out += &format!("-{}\n", old[i]);
            i += 1;
        } else {
            out += &format!("+{}\n", new[j]);
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_name_rows_of_the_grid() {
        let names: Vec<_> = super::super::grid::GRID.iter().map(|scenario| scenario.name).collect();
        for row in AIMS.iter().flat_map(|aim| aim.rows) {
            assert!(names.contains(row), "{row}");
        }
    }

    #[test]
    fn measures_and_limits() {
        let score =
            Score { must: 100, found: 99, wrong: 1, watched: 144 * 6000, ..Score::default() };
        let value = |measure: Measure| measure.of(&score).map(|(value, _)| value);
        assert_eq!(value(Recall), Some(0.99));
        assert_eq!(value(Precision), Some(0.99));
        assert_eq!(value(Daily), Some(0.5));
        assert_eq!(value(Accused), None);
        assert!(Recall.met(0.99, 0.99) && !Recall.met(0.98, 0.99));
        assert!(Daily.met(1.0, 1.0) && !Daily.met(1.1, 1.0));
    }

    #[test]
    fn differences_are_short() {
        assert_eq!(difference("a\nb\nc\n", "a\nb\nc\n"), "");
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\nd\n"), "-b\n+x\n+d\n");
    }
}
