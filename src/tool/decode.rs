//! Reads capture files and decodes their datagrams, window by window: the common part of nfdump-txt and
//! nf-every10.

use std::path::Path;

use crate::capture::{Closing, Datagram, Ending, Error, Event, Reader, Skipped, spool};
use crate::cli::{Input, Io};
use crate::finding::Host;
use crate::time::Timestamp;
use crate::window::{ArrivalWindows, MissingCounts, Slot, SlotReport, TimeRange, Transition};
use crate::wire::{self, Batch, Decoder, Lost, Reason, Stats};

/// A receiver of flows and marks, in the order of a stream of flow lines.
pub(super) trait Sink {
    /// Takes the marks of a window that is over and of one that opens. `decoder` has decoded all
    /// datagrams before them.
    ///
    /// # Errors
    /// Everything that stops the command.
    fn marks(&mut self, marks: Transition, decoder: &Decoder) -> anyhow::Result<()>;

    /// Takes the flows of a datagram. The batch may be changed; it is cleared before the next one.
    ///
    /// # Errors
    /// Everything that stops the command.
    fn flows(&mut self, batch: &mut Batch) -> anyhow::Result<()>;

    /// Takes the collector's report on its slot.
    fn closing(&mut self, closing: &Closing) {
        let _ = closing;
    }
}

/// The result of reading a file that did not stop the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileOutcome {
    /// The file was read to its end.
    Whole,
    /// The file is damaged or ends early. It was decoded as far as it goes.
    Torn,
    /// No section or datagram of the file could be read.
    Unreadable,
}

/// The relations of a file to the files after it, as their names say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Neighbours {
    /// The next file continues the same slot.
    pub joins: bool,
    /// A later file is of the same window, and others lie in between.
    pub is_split: bool,
}

/// Packets that were decoded, and those that were passed over.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packets {
    /// Datagrams decoded.
    pub datagrams: u64,
    /// Datagrams to ports that are not wanted.
    pub other_ports: u64,
    /// Datagrams that arrived outside of the wanted range of time.
    pub other_times: u64,
    /// Packets that hold no datagram.
    pub skipped: Skipped,
}

impl Packets {
    /// Adds the packets that the reader of one file passed over.
    fn skip(&mut self, by: &Skipped) {
        let all = &mut self.skipped;
        all.link += by.link;
        all.not_ip += by.not_ip;
        all.not_udp += by.not_udp;
        all.fragments += by.fragments;
        all.overlaps += by.overlaps;
        all.evicted += by.evicted;
        all.truncated += by.truncated;
        all.malformed += by.malformed;
    }
}

/// A decoder of capture files, with the windows of their datagrams.
pub(super) struct CaptureDecoder<'a> {
    /// The decoder of all files.
    pub decoder: Decoder,
    /// Counts of the packets of all files.
    pub packets: Packets,
    windows: ArrivalWindows,
    /// The arrivals that are decoded.
    range: TimeRange,
    /// The UDP ports that are decoded; all if there are none.
    ports: &'a [u16],
    batch: Batch,
}

