//! Files of users, policies and keys of tokens: read at start, and again when they change.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;

use crate::access::policy::{Policy, PolicyError, Source};
use crate::access::sasl::{Jwks, JwksError};
use crate::access::users_file::{Users, UsersFileError, check_mode};
use crate::broker::Broker;
use crate::config::Config;

/// How often files are looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
/// No such file has a reason to be larger.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{path} cannot be read")]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} is not text in UTF-8")]
    Text { path: PathBuf },
    #[error("{path} is not taken")]
    Users {
        path: PathBuf,
        #[source]
        source: UsersFileError,
    },
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error("{path} has no keys of tokens")]
    Jwks {
        path: PathBuf,
        #[source]
        source: JwksError,
    },
    #[error(
        "sasl.oauthbearer.jwks.endpoint.url: {url} is not file:///PATH, which is what is supported so far"
    )]
    Url { url: String },
}

/// The files, and what they had when they were read last.
pub(super) struct Files {
    users: Option<Known>,
    /// The model, and the policy.
    acl: Option<[Known; 2]>,
    jwks: Option<Known>,
}

struct Known {
    path: PathBuf,
    contents: Vec<u8>,
}

impl Files {
    /// Reads what `config` names, and has `broker` use it.
    ///
    /// # Errors
    /// The first file that is no good: nobody is to find out by a refused client.
    pub(super) fn load(config: &Config, broker: &Broker) -> Result<Self, FileError> {
        let known = |path: &Path| Known { path: path.to_path_buf(), contents: Vec::new() };
        let url = config.settings.security.jwks_url.as_deref();
        let jwks = url.map(|url| {
            let path = url.strip_prefix("file://").filter(|path| path.starts_with('/'));
            path.map(Path::new).ok_or_else(|| FileError::Url { url: url.to_owned() })
        });
        let acl = config.security.acl_files.as_ref();
        let mut files = Self {
            users: config.security.users_file.as_deref().map(known),
            acl: acl.map(|(model, policy)| [known(model), known(policy)]),
            jwks: jwks.transpose()?.map(known),
        };
        files.look(broker)?;
        Ok(files)
    }

    /// Takes in what has changed. Blocks on the disk, and for users on the making of their keys.
    fn look(&mut self, broker: &Broker) -> Result<(), FileError> {
        if let Some(known) = &mut self.users
            && let Some(contents) = changed(known)?
        {
            let path = || known.path.clone();
            let metadata = std::fs::metadata(&known.path);
            let mode = metadata.map_err(|source| FileError::Read { path: path(), source })?.mode();
            let wrong = |source| FileError::Users { path: path(), source };
            check_mode(mode).map_err(wrong)?;
            let users = Users::parse(&contents).map_err(wrong)?;
            tracing::info!(path = %known.path.display(), users = users.len(), "users are in use");
            broker.set_users(broker.know(users));
            known.contents = contents;
        }
        if let Some([model, policy]) = &mut self.acl {
            let (new_model, new_policy) = (changed(model)?, changed(policy)?);
            if new_model.is_some() || new_policy.is_some() {
                let contents = [
                    new_model.unwrap_or_else(|| model.contents.clone()),
                    new_policy.unwrap_or_else(|| policy.contents.clone()),
                ];
                let names = [model.path.display().to_string(), policy.path.display().to_string()];
                let made = Policy::load(
                    Source { file: &names[0], text: text(&model.path, &contents[0])? },
                    Source { file: &names[1], text: text(&policy.path, &contents[1])? },
                )?;
                tracing::info!(path = names[1], lines = made.len(), "a policy is in use");
                broker.set_policy(made);
                let [new_model, new_policy] = contents;
                (model.contents, policy.contents) = (new_model, new_policy);
            }
        }
        if let Some(known) = &mut self.jwks
            && let Some(contents) = changed(known)?
        {
            let keys = Jwks::parse(&contents);
            let keys = keys.map_err(|source| FileError::Jwks { path: known.path.clone(), source })?;
            tracing::info!(path = %known.path.display(), keys = keys.len(), "keys of tokens are in use");
            broker.set_token_keys(keys);
            known.contents = contents;
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.users.is_none() && self.acl.is_none() && self.jwks.is_none()
    }

    /// Takes in changes until `closing` says so. A file that is no good is said once, and what it had stays in use.
    pub(super) async fn keep(mut self, broker: Broker, mut closing: watch::Receiver<bool>) {
        let mut said = String::new();
        while !self.is_empty() {
            let closes = closing.wait_for(|closing| *closing);
            if tokio::time::timeout(LOOKED_AT_EVERY, closes).await.is_ok() {
                return;
            }
            let asked = broker.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let looked = self.look(&asked);
                (self, looked)
            });
            let Ok((files, looked)) = looked.await else { return };
            self = files;
            let fault = looked.err().map(|error| with_cause(&error)).unwrap_or_default();
            if !fault.is_empty() && fault != said {
                tracing::warn!(error = fault, "a changed file is not taken, what it had stays in use");
            }
            said = fault;
        }
    }
}

fn with_cause(error: &FileError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// What the file has now, if that is something else.
fn changed(known: &Known) -> Result<Option<Vec<u8>>, FileError> {
    use std::io::Read;
    let failed = |source| FileError::Read { path: known.path.clone(), source };
    let file = std::fs::File::open(&known.path).map_err(failed)?;
    let mut contents = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut contents).map_err(failed)?;
    Ok(Some(contents).filter(|contents| *contents != known.contents))
}

fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, FileError> {
    str::from_utf8(bytes).map_err(|_| FileError::Text { path: path.to_path_buf() })
}
