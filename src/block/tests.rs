//! Tests of which hosts are blocked, and which are protected by what.

use std::net::Ipv4Addr;

use super::*;
use crate::finding::Peer;
use crate::finding::tests::finding;

pub(super) fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().map(|net| net.parse().unwrap()).collect()
}

pub(super) fn policy() -> Policy {
    let never = nets(&["140.119.1.1/32", "203.0.113.9/32"]);
    Policy::block(nets(&["140.119.0.0/16", "2001:db8::/32"]), never).unwrap()
}

fn address(host: &str) -> Host {
    Host::Address(host.parse().unwrap())
}

/// Returns a finding about an inside host that attacks a port.
pub(super) fn source(host: &str) -> Finding {
    Finding { host: address(host), ..finding([0; 4], Kind::Port, Role::Source) }
}

fn marked(finding: &Finding, mark: &str) -> Finding {
    Finding { marks: vec![mark.to_owned()], ..finding.clone() }
}

/// Returns the same finding in a window that begins `seconds` later.
fn later(finding: &Finding, seconds: u64) -> Finding {
    let start = finding.window.unwrap().start();
    Finding { window: Window::new(start + seconds, 600), ..finding.clone() }
}

pub(super) fn plan<'a>(
    policy: Policy,
    findings: impl IntoIterator<Item = &'a Finding>,
) -> BlockPlan {
    plan_since(policy, findings, 0)
}

fn plan_since<'a>(
    policy: Policy,
    findings: impl IntoIterator<Item = &'a Finding>,
    since: u64,
) -> BlockPlan {
    let mut selection = Selection::new(policy);
    findings.into_iter().for_each(|finding| selection.finding(finding, false));
    selection.plan(since)
}

fn blocked(plan: &BlockPlan) -> Vec<String> {
    plan.hosts.keys().map(ToString::to_string).collect()
}

fn refused(plan: &BlockPlan) -> Vec<(Refusal, String)> {
    plan.refused.iter().map(|(why, host)| (*why, host.text(false))).collect()
}

#[test]
fn a_host_is_blocked_only_if_no_reason_against_it_holds() {
    let judge = |finding: &Finding| policy().judge(finding);
    let good = source("140.119.44.91");
    assert_eq!(judge(&good), Some(Ok([140, 119, 44, 91].into())));
    assert_eq!(judge(&Finding { role: Role::Target, ..good.clone() }), None);
    assert_eq!(judge(&marked(&good, "sampled")), Some(Ok([140, 119, 44, 91].into())));
    let prefix = Host::Prefix("140.119.44.0/24".parse().unwrap());
    for (finding, why) in [
        (source("140.119.1.1"), Refusal::Never),
        (marked(&good, "forged"), Refusal::Forged),
        (Finding { host: prefix, ..good.clone() }, Refusal::Prefix),
        (source("192.0.2.1"), Refusal::NotAllowed),
        (Finding { side: None, ..good.clone() }, Refusal::NoSide),
        (Finding { side: Some(Side::Outside), ..good.clone() }, Refusal::Outside),
        (marked(&good, "survey"), Refusal::Survey),
        (Finding { flows: 0, ..good.clone() }, Refusal::NoFlows),
    ] {
        assert_eq!(judge(&finding), Some(Err(why)), "{finding:?}");
    }
    let all = Policy { may_block: Networks::new(nets(&["0.0.0.0/0", "::/0"])), ..policy() };
    for host in [
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "169.254.1.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:140.119.44.91",
        "::140.119.44.91",
        "64:ff9b::8c77:2c5b",
        "fe80::1",
        "febf::1",
        "ff02::1",
    ] {
        assert_eq!(all.judge(&source(host)), Some(Err(Refusal::NoHost)), "{host}");
    }
    for host in ["1.0.0.1", "126.1.1.1", "169.253.1.1", "223.255.255.1", "2001:db8::1", "fec0::1"] {
        assert!(matches!(all.judge(&source(host)), Some(Ok(_))), "{host}");
    }
}

