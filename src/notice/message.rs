//! The headers of mails, and mails as messages and mailbox files.
//!
//! lettre writes the headers (RFC 5322, RFC 3834) from checked addresses, names without control characters,
//! and subjects of numbers and fixed words.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{
    ContentTransferEncoding, ContentType, HeaderName, HeaderValue, MIME_VERSION_1_0,
};
use lettre::message::{Body, Mailbox, Message, MessageBuilder};

use crate::contacts::{Address, Lang, is_visible};
use crate::report::LocalTime;
use crate::time::Timestamp;

/// The longest name of a site, in characters.
const MAX_SITE: usize = 60;

/// The most message ids of a `References` header. The first one, which names the thread, and the newest stay
/// (RFC 5322 section 3.6.4 allows to shorten the list).
pub const MAX_REFERENCES: usize = 20;

/// The longest message id, in bytes: a line of a header has at most 998.
const MAX_ID: usize = 250;

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

/// Returns a subject with the name of the site before it, or of the program.
pub(super) fn titled(sender: &Sender<'_>, subject: &str) -> String {
    let site = if sender.site.is_empty() { "nfkit" } else { sender.site };
    format!("[{site}] {subject}")
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

/// The parts of a message.
pub(super) struct Parts<'a> {
    /// The address of the recipient.
    pub(super) to: &'a Address,
    /// The name of the recipient; may be empty.
    pub(super) name: &'a str,
    pub(super) lang: Lang,
    pub(super) subject: String,
    /// The text, whose lines end in LF.
    pub(super) body: String,
    /// The message id, with its angle brackets.
    pub(super) message_id: String,
    /// The message ids of earlier mails of the thread, oldest first. Text that is no message id is left out.
    pub(super) references: &'a [String],
}

impl Parts<'_> {
    /// Returns the whole message (RFC 5322), whose lines end in CRLF.
    ///
    /// # Errors
    /// Returns an error for an address or a date that lettre does not accept, and for a message id that is
    /// none.
    pub(super) fn message(self, sender: &Sender<'_>) -> Result<Vec<u8>, MailError> {
        let encoding = if self.body.is_ascii() {
            ContentTransferEncoding::SevenBit
        } else {
            ContentTransferEncoding::EightBit
        };
        // The body stays readable in any program. lettre would encode it in base64, because its lines are
        // short in columns but can be long in bytes.
        let body = self.body.replace('\n', "\r\n").into_bytes();
        let body = Body::dangerous_pre_encoded(body, encoding);
        let message = self
            .header(sender)?
            .header(MIME_VERSION_1_0)
            .header(ContentType::TEXT_PLAIN)
            .body(body)?;
        Ok(message.formatted())
    }

    /// Returns a message with its header, as far as it says nothing of the body.
    ///
    /// # Errors
    /// As [`Parts::message`].
    pub(super) fn header(&self, sender: &Sender<'_>) -> Result<MessageBuilder, MailError> {
        let from = match sender.site {
            "" => "nfkit".to_owned(),
            site => format!("nfkit {site}"),
        };
        let name = (!self.name.is_empty()).then(|| self.name.to_owned());
        let date = UNIX_EPOCH + Duration::from_secs(sender.date.secs());
        let builder = Message::builder()
            .date(date)
            .from(mailbox(Some(from), sender.from)?)
            .to(mailbox(name, self.to)?);
        let builder = match sender.reply_to.filter(|&to| to != sender.from) {
            Some(to) => builder.reply_to(mailbox(None, to)?),
            None => builder,
        };
        let builder = match self.lang {
            Lang::En => builder,
            // RFC 3282.
            lang => builder.raw_header(raw("Content-Language", lang.as_str())),
        };
        if !is_message_id(&self.message_id) {
            return Err(MailError::MessageId(self.message_id.clone()));
        }
        let subject = self.subject.clone();
        let mut builder = builder.subject(subject).message_id(Some(self.message_id.clone()));
        let thread = thread(self.references);
        if let Some(last) = thread.last() {
            builder = builder.in_reply_to((*last).to_owned()).references(thread.join(" "));
        }
        // RFC 3834 section 5: no vacation program answers the mail. It has no "Precedence: bulk", because
        // some programs file such mail away unread.
        Ok(builder.raw_header(raw("Auto-Submitted", "auto-generated")))
    }
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// Returns true for a message id of RFC 5322 section 3.6.4, in its plain form.
fn is_message_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    text.len() <= MAX_ID
        && inner.and_then(|text| text.split_once('@')).is_some_and(|(left, right)| {
            let is_plain = |part: &str| {
                !part.is_empty()
                    && part.bytes().all(|b| b.is_ascii_graphic() && !b"<>@,;:\"()\\".contains(&b))
            };
            is_plain(left) && is_plain(right)
        })
}

