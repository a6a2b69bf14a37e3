//! `[[policy]]`: what is done about an incident. The first line that matches holds.

use std::ops::RangeInclusive;

use anyhow::Context;
use jiff::tz::TimeZone;

use super::incident::{INCIDENT, keep};
use super::values::{duration_text, none_of, seconds};
use crate::cli::config::{Entry, Fault, Form, Key, Table, nearest};
use crate::cli::{Config, Nets, Usage};
use crate::contacts::NetworkKind;
use crate::detect::{classes, parse_proto};
use crate::finding::{Kind, Role, Side, current_metric};
use crate::flow::Networks;
use crate::incident::{Act, BAN_STEPS, Hours, Opening, PortMatch, Rule};
use crate::tool::site::time_zone;

/// The most windows that `open` looks back over.
const MAX_OPEN: u32 = 64;

/// The clean windows that `quiet` may ask for: at most a week of ten minutes each.
const QUIET: RangeInclusive<u64> = 1..=1000;

/// The keys that are conditions. The others say what is done.
const CONDITIONS: [&str; 7] = ["kind", "class", "side", "role", "network", "port", "network_kind"];

/// The table `[[policy]]`.
pub const POLICY: Table = Table {
    name: "policy",
    keys: &[
        Key::new("kind", Form::List, |text| kind(text).map(drop), "The kinds of findings to match"),
        Key::new("class", Form::List, class, "The classes of findings to match"),
        Key::text("side", |text| side(text).map(drop), "The side of the hosts to match"),
        Key::text("role", |text| role(text).map(drop), "The role of the hosts to match"),
        Key::networks("network", "The networks to match"),
        Key::new("port", Form::List, |text| port(text).map(drop), "The ports to match"),
        Key::new(
            "network_kind",
            Form::List,
            |text| network_kind(text).map(drop),
            "The kinds of networks to match, as the contacts file says them",
        ),
        Key::text("act", |text| act(text).map(drop), "The act: none, mail, isolate or ban"),
        Key::text(
            "open",
            |text| open(text).map(drop),
            "The windows with findings that open an incident, such as 2 of 3",
        ),
        Key::new(
            "quiet",
            Form::Number,
            |text| quiet(text).map(drop),
            "The clean windows after which an incident is quiet",
        ),
        time("close", "The time of clean windows after which a quiet incident is closed"),
        time("deadline", "The time between the mail and the isolation"),
        time("remind", "The time between two reminders"),
        Key::text(
            "hours",
            |text| Hours::parse(text, TimeZone::UTC).map(drop),
            "The working hours that a deadline counts, such as Mon-Fri 08-18",
        ),
        Key::text(
            "timezone",
            |text| time_zone(text).map(drop),
            "The time zone of hours, if it is not that of the site",
        ),
        time("claim_pause", "The time by which a claim puts the deadline off"),
        time("until", "The time after which an isolated host comes free by itself"),
    ],
    is_repeated: true,
    check,
};

/// Returns a key for a duration of at least a second.
const fn time(name: &'static str, help: &'static str) -> Key {
    Key::text(name, |text| seconds(text).map(drop), help)
}

fn kind(text: &str) -> Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| none_of(text, &["scan", "flood", "port"]))
}

/// Accepts a word that may be a class. Later versions have further ones.
fn class(text: &str) -> Result<(), String> {
    if text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Ok(());
    }
    Err(format!("{text:?} is no class, a word of lower-case letters, digits and -"))
}

fn side(text: &str) -> Result<Side, String> {
    Side::parse(text).ok_or_else(|| none_of(text, &["inside", "outside"]))
}

fn role(text: &str) -> Result<Role, String> {
    Role::parse(text).ok_or_else(|| none_of(text, &["source", "target"]))
}

/// Parses `22` or `tcp/22`. Protocols have the names that the file of `--ignore` uses, or numbers.
fn port(text: &str) -> Result<PortMatch, String> {
    let wrong = || format!("{text:?} is not a port such as 22 or tcp/22");
    let (proto, port) = match text.split_once('/') {
        Some((proto, port)) => (Some(parse_proto(proto).ok_or_else(wrong)?), port),
        None => (None, text),
    };
    Ok(PortMatch { proto, port: number(port).ok_or_else(wrong)? })
}

/// Parses a number of digits alone: `parse` would accept a sign.
fn number<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

