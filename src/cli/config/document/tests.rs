use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::cli::config::{Key, any};

const SITE: Table = Table {
    name: "site",
    keys: &[
        Key::networks("inside", "ours"),
        Key::path("limits", "limits"),
        Key::text("name", any, "name"),
        Key::duration("wait", "wait"),
        Key::size("memory", "memory"),
        Key::new("ports", Form::List, any, "ports"),
        Key::new("rate", Form::Word, any, "rate"),
        Key::number("hosts", "hosts"),
        Key::flag("paper", "paper"),
    ],
    ..Table::PLAIN
};
const JOB: Table = Table { name: "job", keys: &[Key::path("out", "out")], ..Table::PLAIN };
const KEEP: Table =
    Table { name: "job.keep", keys: &[Key::duration("age", "age")], ..Table::PLAIN };
const POLICY: Table = Table {
    name: "policy",
    keys: &[
        Key::new("kind", Form::List, any, "kind"),
        Key::networks("network", "network"),
        Key::duration("deadline", "deadline"),
    ],
    is_repeated: true,
    check: |config| {
        let entries = config.entries(&POLICY);
        let late = entries.iter().skip(1).filter(|entry| entry.settings.is_empty());
        let mut faults: Vec<_> = late.map(|entry| entry.fault("has no key").warning()).collect();
        let deadlines = entries.iter().filter_map(|entry| entry.get("deadline"));
        faults.extend(deadlines.filter(|one| one.text() == "9y").map(|one| one.fault("too late")));
        faults
    },
};
const HOOK: Table = Table {
    name: "hook",
    keys: &[
        Key::text("name", any, "name").required(),
        Key::new("argv", Form::Argv, any, "argv").required(),
    ],
    is_repeated: true,
    ..Table::PLAIN
};
const ALL: &[&Table] = &[&SITE, &JOB, &KEEP, &POLICY, &HOOK];

fn parse(text: &str) -> (Config, Vec<String>) {
    let (config, faults) = Config::parse(Path::new("/etc/n/n.toml"), text, ALL).unwrap();
    (config, faults.iter().map(ToString::to_string).collect())
}

fn fault(text: &str) -> String {
    let (_, faults) = parse(text);
    assert_eq!(faults.len(), 1, "{text}: {faults:?}");
    faults[0].clone()
}

#[test]
fn each_form_becomes_the_text_of_its_option() {
    let value = |text: &str, key: &str| {
        let (config, faults) = parse(&format!("[site]\n{text}\n"));
        assert_eq!(faults, [""; 0], "{text}");
        config.get(&SITE, key).unwrap().text()
    };
    for (text, key, expected) in [
        ("inside = [\"10.0.0.0/8\", \"2001:db8::/32\"]", "inside", "10.0.0.0/8,2001:db8::/32"),
        ("inside = \"10.0.0.0/8, 2001:db8::/32\"", "inside", "10.0.0.0/8,2001:db8::/32"),
        ("inside = \"@nets\"", "inside", "@/etc/n/nets"),
        ("inside = [\"@/srv/nets\"]", "inside", "@/srv/nets"),
        ("limits = \"limits.csv\"", "limits", "/etc/n/limits.csv"),
        ("limits = \"../l\"", "limits", "/etc/n/../l"),
        ("limits = \"/srv/l\"", "limits", "/srv/l"),
        ("limits = \"-\"", "limits", "-"),
        ("name = \"Lab \\\"A\\\"\"", "name", "Lab \"A\""),
        ("wait = \"1h 30m\"", "wait", "1h 30m"),
        ("memory = '64M'", "memory", "64M"),
        ("ports = [2055, \"9995\"]", "ports", "2055,9995"),
        ("ports = 0x807", "ports", "2055"),
        ("rate = 2_000", "rate", "2000"),
        ("rate = \"2000,8M\"", "rate", "2000,8M"),
        ("hosts = 200", "hosts", "200"),
        ("paper = true", "paper", "true"),
        ("paper = false", "paper", "false"),
    ] {
        assert_eq!(value(text, key), expected, "{text}");
    }
}

