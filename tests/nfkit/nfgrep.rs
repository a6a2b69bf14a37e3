//! nfgrep: unchanged lines, correct marks, findings, grep's options, and errors that point at their
//! word.

use crate::detector::{FIELDS, W1, W2, attacks, row, window};
use crate::harness::{DETECTORS, INSIDE, Run, Scene, gzip, paper, scan, tool, zstd};

fn grep(args: &[&str], input: &str) -> Run {
    tool("nfgrep").args(args).stdin(input)
}

/// Returns a stream with further columns, marks, a comment and an odd line ending.
fn stream() -> String {
    format!(
        "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tlabel\tflags\n\
         #window\t{W1}\n# a remark\n\
         1\t192.0.2.1\t198.51.100.2\t2\t6\t1025\t80\t3\t144\ta b\t2\n\
         1\t192.0.2.2\t198.51.100.2\t2\t6\t1025\t443\t03\t145\t\u{e9}\t18\r\n\
         1\t2001:DB8::1\t2001:db8::2\t2\t17\t53\t53\t1\t70\t\t-\n\
         #end\t{W1}\tflows=3\tlate=1\tscaled=0\tcover=600\tsilent=0\tstate=ok\tmood=good\n"
    )
}

#[test]
fn matching_lines_are_printed_unchanged() {
    let fields =
        "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tlabel\tflags\n";
    let end = format!(
        "#end\t{W1}\tflows=2\tscaled=0\tcover=600\tsilent=0\tstate=ok\tmood=good\tfiltered=1\n"
    );
    let web = "1\t192.0.2.1\t198.51.100.2\t2\t6\t1025\t80\t3\t144\ta b\t2\n\
        1\t192.0.2.2\t198.51.100.2\t2\t6\t1025\t443\t03\t145\t\u{e9}\t18\n";
    grep(&["tcp"], &stream()).run().ok().prints(&format!("{fields}#window\t{W1}\n{web}{end}"));
    grep(&["-N", "tcp"], &stream()).run().ok().prints(web);
    let other = "1\t2001:DB8::1\t2001:db8::2\t2\t17\t53\t53\t1\t70\t\t-\n";
    grep(&["-vN", "tcp"], &stream()).run().ok().prints(other);
    grep(&["-N", "2001:db8::/32"], &stream()).run().ok().prints(other);
    let all = stream().replace("# a remark\n", "").replace('\r', "");
    grep(&["any"], &stream()).run().ok().prints(&all);
}

#[test]
fn the_end_mark_counts_the_flows_that_are_left() {
    let quiet = grep(&["dst port 7"], &stream()).run().ok();
    assert_eq!(
        quiet.marks("#end"),
        [format!(
            "#end\t{W1}\tflows=0\tscaled=0\tcover=600\tsilent=0\tstate=ok\tmood=good\tfiltered=1"
        )],
    );
    // A detector passes the key on.
    let ran = tool("nfscan").stdin(quiet.text()).run().ok();
    assert!(ran.marks("#end")[0].contains("filtered=1"), "{ran}");
    let nodata = format!("{FIELDS}#window\t{W1}\n#end\t{W1}\tflows=0\tstate=nodata\n");
    grep(&["tcp"], &nodata).run().ok().prints(&nodata);
    grep(&["tcp"], FIELDS).run().ok().prints(FIELDS);
    grep(&["tcp"], "").run().ok().prints("");
}

#[test]
fn a_filter_before_a_detector_changes_only_what_it_leaves_out() {
    let input = FIELDS.to_owned() + &window(W1, &attacks());
    for name in DETECTORS {
        let plain = tool(name).stdin(&input).run().ok();
        let all = grep(&["any"], &input).run().ok();
        tool(name).stdin(all.text()).run().ok().prints(plain.text());
        let none = grep(&["not any"], &input).run().ok();
        assert!(tool(name).stdin(none.text()).run().ok().rows().is_empty());
    }
}

