//! Files of other programs, given to the commands as their users would.

use crate::harness::{Scene, tool};

const ZEEK: &str = "#separator \\x09\n#path\tconn\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\t\
    id.resp_p\tproto\tduration\torig_bytes\tresp_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\t\
    resp_ip_bytes\n";

/// A scan of two networks, as Zeek logs it.
fn scan() -> String {
    let line = |n: usize, host: &str| {
        let ts = 993_946_800 + n;
        format!("{ts}.250000\tC{n}\t203.0.113.45\t4096\t{host}\t22\ttcp\t-\t-\t-\tS\t1\t40\t0\t0\n")
    };
    let hosts = (0..500).map(|n| format!("140.119.{}.{}", 16 + n / 250, n % 250 + 1));
    ZEEK.to_owned() + &hosts.enumerate().map(|(n, host)| line(n, &host)).collect::<String>()
}

#[test]
fn a_scan_is_found_in_the_log_of_zeek() {
    let ran = tool("nfscan").args(["--inside", "140.119.0.0/16"]).stdin(scan()).run().ok();
    let rows = ran.table();
    assert_eq!(rows.len(), 1, "{ran}");
    assert_eq!((rows[0]["host"].as_str(), rows[0]["flows"].as_str()), ("203.0.113.45", "500"));
    assert_eq!(rows[0]["window"], "2001-07-01T00:20:00Z");
}

#[test]
fn what_is_grepped_out_of_it_are_flow_lines() {
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
    // And those are read like any others.
    let lines = tool("nfgrep").args(["any"]).arg(&log).run().ok();
    let total =
        |input: &[u8]| tool("nftop").args(["--whole", "-n", "0"]).stdin(input).run().ok().out;
    assert!(total(&lines.out) == total(&scene.read("conn.log")));
    tool("nfgrep").args(["-c", "any"]).arg(&log).run().ok().prints("502\n");
}

#[test]
fn a_program_can_be_named_and_what_is_wrong_is_counted() {
    let rows: String = scan().lines().skip(3).map(|line| line.to_owned() + "\n").collect();
    // Without the names Zeek's usual columns are assumed, and these are others.
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
