//! Files of other programs as input of the commands.

use std::fs;

use crate::golden::golden;
use crate::harness::{DETECTORS, Scene, package, tool};

const ZEEK: &str = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\t\
    id.resp_p\tproto\tduration\torig_bytes\tresp_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\t\
    resp_ip_bytes\n";

/// Returns a scan of two networks, as Zeek logs it.
fn scan() -> String {
    let line = |n: usize, host: &str| {
        let ts = 993_946_800 + n;
        format!("{ts}.250000\tC{n}\t203.0.113.45\t4096\t{host}\t22\ttcp\t-\t-\t-\tS\t1\t40\t0\t0\n")
    };
    let hosts = (0..500).map(|n| format!("140.119.{}.{}", 16 + n / 250, n % 250 + 1));
    ZEEK.to_owned() + &hosts.enumerate().map(|(n, host)| line(n, &host)).collect::<String>()
}

#[test]
fn a_scan_is_found_in_a_zeek_log() {
    let ran = tool("nfscan").args(["--inside", "140.119.0.0/16"]).stdin(scan()).run().ok();
    let rows = ran.table();
    assert_eq!(rows.len(), 1, "{ran}");
    assert_eq!((rows[0]["host"].as_str(), rows[0]["flows"].as_str()), ("203.0.113.45", "500"));
    assert_eq!(rows[0]["window"], "2001-07-01T00:20:00Z");
}

#[test]
fn nfgrep_turns_a_zeek_log_into_flow_lines() {
    let scene = Scene::new();
    let log = scene.write(
        "conn.log",
        scan()
            + "994000000.0\tCx\t192.0.2.1\t8\t192.0.2.2\t0\ticmp\t0.5\t56\t56\t-\t1\t84\t1\t84\n",
    );
    let ran = tool("nfgrep").args(["icmp or host 140.119.16.9"]).arg(&log).run().ok();
    let names = "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\tstart\tend\tflags\texporter\n";
    ran.prints(&format!(
        "{names}0\t203.0.113.45\t140.119.16.9\t0\t6\t4096\t22\t1\t40\t993946808.250\t-\t2\t-\n\
         0\t192.0.2.1\t192.0.2.2\t0\t1\t0\t2048\t1\t84\t994000000.000\t994000000.500\t-\t-\n\
         0\t192.0.2.2\t192.0.2.1\t0\t1\t0\t0\t1\t84\t994000000.000\t994000000.500\t-\t-\n"
    ));
    // The other commands read these lines like any others.
    let lines = tool("nfgrep").args(["any"]).arg(&log).run().ok();
    let total =
        |input: &[u8]| tool("nftop").args(["--whole", "-n", "0"]).stdin(input).run().ok().out;
    assert!(total(&lines.out) == total(&scene.read("conn.log")));
    tool("nfgrep").args(["-c", "any"]).arg(&log).run().ok().prints("502\n");
}

#[test]
fn the_dialect_can_be_named_and_bad_lines_are_counted() {
    let rows: String = scan().lines().skip(3).map(|line| line.to_owned() + "\n").collect();
    // Without the line of names Zeek's usual columns are assumed, which differ from these.
    let ran = tool("nftop").args(["--input", "zeek"]).stdin(&rows).run().status(1);
    ran.says("-:1: zeek: ").says("495 more bad lines, 500 in all");
    tool("nftop").args(["--input", "argus"]).run().status(2).says("flow nfdump rwcut zeek vpc");
    let vpc =
        "2 1 eni-1 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n";
    let ran = tool("nftop").args(["--per", "sip"]).stdin(vpc).run().ok();
    assert_eq!(ran.table()[0]["octets"], "4249");
    let ran = tool("nftop").args(["--input", "flow"]).stdin(vpc).run().status(1);
    ran.says("-:1: sip cannot be \"1\"");
}