#[test]
fn windows_that_are_not_read_to_their_end_are_cut() {
    let rows = row("192.0.2.1", "192.0.2.2", 80).repeat(3);
    let open = format!("{FIELDS}#window\t{W1}\n{rows}");
    let cut = format!("#end\t{W1}\tflows=3\tstate=cut");
    assert_eq!(grep(&["tcp"], &open).run().ok().marks("#end"), [cut.as_str()]);
    let next = open.clone() + &window(W2, &rows);
    let ran = grep(&["tcp"], &next).run().ok();
    assert_eq!(ran.marks("#end")[0], cut);
    assert!(ran.marks("#end")[1].ends_with("late=0\tscaled=0\tstate=ok"), "{ran}");
    // One window in two files, the first of which is torn.
    let scene = Scene::new();
    let whole = gzip((FIELDS.to_owned() + &window(W1, &rows)).as_bytes());
    let first = scene.write("first.gz", gzip(open.as_bytes()));
    let torn = [gzip(open.as_bytes()), gzip(b"more")[..9].to_vec()].concat();
    let torn = scene.write("torn.gz", torn);
    let rest = scene
        .write("rest", format!("{FIELDS}#window\t{W1}\n{rows}#end\t{W1}\tflows=6\tstate=ok\n"));
    let ran = tool("nfgrep").arg("any").arg(&first).arg(&rest).run().ok();
    assert_eq!(ran.marks("#end"), [format!("#end\t{W1}\tflows=6\tstate=ok")], "{ran}");
    let ran = tool("nfgrep").arg("any").arg(&first).arg("/nowhere").arg(&rest).run().status(1);
    assert_eq!(ran.marks("#end"), [format!("#end\t{W1}\tflows=6\tstate=cut")], "{ran}");
    let ran = tool("nfgrep").arg("any").arg(&torn).arg(&rest).run().status(1).says_lines(1);
    assert_eq!(ran.marks("#end"), [format!("#end\t{W1}\tflows=6\tstate=cut")], "{ran}");
    let packed = scene.write("whole.gz", whole);
    let ran = tool("nfgrep").args(["-m", "2", "any"]).arg(&packed).arg(&rest).run().ok();
    let ends: Vec<_> = (0..2).map(|_| format!("#end\t{W1}\tflows=2\tstate=cut")).collect();
    assert_eq!(ran.marks("#end"), ends, "{ran}");
}

#[test]
fn bad_lines_are_reported_and_counted_in_their_window() {
    let input = stream().replace("# a remark", "nonsense");
    let ran =
        grep(&["tcp"], &input).run().status(0).says_lines(1).says("nfgrep: -:3: sif cannot be");
    assert!(ran.marks("#end")[0].ends_with("badlines=1"), "{ran}");
    let mostly = stream().replace("# a remark\n", &"nonsense\n".repeat(9));
    let ran =
        grep(&["tcp"], &mostly).run().status(0).says_lines(6).says("4 more bad lines, 9 in all");
    assert!(ran.marks("#end")[0].contains("state=cut"), "{ran}");
    grep(&["--strict", "tcp"], &input).run().status(1).says_lines(1);
    grep(&["tcp"], "nonsense\n").run().status(1).says_lines(1);
    grep(&["-q", "tcp"], &input).run().ok();
}

#[test]
fn counts_have_the_form_of_grep() {
    let scene = Scene::new();
    let (a, b) =
        (scene.write("a.flows", stream()), scene.write("b.zst", zstd(stream().as_bytes())));
    grep(&["-c", "tcp"], &stream()).run().ok().prints("2\n");
    grep(&["-cv", "tcp"], &stream()).run().ok().prints("1\n");
    let ran = tool("nfgrep").args(["-c", "tcp"]).arg(&a).arg(&b).run().ok();
    ran.prints(&format!("{}:2\n{}:2\n", a.display(), b.display()));
    let ran = tool("nfgrep").args(["-c", "-m", "1", "any"]).arg(&a).arg(&b).run().ok();
    ran.prints(&format!("{}:1\n{}:1\n", a.display(), b.display()));
    let ran = tool("nfgrep").args(["-c", "any", "/nowhere"]).arg(&a).run().status(1).says_lines(1);
    ran.prints(&format!("{}:3\n", a.display()));
    let few = grep(&["-m1", "any"], &stream()).run().ok();
    assert_eq!(few.rows().len(), 1, "{few}");
    assert!(grep(&["-m0", "any"], &stream()).run().ok().rows().is_empty());
    let said = grep(&["--verbose", "tcp"], &stream()).run().status(0);
    said.says("nfgrep: -: 2 of 3 flows match");
}

