//! Hosts under a flood, hosts that flood, and hosts that spread or guess passwords are named, and
//! none of the busy servers and clients beside them. `tests/lab/floods` runs the attacks; each has
//! a victim or an attacker of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use super::super::harness::{DETECTORS, Scene, table, tool};
use super::{Columns, View, lab, records, replay};

use Columns::{All, Nine};
use View::{Incoming, Sampled, Whole};

/// Findings that must be made: command, class, role, and the attacks. No other finding may be made,
/// except those in `BESIDES`.
const NAMED: [(&str, &str, &str, &[&str]); 10] = [
    (
        "nfflood",
        "dos",
        "target",
        &["syn-web", "syn-idle", "syn-port", "udp-ports", "udp-out", "syn-out"],
    ),
    ("nfflood", "dos", "source", &["udp-out", "syn-out"]),
    ("nfflood", "ddos", "target", &["syn-rand", "syn-rand-idle", "udp-rand", "gre-rand"]),
    ("nfflood", "reflection", "target", &["reflect-dns", "reflect-large", "reflect-unlisted"]),
    ("nfflood", "outbound", "source", &["udp-out-one"]),
    ("nfport", "spread", "source", &["worm", "slow"]),
    ("nfport", "bruteforce", "source", &["guesses"]),
    ("nfport", "bruteforce", "target", &["guessers"]),
    // A worm makes many failed attempts and is therefore a scanner too.
    ("nfscan", "horizontal", "source", &["worm", "slow"]),
    ("nfscan", "vertical", "source", &["resets"]),
];

/// Findings that may be made as well, each with the reason.
const BESIDES: [(&str, &str, &str, &[&str], &str); 4] = [
    (
        "nfscan",
        "vertical",
        "source",
        &["udp-ports"],
        "it tries 6000 ports of a host, none of which answers",
    ),
    ("nfflood", "outbound", "source", &["udp-out", "syn-out"], "by its rate too"),
    ("nfflood", "outbound", "target", &["udp-out-one", "udp-out", "syn-out"], "the other end"),
    (
        "nfflood",
        "ddos",
        "target",
        &["reflect-dns", "reflect-large"],
        "so many flows that nobody asked for are a flood, whoever answers",
    ),
];

/// Attacks with forged source addresses.
const FORGED: [&str; 4] = ["syn-rand", "syn-rand-idle", "udp-rand", "gre-rand"];

/// Attacks of inside hosts, whose packets go out.
const OUT: [&str; 5] = ["udp-out-one", "udp-out", "syn-out", "worm", "slow"];

/// Attacks that commands need not name in a view, on these columns or on all if there is `None`,
/// with the reason.
type Limit =
    (View, Option<Columns>, &'static [&'static str], &'static [&'static str], &'static str);

/// The limits of the views: a flow export does not show everything.
const LIMITS: [Limit; 15] = [
    (Whole, Some(Nine), &["nfflood"], &["udp-out-one"], "one flow, and no time to have a rate in"),
    (Whole, Some(Nine), &["nfflood"], &["syn-port"], "one flow, and no flag shows what it is"),
    (Whole, Some(Nine), &["nfport"], &["slow"], "few hosts, and no time to have a rate in"),
    (Sampled, Some(Nine), &["nfflood"], &["udp-out-one", "syn-port"], "as above"),
    (Incoming, Some(Nine), &["nfflood"], &["syn-port"], "as above"),
    (Sampled, None, &["nfport"], &["slow"], "an eleventh of its packets, and with them its rate"),
    (
        Sampled,
        None,
        &["nfport"],
        &["guesses", "guessers"],
        "of a connection's packets one or two are left",
    ),
    (
        Sampled,
        None,
        &["nfflood"],
        &["reflect-dns", "reflect-large", "reflect-unlisted"],
        "the questions may be what was not sampled",
    ),
    (
        Incoming,
        None,
        &["nfflood"],
        &["reflect-dns", "reflect-large", "reflect-unlisted"],
        "the questions, if there were any, are not there",
    ),
    (Incoming, None, &DETECTORS, &OUT, "what goes out is not there"),
    (
        Whole,
        Some(All),
        &["nfflood"],
        &["udp-out-one"],
        "two seconds of it are no rate of ten minutes",
    ),
    (Sampled, Some(All), &["nfflood"], &["udp-out-one"], "as above"),
    (
        Sampled,
        None,
        &["nfflood"],
        &["udp-ports", "udp-out", "udp-rand", "gre-rand"],
        "the answers may be what was not sampled",
    ),
    (
        Incoming,
        None,
        &["nfflood"],
        &["udp-ports", "udp-rand", "gre-rand"],
        "the answers, if there were any, are not there",
    ),
    (
        Incoming,
        None,
        &["nfport"],
        &["guesses", "guessers"],
        "a session is not to be told from an attempt",
    ),
];

