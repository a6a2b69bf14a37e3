//! Networks in the column `peer`: one entry each where there is room, and adjacent ones merged where there is not.

use ipnet::IpNet;

use super::{Finding, Host, Kind, MAX_PEERS, Peer};

/// Returns the column `peer` of a sweep through these networks, which are ascending and disjoint, each with its
/// flows. Also returns the number of entries that the column leaves out. More than [`MAX_PEERS`] networks are
/// merged first.
pub fn scanned_networks(nets: impl IntoIterator<Item = (IpNet, u64)>) -> (Vec<Peer>, u64) {
    let peer = |(net, flows)| Peer { host: Host::Prefix(net), flows: Some(flows) };
    let peers: Vec<Peer> = nets.into_iter().map(peer).collect();
    first(if peers.len() > MAX_PEERS { merged(&peers) } else { peers }, MAX_PEERS)
}

impl Finding {
    /// Returns the first `most` entries of `peer` for a line of text, and the number of entries and of further
    /// hosts or networks that these leave out. If a scan has more networks than that, adjacent ones are merged: a
    /// reader looks for where the scan was, not for its parts.
    pub fn first_peers(&self, most: usize) -> (Vec<Peer>, u64) {
        let is_long = self.kind == Kind::Scan && self.peer.len() > most;
        let peers = if is_long { merged(&self.peer) } else { self.peer.clone() };
        let (named, left) = first(peers, most);
        (named, self.more.saturating_add(left))
    }
}

/// Returns the first `most` entries, and the number of the others.
fn first(mut peers: Vec<Peer>, most: usize) -> (Vec<Peer>, u64) {
    let left = peers.len().saturating_sub(most) as u64;
    peers.truncate(most);
    (peers, left)
}

/// Returns the entries with each two halves of a network that follow each other merged into it, and so on. A
/// merged entry has the sum of the flows. Of ascending, disjoint networks the result is the shortest list.
fn merged(peers: &[Peer]) -> Vec<Peer> {
    let mut all: Vec<Peer> = Vec::new();
    for &(mut peer) in peers {
        while let Some(both) = all.last().and_then(|last| whole(last, &peer)) {
            peer = both;
            all.pop();
        }
        all.push(peer);
    }
    all
}

