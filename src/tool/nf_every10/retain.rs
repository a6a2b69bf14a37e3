//! Removes results that are older than `--keep` allows, by the time of the data and not of a clock.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::ledger::Ledger;
use super::names::{SlotName, day};
use super::out_dir::{self, OutDir};
use crate::cli::parse_duration;
use crate::time::Timestamp;

/// The file with the day up to which evidence was removed.
const SWEPT: &str = "swept";

/// Nanoseconds of a day.
const DAY: i64 = 86_400 * 1_000_000_000;

/// The ages up to which results are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// The age of the flows behind findings.
    pub evidence: Duration,
    /// The age of findings, traffic, messages and states that were set aside.
    pub findings: Duration,
}

impl Default for Keep {
    fn default() -> Keep {
        let days = |days: u64| Duration::from_secs(days * 86_400);
        Keep { evidence: days(30), findings: days(400) }
    }
}

/// Parses `evidence=30d,findings=400d`. An age that is left out has its default.
impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Keep, String> {
        let mut keep = Keep::default();
        for part in text.split(',') {
            let (name, age) = part
                .split_once('=')
                .ok_or_else(|| format!("{part:?} is no age such as evidence=30d"))?;
            let age = parse_duration(age.trim())?;
            match name.trim() {
                "evidence" => keep.evidence = age,
                "findings" => keep.findings = age,
                name => return Err(format!("{name:?}: only evidence and findings have an age")),
            }
        }
        let day = Duration::from_secs(86_400);
        if keep.evidence < day || keep.findings < day {
            return Err("results of the last day are always kept; give at least 1d".to_owned());
        }
        if keep.evidence > keep.findings {
            return Err(
                "evidence without its findings is of no use; keep findings as long".to_owned()
            );
        }
        Ok(keep)
    }
}

/// Returns the slot from which ages count back: the newest that was analysed and starts no later than
/// `limit`. `None` while fewer than half of the slots of the 24 hours before it were analysed: a clock that
/// is wrong for hours gives such slots, and nothing must be removed for them. `seconds` is the length of a
/// slot.
pub(super) fn anchor(
    ledger: &Ledger,
    limit: Timestamp,
    seconds: u32,
    out: &OutDir,
) -> Option<SlotName> {
    let slots = ledger.recent(limit, out);
    let newest = slots.last()?;
    let since = newest.start.offset(-DAY);
    let analysed = slots.iter().filter(|slot| slot.start > since).count() as u64;
    let whole = 86_400 / u64::from(seconds.clamp(1, 86_400));
    (2 * analysed >= whole).then(|| newest.clone())
}

/// Removes what is too old. Returns the number of files that were removed.
///
/// # Errors
/// The system's error. The next run removes the rest.
pub(super) fn sweep(keep: Keep, newest: &SlotName, out: &OutDir) -> io::Result<u64> {
    let back = |age: Duration| {
        let nanos = i64::try_from(age.as_nanos()).unwrap_or(i64::MAX);
        newest.start.offset(-nanos)
    };
    let (evidence, findings) = (back(keep.evidence), back(keep.findings));
    let swept = out_dir::read(&out.path(SWEPT))?;
    let swept = PathBuf::from(String::from_utf8_lossy(&swept).trim_end());
    let mut removed = 0;
    for dir in days(out)? {
        // Days sort as text. Evidence of days before the last sweep is gone.
        let has_evidence = dir >= swept && dir <= day(evidence);
        if dir > day(findings) && !has_evidence {
            continue;
        }
        for entry in fs::read_dir(out.path(&dir))? {
            let entry = entry?;
            let Some((slot, end)) = result_name(&entry.file_name()) else { continue };
            let is_evidence = end.starts_with("evidence");
            if slot.start < findings || (is_evidence && slot.start < evidence) {
                out_dir::remove(&entry.path())?;
                removed += 1;
            }
        }
        for empty in [dir.as_path()].into_iter().chain(dir.ancestors().skip(1).take(2)) {
            // A directory that still has something in it stays.
            if dir < day(findings) && fs::remove_dir(out.path(empty)).is_err() {
                break;
            }
        }
    }
    removed += sweep_states(findings, out)?;
    out.update(SWEPT, format!("{}\n", day(evidence).display()).as_bytes())?;
    Ok(removed)
}

/// Begins the next sweep no later than with the day of this slot, whose evidence was written just now.
///
/// # Errors
/// The system's error.
pub(super) fn note_evidence(slot: &SlotName, out: &OutDir) -> io::Result<()> {
    let swept = out_dir::read(&out.path(SWEPT))?;
    let swept = PathBuf::from(String::from_utf8_lossy(&swept).trim_end());
    let day = day(slot.start);
    if day < swept {
        out.replace(SWEPT, format!("{}\n", day.display()).as_bytes())?;
    }
    Ok(())
}

