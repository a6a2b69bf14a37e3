//! nfdump-txt: decodes capture files of export datagrams into flow lines.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum, ValueHint};

use crate::capture::{Closing, Datagram, Ending, Error, Event, Reader, spool};
use crate::cli::{self, Arguments, Common, Input, Io, Out, Status, Table, When};
use crate::line::{Column, Form, REQUIRED, Writer};
use crate::time::{Mark, Timestamp};
use crate::window::{ArrivalWindows, MissingCounts, Slot, SlotReport, TimeRange, Transition};
use crate::wire::{self, Batch, Decoder, DecoderLimits, Lost, Reason};

mod stats;

/// Decode captured NetFlow, IPFIX and sFlow datagrams into flow lines.
///
/// Reads pcap and pcapng files of nfcap, tcpdump and others, and prints flow lines, nfkit-flow(5):
/// one flow a line in nine columns, in windows by the datagrams' arrival.
#[derive(Debug, Parser)]
#[command(name = "nfdump-txt", version, max_term_width = 100)]
pub struct Args {
    /// Read these capture files, and all files in these directories, decompressing gzip and zstd
    /// [default or -: stdin]
    #[arg(value_name = "FILE", value_hint = ValueHint::AnyPath)]
    files: Vec<PathBuf>,
    /// Print no line that begins with #
    #[arg(short = 'N', long)]
    no_header: bool,
    /// Print these columns: a,b,c instead of the nine, or +a,b,c after them
    #[arg(long, value_name = "COLUMNS", default_value = "+")]
    fields: Fields,
    /// Use windows of this length, 0 for no windows [default: the slots of nfcap's file, else 10m]
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_seconds)]
    window: Option<u32>,
    /// Decode only datagrams to these UDP ports [default: all]
    #[arg(short, long, value_name = "PORT", value_delimiter = ',')]
    port: Vec<u16>,
    /// Print a table of counts per exporter and domain instead of flow lines
    #[arg(long, conflicts_with_all = ["no_header", "fields", "window", "nat"])]
    stats: bool,
    /// Decode only datagrams that arrived at this time or later: RFC 3339, a date, or 2h (ago)
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Decode only datagrams that arrived before this time
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Print the addresses and ports of translated flows from before (pre) or after (post) the
    /// translation
    #[arg(long, value_name = "SIDE", default_value = "pre")]
    nat: Nat,
    /// Multiply packets and octets by the sampling; detectors refuse such lines
    #[arg(long, conflicts_with = "stats")]
    scale: bool,
    /// Print one JSON object a line
    #[arg(long, conflicts_with_all = ["stats", "csv"])]
    json: bool,
    /// Print comma-separated values under a line of names, without marks
    #[arg(long, conflicts_with = "stats")]
    csv: bool,
    /// Hide the host part of every address, for publication
    #[arg(long)]
    mask: bool,
    #[command(flatten)]
    common: Common,
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[];
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// The addresses and ports that a translated flow is printed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Nat {
    /// From before the translation
    Pre,
    /// From after the translation, where the record has them
    Post,
}

/// The columns that `--fields` asks for.
#[derive(Clone, Debug)]
struct Fields(Vec<Column>);

impl FromStr for Fields {
    type Err = String;

    fn from_str(text: &str) -> Result<Fields, String> {
        let (mut columns, names) = match text.strip_prefix('+') {
            Some(names) => (REQUIRED.to_vec(), names),
            None => (Vec::new(), text),
        };
        for name in names.split(',').filter(|_| !names.is_empty()) {
            let column = name.parse()?;
            if columns.contains(&column) {
                return Err(format!("column {name} is named twice"));
            }
            columns.push(column);
        }
        if columns.is_empty() {
            return Err("no column is named".to_owned());
        }
        Ok(Fields(columns))
    }
}

