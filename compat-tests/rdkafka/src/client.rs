//! What every feature needs of librdkafka: its settings, a topic to itself, a producer that keeps its delivery reports, a full
//! read of some partitions.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication, TopicResult};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedMessage};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// Bounds every single answer that a feature waits for.
pub const ANSWER_TIME: Duration = Duration::from_secs(60);
/// Longest time in which a change must be shown everywhere.
const SHOWN_TIME: Duration = Duration::from_secs(15);

pub type Failure = Box<dyn Error + Send + Sync>;
pub type Outcome<T = ()> = Result<T, Failure>;

/// A record to produce, without key or value where those are `None`.
pub type Record<'a> = BaseRecord<'a, [u8], [u8]>;

pub struct Client {
    pub bootstrap: String,
    pub admin: AdminClient<DefaultClientContext>,
}

impl Client {
    pub fn new() -> Outcome<Self> {
        let bootstrap = std::env::var("BOOTSTRAP").map_err(|_| "BOOTSTRAP is not set")?;
        let admin = ClientConfig::new().set("bootstrap.servers", &bootstrap).create()?;
        Ok(Self { bootstrap, admin })
    }

    /// A name that no other feature, family or run uses.
    pub fn name(&self, feature: &str) -> String {
        format!("rdkafka-{feature}-{}", std::env::var("RUN_ID").unwrap_or_default())
    }

    /// Ids and addresses of the broker's nodes; a topic has a replica on each.
    pub fn nodes(&self) -> impl Iterator<Item = (i32, String)> {
        (1..).zip(self.bootstrap.split(',').map(str::to_owned))
    }

    /// Creates a topic for one feature and returns its name.
    pub fn topic(&self, feature: &str, partitions: i32) -> Outcome<String> {
        let name = self.name(feature);
        self.create(&name, partitions, &[])?;
        Ok(name)
    }

    /// Creates a topic and waits until it is shown with its partitions.
    pub fn create(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> Outcome {
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(self.nodes().count().try_into()?));
        for (config, value) in configs {
            topic = topic.set(config, value);
        }
        each(pollster::block_on(self.admin.create_topics([&topic], &waiting()))?)?;
        eventually(|| same(usize::try_from(partitions)?, self.partition_count(name)?, "partitions"))
    }

    /// By a consumer's metadata, which asks for no creation.
    pub fn partition_count(&self, topic: &str) -> Outcome<usize> {
        let metadata = self.consumer(&[])?.fetch_metadata(Some(topic), ANSWER_TIME)?;
        let topic = metadata.topics().first().ok_or("no topic in the answer")?;
        match topic.error() {
            Some(code) => Err(KafkaError::MetadataFetch(code.into()).into()),
            None => Ok(topic.partitions().len()),
        }
    }

    fn config(&self, settings: &[(&str, &str)]) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        for (name, value) in settings {
            config.set(*name, *value);
        }
        config
    }

    /// A producer; `settings` go over librdkafka's defaults (acks=all, not idempotent).
    pub fn producer(&self, settings: &[(&str, &str)]) -> Outcome<Sender> {
        Ok(Sender { producer: self.config(settings).create_with_context(Deliveries::default())? })
    }

    /// A consumer that creates no topic by asking for it and commits nothing. Its group is a name that nobody uses, because
    /// `assign` refuses to work without one.
    pub fn consumer(&self, settings: &[(&str, &str)]) -> Outcome<BaseConsumer> {
        let mut config = self.config(&[
            ("group.id", "not-used"),
            ("enable.auto.commit", "false"),
            ("auto.offset.reset", "earliest"),
            ("allow.auto.create.topics", "false"),
            ("check.crcs", "true"),
        ]);
        for (name, value) in settings {
            config.set(*name, *value);
        }
        Ok(config.create()?)
    }

    /// Everything from the log start to the high watermark of now, in the order of arrival.
    pub fn read_all(&self, topic: &str, partitions: i32) -> Outcome<Vec<OwnedMessage>> {
        let consumer = self.consumer(&[])?;
        consumer.assign(&assignment(topic, 0..partitions, Offset::Beginning)?)?;
        read_to_end(&consumer, topic, 0..partitions)
    }

    /// Produces the numbers of `range` as text to one partition; all are acknowledged on return.
    pub fn produce_numbers(&self, topic: &str, partition: i32, range: std::ops::Range<u32>) -> Outcome {
        let sender = self.producer(&[])?;
        for n in range {
            sender.send(Record::to(topic).partition(partition).payload(n.to_string().as_bytes()))?;
        }
        sender.finish().map(|_| ())
    }
}

