//! The site, `[page]` of the configuration: nfpage gets the findings and the traffic of the slots that it has not had.

use std::ffi::OsString;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anyhow::anyhow;

use super::clock::Clock;
use super::detectors::panic_text;
use super::messages::Messages;
use super::out_dir::OutDir;
use super::waiting::SITE;
use crate::cli::{Config, Io, Out, Report, Status, parse_as};
use crate::tool::nfpage;
use crate::tool::page_table::{PAGE, page_wanted};

/// The name of the site's store in OUT, if the configuration names none.
const STORE: &str = "page-store";

/// Returns true if the configuration wants a site.
pub(super) fn is_wanted(config: &Config) -> bool {
    page_wanted(config).is_some()
}

/// Gives nfpage the files that wait. Returns the reason if it failed; the files wait on then.
///
/// # Errors
/// The system's error of OUT.
pub(super) fn run(
    clock: Clock,
    out: &OutDir,
    incidents: Option<&Path>,
    config: &Config,
) -> io::Result<Option<String>> {
    let files = SITE.files(out)?;
    let said = Messages::default();
    let report = Report::new("nfpage", Box::new(said.clone()), false, false);
    let mut io = Io { out: Out::new(io::sink()), report, config: config.clone() };
    let line = line(clock, out, &files.paths, incidents, config);
    // A fault of our own must not end the job: the files wait, and a person hears of it.
    let result = catch_unwind(AssertUnwindSafe(|| {
        nfpage::run(parse_as::<nfpage::Args>(line, &io.config)?, &mut io)
    }))
    .unwrap_or_else(|panic| Err(anyhow!("a panic: {}", panic_text(panic.as_ref()))));
    io.report.finish();
    let mut said = said.lines();
    match result {
        // With status 1 the site is there, and says what is missing.
        Ok(Status::Done) => SITE.clear(out).map(|()| None),
        Ok(_) => SITE.clear(out).map(|()| Some(said.join("; "))),
        Err(error) => {
            SITE.shorten(&files, out)?;
            said.push(format!("nfpage: {error:#}"));
            Ok(Some(said.join("; ")))
        }
    }
}

/// Returns the command line. The configuration has the rest.
fn line(
    clock: Clock,
    out: &OutDir,
    findings: &[PathBuf],
    incidents: Option<&Path>,
    config: &Config,
) -> Vec<OsString> {
    let option = |name: &str, value: &Path| {
        let mut text = OsString::from(name);
        text.push(value);
        text
    };
    let mut line: Vec<OsString> = vec![format!("--now={}", clock.now().secs()).into()];
    if config.get(&PAGE, "store").is_none() {
        line.push(option("--store=", &out.path(STORE)));
    }
    // A masked site has neither owners nor traffic.
    if config.get(&PAGE, "mask").is_none_or(|mask| mask.text() != "true") {
        line.extend(incidents.map(|path| option("--incidents=", path)));
        let traffic = findings.iter().map(|path| path.with_extension(TRAFFIC));
        line.extend(traffic.filter(|path| path.exists()).map(|path| option("--traffic=", &path)));
    }
    line.push("--".into());
    line.extend(findings.iter().map(|path| path.clone().into_os_string()));
    // Without a file nfpage would read the job's own input.
    if findings.is_empty() {
        line.push("/dev/null".into());
    }
    line
}

/// The end of the names of traffic files.
const TRAFFIC: &str = "traffic.zst";
