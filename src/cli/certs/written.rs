//! A certificate and its key, put on disk: whole or not at all, and never over others by accident.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::super::error::CliError;
use super::authority::Issued;

pub(super) const KEY_SUFFIX: &str = "-key";
const OWNER_ONLY: u32 = 0o600;
const ALL_MAY_READ: u32 = 0o644;

pub(super) struct Written {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Whether `name` can stand before `.pem` in one directory.
pub(super) fn file_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@' | '+' | '=' | ' ');
    !name.is_empty() && name.len() <= 200 && !name.starts_with(['.', '-', ' ']) && name.chars().all(is_plain)
}

/// Writes `name.pem` and `name-key.pem`, the key for its owner's eyes only. Makes the directory.
///
/// # Errors
/// If one of them is there and `force` is not given; then neither is written.
pub(super) fn write_pair(dir: &Path, name: &str, issued: &Issued, force: bool) -> Result<Written, CliError> {
    let files = Written {
        certificate: dir.join(format!("{name}.pem")),
        key: dir.join(format!("{name}{KEY_SUFFIX}.pem")),
    };
    fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
    for path in [&files.certificate, &files.key] {
        if !force && path.symlink_metadata().is_ok() {
            return Err(CliError::Failed(format!(
                "{} is there already: --force replaces it",
                path.display()
            )));
        }
    }
    // The key first: who sees the certificate finds its key.
    write(&files.key, &issued.key, OWNER_ONLY, force)?;
    write(&files.certificate, &issued.chain, ALL_MAY_READ, force)?;
    Ok(files)
}

/// What is replaced is replaced at once, so that no node that watches it reads half of it.
fn write(path: &Path, contents: &str, mode: u32, force: bool) -> Result<(), CliError> {
    let here = if force { path.with_extension("pem.new") } else { path.to_owned() };
    if force {
        // One that an earlier run left.
        let _ = fs::remove_file(&here);
    }
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(mode).open(&here);
    let mut file = opened.map_err(|error| failed(path, &error))?;
    let written = file.write_all(contents.as_bytes()).and_then(|()| file.sync_all());
    let written = written.and_then(|()| if force { fs::rename(&here, path) } else { Ok(()) });
    written.map_err(|error| {
        let _ = fs::remove_file(&here);
        failed(path, &error)
    })
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::Failed(format!("write {}: {error}", path.display()))
}
