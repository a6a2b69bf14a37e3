//! nfgen: plays a scenario of ordinary traffic and known attacks, as a router would export it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Parser, ValueEnum, ValueHint};

use crate::capture::{
    Closing, Slot, Writer as Capture,
    spool::{Compression, SlotFile},
};
use crate::cli::{self, Common, Io, Out, Status, Usage};
use crate::finding::{self, Form};
use crate::flow::Flow;
use crate::line::{self, Column};
use crate::scenario::{
    self, Actor, ExportedFlow, Figure, PlannedWindow, Player, RouterView, SECONDS, ScenarioKind,
    ScenarioPlan, UplinkDirection, With,
};
use crate::time::{End, Mark, Timestamp, Window, WindowState};
use crate::wire::{Exporter, Refused, Version};

/// The exporters that nfgen plays: TEST-NET-1 of RFC 5737, port as softflowd's. Domain or engine id of
/// each is its place here.
const ROUTERS: [SocketAddr; 2] = [
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 2055),
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3)), 2055),
];

/// Where the routers export to: the collector's default port.
const COLLECTOR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)), 9999);

/// The routers started so many seconds before the first window.
const UPTIME: u64 = 3600;

/// The longest that a flow waits for its datagram to fill, in nanoseconds.
const HOLD: u64 = 1_000_000_000;

/// Datagrams a second.
const RATE: u32 = 1000;

/// Datagrams that are due this soon are sent at once: a sleep costs more.
const EARLY: Duration = Duration::from_millis(1);

/// Who falls behind by more than this goes on from where he is, and sends no burst.
const BEHIND: Duration = Duration::from_millis(50);

/// Generate flow exports with known attacks, and the truth beside them.
///
/// The same arguments give the same octets on every machine, but for --to: that sends live, in less
/// time than the scenario takes, and shifts the flows' times so that they end as they are sent. With
/// --start they stay the scenario's.
#[derive(Debug, Parser)]
#[command(name = "nfgen", version, max_term_width = 100, after_long_help = kinds())]
pub struct Args {
    /// What to play
    scenario: Scenario,
    /// Of `paper`, only this figure: 3 a scan, 4 a flood, 5 an attack on one port [default: all]
    #[arg(long, value_name = "N", value_parser = figure)]
    figure: Option<Figure>,
    /// Add hosts to every window, such as `sweep` or `nat=500x3`; SIZE is their targets or peers
    #[arg(long, value_name = "KIND[=SIZE][xCOUNT],...", value_delimiter = ',')]
    with: Vec<With>,
    /// How long to play, in windows of 10 minutes [default: one window, or one per figure]
    #[arg(long = "for", value_name = "DURATION", value_parser = cli::parse_seconds)]
    length: Option<u32>,
    /// Version of the export datagrams
    #[arg(long, value_name = "VERSION", default_value = "5")]
    export: Export,
    /// Sample packets, 1 in N, and say so in the exports; not in versions 1 and 7
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    sampling: Option<u32>,
    /// Export only the flows that come in from the world, or only those that go out
    #[arg(long, value_name = "WAY")]
    oneway: Option<Oneway>,
    /// Export every flow by a second router too
    #[arg(long)]
    twice: bool,
    /// Play the same with addresses of IPv6; only with --text and --export 9, ipfix and sflow
    #[arg(long)]
    ipv6: bool,
    /// Flows in all, the attacks' own among them [default: 60000 a window and the attacks]
    #[arg(long, value_name = "N")]
    flows: Option<u64>,
    /// Another seed plays other hosts and flows
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Start of the first window, RFC 3339 UTC [default: the figure's date; with --to, now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    start: Option<u64>,
    /// Write a capture file, - for stdout; a name that ends in / is a spool like nfcap's
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::AnyPath, required_unless_present_any = ["text", "to"])]
    write: Option<PathBuf>,
    /// Send the datagrams to a collector over UDP, one window right after the other
    #[arg(long, value_name = "ADDR:PORT", conflicts_with_all = ["write", "text"])]
    to: Option<SocketAddr>,
    /// With --to, so many datagrams a second
    #[arg(long, value_name = "DATAGRAMS", default_value_t = RATE, requires = "to", conflicts_with_all = ["write", "text"], value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Write flow lines to stdout
    #[arg(long, conflicts_with_all = ["write", "export"])]
    text: bool,
    /// Write what is to be found to this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    truth: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Who can be added to a scenario, a line each.
