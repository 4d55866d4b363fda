//! The public keys of an identity provider (JWKS), by which the signatures of its tokens are checked. Not here: what a
//! token says, and where the text comes from.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey};
use serde_json::{Map, Value};

use super::error::TokenError;

/// The most keys that are taken: a token without a key id is tried with all that fit.
const KEYS_MAX: usize = 128;

/// The longest text that is read, in bytes.
const TEXT_MAX: usize = 1024 * 1024;

/// What a key may be used for: only public keys, so that no public key is ever taken for a shared secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
}

#[derive(Clone, Debug)]
enum Material {
    /// Modulus and exponent, without zeros in front.
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point: 4, x, y.
    P256 {
        point: Vec<u8>,
    },
    P384 {
        point: Vec<u8>,
    },
}

#[derive(Clone, Debug)]
struct Key {
    kid: Option<String>,
    /// The only algorithm that it is for, if it says so.
    only: Option<Algorithm>,
    material: Material,
}

/// A set of keys. It may be empty, and then no signed token is good.
#[derive(Clone, Debug, Default)]
pub struct Jwks {
    keys: Vec<Key>,
    passed_over: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    #[error("a key set of {bytes} bytes is longer than the {TEXT_MAX} that are allowed")]
    TooLong { bytes: usize },
    #[error("the key set is not JSON")]
    Json(#[from] serde_json::Error),
    #[error("the key set has no list of \"keys\"")]
    NoList,
    #[error("a key set of {keys} keys, {KEYS_MAX} are allowed")]
    TooMany { keys: usize },
    /// `why` has the reason for each key.
    #[error("none of the keys can check a signature: {}", why.join(", "))]
    NoneUsable { why: Vec<String> },
}

impl Jwks {
    /// Reads a key set. Keys of other kinds, for other uses or that are too weak are passed over, as RFC 7517, 5 wants
    /// it, and named by [`Jwks::passed_over`].
    pub fn parse(text: &[u8]) -> Result<Self, JwksError> {
        if text.len() > TEXT_MAX {
            return Err(JwksError::TooLong { bytes: text.len() });
        }
        let set: Value = serde_json::from_slice(text)?;
        let list = set.get("keys").and_then(Value::as_array).ok_or(JwksError::NoList)?;
        if list.len() > KEYS_MAX {
            return Err(JwksError::TooMany { keys: list.len() });
        }
        let mut jwks = Self::default();
        for (at, key) in list.iter().enumerate() {
            let members = key.as_object();
            match members.ok_or("is no object").and_then(Key::read) {
                Ok(key) => jwks.keys.push(key),
                Err(why) => {
                    let kid = key.get("kid").and_then(Value::as_str).unwrap_or_default();
                    jwks.passed_over.push(format!("key {} ({kid:?}) {why}", at + 1));
                }
            }
        }
        if jwks.keys.is_empty() {
            return Err(JwksError::NoneUsable { why: jwks.passed_over });
        }
        Ok(jwks)
    }

    /// How many keys can be used.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that were passed over, each with the reason: for the log.
    pub fn passed_over(&self) -> &[String] {
        &self.passed_over
    }

    /// Checks `signature` over `message`. A key id demands the key that has it, for the provider may have changed keys;
    /// without one any key that fits will do.
    pub(super) fn verify(
        &self,
        algorithm: &str,
        kid: Option<&str>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        let unsupported = || TokenError::Algorithm { algorithm: algorithm.to_owned() };
        let algorithm = Algorithm::named(algorithm).ok_or_else(unsupported)?;
        let owned = || kid.map(str::to_owned);
        let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm, kid)).peekable();
        if fitting.peek().is_none() {
            return Err(TokenError::UnknownKey { kid: owned() });
        }
        if !fitting.any(|key| key.verify(algorithm, message, signature)) {
            return Err(TokenError::Signature { kid: owned() });
        }
        Ok(())
    }
}

