//! The reasons why a line of the policy does not hold, and the conditions on which it would.

use crate::contacts::NetworkKind;
use crate::finding::Host;

use super::model::{Incident, Matter};
use super::policy::{PortMatch, Rule, is_in};

impl Rule {
    /// Returns the reasons, for people, why the rule does not hold for an incident; none if it holds.
    pub fn refusals(
        &self,
        incident: &Incident,
        network_kind: NetworkKind,
        now: u64,
    ) -> Vec<String> {
        let Incident { subject, body, .. } = incident;
        let mut reasons = Vec::new();
        if let Some(wanted) = self.side.filter(|wanted| body.side != Some(*wanted)) {
            let side = body.side.map_or("unknown", |side| side.as_str());
            reasons.push(format!("its side is {side}, not {wanted}"));
        }
        if let Some(wanted) = self.role.filter(|wanted| subject.role != *wanted) {
            reasons.push(format!("its role is {}, not {wanted}", subject.role));
        }
        reasons.extend(self.refuses_host(subject.host, network_kind));
        let all_ignored = incident.is_ignored(now);
        let considered = || {
            let matters = body.matters.iter();
            matters.filter(move |matter| all_ignored || !matter.is_ignored(now))
        };
        let is_some_ignored = considered().count() < body.matters.len();
        let mut of_matters = Vec::new();
        let all = self.matter_conditions();
        for condition in &all {
            if !considered().any(&condition.is_met) {
                of_matters.push(format!("no matter {}", condition.words));
            }
        }
        let meets_all = |matter: &Matter| all.iter().all(|condition| (condition.is_met)(matter));
        if of_matters.is_empty() && !considered().any(meets_all) {
            of_matters.push("no matter meets all conditions at once".to_owned());
        }
        if is_some_ignored && !of_matters.is_empty() {
            of_matters.push("ignored matters do not count".to_owned());
        }
        reasons.extend(of_matters);
        reasons
    }

    /// Returns the conditions, for people, that only a finding about the host can meet; none if the rule
    /// holds whatever is found.
    ///
    /// # Errors
    /// Returns the reasons why the rule holds for no finding about the host.
    pub fn open_conditions(
        &self,
        host: Host,
        network_kind: NetworkKind,
    ) -> Result<Vec<String>, Vec<String>> {
        let reasons = self.refuses_host(host, network_kind);
        if !reasons.is_empty() {
            return Err(reasons);
        }
        let mut open = Vec::new();
        open.extend(self.side.map(|side| format!("its side is {side}")));
        open.extend(self.role.map(|role| format!("its role is {role}")));
        let of_matters = self.matter_conditions().into_iter();
        open.extend(of_matters.map(|condition| format!("a matter {}", condition.words)));
        Ok(open)
    }

    /// Returns the reasons why the rule holds for nothing that the host does.
    fn refuses_host(&self, host: Host, network_kind: NetworkKind) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.networks.as_ref().is_some_and(|networks| !is_in(networks, host)) {
            reasons.push("it lies in none of the line's networks".to_owned());
        }
        if !self.network_kinds.is_empty() && !self.network_kinds.contains(&network_kind) {
            let wanted = self.network_kinds.iter().map(|kind| kind.as_str());
            reasons.push(format!("its network is {network_kind}, not {}", either(wanted)));
        }
        reasons
    }

    /// Returns the conditions on a matter.
    fn matter_conditions(&self) -> Vec<MatterCondition<'_>> {
        let mut all = Vec::new();
        if !self.kinds.is_empty() {
            let kinds = either(self.kinds.iter().map(|kind| kind.as_str()));
            all.push(MatterCondition {
                words: format!("is of kind {kinds}"),
                is_met: Box::new(|matter| self.kinds.contains(&matter.key.kind)),
            });
        }
        if !self.classes.is_empty() {
            let classes = either(self.classes.iter().map(String::as_str));
            all.push(MatterCondition {
                words: format!("is of class {classes}"),
                is_met: Box::new(|matter| matter.classes.iter().any(|c| self.classes.contains(c))),
            });
        }
        if !self.ports.is_empty() {
            let ports: Vec<String> = self.ports.iter().map(PortMatch::text).collect();
            all.push(MatterCondition {
                words: format!("is about port {}", either(ports.iter().map(String::as_str))),
                is_met: Box::new(|matter| self.ports.iter().any(|port| port.matches(matter.key))),
            });
        }
        all
    }
}

/// A condition of a rule on a matter.
struct MatterCondition<'a> {
    /// The condition as a clause behind "a matter".
    words: String,
    /// Returns true for a matter that meets it.
    is_met: Box<dyn Fn(&Matter) -> bool + 'a>,
}

