//! The people who are responsible for networks: a CSV file of `network,mail,name`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{Address, is_visible};

/// The longest name, in characters. A header has to hold it.
const MAX_NAME: usize = 100;

/// The most mistakes of one file that are reported.
const MAX_ERRORS: usize = 20;

/// A person who is responsible for a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The address that mails go to.
    pub mail: Address,
    /// The name for the salutation; empty if the file has none.
    pub name: String,
}

/// A line of a contacts file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {why}")]
pub struct ContactError {
    /// The number of the line, from 1.
    pub line: u64,
    /// The reason, for the user.
    pub why: String,
}

/// Contacts by network.
#[derive(Clone, Debug, Default)]
pub struct Contacts {
    nets: BTreeMap<IpNet, Vec<Contact>>,
    /// The prefix lengths in use, longest first. A look-up tries each once.
    lengths: Vec<u8>,
}

impl Contacts {
    /// Parses a file: RFC 4180 CSV in UTF-8 with the columns `network,mail,name`.
    ///
    /// The name is optional, and a network may be a single address. The first line may be
    /// `network,mail,name`. Empty lines and lines that begin with `#` are skipped.
    ///
    /// # Errors
    /// Returns the first twenty lines that cannot be used. One bad line refuses the whole file, because a
    /// mail that reaches nobody is noticed too late.
    pub fn parse(text: &[u8]) -> Result<Contacts, Vec<ContactError>> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(text);
        let (mut contacts, mut errors) = (Contacts::default(), Vec::new());
        let mut is_first = true;
        for record in reader.records() {
            let entry = match record {
                Ok(record) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    let is_header = std::mem::take(&mut is_first) && is_header(&record);
                    if is_header {
                        continue;
                    }
                    entry(&record).map_err(|why| ContactError { line, why })
                }
                Err(error) => Err(unreadable(&error)),
            };
            match entry {
                Ok((net, contact)) => contacts.add(net, contact),
                Err(error) => errors.push(error),
            }
            if errors.len() == MAX_ERRORS {
                break;
            }
        }
        contacts.lengths = contacts.nets.keys().map(IpNet::prefix_len).collect();
        contacts.lengths.sort_unstable_by_key(|&length| std::cmp::Reverse(length));
        contacts.lengths.dedup();
        if errors.is_empty() { Ok(contacts) } else { Err(errors) }
    }

    fn add(&mut self, net: IpNet, contact: Contact) {
        let known = self.nets.entry(net).or_default();
        if !known.iter().any(|other| other.mail.folded() == contact.mail.folded()) {
            known.push(contact);
        }
    }

    /// Returns the people who are responsible for a host or a network, and the network by which they are: all
    /// entries of the longest prefix that contains all of it.
    pub fn of(&self, net: IpNet) -> Option<(IpNet, &[Contact])> {
        self.lengths.iter().filter(|&&length| length <= net.prefix_len()).find_map(|&length| {
            let around = network_around(net.addr(), length)?;
            self.nets.get(&around).map(|contacts| (around, contacts.as_slice()))
        })
    }

    /// Returns true if there is an entry for a part of a network, or for all of it.
    pub fn has_part_of(&self, net: IpNet) -> bool {
        self.nets.keys().any(|known| net.contains(known))
    }

    /// Returns true if there is no entry.
    pub fn is_empty(&self) -> bool {
        self.nets.is_empty()
    }
}

/// Returns the network of that prefix length around an address, if its family has such a length.
fn network_around(address: IpAddr, length: u8) -> Option<IpNet> {
    IpNet::new(address, length).ok().map(|net| net.trunc())
}

fn is_header(record: &csv::StringRecord) -> bool {
    let mut names = record.iter().map(str::to_ascii_lowercase);
    names.next().as_deref() == Some("network") && names.next().as_deref() == Some("mail")
}

fn entry(record: &csv::StringRecord) -> Result<(IpNet, Contact), String> {
    let (net, mail, name) = match record.iter().collect::<Vec<_>>().as_slice() {
        [net, mail] => (*net, *mail, ""),
        [net, mail, name] => (*net, *mail, *name),
        cells => {
            return Err(format!(
                "the line has {} columns; it needs network,mail,name",
                cells.len()
            ));
        }
    };
    let net = network(net)?;
    if name.chars().count() > MAX_NAME {
        return Err(format!("a name of more than {MAX_NAME} characters, the limit"));
    }
    if let Some(bad) = name.chars().find(|&c| !is_visible(c)) {
        return Err(format!("{bad:?} is not allowed in a name"));
    }
    Ok((net, Contact { mail: mail.parse()?, name: name.to_owned() }))
}

/// Parses a network with no bit set after its prefix, or a single address.
///
/// # Errors
/// Returns a message for the user.
fn network(text: &str) -> Result<IpNet, String> {
    let net: Result<IpNet, _> = text.parse().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match net {
        Ok(net) if net.trunc() == net => Ok(net),
        Ok(net) => {
            Err(format!("{text:?} has bits set after its prefix; did you mean {}?", net.trunc()))
        }
        Err(_) => Err(format!("{text:?} is not a network such as 192.0.2.0/24")),
    }
}