impl Algorithm {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        match self {
            Self::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            Self::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            Self::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            Self::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
            Self::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
            Self::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
            Self::Es256 | Self::Es384 => None,
        }
    }
}

impl Key {
    /// Source: RFC 7517, 4; RFC 7518, 6. The reason if it cannot be used.
    fn read(members: &Map<String, Value>) -> Result<Self, &'static str> {
        let text = |name: &str| members.get(name).and_then(Value::as_str);
        if text("use").is_some_and(|purpose| purpose != "sig") {
            return Err("is not for signatures");
        }
        let operations = members.get("key_ops").and_then(Value::as_array);
        if operations.is_some_and(|list| !list.iter().any(|operation| operation == "verify")) {
            return Err("is not for verifying");
        }
        let material = match (text("kty"), text("crv")) {
            (Some("RSA"), _) => rsa(members)?,
            (Some("EC"), Some("P-256")) => Material::P256 { point: point(members, 32)? },
            (Some("EC"), Some("P-384")) => Material::P384 { point: point(members, 48)? },
            _ => return Err("is of a kind that is not supported"),
        };
        let only = match text("alg").map(Algorithm::named) {
            None => None,
            Some(Some(only)) if material.fits(only) => Some(only),
            Some(_) => return Err("is for an algorithm that is not supported"),
        };
        Ok(Self { kid: text("kid").map(str::to_owned), only, material })
    }

    fn fits(&self, algorithm: Algorithm, kid: Option<&str>) -> bool {
        self.material.fits(algorithm)
            && self.only.is_none_or(|only| only == algorithm)
            && kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }

    fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let checked = match &self.material {
            Material::Rsa { n, e } => {
                let key = RsaPublicKeyComponents { n, e };
                algorithm.rsa().is_some_and(|rsa| key.verify(rsa, message, signature).is_ok())
            }
            Material::P256 { point } => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point);
                key.verify(message, signature).is_ok()
            }
            Material::P384 { point } => {
                let key = UnparsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point);
                key.verify(message, signature).is_ok()
            }
        };
        checked && self.material.fits(algorithm)
    }
}

impl Material {
    fn fits(&self, algorithm: Algorithm) -> bool {
        match self {
            Self::Rsa { .. } => algorithm.rsa().is_some(),
            Self::P256 { .. } => algorithm == Algorithm::Es256,
            Self::P384 { .. } => algorithm == Algorithm::Es384,
        }
    }
}

fn rsa(members: &Map<String, Value>) -> Result<Material, &'static str> {
    let (n, e) = (number(members, "n")?, number(members, "e")?);
    // 2048 bits have the first of 256 bytes at 128 or more.
    let is_strong = n.len() > 256 || (n.len() == 256 && n[0] >= 128);
    if !is_strong || n.len() > 1024 {
        return Err("is no RSA key of 2048 to 8192 bits");
    }
    if e.is_empty() || e.len() > 4 {
        return Err("has an exponent that is not supported");
    }
    Ok(Material::Rsa { n, e })
}

/// A coordinate has its full length, zeros in front included. Source: RFC 7518, 6.2.1.2.
fn point(members: &Map<String, Value>, length: usize) -> Result<Vec<u8>, &'static str> {
    let (x, y) = (bytes(members, "x")?, bytes(members, "y")?);
    if x.len() != length || y.len() != length {
        return Err("has coordinates of a wrong length");
    }
    Ok([&[4], x.as_slice(), &y].concat())
}

/// A number without zeros in front, which RFC 7518 forbids and some providers send.
fn number(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let bytes = bytes(members, name)?;
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    Ok(bytes[zeros..].to_vec())
}

fn bytes(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, &'static str> {
    let text = members.get(name).and_then(Value::as_str).ok_or("lacks a part")?;
    URL_SAFE_NO_PAD.decode(text).map_err(|_| "has a part that is no base64url")
}
