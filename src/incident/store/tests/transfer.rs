//! Backup, export and import.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::incident::{Notice, NoticeState, Step};

/// Returns a database with some of everything.
fn filled() -> Place {
    let mut place = Place::new();
    let store = &mut place.store;
    for nth in 0..8 {
        let mut findings = vec![scan(nth, 1, 100 + nth)];
        if nth < 2 {
            let marks = vec!["spoke".to_owned()];
            findings.push(Finding { marks, why: "a\\\"b".to_owned(), ..scan(nth, 2, u64::MAX) });
        }
        ingest(store, &findings, &[nth]);
        step(store, window(nth).end());
    }
    ingest(store, &[scan(9, 3, 100)], &[9]);
    let mut update = store.update(5, Mode::Live).unwrap();
    update
        .notice(&Notice {
            incident: 1,
            recipient: "a@example.org".to_owned(),
            step: Step::First,
            state: NoticeState::Refused,
            at: 5,
            matters: 1,
            peak: 0.1 + 0.2,
            last: 4,
            accepted: None,
        })
        .unwrap();
    update.set_last_run(&LastRun { now: 1, boot_id: "x".to_owned(), boottime: 2 }).unwrap();
    update.set_hook("chat", Hook { sent: 3, dropped: 1 }).unwrap();
    update.commit().unwrap();
    place
}

/// Makes a database one of version 2.
const AS_VERSION_2: &str =
    "DROP INDEX notice_mail; DROP INDEX notice_waiting; DROP INDEX notice_unsent;
    ALTER TABLE notice DROP COLUMN mail; ALTER TABLE notice DROP COLUMN accepted; DROP TABLE mail;
    CREATE INDEX notice_unsent ON notice(at) WHERE state = 'wanted'; PRAGMA user_version = 2;";

/// Makes a database of version 2 one of version 1.
const AS_VERSION_1: &str = "ALTER TABLE judged DROP COLUMN may_lack; PRAGMA user_version = 1;";

#[test]
fn an_older_database_is_brought_up_to_date_and_older_copies_are_imported() {
    for version in [1, 2] {
        let place = filled();
        let (backup, export) = (place.dir.path().join("b.db"), place.dir.path().join("e.jsonl"));
        let whole = dump(&place.store);
        let new = [",\"may_lack\":0", ",\"accepted\":null,\"mail\":null"];
        let header = |version| format!("\"nfnotify-export\":{version}");
        let mut old = whole.replace(&header(3), &header(version));
        for column in new.into_iter().skip(if version == 1 { 0 } else { 1 }) {
            assert!(old.contains(column), "{column}: {old}");
            old = old.replace(column, "");
        }
        // An older one numbers no mails.
        old = old.replace("\"mail\":0,", "");
        fs::write(&export, old).unwrap();
        let downgrade = if version == 1 {
            format!("{AS_VERSION_2}{AS_VERSION_1}")
        } else {
            AS_VERSION_2.to_owned()
        };
        place.store.backup(&backup).unwrap();
        rusqlite::Connection::open(&backup).unwrap().execute_batch(&downgrade).unwrap();
        let id = place.store.newest_entry().unwrap() + 1;
        for (nth, source) in [&backup, &export].into_iter().enumerate() {
            let path = place.dir.path().join(format!("new{nth}.db"));
            let (store, _) = import(&path, source).unwrap();
            assert_eq!(without_import(&dump(&store), id), without_import(&whole, id));
        }
        let Place { dir, store } = place;
        store.db.execute_batch(&downgrade).unwrap();
        store.close().unwrap();
        let path = dir.path().join("incidents.db");
        let reader = Store::open_read(&path).unwrap_err().to_string();
        let expected = format!("older version {version}; `nfnotify run` brings it up to date");
        assert!(reader.contains(&expected), "{reader}");
        assert_eq!(dump(&Store::open(&path).unwrap()), whole);
        Store::open_read(&path).unwrap();
    }
}

fn import(place: &Path, source: &Path) -> Result<(Store, Imported), Error> {
    Store::import(place, source, &row(9, "imported"), 11, Mode::Live)
}

