//! Who sent a request that goes from one node to another: what stands before it, so that the other authorises the client
//! and not the node.
//!
//! A version byte; the principal's kind and name, each with its length in two bytes; the host, 4 or 16 bytes with their
//! number in one. Big-endian.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::access::Principal;

/// What this node writes and reads. Not 0, with which a request's API key begins: one without a sender is not taken for
/// one with.
const VERSION: u8 = 1;

/// The longest kind or name of a principal, in bytes.
const TEXT_MAX: usize = 16 * 1024;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sender {
    pub(super) principal: Principal,
    pub(super) host: IpAddr,
}

/// Why a sender cannot be sent, or was not.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SenderError {
    #[error("a principal's name of {len} bytes is sent to no other node, {TEXT_MAX} are the most")]
    TooLong { len: usize },
    #[error("a request was sent on with a sender of version {version}, {VERSION} is known")]
    Version { version: u8 },
    #[error("a request was sent on with a sender that is cut short")]
    Short,
    #[error("a request was sent on with a sender that is no text")]
    NoText,
    #[error("a request was sent on from a host of {len} bytes")]
    Host { len: u8 },
}

impl Sender {
    /// # Errors
    /// [`SenderError::TooLong`], and then nothing was written.
    pub(super) fn put(&self, out: &mut BytesMut) -> Result<(), SenderError> {
        let texts = [&self.principal.kind, &self.principal.name];
        if let Some(text) = texts.iter().find(|text| text.len() > TEXT_MAX) {
            return Err(SenderError::TooLong { len: text.len() });
        }
        out.put_u8(VERSION);
        for text in texts {
            out.put_u16(u16::try_from(text.len()).unwrap_or(u16::MAX));
            out.put_slice(text.as_bytes());
        }
        match self.host {
            IpAddr::V4(host) => {
                out.put_u8(4);
                out.put_slice(&host.octets());
            }
            IpAddr::V6(host) => {
                out.put_u8(16);
                out.put_slice(&host.octets());
            }
        }
        Ok(())
    }

    /// Takes the sender off a request.
    ///
    /// # Errors
    /// If what stands there is none.
    pub(super) fn take(request: &mut Bytes) -> Result<Self, SenderError> {
        let version = request.try_get_u8().map_err(|_| SenderError::Short)?;
        if version != VERSION {
            return Err(SenderError::Version { version });
        }
        let (kind, name) = (text(request)?, text(request)?);
        Ok(Self { principal: Principal { kind, name }, host: host(request)? })
    }
}

fn text(request: &mut Bytes) -> Result<String, SenderError> {
    let len = usize::from(request.try_get_u16().map_err(|_| SenderError::Short)?);
    if len > TEXT_MAX {
        return Err(SenderError::TooLong { len });
    }
    if len > request.len() {
        return Err(SenderError::Short);
    }
    let text = std::str::from_utf8(&request[..len]).map_err(|_| SenderError::NoText)?.to_owned();
    request.advance(len);
    Ok(text)
}

fn host(request: &mut Bytes) -> Result<IpAddr, SenderError> {
    let mut v6 = [0; 16];
    let mut v4 = [0; 4];
    match request.try_get_u8().map_err(|_| SenderError::Short)? {
        4 => {
            request.try_copy_to_slice(&mut v4).map_err(|_| SenderError::Short)?;
            Ok(Ipv4Addr::from(v4).into())
        }
        16 => {
            request.try_copy_to_slice(&mut v6).map_err(|_| SenderError::Short)?;
            Ok(Ipv6Addr::from(v6).into())
        }
        len => Err(SenderError::Host { len }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(name: &str, host: &str) -> Sender {
        Sender { principal: Principal::user(name), host: host.parse().unwrap() }
    }

    fn written(sender: &Sender) -> Bytes {
        let mut out = BytesMut::new();
        sender.put(&mut out).unwrap();
        out.freeze()
    }

    #[test]
    fn a_sender_is_read_as_it_was_written_and_leaves_the_request() {
        for sender in [sender("alice", "10.1.2.3"), sender("CN=ä,O=b:c", "2001:db8::1"), sender("", "::1")] {
            let mut request = Bytes::from([&written(&sender)[..], b"request"].concat());
            assert_eq!(Sender::take(&mut request), Ok(sender));
            assert_eq!(&request[..], b"request");
        }
    }

    #[test]
    fn a_sender_that_is_cut_short_anywhere_is_none() {
        let whole = written(&sender("alice", "10.1.2.3"));
        for len in 0..whole.len() {
            assert_eq!(Sender::take(&mut whole.slice(..len)), Err(SenderError::Short), "{len}");
        }
    }

    #[test]
    fn a_request_without_a_sender_is_not_taken_for_one_with() {
        let mut request = Bytes::from_static(&[0, 19, 0, 7, 0, 0, 0, 1]);
        assert_eq!(Sender::take(&mut request), Err(SenderError::Version { version: 0 }));
    }

    #[test]
    fn what_is_no_text_no_host_or_too_long_is_refused() {
        let take = |bytes: &[u8]| Sender::take(&mut Bytes::copy_from_slice(bytes));
        assert_eq!(take(&[1, 0, 1, 0xff]), Err(SenderError::NoText));
        assert_eq!(take(&[1, 0, 0, 0, 0, 5, 1, 2, 3, 4, 5]), Err(SenderError::Host { len: 5 }));
        assert_eq!(take(&[1, 0xff, 0xff]), Err(SenderError::TooLong { len: 0xffff }));
        let long = sender(&"a".repeat(TEXT_MAX + 1), "::1");
        let mut out = BytesMut::new();
        assert_eq!(long.put(&mut out), Err(SenderError::TooLong { len: TEXT_MAX + 1 }));
        assert!(out.is_empty());
    }
}
