//! nfdump-txt: capture files of export datagrams in, flow lines out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, ValueEnum, ValueHint};

use self::open::Open;
use crate::capture::{Datagram, Ending, Error, Event, Reader, Slot, spool};
use crate::cli::{self, Common, Input, Io, Out, Status, When};
use crate::line::{Column, Form, REQUIRED, Writer};
use crate::time::{Mark, Timestamp, Window};
use crate::wire::{self, Batch, Decoder, DecoderLimits, Reason};

mod open;
mod stats;

/// Length of the windows where neither an option nor the file says one.
const DEFAULT_SECONDS: u32 = 600;

/// Windows whose starts are remembered, to notice one that comes again.
const MAX_CLOSED: usize = 65_536;

/// Decode captured NetFlow, IPFIX and sFlow datagrams into flow lines.
///
/// Reads pcap and pcapng, nfcap's or tcpdump's, and prints flow lines, nfkit-flow(5): nine columns a
/// flow, in windows by the datagrams' arrival.
#[derive(Debug, Parser)]
#[command(name = "nfdump-txt", version, max_term_width = 100)]
pub struct Args {
    /// Capture files or directories of them, gzip or zstd undone; stdin if there is none or for -
    #[arg(value_name = "FILE", value_hint = ValueHint::AnyPath)]
    files: Vec<PathBuf>,
    /// Write no line that begins with #
    #[arg(short = 'N', long)]
    no_header: bool,
    /// Columns: a,b,c instead of the nine, or +a,b,c after them
    #[arg(long, value_name = "COLUMNS", default_value = "+")]
    fields: Fields,
    /// Length of the windows, 0 for none [default: as nfcap's file says, else 10m]
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_seconds)]
    window: Option<u32>,
    /// Decode only datagrams to these UDP ports [default: all]
    #[arg(short, long, value_name = "PORT", value_delimiter = ',')]
    port: Vec<u16>,
    /// Print a table of counts per exporter and domain instead of flow lines
    #[arg(long, conflicts_with_all = ["no_header", "fields", "window", "nat"])]
    stats: bool,
    /// Only datagrams that arrived at this time or later: RFC 3339, a date, or 2h (ago)
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only datagrams that arrived before this time
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Addresses and ports of translated flows: before (pre) or after the translation (post)
    #[arg(long, value_name = "SIDE", default_value = "pre")]
    nat: Nat,
    /// Multiply packets and octets by the sampling; detectors refuse such lines
    #[arg(long, conflicts_with = "stats")]
    scale: bool,
    /// Write an object of JSON a line
    #[arg(long, conflicts_with_all = ["stats", "csv"])]
    json: bool,
    /// Write comma-separated values under a line of names, without marks
    #[arg(long, conflicts_with = "stats")]
    csv: bool,
    /// Hide the host part of every address, for publication
    #[arg(long)]
    mask: bool,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Which addresses of a translated flow are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Nat {
    /// Those before the translation
    Pre,
    /// Those after it, where the record has them
    Post,
}

/// Which arrivals were asked for: from `since` to before `until`.
#[derive(Clone, Copy, Debug)]
struct Asked {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
}

impl Asked {
    fn holds(&self, arrival: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= arrival)
            && self.until.is_none_or(|end| arrival < end)
    }

    fn is_early(&self, arrival: Timestamp) -> bool {
        self.since.is_some_and(|since| arrival < since)
    }

    /// Whether any moment of the window was asked for.
    fn holds_any(&self, window: Window) -> bool {
        self.since.is_none_or(|since| since < Timestamp::from_secs(window.end()))
            && self.until.is_none_or(|end| Timestamp::from_secs(window.start()) < end)
    }

    /// Whether all of them were.
    fn holds_all(&self, window: Window) -> bool {
        self.since.is_none_or(|since| since <= Timestamp::from_secs(window.start()))
            && self.until.is_none_or(|end| Timestamp::from_secs(window.end()) <= end)
    }

    /// The files that may hold what was asked for. nfcap's stand alone, so that one whose slot begins
    /// too late is passed over, and one whose next file in its directory begins early enough: of two
    /// collectors' files each goes its own way.
    fn files(&self, files: Vec<PathBuf>) -> Vec<PathBuf> {
        let slots: Vec<_> = files.iter().map(|path| slot_of(path)).collect();
        let is_over = |n: usize| {
            let next = slots.get(n + 1).copied().flatten();
            let (Some(since), Some(next), Some(Some(own))) = (self.since, next, slots.get(n))
            else {
                return false;
            };
            let is_beside = files.get(n).map(|path| path.parent())
                == files.get(n + 1).map(|path| path.parent());
            is_beside && *own < next && next <= since
        };
        let is_early = |n: usize| match (self.until, slots.get(n)) {
            (Some(until), Some(&Some(own))) => own < until,
            _ => true,
        };
        let asked = (0..files.len()).filter(|&n| is_early(n) && !is_over(n));
        asked.filter_map(|n| files.get(n).cloned()).collect()
    }
}

