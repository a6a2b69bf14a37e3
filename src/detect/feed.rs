//! Threat feeds: lists of addresses that others know to be hostile.
//!
//! A feed is text in one of the forms that the well-known ones have, recognized by its first line: addresses and
//! networks with comments (plain lists, Spamhaus DROP), columns (the block list of DShield), CSV (abuse.ch), or one
//! JSON object a line (Spamhaus DROP since 2024). An entry that cannot be used is left out and counted, and the others
//! are used all the same.

use std::io::{self, BufRead, Cursor, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use serde_json::Value;

use crate::flow::Networks;

/// The most entries of a feed.
pub const MAX_ENTRIES: u64 = 1 << 20;

/// The most bytes of a feed, decompressed.
pub const MAX_BYTES: u64 = 256 << 20;

/// The most bytes of a line that is no CSV.
const MAX_LINE: u64 = 64 << 10;

/// The shortest prefixes of entries: wider ones would list whole parts of the Internet.
const WIDEST: [u8; 2] = [8, 19];

/// The columns of CSV and JSON that hold the hostile address.
const COLUMNS: [&str; 11] = [
    "dst_ip",
    "dstip",
    "ioc_value",
    "ip",
    "ip_address",
    "address",
    "cidr",
    "network",
    "netblock",
    "url",
    "host",
];

/// Networks whose addresses belong to nobody in particular, so that no feed can know them to be hostile: private,
/// shared, local, multicast and reserved ones (RFC 6890).
const RESERVED: [&str; 14] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/127",
    "::ffff:0:0/96",
    "fc00::/7",
    "fe80::/10",
    "ff00::/8",
];

/// A feed that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feed {
    /// The name that findings have for it.
    pub name: String,
    /// The addresses.
    pub networks: Networks,
}

/// The feeds in use.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    /// The addresses of all feeds.
    all: Networks,
    feeds: Vec<Feed>,
}

impl Feeds {
    /// Returns the addresses of these feeds.
    pub fn new(feeds: Vec<Feed>) -> Feeds {
        let all = match &feeds[..] {
            [feed] => feed.networks.clone(),
            feeds => Networks::union(feeds.iter().map(|feed| &feed.networks)),
        };
        Feeds { all, feeds }
    }

    /// Returns true if no feed has an address.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns true if a feed lists the address.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.all.contains(address)
    }

    /// Returns the names of the feeds that list the address.
    pub fn names(&self, address: IpAddr) -> impl Iterator<Item = &str> {
        let lists = self.feeds.iter().filter(move |feed| feed.networks.contains(address));
        lists.map(|feed| feed.name.as_str())
    }
}

/// Lines of one kind that were left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// The number of lines.
    pub lines: u64,
    /// The number of the first one, from 1, and its entry.
    pub first: Option<(u64, String)>,
}

impl LeftOut {
    fn add(&mut self, line: u64, text: &str) {
        self.lines += 1;
        if self.first.is_none() {
            self.first = Some((line, text.chars().take(64).collect()));
        }
    }
}

/// The contents of a feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// The addresses of the entries that are in use.
    pub networks: Networks,
    /// The number of these entries.
    pub entries: u64,
    /// Entries that hold inside addresses.
    pub inside: LeftOut,
    /// Entries that are wider than a /8, or a /19 of IPv6.
    pub wide: LeftOut,
    /// Entries in private, local, multicast or reserved space.
    pub reserved: LeftOut,
    /// Lines that hold no address although they should.
    pub bad: LeftOut,
    /// Rows about host names, which flows do not have.
    pub names: u64,
}

/// The reason why a feed cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    /// The input cannot be read, or is damaged.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There are too many entries.
    #[error("more than {MAX_ENTRIES} entries, the limit of a feed")]
    Entries,
    /// There are too many bytes.
    #[error("more than {} MiB, the limit of a feed", MAX_BYTES >> 20)]
    Bytes,
}