/// Returns the network of which the two entries are the halves, if there is one.
fn whole(a: &Peer, b: &Peer) -> Option<Peer> {
    let (Host::Prefix(net), Host::Prefix(other)) = (a.host, b.host) else { return None };
    // Networks that are equal are siblings to ipnet.
    if !net.is_sibling(&other) || net.contains(&other) {
        return None;
    }
    let flows = a.flows.zip(b.flows).map(|(a, b)| a.saturating_add(b));
    Some(Peer { host: Host::Prefix(net.supernet()?), flows })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::Role;
    use super::super::tests::finding;
    use super::*;

    fn texts(peers: &[Peer]) -> Vec<String> {
        peers.iter().map(|peer| peer.text(false)).collect()
    }

    /// Returns network `n` after 140.119.0.0/24, or for IPv6 after 2001:288::/64.
    fn nth(n: u32, is_ipv6: bool) -> IpNet {
        if is_ipv6 {
            let base = 0x2001_0288_u128 << 96;
            return IpNet::new(std::net::Ipv6Addr::from(base + (u128::from(n) << 64)).into(), 64)
                .unwrap();
        }
        IpNet::new(std::net::Ipv4Addr::from(0x8c77_0000 + (n << 8)).into(), 24).unwrap()
    }

    #[test]
    fn twenty_networks_are_named_and_more_are_merged() {
        let walk = |nets: std::ops::Range<u32>| scanned_networks(nets.map(|n| (nth(n, false), 3)));
        let (peer, more) = walk(56..72);
        assert_eq!((peer.len(), more), (16, 0));
        assert_eq!(texts(&peer)[..2], ["140.119.56.0/24=3", "140.119.57.0/24=3"]);
        assert_eq!(walk(40..60).0.len(), 20);
        let (peer, more) = walk(40..61);
        assert_eq!(
            texts(&peer),
            ["140.119.40.0/21=24", "140.119.48.0/21=24", "140.119.56.0/22=12", "140.119.60.0/24=3"]
        );
        assert_eq!(more, 0);
        let (peer, more) = scanned_networks((0..25).map(|n| (nth(n * 2, true), u64::MAX)));
        assert_eq!((peer.len(), more), (20, 5));
        assert_eq!(peer[1].text(false), "2001:288:0:2::/64=18446744073709551615");
    }

    #[test]
    fn a_line_of_text_has_few_networks() {
        let all: Vec<(IpNet, u64)> = (56..72).map(|n| (nth(n, false), 254)).collect();
        let (peer, _) = scanned_networks(all);
        let sweep = Finding { peer, more: 2, ..finding([192, 0, 2, 9], Kind::Scan, Role::Source) };
        let (few, more) = sweep.first_peers(3);
        assert_eq!(texts(&few), ["140.119.56.0/21=2032", "140.119.64.0/21=2032"]);
        assert_eq!(more, 2);
        assert_eq!(sweep.first_peers(16), (sweep.peer.clone(), 2));
        assert_eq!(sweep.first_peers(1), (few[..1].to_vec(), 3));
        // The entries of other kinds are ordered by their flows.
        let spread = Finding { kind: Kind::Port, ..sweep.clone() };
        assert_eq!(spread.first_peers(3), (sweep.peer[..3].to_vec(), 15));
    }

    #[test]
    fn entries_that_are_no_halves_stay_as_they_are() {
        let peer = |text: &str, flows| Peer { host: Host::parse(text).unwrap(), flows };
        let odd = [
            peer("0.0.0.0/0", None),
            peer("10.0.0.0/24", Some(1)),
            peer("10.0.0.0/24", Some(1)),
            peer("10.0.0.1", Some(1)),
            peer("10.0.2.0/24", Some(1)),
            peer("::/0", Some(1)),
        ];
        assert_eq!(merged(&odd), odd);
        let unknown = [peer("10.0.0.0/24", None), peer("10.0.1.0/24", Some(7))];
        assert_eq!(merged(&unknown), [peer("10.0.0.0/23", None)]);
        let great = [peer("10.0.0.0/24", Some(u64::MAX)), peer("10.0.1.0/24", Some(7))];
        assert_eq!(merged(&great), [peer("10.0.0.0/23", Some(u64::MAX))]);
    }

    proptest! {
        /// Holds the merging to the library's, and each sum to a search of all networks.
        #[test]
        fn merged_networks_have_the_flows_of_their_parts(
            nets in prop::collection::btree_map(0u32..64, 0u64..1000, 0..64),
            is_ipv6 in any::<bool>(),
        ) {
            let nets: BTreeMap<IpNet, u64> =
                nets.into_iter().map(|(n, flows)| (nth(n, is_ipv6), flows)).collect();
            let all: Vec<Peer> = nets
                .iter()
                .map(|(net, flows)| Peer { host: Host::Prefix(*net), flows: Some(*flows) })
                .collect();
            let expected: Vec<Peer> = IpNet::aggregate(&nets.keys().copied().collect())
                .into_iter()
                .map(|whole| Peer {
                    host: Host::Prefix(whole),
                    flows: Some(nets.iter().filter(|(net, _)| whole.contains(*net)).map(|(_, flows)| flows).sum()),
                })
                .collect();
            prop_assert_eq!(&merged(&all), &expected);
            let column = if all.len() > MAX_PEERS { expected } else { all };
            let more = column.len().saturating_sub(MAX_PEERS) as u64;
            let column = column.into_iter().take(MAX_PEERS).collect::<Vec<_>>();
            prop_assert_eq!(scanned_networks(nets), (column, more));
        }
    }
}