#[test]
fn exit_code_means_the_same_as_for_all_commands() {
    grep(&["port 7"], &stream()).run().ok();
    grep(&["--exit-code", "port 7"], &stream()).run().ok();
    grep(&["--exit-code", "port 80"], &stream()).run().status(3);
    grep(&["-c", "--exit-code", "port 80"], &stream()).run().status(3).prints("1\n");
}

#[test]
fn an_error_points_at_its_word() {
    let ran = grep(&["tcp and src port http", "/nowhere"], "").run().status(2).mute().says_lines(3);
    ran.says("nfgrep: tcp and src port http\nnfgrep:                  ^^^^\nnfgrep: column 18: \"http\" is no port");
    for (text, word) in [
        ("", "empty expression"),
        ("host www.example.net", "names are not looked up"),
        ("src as 65000", "is not in flow lines"),
        ("inside", "--inside NETS"),
        ("tcp \u{1b}[2J", "control character"),
        ("net 10.1.0.0/8", "did you mean 10.0.0.0/8"),
    ] {
        grep(&[text], "").run().status(2).mute().says_lines(3).says(word);
    }
    let scene = Scene::new();
    let file = scene.write("words", "# the web\ntcp and\n\tport http\n");
    let ran = tool("nfgrep").arg("-f").arg(&file).run().status(2).mute().says_lines(3);
    ran.says("words: line 3, column 7: \"http\" is no port");
    tool("nfgrep").run().status(2).mute().says_lines(1).says("no expression");
    tool("nfgrep")
        .args(["-f", "/nowhere"])
        .run()
        .status(1)
        .says_lines(1)
        .says("/nowhere: No such file");
    grep(&["in @/nowhere"], "").run().status(1).says("/nowhere: No such file");
    grep(&["--inside", "10.1.0.0/8", "inside"], "").run().status(2).mute();
    grep(&["-e", "tcp", "-f", "x"], "").run().status(2).mute();
    grep(&["--finding", "-"], "").run().status(2).mute().says_lines(1);
}

#[test]
fn expressions_come_from_options_and_files_too() {
    let scene = Scene::new();
    let lines = scene.write("lines", stream());
    let words = scene.write("words", "# the web\ntcp and # not UDP\n port 80 or 443\n");
    let nets = scene.write("nets", "# ours\n192.0.2.2, 203.0.113.0/24\n2001:db8::/64 # all\n");
    let count = |args: &[&str]| {
        let ran = tool("nfgrep").arg("-c").args(args).arg(&lines).run().ok();
        ran.text().trim().parse::<u32>().unwrap()
    };
    assert_eq!(count(&["-e", "tcp"]), 2);
    assert_eq!(count(&["-f", words.to_str().unwrap()]), 2);
    assert_eq!(count(&[&format!("in @{}", nets.display())]), 2);
    assert_eq!(count(&[&format!("(src in @{}) and tcp", nets.display())]), 1);
    assert_eq!(count(&["--inside", "192.0.2.0/24", "src inside and dst outside"]), 2);
    let at = format!("@{}", nets.display());
    assert_eq!(count(&["--inside", &at, "inside"]), 2);
    let ran =
        tool("nfgrep").args(["-c", "inside"]).arg(&lines).env("NFKIT_INSIDE", "192.0.2.1").run();
    ran.ok().prints("1\n");
    let empty = scene.write("empty", "# nobody\n");
    let ran = tool("nfgrep").args(["--inside", &format!("@{}", empty.display()), "inside"]).run();
    ran.status(1).says_lines(1).says("no network in it");
    assert_eq!(count(&[&format!("in @{}", empty.display())]), 0);
}

#[test]
fn files_with_different_columns_make_one_stream() {
    let scene = Scene::new();
    let first = scene.write("first", stream());
    let plain = scene.write("plain", row("192.0.2.9", "192.0.2.8", 80));
    let csv = scene.write(
        "csv",
        "octets,sif,sip,dip,dif,proto,sport,dport,packets\n40,1,192.0.2.7,192.0.2.8,2,6,1,80,1\n",
    );
    let blanks = scene.write("blanks", "  1 192.0.2.6   192.0.2.8 2 6 1 80 1 40 more\n");
    let ran = tool("nfgrep").arg("port 80").args([&first, &plain, &csv, &blanks]).run().ok();
    // The output is a stream that holds the same flows as the files.
    let again = tool("nfgrep").arg("any").stdin(ran.text()).run().ok();
    again.prints(ran.text());
    for host in ["192.0.2.9", "192.0.2.7", "192.0.2.6", "192.0.2.1"] {
        tool("nfgrep")
            .args(["-c", &format!("src {host}")])
            .stdin(ran.text())
            .run()
            .ok()
            .prints("1\n");
    }
    tool("nfgrep")
        .args(["-c", "octets 40 and packets 1 and dst port 80"])
        .stdin(ran.text())
        .run()
        .ok()
        .prints("3\n");
}