fn unreadable(error: &csv::Error) -> ContactError {
    let line = error.position().map_or(0, csv::Position::line);
    let why = match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    };
    ContactError { line, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "network,mail,name\n\
        # the computing centre\n\
        140.119.0.0/16,noc@example.edu,Network Operation\n\
        \n\
        140.119.44.0/24,chang@cs.example.edu,\"張, 系統管理\"\n\
        140.119.44.0/24, lin@cs.example.edu\n\
        140.119.44.7, web@example.edu, Web\r\n\
        2001:288::/32,noc@example.edu,Network Operation\n";

    fn mails(contacts: &Contacts, host: &str) -> Vec<String> {
        let list = contacts.of(network(host).unwrap()).map_or(&[][..], |of| of.1);
        list.iter().map(|contact| contact.mail.to_string()).collect()
    }

    #[test]
    fn a_look_up_returns_all_entries_of_the_longest_prefix() {
        let contacts = Contacts::parse(FILE.as_bytes()).unwrap();
        assert_eq!(mails(&contacts, "140.119.1.1"), ["noc@example.edu"]);
        assert_eq!(
            mails(&contacts, "140.119.44.8"),
            ["chang@cs.example.edu", "lin@cs.example.edu"]
        );
        assert_eq!(mails(&contacts, "140.119.44.7"), ["web@example.edu"]);
        assert_eq!(mails(&contacts, "2001:288:1::9"), ["noc@example.edu"]);
        assert_eq!(mails(&contacts, "140.120.0.1"), [""; 0]);
        assert_eq!(mails(&contacts, "::ffff:140.119.44.7"), [""; 0], "an IPv6 address");
        assert_eq!(mails(&contacts, "140.119.44.0/25").len(), 2, "a network inside");
        assert_eq!(mails(&contacts, "140.119.32.0/19"), ["noc@example.edu"]);
        assert_eq!(mails(&contacts, "140.0.0.0/8"), [""; 0], "a network around");
        let (net, list) = contacts.of(network("140.119.44.8").unwrap()).unwrap();
        assert_eq!(
            (net.to_string().as_str(), list[0].name.as_str()),
            ("140.119.44.0/24", "張, 系統管理")
        );
    }

    #[test]
    fn every_bad_line_is_reported_with_its_number() {
        let long = "x".repeat(MAX_NAME + 1);
        let bad = format!(
            "192.0.2.0/24,a@b\n10.1.0.0/8,a@b\nhost,a@b,Name\n192.0.2.0/24,a b@c\n192.0.2.1\n\
             192.0.2.1,a@b,\"x\nBcc: all@example.org\"\n192.0.2.1,a@b,\u{202e}gpj\n1,2,3,4\n\
             192.0.2.1,a@b,{long}\n"
        );
        let errors = Contacts::parse(bad.as_bytes()).unwrap_err();
        let said: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "2: \"10.1.0.0/8\" has bits set after its prefix; did you mean 10.0.0.0/8?",
                "3: \"host\" is not a network such as 192.0.2.0/24",
                "4: \"a b@c\" is not a mail address such as admin@example.org",
                "5: the line has 1 columns; it needs network,mail,name",
                "6: '\\n' is not allowed in a name",
                "8: '\\u{202e}' is not allowed in a name",
                "9: the line has 4 columns; it needs network,mail,name",
                "10: a name of more than 100 characters, the limit",
            ]
        );
        let errors = Contacts::parse(b"192.0.2.0/24,a@b\n192.0.2.0/24,a@b,\xff\n").unwrap_err();
        assert_eq!(errors[0].to_string(), "2: not UTF-8");
        assert_eq!(Contacts::parse("x\n".repeat(99).as_bytes()).unwrap_err().len(), MAX_ERRORS);
        assert!(Contacts::parse(b"\xef\xbb\xbfnetwork,mail\n").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn a_look_up_agrees_with_a_search_through_all_entries(
            nets in proptest::collection::vec((any::<u8>(), 0u8..=32), 0..12), low: u8, v6: bool,
        ) {
            let address = |low: u8| -> IpAddr {
                if v6 { [0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, low].into() }
                else { [192, 0, 2, low].into() }
            };
            let more = if v6 { 96 } else { 0 };
            let nets: Vec<_> = nets
                .iter()
                .map(|&(low, length)| IpNet::new(address(low), length + more).unwrap().trunc())
                .collect();
            let lines = nets.iter().enumerate().map(|(n, net)| format!("{net},{n}@example.org\n"));
            let text = lines.collect::<Vec<_>>().concat();
            let contacts = Contacts::parse(text.as_bytes()).unwrap();
            let holds = |net: &&IpNet| net.contains(&address(low));
            let longest = nets.iter().filter(holds).map(IpNet::prefix_len).max();
            let expected: Vec<_> = (0..nets.len())
                .filter(|&n| holds(&&nets[n]) && Some(nets[n].prefix_len()) == longest)
                .map(|n| format!("{n}@example.org"))
                .collect();
            prop_assert_eq!(mails(&contacts, &address(low).to_string()), expected);
        }

        #[test]
        fn no_file_panics(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Contacts::parse(&text);
        }
    }
}
