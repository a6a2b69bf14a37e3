use std::path::Path;

use super::*;
use crate::tool::nfnotify::HOOK;
use crate::tool::site::SITE;

const DAY: u64 = 86_400;

fn parse(text: &str) -> (Config, Vec<Fault>) {
    let tables: &[&'static Table] = &[&SITE, &INCIDENT, &POLICY, &HOOK];
    Config::parse(Path::new("c"), text, tables).unwrap()
}

/// Returns the rules of a text without faults.
fn rules(text: &str) -> Vec<Rule> {
    let (config, faults) = parse(text);
    assert_eq!(faults, []);
    let entries = config.entries(&POLICY);
    entries.into_iter().map(|entry| rule(entry, &TimeZone::UTC).unwrap()).collect()
}

/// Returns the faults of a text, and of each whether it is an error for those who read the table.
fn faults(text: &str) -> Vec<(String, bool)> {
    let (_, faults) = parse(text);
    let is_error = |fault: &Fault| fault.scope != crate::cli::config::Scope::None;
    faults.iter().map(|fault| (fault.to_string(), is_error(fault))).collect()
}

fn error(text: &str) -> String {
    let faults = faults(text);
    let [(fault, true)] = &faults[..] else { panic!("{text}: {faults:?}") };
    fault.clone()
}

fn warning(text: &str) -> String {
    let faults = faults(text);
    let [(fault, false)] = &faults[..] else { panic!("{text}: {faults:?}") };
    fault.clone()
}

#[test]
fn every_key_has_its_place_in_the_rule() {
    let text = "[[policy]]\nkind = ['scan', 'port']\nclass = 'hammer, sweep'\nside = 'inside'\n\
                role = 'source'\nnetwork = ['10.1.0.0/16', '2001:db8::/32']\n\
                port = [22, 'tcp/445', '17/53', 'icmp6/0']\nnetwork_kind = ['static', 'unknown']\n\
                act = 'isolate'\nopen = '2 of 3'\nquiet = 12\nclose = '3d'\ndeadline = '48h'\n\
                remind = '12h'\nhours = 'Mon-Fri 08-18'\ntimezone = 'Asia/Taipei'\n\
                claim_pause = '2d'\nuntil = '30d'\n";
    let rule = rules(text).remove(0);
    assert_eq!(rule.place, "c:1: [[policy]] 1");
    assert_eq!(rule.kinds, [Kind::Scan, Kind::Port]);
    // The class of an older version.
    assert_eq!(rule.classes, ["bruteforce", "sweep"]);
    assert_eq!((rule.side, rule.role), (Some(Side::Inside), Some(Role::Source)));
    let networks = rule.networks.as_ref().unwrap();
    let is_in = |address: &str| networks.contains(address.parse().unwrap());
    assert!(is_in("10.1.2.3") && is_in("2001:db8::1") && !is_in("10.2.0.1"));
    let ports: Vec<_> = rule.ports.iter().map(|port| (port.proto, port.port)).collect();
    assert_eq!(ports, [(None, 22), (Some(6), 445), (Some(17), 53), (Some(58), 0)]);
    assert_eq!(rule.network_kinds, [NetworkKind::Static, NetworkKind::Unknown]);
    assert_eq!((rule.act, rule.open), (Act::Isolate, Opening { finds: 2, of: 3 }));
    assert_eq!((rule.quiet, rule.close, rule.deadline), (12, 3 * DAY, 2 * DAY));
    assert_eq!((rule.remind, rule.claim_pause, rule.until), (DAY / 2, 2 * DAY, Some(30 * DAY)));
    let zone = TimeZone::get("Asia/Taipei").unwrap();
    assert_eq!(rule.hours, Some(Hours::parse("Mon-Fri 08-18", zone).unwrap()));
}

#[test]
fn an_empty_line_is_the_default_rule() {
    let rule = rules("[[policy]]\n").remove(0);
    let place = rule.place.clone();
    assert_eq!(format!("{rule:?}"), format!("{:?}", Rule { place, ..Rule::default() }));
}

#[test]
fn the_zone_of_hours_is_that_of_the_site_unless_the_line_has_one() {
    let (config, faults) = parse("[[policy]]\nhours = 'Mon 8-9'\n");
    assert_eq!(faults, []);
    let zone = TimeZone::get("Europe/Berlin").unwrap();
    let rule = rule(config.entries(&POLICY)[0], &zone).unwrap();
    assert_eq!(rule.hours, Some(Hours::parse("Mon 8-9", zone).unwrap()));
}

#[test]
fn networks_may_be_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nets");
    std::fs::write(&path, "10.1.0.0/16 # campus\n10.3.0.0/16\n").unwrap();
    let text = format!("[[policy]]\nact = 'none'\nnetwork = '@{}'\n", path.display());
    let networks = rules(&text).remove(0).networks.unwrap();
    assert!(networks.contains("10.3.0.1".parse().unwrap()));
    assert!(!networks.contains("10.2.0.1".parse().unwrap()));
    std::fs::remove_file(&path).unwrap();
    let (config, _) = parse(&text);
    let error = rule(config.entries(&POLICY)[0], &TimeZone::UTC).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.starts_with("c:3: [[policy]] 1 network: /"), "{error}");
    assert!(error.contains("No such file"), "{error}");
}

