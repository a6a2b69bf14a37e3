//! The file of contacts, and look-ups by the longest prefix.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::address::{Address, is_visible};

/// The longest name, in characters. A header has to hold it.
const MAX_NAME: usize = 100;

/// The most mistakes of one file that are reported.
const MAX_ERRORS: usize = 20;

/// The columns of a file, in their order. The first two are in every line.
const COLUMNS: [&str; 5] = ["network", "mail", "name", "kind", "lang"];

/// The kind of a network: the sense in which an address of it stands for one machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NetworkKind {
    /// An address belongs to the same machine for years. Only such machines may be isolated.
    Static,
    /// Addresses move between machines: DHCP pools, Wi-Fi, VPN.
    Dynamic,
    /// Many machines share an address: NAT, proxies.
    Shared,
    /// The file does not say.
    #[default]
    Unknown,
}

impl NetworkKind {
    /// The kinds that a file may state.
    pub const STATED: [NetworkKind; 3] =
        [NetworkKind::Static, NetworkKind::Dynamic, NetworkKind::Shared];

    /// Returns the word of a contacts file, and `unknown` if the file does not say.
    pub const fn as_str(self) -> &'static str {
        match self {
            NetworkKind::Static => "static",
            NetworkKind::Dynamic => "dynamic",
            NetworkKind::Shared => "shared",
            NetworkKind::Unknown => "unknown",
        }
    }

    /// Parses a column; an empty one is [`NetworkKind::Unknown`].
    ///
    /// # Errors
    /// Returns a message for the user. The word `unknown` is refused too: it is said by leaving it out.
    fn parse(text: &str) -> Result<NetworkKind, String> {
        if text.is_empty() {
            return Ok(NetworkKind::Unknown);
        }
        let stated = NetworkKind::STATED.into_iter().find(|kind| kind.as_str() == text);
        stated.ok_or_else(|| {
            format!(
                "{text:?} is no kind of network; say static, dynamic or shared, or leave it empty"
            )
        })
    }
}

impl fmt::Display for NetworkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The language of the mails to a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese as written in Taiwan.
    ZhTw,
}

impl Lang {
    /// Returns the language tag (RFC 5646).
    pub const fn as_str(self) -> &'static str {
        match self {
            Lang::En => "en",
            Lang::ZhTw => "zh-TW",
        }
    }

    /// Parses a column, which may be empty.
    ///
    /// # Errors
    /// Returns a message for the user.
    fn parse(text: &str) -> Result<Option<Lang>, String> {
        match text {
            "" => Ok(None),
            "en" => Ok(Some(Lang::En)),
            "zh-TW" => Ok(Some(Lang::ZhTw)),
            _ => Err(format!("{text:?} is no language that nfkit writes; say en or zh-TW")),
        }
    }
}

impl fmt::Display for Lang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A person who is responsible for a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// The address that mails go to.
    pub mail: Address,
    /// The name for the salutation; empty if the file has none.
    pub name: String,
    /// The language of the mails.
    pub lang: Lang,
}

/// A network of a contacts file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Responsible<'a> {
    /// The network.
    pub net: IpNet,
    /// The kind of this network. That of a wider network around it does not count.
    pub kind: NetworkKind,
    /// The people who are responsible for it, at least one, in the order of the file.
    pub contacts: &'a [Contact],
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

/// Contacts by network. Their number is bounded by the size of the file, which the reader of the file limits.
#[derive(Clone, Debug, Default)]
pub struct Contacts {
    nets: BTreeMap<IpNet, Listed>,
    /// The prefix lengths in use, longest first. A look-up tries each once.
    lengths: Vec<u8>,
    /// The people, by their addresses in lower case.
    people: HashMap<String, Contact>,
}

/// The contents of the lines about one network.
#[derive(Clone, Debug, Default)]
struct Listed {
    kind: NetworkKind,
    contacts: Vec<Contact>,
}

/// One line of a file.
struct Line {
    net: IpNet,
    kind: NetworkKind,
    mail: Address,
    person: Person,
}

/// The person behind an address, as far as the file says.
#[derive(Clone, Debug, Default)]
struct Person {
    /// The name; empty if no line has one so far.
    name: String,
    lang: Option<Lang>,
}

