//! The behaviours that a mail explains.

use crate::finding::{Finding, Kind, Role};

/// The behaviour of a host, or of others towards it. A mail about many hosts gives the advice for each
/// situation once. A class that is not listed here gets the situation of its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::notice) enum Situation {
    Infected,
    Scanner,
    PortScanner,
    Lateral,
    Listed,
    PortAttacker,
    Guesser,
    Spammer,
    Flooder,
    Outbound,
    Reflector,
    FloodVictim,
    DosVictim,
    DdosVictim,
    ReflectionVictim,
    VolumeVictim,
    Carpet,
    Backscatter,
    GuessedVictim,
    SwarmVictim,
    Outage,
    Victim,
}

impl Situation {
    /// All situations.
    #[cfg(test)]
    pub(super) const ALL: [Situation; 22] = [
        Situation::Infected,
        Situation::Scanner,
        Situation::PortScanner,
        Situation::Lateral,
        Situation::Listed,
        Situation::PortAttacker,
        Situation::Guesser,
        Situation::Spammer,
        Situation::Flooder,
        Situation::Outbound,
        Situation::Reflector,
        Situation::FloodVictim,
        Situation::DosVictim,
        Situation::DdosVictim,
        Situation::ReflectionVictim,
        Situation::VolumeVictim,
        Situation::Carpet,
        Situation::Backscatter,
        Situation::GuessedVictim,
        Situation::SwarmVictim,
        Situation::Outage,
        Situation::Victim,
    ];

    /// Returns the situation of a finding.
    pub(in crate::notice) fn of(finding: &Finding) -> Situation {
        Situation::of_class(finding.kind, finding.role, &finding.class)
    }

    /// Returns the situation of a kind, a role and a class.
    pub(in crate::notice) fn of_class(kind: Kind, role: Role, class: &str) -> Situation {
        match (kind, role, class) {
            (Kind::Scan, Role::Source, "vertical") => Situation::PortScanner,
            (Kind::Scan, Role::Source, "lateral") => Situation::Lateral,
            (Kind::Scan, Role::Source, "listed") => Situation::Listed,
            (Kind::Scan, Role::Source, _) => Situation::Scanner,
            (Kind::Port, Role::Source, "bruteforce") => Situation::Guesser,
            (Kind::Port, Role::Source, "spam") => Situation::Spammer,
            (Kind::Port, Role::Source, "infected") => Situation::Infected,
            (Kind::Port, Role::Source, _) => Situation::PortAttacker,
            (Kind::Flood, Role::Source, "outbound") => Situation::Outbound,
            (Kind::Flood, Role::Source, "reflection") => Situation::Reflector,
            (Kind::Flood, Role::Source, _) => Situation::Flooder,
            (Kind::Flood, Role::Target, "dos") => Situation::DosVictim,
            (Kind::Flood, Role::Target, "ddos") => Situation::DdosVictim,
            (Kind::Flood, Role::Target, "reflection") => Situation::ReflectionVictim,
            (Kind::Flood, Role::Target, "volume") => Situation::VolumeVictim,
            (Kind::Flood, Role::Target, "outage") => Situation::Outage,
            (Kind::Flood, Role::Target, "carpet") => Situation::Carpet,
            (Kind::Flood, Role::Target, _) => Situation::FloodVictim,
            (Kind::Scan, Role::Target, "backscatter") => Situation::Backscatter,
            (Kind::Port, Role::Target, "bruteforce") => Situation::GuessedVictim,
            (Kind::Port, Role::Target, "swarm") => Situation::SwarmVictim,
            (Kind::Scan | Kind::Port, Role::Target, _) => Situation::Victim,
        }
    }

    /// Returns true if the machine itself is under suspicion.
    pub(in crate::notice) const fn is_suspect(self) -> bool {
        match self {
            Situation::Infected
            | Situation::Scanner
            | Situation::PortScanner
            | Situation::Lateral
            | Situation::Listed
            | Situation::PortAttacker
            | Situation::Guesser
            | Situation::Spammer
            | Situation::Flooder
            | Situation::Outbound
            | Situation::Reflector => true,
            Situation::FloodVictim
            | Situation::DosVictim
            | Situation::DdosVictim
            | Situation::ReflectionVictim
            | Situation::VolumeVictim
            | Situation::Carpet
            | Situation::Backscatter
            | Situation::GuessedVictim
            | Situation::SwarmVictim
            | Situation::Outage
            | Situation::Victim => false,
        }
    }
}
