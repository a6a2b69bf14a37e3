//! Parses values: addresses, ports, numbers, times, and lists of them.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::cursor::{Parser, Result, ValueKind};
use crate::filter::error::Reason;
use crate::filter::names;
use crate::filter::token::TokenKind;
use crate::filter::tree::Field;
use crate::time::Timestamp;

impl Parser<'_, '_> {
    /// Parses values in brackets, after `in`.
    pub(super) fn list<T>(
        &mut self,
        mut value: impl FnMut(&mut Self) -> Result<T>,
    ) -> Result<Vec<T>> {
        if !self.take(TokenKind::OpenList) {
            return Err(self.refused("a list in brackets: [ ... ]"));
        }
        let mut values = vec![value(self)?];
        while !self.take(TokenKind::CloseList) {
            self.take(TokenKind::Comma);
            if self.peek().is_none() {
                return Err(self.refused("a closing bracket"));
            }
            values.push(value(self)?);
        }
        Ok(values)
    }

    /// Parses networks in brackets, or reads them from a file, after `in`.
    pub(super) fn nets(&mut self, is_net: bool) -> Result<Vec<IpNet>> {
        if self.peek().is_none_or(|token| token.kind != TokenKind::File) {
            return if self.peek().is_some_and(|token| token.kind == TokenKind::OpenList) {
                self.list(|parser| parser.net(is_net, false))
            } else {
                Err(self.refused("a list in brackets or @FILE"))
            };
        }
        let span = self.peek().map(|token| token.span.clone()).unwrap_or_default();
        let name = self.text.get(span).and_then(|text| text.strip_prefix('@')).unwrap_or_default();
        if name.is_empty() {
            return Err(self.refused("@ and the name of a file"));
        }
        match (self.context.file)(name) {
            Ok(nets) => {
                self.at += 1;
                Ok(nets)
            }
            Err(error) => Err(self.wrong(Reason::File(error))),
        }
    }

    /// Parses a network, or an address alone. With `is_net`, after the word `net`, also tcpdump's
    /// short forms, and with `is_masked` a netmask behind the address.
    pub(super) fn net(&mut self, is_net: bool, is_masked: bool) -> Result<IpNet> {
        const EXPECTED: &str = "an address or a network, such as 192.0.2.1 or 2001:db8::/32";
        let Some(word) = self.word() else { return Err(self.refused(EXPECTED)) };
        let found = self.found();
        if let Ok(address) = word.parse::<IpAddr>() {
            self.at += 1;
            let prefix = if is_net && is_masked { self.netmask()? } else { None };
            return match (address, prefix) {
                (address, None) => Ok(address.into()),
                (IpAddr::V4(address), Some(prefix)) => {
                    let net = Ipv4Net::new(address, prefix).map(IpNet::V4).ok();
                    let net = net.filter(|net| net.trunc() == *net);
                    net.ok_or_else(|| {
                        self.at -= 1;
                        self.wrong(Reason::HostBits {
                            found: format!("{address}/{prefix}"),
                            meant: network_of(address.into(), prefix).to_string(),
                        })
                    })
                }
                (IpAddr::V6(_), Some(_)) => {
                    self.at -= 1;
                    Err(self.refused("and, or, or the end; a network of IPv6 is written with /"))
                }
            };
        }
        let net = word.parse().ok().or_else(|| abbreviated(&word, is_net));
        match net {
            Some(net) if net.trunc() == net => {
                self.at += 1;
                Ok(net)
            }
            Some(net) => {
                Err(self.wrong(Reason::HostBits { found, meant: net.trunc().to_string() }))
            }
            None if word.ends_with('?') => Err(self.wrong(Reason::Masked { found })),
            None if word.starts_with(|c: char| c.is_alphabetic()) && !word.contains(':') => {
                Err(self.wrong(Reason::Name { found }))
            }
            None => Err(self.refused(EXPECTED)),
        }
    }

    /// Parses tcpdump's `mask 255.0.0.0` behind a network, or nfdump's netmask without the word,
    /// and returns the length of the prefix.
    fn netmask(&mut self) -> Result<Option<u8>> {
        let has_word = self.word().as_deref() == Some("mask");
        self.at += usize::from(has_word);
        let mask = self.word().and_then(|word| word.parse::<Ipv4Addr>().ok());
        let prefix = mask.and_then(|mask| ipnet::ipv4_mask_to_prefix(mask).ok());
        if prefix.is_none() && (has_word || mask.is_some()) {
            return Err(self.refused("a netmask such as 255.255.0.0"));
        }
        self.at += usize::from(prefix.is_some());
        Ok(prefix)
    }

