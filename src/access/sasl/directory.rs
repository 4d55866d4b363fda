//! Who exists and what they can prove: what an exchange asks its surroundings for. Not here: where that is stored.

use super::bearer::Bearer;
use super::credential::ScramCredential;
use super::decoy::Decoy;
use super::error::AuthError;
use super::mechanism::ScramMechanism;
use super::session::UnixMillis;

/// What the broker knows of its users. Answers come from memory: nothing here waits.
pub trait Directory {
    /// Whether `password` is that of user `name`. It takes about as long for a user who does not exist.
    fn plain(&self, name: &str, password: &str) -> bool;

    /// The credential of user `name` for `mechanism`, if there is one.
    fn scram(&self, name: &str, mechanism: ScramMechanism) -> Option<ScramCredential>;

    /// Whom `token` speaks for, and until when.
    ///
    /// # Errors
    /// [`AuthError::Token`] if the token is no good at `now`.
    fn bearer(&self, token: &str, now: UnixMillis) -> Result<Bearer, AuthError>;

    /// What stands in for users who do not exist.
    fn decoy(&self) -> &Decoy;
}
