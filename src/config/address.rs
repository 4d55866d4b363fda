//! `HOST:PORT`, with a name, an IPv4 or a bracketed IPv6 address as host.

use std::fmt;
use std::net::IpAddr;

/// A host and a port as somebody wrote them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Without brackets.
    pub host: String,
    /// 0: any that is free.
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("is not HOST:PORT")]
    Form,
    #[error("'{port}' is not a port from 0 to 65535")]
    Port { port: String },
}

impl HostPort {
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::Form)?;
        let port = port.parse().map_err(|_| AddressError::Port { port: port.into() })?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        match bare {
            Some(host) if host.parse::<std::net::Ipv6Addr>().is_ok() => Ok(Self { host: host.into(), port }),
            None if !host.contains([':', '[', ']', '/', ' ']) => Ok(Self { host: host.into(), port }),
            _ => Err(AddressError::Form),
        }
    }

    /// Whether it names every address of the machine, and so none that a client could use.
    pub fn is_wildcard(&self) -> bool {
        self.host.is_empty() || self.host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified())
    }

    /// What to bind: an empty host binds everything.
    pub fn to_bind(&self) -> (&str, u16) {
        (if self.host.is_empty() { "::" } else { &self.host }, self.port)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            return write!(f, "[{}]:{}", self.host, self.port);
        }
        write!(f, "{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in ["127.0.0.1:9092", "broker-0.example:0", "[::1]:65535", "[2001:db8::1]:1"] {
            assert_eq!(HostPort::parse(text).unwrap().to_string(), text);
        }
        for bad in ["", "host", "host:", "host:65536", "host:-1", "::1:9", "[::1:9", "a b:1", "tcp://h:1"] {
            assert!(HostPort::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn wildcards_are_known() {
        for text in ["0.0.0.0:1", "[::]:1", ":1"] {
            assert!(HostPort::parse(text).unwrap().is_wildcard(), "{text}");
        }
        assert!(!HostPort::parse("127.0.0.1:1").unwrap().is_wildcard());
    }
}
