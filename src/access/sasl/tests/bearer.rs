//! OAUTHBEARER: tokens of another implementation, and all that can be wrong with one.

use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;

const EXPIRES: UnixMillis = UnixMillis(1_700_003_600_000);

/// Keys and tokens made by Python's `cryptography`, a token for each algorithm. All say the same.
fn fixture() -> (Value, Jwks) {
    let fixture: Value = serde_json::from_str(include_str!("../testdata/tokens.json")).unwrap();
    let keys = Jwks::parse(fixture["jwks"].to_string().as_bytes()).unwrap();
    (fixture, keys)
}

fn rules() -> BearerRules {
    let issuer = Some("https://issuer.example".to_owned());
    BearerRules { issuer, audience: vec!["else".to_owned(), "bateau".to_owned()], ..BearerRules::default() }
}

fn good() -> Bearer {
    let scopes = vec!["read".to_owned(), "write".to_owned()];
    Bearer { name: "alice".to_owned(), scopes, expires: EXPIRES }
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}

fn unsecured(claims: &Value) -> String {
    format!("{}.{}.", encoded(&json!({"alg": "none"})), encoded(claims))
}

/// What `claims` come to in a token that nobody signed, under rules that take such.
fn checked(rules: BearerRules, claims: &Value) -> Result<Bearer, TokenError> {
    BearerRules { allow_unsecured: true, ..rules }.check(&Jwks::default(), &unsecured(claims), NOW)
}

fn claim(claim: &str) -> TokenError {
    TokenError::Claim { claim: claim.to_owned() }
}

#[test]
fn tokens_of_each_algorithm_are_good_and_one_changed_byte_spoils_them() {
    let (fixture, keys) = fixture();
    let tokens = fixture["tokens"].as_object().unwrap();
    assert_eq!(tokens.len(), 8);
    for (algorithm, token) in tokens {
        let token = token.as_str().unwrap();
        assert_eq!(rules().check(&keys, token, NOW), Ok(good()), "{algorithm}");
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let mut signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        signature[10] ^= 1;
        let spoilt = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
        assert!(matches!(rules().check(&keys, &spoilt, NOW), Err(TokenError::Signature { .. })));
        signature.truncate(8);
        let short = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(&signature));
        assert!(matches!(rules().check(&keys, &short, NOW), Err(TokenError::Signature { .. })));
    }
}

#[test]
fn claims_of_another_token_do_not_go_with_a_signature() {
    let (fixture, keys) = fixture();
    let token = fixture["tokens"]["ES256"].as_str().unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    let forged = encoded(&json!({"sub": "root", "iat": 1, "exp": 9_999_999_999_i64}));
    let forged = format!("{}.{forged}.{}", parts[0], parts[2]);
    let kid = Some("p256".to_owned());
    assert_eq!(rules().check(&keys, &forged, NOW), Err(TokenError::Signature { kid }));
}

