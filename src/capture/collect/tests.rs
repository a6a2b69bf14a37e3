//! Slots by a clock of the test's own.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use super::*;
use crate::capture::{Ending, Event, Reader};
use crate::wire::{Exporter, Version};

/// 2001-07-01T00:20:00Z.
const START: u64 = 993_946_800;

fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(START + secs)
}

fn router() -> SocketAddr {
    "192.0.2.1:2055".parse().unwrap()
}

fn ours() -> SocketAddr {
    "[::]:9999".parse().unwrap()
}

/// What a file holds: slot, then `T` and `D` with payloads, then the closing block.
fn read(octets: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(octets).unwrap();
    let mut seen = Vec::new();
    while let Some(event) = reader.next().unwrap() {
        seen.push(match event {
            Event::Section(slot) => {
                let slot = slot.unwrap();
                format!("slot {} {}", slot.window.start() - START, u8::from(slot.open()))
            }
            Event::Datagram(datagram) => format!(
                "{} {} {}:{} {} {:?}",
                if datagram.templates { "T" } else { "D" },
                datagram.arrival.secs() - START,
                datagram.exporter,
                datagram.port,
                datagram.dport,
                datagram.payload
            ),
            Event::End(Ending::Closed(closing)) => format!(
                "{} {} {} from {} to {}",
                closing.received,
                closing.dropped_kernel,
                closing.dropped_queue,
                closing.start.secs() - START,
                closing.end.secs() - START
            ),
            Event::End(ending) => format!("{ending:?}"),
        });
    }
    seen
}

fn spool(allow: Option<Vec<IpNet>>) -> (tempfile::TempDir, Collector) {
    let dir = tempfile::tempdir().unwrap();
    let collector = Collector::new(To::Spool(dir.path().to_owned()), 600, allow);
    (dir, collector)
}

fn file(finished: &Finished) -> (String, Vec<String>) {
    assert!(finished.error.is_none(), "{finished:?}");
    let path = finished.file.as_ref().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    (name, read(&fs::read(path).unwrap()))
}

