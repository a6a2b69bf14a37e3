//! The configuration file: which one is read, by whom, in which order, and its errors.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nfkit::cli::config::{Form, Setting};
use nfkit::cli::{Arguments, Config, Key, Table, parse_as};
use nfkit::tool::{TABLES, nfcap, nfflood, nfgrep, nfnotify, nfport, nfscan, nftop};

use crate::detector::{FIELDS, W1, attacks, row, window};
use crate::harness::{
    DETECTORS, INSIDE, NO_CONFIGURATION, Run, Scene, TOOLS, installed, package, tool,
};

/// Returns the names of all commands of the kit.
fn commands() -> impl Iterator<Item = &'static str> {
    TOOLS.into_iter().chain(["nfcap", "nf-every10", "nfpage", "nfnotify"])
}

/// Returns a run with these lines as its configuration.
fn configured(run: Run, scene: &Scene, text: &str) -> Run {
    run.arg("--config").arg(scene.write("nfkit.toml", text))
}

fn input() -> String {
    FIELDS.to_owned() + &window(W1, &attacks())
}

#[test]
fn the_command_line_comes_before_the_environment_and_that_before_the_file() {
    let scene = Scene::new();
    let rows: String = (0..4).map(|n| row(&format!("10.{n}.0.1"), "192.0.2.1", 80)).collect();
    let lines = FIELDS.to_owned() + &rows;
    let grep = || {
        let run = tool("nfgrep").args(["-N", "src inside"]).stdin(&lines);
        configured(run, &scene, "[site]\ninside = [\"10.1.0.0/16\", \"10.3.0.0/16\"]\n")
    };
    let sources = |run: Run| {
        let ran = run.run().ok();
        let sip = |row: &&str| row.split('\t').nth(1).unwrap().to_owned();
        ran.rows().iter().map(sip).collect::<Vec<_>>()
    };
    assert_eq!(sources(grep()), ["10.1.0.1", "10.3.0.1"]);
    assert_eq!(sources(grep().env("NFKIT_INSIDE", "10.2.0.0/16")), ["10.2.0.1"]);
    let both = grep().env("NFKIT_INSIDE", "10.2.0.0/16").args(["--inside", "10.0.0.0/16"]);
    assert_eq!(sources(both), ["10.0.0.1"]);
}

#[test]
fn the_option_comes_before_the_variable() {
    let scene = Scene::new();
    let file = |name: &str| scene.write(name, format!("# {name}\n"));
    let (a, b) = (file("a.toml"), file("b.toml"));
    for name in ["nfscan", "nfgrep"] {
        let run =
            || tool(name).args(["any", "--verbose"].iter().skip(usize::from(name == "nfscan")));
        let said = |run: Run| run.run().status(0).err;
        let holds = |path: &Path| format!("{name}: configuration: {}\n", path.display());
        let none = format!("{name}: no configuration file\n");
        assert!(said(run().env("NFKIT_CONFIG", &a)).contains(&holds(&a)));
        assert!(said(run().env("NFKIT_CONFIG", &a).arg("--config").arg(&b)).contains(&holds(&b)));
        assert!(
            said(run().env("NFKIT_CONFIG", &a).args(["--config", "/dev/null"])).contains(&none)
        );
        assert!(said(run().env("NFKIT_CONFIG", "")).contains(&none));
        assert!(said(run().env("NFKIT_CONFIG", NO_CONFIGURATION)).contains(&none));
        assert!(said(run().without_env("NFKIT_CONFIG")).contains(&none));
    }
    tool("nfscan").args(["--config", ""]).run().status(2).says("--config");
}

#[test]
fn explain_says_which_file_holds() {
    let scene = Scene::new();
    for name in DETECTORS {
        let run = || tool(name).args(["--explain", "203.0.113.45"]).stdin(input());
        run().run().status(0).says(&format!("{name}: no configuration file\n"));
        let ran = configured(run(), &scene, "[site]\n").run().status(0);
        ran.says(&format!("{name}: configuration: {}\n", scene.path("nfkit.toml").display()));
        let ran = configured(run(), &scene, "[site]\n").arg("--verbose").run().status(0);
        assert_eq!(ran.err.matches("configuration: ").count(), 1, "{ran}");
        configured(run(), &scene, "[site]\n").arg("-q").run().ok();
    }
}

