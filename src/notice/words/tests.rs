//! Tests of the words of all languages.

use std::collections::BTreeSet;

use unicode_width::UnicodeWidthStr;

use super::table::SituationWords;
use super::*;
use crate::finding::tests::finding;
use crate::finding::{Finding, Kind, Role, words};
use crate::report::LocalTime;
use crate::time::Window;

const LANGS: [Lang; 2] = [Lang::En, Lang::ZhTw];

fn has_han(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// Returns the names in braces.
fn names(text: &str) -> BTreeSet<&str> {
    let opened = text.split('{').skip(1);
    opened.map(|part| part.split_once('}').expect("a closing brace").0).collect()
}

#[test]
fn each_text_is_in_each_language_with_the_same_names() {
    let all = LANGS.map(|lang| {
        let words = words_of(lang);
        [words.texts.all(), words.letter.all()].concat()
    });
    for ((name, en), (same, zh)) in all[0].iter().zip(&all[1]) {
        assert_eq!(name, same);
        assert_eq!(names(en), names(zh), "{name}");
        assert!(!en.is_empty() && !zh.is_empty() && en.is_ascii(), "{name}");
        // A text of names alone may be the same.
        let names = names(en).into_iter();
        let rest = names.fold((*en).to_owned(), |text, name| text.replace(name, ""));
        if rest.chars().any(char::is_alphanumeric) {
            assert!(has_han(zh) || ["several", "and_list"].contains(name), "{name}: {zh}");
        }
    }
}

#[test]
fn each_situation_has_words_in_each_language() {
    for lang in LANGS {
        let words = words_of(lang);
        let mut seen = BTreeSet::new();
        for situation in Situation::ALL {
            let SituationWords { short, long, meaning } = (words.situation)(situation);
            assert!(seen.insert(long), "{lang} {situation:?}: {long}");
            for text in [&[short, long][..], meaning].concat() {
                assert_eq!(has_han(text), lang == Lang::ZhTw, "{lang} {situation:?}: {text}");
                assert!(names(text).is_subset(&BTreeSet::from(["tell"])), "{text}");
                assert!(!text.contains("  "), "{lang} {situation:?}: {text}");
            }
            let same = (words_of(Lang::En).situation)(situation).meaning.len();
            assert_eq!(meaning.len(), same, "{lang} {situation:?}");
            // Only the last paragraph is about innocent reasons, so a short text may leave it out.
            let tells: Vec<_> = meaning.iter().map(|text| text.contains("{tell}")).collect();
            assert!(!names(short).contains("tell") && !names(long).contains("tell"));
            let expected = (0..meaning.len()).map(|n| n > 0 && n + 1 == meaning.len());
            assert_eq!(tells, expected.collect::<Vec<_>>(), "{lang} {situation:?}");
        }
    }
    let [en, zh] = LANGS.map(words_of);
    assert_eq!(en.check_suspect.len(), zh.check_suspect.len());
    assert_eq!(en.check_victim.len(), zh.check_victim.len());
    for words in [en, zh] {
        for list in [words.check_suspect_short, words.check_victim_short] {
            // Each check is one line of a mail, behind its number.
            assert!(list.len() == 5 && list.iter().all(|text| text.width() <= WIDTH - 5));
            assert!(list.iter().all(|text| has_han(text) == (words.lang == Lang::ZhTw)));
        }
    }
    for mark in ["forged", "sampled", "lossy", "oneway", "outbreak", "survey", "inner", "spoke"] {
        for role in [Role::Source, Role::Target] {
            let both = [en, zh].map(|words| (words.mark)(mark, role));
            assert_eq!(both[0].is_some(), both[1].is_some(), "{mark}");
            assert!(both[1].is_none_or(has_han), "{mark}");
        }
    }
}

/// The classes that have words of their own, with their roles.
const CLASSES: [(Kind, Role, &[&str]); 6] = [
    (Kind::Scan, Role::Source, &["horizontal", "vertical", "lateral", "listed"]),
    (Kind::Scan, Role::Target, &["backscatter"]),
    (
        Kind::Flood,
        Role::Target,
        &["dos", "ddos", "reflection", "volume", "carpet", "outage", "new"],
    ),
    (Kind::Flood, Role::Source, &["dos", "outbound", "reflection"]),
    (Kind::Port, Role::Source, &["spread", "bruteforce", "spam", "infected"]),
    (Kind::Port, Role::Target, &["bruteforce", "swarm"]),
];

#[test]
fn each_class_has_words_of_its_own() {
    let mut seen = BTreeSet::new();
    for (kind, role, classes) in CLASSES {
        for class in classes {
            let base = finding([10, 0, 0, 1], kind, role);
            let situation = Situation::of(&Finding { class: (*class).to_owned(), ..base });
            assert_eq!(situation.is_suspect(), role == Role::Source, "{kind} {class}");
            let SituationWords { long, meaning, .. } = (en::WORDS.situation)(situation);
            assert!(seen.insert(long), "{kind} {class}: {long}");
            let [first, rest @ ..] = meaning else { panic!("{kind} {class}") };
            assert!(first.len() > 100 && !rest.is_empty(), "{kind} {class}");
        }
    }
}

#[test]
fn an_unknown_class_gets_the_words_of_its_kind() {
    let of = |kind, role, class: &str| {
        Situation::of(&Finding { class: class.to_owned(), ..finding([10, 0, 0, 1], kind, role) })
    };
    assert_eq!(of(Kind::Flood, Role::Target, "new"), Situation::FloodVictim);
    assert_eq!(of(Kind::Scan, Role::Source, "new"), Situation::Scanner);
    assert_eq!(of(Kind::Scan, Role::Target, "new"), Situation::Victim);
    assert_eq!(of(Kind::Flood, Role::Source, "new"), Situation::Flooder);
    assert_eq!(of(Kind::Port, Role::Source, "new"), Situation::PortAttacker);
    assert_eq!(of(Kind::Port, Role::Target, "spam"), Situation::Victim);
}

#[test]
fn windows_and_numbers_in_words() {
    let window =
        |lang, start, seconds| words_of(lang).window(Window::new(start, seconds), &LocalTime::UTC);
    let start = 998_068_800;
    assert_eq!(window(Lang::En, start, 600), "2001-08-17 17:20 to 17:30 UTC (10 minutes)");
    assert_eq!(window(Lang::ZhTw, start, 600), "2001-08-17 17:20 至 17:30 UTC（10 分鐘）");
    assert_eq!(window(Lang::ZhTw, start, 3600).rsplit('（').next(), Some("1 小時）"));
    assert_eq!(
        window(Lang::En, 998_092_740, 61),
        "2001-08-17 23:59 to 2001-08-18 00:00:01 UTC (61 seconds)"
    );
    assert_eq!(words_of(Lang::ZhTw).window(None, &LocalTime::UTC), "資料未載明時間");
    let port = |proto, port| (words_of(Lang::ZhTw).port)(proto, port);
    assert_eq!(port(Some(6), Some(22)), "TCP 埠 22（ssh）");
    assert_eq!(port(Some(1), Some(0x0800)), "ICMP 類型 8 代碼 0（回應要求）");
    assert_eq!(port(Some(200), Some(7)), "IP 協定 200 埠 7");
    assert_eq!(port(None, None), "多種協定與埠");
    assert_eq!((words_of(Lang::ZhTw).count)(2540, Noun::Flow), "2,540 筆流量紀錄");
}

#[test]
fn each_service_that_has_english_words_has_chinese_ones() {
    for proto in [1, 6, 17, 58] {
        for number in 0..=u16::MAX {
            let Some(name) = words::service(Some(proto), Some(number)) else { continue };
            let text = (zh_tw::WORDS.port)(Some(proto), Some(number));
            let inside = text.split('（').nth(1).unwrap();
            // Names of protocols and products stay.
            let is_name = match name {
                "web" | "mail" | "unreachable" | "printer" => false,
                "Microsoft SQL" => true,
                name => !name.contains(' '),
            };
            assert_eq!(has_han(inside), !is_name, "{name}: {text}");
        }
    }
}

#[test]
fn each_measure_that_comes_first_has_words_in_each_language() {
    // The first conditions of the classes of nfkit-finding(5).
    for measure in [
        "hosts",
        "targets",
        "nets",
        "ports",
        "pairs",
        "sources",
        "dark",
        "failed",
        "flows",
        "packets",
        "pps",
        "mbps",
        "answerspps",
        "sessions",
        "sessions1h",
        "refusals",
        "protocols",
        "minute",
        "in10s",
        "targets1d",
    ] {
        let [en, zh] = LANGS.map(|lang| (words_of(lang).measure)(measure).unwrap());
        assert!(names(en) == names(zh) && names(en).contains("value"), "{measure}");
        assert!(has_han(zh) && en.is_ascii(), "{measure}");
    }
    assert!(LANGS.iter().all(|&lang| (words_of(lang).measure)("new").is_none()));
}

#[test]
fn names_in_values_stay_and_chinese_is_spaced() {
    let en = words_of(Lang::En);
    assert_eq!(en.fill("a {x} b {y}", &[("x", "{y}"), ("y", "1")]), "a {y} b 1");
    assert_eq!(en.fill("{z} {", &[]), "{z} {}");
    let zh = words_of(Lang::ZhTw);
    assert_eq!(zh.fill("埠{x}，共{x}筆", &[("x", "22")]), "埠 22，共 22 筆");
    assert_eq!(zh.fill("{site}路由器", &[("site", "NCCU政大")]), "NCCU政大路由器");
}

#[test]
fn a_rule_is_reduced_to_printable_ascii() {
    assert_eq!(plain("a\u{202e}b\u{1b}[2J\u{e9}"), "a?b?[2J?");
    assert_eq!(plain(&"x".repeat(4000)).len(), 200);
}
