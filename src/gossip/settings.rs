//! `GossipSettings`: where gossip listens and whom it asks; and memberlist's own options, with reasons.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::time::Duration;

use memberlist::Options;
use memberlist::proto::{EncryptionAlgorithm, SecretKey};
use tokio::time::{Instant, sleep};

use super::error::GossipError;
use super::seek::resolve;

/// With an address behind it, still an identity that memberlist takes (255 bytes).
const MAX_NAME_BYTES: usize = 200;
/// How many addresses to join may be given.
const MAX_START_ADDRESSES: usize = 64;
/// How long our own name may be unknown to the name service: in Kubernetes it appears after the process.
const OWN_NAME_WITHIN: Duration = Duration::from_secs(30);
const OWN_NAME_AGAIN: Duration = Duration::from_millis(500);

/// How a node takes part in gossip.
#[derive(Clone)]
pub struct GossipSettings {
    /// Unique among all nodes, and the same after a restart: node name and directory id. At most 200 bytes.
    pub name: String,
    /// Port 0 takes a free one, the same for TCP and UDP.
    pub bind: SocketAddr,
    /// host:port under which others reach `bind`; port 0 stands for the port that is bound. None: `bind` itself, which
    /// then must not be a wildcard. Resolved once.
    pub advertise: Option<String>,
    /// host:port, resolved again on every try. One's own may be among them.
    pub start_join_addrs: Vec<String>,
    /// 16, 24 or 32 bytes, the same everywhere. None: gossip is neither encrypted nor authenticated.
    pub key: Option<Vec<u8>>,
}

impl GossipSettings {
    pub(super) fn check(&self) -> Result<(), GossipError> {
        if self.name.is_empty() || self.name.len() > MAX_NAME_BYTES {
            return Err(GossipError::Name { name: self.name.clone(), limit: MAX_NAME_BYTES });
        }
        if self.advertise.is_none() && self.bind.ip().is_unspecified() {
            return Err(GossipError::AdvertiseMissing { bind: self.bind });
        }
        let count = self.start_join_addrs.len();
        if count > MAX_START_ADDRESSES {
            return Err(GossipError::TooManyAddresses { count, limit: MAX_START_ADDRESSES });
        }
        self.secret().map(drop)
    }

    fn secret(&self) -> Result<Option<SecretKey>, GossipError> {
        let secret = |key: &Vec<u8>| {
            SecretKey::try_from(key.as_slice()).map_err(|_| GossipError::KeyLength { bytes: key.len() })
        };
        self.key.as_ref().map(secret).transpose()
    }

    /// `bind`, or for port 0 one that was free just now for both TCP and UDP. memberlist would look for a free TCP port
    /// and then insist on the same one for UDP.
    pub(super) fn free_bind(&self) -> Result<SocketAddr, GossipError> {
        if self.bind.port() != 0 {
            return Ok(self.bind);
        }
        let bind = || {
            let listener = TcpListener::bind(self.bind)?;
            let address = listener.local_addr()?;
            UdpSocket::bind(address).map(|_| address)
        };
        bind().map_err(|source| GossipError::Bind { address: self.bind, source })
    }

    /// What others are told, when `bound` is where we listen.
    pub(super) async fn advertised(&self, bound: SocketAddr) -> Result<SocketAddr, GossipError> {
        let Some(address) = &self.advertise else {
            return Ok(bound);
        };
        let until = Instant::now() + OWN_NAME_WITHIN;
        let found = loop {
            match resolve(address).await {
                Ok(found) => break found,
                Err(source) if source.kind() == io::ErrorKind::InvalidInput || Instant::now() > until => {
                    return Err(GossipError::Resolve { address: address.clone(), source });
                }
                Err(_) => sleep(OWN_NAME_AGAIN).await,
            }
        };
        let unusable = |reason| GossipError::Advertise { address: address.clone(), reason };
        let mut chosen = *found
            .iter()
            .find(|found| speaks_with(bound, **found))
            .ok_or_else(|| unusable("has no address of the family that is bound"))?;
        if chosen.ip().is_unspecified() {
            return Err(unusable("is a wildcard"));
        }
        if chosen.port() == 0 {
            chosen.set_port(bound.port());
        }
        Ok(chosen)
    }

    /// memberlist's options. A crash is seen after a failed probe (its turn comes within half a second times the number
    /// of nodes, and others tell us) and 3 s of suspicion.
    pub(super) fn options(&self) -> Result<Options, GossipError> {
        let mut options = Options::lan()
            .with_probe_interval(Duration::from_millis(500))
            // Less than the interval: the rest of it is for asking others to probe.
            .with_probe_timeout(Duration::from_millis(200))
            // 6 intervals, and never more for lack of confirmations: of the nodes counted some are long dead.
            .with_suspicion_mult(6)
            .with_suspicion_max_timeout_mult(1)
            // A probe of a machine that is gone waits so long for its TCP port.
            .with_timeout(Duration::from_secs(2))
            .with_awareness_max_multiplier(3)
            .with_push_pull_interval(Duration::from_secs(15))
            .with_gossip_interval(Duration::from_millis(200))
            // Messages also go to the dead, so more of them than there are others in a small cluster.
            .with_gossip_nodes(8)
            .with_retransmit_mult(8)
            // Never forget a dead node. When memberlist 0.8.5 drops one it moves others and keeps their old places in
            // its index: it then panics, or takes one node for another. Bounded by the addresses that nodes ever had.
            .with_gossip_to_the_dead_time(Duration::MAX)
            .with_handoff_queue_depth(512);
        if let Some(secret) = self.secret()? {
            // A key alone encrypts nothing: it takes the algorithm, and both of these, so that plain text is refused.
            options = options
                .with_primary_key(secret)
                .with_encryption_algo(EncryptionAlgorithm::NoPadding)
                .with_gossip_verify_incoming(true)
                .with_gossip_verify_outgoing(true);
        }
        Ok(options)
    }
}

/// Whether one that listens at `bound` may exchange packets with `other`: on IPv6 perhaps with both families, on IPv4
/// with its own.
pub(super) fn speaks_with(bound: SocketAddr, other: SocketAddr) -> bool {
    other.is_ipv4() || bound.is_ipv6()
}

impl fmt::Debug for GossipSettings {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GossipSettings { name, bind, advertise, start_join_addrs, key } = self;
        let key = key.as_ref().map(|_| "set");
        write!(f, "GossipSettings({name} on {bind}, {advertise:?}, join {start_join_addrs:?}, key {key:?})")
    }
}

impl Default for GossipSettings {
    /// Alone, on a free port of the loopback; the name is still to be given.
    fn default() -> GossipSettings {
        GossipSettings {
            name: String::new(),
            bind: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertise: None,
            start_join_addrs: Vec::new(),
            key: None,
        }
    }
}
