//! Reads one flow line into a [`Flow`], or returns the reason why it cannot be read.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::column::{Column, REQUIRED};
use crate::flow::Flow;
use crate::time::{MarkError, Timestamp};

/// The reason why a line cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A column with a value that it cannot have.
    #[error("{} cannot be {value:?}", .column.name())]
    Value {
        /// The column.
        column: Column,
        /// The value, at most 60 bytes of it.
        value: String,
    },
    /// An address that was hidden for publication.
    #[error("{} {value:?} is masked: analyse first, mask last", .column.name())]
    Masked {
        /// The column.
        column: Column,
        /// The value.
        value: String,
    },
    /// A line that ends before one of the nine columns.
    #[error("only {found} columns: {} is missing", .column.name())]
    Missing {
        /// The first column that is missing.
        column: Column,
        /// The number of columns in the line.
        found: usize,
    },
    /// A `#fields` line that lacks one of the nine columns.
    #[error("#fields does not name {}", .0.name())]
    Fields(Column),
    /// A line whose columns are not known, because the `#fields` line above it was refused.
    #[error("columns unknown since the #fields line that was refused")]
    Unknown,
    /// A line longer than a flow line can be, skipped up to its end.
    #[error("line longer than {0} bytes")]
    Long(usize),
    /// A column of another program's with a value that it cannot have.
    #[error("{tool}: {column} cannot be {value:?}")]
    Foreign {
        /// The program.
        tool: &'static str,
        /// The column, by the program's name for it.
        column: &'static str,
        /// The value, at most 60 bytes of it.
        value: String,
    },
    /// A line of another program's that lacks a column.
    #[error("{tool}: column {column} is missing")]
    Lacks {
        /// The program.
        tool: &'static str,
        /// The column, by the program's name for it.
        column: &'static str,
    },
    /// A line with which a program says that it left out flows.
    #[error("{tool}: flows were left out here (SKIPDATA)")]
    Skipped {
        /// The program.
        tool: &'static str,
    },
    /// A `#window` or `#end` that cannot be read.
    #[error(transparent)]
    Mark(#[from] MarkError),
}

/// The delimiter of the columns, chosen once per stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    /// Exactly one such byte: an empty field is an empty field.
    Byte(u8),
    /// Runs of blanks; those at the start of the line are ignored.
    Blanks,
}

impl Delimiter {
    /// Returns the delimiter of a stream by its first line of columns.
    pub(super) fn of(line: &[u8]) -> Delimiter {
        if line.contains(&b'\t') {
            Delimiter::Byte(b'\t')
        } else if line.contains(&b',') {
            Delimiter::Byte(b',')
        } else {
            Delimiter::Blanks
        }
    }

    /// Returns the byte that writers put between two columns.
    pub(super) fn byte(self) -> u8 {
        match self {
            Delimiter::Byte(byte) => byte,
            Delimiter::Blanks => b' ',
        }
    }

    /// Removes the next field from the front of `rest` and returns it; `None` at the end of the
    /// line.
    fn next<'a>(self, rest: &mut Option<&'a [u8]>) -> Option<&'a [u8]> {
        let line = (*rest)?;
        let at = match self {
            Delimiter::Byte(byte) => line.iter().position(|&b| b == byte),
            Delimiter::Blanks => {
                let line = line.trim_ascii_start();
                if line.is_empty() {
                    *rest = None;
                    return None;
                }
                let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
                let (field, after) = line.split_at_checked(end)?;
                *rest = Some(after);
                return Some(field);
            }
        };
        let Some(at) = at else {
            *rest = None;
            return Some(line);
        };
        let (field, after) = line.split_at_checked(at)?;
        *rest = after.get(1..);
        Some(field)
    }

    /// Splits a line into its fields.
    pub(super) fn split(self, line: &[u8]) -> impl Iterator<Item = &[u8]> {
        let mut rest = Some(line);
        std::iter::from_fn(move || self.next(&mut rest))
    }
}

/// The columns of a line in their order; `None` for a column that is passed over.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    columns: Vec<Option<Column>>,
    /// The nine required columns come first and in their order.
    has_required_first: bool,
}

impl Default for Layout {
    fn default() -> Layout {
        Layout::new(REQUIRED.into_iter().map(Some).collect())
    }
}

impl Layout {
    fn new(columns: Vec<Option<Column>>) -> Layout {
        let has_required_first =
            columns.iter().take(REQUIRED.len()).copied().eq(REQUIRED.map(Some));
        Layout { columns, has_required_first }
    }

    /// Returns the columns behind the nine, if the nine come first and in their order.
    pub(super) fn behind_required(&self) -> Option<&[Option<Column>]> {
        self.columns.get(REQUIRED.len()..).filter(|_| self.has_required_first)
    }

