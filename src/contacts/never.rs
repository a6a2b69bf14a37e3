//! The hosts that are never blocked, whatever they do.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::embedded::{EmbeddedForm, MAPPED, TUNNELS, unmapped};

/// The widest network of exporters that is not told: an IPv4 /24, an IPv6 /64. A wider one
/// holds hosts of all kinds beside the exporters, and protects them all.
const WIDEST: (u8, u8) = (24, 64);

/// The reason why a network is on the never list. Of several reasons for one network the first one is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeverReason {
    /// The site lists it.
    Listed,
    /// An interface of this machine has the address.
    OwnInterface,
    /// This machine's way to other networks.
    Gateway,
    /// The collector listens at the address.
    Collector,
    /// The collector takes exports from there.
    Exporter,
    /// A device that would carry out the block.
    Device,
}

impl NeverReason {
    /// Returns the words that follow "is" in a message.
    pub const fn as_str(self) -> &'static str {
        match self {
            NeverReason::Listed => "in [site] never",
            NeverReason::OwnInterface => "an own address of this machine",
            NeverReason::Gateway => "a default gateway of this machine",
            NeverReason::Collector => "an address of the collector",
            NeverReason::Exporter => "an exporter, by [collect] allow",
            NeverReason::Device => "a device that blocks hosts",
        }
    }
}

/// Formats the reason as a clause about a host: `it is an own address of this machine`.
impl fmt::Display for NeverReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it is {}", self.as_str())
    }
}

/// An entry of the never list that holds for a host or a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Never {
    /// The network of the entry.
    pub net: IpNet,
    /// The gravest reason for which this network is on the list.
    pub reason: NeverReason,
    /// True if the entry holds an IPv4 address which the host is the end of a tunnel of.
    pub by_tunnel: bool,
}

/// Formats the entry as a clause about a host, with the network if it is more than the host.
impl fmt::Display for Never {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Never { net, reason, by_tunnel } = self;
        if *by_tunnel {
            write!(f, "the IPv4 address that it is made of is {}", reason.as_str())?;
        } else {
            write!(f, "{reason}")?;
        }
        if *by_tunnel || net.prefix_len() < net.max_prefix_len() {
            write!(f, " ({net})")?;
        }
        Ok(())
    }
}

/// The networks that are never blocked, with the reasons.
///
/// An IPv4 address is also found in its other forms: IPv4-mapped, and as the end of a 6to4 or Teredo tunnel. The
/// number of entries is bounded by the files that they come from, of at most 16 MiB each.
#[derive(Clone, Debug, Default)]
pub struct NeverList {
    /// The entries in the order of their first address, wider ones first. IPv4-mapped networks are kept as the
    /// IPv4 networks that they are.
    entries: BTreeSet<(IpNet, NeverReason)>,
    /// The prefix lengths in use, longest first. A look-up tries each once.
    lengths: Vec<u8>,
}

impl NeverList {
    /// Returns the list of these networks.
    pub fn new(entries: impl IntoIterator<Item = (IpNet, NeverReason)>) -> NeverList {
        let entries: BTreeSet<_> =
            entries.into_iter().map(|(net, reason)| (unmapped(net).trunc(), reason)).collect();
        let lengths: BTreeSet<u8> = entries.iter().map(|(net, _)| net.prefix_len()).collect();
        NeverList { entries, lengths: lengths.into_iter().rev().collect() }
    }

    /// Returns the entry that holds for an address: of several the narrowest, and one for the address itself
    /// before one for the end of its tunnel.
    pub fn check(&self, ip: IpAddr) -> Option<Never> {
        forms(ip.into()).find_map(|(net, by_tunnel)| self.around(net, by_tunnel))
    }

    /// Returns an entry that holds for an address of a network: the narrowest around the network, else the first
    /// one inside it.
    pub fn covers_part_of(&self, net: IpNet) -> Option<Never> {
        forms(net).find_map(|(net, by_tunnel)| {
            self.around(net, by_tunnel).or_else(|| {
                let inside = self.entries.range((net, NeverReason::Listed)..);
                let inside = inside.take_while(|(known, _)| net.contains(known)).copied().next();
                inside.map(|(net, reason)| Never { net, reason, by_tunnel })
            })
        })
    }

