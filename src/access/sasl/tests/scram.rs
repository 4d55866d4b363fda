//! SCRAM: the vectors of RFC 7677, a client by the letter of RFC 5802, and those who try to get in without a password.

use std::num::NonZeroU32;

use ring::{digest, hmac, pbkdf2};

use super::*;
use crate::access::sasl::scram::Challenged;

const MECHANISMS: [Mechanism; 2] = [Mechanism::ScramSha256, Mechanism::ScramSha512];

/// A directory with the user and the credential of an example.
struct Example(Decoy, ScramCredential);

impl Directory for Example {
    fn plain(&self, _: &str, _: &str) -> bool {
        false
    }

    fn scram(&self, name: &str, _: ScramMechanism) -> Option<ScramCredential> {
        (name == "user").then(|| self.1.clone())
    }

    fn bearer(&self, _: &str, _: UnixMillis) -> Result<Bearer, AuthError> {
        Err(AuthError::Ended)
    }

    fn decoy(&self) -> &Decoy {
        &self.0
    }
}

/// Plays `messages` (client, broker, client, broker) with the broker's part of the nonce set.
fn plays(mechanism: ScramMechanism, salt: &str, own_nonce: &str, messages: [&'static str; 4]) {
    let salt = STANDARD.decode(salt).unwrap();
    let credential = ScramCredential::new(mechanism, "pencil", &salt, 4096).unwrap();
    let example = Example(Decoy::new(b"secret"), credential);
    let (challenged, challenge) =
        Challenged::by(mechanism, messages[0].as_bytes(), &example, own_nonce).unwrap();
    assert_eq!(challenge, messages[1]);
    assert_eq!(challenged.proved(messages[2].as_bytes()), Ok(("user".to_owned(), messages[3].into())));
}

#[test]
fn the_example_of_rfc_7677_is_played_to_its_end() {
    let messages = [
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
    ];
    let own_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
    plays(ScramMechanism::Sha256, "W22ZaJ0SNY7soEsUEjb6gQ==", own_nonce, messages);
}

/// No RFC has an example for SHA-512 (RFC 5802 has one for SHA-1); this one is by Python's hashlib.
#[test]
fn an_example_of_sha_512_is_played_to_its_end() {
    let messages = [
        "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
        "r=rOprNGfwEbeRWgbNEkqOserverNonce,s=AAECAwQFBgcICQoLDA0ODw==,i=4096",
        "c=biws,r=rOprNGfwEbeRWgbNEkqOserverNonce,p=SikvplBG1ltzMAsF0fliNUOt42wQZtLZnNbQAPzVvaQDWEgPAAOz66ofcA/4NOHWN1yy5RX3r/ADeYZf3foYMg==",
        "v=R+3qc+ngAzkI4Jd7BuOTa9aTJQitDtaO7XaycqCeqdWCPAKSEr2VDUElUu2SkI8wkFbWvyeToeNz1e5Qy06wqA==",
    ];
    plays(ScramMechanism::Sha512, "AAECAwQFBgcICQoLDA0ODw==", "serverNonce", messages);
}

/// A client of one exchange. Nothing of the broker's side is used.
struct Client {
    password: &'static str,
    header: &'static str,
    bare: String,
    hash: &'static digest::Algorithm,
    mac: hmac::Algorithm,
    salted_by: pbkdf2::Algorithm,
}

impl Client {
    fn new(mechanism: Mechanism, name: &str, password: &'static str) -> Self {
        let (hash, mac, salted_by) = match mechanism {
            Mechanism::ScramSha256 => (&digest::SHA256, hmac::HMAC_SHA256, pbkdf2::PBKDF2_HMAC_SHA256),
            _ => (&digest::SHA512, hmac::HMAC_SHA512, pbkdf2::PBKDF2_HMAC_SHA512),
        };
        Self { password, header: "n,,", bare: format!("n={name},r=clientNonce"), hash, mac, salted_by }
    }

    fn first(&self) -> String {
        format!("{}{}", self.header, self.bare)
    }

    fn mac(&self, key: &[u8], text: &str) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(self.mac, key), text.as_bytes()).as_ref().to_vec()
    }

    /// The final message, and the broker's answer to it if that knows the user too.
    fn last(&self, challenge: &str) -> (String, String) {
        let parts: Vec<&str> = challenge.splitn(3, ',').collect();
        let salt = STANDARD.decode(&parts[1][2..]).unwrap();
        let iterations = NonZeroU32::new(parts[2][2..].parse().unwrap()).unwrap();
        let mut salted = vec![0; self.hash.output_len()];
        pbkdf2::derive(self.salted_by, iterations, &salt, self.password.as_bytes(), &mut salted);
        let client_key = self.mac(&salted, "Client Key");
        let stored_key = digest::digest(self.hash, &client_key);
        let without_proof = format!("c={},{}", STANDARD.encode(self.header), parts[0]);
        let signed = format!("{},{challenge},{without_proof}", self.bare);
        let signature = self.mac(stored_key.as_ref(), &signed);
        let proof: Vec<u8> = client_key.iter().zip(signature).map(|(key, bit)| key ^ bit).collect();
        let server = self.mac(&self.mac(&salted, "Server Key"), &signed);
        let last = format!("{without_proof},p={}", STANDARD.encode(proof));
        (last, format!("v={}", STANDARD.encode(server)))
    }

    fn challenged(&self, exchange: &mut Exchange, nonces: &mut Nonces) -> String {
        let step = exchange.step(self.first().as_bytes(), &*KNOWN, NOW, &mut || nonces.next());
        let Step::Challenge(challenge) = step else { panic!("{step:?}") };
        String::from_utf8(challenge.to_vec()).unwrap()
    }
}

