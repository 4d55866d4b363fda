//! The messages of the service in the book "Distributed Services with Go", with its fields and no others: what a client
//! knows that was generated from the book's own file.

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Record {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) value: Vec<u8>,
    #[prost(uint64, tag = "2")]
    pub(crate) offset: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) term: u64,
    #[prost(uint32, tag = "4")]
    pub(crate) r#type: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProduceRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) record: Option<Record>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ProduceResponse {
    #[prost(uint64, tag = "1")]
    pub(crate) offset: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ConsumeRequest {
    #[prost(uint64, tag = "1")]
    pub(crate) offset: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ConsumeResponse {
    #[prost(message, optional, tag = "2")]
    pub(crate) record: Option<Record>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetServersRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GetServersResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) servers: Vec<Server>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Server {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) rpc_addr: String,
    #[prost(bool, tag = "3")]
    pub(crate) is_leader: bool,
}

/// A request that has nothing but a payload.
pub(crate) fn produce(value: impl Into<Vec<u8>>) -> ProduceRequest {
    ProduceRequest { record: Some(Record { value: value.into(), ..Record::default() }) }
}
