//! Makes Rust of `proto/`: messages, the services' traits, and the descriptors that reflection shows. Needs no `protoc`.

use std::path::PathBuf;

use prost::Message;

/// Below `proto/`.
const FILES: [&str; 2] = ["log/v1/log.proto", "admin/v1/admin.proto"];
/// Fields that hold payloads: lent from the message that brought them, not copied.
const PAYLOADS: [&str; 3] = [".log.v1.Record.value", ".log.v1.Record.key", ".log.v1.Header.value"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    let mut services = tonic_prost_build::configure().build_client(false).build_transport(false);
    for field in PAYLOADS {
        services = services.bytes(field);
    }
    services.compile_fds(descriptors)?;
    Ok(())
}