#[test]
fn a_file_beside_the_working_directory_keeps_its_relative_paths() {
    let (config, _) = Config::parse(Path::new("n.toml"), "site.limits = 'l'", ALL).unwrap();
    assert_eq!(config.get(&SITE, "limits").unwrap().text(), "l");
    let (config, _) = Config::parse(Path::new("a/n.toml"), "site.limits = 'l'", ALL).unwrap();
    assert_eq!(config.get(&SITE, "limits").unwrap().text(), "a/l");
}

#[test]
fn tables_are_found_in_every_way_that_toml_writes_them() {
    for text in ["job.keep.age = '1d'", "[job]\nkeep = { age = '1d' }", "[job.keep]\nage = '1d'"] {
        let (config, faults) = parse(text);
        assert_eq!(faults, [""; 0], "{text}");
        let setting = config.get(&KEEP, "age").unwrap();
        assert_eq!(setting.text(), "1d");
        let line = text.lines().count();
        assert_eq!(setting.place, format!("/etc/n/n.toml:{line}: [job.keep] age"));
    }
}

#[test]
fn values_of_another_form_are_faults() {
    for (text, why) in [
        ("inside = 10", "must be a list such as [\"192.0.2.0/24\"], or \"@FILE\", not a number"),
        ("inside = [[\"10.0.0.0/8\"]]", "\"@FILE\", not a list"),
        ("inside = []", "an empty list; to set nothing, remove the key"),
        ("inside = \"\"", "an empty text; to set nothing, remove the key"),
        ("inside = \"@\"", "an empty text"),
        ("inside = [\"10.0.0.0/8\", \"\"]", "an empty text"),
        ("inside = [\"10.0.0.0/8\", \"@more\"]", "\"@more\" is no network"),
        ("inside = \"10.1.0.0/8\"", "10.1.0.0/8 has bits set after its prefix; did you mean"),
        ("limits = \"\"", "an empty text"),
        ("limits = true", "must be a path in quotes, not true or false"),
        ("name = 7", "must be text in quotes, not a number"),
        ("name = 2001-07-01", "must be text in quotes, not a date"),
        ("wait = \"10\"", "a duration needs a unit: 10s, 10m, 10h"),
        ("wait = 10", "must be text in quotes, not a number"),
        ("memory = \"64\"", "a size needs a unit: 64M, 64G"),
        ("ports = 1.5", "must be a list such as [\"a\", \"b\"], not a number with a point"),
        ("ports = [1, 2.5]", "not a number with a point"),
        ("rate = [1]", "must be text in quotes or a whole number, not a list"),
        ("hosts = \"200\"", "must be a whole number without quotes, not text"),
        ("hosts = -1", "must be a whole number from 0 on, of at most 64 bits"),
        ("hosts = 18446744073709551616", "must be a whole number from 0 on, of at most 64 bits"),
        ("paper = \"true\"", "must be true or false, not text"),
        ("paper = { a = 1 }", "must be true or false, not a table"),
    ] {
        let key = text.split(' ').next().unwrap();
        let fault = fault(&format!("# a comment\n[site]\n{text}\n"));
        assert!(fault.starts_with(&format!("/etc/n/n.toml:3: [site] {key}: ")), "{fault}");
        assert!(fault.contains(why), "{text}: {fault}");
    }
}

