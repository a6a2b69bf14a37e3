//! Flow lines for the scorer and the simpler rules, read by the names of their columns. The code
//! shares nothing with the readers under test.

use std::net::IpAddr;

use foldhash::{HashMap, HashSet};

/// The length of a window in seconds.
pub const WINDOW: u64 = 600;

/// A flow of a simpler rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    pub sip: IpAddr,
    pub proto: u8,
    pub dip: IpAddr,
    /// Milliseconds since the epoch; 0 without the column `start`.
    pub start: u64,
    pub sport: u16,
    pub dport: u16,
    pub packets: u64,
    pub octets: u64,
    /// The OR of the TCP flags; 0 without the column, as other collectors store it.
    pub flags: u8,
    /// Milliseconds since the epoch; 0 without the column `end`.
    pub end: u64,
}

/// The flows of one window.
pub type Window = Vec<Flow>;

/// The flows of a stream by windows, with their labels if there are any.
pub struct Stream {
    pub windows: Vec<Window>,
    /// The label of each flow of each window.
    pub labels: Vec<Vec<String>>,
}

impl Stream {
    /// Reads marked lines by their windows, and unmarked ones by their `start`.
    pub fn read(text: &str) -> Stream {
        let mut lines = text.lines();
        let fields = lines.next().and_then(|line| line.strip_prefix("#fields\t")).expect("#fields");
        let names: Vec<_> = fields.split('\t').collect();
        let place = |name: &str| names.iter().position(|&n| n == name);
        let need = |name: &str| place(name).unwrap_or_else(|| panic!("no column {name}"));
        let places = [
            need("sip"),
            need("proto"),
            need("dip"),
            need("sport"),
            need("dport"),
            need("packets"),
            need("octets"),
        ];
        let (start, end) = (place("start"), place("end"));
        let (flags, label) = (place("flags"), place("label"));

        let mut stream = Stream { windows: Vec::new(), labels: Vec::new() };
        let (mut marked, mut slot) = (false, None);
        let mut cells = Vec::with_capacity(names.len());
        for line in lines {
            if line.starts_with("#window") {
                marked = true;
                stream.open();
            }
            if line.starts_with('#') {
                continue;
            }
            cells.clear();
            cells.extend(line.split('\t'));
            assert_eq!(cells.len(), names.len(), "{line}");
            let start = start.map_or(0, |place| millis(cells[place]));
            let now = Some(start / 1000 / WINDOW);
            if !marked && slot != now {
                slot = now;
                stream.open();
            }
            let [sip, proto, dip, sport, dport, packets, octets] = places.map(|p| cells[p]);
            let flow = Flow {
                sip: sip.parse().unwrap(),
                proto: proto.parse().unwrap(),
                dip: dip.parse().unwrap(),
                start,
                sport: sport.parse().unwrap(),
                dport: dport.parse().unwrap(),
                packets: packets.parse().unwrap(),
                octets: octets.parse().unwrap(),
                flags: flags.and_then(|place| cells[place].parse().ok()).unwrap_or(0),
                end: end.map_or(0, |place| millis(cells[place])),
            };
            stream.windows.last_mut().expect("a window").push(flow);
            if let Some(place) = label {
                stream.labels.last_mut().expect("a window").push(cells[place].to_owned());
            }
        }
        stream
    }

    fn open(&mut self) {
        self.windows.push(Vec::new());
        self.labels.push(Vec::new());
    }

    pub fn flows(&self) -> impl Iterator<Item = &Flow> {
        self.windows.iter().flatten()
    }
}

/// Parses seconds with up to three decimals as milliseconds.
pub fn millis(text: &str) -> u64 {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let rest = format!("{rest:0<3}");
    whole.parse::<u64>().unwrap() * 1000 + rest[..3].parse::<u64>().unwrap()
}

