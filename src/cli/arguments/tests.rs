use super::*;
use crate::cli::config::{Key, any};
use crate::cli::{Nets, parse_as, parse_duration};

/// Judge.
#[derive(Debug, Parser)]
#[command(name = "judge")]
struct Judge {
    /// Ours
    #[arg(long, value_name = "NETS")]
    inside: Option<Nets>,
    /// A side
    #[arg(long, value_parser = ["inside", "outside"], requires = "inside")]
    side: Option<String>,
    /// By the paper
    #[arg(long)]
    paper: bool,
    /// Hosts
    #[arg(long, value_name = "N", default_value_t = 9, requires = "paper")]
    hosts: u64,
    /// Limits
    #[arg(long, conflicts_with = "paper")]
    limits: Option<PathBuf>,
    /// Interfaces
    #[arg(long, value_delimiter = ',')]
    outside_if: Vec<u32>,
    /// A wait
    #[arg(long, default_value = "1s", value_parser = parse_duration)]
    wait: std::time::Duration,
    /// A command
    #[arg(long)]
    exec: Option<String>,
    /// A script
    #[arg(long, conflicts_with = "exec")]
    script: Option<String>,
    /// The output
    #[arg(short, long)]
    write: PathBuf,
    #[command(flatten)]
    common: Common,
}

const SITE: Table = Table {
    name: "site",
    keys: &[
        Key::networks("inside", "ours"),
        Key::path("limits", "limits"),
        Key::new("outside_if", Form::List, any, "interfaces"),
        Key::path("spool", "spool").option("write"),
    ],
    ..Table::PLAIN
};
const OWN: Table = Table {
    name: "judge",
    keys: &[
        Key::text("side", any, "side"),
        Key::flag("paper", "paper"),
        Key::number("hosts", "hosts"),
        Key::text("wait", any, "wait"),
        Key::text("exec", any, "exec"),
        Key::text("script", any, "script"),
        Key::text("inside_too", any, "of no option").without_option(),
    ],
    ..Table::PLAIN
};

impl AsRef<Common> for Judge {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

impl Arguments for Judge {
    const TABLES: &'static [&'static Table] = &[&SITE, &OWN];

    fn unused(given: &ArgMatches) -> &'static [&'static str] {
        match given.get_one::<PathBuf>("write") {
            Some(write) if write == Path::new("-") => &["exec"],
            _ => &[],
        }
    }
}

fn config(text: &str) -> Config {
    let (config, faults) = Config::parse(Path::new("c"), text, Judge::TABLES).unwrap();
    assert_eq!(faults, [], "{text}");
    config
}

fn judge(line: &str, text: &str) -> Result<Judge, String> {
    let line = line.split(' ').filter(|word| !word.is_empty());
    parse_as(line, &config(text)).map_err(|error| error.to_string())
}

#[test]
fn a_value_of_the_file_stands_for_an_absent_option() {
    let text = "[site]\ninside = '10.0.0.0/8'\noutside_if = [1, 2]\nspool = 's'\n\
                [judge]\npaper = true\nhosts = 3\nwait = '2m'\n";
    let args = judge("", text).unwrap();
    assert_eq!(args.inside, Some("10.0.0.0/8".parse().unwrap()));
    assert_eq!((args.outside_if, args.hosts, args.paper), (vec![1, 2], 3, true));
    assert_eq!((args.wait.as_secs(), args.write), (120, PathBuf::from("s")));
    let line = "--inside 10.1.0.0/16 --outside-if 7 --wait 3s -w t";
    let args = judge(line, text).unwrap();
    assert_eq!(args.inside, Some("10.1.0.0/16".parse().unwrap()));
    assert_eq!((args.outside_if, args.wait.as_secs()), (vec![7], 3));
    assert_eq!(args.write, PathBuf::from("t"));
    let args = judge("-w t", "").unwrap();
    assert_eq!((args.hosts, args.paper, args.wait.as_secs()), (9, false, 1));
}

