//! nfpage: reads finding lines and writes a static site, or one page.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Parser, ValueHint};
use jiff::tz::TimeZone;

use super::analyse::ANALYSE;
use super::findings::{InputKinds, NO_FINDINGS, Now, ReadError, read_findings, report_times};
use super::nfcap::COLLECT;
use super::page_table::{PAGE, parse_title};
use super::site::{self, SITE};
use crate::cli::{self, Arguments, Common, Input, Io, Status, Table, Usage};
use crate::finding::{Item, Side};
use crate::flow::Networks;
use crate::incident::Policy;
use crate::page::single::{self, PageData, Show};
use crate::page::traffic::{BadRow, SlotTraffic, Traffic, TrafficReader};
use crate::page::{self, History, MaskKey, NewDays, Options, Store, Tree};
use crate::report::LocalTime;

/// Show findings on a static web site.
///
/// Reads findings of nfscan, nfflood and nfport, nfkit-finding(5), as text or JSON, and merges them into the site in
/// DIR: an index, a page a day and a page a host. It needs no server, and works without scripts.
#[derive(Debug, Parser)]
#[command(name = "nfpage", version, max_term_width = 100)]
pub struct Args {
    /// Read findings from these files, decompressed if need be; without one, or for -, from stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Write the site into this directory, which is created if need be
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    write: PathBuf,
    /// Keep findings in this directory, outside of the web root [default: DIR.store beside DIR]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "single")]
    store: Option<PathBuf>,
    /// Give the site this heading
    #[arg(
        long, value_name = "TEXT", env = "NFKIT_TITLE", default_value = "Findings in network traffic",
        value_parser = parse_title
    )]
    title: String,
    /// Keep this many days, counted back from the newest one [default: 90]
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4000),
        conflicts_with = "single"
    )]
    days: Option<u32>,
    /// Show times in this zone, such as Asia/Taipei [default: that of [site], else UTC]
    #[arg(long, value_name = "ZONE", value_parser = site::time_zone, conflicts_with = "single")]
    timezone: Option<TimeZone>,
    /// Take owners, states and next steps from this file of nfnotify(1), incidents.jsonl
    #[arg(
        long, value_name = "FILE", value_hint = ValueHint::FilePath,
        conflicts_with_all = ["single", "mask"]
    )]
    incidents: Option<PathBuf>,
    /// Read the traffic of slots from this file, nftop's CSV tables as nf-every10 writes them; may be repeated
    #[arg(
        long, value_name = "FILE", value_hint = ValueHint::FilePath,
        conflicts_with_all = ["single", "mask"]
    )]
    traffic: Vec<PathBuf>,
    /// Give these hosts of ours a page with their traffic, whatever they do: networks, or @FILE
    #[arg(long, value_name = "NETS", conflicts_with = "single")]
    hosts: Option<cli::Nets>,
    /// With --mask: read the key of the pseudonyms from this file, and draw one if it does not exist
    /// [default: mask.key in the store]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "single")]
    key: Option<PathBuf>,
    /// Let everybody read the pages, not only their group
    #[arg(long, conflicts_with = "single")]
    public: bool,
    /// Make all pages again from the findings that are kept
    #[arg(long, conflicts_with = "single")]
    rebuild: bool,
    #[command(flatten)]
    now: Now,
    /// Write one page, DIR/index.html, that needs no other file, of the findings of this input alone
    #[arg(long)]
    single: bool,
    /// With --single: show only windows that begin this long before the end of the newest, 0 for all
    /// [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = cli::parse_seconds)]
    last: Option<u32>,
    /// With --single: show only findings about hosts inside or outside
    #[arg(long, value_name = "SIDE", value_parser = ["inside", "outside"], requires = "single")]
    side: Option<String>,
    /// Hide the host part of every address, for publication
    #[arg(long)]
    mask: bool,
    /// Stop with status 1 at the first line that is not a finding, and leave the old pages
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    common: Common,
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[&PAGE];

    fn other_tables(_subcommand: Option<&str>) -> &'static [&'static Table] {
        &[&SITE, &ANALYSE, &COLLECT]
    }
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

/// Seconds that a page of `--single` shows.
const DAY: u32 = 86_400;

/// Files of others that are named. The rest is counted.
const NAMED: usize = 20;

