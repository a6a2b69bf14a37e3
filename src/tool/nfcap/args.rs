//! The arguments of nfcap, checked as text. Nothing is opened here.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgMatches, Parser, ValueHint};

use super::allow::{self, Exporters};
use super::exec::{HookPlan, MAX_JOBS};
use super::hook::{Hook, Words};
use crate::capture::spool::{Free, RetentionRules};
use crate::capture::{MAX_IDENT, Rate, is_ident};
use crate::cli::config::{Form, Key, Table, any};
use crate::cli::{self, Arguments, Common, Usage};

/// The reason why `--keep 0` is refused.
const NOTHING_KEPT: &str = "nothing would stay; to keep all files, say forever";

/// The seconds of a day, which slots divide.
const DAY: u32 = 86_400;

/// The highest level at which zstd does not take a hundred times the memory.
const MAX_LEVEL: i32 = 19;

/// The default level: the best of those that keep up with a gigabit of exports a second.
const LEVEL: i32 = 1;

/// The table `[collect]`. `--yes`, which is for one start only, has no key.
pub const COLLECT: Table = Table {
    name: "collect",
    keys: &[
        Key::path("spool", "The directory of the capture files").option("write"),
        Key::text("slot", |text| slot(text).map(drop), "The time of one file"),
        Key::text("compress", |text| compression(text).map(drop), "The compression of the files"),
        Key::duration("sync", "The time after which data is forced to the disk"),
        Key::text("queue", |text| queue(text).map(drop), "The memory for a slow disk"),
        Key::text("ident", |text| ident(text).map(drop), "The name of the collector"),
        Key::path("metrics_file", "The file of the counts, for Prometheus"),
        Key::new("bind", Form::List, address, "The addresses to listen at"),
        Key::new("port", Form::List, port, "The UDP ports to listen at"),
        Key::text("buffer", |text| buffer(text).map(drop), "The kernel's receive buffer"),
        Key::new(
            "allow",
            Form::Networks,
            |text| text.parse::<Exporters>().map(drop),
            "The exporters, some with a rate of their own",
        ),
        Key::new(
            "rate",
            Form::Word,
            |text| allow::rate(text).map(drop),
            "The most datagrams and bytes a second of each exporter",
        ),
        Key::text("user", any, "The user to switch to"),
        Key::text("group", any, "The group to switch to"),
        Key::text(
            "exec",
            |text| text.parse::<Words>().map(drop),
            "The command to run after each file, without a shell",
        ),
        Key::text(
            "exec_shell",
            |text| Hook::shell(text).map(drop),
            "The command to run after each file, through sh -c",
        ),
        Key::new(
            "exec_jobs",
            Form::Number,
            |text| jobs(text).map(drop),
            "The number of commands at a time",
        ),
        Key::text(
            "exec_limit",
            |text| limit(text).map(drop),
            "The time after which a command is ended",
        ),
        Key::text("keep", |text| keep(text).map(drop), "The age of files to remove"),
        Key::text("max_size", |text| max_size(text).map(drop), "The most bytes of all files"),
        Key::text("min_free", |text| free(text).map(drop), "The least free disk"),
    ],
    ..Table::PLAIN
};

/// The size of the kernel's receive buffer, if none is given.
pub const DEFAULT_BUFFER: &str = "32M";

/// The ids of the keys that say nothing of a stream.
const ABOUT_FILES: &[&str] = &["compress", "exec", "exec_shell", "max_size", "min_free"];

/// Collect flow exports from UDP into capture files.
///
/// Receives NetFlow, IPFIX and sFlow from routers and writes the datagrams undecoded, one file for
/// each slot of time, nfkit-capture(5). TERM and INT finish the file and end nfcap, HUP begins
/// another file and reads --allow again, USR1 prints the counts.
#[derive(Debug, Parser)]
#[command(name = "nfcap", version, max_term_width = 100)]
pub struct Args {
    /// Write the files into this directory, the spool; - writes one live stream to stdout
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) write: PathBuf,
    /// Begin a new file after this time, which must divide a day
    #[arg(short = 't', long, value_name = "DURATION", default_value = "10m", value_parser = slot)]
    pub(super) slot: u32,
    /// Compress the files; a level from 1 to 19 may follow, as in zstd:3
    #[arg(long, value_name = "zstd", value_parser = compression)]
    pub(super) compress: Option<i32>,
    /// Force received data to the disk after this time at the latest
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = cli::parse_duration)]
    pub(super) sync: Duration,
    /// Hold up to this many bytes in memory for a slow disk
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = queue)]
    pub(super) queue: u64,
    /// Give the collector this name in its files and metrics
    #[arg(long, value_name = "NAME", value_parser = ident)]
    pub(super) ident: Option<String>,
    /// Write the counts to this file, for Prometheus
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) metrics_file: Option<PathBuf>,
    #[command(flatten)]
    pub(super) network: Network,
    #[command(flatten)]
    pub(super) exec: Exec,
    #[command(flatten)]
    pub(super) retention: Retention,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Network")]