/// A file that is being parsed.
#[derive(Default)]
struct Parser {
    nets: BTreeMap<IpNet, Listed>,
    /// The first line that states the kind of each network.
    stated: HashMap<IpNet, u64>,
    /// The addresses of each network, in lower case.
    mails: HashSet<(IpNet, String)>,
    /// The person of each address in lower case.
    people: HashMap<String, Person>,
}

/// A count of the lines of a file up to a record. The crate's own count is that of the comments and empty
/// lines before the record.
struct LineNumbers<'a> {
    text: &'a [u8],
    /// The byte up to which lines are counted.
    at: usize,
    /// The line of that byte, from 1.
    line: u64,
}

impl LineNumbers<'_> {
    /// Returns the line that a record begins in. Records must be asked for in their order.
    fn of(&mut self, position: Option<&csv::Position>) -> u64 {
        let byte = position.and_then(|position| usize::try_from(position.byte()).ok());
        let start = self.skip(byte.unwrap_or(self.at));
        let passed = self.text.get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.at = self.at.max(start);
        self.line
    }

    /// Returns the first byte from `at` on that is in no comment and no empty line.
    fn skip(&self, mut at: usize) -> usize {
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            at += match rest.first() {
                Some(b'\r' | b'\n') => 1,
                Some(b'#') => rest.iter().take_while(|&&byte| byte != b'\n').count(),
                _ => return at,
            };
        }
    }
}

impl Contacts {
    /// Parses a file: RFC 4180 CSV in UTF-8 with the columns `network,mail,name,kind,lang`.
    ///
    /// Name, kind and language are optional, and a network may be a single address. The first line may
    /// name the columns. Empty lines and lines that begin with `#` are skipped. The kind is that of the
    /// network: one line that states it is enough. The name of a person is that of the first line
    /// with a name, and the language that of the first line with one, of all lines with the address.
    ///
    /// # Errors
    /// Returns the first twenty lines that cannot be used: malformed ones, and those that state another
    /// kind of a network than a line before. One bad line refuses the whole file, because a mail that
    /// reaches nobody is noticed too late.
    pub fn parse(text: &[u8]) -> Result<Contacts, Vec<ContactError>> {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(text);
        let (mut parser, mut errors) = (Parser::default(), Vec::new());
        let mut lines = LineNumbers { text, at: 0, line: 1 };
        let mut is_first = true;
        for record in reader.records() {
            let position = match &record {
                Ok(record) => record.position(),
                Err(error) => error.position(),
            };
            let line = lines.of(position);
            let added = match &record {
                Ok(record) if std::mem::take(&mut is_first) && is_header(record) => header(record),
                Ok(record) => entry(record).and_then(|entry| parser.add(line, entry)),
                Err(error) => Err(unreadable(error)),
            };
            errors.extend(added.err().map(|why| ContactError { line, why }));
            if errors.len() == MAX_ERRORS {
                break;
            }
        }
        let (nets, people) = parser.finish();
        let mut lengths: Vec<u8> = nets.keys().map(IpNet::prefix_len).collect();
        lengths.sort_unstable_by_key(|&length| std::cmp::Reverse(length));
        lengths.dedup();
        if errors.is_empty() { Ok(Contacts { nets, lengths, people }) } else { Err(errors) }
    }

    /// Returns the contact with this address, in whatever network.
    pub fn person(&self, mail: &Address) -> Option<&Contact> {
        self.people.get(&mail.folded())
    }

    /// Returns the network of the file with the longest prefix that contains all of a network or a single
    /// address, with the people who are responsible for it.
    pub fn of(&self, net: IpNet) -> Option<Responsible<'_>> {
        self.lengths.iter().filter(|&&length| length <= net.prefix_len()).find_map(|&length| {
            let (net, listed) = self.nets.get_key_value(&network_around(net.addr(), length)?)?;
            Some(listed.responsible(*net))
        })
    }

    /// Returns all networks of the file, IPv4 first, by address and then from the widest to the narrowest.
    pub fn networks(&self) -> impl Iterator<Item = Responsible<'_>> {
        self.nets.iter().map(|(net, listed)| listed.responsible(*net))
    }

    /// Returns the networks of the file that lie inside a network, with the network itself if the file has
    /// it, in the order of [`Contacts::networks`]. It takes no longer if the file has many other networks.
    pub fn inside(&self, net: IpNet) -> impl Iterator<Item = Responsible<'_>> {
        let net = net.trunc();
        // Networks are in the order of their first address, wider ones first: those inside follow each other.
        let inside = self.nets.range(net..).take_while(move |(known, _)| net.contains(*known));
        inside.map(|(net, listed)| listed.responsible(*net))
    }

    /// Returns true if there is an entry for a part of a network, or for all of it.
    pub fn has_part_of(&self, net: IpNet) -> bool {
        self.inside(net).next().is_some()
    }

    /// Returns true if there is no entry.
    pub fn is_empty(&self) -> bool {
        self.nets.is_empty()
    }
}

