//! The parts of judging that nfscan, nfflood and nfport have in common.
//!
//! A detector collects the evidence about a host, and makes a [`Case`] of it. Each [`Class`] of the detector
//! takes its measures of the case, and holds if all of them pass. The first class that holds names the finding.

use std::net::IpAddr;

use crate::conversation::{Active, Conversations, PairedFlows, Sampling};
use crate::detect::site::Site;
use crate::detect::site_limits::SiteLimits;
use crate::detect::slot;
use crate::detect::threshold::{Measure, Threshold};
use crate::detect::traffic::Traffic;
use crate::detect::verdict::{Explained, Metric};
use crate::detect::visibility::Visibility;
use crate::finding::{Finding, Host, Kind, Rate, Role, Side};
use crate::flow::TCP;
use crate::time::{End, Timestamp, Window};

/// The input of a window, as its conversations show it once all flows are counted.
#[derive(Debug)]
pub(super) struct Input {
    pub sampling: Sampling,
    /// The inside hosts that were active in the window.
    pub active: Active,
}

impl Input {
    /// Takes the input out of the conversations of a window, whose closing mark is `end`.
    pub(super) fn take(conversations: &mut Conversations, end: &End) -> Input {
        let sampling = conversations.sampling().or(end.sampling);
        Input { sampling, active: conversations.take_active() }
    }
}

/// Returns true if an inside address that is not among the `active` ones can be called dark, that is unused.
/// `is_complete` says whether one window shows all addresses in use, which a sampled one does not.
pub(super) fn knows_dark(site: &Site, active: &Active, is_complete: bool) -> bool {
    !site.inside.is_empty() && !active.is_full() && is_complete
}

/// The memory of a detector, as far as judging depends on it.
pub(super) trait Remembers {
    /// Returns the last pairing of TCP flows that was conclusive.
    fn pairing(&self) -> Option<PairedFlows>;

    /// Returns true if a window may be learned at the time `now`.
    fn is_new(&self, window: Window, now: Timestamp) -> bool;
}

/// Returns what the input shows, by the pairing of the window or else the one that is remembered.
pub(super) fn visibility(
    pairing: Option<PairedFlows>,
    memory: Option<&impl Remembers>,
) -> Visibility {
    Visibility::of(pairing.or_else(|| memory.and_then(Remembers::pairing)))
}

/// Returns true if there is a memory that may learn the window at the time `now`.
pub(super) fn is_new(
    memory: Option<&impl Remembers>,
    window: Option<Window>,
    now: Timestamp,
) -> bool {
    memory.zip(window).is_some_and(|(memory, window)| memory.is_new(window, now))
}

/// Successes from which on a source is one that often gets answers, so that more of its attempts must fail: a
/// peer-to-peer program finds a third or a quarter of its peers alive.
pub(super) const MANY_WORKED: u64 = 25;
/// The share of failures of such a source, in percent.
pub(super) const MOST: u64 = 80;

/// The facts that are the same for all hosts of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct JudgeContext<'a> {
    pub kind: Kind,
    pub site: &'a Site,
    /// The site's own limits.
    pub limits: &'a SiteLimits,
    pub window: Option<Window>,
    pub visibility: Visibility,
    /// True if the exporter saw only one packet in many.
    pub sampled: bool,
}

impl JudgeContext<'_> {
    /// Returns true if a missing answer means that there was none.
    pub(super) fn shows_answers(&self) -> bool {
        self.visibility == Visibility::BothWays && !self.sampled
    }

    /// Returns true if an attempt without an answer is known to have failed: always by TCP, whose attempts are
    /// recognized by their size, else if all answers are seen.
    pub(super) fn silence_counts(&self, proto: u8) -> bool {
        proto == TCP || self.shows_answers()
    }

    /// Returns the slot in which the window begins; 0 if there is none.
    pub(super) fn slot(&self) -> u32 {
        self.window.map_or(0, |window| slot::at(window.start()))
    }

    /// Returns the share of attempts, in percent, that must have failed: `usual` if all answers are seen, else
    /// nearly all.
    pub(super) fn failed_share(&self, usual: u64) -> u64 {
        if self.shows_answers() { usual } else { usual.max(90) }
    }

    /// Returns a finding with everything but the protocol, the port, the peers and the samples.
    pub(super) fn finding(
        &self,
        host: Host,
        class: &str,
        role: Role,
        traffic: Traffic,
        why: &[String],
    ) -> Finding {
        let address = match host {
            Host::Address(address) => address,
            Host::Prefix(net) => net.addr(),
        };
        let is_oneway = self.visibility != Visibility::BothWays;
        Finding {
            window: self.window,
            kind: self.kind,
            class: class.to_owned(),
            host,
            role,
            side: self.site.side(address),
            proto: None,
            port: None,
            peers: 0,
            peer: Vec::new(),
            more: 0,
            flows: traffic.flows,
            packets: traffic.packets,
            octets: traffic.bytes,
            rate: Rate::of(traffic.flows, self.window),
            marks: if is_oneway { vec!["oneway".to_owned()] } else { Vec::new() },
            why: why.join(","),
            sample: Vec::new(),
        }
    }
}

/// A host in its window: `E` is the evidence about it, `X` holds the facts that only one detector knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a, E, X> {
    pub host: IpAddr,
    pub side: Option<Side>,
    pub evidence: &'a E,
    pub context: JudgeContext<'a>,
    pub extra: X,
}