#[test]
fn samples_decode_to_the_golden_flow_lines() {
    let folder = package("tests/data/dialects");
    let mut samples: Vec<_> = fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    samples.retain(|path| path.extension().is_none_or(|end| end != "flows"));
    samples.sort();
    assert!(samples.len() >= 13, "{samples:?}");
    for sample in samples {
        let name = sample.file_name().unwrap().to_str().unwrap();
        let ran = tool("nfgrep").arg("any").arg(&sample).run().status(0);
        let said = match name {
            "vpc-2.txt" => ":4: vpc: flows were left out here (SKIPDATA)\n",
            _ => "",
        };
        assert!(
            ran.err.ends_with(said) && ran.err.lines().count() == said.lines().count(),
            "{ran}"
        );
        golden(&format!("dialects/{name}.flows"), &ran.out);
        // nftop reads the same flows from the sample and from its flow lines.
        let read = |input: &[u8]| {
            let ran = tool("nftop").args(["--whole", "-n", "0"]).stdin(input).run();
            ran.rows().join("\n")
        };
        assert_eq!(read(&fs::read(&sample).unwrap()), read(&ran.out), "{name}");
    }
}

/// nfdump prints such a file if no flow matched.
#[test]
fn a_file_without_flows_is_good_input() {
    let none = package("tests/data/dialects/nfdump-none.csv");
    for name in DETECTORS {
        assert!(tool(name).arg(&none).run().ok().rows().is_empty());
    }
}

/// The input has the names, a good line, a spoilt one and the good one again. The result is two
/// flows and one bad line, the third, for every way to spoil a line.
#[test]
fn a_bad_line_costs_one_line() {
    let nfdump = fs::read_to_string(package("tests/data/dialects/nfdump-1.7.1.csv")).unwrap();
    let mut lines = nfdump.lines();
    let nfdump = (lines.next().unwrap(), lines.next().unwrap());
    let rwcut = ("sIP|dIP|sPort|dPort|pro|packets|bytes|", "192.0.2.1|192.0.2.2|1|2|17|3|120|");
    let names = ZEEK.lines().last().unwrap();
    let zeek = (names, "1.5\tC\t192.0.2.1\t1\t192.0.2.2\t2\tudp\t-\t-\t-\t-\t1\t40\t0\t0");
    let vpc = (
        "srcaddr dstaddr srcport dstport protocol packets bytes",
        "192.0.2.1 192.0.2.2 1 2 17 3 120",
    );
    let over = "18446744073709551616";
    for (tool_name, (names, row), from, to) in [
        ("nfdump", nfdump, ",477,", format!(",{over},")),
        ("nfdump", nfdump, ",477,", ",\"477\",".to_owned()),
        ("nfdump", nfdump, ",TCP,", ",6.0,".to_owned()),
        ("nfdump", nfdump, ",1998,", ",-1,".to_owned()),
        ("nfdump", nfdump, ",1998,", ",8.256,".to_owned()),
        ("rwcut", rwcut, "|3|", "|3 0|".to_owned()),
        ("rwcut", rwcut, "|120|", "".to_owned()),
        ("rwcut", rwcut, "192.0.2.1|", "192.0.2.256|".to_owned()),
        ("zeek", zeek, "\t40\t", format!("\t{over}\t")),
        ("zeek", zeek, "1.5", "1.5e9".to_owned()),
        ("zeek", zeek, "\t0\t0", "".to_owned()),
        ("zeek", zeek, "192.0.2.1\t", "192.0.2.1\u{1b}[31m\t".to_owned()),
        ("vpc", vpc, " 120", " 0x78".to_owned()),
        ("vpc", vpc, " 17 ", " 256 ".to_owned()),
    ] {
        let spoilt = row.replacen(from, &to, 1);
        assert_ne!(spoilt, row);
        for end in ["\n", "\r\n"] {
            let text = [names, row, &spoilt, row, ""].join(end);
            let ran = tool("nfgrep").args(["-c", "any"]).stdin(&text).run().status(0);
            let ran = ran.prints("2\n").says_lines(1).says(&format!("-:3: {tool_name}: "));
            tool("nfgrep").args(["--strict", "any"]).stdin(&text).run().status(1).says(&ran.err);
        }
    }
    // A NUL behind the first lines is a bad value; near the beginning it would mean a binary file.
    let text = [nfdump.0, &[nfdump.1, "\n"].concat().repeat(30), "1,\0,2", nfdump.1].join("\n");
    let ran = tool("nfgrep").args(["-c", "any"]).stdin(&text).run().status(0);
    ran.prints("31\n").says_lines(1).says("-:33: nfdump: te cannot be \"\\0\"");
}
