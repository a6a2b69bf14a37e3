//! Compares the writer's lines with literal text and with a simple reference implementation.

use std::net::IpAddr;

use super::*;
use crate::flow::Masked;
use crate::line::{Item, Reader};
use crate::time::{End, Timestamp, Window, WindowState};
use proptest::prelude::*;

fn any_flow() -> impl Strategy<Value = Flow> {
    let time = || any::<Option<u64>>().prop_map(|nanos| nanos.map(Timestamp::from_nanos));
    (
        any::<(u32, IpAddr, IpAddr, u32, u8, u16, u16, u64, u64)>(),
        (time(), time(), any::<Option<u16>>(), any::<Option<IpAddr>>(), any::<u32>()),
    )
        .prop_map(|(nine, (start, end, flags, exporter, sampling))| Flow {
            sif: nine.0,
            sip: nine.1,
            dip: nine.2,
            dif: nine.3,
            proto: nine.4,
            sport: nine.5,
            dport: nine.6,
            packets: nine.7,
            octets: nine.8,
            start,
            end,
            flags,
            exporter,
            sampling,
        })
}

fn any_extra() -> impl Strategy<Value = Extra> {
    (
        any::<(Option<u8>, Option<u32>, Option<u32>, Option<u8>, Option<u8>)>(),
        any::<[Option<IpAddr>; 4]>(),
        any::<[Option<u16>; 4]>(),
        any::<[Option<[u8; 6]>; 2]>(),
        any::<[Option<u8>; 3]>(),
        any::<[Option<u32>; 2]>(),
    )
        .prop_map(|(route, addresses, shorts, macs, words, numbers)| {
            let (tos, srcas, dstas, srcmask, dstmask) = route;
            let [nexthop, bgpnexthop, natsip, natdip] = addresses;
            let [vlan, outvlan, natsport, natdport] = shorts;
            let [srcmac, dstmac] = macs;
            let [event, direction, endreason] = words;
            let [vrf, domain] = numbers;
            Extra {
                tos,
                srcas,
                dstas,
                srcmask,
                dstmask,
                nexthop,
                bgpnexthop,
                vlan,
                outvlan,
                srcmac,
                dstmac,
                natsip,
                natdip,
                natsport,
                natdport,
                event,
                direction,
                endreason,
                vrf,
                domain,
            }
        })
}

fn written(flows: &[Flow], mask: bool) -> String {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out).columns(&Column::ALL).mask(mask);
    writer.fields().unwrap();
    writer.flows(flows).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_line_of_a_plain_flow() {
    let flow = Flow {
        sif: 1,
        sip: [192, 0, 2, 1].into(),
        dip: "2001:db8::1:0:0:2".parse().unwrap(),
        dif: 2,
        proto: 6,
        sport: 1025,
        dport: 80,
        packets: 3,
        octets: 144,
        ..Flow::default()
    };
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out);
    writer.fields().unwrap();
    writer.mark(&Mark::Window(Window::new(0, 600))).unwrap();
    writer.flows(&[flow]).unwrap();
    let text = "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\n\
        #window\t1970-01-01T00:00:00Z\t600\n\
        1\t192.0.2.1\t2001:db8::1:0:0:2\t2\t6\t1025\t80\t3\t144\n";
    assert_eq!(String::from_utf8(out).unwrap(), text);
    let masked = written(&[flow], true);
    assert!(masked.contains("\t192.0.2.?\t2001:db8::?\t"), "{masked}");
}

/// Returns a flow and its extra with a value in nearly every column.
fn full() -> (Flow, Extra) {
    let flow = Flow {
        sif: 1,
        sip: [192, 0, 2, 1].into(),
        dip: "2001:db8::1:0:0:2".parse().unwrap(),
        dif: 2,
        proto: 6,
        sport: 1025,
        dport: 80,
        packets: 3,
        octets: 144,
        start: Some(Timestamp::from_millis(994_025_700_125)),
        end: None,
        flags: Some(27),
        exporter: Some([198, 51, 100, 1].into()),
        sampling: 100,
    };
    let extra = Extra {
        tos: Some(184),
        srcas: Some(64512),
        dstas: Some(4_200_000_000),
        srcmask: Some(24),
        nexthop: Some([192, 0, 2, 254].into()),
        bgpnexthop: Some("2001:db8:7::1".parse().unwrap()),
        vlan: Some(100),
        srcmac: Some([0, 0x1b, 0x21, 0xa, 0xb, 0xc]),
        natsip: Some([203, 0, 113, 9].into()),
        natsport: Some(40000),
        event: Some(1),
        direction: Some(0),
        endreason: Some(2),
        vrf: Some(3),
        domain: Some(256),
        ..Extra::default()
    };
    (flow, extra)
}

