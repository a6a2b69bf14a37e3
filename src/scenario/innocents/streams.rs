//! Flows that carry thousands of packets a second and never end: the router cuts them.

use crate::flow::{TCP, UDP};
use crate::scenario::action::ActionCtx;
use crate::scenario::record::{ACK, PSH, PacketTotals};
use crate::scenario::script::Script;

/// What flows one way and back over one pair of ports in a turn, with so many packets back for a
/// hundred.
fn both(
    turn: &ActionCtx,
    script: &mut Script,
    proto: u8,
    (from, to): ((u32, u16), (u32, u16)),
    heap: PacketTotals,
    (percent, size): (u64, u32),
) {
    let back = (u64::from(heap.packets) * percent / 100).max(1) as u32;
    let millis = turn.member.cut();
    script.piece(None, proto, (from, to), heap, millis);
    script.piece(None, proto, (to, from), PacketTotals::even(back, size, heap.flags & ACK), millis);
}

/// An ephemeral port of the actor's.
fn port(turn: &ActionCtx, n: u8) -> u16 {
    32_768 + (turn.stable_hash(n) % 28_000) as u16
}

/// A long fetch over two connections, which acknowledge every second segment.
pub(super) fn download(turn: &ActionCtx, script: &mut Script) {
    for connection in 0..2 {
        let (server, host) = ((turn.fixed_peer(0), 443), (turn.host(), port(turn, connection)));
        let heap = PacketTotals::even(turn.file_chunk(2), 1_500, ACK | PSH);
        both(turn, script, TCP, (server, host), heap, (50, 52));
    }
}

/// A backup that QUIC carries, which acknowledges every tenth packet.
pub(super) fn upload(turn: &ActionCtx, script: &mut Script) {
    let (host, server) = ((turn.host(), port(turn, 0)), (turn.fixed_peer(0), 443));
    both(
        turn,
        script,
        UDP,
        (host, server),
        PacketTotals::even(turn.file_chunk(1), 1_278, 0),
        (10, 68),
    );
}

/// Video: seven packets of MPEG in each of RTP. A report goes back every five seconds, to the port
/// that it comes from (RFC 5761) or to the next one (RFC 3550 section 11).
pub(super) fn video(turn: &ActionCtx, script: &mut Script) {
    let port = 5_004 + 2 * (turn.stable_hash(0u8) % 400) as u16;
    let (sender, host) = ((turn.fixed_peer(0), port), (turn.host(), port));
    let millis = turn.member.cut();
    script.piece(
        None,
        UDP,
        (sender, host),
        PacketTotals::even(turn.file_chunk(1), 1_344, 0),
        millis,
    );
    let next = turn.member.number as u16 % 2;
    let (from, to) = ((host.0, port + next), (sender.0, port + next));
    let reports = (millis / 5_000).max(1);
    script.piece(None, UDP, (from, to), PacketTotals::even(reports, 80, 0), millis);
}
