//! The policy of a site: which incidents are told, which hosts are isolated, and after how long.

use crate::contacts::NetworkKind;
use crate::finding::{Host, Kind, Role, Side};
use crate::flow::Networks;

use super::hours::Hours;
use super::model::{Incident, MatterKey, Subject};

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The steps by which the ban of an outside host grows, in seconds: 1900 s, an hour, a day and a week.
pub const BAN_STEPS: [u64; 4] = [1900, 3600, DAY, 7 * DAY];

/// The act that a policy line asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Nobody is told.
    None,
    /// The owner is told.
    #[default]
    Mail,
    /// The owner is told, and an inside source is isolated when the deadline has passed.
    Isolate,
    /// An outside source is banned for a while.
    Ban,
}

impl Act {
    /// Returns the word of the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Act::None => "none",
            Act::Mail => "mail",
            Act::Isolate => "isolate",
            Act::Ban => "ban",
        }
    }

    /// Parses the word of the configuration.
    pub fn parse(text: &str) -> Option<Act> {
        [Act::None, Act::Mail, Act::Isolate, Act::Ban].into_iter().find(|act| act.as_str() == text)
    }
}

/// A port to match, with or without its protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortMatch {
    /// IANA protocol number; `None` for any.
    pub proto: Option<u8>,
    /// Destination port.
    pub port: u16,
}

impl PortMatch {
    /// Returns true for a matter on this port.
    pub fn matches(&self, key: MatterKey) -> bool {
        key.port == Some(self.port) && self.proto.is_none_or(|proto| key.proto == Some(proto))
    }

    /// Returns the port as the configuration has it: `80`, or `6/22` with its protocol.
    pub fn text(&self) -> String {
        let port = self.port;
        self.proto.map_or_else(|| port.to_string(), |proto| format!("{proto}/{port}"))
    }
}

/// The number of windows with findings that open an incident: `of` at most 64 windows, `finds` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Windows with findings.
    pub finds: u32,
    /// Windows in which these must lie.
    pub of: u32,
}

/// One `[[policy]]` of the configuration. An empty list of a condition matches anything.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The place of the line, for messages; `default` for the rule that holds when no line does.
    pub place: String,
    /// Kinds to match.
    pub kinds: Vec<Kind>,
    /// Classes to match.
    pub classes: Vec<String>,
    /// The side to match.
    pub side: Option<Side>,
    /// The role to match.
    pub role: Option<Role>,
    /// Networks to match; `None` for any. A network is matched if it lies in them as a whole.
    pub networks: Option<Networks>,
    /// Ports to match.
    pub ports: Vec<PortMatch>,
    /// Kinds of network to match.
    pub network_kinds: Vec<NetworkKind>,
    /// The act.
    pub act: Act,
    /// The windows that open an incident.
    pub open: Opening,
    /// Clean windows until an incident is quiet.
    pub quiet: u64,
    /// Seconds of clean windows until a quiet incident is closed.
    pub close: u64,
    /// Seconds from the announcement of a deadline to its end.
    pub deadline: u64,
    /// Seconds until a reminder.
    pub remind: u64,
    /// The hours that a deadline counts; `None` for all.
    pub hours: Option<Hours>,
    /// Seconds by which a claim puts a deadline off.
    pub claim_pause: u64,
    /// Seconds after which an isolated host comes free; `None` if only a person frees it.
    pub until: Option<u64>,
}

impl Default for Rule {
    fn default() -> Rule {
        Rule {
            place: "default".to_owned(),
            kinds: Vec::new(),
            classes: Vec::new(),
            side: None,
            role: None,
            networks: None,
            ports: Vec::new(),
            network_kinds: Vec::new(),
            act: Act::Mail,
            open: Opening { finds: 1, of: 1 },
            quiet: 6,
            close: DAY,
            deadline: DAY,
            remind: DAY,
            hours: None,
            claim_pause: DAY,
            until: None,
        }
    }
}

