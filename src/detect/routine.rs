//! Routines: what an inside host is flagged for on several days in the same way, as a monitor, a backup or a program
//! that logs in everywhere is.
//!
//! A routine is only ever proposed as a line for the file of `--ignore`. An attacker tries other targets from day to
//! day, while an administrator's program comes back to its own, so the targets decide. A host that attacks the same
//! targets each day looks like a routine too; therefore an administrator has to read the evidence and decide.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::conversation::has_port;
use crate::detect::threshold::percent;
use crate::finding::{Finding, Host, Role, Side};
use crate::time::Window;

/// Days on which a host must do the same.
pub const LEAST_DAYS: u32 = 3;
/// Days that are kept: a week, so that a job of working days keeps its routine over a weekend.
const KEPT_DAYS: u32 = 7;
/// The share of the targets of one day, in percent, that must be those of the day before.
const SAME: u64 = 80;
/// The most networks of targets that a line each is proposed for.
const MAX_LINES: usize = 8;
/// The most networks of targets that are kept of a day.
const MAX_NETS: usize = 64;
/// The most routines that are kept, up to some 10 KB each. A host that forges inside sources can make many.
const MAX: usize = 1024;
/// Classes that no routine explains: to talk with a listed address, and to attack as one was attacked.
const NEVER: [&str; 2] = ["listed", "infected"];

const DAY: u64 = 86_400;

/// The findings about inside hosts that were the source, day by day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routines {
    days: BTreeMap<Subject, Vec<Day>>,
    /// The first and the last day of the windows that were learned, in days since the epoch.
    span: Option<(u32, u32)>,
    /// Subjects that were forgotten because there were too many.
    evicted: u64,
}

/// The host and the traffic that a routine is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Subject {
    host: IpAddr,
    class: String,
    proto: Option<u8>,
    port: Option<u16>,
}

/// The windows of a day in which a subject was flagged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Day {
    /// Days since the epoch, UTC.
    day: u32,
    windows: u32,
    /// Seconds of the day at which the first of these windows began and the last ended.
    from: u32,
    to: u32,
    /// The most targets in a window.
    targets: u64,
    /// Networks of the targets, aggregated.
    nets: Vec<IpNet>,
    /// True if there were targets that `nets` does not hold.
    has_more: bool,
}

/// A line for the file of `--ignore`, with its evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The host that does the same each day.
    pub host: IpAddr,
    /// The class that it is flagged for.
    pub class: String,
    /// The days, of the last seven, on which it was flagged.
    pub days: u32,
    /// The windows of these days in which it was flagged.
    pub windows: u32,
    /// Seconds of the day, UTC, at which the earliest of these windows began.
    pub from: u32,
    /// Seconds of the day, UTC, at which the latest of these windows ended.
    pub to: u32,
    /// The most targets in a window.
    pub targets: u64,
    /// The least share of the targets of a day, in percent, that were those of the day before.
    pub same: u64,
    /// The network of the targets; `None` for all, if they lie in too many networks.
    pub net: Option<IpNet>,
    /// IANA protocol number; `None` for any.
    pub proto: Option<u8>,
    /// The port of the targets; `None` for any.
    pub port: Option<u16>,
}

impl Routines {
    /// Adds the findings of a window.
    pub(super) fn learn(&mut self, window: Window, findings: &[Finding]) {
        let day = (window.start() / DAY) as u32;
        let first = match self.span {
            Some((first, last)) if last <= day => first,
            // Windows are learned in order, so a later day was that of a wrong clock.
            _ => {
                self.days.clear();
                day
            }
        };
        self.span = Some((first, day));
        for finding in findings {
            self.add(window, day, finding);
        }
        let oldest = day.saturating_sub(KEPT_DAYS - 1);
        self.days.retain(|_, days| {
            days.retain(|kept| kept.day >= oldest);
            !days.is_empty()
        });
        self.evict();
    }

    fn add(&mut self, window: Window, day: u32, finding: &Finding) {
        let Host::Address(host) = finding.host else { return };
        let is_source = finding.role == Role::Source && finding.side == Some(Side::Inside);
        if !is_source || NEVER.contains(&finding.class.as_str()) {
            return;
        }
        let Finding { proto, port, .. } = *finding;
        let subject = Subject { host, class: finding.class.clone(), proto, port };
        let days = self.days.entry(subject).or_default();
        if days.last().is_none_or(|last| last.day != day) {
            let (nets, from) = (Vec::new(), (window.start() % DAY) as u32);
            days.push(Day { day, windows: 0, from, to: from, targets: 0, nets, has_more: false });
        }
        let Some(last) = days.last_mut() else { return };
        last.windows += 1;
        last.to = (window.start() % DAY) as u32 + window.seconds();
        last.targets = last.targets.max(finding.peers);
        last.has_more |= finding.more > 0;
        last.nets.extend(finding.peer.iter().map(|peer| peer.host.net()));
        last.nets = IpNet::aggregate(&last.nets);
        last.has_more |= last.nets.len() > MAX_NETS;
        last.nets.truncate(MAX_NETS);
    }

