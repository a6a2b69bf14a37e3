//! The traffic of a day, as the site keeps it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::slot::{Counts, Entry, MAX_WINDOWS, ProtoPort, ProtocolCounts, SlotTraffic, total};
use crate::time::Window;

/// The most addresses in the sums of a day.
pub const KEPT_ADDRESSES: usize = 200;

/// The traffic of a day, window by window. Equal windows give equal days and equal bytes, in whatever order and
/// however often they come.
///
/// A window is known by its start and its length. One that comes again replaces what was known of it, so a
/// file that is read twice changes nothing, and one that was counted anew corrects the day.
///
/// The counts of all flows and of each protocol are exact. Addresses, ports and interfaces have only the windows
/// in whose lists they stand: a list has the greatest of a window, so a sum over the day may be too small for a key
/// that is not in the list of each window, and a key that is in none is not here at all.
///
/// At most [`MAX_WINDOWS`] windows are kept, the earliest; slots of less than ten seconds must not fill the
/// disk. [`TrafficDay::is_full`] says if there were more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrafficDay {
    windows: BTreeMap<WindowKey, WindowTraffic>,
    is_full: bool,
}

/// The traffic that is kept of a window. Lists have the order of [`SlotTraffic`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowTraffic {
    /// All protocols; none if they were not counted.
    pub protocols: Vec<ProtocolCounts>,
    /// The addresses that are listed in this window.
    pub addresses: Vec<AddressOctets>,
    /// The ports that are listed in this window.
    pub ports: Vec<Entry<ProtoPort>>,
    /// The interfaces that are listed in this window.
    pub interfaces: Vec<Entry<u32>>,
}

impl WindowTraffic {
    /// Returns the counts of all flows of the window; `None` if its protocols were not counted.
    pub fn total(&self) -> Option<Counts> {
        total(&self.protocols)
    }
}

/// The bytes of an address in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressOctets {
    /// The address.
    pub address: IpAddr,
    /// The bytes that it sent.
    pub sent: u64,
    /// The bytes that it received.
    pub received: u64,
}

/// The bytes of an address in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressSum {
    /// The address.
    pub address: IpAddr,
    /// The bytes that it sent in the windows that list it.
    pub sent: u64,
    /// The bytes that it received in the windows that list it.
    pub received: u64,
    /// The number of windows that list it. The sums are exact if these are all windows of the day, or if the
    /// address had no traffic in the others.
    pub windows: usize,
}

impl AddressSum {
    /// Returns the bytes of both sides together.
    pub const fn octets(&self) -> u64 {
        self.sent.saturating_add(self.received)
    }
}

/// The traffic of a key in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DaySum<K> {
    /// The key with its sums over the windows that list it.
    pub entry: Entry<K>,
    /// The number of windows that list it.
    pub windows: usize,
}

impl TrafficDay {
    /// Returns a day without windows.
    pub fn new() -> TrafficDay {
        TrafficDay::default()
    }

    /// Adds a window, or replaces it.
    pub fn add(&mut self, slot: &SlotTraffic) {
        let octets = |of: &Entry<IpAddr>| AddressOctets {
            address: of.key,
            sent: of.sent.octets,
            received: of.received.octets,
        };
        let kept = WindowTraffic {
            protocols: slot.protocols.clone(),
            addresses: slot.addresses.iter().map(octets).collect(),
            ports: slot.ports.clone(),
            interfaces: slot.interfaces.clone(),
        };
        self.put(WindowKey(slot.window), kept);
    }

    /// Adds the windows of another part of the day, which replace those that are the same.
    pub fn merge(&mut self, other: TrafficDay) {
        self.is_full |= other.is_full;
        for (window, kept) in other.windows {
            self.put(window, kept);
        }
    }

    /// Splits the day by windows: those of which `of` returns the same value are one day's.
    pub fn split<K: Ord>(self, of: impl Fn(Window) -> K) -> BTreeMap<K, TrafficDay> {
        let mut days: BTreeMap<K, TrafficDay> = BTreeMap::new();
        for (window, kept) in self.windows {
            let day = days.entry(of(window.0)).or_default();
            day.is_full |= self.is_full;
            day.put(window, kept);
        }
        days
    }

    fn put(&mut self, window: WindowKey, kept: WindowTraffic) {
        self.windows.insert(window, kept);
        if self.windows.len() > MAX_WINDOWS {
            self.windows.pop_last();
            self.is_full = true;
        }
    }

    /// Returns true if the day had more windows than are kept. The last ones are missing.
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns true if the day has no window.
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Returns the windows in the order of time. A window without any flow is not counted, so it is not among
    /// them.
    pub fn windows(&self) -> impl Iterator<Item = (Window, &WindowTraffic)> {
        self.windows.iter().map(|(key, kept)| (key.0, kept))
    }

