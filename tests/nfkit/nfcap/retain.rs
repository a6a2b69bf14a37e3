//! Retention in a running collector: a typing error, a wrong clock or a link must not remove files.

use super::faults::{counts, faked, is_root, set_clock};
use super::*;

/// Fills a spool with slots of ten minutes up to now, one small file each.
fn fill(spool: &Path, count: u64) {
    let now = seconds_now() as u64 / 600 * 600;
    for n in 1..=count {
        let slot = nfkit::time::Window::new(now - 600 * n, 600).unwrap();
        let path = spool.join(nfkit::capture::spool::file_name(slot, 0));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, b"old").unwrap();
    }
}

/// Returns the value of a metric.
fn metric(file: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let row = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    row.parse().ok()
}

#[test]
fn clock_40_days_ahead_for_a_moment_removes_nothing() {
    let scene = Scene::new();
    let (spool, metrics) = (scene.path("spool"), scene.path("metrics"));
    fill(&spool, 600);
    let args = ["-t", "10m", "-p", "0", "-w", &path(&spool), "--metrics-file", &path(&metrics)];
    let Some((mut nfcap, clock)) = faked(&scene, &args) else { return };
    // The first pass was allowed.
    until("metrics", || metric(&metrics, "nfcap_retention_clock_set"));
    set_clock(&clock, &format!("+{}", 40 * 86_400));
    // The slot ends, and a pass follows.
    let line = nfcap.says("the clock was set ahead by 9");
    assert!(line.contains("; no file is removed by age for 2"), "{line}");
    until("a metric", || (metric(&metrics, "nfcap_retention_clock_set")? == 1).then_some(()));
    // The collector continues.
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"x", ("127.0.0.1", nfcap.port())).unwrap();
    until("a datagram", || (counts(&mut nfcap)["received"] == "1").then_some(()));
    set_clock(&clock, "+0");
    until("the clock", || (metric(&metrics, "nfcap_retention_clock_set")? == 0).then_some(()));
    assert_eq!(metric(&metrics, "nfcap_removed_files_total"), Some(0));
    nfcap.stop();
    assert!(files(&spool).len() >= 602);
}

#[test]
fn first_pass_that_would_remove_more_than_half_is_refused() {
    let scene = Scene::new();
    let (spool, metrics) = (scene.path("spool"), scene.path("metrics"));
    fill(&spool, 600);
    let dir = path(&spool);
    let args = ["-t", "1s", "-p", "0", "-w", &dir, "--metrics-file", &path(&metrics)];
    for rule in [["--keep", "30m"], ["--max-size", "50K"], ["--min-free", "100%"]] {
        let mut nfcap = Nfcap::start(args.into_iter().chain(rule));
        nfcap.says("no file is removed: ");
        // A pass follows each slot.
        until("slots", || (metric(&metrics, "nfcap_files_total")? >= 3).then_some(()));
        let refused = metric(&metrics, "nfcap_retention_refused_files").unwrap();
        let said = nfcap.stop();
        assert!((590..610).contains(&refused), "{refused}");
        assert_eq!(said.matches("files would be removed, more than half").count(), 1, "{said}");
        assert!(said.contains("start nfcap again with --yes"), "{said}");
        assert!(files(&spool).len() >= 600);
    }
    // A dry run shows the refusal.
    let dry = || tool("nfcap").args(["-w", &dir, "--keep", "30m", "--dry-run"]);
    let ran = dry().run().status(0);
    ran.says("more than half: a collector that starts now needs --yes for that");
    dry().arg("--yes").run().ok();
    let nfcap = Nfcap::start(args.into_iter().chain(["--keep", "30m", "--yes"]));
    until("removal", || (metric(&metrics, "nfcap_removed_files_total")? > 500).then_some(()));
    let said = nfcap.stop();
    assert!(said.contains(" files of slots from ") && said.contains(": too old)"), "{said}");
}

