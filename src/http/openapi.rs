//! The description of this door, for tools. Source: `OpenAPI` 3.1.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Kept by hand; `routes.rs` has the test that it names what is there and nothing else.
pub(super) const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub(super) async fn get() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT).into_response()
}
