//! nfscan --feed: hosts that talk with addresses of threat feeds, and feeds that cannot be trusted.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use crate::detector::{FIELDS, W1, W2, attacks, found, window};
use crate::harness::{INSIDE, Scene, gzip, tool};

const HOST: &str = "140.119.44.7";
const DAY: u64 = 86_400;

/// Returns the flow lines of a conversation by TCP that a host opens.
fn talk(from: &str, to: &str) -> String {
    format!(
        "1\t{from}\t{to}\t2\t6\t50000\t443\t9\t900\n2\t{to}\t{from}\t1\t6\t443\t50000\t9\t9000\n"
    )
}

fn input(rows: &str) -> String {
    FIELDS.to_owned() + &window(W1, rows)
}

#[test]
fn hosts_that_talk_with_listed_addresses_are_found() {
    let scene = Scene::new();
    let drop = scene.write("drop.txt", "; DROP\n203.0.113.0/24 ; SBL1\n2001:db8::/32 ; SBL2\n");
    let c2 = "# \"first_seen_utc\",\"dst_ip\",\"dst_port\"\n\"2021\",\"203.0.113.5\",\"443\"\n";
    let c2 = scene.write("c2.csv.gz", gzip(c2.as_bytes()));
    let mut rows = talk(HOST, "203.0.113.5") + &talk(HOST, "203.0.113.9");
    rows += &talk("140.119.44.8", "198.51.100.1");
    rows += &talk("203.0.113.77", "140.119.44.9");
    let nfscan = |feed: &str, args: &[&str]| {
        tool("nfscan").args(["--inside", INSIDE, "--feed", feed]).args(args).stdin(input(&rows))
    };
    let both = format!("{},{}", drop.display(), c2.display());
    let ran = nfscan(&both, &[]).run().ok();
    let [row] = &ran.table()[..] else { panic!("{ran}") };
    let cells = ["class", "host", "role", "side", "proto", "port", "peers", "peer", "why"]
        .map(|column| row[column].as_str());
    let expected = [
        "listed",
        HOST,
        "source",
        "inside",
        "6",
        "443",
        "2",
        "203.0.113.5=1,203.0.113.9=1",
        "addresses=2>=1,feed=c2.csv,feed=drop.txt",
    ];
    assert_eq!(cells, expected, "{ran}");
    // The option can be repeated as well.
    let again = nfscan(drop.to_str().unwrap(), &["--feed", c2.to_str().unwrap()]).run().ok();
    assert_eq!(again.text(), ran.text());
    let any = nfscan(drop.to_str().unwrap(), &["--feed-any"]).run().ok();
    assert_eq!(found(&any), ["scan source 140.119.44.7", "scan source 140.119.44.9"]);
    let seen = nfscan(&both, &["--explain", HOST]).run().status(0);
    assert!(
        seen.text().contains(&format!("{HOST}\tproto 6 listed\taddresses\t2\t>=1\tpasses")),
        "{seen}"
    );
    assert_eq!(found(&nfscan(&both, &["--side", "outside"]).run().ok()), [""; 0]);
    let masked = nfscan(&both, &["--mask"]).run().ok();
    assert!(!masked.text().contains("203.0.113.5"), "{masked}");
    let calibrated = nfscan(&both, &["--calibrate"]).run().ok();
    assert!(calibrated.text().contains("listed"), "{calibrated}");
}

#[test]
fn a_feed_needs_the_networks_of_the_site() {
    let scene = Scene::new();
    let feed = scene.write("feed", "203.0.113.5\n");
    let nfscan = || tool("nfscan").stdin(input(&talk(HOST, "203.0.113.5")));
    nfscan().arg("--feed").arg(&feed).run().status(2).mute().says("--inside");
    nfscan().args(["--inside", INSIDE, "--feed-any"]).run().status(2).mute().says("--feed");
    // In the configuration paths are relative to its directory.
    let config = "[analyse]\nfeed = [\"feed\"]\nfeed_any = true\n";
    let config = scene.write("nfkit.toml", config);
    let ran = nfscan().arg("--config").arg(&config).run().status(2).mute();
    ran.says("--feed needs --inside");
    let ran = nfscan().arg("--config").arg(&config).args(["--inside", INSIDE]).run().ok();
    assert_eq!(found(&ran), ["scan source 140.119.44.7"]);
}