#[test]
fn spool_that_replaces_another_is_judged_again() {
    let scene = Scene::new();
    let (spool, metrics) = (scene.path("spool"), scene.path("metrics"));
    let (empty, full) = (scene.path("empty"), scene.path("full"));
    fs::create_dir(&empty).unwrap();
    fill(&full, 600);
    std::os::unix::fs::symlink(&empty, &spool).unwrap();
    let args = ["-t", "1s", "-p", "0", "-w", &path(&spool), "--metrics-file", &path(&metrics)];
    let mut nfcap = Nfcap::start(args.into_iter().chain(["--keep", "30m"]));
    // The disk is not mounted yet, so no file is too old.
    until("slots", || (metric(&metrics, "nfcap_files_total")? >= 2).then_some(()));
    std::os::unix::fs::symlink(&full, scene.path("link")).unwrap();
    fs::rename(scene.path("link"), &spool).unwrap();
    let line = nfcap.says("no file is removed: ");
    assert!(line.contains("files would be removed, more than half"), "{line}");
    nfcap.stop();
    assert!(files(&full).len() >= 600);
}

#[test]
fn sizes_and_times_without_a_unit_are_refused() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    fill(&spool, 20);
    let dir = path(&spool);
    for (args, why) in [
        (["--max-size", "50"], "a size needs a unit: 50M, 50G"),
        (["--max-size", "0"], "nothing would stay"),
        (["--max-size", "0G"], "nothing would stay"),
        (["--min-free", "10"], "a size needs a unit: 10M, 10G"),
        (["--keep", "30"], "a duration needs a unit: 30s, 30m, 30h"),
        (["--keep", "0"], "nothing would stay"),
        (["--sync", "1"], "a duration needs a unit"),
        (["--slot", "600"], "a duration needs a unit"),
        (["--exec-limit", "600"], "a duration needs a unit"),
        (["--queue", "268435456"], "a size needs a unit: 268435456B"),
        (["--buffer", "1048576"], "a size needs a unit"),
        (["--rate", "100,50"], "a size needs a unit"),
    ] {
        let mut nfcap =
            Nfcap::spawn(["-p", "0", "-w", &dir].into_iter().chain(args), Stdio::null());
        assert_eq!(nfcap.wait().code(), Some(2), "{args:?}: {:?}", nfcap.said);
        nfcap.says(why);
    }
    assert_eq!(files(&spool).len(), 20);
    for (command, args) in [
        ("nfscan", vec!["--memory", "1048576"]),
        ("nfscan", vec!["--window", "600"]),
        ("nfflood", vec!["--memory", "64"]),
        ("nfport", vec!["--window", "10"]),
        ("nftop", vec!["--memory", "64"]),
        ("nftop", vec!["--series", "60"]),
        ("nfpage", vec!["--last", "24"]),
        ("nfdump-txt", vec!["--window", "600"]),
        ("nfdump-txt", vec!["--since", "2"]),
        ("nfgen", vec!["campus", "--text", "--for", "600"]),
    ] {
        tool(command).args(&args).run().status(2).says("needs a unit: ");
    }
    // nfpage accepts 0.
    tool("nfpage").args(["--last", "0"]).run();
    let ran = tool("nfscan").env("NFKIT_MEMORY", "64").run().status(2);
    ran.says("needs a unit: 64M, 64G");
}

