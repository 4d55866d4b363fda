//! One connection to one broker: version negotiation, pipelined requests, answers in their order.
//!
//! Not here: which broker to ask, and trying again.

mod line;
mod login;

use std::collections::HashMap;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::wire::messages::api_versions_response::ApiVersion;
use crate::wire::messages::{ApiVersionsRequest, ApiVersionsResponse};
use crate::wire::request::{self, CodecError, Request};
use crate::wire::{ErrorCode, StrBytes};

use super::{ClientError, Security};
use crate::client::security::{Circumstances, Reader, Writer};
use line::{Answer, Line, Outgoing, State, Then, Waiting};

const CLIENT_ID: &str = "bateau";
/// For the connection, and again for the first answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long a broker may take beyond the time that a request itself gives it.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Requests of one connection that have no answer yet.
const IN_FLIGHT_MAX: usize = 64;

/// Cheap to clone; closed when the last clone is gone.
#[derive(Clone, Debug)]
pub struct Connection {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    address: String,
    /// What the broker speaks, by api key.
    versions: HashMap<i16, RangeInclusive<i16>>,
    outgoing: mpsc::Sender<Outgoing>,
    room: Arc<Semaphore>,
    next_id: AtomicI32,
    /// Ends with the connection.
    tasks: [JoinHandle<()>; 2],
    state: Arc<Mutex<State>>,
    /// When the broker is about to end the login's session (KIP-368).
    stale_from: Option<Instant>,
}

/// An answer that is on its way.
#[derive(Debug)]
pub struct Pending<R> {
    answer: oneshot::Receiver<Answer>,
    address: String,
    version: i16,
    request: std::marker::PhantomData<fn() -> R>,
}

impl<R: Request> Pending<R> {
    /// # Errors
    /// [`ClientError`] if the connection breaks, or nothing comes `within` that time.
    pub async fn answer(self, within: Duration) -> Result<R::Response, ClientError> {
        let address = self.address;
        let body = match tokio::time::timeout(within, self.answer).await {
            Err(_) => return Err(ClientError::Silent { address, within }),
            Ok(Err(_)) => return Err(broken(&address, io::ErrorKind::ConnectionAborted.into())),
            Ok(Ok(answer)) => answer?,
        };
        request::decode::<R>(body, self.version).map_err(|source| codec(&address, source))
    }
}

impl Connection {
    /// Connects, learns what the broker speaks, and logs in if `security` says so. `is_first`: nothing is known of its cluster.
    ///
    /// # Errors
    /// [`ClientError`], if nothing listens there, it is no Kafka broker, or it does not let us in.
    pub async fn open(address: &str, security: &Security, is_first: bool) -> Result<Self, ClientError> {
        let circumstances = security.circumstances(is_first);
        let connect = |source| ClientError::Connect { address: address.into(), source: Arc::new(source) };
        let stream = match tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await {
            Ok(stream) => stream.map_err(connect)?,
            Err(_) => return Err(connect(io::ErrorKind::TimedOut.into())),
        };
        stream.set_nodelay(true).map_err(connect)?;
        let halves = match tokio::time::timeout(CONNECT_WITHIN, security.secure(stream, address)).await {
            Ok(Ok(halves)) => halves,
            Ok(Err(source)) => {
                let hint = circumstances.of_handshake(&source);
                return Err(ClientError::Tls { address: address.into(), hint, source: Arc::new(source) });
            }
            Err(_) => return Err(connect(io::ErrorKind::TimedOut.into())),
        };
        let mut connection = Self::over(halves, address, circumstances);
        let versions = connection.ask_versions().await?;
        // Nobody else has it yet.
        if let Some(shared) = Arc::get_mut(&mut connection.shared) {
            shared.versions = versions;
        }
        if let Some(login) = &security.login {
            let stale_from = connection.log_in(login).await?;
            if let Some(shared) = Arc::get_mut(&mut connection.shared) {
                shared.stale_from = stale_from;
            }
        }
        Ok(connection)
    }

    fn over((read, write): (Reader, Writer), address: &str, circumstances: Circumstances) -> Self {
        let (outgoing, queue) = mpsc::channel(IN_FLIGHT_MAX);
        let state = Arc::new(Mutex::new(State::default()));
        let line = || Line { state: Arc::clone(&state), address: address.to_owned(), circumstances };
        let (writer, reader) = (line(), line());
        let tasks = [tokio::spawn(writer.write_all(write, queue)), tokio::spawn(reader.read_all(read))];
        let shared = Shared {
            address: address.to_owned(),
            versions: HashMap::new(),
            outgoing,
            room: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
            next_id: AtomicI32::new(1),
            tasks,
            state,
            stale_from: None,
        };
        Self { shared: Arc::new(shared) }
    }

    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Whether another should be opened instead: it broke, or the broker is about to close it.
    pub fn is_broken(&self) -> bool {
        let is_stale = self.shared.stale_from.is_some_and(|from| Instant::now() >= from);
        is_stale || self.shared.state.lock().broken.is_some()
    }

    /// The highest version of `R` that both sides know, and `highest` allows.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] if there is none.
    pub fn version_up_to<R: Request>(&self, highest: i16) -> Result<i16, ClientError> {
        let ours = request::versions::<R>();
        let theirs = self.shared.versions.get(&R::KEY);
        let common = theirs.and_then(|theirs| {
            let (low, high) =
                (*ours.start().max(theirs.start()), *ours.end().min(theirs.end()).min(&highest));
            (low <= high).then_some(high)
        });
        common.ok_or_else(|| ClientError::Unsupported {
            address: self.shared.address.clone(),
            api: name_of::<R>(),
            theirs: match theirs {
                None => String::new(),
                Some(theirs) => format!(
                    " in a version that this client knows: {} to {}, not {} to {}",
                    theirs.start(),
                    theirs.end(),
                    ours.start(),
                    ours.end()
                ),
            },
        })
    }

