//! The analysis of one slot: decoded once, judged by three detectors, with the evidence of their findings.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;

use super::detectors::{Buffer, DetectorRun, Detectors, Feed, Task, gathered, panic_text};
use super::exporters::{Exporters, Heard};
use super::facts::Facts;
use super::ledger::Verdict;
use super::names::{SlotName, findings_of, traffic_of};
use super::out_dir::OutDir;
use super::states::States;
use super::traffic::{self, Counted, TrafficPlan};
use crate::capture::Closing;
use crate::cli::Status;
use crate::finding::DETECTORS;
use crate::flow::Networks;
use crate::line::{Column, REQUIRED, Writer};
use crate::time::{End, Mark, Timestamp, WindowState};
use crate::tool::decode::{self, CaptureDecoder, FileOutcome, Neighbours, Sink};
use crate::tool::nfgrep;
use crate::window::{ArrivalWindows, TimeRange, Transition};
use crate::wire::{Batch, Decoder, DecoderLimits};

/// The columns of evidence beside the nine.
const FURTHER: [Column; 4] = [Column::Start, Column::End, Column::Flags, Column::Exporter];

/// The level of compression of evidence.
const ZSTD_LEVEL: i32 = 3;

/// The site and the options of the job that an analysis needs.
#[derive(Debug)]
pub(super) struct Analyser<'a> {
    pub out: &'a OutDir,
    pub detectors: &'a Detectors,
    pub inside: &'a Networks,
    /// The traffic that is counted for the site, if there is one.
    pub traffic: Option<&'a TrafficPlan>,
    /// Flow lines kept for each finding.
    pub evidence: u64,
    /// The exporters that the collector expects; `None` if it takes any. Others are not missed.
    pub expected: Option<&'a Networks>,
    /// The latest start of a slot.
    pub limit: Timestamp,
}

/// The results of a slot. The evidence is in the temporary file `evidence`, if there is any.
#[derive(Debug)]
pub(super) struct Analysed {
    /// The verdict on each file.
    pub verdicts: Vec<Verdict>,
    /// The finding lines and marks of all detectors.
    pub findings: Vec<u8>,
    /// The number of findings.
    pub count: u64,
    /// The traffic for the site, compressed, if it was counted.
    pub traffic: Option<Vec<u8>>,
    /// The closing marks of the slot's windows.
    pub ends: Vec<End>,
    /// The exporters that were heard.
    pub heard: Heard,
    /// The facts about the slot.
    pub facts: Facts,
    /// The messages about the slot.
    pub said: Vec<u8>,
    /// Each detector's part, without its output.
    pub runs: [DetectorRun; 3],
}

/// An error of an analysis, with the messages so far.
#[derive(Debug)]
pub(super) struct Failure {
    /// The reason.
    pub error: anyhow::Error,
    /// The messages about the slot.
    pub said: Vec<u8>,
}

