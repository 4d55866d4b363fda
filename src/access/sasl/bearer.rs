//! What makes a bearer token good, and whom it then speaks for. Not here: the keys, and the message that brings it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::NAME_MAX;
use super::error::TokenError;
use super::jwks::Jwks;
use super::session::UnixMillis;

/// Moments that a float has to be within, in milliseconds: some hundred thousand years, and exact below.
const MILLIS_MAX: f64 = 9e15;

/// Whom a good token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// The name of the principal; not empty, and without blanks at its ends.
    pub name: String,
    /// What the issuer lets the bearer do. Nothing is decided by it here.
    pub scopes: Vec<String>,
    /// The token is good before this.
    pub expires: UnixMillis,
}

/// What a token has to say. The defaults are Kafka's; its keys stand beside the fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerRules {
    /// `sasl.oauthbearer.expected.issuer`: "iss" has to be it. `None`: it does not matter.
    pub issuer: Option<String>,
    /// `sasl.oauthbearer.expected.audience`: "aud" has to name one of them. Empty: a token must not name any, for it
    /// was made for somebody else.
    pub audience: Vec<String>,
    /// `sasl.oauthbearer.scope.claim.name`
    pub scope_claim: String,
    /// `sasl.oauthbearer.sub.claim.name`: the claim that has the principal's name.
    pub principal_claim: String,
    /// `sasl.oauthbearer.clock.skew.seconds`: by how much the issuer's clock may be off. Counts from 0.
    pub clock_skew_seconds: u32,
    /// Takes tokens that nobody signed, that is any. For tests of clients; Kafka's own default handler does so.
    pub allow_unsecured: bool,
}

impl Default for BearerRules {
    fn default() -> Self {
        Self {
            issuer: None,
            audience: Vec::new(),
            scope_claim: "scope".to_owned(),
            principal_claim: "sub".to_owned(),
            clock_skew_seconds: 30,
            allow_unsecured: false,
        }
    }
}

