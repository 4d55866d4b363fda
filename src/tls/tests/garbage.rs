//! Files of anything: an error, and never a panic.

use proptest::prelude::*;

use super::directory::Directory;
use crate::tls::{ClientAuth, ClientFiles, ClientTls, Files, ServerTls, inspect};

const CERTIFICATE: &[u8] = include_bytes!("../testdata/sec1.pem");
const KEY: &[u8] = include_bytes!("../testdata/sec1-key.pem");
const CA: &[u8] = include_bytes!("../testdata/ca.pem");

fn try_all(certificate: &[u8], key: &[u8], ca: &[u8]) {
    let directory = Directory::new();
    let (certificate, key, ca) =
        (directory.write("c", certificate), directory.write("k", key), directory.write("ca", ca));
    for path in [&certificate, &key, &ca] {
        let _ = inspect(path).map_err(|error| error.to_string());
    }
    let files = ClientFiles { ca: Some(ca.clone()), ..ClientFiles::default() };
    let _ = ClientTls::load(files, true, &[]);
    let _ = ServerTls::load(Files { certificate, key, ca: Some(ca) }, ClientAuth::Required, &[]);
}

/// Some bytes of a good file replaced, and its end cut off.
fn damaged(good: &'static [u8]) -> impl Strategy<Value = Vec<u8>> {
    let at = 0..good.len();
    let changes = proptest::collection::vec((at, any::<u8>()), 0..4);
    (changes, 0..=good.len()).prop_map(move |(changes, keep)| {
        let mut bytes = good.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(keep.max(1));
        bytes
    })
}

/// Bytes of a good certificate replaced behind the base64, so that its parser is reached.
fn damaged_inside(good: &'static [u8], label: &'static str) -> impl Strategy<Value = Vec<u8>> {
    use rustls_pki_types::pem::{PemObject, SectionKind};
    let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(good);
    let der = sections.map(Result::unwrap).last().unwrap().1;
    let changes = proptest::collection::vec((0..der.len(), any::<u8>()), 1..4);
    changes.prop_map(move |changes| {
        let mut der = der.clone();
        for (at, byte) in changes {
            der[at] = byte;
        }
        pem(label, &der).into_bytes()
    })
}

fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut body = String::new();
    for three in der.chunks(3) {
        let bits = three.iter().chain(&[0; 2]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        for place in 0..4 {
            let letter = char::from(LETTERS[(bits >> (18 - 6 * place) & 63) as usize]);
            body.push(if place > three.len() { '=' } else { letter });
        }
    }
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
        try_all(&bytes, &bytes, &bytes);
    }

    #[test]
    fn damaged_files_do_not_make_it_panic(certificate in damaged(CERTIFICATE), key in damaged(KEY), ca in damaged(CA)) {
        try_all(&certificate, KEY, &ca);
        try_all(CERTIFICATE, &key, CA);
    }

    #[test]
    fn damaged_certificates_and_keys_do_not_make_it_panic(
        certificate in damaged_inside(CERTIFICATE, "CERTIFICATE"),
        key in damaged_inside(KEY, "EC PRIVATE KEY"),
        ca in damaged_inside(CA, "CERTIFICATE"),
    ) {
        try_all(&certificate, KEY, &ca);
        try_all(CERTIFICATE, &key, CA);
    }
}

#[test]
fn what_was_taken_apart_is_put_together_again() {
    use rustls_pki_types::pem::PemObject;
    let der = rustls_pki_types::CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    try_all(pem("CERTIFICATE", &der).as_bytes(), KEY, CA);
    let again =
        rustls_pki_types::CertificateDer::from_pem_slice(pem("CERTIFICATE", &der).as_bytes()).unwrap();
    assert_eq!(again, der);
}