#[test]
fn an_error_stops_those_who_read_the_table_and_is_told_by_the_others() {
    let scene = Scene::new();
    let text = "[site]\ninsdie = [\"10.0.0.0/8\"]\n";
    let message = format!(
        "{}:2: [site] insdie: unknown key; did you mean inside?\n",
        scene.path("nfkit.toml").display()
    );
    let site = ["nfscan", "nfflood", "nfport", "nfgrep"];
    for name in site {
        let run = configured(tool(name), &scene, text).stdin(input());
        let ran = if name == "nfgrep" { run.arg("any") } else { run }.run().status(2).mute();
        assert_eq!(ran.err, format!("{name}: {message}"));
    }
    configured(tool("nfnotify").args(["mail", "--operator", "a@b.c"]), &scene, text)
        .run()
        .status(2)
        .says_lines(1);
    for (name, args) in [
        ("nftop", &[][..]),
        ("nfdump-txt", &["tests/data/v9.pcapng"]),
        ("nfgen", &["campus", "--flows", "10", "--text"]),
    ] {
        let ran = configured(tool(name), &scene, text).args(args).stdin(input()).run().status(0);
        assert_eq!(ran.err, format!("{name}: {message}"));
        assert!(!ran.out.is_empty());
        configured(tool(name), &scene, text).args(args).stdin(input()).arg("-q").run().ok();
    }
    // A quiet command still says why it fails.
    configured(tool("nfscan"), &scene, text).arg("-q").run().status(2).says_lines(1);
}

#[test]
fn faults_of_incidents_stop_those_who_remember_them() {
    let scene = Scene::new();
    let text = "[[policy]]\nact = 'none'\n[[policy]]\nkidn = ['scan']\n[[hook]]\nname = 'a'\n";
    let path = scene.path("nfkit.toml").display().to_string();
    let policy = format!("{path}:4: [[policy]] 2 kidn: unknown key; did you mean kind?\n");
    let hook = format!("{path}:5: [[hook]] 1: has no argv\n");
    let mail = || tool("nfnotify").args(["mail", "--operator", "a@b.c"]);
    let ran = configured(mail(), &scene, text).run().status(0);
    assert_eq!(ran.err, format!("nfnotify: {policy}nfnotify: {hook}"));
    let ran = configured(tool("nfscan"), &scene, text).run().status(0);
    assert_eq!(ran.err, format!("nfscan: {policy}nfscan: {hook}"));
    let every10 = |text| configured(tool("nf-every10").args(["spool", "out"]), &scene, text);
    let ran = every10(text).run().status(2).mute();
    assert_eq!(ran.err, format!("nf-every10: {policy}nf-every10: {hook}"));

    // Values that cannot be together are told once each is good, and a warning stops nobody.
    let text = "[incident]\nkeep = '9d'\n[[policy]]\n[[policy]]\nkind = 'scan'\nuntil = '30d'\n";
    let keep =
        format!("{path}:2: [incident] keep: 9d is shorter than until of [[policy]] 2, 30d\n");
    let why = "never holds, because [[policy]] 1 before it has no condition\n";
    let ran = every10(text).run().status(2).mute();
    // The warning is told first, by the order in which the two kinds of fault are reported.
    assert_eq!(ran.err, format!("nf-every10: {path}:4: [[policy]] 2: {why}nf-every10: {keep}"));
    let text = text.replace("9d", "30d");
    let ran = configured(mail(), &scene, &text).run().status(0).says_lines(1);
    ran.says(why);
    let ran = configured(mail(), &scene, "[policy]\nact = 'mail'\n").run().status(0);
    ran.says_lines(1).says(":1: [policy]: there may be several; begin each with [[policy]]");
}

