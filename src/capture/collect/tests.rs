//! Collectors with slots by a clock of the tests.

use std::fs;
use std::sync::Mutex;

use super::*;
use crate::capture::reader::{Ending, Event, Reader};
use crate::flow::Flow;
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

fn to_ours(source: SocketAddr) -> Endpoints {
    Endpoints { source, destination: ours() }
}

/// Returns the content of a file as lines: the slot, `T` and `D` with payloads, the closing block.
fn read(bytes: &[u8]) -> Vec<String> {
    let mut reader = Reader::new(bytes).unwrap();
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

fn spool(zstd: Option<i32>) -> (tempfile::TempDir, Collector) {
    let dir = tempfile::tempdir().unwrap();
    let (collector, error) =
        Collector::new(Output::Spool { dir: dir.path().to_owned(), zstd }, &[ours()]);
    assert_eq!(error, None);
    (dir, collector)
}

/// Returns a slot of ten minutes.
fn slot(start: u64) -> Arc<Slot> {
    let window = Window::new(START + start, 600).unwrap();
    Arc::new(Slot { window, allow: None, ident: None })
}

/// Returns a chunk of datagrams that the router sent.
fn chunk(slot: &Arc<Slot>, arrival: u64, payloads: &[&[u8]]) -> Chunk {
    let mut chunk = Chunk { listened_to: at(arrival), ..Chunk::new(Arc::clone(slot)) };
    for payload in payloads {
        chunk.push(at(arrival), to_ours(router()), payload).unwrap();
        chunk.counts.received += 1;
    }
    chunk
}

fn ended(mut chunk: Chunk, start: u64, end: u64) -> Chunk {
    chunk.end = Some(ReceivedSpan { start: at(start), end: at(end) });
    chunk
}

/// Takes a chunk that ends its slot.
fn finish(collector: &mut Collector, mut chunk: Chunk) -> Finished {
    let mut finished = Vec::new();
    collector.take(&mut chunk, &mut finished).unwrap();
    finished.pop().unwrap()
}

/// Returns name and content of a finished slot's file.
fn file(finished: &Finished) -> (String, Vec<String>) {
    assert!(finished.error.is_none(), "{finished:?}");
    let path = finished.file.as_ref().unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    let mut bytes = fs::read(path).unwrap();
    if name.ends_with(".zst") {
        bytes = zstd::decode_all(&bytes[..]).unwrap();
    }
    (name, read(&bytes))
}

#[test]
fn every_slot_has_a_file_even_an_idle_one() {
    for (level, end) in [(None, ""), (Some(1), ".zst")] {
        let (_dir, mut collector) = spool(level);
        let (first, second) = (slot(0), slot(600));
        collector.take(&mut chunk(&first, 90, &[]), &mut Vec::new()).unwrap();
        collector.take(&mut chunk(&first, 91, &[b"one"]), &mut Vec::new()).unwrap();
        let mut last = ended(chunk(&first, 95, &[b"two"]), 90, 600);
        last.counts.dropped_kernel = 7;
        last.counts.dropped_queue = 1;
        let first = finish(&mut collector, last);
        let second = finish(&mut collector, ended(chunk(&second, 600, &[]), 600, 1200));
        let name = |stamp: &str| format!("nfcap.2001070100{stamp}.pcapng{end}");
        let text = [
            "slot 0 1",
            "D 91 192.0.2.1:2055 9999 [111, 110, 101]",
            "D 95 192.0.2.1:2055 9999 [116, 119, 111]",
            "2 7 1 from 90 to 600",
        ];
        assert_eq!(file(&first), (name("20"), text.map(str::to_owned).to_vec()));
        let text = ["slot 600 1", "0 0 0 from 600 to 1200"];
        assert_eq!(file(&second), (name("30"), text.map(str::to_owned).to_vec()));
    }
}

#[test]
fn second_file_of_a_slot_overwrites_nothing() {
    let (_dir, mut collector) = spool(None);
    let mut files = Vec::new();
    for second in [10, 20, 30] {
        let chunk = chunk(&slot(0), second, &[&[second as u8]]);
        files.push(file(&finish(&mut collector, ended(chunk, second, second + 5))));
    }
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["nfcap.200107010020.pcapng", "nfcap.200107010020.1.pcapng", "nfcap.200107010020.2.pcapng"]
    );
    assert_eq!(files[1].1[2], "1 0 0 from 20 to 25");
}