/// Removes states that were set aside before `findings`.
fn sweep_states(findings: Timestamp, out: &OutDir) -> io::Result<u64> {
    let mut removed = 0;
    for name in crate::finding::DETECTORS {
        let path = out.path("state").join(format!("{name}.bad"));
        let Ok(of) = fs::symlink_metadata(&path) else { continue };
        let modified = of.modified()?.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        if of.is_file() && modified.as_secs() < findings.secs() {
            out_dir::remove(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// Returns the directories of days in OUT, in time order.
fn days(out: &OutDir) -> io::Result<Vec<PathBuf>> {
    let mut dirs = vec![PathBuf::new()];
    for digits in [4, 2, 2] {
        let mut next = Vec::new();
        for dir in dirs {
            for entry in fs::read_dir(out.path(&dir))? {
                let entry = entry?;
                let name = entry.file_name();
                let is_number = name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
                if is_number && name.len() == digits && entry.file_type()?.is_dir() {
                    next.push(dir.join(name));
                }
            }
        }
        dirs = next;
    }
    dirs.sort();
    Ok(dirs)
}

/// Returns the slot and the ending of a result's name.
fn result_name(name: &std::ffi::OsStr) -> Option<(SlotName, String)> {
    let rest = name.to_str()?.strip_prefix("nfcap.")?;
    let (digits, end) = rest.split_once('.')?;
    let is_result = ["findings", "said", "traffic.zst", "evidence", "evidence.zst"].contains(&end);
    is_result.then(|| Some((SlotName::parse(digits)?, end.to_owned())))?
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{Line, Verdict};
    use super::*;
    use crate::capture::spool;
    use crate::time::Window;

    #[test]
    fn ages_are_parsed_and_checked() {
        assert_eq!("evidence=30d,findings=400d".parse(), Ok(Keep::default()));
        let keep: Keep = "findings=60d".parse().unwrap();
        assert_eq!(keep.findings, Duration::from_secs(60 * 86_400));
        for (text, part) in [
            ("30d", "no age such as"),
            ("ledger=3d", "only evidence and findings"),
            ("evidence=30", "needs a unit"),
            ("evidence=1h", "at least 1d"),
            ("findings=20d", "keep findings as long"),
        ] {
            let error = text.parse::<Keep>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    /// Makes an OUT with slots of 20 days, 4 in a day except for the last with `last`, and returns
    /// the ledger.
    fn filled(out: &OutDir, last: u64) -> Ledger {
        let mut ledger = Ledger::default();
        let start = 993_945_600;
        for day in 0..20 {
            for n in 0..if day == 19 { last } else { 4 } {
                let window = Window::new(start + day * 86_400 + n * 21_600, 21_600).unwrap();
                let path = spool::file_name(window, 0);
                let line = Line { path: &path, size: 1, verdict: Verdict::Done };
                ledger.append(&[line], Timestamp::from_secs(window.end()), out).unwrap();
                let base = path.with_extension("");
                fs::create_dir_all(out.path(base.parent().unwrap())).unwrap();
                for end in ["findings", "evidence.zst", "said", "traffic.zst"] {
                    fs::write(out.path(base.with_extension(base_end(&base, end))), "x").unwrap();
                }
            }
        }
        ledger
    }

    /// Returns the extension that replaces the digits of a base: `200107010020.findings`.
    fn base_end(base: &std::path::Path, end: &str) -> String {
        format!("{}.{end}", base.extension().unwrap().to_str().unwrap())
    }

    fn left(out: &OutDir, end: &str) -> usize {
        let days = days(out).unwrap();
        let files = days.iter().flat_map(|day| fs::read_dir(out.path(day)).unwrap());
        files
            .filter(|file| file.as_ref().unwrap().file_name().to_str().unwrap().ends_with(end))
            .count()
    }

    fn out() -> (tempfile::TempDir, OutDir) {
        let dir = tempfile::tempdir().unwrap();
        let out = OutDir::open(dir.path()).unwrap();
        out.clear_scratch().unwrap();
        (dir, out)
    }

    const LATER: Timestamp = Timestamp::from_secs(2_000_000_000);

    #[test]
    fn results_are_removed_by_the_age_of_their_slot() {
        let (_dir, out) = out();
        let ledger = filled(&out, 4);
        let newest = anchor(&ledger, LATER, 21_600, &out).unwrap();
        assert_eq!(newest.digits, "200107201800");
        let keep = "evidence=5d,findings=10d".parse().unwrap();
        sweep(keep, &newest, &out).unwrap();
        assert_eq!(left(&out, ".evidence.zst"), 5 * 4 + 1);
        assert_eq!(left(&out, ".findings"), 10 * 4 + 1);
        assert_eq!(left(&out, ".said"), 10 * 4 + 1);
        assert_eq!(left(&out, ".traffic.zst"), 10 * 4 + 1);
        assert_eq!(days(&out).unwrap().len(), 11);
        // A second sweep has nothing to do, also for evidence that came since in an old day.
        assert_eq!(sweep(keep, &newest, &out).unwrap(), 0);
        let slot = SlotName::parse("200107120000").unwrap();
        fs::write(out.path(slot.base()).with_file_name("nfcap.200107120000.evidence"), "x")
            .unwrap();
        note_evidence(&slot, &out).unwrap();
        assert_eq!(sweep(keep, &newest, &out).unwrap(), 1);
    }

    #[test]
    fn nothing_is_removed_while_half_of_the_last_day_is_missing() {
        let (_dir, out) = out();
        let mut ledger = filled(&out, 4);
        // A clock that was years ahead for an hour.
        for n in 0..2 {
            let window = Window::new(1_900_000_800 + n * 600, 600).unwrap();
            let path = spool::file_name(window, 0);
            let line = Line { path: &path, size: 1, verdict: Verdict::Done };
            ledger.append(&[line], LATER, &out).unwrap();
        }
        assert_eq!(anchor(&ledger, LATER, 600, &out), None);
        let limit = Timestamp::from_secs(1_000_000_000);
        assert_eq!(anchor(&ledger, limit, 21_600, &out).unwrap().digits, "200107201800");
        assert_eq!(anchor(&ledger, limit, 600, &out), None);
    }
}