/// Returns one full row in one form, between the marks of a window.
fn shown(form: Form, mask: bool) -> String {
    let (flow, extra) = full();
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out).form(form).columns(&Column::ALL).mask(mask);
    writer.fields().unwrap();
    writer.mark(&Mark::Window(Window::new(0, 600))).unwrap();
    writer.rows(&[flow], &[extra]).unwrap();
    let (window, state) = (Window::new(0, 600), Some(WindowState::Ok));
    writer.mark(&Mark::End(End { window, flows: Some(1), state, ..End::default() })).unwrap();
    String::from_utf8(out).unwrap()
}

const NAMES: &str = "sif sip dip dif proto sport dport packets octets start end flags exporter \
    sampling tos srcas dstas srcmask dstmask nexthop bgpnexthop vlan outvlan srcmac dstmac natsip \
    natdip natsport natdport event direction endreason vrf domain";
const ROW: &str = "1 192.0.2.1 2001:db8::1:0:0:2 2 6 1025 80 3 144 994025700.125 - 27 \
    198.51.100.1 100 184 64512 4200000000 24 - 192.0.2.254 2001:db8:7::1 100 - \
    00:1b:21:0a:0b:0c - 203.0.113.9 - 40000 - 1 0 2 3 256";

#[test]
fn text_has_every_column() {
    let (names, row) = (NAMES.replace(' ', "\t"), ROW.replace(' ', "\t"));
    let expected = format!(
        "#fields\t{names}\n#window\t1970-01-01T00:00:00Z\t600\n{row}\n\
         #end\t1970-01-01T00:00:00Z\t600\tflows=1\tstate=ok\n"
    );
    assert_eq!(shown(Form::Text, false), expected);
}

#[test]
fn csv_has_names_and_rows_and_empty_fields_for_unknown_values() {
    let row = ROW.replace(' ', ",").replace(",-", ",");
    assert_eq!(shown(Form::Csv, false), format!("{}\n{row}\n", NAMES.replace(' ', ",")));
    let mut out = Vec::new();
    Writer::new(&mut out).form(Form::Csv).marks(false).fields().unwrap();
    assert!(out.is_empty());
}

