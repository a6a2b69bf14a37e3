//! Flows of thousands of packets a second that never end. The router cuts them into chunks.

use crate::flow::{TCP, UDP};
use crate::scenario::action::ActionCtx;
use crate::scenario::record::{ACK, PSH, PacketTotals};
use crate::scenario::script::Script;

/// Plays a chunk of a flow, and of the acknowledgements in the reverse direction: `percent` packets of `size`
/// bytes for a hundred packets of data.
fn with_acks(
    ctx: &ActionCtx,
    script: &mut Script,
    proto: u8,
    (from, to): ((u32, u16), (u32, u16)),
    data: PacketTotals,
    (percent, size): (u64, u32),
) {
    let packets = (u64::from(data.packets) * percent / 100).max(1) as u32;
    let acks = PacketTotals::even(packets, size, data.flags & ACK);
    let millis = ctx.member.chunk_millis();
    script.chunk(None, proto, (from, to), data, millis);
    script.chunk(None, proto, (to, from), acks, millis);
}

/// Returns an ephemeral port of the actor.
fn port(ctx: &ActionCtx, n: u8) -> u16 {
    32_768 + (ctx.stable_hash(n) % 28_000) as u16
}

/// Plays a download over two connections, which acknowledge every second segment.
pub(super) fn download(ctx: &ActionCtx, script: &mut Script) {
    for connection in 0..2 {
        let (server, host) = ((ctx.fixed_peer(0), 443), (ctx.host(), port(ctx, connection)));
        let totals = PacketTotals::even(ctx.file_chunk(2), 1_500, ACK | PSH);
        with_acks(ctx, script, TCP, (server, host), totals, (50, 52));
    }
}

/// Plays a backup over QUIC, which acknowledges every tenth packet.
pub(super) fn upload(ctx: &ActionCtx, script: &mut Script) {
    let (host, server) = ((ctx.host(), port(ctx, 0)), (ctx.fixed_peer(0), 443));
    let data = PacketTotals::even(ctx.file_chunk(1), 1_278, 0);
    with_acks(ctx, script, UDP, (host, server), data, (10, 68));
}

/// Plays video: each RTP packet carries seven packets of MPEG. A report goes back every five seconds, to the
/// port that the video comes from (RFC 5761) or to the next one (RFC 3550 section 11).
pub(super) fn video(ctx: &ActionCtx, script: &mut Script) {
    let port = 5_004 + 2 * (ctx.stable_hash(0u8) % 400) as u16;
    let (sender, host) = ((ctx.fixed_peer(0), port), (ctx.host(), port));
    let millis = ctx.member.chunk_millis();
    let video = PacketTotals::even(ctx.file_chunk(1), 1_344, 0);
    script.chunk(None, UDP, (sender, host), video, millis);
    let next = ctx.member.number as u16 % 2;
    let (from, to) = ((host.0, port + next), (sender.0, port + next));
    let reports = (millis / 5_000).max(1);
    script.chunk(None, UDP, (from, to), PacketTotals::even(reports, 80, 0), millis);
}

/// Plays a call of a host to the world. The reports come from the next port to the next one, one in five seconds, so
/// that no packet answers the stream itself.
pub(super) fn call(ctx: &ActionCtx, script: &mut Script) {
    let port = 5_004 + 2 * (ctx.stable_hash(0u8) % 400) as u16;
    let (host, receiver) = ((ctx.host(), port), (ctx.fixed_peer(0), port));
    let millis = ctx.member.chunk_millis();
    let media = PacketTotals::even(ctx.file_chunk(1), 1_200, 0);
    script.chunk(None, UDP, (host, receiver), media, millis);
    let (from, to) = ((receiver.0, port + 1), (host.0, port + 1));
    let reports = (millis / 5_000).max(1);
    script.chunk(None, UDP, (from, to), PacketTotals::even(reports, 80, 0), millis);
}
