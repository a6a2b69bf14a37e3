//! The texts of mails in English.

use crate::contacts::Lang;
use crate::finding::{Role, words};

use super::situation::Situation;
use super::table::{Noun, SituationWords, Texts, Words};

mod letter;

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
        tell: "If that is the reason, say so in a reply: the operator can then leave these flows out.",
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
        passed_subject: "Reply about {incidents}",
        passed_subject_none: "Reply to a notice",
        passed_subject_other: "Reply to a test or a report",
        passed_subject_unknown: "Mail to nfkit",
        passed_subject_release: "Request for release: {incidents}",
        passed_subject_release_none: "Request for release",
        passed_incident: "incident {ids}",
        passed_incidents: "incidents {ids}",
        passed_release: "A host that this reply is about is isolated. Read the reply as a request for release: only \
            you can release the host. If the machine is clean, nfnotify resolve with the number of its incident \
            ends the isolation.",
        passed_claims: "Somebody replied to a notice about {incidents}, which counts as their word that they deal \
            with it. nfnotify show has the details.",
        passed_no_incident: "Somebody replied to a notice. The reply claims no incident: those of the notice are \
            closed, or were claimed before.",
        passed_other: "Somebody replied to a mail of nfkit that tells of no incident: a test, or a report.",
        passed_unknown: "This mail came to the address of nfkit. It has no token that nfkit gave out, so nothing is \
            known of its sender, and it claims nothing.",
        passed_sender: "Sender",
        passed_from: "From",
        passed_re: "Subject",
        passed_hosts: "Hosts",
        passed_size: "Size",
        passed_no_proof: "Sender and From prove nothing: anybody can write any name there.",
        passed_token: "The reply came to an address that only the mail of nfkit names, so whoever wrote it has seen \
            that mail.",
        passed_text: "The text of the mail:",
        passed_goes_on: "The text is longer than this. All of it is in the attachment.",
        passed_html: "The mail has HTML and no plain text. It is in the attachment; be careful with its links.",
        passed_no_text: "The mail has no text that can be shown here. See the attachment.",
        passed_attached: "The mail is attached as it was received.",
        passed_cut: "The mail is too large to be passed on whole. Its first {part} are attached.",
        passed_held_back: "Mails that were not passed on before this one, because there were too many: {count}.",
        passed_signature: "Written by nfnotify receive.",
        passed_reply_to: "A reply to this mail goes to {who}, who got the notice.",
        passed_no_reply: "To answer, write to the sender yourself, if you trust the address.",
        test_subject: "Test: mail goes out",
        test_out: "This is a test by nfnotify test. The way out works: this mail has reached you.",
        test_reply: "Now test the way back: reply to this mail. Within a few minutes your reply comes to you as a \
            mail of its own, passed on by nfnotify receive. If it does not, the mail server does not give replies to \
            nfnotify receive; see nfnotify(1).",
        test_no_way_back: "There is no way back: no program reads replies, and mails that cannot be delivered go \
            unnoticed. To set one up, see nfnotify receive in nfnotify(1).",
        test_back_subject: "Test: mail comes back",
        test_back: "This is a test by nfnotify test, sent to an address for replies, and nfnotify receive takes it. If a \
            person reads this, the mail server does not give replies to nfnotify receive; see nfnotify(1).",
    },
    letter: letter::LETTER,
    check_suspect: CHECK_SUSPECT,
    check_victim: CHECK_VICTIM,
    check_suspect_short: letter::CHECK_SUSPECT_SHORT,
    check_victim_short: letter::CHECK_VICTIM_SHORT,
    situation,
    mark,
    count,
    length: words::length,
    port: words::port,
    sample: |sample| words::sample(sample, false),
    measure: letter::measure,
};

fn count(number: u64, noun: Noun) -> String {
    let adjective = match noun {
        Noun::Isolated => "isolated",
        Noun::Released => "released",
        Noun::Grown => "grown",
        Noun::New => "new",
        noun => return words::of(number, noun_of(noun)),
    };
    format!("{} {adjective}", words::count(number))
}

