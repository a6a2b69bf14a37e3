//! What a hostile exporter can send, one attack a test: each meets a bound, and a counter says so.

use super::*;

/// A set of this id with this body.
fn set(id: u16, body: &[u8]) -> Vec<u8> {
    let len = 4 + body.len() as u16;
    [&id.to_be_bytes()[..], &len.to_be_bytes(), body].concat()
}

/// A template record of these (element, length).
fn template(id: u16, fields: &[(u16, u16)]) -> Vec<u8> {
    let mut record = [id.to_be_bytes(), (fields.len() as u16).to_be_bytes()].concat();
    for (element, len) in fields {
        record.extend(element.to_be_bytes().into_iter().chain(len.to_be_bytes()));
    }
    record
}

/// Ever new templates push out the least recently used, and cost neither memory nor a search.
#[test]
fn a_template_storm_costs_the_unused_templates() {
    let limits = Limits { templates: 16, ..Limits::default() };
    let mut seen = Seen::with(limits);
    seen.read(&v9(&[&PLAIN9]));
    let mut id = 300u16;
    for _ in 0..40 {
        let mut records = Vec::new();
        for _ in 0..100 {
            records.extend(template(id, &[(8, 4), (12, 4)]));
            id = id % 60_000 + 300;
            // The one in use stays.
        }
        let half = records.len() / 2 / 12 * 12;
        for part in [&records[..half.min(15 * 12)], &DATA[..0]] {
            seen.read(&v9(&[&set(0, part), &DATA]));
        }
    }
    let own = seen.own();
    assert_eq!(own.flows, 80, "the template in use was thrown out");
    assert_eq!(own.evicted_templates, own.templates - 16);
    let kept = seen.decoder.templates_in_force(Timestamp::default()).count();
    assert_eq!(kept, 0, "definitions are kept only where asked for");
}

/// Sets, records and fields of length 0 where a loop would not get on.
#[test]
fn a_length_of_zero_ends_what_it_stands_in() {
    // A set of length 0, then octets that are no padding.
    let seen = Seen::of(&[&v9(&[&PLAIN9, &[1, 0, 0, 0, 9, 9, 9, 9]])]);
    assert_eq!(seen.faults(), [(Fault::SetLength, 1)]);
    // Records of no octets.
    let seen = Seen::of(&[&v9(&[&set(0, &template(256, &[(8, 0), (12, 0)])), &DATA])]);
    assert_eq!(seen.faults(), [(Fault::TemplateLength, 1)]);
    assert!(seen.batch.flows.is_empty());
    // A field of variable length that is empty, in a record of nothing else.
    let empty = ipfix(&[&set(2, &template(256, &[(82, 65535)])), &set(256, &[0; 12])]);
    let seen = Seen::of(&[&empty]);
    assert_eq!((seen.own().records, seen.own().no_address), (12, 12));
}

/// A template that says it has 65,535 fields, and one that has more than are taken.
#[test]
fn a_template_of_65535_fields_is_refused() {
    let stated = [1, 0, 255, 255, 0, 8, 0, 4, 0, 12, 0, 4];
    for datagram in [v9(&[&set(0, &stated), &DATA]), ipfix(&[&set(2, &stated), &DATA])] {
        let seen = Seen::of(&[&datagram]);
        assert_eq!(seen.faults(), [(Fault::Short, 1)]);
        assert_eq!(seen.own().undecodable_sets, 1);
    }
    let fields = vec![(8, 4); 600];
    let seen = Seen::of(&[&v9(&[&set(0, &template(256, &fields))])]);
    assert_eq!(seen.faults(), [(Fault::TemplateFields, 1)]);
}

/// Forged exporters fill the table of domains and no more, with what each holds.
#[test]
fn spoofed_exporters_fill_a_table_and_no_more() {
    let limits = Limits { domains: 50, all_templates: 80, all_held: 8_000, ..Limits::default() };
    let mut decoder = Decoder::new(limits);
    let mut batch = Batch::default();
    for n in 0..5_000u32 {
        let exporter = IpAddr::from(n.to_be_bytes());
        let held = set(999, &[7; 60]);
        let two = [&template(256, &[(8, 4), (12, 4)])[..], &template(257, &[(8, 4)])].concat();
        let arrival = Timestamp::from_secs(n.into());
        decoder.datagram(exporter, arrival, &v9(&[&set(0, &two), &held]), &mut batch);
    }
    let stats: Vec<_> = decoder.stats().collect();
    assert_eq!(stats.len(), 40, "80 templates, two in each domain");
    assert_eq!(decoder.totals().evicted_domains, 4_960);
    assert!(stats.iter().map(|(_, stats)| stats.held_octets).sum::<u64>() <= 8_000);
    assert_eq!(decoder.totals().evicted.datagrams, 4_960);
}