pub(super) struct Network {
    /// Listen at these addresses [default: all, IPv4 and IPv6]
    #[arg(short, long, value_name = "ADDR", value_delimiter = ',')]
    pub bind: Vec<IpAddr>,
    /// Listen at these UDP ports, 0 for any free one
    #[arg(short, long, value_name = "PORT", value_delimiter = ',', default_value = "9999")]
    pub port: Vec<u16>,
    /// Let the kernel hold up to this many bytes for each port
    #[arg(short = 'B', long, value_name = "SIZE", default_value = DEFAULT_BUFFER, value_parser = buffer)]
    pub buffer: usize,
    /// Accept datagrams of these exporters only: 192.0.2.1,2001:db8::/64=RATE or @FILE
    #[arg(long, value_name = "NETS", env = "NFKIT_ALLOW")]
    pub allow: Option<Exporters>,
    /// Limit each exporter to this many datagrams and bytes a second; SIZE defaults to 1500 bytes for
    /// each datagram
    #[arg(long, value_name = "DATAGRAMS[,SIZE]", value_parser = allow::rate)]
    pub rate: Option<Rate>,
    /// Switch to this user after binding the ports
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Switch to this group after binding the ports [default: the user's]
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Commands")]
pub(super) struct Exec {
    /// Run this command after each file, without a shell: %f is the file, %d the spool, %t and %u the
    /// start of the slot, %% a percent sign
    #[arg(short = 'x', long, value_name = "CMD", value_hint = ValueHint::CommandString)]
    exec: Option<Words>,
    /// Run this through sh -c after each file; "$NFCAP_FILE" is the file
    #[arg(long, value_name = "CMD", value_hint = ValueHint::CommandString, conflicts_with = "exec", value_parser = Hook::shell)]
    exec_shell: Option<Hook>,
    /// Run up to this many commands at a time
    #[arg(long, value_name = "N", default_value = "1", value_parser = jobs)]
    exec_jobs: usize,
    /// End a command that runs longer than this; 0 sets no limit
    #[arg(long, value_name = "DURATION", default_value = "10m", value_parser = limit)]
    exec_limit: Duration,
    /// Ignored, and to be removed: a command runs once for each file
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    exec_tries: Option<u32>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Retention")]
pub(super) struct Retention {
    /// Remove files of slots that began longer ago than this; "forever" keeps them
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = keep)]
    keep: Keep,
    /// Remove the oldest files while all of them take more than this: 200G
    #[arg(long, value_name = "SIZE", value_parser = max_size)]
    max_size: Option<u64>,
    /// Remove the oldest files while the disk has less free: 10G or 5%
    #[arg(long, value_name = "SIZE", value_parser = free)]
    min_free: Option<Free>,
    /// Remove files even if the first pass after the start removes more than half of them
    #[arg(long)]
    pub yes: bool,
    /// Print which files would be removed now, and end
    #[arg(long)]
    pub dry_run: bool,
}

/// The time for which files are kept; `None` for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Keep(Option<Duration>);

impl Args {
    /// Refuses options that need files where the output is a stream.
    ///
    /// # Errors
    /// Returns a usage error that names the option.
    pub(super) fn check(&self) -> Result<(), Usage> {
        let refused = |why: &str| Err(Usage(why.to_owned()));
        if !self.is_stream() {
            return Ok(());
        }
        if self.exec.exec.is_some() || self.exec.exec_shell.is_some() {
            return refused("--exec and --exec-shell need files, not a stream");
        }
        if self.compress.is_some() {
            return refused("--compress needs files, not a stream; pipe the stream into zstd");
        }
        if self.retention.dry_run
            || self.retention.yes
            || self.retention.max_size.is_some()
            || self.retention.min_free.is_some()
        {
            return refused("--max-size, --min-free, --yes and --dry-run need files, not a stream");
        }
        Ok(())
    }

    /// Returns true if the output is a stream on stdout, `--write -`.
    pub(super) fn is_stream(&self) -> bool {
        is_stdout(&self.write)
    }
}

/// Returns true if a path stands for standard output.
fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

impl Exec {
    /// Returns the command to run after each file, if there is one.
    pub fn plan(&self) -> Option<HookPlan> {
        let hook = self.exec.clone().map(Hook::Words).or_else(|| self.exec_shell.clone())?;
        let limit = Some(self.exec_limit).filter(|limit| !limit.is_zero());
        Some(HookPlan::new(hook, self.exec_jobs, limit))
    }

    /// Returns true if `--exec-tries` was given.
    pub const fn has_tries(&self) -> bool {
        self.exec_tries.is_some()
    }
}

impl Retention {
    /// Returns the rules by which files are removed; `None` if all stay.
    pub fn rules(&self) -> Option<RetentionRules> {
        let Retention { keep: Keep(keep), max_size, min_free, .. } = *self;
        let any = keep.is_some() || max_size.is_some() || min_free.is_some();
        any.then_some(RetentionRules { keep, max_size, min_free })
    }
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[&COLLECT];
    const READS_DEFAULT_FILE: bool = true;