    /// Drops subjects beyond the limit: those of the fewest days and windows.
    fn evict(&mut self) {
        let excess = self.days.len().saturating_sub(MAX);
        if excess == 0 {
            return;
        }
        let windows = |days: &[Day]| days.iter().map(|day| u64::from(day.windows)).sum::<u64>();
        let mut order: Vec<_> = self
            .days
            .iter()
            .map(|(subject, days)| (days.len(), windows(days), subject.clone()))
            .collect();
        order.sort_unstable();
        for (.., subject) in order.iter().take(excess) {
            self.days.remove(subject);
        }
        self.evicted += excess as u64;
    }

    /// Returns how many subjects were forgotten because there were too many.
    pub(super) fn evicted(&self) -> u64 {
        self.evicted
    }

    /// Returns the number of days from the first window that was learned to the last.
    pub fn span(&self) -> u32 {
        self.span.map_or(0, |(first, last)| last - first + 1)
    }

    /// Returns the lines to propose, sorted by host: of subjects that were flagged on three days of the last seven,
    /// one of them among the last three, and whose targets stayed the same.
    pub fn proposals(&self) -> Vec<Proposal> {
        let last = self.span.map_or(0, |(_, last)| last);
        let is_routine = |days: &[Day]| {
            days.len() >= LEAST_DAYS as usize
                && days.last().is_some_and(|day| day.day + LEAST_DAYS > last)
        };
        let routines = self.days.iter().filter(|(_, days)| is_routine(days));
        routines.flat_map(|(subject, days)| proposals(subject, days)).collect()
    }
}

/// Returns the lines to propose for a subject: one for each network of its targets.
fn proposals(subject: &Subject, days: &[Day]) -> Vec<Proposal> {
    let pairs = days.iter().zip(days.iter().skip(1));
    let same = pairs.map(|(before, after)| same(before, after)).min().unwrap_or(0);
    if same < SAME {
        return Vec::new();
    }
    let Subject { host, class, proto, port } = subject;
    let nets: BTreeSet<IpNet> = days.iter().flat_map(|day| day.nets.iter().copied()).collect();
    let nets = IpNet::aggregate(&nets.into_iter().collect());
    let are_all = !days.iter().any(|day| day.has_more) && nets.len() <= MAX_LINES;
    let nets = if are_all { nets.into_iter().map(Some).collect() } else { vec![None] };
    let most = |of: fn(&Day) -> u32| days.iter().map(of).max().unwrap_or(0);
    let line = |net| Proposal {
        host: *host,
        class: class.clone(),
        days: days.len() as u32,
        windows: days.iter().map(|day| day.windows).sum(),
        from: days.iter().map(|day| day.from).min().unwrap_or(0),
        to: most(|day| day.to),
        targets: days.iter().map(|day| day.targets).max().unwrap_or(0),
        same,
        net,
        proto: *proto,
        port: port.filter(|_| proto.is_some_and(has_port)),
    };
    nets.into_iter().map(line).collect()
}

