//! What a finding is in plain words: what happened, what it usually means, what to do about it.
//!
//! Written for somebody who is woken by it, knows the machine and not this program.

use std::fmt::{self, Write};
use std::net::IpAddr;

use crate::finding::{Finding, Host, Kind, Role, Sample};
use crate::flow::{ICMP, ICMPV6, TCP, UDP};
use crate::time::{Timestamp, Window};

/// Columns of a line of mail.
pub(super) const WIDTH: usize = 72;

/// What a host did, or what was done to it. Advice is by this, so that a mail about many hosts gives
/// it once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Situation {
    Scanner,
    PortAttacker,
    Flooder,
    FloodVictim,
    Victim,
}

impl Situation {
    pub(super) fn of(finding: &Finding) -> Situation {
        match (finding.kind, finding.role) {
            (Kind::Scan, Role::Source) => Situation::Scanner,
            (Kind::Port, Role::Source) => Situation::PortAttacker,
            (Kind::Flood, Role::Source) => Situation::Flooder,
            (Kind::Flood, Role::Target) => Situation::FloodVictim,
            (Kind::Scan | Kind::Port, Role::Target) => Situation::Victim,
        }
    }

    /// In two words, for a subject.
    pub(super) const fn short(self) -> &'static str {
        match self {
            Situation::Scanner => "scans networks",
            Situation::PortAttacker => "attacks",
            Situation::Flooder => "floods other hosts",
            Situation::FloodVictim => "is flooded",
            Situation::Victim => "is attacked",
        }
    }

    /// What was seen, as a sentence without its subject.
    pub(super) const fn long(self) -> &'static str {
        match self {
            Situation::Scanner => "it probes whole networks, host after host",
            Situation::PortAttacker => "it opens connection after connection to one port",
            Situation::Flooder => "it floods other hosts with connections or packets",
            Situation::FloodVictim => "it receives far more connections than usual",
            Situation::Victim => "it is attacked",
        }
    }

    /// Whether the machine itself is the suspect.
    pub(super) const fn is_suspect(self) -> bool {
        matches!(self, Situation::Scanner | Situation::PortAttacker | Situation::Flooder)
    }

    /// What it usually means, paragraph by paragraph.
    pub(super) const fn meaning(self) -> &'static [&'static str] {
        match self {
            Situation::Scanner => &[
                "A machine that probes network after network looks for others that can be broken \
                 into. It is rarely its owner who does so: usually the machine was broken into \
                 itself, and serves somebody elsewhere as a stepping stone.",
                "There are innocent reasons too: monitoring, an inventory, a name or time server \
                 that answers everybody. If it is one of these, say so in a reply, and these \
                 flows will not be counted again.",
            ],
            Situation::PortAttacker => &[
                "A machine that opens thousands of connections to one port within minutes is \
                 usually infected by a worm, or was broken into and serves as a stepping stone \
                 from which others are attacked or passwords are guessed. It is rarely its owner \
                 who does so.",
                "There are innocent reasons too: a proxy, a mail relay, a crawler, a load test. \
                 If it is one of these, say so in a reply, and these flows will not be counted \
                 again.",
            ],
            Situation::Flooder => &[
                "A machine that floods another one is usually broken into, and somebody else \
                 tells it whom to flood. It is rarely its owner who does so.",
                "There are innocent reasons too: a backup, a load test, two servers that have \
                 much to say to each other. If it is one of these, say so in a reply, and this \
                 pair will not be counted again.",
            ],
            Situation::FloodVictim => &[
                "Somebody may want the service on this machine to fail. The machine itself is \
                 not under suspicion. The attackers listed above may be broken-into machines \
                 whose owners know nothing of it, and if there are very many, their addresses \
                 may be forged. Some of them may be ours: whoever is responsible for those is \
                 told at the same time as you.",
                "There are innocent reasons too: a news day, a backup, a test, a program that \
                 tries again and again. If it is one of these, say so in a reply.",
            ],
            Situation::Victim => {
                &["Somebody tries to get into this machine, or to find out what runs on it. The \
                 machine itself is not under suspicion yet, but the attempt may have succeeded."]
            }
        }
    }
}

