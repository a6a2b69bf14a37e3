//! Mails to the people who are responsible for hosts: which findings go to whom, and the text.
//!
//! Each person gets one mail about all of their hosts (RFC 5322, RFC 3834). lettre writes the headers from
//! checked addresses, names without control characters, and the numbers and fixed words of a finding. No
//! free text of a finding gets into a header.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use ipnet::IpNet;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0,
};
use lettre::message::{Body, Mailbox, Message};

use super::words::{self, Situation, line, wrap};
use crate::contacts::{Address, Contacts, Responsible, is_visible};
use crate::finding::{Finding, FindingSet, Host, Kind, Role, Side};
use crate::time::{Timestamp, Window};

#[cfg(test)]
mod tests;

/// The most hosts that one mail describes in full; further ones are only named. Nobody reads more, and a
/// flood of findings must not make a mail that no server accepts.
const MAX_HOSTS: usize = 40;

/// The most hosts that one mail names beyond these, and the most lines of each other list.
const MAX_NAMED: usize = 100;

/// The most episodes of one host that a mail describes in full.
const MAX_EPISODES: usize = 8;

/// The longest name of a site, in characters.
const MAX_SITE: usize = 60;

/// The recipients.
#[derive(Clone, Copy, Debug)]
pub struct Routing<'a> {
    /// The people who are responsible for networks.
    pub contacts: &'a Contacts,
    /// The recipient of all that nobody else gets: hosts without a contact, outside hosts, windows without
    /// data.
    pub operator: Option<&'a Address>,
    /// True to write about findings with the mark `survey` too, which are not attacks.
    pub survey: bool,
}

/// The headers that all mails of a run share.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// The address of the sender.
    pub from: &'a Address,
    /// The address that replies go to, if it is another one.
    pub reply_to: Option<&'a Address>,
    /// The name of the site, checked by [`site`]; empty for none.
    pub site: &'a str,
    /// The date, in whole seconds and before the year 10000.
    pub date: Timestamp,
}

/// All mails of a run, and what could not be reported to anybody.
#[derive(Clone, Debug, Default)]
pub struct Outbox<'a> {
    /// The mails, at most one for each address.
    pub mails: Vec<Mail<'a>>,
    /// Hosts without a contact. The operator was told of them, or nobody if there is no operator.
    pub orphans: Vec<Host>,
    /// Windows without data that nobody is told of, because there is no operator.
    pub unheard: Vec<Option<Window>>,
    /// Number of findings that do not say which side their host is on.
    pub sideless: u64,
    /// Number of findings with the mark `survey` that are in no mail.
    pub surveys: u64,
}

/// A mail to one person.
#[derive(Clone, Debug)]
pub struct Mail<'a> {
    /// The address of the recipient.
    pub to: Address,
    /// The name for the salutation; may be empty.
    name: String,
    /// The hosts that the recipient is responsible for, and for the operator those without a contact.
    hosts: BTreeMap<Host, HostFindings<'a>>,
    /// For the operator: hosts that are not known to be inside.
    others: BTreeMap<Host, HostFindings<'a>>,
    /// For the operator: windows in which no exporter sent data.
    silent: Vec<Option<Window>>,
}

/// The findings about one host.
#[derive(Clone, Debug, Default)]
struct HostFindings<'a> {
    /// The network of the contacts file that the host is in.
    net: Option<IpNet>,
    episodes: BTreeMap<Behaviour, Episode<'a>>,
}

/// The behaviour that an episode is about. Episodes are kept in this order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Behaviour {
    kind: Kind,
    class: String,
    role: Role,
    proto: Option<u8>,
    port: Option<u16>,
}

/// One behaviour of a host in one or more windows.
#[derive(Clone, Debug)]
struct Episode<'a> {
    /// The finding with the most flows.
    worst: &'a Finding,
    windows: BTreeSet<Option<Window>>,
    /// Flows of all windows together.
    flows: u64,
}

