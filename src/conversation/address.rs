//! Addresses of one family as plain numbers, and rows that hold two of them.

use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::io;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::table::{Group, Row, Shards};

/// A row of two IPv4 addresses and six words.
pub type Row4 = [u32; 8];
/// A row of two IPv6 addresses and six words.
pub type Row6 = [u32; 14];

/// The rows of both address families.
#[derive(Debug)]
pub struct Families {
    together: Together,
    hasher: RandomState,
    /// Rows of IPv4 addresses.
    pub v4: Shards<Row4>,
    /// Rows of IPv6 addresses.
    pub v6: Shards<Row6>,
}

/// The rows that stay together: they are in one partition and follow each other when it is sorted.
#[derive(Clone, Copy, Debug)]
pub enum Together {
    /// Rows with the same two addresses.
    Pair,
    /// Rows with the same first address.
    First,
    /// Rows whose first addresses are in the same /24, or the same /64 of IPv6, so that the rows of one host
    /// follow those of its neighbour.
    Net,
}

impl Together {
    #[inline]
    fn hash<A: Address>(self, [first, second]: [A; 2], hasher: &RandomState) -> u64 {
        match self {
            Together::Pair => hasher.hash_one((first, second)),
            Together::First => hasher.hash_one(first),
            Together::Net => hasher.hash_one(first.net()),
        }
    }

    fn group<A: Address>(self) -> Group<A::Row> {
        match self {
            Together::Pair => |row, hasher| Together::Pair.hash(A::both(row), hasher),
            Together::First => |row, hasher| Together::First.hash(A::both(row), hasher),
            Together::Net => |row, hasher| Together::Net.hash(A::both(row), hasher),
        }
    }
}

impl Families {
    /// Returns empty tables. Rows beyond about `memory` bytes go to temporary files.
    pub fn new(memory: u64, together: Together) -> Families {
        let hasher = RandomState::default();
        Families {
            together,
            v4: Shards::new(memory / 2, hasher.clone(), together.group::<u32>()),
            v6: Shards::new(memory / 2, hasher.clone(), together.group::<u128>()),
            hasher,
        }
    }

    /// Adds the row of two addresses.
    ///
    /// # Errors
    /// Writing a temporary file fails.
    #[inline(always)]
    pub fn push<A: Address>(&mut self, both: [A; 2], row: A::Row) -> io::Result<()> {
        let hash = self.together.hash(both, &self.hasher);
        A::shards(self).push(hash, row)
    }
}

/// An address as a number: [`u32`] for IPv4, [`u128`] for IPv6.
pub trait Address: Copy + Ord + Hash + Debug + Default {
    /// A row of two addresses and six words. Rows sort by the first address, the first word, the second
    /// address and the other words.
    type Row: Row;

    /// The most bytes per packet of a flow without data: the IP header (20 bytes for IPv4, 40 for IPv6), a TCP
    /// header of 44 bytes and 4 bytes to spare. A TCP header can have 60 bytes (RFC 9293 section 3.1), but
    /// 44 bytes is the longest that SYNs are seen with.
    const BARE: u64;
    /// Bytes per packet above which a conversation with packets in both directions surely carried data: the
    /// IP header and a TCP header of 44 bytes.
    const LOADED: u64;
    /// The most bytes of a reset: the IP header, the TCP header and an option of 4 bytes for the maximum
    /// segment size (RFC 9293 sections 3.1 and 3.2).
    const RESET: u64;
    /// The bytes of a reset without options: the IP header and a TCP header of 20 bytes.
    const LEAST: u64;

    /// Returns the address as an [`IpAddr`].
    fn ip(self) -> IpAddr;

    /// Returns 32 bits that stand for the address, the same on every machine, because they are written to
    /// files. Two IPv6 addresses may have the same digest: counting distinct targets then misses one.
    fn digest(self) -> u32;

    /// Returns the first address of the host's /24, or of its /64 for IPv6.
    fn net(self) -> Self;

    /// Returns the host's /24, or its /64 for IPv6, as an [`IpNet`].
    fn prefix(self) -> IpNet;

    /// Makes a row of two addresses, the first word and the other words.
    fn pack(a: Self, first: u32, b: Self, rest: [u32; 5]) -> Self::Row;

    /// Splits a row into the parts that [`pack`](Address::pack) takes.
    fn unpack(row: &Self::Row) -> (Self, u32, Self, [u32; 5]);

