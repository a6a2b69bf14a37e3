use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::time::Duration;

use proptest::prelude::*;

use super::super::list::list;
use super::super::name::{Compression, file_name};
use super::super::rules::Free;
use super::super::slot_file::SlotFile;
use super::*;
use crate::time::Window;

/// Bytes of a page. The tests' file systems have no larger blocks.
const PAGE: usize = 4096;

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text.as_bytes()).unwrap()
}

/// A spool whose files take whole pages.
struct Spool(tempfile::TempDir);

impl Spool {
    fn new() -> Spool {
        Spool(tempfile::tempdir().unwrap())
    }

    fn put(&self, name: &str, pages: usize) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, vec![b'x'; pages * PAGE]).unwrap();
        path
    }

    /// Returns the paths of all files and directories in the spool.
    fn all(&self) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        let mut dirs = vec![self.0.path().to_owned()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                let name = entry.path().strip_prefix(self.0.path()).unwrap().to_owned();
                all.insert(name.to_str().unwrap().to_owned());
                if entry.file_type().unwrap().is_dir() {
                    dirs.push(entry.path());
                }
            }
        }
        all
    }

    fn retain(&self, rules: RetentionRules, now: &str, free: u64) -> Retained {
        let (path, now) = (self.0.path(), time(now));
        let space = |_: &Path| Ok(Space { free, total: pages(1000) });
        let before = self.all();
        let dry = retain_on(path, &rules, now, usize::MAX, space, || true, |_| Ok(()));
        assert_eq!(self.all(), before);
        let remove = |path: &Path| fs::remove_file(path);
        let done = retain_on(path, &rules, now, usize::MAX, space, || true, remove);
        assert_eq!(dry.removed, done.removed);
        assert_eq!((dry.kept_files, dry.kept_bytes), (done.kept_files, done.kept_bytes));
        // Without a rule, only empty directories are removed.
        let rest = retain(path, &RetentionRules::default(), now, false);
        assert_eq!((rest.kept_files, rest.kept_bytes), (done.kept_files, done.kept_bytes));
        done
    }

    /// Returns the names of the removed files without their directories.
    fn names(retained: &Retained) -> Vec<(&str, Why)> {
        assert!(retained.errors.is_empty(), "{:?}", retained.errors);
        let name = |path: &Path| path.file_name().unwrap().to_str().map(str::len).unwrap();
        (retained.removed.iter())
            .map(|removed| {
                let path = removed.path.to_str().unwrap();
                (&path[path.len() - name(&removed.path)..], removed.why)
            })
            .collect()
    }
}

fn pages(n: usize) -> u64 {
    (n * PAGE) as u64
}

fn keep(days: u64) -> RetentionRules {
    RetentionRules { keep: Some(Duration::from_secs(days * DAY)), ..RetentionRules::default() }
}

#[test]
fn free_space_is_a_share_or_a_size() {
    let size = |text: &str| text.parse::<u64>().map_err(|_| "no size".to_owned());
    for (text, free) in [
        ("5%", Free::Tenths(50)),
        ("2.5%", Free::Tenths(25)),
        ("0%", Free::Tenths(0)),
        ("100%", Free::Tenths(1000)),
        ("4096", Free::Bytes(4096)),
    ] {
        assert_eq!(Free::parse(text, size), Ok(free), "{text}");
    }
    for text in ["%", "101%", "100.1%", "2.55%", "2.%", ".5%", "-1%", "+1%", "1e1%", "x", ""] {
        assert!(Free::parse(text, size).is_err(), "{text}");
    }
    assert_eq!(Free::Tenths(25).bytes(1000), 25);
    assert_eq!(Free::Tenths(1000).bytes(u64::MAX), u64::MAX);
    assert_eq!(Free::Bytes(7).bytes(1), 7);
}

#[test]
fn without_a_rule_nothing_is_removed() {
    let spool = Spool::new();
    spool.put("2001/07/01/nfcap.200107010000.pcapng", 1);
    let done = spool.retain(RetentionRules::default(), "2026-01-01T00:00:00Z", 0);
    assert_eq!((done.removed.len(), done.kept_files, done.kept_bytes), (0, 1, pages(1)));
    // A missing spool is no error here. The collector that writes to it reports that.
    let none = retain(Path::new("/nonexistent"), &keep(1), time("2026-01-01T00:00:00Z"), false);
    assert!(none.removed.is_empty() && none.errors.is_empty());
}