impl<'a> HostFindings<'a> {
    fn add(&mut self, finding: &'a Finding) {
        let Finding { kind, ref class, role, proto, port, flows, window, .. } = *finding;
        let behaviour = Behaviour { kind, class: class.clone(), role, proto, port };
        let episode = self.episodes.entry(behaviour).or_insert_with(|| Episode {
            worst: finding,
            windows: BTreeSet::new(),
            flows: 0,
        });
        if flows > episode.worst.flows {
            episode.worst = finding;
        }
        episode.windows.insert(window);
        episode.flows = episode.flows.saturating_add(flows);
    }

    /// Returns the episodes, those with the most flows first.
    fn episodes(&self) -> Vec<&Episode<'a>> {
        let mut episodes: Vec<_> = self.episodes.values().collect();
        episodes.sort_by_key(|episode| std::cmp::Reverse(episode.flows));
        episodes
    }

    /// Returns the flows of the largest episode.
    fn flows(&self) -> u64 {
        self.episodes.values().map(|episode| episode.flows).max().unwrap_or(0)
    }
}

impl Episode<'_> {
    fn situation(&self) -> Situation {
        Situation::of(self.worst)
    }

    /// Returns the behaviour and its port in a few words, for a subject or a list.
    fn short(&self) -> String {
        let situation = self.situation();
        let port = words::port(self.worst.proto, self.worst.port);
        match situation {
            Situation::PortAttacker | Situation::Guesser => format!("{} {port}", situation.short()),
            _ => format!("{}: {port}", situation.short()),
        }
    }
}

/// Returns the hosts by the flows of their largest episodes, then by address.
fn sorted<'h, 'a>(
    hosts: &'h BTreeMap<Host, HostFindings<'a>>,
) -> Vec<(Host, &'h HostFindings<'a>)> {
    let mut hosts: Vec<_> = hosts.iter().map(|(host, found)| (*host, found)).collect();
    hosts.sort_by_key(|(_, found)| std::cmp::Reverse(found.flows()));
    hosts
}

/// Checks the name of a site, which goes into headers, and returns it without blanks around it.
///
/// # Errors
/// Returns a message for the user if the name is too long or has a character that is not visible.
pub fn site(text: &str) -> Result<String, String> {
    if text.chars().count() > MAX_SITE {
        return Err(format!("more than {MAX_SITE} characters, the limit for a name"));
    }
    match text.chars().find(|&c| !is_visible(c)) {
        Some(bad) => Err(format!("{bad:?} is not allowed in a name")),
        None => Ok(text.trim().to_owned()),
    }
}

/// Sorts findings into mails.
///
/// Findings about inside hosts go to the contacts of the host, or to the operator if it has none. Findings
/// without a side go to the contacts too. If there are none, and for outside hosts, they go to the operator,
/// in a list of other hosts: nobody outside is written to.
pub fn sort<'a>(set: &'a mut FindingSet, routing: Routing<'_>) -> Outbox<'a> {
    let silent: Vec<_> = set.silent().collect();
    let mut outbox = Outbox::default();
    let mut mails: BTreeMap<String, Mail<'a>> = BTreeMap::new();
    let mut orphans = BTreeSet::new();
    for finding in set.findings() {
        if !routing.survey && finding.marks.iter().any(|mark| mark == "survey") {
            outbox.surveys += 1;
            continue;
        }
        outbox.sideless += u64::from(finding.side.is_none());
        let responsible =
            routing.contacts.of(finding.host.net()).filter(|_| finding.side != Some(Side::Outside));
        match (responsible, routing.operator) {
            (Some(Responsible { net, contacts, .. }), _) => {
                for contact in contacts {
                    let mail = mail_to(&mut mails, &contact.mail);
                    if mail.name.is_empty() {
                        mail.name.clone_from(&contact.name);
                    }
                    let found = mail.hosts.entry(finding.host).or_default();
                    found.net = Some(net);
                    found.add(finding);
                }
            }
            (None, operator) => {
                let is_ours = finding.side == Some(Side::Inside);
                if is_ours {
                    orphans.insert(finding.host);
                }
                if let Some(operator) = operator {
                    let mail = mail_to(&mut mails, operator);
                    let hosts = if is_ours { &mut mail.hosts } else { &mut mail.others };
                    hosts.entry(finding.host).or_default().add(finding);
                }
            }
        }
    }
    match routing.operator {
        Some(operator) if !silent.is_empty() => mail_to(&mut mails, operator).silent = silent,
        _ => outbox.unheard = silent,
    }
    outbox.orphans = orphans.into_iter().collect();
    outbox.mails = mails.into_values().collect();
    outbox
}