#[test]
fn each_host_is_listed_once_with_its_newest_finding() {
    let good = source("140.119.44.91");
    let large = Finding { flows: 9000, port: Some(22), ..good.clone() };
    let outside = Finding { side: Some(Side::Outside), ..source("192.0.2.1") };
    let router = source("140.119.1.1");
    let all = plan(policy(), [&good, &large, &outside, &outside, &router]);
    assert_eq!(all.hosts.values().map(|reason| reason.flows).collect::<Vec<_>>(), [9000]);
    assert_eq!(
        refused(&all),
        [(Refusal::Never, "140.119.1.1".into()), (Refusal::Outside, "192.0.2.1".into())]
    );
    // The newest finding is the reason, also if an older one has more flows.
    let both = [later(&good, 600), large];
    for order in [[0, 1], [1, 0]] {
        let plan = plan(policy(), order.map(|n| &both[n]));
        assert_eq!(plan.hosts.values().map(|reason| reason.flows).collect::<Vec<_>>(), [2000]);
    }
}

#[test]
fn one_finding_marked_forged_protects_its_host() {
    let good = source("140.119.44.91");
    let large = Finding { flows: 9000, ..good.clone() };
    let forged = marked(&good, "forged");
    for forged in [
        Finding { port: Some(81), ..forged.clone() },
        Finding { flows: 1, ..forged.clone() },
        Finding { flows: 0, ..forged.clone() },
        Finding { side: Some(Side::Outside), ..forged.clone() },
        Finding { side: None, ..forged.clone() },
        Finding { window: None, ..forged.clone() },
        Finding { host: address("::ffff:140.119.44.91"), ..forged.clone() },
        Finding { host: Host::Prefix("140.119.44.0/24".parse().unwrap()), ..forged.clone() },
    ] {
        for order in [[&good, &forged, &large], [&large, &good, &forged], [&forged, &good, &large]]
        {
            let plan = plan(policy(), order);
            assert_eq!(blocked(&plan), [""; 0], "{forged:?}");
            assert!(refused(&plan).contains(&(Refusal::Forged, "140.119.44.91".into())));
        }
    }
    // A flood from forged addresses names some of them.
    let peer = Peer { host: address("140.119.44.91"), flows: Some(7) };
    let flood = Finding {
        peer: vec![peer],
        marks: vec!["forged".to_owned()],
        ..finding([140, 119, 9, 9], Kind::Flood, Role::Target)
    };
    let named = plan(policy(), [&good, &flood]);
    assert_eq!(refused(&named), [(Refusal::NamedAsForged, "140.119.44.91".into())]);
    // A host that is flooded from forged addresses may still be blocked for its own traffic.
    let victim = Finding { role: Role::Target, ..forged };
    assert_eq!(blocked(&plan(policy(), [&good, &victim])), ["140.119.44.91"]);
    assert_eq!(blocked(&plan(policy(), [&victim])), [""; 0]);
}

#[test]
fn a_forged_mark_is_kept_though_many_other_findings_follow() {
    let forged = Finding { flows: 1, ..marked(&source("140.119.44.91"), "forged") };
    let many = (0..2 * MAX_BLOCKED as u32 + 9).map(|n| Finding {
        host: Host::Address(Ipv4Addr::from_bits(0x8c77_0000 + n).into()),
        flows: 1_000_000,
        ..source("140.119.0.1")
    });
    let mut selection = Selection::new(policy());
    selection.finding(&forged, false);
    for finding in many {
        selection.finding(&finding, false);
        assert!(selection.hosts.len() < 2 * MAX_BLOCKED);
    }
    selection.finding(&Finding { flows: u64::MAX, ..source("140.119.44.91") }, false);
    let plan = selection.plan(0);
    assert!(plan.left_out);
    assert_eq!(plan.hosts.len(), MAX_BLOCKED);
    assert!(!plan.hosts.contains_key(&IpAddr::from([140, 119, 44, 91])));
}

