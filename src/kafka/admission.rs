//! Who may connect: `max.connections`, `max.connections.per.ip` and its overrides, as they are in force.
//!
//! Not here: what a connection may take once it is in (`server.rs`, `memory.rs`).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use tracing::warn;

use crate::keys::BrokerSettings;

/// Counts who is in, and compares with the settings at each admission, so that a change of them counts at once.
#[derive(Debug, Default)]
pub(super) struct Door {
    inside: Mutex<Inside>,
    overrides: Mutex<Overrides>,
}

#[derive(Debug, Default)]
struct Inside {
    total: usize,
    per_ip: HashMap<IpAddr, usize>,
}

/// `max.connections.per.ip.overrides`, and the addresses of the hosts that it names.
#[derive(Debug, Default)]
struct Overrides {
    by_host: BTreeMap<String, u32>,
    by_ip: HashMap<IpAddr, u32>,
}

/// A connection's place, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    door: Arc<Door>,
    ip: IpAddr,
}

impl Door {
    pub(super) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// A place for a connection from `ip`.
    ///
    /// # Errors
    /// The key of the limit that is reached.
    pub(super) fn enter(
        self: &Arc<Self>,
        ip: IpAddr,
        settings: &BrokerSettings,
    ) -> Result<Place, &'static str> {
        self.follow(&settings.max_connections_per_ip_overrides);
        let ip = ip.to_canonical();
        let own = self.overrides.lock().by_ip.get(&ip).copied();
        let per_ip_max = own.unwrap_or(settings.max_connections_per_ip) as usize;
        let mut inside = self.inside.lock();
        if inside.total >= settings.max_connections as usize {
            return Err("max.connections");
        }
        let from_ip = inside.per_ip.get(&ip).copied().unwrap_or(0);
        if from_ip >= per_ip_max {
            return Err("max.connections.per.ip");
        }
        inside.per_ip.insert(ip, from_ip + 1);
        inside.total += 1;
        Ok(Place { door: Arc::clone(self), ip })
    }

    /// Takes in changed overrides. Addresses count at once; host names once they are looked up, which nobody waits for.
    fn follow(self: &Arc<Self>, by_host: &BTreeMap<String, u32>) {
        let mut overrides = self.overrides.lock();
        if overrides.by_host == *by_host {
            return;
        }
        let mut names = Vec::new();
        overrides.by_host = by_host.clone();
        overrides.by_ip.clear();
        for (host, max) in by_host {
            match host.parse::<IpAddr>() {
                Ok(ip) => _ = overrides.by_ip.insert(ip.to_canonical(), *max),
                Err(_) => names.push((host.clone(), *max)),
            }
        }
        drop(overrides);
        if !names.is_empty() {
            drop(tokio::spawn(Arc::clone(self).look_up(by_host.clone(), names)));
        }
    }

    async fn look_up(self: Arc<Self>, asked: BTreeMap<String, u32>, names: Vec<(String, u32)>) {
        for (host, max) in names {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await;
            let found: Vec<_> = found.map(Iterator::collect).unwrap_or_default();
            if found.is_empty() {
                warn!(host, "max.connections.per.ip.overrides names a host that has no address");
            }
            let mut overrides = self.overrides.lock();
            if overrides.by_host != asked {
                return; // changed meanwhile: another look-up is on its way
            }
            overrides.by_ip.extend(found.iter().map(|address| (address.ip().to_canonical(), max)));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.inside.lock();
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

    fn settings(pairs: &[(&str, &str)]) -> BrokerSettings {
        BrokerSettings::from_pairs(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn a_place_is_free_again_when_its_connection_is_gone() {
        let (a, b) = (IpAddr::from([127, 0, 0, 1]), IpAddr::from([127, 0, 0, 2]));
        let limits = settings(&[
            ("max.connections", "3"),
            ("max.connections.per.ip", "1"),
            ("max.connections.per.ip.overrides", "127.0.0.2:5"),
        ]);
        let door = Door::new();
        let first = door.enter(a, &limits).unwrap();
        assert_eq!(door.enter(a, &limits).unwrap_err(), "max.connections.per.ip");
        let _others = [door.enter(b, &limits).unwrap(), door.enter(b, &limits).unwrap()];
        assert_eq!(door.enter(b, &limits).unwrap_err(), "max.connections");
        drop(first);
        assert!(door.enter(a, &limits).is_ok());
        assert!(!door.inside.lock().per_ip.contains_key(&a));
    }

    #[test]
    fn an_address_in_ipv6_clothes_is_the_same_address() {
        let limits = settings(&[("max.connections.per.ip", "1")]);
        let door = Door::new();
        let _first = door.enter(IpAddr::from([127, 0, 0, 1]), &limits).unwrap();
        assert!(door.enter("::ffff:127.0.0.1".parse().unwrap(), &limits).is_err());
    }

    #[tokio::test]
    async fn a_host_by_name_gets_its_override_once_it_is_looked_up() {
        let limits =
            settings(&[("max.connections.per.ip", "1"), ("max.connections.per.ip.overrides", "localhost:2")]);
        let (door, ip) = (Door::new(), IpAddr::from([127, 0, 0, 1]));
        let _first = door.enter(ip, &limits).unwrap();
        while door.overrides.lock().by_ip.is_empty() {
            tokio::task::yield_now().await;
        }
        let _second = door.enter(ip, &limits).unwrap();
        assert!(door.enter(ip, &limits).is_err());
    }
}