fn mail_to<'m, 'a>(mails: &'m mut BTreeMap<String, Mail<'a>>, to: &Address) -> &'m mut Mail<'a> {
    mails.entry(to.as_str().to_ascii_lowercase()).or_insert_with(|| Mail {
        to: to.clone(),
        name: String::new(),
        hosts: BTreeMap::new(),
        others: BTreeMap::new(),
        silent: Vec::new(),
    })
}

impl Mail<'_> {
    /// Returns the subject: the first host, its behaviour, and the time.
    pub fn subject(&self, site: &str) -> String {
        let mut text = format!("[{}] ", if site.is_empty() { "nfkit" } else { site });
        let hosts = if self.hosts.is_empty() { &self.others } else { &self.hosts };
        let hosts = sorted(hosts);
        let mut windows: BTreeSet<Option<Window>> = BTreeSet::new();
        for episode in hosts.iter().flat_map(|(_, found)| found.episodes.values()) {
            windows.extend(&episode.windows);
        }
        match hosts.split_first() {
            Some(((host, found), more)) => {
                let episodes = found.episodes();
                let behaviours: Vec<_> =
                    episodes.iter().take(2).map(|episode| episode.short()).collect();
                let _ = write!(text, "{} {}", host.text(false), behaviours.join(" and "));
                if !more.is_empty() {
                    let _ = write!(text, "; and {}", words::of(more.len() as u64, "more host"));
                }
            }
            None => {
                text.push_str("no exporter spoke");
                windows.extend(&self.silent);
            }
        }
        let _ = match (windows.first(), windows.last()) {
            (Some(Some(first)), Some(Some(last))) if first == last => {
                let length = words::length(first.seconds());
                write!(text, "; {} UTC, {length}", words::moment(first.start()))
            }
            (_, Some(Some(last))) => {
                let first = windows.iter().flatten().next().unwrap_or(last);
                write!(text, "; {}", words::between(*first, *last))
            }
            _ => Ok(()),
        };
        text
    }

    /// Returns the text in lines of at most 72 columns, each with a newline at its end.
    pub fn body(&self, sender: &Sender<'_>) -> String {
        let mut out = String::new();
        match self.name.as_str() {
            "" => line(&mut out, format_args!("Hello,")),
            name => wrap(&mut out, "", &format!("Hello {name},")),
        }
        out.push('\n');
        let of = match sender.site {
            "" => "our routers".to_owned(),
            site => format!("the routers of {site}"),
        };
        let hosts = sorted(&self.hosts);
        if !hosts.is_empty() {
            self.about_hosts(&mut out, &of, &hosts);
        }
        if !self.silent.is_empty() {
            self.about_silence(&mut out);
        }
        if !self.others.is_empty() {
            self.about_others(&mut out, &of);
        }
        out.push_str("-- \n");
        let who = sender.reply_to.unwrap_or(sender.from);
        wrap(
            &mut out,
            "",
            &format!(
                "Written by nfkit, which looks at the flow records of {of}. A person reads the replies: {who}"
            ),
        );
        out
    }

    fn about_hosts(&self, out: &mut String, of: &str, hosts: &[(Host, &HostFindings<'_>)]) {
        let nets = hosts.iter().filter(|(host, _)| matches!(host, Host::Prefix(_))).count();
        let (nets, machines) = (nets as u64, (hosts.len() - nets) as u64);
        let what = match (machines, nets) {
            (1, 0) => "a machine that is".to_owned(),
            (0, 1) => "a network that is".to_owned(),
            (machines, 0) => format!("{} that are", words::of(machines, "machine")),
            (0, nets) => format!("{} that are", words::of(nets, "network")),
            (machines, nets) => {
                let (machines, nets) = (words::of(machines, "machine"), words::of(nets, "network"));
                format!("{machines} and {nets} that are")
            }
        };
        wrap(
            out,
            "",
            &format!(
                "The flow records of {of} show something about {what} in your care, and somebody should look at it soon:"
            ),
        );
        out.push('\n');
        let (full, named) = hosts.split_at(hosts.len().min(MAX_HOSTS));
        for (host, found) in full {
            let behaviours = found.episodes().into_iter().take(3).map(Episode::short);
            let behaviours: Vec<_> = behaviours.collect();
            wrap(out, "    ", &format!("{} {}", host.text(false), behaviours.join("; ")));
        }
        if !named.is_empty() {
            wrap(
                out,
                "    ",
                &format!("and {}, named at the end", words::of(named.len() as u64, "more host")),
            );
        }
        let mut situations = BTreeSet::new();
        for (host, found) in full {
            out.push('\n');
            situations.extend(about_host(out, *host, found));
        }
        if !named.is_empty() {
            heading(out, "Further hosts");
            let (first, rest) = named.split_at(named.len().min(MAX_NAMED));
            let texts: Vec<_> = first.iter().map(|(host, _)| host.text(false)).collect();
            let more = match rest.len() {
                0 => String::new(),
                n => format!(" and {} more", words::count(n as u64)),
            };
            wrap(out, "  ", &format!("{}{more}", texts.join(", ")));
            situations.extend(
                named.iter().flat_map(|(_, found)| found.episodes.values().map(Episode::situation)),
            );
        }
        heading(out, "What it usually means");
        let is_single = situations.len() == 1;
        for (nth, situation) in situations.iter().enumerate() {
            if nth > 0 {
                out.push('\n');
            }
            if !is_single {
                wrap(out, "  ", &format!("If {}:", situation.long()));
                out.push('\n');
            }
            for (n, text) in situation.meaning().iter().enumerate() {
                if n > 0 {
                    out.push('\n');
                }
                wrap(out, if is_single { "  " } else { "    " }, text);
            }
        }
        for (is_suspect, title, list) in [
            (true, "What to check on a machine that does such things", words::CHECK_SUSPECT),
            (false, "What to check on a machine that is attacked", words::CHECK_VICTIM),
        ] {
            if situations.iter().any(|situation| situation.is_suspect() == is_suspect) {
                heading(out, title);
                for (n, text) in list.iter().enumerate() {
                    wrap(out, &format!("  {}. ", n + 1), text);
                }
            }
        }
        heading(out, "When it is dealt with");
        wrap(out, "  ", words::FIXED);
        out.push('\n');
    }

    fn about_silence(&self, out: &mut String) {
        wrap(
            out,
            "",
            "No router sent flow records at these times. As long as none does, nothing is seen and nobody is warned. Check whether the exporters run, reach the collector and are in its --allow list:",
        );
        out.push('\n');
        let (first, rest) = self.silent.split_at(self.silent.len().min(MAX_NAMED));
        for window in first {
            wrap(out, "    ", &words::span(*window));
        }
        if !rest.is_empty() {
            wrap(out, "    ", &format!("and {}", words::of(rest.len() as u64, "more window")));
        }
        out.push('\n');
    }

    fn about_others(&self, out: &mut String, of: &str) {
        wrap(
            out,
            "",
            &format!(
                "The flow records of {of} show these hosts that are not known to be ours. Nobody there was written to:"
            ),
        );
        out.push('\n');
        let hosts = sorted(&self.others);
        let (first, rest) = hosts.split_at(hosts.len().min(MAX_NAMED));
        for (host, found) in first {
            for episode in found.episodes().into_iter().take(MAX_EPISODES) {
                let flows = words::of(episode.flows, "flow");
                let peers = words::of(episode.worst.peers, "host");
                wrap(out, "    ", &format!("{} {}", host.text(false), episode.short()));
                wrap(
                    out,
                    "        ",
                    &format!("{flows}, {peers} on the other side, {}", when(episode)),
                );
            }
        }
        if !rest.is_empty() {
            wrap(out, "    ", &format!("and {}", words::of(rest.len() as u64, "more host")));
        }
        out.push('\n');
    }

    /// Returns the whole message (RFC 5322), whose lines end in CRLF. The same findings for the same person
    /// have the same Message-ID, so that a mail store can recognise a repetition.
    ///
    /// # Errors
    /// Returns an error for an address or a date that lettre does not accept.
    pub fn message(&self, sender: &Sender<'_>) -> Result<Vec<u8>, MailError> {
        let subject = self.subject(sender.site);
        let body = self.body(sender);
        let id = digest(&[self.to.as_str(), &subject, &body]);
        let (_, domain) = sender.from.parts();
        let from = match sender.site {
            "" => "nfkit".to_owned(),
            site => format!("nfkit {site}"),
        };
        let name = (!self.name.is_empty()).then(|| self.name.clone());
        let date = UNIX_EPOCH + Duration::from_secs(sender.date.secs());
        let builder = Message::builder()
            .date(date)
            .from(mailbox(Some(from), sender.from)?)
            .to(mailbox(name, &self.to)?);
        let builder = match sender.reply_to.filter(|&to| to != sender.from) {
            Some(to) => builder.reply_to(mailbox(None, to)?),
            None => builder,
        };
        // RFC 3834 section 5: no vacation program answers the mail. It has no "Precedence: bulk", because
        // some programs file such mail away unread.
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        let encoding = if body.is_ascii() {
            ContentTransferEncoding::SevenBit
        } else {
            ContentTransferEncoding::EightBit
        };
        // The body stays readable in any program. lettre would encode it in base64, because its lines are
        // short in columns but can be long in bytes.
        let body = Body::dangerous_pre_encoded(body.replace('\n', "\r\n").into_bytes(), encoding);
        let message = builder
            .subject(subject)
            .message_id(Some(format!("<nfkit.{id:032x}@{domain}>")))
            .raw_header(HeaderValue::new(auto, "auto-generated".to_owned()))
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body)?;
        Ok(message.formatted())
    }
}