#[test]
fn nobody_is_blocked_if_not_all_forged_addresses_fit() {
    let policy = || Policy::block(nets(&["10.0.0.0/8"]), Vec::new()).unwrap();
    let forged = |n: u32| {
        let host = Host::Address(Ipv4Addr::from_bits(0x0a00_0000 + n).into());
        Finding { host, ..marked(&source("10.0.0.0"), "forged") }
    };
    let good = source("10.200.0.1");
    let mut selection = Selection::new(policy());
    (0..MAX_FORGED as u32).for_each(|n| selection.finding(&forged(n), false));
    selection.finding(&good, false);
    // Addresses that cannot be blocked anyway take no room.
    selection.finding(&Finding { host: address("192.0.2.1"), ..forged(0) }, false);
    let mut fuller = selection.clone();
    let plan = selection.plan(0);
    assert_eq!((blocked(&plan), plan.undecided), (vec!["10.200.0.1".to_owned()], false));
    fuller.finding(&forged(MAX_FORGED as u32), false);
    assert_eq!(fuller.forged.len(), MAX_FORGED);
    let plan = fuller.plan(0);
    assert_eq!((blocked(&plan), plan.undecided), (Vec::new(), true));
}

#[test]
fn the_never_list_covers_mapped_and_tunnelled_forms_of_an_address() {
    let never = |list: &[&str], host: &str| {
        let may_block = nets(&["140.119.0.0/16", "2002::/16", "2001::/32"]);
        let policy = Policy::block(may_block, nets(list)).unwrap();
        plan(policy, [&source(host)]).refused.first().map(|(why, _)| *why)
    };
    for (list, host, why) in [
        ("::ffff:140.119.1.0/120", "140.119.1.7", Some(Refusal::Never)),
        ("::ffff:140.119.1.7/128", "140.119.1.7", Some(Refusal::Never)),
        ("::ffff:140.119.1.0/120", "140.119.2.7", None),
        ("140.119.1.0/24", "2002:8c77:101::1", Some(Refusal::NeverByTunnel)),
        ("::ffff:140.119.1.0/120", "2002:8c77:101:5::1", Some(Refusal::NeverByTunnel)),
        ("140.119.1.0/24", "2002:8c77:201::1", None),
        // Teredo: the client is 140.119.1.7, the server 192.0.2.1.
        ("140.119.1.7/32", "2001:0:c000:201:8000:63bf:7388:fef8", Some(Refusal::NeverByTunnel)),
        ("192.0.2.1/32", "2001:0:c000:201:8000:63bf:7388:fef8", None),
        ("::/0", "140.119.1.7", None),
    ] {
        assert_eq!(never(&[list], host), why, "{list} {host}");
    }
    let mapped = Policy::block(nets(&["::ffff:140.119.44.0/120"]), Vec::new()).unwrap();
    let hosts = [source("140.119.44.91"), source("140.119.45.91")];
    assert_eq!(blocked(&plan(mapped, &hosts)), ["140.119.44.91"]);
}

#[test]
fn networks_that_are_too_wide_are_refused() {
    let block = |net: &str| Policy::block(nets(&["192.0.2.0/24", net]), Vec::new());
    for net in [
        "0.0.0.0/0",
        "0.0.0.0/1",
        "128.0.0.0/1",
        "10.0.0.0/7",
        "::/0",
        "2000::/3",
        "2000::/15",
        "::ffff:0.0.0.0/96",
        "::ffff:10.0.0.0/103",
    ] {
        let error = block(net).unwrap_err();
        assert_eq!(error, TooWide(net.parse().unwrap()));
        assert!(error.to_string().contains(" is too wide: "), "{error}");
    }
    for net in ["10.0.0.0/8", "2001::/16", "::ffff:10.0.0.0/104"] {
        assert!(block(net).is_ok(), "{net}");
    }
    let free = Policy::unblock(nets(&["0.0.0.0/0", "::/0"]));
    assert_eq!(blocked(&plan(free, [&source("192.0.2.1")])), ["192.0.2.1"]);
}

