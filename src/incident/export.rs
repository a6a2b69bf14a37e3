//! Incidents as lines of JSON, nfkit-incident(5): `incidents.jsonl` and `closed/YYYY-MM.jsonl`.
//!
//! A line is a [`Record`], one incident with its journal. Each key is always there; a value that is not
//! known, or that there is none of, is null. Times are RFC 3339 in UTC. Readers skip keys that they do not
//! know.
//!
//! | key | value |
//! |---|---|
//! | `id` | number of the incident |
//! | `host` | address, or network with its length |
//! | `role` | `source` or `target` |
//! | `side` | `inside`, `outside` or null |
//! | `state` | `pending`, `open`, `quiet` or `closed` |
//! | `reason` | of a closed one: `quiet`, `claimed` or `resolved`; else null |
//! | `ignored` | true if the incident is not closed and nobody is to hear of any of its matters |
//! | `changed` | data time of the last change of the state |
//! | `since`, `last` | start of the oldest and of the newest window with a finding |
//! | `windows` | number of windows with findings |
//! | `matters` | list of objects, see below, at most 64 |
//! | `more` | number of findings of further matters |
//! | `what` | one phrase for people |
//! | `owner` | list of mail addresses, empty if nobody is responsible |
//! | `network` | the network of the contacts that the host belongs to, or null |
//! | `network_kind` | `static`, `dynamic`, `shared` or `unknown` |
//! | `claim` | null, or `at`, `by`, `why` |
//! | `deadline` | null, or `announced`, `due`, `shadow` (true if nobody was told) |
//! | `wish` | the block that is asked for: `none`, `until-resolved`, or the time of its end |
//! | `next` | the next thing to happen: `what`, `at` (null if that depends on the data), `why` |
//! | `policy` | place of the policy that holds, or `default` |
//! | `previous` | number of the subject's incident before, or null |
//! | `mode` | `shadow` or `live` |
//! | `journal` | list of rows: `id`, `incident`, `data`, `wall`, `actor`, `what`, `from`, `to`, `reason`, `mode` |
//!
//! A matter has `kind` (`scan`, `flood`, `port`), `proto` and `port` (numbers, null if mixed), `classes`,
//! `marks`, `first` and `last` (starts of windows), `peak` (`measure`, `value`, `limit`, `ratio`, all null for
//! a rule without limit, and `window`), `ignored` (null, or `until`, `by`, `why`), `evidence` (the finding
//! line of the peak) and `newest` (the newest finding line).

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::contacts::NetworkKind;
use crate::finding::{Host, Kind, Role, Side};

use super::clauses::Mode;
use super::due::{Notice, next};
use super::machine::wish_text;
use super::policy::Rule;
use super::store::Entry;
use super::{Changed, Claim, CloseReason, Facts, Ignore, Incident, Matter, Peak, State, Wish};

/// An incident as the files have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Number.
    pub id: u64,
    /// The host or network.
    #[serde(with = "word")]
    pub host: Host,
    /// The part that it plays.
    #[serde(with = "word")]
    pub role: Role,
    /// The place of the host.
    pub side: Option<Side>,
    /// The state. A closed one has its reason in [`Record::reason`].
    #[serde(with = "word")]
    pub state: Course,
    /// The reason of closing.
    #[serde(with = "word::option")]
    pub reason: Option<CloseReason>,
    /// True if the incident is not closed and nobody is to hear of any of its matters.
    pub ignored: bool,
    /// Data time of the last change of the state, in Unix seconds.
    #[serde(with = "time")]
    pub changed: u64,
    /// Start of the oldest window with a finding, in Unix seconds.
    #[serde(with = "time")]
    pub since: u64,
    /// Start of the newest window with a finding, in Unix seconds.
    #[serde(with = "time")]
    pub last: u64,
    /// Number of windows with findings.
    pub windows: u64,
    /// The matters.
    pub matters: Vec<MatterRecord>,
    /// Findings of further matters.
    pub more: u64,
    /// One phrase for people.
    pub what: String,
    /// Mail addresses of those who are responsible.
    pub owner: Vec<String>,
    /// The network of the contacts that the host belongs to.
    pub network: Option<IpNet>,
    /// The kind of that network.
    #[serde(with = "word")]
    pub network_kind: NetworkKind,
    /// The newest claim.
    pub claim: Option<ClaimRecord>,
    /// The deadline.
    pub deadline: Option<DeadlineRecord>,
    /// The block that is asked for.
    #[serde(with = "wish")]
    pub wish: Wish,
    /// The next thing to happen.
    pub next: NextRecord,
    /// Place of the policy that holds.
    pub policy: String,
    /// The incident of the same subject before this one.
    pub previous: Option<u64>,
    /// The mode of the run that wrote this.
    #[serde(with = "word")]
    pub mode: Mode,
    /// The rows of the journal, in their order.
    pub journal: Vec<JournalRecord>,
}

