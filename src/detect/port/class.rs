//! The classes of attacks on a port: what each measures.

use std::net::IpAddr;

use super::evidence::Evidence;
use super::memory::Slow;
use crate::detect::threshold::{Measure, Visibility, percent};
use crate::detect::{SiteLimits, Threshold};
use crate::finding::Side;
use crate::flow::TCP;
use crate::time::Window;

/// A source at a port.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortCase<'a> {
    pub evidence: &'a Evidence,
    pub side: Option<Side>,
    pub window: Option<Window>,
    pub answers: Visibility,
    /// One packet in many was seen.
    pub sampled: bool,
    /// Hardly any of our hosts gets an answer.
    pub is_outage: bool,
    /// It takes letters itself.
    pub is_mail: bool,
    /// What it did over a day, if it is remembered.
    pub slow: Option<Slow>,
    pub bounds: &'a SiteLimits,
}

/// A kind of attack on a port.
#[derive(Debug)]
pub(super) struct Class {
    /// The word in the column `class`, and the name of its limit.
    pub name: &'static str,
    /// The limit that a site may change.
    pub limit: u64,
    /// What is measured; the first is held against the limit. `None` if it cannot be told here.
    pub measure: fn(&PortCase) -> Option<Vec<Measure>>,
}

/// The classes in the order in which they name a finding, after the one that takes memory.
pub(super) const CLASSES: [&Class; 3] = [&SPREAD, &BRUTEFORCE, &SPAM];

/// New targets in vain in ten seconds, which are ten a second.
const BURST: u64 = 100;

/// Of an inside host by TCP so many of a thousand will do if so many of a hundred are in vain.
const SURE: (u64, u64) = (50, 95);
/// And they lie in so many networks: what watches the hosts of a site finds none of them when that is gone.
const NETS: u64 = 10;
/// While nobody answers any of ours, it takes so many times as many.
const OUTAGE: u64 = 10;

/// At least 1000 targets in vain on one port, or 100 within ten seconds, and at least half of all that
/// were asked; of an inside host by TCP 50 in ten networks, if 95 of a hundred are. With `--state` also in a
/// day. While hardly any of our hosts is answered, which is an outage, ten thousand; unless half of those
/// that ask have a thousand on the same port of TCP, for then a worm is all that goes on.
///
/// So a worm spreads, at whatever pace it is made to. A resolver, a mail server, a crawler and a NAT ask as
/// many, and are mostly answered; of the peers of peer-to-peer programs some are always there. That an inside
/// host finds hardly anybody comes of a list that nobody made for it. UDP is not told so: where QUIC is
/// blocked, no browser gets an answer.
pub(super) const SPREAD: Class = Class {
    name: "spread",
    limit: 1000,
    measure: |case| {
        let evidence = case.evidence;
        if !case.hears() {
            return None;
        }
        let times = if case.is_cut_off() { OUTAGE } else { 1 };
        let limit = case.limit(&SPREAD).saturating_mul(times);
        // What the site allows in a window it allows in ten seconds too, as a tenth.
        let burst = part(limit, BURST);
        let (now, worked) = (evidence.failed, evidence.worked);
        let share = case.share();
        let few = case.few(limit);
        let day = case.slow.filter(|_| now > 0).unwrap_or_default();
        let slow = (day.failed, day.worked);
        let is_few = |nets, (failed, worked)| {
            few.is_some_and(|few| failed >= few)
                && nets >= NETS
                && percent(failed, failed + worked) >= SURE.1
        };
        let nets = evidence.nets.len() as u64 + evidence.more;
        let ways = [
            (now >= limit, "targets", now, limit, (now, worked), share),
            (evidence.burst >= burst, "in10s", evidence.burst, burst, (now, worked), share),
            (slow.0 >= limit, "targets1d", slow.0, limit, slow, share),
            (
                is_few(nets, (now, worked)),
                "targets",
                now,
                few.unwrap_or(limit),
                (now, worked),
                SURE.1,
            ),
            (is_few(day.nets, slow), "targets1d", slow.0, few.unwrap_or(limit), slow, SURE.1),
        ];
        let way = ways.iter().find(|(holds, ..)| *holds).or(ways.first())?;
        let &(_, name, value, limit, (failed, worked), share) = way;
        Some(vec![
            Measure::at_least(name, value, limit),
            Measure::at_least("failedpct", percent(failed, failed + worked), share),
        ])
    },
};

/// At least 20 sessions of like size with one host's login port, each of 11 to 51 packets from the client:
/// so many does a password cost that is wrong.
///
/// Of ports of databases and files only from outside: programs of our own have sessions there all day.
pub(super) const BRUTEFORCE: Class = Class {
    name: "bruteforce",
    limit: 20,
    measure: |case| {
        let is_sure = !case.sampled && case.evidence.proto == TCP;
        is_sure.then(|| {
            vec![Measure::at_least(
                "sessions",
                case.evidence.most,
                sessions(case.bounds, case.evidence.src, case.window),
            )]
        })
    },
};