#[test]
fn only_recent_findings_block_a_host() {
    let old = source("140.119.44.91");
    let start = old.window.unwrap().start();
    let new = later(&source("140.119.44.92"), 72_000);
    let timeless = Finding { window: None, ..source("140.119.44.93") };
    let since = start + 72_000 - 3000;
    let all = plan_since(policy(), [&old, &new, &timeless], since);
    assert_eq!(blocked(&all), ["140.119.44.92", "140.119.44.93"]);
    assert_eq!((all.older, all.left_out), (1, false));
    // An old refusal and an old mark `forged` do not count either.
    let again = later(&old, 72_000);
    let forged = marked(&old, "forged");
    assert_eq!(blocked(&plan_since(policy(), [&again, &forged], since)), ["140.119.44.91"]);
    let outside = Finding { side: Some(Side::Outside), ..old.clone() };
    assert_eq!(plan_since(policy(), [&outside], since).refused, []);
    // A long window that ends after `since` protects its host, though it began too early to block anybody.
    let until = |end: u64| {
        let seconds = u32::try_from(end - start).unwrap();
        Finding { window: Window::new(start, seconds), ..forged.clone() }
    };
    assert_eq!(blocked(&plan_since(policy(), [&again, &until(since + 1)], since)), [""; 0]);
    assert_eq!(blocked(&plan_since(policy(), [&again, &until(since)], since)), ["140.119.44.91"]);
    // Old findings do not take the room of newer ones, however many flows they have.
    let many = (0..2 * MAX_BLOCKED as u32).map(|n| Finding {
        host: Host::Address(Ipv4Addr::from_bits(0x8c77_0000 + n).into()),
        flows: u64::MAX,
        ..source("140.119.0.1")
    });
    let many: Vec<_> = many.chain([again]).collect();
    let last = plan_since(policy(), many.iter().rev(), since);
    assert_eq!((blocked(&last), last.left_out), (vec!["140.119.44.91".to_owned()], false));
}

#[test]
fn a_finding_that_was_set_aside_protects_but_does_not_block() {
    let [good, other] = ["140.119.44.91", "140.119.44.92"].map(source);
    let far = later(&marked(&good, "forged"), 999_999_999);
    let mut selection = Selection::new(policy());
    selection.finding(&good, false);
    selection.finding(&far, true);
    selection.finding(&later(&other, 999_999_999), true);
    let plan = selection.plan(good.window.unwrap().start());
    assert_eq!(refused(&plan), [(Refusal::Forged, "140.119.44.91".into())]);
    assert_eq!(blocked(&plan), [""; 0]);
}

/// Every host that was blocked can be unblocked, whatever has become known about it since.
#[test]
fn unblocking_ignores_marks_and_the_never_list() {
    let good = source("140.119.44.91");
    let zero = Finding { flows: 0, ..source("140.119.44.94") };
    let all = [
        good.clone(),
        marked(&good, "forged"),
        source("140.119.1.1"),
        marked(&source("140.119.44.92"), "forged"),
        marked(&source("140.119.44.93"), "survey"),
        zero,
        Finding { side: Some(Side::Outside), ..source("140.119.44.95") },
        Finding { role: Role::Target, ..source("140.119.44.96") },
    ];
    let free = plan(Policy::unblock(nets(&["140.119.0.0/16"])), &all);
    let expected =
        ["140.119.1.1", "140.119.44.91", "140.119.44.92", "140.119.44.93", "140.119.44.94"];
    assert_eq!(blocked(&free), expected);
    let mut selection = Selection::new(Policy::unblock(nets(&["140.119.0.0/16"])));
    selection.finding(&good, true);
    assert_eq!(blocked(&selection.plan(0)), ["140.119.44.91"]);
}

#[test]
fn the_gravest_refusals_are_kept_within_the_limit() {
    let mut selection = Selection::new(policy());
    for n in 0..3 * MAX_REFUSED as u32 {
        let host = Host::Address(Ipv4Addr::from_bits(0x0b00_0000 + n).into());
        let side = Some(Side::Outside);
        selection.finding(&Finding { host, side, ..source("140.119.0.1") }, false);
    }
    selection.finding(&source("140.119.1.1"), false);
    assert_eq!(selection.refused.len(), MAX_REFUSED);
    let plan = selection.plan(0);
    assert_eq!(plan.refused[0], (Refusal::Never, address("140.119.1.1")));
    assert!(plan.more_refused);
}
