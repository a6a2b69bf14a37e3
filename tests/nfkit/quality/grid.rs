//! The scenarios of the detectors: the traffic that nfgen plays, the part of it that is left, and
//! the options of the detector. The lists are static, so that the rows of the table are complete
//! descriptions.

mod floods;
mod ports;

pub use floods::FLOODS;
pub use ports::PORTS;

/// The columns of the flow lines that the detectors get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Columns {
    /// All that nfgen prints: the nine, `start`, `end`, `flags` and any others.
    All,
    /// The nine columns only.
    Nine,
}

/// The state of a detector at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No state.
    None,
    /// A state that is kept from window to window.
    Kept,
    /// A kept state that begins with a day before, played with these arguments.
    Warm(&'static str),
}

/// A line of the grid.
pub struct Scenario {
    pub name: &'static str,
    /// Arguments of nfgen, with [`WORDS`].
    pub play: &'static str,
    pub columns: Columns,
    /// The networks that the detector gets as inside, if any.
    pub inside: Option<&'static str>,
    pub state: State,
    /// Other options of the detector.
    pub options: &'static [&'static str],
    /// A class whose findings must be made although the truth only allows them.
    pub must: Option<&'static str>,
    /// The number of distinct targets after which no more flows of a source to be found are seen.
    pub cut: Option<usize>,
    /// Another detector whose findings count as well.
    pub also: Option<&'static str>,
}

/// Seeds on which defaults may be chosen, and seeds kept back to check them.
pub const HALVES: [(&str, [u64; 2]); 2] = [("chosen", [1, 2]), ("kept", [3, 4])];

/// Words in the arguments of nfgen and their meaning. ALL is every benign kind at its own size. FEW
/// are the same kinds with less traffic, so that a row is quick, but enough for rules that count
/// destinations. TCP is every kind of TCP scan. MORE is traffic that looks like a flood or like
/// guessing and is neither, and SOME is less of it. FIELD is traffic that was accused in the field.
/// FLOODED and ATTACKED are a few of the main floods and attacks on ports.
pub const WORDS: [(&str, &str); 8] = [
    (
        "ALL",
        "webserver,cdn,dnsserver,resolver,ntp,nat,p2p,mail,crawler,spider,monitor,crowd,\
         backscatter,vpn,stale,leaver,trace,misroute",
    ),
    (
        "FEW",
        "webserver=300,cdn=250,dnsserver=600,resolver=500,ntp=500,nat=800,p2p=400,mail=200,\
         crawler=300,spider=400,monitor,crowd=300,backscatter=300,vpn,stale,leaver,trace,misroute",
    ),
    (
        "TCP",
        "sweepx10,horizontalx10,patientx10,innerx10,smallx10,large,portsx10,connectx10,blockx10",
    ),
    (
        "MORE",
        "quicx2,downloadx3,uploadx3,streamx3,loginsx3,opening=2000,mobilex2,innerportsx2,crowd=800x2",
    ),
    ("SOME", "quic=300,download,upload,stream,logins,opening=250,mobile=300"),
    ("FIELD", "checksx4,idlex3,callx3,discoveryx4,classx2,visitorsx2"),
    ("FLOODED", "floodx4,botnetx4,forgedx2,reflectedx4,unlistedx4,carpetx2"),
    ("ATTACKED", "codered=2000x5,guessx10,spamx10"),
];

use crate::harness::INSIDE;

const fn all(name: &'static str, play: &'static str) -> Scenario {
    Scenario {
        name,
        play,
        columns: Columns::All,
        inside: Some(INSIDE),
        state: State::None,
        options: &[],
        must: None,
        cut: None,
        also: None,
    }
}

const fn nine(name: &'static str, play: &'static str) -> Scenario {
    Scenario { columns: Columns::Nine, ..all(name, play) }
}

/// A day before the one that campus plays by default.
const DAY: &str = "campus --for 24h --start 2001-07-01T08:00:00Z --flows 216000";
const SAMPLED_10: &str =
    "campus --for 24h --start 2001-07-01T08:00:00Z --flows 1000000 --sampling 10";
const SAMPLED_100: &str =
    "campus --for 24h --start 2001-07-01T08:00:00Z --flows 1440000 --sampling 100";

/// Scans of which one packet in 10 or in 100 is sampled.
const AT_10: &str =
    "campus --sampling 10 --flows 120000 --with FEW,horizontal=841x50,sweepx10,udp=841x10";
const AT_100: &str =
    "campus --sampling 100 --flows 140000 --with FEW,horizontal=841x50,sweep=2032x10,udp=841x10";

const CAMPUS_DAY: &str = "campus --for 24h --flows 216000";
/// Slow scans that an hour shows, and some that only a day shows.
const SLOW: &str = "campus --for 24h --flows 140000 --with slowx20,slow=3x20";

const TWICE: &str = "campus --twice --flows 50000 --with FEW,horizontalx10,portsx10,udpx10";
const IPV6: &str = "campus --ipv6 --flows 50000 --with FEW,horizontalx10,portsx10,udpx10";
/// The networks of the campus in both address families.
const BOTH: &str = "140.119.0.0/16,2001:288::/32";

const FIELD: &str = "campus --flows 60000 --with FEW,FIELD";
const LATERAL: &str = "campus --flows 40000 --with FEW,lateralx10";

const PROTOCOLS: &str = "campus --flows 40000 --with FEW,protocolsx10";

const ANSWERS: &str = "campus --flows 60000 --with FEW,answersx12";
const ANSWERS_HOUR: &str = "campus --for 1h --flows 200000 --with FEW,answers=60x12,answers=600x6";