/// Returns the message ids that a message refers to, at most [`MAX_REFERENCES`].
fn thread(references: &[String]) -> Vec<&str> {
    let mut ids: Vec<&str> =
        references.iter().map(String::as_str).filter(|id| is_message_id(id)).collect();
    let surplus = ids.len().saturating_sub(MAX_REFERENCES);
    if surplus > 0 {
        ids.drain(1..1 + surplus);
    }
    ids
}

/// The reason why a mail cannot be made into a message.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// lettre does not accept the address.
    #[error("{0}: {1}")]
    Address(Address, lettre::address::AddressError),
    /// The message id is none.
    #[error("{0:?} is not a message id such as <a@example.org>")]
    MessageId(String),
    /// lettre cannot encode the body.
    #[error("the body cannot be encoded")]
    Body,
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

/// Returns a message as an entry of a mailbox file in the form mboxrd: a `From ` line with the sender before it, a
/// `>` before each of its lines that could be taken for such a line, and an empty line after it. Lines end in LF,
/// as in every mailbox file.
pub fn mbox(message: &[u8], sender: &str, date: Timestamp) -> Vec<u8> {
    let mut out = format!("From {sender} {}\n", asctime(date)).into_bytes();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_file_can_be_split_again() {
        let date = Timestamp::from_secs(998_069_400);
        let text =
            mbox(b"A: b\r\n\r\nFrom me\r\n>From you\r\nx From\r\r\n", "op@example.org", date);
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "From op@example.org Fri Aug 17 17:30:00 2001\n\
             A: b\n\n>From me\n>>From you\nx From\r\n\n"
        );
        assert_eq!(asctime(Timestamp::from_secs(0)), "Thu Jan  1 00:00:00 1970");
        assert_eq!(asctime(Timestamp::from_secs(1_709_208_000)), "Thu Feb 29 12:00:00 2024");
    }

    #[test]
    fn a_site_is_one_line() {
        assert_eq!(site(" NCCU \u{653f}\u{5927}").unwrap(), "NCCU \u{653f}\u{5927}");
        for bad in ["x\nBcc: a@b", "\u{202e}", &"x".repeat(61)] {
            assert!(site(bad).is_err());
        }
    }

    #[test]
    fn only_plain_message_ids_are_referred_to() {
        for good in ["<a@b>", "<nfkit.0123@cs.example.edu>"] {
            assert!(is_message_id(good), "{good}");
        }
        for bad in ["", "<>", "a@b", "<a@b", "<a b@c>", "<a@b>\r\nBcc: <c@d>", "<a@b@c>", "<é@b>"]
        {
            assert!(!is_message_id(bad), "{bad}");
        }
        assert!(!is_message_id(&format!("<{}@b>", "a".repeat(MAX_ID))));
        let ids: Vec<String> = (0..50).map(|n| format!("<{n}@b>")).chain(["x".into()]).collect();
        let thread = thread(&ids);
        assert_eq!(
            (thread.len(), thread[0], thread[1], thread[19]),
            (20, "<0@b>", "<31@b>", "<49@b>")
        );
    }
}