/// At least 50 hosts that an inside host, which is no mail server, writes letters to.
pub(super) const SPAM: Class = Class {
    name: "spam",
    limit: 50,
    measure: |case| {
        let evidence = case.evidence;
        if (evidence.proto, evidence.port) != (TCP, 25)
            || case.side != Some(Side::Inside)
            || case.is_mail
        {
            return None;
        }
        let hosts = evidence.failed + evidence.worked;
        Some(vec![Measure::at_least("hosts", hosts, case.limit(&SPAM))])
    },
};

/// The class of those whom an attacker got into and who now attack themselves.
pub(super) const INFECTED: &str = "infected";
/// Targets in vain of an infected host, or of whoever got into it from outside; of one inside who was
/// not seen to be infected it takes more, as with a scan.
pub(super) const TARGETS: u64 = 25;
const INSIDE: u64 = 100;

/// Targets in vain in a window from which on those of an inside host are remembered, if nearly all were:
/// percent.
pub(super) const SLOW: u64 = 10;
const SLOW_SHARE: u64 = 90;

/// Sessions of a source with one host that are guessing. A short window needs as many as show that they
/// are alike.
pub(super) fn sessions(bounds: &SiteLimits, src: IpAddr, window: Option<Window>) -> u64 {
    let limit = bounds.of(BRUTEFORCE.name, src).unwrap_or(BRUTEFORCE.limit);
    match Threshold::AtLeast(limit).scaled(window) {
        Threshold::AtLeast(scaled) => scaled.max(limit),
        _ => limit,
    }
}

/// Of a limit of targets in vain, how many are enough where hardly any answers.
pub(super) fn few(limit: u64) -> u64 {
    part(limit, SURE.0)
}

/// What a limit of targets makes of a count that goes with the default of a thousand.
fn part(limit: u64, count: u64) -> u64 {
    (u128::from(limit) * u128::from(count) / u128::from(SPREAD.limit)).max(1) as u64
}

impl PortCase<'_> {
    /// The limit of a class for this source.
    pub(super) fn limit(&self, class: &Class) -> u64 {
        self.bounds.of(class.name, self.evidence.src).unwrap_or(class.limit)
    }

    /// Whether silence says that nobody is there: by TCP, whose attempts are known by their size, else
    /// where every answer is seen.
    pub(super) fn hears(&self) -> bool {
        self.evidence.proto == TCP || (self.answers == Visibility::BothWays && !self.sampled)
    }

    /// Percent of the targets that must have been in vain: half where answers are seen, nearly all where
    /// not all are.
    fn share(&self) -> u64 {
        if self.answers == Visibility::BothWays && !self.sampled { 50 } else { 90 }
    }

    /// How many targets are enough where hardly any answers, if they can be.
    fn few(&self, limit: u64) -> Option<u64> {
        let is_ours = self.side == Some(Side::Inside) && self.evidence.proto == TCP;
        let is_heard = self.answers == Visibility::BothWays && !self.sampled && !self.is_outage;
        (is_ours && is_heard).then_some(few(limit))
    }

    /// Whether that nobody answers says nothing of who asks.
    pub(super) fn is_cut_off(&self) -> bool {
        self.is_outage && self.side == Some(Side::Inside)
    }

    /// Whether it does what no program does that is cut off, if many do. A resolver asks a thousand others
    /// then, by UDP, and a small site has two.
    pub(super) fn may_be_epidemic(&self) -> bool {
        self.evidence.proto == TCP && self.evidence.failed >= self.limit(&SPREAD)
    }

    /// Whether what it asked in vain is worth to be remembered until the next window.
    pub(super) fn is_remembered(&self) -> bool {
        let Evidence { failed, worked, .. } = *self.evidence;
        let is_slow = self.few(SPREAD.limit).is_some()
            && failed >= SLOW
            && percent(failed, failed + worked) >= SLOW_SHARE;
        is_slow || self.is_attack(true)
    }

    /// Whether it asks so many in vain that whom it gets into is in danger.
    pub(super) fn is_attack(&self, is_infected: bool) -> bool {
        let evidence = self.evidence;
        let limit = match self.side {
            Some(Side::Inside) if !is_infected => INSIDE,
            _ => self.bounds.of(INFECTED, evidence.src).unwrap_or(TARGETS),
        };
        let share = percent(evidence.failed, evidence.failed + evidence.worked);
        self.hears() && evidence.failed >= limit && share >= self.share()
    }
}
