//! The value of `--allow`: networks of exporters, each with a rate if it has one of its own.

use std::path::PathBuf;
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net};

use crate::capture::{MAX_RATE, Rate};
use crate::cli::{parse_net, parse_size, read_words};

/// `192.0.2.1,2001:db8::/32=5000`, or `@FILE` with such words in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exporters {
    /// Given in place.
    Here(Vec<(IpNet, Option<Rate>)>),
    /// To be read from a file, now and whenever that is asked for.
    File(PathBuf),
}

impl Exporters {
    /// The networks, read from the file if that is where they are.
    ///
    /// # Errors
    /// A file that cannot be read, or the first word in it that is no network, with its line.
    pub fn load(&self) -> anyhow::Result<Vec<(IpNet, Option<Rate>)>> {
        match self {
            Exporters::Here(nets) => Ok(nets.clone()),
            Exporters::File(path) => read_words(path, exporter),
        }
    }
}

impl FromStr for Exporters {
    type Err = String;

    fn from_str(text: &str) -> Result<Exporters, String> {
        if let Some(path) = text.strip_prefix('@') {
            return Ok(Exporters::File(path.into()));
        }
        let all = text.split(',').map(|word| exporter(word.trim()));
        all.collect::<Result<_, _>>().map(Exporters::Here)
    }
}

fn exporter(text: &str) -> Result<(IpNet, Option<Rate>), String> {
    match text.split_once('=') {
        None => Ok((sender(parse_net(text)?), None)),
        Some((net, text)) => Ok((sender(parse_net(net)?), Some(Rate::of(datagrams(text)?)))),
    }
}

/// A network as its members are seen: senders whose address is of IPv4, mapped to IPv6, are hosts of
/// IPv4.
fn sender(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let length = v6.prefix_len().checked_sub(96);
    let v4 = v6.addr().to_ipv4_mapped().zip(length);
    v4.and_then(|(addr, length)| Ipv4Net::new(addr, length).ok()).map_or(net, IpNet::V4)
}

/// Parses the value of `--rate`, `DATAGRAMS[,SIZE]`: what an address may send in a second.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn rate(text: &str) -> Result<Rate, String> {
    let Some((count, size)) = text.split_once(',') else { return datagrams(text).map(Rate::of) };
    let datagrams = datagrams(count)?;
    match parse_size(size)? {
        0 => Err(format!("{size}: nothing would be taken")),
        bytes => Ok(Rate { datagrams, bytes }),
    }
}

/// Parses datagrams a second.
fn datagrams(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(rate @ 1..=MAX_RATE) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(rate),
        _ => Err(format!("{text:?} is no number of datagrams a second, from 1 to {MAX_RATE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_stands_behind_its_network() {
        let list = "192.0.2.1, 2001:db8::/32=5000";
        let expected = vec![
            ("192.0.2.1/32".parse().unwrap(), None),
            ("2001:db8::/32".parse().unwrap(), Some(Rate::of(5000))),
        ];
        assert_eq!(list.parse(), Ok(Exporters::Here(expected.clone())));
        let mapped = "::ffff:192.0.2.0/120,::/0";
        let nets = vec![("192.0.2.0/24".parse().unwrap(), None), ("::/0".parse().unwrap(), None)];
        assert_eq!(mapped.parse(), Ok(Exporters::Here(nets)));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "192.0.2.1 # the core\n2001:db8::/32=5000\n").unwrap();
        let at: Exporters = format!("@{}", file.path().display()).parse().unwrap();
        assert_eq!(at.load().unwrap(), expected);
        for text in ["", "192.0.2.1=", "192.0.2.1=0", "192.0.2.1=-1", "192.0.2.1=1k", "=5", "x=5"] {
            assert!(text.parse::<Exporters>().is_err(), "{text}");
        }
    }
    #[test]
    fn a_rate_has_a_size_with_a_unit() {
        assert_eq!(rate("200"), Ok(Rate { datagrams: 200, bytes: 300_000 }));
        assert_eq!(rate("200,2M"), Ok(Rate { datagrams: 200, bytes: 2 << 20 }));
        for (text, why) in [
            ("200,50", "a size needs a unit: 50M, 50G"),
            ("200,0K", "0K: nothing would be taken"),
            ("200,", "\"\" is no size such as 64M"),
            (",2M", "\"\" is no number of datagrams a second, from 1 to 100000000"),
            ("2M", "\"2M\" is no number of datagrams a second, from 1 to 100000000"),
            ("1,2M,3", "\"2M,3\" is no size such as 64M"),
        ] {
            assert_eq!(rate(text), Err(why.to_owned()), "{text}");
        }
    }
}
