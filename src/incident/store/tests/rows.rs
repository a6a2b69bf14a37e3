//! Rows are read as they were written, and stay as they are.

use std::cell::RefCell;

use super::*;
use crate::incident::{Notice, NoticeState, State, Step};

/// Returns those findings of a window that wait, by their flows.
fn waiting(store: &Store, nth: u64) -> Vec<u64> {
    let judged = store.judged(window(nth)).unwrap();
    let mut flows: Vec<u64> = judged.findings.iter().map(|finding| finding.flows).collect();
    flows.sort_unstable();
    flows
}

#[test]
fn a_finding_counts_once_until_it_grows() {
    let mut place = Place::new();
    let store = &mut place.store;
    let forged = |flows| Finding { marks: vec!["forged".to_owned()], ..scan(0, 1, flows) };
    let take = |store: &mut Store, finding: &Finding| {
        let mut ingest = store.ingest().unwrap();
        let taken = ingest.finding(finding).unwrap();
        ingest.commit().unwrap();
        taken
    };
    assert_eq!(take(store, &scan(0, 1, 100)), Taken::New);
    assert_eq!(take(store, &scan(0, 1, 100)), Taken::Known);
    assert_eq!(take(store, &scan(0, 1, 99)), Taken::Known);
    assert_eq!(take(store, &scan(0, 1, 101)), Taken::Grown);
    assert_eq!(waiting(store, 0), [101]);
    step(store, 0);
    assert_eq!(store.windows().unwrap(), []);
    assert_eq!(take(store, &scan(0, 1, 101)), Taken::Known);
    assert_eq!(store.windows().unwrap(), []);
    // A mark that speaks against a block counts with fewer flows too.
    assert_eq!(take(store, &forged(100)), Taken::Grown);
    assert_eq!(take(store, &forged(101)), Taken::Known);
    assert_eq!(take(store, &scan(0, 1, 101)), Taken::Known);
    assert_eq!(store.windows().unwrap(), [window(0)]);
    assert_eq!(store.judged(window(0)).unwrap().findings, [forged(100)]);
    let no_window = Finding { window: None, ..scan(0, 1, 1) };
    assert_eq!(take(store, &no_window), Taken::NoWindow);
    // More flows than an integer of SQLite holds.
    assert_eq!(take(store, &scan(0, 1, u64::MAX)), Taken::Grown);
    assert_eq!(take(store, &scan(0, 1, u64::MAX)), Taken::Known);
    assert_eq!(waiting(store, 0), [u64::MAX]);
    assert_eq!(store.judged(window(0)).unwrap().findings, [forged(u64::MAX)]);
}

#[test]
fn marks_against_a_block_add_up_in_any_order() {
    let marked = |mark: &str, flows| Finding { marks: vec![mark.to_owned()], ..scan(0, 1, flows) };
    let lines = [marked("forged", 90), scan(0, 1, 100), marked("oneway", 95), marked("survey", 80)];
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
        let mut place = Place::new();
        ingest(&mut place.store, &order.map(|nth: usize| lines[nth].clone()), &[]);
        let found = place.store.judged(window(0)).unwrap().findings;
        let marks = vec!["forged".to_owned(), "oneway".to_owned()];
        assert_eq!(found, [Finding { marks, ..scan(0, 1, 100) }], "{order:?}");
    }
}

#[test]
fn each_part_of_the_identity_makes_another_finding() {
    let mut place = Place::new();
    let base = scan(0, 1, 100);
    let net = Host::Prefix("10.0.0.0/24".parse().unwrap());
    let all = [
        base.clone(),
        Finding { window: Some(window(1)), ..base.clone() },
        Finding { window: Window::new(window(0).start(), 300), ..base.clone() },
        Finding { kind: Kind::Port, ..base.clone() },
        Finding { class: "sweep".to_owned(), ..base.clone() },
        Finding { host: Host::Address([10, 0, 0, 2].into()), ..base.clone() },
        Finding { host: net, ..base.clone() },
        Finding { role: Role::Target, ..base.clone() },
        Finding { proto: None, ..base.clone() },
        Finding { proto: Some(0), ..base.clone() },
        Finding { port: None, ..base.clone() },
        Finding { port: Some(0), ..base.clone() },
    ];
    for expected in [all.len() as u64, 0] {
        let done = ingest(&mut place.store, &all, &[]);
        assert_eq!((done.new, done.known), (expected, all.len() as u64 - expected));
    }
    // The rest of a finding is no part of its identity.
    let other = Finding { side: None, peers: 9, why: String::new(), ..base };
    assert_eq!(ingest(&mut place.store, &[other], &[]).known, 1);
    let windows = place.store.windows().unwrap();
    assert_eq!(windows, [Window::new(window(0).start(), 300).unwrap(), window(0), window(1)]);
    let read = place.store.judged(window(0)).unwrap();
    assert_eq!(read.findings.len(), 10);
    assert!(read.findings.iter().all(|finding| all.contains(finding)));
}