impl<'a> CaptureDecoder<'a> {
    /// Returns a decoder of the datagrams that arrived in `range` at these UDP ports, or at all ports if
    /// there are none.
    pub fn new(
        decoder: Decoder,
        windows: ArrivalWindows,
        range: TimeRange,
        ports: &'a [u16],
    ) -> CaptureDecoder<'a> {
        let (packets, batch) = (Packets::default(), Batch::default());
        CaptureDecoder { decoder, packets, windows, range, ports, batch }
    }

    /// Decodes one file.
    ///
    /// # Errors
    /// An error of the sink or of stdout. A fault of the file is reported, and shown by the outcome.
    pub fn file(
        &mut self,
        path: &Path,
        near: Neighbours,
        sink: &mut impl Sink,
        io: &mut Io,
    ) -> anyhow::Result<FileOutcome> {
        let Neighbours { joins, is_split } = near;
        let name = path.display().to_string();
        let input = match Input::open(path, &io.out) {
            Ok(input) => input,
            Err(error) if io.out.has_failed() => return Err(error.into()),
            Err(error) => {
                self.windows.tear(slot_of(path));
                io.report.error(format_args!("{name}: {error}"));
                return Ok(FileOutcome::Unreadable);
            }
        };
        let is_live = input.is_live();
        let mut reader = match Reader::new(input) {
            Ok(reader) => reader,
            Err(error) => {
                self.windows.tear(slot_of(path));
                report_unreadable(&name, error, io)?;
                return Ok(FileOutcome::Unreadable);
            }
        };
        self.windows.begin_file();
        if is_split {
            self.windows.split();
        }
        let (mut is_good, mut is_reported, mut is_read) = (true, false, false);
        // The last section ended with the collector's report.
        let mut has_report = false;
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(Event::Section(slot))) => {
                    is_read |= slot.is_some();
                    let slot =
                        slot.map(|slot| Slot { window: slot.window, from_anyone: slot.open() });
                    let marks = self.windows.begin_section(slot);
                    sink.marks(marks, &self.decoder)?;
                }
                Ok(Some(Event::Datagram(datagram))) => {
                    is_read = true;
                    self.datagram(&datagram, &name, sink, io)?;
                }
                Ok(Some(Event::End(ending))) => {
                    has_report = false;
                    match &ending {
                        Ending::Whole => {}
                        Ending::Cut => {
                            is_good = false;
                            self.windows.cut_section();
                        }
                        Ending::Closed(closing) => {
                            has_report = true;
                            self.windows.end_section(&report(closing));
                            sink.closing(closing);
                        }
                    }
                    // On a live pipe the next section may be long in coming.
                    if is_live && !joins && has_report {
                        self.close_slot(sink)?;
                    }
                }
                Err(error) => {
                    report_unreadable(&name, error, io)?;
                    (is_good, is_reported) = (false, true);
                    self.windows.damage();
                }
            }
        }
        if has_report && !joins {
            self.close_slot(sink)?;
        }
        if !is_good && !is_reported {
            io.report.error(format_args!("{name}: cut short: nfcap's closing block is missing"));
        }
        let skipped = reader.skipped();
        if skipped.total() > 0 {
            io.report.complain(
                "files with packets that are no datagrams",
                format_args!(
                    "{name}: {} packets are no UDP datagrams that can be read: {}",
                    skipped.total(),
                    skipped_text(&skipped)
                ),
            );
            self.packets.skip(&skipped);
        }
        io.report.detail(format_args!("{name}: read"));
        Ok(match (is_good, is_read) {
            (true, _) => FileOutcome::Whole,
            (false, true) => FileOutcome::Torn,
            (false, false) => FileOutcome::Unreadable,
        })
    }

    /// Closes the last window: all files are read.
    ///
    /// # Errors
    /// An error of the sink.
    pub fn end(&mut self, sink: &mut impl Sink) -> anyhow::Result<()> {
        let last = self.windows.close();
        sink.marks(last, &self.decoder)
    }

    fn close_slot(&mut self, sink: &mut impl Sink) -> anyhow::Result<()> {
        let marks = self.windows.close_slot();
        sink.marks(marks, &self.decoder)
    }

    /// Adds a datagram to the counts, and decodes it if it goes to a wanted port.
    fn datagram(
        &mut self,
        datagram: &Datagram<'_>,
        name: &str,
        sink: &mut impl Sink,
        io: &mut Io,
    ) -> anyhow::Result<()> {
        let ports = self.ports;
        let in_range = self.range.holds(datagram.arrival);
        if !ports.is_empty() && !datagram.templates && !ports.contains(&datagram.dport) {
            if in_range {
                self.packets.other_ports += 1;
                if let Some(open) = self.windows.open_window() {
                    open.add_datagram(false);
                }
            }
            return Ok(());
        }
        if in_range {
            let marks = self.windows.arrive(datagram.arrival);
            sink.marks(marks, &self.decoder)?;
        }
        if !datagram.templates {
            if in_range {
                self.packets.datagrams += 1;
            } else {
                self.packets.other_times += 1;
            }
        }
        self.decode(datagram, in_range, name, io);
        sink.flows(&mut self.batch)
    }

    /// Decodes a datagram. If it arrived outside of the asked range, only its templates are
    /// learned.
    fn decode(&mut self, datagram: &Datagram<'_>, in_range: bool, name: &str, io: &mut Io) {
        let refused = |decoder: &Decoder| decoder.totals().foreign + decoder.totals().short;
        let refused_before = refused(&self.decoder);
        let batch = &mut self.batch;
        batch.clear();
        let Datagram { exporter, arrival, payload, .. } = *datagram;
        if datagram.templates {
            self.decoder.learn(exporter, payload, batch);
        } else if in_range {
            self.decoder.datagram(exporter, arrival, payload, batch);
        } else if self.windows.open_window().is_some() || self.range.is_before(arrival) {
            // Its templates may serve datagrams of the range. Pending sets that they free belong to
            // the last window; once that is closed there is no place for them.
            self.decoder.learn(exporter, payload, batch);
        }
        // Datagrams of other protocols are reported once, at the end.
        let is_foreign = |error: &wire::Error| matches!(error.reason, Reason::Version { .. });
        for error in batch.errors.iter().filter(|error| !is_foreign(error)) {
            io.report.complain(
                "parts of datagrams that cannot be read",
                format_args!("{name}: {error}"),
            );
        }
        if let Some(open) = self.windows.open_window() {
            if in_range && !datagram.templates {
                open.add_datagram(refused(&self.decoder) == refused_before);
            }
            open.add_flows(&batch.flows, batch.late, missing(batch.lost));
        }
    }
}