#[test]
fn a_feed_at_fault_is_told_and_stops_nothing() {
    let scene = Scene::new();
    let plain = tool("nfscan").args(["--inside", INSIDE]).stdin(input(&attacks())).run().ok();
    let old = scene.write("old", "203.0.113.45\n");
    let at = SystemTime::now() - Duration::from_secs(8 * DAY);
    File::options().write(true).open(&old).unwrap().set_modified(at).unwrap();
    let hosts: String = (0..1u32 << 20).map(|n| format!("{}\n", ip(0x0b00_0000 + 2 * n))).collect();
    let most = scene.write("most", &hosts);
    let more = scene.write("more", hosts + "99.9.9.9\n");
    for (feed, says) in [
        (scene.path("absent"), "left out: No such file or directory"),
        (scene.dir().to_owned(), "left out: not a regular file"),
        ("/dev/zero".into(), "left out: not a regular file"),
        (old, "left out: 8 days old, and the limit is 7; is it still downloaded?"),
        (scene.write("empty", ""), "left out: no entry in it"),
        (more, "left out: more than 1048576 entries, the limit of a feed"),
        (scene.write("torn.gz", &gzip(b"203.0.113.45\n")[..20]), "left out: "),
        (
            scene.write("ours", "140.0.0.0/8\n"),
            "left out: no entry of it can be used: 1 with inside addresses, the first in line 1: 140.0.0.0/8",
        ),
        (
            scene.write("some", "203.0.113.99\n0.0.0.0/0\n\u{1b}[31mred\n"),
            "lines left out: 1 wider than /8, or /19 of IPv6, the first in line 2: 0.0.0.0/0; 1 without an \
             address, the first in line 3: ",
        ),
    ] {
        let ran = tool("nfscan").args(["--inside", INSIDE, "--feed"]).arg(&feed);
        let ran = ran.stdin(input(&attacks())).run().status(1);
        let ran = ran.says_lines(1).says(&format!("nfscan: feed {}: {says}", feed.display()));
        assert_eq!(ran.text(), plain.text(), "{}", feed.display());
        assert!(!ran.err.contains('\u{1b}'));
    }
    let ran = tool("nfscan").args(["--inside", INSIDE, "--feed"]).arg(&most);
    ran.stdin(input(&talk(HOST, "11.0.0.2"))).run().ok();
}

fn ip(address: u32) -> std::net::Ipv4Addr {
    address.into()
}

#[test]
fn a_feed_that_changes_holds_for_the_next_window() {
    let scene = Scene::new();
    let feed = scene.write("feed", "203.0.113.5\n");
    let mut nfscan = tool("nfscan").args(["--inside", INSIDE, "--feed"]).arg(&feed).live();
    let rows = talk(HOST, "203.0.113.5") + &talk(HOST, "203.0.113.9");
    nfscan.send(FIELDS.to_owned() + &window(W1, &rows));
    assert!(nfscan.next().starts_with("#fields"));
    assert!(nfscan.next().starts_with("#window"));
    assert!(nfscan.next().contains("\t203.0.113.5=1\t"));
    assert!(nfscan.next().starts_with("#end"));
    fs::write(scene.path("new"), "203.0.113.9\n").unwrap();
    fs::rename(scene.path("new"), &feed).unwrap();
    nfscan.send(window(W2, &rows));
    assert!(nfscan.next().starts_with("#window"));
    assert!(nfscan.next().contains("\t203.0.113.9=1\t"));
    assert!(nfscan.next().starts_with("#end"));
    nfscan.close().ok().mute();
}
