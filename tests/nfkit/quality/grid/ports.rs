//! The scenarios of nfport.

use super::{
    ANSWERS, BOTH, CAMPUS_DAY, Columns, FIELD, Scenario, State, UPLINK, UPLINK_HOUR, all, nine,
};

const CODERED: &str = "campus --flows 110000 --with FEW,coderedx2";
const SYNACK: &str = "campus --flows 40000 --with FEW,synackx10";
const GUESS: &str = "campus --flows 40000 --with FEW,guessx10";
const SLOWGUESS: &str = "campus --for 1h --flows 20000 --with slowguessx10,cronx2";
const GUESSERS: &str = "campus --flows 40000 --with FEW,guessersx10";
const SWARM: &str = "campus --flows 40000 --with FEW,swarm";
const SPAM: &str = "campus --flows 40000 --with FEW,spamx10";

const fn kept(name: &'static str, play: &'static str) -> Scenario {
    Scenario { state: State::Kept, ..all(name, play) }
}

/// Limits a scenario to the number of targets after which a worm should be found.
const fn cut(scenario: Scenario) -> Scenario {
    Scenario { cut: Some(100), ..scenario }
}

/// The grid of nfport. Its aims refer to these rows.
pub const PORTS: &[Scenario] = &[
    all("campus", "campus"),
    nine("campus-nine", "campus"),
    kept("campus-day-state", CAMPUS_DAY),
    all("paper", "paper --flows 220000"),
    all("innocents", "campus --with ALL,MORE"),
    nine("innocents-nine", "campus --with ALL,MORE"),
    kept("innocents-hour", "campus --for 1h --flows 220000 --with FEW,SOME"),
    all("answers", ANSWERS),
    nine("answers-nine", ANSWERS),
    all("field", FIELD),
    nine("field-nine", FIELD),
    all("uplink", UPLINK),
    kept("uplink-hour", UPLINK_HOUR),
    all("flooded", "campus --flows 150000 --with FEW,FLOODED"),
    // Hosts that send resets in reply to unsolicited SYN-ACKs.
    all("synack", SYNACK),
    nine("synack-nine", SYNACK),
    all("codered", CODERED),
    nine("codered-nine", CODERED),
    all("codered-2000", "campus --flows 70000 --with FEW,codered=2000x10"),
    kept("slowworm", "campus --for 24h --flows 140000 --with slowworm=20x5"),
    kept("chain", "campus --for 1h --flows 90000 --with chainx5"),
    all("guess", GUESS),
    nine("guess-nine", GUESS),
    kept("slowguess", SLOWGUESS),
    Scenario { columns: Columns::Nine, ..kept("slowguess-nine", SLOWGUESS) },
    kept("slowguess-6h", "campus --for 6h --flows 30000 --with slowguessx5,cronx2"),
    all("slowguess-cold", SLOWGUESS),
    // The third program is one of the known false positives.
    kept("cron", "campus --for 1h --flows 20000 --with cronx3"),
    all("guessers", GUESSERS),
    nine("guessers-nine", GUESSERS),
    all("guessers-oneway-in", "campus --oneway in --flows 40000 --with FEW,guessersx10"),
    all("guessers-sampled-100", "campus --sampling 100 --flows 140000 --with FEW,guessersx10"),
    all("swarm", SWARM),
    nine("swarm-nine", SWARM),
    all("swarm-oneway-in", "campus --oneway in --flows 40000 --with FEW,swarm"),
    all("swarm-sampled-100", "campus --sampling 100 --flows 140000 --with FEW,swarm"),
    all("spam", SPAM),
    nine("spam-nine", SPAM),
    all("oneway-in", "campus --oneway in --flows 60000 --with FEW,ATTACKED"),
    all("sampled-10", "campus --sampling 10 --flows 150000 --with FEW,codered=10000x4"),
    all("twice", "campus --twice --flows 60000 --with FEW,ATTACKED"),
    Scenario {
        inside: Some(BOTH),
        ..all("ipv6", "campus --ipv6 --flows 60000 --with FEW,ATTACKED")
    },
    cut(kept("worms-100", "campus --for 1h --flows 110000 --with codered=1200x3,chainx5")),
    Scenario {
        also: Some("nfscan"),
        ..cut(kept(
            "worms-100-nfscan",
            "campus --for 80m --flows 160000 --with codered=1200x3,chainx5,slowwormx5",
        ))
    },
];
