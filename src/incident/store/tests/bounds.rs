//! Bounds and retention.

use super::super::ingest::Bounds;
use super::*;

const SMALL: Bounds = Bounds { pending: 10, findings: 1000, judged: 1000 };

fn ingest_within(store: &Store, bounds: Bounds, findings: &[Finding]) -> Ingested {
    let mut ingest = store.ingest_within(bounds).unwrap();
    for finding in findings {
        ingest.finding(finding).unwrap();
    }
    ingest.commit().unwrap()
}

fn count(store: &Store, table: &str) -> u64 {
    let sql = format!("SELECT count(*) FROM {table}");
    store.db.query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_most_important_findings_of_a_window_wait() {
    let outside =
        |host: u8| Finding { side: Some(Side::Outside), ..scan(0, host, u64::from(host)) };
    // Three inside with few flows, and many outside.
    let mut findings: Vec<_> = (1..=3).map(|host| scan(0, host, 1)).collect();
    findings.extend((100..200).map(outside));
    let mut backwards = findings.clone();
    backwards.reverse();
    let mut kept = Vec::new();
    for findings in [&findings, &backwards] {
        let mut place = Place::new();
        let done = ingest_within(&place.store, SMALL, findings);
        assert_eq!((done.new, done.dropped), (103, 93));
        let mut read = place.store.judged(window(0)).unwrap().findings;
        read.sort_by(|a, b| a.order(b));
        let flows: Vec<u64> = read.iter().map(|finding| finding.flows).collect();
        assert_eq!(flows, [199, 198, 197, 196, 195, 194, 193, 1, 1, 1]);
        assert_eq!(place.store.dropped().unwrap(), 93);
        kept.push(read);
        // The same file again changes nothing, before and after the run.
        for _ in 0..2 {
            let before = dump(&place.store);
            let done = ingest_within(&place.store, SMALL, findings);
            assert_eq!((done.known, done.dropped), (103, 0));
            assert_eq!(dump(&place.store), before);
            step(&mut place.store, 0);
        }
        assert_eq!(place.store.live().unwrap().len(), 10);
        // One that grows is looked at again.
        let grown = Finding { flows: 5000, ..outside(100) };
        assert_eq!(ingest_within(&place.store, SMALL, &[grown]).grown, 1);
        assert_eq!(place.store.judged(window(0)).unwrap().findings.len(), 1);
    }
    assert_eq!(kept[0], kept[1]);
}

#[test]
fn the_bound_of_a_window_holds_over_several_runs_that_do_not_step() {
    let place = Place::new();
    for host in 0..30 {
        ingest_within(&place.store, SMALL, &[scan(0, host, 100 + u64::from(host))]);
    }
    ingest_within(&place.store, SMALL, &[scan(1, 1, 1)]);
    let flows: Vec<u64> =
        place.store.judged(window(0)).unwrap().findings.iter().map(|f| f.flows).collect();
    assert_eq!((flows.len(), flows.iter().min()), (10, Some(&120)));
    assert_eq!(place.store.dropped().unwrap(), 20);
    assert_eq!(place.store.judged(window(1)).unwrap().findings.len(), 1);
}

#[test]
fn beyond_all_bounds_the_oldest_findings_are_forgotten() {
    let bounds = Bounds { pending: 100, findings: 20, judged: 4 };
    let mut place = Place::new();
    for nth in 0..10 {
        let findings: Vec<_> = (0..5).map(|host| scan(nth, host, 100)).collect();
        let done = ingest_within(&place.store, bounds, &findings);
        assert_eq!((done.new, done.dropped), (5, 0));
        step(&mut place.store, 0);
        assert!(count(&place.store, "finding") <= 20);
        assert_eq!(place.store.figures().unwrap().findings, count(&place.store, "finding"));
    }
    let oldest = "SELECT min(start) FROM finding";
    let oldest: u64 = place.store.db.query_row(oldest, [], |row| row.get(0)).unwrap();
    assert!(oldest > window(4).start());
    // A finding that waits is never forgotten: nothing new is taken then.
    let many: Vec<_> = (0..30).map(|host| scan(20, host, 100)).collect();
    let done = ingest_within(&place.store, bounds, &many);
    assert_eq!((done.new, done.dropped), (20, 10));
    assert!(done.forgotten > 0);
    assert_eq!(place.store.judged(window(20)).unwrap().findings.len(), 20);
    assert_eq!(place.store.dropped().unwrap(), 10);
    // A finding that is known may still grow.
    assert_eq!(ingest_within(&place.store, bounds, &[scan(20, 0, 101)]).grown, 1);
}

#[test]
fn beyond_their_bound_the_oldest_verdicts_are_forgotten() {
    let bounds = Bounds { judged: 4, ..SMALL };
    let place = Place::new();
    let end = |nth| {
        let mut ingest = place.store.ingest_within(bounds).unwrap();
        ingest.end(Kind::Scan, window(nth), WHOLE).unwrap();
        ingest.commit().unwrap()
    };
    (0..4).for_each(|nth| assert_eq!(end(nth).forgotten, 0));
    assert_eq!(end(4).forgotten, 4);
    assert_eq!(
        (count(&place.store, "judged"), place.store.windows().unwrap()),
        (1, vec![window(4)])
    );
}

/// Takes in and steps through a day of windows that were seen whole, as one run.
fn day(store: &mut Store, nth: u64, findings: &[Finding]) {
    let windows: Vec<u64> = (nth * 144..(nth + 1) * 144).collect();
    ingest(store, findings, &windows);
    step(store, window((nth + 1) * 144 - 1).end());
}

fn retain(store: &mut Store, now: u64, keep: u64) -> Retained {
    let mut update = store.update(now, Mode::Live).unwrap();
    let retained = update.retain(keep).unwrap();
    update.commit().unwrap();
    retained
}

#[test]
fn retention_forgets_what_was_closed_long_ago_and_nothing_that_lives() {
    let mut place = Place::new();
    let store = &mut place.store;
    assert_eq!(retain(store, u64::MAX, DAY), Retained::default());
    let now = |days: u64| window(days * 144 - 1).end();
    // Host 1 is found on the first day alone, host 2 every day.
    for nth in 0..6 {
        let mut findings = vec![scan(nth * 144, 2, 100)];
        if nth == 0 {
            findings.push(scan(0, 1, 100));
        }
        day(store, nth, &findings);
        if nth == 0 {
            let mut update = store.update(0, Mode::Live).unwrap();
            update.journal_rows([&row(now(1), "frozen"), &row(now(5), "frozen")]).unwrap();
            update.commit().unwrap();
        }
    }
    let journal_of_two = store.journal(2).unwrap();
    assert!(store.incident(1).unwrap().is_some() && !store.journal(1).unwrap().is_empty());
    assert_eq!(retain(store, now(6), 6 * DAY), Retained::default());
    // Four days are to go, a day each time.
    let mut done = Vec::new();
    for _ in 0..6 {
        done.push(retain(store, now(6), 2 * DAY));
        let figures = store.figures().unwrap();
        assert_eq!(figures.journal_rows, count(store, "journal"));
        assert_eq!(figures.findings, count(store, "finding"));
    }
    let judged: Vec<u64> = done.iter().map(|retained| retained.judged).collect();
    assert_eq!(judged, [432, 432, 432, 432, 0, 0]);
    let findings: Vec<u64> = done.iter().map(|retained| retained.findings).collect();
    assert_eq!(findings, [2, 1, 1, 1, 0, 0]);
    let incidents: u64 = done.iter().map(|retained| retained.incidents).sum();
    assert_eq!(incidents, 1);
    assert_eq!((store.incident(1).unwrap(), store.journal(1).unwrap()), (None, Vec::new()));
    // The incident that goes on keeps even the oldest row of its journal.
    assert_eq!(store.journal(2).unwrap(), journal_of_two);
    assert!(store.live().unwrap().iter().any(|incident| incident.id == 2));
    let rest = store.journal_after(0, 100).unwrap();
    let memory = rest.iter().filter(|entry| entry.row.incident.is_none());
    assert_eq!(memory.map(|entry| entry.row.data).collect::<Vec<_>>(), [now(5)]);
    // The journal is as append-only as before.
    assert!(store.db.execute("DELETE FROM journal", []).is_err());
    // Findings of forgotten days would look new, so they are refused.
    let mut ingest = store.ingest().unwrap();
    assert_eq!(ingest.finding(&scan(0, 1, 100)).unwrap(), Taken::TooOld);
    ingest.end(Kind::Scan, window(1), WHOLE).unwrap();
    assert_eq!(ingest.finding(&scan(6 * 144, 1, 100)).unwrap(), Taken::New);
    assert_eq!(ingest.commit().unwrap(), Ingested { new: 1, too_old: 2, ..Ingested::default() });
}

#[test]
fn a_line_of_1970_does_not_hold_back_retention() {
    let mut place = Place::new();
    let store = &mut place.store;
    let old = Window::new(0, 600).unwrap();
    let line = Finding { window: Some(old), ..scan(0, 7, 100) };
    ingest(store, &[line], &[]);
    for nth in 0..4 {
        day(store, nth, &[scan(nth * 144, nth as u8, 100)]);
    }
    let now = window(4 * 144).end();
    // The first call forgets the line, and the others a day of the data each.
    let findings: Vec<u64> = (0..4).map(|_| retain(store, now, DAY).findings).collect();
    assert_eq!(findings.iter().sum::<u64>(), 4, "{findings:?}");
}

#[test]
fn a_window_longer_than_a_month_is_none() {
    let mut place = Place::new();
    let store = &mut place.store;
    let long = |seconds| Window::new(window(0).start(), seconds);
    let of = |seconds| Finding { window: long(seconds), ..scan(0, 1, 100) };
    let mut ingest = store.ingest().unwrap();
    assert_eq!(ingest.finding(&of(31 * 86_400)).unwrap(), Taken::New);
    assert_eq!(ingest.finding(&of(31 * 86_400 + 1)).unwrap(), Taken::NoWindow);
    let verdict = Verdict { is_whole: true, is_open: false };
    ingest.end(Kind::Scan, long(u32::MAX).unwrap(), verdict).unwrap();
    assert_eq!(ingest.commit().unwrap().no_window, 2);
    assert_eq!(store.windows().unwrap().len(), 1);
}

#[test]
fn a_wrong_clock_costs_little_of_the_memory() {
    let mut place = Place::new();
    let store = &mut place.store;
    let now = |days: u64| window(days * 144 - 1).end();
    for nth in 0..4 {
        day(store, nth, &[scan(nth * 144, nth as u8, 100)]);
    }
    let before = count(store, "incident");
    // A window of another century.
    ingest(store, &[], &[5_000_000]);
    step(store, now(4));
    // By the right clock that window says nothing.
    assert_eq!(retain(store, now(4), 100 * DAY), Retained::default());
    // By the wrong one a run forgets one day.
    let wrong = window(5_000_000).end();
    assert_eq!(retain(store, wrong, 100 * DAY).findings, 1);
    assert!(count(store, "incident") >= before - 1);
    // The clock is right again: what is now is not too old.
    ingest(store, &[scan(24 * 144, 8, 100)], &[24 * 144]);
    step(store, wrong);
    for _ in 0..20 {
        retain(store, wrong, 100 * DAY);
    }
    assert_eq!(ingest(store, &[scan(4 * 144, 9, 100)], &[4 * 144]).too_old, 4);
    retain(store, now(4), 100 * DAY);
    assert_eq!(ingest(store, &[scan(4 * 144, 9, 100)], &[4 * 144]).new, 1);
}

#[test]
fn beyond_their_bounds_the_oldest_closed_incidents_and_rows_are_forgotten() {
    let mut place = Place::new();
    let store = &mut place.store;
    // Of five hosts that were found on the first day, and one that goes on, the five are closed.
    let hosts: Vec<_> = (0..5).map(|host| scan(0, host, 100)).collect();
    for nth in 0..3 {
        let mut findings = vec![scan(nth * 144, 9, 100)];
        findings.extend(hosts.iter().filter(|_| nth == 0).cloned());
        day(store, nth, &findings);
    }
    let retain = |store: &mut Store, closed: u64, journal: u64| {
        let mut update = store.update(0, Mode::Live).unwrap();
        let retained = update.retain_within(400 * DAY, closed, journal).unwrap();
        update.commit().unwrap();
        let rows = store.figures().unwrap().journal_rows;
        assert_eq!(rows, count(store, "journal"));
        retained
    };
    assert_eq!(store.closed_since(0).unwrap().len(), 5);
    assert_eq!(retain(store, 5, 1000), Retained::default());
    let before = count(store, "journal");
    let done = retain(store, 3, 1000);
    assert_eq!((done.incidents, done.no_room), (2, 2 + done.journal));
    assert_eq!(count(store, "journal"), before - done.journal);
    let left: Vec<u64> = store.closed_since(0).unwrap().iter().map(|one| one.id).collect();
    assert_eq!(left, [3, 4, 5]);
    assert!(store.journal(1).unwrap().is_empty() && !store.journal(3).unwrap().is_empty());
    assert_eq!(store.live().unwrap().len(), 1);
    // The journal alone.
    let newest = store.newest_entry().unwrap();
    let done = retain(store, 3, 4);
    assert_eq!((done.incidents, count(store, "journal")), (0, 4));
    assert_eq!(store.newest_entry().unwrap(), newest);
    assert_eq!(store.journal_after(0, 9).unwrap().len(), 4);
    assert_eq!(retain(store, 3, 4), Retained::default());
    assert!(store.db.execute("DELETE FROM journal", []).is_err());
    assert!(store.figures().unwrap().forgotten > 2);
}