/// Returns a noun in the singular. Adjectives stand for incidents.
const fn noun_of(noun: Noun) -> &'static str {
    match noun {
        Noun::Isolated | Noun::Released | Noun::Grown | Noun::New => "incident",
        Noun::Deadline => "deadline",
        Noun::Reminder => "reminder",
        Noun::Mail => "mail",
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
        Noun::Incident => "incident",
        Noun::MoreIncidents => "more incident",
        Noun::MoreMatters => "more line",
        Noun::Finding => "finding",
        Noun::Notice => "notice",
        Noun::MoreMails => "more mail",
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
    again and again. {tell}";

/// Returns the situation in a few words, for a subject.
const fn short(situation: Situation) -> &'static str {
    match situation {
        Situation::Infected => "looks broken into",
        Situation::Scanner => "scans networks",
        Situation::PortScanner => "probes the ports of a host",
        Situation::PortAttacker => "attacks",
        Situation::Lateral => "tries to log in at many machines here",
        Situation::Listed => "talks with hosts of a threat feed",
        Situation::Guesser => "connects again and again",
        Situation::Spammer => "writes to many mail servers",
        Situation::Flooder | Situation::Outbound => "floods other hosts",
        Situation::Reflector => "is abused to flood others",
        Situation::FloodVictim | Situation::DosVictim | Situation::VolumeVictim => "is flooded",
        Situation::DdosVictim => "is flooded by many",
        Situation::ReflectionVictim => "is flooded with answers",
        Situation::Carpet => "is flooded as a whole",
        Situation::Backscatter => "is flooded from forged addresses",
        Situation::GuessedVictim => "has its passwords guessed by many",
        Situation::SwarmVictim => "is probed by many unrelated hosts",
        Situation::Outage => "does not answer its clients",
        Situation::Victim => "is attacked",
    }
}