#[test]
fn the_worse_of_two_verdicts_holds_until_it_was_stepped_through() {
    let mut place = Place::new();
    let store = &mut place.store;
    let end = |store: &mut Store, is_whole, is_open| {
        let mut ingest = store.ingest().unwrap();
        ingest.end(Kind::Flood, window(0), Verdict { is_whole, is_open }).unwrap();
        ingest.commit().unwrap();
        store.judged(window(0)).unwrap().verdicts[&Kind::Flood]
    };
    let verdict = |is_whole, is_open| Verdict { is_whole, is_open };
    assert_eq!(end(store, true, false), verdict(true, false));
    assert_eq!(end(store, true, true), verdict(true, true));
    assert_eq!(end(store, true, false), verdict(true, true));
    assert_eq!(end(store, false, false), verdict(false, true));
    step(store, 0);
    assert_eq!(store.windows().unwrap(), []);
    assert_eq!(end(store, true, false), verdict(false, true));
    assert_eq!(store.windows().unwrap(), []);
    // A window that was seen whole proves nothing a second time.
    ingest(store, &[], &[1]);
    step(store, 0);
    ingest(store, &[scan(1, 1, 100)], &[1]);
    let judged = store.judged(window(1)).unwrap();
    assert_eq!(judged.verdicts.len(), 3);
    assert!(judged.verdicts.values().all(|verdict| !verdict.is_whole));
}

#[test]
fn a_transaction_that_is_not_committed_leaves_nothing() {
    let mut place = Place::new();
    ingest(&mut place.store, &[scan(0, 1, 100)], &[0]);
    let before = dump(&place.store);
    let mut dropped = place.store.ingest().unwrap();
    dropped.finding(&scan(1, 1, 100)).unwrap();
    dropped.end(Kind::Scan, window(1), WHOLE).unwrap();
    drop(dropped);
    assert_eq!(dump(&place.store), before);
    let mut update = place.store.update(0, Mode::Live).unwrap();
    update.stepped(window(0)).unwrap();
    update.journal_rows([&row(0, "x")]).unwrap();
    assert_eq!(update.windows().unwrap(), []);
    assert_eq!(update.journal_after(0, 9).unwrap().len(), 1);
    drop(update);
    assert_eq!(dump(&place.store), before);
    assert_eq!(step(&mut place.store, 0).changed.len(), 1);
}

#[test]
fn incidents_are_read_as_they_were_written() {
    let mut place = Place::new();
    let store = &mut place.store;
    let marked =
        Finding { marks: vec!["sampled".to_owned(), "spoke".to_owned()], ..scan(0, 2, 300) };
    let six = Host::Address("2001:db8::7".parse().unwrap());
    let flood = Finding { host: six, kind: Kind::Flood, role: Role::Target, ..scan(0, 1, 9) };
    let decimals = Finding { why: "share=0.1>0.3".to_owned(), port: None, ..scan(0, 2, 300) };
    ingest(store, &[scan(0, 1, 100), marked, flood, decimals], &[0]);
    let outcome = step(store, 77);
    assert_eq!(outcome.changed.len(), 3);
    assert_eq!(store.live().unwrap(), outcome.changed);
    assert_eq!(store.newest().unwrap(), outcome.newest);
    assert_eq!((store.next_id().unwrap(), outcome.next_id), (4, 4));
    for incident in &outcome.changed {
        assert_eq!(store.incident(incident.id).unwrap().as_ref(), Some(incident));
        let of_host = store.of_host(incident.subject.host).unwrap();
        assert_eq!(of_host, std::slice::from_ref(incident));
        let journal = store.journal(incident.id).unwrap();
        let rows: Vec<_> = journal.iter().map(|entry| entry.row.clone()).collect();
        let mut expected = outcome.rows.clone();
        expected.retain(|row| row.incident == Some(incident.id));
        assert_eq!(rows, expected);
        assert!(journal.iter().all(|entry| (entry.wall, entry.mode) == (77, Mode::Shadow)));
    }
    assert_eq!(store.incident(4).unwrap(), None);
    assert_eq!(store.newest_entry().unwrap(), outcome.rows.len() as u64);
    let all = store.journal_after(0, 100).unwrap();
    assert_eq!(store.journal_after(2, 2).unwrap(), all[2..4]);
}

