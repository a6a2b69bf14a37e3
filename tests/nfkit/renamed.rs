//! The classes that were renamed once, before 1.0: every reader takes `ports` of a scan for `vertical`, and
//! `hammer` of an attack on a port for `bruteforce`, so that old and new lines of one finding are one.

use crate::harness::{INSIDE, Ran, Run, Scene, package, tool};

/// A guesser of passwords and a vertical scan, both of inside hosts.
const NEW: [&str; 2] = [
    "2026-11-02T08:00:00Z\t600\tport\tbruteforce\t140.119.101.4\tsource\tinside\t6\t22\t1\t\
     140.119.100.22=200\t200\t5000\t900000\t0.33\t-\tsessions=200>=20\t\
     140.119.101.4:51000>140.119.100.22:22/6\n",
    "2026-11-02T08:00:00Z\t600\tscan\tvertical\t140.119.101.5\tsource\tinside\t6\t-\t1\t192.0.2.7\t\
     40\t40\t1600\t0.07\t-\tports=40>=15,failedpct=100>=50\t140.119.101.5:51000>192.0.2.7:22/6\n",
];

/// The marks that close the window of [`NEW`].
const ENDS: &str = "#end\t2026-11-02T08:00:00Z\t600\tflows=9\tlate=0\tstate=ok\ttool=nfport\n\
    #end\t2026-11-02T08:00:00Z\t600\tflows=9\tlate=0\tstate=ok\ttool=nfscan\n";

/// Returns a finding line as versions before the renaming wrote it.
fn old(line: &str) -> String {
    line.replace("\tbruteforce\t", "\thammer\t").replace("\tvertical\t", "\tports\t")
}

/// Returns a finding line as a JSON object.
fn json(line: &str) -> String {
    let mut reader = nfkit::finding::Reader::new();
    // Floods have no class of an old name, so the reader leaves the class as it is.
    let other = line.replace("\tport\t", "\tflood\t").replace("\tscan\t", "\tflood\t");
    let item = reader.line(other.trim_end().as_bytes()).unwrap().unwrap();
    let nfkit::finding::Item::Finding(finding) = item else { panic!("{line}") };
    let mut out = Vec::new();
    let form = nfkit::finding::Form::Json;
    nfkit::finding::Writer::new(&mut out, form, false).finding(&finding).unwrap();
    let kind = if line.contains("\tport\t") { "\"port\"" } else { "\"scan\"" };
    String::from_utf8(out).unwrap().replace("\"flood\"", kind)
}

/// Returns inputs that all say the same: new and old lines in text and JSON, and mixtures of them.
fn inputs() -> Vec<String> {
    let new = NEW.concat();
    let old_text: String = NEW.iter().map(|line| old(line)).collect();
    let old_json: String = NEW.iter().map(|line| json(&old(line))).collect();
    assert!(old_json.contains("\"class\":\"hammer\"") && old_json.contains("\"class\":\"ports\""));
    vec![
        format!("{new}{ENDS}"),
        format!("{old_text}{ENDS}"),
        format!("{old_json}{ENDS}"),
        format!("{new}{old_text}{old_json}{ENDS}"),
        format!("{old_json}{ENDS}{old_text}{new}"),
    ]
}

fn mail(findings: &str) -> Ran {
    let contacts = package("tests/data/nfnotify/contacts.csv");
    let run = tool("nfnotify").args(["-q", "mail", "--date", "2026-11-02T08:20:00Z", "--contacts"]);
    run.arg(contacts).args(["--from", "nfkit@example.edu"]).stdin(findings).run().ok()
}

#[test]
fn old_and_new_lines_of_one_finding_are_one_incident_and_one_mail() {
    let inputs = inputs();
    let expected = mail(&inputs[0]);
    let rule = |text: &str| expected.text().matches(text).count();
    assert_eq!([rule("port bruteforce: "), rule("scan vertical: ")], [1, 1], "{expected}");
    assert_eq!([rule("hammer:"), rule("scan ports: "), rule("1. Seen:")], [0, 0, 0], "{expected}");
    for input in &inputs {
        assert_eq!(mail(input).text(), expected.text(), "{input}");
    }
    let block = |input: &String| {
        let args = ["block", "--device", "ios", "--may-block", "140.119.0.0/16"];
        tool("nfnotify").args(args).stdin(input).run().status(0)
    };
    let expected = block(&inputs[0]);
    assert!(expected.text().contains(": port bruteforce, "), "{expected}");
    for input in &inputs {
        assert_eq!(block(input).text(), expected.text(), "{input}");
    }
}