#[test]
fn finding_selects_the_flows_of_findings() {
    let scene = Scene::new();
    let lines = scene.write("lines", &scan().text);
    for form in [&[][..], &["--json"]] {
        let ran = tool("nfscan").args(["--inside", INSIDE]).args(form).arg(&lines).run().ok();
        let findings = scene.write("findings", ran.text());
        let ran = tool("nfgrep").arg("--finding").arg(&findings).arg(&lines).run().ok();
        assert!(
            ran.rows().iter().all(|row| row.split('\t').nth(1) == Some("203.0.113.45")),
            "{ran}"
        );
        assert_eq!(ran.rows().len(), 4131, "{ran}");
        // All these flows are the scanner's, and the detector finds the scan again.
        let again = tool("nfscan").stdin(ran.text()).run().ok();
        assert_eq!(again.rows().len(), 1, "{again}");
        let both = tool("nfgrep").args(["-c", "-e", "dst 140.119.56.0/24", "--finding"]);
        let count =
            both.arg(&findings).arg(&lines).run().ok().text().trim().parse::<u32>().unwrap();
        assert!((254..=280).contains(&count), "{count}");
        let rest = tool("nfgrep").arg("-v").arg("--finding").arg(&findings).arg(&lines).run().ok();
        assert!(tool("nfscan").stdin(rest.text()).run().ok().rows().is_empty());
        // Findings can come through a pipe.
        let piped =
            tool("nfgrep").args(["-c", "--finding", "-"]).arg(&lines).stdin(scene.read("findings"));
        piped.run().ok().prints("4131\n");
    }
}

#[test]
fn a_finding_selects_flows_of_its_window_only() {
    let scene = Scene::new();
    let lines = scene.write("lines", &paper().text);
    let args = ["--inside", INSIDE, "--side", "inside"];
    let ran = tool("nfport").args(args).arg(&lines).run().ok();
    let findings = scene.write("findings", ran.text());
    let ran = tool("nfgrep").arg("--finding").arg(&findings).arg(&lines).run().ok();
    assert_eq!(ran.rows().len(), 200_000, "{}", ran.rows().len());
    // Without marks the times decide; without marks and times every flow is in the window.
    let attack = row("140.119.44.91", "192.0.2.1", 80);
    let timed = |time: &str| {
        let fields = FIELDS.trim_end().to_owned() + "\tstart\n";
        format!("{fields}{}\t{time}\n", attack.trim_end())
    };
    let count = |input: String| {
        let run = tool("nfgrep").args(["-c", "--finding"]).arg(&findings).stdin(input);
        run.run().ok().text().trim().to_owned()
    };
    assert_eq!(count(timed("2001-08-17T17:25:00Z")), "1");
    assert_eq!(count(timed("2001-08-17T17:35:00Z")), "0");
    assert_eq!(count(timed("-")), "1");
    assert_eq!(count(attack.clone()), "1");
    assert_eq!(count(window(W1, &attack)), "0");
    assert_eq!(count(window("2001-08-17T17:20:00Z\t600", &attack)), "1");
    assert_eq!(count(attack.replace("\t80\t", "\t81\t")), "0");
}