#[test]
fn links_in_a_spool_are_reported_and_not_followed() {
    let scene = Scene::new();
    let (spool, other) = (scene.path("spool"), scene.path("other"));
    fill(&other, 20);
    fill(&spool, 20);
    let year = |spool: &Path| {
        let entry = fs::read_dir(spool).unwrap().next().unwrap().unwrap();
        entry.path()
    };
    let target = year(&other);
    std::os::unix::fs::symlink(&target, spool.join("1999")).unwrap();
    std::os::unix::fs::symlink(&target, spool.join("evidence")).unwrap();
    let mut nfcap =
        Nfcap::start(["-t", "1s", "-p", "0", "--keep", "1m", "-w", &path(&spool), "--yes"]);
    let line = nfcap.says("a link in the spool: what is behind it is neither counted nor removed");
    assert!(line.contains("/1999: "), "{line}");
    until("slots", || (counts(&mut nfcap)["files"].parse::<u64>().ok()? >= 3).then_some(()));
    let said = nfcap.stop();
    assert_eq!(said.matches("a link in the spool").count(), 1, "{said}");
    assert_eq!(files(&other).len(), 20);
    // A reader does not follow links either, and reports them.
    let ran = tool("nfdump-txt").arg(&spool).run();
    ran.says("/1999: a link to a directory, which is not followed");
}

#[test]
fn open_files_are_removed_too() {
    let scene = Scene::new();
    let spool = scene.path("spool");
    fill(&spool, 50);
    let open: Vec<_> = files(&spool).iter().map(|file| fs::File::open(file).unwrap()).collect();
    let nfcap = Nfcap::start(["-t", "1s", "-p", "0", "--keep", "1m", "--yes", "-w", &path(&spool)]);
    until("removal", || (files(&spool).len() < 40).then_some(()));
    let said = nfcap.stop();
    assert!(!said.contains("could not be removed"), "{said}");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut &open[0], &mut text).unwrap();
    assert_eq!(text, "old");
}

#[test]
fn datagrams_without_memory_are_dropped_and_counted() {
    if !is_root() || other("prlimit").is_none() {
        return skipped("only root can fill a disk of its own");
    }
    let scene = Scene::new();
    let spool = scene.path("spool");
    fs::create_dir_all(&spool).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "none"])
        .arg(&spool)
        .status()
        .unwrap();
    if !mounted.success() {
        return skipped("no file system can be mounted here");
    }
    // Arenas of other threads reserve address space, which the limit counts.
    let mut command = Command::new(env!("CARGO_BIN_EXE_nfcap"));
    command.env("MALLOC_ARENA_MAX", "1").args(["-t", LONG, "-p", "0", "-w", &path(&spool)]);
    let mut nfcap = Nfcap::spawn_as(&mut command, Stdio::null());
    nfcap.listens(1);
    let filler = spool.join("filler");
    fs::write(&filler, vec![0; 9_000_000]).unwrap_err();
    let pid = nfcap.child.id();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
    let size: u64 = size.trim().trim_end_matches(" kB").parse().unwrap();
    let limit = |bytes: &str| {
        let limit = format!("--as={bytes}:");
        let args = ["--pid", &pid.to_string(), &limit];
        assert!(Command::new("prlimit").args(args).status().unwrap().success());
    };
    // A few megabytes more than the collector has, for a queue of 256 MB.
    limit(&((size + 4096) * 1024).to_string());
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut sent = 0u64;
    let mut send = |count: u64| {
        for n in 0..count {
            socket.send_to(&[0xa5; 1400], ("127.0.0.1", nfcap.port())).unwrap();
            if n % 100 == 99 {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        sent += count;
        sent
    };
    let all = send(30_000);
    until("all of them", || (counts(&mut nfcap)["received"] == all.to_string()).then_some(()));
    let dropped: u64 = counts(&mut nfcap)["dropped_queue"].parse().unwrap();
    assert!(dropped > 10_000, "{dropped}");
    limit("unlimited");
    fs::remove_file(&filler).unwrap();
    nfcap.says("writing goes on after ");
    nfcap.stop();
    let held = read(&files(&spool)[0]);
    let stored = held.datagrams.len() as u64;
    let closing = held.closing;
    _ = Command::new("umount").arg("-l").arg(&spool).status();
    assert_eq!((closing.received, closing.dropped_queue), (all, all - stored));
    assert!(stored > 100, "{stored}");
}