    /// Returns the ids of keys about files if the output is a live stream, which has none.
    fn unused(given: &ArgMatches) -> &'static [&'static str] {
        match given.get_one::<PathBuf>("write") {
            Some(write) if is_stdout(write) => ABOUT_FILES,
            _ => &[],
        }
    }
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn address(text: &str) -> Result<(), String> {
    text.parse::<IpAddr>().map(drop).map_err(|_| format!("{text:?} is no IP address"))
}

fn port(text: &str) -> Result<(), String> {
    text.parse::<u16>().map(drop).map_err(|_| format!("{text:?} is no port from 0 to {}", u16::MAX))
}

fn slot(text: &str) -> Result<u32, String> {
    match cli::parse_seconds(text)? {
        0 => Err("a slot needs a length".to_owned()),
        seconds if DAY % seconds == 0 => Ok(seconds),
        _ => Err("a day must be a whole number of slots".to_owned()),
    }
}

fn compression(text: &str) -> Result<i32, String> {
    let (name, level) = text.split_once(':').map_or((text, None), |(name, n)| (name, Some(n)));
    let level = level.map_or(Some(LEVEL), |level| level.parse().ok());
    match (name, level) {
        ("zstd", Some(level @ 1..=MAX_LEVEL)) => Ok(level),
        ("zstd", _) => Err(format!("the level must be a number from 1 to {MAX_LEVEL}")),
        _ => Err("unknown compression; only zstd is supported".to_owned()),
    }
}

fn queue(text: &str) -> Result<u64, String> {
    match cli::parse_size(text)? {
        size if size >= 1 << 20 => Ok(size),
        _ => Err("the least is 1M, room for a few of the largest datagrams".to_owned()),
    }
}

fn buffer(text: &str) -> Result<usize, String> {
    match cli::parse_size(text)? {
        size @ 4096..=0x3fff_ffff => Ok(size as usize),
        _ => Err("must be from 4K to less than 1G, the limits of the kernel".to_owned()),
    }
}

fn ident(text: &str) -> Result<String, String> {
    if is_ident(text) {
        Ok(text.to_owned())
    } else {
        Err(format!("must be 1 to {MAX_IDENT} printable ASCII characters without a blank"))
    }
}

fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=MAX_JOBS) => Ok(jobs),
        _ => Err(format!("must be a number from 1 to {MAX_JOBS}")),
    }
}

fn keep(text: &str) -> Result<Keep, String> {
    match text {
        "forever" => Ok(Keep(None)),
        "0" => Err(NOTHING_KEPT.to_owned()),
        text => match cli::parse_duration(text)? {
            Duration::ZERO => Err(NOTHING_KEPT.to_owned()),
            keep => Ok(Keep(Some(keep))),
        },
    }
}

fn max_size(text: &str) -> Result<u64, String> {
    let why = "nothing would stay; without this option there is no limit";
    match text {
        "0" => Err(why.to_owned()),
        text => match cli::parse_size(text)? {
            0 => Err(why.to_owned()),
            size => Ok(size),
        },
    }
}

/// Parses a time limit; 0 sets none.
fn limit(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        text => cli::parse_duration(text),
    }
}

fn free(text: &str) -> Result<Free, String> {
    Free::parse(text, cli::parse_size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_divide_a_day() {
        for (text, seconds) in [("10m", 600), ("1s", 1), ("24h", DAY), ("90s", 90)] {
            assert_eq!(slot(text), Ok(seconds), "{text}");
        }
        for text in ["0", "7m", "25h", "48h", "1500ms", "ten"] {
            assert!(slot(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_that_would_remove_all_files_are_refused() {
        for text in ["0", "0s", "0d"] {
            assert_eq!(keep(text).unwrap_err(), NOTHING_KEPT, "{text}");
        }
        for text in ["0", "0G"] {
            assert!(max_size(text).unwrap_err().starts_with("nothing would stay"), "{text}");
        }
        // A number alone could mean seconds or days, bytes or gigabytes.
        assert!(keep("30").unwrap_err().contains("needs a unit: 30s, 30m, 30h"));
        assert_eq!(max_size("50").unwrap_err(), "a size needs a unit: 50M, 50G");
        assert_eq!(free("10").unwrap_err(), "a size needs a unit: 10M, 10G");
        assert!(free("10%").is_ok() && free("10G").is_ok());
        assert_eq!(limit("0"), Ok(Duration::ZERO));
        assert!(limit("10").is_err() && slot("600").is_err());
        assert!(queue("2097152").is_err() && buffer("65536").is_err());
    }

    #[test]
    fn clap_accepts_the_arguments() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
