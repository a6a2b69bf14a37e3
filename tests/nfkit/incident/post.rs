//! The mails that a site in live mode has sent to a file.

use mailparse::{MailHeaderMap, parse_mail};

/// A mail of a mailbox file.
#[derive(Clone, Debug)]
pub struct Sent {
    /// The sender of the envelope.
    pub sender: String,
    pub to: String,
    pub subject: String,
    pub date: String,
    pub id: String,
    /// The address for replies; empty if there is none.
    pub reply_to: String,
    /// The earlier mails of the thread.
    pub references: Vec<String>,
    /// The text of the first part.
    pub body: String,
    /// The whole, with lines that end in LF.
    pub text: String,
}

/// Returns the mails of a mailbox file, in their order.
pub fn mails(mbox: &str) -> Vec<Sent> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in mbox.split_inclusive('\n') {
        match line.strip_prefix("From ") {
            Some(envelope) => all.push((envelope.trim().to_owned(), String::new())),
            None => {
                // mboxrd: one > less before From.
                let is_quoted = line.trim_start_matches('>').starts_with("From ");
                let line = if is_quoted { &line[1..] } else { line };
                all.last_mut().expect("a file begins with From").1 += line;
            }
        }
    }
    all.into_iter().map(|(envelope, text)| parse(&envelope, &text)).collect()
}

fn parse(envelope: &str, text: &str) -> Sent {
    let mail = parse_mail(text.as_bytes()).unwrap();
    let header = |name: &str| mail.headers.get_first_value(name).unwrap_or_default();
    let part = mail.subparts.first().unwrap_or(&mail);
    Sent {
        sender: envelope.split(' ').next().unwrap().to_owned(),
        to: header("To"),
        subject: header("Subject"),
        date: header("Date"),
        id: header("Message-ID"),
        reply_to: header("Reply-To"),
        references: header("References").split_whitespace().map(str::to_owned).collect(),
        body: part.get_body().unwrap(),
        text: text.to_owned(),
    }
}
