//! `nfnotify backup`, `export` and `import`: the memory as a file.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueHint;
use serde::Serialize;
use tempfile::NamedTempFile;

use super::memory::{Db, IfMissing, Memory, WAIT};
use super::owners::Who;
use super::person::Name;
use super::publish;
use super::run::Setup;
use crate::cli::{Io, Status};
use crate::finding::words::{bytes, of};
use crate::incident::store::Store;
use crate::incident::{Changed, JournalRow};
use crate::time::Timestamp;
use crate::tool::findings::parse_time;

/// The arguments of `nfnotify backup`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct BackupArgs {
    /// Write the copy to this file, which must not exist
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    db: Db,
    /// Print the path and the size as JSON
    #[arg(long)]
    json: bool,
}

/// The arguments of `nfnotify export`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// Write to this file, which must not exist [default: stdout]
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: Option<PathBuf>,
    #[command(flatten)]
    db: Db,
    /// Does nothing: an export is JSON in any case
    #[arg(long)]
    json: bool,
}

/// The arguments of `nfnotify import`.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// Read the memory from this file of `nfnotify export` or `nfnotify backup`
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
    #[command(flatten)]
    name: Name,
    #[command(flatten)]
    db: Db,
    #[command(flatten)]
    who: Who,
    /// Write this time of the import into the journal: RFC 3339 or Unix seconds [default: the clock]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    now: Option<Timestamp>,
    /// Print the numbers of what was imported as JSON
    #[arg(long)]
    json: bool,
}

/// The result of a backup, as JSON.
#[derive(Debug, Serialize)]
struct Written<'a> {
    file: &'a str,
    bytes: u64,
}

/// The result of an import, as JSON.
#[derive(Debug, Serialize)]
struct Read<'a> {
    file: &'a str,
    incidents: u64,
    rows: u64,
}

/// Copies the database, while runs go on, to a file that is whole or not there.
///
/// # Errors
/// Fails if the file exists or cannot be written, or if there is no database.
pub(super) fn backup(args: &BackupArgs, io: &mut Io) -> anyhow::Result<Status> {
    if args.file == Path::new("-") {
        bail!("a backup is a database and needs a file; `nfnotify export` writes to stdout");
    }
    let store = Store::open(args.db.place().db())?;
    let size = write_new(&args.file, |file| Ok(store.backup(file.path())?))?;
    let name = args.file.display().to_string();
    if args.json {
        serde_json::to_writer(&mut io.out, &Written { file: &name, bytes: size })?;
        writeln!(io.out)?;
    } else {
        io.report.detail(format_args!("{name}: {}", bytes(size)));
    }
    Ok(Status::Done)
}

/// Writes all that is remembered as lines of JSON.
///
/// # Errors
/// Fails if the file exists or cannot be written, or if there is no database.
pub(super) fn export(args: &ExportArgs, io: &mut Io) -> anyhow::Result<Status> {
    let store = Store::open_read(args.db.place().db())?;
    match args.file.as_deref().filter(|file| *file != Path::new("-")) {
        None => store.export(&mut io.out)?,
        Some(path) => {
            let size = write_new(path, |file| {
                let mut out = io::BufWriter::new(file.as_file());
                store.export(&mut out)?;
                Ok(out.flush()?)
            })?;
            io.report.detail(format_args!("{}: {}", path.display(), bytes(size)));
        }
    }
    Ok(Status::Done)
}

/// Writes a file that must not exist, so that it is whole or not there at all, and returns its size. Only its
/// owner may read it: it holds the secret of the site.
fn write_new(
    path: &Path,
    write: impl FnOnce(&mut NamedTempFile) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let name = || path.display().to_string();
    if path.symlink_metadata().is_ok() {
        bail!("{}: exists already; nothing was written", path.display());
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".nfnotify.").tempfile_in(dir).with_context(name)?;
    write(&mut file).with_context(name)?;
    file.as_file().sync_all().with_context(name)?;
    let file = file.persist_noclobber(path).map_err(|error| error.error).with_context(name)?;
    File::open(dir).and_then(|dir| dir.sync_all()).with_context(name)?;
    Ok(file.metadata().with_context(name)?.len())
}

/// Fills an empty or missing memory from a file, and writes the files of the readers.
///
/// # Errors
/// Fails, and changes nothing, if there is a memory already or if the file is not one of an export or backup.
pub(super) fn import(args: &ImportArgs, io: &mut Io) -> anyhow::Result<Status> {
    let setup = Setup::new(&args.who, args.now, io)?;
    let actor = args.name.text()?;
    let file = args.file.display().to_string();
    let place = args.db.place();
    let Some(mut memory) = Memory::open(place, WAIT, IfMissing::Restore)? else {
        bail!("another nfnotify has held the memory for a minute; nothing was imported");
    };
    let imported = memory.store.import(&args.file)?;
    let row = JournalRow {
        incident: None,
        data: setup.now,
        actor,
        what: Changed::Memory,
        from: "-".to_owned(),
        to: "imported".to_owned(),
        reason: file.clone(),
    };
    let mut update = memory.store.update(setup.now, setup.settings.mode)?;
    update.journal_rows([&row])?;
    update.commit()?;
    let (incidents, rows) = (imported.incidents, imported.rows);
    if args.json {
        serde_json::to_writer(&mut io.out, &Read { file: &file, incidents, rows })?;
        writeln!(io.out)?;
    } else {
        let (incidents, rows) = (of(incidents, "incident"), of(rows, "row"));
        writeln!(io.out, "imported {incidents} in {rows}")?;
    }
    publish::publish(&setup, &mut memory, io)?;
    Ok(Status::Done)
}
