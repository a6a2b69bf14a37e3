//! The kinds of hosts that can be added to a scenario by name: scanners, flooders, attackers of ports, and
//! innocent hosts that look like one of these.

use std::fmt;
use std::str::FromStr;

/// The largest size of an actor. No scan goes through 140.119.0.0/16 twice in a window.
pub const MAX_SIZE: u32 = 60_000;
/// The most hosts that one request adds.
pub const MAX_COUNT: u32 = 100;
/// The most hosts that all requests add, so that each has an address of its own.
pub const MAX_ACTORS: u32 = 400;

/// The block that an actor's address is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// The part of the campus without ordinary hosts.
    Inside,
    /// The blocks for documentation (RFC 5737).
    Scanner,
    /// A /24, of which the actor has sixteen addresses.
    Group,
    /// The public addresses of the world.
    Public,
    /// A whole network in the part of the campus without ordinary hosts.
    Net,
}

/// The module that plays an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Scan,
    Flood,
    Worm,
    Innocent,
}

/// Defines the kinds in one list, so that the enum, [`Actor::ALL`] and the text about each kind agree.
macro_rules! actors {
    ($($actor:ident $name:literal $size:literal $family:ident $home:ident $class:literal $about:literal,)+) => {
        /// A kind of host that a scenario can have besides its ordinary traffic.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Actor {
            $(#[doc = $about] $actor,)+
        }

        impl Actor {
            /// All kinds: those that scan, flood and attack a port, then the innocent ones.
            pub const ALL: [Actor; [$($name),+].len()] = [$(Actor::$actor),+];

            /// Returns the name by which a user asks for the kind.
            pub const fn name(self) -> &'static str {
                match self { $(Actor::$actor => $name,)+ }
            }

            /// Returns the default size: for most kinds the targets or peers in a window.
            pub const fn size(self) -> u32 {
                match self { $(Actor::$actor => $size,)+ }
            }

            /// Returns a line of text about the kind.
            pub const fn about(self) -> &'static str {
                match self { $(Actor::$actor => $about,)+ }
            }

            /// Returns the class of the finding about such a host, or `None` for a kind that is innocent.
            pub const fn class(self) -> Option<&'static str> {
                let class = match self { $(Actor::$actor => $class,)+ };
                if class.is_empty() { None } else { Some(class) }
            }

            pub(super) const fn family(self) -> Family {
                match self { $(Actor::$actor => Family::$family,)+ }
            }

            pub(super) const fn home(self) -> Home {
                match self { $(Actor::$actor => Home::$home,)+ }
            }
        }
    };
}

