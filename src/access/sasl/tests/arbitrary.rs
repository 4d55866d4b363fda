//! Any bytes, in any order: nothing panics, and nobody is let in.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::access::users_file::Users;

/// Bytes without a form, and messages that come close to good ones.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(any::<u8>(), 0..64),
        "(n|y|p=x),(a=[a-c]{0,2})?,(m=x,)?n=(alice|nobody|[a-c=,]{0,3}),r=[!-~]{0,6}(,[a-z]=[a-z])?"
            .prop_map(String::into_bytes),
        "c=(biws|[A-Za-z=]{0,5}),r=[!-~]{0,32},p=[A-Za-z0-9+/]{43}=".prop_map(String::into_bytes),
        "(alice)?\0(alice|nobody)\0[a-o]{0,6}".prop_map(String::into_bytes),
        "n,(a=alice)?,\x01(k=v\x01)?auth=(b|B)earer [A-Za-z0-9._-]{0,40}\x01{0,3}"
            .prop_map(String::into_bytes),
        Just(vec![1]),
        Just(vec![0]),
    ]
}

fn mechanism() -> impl Strategy<Value = Mechanism> {
    proptest::sample::select(Mechanism::ALL.as_slice())
}

proptest! {
    #[test]
    fn whatever_comes_in_whatever_order_lets_nobody_in(
        mechanism in mechanism(),
        messages in vec(message(), 1..6),
    ) {
        let mut exchange = Exchange::begin(mechanism);
        let mut ended = false;
        for message in messages {
            let step = exchange.step(&message, &*KNOWN, NOW, &mut || [0; 18]);
            let is_in = matches!(step, Step::Done { .. });
            prop_assert!(!is_in, "somebody was let in");
            let refused = matches!(step, Step::Refused { .. });
            prop_assert!(refused || !ended, "an exchange went on after its end");
            ended = refused;
        }
    }

    #[test]
    fn no_proof_but_the_right_one_fits(name in "alice|nobody", proof in any::<[u8; 32]>()) {
        let mut exchange = Exchange::begin(Mechanism::ScramSha256);
        exchange.step(format!("n,,n={name},r=f").as_bytes(), &*KNOWN, NOW, &mut || [0; 18]);
        let nonce = STANDARD.encode([0; 18]);
        let last = format!("c=biws,r=f{nonce},p={}", STANDARD.encode(proof));
        let step = exchange.step(last.as_bytes(), &*KNOWN, NOW, &mut || [0; 18]);
        prop_assert_eq!(reason(step), AuthError::WrongCredentials { name });
    }

    #[test]
    fn a_token_of_any_claims_is_good_or_refused(
        header in "\\{\"alg\":\"(none|RS256|ES256)\"(,\"kid\":(\"rsa\"|1))?\\}",
        claims in "\\{(\"exp\":-?[0-9]{1,20}(\\.[0-9]|e[0-9]{1,3})?,)?\"sub\":(\"[a-z]{0,3}\"|1|\\[\\])\\}",
        signature in "[A-Za-z0-9_-]{0,90}",
        now in any::<i64>(),
    ) {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let token = format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let rules = BearerRules { allow_unsecured: true, ..BearerRules::default() };
        if let Ok(bearer) = rules.check(&Jwks::default(), &token, UnixMillis(now)) {
            prop_assert!(bearer.expires.0 > now.saturating_sub(30_000) && signature.is_empty());
            let lifetime = session_lifetime(0, Some(bearer.expires), UnixMillis(now));
            prop_assert!(lifetime.is_some_and(|ms| ms >= 0));
        }
    }

    #[test]
    fn files_of_any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Jwks::parse(&bytes);
        let _ = Users::parse(&bytes);
        let _ = String::from_utf8_lossy(&bytes).parse::<Principal>();
    }
}