    /// Returns a window.
    pub fn window(&self, window: Window) -> Option<&WindowTraffic> {
        self.windows.get(&WindowKey(window))
    }

    /// Returns each window in the order of time with the bytes of an address; `None` where it is not listed,
    /// which does not mean that it had no traffic.
    pub fn series(&self, address: IpAddr) -> impl Iterator<Item = (Window, Option<AddressOctets>)> {
        self.windows().map(move |(window, kept)| {
            let of = kept.addresses.iter().find(|of| of.address == address);
            (window, of.copied())
        })
    }

    /// Returns the counts of all flows of the windows whose protocols were counted; `None` if there is no such
    /// window.
    pub fn total(&self) -> Option<Counts> {
        self.windows.values().filter_map(WindowTraffic::total).reduce(Counts::plus)
    }

    /// Returns the sums of all protocols, most bytes first.
    pub fn protocols(&self) -> Vec<ProtocolCounts> {
        let mut sums = BTreeMap::<u8, Counts>::new();
        for of in self.windows.values().flat_map(|kept| &kept.protocols) {
            let sum = sums.entry(of.proto).or_default();
            *sum = sum.plus(of.counts);
        }
        let sums = sums.into_iter().map(|(proto, counts)| ProtocolCounts { proto, counts });
        let mut sums: Vec<_> = sums.collect();
        // Equal ones stay in the order of their keys.
        sums.sort_by_key(|of| std::cmp::Reverse(of.counts.octets));
        sums
    }

    /// Returns the sums of all ports that are listed in a window, most bytes first.
    pub fn ports(&self) -> Vec<DaySum<ProtoPort>> {
        sums(self.windows.values().flat_map(|kept| &kept.ports))
    }

    /// Returns the sums of all interfaces that are listed in a window, most bytes first.
    pub fn interfaces(&self) -> Vec<DaySum<u32>> {
        sums(self.windows.values().flat_map(|kept| &kept.interfaces))
    }

    /// Returns the sums of the addresses that sent most bytes, and of those that received most, half of
    /// [`KEPT_ADDRESSES`] of each; most bytes of both sides first. They are chosen by the sums of all windows,
    /// so the order in which windows came changes nothing.
    pub fn addresses(&self) -> Vec<AddressSum> {
        let mut sums = BTreeMap::<IpAddr, AddressSum>::new();
        for of in self.windows.values().flat_map(|kept| &kept.addresses) {
            let address = of.address;
            let none = AddressSum { address, sent: 0, received: 0, windows: 0 };
            let sum = sums.entry(address).or_insert(none);
            sum.sent = sum.sent.saturating_add(of.sent);
            sum.received = sum.received.saturating_add(of.received);
            sum.windows += 1;
        }
        let mut kept = BTreeMap::new();
        for side in [|of: &AddressSum| of.sent, |of: &AddressSum| of.received] {
            let mut of_side: Vec<_> = sums.values().filter(|of| side(of) > 0).collect();
            // Equal ones stay in the order of their addresses.
            of_side.sort_by_key(|of| std::cmp::Reverse(side(of)));
            for of in of_side.into_iter().take(KEPT_ADDRESSES / 2) {
                kept.insert((std::cmp::Reverse(of.octets()), of.address), *of);
            }
        }
        kept.into_values().collect()
    }
}

/// Returns the sums of entries by key, most bytes first.
fn sums<'a, K: Copy + Ord + 'a>(entries: impl Iterator<Item = &'a Entry<K>>) -> Vec<DaySum<K>> {
    let mut sums = BTreeMap::<K, DaySum<K>>::new();
    for of in entries {
        let none = Counts::default();
        let entry = Entry { key: of.key, sent: none, received: none };
        let sum = sums.entry(of.key).or_insert(DaySum { entry, windows: 0 });
        sum.entry.sent = sum.entry.sent.plus(of.sent);
        sum.entry.received = sum.entry.received.plus(of.received);
        sum.windows += 1;
    }
    let mut sums: Vec<_> = sums.into_values().collect();
    // Equal ones stay in the order of their keys.
    sums.sort_by_key(|sum| std::cmp::Reverse(sum.entry.octets()));
    sums
}

/// A window, written as its start and its length. A length of 0 cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "(u64, u32)", into = "(u64, u32)")]
struct WindowKey(Window);

impl From<WindowKey> for (u64, u32) {
    fn from(WindowKey(window): WindowKey) -> (u64, u32) {
        (window.start(), window.seconds())
    }
}

impl TryFrom<(u64, u32)> for WindowKey {
    type Error = &'static str;

    fn try_from((start, seconds): (u64, u32)) -> Result<WindowKey, &'static str> {
        Window::new(start, seconds).map(WindowKey).ok_or("not a window")
    }
}

#[cfg(test)]
mod tests;
