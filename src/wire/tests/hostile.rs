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
    let limits = DecoderLimits { templates: 16, ..DecoderLimits::default() };
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
    let kept = seen.decoder.restate(Timestamp::default()).count();
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
    let limits = DecoderLimits {
        domains: 50,
        all_templates: 80,
        all_held: 8_000,
        ..DecoderLimits::default()
    };
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
    assert!(stats.iter().map(|(_, stats)| stats.held_bytes).sum::<u64>() <= 8_000);
    assert_eq!(decoder.totals().evicted.datagrams, 4_960);
}

/// Forged exporters that describe samplers push out who was silent longest.
#[test]
fn samplers_of_spoofed_exporters_are_bounded() {
    let limits = DecoderLimits { all_samplers: 100, ..DecoderLimits::default() };
    let mut decoder = Decoder::new(limits);
    let mut batch = Batch::default();
    let options = [1, 0, 0, 4, 0, 8, 0, 1, 0, 4, 0, 48, 0, 4, 0, 34, 0, 4, 0, 0];
    for n in 0..200u8 {
        let records = (0..10u32).flat_map(|id| [[0; 4], id.to_be_bytes(), [0, 0, 0, 9]].concat());
        let told = v9(&[&set(1, &options), &set(256, &records.collect::<Vec<_>>())]);
        let arrival = Timestamp::from_secs(n.into());
        decoder.datagram(IpAddr::from([10, 0, 0, n]), arrival, &told, &mut batch);
    }
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    assert_eq!(decoder.stats().count(), 10);
    assert!(decoder.stats().all(|(_, stats)| stats.option_records == 10));
    assert_eq!(decoder.totals().evicted_domains, 190);
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
    assert_eq!(seen.own().records, DecoderLimits::default().records as u64);
    // The same with records of variable length.
    let mut seen = Seen::of(&[&ipfix(&[&set(2, &template(256, &[(82, 65535)]))])]);
    seen.read(&ipfix(&[&set(256, &vec![0; 65_000])]));
    assert_eq!(seen.faults(), [(Fault::Records, 1)]);
    assert_eq!(seen.own().records, DecoderLimits::default().records as u64);
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
    let limits = DecoderLimits { samplers: 4, ..DecoderLimits::default() };
    let mut seen = Seen::with(limits);
    let options = [0, 1, 0, 22, 1, 1, 0, 4, 0, 8, 0, 1, 0, 0, 0, 48, 0, 2, 0, 50, 0, 2];
    seen.read(&v9(&[&options]));
    for n in 0..10u8 {
        seen.read(&v9(&[&set(257, &[0, n, 0, 100])]));
    }
    assert_eq!((seen.own().option_records, seen.own().refused_samplers), (10, 6));
}

