//! The counts of nfcap, for people (USR1) and for Prometheus: text format 0.0.4, as the textfile
//! collector of node_exporter reads it.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::loss::missing;
use crate::capture::{Followed, Forgotten};
use crate::time::Timestamp;
use crate::tool::replace::refuse_special;

/// The most exporters' domains that have series of their own, those with the most datagrams. Without
/// `--allow`, forged exporters would otherwise fill a monitoring system.
const NAMED: usize = 1000;

/// The state that is published. Counts are since the start.
#[derive(Debug, Default)]
pub struct Metrics {
    pub ident: Option<String>,
    pub started: Timestamp,
    pub received: u64,
    pub octets: u64,
    pub dropped_kernel: u64,
    pub dropped_queue: u64,
    pub limited: u64,
    pub denied: u64,
    /// Bytes that wait for the disk, and how many may.
    pub queue: (u64, u64),
    /// Bytes that the kernel holds for the smallest socket.
    pub receive_buffer: u64,
    pub files: u64,
    /// True while writing fails.
    pub stuck: bool,
    /// The number of times that writing began to fail.
    pub failures: u64,
    /// End of the last finished slot, in Unix seconds.
    pub last_slot: Option<u64>,
    pub removed: u64,
    /// Files that the first pass of retention refused to remove, being more than half of all.
    pub too_many: u64,
    /// True while no file is removed by age, because the clock was set.
    pub clock_set: bool,
    /// Commands of `--exec` by outcome, and those that wait or run now.
    pub commands: [(&'static str, u64); 7],
    pub followed: Vec<Followed>,
    pub forgotten: Forgotten,
}

impl Metrics {
    /// Returns the counts in one line, for people.
    pub fn summary(&self) -> String {
        let Metrics { received, dropped_kernel, dropped_queue, limited, denied, files, .. } = self;
        let (queued, limit) = self.queue;
        format!(
            "received={received} dropped_kernel={dropped_kernel} dropped_queue={dropped_queue} \
             limited={limited} denied={denied} queue={queued}/{limit} files={files} exporters={} \
             forgotten={}",
            self.followed.len(),
            self.forgotten.domains
        )
    }

    /// Returns one line for each of the `n` exporters' domains that miss most.
    pub fn worst(&self, n: usize) -> Vec<String> {
        let mut all: Vec<_> = self.followed.iter().filter(|f| missing(f) > 0).collect();
        all.sort_by_key(|f| (std::cmp::Reverse(missing(f)), f.domain));
        all.truncate(n);
        all.iter().map(|followed| domain_line(followed)).collect()
    }

    /// Returns the whole file for Prometheus.
    fn text(&self) -> String {
        let mut text = PrometheusText::default();
        let ident = self.ident.as_deref().unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        text.head("nfcap_info", "gauge", "The collector.");
        text.row("nfcap_info", &[("version", version), ("ident", ident)], 1);
        let (queued, limit) = self.queue;
        let start = self.started.secs();
        text.one("nfcap_start_time_seconds", "gauge", "Time of the start.", start);
        text.one(
            "nfcap_received_datagrams_total",
            "counter",
            "Datagrams that the kernel handed over.",
            self.received,
        );
        text.one("nfcap_received_octets_total", "counter", "Bytes in these.", self.octets);
        let name = "nfcap_dropped_datagrams_total";
        text.head(name, "counter", "Datagrams dropped on this host, by cause.");
        for (by, count) in [
            ("kernel", self.dropped_kernel),
            ("queue", self.dropped_queue),
            ("limit", self.limited),
        ] {
            text.row(name, &[("by", by)], count);
        }
        text.one(
            "nfcap_denied_datagrams_total",
            "counter",
            "Datagrams of senders that are not allowed.",
            self.denied,
        );
        text.one("nfcap_queue_octets", "gauge", "Bytes that wait for the disk.", queued);
        text.one("nfcap_queue_limit_octets", "gauge", "Bytes that may wait for the disk.", limit);
        text.one(
            "nfcap_receive_buffer_octets",
            "gauge",
            "Bytes that the kernel holds for the smallest socket.",
            self.receive_buffer,
        );
        text.one("nfcap_files_total", "counter", "Finished files.", self.files);
        text.one(
            "nfcap_write_failures_total",
            "counter",
            "Number of times that writing began to fail.",
            self.failures,
        );
        text.one("nfcap_write_failing", "gauge", "1 while writing fails.", self.stuck.into());
        if let Some(end) = self.last_slot {
            text.one("nfcap_last_slot_end_seconds", "gauge", "End of the last finished slot.", end);
        }
        text.one(
            "nfcap_removed_files_total",
            "counter",
            "Files removed by --keep, --max-size or --min-free.",
            self.removed,
        );
        text.one(
            "nfcap_retention_refused_files",
            "gauge",
            "Files that the first pass of retention does not remove, being more than half.",
            self.too_many,
        );
        text.one(
            "nfcap_retention_clock_set",
            "gauge",
            "1 while no file is removed by age, because the clock was set.",
            self.clock_set.into(),
        );
        let name = "nfcap_commands";
        text.head(name, "gauge", "Commands of --exec, by outcome or current state.");
        for (what, count) in self.commands {
            text.row(name, &[("what", what)], count);
        }
        self.exporters(&mut text);
        text.0
    }

    /// Adds the series of each exporter's domain.
    fn exporters(&self, text: &mut PrometheusText) {
        let all = self.followed.len() as u64;
        text.one(
            "nfcap_exporters",
            "gauge",
            "Domains of exporters whose sequence numbers are followed.",
            all,
        );
        let mut followed: Vec<_> = self.followed.iter().collect();
        followed.sort_by_key(|f| (std::cmp::Reverse(f.datagrams), f.domain));
        // The first domain of each address precedes the second of any: an address that sends many
        // domains must not take the series of all others.
        let mut seen: HashMap<IpAddr, usize> = HashMap::new();
        let mut ranked: Vec<_> = Vec::with_capacity(followed.len());
        for followed in followed {
            let rank = seen.entry(followed.domain.exporter).or_default();
            ranked.push((*rank, followed));
            *rank += 1;
        }
        ranked.sort_by_key(|&(rank, _)| rank);
        ranked.truncate(NAMED);
        let followed: Vec<_> = ranked.into_iter().map(|(_, followed)| followed).collect();
        let name = "nfcap_forgotten_total";
        let help = "Data of exporters that was forgotten because a table was full.";
        text.head(name, "counter", help);
        let Forgotten { domains, templates, refused, .. } = &self.forgotten;
        for (what, count) in [("domains", domains), ("templates", templates), ("refused", refused)]
        {
            text.row(name, &[("what", what)], count);
        }
        let mut series = |name: &str,
                          kind,
                          help,
                          rows: &dyn Fn(&Followed) -> Vec<(String, i64)>| {
            text.head(name, kind, help);
            for followed in &followed {
                let exporter = followed.domain.exporter.to_string();
                let version = followed.domain.version.to_string();
                let domain = followed.domain.id.to_string();
                for (unit, count) in rows(followed) {
                    let mut labels =
                        vec![("exporter", &*exporter), ("version", &version), ("domain", &domain)];
                    if !unit.is_empty() {
                        labels.push(("unit", &unit));
                    }
                    text.row(name, &labels, count);
                }
            }
        };
        let count = |n: u64| vec![(String::new(), n as i64)];
        let help = "Datagrams of an exporter's domain.";
        let name = "nfcap_exporter_datagrams_total";
        series(name, "counter", help, &|followed| count(followed.datagrams));
        let name = "nfcap_exporter_restarts_total";
        let help = "Number of times that its sequence numbers restarted.";
        series(name, "counter", help, &|followed| count(followed.restarts));
        // Reordered datagrams that arrive late lower the value, so it is no counter.
        let name = "nfcap_exporter_missing";
        let help = "Datagrams or flows missing by its sequence numbers.";
        series(name, "gauge", help, &|followed| {
            let lost = followed.missing;
            let units = [("flows", lost.flows), ("datagrams", lost.datagrams)];
            units.into_iter().filter_map(|(unit, n)| Some((unit.to_owned(), n?))).collect()
        });
    }

    /// Replaces the file at `path` as a whole.
    ///
    /// # Errors
    /// Fails if the file cannot be written or renamed; the old one then stays.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        refuse_special(path)?;
        let mut part = path.to_owned().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        // A link may lie there, which must not be followed.
        _ = fs::remove_file(&part);
        // Prometheus runs as another user.
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o644).open(&part)?;
        let written = file.write_all(self.text().as_bytes());
        written.and_then(|()| fs::rename(&part, path)).inspect_err(|_| {
            _ = fs::remove_file(&part);
        })
    }
}

