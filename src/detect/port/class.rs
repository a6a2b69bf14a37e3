//! The classes of attacks on a port, and the measures that each of them takes.

use std::net::IpAddr;

use super::evidence::{Busiest, Evidence};
use super::memory::Slow;
use super::swarm::SWARM;
use crate::detect::judge::{Case, Class, DefaultLimit, MANY_WORKED, MOST, Measured};
use crate::detect::outage::are_inside;
use crate::detect::site_limits::SiteLimits;
use crate::detect::threshold::{Measure, Threshold, percent};
use crate::detect::traffic::Traffic;
use crate::finding::{Host, MAX_PEERS, Peer, Sample, Side};
use crate::flow::TCP;
use crate::time::Window;

/// A class of attacks on a port.
pub(super) type PortClass = Class<Evidence, PortFacts, fn(&Evidence) -> Details>;
pub(super) type PortMeasured = Measured<Evidence, PortFacts, fn(&Evidence) -> Details>;

/// A source at a port.
pub(super) type PortCase<'a> = Case<'a, Evidence, PortFacts>;

/// The facts about a source that only nfport uses.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortFacts {
    /// True if hardly any inside host gets an answer.
    pub is_outage: bool,
    /// True if the source is a mail server itself.
    pub is_mail: bool,
    /// The failed attempts of the source over a day, if they are remembered.
    pub slow: Option<Slow>,
    /// Sessions of like size of an outside source with one host in the last hour, if they are remembered.
    pub sessions: Option<u64>,
}

/// The part of a finding that depends on its class.
#[derive(Debug)]
pub(super) struct Details {
    pub traffic: Traffic,
    pub peers: u64,
    pub peer: Vec<Peer>,
    pub more: u64,
    pub sample: Vec<Sample>,
}

impl Details {
    /// Returns the failed attempts, and the networks to which they went.
    pub(super) fn of_failures(evidence: &Evidence) -> Details {
        Details {
            traffic: evidence.failed_traffic,
            peers: evidence.failed,
            peer: evidence.nets.clone(),
            more: evidence.more_nets,
            sample: evidence.sample.clone(),
        }
    }

    /// Returns the sessions, and the hosts whose passwords were guessed.
    fn of_sessions(evidence: &Evidence) -> Details {
        if let (Some(Busiest { host, traffic, sample }), true) =
            (evidence.busiest, evidence.guessed.is_empty())
        {
            let peer = Peer { host: Host::Address(host), flows: Some(traffic.flows) };
            return Details { traffic, peers: 1, peer: vec![peer], more: 0, sample: vec![sample] };
        }
        Details {
            traffic: evidence.session_traffic,
            peers: evidence.guessed.len() as u64 + evidence.more_guessed,
            peer: evidence.guessed.clone(),
            more: evidence.more_guessed,
            sample: evidence.session_sample.clone(),
        }
    }

    /// Returns all attempts, and the hosts that took mail.
    fn of_all(evidence: &Evidence) -> Details {
        let peers = evidence.failed + evidence.worked;
        let named = evidence.reached.iter().take(MAX_PEERS);
        let peer: Vec<Peer> =
            named.map(|host| Peer { host: Host::Address(*host), flows: None }).collect();
        Details {
            traffic: evidence.traffic,
            peers,
            more: peers.saturating_sub(peer.len() as u64),
            peer,
            sample: evidence.sample.clone(),
        }
    }
}

/// The classes that take measures. The first that holds names the finding, unless the host is [`INFECTED`].
pub(super) const CLASSES: [&PortClass; 3] = [&SPREAD, &BRUTEFORCE, &SPAM];

/// Returns the names of the limits that a site can set.
pub(in crate::detect) fn metrics() -> impl Iterator<Item = &'static str> {
    CLASSES.iter().map(|class| class.name).chain([INFECTED, SWARM])
}

/// The limit of failed targets of `spread`.
pub(super) const SPREAD_LIMIT: u64 = 1000;
/// New failed targets in ten seconds that are enough: ten a second.
const BURST: u64 = 100;
/// Failed targets of an inside host by TCP that are enough if nearly all of its attempts failed.
const FEW: u64 = 50;
/// The share of failed attempts that this takes, in percent.
const FEW_SHARE: u64 = 95;
/// The fewest networks in which these targets lie. A monitor of the hosts of one site reaches none of them when
/// that site is down.
const FEW_NETS: u64 = 10;
/// The factor of the limits during an outage.
const OUTAGE: u64 = 10;

