//! IPv4 addresses that IPv6 addresses are made of.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// A form in which an IPv6 address holds an IPv4 address.
#[derive(Clone, Copy, Debug)]
pub(super) struct EmbeddedForm {
    /// The first bits of such addresses; the others are 0.
    prefix: u128,
    /// The number of these bits.
    length: u8,
    /// The number of bits before the IPv4 address.
    before: u8,
    /// True if each bit of the IPv4 address is inverted.
    is_inverted: bool,
}

/// IPv4-mapped addresses, `::ffff:192.0.2.1` (RFC 4291 section 2.5.5.2): another text for the IPv4 address.
pub(super) const MAPPED: EmbeddedForm =
    EmbeddedForm { prefix: 0xffff << 32, length: 96, before: 96, is_inverted: false };

/// The tunnels that a machine with the IPv4 address is the end of: 6to4 (RFC 3056 section 2) and Teredo, whose
/// address of the client is inverted (RFC 4380 section 4).
pub(super) const TUNNELS: [EmbeddedForm; 2] = [
    EmbeddedForm { prefix: 0x2002 << 112, length: 16, before: 16, is_inverted: false },
    EmbeddedForm { prefix: 0x2001 << 112, length: 32, before: 96, is_inverted: true },
];

impl EmbeddedForm {
    /// Returns the smallest IPv4 network that has all addresses which addresses of an IPv6 network hold in
    /// this form; `None` if no address of it has the form.
    pub fn within(self, net: Ipv6Net) -> Option<Ipv4Net> {
        let all = Ipv6Net::new(Ipv6Addr::from_bits(self.prefix), self.length).ok()?;
        if net.contains(&all) {
            return Some(Ipv4Net::default());
        }
        if !all.contains(&net) {
            return None;
        }
        let length = net.prefix_len().saturating_sub(self.before).min(32);
        let after = 128 - 32 - u32::from(self.before);
        let low = (net.network().to_bits() >> after) & u128::from(u32::MAX);
        let bits = u32::try_from(low).ok()?;
        let bits = if self.is_inverted { !bits } else { bits };
        Ipv4Net::new(bits.into(), length).ok().map(|net| net.trunc())
    }
}

/// Returns the IPv4 network that an IPv4-mapped network is (RFC 4291 section 2.5.5.2), and any other
/// network as it is.
pub fn unmapped(net: IpNet) -> IpNet {
    match net {
        IpNet::V6(v6) if v6.prefix_len() >= MAPPED.length => {
            MAPPED.within(v6).map_or(net, IpNet::V4)
        }
        _ => net,
    }
}

/// Returns the IPv4 address of the machine behind an IPv6 address that is made of one: 6to4 (RFC 3056
/// section 2) and Teredo (RFC 4380 section 4). Addresses of NAT64 are in ::/8, where no host is blocked.
pub fn tunnel_end(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    TUNNELS.into_iter().find_map(|form| form.within(address.into())).map(|net| net.addr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    #[test]
    fn only_a_mapped_network_is_an_ipv4_network() {
        for (from, to) in [
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.9/128", "192.0.2.9/32"),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0"),
            ("::ffff:0:0/95", "::ffff:0:0/95"),
            ("::/0", "::/0"),
            ("::192.0.2.0/120", "::192.0.2.0/120"),
            ("2002:c000:209::/48", "2002:c000:209::/48"),
            ("192.0.2.0/24", "192.0.2.0/24"),
        ] {
            assert_eq!(unmapped(net(from)), net(to));
        }
    }

    #[test]
    fn the_end_of_a_tunnel_is_an_ipv4_address() {
        let end = |text: &str| tunnel_end(text.parse().unwrap()).map(|end| end.to_string());
        for of_tunnel in ["2002:c000:209::1", "2002:c000:209:7:1:2:3:4", "2001:0:1:2:3:4:3fff:fdf6"]
        {
            assert_eq!(end(of_tunnel).as_deref(), Some("192.0.2.9"), "{of_tunnel}");
        }
        for other in ["192.0.2.9", "::ffff:192.0.2.9", "2001:db8::3fff:fdf6", "2003:c000:209::1"] {
            assert_eq!(end(other), None, "{other}");
        }
    }

    #[test]
    fn a_network_of_ipv6_holds_the_ipv4_networks_of_its_forms() {
        let within = |form: EmbeddedForm, text: &str| {
            let IpNet::V6(net) = net(text) else { return None };
            form.within(net).map(|net| net.to_string())
        };
        let [to4, teredo] = TUNNELS;
        for (form, text, expected) in [
            (MAPPED, "::/0", Some("0.0.0.0/0")),
            (MAPPED, "::ffff:0:0/96", Some("0.0.0.0/0")),
            (MAPPED, "::ffff:192.0.2.128/121", Some("192.0.2.128/25")),
            (MAPPED, "2002:c000:209::/48", None),
            (to4, "2000::/3", Some("0.0.0.0/0")),
            (to4, "2002:c000:200::/40", Some("192.0.2.0/24")),
            (to4, "2002:c000:209::/64", Some("192.0.2.9/32")),
            (to4, "2002::/17", Some("0.0.0.0/1")),
            (teredo, "2001::/64", Some("0.0.0.0/0")),
            (teredo, "2001::3fff:fd00/120", Some("192.0.2.0/24")),
            (teredo, "2001:0:0:0:0:0:8000:0/97", Some("0.0.0.0/1")),
            (teredo, "2001:db8::/64", None),
        ] {
            assert_eq!(within(form, text).as_deref(), expected, "{text}");
        }
    }

    proptest! {
        /// The reference reads the segments of the address.
        #[test]
        fn forms_agree_with_the_segments_of_an_address(
            (first, high, low) in (0u16..3, any::<u16>(), any::<u16>()), middle: u64,
        ) {
            let bits = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
            let words: [u16; 4] = std::array::from_fn(|n| (middle >> (16 * n)) as u16);
            let [a, b, c, d] = words;
            let segments = match first {
                0 => [0x2002, high, low, a, b, c, d, a],
                1 => [0x2001, a & 1, b, c, d, a, high, low],
                _ => [0, 0, 0, 0, 0, 0xfffe | (a & 1), high, low],
            };
            let address = Ipv6Addr::from(segments);
            let end = match segments {
                [0x2002, high, low, ..] => Some(bits(high, low)),
                [0x2001, 0, .., high, low] => Some(bits(!high, !low)),
                _ => None,
            };
            prop_assert_eq!(tunnel_end(address.into()), end);
            prop_assert_eq!(unmapped(IpAddr::from(address).into()).addr(), address.to_canonical());
        }
    }
}
