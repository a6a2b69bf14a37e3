//! The texts of mails in English.

use crate::contacts::Lang;
use crate::finding::{Role, words};

use super::situation::Situation;
use super::table::{Noun, SituationWords, Texts, Words};

/// English.
pub(super) static WORDS: Words = Words {
    lang: Lang::En,
    texts: Texts {
        and: "{a} and {b}",
        and_list: " and ",
        list: ", ",
        and_more: " and {more}",
        more: "{count} more",
        more_hosts: "{count} more",
        sentence_more: "and {more}.",
        line_more: "and {more}",
        hello: "Hello,",
        hello_name: "Hello {name},",
        our_routers: "our routers",
        routers_of: "the routers of {site}",
        signature: "Written by nfkit, which looks at the flow records of {routers}. A person reads the replies: \
            {who}",
        about: "The flow records of {routers} show something about {what} in your care, and somebody should look \
            at it soon:",
        a_machine: "a machine that is",
        a_network: "a network that is",
        several: "{what} that are",
        named_below: "and {more}, named at the end",
        further_hosts: "Further hosts",
        meaning: "What it usually means",
        if_situation: "If {situation}:",
        check_suspect: "What to check on a machine that does such things",
        check_victim: "What to check on a machine that is attacked",
        when_fixed: "When it is dealt with",
        fixed: FIXED,
        silence: "No router sent flow records at these times. As long as none does, nothing is seen and nobody is \
            warned. Check whether the exporters run, reach the collector and are in its --allow list:",
        others: "The flow records of {routers} show these hosts that are not known to be ours. Nobody there was \
            written to:",
        other_facts: "{flows}, {peers} on the other side, {when}",
        no_exporter: "no exporter spoke",
        subject: "{host} {behaviours}",
        subject_more: "; and {more}",
        subject_time: "; {time}",
        moment_length: "{moment}, {length}",
        at_port: "{behaviour} {port}",
        on_port: "{behaviour}: {port}",
        behaviours: "; ",
        responsible: "You are listed as responsible for {net}.",
        nobody_responsible: "Nobody is listed as responsible for it.",
        seen: "Seen: {what}.",
        when: "When",
        port: "Port",
        how_much: "How much",
        to: "To",
        from: "From",
        rule: "Rule",
        evidence: "Evidence",
        note: "Note",
        amount: "{flows}, {rate} a second; {packets}, {bytes}",
        all_windows: "{flows} in all windows together",
        when_many: "in {windows} from {between}, most from {worst}",
        unknown_time: "at a time that the data does not tell",
        time_to: "to",
        window: "{between} ({length})",
        peer: "{host} ({flows})",
        peers: "{hosts}: {list}",
        peers_in: "{hosts} in {list}",
    },
    check_suspect: CHECK_SUSPECT,
    check_victim: CHECK_VICTIM,
    situation,
    mark,
    count: |number, noun| words::of(number, noun_of(noun)),
    length: words::length,
    port: words::port,
    sample: |sample| words::sample(sample, false),
};

const fn noun_of(noun: Noun) -> &'static str {
    match noun {
        Noun::Flow => "flow",
        Noun::Packet => "packet",
        Noun::Host => "host",
        Noun::Machine => "machine",
        Noun::Network => "network",
        Noun::Window => "window",
        Noun::MoreHosts => "more host",
        Noun::MoreNetworks => "more network",
        Noun::MoreWindows => "more window",
        Noun::SmallerFindings => "smaller finding",
    }
}

const fn situation(situation: Situation) -> SituationWords {
    SituationWords { short: short(situation), long: long(situation), meaning: meaning(situation) }
}

/// The meaning of every flood of requests.
const WANTS: &str = "Somebody may want the service on this machine to fail. The machine itself is not \
    under suspicion. The attackers listed above may be broken-into machines whose owners know \
    nothing of it, and if there are very many, their addresses may be forged. Some of them may be \
    ours: whoever is responsible for those is told at the same time as you.";
const BUSY: &str = "There are innocent reasons too: a news day, a backup, a test, a program that tries \
    again and again. If it is one of these, say so in a reply.";

/// Returns the situation in a few words, for a subject.
const fn short(situation: Situation) -> &'static str {
    match situation {
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
const fn long(situation: Situation) -> &'static str {
    match situation {
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

/// Returns what the situation usually means, one string a paragraph.
const fn meaning(situation: Situation) -> &'static [&'static str] {
    match situation {
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

/// The checks for a machine under suspicion.
const CHECK_SUSPECT: &[&str] = &[
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
const CHECK_VICTIM: &[&str] = &[
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
const FIXED: &str = "Reply to this mail: what it was, what you did, and when. A reply \
    also helps when nothing was wrong: such flows can be left out from then on. If the machine is not yours, please say whose it is.";

/// Returns the meaning of a mark for the reader, or `None` for a mark that needs no explanation.
fn mark(mark: &str, role: Role) -> Option<&'static str> {
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
