//! The sockets that export datagrams come in by, and what the kernel dropped before we read it.

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

/// Octets that the kernel is asked to hold for us, if nobody says otherwise: a second of a gigabit,
/// with the kernel's own book-keeping.
pub const BUFFER: usize = 32 << 20;

/// The longest datagram that UDP has room for, and one octet.
const DATAGRAM: usize = 1 << 16;

/// Datagrams that one call to the kernel brings.
pub const BATCH: usize = 64;

/// Octets from one datagram's place to the next: more than a datagram, and no multiple of what a
/// cache is divided by, or all beginnings would be kept in the same few lines of it.
const STRIDE: usize = DATAGRAM + 1600;

/// The tables in which the kernel counts drops. SO_RXQ_OVFL is not used: it comes with the next
/// datagram only, and is too low after a burst.
const TABLES: [&str; 2] = ["/proc/self/net/udp", "/proc/self/net/udp6"];

/// A bound UDP socket that never waits.
#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    local: SocketAddr,
    /// Its number in the kernel's tables.
    inode: u64,
    buffer: usize,
}

impl Socket {
    /// Binds `address`, or all addresses of IPv4 and IPv6 together if there is none; IPv4 alone
    /// where the machine has no IPv6. The kernel is asked to hold `buffer` octets.
    ///
    /// # Errors
    /// What the system says: the port is taken, the address is not ours.
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

    /// `alone`: not for the other family too.
    fn bound(address: SocketAddr, buffer: usize, alone: bool) -> io::Result<Socket> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(family, SockType::Datagram, flags, None)?;
        if address.is_ipv6() {
            setsockopt(&fd, sockopt::Ipv6V6Only, &alone)?;
        }
        // Beyond rmem_max only for root; the other one takes what there is to have.
        if setsockopt(&fd, sockopt::RcvBufForce, &buffer).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &buffer)?;
        }
        // Linux doubles what it is asked for, for its own book-keeping.
        let buffer = nix::sys::socket::getsockopt(&fd, sockopt::RcvBuf)? / 2;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
        let inode = fstat(&fd)?.st_ino;
        let socket = UdpSocket::from(fd);
        let local = socket.local_addr()?;
        Ok(Socket { socket, local, inode, buffer })
    }

    /// Address and port, also where port 0 was asked for.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Octets that the kernel holds for it, a part of them for its own book-keeping: what was granted
    /// of those that were asked for.
    pub const fn buffer(&self) -> usize {
        self.buffer
    }

    /// Hands over what has come, at most a [`BATCH`]: who sent it and what. Returns how many
    /// datagrams there were; fewer than a batch means that the socket is empty now.
    ///
    /// # Errors
    /// What the system says.
    pub fn receive(
        &self,
        buffer: &mut Buffer,
        mut take: impl FnMut(SocketAddr, &[u8]),
    ) -> io::Result<usize> {
        let mut places: Vec<[IoSliceMut<'_>; 1]> = buffer
            .octets
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

    /// Takes no more from the network; what has come can still be received. The socket is connected
    /// to itself, so nobody else reaches it: the kernel tells senders that the port is closed.
    ///
    /// # Errors
    /// What the system says.
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

/// Room for the datagrams of one batch, for one socket: it keeps how long the addresses of its family
/// are.
pub struct Buffer {
    octets: Box<[u8]>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Default for Buffer {
    fn default() -> Buffer {
        let headers = MultiHeaders::preallocate(BATCH, None);
        Buffer { octets: vec![0; BATCH * STRIDE].into(), headers }
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

/// What the kernel dropped at some sockets. Whoever counts has one of these.
#[derive(Clone, Debug)]
pub struct Drops(Vec<Dropped>);

#[derive(Clone, Debug)]
struct Dropped {
    inode: u64,
    /// Drops counted so far, modulo 2^32 as the kernel has it.
    counted: u32,
}

impl Drops {
    /// Of these sockets, from when they were bound.
    pub fn of(sockets: &[Socket]) -> Drops {
        let of = |socket: &Socket| Dropped { inode: socket.inode, counted: 0 };
        Drops(sockets.iter().map(of).collect())
    }

    /// How many datagrams the kernel dropped since the last call.
    ///
    /// # Errors
    /// The kernel's tables cannot be read; nothing is counted as told then.
    pub fn more(&mut self) -> io::Result<u64> {
        let mut tables = Vec::new();
        for table in TABLES {
            match fs::read_to_string(table) {
                Ok(text) => tables.push(text),
                // No IPv6 on this machine.
                Err(error) if error.kind() == ErrorKind::NotFound && !tables.is_empty() => {}
                Err(error) => return Err(error),
            }
        }
        let lines = || tables.iter().flat_map(|table| table.lines());
        Ok(self
            .0
            .iter_mut()
            .map(|socket| {
                let of = |line| drops(line).filter(|&(inode, _)| inode == socket.inode);
                let Some((_, drops)) = lines().find_map(of) else { return 0 };
                let more = drops.wrapping_sub(socket.counted);
                socket.counted = drops;
                u64::from(more)
            })
            .sum())
    }
}

/// Inode and drops of a socket, by a line of the kernel's table.
fn drops(line: &str) -> Option<(u64, u32)> {
    let mut words = line.split_ascii_whitespace();
    let inode = words.nth(9)?.parse().ok()?;
    Some((inode, words.nth(2)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_table_is_read() {
        let line = " 3519: 0100007F:9C9B 00000000:0000 07 00000000:00000000 00:00000000 00000000  \
                    1000        0 8190 2 00000000d1a1e2ab 4944";
        assert_eq!(drops(line), Some((8190, 4944)));
        assert_eq!(drops("   sl  local_address rem_address   st tx_queue rx_queue tr"), None);
        assert_eq!(drops(""), None);
    }

    #[test]
    fn drops_are_told_once() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let sockets = [Socket::bind(Some(loopback), 0, BUFFER).unwrap()];
        let mut drops = Drops::of(&sockets);
        assert_eq!(drops.more().unwrap(), 0);
        // Nobody reads: what does not fit is dropped.
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
    fn an_address_that_is_named_is_that_alone() {
        let four = Socket::bind(Some(Ipv4Addr::UNSPECIFIED.into()), 0, BUFFER).unwrap();
        let port = four.local().port();
        match Socket::bind(Some(Ipv6Addr::UNSPECIFIED.into()), port, BUFFER) {
            Ok(six) => assert_eq!(six.local().port(), port),
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::AddrInUse),
        }
    }

    #[test]
    fn one_socket_hears_both_families() {
        let socket = Socket::bind(None, 0, BUFFER).unwrap();
        let port = socket.local().port();
        let mut buffer = Buffer::default();
        for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
            let Ok(sender) = UdpSocket::bind(from) else {
                println!("skipped: no {from} on this machine");
                continue;
            };
            sender.send_to(b"x", SocketAddr::new(to.parse().unwrap(), port)).unwrap();
            let mut heard = Vec::new();
            let take = |from: SocketAddr, payload: &[u8]| {
                heard.push((from.ip().to_canonical(), payload.to_vec()));
            };
            assert_eq!(socket.receive(&mut buffer, take).unwrap(), 1);
            assert_eq!(heard, [(to.parse().unwrap(), b"x".to_vec())]);
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
    fn a_closed_socket_still_gives_what_it_has() {
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
