//! The clients that inside servers had in the day before: if a server dies, they keep asking, and that looks like a
//! distributed flood. A flood that kills a server has other sources.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::detect::slot::DAY;

/// The fewest clients in a window of a server that is remembered.
pub(super) const FEW: usize = 10;
/// The most clients of one server that are stored, 8 bytes each: those of a university's learning platform, and more. A
/// server with more than that has none that are known for sure, so it gets no excuse.
pub(super) const MAX_CLIENTS: usize = 1 << 16;
/// The most servers that are stored; beyond them, those with the fewest clients are forgotten.
const MAX_SERVERS: usize = 4096;
/// The most clients of all servers that are stored.
const MAX_ALL: usize = 1 << 21;

/// The servers, with hashes of their clients in order and the slot in which each was last served.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Clients {
    servers: BTreeMap<IpAddr, Vec<(u32, u32)>>,
    /// Servers that were forgotten because there were too many.
    evicted: u64,
    /// Clients that were added since the last window ended.
    #[serde(skip)]
    added: usize,
}

impl Clients {
    /// Returns how many servers are stored, and how many were forgotten because there were too many.
    pub(super) fn sizes(&self) -> (u64, u64) {
        (self.servers.len() as u64, self.evicted)
    }

    /// Returns how many of these hosts, given as hashes, the server served in the day before the slot `now`; `None` if
    /// it is not known.
    pub(super) fn known(
        &self,
        server: IpAddr,
        hosts: impl Iterator<Item = u32>,
        now: u32,
    ) -> Option<u64> {
        let clients = self.servers.get(&server).filter(|all| all.len() < MAX_CLIENTS)?;
        let is_known = |hash: &u32| {
            let at = clients.binary_search_by_key(hash, |(client, _)| *client);
            let client = at.ok().and_then(|at| clients.get(at));
            client.is_some_and(|(_, last)| last.saturating_add(DAY) >= now)
        };
        Some(hosts.filter(is_known).count() as u64)
    }

    /// Adds the clients that a server served in a window whose last slot is `now`.
    pub(super) fn learn(&mut self, server: IpAddr, clients: &[u32], now: u32) {
        let are_many = self.servers.len() >= 2 * MAX_SERVERS && !self.servers.contains_key(&server);
        if are_many || self.added > MAX_ALL {
            self.close(now);
        }
        let known = self.servers.entry(server).or_default();
        let mut new: Vec<u32> = Vec::new();
        for client in clients {
            let at = known.binary_search_by_key(client, |(hash, _)| *hash);
            match at.ok().and_then(|at| known.get_mut(at)) {
                Some((_, last)) => *last = now,
                None => new.push(*client),
            }
        }
        new.sort_unstable();
        new.dedup();
        new.truncate(MAX_CLIENTS.saturating_sub(known.len()));
        self.added += new.len();
        known.extend(new.into_iter().map(|client| (client, now)));
        // Two runs that are sorted, which a stable sort merges.
        known.sort();
    }

    /// Ends a window whose last slot is `now`.
    pub(super) fn close(&mut self, now: u32) {
        self.added = 0;
        for clients in self.servers.values_mut() {
            clients.retain(|(_, last)| last.saturating_add(DAY) >= now);
        }
        self.servers.retain(|_, clients| !clients.is_empty());
        let mut all: usize = self.servers.values().map(Vec::len).sum();
        if self.servers.len() <= MAX_SERVERS && all <= MAX_ALL {
            return;
        }
        let mut order: Vec<(usize, IpAddr)> =
            self.servers.iter().map(|(server, clients)| (clients.len(), *server)).collect();
        order.sort_unstable();
        for (clients, server) in order {
            if self.servers.len() <= MAX_SERVERS && all <= MAX_ALL {
                break;
            }
            self.servers.remove(&server);
            all -= clients;
            self.evicted += 1;
        }
    }
}

/// Returns the hash of a client.
pub(super) fn hash(client: IpAddr) -> u32 {
    use crate::conversation::Address;
    match client {
        IpAddr::V4(client) => u32::from(client).digest(),
        IpAddr::V6(client) => u128::from(client).digest(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    #[test]
    fn clients_are_known_for_a_day() {
        let mut clients = Clients::default();
        assert_eq!(clients.known(SERVER, 0..9, 5), None);
        clients.learn(SERVER, &[1, 2, 3], 5);
        clients.learn(SERVER, &[3, 4], 6);
        clients.close(6);
        assert_eq!(clients.known(SERVER, 0..9, 6), Some(4));
        assert_eq!(clients.known(SERVER, 0..9, 6 + DAY), Some(2), "the last time counts");
        assert_eq!(clients.known(SERVER, 0..9, 7 + DAY), Some(0));
        clients.close(7 + DAY);
        assert_eq!(clients.sizes(), (0, 0));
    }

    #[test]
    fn many_clients_and_many_servers_do_not_fill_memory() {
        let mut clients = Clients::default();
        let all: Vec<u32> = (0..2 * MAX_CLIENTS as u32).collect();
        clients.learn(SERVER, &all, 1);
        assert_eq!(clients.servers[&SERVER].len(), MAX_CLIENTS);
        assert_eq!(clients.known(SERVER, 0..9, 1), None, "too many to know them all");
        for n in 0..2 * MAX_SERVERS as u32 {
            clients.learn(IpAddr::V4((0x0b00_0000 + n).into()), &[n, n + 1], 1);
        }
        clients.close(1);
        assert_eq!(clients.sizes(), (MAX_SERVERS as u64, MAX_SERVERS as u64 + 1));
        assert!(clients.servers.contains_key(&SERVER));
        for n in 0..100u32 {
            clients.learn(IpAddr::V4((0x0c00_0000 + n).into()), &all, 1);
            let stored: usize = clients.servers.values().map(Vec::len).sum();
            assert!(stored <= 2 * MAX_ALL + MAX_CLIENTS, "{stored}");
        }
    }
}