#[test]
fn old_files_are_removed_and_then_empty_directories() {
    let spool = Spool::new();
    spool.put("2000/12/31/nfcap.200012312350.pcapng", 1);
    spool.put("2001/06/30/nfcap.200106302350.pcapng.gz", 1);
    spool.put("2001/07/01/nfcap.200107010000.pcapng", 1);
    spool.put("2001/07/01/nfcap.200107010000.1.pcapng.zst", 1);
    spool.put("2001/07/01/nfcap.200107010010.pcapng", 1);
    fs::create_dir_all(spool.0.path().join("2001/05/04")).unwrap();
    fs::create_dir_all(spool.0.path().join("2001/07/30")).unwrap();
    // A slot that began exactly 30 days ago stays.
    let done = spool.retain(keep(30), "2001-07-31T00:10:00Z", 0);
    let expected = [
        "nfcap.200012312350.pcapng",
        "nfcap.200106302350.pcapng.gz",
        "nfcap.200107010000.pcapng",
        "nfcap.200107010000.1.pcapng.zst",
    ];
    assert_eq!(Spool::names(&done), expected.map(|name| (name, Why::Age)));
    assert_eq!((done.kept_files, done.kept_bytes), (1, pages(1)));
    let left = ["2001", "2001/07", "2001/07/01", "2001/07/01/nfcap.200107010010.pcapng"];
    let left: Vec<_> = left.into_iter().chain(["2001/07/30"]).map(str::to_owned).collect();
    assert_eq!(spool.all().into_iter().collect::<Vec<_>>(), left);

    // By age the newest file is removed too. The spool itself stays. A day later the year may go.
    let done = spool.retain(keep(30), "2002-01-02T00:00:00Z", 0);
    assert_eq!((done.removed.len(), done.kept_files, done.kept_bytes), (1, 0, 0));
    assert_eq!(spool.all().len(), 0);
    assert!(spool.0.path().exists());
}

#[test]
fn foreign_files_stay() {
    let spool = Spool::new();
    let foreign = [
        // Files in another place: copies that a user wants to keep.
        "evidence/nfcap.200107010000.pcapng",
        "nfcap.200107010000.pcapng",
        "2001/07/nfcap.200107010000.pcapng",
        "2001/07/02/nfcap.200107010000.pcapng",
        "2001/07/01/deep/nfcap.200107010000.pcapng",
        "2001/07/1/nfcap.200107010000.pcapng",
        // Names that nfcap does not give.
        "2001/07/01/notes.txt",
        "2001/07/01/nfcap.200107010000.pcap",
        "2001/07/01/nfcap.200107010000.pcapng.bak",
        "2001/07/01/nfcap.200107010000.pcapng.bad",
        "2001/07/01/.nfcap.200107010000.pcapng",
        "2001/07/01/.nfcap.200107010000.pcapng.x.bad",
        "2001/07/01/.bad",
        ".nfcap.lock",
        ".nfcap.failed",
        // Files being written.
        "2001/07/01/.nfcap.200107010000.pcapng.part",
        "2001/07/01/.nfcap.200107010000.1.pcapng.zst.part",
    ];
    for name in foreign {
        spool.put(name, 1);
    }
    let outside = Spool::new();
    let target = outside.put("07/01/nfcap.200107010000.pcapng", 1);
    symlink(outside.0.path(), spool.0.path().join("2000")).unwrap();
    symlink(&target, spool.0.path().join("2001/07/01/nfcap.200107010000.pcapng")).unwrap();
    fs::create_dir(spool.0.path().join("2001/07/01/nfcap.200107010010.pcapng")).unwrap();
    let before = spool.all();
    let own = [
        ".nfcap.200107010000.pcapng.bad",
        ".nfcap.200107010000.pcapng.1.bad",
        ".nfcap.200107010000.2.pcapng.gz.bad",
        "nfcap.20010701000001.3.pcapng",
    ];
    for name in own {
        spool.put(&format!("2001/07/01/{name}"), 1);
    }
    let rules = RetentionRules {
        keep: Some(Duration::ZERO),
        max_size: Some(0),
        min_free: Some(Free::Bytes(u64::MAX)),
    };
    let done = spool.retain(rules, "2026-01-01T00:00:00Z", 0);
    let mut removed: Vec<&str> = Spool::names(&done).into_iter().map(|(name, _)| name).collect();
    removed.sort_unstable();
    let mut own = own;
    own.sort_unstable();
    assert_eq!(removed, own);
    assert_eq!((done.kept_files, done.kept_bytes), (0, pages(2)));
    assert_eq!(spool.all(), before);
    assert!(target.exists());
    // Links are returned, and not followed.
    let links = ["2000", "2001/07/01/nfcap.200107010000.pcapng"];
    assert_eq!(done.links, links.map(|name| spool.0.path().join(name)));
}