/// Returns the lines with the nine columns only. Marks stay whole.
pub fn nine(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let keep = match line {
            _ if line.starts_with("#fields") => 10,
            _ if line.starts_with('#') => usize::MAX,
            _ => 9,
        };
        for (n, cell) in line.split('\t').take(keep).enumerate() {
            if n > 0 {
                out.push('\t');
            }
            out.push_str(cell);
        }
        out.push('\n');
    }
    out
}

/// Returns the lines, but of each of `sources` only those to its first `targets` distinct targets.
pub fn cut(text: &str, sources: &HashSet<String>, targets: usize) -> String {
    let names: Vec<_> = text.lines().next().unwrap().split('\t').skip(1).collect();
    let [sip, dip] = ["sip", "dip"].map(|name| names.iter().position(|&n| n == name).unwrap());
    let mut seen: HashMap<&str, HashSet<&str>> = HashMap::default();
    let mut over: HashSet<&str> = HashSet::default();
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let mut cells = line.split('\t');
        if let Some(source) = cells.clone().nth(sip).filter(|&sip| sources.contains(sip)) {
            let targets_of = seen.entry(source).or_default();
            targets_of.extend(cells.nth(dip));
            if over.contains(source) || targets_of.len() > targets {
                over.insert(source);
                continue;
            }
        }
        out.extend([line, "\n"]);
    }
    out
}

/// Returns a TCP connection request of one packet, for the tests of the simpler rules.
#[cfg(test)]
pub fn request(sip: &str, dip: &str, sport: u16, dport: u16) -> Flow {
    Flow {
        sip: sip.parse().unwrap(),
        proto: 6,
        dip: dip.parse().unwrap(),
        start: 0,
        sport,
        dport,
        packets: 1,
        octets: 40,
        flags: 2,
        end: 0,
    }
}

#[test]
fn lines_are_read_by_the_names_of_their_columns() {
    let fields = "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets";
    let row = "1\t192.0.2.1\t140.119.1.2\t2\t6\t1025\t80\t3\t144";
    let text = format!(
        "{fields}\tstart\tend\tflags\n#window\t2001-07-01T00:20:00Z\t600\n{row}\t12.5\t13\t27\n\
         #end\t2001-07-01T00:20:00Z\t600\tflows=1\n"
    );
    let stream = Stream::read(&text);
    let flow = stream.windows[0][0];
    assert_eq!((flow.start, flow.flags, flow.packets, flow.octets), (12_500, 27, 3, 144));
    let short = nine(&text);
    assert!(short.starts_with(&format!("{fields}\n#window\t")), "{short}");
    assert!(short.contains(&format!("\n{row}\n#end\t2001-07-01T00:20:00Z\t600\tflows=1\n")));
    assert_eq!(Stream::read(&short).windows[0][0], Flow { start: 0, end: 0, flags: 0, ..flow });

    let rows = [("599.9", "scan"), ("600", "benign"), ("601", "scan")];
    let rows = rows.map(|(start, label)| format!("{row}\t{start}\t-\t{label}\n")).concat();
    let stream = Stream::read(&format!("{fields}\tstart\tflags\tlabel\n{rows}"));
    assert_eq!(stream.windows.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(stream.labels, [vec!["scan"], vec!["benign", "scan"]]);
}

#[test]
fn cut_keeps_only_the_first_targets_of_a_source() {
    let row = |sip: &str, dip: &str| format!("1\t{sip}\t{dip}\n");
    let text = |rows: &[(&str, &str)]| {
        let rows: String = rows.iter().map(|(sip, dip)| row(sip, dip)).collect();
        format!("#fields\tsif\tsip\tdip\n#window\tx\t600\n{rows}#end\tx\t600\n")
    };
    let all = [("a", "1"), ("a", "2"), ("a", "1"), ("b", "9"), ("a", "3"), ("3", "a"), ("a", "1")];
    let left = [("a", "1"), ("a", "2"), ("a", "1"), ("b", "9"), ("3", "a")];
    let worm = HashSet::from_iter(["a".to_owned()]);
    assert_eq!(cut(&text(&all), &worm, 2), text(&left));
}
