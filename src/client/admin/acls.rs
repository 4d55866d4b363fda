//! ACLs: shown, made, removed. Kinds, patterns, operations and permissions are Kafka's codes, for the caller to name.

use crate::wire::StrBytes;
use crate::wire::messages::create_acls_request::AclCreation;
use crate::wire::messages::delete_acls_request::DeleteAclsFilter;
use crate::wire::messages::delete_acls_response::DeleteAclsMatchingAcl;
use crate::wire::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use crate::wire::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

use super::text;
use crate::client::{ClientError, Cluster};

/// One ACL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acl {
    pub kind: i8,
    pub name: String,
    pub pattern: i8,
    pub principal: String,
    pub host: String,
    pub operation: i8,
    pub permission: i8,
}

/// Which ACLs; None stands for all, as do the codes of "any".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclFilter {
    pub kind: i8,
    pub name: Option<String>,
    pub pattern: i8,
    pub principal: Option<String>,
    pub host: Option<String>,
    pub operation: i8,
    pub permission: i8,
}

impl Cluster {
    /// What `filter` finds, in the broker's order.
    ///
    /// # Errors
    /// [`ClientError::Refused`] with the broker's reason.
    pub async fn describe_acls(&self, filter: &AclFilter) -> Result<Vec<Acl>, ClientError> {
        let optional = |text: &Option<String>| text.clone().map(StrBytes::from_string);
        let request = DescribeAclsRequest::default()
            .with_resource_type_filter(filter.kind)
            .with_resource_name_filter(optional(&filter.name))
            .with_pattern_type_filter(filter.pattern)
            .with_principal_filter(optional(&filter.principal))
            .with_host_filter(optional(&filter.host))
            .with_operation(filter.operation)
            .with_permission_type(filter.permission);
        let once = async || {
            let connection = self.controller().await?;
            let version = connection.version::<DescribeAclsRequest>()?;
            let answer = connection.call(&request, version).await?;
            ClientError::check(answer.error_code, "ACLs", answer.error_message.as_deref())?;
            Ok(answer.resources)
        };
        let resources = self.patiently(once).await?;
        let of = |resource: &DescribeAclsResource| -> Vec<Acl> {
            resource.acls.iter().map(|acl| described(resource, acl)).collect()
        };
        Ok(resources.iter().flat_map(of).collect())
    }

    /// Makes all of `acls`; each has an answer of its own, in their order. One that is there already is no error.
    ///
    /// # Errors
    /// [`ClientError`] if there is no answer for all.
    pub async fn create_acls(&self, acls: &[Acl]) -> Result<Vec<Result<(), ClientError>>, ClientError> {
        let creation = |acl: &Acl| {
            AclCreation::default()
                .with_resource_type(acl.kind)
                .with_resource_name(text(&acl.name))
                .with_resource_pattern_type(acl.pattern)
                .with_principal(text(&acl.principal))
                .with_host(text(&acl.host))
                .with_operation(acl.operation)
                .with_permission_type(acl.permission)
        };
        let request = CreateAclsRequest::default().with_creations(acls.iter().map(creation).collect());
        let once = async || {
            let connection = self.controller().await?;
            let answer = connection.call(&request, connection.version::<CreateAclsRequest>()?).await?;
            if answer.results.len() != acls.len() {
                return Err(ClientError::Missing { subject: "ACLs".into() });
            }
            let results = answer.results.iter();
            let done: Vec<_> = results
                .map(|result| ClientError::check(result.error_code, "ACL", result.error_message.as_deref()))
                .collect();
            worth_another_try(done)
        };
        self.patiently(once).await
    }

    /// Removes what any of `filters` finds: what was removed, for each filter.
    ///
    /// # Errors
    /// [`ClientError`] if a filter was refused, or an ACL that it found; others may be removed then.
    pub async fn delete_acls(&self, filters: &[AclFilter]) -> Result<Vec<Vec<Acl>>, ClientError> {
        let optional = |text: &Option<String>| text.clone().map(StrBytes::from_string);
        let wired = |filter: &AclFilter| {
            DeleteAclsFilter::default()
                .with_resource_type_filter(filter.kind)
                .with_resource_name_filter(optional(&filter.name))
                .with_pattern_type_filter(filter.pattern)
                .with_principal_filter(optional(&filter.principal))
                .with_host_filter(optional(&filter.host))
                .with_operation(filter.operation)
                .with_permission_type(filter.permission)
        };
        let request = DeleteAclsRequest::default().with_filters(filters.iter().map(wired).collect());
        let once = async || {
            let connection = self.controller().await?;
            let answer = connection.call(&request, connection.version::<DeleteAclsRequest>()?).await?;
            let mut removed = Vec::new();
            for result in answer.filter_results {
                ClientError::check(result.error_code, "ACLs", result.error_message.as_deref())?;
                for acl in &result.matching_acls {
                    ClientError::check(acl.error_code, "ACL", acl.error_message.as_deref())?;
                }
                removed.push(result.matching_acls.iter().map(removed_one).collect());
            }
            Ok(removed)
        };
        self.patiently(once).await
    }
}

/// All answers, unless one of them says that a later try may do better: making an ACL twice does no harm.
fn worth_another_try(
    mut done: Vec<Result<(), ClientError>>,
) -> Result<Vec<Result<(), ClientError>>, ClientError> {
    let at = done.iter().position(|result| result.as_ref().is_err_and(ClientError::is_retriable));
    match at.map(|at| done.swap_remove(at)) {
        Some(Err(error)) => Err(error),
        _ => Ok(done),
    }
}

fn described(resource: &DescribeAclsResource, acl: &AclDescription) -> Acl {
    Acl {
        kind: resource.resource_type,
        name: resource.resource_name.to_string(),
        pattern: resource.pattern_type,
        principal: acl.principal.to_string(),
        host: acl.host.to_string(),
        operation: acl.operation,
        permission: acl.permission_type,
    }
}

fn removed_one(acl: &DeleteAclsMatchingAcl) -> Acl {
    Acl {
        kind: acl.resource_type,
        name: acl.resource_name.to_string(),
        pattern: acl.pattern_type,
        principal: acl.principal.to_string(),
        host: acl.host.to_string(),
        operation: acl.operation,
        permission: acl.permission_type,
    }
}
