//! The check before a file is replaced by renaming another one to its name.

use std::fs;
use std::io;
use std::path::Path;

/// Returns an error if something else than a regular file has this name: a rename would put a file in the place
/// of a device such as `/dev/null`, or of a link that leads to the file that was meant.
///
/// # Errors
/// [`io::ErrorKind::InvalidInput`], or the system's error.
pub(super) fn refuse_special(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "is not a regular file, and would be replaced by one; name a regular or a new file",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_and_new_files_may_be_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        refuse_special(&file).unwrap();
        fs::write(&file, "").unwrap();
        refuse_special(&file).unwrap();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        for path in [link.as_path(), dir.path(), Path::new("/dev/null"), Path::new("/dev/full")] {
            let error = refuse_special(path).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{}", path.display());
        }
        assert!(refuse_special(&file.join("below")).is_err());
    }
}
