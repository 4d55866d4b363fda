//! Who may talk to whom.

use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, HandshakeKind, ProtocolVersion, ServerConnection};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::authority::{Authority, GOOD, OVER, Pair, TO_COME};
use super::directory::Directory;
use crate::tls::{ClientAuth, ClientTls, Health, PeerCertificate, ServerTls, TlsError, server_name};

const HOSTS: [&str; 2] = ["localhost", "127.0.0.1"];

type ServerSide = io::Result<server::TlsStream<DuplexStream>>;
type ClientSide = io::Result<client::TlsStream<DuplexStream>>;

pub(super) async fn meet(
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    name: ServerName<'static>,
) -> (ServerSide, ClientSide) {
    let (near, far) = duplex(1 << 16);
    tokio::join!(acceptor.accept(near), connector.connect(name, far))
}

/// Bytes in both directions.
pub(super) async fn talk(
    server: &mut server::TlsStream<DuplexStream>,
    client: &mut client::TlsStream<DuplexStream>,
) {
    let mut got = [0; 4];
    client.write_all(b"ping").await.unwrap();
    client.flush().await.unwrap();
    server.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"ping");
    server.write_all(b"pong").await.unwrap();
    server.flush().await.unwrap();
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"pong");
}

fn reason<T>(outcome: io::Result<T>) -> Error {
    let error = outcome.err().unwrap();
    error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>())
        .unwrap_or_else(|| panic!("{error:?}"))
        .clone()
}

fn peer(server: &server::TlsStream<DuplexStream>) -> Option<PeerCertificate> {
    let connection: &ServerConnection = server.get_ref().1;
    PeerCertificate::of(connection)
}

/// A server with the given demand, whose CA is `ca`; and a client of the same CA that shows `pair`.
async fn with_client(ca: &Authority, demand: ClientAuth, pair: Option<&Pair>) -> (ServerSide, ClientSide) {
    let directory = Directory::new();
    let files = directory.server("server", &ca.leaf("server", &HOSTS, GOOD), Some(ca.pem()));
    let server = ServerTls::load(files, demand, &[]).unwrap();
    let client = ClientTls::load(directory.client("client", ca.pem(), pair), true, &[]).unwrap();
    meet(server.acceptor(), client.connector(), server_name("localhost").unwrap()).await
}

#[tokio::test]
async fn a_client_that_trusts_the_ca_talks_to_the_server_by_name_and_by_address() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let files = directory.server("server", &ca.leaf("server", &HOSTS, GOOD), None);
    let server = ServerTls::load(files, ClientAuth::None, &[]).unwrap();
    let client = ClientTls::load(directory.client("client", ca.pem(), None), true, &[]).unwrap();
    for host in ["localhost", "127.0.0.1"] {
        let (near, far) = meet(server.acceptor(), client.connector(), server_name(host).unwrap()).await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        talk(&mut near, &mut far).await;
        assert_eq!(near.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        assert_eq!(peer(&near), None);
        assert_eq!(PeerCertificate::of(far.get_ref().1).unwrap().common_name(), Some("server"));
    }
    assert_eq!(server.subject(), "CN=server,O=Acme");
}

#[tokio::test]
async fn another_name_than_the_certificates_is_refused_unless_names_do_not_matter() {
    let (ca, other, directory) = (Authority::new("ca"), Authority::new("other"), Directory::new());
    let files = directory.server("server", &ca.leaf("server", &HOSTS, GOOD), None);
    let server = ServerTls::load(files, ClientAuth::None, &[]).unwrap();
    let name = || server_name("elsewhere.example.com").unwrap();
    let strict = ClientTls::load(directory.client("strict", ca.pem(), None), true, &[]).unwrap();
    let (near, far) = meet(server.acceptor(), strict.connector(), name()).await;
    assert!(matches!(reason(near), Error::AlertReceived(AlertDescription::BadCertificate)));
    let Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }) = reason(far) else {
        panic!("the wrong reason");
    };
    let lenient = ClientTls::load(directory.client("lenient", ca.pem(), None), false, &[]).unwrap();
    let (near, far) = meet(server.acceptor(), lenient.connector(), name()).await;
    talk(&mut near.unwrap(), &mut far.unwrap()).await;
    let stranger = ClientTls::load(directory.client("stranger", other.pem(), None), false, &[]).unwrap();
    let (_, far) = meet(server.acceptor(), stranger.connector(), name()).await;
    assert_eq!(reason(far), Error::InvalidCertificate(CertificateError::UnknownIssuer));
}

