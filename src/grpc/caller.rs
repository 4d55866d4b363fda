//! Who asks: put beside each request, for whoever decides what it may do.

use std::net::SocketAddr;

use crate::access::{ANONYMOUS, Principal};

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    pub peer: SocketAddr,
    pub principal: Principal,
}

impl Caller {
    /// Somebody who has proved nothing.
    pub fn anonymous(peer: SocketAddr) -> Self {
        Self { peer, principal: ANONYMOUS.clone() }
    }

    /// Of a request that came over the network; those of tests have none.
    pub(super) fn of<T>(request: &tonic::Request<T>) -> Option<&Self> {
        request.extensions().get::<Self>()
    }
}