/// An exchange of `client` up to its proof: what follows, and what the client expects if it is let in.
fn plays_out(mechanism: Mechanism, client: &Client) -> (Step, String) {
    let mut exchange = Exchange::begin(mechanism);
    let challenge = client.challenged(&mut exchange, &mut Nonces::default());
    let (last, expected) = client.last(&challenge);
    (step(&mut exchange, last), expected)
}

#[test]
fn a_client_with_the_password_is_let_in_and_can_tell_that_the_broker_knows_the_user() {
    for mechanism in MECHANISMS {
        for header in ["n,,", "n,a=alice,"] {
            let client = Client { header, ..Client::new(mechanism, "alice", "pencil") };
            let (step, expected) = plays_out(mechanism, &client);
            assert_eq!(step, done("alice", expected, None));
        }
    }
}

#[test]
fn a_client_with_another_password_is_not_let_in() {
    for mechanism in MECHANISMS {
        let (step, _) = plays_out(mechanism, &Client::new(mechanism, "alice", "Pencil"));
        let reason = AuthError::WrongCredentials { name: "alice".to_owned() };
        assert_eq!(step, Step::Refused { answer: Some("e=invalid-proof".into()), reason });
    }
}

#[test]
fn an_exchange_with_a_user_who_does_not_exist_looks_like_one_with_a_wrong_password() {
    for mechanism in MECHANISMS {
        let seen = |name: &str| {
            let client = Client::new(mechanism, name, "Pencil");
            let mut exchange = Exchange::begin(mechanism);
            let challenge = client.challenged(&mut exchange, &mut Nonces::default());
            let (last, _) = client.last(&challenge);
            let Step::Refused { answer, reason } = step(&mut exchange, last) else { panic!("let in") };
            (challenge, answer, reason.told(mechanism, false))
        };
        let (known, unknown) = (seen("alice"), seen("nobody"));
        assert_eq!(unknown, seen("nobody"), "a name gets the same salt each time");
        assert_ne!(unknown.0, seen("nobodz").0);
        assert_eq!((&known.1, &known.2), (&unknown.1, &unknown.2));
        let shape = |challenge: &str| -> Vec<(String, usize)> {
            challenge.split(',').map(|part| (part[..2].to_owned(), part.len())).collect()
        };
        assert_eq!(shape(&known.0), shape(&unknown.0));
        assert!(unknown.0.ends_with(",i=4096"));
    }
}

