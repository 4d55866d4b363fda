//! `Tags`: what a node says of itself, and how it travels. Not here: who said it (`roster`).

use uuid::Uuid;

use super::error::GossipError;

/// What memberlist carries for a node; with more it panics, so nothing longer reaches it.
pub(super) const MAX_TAGS_BYTES: usize = 512;

/// The layout of [`Encoded`]. Fields may be added to it; a layout that an older node would misread gets
/// another number, and older nodes then ignore its sender.
const LAYOUT: u32 = 1;

/// What a node says of itself. At most 512 bytes when encoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    /// None: it has not joined a cluster yet. Never negative.
    pub node_id: Option<i32>,
    pub directory_id: Uuid,
    /// None: it belongs to no cluster yet.
    pub cluster_id: Option<Uuid>,
    /// host:port.
    pub rpc_addr: String,
    /// Of the program that it runs.
    pub version: String,
    /// Whether it may form a cluster if there is none.
    pub may_form: bool,
}

/// The tags as they travel.
#[derive(Clone, PartialEq, prost::Message)]
struct Encoded {
    #[prost(uint32, tag = "1")]
    layout: u32,
    #[prost(int32, optional, tag = "2")]
    node_id: Option<i32>,
    #[prost(bytes = "vec", tag = "3")]
    directory_id: Vec<u8>,
    #[prost(bytes = "vec", optional, tag = "4")]
    cluster_id: Option<Vec<u8>>,
    #[prost(string, tag = "5")]
    rpc_addr: String,
    #[prost(string, tag = "6")]
    version: String,
    #[prost(bool, tag = "7")]
    may_form: bool,
}

/// Why the tags of another node cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum TagsError {
    #[error("its tags are damaged")]
    Damaged(#[from] prost::DecodeError),
    #[error("its tags have layout {0}, and this version reads {LAYOUT}")]
    Layout(u32),
    #[error("its {0} is missing or malformed")]
    Field(&'static str),
}

impl Tags {
    /// `name` says whose they are, for the error.
    pub(super) fn encode(&self, name: &str) -> Result<Vec<u8>, GossipError> {
        let encoded = Encoded {
            layout: LAYOUT,
            node_id: self.node_id,
            directory_id: self.directory_id.as_bytes().to_vec(),
            cluster_id: self.cluster_id.map(|id| id.as_bytes().to_vec()),
            rpc_addr: self.rpc_addr.clone(),
            version: self.version.clone(),
            may_form: self.may_form,
        };
        let bytes = prost::Message::encode_to_vec(&encoded);
        if bytes.len() > MAX_TAGS_BYTES {
            return Err(GossipError::TagsTooLong {
                name: name.to_owned(),
                bytes: bytes.len(),
                limit: MAX_TAGS_BYTES,
            });
        }
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Tags, TagsError> {
        let encoded: Encoded = prost::Message::decode(bytes)?;
        if encoded.layout != LAYOUT {
            return Err(TagsError::Layout(encoded.layout));
        }
        if encoded.node_id.is_some_and(i32::is_negative) {
            return Err(TagsError::Field("node id"));
        }
        if encoded.rpc_addr.is_empty() {
            return Err(TagsError::Field("RPC address"));
        }
        let uuid = |bytes: &[u8], what| Uuid::from_slice(bytes).map_err(|_| TagsError::Field(what));
        Ok(Tags {
            node_id: encoded.node_id,
            directory_id: uuid(&encoded.directory_id, "directory id")?,
            cluster_id: encoded.cluster_id.map(|id| uuid(&id, "cluster id")).transpose()?,
            rpc_addr: encoded.rpc_addr,
            version: encoded.version,
            may_form: encoded.may_form,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags() -> Tags {
        Tags {
            node_id: Some(0),
            directory_id: Uuid::from_u128(7),
            cluster_id: Some(Uuid::from_u128(9)),
            rpc_addr: "bateau-0.bateau:9094".to_owned(),
            version: "0.1.0".to_owned(),
            may_form: true,
        }
    }

    #[test]
    fn tags_come_back_as_they_went() {
        for tags in [tags(), Tags { node_id: None, cluster_id: None, ..tags() }] {
            let bytes = tags.encode("a").unwrap();
            assert!(bytes.len() < 128, "{}", bytes.len());
            assert_eq!(Tags::decode(&bytes).unwrap(), tags);
        }
    }

    #[test]
    fn tags_of_513_bytes_are_an_error_and_of_512_are_not() {
        let short = Tags { rpc_addr: "h".repeat(400), ..tags() };
        let spare = MAX_TAGS_BYTES - short.encode("a").unwrap().len();
        let full = Tags { rpc_addr: "h".repeat(400 + spare), ..tags() };
        assert_eq!(full.encode("a").unwrap().len(), MAX_TAGS_BYTES);
        let over = Tags { rpc_addr: "h".repeat(401 + spare), ..tags() };
        let refused = over.encode("a").unwrap_err();
        assert!(matches!(refused, GossipError::TagsTooLong { bytes: 513, .. }), "{refused}");
    }

    #[test]
    fn no_bytes_of_another_node_panic() {
        let good = tags().encode("a").unwrap();
        for cut in 0..good.len() {
            // The last two fields, version and whether it may form, have defaults.
            assert!(Tags::decode(&good[..cut]).is_err() || cut > good.len() - 10, "cut at {cut}");
            let mut bent = good.clone();
            bent[cut] ^= 0xff;
            let _ = Tags::decode(&bent);
        }
    }

    #[test]
    fn a_layout_that_is_not_known_is_refused() {
        let mut bytes = tags().encode("a").unwrap();
        bytes[1] = 2; // the value of the first field
        assert!(matches!(Tags::decode(&bytes), Err(TagsError::Layout(2))));
    }
}
