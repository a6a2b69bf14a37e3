//! Writes flow lines and marks.

use std::io::{self, Write};
use std::net::IpAddr;

use super::column::{Column, NINE};
use crate::flow::{Flow, Masked};
use crate::time::Mark;

/// Lines are gathered up to this many octets before they go on, whole.
const CHUNK: usize = 16 * 1024;

/// Writes flow lines to `W`. Nothing stays behind in it: every call hands on all its lines.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
    columns: Vec<Column>,
    marks: bool,
    mask: bool,
    text: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// A writer of the nine columns with `#` lines.
    pub fn new(out: W) -> Writer<W> {
        Writer { out, columns: NINE.to_vec(), marks: true, mask: false, text: Vec::new() }
    }

    /// Writes these columns instead of the nine.
    pub fn columns(mut self, columns: &[Column]) -> Writer<W> {
        self.columns = columns.to_vec();
        self
    }

    /// Whether `#` lines are written.
    pub fn marks(mut self, marks: bool) -> Writer<W> {
        self.marks = marks;
        self
    }

    /// Whether the host part of every address is hidden.
    pub fn mask(mut self, mask: bool) -> Writer<W> {
        self.mask = mask;
        self
    }

    /// Writes the line that names the columns.
    pub fn fields(&mut self) -> io::Result<()> {
        if self.marks {
            self.text.extend_from_slice(b"#fields");
            for column in &self.columns {
                self.text.push(b'\t');
                self.text.extend_from_slice(column.name().as_bytes());
            }
            self.text.push(b'\n');
        }
        self.pass_on()
    }

    /// Writes one mark.
    pub fn mark(&mut self, mark: &Mark) -> io::Result<()> {
        if self.marks {
            writeln!(self.text, "{mark}")?;
        }
        self.pass_on()
    }

    /// Writes flows.
    pub fn flows(&mut self, flows: &[Flow]) -> io::Result<()> {
        for flow in flows {
            let mut first = true;
            for column in &self.columns {
                if !std::mem::take(&mut first) {
                    self.text.push(b'\t');
                }
                cell(&mut self.text, flow, *column, self.mask);
            }
            self.text.push(b'\n');
            if self.text.len() > CHUNK {
                self.pass_on()?;
            }
        }
        self.pass_on()
    }

    /// Flushes what is behind.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn pass_on(&mut self) -> io::Result<()> {
        let result = self.out.write_all(&self.text);
        self.text.clear();
        result
    }
}

fn cell(text: &mut Vec<u8>, flow: &Flow, column: Column, mask: bool) {
    match column {
        Column::Sif => number(text, flow.sif),
        Column::Sip => address(text, flow.sip, mask),
        Column::Dip => address(text, flow.dip, mask),
        Column::Dif => number(text, flow.dif),
        Column::Proto => number(text, flow.proto),
        Column::Sport => number(text, flow.sport),
        Column::Dport => number(text, flow.dport),
        Column::Packets => number(text, flow.packets),
        Column::Octets => number(text, flow.octets),
        Column::Start => known(text, flow.start, display),
        Column::End => known(text, flow.end, display),
        Column::Flags => known(text, flow.flags, number),
        Column::Exporter => {
            known(text, flow.exporter, |text, exporter| address(text, exporter, mask));
        }
        Column::Sampling => number(text, flow.sampling),
    }
}

fn known<T>(text: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(text, value),
        None => text.push(b'-'),
    }
}

fn number(text: &mut Vec<u8>, value: impl itoa::Integer) {
    text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn display(text: &mut Vec<u8>, value: impl std::fmt::Display) {
    // A Vec takes everything.
    let _ = write!(text, "{value}");
}

fn address(text: &mut Vec<u8>, address: IpAddr, mask: bool) {
    match address {
        _ if mask => display(text, Masked(address)),
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            number(text, a);
            for part in [b, c, d] {
                text.push(b'.');
                number(text, part);
            }
        }
        IpAddr::V6(address) => display(text, address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{Item, Reader};
    use crate::time::{Timestamp, Window};
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

    proptest! {
        #[test]
        fn what_is_written_reads_back(flows in proptest::collection::vec(any_flow(), 0..9)) {
            let text = written(&flows, false);
            let mut reader = Reader::new(text.as_bytes());
            let mut read = Vec::new();
            while let Some(item) = reader.next_item().unwrap() {
                match item {
                    Item::Flows(flows) => read.extend_from_slice(flows),
                    other => panic!("{other:?}"),
                }
            }
            prop_assert_eq!(read, flows);
        }

        /// The csv crate reads the same fields out of the same lines.
        #[test]
        fn the_csv_crate_reads_the_same(flows in proptest::collection::vec(any_flow(), 1..9)) {
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
}
