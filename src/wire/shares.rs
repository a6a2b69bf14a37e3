//! Accounts of exporter addresses: the load that each puts on the shared tables, and which one loses
//! a domain when a table is full.
//!
//! UDP sources can be forged, and one sender can name domains and templates without end. Therefore
//! the tables are shared out by the source address of the datagrams:
//!
//! 1. An address holds at most a limit of its own ([`DecoderLimits::exporter_domains`] and the like).
//!    If it exceeds the limit, it loses its own longest silent domain.
//! 2. If a table is full, the address that holds most of it loses its longest silent domain.
//! 3. Rule 2 applies only to an address that holds more than a reserve, a small part of the table.
//!    Otherwise exporters with two domains would lose them to forged addresses with one domain each.
//!    If no address exceeds the reserve, the order is: first newcomers (addresses that have been known
//!    for less than a minute), longest silent first; then addresses that have been silent for an hour,
//!    longest silent first; then of all others the one that appeared last.
//!
//! Rule 3 is the defence against a flood from many addresses. The flood evicts its own kind, and
//! exporters that appeared with it or after it, but no exporter that was there before and still
//! sends.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::domain::Domain;
use super::limits::DecoderLimits;
use crate::time::Timestamp;

/// Seconds after which an address is no longer a newcomer.
const KNOWN: u64 = 60;

/// Seconds of silence after which it no longer counts that an address appeared early.
const SILENT: u64 = 3600;

/// A table that all addresses share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    Domains,
    Templates,
    Restated,
    Samplers,
}

impl Table {
    pub const ALL: [Table; 4] =
        [Table::Domains, Table::Templates, Table::Restated, Table::Samplers];

    /// Returns the limit for all addresses together.
    const fn limit(self, limits: &DecoderLimits) -> usize {
        match self {
            Table::Domains => limits.domains,
            Table::Templates => limits.all_templates,
            Table::Restated => limits.restated,
            Table::Samplers => limits.all_samplers,
        }
    }

    /// Returns the limit for one address.
    const fn own_limit(self, limits: &DecoderLimits) -> usize {
        match self {
            Table::Domains => limits.exporter_domains,
            Table::Templates => limits.exporter_templates,
            Table::Restated => limits.exporter_restated,
            Table::Samplers => limits.exporter_samplers,
        }
    }

    /// Returns the reserve: the load that an address may have without being evicted for being the
    /// largest. By default it is 64 domains, and of the other tables as much as one domain may fill
    /// with templates or samplers.
    fn reserve(self, limits: &DecoderLimits) -> usize {
        match self {
            Table::Domains => limits.domains / 256,
            _ => self.limit(limits) / 64,
        }
        .max(1)
    }
}

/// The entries, or bytes, that are held in each table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TableLoad([usize; 4]);

impl TableLoad {
    /// Returns the load of one domain.
    pub const fn of_domain(templates: usize, restated: usize, samplers: usize) -> TableLoad {
        TableLoad([1, templates, restated, samplers])
    }

    const fn get(self, table: Table) -> usize {
        let TableLoad([domains, templates, restated, samplers]) = self;
        match table {
            Table::Domains => domains,
            Table::Templates => templates,
            Table::Restated => restated,
            Table::Samplers => samplers,
        }
    }

    /// Returns the load after a part of it has changed from `before` to `after`.
    fn changed(self, before: TableLoad, after: TableLoad) -> TableLoad {
        let mut all = self.0;
        for ((n, before), after) in all.iter_mut().zip(before.0).zip(after.0) {
            *n = (*n + after).saturating_sub(before);
        }
        TableLoad(all)
    }
}

/// The account of one address.
#[derive(Debug)]
struct Account {
    load: TableLoad,
    /// Domains by their last arrival, or by an earlier one. An entry is brought up to date only when a
    /// domain must go, so that a flood of forged domains does not cost a search each.
    by_arrival: BTreeSet<(Timestamp, Domain)>,
    /// First arrival; 0 if the templates were restated and not sent.
    first: Timestamp,
    /// Arrival under which the address stands in [`Holders`].
    listed: Timestamp,
    /// The address is no newcomer.
    is_known: bool,
}

/// The addresses that hold entries of one table, in the orders of eviction.
#[derive(Debug, Default)]
struct Holders {
    /// All addresses by their load.
    by_load: BTreeSet<(usize, IpAddr)>,
    /// Newcomers by their last arrival, or by an earlier one. Some of them have been known for
    /// [`KNOWN`] seconds by now; that is brought up to date when one must go.
    newcomers: BTreeSet<(Timestamp, IpAddr)>,
    /// Other addresses, in the same order.
    known: BTreeSet<(Timestamp, IpAddr)>,
    /// Other addresses by their first arrival.
    by_first: BTreeSet<(Timestamp, IpAddr)>,
}