/// A worm: at least 1000 failed targets on one port, or 100 within ten seconds, while at least half of all
/// attempts at the port failed; 80 % if 25 targets worked.
///
/// For an inside host by TCP, 50 failed targets in ten networks are enough if 95 % of the attempts failed. With
/// `--state`, the limits hold for the targets of a day too. During an outage, in which hardly any inside host is
/// answered, the limit is 10,000 targets; unless half of the hosts that try to reach others have 1000 failed
/// targets at the same TCP port, because then a worm is the reason.
///
/// A worm shows this at any pace. A resolver, a mail server, a crawler and a NAT have as many targets, most of
/// which answer, and some peers of a peer-to-peer program are always there. An inside host of which hardly any
/// attempt works did not get its targets from a list. UDP has no such rule: where QUIC is blocked, no browser gets
/// an answer.
pub(super) const SPREAD: PortClass = PortClass {
    name: "spread",
    limit: DefaultLimit::same(SPREAD_LIMIT),
    measure: |case| {
        let evidence = case.evidence;
        if !case.context.silence_counts(evidence.proto) {
            return None;
        }
        let times = if case.is_cut_off() { OUTAGE } else { 1 };
        let limit = case.class_limit(&SPREAD).saturating_mul(times);
        let share = case.context.failed_share(50);
        let share_of = |worked: u64| if worked >= MANY_WORKED { share.max(MOST) } else { share };
        let few = case.few(limit);
        let day = case.extra.slow.filter(|_| evidence.failed > 0).unwrap_or_default();
        let few_holds = |nets: u64, failed: u64, worked: u64| {
            few.is_some_and(|few| failed >= few)
                && nets >= FEW_NETS
                && percent(failed, failed + worked) >= FEW_SHARE
        };
        let way = |name, failed, worked| Way {
            worked,
            ..Way::new(name, failed, limit, share_of(worked))
        };
        let window = way("targets", evidence.failed, evidence.worked);
        // The limit of ten seconds is a tenth of that of the window, also where the site sets it.
        let burst =
            Way { name: "in10s", value: evidence.burst, limit: part(limit, BURST), ..window };
        let of_day = way("targets1d", day.failed, day.worked);
        let few_limit = few.unwrap_or(limit);
        let nets = evidence.nets.len() as u64 + evidence.more_nets;
        let way = if window.value >= window.limit {
            window
        } else if burst.value >= burst.limit {
            burst
        } else if of_day.value >= of_day.limit {
            of_day
        } else if few_holds(nets, evidence.failed, evidence.worked) {
            Way { limit: few_limit, share: FEW_SHARE, ..window }
        } else if few_holds(day.nets, day.failed, day.worked) {
            Way { limit: few_limit, share: FEW_SHARE, ..of_day }
        } else {
            window
        };
        Some(way.measures())
    },
    fill: Details::of_failures,
};

/// One of the ways in which targets are counted for `spread`.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    value: u64,
    limit: u64,
    /// Failed and working targets, of which `share` percent must have failed.
    failed: u64,
    worked: u64,
    share: u64,
}

impl Way {
    fn new(name: &'static str, failed: u64, limit: u64, share: u64) -> Way {
        Way { name, value: failed, limit, failed, worked: 0, share }
    }

    fn measures(self) -> Vec<Measure> {
        let failed = percent(self.failed, self.failed + self.worked);
        vec![
            Measure::at_least(self.name, self.value, self.limit),
            Measure::at_least("failedpct", failed, self.share),
        ]
    }
}

/// Sessions of `bruteforce` in an hour, for a limit of [`BRUTEFORCE_LIMIT`] in a window.
const HOUR_LIMIT: u64 = 49;
/// Sessions of an outside source in a window that are remembered.
pub(super) const FEW_SESSIONS: u64 = 5;

/// The limit of sessions of `bruteforce`.
pub(super) const BRUTEFORCE_LIMIT: u64 = 20;

/// Password guessing: at least 20 sessions of like size with the login port of one host, each of 11 to 51 packets
/// from the client, which is as many as a wrong password takes.
///
/// At the ports of databases and file servers only sources from outside count: inside programs have sessions
/// there all day.
///
/// With `--state`, 49 such sessions of an outside source in an hour are enough: 20 times the square root of its windows.
pub(super) const BRUTEFORCE: PortClass = PortClass {
    name: "bruteforce",
    limit: DefaultLimit::same(BRUTEFORCE_LIMIT),
    measure: |case| {
        if case.context.sampled || case.evidence.proto != TCP {
            return None;
        }
        let limit = sessions(case.context.limits, case.host, case.context.window);
        let sessions = case.evidence.most_sessions;
        let of_hour = limit.saturating_mul(HOUR_LIMIT) / BRUTEFORCE_LIMIT;
        Some(vec![match case.extra.sessions {
            Some(slow) if sessions < limit && slow >= of_hour => {
                Measure::at_least("sessions1h", slow, of_hour)
            }
            _ => Measure::at_least("sessions", sessions, limit),
        }])
    },
    fill: Details::of_sessions,
};

