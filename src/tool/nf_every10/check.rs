//! `--check`: what holds and from where, and whether the job sees the site as it should.

use std::fmt::Display;
use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ipnet::IpNet;

use super::args::{Args, EVIDENCE};
use super::clock::Clock;
use super::disk::Disk;
use super::exporters::Exporters;
use super::facts::Facts;
use super::health::Health;
use super::names::shown;
use super::out_dir::{self, OutDir};
use super::traffic::TrafficPlan;
use super::troubles::CLOCK;
use crate::cli::config::Setting;
use crate::cli::{Config, Io, Status, Table, parse_size, read_whole};
use crate::contacts::Contacts;
use crate::flow::Networks;
use crate::incident::{Act, Mode};
use crate::time::Timestamp;
use crate::tool::analyse::{ANALYSE, KEEP};
use crate::tool::nfcap::{self, COLLECT};
use crate::tool::nfnotify::{
    HOOK, INCIDENT, MAIL, POLICY, Settings, wide_exporter_text, wide_exporters,
};
use crate::tool::page_table::page_wanted;
use crate::tool::site::SITE;

/// Slots without an analysis from which on the job does not run, if they are half an hour.
const MISSED: u64 = 3;

/// One flow in so many may last longer than the slot.
const LONG: u64 = 100;

/// One flow in so many must go each way, or only one direction is exported.
const ONE_WAY: u64 = 50;

/// The site as the options and the configuration describe it.
pub(super) struct Checked<'a> {
    pub args: &'a Args,
    pub clock: Clock,
    pub spool: &'a Path,
    pub out: &'a Path,
    pub inside: &'a [IpNet],
}

/// A list of points, printed as lines of three columns.
struct Points<'a> {
    io: &'a mut Io,
    has_warned: bool,
}

impl Points<'_> {
    fn print(&mut self, level: &str, point: &str, text: impl Display) -> anyhow::Result<()> {
        Ok(writeln!(self.io.out, "{level}\t{point}\t{text}")?)
    }

    /// Prints a point that is as it should be.
    fn ok(&mut self, point: &str, text: impl Display) -> anyhow::Result<()> {
        self.print("ok", point, text)
    }

    /// Prints a point about which nothing can be said.
    fn note(&mut self, point: &str, text: impl Display) -> anyhow::Result<()> {
        self.print("note", point, text)
    }

    /// Prints a point that somebody should act on.
    fn warn(&mut self, point: &str, text: impl Display) -> anyhow::Result<()> {
        self.has_warned = true;
        self.print("warn", point, text)
    }
}

/// Prints a line for each point. The status is [`Status::Failed`] if somebody should act.
///
/// # Errors
/// Stdout, or a file of OUT that cannot be read.
pub(super) fn run(site: &Checked<'_>, io: &mut Io) -> anyhow::Result<Status> {
    let config = io.config.clone();
    let mut points = Points { io, has_warned: false };
    match config.path() {
        Some(path) => points.ok("configuration", path.display())?,
        None => points.note(
            "configuration",
            "none; /etc/nfkit/nfkit.toml, NFKIT_CONFIG or --config name one, nfkit-config(5)",
        )?,
    }
    sources(site, &config, &mut points)?;
    settings(site, &config, &mut points)?;
    incidents(site, &config, &mut points)?;
    if site.out.is_dir() {
        let out = OutDir::open(site.out)?;
        results(site, &config, &out, &mut points)?;
    } else {
        points.warn("analysis", format_args!("{} does not exist: no run yet", shown(site.out)))?;
    }
    disk("spool disk", site.spool, &mut points)?;
    page(site, &config, &mut points)?;
    if site.out.is_dir() {
        disk("out disk", site.out, &mut points)?;
    }
    Ok(if points.has_warned { Status::Failed } else { Status::Done })
}

