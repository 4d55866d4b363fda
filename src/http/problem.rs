//! Answers that say what went wrong. Source: RFC 9457 (problem details).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};

/// Seconds after which a client may try again what could not be done now.
const RETRY_AFTER_S: u32 = 1;

/// An error answer on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    /// What kind of problem: the last part of its type, a few words with hyphens.
    kind: &'static str,
    detail: String,
    /// Kafka's name of the error, if it has one.
    kafka: Option<&'static str>,
    more: Map<String, Value>,
    allow: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Self {
        Self { status, kind, detail: detail.into(), kafka: None, more: Map::new(), allow: None }
    }

    /// 400: the request cannot be read.
    pub(super) fn unreadable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unreadable-request", detail)
    }

    /// 422: it can be read, and makes no sense.
    pub(super) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", detail)
    }

    /// 404, by path or by name.
    pub(super) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    /// 503: too much is asked for at the same time.
    pub(super) fn busy(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
    }

    /// 503: the node cannot serve yet.
    pub(super) fn starting() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "this node is starting")
    }

    /// 403: there are rules about who may do what, and this door knows nobody.
    pub(super) fn unidentified() -> Self {
        let detail = "this node has an authorizer, and HTTP does not know yet who its clients are";
        Self::new(StatusCode::FORBIDDEN, "not-authorized", detail)
    }

    /// 405, with what would be allowed.
    pub(super) fn method(allow: &str, method: &axum::http::Method) -> Self {
        let detail = format!("{method} is not possible here: {allow}");
        let mut problem = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail);
        problem.allow = Some(allow.to_owned());
        problem
    }

    #[must_use]
    pub(super) fn of_kafka(mut self, name: &'static str) -> Self {
        self.kafka = Some(name);
        self
    }

    /// Adds a member of its own.
    #[must_use]
    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The same with another status.
    #[must_use]
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(super) fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("type".into(), format!("urn:bateau:problem:{}", self.kind).into());
        members.insert("title".into(), self.kind.replace('-', " ").into());
        members.insert("status".into(), self.status.as_u16().into());
        members.insert("detail".into(), self.detail.clone().into());
        if let Some(kafka) = self.kafka {
            members.insert("kafka_error".into(), kafka.into());
        }
        members.extend(self.more.clone());
        members.into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(format!("{}\n", self.to_json())));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
        }
        if let Some(allow) = self.allow.and_then(|allow| HeaderValue::from_str(&allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_kind_it_is_and_when_to_come_again() {
        let problem = Problem::busy("too many").of_kafka("X").with("start", 3);
        let json = problem.to_json();
        assert_eq!(json["type"], "urn:bateau:problem:busy");
        assert_eq!(
            (&json["status"], &json["kafka_error"], &json["start"]),
            (&503.into(), &"X".into(), &3.into())
        );
        let response = problem.into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
