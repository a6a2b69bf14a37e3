//! The output of nfgen: flow lines, capture files, or datagrams to a collector.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::args::Args;
use super::routers::{COLLECTOR, ROUTERS, exporter};
use super::udp::Udp;
use crate::capture::{
    Closing, Slot, Writer as Capture, clock,
    spool::{Compression, SlotFile},
};
use crate::cli::{Io, Out};
use crate::flow::Flow;
use crate::line::{self, Column};
use crate::scenario::ExportedFlow;
use crate::time::{End, Mark, Timestamp, Window, WindowState};
use crate::wire::{Exporter, Version};

/// The seconds between the start of the routers and the first window.
const UPTIME: u64 = 3600;

/// The longest time that a flow waits for its datagram to fill, in nanoseconds.
const HOLD: u64 = 1_000_000_000;

/// The destination of the flows.
pub enum Sink {
    /// Flow lines on stdout.
    Lines(Lines),
    /// Export datagrams, one section a window.
    Captured(Box<Captured>),
}

/// A writer of flow lines.
pub struct Lines {
    writer: line::Writer<Out>,
    /// Flows of this window.
    flows: u64,
    batch: Vec<Flow>,
    sampling: Option<u32>,
}

impl Sink {
    /// Opens the output that the arguments name.
    ///
    /// # Errors
    /// Fails if a file cannot be created or the collector cannot be reached.
    pub fn open(args: &Args, io: &Io) -> anyhow::Result<Sink> {
        if let Some(collector) = args.to {
            let udp = Udp::connect(collector, args.rate, args.routers())
                .with_context(|| collector.to_string())?;
            return Ok(Sink::captured(Destination::Udp(udp), args));
        }
        let Some(path) = &args.write else {
            let known = [Column::Start, Column::End, Column::Flags];
            let exporter = args.twice.then_some(Column::Exporter);
            let sampled = args.sampling.map(|_| Column::Sampling);
            let more = [exporter.as_slice(), sampled.as_slice()].concat();
            let columns = [line::REQUIRED.as_slice(), &known, &more].concat();
            let mut writer = line::Writer::new(io.out.clone()).columns(&columns);
            writer.fields()?;
            let sampling = args.sampling;
            return Ok(Sink::Lines(Lines { writer, flows: 0, batch: Vec::new(), sampling }));
        };
        let to = if path == Path::new("-") {
            Destination::File(Capture::new(Box::new(io.out.clone()) as Box<dyn Write>), None)
        } else if path.as_os_str().as_encoded_bytes().ends_with(b"/") {
            Destination::Spool(path.clone(), None)
        } else {
            let name = path.display().to_string();
            let file = File::create(path).with_context(|| name.clone())?;
            let file = BufWriter::with_capacity(1 << 16, file);
            Destination::File(Capture::new(Box::new(file) as Box<dyn Write>), Some(name))
        };
        Ok(Sink::captured(to, args))
    }

    fn captured(to: Destination, args: &Args) -> Sink {
        let (version, sampling) = (args.export.version(), args.sampling);
        // Flows sent live end as they are sent, unless --start gives a time.
        let is_live = args.to.is_some() && args.start.is_none();
        let count = args.routers();
        let captured =
            Captured { to, version, sampling, count, routers: Vec::new(), is_live, sent: 0 };
        Sink::Captured(Box::new(captured))
    }

    /// Begins a window.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    pub fn window(&mut self, window: Window) -> anyhow::Result<()> {
        match self {
            Sink::Lines(lines) => {
                lines.flows = 0;
                Ok(lines.writer.mark(&Mark::Window(Some(window)))?)
            }
            Sink::Captured(captured) => captured.window(window),
        }
    }

    /// Adds flows to the window.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    pub fn flows(&mut self, arrived: &[ExportedFlow]) -> anyhow::Result<()> {
        match self {
            Sink::Lines(Lines { writer, flows, batch, .. }) => {
                *flows += arrived.len() as u64;
                batch.clear();
                let exporter = |seen: &ExportedFlow| Some(ROUTERS[seen.router].ip());
                batch.extend(arrived.iter().map(|s| Flow { exporter: exporter(s), ..s.flow }));
                Ok(writer.flows(batch)?)
            }
            Sink::Captured(captured) => captured.flows(arrived),
        }
    }

    /// Ends the window.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    pub fn end(&mut self, window: Window) -> anyhow::Result<()> {
        match self {
            Sink::Lines(Lines { writer, flows, sampling, .. }) => {
                let (window, state, sampling) = (Some(window), Some(WindowState::Ok), *sampling);
                let (flows, late, scaled) = (Some(*flows), Some(0), Some(false));
                let end = End { window, flows, late, sampling, scaled, state, ..End::default() };
                writer.mark(&Mark::End(end))?;
                Ok(writer.flush()?)
            }
            Sink::Captured(captured) => captured.end(window),
        }
    }

    /// Flushes the output, and returns the number of datagrams that the collector refused.
    ///
    /// # Errors
    /// Fails if the output cannot be written.
    pub fn finish(self) -> anyhow::Result<u64> {
        match self {
            Sink::Captured(captured) => captured.finish(),
            Sink::Lines(_) => Ok(0),
        }
    }
}

