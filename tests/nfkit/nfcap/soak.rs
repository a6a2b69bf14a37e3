//! Many slots in a row: 12 s of them by default, or as many seconds as NFKIT_SOAK says.

use nfkit::wire::{Batch, Decoder, DecoderLimits};

use super::*;

/// The number of datagrams sent per second.
const RATE: u64 = 2000;

/// Returns the number of flows in a file that is decoded alone.
fn decoded(file: &Path) -> usize {
    let file = fs::File::open(file).unwrap();
    let mut reader = Reader::new(nfkit::cli::decompress(file).unwrap()).unwrap();
    let (mut decoder, mut batch) = (Decoder::new(DecoderLimits::default()), Batch::default());
    while let Some(event) = reader.next().unwrap() {
        let Event::Datagram(d) = event else { continue };
        if d.templates {
            decoder.learn(d.exporter, d.payload, &mut batch);
        } else {
            decoder.datagram(d.exporter, d.arrival, d.payload, &mut batch);
        }
    }
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    batch.flows.len()
}

#[test]
fn many_short_slots_lose_nothing_and_leak_no_memory() {
    let seconds: u64 = std::env::var("NFKIT_SOAK").map_or(12, |text| text.parse().unwrap());
    let scene = Scene::new();
    let spool = scene.path("spool");
    // Give retention something to remove.
    let old = spool.join("2001/07/01");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("nfcap.200107010020.pcapng"), b"old").unwrap();
    let args = ["-t", "1s", "-p", "0", "--keep", "1h", "--compress", "zstd", "-w", &path(&spool)];
    let nfcap = Nfcap::start(args);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = SocketAddr::new([127, 0, 0, 1].into(), nfcap.port());
    // The templates are sent once.
    let now = Timestamp::from_secs(seconds_now() as u64);
    let mut exporter = Exporter::new(Version::Ipfix, 7, now.offset(-1_000_000_000));
    let began = Instant::now();
    let (mut sent, mut sizes) = (0, Vec::new());
    while began.elapsed() < Duration::from_secs(seconds) {
        let due = began.elapsed().as_millis() as u64 * RATE / 1000;
        while sent < due {
            let mut datagram = Vec::new();
            exporter.push(&flow(sent as u16), now, &mut |_| {}).unwrap();
            exporter.flush(now, &mut |bytes: &[u8]| datagram.extend_from_slice(bytes));
            socket.send_to(&datagram, to).unwrap();
            sent += 1;
        }
        sizes.push(memory(nfcap.child.id(), "VmRSS"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = nfcap.stop();
    assert!(!said.contains("dropped") && !said.contains("missing"), "{said}");
    let files = files(&spool);
    let slots = files.len() as u64;
    assert!((seconds..=seconds + 2).contains(&slots), "{slots} files");
    let mut flows = 0;
    for file in &files {
        let held = read(file);
        assert_eq!(held.closing.received, held.datagrams.len() as u64);
        assert_eq!(held.closing.dropped(), 0);
        let alone = decoded(file);
        assert_eq!(alone, held.datagrams.len(), "{}", file.display());
        flows += alone as u64;
    }
    assert_eq!(flows, sent);
    assert!(!old.exists() && !scene.path("spool/2001").exists());
    // The memory at the end is that after a quarter of the time, give or take a few pages.
    let most = |part: &[u64]| part.iter().copied().max().unwrap();
    let quarter = sizes.len() / 4;
    let (first, last) = (most(&sizes[..quarter]), most(&sizes[quarter..]));
    assert!(last <= first + 4096, "{first} kB, then {last} kB");
}