#[test]
fn an_option_that_excludes_a_key_wins_over_it() {
    let limits = "[site]\nlimits = 'l'\n";
    assert_eq!(judge("-w t", limits).unwrap().limits, Some(PathBuf::from("l")));
    assert_eq!(judge("-w t --paper", limits).unwrap().limits, None);
    // The exclusion holds in both directions, whichever option declares it.
    let paper = "[judge]\npaper = true\n";
    let args = judge("-w t --limits l", paper).unwrap();
    assert_eq!((args.paper, args.limits), (false, Some(PathBuf::from("l"))));
    let args = judge("-w t --script a", "[judge]\nexec = 'b'\n").unwrap();
    assert_eq!((args.exec, args.script), (None, Some("a".to_owned())));
    // Keys of two tables are for different commands, so both hold.
    let args = judge("-w t", &format!("{limits}{paper}")).unwrap();
    assert!(args.paper && args.limits.is_some());
    let error = judge("-w t", "[judge]\nexec = 'a'\nscript = 'b'\n").unwrap_err();
    assert_eq!(
        error,
        "judge: c:3: [judge] script: cannot be together with exec; remove one of them"
    );
}

#[test]
fn a_command_names_keys_that_a_command_line_makes_useless() {
    let text = "[judge]\nexec = 'a'\n";
    assert_eq!(judge("-w t", text).unwrap().exec, Some("a".to_owned()));
    assert_eq!(judge("-w -", text).unwrap().exec, None);
}

#[test]
fn an_option_finds_the_one_that_it_needs_in_the_file() {
    let inside = "[site]\ninside = '10.0.0.0/8'\n";
    assert_eq!(judge("-w t --side inside", inside).unwrap().side.as_deref(), Some("inside"));
    let error = judge("-w t --side inside", "").unwrap_err();
    assert!(error.contains("required arguments were not provided: --inside <NETS>"), "{error}");
    assert_eq!(judge("-w t --hosts 3", "[judge]\npaper = true\n").unwrap().hosts, 3);
    let error = judge("-w t --hosts 3", "[judge]\npaper = false\n").unwrap_err();
    assert!(error.ends_with("--paper"), "{error}");
    let error = judge("-w t --side inside --hosts 3", inside).unwrap_err();
    assert!(error.contains("--paper"), "{error}");
    // A key needs nothing: it is for every run.
    assert_eq!(judge("-w t", "[judge]\nhosts = 4\nside = 'outside'\n").unwrap().hosts, 4);
}

#[test]
fn a_value_that_the_option_refuses_is_named_by_its_place() {
    for (text, expected) in [
        ("[judge]\nwait = '5'", "c:2: [judge] wait: a duration needs a unit: 5s, 5m, 5h"),
        ("[judge]\nside = 'in'", "c:2: [judge] side: \"in\" is none of inside, outside"),
        ("[site]\noutside_if = 'a'", "c:2: [site] outside_if: invalid digit found in string"),
    ] {
        // The option does not hide it.
        for line in ["-w t", "-w t --wait 1s --side inside --inside 10.0.0.0/8 --outside-if 1"] {
            assert_eq!(judge(line, text).unwrap_err(), format!("judge: {expected}"));
        }
    }
}

#[test]
fn errors_of_a_parse_in_the_process_are_one_line() {
    let error = judge("--no-such", "").unwrap_err();
    assert!(error.starts_with("judge: unexpected argument '--no-such' found"), "{error}");
    assert!(!error.contains('\n'), "{error}");
    assert!(judge("", "").unwrap_err().contains("--write <WRITE>"));
}

#[test]
fn help_names_the_key_of_an_option() {
    let help = documented::<Judge>().render_help().to_string();
    let words: Vec<&str> = help.split_whitespace().collect();
    assert!(words.join(" ").contains("nfkit-config(5) [env: NFKIT_CONFIG"), "{help}");
    let line = |option: &str| help.lines().find(|line| line.contains(option)).unwrap();
    assert!(line("--inside <").ends_with("Ours [config: site.inside]"), "{help}");
    assert!(line("-w, --write <").contains("[config: site.spool]"), "{help}");
    assert!(line("--paper").ends_with("[config: judge.paper]"), "{help}");
}

#[test]
fn faults_are_errors_only_for_the_commands_that_read_the_table() {
    const OTHER: Table = Table { name: "other", keys: &[], ..Table::PLAIN };
    let text = "[site]\na = 1\n[other]\nb = 1\n[new]\nc = 1\n";
    let (_, faults) = Config::parse(Path::new("c"), text, &[&SITE, &OWN, &OTHER]).unwrap();
    let given = Given::new::<Judge>(&["judge".into()]);
    let (errors, others) = given.split::<Judge>(faults);
    let lines = |faults: &[Fault]| faults.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(lines(&errors)[0].starts_with("c:2: [site] a: unknown key"), "{errors:?}");
    assert!(lines(&others)[0].starts_with("c:4: [other] b: unknown key"), "{others:?}");
    assert!(lines(&others)[1].starts_with("c:5: [new]: unknown table"), "{others:?}");
    assert_eq!((errors.len(), others.len()), (1, 2));
}

