//! The value of `--allow`: the exporters' networks, some with a rate of their own.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use ipnet::{IpNet, Ipv4Net};

use crate::capture::{Allow, MAX_ALLOW, MAX_RATE, Rate};
use crate::cli::{Io, Usage, parse_net, parse_size, read_words};

/// The exporters' networks: `192.0.2.1,2001:db8::/32=5000`, or `@FILE` with such words in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exporters {
    /// The networks on the command line, with their own rates.
    Inline(Vec<(IpNet, Option<Rate>)>),
    /// A file, which is read at the start and at every HUP.
    File(PathBuf),
}

impl Exporters {
    /// Returns the networks, read from the file if there is one.
    ///
    /// # Errors
    /// Fails if the file cannot be read, and at the first word that is no network, with its line.
    fn load(&self) -> anyhow::Result<Vec<(IpNet, Option<Rate>)>> {
        match self {
            Exporters::Inline(nets) => Ok(nets.clone()),
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
        all.collect::<Result<_, _>>().map(Exporters::Inline)
    }
}

/// Returns the networks of the exporters that `--allow` or `[collect] allow` names, without their rates.
///
/// # Errors
/// Fails if a word is no network, or if the file cannot be read.
pub fn networks(text: &str) -> anyhow::Result<Vec<IpNet>> {
    let exporters: Exporters = text.parse().map_err(Usage)?;
    Ok(exporters.load()?.into_iter().map(|(net, _)| net).collect())
}

/// Returns the senders that may export, in as few networks as possible. Without `exporters` every
/// sender may, and the user is warned. `rate` limits each address without a rate of its own.
///
/// # Errors
/// Fails if the file cannot be read or has a malformed word. More than [`MAX_ALLOW`] networks are a
/// usage error.
pub fn load(
    exporters: Option<&Exporters>,
    rate: Option<Rate>,
    io: &mut Io,
) -> anyhow::Result<Allow> {
    let Some(exporters) = exporters else {
        io.report.warn(
            "no --allow: any host that reaches the port can forge exports, and every window says \
             open=1; name the exporters with --allow",
        );
        return Ok(Allow { nets: None, rate });
    };
    let mut nets = exporters.load().context("--allow")?;
    // Networks inside others are redundant unless some network has a rate of its own.
    if nets.iter().all(|(_, rate)| rate.is_none()) {
        let all: Vec<IpNet> = nets.iter().map(|&(net, _)| net).collect();
        nets = IpNet::aggregate(&all).into_iter().map(|net| (net, None)).collect();
    }
    if nets.is_empty() {
        io.report.warn("--allow: no network in it, so all datagrams are dropped");
    }
    if nets.len() > MAX_ALLOW {
        let count = nets.len();
        return Err(Usage(format!("--allow: {count} networks; the limit is {MAX_ALLOW}")).into());
    }
    Ok(Allow { nets: Some(nets), rate })
}

fn exporter(text: &str) -> Result<(IpNet, Option<Rate>), String> {
    match text.split_once('=') {
        None => Ok((sender(parse_net(text)?), None)),
        Some((net, text)) => Ok((sender(parse_net(net)?), Some(Rate::of(datagrams(text)?)))),
    }
}

/// Returns the network as its senders appear: the kernel's IPv4-mapped IPv6 addresses count as IPv4.
fn sender(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let length = v6.prefix_len().checked_sub(96);
    let v4 = v6.addr().to_ipv4_mapped().zip(length);
    v4.and_then(|(addr, length)| Ipv4Net::new(addr, length).ok()).map_or(net, IpNet::V4)
}

/// Parses the value of `--rate`, `DATAGRAMS[,SIZE]`: the datagrams and bytes that an address may
/// send in a second.
///
/// # Errors
/// Returns a message for the user.
pub fn rate(text: &str) -> Result<Rate, String> {
    let Some((count, size)) = text.split_once(',') else { return datagrams(text).map(Rate::of) };
    let datagrams = datagrams(count)?;
    match parse_size(size)? {
        0 => Err(format!("{size}: all datagrams would be dropped")),
        bytes => Ok(Rate { datagrams, bytes }),
    }
}

/// Parses a number of datagrams a second.
fn datagrams(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(rate @ 1..=MAX_RATE) if text.bytes().all(|b| b.is_ascii_digit()) => Ok(rate),
        _ => Err(format!("{text:?} is not a number of datagrams a second, from 1 to {MAX_RATE}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_may_have_its_own_rate() {
        let list = "192.0.2.1, 2001:db8::/32=5000";
        let expected = vec![
            ("192.0.2.1/32".parse().unwrap(), None),
            ("2001:db8::/32".parse().unwrap(), Some(Rate::of(5000))),
        ];
        assert_eq!(list.parse(), Ok(Exporters::Inline(expected.clone())));
        let mapped = "::ffff:192.0.2.0/120,::/0";
        let nets = vec![("192.0.2.0/24".parse().unwrap(), None), ("::/0".parse().unwrap(), None)];
        assert_eq!(mapped.parse(), Ok(Exporters::Inline(nets)));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "192.0.2.1 # the core\n2001:db8::/32=5000\n").unwrap();
        let at: Exporters = format!("@{}", file.path().display()).parse().unwrap();
        assert_eq!(at.load().unwrap(), expected);
        for text in ["", "192.0.2.1=", "192.0.2.1=0", "192.0.2.1=-1", "192.0.2.1=1k", "=5", "x=5"] {
            assert!(text.parse::<Exporters>().is_err(), "{text}");
        }
    }
    #[test]
    fn the_size_of_a_rate_needs_a_unit() {
        assert_eq!(rate("200"), Ok(Rate { datagrams: 200, bytes: 300_000 }));
        assert_eq!(rate("200,2M"), Ok(Rate { datagrams: 200, bytes: 2 << 20 }));
        for (text, why) in [
            ("200,50", "a size needs a unit: 50M, 50G"),
            ("200,0K", "0K: all datagrams would be dropped"),
            ("200,", "\"\" is no size such as 64M"),
            (",2M", "\"\" is not a number of datagrams a second, from 1 to 100000000"),
            ("2M", "\"2M\" is not a number of datagrams a second, from 1 to 100000000"),
            ("1,2M,3", "\"2M,3\" is no size such as 64M"),
        ] {
            assert_eq!(rate(text), Err(why.to_owned()), "{text}");
        }
    }
}
