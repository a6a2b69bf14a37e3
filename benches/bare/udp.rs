//! Export datagrams over UDP: a sender that keeps a pace, and the bare collector, as tight as safe
//! Rust allows.

use std::array;
use std::fs::File;
use std::hint;
use std::io::{IoSlice, IoSliceMut, Write};
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nfkit::scenario::{Player, Sampler, ScenarioKind, ScenarioPlan};
use nfkit::time::Timestamp;
use nfkit::wire::{Batch, Decoder, DecoderLimits, Exporter, Version};
use nix::errno::Errno;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrIn, recvmmsg, sendmmsg, sendmsg, setsockopt,
    sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use signal_hook::consts::SIGTERM;

/// Octets that every collector asks the kernel to hold; Linux doubles it for its book-keeping.
pub const BUFFER: usize = 64 << 20;

/// Datagrams of a call of the bare collector, and the octets that one has room in.
const TURN: usize = 64;
const ROOM: usize = 2048;

/// Datagrams of a call of the sender.
const BURST: usize = 32;

/// Bursts that may follow at once when the sender was held up: a fiftieth of a collector's buffer.
/// The rest of the time is lost, and the rate lower than asked for.
const BEHIND: u32 = 32;

/// Datagrams that are sent over and over: more than a cache holds, and than zstd looks back.
const POOL: usize = 8192;

/// The campus' usual date, and when its router started.
const START: u64 = 994_060_800;
const BOOT: u64 = START - 3600;

/// sFlow is sampled, or each packet would be one.
const SAMPLING: u32 = 50;

/// Datagrams of one exporter, with sequence numbers that run on however often they are sent.
pub struct Feed {
    pub version: Version,
    datagrams: Vec<Vec<u8>>,
    /// What each one adds to the sequence, and how many flows it has.
    steps: Vec<u32>,
    flows: Vec<u64>,
    /// Where the sequence number is.
    field: usize,
    sequence: u32,
    /// Datagrams of one length go to the kernel as one, which cuts them only for the receiver.
    cut: bool,
}

/// What was sent.
pub struct Sent {
    pub datagrams: u64,
    pub flows: u64,
    pub seconds: f64,
}

impl Feed {
    pub fn new(version: Version, cut: bool) -> Feed {
        let field = match version {
            Version::V5 | Version::Sflow => 16,
            Version::V9 => 12,
            Version::Ipfix => 8,
            _ => panic!("{version} has no sequence"),
        };
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut exporter = Exporter::new(version, 1, Timestamp::from_secs(BOOT)).agent(local);
        let mut sampler = None;
        if version == Version::Sflow {
            exporter = exporter.sampling(SAMPLING).unwrap();
            sampler = Some(Sampler::new(1, SAMPLING));
        }
        let (start, flows) = (Some(START), Some(4_000_000));
        let plan = ScenarioPlan { kind: ScenarioKind::Campus, seed: 1, flows, length: None, start };
        let mut player = Player::new(plan).unwrap();
        let window = player.next_window().unwrap();
        if let Some(sampler) = &mut sampler {
            sampler.enter(window);
        }
        // One more, for what the last adds to the sequence.
        let (mut datagrams, mut batch) = (Vec::new(), Vec::new());
        while datagrams.len() <= POOL && player.next(&mut batch) {
            for (now, flow) in &batch {
                let mut keep = |datagram: &[u8]| datagrams.push(datagram.to_vec());
                let flow = match &mut sampler {
                    Some(sampler) => sampler.take(flow),
                    None => Some(*flow),
                };
                if let Some(flow) = flow {
                    exporter.push(&flow, *now, &mut keep).unwrap();
                }
            }
        }
        assert!(datagrams.len() > POOL, "too few flows for {version}");
        let sequence =
            |datagram: &Vec<u8>| u32::from_be_bytes(datagram[field..field + 4].try_into().unwrap());
        let pairs = datagrams.windows(2).take(POOL);
        let steps = pairs.map(|two| sequence(&two[1]).wrapping_sub(sequence(&two[0]))).collect();
        datagrams.truncate(POOL);
        let mut decoder = Decoder::new(DecoderLimits::default());
        let flows = datagrams.iter().map(|datagram| {
            let mut out = Batch::default();
            decoder.datagram(local, Timestamp::from_secs(START), datagram, &mut out);
            out.flows.len() as u64
        });
        let flows = flows.collect();
        Feed { version, datagrams, steps, flows, field, sequence: 0, cut }
    }

