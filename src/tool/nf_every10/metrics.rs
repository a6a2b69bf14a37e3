//! OUT/nf-every10.prom: the state of the job for node_exporter's textfile collector.

use std::fmt::Write;

use super::facts::Facts;
use super::health::Health;
use super::out_dir::OutDir;
use crate::time::Timestamp;

/// Every kind of trouble, so that each has a value before it begins.
pub(super) const TROUBLES: [&str; 23] = [
    "clock",
    "detector-failed",
    "disk-low",
    "exporter-clock",
    "exporter-silent",
    "feed-faulty",
    "file-failed",
    "hook-failed",
    "incidents-failed",
    "incidents-warned",
    "inside-bare",
    "inside-unseen",
    "mail-waits",
    "out-full",
    "page-failed",
    "run-slow",
    "set-aside",
    "spool-empty",
    "spool-foreign",
    "spool-missing",
    "spool-unreadable",
    "state-unusable",
    "stopped",
];

/// The numbers of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct RunCounts {
    /// Slots that were analysed, well or not.
    pub slots: u64,
    /// Slots of these that were judged.
    pub judged: u64,
    /// Findings in them.
    pub findings: u64,
    /// Slots that are left.
    pub pending: u64,
    /// Files that retention removed.
    pub removed: u64,
    /// Milliseconds that the run took.
    pub millis: u64,
    /// Bytes free in OUT.
    pub free: Option<u64>,
}

/// Writes the file anew.
///
/// # Errors
/// The system's error.
pub(super) fn write(
    now: Timestamp,
    counts: &RunCounts,
    facts: &Facts,
    health: &Health,
    out: &OutDir,
) -> std::io::Result<()> {
    let slot = Timestamp::parse(facts.slot.as_bytes()).unwrap_or_default();
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, value: String| {
        // Writing to a string cannot fail.
        _ = writeln!(
            text,
            "# HELP nf_every10_{name} {help}\n# TYPE nf_every10_{name} gauge\nnf_every10_{name} {value}"
        );
    };
    gauge("run_timestamp_seconds", "Time of the last run.", now.secs().to_string());
    let seconds = format!("{}.{:03}", counts.millis / 1000, counts.millis % 1000);
    gauge("run_duration_seconds", "Time that the last run took.", seconds);
    gauge("run_slots", "Slots that the last run analysed.", counts.slots.to_string());
    gauge("run_findings", "Findings of the last run.", counts.findings.to_string());
    gauge("run_removed_files", "Results that the last run removed.", counts.removed.to_string());
    gauge("pending_slots", "Slots that wait for analysis.", counts.pending.to_string());
    gauge("slot_timestamp_seconds", "Start of the newest slot.", slot.secs().to_string());
    gauge("slot_flows", "Flows of the newest slot.", facts.flows.to_string());
    gauge("slot_exporters", "Exporters of the newest slot.", facts.exporters.len().to_string());
    if let Some(free) = counts.free {
        gauge("free_bytes", "Bytes free in OUT.", free.to_string());
    }
    text.push_str("# HELP nf_every10_troubles Open troubles by kind, as in OUT/health.\n");
    text.push_str("# TYPE nf_every10_troubles gauge\n");
    let open = health.counts();
    for trouble in TROUBLES {
        let count = open.get(trouble).copied().unwrap_or(0);
        _ = writeln!(text, "nf_every10_troubles{{trouble=\"{trouble}\"}} {count}");
    }
    out.replace("nf-every10.prom", text.as_bytes())
}
