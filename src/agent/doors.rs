//! The listeners for Kafka clients, bound before the node registers: only then their ports are known.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::StartError;
use crate::access::sasl::Mechanism;
use crate::cluster::Endpoint;
use crate::config::{Config, HostPort, ListenerConfig, TlsFiles};
use crate::kafka::{KafkaServer, Listener};
use crate::model::SecurityProtocol;
use crate::tls::{ClientAuth, Files, PrincipalRules, ServerTls};

/// See the module.
pub(super) struct Doors {
    bound: Vec<(ListenerConfig, TcpListener, SocketAddr)>,
    tls: Option<Tls>,
    mechanisms: Arc<[Mechanism]>,
    principal_rules: Arc<PrincipalRules>,
}

/// Certificates of clients are asked for where they say who somebody is: not beside SASL.
struct Tls {
    alone: Arc<ServerTls>,
    beside_sasl: Arc<ServerTls>,
}

impl Doors {
    pub(super) async fn open(config: &Config) -> Result<Self, StartError> {
        let tls = config.security.server_tls.as_ref();
        let tls = tls.map(|files| Tls::load(files, &config.settings.security.client_auth)).transpose()?;
        let mut bound = Vec::new();
        for listener in &config.listeners {
            let failed = |source| StartError::Listen { address: listener.bind.clone(), source };
            let (socket, address) = KafkaServer::listen(listener.bind.to_bind()).await.map_err(failed)?;
            bound.push((listener.clone(), socket, address));
        }
        let security = &config.settings.security;
        let rules = PrincipalRules::parse(&security.principal_mapping_rules);
        let principal_rules = Arc::new(rules.map_err(StartError::PrincipalRules)?);
        let named =
            |mechanism: &Mechanism| security.sasl_mechanisms.iter().any(|name| name == mechanism.name());
        let mechanisms = Mechanism::ALL.into_iter().filter(named).collect();
        Ok(Self { bound, tls, mechanisms, principal_rules })
    }

    pub(super) fn addresses(&self) -> Vec<(String, SecurityProtocol, SocketAddr)> {
        let address = |(config, _, bound): &(ListenerConfig, _, SocketAddr)| {
            (config.name.clone(), config.protocol, *bound)
        };
        self.bound.iter().map(address).collect()
    }

    /// Where clients are told to find this node.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        let endpoint = |(config, _, bound): &(ListenerConfig, _, SocketAddr)| {
            let HostPort { host, port } = config.advertised.clone();
            let port = if port == 0 { bound.port() } else { port };
            let protocol = config.protocol.code().into();
            Endpoint { listener: config.name.clone(), host, port: port.into(), protocol }
        };
        self.bound.iter().map(endpoint).collect()
    }

    /// As Kafka's `advertised.listeners` has it.
    pub(super) fn advertised(&self) -> String {
        let shown = |endpoint: Endpoint| {
            let port = u16::try_from(endpoint.port).unwrap_or_default();
            format!("{}://{}", endpoint.listener, HostPort { host: endpoint.host, port })
        };
        self.endpoints().into_iter().map(shown).collect::<Vec<_>>().join(",")
    }

    /// As Kafka's `listeners` has it.
    pub(super) fn listening(&self) -> String {
        let shown = |(config, _, bound): &(ListenerConfig, _, SocketAddr)| {
            let address = HostPort { host: config.bind.host.clone(), port: bound.port() };
            format!("{}://{address}", config.name)
        };
        self.bound.iter().map(shown).collect::<Vec<_>>().join(",")
    }

    /// To be served, and the certificates in use there.
    pub(super) fn into_listeners(self) -> (Vec<Listener>, Vec<Arc<ServerTls>>) {
        let Self { bound, tls, mechanisms, principal_rules } = self;
        let listener = |(config, socket, _): (ListenerConfig, TcpListener, _)| {
            let used = |tls: &Tls| match config.protocol {
                SecurityProtocol::Plaintext | SecurityProtocol::SaslPlaintext => None,
                SecurityProtocol::Ssl => Some(Arc::clone(&tls.alone)),
                SecurityProtocol::SaslSsl => Some(Arc::clone(&tls.beside_sasl)),
            };
            Listener {
                name: config.name.as_str().into(),
                protocol: config.protocol,
                socket,
                tls: tls.as_ref().and_then(used),
                mechanisms: Arc::clone(&mechanisms),
                principal_rules: Arc::clone(&principal_rules),
            }
        };
        let listeners = bound.into_iter().map(listener).collect();
        (listeners, tls.map(|tls| vec![tls.alone, tls.beside_sasl]).unwrap_or_default())
    }
}

impl Tls {
    fn load(files: &TlsFiles, client_auth: &str) -> Result<Self, StartError> {
        let client_auth = match client_auth {
            "required" => ClientAuth::Required,
            "requested" => ClientAuth::Requested,
            _ => ClientAuth::None,
        };
        let TlsFiles { certificate, key, ca } = files.clone();
        let files = Files { certificate, key, ca };
        let load = |client_auth| ServerTls::load(files.clone(), client_auth, &[]).map_err(StartError::Tls);
        Ok(Self { alone: Arc::new(load(client_auth)?), beside_sasl: Arc::new(load(ClientAuth::None)?) })
    }
}