    /// As [`Connection::version_up_to`], without a limit.
    ///
    /// # Errors
    /// [`ClientError::Unsupported`] if there is none.
    pub fn version<R: Request>(&self) -> Result<i16, ClientError> {
        self.version_up_to::<R>(i16::MAX)
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// [`ClientError`] if the connection breaks or stays silent. What the answer says is the caller's to look at.
    pub async fn call<R: Request>(&self, request: &R, version: i16) -> Result<R::Response, ClientError> {
        self.call_within(request, version, ANSWER_WITHIN).await
    }

    /// As [`Connection::call`], for what may take longer than usual.
    ///
    /// # Errors
    /// As [`Connection::call`].
    pub async fn call_within<R: Request>(
        &self,
        request: &R,
        version: i16,
        within: Duration,
    ) -> Result<R::Response, ClientError> {
        self.send(request, version).await?.answer(within).await
    }

    /// Sends, behind everything that was sent before. Waits while [`IN_FLIGHT_MAX`] answers are missing.
    ///
    /// # Errors
    /// [`ClientError`] if the connection is broken.
    pub async fn send<R: Request>(&self, request: &R, version: i16) -> Result<Pending<R>, ClientError> {
        let shared = &self.shared;
        let (correlation_id, frame) = self.frame(request, version)?;
        let gone = || broken(&shared.address, io::ErrorKind::NotConnected.into());
        let room = Arc::clone(&shared.room).acquire_owned().await.map_err(|_| gone())?;
        let (answer, answered) = oneshot::channel();
        let then = Then::Answered(Waiting::new(correlation_id, answer, room));
        shared.outgoing.send(Outgoing { frame, then }).await.map_err(|_| self.why_broken())?;
        let request = std::marker::PhantomData;
        Ok(Pending { answer: answered, address: shared.address.clone(), version, request })
    }

    /// Sends what the broker does not answer, and waits until it is written.
    ///
    /// # Errors
    /// [`ClientError`] if the connection is broken.
    pub async fn tell<R: Request>(&self, request: &R, version: i16) -> Result<(), ClientError> {
        let (_, frame) = self.frame(request, version)?;
        let (tell, written) = oneshot::channel();
        let outgoing = Outgoing { frame, then: Then::Written(tell) };
        self.shared.outgoing.send(outgoing).await.map_err(|_| self.why_broken())?;
        written.await.map_err(|_| self.why_broken())
    }

    fn frame<R: Request>(&self, request: &R, version: i16) -> Result<(i32, Bytes), ClientError> {
        let correlation_id = self.shared.next_id.fetch_add(1, Ordering::Relaxed) & i32::MAX;
        let frame = request::encode(request, version, correlation_id, CLIENT_ID);
        Ok((correlation_id, frame.map_err(|source| codec(&self.shared.address, source))?))
    }

    fn why_broken(&self) -> ClientError {
        let why = self.shared.state.lock().broken.clone();
        why.unwrap_or_else(|| broken(&self.shared.address, io::ErrorKind::NotConnected.into()))
    }

    /// A broker that does not know our version of `ApiVersions` says so in version 0, with its own versions (KIP-511).
    async fn ask_versions(&self) -> Result<HashMap<i16, RangeInclusive<i16>>, ClientError> {
        let ask = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str(CLIENT_ID))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let newest = *request::versions::<ApiVersionsRequest>().end();
        let mut answer = self.ask_versions_in(&ask, newest).await?;
        if ErrorCode::try_from_code(answer.error_code) == Some(ErrorCode::UnsupportedVersion) {
            let known = answer.api_keys.iter().find(|api| api.api_key == ApiVersionsRequest::KEY);
            let version = known.map_or(0, |api| api.max_version.clamp(0, newest));
            let ask = if version >= 3 { ask } else { ApiVersionsRequest::default() };
            answer = self.ask_versions_in(&ask, version).await?;
        }
        ClientError::check(answer.error_code, self.address(), None)?;
        let range = |api: &ApiVersion| (api.api_key, api.min_version..=api.max_version);
        Ok(answer.api_keys.iter().map(range).collect())
    }

    async fn ask_versions_in(
        &self,
        ask: &ApiVersionsRequest,
        version: i16,
    ) -> Result<ApiVersionsResponse, ClientError> {
        let pending = self.send(ask, version).await?;
        let body = match tokio::time::timeout(CONNECT_WITHIN, pending.answer).await {
            Ok(Ok(answer)) => answer?,
            Ok(Err(_)) => return Err(self.why_broken()),
            Err(_) => {
                let address = self.shared.address.clone();
                return Err(ClientError::Silent { address, within: CONNECT_WITHIN });
            }
        };
        let code = body.first_chunk::<2>().map(|code| i16::from_be_bytes(*code));
        let refused = code == Some(ErrorCode::UnsupportedVersion.code());
        let version = if refused { 0 } else { version };
        request::decode::<ApiVersionsRequest>(body, version).map_err(|source| codec(self.address(), source))
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn broken(address: &str, source: io::Error) -> ClientError {
    ClientError::Broken { address: address.into(), hint: None, source: Arc::new(source) }
}

fn codec(address: &str, source: CodecError) -> ClientError {
    ClientError::Codec { address: address.into(), source: Arc::new(source) }
}

/// The API's name, as in `JoinGroup`.
fn name_of<R>() -> &'static str {
    let path = std::any::type_name::<R>();
    let name = path.rsplit("::").next().unwrap_or(path);
    name.strip_suffix("Request").unwrap_or(name)
}