/// The reason why a mail cannot be made into a message.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// lettre does not accept the address.
    #[error("{0}: {1}")]
    Address(Address, lettre::address::AddressError),
    /// lettre does not accept another part, such as the date.
    #[error(transparent)]
    Message(#[from] lettre::error::Error),
}

fn mailbox(name: Option<String>, address: &Address) -> Result<Mailbox, MailError> {
    let (local, domain) = address.parts();
    match lettre::Address::new(local, domain) {
        Ok(email) => Ok(Mailbox::new(name, email)),
        Err(error) => Err(MailError::Address(address.clone(), error)),
    }
}

/// Returns the FNV-1a hash of 128 bits of the parts. It names a message; it is no protection.
fn digest(parts: &[&str]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    })
}

fn heading(out: &mut String, text: &str) {
    line(out, format_args!("\n{text}\n{}\n", "-".repeat(text.chars().count())));
}

/// Returns the time of an episode in words.
fn when(episode: &Episode<'_>) -> String {
    let worst = words::span(episode.worst.window);
    let mut known = episode.windows.iter().flatten();
    let (count, first, last) = (episode.windows.len(), known.next(), episode.windows.last());
    match (count, first, last) {
        (2.., Some(first), Some(Some(last))) => {
            let (windows, between) =
                (words::of(count as u64, "window"), words::between(*first, *last));
            format!("in {windows} from {between}, most from {worst}")
        }
        _ => worst,
    }
}