actors! {
    Sweep "sweep" 1016 Scan Scanner "sweep"
        "walks whole /24s, one host after the other, tcp/23",
    Horizontal "horizontal" 500 Scan Scanner "horizontal"
        "addresses of the campus in random order, tcp/445, one SYN of 40 bytes each",
    Patient "patient" 300 Scan Scanner "horizontal"
        "horizontal by connect(): SYNs of 48 to 60 bytes, up to three tries",
    Inner "inner" 500 Scan Inside "horizontal"
        "an inside host, random addresses of the world, tcp/445",
    Ports "ports" 200 Scan Scanner "vertical"
        "random TCP ports of one living host, all from one source port",
    Connect "connect" 200 Scan Scanner "vertical"
        "ports by connect(): a source port for each",
    Block "block" 300 Scan Scanner "block"
        "ten TCP ports of each host; SIZE counts hosts and ports together",
    Udp "udp" 500 Scan Scanner "udp"
        "addresses of the campus in random order, udp/161",
    UdpWalk "udpwalk" 500 Scan Scanner "udp"
        "walks from host to host, udp/53",
    Icmp "icmp" 254 Scan Scanner "icmp"
        "walks from host to host with echo requests",
    Slow "slow" 12 Scan Scanner "slow"
        "tcp/22, few in a window and others in each",
    Group "group" 320 Scan Group "group"
        "sixteen sources of one /24 that share one scan, tcp/3389",
    Small "small" 30 Scan Scanner "horizontal"
        "few addresses of the campus, tcp/22",
    Large "large" 20000 Scan Scanner "horizontal"
        "a third of the campus, tcp/80",
    Survey "survey" 2000 Scan Scanner "survey"
        "a research scanner: ten ports, one SYN each",
    InnerPorts "innerports" 3000 Scan Inside "vertical"
        "an inside host, random TCP ports of one outside host, which resets most",
    Lateral "lateral" 40 Scan Inside "lateral"
        "an inside host that is refused at ssh, SMB, RDP and WinRM of inside hosts",
    Protocols "protocols" 100 Scan Scanner "vertical"
        "IP protocols of one living host, one empty packet each; SIZE at most 130",
    Flood "flood" 3000 Flood Inside "dos"
        "an inside server, SYNs from one outside source, a new source port for each",
    UdpFlood "udpflood" 3000 Flood Inside "dos"
        "an inside host, UDP from one outside source to random ports",
    Botnet "botnet" 5000 Flood Inside "ddos"
        "an inside server, 300 bots that connect() to tcp/443",
    Forged "forged" 6000 Flood Inside "ddos"
        "an inside server, SYNs whose sources are any addresses at all",
    Drawn "drawn" 10000 Flood Inside "ddos"
        "forged, but sources from public space alone; every second from one /8",
    Spoofed "spoofed" 3000 Flood Inside "ddos"
        "forged, but sources are inside addresses, which come in by the uplink",
    Reflected "reflected" 600 Flood Inside "reflection"
        "an inside host, responses of DNS, NTP and other servers; SIZE counts servers",
    Unlisted "unlisted" 600 Flood Inside "reflection"
        "reflected, but from ports that few lists have",
    SynAck "synack" 800 Flood Inside "reflection"
        "an inside host, SYN-ACKs of web servers; SIZE counts servers",
    Carpet "carpet" 8000 Flood Net "carpet"
        "all hosts of a /24 or a /22, most of them dark, UDP or SYNs, 200 sources",
    QuicFlood "quicflood" 4000 Flood Inside "ddos"
        "an inside web server, UDP to port 443 from 500 sources",
    Outbound "outbound" 5000 Flood Inside "outbound"
        "an inside host sends UDP to an outside one; SIZE is packets a second",
    OutSyn "outsyn" 5000 Flood Inside "dos"
        "an inside host, SYNs to an outside one, a new source port for each",
    Volume "volume" 4000 Flood Inside "volume"
        "an inside server, long UDP flows of 20 sources; SIZE is packets a second",
    OneTuple "onetuple" 20000 Flood Inside "dos"
        "an inside host, SYNs or UDP from one outside source and port; SIZE a second",
    OutTuple "outtuple" 5000 Flood Inside "dos"
        "an inside host, SYNs from one port to an outside one; SIZE a second",
    Silenced "silenced" 1200 Flood Inside "ddos"
        "an inside server and its clients, silenced by SYNs of others in one window",
    CodeRed "codered" 20000 Worm Inside "spread"
        "an infected inside host, tcp/80 of random addresses of the world",
    SlowWorm "slowworm" 150 Worm Inside "spread"
        "an infected inside host, tcp/445, few in a window and others in each",
    Chain "chain" 60 Worm Scanner "infected"
        "a scanner infects an inside host, that another; SIZE counts targets of theirs",
    Guess "guess" 200 Worm Scanner "bruteforce"
        "guesses passwords of one inside host; SIZE counts connections",
    SlowGuess "slowguess" 10 Worm Scanner "bruteforce"
        "guesses ssh passwords of one inside host, once a minute for hours",
    Guessers "guessers" 60 Worm Inside "bruteforce"
        "ssh passwords of one inside host, five by each source; SIZE counts sources",
    Swarm "swarm" 200 Worm Inside "swarm"
        "unused addresses, ten by each of many sources, one port; SIZE counts sources",
    Spam "spam" 200 Worm Inside "spam"
        "an inside host that is no mail server writes to mail servers, tcp/25",
    WebServer "webserver" 2000 Innocent Inside ""
        "an inside web server and its visitors",
    Cdn "cdn" 400 Innocent Public ""
        "an outside web server that many inside clients fetch from",
    DnsServer "dnsserver" 2000 Innocent Inside ""
        "an inside name server that the world queries",
    Resolver "resolver" 1500 Innocent Inside ""
        "an inside resolver that queries the world's name servers",
    Ntp "ntp" 3000 Innocent Inside ""
        "an inside time server and its clients",
    Nat "nat" 3000 Innocent Inside ""
        "one inside address with many clients behind it; SIZE counts conversations",
    P2p "p2p" 600 Innocent Inside ""
        "an inside BitTorrent host and its peers, many of them gone",
    Mail "mail" 300 Innocent Inside ""
        "an inside mail server; one in eight of the servers it writes to is dead",
    Crawler "crawler" 1500 Innocent Inside ""
        "an inside crawler of the world's web sites",
    Spider "spider" 1500 Innocent Public ""
        "an outside crawler of the campus, with 40 hosts in its list that serve no more",
    Monitor "monitor" 200 Innocent Inside ""
        "an inside station that checks the same inside hosts in every window",
    Crowd "crowd" 3000 Innocent Inside ""
        "a flash crowd at an inside web server; one connection in eight is not answered",
    Backscatter "backscatter" 600 Innocent Public "backscatter"
        "a victim that answers a flood with forged sources, to addresses of the campus",
    Vpn "vpn" 60 Innocent Inside ""
        "an inside gateway for tunnels and calls: one port on both sides, long flows",
    Stale "stale" 60 Innocent Inside ""
        "an inside client that tries five dead hosts again and again; SIZE counts tries",
    Leaver "leaver" 400 Innocent Inside ""
        "an inside host whose address a BitTorrent host had, whose peers still connect",
    Trace "trace" 20 Innocent Inside ""
        "traceroute by an inside host",
    Misroute "misroute" 200 Innocent Public ""
        "ICMP errors from routers of the world to inside hosts",
    Quic "quic" 1000 Innocent Inside ""
        "one inside address that fetches by QUIC; SIZE counts conversations",
    Download "download" 5000 Innocent Inside ""
        "an inside host that fetches by two connections; SIZE is packets a second",
    Upload "upload" 4000 Innocent Inside ""
        "an inside host that sends by QUIC to one server; SIZE is packets a second",
    Stream "stream" 3000 Innocent Inside ""
        "an inside host that gets video over UDP; SIZE is packets a second",
    Logins "logins" 60 Innocent Inside ""
        "an inside host that works at ten others by ssh; SIZE counts sessions",
    Opening "opening" 4000 Innocent Inside ""
        "an inside web server, at which all visitors come within 90 s",
    Mobile "mobile" 1500 Innocent Inside ""
        "an inside server of games or calls, one UDP port, and its clients",
    Answers "answers" 3000 Innocent Inside ""
        "an inside server whose visitors come by another way: answers alone",
    Checks "checks" 300 Innocent Inside ""
        "an inside balancer that asks twelve servers if they are there; no data",
    Idle "idle" 1500 Innocent Inside ""
        "one inside address whose clients keep idle connections alive",
    Call "call" 3000 Innocent Inside ""
        "an inside host sends a stream, reports come to another port; SIZE a second",
    Discovery "discovery" 400 Innocent Inside ""
        "an inside host that looks for peers from one port, a third alive, some private",
    Class "class" 60 Innocent Inside ""
        "an inside host at which students work by ssh; SIZE counts students",
    Visitors "visitors" 200 Innocent Inside ""
        "unrelated clients of ten inside web servers each; SIZE counts clients",
    Maintenance "maintenance" 400 Innocent Inside "outage"
        "an inside web server and its clients, switched off in one window",
    Uplink "uplink" 200 Innocent Inside ""
        "inside clients and their resolver, whose uplink fails; SIZE counts clients",
    Cron "cron" 10 Innocent Inside ""
        "an inside host at which a program logs in by ssh once a minute",
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A request for hosts of a kind. The text form is `KIND[=SIZE][xCOUNT]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct With {
    /// The kind.
    pub actor: Actor,
    /// The size of each host, 1 to [`MAX_SIZE`]: distinct targets or peers in a window, flows of a flood, or
    /// packets a second.
    pub size: u32,
    /// The number of hosts, 1 to [`MAX_COUNT`].
    pub count: u32,
}

/// The reason why a text is not a request for actors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WithError {
    /// There is no such kind.
    #[error("unknown kind {0:?}; the kinds are {list}", list = names())]
    Unknown(String),
    /// The size is not a number, or out of range.
    #[error("size {0:?} is not a number from 1 to {MAX_SIZE}")]
    Size(String),
    /// The count is not a number, or out of range.
    #[error("count {0:?} is not a number from 1 to {MAX_COUNT}")]
    Count(String),
}

fn names() -> String {
    Actor::ALL.map(Actor::name).join(" ")
}

impl FromStr for With {
    type Err = WithError;

    fn from_str(text: &str) -> Result<With, WithError> {
        let named = |name: &str| Actor::ALL.into_iter().find(|actor| actor.name() == name);
        let (name, size, count) = match (text.split_once('='), text.rsplit_once('x')) {
            (Some((name, rest)), _) => match rest.split_once('x') {
                Some((size, count)) => (name, Some(size), Some(count)),
                None => (name, Some(rest), None),
            },
            (None, Some((name, count))) if named(name).is_some() => (name, None, Some(count)),
            _ => (text, None, None),
        };
        let actor = named(name).ok_or_else(|| WithError::Unknown(name.to_owned()))?;
        let number = |text: &str, most| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|n| digits && (1..=most).contains(n))
        };
        let size = match size {
            None => actor.size(),
            Some(size) => number(size, MAX_SIZE).ok_or_else(|| WithError::Size(size.to_owned()))?,
        };
        let count = match count {
            None => 1,
            Some(count) => {
                number(count, MAX_COUNT).ok_or_else(|| WithError::Count(count.to_owned()))?
            }
        };
        Ok(With { actor, size, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_parsed() {
        let with = |actor, size, count| Ok(With { actor, size, count });
        for (text, want) in [
            ("sweep", with(Actor::Sweep, 1016, 1)),
            ("natx3", with(Actor::Nat, 3000, 3)),
            ("nat=7", with(Actor::Nat, 7, 1)),
            ("udp=60000x100", with(Actor::Udp, 60_000, 100)),
            ("proxy", Err(WithError::Unknown("proxy".to_owned()))),
            ("", Err(WithError::Unknown(String::new()))),
            ("sweep=", Err(WithError::Size(String::new()))),
            ("sweep=0", Err(WithError::Size("0".to_owned()))),
            ("sweep=+5", Err(WithError::Size("+5".to_owned()))),
            ("sweep=60001", Err(WithError::Size("60001".to_owned()))),
            ("sweepx0", Err(WithError::Count("0".to_owned()))),
            ("sweep=5x101", Err(WithError::Count("101".to_owned()))),
            ("sweep=5xx", Err(WithError::Count("x".to_owned()))),
        ] {
            assert_eq!(text.parse(), want, "{text}");
        }
        let error = "proxy".parse::<With>().unwrap_err().to_string();
        assert!(Actor::ALL.iter().all(|actor| error.contains(actor.name())), "{error}");
    }

    #[test]
    fn every_kind_has_a_name_a_size_and_a_line_of_text() {
        for actor in Actor::ALL {
            let with = With { actor, size: actor.size(), count: 1 };
            assert_eq!(actor.name().parse(), Ok(with));
            assert!((1..=MAX_SIZE).contains(&actor.size()));
            // The rest of a line of --help after the name and the size.
            assert!((1..=78).contains(&actor.about().len()), "{actor}");
        }
    }
}