impl Analyser<'_> {
    /// Decodes and judges the files of a slot. Without `states`, the detectors have no memory.
    ///
    /// # Errors
    /// No file that can be used, or OUT takes no more.
    pub fn slot(
        &self,
        slot: &SlotName,
        files: &[PathBuf],
        exporters: &Exporters,
        states: Option<&States>,
    ) -> Result<Analysed, Failure> {
        let said = Buffer::new(Vec::new());
        // A fault of our own in one slot must not keep the others waiting.
        let analysed =
            catch_unwind(AssertUnwindSafe(|| self.analyse(slot, files, exporters, states, &said)));
        analysed
            .unwrap_or_else(|panic| Err(anyhow::anyhow!("a panic: {}", panic_text(panic.as_ref()))))
            .map_err(|error| Failure { error, said: std::mem::take(&mut *said.lock()) })
    }

    fn analyse(
        &self,
        slot: &SlotName,
        files: &[PathBuf],
        exporters: &Exporters,
        states: Option<&States>,
        said: &Buffer<Vec<u8>>,
    ) -> anyhow::Result<Analysed> {
        let mut outcomes = Vec::new();
        let mut ends = Vec::new();
        let mut facts = Facts { slot: slot.start.rfc3339(), ..Facts::default() };
        let mut spoke = BTreeSet::new();
        let mut counted = None;
        let counter = self.traffic.map(|plan| -> Task<'_> {
            let counted = &mut counted;
            Box::new(move |pieces| traffic::run(plan, pieces, counted))
        });
        let (runs, of_counter) = self.detectors.judge(states, counter, |feed| {
            let lines = BufWriter::with_capacity(1 << 18, self.out.create_scratch("flows")?);
            let columns = [REQUIRED.as_slice(), &FURTHER].concat();
            let mut sink = SlotSink {
                feed,
                lines: Writer::new(lines).columns(&columns),
                inside: self.inside,
                exporters,
                expected: self.expected,
                limit: self.limit,
                at: slot.start,
                silent_before: self.silent_before(slot)?,
                facts: &mut facts,
                ends: &mut ends,
            };
            sink.lines.fields()?;
            let mut io = gathered("nf-every10", &Buffer::new(std::io::sink()), said);
            let range = TimeRange::default();
            let windows = ArrivalWindows::new(None, range, false);
            let decoder = Decoder::new(DecoderLimits::default());
            let mut capture = CaptureDecoder::new(decoder, windows, range, &[]);
            for (n, path) in files.iter().enumerate() {
                let near = Neighbours { joins: n + 1 < files.len(), is_split: false };
                outcomes.push(capture.file(path, near, &mut sink, &mut io)?);
            }
            capture.end(&mut sink)?;
            sink.lines.flush()?;
            for complaint in decode::complaints(&capture.decoder, false) {
                io.report.warn(complaint);
            }
            io.report.finish();
            spoke = spoke_in(&capture.decoder, self.expected);
            sink.facts.take_exporters(&capture.decoder);
            Ok(())
        })?;
        anyhow::ensure!(!ends.is_empty(), "no file of the slot can be read");
        let mut analysed = Analysed {
            verdicts: verdicts(&outcomes, &ends),
            findings: Vec::new(),
            count: 0,
            traffic: None,
            heard: Heard {
                at: slot.start.secs(),
                states: ends.iter().map(|end| end.state).collect(),
                spoke,
            },
            ends,
            facts,
            said: Vec::new(),
            runs,
        };
        analysed.join();
        if analysed.count > 0 {
            self.write_evidence(&analysed.findings, said)?;
        }
        if let Some(plan) = self.traffic {
            let failed = of_counter.failed.unwrap_or_default();
            self.take_traffic(plan, counted.ok_or(failed), &mut analysed, said)?;
        }
        analysed.said = std::mem::take(&mut *said.lock());
        for run in &mut analysed.runs {
            analysed.said.append(&mut run.said);
        }
        Ok(analysed)
    }

    /// Takes the traffic of the slot, or the reason why it was not counted, which is told and costs nothing
    /// else.
    fn take_traffic(
        &self,
        plan: &TrafficPlan,
        counted: Result<Counted, String>,
        analysed: &mut Analysed,
        said: &Buffer<Vec<u8>>,
    ) -> std::io::Result<()> {
        let counted = counted.map_err(anyhow::Error::msg);
        match counted.and_then(|counted| counted.file(plan, &analysed.findings)) {
            Ok(file) => {
                analysed.traffic = Some(file);
                analysed.facts.traffic_counted = true;
            }
            Err(error) => {
                writeln!(said.lock(), "nf-every10: the traffic is not counted: {error:#}")?;
                analysed.facts.traffic_failed = Some(format!("{error:#}"));
            }
        }
        if let Some(fault) = plan.fault() {
            writeln!(said.lock(), "nf-every10: {fault}")?;
        }
        Ok(())
    }

    /// Returns the number of silent exporters in the marks of a slot that was judged before.
    fn silent_before(&self, slot: &SlotName) -> std::io::Result<u64> {
        let text = super::out_dir::read(&self.out.path(findings_of(slot)))?;
        let lines = text.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"#end\t"));
        let silent = lines.filter_map(|line| match Mark::parse(line) {
            Some(Ok(Mark::End(end))) => end.silent,
            _ => None,
        });
        Ok(silent.max().unwrap_or(0))
    }

    /// Writes the evidence of all findings to the temporary file `evidence`.
    fn write_evidence(&self, findings: &[u8], said: &Buffer<Vec<u8>>) -> anyhow::Result<()> {
        let list = self.out.scratch("findings");
        self.out.create_scratch("findings")?.write_all(findings)?;
        let to = zstd::Encoder::new(self.out.create_scratch("evidence")?, ZSTD_LEVEL)?;
        let to = Buffer::new(Some(to));
        let mut io = gathered("nfgrep", &Buffer::new(Compressed(to.clone())), said);
        let most = self.evidence.to_string();
        let flows = self.out.scratch("flows");
        let words = ["nfgrep", "--evidence", &most, "--finding"].map(Into::into);
        let words = words.into_iter().chain([list.into_os_string(), flows.into_os_string()]);
        let args = nfgrep::Args::try_parse_from::<_, std::ffi::OsString>(words)?;
        let status = nfgrep::run(args, &mut io)?;
        anyhow::ensure!(status == Status::Done, "the evidence is not whole");
        io.out.flush()?;
        drop(io);
        let encoder = to.lock().take();
        let file = encoder.context("the evidence is not whole")?.finish()?;
        file.sync_all()?;
        Ok(())
    }
}