/// Options of an admin call that waits until the broker has done it.
pub fn waiting() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(ANSWER_TIME)).request_timeout(Some(ANSWER_TIME))
}

/// The first error of an admin answer as an error.
pub fn each(results: Vec<TopicResult>) -> Outcome {
    for result in results {
        result.map_err(|(_, code)| KafkaError::AdminOp(code))?;
    }
    Ok(())
}

/// The partitions of a topic, all at the same place.
pub fn assignment(
    topic: &str,
    partitions: impl Iterator<Item = i32>,
    offset: Offset,
) -> Outcome<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition, offset)?;
    }
    Ok(list)
}

/// Reads on, from where the consumer was assigned, to the high watermarks of now.
pub fn read_to_end(
    consumer: &BaseConsumer,
    topic: &str,
    partitions: impl Iterator<Item = i32>,
) -> Outcome<Vec<OwnedMessage>> {
    let mut open = HashMap::new();
    for partition in partitions {
        let (low, high) = consumer.fetch_watermarks(topic, partition, ANSWER_TIME)?;
        if low < high {
            open.insert(partition, high);
        }
    }
    let mut read = Vec::new();
    let deadline = Instant::now() + ANSWER_TIME;
    while !open.is_empty() {
        ensure(Instant::now() < deadline, || {
            format!("only {} records before the deadline, open {open:?}", read.len())
        })?;
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let message = message?;
        if open.get(&message.partition()).is_some_and(|high| message.offset() + 1 >= *high) {
            open.remove(&message.partition());
        }
        read.push(message.detach());
    }
    Ok(read)
}

/// Polls until there is a record or an error.
pub fn poll_one(consumer: &BaseConsumer) -> Outcome<OwnedMessage> {
    let message = consumer.poll(ANSWER_TIME).ok_or("no record before the deadline")?;
    Ok(message?.detach())
}

/// A producer together with the delivery reports that it got.
pub struct Sender {
    producer: BaseProducer<Deliveries>,
}

/// Partition and offset of each delivered record, or why it was not delivered, in the order of the reports.
#[derive(Default)]
pub struct Deliveries(Mutex<Vec<Result<(i32, i64), KafkaError>>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let result = match result {
            Ok(message) => Ok((message.partition(), message.offset())),
            Err((error, _)) => Err(error.clone()),
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(result);
    }
}

impl Sender {
    /// Queues a record; it is delivered, or not, by the time of [`Sender::finish`].
    pub fn send(&self, record: Record<'_>) -> Outcome {
        let mut record = record;
        let deadline = Instant::now() + ANSWER_TIME;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back))
                    if Instant::now() < deadline =>
                {
                    self.producer.poll(Duration::from_millis(10));
                    record = back;
                }
                Err((error, _)) => return Err(error.into()),
            }
        }
    }

    /// Serves delivery reports for at most `time`.
    pub fn poll(&self, time: Duration) {
        self.producer.poll(time);
    }

    /// Waits until every record has its report; the first failed one is the error.
    pub fn finish(&self) -> Outcome<Vec<(i32, i64)>> {
        self.producer.flush(ANSWER_TIME)?;
        let reports =
            std::mem::take(&mut *self.producer.context().0.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(reports.into_iter().collect::<Result<_, _>>()?)
    }
}

/// Repeats `step` until it passes, because a broker may show a change a little after it answered that it is made.
pub fn eventually(step: impl Fn() -> Outcome) -> Outcome {
    let deadline = Instant::now() + SHOWN_TIME;
    loop {
        match step() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(20)),
            outcome => return outcome,
        }
    }
}

pub fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise().into()) }
}

pub fn same<T: PartialEq + Debug>(expected: T, actual: T, what: &str) -> Outcome {
    ensure(expected == actual, || format!("{what}: expected {expected:?}, got {actual:?}"))
}

/// `outcome` must be the error `code`, whatever operation met it.
pub fn refused<T>(code: RDKafkaErrorCode, outcome: Outcome<T>) -> Outcome {
    let Err(error) = outcome else { return Err(format!("not refused with {code:?}").into()) };
    let met = match error.downcast_ref::<KafkaError>() {
        Some(KafkaError::AdminOp(code)) => Some(*code),
        Some(other) => other.rdkafka_error_code(),
        None => None,
    };
    if met == Some(code) { Ok(()) } else { Err(error) }
}

/// A value as text, for values that are numbers or words.
pub fn text(message: &OwnedMessage) -> Outcome<&str> {
    Ok(std::str::from_utf8(message.payload().ok_or("a null value")?)?)
}
