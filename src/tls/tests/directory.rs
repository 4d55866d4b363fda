//! A directory of its own for each test, gone with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::authority::Pair;
use crate::tls::{ClientFiles, Files};

pub(super) struct Directory(PathBuf);

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Directory {
    pub(super) fn new() -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("bateau-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, contents).unwrap();
        path
    }

    /// `name.pem` and `name-key.pem`, and the CA of clients if there is one.
    pub(super) fn server(&self, name: &str, pair: &Pair, ca: Option<&str>) -> Files {
        Files {
            certificate: self.write(&format!("{name}.pem"), &pair.certificate),
            key: self.write(&format!("{name}-key.pem"), &pair.key),
            ca: ca.map(|pem| self.write(&format!("{name}-ca.pem"), pem)),
        }
    }

    pub(super) fn client(&self, name: &str, ca: &str, pair: Option<&Pair>) -> ClientFiles {
        ClientFiles {
            ca: Some(self.write(&format!("{name}-ca.pem"), ca)),
            certificate: pair.map(|pair| self.write(&format!("{name}.pem"), &pair.certificate)),
            key: pair.map(|pair| self.write(&format!("{name}-key.pem"), &pair.key)),
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
