//! Lines of several inputs as one stream: whoever reads it must know what their columns are.

use crate::line::REQUIRED;

/// How an input separates its columns: chosen by its first flow line, once (nfkit-flow(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    Octet(u8),
    Blanks,
}

impl Delimiter {
    /// Returns what separates the columns of an input that begins with this flow line.
    pub fn of(line: &[u8]) -> Delimiter {
        let octet = [b'\t', b','].into_iter().find(|octet| line.contains(octet));
        octet.map_or(Delimiter::Blanks, Delimiter::Octet)
    }
}

impl Delimiter {
    /// Whether a line of this delimiter holds one that a reader would rather take, were it the first.
    fn is_masked_in(self, line: &[u8]) -> bool {
        match self {
            Delimiter::Octet(b'\t') => false,
            Delimiter::Octet(_) => line.contains(&b'\t'),
            Delimiter::Blanks => line.contains(&b'\t') || line.contains(&b','),
        }
    }
}

/// Passes lines on, and says what their columns are where that changes.
#[derive(Debug)]
pub(super) struct Columns {
    /// Whether lines that name columns are printed.
    names: bool,
    /// The line that names the columns of this input; `None` for the nine.
    input: Option<Vec<u8>>,
    /// The one that the output has so far.
    output: Option<Vec<u8>>,
    /// The two may differ.
    changed: bool,
    from: Option<Delimiter>,
    to: Option<Delimiter>,
}

impl Columns {
    pub fn new(names: bool) -> Columns {
        Columns { names, input: None, output: None, changed: false, from: None, to: None }
    }

    /// An input begins: of its columns nothing is known yet.
    pub fn next_input(&mut self) {
        self.input = None;
        self.changed = true;
        self.from = None;
    }

    /// Goes to lines of another input, of which these columns and this delimiter are known.
    pub fn input(&mut self, names: Option<&[u8]>, delimiter: Delimiter) {
        self.input = names.map(<[u8]>::to_vec);
        self.changed = true;
        self.from = Some(delimiter);
    }

    /// Takes a line that names the columns, and prints it if it says anything new.
    pub fn named(&mut self, line: &[u8], lines: &mut Vec<u8>) {
        self.input = Some(line.to_vec());
        self.tell(lines);
    }

    /// Looks at a flow line of the input before any is passed on.
    pub fn first(&mut self, line: &[u8]) {
        self.from.get_or_insert_with(|| Delimiter::of(line));
    }

    /// Passes a flow line on.
    #[inline]
    pub fn line(&mut self, line: &[u8], lines: &mut Vec<u8>) {
        if self.changed {
            self.tell(lines);
        }
        match (self.from, *self.to.get_or_insert(self.from.unwrap_or(Delimiter::Blanks))) {
            (Some(from), to) if from != to || to.is_masked_in(line) => {
                translate(line, from, to, lines);
            }
            _ => lines.extend_from_slice(line),
        }
        lines.push(b'\n');
    }

    fn tell(&mut self, lines: &mut Vec<u8>) {
        self.changed = false;
        if self.input == self.output {
            return;
        }
        self.output.clone_from(&self.input);
        if !self.names {
            return;
        }
        match &self.input {
            Some(line) => lines.extend_from_slice(line),
            None => {
                lines.extend_from_slice(b"#fields");
                for column in REQUIRED {
                    lines.push(b'\t');
                    lines.extend_from_slice(column.name().as_bytes());
                }
            }
        }
        lines.push(b'\n');
    }
}

/// Writes a line with the delimiter of the lines before it: readers choose one for a whole stream.
fn translate(line: &[u8], from: Delimiter, to: Delimiter, lines: &mut Vec<u8>) {
    let end = match to {
        Delimiter::Octet(octet) => octet,
        Delimiter::Blanks => b' ',
    };
    let mut field = |n: usize, field: &[u8]| {
        if n > 0 {
            lines.push(end);
        }
        if field.is_empty() {
            // An empty field and one that is unknown mean the same.
            lines.push(b'-');
        }
        // No value that anyone knows holds a delimiter; of other columns nobody looks at.
        lines.extend(field.iter().map(|&octet| match octet {
            b'\t' => b'_',
            b',' if end == b' ' => b'_',
            octet if octet == end => b'_',
            octet => octet,
        }));
    };
    match from {
        Delimiter::Octet(octet) => {
            line.split(|&b| b == octet).enumerate().for_each(|(n, text)| field(n, text));
        }
        Delimiter::Blanks => {
            let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
            words.enumerate().for_each(|(n, text)| field(n, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Inputs through one stream, each a list of lines.
    fn joined(inputs: &[&[&str]], names: bool) -> String {
        let mut columns = Columns::new(names);
        let mut lines = Vec::new();
        for input in inputs {
            columns.next_input();
            for line in *input {
                if line.starts_with("#fields") || line.starts_with("sif,") {
                    columns.named(line.as_bytes(), &mut lines);
                } else {
                    columns.first(line.as_bytes());
                    columns.line(line.as_bytes(), &mut lines);
                }
            }
        }
        String::from_utf8(lines).unwrap()
    }

    const PLAIN: &str = "#fields\tsif\tsip\tdip\tdif\tproto\tsport\tdport\tpackets\toctets\n";

    #[test]
    fn columns_are_named_where_they_change() {
        let fields = "#fields\ta\tb";
        assert_eq!(joined(&[&["1\t2"], &["3\t4"]], true), "1\t2\n3\t4\n");
        assert_eq!(
            joined(&[&[fields, "1\t2"], &[fields, "3\t4"]], true),
            "#fields\ta\tb\n1\t2\n3\t4\n"
        );
        assert_eq!(joined(&[&["1\t2"], &[fields, "3\t4"]], true), "1\t2\n#fields\ta\tb\n3\t4\n");
        let back = joined(&[&[fields, "1\t2"], &[], &["3\t4"]], true);
        assert_eq!(back, format!("#fields\ta\tb\n1\t2\n{PLAIN}3\t4\n"));
        assert_eq!(joined(&[&[fields, "1\t2"], &["3\t4"]], false), "1\t2\n3\t4\n");
    }

    #[test]
    fn one_stream_has_one_delimiter() {
        let all = joined(&[&["1\t2\t3"], &["1,2,3", "1,,a\tb"], &["  1   2 3 "]], true);
        assert_eq!(all, "1\t2\t3\n1\t2\t3\n1\t-\ta_b\n1\t2\t3\n");
        assert_eq!(joined(&[&["1 2 3"], &["1\t\ta b"]], true), "1 2 3\n1 - a_b\n");
        assert_eq!(joined(&[&["1,2"], &["3\t4"]], true), "1,2\n3,4\n");
    }
}
