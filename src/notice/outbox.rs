//! The mails of a run: which notices go to whom now, and which wait.
//!
//! A recipient gets one mail a run, about all that is due. Nobody gets another one while a mail to them waits
//! to be sent, nor more than the limits allow within an hour; what is held back goes into the next mail. A
//! deadline, an isolation and a release are never held back.

use std::collections::{BTreeMap, BTreeSet};

use crate::incident::Step;

/// A notice that no mail tells yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The number of the notice.
    pub id: u64,
    /// The mail address.
    pub recipient: String,
    /// The step.
    pub step: Step,
}

/// The most mails of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub per_hour: u64,
    /// To one recipient.
    pub per_recipient: u64,
}

/// The mails of the past that count against the limits. Recipients are in lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Mails of the last hour, by recipient.
    pub recent: BTreeMap<String, u64>,
    /// The recipients of mails that are not accepted yet.
    pub unsent: BTreeSet<String>,
}

/// A mail that is to be made now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The mail address.
    pub recipient: String,
    /// The numbers of its notices, in order.
    pub notices: Vec<u64>,
    /// The gravest step.
    pub step: Step,
}

/// The mails of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The mails, the gravest first.
    pub mails: Vec<Planned>,
    /// Number of notices that the limits hold back.
    pub held_back: u64,
}

/// Returns true for a step that no limit holds back: somebody has to act within a time, or can work again.
const fn is_urgent(step: Step) -> bool {
    match step {
        Step::First | Step::Grown | Step::Reminder => false,
        Step::Released | Step::Deadline | Step::Isolated => true,
    }
}

/// Returns the mails that are to be made of the notices that wait, in the order in which they were made.
pub fn plan(waiting: &[Waiting], past: &Past, limits: &Limits) -> Plan {
    // Two addresses that differ only in case reach one person.
    let mut mails: BTreeMap<String, Planned> = BTreeMap::new();
    for Waiting { id, recipient, step } in waiting {
        let mail = mails.entry(recipient.to_ascii_lowercase()).or_insert_with(|| Planned {
            recipient: recipient.clone(),
            notices: Vec::new(),
            step: *step,
        });
        mail.notices.push(*id);
        mail.step = mail.step.max(*step);
    }
    let mut mails: Vec<(String, Planned)> = mails.into_iter().collect();
    // Where not all can go, the gravest go, and of these the oldest.
    mails.sort_by_key(|(_, mail)| (std::cmp::Reverse(mail.step), mail.notices.first().copied()));
    let mut in_all: u64 = past.recent.values().sum();
    let mut plan = Plan::default();
    for (folded, mail) in mails {
        if !is_urgent(mail.step) {
            if past.unsent.contains(&folded) {
                continue;
            }
            let recent = past.recent.get(&folded).copied().unwrap_or(0);
            if in_all >= limits.per_hour || recent >= limits.per_recipient {
                plan.held_back += mail.notices.len() as u64;
                continue;
            }
        }
        in_all += 1;
        plan.mails.push(mail);
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: Limits = Limits { per_hour: 100, per_recipient: 10 };

    fn waiting(id: u64, recipient: &str, step: Step) -> Waiting {
        Waiting { id, recipient: recipient.to_owned(), step }
    }

    fn past(recent: &[(&str, u64)], unsent: &[&str]) -> Past {
        Past {
            recent: recent.iter().map(|(who, count)| ((*who).to_owned(), *count)).collect(),
            unsent: unsent.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn each_recipient_gets_one_mail_with_the_gravest_step() {
        let all = [
            waiting(1, "a@x.org", Step::First),
            waiting(2, "b@x.org", Step::Reminder),
            waiting(3, "A@X.org", Step::Deadline),
            waiting(4, "b@x.org", Step::Grown),
        ];
        let plan = plan(&all, &Past::default(), &LIMITS);
        let mail = |who: &str, notices: &[u64], step| Planned {
            recipient: who.to_owned(),
            notices: notices.to_vec(),
            step,
        };
        let expected =
            [mail("a@x.org", &[1, 3], Step::Deadline), mail("b@x.org", &[2, 4], Step::Reminder)];
        assert_eq!((plan.mails.as_slice(), plan.held_back), (&expected[..], 0));
    }

    #[test]
    fn limits_hold_back_all_but_what_is_urgent() {
        let all = [
            waiting(1, "a@x.org", Step::First),
            waiting(2, "a@x.org", Step::First),
            waiting(3, "b@x.org", Step::Deadline),
            waiting(4, "c@x.org", Step::First),
        ];
        let who = |past: &Past| -> (Vec<String>, u64) {
            let plan = plan(&all, past, &LIMITS);
            (plan.mails.into_iter().map(|mail| mail.recipient).collect(), plan.held_back)
        };
        let (a, b, c) = ("a@x.org", "b@x.org", "c@x.org");
        let of = |names: &[&str], held: u64| -> (Vec<String>, u64) {
            (names.iter().map(ToString::to_string).collect(), held)
        };
        assert_eq!(who(&past(&[(a, 9)], &[])), of(&[b, a, c], 0));
        assert_eq!(who(&past(&[(a, 10), (b, 10)], &[])), of(&[b, c], 2));
        assert_eq!(who(&past(&[("d@x.org", 98)], &[])), of(&[b, a], 1));
        assert_eq!(who(&past(&[("d@x.org", 100)], &[])), of(&[b], 3));
        // One whose mail waits is not held back by a limit.
        assert_eq!(who(&past(&[], &[a, b])), of(&[b, c], 0));
    }

    proptest! {
        #[test]
        fn no_limit_is_exceeded_and_nothing_is_told_twice(
            all in proptest::collection::vec((0u8..20, 0usize..6), 0..60),
            recent in proptest::collection::btree_map(0u8..20, 0u64..12, 0..10),
            per_hour in 0u64..30,
        ) {
            let name = |nth: u8| format!("{nth}@x.org");
            let all: Vec<Waiting> = all
                .iter()
                .enumerate()
                .map(|(id, (who, step))| waiting(id as u64, &name(*who), Step::ALL[*step]))
                .collect();
            let recent: BTreeMap<String, u64> =
                recent.into_iter().map(|(who, count)| (name(who), count)).collect();
            let before: u64 = recent.values().sum();
            let past = Past { recent, unsent: BTreeSet::new() };
            let plan = plan(&all, &past, &Limits { per_hour, per_recipient: 10 });
            let usual = plan.mails.iter().filter(|mail| !is_urgent(mail.step)).count() as u64;
            prop_assert!(usual == 0 || before + usual <= per_hour);
            let mut told: Vec<u64> = plan.mails.iter().flat_map(|mail| mail.notices.clone()).collect();
            told.sort_unstable();
            prop_assert_eq!(told.len() as u64 + plan.held_back, all.len() as u64);
            told.dedup();
            for one in all.iter().filter(|one| is_urgent(one.step)) {
                prop_assert!(told.contains(&one.id));
            }
            prop_assert!(told.len() as u64 + plan.held_back == all.len() as u64);
        }
    }
}
