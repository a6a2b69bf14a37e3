//! The forms of a stream of flow lines.

/// A form of flow lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Form {
    /// Columns separated by TABs; marks and the names of the columns after `#`.
    #[default]
    Text,
    /// Columns separated by commas (RFC 4180) under a line of their names, without marks. An
    /// unknown value is an empty field.
    Csv,
    /// One JSON object a line, for marks too. An unknown value is null.
    Json,
}