#[test]
fn a_proof_that_was_listened_to_opens_no_other_exchange() {
    for mechanism in MECHANISMS {
        let client = Client::new(mechanism, "alice", "pencil");
        let mut nonces = Nonces::default();
        let (mut heard, mut attacked) = (Exchange::begin(mechanism), Exchange::begin(mechanism));
        let challenge = client.challenged(&mut heard, &mut nonces);
        let (last, expected) = client.last(&challenge);
        client.challenged(&mut attacked, &mut nonces);
        let other = AuthError::OtherNonce { name: "alice".to_owned() };
        assert_eq!(reason(step(&mut attacked, &last)), other);
        assert_eq!(step(&mut heard, &last), done("alice", expected, None));
        assert_eq!(reason(step(&mut heard, &last)), AuthError::Ended);
    }
}

#[test]
fn a_proof_with_the_nonce_of_this_exchange_and_the_rest_of_another_is_wrong() {
    let mechanism = Mechanism::ScramSha256;
    let client = Client::new(mechanism, "alice", "pencil");
    let mut nonces = Nonces::default();
    let (mut heard, mut attacked) = (Exchange::begin(mechanism), Exchange::begin(mechanism));
    let (last, _) = client.last(&client.challenged(&mut heard, &mut nonces));
    let challenge = client.challenged(&mut attacked, &mut nonces);
    let (_, proof) = last.split_once(",p=").unwrap();
    let forged = format!("c=biws,{},p={proof}", challenge.split(',').next().unwrap());
    let wrong = AuthError::WrongCredentials { name: "alice".to_owned() };
    assert_eq!(reason(step(&mut attacked, forged)), wrong);
}

#[test]
fn a_header_that_changed_on_its_way_is_noticed() {
    let mechanism = Mechanism::ScramSha256;
    let client = Client::new(mechanism, "alice", "pencil");
    for header in ["y,,", "n,a=alice,", "p=tls-unique,,", ""] {
        let mut exchange = Exchange::begin(mechanism);
        let challenge = client.challenged(&mut exchange, &mut Nonces::default());
        let (last, _) = Client { header, ..Client::new(mechanism, "alice", "pencil") }.last(&challenge);
        let refused = step(&mut exchange, last);
        let answer = Some("e=channel-bindings-dont-match".into());
        assert_eq!(refused, Step::Refused { answer, reason: AuthError::OtherChannelBinding });
    }
}

#[test]
fn nobody_is_let_in_as_somebody_else() {
    for mechanism in MECHANISMS {
        let client = Client { header: "n,a=root,", ..Client::new(mechanism, "alice", "pencil") };
        let refused = reason(step(&mut Exchange::begin(mechanism), client.first()));
        let other = AuthError::OtherIdentity { name: "alice".to_owned(), asked: "root".to_owned() };
        assert_eq!(refused, other);
    }
}

#[test]
fn a_delegation_token_is_refused_in_clear_words() {
    let refused = step(&mut Exchange::begin(Mechanism::ScramSha256), "n,,n=id,r=f,tokenauth=true");
    let told = reason(refused).told(Mechanism::ScramSha256, false);
    assert_eq!(told, "Authentication failed: delegation tokens are not supported");
}

#[test]
fn a_proof_of_another_length_is_refused_for_all_alike() {
    for name in ["alice", "nobody"] {
        let client = Client::new(Mechanism::ScramSha256, name, "pencil");
        let mut exchange = Exchange::begin(Mechanism::ScramSha256);
        let challenge = client.challenged(&mut exchange, &mut Nonces::default());
        let nonce = challenge.split(',').next().unwrap();
        let refused = step(&mut exchange, format!("c=biws,{nonce},p="));
        assert!(matches!(reason(refused), AuthError::Malformed { .. }));
    }
}

#[test]
fn a_credential_of_the_other_mechanism_is_not_used() {
    let credential = ScramCredential::new(ScramMechanism::Sha512, "pencil", b"salt", 4096).unwrap();
    let example = Example(Decoy::new(b"secret"), credential);
    let mut exchange = Exchange::begin(Mechanism::ScramSha256);
    let step = exchange.step(b"n,,n=user,r=f", &example, NOW, &mut || [0; 18]);
    let decoy = example.0.credential(ScramMechanism::Sha256, "user");
    let nonce = STANDARD.encode([0; 18]);
    let expected = format!("r=f{nonce},s={},i=4096", STANDARD.encode(decoy.salt()));
    assert_eq!(step, Step::Challenge(expected.into()));
}
