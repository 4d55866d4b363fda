//! A whole broker whose disk stands still at any of its changes: what was acknowledged is there
//! exactly once after the restart, and the metadata is of one piece.

use super::*;

/// What the workload was told, and what it asked for last without an answer.
#[derive(Debug, Default)]
struct Told {
    /// Names and ids of the topics that exist.
    topics: BTreeMap<String, crate::model::TopicId>,
    deleted: Vec<crate::model::TopicId>,
    /// Values of topic `a`, by offset.
    values: Vec<String>,
    producer: Option<(i64, i16)>,
    log_start: i64,
    retention: Option<i64>,
    doubt: Doubt,
}

/// The one request that may or may not have happened.
#[derive(Debug, Default, PartialEq, Eq)]
enum Doubt {
    #[default]
    Nothing,
    Topic(&'static str),
    Deletion(&'static str),
    Values(Vec<String>),
    LogStart(i64),
    Retention(i64),
}

/// A step that was not acknowledged; what it was stands in [`Told::doubt`].
struct Halted;

impl Told {
    /// Values in the log, those in doubt left out.
    fn end(&self) -> i64 {
        i64::try_from(self.values.len()).unwrap()
    }

    fn sent(&self, values: &[String]) -> Bytes {
        let (id, epoch) = self.producer.unwrap();
        let base_sequence = i32::try_from(self.end()).unwrap();
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        batch(&values, Producer { id, epoch, base_sequence }, 1)
    }

    async fn create(&mut self, broker: &Broker, name: &'static str) -> Result<(), Halted> {
        self.doubt = Doubt::Topic(name);
        let segment_ms = vec![("segment.ms".to_owned(), Some("100".to_owned()))];
        let new = NewTopic {
            name: name.into(),
            partitions: 1,
            replication_factor: 1,
            configs: segment_ms,
            ..NewTopic::default()
        };
        let made = broker.create_topics(vec![new], false).await.pop().unwrap().map_err(|_| Halted)?;
        self.topics.insert(name.into(), made.id);
        self.doubt = Doubt::Nothing;
        Ok(())
    }

    async fn delete(&mut self, broker: &Broker, name: &'static str) -> Result<(), Halted> {
        self.doubt = Doubt::Deletion(name);
        broker.delete_topic(&TopicRef::Name(name.into())).await.map_err(|_| Halted)?;
        self.deleted.extend(self.topics.remove(name));
        self.doubt = Doubt::Nothing;
        Ok(())
    }

    async fn produce(&mut self, broker: &Broker, count: i64) -> Result<(), Halted> {
        let values: Vec<String> = (0..count).map(|i| format!("v{}", self.end() + i)).collect();
        let sent = self.sent(&values);
        self.doubt = Doubt::Values(values.clone());
        let topic = Arc::clone(broker.image().topic("a").unwrap());
        let base = produce(broker, &topic, sent).await.map_err(|_| Halted)?;
        assert_eq!(base, self.end(), "offsets have no gaps");
        self.values.extend(values);
        self.doubt = Doubt::Nothing;
        Ok(())
    }

    async fn delete_records(&mut self, broker: &Broker, before: i64) -> Result<(), Halted> {
        self.doubt = Doubt::LogStart(before);
        let topic = Arc::clone(broker.image().topic("a").unwrap());
        broker.delete_records(&topic, 0, before).await.map_err(|_| Halted)?;
        self.log_start = before;
        self.doubt = Doubt::Nothing;
        Ok(())
    }

    async fn retention(&mut self, broker: &Broker, ms: i64) -> Result<(), Halted> {
        self.doubt = Doubt::Retention(ms);
        let set = (crate::keys::Op::Set, "retention.ms".into(), Some(ms.to_string()));
        let change = ConfigChange::Incremental(vec![set]);
        broker.alter_topic_config("a", change, false).await.map_err(|_| Halted)?;
        self.retention = Some(ms);
        self.doubt = Doubt::Nothing;
        Ok(())
    }

    async fn first_life(&mut self, node: &Node) -> Result<(), Halted> {
        let broker = node.try_start().await.ok_or(Halted)?;
        self.create(&broker, "a").await?;
        self.producer = Some(broker.init_producer_id().await.map_err(|_| Halted)?);
        for count in 1..4 {
            node.now.fetch_add(101, Relaxed);
            self.produce(&broker, count).await?;
        }
        self.create(&broker, "b").await?;
        let b = Arc::clone(broker.image().topic("b").unwrap());
        produce(&broker, &b, batch(&["old"], Producer::NONE, 1)).await.map_err(|_| Halted)?;
        self.delete_records(&broker, 4).await?;
        self.delete(&broker, "b").await?;
        self.retention(&broker, 777_777).await?;
        self.produce(&broker, 2).await?;
        self.create(&broker, "b").await?;
        broker.close().await;
        Ok(())
    }

    async fn second_life(&mut self, node: &Node) -> Result<(), Halted> {
        let broker = node.try_start().await.ok_or(Halted)?;
        self.produce(&broker, 1).await?;
        self.delete_records(&broker, 7).await?;
        self.delete(&broker, "b").await?;
        self.produce(&broker, 1).await
    }

    /// Compares what a restarted broker has with what was said; settles what was in doubt.
    async fn check(&mut self, broker: &Broker) {
        let image = broker.image();
        self.check_topics(&image);
        self.topics = image.topics().map(|topic| (topic.name.to_string(), topic.id)).collect();
        let Some(topic) = image.topic("a").cloned() else { return };
        if let Some((last, _)) = self.producer {
            assert!(broker.init_producer_id().await.unwrap().0 > last, "a producer id is given once");
        }
        let retention = broker.topic_settings(&topic).retention_ms;
        let wanted = self.retention.map_or(Some(7 * 24 * 3_600_000), Some);
        assert!(
            retention == wanted || retention.is_some_and(|ms| self.doubt == Doubt::Retention(ms)),
            "{retention:?}"
        );
        self.retention = retention;
        let earliest = broker.list_offset(&topic, 0, OffsetSpec::Earliest, None).await.unwrap().offset;
        assert!(earliest == self.log_start || self.doubt == Doubt::LogStart(earliest), "{earliest}");
        let retried = match std::mem::take(&mut self.doubt) {
            Doubt::Values(values) => values,
            _ => vec![format!("v{}", self.end())],
        };
        if self.producer.is_some() {
            // As a producer does that has no answer: the same again, and then it is there once.
            let base = produce(broker, &topic, self.sent(&retried)).await.unwrap();
            assert_eq!(base, self.end());
            self.values.extend(retried);
        }
        let start = usize::try_from(earliest).unwrap();
        let read: Vec<_> =
            read(broker, &topic, earliest).await.into_iter().filter(|(at, _)| *at >= earliest).collect();
        let offsets: Vec<i64> = read.iter().map(|(at, _)| *at).collect();
        assert_eq!(offsets, (earliest..self.end()).collect::<Vec<_>>());
        assert_eq!(values(&read), self.values[start..]);
        self.log_start = earliest;
    }

    fn check_topics(&self, image: &MetadataImage) {
        for (name, id) in &self.topics {
            let found = image.topic(name).map(|topic| topic.id);
            let gone = found.is_none() && matches!(self.doubt, Doubt::Deletion(doubt) if doubt == name);
            assert!(found == Some(*id) || gone, "topic {name} is {found:?}");
        }
        for topic in image.topics() {
            assert!(!self.deleted.contains(&topic.id), "topic {} came back", topic.name);
            let doubtful = matches!(self.doubt, Doubt::Topic(doubt) if doubt == topic.name.as_str());
            assert!(doubtful || self.topics.contains_key(topic.name.as_str()), "{}", topic.name);
        }
        let partitions: usize = image.topics().map(|topic| topic.partitions.len()).sum();
        assert_eq!(image.partitions, partitions);
    }
}

/// Runs the workload until the disk stands still, crashes, and looks. False once it stands never.
async fn halted_after(changes: u64, policy: CrashPolicy) -> bool {
    let node = Node::new();
    node.disk.halt_after(changes);
    let mut told = Told::default();
    let mut halted = told.first_life(&node).await.is_err();
    if !halted {
        halted = told.second_life(&node).await.is_err();
    }
    let after = Node { disk: node.disk.crash(policy, changes), now: Arc::clone(&node.now) };
    let broker = after.start().await;
    told.check(&broker).await;
    // What the restart itself made of it stands as well.
    let again = Node { disk: after.disk.crash(CrashPolicy::Synced, changes), now: Arc::clone(&node.now) };
    let broker = again.start().await;
    told.check(&broker).await;
    halted
}

#[tokio::test]
async fn a_broker_that_stops_at_any_change_of_its_disk_keeps_what_it_acknowledged() {
    let policies = CrashPolicy::ALL.into_iter().cycle();
    for (changes, policy) in (0..).zip(policies) {
        // Shown with a failure only.
        println!("after {changes} changes, {policy:?}");
        if !halted_after(changes, policy).await {
            assert!(changes > 100, "the workload made only {changes} changes");
            return;
        }
    }
}