    /// Returns the layout of a `#fields` line without its first word. If a name comes twice, the
    /// first place holds.
    pub(super) fn announced(names: &[u8], delimiter: Delimiter) -> Result<Layout, LineError> {
        let mut columns: Vec<Option<Column>> = Vec::new();
        for name in delimiter.split(names) {
            let column = Column::named(name).filter(|column| !column.is_extra());
            columns.push(column.filter(|_| !columns.contains(&column)));
        }
        let last = columns.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        columns.truncate(last);
        match REQUIRED.into_iter().find(|column| !columns.contains(&Some(*column))) {
            Some(column) => Err(LineError::Fields(column)),
            None => Ok(Layout::new(columns)),
        }
    }

    /// Returns the layout of a line of names, as CSV begins with one: its first word is a column's
    /// name, and it names all of the nine. No flow line does that.
    pub(super) fn named(line: &[u8]) -> Option<Layout> {
        let delimiter = Delimiter::of(line);
        let first = delimiter.split(line).next()?;
        Column::named(first).and_then(|_| Layout::announced(line, delimiter).ok())
    }

    /// Reads one line. Fields after the last known column are not looked at.
    pub(super) fn flow(&self, line: &[u8], delimiter: Delimiter) -> Result<Flow, LineError> {
        let mut flow = Flow::default();
        let mut rest = Some(line);
        for (n, column) in self.columns.iter().enumerate() {
            let Some(field) = delimiter.next(&mut rest) else {
                let behind = self.columns.iter().skip(n).flatten();
                let missing = behind.copied().find(|column| REQUIRED.contains(column));
                return match missing {
                    Some(column) => Err(LineError::Missing { column, found: n }),
                    None => Ok(flow),
                };
            };
            if let Some(column) = *column {
                set(&mut flow, column, field).ok_or_else(|| refused(column, field))?;
            }
        }
        Ok(flow)
    }
}

/// Reads the fields of further columns, as many as there are.
pub(super) fn further(
    flow: &mut Flow,
    columns: &[Option<Column>],
    text: &[u8],
    delimiter: Delimiter,
) -> Result<(), LineError> {
    for (column, field) in columns.iter().zip(delimiter.split(text)) {
        if let Some(column) = *column {
            set(flow, column, field).ok_or_else(|| refused(column, field))?;
        }
    }
    Ok(())
}

/// Sets one column of the flow from its text; `None` if the text cannot be read.
fn set(flow: &mut Flow, column: Column, text: &[u8]) -> Option<()> {
    match column {
        Column::Sif => flow.sif = number(text)?.try_into().ok()?,
        Column::Sip => flow.sip = address(text)?,
        Column::Dip => flow.dip = address(text)?,
        Column::Dif => flow.dif = number(text)?.try_into().ok()?,
        Column::Proto => flow.proto = number(text)?.try_into().ok()?,
        Column::Sport => flow.sport = number(text)?.try_into().ok()?,
        Column::Dport => flow.dport = number(text)?.try_into().ok()?,
        Column::Packets => flow.packets = number(text)?,
        Column::Octets => flow.octets = number(text)?,
        Column::Start => flow.start = known(text, Timestamp::parse)?,
        Column::End => flow.end = known(text, Timestamp::parse)?,
        Column::Flags => flow.flags = known(text, |text| number(text)?.try_into().ok())?,
        Column::Exporter => flow.exporter = known(text, address)?,
        Column::Sampling => {
            flow.sampling = known(text, |text| number(text)?.try_into().ok())?.unwrap_or(0);
        }
        // Columns of an `Extra`, which no layout has.
        _ => {}
    }
    Some(())
}

/// Reads a value that may be unknown: `Some(None)` for `-` and for an empty field.
fn known<T>(text: &[u8], read: impl FnOnce(&[u8]) -> Option<T>) -> Option<Option<T>> {
    match text {
        b"-" | b"" => Some(None),
        text => read(text).map(Some),
    }
}

/// Reads decimal digits; `None` for anything else and beyond 64 bits.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0u64;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(value)
}

/// Reads an address of either version.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    match ipv4(text) {
        Some(address) => Some(IpAddr::V4(address)),
        None => ipv6(text).map(IpAddr::V6),
    }
}

const NO_DIGIT: u8 = 16;

/// Values of hexadecimal digits by byte. Comparisons would need a branch for each kind of digit,
/// which is hard to predict.
static HEX: [u8; 256] = {
    let mut table = [NO_DIGIT; 256];
    let mut value = 0;
    #[allow(clippy::indexing_slicing)] // At compile time.
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// Reads every form of RFC 4291 section 2.2, as std does. The form with IPv4 in it is left to std.
fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    let (mut groups, mut count, mut gap) = ([0u16; 8], 0, None);
    let (mut group, mut digits) = (0u16, 0);
    // A single colon stands behind a group. One that does not is the second of `::`, so of two
    // colons at the start the first is dropped.
    let mut rest = text.strip_prefix(b":").unwrap_or(text);
    if rest.len() < text.len() && rest.first() != Some(&b':') {
        return None;
    }
    while let [byte, behind @ ..] = rest {
        rest = behind;
        let digit = HEX.get(usize::from(*byte)).copied().unwrap_or(NO_DIGIT);
        match *byte {
            _ if digit != NO_DIGIT => {
                if digits == 4 {
                    return None;
                }
                (group, digits) = ((group << 4) | u16::from(digit), digits + 1);
            }
            b':' if digits > 0 => {
                *groups.get_mut(count)? = group;
                (count, group, digits) = (count + 1, 0, 0);
                if behind.is_empty() {
                    return None;
                }
            }
            b':' if gap.is_none() => gap = Some(count),
            b'.' => return std::str::from_utf8(text).ok()?.parse().ok(),
            _ => return None,
        }
    }
    if digits > 0 {
        *groups.get_mut(count)? = group;
        count += 1;
    }
    match gap {
        None => (count == 8).then(|| Ipv6Addr::from(groups)),
        // `::` stands for one group or more.
        Some(at) if count < 8 => {
            groups.get_mut(at..)?.rotate_right(8 - count);
            Some(Ipv6Addr::from(groups))
        }
        Some(_) => None,
    }
}

