//! The `DescribeLogDirs` response of v5, which the protocol crate does not code: each directory also says whether it is
//! cordoned (KIP-1066).
//!
//! Not here: what the directories hold.

use bytes::{BufMut, BytesMut};
use kafka_protocol::messages::DescribeLogDirsResponse;
use kafka_protocol::protocol::Encodable;

use super::response::EncodeError;

/// The version whose layout v5 extends.
const EXTENDED: i16 = 4;

/// Puts `response` behind `body`, with no directory cordoned and no tagged fields.
///
/// # Errors
/// If a directory cannot be encoded.
pub fn put(body: &mut BytesMut, response: &DescribeLogDirsResponse) -> Result<(), EncodeError> {
    body.put_i32(response.throttle_time_ms);
    body.put_i16(response.error_code);
    put_uvarint(body, response.results.len() + 1);
    for result in &response.results {
        let encoded = result.encode(body, EXTENDED);
        encoded.map_err(|source| EncodeError { version: EXTENDED + 1, source: source.into() })?;
        // The last byte is the count of tagged fields, which now come one field later.
        body.truncate(body.len() - 1);
        body.put_u8(u8::from(false));
        body.put_u8(0);
    }
    body.put_u8(0);
    Ok(())
}

fn put_uvarint(body: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        body.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    body.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
    use kafka_protocol::protocol::StrBytes;

    #[test]
    fn a_directory_is_that_of_v4_with_a_false_before_its_tagged_fields() {
        let dir = |name| {
            DescribeLogDirsResult::default()
                .with_log_dir(StrBytes::from_static_str(name))
                .with_total_bytes(7)
                .with_usable_bytes(3)
        };
        let response = DescribeLogDirsResponse::default().with_results(vec![dir("/a"), dir("/b")]);
        let mut body = BytesMut::new();
        put(&mut body, &response).unwrap();
        let dir =
            |name: &[u8]| [b"\0\0\x03/", name, b"\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\x03\0\0"].concat();
        let expected = [&b"\0\0\0\0\0\0\x03"[..], &dir(b"a"), &dir(b"b"), b"\0"].concat();
        assert_eq!(body, expected);
    }
}
