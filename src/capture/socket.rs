//! The UDP sockets that receive export datagrams, and the kernel's counts of dropped datagrams.

use std::fs;
use std::io::{self, ErrorKind, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, MultiHeaders, SockFlag, SockType, SockaddrStorage, bind, recvmmsg,
    setsockopt, socket, sockopt,
};
use nix::sys::stat::fstat;

/// Default bytes of a socket's receive buffer: a second at a gigabit, with the kernel's bookkeeping.
pub const BUFFER: usize = 32 << 20;

/// Bytes for the longest UDP datagram, and one more.
const DATAGRAM: usize = 1 << 16;

/// The most datagrams that one system call returns.
pub const BATCH: usize = 64;

/// Bytes from one datagram's place to the next: more than a datagram, and no multiple of a power of two,
/// or the beginnings of all would compete for the same few cache lines.
const STRIDE: usize = DATAGRAM + 1600;

/// The tables in which the kernel counts drops. SO_RXQ_OVFL is not used: its count comes only with the
/// next datagram, and is too low after a burst.
const TABLES: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];

/// A bound UDP socket that never blocks.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    local: SocketAddr,
    /// Number of the socket in the kernel's tables.
    inode: u64,
    buffer: usize,
}

impl Socket {
    /// Binds `address`, or without one all addresses of IPv4 and IPv6 together, or of IPv4 alone if the
    /// machine has no IPv6. Asks the kernel for a receive buffer of `buffer` bytes.
    ///
    /// # Errors
    /// The system's error: the port is in use, or the address is not the machine's.
    pub fn bind(address: Option<IpAddr>, port: u16, buffer: usize) -> io::Result<Socket> {
        let any = match address {
            Some(address) => return Socket::bound(SocketAddr::new(address, port), buffer, true),
            None => {
                Socket::bound(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port), buffer, false)
            }
        };
        let missing = [Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL].map(|errno| Some(errno as i32));
        match any {
            Err(error) if missing.contains(&error.raw_os_error()) => {
                Socket::bound(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port), buffer, true)
            }
            any => any,
        }
    }

    /// Binds an address. With `only`, an IPv6 socket does not receive IPv4 too.
    fn bound(address: SocketAddr, buffer: usize, only: bool) -> io::Result<Socket> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(family, SockType::Datagram, flags, None)?;
        if address.is_ipv6() {
            setsockopt(&fd, sockopt::Ipv6V6Only, &only)?;
        }
        // Only root may exceed rmem_max. The other option takes as much as is allowed.
        if setsockopt(&fd, sockopt::RcvBufForce, &buffer).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &buffer)?;
        }
        // Linux doubles the size for its own bookkeeping.
        let buffer = nix::sys::socket::getsockopt(&fd, sockopt::RcvBuf)? / 2;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
        let inode = fstat(&fd)?.st_ino;
        let socket = UdpSocket::from(fd);
        let local = socket.local_addr()?;
        Ok(Socket { socket, local, inode, buffer })
    }

    /// Returns the local address and port, also if port 0 was bound.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Returns the bytes of the receive buffer that the kernel has granted. It uses a part of them for its
    /// bookkeeping.
    pub const fn buffer(&self) -> usize {
        self.buffer
    }

    /// Passes the received datagrams to `take`, at most [`BATCH`], each with its sender. Returns their
    /// number; fewer than a batch means that the socket is empty now.
    ///
    /// # Errors
    /// The system's error.
    pub fn receive(
        &self,
        buffer: &mut Buffer,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        let mut places: Vec<[IoSliceMut<'_>; 1]> = buffer
            .bytes
            .chunks_exact_mut(STRIDE)
            .map(|place| place.split_at_mut(DATAGRAM).0)
            .map(|place| [IoSliceMut::new(place)])
            .collect();
        let flags = MsgFlags::MSG_DONTWAIT;
        let fd = self.socket.as_raw_fd();
        let received = match recvmmsg(fd, &mut buffer.headers, places.iter_mut(), flags, None) {
            Ok(received) => received,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(0),
            Err(errno) => return Err(errno.into()),
        };
        let mut count = 0;
        for message in received {
            count += 1;
            let Some(from) = message.address.as_ref().and_then(address) else { continue };
            take(from, message.iovs().next().unwrap_or_default());
        }
        Ok(count)
    }

    /// Stops taking datagrams from the network. Those in the receive buffer can still be received.
    ///
    /// The socket is connected to itself, so that no other sender reaches it. The kernel answers them
    /// that the port is closed.
    ///
    /// # Errors
    /// The system's error.
    pub fn close_to_others(&self) -> io::Result<()> {
        let mut itself = self.local;
        if itself.ip().is_unspecified() {
            itself.set_ip(match itself {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        self.socket.connect(itself)
    }
}

/// The buffer for the datagrams of one batch. Each socket needs its own, because the headers keep the
/// length of its family's addresses.
pub struct Buffer {
    bytes: Box<[u8]>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Default for Buffer {
    fn default() -> Buffer {
        let headers = MultiHeaders::preallocate(BATCH, None);
        Buffer { bytes: vec![0; BATCH * STRIDE].into(), headers }
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Buffer")
    }
}

fn address(sender: &SockaddrStorage) -> Option<SocketAddr> {
    match (sender.as_sockaddr_in6(), sender.as_sockaddr_in()) {
        (Some(six), _) => Some(SocketAddrV6::from(*six).into()),
        (None, Some(four)) => Some(SocketAddrV4::from(*four).into()),
        (None, None) => None,
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A count of the datagrams that the kernel dropped at some sockets.
#[derive(Clone, Debug)]
pub struct Drops(Vec<Dropped>);

#[derive(Clone, Debug)]
struct Dropped {
    inode: u64,
    /// The kernel's count at the last call, modulo 2^32.
    counted: u32,
}

impl Drops {
    /// Returns a count for these sockets, from when they were bound.
    pub fn new(sockets: &[Socket]) -> Drops {
        let new = |socket: &Socket| Dropped { inode: socket.inode, counted: 0 };
        Drops(sockets.iter().map(new).collect())
    }

    /// Returns how many datagrams the kernel dropped since the last call.
    ///
    /// # Errors
    /// The kernel's tables cannot be read. The next call then includes these drops.
    pub fn more(&mut self) -> io::Result<u64> {
        let mut tables = Vec::new();
        for table in TABLES {
            match fs::read_to_string(table) {
                Ok(text) => tables.push(text),
                // The machine has no IPv6.
                Err(error) if error.kind() == ErrorKind::NotFound && !tables.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        let lines = || tables.iter().flat_map(|table| table.lines());
        Ok(self
            .0
            .iter_mut()
            .map(|socket| {
                let own = |line| drops(line).filter(|&(inode, _)| inode == socket.inode);
                let Some((_, drops)) = lines().find_map(own) else { return 0 };
                let more = drops.wrapping_sub(socket.counted);
                socket.counted = drops;
                u64::from(more)
            })
            .sum())
    }
}

/// Parses a line of the kernel's table: a socket's inode and its drops.
fn drops(line: &str) -> Option<(u64, u32)> {
    let mut words = line.split_ascii_whitespace();
    let inode = words.nth(9)?.parse().ok()?;
    Some((inode, words.nth(2)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_the_kernel_is_read() {
        let line = " 3519: 0100007F:9C9B 00000000:0000 07 00000000:00000000 00:00000000 00000000  \
                    1000        0 8190 2 00000000d1a1e2ab 4944";
        assert_eq!(drops(line), Some((8190, 4944)));
        assert_eq!(drops("   sl  local_address rem_address   st tx_queue rx_queue tr"), None);
        assert_eq!(drops(""), None);
    }

    #[test]
    fn drops_are_counted_once() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let sockets = [Socket::bind(Some(loopback), 0, BUFFER).unwrap()];
        let mut drops = Drops::new(&sockets);
        assert_eq!(drops.more().unwrap(), 0);
        // No datagram is read meanwhile, so those that do not fit are dropped.
        setsockopt(&sockets[0].socket, sockopt::RcvBuf, &4096).unwrap();
        let sender = UdpSocket::bind((loopback, 0)).unwrap();
        for _ in 0..100 {
            sender.send_to(&[0xa5; 1000], sockets[0].local()).unwrap();
        }
        let mut received = 0;
        let take = |from, payload: &[u8]| {
            assert_eq!((payload.len(), from), (1000, sender.local_addr().unwrap()));
            received += 1;
        };
        sockets[0].receive(&mut Buffer::default(), take).unwrap();
        assert_eq!(drops.more().unwrap(), 100 - received);
        assert!(received < 100);
        assert_eq!(drops.more().unwrap(), 0);
    }

    #[test]
    fn named_address_binds_its_family_only() {
        let four = Socket::bind(Some(Ipv4Addr::UNSPECIFIED.into()), 0, BUFFER).unwrap();
        let port = four.local().port();
        match Socket::bind(Some(Ipv6Addr::UNSPECIFIED.into()), port, BUFFER) {
            Ok(six) => assert_eq!(six.local().port(), port),
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse),
        }
    }

    #[test]
    fn one_socket_receives_both_families() {
        let socket = Socket::bind(None, 0, BUFFER).unwrap();
        let port = socket.local().port();
        let mut buffer = Buffer::default();
        for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
            let Ok(sender) = UdpSocket::bind(from) else {
                println!("skipped: no {from} on this machine");
                continue;
            };
            sender.send_to(b"x", SocketAddr::new(to.parse().unwrap(), port)).unwrap();
            let mut received = Vec::new();
            let take = |from: SocketAddr, payload: &[u8]| {
                received.push((from.ip().to_canonical(), payload.to_vec()));
            };
            assert_eq!(socket.receive(&mut buffer, take).unwrap(), 1);
            assert_eq!(received, [(to.parse().unwrap(), b"x".to_vec())]);
        }
    }

    #[test]
    fn batches_hold_any_datagram() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let socket = Socket::bind(Some(loopback), 0, BUFFER).unwrap();
        let sender = UdpSocket::bind((loopback, 0)).unwrap();
        let lens: Vec<usize> =
            (0..BATCH + 3).map(|n| if n % 9 == 0 { 65_507 } else { n }).collect();
        for (n, &len) in lens.iter().enumerate() {
            sender.send_to(&vec![n as u8; len], socket.local()).unwrap();
        }
        let (mut buffer, mut taken) = (Buffer::default(), Vec::new());
        let mut counts = [0; 3];
        for count in &mut counts {
            let take = |_, payload: &[u8]| taken.push(payload.to_vec());
            *count = socket.receive(&mut buffer, take).unwrap();
        }
        assert_eq!(counts, [BATCH, 3, 0]);
        let expected: Vec<_> = lens.iter().zip(0u8..).map(|(&len, n)| vec![n; len]).collect();
        assert!(taken == expected);
    }

    #[test]
    fn closed_socket_still_gives_its_datagrams() {
        for bind in [None, Some(IpAddr::V4(Ipv4Addr::LOCALHOST))] {
            let socket = Socket::bind(bind, 0, BUFFER).unwrap();
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            let to = ("127.0.0.1", socket.local().port());
            sender.send_to(b"before", to).unwrap();
            socket.close_to_others().unwrap();
            sender.send_to(b"after", to).unwrap();
            let (mut buffer, mut taken) = (Buffer::default(), Vec::new());
            let take = |_, payload: &[u8]| taken.push(payload.to_vec());
            assert_eq!(socket.receive(&mut buffer, take).unwrap(), 1);
            assert_eq!(taken, [b"before"]);
        }
    }
}
