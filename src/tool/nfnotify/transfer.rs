//! `nfnotify backup`, `export` and `import`: the memory as a file.

use std::fs::{self, OpenOptions};
use std::io::{BufWriter, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::ValueHint;
use serde::Serialize;

use super::memory::{Db, Memory, open_read};
use super::owners::Who;
use super::person::Name;
use super::publish::publish;
use super::setup::Setup;
use crate::cli::{Io, Status};
use crate::finding::words::{bytes, of};
use crate::incident::store::{Imported, Store};
use crate::incident::{Changed, JournalRow};
use crate::report::Escaped;
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

/// Copies the database, while runs go on.
///
/// # Errors
/// Fails if the file exists or cannot be written, or if there is no database.
pub(super) fn backup(args: &BackupArgs, io: &mut Io) -> anyhow::Result<Status> {
    if args.file == Path::new("-") {
        bail!("a backup is a database and needs a file; `nfnotify export` writes to stdout");
    }
    let store = Store::open(args.db.place().db())?;
    store.backup(&args.file)?;
    let file = args.file.display().to_string();
    let size = fs::metadata(&args.file).with_context(|| file.clone())?.len();
    if args.json {
        serde_json::to_writer(&mut io.out, &Written { file: &file, bytes: size })?;
        writeln!(io.out)?;
    } else {
        writeln!(io.out, "{}: {}", Escaped(file), bytes(size))?;
    }
    Ok(Status::Done)
}

/// Writes all that is remembered as lines of JSON.
///
/// # Errors
/// Fails if the file exists or cannot be written, or if there is no database.
pub(super) fn export(args: &ExportArgs, io: &mut Io) -> anyhow::Result<Status> {
    let store = open_read(&args.db.place())?;
    let rows = match args.file.as_deref().filter(|file| *file != Path::new("-")) {
        None => store.export(&mut io.out)?,
        Some(path) => export_to(path, &store)?,
    };
    io.report.detail(format_args!("exported {}", of(rows, "row")));
    Ok(Status::Done)
}

/// Writes an export to a new file, which only its owner may read: it holds the secret of the site. Leaves
/// none behind if that fails.
fn export_to(path: &Path, store: &Store) -> anyhow::Result<u64> {
    let name = || path.display().to_string();
    let file = match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("{}: the file exists already; name a new one for the export", path.display())
        }
        Err(error) => return Err(error).with_context(name),
    };
    let write = || -> anyhow::Result<u64> {
        let mut out = BufWriter::new(&file);
        let rows = store.export(&mut out)?;
        out.flush()?;
        drop(out);
        file.sync_all()?;
        Ok(rows)
    };
    write().with_context(name).inspect_err(|_| {
        // The error that is returned says more than one of this.
        _ = fs::remove_file(path);
    })
}

/// Fills an empty or missing memory from a file, and writes the files of the readers.
///
/// # Errors
/// Fails, and changes nothing, if there is a memory already or if the file is not one of an export or backup.
pub(super) fn import(args: &ImportArgs, io: &mut Io) -> anyhow::Result<Status> {
    let setup = Setup::new(&args.who, args.now, io)?;
    let file = args.file.display().to_string();
    let row = JournalRow {
        incident: None,
        data: setup.now,
        actor: args.name.text()?,
        what: Changed::Memory,
        from: "-".to_owned(),
        to: "imported".to_owned(),
        reason: file.clone(),
    };
    let mode = setup.settings.mode;
    let (mut memory, Imported { incidents, rows }) =
        Memory::import(args.db.place(), &args.file, &row, setup.now, mode)?;
    if args.json {
        serde_json::to_writer(&mut io.out, &Read { file: &file, incidents, rows })?;
        writeln!(io.out)?;
    } else {
        writeln!(io.out, "imported {}, {} in all", of(incidents, "incident"), of(rows, "row"))?;
    }
    publish(&setup, &mut memory, &[])
        .context("all is imported, but the files that readers see were not written; the next run writes them")?;
    memory.close()?;
    Ok(Status::Done)
}
