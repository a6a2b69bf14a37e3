//! Tests of the lines of a file, and of look-ups held to a search through all lines.

use super::*;
use proptest::prelude::*;

const FILE: &str = "network,mail,name\n\
    # the computing centre\n\
    140.119.0.0/16,noc@example.edu,Network Operation\n\
    \n\
    140.119.44.0/24,chang@cs.example.edu,\"張, 系統管理\"\n\
    140.119.44.0/24, lin@cs.example.edu\n\
    140.119.44.7, web@example.edu, Web\r\n\
    2001:288::/32,noc@example.edu,Network Operation\n";

fn parse(text: &str) -> Contacts {
    Contacts::parse(text.as_bytes()).unwrap()
}

/// Returns the messages about a file.
fn errors(text: &str) -> Vec<String> {
    let errors = Contacts::parse(text.as_bytes()).unwrap_err();
    errors.iter().map(ToString::to_string).collect()
}

fn mails(contacts: &Contacts, host: &str) -> Vec<String> {
    let list = contacts.of(network(host).unwrap()).map_or(&[][..], |of| of.contacts);
    list.iter().map(|contact| contact.mail.to_string()).collect()
}

fn kind(contacts: &Contacts, host: &str) -> NetworkKind {
    contacts.of(network(host).unwrap()).unwrap().kind
}

#[test]
fn a_look_up_returns_all_entries_of_the_longest_prefix() {
    let contacts = parse(FILE);
    assert_eq!(mails(&contacts, "140.119.1.1"), ["noc@example.edu"]);
    assert_eq!(mails(&contacts, "140.119.44.8"), ["chang@cs.example.edu", "lin@cs.example.edu"]);
    assert_eq!(mails(&contacts, "140.119.44.7"), ["web@example.edu"]);
    assert_eq!(mails(&contacts, "2001:288:1::9"), ["noc@example.edu"]);
    assert_eq!(mails(&contacts, "140.120.0.1"), [""; 0]);
    assert_eq!(mails(&contacts, "::ffff:140.119.44.7"), [""; 0], "an IPv6 address");
    assert_eq!(mails(&contacts, "140.119.44.0/25").len(), 2, "a network inside");
    assert_eq!(mails(&contacts, "140.119.32.0/19"), ["noc@example.edu"]);
    assert_eq!(mails(&contacts, "140.0.0.0/8"), [""; 0], "a network around");
    let of = contacts.of(network("140.119.44.8").unwrap()).unwrap();
    assert_eq!((of.net, of.kind), (network("140.119.44.0/24").unwrap(), NetworkKind::Unknown));
    assert_eq!((of.contacts[0].name.as_str(), of.contacts[0].lang), ("張, 系統管理", Lang::En));
}

#[test]
fn the_kind_is_that_of_the_longest_prefix_and_the_language_that_of_the_person() {
    let contacts = parse(
        "Network,MAIL,name,kind,lang\n\
         140.119.0.0/16,noc@example.edu,NOC,static\n\
         140.119.60.0/22,wifi@example.edu,,dynamic,zh-TW\n\
         140.119.60.0/22,noc@example.edu,NOC,,en\n\
         140.119.61.0/24,nat@example.edu,NAT,shared,\n\
         140.119.62.0/24,new@example.edu,New,,\n\
         140.119.63.0/24,late@example.edu,\n\
         140.119.63.0/24,LATE@example.edu,Late,static,zh-TW\n\
         2001:288::/32,noc@example.edu,NOC,\"static\", zh-TW\n",
    );
    assert_eq!(kind(&contacts, "140.119.1.1"), NetworkKind::Static);
    assert_eq!(kind(&contacts, "140.119.60.1"), NetworkKind::Dynamic, "one line states it");
    assert_eq!(kind(&contacts, "140.119.60.0/23"), NetworkKind::Dynamic);
    assert_eq!(kind(&contacts, "140.119.61.1"), NetworkKind::Shared);
    assert_eq!(kind(&contacts, "140.119.62.1"), NetworkKind::Unknown, "none of a wider network");
    assert_eq!(kind(&contacts, "140.119.63.1"), NetworkKind::Static, "a later line states it");
    assert_eq!(kind(&contacts, "2001:288::9"), NetworkKind::Static);
    let langs = |host: &str| {
        let of = contacts.of(network(host).unwrap()).unwrap();
        of.contacts.iter().map(|contact| contact.lang).collect::<Vec<_>>()
    };
    assert_eq!(langs("140.119.60.1"), [Lang::ZhTw, Lang::En]);
    assert_eq!(langs("140.119.61.1"), [Lang::En]);
    assert_eq!(langs("140.119.63.1"), [Lang::ZhTw], "the first line that states one holds");
    assert_eq!(langs("2001:288::9"), [Lang::En], "of any network");
    let late = contacts.of(network("140.119.63.1").unwrap()).unwrap();
    assert_eq!(late.contacts[0].name, "Late");
    assert_eq!(
        NetworkKind::STATED.map(|kind| kind.to_string()),
        ["static", "dynamic", "shared"].map(str::to_owned)
    );
    assert_eq!([Lang::En, Lang::ZhTw].map(|lang| lang.to_string()), ["en", "zh-TW"]);
    assert_eq!(NetworkKind::default().to_string(), "unknown");
}

