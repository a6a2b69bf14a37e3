//! Mails that come back: delivery reports, automatic answers and replies.
//!
//! Anybody can write anything in a mail. A mail counts only by the address that it was sent to, which has an
//! unguessable token; its header is asked for one thing, whether a person wrote it.

use super::mime::{Part, keyword, without_comments};
use super::token::{Answer, Token, parse_answer};

mod report;

pub use report::{Action, Delivery};

#[cfg(test)]
mod tests;

/// The envelope of a mail, as the mail server says.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The sender. The null sender is empty, `<>`, or `MAILER-DAEMON` with or without a domain.
    pub sender: &'a str,
    /// The address that the mail was sent to.
    pub recipient: &'a str,
}

impl Envelope<'_> {
    /// Returns true if the sender is the null sender, which takes no answer (RFC 5321 section 4.5.5). Postfix writes
    /// it as MAILER-DAEMON for the commands that it runs.
    fn is_null(&self) -> bool {
        let sender = self.sender.trim();
        let inside = sender.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        let sender = inside.unwrap_or(sender).trim();
        sender.is_empty() || is_mailer_daemon(sender)
    }
}

/// The kind of a received mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// A delivery report (RFC 3464) to the return path of a mail of ours.
    Report {
        /// The token of the mail that is reported on.
        token: Token,
        /// The reported recipients, at least one and at most 16.
        deliveries: Vec<Delivery>,
    },
    /// A mail that no person wrote: an automatic answer (RFC 3834), a mail of a list, or any other mail from the
    /// null sender.
    Automatic {
        /// The sign that shows it, for the journal.
        why: &'static str,
        /// The kind and token of the address that it was sent to, if that is one of ours.
        token: Option<(Answer, Token)>,
    },
    /// A person's reply to a mail of ours.
    Reply {
        /// The token of the mail that is replied to.
        token: Token,
    },
    /// Any other mail.
    Other,
}

/// Returns the kind of a mail. Only its first MiB is looked at.
///
/// The token may still be one that nobody issued: the caller looks it up.
pub fn classify(message: &[u8], envelope: &Envelope<'_>) -> Received {
    let message = Part::new(message);
    let token = parse_answer(envelope.recipient);
    if let Some((Answer::Bounce, token)) = token {
        let deliveries = report::deliveries(&message);
        if !deliveries.is_empty() {
            return Received::Report { token, deliveries };
        }
    }
    match (sign_of_automatic(&message, envelope), token) {
        (Some(why), token) => Received::Automatic { why, token },
        (None, Some((Answer::Reply, token))) => Received::Reply { token },
        // No person writes to a return path.
        (None, _) => Received::Other,
    }
}

/// Returns the sign by which no person wrote a mail, or `None` if there is none.
fn sign_of_automatic(message: &Part<'_>, envelope: &Envelope<'_>) -> Option<&'static str> {
    if envelope.is_null() {
        return Some("null sender");
    }
    for field in message.fields() {
        // RFC 3834 section 5. X-Auto-Response-Suppress is no sign: it asks for no answer, and people's mail has it.
        if field.is("Auto-Submitted") && keyword(&field.text()) != "no" {
            return Some("Auto-Submitted");
        }
        if field.is("Precedence") {
            let word = keyword(&field.text());
            if ["bulk", "junk", "list", "auto_reply"].contains(&word.as_str()) {
                return Some("Precedence");
            }
        }
        for name in ["X-Autoreply", "X-Autorespond", "List-Id", "List-Unsubscribe"] {
            if field.is(name) {
                return Some(name);
            }
        }
        // Nobody writes by the name of MAILER-DAEMON. A postmaster is a person: the address is one that RFC 2142
        // tells sites to have, and whoever reads it may be the contact that we write to. The delivery reports that
        // come from it have the null sender, or are a multipart/report.
        if field.is("From") && is_mailer_daemon(mailbox(&without_comments(&field.text()))) {
            return Some("From MAILER-DAEMON");
        }
    }
    // A read receipt (RFC 8098) is one too.
    (message.content_type().mimetype == "multipart/report").then_some("multipart/report")
}

/// Returns the address of a From field without comments.
fn mailbox(from: &str) -> &str {
    match from.rsplit_once('<') {
        Some((_, rest)) => rest.split('>').next().unwrap_or(rest).trim(),
        None => from.trim(),
    }
}

/// Returns true for an address whose local part is MAILER-DAEMON, with or without a domain.
fn is_mailer_daemon(address: &str) -> bool {
    let local = address.split('@').next().unwrap_or(address);
    local.eq_ignore_ascii_case("MAILER-DAEMON")
}
