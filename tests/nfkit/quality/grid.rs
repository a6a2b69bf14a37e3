//! What nfscan is judged on: each scenario is what nfgen plays, what is left of it, and what nfscan is
//! told. The list is static, so that the table's rows say all there is to say.

/// Which columns the detectors get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// All that nfgen prints: the nine, `start`, `end`, `flags` and what else there is.
    All,
    /// The nine alone.
    Nine,
}

/// What nfscan knows beside the flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    None,
    /// What it keeps itself from window to window.
    Kept,
    /// That, and what it kept of a day before, played with these arguments.
    Warm(&'static str),
}

/// A line of the grid.
pub struct Scenario {
    pub name: &'static str,
    /// Arguments of nfgen; `INNOCENTS` stands for one of each kind that looks like a scanner.
    pub play: &'static str,
    pub columns: Columns,
    /// The networks nfscan is told are inside, if any.
    pub inside: Option<&'static str>,
    pub state: State,
}

/// Seeds on which defaults may be chosen, and seeds that are kept to see whether they hold.
pub const HALVES: [(&str, [u64; 2]); 2] = [("chosen", [1, 2]), ("kept", [3, 4])];

/// Every benign kind of nfgen's, at its own size.
pub const INNOCENTS: &str = "webserver,cdn,dnsserver,resolver,ntp,nat,p2p,mail,crawler,spider,\
    monitor,crowd,backscatter,vpn,stale,leaver,trace,misroute";

use crate::harness::INSIDE;

const fn all(name: &'static str, play: &'static str) -> Scenario {
    let (columns, inside) = (Columns::All, Some(INSIDE));
    Scenario { name, play, columns, inside, state: State::None }
}

const fn nine(name: &'static str, play: &'static str) -> Scenario {
    Scenario { columns: Columns::Nine, ..all(name, play) }
}

/// A day before the day that campus plays by itself.
const DAY: &str = "campus --for 24h --start 2001-07-01T08:00:00Z --flows 288000";
const SAMPLED_10: &str =
    "campus --for 24h --start 2001-07-01T08:00:00Z --flows 1440000 --sampling 10";
const SAMPLED_100: &str =
    "campus --for 24h --start 2001-07-01T08:00:00Z --flows 1440000 --sampling 100";

/// Every kind of TCP scan amid the campus and the innocents.
const TCP: &str = "campus --with INNOCENTS,sweepx10,horizontalx10,patientx10,innerx10,smallx10,\
    largex2,portsx10,connectx10,blockx10";

/// Scans that one packet in ten shows enough of, and in a hundred.
const AT_10: &str =
    "campus --sampling 10 --with INNOCENTS,horizontal=841x50,sweep=1016x10,udp=841x10";
const AT_100: &str =
    "campus --sampling 100 --with INNOCENTS,horizontal=841x50,sweep=2032x10,udp=841x10";

/// The grid. The aims of `table` name rows of it.
pub const GRID: &[Scenario] = &[
    all("campus", "campus"),
    nine("campus-nine", "campus"),
    all("campus-day", "campus --for 24h --flows 288000"),
    Scenario {
        state: State::Warm(DAY),
        ..all("campus-day-state", "campus --for 24h --flows 288000")
    },
    all("paper", "paper --flows 230000"),
    all("innocents", "campus --with INNOCENTS,INNOCENTS,INNOCENTS"),
    nine("innocents-nine", "campus --with INNOCENTS,INNOCENTS,INNOCENTS"),
    Scenario { state: State::Kept, ..all("innocents-hour", "campus --for 1h --with INNOCENTS") },
    all("backscatter", "campus --with backscatterx50"),
    nine("backscatter-nine", "campus --with backscatterx50"),
    all("tcp", TCP),
    nine("tcp-nine", TCP),
    all("sweep", "campus --with INNOCENTS,sweepx10"),
    all("horizontal", "campus --with INNOCENTS,horizontalx10"),
    all("patient", "campus --with INNOCENTS,patientx10"),
    nine("patient-nine", "campus --with INNOCENTS,patientx10"),
    all("small", "campus --with INNOCENTS,smallx20"),
    nine("small-nine", "campus --with INNOCENTS,smallx20"),
    all("least", "campus --with INNOCENTS,small=25x20"),
    all("large", "campus --with INNOCENTS,largex3"),
    all("inner", "campus --with INNOCENTS,innerx20"),
    Scenario { inside: None, ..all("inner-no-inside", "campus --with INNOCENTS,innerx20") },
    Scenario { inside: None, ..all("outer-no-inside", "campus --with INNOCENTS,horizontalx20") },
    all("vertical", "campus --with INNOCENTS,portsx25,connectx25"),
    nine("vertical-nine", "campus --with INNOCENTS,portsx25,connectx25"),
    all("block", "campus --with INNOCENTS,blockx20"),
    nine("block-nine", "campus --with INNOCENTS,blockx20"),
    all("udp", "campus --with INNOCENTS,udpx20"),
    nine("udp-nine", "campus --with INNOCENTS,udpx20"),
    all("udpwalk", "campus --with INNOCENTS,udpwalkx20"),
    all("icmp", "campus --with INNOCENTS,icmpx20"),
    nine("icmp-nine", "campus --with INNOCENTS,icmpx20"),
    all("survey", "campus --with INNOCENTS,surveyx10"),
    all("group", "campus --with INNOCENTS,groupx10"),
    nine("group-nine", "campus --with INNOCENTS,groupx10"),
    Scenario {
        state: State::Kept,
        ..all("slow", "campus --for 24h --flows 400000 --with slowx20")
    },
    Scenario {
        state: State::Kept,
        ..nine("slow-nine", "campus --for 24h --flows 400000 --with slowx20")
    },
    Scenario { state: State::Warm(SAMPLED_10), ..all("sampled-10", AT_10) },
    Scenario { state: State::Warm(SAMPLED_100), ..all("sampled-100", AT_100) },
    all("sampled-10-cold", AT_10),
    all("sampled-100-cold", AT_100),
    all("oneway-in", "campus --oneway in --with INNOCENTS,horizontalx10,portsx10,udpx10"),
    all("oneway-out", "campus --oneway out --with INNOCENTS,innerx10"),
    all("twice", "campus --twice --with INNOCENTS,horizontalx10,portsx10,udpx10"),
    all("ipv6", "campus --ipv6 --with INNOCENTS,horizontalx10,portsx10,udpx10"),
];
