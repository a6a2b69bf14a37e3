//! The key of the pseudonyms.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::super::error::Error;
use super::super::store::{random, replace};

/// The letters of a pseudonym: none that is easily taken for another.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// The letters of one pseudonym: 25 bits, enough for the hosts of one network and month.
const LENGTH: usize = 5;

/// A key of 128 bits. A person who has it can find the address behind a pseudonym by trying all.
#[derive(Clone)]
pub struct MaskKey([u8; 16]);

/// Does not show the key.
impl std::fmt::Debug for MaskKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MaskKey")
    }
}

impl MaskKey {
    /// Reads the key of a file, 32 hexadecimal digits, or draws one and writes the file. `dir` is the site.
    ///
    /// # Errors
    /// The file lies in the site, others may read it, it is no key, or the system's error.
    pub fn open(path: &Path, dir: &Path) -> Result<MaskKey, Error> {
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let real = |path: &Path| fs::canonicalize(path).map_err(Error::at(path));
        if dir.is_dir() && real(parent)?.starts_with(real(dir)?) {
            return Err(Error::KeyInside { key: path.to_owned(), dir: dir.to_owned() });
        }
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = random()?;
                let text: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
                replace(path, format!("{text}\n").as_bytes(), 0o600)?;
                return Ok(MaskKey(key));
            }
            Err(error) => return Err(Error::at(path)(error)),
        };
        let mode =
            File::open(path).and_then(|file| file.metadata()).map_err(Error::at(path))?.mode();
        if mode & 0o077 != 0 {
            return Err(Error::KeyOpen { path: path.to_owned() });
        }
        parse(text.trim_end()).map(MaskKey).ok_or_else(|| Error::NoKey { path: path.to_owned() })
    }

    /// Returns the pseudonym of a host in a month such as `2001-08`.
    pub(super) fn pseudonym(&self, month: &str, host: &str) -> String {
        // Any length of key is fine.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(month.as_bytes());
        mac.update(b"\0");
        mac.update(host.as_bytes());
        let sum = mac.finalize().into_bytes();
        let letter =
            |byte: &u8| LETTERS.get(usize::from(*byte % 32)).copied().map_or('a', char::from);
        sum.iter().take(LENGTH).map(letter).collect()
    }
}

fn parse(text: &str) -> Option<[u8; 16]> {
    let mut key = [0; 16];
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_drawn_once_and_read_by_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let (file, site) = (dir.path().join("key"), dir.path().join("www"));
        fs::create_dir(&site).unwrap();
        let one = MaskKey::open(&file, &site).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        let pseudonym = |key: &MaskKey| key.pseudonym("2001-08", "192.0.2.1");
        assert_eq!(pseudonym(&one), pseudonym(&MaskKey::open(&file, &site).unwrap()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = MaskKey::open(&file, &site).unwrap_err().to_string();
        assert!(error.ends_with("others may read this key; give it mode 0600"), "{error}");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&file, "0123\n").unwrap();
        let error = MaskKey::open(&file, &site).unwrap_err().to_string();
        assert!(error.contains("not a key of 32 hexadecimal digits"), "{error}");
        let error = MaskKey::open(&site.join("key"), &site).unwrap_err().to_string();
        assert!(error.contains("lies in"), "{error}");
    }

    #[test]
    fn pseudonyms_differ_by_key_month_and_host() {
        let (one, two) = (MaskKey([1; 16]), MaskKey([2; 16]));
        let base = one.pseudonym("2001-08", "192.0.2.1");
        assert_eq!(base.len(), LENGTH);
        assert_ne!(base, two.pseudonym("2001-08", "192.0.2.1"));
        assert_ne!(base, one.pseudonym("2001-09", "192.0.2.1"));
        assert_ne!(base, one.pseudonym("2001-08", "192.0.2.2"));
    }
}