/// Returns the share of the networks of two days, in percent, that are in both of them.
fn same(before: &Day, after: &Day) -> u64 {
    let share = |of: &[IpNet], others: &[IpNet]| {
        let touches =
            |net: &&IpNet| others.iter().any(|other| other.contains(*net) || net.contains(other));
        percent(of.iter().filter(touches).count() as u64, of.len() as u64)
    };
    share(&before.nets, &after.nets).min(share(&after.nets, &before.nets))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::{Kind, Peer, Rate};

    /// A day after 2001-09-28.
    const FIRST: u64 = 1_001_635_200;

    fn window(day: u64, slot: u64) -> Window {
        Window::new(FIRST + day * DAY + slot * 600, 600).unwrap()
    }

    /// Returns a finding about attempts at port 22 of these networks.
    fn finding(host: &str, class: &str, nets: &[&str]) -> Finding {
        Finding {
            window: None,
            kind: Kind::Scan,
            class: class.to_owned(),
            host: Host::Address(host.parse().unwrap()),
            role: Role::Source,
            side: Some(Side::Inside),
            proto: Some(6),
            port: Some(22),
            peers: 60,
            peer: nets
                .iter()
                .map(|net| Peer { host: Host::Prefix(net.parse().unwrap()), flows: None })
                .collect(),
            more: 0,
            flows: 60,
            packets: 60,
            octets: 2400,
            rate: Rate::of(60, None),
            marks: Vec::new(),
            why: String::new(),
            sample: Vec::new(),
        }
    }

    /// Returns the proposals after days on each of which these findings were made at 02:00.
    fn after(days: &[&[Finding]]) -> Vec<Proposal> {
        let mut routines = Routines::default();
        for (n, findings) in (0..).zip(days) {
            routines.learn(window(n, 12), findings);
        }
        routines.proposals()
    }

    #[test]
    fn the_same_targets_on_three_days_are_a_routine() {
        let ansible = [finding("10.0.0.5", "horizontal", &["10.1.0.0/24", "10.2.0.0/24"])];
        assert_eq!(after(&[&ansible, &ansible]), []);
        let lines = after(&[&ansible, &ansible, &ansible]);
        let nets: Vec<_> = lines.iter().map(|line| line.net.unwrap().to_string()).collect();
        assert_eq!(nets, ["10.1.0.0/24", "10.2.0.0/24"]);
        let Proposal { days, windows, from, to, targets, same, .. } = lines[0];
        assert_eq!((days, windows, from, to, targets, same), (3, 3, 7200, 7800, 60, 100));
        // Not on the weekend before.
        assert_eq!(after(&[&ansible, &[], &[], &ansible, &ansible]).len(), 2);
        // Not any more; and not for a week.
        assert_eq!(after(&[&ansible, &ansible, &ansible, &[], &[], &[]]), []);
        assert_eq!(after(&[&ansible, &ansible, &[], &[], &[], &[], &[], &ansible]), []);
    }

    #[test]
    fn days_of_a_wrong_clock_are_forgotten() {
        let ansible = [finding("10.0.0.5", "horizontal", &["10.1.0.0/24"])];
        let mut routines = Routines::default();
        (5000..5003).for_each(|day| routines.learn(window(day, 12), &ansible));
        assert_eq!((routines.proposals().len(), routines.span()), (1, 3));
        (0..2).for_each(|day| routines.learn(window(day, 12), &ansible));
        assert_eq!((routines.proposals().len(), routines.span()), (0, 2));
        routines.learn(window(2, 12), &ansible);
        assert_eq!((routines.proposals().len(), routines.span()), (1, 3));
    }

    #[test]
    fn other_targets_other_hosts_and_other_classes_are_no_routine() {
        let day = |n: u8| [finding("10.0.0.5", "horizontal", &[&format!("10.1.{n}.0/24")])];
        assert_eq!(after(&[&day(1), &day(2), &day(3)]), [], "a scanner goes on");
        for class in NEVER {
            let same = [finding("10.0.0.5", class, &["10.1.0.0/24"])];
            assert_eq!(after(&[&same, &same, &same]), [], "{class}");
        }
        let target =
            [Finding { role: Role::Target, ..finding("10.0.0.5", "ddos", &["10.1.0.0/24"]) }];
        assert_eq!(after(&[&target, &target, &target]), []);
        let outside = [Finding {
            side: Some(Side::Outside),
            ..finding("192.0.2.5", "horizontal", &["10.1.0.0/24"])
        }];
        assert_eq!(after(&[&outside, &outside, &outside]), []);
    }

    #[test]
    fn a_line_names_no_network_if_not_all_are_known() {
        let more = Finding { more: 3, ..finding("10.0.0.5", "block", &["10.1.0.0/24"]) };
        let more = [more];
        let lines = after(&[&more, &more, &more]);
        assert_eq!(lines.iter().map(|line| line.net).collect::<Vec<_>>(), [None]);
    }

    #[test]
    fn a_flood_of_subjects_does_not_drive_out_a_routine() {
        let mut routines = Routines::default();
        let monitor = finding("10.0.0.5", "block", &["10.1.0.0/24"]);
        let forged = |day: u64, n: usize| {
            finding(&format!("10.9{day}.{}.{}", n / 250, n % 250), "dark", &[])
        };
        for day in 0..3 {
            routines.learn(window(day, 0), std::slice::from_ref(&monitor));
            let flood: Vec<Finding> = (0..MAX + 100).map(|n| forged(day, n)).collect();
            routines.learn(window(day, 1), &[vec![monitor.clone()], flood].concat());
            assert!(routines.days.len() <= MAX);
        }
        assert!(routines.evicted() > 0);
        assert_eq!(routines.proposals().len(), 1);
        assert_eq!(routines.span(), 3);
    }
}
