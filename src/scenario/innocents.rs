//! Innocent hosts that look like a scanner or a flood to a rule that only counts hosts.
//!
//! Each has realistic traffic in both directions: servers with very many clients, clients of very many servers,
//! hosts that connect to hosts which are gone, and responses to requests that were never sent. A host that is
//! gone has no traffic at all, in any window.

use super::action::ActionCtx;
use super::actor::Actor;
use super::script::Script;

mod clients;
mod outages;
mod peers;
mod servers;
mod streams;

/// Plays an action of an innocent actor.
pub(super) fn act(ctx: &ActionCtx, script: &mut Script) {
    match ctx.member.actor {
        Actor::WebServer => servers::web(ctx, script),
        Actor::Crowd => servers::crowd(ctx, script),
        Actor::Cdn => servers::cdn(ctx, script),
        Actor::DnsServer => servers::names(ctx, script),
        Actor::Ntp => servers::time(ctx, script),
        Actor::Backscatter => servers::backscatter(ctx, script),
        Actor::Resolver => clients::resolver(ctx, script),
        Actor::Nat => clients::nat(ctx, script),
        Actor::Mail => clients::mail(ctx, script),
        Actor::Crawler => clients::crawler(ctx, script),
        Actor::Spider => clients::spider(ctx, script),
        Actor::Monitor => clients::monitor(ctx, script),
        Actor::Stale => clients::stale(ctx, script),
        Actor::Trace => clients::trace(ctx, script),
        Actor::P2p => peers::swarm(ctx, script),
        Actor::Leaver => peers::leaver(ctx, script),
        Actor::Vpn => peers::gateway(ctx, script),
        Actor::Opening => servers::opening(ctx, script),
        Actor::Mobile => servers::mobile(ctx, script),
        Actor::Answers => servers::answers(ctx, script),
        Actor::Quic => clients::quic(ctx, script),
        Actor::Logins => clients::logins(ctx, script),
        Actor::Download => streams::download(ctx, script),
        Actor::Upload => streams::upload(ctx, script),
        Actor::Stream => streams::video(ctx, script),
        Actor::Checks => clients::checks(ctx, script),
        Actor::Idle => clients::idle(ctx, script),
        Actor::Call => streams::call(ctx, script),
        Actor::Class => clients::class(ctx, script),
        Actor::Visitors => servers::visitors(ctx, script),
        Actor::Maintenance => outages::maintenance(ctx, script),
        Actor::Uplink => outages::uplink(ctx, script),
        Actor::Cron => clients::cron(ctx, script),
        Actor::Discovery => peers::discovery(ctx, script),
        Actor::Misroute => peers::misroute(ctx, script),
        _ => {}
    }
}

/// Plays an ordinary visitor of an actor that is a server.
pub(super) fn visitor(ctx: &ActionCtx, script: &mut Script) {
    match ctx.member.actor {
        Actor::Silenced => outages::client(ctx, script),
        _ => servers::web(ctx, script),
    }
}
