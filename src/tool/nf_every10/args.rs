//! The arguments of nf-every10.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueHint};

use super::retain::Keep;
use crate::cli::{self, Arguments, Common, Table};
use crate::time::Timestamp;
use crate::tool::analyse::{ANALYSE, KEEP};
use crate::tool::findings::parse_time;
use crate::tool::nfcap::COLLECT;
use crate::tool::nfnotify::{HOOK, INCIDENT, MAIL, POLICY};
use crate::tool::page_table::PAGE;
use crate::tool::site::SITE;
use crate::tool::{nfflood, nfport, nfscan};

/// Options of the detectors that say something about their classes.
const OF_CLASSES: [&str; 3] = ["limits", "survey", "outside-if"];

/// Flow lines that are kept beside each finding, if nobody says otherwise.
pub(super) const EVIDENCE: u64 = 1000;

/// Analyse each finished capture file of a spool, in order; results go to OUT.
///
/// Decodes each slot once and gives its flows to nfscan, nfflood and nfport. Meant to be started every
/// ten minutes by a timer, or by nfcap after each file, or by both; each run does all pending work.
#[derive(Clone, Debug, Parser)]
#[command(name = "nf-every10", version, max_term_width = 100)]
pub struct Args {
    /// Analyse the capture files of this directory, which nfcap writes to
    #[arg(value_name = "SPOOL", value_hint = ValueHint::DirPath)]
    pub(super) spool: Option<PathBuf>,
    /// Write the results to this directory
    #[arg(value_name = "OUT", value_hint = ValueHint::DirPath)]
    pub(super) out: Option<PathBuf>,
    /// Take these as our networks: 140.119.0.0/16,2001:288::/32 or @FILE
    #[arg(id = "given-inside", long = "inside", value_name = "NETS")]
    pub(super) inside: Option<String>,
    /// Ignore flows that match a line `src dst [proto/port]` of this file
    #[arg(id = "given-ignore", long = "ignore", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) ignore: Option<String>,
    /// Read limits of the classes by network from this file: lines `network,class,value`
    #[arg(id = "given-limits", long = "limits", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) limits: Option<String>,
    /// Give these networks, which scan openly for research, the class `survey`: networks or @FILE
    #[arg(id = "given-survey", long = "survey", value_name = "NETS")]
    pub(super) survey: Option<String>,
    /// Take inside addresses that enter through these interfaces (SNMP ifIndex) as forged
    #[arg(id = "given-outside-if", long = "outside-if", value_name = "IFS")]
    pub(super) outside_if: Option<String>,
    /// Count in this much memory, a third for each detector, and beyond it in temporary files
    /// [default: a quarter of the RAM]
    #[arg(long, value_name = "SIZE", value_parser = cli::parse_size, env = "NFKIT_MEMORY")]
    pub(super) memory: Option<u64>,
    /// Give nfscan this option too, such as --nfscan=--side=inside; repeat it for more
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub(super) nfscan: Vec<String>,
    /// Give nfflood this option too
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub(super) nfflood: Vec<String>,
    /// Give nfport this option too
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub(super) nfport: Vec<String>,
    /// Keep at most this many flow lines beside each finding
    #[arg(long, value_name = "N", default_value_t = EVIDENCE)]
    pub(super) evidence: u64,
    /// Remove results that are older than these ages: evidence=30d,findings=400d
    /// [default: these ages; none in an OUT of an earlier version]
    #[arg(id = "ages", long = "keep", value_name = "AGES")]
    pub(super) keep: Option<Keep>,
    /// Set aside slots that start more than one slot after this time, such as 2001-07-01T00:20:00Z
    /// [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = parse_now)]
    pub(super) now: Option<Timestamp>,
    /// Say whether the job sees the site as it should, a line for each point, and analyse nothing
    #[arg(long)]
    pub(super) check: bool,
    /// Run this command after the analysis, with the new findings files as further arguments; this
    /// must be the last option
    #[arg(long, value_name = "CMD", num_args = 1.., allow_hyphen_values = true)]
    pub(super) then: Vec<OsString>,
    #[command(flatten)]
    common: Common,
}

impl Arguments for Args {
    const TABLES: &'static [&'static Table] = &[
        &SITE,
        &COLLECT,
        &ANALYSE,
        &KEEP,
        &nfscan::TABLE,
        &nfflood::TABLE,
        &nfport::TABLE,
        &INCIDENT,
        &MAIL,
        &POLICY,
        &HOOK,
        &PAGE,
    ];
    const READS_DEFAULT_FILE: bool = true;
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

impl Args {
    /// Returns a detector's own words.
    pub(super) fn own_words(&self, detector: &str) -> &[String] {
        match detector {
            "nfscan" => &self.nfscan,
            "nfflood" => &self.nfflood,
            _ => &self.nfport,
        }
    }

    /// Returns the words that a detector gets, besides its own.
    pub(super) fn shared_words(&self, detector: &str) -> Vec<String> {
        let for_all =
            [("inside", &self.inside), ("ignore", &self.ignore), ("limits", &self.limits)];
        let own = match detector {
            "nfscan" => Some(("survey", &self.survey)),
            "nfflood" => Some(("outside-if", &self.outside_if)),
            _ => None,
        };
        // The paper's rules know nothing of these.
        let has_paper = self.own_words(detector).iter().any(|word| word == "--paper");
        let all = for_all.into_iter().chain(own);
        let all = all.filter(|(name, _)| !(has_paper && OF_CLASSES.contains(name)));
        all.filter_map(|(name, value)| Some(format!("--{name}={}", value.as_ref()?))).collect()
    }
}

/// Parses a time: RFC 3339, a date (its first moment, UTC), or Unix seconds.
fn parse_now(text: &str) -> Result<Timestamp, String> {
    parse_time(text).or_else(|_| parse_time(&format!("{text}T00:00:00Z"))).map_err(|_| {
        "not a time such as 2001-07-01T00:20:00Z, 2001-07-01 or Unix seconds".to_owned()
    })
}
