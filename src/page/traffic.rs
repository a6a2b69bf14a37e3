//! The traffic of the site: what each protocol, address, port and interface sent and received.
//!
//! nf-every10 counts each slot and writes tables of nftop's CSV, one behind the other. A [`TrafficReader`]
//! reads them, whatever columns and tables a later version adds, and returns a [`SlotTraffic`] for each window. A
//! [`TrafficDay`] is what the site keeps of the windows of a day.
//!
//! Nothing here does more I/O than reading from what it is given.

mod day;
mod lines;
mod read;
mod slot;

pub use day::{AddressOctets, AddressSum, DaySum, KEPT_ADDRESSES, TrafficDay, WindowTraffic};
pub use read::{BadRow, Problems, Traffic, TrafficReader};
pub use slot::{
    Counts, Entry, MAX_ADDRESSES, MAX_INTERFACES, MAX_PORTS, MAX_PROTOCOLS, MAX_WINDOWS, ProtoPort,
    ProtocolCounts, SlotTraffic,
};
