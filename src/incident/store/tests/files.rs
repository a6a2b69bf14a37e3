//! Files: made, opened, refused.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use rusqlite::Connection;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

fn names(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
    let mut names: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| name(entry).unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_group_may_write_to_all_files_of_a_new_database() {
    let mut place = Place::new();
    ingest(&mut place.store, &[scan(0, 1, 100)], &[0]);
    let files = names(place.dir.path());
    assert_eq!(files, ["incidents.db", "incidents.db-shm", "incidents.db-wal"]);
    for name in &files {
        assert_eq!(mode(&place.dir.path().join(name)), 0o660, "{name}");
    }
    assert_eq!(place.store.secret().unwrap(), SECRET);
    let next = (place.store.next_id().unwrap(), place.store.newest_entry().unwrap());
    assert_eq!(next, (1, 0));
    assert_eq!(place.store.last_run().unwrap(), None);
}

#[test]
fn a_database_is_never_made_in_the_place_of_another() {
    let mut place = Place::new();
    ingest(&mut place.store, &[scan(0, 1, 100)], &[0]);
    let before = dump(&place.store);
    let error = Store::create(&place.path(), &[8; 32]).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }), "{error}");
    assert!(error.to_string().contains("an incident database is here already"), "{error}");
    assert_eq!(dump(&place.store), before);
}

#[test]
fn a_database_without_tables_is_none_and_can_be_made() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.db");
    let missing = refusal(&path);
    assert!(matches!(missing, Error::Missing { .. }), "{missing}");
    assert!(missing.to_string().contains("nfnotify import FILE"), "{missing}");
    assert!(names(dir.path()).is_empty());
    fs::write(&path, b"").unwrap();
    assert!(matches!(refusal(&path), Error::Missing { .. }));
    assert_eq!(fs::read(&path).unwrap(), b"");
    drop(Store::create(&path, &SECRET).unwrap());
    assert_eq!(Store::open(&path).unwrap().secret().unwrap(), SECRET);
}