/// The state of an incident without the reason of closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Course {
    /// Found in too few windows yet.
    Pending,
    /// Going on.
    Open,
    /// Not found for a while.
    Quiet,
    /// Over.
    Closed,
}

/// A matter of a [`Record`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MatterRecord {
    /// The family of rules.
    pub kind: Kind,
    /// IANA protocol number; `None` if mixed.
    pub proto: Option<u8>,
    /// Destination port; `None` if mixed.
    pub port: Option<u16>,
    /// The classes of its findings.
    pub classes: Vec<String>,
    /// The marks of its findings.
    pub marks: Vec<String>,
    /// Start of the oldest window with a finding, in Unix seconds.
    #[serde(with = "time")]
    pub first: u64,
    /// Start of the newest window with a finding, in Unix seconds.
    #[serde(with = "time")]
    pub last: u64,
    /// The value that was furthest beyond its limit.
    pub peak: PeakRecord,
    /// The decision to ignore it.
    pub ignored: Option<IgnoreRecord>,
    /// The finding line of the peak.
    pub evidence: String,
    /// The newest finding line.
    pub newest: String,
}

/// The peak of a [`MatterRecord`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PeakRecord {
    /// The name of the measure.
    pub measure: Option<String>,
    /// The value.
    pub value: Option<f64>,
    /// The limit.
    pub limit: Option<f64>,
    /// The value in times of the limit, to hundredths.
    pub ratio: Option<f64>,
    /// Start of the window, in Unix seconds.
    #[serde(with = "time")]
    pub window: u64,
}

/// A decision to ignore a matter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoreRecord {
    /// The end, in Unix seconds.
    #[serde(with = "time")]
    pub until: u64,
    /// The person.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRecord {
    /// The time, in Unix seconds.
    #[serde(with = "time")]
    pub at: u64,
    /// The person.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// A deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadlineRecord {
    /// The time of its announcement, in Unix seconds.
    #[serde(with = "time")]
    pub announced: u64,
    /// The end, in Unix seconds.
    #[serde(with = "time")]
    pub due: u64,
    /// True if nobody was told.
    pub shadow: bool,
}

/// The next thing to happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextRecord {
    /// The thing, see [`Next::what`](super::Next::what).
    pub what: String,
    /// The earliest time, in Unix seconds; `None` if that depends on the data.
    #[serde(with = "time::option")]
    pub at: Option<u64>,
    /// The reason or the condition.
    pub why: String,
}

/// A row of the journal, as the files and hooks have it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalRecord {
    /// Number of the row.
    pub id: u64,
    /// The incident; `None` for a change that is of none.
    pub incident: Option<u64>,
    /// Data time, in Unix seconds.
    #[serde(with = "time")]
    pub data: u64,
    /// Time of the run, in Unix seconds.
    #[serde(with = "time")]
    pub wall: u64,
    /// The program or person.
    pub actor: String,
    /// The thing that changed.
    #[serde(with = "word")]
    pub what: Changed,
    /// The value before, `-` if there was none.
    pub from: String,
    /// The value after.
    pub to: String,
    /// The reason.
    pub reason: String,
    /// Mode of the run.
    #[serde(with = "word")]
    pub mode: Mode,
}

/// All that a [`Record`] says beyond the incident itself.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// Mail addresses of those who are responsible.
    pub owner: &'a [String],
    /// The network of the contacts that the host belongs to.
    pub network: Option<IpNet>,
    /// The policy that holds.
    pub rule: &'a Rule,
    /// The facts about the host.
    pub facts: &'a Facts,
    /// The notices about the incident, in order.
    pub told: &'a [Notice],
    /// The journal of the incident, in order.
    pub journal: &'a [Entry],
}

