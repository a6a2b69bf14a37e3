//! The recipes of the README, run as they are printed there.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use nfkit::time::Timestamp;

use crate::harness::{NO_CONFIGURATION, Scene, installed, package, tool};

/// Returns the blocks of commands under "Recipes".
fn recipes() -> Vec<String> {
    let readme = fs::read_to_string(package("README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Recipes\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let mut blocks = vec![String::new()];
    for line in section.lines() {
        match (line.strip_prefix("    "), blocks.last_mut()) {
            (Some(command), Some(block)) => *block += &(command.to_owned() + "\n"),
            (None, Some(block)) if !block.is_empty() => blocks.push(String::new()),
            _ => {}
        }
    }
    blocks.retain(|block| !block.is_empty());
    blocks
}

/// Fills a spool with ordinary traffic of yesterday and a scan of half an hour ago.
fn spool(scene: &Scene) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let start = |before: u64| Timestamp::from_secs((now - before) / 600 * 600).rfc3339();
    let dir = scene.path("spool").to_str().unwrap().to_owned() + "/";
    for (args, before) in [
        (["campus", "--flows", "3000", "--seed", "1"], 36 * 3600),
        (["paper", "--figure", "3", "--flows", "7000"], 40 * 60),
    ] {
        tool("nfgen").args(args).args(["--start", &start(before), "-w", &dir]).run().ok();
    }
}

#[test]
fn each_recipe_prints_the_result_that_it_promises() {
    for program in ["column", "comm", "awk"] {
        if installed(program).is_none() {
            return;
        }
    }
    let scene = Scene::new();
    spool(&scene);
    let recipes = recipes();
    assert_eq!(recipes.len(), 8, "{recipes:#?}");
    let tools = Path::new(env!("CARGO_BIN_EXE_nfdump-txt")).parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let run = |recipe: &str| {
        let here = scene.path("spool").display().to_string();
        let script = recipe.replace("/var/spool/nfcap", &here);
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &script])
            .current_dir(scene.dir())
            .env("PATH", &path)
            .env("NFKIT_CONFIG", NO_CONFIGURATION)
            .env("LC_ALL", "C");
        let out = shell.output().unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success() && said.is_empty(), "{script}{}: {said}", out.status);
        String::from_utf8(out.stdout).unwrap()
    };
    let rows = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();

    let talkers = run(&recipes[0]);
    assert_eq!(rows(&talkers), 10, "{talkers}");
    assert!(talkers.contains("\ttool=nftop\tkeys="), "{talkers}");

    // The host in the recipe has no conversations in this spool.
    assert!(run(&recipes[1]).starts_with("#fields\twindow\tseconds\tsip\tdip\t"));
    let spoke = run(&recipes[1].replace("140.119.53.7", "203.0.113.45"));
    assert_eq!(rows(&spoke), 10, "{spoke}");
    assert!(
        spoke
            .lines()
            .filter(|line| !line.starts_with('#'))
            .all(|line| line.contains("203.0.113.45"))
    );

    let yesterday = |scene: &Scene| scene.text("yesterday");
    let new = run(&recipes[2]);
    assert!(yesterday(&scene).lines().count() > 100);
    assert!(
        !new.is_empty()
            && new.lines().all(|line| !yesterday(&scene).contains(&format!("{line}\n")))
    );

    let flows = run(&recipes[3]);
    assert!(rows(&flows) > 3000, "{}", rows(&flows));
    assert!(flows.lines().all(|line| line.starts_with('#') || line.contains("\t203.0.113.45\t")));

    assert_eq!(run(&recipes[4]), "");
    let evidence = scene.text("evidence.txt");
    assert_eq!(evidence.lines().count(), 40);
    assert!(evidence.lines().all(|line| line.contains(" 203.0.113.45 ")), "{evidence}");

    let answered = run(&recipes[5]);
    assert!(answered.contains("#end"), "{answered}");

    assert_eq!(run(&recipes[6]), "");
    let series = scene.text("series.csv");
    let times: std::collections::BTreeSet<_> =
        series.lines().skip(1).map(|line| line.split(',').nth(2).unwrap()).collect();
    assert!(times.len() >= 10, "{series}");

    let (nfdump, zeek) = recipes[7].split_once('\n').unwrap();
    let log = package("tests/data/dialects/conn.log");
    fs::copy(log, scene.path("conn.log")).unwrap();
    assert!(run(zeek).contains("\ttool=nfscan"));
    // `peers::csv` tests the output of a real nfdump. Here only the rest of the pipeline runs.
    let (nfdump, rest) = nfdump.split_once(" | ").unwrap();
    assert_eq!(nfdump, "nfdump -R /var/cache/nfdump -o csv");
    let csv = package("tests/data/dialects/nfdump-1.7.1.csv");
    assert_eq!(rows(&run(&format!("cat '{}' | {rest}", csv.display()))), 4);
}
