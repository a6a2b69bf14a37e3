//! nf-every10: the ten-minute job. It analyses each finished capture file of a spool, in order, at least
//! once.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use anyhow::Context;

use crate::capture;
use crate::cli::config::Setting;
use crate::cli::{self, Config, Io, Status, Usage};
use crate::flow::Networks;
use crate::time::Timestamp;
use crate::tool::analyse::KEEP;
use crate::tool::nfcap::{self, COLLECT};
use crate::tool::page_table::page_wanted;

mod analyse;
mod args;
mod aside;
mod check;
mod clock;
mod current;
mod detectors;
mod disk;
mod exporters;
mod facts;
mod hand_over;
mod health;
mod incidents;
mod ledger;
mod messages;
mod metrics;
mod names;
mod out_dir;
#[expect(clippy::disallowed_methods, reason = "a line a minute tells of the progress")]
mod progress;
mod retain;
mod site;
mod slots;
mod states;
mod traffic;
mod troubles;
mod trying;
mod upkeep;
mod waiting;
mod work;

pub use args::Args;

use check::Checked;
use clock::Clock;
use detectors::Detectors;
use names::shown;
use out_dir::OutDir;
use retain::Keep;
use traffic::TrafficPlan;
use work::{Job, Setup};

/// Runs nf-every10.
///
/// # Errors
/// Fails if an option or a file that it names is wrong, if SPOOL cannot be read or OUT not be written, or if
/// OUT belongs to another spool.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let config = &io.config;
    let path = |text: &Setting| PathBuf::from(text.text());
    // A site has one spool, which nfcap's table may name as well.
    let spool = args.spool.clone().or_else(|| config.get(&COLLECT, "spool").map(path));
    let (Some(spool), Some(out)) = (spool, &args.out) else {
        return Err(Usage("SPOOL and OUT must be named, here or in [analyse]".to_owned()).into());
    };
    let clock = Clock { fixed: args.now };
    // A wrong --inside, or a variable that is wrong, is no fault of a file's.
    let memory = args.memory.unwrap_or_else(cli::quarter_of_ram);
    let page = page_wanted(config);
    // Counting for the site is a fourth to share the memory.
    let of_traffic = if page.is_some() { memory / 4 } else { 0 };
    let detectors = Detectors::new(&args, memory - of_traffic, config, clock.now())?;
    let keep = keep(&args, config)?;
    let expected = expected(config)?;
    let spool = match spool.canonicalize() {
        Ok(spool) => spool,
        Err(error) => return missing(&spool, &error, out, clock, io),
    };
    refuse_exchanged(&spool, out)?;
    let inside = detectors.inside()?.unwrap_or_default();
    if args.check {
        let (spool, inside) = (&spool, &inside);
        return check::run(&Checked { args: &args, clock, spool, out, inside }, io);
    }
    let out = OutDir::open(out).map_err(|error| anyhow::anyhow!("{}: {error}", shown(out)))?;
    _ = tempfile::env::override_temp_dir(&out.scratch(""));
    detectors::keep_panics();
    let inside = Networks::new(inside);
    let setup = Setup {
        traffic: page.map(|page| TrafficPlan::new(&page, &inside, of_traffic)),
        inside,
        search_path: search_path(),
        remembers: incidents::is_wanted(&io.config),
        has_site: site::is_wanted(&io.config),
        args: &args,
        clock,
        spool,
        out,
        detectors,
        keep,
        expected,
    };
    locked(&setup, io)
}

/// Tells of a spool that is not there. If OUT is, that is a trouble, which is told once.
fn missing(
    spool: &Path,
    error: &std::io::Error,
    out: &Path,
    clock: Clock,
    io: &mut Io,
) -> anyhow::Result<Status> {
    let text = format!("{}: {error}; is SPOOL the directory that nfcap writes to?", shown(spool));
    let before = || {
        let out = OutDir::open(out).ok().filter(|out| out.path("ledger").is_file())?;
        let lock = Flock::lock(touch(&out.path("lock")).ok()?, FlockArg::LockExclusiveNonblock);
        Some((health::Health::read(&out, clock.now()).ok()?, lock.ok()?))
    };
    let known = if out.is_dir() { before() } else { None };
    let Some((mut health, _lock)) = known else { anyhow::bail!(text) };
    health.begin("spool-missing", "-", &text, io);
    health.flush()?;
    Ok(Status::Failed)
}

/// Returns the ages of `--keep` or `[analyse.keep]`; `None` if nobody has set them.
fn keep(args: &Args, config: &Config) -> anyhow::Result<Option<Keep>> {
    if args.keep.is_some() {
        return Ok(args.keep);
    }
    let age = |name| Some((name, config.get(&KEEP, name)?));
    let ages: Vec<_> = ["evidence", "findings"].into_iter().filter_map(age).collect();
    let Some((_, first)) = ages.first() else { return Ok(None) };
    let text: Vec<_> = ages.iter().map(|(name, age)| format!("{name}={}", age.text())).collect();
    let keep =
        text.join(",").parse().map_err(|error| Usage(format!("{}: {error}", first.place)))?;
    Ok(Some(keep))
}

/// Returns the exporters that the collector expects, `[collect] allow`; `None` if it takes any.
fn expected(config: &Config) -> anyhow::Result<Option<Networks>> {
    let Some(allow) = config.get(&COLLECT, "allow") else { return Ok(None) };
    let nets = nfcap::exporters(&allow.text()).with_context(|| allow.place.clone())?;
    Ok(Some(Networks::new(nets)))
}

