//! Power loss: the database with its WAL cut at any place.

use std::fs;

use super::*;

/// The length of the WAL after a commit, and all that the database held then.
struct Commit {
    wal: u64,
    content: String,
}

#[test]
fn a_log_that_is_cut_gives_the_last_commit_before_the_cut() {
    let mut place = Place::new();
    let (db, wal) = (place.path(), place.dir.path().join("incidents.db-wal"));
    let mut commits = Vec::new();
    let mut note = |store: &Store| {
        let wal = fs::metadata(&wal).unwrap().len();
        commits.push(Commit { wal, content: dump(store) });
    };
    note(&place.store);
    for nth in 0..5 {
        let findings: Vec<_> = (0..4).map(|host| scan(nth, host, 100 + nth)).collect();
        ingest(&mut place.store, &findings, &[nth]);
        note(&place.store);
        step(&mut place.store, window(nth).end());
        note(&place.store);
    }
    let whole = fs::read(&wal).unwrap();
    assert_eq!(commits.last().unwrap().wal, whole.len() as u64);

    let dir = tempfile::tempdir().unwrap();
    let open_cut = |length: usize| {
        let copy = dir.path().join("incidents.db");
        _ = fs::remove_file(dir.path().join("incidents.db-shm"));
        fs::copy(&db, &copy).unwrap();
        fs::write(dir.path().join("incidents.db-wal"), &whole[..length]).unwrap();
        Store::open(&copy)
    };
    let boundaries = commits.iter().map(|commit| commit.wal as usize);
    let around = boundaries.flat_map(|length| [length - 1, length, length + 1]);
    let mut cuts: Vec<usize> = around.chain((0..whole.len()).step_by(1931)).collect();
    cuts.retain(|cut| *cut <= whole.len());
    for cut in cuts {
        let expected = commits.iter().rev().find(|commit| commit.wal <= cut as u64);
        match (expected, open_cut(cut)) {
            (Some(expected), Ok(store)) => {
                assert_eq!(dump(&store), expected.content, "cut at {cut}");
                let sql = "PRAGMA integrity_check";
                let told: String = store.db.query_row(sql, [], |row| row.get(0)).unwrap();
                assert_eq!(told, "ok");
            }
            // Before the first commit there is no database.
            (None, Err(Error::Missing { .. })) => {}
            (expected, other) => panic!("cut at {cut}: {} {other:?}", expected.is_some()),
        }
    }
}

#[test]
fn work_that_was_cut_short_is_done_by_the_next_run() {
    let findings: Vec<_> = (0..4).flat_map(|nth| [scan(nth, 1, 100), scan(nth, 2, 90)]).collect();
    let windows = [0, 1, 2, 3];
    let mut whole = Place::new();
    ingest(&mut whole.store, &findings, &windows);
    step(&mut whole.store, 7);
    let expected = dump(&whole.store);

    // Cut short within T1, between T1 and T2, within T2, and after all.
    for cut in 0..4 {
        let mut place = Place::new();
        let path = place.path();
        {
            let mut started = place.store.ingest().unwrap();
            for finding in &findings {
                started.finding(finding).unwrap();
            }
        }
        if cut > 0 {
            ingest(&mut place.store, &findings, &windows);
        }
        if cut > 1 {
            let mut update = place.store.update(7, Mode::Shadow).unwrap();
            windows.iter().for_each(|nth| update.stepped(window(*nth)).unwrap());
            update.journal_rows([&row(0, "lost")]).unwrap();
        }
        if cut > 2 {
            step(&mut place.store, 7);
        }
        let mut store = Store::open(&path).unwrap();
        ingest(&mut store, &findings, &windows);
        step(&mut store, 7);
        assert_eq!(dump(&store), expected, "cut {cut}");
    }
}
