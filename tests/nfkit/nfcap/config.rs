//! `[collect]` of the configuration file.

use super::*;

#[test]
fn a_collector_has_its_options_from_the_file() {
    let scene = Scene::new();
    let file = scene.write(
        "nfkit.toml",
        "[collect]\nspool = \"spool\"\nslot = \"12h\"\ncompress = \"zstd:3\"\nident = \"lab\"\n\
         bind = [\"127.0.0.1\"]\nport = [0, 0]\nallow = \"@exporters\"\nqueue = \"8M\"\n\
         exec_shell = 'echo \"$NFCAP_FILE\" >>\"$NFCAP_SPOOL/log\"'\nexec_jobs = 2\n",
    );
    scene.write("exporters", "127.0.0.1\n");
    let mut nfcap = Nfcap::spawn(["--config", &path(&file), "--verbose"], Stdio::null());
    nfcap.listens(2);
    assert!(nfcap.at.iter().all(|at| at.ip() == IpAddr::from([127, 0, 0, 1])), "{:?}", nfcap.at);
    nfcap.says(&format!("nfcap: configuration: {}", file.display()));
    let said = nfcap.stop();
    assert!(!said.contains("no --allow"), "{said}");
    // The spool lies beside the file that names it, not in the working directory.
    let spool = scene.path("spool");
    let files = files(&spool);
    assert!(name(&files[0]).ends_with(".pcapng.zst"), "{files:?}");
    let slot = read(&files[0]).slot;
    assert_eq!((slot.window.seconds(), slot.ident.as_deref()), (43_200, Some("lab")));
    assert_eq!(fs::read_to_string(spool.join("log")).unwrap(), format!("{}\n", path(&files[0])));
}

#[test]
fn the_command_line_takes_precedence_over_the_file() {
    let scene = Scene::new();
    let file = scene.write(
        "nfkit.toml",
        "[collect]\nspool = \"spool\"\nslot = \"12h\"\nport = 1\nexec = \"touch %d/a\"\n",
    );
    let other = path(&scene.path("other"));
    let args = ["--config", &path(&file), "-w", &other, "-t", LONG, "-p", "0"];
    let nfcap = Nfcap::start(args.iter().chain(&["--exec-shell", "touch \"$NFCAP_SPOOL/b\""]));
    nfcap.stop();
    let files = files(Path::new(&other));
    assert_eq!(read(&files[0]).slot.window.seconds(), 86_400);
    assert!(!scene.path("spool").exists());
    // An option that excludes a key sets it aside.
    assert!(scene.path("other/b").exists() && !scene.path("other/a").exists());
}

#[test]
fn keys_about_files_are_not_used_for_a_stream() {
    let scene = Scene::new();
    let file = scene.write(
        "nfkit.toml",
        "[collect]\nspool = \"spool\"\nport = 0\ncompress = \"zstd\"\nmax_size = \"1G\"\n\
         min_free = \"1%\"\nexec = \"true\"\n",
    );
    let mut nfcap = Nfcap::spawn(["--config", &path(&file), "-w", "-", "-t", LONG], Stdio::null());
    nfcap.listens(1);
    nfcap.stop();
    assert!(!scene.path("spool").exists());
    // On the command line they are refused.
    let ran = tool("nfcap").args(["--config", &path(&file), "-w", "-", "--compress", "zstd"]);
    ran.run().status(2).says("--compress needs files");
}

