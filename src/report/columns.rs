//! Tables of text for people.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::escaped::Escaped;

/// Two blanks between columns.
const GAP: &str = "  ";

/// A table whose columns are as wide as their widest cell. Nothing is cut, and nothing is folded.
#[derive(Debug)]
pub struct Columns<const N: usize> {
    rows: Vec<[String; N]>,
    /// The columns whose cells are numbers, which end below each other.
    numbers: &'static [usize],
}

impl<const N: usize> Columns<N> {
    /// Returns a table with a heading. `numbers` are the indices of the columns with numbers.
    pub fn new(heading: [&str; N], numbers: &'static [usize]) -> Columns<N> {
        Columns { rows: vec![heading.map(str::to_owned)], numbers }
    }

    /// Adds a row. Its text may come from the network.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells.map(|cell| Escaped(cell).to_string()));
    }

    /// Returns true if there is no row but the heading.
    pub fn is_empty(&self) -> bool {
        self.rows.len() <= 1
    }

    /// Writes the table, each line behind `indent`.
    ///
    /// # Errors
    /// The error of the stream.
    pub fn print(&self, indent: &str, out: &mut impl Write) -> io::Result<()> {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.width().max(*width);
            }
        }
        let mut line = String::new();
        for row in &self.rows {
            line.clear();
            line += indent;
            for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
                let blanks = " ".repeat(width - cell.width());
                if at > 0 {
                    line += GAP;
                }
                if self.numbers.contains(&at) {
                    line += &blanks;
                    line += cell;
                } else {
                    line += cell;
                    line += &blanks;
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_harmless() {
        let mut table = Columns::new(["ID", "HOST", "WHY"], &[0]);
        table.row(["7".into(), "192.0.2.1".into(), "a\u{1b}[2J".into()]);
        table.row(["12345".into(), "資訊".into(), String::new()]);
        table.row(["6".into(), "::1".into(), "b".into()]);
        let mut out = Vec::new();
        table.print("  ", &mut out).unwrap();
        let expected = "     ID  HOST       WHY\n      7  192.0.2.1  a\\x1b[2J\n  12345  資訊\n      \
                        6  ::1        b\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        assert!(!table.is_empty());
        assert!(Columns::new(["A"], &[]).is_empty());
    }
}