#[tokio::test]
async fn an_expired_server_starts_with_a_warning_and_clients_refuse_it_with_or_without_its_name() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    for (years, name) in [(OVER, "over"), (TO_COME, "to-come")] {
        let files = directory.server(name, &ca.leaf(name, &HOSTS, years), None);
        let server = ServerTls::load(files, ClientAuth::None, &[]).unwrap();
        let now = 1_800_000_000;
        assert!(matches!(server.health(now), Health::Expired { .. } | Health::NotYetValid { .. }));
        for verify_hostname in [true, false] {
            let files = directory.client("client", ca.pem(), None);
            let client = ClientTls::load(files, verify_hostname, &[]).unwrap();
            let (_, far) =
                meet(server.acceptor(), client.connector(), server_name("localhost").unwrap()).await;
            let Error::InvalidCertificate(why) = reason(far) else { panic!("the wrong reason") };
            let is_about_time = matches!(
                why,
                CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. }
            );
            assert!(is_about_time, "{why:?}");
        }
    }
}

#[tokio::test]
async fn a_client_is_known_by_the_certificate_that_it_shows() {
    let ca = Authority::new("ca");
    for demand in [ClientAuth::Requested, ClientAuth::Required] {
        let (near, far) = with_client(&ca, demand, Some(&ca.leaf("kim", &[], GOOD))).await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        talk(&mut near, &mut far).await;
        let kim = peer(&near).unwrap();
        assert_eq!(kim.common_name(), Some("kim"));
        assert_eq!(kim.distinguished_name(), "CN=kim,O=Acme");
        assert_eq!(kim.validity().not_after, 4_102_444_800, "2100-01-01");
    }
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_where_one_is_required_and_nowhere_else() {
    let ca = Authority::new("ca");
    let (near, far) = with_client(&ca, ClientAuth::Required, None).await;
    assert_eq!(reason(near), Error::NoCertificatesPresented);
    // In TLS 1.3 the client hears of it only when it reads.
    let heard = far.unwrap().read_u8().await;
    assert_eq!(reason(heard), Error::AlertReceived(AlertDescription::CertificateRequired));
    for demand in [ClientAuth::Requested, ClientAuth::None] {
        let (near, far) = with_client(&ca, demand, None).await;
        let (mut near, mut far) = (near.unwrap(), far.unwrap());
        talk(&mut near, &mut far).await;
        assert_eq!(peer(&near), None);
    }
}

#[tokio::test]
async fn a_certificate_that_is_shown_has_to_be_good_even_if_none_would_do() {
    let (ca, foreign) = (Authority::new("ca"), Authority::new("foreign"));
    for demand in [ClientAuth::Requested, ClientAuth::Required] {
        let (near, _) = with_client(&ca, demand, Some(&foreign.leaf("kim", &[], GOOD))).await;
        assert_eq!(reason(near), Error::InvalidCertificate(CertificateError::UnknownIssuer));
        // A CA can be given any name, but not another's key.
        let twin = Authority::new("ca");
        let (near, _) = with_client(&ca, demand, Some(&twin.leaf("kim", &[], GOOD))).await;
        assert!(matches!(reason(near), Error::InvalidCertificate(_)));
        for years in [OVER, TO_COME] {
            let (near, _) = with_client(&ca, demand, Some(&ca.leaf("kim", &[], years))).await;
            let Error::InvalidCertificate(why) = reason(near) else { panic!("the wrong reason") };
            let is_about_time = matches!(
                why,
                CertificateError::ExpiredContext { .. } | CertificateError::NotValidYetContext { .. }
            );
            assert!(is_about_time, "{why:?}");
        }
    }
    let (near, _) = with_client(&ca, ClientAuth::None, Some(&foreign.leaf("kim", &[], OVER))).await;
    assert_eq!(peer(&near.unwrap()), None, "who is not asked shows nothing");
}

#[tokio::test]
async fn a_session_is_resumed_only_where_nobody_is_asked_for_a_certificate() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    for (demand, second) in [
        (ClientAuth::None, HandshakeKind::Resumed),
        (ClientAuth::Requested, HandshakeKind::Full),
        (ClientAuth::Required, HandshakeKind::Full),
    ] {
        let files = directory.server("server", &ca.leaf("server", &HOSTS, GOOD), Some(ca.pem()));
        let server = ServerTls::load(files, demand, &[]).unwrap();
        let kim = directory.client("kim", ca.pem(), Some(&ca.leaf("kim", &[], GOOD)));
        let client = ClientTls::load(kim, true, &[]).unwrap();
        for kind in [HandshakeKind::Full, second] {
            let name = server_name("localhost").unwrap();
            let (near, far) = meet(server.acceptor(), client.connector(), name).await;
            let (mut near, mut far) = (near.unwrap(), far.unwrap());
            talk(&mut near, &mut far).await;
            assert_eq!(near.get_ref().1.handshake_kind(), Some(kind), "{demand:?}");
        }
    }
}

