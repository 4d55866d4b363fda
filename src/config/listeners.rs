//! Where Kafka clients are served, and what is spoken there: from `--kafka-addr`, or from Kafka's own keys.

use std::collections::BTreeMap;

use super::Problems;
use super::address::HostPort;
use super::flags::ServeFlags;
use crate::keys::BrokerSettings;
use crate::model::SecurityProtocol;

const DEFAULT_KAFKA: &str = "127.0.0.1:9092";
/// The name of the listener that `--kafka-addr` makes.
const PLAINTEXT: &str = "PLAINTEXT";

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    /// In capitals, unique in the node. Clients of a listener are told of listeners of the same name.
    pub name: String,
    pub protocol: SecurityProtocol,
    pub bind: HostPort,
    /// Where clients are told to find it; port 0: the port that was bound.
    pub advertised: HostPort,
}

/// At least one, if nothing is wrong.
pub(super) fn check(
    flags: &ServeFlags,
    settings: &BrokerSettings,
    keys: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Vec<ListenerConfig> {
    let listeners = match (&flags.kafka_addr, keys.get("listeners")) {
        (None, Some(_)) => of_keys(settings, problems),
        (address, _) => plain(address.as_deref().unwrap_or(DEFAULT_KAFKA), problems).into_iter().collect(),
    };
    let told = match (&flags.advertised_kafka_addr, &settings.advertised_listeners[..]) {
        (Some(address), _) => {
            let first = listeners.first().map_or(PLAINTEXT, |first| &first.name).to_owned();
            let what = format!("--advertised-kafka-addr {address}");
            problems
                .keep(&what, HostPort::parse(address))
                .map(|address| (first, address))
                .into_iter()
                .collect()
        }
        (None, told) => addresses("advertised.listeners", told, problems),
    };
    for (name, _) in &told {
        if !listeners.iter().any(|listener| listener.name == *name) {
            problems.0.push(format!("--set advertised.listeners: there is no listener {name}"));
        }
    }
    let advertised = |listener: ListenerConfig| {
        let told = told.iter().find(|(name, _)| *name == listener.name);
        let advertised = told.map_or_else(|| listener.bind.clone(), |(_, address)| address.clone());
        ListenerConfig { advertised, ..listener }
    };
    let listeners: Vec<ListenerConfig> = listeners.into_iter().map(advertised).collect();
    for listener in listeners.iter().filter(|listener| listener.advertised.is_wildcard()) {
        let ListenerConfig { name, bind, .. } = listener;
        problems.0.push(format!(
            "the address {bind} of listener {name} is a wildcard, which clients cannot connect to: say with \
             --advertised-kafka-addr HOST:PORT or advertised.listeners where they find this node"
        ));
    }
    listeners
}

fn plain(address: &str, problems: &mut Problems) -> Option<ListenerConfig> {
    let bind = problems.keep(&format!("--kafka-addr {address}"), HostPort::parse(address))?;
    let advertised = bind.clone();
    Some(ListenerConfig { name: PLAINTEXT.into(), protocol: SecurityProtocol::Plaintext, bind, advertised })
}

fn of_keys(settings: &BrokerSettings, problems: &mut Problems) -> Vec<ListenerConfig> {
    let protocols = protocols(&settings.listener_protocols, problems);
    let mut listeners: Vec<ListenerConfig> = Vec::new();
    for (name, bind) in addresses("listeners", &settings.listeners, problems) {
        let Some(protocol) = protocols.get(&name).copied() else {
            problems.0.push(format!(
                "--set listeners: what is spoken on {name} is not in listener.security.protocol.map"
            ));
            continue;
        };
        if listeners.iter().any(|listener| listener.name == name) {
            problems.0.push(format!("--set listeners: there are two of the name {name}"));
        }
        listeners.push(ListenerConfig { name, protocol, advertised: bind.clone(), bind });
    }
    listeners
}

/// `NAME://HOST:PORT` elements. Kafka takes names in any case.
fn addresses(key: &str, elements: &[String], problems: &mut Problems) -> Vec<(String, HostPort)> {
    let mut found = Vec::new();
    for element in elements {
        let Some((name, address)) = element.split_once("://").filter(|(name, _)| !name.is_empty()) else {
            problems.0.push(format!("--set {key}: {element} is not NAME://HOST:PORT"));
            continue;
        };
        let address = problems.keep(&format!("--set {key}: {element}"), HostPort::parse(address));
        found.extend(address.map(|address| (name.to_uppercase(), address)));
    }
    found
}

fn protocols(map: &str, problems: &mut Problems) -> BTreeMap<String, SecurityProtocol> {
    let mut protocols = BTreeMap::new();
    for element in map.split(',').map(str::trim).filter(|element| !element.is_empty()) {
        let (name, protocol) = element.split_once(':').unwrap_or((element, ""));
        match SecurityProtocol::parse(protocol.trim()) {
            Some(protocol) => _ = protocols.insert(name.trim().to_uppercase(), protocol),
            None => problems.0.push(format!(
                "--set listener.security.protocol.map: {element} is not NAME:PROTOCOL, with PLAINTEXT, SSL, \
                 SASL_PLAINTEXT or SASL_SSL"
            )),
        }
    }
    protocols
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::static_layer;

    fn checked(flags: &ServeFlags, pairs: &[(&str, &str)]) -> (Vec<ListenerConfig>, Vec<String>) {
        let mut problems = Problems::default();
        let settings = BrokerSettings::from_pairs(pairs.iter().copied()).unwrap();
        let keys = static_layer(pairs.iter().copied()).unwrap();
        let listeners = check(flags, &settings, &keys, &mut problems);
        (listeners, problems.0)
    }

    #[test]
    fn listeners_have_names_protocols_and_addresses_for_clients() {
        let pairs = [
            ("listeners", "inside://0.0.0.0:9092,OUTSIDE://:9093"),
            ("advertised.listeners", "INSIDE://b-0.svc:9092,OUTSIDE://kafka.example.org:31000"),
            ("listener.security.protocol.map", "INSIDE:PLAINTEXT, OUTSIDE:sasl_ssl"),
        ];
        let (listeners, problems) = checked(&ServeFlags::default(), &pairs);
        assert_eq!(problems, Vec::<String>::new());
        let shown: Vec<_> = listeners
            .iter()
            .map(|l| format!("{} {} {} {}", l.name, l.protocol.name(), l.bind, l.advertised))
            .collect();
        assert_eq!(
            shown,
            ["INSIDE PLAINTEXT 0.0.0.0:9092 b-0.svc:9092", "OUTSIDE SASL_SSL :9093 kafka.example.org:31000"]
        );
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let wrong = |listeners: &str, advertised: &str| {
            let pairs = [("listeners", listeners), ("advertised.listeners", advertised)];
            checked(&ServeFlags::default(), &pairs).1.join("\n")
        };
        assert!(wrong("A://h:1", "A://h:1").contains("not in listener.security.protocol.map"));
        assert!(wrong("SSL://h:1", "PLAINTEXT://h:1").contains("there is no listener PLAINTEXT"));
        assert!(wrong("SSL://h:1,ssl://h:2", "SSL://h:1").contains("two of the name SSL"));
        assert!(wrong("SSL:h:1", "SSL://h:1").contains("is not NAME://HOST:PORT"));
        assert!(wrong("SSL://:1", "SSL://0.0.0.0:1").contains("wildcard"));
    }

    #[test]
    fn the_short_flag_is_one_plaintext_listener_and_goes_before_the_key() {
        let flags = ServeFlags { kafka_addr: Some("127.0.0.1:7".into()), ..ServeFlags::default() };
        let (listeners, problems) = checked(&flags, &[("listeners", "SSL://h:1")]);
        assert!(problems.is_empty());
        assert_eq!((listeners.len(), listeners[0].protocol), (1, SecurityProtocol::Plaintext));
    }
}
