//! Users of SCRAM (KIP-554): shown, made, deleted. A password is salted here and leaves this process salted only.

use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};

use crate::wire::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use crate::wire::messages::{AlterUserScramCredentialsRequest, DescribeUserScramCredentialsRequest};

use super::text;
use crate::client::sasl::salted_password;
use crate::client::{ClientError, Cluster, ScramHash};

/// As Kafka's own tools take it.
const SALT_LEN: usize = 26;

/// One of those that a user has; what it is made of is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCredential {
    pub user: String,
    /// None: a mechanism that is not known here.
    pub hash: Option<ScramHash>,
    pub iterations: i32,
}

/// One to be kept.
#[derive(Clone)]
pub struct NewCredential {
    pub hash: ScramHash,
    pub password: Arc<str>,
    /// Kafka takes 4096 to 16384.
    pub iterations: u32,
}

impl std::fmt::Debug for NewCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewCredential").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Cluster {
    /// The credentials of all users, by name and mechanism.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn describe_users(&self) -> Result<Vec<UserCredential>, ClientError> {
        // An empty list means all, as null does. Kafka 4.3 never answers null of somebody who may not ask.
        let request = DescribeUserScramCredentialsRequest::default().with_users(Some(Vec::new()));
        let once = async || {
            let connection = self.controller().await?;
            let version = connection.version::<DescribeUserScramCredentialsRequest>()?;
            let answer = connection.call(&request, version).await?;
            ClientError::check(answer.error_code, "users", answer.error_message.as_deref())?;
            for result in &answer.results {
                let subject = format!("user {}", &*result.user);
                ClientError::check(result.error_code, subject, result.error_message.as_deref())?;
            }
            Ok(answer.results)
        };
        let found = self.patiently(once).await?;
        let credentials = found.into_iter().flat_map(|result| {
            let user = result.user.to_string();
            result.credential_infos.into_iter().map(move |info| UserCredential {
                user: user.clone(),
                hash: ScramHash::ALL.into_iter().find(|hash| hash.code() == info.mechanism),
                iterations: info.iterations,
            })
        });
        let mut credentials: Vec<_> = credentials.collect();
        credentials.sort_by(|left, right| (&left.user, left.hash).cmp(&(&right.user, right.hash)));
        Ok(credentials)
    }

    /// Keeps `new` for `user`, instead of the one of the same mechanism.
    ///
    /// One at a time, since Kafka refuses a request that names a user twice, even for two mechanisms.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn set_user(&self, user: &str, new: &NewCredential) -> Result<(), ClientError> {
        let mut salt = vec![0; SALT_LEN];
        SystemRandom::new().fill(&mut salt).map_err(|_| ClientError::Protocol {
            subject: format!("user {user}"),
            what: "this machine has no random numbers".into(),
        })?;
        let salted = salted_password(new.hash, &new.password, &salt, new.iterations);
        let upsertion = ScramCredentialUpsertion::default()
            .with_name(text(user))
            .with_mechanism(new.hash.code())
            .with_iterations(i32::try_from(new.iterations).unwrap_or(i32::MAX))
            .with_salt(salt.into())
            .with_salted_password(salted.into());
        let request = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
        self.alter_user(user, &request).await
    }

    /// Deletes the credential of `user` for one mechanism.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn delete_user(&self, user: &str, hash: ScramHash) -> Result<(), ClientError> {
        let deletion = ScramCredentialDeletion::default().with_name(text(user)).with_mechanism(hash.code());
        let request = AlterUserScramCredentialsRequest::default().with_deletions(vec![deletion]);
        self.alter_user(user, &request).await
    }

    async fn alter_user(
        &self,
        user: &str,
        request: &AlterUserScramCredentialsRequest,
    ) -> Result<(), ClientError> {
        let subject = || format!("user {user}");
        let once = async || {
            let connection = self.controller().await?;
            let version = connection.version::<AlterUserScramCredentialsRequest>()?;
            let answer = connection.call(request, version).await?;
            if answer.results.is_empty() {
                return Err(ClientError::Missing { subject: subject() });
            }
            let mut results = answer.results.iter();
            results.try_for_each(|result| {
                ClientError::check(result.error_code, subject(), result.error_message.as_deref())
            })
        };
        self.patiently(once).await
    }
}
