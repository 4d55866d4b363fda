//! The broker keys of listeners' protocols, of who clients are, and of what they may do.
//!
//! Not here: files of certificates, users and policies, which are flags of the node (`--server-tls-*`, `--users-file`,
//! `--acl-*`): Kafka's keys for them name Java key stores. Keys with a listener's prefix are not supported.

use super::broker::BrokerKey;
use super::kind::{Accepts, BOOLEAN, INT, LIST, LONG, STRING};

/// Mechanisms that there are.
const MECHANISMS: &[&str] = &["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"];
/// Reason for keeping a key without effect.
const LOOKED_AT: &str = "a file of keys is looked at every 10 s";
const AUTHORIZERS: &[&str] = &["", "org.apache.kafka.metadata.authorizer.StandardAuthorizer"];

/// Sorted by name.
pub(super) static SECURITY_KEYS: &[BrokerKey] = &[
    BrokerKey::of("allow.everyone.if.no.acl.found", BOOLEAN)
        .with("false")
        .says("Whether everybody may do what they like with a resource that no ACL names, once an authorizer is on."),
    BrokerKey::of("authorizer.class.name", STRING.accepting(Accepts::OneOf(AUTHORIZERS)))
        .with("")
        .says("Kafka's StandardAuthorizer turns ACLs on; Bateau's own takes its place. So does --acl-model-file."),
    BrokerKey::of("connections.max.reauth.ms", LONG)
        .with("0")
        .says("Milliseconds after which a client that came by SASL has to say again who it is; 0 never, or as its token says (KIP-368)."),
    BrokerKey::of("listener.security.protocol.map", STRING)
        .with("SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT")
        .says("What is spoken on each listener, as NAME:PROTOCOL elements with commas between them."),
    BrokerKey::of("sasl.enabled.mechanisms", LIST.accepting(Accepts::AnyOf(MECHANISMS)))
        .with("SCRAM-SHA-256,SCRAM-SHA-512")
        .says("How clients may say who they are. Kafka's default, GSSAPI, is not supported."),
    BrokerKey::of("sasl.oauthbearer.clock.skew.seconds", INT.at_least(0))
        .with("30")
        .says("Seconds that the clock of who made a token may differ from this node's."),
    BrokerKey::of("sasl.oauthbearer.expected.audience", LIST)
        .says("Of these, a token's aud must name one; unset, any is good."),
    BrokerKey::of("sasl.oauthbearer.expected.issuer", STRING).says("What a token's iss must be; unset, anything."),
    BrokerKey::of("sasl.oauthbearer.jwks.endpoint.refresh.ms", LONG.at_least(1000))
        .with("3600000")
        .without_effect(LOOKED_AT)
        .says("Milliseconds after which the keys that sign tokens are read again."),
    BrokerKey::of("sasl.oauthbearer.jwks.endpoint.url", STRING)
        .says("Where the keys that sign tokens are: file:///PATH of a JWKS."),
    BrokerKey::of("sasl.oauthbearer.scope.claim.name", STRING)
        .with("scope")
        .says("The claim of a token that has its scopes."),
    BrokerKey::of("sasl.oauthbearer.sub.claim.name", STRING)
        .with("sub")
        .says("The claim of a token that names the client."),
    BrokerKey::of("ssl.client.auth", STRING.accepting(Accepts::OneOf(&["required", "requested", "none"])))
        .with("none")
        .says("Whether clients show certificates on listeners with TLS and without SASL."),
    BrokerKey::of("ssl.principal.mapping.rules", STRING)
        .with("DEFAULT")
        .says("How the name in a client's certificate becomes its principal (KIP-371)."),
    BrokerKey::of("super.users", STRING)
        .with("")
        .says("Principals that may do everything, as User:NAME elements with semicolons between them."),
];
