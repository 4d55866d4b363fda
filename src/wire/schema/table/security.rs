//! Schemas of the requests about who clients are and what they may do.

use super::super::field::{Field, INT8, INT32, Request, Type, field, request};

pub(super) const REQUESTS: &[Request] = &[
    request(17, "SaslHandshake", SASL_HANDSHAKE).versions(0, 1),
    request(29, "DescribeAcls", ACL_FILTER).versions(1, 3).flexible_from(2),
    request(30, "CreateAcls", CREATE_ACLS).versions(1, 3).flexible_from(2),
    request(31, "DeleteAcls", DELETE_ACLS).versions(1, 3).flexible_from(2),
    request(36, "SaslAuthenticate", SASL_AUTHENTICATE).versions(0, 2).flexible_from(2),
    request(50, "DescribeUserScramCredentials", DESCRIBE_SCRAM).flexible_from(0),
    request(51, "AlterUserScramCredentials", ALTER_SCRAM).flexible_from(0),
];

const SASL_HANDSHAKE: &[Field] = &[field("Mechanism", Type::String)];

const SASL_AUTHENTICATE: &[Field] = &[field("AuthBytes", Type::Bytes)];

/// v1 pattern types (KIP-290).
const ACL_FILTER: &[Field] = &[
    field("ResourceTypeFilter", INT8),
    field("ResourceNameFilter", Type::String).nullable(),
    field("PatternTypeFilter", INT8),
    field("PrincipalFilter", Type::String).nullable(),
    field("HostFilter", Type::String).nullable(),
    field("Operation", INT8),
    field("PermissionType", INT8),
];

const CREATE_ACLS: &[Field] = &[field("Creations", Type::Array(&Type::Struct(ACL)))];
const ACL: &[Field] = &[
    field("ResourceType", INT8),
    field("ResourceName", Type::String),
    field("ResourcePatternType", INT8),
    field("Principal", Type::String),
    field("Host", Type::String),
    field("Operation", INT8),
    field("PermissionType", INT8),
];

const DELETE_ACLS: &[Field] = &[field("Filters", Type::Array(&Type::Struct(ACL_FILTER)))];

/// KIP-554.
const DESCRIBE_SCRAM: &[Field] = &[field("Users", Type::Array(&Type::Struct(SCRAM_USER))).nullable()];
const SCRAM_USER: &[Field] = &[field("Name", Type::String)];

const ALTER_SCRAM: &[Field] = &[
    field("Deletions", Type::Array(&Type::Struct(SCRAM_DELETION))),
    field("Upsertions", Type::Array(&Type::Struct(SCRAM_UPSERTION))),
];
const SCRAM_DELETION: &[Field] = &[field("Name", Type::String), field("Mechanism", INT8)];
const SCRAM_UPSERTION: &[Field] = &[
    field("Name", Type::String),
    field("Mechanism", INT8),
    field("Iterations", INT32),
    field("Salt", Type::Bytes),
    field("SaltedPassword", Type::Bytes),
];