/// Returns an export without the last row of the journal and what counts it.
fn without_import(text: &str, id: u64) -> String {
    let is_rest = |line: &&str| {
        !line.starts_with("{\"end\"")
            && !line.starts_with("{\"nfnotify-export\"")
            && !line.contains("\"key\":\"journal\"")
            && !line.contains(&format!("\"row\":{{\"id\":{id},\"incident\":null"))
    };
    text.lines().filter(is_rest).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_backup_and_an_export_give_the_same_memory_again() {
    let mut place = filled();
    let (backup, export) = (place.dir.path().join("b %?#.db"), place.dir.path().join("e.jsonl"));
    let whole = dump(&place.store);
    fs::write(&export, &whole).unwrap();
    place.store.backup(&backup).unwrap();
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let rows = whole.lines().count() as u64 - 2;
    let id = place.store.newest_entry().unwrap() + 1;
    let mut outcomes = Vec::new();
    for (nth, source) in [&backup, &export].into_iter().enumerate() {
        let path = place.dir.path().join(format!("new{nth}.db"));
        let (mut store, imported) = import(&path, source).unwrap();
        assert_eq!(imported, Imported { incidents: 2, rows });
        assert_eq!(without_import(&dump(&store), id), without_import(&whole, id));
        let entry = store.journal_after(id - 1, 9).unwrap();
        assert_eq!((entry.len(), entry[0].wall, &entry[0].row), (1, 11, &row(9, "imported")));
        assert_eq!(store.secret().unwrap(), SECRET);
        assert_eq!(store.figures().unwrap().journal_rows, id);
        outcomes.push(step(&mut store, 20));
    }
    // Both go on as the first one does.
    let expected = step(&mut place.store, 20);
    assert_eq!(expected.changed.len(), 3);
    for outcome in outcomes {
        assert_eq!(
            (outcome.changed, outcome.rows),
            (expected.changed.clone(), expected.rows.clone())
        );
    }
    let error = place.store.backup(&backup).unwrap_err().to_string();
    assert!(error.contains("the file exists already; name a new one"), "{error}");
}

#[test]
fn numbers_of_the_journal_are_not_used_again_after_an_import() {
    let mut place = filled();
    let mut update = place.store.update(5, Mode::Live).unwrap();
    update.journal_rows([&row(1, "old"), &row(1, "old")]).unwrap();
    update.commit().unwrap();
    let newest = place.store.newest_entry().unwrap();
    // Retention may remove even the newest row.
    place.store.db.execute_batch("INSERT INTO meta VALUES ('retaining', 'true')").unwrap();
    place.store.db.execute("DELETE FROM journal WHERE id > ?1", [newest - 2]).unwrap();
    place.store.db.execute_batch("DELETE FROM meta WHERE key = 'retaining'").unwrap();
    let (backup, export) = (place.dir.path().join("b.db"), place.dir.path().join("e.jsonl"));
    fs::write(&export, dump(&place.store)).unwrap();
    place.store.backup(&backup).unwrap();
    for (nth, source) in [&backup, &export].into_iter().enumerate() {
        let path = place.dir.path().join(format!("new{nth}.db"));
        let (store, _) = import(&path, source).unwrap();
        assert_eq!(store.newest_entry().unwrap(), newest + 1);
    }
}

#[test]
fn a_database_that_knows_nothing_can_be_filled_and_no_other() {
    let place = filled();
    let export = place.dir.path().join("e.jsonl");
    fs::write(&export, dump(&place.store)).unwrap();
    let mut empty = Place::new();
    let path = empty.path();
    import(&path, &export).unwrap();
    assert_eq!(empty.store.live().unwrap().len(), 2);
    let before = dump(&empty.store);
    let error = import(&path, &export).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert_eq!(dump(&empty.store), before);
    empty = Place::new();
    ingest(&mut empty.store, &[], &[0]);
    assert!(matches!(import(&empty.path(), &export).unwrap_err(), Error::Exists { .. }));
}

#[test]
fn an_export_that_is_not_sound_is_refused_as_a_whole() {
    let place = filled();
    let whole = dump(&place.store);
    let dir = tempfile::tempdir().unwrap();
    let (path, source) = (dir.path().join("new.db"), dir.path().join("e.jsonl"));
    let refuse = |text: &str| {
        fs::write(&source, text).unwrap();
        let error = import(&path, &source).unwrap_err();
        assert!(matches!(error, Error::Import { .. } | Error::Newer { .. }), "{error:?} {text}");
        // The file that was begun counts as no database.
        let after = refusal(&path);
        assert!(matches!(after, Error::Missing { .. }), "{after:?}");
        error.to_string()
    };
    // Cut at each line, and within some.
    let lines: Vec<&str> = whole.lines().collect();
    for cut in 0..lines.len() {
        let mut text = lines[..cut].join("\n");
        if cut > 0 {
            text.push('\n');
        }
        let told = refuse(&text);
        assert!(told.contains("nothing was imported"), "{told}");
        refuse(&format!("{text}{}", &lines[cut][..lines[cut].len() / 2]));
    }
    let cases = [
        ("\"nfnotify-export\":3", "\"nfnotify-export\":4", "version 4"),
        ("\"nfnotify-export\"", "\"other\"", "line 1: the file is neither an export nor a backup"),
        ("\"table\":\"hook\"", "\"table\":\"hoof\"", "there is no table \"hoof\""),
        ("\"dropped\":1", "\"dropped\":1,\"more\":1", "there is no column \"more\""),
        ("\"sent\":3,", "", "there is no sent"),
        ("\"sent\":3,", "\"sent\":[3],", "sent cannot be [3]"),
        ("\"sent\":3,", "\"sent\":\"x\",", "cannot store TEXT value"),
        ("\"sent\":3,", "\"sent\":1e400,", "number out of range"),
        ("\"step\":\"first\"", "\"step\":\"last\"", "step \"last\""),
        ("\"incident\":1,\"recipient\"", "\"incident\":7,\"recipient\"", "FOREIGN KEY"),
        ("\"id\":2,\"host\"", "\"id\":1,\"host\"", "UNIQUE"),
        ("\"id\":2,\"host\"", "\"id\":99,\"host\"", "incident 99: the next number is 3"),
        ("\"state\":\"open\"", "\"state\":\"quiet\"", "the columns differ from the body"),
        ("\"what\":\"matter\"", "\"what\":\"mutter\"", "what \"mutter\""),
        ("\"mode\":\"shadow\"", "\"mode\":\"dark\"", "mode \"dark\""),
        ("\"kind\":\"scan\"", "\"kind\":\"scam\"", "kind \"scam\""),
        ("\"seconds\":600", "\"seconds\":0", "a window of 0 s"),
        ("0707", "07", "meta secret: not 64"),
        ("\"end\":", "\"end\":1", "and these are"),
    ];
    for (from, to, why) in cases {
        assert!(whole.contains(from), "{from}");
        let told = refuse(&whole.replacen(from, to, 1));
        assert!(told.contains(why), "{from} {to}: {told}");
    }
    let told = refuse(&format!("{whole}{{}}\n"));
    assert!(told.contains("a line behind the end"), "{told}");
    let told = refuse(&"x".repeat(1 << 24));
    assert!(told.contains("line 1: the line is too long"), "{told}");
    assert!(refuse("").contains("neither an export nor a backup"));
    let bytes: String = (0..10_000u32).map(|n| char::from((n * n % 251) as u8)).collect();
    refuse(&bytes);
    // And the sound one is taken after all of these.
    fs::write(&source, &whole).unwrap();
    assert_eq!(import(&path, &source).unwrap().1.incidents, 2);
}

#[test]
fn a_backup_that_is_not_sound_is_refused_as_a_whole() {
    let place = filled();
    let backup = place.dir.path().join("b.db");
    place.store.backup(&backup).unwrap();
    let bytes = fs::read(&backup).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (path, source) = (dir.path().join("new.db"), dir.path().join("b.db"));
    let refuse = |why: &str| {
        let error = import(&path, &source).unwrap_err();
        assert!(error.to_string().contains(why), "{error}");
        assert!(matches!(refusal(&path), Error::Missing { .. }));
        error
    };
    // Cut short, and damaged in the middle.
    fs::write(&source, &bytes[..bytes.len() / 2]).unwrap();
    refuse("nothing was imported");
    let mut damaged = bytes.clone();
    damaged[4096 * 3..4096 * 4].fill(0x5a);
    fs::write(&source, &damaged).unwrap();
    refuse("nothing was imported");
    let with = |sql: &str| {
        fs::write(&source, &bytes).unwrap();
        rusqlite::Connection::open(&source).unwrap().execute_batch(sql).unwrap();
    };
    with("PRAGMA user_version = 9");
    assert!(matches!(refuse("version 9"), Error::Newer { found: 9, .. }));
    with("PRAGMA application_id = 9");
    refuse("a database of another program");
    with("DROP TABLE hook");
    refuse("no such table: hook");
    with("UPDATE incident SET body = 'x'");
    refuse("incident 1: expected value");
    with("UPDATE notice SET at = -1");
    refuse("nothing was imported");
    fs::write(&source, &bytes).unwrap();
    import(&path, &source).unwrap();
    // No file was left beside the backup.
    let mut names: Vec<_> =
        fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["b.db", "new.db", "new.db-shm", "new.db-wal"]);
}

#[test]
fn only_files_are_imported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new.db");
    let error = import(&path, dir.path()).unwrap_err().to_string();
    assert!(error.contains("not a regular file; name a backup or an export"), "{error}");
    let error = import(&path, &dir.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none: No such file or directory"), "{error}");
    assert!(!path.exists());
}

#[test]
fn an_export_that_cannot_be_written_says_so() {
    struct Shut;
    impl Write for Shut {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let place = filled();
    let error = place.store.export(&mut Shut).unwrap_err();
    assert!(matches!(&error, Error::Write(why) if why.kind() == io::ErrorKind::BrokenPipe));
    // The store can be used as before.
    assert!(dump(&place.store).len() > 1000);
}
