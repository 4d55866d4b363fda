//! What a change of files does to connections, and what a half change does not.

use std::fs;

use super::authority::{Authority, GOOD, Pair};
use super::directory::Directory;
use super::handshakes::{meet, talk};
use crate::tls::{
    ClientAuth, ClientFiles, ClientTls, Files, PeerCertificate, Reloaded, ServerTls, TlsError, server_name,
};

const HOSTS: [&str; 1] = ["localhost"];

fn client(directory: &Directory, ca: &Authority) -> ClientTls {
    ClientTls::load(directory.client("client", ca.pem(), None), true, &[]).unwrap()
}

/// Whom a new connection finds.
async fn found(server: &ServerTls, client: &ClientTls) -> Option<String> {
    let (near, far) = meet(server.acceptor(), client.connector(), server_name("localhost").unwrap()).await;
    let (mut near, mut far) = (near.ok()?, far.ok()?);
    talk(&mut near, &mut far).await;
    PeerCertificate::of(far.get_ref().1)?.common_name().map(str::to_owned)
}

#[tokio::test]
async fn an_open_connection_goes_on_while_new_ones_get_the_new_certificate() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let files = directory.server("server", &ca.leaf("old", &HOSTS, GOOD), None);
    let server = ServerTls::load(files, ClientAuth::None, &[]).unwrap();
    let client = client(&directory, &ca);
    let name = server_name("localhost").unwrap();
    let (near, far) = meet(server.acceptor(), client.connector(), name).await;
    let (mut near, mut far) = (near.unwrap(), far.unwrap());
    talk(&mut near, &mut far).await;
    assert_eq!(server.reload().unwrap(), Reloaded::Unchanged);
    directory.server("server", &ca.leaf("new", &HOSTS, (2000, 2060)), None);
    assert_eq!(found(&server, &client).await.unwrap(), "old", "nobody looked yet");
    assert_eq!(server.reload().unwrap(), Reloaded::Changed);
    assert_eq!(server.reload().unwrap(), Reloaded::Unchanged);
    assert_eq!(found(&server, &client).await.unwrap(), "new");
    assert_eq!((server.subject().as_str(), server.not_after()), ("CN=new,O=Acme", 2_840_140_800));
    talk(&mut near, &mut far).await;
    assert_eq!(PeerCertificate::of(far.get_ref().1).unwrap().common_name(), Some("old"));
}

#[tokio::test]
async fn files_replaced_one_after_the_other_keep_the_old_until_both_are_there() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let (old, new) = (ca.leaf("old", &HOSTS, GOOD), ca.leaf("new", &HOSTS, GOOD));
    let client = client(&directory, &ca);
    for certificate_first in [true, false] {
        let server = ServerTls::load(directory.server("s", &old, None), ClientAuth::None, &[]).unwrap();
        let (first, second) =
            if certificate_first { (&new.certificate, &old.key) } else { (&old.certificate, &new.key) };
        directory.server("s", &Pair { certificate: first.clone(), key: second.clone() }, None);
        assert!(matches!(server.reload(), Err(TlsError::KeyOfAnother { .. })));
        assert_eq!(found(&server, &client).await.unwrap(), "old");
        directory.server("s", &new, None);
        assert_eq!(server.reload().unwrap(), Reloaded::Changed);
        assert_eq!(found(&server, &client).await.unwrap(), "new");
    }
}

#[tokio::test]
async fn a_file_that_is_gone_empty_or_cut_keeps_the_old_and_its_return_is_no_change() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let pair = ca.leaf("old", &HOSTS, GOOD);
    let files = directory.server("s", &pair, Some(ca.pem()));
    let server = ServerTls::load(files.clone(), ClientAuth::Requested, &[]).unwrap();
    let client = client(&directory, &ca);
    let Files { certificate, key, ca: authority } = files;
    for path in [certificate, key, authority.unwrap()] {
        let whole = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(matches!(server.reload(), Err(TlsError::Read { .. })));
        fs::write(&path, b"").unwrap();
        assert!(matches!(server.reload(), Err(TlsError::Empty { .. })));
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        assert!(matches!(server.reload(), Err(TlsError::Pem { .. })));
        assert_eq!(found(&server, &client).await.unwrap(), "old");
        fs::write(&path, whole).unwrap();
        assert_eq!(server.reload().unwrap(), Reloaded::Unchanged);
    }
}

#[tokio::test]
async fn a_swapped_symbolic_link_as_of_kubernetes_is_a_change() {
    let (ca, directory) = (Authority::new("ca"), Directory::new());
    let client = client(&directory, &ca);
    let at = |name: &str| directory.path().join(name);
    for version in ["..one", "..two"] {
        fs::create_dir(at(version)).unwrap();
        directory.server(&format!("{version}/tls"), &ca.leaf(version, &HOSTS, GOOD), None);
    }
    std::os::unix::fs::symlink("..one", at("..data")).unwrap();
    let files = Files { certificate: at("..data/tls.pem"), key: at("..data/tls-key.pem"), ca: None };
    let server = ServerTls::load(files, ClientAuth::None, &[]).unwrap();
    assert_eq!(found(&server, &client).await.unwrap(), "..one");
    std::os::unix::fs::symlink("..two", at("..new")).unwrap();
    fs::rename(at("..new"), at("..data")).unwrap();
    assert_eq!(server.reload().unwrap(), Reloaded::Changed);
    assert_eq!(found(&server, &client).await.unwrap(), "..two");
}

#[tokio::test]
async fn a_ca_that_is_taken_away_vouches_for_nobody_from_then_on() {
    let (ca, next, directory) = (Authority::new("ca"), Authority::new("next"), Directory::new());
    let pair = ca.leaf("server", &HOSTS, GOOD);
    let both = format!("{}{}", ca.pem(), next.pem());
    let server =
        ServerTls::load(directory.server("s", &pair, Some(&both)), ClientAuth::Required, &[]).unwrap();
    let files = directory.client("kim", ca.pem(), Some(&next.leaf("kim", &[], GOOD)));
    let kim = ClientTls::load(files, true, &[]).unwrap();
    // Twice, so that it could come back by resuming a session.
    assert!(found(&server, &kim).await.is_some());
    assert!(found(&server, &kim).await.is_some());
    directory.server("s", &pair, Some(ca.pem()));
    assert_eq!(server.reload().unwrap(), Reloaded::Changed);
    assert_eq!(found(&server, &kim).await, None);
}

#[tokio::test]
async fn a_client_takes_new_files_too() {
    let (ca, next, directory) = (Authority::new("ca"), Authority::new("next"), Directory::new());
    let files = directory.server("s", &next.leaf("server", &HOSTS, GOOD), Some(next.pem()));
    let server = ServerTls::load(files, ClientAuth::Required, &[]).unwrap();
    let kim = directory.client("kim", ca.pem(), Some(&ca.leaf("kim", &[], GOOD)));
    let client = ClientTls::load(kim.clone(), true, &[]).unwrap();
    assert_eq!(found(&server, &client).await, None);
    directory.client("kim", next.pem(), Some(&next.leaf("kim-2", &[], GOOD)));
    assert_eq!(client.reload().unwrap(), Reloaded::Changed);
    assert_eq!(client.reload().unwrap(), Reloaded::Unchanged);
    assert_eq!(found(&server, &client).await.unwrap(), "server");
    assert_eq!(client.subject().unwrap(), "CN=kim-2,O=Acme");
    let half = ClientFiles { key: None, ..kim };
    assert!(matches!(ClientTls::load(half, true, &[]), Err(TlsError::HalfAPair { missing: "the key" })));
}
