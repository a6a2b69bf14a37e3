//! The text of mails: what happened, what it usually means, and what to do about it.
//!
//! The reader was woken by the mail, and knows the machine but not this program.

use std::fmt::{self, Write};

use crate::finding::words;
use crate::finding::{Finding, Host, Kind, Role};
use crate::time::Window;

pub(super) use crate::finding::words::{bytes, count, length, moment, of, port, sample};

/// The most columns of a line of mail.
pub(super) const WIDTH: usize = 72;

/// The behaviour of a host, or of others towards it. A mail about many hosts gives the advice for each
/// situation once. A class that is not listed here gets the situation of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Situation {
    Infected,
    Scanner,
    PortAttacker,
    Guesser,
    Spammer,
    Flooder,
    Outbound,
    Reflector,
    FloodVictim,
    DosVictim,
    DdosVictim,
    ReflectionVictim,
    VolumeVictim,
    Carpet,
    Victim,
}

/// The meaning of every flood of requests.
const WANTS: &str = "Somebody may want the service on this machine to fail. The machine itself is not \
    under suspicion. The attackers listed above may be broken-into machines whose owners know \
    nothing of it, and if there are very many, their addresses may be forged. Some of them may be \
    ours: whoever is responsible for those is told at the same time as you.";
const BUSY: &str = "There are innocent reasons too: a news day, a backup, a test, a program that tries \
    again and again. If it is one of these, say so in a reply.";

impl Situation {
    /// Returns the situation of a finding by its kind, role and class.
    pub(super) fn of(finding: &Finding) -> Situation {
        match (finding.kind, finding.role, finding.class.as_str()) {
            (Kind::Scan, Role::Source, _) => Situation::Scanner,
            (Kind::Port, Role::Source, "bruteforce") => Situation::Guesser,
            (Kind::Port, Role::Source, "spam") => Situation::Spammer,
            (Kind::Port, Role::Source, "infected") => Situation::Infected,
            (Kind::Port, Role::Source, _) => Situation::PortAttacker,
            (Kind::Flood, Role::Source, "outbound") => Situation::Outbound,
            (Kind::Flood, Role::Source, "reflection") => Situation::Reflector,
            (Kind::Flood, Role::Source, _) => Situation::Flooder,
            (Kind::Flood, Role::Target, "dos") => Situation::DosVictim,
            (Kind::Flood, Role::Target, "ddos") => Situation::DdosVictim,
            (Kind::Flood, Role::Target, "reflection") => Situation::ReflectionVictim,
            (Kind::Flood, Role::Target, "volume") => Situation::VolumeVictim,
            (Kind::Flood, Role::Target, "carpet") => Situation::Carpet,
            (Kind::Flood, Role::Target, _) => Situation::FloodVictim,
            (Kind::Scan | Kind::Port, Role::Target, _) => Situation::Victim,
        }
    }

