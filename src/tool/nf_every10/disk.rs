//! The room on a disk.

use std::io;
use std::path::Path;

use nix::sys::statvfs::statvfs;

/// Bytes free below which the admin is told, unless they are a twentieth of the disk.
const LOW: u64 = 1 << 30;

/// The room on the disk of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Disk {
    /// Bytes that are free for this user.
    pub free: u64,
    /// Bytes of the whole disk.
    pub all: u64,
}

impl Disk {
    /// Returns the room on the disk of a directory.
    ///
    /// # Errors
    /// The system's error.
    pub fn of(dir: &Path) -> io::Result<Disk> {
        let found = statvfs(dir)?;
        let size = found.fragment_size();
        Ok(Disk { free: found.blocks_available() * size, all: found.blocks() * size })
    }

    /// Returns true if so little is free that the admin should know.
    pub const fn is_low(self) -> bool {
        self.free < LOW && self.free < self.all / 20
    }

    /// Returns true if a tenth is free, so that a slot that finds no room is at fault itself.
    pub const fn is_spacious(self) -> bool {
        self.free >= self.all / 10
    }
}