/// What to check on a machine that is a suspect.
pub(super) const CHECK_SUSPECT: &[&str] = &[
    "Look before you switch it off: what runs now is evidence, and a reboot wipes it. Write down \
     what you do and when.",
    "Open sessions: who, last -n 50, netstat -an (Windows: netstat -ano). Look for connections to \
     the ports and hosts named above.",
    "The program behind them: ss -tunp, lsof -i (Windows: netstat -anob). Be suspicious of \
     programs that run from /tmp, /var/tmp, /dev/shm or a user's folder, and of those whose file \
     was deleted.",
    "Processes: ps auxf. A name that you do not know, or a known one twice.",
    "What starts by itself: crontab -l for every user, /etc/cron*, at -l, systemctl list-timers, \
     start-up scripts (Windows: Task Scheduler, Services, Run keys).",
    "Accounts: new ones, a second one with user id 0, keys in ~/.ssh/authorized_keys that nobody \
     knows, logins at odd hours.",
    "Logs of the hours before the first time given above: logins that failed many times and then \
     succeeded, requests that made the web server start a shell. A log that has a gap is an \
     answer too.",
    "If you cannot explain what it does, or it goes on: take it off the network now (pull the \
     cable, shut the switch port). Otherwise it may be blocked at the router.",
    "A machine that was broken into is not cleaned but installed anew, from media you trust and \
     with all patches, before it goes back. Change every password that was used on it.",
];

/// What to check on a machine that is attacked.
pub(super) const CHECK_VICTIM: &[&str] = &[
    "Does the service still answer, from inside and from outside?",
    "Load and connections: uptime, ss -s, netstat -an. Many connections that are half open \
     (SYN-RECV) mean a SYN flood: switch SYN cookies on.",
    "The service's own log at the times above: the same request again and again? From the hosts \
     named here?",
    "Limit what one address may open, at the service or the firewall, before you block whole \
     addresses: they may be forged, and then you lock out innocents.",
    "If it cannot be borne, ask in a reply for a filter upstream. Do not strike back.",
    "Look through logins and new processes as well: a flood can hide a break-in.",
];

/// How to say that it is over.
pub(super) const FIXED: &str = "Reply to this mail: what it was, what you did, and when. A reply \
    also helps when nothing was wrong: such flows can be left out from then on. If the machine is not yours, please say whose it is.";

/// A window: `2001-08-17 17:20 to 17:30 UTC (10 minutes)`.
pub(super) fn span(window: Option<Window>) -> String {
    match window {
        Some(window) => format!("{} ({})", between(window, window), length(window.seconds())),
        None => "at a time that the data does not tell".to_owned(),
    }
}

/// From the start of one window to the end of another: `2001-08-17 17:20 to 17:30 UTC`.
pub(super) fn between(first: Window, last: Window) -> String {
    let (start, end) = (moment(first.start()), moment(last.end()));
    let end = match (start.split_once(' '), end.split_once(' ')) {
        (Some((day, _)), Some((same, time))) if day == same => time,
        _ => &end,
    };
    format!("{start} to {end} UTC")
}

/// Seconds since the epoch as `2001-08-17 17:20`, with seconds unless they are zero.
pub(super) fn moment(seconds: u64) -> String {
    let text = Timestamp::from_secs(seconds).rfc3339();
    let text = text.trim_end_matches('Z').replace('T', " ");
    text.strip_suffix(":00").map_or(text.clone(), str::to_owned)
}