/// An attack of the lab. An address is `-` if there are many.
struct Attack {
    victim: String,
    attacker: String,
}

/// Reads the lab's attacks, by name.
fn attacks(dir: &Path) -> BTreeMap<String, Attack> {
    let runs = std::fs::read_to_string(dir.join("runs")).unwrap();
    let words = runs.lines().map(|line| line.splitn(4, ' ').collect::<Vec<_>>());
    let attack = |words: Vec<&str>| {
        let [victim, attacker] = [words[0], words[1]].map(str::to_owned);
        (words[2].to_owned(), Attack { victim, attacker })
    };
    words.map(attack).collect()
}

/// Puts all flows into one window, so that the clock does not matter.
fn window(flows: &str) -> String {
    let (fields, rows) = flows.split_once('\n').unwrap();
    let at = fields.split('\t').skip(1).position(|field| field == "start").unwrap();
    // The first packet may be older than softflowd's clock and then has no time.
    let start = |row: &str| row.split('\t').nth(at)?.split('.').next()?.parse().ok();
    let first = rows.lines().filter_map(start).min().unwrap();
    let first = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(first));
    format!("{fields}\n#window\t{first}\t600\n{rows}#end\t{first}\t600\tstate=ok\n")
}

/// Returns the host that has a role in an attack.
fn host(attacks: &BTreeMap<String, Attack>, name: &str, role: &str) -> String {
    let attack = &attacks[name];
    if role == "target" { attack.victim.clone() } else { attack.attacker.clone() }
}

/// Compares a command's findings in a view with the attacks. Returns a report of missed attacks and
/// wrong findings, with all findings; empty if all is well.
fn judge(
    attacks: &BTreeMap<String, Attack>,
    flows: &str,
    command: &str,
    view: View,
    columns: Columns,
) -> String {
    let limits = LIMITS.iter().filter(|(of, only, by, ..)| {
        *of == view && only.is_none_or(|only| only == columns) && by.contains(&command)
    });
    let excused: BTreeSet<&str> =
        limits.flat_map(|(_, _, _, names, _)| names.iter().copied()).collect();
    // Class, role and host of each expected finding, with the attack.
    let mut expected = BTreeMap::new();
    let besides = BESIDES.iter().map(|(by, class, role, names, _)| (by, class, role, names));
    for (by, class, role, names) in NAMED.iter().map(|(a, b, c, d)| (a, b, c, d)).chain(besides) {
        for name in names.iter().filter(|_| *by == command) {
            expected.insert((*class, *role, host(attacks, name, role)), *name);
        }
    }
    let ran = tool(command).args(["--inside", "10.77.0.0/16"]).stdin(flows).run().ok();
    let mut named = BTreeSet::new();
    let mut wrong = Vec::new();
    let mut all = String::new();
    for row in ran.table() {
        let of = |column: &str| row[column].as_str();
        let (class, role, host) = (of("class"), of("role"), of("host"));
        all += &format!("  {host} {role} {class} {} {}\n", of("marks"), of("why"));
        let Some(name) = expected.get(&(class, role, host.to_owned())) else {
            wrong.push(format!("{host} is named as {role} {class}"));
            continue;
        };
        let of_view = Some(view.mark()).filter(|mark| *mark != "-");
        let forged = Some("forged").filter(|_| command == "nfflood" && FORGED.contains(name));
        // A guesser talks to the host whose password it guesses.
        let spoke = Some("spoke").filter(|_| class == "bruteforce" && role == "source");
        let marks: BTreeSet<&str> = of_view.into_iter().chain(forged).chain(spoke).collect();
        let has: BTreeSet<&str> = of("marks").split(',').filter(|mark| *mark != "-").collect();
        if has != marks {
            wrong.push(format!("{name} ({host}) has the marks {has:?}"));
        }
        named.insert((class.to_owned(), role.to_owned(), host.to_owned()));
    }
    for (_, class, role, names) in NAMED.iter().filter(|(by, ..)| *by == command) {
        for name in names.iter().filter(|name| !excused.contains(*name)) {
            let host = host(attacks, name, role);
            if !named.contains(&((*class).to_owned(), (*role).to_owned(), host.clone())) {
                wrong.push(format!("{name} ({host}) is not named as {role} {class}"));
            }
        }
    }
    if wrong.is_empty() {
        String::new()
    } else {
        format!(
            "{command}, {view:?}, {columns:?}:\
      {}\
    of\
    {all}",
            wrong.join(
                "\
      "
            )
        )
    }
}

