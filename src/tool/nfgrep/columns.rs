//! Joins the lines of several inputs into one stream, whose columns and delimiter a reader can tell.

use crate::line::REQUIRED;

/// The way an input separates its columns, decided by its first flow line (nfkit-flow(5)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// One byte, a TAB or a comma.
    Byte(u8),
    /// One or more blanks.
    Blanks,
}

impl Delimiter {
    /// Returns the delimiter of an input whose first flow line is `line`.
    pub fn of(line: &[u8]) -> Delimiter {
        let byte = [b'\t', b','].into_iter().find(|byte| line.contains(byte));
        byte.map_or(Delimiter::Blanks, Delimiter::Byte)
    }

    /// Returns true if a reader that saw `line` first would choose another delimiter.
    fn is_masked_in(self, line: &[u8]) -> bool {
        match self {
            Delimiter::Byte(b'\t') => false,
            Delimiter::Byte(_) => line.contains(&b'\t'),
            Delimiter::Blanks => line.contains(&b'\t') || line.contains(&b','),
        }
    }
}

/// Passes lines on, and names their columns where these change.
#[derive(Debug)]
pub(super) struct Columns {
    /// True if lines that name columns are printed.
    prints_names: bool,
    /// The line that names the columns of this input; `None` for the nine required ones.
    input_names: Option<Vec<u8>>,
    /// The line that named the columns of the output last.
    output_names: Option<Vec<u8>>,
    /// True if the two may differ.
    changed: bool,
    /// The delimiter of this input; `None` before its first flow line.
    from: Option<Delimiter>,
    /// The delimiter of the output; `None` before its first line.
    to: Option<Delimiter>,
}

impl Columns {
    /// Returns the state before the first input. Lines that name columns are printed if
    /// `prints_names`.
    pub fn new(prints_names: bool) -> Columns {
        Columns {
            prints_names,
            input_names: None,
            output_names: None,
            changed: false,
            from: None,
            to: None,
        }
    }

    /// Begins another input, whose columns are not known yet.
    pub fn next_input(&mut self) {
        self.input_names = None;
        self.changed = true;
        self.from = None;
    }

    /// Continues with lines of an input whose columns and delimiter are known.
    pub fn switch_to(&mut self, names: Option<&[u8]>, delimiter: Delimiter) {
        self.input_names = names.map(<[u8]>::to_vec);
        self.changed = true;
        self.from = Some(delimiter);
    }

    /// Takes a line that names the columns, and writes it if the columns changed.
    pub fn set_names(&mut self, line: &[u8], lines: &mut Vec<u8>) {
        self.input_names = Some(line.to_vec());
        self.write_names(lines);
    }

    /// Decides the delimiter of the input by its first flow line. Further lines change nothing.
    pub fn note_flow_line(&mut self, line: &[u8]) {
        self.from.get_or_insert_with(|| Delimiter::of(line));
    }

    /// Writes a flow line, with the delimiter of the output.
    #[inline]
    pub fn write_line(&mut self, line: &[u8], lines: &mut Vec<u8>) {
        if self.changed {
            self.write_names(lines);
        }
        match (self.from, *self.to.get_or_insert(self.from.unwrap_or(Delimiter::Blanks))) {
            (Some(from), to) if from != to || to.is_masked_in(line) => {
                translate(line, from, to, lines);
            }
            _ => lines.extend_from_slice(line),
        }
        lines.push(b'\n');
    }

    fn write_names(&mut self, lines: &mut Vec<u8>) {
        self.changed = false;
        if self.input_names == self.output_names {
            return;
        }
        self.output_names.clone_from(&self.input_names);
        if !self.prints_names {
            return;
        }
        match &self.input_names {
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

/// Writes a line with another delimiter, because readers decide on one for the whole stream.
fn translate(line: &[u8], from: Delimiter, to: Delimiter, lines: &mut Vec<u8>) {
    let end = match to {
        Delimiter::Byte(byte) => byte,
        Delimiter::Blanks => b' ',
    };
    let mut field = |n: usize, field: &[u8]| {
        if n > 0 {
            lines.push(end);
        }
        if field.is_empty() {
            // An empty field means an unknown value, as does a dash.
            lines.push(b'-');
        }
        // No known column has a delimiter in its values. Those of unknown columns are replaced.
        lines.extend(field.iter().map(|&byte| match byte {
            b'\t' => b'_',
            b',' if end == b' ' => b'_',
            byte if byte == end => b'_',
            byte => byte,
        }));
    };
    match from {
        Delimiter::Byte(byte) => {
            line.split(|&b| b == byte).enumerate().for_each(|(n, text)| field(n, text));
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

    /// Joins inputs, each a list of lines.
    fn joined(inputs: &[&[&str]], prints_names: bool) -> String {
        let mut columns = Columns::new(prints_names);
        let mut lines = Vec::new();
        for input in inputs {
            columns.next_input();
            for line in *input {
                if line.starts_with("#fields") || line.starts_with("sif,") {
                    columns.set_names(line.as_bytes(), &mut lines);
                } else {
                    columns.note_flow_line(line.as_bytes());
                    columns.write_line(line.as_bytes(), &mut lines);
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
