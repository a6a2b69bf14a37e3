//! Which flows are wanted: an expression, findings, or both.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Args;
use super::evidence::Evidence;
use crate::cli::{Input, Io, Usage, parse_net, read_words};
use crate::filter::{Chosen, Context, EvidenceQueries, EvidenceQuery, Filter, MAX_LENGTH, Reason};
use crate::finding::{Finding, Host, Item, Role};
use crate::flow::Flow;
use crate::time::Window;
use crate::tool::findings::{Findings, InputKinds};

/// The most findings: more are no list that anyone made, and would take all memory.
const MAX_FINDINGS: usize = 1_000_000;

/// What a flow must be.
#[derive(Debug)]
pub(super) struct Wanted {
    filter: Option<Filter>,
    cases: Option<EvidenceQueries>,
    /// The evidence to gather, with --evidence.
    evidence: Option<Evidence>,
}

impl Wanted {
    /// What the arguments say, and the files to look for it.
    pub fn new(args: &Args, io: &mut Io) -> anyhow::Result<(Wanted, Vec<PathBuf>)> {
        let is_said = args.expr.is_some() || args.file.is_some() || !args.finding.is_empty();
        let (first, file) = match &args.expression {
            Some(word) if is_said => (None, Some(PathBuf::from(word))),
            first => (first.as_ref(), None),
        };
        let mut files: Vec<_> = file.into_iter().chain(args.files.iter().cloned()).collect();
        if files.is_empty() {
            files.push(PathBuf::from("-"));
        }
        let is_stdin = |path: &PathBuf| path.as_path() == Path::new("-");
        if args.finding.iter().filter(|path| is_stdin(path)).count() > 0
            && files.iter().any(is_stdin)
        {
            return Err(usage("findings and flow lines cannot both come from standard input"));
        }
        let text = match (&args.expr, &args.file, first) {
            (Some(text), ..) => Some(text.clone()),
            (_, Some(path), _) => Some(read(path).with_context(|| path.display().to_string())?),
            (_, _, Some(text)) => Some(utf8(text)?),
            (..) if is_said => None,
            (..) => {
                return Err(usage("no expression; 'any' means every flow, and --help says more"));
            }
        };
        let filter = text.map(|text| filter(&text, args, io)).transpose()?;
        let mut evidence = args.evidence.map(|_| Evidence::default());
        let cases =
            if args.finding.is_empty() { None } else { Some(cases(args, evidence.as_mut(), io)?) };
        if let (Some(evidence), Some(cases), Some(most)) = (&mut evidence, &cases, args.evidence) {
            evidence.begin(cases, most);
        }
        Ok((Wanted { filter, cases, evidence }, files))
    }

    /// Chooses the flows that are wanted of those that stand in the marked window `marked`.
    pub fn choose(&self, flows: &[Flow], marked: Option<Window>, chosen: &mut Chosen) {
        match &self.filter {
            Some(filter) => filter.select(flows, chosen),
            None => chosen.all(flows.len()),
        }
        if let Some(cases) = &self.cases {
            chosen.retain(|n| flows.get(n).is_some_and(|flow| cases.matches(flow, marked)));
        }
    }

    /// Returns what --evidence gathers, with the cases by which it does; `None` without the option.
    pub fn evidence(&mut self) -> Option<(&mut Evidence, &EvidenceQueries)> {
        self.evidence.as_mut().zip(self.cases.as_ref())
    }
}

fn usage(message: &str) -> anyhow::Error {
    Usage(message.to_owned()).into()
}

fn utf8(text: &OsString) -> anyhow::Result<String> {
    let text = text.to_str().map(str::to_owned);
    text.ok_or_else(|| usage("the expression is not UTF-8"))
}

/// An expression from a file; of one that is too long, enough to say so.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_LENGTH as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads an expression, or shows where it cannot be read.
fn filter(text: &str, args: &Args, io: &mut Io) -> anyhow::Result<Filter> {
    let inside = match &args.inside {
        Some(nets) => match nets.load().context("--inside")? {
            nets if nets.is_empty() => anyhow::bail!("--inside: no network in it"),
            nets => Some(nets),
        },
        None => None,
    };
    let mut file =
        |name: &str| read_words(name.as_ref(), parse_net).map_err(|error| format!("{error:#}"));
    let mut context = Context { inside: inside.as_deref(), file: &mut file };
    Filter::parse(text, &mut context).map_err(|error| {
        for line in error.pointed(text) {
            io.report.error(line);
        }
        let of =
            args.file.as_ref().map_or_else(String::new, |path| format!("{}: ", path.display()));
        let message = format!("{of}{error}");
        match error.reason {
            Reason::File(_) => anyhow::anyhow!(message),
            _ => Usage(message).into(),
        }
    })
}

/// The flows behind all findings of the files. Without one of the files nobody could tell what is
/// missing from the output, so each must be readable.
fn cases(
    args: &Args,
    mut evidence: Option<&mut Evidence>,
    io: &mut Io,
) -> anyhow::Result<EvidenceQueries> {
    let mut cases = Vec::new();
    let mut seen = InputKinds::default();
    for path in &args.finding {
        let name = path.display();
        let input = Input::open(path, &io.out).with_context(|| name.to_string())?;
        let mut findings = Findings::new(input, &mut seen);
        while let Some((number, item)) = findings.next().with_context(|| name.to_string())? {
            match item {
                Ok(item) => {
                    if let (Some(evidence), Item::Finding(finding)) = (&mut evidence, &item) {
                        evidence.add(finding)?;
                    }
                    cases.extend(case(item));
                }
                Err(error) => {
                    anyhow::ensure!(!args.strict, "{name}:{number}: {error}");
                    io.report.complain("bad lines", format_args!("{name}:{number}: {error}"));
                }
            }
            anyhow::ensure!(
                cases.len() <= MAX_FINDINGS,
                "{name}: more than {MAX_FINDINGS} findings"
            );
        }
    }
    anyhow::ensure!(
        !seen.is_something_else(),
        "no line of --finding could be read as a finding: give it what nfscan, nfflood or nfport print"
    );
    Ok(EvidenceQueries::new(cases))
}

fn case(item: Item) -> Option<EvidenceQuery> {
    let Item::Finding(finding) = item else { return None };
    let Finding { window, host, role, proto, port, .. } = *finding;
    let host = match host {
        Host::Address(address) => address.into(),
        Host::Prefix(net) => net,
    };
    Some(EvidenceQuery { window, host, is_source: role == Role::Source, proto, port })
}