/// Days that a site keeps.
const DAYS: u32 = 90;

/// Runs nfpage.
///
/// # Errors
/// Fails if the pages cannot be written, if no input could be read, and under `--strict` at a bad line.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    if args.single {
        return write_single(args, io);
    }
    if args.last.is_some() {
        let why = "--last goes with --single; a site has all windows, and keeps as many days as --days says";
        return Err(Usage(why.to_owned()).into());
    }
    write_site(&args, io)
}

/// Writes the site.
fn write_site(args: &Args, io: &mut Io) -> anyhow::Result<Status> {
    let zone = match &args.timezone {
        Some(zone) => LocalTime::new(zone.clone()),
        None => site::timezone(&io.config)?.map_or(LocalTime::UTC, LocalTime::new),
    };
    let path = args.store.clone().map_or_else(|| beside(&args.write), Ok)?;
    let store = Store::open(&path, &args.write)?;
    let mut said = page::set_zone(&store, &zone)?;
    let mut new = NewDays::new(args.now.time);
    let read = read_files(args, io, |item| {
        match item {
            Some(item) => new.item(item, &zone),
            None => new.bad_line(),
        }
        if new.is_full() {
            said.extend(new.merge(&store)?);
        }
        Ok(())
    })?;
    (0..read.bad_inputs).for_each(|_| new.bad_input());
    let left = || format!("the site in {} is left as it was", args.write.display());
    anyhow::ensure!(!read.kinds.is_something_else(), "{NO_FINDINGS}; {}", left());
    anyhow::ensure!(!new.is_unreadable(), "no input could be read, so {}", left());
    report_times(new.timeline(), "both are in the site", io).with_context(left)?;
    said.extend(new.merge(&store)?);
    if args.rebuild {
        page::rebuild(&store)?;
    }
    let (traffic, bad_traffic) = read_traffic(args, io)?;
    let policy = Policy::new(Vec::new());
    let history = History::update(&store, &policy, args.days.unwrap_or(DAYS))?;
    said.extend(history.said.iter().cloned());
    let first = history.first_kept(&store);
    let (traffic, damaged) = page::update_traffic(&store, &zone, &traffic, args.now.time, first)?;
    said.extend(damaged);
    for message in &said {
        io.report.error(message);
    }
    let mut options = Options {
        title: args.title.clone(),
        zone,
        bad: new.bad(),
        bad_sources: bad_traffic,
        unknown: new.unknown(),
        spool: spool(&io.config),
        hosts: Networks::default(),
        never: never(&io.config)?,
    };
    // A file that cannot be read costs what is in it, and not the site.
    match args.hosts.as_ref().map(cli::Nets::load).transpose() {
        Ok(hosts) => options.hosts = Networks::new(hosts.unwrap_or_default()),
        Err(error) => {
            options.bad_sources += 1;
            io.report.error(format_args!("--hosts: {error:#}"));
        }
    }
    let incidents = args.incidents.as_ref().map(File::open).transpose();
    let incidents = incidents.unwrap_or_else(|error| {
        options.bad_sources += 1;
        let path = args.incidents.as_deref().unwrap_or(Path::new(""));
        io.report.error(format_args!("--incidents {}: {error}", path.display()));
        None
    });
    let key = match &args.key {
        _ if !args.mask => None,
        Some(path) => Some(MaskKey::open(path, &args.write)?),
        None => Some(MaskKey::open(&store.path("mask.key"), &args.write)?),
    };
    let mut tree = Tree::open(&args.write, &store, args.public)?;
    if args.rebuild {
        tree.forget();
    }
    let written = match &key {
        Some(key) => page::write_masked(&history, &options, key, &store, tree)?,
        None => page::write(&history, &options, &traffic, incidents, &store, tree)?,
    };
    if let (Some(fault), Some(path)) = (&written.bad_records, &args.incidents) {
        io.report.error(format_args!("--incidents {}: {fault}", path.display()));
    }
    for name in written.foreign.iter().take(NAMED) {
        io.report.warn(format_args!(
            "{}: not a file that nfpage wrote; it is left as it is, and the page is not written",
            args.write.join(name).display()
        ));
    }
    if written.foreign.len() > NAMED {
        let more = written.foreign.len() - NAMED;
        io.report.warn(format_args!("{more} more files are not nfpage's, and were not written"));
    }
    io.report.detail(format_args!(
        "{} days gone through, {} files written, {} removed",
        history.replayed, written.written, written.removed
    ));
    let failed = options.bad.1 + options.bad_sources > 0
        || written.bad_records.is_some()
        || !said.is_empty();
    Ok(if failed { Status::Failed } else { Status::Done })
}

