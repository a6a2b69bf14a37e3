//! Manners of all commands: closed pipes, full disks, bad input, error messages, live pipes.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::Duration;

use crate::detector::{FIELDS, W1, W2, attacks, row, window};
use crate::golden::{
    COLLECTOR, Packet, ROUTER, START, packet, pcap, section, v9_data, v9_template,
};
use crate::harness::{
    DETECTORS, Ran, Random, Run, Scene, TOOLS, campus, gzip, installed, memory, package, tool, zstd,
};

fn capture() -> PathBuf {
    package("tests/data/v9.pcapng")
}

/// Returns runs of every command whose output fits into one buffer.
fn runs_with_little_output() -> Vec<Run> {
    let lines = FIELDS.to_owned() + &window(W1, &row("192.0.2.1", "192.0.2.2", 80));
    let mut all: Vec<_> = DETECTORS.map(|name| tool(name).stdin(&lines)).into();
    all.extend([
        tool("nftop").stdin(&lines),
        tool("nftop").args(["--bars", "always"]).stdin(&lines),
        tool("nfscan").arg("--subnets").stdin(&lines),
        tool("nfflood").arg("--pairs").stdin(&lines),
        tool("nfport").args(["-q", "--explain", "192.0.2.1"]).stdin(&lines),
        tool("nfscan").arg("--json").stdin(&lines),
        tool("nfflood").arg("--paper").stdin(&lines),
        tool("nfflood").arg("--calibrate").stdin(&lines),
        tool("nfport").arg("--paper").stdin(&lines),
        tool("nfport").arg("--json").stdin(&lines),
        tool("nfgrep").arg("tcp").stdin(&lines),
        tool("nfgrep").args(["-c", "any", "-", "-", "-", "-", "-", "-"]).stdin(&lines),
        tool("nfdump-txt").arg(capture()),
        tool("nfdump-txt").arg("--stats").arg(capture()),
        tool("nfgen").args(["campus", "--flows", "10", "--text"]),
        tool("nfgen").args(["campus", "--flows", "10", "-w", "-"]),
    ]);
    all
}

/// Returns runs of every command whose output does not fit into a pipe.
fn runs_with_much_output(scene: &Scene) -> Vec<Run> {
    let lines = scene.write("lines", &campus().text);
    let file = scene.path("big.pcapng");
    tool("nfgen").args(["campus", "--flows", "60000", "-w"]).arg(&file).run().ok().mute();
    vec![
        tool("nfscan").args(["--paper", "--limit-hosts", "1", "--limit-nets", "1"]).arg(&lines),
        tool("nfflood").args(["--paper", "--limit-flows", "1"]).arg(&lines),
        tool("nfport").args(["--paper", "--limit-flows", "1"]).arg(&lines),
        tool("nftop").args(["-n", "0", "--per", "pair"]).arg(&lines),
        tool("nfgrep").arg("any").arg(&lines),
        tool("nfgrep").arg("any").stdin_file(&lines),
        tool("nfdump-txt").arg(&file),
        tool("nfdump-txt").stdin_file(&file),
        tool("nfgen").args(["campus", "--flows", "60000", "--text"]),
        tool("nfgen").args(["campus", "--flows", "60000", "-w", "-"]),
    ]
}

fn runs_of_help() -> impl Iterator<Item = Run> {
    let options = ["--help", "-h", "--version", "-V"];
    TOOLS.into_iter().flat_map(move |name| options.map(|option| tool(name).arg(option)))
}

#[test]
fn a_closed_pipe_ends_a_command_quietly() {
    let scene = Scene::new();
    for run in runs_with_little_output()
        .into_iter()
        .chain(runs_with_much_output(&scene))
        .chain(runs_of_help())
    {
        let ran = run.head().ok();
        assert_eq!(ran.out.len(), 10, "it wrote nothing{ran}");
    }
}

