//! nfdump-txt: capture files of export datagrams in, flow lines out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Parser, ValueHint};

use super::stats;
use crate::capture::{Closing, Datagram, Ending, Error, Event, Reader, Slot, spool};
use crate::cli::{self, Common, Input, Io, Out, Status};
use crate::line::{Column, NINE, Writer};
use crate::time::{End, Mark, State, Timestamp, Window};
use crate::wire::{self, Batch, Decoder, Limits, Reason};

/// Length of the windows where neither an option nor the file says one.
const DEFAULT_SECONDS: u32 = 600;

/// Nanoseconds in a second.
const NANOS: u64 = 1_000_000_000;

/// Windows whose starts are remembered, to notice one that comes again.
const MAX_CLOSED: usize = 65_536;

/// Decode captured NetFlow v5, v9 and IPFIX datagrams into flow lines.
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
    #[arg(long, conflicts_with = "no_header")]
    stats: bool,
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

/// What `--fields` asks for.
#[derive(Clone, Debug)]
struct Fields(Vec<Column>);

impl FromStr for Fields {
    type Err = String;

    fn from_str(text: &str) -> Result<Fields, String> {
        let (mut columns, names) = match text.strip_prefix('+') {
            Some(names) => (NINE.to_vec(), names),
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
        files.extend(listing.files);
    }

    let mut run = Run {
        args: &args,
        decoder: Decoder::new(Limits::default()),
        batch: Batch::default(),
        writer: Writer::new(io.out.clone())
            .columns(&args.fields.0)
            .marks(!args.no_header)
            .mask(args.mask),
        open: None,
        torn: None,
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
    for complaint in stats::complaints(&run.decoder) {
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
struct Run<'a> {
    args: &'a Args,
    decoder: Decoder,
    batch: Batch,
    writer: Writer<Out>,
    open: Option<Open>,
    /// Slot of a file that could not be read, until its window opens.
    torn: Option<u64>,
    /// Windows that are closed.
    closed: BTreeSet<Window>,
    packets: stats::Packets,
}

/// The window that is open.
struct Open {
    window: Window,
    flows: u64,
    late: u64,
    datagrams: u64,
    sampling: u32,
    /// Datagrams that could be read as one of the protocols.
    decoded: u64,
    /// Nanoseconds of it in which nfcap listened, and until when.
    covered: u64,
    until: Timestamp,
    /// Drops that the collector told, where it told.
    dropped: Option<u64>,
    /// Whether the collector took exports from anyone, where it told.
    from_anyone: Option<bool>,
    cut: bool,
}

impl Open {
    fn holds(&self, start: u64) -> bool {
        self.window.holds(Timestamp::from_secs(start))
    }

    /// Adds the time between two moments of nfcap's, as far as it lies in the window and no other
    /// file covered it.
    fn listened(&mut self, closing: &Closing) {
        let inside = |time: Timestamp| {
            time.nanos().clamp(self.window.start() * NANOS, self.window.end() * NANOS)
        };
        let (start, end) = (inside(closing.start.max(self.until)), inside(closing.end));
        self.covered += end.saturating_sub(start);
        self.until = self.until.max(closing.end);
    }
}

impl Run<'_> {
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
        let mut reader = match Reader::new(input) {
            Ok(reader) => reader,
            Err(error) => {
                self.torn(path);
                return self.unreadable(&name, error, io);
            }
        };
        let (mut good, mut said) = (true, false);
        let mut slot: Option<Slot> = None;
        let mut within = false;
        loop {
            match reader.next() {
                Ok(None) => break,
                Ok(Some(Event::Section(of))) => {
                    within = false;
                    slot = of;
                    if let Some(slot) = &slot {
                        self.enter(self.length(slot.window), slot)?;
                    }
                }
                Ok(Some(Event::Datagram(datagram))) => {
                    let ports = &self.args.port;
                    if ports.is_empty() || datagram.templates || ports.contains(&datagram.dport) {
                        if slot.is_none() || self.args.window.is_some() {
                            self.arrive(datagram.arrival, within)?;
                            within = true;
                        }
                        self.packets.datagrams += u64::from(!datagram.templates);
                        self.decode(&datagram, &name, io)?;
                    } else {
                        self.packets.other_ports += 1;
                        if let Some(open) = &mut self.open {
                            open.datagrams += 1;
                        }
                    }
                }
                Ok(Some(Event::End(ending))) => {
                    good &= ending != Ending::Cut;
                    self.leave(ending, slot.as_ref(), joins)?;
                }
                Err(error) => {
                    (good, said) = (self.unreadable(&name, error, io)?, true);
                }
            }
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
        if let Some(window) = window {
            let open = self.open(window)?;
            open.from_anyone = open.from_anyone.max(Some(slot.open()));
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

    /// A section ends. A window of nfcap's that is over closes at once: on a live pipe the next
    /// section may be long in coming.
    fn leave(&mut self, ending: Ending, slot: Option<&Slot>, joins: bool) -> anyhow::Result<()> {
        let Some(open) = &mut self.open else { return Ok(()) };
        match ending {
            Ending::Whole => {}
            Ending::Cut => open.cut = true,
            Ending::Closed(closing) => {
                open.dropped = Some(open.dropped.unwrap_or(0).saturating_add(closing.dropped()));
                open.listened(&closing);
                let over = slot.is_some_and(|slot| open.window.end() <= slot.window.end());
                if over && !joins {
                    self.close(None)?;
                }
            }
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
        Ok(self.open.get_or_insert(Open {
            window,
            flows: 0,
            late: 0,
            datagrams: 0,
            decoded: 0,
            covered: 0,
            until: Timestamp::default(),
            sampling: 0,
            dropped: None,
            from_anyone: None,
            // Parts of a window that are apart are judged apart: neither was seen whole.
            cut: torn || again,
        }))
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
        // Another program's capture may begin or end in the middle of a window: only nfcap's slots
        // are known to have been listened to. What was heard and not understood is not seen.
        let length = u64::from(open.window.seconds()) * NANOS;
        let unseen = open.covered + NANOS < length || open.decoded == 0;
        let cover = u32::try_from((open.covered + NANOS / 2) / NANOS).ok();
        let state = match (open.cut, open.from_anyone, open.datagrams) {
            (true, _, _) => Some(State::Cut),
            (false, None, _) => None,
            (false, Some(_), 0) if open.covered + NANOS >= length => Some(State::NoData),
            (false, Some(_), _) if unseen => Some(State::Cut),
            (false, Some(_), _) => Some(State::Ok),
        };
        let end = End {
            window: Some(open.window),
            flows: Some(open.flows),
            late: Some(open.late),
            lost_datagrams: open.dropped,
            sampling: (open.sampling > 0).then_some(open.sampling),
            scaled: Some(false),
            cover: cover.filter(|_| open.from_anyone.is_some()),
            open: open.from_anyone,
            state,
            ..End::default()
        };
        if !self.args.stats {
            self.writer.mark(&Mark::End(end))?;
            self.writer.flush()?;
        }
        Ok(())
    }

    fn decode(&mut self, datagram: &Datagram<'_>, name: &str, io: &mut Io) -> anyhow::Result<()> {
        let refused = |decoder: &Decoder| decoder.totals().foreign + decoder.totals().short;
        let before = refused(&self.decoder);
        let batch = &mut self.batch;
        batch.clear();
        match datagram.templates {
            true => self.decoder.learn(datagram.exporter, datagram.payload, batch),
            false => {
                let Datagram { exporter, arrival, payload, .. } = *datagram;
                self.decoder.datagram(exporter, arrival, payload, batch);
            }
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
            open.datagrams += u64::from(!datagram.templates);
            let read = refused(&self.decoder) == before;
            open.decoded += u64::from(!datagram.templates && read);
            open.flows += batch.flows.len() as u64;
            open.late += batch.late;
            let sampling = batch.flows.iter().map(|flow| flow.sampling).max().unwrap_or(0);
            open.sampling = open.sampling.max(sampling);
        }
        if !self.args.stats {
            self.writer.flows(&batch.flows)?;
        }
        Ok(())
    }
}