/// Reads the files of `--traffic`. Returns their windows, and the number of files that could not be read.
///
/// # Errors
/// A bad row with `--strict`.
fn read_traffic(args: &Args, io: &mut Io) -> anyhow::Result<(Vec<SlotTraffic>, u64)> {
    let mut bad = 0;
    let mut all = Vec::new();
    for path in &args.traffic {
        let name = path.display();
        let mut reader = TrafficReader::new();
        let read = Input::open(path, &io.out).and_then(|input| reader.read(input));
        if let Err(error) = read {
            bad += 1;
            io.report.error(format_args!("--traffic {name}: {error}"));
        }
        let Traffic { windows, problems } = reader.finish();
        for BadRow { line, reason } in &problems.told {
            let message = format!("--traffic {name}:{line}: {reason}");
            anyhow::ensure!(!args.strict, message);
            io.report.complain("bad rows of traffic", message);
        }
        all.extend(windows);
    }
    Ok((all, bad))
}

/// Returns the directory of the capture files, if the configuration has it.
fn spool(config: &cli::Config) -> Option<PathBuf> {
    let spool = config.get(&ANALYSE, "spool").or_else(|| config.get(&COLLECT, "spool"))?;
    Some(PathBuf::from(spool.text()))
}

/// Returns the networks of `[site] inside` and `never`: no list for blocking has an address of them.
fn never(config: &cli::Config) -> anyhow::Result<Networks> {
    let mut all = Vec::new();
    for name in ["inside", "never"] {
        let Some(setting) = config.get(&SITE, name) else { continue };
        let nets: cli::Nets =
            setting.text().parse().map_err(Usage).context(setting.place.clone())?;
        all.extend(nets.load().context(setting.place.clone())?.iter().copied());
    }
    Ok(Networks::new(all))
}

/// Returns the store beside the site: `DIR.store`.
fn beside(dir: &Path) -> anyhow::Result<PathBuf> {
    let name = dir.file_name().ok_or_else(|| {
        Usage(format!(
            "-w {}: the store has no place beside it; name one with --store",
            dir.display()
        ))
    })?;
    let mut name: OsString = name.to_owned();
    name.push(".store");
    Ok(dir.with_file_name(name))
}

/// Writes one page of the input alone.
fn write_single(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let mut data = PageData::new(args.now.time);
    let read = read_files(&args, io, |item| {
        match item {
            Some(item) => data.item(item),
            None => data.bad_line(),
        }
        Ok(())
    })?;
    (0..read.bad_inputs).for_each(|_| data.bad_input());
    let page = args.write.join(single::NAME);
    let left = || format!("{} is left as it was", page.display());
    anyhow::ensure!(!read.kinds.is_something_else(), "{NO_FINDINGS}; {}", left());
    anyhow::ensure!(!data.is_unreadable(), "no input could be read, so {}", left());
    let effect = "the page shows both, and --last counts back from the earlier one";
    report_times(data.timeline(), effect, io).with_context(left)?;
    let show = Show {
        title: args.title,
        mask: args.mask,
        side: args.side.as_deref().and_then(Side::parse),
        last: args.last.unwrap_or(DAY),
    };
    single::publish(&args.write, &data.html(&show)?)?;
    Ok(if read.bad_inputs > 0 { Status::Failed } else { Status::Done })
}

/// The input of a run.
#[derive(Debug, Default)]
struct ReadInput {
    kinds: InputKinds,
    /// Inputs that could not be read to their end.
    bad_inputs: u64,
}