#[test]
fn unknown_names_are_faults_with_the_nearest_known_one() {
    for (text, expected) in [
        ("[site]\ninsdie = 1", "2: [site] insdie: unknown key; did you mean inside?"),
        ("[site]\nlimit = 1", "2: [site] limit: unknown key; did you mean limits?"),
        ("[site]\nout = 1", "2: [site] out: unknown key; it belongs to [job]"),
        ("[job]\nkeeps = { age = 1 }", "2: [job] keeps: unknown key; did you mean keep?"),
        ("[job]\n\n[job.kep]\nage = '1d'", "3: [job] kep: unknown key; did you mean keep?"),
        ("[job]\nxyz = 1", "2: [job] xyz: unknown key; there are out, keep"),
        ("[job]\nkeep = '30d'", "2: [job] keep: must be a table, as in keep = { ... }"),
        ("[siet]\ninside = 1", "1: [siet]: unknown table; did you mean [site]?"),
        ("[mail]\na = 1\nb = 2", "1: [mail]: unknown table; nothing of it is used"),
        ("[[site]]\nname = 'a'", "1: [[site]]: there is only one; begin it with the line [site]"),
        (
            "site = [{ name = 'a' }]",
            "1: [[site]]: there is only one; begin it with the line [site]",
        ),
        ("site = ['a']", "1: [site]: must be a table, begun by the line [site]"),
        ("[policy]\nkind = 'a'", "1: [policy]: there may be several; begin each with [[policy]]"),
        ("policy.kind = 'a'", "1: [policy]: there may be several; begin each with [[policy]]"),
        ("policy = 'a'", "1: [[policy]]: must be tables, each begun by the line [[policy]]"),
        ("policy = []", "1: [[policy]]: an empty list; to set nothing, remove the key"),
        ("\npolicy = [\n{},\n7]", "4: [[policy]] 2: must be a table, as in { key = \"value\" }"),
        ("[[polcy]]\nkind = 'a'", "1: [[polcy]]: unknown table; did you mean [[policy]]?"),
        ("[polcy]\nkind = 'a'", "1: [polcy]: unknown table; did you mean [[policy]]?"),
        ("[[mail]]\n[[mail]]\na = 1", "1: [[mail]]: unknown table; nothing of it is used"),
        ("kind = 'a'", "1: kind: belongs to no table; did you mean kind of [[policy]]?"),
        ("[site]\nkind = 'a'", "2: [site] kind: unknown key; it belongs to [[policy]]"),
        ("site = 'a'", "1: [site]: must be a table, begun by the line [site]"),
        ("name = 'a'", "1: name: belongs to no table; did you mean name of [site]?"),
        ("xyz = 'a'", "1: xyz: belongs to no table, and every key must"),
    ] {
        assert_eq!(fault(text), format!("/etc/n/n.toml:{expected}"));
    }
}

#[test]
fn entries_come_in_the_order_of_the_file() {
    let text = "[[policy]]\nkind = 'scan'\n[site]\nhosts = 3\n\n[[policy]]\n\
                kind = ['scan', \"flood\"]\nnetwork = '@nets'\n[[hook]]\nname = 'log'\n\
                argv = ['logger', '-t ', '', 'a,b']\n[[policy]]\n";
    let (config, faults) = parse(text);
    assert_eq!(faults, ["/etc/n/n.toml:12: [[policy]] 3: has no key"]);
    let entries = config.entries(&POLICY);
    let places: Vec<_> = entries.iter().map(|entry| entry.place.as_str()).collect();
    let place = |rest: &str| format!("/etc/n/n.toml:{rest}");
    let expected = ["1: [[policy]] 1", "6: [[policy]] 2", "12: [[policy]] 3"];
    assert_eq!(places, expected.map(place));
    let kinds: Vec<_> = entries.iter().map(|entry| entry.get("kind").map(Setting::text)).collect();
    assert_eq!(kinds, [Some("scan".to_owned()), Some("scan,flood".to_owned()), None]);
    let network = entries[1].get("network").unwrap();
    assert_eq!(network.text(), "@/etc/n/nets");
    assert_eq!(network.place, "/etc/n/n.toml:8: [[policy]] 2 network");
    let argv = config.entries(&HOOK)[0].get("argv").unwrap();
    assert_eq!(argv.words, ["logger", "-t ", "", "a,b"]);
    assert_eq!(config.get(&POLICY, "kind"), None);
    assert_eq!(config.get(&SITE, "hosts").unwrap().text(), "3");
    assert!(config.has(&SITE) && config.has(&POLICY) && !config.has(&JOB));
    assert!(Config::default().entries(&POLICY).is_empty() && !Config::default().has(&SITE));
    assert!(parse("[job]\n").0.has(&JOB) && parse("job.keep.age = '1d'").0.has(&KEEP));
}

