//! nfgen: plays a scenario of ordinary traffic and known attacks, as routers would export it.

use std::path::Path;

use crate::capture::clock;
use crate::cli::{Io, Status, Usage};
use crate::scenario::{
    PlannedWindow, Player, RouterView, SECONDS, ScenarioKind, ScenarioPlan, UplinkDirection,
};
use crate::time::{Timestamp, Window};
use crate::wire::{Refused, Version};

mod args;
mod routers;
mod sink;
mod truth;
mod udp;

pub use args::Args;

use args::{Oneway, Scenario};
use routers::exporter;
use sink::Sink;
use truth::Truth;

/// Runs nfgen.
///
/// # Errors
/// Fails if the arguments cannot be played, a file cannot be written, or no collector listens.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let kind = match (args.scenario, args.figure) {
        (Scenario::Paper, figure) => ScenarioKind::Paper(figure),
        (Scenario::Campus, None) => ScenarioKind::Campus,
        (Scenario::None, None) => ScenarioKind::None,
        (Scenario::Campus | Scenario::None, Some(_)) => {
            return Err(Usage("--figure needs the scenario paper".to_owned()).into());
        }
    };
    if args.scenario == Scenario::Paper && !args.with.is_empty() {
        return Err(Usage("--with needs the scenario campus or none".to_owned()).into());
    }
    let (seed, flows, length) = (args.seed, args.flows, args.length);
    // The truth names the windows of the scenario, which begin with the current one if sent live.
    let now = || Window::at(clock(), SECONDS).start();
    let start = args.start.or_else(|| args.to.map(|_| now()));
    let plan = ScenarioPlan { kind, seed, flows, length, start };
    let mut player = Player::with(plan, &args.with).map_err(|error| Usage(error.to_string()))?;
    // All refusals come before a file is touched. Export headers have 32 bits for the time: RFC 3954
    // section 5.1, RFC 7011 section 3.1.
    let last = plan.windows().map_err(|error| Usage(error.to_string()))?.last();
    let fits = |part: &PlannedWindow| args.text || part.window.end() <= u64::from(u32::MAX);
    if let Some(part) = last.filter(|part| !fits(part)) {
        let message =
            format!("{} is later than export headers can express", part.window.start_text());
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
        return Err(
            Usage("--truth needs a file, because stdout is for the flows".to_owned()).into()
        );
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
    anyhow::ensure!(refused == 0, "nobody listened: {refused} datagrams were refused");
    Ok(Status::Done)
}

/// Returns the routers' view of the scenario.
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

/// Returns true if both names lead to the same file.
fn is_same(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    a == b || real(a).is_some_and(|a| real(b) == Some(a))
}
