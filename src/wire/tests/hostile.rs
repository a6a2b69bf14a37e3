//! Attacks by a hostile exporter, one a test. Each meets a limit, and a counter shows it.

use super::*;

/// Ever new templates evict the least recently used ones, and cost neither memory nor a search.
#[test]
fn a_flood_of_templates_evicts_the_unused_ones() {
    let limits = DecoderLimits { templates: 16, ..DecoderLimits::default() };
    let mut decoded = Decoded::with(limits);
    decoded.read(&v9(&[&PLAIN9]));
    let mut id = 300u16;
    for _ in 0..40 {
        let mut records = Vec::new();
        for _ in 0..100 {
            records.extend(template(id, &[(8, 4), (12, 4)]));
            id = id % 60_000 + 300;
        }
        let half = records.len() / 2 / 12 * 12;
        for part in [&records[..half.min(15 * 12)], &DATA[..0]] {
            decoded.read(&v9(&[&set(0, part), &DATA]));
        }
    }
    let stats = decoded.only_domain();
    assert_eq!(stats.flows, 80, "the template in use was evicted");
    assert_eq!(stats.evicted_templates, stats.templates - 16);
    let kept = decoded.decoder.restate(Timestamp::default()).count();
    assert_eq!(kept, 0, "definitions are kept only if the limits ask for it");
}

/// Sets, records and fields of length 0, which could make a loop run for ever.
#[test]
fn a_length_of_zero_ends_its_set() {
    // A set of length 0, then bytes that are no padding.
    let decoded = Decoded::of(&[&v9(&[&PLAIN9, &[1, 0, 0, 0, 9, 9, 9, 9]])]);
    assert_eq!(decoded.faults(), [(Fault::SetLength, 1)]);
    // Records of no bytes.
    let decoded = Decoded::of(&[&v9(&[&set(0, &template(256, &[(8, 0), (12, 0)])), &DATA])]);
    assert_eq!(decoded.faults(), [(Fault::TemplateLength, 1)]);
    assert!(decoded.batch.flows.is_empty());
    // Records of one field of variable length, which is empty.
    let empty = ipfix(&[&set(2, &template(256, &[(82, 65535)])), &set(256, &[0; 12])]);
    let decoded = Decoded::of(&[&empty]);
    assert_eq!((decoded.only_domain().records, decoded.only_domain().no_address), (12, 12));
}

/// A template that claims 65,535 fields, and one with more fields than the limit.
#[test]
fn a_template_of_65535_fields_is_refused() {
    let stated = [1, 0, 255, 255, 0, 8, 0, 4, 0, 12, 0, 4];
    for datagram in [v9(&[&set(0, &stated), &DATA]), ipfix(&[&set(2, &stated), &DATA])] {
        let decoded = Decoded::of(&[&datagram]);
        assert_eq!(decoded.faults(), [(Fault::Short, 1)]);
        assert_eq!(decoded.only_domain().undecodable_sets, 1);
    }
    let fields = vec![(8, 4); 600];
    let decoded = Decoded::of(&[&v9(&[&set(0, &template(256, &fields))])]);
    assert_eq!(decoded.faults(), [(Fault::TemplateFields, 1)]);
}