#[test]
fn every_bad_line_is_reported_with_its_number() {
    let long = "x".repeat(MAX_NAME + 1);
    let bad = format!(
        "192.0.2.0/24,a@b\n10.1.0.0/8,a@b\nhost,a@b,Name\n192.0.2.0/24,a b@c\n192.0.2.1\n\
         192.0.2.1,a@b,\"x\nBcc: all@example.org\"\n192.0.2.1,a@b,\u{202e}gpj\n\
         192.0.2.1,a@b,c,static,en,6\n192.0.2.1,a@b,{long}\n192.0.2.1,a@b,c,Static\n\
         192.0.2.1,a@b,c,unknown\n192.0.2.1,a@b,c,,zh\n192.0.2.1,a@b,c,en\n"
    );
    assert_eq!(
        errors(&bad),
        [
            "2: \"10.1.0.0/8\" has bits set after its prefix; did you mean 10.0.0.0/8?",
            "3: \"host\" is not a network such as 192.0.2.0/24",
            "4: \"a b@c\" is not a mail address such as admin@example.org",
            "5: the line has 1 columns; it needs network,mail,name and may have kind,lang",
            "6: '\\n' is not allowed in a name",
            "8: '\\u{202e}' is not allowed in a name",
            "9: the line has 6 columns; it needs network,mail,name and may have kind,lang",
            "10: a name of more than 100 characters, the limit",
            "11: \"Static\" is no kind of network; say static, dynamic or shared, or leave it empty",
            "12: \"unknown\" is no kind of network; say static, dynamic or shared, or leave it empty",
            "13: \"zh\" is no language that nfkit writes; say en or zh-TW",
            "14: \"en\" is no kind of network; say static, dynamic or shared, or leave it empty",
        ]
    );
    let errors = Contacts::parse(b"192.0.2.0/24,a@b\n192.0.2.0/24,a@b,\xff\n").unwrap_err();
    assert_eq!(errors[0].to_string(), "2: not UTF-8");
    assert_eq!(Contacts::parse("x\n".repeat(99).as_bytes()).unwrap_err().len(), MAX_ERRORS);
}

#[test]
fn two_kinds_of_one_network_are_an_error_that_names_both_lines() {
    let text = "10.0.0.0/8,a@b,A\n\
        # Wi-Fi\n\
        10.0.0.0/8,c@d,C,dynamic\n\
        10.0.0.0/9,c@d,C,static\n\
        10.0.0.0/8,e@f,E,\n\
        10.0.0.0/8,g@h,G,dynamic\n\
        10.0.0.0/8,i@j,I,static\n\
        10.0.0.1,a@b,A,shared\n\
        10.0.0.1/32,c@d,C,static\n";
    assert_eq!(
        errors(text),
        [
            "7: 10.0.0.0/8 is static here and dynamic in line 3; a network has one kind",
            "9: 10.0.0.1/32 is static here and shared in line 8; a network has one kind",
        ]
    );
    // csv counts no line that ends with a carriage return alone.
    assert_eq!(errors("10.0.0.0/8,a@b,,static\r10.0.0.0/8,a@b,,shared\r").len(), 1);
}

#[test]
fn comments_and_empty_lines_count_as_lines() {
    let text = "# a\n\n#b\r\n\r\nnetwork,mail\r\n#c\n\n10.0.0.0/8,a@b,A\n\n# d\n\nx,a@b\n#e\ny,a@b";
    let is_bad = |message: &str| message.ends_with("is not a network such as 192.0.2.0/24");
    let said = errors(text);
    assert!(said.iter().all(|message| is_bad(message)), "{said:?}");
    assert_eq!(said.iter().map(|said| &said[..3]).collect::<Vec<_>>(), ["12:", "14:"]);
    let errors = Contacts::parse(b"#\n\n10.0.0.0/8,a@b,\xff\n").unwrap_err();
    assert_eq!(errors[0].to_string(), "3: not UTF-8");
}

