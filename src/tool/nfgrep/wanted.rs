//! Selects flows by an expression, by findings, or by both.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::args::Args;
use super::evidence::Evidence;
use crate::cli::{Input, Io, Usage, parse_net, read_words};
use crate::filter::{Chosen, Context, EvidenceQueries, EvidenceQuery, Filter, MAX_LENGTH, Reason};
use crate::finding::{Finding, Host, Item, Role};
use crate::flow::Flow;
use crate::time::Window;
use crate::tool::findings::{InputKinds, ReadError, read_findings};
use crate::tool::inside;

/// The most findings. A longer list is a mistake and would take all memory.
const MAX_FINDINGS: usize = 1_000_000;

/// The selection of flows.
#[derive(Debug)]
pub(super) struct Wanted {
    /// The expression.
    filter: Option<Filter>,
    /// The queries of `--finding`.
    queries: Option<EvidenceQueries>,
    /// The evidence to gather, with `--evidence`.
    evidence: Option<Evidence>,
}

impl Wanted {
    /// Returns the selection and the files to select from.
    ///
    /// # Errors
    /// Fails if the expression cannot be parsed or a file of findings cannot be read.
    pub fn new(args: &Args, io: &mut Io) -> anyhow::Result<(Wanted, Vec<PathBuf>)> {
        let has_selection = args.expr.is_some() || args.file.is_some() || !args.finding.is_empty();
        let (first, file) = match &args.expression {
            Some(word) if has_selection => (None, Some(PathBuf::from(word))),
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
            (..) if has_selection => None,
            (..) => {
                return Err(usage("no expression; use 'any' for every flow, and see --help"));
            }
        };
        let filter = text.map(|text| filter(&text, args, io)).transpose()?;
        let mut evidence = args.evidence.map(|_| Evidence::default());
        let queries = if args.finding.is_empty() {
            None
        } else {
            Some(read_queries(args, evidence.as_mut(), io)?)
        };
        if let (Some(evidence), Some(queries), Some(most)) =
            (&mut evidence, &queries, args.evidence)
        {
            evidence.begin(queries, most);
        }
        Ok((Wanted { filter, queries, evidence }, files))
    }

    /// Chooses the wanted flows of a batch in the marked window `marked`.
    pub fn choose(&self, flows: &[Flow], marked: Option<Window>, chosen: &mut Chosen) {
        match &self.filter {
            Some(filter) => filter.select(flows, chosen),
            None => chosen.all(flows.len()),
        }
        if let Some(queries) = &self.queries {
            chosen.retain(|n| flows.get(n).is_some_and(|flow| queries.matches(flow, marked)));
        }
    }

    /// Returns the evidence and the queries by which it is gathered; `None` without `--evidence`.
    pub fn evidence(&mut self) -> Option<(&mut Evidence, &EvidenceQueries)> {
        self.evidence.as_mut().zip(self.queries.as_ref())
    }
}

fn usage(message: &str) -> anyhow::Error {
    Usage(message.to_owned()).into()
}

fn utf8(text: &OsString) -> anyhow::Result<String> {
    let text = text.to_str().map(str::to_owned);
    text.ok_or_else(|| usage("the expression is not UTF-8"))
}

/// Reads an expression from a file, or enough of a too long one to refuse it.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_LENGTH as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Parses an expression, or shows where it is wrong.
fn filter(text: &str, args: &Args, io: &mut Io) -> anyhow::Result<Filter> {
    let inside = inside::load(args.inside.as_ref())?;
    let mut file =
        |name: &str| read_words(name.as_ref(), parse_net).map_err(|error| format!("{error:#}"));
    let mut context = Context { inside: inside.as_deref(), file: &mut file };
    Filter::parse(text, &mut context).map_err(|error| {
        for line in error.pointed(text) {
            io.report.error(line);
        }
        let message = match &args.file {
            Some(path) => format!("{}: {error}", path.display()),
            None => error.to_string(),
        };
        match error.reason {
            Reason::File(_) => anyhow::anyhow!(message),
            _ => Usage(message).into(),
        }
    })
}

/// Reads the findings of all files. Each file must be readable, because nobody could tell what is
/// missing from the output without one of them.
fn read_queries(
    args: &Args,
    mut evidence: Option<&mut Evidence>,
    io: &mut Io,
) -> anyhow::Result<EvidenceQueries> {
    let mut queries = Vec::new();
    let mut seen = InputKinds::default();
    for path in &args.finding {
        let name = path.display();
        let input = Input::open(path, &io.out).with_context(|| name.to_string())?;
        let read = read_findings(input, args.strict, &mut seen, io, |item| {
            let Some(Item::Finding(finding)) = item else { return Ok(()) };
            if let Some(evidence) = &mut evidence {
                evidence.add(&finding)?;
            }
            queries.push(query(&finding));
            anyhow::ensure!(
                queries.len() <= MAX_FINDINGS,
                "{name}: more than {MAX_FINDINGS} findings"
            );
            Ok(())
        });
        match read {
            Ok(()) => {}
            Err(ReadError::Input(error)) => return Err(error).context(name.to_string()),
            Err(ReadError::Stop(error)) => return Err(error),
        }
    }
    anyhow::ensure!(
        !seen.is_something_else(),
        "no line of --finding could be read as a finding; give it the output of nfscan, nfflood or \
         nfport"
    );
    Ok(EvidenceQueries::new(queries))
}

fn query(finding: &Finding) -> EvidenceQuery {
    let Finding { window, host, role, proto, port, .. } = *finding;
    let host = match host {
        Host::Address(address) => address.into(),
        Host::Prefix(net) => net,
    };
    EvidenceQuery { window, host, is_source: role == Role::Source, proto, port }
}