impl Record {
    /// Returns the record of an incident.
    pub fn new(incident: &Incident, around: &Around) -> Record {
        let Incident { id, subject, body } = incident;
        let Around { owner, network, rule, facts, told, journal } = *around;
        let next = next(incident, told, rule, facts);
        let (state, reason) = match body.state {
            State::Pending => (Course::Pending, None),
            State::Open => (Course::Open, None),
            State::Quiet => (Course::Quiet, None),
            State::Closed(reason) => (Course::Closed, Some(reason)),
        };
        Record {
            id: *id,
            host: subject.host,
            role: subject.role,
            side: body.side,
            state,
            reason,
            // A closed one is not written again when a person's decision ends.
            ignored: !body.state.is_closed() && incident.is_ignored(facts.now),
            changed: body.changed,
            since: body.first,
            last: body.last,
            windows: body.windows,
            matters: body.matters.iter().map(MatterRecord::from).collect(),
            more: body.more,
            what: super::words::what(incident),
            owner: owner.to_vec(),
            network,
            network_kind: facts.network_kind,
            claim: body.claim.as_ref().map(ClaimRecord::from),
            deadline: body.deadline.map(|deadline| DeadlineRecord {
                announced: deadline.announced,
                due: deadline.due,
                shadow: deadline.is_shadow,
            }),
            wish: body.wish,
            next: NextRecord { what: next.what.to_owned(), at: next.at, why: next.why },
            policy: rule.place.clone(),
            previous: body.previous,
            mode: facts.mode,
            journal: journal.iter().map(JournalRecord::from).collect(),
        }
    }

    /// Parses a line, with or without its line ending.
    ///
    /// # Errors
    /// Returns the fault of the JSON, with its column.
    pub fn parse(line: &[u8]) -> Result<Record, serde_json::Error> {
        serde_json::from_slice(line)
    }
}

impl From<&Matter> for MatterRecord {
    fn from(matter: &Matter) -> MatterRecord {
        let Matter { key, classes, marks, first, last, peak, newest, ignored, .. } = matter;
        MatterRecord {
            kind: key.kind,
            proto: key.proto,
            port: key.port,
            classes: classes.iter().cloned().collect(),
            marks: marks.keys().cloned().collect(),
            first: *first,
            last: *last,
            peak: PeakRecord::from(peak),
            ignored: ignored.as_ref().map(IgnoreRecord::from),
            evidence: peak.line.clone(),
            newest: newest.clone(),
        }
    }
}

impl From<&Peak> for PeakRecord {
    fn from(peak: &Peak) -> PeakRecord {
        let condition = peak.condition.as_ref();
        PeakRecord {
            measure: condition.map(|condition| condition.measure.clone()),
            value: condition.map(|condition| condition.value),
            limit: condition.map(|condition| condition.limit),
            ratio: condition.map(|condition| (condition.ratio() * 100.0).round() / 100.0),
            window: peak.start,
        }
    }
}

impl From<&Ignore> for IgnoreRecord {
    fn from(ignore: &Ignore) -> IgnoreRecord {
        let Ignore { until, by, why } = ignore.clone();
        IgnoreRecord { until, by, why }
    }
}

impl From<&Claim> for ClaimRecord {
    fn from(claim: &Claim) -> ClaimRecord {
        let Claim { at, by, why } = claim.clone();
        ClaimRecord { at, by, why }
    }
}

impl From<&Entry> for JournalRecord {
    fn from(entry: &Entry) -> JournalRecord {
        let Entry { id, wall, mode, row } = entry.clone();
        JournalRecord {
            id,
            incident: row.incident,
            data: row.data,
            wall,
            actor: row.actor,
            what: row.what,
            from: row.from,
            to: row.to,
            reason: row.reason,
            mode,
        }
    }
}

/// A value that is one word in JSON.
trait Word: Sized {
    /// The name of such a value, for messages.
    const NAME: &'static str;

    fn to_word(&self) -> String;
    fn of_word(word: &str) -> Option<Self>;
}