/// Notify.
#[derive(Debug, Parser)]
#[command(name = "notify")]
struct Notify {
    #[command(subcommand)]
    action: Action,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Write mails
    Mail {
        /// Ours
        #[arg(long)]
        inside: Option<Nets>,
        /// A wait
        #[arg(long)]
        wait: Option<String>,
    },
    /// Carry on
    Run {
        /// A wait
        #[arg(long)]
        wait: Option<String>,
        /// A command
        #[arg(long)]
        exec: Option<String>,
    },
}

const HOOK: Table = Table {
    name: "hook",
    keys: &[Key::text("exec", any, "exec")],
    is_repeated: true,
    ..Table::PLAIN
};

impl AsRef<Common> for Notify {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

impl Arguments for Notify {
    const TABLES: &'static [&'static Table] = &[&SITE, &HOOK, &OWN];

    fn tables(subcommand: Option<&str>) -> &'static [&'static Table] {
        if subcommand == Some("run") { Self::TABLES } else { &[&SITE] }
    }

    fn other_tables(subcommand: Option<&str>) -> &'static [&'static Table] {
        if subcommand == Some("run") { &[&OTHER] } else { &[] }
    }

    fn reads_default_file(subcommand: Option<&str>) -> bool {
        subcommand == Some("run")
    }
}

/// A table of another command, which has an option of the same name.
const OTHER: Table =
    Table { name: "other", keys: &[Key::text("exec", any, "exec")], ..Table::PLAIN };

#[test]
fn a_subcommand_may_read_tables_that_others_do_not() {
    let tables = [Notify::TABLES, &[&OTHER]].concat();
    let parse = |line: &str| {
        let text = "[site]\ninside = '10.0.0.0/8'\n[judge]\nwait = '2m'\n[[hook]]\nexec = 'a'\n\
                    [other]\nexec = 'b'\n";
        let (config, faults) = Config::parse(Path::new("c"), text, &tables).unwrap();
        assert_eq!(faults, []);
        parse_as::<Notify>(line.split(' '), &config).unwrap().action
    };
    let Action::Mail { inside, wait } = parse("mail") else { panic!() };
    assert_eq!((inside, wait), (Some("10.0.0.0/8".parse().unwrap()), None));
    // The value of a repeated table stands for no option, nor does that of another command's table.
    let Action::Run { wait, exec } = parse("run") else { panic!() };
    assert_eq!((wait.as_deref(), exec), (Some("2m"), None));

    let faults = |line: &[&str]| {
        let text = "[judge]\na = 1\n[[hook]]\nb = 1\n[other]\nc = 1\n";
        let (_, faults) = Config::parse(Path::new("c"), text, &tables).unwrap();
        let line: Vec<OsString> = line.iter().map(OsString::from).collect();
        let (errors, others) = Given::new::<Notify>(&line).split::<Notify>(faults);
        (errors.len(), others.len())
    };
    assert_eq!(faults(&["notify", "run"]), (3, 0));
    assert_eq!(faults(&["notify", "mail"]), (0, 3));
    assert_eq!(faults(&["notify", "--config", "c", "run", "--nonsense"]), (3, 0));
    assert_eq!(faults(&["notify"]), (0, 3));
}

#[test]
fn a_subcommand_may_read_the_default_file_when_others_do_not() {
    let help = |name: &str| {
        let mut command = documented::<Notify>();
        command.build();
        let text = command.find_subcommand_mut(name).unwrap().render_help().to_string();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let default = "[default: /etc/nfkit/nfkit.toml, if it exists]";
    assert!(help("run").contains(default), "{}", help("run"));
    assert!(help("run").contains("A wait [config: judge.wait]"), "{}", help("run"));
    assert!(!help("run").contains("config: hook"), "{}", help("run"));
    assert!(!help("mail").contains(default), "{}", help("mail"));
    assert!(!help("mail").contains("config: judge"), "{}", help("mail"));
    assert!(!documented::<Notify>().render_help().to_string().contains(default));
    // The option is one, wherever it stands.
    for line in ["run --config d", "--config d run", "mail --config d", "--config d mail"] {
        let args = parse_as::<Notify>(line.split(' '), &Config::default()).unwrap();
        assert_eq!(args.common.config.as_deref(), Some(Path::new("d")), "{line}");
    }
}
