//! The file of `--metrics-file`, for node_exporter's textfile collector.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use anyhow::Context;

use super::place::replace_with_mode;
use super::setup::Setup;
use crate::finding::Kind;
use crate::incident::Mode;
use crate::incident::store::{Figures, Store};
use crate::tool::replace::refuse_special;

/// The permissions: Prometheus' exporter runs as another user.
const MODE: u32 = 0o644;

const KINDS: [Kind; 3] = [Kind::Scan, Kind::Flood, Kind::Port];

/// The states that are counted, so that each has a value before there is an incident.
const STATES: [&str; 3] = ["pending", "open", "quiet"];

/// Writes the file anew.
///
/// # Errors
/// Fails if the memory or the file does.
pub(super) fn write(path: &Path, setup: &Setup, store: &Store) -> anyhow::Result<()> {
    let figures = store.figures()?;
    let last_window = store.newest()?.window().map(|window| window.start());
    let mut hooks = Vec::new();
    for hook in &setup.settings.hooks {
        let place = store.hook(&hook.name)?.unwrap_or_default();
        hooks.push((
            hook.name.as_str(),
            store.newest_entry()?.saturating_sub(place.sent),
            place.dropped,
        ));
    }
    let text = text(&figures, last_window, setup.now, setup.settings.mode, &hooks);
    let file = || path.display().to_string();
    refuse_special(path).with_context(file)?;
    replace_with_mode(path, text.as_bytes(), MODE).with_context(file)?;
    Ok(())
}

/// Returns the text. `hooks`: the name of each, the lines that wait for it, and those that it lost.
fn text(
    figures: &Figures,
    last_window: Option<u64>,
    now: u64,
    mode: Mode,
    hooks: &[(&str, u64, u64)],
) -> String {
    let mut text = String::new();
    let mut family = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
        // Writing to a string cannot fail.
        _ = writeln!(text, "# HELP nfnotify_{name} {help}\n# TYPE nfnotify_{name} {kind}");
        for (labels, value) in values {
            _ = writeln!(text, "nfnotify_{name}{labels} {value}");
        }
    };
    let one = |value| [(String::new(), value)];
    let mut live = Vec::new();
    for kind in KINDS {
        for state in STATES {
            let count = figures.live.get(&(kind, state)).copied().unwrap_or(0);
            live.push((format!("{{kind=\"{kind}\",state=\"{state}\"}}"), count));
        }
    }
    family(
        "incidents",
        "gauge",
        "Incidents that are not closed; one of two kinds counts twice.",
        &live,
    );
    family("run_timestamp_seconds", "gauge", "Time of the last run.", &one(now));
    if let Some(start) = last_window {
        family("window_timestamp_seconds", "gauge", "Start of the newest window.", &one(start));
    }
    let is_live = u64::from(mode == Mode::Live);
    family("live", "gauge", "1 if the mode is live, 0 in shadow mode.", &one(is_live));
    let oldest = figures.oldest_unsent.map_or(0, |at| now.saturating_sub(at));
    let help = "Age of the oldest notice that waits to be sent; 0 if none does.";
    family("oldest_unsent_notice_seconds", "gauge", help, &one(oldest));
    family("mails_waiting", "gauge", "Mails that wait to be sent.", &one(figures.mails_waiting));
    let by = |label: &str, counts: &BTreeMap<&'static str, u64>| -> Vec<(String, u64)> {
        counts.iter().map(|(word, count)| (format!("{{{label}=\"{word}\"}}"), *count)).collect()
    };
    let help = "Mails by what became of them.";
    family("mails_total", "counter", help, &by("state", &figures.mails));
    let help = "Received mails by what they were.";
    family("received_mails_total", "counter", help, &by("kind", &figures.received));
    family("journal_rows", "gauge", "Rows of the journal.", &one(figures.journal_rows));
    family("database_bytes", "gauge", "Bytes of the database.", &one(figures.bytes));
    let help = "Findings that opened no incident, because there were too many.";
    family("findings_left_out_total", "counter", help, &one(figures.left_out));
    let help = "Findings of one window beyond those that are taken.";
    family("findings_dropped_total", "counter", help, &one(figures.dropped));
    let help = "Findings, incidents and journal rows forgotten early, because there were too many.";
    family("rows_forgotten_total", "counter", help, &one(figures.forgotten));
    if !hooks.is_empty() {
        let of = |pick: fn(&(&str, u64, u64)) -> u64| -> Vec<(String, u64)> {
            hooks.iter().map(|hook| (format!("{{hook=\"{}\"}}", hook.0), pick(hook))).collect()
        };
        let waiting = of(|hook| hook.1);
        family("hook_waiting_lines", "gauge", "Lines that a hook has not taken yet.", &waiting);
        let dropped = of(|hook| hook.2);
        family("hook_dropped_lines_total", "counter", "Lines that a hook never got.", &dropped);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_a_line() {
        let mut figures = Figures { journal_rows: 7, bytes: 4096, ..Figures::default() };
        figures.live.insert((Kind::Scan, "open"), 3);
        figures.oldest_unsent = Some(900);
        figures.mails_waiting = 4;
        figures.mails.insert("bounced", 6);
        figures.received.insert("claim", 8);
        let text = text(&figures, Some(400), 1000, Mode::Live, &[("chat", 2, 5)]);
        for line in [
            "nfnotify_incidents{kind=\"scan\",state=\"open\"} 3",
            "nfnotify_incidents{kind=\"flood\",state=\"quiet\"} 0",
            "nfnotify_run_timestamp_seconds 1000",
            "nfnotify_window_timestamp_seconds 400",
            "nfnotify_live 1",
            "nfnotify_oldest_unsent_notice_seconds 100",
            "nfnotify_mails_waiting 4",
            "nfnotify_mails_total{state=\"bounced\"} 6",
            "nfnotify_received_mails_total{kind=\"claim\"} 8",
            "nfnotify_journal_rows 7",
            "nfnotify_database_bytes 4096",
            "nfnotify_findings_left_out_total 0",
            "nfnotify_findings_dropped_total 0",
            "nfnotify_rows_forgotten_total 0",
            "nfnotify_hook_waiting_lines{hook=\"chat\"} 2",
            "nfnotify_hook_dropped_lines_total{hook=\"chat\"} 5",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        // The example alerts ask for what there is.
        let rules = include_str!("../../../packaging/prometheus-rules.yml");
        let exprs = rules.lines().filter_map(|line| line.trim().strip_prefix("expr: "));
        let names =
            exprs.flat_map(|expr| expr.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'));
        let names: Vec<_> = names.filter(|word| word.starts_with("nfnotify_")).collect();
        assert!(names.len() >= 7, "{names:?}");
        for name in names {
            assert!(text.contains(&format!("# TYPE {name} ")), "{name}");
        }
        let families = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        let helps = text.lines().filter(|line| line.starts_with("# HELP")).count();
        assert_eq!((families, helps), (15, 15));
    }
}