#[test]
fn values_that_cannot_be_are_faults() {
    for (text, why) in [
        ("kind = 'scans'", "\"scans\" is none of scan, flood, port"),
        ("class = 'Sweep'", "\"Sweep\" is no class, a word of lower-case letters, digits and -"),
        ("side = 'in'", "\"in\" is none of inside, outside"),
        ("role = 'attacker'", "\"attacker\" is none of source, target"),
        ("network = '10.1.0.0/8'", "10.1.0.0/8 has bits set after its prefix; did you mean"),
        ("network_kind = 'dhcp'", "\"dhcp\" is none of static, dynamic, shared, unknown"),
        ("port = 65536", "\"65536\" is not a port such as 22 or tcp/22"),
        ("port = '+22'", "\"+22\" is not a port such as 22 or tcp/22"),
        ("port = 'tcp'", "\"tcp\" is not a port such as 22 or tcp/22"),
        ("port = 'udp/*'", "\"udp/*\" is not a port such as 22 or tcp/22"),
        ("port = 'tcpp/22'", "\"tcpp/22\" is not a port such as 22 or tcp/22"),
        ("port = '256/22'", "\"256/22\" is not a port such as 22 or tcp/22"),
        ("act = 'block'", "\"block\" is none of none, mail, isolate, ban"),
        ("open = '2'", "\"2\" is not a text such as \"2 of 3\""),
        ("open = 'two of three'", "\"two of three\" is not a text such as \"2 of 3\""),
        ("open = '0 of 1'", "\"0 of 1\" is not N of M with N from 1 to M and M up to 64"),
        ("open = '3 of 2'", "\"3 of 2\" is not N of M with N from 1 to M and M up to 64"),
        ("open = '1 of 65'", "\"1 of 65\" is not N of M with N from 1 to M and M up to 64"),
        ("quiet = 0", "must be from 1 to 1000 windows"),
        ("quiet = 1001", "must be from 1 to 1000 windows"),
        ("quiet = '6'", "must be a whole number without quotes, not text"),
        ("close = '24'", "a duration needs a unit: 24s, 24m, 24h"),
        ("deadline = '0s'", "must be at least 1s"),
        ("claim_pause = '999y'", "999y: longer than 136 years"),
        ("until = 'never'", ""),
        ("hours = '08-18'", "\"08-18\" are no hours such as \"Mon-Fri 08-18\""),
        ("hours = 'Mon-Fri 18-08'", "\"Mon-Fri 18-08\": the hours end before they begin"),
        ("hours = 'Mon-Fri 08-08'", "\"Mon-Fri 08-08\": the hours end before they begin"),
        ("timezone = 'Mars/Phobos'", "\"Mars/Phobos\" is no time zone of the IANA database"),
    ] {
        let key = text.split(' ').next().unwrap();
        let fault = error(&format!("[[policy]]\n{text}\n"));
        assert!(fault.starts_with(&format!("c:2: [[policy]] 1 {key}: {why}")), "{fault}");
    }
}

#[test]
fn an_act_for_hosts_that_it_is_never_for_is_an_error() {
    for (text, why) in [
        (
            "act = 'ban'\nside = 'inside'",
            "\"ban\" is for outside sources, and this line is for side = \"inside\"; did you mean \
             \"isolate\"?",
        ),
        (
            "act = 'ban'\nrole = 'target'",
            "\"ban\" is for outside sources, and this line is for role = \"target\"",
        ),
        (
            "act = 'isolate'\nside = 'outside'",
            "\"isolate\" is for inside sources, and this line is for side = \"outside\"; did you mean \
             \"ban\"?",
        ),
        (
            "act = 'isolate'\nrole = 'target'",
            "\"isolate\" is for inside sources, and this line is for role = \"target\"",
        ),
    ] {
        let fault = error(&format!("[[policy]]\n{text}\n"));
        assert_eq!(fault, format!("c:2: [[policy]] 1 act: {why}"));
    }
    for text in [
        "act = 'ban'",
        "act = 'ban'\nside = 'outside'\nrole = 'source'",
        "act = 'isolate'",
        "act = 'isolate'\nside = 'inside'\nnetwork_kind = ['static', 'dynamic']",
        "act = 'mail'\nside = 'outside'\nrole = 'target'",
        "act = 'none'\nnetwork_kind = 'shared'",
    ] {
        assert_eq!(faults(&format!("[[policy]]\n{text}\n")), [], "{text}");
    }
}