/// Returns the victims that `--live` reports only at the end of the window, although it could have
/// done so earlier.
fn late(flows: &str) -> Vec<String> {
    // softflowd exports many flows when it stops. nfflood judges them as soon as later flows
    // arrive.
    let ends = flows.lines().filter_map(|line| line.split('\t').nth(10)?.parse::<f64>().ok());
    let later = ends.fold(0.0, f64::max) + 20.0;
    let row =
        |n| format!("0\t10.90.0.10\t10.77.4.20\t0\t17\t{n}\t9\t1\t60\t{later}\t{later}\t0\t0\n");
    let rows: Vec<String> = (1..=8).map(row).collect();
    let flows = flows.replace("#end", &(rows.concat() + "#end"));
    let ran = tool("nfflood").args(["--live", "--inside", "10.77.0.0/16"]).stdin(flows).run().ok();
    let hosts = |text: &str| -> BTreeSet<String> {
        let targets = table(text).into_iter().filter(|row| row["role"] == "target");
        targets.filter(|row| row["class"] != "outbound").map(|row| row["host"].clone()).collect()
    };
    let (early, end) = ran.text().split_at(ran.text().find("#window").unwrap());
    let fields = early.lines().next().unwrap();
    hosts(&format!("{fields}\n{end}")).difference(&hosts(early)).cloned().collect()
}

#[test]
fn real_floods_are_named_and_no_busy_hosts_are() {
    let scene = Scene::new();
    let Some(dir) = lab("floods", &scene) else { return };
    let attacks = attacks(&dir);
    let named = NAMED.iter().map(|(_, _, _, names)| names);
    let besides = BESIDES.iter().map(|(_, _, _, names, _)| names);
    let limits = LIMITS.iter().map(|(_, _, _, names, _)| names);
    for name in named.chain(besides).chain(limits).copied().flatten().chain(&FORGED) {
        assert!(attacks.contains_key(*name), "{name} is no attack of the lab");
    }
    let said = std::fs::read_to_string(dir.join("9.said")).unwrap();
    let mut views = vec![(Whole, dir.join("9"), said)];
    let pcap = dir.join("link.pcap");
    let mut add_view = |view, name, args: &[&str]| {
        let (spool, said) = replay(&scene, name, &pcap, &[&["-v", "9", "-a"], args].concat());
        views.push((view, spool, said));
    };
    // An even number would see only one side of a scan of which each probe is refused.
    add_view(Sampled, "sampled", &["-s", "11"]);
    add_view(Incoming, "incoming", &["dst net 10.77.4.0/24"]);
    let mut wrong = String::new();
    for (view, spool, said) in &views {
        for columns in [All, Nine] {
            let mut flows = columns.of(spool);
            assert_eq!(flows.lines().count() - 1, records(said), "{view:?}: {said}");
            if columns == All {
                flows = window(&flows);
            }
            if (*view, columns) == (Whole, All) {
                let late = late(&flows);
                if !late.is_empty() {
                    wrong += &format!("nfflood --live tells late of {late:?}\n");
                }
            }
            for command in DETECTORS {
                wrong += &judge(&attacks, &flows, command, *view, columns);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
