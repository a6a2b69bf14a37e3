//! The history, reduced to the parts that a masked site shows. No type here holds an address.

use serde::Serialize;

use super::super::course::{Part, Seen};
use super::super::history::History;
use super::super::site::Options;
use super::key::MaskKey;
use crate::finding::words::{count, port};
use crate::finding::{Kind, Role, Side};
use crate::incident::State;
use crate::report::LocalTime;

/// The masked history.
#[derive(Debug)]
pub(super) struct MaskedSite {
    /// The sentence that says it all.
    pub heading: String,
    /// The notices about times that were not seen.
    pub notices: Vec<String>,
    /// The incidents that are not over.
    pub on: Vec<MaskedIncident>,
    /// The days, the oldest first.
    pub days: Vec<MaskedDay>,
    /// The zone of all times.
    pub zone: String,
}

/// A masked day.
#[derive(Debug, Serialize)]
pub(super) struct MaskedDay {
    pub date: String,
    pub incidents: Vec<MaskedIncident>,
    /// Incidents of hosts inside.
    pub inside: u64,
    pub windows: u64,
    pub whole: u64,
}

/// A masked incident.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct MaskedIncident {
    /// The hour in which it began, for the order: the newest first.
    order: (std::cmp::Reverse<u64>, String),
    /// The network and the pseudonym: `140.119.53.? (k7f2q)`.
    pub host: String,
    pub side: &'static str,
    /// The behaviour of the host, or of others towards it.
    pub what: &'static str,
    pub port: String,
    /// The hour of the first window.
    pub begun: String,
    /// The hour of the last window; `None` if it is not over.
    pub over: Option<String>,
    /// Flows of the peak, to two digits.
    pub flows: String,
}

impl MaskedSite {
    /// Reduces a history. `heading` and `notices` are of the index, and name no host.
    pub fn new(
        history: &History,
        options: &Options,
        key: &MaskKey,
        heading: String,
        notices: Vec<String>,
    ) -> MaskedSite {
        let zone = &options.zone;
        let incident = |part: &Part, is_over| masked(part, is_over, zone, key);
        let carry = &history.carry;
        let open = carry
            .running
            .iter()
            .filter(|one| matches!(one.body.state, State::Open | State::Pending));
        let mut on: Vec<MaskedIncident> =
            open.map(|running| incident(&running.part(&[], 0), false)).collect();
        on.sort();
        let days = history.days.iter().map(|(date, summary)| {
            let mut incidents: Vec<MaskedIncident> = summary
                .parts
                .iter()
                .map(|part| incident(part, part.state != State::Open))
                .collect();
            incidents.sort();
            let inside = summary.parts.iter().filter(|part| part.side == Some(Side::Inside));
            MaskedDay {
                date: date.to_string(),
                incidents,
                inside: inside.count() as u64,
                windows: summary.windows.len() as u64,
                whole: summary.windows.iter().filter(|row| row.seen == Seen::Whole).count() as u64,
            }
        });
        MaskedSite { heading, notices, on, days: days.collect(), zone: zone.name().to_owned() }
    }
}

fn masked(part: &Part, is_over: bool, zone: &LocalTime, key: &MaskKey) -> MaskedIncident {
    let date = zone.date(part.first);
    let month = format!("{}-{:02}", date.year(), date.month());
    let pseudonym = key.pseudonym(&month, &part.host.text(false));
    let network = part.host.text(true);
    let hour = |seconds: u64| {
        let text = zone.text(seconds / 3600 * 3600);
        text.rsplit_once(' ').map_or(text.clone(), |(text, _)| text.to_owned())
    };
    MaskedIncident {
        order: (std::cmp::Reverse(part.first / 3600), pseudonym.clone()),
        host: format!("{network} ({pseudonym})"),
        side: match part.side {
            Some(Side::Inside) => "inside",
            Some(Side::Outside) => "outside",
            None => "unknown",
        },
        what: what(part),
        port: port(part.proto, part.port),
        begun: hour(part.first),
        over: is_over.then(|| hour(part.last_end)),
        flows: two_digits(part.flows),
    }
}

/// Returns the kinds of attack in words that name nobody.
fn what(part: &Part) -> &'static str {
    let scan = part.kinds.has(Kind::Scan);
    match (part.role, scan, part.kinds.has(Kind::Flood), part.kinds.has(Kind::Port)) {
        (Role::Source, true, _, true) => "Scans, and attacks a port",
        (Role::Source, true, ..) => "Scans",
        (Role::Source, _, _, true) => "Attacks a port",
        (Role::Source, _, true, _) => "Floods others",
        (Role::Target, _, true, _) => "Is flooded",
        (Role::Source, ..) => "Attacks",
        (Role::Target, ..) => "Is attacked",
    }
}

/// Returns a number rounded to two digits: `200,000` for 199,833.
fn two_digits(number: u64) -> String {
    let unit = number.checked_ilog10().map_or(1, |digits| 10u64.pow(digits.saturating_sub(1)));
    let half = number.saturating_add(unit / 2);
    count(half - half % unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_two_digits() {
        for (number, text) in
            [(0, "0"), (7, "7"), (99, "99"), (104, "100"), (105, "110"), (199_833, "200,000")]
        {
            assert_eq!(two_digits(number), text);
        }
    }
}