#[test]
fn oldest_files_of_a_spool_that_is_too_large_are_removed() {
    let spool = Spool::new();
    spool.put("2001/07/01/nfcap.200107010000.2.pcapng", 2);
    spool.put("2001/07/01/nfcap.200107010000.10.pcapng", 3);
    spool.put("2001/07/01/.nfcap.200107010005.pcapng.bad", 1);
    spool.put("2001/07/01/nfcap.200107010010.pcapng", 0);
    spool.put("2001/07/01/nfcap.200107010020.pcapng", 4);
    spool.put("2001/07/01/.nfcap.200107010030.pcapng.part", 5);
    let max = |n| RetentionRules { max_size: Some(pages(n)), ..RetentionRules::default() };
    let now = "2001-07-01T00:31:00Z";
    assert!(spool.retain(max(15), now, 0).removed.is_empty());
    let done = spool.retain(max(12), now, 0);
    let expected =
        [("nfcap.200107010000.2.pcapng", Why::Size), ("nfcap.200107010000.10.pcapng", Why::Size)];
    assert_eq!(Spool::names(&done), expected);
    assert_eq!((done.kept_files, done.kept_bytes), (3, pages(10)));
    // The part alone is too large. The newest file stays, and so does one without bytes.
    let done = spool.retain(max(1), now, 0);
    assert_eq!(Spool::names(&done), [(".nfcap.200107010005.pcapng.bad", Why::Size)]);
    assert_eq!((done.kept_files, done.kept_bytes), (2, pages(9)));
}

#[test]
fn files_are_removed_until_the_disk_has_space() {
    let spool = Spool::new();
    let linked = spool.put("2001/07/01/nfcap.200107010000.pcapng", 9);
    fs::hard_link(linked, spool.0.path().join("evidence.pcapng")).unwrap();
    for n in 1..5 {
        spool.put(&format!("2001/07/01/nfcap.2001070100{n}0.pcapng"), 2);
    }
    let min = |free| RetentionRules { min_free: Some(free), ..RetentionRules::default() };
    let now = "2001-07-01T01:00:00Z";
    let half = Free::Bytes(pages(10));
    assert!(spool.retain(min(half), now, pages(10)).removed.is_empty());
    // A file whose removal would free nothing is skipped.
    let done = spool.retain(min(half), now, pages(10) - 1);
    assert_eq!(Spool::names(&done), [("nfcap.200107010010.pcapng", Why::Free)]);
    // One percent of 1000 pages is ten.
    let done = spool.retain(min(Free::Tenths(10)), now, pages(7));
    let expected =
        [("nfcap.200107010020.pcapng", Why::Free), ("nfcap.200107010030.pcapng", Why::Free)];
    assert_eq!(Spool::names(&done), expected);
    // The newest file is never removed.
    assert!(spool.retain(min(Free::Tenths(1000)), now, 0).removed.is_empty());

    let failing = |_: &Path| Err(io::Error::other("no figures"));
    let rules = min(half);
    let remove = |_: &Path| Ok(());
    let path = spool.0.path();
    let done = retain_on(path, &rules, time(now), usize::MAX, failing, || true, remove);
    assert_eq!((done.removed.len(), done.errors.len()), (0, 1));
}