    /// Returns the networks of exporters that are wider than /24, or than /64 for IPv6.
    pub fn wide(&self) -> impl Iterator<Item = IpNet> {
        let exporters = self.entries.iter().filter(|(_, why)| *why == NeverReason::Exporter);
        exporters.map(|(net, _)| *net).filter(|net| match net {
            IpNet::V4(net) => net.prefix_len() < WIDEST.0,
            IpNet::V6(net) => net.prefix_len() < WIDEST.1,
        })
    }

    /// Returns all entries, IPv4 first, by address and then from the widest to the narrowest.
    pub fn entries(&self) -> impl Iterator<Item = (IpNet, NeverReason)> {
        self.entries.iter().copied()
    }

    /// Returns the narrowest entry that contains all of a network.
    fn around(&self, net: IpNet, by_tunnel: bool) -> Option<Never> {
        self.lengths.iter().filter(|&&length| length <= net.prefix_len()).find_map(|&length| {
            let around = IpNet::new(net.addr(), length).ok()?.trunc();
            let mut entries = self.entries.range((around, NeverReason::Listed)..);
            let &(net, reason) = entries.next().filter(|(known, _)| *known == around)?;
            Some(Never { net, reason, by_tunnel })
        })
    }
}

/// Returns a network, and the IPv4 networks that its addresses hold: those are protected by what protects the
/// IPv4 addresses. The flags say which of them are ends of tunnels.
fn forms(net: IpNet) -> impl Iterator<Item = (IpNet, bool)> {
    let net = net.trunc();
    let within = move |form: EmbeddedForm| match net {
        IpNet::V4(_) => None,
        IpNet::V6(net) => form.within(net).map(IpNet::V4),
    };
    let mapped = within(MAPPED).map(|net| (net, false));
    let ends = TUNNELS.into_iter().filter_map(move |form| within(form).map(|net| (net, true)));
    [(net, false)].into_iter().chain(mapped).chain(ends)
}

