//! nfpage: reads finding lines and writes one static page.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, ValueHint};

use super::findings::{InputKinds, NO_FINDINGS, Now, ReadError, read_findings, report_times};
use crate::cli::{self, Arguments, Common, Input, Io, Status, Table};
use crate::finding::Side;
use crate::page::single::{self as page, PageData, Show};

/// Show findings on a static web page.
///
/// Reads findings of nfscan, nfflood and nfport, nfkit-finding(5), as text or JSON, and writes
/// DIR/index.html: one page that needs no other file and no script.
#[derive(Debug, Parser)]
#[command(name = "nfpage", version, max_term_width = 100)]
pub struct Args {
    /// Read findings from these files, decompressed if need be; without one, or for -, from stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Write the page into this directory, which is created if need be
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    write: PathBuf,
    /// Give the page this heading
    #[arg(
        long, value_name = "TEXT", env = "NFKIT_TITLE", default_value = "Findings in network traffic",
        value_parser = NonEmptyStringValueParser::new()
    )]
    title: String,
    /// Show only windows that begin this long before the end of the newest, 0 for all
    #[arg(
        long, value_name = "DURATION", default_value = "24h", value_parser = cli::parse_seconds
    )]
    last: u32,
    #[command(flatten)]
    now: Now,
    /// Show only findings about hosts inside or outside
    #[arg(long, value_name = "SIDE", value_parser = ["inside", "outside"])]
    side: Option<String>,
    /// Hide the host part of every address, for publication
    #[arg(long)]
    mask: bool,
    /// Stop with status 1 at the first line that is not a finding, and leave the old page
    #[arg(long)]
    strict: bool,
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

/// Runs nfpage.
///
/// # Errors
/// Fails if the page cannot be written, if no input could be read, and under `--strict` at a bad line.
pub fn run(args: Args, io: &mut Io) -> anyhow::Result<Status> {
    let mut data = PageData::new(args.now.time);
    let (mut failed, mut seen) = (false, InputKinds::default());
    let stdin = [PathBuf::from("-")];
    let files = if args.files.is_empty() { stdin.as_slice() } else { args.files.as_slice() };
    for path in files {
        match read_file(path, args.strict, &mut data, &mut seen, io) {
            Ok(()) => {}
            Err(ReadError::Input(error)) => {
                failed = true;
                data.bad_input();
                io.report.error(format_args!("{}: {error}", path.display()));
            }
            Err(ReadError::Stop(error)) => return Err(error),
        }
    }
    let page = args.write.join(page::NAME);
    let left = || format!("{} is left as it was", page.display());
    anyhow::ensure!(!seen.is_something_else(), "{NO_FINDINGS}; {}", left());
    anyhow::ensure!(!data.is_unreadable(), "no input could be read, so {}", left());
    let effect = "the page shows both, and --last counts back from the earlier one";
    report_times(data.timeline(), effect, io).with_context(left)?;
    let show = Show {
        title: args.title,
        mask: args.mask,
        side: args.side.as_deref().and_then(Side::parse),
        last: args.last,
    };
    page::publish(&args.write, &data.html(&show)?)?;
    Ok(if failed { Status::Failed } else { Status::Done })
}

/// Adds the findings and marks of one input to the page.
fn read_file(
    path: &Path,
    strict: bool,
    data: &mut PageData,
    seen: &mut InputKinds,
    io: &mut Io,
) -> Result<(), ReadError> {
    let input = Input::open(path, &io.out).map_err(ReadError::Input)?;
    read_findings(input, strict, seen, io, |item| {
        match item {
            Some(item) => data.item(item),
            None => data.bad_line(),
        }
        Ok(())
    })
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
        dir.join(page::NAME)
    }

    fn nfpage(dir: &Path, more: &[&str]) -> anyhow::Result<Status> {
        let args = ["nfpage".as_ref(), "-w".as_ref(), dir.as_os_str()];
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
