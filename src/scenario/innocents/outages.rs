//! Outages: a server that is switched off while its clients keep trying, and an uplink that fails.

use super::servers::page;
use crate::flow::UDP;
use crate::scenario::action::{ActionCtx, kernel_port, rejected, unanswered};
use crate::scenario::record::PacketTotals;
use crate::scenario::script::Script;
use crate::scenario::traffic::{Exchange, client_port, lookup};

/// Plays an attempt of a client at a server that is switched off in one window. The truth counts the attempts that
/// fail.
pub(super) fn maintenance(ctx: &ActionCtx, script: &mut Script) {
    client(ctx, script);
    if ctx.is_down() {
        // The first flow of a conversation is its forward direction.
        script.flows[0].counted_for = Some(0);
    }
}

/// Plays an attempt of a client at a server. While the server is down, each client tries twice as often as usual, and
/// fails: every second server is silent, and the others reject. One client in twenty is new.
pub(super) fn client(ctx: &ActionCtx, script: &mut Script) {
    let is_down = ctx.is_down();
    if !is_down && ctx.step % 2 == 1 {
        return;
    }
    let n = if is_down { ctx.step } else { ctx.step / 2 } % ctx.member.clients();
    let client = match n % 20 {
        19 => ctx.campus.peer(&mut script.dice),
        _ => ctx.fixed_peer(REGULAR + u64::from(n)),
    };
    let from = (client, kernel_port(ctx.stable_hash(client), ctx.overall));
    let to = (ctx.host(), 443);
    let exchange = match (is_down, ctx.member.number % 2) {
        (false, _) => page(&mut script.dice, from, to),
        (true, 0) => unanswered(&mut script.dice, from, to),
        (true, _) => rejected(&mut script.dice, from, to),
    };
    script.exchange(exchange, 0);
}

/// The number of the first regular client of a server among the outside hosts that it deals with.
const REGULAR: u64 = 10_000;

/// The number of the public resolver among the outside hosts that clients deal with.
const PUBLIC_RESOLVER: u64 = 0;

/// Plays a fetch of a client behind an uplink. In each three windows, the uplink fails for four minutes of the first,
/// and for all of the second.
///
/// One client in four asks a public resolver, the others the resolver of the site, which is the actor. One fetch in four
/// is from an inside server.
pub(super) fn uplink(ctx: &ActionCtx, script: &mut Script) {
    let client = ctx.client(ctx.step % ctx.member.size);
    let from = (client, client_port(&mut script.dice));
    if script.dice.permille(250) {
        let server = ctx.campus.web.pick(&mut script.dice);
        let exchange = page(&mut script.dice, from, (server, 443));
        script.exchange(exchange, 0);
        return;
    }
    let is_cut = ctx.is_cut_off();
    let has_address = script.dice.permille(500);
    if !has_address {
        let is_public = ctx.stable_hash(client) % 4 == 0;
        ask(ctx, script, client, is_cut, is_public);
        if is_cut {
            return;
        }
    }
    // A page has its parts on several sites.
    for k in 0..script.dice.between(1, 3) {
        let site = ctx.campus.sites.pick(&mut script.dice);
        let (from, to) = ((client, client_port(&mut script.dice)), (site, 443));
        let exchange = if is_cut {
            unanswered(&mut script.dice, from, to)
        } else {
            page(&mut script.dice, from, to)
        };
        script.exchange(exchange, 300 + u64::from(k) * 200);
    }
}

/// Plays the question for a name that the client does not know yet: to the public resolver, or to the one of the site,
/// which asks the name servers of the zone, one after the other until one answers.
fn ask(ctx: &ActionCtx, script: &mut Script, client: u32, is_cut: bool, is_public: bool) {
    let from = (client, client_port(&mut script.dice));
    if is_public {
        let server = ctx.fixed_peer(PUBLIC_RESOLVER);
        let exchange = if is_cut {
            no_reply(script, from, server)
        } else {
            lookup(&mut script.dice, from, server, 5)
        };
        script.exchange(exchange, 0);
        return;
    }
    // The resolver says that it failed, if it did.
    let exchange = lookup(&mut script.dice, from, ctx.host(), 0);
    script.exchange(exchange, 0);
    if script.dice.permille(400) {
        return;
    }
    let servers = if is_cut { script.dice.between(2, 4) } else { 1 };
    for k in 0..servers {
        let from = (ctx.host(), script.dice.port(1_024, 65_535));
        let server = ctx.campus.names.pick(&mut script.dice);
        let exchange = if is_cut {
            no_reply(script, from, server)
        } else {
            lookup(&mut script.dice, from, server, 40)
        };
        script.exchange(exchange, 50 + u64::from(k) * 1_500);
    }
}

/// Returns a question to a name server that does not answer, asked once or twice more.
fn no_reply(script: &mut Script, from: (u32, u16), server: u32) -> Exchange {
    let dice = &mut script.dice;
    let request = PacketTotals::even(dice.between(2, 3), dice.between(54, 76), 0);
    let millis = (request.packets - 1) * 2_000;
    Exchange { proto: UDP, from, to: (server, 53), request, response: None, millis }
}