/// Forged exporters with templates and pending sets fill the tables up to their limits.
#[test]
fn forged_exporters_stay_within_the_limits() {
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

/// Forged exporters that describe samplers evict the longest silent ones.
#[test]
fn samplers_of_forged_exporters_stay_within_the_limits() {
    let limits = DecoderLimits { all_samplers: 100, ..DecoderLimits::default() };
    let mut decoder = Decoder::new(limits);
    let mut batch = Batch::default();
    let options = [1, 0, 0, 4, 0, 8, 0, 1, 0, 4, 0, 48, 0, 4, 0, 34, 0, 4, 0, 0];
    for n in 0..200u8 {
        let records = (0..10u32).flat_map(|id| [[0; 4], id.to_be_bytes(), [0, 0, 0, 9]].concat());
        let samplers = v9(&[&set(1, &options), &set(256, &records.collect::<Vec<_>>())]);
        let arrival = Timestamp::from_secs(n.into());
        decoder.datagram(IpAddr::from([10, 0, 0, n]), arrival, &samplers, &mut batch);
    }
    assert!(batch.errors.is_empty(), "{:?}", batch.errors);
    assert_eq!(decoder.stats().count(), 10);
    assert!(decoder.stats().all(|(_, stats)| stats.option_records == 10));
    assert_eq!(decoder.totals().evicted_domains, 190);
}

/// A datagram has no more values than bytes, and a set no more records than the limit.
#[test]
fn a_datagram_of_millions_of_values_is_cut_short() {
    // 512 fields, all but one of no bytes: 65,000 records of one byte would have 33 million values.
    let mut fields = vec![(2, 0); 511];
    fields.push((2, 1));
    let mut decoded = Decoded::of(&[&v9(&[&set(0, &template(256, &fields))])]);
    decoded.read(&v9(&[&set(256, &vec![1; 65_000])]));
    assert_eq!(decoded.faults(), [(Fault::Records, 1)]);
    assert_eq!(decoded.only_domain().records, DecoderLimits::default().records as u64);
    // Records of variable length.
    let mut decoded = Decoded::of(&[&ipfix(&[&set(2, &template(256, &[(82, 65535)]))])]);
    decoded.read(&ipfix(&[&set(256, &vec![0; 65_000])]));
    assert_eq!(decoded.faults(), [(Fault::Records, 1)]);
    assert_eq!(decoded.only_domain().records, DecoderLimits::default().records as u64);
}

/// A set of an unknown template, and data before and after its template, in one datagram: the unknown
/// set costs only itself.
#[test]
fn an_unknown_set_costs_only_itself() {
    let unknown = set(900, &[1, 2, 3, 4]);
    let decoded = Decoded::of(&[&v9(&[&unknown, &DATA, &PLAIN9, &DATA])]);
    assert_eq!(decoded.flows(), [FLOW, FLOW]);
    assert_eq!((decoded.batch.late, decoded.only_domain().undecodable_sets), (1, 1));
    assert_eq!(decoded.only_domain().missing.keys().collect::<Vec<_>>(), [&900]);
}

/// Ever new samplers fill a table up to its limit.
#[test]
fn ever_new_samplers_are_refused() {
    let limits = DecoderLimits { samplers: 4, ..DecoderLimits::default() };
    let mut decoded = Decoded::with(limits);
    let options = [0, 1, 0, 22, 1, 1, 0, 4, 0, 8, 0, 1, 0, 0, 0, 48, 0, 2, 0, 50, 0, 2];
    decoded.read(&v9(&[&options]));
    for n in 0..10u8 {
        decoded.read(&v9(&[&set(257, &[0, n, 0, 100])]));
    }
    assert_eq!(
        (decoded.only_domain().option_records, decoded.only_domain().refused_samplers),
        (10, 6)
    );
}

/// Options data of ever new scopes, kept to be restated, fills the room of its domain and no more.
/// Options data of forged exporters evicts the longest silent ones.
#[test]
fn ever_new_options_data_is_refused() {
    let limits = DecoderLimits { restated: 20_000, options: 5_000, ..DecoderLimits::default() };
    let mut decoder = Decoder::new(limits);
    let mut batch = Batch::default();
    // Scope "line card", a name.
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
    // Each record takes 4 + 7 + 128 of 5,000 bytes, and each of four domains 5,000 of 20,000.
    let refused: Vec<_> = decoder.stats().map(|(_, stats)| stats.refused_options).collect();
    assert_eq!(refused, [165; 4]);
    assert_eq!(decoder.totals().evicted_domains, 6);
    let bytes: usize = decoder.restate(Timestamp::default()).map(|(_, d)| d.len()).sum();
    assert_eq!(bytes, 4 * (20 + 20 + 4 + 35 * 7 + 3));
}

/// A datagram cut at every byte, and every byte changed: nothing panics, and the whole records before
/// that byte are read.
#[test]
fn sets_that_are_cut_or_changed_at_every_byte() {
    let options = [0, 1, 0, 18, 1, 1, 0, 4, 0, 4, 0, 1, 0, 4, 0, 34, 0, 4];
    let named = [0, 2, 0, 20, 1, 1, 0, 3, 0, 8, 0, 4, 0, 12, 0, 4, 0, 82, 255, 255];
    let long = set(257, &[10, 0, 0, 1, 10, 0, 0, 2, 255, 0, 3, 65, 66, 67, 10, 0, 0, 1]);
    let whole = [
        v9(&[&PLAIN9, &DATA, &options, &[1, 1, 0, 12, 0, 0, 0, 0, 0, 0, 0, 9], &DATA]),
        ipfix(&[&PLAIN10, &DATA, &named, &long, &DATA]),
    ];
    for datagram in &whole {
        let all = Decoded::of(&[datagram]).batch.flows;
        assert!(all.len() >= 2);
        for cut in 0..datagram.len() {
            let decoded = Decoded::of(&[&datagram[..cut]]);
            assert!(all.starts_with(&decoded.batch.flows), "cut at {cut}");
        }
        for at in 0..datagram.len() {
            for value in [0, 1, 3, 4, 127, 128, 255] {
                let mut changed = datagram.clone();
                changed[at] = value;
                // The number of records is still bounded by the number of bytes.
                let decoded = Decoded::of(&[&changed, datagram]);
                let bytes = (changed.len() + datagram.len()) as u64;
                let stats = decoded.stats();
                assert!(stats.records + stats.option_records <= bytes, "{value} at {at}");
            }
        }
    }
}

/// v1, v5 and v7 cut at every byte, and every byte changed: the whole records are read, and never more
/// than there are.
#[test]
fn fixed_records_that_are_cut_or_changed_at_every_byte() {
    for (version, header, len) in [(1, 16, 48), (5, 24, 48), (7, 24, 52)] {
        // Three records with one address each; their times are before the sysUpTime of the header.
        let mut whole = vec![0, version, 0, 3, 0x7f, 0, 0, 0, 0x3b, 0x9a, 0xca, 0];
        whole.resize(header, 0);
        for n in 1..=3u8 {
            whole.extend([10, 0, 0, n]);
            whole.resize(header + len * usize::from(n), n);
        }
        let all = Decoded::of(&[&whole]);
        assert_eq!((all.batch.flows.len(), all.faults()), (3, vec![]), "v{version}");
        for cut in 0..whole.len() {
            let decoded = Decoded::of(&[&whole[..cut]]);
            let held = cut.saturating_sub(header) / len;
            assert_eq!(decoded.batch.flows, all.batch.flows[..held], "v{version} cut at {cut}");
            let faults = if cut < header { vec![] } else { vec![(Fault::Count, 1)] };
            let refused = u64::from(cut < header);
            assert_eq!((decoded.faults(), decoded.decoder.totals().short), (faults, refused));
        }
        for at in 0..whole.len() {
            for value in [0, 1, 2, 3, 4, 5, 7, 127, 128, 255] {
                let mut changed = whole.clone();
                changed[at] = value;
                let decoded = Decoded::of(&[&changed, &whole]);
                let flows = decoded.batch.flows.len();
                assert!((3..=6).contains(&flows), "v{version}: {value} at {at}: {flows}");
            }
        }
        // The largest count in the header.
        whole[2..4].fill(0xff);
        let decoded = Decoded::of(&[&whole]);
        assert_eq!((decoded.batch.flows.len(), decoded.faults()), (3, vec![(Fault::Count, 1)]));
    }
}

/// Returns a datagram of sFlow whose header counts `count` samples.
fn sflow(agent: [u8; 4], count: u32, samples: &[&[u8]]) -> Vec<u8> {
    let head = [&[0, 0, 0, 5, 0, 0, 0, 1][..], &agent, &[0; 8], &[0, 0, 0x13, 0x88]].concat();
    [&head[..], &count.to_be_bytes(), &samples.concat()].concat()
}

/// Returns a sample or record that states the length `stated`, which may be wrong.
fn opaque(format: u32, stated: u32, body: &[u8]) -> Vec<u8> {
    [&format.to_be_bytes()[..], &stated.to_be_bytes(), body].concat()
}

/// Returns a flow sample of the right length that counts `count` records.
fn sample(count: u32, records: &[u8]) -> Vec<u8> {
    let body = [&[0; 28][..], &count.to_be_bytes(), records].concat();
    opaque(1, body.len() as u32, &body)
}

/// A record of the addresses and ports that the agent has parsed: UDP from 10.0.0.1 to 10.0.0.2.
#[rustfmt::skip]
const SAMPLED_IPV4: [u8; 40] = [
    0, 0, 0, 3, 0, 0, 0, 32,
    0, 0, 0, 84, 0, 0, 0, 17, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 9, 0, 0, 0, 53, 0, 0, 0, 0, 0, 0, 0, 0,
];
const SAMPLED_FLOW: &str = "10.0.0.1:9>10.0.0.2:53/17 1 84";

/// Samples and records of no bytes have a header of eight bytes, so the size of the datagram bounds
/// their number.
#[test]
fn samples_of_no_bytes_end_with_the_datagram() {
    let nothing = opaque(2, 0, &[]).repeat(8_000);
    let decoded = Decoded::of(&[&sflow([192, 0, 2, 7], u32::MAX, &[&nothing])]);
    assert_eq!((decoded.only_domain().counter_samples, decoded.only_domain().records), (8_000, 0));
    assert_eq!(decoded.faults(), [(Fault::Count, 1)]);
    // Flow samples without a head: each is counted as a fault, and a few are reported.
    let nothing = opaque(1, 0, &[]).repeat(8_000);
    let decoded = Decoded::of(&[&sflow([192, 0, 2, 7], 8_000, &[&nothing])]);
    assert_eq!(decoded.faults(), [(Fault::Short, 8_000)]);
    assert_eq!(decoded.batch.errors.len(), DecoderLimits::default().errors);
    // Records of no bytes in one sample, before the record that makes the flow.
    let records = [opaque(77, 0, &[]).repeat(4_000), SAMPLED_IPV4.to_vec()].concat();
    let decoded = Decoded::of(&[&sflow([192, 0, 2, 7], 1, &[&sample(4_001, &records)])]);
    assert_eq!((decoded.flows(), decoded.faults()), (vec![SAMPLED_FLOW.to_owned()], vec![]));
}

/// Counts of 2^32-1 samples, records and segments of an AS path are believed only as far as there are
/// bytes.
#[test]
fn wrong_counts_of_sflow_end_with_the_datagram() {
    let good = sample(1, &SAMPLED_IPV4);
    let path =
        [&[0, 0, 0, 1, 9, 9, 9, 9][..], &[0; 12], &[0xff; 4], &[0, 0, 0, 2, 0, 0, 0, 0]].concat();
    let gateway = opaque(1003, path.len() as u32, &path);
    let many = sample(u32::MAX, &[&gateway[..], &SAMPLED_IPV4].concat());
    let decoded = Decoded::of(&[&sflow([192, 0, 2, 7], u32::MAX, &[&good, &many, &good])]);
    assert_eq!(decoded.flows(), [SAMPLED_FLOW; 3]);
    // The path, the records, the samples.
    assert_eq!(decoded.faults(), [(Fault::Short, 1), (Fault::Count, 2)]);
}

/// Lengths near 2^32 do not wrap: an item ends at the latest with its enclosing item.
#[test]
fn lengths_of_sflow_near_the_maximum_do_not_wrap() {
    for stated in [u32::MAX, u32::MAX - 7, u32::MAX - 40, 1 << 31] {
        // A record, a packet, the path of a gateway, and a sample.
        let record = sample(2, &[&SAMPLED_IPV4[..], &opaque(1, stated, &[0; 16])].concat());
        let packet = [&[0, 0, 0, 1][..], &[0; 8], &stated.to_be_bytes(), &[2; 12]].concat();
        let packet =
            sample(2, &[&opaque(1, packet.len() as u32, &packet)[..], &SAMPLED_IPV4].concat());
        let path = [&[0; 16][..], &[0, 0, 0, 1, 0, 0, 0, 2], &stated.to_be_bytes()].concat();
        let path =
            sample(2, &[&opaque(1003, path.len() as u32, &path)[..], &SAMPLED_IPV4].concat());
        let mut last = sample(1, &SAMPLED_IPV4);
        last[4..8].copy_from_slice(&stated.to_be_bytes());
        let datagram = sflow([192, 0, 2, 7], 4, &[&record, &packet, &path, &last]);
        let decoded = Decoded::of(&[&datagram]);
        assert_eq!(decoded.flows(), [SAMPLED_FLOW; 4], "{stated}");
        assert_eq!(decoded.faults(), [(Fault::Short, 1), (Fault::Overrun, 3)], "{stated}");
    }
}

/// The sender chooses the agent's address. Forged addresses fill the table of domains up to its limit,
/// and do not touch the domain of the same address in another protocol.
#[test]
fn forged_agents_stay_within_the_limits() {
    let mut decoded = Decoded::with(DecoderLimits { domains: 50, ..DecoderLimits::default() });
    for n in 0..5_000u32 {
        // The router goes on sending in between.
        if n % 10 == 0 {
            decoded.decoder.datagram(
                exporter(),
                Timestamp::from_secs(n.into()),
                &v9(&[&PLAIN9, &DATA]),
                &mut decoded.batch,
            );
        }
        let agent = if n == 77 { [192, 0, 2, 1] } else { n.to_be_bytes() };
        let forged = sflow(agent, 1, &[&sample(1, &SAMPLED_IPV4)]);
        decoded.decoder.datagram(
            exporter(),
            Timestamp::from_secs(n.into()),
            &forged,
            &mut decoded.batch,
        );
    }
    assert_eq!(decoded.decoder.stats().count(), 50);
    assert_eq!(decoded.decoder.totals().evicted_domains, 5_001 - 50);
    let (_, router) = decoded.decoder.stats().find(|(d, _)| **d == domain(Version::V9, 3)).unwrap();
    assert_eq!((router.datagrams, router.flows), (500, 500));
    assert_eq!(decoded.batch.flows.len(), 5_500);
    // A datagram whose agent has an address of unknown type belongs to no domain.
    let mut odd = sflow([192, 0, 2, 7], 1, &[&sample(1, &SAMPLED_IPV4)]);
    odd[7] = 9;
    decoded.read(&odd);
    assert_eq!((decoded.decoder.totals().short, decoded.batch.flows.len()), (1, 5_500));
}

/// A datagram of sFlow cut at every byte, and every byte changed: nothing panics, and the number of
/// flows stays within bounds.
#[test]
fn sflow_that_is_cut_or_changed_at_every_byte() {
    let whole = sflow([192, 0, 2, 7], 2, &[&sample(1, &SAMPLED_IPV4), &sample(1, &SAMPLED_IPV4)]);
    for cut in 0..whole.len() {
        let decoded = Decoded::of(&[&whole[..cut]]);
        assert!(decoded.batch.flows.len() <= 2, "cut at {cut}");
        let foreign = decoded.decoder.totals().foreign + decoded.decoder.totals().short;
        assert!(foreign == 1 || !decoded.faults().is_empty(), "cut at {cut}");
    }
    for at in 0..whole.len() {
        for value in [0, 1, 3, 4, 127, 128, 255] {
            let mut changed = whole.clone();
            changed[at] = value;
            let decoded = Decoded::of(&[&changed, &whole]);
            // A change of byte 1 can make it v1, with three records.
            let most = if at == 1 { 5 } else { 4 };
            assert!((2..=most).contains(&decoded.batch.flows.len()), "{value} at {at}");
        }
    }
}

/// An exporter with a template, which must still be decoded after a flood from other addresses.
struct Victim {
    decoder: Decoder,
    batch: Batch,
    secs: u64,
    /// Number of datagrams of data that it has sent.
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

    fn send_data(&mut self) {
        self.from(exporter(), &v9(&[&DATA]));
        self.sent += 1;
    }

    /// Checks that all data of the exporter has been decoded, and returns the decoder.
    #[track_caller]
    fn check_after_flood(mut self) -> Decoder {
        self.secs += 1;
        self.send_data();
        let own = self.decoder.stats().find(|(d, _)| **d == domain(Version::V9, 3));
        let flows = own.map(|(_, stats)| stats.flows);
        assert_eq!(flows, Some(self.sent), "its template was evicted");
        self.decoder
    }
}

/// Returns the datagram with the source id `id`.
fn of_domain(mut datagram: Vec<u8>, id: u32) -> Vec<u8> {
    datagram[16..20].copy_from_slice(&id.to_be_bytes());
    datagram
}

fn attacker(n: u8) -> IpAddr {
    [198, 51, 100, n].into()
}

/// A flood that fills one table.
struct Flood {
    name: &'static str,
    /// Number of datagrams.
    count: u32,
    datagram: fn(u32) -> Vec<u8>,
}

/// Returns one flood for each table: domains, domains with templates, templates, options data,
/// samplers, pending sets, agents of sFlow.
fn floods() -> Vec<Flood> {
    let flood = |name, count, datagram| Flood { name, count, datagram };
    vec![
        flood("domains", 18_000, |n| of_domain(v9(&[]), n)),
        flood("a template each", 18_000, in_domain),
        flood("templates", 400, |n| {
            let ids = (0..100).map(|id| template(300 + (n * 100 + id) as u16 % 512, &[(8, 4)]));
            of_domain(v9(&[&set(0, &ids.collect::<Vec<_>>().concat())]), n / 5)
        }),
        flood("large templates", 14_500, |n| {
            let fields: Vec<_> = (0..300).map(|_| (4, 1)).collect();
            of_domain(v9(&[&set(0, &template(300 + n as u16 % 500, &fields))]), n / 500)
        }),
        flood("options data", 1_500, |n| {
            let options = [1, 1, 0, 4, 0, 4, 0, 3, 0, 4, 0, 82, 0, 99];
            let records =
                (0..60u32).map(|card| [&(n * 60 + card).to_be_bytes()[..], &[b'x'; 99]].concat());
            let records: Vec<_> = records.collect();
            of_domain(v9(&[&set(1, &options), &set(257, &records.concat())]), n / 100)
        }),
        flood("samplers", 700, |n| {
            let options = [1, 0, 0, 4, 0, 8, 0, 1, 0, 4, 0, 48, 0, 4, 0, 34, 0, 4, 0, 0];
            let records =
                (0..100u32).map(|id| [[0; 4], (n * 100 + id).to_be_bytes(), [0, 0, 0, 9]].concat());
            let records: Vec<_> = records.collect();
            of_domain(v9(&[&set(1, &options), &set(256, &records.concat())]), n / 10)
        }),
        flood("pending sets", 9_000, |n| of_domain(v9(&[&set(999, &[7; 1300])]), n)),
        flood("agents", 18_000, |n| sflow(n.to_be_bytes(), 1, &[&sample(1, &SAMPLED_IPV4)])),
    ]
}

/// One address evicts its own domains only.
#[test]
fn one_flooding_address_evicts_only_itself() {
    for restated in [0, 16 << 20] {
        for Flood { name, count, datagram } in floods() {
            let mut victim = Victim::new(DecoderLimits { restated, ..DecoderLimits::default() });
            for n in 0..count {
                victim.from(attacker(1), &datagram(n));
            }
            let decoder = victim.check_after_flood();
            let totals = decoder.totals();
            assert!(totals.evicted_by.keys().all(|&by| by == attacker(1)), "{name}");
            let domains = decoder.stats().count();
            assert!(domains <= 2049, "{name}: {domains}");
        }
    }
}

/// Twelve addresses fill every table together, and evict each other. A router keeps its ten domains,
/// although it is silent all the time.
#[test]
fn a_few_flooding_addresses_evict_no_smaller_one() {
    for Flood { name, count, datagram } in floods() {
        let mut victim =
            Victim::new(DecoderLimits { restated: 16 << 20, ..DecoderLimits::default() });
        for id in 100..110 {
            victim.from(exporter(), &of_domain(v9(&[&PLAIN9]), id));
        }
        let each = count / 8;
        for n in 0..12 * each {
            victim.from(attacker((n / each) as u8), &datagram(n % each));
        }
        let decoder = victim.check_after_flood();
        let own = decoder.stats().filter(|(d, _)| d.exporter == exporter()).count();
        assert_eq!(own, 11, "{name}");
        assert!(decoder.stats().count() <= DecoderLimits::default().domains);
    }
}

/// Ever new addresses evict each other, but no exporter that has been known for a minute, even if it
/// has more domains than each of them and is silent all the time.
#[test]
fn forged_addresses_evict_no_earlier_exporter() {
    for Flood { name, count, datagram } in floods() {
        let mut victim =
            Victim::new(DecoderLimits { restated: 16 << 20, ..DecoderLimits::default() });
        for id in 100..110 {
            victim.from(exporter(), &of_domain(v9(&[&PLAIN9]), id));
        }
        victim.secs += 60;
        victim.send_data();
        for n in 0..count * 3 / 2 {
            victim.from(IpAddr::from((0x0a00_0000 | n).to_be_bytes()), &datagram(n % 97));
        }
        let decoder = victim.check_after_flood();
        let own = decoder.stats().filter(|(d, _)| d.exporter == exporter()).count();
        assert_eq!(own, 11, "{name}");
        assert!(decoder.totals().evicted_by.len() <= DecoderLimits::default().named, "{name}");
    }
}

/// Returns a datagram with a template in this domain.
fn in_domain(id: u32) -> Vec<u8> {
    of_domain(v9(&[&set(0, &template(256, &[(8, 4)]))]), id)
}

/// Sends datagrams from many addresses for half an hour. Each holds less than the reserve of a table
/// of 1024. After a minute they are no newcomers, and then they need more than the table has.
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

/// An exporter that was there before them and sends once in half an hour keeps its templates. So does
/// one whose templates were restated and that has not sent yet.
#[test]
fn addresses_that_stay_evict_no_earlier_exporter() {
    for limits in [
        DecoderLimits { domains: 1024, ..DecoderLimits::default() },
        DecoderLimits { all_templates: 1024, ..DecoderLimits::default() },
    ] {
        let mut victim = Victim::new(limits.clone());
        victim.secs += 60;
        victim.send_data();
        addresses_that_stay(&mut victim);
        victim.check_after_flood();

        let mut victim = Victim::new(DecoderLimits::default());
        victim.decoder = Decoder::new(limits);
        victim.decoder.learn(exporter(), &v9(&[&PLAIN9]), &mut victim.batch);
        addresses_that_stay(&mut victim);
        victim.check_after_flood();
    }
}

/// Newcomers that hold nothing of a full table do not protect the addresses that fill it.
#[test]
fn addresses_without_templates_protect_no_other() {
    let mut victim = Victim::new(DecoderLimits { all_templates: 1280, ..DecoderLimits::default() });
    for id in 100..110 {
        victim.from(exporter(), &of_domain(v9(&[&PLAIN9]), id));
    }
    victim.secs += 60;
    victim.send_data();
    for n in 0..2000u32 {
        let sender = IpAddr::from((0x0a00_0000 | n).to_be_bytes());
        victim.from(sender, &if n < 100 { v9(&[]) } else { in_domain(0) });
    }
    let decoder = victim.check_after_flood();
    let own = decoder.stats().filter(|(d, _)| d.exporter == exporter()).count();
    assert_eq!(own, 11);
}

/// Templates that were restated at the head of a file are not evicted by the datagrams in the file.
#[test]
fn ever_new_addresses_do_not_evict_restated_templates() {
    let mut decoder = Decoder::new(DecoderLimits::default());
    let mut batch = Batch::default();
    decoder.learn(exporter(), &v9(&[&PLAIN9]), &mut batch);
    let at = |n: u32| Timestamp::from_secs(1_000_000_000 + u64::from(n) / 1000);
    for n in 0..40_000u32 {
        let forged = in_domain(3);
        decoder.datagram(IpAddr::from((0x0a00_0000 | n).to_be_bytes()), at(n), &forged, &mut batch);
    }
    decoder.datagram(exporter(), at(40_000), &v9(&[&DATA]), &mut batch);
    assert_eq!(batch.flows.len(), 1);
}

/// An address with one domain loses its least recently used templates if they have too many bytes, and
/// that is counted.
#[test]
fn an_address_with_one_domain_loses_templates() {
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
    let bytes: usize = decoder.restate(Timestamp::default()).map(|(_, d)| d.len()).sum();
    assert!((9_000..11_000).contains(&bytes), "{bytes}");
    assert_eq!(decoder.totals().evicted_domains, 0);
}