#[test]
fn files_that_cannot_be_removed_are_skipped() {
    let spool = Spool::new();
    let stuck = spool.put("2001/07/01/nfcap.200107010000.pcapng", 2);
    let gone = spool.put("2001/07/02/nfcap.200107020000.pcapng", 2);
    for day in 3..6 {
        spool.put(&format!("2001/07/0{day}/nfcap.2001070{day}0000.pcapng"), 2);
    }
    let space = |_: &Path| Ok(Space { free: 0, total: pages(1000) });
    let remove = |path: &Path| match path {
        path if path == stuck => Err(io::ErrorKind::PermissionDenied.into()),
        // Another process removes it at this moment.
        path if path == gone => {
            fs::remove_file(path)?;
            Err(io::ErrorKind::NotFound.into())
        }
        path => fs::remove_file(path),
    };
    let rules = RetentionRules { max_size: Some(pages(6)), ..RetentionRules::default() };
    let now = time("2001-07-05T01:00:00Z");
    let done = retain_on(spool.0.path(), &rules, now, usize::MAX, space, || true, remove);
    let errors: Vec<_> = done.errors.iter().map(|error| &error.path).collect();
    assert_eq!(errors, [&stuck]);
    // The next files are removed instead, and those that others removed count too.
    let removed: Vec<_> = done.removed.iter().map(|removed| removed.path.file_name()).collect();
    assert_eq!(removed, [Some("nfcap.200107030000.pcapng".as_ref())]);
    assert_eq!((done.kept_files, done.kept_bytes), (3, pages(6)));
}

#[test]
fn a_directory_that_takes_the_spools_place_in_a_pass_loses_nothing() {
    let name = "2001/07/01/nfcap.200107010000.pcapng";
    let (old, new, link) = (Spool::new(), Spool::new(), Spool::new());
    let left = [old.put(name, 1), new.put(name, 1)];
    let path = link.0.path().join("spool");
    symlink(old.0.path(), &path).unwrap();
    let judged = directory_id(&path);
    let (keep, min_free) = (Some(Duration::from_secs(60)), Some(Free::Bytes(0)));
    let rules = RetentionRules { keep, min_free, ..RetentionRules::default() };
    // The disk's state is asked for after the files are listed.
    let mount = |_: &Path| {
        fs::remove_file(&path)?;
        symlink(new.0.path(), &path)?;
        Ok(Space { free: pages(1000), total: pages(1000) })
    };
    let now = time("2001-08-01T00:00:00Z");
    let is_judged = || directory_id(&path) == judged;
    let remove = |path: &Path| fs::remove_file(path);
    let done = retain_on(&path, &rules, now, usize::MAX, mount, is_judged, remove);
    assert_eq!((done.removed.len(), done.errors.len()), (0, 0));
    assert!(left.iter().all(|file| file.exists()));
    // The same for a directory that was mounted before the files were listed.
    assert!(retain_in(&path, judged, &rules, now, usize::MAX).removed.is_empty());
    assert!(left.iter().all(|file| file.exists()));
    assert_eq!(retain_in(&path, directory_id(&path), &rules, now, usize::MAX).removed.len(), 1);
}

#[test]
fn several_passes_may_run_at_the_same_time() {
    let spool = Spool::new();
    for n in 0..200 {
        let slot = Window::new(993_945_600 + 600 * n, 600).unwrap();
        spool.put(file_name(slot, 0).to_str().unwrap(), 0);
    }
    let done: Vec<Retained> = std::thread::scope(|scope| {
        let retain = || retain(spool.0.path(), &keep(1), time("2026-01-01T00:00:00Z"), false);
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(retain)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(done.iter().map(|done| done.removed.len()).sum::<usize>(), 200);
    assert!(done.iter().all(|done| done.errors.is_empty()), "{done:?}");
    assert!(spool.all().is_empty());
}

#[test]
fn file_being_written_is_not_disturbed() {
    let spool = Spool::new();
    let slot = Window::new(993_945_600, 600).unwrap();
    let file = SlotFile::create(spool.0.path(), slot, Compression::None).unwrap();
    let rules = RetentionRules { max_size: Some(0), ..keep(0) };
    retain(spool.0.path(), &rules, time("2026-01-01T00:00:00Z"), false);
    let name = file.finish().unwrap();
    assert_eq!(list(spool.0.path(), |path| Ok(Box::new(File::open(path)?))).files, [name]);
}

/// A small file system, if the tests may mount one.
struct Mount(tempfile::TempDir);

impl Mount {
    fn new() -> Option<Mount> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "nfkit"]).arg(dir.path());
        let done = mount.output().is_ok_and(|output| output.status.success());
        done.then_some(Mount(dir))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        _ = Command::new("umount").arg(self.0.path()).output();
    }
}

