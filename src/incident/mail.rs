//! Letters to those who are responsible: who gets which findings, and what the letter says.
//!
//! One letter a person, with all of their hosts. Headers are made by lettre, from addresses that
//! were checked, names that hold no control characters, and the numbers and fixed words of a
//! finding; no text of a finding gets into one. RFC 5322, RFC 3834.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use ipnet::IpNet;
use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0,
};
use lettre::message::{Body, Mailbox, Message};

use super::contacts::is_visible;
use super::words::{self, Situation, line, wrap};
use super::{Address, Contacts, FindingSet};
use crate::finding::{Finding, Host, Kind, Role, Side};
use crate::time::{Timestamp, Window};

#[cfg(test)]
mod tests;

/// Hosts of one letter that are told in full; the others are only named. Nobody reads more, and a
/// flood of findings must not make a mail that no server takes.
const MAX_HOSTS: usize = 40;

/// Hosts of one letter that are named beyond these, and lines of each other list.
const MAX_NAMED: usize = 100;

/// What is told in full about one host.
const MAX_EPISODES: usize = 8;

/// The longest name of a site, in characters.
const MAX_SITE: usize = 60;

/// Who is written to.
#[derive(Clone, Copy, Debug)]
pub struct Routing<'a> {
    /// Who is responsible for what.
    pub contacts: &'a Contacts,
    /// Who gets what nobody else does: hosts without a contact, outside hosts, silent exporters.
    pub operator: Option<&'a Address>,
    /// Also write about findings with the mark `survey`, which are no attacks.
    pub survey: bool,
}

/// What stands above every letter.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Who writes.
    pub from: &'a Address,
    /// Who reads the replies.
    pub reply_to: Option<&'a Address>,
    /// The name of the site, checked by [`site`]; empty for none.
    pub site: &'a str,
    /// When. To the second, and before the year 10000.
    pub date: Timestamp,
}

/// All letters of a run, by recipient, and what could be told to nobody.
#[derive(Clone, Debug, Default)]
pub struct Outbox<'a> {
    /// At most one for each address.
    pub mails: Vec<Mail<'a>>,
    /// Hosts that have no contact and went to the operator, or to nobody if there is none.
    pub orphans: Vec<Host>,
    /// Windows without data that nobody is told of.
    pub unheard: Vec<Option<Window>>,
    /// Findings that do not say where their host is.
    pub sideless: u64,
    /// Findings that are no attacks, and in no letter.
    pub surveys: u64,
}

/// One letter.
#[derive(Clone, Debug)]
pub struct Mail<'a> {
    /// To whom.
    pub to: Address,
    name: String,
    /// Hosts of theirs, and for the operator those of nobody.
    hosts: BTreeMap<Host, HostFindings<'a>>,
    /// For the operator: hosts that are not ours.
    others: BTreeMap<Host, HostFindings<'a>>,
    /// For the operator: windows in which no exporter spoke.
    silent: Vec<Option<Window>>,
}

/// All about one host.
#[derive(Clone, Debug, Default)]
struct HostFindings<'a> {
    /// The network by which somebody is responsible.
    net: Option<IpNet>,
    episodes: BTreeMap<Act, Episode<'a>>,
}

type Act = (Kind, String, Role, Option<u8>, Option<u16>);

/// The same act in one or more windows.
#[derive(Clone, Debug)]
struct Episode<'a> {
    /// The finding with the most flows.
    worst: &'a Finding,
    windows: BTreeSet<Option<Window>>,
    flows: u64,
}