fn kinds() -> String {
    let line =
        |actor: Actor| format!("  {:12}{:6}  {}\n", actor.name(), actor.size(), actor.about());
    let lines: String = Actor::ALL.into_iter().map(line).collect();
    format!("Kinds of --with, and the SIZE of each if none is given:\n{lines}")
}

/// What nfgen can play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// The attacks of the paper's figures amid ordinary traffic
    Paper,
    /// Ordinary traffic of a campus
    Campus,
    /// Nothing but what --with adds
    None,
}

/// Which flows are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Oneway {
    /// Those that come in from the world
    In,
    /// Those that go out into the world
    Out,
}

/// What nfgen can export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Export {
    /// NetFlow v1
    #[value(name = "1")]
    V1,
    /// NetFlow v5
    #[value(name = "5")]
    V5,
    /// NetFlow v7
    #[value(name = "7")]
    V7,
    /// NetFlow v9
    #[value(name = "9")]
    V9,
    /// IPFIX
    Ipfix,
    /// sFlow version 5
    Sflow,
}

impl Export {
    const fn version(self) -> Version {
        match self {
            Export::V1 => Version::V1,
            Export::V5 => Version::V5,
            Export::V7 => Version::V7,
            Export::V9 => Version::V9,
            Export::Ipfix => Version::Ipfix,
            Export::Sflow => Version::Sflow,
        }
    }
}

/// The exporter of the router at a place in [`ROUTERS`], started at `boot`.
fn exporter(
    version: Version,
    router: usize,
    sampling: Option<u32>,
    boot: Timestamp,
) -> Result<Exporter, Refused> {
    let exporter = Exporter::new(version, router as u32, boot).agent(ROUTERS[router].ip());
    match sampling {
        None => Ok(exporter),
        Some(interval) => exporter.sampling(interval),
    }
}

fn figure(text: &str) -> Result<Figure, String> {
    match text {
        "3" => Ok(Figure::Scan),
        "4" => Ok(Figure::Flood),
        "5" => Ok(Figure::Port),
        _ => Err("the paper's attacks are figures 3, 4 and 5".to_owned()),
    }
}

fn moment(text: &str) -> Result<u64, String> {
    let time = Timestamp::parse(text.as_bytes()).filter(|_| text.contains('T'));
    let whole = time.filter(|time| time.nanos() % 1_000_000_000 == 0);
    let time = whole.ok_or_else(|| "not a second such as 2001-07-01T00:20:00Z".to_owned())?;
    Ok(time.secs())
}