#[test]
fn a_header_names_the_columns_in_their_order() {
    for header in [
        "network,mail",
        "NETWORK, Mail ,anything",
        "network,mail,name,kind",
        "network,mail,name,kind,lang",
        "\u{feff}network,mail,name,Kind,Lang",
    ] {
        assert!(parse(&format!("{header}\n")).is_empty(), "{header}");
        // Only the first line is a header.
        assert_eq!(errors(&format!("10.0.0.0/8,a@b\n{header}\n")).len(), 1, "{header}");
    }
    for header in ["network,mail,name,lang", "network,mail,name,kind,lang,x", "network,mail,name,,"]
    {
        assert_eq!(
            errors(&format!("{header}\n10.0.0.0/8,a@b\n")),
            ["1: the columns of the file must be network,mail,name,kind,lang, in this order"]
        );
    }
}

#[test]
fn a_person_is_one_of_a_network_however_many_lines_name_them() {
    let lines = (0..50_000).map(|n| format!("10.0.0.0/8,a{}@b\n", n % 25_000));
    let contacts = parse(&lines.collect::<Vec<_>>().concat());
    assert_eq!(contacts.of(network("10.0.0.1").unwrap()).unwrap().contacts.len(), 25_000);
}

/// Returns a strategy for networks that often lie inside each other, of both families.
fn any_network() -> impl Strategy<Value = IpNet> {
    (any::<u8>(), 0u8..=32, any::<bool>()).prop_map(|(low, length, v6)| {
        let (address, more): (IpAddr, u8) = if v6 {
            ([0x20, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, low].into(), 96)
        } else {
            ([192, 0, 2, low].into(), 0)
        };
        IpNet::new(address, length + more).unwrap().trunc()
    })
}

proptest! {
    #[test]
    fn look_ups_agree_with_a_search_through_all_lines(
        lines in proptest::collection::vec((any_network(), 0usize..4), 0..12), asked in any_network(),
    ) {
        let words = ["", "static", "dynamic", "shared"];
        let kinds = [
            NetworkKind::Unknown, NetworkKind::Static, NetworkKind::Dynamic, NetworkKind::Shared,
        ];
        let text = lines.iter().enumerate();
        let text = text.map(|(n, (net, kind))| format!("{net},{n}@example.org,,{}\n", words[*kind]));
        let parsed = Contacts::parse(text.collect::<Vec<_>>().concat().as_bytes());
        // The first stated kind of a network is compared with every later one.
        let stated = |net: IpNet| lines.iter().find(|line| line.0 == net && line.1 > 0);
        let conflicts: Vec<_> = (1u64..)
            .zip(&lines)
            .filter(|(_, line)| line.1 > 0 && stated(line.0).is_some_and(|first| first.1 != line.1))
            .map(|(n, _)| n)
            .collect();
        let contacts = match parsed {
            Ok(contacts) => contacts,
            Err(errors) => {
                let errors: Vec<_> = errors.iter().map(|error| error.line).collect();
                prop_assert_eq!(errors, conflicts);
                return Ok(());
            }
        };
        prop_assert_eq!(conflicts, Vec::<u64>::new());
        let whole = |net: IpNet| {
            let mails = lines.iter().enumerate().filter(|(_, line)| line.0 == net);
            let mails: Vec<_> = mails.map(|(n, _)| format!("{n}@example.org")).collect();
            (net, stated(net).map_or(NetworkKind::Unknown, |line| kinds[line.1]), mails)
        };
        let found = |of: Responsible<'_>| {
            let mails = of.contacts.iter().map(|contact| contact.mail.to_string());
            (of.net, of.kind, mails.collect::<Vec<_>>())
        };
        for host in [asked, asked.addr().into()] {
            let nets = lines.iter().map(|line| line.0);
            let longest = nets.filter(|net| net.contains(&host)).max_by_key(IpNet::prefix_len);
            prop_assert_eq!(contacts.of(host).map(found), longest.map(whole));
        }
        let mut nets: Vec<_> = lines.iter().map(|line| line.0).collect();
        nets.sort();
        nets.dedup();
        let all: Vec<_> = nets.iter().map(|net| whole(*net)).collect();
        prop_assert_eq!(contacts.networks().map(found).collect::<Vec<_>>(), all);
        let inside: Vec<_> =
            nets.iter().filter(|net| asked.contains(*net)).map(|net| whole(*net)).collect();
        prop_assert_eq!(contacts.has_part_of(asked), !inside.is_empty());
        prop_assert_eq!(contacts.inside(asked).map(found).collect::<Vec<_>>(), inside);
    }
}
