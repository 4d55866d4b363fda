//! Who asks. Put into each request's extensions by the server.

use std::net::SocketAddr;

/// The other end of a connection. Its identity joins it here once there are identities.
#[derive(Clone, Debug)]
pub struct Caller {
    pub peer: SocketAddr,
}