/// Flows as routers export them and nfcap writes them.
pub struct Captured {
    to: Destination,
    version: Version,
    sampling: Option<u32>,
    /// The number of routers.
    count: usize,
    /// The routers, made when the first window is known.
    routers: Vec<Router>,
    /// True if flows end as they are sent, and not at the scenario's times.
    is_live: bool,
    /// Datagrams of this window.
    sent: u64,
}

/// A router that exports.
struct Router {
    /// The index in [`ROUTERS`].
    index: usize,
    exporter: Exporter,
    /// Arrival of the first flow that waits in the exporter; `None` if no flow waits.
    first: Option<Timestamp>,
}

/// The destination of datagrams.
enum Destination {
    Udp(Udp),
    /// A file and its name. Standard output has none, because its errors name it.
    File(Capture<Box<dyn Write>>, Option<String>),
    /// A spool, and its open file.
    Spool(PathBuf, Option<Capture<BufWriter<SlotFile>>>),
}

impl Destination {
    /// Calls `write` with the open file, and adds the file's name to its error.
    fn with(
        &mut self,
        write: impl FnOnce(&mut dyn Section) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Destination::Udp(udp) => {
                let collector = udp.collector;
                write(udp).with_context(|| collector.to_string())
            }
            Destination::File(capture, None) => write(capture),
            Destination::File(capture, Some(name)) => write(capture).with_context(|| name.clone()),
            Destination::Spool(dir, Some(capture)) => {
                write(capture).with_context(|| dir.display().to_string())
            }
            Destination::Spool(_, None) => Ok(()),
        }
    }
}

/// A writer of sections. `from` is the index of a router in [`ROUTERS`].
trait Section {
    fn section(&mut self, slot: &Slot) -> anyhow::Result<()>;
    fn templates(&mut self, from: usize, at: Timestamp, payload: &[u8]) -> anyhow::Result<()>;
    fn datagram(&mut self, from: usize, at: Timestamp, payload: &[u8]) -> anyhow::Result<()>;
    fn end(&mut self, closing: &Closing) -> anyhow::Result<()>;
}

impl<W: Write> Section for Capture<W> {
    fn section(&mut self, slot: &Slot) -> anyhow::Result<()> {
        Ok(Capture::section(self, slot)?)
    }

    fn templates(&mut self, from: usize, at: Timestamp, payload: &[u8]) -> anyhow::Result<()> {
        Ok(Capture::templates(self, at, ROUTERS[from], COLLECTOR, payload)?)
    }

    fn datagram(&mut self, from: usize, at: Timestamp, payload: &[u8]) -> anyhow::Result<()> {
        Ok(Capture::datagram(self, at, ROUTERS[from], COLLECTOR, payload)?)
    }

    fn end(&mut self, closing: &Closing) -> anyhow::Result<()> {
        Capture::end(self, closing)?;
        Ok(self.flush()?)
    }
}

/// On the wire there are no sections, and exporters repeat their templates by themselves.
impl Section for Udp {
    fn section(&mut self, _: &Slot) -> anyhow::Result<()> {
        Ok(())
    }

    fn templates(&mut self, _: usize, _: Timestamp, _: &[u8]) -> anyhow::Result<()> {
        Ok(())
    }

    fn datagram(&mut self, from: usize, _: Timestamp, payload: &[u8]) -> anyhow::Result<()> {
        Ok(self.send(from, payload)?)
    }

