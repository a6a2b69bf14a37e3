//! Mails to the people who are responsible for hosts: which findings go to whom, and the text.
//!
//! Each person gets one mail about all of their hosts. No free text of a finding gets into a header.

use std::collections::{BTreeMap, BTreeSet};

use super::message::{MailError, Parts, Sender, titled};
use super::words::{Noun, words_of};
use super::writer::Writer;
use crate::contacts::{Address, Contacts, Lang, Responsible};
use crate::finding::{FindingSet, Host, Side};
use crate::incident::is_for_operator;
use crate::time::Window;

mod episodes;
mod writer;

use episodes::{HostFindings, sorted};

#[cfg(test)]
mod tests;

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
        let is_for_owner = finding.side != Some(Side::Outside) && !is_for_operator(&finding.class);
        let responsible = routing.contacts.of(finding.host.net()).filter(|_| is_for_owner);
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
        titled(sender, &text)
    }

    /// Returns the text in lines of at most 72 columns, each with a newline at its end.
    pub fn body(&self, sender: &Sender<'_>) -> String {
        let words = words_of(self.lang);
        let mut writer = Writer::new(words, sender);
        writer.hello(&self.name);
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
        let parts = Parts {
            to: &self.to,
            name: &self.name,
            lang: self.lang,
            subject,
            body,
            message_id: format!("<nfkit.{id:032x}@{domain}>"),
            references: &[],
        };
        parts.message(sender)
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