/// What `--fields` asks for.
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
                return Err(format!("{name} is there twice"));
            }
            columns.push(column);
        }
        match columns.is_empty() {
            true => Err("no columns".to_owned()),
            false => Ok(Fields(columns)),
        }
    }
}

/// Runs nfdump-txt.
///
/// # Errors
/// What stops the command: a full disk, a closed pipe.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let stdin = [PathBuf::from("-")];
    let named = if args.files.is_empty() { stdin.as_slice() } else { args.files.as_slice() };
    let mut failed = false;
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let open =
            |path: &Path| Ok(Box::new(Input::open(path, &io.out)?) as Box<dyn std::io::Read>);
        let listing = spool::list(path, open);
        for error in &listing.errors {
            failed = true;
            io.report.error(error);
        }
        for link in &listing.links {
            let complaint = format!(
                "{}: a link to a directory, which is not followed: name it to read what is in it",
                link.display()
            );
            io.report.complain("links to directories", complaint);
        }
        files.extend(listing.files);
    }

    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Timestamp::from_secs(now.as_secs());
    let asked = Asked {
        since: args.since.map(|when| when.at(now)),
        until: args.until.map(|when| when.at(now)),
    };
    let files = asked.files(files);
    let form = match (args.json, args.csv) {
        (true, _) => Form::Json,
        (_, true) => Form::Csv,
        _ => Form::Text,
    };
    let extras = args.nat == Nat::Post || args.fields.0.iter().any(|column| column.is_extra());
    let times = args.fields.0.iter().any(|column| matches!(column, Column::Start | Column::End));
    let decoder = Decoder::new(DecoderLimits::default());
    let decoder = if extras { decoder.with_extras() } else { decoder };
    let mut run = DecodeRun {
        args: &args,
        decoder: if times { decoder } else { decoder.without_times() },
        batch: Batch::default(),
        writer: Writer::new(io.out.clone())
            .form(form)
            .columns(&args.fields.0)
            .marks(!args.no_header)
            .mask(args.mask),
        open: None,
        torn: None,
        asked,
        closed: BTreeSet::new(),
        packets: stats::Packets::default(),
    };
    if !args.stats {
        run.writer.fields()?;
    }
    for (n, path) in files.iter().enumerate() {
        let next = files.get(n + 1).and_then(|next| slot_of(next));
        let joins = next.is_some() && next == slot_of(path);
        failed |= !run.file(path, joins, io)?;
    }
    run.close(None)?;
    for complaint in stats::complaints(&run.decoder, args.mask) {
        io.report.warn(complaint);
    }
    if args.stats {
        stats::print(&run.decoder, &run.packets, args.mask, &mut io.out)?;
    }
    Ok(if failed { Status::Failed } else { Status::Done })
}

/// The slot that one of nfcap's files is of, by its name.
fn slot_of(path: &Path) -> Option<Timestamp> {
    Some(spool::Name::parse(path.file_name()?.to_str()?)?.start)
}

/// One run over all inputs.
struct DecodeRun<'a> {
    args: &'a Args,
    decoder: Decoder,
    batch: Batch,
    writer: Writer<Out>,
    open: Option<Open>,
    /// Slot of a file that could not be read, until its window opens.
    torn: Option<u64>,
    /// What of the time is asked for.
    asked: Asked,
    /// Windows that are closed.
    closed: BTreeSet<Window>,
    packets: stats::Packets,
}

