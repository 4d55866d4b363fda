//! Fetch sessions: what a consumer has asked for before, so that it need not say it again and hears only of changes.
//!
//! A session's partitions keep an order; one that yielded records goes to the back, so that all get their turn under
//! a byte limit. The cache is bounded; when it is full a session gives way only if it is stale, or has lived long
//! enough and is smaller than the new one. Whoever gets no session fetches in full each time.
//!
//! Source: KIP-227; Kafka `FetchSession.scala`. Replication does not use sessions here, so none is privileged.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use uuid::Uuid;

use crate::wire::ErrorCode;
use crate::wire::StrBytes;
use crate::wire::fetch_response::PartitionData;
use crate::wire::messages::FetchRequest;
use crate::wire::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::wire::response::Lent;

/// How long a session must be unused, or must have lived, before it may give way.
const EVICTION_AGE: Duration = Duration::from_mins(2);
/// The epoch that asks for a new session.
const INITIAL_EPOCH: i32 = 0;
/// The epoch that asks for none, and ends the one that is named.
const FINAL_EPOCH: i32 = -1;

/// A topic as the request names it: by name up to v12, by id from v13.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum TopicKey {
    Name(StrBytes),
    Id(Uuid),
}

/// What a consumer wants of one partition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) topic: TopicKey,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) max_bytes: i32,
    pub(super) current_leader_epoch: i32,
    pub(super) last_fetched_epoch: i32,
    pub(super) log_start_offset: i64,
}

/// How a Fetch stands to sessions.
#[derive(Debug)]
pub(super) enum Scope {
    /// No session; everything is answered.
    Sessionless,
    /// Everything is answered, and a session is begun if there is room.
    Full,
    /// Only changes are answered.
    Incremental(Arc<Mutex<Session>>),
}

/// What is to be fetched, in order.
#[derive(Debug)]
pub(super) struct Scoped {
    pub(super) scope: Scope,
    pub(super) wanted: Vec<Wanted>,
}

/// All sessions of a listener.
#[derive(Debug)]
pub(super) struct FetchSessions {
    slots_max: usize,
    sessions: Mutex<HashMap<i32, Slot>>,
}

#[derive(Debug)]
struct Slot {
    session: Arc<Mutex<Session>>,
    created: Instant,
    last_used: Instant,
    /// Partitions when last used.
    size: usize,
}

/// One consumer's session.
#[derive(Debug)]
pub(super) struct Session {
    id: i32,
    /// The epoch that the next request must have.
    epoch: i32,
    by_id: bool,
    /// In the order in which they are read.
    order: BTreeMap<u64, Cached>,
    places: HashMap<(TopicKey, i32), u64>,
    next_place: u64,
}

#[derive(Debug)]
struct Cached {
    wanted: Wanted,
    /// As last answered; -1: answer next time in any case.
    high_watermark: i64,
    log_start_offset: i64,
}

impl FetchSessions {
    pub(super) fn new(slots_max: usize) -> Self {
        Self { slots_max, sessions: Mutex::new(HashMap::new()) }
    }

    /// Finds what `request` (of `version`) is about, and moves its session on.
    ///
    /// # Errors
    /// The code for the whole request.
    pub(super) fn scope(
        &self,
        request: &FetchRequest,
        version: i16,
        now: Instant,
    ) -> Result<Scoped, ErrorCode> {
        let by_id = version >= 13;
        let (id, epoch) = (request.session_id, request.session_epoch);
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            if id != 0 {
                self.sessions.lock().remove(&id);
            }
            let scope = if epoch == INITIAL_EPOCH { Scope::Full } else { Scope::Sessionless };
            return Ok(Scoped { scope, wanted: once_each(wanted(&request.topics, by_id)) });
        }
        let session = self.touch(id, now).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let mut locked = session.lock();
        if locked.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if locked.by_id != by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        locked.update(request, by_id);
        let wanted: Vec<Wanted> = locked.order.values().map(|cached| cached.wanted.clone()).collect();
        if wanted.is_empty() {
            drop(locked);
            self.sessions.lock().remove(&id);
            return Ok(Scoped { scope: Scope::Sessionless, wanted });
        }
        drop(locked);
        self.resize(id, wanted.len());
        Ok(Scoped { scope: Scope::Incremental(session), wanted })
    }

    /// Begins a session after a full answer, if there is room; its id, or 0.
    pub(super) fn begin<'a, R: 'a>(
        &self,
        wanted: Vec<Wanted>,
        by_id: bool,
        answers: impl Iterator<Item = &'a PartitionData<R>>,
        now: Instant,
    ) -> i32 {
        let size = wanted.len();
        let mut sessions = self.sessions.lock();
        if sessions.len() >= self.slots_max && !make_room(&mut sessions, size, now) {
            return 0;
        }
        let mut id = 0;
        while id == 0 || sessions.contains_key(&id) {
            id = random_id();
        }
        let mut session = Session {
            id,
            epoch: next_epoch(INITIAL_EPOCH),
            by_id,
            order: BTreeMap::new(),
            places: HashMap::new(),
            next_place: 0,
        };
        for (wanted, answer) in wanted.into_iter().zip(answers) {
            let failed = answer.error_code != 0;
            let high_watermark = if failed { -1 } else { answer.high_watermark };
            session.put(Cached { wanted, high_watermark, log_start_offset: answer.log_start_offset });
        }
        let session = Arc::new(Mutex::new(session));
        sessions.insert(id, Slot { session, created: now, last_used: now, size });
        id
    }

    fn touch(&self, id: i32, now: Instant) -> Option<Arc<Mutex<Session>>> {
        let mut sessions = self.sessions.lock();
        let slot = sessions.get_mut(&id)?;
        slot.last_used = now;
        Some(Arc::clone(&slot.session))
    }

    fn resize(&self, id: i32, size: usize) {
        if let Some(slot) = self.sessions.lock().get_mut(&id) {
            slot.size = size;
        }
    }
}

