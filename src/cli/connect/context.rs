//! The client's file: contexts, each of them a cluster and how to get in. Passwords are in files of their own.
//!
//! ```toml
//! default-context = "dev"
//! [context.dev]
//! bootstrap-server = "a:9092,b:9092"
//! tls-ca = "ca.pem"
//! user = "alice"
//! password-file = "alice.password"
//! ```
//!
//! Paths are relative to the directory of the file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cli::error::CliError;

/// Far more than anybody has clusters.
const FILE_MAX: u64 = 1 << 20;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Contexts {
    default_context: Option<String>,
    #[serde(default)]
    context: BTreeMap<String, Context>,
}

/// What flags do not say. The default says nothing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Context {
    /// HOST:PORT, with commas between.
    pub(super) bootstrap_server: Option<String>,
    /// Also true if there is one of the files.
    tls: Option<bool>,
    pub(super) tls_ca: Option<PathBuf>,
    pub(super) tls_cert: Option<PathBuf>,
    pub(super) tls_key: Option<PathBuf>,
    pub(super) tls_hostname_check: Option<bool>,
    pub(super) sasl_mechanism: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) token_file: Option<PathBuf>,
}

impl Context {
    /// The context `name` of `file`, or with `may_default` the file's default context, or an empty one.
    ///
    /// # Errors
    /// If a context or a file that was named is not there, or the file is wrong.
    pub(super) fn choose(
        name: Option<&str>,
        file: Option<&Path>,
        may_default: bool,
    ) -> Result<Self, CliError> {
        if name.is_none() && !may_default {
            return Ok(Self::default());
        }
        let Some(path) = file.map(Path::to_owned).or_else(usual_place) else {
            return match name {
                Some(name) => {
                    Err(CliError::Usage(format!("context {name}: name its file by --client-config")))
                }
                None => Ok(Self::default()),
            };
        };
        let failed = |why: &dyn std::fmt::Display| CliError::Usage(format!("{}: {why}", path.display()));
        let text = match read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && file.is_none() && name.is_none() => {
                return Ok(Self::default());
            }
            read => read.map_err(|error| failed(&error))?,
        };
        let contexts = Contexts::parse(&text).map_err(|why| failed(&why))?;
        let Some(name) = name.or(contexts.default_context.as_deref()) else {
            return Ok(Self::default());
        };
        let found = contexts.context.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = contexts.context.keys().map(String::as_str).collect();
            failed(&format!("there is no context {name}, only: {}", known.join(", ")))
        })?;
        Ok(found.beside(&path))
    }

    pub(super) fn wants_tls(&self) -> bool {
        let has_file = self.tls_ca.is_some() || self.tls_cert.is_some() || self.tls_key.is_some();
        self.tls.unwrap_or(has_file)
    }

    fn beside(mut self, file: &Path) -> Self {
        let directory = file.parent().unwrap_or(Path::new(""));
        let files = [&mut self.tls_ca, &mut self.tls_cert, &mut self.tls_key, &mut self.password_file];
        for path in files.into_iter().chain([&mut self.token_file]).flatten() {
            *path = directory.join(&*path);
        }
        self
    }
}

impl Contexts {
    /// What is wrong is told without the line, which may have what does not belong there, as a password.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|error| {
            let at = error.span().and_then(|span| text.get(..span.start));
            let line = at.map_or(0, |before| before.matches('\n').count()) + 1;
            format!("line {line}: {}", error.message())
        })
    }
}

fn usual_place() -> Option<PathBuf> {
    let of = |variable: &str| std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from);
    let directory = of("XDG_CONFIG_HOME").or_else(|| Some(of("HOME")?.join(".config")))?;
    Some(directory.join("bateau/config.toml"))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "default-context = 'b'\n[context.a]\nbootstrap-server='x:1,y'\n[context.b]\nuser='bob'\ntls-ca='ca.pem'\npassword-file='/p'\n";

    #[test]
    fn a_context_names_its_files_relative_to_its_own() {
        let context = Contexts::parse(FILE).unwrap().context["b"].clone().beside(Path::new("/etc/c.toml"));
        assert_eq!(context.tls_ca.as_deref(), Some(Path::new("/etc/ca.pem")));
        assert_eq!(context.password_file.as_deref(), Some(Path::new("/p")));
        assert!(context.wants_tls());
        assert!(!Contexts::parse(FILE).unwrap().context["a"].wants_tls());
    }

    #[test]
    fn what_does_not_belong_there_is_refused_by_its_line_and_never_shown() {
        let error = Contexts::parse("[context.a]\npassword = 'hunter2'\n").unwrap_err();
        assert!(
            error.contains("line 2") && error.contains("password") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