impl<'a> HostFindings<'a> {
    fn add(&mut self, finding: &'a Finding) {
        let Finding { kind, ref class, role, proto, port, flows, window, .. } = *finding;
        let episode = self.episodes.entry((kind, class.clone(), role, proto, port));
        let episode = episode.or_insert_with(|| Episode {
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

    /// The most flows first.
    fn episodes(&self) -> Vec<&Episode<'a>> {
        let mut episodes: Vec<_> = self.episodes.values().collect();
        episodes.sort_by_key(|episode| std::cmp::Reverse(episode.flows));
        episodes
    }

    fn flows(&self) -> u64 {
        self.episodes.values().map(|episode| episode.flows).max().unwrap_or(0)
    }
}

impl Episode<'_> {
    fn situation(&self) -> Situation {
        Situation::of(self.worst)
    }

    /// What was done, on which port: for a subject or a list.
    fn short(&self) -> String {
        let situation = self.situation();
        let port = words::port(self.worst.proto, self.worst.port);
        match situation {
            Situation::PortAttacker | Situation::Guesser => format!("{} {port}", situation.short()),
            _ => format!("{}: {port}", situation.short()),
        }
    }
}

/// Cases by the most flows, then by host.
fn sorted<'c, 'a>(
    cases: &'c BTreeMap<Host, HostFindings<'a>>,
) -> Vec<(Host, &'c HostFindings<'a>)> {
    let mut cases: Vec<_> = cases.iter().map(|(host, case)| (*host, case)).collect();
    cases.sort_by_key(|(_, case)| std::cmp::Reverse(case.flows()));
    cases
}

/// The name of a site as a header can hold it.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn site(text: &str) -> Result<String, String> {
    if text.chars().count() > MAX_SITE {
        return Err(format!("more than {MAX_SITE} characters"));
    }
    match text.chars().find(|&c| !is_visible(c)) {
        Some(bad) => Err(format!("{bad:?} in it")),
        None => Ok(text.trim().to_owned()),
    }
}

/// Sorts findings into letters.
///
/// A host with side `inside` goes to its contacts, or to the operator if it has none. One without a
/// side goes to its contacts; without any, and for `outside`, it goes to the operator as one of the
/// others: there is nobody to write to at somebody else's.
pub fn sort<'a>(docket: &'a mut FindingSet, route: Routing<'_>) -> Outbox<'a> {
    let silent: Vec<_> = docket.silent().collect();
    let mut post = Outbox::default();
    let mut letters: BTreeMap<String, Mail<'a>> = BTreeMap::new();
    let mut orphans = BTreeSet::new();
    for finding in docket.findings() {
        if !route.survey && finding.marks.iter().any(|mark| mark == "survey") {
            post.surveys += 1;
            continue;
        }
        post.sideless += u64::from(finding.side.is_none());
        let found = route.contacts.of(finding.host).filter(|_| finding.side != Some(Side::Outside));
        match (found, route.operator) {
            (Some((net, contacts)), _) => {
                for contact in contacts {
                    let letter = letter(&mut letters, &contact.mail);
                    if letter.name.is_empty() {
                        letter.name.clone_from(&contact.name);
                    }
                    let case = letter.hosts.entry(finding.host).or_default();
                    case.net = Some(net);
                    case.add(finding);
                }
            }
            (None, operator) => {
                let is_ours = finding.side == Some(Side::Inside);
                if is_ours {
                    orphans.insert(finding.host);
                }
                if let Some(operator) = operator {
                    let letter = letter(&mut letters, operator);
                    let cases = if is_ours { &mut letter.hosts } else { &mut letter.others };
                    cases.entry(finding.host).or_default().add(finding);
                }
            }
        }
    }
    match route.operator {
        Some(operator) if !silent.is_empty() => letter(&mut letters, operator).silent = silent,
        _ => post.unheard = silent,
    }
    post.orphans = orphans.into_iter().collect();
    post.mails = letters.into_values().collect();
    post
}

fn letter<'l, 'a>(letters: &'l mut BTreeMap<String, Mail<'a>>, to: &Address) -> &'l mut Mail<'a> {
    letters.entry(to.as_str().to_ascii_lowercase()).or_insert_with(|| Mail {
        to: to.clone(),
        name: String::new(),
        hosts: BTreeMap::new(),
        others: BTreeMap::new(),
        silent: Vec::new(),
    })
}