#[test]
fn entries_may_be_written_as_a_list() {
    let (config, faults) = parse("policy = [{ kind = 'scan' },\n  { deadline = '1d' }]\n");
    assert_eq!(faults, [""; 0]);
    let entries = config.entries(&POLICY);
    assert_eq!(entries[1].place, "/etc/n/n.toml:2: [[policy]] 2");
    assert_eq!(entries[1].get("deadline").unwrap().text(), "1d");
}

#[test]
fn faults_of_entries_name_the_entry() {
    for (text, expected) in [
        ("kidn = 'scan'", "[[policy]] 2 kidn: unknown key; did you mean kind?"),
        ("hosts = 1", "[[policy]] 2 hosts: unknown key; it belongs to [site]"),
        ("deadline = '1'", "[[policy]] 2 deadline: a duration needs a unit: 1s, 1m, 1h"),
        ("deadline = '9y'", "[[policy]] 2 deadline: too late"),
    ] {
        let fault = fault(&format!("[[policy]]\nkind = 'scan'\n[[policy]]\n{text}\n"));
        assert_eq!(fault, format!("/etc/n/n.toml:4: {expected}"));
    }
    for (text, expected) in [
        ("argv = ['a']", "1: [[hook]] 1: has no name"),
        ("name = 'a'", "1: [[hook]] 1: has no argv"),
        (
            "name = 'a'\nargv = 'a'",
            "3: [[hook]] 1 argv: must be a list of texts such as [\"logger\", \"-t\", \"nfkit\"], \
             not text",
        ),
        ("name = 'a'\nargv = []", "3: [[hook]] 1 argv: an empty list; to set nothing, remove"),
        ("name = 'a'\nargv = ['a', 1]", "3: [[hook]] 1 argv: must be a list of texts such as"),
    ] {
        let fault = fault(&format!("[[hook]]\n{text}\n"));
        assert!(fault.starts_with(&format!("/etc/n/n.toml:{expected}")), "{fault}");
    }
}

/// A fault of one value must not bring others about values that only seem to be missing.
#[test]
fn values_are_compared_only_if_each_is_good() {
    let (config, faults) = parse("[[policy]]\nkind = 'scan'\n[[policy]]\nkidn = 'a'\n[[policy]]\n");
    assert_eq!(faults, ["/etc/n/n.toml:4: [[policy]] 2 kidn: unknown key; did you mean kind?"]);
    assert!(!config.is_sound(&POLICY) && config.is_sound(&SITE));
    // A fault of another table does not hide those of this one.
    let (_, faults) = parse("[[policy]]\n[[policy]]\n[site]\nhosts = 'a'\n");
    assert_eq!(faults.len(), 2, "{faults:?}");
    let read = |text: &str| Config::parse(Path::new("f"), text, ALL).unwrap().1;
    assert_eq!(read("[[policy]]\n[[policy]]\n")[0].scope, Scope::None);
    assert_eq!(read("[[policy]]\ndeadline = '9y'\n")[0].scope, Scope::Table("policy"));
}

#[test]
fn a_table_has_a_limited_number_of_entries() {
    let entries = |n: usize| "[[policy]]\nkind = 'scan'\n".repeat(n);
    let (config, faults) = parse(&entries(MAX_ENTRIES));
    assert_eq!((config.entries(&POLICY).len(), faults), (MAX_ENTRIES, Vec::new()));
    let (config, faults) = parse(&entries(30_000));
    assert_eq!(faults, ["/etc/n/n.toml:2001: [[policy]]: 30000 entries; the limit is 1000"]);
    assert_eq!(config.entries(&POLICY).len(), MAX_ENTRIES);
}