/// Prints how old the site is.
fn page(site: &Checked<'_>, config: &Config, points: &mut Points<'_>) -> anyhow::Result<()> {
    let Some(wanted) = page_wanted(config) else {
        return points.note("site", "[page] write is not set, so no site is written");
    };
    let path = wanted.write.join("status.json");
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) => return points.warn("site", format_args!("{}: {error}", shown(&path))),
    };
    let status: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let until = status.get("until").and_then(|until| Timestamp::parse(until.as_str()?.as_bytes()));
    let seconds = status.get("window_seconds").and_then(serde_json::Value::as_u64).unwrap_or(600);
    let Some(until) = until else {
        return points.warn("site", format_args!("{}: no window was judged yet", shown(&path)));
    };
    let age = site.clock.now().secs().saturating_sub(until.secs());
    let text = format!(
        "{}: seen until {}, {} minutes ago",
        shown(&wanted.write),
        until.rfc3339(),
        age / 60
    );
    if age > 3 * seconds { points.warn("site", text) } else { points.ok("site", text) }
}

/// The sources of a value, in the order in which they hold.
struct Sources<'a> {
    point: &'static str,
    given: Option<String>,
    variable: Option<&'static str>,
    key: Option<(&'a Table, &'static str)>,
    default: &'static str,
}