/// Reads a feed. `inside`: the site's own networks, which no feed may list.
///
/// # Errors
/// See [`FeedError`]. A line that cannot be used is none.
pub fn read(input: impl BufRead, inside: &Networks) -> Result<Contents, FeedError> {
    let reserved = Networks::new(RESERVED.iter().filter_map(|net| net.parse().ok()));
    let mut reader =
        FeedReader { inside, reserved, contents: Contents::default(), nets: Vec::new() };
    let mut input = input.take(MAX_BYTES);
    reader.all(&mut input)?;
    if input.limit() == 0 {
        return Err(FeedError::Bytes);
    }
    let FeedReader { mut contents, nets, .. } = reader;
    contents.networks = Networks::new(nets);
    Ok(contents)
}

/// A reader of one feed.
struct FeedReader<'a> {
    inside: &'a Networks,
    reserved: Networks,
    contents: Contents,
    nets: Vec<IpNet>,
}

impl FeedReader<'_> {
    fn all(&mut self, input: &mut impl BufRead) -> Result<(), FeedError> {
        let (mut column, mut number, mut line) = (None, 0, Vec::new());
        // The forms differ in their first line that is no comment.
        let first = loop {
            if !next_line(input, &mut line)? {
                return Ok(());
            }
            number += 1;
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_start_matches('\u{feff}').trim();
            match text.strip_prefix('#') {
                Some(comment) => column = column.or(column_of(comment.split(','))),
                None if text.is_empty() || text.starts_with(';') => {}
                None => break text.to_owned(),
            }
        };
        let is_address =
            |text: &str| without_comment(text).split_whitespace().next().and_then(entry);
        if first.contains(',') && is_address(&first).is_none() && !first.starts_with('{') {
            return self.csv(first, number, column, input);
        }
        let is_json = first.starts_with('{');
        let read = if is_json { FeedReader::json } else { FeedReader::words };
        // The names of columns are no entry.
        if is_json || is_address(&first).is_some() || !first.contains(char::is_whitespace) {
            read(self, number, &first)?;
        }
        while next_line(input, &mut line)? {
            number += 1;
            read(self, number, String::from_utf8_lossy(&line).trim())?;
        }
        Ok(())
    }

    /// Reads CSV (RFC 4180). `first` is the first line that is no comment, with its number.
    fn csv(
        &mut self,
        first: String,
        number: u64,
        mut column: Option<usize>,
        rest: &mut impl BufRead,
    ) -> Result<(), FeedError> {
        let rows = Cursor::new(first + "\n").chain(rest);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .comment(Some(b'#'))
            .trim(csv::Trim::All)
            .from_reader(rows);
        let mut row = csv::ByteRecord::new();
        let mut is_first = true;
        loop {
            match reader.read_byte_record(&mut row) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(error) => return Err(FeedError::Io(error.into())),
            }
            let line = number - 1 + row.position().map_or(0, csv::Position::line);
            let fields = row.iter().map(String::from_utf8_lossy);
            let fields: Vec<_> = fields.map(|field| field.trim_matches('"').to_owned()).collect();
            let hostile = match column {
                Some(column) => fields.get(column).map(String::as_str).map(host),
                None => fields.iter().map(String::as_str).find(|field| entry(field).is_some()),
            };
            match hostile.map(|text| (text, entry(text))) {
                Some((text, Some(net))) => self.add(line, text, net)?,
                // The names of columns are no entry.
                _ if is_first => column = column.or(column_of(fields.iter().map(String::as_str))),
                Some((text, None)) if is_name(text) => self.contents.names += 1,
                _ => self.contents.bad.add(line, &fields.join(",")),
            }
            is_first = false;
        }
    }

    /// Reads a line of a JSON object.
    fn json(&mut self, line: u64, text: &str) -> Result<(), FeedError> {
        if text.is_empty() {
            return Ok(());
        }
        let object: Option<Value> = serde_json::from_str(text).ok();
        let value = |name: &&str| object.as_ref()?.get(name)?.as_str();
        match COLUMNS.iter().find_map(value).map(|text| (text, entry(host(text)))) {
            Some((text, Some(net))) => self.add(line, text, net),
            Some((text, None)) if is_name(host(text)) => {
                self.contents.names += 1;
                Ok(())
            }
            // The last line of DROP is about the list itself.
            _ if object.as_ref().is_some_and(|object| object.get("type").is_some()) => Ok(()),
            _ => {
                self.contents.bad.add(line, text);
                Ok(())
            }
        }
    }

    /// Reads a line that begins with an address or a network, or is a comment.
    fn words(&mut self, line: u64, text: &str) -> Result<(), FeedError> {
        let text = without_comment(text);
        if text.is_empty() {
            return Ok(());
        }
        let mut words = text.split_whitespace();
        let first = words.next().and_then(entry);
        let rest = (words.next().and_then(entry), words.next().and_then(|word| word.parse().ok()));
        let net = match (first, rest) {
            // DShield: the first and the last address, and the length of the prefix.
            (Some(first), (Some(last), Some(length))) if is_host(first) && is_host(last) => {
                let net = IpNet::new(first.addr(), length).ok().map(|net| net.trunc());
                net.filter(|net| net.addr() == first.addr() && net.broadcast() == last.addr())
            }
            (first, _) => first,
        };
        match net {
            Some(net) => self.add(line, text, net),
            None => {
                self.contents.bad.add(line, text);
                Ok(())
            }
        }
    }

    fn add(&mut self, line: u64, text: &str, net: IpNet) -> Result<(), FeedError> {
        let widest = WIDEST[usize::from(matches!(net, IpNet::V6(_)))];
        let contents = &mut self.contents;
        if net.prefix_len() < widest {
            contents.wide.add(line, text);
        } else if self.inside.overlaps(net) {
            contents.inside.add(line, text);
        } else if self.reserved.overlaps(net) {
            contents.reserved.add(line, text);
        } else {
            contents.entries += 1;
            if contents.entries > MAX_ENTRIES {
                return Err(FeedError::Entries);
            }
            self.nets.push(net);
        }
        Ok(())
    }
}