fn network_kind(text: &str) -> Result<NetworkKind, String> {
    let mut known = NetworkKind::STATED.into_iter().chain([NetworkKind::Unknown]);
    known
        .find(|kind| kind.as_str() == text)
        .ok_or_else(|| none_of(text, &["static", "dynamic", "shared", "unknown"]))
}

fn act(text: &str) -> Result<Act, String> {
    Act::parse(text).ok_or_else(|| none_of(text, &["none", "mail", "isolate", "ban"]))
}

fn open(text: &str) -> Result<Opening, String> {
    let numbers = match text.split_whitespace().collect::<Vec<_>>()[..] {
        [finds, "of", windows] => number(finds).zip(number(windows)),
        _ => None,
    };
    let (finds, of) =
        numbers.ok_or_else(|| format!("{text:?} is not a text such as \"2 of 3\""))?;
    if 1 <= finds && finds <= of && of <= MAX_OPEN {
        return Ok(Opening { finds, of });
    }
    Err(format!("{text:?} is not N of M with N from 1 to M and M up to {MAX_OPEN}"))
}

fn quiet(text: &str) -> Result<u64, String> {
    number(text)
        .filter(|windows| QUIET.contains(windows))
        .ok_or_else(|| format!("must be from {} to {} windows", QUIET.start(), QUIET.end()))
}

/// Returns the rule of a line, and reads its networks if they are in a file. `zone`: that of hours, if the line
/// has no time zone.
///
/// # Errors
/// A file of networks that cannot be read, or a time zone that is not known any more.
pub(in crate::tool::nfnotify) fn rule(entry: &Entry, zone: &TimeZone) -> anyhow::Result<Rule> {
    let networks = match value(entry, "network", str::parse::<Nets>)? {
        Some(networks) => {
            let place = || entry.get("network").map_or_else(String::new, |one| one.place.clone());
            Some(Networks::new(networks.load().with_context(place)?))
        }
        None => None,
    };
    Ok(Rule { networks, ..rule_without_networks(entry, zone)? })
}

/// Returns the rule of a line as if its networks were any.
fn rule_without_networks(entry: &Entry, zone: &TimeZone) -> anyhow::Result<Rule> {
    let default = Rule::default();
    let time = |key| value(entry, key, seconds);
    let zone = value(entry, "timezone", time_zone)?.unwrap_or_else(|| zone.clone());
    Ok(Rule {
        place: entry.place.clone(),
        kinds: list(entry, "kind", kind)?,
        classes: list(entry, "class", |text| Ok(current_metric(text).to_owned()))?,
        side: value(entry, "side", side)?,
        role: value(entry, "role", role)?,
        networks: None,
        ports: list(entry, "port", port)?,
        network_kinds: list(entry, "network_kind", network_kind)?,
        act: value(entry, "act", act)?.unwrap_or(default.act),
        open: value(entry, "open", open)?.unwrap_or(default.open),
        quiet: value(entry, "quiet", quiet)?.unwrap_or(default.quiet),
        close: time("close")?.unwrap_or(default.close),
        deadline: time("deadline")?.unwrap_or(default.deadline),
        remind: time("remind")?.unwrap_or(default.remind),
        hours: value(entry, "hours", |text| Hours::parse(text, zone.clone()))?,
        claim_pause: time("claim_pause")?.unwrap_or(default.claim_pause),
        until: time("until")?,
    })
}

