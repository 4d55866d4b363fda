//! Certificate authorities for tests, and what they sign.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A leaf and its key, in PEM.
pub(super) struct Pair {
    pub(super) certificate: String,
    pub(super) key: String,
}

/// Whole years, the last one exclusive. Tests want clocks between 2001 and 2099.
pub(super) const GOOD: (i32, i32) = (2000, 2100);
pub(super) const OVER: (i32, i32) = (2000, 2001);
pub(super) const TO_COME: (i32, i32) = (2099, 2100);

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name, &[], GOOD);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    pub(super) fn pem(&self) -> &str {
        &self.pem
    }

    /// For servers and clients, good for `hosts`.
    pub(super) fn leaf(&self, name: &str, hosts: &[&str], years: (i32, i32)) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name, hosts, years);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// Another authority that this one vouches for.
    pub(super) fn intermediate(&self, name: &str, years: (i32, i32)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = named(name, &[], years);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }
}

fn named(name: &str, hosts: &[&str], years: (i32, i32)) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    params.distinguished_name.remove(DnType::CommonName);
    params.distinguished_name.push(DnType::OrganizationName, "Acme");
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params
}
