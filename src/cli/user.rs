//! `bateau user`: the users of SCRAM, whose credentials the cluster keeps (KIP-554).

use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::client::{Cluster, NewCredential, ScramHash, UserCredential};

use super::connect::{Connect, prompt, read_password};
use super::error::CliError;
use super::output::{Output, Table};

#[derive(Args, Debug)]
pub struct UserCommand {
    #[command(flatten)]
    connect: Connect,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List users and by which mechanisms they can log in
    #[command(visible_alias = "ls")]
    List,
    /// Make a user, or give one another password
    Set {
        /// What the user is called
        name: String,
        /// For which mechanisms, with commas between [default: both]
        #[arg(long, value_name = "MECHANISM", ignore_case = true, value_delimiter = ',')]
        mechanism: Vec<Mechanism>,
        /// How often the password is hashed: guessing takes as much longer as logging in
        #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u32).range(4096..=16384))]
        iterations: u32,
        /// A file with the new password, for its owner's eyes only [default: it is asked for]
        #[arg(long, value_name = "FILE")]
        new_password_file: Option<PathBuf>,
    },
    /// Delete a user's credentials
    #[command(visible_alias = "rm")]
    Delete {
        /// What the user is called
        name: String,
        /// For which mechanisms, with commas between [default: all]
        #[arg(long, value_name = "MECHANISM", ignore_case = true, value_delimiter = ',')]
        mechanism: Vec<Mechanism>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mechanism {
    #[value(name = "SCRAM-SHA-256")]
    Sha256,
    #[value(name = "SCRAM-SHA-512")]
    Sha512,
}

impl Mechanism {
    fn hash(self) -> ScramHash {
        match self {
            Self::Sha256 => ScramHash::Sha256,
            Self::Sha512 => ScramHash::Sha512,
        }
    }
}

/// Without doubles, in the order of codes; empty if none was named.
fn hashes(mechanisms: &[Mechanism]) -> Vec<ScramHash> {
    let is_named = |hash: &ScramHash| mechanisms.iter().any(|mechanism| mechanism.hash() == *hash);
    ScramHash::ALL.into_iter().filter(is_named).collect()
}

impl UserCommand {
    pub(super) async fn run(self) -> Result<(), CliError> {
        let (cluster, mut out) = (self.connect.cluster()?, self.connect.output());
        match self.verb {
            Verb::List => list(&mut out, &cluster.describe_users().await?)?,
            Verb::Set { name, mechanism, iterations, new_password_file } => {
                let password: Arc<str> = match new_password_file {
                    Some(file) => read_password(&file)?.into(),
                    None => ask(&name)?.into(),
                };
                let mut hashes = hashes(&mechanism);
                if hashes.is_empty() {
                    hashes = ScramHash::ALL.to_vec();
                }
                let new = |hash| NewCredential { hash, password: Arc::clone(&password), iterations };
                for hash in &hashes {
                    cluster.set_user(&name, &new(*hash)).await?;
                }
                said(&mut out, &name, &hashes, "set")?;
            }
            Verb::Delete { name, mechanism } => {
                let hashes = match hashes(&mechanism) {
                    named if named.is_empty() => all_of(&cluster, &name).await?,
                    named => named,
                };
                for hash in &hashes {
                    cluster.delete_user(&name, *hash).await?;
                }
                said(&mut out, &name, &hashes, "deleted")?;
            }
        }
        out.flush()
    }
}

async fn all_of(cluster: &Cluster, name: &str) -> Result<Vec<ScramHash>, CliError> {
    let all = cluster.describe_users().await?;
    let hashes: Vec<_> =
        all.iter().filter(|credential| credential.user == name).filter_map(|c| c.hash).collect();
    if hashes.is_empty() {
        return Err(CliError::Failed(format!("user {name}: there is no such user of SCRAM")));
    }
    Ok(hashes)
}

fn ask(name: &str) -> Result<String, CliError> {
    let question = format!("new password of {name}: ");
    let no_terminal =
        || CliError::Usage("give --new-password-file, since there is no terminal to ask at".into());
    let password = prompt(&question)?.ok_or_else(no_terminal)?;
    if password.is_empty() {
        return Err(CliError::Failed("an empty password lets in everybody".into()));
    }
    if prompt("once more: ")?.as_ref() != Some(&password) {
        return Err(CliError::Failed("these are two passwords; nothing was changed".into()));
    }
    Ok(password)
}

fn list(out: &mut Output, credentials: &[UserCredential]) -> Result<(), CliError> {
    let mechanism = |credential: &UserCredential| credential.hash.map_or("unknown", ScramHash::name);
    if out.is_json {
        let one = |credential: &UserCredential| json!({ "user": credential.user, "mechanism": mechanism(credential), "iterations": credential.iterations });
        return out.json(&credentials.iter().map(one).collect::<Value>());
    }
    let mut table = Table::new(&["USER", "MECHANISM", "ITERATIONS"]);
    for credential in credentials {
        let iterations = credential.iterations.to_string();
        table.row(vec![credential.user.clone(), mechanism(credential).to_owned(), iterations]);
    }
    if table.is_empty() {
        eprintln!("bateau: there are no users of SCRAM");
        return Ok(());
    }
    out.table(&table)
}

fn said(out: &mut Output, user: &str, hashes: &[ScramHash], what: &str) -> Result<(), CliError> {
    let mechanisms: Vec<&str> = hashes.iter().map(|hash| hash.name()).collect();
    if out.is_json {
        return out.json_line(&json!({ "user": user, "mechanisms": mechanisms, "result": what }));
    }
    out.line(&format!("user {user} {what} for {}", mechanisms.join(", ")))
}