#[test]
fn findings_that_cannot_be_read_are_an_error() {
    let scene = Scene::new();
    let good = tool("nfscan").stdin(&scan().text).run().ok();
    let one_bad = scene.write("bad", format!("{}nonsense\n", good.text()));
    let ran = tool("nfgrep").args(["-c", "--finding"]).arg(&one_bad).stdin(&scan().text).run();
    ran.status(0).says_lines(1).prints("4131\n");
    let ran =
        tool("nfgrep").args(["--strict", "--finding"]).arg(&one_bad).stdin(&scan().text).run();
    ran.status(1).mute().says_lines(1);
    let masked = tool("nfscan").arg("--mask").stdin(&scan().text).run().ok();
    let masked = scene.write("masked", masked.rows().join("\n"));
    let ran = tool("nfgrep").arg("--finding").arg(&masked).stdin(&scan().text).run();
    ran.status(1).mute().says("masked").says("no line of --finding could be read");
    // Flow lines have marks too, but no findings.
    let flows = scene.write("flows", &scan().text);
    let marks = scan().text.split_inclusive('\n').filter(|line| line.starts_with('#'));
    let marks = scene.write("marks", marks.collect::<String>());
    for path in [flows, marks] {
        let ran = tool("nfgrep").arg("--finding").arg(path).stdin(&scan().text).run();
        ran.status(1).mute().says("no line of --finding could be read as a finding; give it the");
    }
    let ran = tool("nfgrep").args(["--finding", "/nowhere"]).stdin("").run();
    ran.status(1).mute().says_lines(1).says("/nowhere");
    // The detector judged the window and found nothing.
    let quiet = scene.write("quiet", format!("#end\t{W1}\tstate=ok\ttool=nfscan\n"));
    tool("nfgrep")
        .args(["-c", "--finding"])
        .arg(quiet)
        .stdin(&scan().text)
        .run()
        .ok()
        .prints("0\n");
}

/// Returns findings of nfscan: one for each host, role, proto and port.
fn finding_lines(rows: &[(&str, &str, &str, &str)]) -> String {
    let line = |(host, role, proto, port): &(&str, &str, &str, &str)| {
        format!(
            "{W1}\tscan\tsweep\t{host}\t{role}\t-\t{proto}\t{port}\t1\t-\t9\t9\t9\t0.02\t-\t-\t-\n"
        )
    };
    rows.iter().map(line).collect::<Vec<_>>().concat()
}

#[test]
fn evidence_prints_the_flows_after_their_finding() {
    let scene = Scene::new();
    let rows = [
        ("192.0.2.1", "source", "6", "80"),
        ("198.51.100.0/24", "target", "-", "-"),
        ("2001:db8::/64", "source", "17", "53"),
        ("203.0.113.1", "source", "-", "-"),
        // The same finding again, from another detector.
        ("192.0.2.1", "source", "6", "80"),
    ];
    let findings = scene.write("findings", finding_lines(&rows));
    let lines: Vec<_> = finding_lines(&rows).lines().map(str::to_owned).collect();
    let evidence = |limit: &str, input: &str| {
        tool("nfgrep")
            .args(["--evidence", limit, "--finding"])
            .arg(&findings)
            .stdin(input)
            .run()
            .ok()
    };
    let fields =
        "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tlabel\tflags\n";
    let one = "1\t192.0.2.1\t198.51.100.2\t2\t6\t1025\t80\t3\t144\ta b\t2\n";
    let two = "1\t192.0.2.2\t198.51.100.2\t2\t6\t1025\t443\t03\t145\t\u{e9}\t18\n";
    let six = "1\t2001:DB8::1\t2001:db8::2\t2\t17\t53\t53\t1\t70\t\t-\n";
    let expected = |limit: u64| {
        let shown = |texts: &[&str]| {
            let limit = usize::try_from(limit).unwrap();
            let shown: String = texts.iter().take(limit).copied().collect();
            format!("{shown}#more\t{}\n", texts.len().saturating_sub(limit))
        };
        let all = [shown(&[one]), shown(&[one, two]), shown(&[six]), shown(&[]), shown(&[one])];
        let all = lines.iter().zip(all).map(|(line, text)| format!("#finding\t{line}\n{text}"));
        fields.to_owned() + &all.collect::<Vec<_>>().concat()
    };
    evidence("9", &stream()).prints(&expected(9));
    evidence("1", &stream()).prints(&expected(1));
    evidence("0", &stream()).prints(&expected(0));
    // Evidence is a stream of flow lines.
    let ran = evidence("9", &stream());
    assert_eq!(grep(&["-c", "any"], ran.text()).run().ok().text(), "5\n");
    // Flows of another window are not evidence for these findings.
    let later = stream().replace(W1, W2);
    assert!(evidence("9", &later).rows().is_empty());
    // An expression as well limits the flows that count.
    let both = tool("nfgrep").args(["-e", "port 443", "--evidence", "9", "--finding"]);
    let both = both.arg(&findings).stdin(stream()).run().ok();
    assert_eq!(both.rows().len(), 1, "{both}");
    assert_eq!(both.text().matches("#more\t0\n").count(), 5, "{both}");
    for other in ["-c", "-v", "-N", "-m1"] {
        let ran = tool("nfgrep").args([other, "--evidence", "9", "--finding"]).arg(&findings);
        ran.stdin(stream()).run().status(2);
    }
    tool("nfgrep").args(["--evidence", "9", "any"]).stdin(stream()).run().status(2);
}