/// Runs nfdump-txt.
///
/// # Errors
/// Everything that stops the command, such as a full disk or a closed pipe.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let Listing { files, mut has_failed } = list(&args.files, io);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_secs(now.as_secs());
    let range = TimeRange {
        since: args.since.map(|when| when.at(now)),
        until: args.until.map(|when| when.at(now)),
    };
    let files = files_in(&range, files);
    let form = match (args.json, args.csv) {
        (true, _) => Form::Json,
        (_, true) => Form::Csv,
        _ => Form::Text,
    };
    let mut run = DecodeRun {
        args: &args,
        decoder: decoder(&args),
        batch: Batch::default(),
        writer: Writer::new(io.out.clone())
            .form(form)
            .columns(&args.fields.0)
            .marks(!args.no_header)
            .mask(args.mask),
        range,
        windows: ArrivalWindows::new(args.window, range, args.scale),
        packets: stats::Packets::default(),
    };
    if !args.stats {
        run.writer.fields()?;
    }
    for (n, path) in files.iter().enumerate() {
        let next = files.get(n + 1).and_then(|next| slot_of(next));
        let joins = next.is_some() && next == slot_of(path);
        has_failed |= !run.file(path, joins, io)?;
    }
    let last = run.windows.close();
    run.write_marks(last)?;
    for complaint in stats::complaints(&run.decoder, args.mask) {
        io.report.warn(complaint);
    }
    if args.stats {
        stats::print(&run.decoder, &run.packets, args.mask, &mut io.out)?;
    }
    Ok(if has_failed { Status::Failed } else { Status::Done })
}

/// The input files.
struct Listing {
    files: Vec<PathBuf>,
    /// A directory could not be listed whole.
    has_failed: bool,
}

/// Lists the named files, and the files of the named directories in the order of their slots.
fn list(named: &[PathBuf], io: &mut Io) -> Listing {
    let stdin = [PathBuf::from("-")];
    let named = if named.is_empty() { stdin.as_slice() } else { named };
    let mut all = Listing { files: Vec::new(), has_failed: false };
    for path in named {
        if !path.is_dir() {
            all.files.push(path.clone());
            continue;
        }
        let open =
            |path: &Path| Ok(Box::new(Input::open(path, &io.out)?) as Box<dyn std::io::Read>);
        let listing = spool::list(path, open);
        for error in &listing.errors {
            all.has_failed = true;
            io.report.error(error);
        }
        for link in &listing.links {
            let complaint = format!(
                "{}: a link to a directory, which is not followed; name it to read its files",
                link.display()
            );
            io.report.complain("links to directories", complaint);
        }
        all.files.extend(listing.files);
    }
    all
}

/// Returns the files that may hold datagrams of the range. A file of nfcap's stands alone, so it is
/// passed over if its slot begins too late, or if the next file of its directory begins early
/// enough. The files of two collectors do not judge each other.
fn files_in(range: &TimeRange, files: Vec<PathBuf>) -> Vec<PathBuf> {
    let slots: Vec<_> = files.iter().map(|path| slot_of(path)).collect();
    let is_over = |n: usize| {
        let next = slots.get(n + 1).copied().flatten();
        let (Some(since), Some(next), Some(Some(own))) = (range.since, next, slots.get(n)) else {
            return false;
        };
        let has_same_directory =
            files.get(n).map(|path| path.parent()) == files.get(n + 1).map(|path| path.parent());
        has_same_directory && *own < next && next <= since
    };
    let is_early = |n: usize| match (range.until, slots.get(n)) {
        (Some(until), Some(&Some(own))) => own < until,
        _ => true,
    };
    let wanted = (0..files.len()).filter(|&n| is_early(n) && !is_over(n));
    wanted.filter_map(|n| files.get(n).cloned()).collect()
}

/// Returns a decoder that does no more than the printed columns need.
fn decoder(args: &Args) -> Decoder {
    let columns = &args.fields.0;
    let decoder = Decoder::new(DecoderLimits::default());
    let decoder = if args.nat == Nat::Post || columns.iter().any(|column| column.is_extra()) {
        decoder.with_extras()
    } else {
        decoder
    };
    if columns.iter().any(|column| matches!(column, Column::Start | Column::End)) {
        decoder
    } else {
        decoder.without_times()
    }
}

/// Returns the start of the slot that a file of nfcap's has in its name.
fn slot_of(path: &Path) -> Option<Timestamp> {
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

/// One run over all inputs.
struct DecodeRun<'a> {
    args: &'a Args,
    decoder: Decoder,
    batch: Batch,
    writer: Writer<Out>,
    /// The arrivals that are decoded.
    range: TimeRange,
    windows: ArrivalWindows,
    packets: stats::Packets,
}