/// Returns the value of a key, if the line has it.
fn value<T, E: std::fmt::Display>(
    entry: &Entry,
    key: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> anyhow::Result<Option<T>> {
    let Some(setting) = entry.get(key) else { return Ok(None) };
    let value = parse(&setting.text()).map_err(|why| Usage(format!("{}: {why}", setting.place)))?;
    Ok(Some(value))
}

/// Returns the values of a list, none if the line does not have it.
fn list<T>(
    entry: &Entry,
    key: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> anyhow::Result<Vec<T>> {
    let Some(setting) = entry.get(key) else { return Ok(Vec::new()) };
    let values = setting.words.iter().map(|word| parse(word)).collect::<Result<_, _>>();
    values.map_err(|why| Usage(format!("{}: {why}", setting.place)).into())
}

/// Returns the faults of lines by themselves, of their order, and of the time for which incidents are kept.
fn check(config: &Config) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut lines = Vec::new();
    let mut any: Option<&Entry> = None;
    for entry in config.entries(&POLICY) {
        // Only the system's time zones can have changed since each value was found good.
        let Ok(rule) = rule_without_networks(entry, &TimeZone::UTC) else { continue };
        faults.extend(without_effect(entry, &rule));
        faults.extend(unknown_classes(entry));
        if let Some(any) = any {
            let why = format!("never holds, because {} before it has no condition", any.name());
            faults.push(entry.fault(why).warning());
        } else if CONDITIONS.iter().all(|key| entry.get(key).is_none()) {
            any = Some(entry);
        }
        lines.push((entry, rule));
    }
    faults.extend(too_short(config, &lines));
    faults
}

/// Returns the faults of a line that does nothing of what it says.
fn without_effect(entry: &Entry, rule: &Rule) -> Vec<Fault> {
    let mut faults = Vec::new();
    let (wrong_side, instead) = match rule.act {
        Act::Isolate => (Some(Side::Outside), "ban"),
        Act::Ban => (Some(Side::Inside), "isolate"),
        Act::None | Act::Mail => (None, ""),
    };
    if let (Some(wrong_side), Some(act)) = (wrong_side, entry.get("act")) {
        let whom = if wrong_side == Side::Outside { "inside" } else { "outside" };
        let whom = format!("{:?} is for {whom} sources", rule.act.as_str());
        if rule.side == Some(wrong_side) {
            let why = format!("{whom}, and this line is for side = \"{wrong_side}\"");
            faults.push(act.fault(format!("{why}; did you mean {instead:?}?")));
        }
        if rule.role == Some(Role::Target) {
            faults.push(act.fault(format!("{whom}, and this line is for role = \"target\"")));
        }
        let is_static = rule.network_kinds.contains(&NetworkKind::Static);
        if rule.act == Act::Isolate && !rule.network_kinds.is_empty() && !is_static {
            let why = "\"isolate\" acts in static networks only, and network_kind has none; others \
                       get mail";
            faults.push(act.fault(why).warning());
        }
    }
    if let (Some(zone), None) = (entry.get("timezone"), entry.get("hours")) {
        faults.push(zone.fault("is used with hours only, and the line has none").warning());
    }
    faults
}

/// Returns a warning for each class that no detector writes.
fn unknown_classes(entry: &Entry) -> Vec<Fault> {
    let Some(setting) = entry.get("class") else { return Vec::new() };
    let unknown = |word: &&String| !classes().any(|class| class == current_metric(word));
    let why = |word: &String| match nearest(word, classes()) {
        Some(near) => format!("{word:?} is the class of no detector; did you mean {near}?"),
        None => {
            let known = classes().collect::<Vec<_>>().join(", ");
            format!("{word:?} is the class of no detector; there are {known}")
        }
    };
    let unknown = setting.words.iter().filter(unknown);
    unknown.map(|word| setting.fault(why(word)).warning()).collect()
}

/// Returns the fault of incidents that are kept for less than a line needs them.
fn too_short(config: &Config, lines: &[(&Entry, Rule)]) -> Option<Fault> {
    if !config.is_sound(&INCIDENT) {
        return None;
    }
    let keep = keep(config).ok()?;
    let default = Rule::default();
    // Of equals the last is found, so that it is the first line.
    let own = lines.iter().rev().map(|(entry, rule)| (Some(*entry), rule));
    let all = [(None, &default)].into_iter().chain(own);
    let (entry, rule) = all.max_by_key(|(_, rule)| rule.longest())?;
    if rule.longest() <= keep {
        return None;
    }
    let (what, time) = (longest_time(rule), duration_text(rule.longest()));
    match (config.get(&INCIDENT, "keep"), entry) {
        (Some(setting), entry) => {
            let of = entry.map_or_else(|| "incidents without [[policy]]".to_owned(), Entry::name);
            let why = format!("{} is shorter than {what} of {of}, {time}", setting.text());
            Some(setting.fault(why))
        }
        (None, Some(entry)) => {
            let keep = duration_text(keep);
            let why = format!(
                "{what} is {time}, but incidents are kept for {keep}; set keep of [incident]"
            );
            Some(entry.fault(why))
        }
        (None, None) => None,
    }
}

/// Returns the name of the longest time that a line may ask for.
fn longest_time(rule: &Rule) -> &'static str {
    let ban = if rule.act == Act::Ban { BAN_STEPS.last().copied() } else { None };
    let times = [
        ("remind", rule.remind),
        ("close", rule.close),
        ("until", rule.until.unwrap_or_default()),
        ("the longest ban", ban.unwrap_or_default()),
    ];
    let found = times.iter().find(|(_, seconds)| *seconds == rule.longest());
    found.map_or("deadline and claim_pause", |(name, _)| name)
}

#[cfg(test)]
mod tests;