#[test]
fn slot_without_an_end_is_ended_by_the_next() {
    let (_dir, mut collector) = spool(None);
    let (first, second) = (slot(0), slot(600));
    collector.take(&mut chunk(&first, 91, &[b"one"]), &mut Vec::new()).unwrap();
    let mut finished = Vec::new();
    collector.take(&mut chunk(&second, 700, &[b"two"]), &mut finished).unwrap();
    assert_eq!(file(&finished[0]).1[2], "1 0 0 from 91 to 91");
}

#[test]
fn each_file_begins_with_the_templates_in_force() {
    let (dir, mut collector) = spool(None);
    let exporter = Exporter::new(Version::V9, 5, at(0)).sampling(100).unwrap();
    let templates = exporter.templates(at(1)).unwrap();
    let other = SocketAddr::new("2001:db8::7".parse().unwrap(), 4000);
    let mapped = "[::ffff:192.0.2.1]:2055".parse().unwrap();
    let mut first = chunk(&slot(0), 1, &[]);
    first.push(at(1), to_ours(mapped), &templates).unwrap();
    first.push(at(2), to_ours(other), &templates).unwrap();
    finish(&mut collector, ended(first, 0, 600));
    let second = finish(&mut collector, ended(chunk(&slot(600), 600, &[]), 600, 1200));
    collector.sync().unwrap();
    collector.save_templates().unwrap();
    // Another collector of the same spool reads the saved templates.
    drop(collector);
    let to = Output::Spool { dir: dir.path().to_owned(), zstd: None };
    let (mut collector, error) = Collector::new(to, &[ours()]);
    assert_eq!(error, None);
    let third = finish(&mut collector, ended(chunk(&slot(1200), 1200, &[]), 1200, 1800));
    for (start, finished) in [(600, second), (1200, third)] {
        let path = finished.file.as_ref().unwrap();
        let bytes = fs::read(path).unwrap();
        let heads: Vec<_> =
            file(&finished).1.into_iter().filter(|line| line.starts_with('T')).collect();
        assert_eq!(heads.len(), 2);
        assert!(heads[0].starts_with(&format!("T {start} 192.0.2.1:2055 9999 ")), "{}", heads[0]);
        assert!(heads[1].starts_with(&format!("T {start} 2001:db8::7:4000 9999 ")), "{}", heads[1]);
        check_decodes_alone(&bytes, exporter.clone());
    }
}

/// Checks that the head of a file is enough to decode the router's datagrams, including the sampling.
fn check_decodes_alone(bytes: &[u8], mut exporter: Exporter) {
    let mut decoder = Decoder::new(DecoderLimits::default());
    let mut batch = Batch::default();
    let mut reader = Reader::new(bytes).unwrap();
    while let Some(event) = reader.next().unwrap() {
        if let Event::Datagram(datagram) = event {
            decoder.learn(datagram.exporter, datagram.payload, &mut batch);
        }
    }
    let flow = Flow { packets: 3, ..Flow::default() };
    // The first two datagrams have templates, the third has data alone.
    let mut sent = Vec::new();
    for _ in 0..3 {
        exporter.push(&flow, at(700), &mut |bytes: &[u8]| sent.push(bytes.to_vec())).unwrap();
        exporter.flush(at(700), &mut |bytes: &[u8]| sent.push(bytes.to_vec()));
    }
    decoder.datagram("192.0.2.1".parse().unwrap(), at(700), &sent[2], &mut batch);
    assert_eq!(batch.flows.iter().map(|flow| flow.sampling).collect::<Vec<_>>(), [100]);
}