#[test]
fn a_machine_gets_what_lives_and_the_newest_of_each_subject_to_come() {
    let mut place = Place::new();
    let store = &mut place.store;
    // Hosts 1 and 2 are found once and closed; host 3 goes on; host 1 comes again twice.
    let end = 6 + 144;
    for nth in 0..=end {
        let mut findings = vec![scan(nth, 3, 100)];
        if nth == 0 {
            findings.extend([scan(0, 1, 100), scan(0, 2, 100)]);
        }
        ingest(store, &findings, &[nth]);
        step(store, window(nth).end());
    }
    let ids = |incidents: Vec<crate::incident::Incident>| -> Vec<u64> {
        incidents.iter().map(|incident| incident.id).collect()
    };
    assert_eq!(ids(store.live().unwrap()), [3]);
    assert_eq!(ids(store.incidents_to_step().unwrap()), [3]);
    let closed = store.closed_since(0).unwrap();
    assert_eq!(ids(closed.clone()), [1, 2]);
    assert!(closed.iter().all(|incident| matches!(incident.body.state, State::Closed(_))));
    let changed = closed[0].body.changed;
    assert_eq!(ids(store.closed_since(changed).unwrap()), [1, 2]);
    assert_eq!(store.closed_since(changed + 1).unwrap(), []);
    let mut between = Vec::new();
    store.closed_between(changed, changed + 1, |incident| between.push(incident.id)).unwrap();
    store.closed_between(0, changed, |incident| between.push(incident.id)).unwrap();
    assert_eq!(between, [1, 2]);

    ingest(store, &[scan(end + 1, 1, 100)], &[end + 1]);
    assert_eq!(ids(store.incidents_to_step().unwrap()), [3, 1]);
    let outcome = step(store, 0);
    let opened = outcome.changed.iter().find(|incident| incident.id == 4).unwrap();
    assert_eq!(opened.body.previous, Some(1));
    // Now the newest of host 1 is the one that lives, and the closed one is not read.
    ingest(store, &[scan(end + 2, 1, 100)], &[end + 2]);
    assert_eq!(ids(store.incidents_to_step().unwrap()), [3, 4]);
}

#[test]
fn an_incident_that_came_to_nothing_is_forgotten() {
    let mut place = Place::new();
    let store = &mut place.store;
    ingest(store, &[scan(0, 1, 100), scan(0, 2, 100)], &[0]);
    let mut outcome = step(store, 0);
    outcome.changed.clear();
    outcome.rows.clear();
    outcome.dropped = vec![1];
    outcome.left_out = 5;
    for left_out in [5, 10] {
        let mut update = store.update(0, Mode::Live).unwrap();
        update.outcome(&outcome).unwrap();
        update.commit().unwrap();
        assert_eq!(store.incident(1).unwrap(), None);
        assert_eq!(store.live().unwrap().len(), 1);
        assert_eq!(store.left_out().unwrap(), left_out);
    }
}

fn notice(incident: u64, recipient: &str, state: NoticeState, at: u64) -> Notice {
    Notice {
        incident,
        recipient: recipient.to_owned(),
        step: Step::First,
        state,
        at,
        matters: 1,
        peak: 1.639_344_262_295_082,
        last: window(0).start(),
        accepted: None,
    }
}