#[test]
fn faults_come_in_the_order_of_their_lines_and_spare_the_good_values() {
    let text = "[site]\nzzz = 1\nhosts = 3\nname = 5\n[abc]\n[job]\nout = 1\n";
    let (config, faults) = Config::parse(Path::new("f"), text, ALL).unwrap();
    let scopes: Vec<_> = faults.iter().map(|fault| (fault.line, fault.scope)).collect();
    let site = Scope::Table("site");
    assert_eq!(scopes, [(2, site), (4, site), (5, Scope::None), (7, Scope::Table("job"))]);
    assert_eq!(config.get(&SITE, "hosts").unwrap().words, ["3"]);
    assert_eq!(config.get(&SITE, "name"), None);
    assert_eq!(config.get(&JOB, "out"), None);
    let (_, faults) = Config::parse(Path::new("f"), "hosts = 3\n", ALL).unwrap();
    assert_eq!(faults[0].scope, Scope::All);
    let (_, faults) = Config::parse(Path::new("f"), "job.keep = 3\n", ALL).unwrap();
    assert_eq!(faults[0].scope, Scope::Table("job.keep"));
}

#[test]
fn a_file_of_faults_alone_is_read_to_its_end() {
    let text = (0..60_000).map(|n| format!("k{n} = 1\n")).collect::<Vec<_>>().concat();
    let (config, faults) = parse(&format!("[site]\n{text}"));
    assert_eq!((config.settings.len(), faults.len()), (0, 60_000));
    assert!(
        faults[59_999].starts_with("/etc/n/n.toml:60001: [site] k59999: "),
        "{}",
        faults[59_999]
    );
}

#[test]
fn a_long_name_is_shown_in_part() {
    let fault = fault(&format!("[site]\n{} = 1\n", "k".repeat(100_000)));
    let shown = "k".repeat(73);
    assert!(fault.starts_with(&format!("/etc/n/n.toml:2: [site] {shown}...: unknown")), "{fault}");
}

#[test]
fn text_that_is_not_toml_is_an_error_with_its_line() {
    for (text, line) in
        [("[site]\nname =\n", 2), ("[site\n", 1), ("[site]\nhosts = 1\nhosts = 2\n", 3)]
    {
        let error = Config::parse(Path::new("f"), text, ALL).unwrap_err().to_string();
        assert!(error.starts_with(&format!("f:{line}: not TOML: ")), "{error}");
    }
    let deep = "a = ".to_owned() + &"[".repeat(500_000);
    assert!(Config::parse(Path::new("f"), &deep, ALL).is_err());
    let dotted = "[site]\n".to_owned() + &"a.".repeat(300_000) + "a = 1\n";
    let error = Config::parse(Path::new("f"), &dotted, ALL).unwrap_err().to_string();
    assert_eq!(error, "f: not TOML: recursion limit");
}

#[test]
fn an_empty_file_is_no_configuration() {
    let (config, faults) = Config::load(Path::new("/dev/null"), ALL).unwrap();
    assert_eq!((config.path(), faults), (None, Vec::new()));
    assert_eq!(config.to_string(), "no configuration file");
    let (config, _) = parse("# only a comment\n");
    assert_eq!(config.path(), Some(Path::new("/etc/n/n.toml")));
    assert_eq!(config.to_string(), "configuration: /etc/n/n.toml");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nfkit.toml");
    let error = |path: &Path| format!("{:#}", Config::load(path, ALL).unwrap_err());
    let odd = Path::new(OsStr::from_bytes(b"\xff/nfkit.toml"));
    let refused = Config::parse(odd, "[site]\n", ALL).unwrap_err().to_string();
    assert!(refused.ends_with("the path of a configuration file must be UTF-8"), "{refused}");
    assert!(error(&path).contains("nfkit.toml: No such file"), "{}", error(&path));
    assert!(error(dir.path()).contains("Is a directory"), "{}", error(dir.path()));
    fs::write(&path, "[site]\nname = \"\u{e9}\"\n".replace('\u{e9}', "e")).unwrap();
    assert!(Config::load(&path, ALL).is_ok());
    fs::write(&path, b"[site]\nname = \"\xe9\"\n").unwrap();
    assert!(error(&path).ends_with("nfkit.toml:2: not UTF-8 text"), "{}", error(&path));
    fs::write(&path, "#".repeat(1 << 20)).unwrap();
    assert!(Config::load(&path, ALL).is_ok());
    fs::write(&path, "#".repeat((1 << 20) + 1)).unwrap();
    assert!(error(&path).contains("nfkit.toml: more than 1 MiB, the limit"), "{}", error(&path));
}