#[test]
fn files_are_removed_from_a_real_disk() {
    let Some(mount) = Mount::new() else {
        eprintln!("skipped: no file system can be mounted here");
        return;
    };
    let spool = mount.0.path().join("spool");
    for n in 0..6 {
        let path = spool.join(format!("2001/07/01/nfcap.2001070100{n}0.pcapng"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, vec![0; 128 << 10]).unwrap();
    }
    let rules = RetentionRules { min_free: Some(Free::Tenths(500)), ..RetentionRules::default() };
    let now = time("2001-07-01T01:00:00Z");
    let dry = retain(&spool, &rules, now, true);
    let done = retain(&spool, &rules, now, false);
    assert_eq!(dry.removed, done.removed);
    assert_eq!((done.removed.len(), done.kept_files), (2, 4), "{done:?}");
    let found = statvfs(&spool).unwrap();
    assert!(found.blocks_available() * 2 >= found.blocks());
    assert!(retain(&spool, &rules, now, false).removed.is_empty());
}

/// Returns the removed files by a naive implementation that sums up everything again for each file.
fn reference(
    all: &[(PathBuf, FileKind)],
    rules: &RetentionRules,
    now: Timestamp,
    space: Space,
) -> Vec<Removed> {
    let start = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        kind(name).unwrap().1
    };
    let bytes = |path: &PathBuf| fs::symlink_metadata(path).unwrap().blocks() * 512;
    let alone = |path: &PathBuf| fs::symlink_metadata(path).unwrap().nlink() == 1;
    let mut files: Vec<_> = all.iter().filter(|(_, kind)| *kind != FileKind::Part).collect();
    files.sort_by_key(|(path, _)| (start(path), path.clone()));
    let finished =
        || files.iter().filter(|(_, kind)| *kind == FileKind::Finished).map(|(path, _)| path);
    let newest = finished().next_back();
    let newest_past = finished().rfind(|path| start(path).start <= now);
    let mut removed: Vec<Removed> = Vec::new();
    for (path, _) in files {
        let left = all.iter().filter(|(path, _)| removed.iter().all(|gone| gone.path != *path));
        let total: u64 = left.map(|(path, _)| bytes(path)).sum();
        let freed = removed.iter().filter(|gone| alone(&gone.path)).map(|gone| gone.bytes);
        let free = space.free + freed.sum::<u64>();
        let age = now.nanos().saturating_sub(start(path).start.nanos());
        let may = newest != Some(path) && newest_past != Some(path) && bytes(path) > 0;
        let why = if rules.keep.is_some_and(|keep| Duration::from_nanos(age) > keep) {
            Why::Age
        } else if may && rules.max_size.is_some_and(|max| total > max) {
            Why::Size
        } else if may
            && alone(path)
            && rules.min_free.is_some_and(|min| free < min.bytes(space.total))
        {
            Why::Free
        } else {
            continue;
        };
        let slot = start(path).start;
        removed.push(Removed { path: path.clone(), slot, bytes: bytes(path), why });
    }
    removed
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn random_spools_are_treated_as_by_the_reference(
        files in prop::collection::btree_map(
            (0u64..40, 0u32..3),
            (0usize..6, 0usize..4, any::<bool>()),
            0..16,
        ),
        hours in prop::option::of(0u64..80),
        max in prop::option::of(0usize..30),
        min in prop::option::of(0usize..30),
        free in 0usize..30,
        now in 0u64..90,
    ) {
        let spool = Spool::new();
        let begin = 993_945_600;
        let mut all = Vec::new();
        for ((hour, n), (form, pages, linked)) in files {
            let slot = Window::new(begin + 3600 * hour, 3600).unwrap();
            let name = file_name(slot, n);
            let (dir, name) = (name.parent().unwrap(), name.file_name().unwrap().to_str().unwrap());
            let (name, kind) = match form {
                0 => (format!(".{name}.part"), FileKind::Part),
                1 => (format!(".{name}.bad"), FileKind::Bad),
                2 => (format!(".{name}.zst.7.bad"), FileKind::Bad),
                3 => (format!("{name}.gz"), FileKind::Finished),
                _ => (name.to_owned(), FileKind::Finished),
            };
            let path = spool.put(dir.join(name).to_str().unwrap(), pages);
            if linked && kind != FileKind::Part {
                let other = spool.0.path().join(format!("other.{hour}.{n}"));
                fs::hard_link(&path, other).unwrap();
            }
            all.push((path, kind));
        }
        let rules = RetentionRules {
            keep: hours.map(|hours| Duration::from_secs(3600 * hours)),
            max_size: max.map(pages),
            min_free: min.map(|n| Free::Bytes(pages(n))),
        };
        let space = Space { free: pages(free), total: pages(1000) };
        let now = Timestamp::from_secs(begin + 3600 * now);
        let expected = reference(&all, &rules, now, space);
        let done = spool.retain(rules, &now.rfc3339(), space.free);
        prop_assert_eq!(&done.removed, &expected);
        prop_assert!(done.errors.is_empty());
        let left = all.iter().filter(|(path, _)| path.exists());
        let is_file = |(_, kind): &&(PathBuf, FileKind)| *kind != FileKind::Part;
        prop_assert_eq!(left.clone().filter(is_file).count() as u64, done.kept_files);
        let bytes = left.map(|(path, _)| fs::metadata(path).unwrap().blocks() * 512);
        prop_assert_eq!(bytes.sum::<u64>(), done.kept_bytes);
        prop_assert_eq!(all.len() as u64 - all.iter().filter(|(_, kind)| *kind == FileKind::Part).count() as u64,
            done.kept_files + done.removed.len() as u64);
    }
}

