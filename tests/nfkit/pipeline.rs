//! Whole pipelines, from a router's export to the findings.

use std::collections::BTreeSet;
use std::path::Path;

use crate::harness::{DETECTORS, INSIDE, Scene, installed, paper, table, tool};
use crate::nfgen::{EXPORTS, tree};

/// Returns the identities of the rows whose `column` has this value, or of all rows: window, kind,
/// host and role.
fn identities(text: &str, column: Option<(&str, &str)>) -> BTreeSet<[String; 4]> {
    let rows = table(text).into_iter();
    let rows = rows.filter(|row| column.is_none_or(|(name, word)| row[name] == word));
    rows.map(|row| ["window", "kind", "host", "role"].map(|name| row[name].clone())).collect()
}

/// The three figures of the paper, in every export format: all findings that the truth demands are
/// made, and no innocent host is named.
#[test]
fn the_figures_are_found_in_every_export() {
    let must = identities(&paper().truth, Some(("expect", "must")));
    let may = identities(&paper().truth, Some(("expect", "may")));
    assert_eq!((must.len(), may.len()), (4, 2));
    let mut all: Vec<Vec<String>> = Vec::new();
    for export in EXPORTS {
        let capture =
            tool("nfgen").args(["paper", "--flows", "230000", "--export", export, "-w", "-"]);
        let lines = tool("nfdump-txt").stdin(capture.run().ok().out).run().ok();
        let findings = DETECTORS.map(|name| {
            let ran = tool(name).args(["--paper", "--inside", INSIDE]).stdin(&lines.out).run().ok();
            let ends = ran.marks("#end");
            assert!(ends.len() == 3 && ends.iter().all(|end| end.contains("state=ok")), "{ran}");
            ran.text().to_owned()
        });
        let found: BTreeSet<_> = findings.iter().flat_map(|text| identities(text, None)).collect();
        let missed: Vec<_> = must.difference(&found).collect();
        assert!(missed.is_empty(), "{export}: missed {missed:?} in\n{}", findings.join("\n"));
        let wrong: Vec<_> =
            found.iter().filter(|one| !must.contains(*one) && !may.contains(*one)).collect();
        assert!(wrong.is_empty(), "{export}: innocent are {wrong:?} in\n{}", findings.join("\n"));
        // Only the unit of the losses differs between the exports.
        let lost = ["\tlostflows=0", "\tlostdatagrams=0"];
        all.push(
            findings.map(|text| lost.iter().fold(text, |text, key| text.replace(key, ""))).into(),
        );
    }
    assert!(all[0] == all[1] && all[1] == all[2], "the exports differ: {all:#?}");
    let figures = [
        ("nfscan", ["203.0.113.45", "outside", "4064", "6.89"]),
        ("nfflood", ["140.119.53.7", "inside", "1", "3.33"]),
        ("nfport", ["140.119.44.91", "inside", "199997", "333.33"]),
    ];
    for ((_, expected), text) in figures.iter().zip(&all[0]) {
        let row = &table(text)[0];
        assert_eq!(["host", "side", "peers", "rate"].map(|c| row[c].as_str()), *expected, "{text}");
    }
}

#[test]
fn the_truth_has_the_same_counts_as_the_detectors() {
    let truth = table(&paper().truth);
    for name in DETECTORS {
        // The truth of the figures follows the paper's rules.
        let args = ["--paper", "--inside", INSIDE];
        let ran = tool(name).args(args).stdin(&paper().text).run().ok();
        for row in ran.table() {
            let same = |truth: &&_| {
                let truth: &std::collections::BTreeMap<String, String> = truth;
                ["window", "kind", "host", "role"].iter().all(|c| truth[*c] == row[*c])
            };
            let truth = truth.iter().find(same).unwrap_or_else(|| panic!("innocent{ran}"));
            for column in [
                "seconds", "class", "side", "proto", "port", "peers", "peer", "flows", "packets",
                "octets", "rate",
            ] {
                assert_eq!(row[column], truth[column], "{column}{ran}");
            }
        }
    }
}

/// The day of figure 4 in a spool: each window has the same findings if the spool is judged at once
/// and if it is judged file by file.
#[test]
fn a_day_judged_at_once_equals_the_sum_of_its_files() {
    let scene = Scene::new();
    let spool = scene.path("spool/");
    let truth = scene.path("truth");
    let day = ["paper", "--figure", "4", "--for", "24h", "--flows", "300000", "-w"];
    tool("nfgen").args(day).arg(&spool).arg("--truth").arg(&truth).run().ok().mute();
    let files = tree(&spool);
    assert_eq!(files.len(), 144);
    assert_eq!(files[84], Path::new("2001/08/04/nfcap.200108041400.pcapng"));

    let lines = tool("nfdump-txt").arg(&spool).run().ok();
    let args = ["--paper", "--pairs", "--inside", INSIDE];
    let all = tool("nfflood").args(args).stdin(&lines.out).run().ok();
    let mut parts = String::new();
    for file in &files {
        let lines = tool("nfdump-txt").arg(spool.join(file)).run().ok();
        parts += tool("nfflood").args(args).stdin(&lines.out).run().ok().text();
    }
    let marks_and_rows = |text: &str| {
        let lines = text.lines().filter(|line| !line.starts_with("#fields"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(marks_and_rows(&parts), marks_and_rows(all.text()));
    assert_eq!(all.marks("#window").len(), 144, "{all}");

    let main: Vec<_> =
        all.rows().into_iter().filter(|row| row.starts_with("2001-08-04T14:00:00Z\t")).collect();
    assert_eq!(
        main,
        ["2001-08-04T14:00:00Z\t600\t140.119.100.13\t140.119.53.7\t2000\t3.33"],
        "{all}"
    );
    // A window with a flood has one label: the victim, and the attacker if one host alone sends a
    // flood.
    let truth = table(&scene.text("truth"));
    let victims: BTreeSet<_> = truth
        .iter()
        .filter(|row| row["role"] == "target")
        .map(|row| (row["window"].clone(), row["host"].clone()))
        .collect();
    let labels: BTreeSet<_> =
        all.table().iter().map(|row| (row["window"].clone(), row["victim"].clone())).collect();
    assert_eq!(labels, victims, "{all}");
    assert_eq!(labels.len(), 47, "{all}");
    let alone = all.table().iter().filter(|row| row["attacker"] != "-").count();
    assert_eq!(alone, 42, "{all}");
}

/// A shell's pipeline, in which the last command ends first.
#[test]
fn the_commands_work_in_a_shell_pipeline() {
    let Some(sh) = installed("bash") else { return };
    let bin = Path::new(env!("CARGO_BIN_EXE_nfgen")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let script = "nfgen campus --flows 60000 -w - | nfdump-txt | head -n 2; echo ${PIPESTATUS[*]}
        nfgen paper --figure 3 --flows 7000 -w - | nfdump-txt | nfscan --exit-code | cut -f5 | grep -v '^#'; echo ${PIPESTATUS[*]}";
    let sh = sh.args(["-c", script]).env("PATH", format!("{}:{path}", bin.display()));
    let ran = sh.run().ok();
    let lines: Vec<_> = ran.text().lines().collect();
    assert!(lines[0].starts_with("#fields\t") && lines[1].starts_with("#window\t"), "{ran}");
    assert_eq!(lines[2], "0 0 0", "{ran}");
    assert!(lines.contains(&"203.0.113.45"), "{ran}");
    assert_eq!(lines.last(), Some(&"0 0 3 0 0"), "{ran}");
}