#[test]
fn notices_are_read_by_incident_in_their_order() {
    let mut place = Place::new();
    let store = &mut place.store;
    ingest(store, &[scan(0, 1, 100), scan(0, 2, 100)], &[0]);
    step(store, 0);
    assert_eq!(store.figures().unwrap().oldest_unsent, None);
    let all = [
        notice(2, "b@example.org", NoticeState::WouldSend, 5),
        notice(1, "a@example.org", NoticeState::Wanted, 9),
        notice(2, "a@example.org", NoticeState::Wanted, 7),
        notice(2, "a@example.org", NoticeState::Superseded, 3),
    ];
    let mut update = store.update(0, Mode::Live).unwrap();
    all.iter().for_each(|notice| update.notice(notice).unwrap());
    let error = update.notice(&notice(3, "a@example.org", NoticeState::Wanted, 1)).unwrap_err();
    assert!(error.to_string().contains("FOREIGN KEY"), "{error}");
    update.commit().unwrap();
    let of_two = [all[0].clone(), all[2].clone(), all[3].clone()];
    assert_eq!(store.notices(2).unwrap(), of_two);
    assert_eq!(store.notices(3).unwrap(), []);
    let live = store.live_notices().unwrap();
    assert_eq!(live.len(), 2);
    assert_eq!((&live[&1][..], &live[&2][..]), (&all[1..2], &of_two[..]));
    assert_eq!(store.figures().unwrap().oldest_unsent, Some(7));
}

#[test]
fn the_journal_only_grows() {
    let mut place = Place::new();
    let mut update = place.store.update(9, Mode::Live).unwrap();
    update.journal_rows([&row(1, "one"), &row(2, "two")]).unwrap();
    update.commit().unwrap();
    let before = dump(&place.store);
    for sql in [
        "UPDATE journal SET reason = 'x'",
        "UPDATE journal SET id = 7 WHERE id = 1",
        "DELETE FROM journal",
        "DELETE FROM journal WHERE id = 2",
    ] {
        let error = place.store.db.execute(sql, []).unwrap_err().to_string();
        assert_eq!(error, "the journal is append-only", "{sql}");
    }
    assert_eq!(dump(&place.store), before);
    let entry = &place.store.journal_after(0, 9).unwrap()[1];
    let expected = Entry { id: 2, wall: 9, mode: Mode::Live, row: row(2, "two") };
    assert_eq!(*entry, expected);
    assert_eq!(place.store.figures().unwrap().journal_rows, 2);
}

#[test]
fn clocks_and_a_freeze_are_remembered() {
    let mut place = Place::new();
    let store = &mut place.store;
    let run = LastRun { now: 5, boot_id: "a-b".to_owned(), boottime: 7 };
    let freeze = Freeze { until: 99, by: "ann".to_owned(), why: "a \"test\"".to_owned() };
    let mut update = store.update(0, Mode::Live).unwrap();
    update.set_last_run(&run).unwrap();
    update.set_freeze(Some(&freeze)).unwrap();
    update.commit().unwrap();
    assert_eq!(store.last_run().unwrap(), Some(run));
    assert_eq!(store.freeze().unwrap(), Some(freeze));
    let mut update = store.update(0, Mode::Live).unwrap();
    update.set_freeze(None).unwrap();
    update.commit().unwrap();
    assert_eq!(store.freeze().unwrap(), None);
    store.db.execute("UPDATE meta SET value = '{' WHERE key = 'last_run'", []).unwrap();
    let error = store.last_run().unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("meta last_run: EOF"), "{error}");
}

