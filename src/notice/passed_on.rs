//! The mail that passes a received one on to the operator.
//!
//! The received mail may be written by anybody. Nothing of it gets into the header. In the text it is escaped, quoted
//! and cut; the mail itself is attached, so that nothing is lost and no program shows it by itself.

use lettre::message::header::{ContentDisposition, ContentTransferEncoding, ContentType};
use lettre::message::{Body, MultiPart, MultiPartKind, SinglePart};
use memchr::memmem;
use sha2::{Digest, Sha256};
use unicode_width::UnicodeWidthChar;

use super::message::{MailError, Parts, Sender, titled};
use super::mime::{Part, Text, for_people};
use super::words::{Words, columns, line, words_of, wrap};
use crate::contacts::{Address, Lang};
use crate::finding::words::{bytes, count};

#[cfg(test)]
mod tests;

/// The most bytes of the received mail that are attached.
const MAX_ATTACHED: usize = 256 << 10;

/// The most bytes of a line of a mail (RFC 5322 section 2.1.1).
const MAX_LINE: usize = 998;

/// The most characters of each field of the received mail.
const MAX_FIELD: usize = 200;

/// The most lines of the received text that are quoted, and the most characters of each.
const MAX_QUOTED: usize = 200;
const MAX_QUOTED_LINE: usize = 500;

/// The most incidents and hosts that are named in the text, and the most incidents in the subject.
const MAX_NAMED: usize = 20;
const MAX_IN_SUBJECT: usize = 5;

/// The most columns of the name of a fact.
const NAME: usize = 11;

/// The mail of ours that a received one answers, as far as its token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A notice.
    Notice,
    /// A mail that tells of no incident: a test, or a report to the operator.
    Other,
    /// None: the mail has no token that we gave out.
    Unknown,
}

/// A received mail that the operator gets to see.
#[derive(Clone, Copy, Debug)]
pub struct PassedOn<'a> {
    /// The mail as it was received, or its beginning.
    pub original: &'a [u8],
    /// True if `original` is only the beginning.
    pub is_cut: bool,
    /// The size of the whole mail in bytes.
    pub size: u64,
    /// The mail that it answers.
    pub origin: Origin,
    /// The sender by the envelope.
    pub sender: &'a str,
    /// The incidents that the mail claims.
    pub incidents: &'a [u64],
    /// The hosts of these incidents.
    pub hosts: &'a [String],
    /// True if one of the hosts is isolated: the mail is a request for release.
    pub is_isolated: bool,
    /// Number of mails that were not passed on in the last hour.
    pub held_back: u64,
}

