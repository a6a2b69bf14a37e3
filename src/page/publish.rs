//! Puts a page into place: readers see the old one or the new one, never a part.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Error;

/// The name of the page in its folder: what web servers show for the folder.
pub const NAME: &str = "index.html";

/// Readable for all: a web server is seldom the user who writes the page.
const MODE: u32 = 0o644;

/// Writes the page `html` into the folder `dir`, which is made if need be.
///
/// # Errors
/// What the system refuses, with the path. The old page is then untouched, and nothing is left
/// beside it.
pub fn publish(dir: &Path, html: &str) -> Result<(), Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        |error: io::Error| Error::Publish { path, error: bare(error) }
    };
    fs::create_dir_all(dir)
        .map_err(|error| match dir.exists() {
            true => io::ErrorKind::NotADirectory.into(),
            false => error,
        })
        .map_err(failed(dir))?;
    let mut file =
        tempfile::Builder::new().prefix(".index.html.").tempfile_in(dir).map_err(failed(dir))?;
    let page = dir.join(NAME);
    file.as_file_mut()
        .write_all(html.as_bytes())
        .and_then(|()| file.as_file().set_permissions(Permissions::from_mode(MODE)))
        // Without it, a crash after the renaming can leave an empty page.
        .and_then(|()| file.as_file().sync_all())
        .map_err(failed(&page))?;
    file.persist(&page).map_err(|error| failed(&page)(error.error))?;
    Ok(())
}

/// The reason alone, without the name of the temporary file, which means nothing to anyone.
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
    fn a_page_replaces_another_and_leaves_nothing_beside_it() {
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
    fn what_fails_names_the_place_and_leaves_the_old_page() {
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
