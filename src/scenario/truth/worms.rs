//! Attacks on ports by name: who attacked one, and when that is enough to be seen.

use super::{DAY, Expect, SPREAD, Truth, found, over};
use crate::finding::Kind;
use crate::scenario::actor::Actor;
use crate::scenario::actors::{Activity, Member, SourceCounts};
use crate::time::Window;

/// Targets from which on an infected host must be found, connections from which on it is a try of
/// passwords, and servers from which on mail is spam.
const INFECTED: u64 = 25;
const BRUTEFORCE: u64 = 20;
const SPAM: u64 = 50;

/// The findings of one source in the window of a number.
pub(super) fn tell(
    window: Window,
    index: u32,
    class: &str,
    (member, strand): (&Member, Activity),
    tally: &SourceCounts,
) -> Vec<Truth> {
    let port = |class: &str, host| found(window, Kind::Port, class, host, tally);
    let scan = |host| found(window, Kind::Scan, "horizontal", host, tally);
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
    match (member.actor, strand) {
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
        (Actor::Spam, _) => vec![judge(row, "targets", peers, SPAM)],
        _ => Vec::new(),
    }
}
