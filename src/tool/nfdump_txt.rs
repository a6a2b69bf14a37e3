//! nfdump-txt: decodes capture files of export datagrams into flow lines.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum, ValueHint};

use super::decode::{self, CaptureDecoder, FileOutcome, Neighbours, Sink, slot_of};
use crate::capture::spool;
use crate::cli::{self, Arguments, Common, Input, Io, Out, Status, Table, When};
use crate::line::{Column, Form, REQUIRED, Writer};
use crate::time::{Mark, Timestamp, Window};
use crate::window::{ArrivalWindows, TimeRange, Transition};
use crate::wire::{Batch, Decoder, DecoderLimits};

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
    let windows = ArrivalWindows::new(args.window, range, args.scale);
    let mut capture = CaptureDecoder::new(decoder(&args), windows, range, &args.port);
    let writer = Writer::new(io.out.clone())
        .form(form)
        .columns(&args.fields.0)
        .marks(!args.no_header)
        .mask(args.mask);
    let mut lines = Lines { args: &args, writer };
    if !args.stats {
        lines.writer.fields()?;
    }
    for (n, (path, is_split)) in files.iter().zip(split_slots(args.window, &files)).enumerate() {
        let next = files.get(n + 1).and_then(|next| slot_of(next));
        let joins = next.is_some() && next == slot_of(path);
        has_failed |= capture.file(path, Neighbours { joins, is_split }, &mut lines, io)?
            != FileOutcome::Whole;
    }
    capture.end(&mut lines)?;
    for complaint in decode::complaints(&capture.decoder, args.mask) {
        io.report.warn(complaint);
    }
    if args.stats {
        stats::print(&capture.decoder, &capture.packets, args.mask, &mut io.out)?;
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

/// Returns for each file if its window comes again in a later file, with a file of another window in
/// between. The windows are those of the slots in the files' names, or of `seconds`, if given. A file
/// without a slot in its name is of a window of its own.
fn split_slots(seconds: Option<u32>, files: &[PathBuf]) -> Vec<bool> {
    let window_of = |path: &PathBuf| {
        let slot = slot_of(path)?;
        Some(
            seconds.map_or(slot, |seconds| Timestamp::from_secs(Window::at(slot, seconds).start())),
        )
    };
    let windows: Vec<_> = files.iter().map(window_of).collect();
    let mut later = HashSet::new();
    let mut is_split = Vec::with_capacity(files.len());
    // A run is a series of files of one window.
    for run in windows.chunk_by(|a, b| a.is_some() && a == b).rev() {
        let window = run.first().copied().flatten();
        let is_new = window.is_none_or(|window| later.insert(window));
        is_split.extend(run.iter().map(|_| !is_new));
    }
    is_split.reverse();
    is_split
}

/// The output of nfdump-txt: flow lines and marks, or nothing if only counts are wanted.
struct Lines<'a> {
    args: &'a Args,
    writer: Writer<Out>,
}

impl Sink for Lines<'_> {
    fn marks(&mut self, marks: Transition, _: &Decoder) -> anyhow::Result<()> {
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

    fn flows(&mut self, batch: &mut Batch) -> anyhow::Result<()> {
        if self.args.stats {
            return Ok(());
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
        Ok(self.writer.rows(&batch.flows, &batch.extras)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_whose_windows_come_again_are_known_by_their_names() {
        let slots = |seconds, names: &[&str]| {
            let path = |name: &&str| PathBuf::from(format!("{name}.pcapng"));
            split_slots(seconds, &names.iter().map(path).collect::<Vec<_>>())
        };
        let [a, b] = ["a/nfcap.200107010020", "a/nfcap.200107010030"];
        let [again, part] = ["b/nfcap.200107010020", "b/nfcap.200107010020.1"];
        assert_eq!(slots(None, &[]), [false; 0]);
        assert_eq!(slots(None, &[a, again, part, b]), [false; 4]);
        assert_eq!(slots(None, &[a, b, again]), [true, false, false]);
        assert_eq!(slots(None, &[a, again, b, part]), [true, true, false, false]);
        assert_eq!(slots(None, &[a, b, again, b]), [true, true, false, false]);
        // A file with another name closes the slot, and its own window is not known.
        assert_eq!(slots(None, &[a, "x", again, "x"]), [true, false, false, false]);
        // Both slots are in one window of an hour.
        assert_eq!(slots(Some(3600), &[a, b, again]), [false; 3]);
        let next = "a/nfcap.200107010100";
        assert_eq!(slots(Some(3600), &[a, b, next, again]), [true, true, false, false]);
    }
}
