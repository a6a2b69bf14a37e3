//! The detectors under test: the grid, the simpler rules and the aims of each.

use ipnet::IpNet;

use super::aims::{self, Aim};
use super::flows::{Stream, Window};
use super::grid::{FLOODS, PORTS, SCANS, Scenario};
use super::score::{self, Kind, Named};
use super::{peers, rwscan, victims};
use crate::harness::tool;

/// A detector and its part of the table.
pub struct Detector {
    pub tool: &'static str,
    pub kind: Kind,
    pub grid: &'static [Scenario],
    /// The rules that it is compared with, in the order of their columns.
    pub peers: &'static [Peer],
    pub aims: &'static [Aim],
    /// The aims for labelled traffic.
    pub labelled: &'static [Aim],
    /// The number of seeds of a half for a row on which an aim depends.
    pub seeds: usize,
    /// The text of the table before the rows.
    pub about: &'static str,
}

/// A simpler rule that a detector is compared with.
pub struct Peer {
    pub name: &'static str,
    pub says: fn(&RuleInput) -> Vec<Named>,
}

/// The input of a rule.
pub struct RuleInput<'a> {
    pub tool: &'a str,
    pub text: &'a str,
    pub stream: &'a Stream,
    pub inside: Option<&'a str>,
    pub nets: &'a [IpNet],
}

impl RuleInput<'_> {
    /// Applies a rule to each window and returns the findings without duplicates.
    fn each<N: IntoIterator<Item = Named>>(&self, rule: impl Fn(&Window) -> N) -> Vec<Named> {
        let all: std::collections::BTreeSet<Named> =
            self.stream.windows.iter().flat_map(rule).collect();
        all.into_iter().collect()
    }
}

/// The paper's rule, which the detector itself implements.
const PAPER: Peer = Peer {
    name: "paper",
    says: |input| {
        let scope = input.inside.map_or(vec![], |inside| vec!["--inside", inside]);
        let ran = tool(input.tool).arg("--paper").args(scope).stdin(input.text).run().ok();
        score::named(ran.text())
    },
};

pub static DETECTORS: [Detector; 3] = [
    Detector {
        tool: "nfscan",
        kind: Kind::Scan,
        grid: SCANS,
        peers: &[
            PAPER,
            Peer { name: "dscan", says: |input| input.each(|w| score::sources(peers::dscan(w))) },
            Peer {
                name: "unanswered",
                says: |input| input.each(|w| score::sources(peers::unanswered(w))),
            },
            Peer {
                name: "rwscan",
                says: |input| input.each(|w| score::sources(rwscan::rwscan(w, input.nets))),
            },
        ],
        aims: aims::SCANS,
        labelled: aims::LABELLED_SCANS,
        seeds: 2,
        about: "\
# How good the detectors are, by their defaults, beside simpler rules. Reviewed: scripts/quality writes
# it and shows what moved; cargo test fails when it moves.
#
# Each row is a scenario of tests/nfkit/quality/grid.rs and grid/, once on seeds on which defaults may
# be chosen and once on seeds that are kept to see whether they hold: two seeds a half if an aim
# of nfscan hangs on the row, else one. Rows that end in -nine have the nine columns alone, others also times and
# flags; a row of - alone wants an option that is not there yet. First nfscan:
#   must    scanners that must be found       found   those nfscan named, by whatever class, or with their network
#   missed  those it did not                  class   of the found, those by the class of the truth
#   false   innocent hosts that it named      hosts   hosts seen
# Then found and false of: the paper's rule (nfscan --paper); flow-dscan (over 200 destinations, or 64
# ports below 1024 of one host); 25 or more targets without a reverse flow; SiLK's rwscan.
",
    },
    Detector {
        tool: "nfflood",
        kind: Kind::Flood,
        grid: FLOODS,
        peers: &[
            PAPER,
            Peer {
                name: "fastnetmon",
                says: |input| input.each(|w| victims::fastnetmon(w, input.nets)),
            },
            Peer {
                name: "akvorado",
                says: |input| input.each(|w| score::targets(victims::akvorado(w))),
            },
        ],
        aims: aims::FLOODS,
        labelled: aims::LABELLED_FLOODS,
        seeds: 1,
        about: "\
#
# The same of who is flooded, and who of ours floods: a victim is found if it is named as a target, an
# attacker as a source, and a network that is flooded as a whole (carpet) by one that contains it, or
# by some in it that cover half of it. Whoever else is named, as the one or the other, is false. The
# rows of volume must be found though nfgen says may, and in those of outage the servers that are
# switched off, which --state tells from flooded ones.
# Then found and false of: the paper's rule (nfflood --paper); FastNetMon's limits (an inside host that
# gets or sends over 20,000 packets or 1 Gbit a second in its busiest minute, flows spread evenly from
# start to end; over the window without times); Akvorado's query (a destination, protocol, source port
# and minute with over 20 sources and 100 Mbit a second).
",
    },
    Detector {
        tool: "nfport",
        kind: Kind::Port,
        grid: PORTS,
        peers: &[
            PAPER,
            Peer { name: "hundred", says: |input| input.each(|w| score::sources(peers::hundred(w))) },
        ],
        aims: aims::PORTS,
        labelled: aims::LABELLED_PORTS,
        seeds: 1,
        about: "\
#
# The same of who attacks a port. In the rows worms-100 nothing is seen of a worm after its first 100
# targets; in the one that ends in -nfscan it is found if nfport or nfscan names it. In cron one program
# is a known false positive.
# Then found and false of: the paper's rule (nfport --paper); 100 or more hosts on one port without a
# reverse flow.
",
    },
];