#[test]
fn each_fault_has_its_line_and_many_are_counted() {
    let scene = Scene::new();
    let text = "[site]\ninside = \"10.1.0.0/8\"\noutside_if = [\"eth0\"]\nlimits = 5\n\
                operator = \"nobody\"\ntimezone = \"Mars/Phobos\"\nnever = []\nname = \"a\\tb\"\n";
    let ran = configured(tool("nfscan"), &scene, text).run().status(2).says_lines(6);
    for part in [
        "nfkit.toml:2: [site] inside: 10.1.0.0/8 has bits set after its prefix; did you mean 10.0.0.0/8?",
        "nfkit.toml:3: [site] outside_if: \"eth0\" is no interface number",
        "nfkit.toml:4: [site] limits: must be a path in quotes, not a number",
        "nfkit.toml:5: [site] operator: \"nobody\" is not a mail address such as",
        "nfkit.toml:6: [site] timezone: \"Mars/Phobos\" is no time zone of the IANA database",
        "2 more errors in the configuration, 7 in all",
    ] {
        assert!(ran.err.contains(part), "{part}{ran}");
    }
    let text = (0..9).map(|n| format!("[t{n}]\n")).collect::<Vec<_>>().concat();
    let ran = configured(tool("nfscan"), &scene, &text).run().status(0).says_lines(6);
    ran.says("[t0]: unknown table")
        .says("4 more faults in other tables of the configuration, 9 in all");
    let ran = configured(tool("nfscan"), &scene, "inside = \"10.0.0.0/8\"\n").run().status(2);
    ran.says_lines(1).says(":1: inside: belongs to no table; did you mean inside of [site]?");
    let ran =
        configured(tool("nfpage").args(["-w", "/nowhere"]), &scene, "x = 1\n").run().status(2);
    ran.says_lines(1).says(":1: x: belongs to no table");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_for_every_command() {
    let scene = Scene::new();
    scene.write("latin", b"[site]\nname = \"\xe9\"\n");
    scene.write("bad", "[site]\nname = \n");
    scene.write("long", "#".repeat((1 << 20) + 1));
    let path = |name: &str| scene.path(name).display().to_string();
    for (file, why) in [
        (path("absent"), "No such file"),
        (path("."), "Is a directory"),
        (path("latin"), "latin:2: not UTF-8 text"),
        (path("bad"), "bad:2: not TOML: "),
        (path("long"), "long: more than 1 MiB"),
        ("/dev/zero".to_owned(), "/dev/zero: more than 1 MiB"),
    ] {
        for name in commands() {
            let ran = tool(name).args(["--config", &file]).run().status(2).mute();
            ran.says_lines(1).says(&format!("{name}: ")).says(why);
            let ran = tool(name).env("NFKIT_CONFIG", &file).run().status(2).mute();
            ran.says_lines(1).says(why);
        }
        tool("nfscan").env("NFKIT_CONFIG", &file).arg("--help").run().ok();
        tool("nfscan").args(["--version", "--config", &file]).run().ok();
    }
    tool("nfscan").args(["--config", &path("absent")]).run().status(2).says("nfscan: --config: /");
    let ran = tool("nfscan").env("NFKIT_CONFIG", path("absent")).run().status(2);
    ran.says("nfscan: NFKIT_CONFIG: /");
}

#[test]
fn a_file_without_permission_is_an_error() {
    let scene = Scene::new();
    let file = scene.write("nfkit.toml", "[site]\n");
    let Some(chmod) = installed("chmod") else { return };
    chmod.arg("0").arg(&file).run().ok();
    // Without these capabilities root is treated like any other user.
    let nfscan = env!("CARGO_BIN_EXE_nfscan");
    let run = if nix::unistd::geteuid().is_root() {
        let Some(setpriv) = installed("setpriv") else { return };
        let without = "-dac_override,-dac_read_search";
        let caps = [format!("--bounding-set={without}"), format!("--inh-caps={without}")];
        setpriv.args(caps).arg(nfscan)
    } else {
        tool("nfscan")
    };
    let ran = run.arg("--config").arg(&file).run().status(2).mute();
    ran.says_lines(1).says("nfkit.toml: Permission denied");
}

#[test]
fn paths_are_relative_to_the_file() {
    let scene = Scene::new();
    scene.write("site/limits.csv", "nonsense\n");
    scene.write("site/nets", "140.119.0.0/16\n");
    let config =
        scene.write("site/nfkit.toml", "[site]\ninside = \"@nets\"\nlimits = \"limits.csv\"\n");
    let ran = tool("nfscan").arg("--config").arg(&config).stdin(input()).run().status(1);
    ran.says_lines(1).says(&format!("--limits: {}:1: ", scene.path("site/limits.csv").display()));
    fs::remove_file(scene.path("site/limits.csv")).unwrap();
    let ran = tool("nfscan").arg("--config").arg(&config).stdin(input()).run().status(1);
    ran.says("site/limits.csv: No such file");
    // The option is not relative to the file.
    let ran = tool("nfscan").arg("--config").arg(&config).args(["--limits", "limits.csv"]);
    ran.run().status(1).says("--limits: limits.csv: No such file");
    scene.write("site/limits.csv", "*,sweep,5\n");
    tool("nfscan").arg("--config").arg(&config).stdin(input()).run().ok();
}

#[test]
fn an_excluded_key_is_not_used() {
    let scene = Scene::new();
    let text = "[site]\nlimits = \"absent\"\noutside_if = [1]\n[analyse]\nsurvey = \"@absent\"\n";
    for name in DETECTORS {
        let run = || configured(tool(name), &scene, text).stdin(input());
        run().run().status(1).says("absent: No such file");
        let ran = run().arg("--paper").run().ok();
        let plain = tool(name).arg("--paper").stdin(input()).run().ok();
        assert_eq!(ran.text(), plain.text());
    }
    // The paper's rule in the file, which --limits excludes on the command line.
    let limits = scene.write("limits.csv", "*,sweep,5\n");
    let text =
        "[analyse.nfscan]\npaper = true\nlimit_hosts = 100\n[analyse.nfflood]\nlimit_flows = 1\n";
    let run = || configured(tool("nfscan"), &scene, text).stdin(input());
    let by_file = run().run().ok();
    let by_option =
        tool("nfscan").args(["--paper", "--limit-hosts", "100"]).stdin(input()).run().ok();
    assert_eq!(by_file.text(), by_option.text());
    let ran = run().arg("--limits").arg(&limits).run().ok();
    let plain = tool("nfscan").arg("--limits").arg(&limits).stdin(input()).run().ok();
    assert_eq!(ran.text(), plain.text());
    assert_ne!(ran.text(), by_file.text());
    // An option of the paper's finds the rule in the file.
    let ran = run().args(["--limit-nets", "300"]).run().ok();
    assert!(ran.rows().is_empty() && !by_file.rows().is_empty(), "{ran}");
    // The limits of another detector are not used without the rule.
    let ran = configured(tool("nfflood"), &scene, text).stdin(input()).run().ok();
    assert_eq!(ran.text(), tool("nfflood").stdin(input()).run().ok().text());
}

#[test]
fn a_side_needs_networks_wherever_both_come_from() {
    let scene = Scene::new();
    let inside = format!("[site]\ninside = \"{INSIDE}\"\n");
    for name in DETECTORS {
        let table = format!("[analyse.{name}]\nside = \"inside\"\n");
        let expected =
            tool(name).args(["--inside", INSIDE, "--side", "inside"]).stdin(input()).run().ok();
        let both = format!("{inside}{table}");
        let ran = configured(tool(name), &scene, &both).stdin(input()).run().ok();
        assert_eq!(ran.text(), expected.text());
        let run = configured(tool(name), &scene, &inside).args(["--side", "inside"]);
        assert_eq!(run.stdin(input()).run().ok().text(), expected.text());
        let run = configured(tool(name), &scene, &table).env("NFKIT_INSIDE", INSIDE);
        assert_eq!(run.stdin(input()).run().ok().text(), expected.text());
        // Without networks no host has a side, and silence would look like an all-clear.
        let ran = configured(tool(name), &scene, &table).stdin(input()).run().status(2).mute();
        ran.says_lines(1).says("--side needs --inside");
        tool(name).args(["--side", "inside"]).run().status(2).says("--inside");
    }
    // The interfaces of the site serve runs without its networks too, and mean nothing there.
    configured(tool("nfflood"), &scene, "[site]\noutside_if = 1\n").stdin(input()).run().ok();
    tool("nfflood").args(["--outside-if", "1"]).stdin(input()).run().status(2);
}

#[test]
fn mails_and_blocks_have_the_facts_of_the_site() {
    let scene = Scene::new();
    scene.write("contacts.csv", "network,mail\n140.119.53.0/24,admin@cs.example.edu\n");
    let findings = || {
        let ran = tool("nfflood").args(["--inside", INSIDE]).stdin(input()).run().ok();
        ran.out
    };
    let text = "[site]\nname = \"Example University\"\ncontacts = \"contacts.csv\"\n\
                operator = \"noc@example.edu\"\nnever = [\"140.119.53.7\"]\n";
    let run = configured(tool("nfnotify").args(["mail", "--date", "1000000000"]), &scene, text);
    let ran = run.stdin(findings()).run().status(0);
    let mails = ran.text();
    assert!(mails.contains("Example University") && mails.contains("noc@example.edu"), "{ran}");
    assert!(mails.contains("To: admin@cs.example.edu"), "{ran}");
    let block = || {
        let run = tool("nfnotify").args(["block", "--device", "nftables", "--may-block", INSIDE]);
        run.stdin(findings())
    };
    assert!(block().run().status(0).text().contains("140.119.53.7"));
    let ran = configured(block(), &scene, text).run().status(0);
    assert!(!ran.text().contains("140.119.53.7"), "{ran}");
    ran.says("140.119.53.7: not blocked");
    // The global option may stand before the action too.
    let run = tool("nfnotify").arg("--config").arg(scene.path("nfkit.toml"));
    let ran = run.args(["block", "--device", "ios", "--may-block", INSIDE]).stdin(findings()).run();
    ran.status(0).says("140.119.53.7: not blocked");
}

#[test]
fn memory_is_that_of_the_file() {
    let scene = Scene::new();
    for name in ["nfscan", "nfflood", "nfport", "nftop"] {
        let ran =
            configured(tool(name), &scene, "[analyse]\nmemory = \"1M\"\n").stdin(input()).run();
        assert_eq!(ran.ok().text(), tool(name).stdin(input()).run().ok().text());
        let ran = configured(tool(name), &scene, "[analyse]\nmemory = \"1\"\n").run().status(2);
        ran.says_lines(1).says(":2: [analyse] memory: a size needs a unit: 1M, 1G");
    }
}

#[test]
fn the_help_of_each_option_names_its_key() {
    let mut named = BTreeSet::new();
    for (name, actions) in commands().map(|name| {
        if name == "nfnotify" { (name, &["mail", "block", "run"][..]) } else { (name, &[""][..]) }
    }) {
        for action in actions {
            let args = [*action, "--help"];
            let ran = tool(name).args(args.iter().filter(|word| !word.is_empty())).run().ok();
            let words: Vec<&str> = ran.text().split_whitespace().collect();
            let text = words.join(" ");
            let keys = text.split("[config: ").skip(1).filter_map(|rest| rest.split(']').next());
            named.extend(keys.map(str::to_owned));
            let default = text.contains("[default: /etc/nfkit/nfkit.toml, if it exists]");
            let reads_default = ["nfcap", "nf-every10"].contains(&name) || *action == "run";
            assert_eq!(default, reads_default, "{ran}");
            assert!(text.contains("[env: NFKIT_CONFIG"), "{ran}");
        }
    }
    let options = TABLES.iter().flat_map(|table| {
        table.options().map(move |(key, _)| format!("{}.{}", table.name, key.name))
    });
    assert_eq!(named, options.collect::<BTreeSet<_>>());
}

/// Returns the example, with each line of a key or a table uncommented if `whole`.
fn example(whole: bool) -> String {
    let text = fs::read_to_string(package("packaging/nfkit.toml")).unwrap();
    let is_key = |line: &str| {
        line.split_once(" = ")
            .is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
    };
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if whole && (is_key(rest) || rest.starts_with('[')) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn accepts<A: Arguments>(config: &Config, line: &[&str]) {
    if let Err(error) = parse_as::<A>(line, config) {
        panic!("{error}");
    }
}

#[test]
fn the_example_is_accepted_as_it_is_and_with_every_line_uncommented() {
    let path = Path::new("/etc/nfkit/nfkit.toml");
    let (config, faults) = Config::parse(path, &example(false), TABLES).unwrap();
    assert_eq!(faults, []);
    let values = |config: &Config, table: &'static Table, key: &Key| -> Vec<String> {
        let entries = config.entries(table);
        let entries = entries.into_iter().filter_map(|entry| entry.get(key.name));
        entries.chain(config.get(table, key.name)).map(Setting::text).collect()
    };
    let keys = || TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| (*table, key)));
    for (table, key) in keys() {
        assert_eq!(values(&config, table, key), [""; 0], "{} of [{}]", key.name, table.name);
    }
    assert!(!config.has(&nfnotify::INCIDENT), "incidents would be kept");

    let whole = example(true);
    let (config, faults) = Config::parse(path, &whole, TABLES).unwrap();
    assert_eq!(faults, []);
    for (table, key) in keys() {
        let values = values(&config, table, key);
        assert!(!values.is_empty(), "the example has no {} of [{}]", key.name, table.name);
        if key.form == Form::Path {
            assert!(values.iter().all(|value| value.starts_with('/')), "{values:?}");
        }
    }
    accepts::<nfscan::Args>(&config, &[]);
    accepts::<nfflood::Args>(&config, &[]);
    accepts::<nfport::Args>(&config, &[]);
    accepts::<nftop::Args>(&config, &[]);
    accepts::<nfgrep::Args>(&config, &["any"]);
    accepts::<nfnotify::Args>(&config, &["mail"]);
    accepts::<nfnotify::Args>(&config, &["run"]);
    accepts::<nfnotify::Args>(&config, &["test"]);
    accepts::<nfnotify::Args>(&config, &["block", "--device", "ios", "--may-block", INSIDE]);
    // Its ways for a mail exclude each other, and so do those to run a command.
    let error = nfnotify::Settings::read(&config).unwrap_err().to_string();
    assert!(error.contains("[mail] relay: cannot be together with sendmail"), "{error}");
    let error = parse_as::<nfcap::Args>([""; 0], &config).unwrap_err().to_string();
    assert!(error.contains("[collect] exec_shell: cannot be together with exec"), "{error}");
    let one = whole
        .lines()
        .filter(|line| !line.starts_with("exec ="))
        .map(|line| format!("{line}\n"))
        .collect::<Vec<_>>()
        .concat();
    let (config, _) = Config::parse(path, &one, TABLES).unwrap();
    accepts::<nfcap::Args>(&config, &[]);
}

