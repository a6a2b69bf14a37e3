//! Accounts of exporter addresses: how much each holds of the tables that all share, and which one pays
//! when a table is full.
//!
//! UDP sources are forged at will, and one sender can name domains and templates without end. So the
//! tables are shared out by the address that datagrams come from:
//!
//! 1. No address holds more than a limit of its own ([`DecoderLimits::exporter_domains`] and its like). One
//!    that asks for more loses its own longest silent domain.
//! 2. Where a table is full, the address that holds most of it pays first, with its longest silent
//!    domain.
//! 3. As long as nobody holds more than a reserve, a small part of the table, that would make the
//!    exporters with two domains pay for forged ones with one. Then addresses pay in this order: those
//!    that were heard for less than a minute, the longest silent first; those that were silent for an
//!    hour, the longest silent first; and of all others the one that came last.
//!
//! Rule 3 is what is left against a flood from many addresses: it costs others of its kind, and
//! exporters that came with it or after it, but none that was there before and still speaks.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use foldhash::fast::RandomState;

use super::Domain;
use super::limits::DecoderLimits;
use crate::time::Timestamp;

/// Seconds after which an address is no newcomer.
const KNOWN: u64 = 60;

/// Seconds of silence after which an address has no claim from having come early.
const SILENT: u64 = 3600;

/// A table that addresses share.
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

    /// Returns the most that all addresses together may hold of it.
    const fn limit(self, limits: &DecoderLimits) -> usize {
        match self {
            Table::Domains => limits.domains,
            Table::Templates => limits.all_templates,
            Table::Restated => limits.restated,
            Table::Samplers => limits.all_samplers,
        }
    }

    /// Returns the most that one address may hold of it.
    const fn own_limit(self, limits: &DecoderLimits) -> usize {
        match self {
            Table::Domains => limits.exporter_domains,
            Table::Templates => limits.exporter_templates,
            Table::Restated => limits.exporter_restated,
            Table::Samplers => limits.exporter_samplers,
        }
    }

    /// Returns what an address may hold before it pays for being the largest: by default 64 domains,
    /// and of the other tables as much as one domain may fill with templates or samplers.
    fn reserve(self, limits: &DecoderLimits) -> usize {
        match self {
            Table::Domains => limits.domains / 256,
            _ => self.limit(limits) / 64,
        }
        .max(1)
    }
}

/// The number of entries, or bytes, held of each table.
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

    /// This with `after` in place of `before`.
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
    /// Its domains by their last arrival, or by an earlier one: brought up to date only when one must
    /// go, so that a flood of forged domains costs no search for each.
    silent: BTreeSet<(Timestamp, Domain)>,
    /// When it was heard first; 0 if its templates were restated, not sent.
    first: Timestamp,
    /// Under which moment it stands among the newcomers, or among the others.
    listed: Timestamp,
    is_known: bool,
}

/// The addresses that hold something of one table, in the orders in which they pay.
#[derive(Debug, Default)]
struct Holders {
    /// By how much they hold.
    by_load: BTreeSet<(usize, IpAddr)>,
    /// Those that were heard for less than [`KNOWN`] when that was looked at, by their last arrival or by
    /// an earlier one.
    newcomers: BTreeSet<(Timestamp, IpAddr)>,
    /// The others, in the same order.
    known: BTreeSet<(Timestamp, IpAddr)>,
    /// The others by their first arrival.
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

/// The orders in which addresses pay where none holds more than a reserve.
#[derive(Clone, Copy, Debug)]
enum Order {
    Newcomers,
    Silent,
    Latest,
}

/// The accounts of all addresses.
#[derive(Debug, Default)]
pub(super) struct Shares {
    accounts: HashMap<IpAddr, Account, RandomState>,
    total: TableLoad,
    /// For each table, the addresses that hold something of it.
    holders: [Holders; 4],
    /// When the first domain was opened that was not restated: nobody was listened to before.
    began: Option<Timestamp>,
}

impl Shares {
    /// Opens a domain on the account of an address. Returns false if there is no memory for it.
    pub fn open(&mut self, address: IpAddr, domain: Domain, arrival: Timestamp) -> bool {
        if self.accounts.try_reserve(1).is_err() {
            return false;
        }
        let new = || {
            // What was restated was heard by somebody else long enough.
            let is_known = arrival == Timestamp::default();
            let silent = BTreeSet::new();
            Account {
                load: TableLoad::default(),
                silent,
                first: arrival,
                listed: arrival,
                is_known,
            }
        };
        if arrival != Timestamp::default() {
            self.began.get_or_insert(arrival);
        }
        self.accounts.entry(address).or_insert_with(new).silent.insert((arrival, domain));
        self.change(address, TableLoad::default(), TableLoad::of_domain(0, 0, 0));
        true
    }

    /// Notes that a domain of this address holds `after` and no longer `before`.
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