#[test]
fn old_and_new_lines_of_one_finding_are_one_entry_of_the_page() {
    let scene = Scene::new();
    let page = |input: &String| {
        let www = scene.path("www");
        tool("nfpage")
            .args(["--single", "--strict", "-w"])
            .arg(&www)
            .stdin(input)
            .run()
            .ok()
            .mute();
        scene.text("www/index.html")
    };
    let inputs = inputs();
    let expected = page(&inputs[0]);
    assert_eq!(expected.matches(">port bruteforce, ").count(), 1, "{expected}");
    assert_eq!(expected.matches(">scan vertical, ").count(), 1, "{expected}");
    for input in &inputs {
        assert_eq!(page(input), expected, "{input}");
    }
}

#[test]
fn nfgrep_finds_the_flows_of_an_old_finding_and_writes_the_new_class_beside_them() {
    let scene = Scene::new();
    let flows = scene.write(
        "flows",
        "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\n\
         #window\t2026-11-02T08:00:00Z\t600\n\
         1\t140.119.101.4\t140.119.100.22\t2\t6\t51000\t22\t25\t4500\n\
         1\t140.119.101.9\t140.119.100.22\t2\t6\t51000\t22\t25\t4500\n\
         #end\t2026-11-02T08:00:00Z\t600\tflows=2\tlate=0\tscaled=0\tstate=ok\n",
    );
    let evidence = |findings: &str| {
        let findings = scene.write("findings", findings);
        let run = tool("nfgrep").arg("--finding").arg(findings).args(["--evidence", "9"]);
        run.arg(&flows).run().ok()
    };
    let [new, _] = NEW;
    let expected = evidence(new);
    assert!(expected.text().contains("140.119.101.4"), "{expected}");
    for input in [old(new), json(&old(new))] {
        assert_eq!(evidence(&input).text(), expected.text(), "{input}");
    }
    let mixed = evidence(&format!("{new}{}", old(new)));
    assert_eq!(mixed.text(), evidence(&format!("{new}{new}")).text());
}

/// Returns the classes of the findings of a run.
fn classes(ran: &Ran) -> Vec<String> {
    ran.table().iter().map(|row| row["class"].clone()).collect()
}

/// Returns a run of a detector on these flows.
fn detector(name: &str, flows: &str) -> Run {
    tool(name).args(["--inside", INSIDE]).stdin(flows)
}

#[test]
fn a_limit_by_the_old_name_of_a_class_holds() {
    let scene = Scene::new();
    for (name, actor, old, new, off) in [
        ("nfscan", "connect=40", "ports", "vertical", "*,block,off\n*,dark,off\n"),
        ("nfport", "guess=40", "hammer", "bruteforce", ""),
    ] {
        let flows = tool("nfgen").args(["none", "--with", actor, "--text"]).run().ok();
        let with = |limits: &str| {
            let file = scene.write("limits", limits);
            classes(&detector(name, flows.text()).arg("--limits").arg(file).run().ok())
        };
        assert_eq!(classes(&detector(name, flows.text()).run().ok()), [new]);
        for word in [old, new] {
            assert_eq!(with(&format!("{off}*,{word},30\n")), [new]);
            assert_eq!(with(&format!("{off}*,{word},off\n")), [""; 0]);
            // The last line of a network holds, by whichever name.
            assert_eq!(with(&format!("{off}*,{old},30\n*,{new},off\n*,{word},30\n")), [new]);
        }
        let ran = detector(name, flows.text()).arg("--calibrate").run().ok();
        let metrics: Vec<_> = ran.table().iter().map(|row| row["metric"].clone()).collect();
        assert!(metrics.iter().any(|metric| metric == new), "{ran}");
        assert!(!metrics.iter().any(|metric| metric == old), "{ran}");
    }
}

/// The state was written by nfport when its class was still `hammer`, after the first of these windows.
#[test]
fn a_state_from_before_the_renaming_is_read() {
    let scene = Scene::new();
    let before = std::fs::read(package("tests/data/renamed/nfport.state")).unwrap();
    let state = scene.write("state", before);
    let args = ["none", "--with", "chain=60,guess=40", "--for", "20m", "--text"];
    let flows = tool("nfgen").args(args).run().ok();
    let [fields, _, second] = flows.text().split("#window").collect::<Vec<_>>()[..] else {
        panic!("{flows}");
    };
    let flows = format!("{fields}#window{second}");
    let run = || detector("nfport", &flows);
    assert_eq!(classes(&run().run().ok()), ["spread", "spread", "bruteforce"]);
    let ran = run().arg("--state").arg(&state).run().ok();
    // The state says who got into the two hosts.
    assert_eq!(classes(&ran), ["infected", "infected", "bruteforce"], "{ran}");
}
