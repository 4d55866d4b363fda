//! ACLs as clients change and look at them. They are in the metadata as lines of a policy.

use super::{Broker, BrokerError};
use crate::access::acl::{AclBinding, AclFilter};
use crate::cluster::{AclsChanged, Command};

/// All that a cluster may have.
const ACLS_MAX: usize = 100_000;

impl Broker {
    /// Whether somebody decides who may do what; without that there are no ACLs to be seen or changed.
    pub fn has_authorizer(&self) -> bool {
        self.authorizer().is_some()
    }

    /// All bindings that `filter` matches.
    pub fn acls(&self, filter: &AclFilter) -> Vec<AclBinding> {
        let authorizer = self.authorizer();
        authorizer.map(|known| known.rules().acls.matching(filter).cloned().collect()).unwrap_or_default()
    }

    /// Adds bindings, all or none; those that are there already stay as they are.
    ///
    /// # Errors
    /// [`BrokerError::PolicyViolation`] if there would be too many; what stands in the way of a change of the metadata.
    pub async fn create_acls(&self, bindings: &[AclBinding]) -> Result<(), BrokerError> {
        let _only_one = self.control().await?;
        let image = self.image();
        let mut added: Vec<String> = bindings.iter().map(ToString::to_string).collect();
        added.retain(|line| !image.acls.contains(line));
        if added.is_empty() {
            return Ok(());
        }
        if image.acls.len() + added.len() > ACLS_MAX {
            let reason = format!("{} ACLs are there, {ACLS_MAX} are the most", image.acls.len());
            return Err(BrokerError::PolicyViolation { reason });
        }
        self.change_metadata(vec![Command::AclsChanged(AclsChanged { added, removed: Vec::new() })]).await
    }

    /// Takes away what any of the filters matches: what each matched.
    ///
    /// # Errors
    /// What stands in the way of a change of the metadata; then nothing is taken away.
    pub async fn delete_acls(&self, filters: &[AclFilter]) -> Result<Vec<Vec<AclBinding>>, BrokerError> {
        let _only_one = self.control().await?;
        let matched: Vec<Vec<AclBinding>> = filters.iter().map(|filter| self.acls(filter)).collect();
        let removed: Vec<String> = matched.iter().flatten().map(ToString::to_string).collect();
        if !removed.is_empty() {
            let command = Command::AclsChanged(AclsChanged { added: Vec::new(), removed });
            self.change_metadata(vec![command]).await?;
        }
        Ok(matched)
    }
}
