//! What users can prove by SCRAM, as it is set while the cluster runs (KIP-554). Users of a node's file are not here.

use std::collections::BTreeMap;

use super::{Broker, BrokerError};
use crate::access::sasl::{ScramCredential, ScramMechanism};
use crate::cluster::{Command, ScramChanged, ScramKeys};

/// Credentials that a cluster may have.
const CREDENTIALS_MAX: usize = 100_000;

/// Of one user: each mechanism, and its iterations.
pub type ScramUser = Vec<(ScramMechanism, i32)>;

impl Broker {
    /// All users that have credentials, by name.
    pub fn scram_users(&self) -> BTreeMap<String, ScramUser> {
        let mut users: BTreeMap<String, ScramUser> = BTreeMap::new();
        for ((user, code), keys) in self.image().scram.iter() {
            let mechanism = i8::try_from(*code).ok().and_then(ScramMechanism::from_code);
            if let Some(mechanism) = mechanism {
                users.entry(user.clone()).or_default().push((mechanism, keys.iterations));
            }
        }
        users
    }

    /// Whether a user has a credential.
    pub fn has_scram(&self, user: &str, mechanism: ScramMechanism) -> bool {
        self.image().scram.contains_key(&(user.to_owned(), mechanism.code().into()))
    }

    /// Sets credentials of users, or takes them away (`None`): all or none.
    ///
    /// # Errors
    /// [`BrokerError::PolicyViolation`] if there would be too many; what stands in the way of a change of the metadata.
    pub async fn alter_scram(
        &self,
        changes: Vec<(String, ScramMechanism, Option<ScramCredential>)>,
    ) -> Result<(), BrokerError> {
        if changes.is_empty() {
            return Ok(());
        }
        let _only_one = self.control().await?;
        let have = self.image().scram.len();
        if have + changes.iter().filter(|(.., credential)| credential.is_some()).count() > CREDENTIALS_MAX {
            let reason = format!("{have} credentials are there, {CREDENTIALS_MAX} are the most");
            return Err(BrokerError::PolicyViolation { reason });
        }
        let command = |(user, mechanism, credential): (String, ScramMechanism, Option<ScramCredential>)| {
            let keys = credential.map(|credential| ScramKeys {
                iterations: credential.iterations(),
                salt: credential.salt().to_vec(),
                stored_key: credential.stored_key().to_vec(),
                server_key: credential.server_key().to_vec(),
            });
            Command::ScramChanged(ScramChanged { user, mechanism: mechanism.code().into(), keys })
        };
        self.change_metadata(changes.into_iter().map(command).collect()).await
    }
}