#[test]
fn slots_before_2000_are_removed_by_size_only() {
    let spool = Spool::new();
    // The slots of a clock without a battery.
    for n in 0..4 {
        spool.put(&format!("1970/01/01/nfcap.1970010100{n}0.pcapng"), 1);
    }
    spool.put("1999/12/31/nfcap.199912312350.pcapng", 1);
    spool.put("2000/01/01/nfcap.200001010000.pcapng", 1);
    spool.put("2001/07/01/nfcap.200107010000.pcapng", 1);
    let now = "2001-07-01T00:10:00Z";
    let done = spool.retain(keep(1), now, 0);
    assert_eq!(Spool::names(&done), [("nfcap.200001010000.pcapng", Why::Age)]);
    let rules = RetentionRules { min_free: Some(Free::Tenths(1000)), ..keep(1) };
    assert!(spool.retain(rules, now, 0).removed.is_empty());
    let rules = RetentionRules { max_size: Some(pages(3)), ..keep(1) };
    let done = spool.retain(rules, now, 0);
    assert_eq!(Spool::names(&done).len(), 3);
    assert!(done.removed.iter().all(|removed| removed.why == Why::Size));
    assert!(spool.0.path().join("1999/12/31/nfcap.199912312350.pcapng").exists());
}

#[test]
fn slot_of_the_future_does_not_count_as_the_newest() {
    let spool = Spool::new();
    for hour in 0..4 {
        spool.put(&format!("2001/07/01/nfcap.200107010{hour}00.pcapng"), 1);
    }
    let future = spool.put("2036/02/07/nfcap.203602070000.pcapng", 1);
    let rules =
        RetentionRules { max_size: Some(1), min_free: Some(Free::Tenths(1000)), keep: None };
    let done = spool.retain(rules, "2001-07-01T03:30:00Z", 0);
    assert_eq!((done.removed.len(), done.kept_files), (3, 2));
    assert!(spool.0.path().join("2001/07/01/nfcap.200107010300.pcapng").exists());
    assert!(future.exists());
}

#[test]
fn files_on_another_file_system_do_not_free_the_disk() {
    let spool = Spool::new();
    let day = spool.0.path().join("2001");
    fs::create_dir(&day).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "nfkit"])
        .arg(&day)
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: no file system can be mounted here");
        return;
    }
    for n in 0..4 {
        spool.put(&format!("2001/07/01/nfcap.2001070100{n}0.pcapng"), 1);
        spool.put(&format!("2002/07/01/nfcap.2002070100{n}0.pcapng"), 1);
    }
    let rules =
        RetentionRules { min_free: Some(Free::Bytes(pages(2))), ..RetentionRules::default() };
    let done = spool.retain(rules, "2002-07-01T01:00:00Z", 0);
    let expected =
        [("nfcap.200207010000.pcapng", Why::Free), ("nfcap.200207010010.pcapng", Why::Free)];
    let names = Spool::names(&done);
    _ = Command::new("umount").arg(&day).output();
    assert_eq!(names, expected);
}

/// Puts `count` slots of ten minutes up to `END` into the spool, of one page each.
fn slots(spool: &Spool, count: u64) {
    for n in 0..count {
        let slot = Window::new(END - 600 * (n + 1), 600).unwrap();
        spool.put(file_name(slot, 0).to_str().unwrap(), 1);
    }
}

const END: u64 = 993_945_600;