/// The limit of hosts of `spam`.
pub(super) const SPAM_LIMIT: u64 = 50;

/// Spam: an inside host that is no mail server tries to send mail to at least 50 hosts. In an outage no host takes mail,
/// so that none is known for a mail server.
pub(super) const SPAM: PortClass = PortClass {
    name: "spam",
    limit: DefaultLimit::same(SPAM_LIMIT),
    measure: |case| {
        let evidence = case.evidence;
        if (evidence.proto, evidence.port) != (TCP, 25)
            || case.side != Some(Side::Inside)
            || case.extra.is_mail
            || case.is_cut_off()
        {
            return None;
        }
        let hosts = evidence.failed + evidence.worked;
        Some(vec![Measure::at_least("hosts", hosts, case.class_limit(&SPAM))])
    },
    fill: Details::of_all,
};

/// The class of hosts that an attacker reached and that now attack others.
pub(super) const INFECTED: &str = "infected";
/// The limit of failed targets of an infected host, and of an attacker from outside.
pub(super) const INFECTED_LIMIT: u64 = 25;
/// The limit for an inside host that no attacker was seen to reach: more, as with a scan.
const INSIDE_LIMIT: u64 = 100;

/// Failed targets in a window from which on those of an inside host are remembered, if nearly all failed.
pub(super) const SLOW: u64 = 10;
/// The share of failed attempts that this takes, in percent.
const SLOW_SHARE: u64 = 90;

/// Returns how many sessions of a source with one host are password guessing. The limit is for 600 s and grows
/// with longer windows. A shorter window needs as many, because fewer do not show that they are alike.
pub(super) fn sessions(limits: &SiteLimits, src: IpAddr, window: Option<Window>) -> u64 {
    let limit = limits.of(BRUTEFORCE.name, src).unwrap_or(BRUTEFORCE_LIMIT);
    Threshold::AtLeast(limit).scaled(window).least().max(limit)
}

/// Returns how many failed targets are enough if nearly all attempts failed, where the limit is `limit`.
pub(super) fn few(limit: u64) -> u64 {
    part(limit, FEW)
}

/// Returns a count in proportion to a limit of targets; it is `count` for the default limit.
fn part(limit: u64, count: u64) -> u64 {
    (u128::from(limit) * u128::from(count) / u128::from(SPREAD_LIMIT)).max(1) as u64
}

impl PortCase<'_> {
    /// Returns how many failed targets are enough if nearly all attempts failed, or `None` if that rule does not
    /// apply.
    fn few(&self, limit: u64) -> Option<u64> {
        let is_inside = self.side == Some(Side::Inside) && self.evidence.proto == TCP;
        let is_heard = self.context.shows_answers() && !self.is_cut_off();
        (is_inside && is_heard).then_some(few(limit))
    }

    /// Returns true if an outage may be the reason that nobody answers the source.
    pub(super) fn is_cut_off(&self) -> bool {
        let targets = || self.evidence.nets.iter().map(|net| net.host.net().addr());
        self.extra.is_outage
            && self.side == Some(Side::Inside)
            && !are_inside(self.context.site, targets())
    }

    /// Returns true if the source does what no program does that is merely cut off, provided that many sources do
    /// it. By UDP, a resolver that is cut off tries a thousand others, and a small site has two of them.
    pub(super) fn may_be_epidemic(&self) -> bool {
        self.evidence.proto == TCP && self.evidence.failed >= self.class_limit(&SPREAD)
    }

    /// Returns true if the failed attempts are remembered until the next window; those of an outage say nothing.
    pub(super) fn is_remembered(&self) -> bool {
        let Evidence { failed, worked, .. } = *self.evidence;
        let is_slow = self.few(SPREAD_LIMIT).is_some()
            && failed >= SLOW
            && percent(failed, failed + worked) >= SLOW_SHARE;
        !self.is_cut_off() && (is_slow || self.is_attack(true))
    }

    /// Returns true if so many attempts failed that a host that the source reached may be infected. `is_infected`
    /// says that the source may be infected itself, which takes fewer failures.
    pub(super) fn is_attack(&self, is_infected: bool) -> bool {
        let evidence = self.evidence;
        let limit = match self.side {
            Some(Side::Inside) if !is_infected => INSIDE_LIMIT,
            _ => self.context.limits.of(INFECTED, evidence.src).unwrap_or(INFECTED_LIMIT),
        };
        let share = percent(evidence.failed, evidence.failed + evidence.worked);
        self.context.silence_counts(evidence.proto)
            && evidence.failed >= limit
            && share >= self.context.failed_share(50)
    }
}