impl Holders {
    fn add(&mut self, address: IpAddr, account: &Account) {
        if account.is_known {
            self.known.insert((account.listed, address));
            self.by_first.insert((account.first, address));
        } else {
            self.newcomers.insert((account.listed, address));
        }
    }

    fn remove(&mut self, address: IpAddr, account: &Account) {
        if account.is_known {
            self.known.remove(&(account.listed, address));
            self.by_first.remove(&(account.first, address));
        } else {
            self.newcomers.remove(&(account.listed, address));
        }
    }
}

/// An order of eviction for the case that no address exceeds the reserve.
#[derive(Clone, Copy, Debug)]
enum Order {
    /// Newcomers, longest silent first.
    Newcomers,
    /// Addresses that have been silent for [`SILENT`] seconds, longest silent first.
    Silent,
    /// Other addresses, the one that appeared last first.
    Latest,
}

/// The accounts of all addresses.
#[derive(Debug, Default)]
pub(super) struct Shares {
    accounts: HashMap<IpAddr, Account, RandomState>,
    total: TableLoad,
    /// The holders of each table.
    holders: [Holders; 4],
    /// Arrival of the first datagram that was not restated. Before it no address could be heard, so
    /// silence is counted from here.
    began: Option<Timestamp>,
}

impl Shares {
    /// Opens a domain in the account of an address. Returns false if there is no memory for it.
    pub fn open(&mut self, address: IpAddr, domain: Domain, arrival: Timestamp) -> bool {
        if self.accounts.try_reserve(1).is_err() {
            return false;
        }
        let new = || {
            // Another decoder knew the exporter of a restated datagram long enough.
            let is_known = arrival == Timestamp::default();
            Account {
                load: TableLoad::default(),
                by_arrival: BTreeSet::new(),
                first: arrival,
                listed: arrival,
                is_known,
            }
        };
        if arrival != Timestamp::default() {
            self.began.get_or_insert(arrival);
        }
        self.accounts.entry(address).or_insert_with(new).by_arrival.insert((arrival, domain));
        self.change(address, TableLoad::default(), TableLoad::of_domain(0, 0, 0));
        true
    }

    /// Notes that the load of a domain of this address has changed.
    pub fn change(&mut self, address: IpAddr, before: TableLoad, after: TableLoad) {
        let Some(account) = self.accounts.get_mut(&address) else { return };
        self.total = self.total.changed(before, after);
        let old = account.load;
        account.load = old.changed(before, after);
        for (table, holders) in Table::ALL.into_iter().zip(&mut self.holders) {
            let (old, new) = (old.get(table), account.load.get(table));
            if old == new {
                continue;
            }
            holders.by_load.remove(&(old, address));
            if new > 0 {
                holders.by_load.insert((new, address));
            }
            if old == 0 {
                holders.add(address, account);
            } else if new == 0 {
                holders.remove(address, account);
            }
        }
        if account.load == TableLoad::default() {
            self.accounts.remove(&address);
        }
    }

    /// Closes a domain that was picked, and that had this load.
    pub fn close(&mut self, address: IpAddr, load: TableLoad) {
        self.change(address, load, TableLoad::default());
    }

    /// Returns true if all addresses together exceed the limit of a table, or would exceed it with one
    /// more entry if `one_more` is true.
    pub fn is_over(&self, table: Table, limits: &DecoderLimits, one_more: bool) -> bool {
        self.total.get(table) + usize::from(one_more) > table.limit(limits).max(1)
            // An empty table has nothing to evict, even if its limit is 0.
            && self.total.get(table) > 0
    }

    /// Returns true if one address exceeds its own limit of a table; `one_more` as for
    /// [`is_over`](Shares::is_over).
    pub fn is_own_over(
        &self,
        address: IpAddr,
        table: Table,
        limits: &DecoderLimits,
        one_more: bool,
    ) -> bool {
        let load = self.accounts.get(&address).map_or(0, |account| account.load.get(table));
        load > 0 && load + usize::from(one_more) > table.own_limit(limits).max(1)
    }

    /// Picks the longest silent domain of an address except `keep`. The caller must close it. Among
    /// equally silent domains it picks the smallest, so that a replay evicts the same ones. `last`
    /// returns the last arrival of a domain.
    pub fn oldest(
        &mut self,
        address: IpAddr,
        keep: Domain,
        last: impl Fn(&Domain) -> Option<Timestamp>,
    ) -> Option<Domain> {
        let by_arrival = &mut self.accounts.get_mut(&address)?.by_arrival;
        let mut kept = None;
        let found = loop {
            let Some((listed, domain)) = by_arrival.pop_first() else { break None };
            match last(&domain) {
                // Each entry is brought up to date at most once, so the loop ends.
                Some(last) if last > listed => _ = by_arrival.insert((last, domain)),
                Some(_) if domain == keep => kept = Some((listed, domain)),
                Some(_) => break Some(domain),
                None => {}
            }
        };
        by_arrival.extend(kept);
        found
    }