/// Returns the clocks `boot` seconds after `END`, with the time of day off by `off` seconds.
fn clocks(boot: u64, off: u64) -> Clocks {
    Clocks { wall: Timestamp::from_secs(END + boot + off), boot: Duration::from_secs(boot) }
}

fn left(spool: &Spool) -> usize {
    spool.all().iter().filter(|name| name.ends_with(".pcapng")).count()
}

#[test]
fn first_pass_that_would_remove_more_than_half_removes_nothing() {
    let minutes =
        RetentionRules { keep: Some(Duration::from_secs(1800)), ..RetentionRules::default() };
    let bytes = RetentionRules { max_size: Some(50), ..RetentionRules::default() };
    let everything =
        RetentionRules { min_free: Some(Free::Tenths(1000)), ..RetentionRules::default() };
    for rules in [minutes, bytes, everything] {
        let spool = Spool::new();
        slots(&spool, 60);
        let mut guard = Guard::new(false);
        for minute in 0..5 {
            let pass = pass(spool.0.path(), &rules, &mut guard, clocks(60 * minute, 0));
            assert!(pass.too_many.is_some_and(|too_many| too_many.of == 60), "{pass:?}");
            assert!(pass.done.removed.is_empty());
            assert_eq!(left(&spool), 60);
        }
        // The user has confirmed the rules.
        let pass = pass(spool.0.path(), &rules, &mut Guard::new(true), clocks(600, 0));
        assert!(pass.too_many.is_none() && left(&spool) < 4);
    }
}

#[test]
fn later_passes_follow_the_rules() {
    let spool = Spool::new();
    slots(&spool, 60);
    let mut guard = Guard::new(false);
    let keep =
        |minutes: u64| RetentionRules { keep: Some(Duration::from_secs(60 * minutes)), ..keep(1) };
    assert!(pass(spool.0.path(), &keep(290), &mut guard, clocks(0, 0)).too_many.is_some());
    let done = pass(spool.0.path(), &keep(300), &mut guard, clocks(0, 0)).done;
    assert_eq!((done.removed.len(), done.kept_files), (30, 30));
    // In a flood, a later pass removes nearly all files.
    let rules = RetentionRules { max_size: Some(pages(2)), ..RetentionRules::default() };
    let done = pass(spool.0.path(), &rules, &mut guard, clocks(60, 0)).done;
    assert_eq!((done.removed.len(), left(&spool)), (28, 2));
}

#[test]
fn clock_that_was_set_removes_nothing_by_age() {
    let spool = Spool::new();
    slots(&spool, 60);
    let mut guard = Guard::new(false);
    let at = |guard: &mut Guard, rules: RetentionRules, boot: u64, off: u64| {
        pass(spool.0.path(), &rules, guard, clocks(boot, off))
    };
    assert!(at(&mut guard, keep(30), 0, 0).clock_set.is_none());
    let ahead = 40 * DAY;
    let set = at(&mut guard, keep(30), 10, ahead);
    assert!(set.clock_set.is_some() && set.done.removed.is_empty());
    // Removal by size continues.
    let both = RetentionRules { max_size: Some(pages(40)), ..keep(30) };
    let done = at(&mut guard, both, 20, ahead).done;
    assert_eq!((done.removed.len(), done.by(Why::Size)), (20, 20));
    // A step that is undone has no effect.
    let undone = at(&mut guard, keep(30), 30, 0);
    assert!(undone.clock_set.is_none() && undone.done.removed.is_empty());
    assert!(at(&mut guard, keep(30), 40, ahead).clock_set.is_some());
    let lasted = at(&mut guard, keep(30), 40 + DAY, ahead);
    assert!(lasted.clock_set.is_none());
    assert_eq!((lasted.done.by(Why::Age), lasted.done.kept_files), (40, 0));
    assert_eq!(lasted.done.beyond_a_day(), None, "the slots span seven hours");
}

#[test]
fn pass_beyond_the_files_of_a_day_returns_its_span() {
    let spool = Spool::new();
    slots(&spool, 300);
    let rules = RetentionRules { max_size: Some(pages(150)), ..RetentionRules::default() };
    let mut guard = Guard::new(false);
    let done = pass(spool.0.path(), &rules, &mut guard, clocks(0, 0)).done;
    assert_eq!(done.removed.len(), 150);
    let first = END - 300 * 600;
    let span = (Timestamp::from_secs(first), Timestamp::from_secs(first + 149 * 600));
    assert_eq!(done.beyond_a_day(), Some(span));
}
