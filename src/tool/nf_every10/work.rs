//! One run of the job with the lock held: all that is pending, and what the admin should know of it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::analyse::{self, Analysed, Analyser, Failure};
use super::args::Args;
use super::clock::Clock;
use super::detectors::Detectors;
use super::disk::Disk;
use super::exporters::Exporters;
use super::facts::Facts;
use super::health::{Health, is_late};
use super::ledger::{Ledger, Line, TRIES, Verdict};
use super::metrics::{self, RunCounts};
use super::names::shown;
use super::out_dir::{self, OutDir};
use super::progress::Progress;
use super::retain::{self, Keep};
use super::slots::{Attempts, Look, PendingSlot, pending};
use super::states::States;
use super::traffic::TrafficPlan;
use super::waiting::{INCIDENTS, SITE, THEN};
use super::{aside, current, hand_over, incidents, site, troubles, trying};
use crate::capture;
use crate::cli::Io;
use crate::finding::DETECTORS;
use crate::flow::Networks;
use crate::time::Timestamp;
use crate::tool::nfnotify::{WayState, incidents_file};

/// Seconds of a slot, if none was analysed yet.
const SLOT_SECONDS: u32 = 600;

/// Files that failed and are named by a run. The others are counted.
const NAMED: usize = 20;

/// Lines of messages that are shown for a file that failed or is torn.
const SHOWN: usize = 5;

/// The file of facts about the newest slot.
pub(super) const FACTS: &str = "last-slot";

/// The mark of an OUT that an earlier version made, in which nothing is removed.
const KEEPS_ALL: &str = "keeps-all";

/// The content of that mark until somebody was told.
const UNTOLD: &[u8] = b"untold\n";

/// The options of a run, with the files that they name opened.
#[derive(Debug)]
pub(super) struct Setup<'a> {
    pub args: &'a Args,
    pub clock: Clock,
    pub spool: PathBuf,
    pub out: OutDir,
    pub detectors: Detectors,
    pub inside: Networks,
    /// The traffic that is counted for the site, if there is one.
    pub traffic: Option<TrafficPlan>,
    /// The ages up to which results are kept, if somebody has set them.
    pub keep: Option<Keep>,
    /// The exporters that the collector expects; `None` if it takes any.
    pub expected: Option<Networks>,
    /// The search path of the hook.
    pub search_path: OsString,
    /// True if there is a memory of incidents.
    pub remembers: bool,
    /// True if there is a site to write.
    pub has_site: bool,
}

impl Setup<'_> {
    /// Writes the time to OUT/lock, as a sign of life of the run that holds it.
    ///
    /// # Errors
    /// The system's error.
    pub fn beat(&self) -> io::Result<()> {
        let time = Timestamp::from_secs(capture::clock().secs());
        std::fs::write(self.out.path("lock"), format!("{}\n", time.rfc3339()))
    }
}

/// A run of the job.
#[derive(Debug)]
pub(super) struct Job<'a> {
    pub(super) setup: &'a Setup<'a>,
    pub(super) states: States,
    pub(super) ledger: Ledger,
    pub(super) exporters: Exporters,
    pub(super) health: Health,
    pub(super) facts: Facts,
    pub(super) attempts: Attempts,
    pub(super) counts: RunCounts,
    pub(super) keep: Option<Keep>,
    began: Instant,
    /// Detectors of which this run has told that they judge without their state.
    pub(super) told: BTreeSet<&'static str>,
    /// Files that failed in this run.
    named: usize,
    pub(super) has_failed: bool,
    /// OUT takes no more.
    pub(super) is_stopped: bool,
}