    /// Closes a domain that was picked, and held this much.
    pub fn close(&mut self, address: IpAddr, load: TableLoad) {
        self.change(address, load, TableLoad::default());
    }

    /// Returns true if all addresses together hold more of a table than its limit; with `one_more`, if
    /// they would with one more.
    pub fn is_over(&self, table: Table, limits: &DecoderLimits, one_more: bool) -> bool {
        self.total.get(table) + usize::from(one_more) > table.limit(limits).max(1)
            // Nothing is kept where nothing may be.
            && self.total.get(table) > 0
    }

    /// The same of one address and its own limit.
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

    /// Picks the longest silent domain of an address, but not `keep`; it must be closed then. Of equally
    /// silent ones it is the least, so that a replay drops the same. `last` tells when a domain was heard last.
    pub fn oldest(
        &mut self,
        address: IpAddr,
        keep: Domain,
        last: impl Fn(&Domain) -> Option<Timestamp>,
    ) -> Option<Domain> {
        let silent = &mut self.accounts.get_mut(&address)?.silent;
        let mut kept = None;
        let found = loop {
            let Some((listed, domain)) = silent.pop_first() else { break None };
            match last(&domain) {
                // Once brought up to date it does not come here again, so the loop ends.
                Some(last) if last > listed => _ = silent.insert((last, domain)),
                Some(_) if domain == keep => kept = Some((listed, domain)),
                Some(_) => break Some(domain),
                None => {}
            }
        };
        silent.extend(kept);
        found
    }

    /// Picks the domain that goes where a table is full at `now`, but not `keep`; it must be closed then.
    /// Returns who pays with it.
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
        let mut passed = None;
        for order in [Order::Newcomers, Order::Silent, Order::Latest] {
            // `keep` is of one address, so the second one has a domain that can go.
            for _ in 0..2 {
                let Some(address) = self.first_in(order, table, now, passed, &last) else { break };
                match self.oldest(address, keep, &last) {
                    Some(domain) => return Some((address, domain)),
                    None => passed = Some(address),
                }
            }
        }
        self.largest(table, 0, keep, &last)
    }

    /// The address that holds most of a table, if that is more than `reserve`. One whose only domain
    /// must stay is passed over.
    fn largest(
        &mut self,
        table: Table,
        reserve: usize,
        keep: Domain,
        last: &impl Fn(&Domain) -> Option<Timestamp>,
    ) -> Option<(IpAddr, Domain)> {
        // `keep` is of one address, so the second one has a domain that can go.
        let largest: Vec<_> = self.holders(table).by_load.iter().rev().take(2).copied().collect();
        let over = largest.into_iter().filter(|&(load, _)| load > reserve);
        let mut found = over.map(|(_, address)| (address, self.oldest(address, keep, last)));
        found.find_map(|(address, domain)| Some((address, domain?)))
    }

    /// The address that pays first in this order, but not `passed`.
    fn first_in(
        &mut self,
        order: Order,
        table: Table,
        now: Timestamp,
        passed: Option<IpAddr>,
        last: &impl Fn(&Domain) -> Option<Timestamp>,
    ) -> Option<IpAddr> {
        loop {
            let holders = self.holders(table);
            let is_free = |&&(_, address): &&(Timestamp, IpAddr)| Some(address) != passed;
            let (listed, address) = *match order {
                Order::Newcomers => holders.newcomers.iter().find(is_free)?,
                Order::Silent => holders.known.iter().find(is_free)?,
                Order::Latest => {
                    return holders
                        .by_first
                        .iter()
                        .rev()
                        .find(is_free)
                        .map(|&(_, address)| address);
                }
            };
            let account = self.accounts.get(&address)?;
            // It has no more domains here than a reserve.
            let heard = account.silent.iter().filter_map(|(_, domain)| last(domain)).max();
            let heard = heard.unwrap_or(listed).max(listed);
            let is_known =
                account.is_known || heard.secs().saturating_sub(account.first.secs()) >= KNOWN;
            if heard == listed && is_known == account.is_known {
                let since = self.began.map_or(heard, |began| heard.max(began));
                let silence = now.secs().saturating_sub(since.secs());
                let pays = matches!(order, Order::Newcomers) || silence >= SILENT;
                return pays.then_some(address);
            }
            // Once brought up to date it does not come here again, so the loop ends.
            self.list(address, heard, is_known);
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

    /// Gives an address its place among the newcomers, or among the others, by when it was heard.
    fn list(&mut self, address: IpAddr, heard: Timestamp, is_known: bool) {
        let Some(account) = self.accounts.get_mut(&address) else { return };
        let before = (account.listed, account.is_known);
        for (table, holders) in Table::ALL.into_iter().zip(&mut self.holders) {
            if account.load.get(table) > 0 {
                (account.listed, account.is_known) = before;
                holders.remove(address, account);
                (account.listed, account.is_known) = (heard, is_known);
                holders.add(address, account);
            }
        }
    }
}
