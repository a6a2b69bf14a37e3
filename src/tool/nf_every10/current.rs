//! OUT/current: the findings and marks of the last 24 hours, as one stream.

use super::ledger::Ledger;
use super::names::{SlotName, findings_of};
use super::out_dir::{self, OutDir};
use crate::time::Timestamp;

/// Nanoseconds of the time that the file covers.
const COVERED: i64 = 86_400 * 1_000_000_000;

/// Writes OUT/current anew, unless nothing was analysed yet. Slots that start later than `limit` are left
/// out: they were judged while the clock was wrong.
///
/// # Errors
/// The system's error.
pub(super) fn write(ledger: &Ledger, limit: Timestamp, out: &OutDir) -> std::io::Result<()> {
    let slots = covered(ledger.recent(limit, out));
    if slots.is_empty() {
        return Ok(());
    }
    let mut text = Vec::new();
    for slot in &slots {
        for line in
            out_dir::read(&out.path(findings_of(slot)))?.split_inclusive(|byte| *byte == b'\n')
        {
            if text.is_empty() || !line.starts_with(b"#fields\t") {
                text.extend_from_slice(line);
            }
        }
    }
    out.update("current", &text)
}

/// Returns the slots of the 24 hours up to the newest one, of slots in time order.
///
/// One slot alone does not move these hours: if no other slot lies in the 24 hours before the newest one,
/// its name may be wrong, and the hours up to the slot before it stay until another one confirms it.
pub(super) fn covered(mut slots: Vec<SlotName>) -> Vec<SlotName> {
    let since = |slot: &SlotName| slot.start.offset(-COVERED);
    let first = match slots.as_slice() {
        [.., before, newest] if before.start <= since(newest) => since(before),
        [.., newest] => since(newest),
        [] => return slots,
    };
    slots.retain(|slot| slot.start > first);
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered_of(digits: &[&str]) -> Vec<String> {
        let slots = digits.iter().map(|digits| SlotName::parse(digits).unwrap()).collect();
        covered(slots).into_iter().map(|slot| slot.digits).collect()
    }

    #[test]
    fn the_day_ends_with_the_newest_slot() {
        let day = ["200107010000", "200107010010", "200107020000", "200107020010"];
        assert_eq!(covered_of(&day), ["200107020000", "200107020010"]);
        assert_eq!(covered_of(&day[..3]), ["200107010010", "200107020000"]);
        assert_eq!(covered_of(&day[..1]), ["200107010000"]);
        assert!(covered_of(&[]).is_empty());
    }

    #[test]
    fn one_slot_alone_does_not_hide_the_others() {
        let slots = ["200107010000", "200107010010", "203602070620", "203602070630"];
        assert_eq!(covered_of(&slots[..3]), slots[..3]);
        assert_eq!(covered_of(&slots), slots[2..]);
        // Slots that are all alone do not pile up.
        let rare = ["200107010000", "200107050000", "200107090000"];
        assert_eq!(covered_of(&rare), rare[1..]);
    }
}
