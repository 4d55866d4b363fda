//! Who clients are and what they may do, as of the metadata and of the files that this node was given.
//!
//! Not here: the rules themselves (`access`), when files are read (`agent`), and what a door does with a refusal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;

use super::{Broker, BrokerError};
use crate::access::acl::AclBinding;
use crate::access::policy::Policy;
use crate::access::sasl::{
    AuthError, Bearer, BearerRules, Decoy, Directory, ITERATIONS_MIN, Jwks, ScramCredential, ScramMechanism,
    UnixMillis,
};
use crate::access::users_file::Users;
use crate::access::{Authorizer, Principal, Rules};
use crate::cluster::{MetadataImage, ScramKeys};
use crate::keys::SecuritySettings;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Whether anybody is refused anything. Never false again.
    is_on: AtomicBool,
    /// The authorizer in force, and what it was made of.
    authorizer: ArcSwapOption<Made>,
    making: Mutex<()>,
    policy: ArcSwapOption<Policy>,
    users: ArcSwap<KnownUsers>,
    jwks: ArcSwapOption<Jwks>,
    decoy: ArcSwapOption<(Vec<u8>, Decoy)>,
}

#[derive(Debug)]
struct Made {
    acls: Arc<BTreeSet<String>>,
    policy: Option<Arc<Policy>>,
    authorizer: Arc<Authorizer>,
}

/// What a file of users says, ready to be asked.
#[derive(Debug, Default)]
pub struct KnownUsers {
    passwords: Option<Users>,
    scram: BTreeMap<(String, i8), ScramCredential>,
}

impl Guard {
    /// With an authorizer from the start, if `is_on`; else from the first policy on.
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_on: is_on.into(), ..Self::default() }
    }
}

impl Broker {
    /// What decides who may do what, as of now; `None`: everybody may do everything.
    pub fn authorizer(&self) -> Option<Arc<Authorizer>> {
        // Each request comes by here, and mostly goes on at once. Acquire: whoever sees that it is on sees the policy.
        if !self.0.guard.is_on.load(Ordering::Acquire) {
            return None;
        }
        let policy = self.0.guard.policy.load_full();
        let image = self.image();
        let is_of = |made: &Made| {
            Arc::ptr_eq(&made.acls, &image.acls)
                && made.policy.as_ref().map(Arc::as_ptr) == policy.as_ref().map(Arc::as_ptr)
        };
        let made = self.0.guard.authorizer.load_full();
        if let Some(made) = made.filter(|made| is_of(made)) {
            return Some(Arc::clone(&made.authorizer));
        }
        // One makes it, however many ask.
        let _one = self.0.guard.making.lock();
        let made = self.0.guard.authorizer.load_full();
        if let Some(made) = made.filter(|made| is_of(made)) {
            return Some(Arc::clone(&made.authorizer));
        }
        let settings = self.settings();
        let authorizer = Arc::new(Authorizer::new(rules(&image, policy.clone(), &settings.security)));
        let made = Made { acls: Arc::clone(&image.acls), policy, authorizer: Arc::clone(&authorizer) };
        self.0.guard.authorizer.store(Some(Arc::new(made)));
        Some(authorizer)
    }

    /// Takes another policy into use.
    pub fn set_policy(&self, policy: Policy) {
        self.0.guard.policy.store(Some(Arc::new(policy)));
        self.0.guard.is_on.store(true, Ordering::Release);
    }

    /// Takes other users into use.
    pub fn set_users(&self, users: KnownUsers) {
        self.0.guard.users.store(Arc::new(users));
    }

    /// Takes other keys of tokens into use.
    pub fn set_token_keys(&self, keys: Jwks) {
        self.0.guard.jwks.store(Some(Arc::new(keys)));
    }

    /// Gets a file's users ready. Takes milliseconds a user: not for a thread that serves.
    pub fn know(&self, users: Users) -> KnownUsers {
        let decoy = self.decoy();
        let mut scram = BTreeMap::new();
        for (name, password) in users.iter() {
            for mechanism in ScramMechanism::ALL {
                // The same salt on every node, and after a restart.
                let like = decoy.1.credential(mechanism, name);
                let iterations = i32::try_from(ITERATIONS_MIN).unwrap_or(i32::MAX);
                let made = ScramCredential::new(mechanism, password.reveal(), like.salt(), iterations);
                scram.extend(made.ok().map(|made| ((name.to_owned(), mechanism.code()), made)));
            }
        }
        KnownUsers { passwords: Some(users), scram }
    }

    fn decoy(&self) -> Arc<(Vec<u8>, Decoy)> {
        let secret = self.image().secret.clone();
        if let Some(decoy) = self.0.guard.decoy.load_full().filter(|decoy| decoy.0 == secret) {
            return decoy;
        }
        let decoy = Decoy::new(&secret);
        let decoy = Arc::new((secret, decoy));
        self.0.guard.decoy.store(Some(Arc::clone(&decoy)));
        decoy
    }

