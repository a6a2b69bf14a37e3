//! Allocations whose size a datagram decides. If the system has no memory left, the caller drops the
//! data and counts it, instead of ending the program.

/// Copies bytes into a box. Returns `None` if there is no memory.
pub(super) fn boxed(bytes: &[u8]) -> Option<Box<[u8]>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy.into())
}

/// Collects items into a vector. Returns `None` if there is no memory.
pub(super) fn collect<T>(items: impl IntoIterator<Item = T>) -> Option<Vec<T>> {
    let items = items.into_iter();
    let mut all = Vec::new();
    all.try_reserve(items.size_hint().0).ok()?;
    for item in items {
        all.try_reserve(1).ok()?;
        all.push(item);
    }
    Some(all)
}