/// Implements [`Word`] for enums that list their values.
macro_rules! listed {
    ($($type:ty, $name:literal, [$($value:expr),+];)+) => { $(
        impl Word for $type {
            const NAME: &'static str = $name;

            fn to_word(&self) -> String {
                self.as_str().to_owned()
            }

            fn of_word(word: &str) -> Option<$type> {
                [$($value),+].into_iter().find(|value| value.as_str() == word)
            }
        }
    )+ };
}

listed! {
    Course, "a state", [Course::Pending, Course::Open, Course::Quiet, Course::Closed];
    CloseReason, "a reason", [CloseReason::Quiet, CloseReason::Claimed, CloseReason::Resolved];
    Role, "a role", [Role::Source, Role::Target];
    Mode, "a mode", [Mode::Shadow, Mode::Live];
    NetworkKind, "a kind of network", [
        NetworkKind::Static, NetworkKind::Dynamic, NetworkKind::Shared, NetworkKind::Unknown
    ];
}

impl Course {
    /// Returns the word of the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Course::Pending => "pending",
            Course::Open => "open",
            Course::Quiet => "quiet",
            Course::Closed => "closed",
        }
    }
}

impl Word for Changed {
    const NAME: &'static str = "a change";

    fn to_word(&self) -> String {
        self.as_str().to_owned()
    }

    fn of_word(word: &str) -> Option<Changed> {
        Changed::parse(word)
    }
}

impl Word for Host {
    const NAME: &'static str = "a host";

    fn to_word(&self) -> String {
        self.text(false)
    }

    fn of_word(word: &str) -> Option<Host> {
        Host::parse(word)
    }
}

/// Serialises a [`Word`].
mod word {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::Word;

    pub(super) fn serialize<T: Word, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&value.to_word())
    }

    pub(super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        parse(&String::deserialize(from)?)
    }

    fn parse<T: Word, E: Error>(word: &str) -> Result<T, E> {
        T::of_word(word).ok_or_else(|| E::custom(format_args!("{word:?} is not {}", T::NAME)))
    }

    pub(super) mod option {
        use super::{Deserialize, Deserializer, Serializer, Word, parse};

        pub(in super::super) fn serialize<T: Word, S: Serializer>(
            value: &Option<T>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => to.serialize_some(&value.to_word()),
                None => to.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, T: Word, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<T>, D::Error> {
            let word: Option<String> = Option::deserialize(from)?;
            word.map(|word| parse(&word)).transpose()
        }
    }
}

/// Serialises Unix seconds as RFC 3339.
mod time {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::time::Timestamp;

    pub(super) fn serialize<S: Serializer>(seconds: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&text(*seconds))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        parse(&String::deserialize(from)?)
    }

    pub(super) fn text(seconds: u64) -> String {
        Timestamp::from_secs(seconds).rfc3339()
    }

    pub(super) fn parse<E: Error>(text: &str) -> Result<u64, E> {
        let time = Timestamp::parse(text.as_bytes());
        let wrong = || E::custom(format_args!("{text:?} is not a time in RFC 3339 UTC"));
        time.map(Timestamp::secs).ok_or_else(wrong)
    }

    pub(super) mod option {
        use super::{Deserialize, Deserializer, Serializer, parse, text};

        pub(in super::super) fn serialize<S: Serializer>(
            seconds: &Option<u64>,
            to: S,
        ) -> Result<S::Ok, S::Error> {
            match seconds {
                Some(seconds) => to.serialize_some(&text(*seconds)),
                None => to.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(
            from: D,
        ) -> Result<Option<u64>, D::Error> {
            let text: Option<String> = Option::deserialize(from)?;
            text.map(|text| parse(&text)).transpose()
        }
    }
}

/// Serialises a wish: `none`, `until-resolved`, or the time of its end.
mod wish {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Wish, time, wish_text};

    pub(super) fn serialize<S: Serializer>(wish: &Wish, to: S) -> Result<S::Ok, S::Error> {
        match wish {
            Wish::Until(end) => to.serialize_str(&time::text(*end)),
            Wish::None | Wish::UntilResolved => to.serialize_str(&wish_text(*wish)),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Wish, D::Error> {
        let word = String::deserialize(from)?;
        let named = [Wish::None, Wish::UntilResolved].into_iter().find(|w| wish_text(*w) == word);
        named.map_or_else(|| time::parse(&word).map(Wish::Until), Ok)
    }
}

#[cfg(test)]
mod tests;