#[test]
fn a_slot_is_a_file_and_an_idle_one_too() {
    let (_dir, mut collector) = spool(None);
    // Begun in mid-slot.
    collector.begin(at(90)).unwrap();
    collector.datagram(at(91), router(), ours(), b"one").unwrap();
    assert!(!collector.due(at(599)));
    assert!(collector.due(at(600)));
    let first = collector.end(at(600), 7).unwrap().unwrap();
    collector.begin(at(601)).unwrap();
    let second = collector.end(at(1200), 0).unwrap().unwrap();
    assert!(collector.end(at(1200), 0).unwrap().is_none());
    let text = vec!["slot 0 1", "D 91 192.0.2.1:2055 9999 [111, 110, 101]", "1 7 0 from 90 to 600"];
    let expect = |name: &str, text: &[&str]| {
        (name.to_owned(), text.iter().map(|&line| line.to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(file(&first), expect("nfcap.200107010020.pcapng", &text));
    // It was listened to from its first moment on.
    let text = ["slot 600 1", "0 0 0 from 600 to 1200"];
    assert_eq!(file(&second), expect("nfcap.200107010030.pcapng", &text));
}

#[test]
fn a_second_file_of_a_slot_overwrites_nothing() {
    let (_dir, mut collector) = spool(None);
    let mut files = Vec::new();
    for second in [10, 20, 30] {
        collector.begin(at(second)).unwrap();
        collector.datagram(at(second), router(), ours(), &[second as u8]).unwrap();
        files.push(file(&collector.end(at(second + 5), 0).unwrap().unwrap()));
    }
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["nfcap.200107010020.pcapng", "nfcap.200107010020.1.pcapng", "nfcap.200107010020.2.pcapng"]
    );
    assert_eq!(files[1].1[2], "1 0 0 from 20 to 25");
}

#[test]
fn the_clock_is_set() {
    let (_dir, mut collector) = spool(None);
    collector.begin(at(1200)).unwrap();
    collector.datagram(at(1210), router(), ours(), b"a").unwrap();
    // A little back, even before the slot: nothing is over, and time stands still.
    assert!(!collector.due(at(1190)));
    collector.datagram(at(1190), router(), ours(), b"b").unwrap();
    // Far back.
    assert!(collector.due(at(10)));
    let first = collector.end(at(10), 0).unwrap().unwrap();
    collector.begin(at(10)).unwrap();
    assert!(!collector.due(at(10)));
    // Far ahead: nobody listened meanwhile.
    collector.flush(at(300)).unwrap();
    assert!(collector.due(at(90_000)));
    let second = collector.end(at(90_000), 0).unwrap().unwrap();
    collector.begin(at(90_000)).unwrap();
    assert!(!collector.due(at(90_000)));
    let third = collector.end(at(90_010), 0).unwrap().unwrap();
    assert_eq!(
        file(&first).1[1..],
        [
            "D 1210 192.0.2.1:2055 9999 [97]",
            "D 1210 192.0.2.1:2055 9999 [98]",
            "2 0 0 from 1200 to 1210"
        ]
    );
    assert_eq!(file(&second).1, ["slot 0 1", "0 0 0 from 10 to 300"]);
    assert_eq!(file(&third).1, ["slot 90000 1", "0 0 0 from 90000 to 90010"]);
}

#[test]
fn each_file_begins_with_the_templates_in_force() {
    let (_dir, mut collector) = spool(None);
    collector.begin(at(0)).unwrap();
    let exporter = Exporter::new(Version::V9, 5, at(0));
    let templates = exporter.templates(at(1)).unwrap();
    let other = SocketAddr::new("2001:db8::7".parse().unwrap(), 4000);
    let mapped = "[::ffff:192.0.2.1]:2055".parse().unwrap();
    collector.datagram(at(1), mapped, ours(), &templates).unwrap();
    collector.datagram(at(2), other, ours(), &templates).unwrap();
    collector.end(at(600), 0).unwrap();
    collector.begin(at(600)).unwrap();
    let second = collector.end(at(1200), 0).unwrap().unwrap();
    let path = second.file.as_ref().unwrap();
    let octets = fs::read(path).unwrap();
    let heads: Vec<_> = file(&second).1.into_iter().filter(|line| line.starts_with('T')).collect();
    assert_eq!(heads.len(), 2);
    assert!(heads[0].starts_with("T 600 192.0.2.1:2055 9999 "), "{}", heads[0]);
    assert!(heads[1].starts_with("T 600 2001:db8::7:4000 9999 "), "{}", heads[1]);

    // Who reads this file alone decodes what comes by those templates.
    let mut decoder = Decoder::new(Limits::default());
    let mut batch = Batch::default();
    let mut reader = Reader::new(&octets[..]).unwrap();
    while let Some(event) = reader.next().unwrap() {
        if let Event::Datagram(datagram) = event {
            decoder.learn(datagram.exporter, datagram.payload, &mut batch);
        }
    }
    let mut exporter = exporter;
    let flow = crate::flow::Flow { packets: 3, ..Default::default() };
    // The template datagrams come only now and then: the first ones are passed over.
    let mut sent = Vec::new();
    for _ in 0..3 {
        exporter.push(&flow, at(700), &mut |octets: &[u8]| sent.push(octets.to_vec())).unwrap();
        exporter.flush(at(700), &mut |octets: &[u8]| sent.push(octets.to_vec()));
    }
    decoder.datagram("192.0.2.1".parse().unwrap(), at(700), &sent[2], &mut batch);
    assert_eq!(batch.flows.len(), 1);
}

#[test]
fn who_is_not_allowed_is_counted_and_named() {
    let net = "192.0.2.0/31".parse().unwrap();
    let (_dir, mut collector) = spool(Some(vec![net]));
    collector.begin(at(0)).unwrap();
    for sender in 0..4u8 {
        for _ in 0..sender {
            let from = SocketAddr::new([192, 0, 2, sender].into(), 5);
            collector.datagram(at(1), from, ours(), &[sender]).unwrap();
        }
    }
    let finished = collector.end(at(2), 0).unwrap().unwrap();
    assert_eq!(file(&finished).1, ["slot 0 0", "D 1 192.0.2.1:5 9999 [1]", "1 0 0 from 0 to 2"]);
    assert_eq!(finished.denied.datagrams, 5);
    assert_eq!(finished.denied.top(1), [("192.0.2.3".parse().unwrap(), 3)]);
    assert_eq!(finished.denied.top(9).len(), 2);
}

#[test]
fn forged_senders_are_bounded() {
    let (_dir, mut collector) = spool(Some(Vec::new()));
    collector.begin(at(0)).unwrap();
    for n in 0..SENDERS as u32 + 10 {
        let from = SocketAddr::new(n.to_be_bytes().into(), 5);
        collector.datagram(at(1), from, ours(), b"").unwrap();
    }
    let denied = collector.end(at(2), 0).unwrap().unwrap().denied;
    assert_eq!(denied.datagrams, SENDERS as u64 + 10);
    assert_eq!(denied.top(usize::MAX).len(), SENDERS);
}

#[test]
fn a_spool_that_cannot_be_written_is_tried_again() {
    let (dir, mut collector) = spool(None);
    let year = dir.path().join("2001");
    fs::write(&year, b"in the way").unwrap();
    let error = collector.begin(at(0)).unwrap_err().to_string();
    assert!(error.contains("/2001/"), "{error}");
    // It was told once; what is lost meanwhile is counted.
    collector.datagram(at(1), router(), ours(), b"a").unwrap();
    collector.retry(at(2)).unwrap();
    fs::remove_file(&year).unwrap();
    collector.retry(at(3)).unwrap();
    collector.datagram(at(4), router(), ours(), b"b").unwrap();
    let finished = collector.end(at(5), 0).unwrap().unwrap();
    assert_eq!(
        file(&finished).1,
        ["slot 0 1", "D 4 192.0.2.1:2055 9999 [98]", "2 0 1 from 0 to 5"]
    );
    fs::remove_dir_all(&year).unwrap();
    fs::write(&year, b"in the way").unwrap();
    collector.begin(at(6)).unwrap_err();
    collector.datagram(at(7), router(), ours(), b"a").unwrap();
    let finished = collector.end(at(8), 0).unwrap().unwrap();
    assert_eq!((finished.file, finished.closing.dropped_queue), (None, 1));
}

/// A pipe that the test can look into.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.borrow_mut().write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_stream_has_a_section_a_slot() {
    let pipe = Pipe::default();
    let stream = Box::new(BufWriter::new(pipe.clone()));
    let mut collector = Collector::new(To::Stream(stream), 600, None);
    collector.begin(at(0)).unwrap();
    collector.datagram(at(1), router(), ours(), b"x").unwrap();
    assert!(collector.dirty());
    collector.flush(at(1)).unwrap();
    assert!(!collector.dirty());
    let flushed = pipe.0.borrow().len();
    assert!(flushed > 100);
    assert!(collector.end(at(600), 0).unwrap().unwrap().file.is_none());
    assert!(pipe.0.borrow().len() > flushed, "the end is not held back");
    collector.begin(at(600)).unwrap();
    collector.end(at(1200), 0).unwrap();
    assert_eq!(
        read(&pipe.0.borrow()),
        [
            "slot 0 1",
            "D 1 192.0.2.1:2055 9999 [120]",
            "1 0 0 from 0 to 600",
            "slot 600 1",
            "0 0 0 from 600 to 1200"
        ]
    );
}

/// A disk of so many octets.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let taken = octets.len().min(self.0);
        self.0 -= taken;
        match taken {
            0 => Err(std::io::ErrorKind::StorageFull.into()),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_stream_is_an_error_each_time() {
    let stream = Box::new(BufWriter::with_capacity(100, Disk(300)));
    let mut collector = Collector::new(To::Stream(stream), 600, None);
    collector.begin(at(0)).unwrap();
    let mut send = || collector.datagram(at(1), router(), ours(), &[0; 200]);
    assert!((0..3).map(|_| send()).any(|sent| sent.is_err()));
    assert!(send().is_err());
    assert!(collector.end(at(2), 0).is_err());
}
