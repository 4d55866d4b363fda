//! The HTTP door: opened first, so that probes are answered while the node waits for others.

use std::net::SocketAddr;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::StartError;
use crate::config::Config;
use crate::http::{HttpDoor, HttpServer};

/// See the module.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) door: HttpDoor,
    /// `None`: HTTP is not served.
    pub(super) bound: Option<SocketAddr>,
}

impl Http {
    /// Listens as it is configured, and serves in one of `tasks`. If somebody else has the default address, which nobody
    /// asked for, the node goes on without.
    pub(super) async fn open(
        config: &Config,
        tasks: &mut JoinSet<()>,
        closing: &watch::Receiver<bool>,
    ) -> Result<Self, StartError> {
        let mut http = Self { door: HttpDoor::new(closing.clone()), bound: None };
        let Some(wanted) = &config.http else { return Ok(http) };
        let address = &wanted.address;
        match HttpServer::listen(address.to_bind()).await {
            Ok((listener, bound)) => {
                tasks.spawn(HttpServer::new(listener, http.door.clone()).run(closing.clone()));
                http.bound = Some(bound);
                Ok(http)
            }
            Err(source) if wanted.is_asked => Err(StartError::Listen { address: address.clone(), source }),
            Err(error) => {
                tracing::warn!(%address, %error, "this node serves no HTTP: say with --http-addr where it should, or off");
                Ok(http)
            }
        }
    }
}