#[test]
fn missing_datagrams_count_in_their_slot() {
    let (_dir, mut collector) = spool(None);
    let mut exporter = Exporter::new(Version::V9, 5, at(0));
    let mut sent = Vec::new();
    for _ in 0..9 {
        let mut send = |bytes: &[u8]| sent.push(bytes.to_vec());
        exporter.push(&Flow::default(), at(1), &mut send).unwrap();
        exporter.flush(at(1), &mut send);
    }
    let of = |numbers: &[usize]| numbers.iter().map(|&n| &sent[n][..]).collect::<Vec<_>>();
    let first = ended(chunk(&slot(0), 1, &of(&[0, 1, 4])), 0, 600);
    let second = ended(chunk(&slot(600), 601, &of(&[5, 2, 8])), 600, 1200);
    let missing = [first, second].map(|chunk| finish(&mut collector, chunk).closing.missing);
    let datagrams = |n| Lost { flows: None, datagrams: Some(n) };
    // A reordered datagram is subtracted in the slot of its arrival.
    assert_eq!(missing, [datagrams(2), datagrams(1)]);
    let [followed] = collector.followed()[..] else { panic!("one domain") };
    assert_eq!((followed.datagrams, followed.missing), (6, datagrams(3)));
}

#[test]
fn failed_write_is_tried_again() {
    let (dir, mut collector) = spool(None);
    let year = dir.path().join("2001");
    fs::write(&year, b"in the way").unwrap();
    let slot = slot(0);
    let mut first = chunk(&slot, 1, &[b"a"]);
    for _ in 0..2 {
        let error = collector.take(&mut first, &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("/2001/"), "{error}");
    }
    fs::remove_file(&year).unwrap();
    collector.take(&mut first, &mut Vec::new()).unwrap();
    let finished = finish(&mut collector, ended(chunk(&slot, 4, &[b"b"]), 1, 5));
    assert_eq!(
        file(&finished).1,
        [
            "slot 0 1",
            "D 1 192.0.2.1:2055 9999 [97]",
            "D 4 192.0.2.1:2055 9999 [98]",
            "2 0 0 from 1 to 5"
        ]
    );
}

#[test]
fn file_that_was_removed_or_moved_is_created_again() {
    for (level, by) in [(None, "remove"), (Some(1), "remove"), (None, "move")] {
        let (dir, mut collector) = spool(level);
        let slot = slot(0);
        collector.take(&mut chunk(&slot, 1, &[b"a"]), &mut Vec::new()).unwrap();
        assert!(!collector.sync().unwrap());
        let year = dir.path().join("2001");
        match by {
            "remove" => fs::remove_dir_all(&year).unwrap(),
            _ => fs::rename(&year, dir.path().join("old")).unwrap(),
        }
        assert!(collector.sync().unwrap());
        collector.take(&mut chunk(&slot, 2, &[b"b"]), &mut Vec::new()).unwrap();
        fs::remove_dir_all(&year).unwrap();
        let finished = finish(&mut collector, ended(chunk(&slot, 3, &[b"c"]), 1, 5));
        let lines = file(&finished).1;
        assert_eq!(lines.len(), 5, "{lines:?}");
        assert_eq!(lines[4], "3 0 0 from 1 to 5");
    }
}

/// A pipe that fails once after `room` bytes, and whose content the test can read.
#[derive(Clone)]
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    room: usize,
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.room);
        if taken == 0 && !bytes.is_empty() {
            self.room = usize::MAX;
            return Err(std::io::ErrorKind::StorageFull.into());
        }
        self.room -= if self.room == usize::MAX { 0 } else { taken };
        self.bytes.lock().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes two slots to a stream that fails once, after `room` bytes. Returns the bytes written, and the
/// number of failures.
fn stream(room: usize) -> (Vec<u8>, usize) {
    let pipe = Pipe { bytes: Arc::default(), room };
    let (mut collector, _) = Collector::new(Output::Stream(Box::new(pipe.clone())), &[]);
    let (first, second) = (slot(0), slot(600));
    let mut failures = 0;
    let mut finished = Vec::new();
    for mut chunk in [
        chunk(&first, 0, &[]),
        chunk(&first, 1, &[b"x", b"yy"]),
        ended(chunk(&first, 2, &[b"z"]), 0, 600),
        ended(chunk(&second, 600, &[]), 600, 1200),
    ] {
        while collector.take(&mut chunk, &mut finished).is_err() {
            failures += 1;
        }
    }
    assert_eq!(finished.len(), 2);
    assert!(finished.iter().all(|slot| slot.file.is_none()));
    (pipe.bytes.lock().unwrap().clone(), failures)
}