impl Rule {
    /// Returns true if the conditions hold for the incident's host, and for one of the matters that are not
    /// ignored at `now`, or for one of all matters if all are ignored.
    pub fn holds(&self, incident: &Incident, network_kind: NetworkKind, now: u64) -> bool {
        let all_ignored = incident.is_ignored(now);
        let is_of_matter = incident.body.matters.iter().any(|matter| {
            (all_ignored || !matter.is_ignored(now))
                && self.matches_matter(matter.key, matter.classes.iter())
        });
        is_of_matter && self.matches_host(incident.subject, incident.body.side, network_kind)
    }

    /// Returns true if the conditions on the host hold.
    fn matches_host(
        &self,
        subject: Subject,
        side: Option<Side>,
        network_kind: NetworkKind,
    ) -> bool {
        self.side.is_none_or(|wanted| side == Some(wanted))
            && self.role.is_none_or(|wanted| subject.role == wanted)
            && self.networks.as_ref().is_none_or(|networks| is_in(networks, subject.host))
            && (self.network_kinds.is_empty() || self.network_kinds.contains(&network_kind))
    }

    /// Returns true if the conditions on the matter hold, of which one class is enough.
    fn matches_matter<'a>(
        &self,
        key: MatterKey,
        mut classes: impl Iterator<Item = &'a String>,
    ) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&key.kind))
            && (self.classes.is_empty() || classes.any(|class| self.classes.contains(class)))
            && (self.ports.is_empty() || self.ports.iter().any(|port| port.matches(key)))
    }

    /// Returns the longest time, in seconds, that the rule may ask for after a finding.
    pub fn longest(&self) -> u64 {
        let ban = if self.act == Act::Ban { BAN_STEPS.last().copied().unwrap_or(0) } else { 0 };
        let deadline = self.hours.as_ref().map_or(self.deadline, |of| of.longest(self.deadline));
        let deadline = deadline.saturating_add(self.claim_pause);
        let all = [deadline, self.remind, self.close, self.until.unwrap_or(0), ban];
        all.into_iter().max().unwrap_or(0)
    }
}

/// Returns true if a host lies in networks as a whole.
pub(super) fn is_in(networks: &Networks, host: Host) -> bool {
    match host {
        Host::Address(address) => networks.contains(address),
        Host::Prefix(net) => networks.contains_net(net),
    }
}

/// The least clean windows, and seconds of them, that some line of a policy asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Least {
    pub quiet: u64,
    pub close: u64,
}

/// The lines of a policy, of which the first that matches holds, alone.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    default: Rule,
}

impl Policy {
    /// Returns the policy of these lines, in their order. Where none matches, owners are told and nobody
    /// is isolated.
    pub fn new(rules: Vec<Rule>) -> Policy {
        Policy { rules, default: Rule::default() }
    }

    /// Returns the line that holds for an incident: the first whose conditions hold for the host and for
    /// one of the matters that are not ignored at `now`, or for one of all matters if all are ignored.
    pub fn of(&self, incident: &Incident, network_kind: NetworkKind, now: u64) -> &Rule {
        let mut rules = self.rules.iter();
        let found = rules.find(|rule| rule.holds(incident, network_kind, now));
        found.unwrap_or(&self.default)
    }

    /// Returns true if a line names the class among its conditions.
    pub fn names(&self, class: &str) -> bool {
        self.rules.iter().any(|rule| rule.classes.iter().any(|named| named == class))
    }

    /// Returns the lines in their order, and last the rule that holds where none does.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().chain([&self.default])
    }

    /// Returns the least that any line asks for.
    pub(super) fn least(&self) -> Least {
        let mut least = Least { quiet: self.default.quiet, close: self.default.close };
        for rule in &self.rules {
            least.quiet = least.quiet.min(rule.quiet);
            least.close = least.close.min(rule.close);
        }
        least
    }

    /// Returns the longest time, in seconds, that a line may ask for after a finding.
    pub fn longest(&self) -> u64 {
        let longest = self.rules.iter().map(Rule::longest).max();
        longest.unwrap_or(0).max(self.default.longest())
    }
}