/// A length in the largest unit that it is whole in.
pub(super) fn length(seconds: u32) -> String {
    let (count, unit) = match seconds {
        s if s % 3600 == 0 => (s / 3600, "hour"),
        s if s % 60 == 0 => (s / 60, "minute"),
        s => (s, "second"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A count with its thousands apart: `200,000`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Octets in the unit that leaves up to three digits before the point: `9.6 MB`.
pub(super) fn octets(number: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if number < 1000 {
        return format!("{number} octets");
    }
    let mut value = u128::from(number) * 10 / 1000;
    let mut units = UNITS.iter();
    let mut unit = units.next();
    while value >= 10_000 {
        value /= 1000;
        unit = units.next();
    }
    format!("{}.{} {}", value / 10, value % 10, unit.unwrap_or(&"EB"))
}

/// A count with its noun: `1 host`, `2,000 hosts`.
pub(super) fn of(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// The name of a protocol.
pub(super) fn protocol(proto: u8) -> String {
    match proto {
        ICMP => "ICMP".to_owned(),
        TCP => "TCP".to_owned(),
        UDP => "UDP".to_owned(),
        ICMPV6 => "ICMPv6".to_owned(),
        47 => "GRE".to_owned(),
        50 => "ESP".to_owned(),
        132 => "SCTP".to_owned(),
        _ => format!("IP protocol {proto}"),
    }
}

/// Protocol and destination port: `TCP port 80 (http)`, `ICMP type 8 code 0 (echo request)`.
pub(super) fn port(proto: Option<u8>, port: Option<u16>) -> String {
    match (proto, port) {
        (None, None) => "several protocols and ports".to_owned(),
        (None, Some(port)) => format!("port {port}, several protocols"),
        (Some(proto @ (ICMP | ICMPV6)), Some(port)) => {
            let (kind, code) = (port >> 8, port & 0xff);
            let name = match (proto, kind) {
                (ICMP, 8) | (ICMPV6, 128) => " (echo request)",
                (ICMP, 0) | (ICMPV6, 129) => " (echo reply)",
                (ICMP, 3) | (ICMPV6, 1) => " (unreachable)",
                _ => "",
            };
            format!("{} type {kind} code {code}{name}", protocol(proto))
        }
        (Some(proto @ (ICMP | ICMPV6)), None) => protocol(proto),
        (Some(proto), None) => format!("{}, several ports", protocol(proto)),
        (Some(proto), Some(port)) => match service(proto, port) {
            Some(name) => format!("{} port {port} ({name})", protocol(proto)),
            None => format!("{} port {port}", protocol(proto)),
        },
    }
}

/// What usually listens on a port that attacks go to.
fn service(proto: u8, port: u16) -> Option<&'static str> {
    Some(match (proto, port) {
        (TCP, 21) => "ftp",
        (TCP, 22) => "ssh",
        (TCP, 23) => "telnet",
        (TCP, 25) => "mail",
        (TCP | UDP, 53) => "name service",
        (TCP, 80) => "web",
        (TCP, 110) => "pop3",
        (TCP | UDP, 111) => "portmapper",
        (UDP, 123) => "time service",
        (TCP | UDP, 135..=139) => "Windows networking",
        (TCP, 143) => "imap",
        (UDP, 161) => "snmp",
        (TCP | UDP, 389) => "ldap",
        (TCP | UDP, 443) => "web, encrypted",
        (TCP | UDP, 445) => "Windows file sharing",
        (TCP, 515) => "printer",
        (TCP, 587) => "mail submission",
        (TCP, 993) => "imap, encrypted",
        (TCP, 1433) | (UDP, 1434) => "Microsoft SQL",
        (TCP, 1521) => "Oracle",
        (UDP, 1900) => "ssdp",
        (TCP, 2323) => "telnet of small devices",
        (TCP, 3306) => "MySQL",
        (TCP | UDP, 3389) => "Windows remote desktop",
        (TCP | UDP, 5060) => "telephony, sip",
        (TCP, 5432) => "PostgreSQL",
        (TCP, 5900) => "vnc",
        (TCP, 6379) => "Redis",
        (TCP, 8080) => "web proxy",
        (TCP | UDP, 11211) => "memcached",
        (TCP, 27017) => "MongoDB",
        _ => return None,
    })
}

/// One flow as evidence: `192.0.2.1 port 1025 to 198.51.100.7 port 80, TCP`.
pub(super) fn sample(sample: &Sample) -> String {
    let Sample { sip, sport, dip, dport, proto } = *sample;
    let end = |address: IpAddr, port: u16| format!("{address} port {port}");
    match proto {
        ICMP | ICMPV6 => format!("{sip} to {dip}, {}", port(Some(proto), Some(dport))),
        _ => format!("{} to {}, {}", end(sip, sport), end(dip, dport), protocol(proto)),
    }
}

/// How many of those on the other side are named: the list is to get an idea from.
const MAX_PEERS: usize = 8;

/// Those on the other side, the most important first.
pub(super) fn peers(finding: &Finding) -> String {
    let named = finding.peer.iter().take(MAX_PEERS).map(|peer| match peer.flows {
        Some(flows) => format!("{} ({})", peer.host.text(false), of(flows, "flow")),
        None => peer.host.text(false),
    });
    let named: Vec<_> = named.collect();
    let hosts = of(finding.peers, "host");
    if named.is_empty() {
        return hosts;
    }
    let are_nets = finding.peer.iter().all(|peer| matches!(peer.host, Host::Prefix(_)));
    let word = if are_nets { " in" } else { ":" };
    let more = finding.more.saturating_add((finding.peer.len() - named.len()) as u64);
    let rest = match (more, are_nets) {
        (0, _) => String::new(),
        (_, true) => format!(" and {}", of(more, "more network")),
        (_, false) => format!(" and {} more", count(more)),
    };
    format!("{hosts}{word} {}{rest}", named.join(", "))
}

/// What the marks of a finding mean for its reader.
pub(super) fn mark(mark: &str, role: Role) -> Option<&'static str> {
    Some(match (mark, role) {
        ("forged", Role::Target) => {
            "The sources look forged: the addresses named as the other side may be innocent."
        }
        ("forged", Role::Source) => {
            "The sources look forged: somebody else may use this address, and the machine may be \
             innocent."
        }
        ("sampled", _) => "The router counts a sample of the packets: there was more than this.",
        ("lossy", _) => "Some of the router's records were lost: there was more than this.",
        ("outbreak", _) => "Several machines began to do the same at this time: a worm does so.",
        _ => return None,
    })
}

/// The rule as the detector gave it, reduced to what cannot disturb a mail: ASCII, at most 200
/// octets.
pub(super) fn plain(text: &str) -> String {
    text.chars().take(200).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

/// Appends paragraphs in lines of at most [`WIDTH`] columns: `first` before the first line, as many
/// blanks before the others. A word that does not fit is cut.
pub(super) fn wrap(out: &mut String, first: &str, text: &str) {
    let indent = first.chars().count();
    let room = WIDTH.saturating_sub(indent).max(20);
    let mut line = String::new();
    let mut lines = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let letters: Vec<char> = word.chars().collect();
        for piece in letters.chunks(room) {
            let used = line.chars().count();
            if used > 0 && used + 1 + piece.len() > room {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.extend(piece);
        }
    }
    lines.push(line);
    for (n, line) in lines.iter().enumerate() {
        let lead = if n == 0 { first.to_owned() } else { " ".repeat(indent) };
        let _ = writeln!(out, "{}", format!("{lead}{line}").trim_end());
    }
}

/// Appends a formatted line.
pub(super) fn line(out: &mut String, text: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_and_numbers_read_well() {
        let window = |start, seconds| span(Window::new(start, seconds));
        assert_eq!(window(998_068_800, 600), "2001-08-17 17:20 to 17:30 UTC (10 minutes)");
        assert_eq!(
            window(998_092_740, 61),
            "2001-08-17 23:59 to 2001-08-18 00:00:01 UTC (61 seconds)"
        );
        assert_eq!(window(998_092_740, 3600).rsplit('(').next(), Some("1 hour)"));
        let counts: Vec<_> = [0, 999, 1000, 200_000, 1_234_567].map(count).into();
        assert_eq!(counts, ["0", "999", "1,000", "200,000", "1,234,567"]);
        let sizes: Vec<_> = [999, 1000, 9_600_000, 999_999, 1_000_000, u64::MAX].map(octets).into();
        assert_eq!(sizes, ["999 octets", "1.0 kB", "9.6 MB", "999.9 kB", "1.0 MB", "18.4 EB"]);
        assert_eq!(port(Some(6), Some(80)), "TCP port 80 (web)");
        assert_eq!(port(Some(1), Some(0x0800)), "ICMP type 8 code 0 (echo request)");
        assert_eq!(port(Some(17), None), "UDP, several ports");
        assert_eq!(port(Some(200), Some(7)), "IP protocol 200 port 7");
    }

    #[test]
    fn no_foreign_text_keeps_what_could_disturb() {
        assert_eq!(plain("a\u{202e}b\u{1b}[2J\u{e9}"), "a?b?[2J?");
        assert_eq!(plain(&"x".repeat(4000)).len(), 200);
    }

    proptest! {
        #[test]
        fn wrapped_lines_fit_and_lose_nothing(text in "[ -~é張]{0,400}", first in "[ -]{0,12}") {
            let mut out = String::new();
            wrap(&mut out, &first, &text);
            prop_assert!(out.lines().all(|line| line.chars().count() <= WIDTH));
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(letters(&out), letters(&format!("{first}{text}")));
        }
    }
}
