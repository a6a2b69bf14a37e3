//! Packets and octets in 32 bits of a row.

/// Above this a count is held in steps.
const EXACT: u64 = 1 << 31;
/// Bits of a step: 4096, two millionths of the least count that has any.
const STEP: u32 = 12;

/// A count as a row holds it: up to 2^31 as it is, above rounded down to 4096; 2^43 at most, 8 TiB of one
/// flow.
#[inline]
pub fn narrow(count: u64) -> u32 {
    match count < EXACT {
        true => count as u32,
        false => EXACT as u32 | (count >> STEP).min(EXACT - 1) as u32,
    }
}

/// The count that a row holds.
#[inline]
pub fn widen(count: u32) -> u64 {
    let count = u64::from(count);
    if count < EXACT { count } else { (count - EXACT) << STEP }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn large_counts_are_held_in_steps() {
        for (count, held) in [
            (0, 0),
            (EXACT - 1, EXACT - 1),
            (EXACT, EXACT),
            (75_000_000_001, 75_000_000_000 / 4096 * 4096),
            (u64::MAX, (EXACT - 1) << STEP),
        ] {
            assert_eq!(widen(narrow(count)), held, "{count}");
        }
    }

    proptest! {
        #[test]
        fn what_was_held_is_held_the_same(count: u32, other: u64) {
            prop_assert_eq!(widen(narrow(widen(narrow(other)))), widen(narrow(other)));
            prop_assert!(widen(narrow(other)) <= other);
            prop_assert!(narrow(u64::from(count)) <= narrow(u64::from(count) + 1));
        }
    }
}