/// Options data of ever new scopes, to be kept and restated, fills its domain's room and no more;
/// that of forged exporters costs the longest silent ones.
#[test]
fn ever_new_options_data_is_refused() {
    let limits = DecoderLimits { restated: 20_000, options: 5_000, ..DecoderLimits::default() };
    let mut decoder = Decoder::new(limits);
    let mut batch = Batch::default();
    // Scope line card, a name.
    let options = [1, 1, 0, 4, 0, 4, 0, 3, 0, 4, 0, 82, 255, 255];
    for n in 0..10u8 {
        let exporter = IpAddr::from([10, 0, 0, n]);
        let arrival = Timestamp::from_secs(n.into());
        decoder.watch(exporter, arrival, &v9(&[&set(1, &options)]), &mut batch);
        for card in 0..200u32 {
            let record = [&card.to_be_bytes()[..], &[2, b'a', b'b']].concat();
            decoder.watch(exporter, arrival, &v9(&[&set(257, &record)]), &mut batch);
        }
    }
    // Each takes 4 + 7 + 128 octets of 5,000, and so do four domains of 20,000.
    let refused: Vec<_> = decoder.stats().map(|(_, stats)| stats.refused_options).collect();
    assert_eq!(refused, [165; 4]);
    assert_eq!(decoder.totals().evicted_domains, 6);
    let octets: usize = decoder.restate(Timestamp::default()).map(|(_, d)| d.len()).sum();
    assert_eq!(octets, 4 * (20 + 20 + 4 + 35 * 7 + 3));
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

/// v1, v5 and v7 torn at every octet, and every octet changed to lie: of the records those that are
/// whole are read, and never more than there are.
#[test]
fn fixed_records_that_are_torn_or_lie_at_every_octet() {
    for (version, header, len) in [(1, 16, 48), (5, 24, 48), (7, 24, 52)] {
        // Three records of an address each; sysUpTime is later than what they say.
        let mut whole = vec![0, version, 0, 3, 0x7f, 0, 0, 0, 0x3b, 0x9a, 0xca, 0];
        whole.resize(header, 0);
        for n in 1..=3u8 {
            whole.extend([10, 0, 0, n]);
            whole.resize(header + len * usize::from(n), n);
        }
        let all = Seen::of(&[&whole]);
        assert_eq!((all.batch.flows.len(), all.faults()), (3, vec![]), "v{version}");
        for cut in 0..whole.len() {
            let seen = Seen::of(&[&whole[..cut]]);
            let held = cut.saturating_sub(header) / len;
            assert_eq!(seen.batch.flows, all.batch.flows[..held], "v{version} cut at {cut}");
            let faults = if cut < header { vec![] } else { vec![(Fault::Count, 1)] };
            let refused = u64::from(cut < header);
            assert_eq!((seen.faults(), seen.decoder.totals().short), (faults, refused));
        }
        for at in 0..whole.len() {
            for lie in [0, 1, 2, 3, 4, 5, 7, 127, 128, 255] {
                let mut lying = whole.clone();
                lying[at] = lie;
                let seen = Seen::of(&[&lying, &whole]);
                let flows = seen.batch.flows.len();
                assert!((3..=6).contains(&flows), "v{version}: {lie} at {at}: {flows}");
            }
        }
        // The largest count.
        whole[2..4].fill(0xff);
        let seen = Seen::of(&[&whole]);
        assert_eq!((seen.batch.flows.len(), seen.faults()), (3, vec![(Fault::Count, 1)]));
    }
}

/// A datagram of sFlow: the agent's address, and what comes after a header that counts `count`
/// samples.
fn sflow(agent: [u8; 4], count: u32, samples: &[&[u8]]) -> Vec<u8> {
    let head = [&[0, 0, 0, 5, 0, 0, 0, 1][..], &agent, &[0; 8], &[0, 0, 0x13, 0x88]].concat();
    [&head[..], &count.to_be_bytes(), &samples.concat()].concat()
}

/// A format and a length, which need not be that of what follows.
fn opaque(format: u32, stated: u32, body: &[u8]) -> Vec<u8> {
    [&format.to_be_bytes()[..], &stated.to_be_bytes(), body].concat()
}

/// A flow sample of the right length that counts `count` records.
fn sample(count: u32, records: &[u8]) -> Vec<u8> {
    let body = [&[0; 28][..], &count.to_be_bytes(), records].concat();
    opaque(1, body.len() as u32, &body)
}

/// What the agent read itself: UDP from 10.0.0.1 to 10.0.0.2.
#[rustfmt::skip]
const READ: [u8; 40] = [
    0, 0, 0, 3, 0, 0, 0, 32,
    0, 0, 0, 84, 0, 0, 0, 17, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 53, 0, 0, 0, 0, 0, 0, 0, 0,
];
const READ_FLOW: &str = "10.0.0.1:9>10.0.0.2:53/17 1 84";

/// Samples and records that have no octets take eight each, so that a datagram holds no more of them
/// than its octets allow.
#[test]
fn samples_of_no_octets_end_with_the_datagram() {
    let nothing = opaque(2, 0, &[]).repeat(8_000);
    let seen = Seen::of(&[&sflow([192, 0, 2, 7], u32::MAX, &[&nothing])]);
    assert_eq!((seen.own().counter_samples, seen.own().records), (8_000, 0));
    assert_eq!(seen.faults(), [(Fault::Count, 1)]);
    // Flow samples without a head: each is a fault, and few are told.
    let nothing = opaque(1, 0, &[]).repeat(8_000);
    let seen = Seen::of(&[&sflow([192, 0, 2, 7], 8_000, &[&nothing])]);
    assert_eq!(seen.faults(), [(Fault::Short, 8_000)]);
    assert_eq!(seen.batch.errors.len(), DecoderLimits::default().errors);
    // Records without octets in one sample, before the one that makes the flow.
    let records = [opaque(77, 0, &[]).repeat(4_000), READ.to_vec()].concat();
    let seen = Seen::of(&[&sflow([192, 0, 2, 7], 1, &[&sample(4_001, &records)])]);
    assert_eq!((seen.flows(), seen.faults()), (vec![READ_FLOW.to_owned()], vec![]));
}

/// Counts of 2^32-1 samples, records and segments of an AS path are believed as far as there are
/// octets.
#[test]
fn counts_of_sflow_that_lie_end_with_the_octets() {
    let good = sample(1, &READ);
    let path =
        [&[0, 0, 0, 1, 9, 9, 9, 9][..], &[0; 12], &[0xff; 4], &[0, 0, 0, 2, 0, 0, 0, 0]].concat();
    let gateway = opaque(1003, path.len() as u32, &path);
    let many = sample(u32::MAX, &[&gateway[..], &READ].concat());
    let seen = Seen::of(&[&sflow([192, 0, 2, 7], u32::MAX, &[&good, &many, &good])]);
    assert_eq!(seen.flows(), [READ_FLOW; 3]);
    // The path, the records, the samples.
    assert_eq!(seen.faults(), [(Fault::Short, 1), (Fault::Count, 2)]);
}

/// Lengths near 2^32 add up to nothing small: what they stand before ends with what it is in.
#[test]
fn lengths_of_sflow_that_would_wrap_cost_themselves() {
    for stated in [u32::MAX, u32::MAX - 7, u32::MAX - 40, 1 << 31] {
        // A record, a packet, the path of a gateway, and a sample.
        let record = sample(2, &[&READ[..], &opaque(1, stated, &[0; 16])].concat());
        let packet = [&[0, 0, 0, 1][..], &[0; 8], &stated.to_be_bytes(), &[2; 12]].concat();
        let packet = sample(2, &[&opaque(1, packet.len() as u32, &packet)[..], &READ].concat());
        let path = [&[0; 16][..], &[0, 0, 0, 1, 0, 0, 0, 2], &stated.to_be_bytes()].concat();
        let path = sample(2, &[&opaque(1003, path.len() as u32, &path)[..], &READ].concat());
        let mut last = sample(1, &READ);
        last[4..8].copy_from_slice(&stated.to_be_bytes());
        let datagram = sflow([192, 0, 2, 7], 4, &[&record, &packet, &path, &last]);
        let seen = Seen::of(&[&datagram]);
        assert_eq!(seen.flows(), [READ_FLOW; 4], "{stated}");
        assert_eq!(seen.faults(), [(Fault::Short, 1), (Fault::Overrun, 3)], "{stated}");
    }
}

/// The agent's address is the sender's word. Forged ones fill the table of domains and no more, and
/// change nothing of another protocol's domain of that address.
#[test]
fn forged_agents_fill_a_table_and_no_more() {
    let mut seen = Seen::with(DecoderLimits { domains: 50, ..DecoderLimits::default() });
    for n in 0..5_000u32 {
        // The router goes on sending in between.
        if n % 10 == 0 {
            seen.decoder.datagram(
                exporter(),
                Timestamp::from_secs(n.into()),
                &v9(&[&PLAIN9, &DATA]),
                &mut seen.batch,
            );
        }
        let agent = if n == 77 { [192, 0, 2, 1] } else { n.to_be_bytes() };
        let forged = sflow(agent, 1, &[&sample(1, &READ)]);
        seen.decoder.datagram(exporter(), Timestamp::from_secs(n.into()), &forged, &mut seen.batch);
    }
    assert_eq!(seen.decoder.stats().count(), 50);
    assert_eq!(seen.decoder.totals().evicted_domains, 5_001 - 50);
    let (_, router) = seen.decoder.stats().find(|(d, _)| **d == domain(Version::V9, 3)).unwrap();
    assert_eq!((router.datagrams, router.flows), (500, 500));
    assert_eq!(seen.batch.flows.len(), 5_500);
    // An address of an unknown type is no agent, and nobody's datagram.
    let mut odd = sflow([192, 0, 2, 7], 1, &[&sample(1, &READ)]);
    odd[7] = 9;
    seen.read(&odd);
    assert_eq!((seen.decoder.totals().short, seen.batch.flows.len()), (1, 5_500));
}

/// A datagram of sFlow torn at every octet, and every octet changed to lie: nothing panics, and its
/// records are no more than its octets.
#[test]
fn sflow_that_is_torn_or_lies_at_every_octet() {
    let whole = sflow([192, 0, 2, 7], 2, &[&sample(1, &READ), &sample(1, &READ)]);
    for cut in 0..whole.len() {
        let seen = Seen::of(&[&whole[..cut]]);
        assert!(seen.batch.flows.len() <= 2, "cut at {cut}");
        let foreign = seen.decoder.totals().foreign + seen.decoder.totals().short;
        assert!(foreign == 1 || !seen.faults().is_empty(), "cut at {cut}");
    }
    for at in 0..whole.len() {
        for lie in [0, 1, 3, 4, 127, 128, 255] {
            let mut lying = whole.clone();
            lying[at] = lie;
            let seen = Seen::of(&[&lying, &whole]);
            // Of v1, which the second octet makes it, it has three records.
            let most = if at == 1 { 5 } else { 4 };
            assert!((2..=most).contains(&seen.batch.flows.len()), "{lie} at {at}");
        }
    }
}

/// An exporter with a template, and an address that floods: what the exporter sends afterwards is
/// decoded, whatever the flood was.
struct Victim {
    decoder: Decoder,
    batch: Batch,
    secs: u64,
    /// Datagrams of data that it sent.
    sent: u64,
}

impl Victim {
    fn new(limits: DecoderLimits) -> Victim {
        let (decoder, batch) = (Decoder::new(limits), Batch::default());
        let mut victim = Victim { decoder, batch, secs: 1_000_000_000, sent: 0 };
        victim.from(exporter(), &v9(&[&PLAIN9]));
        victim
    }

    fn from(&mut self, sender: IpAddr, datagram: &[u8]) {
        let arrival = Timestamp::from_secs(self.secs);
        self.batch.errors.clear();
        self.decoder.datagram(sender, arrival, datagram, &mut self.batch);
    }

    fn speaks(&mut self) {
        self.from(exporter(), &v9(&[&DATA]));
        self.sent += 1;
    }

    #[track_caller]
    fn after_it(mut self) -> Decoder {
        self.secs += 1;
        self.speaks();
        let own = self.decoder.stats().find(|(d, _)| **d == domain(Version::V9, 3));
        let flows = own.map(|(_, stats)| stats.flows);
        assert_eq!(flows, Some(self.sent), "its template is forgotten");
        self.decoder
    }
}

/// The same datagram of another domain.
fn of_domain(mut datagram: Vec<u8>, id: u32) -> Vec<u8> {
    datagram[16..20].copy_from_slice(&id.to_be_bytes());
    datagram
}

fn attacker(n: u8) -> IpAddr {
    [198, 51, 100, n].into()
}

/// Its name, how many datagrams it has, and each of them.
type Flood = (&'static str, u32, fn(u32) -> Vec<u8>);

/// Returns floods that fill tables, with the number of datagrams that fill one: domains, domains with
/// templates, templates, options data, samplers, sets without a template, agents of sFlow.
fn floods() -> Vec<Flood> {
    vec![
        ("domains", 18_000, |n| of_domain(v9(&[]), n)),
        ("a template each", 18_000, |n| of_domain(v9(&[&set(0, &template(256, &[(8, 4)]))]), n)),
        ("templates", 400, |n| {
            let ids = (0..100).map(|id| template(300 + (n * 100 + id) as u16 % 512, &[(8, 4)]));
            of_domain(v9(&[&set(0, &ids.collect::<Vec<_>>().concat())]), n / 5)
        }),
        ("large templates", 14_500, |n| {
            let fields: Vec<_> = (0..300).map(|_| (4, 1)).collect();
            of_domain(v9(&[&set(0, &template(300 + n as u16 % 500, &fields))]), n / 500)
        }),
        ("options data", 1_500, |n| {
            let options = [1, 1, 0, 4, 0, 4, 0, 3, 0, 4, 0, 82, 0, 99];
            let records =
                (0..60u32).map(|card| [&(n * 60 + card).to_be_bytes()[..], &[b'x'; 99]].concat());
            let records: Vec<_> = records.collect();
            of_domain(v9(&[&set(1, &options), &set(257, &records.concat())]), n / 100)
        }),
        ("samplers", 700, |n| {
            let options = [1, 0, 0, 4, 0, 8, 0, 1, 0, 4, 0, 48, 0, 4, 0, 34, 0, 4, 0, 0];
            let records =
                (0..100u32).map(|id| [[0; 4], (n * 100 + id).to_be_bytes(), [0, 0, 0, 9]].concat());
            let records: Vec<_> = records.collect();
            of_domain(v9(&[&set(1, &options), &set(256, &records.concat())]), n / 10)
        }),
        ("held sets", 9_000, |n| of_domain(v9(&[&set(999, &[7; 1300])]), n)),
        ("agents", 18_000, |n| sflow(n.to_be_bytes(), 1, &[&sample(1, &READ)])),
    ]
}

#[test]
fn one_address_pushes_out_nobody_else() {
    for restated in [0, 16 << 20] {
        for (what, count, flood) in floods() {
            let mut victim = Victim::new(DecoderLimits { restated, ..DecoderLimits::default() });
            for n in 0..count {
                victim.from(attacker(1), &flood(n));
            }
            let decoder = victim.after_it();
            let totals = decoder.totals();
            assert!(totals.evicted_by.keys().all(|&by| by == attacker(1)), "{what}");
            let domains = decoder.stats().count();
            assert!(domains <= 2049, "{what}: {domains}");
        }
    }
}

/// Twelve addresses fill every table together, and pay for each other: a router with ten domains, which
/// was silent all the time, keeps them.
#[test]
fn some_addresses_push_out_nobody_smaller() {
    for (what, count, flood) in floods() {
        let mut victim =
            Victim::new(DecoderLimits { restated: 16 << 20, ..DecoderLimits::default() });
        for id in 100..110 {
            victim.from(exporter(), &of_domain(v9(&[&PLAIN9]), id));
        }
        let each = count / 8;
        for n in 0..12 * each {
            victim.from(attacker((n / each) as u8), &flood(n % each));
        }
        let decoder = victim.after_it();
        let own = decoder.stats().filter(|(d, _)| d.exporter == exporter()).count();
        assert_eq!(own, 11, "{what}");
        assert!(decoder.stats().count() <= DecoderLimits::default().domains);
    }
}

/// Ever new addresses push out each other: not an exporter that was there for a minute, even if it has
/// more domains than each of them, and was silent all the time.
#[test]
fn forged_addresses_push_out_nobody_who_was_there_before() {
    for (what, count, flood) in floods() {
        let mut victim =
            Victim::new(DecoderLimits { restated: 16 << 20, ..DecoderLimits::default() });
        for id in 100..110 {
            victim.from(exporter(), &of_domain(v9(&[&PLAIN9]), id));
        }
        victim.secs += 60;
        victim.speaks();
        for n in 0..count * 3 / 2 {
            victim.from(IpAddr::from((0x0a00_0000 | n).to_be_bytes()), &flood(n % 97));
        }
        let decoder = victim.after_it();
        let own = decoder.stats().filter(|(d, _)| d.exporter == exporter()).count();
        assert_eq!(own, 11, "{what}");
        assert!(decoder.totals().evicted_by.len() <= DecoderLimits::default().named, "{what}");
    }
}

/// A template in this domain.
fn in_domain(id: u32) -> Vec<u8> {
    of_domain(v9(&[&set(0, &template(256, &[(8, 4)]))]), id)
}

/// Sends what many addresses do for half an hour, each with less than the reserve of a table of 1024:
/// after a minute they are no newcomers, and then they need more than there is.
fn addresses_that_stay(victim: &mut Victim) {
    for second in 0..1800u32 {
        victim.secs += 1;
        let is_first_minute = second < 70;
        let senders =
            if is_first_minute { 0..800 } else { second % 8 * 100..second % 8 * 100 + 100 };
        for n in senders {
            let sender = IpAddr::from((0x0a00_0000 | n).to_be_bytes());
            victim.from(sender, &in_domain(if is_first_minute { 0 } else { second / 8 % 2 }));
        }
    }
}

/// An exporter that was there before them and speaks once in half an hour keeps what it has, and so does
/// one whose templates were restated and that did not speak yet.
#[test]
fn addresses_that_stay_push_out_nobody_who_was_there_before() {
    for limits in [
        DecoderLimits { domains: 1024, ..DecoderLimits::default() },
        DecoderLimits { all_templates: 1024, ..DecoderLimits::default() },
    ] {
        let mut victim = Victim::new(limits.clone());
        victim.secs += 60;
        victim.speaks();
        addresses_that_stay(&mut victim);
        victim.after_it();

        let mut victim = Victim::new(DecoderLimits::default());
        victim.decoder = Decoder::new(limits);
        victim.decoder.learn(exporter(), &v9(&[&PLAIN9]), &mut victim.batch);
        addresses_that_stay(&mut victim);
        victim.after_it();
    }
}

/// Newcomers that hold nothing of a table that is full do not shield those who fill it.
#[test]
fn addresses_without_templates_shield_nobody() {
    let mut victim = Victim::new(DecoderLimits { all_templates: 1280, ..DecoderLimits::default() });
    for id in 100..110 {
        victim.from(exporter(), &of_domain(v9(&[&PLAIN9]), id));
    }
    victim.secs += 60;
    victim.speaks();
    for n in 0..2000u32 {
        let sender = IpAddr::from((0x0a00_0000 | n).to_be_bytes());
        victim.from(sender, &if n < 100 { v9(&[]) } else { in_domain(0) });
    }
    let decoder = victim.after_it();
    let own = decoder.stats().filter(|(d, _)| d.exporter == exporter()).count();
    assert_eq!(own, 11);
}

/// Templates that a file restates at its head hold against all that comes later in the file.
#[test]
fn what_was_restated_is_not_pushed_out_by_ever_new_addresses() {
    let mut decoder = Decoder::new(DecoderLimits::default());
    let mut batch = Batch::default();
    decoder.learn(exporter(), &v9(&[&PLAIN9]), &mut batch);
    let at = |n: u32| Timestamp::from_secs(1_000_000_000 + u64::from(n) / 1000);
    for n in 0..40_000u32 {
        let forged = v9(&[&set(0, &template(256, &[(8, 4)]))]);
        decoder.datagram(IpAddr::from((0x0a00_0000 | n).to_be_bytes()), at(n), &forged, &mut batch);
    }
    decoder.datagram(exporter(), at(40_000), &v9(&[&DATA]), &mut batch);
    assert_eq!(batch.flows.len(), 1);
}

/// An address with one domain loses its least used templates where it has too many octets of them, and
/// that is counted.
#[test]
fn an_address_with_one_domain_pays_with_its_templates() {
    let limits =
        DecoderLimits { restated: 1 << 20, exporter_restated: 10_000, ..DecoderLimits::default() };
    let mut decoder = Decoder::new(limits);
    let mut batch = Batch::default();
    let fields: Vec<_> = (0..100).map(|_| (4, 1)).collect();
    for id in 0..100 {
        let datagram = v9(&[&set(0, &template(300 + id, &fields))]);
        decoder.watch(exporter(), Timestamp::from_secs(1), &datagram, &mut batch);
    }
    let (_, stats) = decoder.stats().next().unwrap();
    assert_eq!((stats.evicted_templates, decoder.totals().evicted_templates), (76, 76));
    let octets: usize = decoder.restate(Timestamp::default()).map(|(_, d)| d.len()).sum();
    assert!((9_000..11_000).contains(&octets), "{octets}");
    assert_eq!(decoder.totals().evicted_domains, 0);
}