impl BearerRules {
    /// Checks a token in its compact form: that a key of `keys` signed it, and that its claims are as the rules have
    /// it at `now`. It needs an expiry; a signed one also the time at which it was issued.
    ///
    /// Source: RFC 7515, 5.2; RFC 7519, 4.1; Kafka `BrokerJwtValidator`, `OAuthBearerUnsecuredValidatorCallbackHandler`.
    pub fn check(&self, keys: &Jwks, token: &str, now: UnixMillis) -> Result<Bearer, TokenError> {
        let mut parts = token.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(malformed("expected three parts"));
        };
        let is_signed = self.verify(keys, token, header, signature)?;
        self.claims(&object(claims)?, is_signed, now)
    }

    /// Whether the token is signed; an error if it is not and would have to be, or is so wrongly.
    fn verify(&self, keys: &Jwks, token: &str, header: &str, signature: &str) -> Result<bool, TokenError> {
        let members = object(header)?;
        // An extension that has to be understood is not: none is known here.
        if members.contains_key("crit") {
            return Err(malformed("expected no critical extension"));
        }
        let algorithm =
            members.get("alg").and_then(Value::as_str).ok_or(malformed("expected an algorithm"))?;
        let kid = match members.get("kid") {
            None => None,
            Some(kid) => Some(kid.as_str().ok_or(malformed("expected a text as key id"))?),
        };
        if algorithm == "none" {
            return match self.allow_unsecured && signature.is_empty() {
                true => Ok(false),
                false => Err(TokenError::Unsecured),
            };
        }
        let signed = &token.as_bytes()[..token.len() - signature.len() - 1];
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed("expected a signature"))?;
        keys.verify(algorithm, kid, signed, &signature)?;
        Ok(true)
    }

    fn claims(
        &self,
        claims: &Map<String, Value>,
        is_signed: bool,
        now: UnixMillis,
    ) -> Result<Bearer, TokenError> {
        let missing = |claim: &str| TokenError::Claim { claim: claim.to_owned() };
        let skew = i64::from(self.clock_skew_seconds) * 1000;
        let expires = moment(claims, "exp")?.filter(|at| at.0 >= 0).ok_or_else(|| missing("exp"))?;
        let from = moment(claims, "nbf")?;
        if now.0.saturating_sub(skew) >= expires.0 {
            return Err(TokenError::Expired { expires, now });
        }
        if let Some(from) = from.filter(|from| now.0.saturating_add(skew) < from.0) {
            return Err(TokenError::NotYet { from, now });
        }
        let issued = moment(claims, "iat")?;
        if issued.is_none() && is_signed || issued.is_some_and(|at| at.0 < 0) {
            return Err(missing("iat"));
        }
        // Over before it begins: the skew must not make it good. Source: jose4j `NumericDateValidator`, as in Kafka.
        if issued.max(from).is_some_and(|at| at > expires) {
            return Err(missing("exp"));
        }
        self.issuer(claims)?;
        self.audience(claims)?;
        let name = claims.get(&self.principal_claim).and_then(Value::as_str).unwrap_or_default().trim();
        if name.is_empty() || name.len() > NAME_MAX {
            return Err(missing(&self.principal_claim));
        }
        let scopes = texts(claims.get(&self.scope_claim)).unwrap_or_default();
        let scopes = scopes.iter().flat_map(|scope| scope.split_whitespace()).map(str::to_owned).collect();
        Ok(Bearer { name: name.to_owned(), scopes, expires })
    }

    fn issuer(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let expected = self.issuer.as_deref();
        match claims.get("iss") {
            Some(Value::String(issuer)) if expected.is_none_or(|expected| expected == issuer) => Ok(()),
            Some(Value::String(issuer)) => Err(TokenError::Issuer { issuer: issuer.clone() }),
            None if expected.is_none() => Ok(()),
            _ => Err(TokenError::Claim { claim: "iss".to_owned() }),
        }
    }

    /// Source: Kafka leaves it to jose4j's `AudValidator`.
    fn audience(&self, claims: &Map<String, Value>) -> Result<(), TokenError> {
        let aud = claims.get("aud");
        let named = match aud {
            None => Vec::new(),
            named => texts(named).ok_or_else(|| TokenError::Claim { claim: "aud".to_owned() })?,
        };
        let is_for_us = named.iter().any(|one| self.audience.iter().any(|expected| expected == one));
        let is_for_all = aud.is_none() && self.audience.is_empty();
        if !is_for_us && !is_for_all {
            return Err(TokenError::Audience { audience: named.into_iter().map(str::to_owned).collect() });
        }
        Ok(())
    }
}

const fn malformed(what: &'static str) -> TokenError {
    TokenError::Malformed { what }
}

/// A part of a token: a JSON object in base64url.
fn object(part: &str) -> Result<Map<String, Value>, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed("expected base64url without padding"))?;
    let members: Members =
        serde_json::from_slice(&json).map_err(|_| malformed("expected a JSON object without duplicates"))?;
    Ok(members.0)
}

/// An object whose members all have different names: of two with the same name, one reader might go by the first and
/// another by the last. Source: RFC 7515, 4; RFC 7519, 4.
struct Members(Map<String, Value>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member twice"));
            }
        }
        Ok(members)
    }
}

/// A claim in seconds since 1970, which may have a fraction.
fn moment(claims: &Map<String, Value>, claim: &str) -> Result<Option<UnixMillis>, TokenError> {
    let Some(value) = claims.get(claim) else { return Ok(None) };
    let whole = value.as_i64().and_then(|seconds| seconds.checked_mul(1000));
    let millis = value.as_f64().map(|seconds| seconds * 1000.0).filter(|millis| millis.abs() < MILLIS_MAX);
    let moment = whole.or_else(|| millis.map(|millis| millis as i64));
    moment.map(|at| Some(UnixMillis(at))).ok_or_else(|| TokenError::Claim { claim: claim.to_owned() })
}

/// A claim that is a text or a list of them.
fn texts(claim: Option<&Value>) -> Option<Vec<&str>> {
    match claim? {
        Value::String(text) => Some(vec![text]),
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}