impl PassedOn<'_> {
    /// Returns the message (RFC 5322), whose lines end in CRLF: the text, and the received mail as an attachment. The
    /// same mail with the same Message-ID gives the same bytes.
    ///
    /// # Errors
    /// Returns an error for an address that lettre does not accept.
    pub fn message(
        &self,
        sender: &Sender<'_>,
        to: &Address,
        lang: Lang,
        message_id: &str,
    ) -> Result<Vec<u8>, MailError> {
        let words = words_of(lang);
        let (attached, is_cut) = attachable(self.original);
        let text = self.text(sender, words, attached.len(), is_cut || self.is_cut);
        let text = text.replace('\n', "\r\n").into_bytes();
        let boundary = boundary(message_id, &[&text, &attached]);
        let eight_bit = ContentTransferEncoding::EightBit;
        let text = SinglePart::builder()
            .header(ContentType::TEXT_PLAIN)
            .body(Body::dangerous_pre_encoded(text, eight_bit));
        // A message is not encoded (RFC 2046 section 5.2.1), so one in another charset than UTF-8 is attached
        // as a file.
        let (kind, attached) = if std::str::from_utf8(&attached).is_ok() {
            ("message/rfc822", Body::dangerous_pre_encoded(attached, eight_bit))
        } else {
            let base64 = Body::new_with_encoding(attached, ContentTransferEncoding::Base64);
            ("application/octet-stream", base64.map_err(|_| MailError::Body)?)
        };
        // The name of a type is always one.
        let original = SinglePart::builder()
            .header(ContentType::parse(kind).unwrap_or(ContentType::TEXT_PLAIN))
            .header(ContentDisposition::attachment("reply.eml"))
            .body(attached);
        // The whole has the encoding of its parts (RFC 2045 section 6.4).
        let parts = MultiPart::builder()
            .header(eight_bit)
            .kind(MultiPartKind::Mixed)
            .boundary(boundary)
            .singlepart(text)
            .singlepart(original);
        let header = Parts {
            to,
            name: "",
            lang,
            subject: titled(sender, &self.subject(words)),
            body: String::new(),
            message_id: message_id.to_owned(),
            references: &[],
        };
        Ok(header.header(sender)?.multipart(parts)?.formatted())
    }

    /// Returns the subject without the site: fixed words, and the numbers of incidents.
    fn subject(&self, words: &Words) -> String {
        let texts = &words.texts;
        let text = match (self.incidents.is_empty(), self.is_isolated) {
            (true, false) => {
                let text = match self.origin {
                    Origin::Notice => texts.passed_subject_none,
                    Origin::Other => texts.passed_subject_other,
                    Origin::Unknown => texts.passed_subject_unknown,
                };
                return text.to_owned();
            }
            (true, true) => return texts.passed_subject_release_none.to_owned(),
            (false, false) => texts.passed_subject,
            (false, true) => texts.passed_subject_release,
        };
        words.fill(text, &[("incidents", &self.incidents(words, MAX_IN_SUBJECT))])
    }

    /// Returns the numbers of the incidents, at most `max`.
    fn incidents(&self, words: &Words, max: usize) -> String {
        let texts = &words.texts;
        let ids = self.incidents.iter().map(u64::to_string);
        let text =
            if self.incidents.len() == 1 { texts.passed_incident } else { texts.passed_incidents };
        words.fill(text, &[("ids", &list(words, ids, max))])
    }

    /// Returns the text in lines of at most 72 columns. The attachment has `attached` bytes.
    fn text(&self, sender: &Sender<'_>, words: &Words, attached: usize, is_cut: bool) -> String {
        let texts = &words.texts;
        let mut out = String::new();
        let original = Part::new(without_from_line(self.original));
        if self.is_isolated {
            wrap(&mut out, "", texts.passed_release);
            out.push('\n');
        }
        if self.incidents.is_empty() {
            let text = match self.origin {
                Origin::Notice => texts.passed_no_incident,
                Origin::Other => texts.passed_other,
                Origin::Unknown => texts.passed_unknown,
            };
            wrap(&mut out, "", text);
        } else {
            let values = [("incidents", &*self.incidents(words, MAX_NAMED))];
            wrap(&mut out, "", &words.fill(texts.passed_claims, &values));
        }
        out.push('\n');
        let field = |name| {
            let decoded = original.field(name).map(|field| field.decoded());
            for_people(&decoded.unwrap_or_default(), MAX_FIELD)
        };
        let hosts = self.hosts.iter().map(|host| for_people(host, MAX_FIELD));
        for (name, value) in [
            (texts.passed_sender, for_people(self.sender, MAX_FIELD)),
            (texts.passed_from, field("From")),
            (texts.passed_re, field("Subject")),
            (texts.passed_hosts, list(words, hosts, MAX_NAMED)),
            (texts.passed_size, bytes(self.size)),
        ] {
            if !value.is_empty() {
                wrap(&mut out, &format!("  {} ", columns(name, NAME)), &value);
            }
        }
        out.push('\n');
        wrap(&mut out, "", texts.passed_no_proof);
        if self.origin != Origin::Unknown {
            wrap(&mut out, "", texts.passed_token);
        }
        out.push('\n');
        match original.words() {
            Text::Plain(text) => {
                wrap(&mut out, "", texts.passed_text);
                out.push('\n');
                if !quote(&mut out, &text) {
                    out.push('\n');
                    wrap(&mut out, "", texts.passed_goes_on);
                }
            }
            Text::Html => wrap(&mut out, "", texts.passed_html),
            Text::None => wrap(&mut out, "", texts.passed_no_text),
        }
        out.push('\n');
        if is_cut {
            let part = bytes(attached as u64);
            wrap(&mut out, "", &words.fill(texts.passed_cut, &[("part", &part)]));
        } else {
            wrap(&mut out, "", texts.passed_attached);
        }
        if self.held_back > 0 {
            out.push('\n');
            let values = [("count", &*count(self.held_back))];
            wrap(&mut out, "", &words.fill(texts.passed_held_back, &values));
        }
        out.push('\n');
        line(&mut out, format_args!("-- "));
        wrap(&mut out, "", texts.passed_signature);
        let who = match sender.reply_to {
            Some(who) => words.fill(texts.passed_reply_to, &[("who", who.as_str())]),
            None => texts.passed_no_reply.to_owned(),
        };
        wrap(&mut out, "", &who);
        out
    }
}

