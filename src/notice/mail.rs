//! Mails to the people who are responsible for hosts: which findings go to whom, and the text.
//!
//! Each person gets one mail about all of their hosts (RFC 5322, RFC 3834). lettre writes the headers from
//! checked addresses, names without control characters, and the numbers and fixed words of a finding. No
//! free text of a finding gets into a header.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0,
};
use lettre::message::{Body, Mailbox, Message};

use super::words::{Noun, words_of};
use crate::contacts::{Address, Contacts, Lang, Responsible, is_visible};
use crate::finding::{FindingSet, Host, Side};
use crate::report::LocalTime;
use crate::time::{Timestamp, Window};

mod episodes;
mod writer;

use episodes::{HostFindings, sorted};
use writer::Writer;

#[cfg(test)]
mod tests;

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
    /// The times of the text.
    pub local: &'a LocalTime,
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
    /// The language.
    lang: Lang,
    /// The hosts that the recipient is responsible for, and for the operator those without a contact.
    hosts: BTreeMap<Host, HostFindings<'a>>,
    /// For the operator: hosts that are not known to be inside.
    others: BTreeMap<Host, HostFindings<'a>>,
    /// For the operator: windows in which no exporter sent data.
    silent: Vec<Option<Window>>,
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
                    let mail = mail_to(&mut mails, &contact.mail, routing.contacts);
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
                    let mail = mail_to(&mut mails, operator, routing.contacts);
                    let hosts = if is_ours { &mut mail.hosts } else { &mut mail.others };
                    hosts.entry(finding.host).or_default().add(finding);
                }
            }
        }
    }
    match routing.operator {
        Some(operator) if !silent.is_empty() => {
            mail_to(&mut mails, operator, routing.contacts).silent = silent
        }
        _ => outbox.unheard = silent,
    }
    outbox.orphans = orphans.into_iter().collect();
    outbox.mails = mails.into_values().collect();
    outbox
}

fn mail_to<'m, 'a>(
    mails: &'m mut BTreeMap<String, Mail<'a>>,
    to: &Address,
    contacts: &Contacts,
) -> &'m mut Mail<'a> {
    let person = contacts.person(to);
    mails.entry(to.folded()).or_insert_with(|| Mail {
        to: to.clone(),
        name: person.map(|person| person.name.clone()).unwrap_or_default(),
        lang: person.map(|person| person.lang).unwrap_or_default(),
        hosts: BTreeMap::new(),
        others: BTreeMap::new(),
        silent: Vec::new(),
    })
}

impl Mail<'_> {
    /// Returns the subject: the first host, its behaviour, and the time.
    pub fn subject(&self, sender: &Sender<'_>) -> String {
        let words = words_of(self.lang);
        let texts = &words.texts;
        let site = if sender.site.is_empty() { "nfkit" } else { sender.site };
        let hosts = if self.hosts.is_empty() { &self.others } else { &self.hosts };
        let hosts = sorted(hosts);
        let mut windows: BTreeSet<Option<Window>> = BTreeSet::new();
        for episode in hosts.iter().flat_map(|(_, found)| found.episodes.values()) {
            windows.extend(&episode.windows);
        }
        let mut text = match hosts.split_first() {
            Some(((host, found), more)) => {
                let episodes = found.episodes();
                let behaviours: Vec<_> =
                    episodes.iter().take(2).map(|episode| episode.short(words)).collect();
                let behaviours = behaviours.join(texts.and_list);
                let host = host.text(false);
                let values = [("host", host.as_str()), ("behaviours", behaviours.as_str())];
                let mut text = words.fill(texts.subject, &values);
                if !more.is_empty() {
                    let more = (words.count)(more.len() as u64, Noun::MoreHosts);
                    text += &words.fill(texts.subject_more, &[("more", &more)]);
                }
                text
            }
            None => {
                windows.extend(&self.silent);
                texts.no_exporter.to_owned()
            }
        };
        let time = match (windows.first(), windows.last()) {
            (Some(Some(first)), Some(Some(last))) if first == last => {
                let (moment, length) =
                    (sender.local.text(first.start()), (words.length)(first.seconds()));
                Some(words.fill(texts.moment_length, &[("moment", &moment), ("length", &length)]))
            }
            (_, Some(Some(last))) => {
                let first = windows.iter().flatten().next().unwrap_or(last);
                Some(words.between(*first, *last, sender.local))
            }
            _ => None,
        };
        if let Some(time) = time {
            text += &words.fill(texts.subject_time, &[("time", &time)]);
        }
        format!("[{site}] {text}")
    }

    /// Returns the text in lines of at most 72 columns, each with a newline at its end.
    pub fn body(&self, sender: &Sender<'_>) -> String {
        let words = words_of(self.lang);
        let routers = match sender.site {
            "" => words.texts.our_routers.to_owned(),
            site => words.fill(words.texts.routers_of, &[("site", site)]),
        };
        let mut writer = Writer { out: String::new(), words, local: sender.local, routers };
        match self.name.as_str() {
            "" => writer.paragraph("", words.texts.hello, &[]),
            name => writer.paragraph("", words.texts.hello_name, &[("name", name)]),
        }
        writer.out.push('\n');
        let hosts = sorted(&self.hosts);
        if !hosts.is_empty() {
            writer.about_hosts(&hosts);
        }
        if !self.silent.is_empty() {
            writer.about_silence(&self.silent);
        }
        if !self.others.is_empty() {
            writer.about_others(&sorted(&self.others));
        }
        writer.out.push_str("-- \n");
        let who = sender.reply_to.unwrap_or(sender.from).to_string();
        writer.about_routers("", words.texts.signature, &[("who", &who)]);
        writer.out
    }

    /// Returns the whole message (RFC 5322), whose lines end in CRLF. The same findings for the same person
    /// have the same Message-ID, so that a mail store can recognise a repetition.
    ///
    /// # Errors
    /// Returns an error for an address or a date that lettre does not accept.
    pub fn message(&self, sender: &Sender<'_>) -> Result<Vec<u8>, MailError> {
        let subject = self.subject(sender);
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
        let builder = match self.lang {
            Lang::En => builder,
            // RFC 3282.
            lang => {
                let name = HeaderName::new_from_ascii_str("Content-Language");
                builder.raw_header(HeaderValue::new(name, lang.as_str().to_owned()))
            }
        };
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
