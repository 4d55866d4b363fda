//! How many may be connected: `max.connections` and `max.connections.per.ip`, counted for this door by itself.
//!
//! Not here: `max.connections.per.ip.overrides`, which is for Kafka's clients.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::keys::BrokerSettings;

/// Counts who is in, and compares with the settings at each admission, so that a change of them counts at once.
#[derive(Debug, Default)]
pub(super) struct Door(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    per_ip: HashMap<IpAddr, usize>,
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    ip: IpAddr,
}

impl Door {
    /// A place for a connection from `ip`.
    ///
    /// # Errors
    /// The key of the limit that is reached.
    pub(super) fn enter(
        self: &Arc<Self>,
        ip: IpAddr,
        settings: &BrokerSettings,
    ) -> Result<Place, &'static str> {
        let ip = ip.to_canonical();
        let mut inside = self.0.lock();
        if inside.total >= settings.max_connections as usize {
            return Err("max.connections");
        }
        let from_ip = inside.per_ip.get(&ip).copied().unwrap_or(0);
        if from_ip >= settings.max_connections_per_ip as usize {
            return Err("max.connections.per.ip");
        }
        inside.per_ip.insert(ip, from_ip + 1);
        inside.total += 1;
        Ok(Place { door: Arc::clone(self), ip })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.0.lock();
        inside.total -= 1;
        if let Some(count) = inside.per_ip.get_mut(&self.ip) {
            *count -= 1;
            if *count == 0 {
                inside.per_ip.remove(&self.ip);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let pairs = [("max.connections", "2"), ("max.connections.per.ip", "1")];
        let limits = BrokerSettings::from_pairs(pairs).unwrap();
        let (a, b, c) =
            (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]), IpAddr::from([10, 0, 0, 3]));
        let door = Arc::<Door>::default();
        let first = door.enter(a, &limits).unwrap();
        assert_eq!(
            door.enter("::ffff:10.0.0.1".parse().unwrap(), &limits).unwrap_err(),
            "max.connections.per.ip"
        );
        let _second = door.enter(b, &limits).unwrap();
        assert_eq!(door.enter(c, &limits).unwrap_err(), "max.connections");
        drop(first);
        assert!(door.enter(a, &limits).is_ok());
    }
}