/// Removes a stale session, or else the smallest one that is smaller than `size` and old enough.
fn make_room(sessions: &mut HashMap<i32, Slot>, size: usize, now: Instant) -> bool {
    let age = |since: Instant| now.duration_since(since);
    let stale = sessions.iter().min_by_key(|(_, slot)| slot.last_used);
    let stale = stale.filter(|(_, slot)| age(slot.last_used) > EVICTION_AGE);
    let victim = stale.or_else(|| {
        let old = sessions.iter().filter(|(_, slot)| age(slot.created) > EVICTION_AGE && slot.size < size);
        old.min_by_key(|(id, slot)| (slot.size, **id))
    });
    let Some(id) = victim.map(|(id, _)| *id) else { return false };
    sessions.remove(&id);
    true
}

impl Session {
    pub(super) fn id(&self) -> i32 {
        self.id
    }

    /// Takes in what the request adds, changes and forgets.
    fn update(&mut self, request: &FetchRequest, by_id: bool) {
        for wanted in wanted(&request.topics, by_id) {
            let key = (wanted.topic.clone(), wanted.partition);
            match self.places.get(&key).and_then(|place| self.order.get_mut(place)) {
                Some(cached) => cached.wanted = wanted,
                None => self.put(Cached { wanted, high_watermark: -1, log_start_offset: -1 }),
            }
        }
        for topic in &request.forgotten_topics_data {
            let key =
                if by_id { TopicKey::Id(topic.topic_id) } else { TopicKey::Name(topic.topic.0.clone()) };
            for partition in &topic.partitions {
                if let Some(place) = self.places.remove(&(key.clone(), *partition)) {
                    self.order.remove(&place);
                }
            }
        }
        self.epoch = next_epoch(self.epoch);
    }

    /// Whether the consumer must hear of `answer`; what it hears is remembered.
    ///
    /// Source: Kafka `CachedPartition.maybeUpdateResponseData`.
    pub(super) fn is_news<R: Lent>(&mut self, topic: &TopicKey, answer: &PartitionData<R>) -> bool {
        let Some(place) = self.places.get(&(topic.clone(), answer.index)).copied() else { return false };
        let Some(mut cached) = self.order.remove(&place) else { return false };
        let has_records = answer.runs.iter().any(|run| run.size() > 0);
        let news = has_records
            || cached.high_watermark != answer.high_watermark
            || cached.log_start_offset != answer.log_start_offset
            || answer.preferred_read_replica != -1
            || answer.diverging.is_some()
            || answer.error_code != 0;
        cached.high_watermark = if answer.error_code == 0 { answer.high_watermark } else { -1 };
        cached.log_start_offset = answer.log_start_offset;
        if has_records {
            self.put(cached);
        } else {
            self.order.insert(place, cached);
        }
        news
    }

    /// Puts a partition behind all others.
    fn put(&mut self, cached: Cached) {
        let place = self.next_place;
        self.next_place += 1;
        self.places.insert((cached.wanted.topic.clone(), cached.wanted.partition), place);
        self.order.insert(place, cached);
    }
}

/// The partitions of a request, in its order.
fn wanted(topics: &[FetchTopic], by_id: bool) -> Vec<Wanted> {
    let mut out = Vec::with_capacity(topics.iter().map(|topic| topic.partitions.len()).sum());
    for topic in topics {
        let key = if by_id { TopicKey::Id(topic.topic_id) } else { TopicKey::Name(topic.topic.0.clone()) };
        out.extend(topic.partitions.iter().map(|partition| want(key.clone(), partition)));
    }
    out
}

fn want(topic: TopicKey, partition: &FetchPartition) -> Wanted {
    Wanted {
        topic,
        partition: partition.partition,
        offset: partition.fetch_offset,
        max_bytes: partition.partition_max_bytes,
        current_leader_epoch: partition.current_leader_epoch,
        last_fetched_epoch: partition.last_fetched_epoch,
        log_start_offset: partition.log_start_offset,
    }
}

/// Of a partition that is named twice, the last word counts.
fn once_each(mut wanted: Vec<Wanted>) -> Vec<Wanted> {
    if wanted.len() < 2 {
        return wanted;
    }
    let mut at: HashMap<(TopicKey, i32), usize> = HashMap::with_capacity(wanted.len());
    let mut out: Vec<Wanted> = Vec::with_capacity(wanted.len());
    for one in wanted.drain(..) {
        let next = out.len();
        let place = *at.entry((one.topic.clone(), one.partition)).or_insert(next);
        match out.get_mut(place) {
            Some(earlier) => *earlier = one,
            None => out.push(one),
        }
    }
    out
}

/// Epochs of a session go 1, 2, … and from the greatest back to 1.
fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

/// A positive id that a client cannot guess from others.
fn random_id() -> i32 {
    let (bits, ..) = Uuid::new_v4().as_fields();
    (bits & 0x7fff_ffff).cast_signed()
}

#[cfg(test)]
mod tests;
