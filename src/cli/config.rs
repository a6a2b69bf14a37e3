//! The configuration file of a site, nfkit-config(5).
//!
//! The file is TOML: tables of keys, most of which stand for an option of a command. A repeated table has an
//! entry for each time that it is written. This module knows no table. Each is a constant of the module that
//! uses it, a [`Table`]; [`Config`] is a file read by such tables, and [`Fault`] is a place of the file that
//! they do not allow.

mod check;
mod document;
mod key;
mod table;

pub use check::{any, duration, network, size};
pub use document::{MAX_ENTRIES, nearest};
pub use key::{Form, Key};
pub use table::{Config, Entry, Fault, Scope, Setting, Table};
