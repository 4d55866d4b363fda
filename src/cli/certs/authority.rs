//! The development CA: makes itself, and signs for nodes and clients. Keys are EC P-256, made new each time.

use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use time::OffsetDateTime;

use crate::tls::{check_pair, inspect};

use super::super::error::CliError;

const DAY: i64 = 86_400;
/// Certificates are good from a little earlier, in seconds, for clocks that are slow.
const BACKDATED: i64 = 3_600;

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    not_after: i64,
}

/// What a certificate is for.
pub(super) enum Purpose {
    /// Serves under these names, and is a client of other nodes.
    Node {
        hosts: Vec<String>,
    },
    Client,
}

/// A certificate, with the CA's behind it if it is another's, and its key; both in PEM.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) key: String,
    /// Seconds since 1970.
    pub(super) not_after: i64,
}

impl Authority {
    /// A new one, that starts at `now` in seconds since 1970.
    pub(super) fn found(name: &str, now: i64, days: i64) -> Result<Issued, CliError> {
        let not_after = now + days * DAY;
        let mut params = params(name, Vec::new(), now - BACKDATED, not_after)?;
        // It signs leaves and nothing that signs.
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
        Ok(Issued { chain: certificate.pem(), key: key.serialize_pem(), not_after })
    }

    /// The one whose files these are.
    pub(super) fn open(certificate: &Path, key: &Path) -> Result<Self, CliError> {
        if !certificate.exists() {
            let dir = certificate.parent().unwrap_or(certificate).display();
            return Err(CliError::Failed(format!(
                "{dir} has no CA: make one with bateau certs init --dir {dir}"
            )));
        }
        let said = |error: crate::tls::TlsError| CliError::Failed(error.to_string());
        check_pair(certificate, key).map_err(said)?;
        let facts = inspect(certificate).map_err(said)?.certificates;
        let own = facts.first().filter(|facts| facts.is_ca);
        let not_a_ca = || CliError::Failed(format!("{} is not a CA's certificate", certificate.display()));
        let not_after = own.ok_or_else(not_a_ca)?.validity.not_after;
        let pem = text(certificate)?;
        let unusable = |error: rcgen::Error| {
            let shown = key.display();
            CliError::Failed(format!(
                "the CA in {shown} cannot sign: {error}; openssl pkcs8 -topk8 -nodes may help"
            ))
        };
        let key = KeyPair::from_pem(&text(key)?).map_err(unusable)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, key).map_err(unusable)?;
        Ok(Self { issuer, pem, not_after })
    }

    /// Good from `now`, in seconds since 1970, for so many days, or for as long as the CA is.
    pub(super) fn sign(&self, cn: &str, purpose: Purpose, now: i64, days: i64) -> Result<Issued, CliError> {
        if now > self.not_after {
            return Err(CliError::Failed(
                "the CA has expired: make a new one with certs init --force".into(),
            ));
        }
        let not_after = (now + days * DAY).min(self.not_after);
        let (hosts, usages) = match purpose {
            Purpose::Node { hosts } => {
                (hosts, vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth])
            }
            Purpose::Client => (Vec::new(), vec![ExtendedKeyUsagePurpose::ClientAuth]),
        };
        let mut params = params(cn, hosts, now - BACKDATED, not_after)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages;
        let key = KeyPair::generate().map_err(|error| failed(&error))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| failed(&error))?;
        let chain = format!("{}{}", certificate.pem(), self.pem);
        Ok(Issued { chain, key: key.serialize_pem(), not_after })
    }
}

fn params(
    name: &str,
    hosts: Vec<String>,
    not_before: i64,
    not_after: i64,
) -> Result<CertificateParams, CliError> {
    let mut params = CertificateParams::new(hosts).map_err(|error| failed(&error))?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = at(not_before)?;
    params.not_after = at(not_after)?;
    Ok(params)
}

fn at(seconds: i64) -> Result<OffsetDateTime, CliError> {
    OffsetDateTime::from_unix_timestamp(seconds)
        .map_err(|error| CliError::Failed(format!("{seconds} seconds after 1970: {error}")))
}

fn text(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path)
        .map_err(|error| CliError::Failed(format!("read {}: {error}", path.display())))
}

fn failed(error: &rcgen::Error) -> CliError {
    CliError::Failed(format!("make a certificate: {error}"))
}