    /// Returns the two addresses of a row.
    #[inline]
    fn both(row: &Self::Row) -> [Self; 2] {
        let (first, _, second, _) = Self::unpack(row);
        [first, second]
    }

    /// Returns the rows of this address family.
    fn shards(families: &mut Families) -> &mut Shards<Self::Row>;

    /// Returns a number that grows with the address, to compare addresses of one site: the address itself
    /// for IPv4; for IPv6 the lower 16 bits of the /64's number and the lower 16 bits of the host's.
    fn low(self) -> u32;
}

impl Address for u32 {
    type Row = Row4;

    const BARE: u64 = 68;
    const LOADED: u64 = 64;
    const RESET: u64 = 44;
    const LEAST: u64 = 40;

    fn ip(self) -> IpAddr {
        IpAddr::V4(self.into())
    }

    fn digest(self) -> u32 {
        self
    }

    fn net(self) -> u32 {
        self & !0xff
    }

    fn prefix(self) -> IpNet {
        IpNet::V4(Ipv4Net::new_assert(self.net().into(), 24))
    }

    #[inline]
    fn pack(a: u32, first: u32, b: u32, [r0, r1, r2, r3, r4]: [u32; 5]) -> Row4 {
        [a, first, b, r0, r1, r2, r3, r4]
    }

    #[inline]
    fn unpack(&[a, first, b, r0, r1, r2, r3, r4]: &Row4) -> (u32, u32, u32, [u32; 5]) {
        (a, first, b, [r0, r1, r2, r3, r4])
    }

    fn shards(families: &mut Families) -> &mut Shards<Row4> {
        &mut families.v4
    }

    fn low(self) -> u32 {
        self
    }
}

impl Address for u128 {
    type Row = Row6;

    const BARE: u64 = 88;
    const LOADED: u64 = 84;
    const RESET: u64 = 64;
    const LEAST: u64 = 60;

    fn ip(self) -> IpAddr {
        IpAddr::V6(self.into())
    }

    fn digest(self) -> u32 {
        crc32fast::hash(&self.to_be_bytes())
    }

    fn net(self) -> u128 {
        self >> 64 << 64
    }

    fn prefix(self) -> IpNet {
        IpNet::V6(Ipv6Net::new_assert(self.net().into(), 64))
    }

    #[inline]
    fn pack(a: u128, first: u32, b: u128, [r0, r1, r2, r3, r4]: [u32; 5]) -> Row6 {
        let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (words(a), words(b));
        [a0, a1, a2, a3, first, b0, b1, b2, b3, r0, r1, r2, r3, r4]
    }

    #[inline]
    fn unpack(row: &Row6) -> (u128, u32, u128, [u32; 5]) {
        let &[a0, a1, a2, a3, first, b0, b1, b2, b3, r0, r1, r2, r3, r4] = row;
        (number([a0, a1, a2, a3]), first, number([b0, b1, b2, b3]), [r0, r1, r2, r3, r4])
    }

    fn shards(families: &mut Families) -> &mut Shards<Row6> {
        &mut families.v6
    }

    fn low(self) -> u32 {
        // Both the hosts of a network and the networks of a site are numbered at the low end.
        (((self >> 64) as u32) << 16) | (self as u32 & 0xffff)
    }
}

fn words(address: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| (address >> shift) as u32)
}

fn number(words: [u32; 4]) -> u128 {
    words.iter().fold(0, |sum, word| (sum << 32) | u128::from(*word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_unpack_to_their_parts_and_sort_by_them(
            rows in proptest::collection::vec((any::<u128>(), any::<u32>(), any::<u128>(), any::<[u32; 5]>()), 2..3),
        ) {
            let six: Vec<Row6> = rows.iter().map(|&(a, f, b, r)| u128::pack(a, f, b, r)).collect();
            for (row, packed) in rows.iter().zip(&six) {
                prop_assert_eq!(u128::unpack(packed), *row);
            }
            prop_assert_eq!(rows[0].cmp(&rows[1]), six[0].cmp(&six[1]));
            let four: Vec<_> = rows.iter().map(|&(a, f, b, r)| (a as u32, f, b as u32, r)).collect();
            let packed: Vec<Row4> = four.iter().map(|&(a, f, b, r)| u32::pack(a, f, b, r)).collect();
            prop_assert_eq!(u32::unpack(&packed[0]), four[0]);
            prop_assert_eq!(four[0].cmp(&four[1]), packed[0].cmp(&packed[1]));
        }
    }
}
