//! How long an authentication counts, and what a later one on the same connection may change (KIP-368). Pure: the
//! door has the timer, and closes a connection that asks for anything but a handshake after its session ended.

use super::error::AuthError;
use super::mechanism::Mechanism;
use crate::access::Principal;

/// Milliseconds since 1970 in UTC, as the node's clock has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UnixMillis(pub i64);

/// How long the session that began at `now` lasts, in milliseconds, or `None` if it has no end. It is the shorter of
/// `max_reauth_ms` (`connections.max.reauth.ms`; 0 or less sets no limit) and what the credential that `expires` has
/// left, and 0 if that is over already.
///
/// `SaslAuthenticate` v1 and later tell it to the client as `session_lifetime_ms`, where 0 stands for no end: the
/// client that is told 0 because its credential is over does not know it, but the session ends for the broker. It
/// counts for clients of v0 too, who cannot authenticate again: their connections end then.
///
/// Source: KIP-368; Kafka `SaslServerAuthenticator.ReauthInfo.calcCompletionTimesAndReturnSessionLifetimeMs`.
pub fn session_lifetime(max_reauth_ms: i64, expires: Option<UnixMillis>, now: UnixMillis) -> Option<i64> {
    let configured = (max_reauth_ms > 0).then_some(max_reauth_ms);
    let left = expires.map(|expires| expires.0.saturating_sub(now.0).max(0));
    match (configured, left) {
        (Some(configured), Some(left)) => Some(configured.min(left)),
        (configured, left) => configured.or(left),
    }
}

/// Who a connection is, and how it proved that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub principal: Principal,
    pub mechanism: Mechanism,
}

impl Session {
    /// Whether `asked` may be used to authenticate again: only the mechanism of the first time.
    ///
    /// Kafka answers the handshake without an error and refuses in `SaslAuthenticate`.
    ///
    /// Source: Kafka `SaslServerAuthenticator.ReauthInfo.saslMechanismUnchanged`.
    pub fn may_begin(&self, asked: Mechanism) -> Result<(), AuthError> {
        if asked != self.mechanism {
            return Err(AuthError::MechanismChanged { before: self.mechanism, asked });
        }
        Ok(())
    }

    /// Whether the connection may go on as `principal`: only as who it was.
    ///
    /// Source: Kafka `SaslServerAuthenticator.ReauthInfo.ensurePrincipalUnchanged`.
    pub fn may_continue_as(&self, principal: &Principal) -> Result<(), AuthError> {
        if *principal != self.principal {
            let before = self.principal.clone();
            return Err(AuthError::PrincipalChanged { before, now: principal.clone() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn a_session_lasts_as_long_as_the_shorter_of_configuration_and_credential() {
        let at = |ms| Some(UnixMillis(NOW.0 + ms));
        assert_eq!(session_lifetime(0, None, NOW), None);
        assert_eq!(session_lifetime(-1, None, NOW), None);
        assert_eq!(session_lifetime(60_000, None, NOW), Some(60_000));
        assert_eq!(session_lifetime(0, at(5_000), NOW), Some(5_000));
        assert_eq!(session_lifetime(60_000, at(5_000), NOW), Some(5_000));
        assert_eq!(session_lifetime(60_000, at(90_000), NOW), Some(60_000));
    }

    #[test]
    fn a_credential_that_is_over_ends_its_session_at_once() {
        assert_eq!(session_lifetime(60_000, Some(UnixMillis(NOW.0 - 1)), NOW), Some(0));
        assert_eq!(session_lifetime(0, Some(UnixMillis(i64::MIN)), NOW), Some(0));
        assert_eq!(session_lifetime(0, Some(UnixMillis(i64::MAX)), UnixMillis(-1)), Some(i64::MAX));
    }

    #[test]
    fn who_authenticates_again_stays_who_they_are_and_how_they_proved_it() {
        let session = Session { principal: Principal::user("alice"), mechanism: Mechanism::Plain };
        assert_eq!(session.may_begin(Mechanism::Plain), Ok(()));
        assert_eq!(session.may_continue_as(&Principal::user("alice")), Ok(()));
        assert!(session.may_begin(Mechanism::ScramSha256).is_err());
        assert!(session.may_continue_as(&Principal::user("bob")).is_err());
    }
}