/// Returns a list of at most `max` items, and the number of the others.
fn list(words: &Words, items: impl ExactSizeIterator<Item = String>, max: usize) -> String {
    let more = items.len().saturating_sub(max);
    let named: Vec<_> = items.take(max).collect();
    let list = named.join(words.texts.list);
    if more == 0 {
        return list;
    }
    let more = words.fill(words.texts.more, &[("count", &count(more as u64))]);
    list + &words.and_more(&more)
}

/// Appends a text as a quotation. Returns false if it was too long for that.
fn quote(out: &mut String, text: &str) -> bool {
    let mut lines = text.trim_end().lines();
    let mut is_whole = true;
    for text in lines.by_ref().take(MAX_QUOTED) {
        let text = text.trim_end().replace('\t', " ");
        is_whole &= text.chars().nth(MAX_QUOTED_LINE).is_none();
        let text = with_few_marks(&for_people(&text, MAX_QUOTED_LINE));
        let mut wrapped = String::new();
        wrap(&mut wrapped, "  ", &text);
        for text in wrapped.lines() {
            let text = text.strip_prefix("  ").unwrap_or(text);
            line(out, format_args!("{}", format!("> {text}").trim_end()));
        }
    }
    is_whole && lines.next().is_none()
}

/// Returns a text with at most two characters without width in a row: hundreds of accents on one letter would make a
/// line longer than the bytes that a line of a mail can have.
fn with_few_marks(text: &str) -> String {
    let mut marks = 0;
    let is_kept = |c: &char| {
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        marks <= 2
    };
    text.chars().filter(is_kept).collect()
}

/// Returns a received mail as it can be attached, at most 256 KiB of it, and true if there is more: without NUL, with
/// CRLF at the end of each line, and without longer lines than a mail may have, which a mail server would break.
fn attachable(original: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::with_capacity(original.len().min(MAX_ATTACHED));
    let mut length = 0;
    let mut before = 0;
    for &byte in without_from_line(original) {
        // A cut within a character would make the mail one of no charset.
        let is_start = byte & 0xc0 != 0x80;
        if out.len() + 4 > MAX_ATTACHED || (is_start && out.len() + 8 > MAX_ATTACHED) {
            return (out, true);
        }
        match byte {
            0 => continue,
            // The end of a line that CR has ended already.
            b'\n' if before == b'\r' => {}
            b'\r' | b'\n' => {
                out.extend_from_slice(b"\r\n");
                length = 0;
            }
            byte => {
                if length == MAX_LINE || (is_start && length + 4 > MAX_LINE) {
                    // As Postfix does it: behind a blank, a field of a header goes on.
                    out.extend_from_slice(b"\r\n ");
                    length = 1;
                }
                out.push(byte);
                length += 1;
            }
        }
        before = byte;
    }
    (out, false)
}

/// Returns a mail without the line `From address date` that belongs to a mailbox and not to the mail: some mail servers
/// give it to the commands that they run.
fn without_from_line(original: &[u8]) -> &[u8] {
    if !original.starts_with(b"From ") {
        return original;
    }
    let end = memchr::memchr(b'\n', original).map_or(original.len(), |end| end + 1);
    original.get(end..).unwrap_or_default()
}

/// Returns a boundary that is in no part.
fn boundary(message_id: &str, parts: &[&[u8]]) -> String {
    // The hash makes a second round unlikely: nobody knows the Message-ID beforehand.
    let mut round = 0u64;
    loop {
        let hash = Sha256::new().chain_update(message_id).chain_update(round.to_be_bytes());
        let hash = hash.finalize();
        let hex: String = hash
            .iter()
            .take(16)
            .fold(String::from("nfkit-"), |text, byte| text + &format!("{byte:02x}"));
        if parts.iter().all(|part| memmem::find(part, hex.as_bytes()).is_none()) {
            return hex;
        }
        round += 1;
    }
}
