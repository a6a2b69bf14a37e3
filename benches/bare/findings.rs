//! Findings and closing marks of made-up windows.

use std::fmt::Write;

use nfkit::finding::{DETECTORS, Finding, Form, Host, Kind, Peer, Rate, Role, Side, Writer};
use nfkit::time::Window;

/// The start of the first window, 2025-07-01.
const START: u64 = 1_751_328_000;

/// Windows of a day.
pub const DAY: u64 = 144;

pub fn window(nth: u64) -> Window {
    Window::new(START + 600 * nth, 600).unwrap()
}

/// Returns a scan by a host of 10.0.0.0/8, or by one of 11.0.0.0/8, which is outside.
pub fn finding(nth: u64, host: u64, side: Side) -> Finding {
    let window = Some(window(nth));
    let [.., b, c, d] = host.to_be_bytes();
    let net = if side == Side::Inside { 10 } else { 11 };
    let peer = (0..4)
        .map(|n| Peer { host: Host::parse(&format!("203.0.{n}.0/24")).unwrap(), flows: Some(254) });
    Finding {
        window,
        kind: Kind::Scan,
        class: "horizontal".to_owned(),
        host: Host::Address([net, b, c, d].into()),
        role: Role::Source,
        side: Some(side),
        proto: Some(6),
        port: Some(22),
        peers: 1016,
        peer: peer.collect(),
        more: 0,
        flows: 1016 + host % 1000,
        packets: 2032,
        octets: 89_408,
        rate: Rate::of(1016, window),
        marks: Vec::new(),
        why: format!("hosts={}>=200,failedpct=99>=80", 1016 + host % 1000),
        sample: Vec::new(),
    }
}

/// Adds the line of a finding.
pub fn line(finding: &Finding, out: &mut Vec<u8>) {
    Writer::new(out, Form::Text, false).finding(finding).unwrap();
}

/// Adds the closing marks of a window.
pub fn ends(nth: u64, out: &mut Vec<u8>) {
    let mut ends = String::new();
    for tool in DETECTORS {
        let start = window(nth).start_text();
        writeln!(ends, "#end\t{start}\t600\tflows=90000\tstate=ok\ttool={tool}").unwrap();
    }
    out.extend_from_slice(ends.as_bytes());
}