/// RFC 7515, A.3: header, claims and signature as they stand there.
#[test]
fn the_example_of_rfc_7515_is_verified() {
    let key = json!({"keys": [{"kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]});
    let keys = Jwks::parse(key.to_string().as_bytes()).unwrap();
    let signed = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert_eq!(keys.verify("ES256", None, signed.as_bytes(), &signature), Ok(()));
    let unknown = Err(TokenError::UnknownKey { kid: None });
    assert_eq!(keys.verify("ES384", None, signed.as_bytes(), &signature), unknown);
}

#[test]
fn a_token_whose_key_is_not_there_is_refused_whatever_else_fits() {
    let (fixture, keys) = fixture();
    let token = fixture["tokens"]["RS256"].as_str().unwrap();
    let rest = token.split_once('.').unwrap().1;
    let with = |header: Value| rules().check(&keys, &format!("{}.{rest}", encoded(&header)), NOW);
    let kid = Some("gone".to_owned());
    let gone = Err(TokenError::UnknownKey { kid });
    assert_eq!(with(json!({"alg": "RS256", "kid": "gone"})), gone);
    assert_eq!(
        with(json!({"alg": "ES256", "kid": "rsa"})),
        Err(TokenError::UnknownKey { kid: Some("rsa".into()) })
    );
    for algorithm in ["HS256", "RS1", "rs256", "EdDSA", ""] {
        let refused = Err(TokenError::Algorithm { algorithm: algorithm.to_owned() });
        assert_eq!(with(json!({"alg": algorithm, "kid": "rsa"})), refused);
    }
    assert!(matches!(with(json!({"alg": "RS256", "kid": 1})), Err(TokenError::Malformed { .. })));
    assert!(matches!(with(json!({"kid": "rsa"})), Err(TokenError::Malformed { .. })));
    let critical = with(json!({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}));
    assert!(matches!(critical, Err(TokenError::Malformed { .. })));
    assert_eq!(with(json!({"alg": "none"})), Err(TokenError::Unsecured));
}

#[test]
fn a_signed_token_says_when_it_was_issued_and_needs_no_key_id() {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
    let made = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, made.as_ref(), &random).unwrap();
    let point = |part: std::ops::Range<usize>| URL_SAFE_NO_PAD.encode(&pair.public_key().as_ref()[part]);
    let key = json!({"kty": "EC", "crv": "P-256", "x": point(1..33), "y": point(33..65)});
    let (others, _) = fixture();
    let keys = json!({"keys": [others["jwks"]["keys"][1], key]});
    let keys = Jwks::parse(keys.to_string().as_bytes()).unwrap();
    let token = |claims: Value| {
        let signed = format!("{}.{}", encoded(&json!({"alg": "ES256"})), encoded(&claims));
        let signature = pair.sign(&random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    };
    let check = |claims| BearerRules::default().check(&keys, &token(claims), NOW);
    assert!(check(json!({"sub": "alice", "iat": 1, "exp": 1_800_000_000})).is_ok());
    assert_eq!(check(json!({"sub": "alice", "exp": 1_800_000_000})), Err(claim("iat")));
}

#[test]
fn a_token_counts_between_its_times_give_or_take_the_skew() {
    let seconds = NOW.0 / 1000;
    let at = |exp: Value, nbf: Value| {
        checked(BearerRules::default(), &json!({"sub": "a", "exp": exp, "nbf": nbf}))
    };
    assert!(at(json!(seconds - 29), json!(0)).is_ok());
    assert!(at(json!(seconds + 99), json!(seconds + 30)).is_ok());
    assert!(matches!(at(json!(seconds - 30), json!(0)), Err(TokenError::Expired { .. })));
    assert!(matches!(at(json!(seconds + 99), json!(seconds + 31)), Err(TokenError::NotYet { .. })));
    let fraction = at(json!(1_700_003_600.5), json!(0)).unwrap();
    assert_eq!(fraction.expires, UnixMillis(1_700_003_600_500));
    let bad = [
        json!(-1),
        json!("1800000000"),
        json!(null),
        json!([]),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(1e300),
    ];
    for bad in bad {
        assert_eq!(at(bad, json!(0)), Err(claim("exp")));
    }
    assert_eq!(at(json!(seconds + 20), json!(seconds + 21)), Err(claim("exp")), "over before it begins");
    assert_eq!(checked(BearerRules::default(), &json!({"sub": "a"})), Err(claim("exp")));
    for bad in [json!(-1), json!("1"), json!(null)] {
        let claims = json!({"sub": "a", "exp": 1_800_000_000, "iat": bad});
        assert_eq!(checked(BearerRules::default(), &claims), Err(claim("iat")));
    }
}

#[test]
fn a_token_of_another_issuer_or_for_somebody_else_is_refused() {
    let with = |iss: Value, aud: Value| {
        checked(rules(), &json!({"sub": "a", "exp": 1_800_000_000, "iss": iss, "aud": aud})).map(|_| ())
    };
    let ours = json!("https://issuer.example");
    assert_eq!(with(ours.clone(), json!("bateau")), Ok(()));
    assert_eq!(with(ours.clone(), json!(["x", "bateau"])), Ok(()));
    assert_eq!(with(json!("evil"), json!("bateau")), Err(TokenError::Issuer { issuer: "evil".to_owned() }));
    assert_eq!(with(json!(null), json!("bateau")), Err(claim("iss")));
    let other = Err(TokenError::Audience { audience: vec!["x".to_owned()] });
    assert_eq!(with(ours.clone(), json!(["x"])), other);
    assert_eq!(with(ours.clone(), json!([])), Err(TokenError::Audience { audience: Vec::new() }));
    assert_eq!(with(ours, json!([1])), Err(claim("aud")));
    // Who expects no audience is none, as in Kafka.
    let named = json!({"sub": "a", "exp": 1_800_000_000, "aud": "x"});
    assert_eq!(checked(BearerRules::default(), &named).map(|_| ()), other);
    for (name, value) in [("aud", json!([])), ("iss", json!(["i"]))] {
        let mut claims = json!({"sub": "a", "exp": 1_800_000_000});
        claims[name] = value;
        assert!(checked(BearerRules::default(), &claims).is_err(), "{name}");
    }
}

#[test]
fn the_principal_and_the_scopes_are_read_from_the_claims_that_the_rules_name() {
    let rules = BearerRules {
        principal_claim: "email".to_owned(),
        scope_claim: "scp".to_owned(),
        ..BearerRules::default()
    };
    let claims = json!({"email": " a@b ", "scp": ["x", "y z"], "sub": "s", "exp": 1_800_000_000});
    let bearer = checked(rules.clone(), &claims).unwrap();
    assert_eq!(
        (bearer.name.as_str(), bearer.scopes),
        ("a@b", vec!["x".to_owned(), "y".to_owned(), "z".to_owned()])
    );
    for name in [json!(""), json!("  "), json!(7), json!("a".repeat(1025))] {
        let claims = json!({"email": name, "sub": "s", "exp": 1_800_000_000});
        assert_eq!(checked(rules.clone(), &claims), Err(claim("email")));
    }
}

#[test]
fn unsecured_tokens_are_good_only_where_that_was_asked_for() {
    let token = unsecured(&json!({"sub": "a", "exp": 1_800_000_000}));
    let none = Jwks::default();
    assert_eq!(BearerRules::default().check(&none, &token, NOW), Err(TokenError::Unsecured));
    let lax = BearerRules { allow_unsecured: true, ..BearerRules::default() };
    assert!(lax.check(&none, &token, NOW).is_ok());
    assert_eq!(lax.check(&none, &format!("{token}AA"), NOW), Err(TokenError::Unsecured));
}

#[test]
fn a_token_out_of_form_is_refused() {
    let rules = BearerRules { allow_unsecured: true, ..BearerRules::default() };
    let header = encoded(&json!({"alg": "none"}));
    let claims = encoded(&json!({"sub": "a", "exp": 1_800_000_000}));
    for token in [
        String::new(),
        "..".to_owned(),
        "a.b.c".to_owned(),
        format!("{header}.{claims}"),
        format!("{header}.{claims}.."),
        format!("{header}=.{claims}."),
        format!("{header}.W10."),
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(r#"{"sub":"a","sub":"b","exp":1800000000}"#)),
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode("[".repeat(100_000))),
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(b"{\"sub\":\"\xFF\"}")),
    ] {
        let refused = rules.check(&Jwks::default(), &token, NOW);
        assert!(matches!(refused, Err(TokenError::Malformed { .. })), "{token:.80}: {refused:?}");
    }
}

#[test]
fn keys_that_cannot_be_used_are_passed_over_and_named() {
    let (fixture, _) = fixture();
    let rsa = &fixture["jwks"]["keys"][0];
    let with = |name: &str, value: Value| {
        let mut key = rsa.clone();
        key[name] = value;
        key
    };
    let zeros = [&[0], URL_SAFE_NO_PAD.decode(rsa["n"].as_str().unwrap()).unwrap().as_slice()].concat();
    let list = json!([
        rsa, with("n", json!(URL_SAFE_NO_PAD.encode(zeros))), with("alg", json!("RS512")),
        with("use", json!("enc")), with("key_ops", json!(["sign"])), with("alg", json!("RSA-OAEP")),
        with("alg", json!("ES256")), with("n", json!("AQAB")), with("n", json!(1)), with("e", json!("")),
        with("kty", json!("oct")), {"kty": "EC", "crv": "P-521"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, 7
    ]);
    let keys = Jwks::parse(json!({"keys": list}).to_string().as_bytes()).unwrap();
    assert_eq!((keys.len(), keys.passed_over().len()), (3, 11));
    assert!(keys.passed_over()[0].starts_with("key 4 (\"rsa\") is not for signatures"));
}

#[test]
fn a_text_without_a_usable_key_is_an_error() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AA"}]}"#] {
        assert!(Jwks::parse(text.as_bytes()).is_err(), "{text}");
    }
    let many = json!({"keys": vec![json!({}); 129]}).to_string();
    assert!(matches!(Jwks::parse(many.as_bytes()), Err(JwksError::TooMany { keys: 129 })));
    let long = vec![b' '; 1024 * 1024 + 1];
    assert!(matches!(Jwks::parse(&long), Err(JwksError::TooLong { .. })));
}

#[test]
fn a_client_with_a_good_token_is_let_in_until_it_expires() {
    let token = unsecured(&json!({"sub": "alice", "exp": EXPIRES.0 / 1000}));
    for header in ["n,,", "n,a=alice,"] {
        let message = format!("{header}\x01auth=Bearer {token}\x01\x01");
        let mut exchange = Exchange::begin(Mechanism::OauthBearer);
        assert_eq!(step(&mut exchange, message), done("alice", "", Some(EXPIRES)));
    }
    let message = format!("n,a=root,\x01auth=Bearer {token}\x01\x01");
    let other = AuthError::OtherIdentity { name: "alice".to_owned(), asked: "root".to_owned() };
    assert_eq!(reason(step(&mut Exchange::begin(Mechanism::OauthBearer), message)), other);
}

#[test]
fn a_client_with_a_bad_token_is_told_so_and_refused_after_it_took_note() {
    let good = unsecured(&json!({"sub": "alice", "exp": EXPIRES.0 / 1000}));
    let good = format!("n,,\x01auth=Bearer {good}\x01\x01");
    for (next, is_reason) in
        [(b"\x01".as_slice(), true), (b"", false), (b"\x01\x01", false), (good.as_bytes(), false)]
    {
        let mut exchange = Exchange::begin(Mechanism::OauthBearer);
        let told = step(&mut exchange, b"n,,\x01auth=Bearer a.b.c\x01\x01");
        assert_eq!(told, Step::Challenge(r#"{"status":"invalid_token"}"#.into()));
        let refused = reason(step(&mut exchange, next));
        assert_eq!(matches!(refused, AuthError::Token(TokenError::Malformed { .. })), is_reason);
        assert_eq!(reason(step(&mut exchange, &good)), AuthError::Ended);
    }
}