#[test]
fn lines_without_effect_are_warnings() {
    let after = "[[policy]]\nact = 'none'\n[[policy]]\nkind = 'scan'\n";
    let expected =
        "c:3: [[policy]] 2: never holds, because [[policy]] 1 before it has no condition";
    assert_eq!(warning(after), expected);
    let (config, _) = parse(after);
    assert_eq!(config.entries(&POLICY).len(), 2);
    assert_eq!(faults(&format!("{after}[[policy]]\n")).len(), 2);
    // The last line may be without a condition.
    assert_eq!(faults("[[policy]]\nkind = 'scan'\n[[policy]]\nact = 'none'\n"), []);

    let fault = warning("[[policy]]\nact = 'isolate'\nnetwork_kind = ['dynamic', 'shared']\n");
    assert!(
        fault.starts_with("c:2: [[policy]] 1 act: \"isolate\" acts in static networks"),
        "{fault}"
    );
    let fault = warning("[[policy]]\ntimezone = 'UTC'\n");
    assert!(fault.starts_with("c:2: [[policy]] 1 timezone: is used with hours only"), "{fault}");
}

#[test]
fn a_class_of_no_detector_is_a_warning() {
    let fault = warning("[[policy]]\nclass = ['sweep', 'swep', 'survey', 'hammer']\n");
    let expected =
        "c:2: [[policy]] 1 class: \"swep\" is the class of no detector; did you mean sweep?";
    assert_eq!(fault, expected);
    let fault = warning("[[policy]]\nclass = 'malware'\n");
    assert!(
        fault.contains("\"malware\" is the class of no detector; there are sweep, "),
        "{fault}"
    );
}

#[test]
fn incidents_are_kept_at_least_as_long_as_a_line_needs_them() {
    for (text, expected) in [
        (
            "[incident]\nkeep = '10d'\n[[policy]]\n[[policy]]\nuntil = '30d'\n",
            "c:2: [incident] keep: 10d is shorter than until of [[policy]] 2, 30d",
        ),
        (
            "[[policy]]\nact = 'ban'\nside = 'outside'\n[incident]\nkeep = '100h'\n",
            "c:5: [incident] keep: 100h is shorter than the longest ban of [[policy]] 1, 7d",
        ),
        (
            "[incident]\nkeep = '3d'\n[[policy]]\ndeadline = '3d'\n",
            "c:2: [incident] keep: 3d is shorter than deadline and claim_pause of [[policy]] 1, 4d",
        ),
        (
            "[incident]\nkeep = '90m'\n",
            "c:2: [incident] keep: 90m is shorter than deadline and claim_pause of incidents \
             without [[policy]], 2d",
        ),
        (
            "[[policy]]\nclose = '401d'\n",
            "c:1: [[policy]] 1: close is 401d, but incidents are kept for 400d; set keep of [incident]",
        ),
        (
            "[[policy]]\nremind = '500d'\n[[policy]]\nkind = 'scan'\nremind = '500d'\n",
            "c:1: [[policy]] 1: remind is 500d, but incidents are kept for 400d; set keep of \
             [incident]",
        ),
    ] {
        let errors: Vec<_> = faults(text).into_iter().filter(|(_, is_error)| *is_error).collect();
        assert_eq!(errors, [(expected.to_owned(), true)], "{text}");
    }
    for text in [
        "[incident]\nkeep = '2d'\n",
        "[incident]\nkeep = '7d'\n[[policy]]\nact = 'ban'\n",
        "[[policy]]\nuntil = '400d'\n",
        "[incident]\nkeep = '501d'\n[[policy]]\nuntil = '500d'\n",
    ] {
        assert_eq!(faults(text), [], "{text}");
    }
    // A value that is at fault is not taken for the default.
    let fault = error("[incident]\nkeep = '600'\n[[policy]]\nuntil = '500d'\n");
    assert!(fault.starts_with("c:2: [incident] keep: a duration needs a unit"), "{fault}");
}

/// The name of the longest time is that of the time which the rule itself says.
#[test]
fn the_longest_time_of_a_rule_has_its_name() {
    let rule = |change: fn(&mut Rule)| {
        let mut rule = Rule::default();
        change(&mut rule);
        (longest_time(&rule), rule.longest())
    };
    assert_eq!(rule(|_| ()), ("deadline and claim_pause", 2 * DAY));
    assert_eq!(rule(|rule| rule.remind = 9 * DAY), ("remind", 9 * DAY));
    assert_eq!(rule(|rule| rule.close = 9 * DAY), ("close", 9 * DAY));
    assert_eq!(rule(|rule| rule.until = Some(9 * DAY)), ("until", 9 * DAY));
    assert_eq!(rule(|rule| rule.act = Act::Ban), ("the longest ban", 7 * DAY));
    assert_eq!(rule(|rule| rule.claim_pause = 9 * DAY), ("deadline and claim_pause", 10 * DAY));
}
