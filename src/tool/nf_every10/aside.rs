//! OUT/set-aside: the files of the spool that are not analysed.

use std::collections::BTreeSet;

use super::out_dir::{self, OutDir};
use super::slots::Look;
use crate::cli::Io;

/// The name of the file.
const NAME: &str = "set-aside";

/// The most files that a run names. The others are counted.
const NAMED: usize = 20;

/// Writes the list of files that are set aside, and tells of those that are new. Returns how many there are.
///
/// # Errors
/// The system's error.
pub(super) fn write(look: &Look, out: &OutDir, io: &mut Io) -> std::io::Result<usize> {
    let path = out.path(NAME);
    let old = out_dir::read(&path)?;
    let old = String::from_utf8_lossy(&old);
    let old: BTreeSet<&str> = old.lines().collect();
    let odd: Vec<String> = look.odd.iter().map(|(word, path)| format!("{word}\t{path}")).collect();
    let mut lines: BTreeSet<&str> = odd.iter().map(String::as_str).collect();
    let new: Vec<&str> = lines.iter().copied().filter(|line| !old.contains(line)).collect();
    for line in new.iter().take(NAMED) {
        let (word, path) = line.split_once('\t').unwrap_or((line, ""));
        let reason = match word {
            "future" => "starts more than one slot from now; set aside until then",
            "link" => "links are not followed; set aside",
            "type" => "not a regular file; set aside",
            "path" => "its path has a control character; set aside, rename it",
            _ => "not a slot's name, nfcap.YYYYMMDDhhmm.pcapng; set aside",
        };
        io.report.error(format_args!("{path}: {reason}"));
    }
    if new.len() > NAMED {
        let more = new.len() - NAMED;
        let list = super::shown(&path);
        io.report.error(format_args!("{more} more files are set aside; {list} has all"));
    }
    if !look.errors.is_empty() {
        // A file in a directory that could not be read today is not new tomorrow.
        lines.extend(old.iter().copied().filter(|line| line.contains('\t')));
    }
    if lines.is_empty() {
        out_dir::remove(&path)?;
    } else {
        let mut text = lines.iter().copied().collect::<Vec<_>>().join("\n");
        text.push('\n');
        out.update(NAME, text.as_bytes())?;
    }
    Ok(lines.len())
}