/// Appends the section about one host. Returns the situations that the mail has to explain.
fn about_host(out: &mut String, host: Host, found: &HostFindings<'_>) -> BTreeSet<Situation> {
    let bar = "=".repeat(words::WIDTH);
    line(out, format_args!("{bar}\n{}\n{bar}", host.text(false)));
    match found.net {
        Some(net) => wrap(out, "", &format!("You are listed as responsible for {net}.")),
        None => wrap(out, "", "Nobody is listed as responsible for it."),
    }
    let episodes = found.episodes();
    let (full, rest) = episodes.split_at(episodes.len().min(MAX_EPISODES));
    for (n, episode) in full.iter().enumerate() {
        let finding = episode.worst;
        let lead = if episodes.len() == 1 { String::new() } else { format!("{}. ", n + 1) };
        out.push('\n');
        wrap(out, &lead, &format!("Seen: {}.", episode.situation().long()));
        out.push('\n');
        let mut fact = |name: &str, text: &str| wrap(out, &format!("  {name:<9} "), text);
        fact("When", &when(episode));
        fact("Port", &words::port(finding.proto, finding.port));
        let flows = words::of(finding.flows, "flow");
        let packets = words::of(finding.packets, "packet");
        let bytes = words::bytes(finding.octets);
        fact("How much", &format!("{flows}, {} a second; {packets}, {bytes}", finding.rate));
        if episode.windows.len() > 1 {
            fact("", &format!("{} in all windows together", words::of(episode.flows, "flow")));
        }
        let side = if finding.role == Role::Source { "To" } else { "From" };
        fact(side, &words::peers(finding));
        let why = words::plain(&finding.why).replace(',', ", ");
        fact("Rule", &format!("{} {}: {why}", finding.kind, finding.class));
        for (n, sample) in finding.sample.iter().enumerate() {
            fact(if n == 0 { "Evidence" } else { "" }, &words::sample(sample, false));
        }
        for text in finding.marks.iter().filter_map(|mark| words::mark(mark, finding.role)) {
            fact("Note", text);
        }
    }
    if !rest.is_empty() {
        out.push('\n');
        wrap(out, "", &format!("and {}.", words::of(rest.len() as u64, "smaller finding")));
    }
    episodes.iter().map(|episode| episode.situation()).collect()
}

