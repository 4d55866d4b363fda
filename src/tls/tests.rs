//! TLS over pipes in memory: who may talk to whom, what files are taken, and what a change of files does.

mod authority;
mod directory;
mod files;
mod garbage;
mod handshakes;
mod reloads;