/// Reports an error that ends the reading of a file.
///
/// # Errors
/// An error of our own output.
fn report_unreadable(name: &str, error: Error, io: &mut Io) -> anyhow::Result<()> {
    match error {
        Error::Io { source, .. } if io.out.has_failed() => Err(source.into()),
        error => {
            io.report.error(format_args!("{name}: {error}"));
            Ok(())
        }
    }
}

/// Returns the start of the slot that a file of nfcap's has in its name.
pub(super) fn slot_of(path: &Path) -> Option<Timestamp> {
    Some(spool::Name::parse(path.file_name()?.to_str()?)?.start)
}

/// Returns the collector's report on a slot.
fn report(closing: &Closing) -> SlotReport {
    SlotReport {
        start: closing.start,
        end: closing.end,
        dropped: closing.dropped(),
        missing: missing(closing.missing),
    }
}

fn missing(lost: Lost) -> MissingCounts {
    MissingCounts { flows: lost.flows, datagrams: lost.datagrams }
}

/// Returns the reasons of skipped packets with their counts: `not UDP 3, malformed 1`.
pub(super) fn skipped_text(skipped: &Skipped) -> String {
    let reasons = [
        (skipped.link, "unknown link type"),
        (skipped.not_ip, "not IP"),
        (skipped.not_udp, "not UDP"),
        (skipped.fragments, "fragments without the rest"),
        (skipped.overlaps, "overlapping fragments"),
        (skipped.evicted, "fragments beyond the limits"),
        (skipped.truncated, "cut by the capture"),
        (skipped.malformed, "malformed"),
    ];
    let seen = reasons.iter().filter(|(count, _)| *count > 0);
    seen.map(|(count, reason)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
}

/// Returns warnings about the whole input, which no single datagram shows.
pub(super) fn complaints(decoder: &Decoder, mask: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    for (foreign, count) in &decoder.totals().by_version {
        warnings.push(format!(
            "{count} datagrams of {foreign} were skipped: only NetFlow 1, 5, 7, 9, IPFIX and sFlow 5 are decoded"
        ));
    }
    let all = total(decoder);
    if all.undecodable_sets > 0 {
        warnings.push(format!(
            "{} data sets could not be decoded: their templates never came (see --stats)",
            all.undecodable_sets
        ));
    }
    let totals = decoder.totals();
    if totals.evicted_domains > 0 {
        let mut by: Vec<_> = totals.evicted_by.iter().collect();
        by.sort_by_key(|&(address, count)| (std::cmp::Reverse(*count), *address));
        let by = by
            .iter()
            .take(5)
            .map(|(address, count)| format!("{} ({count})", Host::Address(**address).text(mask)));
        warnings.push(format!(
            "{} domains of exporters were forgotten with their templates, because there were too many: of {}",
            totals.evicted_domains,
            by.collect::<Vec<_>>().join(", ")
        ));
    }
    if totals.evicted_templates > 0 {
        warnings.push(format!(
            "{} templates were forgotten, because their exporters sent too many (see --stats)",
            totals.evicted_templates
        ));
    }
    if all.refused_samplers > 0 {
        warnings.push(format!(
            "the sampling of {} samplers is unknown, because their exporters described too many",
            all.refused_samplers
        ));
    }
    if all.evicted_sets > 0 {
        warnings.push(format!(
            "{} data sets were dropped, because too many waited for their templates",
            all.evicted_sets
        ));
    }
    warnings
}

/// Returns the counts of all domains together.
pub(super) fn total(decoder: &Decoder) -> Stats {
    let mut all = decoder.totals().evicted.clone();
    decoder.stats().for_each(|(_, stats)| all.add(stats));
    all
}
