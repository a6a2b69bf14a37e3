//! The sockets that export datagrams come in by, and what the kernel dropped before we read it.
//!
//! One `recvfrom` a datagram for now; batches (`recvmmsg`) have their place in
//! [`receive`](Socket::receive).

use std::fs;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
};
use nix::sys::stat::fstat;

/// Octets that the kernel is asked to hold for us: half a second of a full gigabit.
pub const BUFFER: usize = 16 << 20;

/// The longest datagram that UDP has room for, and one octet.
pub const DATAGRAM: usize = 1 << 16;

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
    /// Drops counted so far, modulo 2^32 as the kernel has it.
    drops: u32,
    buffer: usize,
}

impl Socket {
    /// Binds `address`, or all addresses of IPv4 and IPv6 together if there is none; IPv4 alone
    /// where the machine has no IPv6.
    ///
    /// # Errors
    /// What the system says: the port is taken, the address is not ours.
    pub fn bind(address: Option<IpAddr>, port: u16) -> io::Result<Socket> {
        let any = match address {
            Some(address) => return Socket::bound(SocketAddr::new(address, port)),
            None => Socket::bound(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)),
        };
        let missing = [Errno::EAFNOSUPPORT, Errno::EADDRNOTAVAIL].map(|errno| Some(errno as i32));
        match any {
            Err(error) if missing.contains(&error.raw_os_error()) => {
                Socket::bound(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port))
            }
            any => any,
        }
    }

    fn bound(address: SocketAddr) -> io::Result<Socket> {
        let family = match address {
            SocketAddr::V4(_) => AddressFamily::Inet,
            SocketAddr::V6(_) => AddressFamily::Inet6,
        };
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let fd = socket(family, SockType::Datagram, flags, None)?;
        if address.is_ipv6() {
            setsockopt(&fd, sockopt::Ipv6V6Only, &false)?;
        }
        // Beyond rmem_max only for root; the other one takes what there is to have.
        if setsockopt(&fd, sockopt::RcvBufForce, &BUFFER).is_err() {
            setsockopt(&fd, sockopt::RcvBuf, &BUFFER)?;
        }
        let buffer = nix::sys::socket::getsockopt(&fd, sockopt::RcvBuf)?;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(address))?;
        let inode = fstat(&fd)?.st_ino;
        let socket = UdpSocket::from(fd);
        let local = socket.local_addr()?;
        Ok(Socket { socket, local, inode, drops: 0, buffer })
    }

    /// Address and port, also where port 0 was asked for.
    pub const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Octets that the kernel holds for it, its own book-keeping included.
    pub const fn buffer(&self) -> usize {
        self.buffer
    }

    /// The next datagram, if one is there: how long it is and who sent it. A buffer of [`DATAGRAM`]
    /// octets holds any.
    ///
    /// # Errors
    /// What the system says.
    pub fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, SocketAddr)>> {
        match self.socket.recv_from(buffer) {
            Ok(received) => Ok(Some(received)),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How many datagrams the kernel dropped at these sockets since the last call, or since they were
/// bound.
///
/// # Errors
/// The kernel's tables cannot be read; nothing is counted as told then.
pub fn dropped(sockets: &mut [Socket]) -> io::Result<u64> {
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
    Ok(sockets
        .iter_mut()
        .map(|socket| {
            let of = |line| drops(line).filter(|&(inode, _)| inode == socket.inode);
            let Some((_, drops)) = lines().find_map(of) else { return 0 };
            let more = drops.wrapping_sub(socket.drops);
            socket.drops = drops;
            u64::from(more)
        })
        .sum())
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
        let mut sockets = [Socket::bind(Some(loopback), 0).unwrap()];
        assert_eq!(dropped(&mut sockets).unwrap(), 0);
        // Nobody reads: what does not fit is dropped.
        setsockopt(&sockets[0].socket, sockopt::RcvBuf, &4096).unwrap();
        let sender = UdpSocket::bind((loopback, 0)).unwrap();
        for _ in 0..100 {
            sender.send_to(&[0xa5; 1000], sockets[0].local()).unwrap();
        }
        let mut buffer = vec![0; DATAGRAM];
        let mut received = 0;
        while let Some((len, from)) = sockets[0].receive(&mut buffer).unwrap() {
            assert_eq!((len, from), (1000, sender.local_addr().unwrap()));
            received += 1;
        }
        assert_eq!(dropped(&mut sockets).unwrap(), 100 - received);
        assert!(received < 100);
        assert_eq!(dropped(&mut sockets).unwrap(), 0);
    }

    #[test]
    fn one_socket_hears_both_families() {
        let socket = Socket::bind(None, 0).unwrap();
        let port = socket.local().port();
        let mut buffer = vec![0; DATAGRAM];
        for (from, to) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")] {
            let Ok(sender) = UdpSocket::bind(from) else {
                println!("skipped: no {from} on this machine");
                continue;
            };
            sender.send_to(b"x", SocketAddr::new(to.parse().unwrap(), port)).unwrap();
            let (len, heard) = socket.receive(&mut buffer).unwrap().unwrap();
            assert_eq!((len, heard.ip().to_canonical()), (1, to.parse().unwrap()));
        }
    }
}