/// Prints each option with its value and its source.
fn sources(site: &Checked<'_>, config: &Config, points: &mut Points<'_>) -> anyhow::Result<()> {
    let args = site.args;
    let spool = config.get(&ANALYSE, "spool").or_else(|| config.get(&COLLECT, "spool"));
    let source = |given: Option<&Path>, setting: Option<&Setting>| {
        let of_file = |setting: &&Setting| Some(Path::new(&setting.text())) == given;
        let setting = setting.filter(|setting| given.is_none() || of_file(setting));
        setting.map_or_else(|| "command line".to_owned(), |setting| setting.place.clone())
    };
    let from = source(args.spool.as_deref(), spool);
    points.ok("SPOOL", format_args!("{} ({from})", shown(site.spool)))?;
    let from = source(args.out.as_deref(), config.get(&ANALYSE, "out"));
    points.ok("OUT", format_args!("{} ({from})", shown(site.out)))?;
    let evidence = config.get(&ANALYSE, "evidence");
    let evidence = evidence.map_or_else(|| EVIDENCE.to_string(), Setting::text);
    let words = args.nfscan.iter();
    let feed: Vec<&str> = words.filter_map(|word| word.strip_prefix("--feed=")).collect();
    let all = [
        Sources {
            point: "inside",
            given: args.inside.clone(),
            variable: Some("NFKIT_INSIDE"),
            key: Some((&SITE, "inside")),
            default: "not set",
        },
        Sources {
            point: "outside-if",
            given: args.outside_if.clone(),
            variable: Some("NFKIT_OUTSIDE_IF"),
            key: Some((&SITE, "outside_if")),
            default: "not set",
        },
        Sources {
            point: "ignore",
            given: args.ignore.clone(),
            variable: Some("NFKIT_IGNORE"),
            key: Some((&SITE, "ignore")),
            default: "not set",
        },
        Sources {
            point: "limits",
            given: args.limits.clone(),
            variable: Some("NFKIT_LIMITS"),
            key: Some((&SITE, "limits")),
            default: "not set",
        },
        Sources {
            point: "survey",
            given: args.survey.clone(),
            variable: Some("NFKIT_SURVEY"),
            key: Some((&ANALYSE, "survey")),
            default: "not set",
        },
        Sources {
            point: "feed",
            given: (!feed.is_empty()).then(|| feed.join(",")),
            variable: Some("NFKIT_FEED"),
            key: Some((&ANALYSE, "feed")),
            default: "not set",
        },
        Sources {
            point: "memory",
            given: None,
            variable: Some("NFKIT_MEMORY"),
            key: Some((&ANALYSE, "memory")),
            default: "a quarter of the RAM, or --memory",
        },
        Sources {
            point: "evidence",
            given: (evidence != args.evidence.to_string()).then(|| args.evidence.to_string()),
            variable: None,
            key: Some((&ANALYSE, "evidence")),
            default: "1000",
        },
        Sources {
            point: "keep evidence",
            given: args.keep.map(|keep| humantime::format_duration(keep.evidence).to_string()),
            variable: None,
            key: Some((&KEEP, "evidence")),
            default: "30d",
        },
        Sources {
            point: "keep findings",
            given: args.keep.map(|keep| humantime::format_duration(keep.findings).to_string()),
            variable: None,
            key: Some((&KEEP, "findings")),
            default: "400d",
        },
    ];
    for Sources { point, given, variable, key, default } in all {
        let setting = key.and_then(|(table, key)| config.get(table, key));
        let of_variable = variable.and_then(|name| Some((name, value_of(name)?)));
        let (value, source) = match (given, of_variable, setting) {
            (Some(given), ..) => (given, "command line".to_owned()),
            (None, Some((name, value)), _) => (value, name.to_owned()),
            (None, None, Some(setting)) => (setting.text(), setting.place.clone()),
            (None, None, None) => (default.to_owned(), "default".to_owned()),
        };
        points.ok(point, format_args!("{value} ({source})"))?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a command may read the environment")]
fn value_of(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

/// Judges the settings that need no data.
fn settings(site: &Checked<'_>, config: &Config, points: &mut Points<'_>) -> anyhow::Result<()> {
    let value = |key: &str, variable: &str| {
        value_of(variable).or_else(|| Some(config.get(&SITE, key)?.text()))
    };
    match value("operator", "NFKIT_OPERATOR") {
        Some(operator) => points.ok("operator", operator)?,
        None => points.warn(
            "operator",
            "nobody is told of findings without a contact; set [site] operator",
        )?,
    }
    match value("contacts", "NFKIT_CONTACTS") {
        None => points.warn("contacts", "no file names who is responsible; set [site] contacts")?,
        Some(path) => contacts(&PathBuf::from(path), site.inside, points)?,
    }
    if config.get(&COLLECT, "allow").is_none() {
        points.note("allow", "[collect] allow is not set: any exporter counts")?;
    }
    let wanted =
        config.get(&COLLECT, "buffer").map_or(nfcap::DEFAULT_BUFFER.to_owned(), |of| of.text());
    let most = std::fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
    match (parse_size(&wanted), most.trim().parse::<u64>()) {
        (Ok(wanted), Ok(most)) if wanted > most => points.note(
            "receive buffer",
            format_args!(
                "net.core.rmem_max is {most} bytes and nfcap asks for {wanted}: it needs CAP_NET_ADMIN, as \
                 in its unit, or sysctl -w net.core.rmem_max={wanted}"
            ),
        ),
        (Ok(wanted), Ok(_)) => points.ok("receive buffer", format_args!("{wanted} bytes")),
        _ => points.note("receive buffer", "net.core.rmem_max cannot be read"),
    }
}

/// Judges the memory of incidents, if there is one.
fn incidents(site: &Checked<'_>, config: &Config, points: &mut Points<'_>) -> anyhow::Result<()> {
    if !config.has(&INCIDENT) {
        return Ok(());
    }
    let mut tables = [&INCIDENT, &MAIL, &POLICY, &HOOK, &SITE, &COLLECT].into_iter();
    match (tables.find(|table| !config.is_sound(table)), Settings::read(config)) {
        (Some(table), _) => points.warn(
            "incidents",
            format_args!(
                "{} has faults; until they are mended nothing is remembered",
                table.heading()
            ),
        )?,
        (None, Err(error)) => points.warn("incidents", format_args!("{error:#}"))?,
        (None, Ok(settings)) => {
            let effect = match settings.mode {
                Mode::Shadow => "shadow: all is computed, and nothing is sent or blocked",
                Mode::Live => "live: mails are sent; this version blocks nothing",
            };
            points.ok("incidents", format_args!("{} ({effect})", shown(&settings.db)))?;
            if settings.mode == Mode::Live {
                mails(&settings, config, points)?;
            }
        }
    }
    let is = |word: &str, name: &str| Path::new(word).file_name().is_some_and(|of| of == name);
    let words: Vec<_> = site.args.then.iter().map(|word| word.to_string_lossy()).collect();
    let of_nfnotify = words.iter().skip_while(|word| !is(word, "nfnotify"));
    if of_nfnotify.skip(1).any(|word| word == "mail") {
        points.warn(
            "then",
            "--then runs `nfnotify mail`, which mails the same people again for each file; [incident] \
             tells each once per incident",
        )?;
    }
    match wide_exporters(config) {
        Ok(nets) => {
            nets.into_iter().try_for_each(|net| points.note("allow", wide_exporter_text(net)))
        }
        Err(error) => points.warn("allow", format_args!("{error:#}")),
    }
}

/// Judges the way of mails in live mode, as far as it can be seen without sending one.
fn mails(settings: &Settings, config: &Config, points: &mut Points<'_>) -> anyhow::Result<()> {
    let mail = &settings.mail;
    match mail.way.check(&mail.inside) {
        Ok(()) => points.ok("mails", format_args!("by {}", mail.way.name()))?,
        Err(why) => points.warn("mails", format_args!("none can be sent: {why}"))?,
    }
    if mail.from.is_none() && config.get(&SITE, "operator").is_none() {
        points.warn("mails", "they have no sender: name [mail] from or [site] operator")?;
    }
    if mail.answers.is_none() {
        points
            .note("replies", "[mail] answers is not set, so nfnotify reads no reply or bounce")?;
    }
    if settings.policy.rules().any(|rule| rule.act == Act::Isolate) {
        points.note(
            "isolation",
            "this version has no device, so act = \"isolate\" only mails in live mode",
        )?;
    }
    Ok(())
}

/// Checks that the contacts cover the site's networks.
fn contacts(path: &Path, inside: &[IpNet], points: &mut Points<'_>) -> anyhow::Result<()> {
    let read = read_whole(path).map_err(|error| format!("{error:#}"));
    let parsed = read.and_then(|text| {
        Contacts::parse(&text).map_err(|errors| match errors.first() {
            Some(error) => format!("{}: {error}", path.display()),
            None => format!("{}: no contacts", path.display()),
        })
    });
    let contacts = match parsed {
        Ok(contacts) => contacts,
        Err(error) => return points.warn("contacts", error),
    };
    let missing: Vec<String> = inside
        .iter()
        .filter_map(|net| uncovered(&contacts, *net))
        .map(|net| net.to_string())
        .collect();
    if missing.is_empty() {
        points.ok("contacts", path.display())
    } else {
        let nets = missing.join(", ");
        points
            .warn("contacts", format_args!("{}: nobody is responsible for {nets}", path.display()))
    }
}

/// Returns the first part of a network that no contact covers, as large as it is.
fn uncovered(contacts: &Contacts, net: IpNet) -> Option<IpNet> {
    if contacts.of(net).is_some() {
        return None;
    }
    if !contacts.has_part_of(net) {
        return Some(net);
    }
    let Ok(mut halves) = net.subnets(net.prefix_len() + 1) else { return Some(net) };
    halves.find_map(|half| uncovered(contacts, half))
}

/// Judges what the last run left in OUT.
fn results(
    site: &Checked<'_>,
    config: &Config,
    out: &OutDir,
    points: &mut Points<'_>,
) -> anyhow::Result<()> {
    let now = site.clock.now();
    let facts = out_dir::read(&out.path(super::work::FACTS))?;
    let Ok(facts) = serde_json::from_slice::<Facts>(&facts) else {
        points.warn(
            "analysis",
            "no slot was analysed yet; is the timer or the crontab line active?",
        )?;
        return Ok(());
    };
    let seconds = u64::from(facts.seconds.max(1));
    let start = Timestamp::parse(facts.slot.as_bytes()).unwrap_or_default().secs();
    let age = now.secs().saturating_sub(start + seconds);
    let slot = &facts.slot;
    if age > (MISSED * seconds).max(1800) {
        let text = format!(
            "the newest slot, {slot}, ended {} minutes ago: do nfcap and the job run?",
            age / 60
        );
        points.warn("analysis", text)?;
    } else {
        points.ok(
            "analysis",
            format_args!("the newest slot is {slot}, with {} flows", facts.flows),
        )?;
    }
    traffic(site, &facts, points)?;
    counted(site, &facts, config, points)?;
    exporters(&facts, config, out, points)?;
    let health = Health::read(out, now)?;
    for (trouble, of, since) in health.open() {
        points.warn("trouble", format_args!("{trouble} {of}, since {since}"))?;
    }
    Ok(())
}

/// Judges whether the traffic of the last slot was counted for the site.
fn counted(
    site: &Checked<'_>,
    facts: &Facts,
    config: &Config,
    points: &mut Points<'_>,
) -> anyhow::Result<()> {
    let Some(page) = page_wanted(config) else { return Ok(()) };
    let inside = Networks::new(site.inside.iter().copied());
    if let Some(fault) = TrafficPlan::new(&page, &inside, 0).fault() {
        points.warn("traffic", fault)?;
    }
    let (slot, dir) = (&facts.slot, shown(&page.write));
    match &facts.traffic_failed {
        Some(reason) => {
            points.warn("traffic", format_args!("that of {slot} is not counted: {reason}"))
        }
        None if facts.traffic_counted => {
            points.ok("traffic", format_args!("counted for the site {dir}"))
        }
        None => points.note(
            "traffic",
            format_args!("the next slot is the first to be counted for the site {dir}"),
        ),
    }
}

/// Judges the directions and lengths of the flows of the last slot.
fn traffic(site: &Checked<'_>, facts: &Facts, points: &mut Points<'_>) -> anyhow::Result<()> {
    let sampled = facts.sampled.max(1);
    let percent = |count: u64| count * 100 / sampled;
    if site.inside.is_empty() {
        points.warn(
            "inside",
            "not set: attacks that need to know our networks are not found; set [site] inside",
        )?;
    } else if facts.flows == 0 {
        points.note("inside", "the last slot has no flow")?;
    } else if !facts.inside_seen {
        points.warn(
            "inside",
            "no flow of the last slot has an end inside: are these our networks?",
        )?;
    } else {
        let seen = 100 - percent(facts.elsewhere);
        points.ok("inside seen", format_args!("{seen} % of the flows have an end inside"))?;
        let (out, into) = (facts.outbound, facts.inbound);
        if out + into == 0 {
            points.note("directions", "no flow of the last slot crosses the border")?;
        } else if out.min(into) < (out + into) / ONE_WAY {
            let text = format!(
                "{} % of the flows go out and {} % come in: does the router export both directions?",
                percent(out),
                percent(into)
            );
            points.warn("directions", text)?;
        } else {
            points.ok("directions", "both are exported")?;
        }
    }
    if facts.sampled == 0 {
        points.note("active timeout", "the last slot has no flow")?;
    } else if facts.long > facts.sampled / LONG {
        let text = format!(
            "{} % of the flows last longer than the slot: set the active timeout to 60 s",
            percent(facts.long)
        );
        points.warn("active timeout", text)?;
    } else {
        points.ok("active timeout", "flows are shorter than the slot")?;
    }
    let losses = [
        (facts.dropped_kernel, "dropped by the kernel: enlarge --buffer and net.core.rmem_max"),
        (facts.dropped_queue, "dropped by nfcap's queue: the disk is too slow, or enlarge --queue"),
        (facts.limited, "above the rate of their exporter: see --rate"),
        (facts.denied, "of senders that --allow does not name"),
    ];
    let lost: Vec<_> = losses.iter().filter(|(count, _)| *count > 0).collect();
    for (count, text) in &lost {
        points.warn("losses", format_args!("{count} datagrams {text}"))?;
    }
    if lost.is_empty() {
        points.ok("losses", "nfcap lost no datagram in the last slot")?;
    }
    Ok(())
}

/// Judges the exporters of the last slot.
fn exporters(
    facts: &Facts,
    config: &Config,
    out: &OutDir,
    points: &mut Points<'_>,
) -> anyhow::Result<()> {
    for (address, of) in &facts.exporters {
        exporter(*address, of, points)?;
    }
    let known = out_dir::read(&out.path("exporters"))?;
    let known = Exporters::parse(&String::from_utf8_lossy(&known));
    let silent = known.silent();
    if let Some(allow) = config.get(&COLLECT, "allow") {
        let nets = nfcap::exporters(&allow.text()).with_context(|| allow.place.clone())?;
        for net in nets.iter().filter(|net| net.prefix_len() == net.max_prefix_len()) {
            if !known.knows(&net.addr().to_string()) {
                let text = format!("{} is allowed and has sent nothing for a day", net.addr());
                points.warn("exporter", text)?;
            }
        }
    }
    if facts.exporters.is_empty() {
        points.warn("exporters", "none sent anything in the last slot")?;
    } else if silent > 0 {
        points.warn(
            "exporters",
            format_args!("{silent} are silent; {} has them", shown(&out.path("exporters"))),
        )?;
    } else {
        points.ok("exporters", format_args!("{} in the last slot", facts.exporters.len()))?;
    }
    Ok(())
}

/// Prints one line about an exporter.
fn exporter(
    address: IpAddr,
    of: &super::facts::ExporterFacts,
    points: &mut Points<'_>,
) -> anyhow::Result<()> {
    let mut faults = Vec::new();
    if let Some(clock) = of.clock.filter(|clock| clock.unsigned_abs() > CLOCK) {
        faults.push(format!("its clock is off by {clock} s: set it by NTP"));
    }
    if of.undecodable > 0 {
        faults.push(format!(
            "{} data sets without a template: let it send templates every minute",
            of.undecodable
        ));
    }
    if of.lost_flows + of.lost_datagrams > 0 {
        faults.push(format!(
            "{} flows and {} datagrams are missing by its sequence numbers",
            of.lost_flows, of.lost_datagrams
        ));
    }
    let sampling = match of.sampling {
        0 => "no sampling announced".to_owned(),
        n => format!("sampling 1 in {n}"),
    };
    let text = format!("{address}: {} flows, {sampling}", of.flows);
    if faults.is_empty() {
        points.ok("exporter", text)
    } else {
        points.warn("exporter", format_args!("{text}; {}", faults.join("; ")))
    }
}

/// Prints the room on the disk of a directory.
fn disk(point: &str, dir: &Path, points: &mut Points<'_>) -> anyhow::Result<()> {
    match Disk::of(dir) {
        Ok(disk) => {
            let text = format!("{} MiB of {} MiB are free", disk.free >> 20, disk.all >> 20);
            if disk.is_low() {
                points.warn(point, format_args!("{text}: shorten --keep of nfcap or of nf-every10"))
            } else {
                points.ok(point, text)
            }
        }
        Err(error) => points.warn(point, format_args!("{}: {error}", shown(dir))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_network_without_a_contact_is_named() {
        let contacts = |text: &str| Contacts::parse(text.as_bytes()).unwrap();
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let all = contacts("140.119.0.0/17,a@b.example\n140.119.128.0/17,a@b.example\n");
        assert_eq!(uncovered(&all, net("140.119.0.0/16")), None);
        assert_eq!(uncovered(&all, net("10.0.0.0/8")), Some(net("10.0.0.0/8")));
        let some = contacts("140.119.0.0/17,a@b.example\n140.119.192.7/32,a@b.example\n");
        assert_eq!(uncovered(&some, net("140.119.0.0/16")), Some(net("140.119.128.0/18")));
        assert_eq!(uncovered(&some, net("140.119.192.0/28")), Some(net("140.119.192.0/30")));
    }
}
