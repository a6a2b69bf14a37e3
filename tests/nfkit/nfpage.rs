//! nfpage --single: one page made from findings, and the old page that stays if no new one can be made.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{DETECTORS, INSIDE, Run, Scene, gzip, installed, paper, tool, zstd};

fn nfpage(scene: &Scene) -> Run {
    let nfpage = installed(env!("CARGO_BIN_EXE_nfpage")).expect("it was built");
    nfpage.arg("--single").arg("-w").arg(scene.path("www"))
}

/// Returns the three detectors' findings in the paper's figures.
fn findings() -> String {
    let found = DETECTORS
        .map(|name| tool(name).args(["--inside", INSIDE]).stdin(&paper().text).run().ok().out);
    String::from_utf8(found.concat()).unwrap()
}

const HOSTS: [&str; 4] = ["203.0.113.45", "140.119.100.13", "140.119.53.7", "140.119.44.91"];

#[test]
fn the_page_lists_the_hosts_of_the_papers_figures() {
    let (scene, findings) = (Scene::new(), findings());
    // The figures are weeks apart.
    let ran = nfpage(&scene).args(["--last", "0"]).stdin(&findings).run().status(0).mute();
    ran.says(
        "more than 24 h lie between the window 2001-08-04T14:00:00Z and the newest one, 2001-08-17",
    )
    .says_lines(1);
    let page = scene.text("www/index.html");
    for host in HOSTS {
        assert!(page.contains(&format!("<span class=\"host\">{host}</span>")), "{host}\n{page}");
    }
    for part in ["333.06 a second", "TCP port 80", "140.119.56.0/21", "3 windows judged"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    // The default is the last day before the newest window, and because of the gap also the last
    // day before that.
    nfpage(&scene).stdin(&findings).run().status(0).mute();
    let page = scene.text("www/index.html");
    assert!(page.contains(HOSTS[3]) && !page.contains(HOSTS[0]), "{page}");
    assert!(page.contains("of older windows are not shown."), "{page}");

    let names: Vec<_> = fs::read_dir(scene.path("www")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let mode = fs::metadata(scene.path("www/index.html")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn order_form_and_compression_of_the_input_do_not_matter() {
    let (scene, findings) = (Scene::new(), findings());
    nfpage(&scene).stdin(&findings).run().status(0);
    let page = scene.text("www/index.html");

    let mut lines: Vec<_> = findings.lines().skip(1).collect();
    lines.sort_unstable();
    let (first, second) = lines.split_at(lines.len() / 2);
    let first = scene.write("b.gz", gzip((first.join("\n") + "\n").as_bytes()));
    let second = scene.write("a.zst", zstd((second.join("\r\n") + "\r\n").as_bytes()));
    nfpage(&scene).args([&second, &first, &first]).run().status(0);
    assert_eq!(scene.text("www/index.html"), page);

    let json = DETECTORS.map(|name| {
        let args = ["--json", "--inside", INSIDE];
        tool(name).args(args).stdin(&paper().text).run().ok().out
    });
    nfpage(&scene).stdin(json.concat()).run().status(0);
    assert_eq!(scene.text("www/index.html"), page);
}

#[test]
fn a_masked_page_names_no_host() {
    let (scene, findings) = (Scene::new(), findings());
    nfpage(&scene).args(["--mask", "--last", "0"]).stdin(&findings).run().status(0);
    let page = scene.text("www/index.html");
    // The rules that fired are not secret.
    let rules = findings.lines().filter(|line| !line.starts_with('#'));
    let rules = rules.map(|line| line.split('\t').nth(16).unwrap());
    let rules: Vec<_> = rules.filter(|why| !why.contains("by=")).collect();
    assert!(rules.iter().any(|why| why.contains("also=")), "{rules:?}");
    for why in rules {
        let why = why.replace('<', "&#60;").replace('>', "&#62;");
        assert!(page.contains(&format!("<dd class=\"host\">{why}</dd>")), "{why}\n{page}");
    }
    assert!(page.contains("<span class=\"host\">140.119.44.?</span>"), "{page}");
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == '/';
    let addresses = page.split(|c| !is_part(c)).filter(|w| w.parse::<std::net::Ipv4Addr>().is_ok());
    assert_eq!(addresses.collect::<Vec<_>>(), [""; 0]);
    // A masked finding is refused as input.
    let masked = tool("nfport").args(["--mask"]).stdin(&paper().text).run().ok();
    nfpage(&scene).arg("--strict").stdin(&masked.out).run().status(1).says("is masked");
}

#[test]
fn hostile_lines_are_counted_and_skipped() {
    let scene = Scene::new();
    let line = "2001-07-01T00:20:00Z\t600\tscan\tsweep\t203.0.113.45\tsource\t-\t6\t21\t1\t-\t1\t1\t1\
        \t0.00\t-\t<script>alert(1)</script>\t-\n";
    let hostile = [
        line.replace("sweep", "<b>"),
        line.replace("203.0.113.45", "0.0.0.0/99"),
        line.replace("<script>", "\u{1b}[2J"),
        "x".repeat(50_000) + "\n",
        "{\"mark\":[]}\n".to_owned(),
        "#end\tnow\n".to_owned(),
    ];
    let ran = nfpage(&scene).stdin(hostile.concat() + line).run().status(0);
    let ran = ran
        .says("-:1: class cannot be \"<b>\"")
        .says("-:4: line longer than 4000 bytes")
        .says_lines(6);
    assert!(ran.err.ends_with("1 more bad lines, 6 in all\n"), "{ran}");
    let page = scene.text("www/index.html");
    assert!(page.contains("6 lines of the input could not be read."), "{page}");
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "{page}");
    assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
}

#[test]
fn a_failure_leaves_the_old_page_in_place() {
    let (scene, findings) = (Scene::new(), findings());
    nfpage(&scene).stdin(&findings).run().status(0);
    let page = scene.text("www/index.html");

    nfpage(&scene).stdin("nonsense\n").run().status(1).says("is left as it was").says_lines(2);
    nfpage(&scene).arg("/no/such/file").run().status(1).says("/no/such/file: No such file");
    nfpage(&scene).arg("--strict").stdin("nonsense\n").run().status(1).says("-:1: ").says_lines(1);
    assert_eq!(scene.text("www/index.html"), page);

    // An empty input is good input, and makes a page without windows.
    nfpage(&scene).run().ok();
    assert!(scene.text("www/index.html").contains("Nothing was judged."));

    let file = scene.write("file", "mine");
    let bin = env!("CARGO_BIN_EXE_nfpage");
    let ran =
        installed(bin).unwrap().args(["--single", "-w"]).arg(&file).run().status(1).says_lines(1);
    ran.says("file: not a directory");
    assert_eq!(scene.text("file"), "mine");
    installed(bin).unwrap().run().status(2).says("--write");
}

/// The marks of flow lines say that windows are complete, but no detector has judged them.
#[test]
fn input_that_is_not_findings_makes_no_page() {
    let (scene, findings) = (Scene::new(), findings());
    nfpage(&scene).stdin(&findings).run().status(0);
    let page = scene.text("www/index.html");
    let flows = &paper().text;
    assert!(flows.contains("state=ok"), "{flows:.300}");
    let marks: String = flows.split_inclusive('\n').filter(|line| line.starts_with('#')).collect();
    let nine = flows.lines().filter(|line| !line.starts_with('#')).take(50);
    let nine = nine.map(|line| format!("{line}\n")).collect::<Vec<_>>().concat();
    let json =
        "{\"mark\":\"end\",\"start\":\"2001-07-01T00:20:00Z\",\"seconds\":600,\"state\":\"ok\"}\n";
    let csv = "sif,sip,dip,dif,proto,sport,dport,packets,octets\n1,1.2.3.4,1.2.3.5,2,6,1,2,3,4\n";
    for text in [flows, &marks, &nine, json, csv, "# nothing\n"] {
        let ran = nfpage(&scene).stdin(text).run().status(1).mute();
        let ran = ran.says("this is not the output of nfscan, nfflood or nfport: ");
        ran.says("run them on the flow lines first").says("index.html is left as it was");
        assert_eq!(scene.text("www/index.html"), page);
    }
    // The output of a detector that found nothing, or that had no window to judge, makes a page.
    let quiet = "#end\t2001-07-01T00:20:00Z\t600\tflows=9\tstate=ok\ttool=nfscan\n";
    nfpage(&scene).stdin(quiet).run().ok();
    assert!(scene.text("www/index.html").contains("1 window was seen whole and found clean"));
    nfpage(&scene).stdin(tool("nfscan").run().ok().out).run().ok();
    assert!(scene.text("www/index.html").contains("Nothing was judged."));
}

#[test]
fn windows_in_the_future_hide_no_others() {
    let scene = Scene::new();
    let line = |start: &str, host: &str| {
        format!(
            "{start}\t600\tscan\tsweep\t{host}\tsource\t-\t6\t21\t1\t-\t1\t1\t1\t0.00\t-\tn=1>=1\t-\n\
             #end\t{start}\t600\tflows=1\tstate=ok\ttool=nfscan\n"
        )
    };
    let today =
        line("2026-11-02T08:00:00Z", "192.0.2.1") + &line("2026-11-02T23:50:00Z", "192.0.2.2");
    let future: String =
        (0..4).map(|n| line(&format!("2036-01-01T00:{n}0:00Z"), "192.0.2.3")).collect();
    let both = future + &today + &line("2026-10-01T08:00:00Z", "192.0.2.4");
    let shows = |host: &str| scene.text("www/index.html").contains(&format!(">{host}<"));

    let ran = nfpage(&scene).stdin(&both).run().status(0);
    ran.says("the window 2026-11-02T23:50:00Z and the newest one, 2036-01-01T00:30:00Z: either a");
    assert_eq!(
        ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"].map(shows),
        [true, true, true, false]
    );

    let now = ["--now", "2026-11-03T00:00:00Z"];
    let ran = nfpage(&scene).args(now).stdin(&both).run().status(0).says_lines(1);
    ran.says("8 lines set aside: their windows, from 2036-01-01T00:00:00Z to 2036-01-01T00:30:00Z");
    assert_eq!(
        ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"].map(shows),
        [true, true, false, false]
    );
    let page = scene.text("www/index.html");
    assert!(page.contains("8 lines of the input were set aside."), "{page}");

    // After the outage the input makes no message if the right time is given.
    let again = line("2026-11-04T01:00:00Z", "192.0.2.5");
    let now = ["--now", "2026-11-04T01:15:00Z"];
    nfpage(&scene).args(now).stdin(today.clone() + &again).run().ok();
    assert_eq!(["192.0.2.1", "192.0.2.5"].map(shows), [false, true]);
    let ran = nfpage(&scene).stdin(today.clone() + &again).run().status(0);
    ran.says("more than 24 h lie between");
    let ran = nfpage(&scene).args(["--now", "2001-01-01T00:00:00Z"]).stdin(&both).run().status(1);
    ran.says("all windows of the input, from 2026-10-01T08:00:00Z to 2036-01-01T00:30:00Z, begin")
        .says("index.html is left as it was")
        .says_lines(1);
    assert_eq!(["192.0.2.1", "192.0.2.5"].map(shows), [true, true]);
    nfpage(&scene).args(["--now", "yesterday"]).run().status(2).says("--now");
}

#[test]
fn a_full_disk_leaves_the_old_page() {
    let (scene, findings) = (Scene::new(), findings());
    let input = scene.write("findings", &findings);
    fs::create_dir(scene.path("www")).unwrap();
    // The file system has four pages of memory, too few for the page.
    let script = r#"
        mount -t tmpfs -o size=16k none "$1" || exit 77
        echo old >"$1/index.html"
        "$2" -q --single --last 0 -w "$1" "$3"
        echo "status $?"
        cat "$1/index.html"
        ls -A "$1""#;
    let Some(unshare) = installed("unshare") else { return };
    let ran = unshare
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(scene.path("www"))
        .arg(env!("CARGO_BIN_EXE_nfpage"))
        .arg(input)
        .run();
    if ran.status.code() != Some(0) {
        eprintln!("skipped: no file system of our own can be mounted{ran}");
        return;
    }
    let ran = ran.prints("status 1\nold\nindex.html\n").says_lines(1);
    ran.says("index.html: No space left on device");
}