    /// Picks the domain to evict if a table is full at `now`, except `keep`. The caller must close it.
    /// Returns the domain with the address whose account it is in.
    pub fn pick(
        &mut self,
        table: Table,
        limits: &DecoderLimits,
        now: Timestamp,
        keep: Domain,
        last: impl Fn(&Domain) -> Option<Timestamp>,
    ) -> Option<(IpAddr, Domain)> {
        let reserve = table.reserve(limits);
        if let Some(found) = self.largest(table, reserve, keep, &last) {
            return Some(found);
        }
        let mut skipped = None;
        for order in [Order::Newcomers, Order::Silent, Order::Latest] {
            // `keep` belongs to one address, so the second address has a domain to evict.
            for _ in 0..2 {
                let Some(address) = self.first_in(order, table, now, skipped, &last) else { break };
                match self.oldest(address, keep, &last) {
                    Some(domain) => return Some((address, domain)),
                    None => skipped = Some(address),
                }
            }
        }
        self.largest(table, 0, keep, &last)
    }

    /// Picks a domain of the address that holds most of a table, if that is more than `reserve`. An
    /// address whose only domain is `keep` is skipped.
    fn largest(
        &mut self,
        table: Table,
        reserve: usize,
        keep: Domain,
        last: &impl Fn(&Domain) -> Option<Timestamp>,
    ) -> Option<(IpAddr, Domain)> {
        // `keep` belongs to one address, so the second address has a domain to evict.
        let largest: Vec<_> = self.holders(table).by_load.iter().rev().take(2).copied().collect();
        let above = largest.into_iter().filter(|&(load, _)| load > reserve);
        let mut found = above.map(|(_, address)| (address, self.oldest(address, keep, last)));
        found.find_map(|(address, domain)| Some((address, domain?)))
    }

    /// Returns the first address in this order except `skipped`.
    fn first_in(
        &mut self,
        order: Order,
        table: Table,
        now: Timestamp,
        skipped: Option<IpAddr>,
        last: &impl Fn(&Domain) -> Option<Timestamp>,
    ) -> Option<IpAddr> {
        loop {
            let holders = self.holders(table);
            let is_candidate = |&&(_, address): &&(Timestamp, IpAddr)| Some(address) != skipped;
            let (listed, address) = *match order {
                Order::Newcomers => holders.newcomers.iter().find(is_candidate)?,
                Order::Silent => holders.known.iter().find(is_candidate)?,
                Order::Latest => {
                    return holders
                        .by_first
                        .iter()
                        .rev()
                        .find(is_candidate)
                        .map(|&(_, address)| address);
                }
            };
            let account = self.accounts.get(&address)?;
            // The search is short: the address has no more domains than the reserve.
            let arrivals = account.by_arrival.iter().filter_map(|(_, domain)| last(domain));
            let last_arrival = arrivals.max().unwrap_or(listed).max(listed);
            let is_known = account.is_known
                || last_arrival.secs().saturating_sub(account.first.secs()) >= KNOWN;
            if last_arrival == listed && is_known == account.is_known {
                let since = self.began.map_or(last_arrival, |began| last_arrival.max(began));
                let silence = now.secs().saturating_sub(since.secs());
                let is_next = matches!(order, Order::Newcomers) || silence >= SILENT;
                return is_next.then_some(address);
            }
            // Each address is brought up to date at most once, so the loop ends.
            self.list(address, last_arrival, is_known);
        }
    }

    fn holders(&self, table: Table) -> &Holders {
        let [domains, templates, restated, samplers] = &self.holders;
        match table {
            Table::Domains => domains,
            Table::Templates => templates,
            Table::Restated => restated,
            Table::Samplers => samplers,
        }
    }

    /// Lists an address among the newcomers or among the others, by its last arrival.
    fn list(&mut self, address: IpAddr, last_arrival: Timestamp, is_known: bool) {
        let Some(account) = self.accounts.get_mut(&address) else { return };
        let before = (account.listed, account.is_known);
        for (table, holders) in Table::ALL.into_iter().zip(&mut self.holders) {
            if account.load.get(table) > 0 {
                (account.listed, account.is_known) = before;
                holders.remove(address, account);
                (account.listed, account.is_known) = (last_arrival, is_known);
                holders.add(address, account);
            }
        }
    }
}
