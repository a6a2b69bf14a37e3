//! Export datagrams over UDP: a sender with a fixed rate, and the bare collector, as fast as safe
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

/// Bytes of the socket buffer that every collector asks for; Linux doubles them for its
/// book-keeping.
pub const BUFFER: usize = 64 << 20;

/// Datagrams that the bare collector receives in one call.
const TURN: usize = 64;
/// Bytes of room for each of them.
const ROOM: usize = 2048;

/// Datagrams that the sender sends in one call.
const BURST: usize = 32;

/// Bursts that a delayed sender may send at once: a fiftieth of a collector's buffer. After a
/// longer delay the rate is lower than asked for.
const BEHIND: u32 = 32;

/// Datagrams that are sent again and again: more than a cache holds, and more than zstd's window.
const POOL: usize = 8192;

/// The campus' usual date, in Unix seconds.
const START: u64 = 994_060_800;
/// The start of its router, in Unix seconds.
const BOOT: u64 = START - 3600;

/// Sampling of sFlow, 1 in N: unsampled, every packet would be a flow.
const SAMPLING: u32 = 50;

/// Datagrams of one exporter, which are sent again and again with increasing sequence numbers.
pub struct Feed {
    pub version: Version,
    datagrams: Vec<Vec<u8>>,
    /// The increase of the sequence number by each datagram.
    steps: Vec<u32>,
    /// The flows of each datagram.
    flows: Vec<u64>,
    /// The offset of the sequence number.
    field: usize,
    sequence: u32,
    /// Datagrams of one length go to the kernel in one piece (UDP_SEGMENT), which it cuts up for
    /// the receiver.
    cut: bool,
}

/// The result of a sender.
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
        // One datagram more shows the increase of the sequence number by the last.
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

    /// Returns the flows and bytes of a datagram on average.
    pub fn sizes(&self) -> (f64, f64) {
        let bytes: usize = self.datagrams.iter().map(Vec::len).sum();
        let flows: u64 = self.flows.iter().sum();
        (flows as f64 / POOL as f64, bytes as f64 / POOL as f64)
    }

    /// Sends `rate` datagrams a second, templates first. Between two bursts it polls the clock, and
    /// with `share` yields the core to other threads.
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
            let slices: [_; BURST] = array::from_fn(|n| IoSlice::new(&self.datagrams[at + n]));
            if self.cut {
                for alike in slices.chunk_by(|one, next| one.len() == next.len()) {
                    let len = alike[0].len() as u16;
                    let cut = [ControlMessage::UdpGsoSegments(&len)];
                    let cut = if alike.len() > 1 { &cut[..] } else { &[] };
                    let (fd, flags) = (socket.as_raw_fd(), MsgFlags::empty());
                    sendmsg::<SockaddrIn>(fd, alike, cut, flags, None).unwrap();
                }
            } else {
                let messages = slices.map(|slice| [slice]);
                let mut done = 0;
                while done < BURST {
                    let (messages, fd) = (&messages[done..], socket.as_raw_fd());
                    let flags = MsgFlags::empty();
                    done += sendmmsg(fd, &mut headers, messages, to, [], flags).unwrap().count();
                }
            }
            sent.datagrams += BURST as u64;
            at = (at + BURST) % POOL;
        }
        sent.seconds = began.elapsed().as_secs_f64();
        sent
    }
}

/// Runs the bare collector: receives datagrams on a port and appends them to a file, if there is
/// one. Returns the number of datagrams after SIGTERM.
pub fn collect(port: u16, file: Option<&Path>) -> u64 {
    let over = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGTERM, Arc::clone(&over)).unwrap();
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    if setsockopt(&socket, sockopt::RcvBufForce, &BUFFER).is_err() {
        setsockopt(&socket, sockopt::RcvBuf, &BUFFER).unwrap();
    }
    // A timeout, so that `over` is read: that of recvmmsg itself is checked only between datagrams.
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
            let slices: [_; TURN] = array::from_fn(|n| IoSlice::new(&room[n * ROOM..][..lens[n]]));
            let wrote = file.write_vectored(&slices[..turn]).unwrap();
            assert_eq!(wrote, lens[..turn].iter().sum::<usize>(), "the file is full");
        }
    }
}
