//! Memory whose size a datagram decides. Where the system has none left it is refused, counted and
//! done without, instead of ending the program.

/// Copies bytes into memory of their own. `None` if there is none.
pub(super) fn boxed(bytes: &[u8]) -> Option<Box<[u8]>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len()).ok()?;
    copy.extend_from_slice(bytes);
    Some(copy.into())
}

/// Collects items. `None` if there is no memory for them.
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
