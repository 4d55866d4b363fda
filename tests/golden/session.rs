//! One run of one script at one version: what is sent, and what is recorded of the answers.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::{Request, StrBytes};
use uuid::Uuid;

use crate::answer::{Fields, Line, Names, Render, SINCE_START_MS, Writer, sorted};
use crate::broker::Broker;
use crate::wire::{Connection, Reply, decode};

/// Requests of one run that may stay unanswered. Kafka never answers some, at most one of a script.
const MOST_SILENCES: usize = 1;

/// An id that no topic has.
pub(crate) const NOBODY: Uuid = Uuid::from_u128(0x0bad_0bad_0bad_4bad_8bad_0bad_0bad_0bad);

/// The name of a step and its answer.
pub(crate) type Step = (String, Vec<Line>);

#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub(crate) name: TopicName,
    pub(crate) id: Uuid,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) broker: Broker,
    /// Everything on this one is recorded.
    recorded: Connection,
    /// Of somebody else who asks while an answer is awaited; see [`Session::swap`].
    other: Connection,
    /// See `setup.rs`.
    pub(crate) control: Connection,
    key: i16,
    pub(crate) version: i16,
    pub(crate) names: Names,
    steps: Vec<Step>,
    pub(crate) settled: usize,
    silences: usize,
}

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Session {
    /// `unique` must begin no other topic of this broker.
    pub(crate) fn open(broker: Broker, unique: String, key: i16, version: i16) -> Result<Self, String> {
        let open = || {
            Connection::open(broker.address)
                .map_err(|error| format!("cannot connect to {}: {error}", broker.address))
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let now = i64::try_from(now.as_millis()).map_err(|error| error.to_string())?;
        let start = now - SINCE_START_MS;
        let ids = [(NOBODY, "nobody".to_owned())].into();
        let members = BTreeMap::new();
        let names = Names { unique, port: broker.address.port(), start, epoch: 0, ids, members };
        Ok(Self {
            broker,
            recorded: open()?,
            other: open()?,
            control: open()?,
            key,
            version,
            names,
            steps: Vec::new(),
            settled: 0,
            silences: 0,
        })
    }

    /// Deletes the topics of this run, whichever request made them, and hands over what was recorded, and whether their
    /// leaders stayed.
    pub(crate) fn close(mut self) -> (Vec<Step>, Result<bool, String>) {
        let cleaned = self.delete_topics();
        (self.steps, cleaned)
    }

    /// From now on requests go, and answers come, on the other one of two recorded connections.
    pub(crate) fn swap(&mut self) {
        std::mem::swap(&mut self.recorded, &mut self.other);
    }

    /// The version for `R`: the one under test if this is its script, else the newest that the codec knows.
    pub(crate) fn version_of<R: Request + 'static>(&self) -> i16 {
        if R::KEY == self.key { self.version } else { R::VERSIONS.max }
    }

    /// Unix ms, `seconds` after the start that times are given from.
    pub(crate) fn time(&self, seconds: i64) -> i64 {
        self.names.start + seconds * 1000
    }

    /// Sends `request` and records the answer as `step`. A closed connection is recorded too, and opened again.
    pub(crate) fn step<R>(&mut self, step: &str, request: &R) -> Result<R::Response, String>
    where
        R: Request + 'static,
        R::Response: Render + Default,
    {
        self.send(request)?;
        self.answer::<R>(step, self.version_of::<R>())
    }

    /// Sends `request` on the recorded connection and reads nothing.
    pub(crate) fn send<R: Request + 'static>(&mut self, request: &R) -> Result<(), String> {
        let version = self.version_of::<R>();
        self.recorded.send(version, request)
    }

    /// Records what comes back next as the answer to the last request, an `R` of `version`.
    pub(crate) fn answer<R>(&mut self, step: &str, version: i16) -> Result<R::Response, String>
    where
        R: Request + 'static,
        R::Response: Render + Default,
    {
        let correlation = self.recorded.correlation();
        let Some(mut frame) = self.frame(step)? else {
            return Ok(R::Response::default());
        };
        match decode::<R>(&mut frame, version, correlation) {
            Ok((response, left)) => {
                let mut writer = Writer { names: &self.names, lines: Vec::new() };
                response.render(&mut writer);
                if left > 0 {
                    writer.line("unread_bytes", Fields::default().put("count", left.to_string()));
                }
                let lines = sorted(writer.lines);
                self.record(step, lines);
                Ok(response)
            }
            Err(reason) => {
                let fields = vec![("reason".to_owned(), self.names.text(&reason))];
                self.record(step, vec![Line { path: "undecodable".to_owned(), fields }]);
                Ok(R::Response::default())
            }
        }
    }

    /// Sends `bytes` as they are and records what comes back, byte by byte.
    pub(crate) fn raw(&mut self, step: &str, bytes: &[u8]) -> Result<(), String> {
        self.recorded.send_raw(bytes);
        if let Some(frame) = self.frame(step)? {
            let hex: Vec<String> = frame.iter().map(|byte| format!("{byte:02x}")).collect();
            self.record(step, vec![Line::parse(&format!("bytes: hex={}", hex.concat()))]);
        }
        Ok(())
    }

    /// Sends `bytes` as they are and records what comes back as an answer to an `R` of `version`.
    ///
    /// The bytes must carry correlation id 0 and be the first ones on their connection.
    pub(crate) fn raw_as<R>(&mut self, step: &str, bytes: &[u8], version: i16) -> Result<(), String>
    where
        R: Request + 'static,
        R::Response: Render + Default,
    {
        self.reopen()?;
        self.recorded.send_raw(bytes);
        self.answer::<R>(step, version).map(drop)
    }

    /// The next frame, or the record that there was none.
    fn frame(&mut self, step: &str) -> Result<Option<Bytes>, String> {
        let what = match self.recorded.receive() {
            Reply::Frame(bytes) => return Ok(Some(bytes)),
            Reply::Closed => "closed",
            Reply::Silent => {
                self.silences += 1;
                "silent"
            }
        };
        self.record(step, vec![Line::parse(what)]);
        if self.silences > MOST_SILENCES {
            return Err(format!("given up after {} requests without an answer", self.silences));
        }
        self.reopen()?;
        Ok(None)
    }

    fn reopen(&mut self) -> Result<(), String> {
        self.recorded = Connection::open(self.broker.address)
            .map_err(|error| format!("cannot connect again: {error}"))?;
        Ok(())
    }

    fn record(&mut self, step: &str, lines: Vec<Line>) {
        self.steps.push((step.to_owned(), lines));
    }
}