fn domain_line(followed: &Followed) -> String {
    let Followed { domain, datagrams, missing, restarts } = followed;
    let mut text = format!(
        "exporter {} {} domain {}: datagrams={datagrams}",
        domain.exporter, domain.version, domain.id
    );
    for (unit, count) in [("flows", missing.flows), ("datagrams", missing.datagrams)] {
        if let Some(count) = count {
            _ = write!(text, " missing_{unit}={count}");
        }
    }
    _ = write!(text, " restarts={restarts}");
    text
}

/// Text in the format of Prometheus.
#[derive(Default)]
struct PrometheusText(String);

impl PrometheusText {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (n, (key, label)) in labels.iter().enumerate() {
            let label = label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            _ = write!(self.0, "{}{key}=\"{label}\"", if n == 0 { "{" } else { "," });
        }
        _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.row(name, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Domain, Lost, Version};

    fn followed(host: u8, datagrams: u64, missing: Lost) -> Followed {
        let exporter = [192, 0, 2, host].into();
        let domain = Domain { exporter, version: Version::V9, id: 7 };
        Followed { domain, datagrams, missing, restarts: 1 }
    }

    #[test]
    fn labels_are_quoted_and_exporters_bounded() {
        let lost = |n| Lost { flows: None, datagrams: Some(n) };
        let many = (0..NAMED as u64 + 5).map(|n| followed(n as u8, n, lost(0)));
        let mut metrics = Metrics { ident: Some("a\"b\\c".to_owned()), ..Metrics::default() };
        metrics.followed = many.chain([followed(1, 9000, lost(3))]).collect();
        let text = metrics.text();
        assert!(text.contains("nfcap_info{version=\"0.1.0\",ident=\"a\\\"b\\\\c\"} 1\n"), "{text}");
        let row = "nfcap_exporter_missing{exporter=\"192.0.2.1\",version=\"NetFlow v9\",domain=\"7\",\
                   unit=\"datagrams\"} 3\n";
        assert!(text.contains(row), "{text}");
        assert!(text.contains("nfcap_exporters 1006\n"));
        assert_eq!(text.matches("nfcap_exporter_datagrams_total{").count(), NAMED);
        let worst =
            "exporter 192.0.2.1 NetFlow v9 domain 7: datagrams=9000 missing_datagrams=3 restarts=1";
        assert_eq!(metrics.worst(5), [worst]);
    }

    #[test]
    fn an_address_with_many_domains_leaves_others_their_series() {
        let mut metrics = Metrics::default();
        for id in 0..2 * NAMED as u32 {
            let mut flood = followed(66, 9, Lost::default());
            flood.domain.id = id;
            metrics.followed.push(flood);
        }
        metrics.followed.push(followed(1, 1, Lost::default()));
        let text = metrics.text();
        assert_eq!(text.matches("nfcap_exporter_datagrams_total{").count(), NAMED);
        assert!(text.contains("nfcap_exporter_datagrams_total{exporter=\"192.0.2.1\""), "{text}");
    }

    #[test]
    fn the_file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("nfcap.prom");
        for received in [1, 2] {
            Metrics { received, ..Metrics::default() }.write(&path).unwrap();
            let text = fs::read_to_string(&path).unwrap();
            assert!(text.contains(&format!("\nnfcap_received_datagrams_total {received}\n")));
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        let error = Metrics::default().write(Path::new("/nowhere/nfcap.prom")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