#[tokio::test]
async fn an_intermediate_that_the_server_sends_leads_to_the_ca() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let between = ca.intermediate("between", (2000, 2050));
    let mut pair = between.leaf("server", &HOSTS, GOOD);
    pair.certificate += between.pem();
    let server = ServerTls::load(directory.server("s", &pair, None), ClientAuth::None, &[]).unwrap();
    assert_eq!(server.not_after(), 4_102_444_800, "2100-01-01");
    assert_eq!(server.validity().not_after, 2_524_608_000, "2050-01-01");
    let client = ClientTls::load(directory.client("client", ca.pem(), None), true, &[]).unwrap();
    let (near, far) = meet(server.acceptor(), client.connector(), server_name("localhost").unwrap()).await;
    talk(&mut near.unwrap(), &mut far.unwrap()).await;
}

#[tokio::test]
async fn both_sides_settle_on_a_protocol_that_both_speak() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let files = directory.server("server", &ca.leaf("server", &HOSTS, GOOD), None);
    let server = ServerTls::load(files, ClientAuth::None, &[b"h2", b"http/1.1"]).unwrap();
    let client = |alpn| ClientTls::load(directory.client("client", ca.pem(), None), true, alpn).unwrap();
    let name = || server_name("localhost").unwrap();
    let (near, far) = meet(server.acceptor(), client(&[b"http/1.1"]).connector(), name()).await;
    assert_eq!(near.unwrap().get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(far.unwrap().get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let (near, _) = meet(server.acceptor(), client(&[b"gopher"]).connector(), name()).await;
    assert_eq!(reason(near), Error::NoApplicationProtocol);
}

#[tokio::test]
async fn tls_12_is_spoken_with_who_knows_nothing_newer() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let files = directory.server("server", &ca.leaf("server", &HOSTS, GOOD), Some(ca.pem()));
    let server = ServerTls::load(files, ClientAuth::Required, &[]).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::pem::PemObject::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let old = rustls::ClientConfig::builder_with_provider(crate::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_cert_resolver({
            let kim = directory.client("kim", ca.pem(), Some(&ca.leaf("kim", &[], GOOD)));
            Arc::clone(&ClientTls::load(kim, true, &[]).unwrap().config().client_auth_cert_resolver)
        });
    let connector = TlsConnector::from(Arc::new(old));
    let (near, far) = meet(server.acceptor(), connector, server_name("localhost").unwrap()).await;
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    talk(&mut near, &mut far).await;
    assert_eq!(near.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    assert_eq!(peer(&near).unwrap().common_name(), Some("kim"));
}

#[tokio::test]
async fn who_does_not_speak_tls_gets_an_error_and_not_a_panic() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let files = directory.server("server", &ca.leaf("server", &HOSTS, GOOD), None);
    let server = ServerTls::load(files, ClientAuth::None, &[]).unwrap();
    for bytes in [
        &b"\0\0\0\x12\0\x12\0\0\0\0\0\0\xff\xff"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\xff\xff",
        b"",
    ] {
        let (near, mut far) = duplex(1 << 10);
        far.write_all(bytes).await.unwrap();
        far.shutdown().await.unwrap();
        assert!(server.acceptor().accept(near).await.is_err());
    }
}

#[test]
fn clients_cannot_be_asked_without_a_ca_to_check_them_by() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let files = directory.server("server", &ca.leaf("server", &HOSTS, GOOD), None);
    for demand in [ClientAuth::Requested, ClientAuth::Required] {
        assert!(matches!(ServerTls::load(files.clone(), demand, &[]), Err(TlsError::NoClientCa)));
    }
}