/// Runs nfgen.
///
/// # Errors
/// What stops the command: arguments that cannot be played, a file that cannot be written.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let kind = match (args.scenario, args.figure) {
        (Scenario::Paper, figure) => ScenarioKind::Paper(figure),
        (Scenario::Campus, None) => ScenarioKind::Campus,
        (Scenario::None, None) => ScenarioKind::None,
        (Scenario::Campus | Scenario::None, Some(_)) => {
            return Err(Usage("--figure is of the scenario paper".to_owned()).into());
        }
    };
    if args.scenario == Scenario::Paper && !args.with.is_empty() {
        return Err(Usage("--with is of the scenarios campus and none".to_owned()).into());
    }
    let (seed, flows, length) = (args.seed, args.flows, args.length);
    // The truth names the windows of the scenario: live, the one that is now.
    let now = || Window::at(clock(), SECONDS).start();
    let start = args.start.or_else(|| args.to.map(|_| now()));
    let plan = ScenarioPlan { kind, seed, flows, length, start };
    let mut player = Player::with(plan, &args.with).map_err(|error| Usage(error.to_string()))?;
    // Everything that can be refused is, before a file is touched. Export headers have 32 bits for
    // the time: RFC 3954 section 5.1, RFC 7011 section 3.1.
    let last = plan.windows().map_err(|error| Usage(error.to_string()))?.last();
    let fits = |part: &PlannedWindow| args.text || part.window.end() <= u64::from(u32::MAX);
    if let Some(part) = last.filter(|part| !fits(part)) {
        let message = format!("{} is past what exports can say", part.window.start_text());
        return Err(Usage(message).into());
    }
    if !args.text {
        let version = args.export.version();
        exporter(version, 0, args.sampling, Timestamp::default())
            .map_err(|refused| Usage(refused.to_string()))?;
        if args.ipv6 && matches!(version, Version::V1 | Version::V5 | Version::V7) {
            let message = format!("{}; --export 9, ipfix and sflow do", Refused::Ipv6 { version });
            return Err(Usage(message).into());
        }
    }
    if args.truth.as_deref().is_some_and(|truth| truth == Path::new("-")) {
        return Err(Usage("--truth needs a file: stdout is for the flows".to_owned()).into());
    }
    if let (Some(truth), Some(write)) = (&args.truth, &args.write) {
        if is_same(truth, write) {
            return Err(Usage("--truth and --write are the same file".to_owned()).into());
        }
    }
    let mut truth = args.truth.as_deref().map(Truth::create).transpose()?;
    let mut sink = Sink::open(&args, io)?;
    let mut view = view(&args);
    let (mut batch, mut seen) = (Vec::new(), Vec::new());
    while let Some(window) = player.next_window() {
        sink.window(window)?;
        view.enter(window);
        while player.next(&mut batch) {
            seen.clear();
            view.take(&batch, &mut seen);
            sink.flows(&seen)?;
        }
        seen.clear();
        view.end(&mut seen);
        sink.flows(&seen)?;
        sink.end(window)?;
        io.report.detail(format_args!("{}: played", window.start_text()));
        if let Some(truth) = &mut truth {
            truth.window(window, &view.truth(player.truth()))?;
        }
    }
    let refused = sink.finish()?;
    if let Some(truth) = truth {
        truth.finish()?;
    }
    match refused {
        0 => Ok(Status::Done),
        refused => anyhow::bail!("nobody listened: {refused} datagrams were refused"),
    }
}

/// How the routers see what is played.
fn view(args: &Args) -> RouterView {
    let mut view = RouterView::new(args.seed);
    if args.twice {
        view = view.twice();
    }
    if let Some(interval) = args.sampling {
        view = view.sampling(interval);
    }
    if args.ipv6 {
        view = view.ipv6();
    }
    match args.oneway {
        None => view,
        Some(Oneway::In) => view.oneway(UplinkDirection::In),
        Some(Oneway::Out) => view.oneway(UplinkDirection::Out),
    }
}

/// How many routers export.
const fn routers(args: &Args) -> usize {
    if args.twice { 2 } else { 1 }
}

/// Whether two names are of one file, links followed.
fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    a == b || real(a).is_some_and(|a| real(b) == Some(a))
}

fn clock() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// Where the flows go.
enum Sink {
    /// Flow lines on stdout.
    Lines { writer: line::Writer<Out>, flows: u64, batch: Vec<Flow>, sampling: Option<u32> },
    /// Export datagrams, one section a window.
    Captured(Box<Captured>),
}