#[test]
fn values_that_no_version_writes_are_corrupt() {
    let mut place = Place::new();
    ingest(&mut place.store, &[scan(0, 1, 100)], &[0]);
    step(&mut place.store, 0);
    ingest(&mut place.store, &[scan(1, 1, 100)], &[1]);
    for (sql, why) in [
        ("UPDATE incident SET body = '{}'", "incident 1: missing field"),
        ("UPDATE incident SET host = '10.0.0.?'", "host \"10.0.0.?\""),
        ("UPDATE incident SET role = 'x'", "role \"x\""),
        ("UPDATE finding SET line = 'x' WHERE line IS NOT NULL", "a finding: "),
        ("UPDATE finding SET line = '#x' WHERE line IS NOT NULL", "a finding is no finding line"),
        ("UPDATE judged SET kind = 'x' WHERE pending = 1 AND kind = 'scan'", "kind \"x\""),
        ("UPDATE judged SET seconds = 0", "a window of 0 s"),
        ("UPDATE judged SET start = -600 WHERE pending = 1", "out of range"),
    ] {
        let update = place.store.update(0, Mode::Live).unwrap();
        update.db.execute(sql, []).unwrap();
        let look = || -> Result<(), Error> {
            update.live()?;
            for window in update.windows()? {
                update.judged(window)?;
            }
            Ok(())
        };
        let error = look().unwrap_err();
        assert!(matches!(error, Error::Corrupt { .. }), "{sql}: {error:?}");
        assert!(error.to_string().contains(why), "{sql}: {error}");
    }
}

#[test]
fn a_hook_begins_with_what_is_new_and_keeps_its_place() {
    let mut place = Place::new();
    let store = &mut place.store;
    let write = |store: &mut Store, count: u64| {
        let mut update = store.update(0, Mode::Live).unwrap();
        let rows: Vec<_> = (0..count).map(|n| row(n, "x")).collect();
        update.journal_rows(&rows).unwrap();
        update.commit().unwrap();
    };
    let place_of = |store: &mut Store, name: &str| {
        let mut update = store.update(0, Mode::Live).unwrap();
        let place = update.place_of_hook(name).unwrap();
        update.commit().unwrap();
        place
    };
    write(store, 3);
    assert_eq!(store.hook("tickets").unwrap(), None);
    assert_eq!(place_of(store, "tickets"), Hook { sent: 3, dropped: 0 });
    write(store, 2);
    assert_eq!(place_of(store, "tickets"), Hook { sent: 3, dropped: 0 });
    assert_eq!(store.journal_after(3, 100).unwrap().len(), 2);
    let mut update = store.update(0, Mode::Live).unwrap();
    update.set_hook("tickets", Hook { sent: 4, dropped: 0 }).unwrap();
    update.commit().unwrap();
    assert_eq!(place_of(store, "tickets"), Hook { sent: 4, dropped: 0 });
    assert_eq!(place_of(store, "chat"), Hook { sent: 5, dropped: 0 });
    // At most 10,000 wait: of 10,004 the oldest four go.
    write(store, MAX_WAITING + 3);
    for _ in 0..2 {
        assert_eq!(place_of(store, "tickets"), Hook { sent: 8, dropped: 4 });
        assert_eq!(store.hook("tickets").unwrap(), Some(Hook { sent: 8, dropped: 4 }));
    }
}

#[test]
fn figures_count_incidents_by_kind_and_state() {
    let mut place = Place::new();
    let store = &mut place.store;
    let also = Finding { kind: Kind::Port, ..scan(0, 1, 100) };
    ingest(store, &[scan(0, 1, 100), also, scan(0, 2, 100)], &[0]);
    let rows = step(store, 0).rows.len() as u64;
    let figures = store.figures().unwrap();
    let live: Vec<_> = figures.live.into_iter().collect();
    assert_eq!(live, [((Kind::Scan, "open"), 2), ((Kind::Port, "open"), 1)]);
    assert_eq!((figures.journal_rows, figures.findings), (rows, 3));
    assert_eq!((figures.left_out, figures.dropped), (0, 0));
    let size = |name: &str| std::fs::metadata(place.dir.path().join(name)).unwrap().len();
    assert_eq!(figures.bytes, size("incidents.db") + size("incidents.db-wal"));
}

thread_local! {
    static POINTS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

#[test]
fn each_point_at_which_a_process_may_die_has_a_name() {
    let mut place = Place::new();
    place.store.on_kill_point(|name| POINTS.with_borrow_mut(|points| points.push(name)));
    ingest(&mut place.store, &[], &[0]);
    assert_eq!(POINTS.take(), ["before-T1", "in-T1", "after-T1"]);
    step(&mut place.store, 0);
    assert_eq!(POINTS.take(), ["in-T2", "after-T2"]);
    let error = Store::open(&place.dir.path().join("none")).unwrap_err();
    assert!(matches!(error, Error::Missing { .. }));
}