/// Reads dotted decimal without leading zeros, as std does and three times as fast.
fn ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let (mut whole, mut part, mut digits, mut dots) = (0u32, 0u32, 0u32, 0);
    for &byte in text {
        if byte == b'.' {
            if digits == 0 || dots == 3 {
                return None;
            }
            whole = (whole << 8) | part;
            (part, digits, dots) = (0, 0, dots + 1);
            continue;
        }
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit > 9 || (digits > 0 && part == 0) {
            return None;
        }
        part = part * 10 + digit;
        digits += 1;
        if part > 255 {
            return None;
        }
    }
    (dots == 3 && digits > 0).then(|| Ipv4Addr::from((whole << 8) | part))
}

/// Returns a field as errors show it: at most 60 bytes.
pub(super) fn shown(field: &[u8]) -> String {
    String::from_utf8_lossy(field.get(..60).unwrap_or(field)).into_owned()
}

fn refused(column: Column, field: &[u8]) -> LineError {
    let value = shown(field);
    let is_address = matches!(column, Column::Sip | Column::Dip | Column::Exporter);
    if is_address && value.ends_with('?') {
        LineError::Masked { column, value }
    } else {
        LineError::Value { column, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(line: &str) -> Result<Flow, String> {
        let delimiter = Delimiter::of(line.as_bytes());
        Layout::default().flow(line.as_bytes(), delimiter).map_err(|error| error.to_string())
    }

    #[test]
    fn the_delimiter_is_one_tab_or_one_comma_or_else_blanks() {
        let flow = read("1\t192.0.2.1\t198.51.100.2\t2\t6\t1025\t80\t3\t144").unwrap();
        assert_eq!((flow.sif, flow.dport, flow.octets), (1, 80, 144));
        assert_eq!(read("1,192.0.2.1,198.51.100.2,2,6,1025,80,3,144"), Ok(flow));
        assert_eq!(read("  1  192.0.2.1 198.51.100.2 2 6   1025 80 3 144  "), Ok(flow));
        let empty = read("1\t192.0.2.1\t198.51.100.2\t\t6\t1025\t80\t3\t144");
        assert_eq!(empty, Err("dif cannot be \"\"".to_owned()));
    }

    #[test]
    fn an_error_names_the_column_and_the_value() {
        let line = "1 192.0.2.1 2001:db8::2 2 6 1025 80 3 144";
        assert!(read(line).is_ok());
        for (from, to, why) in [
            ("192.0.2.1", "192.0.2.?", "sip \"192.0.2.?\" is masked: analyse first, mask last"),
            ("192.0.2.1", "192.0.02.1", "sip cannot be \"192.0.02.1\""),
            ("1025", "65536", "sport cannot be \"65536\""),
            (" 144", " 18446744073709551616", "octets cannot be \"18446744073709551616\""),
            (" 144", " +144", "octets cannot be \"+144\""),
            (" 3 144", "", "only 7 columns: packets is missing"),
        ] {
            assert_eq!(read(&line.replace(from, to)), Err(why.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn ipv4_addresses_read_as_in_std(text in "[0-9.]{1,16}|[0-9]{1,3}(\\.[0-9]{1,3}){3}") {
            prop_assert_eq!(ipv4(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn any_address_reads_back(a: IpAddr) {
            prop_assert_eq!(address(a.to_string().as_bytes()), Some(a));
        }

        #[test]
        fn ipv6_addresses_read_as_in_std(
            text in "[0-9a-fA-F:]{0,12}|(([0-9a-f]{1,4}:){1,8}|::|:)([0-9A-F]{0,5}(:|::)?){0,8}|\
                [0-9a-f:]{0,20}:[0-9.]{1,12}|::?[0-9a-g]?::?"
        ) {
            prop_assert_eq!(ipv6(text.as_bytes()), text.parse().ok(), "{}", text);
        }

        #[test]
        fn numbers_read_as_in_std(text in "0{0,9}[0-9]{0,21}") {
            prop_assert_eq!(number(text.as_bytes()), text.parse().ok());
        }
    }
}