/// The values of a datagram are no more than its octets, and its records no more than the limit.
#[test]
fn a_datagram_of_millions_of_values_is_cut_short() {
    // 512 fields, all but one of no octets: 65,000 records of one octet would be 33 million values.
    let mut fields = vec![(2, 0); 511];
    fields.push((2, 1));
    let mut seen = Seen::of(&[&v9(&[&set(0, &template(256, &fields))])]);
    seen.read(&v9(&[&set(256, &vec![1; 65_000])]));
    assert_eq!(seen.faults(), [(Fault::Records, 1)]);
    assert_eq!(seen.own().records, Limits::default().records as u64);
    // The same with records of variable length.
    let mut seen = Seen::of(&[&ipfix(&[&set(2, &template(256, &[(82, 65535)]))])]);
    seen.read(&ipfix(&[&set(256, &vec![0; 65_000])]));
    assert_eq!(seen.faults(), [(Fault::Records, 1)]);
    assert_eq!(seen.own().records, Limits::default().records as u64);
}

/// A set without its template, the template and the data in one datagram: nothing is lost, and the
/// unknown set costs only itself.
#[test]
fn an_unknown_set_before_the_template_costs_itself() {
    let unknown = set(900, &[1, 2, 3, 4]);
    let seen = Seen::of(&[&v9(&[&unknown, &DATA, &PLAIN9, &DATA])]);
    assert_eq!(seen.flows(), [FLOW, FLOW]);
    assert_eq!((seen.batch.late, seen.own().undecodable_sets), (1, 1));
    assert_eq!(seen.own().missing.keys().collect::<Vec<_>>(), [&900]);
}

/// Samplers without end fill a table and no more.
#[test]
fn ever_new_samplers_are_counted() {
    let limits = Limits { samplers: 4, ..Limits::default() };
    let mut seen = Seen::with(limits);
    let options = [0, 1, 0, 22, 1, 1, 0, 4, 0, 8, 0, 1, 0, 0, 0, 48, 0, 2, 0, 50, 0, 2];
    seen.read(&v9(&[&options]));
    for n in 0..10u8 {
        seen.read(&v9(&[&set(257, &[0, n, 0, 100])]));
    }
    assert_eq!((seen.own().option_records, seen.own().refused_samplers), (10, 6));
}

/// Every length in a datagram torn at every octet, and every octet changed to lie: nothing panics,
/// and whole records before the place are read.
#[test]
fn lengths_that_are_torn_or_lie_at_every_octet() {
    let options = [0, 1, 0, 18, 1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4];
    let named = [0, 2, 0, 20, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 82, 255, 255];
    let long = set(257, &[10, 0, 0, 1, 10, 0, 0, 2, 255, 0, 3, 65, 66, 67, 10, 0, 0, 1]);
    let whole = [
        v9(&[&PLAIN9, &DATA, &options, &[1, 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 9], &DATA]),
        ipfix(&[&PLAIN10, &DATA, &named, &long, &DATA]),
    ];
    for datagram in &whole {
        let all = Seen::of(&[datagram]).batch.flows;
        assert!(all.len() >= 2);
        for cut in 0..datagram.len() {
            let seen = Seen::of(&[&datagram[..cut]]);
            assert!(all.starts_with(&seen.batch.flows), "cut at {cut}");
        }
        for at in 0..datagram.len() {
            for lie in [0, 1, 3, 4, 127, 128, 255] {
                let mut lying = datagram.clone();
                lying[at] = lie;
                // What comes after a lie is still bounded by its octets.
                let seen = Seen::of(&[&lying, datagram]);
                let octets = (lying.len() + datagram.len()) as u64;
                let stats = seen.stats();
                assert!(stats.records + stats.option_records <= octets, "{lie} at {at}");
            }
        }
    }
}
