//! Incidents in a few words, for people.

use crate::finding::{Kind, Role, words};

use super::model::{Incident, LISTED, Matter};

/// Returns what the host does or suffers: `probes whole networks, TCP port 445 (Windows file sharing)`, with
/// the number of further matters. The matter that is furthest beyond its limit speaks for all.
pub fn what(incident: &Incident) -> String {
    let Some(matter) = incident.worst() else { return "nothing yet".to_owned() };
    let more = (incident.body.matters.len() as u64 - 1).saturating_add(incident.body.more);
    let text = format!(
        "{}, {}",
        behaviour(incident.subject.role, matter),
        words::port(matter.key.proto, matter.key.port)
    );
    if more == 0 { text } else { format!("{text}, and {} more", words::count(more)) }
}

/// Returns what the host does or suffers, once for each kind of its matters: the gravest matter of a kind speaks for
/// all. A worm's host `attacks one port of many hosts, as a worm does` and `probes other hosts`.
pub fn behaviours(incident: &Incident) -> Vec<&'static str> {
    // A matter about one port says most.
    let kinds = [Kind::Port, Kind::Flood, Kind::Scan].into_iter();
    let gravest = kinds.filter_map(|kind| {
        let of_kind = incident.body.matters.iter().filter(|matter| matter.key.kind == kind);
        of_kind.max_by(|a, b| a.peak.ratio().total_cmp(&b.peak.ratio()).then(b.key.cmp(&a.key)))
    });
    let mut texts: Vec<&str> = Vec::new();
    for text in gravest.map(|matter| behaviour(incident.subject.role, matter)) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// Returns the behaviour of the host, or of others towards it. Of several classes, the one that says most.
fn behaviour(role: Role, matter: &Matter) -> &'static str {
    let known: &[(&str, &str)] = match (matter.key.kind, role) {
        (Kind::Port, Role::Source) => &[
            ("infected", "was attacked on a port, and attacks others there"),
            ("spread", "attacks one port of many hosts, as a worm does"),
            ("spam", "writes to many mail servers, and is none itself"),
            ("bruteforce", "hammers one port of few hosts, as guessers do"),
        ],
        (Kind::Flood, Role::Source) => &[
            ("outbound", "floods others with packets that nobody answers"),
            ("ddos", "floods other hosts, together with many"),
            ("reflection", "is abused to flood others with answers"),
        ],
        (Kind::Flood, Role::Target) => &[
            ("carpet", "is flooded as a whole, a little to each host"),
            ("reflection", "is flooded with answers that it never asked for"),
            ("ddos", "is flooded by many sources"),
            ("dos", "is flooded, mostly by few sources"),
            ("volume", "is flooded with far more than usual"),
            ("outage", "does not answer its own clients"),
        ],
        (Kind::Scan, Role::Source) => &[
            ("lateral", "tries to log in at many machines here"),
            ("sweep", "probes whole networks, host after host"),
            (LISTED, "talks with hosts of a threat feed"),
        ],
        (Kind::Port, Role::Target) => &[
            ("bruteforce", "has its passwords guessed by many"),
            ("swarm", "is probed by many unrelated hosts"),
        ],
        (Kind::Scan, Role::Target) => &[],
    };
    // The behaviour of a host counts more than the hosts that it talks with.
    let is_only = |class: &str| class != LISTED || matter.classes.len() == 1;
    let known = known.iter().find(|(class, _)| matter.classes.contains(*class) && is_only(class));
    match (known, matter.key.kind, role) {
        (Some((_, text)), _, _) => text,
        (None, Kind::Scan, Role::Source) => "probes other hosts",
        (None, Kind::Scan, Role::Target) => "is probed",
        (None, Kind::Flood, Role::Source) => "floods other hosts",
        (None, Kind::Flood, Role::Target) => "is flooded",
        (None, Kind::Port, Role::Source) => "attacks one port",
        (None, Kind::Port, Role::Target) => "is attacked on one port",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::tests::finding;
    use crate::finding::{Finding, line};
    use crate::incident::Subject;
    use crate::time::Window;

    fn incident(findings: &[Finding]) -> Incident {
        let window = Window::new(600, 600).unwrap();
        let mut incident = Incident::new(1, Subject::of(&findings[0]), None, window);
        let matters = findings.iter().map(|one| Matter::new(one, &line(one), window, false));
        incident.body.matters = matters.collect();
        incident
    }

    #[test]
    fn the_worst_matter_speaks_for_all() {
        let base = finding([10, 0, 0, 1], Kind::Scan, Role::Source);
        let sweep = |port, why: &str| Finding {
            class: "sweep".to_owned(),
            port: Some(port),
            why: why.to_owned(),
            ..base.clone()
        };
        let mut two = incident(&[sweep(445, "hosts=400>=200"), sweep(22, "hosts=300>=200")]);
        let expected = "probes whole networks, host after host, TCP port 445 (Windows file sharing), \
                        and 1 more";
        assert_eq!(what(&two), expected);
        two.body.more = 1999;
        assert!(what(&two).ends_with(", and 2,000 more"));
        let mixed = Finding { proto: None, port: None, ..base.clone() };
        assert_eq!(what(&incident(&[mixed])), "probes other hosts, several protocols and ports");
        let mut none = two;
        none.body.matters.clear();
        assert_eq!(what(&none), "nothing yet");
    }

    #[test]
    fn each_kind_speaks_once_and_the_port_first() {
        let of = |kind, class: &str| Finding {
            class: class.to_owned(),
            ..finding([10, 0, 0, 1], kind, Role::Source)
        };
        let worm = [of(Kind::Scan, "horizontal"), of(Kind::Port, "spread"), of(Kind::Scan, "udp")];
        let expected = ["attacks one port of many hosts, as a worm does", "probes other hosts"];
        assert_eq!(behaviours(&incident(&worm)), expected);
        let mut none = incident(&worm);
        none.body.matters.clear();
        assert!(behaviours(&none).is_empty());
    }

    #[test]
    fn each_kind_and_role_has_words_and_some_classes_their_own() {
        let mut seen = std::collections::BTreeSet::new();
        let classes = ["new", "sweep", "outbound", "ddos", "reflection", "carpet", "dos", "volume"];
        let own =
            ["infected", "spread", "spam", "bruteforce", "lateral", "swarm", "outage", "listed"];
        for kind in [Kind::Scan, Kind::Flood, Kind::Port] {
            for role in [Role::Source, Role::Target] {
                let mut words = std::collections::BTreeSet::new();
                for class in classes.iter().chain(&own) {
                    let class = (*class).to_owned();
                    let text =
                        what(&incident(&[Finding { class, ..finding([10; 4], kind, role) }]));
                    words.insert(text.strip_suffix(", TCP port 80 (web)").unwrap().to_owned());
                }
                let count = match (kind, role) {
                    (Kind::Port, Role::Target) => 3,
                    (Kind::Scan | Kind::Flood, Role::Source) => 4,
                    (Kind::Flood, Role::Target) => 7,
                    (Kind::Port, Role::Source) => 5,
                    (Kind::Scan, Role::Target) => 1,
                };
                assert_eq!(words.len(), count, "{kind} {role}");
                assert!(words.into_iter().all(|text| seen.insert(text)), "{kind} {role}");
            }
        }
    }
}