impl DecodeRun<'_> {
    /// Decodes one file; false if something went wrong with it. `joins`: the next file goes on with
    /// the same slot.
    fn file(&mut self, path: &Path, joins: bool, io: &mut Io) -> anyhow::Result<bool> {
        let name = path.display().to_string();
        let input = match Input::open(path, &io.out) {
            Ok(input) => input,
            Err(error) if io.out.has_failed() => return Err(error.into()),
            Err(error) => {
                self.torn(path);
                io.report.error(format_args!("{name}: {error}"));
                return Ok(false);
            }
        };
        let live = input.is_live();
        let mut reader = match Reader::new(input) {
            Ok(reader) => reader,
            Err(error) => {
                self.torn(path);
                return self.unreadable(&name, error, io);
            }
        };
        let (mut good, mut said, mut last) = (true, false, None);
        let mut slot: Option<Slot> = None;
        let (mut within, mut began) = (false, false);
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(Event::Section(of))) => {
                    (within, began) = (false, true);
                    slot = of;
                    if let Some(slot) = &slot {
                        self.enter(self.length(slot.window), slot)?;
                    }
                }
                Ok(Some(Event::Datagram(datagram))) => {
                    let ports = &self.args.port;
                    let asked = self.asked.holds(datagram.arrival);
                    if ports.is_empty() || datagram.templates || ports.contains(&datagram.dport) {
                        if asked && (slot.is_none() || self.args.window.is_some()) {
                            self.arrive(datagram.arrival, within)?;
                            within = true;
                        }
                        let counted = if asked || datagram.templates {
                            &mut self.packets.datagrams
                        } else {
                            &mut self.packets.other_times
                        };
                        *counted += u64::from(!datagram.templates);
                        self.decode(&datagram, asked, &name, io)?;
                    } else if asked {
                        self.packets.other_ports += 1;
                        if let Some(open) = &mut self.open {
                            open.datagrams += 1;
                        }
                    }
                }
                Ok(Some(Event::End(ending))) => {
                    good &= ending != Ending::Cut;
                    self.leave(&ending);
                    if live && !joins {
                        self.finish(&ending, slot.as_ref())?;
                    }
                    last = Some(ending);
                }
                Err(error) => {
                    (good, said) = (self.unreadable(&name, error, io)?, true);
                    // Also behind a closing block: a checksum that is wrong is of all before it.
                    if let Some(open) = self.open.as_mut().filter(|_| began) {
                        open.cut = true;
                    }
                }
            }
        }
        if let Some(last) = last.filter(|_| !joins) {
            self.finish(&last, slot.as_ref())?;
        }
        if !good && !said {
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
        Ok(good)
    }

    /// A file of nfcap's cannot be read: its slot, open or to come from another file, is not whole.
    fn torn(&mut self, path: &Path) {
        self.torn = slot_of(path).map(Timestamp::secs);
        if let Some(open) = &mut self.open {
            open.cut |= self.torn.is_some_and(|start| open.holds(start));
        }
    }

    /// Reports what ends the reading of a file, unless it is our own output that failed.
    fn unreadable(&self, name: &str, error: Error, io: &mut Io) -> anyhow::Result<bool> {
        match error {
            Error::Io { source, .. } if io.out.has_failed() => Err(source.into()),
            error => {
                io.report.error(format_args!("{name}: {error}"));
                Ok(false)
            }
        }
    }

    /// Length of the windows in a file with slots like this.
    fn length(&self, slot: Window) -> Option<Window> {
        match self.args.window {
            None => Some(slot),
            Some(0) => None,
            Some(seconds) => Some(Window::at(Timestamp::from_secs(slot.start()), seconds)),
        }
    }

    /// A slot of nfcap's begins: its window opens, whether a datagram comes or not.
    fn enter(&mut self, window: Option<Window>, slot: &Slot) -> anyhow::Result<()> {
        self.close(window)?;
        if let Some(window) = window.filter(|&window| self.asked.holds_any(window)) {
            let open = self.open(window)?;
            // Of a window that is a part of the slot nothing is known.
            if slot.window.seconds() <= window.seconds() {
                // Nor of what another program captured before.
                open.cut |= open.from_anyone.is_none() && open.datagrams > 0;
                open.from_anyone = open.from_anyone.max(Some(slot.open()));
            }
        }
        Ok(())
    }

    /// A datagram arrives. `within` a section a packet that is out of order by less than a window
    /// does not tear its window in two; time that runs back further was wrong before.
    fn arrive(&mut self, arrival: Timestamp, within: bool) -> anyhow::Result<()> {
        let seconds = self.args.window.unwrap_or(DEFAULT_SECONDS);
        if seconds == 0 {
            return Ok(());
        }
        let window = Window::at(arrival, seconds);
        // Of windows shorter than a minute, by less than a minute.
        let late = u64::from(seconds.max(60));
        let is_just_late = |open: &Open| {
            window.start() < open.window.start() && open.window.start() - window.start() <= late
        };
        if within && self.open.as_ref().is_some_and(is_just_late) {
            return Ok(());
        }
        self.close(Some(window))?;
        self.open(window)?;
        Ok(())
    }

    /// A section ends.
    fn leave(&mut self, ending: &Ending) {
        match (&mut self.open, ending) {
            (None, _) | (_, Ending::Whole) => {}
            (Some(open), Ending::Cut) => open.cut = true,
            (Some(open), Ending::Closed(closing)) => open.close(closing),
        }
    }

    /// Closes the window of a slot that is over, at the end of its file. On a live pipe that is the
    /// end of its section: the next one may be long in coming.
    fn finish(&mut self, ending: &Ending, slot: Option<&Slot>) -> anyhow::Result<()> {
        let is_over = |open: &Open| slot.is_some_and(|s| open.window.end() <= s.window.end());
        if matches!(ending, Ending::Closed(_)) && self.open.as_ref().is_some_and(is_over) {
            self.close(None)?;
        }
        Ok(())
    }

    /// The open window, which is opened if it is another one.
    fn open(&mut self, window: Window) -> anyhow::Result<&mut Open> {
        if self.open.is_none() && !self.args.stats {
            self.writer.mark(&Mark::Window(Some(window)))?;
        }
        let again = self.closed.contains(&window);
        let torn = self.torn.is_some_and(|start| window.holds(Timestamp::from_secs(start)));
        // Parts of a window that are apart are judged apart: neither was seen whole. Nor is what
        // --since or --until cuts off.
        let cut = torn || again || !self.asked.holds_all(window);
        Ok(self.open.get_or_insert_with(|| Open::new(window, cut)))
    }

    /// Closes the open window unless it is `next`.
    fn close(&mut self, next: Option<Window>) -> anyhow::Result<()> {
        let Some(open) = self.open.take_if(|open| Some(open.window) != next) else {
            return Ok(());
        };
        self.closed.insert(open.window);
        if self.closed.len() > MAX_CLOSED {
            self.closed.pop_first();
        }
        if !self.args.stats {
            self.writer.mark(&Mark::End(open.end(self.args.scale)))?;
            self.writer.flush()?;
        }
        Ok(())
    }

    /// Decodes a datagram; if it is not `within` what was asked for, only its templates.
    fn decode(
        &mut self,
        datagram: &Datagram<'_>,
        within: bool,
        name: &str,
        io: &mut Io,
    ) -> anyhow::Result<()> {
        let refused = |decoder: &Decoder| decoder.totals().foreign + decoder.totals().short;
        let before = refused(&self.decoder);
        let batch = &mut self.batch;
        batch.clear();
        let Datagram { exporter, arrival, payload, .. } = *datagram;
        match (datagram.templates, within) {
            (true, _) => self.decoder.learn(exporter, payload, batch),
            (false, true) => self.decoder.datagram(exporter, arrival, payload, batch),
            // Its templates may serve what was asked for. Held data that they free belongs to the
            // last window; once that is closed there is no place for it.
            (false, false) if self.open.is_some() || self.asked.is_early(arrival) => {
                self.decoder.learn(exporter, payload, batch);
            }
            (false, false) => {}
        }
        // Other protocols are told of once, at the end.
        let foreign = |error: &wire::Error| matches!(error.reason, Reason::Version { .. });
        for error in batch.errors.iter().filter(|error| !foreign(error)) {
            io.report.complain(
                "parts of datagrams that cannot be read",
                format_args!("{name}: {error}"),
            );
        }
        if let Some(open) = &mut self.open {
            let counts = within && !datagram.templates;
            open.datagrams += u64::from(counts);
            open.decoded += u64::from(counts && refused(&self.decoder) == before);
            open.add(batch);
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
