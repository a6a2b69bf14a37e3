//! A file that begins with restated templates is complete to tshark: it decodes all datagrams, and
//! finds no gap in the sequence numbers.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use nfkit::capture::{Slot, Writer};
use nfkit::flow::Flow;
use nfkit::time::{Timestamp, Window};
use nfkit::wire::{Batch, Decoder, DecoderLimits, Exporter, Version};

use crate::harness::{Scene, installed};

const NOW: Timestamp = Timestamp::from_secs(1_000_000_200);

fn address() -> IpAddr {
    [192, 0, 2, 1].into()
}

/// Returns the datagrams of an exporter that samples. Only the first has the templates.
fn exported(version: Version) -> Vec<Vec<u8>> {
    let mut exporter = Exporter::new(version, 3, NOW.offset(-3_600_000_000_000));
    exporter = exporter.sampling(100).unwrap();
    let mut all = Vec::new();
    for n in 0..300u32 {
        let flow =
            Flow { sip: n.to_be_bytes().into(), dip: address(), packets: 1, ..Flow::default() };
        exporter.push(&flow, NOW, &mut |datagram| all.push(datagram.to_vec())).unwrap();
    }
    all
}

/// Returns the lines that tshark prints for a file with a filter.
fn listed(file: &Path, filter: &str) -> Option<Vec<String>> {
    let run = installed("tshark")?.args(["-d", "udp.port==9999,cflow", "-Y", filter, "-r"]);
    Some(run.arg(file).run().status(0).text().lines().map(str::to_owned).collect())
}

#[test]
fn tshark_finds_no_gap_after_restated_templates() {
    let scene = Scene::new();
    for (version, number) in [(Version::V9, 12), (Version::Ipfix, 8)] {
        let datagrams = exported(version);
        let (before, after) = datagrams.split_at(5);
        let mut decoder =
            Decoder::new(DecoderLimits { restated: 1 << 20, ..DecoderLimits::default() });
        let mut batch = Batch::default();
        for datagram in before {
            decoder.watch(address(), NOW, datagram, &mut batch);
        }
        let head: Vec<_> = decoder.restate(NOW).map(|(_, datagram)| datagram).collect();
        let write = |name: &str, head: &[Vec<u8>]| {
            let ends =
                ["192.0.2.1:2055", "192.0.2.9:9999"].map(|end| end.parse::<SocketAddr>().unwrap());
            let mut writer = Writer::new(Vec::new());
            let window = Window::at(NOW, 600);
            writer.section(&Slot { window, allow: None, ident: None }).unwrap();
            for datagram in head {
                writer.templates(NOW, ends[0], ends[1], datagram).unwrap();
            }
            for datagram in after {
                writer.datagram(NOW, ends[0], ends[1], datagram).unwrap();
            }
            let file = scene.path(name);
            fs::write(&file, writer.into_inner()).unwrap();
            file
        };
        let file = write("head.pcapng", &head);
        let Some(gaps) = listed(&file, "cflow.unexpected_sequence_number") else { return };
        assert_eq!(gaps, [""; 0], "{version}");
        assert_eq!(listed(&file, "cflow.srcaddr").unwrap().len(), after.len(), "{version}");
        assert_eq!(listed(&file, "_ws.malformed").unwrap(), [""; 0], "{version}");
        assert!(
            !listed(&file, "cflow.sampling_interval || cflow.sampling_packet_interval")
                .unwrap()
                .is_empty()
        );

        // With a wrong sequence number in the restated templates tshark reports a gap.
        let mut other = head;
        other.iter_mut().for_each(|datagram| datagram[number] ^= 1);
        let file = write("other.pcapng", &other);
        assert_eq!(
            listed(&file, "cflow.unexpected_sequence_number").unwrap().len(),
            1,
            "{version}"
        );
    }
}
