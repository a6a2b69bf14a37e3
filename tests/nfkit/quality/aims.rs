//! The aims of the detectors, the rows on which each depends, and its measure.

use super::labelled::{ATTACKS, BENIGN, MIXED};
use super::score::Score;

/// An aim: the measure of some rows must reach a limit.
pub struct Aim {
    pub about: &'static str,
    pub rows: &'static [&'static str],
    pub measure: Measure,
    /// The limit as text and as a number.
    pub limit: (&'static str, f64),
}

impl Aim {
    /// Returns the rows on which the aim depends.
    pub fn all_rows(&self) -> impl Iterator<Item = &'static str> {
        let other = match self.measure {
            Measure::Behind(row) => Some(row),
            _ => None,
        };
        self.rows.iter().copied().chain(other)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The share of those to be found that were found. Minimum.
    Recall,
    /// The share of those named that are right. Minimum.
    Precision,
    /// The share of flood victims that were called scanners. Maximum.
    Accused,
    /// Innocent hosts named per 3,000 inside hosts and day. Maximum.
    Daily,
    /// Innocent hosts named. Maximum.
    Wrong,
    /// The number found although there is not enough evidence. Maximum.
    Found,
    /// The recall of the given row minus the recall of these rows. Maximum.
    Behind(&'static str),
    /// The share of floods with forged sources that were marked as forged. Minimum.
    Marked,
    /// Floods without forged sources that were marked as forged. Maximum.
    Mismarked,
}

impl Measure {
    /// Returns the measure's value for the sum of these rows, and the counts behind it.
    pub fn of(self, rows: &[&str], sum: impl Fn(&[&str]) -> Score) -> Option<(f64, String)> {
        let score = sum(rows);
        let share = |a: usize, b: usize| (b > 0).then(|| (a as f64 / b as f64, format!("{a}/{b}")));
        match self {
            Measure::Recall => share(score.found, score.must),
            Measure::Precision => share(score.found, score.found + score.wrong),
            Measure::Accused => share(score.accused, score.victims),
            Measure::Wrong => Some((score.wrong as f64, score.wrong.to_string())),
            Measure::Found => {
                share(score.found, score.must).map(|(_, of)| (score.found as f64, of))
            }
            Measure::Behind(other) => {
                let (mine, of) = share(score.found, score.must)?;
                let (theirs, _) = Measure::Recall.of(&[other], sum)?;
                Some((theirs - mine, of))
            }
            Measure::Marked => share(score.marked, score.forged),
            Measure::Mismarked => {
                share(score.mismarked, score.found).map(|(_, of)| (score.mismarked as f64, of))
            }
            Measure::Daily => {
                let days = score.watched as f64 / (144.0 * 3000.0);
                let of = format!("{} in {days:.1}", score.wrong);
                (days > 0.0).then(|| (score.wrong as f64 / days, of))
            }
        }
    }

    pub fn met(self, value: f64, limit: f64) -> bool {
        match self {
            Measure::Recall | Measure::Precision | Measure::Marked => value >= limit,
            _ => value <= limit,
        }
    }