    /// Parses a port, an interface or a protocol, or a range of them: `6000-6008`.
    pub(super) fn range(&mut self, kind: ValueKind) -> Result<(u64, u64)> {
        let (name, most, expected) = match kind {
            ValueKind::Port => ("a port", u64::from(u16::MAX), "a port, 0 to 65535"),
            ValueKind::Interface => {
                ("an interface", u64::from(u32::MAX), "the number of an interface")
            }
            _ => ("a protocol", u64::from(u8::MAX), "a protocol, such as tcp, udp, icmp, 47"),
        };
        let Some(word) = self.word() else { return Err(self.refused(expected)) };
        let proto = (kind == ValueKind::Proto).then(|| names::protocol(&word)).flatten();
        if let Some(proto) = proto {
            self.at += 1;
            return Ok((proto.into(), proto.into()));
        }
        let found = self.found();
        let (first, last) = word.split_once('-').unwrap_or((&word, &word));
        let (Some(first), Some(last)) = (digits(first), digits(last)) else {
            let is_name = kind == ValueKind::Port && word.starts_with(|c: char| c.is_alphabetic());
            return Err(if is_name {
                self.wrong(Reason::Service { found })
            } else {
                self.refused(expected)
            });
        };
        if first.max(last) > most {
            return Err(self.wrong(Reason::Great { found, what: name, most }));
        }
        if first > last {
            return Err(self.wrong(Reason::Backwards { found }));
        }
        self.at += 1;
        Ok((first, last))
    }

    /// Parses the number that a flow's is compared with: nanoseconds for times, else as it is
    /// written.
    pub(super) fn number(&mut self, field: Field) -> Result<u64> {
        let expected = match field {
            Field::Start | Field::End => "a time such as 2001-07-01T00:20:00Z, or Unix seconds",
            Field::Duration => "milliseconds, or a time with its unit, such as 5s",
            Field::IcmpType | Field::IcmpCode => "a number, 0 to 255",
            _ => "a number such as 100, 10k or 2M",
        };
        let Some(word) = self.word() else { return Err(self.refused(expected)) };
        let value = match field {
            Field::Start | Field::End => moment(&word).map(Timestamp::nanos),
            Field::Duration => duration(&word),
            Field::IcmpType | Field::IcmpCode => digits(&word).filter(|&value| value < 256),
            _ => scaled(&word),
        };
        let value = value.ok_or_else(|| self.refused(expected))?;
        self.at += 1;
        Ok(value)
    }
}

/// Parses digits alone, without sign or blank. A number of more than 64 bits counts as the largest
/// of 64.
fn digits(text: &str) -> Option<u64> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Parses a number with nfdump's suffixes k, m, g and t, each a thousand times the one before.
fn scaled(word: &str) -> Option<u64> {
    let shift = match word.chars().last()? {
        'k' => 1_000,
        'm' => 1_000_000,
        'g' => 1_000_000_000,
        't' => 1_000_000_000_000,
        _ => return digits(word),
    };
    digits(word.get(..word.len() - 1)?)?.checked_mul(shift)
}

/// Parses plain milliseconds or a number with its unit, and returns nanoseconds.
fn duration(word: &str) -> Option<u64> {
    if let Some(millis) = digits(word) {
        return millis.checked_mul(1_000_000);
    }
    let duration = humantime::parse_duration(word).ok()?;
    u64::try_from(duration.as_nanos()).ok()
}

/// Parses a time, or a date, which is its first moment.
fn moment(word: &str) -> Option<Timestamp> {
    let word = word.to_ascii_uppercase();
    let day = || Timestamp::parse(format!("{word}T00:00:00Z").as_bytes());
    Timestamp::parse(word.as_bytes()).or_else(day)
}

/// Parses tcpdump's short forms: `10`, `172.16` and `192.168.1` are networks of 8, 16 and 24 bits,
/// and `10/8` lacks zeros. Without `is_net` only the latter.
fn abbreviated(word: &str, is_net: bool) -> Option<IpNet> {
    let (address, prefix) = match word.split_once('/') {
        Some((address, prefix)) => (address, Some(digits(prefix)?)),
        None => (word, None),
    };
    let mut bytes = Vec::new();
    for part in address.split('.') {
        bytes.push(u8::try_from(digits(part)?).ok()?);
    }
    let whole = 8 * bytes.len() as u64;
    let prefix = prefix.or_else(|| is_net.then_some(whole))?;
    let mut parts = [0; 4];
    parts.get_mut(..bytes.len())?.copy_from_slice(&bytes);
    Ipv4Net::new(parts.into(), u8::try_from(prefix).ok()?).map(IpNet::V4).ok()
}

/// Returns the network that an address lies in.
fn network_of(address: IpAddr, prefix: u8) -> IpNet {
    IpNet::new(address, prefix).map_or_else(|_| IpNet::from(address), |net| net.trunc())
}