    fn end(&mut self, _: &Closing) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Returns the flow as if it had arrived at `now`, shifted by whole milliseconds.
fn shifted(flow: &Flow, arrival: Timestamp, now: Timestamp) -> Flow {
    let millis = |time: Timestamp| time.nanos() / 1_000_000 * 1_000_000;
    let shift = millis(now).wrapping_sub(millis(arrival)) as i64;
    let moved = |time: Option<Timestamp>| time.map(|time| time.offset(shift));
    Flow { start: moved(flow.start), end: moved(flow.end), ..*flow }
}

impl Captured {
    fn window(&mut self, window: Window) -> anyhow::Result<()> {
        let start = Timestamp::from_secs(window.start());
        let boot = Timestamp::from_secs(window.start().saturating_sub(UPTIME));
        for index in self.routers.len()..self.count {
            let exporter = exporter(self.version, index, self.sampling, boot)?;
            self.routers.push(Router { index, exporter, first: None });
        }
        if let Destination::Spool(dir, capture) = &mut self.to {
            let file = SlotFile::create(dir, window, Compression::None)?;
            *capture = Some(Capture::new(BufWriter::with_capacity(1 << 16, file)));
        }
        // As nfcap does, the section names the allowed senders, which are the routers.
        let allow = self.routers.iter().map(|router| ROUTERS[router.index].ip().into()).collect();
        let slot = Slot { window, allow: Some(allow), ident: None };
        self.sent = 0;
        let routers = &self.routers;
        self.to.with(|file| {
            file.section(&slot)?;
            routers.iter().try_for_each(|router| match router.exporter.templates(start) {
                Some(payload) => file.templates(router.index, start, &payload),
                None => Ok(()),
            })
        })
    }

    fn flows(&mut self, arrived: &[ExportedFlow]) -> anyhow::Result<()> {
        let (routers, sent, is_live) = (&mut self.routers, &mut self.sent, self.is_live);
        self.to.with(|file| {
            for ExportedFlow { arrival, router, flow } in arrived {
                let Some(Router { index, exporter, first }) = routers.get_mut(*router) else {
                    continue;
                };
                let (flow, at) = if is_live {
                    let at = clock();
                    (shifted(flow, *arrival, at), at)
                } else {
                    (*flow, *arrival)
                };
                let mut wrote = Ok(());
                let mut send = |payload: &[u8]| {
                    *sent += 1;
                    *first = None;
                    if wrote.is_ok() {
                        wrote = file.datagram(*index, *arrival, payload);
                    }
                };
                exporter.push(&flow, at, &mut send)?;
                wrote?;
                let waits = first.get_or_insert(*arrival);
                if arrival.nanos() - waits.nanos() > HOLD {
                    flush(exporter, *index, at, sent, file)?;
                    *first = None;
                }
            }
            Ok(())
        })
    }

    fn end(&mut self, window: Window) -> anyhow::Result<()> {
        let (start, end) =
            (Timestamp::from_secs(window.start()), Timestamp::from_secs(window.end()));
        let (routers, sent) = (&mut self.routers, &mut self.sent);
        let last = if self.is_live { clock() } else { end.offset(-1) };
        self.to.with(|file| {
            for Router { index, exporter, first } in routers {
                flush(exporter, *index, last, sent, file)?;
                *first = None;
            }
            file.end(&Closing { received: *sent, start, end, ..Closing::default() })
        })?;
        let capture =
            if let Destination::Spool(_, capture) = &mut self.to { capture.take() } else { None };
        if let Some(capture) = capture {
            let file = capture.into_inner().into_inner().map_err(io::IntoInnerError::into_error)?;
            file.finish()?;
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<u64> {
        match self.to {
            Destination::Udp(udp) => return Ok(udp.refused),
            Destination::File(capture, None) => capture.into_inner().flush()?,
            Destination::File(capture, Some(name)) => capture.into_inner().flush().context(name)?,
            Destination::Spool(..) => {}
        }
        Ok(0)
    }
}

/// Writes the datagram that waits to be filled.
fn flush(
    exporter: &mut Exporter,
    index: usize,
    now: Timestamp,
    sent: &mut u64,
    file: &mut dyn Section,
) -> anyhow::Result<()> {
    let mut wrote = Ok(());
    exporter.flush(now, &mut |payload: &[u8]| {
        *sent += 1;
        wrote = file.datagram(index, now, payload);
    });
    wrote
}