#[test]
fn a_newer_database_is_left_as_it_is() {
    let place = Place::new();
    place.store.db.pragma_update(None, "user_version", VERSION + 1).unwrap();
    let Place { dir, store } = place;
    store.close().unwrap();
    let path = dir.path().join("incidents.db");
    let before = fs::read(&path).unwrap();
    let error = refusal(&path);
    assert!(matches!(error, Error::Newer { found: 4, known: 3, .. }), "{error}");
    assert!(error.to_string().contains("version 4, and this nfnotify knows up to 3"), "{error}");
    let error = Store::create(&path, &SECRET).unwrap_err();
    assert!(matches!(error, Error::Newer { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_is_no_database_is_refused_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.db");
    let mut random = 1u64;
    let bytes: Vec<u8> = std::iter::repeat_with(|| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        random.to_be_bytes()[0]
    })
    .take(10_000)
    .collect();
    for content in [&bytes[..], b"x", b"SQLite format 3\0", &[0; 100]] {
        fs::write(&path, content).unwrap();
        for error in [refusal(&path), Store::create(&path, &SECRET).unwrap_err()] {
            assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
            assert!(error.to_string().contains("not a sound incident database"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), content);
        assert_eq!(names(dir.path()), ["incidents.db"]);
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("incidents.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE bookmarks(url)").unwrap();
    let before = fs::read(&path).unwrap();
    for error in [refusal(&path), Store::create(&path, &SECRET).unwrap_err()] {
        assert!(error.to_string().contains("a database of another program"), "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_database_that_lacks_a_table_is_corrupt() {
    let place = Place::new();
    place.store.db.execute_batch("DROP TABLE hook").unwrap();
    let error = refusal(&place.path());
    assert!(
        matches!(&error, Error::Corrupt { why, .. } if why == "it has no table hook"),
        "{error}"
    );
}

#[test]
fn damage_in_any_page_is_an_error_at_worst() {
    let mut place = Place::new();
    for nth in 0..4 {
        ingest(&mut place.store, &[scan(nth, 1, 100), scan(nth, 2, 300)], &[nth]);
        step(&mut place.store, window(nth).end());
    }
    let Place { dir, store } = place;
    store.close().unwrap();
    let path = dir.path().join("incidents.db");
    let whole = fs::read(&path).unwrap();
    fs::remove_file(dir.path().join("incidents.db-wal")).unwrap();
    let mut refused = 0;
    for at in (0..whole.len()).step_by(331) {
        let mut bytes = whole.clone();
        bytes[at..(at + 16).min(whole.len())].fill(0xa5);
        fs::write(&path, bytes).unwrap();
        let look = || -> Result<usize, Error> {
            let store = Store::open_read(&path)?;
            let incidents = store.live()?.len() + store.windows()?.len();
            Ok(incidents + store.journal_after(0, 1000)?.len() + store.figures()?.findings as usize)
        };
        match look() {
            Ok(_) => {}
            Err(Error::Corrupt { .. } | Error::Newer { .. } | Error::Other { .. }) => refused += 1,
            Err(error) => panic!("{at}: {error}"),
        }
    }
    assert!(refused > 15, "{refused}");
}

#[test]
fn only_regular_files_are_opened() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("dir")).unwrap();
    nix::unistd::mkfifo(&path("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    symlink(path("target"), path("link")).unwrap();
    for (name, why) in [
        ("dir", "a directory; name the file of the incident database in it"),
        ("fifo", "not a regular file; name the file of the incident database"),
        ("link", "a symbolic link; name the incident database itself"),
    ] {
        let error = refusal(&path(name));
        assert!(matches!(error, Error::Other { .. }), "{error:?}");
        assert!(error.to_string().contains(why), "{error}");
        let error = Store::create(&path(name), &SECRET).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    assert!(!path("target").exists());
    let error = refusal(&path("dir/none/x.db"));
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    let error = Store::create(&path("none/x.db"), &SECRET).unwrap_err().to_string();
    assert!(error.contains("none/x.db: No such file or directory"), "{error}");
}

#[test]
fn a_database_that_this_user_may_only_read_is_refused_to_writers() {
    let place = Place::new();
    let Place { dir, store } = place;
    store.close().unwrap();
    let path = dir.path().join("incidents.db");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let error = std::thread::spawn(move || {
        // The thread alone becomes nobody, if root runs the test.
        nix::unistd::setfsuid(nix::unistd::Uid::from_raw(65_534));
        Store::open(&path).unwrap_err()
    });
    let error = error.join().unwrap();
    assert!(matches!(error, Error::Other { .. }), "{error:?}");
    assert!(error.to_string().contains("cannot be written; run as a user who may"), "{error}");
}

#[test]
fn who_waits_too_long_for_another_writer_is_told() {
    let mut place = Place::new();
    let path = place.path();
    let mut other = Store::open(&path).unwrap();
    other.db.busy_timeout(std::time::Duration::ZERO).unwrap();
    let held = place.store.ingest().unwrap();
    for error in [other.ingest().unwrap_err(), other.update(0, Mode::Live).unwrap_err()] {
        assert!(matches!(error, Error::Busy { .. }), "{error:?}");
        assert!(error.to_string().contains("another process has held"), "{error}");
    }
    // Reading goes on.
    assert_eq!(Store::open_read(&path).unwrap().live().unwrap(), []);
    drop(held);
    assert_eq!(other.ingest().unwrap().commit().unwrap(), Ingested::default());
}

#[test]
fn a_full_disk_leaves_the_last_commit() {
    let mut place = Place::new();
    ingest(&mut place.store, &[scan(0, 1, 100)], &[0]);
    step(&mut place.store, window(0).end());
    let before = dump(&place.store);
    let pages: i64 = place.store.db.query_row("PRAGMA page_count", [], |row| row.get(0)).unwrap();
    place.store.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    let many: Vec<_> = (0..=255).map(|host| scan(1, host, 200)).collect();
    let mut ingest = place.store.ingest().unwrap();
    let error = many.iter().find_map(|finding| ingest.finding(finding).err()).unwrap();
    drop(ingest);
    assert!(matches!(error, Error::Full { .. }), "{error:?}");
    assert!(error.to_string().contains("no room on the disk"), "{error}");
    assert_eq!(dump(&place.store), before);
    place.store.db.query_row("PRAGMA max_page_count = 100000", [], |_| Ok(())).unwrap();
    assert_eq!(super::ingest(&mut place.store, &many, &[1]).new, 256);
}

#[test]
fn a_reader_sees_one_moment_and_changes_nothing() {
    let mut place = Place::new();
    ingest(&mut place.store, &[scan(0, 1, 100)], &[0]);
    step(&mut place.store, window(0).end());
    let files = names(place.dir.path());
    let mut reader = Store::open_read(&place.path()).unwrap();
    let before = dump(&reader);
    ingest(&mut place.store, &[scan(1, 2, 100)], &[1]);
    step(&mut place.store, window(1).end());
    assert_eq!((reader.live().unwrap().len(), place.store.live().unwrap().len()), (1, 2));
    assert_eq!(dump(&reader), before);
    assert_ne!(dump(&place.store), before);
    assert!(reader.is_reader() && !place.store.is_reader());
    let error = reader.ingest().unwrap_err().to_string();
    assert!(error.contains("transaction within a transaction"), "{error}");
    reader.close().unwrap();
    assert_eq!(Store::open_read(&place.path()).unwrap().live().unwrap().len(), 2);
    assert_eq!(names(place.dir.path()), files);
    let db = Store::open_read(&place.path()).unwrap().db;
    let error = db.execute("DELETE FROM incident", []).unwrap_err().to_string();
    assert!(error.contains("readonly"), "{error}");
}

#[test]
fn a_database_that_was_closed_is_opened_with_all_that_it_had() {
    let mut place = Place::new();
    ingest(&mut place.store, &[scan(0, 1, 100)], &[0]);
    let before = dump(&place.store);
    let Place { dir, store } = place;
    store.close().unwrap();
    // The copy has all without its WAL, as long as nobody reads while it is closed.
    let copy = dir.path().join("copy.db");
    fs::copy(dir.path().join("incidents.db"), &copy).unwrap();
    for path in [dir.path().join("incidents.db"), copy] {
        assert_eq!(dump(&Store::open(&path).unwrap()), before);
    }
}