/// A compressor that is taken back when all is written.
struct Compressed(Buffer<Option<zstd::Encoder<'static, File>>>);

impl Write for Compressed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .as_mut()
            .map_or(Err(std::io::ErrorKind::NotConnected.into()), |to| to.write(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        // A flush of the compressor would cost a block; finish() writes all.
        Ok(())
    }
}

impl Analysed {
    /// Joins the output of the detectors. One that failed has no findings, and its windows are cut: they
    /// must not pass for quiet ones.
    fn join(&mut self) {
        let mut has_fields = false;
        for (name, run) in DETECTORS.iter().zip(&mut self.runs) {
            let output = std::mem::take(&mut run.findings);
            if run.failed.is_some() {
                self.findings.extend_from_slice(&unjudged(&self.ends, name));
                continue;
            }
            for line in output.split_inclusive(|byte| *byte == b'\n') {
                if line.starts_with(b"#fields\t") {
                    if !std::mem::replace(&mut has_fields, true) {
                        self.findings.splice(0..0, line.iter().copied());
                    }
                    continue;
                }
                self.count += u64::from(!line.starts_with(b"#"));
                self.findings.extend_from_slice(line);
            }
        }
    }
}

/// Returns the marks of a detector that failed.
fn unjudged(ends: &[End], name: &str) -> Vec<u8> {
    let mut text = String::new();
    for end in ends {
        let open = Mark::Window(end.window);
        let mut end = End { state: Some(WindowState::Cut), ..end.clone() };
        end.tool = Some(name.to_owned());
        text.push_str(&format!("{open}\n{}\n", Mark::End(end)));
    }
    text.into_bytes()
}

/// Returns the verdict on each file. If no file is at fault and the window was still not seen whole, all
/// files are cut.
fn verdicts(outcomes: &[FileOutcome], ends: &[End]) -> Vec<Verdict> {
    let has_fault = outcomes.iter().any(|outcome| *outcome != FileOutcome::Whole);
    let is_cut = ends.iter().any(|end| end.state == Some(WindowState::Cut));
    let verdict = |outcome: &FileOutcome| match outcome {
        FileOutcome::Unreadable => Verdict::Failed,
        FileOutcome::Torn => Verdict::Cut,
        FileOutcome::Whole if is_cut && !has_fault => Verdict::Cut,
        FileOutcome::Whole => Verdict::Done,
    };
    outcomes.iter().map(verdict).collect()
}

/// Returns the expected exporters that sent a datagram.
fn spoke_in(decoder: &Decoder, expected: Option<&Networks>) -> BTreeSet<IpAddr> {
    let spoke = decoder.stats().filter(|(_, stats)| stats.datagrams > 0);
    let spoke = spoke.map(|(domain, _)| domain.exporter);
    spoke.filter(|address| expected.is_none_or(|nets| nets.contains(*address))).collect()
}

/// The receiver of a slot's flows: the detectors, and a file of flow lines for the evidence.
struct SlotSink<'a> {
    feed: &'a mut Feed,
    lines: Writer<BufWriter<File>>,
    inside: &'a Networks,
    exporters: &'a Exporters,
    expected: Option<&'a Networks>,
    limit: Timestamp,
    /// The start of the slot.
    at: Timestamp,
    /// The number of silent exporters that the slot had when it was judged before.
    silent_before: u64,
    facts: &'a mut Facts,
    ends: &'a mut Vec<End>,
}

