//! Puts a page into place. Readers see the old page or the new one, never a part of one.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::page::error::Error;

/// The file name of the page, which web servers show for the folder.
pub const NAME: &str = "index.html";

/// The mode of the file. Everybody may read it, because a web server seldom runs as the user who writes it.
const MODE: u32 = 0o644;

/// Writes the page `html` into the folder `dir`, and creates the folder if it does not exist.
///
/// # Errors
/// Returns the error of the system with the path at fault. The old page is then unchanged, and no temporary
/// file is left.
pub fn publish(dir: &Path, html: &str) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |error: io::Error| Error::Publish { path, error: bare(error) }
    };
    fs::create_dir_all(dir)
        .map_err(|error| if dir.exists() { io::ErrorKind::NotADirectory.into() } else { error })
        .map_err(failed(dir))?;
    let mut file =
        tempfile::Builder::new().prefix(".index.html.").tempfile_in(dir).map_err(failed(dir))?;
    let page = dir.join(NAME);
    file.as_file_mut()
        .write_all(html.as_bytes())
        .and_then(|()| file.as_file().set_permissions(Permissions::from_mode(MODE)))
        // Without this, a crash after the renaming can leave an empty page.
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed(&page))?;
    file.persist(&page).map_err(|error| failed(&page)(error.error))?;
    Ok(())
}

/// Returns an error without the name of the temporary file, which would only confuse the user.
fn bare(error: io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(_) => error,
        None => error.kind().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_page_replaces_the_old_one_and_leaves_no_other_file() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("www/nfkit");
        for text in ["one", "the second"] {
            publish(&dir, text).unwrap();
            assert_eq!(fs::read_to_string(dir.join(NAME)).unwrap(), text);
            assert_eq!(names(&dir), [NAME]);
        }
        let mode = fs::metadata(dir.join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o644);
    }

    #[test]
    fn an_error_names_the_path_and_leaves_the_old_page() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "mine").unwrap();
        for dir in [file.clone(), file.join("below")] {
            let error = publish(&dir, "new").unwrap_err().to_string();
            assert!(error.starts_with(&dir.display().to_string()), "{error}");
            assert!(error.contains("ot a directory"), "{error}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

        // A folder stands where the page should be.
        let dir = root.path().join("www");
        fs::create_dir_all(dir.join(NAME)).unwrap();
        let error = publish(&dir, "new").unwrap_err().to_string();
        assert!(error.starts_with(&dir.join(NAME).display().to_string()), "{error}");
        assert!(!error.contains(".index.html."), "{error}");
        assert_eq!(names(&dir), [NAME]);
    }
}