impl Mail<'_> {
    /// The subject: which host, what, when.
    pub fn subject(&self, site: &str) -> String {
        let mut text = format!("[{}] ", if site.is_empty() { "nfkit" } else { site });
        let cases = if self.hosts.is_empty() { &self.others } else { &self.hosts };
        let cases = sorted(cases);
        let mut windows: BTreeSet<Option<Window>> = BTreeSet::new();
        for episode in cases.iter().flat_map(|(_, case)| case.episodes.values()) {
            windows.extend(&episode.windows);
        }
        match cases.split_first() {
            Some(((host, case), more)) => {
                let episodes = case.episodes();
                let acts: Vec<_> = episodes.iter().take(2).map(|episode| episode.short()).collect();
                let _ = write!(text, "{} {}", host.text(false), acts.join(" and "));
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

    /// The text, in lines of at most 72 columns that end in a newline.
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
        let cases = sorted(&self.hosts);
        if !cases.is_empty() {
            self.about_hosts(&mut out, &of, &cases);
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

    fn about_hosts(&self, out: &mut String, of: &str, cases: &[(Host, &HostFindings<'_>)]) {
        let nets = cases.iter().filter(|(host, _)| matches!(host, Host::Prefix(_))).count();
        let (nets, machines) = (nets as u64, (cases.len() - nets) as u64);
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
        let (full, named) = cases.split_at(cases.len().min(MAX_HOSTS));
        for (host, case) in full {
            let acts = case.episodes().into_iter().take(3).map(Episode::short);
            let acts: Vec<_> = acts.collect();
            wrap(out, "    ", &format!("{} {}", host.text(false), acts.join("; ")));
        }
        if !named.is_empty() {
            wrap(
                out,
                "    ",
                &format!("and {}, named at the end", words::of(named.len() as u64, "more host")),
            );
        }
        let mut situations = BTreeSet::new();
        for (host, case) in full {
            out.push('\n');
            situations.extend(about_host(out, *host, case));
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
                named.iter().flat_map(|(_, case)| case.episodes.values().map(Episode::situation)),
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
        let cases = sorted(&self.others);
        let (first, rest) = cases.split_at(cases.len().min(MAX_NAMED));
        for (host, case) in first {
            for episode in case.episodes().into_iter().take(MAX_EPISODES) {
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

    /// The whole message as RFC 5322 has it, lines ending in CRLF. The same findings to the same
    /// person have the same Message-ID, so that a mail store can know a repetition.
    ///
    /// # Errors
    /// An address or a date that lettre does not take.
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
        // RFC 3834 section 5: nobody's holiday answers it. Not "Precedence: bulk": an alarm is no
        // circular, and some file those away.
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        let encoding = match body.is_ascii() {
            true => ContentTransferEncoding::SevenBit,
            false => ContentTransferEncoding::EightBit,
        };
        // Left as it is, readable wherever the message is looked at: lettre would make base64 of
        // lines that are short in columns and long in octets.
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

/// Why a letter cannot be made into a message.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The address.
    #[error("{0}: {1}")]
    Address(Address, lettre::address::AddressError),
    /// Something else.
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

/// FNV-1a of 128 bits over the parts. It names a message; it protects nothing.
fn digest(parts: &[&str]) -> u128 {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let octets = parts.iter().flat_map(|part| part.bytes().chain([0]));
    octets.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, octet| {
        (hash ^ u128::from(octet)).wrapping_mul(PRIME)
    })
}

fn heading(out: &mut String, text: &str) {
    line(out, format_args!("\n{text}\n{}\n", "-".repeat(text.chars().count())));
}

/// When the act of an episode was seen.
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

/// All about one host; returns the situations that want explaining.
fn about_host(out: &mut String, host: Host, case: &HostFindings<'_>) -> BTreeSet<Situation> {
    let bar = "=".repeat(words::WIDTH);
    line(out, format_args!("{bar}\n{}\n{bar}", host.text(false)));
    match case.net {
        Some(net) => wrap(out, "", &format!("You are listed as responsible for {net}.")),
        None => wrap(out, "", "Nobody is listed as responsible for it."),
    }
    let episodes = case.episodes();
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
        let (packets, octets) =
            (words::of(finding.packets, "packet"), words::octets(finding.octets));
        let rate = finding.rate;
        fact(
            "How much",
            &format!("{}, {rate} a second; {packets}, {octets}", words::of(finding.flows, "flow")),
        );
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

/// A message as an entry of a mailbox file, in the form called mboxrd: a `From ` line before it, a
/// `>` before each line of it that could be taken for one, an empty line after it. Lines end in LF,
/// as in every mailbox file.
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

/// A message with lines that end in LF, as programs on Unix hand it to each other.
pub fn unix(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    let mut next = message.iter().skip(1).chain([&0]);
    out.retain(|&octet| {
        let next = next.next();
        octet != b'\r' || next != Some(&b'\n')
    });
    out
}

/// The date of a `From ` line, UTC: `Fri Aug 17 17:20:00 2001`.
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
