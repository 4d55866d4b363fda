//! What is taken as a certificate and as a key. `testdata` was made by OpenSSL and is good until 2126; its keys guard nothing.

use std::path::{Path, PathBuf};

use super::authority::{Authority, GOOD, Pair};
use super::directory::Directory;
use super::handshakes::{meet, talk};
use crate::tls::{
    ClientAuth, ClientFiles, ClientTls, Files, Inspected, MAX_FILE_BYTES, ServerTls, TlsError, inspect,
    server_name,
};

const CA: &str = include_str!("../testdata/ca.pem");
const SEC1: &str = include_str!("../testdata/sec1.pem");
const SEC1_KEY: &str = include_str!("../testdata/sec1-key.pem");
const PKCS1: &str = include_str!("../testdata/pkcs1.pem");
const PKCS1_KEY: &str = include_str!("../testdata/pkcs1-key.pem");
const ENCRYPTED_KEY: &str = include_str!("../testdata/encrypted-key.pem");
const WITH_TEXT: &str = include_str!("../testdata/with-text.pem");

fn load(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Result<ServerTls, TlsError> {
    let directory = Directory::new();
    let (certificate, key) = (directory.write("c.pem", certificate), directory.write("k.pem", key));
    ServerTls::load(Files { certificate, key, ca: None }, ClientAuth::None, &[])
}

fn refused(certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> TlsError {
    load(certificate, key).err().unwrap()
}

#[tokio::test]
async fn keys_in_sec1_and_pkcs1_work_as_server_and_as_client() {
    let directory = Directory::new();
    let name = || server_name("localhost").unwrap();
    for (certificate, key, subject) in
        [(SEC1, SEC1_KEY, "CN=127.0.0.1,O=system:nodes"), (PKCS1, PKCS1_KEY, "CN=rsa,OU=RSA,O=Acme")]
    {
        let pair = Pair { certificate: certificate.into(), key: key.into() };
        let files = directory.server("server", &pair, Some(CA));
        let server = ServerTls::load(files, ClientAuth::Required, &[]).unwrap();
        assert_eq!(server.subject(), subject);
        let files = directory.client("client", CA, Some(&pair));
        let client = ClientTls::load(files, true, &[]).unwrap();
        let (near, far) = meet(server.acceptor(), client.connector(), name()).await;
        talk(&mut near.unwrap(), &mut far.unwrap()).await;
    }
}

#[test]
fn text_around_sections_other_sections_and_foreign_line_ends_do_not_matter() {
    load(WITH_TEXT, SEC1_KEY).unwrap();
    load(SEC1.replace('\n', "\r\n"), SEC1_KEY.replace('\n', "\r\n")).unwrap();
    let all = format!("Bag Attributes\n    friendlyName: x\n{SEC1_KEY}\n# the chain\n{SEC1}{CA}");
    load(&all, &all).unwrap();
}

#[test]
fn a_key_of_another_certificate_or_a_chain_in_the_wrong_order_is_refused() {
    assert!(matches!(refused(SEC1, PKCS1_KEY), TlsError::KeyOfAnother { .. }));
    assert!(matches!(refused(format!("{CA}{SEC1}"), SEC1_KEY), TlsError::KeyOfAnother { .. }));
    let (ca, other) = (Authority::new("ca"), Authority::new("ca"));
    let (mine, theirs) = (ca.leaf("a", &[], GOOD), other.leaf("a", &[], GOOD));
    assert!(matches!(refused(mine.certificate, theirs.key), TlsError::KeyOfAnother { .. }));
}

#[test]
fn a_refusal_names_the_file_and_says_what_to_do() {
    assert!(matches!(refused("", SEC1_KEY), TlsError::Empty { .. }));
    assert!(matches!(refused(SEC1, ""), TlsError::Empty { .. }));
    assert!(matches!(refused(SEC1_KEY, SEC1_KEY), TlsError::NoCertificate { .. }));
    assert!(matches!(refused(SEC1, SEC1), TlsError::NoKey { .. }));
    assert!(matches!(refused(SEC1, ENCRYPTED_KEY), TlsError::EncryptedKey { .. }));
    assert!(matches!(refused([0xFE, 0xED, 0xFE, 0xED, 0, 0, 0, 2], SEC1_KEY), TlsError::Binary { .. }));
    assert!(matches!(refused(SEC1, [0x30, 0x82, 0x0A, 0x20]), TlsError::Binary { .. }));
    assert!(matches!(refused(SEC1.replace("-----END", "-----"), SEC1_KEY), TlsError::Pem { .. }));
    assert!(matches!(refused(SEC1, SEC1_KEY.replace('M', "!")), TlsError::Pem { .. }));
    let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(matches!(refused(not_der, SEC1_KEY), TlsError::Certificate { number: 1, .. }));
    assert!(matches!(refused(format!("{SEC1}{not_der}"), SEC1_KEY), TlsError::Certificate { number: 2, .. }));
    let no_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    assert!(matches!(refused(SEC1, no_key), TlsError::Key { .. }));
    assert!(matches!(refused(vec![b' '; MAX_FILE_BYTES + 1], SEC1_KEY), TlsError::TooBig { .. }));
    let shown = refused(SEC1, ENCRYPTED_KEY).to_string();
    assert!(shown.contains("k.pem") && shown.contains("openssl pkey"), "{shown}");
}

#[test]
fn a_directory_or_a_file_that_is_not_there_is_named() {
    let directory = Directory::new();
    let files = |certificate: &Path| Files { certificate: certificate.into(), key: "k".into(), ca: None };
    let load = |path: &Path| ServerTls::load(files(path), ClientAuth::None, &[]).err().unwrap();
    assert!(matches!(load(directory.path()), TlsError::NotAFile { .. }));
    let absent = directory.path().join("absent.pem");
    assert!(load(&absent).to_string().contains("absent.pem"));
}

#[test]
fn a_ca_file_is_checked_even_where_clients_are_not_asked() {
    let directory = Directory::new();
    let pair = Pair { certificate: SEC1.into(), key: SEC1_KEY.into() };
    let files = directory.server("server", &pair, Some(SEC1_KEY));
    assert!(matches!(ServerTls::load(files, ClientAuth::None, &[]), Err(TlsError::NoCertificate { .. })));
    let files = ClientFiles { ca: Some(directory.write("ca", SEC1_KEY)), ..ClientFiles::default() };
    assert!(matches!(ClientTls::load(files, true, &[]), Err(TlsError::NoCertificate { .. })));
}

#[test]
fn people_see_what_is_in_a_file() {
    let directory = Directory::new();
    let seen =
        |name: &str, contents: &str| -> Inspected { inspect(&directory.write(name, contents)).unwrap() };
    let both = seen("both", &format!("{SEC1}{CA}{SEC1_KEY}"));
    assert_eq!((both.certificates.len(), both.key), (2, Some("SEC1")));
    let (leaf, ca) = (&both.certificates[0], &both.certificates[1]);
    assert_eq!((leaf.is_ca, ca.is_ca), (false, true));
    assert_eq!(leaf.alternative_names, ["DNS:localhost", "IP:127.0.0.1"]);
    assert_eq!(leaf.issuer, "CN=Fixture CA,O=Bateau tests");
    assert_eq!(leaf.key_kind, "EC P-256");
    assert_eq!(seen("rsa", PKCS1).certificates[0].key_kind, "RSA 2048");
    assert_eq!(seen("key", PKCS1_KEY), Inspected { certificates: Vec::new(), key: Some("PKCS#1") });
    assert_eq!(seen("secret", ENCRYPTED_KEY).key, Some("encrypted"));
    assert!(matches!(inspect(&directory.write("none", "hello")), Err(TlsError::NoCertificate { .. })));
    assert!(matches!(inspect(&PathBuf::from("absent")), Err(TlsError::Read { .. })));
}
