//! What a certificate says, in words: for people, for principals and for warnings. It is not verified here.

use std::net::{Ipv4Addr, Ipv6Addr};

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey;

use super::health::Validity;
use super::name;

/// The facts of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As Java writes it, RFC 2253: `CN=client,O=Acme`.
    pub subject: String,
    /// As Java writes it.
    pub issuer: String,
    /// The last one of the subject, if there is one and it is not empty.
    pub common_name: Option<String>,
    /// Subject alternative names, each with its kind: `DNS:localhost`, `IP:127.0.0.1`.
    pub alternative_names: Vec<String>,
    pub validity: Validity,
    /// `EC P-256`, `RSA 2048`, `Ed25519`, or the algorithm's number.
    pub key_kind: String,
    /// It may sign other certificates.
    pub is_ca: bool,
}

impl Certificate {
    /// # Errors
    /// If these bytes are not a certificate and nothing else.
    pub(super) fn parse(der: &[u8]) -> Result<Self, String> {
        let (rest, parsed) = X509Certificate::from_der(der).map_err(|error| format!("not X.509: {error}"))?;
        if !rest.is_empty() {
            return Err(format!("{} bytes too many after its end", rest.len()));
        }
        let validity = Validity {
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
        };
        Ok(Self {
            subject: name::rfc2253(parsed.subject()),
            issuer: name::rfc2253(parsed.issuer()),
            common_name: name::common_name(parsed.subject()),
            alternative_names: alternative_names(&parsed),
            validity,
            key_kind: key_kind(&parsed),
            is_ca: parsed.is_ca(),
        })
    }
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    extension.value.general_names.iter().map(alternative_name).collect()
}

fn alternative_name(name: &GeneralName<'_>) -> String {
    match name {
        GeneralName::DNSName(host) => format!("DNS:{host}"),
        GeneralName::RFC822Name(address) => format!("email:{address}"),
        GeneralName::URI(uri) => format!("URI:{uri}"),
        GeneralName::DirectoryName(name) => format!("dirName:{}", name::rfc2253(name)),
        GeneralName::IPAddress(bytes) => {
            if let Ok(four) = <[u8; 4]>::try_from(*bytes) {
                format!("IP:{}", Ipv4Addr::from(four))
            } else if let Ok(sixteen) = <[u8; 16]>::try_from(*bytes) {
                format!("IP:{}", Ipv6Addr::from(sixteen))
            } else {
                format!("IP of {} bytes", bytes.len())
            }
        }
        GeneralName::RegisteredID(id) => format!("RID:{}", id.to_id_string()),
        GeneralName::OtherName(id, _) => format!("other:{}", id.to_id_string()),
        GeneralName::X400Address(_) => "X400".to_owned(),
        GeneralName::EDIPartyName(_) => "EDI".to_owned(),
        GeneralName::Invalid(..) => "unreadable".to_owned(),
    }
}

fn key_kind(certificate: &X509Certificate<'_>) -> String {
    let key = certificate.public_key();
    let curve = || key.algorithm.parameters.as_ref()?.as_oid().ok().map(|id| id.to_id_string());
    match key.parsed() {
        Ok(PublicKey::RSA(rsa)) => format!("RSA {}", rsa.key_size()),
        Ok(PublicKey::EC(_)) => match curve().as_deref() {
            Some("1.2.840.10045.3.1.7") => "EC P-256".to_owned(),
            Some("1.3.132.0.34") => "EC P-384".to_owned(),
            Some("1.3.132.0.35") => "EC P-521".to_owned(),
            Some(other) => format!("EC {other}"),
            None => "EC".to_owned(),
        },
        Ok(_) | Err(_) if key.algorithm.algorithm.to_id_string() == "1.3.101.112" => "Ed25519".to_owned(),
        Ok(_) | Err(_) => key.algorithm.algorithm.to_id_string(),
    }
}
