//! Addresses of one family as plain numbers, and the rows that hold two of them.

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

/// Rows of both families.
#[derive(Debug)]
pub struct Families {
    together: Together,
    hasher: RandomState,
    /// Of IPv4.
    pub v4: Shards<Row4>,
    /// Of IPv6.
    pub v6: Shards<Row6>,
}

/// Which rows come back together.
#[derive(Clone, Copy, Debug)]
pub enum Together {
    /// Those of the same two addresses.
    Pair,
    /// Those of the same first address.
    First,
    /// Those of the same network of first addresses, which is a /24, of IPv6 a /64: an address's rows
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
    /// No rows yet; those beyond about `memory` octets go to temporary files.
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
    /// A temporary file that cannot be written.
    #[inline(always)]
    pub fn push<A: Address>(&mut self, both: [A; 2], row: A::Row) -> io::Result<()> {
        let hash = self.together.hash(both, &self.hasher);
        A::of(self).push(hash, row)
    }
}

/// An address as a number: [`u32`] for IPv4, [`u128`] for IPv6.
pub trait Address: Copy + Ord + Hash + Debug + Default {
    /// Two of them with six words; rows sort by the first address, a word, the second address and the
    /// other words.
    type Row: Row;

    /// Octets a packet has at most that carries nothing: RFC 9293 section 3.1 has 60 octets of TCP
    /// header at most, of which 44 are the longest that a SYN is seen with; 20 of IPv4, 40 of IPv6.
    const BARE: u64;
    /// Octets a packet beyond which a conversation surely carried something.
    const LOADED: u64;
    /// Octets of a packet with nothing but headers and an option for the segment's size: no reset is
    /// longer (RFC 9293 sections 3.1 and 3.2).
    const RESET: u64;

    /// As everyone writes it.
    fn ip(self) -> IpAddr;

    /// It in 32 bits, the same on every machine, for it is written to files. Two of IPv6 may fall together:
    /// where targets of one source are counted, that costs a target.
    fn digest(self) -> u32;

    /// The first address of its /24, for IPv6 of its /64.
    fn net(self) -> Self;

    /// That network as everyone writes it.
    fn prefix(self) -> IpNet;

    /// A row.
    fn pack(a: Self, first: u32, b: Self, rest: [u32; 5]) -> Self::Row;

    /// What a row holds.
    fn unpack(row: &Self::Row) -> (Self, u32, Self, [u32; 5]);

    /// The addresses that a row holds.
    #[inline]
    fn both(row: &Self::Row) -> [Self; 2] {
        let (first, _, second, _) = Self::unpack(row);
        [first, second]
    }

    /// The rows of this family.
    fn of(families: &mut Families) -> &mut Shards<Self::Row>;

    /// The distance from the network's first address, as far as 32 bits tell.
    fn low(self) -> u32;
}

impl Address for u32 {
    type Row = Row4;

    const BARE: u64 = 68;
    const LOADED: u64 = 64;
    const RESET: u64 = 44;

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

    fn of(families: &mut Families) -> &mut Shards<Row4> {
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

    fn of(families: &mut Families) -> &mut Shards<Row6> {
        &mut families.v6
    }

    fn low(self) -> u32 {
        // Hosts of a network and networks of a site are both numbered at the low end.
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
        fn rows_give_back_what_they_hold_and_sort_by_it(
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
