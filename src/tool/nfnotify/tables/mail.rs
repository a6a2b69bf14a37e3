//! `[mail]`: the way by which notices leave in live mode, and how many of them.

use std::net::IpAddr;

use super::incident::file;
use crate::cli::Config;
use crate::cli::config::{Form, Key, Table};
use crate::contacts::{Address, is_visible};
use crate::notice::token::MAX_BASE;

/// The most bytes of a domain: a Message-ID has it too.
const MAX_DOMAIN: usize = 200;

/// The most characters of the footer.
const MAX_FOOTER: usize = 600;

/// The most mails of an hour, in all and to one recipient, and the most incidents of a mail that describes
/// each, if the file does not say otherwise.
const DEFAULTS: [(&str, u64); 3] = [("per_hour", 100), ("per_recipient", 10), ("digest", 20)];

/// The largest of these numbers.
const MAX_NUMBER: u64 = 1_000_000;

/// The table `[mail]`.
pub const MAIL: Table = Table {
    name: "mail",
    keys: &[
        Key::text("from", address, "The address that mails come from").without_option(),
        Key::text(
            "answers",
            answers,
            "The address whose forms with +TOKEN take replies and bounces for `nfnotify receive`",
        )
        .without_option(),
        Key::new("sendmail", Form::Path, program, "The program that takes mails").without_option(),
        Key::text("relay", |text| relay(text).map(drop), "The mail server that takes mails")
            .without_option(),
        Key::new("mbox", Form::Path, file, "The file that mails are appended to").without_option(),
        Key::text("footer", footer, "The last lines of each mail").without_option(),
        Key::new("per_hour", Form::Number, number, "The most mails of an hour").without_option(),
        Key::new(
            "per_recipient",
            Form::Number,
            number,
            "The most mails of an hour to one recipient",
        )
        .without_option(),
        Key::new("digest", Form::Number, number, "The incidents above which a mail is a digest")
            .without_option(),
    ],
    ..Table::PLAIN
};

/// A mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// The name or address.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Parses `HOST` or `HOST:PORT`; an IPv6 address is in brackets.
pub fn relay(text: &str) -> Result<Relay, String> {
    let wrong = || format!("{text:?} is no mail server such as localhost:25 or [::1]:25");
    let new = |host: &str, port| Relay { host: host.to_owned(), port };
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (text, 25),
    };
    let inside = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_host = match inside {
        Some(address) => address.parse::<IpAddr>().is_ok(),
        // As the domain of an address is checked.
        None => format!("a@{host}").parse::<Address>().is_ok(),
    };
    if is_host && port > 0 { Ok(new(inside.unwrap_or(host), port)) } else { Err(wrong()) }
}

/// Returns a number of the table, or its default.
pub fn limit(config: &Config, key: &'static str) -> u64 {
    let default = DEFAULTS.iter().find(|(name, _)| *name == key).map_or(0, |(_, value)| *value);
    config.get(&MAIL, key).and_then(|value| value.text().parse().ok()).unwrap_or(default)
}

fn number(text: &str) -> Result<(), String> {
    match text.parse::<u64>() {
        Ok(1..=MAX_NUMBER) => Ok(()),
        _ => Err(format!("must be from 1 to {MAX_NUMBER}")),
    }
}

fn address(text: &str) -> Result<(), String> {
    let address: Address = text.parse()?;
    if address.parts().1.len() > MAX_DOMAIN {
        return Err(format!("the part behind @ may have at most {MAX_DOMAIN} characters"));
    }
    Ok(())
}

fn answers(text: &str) -> Result<(), String> {
    address(text)?;
    let address: Address = text.parse()?;
    if address.parts().0.len() > MAX_BASE {
        return Err(format!(
            "the part before @ may have at most {MAX_BASE} characters, because a token comes behind it"
        ));
    }
    Ok(())
}

fn program(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("the name is empty".to_owned()) } else { file(text) }
}

fn footer(text: &str) -> Result<(), String> {
    if text.chars().count() > MAX_FOOTER {
        return Err(format!("more than {MAX_FOOTER} characters"));
    }
    match text.chars().find(|&c| c != '\n' && !is_visible(c)) {
        Some(bad) => Err(format!("{bad:?} is not allowed in a mail")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        let (_, faults) = Config::parse(Path::new("c"), text, &[&MAIL]).unwrap();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn mail_servers_are_read() {
        let of = |host: &str, port| Ok(Relay { host: host.to_owned(), port });
        assert_eq!(relay("localhost"), of("localhost", 25));
        assert_eq!(relay("mail.example.edu:587"), of("mail.example.edu", 587));
        assert_eq!(relay("192.0.2.1:2525"), of("192.0.2.1", 2525));
        assert_eq!(relay("192.0.2.1"), of("192.0.2.1", 25));
        assert_eq!(relay("[2001:db8::1]:26"), of("2001:db8::1", 26));
        assert_eq!(relay("[::1]"), of("::1", 25));
        for bad in [
            "", "::1", "::1:25", ":25", "a:0", "a:x", "a:70000", "[x]:25", "a b", "a@b", "-x",
            "a:", "[::1]x",
        ] {
            assert!(relay(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn values_that_cannot_be_are_faults() {
        let long = format!("answers = '{}@x.org'", "a".repeat(40));
        for (text, why) in [
            ("from = 'Ann <ann@x.org>'", "from: \"Ann <ann@x.org>\" is not a mail address"),
            (long.as_str(), "answers: the part before @ may have at most 29 characters"),
            ("relay = 'a b'", "relay: \"a b\" is no mail server"),
            ("mbox = '-'", "mbox: must be a file, not the stream -"),
            ("sendmail = '-'", "sendmail: must be a file, not the stream -"),
            ("footer = \"a\\u001bb\"", "footer: '\\u{1b}' is not allowed in a mail"),
            ("per_hour = 0", "per_hour: must be from 1 to 1000000"),
            ("digest = 1000001", "digest: must be from 1 to 1000000"),
        ] {
            let faults = faults(&format!("[mail]\n{text}\n"));
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].starts_with(&format!("c:2: [mail] {why}")), "{faults:?}");
        }
        assert_eq!(faults("[mail]\nfooter = \"one\\ntwo\"\nper_hour = 1\n"), [""; 0]);
    }
}
