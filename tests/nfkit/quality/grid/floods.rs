//! The scenarios of nfflood.

use super::{
    ANSWERS, BOTH, CAMPUS_DAY, Columns, FIELD, OUTAGE, Scenario, State, UPLINK, UPLINK_HOUR, all,
    nine,
};

/// A third of a day before the other scenarios. Its web servers are the victims of [`VOLUME`],
/// because the first kind in `--with` always gets the same addresses.
const BEFORE: &str =
    "campus --for 8h --start 2001-07-02T00:00:00Z --flows 100000 --with webserver=30x5";
const VOLUME: Scenario =
    Scenario { must: Some("volume"), ..all("volume", "campus --flows 50000 --with volumex5,FEW") };

/// The six hours before [`OUTAGE`], with the clients of its servers, after a window in which these are down too.
const SERVED: &str = "none --for 370m --start 2001-07-02T01:50:00Z --with maintenancex2,silencedx2";
/// Servers that are down. Those that are switched off must be found too.
const DOWN: Scenario = Scenario { must: Some("outage"), ..all("outage", OUTAGE) };

const FLOOD: &str = "campus --flows 60000 --with FEW,flood=1500x10";
const BOTNET: &str = "campus --flows 60000 --with FEW,botnet=2500x10";
const FORGED: &str = "campus --flows 60000 --with FEW,forged=4000x5";
const REFLECTED: &str = "campus --flows 40000 --with FEW,reflectedx10";
const UNLISTED: &str = "campus --flows 40000 --with FEW,unlistedx10";
const CARPET: &str = "campus --flows 170000 --with FEW,carpetx6";

const ONETUPLE: &str = "campus --flows 40000 --with FEW,onetuplex10";
const OUTTUPLE: &str = "campus --flows 40000 --with FEW,outtuplex10";

const TWICE: &str = "campus --twice --flows 150000 --with FEW,FLOODED";
const HOUR: &str = "campus --for 1h --flows 220000 --with FEW,SOME";
/// Floods of which one packet in ten is sampled.
const AT_10: &str = "campus --sampling 10 --flows 280000 --with FEW,flood=10000x3,botnet=10000x3,\
                     forged=10000x2,reflected=6000x3,unlisted=6000x3,carpet=10000x2";

/// The grid of nfflood. Its aims refer to these rows.
pub const FLOODS: &[Scenario] = &[
    all("campus", "campus"),
    nine("campus-nine", "campus"),
    Scenario { state: State::Kept, ..all("campus-day-state", CAMPUS_DAY) },
    all("paper", "paper --figure 4 --flows 20000"),
    all("innocents", "campus --with ALL,MORE"),
    nine("innocents-nine", "campus --with ALL,MORE"),
    Scenario { state: State::Kept, ..all("innocents-hour", HOUR) },
    all("answers", ANSWERS),
    nine("answers-nine", ANSWERS),
    all("field", FIELD),
    nine("field-nine", FIELD),
    all("scanned", "campus --flows 90000 --with FEW,TCP"),
    all("flood", FLOOD),
    nine("flood-nine", FLOOD),
    all("udpflood", "campus --flows 60000 --with FEW,udpfloodx10"),
    all("botnet", BOTNET),
    nine("botnet-nine", BOTNET),
    all("forged", FORGED),
    nine("forged-nine", FORGED),
    all("drawn", "campus --flows 70000 --with FEW,drawn=5000x5"),
    Scenario {
        options: &["--outside-if", "1"],
        ..all("spoofed", "campus --flows 60000 --with FEW,spoofedx5")
    },
    all("reflected", REFLECTED),
    nine("reflected-nine", REFLECTED),
    all("unlisted", UNLISTED),
    nine("unlisted-nine", UNLISTED),
    all("synack", "campus --flows 40000 --with FEW,synackx10"),
    all("carpet", CARPET),
    nine("carpet-nine", CARPET),
    all("quicflood", "campus --flows 50000 --with FEW,quicfloodx5"),
    all("onetuple", ONETUPLE),
    nine("onetuple-nine", ONETUPLE),
    all("onetuple-oneway-in", "campus --oneway in --flows 40000 --with FEW,onetuplex10"),
    all("onetuple-sampled-100", "campus --sampling 100 --flows 140000 --with FEW,onetuplex10"),
    all("outtuple", OUTTUPLE),
    nine("outtuple-nine", OUTTUPLE),
    all("outbound", "campus --flows 30000 --with FEW,outboundx10"),
    all("outsyn", "campus --flows 70000 --with FEW,outsyn=2500x10"),
    Scenario { state: State::Warm(BEFORE), ..VOLUME },
    Scenario { name: "volume-cold", ..VOLUME },
    Scenario { state: State::Warm(SERVED), ..DOWN },
    Scenario { columns: Columns::Nine, name: "outage-nine", state: State::Warm(SERVED), ..DOWN },
    Scenario { name: "outage-cold", ..DOWN },
    all("uplink", UPLINK),
    Scenario { state: State::Kept, ..all("uplink-hour", UPLINK_HOUR) },
    all("oneway-in", "campus --oneway in --flows 150000 --with FEW,FLOODED"),
    all("sampled-10", AT_10),
    all("twice", TWICE),
    nine("twice-nine", TWICE),
    Scenario {
        inside: Some(BOTH),
        ..all("ipv6", "campus --ipv6 --flows 150000 --with FEW,FLOODED")
    },
];