impl Listed {
    fn responsible(&self, net: IpNet) -> Responsible<'_> {
        Responsible { net, kind: self.kind, contacts: &self.contacts }
    }
}

impl Parser {
    /// Adds a line.
    ///
    /// # Errors
    /// Returns a message for the user if a line before states another kind of the network.
    fn add(&mut self, line: u64, Line { net, kind, mail, person }: Line) -> Result<(), String> {
        let listed = self.nets.entry(net).or_default();
        if kind != NetworkKind::Unknown {
            match self.stated.entry(net) {
                Entry::Vacant(entry) => {
                    entry.insert(line);
                    listed.kind = kind;
                }
                Entry::Occupied(first) if listed.kind != kind => {
                    return Err(format!(
                        "{net} is {kind} here and {} in line {}; a network has one kind",
                        listed.kind,
                        first.get()
                    ));
                }
                Entry::Occupied(_) => {}
            }
        }
        let known = self.people.entry(mail.folded()).or_default();
        if known.name.is_empty() {
            known.name = person.name;
        }
        known.lang = known.lang.or(person.lang);
        if self.mails.insert((net, mail.folded())) {
            listed.contacts.push(Contact { mail, name: String::new(), lang: Lang::default() });
        }
        Ok(())
    }

    /// Returns the networks and the people, each contact with the first name and the first language of all
    /// lines.
    fn finish(mut self) -> (BTreeMap<IpNet, Listed>, HashMap<String, Contact>) {
        let mut people = HashMap::new();
        for contact in self.nets.values_mut().flat_map(|listed| &mut listed.contacts) {
            let mail = contact.mail.folded();
            if let Some(person) = self.people.get(&mail) {
                contact.name.clone_from(&person.name);
                contact.lang = person.lang.unwrap_or_default();
            }
            people.insert(mail, contact.clone());
        }
        (self.nets, people)
    }
}

/// Returns the network of that prefix length around an address, if its family has such a length.
fn network_around(address: IpAddr, length: u8) -> Option<IpNet> {
    IpNet::new(address, length).ok().map(|net| net.trunc())
}

fn is_header(record: &csv::StringRecord) -> bool {
    record.len() >= 2 && record.iter().zip(&COLUMNS[..2]).all(|(cell, name)| is_name(cell, name))
}

fn is_name(cell: &str, name: &str) -> bool {
    cell.eq_ignore_ascii_case(name)
}

/// Checks the names of the columns that not every file has. The name of the third was never checked.
///
/// # Errors
/// Returns a message for the user: with the columns in another order each line would be misread.
fn header(record: &csv::StringRecord) -> Result<(), String> {
    let is_ordered = record.len() <= COLUMNS.len()
        && record.iter().zip(COLUMNS).skip(3).all(|(cell, name)| is_name(cell, name));
    if is_ordered {
        Ok(())
    } else {
        Err(format!("the columns of the file must be {}, in this order", COLUMNS.join(",")))
    }
}

fn entry(record: &csv::StringRecord) -> Result<Line, String> {
    let (2..=5) = record.len() else {
        return Err(format!(
            "the line has {} columns; it needs network,mail,name and may have kind,lang",
            record.len()
        ));
    };
    let cell = |n: usize| record.get(n).unwrap_or_default();
    let (net, name) = (network(cell(0))?, cell(2));
    if name.chars().count() > MAX_NAME {
        return Err(format!("a name of more than {MAX_NAME} characters, the limit"));
    }
    if let Some(bad) = name.chars().find(|&c| !is_visible(c)) {
        return Err(format!("{bad:?} is not allowed in a name"));
    }
    let mail = cell(1).parse()?;
    let (kind, lang) = (NetworkKind::parse(cell(3))?, Lang::parse(cell(4))?);
    Ok(Line { net, kind, mail, person: Person { name: name.to_owned(), lang } })
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

fn unreadable(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "not UTF-8".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