    /// Whom exchanges may ask: as of now.
    pub fn directory(&self) -> impl Directory + use<> {
        Known {
            image: self.image(),
            users: self.0.guard.users.load_full(),
            jwks: self.0.guard.jwks.load_full(),
            rules: bearer_rules(&self.settings().security),
            decoy: self.decoy(),
        }
    }
}

struct Known {
    image: Arc<MetadataImage>,
    users: Arc<KnownUsers>,
    jwks: Option<Arc<Jwks>>,
    rules: BearerRules,
    decoy: Arc<(Vec<u8>, Decoy)>,
}

impl Directory for Known {
    fn plain(&self, name: &str, password: &str) -> bool {
        self.users.passwords.as_ref().is_some_and(|users| users.check(name, password))
    }

    /// What was set while the cluster runs goes before the file.
    fn scram(&self, name: &str, mechanism: ScramMechanism) -> Option<ScramCredential> {
        let kept = self.image.scram.get(&(name.to_owned(), mechanism.code().into()));
        let kept = kept.and_then(|keys| credential(mechanism, keys));
        kept.or_else(|| self.users.scram.get(&(name.to_owned(), mechanism.code())).cloned())
    }

    fn bearer(&self, token: &str, now: UnixMillis) -> Result<Bearer, AuthError> {
        let none = Jwks::default();
        let keys = self.jwks.as_deref().unwrap_or(&none);
        Ok(self.rules.check(keys, token, now)?)
    }

    fn decoy(&self) -> &Decoy {
        &self.decoy.1
    }
}

fn credential(mechanism: ScramMechanism, keys: &ScramKeys) -> Option<ScramCredential> {
    let ScramKeys { iterations, salt, stored_key, server_key } = keys;
    ScramCredential::from_keys(mechanism, salt, *iterations, stored_key, server_key).ok()
}

fn bearer_rules(settings: &SecuritySettings) -> BearerRules {
    BearerRules {
        issuer: settings.token_issuer.clone(),
        audience: settings.token_audience.clone(),
        scope_claim: settings.token_scope_claim.clone(),
        principal_claim: settings.token_sub_claim.clone(),
        clock_skew_seconds: settings.token_clock_skew_seconds,
        allow_unsecured: false,
    }
}

fn rules(image: &MetadataImage, policy: Option<Arc<Policy>>, settings: &SecuritySettings) -> Rules {
    let super_users = super_users(&settings.super_users);
    match image.acls.iter().map(|line| line.parse::<AclBinding>()).collect() {
        Ok(acls) => Rules {
            super_users,
            acls: Arc::new(acls),
            policy,
            allow_if_no_acl: settings.allow_everyone_if_no_acl_found,
        },
        // A newer version wrote it. It may deny what others allow, so only super users may do anything.
        Err(error) => {
            tracing::error!(%error, "an ACL cannot be read: everybody but super users is refused");
            Rules { super_users, ..Rules::default() }
        }
    }
}

fn super_users(text: &str) -> Vec<Principal> {
    let given = text.split(';').map(str::trim).filter(|principal| !principal.is_empty());
    given.filter_map(|principal| principal.parse().ok()).collect()
}

/// What is wrong with the principals of `super.users`.
///
/// # Errors
/// The first that is none.
pub fn check_super_users(text: &str) -> Result<(), BrokerError> {
    for principal in text.split(';').map(str::trim).filter(|principal| !principal.is_empty()) {
        principal.parse::<Principal>().map_err(|error| BrokerError::InvalidRequest {
            reason: format!("super.users: {principal}: {error}"),
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Operation, Resource};
    use crate::keys::BrokerSettings;

    #[test]
    fn while_an_acl_cannot_be_read_nobody_but_super_users_is_let_in() {
        let pairs = [("super.users", "User:root"), ("allow.everyone.if.no.acl.found", "true")];
        let settings = BrokerSettings::from_pairs(pairs).unwrap();
        let allows = |lines: &[&str], name: &str| {
            let mut image = MetadataImage::default();
            image.acls = Arc::new(lines.iter().map(|line| (*line).to_owned()).collect());
            let authorizer = Authorizer::new(rules(&image, None, &settings.security));
            let host = std::net::Ipv4Addr::LOCALHOST.into();
            authorizer.allows(&Principal::user(name), host, Operation::Read, Resource::topic("sky"))
        };
        let good = "p, User:alice, topic:sky, read, allow, *, literal";
        assert!(allows(&[good], "alice") && !allows(&[good], "bob"));
        assert!(allows(&[], "bob"));
        let strange = "q, User:alice, topic:sky, read, deny";
        assert!(!allows(&[good, strange], "alice") && !allows(&[strange], "bob"));
        assert!(allows(&[good, strange], "root"));
    }
}
