//! Bateau: a Kafka-wire-compatible broker. One commit log per partition, which is also its Raft log.
//!
//! The rooms, from the top; imports only point down (`tests/tidy.rs` checks):
//! `agent` builds a node · `kafka` is the door for Kafka clients, `http` that for JSON · `broker` waits for what they ask ·
//! `cluster` agrees · `coordinator` decides for groups · `partition` keeps a partition's rules ·
//! `storage` keeps bytes · `keys` knows configuration keys · `wire` and `model` are the words.
//! `tls` has certificates for every door.
//! Beside them `cli` is the command line for people, over `client`.

pub mod access;
pub mod agent;
pub mod broker;
pub mod cli;
pub mod client;
pub mod cluster;
pub mod config;
pub mod coordinator;
pub mod gossip;
pub mod grpc;
pub mod http;
pub mod kafka;
pub mod keys;
pub mod model;
pub mod partition;
pub mod peer;
pub mod proto;
pub mod storage;
pub mod tls;
pub mod wire;