/// Reads the next line into `line`; one that is longer than [`MAX_LINE`] without the rest. Returns false at the end.
fn next_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    input.by_ref().take(MAX_LINE).read_until(b'\n', line)?;
    if line.last() != Some(&b'\n') && line.len() as u64 == MAX_LINE {
        input.skip_until(b'\n')?;
    }
    Ok(!line.is_empty())
}

/// Returns a line of a list without its comment.
fn without_comment(text: &str) -> &str {
    let end = memchr::memchr2(b'#', b';', text.as_bytes()).unwrap_or(text.len());
    text.get(..end).unwrap_or(text).trim()
}

/// Returns the number of the column that holds the hostile address, if one of these names is known.
fn column_of<'t>(names: impl Iterator<Item = &'t str>) -> Option<usize> {
    let names = names.map(|name| name.trim().trim_matches('"').to_ascii_lowercase());
    names.enumerate().find(|(_, name)| COLUMNS.contains(&name.as_str())).map(|(n, _)| n)
}

/// Returns the network of an entry: an address, a network, or an address with a port.
fn entry(text: &str) -> Option<IpNet> {
    let address = |text: &str| text.parse::<IpAddr>().ok().or_else(|| padded(text));
    let whole = |address: IpAddr| IpNet::from(address.to_canonical());
    match text.split_once('/') {
        Some((first, length)) => {
            let net = IpNet::new(address(first)?, length.parse().ok()?).ok()?.trunc();
            Some(if is_host(net) { whole(net.addr()) } else { net })
        }
        None => address(text)
            .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
            .map(whole),
    }
}

/// Returns an IPv4 address whose numbers have three digits each, as DShield writes them.
fn padded(text: &str) -> Option<IpAddr> {
    let octet = |part: &str| (part.len() == 3).then(|| part.parse().ok()).flatten();
    let octets: Vec<u8> = text.split('.').map(octet).collect::<Option<_>>()?;
    Some(Ipv4Addr::from(<[u8; 4]>::try_from(octets).ok()?).into())
}

/// Returns true for the name of a host, and for the hash of a file, of which a flow shows nothing.
fn is_name(text: &str) -> bool {
    let is_hash = text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let name = text.split_once(':').map_or(text, |(name, _)| name);
    let has_letter = name.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_hash || (name.contains('.') && has_letter && name.split('.').all(is_part))
}

/// Returns the host of a URL, or the text itself.
fn host(text: &str) -> &str {
    let Some((_, rest)) = text.split_once("://") else { return text };
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, _)) => host,
        None => rest.split(':').next().unwrap_or_default(),
    }
}

