//! Sends datagrams to a collector at a steady pace.
#![expect(clippy::disallowed_methods, reason = "the pace is kept by the clock")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

/// Datagrams that are due within this time are sent at once, because a sleep costs more.
const EARLY: Duration = Duration::from_millis(1);

/// If pacing falls behind by more than this, it resumes from now instead of sending a burst.
const BEHIND: Duration = Duration::from_millis(50);

/// A collector, and the pace at which it gets datagrams.
pub struct Udp {
    /// A socket for each router.
    sockets: Vec<UdpSocket>,
    pub collector: SocketAddr,
    /// Datagrams a second.
    rate: u32,
    /// The time at which the next datagram is due.
    due: Instant,
    /// Datagrams that the collector's host refused.
    pub refused: u64,
}

impl Udp {
    /// Returns a sender of `rate` datagrams a second, with a socket for each of the routers.
    ///
    /// # Errors
    /// Fails if the collector's address cannot be reached.
    pub fn connect(collector: SocketAddr, rate: u32, routers: usize) -> io::Result<Udp> {
        let any = match collector {
            SocketAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = |_| {
            let socket = UdpSocket::bind((any, 0))?;
            socket.connect(collector)?;
            Ok(socket)
        };
        let sockets = (0..routers).map(socket).collect::<io::Result<_>>()?;
        Ok(Udp { sockets, collector, rate, due: Instant::now(), refused: 0 })
    }

    /// Sends a datagram of a router when it is due.
    ///
    /// # Errors
    /// Fails if the datagram cannot be sent. A refusal is only counted.
    pub fn send(&mut self, from: usize, payload: &[u8]) -> io::Result<()> {
        let now = Instant::now();
        let ahead = self.due.saturating_duration_since(now);
        if ahead > EARLY {
            thread::sleep(ahead);
        }
        if now.saturating_duration_since(self.due) > BEHIND {
            self.due = now;
        }
        self.due += Duration::from_secs(1) / self.rate;
        let socket = &self.sockets[from];
        let mut sent = socket.send(payload);
        if sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
            // The refusal is of an earlier datagram, so this one is sent again.
            self.refused += 1;
            sent = socket.send(payload);
        }
        match sent {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
            sent => _ = sent?,
        }
        Ok(())
    }
}