/// Returns true if one machine on a routed network can have this address as its own.
pub fn is_machine(address: IpAddr) -> bool {
    match address {
        // 0/8 "this network", 127/8, 169.254/16, and 224/4 and above: RFC 6890, RFC 5771.
        IpAddr::V4(a) => match a.octets() {
            [0 | 127 | 224..=255, ..] | [169, 254, ..] => false,
            [..] => true,
        },
        // ::/8 holds the unspecified and loopback addresses and every form of embedded IPv4
        // (RFC 4291 section 2.5.5); fe80::/10 is link-local and ff00::/8 multicast.
        IpAddr::V6(a) => match a.octets() {
            [0 | 0xff, ..] | [0xfe, 0x80..=0xbf, ..] => false,
            [..] => true,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use NeverReason::{Collector, Device, Exporter, Gateway, Listed, OwnInterface};
    use proptest::prelude::*;

    fn list(entries: &[(&str, NeverReason)]) -> NeverList {
        NeverList::new(entries.iter().map(|(net, reason)| (net.parse().unwrap(), *reason)))
    }

    fn sample() -> NeverList {
        list(&[
            ("140.119.0.0/16", Exporter),
            ("140.119.1.0/24", Listed),
            ("140.119.1.1/32", Gateway),
            ("140.119.1.1/32", OwnInterface),
            ("::ffff:192.0.2.9/128", Collector),
            ("2001:db8:1::/64", Exporter),
            ("2001:db8:2::/63", Exporter),
            ("2001:db8:9::7/128", Device),
            ("198.51.100.0/24", Exporter),
        ])
    }

    #[test]
    fn the_narrowest_entry_says_why_a_host_is_never_blocked() {
        let never = sample();
        let said = |ip: &str| never.check(ip.parse().unwrap()).map(|never| never.to_string());
        for (ip, text) in [
            ("140.119.7.7", "it is an exporter, by [collect] allow (140.119.0.0/16)"),
            ("140.119.1.9", "it is in [site] never (140.119.1.0/24)"),
            ("140.119.1.1", "it is an own address of this machine"),
            ("::ffff:140.119.1.1", "it is an own address of this machine"),
            ("192.0.2.9", "it is an address of the collector"),
            ("::ffff:192.0.2.9", "it is an address of the collector"),
            ("2001:db8:9::7", "it is a device that blocks hosts"),
            (
                "2002:c000:209::5",
                "the IPv4 address that it is made of is an address of the collector (192.0.2.9/32)",
            ),
            (
                "2001:0:1:2:3:4:3fff:fdf6",
                "the IPv4 address that it is made of is an address of the collector (192.0.2.9/32)",
            ),
        ] {
            assert_eq!(said(ip).as_deref(), Some(text), "{ip}");
        }
        for ip in ["140.120.1.1", "::1", "2001:db8:9::8", "2002:c000:20a::5", "192.0.2.8"] {
            assert_eq!(said(ip), None, "{ip}");
        }
        assert_eq!(Gateway.to_string(), "it is a default gateway of this machine");
        assert_eq!(NeverList::default().check([192, 0, 2, 9].into()), None);
    }

    #[test]
    fn an_entry_of_the_address_counts_before_one_of_its_tunnel() {
        let never = list(&[("192.0.2.9/32", Gateway), ("2002::/16", Listed)]);
        let found = never.check("2002:c000:209::5".parse().unwrap()).unwrap();
        assert_eq!((found.reason, found.by_tunnel), (Listed, false));
        // A wide network of IPv6 holds mapped addresses, but is none of IPv4.
        let never = list(&[("::/0", Listed)]);
        assert!(never.check("::ffff:192.0.2.9".parse().unwrap()).is_some());
        assert_eq!(never.check([192, 0, 2, 9].into()), None);
    }

    #[test]
    fn a_network_is_covered_in_part_by_what_is_inside_and_around_it() {
        let never = sample();
        let found = |net: &str| {
            let never = never.covers_part_of(net.parse().unwrap())?;
            Some((never.net.to_string(), never.reason, never.by_tunnel))
        };
        let is = |net: &str, reason, by_tunnel| Some((net.to_owned(), reason, by_tunnel));
        assert_eq!(found("2001:db8:1::/80"), is("2001:db8:1::/64", Exporter, false));
        assert_eq!(found("2001:db8:9::/64"), is("2001:db8:9::7/128", Device, false));
        assert_eq!(found("2001:db8:9:1::/64"), None);
        assert_eq!(found("192.0.2.0/28"), is("192.0.2.9/32", Collector, false));
        assert_eq!(found("192.0.2.0/29"), None);
        assert_eq!(found("::ffff:192.0.2.0/124"), is("192.0.2.9/32", Collector, false));
        assert_eq!(found("2002:c000:209::/64"), is("192.0.2.9/32", Collector, true));
        assert_eq!(found("2002:c000:200::/44"), is("192.0.2.9/32", Collector, true));
        assert_eq!(found("2002:c000:200::/45"), None);
        assert_eq!(found("2002:c000:208::/48"), None);
        // Any IPv4 address may be behind a network of Teredo.
        assert_eq!(found("2001::/64"), is("140.119.0.0/16", Exporter, true));
    }

    #[test]
    fn only_exporters_in_wide_networks_are_told() {
        let wide: Vec<_> = sample().wide().map(|net| net.to_string()).collect();
        assert_eq!(wide, ["140.119.0.0/16", "2001:db8:2::/63"]);
        let twice = list(&[("10.0.0.0/23", Listed), ("::ffff:10.0.0.0/119", Exporter)]);
        assert_eq!(twice.wide().map(|net| net.to_string()).collect::<Vec<_>>(), ["10.0.0.0/23"]);
        assert_eq!(twice.entries().count(), 2);
    }

    /// A set of IPv6 addresses: those whose bits under the mask are those of the value. IPv4 addresses are kept
    /// as mapped ones.
    #[derive(Clone, Copy, Debug)]
    struct Pattern {
        value: u128,
        mask: u128,
    }

    fn mask(bits: u32) -> u128 {
        u128::MAX.checked_shl(128 - bits).unwrap_or(0)
    }

    impl Pattern {
        fn of(net: IpNet) -> Pattern {
            match net {
                IpNet::V4(net) => Pattern {
                    value: net.addr().to_ipv6_mapped().to_bits(),
                    mask: mask(96 + u32::from(net.prefix_len())),
                },
                IpNet::V6(net) => {
                    Pattern { value: net.addr().to_bits(), mask: mask(u32::from(net.prefix_len())) }
                }
            }
        }

        fn meets(self, other: Pattern) -> bool {
            (self.value ^ other.value) & self.mask & other.mask == 0
        }

        /// Returns the ends of tunnels whose IPv4 addresses are in the set, if it is one of IPv4.
        fn tunnels(self) -> Vec<Pattern> {
            if self.mask < mask(96) || self.value >> 32 != 0xffff {
                return Vec::new();
            }
            let (low, low_mask) = (self.value & 0xffff_ffff, self.mask & 0xffff_ffff);
            let inverted = !low & 0xffff_ffff;
            vec![
                Pattern { value: (0x2002 << 112) | (low << 80), mask: mask(16) | (low_mask << 80) },
                Pattern { value: (0x2001 << 112) | inverted, mask: mask(32) | low_mask },
            ]
        }
    }

    /// Returns a strategy for networks of IPv4 addresses and of every form of them, which often meet.
    fn any_network() -> impl Strategy<Value = IpNet> {
        let v4 = prop_oneof![0u32..4, 0xffff_fffc..=u32::MAX, any::<u32>()];
        (v4, 0u8..5, 0u8..40, any::<u64>()).prop_map(|(v4, form, cut, rest)| {
            let (low, rest) = (u128::from(v4), u128::from(rest));
            let bits = match form {
                0 => return IpNet::new(v4.to_be_bytes().into(), 32 - cut.min(32)).unwrap().trunc(),
                1 => (0xffff << 32) | low,
                2 => (0x2002 << 112) | (low << 80) | (rest & 1),
                3 => (0x2001 << 112) | ((rest & 1) << 64) | (!low & 0xffff_ffff),
                _ => (0x2001_0db8 << 96) | low,
            };
            let length = if form == 2 && rest & 2 == 0 { 48 } else { 128 };
            IpNet::new(bits.to_be_bytes().into(), length - cut).unwrap().trunc()
        })
    }

    proptest! {
        #[test]
        fn look_ups_agree_with_a_scan_of_all_entries(
            nets in proptest::collection::vec((any_network(), any::<bool>()), 0..8),
            asked in any_network(),
        ) {
            let reason = |exports: bool| if exports { Exporter } else { Listed };
            let never = NeverList::new(nets.iter().map(|(net, exports)| (*net, reason(*exports))));
            for asked in [asked, asked.addr().into()] {
                let hits = |tunnels: bool| {
                    nets.iter().copied().filter(move |(net, _)| {
                        // Wide networks of IPv6 are no networks of IPv4.
                        let is_v6 = matches!(net, IpNet::V6(net) if net.prefix_len() < 96);
                        let pattern = Pattern::of(*net);
                        if tunnels {
                            pattern.tunnels().iter().any(|end| end.meets(Pattern::of(asked)))
                        } else {
                            pattern.meets(Pattern::of(asked)) && !(is_v6 && asked.addr().is_ipv4())
                        }
                    })
                };
                let (direct, tunnels): (Vec<_>, Vec<_>) = (hits(false).collect(), hits(true).collect());
                let part = never.covers_part_of(asked);
                let is_hit = |found: Never| {
                    let list = if found.by_tunnel { &tunnels } else { &direct };
                    list.iter().any(|(net, _)| unmapped(*net) == found.net)
                };
                prop_assert_eq!(part.is_some(), !direct.is_empty() || !tunnels.is_empty());
                prop_assert!(part.is_none_or(is_hit), "{:?}", part);
                prop_assert!(part.is_none_or(|found| found.by_tunnel == direct.is_empty()));
                if asked.prefix_len() == asked.max_prefix_len() {
                    let list = if direct.is_empty() { &tunnels } else { &direct };
                    let bits = |net: IpNet| Pattern::of(net).mask.count_ones();
                    let most = list.iter().map(|(net, _)| bits(*net)).max();
                    let found = never.check(asked.addr());
                    prop_assert_eq!(found.is_some(), most.is_some());
                    if let Some(found) = found {
                        prop_assert!(is_hit(found));
                        prop_assert_eq!(found.by_tunnel, direct.is_empty());
                        // Of an address that is both, the entry of its own family comes first.
                        let is_mapped = asked.addr().to_canonical() != asked.addr();
                        prop_assert!(is_mapped || Some(bits(found.net)) == most);
                        let same = nets.iter().filter(|(net, _)| unmapped(*net) == found.net);
                        let first = same.map(|(_, exports)| reason(*exports)).min();
                        prop_assert_eq!(Some(found.reason), first);
                    }
                }
            }
            let wide = nets.iter().filter(|(net, exports)| match unmapped(*net) {
                IpNet::V4(net) => *exports && net.prefix_len() < 24,
                IpNet::V6(net) => *exports && net.prefix_len() < 64,
            });
            let wide: BTreeSet<_> = wide.map(|(net, _)| unmapped(*net)).collect();
            prop_assert_eq!(never.wide().collect::<BTreeSet<_>>(), wide);
        }
    }
}
