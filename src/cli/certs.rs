//! `bateau certs`: a CA for development, certificates of it, and what is in a certificate. For production there are better CAs.

mod authority;
mod show;
mod written;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use crate::tls::server_name;

use super::clock::now_ms;
use super::error::CliError;
use super::output::Output;
use authority::{Authority, Issued, Purpose};
use written::{KEY_SUFFIX, Written, file_name, write_pair};

const CA: &str = "ca";
const SERVER: &str = "server";
/// X.509 allows a CN no more.
const CN_CHARS: usize = 64;

#[derive(Args, Debug)]
pub struct CertsCommand {
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    #[command(flatten)]
    Make(Make),
    /// Show what is in a PEM file
    Show {
        /// Certificates, a key, or both
        file: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Make {
    /// Make a CA: ca.pem, which all may have, and ca-key.pem, which nobody else should
    Init {
        #[command(flatten)]
        to: To,
        /// What the CA is called
        #[arg(long, value_name = "NAME", default_value = "Bateau development CA", value_parser = name)]
        name: String,
        /// How long it is good
        #[arg(long, value_name = "N", default_value_t = 3650, value_parser = days())]
        days: i64,
    },
    /// Make a certificate for nodes, which serve with it and show it to one another
    Server {
        #[command(flatten)]
        to: To,
        /// Every name and address that clients and nodes use for it; repeatable
        #[arg(long, required = true, value_name = "HOST", value_delimiter = ',', value_parser = host)]
        host: Vec<String>,
        /// The subject's CN [default: the first host]
        #[arg(long, value_name = "NAME", value_parser = name)]
        cn: Option<String>,
        /// How long it is good, but never longer than the CA
        #[arg(long, value_name = "N", default_value_t = 365, value_parser = days())]
        days: i64,
        /// How the files are called: FILE.pem and FILE-key.pem
        #[arg(long, value_name = "FILE", default_value = SERVER)]
        file: String,
    },
    /// Make a certificate for a client, whose name is its CN
    Client {
        /// Who it is
        #[arg(value_parser = name)]
        cn: String,
        #[command(flatten)]
        to: To,
        /// How long it is good, but never longer than the CA
        #[arg(long, value_name = "N", default_value_t = 365, value_parser = days())]
        days: i64,
        /// How the files are called: FILE.pem and FILE-key.pem [default: the CN]
        #[arg(long, value_name = "FILE")]
        file: Option<String>,
    },
}

/// What was made, and where it is.
struct Made {
    kind: &'static str,
    files: Written,
    issued: Issued,
}

/// Where files go to.
#[derive(Args, Debug)]
struct To {
    /// The directory of the CA and of what it signs
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

fn days() -> clap::builder::RangedI64ValueParser<i64> {
    clap::value_parser!(i64).range(1..=36_500)
}

/// A name in a certificate.
fn name(text: &str) -> Result<String, String> {
    let is_long = text.chars().count() > CN_CHARS;
    if text.trim().is_empty() || is_long || text.contains(char::is_control) {
        return Err(format!("a name has 1 to {CN_CHARS} characters that can be seen"));
    }
    Ok(text.to_owned())
}

/// One that a client could connect to, or `*.example.com`.
fn host(text: &str) -> Result<String, String> {
    let plain = text.strip_prefix("*.").unwrap_or(text);
    server_name(plain).map_err(|error| error.to_string())?;
    Ok(text.trim_matches(['[', ']']).to_owned())
}

impl CertsCommand {
    pub(super) fn run(self) -> Result<(), CliError> {
        let mut out = Output::new(self.json);
        let now = now_ms() / 1000;
        match self.verb {
            Verb::Make(what) => said(&mut out, &what.make(now)?)?,
            Verb::Show { file } => show::show(&mut out, &file, now)?,
        }
        out.flush()
    }
}

impl Make {
    /// `now` in seconds since 1970.
    fn make(self, now: i64) -> Result<Made, CliError> {
        match self {
            Self::Init { to, name, days } => {
                let issued = Authority::found(&name, now, days)?;
                Ok(Made { kind: "CA", files: write_pair(&to.dir, CA, &issued, to.force)?, issued })
            }
            Self::Server { to, host, cn, days, file } => {
                let cn = cn.or_else(|| host.first().map(|host| host.chars().take(CN_CHARS).collect()));
                let file = leaf_file(&file)?;
                let node = Purpose::Node { hosts: host };
                let issued = authority(&to.dir)?.sign(&cn.unwrap_or_default(), node, now, days)?;
                Ok(Made { kind: "server", files: write_pair(&to.dir, &file, &issued, to.force)?, issued })
            }
            Self::Client { cn, to, days, file } => {
                let file = leaf_file(file.as_deref().unwrap_or(&cn))?;
                let issued = authority(&to.dir)?.sign(&cn, Purpose::Client, now, days)?;
                Ok(Made { kind: "client", files: write_pair(&to.dir, &file, &issued, to.force)?, issued })
            }
        }
    }
}

fn authority(dir: &Path) -> Result<Authority, CliError> {
    Authority::open(&dir.join(format!("{CA}.pem")), &dir.join(format!("{CA}{KEY_SUFFIX}.pem")))
}

/// Not one that would replace the CA, or be taken for a key.
fn leaf_file(name: &str) -> Result<String, CliError> {
    let refused = |why: &str| Err(CliError::Usage(format!("certs: '{name}' {why}; choose with --file")));
    if !file_name(name) {
        return refused("cannot be the name of a file");
    }
    if name == CA || name.ends_with(KEY_SUFFIX) {
        return refused("would be taken for another file");
    }
    Ok(name.to_owned())
}

fn said(out: &mut Output, made: &Made) -> Result<(), CliError> {
    let Made { kind, files, issued } = made;
    let until = show::utc(issued.not_after);
    if out.is_json {
        return out.json(&json!({
            "kind": kind,
            "certificate": files.certificate,
            "key": files.key,
            "not_after": until,
        }));
    }
    out.line(&format!("{} is a {kind} certificate, good until {until}", files.certificate.display()))?;
    out.line(&format!("{} is its key: keep it to yourself", files.key.display()))
}

#[cfg(test)]
mod tests;
