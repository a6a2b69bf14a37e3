//! Mail addresses, and the characters that a name may have.

use std::fmt;
use std::str::FromStr;

/// A mail address: one plain addr-spec of ASCII (RFC 5322 section 3.4.1), which is a dot-atom, `@` and a
/// domain name. Quoted local parts, comments and display names are refused, so that no mail program can
/// take it for two addresses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

impl Address {
    /// Returns the address as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the local part and the domain.
    pub fn parts(&self) -> (&str, &str) {
        self.0.rsplit_once('@').unwrap_or((&self.0, ""))
    }

    /// Returns the address in lower case. Two addresses that differ only in case reach one person.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let is_plain = text.split_once('@').is_some_and(|(local, domain)| {
            // RFC 5321 section 4.5.3.1: at most 64 and 255 bytes.
            let local_fits = local.len() <= 64 && local.split('.').all(is_atom);
            let domain_fits = domain.len() <= 255 && domain.split('.').all(is_label);
            // A program that gets the address as an argument must not take it for an option.
            local_fits && domain_fits && !local.starts_with('-')
        });
        if is_plain {
            Ok(Address(text.to_owned()))
        } else {
            Err(format!("{text:?} is not a mail address such as admin@example.org"))
        }
    }
}

/// Returns true for an atom (RFC 5322 section 3.2.3).
fn is_atom(text: &str) -> bool {
    let is_atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    !text.is_empty() && text.bytes().all(is_atext)
}

/// Returns true for a label of a domain name (RFC 1123 section 2.1).
fn is_label(text: &str) -> bool {
    let is_ldh = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(is_ldh)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Returns true if a character of a name is shown as itself: it is no control character, and does not
/// reorder or hide text.
pub fn is_visible(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_addresses_are_accepted() {
        for good in ["root@localhost", "a.b+c@x-1.example.org", "o'neil@example.org"] {
            assert_eq!(good.parse::<Address>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "root",
            "@x",
            "a@",
            "a@b@c",
            "a@b,c@d",
            "a@b\nBcc: c@d",
            "a@b\r",
            "a b@c",
            "<a@b>",
            "A <a@b>",
            "\"a b\"@c",
            "a@[192.0.2.1]",
            "a(x)@b",
            "a@b.",
            "a..b@c",
            ".a@b",
            "-t@b",
            "a@-b",
            "a@b;c",
            "\u{e9}@b",
            "a@b\u{0}",
            "a:b@c",
        ] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
        assert!(format!("{}@b", "a".repeat(65)).parse::<Address>().is_err());
    }
}
