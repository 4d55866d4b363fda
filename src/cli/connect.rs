//! Which cluster a command is for, as whom, and how it answers: the flags that all commands share.
//!
//! A flag goes before the context, and the context before the environment. No password is taken from the command line, where
//! everybody on the machine can read it.

mod context;
mod secret;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::client::{Cluster, ClusterOptions, Login, ScramHash, Security};
use crate::tls::{ClientFiles, ClientTls};

use super::duration::parse_duration;
use super::error::CliError;
use super::output::Output;
use context::Context;
pub(super) use secret::{prompt, read_password};
use secret::{read_token, the_password};

const DEFAULT_PORT: u16 = 9092;
const DEFAULT_BROKER: &str = "127.0.0.1:9092";
const BROKERS_VARIABLE: &str = "BATEAU_BOOTSTRAP";

#[derive(Args, Clone, Debug)]
pub(super) struct Connect {
    // Of a name of its own: global flags reach the root by their names, and a node's --bootstrap is there.
    /// Brokers to begin with, with commas between; one that answers is enough [env: `BATEAU_BOOTSTRAP`] [default: 127.0.0.1:9092]
    #[arg(
        id = "brokers",
        long = "bootstrap",
        alias = "bootstrap-server",
        short = 'b',
        value_name = "HOST:PORT",
        value_delimiter = ',',
        value_parser = address,
        global = true
    )]
    bootstrap: Vec<String>,
    /// Answer in JSON, for machines
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// How long to try again while brokers restart and leaders move
    #[arg(long, value_name = "TIME", default_value = "15s", value_parser = parse_duration, global = true)]
    patience: Duration,
    /// The context of the client's file that says what flags do not
    #[arg(long, value_name = "NAME", global = true)]
    context: Option<String>,
    /// The client's file of contexts [default: ~/.config/bateau/config.toml]
    #[arg(long, value_name = "FILE", env = "BATEAU_CLIENT_CONFIG", global = true)]
    client_config: Option<PathBuf>,
    #[command(flatten)]
    tls: Encryption,
    #[command(flatten)]
    sasl: LogIn,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Security")]
struct Encryption {
    /// Speak TLS; the other --tls flags say so, too
    #[arg(long, global = true)]
    tls: bool,
    /// The CAs of brokers, in PEM [default: those of the system]
    #[arg(long, value_name = "FILE", global = true)]
    tls_ca: Option<PathBuf>,
    /// A certificate to show, in PEM; goes with --tls-key
    #[arg(long, value_name = "FILE", global = true)]
    tls_cert: Option<PathBuf>,
    /// Its key, in PEM
    #[arg(long, value_name = "FILE", global = true)]
    tls_key: Option<PathBuf>,
    /// Take any certificate of the CA, whatever its names
    #[arg(long, global = true)]
    tls_no_hostname_check: bool,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Security")]
struct LogIn {
    /// How to log in [default: SCRAM-SHA-256 with --user, OAUTHBEARER with --token-file]
    #[arg(long, value_name = "MECHANISM", ignore_case = true, global = true)]
    sasl_mechanism: Option<Mechanism>,
    /// Who to log in as; the password is asked for unless a file or `BATEAU_PASSWORD` has it
    #[arg(id = "sasl-user", long = "user", value_name = "NAME", global = true)]
    user: Option<String>,
    /// A file with the password, for its owner's eyes only
    #[arg(long, value_name = "FILE", global = true)]
    password_file: Option<PathBuf>,
    /// A file with a token for OAUTHBEARER, read anew for each connection
    #[arg(long, value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mechanism {
    #[value(name = "PLAIN")]
    Plain,
    #[value(name = "SCRAM-SHA-256")]
    ScramSha256,
    #[value(name = "SCRAM-SHA-512")]
    ScramSha512,
    #[value(name = "OAUTHBEARER")]
    OauthBearer,
}

impl Connect {
    /// Nothing is connected before the first question. Reads the files of certificates and secrets.
    ///
    /// # Errors
    /// If flags, the context or a file are wrong.
    pub(super) fn cluster(&self) -> Result<Cluster, CliError> {
        let variable = std::env::var(BROKERS_VARIABLE).ok().filter(|text| !text.is_empty());
        // Somebody's credentials are for that context's brokers and no others, unless a flag says so.
        let may_default = self.bootstrap.is_empty() && variable.is_none();
        let context = Context::choose(self.context.as_deref(), self.client_config.as_deref(), may_default)?;
        let listed = |text: &str| {
            let addresses: Result<Vec<_>, _> = text.split(',').map(|text| address(text.trim())).collect();
            addresses.map_err(CliError::Usage)
        };
        let bootstrap = match (&context.bootstrap_server, &variable) {
            _ if !self.bootstrap.is_empty() => self.bootstrap.clone(),
            (Some(text), _) | (None, Some(text)) => listed(text)?,
            (None, None) => vec![DEFAULT_BROKER.to_owned()],
        };
        let security = Security { tls: self.tls.load(&context)?, login: self.sasl.login(&context)? };
        Ok(Cluster::new(ClusterOptions { bootstrap, security, patience: self.patience }))
    }

