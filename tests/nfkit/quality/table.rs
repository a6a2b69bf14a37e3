//! The text of the table: for each detector the meaning of the columns, a row for each scenario and
//! half, and the aims.

use super::aims::Aim;
use super::detectors::{DETECTORS, Detector};
use super::score::Score;

/// A row of the table.
pub struct Row {
    pub scenario: String,
    pub half: &'static str,
    /// The scores of the detector and of the simpler rules, or `None` if the commands cannot do
    /// this yet.
    pub scores: Option<Vec<Score>>,
}

impl Row {
    /// Returns the detector's own score.
    fn ours(&self) -> Option<&Score> {
        self.scores.as_ref().map(|scores| &scores[0])
    }
}

const LABELLED: &str = "\
#
# Labelled traffic of others, which is not part of the project: ../shared/labelled. A scanner there is
# a source with 25 or more distinct (host, port) in a slot of ten minutes; false are hosts that occur
# in benign flows alone. A name with + is an attack played into benign traffic. Of nfflood must be found
# who got flows of floods, and false is who has no part in one. Of nfport nobody must be found: the
# passwords that are guessed there are those of a port that is no login's.
";

fn line(detector: &Detector, cells: &[String], out: &mut String) {
    let mut text = String::new();
    let peers = detector.peers.iter().flat_map(|peer| [(peer.name.len() + 1).max(7), 6]);
    let wide = [24, 7, 6, 6, 7, 6, 6, 8].into_iter().chain(peers);
    for (n, (cell, wide)) in cells.iter().zip(wide).enumerate() {
        match n {
            0 | 1 => text += &format!("{cell:<wide$}"),
            _ => text += &format!("{cell:>wide$}"),
        }
    }
    *out += text.trim_end();
    out.push('\n');
}

fn heads(detector: &Detector, out: &mut String) {
    let ours = ["scenario", "half", "must", "found", "missed", "class", "false", "hosts"];
    let peers = detector.peers.iter().flat_map(|peer| [peer.name, "false"]);
    let cells: Vec<_> = ours.into_iter().chain(peers).map(str::to_owned).collect();
    line(detector, &cells, out);
}

fn rows(detector: &Detector, rows: &[Row], out: &mut String) {
    heads(detector, out);
    for row in rows {
        let mut cells = vec![row.scenario.clone(), row.half.to_owned()];
        match row.scores.as_deref() {
            None | Some([]) => cells.push("-".to_owned()),
            Some([ours, peers @ ..]) => {
                let Score { must, found, class, wrong, hosts, .. } = ours;
                let ours = [must, found, &ours.missed(), class, wrong, hosts];
                cells.extend(ours.map(usize::to_string));
                let peers = peers.iter().flat_map(|peer| [peer.found, peer.wrong]);
                cells.extend(peers.map(|n| n.to_string()));
            }
        }
        line(detector, &cells, out);
    }
}

fn aims(title: &str, aims: &[Aim], all: &[Row], halves: &[&str], out: &mut String) {
    *out += &format!("\n{title:<64}{:<9}", "aim");
    halves.iter().for_each(|half| *out += &format!("{half:<25}"));
    *out = out.trim_end().to_owned() + "\n";
    for aim in aims {
        let mut text = format!("{:<64}{:<9}", aim.about, aim.limit.0);
        for half in halves {
            let sum = |names: &[&str]| {
                let mut sum = Score::default();
                let mine = all.iter().filter(|row| row.half == *half);
                let mine = mine.filter(|row| names.contains(&row.scenario.as_str()));
                mine.filter_map(Row::ours).for_each(|score| sum.add(score));
                sum
            };
            let done =
                |name: &&str| all.iter().any(|row| row.scenario == **name && row.scores.is_some());
            let cell = match aim.measure.of(aim.rows, sum) {
                Some((value, of)) if aim.all_rows().all(|name| done(&name)) => {
                    let met = if aim.measure.met(value, aim.limit.1) { "met" } else { "MISSED" };
                    if aim.measure.counts() {
                        format!("{of} {met}")
                    } else {
                        format!("{value:.4} ({of}) {met}")
                    }
                }
                _ => "nothing to measure".to_owned(),
            };
            text += &format!("{cell:<25}");
        }
        *out += text.trim_end();
        out.push('\n');
    }
}

/// Returns the part of the table that comes from nfgen's scenarios.
pub fn played(all: &[Vec<Row>]) -> String {
    let mut out = String::new();
    for (detector, all) in DETECTORS.iter().zip(all) {
        if !out.is_empty() {
            out += &format!("\n# ---- {}\n", detector.tool);
        }
        out += detector.about;
        out.push('\n');
        rows(detector, all, &mut out);
        aims("aims, of scenarios", detector.aims, all, &["chosen", "kept"], &mut out);
    }
    out
}

/// Returns the part of the table that needs the labelled sets. It begins with [`SEAM`].
pub fn labelled(all: &[Vec<Row>]) -> String {
    let mut out = SEAM.to_owned() + LABELLED;
    for (n, (detector, all)) in DETECTORS.iter().zip(all).enumerate() {
        if n > 0 {
            out += &format!("\n# ---- labelled traffic, {}\n", detector.tool);
        }
        out.push('\n');
        rows(detector, all, &mut out);
        aims("aims, of labelled traffic", detector.labelled, all, &["-"], &mut out);
    }
    out
}

/// The line between the two parts.
pub const SEAM: &str = "\n# ---- labelled traffic\n";

/// Returns the lines that two texts do not share, in their order: `-` before those of the first,
/// `+` before those of the second.
pub fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    // Find the longest common subsequence by the table of its lengths. Both texts have some hundred
    // lines.
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
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
    fn difference_lists_only_the_lines_that_differ() {
        assert_eq!(difference("a\nb\nc\n", "a\nb\nc\n"), "");
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\nd\n"), "-b\n+x\n+d\n");
    }
}