/// Reads all input and gives each finding and mark to `take`, and `None` for each line that is neither.
fn read_files(
    args: &Args,
    io: &mut Io,
    mut take: impl FnMut(Option<Item>) -> anyhow::Result<()>,
) -> anyhow::Result<ReadInput> {
    let mut read = ReadInput::default();
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { stdin.as_slice() } else { args.files.as_slice() };
    for path in files {
        let result = Input::open(path, &io.out)
            .map_err(ReadError::Input)
            .and_then(|input| read_findings(input, args.strict, &mut read.kinds, io, &mut take));
        match result {
            Ok(()) => {}
            Err(ReadError::Input(error)) => {
                read.bad_inputs += 1;
                io.report.error(format_args!("{}: {error}", path.display()));
            }
            Err(ReadError::Stop(error)) => return Err(error),
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Out, Report};
    use clap::CommandFactory;

    const HEAD: &str = "2001-07-01T00:20:00Z\t600\tscan\tsweep\t203.0.113.45\tsource\toutside\t6\t21\
        \t4064\t140.119.56.0/21\t4131\t4600\t184000\t6.89\t-\tnets=16>=2\t-\n";
    const END: &str = "#end\t2001-07-01T00:20:00Z\t600\tflows=64511\tstate=ok\ttool=nfscan\n";

    fn page_of(dir: &Path) -> PathBuf {
        dir.join(single::NAME)
    }

    fn nfpage(dir: &Path, more: &[&str]) -> anyhow::Result<Status> {
        let args = ["nfpage".as_ref(), "--single".as_ref(), "-w".as_ref(), dir.as_os_str()];
        let args = args.into_iter().chain(more.iter().map(AsRef::as_ref));
        let mut io = Io {
            config: cli::Config::default(),
            out: Out::new(std::io::sink()),
            report: Report::new("nfpage", Box::new(std::io::sink()), false, false),
        };
        run(Args::try_parse_from(args).unwrap(), &mut io)
    }

    #[test]
    fn clap_accepts_the_arguments() {
        Args::command().debug_assert();
        assert!(Args::try_parse_from(["nfpage"]).is_err(), "-w is needed");
        assert!(Args::try_parse_from(["nfpage", "-w", "x", "--title", ""]).is_err());
    }

    #[test]
    fn the_page_is_made_of_files_and_stays_if_none_can_be_read() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("www");
        let path = |name: &str| root.path().join(name);
        std::fs::write(path("good"), format!("{HEAD}{END}")).unwrap();
        std::fs::write(path("bad"), "nonsense\n").unwrap();
        let (good, bad) = (path("good"), path("bad"));
        let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
        assert_eq!(nfpage(&dir, &[good]).unwrap(), Status::Done);
        let page = std::fs::read_to_string(page_of(&dir)).unwrap();
        assert!(page.contains("203.0.113.45"));

        let error = nfpage(&dir, &[bad]).unwrap_err().to_string();
        assert!(error.ends_with("index.html is left as it was"), "{error}");
        let error = nfpage(&dir, &["--strict", good, bad]).unwrap_err().to_string();
        assert!(error.contains("bad:1: "), "{error}");
        assert_eq!(std::fs::read_to_string(page_of(&dir)).unwrap(), page);

        assert_eq!(nfpage(&dir, &[good, bad]).unwrap(), Status::Done);
        let page = std::fs::read_to_string(page_of(&dir)).unwrap();
        assert!(page.contains("1 line of the input could not be read."));
        assert_eq!(nfpage(&dir, &[good, "/no/such/file"]).unwrap(), Status::Failed);
        let page = std::fs::read_to_string(page_of(&dir)).unwrap();
        assert!(page.contains("1 file of the input could not be read."));
    }

    #[test]
    fn a_page_may_be_masked_and_of_one_side() {
        let root = tempfile::tempdir().unwrap();
        let good = root.path().join("good");
        std::fs::write(&good, format!("{HEAD}{END}")).unwrap();
        let good = good.to_str().unwrap();
        nfpage(root.path(), &["--mask", "--title", "Our <net>", good]).unwrap();
        let page = std::fs::read_to_string(page_of(root.path())).unwrap();
        assert!(page.contains("203.0.113.?") && !page.contains("203.0.113.45"));
        assert!(page.contains("<h1>Our &#60;net&#62;</h1>"));
        nfpage(root.path(), &["--side", "inside", good]).unwrap();
        let page = std::fs::read_to_string(page_of(root.path())).unwrap();
        assert!(!page.contains("203.0.113"));
    }
}
