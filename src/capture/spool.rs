//! The spool: a directory tree of capture files, one file or more for each slot.
//!
//! A slot's file is `YYYY/MM/DD/nfcap.YYYYMMDDhhmm.pcapng`, in UTC. The seconds are appended to the
//! stamp if slots are shorter than a minute. `.1`, `.2` and so on stand before `.pcapng` if a slot has
//! more files, and `.zst` or `.gz` at the end if the file is compressed. While it is written, the file
//! is `.NAME.part`.

mod guard;
mod list;
mod lock;
mod name;
mod recover;
mod retain;
mod rules;
mod slot_file;

pub use guard::{ClockSet, Clocks, DirectoryId, Guard, TooMany};
pub use list::{ListError, Listing, list};
pub use lock::{Lock, LockError};
pub use name::{Compression, Name, file_name};
pub use recover::{Recovered, recover};
pub use retain::{Pass, Removed, Retained, Why, pass, retain};
pub use rules::{Free, RetentionRules};
pub use slot_file::{SlotFile, SlotFileError};
