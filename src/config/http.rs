//! Where HTTP is served.

use super::{HostPort, Problems};

const DEFAULT: &str = "127.0.0.1:8402";

/// An address for HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddr {
    pub address: HostPort,
    /// Somebody wants it there. Nobody asked for the default: a node does without it if another has it.
    pub is_asked: bool,
}

impl HttpAddr {
    /// What `--http-addr` says: an address, `off`, or nothing, which is the default.
    pub(super) fn check(flag: Option<&str>, problems: &mut Problems) -> Option<Self> {
        match flag.unwrap_or(DEFAULT) {
            "off" => None,
            text => {
                let address = problems.keep(&format!("--http-addr {text}"), HostPort::parse(text))?;
                Some(Self { address, is_asked: flag.is_some() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_on_loopback_or_where_it_is_asked_for_or_off() {
        let check = |flag: Option<&str>| {
            let mut problems = Problems::default();
            let http = HttpAddr::check(flag, &mut problems);
            (http.map(|http| (http.address.to_string(), http.is_asked)), problems.0.len())
        };
        assert_eq!(check(None), (Some(("127.0.0.1:8402".into(), false)), 0));
        assert_eq!(check(Some("[::]:80")), (Some(("[::]:80".into(), true)), 0));
        assert_eq!(check(Some("off")), (None, 0));
        assert_eq!(check(Some("on")), (None, 1));
    }
}