/// A site whose uplink fails for some minutes, and for a window after it.
const UPLINK: &str = "none --for 20m --with uplink";
const UPLINK_HOUR: &str = "none --for 1h --with uplink=100";
/// Servers that are down: those that are switched off, and those that are flooded.
const OUTAGE: &str = "campus --flows 50000 --with maintenancex2,silencedx2,FEW";

/// The grid of nfscan. Its aims refer to these rows.
pub const SCANS: &[Scenario] = &[
    all("campus", "campus"),
    nine("campus-nine", "campus"),
    all("campus-day", CAMPUS_DAY),
    Scenario { state: State::Warm(DAY), ..all("campus-day-state", CAMPUS_DAY) },
    all("paper", "paper --flows 220000"),
    all("innocents", "campus --with ALL"),
    nine("innocents-nine", "campus --with ALL"),
    Scenario {
        state: State::Kept,
        ..all("innocents-hour", "campus --for 1h --flows 180000 --with FEW")
    },
    all("field", FIELD),
    nine("field-nine", FIELD),
    all("field-oneway-in", "campus --oneway in --flows 60000 --with FEW,FIELD"),
    all("field-sampled-100", "campus --sampling 100 --flows 100000 --with FEW,FIELD"),
    Scenario {
        state: State::Kept,
        ..all("field-hour", "campus --for 1h --flows 300000 --with FEW,FIELD")
    },
    all("uplink", UPLINK),
    Scenario { state: State::Kept, ..all("uplink-hour", UPLINK_HOUR) },
    all("uplink-inner", "none --for 20m --with uplink,innerx10"),
    all("outage", OUTAGE),
    all("lateral", LATERAL),
    nine("lateral-nine", LATERAL),
    Scenario {
        state: State::Kept,
        ..all("lateral-hour", "campus --for 1h --flows 150000 --with FEW,lateralx5")
    },
    all("protocols", PROTOCOLS),
    nine("protocols-nine", PROTOCOLS),
    all("backscatter", "campus --flows 50000 --with backscatterx50"),
    nine("backscatter-nine", "campus --flows 50000 --with backscatterx50"),
    // Servers whose requests are not exported.
    all("answers", ANSWERS),
    nine("answers-nine", ANSWERS),
    Scenario { state: State::Kept, ..nine("answers-nine-hour", ANSWERS_HOUR) },
    // Hosts that send resets in reply to unsolicited SYN-ACKs.
    all("synack", "campus --flows 40000 --with FEW,synackx10"),
    nine("synack-nine", "campus --flows 40000 --with FEW,synackx10"),
    all("tcp", "campus --flows 90000 --with FEW,TCP"),
    nine("tcp-nine", "campus --flows 90000 --with FEW,TCP"),
    all("sweep", "campus --flows 50000 --with FEW,sweepx10"),
    all("horizontal", "campus --flows 40000 --with FEW,horizontalx10"),
    all("patient", "campus --flows 40000 --with FEW,patientx10"),
    nine("patient-nine", "campus --flows 40000 --with FEW,patientx10"),
    all("small", "campus --flows 40000 --with FEW,smallx50"),
    nine("small-nine", "campus --flows 40000 --with FEW,smallx50"),
    all("least", "campus --flows 40000 --with FEW,small=25x50"),
    all("large", "campus --flows 80000 --with FEW,largex2"),
    all("inner", "campus --flows 50000 --with FEW,innerx20"),
    Scenario { inside: None, ..all("inner-no-inside", "campus --flows 50000 --with FEW,innerx20") },
    Scenario {
        inside: None,
        ..all("outer-no-inside", "campus --flows 50000 --with FEW,horizontalx20")
    },
    all("vertical", "campus --flows 50000 --with FEW,portsx25,connectx25"),
    nine("vertical-nine", "campus --flows 50000 --with FEW,portsx25,connectx25"),
    all("block", "campus --flows 40000 --with FEW,blockx20"),
    nine("block-nine", "campus --flows 40000 --with FEW,blockx20"),
    all("udp", "campus --flows 50000 --with FEW,udpx20"),
    nine("udp-nine", "campus --flows 50000 --with FEW,udpx20"),
    all("udpwalk", "campus --flows 50000 --with FEW,udpwalkx20"),
    all("icmp", "campus --flows 40000 --with FEW,icmpx20"),
    nine("icmp-nine", "campus --flows 40000 --with FEW,icmpx20"),
    all("survey", "campus --flows 50000 --with FEW,surveyx5"),
    all("group", "campus --flows 40000 --with FEW,groupx10"),
    nine("group-nine", "campus --flows 40000 --with FEW,groupx10"),
    all("group-many", "campus --flows 40000 --with FEW,group=800x10"),
    all("alone", "none --with horizontalx5,portsx5,connectx5,udpx5,icmpx5,smallx5"),
    nine("alone-nine", "none --with horizontalx5,portsx5,connectx5,udpx5,icmpx5,smallx5"),
    Scenario { state: State::Kept, ..all("slow", SLOW) },
    Scenario { state: State::Kept, ..nine("slow-nine", SLOW) },
    Scenario { state: State::Warm(SAMPLED_10), ..all("sampled-10", AT_10) },
    Scenario { state: State::Warm(SAMPLED_100), ..all("sampled-100", AT_100) },
    all("sampled-10-cold", AT_10),
    all("sampled-100-cold", AT_100),
    all("oneway-in", "campus --oneway in --flows 50000 --with FEW,horizontalx10,portsx10,udpx10"),
    all("oneway-out", "campus --oneway out --flows 40000 --with FEW,innerx10"),
    all("twice", TWICE),
    nine("twice-nine", TWICE),
    Scenario { inside: Some(BOTH), ..all("ipv6", IPV6) },
    Scenario { inside: Some(BOTH), ..nine("ipv6-nine", IPV6) },
];