#[test]
fn evidence_of_inputs_with_different_columns_is_one_stream() {
    let scene = Scene::new();
    let findings = scene.write("findings", finding_lines(&[("192.0.2.0/24", "source", "-", "-")]));
    let flows = scene.write("a", stream());
    let plain = scene.write("b", format!("#window\t{W1}\n{}", row("192.0.2.9", "192.0.2.7", 80)));
    let comma = scene.write("c", format!("#window\t{W1}\n1,192.0.2.8,192.0.2.7,2,6,1,2,3,4\n"));
    let mut run = tool("nfgrep").args(["--evidence", "9", "--finding"]).arg(&findings);
    for path in [&flows, &plain, &comma, &flows] {
        run = run.arg(path);
    }
    let ran = run.run().ok();
    assert_eq!(ran.rows().len(), 6, "{ran}");
    assert_eq!(ran.text().matches("#fields\t").count(), 3, "{ran}");
    // A reader of the evidence finds the same flows in it.
    let sources = grep(&["-c", "src net 192.0.2.0/24"], ran.text()).run().ok();
    assert_eq!(sources.text(), "6\n");
    assert_eq!(grep(&["-c", "flags S"], ran.text()).run().ok().text(), "4\n");
}

#[test]
fn evidence_of_all_findings_is_limited_to_100_000_lines() {
    let scene = Scene::new();
    // Each flow belongs to each finding.
    let rows: Vec<_> = (0..100).map(|_| ("192.0.2.1", "source", "-", "-")).collect();
    let findings = scene.write("findings", finding_lines(&rows));
    let flows = row("192.0.2.1", "198.51.100.7", 80).repeat(1200);
    let ran = tool("nfgrep").args(["--evidence", "5000", "--finding"]).arg(&findings);
    let ran = ran.stdin(FIELDS.to_owned() + &window(W1, &flows)).run().ok();
    assert_eq!(ran.rows().len(), 100_000);
    assert_eq!(ran.text().matches("#more\t200\n").count(), 100);
}

#[test]
fn a_live_pipe_gets_each_match_at_once() {
    let mut live = tool("nfgrep").arg("port 80").live();
    live.send(FIELDS);
    assert_eq!(live.next(), FIELDS.trim_end());
    live.send(format!("#window\t{W1}\n"));
    assert_eq!(live.next(), format!("#window\t{W1}"));
    for n in 1..4 {
        let wanted = row(&format!("192.0.2.{n}"), "192.0.2.9", 80);
        live.send(row("192.0.2.7", "192.0.2.9", 81) + &wanted);
        assert_eq!(live.next(), wanted.trim_end());
    }
    live.send(format!("#end\t{W1}\tflows=6\tstate=ok\n"));
    assert_eq!(live.next(), format!("#end\t{W1}\tflows=3\tstate=ok\tfiltered=1"));
    // With -m nfgrep ends after its last match, while the pipe stays open.
    let mut few = tool("nfgrep").args(["-N", "-m", "1", "port 80"]).live();
    few.send(row("192.0.2.1", "192.0.2.9", 80));
    assert_eq!(few.next(), row("192.0.2.1", "192.0.2.9", 80).trim_end());
    live.close().ok();
    few.close().ok();
}

#[test]
fn input_that_is_no_flow_lines_is_an_error() {
    let scene = Scene::new();
    let pcap = crate::harness::package("tests/data/v5-raw.pcap");
    tool("nfgrep").arg("any").arg(pcap).run().status(1).mute().says_lines(1).says("nfdump-txt");
    tool("nfgrep").arg("any").arg(scene.dir()).run().status(1).says_lines(1).says("directory");
    grep(&["any"], "\u{7f}ELF\u{0}").run().status(1).mute().says_lines(1).says("binary");
    let lines = scene.write("lines", stream());
    let ran = tool("nfgrep").args(["any", "/nowhere"]).arg(&lines).run().status(1).says_lines(1);
    assert_eq!(ran.rows().len(), 3, "{ran}");
}
