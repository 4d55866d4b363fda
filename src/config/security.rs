//! Files of certificates, users and policies that a node is given.

use std::path::PathBuf;

use super::Problems;
use super::flags::ServeFlags;
use super::listeners::ListenerConfig;
use crate::keys::BrokerSettings;

/// A certificate, its key, and whom else to trust.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub ca: Option<PathBuf>,
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecurityConfig {
    /// Of the doors for clients.
    pub server_tls: Option<TlsFiles>,
    /// Between nodes; each shows the other its certificate.
    pub peer_tls: Option<TlsFiles>,
    pub users_file: Option<PathBuf>,
    /// Casbin's model and policy, as in the book.
    pub acl_files: Option<(PathBuf, PathBuf)>,
}

impl SecurityConfig {
    pub(super) fn check(
        flags: &ServeFlags,
        settings: &BrokerSettings,
        listeners: &[ListenerConfig],
        problems: &mut Problems,
    ) -> Self {
        let server = (&flags.server_tls_cert_file, &flags.server_tls_key_file, &flags.server_tls_ca_file);
        let peer = (&flags.peer_tls_cert_file, &flags.peer_tls_key_file, &flags.peer_tls_ca_file);
        let server_tls = files("--server-tls", server, problems);
        let peer_tls = files("--peer-tls", peer, problems);
        if let Some(listener) = listeners.iter().find(|listener| listener.protocol.has_tls())
            && server_tls.is_none()
        {
            problems.0.push(format!(
                "listener {} speaks {}: give it a certificate with --server-tls-cert-file and --server-tls-key-file \
                 (`bateau certs` makes one for development)",
                listener.name,
                listener.protocol.name()
            ));
        }
        let asks = settings.security.client_auth != "none";
        if asks && server_tls.as_ref().is_some_and(|files| files.ca.is_none()) {
            problems.0.push(
                "--set ssl.client.auth: whose certificates are taken is for --server-tls-ca-file".into(),
            );
        }
        if peer_tls.as_ref().is_some_and(|files| files.ca.is_none()) {
            problems.0.push("--peer-tls-ca-file is missing: nodes have to know each other".into());
        }
        if listeners.iter().any(|l| l.protocol.has_sasl()) && settings.security.sasl_mechanisms.is_empty() {
            problems.0.push("--set sasl.enabled.mechanisms: is empty, and a listener has SASL".into());
        }
        let acl_files = match (&flags.acl_model_file, &flags.acl_policy_file) {
            (Some(model), Some(policy)) => Some((model.clone(), policy.clone())),
            (None, None) => None,
            _ => {
                problems.0.push("--acl-model-file and --acl-policy-file go together".into());
                None
            }
        };
        Self { server_tls, peer_tls, users_file: flags.users_file.clone(), acl_files }
    }
}

type Given<'a> = (&'a Option<PathBuf>, &'a Option<PathBuf>, &'a Option<PathBuf>);

fn files(prefix: &str, (certificate, key, ca): Given<'_>, problems: &mut Problems) -> Option<TlsFiles> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            Some(TlsFiles { certificate: certificate.clone(), key: key.clone(), ca: ca.clone() })
        }
        (None, None) if ca.is_none() => None,
        _ => {
            problems.0.push(format!("{prefix}-cert-file and {prefix}-key-file go together"));
            None
        }
    }
}