    /// Returns the situation in a few words, for a subject.
    pub(super) const fn short(self) -> &'static str {
        match self {
            Situation::Infected => "looks broken into",
            Situation::Scanner => "scans networks",
            Situation::PortAttacker => "attacks",
            Situation::Guesser => "hammers",
            Situation::Spammer => "writes to many mail servers",
            Situation::Flooder | Situation::Outbound => "floods other hosts",
            Situation::Reflector => "is abused to flood others",
            Situation::FloodVictim | Situation::DosVictim | Situation::VolumeVictim => "is flooded",
            Situation::DdosVictim => "is flooded by many",
            Situation::ReflectionVictim => "is flooded with answers",
            Situation::Carpet => "is flooded as a whole",
            Situation::Victim => "is attacked",
        }
    }

    /// Returns what was seen as a clause, such as `it probes whole networks, host after host`.
    pub(super) const fn long(self) -> &'static str {
        match self {
            Situation::Infected => "it was attacked on this port, and now attacks others there",
            Situation::Scanner => "it probes whole networks, host after host",
            Situation::PortAttacker => "it opens connection after connection to one port",
            Situation::Guesser => "it goes to one port of a few hosts again and again",
            Situation::Spammer => "it writes to many mail servers, and is none itself",
            Situation::Flooder => "it floods other hosts with connections or packets",
            Situation::Outbound => "it sends thousands of packets a second that nobody answers",
            Situation::Reflector => "it sends answers that nobody asked for",
            Situation::FloodVictim => "it receives far more than usual",
            Situation::DosVictim => {
                "it receives far more connections than usual, most of them from a few hosts"
            }
            Situation::DdosVictim => "it receives far more connections than usual, from many hosts",
            Situation::ReflectionVictim => "it receives answers that it never asked for",
            Situation::VolumeVictim => "it receives far more packets or bytes than usual",
            Situation::Carpet => "each host of a network receives a little of a flood",
            Situation::Victim => "it is attacked",
        }
    }

    /// Returns true if the machine itself is under suspicion.
    pub(super) const fn is_suspect(self) -> bool {
        match self {
            Situation::Infected
            | Situation::Scanner
            | Situation::PortAttacker
            | Situation::Guesser
            | Situation::Spammer
            | Situation::Flooder
            | Situation::Outbound
            | Situation::Reflector => true,
            Situation::FloodVictim
            | Situation::DosVictim
            | Situation::DdosVictim
            | Situation::ReflectionVictim
            | Situation::VolumeVictim
            | Situation::Carpet
            | Situation::Victim => false,
        }
    }

    /// Returns what the situation usually means, one string a paragraph.
    pub(super) const fn meaning(self) -> &'static [&'static str] {
        match self {
            Situation::Infected => &[
                "A machine that attacked many others on this port got into this one, and since then \
                 it does the same to others. The rule above names it (by). Hardly anything but a \
                 worm or a break-in does so: take it off the network first, then look.",
                "If there is an innocent reason, such as a program that has always asked others on \
                 this port, say so in a reply.",
            ],
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
            Situation::Guesser => &[
                "A machine that has session after session with one port of another usually tries \
                 passwords there. It was broken into, or somebody runs a program on it that \
                 guesses. Look at the other side too: in the logs of the hosts above, a login that \
                 failed many times and then succeeded is a break-in.",
                "There are innocent reasons too: a program that still has an old password, a \
                 backup, monitoring that logs in. If it is one of these, say so in a reply, and \
                 these flows will not be counted again.",
            ],
            Situation::Spammer => &[
                "A machine that writes to many mail servers and takes no mail itself usually sends \
                 spam: by a virus, or through an account or a web page that was broken into. Soon \
                 others refuse the mail of our whole network. Look for what talks to port 25, and \
                 for letters that wait (mailq).",
                "There are innocent reasons too: a new mail server, a program that sends newsletters \
                 or alarms by itself. If it is one of these, say so in a reply, and these flows will \
                 not be counted again.",
            ],
            Situation::Flooder => &[
                "A machine that floods another one is usually broken into, and somebody else \
                 tells it whom to flood. It is rarely its owner who does so.",
                "There are innocent reasons too: a backup, a load test, two servers that have \
                 much to say to each other. If it is one of these, say so in a reply, and this \
                 pair will not be counted again.",
            ],
            Situation::Outbound => &[
                "A machine that sends somebody thousands of packets a second, to which nothing comes \
                 back, usually takes part in an attack: it was broken into, and somebody else tells \
                 it whom to flood. It is rarely its owner who does so.",
                "There are innocent reasons too: a stream, a tunnel, a backup by UDP, whose other \
                 direction takes another way. If it is one of these, say so in a reply, and this \
                 pair will not be counted again.",
            ],
            Situation::Reflector => &[
                "Such a machine is usually not broken into but abused: somebody asks its service in \
                 the name of the hosts above, and its answers, which are larger than the questions, \
                 flood them. Look which service sends from the port in the flows above (name \
                 service 53, time 123, snmp 161, ssdp 1900, memcached 11211): let it answer our own \
                 networks alone, limit how often it answers one address, or switch it off.",
                "There is an innocent reason too: the questions took a way that we do not see. If so, \
                 say so in a reply.",
            ],
            Situation::FloodVictim => &[WANTS, BUSY],
            Situation::DosVictim => &[
                WANTS,
                "Most of it comes from a few hosts: to limit or filter these helps at once, unless \
                 they are forged.",
                BUSY,
            ],
            Situation::DdosVictim => &[
                WANTS,
                "It comes from so many hosts that a filter for single addresses helps little. Limit \
                 what the service takes, or ask for a filter upstream.",
                BUSY,
            ],
            Situation::ReflectionVictim => &[
                "Somebody asks open servers all over the world in the name of this machine, and \
                 their answers choke its line. The machine itself is not under suspicion, and the \
                 hosts listed above are abused, not attackers. Nearly all of it comes from one port, the \
                 sport in the rule above: ask in a reply for a filter upstream of what comes from \
                 there.",
                "There is an innocent reason too: the machine asked, and its questions took a way \
                 that we do not see. If so, say so in a reply.",
            ],
            Situation::VolumeVictim => &[
                "It gets several times what is usual, more than it answers, and its line may \
                 be full. The machine itself is not under suspicion. Did somebody here ask the \
                 hosts listed above for it? If not, ask in a reply for a filter upstream.",
                "There are innocent reasons too: a backup, a large download, a video that everybody \
                 watches. If it is one of these, say so in a reply.",
            ],
            Situation::Carpet => &[
                "Somebody wants the line of a whole network to fail, and sends each host so little \
                 that none stands out. No machine there is under suspicion. Look at the router and \
                 the line in front of the network rather than at machines, and ask in a reply for a \
                 filter upstream.",
                "There are innocent reasons too: an inventory or monitoring of the whole network. \
                 If it is one of these, say so in a reply.",
            ],
            Situation::Victim => {
                &["Somebody tries to get into this machine, or to find out what runs on it. The \
                 machine itself is not under suspicion yet, but the attempt may have succeeded."]
            }
        }
    }
}

