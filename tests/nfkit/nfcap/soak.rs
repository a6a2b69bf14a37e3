//! Many slots in a row: twelve seconds of them, or NFKIT_SOAK seconds.

use nfkit::wire::{Batch, Decoder, DecoderLimits};

use super::*;

/// Datagrams sent a second.
const RATE: u64 = 2000;

/// Returns the resident memory in kB.
fn resident(nfcap: &Nfcap) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", nfcap.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

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
fn slots_of_a_second_lose_nothing_and_take_no_more_memory() {
    let seconds: u64 = std::env::var("NFKIT_SOAK").map_or(12, |text| text.parse().unwrap());
    let scene = Scene::new();
    let spool = scene.path("spool");
    // A file for retention to remove.
    let old = spool.join("2001/07/01");
    fs::create_dir_all(&old).unwrap();
    fs::write(old.join("nfcap.200107010020.pcapng"), b"old").unwrap();
    let args = ["-t", "1s", "-p", "0", "--keep", "1h", "--compress", "zstd", "-w", &path(&spool)];
    let nfcap = Nfcap::start(args);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = SocketAddr::new([127, 0, 0, 1].into(), nfcap.port());
    // The templates are sent only once.
    let now = Timestamp::from_secs(seconds_now() as u64);
    let mut exporter = Exporter::new(Version::Ipfix, 7, now.offset(-1_000_000_000));
    let began = Instant::now();
    let (mut sent, mut memory) = (0, Vec::new());
    while began.elapsed() < Duration::from_secs(seconds) {
        let due = began.elapsed().as_millis() as u64 * RATE / 1000;
        while sent < due {
            let mut datagram = Vec::new();
            exporter.push(&flow(sent as u16), now, &mut |_| {}).unwrap();
            exporter.flush(now, &mut |bytes: &[u8]| datagram.extend_from_slice(bytes));
            socket.send_to(&datagram, to).unwrap();
            sent += 1;
        }
        memory.push(resident(&nfcap));
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
    // After a quarter of the time, the memory grows no more, except for a few pages.
    let most = |part: &[u64]| part.iter().copied().max().unwrap();
    let quarter = memory.len() / 4;
    let (first, last) = (most(&memory[..quarter]), most(&memory[quarter..]));
    assert!(last <= first + 4096, "{first} kB, then {last} kB");
}