/// Refuses arguments in the wrong order before anything is written.
fn refuse_exchanged(spool: &Path, out: &Path) -> Result<(), Usage> {
    let is_out = |dir: &Path| dir.join("ledger").is_file() && dir.join("lock").is_file();
    // A directory that does not exist yet is no spool.
    let Ok(out) = out.canonicalize() else { return Ok(()) };
    if out == spool {
        return Err(Usage(format!("{}: SPOOL and OUT must differ", shown(&out))));
    }
    if is_out(spool) {
        let text = "has the ledger of an OUT; SPOOL comes first, then OUT";
        return Err(Usage(format!("{} {text}", shown(spool))));
    }
    let has_captures = || {
        let look = slots::Look::take(&out, Timestamp::from_nanos(u64::MAX));
        !look.files.is_empty()
    };
    // The spool may lie in OUT.
    if !is_out(&out) && !spool.starts_with(&out) && has_captures() {
        let text = "has capture files of nfcap; SPOOL comes first, then OUT";
        return Err(Usage(format!("{} {text}", shown(&out))));
    }
    Ok(())
}

/// Seconds without a sign of life after which a run that holds the lock is said to hang.
const HANGS: u64 = 3600;

/// Works with the lock held, until no work is left that came before the end of the run.
fn locked(setup: &Setup<'_>, io: &mut Io) -> anyhow::Result<Status> {
    let out = &setup.out;
    let cannot = |error: std::io::Error| {
        anyhow::anyhow!("{} cannot be written to; nothing was analysed: {error}", shown(out.root()))
    };
    let mut status = Status::Done;
    loop {
        // The run that has the lock will look at the spool once more: this mark is removed only before a
        // look, and that run looks for the mark after it has released the lock.
        touch(&out.path("again")).map_err(cannot)?;
        let file = touch(&out.path("lock")).map_err(cannot)?;
        let lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => lock,
            Err((_, Errno::EWOULDBLOCK)) => return Ok(held(setup, status, io)),
            Err((_, errno)) => return Err(cannot(errno.into())),
        };
        setup.beat().map_err(cannot)?;
        own(setup).map_err(|error| match error.downcast() {
            Ok(error) => cannot(error),
            Err(error) => error,
        })?;
        out.clear_scratch().map_err(cannot)?;
        let mut job = Job::new(setup, io).map_err(cannot)?;
        let result = job.work(io);
        let has_failed = job.has_failed();
        let removed = out.remove_scratch();
        result?;
        if !job.is_stopped() {
            removed.map_err(|error| anyhow::anyhow!("{}: {error}", shown(&out.scratch(""))))?;
        }
        if has_failed {
            status = Status::Failed;
        }
        drop(lock);
        if job.is_stopped() || !out.path("again").exists() {
            return Ok(status);
        }
    }
}

/// Returns the status of a run that finds the lock taken. The other run does the work, unless it hangs.
fn held(setup: &Setup<'_>, status: Status, io: &mut Io) -> Status {
    let text = out_dir::read(&setup.out.path("lock")).unwrap_or_default();
    let since = Timestamp::parse(text.trim_ascii_end());
    let now = capture::clock().secs();
    let Some(since) = since.filter(|since| now.saturating_sub(since.secs()) > HANGS) else {
        return status;
    };
    io.report.error(format_args!(
        "another run has the lock {} and has done nothing since {}: does it, or the command of --then, hang?",
        shown(&setup.out.path("lock")),
        since.rfc3339()
    ));
    Status::Failed
}

/// Opens a file for writing, and creates it if it does not exist.
fn touch(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true).mode(0o640).open(path)
}

/// Keeps in OUT/spool which spool OUT is of.
///
/// # Errors
/// OUT is of another spool that still has files. The files of two spools have the same names, so that those
/// of one would pass for those of the other.
fn own(setup: &Setup<'_>) -> anyhow::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let (spool, out) = (&setup.spool, &setup.out);
    // The spool itself, or another directory of the site, has the file's name. The spool lies in OUT then.
    if out.path("spool").is_dir() {
        return Ok(());
    }
    let before = out_dir::read(&out.path("spool"))?;
    let before =
        Path::new(std::ffi::OsStr::from_bytes(before.strip_suffix(b"\n").unwrap_or(&before)));
    if before == spool {
        return Ok(());
    }
    // A spool that was moved is the same one.
    let is_other = match (fs::metadata(before), fs::metadata(spool)) {
        (Ok(a), Ok(b)) => a.is_dir() && (a.dev(), a.ino()) != (b.dev(), b.ino()),
        _ => false,
    };
    if is_other && slots::has_files(before) {
        let (out, before, spool) = (shown(out.root()), shown(before), shown(spool));
        anyhow::bail!(
            "{out}: belongs to the spool {before}, not to {spool}; name another OUT, or remove \
             {out}/spool if it is the same spool"
        );
    }
    out.clear_scratch()?;
    let mut line = spool.as_os_str().as_bytes().to_vec();
    line.push(b'\n');
    Ok(out.replace("spool", &line)?)
}

/// Returns the search path of the hook: cron's does not have the directory of nfkit.
#[expect(clippy::disallowed_methods, reason = "a command may read the environment")]
fn search_path() -> OsString {
    let here = std::env::current_exe().ok();
    let here = here.as_deref().and_then(Path::parent).map(Path::to_owned);
    let given = std::env::var_os("PATH").unwrap_or_default();
    let given: Vec<_> = std::env::split_paths(&given).collect();
    let usual = ["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from);
    let all = here.into_iter().chain(given).chain(usual);
    std::env::join_paths(all.filter(|dir| !dir.as_os_str().is_empty())).unwrap_or_default()
}