    /// Flows and octets of a datagram, on average.
    pub fn sizes(&self) -> (f64, f64) {
        let octets: usize = self.datagrams.iter().map(Vec::len).sum();
        let flows: u64 = self.flows.iter().sum();
        (flows as f64 / POOL as f64, octets as f64 / POOL as f64)
    }

    /// Sends so many datagrams a second, templates first. The time between is spent watching the
    /// clock, or left to others who `share` the core.
    pub fn send(&mut self, socket: &UdpSocket, rate: f64, time: Duration, share: bool) -> Sent {
        let to = [None::<SockaddrIn>; BURST];
        let mut headers = MultiHeaders::preallocate(BURST, None);
        let gap = Duration::from_secs_f64(BURST as f64 / rate);
        let mut sent = Sent { datagrams: 0, flows: 0, seconds: 0.0 };
        let mut at = 0;
        let began = Instant::now();
        let mut due = began;
        while due < began + time {
            let mut now = Instant::now();
            while now < due {
                if share {
                    thread::yield_now();
                } else {
                    hint::spin_loop();
                }
                now = Instant::now();
            }
            due = due.max(now - gap * BEHIND) + gap;
            for n in at..at + BURST {
                let field = self.field..self.field + 4;
                self.datagrams[n][field].copy_from_slice(&self.sequence.to_be_bytes());
                self.sequence = self.sequence.wrapping_add(self.steps[n]);
                sent.flows += self.flows[n];
            }
            let octets: [_; BURST] = array::from_fn(|n| IoSlice::new(&self.datagrams[at + n]));
            if self.cut {
                for alike in octets.chunk_by(|one, next| one.len() == next.len()) {
                    let len = alike[0].len() as u16;
                    let cut = [ControlMessage::UdpGsoSegments(&len)];
                    let cut = if alike.len() > 1 { &cut[..] } else { &[] };
                    let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
                    sendmsg::<SockaddrIn>(fd, alike, cut, flags, None).unwrap();
                }
            } else {
                let octets = octets.map(|octets| [octets]);
                let mut done = 0;
                while done < BURST {
                    let (octets, fd) = (&octets[done..], socket.as_raw_fd());
                    let flags = MsgFlags::empty();
                    done += sendmmsg(fd, &mut headers, octets, to, [], flags).unwrap().count();
                }
            }
            sent.datagrams += BURST as u64;
            at = (at + BURST) % POOL;
        }
        sent.seconds = began.elapsed().as_secs_f64();
        sent
    }
}

/// The bare collector: takes datagrams off a port, appends their octets to a file if there is one,
/// and returns how many there were when it is told to end.
pub fn collect(port: u16, file: Option<&Path>) -> u64 {
    let over = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&over)).unwrap();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &BUFFER).unwrap();
    }
    // To look at `over`: the timeout of recvmmsg itself is seen between datagrams only.
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::milliseconds(100)).unwrap();
    let mut file = file.map(|path| File::create(path).unwrap());
    let mut room = vec![0; TURN * ROOM];
    let mut headers = MultiHeaders::<SockaddrIn>::preallocate(TURN, None);
    let mut lens = [0; TURN];
    let mut count = 0;
    loop {
        let mut rooms = room.chunks_exact_mut(ROOM);
        let mut rooms: [_; TURN] =
            array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let (fd, flags) = (socket.as_raw_fd(), MsgFlags::MSG_WAITFORONE);
        let turn = match recvmmsg(fd, &mut headers, &mut rooms, flags, None) {
            Ok(received) => {
                let each = received.zip(&mut lens);
                each.map(|(message, len)| *len = message.bytes).count()
            }
            Err(Errno::EAGAIN | Errno::EINTR) if over.load(Ordering::Relaxed) => return count,
            Err(Errno::EAGAIN | Errno::EINTR) => continue,
            Err(errno) => panic!("recvmmsg: {errno}"),
        };
        count += turn as u64;
        if let Some(file) = &mut file {
            let octets: [_; TURN] = array::from_fn(|n| IoSlice::new(&room[n * ROOM..][..lens[n]]));
            let wrote = file.write_vectored(&octets[..turn]).unwrap();
            assert_eq!(wrote, lens[..turn].iter().sum::<usize>(), "the file is full");
        }
    }
}
