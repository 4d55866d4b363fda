//! Certificates whose files change, and such as are about to end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::tls::{ClientTls, Health, Reloaded, ServerTls};

/// How often files are looked at.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(10);
/// Looks between two warnings of the same certificate.
const SAID_EVERY: u32 = 360;

/// Takes new certificates into use as their files change, and warns of ends, until `closing` says so. `now` is in
/// seconds since 1970.
pub(super) async fn keep(
    certificates: &[Arc<ServerTls>],
    of_clients: &[Arc<ClientTls>],
    mut closing: watch::Receiver<bool>,
    now: fn() -> i64,
) {
    let mut faults: Vec<Option<String>> = vec![None; certificates.len()];
    for look in 0_u32.. {
        for (tls, fault) in certificates.iter().zip(&mut faults) {
            let asked = Arc::clone(tls);
            let reloaded = tokio::task::spawn_blocking(move || asked.reload()).await;
            match reloaded {
                Ok(Ok(Reloaded::Changed)) => {
                    tracing::info!(subject = tls.subject(), "a new certificate is in use");
                    *fault = None;
                }
                Ok(Ok(Reloaded::Unchanged)) => *fault = None,
                // Said once: files are replaced one after the other, and the next look finds them whole.
                Ok(Err(error)) => {
                    let text = error.to_string();
                    if fault.as_ref() != Some(&text) {
                        tracing::warn!(
                            error = text,
                            "changed certificates are not taken, the old ones stay in use"
                        );
                        *fault = Some(text);
                    }
                }
                Err(_) => return,
            }
        }
        for tls in of_clients {
            let asked = Arc::clone(tls);
            // What is wrong with the files is said of the server's side, which has the same.
            drop(tokio::task::spawn_blocking(move || asked.reload().is_ok()).await);
        }
        if look % SAID_EVERY == 0
            && let Some(tls) = certificates.first()
        {
            warn_of_end(tls, now());
        }
        let closes = closing.wait_for(|closing| *closing);
        if tokio::time::timeout(LOOKED_AT_EVERY, closes).await.is_ok() {
            return;
        }
    }
}

fn warn_of_end(tls: &ServerTls, now: i64) {
    let subject = tls.subject();
    match tls.health(now) {
        Health::Good => {}
        Health::NotYetValid { from } => tracing::warn!(subject, from, "the certificate is not good yet"),
        Health::ExpiresSoon { at } => {
            tracing::warn!(subject, days = (at - now) / 86_400, "the certificate ends soon");
        }
        Health::Expired { at } => {
            tracing::error!(subject, at, "the certificate has ended: clients refuse it");
        }
    }
}