/// The checks for a machine under suspicion.
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

/// The checks for a machine that is attacked.
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

/// The request for a reply.
pub(super) const FIXED: &str = "Reply to this mail: what it was, what you did, and when. A reply \
    also helps when nothing was wrong: such flows can be left out from then on. If the machine is not yours, please say whose it is.";

/// Returns a window with its length: `2001-08-17 17:20 to 17:30 UTC (10 minutes)`.
pub(super) fn span(window: Option<Window>) -> String {
    match window {
        Some(window) => format!("{} ({})", between(window, window), length(window.seconds())),
        None => "at a time that the data does not tell".to_owned(),
    }
}

/// Returns the time from the start of one window to the end of another: `2001-08-17 17:20 to 17:30 UTC`.
pub(super) fn between(first: Window, last: Window) -> String {
    format!("{} UTC", words::span(first.start(), last.end()))
}

/// The most hosts of the other side that are named, to give an idea of them.
const MAX_PEERS: usize = 8;

/// Returns the hosts on the other side, the most important first.
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

/// Returns the meaning of a mark for the reader, or `None` for a mark that needs no explanation.
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
        ("oneway", _) => {
            "Many answers are not exported: some of what looks unanswered may have been answered."
        }
        ("outbreak", _) => {
            "Far more machines than usual attack this port at this time: a worm may be about."
        }
        _ => return None,
    })
}

/// Returns the rule as the detector gave it, limited to what cannot disturb a mail: 200 characters of
/// printable ASCII.
pub(super) fn plain(text: &str) -> String {
    text.chars().take(200).map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

/// Appends a paragraph in lines of at most [`WIDTH`] columns, with `first` before the first line and as many
/// blanks before the others. A word that is too long for a line is cut.
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::finding::tests::finding;
    use proptest::prelude::*;

    #[test]
    fn windows_and_ports_in_words() {
        let window = |start, seconds| span(Window::new(start, seconds));
        assert_eq!(window(998_068_800, 600), "2001-08-17 17:20 to 17:30 UTC (10 minutes)");
        assert_eq!(
            window(998_092_740, 61),
            "2001-08-17 23:59 to 2001-08-18 00:00:01 UTC (61 seconds)"
        );
        assert_eq!(window(998_092_740, 3600).rsplit('(').next(), Some("1 hour)"));
    }

    /// The classes of floods and port attacks, with their roles.
    const CLASSES: [(Kind, Role, &[&str]); 3] = [
        (Kind::Flood, Role::Target, &["dos", "ddos", "reflection", "volume", "carpet", "new"]),
        (Kind::Flood, Role::Source, &["dos", "outbound", "reflection"]),
        (Kind::Port, Role::Source, &["spread", "bruteforce", "spam", "infected"]),
    ];

    #[test]
    fn each_class_has_words_of_its_own() {
        let mut seen = BTreeSet::new();
        for (kind, role, classes) in CLASSES {
            for class in classes {
                let base = finding([10, 0, 0, 1], kind, role);
                let situation = Situation::of(&Finding { class: (*class).to_owned(), ..base });
                assert_eq!(situation.is_suspect(), role == Role::Source, "{kind} {class}");
                assert!(seen.insert(situation.long()), "{kind} {class}: {}", situation.long());
                let [first, rest @ ..] = situation.meaning() else { panic!("{kind} {class}") };
                assert!(first.len() > 100 && !rest.is_empty(), "{kind} {class}");
            }
        }
    }

    #[test]
    fn an_unknown_class_gets_the_words_of_its_kind() {
        let of = |kind, role, class: &str| {
            Situation::of(&Finding {
                class: class.to_owned(),
                ..finding([10, 0, 0, 1], kind, role)
            })
        };
        assert_eq!(of(Kind::Flood, Role::Target, "new"), Situation::FloodVictim);
        assert_eq!(of(Kind::Flood, Role::Source, "new"), Situation::Flooder);
        assert_eq!(of(Kind::Port, Role::Source, "new"), Situation::PortAttacker);
        assert_eq!(of(Kind::Port, Role::Target, "spam"), Situation::Victim);
    }

    #[test]
    fn a_rule_is_reduced_to_printable_ascii() {
        assert_eq!(plain("a\u{202e}b\u{1b}[2J\u{e9}"), "a?b?[2J?");
        assert_eq!(plain(&"x".repeat(4000)).len(), 200);
    }

    proptest! {
        #[test]
        fn wrapped_lines_fit_and_no_character_is_lost(text in "[ -~é張]{0,400}", first in "[ -]{0,12}") {
            let mut out = String::new();
            wrap(&mut out, &first, &text);
            prop_assert!(out.lines().all(|line| line.chars().count() <= WIDTH));
            let letters = |text: &str| text.split_whitespace().collect::<String>();
            prop_assert_eq!(letters(&out), letters(&format!("{first}{text}")));
        }
    }
}
