//! Whether this node serves, as `grpc.health.v1` tells: overall, and for each service.

use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthRpc, HealthServer};
use tonic_health::server::{HealthReporter, HealthService};

use super::admin::AdminService;
use super::log::LogService;
use crate::proto::admin::admin_server::AdminServer;
use crate::proto::log::log_server::LogServer;

/// The names that are asked for; the empty one means the whole server.
const SERVICES: [&str; 3] =
    ["", <LogServer<LogService> as NamedService>::NAME, <AdminServer<AdminService> as NamedService>::NAME];

/// See the module. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Health(HealthReporter);

impl Health {
    /// Of a node that does not serve yet.
    pub async fn new() -> Self {
        let health = Self(HealthReporter::new());
        health.set(ServingStatus::NotServing).await;
        health
    }

    pub async fn is_ready(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// Whoever balances load sends no new calls from now on; those that come are served.
    pub async fn leaves(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the streams of those who watch.
    pub(super) async fn end(&mut self) {
        for name in SERVICES {
            self.0.clear_service_status(name).await;
        }
    }

    pub(super) fn service(&self) -> HealthServer<impl HealthRpc> {
        HealthServer::new(HealthService::from_health_reporter(self.0.clone()))
    }

    async fn set(&self, status: ServingStatus) {
        for name in SERVICES {
            self.0.set_service_status(name, status).await;
        }
    }
}