    pub(super) fn output(&self) -> Output {
        Output::new(self.json)
    }
}

impl Encryption {
    fn load(&self, context: &Context) -> Result<Option<Arc<ClientTls>>, CliError> {
        let is_asked = self.tls || self.tls_no_hostname_check;
        let is_flagged =
            is_asked || [&self.tls_ca, &self.tls_cert, &self.tls_key].iter().any(|f| f.is_some());
        if !is_flagged && !context.wants_tls() {
            return Ok(None);
        }
        // A pair is of one place: half of it here and half of it there do not fit.
        let (certificate, key) = match (&self.tls_cert, &self.tls_key) {
            (None, None) => (context.tls_cert.clone(), context.tls_key.clone()),
            (certificate, key) => (certificate.clone(), key.clone()),
        };
        let ca = self.tls_ca.clone().or_else(|| context.tls_ca.clone());
        let verify = !self.tls_no_hostname_check && context.tls_hostname_check.unwrap_or(true);
        let tls = ClientTls::load(ClientFiles { ca, certificate, key }, verify, &[]);
        tls.map(|tls| Some(Arc::new(tls))).map_err(|error| CliError::Failed(format!("TLS: {error}")))
    }
}

impl LogIn {
    fn login(&self, context: &Context) -> Result<Option<Login>, CliError> {
        let user = self.user.as_ref().or(context.user.as_ref());
        let token = self.token_file.as_ref().or(context.token_file.as_ref()).filter(|_| {
            // Who names a user does not mean the context's token.
            self.token_file.is_some() || self.user.is_none()
        });
        let of_context = context.sasl_mechanism.as_deref().filter(|_| self.token_file.is_none());
        let mechanism = match (self.sasl_mechanism, of_context) {
            (Some(mechanism), _) => mechanism,
            (None, Some(name)) => Mechanism::from_str(name, true)
                .map_err(|_| CliError::Usage(format!("sasl-mechanism {name}: there is no such mechanism")))?,
            (None, None) if token.is_some() => Mechanism::OauthBearer,
            (None, None) if user.is_some() => Mechanism::ScramSha256,
            (None, None) => return Ok(None),
        };
        if mechanism == Mechanism::OauthBearer {
            let file = token.cloned();
            let file = file.ok_or_else(|| CliError::Usage("OAUTHBEARER needs --token-file".into()))?;
            return Ok(Some(Login::Bearer(Arc::new(move || read_token(&file)))));
        }
        let user = user.cloned().ok_or_else(|| CliError::Usage("say who logs in, with --user".into()))?;
        let is_of_context = context.user.as_ref() == Some(&user);
        let file = self.password_file.as_ref();
        let file = file.or(context.password_file.as_ref().filter(|_| is_of_context));
        let password = the_password(file.map(PathBuf::as_path), &user)?;
        Ok(Some(match mechanism {
            Mechanism::ScramSha256 => Login::Scram { hash: ScramHash::Sha256, user, password },
            Mechanism::ScramSha512 => Login::Scram { hash: ScramHash::Sha512, user, password },
            Mechanism::Plain | Mechanism::OauthBearer => Login::Plain { user, password },
        }))
    }
}

fn address(text: &str) -> Result<String, String> {
    let wrong = || format!("'{text}' is not HOST:PORT");
    let has_port = text.rsplit_once(':').is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']'));
    if !has_port {
        let is_host = !text.is_empty() && !text.contains(['/', ' ']);
        return if is_host { Ok(format!("{text}:{DEFAULT_PORT}")) } else { Err(wrong()) };
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && !host.contains(['/', ' ']) => {
            port.parse::<u16>().map(|_| text.to_owned()).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn a_port_may_be_left_out_and_nonsense_is_refused() {
        assert_eq!(address("host").unwrap(), "host:9092");
        assert_eq!(address("host:1").unwrap(), "host:1");
        assert_eq!(address("[::1]:1").unwrap(), "[::1]:1");
        for bad in ["", "host:", "host:99999", "kafka://host:1", "a b:1", ":9092"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