    /// Returns true if the value is a count, which needs no share beside it.
    pub fn counts(self) -> bool {
        matches!(self, Measure::Wrong | Measure::Found | Measure::Mismarked)
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

use Measure::{Accused, Behind, Daily, Found, Marked, Mismarked, Precision, Recall, Wrong};

const ALL: (&str, f64) = ("all", 1.0);
const NONE: (&str, f64) = ("0", 0.0);

/// The aims of nfscan.
pub const SCANS: &[Aim] = &[
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

/// The aims of nfscan on labelled traffic.
pub const LABELLED_SCANS: &[Aim] = &[
    aim("hosts named in the benign sets", BENIGN, Wrong, NONE),
    aim("attackers found", ATTACKS, Recall, ALL),
    aim("attackers found amid benign traffic", MIXED, Recall, ALL),
    aim("innocents named amid attacks", MIXED, Wrong, NONE),
];

/// Floods with victims that do not answer, or with attackers inside.
const UNANSWERED_FLOODS: &[&str] = &[
    "flood",
    "udpflood",
    "botnet",
    "forged",
    "drawn",
    "spoofed",
    "quicflood",
    "outsyn",
    "outbound",
];

/// Rows without an attack.
const INNOCENTS: &[&str] = &[
    "campus",
    "campus-nine",
    "campus-day-state",
    "innocents",
    "innocents-nine",
    "innocents-hour",
    "uplink",
    "uplink-hour",
];

const NEARLY: (&str, f64) = (">= .98", 0.98);
const MOST: (&str, f64) = (">= .95", 0.95);

/// The aims of nfflood.
pub const FLOODS: &[Aim] = &[
    aim("floods, recall", UNANSWERED_FLOODS, Recall, NEARLY),
    aim("floods, precision", UNANSWERED_FLOODS, Precision, MOST),
    aim("floods on nine columns, recall", NINE, Recall, NEARLY),
    aim("floods on nine columns, precision", NINE, Precision, MOST),
    aim("reflection, recall", &["reflected", "reflected-nine"], Recall, NEARLY),
    aim(
        "reflection from unlisted ports, less recall than from listed",
        &["unlisted"],
        Behind("reflected"),
        ("<= .02", 0.02),
    ),
    aim("the same on nine columns", &["unlisted-nine"], Behind("reflected-nine"), ("<= .02", 0.02)),
    aim("carpets, recall", &["carpet", "carpet-nine"], Recall, MOST),
    aim("forged floods marked", &["forged", "drawn", "spoofed"], Marked, MOST),
    aim("floods marked that are not forged", &["flood", "botnet"], Mismarked, NONE),
    aim("more than usual, with --state, recall", &["volume"], Recall, MOST),
    aim("the same, found without a baseline", &["volume-cold"], Found, NONE),
    aim("servers that are down, recall", &["outage", "outage-nine", "outage-cold"], Recall, NEARLY),
    aim("busy servers and crowds named", INNOCENTS, Wrong, NONE),
];

const NINE: &[&str] = &["flood-nine", "botnet-nine", "forged-nine"];

/// The aims of nfport.
pub const PORTS: &[Aim] = &[
    aim("worms, recall", &["codered", "codered-nine", "codered-2000"], Recall, ALL),
    aim("worms flagged within 100 targets", &["worms-100"], Recall, ALL),
    aim("the same and slow ones, by nfport or nfscan", &["worms-100-nfscan"], Recall, ALL),
    aim("slow worms in a day, with --state, recall", &["slowworm"], Recall, MOST),
    aim("infected and infecting, with --state, recall", &["chain"], Recall, MOST),
    aim("guessed passwords, recall", &["guess", "guess-nine"], Recall, MOST),
    aim(
        "passwords guessed once a minute, with --state, recall",
        &["slowguess", "slowguess-nine", "slowguess-6h"],
        Recall,
        MOST,
    ),
    aim("spam, recall", &["spam", "spam-nine"], Recall, MOST),
    aim("busy servers, clients and crowds named", INNOCENTS, Wrong, NONE),
];

/// The aims of nfflood on labelled traffic.
pub const LABELLED_FLOODS: &[Aim] = &[
    aim("hosts named in the benign sets", BENIGN, Wrong, NONE),
    aim("floods found", ATTACKS, Recall, ALL),
    aim("innocents named beside floods, and in scans", ATTACKS, Wrong, NONE),
    aim("floods found amid benign traffic", MIXED, Recall, ALL),
    aim("innocents named amid attacks", MIXED, Wrong, NONE),
];

/// The aims of nfport on labelled traffic. Nobody in these sets attacks a port in nfport's sense.
pub const LABELLED_PORTS: &[Aim] = &[
    aim("hosts named in the benign sets", BENIGN, Wrong, NONE),
    aim("innocents named amid attacks", MIXED, Wrong, NONE),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aims_depend_only_on_rows_of_the_grid() {
        for detector in &super::super::detectors::DETECTORS {
            let names: Vec<_> = detector.grid.iter().map(|scenario| scenario.name).collect();
            for row in detector.aims.iter().flat_map(|aim| aim.all_rows()) {
                assert!(names.contains(&row), "{row}");
            }
        }
    }

    #[test]
    fn measures_are_computed_and_compared_with_limits() {
        let score = Score {
            must: 100,
            found: 99,
            wrong: 1,
            watched: 144 * 6000,
            forged: 50,
            marked: 40,
            ..Score::default()
        };
        let sum = |rows: &[&str]| match rows {
            ["better"] => Score { must: 2, found: 2, ..Score::default() },
            _ => score.clone(),
        };
        let value = |measure: Measure| measure.of(&[], sum).map(|(value, _)| value);
        assert_eq!(value(Recall), Some(0.99));
        assert_eq!(value(Precision), Some(0.99));
        assert_eq!(value(Daily), Some(0.5));
        assert_eq!(value(Accused), None);
        assert_eq!(value(Found), Some(99.0));
        assert_eq!(value(Behind("better")), Some(1.0 - 0.99));
        assert_eq!(value(Marked), Some(0.8));
        assert_eq!(value(Mismarked), Some(0.0));
        assert!(Recall.met(0.99, 0.99) && !Recall.met(0.98, 0.99));
        assert!(Daily.met(1.0, 1.0) && !Daily.met(1.1, 1.0));
    }
}
