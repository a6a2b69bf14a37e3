//! A finding as eighteen named values: the step between the record and both of its line forms.
//!
//! Text and JSON differ only in how they write a value, so both convert to and from a [`Row`], and foreign
//! input is checked here, once.

use serde::{Deserialize, Serialize};

use super::record::{
    Finding, Host, Kind, MAX_PEERS, MAX_SAMPLES, Peer, Rate, Role, Sample, Side, number,
};
use super::renamed::{current_class, current_why};
use super::why::masked_why;
use crate::time::{MarkError, Window};

/// The reason why a line is not a finding.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A column has a value that it cannot have.
    #[error("{column} cannot be {value:?}")]
    Value {
        /// The column's name.
        column: &'static str,
        /// The value.
        value: String,
    },
    /// An address was masked for publication, so nobody can act on it.
    #[error("{column} {value:?} is masked: mask only what is published, after analysis")]
    Masked {
        /// The column's name.
        column: &'static str,
        /// The value.
        value: String,
    },
    /// A column is missing.
    #[error("the line has {found} columns and no {column}")]
    Missing {
        /// The first missing column.
        column: &'static str,
        /// The number of columns that are there.
        found: usize,
    },
    /// `#fields` does not name a column that every finding has.
    #[error("#fields names no {0}")]
    Fields(&'static str),
    /// The columns of the line are not known, because the `#fields` line before it was refused.
    #[error("unknown columns: the #fields line before was refused")]
    Unknown,
    /// The line is longer than a finding line can be.
    #[error("line longer than {limit} bytes")]
    Long {
        /// The limit in bytes.
        limit: usize,
    },
    /// The line is not UTF-8.
    #[error("not UTF-8 at byte {0}")]
    Utf8(usize),
    /// The line is not a JSON object whose keys are the columns.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The line is a malformed mark.
    #[error(transparent)]
    Mark(#[from] MarkError),
}

/// The eighteen columns in their order. `None` is written `-`, and `null` in JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub window: Option<String>,
    pub seconds: Option<u32>,
    pub kind: String,
    pub class: String,
    pub host: String,
    pub role: String,
    pub side: Option<String>,
    pub proto: Option<u8>,
    pub port: Option<u16>,
    pub peers: u64,
    pub peer: Option<String>,
    pub flows: u64,
    pub packets: u64,
    pub octets: u64,
    #[serde(with = "rate")]
    pub rate: Rate,
    pub marks: Option<String>,
    pub why: Option<String>,
    pub sample: Option<String>,
}

/// Reads and writes a rate as a JSON number with two decimals.
mod rate {
    use super::Rate;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(rate: &Rate, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(rate.0 as f64 / 100.0)
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Rate, D::Error> {
        let rate = f64::deserialize(from)?;
        if !(0.0..1e17).contains(&rate) {
            return Err(D::Error::custom("rate out of range"));
        }
        Ok(Rate((rate * 100.0).round() as u64))
    }
}

fn join(items: Vec<String>, separator: &str) -> Option<String> {
    (!items.is_empty()).then(|| items.join(separator))
}

impl Row {
    pub(super) fn new(finding: &Finding, mask: bool) -> Row {
        let mut peer: Vec<String> =
            finding.peer.iter().take(MAX_PEERS).map(|peer| peer.text(mask)).collect();
        let more = finding.more + finding.peer.len().saturating_sub(MAX_PEERS) as u64;
        if more > 0 {
            peer.push(format!("+{more}"));
        }
        let sample = finding.sample.iter().take(MAX_SAMPLES).map(|s| s.text(mask)).collect();
        Row {
            window: finding.window.map(Window::start_text),
            seconds: finding.window.map(Window::seconds),
            kind: finding.kind.to_string(),
            class: finding.class.clone(),
            host: finding.host.text(mask),
            role: finding.role.to_string(),
            side: finding.side.map(|side| side.to_string()),
            proto: finding.proto,
            port: finding.port,
            peers: finding.peers,
            peer: join(peer, ","),
            flows: finding.flows,
            packets: finding.packets,
            octets: finding.octets,
            rate: finding.rate,
            marks: join(finding.marks.clone(), ","),
            why: (!finding.why.is_empty())
                .then(|| if mask { masked_why(&finding.why) } else { finding.why.clone() }),
            sample: join(sample, ";"),
        }
    }

    /// Returns the finding, with the current name of its class.
    ///
    /// # Errors
    /// Returns an error for the first value that is not in its documented form.
    pub(super) fn into_finding(self) -> Result<Finding, Error> {
        let seconds = self.seconds.map_or_else(|| "-".to_owned(), |seconds| seconds.to_string());
        let start = self.window.as_deref().unwrap_or("-");
        let window = Window::parse(start, &seconds)
            .ok_or_else(|| value("window", &format!("{start} {seconds}")))?;
        if !is_word(&self.class) {
            return Err(value("class", &self.class));
        }
        let host = Host::parse(&self.host).ok_or_else(|| address("host", &self.host))?;
        let (mut peer, mut more) = (Vec::new(), 0);
        for item in list(self.peer.as_deref(), ',') {
            // The count of further entries must be the last one.
            if more > 0 {
                return Err(value("peer", item));
            }
            match item.strip_prefix('+').and_then(number) {
                Some(rest) if rest > 0 => more = rest,
                _ => peer.push(Peer::parse(item).ok_or_else(|| address("peer", item))?),
            }
        }
        if peer.len() > MAX_PEERS {
            return Err(value("peer", &format!("{} entries", peer.len())));
        }
        let marks: Vec<String> = list(self.marks.as_deref(), ',').map(str::to_owned).collect();
        if let Some(bad) = marks.iter().find(|mark| !is_word(mark)) {
            return Err(value("marks", bad));
        }
        let why = self.why.unwrap_or_default();
        if why.chars().any(char::is_control) {
            return Err(value("why", &why));
        }
        let sample = list(self.sample.as_deref(), ';')
            .map(|item| Sample::parse(item).ok_or_else(|| address("sample", item)))
            .collect::<Result<Vec<_>, _>>()?;
        if sample.len() > MAX_SAMPLES {
            return Err(value("sample", &format!("{} flows", sample.len())));
        }
        let side = match self.side.as_deref() {
            None => None,
            Some(side) => Some(Side::parse(side).ok_or_else(|| value("side", side))?),
        };
        let kind = Kind::parse(&self.kind).ok_or_else(|| value("kind", &self.kind))?;
        Ok(Finding {
            window,
            kind,
            class: current_class(kind, &self.class).to_owned(),
            host,
            role: Role::parse(&self.role).ok_or_else(|| value("role", &self.role))?,
            side,
            proto: self.proto,
            port: self.port,
            peers: self.peers,
            peer,
            more,
            flows: self.flows,
            packets: self.packets,
            octets: self.octets,
            rate: self.rate,
            marks,
            why: current_why(kind, why),
            sample,
        })
    }
}

/// Returns true if `text` can be a class or a mark: at most 32 lower-case letters, digits and `-`,
/// beginning with a letter.
fn is_word(text: &str) -> bool {
    text.len() <= 32
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn list(text: Option<&str>, separator: char) -> impl Iterator<Item = &str> {
    text.into_iter().flat_map(move |text| text.split(separator))
}

pub(super) fn value(column: &'static str, value: &str) -> Error {
    Error::Value { column, value: value.to_owned() }
}

/// Returns the error for a column that should hold addresses.
fn address(column: &'static str, found: &str) -> Error {
    if found.contains('?') {
        Error::Masked { column, value: found.to_owned() }
    } else {
        value(column, found)
    }
}