/// Returns words joined by `or`.
fn either<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::finding::{Kind, Role, Side};
    use crate::flow::Networks;
    use crate::incident::{Ignore, MatterKey, Policy, Subject};
    use crate::time::Window;

    fn incident(side: Option<Side>, role: Role, matters: &[(Kind, &str, u16, bool)]) -> Incident {
        let window = Window::new(0, 600).unwrap();
        let host = Host::parse("192.0.2.9").unwrap();
        let mut incident = Incident::new(1, Subject { host, role }, side, window);
        for (kind, class, port, is_ignored) in matters {
            let line = format!(
                "1970-01-01T00:00:00Z\t600\t{kind}\t{class}\t192.0.2.9\t{role}\t-\t6\t{port}\t1\t-\t1\t1\t1\t\
                 0.00\t-\t-\t-"
            );
            let item = crate::finding::Reader::new().line(line.as_bytes()).unwrap().unwrap();
            let crate::finding::Item::Finding(finding) = item else { panic!("{line}") };
            let mut matter = Matter::new(&finding, &line, window, false);
            if *is_ignored {
                matter.ignored = Some(Ignore { until: u64::MAX, by: "a".into(), why: "b".into() });
            }
            assert_eq!(matter.key, MatterKey { kind: *kind, proto: Some(6), port: Some(*port) });
            incident.body.matters.push(matter);
        }
        incident
    }

    #[test]
    fn reasons_are_named() {
        let scan = incident(Some(Side::Inside), Role::Source, &[(Kind::Scan, "sweep", 22, false)]);
        let all = Rule {
            kinds: vec![Kind::Flood],
            classes: vec!["ddos".into(), "dos".into()],
            side: Some(Side::Outside),
            role: Some(Role::Target),
            networks: Some(Networks::new(["10.0.0.0/8".parse().unwrap()])),
            ports: vec![
                PortMatch { proto: Some(17), port: 53 },
                PortMatch { proto: None, port: 80 },
            ],
            network_kinds: vec![NetworkKind::Static, NetworkKind::Dynamic],
            ..Rule::default()
        };
        assert_eq!(
            all.refusals(&scan, NetworkKind::Unknown, 0),
            [
                "its side is inside, not outside",
                "its role is source, not target",
                "it lies in none of the line's networks",
                "its network is unknown, not static or dynamic",
                "no matter is of kind flood",
                "no matter is of class ddos or dos",
                "no matter is about port 17/53 or 80",
            ]
        );
        let host = Host::parse("10.1.2.3").unwrap();
        assert_eq!(
            all.open_conditions(host, NetworkKind::Static).unwrap(),
            [
                "its side is outside",
                "its role is target",
                "a matter is of kind flood",
                "a matter is of class ddos or dos",
                "a matter is about port 17/53 or 80",
            ]
        );
        let reasons = all.open_conditions(host, NetworkKind::Shared).unwrap_err();
        assert_eq!(reasons, ["its network is shared, not static or dynamic"]);
        assert!(Rule::default().open_conditions(host, NetworkKind::Shared).unwrap().is_empty());
        let two = [(Kind::Scan, "sweep", 22, false), (Kind::Port, "spread", 80, true)];
        let two = incident(None, Role::Source, &two);
        let rule = Rule { kinds: vec![Kind::Port], ..Rule::default() };
        assert_eq!(
            rule.refusals(&two, NetworkKind::Static, 0),
            ["no matter is of kind port", "ignored matters do not count"]
        );
        let rule = Rule {
            kinds: vec![Kind::Scan],
            ports: vec![PortMatch { proto: None, port: 80 }],
            ..Rule::default()
        };
        let two = [(Kind::Scan, "sweep", 22, false), (Kind::Port, "spread", 80, false)];
        let two = incident(None, Role::Source, &two);
        let reasons = rule.refusals(&two, NetworkKind::Static, 0);
        assert_eq!(reasons, ["no matter meets all conditions at once"]);
    }

    fn rules() -> impl Strategy<Value = Rule> {
        let some = |n| proptest::collection::vec(0usize..3, 0..n);
        let side = proptest::option::of(prop_oneof![Just(Side::Inside), Just(Side::Outside)]);
        let role = proptest::option::of(prop_oneof![Just(Role::Source), Just(Role::Target)]);
        let sets = (some(3), some(3), some(3), some(3), any::<Option<bool>>());
        (side, role, sets).prop_map(|(side, role, (kinds, classes, ports, nets, networks))| Rule {
            kinds: kinds.into_iter().map(|n| [Kind::Scan, Kind::Flood, Kind::Port][n]).collect(),
            classes: classes.into_iter().map(|n| ["a", "b", "c"][n].to_owned()).collect(),
            ports: ports
                .into_iter()
                .map(|n| PortMatch { proto: [None, Some(6), Some(17)][n], port: [22, 80, 22][n] })
                .collect(),
            network_kinds: nets.into_iter().map(|n| NetworkKind::STATED[n]).collect(),
            networks: networks.map(|is_in| {
                Networks::new([if is_in { "192.0.2.0/24" } else { "10.0.0.0/8" }.parse().unwrap()])
            }),
            side,
            role,
            ..Rule::default()
        })
    }

    proptest! {
        /// The line that holds is the first without a reason against it.
        #[test]
        fn there_are_reasons_exactly_if_the_rule_does_not_hold(
            rules in proptest::collection::vec(rules(), 0..4),
            matters in proptest::collection::vec(
                (0usize..3, 0usize..3, prop_oneof![Just(22u16), Just(80)], any::<bool>()), 1..4),
            side in proptest::option::of(prop_oneof![Just(Side::Inside), Just(Side::Outside)]),
            kind in 0usize..3,
        ) {
            let matters: Vec<_> = matters
                .into_iter()
                .map(|(kind, class, port, is_ignored)| {
                    ([Kind::Scan, Kind::Flood, Kind::Port][kind], ["a", "b", "c"][class], port, is_ignored)
                })
                .collect();
            let incident = incident(side, Role::Source, &matters);
            let kind = NetworkKind::STATED[kind];
            for rule in &rules {
                let reasons = rule.refusals(&incident, kind, 0);
                prop_assert_eq!(reasons.is_empty(), rule.holds(&incident, kind, 0), "{:?}", reasons);
            }
            let named = rules.into_iter().enumerate().map(|(n, rule)| Rule { place: n.to_string(), ..rule });
            let policy = Policy::new(named.collect());
            let first = policy.rules().find(|rule| rule.refusals(&incident, kind, 0).is_empty());
            prop_assert_eq!(&policy.of(&incident, kind, 0).place, &first.unwrap().place);
        }
    }
}