#[test]
fn the_manual_has_an_entry_for_each_key_and_no_other() {
    let page = fs::read_to_string(package("man/nfkit-config.5")).unwrap();
    let (mut table, mut entries) = (None, BTreeSet::new());
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix(".Ss ").or(line.strip_prefix(".Sh ")) {
            let known = TABLES.iter().find(|table| table.heading() == heading);
            table = known.map(|table| table.name);
        } else if let Some(key) = line.strip_prefix(".It Ic ") {
            let table = table.unwrap_or_else(|| panic!("{key} stands outside of a table"));
            assert!(entries.insert(format!("{table}.{key}")), "{table}.{key} has two entries");
        }
    }
    let keys = TABLES.iter().flat_map(|table| table.keys.iter().map(|key| (table.name, key.name)));
    let keys: BTreeSet<_> = keys.map(|(table, key)| format!("{table}.{key}")).collect();
    assert_eq!(entries, keys);
    // The options that it names exist, with the keys that name them.
    for (table, key) in
        TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| (table, key)))
    {
        assert!(
            !key.help.is_empty() && !key.help.ends_with('.'),
            "{} of [{}]",
            key.name,
            table.name
        );
    }
}

/// The examples of the manual are files that the commands accept, and one file together.
#[test]
fn the_manuals_example_is_accepted() {
    let page = fs::read_to_string(package("man/nfkit-config.5")).unwrap();
    let examples = page.split(".Sh EXAMPLES").nth(1).unwrap();
    let examples = examples.split(".Bd -literal -offset 2n\n").skip(1);
    let examples = examples.map(|text| text.split(".Ed").next().unwrap());
    let files: Vec<_> = examples.filter(|text| text.starts_with('[')).collect();
    assert_eq!(files.len(), 2);
    let path = Path::new("/etc/nfkit/nfkit.toml");
    let (config, faults) = Config::parse(path, &files.concat(), TABLES).unwrap();
    assert_eq!(faults, []);
    let settings = nfnotify::Settings::read(&config).unwrap();
    assert_eq!((settings.keep, settings.hooks.len()), (400 * 86_400, 1));
    accepts::<nfscan::Args>(&config, &[]);
    accepts::<nfcap::Args>(&config, &[]);
    accepts::<nfnotify::Args>(&config, &["mail"]);
}