impl Sink {
    fn open(args: &Args, io: &Io) -> anyhow::Result<Sink> {
        if let Some(collector) = args.to {
            let udp = Udp::connect(collector, args.rate, routers(args))
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
            return Ok(Sink::Lines {
                writer,
                flows: 0,
                batch: Vec::new(),
                sampling: args.sampling,
            });
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
        // Sent live, times are those of the sending, unless one was asked for.
        let now = args.to.is_some() && args.start.is_none();
        let count = routers(args);
        let captured = Captured { to, version, sampling, count, routers: Vec::new(), now, sent: 0 };
        Sink::Captured(Box::new(captured))
    }

    fn window(&mut self, window: Window) -> anyhow::Result<()> {
        match self {
            Sink::Lines { writer, flows, .. } => {
                *flows = 0;
                Ok(writer.mark(&Mark::Window(Some(window)))?)
            }
            Sink::Captured(captured) => captured.window(window),
        }
    }

    fn flows(&mut self, arrived: &[ExportedFlow]) -> anyhow::Result<()> {
        match self {
            Sink::Lines { writer, flows, batch, .. } => {
                *flows += arrived.len() as u64;
                batch.clear();
                let exporter = |seen: &ExportedFlow| Some(ROUTERS[seen.router].ip());
                batch.extend(arrived.iter().map(|s| Flow { exporter: exporter(s), ..s.flow }));
                Ok(writer.flows(batch)?)
            }
            Sink::Captured(captured) => captured.flows(arrived),
        }
    }

    fn end(&mut self, window: Window) -> anyhow::Result<()> {
        match self {
            Sink::Lines { writer, flows, sampling, .. } => {
                let (window, state, sampling) = (Some(window), Some(WindowState::Ok), *sampling);
                let (flows, late, scaled) = (Some(*flows), Some(0), Some(false));
                let end = End { window, flows, late, sampling, scaled, state, ..End::default() };
                writer.mark(&Mark::End(end))?;
                Ok(writer.flush()?)
            }
            Sink::Captured(captured) => captured.end(window),
        }
    }

    /// How many datagrams the other side refused.
    fn finish(self) -> anyhow::Result<u64> {
        match self {
            Sink::Captured(captured) => captured.finish(),
            Sink::Lines { .. } => Ok(0),
        }
    }
}

/// Flows as a router exports them and nfcap writes them down.
struct Captured {
    to: Destination,
    version: Version,
    sampling: Option<u32>,
    /// How many routers there are, and they, once the first window is known.
    count: usize,
    routers: Vec<Router>,
    /// Flows end as they are sent, and not when the scenario says.
    now: bool,
    /// Datagrams of this window.
    sent: u64,
}

/// A router that exports.
struct Router {
    /// Its place in [`ROUTERS`].
    place: usize,
    exporter: Exporter,
    /// Arrival of the first flow that waits in the exporter.
    first: Option<Timestamp>,
}

/// The file or files that are written, or where the datagrams go. Standard output has no name here:
/// it names itself.
enum Destination {
    Udp(Udp),
    File(Capture<Box<dyn Write>>, Option<String>),
    Spool(PathBuf, Option<Capture<BufWriter<SlotFile>>>),
}

impl Destination {
    /// Does something to the file that is open, with its name to any error.
    fn with(
        &mut self,
        file: impl FnOnce(&mut dyn Section) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        match self {
            Destination::Udp(udp) => {
                let collector = udp.collector;
                file(udp).with_context(|| collector.to_string())
            }
            Destination::File(capture, None) => file(capture),
            Destination::File(capture, Some(name)) => file(capture).with_context(|| name.clone()),
            Destination::Spool(dir, Some(capture)) => {
                file(capture).with_context(|| dir.display().to_string())
            }
            Destination::Spool(_, None) => Ok(()),
        }
    }
}

/// A capture writer, whatever it writes to. Where datagrams come from is a place in [`ROUTERS`].
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

/// A collector, and the pace at which it gets datagrams.
struct Udp {
    /// One for each router.
    sockets: Vec<UdpSocket>,
    collector: SocketAddr,
    rate: u32,
    /// When the next datagram is due.
    due: Instant,
    refused: u64,
}

impl Udp {
    fn connect(collector: SocketAddr, rate: u32, routers: usize) -> io::Result<Udp> {
        let any = match collector {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = |_| {
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(collector)?;
            Ok(socket)
        };
        let sockets = (0..routers).map(socket).collect::<io::Result<_>>()?;
        Ok(Udp { sockets, collector, rate, due: Instant::now(), refused: 0 })
    }

    fn send(&mut self, from: usize, payload: &[u8]) -> io::Result<()> {
        let now = Instant::now();
        let ahead = self.due.saturating_duration_since(now);
        if ahead > EARLY {
            thread::sleep(ahead);
        }
        if now.saturating_duration_since(self.due) > BEHIND {
            self.due = now;
        }
        self.due += Duration::from_secs(1) / self.rate;
        let socket = &self.sockets[from];
        let mut sent = socket.send(payload);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            // The answer to one before, which says nothing of this one.
            self.refused += 1;
            sent = socket.send(payload);
        }
        match sent {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            sent => _ = sent?,
        }
        Ok(())
    }
}

/// On the wire there are no sections, and the exporter repeats its templates by itself.
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

/// The flow as if it had arrived at `now`, moved by whole milliseconds.
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
        for place in self.routers.len()..self.count {
            let exporter = exporter(self.version, place, self.sampling, boot)?;
            self.routers.push(Router { place, exporter, first: None });
        }
        if let Destination::Spool(dir, capture) = &mut self.to {
            let file = SlotFile::create(dir, window, Compression::None)?;
            *capture = Some(Capture::new(BufWriter::with_capacity(1 << 16, file)));
        }
        // nfcap names the networks it listens to; these are all there are.
        let allow = self.routers.iter().map(|router| ROUTERS[router.place].ip().into()).collect();
        let slot = Slot { window, allow: Some(allow), ident: None };
        self.sent = 0;
        let routers = &self.routers;
        self.to.with(|file| {
            file.section(&slot)?;
            routers.iter().try_for_each(|router| match router.exporter.templates(start) {
                Some(payload) => file.templates(router.place, start, &payload),
                None => Ok(()),
            })
        })
    }

    fn flows(&mut self, arrived: &[ExportedFlow]) -> anyhow::Result<()> {
        let (routers, sent, now) = (&mut self.routers, &mut self.sent, self.now);
        self.to.with(|file| {
            for ExportedFlow { arrival, router, flow } in arrived {
                let Some(Router { place, exporter, first }) = routers.get_mut(*router) else {
                    continue;
                };
                let (flow, at) = match now {
                    true => {
                        let at = clock();
                        (shifted(flow, *arrival, at), at)
                    }
                    false => (*flow, *arrival),
                };
                let mut wrote = Ok(());
                let mut send = |payload: &[u8]| {
                    *sent += 1;
                    *first = None;
                    if wrote.is_ok() {
                        wrote = file.datagram(*place, *arrival, payload);
                    }
                };
                exporter.push(&flow, at, &mut send)?;
                wrote?;
                let waits = first.get_or_insert(*arrival);
                if arrival.nanos() - waits.nanos() > HOLD {
                    flush(exporter, *place, at, sent, file)?;
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
        let last = if self.now { clock() } else { end.offset(-1) };
        self.to.with(|file| {
            for Router { place, exporter, first } in routers {
                flush(exporter, *place, last, sent, file)?;
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

/// Sends the datagram that waits to be full.
fn flush(
    exporter: &mut Exporter,
    place: usize,
    now: Timestamp,
    sent: &mut u64,
    file: &mut dyn Section,
) -> anyhow::Result<()> {
    let mut wrote = Ok(());
    exporter.flush(now, &mut |payload: &[u8]| {
        *sent += 1;
        wrote = file.datagram(place, now, payload);
    });
    wrote
}

/// The file of what is to be found: finding lines with the column `expect` after the others.
struct Truth {
    file: BufWriter<File>,
    name: String,
}

impl Truth {
    fn create(path: &Path) -> anyhow::Result<Truth> {
        let name = path.display().to_string();
        let file = BufWriter::new(File::create(path).with_context(|| name.clone())?);
        let mut truth = Truth { file, name };
        let columns = [finding::COLUMNS.as_slice(), &["expect"]].concat().join("\t");
        truth.line(&format!("#fields\t{columns}"))?;
        Ok(truth)
    }

    fn window(&mut self, window: Window, found: &[scenario::Truth]) -> anyhow::Result<()> {
        self.line(&Mark::Window(Some(window)).to_string())?;
        for truth in found {
            let mut line = Vec::new();
            finding::Writer::new(&mut line, Form::Text, false).finding(&truth.finding)?;
            let line = String::from_utf8_lossy(&line);
            self.line(&format!("{}\t{}", line.trim_end_matches('\n'), truth.expect))?;
        }
        let tool = Some("nfgen".to_owned());
        self.line(&Mark::End(End { window: Some(window), tool, ..End::default() }).to_string())
    }

    fn line(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.file, "{line}").with_context(|| self.name.clone())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        self.file.flush().context(self.name)
    }
}