impl<'a> Job<'a> {
    /// Returns a run that has done nothing yet.
    ///
    /// # Errors
    /// A file of OUT that cannot be read.
    #[expect(clippy::disallowed_methods, reason = "the time that a run takes is told")]
    pub fn new(setup: &'a Setup<'a>, io: &mut Io) -> io::Result<Job<'a>> {
        let out = &setup.out;
        let ledger = Ledger::read(out)?;
        let of_ours = ["health", FACTS, "nf-every10.prom"];
        let is_old = !ledger.is_empty() && of_ours.iter().all(|name| !out.path(name).exists());
        // An OUT with a file `health` is none of an earlier version, so the mark comes first.
        if is_old && setup.keep.is_none() && !out.path(KEEPS_ALL).exists() {
            out.replace(KEEPS_ALL, UNTOLD)?;
        }
        out.append("health", b"")?;
        let health = Health::read(out, setup.clock.now())?;
        health.bound()?;
        let exporters = out_dir::read(&out.path("exporters"))?;
        let facts = out_dir::read(&out.path(FACTS))?;
        let mut job = Job {
            states: States::new(out),
            exporters: Exporters::parse(&String::from_utf8_lossy(&exporters)),
            // Facts that cannot be read are those of no slot.
            facts: serde_json::from_slice(&facts).unwrap_or_default(),
            ledger,
            health,
            attempts: Attempts::default(),
            counts: RunCounts::default(),
            keep: None,
            began: Instant::now(),
            told: BTreeSet::new(),
            named: 0,
            has_failed: false,
            is_stopped: false,
            setup,
        };
        // An earlier version told of these in its own way.
        for (who, text) in job.exporters.silent_rows() {
            job.health.begin_untold("exporter-silent", &who, &text);
        }
        job.keep = job.decide_keep(io)?;
        Ok(job)
    }

    /// Returns true if something went wrong that has been reported.
    pub fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// Returns true if OUT took no more.
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Returns the ages up to which results are kept; `None` to keep all. An OUT of an earlier version
    /// kept all, so it needs somebody who decides.
    fn decide_keep(&mut self, io: &mut Io) -> io::Result<Option<Keep>> {
        let out = &self.setup.out;
        let mark = out.path(KEEPS_ALL);
        if let Some(keep) = self.setup.keep {
            out_dir::remove(&mark)?;
            return Ok(Some(keep));
        }
        if out_dir::read(&mark)? == UNTOLD {
            let text = format!(
                "{}: made by an earlier version, so nothing in it is removed for its age; set --keep \
                 or [analyse] keep, such as --keep evidence=30d,findings=400d",
                shown(out.root())
            );
            io.report.error(&text);
            self.health.note("keeps-all", "-", &text);
            self.health.flush()?;
            out.replace(KEEPS_ALL, b"")?;
        }
        Ok(if mark.exists() { None } else { Some(Keep::default()) })
    }

    /// Does all pending work. If OUT cannot be written to, that is told, and the run stops.
    ///
    /// # Errors
    /// A file of an option that cannot be read any more.
    pub fn work(&mut self, io: &mut Io) -> anyhow::Result<()> {
        match self.work_until_done(io) {
            Err(error) if error.is::<io::Error>() => {
                let out = shown(self.setup.out.root());
                let text = format!("{out} cannot be written to; the run has stopped: {error}");
                self.stop(&text, io);
                Ok(())
            }
            result => result,
        }
    }

    fn work_until_done(&mut self, io: &mut Io) -> anyhow::Result<()> {
        let (setup, out) = (self.setup, &self.setup.out);
        // A directory that cannot be made is told when a detector needs it.
        if self.states.create().unwrap_or(false) {
            tell_moved(&self.states, io);
        }
        self.states.clear();
        // An earlier version kept this here.
        out_dir::remove(&out.path("stale"))?;
        let bare = setup.detectors.inside()?.unwrap_or_default();
        troubles::inside_bare(&bare, &mut self.health, io);
        // A disk that is full of old results gets room first.
        self.sweep(self.limit(), io);
        let mut progress = Progress::new(setup.args.as_ref().quiet);
        if let Some(report) = progress.report(setup.args.as_ref()) {
            io.report = report;
        }
        let (look, limit) = loop {
            out_dir::remove(&out.path("again"))?;
            let limit = self.limit();
            let look = self.look(limit, io)?;
            let pending = pending(&look, &self.ledger, &self.attempts, setup.clock.now());
            self.counts.pending = pending.all as u64;
            if pending.slots.is_empty() {
                break (look, limit);
            }
            progress.set_left(pending.all);
            for slot in &pending.slots {
                let go_on = self.slot(slot, limit, io)?;
                trying::end(out)?;
                if !go_on {
                    let out = shown(out.root());
                    let digits = &slot.name.digits;
                    let text = format!("{out} cannot be written to; stopped before slot {digits}");
                    self.stop(&text, io);
                    return Ok(());
                }
                self.counts.pending -= 1;
                progress.slot(&slot.name.digits, io);
            }
            current::write(&self.ledger, limit, out)?;
            // The hook may take long, and a run that always has work never comes to its end.
            self.sweep(limit, io);
            self.tell_slow(io);
            self.tell_disk(io);
            self.write_metrics()?;
            self.remember(io)?;
            self.write_site(io)?;
            self.hand_over(io)?;
        };
        drop(progress);
        if self.counts.slots == 0 {
            // The last run may have been killed before these.
            current::write(&self.ledger, limit, out)?;
            self.remember(io)?;
            if SITE.is_due(out) {
                self.write_site(io)?;
            }
            self.hand_over(io)?;
        }
        self.tell_stopped(&look, io);
        self.end_full(io);
        self.ask_clock(&look, limit, io);
        self.forget(&look)?;
        self.tell_disk(io);
        // A run that was killed behind the last step of a slot has left this.
        trying::end(out)?;
        if self.named > NAMED {
            let more = self.named - NAMED;
            io.report.error(format_args!(
                "{more} more files failed; {} has all",
                shown(&out.path("health"))
            ));
        }
        self.health.end("spool-missing", "-", "SPOOL is there again", io);
        self.health.flush()?;
        self.write_metrics()?;
        Ok(())
    }

    /// Returns the latest start that a slot can have: one slot after now.
    fn limit(&self) -> Timestamp {
        self.setup.clock.now().offset(i64::from(self.slot_seconds()) * 1_000_000_000)
    }

    pub(super) fn slot_seconds(&self) -> u32 {
        if self.facts.seconds > 0 { self.facts.seconds } else { SLOT_SECONDS }
    }

    /// Looks at the spool, and tells of files that are set aside.
    fn look(&mut self, limit: Timestamp, io: &mut Io) -> io::Result<Look> {
        let (spool, out) = (&self.setup.spool, &self.setup.out);
        let look = Look::take(spool, limit);
        self.has_failed |= !look.errors.is_empty();
        troubles::unreadable(&look, &mut self.health, io);
        troubles::spool(spool, &look, &mut self.health, io);
        let aside = aside::write(&look, out, io)?;
        if aside > 0 {
            let text =
                format!("{aside} files are set aside; {} has all", shown(&out.path("set-aside")));
            self.health.begin_untold("set-aside", "-", &text);
        } else {
            self.health.end("set-aside", "-", "no file is set aside any more", io);
        }
        self.health.flush()?;
        Ok(look)
    }

    /// Analyses a slot, all files of it together. Returns false if there is no use in going on.
    fn slot(&mut self, slot: &PendingSlot, limit: Timestamp, io: &mut Io) -> anyhow::Result<bool> {
        let setup = self.setup;
        let files: Vec<PathBuf> =
            slot.files.iter().map(|file| setup.spool.join(&file.path)).collect();
        // A file may have been compressed or removed since; the next look will tell.
        if !are_files(&files) {
            if self.attempts.gone(&slot.name) {
                let digits = &slot.name.digits;
                io.report.error(format_args!(
                    "slot {digits}: a file of it comes and goes; left for the next run"
                ));
                self.has_failed = true;
            }
            return Ok(true);
        }
        self.attempts.tried(slot);
        // A sign of life for the runs that find the lock taken.
        setup.beat()?;
        self.health.set_slot(Some(slot.name.start), setup.clock.now());
        let given_up = slot.files.iter().any(|file| file.failures >= TRIES);
        if !trying::begin(&slot.name.digits, given_up, &setup.out)? {
            return self.give_up(slot, io);
        }
        let (mut states, mut unusable) = (Some(&self.states), None);
        if let Err(error) = self.states.remember(&slot.name, limit) {
            if !setup.out.has_room() {
                return Ok(false);
            }
            unusable = Some(error.to_string());
            states = None;
        }
        let analyser = Analyser {
            out: &setup.out,
            detectors: &setup.detectors,
            inside: &setup.inside,
            traffic: setup.traffic.as_ref(),
            evidence: setup.args.evidence,
            expected: setup.expected.as_ref(),
            limit,
        };
        let late = self.states.before_late(&slot.name);
        let analysed = analyser.slot(&slot.name, &files, &self.exporters, states);
        if let Some(known) = late {
            self.states.keep_late(&known);
        }
        let placed = analysed.and_then(|mut analysed| {
            if unusable.is_some() {
                analysed.runs.iter_mut().for_each(|run| run.without_state.clone_from(&unusable));
            }
            let mut runs = analysed.runs.iter();
            let has_failed = runs.any(|run| run.failed.is_some() || run.without_state.is_some())
                || analysed.facts.traffic_failed.is_some();
            let is_full = has_failed && !setup.out.has_room();
            if is_full {
                return Err(Failure { error: anyhow::anyhow!("no room"), said: analysed.said });
            }
            match self.place(slot, &analysed) {
                Ok(()) => Ok(analysed),
                Err(error) => Err(Failure { error, said: analysed.said }),
            }
        });
        let (verdicts, said, findings) = match placed {
            Ok(analysed) => {
                let findings = analysed.count;
                let verdicts = self.take(slot, &analysed, limit, io)?;
                self.counts.judged += 1;
                (verdicts, analysed.said, findings)
            }
            Err(Failure { error, mut said }) => {
                if !are_files(&files) {
                    return Ok(true);
                }
                let needs_more = !setup.out.has_room();
                for name in ["flows", "findings", "evidence", "new"] {
                    out_dir::remove(&setup.out.scratch(name))?;
                }
                if !setup.out.has_room()
                    || (needs_more && !Disk::of(setup.out.root()).is_ok_and(Disk::is_spacious))
                {
                    return Ok(false);
                }
                // Not a full disk, but one file's fault: it must not keep the others waiting.
                if needs_more {
                    io.report.error(format_args!(
                        "slot {}: its flow lines need more room than {} has",
                        slot.name.digits,
                        shown(setup.out.root())
                    ));
                }
                if said.is_empty() {
                    said = format!("nf-every10: {error:#}\n").into_bytes();
                }
                (vec![Verdict::Failed; files.len()], said, 0)
            }
        };
        self.enter(slot, &verdicts, &said, findings, io)
    }

    /// Puts the results of a slot in their places. The hook and the memory of incidents are to get them if
    /// they are news; that is noted before they are there, so that a kill in between costs nothing.
    fn place(&self, slot: &PendingSlot, analysed: &Analysed) -> anyhow::Result<()> {
        let out = &self.setup.out;
        let lists = [
            (!self.setup.args.then.is_empty(), THEN),
            (self.setup.remembers, INCIDENTS),
            (self.setup.has_site, SITE),
        ];
        let lists: Vec<_> =
            lists.into_iter().filter(|(is_wanted, _)| *is_wanted).map(|(_, list)| list).collect();
        if !lists.is_empty() && analyse::is_news(out, &slot.name, analysed)? {
            lists.iter().try_for_each(|list| list.enter(&slot.name, out))?;
        }
        analyse::place(out, &slot.name, analysed)
    }

    /// Enters a slot as failed that has ended too many runs in its middle.
    fn give_up(&mut self, slot: &PendingSlot, io: &mut Io) -> anyhow::Result<bool> {
        let said = "nf-every10: the run was killed, or crashed, in the middle of this slot again and again";
        let verdicts = vec![Verdict::Failed; slot.files.len()];
        let failures = slot.files.iter().map(|file| file.failures).min().unwrap_or(0);
        // The slot has had its attempts.
        for _ in failures + 1..TRIES {
            self.append(slot, &verdicts)?;
        }
        self.enter(slot, &verdicts, said.as_bytes(), 0, io)
    }

    /// Tells of the files of a slot and enters them in the ledger. Returns false if OUT takes no more.
    fn enter(
        &mut self,
        slot: &PendingSlot,
        verdicts: &[Verdict],
        said: &[u8],
        findings: u64,
        io: &mut Io,
    ) -> anyhow::Result<bool> {
        let setup = self.setup;
        self.tell(slot, verdicts, said, io);
        self.health.flush()?;
        if self.append(slot, verdicts).is_err() {
            return Ok(false);
        }
        self.counts.slots += 1;
        self.counts.findings += findings;
        io.report.detail(format_args!("slot {}: findings: {findings}", slot.name.digits));
        self.health.set_slot(None, setup.clock.now());
        Ok(true)
    }

    fn append(&mut self, slot: &PendingSlot, verdicts: &[Verdict]) -> io::Result<()> {
        let lines: Vec<Line<'_>> = slot
            .files
            .iter()
            .zip(verdicts)
            .map(|(file, &verdict)| Line { path: &file.path, size: file.size, verdict })
            .collect();
        self.ledger.append(&lines, self.setup.clock.now(), &self.setup.out)
    }

    /// Tells that OUT takes no more, which is no fault of a file's.
    fn stop(&mut self, text: &str, io: &mut Io) {
        (self.has_failed, self.is_stopped) = (true, true);
        io.report.error(text);
        self.health.begin_untold("out-full", "-", text);
        // As far as the disk still takes it.
        _ = self.setup.out.clear_scratch();
        // A full disk is no fault of the slot's.
        _ = trying::end(&self.setup.out);
        self.sweep(self.limit(), io);
        _ = self.health.flush();
        _ = self.write_metrics();
    }

    /// Tells that OUT can be written to again, if it could not.
    fn end_full(&mut self, io: &mut Io) {
        let text = format!("{} can be written to again", shown(self.setup.out.root()));
        self.health.end("out-full", "-", &text, io);
    }

    /// Takes the results of a slot that are in their places. Returns the verdicts on its files.
    fn take(
        &mut self,
        slot: &PendingSlot,
        analysed: &Analysed,
        limit: Timestamp,
        io: &mut Io,
    ) -> anyhow::Result<Vec<Verdict>> {
        let out = &self.setup.out;
        self.end_full(io);
        let mut failed = false;
        for (name, run) in DETECTORS.into_iter().zip(&analysed.runs) {
            run.notes.iter().for_each(|note| io.report.error(note));
            match &run.without_state {
                Some(reason) => {
                    self.has_failed = true;
                    Self::tell_without(&mut self.told, &self.states, name, reason, io);
                    self.health.begin_untold("state-unusable", name, reason);
                }
                None => self.health.end_untold("state-unusable", name, "the state is used again"),
            }
            troubles::feeds(name, &run.feeds, &mut self.health, io);
            match &run.failed {
                Some(reason) => {
                    failed = true;
                    let digits = &slot.name.digits;
                    let text = format!(
                        "slot {digits}: {name} failed, so its findings are missing there: {reason}"
                    );
                    self.health.begin("detector-failed", name, &text, io);
                }
                None => {
                    self.health.end("detector-failed", name, &format!("{name} judges again"), io);
                }
            }
        }
        self.health.flush()?;
        let mut exporters = self.exporters.clone();
        let changes = exporters.hear(&analysed.heard, limit);
        troubles::exporters(&changes, &mut self.health, io);
        // An older slot says nothing about today.
        let newest = Timestamp::parse(self.facts.slot.as_bytes());
        let is_newest = newest.is_none_or(|newest| newest <= slot.name.start || newest > limit);
        if is_newest {
            troubles::clocks(&analysed.facts, &exporters, &mut self.health, io);
            if !self.setup.inside.is_empty() {
                troubles::inside_seen(&analysed.facts, &mut self.health, io);
            }
        }
        let now = self.setup.clock.now();
        let is_old = |end: &crate::time::End| end.window.is_some_and(|window| is_late(window, now));
        if analysed.count > 0 && analysed.ends.iter().any(is_old) {
            self.health.late(analysed.count);
        }
        // The disk knows of a trouble before the table of exporters says that it has begun.
        self.health.flush()?;
        if exporters != self.exporters || !out.path("exporters").exists() {
            out.replace("exporters", exporters.text().as_bytes())?;
            self.exporters = exporters;
        }
        if is_newest {
            self.facts = analysed.facts.clone();
            out.replace(FACTS, &serde_json::to_vec_pretty(&self.facts)?)?;
        }
        if analysed.count > 0 {
            retain::note_evidence(&slot.name, out)?;
        }
        Ok(if failed {
            self.has_failed = true;
            vec![Verdict::Failed; analysed.verdicts.len()]
        } else {
            analysed.verdicts.clone()
        })
    }

    /// Tells once a run that a detector judges without its state, and why.
    fn tell_without(
        told: &mut BTreeSet<&'static str>,
        states: &States,
        name: &'static str,
        reason: &str,
        io: &mut Io,
    ) {
        if told.insert(name) {
            let path = shown(&states.path(name));
            io.report
                .error(format_args!("{path}: cannot be used; {name} judges without it: {reason}"));
        }
    }

    /// Tells of the files of the slot that failed or are torn, and why.
    fn tell(&mut self, slot: &PendingSlot, verdicts: &[Verdict], said: &[u8], io: &mut Io) {
        for (file, verdict) in slot.files.iter().zip(verdicts) {
            let path = shown(&file.path);
            match verdict {
                Verdict::Done => self.health.end_untold("file-failed", &path, "analysed"),
                Verdict::Cut => {
                    let text = format!("{path}: cut short, analysed as far as it goes");
                    io.report.error(&text);
                    self.health.note("file-cut", &path, &text);
                    self.health.end_untold("file-failed", &path, "analysed as far as it goes");
                }
                Verdict::Failed => {
                    self.has_failed = true;
                    let count = file.failures + 1;
                    let text = if count < TRIES {
                        format!("{path}: failed, try {count} of {TRIES}")
                    } else {
                        format!("{path}: failed, try {count}; given up but for one try a day")
                    };
                    if self.named < NAMED {
                        io.report.error(&text);
                    }
                    self.named += 1;
                    self.health.begin_untold("file-failed", &path, &text);
                }
            }
        }
        if verdicts.iter().any(|verdict| *verdict != Verdict::Done) && self.named <= NAMED {
            let said = String::from_utf8_lossy(said);
            for line in said.lines().take(SHOWN) {
                io.report.error(format_args!("    {line}"));
            }
        }
    }

    /// Gives the memory of incidents the findings files that it has not had, and lets it carry on.
    fn remember(&mut self, io: &mut Io) -> io::Result<()> {
        if !self.setup.remembers {
            return Ok(());
        }
        let remembered = incidents::run(self.setup.clock, &self.setup.out, &io.config)?;
        // A message that stands for days is one mail, and not one in ten minutes.
        if remembered.said.is_empty() && remembered.failed.is_none() {
            self.health.end("incidents-warned", "-", "nfnotify has no warning any more", io);
        } else if !remembered.said.is_empty() {
            self.health.begin("incidents-warned", "-", &remembered.said.join("; "), io);
        }
        match &remembered.failed {
            Some(why) => {
                self.has_failed = true;
                let text = format!("incidents are not up to date: {why}");
                self.health.begin("incidents-failed", "-", &text, io);
            }
            None => self.health.end("incidents-failed", "-", "incidents are up to date", io),
        }
        match &remembered.mail {
            WayState::Down(why) => {
                self.has_failed = true;
                self.health.begin("mail-waits", "-", why, io);
            }
            WayState::Unknown => {}
            WayState::Up => {
                self.health.end("mail-waits", "-", "no mail waits any more for a way out", io)
            }
        }
        for name in self.health.open_of("hook-failed") {
            if name != "-" && !remembered.hooks.iter().any(|(failed, _)| *failed == name) {
                self.health.end("hook-failed", &name, &format!("[[hook]] {name} succeeded"), io);
            }
        }
        for (name, why) in &remembered.hooks {
            self.has_failed = true;
            self.health.begin("hook-failed", name, why, io);
        }
        self.health.flush()
    }

    /// Writes the site, if there is one. A failure is told, and costs no slot.
    fn write_site(&mut self, io: &mut Io) -> io::Result<()> {
        let setup = self.setup;
        if !setup.has_site {
            return Ok(());
        }
        let incidents = setup.remembers.then(|| incidents_file(&io.config));
        match site::run(setup.clock, &setup.out, incidents.as_deref(), &io.config)? {
            Some(why) => {
                self.has_failed = true;
                let text = format!("the site is not up to date: {why}");
                self.health.begin("page-failed", "-", &text, io);
            }
            None => self.health.end("page-failed", "-", "the site is up to date", io),
        }
        self.health.flush()
    }

    /// Runs the hook with the findings files that it has not had.
    fn hand_over(&mut self, io: &mut Io) -> io::Result<()> {
        let (args, out) = (self.setup.args, &self.setup.out);
        if args.then.is_empty() || !THEN.is_due(out) {
            return Ok(());
        }
        match hand_over::run(&args.then, &self.setup.search_path, out)? {
            Some(text) => {
                self.has_failed = true;
                io.report.error(&text);
                self.health.begin_untold("hook-failed", "-", &text);
            }
            None => self.health.end_untold("hook-failed", "-", "the command of --then succeeded"),
        }
        self.health.flush()
    }

    /// Returns the time that the run has taken so far.
    #[expect(clippy::disallowed_methods, reason = "the time that a run takes is told")]
    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    fn write_metrics(&mut self) -> io::Result<()> {
        let took = self.took();
        self.counts.millis = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let now = self.setup.clock.now();
        metrics::write(now, &self.counts, &self.facts, &self.health, &self.setup.out)
    }
}

/// Returns true if all of these are regular files, and not links.
fn are_files(files: &[PathBuf]) -> bool {
    files.iter().all(|path| std::fs::symlink_metadata(path).is_ok_and(|of| of.is_file()))
}

/// Says once that a variable that is set is not read here.
#[expect(clippy::disallowed_methods, reason = "a command may read the environment")]
fn tell_moved(states: &States, io: &mut Io) {
    let variables = ["NFKIT_SCAN_STATE", "NFKIT_FLOOD_STATE", "NFKIT_PORT_STATE"];
    for (variable, name) in variables.into_iter().zip(DETECTORS) {
        let Some(old) = std::env::var_os(variable).filter(|old| !old.is_empty()) else { continue };
        io.report.error(format_args!(
            "{variable} is not read, the state is {}; to keep what was learned, move {} there",
            shown(&states.path(name)),
            shown(&PathBuf::from(old))
        ));
    }
}
