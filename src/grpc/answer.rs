//! How answers are packed: as the request is, if it is.
//!
//! Most clients say that they can read gzip without asking for it; packing everything for them would cost more than it saves.

use tonic::{Request, Status};

const OF_REQUEST: &str = "grpc-encoding";
const WANTED: &str = "grpc-accept-encoding";

/// Leaves of the encodings that the client accepts the one that it uses.
#[expect(clippy::unnecessary_wraps, reason = "an interceptor's form")]
pub(super) fn packed_as_asked(mut request: Request<()>) -> Result<Request<()>, Status> {
    match request.metadata().get(OF_REQUEST).cloned() {
        Some(encoding) => _ = request.metadata_mut().insert(WANTED, encoding),
        None => _ = request.metadata_mut().remove(WANTED),
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_packed_only_for_who_packs() {
        let mut request = Request::new(());
        request.metadata_mut().insert(WANTED, "identity,deflate,gzip".parse().unwrap());
        let plain = packed_as_asked(request).unwrap();
        assert_eq!(plain.metadata().get(WANTED), None);
        let mut request = plain;
        request.metadata_mut().insert(OF_REQUEST, "zstd".parse().unwrap());
        assert_eq!(packed_as_asked(request).unwrap().metadata().get(WANTED).unwrap(), "zstd");
    }
}