/// Returns what was seen as a clause, such as `it probes many hosts, one after another`.
const fn long(situation: Situation) -> &'static str {
    match situation {
        Situation::Infected => "it was attacked on this port, and now attacks others there",
        Situation::Scanner => "it probes many hosts, one after another",
        Situation::PortScanner => "it probes the ports of a host, one after another",
        Situation::PortAttacker => "it opens connection after connection to one port",
        Situation::Lateral => {
            "it tries to log in at many machines here that it has no business with, and is refused"
        }
        Situation::Listed => "it talks with addresses that a threat feed lists as hostile",
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
        Situation::Backscatter => {
            "it is flooded from forged addresses, and answers hosts that never asked"
        }
        Situation::GuessedVictim => {
            "many hosts outside log in at one port, a few times each, as password guessers do"
        }
        Situation::SwarmVictim => {
            "many unrelated hosts outside probe one port, each at a few addresses only"
        }
        Situation::Outage => "it answers none of the clients that it served in the day before",
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
            "There may be an innocent reason, such as a program that has always asked others on \
             this port. {tell}",
        ],
        Situation::Scanner => &[
            "A machine that probes host after host looks for others that can be broken \
             into. It is rarely its owner who does so: usually the machine was broken into \
             itself, and serves somebody elsewhere as a stepping stone.",
            "There are innocent reasons too: monitoring, an inventory, a name or time server \
             that serves everybody, a program with an old list of servers. {tell}",
        ],
        Situation::PortScanner => &[
            "A machine that tries port after port of a host looks for a service there that can be \
             broken into. It is rarely its owner who does so: usually the machine was broken into \
             itself, and serves somebody elsewhere as a stepping stone.",
            "There are innocent reasons too: a security test that was agreed on, an inventory, a \
             program that looks for its server on every port. {tell}",
        ],
        Situation::PortAttacker => &[
            "A machine that opens thousands of connections to one port within minutes is \
             usually infected by a worm, or was broken into and serves as a stepping stone \
             from which others are attacked or passwords are guessed. It is rarely its owner \
             who does so.",
            "There are innocent reasons too: a proxy, a mail relay, a crawler, a load test. {tell}",
        ],
        Situation::Lateral => &[
            "A machine that suddenly asks many of its neighbours for a login, and is refused, is \
             usually broken into: somebody is inside and looks for the next machine. Look at the \
             neighbours that did not refuse it first, and at the accounts that it used there.",
            "There are innocent reasons too: a new management or inventory server, a new \
             administrator, a backup that was moved to another machine. {tell}",
        ],
        Situation::Listed => &[
            "Others have seen these addresses attack, spread malware or control machines that were \
             broken into. The rule above names the list (feed). A machine that turns to them by \
             itself may be controlled from there. It is a hint: look for the program.",
            "There are innocent reasons too: an address that has another owner by now, or many, as \
             those of hosting networks have, a list that is too wide. {tell}",
        ],
        Situation::Guesser => &[
            "A machine that has session after session with one port of another usually tries \
             passwords there. It was broken into, or somebody runs a program on it that \
             guesses. Look at the other side too: in the logs of the hosts above, a login that \
             failed many times and then succeeded is a break-in.",
            "There are innocent reasons too: a program that still has an old password, a \
             backup, monitoring that logs in. {tell}",
        ],
        Situation::Spammer => &[
            "A machine that writes to many mail servers and takes no mail itself usually sends \
             spam: by a virus, or through an account or a web page that was broken into. Soon \
             others refuse the mail of our whole network. Look for what talks to port 25, and \
             for mails that wait (mailq).",
            "There are innocent reasons too: a new mail server, a program that sends newsletters \
             or alarms by itself. {tell}",
        ],
        Situation::Flooder => &[
            "A machine that floods another one is usually broken into, and somebody else \
             tells it whom to flood. It is rarely its owner who does so.",
            "There are innocent reasons too: a backup, a load test, two servers that have \
             much to say to each other. {tell}",
        ],
        Situation::Outbound => &[
            "A machine that sends somebody thousands of packets a second, to which nothing comes \
             back, usually takes part in an attack: it was broken into, and somebody else tells \
             it whom to flood. It is rarely its owner who does so.",
            "There are innocent reasons too: a stream, a tunnel, a backup by UDP, whose other \
             direction takes another way. {tell}",
        ],
        Situation::Reflector => &[
            "Such a machine is usually not broken into but abused: somebody asks it in the name of \
             the hosts above, and its large answers flood them. Look which service sends from the \
             port in the flows above (DNS 53, NTP 123, SNMP 161, SSDP 1900, memcached 11211): let \
             it answer our own networks alone, limit its answers to one address, or switch it off.",
            "There is an innocent reason too: the questions took a way that we do not see. {tell}",
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
             that we do not see. {tell}",
        ],
        Situation::VolumeVictim => &[
            "It gets several times what is usual, more than it answers, and its line may \
             be full. The machine itself is not under suspicion. Did somebody here ask the \
             hosts listed above for it? If not, ask in a reply for a filter upstream.",
            "There are innocent reasons too: a backup, a large download, a video that everybody \
             watches. {tell}",
        ],
        Situation::Carpet => &[
            "Somebody wants the line of a whole network to fail, and sends each host so little \
             that none stands out. No machine there is under suspicion. Look at the router and \
             the line in front of the network rather than at machines, and ask in a reply for a \
             filter upstream.",
            "There are innocent reasons too: an inventory or monitoring of the whole network. {tell}",
        ],
        Situation::Backscatter => &[
            "Somebody floods this machine and forges the addresses of the senders. The machine \
             answers those addresses, and its answers were seen. The machine itself is not under \
             suspicion, and the hosts listed above did nothing: they only get its answers.",
            "The addresses are forged, so do not block them: switch SYN cookies on, or ask for a \
             filter upstream of what comes to this port.",
            "There is an innocent reason too: a server that was restarted resets the connections \
             that it no longer knows. {tell}",
        ],
        Situation::GuessedVictim => &[
            "Many machines guess passwords here, a few each, so that none of them stands out and \
             blocking single ones helps little. The machine itself is not under suspicion, but \
             look whether one of them got in: in its logs, a login that failed many times and then \
             succeeded is a break-in. Let people log in with keys only, or from a VPN.",
            "There is an innocent reason too: a server that programs of many customers ask for \
             news, such as one of a version control system. {tell}",
        ],
        Situation::SwarmVictim => &[
            "Many machines search this network for one service, each only a little of it: a \
             botnet, or one scanner with many rented machines. The machines of the network are not \
             under suspicion. Look whether any of them offers this service to the outside, whether \
             it has to, and whether all updates are installed.",
            "There is an innocent reason too: a program that finds its peers by trying addresses. \
             {tell}",
        ],
        Situation::Outage => &[
            "The service is down, or a filter stands before it, and its own clients keep asking. \
             The machine is not under suspicion, and neither are they. If it was switched off \
             on purpose, nothing is to be done.",
            "It may be a flood all the same: one that comes from the usual clients, or from \
             addresses forged as theirs. {tell}",
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
     succeeded, requests that made the web server start a shell. A log that has a gap \
     says something too.",
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
    also helps when nothing was wrong: the operator can then leave such flows out. If the machine is not yours, please say whose it is.";

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