/// Asserts that all runs end with `status` and this number of lines on standard error.
fn assert_all_end(runs: impl Iterator<Item = Run>, status: i32, lines: usize) {
    let ended = |ran: &Ran| ran.status.code() == Some(status) && ran.err.lines().count() == lines;
    let wrong: Vec<_> = runs.map(Run::run).filter(|ran| !ended(ran)).collect();
    let text: String = wrong.iter().map(ToString::to_string).collect();
    assert!(wrong.is_empty(), "not status {status} with {lines} lines on stderr:{text}");
}

/// The reader is gone before there is any output, as with `| head -0` and `| true`.
#[test]
fn a_pipe_closed_before_the_start_ends_a_command_quietly() {
    let scene = Scene::new();
    let all = runs_with_little_output()
        .into_iter()
        .chain(runs_with_much_output(&scene))
        .chain(runs_of_help());
    assert_all_end(all.map(Run::stdout_closed), 0, 0);
}

#[test]
fn a_full_disk_is_reported_in_one_line() {
    let scene = Scene::new();
    let all = runs_with_little_output()
        .into_iter()
        .chain(runs_with_much_output(&scene))
        .chain(runs_of_help());
    assert_all_end(all.map(|run| run.stdout_file("/dev/full")), 1, 1);
}

#[test]
fn a_full_disk_under_an_output_file_is_reported_too() {
    for args in [["-w", "/dev/full"], ["--truth", "/dev/full"]] {
        let to = if args[0] == "-w" { &[][..] } else { &["--text"] };
        let ran = tool("nfgen")
            .args(["paper", "--figure", "4", "--flows", "3000"])
            .args(args)
            .args(to)
            .run();
        ran.status(1).says_lines(1).says("/dev/full: ");
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    for name in TOOLS {
        for option in ["-V", "--version"] {
            tool(name)
                .arg(option)
                .run()
                .ok()
                .prints(&format!("{name} {}\n", env!("CARGO_PKG_VERSION")));
        }
        let help = tool(name).arg("--help").run().ok();
        assert!(help.text().contains(&format!("Usage: {name} ")), "{help}");
        let long = help.text().lines().find(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{help}");
    }
}

#[test]
fn wrong_options_are_a_usage_error() {
    for name in TOOLS {
        let ran = tool(name).arg("--no-such-option").run().status(2).mute();
        ran.says("--no-such-option");
        tool(name).args(["--quiet", "--verbose", "campus", "--text"]).run().status(2).mute();
    }
    tool("nfgen").run().status(2).mute();
}

/// Returns the commands that read files, each with a file of good input.
fn readers(scene: &Scene) -> Vec<(&'static str, PathBuf)> {
    let lines = scene.write("good.flows", FIELDS.to_owned() + &window(W1, &attacks()));
    let mut all: Vec<_> = DETECTORS.map(|name| (name, lines.clone())).into();
    all.push(("nfdump-txt", capture()));
    all
}

#[test]
fn a_missing_file_is_reported_and_the_others_are_read() {
    let scene = Scene::new();
    for (name, good) in readers(&scene) {
        let alone = tool(name).arg(&good).run().ok();
        let ran = tool(name).arg("/nowhere/at-all").arg(&good).run().status(1);
        assert_eq!(ran.text(), alone.text());
        ran.says_lines(1).says(&format!("{name}: /nowhere/at-all: No such file"));
        let ran = tool(name).arg(&good).arg("/nowhere/at-all").arg("-q").run().status(1);
        assert_eq!(ran.text(), alone.text());
        ran.says_lines(1);
    }
}

#[test]
fn a_detector_refuses_a_directory() {
    let scene = Scene::new();
    for name in DETECTORS {
        tool(name).arg(scene.dir()).run().status(1).says_lines(1).says("directory");
    }
}

#[test]
fn an_empty_capture_is_an_error() {
    let scene = Scene::new();
    let empty = scene.write("empty", "");
    tool("nfdump-txt").arg(&empty).run().status(1).says_lines(1).says("empty");
    tool("nfdump-txt").stdin("").run().status(1).says_lines(1);
    let ran = tool("nfdump-txt").arg(&empty).arg(capture()).run().status(1);
    assert_eq!(ran.rows().len(), 4, "{ran}");
}

#[test]
fn text_instead_of_a_capture_is_an_error() {
    let scene = Scene::new();
    let text = scene.write("text", FIELDS);
    for run in [
        tool("nfdump-txt").arg(&text),
        tool("nfdump-txt").stdin(FIELDS),
        tool("nfdump-txt").stdin("a\n"),
    ] {
        let ran = run.run().status(1);
        assert!(ran.rows().is_empty(), "{ran}");
        ran.says_lines(1);
    }
    let packed = scene.write("text.gz", gzip(FIELDS.as_bytes()));
    tool("nfdump-txt").arg(packed).run().status(1).says_lines(1);
}

#[test]
fn a_capture_instead_of_flow_lines_is_an_error_that_names_nfdump_txt() {
    let scene = Scene::new();
    let pcap = package("tests/data/v5-raw.pcap");
    let packed = scene.write("v9.pcapng.zst", zstd(&fs::read(capture()).unwrap()));
    for name in DETECTORS {
        for file in [&capture(), &pcap, &packed] {
            let ran = tool(name).arg(file).run().status(1);
            assert_eq!(ran.text().lines().count(), 1, "{ran}");
            ran.says_lines(1).says("nfdump-txt");
        }
    }
}

#[test]
fn binary_data_instead_of_flow_lines_is_an_error() {
    for name in DETECTORS {
        let ran = tool(name).stdin(b"\x7fELF\x02\x01\x01\x00\x00\n\n\n\n\n\n\n").run().status(1);
        assert_eq!(ran.text().lines().count(), 1, "{ran}");
        ran.says_lines(1).says("binary");
    }
}

#[test]
fn torn_compression_is_reported_and_the_data_before_it_counts() {
    let lines = FIELDS.to_owned() + &window(W1, &attacks());
    for packed in [gzip(lines.as_bytes()), zstd(lines.as_bytes())] {
        for name in DETECTORS {
            let ran = tool(name).stdin(&packed[..packed.len() - 20]).run().status(1);
            assert!(ran.marks("#end").iter().all(|end| end.contains("state=cut")), "{ran}");
            ran.says_lines(1);
        }
    }
}

#[test]
fn random_bytes_do_no_harm() {
    let mut random = Random(42);
    let heads: [&[u8]; 6] = [
        b"",
        b"\x0a\x0d\x0d\x0a\x00\x00\x00\x1c\x1a\x2b\x3c\x4d",
        b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x65\x00\x00\x00",
        b"\x1f\x8b\x08\x00",
        b"\x28\xb5\x2f\xfd",
        b"#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\n",
    ];
    for head in heads {
        for round in 0..6 {
            let size = [3, 64, 3000][round % 3];
            let mut bytes = head.to_vec();
            // Half of the inputs have no zeros, which would identify them as binary at once.
            let least = round % 2;
            bytes.extend((0..size).map(|_| (least + random.below(256 - least)) as u8));
            for name in ["nfdump-txt", "nfscan", "nfflood", "nfport"] {
                let ran = tool(name).stdin(&bytes).run();
                assert!(matches!(ran.status.code(), Some(0 | 1)), "{bytes:02x?}{ran}");
                assert!(ran.err.lines().count() <= 12, "{ran}");
            }
        }
    }
}

#[test]
fn bad_lines_cannot_control_the_terminal() {
    let scene = Scene::new();
    let bad = "\u{1b}[2J\u{1b}]0;owned\u{7}\t\u{9b}31m\t\u{202e}\r\u{8}\n";
    let lines =
        scene.write("bad\u{1b}[31m.flows", format!("{}{bad}", row("192.0.2.1", "192.0.2.2", 80)));
    for name in DETECTORS {
        let ran = tool(name).arg(&lines).run().status(0);
        ran.says_lines(1).says("\\x1b[31m.flows:2: ").says("[2J");
        // Bytes that are no UTF-8 are not printed either.
        tool(name).stdin(b"\xff\xfe\x1b[2J\t\x9b\n").run().status(1).says_lines(1);
        tool(name).arg("/nowhere/\u{1b}[2J\n").run().status(1).says_lines(1).says("\\x1b[2J");
    }
    let named = scene.write("no\u{1b}[31m.pcap", "no capture \u{1b}[2J");
    let ran = tool("nfdump-txt").arg(named).run().status(1);
    ran.says_lines(1).says("\\x1b[31m.pcap");
}

#[test]
fn only_five_bad_lines_are_printed_and_all_are_counted() {
    let text = |bad: usize| row("192.0.2.1", "192.0.2.2", 80) + &"nonsense here\n".repeat(bad);
    for name in DETECTORS {
        tool(name).stdin(text(1)).run().status(0).says_lines(1).says(&format!("{name}: -:2: "));
        tool(name).stdin(text(5)).run().status(0).says_lines(5).says("-:6: ");
        let ran = tool(name).stdin(text(1000)).run().status(0).says_lines(6);
        ran.says("995 more bad lines, 1000 in all");
        tool(name).arg("-q").stdin(text(1000)).run().ok();
        // Here no line at all could be read.
        tool(name).stdin("nonsense here\n").run().status(1).says_lines(1);
        let ran = tool(name).arg("--strict").stdin(text(1000)).run().status(1);
        ran.says_lines(1).says(&format!("{name}: -:2: "));
        tool(name).args(["--strict", "--quiet"]).stdin(text(1000)).run().status(1).says_lines(1);
        tool(name).arg("--strict").stdin(text(0)).run().ok();
    }
}

#[test]
fn only_five_bad_datagrams_are_printed_and_all_are_counted() {
    let scene = Scene::new();
    let bad = |n: u64| (n, packet(ROUTER, COLLECTOR, &[0, 9, 0, 1]));
    let packets: Vec<_> = (0..100).map(bad).collect();
    let file = scene.write("bad.pcap", pcap(true, 101, &packets));
    let ran = tool("nfdump-txt").arg(&file).run().status(0).says_lines(6);
    ran.says("95 more parts of datagrams that cannot be read, 100 in all");
    tool("nfdump-txt").arg(&file).arg("-q").run().ok();
}

#[test]
fn a_line_of_100_megabytes_costs_no_memory() {
    for name in DETECTORS {
        let mut live = tool(name).live();
        assert!(live.next().starts_with("#fields"));
        live.send(format!("{FIELDS}#window\t{W1}\n"));
        let part = vec![b'7'; 1 << 20];
        (0..100).for_each(|_| live.send(&part));
        live.send(format!(
            "\n{}#end\t{W1}\tflows=1\tstate=ok\n",
            row("192.0.2.1", "192.0.2.2", 80)
        ));
        assert_eq!(live.next(), format!("#window\t{W1}"));
        assert!(live.next().starts_with(&format!("#end\t{W1}\tflows=1\t")));
        let peak = memory(live.id(), "VmHWM");
        assert!(peak < 64 << 10, "{name} took {peak} KiB");
        live.close().status(0).says_lines(1).says("-:3: line longer than");
    }
}

/// A packet and a block claim to have a gigabyte, and a gigabyte of zeros follows.
#[test]
fn a_capture_that_promises_a_gigabyte_costs_no_memory() {
    if installed("sh").is_none() {
        return;
    }
    let scene = Scene::new();
    let huge: u32 = 1 << 30;
    let mut packet = pcap(true, 101, &[(0, Vec::new())]);
    let at = packet.len() - 8;
    packet[at..at + 4].copy_from_slice(&huge.to_le_bytes());
    packet[at + 4..].copy_from_slice(&huge.to_le_bytes());
    let mut block = section(0, &[], &[], 0);
    block.extend([0, 0, 0, 6]);
    block.extend(huge.to_be_bytes());
    for (name, head) in [("packet.pcap", packet), ("block.pcapng", block)] {
        let path = scene.write(name, head);
        let file = File::options().append(true).open(&path).unwrap();
        file.set_len(file.metadata().unwrap().len() + u64::from(huge)).unwrap();
        let script = "ulimit -v 300000; exec \"$0\" \"$@\"";
        let run = installed("sh").unwrap().args(["-c", script, env!("CARGO_BIN_EXE_nfdump-txt")]);
        run.arg(&path).run().status(1).says_lines(1).says(name);
    }
}

/// In a live capture, the rows of a packet come before the next packet is sent.
#[test]
fn flow_lines_come_with_their_packet() {
    let mut live = tool("nfdump-txt").live();
    let packet = |n: u64, payload: &[u8]| {
        let file = pcap(true, 101, &[(n * 1_000_000_000, packet(ROUTER, COLLECTOR, payload))]);
        file[24..].to_vec()
    };
    live.send(pcap(true, 101, &[]));
    assert!(live.next().starts_with("#fields"));
    live.send(packet(0, &v9_template()));
    assert_eq!(live.next(), format!("#window\t{W1}"));
    for n in 1..4 {
        live.send(packet(n, &v9_data(n as u32)));
        assert!(live.next().starts_with("2\t140.119.44.91\t"));
        assert!(live.next().starts_with("2\t140.119.44.92\t"));
    }
    let ran = live.close().ok();
    assert!(ran.text().starts_with(&format!("#end\t{W1}\tflows=6\t")), "{ran}");
}

/// In nfcap's live stream, the window of a slot ends with the closing block, not with the next
/// slot.
#[test]
fn windows_of_a_live_collector_end_with_their_slot() {
    let mut live = tool("nfdump-txt").live();
    for n in 0..3u64 {
        let at = n * 600_000_000_000;
        let packets =
            [Packet::restated(at, v9_template()), Packet::new(at + 1, ROUTER, v9_data(n as u32))];
        live.send(section(n, &[], if n == 1 { &[] } else { &packets }, 0));
        if n == 0 {
            assert!(live.next().starts_with("#fields"));
        }
        assert!(live.next().starts_with("#window\t"));
        if n != 1 {
            (0..2).for_each(|_| assert!(live.next().starts_with("2\t140.119.44.9")));
        }
        let end = live.next();
        let state = if n == 1 { "state=nodata" } else { "state=ok" };
        assert!(end.starts_with("#end\t") && end.ends_with(state), "{end}");
    }
    live.close().ok().mute();
}

#[test]
fn findings_come_with_the_end_of_their_window() {
    for name in DETECTORS {
        let mut live = tool(name).live();
        assert!(live.next().starts_with("#fields"));
        for mark in [W1, W2] {
            live.send(window(mark, &attacks()));
            assert_eq!(live.next(), format!("#window\t{mark}"));
            let findings = if name == "nfscan" { 2 } else { 1 };
            (0..findings).for_each(|_| assert!(live.next().starts_with(mark)));
            let end = live.next();
            assert!(end.starts_with(&format!("#end\t{mark}\t")), "{end}");
        }
        // This window is ended only by the next one.
        live.send(format!("#window\t{W1}\n{}#window\t{W2}\n", row("192.0.2.1", "192.0.2.2", 80)));
        assert_eq!(live.next(), format!("#window\t{W1}"));
        assert!(live.next().contains("state=cut"));
        let ran = live.close().ok();
        assert_eq!(ran.text().lines().count(), 2, "{ran}");
    }
}

/// A FIFO is a live pipe too, not a file that can be read ahead.
#[test]
fn a_fifo_is_read_as_data_comes() {
    let Some(make) = installed("mkfifo") else { return };
    let scene = Scene::new();
    let path = scene.path("fifo");
    make.arg(&path).run().ok();
    let mut live = tool("nfscan").arg(&path).live();
    let mut fifo = File::options().write(true).open(&path).unwrap();
    std::io::Write::write_all(&mut fifo, window(W1, "").as_bytes()).unwrap();
    assert!(live.next().starts_with("#fields"));
    assert_eq!(live.next(), format!("#window\t{W1}"));
    assert!(live.next().starts_with("#end"));
    drop(fifo);
    live.close().ok();
}

/// Tests the harness: a command that hangs is killed and reported, and a time limit is no delay.
#[test]
fn a_command_that_hangs_fails_its_test() {
    let Some(sleep) = installed("sleep") else { return };
    let run = sleep.arg("600").limit(Duration::from_millis(50));
    let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.run()));
    let said = said.err().expect("it was ended");
    assert!(said.downcast_ref::<String>().unwrap().contains("has not ended"));
    assert_eq!(START % 600, 0);
}
