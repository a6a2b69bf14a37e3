//! OUT/trying: the slot that is being analysed, so that a slot that kills each run does not stop the job.

use super::out_dir::{self, OutDir};

/// The name of the file.
const NAME: &str = "trying";

/// Runs that may end in the middle of one slot. A machine that is switched off, or a kill by an admin, is no
/// fault of the slot's; so many in a row are.
const MAX_ENDS: u32 = 10;

/// Notes that a slot is being analysed. Returns false if that has ended too many runs, or one for a slot that
/// was given up before.
///
/// # Errors
/// The system's error.
pub(super) fn begin(digits: &str, was_given_up: bool, out: &OutDir) -> std::io::Result<bool> {
    let text = out_dir::read(&out.path(NAME))?;
    let text = String::from_utf8_lossy(&text);
    let (before, ends) = text.trim_end().split_once('\t').unwrap_or_default();
    let ends = if before == digits { ends.parse().unwrap_or(0) } else { 0 };
    if ends >= if was_given_up { 1 } else { MAX_ENDS } {
        return Ok(false);
    }
    out.replace(NAME, format!("{digits}\t{}\n", ends + 1).as_bytes())?;
    out.sync("")?;
    Ok(true)
}

/// Notes that the analysis of the slot has ended, well or not.
///
/// # Errors
/// The system's error.
pub(super) fn end(out: &OutDir) -> std::io::Result<()> {
    out_dir::remove(&out.path(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_ends_many_runs_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let out = OutDir::open(dir.path()).unwrap();
        out.clear_scratch().unwrap();
        for _ in 0..MAX_ENDS {
            assert!(begin("200107010020", false, &out).unwrap());
        }
        assert!(!begin("200107010020", false, &out).unwrap());
        // Another slot begins anew, and so does this one after it.
        assert!(begin("200107010030", false, &out).unwrap());
        assert!(begin("200107010020", true, &out).unwrap());
        assert!(!begin("200107010020", true, &out).unwrap());
        end(&out).unwrap();
        assert!(begin("200107010020", true, &out).unwrap());
    }
}