impl Sink for SlotSink<'_> {
    fn marks(&mut self, marks: Transition, decoder: &Decoder) -> anyhow::Result<()> {
        if let Some(mut end) = marks.ended {
            let heard = Heard {
                at: self.at.secs(),
                states: vec![end.state],
                spoke: spoke_in(decoder, self.expected),
            };
            let mut exporters = self.exporters.clone();
            exporters.hear(&heard, self.limit);
            // The table is that of today. An older slot that is judged again was heard with that of its time.
            let before = if exporters.is_past(heard.at) { self.silent_before } else { 0 };
            end.silent = Some(exporters.silent().max(before));
            let mark = Mark::End(end.clone());
            self.lines.mark(&mark)?;
            self.feed.mark(&mark);
            self.ends.push(end);
        }
        if let Some(window) = marks.opened {
            self.facts.seconds = window.seconds();
            let mark = Mark::Window(Some(window));
            self.lines.mark(&mark)?;
            self.feed.mark(&mark);
        }
        Ok(())
    }

    fn flows(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        self.facts.add(&batch.flows, self.inside);
        self.lines.flows(&batch.flows)?;
        self.feed.flows(&batch.flows);
        Ok(())
    }

    fn closing(&mut self, closing: &Closing) {
        self.facts.close(closing);
    }
}

/// Puts the results in their places, the findings last, and takes away an old one where there is none now.
/// The disk has them before the ledger says so.
///
/// # Errors
/// The system's error.
pub(super) fn place(out: &OutDir, slot: &SlotName, analysed: &Analysed) -> anyhow::Result<()> {
    let base = slot.base();
    let name = |end: &str| base.with_file_name(format!("nfcap.{}.{end}", slot.digits));
    let dir = base.parent().unwrap_or(Path::new(""));
    super::out_dir::create_dirs(&out.path(dir))?;
    if analysed.count > 0 {
        out.place("evidence", name("evidence.zst"))?;
    } else {
        super::out_dir::remove(&out.path(name("evidence.zst")))?;
    }
    // An earlier version wrote evidence without compression.
    super::out_dir::remove(&out.path(name("evidence")))?;
    if analysed.said.is_empty() {
        super::out_dir::remove(&out.path(name("said")))?;
    } else {
        out.replace(name("said"), &analysed.said)?;
    }
    match &analysed.traffic {
        Some(traffic) => out.replace(traffic_of(slot), traffic)?,
        None => super::out_dir::remove(&out.path(traffic_of(slot)))?,
    }
    let findings = name("findings");
    out.replace(&findings, &analysed.findings)?;
    out.sync(dir)?;
    Ok(())
}

/// Returns true if the findings of a slot differ from those in OUT.
///
/// # Errors
/// The system's error.
pub(super) fn is_news(out: &OutDir, slot: &SlotName, analysed: &Analysed) -> std::io::Result<bool> {
    let path = out.path(findings_of(slot));
    Ok(!path.exists() || super::out_dir::read(&path)? != analysed.findings)
}