#[test]
fn values_are_checked_before_anything_is_opened() {
    let scene = Scene::new();
    for (line, why) in [
        ("slot = \"7m\"", "a day must be a whole number of slots"),
        ("compress = \"gzip\"", "unknown compression; only zstd is supported"),
        ("keep = \"0\"", "nothing would stay; to keep all files, say forever"),
        ("max_size = \"0\"", "nothing would stay; without this option there is no limit"),
        ("min_free = \"200%\"", ""),
        ("queue = \"1K\"", "the least is 1M"),
        ("buffer = \"1K\"", "must be from 4K to less than 1G"),
        ("ident = \"a b\"", "must be 1 to 64 printable ASCII characters"),
        ("bind = [\"example.org\"]", "\"example.org\" is no IP address"),
        ("port = 65536", "\"65536\" is no port from 0 to 65535"),
        ("allow = [\"192.0.2.1=x\"]", ""),
        ("rate = \"fast\"", ""),
        ("exec = \" \"", "an empty text"),
        ("exec = \"a %q\"", ""),
        ("exec_jobs = 65", "must be a number from 1 to 64"),
        ("exec_limit = \"5\"", "a duration needs a unit"),
        ("sync = \"5\"", "a duration needs a unit"),
        ("yes = true", "unknown key; there are spool, slot,"),
    ] {
        let file = scene.write("nfkit.toml", format!("[collect]\nspool = \"spool\"\n{line}\n"));
        let ran = tool("nfcap").arg("--config").arg(&file).run().status(2).says_lines(1);
        let key = line.split(' ').next().unwrap();
        ran.says(&format!("nfkit.toml:3: [collect] {key}: ")).says(why);
        assert!(!scene.path("spool").exists(), "{line}");
    }
    // A table that nfcap does not read stops nothing.
    let file = scene.write("nfkit.toml", "[collect]\nspool = \".\"\n[site]\ninsdie = 1\n");
    let ran = tool("nfcap").args(["--dry-run", "--config"]).arg(&file).run().status(0);
    ran.says_lines(1).says("nfkit.toml:4: [site] insdie: unknown key; did you mean inside?");
}

/// Runs a command where `/etc` holds only the given files, in a mount namespace of its own. Returns `None`,
/// and reports a skipped test, if the system allows no such namespace.
fn with_etc(scene: &Scene, args: &[&str]) -> Option<Ran> {
    let script = "mount --bind \"$1\" /etc && shift && exec \"$@\"";
    let run = |args: &[&str]| {
        let etc = path(&scene.path("etc"));
        let run = installed("unshare")?.args(["-m", "sh", "-c", script, "sh", &etc]);
        Some(run.without_env("NFKIT_CONFIG").args(args).run())
    };
    if run(&["true"])?.status.success() {
        return run(args);
    }
    skipped("no mount namespace for a default configuration file");
    None
}

#[test]
fn only_the_services_read_the_default_file() {
    let scene = Scene::new();
    let default = "etc/nfkit/nfkit.toml";
    scene.write("etc/other", "");
    let nfcap = [env!("CARGO_BIN_EXE_nfcap"), "--dry-run", "--verbose", "-w", "/tmp"];
    let Some(ran) = with_etc(&scene, &nfcap) else { return };
    ran.status(0).says_lines(1).says("nfcap: no configuration file");
    scene.write(default, "[collect]\nkeep = \"7d\"\n[site]\nx = 1\n");
    let ran = with_etc(&scene, &nfcap).unwrap().status(0);
    ran.says("nfcap: configuration: /etc/nfkit/nfkit.toml")
        .says("/etc/nfkit/nfkit.toml:4: [site] x: ");
    // An empty variable counts as none, and a file that is named replaces the default one.
    let with = |variable: &str, args: &[&str]| {
        let env = ["env", variable];
        with_etc(&scene, &[&env[..], args].concat()).unwrap()
    };
    with("NFKIT_CONFIG=", &nfcap).status(0).says("configuration: /etc/nfkit/nfkit.toml");
    let ran = with("NFKIT_CONFIG=/dev/null", &nfcap).status(0);
    ran.says_lines(1).says("nfcap: no configuration file");
    let filter = [env!("CARGO_BIN_EXE_nfscan"), "--verbose"];
    let ran = with_etc(&scene, &filter).unwrap().status(0);
    ran.says_lines(1).says("nfscan: no configuration file");

    scene.write(default, "[collect]\nkeeep = \"7d\"\n");
    let ran = with_etc(&scene, &nfcap).unwrap().status(2);
    ran.says_lines(1)
        .says("/etc/nfkit/nfkit.toml:2: [collect] keeep: unknown key; did you mean keep?");
    with_etc(&scene, &filter).unwrap().status(0).says_lines(1);
    // A link to nothing is there, and cannot be read.
    fs::remove_file(scene.path(default)).unwrap();
    std::os::unix::fs::symlink("nowhere", scene.path(default)).unwrap();
    let ran = with_etc(&scene, &nfcap).unwrap().status(2);
    ran.says_lines(1).says("nfcap: /etc/nfkit/nfkit.toml: No such file");
}
