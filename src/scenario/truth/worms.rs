//! The truth about attacks on ports by name: the attackers, and whether they must be found.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::row::{DAY, Expect, HOUR, SPREAD, Truth, found, over};
use crate::finding::{Host, Kind, Role, Side};
use crate::scenario::actor::Actor;
use crate::scenario::member::{Activity, Member, SourceCounts};
use crate::time::Window;

/// The least targets with which an infected host must be found.
const INFECTED: u64 = 25;
/// The least connections with which a guesser of passwords must be found.
const BRUTEFORCE: u64 = 20;
/// The least connections in an hour with which a guesser of passwords must be found.
const HOURLY: u64 = 49;
/// The network of the campus.
const CAMPUS: IpNet = IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(140, 119, 0, 0), 16));
/// The least sources of five logins each with which a host whose passwords are guessed must be found.
const GUESSERS: u64 = 20;
/// The least sources with which a swarm must be found.
const SWARM: u64 = 50;
/// The least servers with which a sender of spam must be found.
const SPAM: u64 = 50;

/// Returns the findings about a source in a window, whose number in the plan is `index`.
pub(super) fn of_source(
    window: Window,
    index: u32,
    member: &Member,
    activity: Activity,
    counts: &SourceCounts,
) -> Vec<Truth> {
    let Some(class) = member.actor.class() else { return Vec::new() };
    let port = |class: &str, host| found(window, Kind::Port, class, host, counts);
    let scan = |host| found(window, Kind::Scan, "horizontal", host, counts);
    let may = |row: Truth| Truth { expect: Expect::May, ..row };
    let judge = |mut row: Truth, what: &str, count, limit| {
        let sign = if count >= limit { ">=" } else { "<" };
        row.expect = if count >= limit { Expect::Must } else { Expect::May };
        row.finding.why = format!("{what}={count}{sign}{limit}");
        row
    };
    let [first, second] = member.taken;
    let host = member.host;
    let row = port(class, host);
    let peers = row.finding.peers;
    match (member.actor, activity) {
        (Actor::CodeRed, _) => vec![judge(row, "targets", peers, SPREAD), may(scan(host))],
        (Actor::SlowWorm, _) => {
            let day = over(index, DAY.0, member.size, peers);
            vec![judge(row, "targets", day, SPREAD), may(scan(host))]
        }
        (Actor::Chain, Activity::First) => {
            let row = port(class, first);
            vec![judge(row, "attempts", member.size.into(), INFECTED), may(scan(first))]
        }
        (Actor::Chain, Activity::Second) => {
            let row = port(class, second);
            vec![judge(row, "attempts", member.size.into(), INFECTED), may(scan(second))]
        }
        (Actor::Chain, _) => {
            let spread = judge(port("spread", host), "targets", peers, SPREAD);
            vec![scan(host), may(spread)]
        }
        (Actor::Guess, _) => {
            let flows = row.finding.flows;
            vec![judge(row, "flows", flows, BRUTEFORCE)]
        }
        (Actor::SlowGuess, _) => {
            let flows = over(index, HOUR.0, member.size, row.finding.flows);
            vec![judge(row, "flows1h", flows, HOURLY)]
        }
        (Actor::Guessers, _) => {
            // Each login is counted for the host that it is at.
            let sources = member.size.into();
            let mut row = judge(row, "sources", sources, GUESSERS);
            row.finding.role = Role::Target;
            vec![row]
        }
        (Actor::Swarm, _) => {
            let mut row = judge(row, "sources", member.size.into(), SWARM);
            row.finding.role = Role::Target;
            row.finding.host = Host::Prefix(CAMPUS);
            row.finding.side = Some(Side::Inside);
            vec![row]
        }
        (Actor::Spam, _) => vec![judge(row, "targets", peers, SPAM)],
        _ => Vec::new(),
    }
}
