//! What the innocent do that looks like a scan or a flood to whoever counts hosts alone.
//!
//! Each is the real thing with both directions: servers whose replies go everywhere, clients that ask
//! everywhere, hosts that knock where nobody is any more, and answers to questions that were never
//! asked. Who is said to be gone has no other traffic either, and stays away in every window.

use super::action::ActionCtx;
use super::actor::Actor;
use super::script::Script;

mod askers;
mod peers;
mod servers;
mod streams;

/// A turn of an innocent actor.
pub(super) fn turn(turn: &ActionCtx, script: &mut Script) {
    match turn.member.actor {
        Actor::WebServer => servers::web(turn, script),
        Actor::Crowd => servers::crowd(turn, script),
        Actor::Cdn => servers::cdn(turn, script),
        Actor::DnsServer => servers::names(turn, script),
        Actor::Ntp => servers::time(turn, script),
        Actor::Backscatter => servers::backscatter(turn, script),
        Actor::Resolver => askers::resolver(turn, script),
        Actor::Nat => askers::nat(turn, script),
        Actor::Mail => askers::mail(turn, script),
        Actor::Crawler => askers::crawler(turn, script),
        Actor::Spider => askers::spider(turn, script),
        Actor::Monitor => askers::monitor(turn, script),
        Actor::Stale => askers::stale(turn, script),
        Actor::Trace => askers::trace(turn, script),
        Actor::P2p => peers::swarm(turn, script),
        Actor::Leaver => peers::leaver(turn, script),
        Actor::Vpn => peers::gateway(turn, script),
        Actor::Opening => servers::opening(turn, script),
        Actor::Mobile => servers::mobile(turn, script),
        Actor::Answers => servers::answers(turn, script),
        Actor::Quic => askers::quic(turn, script),
        Actor::Logins => askers::logins(turn, script),
        Actor::Download => streams::download(turn, script),
        Actor::Upload => streams::upload(turn, script),
        Actor::Stream => streams::video(turn, script),
        Actor::Misroute => peers::misroute(turn, script),
        _ => {}
    }
}

/// One of the ordinary visitors of a host that something else is told of.
pub(super) fn visitor(turn: &ActionCtx, script: &mut Script) {
    servers::web(turn, script);
}