fn is_host(net: IpNet) -> bool {
    net.prefix_len() == net.max_prefix_len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn inside() -> Networks {
        Networks::new(["140.119.0.0/16", "2001:288::/32"].map(|net| net.parse().unwrap()))
    }

    fn contents(text: &str) -> Contents {
        read(text.as_bytes(), &inside()).unwrap()
    }

    /// Returns the contents, all of which must be in use: these networks, and `names` host names.
    fn whole(text: &str, nets: &str, names: u64) {
        let expected = Contents {
            networks: Networks::new(nets.split(' ').map(|net| net.parse().unwrap())),
            entries: nets.split(' ').count() as u64,
            names,
            ..Contents::default()
        };
        assert_eq!(contents(text), expected, "{text}");
    }

    #[test]
    fn the_forms_of_well_known_feeds_are_read() {
        whole(
            "# plain\r\n203.0.113.5\r\n\r\n 203.0.113.128/25 # a comment\n2001:db8::7\n198.51.100.9:443\n",
            "203.0.113.5/32 203.0.113.128/25 2001:db8::7/128 198.51.100.9/32",
            0,
        );
        whole(
            "\u{feff}203.0.113.5#4#2#Malicious Host\n::ffff:203.0.113.6\n2001:db8::/32",
            "203.0.113.5/32 203.0.113.6/32 2001:db8::/32",
            0,
        );
        whole(
            "; Spamhaus DROP List 2016/08/30\n; Last-Modified: ...\n203.0.112.0/20 ; SBL1\n2001:db8::/29 ; SBL2\n",
            "203.0.112.0/20 2001:db8::/29",
            0,
        );
        whole(
            "{\"cidr\":\"203.0.112.0/20\",\"sblid\":\"SBL1\",\"rir\":\"apnic\"}\n{\"cidr\":\"2001:db8::/29\"}\n\
             {\"type\":\"metadata\",\"timestamp\":1732000000,\"records\":2}\n",
            "203.0.112.0/20 2001:db8::/29",
            0,
        );
        whole(
            "# DShield.org Recommended Block List\n#\nStart\tEnd\tNetblock\tAttacks\tName\tCountry\temail\n\
             203.0.113.0\t203.0.113.255\t24\t6286\tBACKBONE No.31,Street\tCN\ta@b.example\n\
             198.051.100.009\t27\t5\t2016-08-30\n",
            "203.0.113.0/24 198.51.100.9/32",
            0,
        );
        whole(
            "# abuse.ch Feodo Tracker\n#\n# \"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\"\n\
             \"2021-01-17 07:44:46\",\"203.0.113.5\",\"4643\",\"online\"\n\
             \"2021-01-17 07:44:46\",\"203.0.113.6\",\"443\",\"off, line\"\n# END 2 entries\n",
            "203.0.113.5/32 203.0.113.6/32",
            0,
        );
        whole(
            "# Firstseen,DstIP,DstPort\n2021-01-17,203.0.113.5,443\n2021-01-18,203.0.113.6,443\n",
            "203.0.113.5/32 203.0.113.6/32",
            0,
        );
        whole(
            "# \"first_seen_utc\", \"ioc_id\", \"ioc_value\", \"ioc_type\", \"reference\"\n\
             \"2021\", \"1\", \"203.0.113.5:4444\", \"ip:port\", \"-\"\n\
             \"2021\", \"2\", \"evil.example\", \"domain\", \"https://198.51.100.1/\"\n\
             \"2021\", \"3\", \"http://203.0.113.6:80/a,b\", \"url\", \"-\"\n",
            "203.0.113.5/32 203.0.113.6/32",
            1,
        );
        whole(
            "id,dateadded,url,url_status\n1,2021,https://u:p@203.0.113.5:81/x@y,online\n\
             2,2021,http://[2001:db8::7]/,online\n3,2021,https://evil.example/203.0.113.9,online\n",
            "203.0.113.5/32 2001:db8::7/128",
            1,
        );
        whole("country,last,where\nCN,2021,203.0.113.5\n", "203.0.113.5/32", 0);
    }

    #[test]
    fn what_no_feed_may_list_is_left_out_and_counted() {
        let text = "140.119.7.7\n140.0.0.0/8\n2001:288:1::/48\n128.0.0.0/7\n0.0.0.0/0\n2001::/18\n\
                    10.0.0.0/8\n192.168.1.1\n224.0.0.1\n::1\nfe80::1\n127.0.0.1\nevil.example\n300.1.1.1\n\
                    203.0.113.0 203.0.113.9 24\n203.0.113.5/33\n203.0.113.5\n8.0.0.0/8\n2400::/19\n";
        let found = contents(text);
        let first = |of: &LeftOut| (of.lines, of.first.clone().unwrap());
        assert_eq!(first(&found.inside), (3, (1, "140.119.7.7".to_owned())));
        assert_eq!(first(&found.wide), (3, (4, "128.0.0.0/7".to_owned())));
        assert_eq!(first(&found.reserved), (6, (7, "10.0.0.0/8".to_owned())));
        assert_eq!(first(&found.bad), (4, (13, "evil.example".to_owned())));
        let used = ["203.0.113.5/32", "8.0.0.0/8", "2400::/19"];
        assert_eq!((found.entries, found.names), (3, 0));
        assert_eq!(found.networks, Networks::new(used.map(|net| net.parse().unwrap())));
        // CSV and JSON count the same, by their own lines.
        let found = contents("# ip,port\n\n140.119.7.7,1\n,2\n203.0.113.5,3\nshort\n");
        assert_eq!(first(&found.inside), (1, (3, "140.119.7.7".to_owned())));
        assert_eq!(first(&found.bad), (2, (4, ",2".to_owned())));
        assert_eq!((found.entries, found.names), (1, 0));
        let found = contents("{\"cidr\":\"140.119.0.0/16\"}\n{\"sblid\":1}\nno object\n");
        assert_eq!((found.inside.lines, first(&found.bad)), (1, (2, (2, "{\"sblid\":1}".into()))));
    }

    #[test]
    fn an_empty_feed_has_no_entry() {
        for text in ["", "\n\n", "# nothing\n", "; nothing", "[\n  1\n]\n"] {
            assert_eq!(contents(text).entries, 0, "{text:?}");
        }
    }

    #[test]
    fn a_feed_above_the_limits_is_refused() {
        let hosts = |count: u64| {
            let mut text = String::new();
            (0..count as u32).for_each(|n| {
                let host = Ipv4Addr::from(0x0b00_0000 + 2 * n);
                text.push_str(&format!("{host}\n"));
            });
            text
        };
        assert_eq!(contents(&hosts(MAX_ENTRIES)).entries, MAX_ENTRIES);
        let error = read(hosts(MAX_ENTRIES + 1).as_bytes(), &inside()).unwrap_err();
        assert_eq!(error.to_string(), "more than 1048576 entries, the limit of a feed");
        let endless = io::BufReader::new(io::repeat(b'#'));
        let error = read(endless, &inside()).unwrap_err();
        assert_eq!(error.to_string(), "more than 256 MiB, the limit of a feed");
    }

    #[test]
    fn an_address_is_looked_up_in_all_feeds() {
        let feed = |name: &str, text: &str| Feed {
            name: name.to_owned(),
            networks: contents(text).networks,
        };
        let feeds = Feeds::new(vec![
            feed("a", "203.0.113.0/24\n2001:db8::/32\n"),
            feed("b", "203.0.113.5\n198.51.100.1\n"),
        ]);
        let names = |host: &str| {
            let host = host.parse().unwrap();
            let names: Vec<_> = feeds.names(host).collect();
            assert_eq!(feeds.contains(host), !names.is_empty());
            names.join(" ")
        };
        assert_eq!(names("203.0.113.5"), "a b");
        assert_eq!(names("203.0.113.6"), "a");
        assert_eq!(names("198.51.100.1"), "b");
        assert_eq!(names("2001:db8::1"), "a");
        assert_eq!(names("198.51.100.2"), "");
        assert!(Feeds::default().is_empty() && !feeds.is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9a-f.:/,;#\"{}\n\t a-z]{0,300}") {
            let found = contents(&text);
            let lines = text.lines().count() as u64;
            let counted = [&found.inside, &found.wide, &found.reserved, &found.bad];
            let left_out: u64 = counted.iter().map(|of| of.lines).sum();
            prop_assert!(found.entries + left_out + found.names <= lines.max(1));
        }
    }
}