#[test]
fn json_is_one_object_a_line() {
    let text = shown(Form::Json, false);
    let lines: Vec<_> = text.lines().collect();
    let window = r#"{"mark":"window","start":"1970-01-01T00:00:00Z","seconds":600}"#;
    let end =
        r#"{"mark":"end","start":"1970-01-01T00:00:00Z","seconds":600,"flows":1,"state":"ok"}"#;
    assert_eq!((lines.len(), lines[0], lines[2]), (3, window, end));
    let row = lines[1];
    assert!(
        row.starts_with(
            r#"{"sif":1,"sip":"192.0.2.1","dip":"2001:db8::1:0:0:2","dif":2,"proto":6,"#
        ),
        "{row}"
    );
    assert!(row.contains(r#","octets":144,"start":994025700.125,"end":null,"flags":27,"#), "{row}");
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(row).unwrap();
    for (name, cell) in NAMES.split(' ').zip(ROW.split(' ')) {
        let value = match object.get(name).unwrap() {
            serde_json::Value::Null => "-".to_owned(),
            serde_json::Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        assert_eq!(value, cell, "{name}");
    }
}

#[test]
fn a_mask_hides_hosts_in_every_column_and_form() {
    for form in [Form::Text, Form::Csv, Form::Json] {
        let text = shown(form, true);
        for hidden in ["192.0.2.1", "::1:0:0:2", "100.1\t", "2.254", "7::1", "0a:0b:0c", "113.9"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
        for shown in ["192.0.2.?", "2001:db8::?", "198.51.100.?", "2001:db8:7::?", "00:1b:21:?"] {
            assert!(text.contains(shown), "no {shown} in {text}");
        }
    }
}

#[test]
fn columns_of_missing_extras_are_unknown() {
    let (flow, extra) = full();
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out).columns(&[Column::Proto, Column::Tos]);
    writer.rows(&[flow, flow], &[extra]).unwrap();
    writer.flows(&[flow]).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "6\t184\n6\t-\n6\t-\n");
}

/// Returns one value as text in the simple way; `None` if it is unknown.
fn cell(column: Column, flow: &Flow, extra: &Extra, mask: bool) -> Option<String> {
    fn some(value: Option<impl ToString>) -> Option<String> {
        value.map(|value| value.to_string())
    }
    let address =
        |address: Option<IpAddr>| if mask { some(address.map(Masked)) } else { some(address) };
    let mac = |mac: Option<[u8; 6]>| {
        let text = mac?.map(|byte| format!("{byte:02x}"));
        Some(if mask { format!("{}:?", text[..3].join(":")) } else { text.join(":") })
    };
    match column {
        Column::Sif => some(Some(flow.sif)),
        Column::Sip => address(Some(flow.sip)),
        Column::Dip => address(Some(flow.dip)),
        Column::Dif => some(Some(flow.dif)),
        Column::Proto => some(Some(flow.proto)),
        Column::Sport => some(Some(flow.sport)),
        Column::Dport => some(Some(flow.dport)),
        Column::Packets => some(Some(flow.packets)),
        Column::Octets => some(Some(flow.octets)),
        Column::Start => some(flow.start),
        Column::End => some(flow.end),
        Column::Flags => some(flow.flags),
        Column::Exporter => address(flow.exporter),
        Column::Sampling => some(Some(flow.sampling)),
        Column::Tos => some(extra.tos),
        Column::Srcas => some(extra.srcas),
        Column::Dstas => some(extra.dstas),
        Column::Srcmask => some(extra.srcmask),
        Column::Dstmask => some(extra.dstmask),
        Column::Nexthop => address(extra.nexthop),
        Column::Bgpnexthop => address(extra.bgpnexthop),
        Column::Vlan => some(extra.vlan),
        Column::Outvlan => some(extra.outvlan),
        Column::Srcmac => mac(extra.srcmac),
        Column::Dstmac => mac(extra.dstmac),
        Column::Natsip => address(extra.natsip),
        Column::Natdip => address(extra.natdip),
        Column::Natsport => some(extra.natsport),
        Column::Natdport => some(extra.natdport),
        Column::Event => some(extra.event),
        Column::Direction => some(extra.direction),
        Column::Endreason => some(extra.endreason),
        Column::Vrf => some(extra.vrf),
        Column::Domain => some(extra.domain),
    }
}

/// Returns one line in the simple way.
fn line(form: Form, columns: &[Column], flow: &Flow, extra: &Extra, mask: bool) -> String {
    let cells = columns.iter().map(|column| (column.name(), cell(*column, flow, extra, mask)));
    let json = |(name, value): (&str, Option<String>)| {
        let value = value.unwrap_or_else(|| "null".to_owned());
        // Times are numbers in JSON too.
        let is_number =
            value.chars().all(|c| c.is_ascii_digit() || c == '.') && value.matches('.').count() < 2;
        if is_number || value == "null" {
            format!("\"{name}\":{value}")
        } else {
            format!("\"{name}\":\"{value}\"")
        }
    };
    let or = |unknown: &str| -> Vec<_> {
        cells.clone().map(|(_, value)| value.unwrap_or_else(|| unknown.to_owned())).collect()
    };
    match form {
        Form::Text => or("-").join("\t") + "\n",
        Form::Csv => or("").join(",") + "\n",
        Form::Json => format!("{{{}}}\n", cells.map(json).collect::<Vec<_>>().join(",")),
    }
}

fn any_columns() -> impl Strategy<Value = Vec<Column>> {
    let some = proptest::sample::subsequence(Column::ALL.to_vec(), 0..=Column::ALL.len());
    (some.prop_shuffle(), any::<bool>())
        .prop_map(|(some, nine)| if nine { [&REQUIRED[..], &some].concat() } else { some })
}

fn any_form() -> impl Strategy<Value = Form> {
    prop_oneof![Just(Form::Text), Just(Form::Csv), Just(Form::Json)]
}

#[test]
fn every_write_holds_many_whole_lines() {
    struct Writes(Vec<usize>);
    impl Write for Writes {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            assert_eq!(data.last(), Some(&b'\n'));
            self.0.push(data.len());
            Ok(data.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writes = Writes(Vec::new());
    Writer::new(&mut writes).flows(&[full().0; 10_000]).unwrap();
    let (last, first) = writes.0.split_last().unwrap();
    assert!(first.iter().all(|len| *len > CHUNK && *len < CHUNK + 200), "{first:?}");
    assert!(*last > 0);
}

/// Returns the flows that a reader finds in a text.
fn read_back(text: &[u8]) -> Vec<Flow> {
    let mut reader = Reader::new(text);
    let mut read = Vec::new();
    while let Some(item) = reader.next_item().unwrap() {
        match item {
            Item::Flows(flows) => read.extend_from_slice(flows),
            other => panic!("{other:?}"),
        }
    }
    read
}

proptest! {
    #[test]
    fn lines_equal_those_of_the_simple_way(
        rows in proptest::collection::vec((any_flow(), any_extra()), 0..9),
        form in any_form(),
        columns in any_columns(),
        mask: bool,
        times in 1usize..200,
    ) {
        let (flows, mut extras): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        // A few more lines than one chunk holds; the last have no extra.
        let flows = flows.repeat(times);
        extras = extras.repeat(times);
        extras.truncate(flows.len() * 7 / 8);
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out).form(form).columns(&columns).mask(mask);
        writer.rows(&flows, &extras).unwrap();
        extras.resize(flows.len(), Extra::default());
        let expected: String = flows
            .iter()
            .zip(&extras)
            .map(|(flow, extra)| line(form, &columns, flow, extra, mask))
            .collect();
        prop_assert!(out == expected.as_bytes());
    }

    #[test]
    fn csv_lines_read_back_equal(rows in proptest::collection::vec((any_flow(), any_extra()), 0..9)) {
        let (flows, extras): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let mut out = Vec::new();
        let columns: Vec<_> = Column::ALL.into_iter().rev().collect();
        for part in [0, flows.len() / 2] {
            // Two concatenated files: the names stand in the middle too.
            let mut writer = Writer::new(&mut out).form(Form::Csv).columns(&columns);
            writer.fields().unwrap();
            writer.rows(&flows[part..], &extras[part..]).unwrap();
        }
        let expected = [&flows[..], &flows[flows.len() / 2..]].concat();
        prop_assert_eq!(read_back(&out), expected);
    }

    #[test]
    fn text_lines_read_back_equal(flows in proptest::collection::vec(any_flow(), 0..9)) {
        let text = written(&flows, false);
        prop_assert_eq!(read_back(text.as_bytes()), flows);
    }

    #[test]
    fn the_csv_crate_reads_the_same_fields(flows in proptest::collection::vec(any_flow(), 1..9)) {
        let text = written(&flows, false);
        let mut twin = csv::ReaderBuilder::new()
            .delimiter(b'\t')
            .quoting(false)
            .flexible(true)
            .from_reader(text.as_bytes());
        for (record, flow) in twin.records().zip(&flows) {
            let record = record.unwrap();
            prop_assert_eq!(record.len(), Column::ALL.len());
            prop_assert_eq!(record.get(1).unwrap().parse::<IpAddr>().unwrap(), flow.sip);
            prop_assert_eq!(record.get(2).unwrap().parse::<IpAddr>().unwrap(), flow.dip);
            prop_assert_eq!(record.get(8).unwrap().parse::<u64>().unwrap(), flow.octets);
        }
    }
}