#[test]
fn writing_continues_at_the_byte_where_it_failed() {
    let (whole, failures) = stream(usize::MAX);
    assert_eq!(failures, 0);
    assert_eq!(
        read(&whole),
        [
            "slot 0 1",
            "D 1 192.0.2.1:2055 9999 [120]",
            "D 1 192.0.2.1:2055 9999 [121, 121]",
            "D 2 192.0.2.1:2055 9999 [122]",
            "3 0 0 from 0 to 600",
            "slot 600 1",
            "0 0 0 from 600 to 1200"
        ]
    );
    for room in 0..whole.len() {
        assert!(stream(room) == (whole.clone(), 1), "failed at {room}");
    }
}

#[test]
fn datagrams_that_are_given_up_are_counted() {
    let (dir, mut collector) = spool(None);
    fs::write(dir.path().join("2001"), b"in the way").unwrap();
    let mut finished = Vec::new();
    let mut lost = 0;
    let slot = slot(0);
    for mut chunk in [chunk(&slot, 1, &[b"a", b"b"]), ended(chunk(&slot, 2, &[b"c"]), 0, 600)] {
        let error = collector.take(&mut chunk, &mut finished).unwrap_err();
        lost += collector.abandon(&chunk, error, &mut finished);
    }
    assert_eq!(lost, 3);
    let [Finished { file: None, closing, error: Some(_), .. }] = &finished[..] else {
        panic!("{finished:?}");
    };
    assert_eq!((closing.received, closing.dropped_queue), (3, 3));
}

#[test]
fn slot_that_can_have_no_file_does_not_block_the_next() {
    let (dir, mut collector) = spool(None);
    fs::create_dir(dir.path().join("2001")).unwrap();
    fs::write(dir.path().join("2001/07"), b"in the way").unwrap();
    let mut finished = Vec::new();
    let first = slot(0);
    let mut one = chunk(&first, 1, &[b"a", b"b"]);
    let error = collector.take(&mut one, &mut finished).unwrap_err();
    // Until the slot is over, the obstacle may still be removed.
    assert!(!collector.is_hopeless(&error, at(599)));
    assert!(collector.is_hopeless(&error, at(600)));
    collector.skip_slot(error, &mut finished);
    collector.take(&mut one, &mut finished).unwrap();
    collector.take(&mut ended(chunk(&first, 2, &[b"c"]), 0, 600), &mut finished).unwrap();
    let [Finished { file: None, error: Some(_), .. }] = &finished[..] else {
        panic!("{finished:?}");
    };
    assert_eq!((collector.take_skipped(), collector.take_skipped()), (3, 0));
    fs::remove_file(dir.path().join("2001/07")).unwrap();
    let next = slot(600);
    collector.take(&mut ended(chunk(&next, 601, &[b"d"]), 600, 1200), &mut finished).unwrap();
    // The next file counts the dropped datagrams, so that all files together count all datagrams.
    let closing = finished[1].closing;
    assert_eq!((closing.received, closing.dropped_queue), (4, 3));
}

#[test]
fn slot_whose_file_can_have_no_name_counts_in_the_next() {
    for level in [None, Some(1)] {
        let (dir, mut collector) = spool(level);
        let first = slot(0);
        let mut finished = Vec::new();
        collector.take(&mut chunk(&first, 1, &[b"a", b"b"]), &mut finished).unwrap();
        // After the slot is written, a file takes the place of its directory.
        let day = dir.path().join("2001/07/01");
        let aside = dir.path().join("aside");
        fs::rename(&day, &aside).unwrap();
        fs::write(&day, b"in the way").unwrap();
        let mut last = ended(chunk(&first, 2, &[b"c"]), 0, 600);
        let error = collector.take(&mut last, &mut finished).unwrap_err();
        assert!(collector.is_hopeless(&error, at(600)), "{error}");
        collector.skip_slot(error, &mut finished);
        collector.take(&mut last, &mut finished).unwrap();
        assert_eq!((collector.take_skipped(), collector.take_skipped()), (3, 0));
        assert_eq!(collector.uncounted(), 3);
        fs::remove_file(&day).unwrap();
        let next = slot(600);
        collector.take(&mut ended(chunk(&next, 601, &[b"d"]), 600, 1200), &mut finished).unwrap();
        let closing = finished[1].closing;
        assert_eq!((closing.received, closing.dropped_queue), (4, 3));
        assert_eq!(collector.uncounted(), 0);
    }
}