/// Returns a message as an entry of a mailbox file in the form mboxrd: a `From ` line before it, a `>` before
/// each of its lines that could be taken for such a line, and an empty line after it. Lines end in LF, as in
/// every mailbox file.
pub fn mbox(message: &[u8], sender: &Sender<'_>) -> Vec<u8> {
    let mut out = format!("From {} {}\n", sender.from, asctime(sender.date)).into_bytes();
    for line in unix(message).split_inclusive(|&b| b == b'\n') {
        let quoted = line.iter().take_while(|&&b| b == b'>').count();
        if line.get(quoted..).is_some_and(|rest| rest.starts_with(b"From ")) {
            out.push(b'>');
        }
        out.extend_from_slice(line);
    }
    out.push(b'\n');
    out
}

/// Returns a message with lines that end in LF, as programs on Unix expect it.
pub fn unix(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    let mut next = message.iter().skip(1).chain([&0]);
    out.retain(|&byte| {
        let next = next.next();
        byte != b'\r' || next != Some(&b'\n')
    });
    out
}

/// Returns the date of a `From ` line in UTC: `Fri Aug 17 17:20:00 2001`.
fn asctime(time: Timestamp) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = time.rfc3339();
    let part = |range: std::ops::Range<usize>| text.get(range).unwrap_or_default();
    let (year, day, clock) = (part(0..4), part(8..10), part(11..19));
    // The epoch was a Thursday.
    let weekday = DAYS.iter().cycle().nth((time.secs() / 86_400 % 7) as usize);
    let month = part(5..7).parse::<usize>().ok().and_then(|n| MONTHS.get(n.checked_sub(1)?));
    let day = day.trim_start_matches('0');
    let (weekday, month) = (weekday.unwrap_or(&"Thu"), month.unwrap_or(&"Jan"));
    format!("{weekday} {month} {day:>2} {clock} {year}")
}
