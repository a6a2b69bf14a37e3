//! Rules about the state of a window that hold for every kind of input.

use crate::time::{End, WindowState};

/// Adds `bad` unreadable lines to a closing mark. A window with more unreadable lines than `rows`
/// cannot be called quiet: its state, if it has one, becomes `cut`.
pub(super) fn add_bad_lines(end: &mut End, bad: u64, rows: u64) {
    if bad == 0 {
        return;
    }
    end.add_bad_lines(bad);
    if end.state.is_some() && bad > rows {
        end.state = Some(WindowState::Cut);
    }
}

/// Merges the closing marks of two parts of a window; the result names the window of `a`.
///
/// Counts are added up, but of the silent exporters the larger number is kept, because the same one
/// may be silent in both parts. A count that only one part has is kept, because a part of a count
/// is more than none. A state holds only if both parts have it: two different states make `cut`, and a part
/// without a state leaves the whole without one.
pub(super) fn merge(a: End, b: &End) -> End {
    let state = match (a.state, b.state) {
        (Some(a), Some(b)) if a == b => Some(a),
        (None, _) | (_, None) => None,
        _ => Some(WindowState::Cut),
    };
    let had_bad_lines = a.other.iter().any(|(key, _)| key == "badlines");
    let mut sum = End { other: a.other, ..End::default() };
    // The first value of an unknown key is kept. `set` cannot fail: the value was read once.
    b.other.iter().for_each(|(key, value)| _ = sum.set(key, value));
    let bad_lines = b.other.iter().find(|(key, _)| key == "badlines");
    if let Some(count) =
        bad_lines.filter(|_| had_bad_lines).and_then(|(_, value)| value.parse().ok())
    {
        sum.add_bad_lines(count);
    }
    End {
        window: a.window,
        flows: join(a.flows, b.flows, u64::saturating_add),
        late: join(a.late, b.late, u64::saturating_add),
        lost_flows: join(a.lost_flows, b.lost_flows, u64::saturating_add),
        lost_datagrams: join(a.lost_datagrams, b.lost_datagrams, u64::saturating_add),
        sampling: a.sampling.max(b.sampling),
        scaled: a.scaled.max(b.scaled),
        cover: join(a.cover, b.cover, u32::saturating_add),
        open: a.open.max(b.open),
        silent: a.silent.max(b.silent),
        state,
        tool: a.tool,
        other: sum.other,
    }
}

/// Joins two values, or returns the one that is known.
fn join<T>(a: Option<T>, b: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(both(a, b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Mark;

    fn end(pairs: &str) -> End {
        let line = format!("#end 1970-01-01T00:00:00Z 600 {pairs}").trim_end().replace(' ', "\t");
        match Mark::parse(line.as_bytes()) {
            Some(Ok(Mark::End(end))) => end,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn merged(a: &str, b: &str) -> String {
        let text = Mark::End(merge(end(a), &end(b))).to_string().replace('\t', " ");
        text.trim_start_matches("#end 1970-01-01T00:00:00Z 600").trim_start().to_owned()
    }

    #[test]
    fn two_parts_are_ok_only_if_both_are() {
        let states = ["state=ok", "state=cut", "state=nodata", ""];
        for a in states {
            for b in states {
                let expected = match (a, b) {
                    ("", _) | (_, "") => "",
                    (a, b) if a == b => a,
                    _ => "state=cut",
                };
                assert_eq!(merged(a, b), expected, "{a} and {b}");
            }
        }
    }

    #[test]
    fn counts_of_parts_are_added_and_unknown_keys_are_kept() {
        assert_eq!(
            merged("flows=1 late=2 sampling=10 cover=300 open=0", "flows=4 sampling=100 open=1"),
            "flows=5 late=2 sampling=100 cover=300 open=1"
        );
        assert_eq!(merged("silent=2", "silent=1"), "silent=2");
        assert_eq!(merged("silent=0 state=ok", "state=ok"), "silent=0 state=ok");
        assert_eq!(merged("state=ok", "silent=3 state=ok"), "silent=3 state=ok");
        assert_eq!(merged("x=1", "x=2 y=3"), "x=1 y=3");
        assert_eq!(merged("badlines=2", "badlines=3"), "badlines=5");
        assert_eq!(merged("", "badlines=3"), "badlines=3");
        let most = u64::MAX;
        assert_eq!(
            merged(&format!("flows={most}"), &format!("flows={most}")),
            format!("flows={most}")
        );
    }

    #[test]
    fn more_bad_lines_than_rows_cut_a_window_that_has_a_state() {
        for (pairs, bad, rows, expected) in [
            ("state=ok", 0, 0, "state=ok"),
            ("state=ok", 3, 3, "state=ok badlines=3"),
            ("state=ok", 4, 3, "state=cut badlines=4"),
            ("state=nodata", 1, 0, "state=cut badlines=1"),
            ("state=ok badlines=2", 1, 1, "state=ok badlines=3"),
            ("", 4, 3, "badlines=4"),
        ] {
            let mut end = end(pairs);
            add_bad_lines(&mut end, bad, rows);
            let text = Mark::End(end).to_string().replace('\t', " ");
            assert!(text.ends_with(&format!("600 {expected}")), "{text}");
        }
    }
}
