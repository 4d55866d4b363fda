//! The table of routes, and what holds for each of them: who gets which type, how long it may take, what else is allowed.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use tokio::time::timeout;

use super::door::HttpDoor;
use super::problem::Problem;
use super::{book, cluster, events, groups, health, openapi, partitions, produce, records, topics};

/// How long a request may take until its answer begins. What a route waits for ends earlier by itself.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

/// One path: what can be asked of it, and what it answers with.
struct Route {
    path: &'static str,
    /// `Allow`: with HEAD where there is GET.
    allow: &'static str,
    /// The type of a good answer; `None`: the route looks itself.
    media: Option<&'static str>,
    serve: fn(MethodRouter<HttpDoor>) -> MethodRouter<HttpDoor>,
}

const ROUTES: &[Route] = &[
    Route { path: "/", allow: GET_POST, media: None, serve: |on| on.get(book::get).post(book::post) },
    Route {
        path: "/v1/topics",
        allow: GET_POST,
        media: Some(JSON),
        serve: |on| on.get(topics::list).post(topics::create),
    },
    Route {
        path: "/v1/topics/{topic}",
        allow: GET_DELETE,
        media: Some(JSON),
        serve: |on| on.get(topics::describe).delete(topics::delete),
    },
    Route {
        path: "/v1/topics/{topic}/records",
        allow: "POST, OPTIONS",
        media: Some(JSON),
        serve: |on| on.post(produce::post),
    },
    Route {
        path: "/v1/topics/{topic}/events",
        allow: GET,
        media: Some(EVENTS),
        serve: |on| on.get(events::of_topic),
    },
    Route {
        path: "/v1/topics/{topic}/partitions/{partition}",
        allow: GET,
        media: Some(JSON),
        serve: |on| on.get(partitions::describe),
    },
    Route {
        path: "/v1/topics/{topic}/partitions/{partition}/records",
        allow: GET,
        media: Some(JSON),
        serve: |on| on.get(records::get),
    },
    Route {
        path: "/v1/topics/{topic}/partitions/{partition}/events",
        allow: GET,
        media: Some(EVENTS),
        serve: |on| on.get(events::of_partition),
    },
    Route { path: "/v1/groups", allow: GET, media: Some(JSON), serve: |on| on.get(groups::list) },
    Route {
        path: "/v1/groups/{group}",
        allow: GET_DELETE,
        media: Some(JSON),
        serve: |on| on.get(groups::describe).delete(groups::delete),
    },
    Route { path: "/v1/cluster", allow: GET, media: Some(JSON), serve: |on| on.get(cluster::describe) },
    Route { path: "/openapi.json", allow: GET, media: Some(JSON), serve: |on| on.get(openapi::get) },
    // Probes say in many ways what they accept, and look at the status only.
    Route { path: "/healthz", allow: GET, media: None, serve: |on| on.get(health::live) },
    Route { path: "/readyz", allow: GET, media: None, serve: |on| on.get(health::ready) },
];

const GET: &str = "GET, HEAD, OPTIONS";
const GET_POST: &str = "GET, HEAD, POST, OPTIONS";
const GET_DELETE: &str = "GET, HEAD, DELETE, OPTIONS";

/// Everything that this door answers.
pub(super) fn router(door: HttpDoor) -> Router {
    let mut router = Router::new();
    for route in ROUTES {
        let (allow, media) = (route.allow, route.media);
        let other = move |method: Method| async move { otherwise(allow, &method) };
        let served = (route.serve)(MethodRouter::new()).fallback(other);
        let served = match media {
            None => served,
            Some(media) => served.route_layer(middleware::from_fn(move |request: Request, next: Next| {
                must_accept(media, request, next)
            })),
        };
        router = router.route(route.path, served);
    }
    let unknown = |request: Request| async move {
        Problem::not_found(format!(
            "there is nothing at {}; /openapi.json has what there is",
            request.uri().path()
        ))
    };
    router.fallback(unknown).layer(middleware::from_fn(bounded)).with_state(door)
}

/// What a path does with a method that it does not serve.
fn otherwise(allow: &'static str, method: &Method) -> Response {
    if method == Method::OPTIONS {
        let headers = [(header::ALLOW, HeaderValue::from_static(allow))];
        return (StatusCode::NO_CONTENT, headers).into_response();
    }
    Problem::method(allow, method).into_response()
}

async fn must_accept(media: &'static str, request: Request, next: Next) -> Response {
    if accepts(request.headers(), media) {
        return next.run(request).await;
    }
    let detail = format!("the answer would be {media}, which the request does not accept");
    Problem::new(StatusCode::NOT_ACCEPTABLE, "not-acceptable", detail).into_response()
}

/// Whether a client takes `media`: it does unless it names other types only, or gives this one no weight.
fn accepts(headers: &HeaderMap, media: &str) -> bool {
    let mut is_any_named = false;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default();
            is_any_named |= !name.is_empty();
            let kind = media.split('/').next().unwrap_or_default();
            let fits = name == "*/*"
                || name.eq_ignore_ascii_case(media)
                || name.strip_suffix("/*").is_some_and(|name| name.eq_ignore_ascii_case(kind));
            let mut weights = parts.filter_map(|part| part.strip_prefix("q="));
            if fits && weights.next().is_none_or(|weight| weight.parse::<f32>().unwrap_or(1.0) > 0.0) {
                return true;
            }
        }
    }
    !is_any_named
}

/// Whether a page of another site makes a browser send this. Such a page cannot read the answer, but must not write.
fn is_of_another_site(request: &Request) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let Some(origin) = request.headers().get(header::ORIGIN).filter(|_| !is_safe) else { return false };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| Some(origin.split_once("://")?.1));
    origin.is_none() || origin != host
}

/// Ends what takes too long.
async fn bounded(request: Request, next: Next) -> Response {
    if is_of_another_site(&request) {
        let detail = "a page of another site asks for it: only pages of this host may write";
        return Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail).into_response();
    }
    timeout(ANSWERED_WITHIN, next.run(request)).await.unwrap_or_else(|_| {
        let detail = format!("no answer within {} s", ANSWERED_WITHIN.as_secs());
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "timed-out", detail).into_response()
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn accepting(accept: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
        accepts(&headers, JSON)
    }

    #[test]
    fn what_a_client_accepts_is_read_as_it_is_meant() {
        assert!(accepts(&HeaderMap::new(), JSON));
        for accept in ["*/*", "application/json", "text/html, application/*;q=0.3", "TEXT/html,*/*;q=0.1", ""]
        {
            assert!(accepting(accept), "{accept}");
        }
        for accept in ["text/html", "text/*", "application/json;q=0", "application/xml, text/csv"] {
            assert!(!accepting(accept), "{accept}");
        }
    }

    #[test]
    fn the_document_names_every_route_and_nothing_else() {
        let document: serde_json::Value = serde_json::from_str(openapi::DOCUMENT).unwrap();
        let mut documented = BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            for method in operations.as_object().unwrap().keys().filter(|key| *key != "parameters") {
                documented.insert(format!("{} {path}", method.to_uppercase()));
            }
        }
        let served: BTreeSet<String> = ROUTES
            .iter()
            .flat_map(|route| {
                let methods = route.allow.split(", ").filter(|method| !["HEAD", "OPTIONS"].contains(method));
                methods.map(|method| format!("{method} {}", route.path))
            })
            .collect();
        assert_eq!(documented, served);
    }
}