impl<E, X> Case<'_, E, X> {
    /// Returns the limit of a class for this host: the site's own, or else the default.
    pub(super) fn class_limit<F>(&self, class: &Class<E, X, F>) -> u64 {
        let own = self.context.limits.of(class.name, self.host);
        own.unwrap_or(class.limit.of(self.side, self.context.sampled))
    }
}

/// The limit of a class for hosts for which the site sets none.
#[derive(Clone, Copy, Debug)]
pub(super) struct DefaultLimit {
    outside: u64,
    inside: u64,
    /// The limits for outside and inside hosts of sampled input, if they differ from the others.
    sampled: Option<(u64, u64)>,
}

impl DefaultLimit {
    /// Returns a limit that is the same for all hosts.
    pub(super) const fn same(limit: u64) -> DefaultLimit {
        DefaultLimit::by_side(limit, limit)
    }

    /// Returns limits for hosts outside and inside. A host without a side counts as outside.
    pub(super) const fn by_side(outside: u64, inside: u64) -> DefaultLimit {
        DefaultLimit { outside, inside, sampled: None }
    }

    /// Sets other limits for sampled input.
    pub(super) const fn if_sampled(self, outside: u64, inside: u64) -> DefaultLimit {
        DefaultLimit { sampled: Some((outside, inside)), ..self }
    }

    /// Returns the limit for a host of this side.
    pub(super) fn of(self, side: Option<Side>, sampled: bool) -> u64 {
        let (outside, inside) = match self.sampled {
            Some(limits) if sampled => limits,
            _ => (self.outside, self.inside),
        };
        if side == Some(Side::Inside) { inside } else { outside }
    }

    /// Returns the limit for an outside host of input that is not sampled.
    pub(super) const fn outside(self) -> u64 {
        self.outside
    }
}

/// A class of findings. `E` and `X` are those of its cases, `F` tells how to complete a finding.
#[derive(Debug)]
pub(super) struct Class<E, X, F> {
    /// The word in the column `class`, and the name of the class in the file of `--limits`.
    pub name: &'static str,
    pub limit: DefaultLimit,
    /// Takes the measures, the first of which is compared with the limit. Returns `None` if the class does not
    /// apply to the case, or if the input cannot show it.
    pub measure: fn(&Case<'_, E, X>) -> Option<Vec<Measure>>,
    /// The part of a finding that depends on the class.
    pub fill: F,
}

/// A class, and the measures that it took of a case.
#[derive(Debug)]
pub(super) struct Measured<E: 'static, X: 'static, F: 'static> {
    pub class: &'static Class<E, X, F>,
    pub measures: Vec<Measure>,
}

impl<E, X, F> Measured<E, X, F> {
    /// Takes the measures of a class, if it applies to the case.
    pub(super) fn new(
        class: &'static Class<E, X, F>,
        case: &Case<'_, E, X>,
    ) -> Option<Measured<E, X, F>> {
        Some(Measured { class, measures: (class.measure)(case)? })
    }

    /// Returns true if the class holds.
    pub(super) fn passes(&self) -> bool {
        self.measures.iter().all(Measure::passes)
    }

    /// Returns the metric of `--calibrate`, if all measures but the first one pass: the limit alone then decides
    /// whether the host is flagged.
    fn metric(&self, case: &Case<'_, E, X>) -> Option<Metric> {
        let (first, rest) = self.measures.split_first()?;
        (first.value > 0 && rest.iter().all(Measure::passes)).then(|| Metric {
            name: self.class.name,
            side: case.side,
            value: first.value,
            limit: self.class.limit.of(case.side, case.context.sampled),
        })
    }
}

/// Adds the metrics of a case for `--calibrate`.
pub(super) fn calibrate<'m, E: 'static, X: 'static, F: 'static>(
    case: &Case<'_, E, X>,
    measured: impl IntoIterator<Item = &'m Measured<E, X, F>>,
    metrics: &mut Vec<Metric>,
) {
    metrics.extend(measured.into_iter().filter_map(|measured| measured.metric(case)));
}

/// Counts of a host that `--explain` shows beside the measures of the classes.
pub(super) struct Counts<'a> {
    /// The scope of the counts, such as `attempts`.
    pub of: &'static str,
    pub counts: &'a [(&'static str, u64)],
}

/// Adds the measures and counts of a host for `--explain`. `prefix` begins the scope of each of them.
pub(super) fn explain<'m, E: 'static, X: 'static, F: 'static>(
    prefix: &str,
    measured: impl IntoIterator<Item = &'m Measured<E, X, F>>,
    counts: &Counts,
    seen: &mut Vec<Explained>,
) {
    for Measured { class, measures } in measured {
        seen.extend(measures.iter().map(|measure| Explained {
            of: format!("{prefix}{}", class.name),
            measure: measure.name,
            value: measure.value,
            limit: measure.limit,
        }));
    }
    seen.extend(counts.counts.iter().map(|&(measure, value)| Explained {
        of: format!("{prefix}{}", counts.of),
        measure,
        value,
        limit: Threshold::AtLeast(0),
    }));
}

/// Returns the part of `why` that names the other classes that hold: `also=dark+udp`.
pub(super) fn also(classes: &[&str]) -> Option<String> {
    (!classes.is_empty()).then(|| format!("also={}", classes.join("+")))
}
