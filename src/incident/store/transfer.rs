//! Backup, export and import.

use std::path::Path;

use super::db::Store;
use super::error::Error;

/// The numbers of what an import has read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Incidents.
    pub incidents: u64,
    /// Rows of all tables.
    pub rows: u64,
}

impl Store {
    /// Writes a copy of the database, as of the last commit, to a file that must not exist.
    ///
    /// # Errors
    /// Returns the error of SQLite.
    pub fn backup(&self, to: &Path) -> Result<(), Error> {
        let text = to.to_string_lossy();
        let copied = self.db.execute("VACUUM INTO ?1", [&text]);
        copied.map(|_| ()).map_err(|error| super::error::Fault::from(error).at(to))
    }
}