impl DecodeRun<'_> {
    /// Decodes one file. Returns false if something was wrong with it. `joins`: the next file
    /// continues the same slot.
    fn file(&mut self, path: &Path, joins: bool, io: &mut Io) -> anyhow::Result<bool> {
        let name = path.display().to_string();
        let input = match Input::open(path, &io.out) {
            Ok(input) => input,
            Err(error) if io.out.has_failed() => return Err(error.into()),
            Err(error) => {
                self.windows.tear(slot_of(path));
                io.report.error(format_args!("{name}: {error}"));
                return Ok(false);
            }
        };
        let is_live = input.is_live();
        let mut reader = match Reader::new(input) {
            Ok(reader) => reader,
            Err(error) => {
                self.windows.tear(slot_of(path));
                return self.unreadable(&name, error, io);
            }
        };
        self.windows.begin_file();
        let (mut is_good, mut is_reported) = (true, false);
        // The last section ended with the collector's report.
        let mut has_report = false;
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(Event::Section(slot))) => {
                    let slot =
                        slot.map(|slot| Slot { window: slot.window, from_anyone: slot.open() });
                    let marks = self.windows.begin_section(slot);
                    self.write_marks(marks)?;
                }
                Ok(Some(Event::Datagram(datagram))) => self.datagram(&datagram, &name, io)?,
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
                        }
                    }
                    // On a live pipe the next section may be long in coming.
                    if is_live && !joins && has_report {
                        self.close_slot()?;
                    }
                }
                Err(error) => {
                    (is_good, is_reported) = (self.unreadable(&name, error, io)?, true);
                    self.windows.damage();
                }
            }
        }
        if has_report && !joins {
            self.close_slot()?;
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
                    stats::skipped(&skipped)
                ),
            );
            self.packets.skip(&skipped);
        }
        io.report.detail(format_args!("{name}: read"));
        Ok(is_good)
    }

    /// Reports an error that ends the reading of a file, and returns false. An error of our own
    /// output is returned as one.
    fn unreadable(&self, name: &str, error: Error, io: &mut Io) -> anyhow::Result<bool> {
        match error {
            Error::Io { source, .. } if io.out.has_failed() => Err(source.into()),
            error => {
                io.report.error(format_args!("{name}: {error}"));
                Ok(false)
            }
        }
    }

    fn close_slot(&mut self) -> anyhow::Result<()> {
        let marks = self.windows.close_slot();
        self.write_marks(marks)
    }

    /// Writes marks, unless only a table is wanted.
    fn write_marks(&mut self, marks: Transition) -> anyhow::Result<()> {
        if self.args.stats {
            return Ok(());
        }
        if let Some(end) = marks.ended {
            self.writer.mark(&Mark::End(end))?;
            self.writer.flush()?;
        }
        if let Some(window) = marks.opened {
            self.writer.mark(&Mark::Window(Some(window)))?;
        }
        Ok(())
    }

    /// Adds a datagram to the counts, and decodes it if it goes to a wanted port.
    fn datagram(&mut self, datagram: &Datagram<'_>, name: &str, io: &mut Io) -> anyhow::Result<()> {
        let ports = &self.args.port;
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
            self.write_marks(marks)?;
        }
        if !datagram.templates {
            if in_range {
                self.packets.datagrams += 1;
            } else {
                self.packets.other_times += 1;
            }
        }
        self.decode(datagram, in_range, name, io)
    }

    /// Decodes a datagram. If it arrived outside of the asked range, only its templates are
    /// learned.
    fn decode(
        &mut self,
        datagram: &Datagram<'_>,
        in_range: bool,
        name: &str,
        io: &mut Io,
    ) -> anyhow::Result<()> {
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
        if self.args.nat == Nat::Post {
            for (flow, extra) in batch.flows.iter_mut().zip(&mut batch.extras) {
                extra.translate(flow);
            }
        }
        if self.args.scale {
            for flow in batch.flows.iter_mut().filter(|flow| flow.sampling > 1) {
                flow.packets = flow.packets.saturating_mul(flow.sampling.into());
                flow.octets = flow.octets.saturating_mul(flow.sampling.into());
            }
        }
        if !self.args.stats {
            self.writer.rows(&batch.flows, &batch.extras)?;
        }
        Ok(())
    }
}
