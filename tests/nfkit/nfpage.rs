//! nfpage: from findings to a page in place, and an old page that stays when there is no new one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::harness::{DETECTORS, INSIDE, Run, Scene, gzip, other, paper, tool, zstd};

fn nfpage(scene: &Scene) -> Run {
    let nfpage = other(env!("CARGO_BIN_EXE_nfpage")).expect("it was built");
    nfpage.arg("-w").arg(scene.path("www"))
}

/// What the three detectors say of the paper's figures.
fn findings() -> String {
    let found = DETECTORS
        .map(|name| tool(name).args(["--inside", INSIDE]).stdin(&paper().text).run().ok().out);
    String::from_utf8(found.concat()).unwrap()
}

const HOSTS: [&str; 4] = ["203.0.113.45", "140.119.100.13", "140.119.53.7", "140.119.44.91"];

#[test]
fn the_papers_hosts_are_on_the_page() {
    let (scene, findings) = (Scene::new(), findings());
    nfpage(&scene).args(["--last", "0"]).stdin(&findings).run().ok().mute();
    let page = scene.text("www/index.html");
    for host in HOSTS {
        assert!(page.contains(&format!("<span class=\"host\">{host}</span>")), "{host}\n{page}");
    }
    for part in ["333.06 a second", "TCP 80", "140.119.56.0/21", "3 windows judged"] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    // By default, the last day alone.
    nfpage(&scene).stdin(&findings).run().ok().mute();
    let page = scene.text("www/index.html");
    assert!(page.contains(HOSTS[3]) && !page.contains(HOSTS[0]), "{page}");
    assert!(page.contains("of older windows are not shown."), "{page}");

    let names: Vec<_> = fs::read_dir(scene.path("www")).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let mode = fs::metadata(scene.path("www/index.html")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
}

#[test]
fn order_form_and_packing_of_the_input_mean_nothing() {
    let (scene, findings) = (Scene::new(), findings());
    nfpage(&scene).stdin(&findings).run().ok();
    let page = scene.text("www/index.html");

    let mut lines: Vec<_> = findings.lines().skip(1).collect();
    lines.sort_unstable();
    let (first, second) = lines.split_at(lines.len() / 2);
    let first = scene.write("b.gz", gzip((first.join("\n") + "\n").as_bytes()));
    let second = scene.write("a.zst", zstd((second.join("\r\n") + "\r\n").as_bytes()));
    nfpage(&scene).args([&second, &first, &first]).run().ok();
    assert_eq!(scene.text("www/index.html"), page);

    let json = DETECTORS.map(|name| {
        let args = ["--json", "--inside", INSIDE];
        tool(name).args(args).stdin(&paper().text).run().ok().out
    });
    nfpage(&scene).stdin(json.concat()).run().ok();
    assert_eq!(scene.text("www/index.html"), page);
}

#[test]
fn a_masked_page_names_no_host() {
    let (scene, findings) = (Scene::new(), findings());
    nfpage(&scene).args(["--mask", "--last", "0"]).stdin(&findings).run().ok();
    let page = scene.text("www/index.html");
    assert!(page.contains("<span class=\"host\">140.119.44.?</span>"), "{page}");
    let is_part = |c: char| c.is_ascii_digit() || c == '.' || c == '/';
    let addresses = page.split(|c| !is_part(c)).filter(|w| w.parse::<std::net::Ipv4Addr>().is_ok());
    assert_eq!(addresses.collect::<Vec<_>>(), [""; 0]);
    // What a mask hid is no finding any more.
    let masked = tool("nfport").args(["--mask"]).stdin(&paper().text).run().ok();
    nfpage(&scene).arg("--strict").stdin(&masked.out).run().status(1).says("is masked");
}

#[test]
fn hostile_lines_are_counted_and_passed_over() {
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
        .says("-:4: line longer than 4000 octets")
        .says_lines(6);
    assert!(ran.err.ends_with("1 more bad lines, 6 in all\n"), "{ran}");
    let page = scene.text("www/index.html");
    assert!(page.contains("6 lines of the input could not be read."), "{page}");
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;"), "{page}");
    assert!(!page.contains("<script") && !page.contains('\u{1b}'), "{page}");
}

#[test]
fn without_a_new_page_the_old_one_stays() {
    let (scene, findings) = (Scene::new(), findings());
    nfpage(&scene).stdin(&findings).run().ok();
    let page = scene.text("www/index.html");

    nfpage(&scene).stdin("nonsense\n").run().status(1).says("is left as it was").says_lines(2);
    nfpage(&scene).arg("/no/such/file").run().status(1).says("/no/such/file: No such file");
    nfpage(&scene).arg("--strict").stdin("nonsense\n").run().status(1).says("-:1: ").says_lines(1);
    assert_eq!(scene.text("www/index.html"), page);

    // An empty input is a good one, and nothing judged is news.
    nfpage(&scene).run().ok();
    assert!(scene.text("www/index.html").contains("Nothing was judged."));

    let file = scene.write("file", "mine");
    let bin = env!("CARGO_BIN_EXE_nfpage");
    let ran = other(bin).unwrap().arg("-w").arg(&file).run().status(1).says_lines(1);
    ran.says("file: not a directory");
    assert_eq!(scene.text("file"), "mine");
    other(bin).unwrap().run().status(2).says("--write");
}

#[test]
fn a_full_disk_leaves_the_old_page() {
    let (scene, findings) = (Scene::new(), findings());
    let input = scene.write("findings", &findings);
    fs::create_dir(scene.path("www")).unwrap();
    // A file system of four pages of memory, which the page does not fit in.
    let script = r#"
        mount -t tmpfs -o size=16k none "$1" || exit 77
        echo old >"$1/index.html"
        "$2" --last 0 -w "$1" "$3"
        echo "status $?"
        cat "$1/index.html"
        ls -A "$1""#;
    let Some(unshare) = other("unshare") else { return };
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
