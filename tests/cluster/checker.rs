//! What must hold, and what was seen so far: the one history that all replicas may show parts of.
//!
//! *Acknowledged* is what a producer or a committer was told; *agreed* is what any replica ever showed below its high
//! watermark. Both stay for ever.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bateau::cluster::MetadataImage;
use bateau::model::batch::HEADER_LEN;
use bateau::model::record::Records;
use bateau::model::{BatchHeader, TopicId};

pub(crate) type Key = (TopicId, i32);

/// See the module.
#[derive(Default)]
pub(crate) struct Checker {
    logs: BTreeMap<Key, Agreed>,
    leaders: BTreeMap<(Key, i32), i32>,
    images: BTreeMap<u64, (i32, Arc<MetadataImage>)>,
    /// What went wrong.
    pub(crate) faults: Vec<String>,
    /// Records that were acknowledged.
    pub(crate) acknowledged: u64,
    pub(crate) now_ms: u64,
    pub(crate) verbose: bool,
    hash: u64,
    /// Relaxed durability: what one machine acknowledged may be lost with the power of all.
    pub(crate) may_lose: bool,
}

/// One partition's history.
#[derive(Default)]
struct Agreed {
    /// By base offset: the bytes, and who showed them first.
    batches: BTreeMap<i64, (Vec<u8>, i32)>,
    /// By offset.
    values: BTreeMap<i64, String>,
    end: i64,
    acknowledged: BTreeMap<i64, String>,
    /// The next number of each producer's records.
    next_of: BTreeMap<String, u64>,
}

impl Checker {
    /// Takes down what happens: two runs of one seed have the same trace.
    pub(crate) fn trace(&mut self, what: &str) {
        let mut hasher = DefaultHasher::new();
        (self.hash, self.now_ms, what).hash(&mut hasher);
        self.hash = hasher.finish();
        if self.verbose {
            eprintln!("{:>6} {what}", self.now_ms);
        }
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash
    }

    pub(crate) fn fault(&mut self, what: &str) {
        self.trace(&format!("FAULT {what}"));
        self.faults.push(format!("at {} ms: {what}", self.now_ms));
    }

    /// `node` says that it leads.
    pub(crate) fn leads(&mut self, key: Key, epoch: i32, node: i32) {
        match self.leaders.entry((key, epoch)) {
            Entry::Vacant(entry) => {
                entry.insert(node);
                self.trace(&format!("node {node} leads {} in epoch {epoch}", name(key)));
            }
            Entry::Occupied(entry) if *entry.get() != node => {
                let other = *entry.get();
                self.fault(&format!("nodes {other} and {node} both lead {} in epoch {epoch}", name(key)));
            }
            Entry::Occupied(_) => {}
        }
    }

    /// `node` has the metadata as of `index`.
    pub(crate) fn image(&mut self, node: i32, index: u64, image: &Arc<MetadataImage>) {
        match self.images.entry(index) {
            Entry::Vacant(entry) => {
                entry.insert((node, Arc::clone(image)));
                self.trace(&format!("node {node} has the metadata as of {index}"));
            }
            Entry::Occupied(entry) => {
                let (other, seen) = entry.get();
                if seen != image {
                    let said = format!("nodes {other} and {node} have other metadata as of {index}");
                    self.fault(&said);
                }
            }
        }
    }

    /// `node` showed `bytes` from its log, below its high watermark. Returns the end of what it showed.
    pub(crate) fn shown(&mut self, node: i32, key: Key, bytes: &[u8]) -> Option<i64> {
        let mut rest = bytes;
        let mut end = None;
        while !rest.is_empty() {
            let header = match BatchHeader::parse(rest) {
                Ok(header) if header.size as usize <= rest.len() => header,
                other => {
                    self.fault(&format!("node {node} shows no batch in {}: {other:?}", name(key)));
                    return end;
                }
            };
            let (batch, behind) = rest.split_at(header.size as usize);
            rest = behind;
            if let Err(error) = header.check_crc(batch) {
                self.fault(&format!("node {node} shows a damaged batch in {}: {error}", name(key)));
            }
            let base = header.base_offset.0;
            end = Some(base + i64::from(header.last_offset_delta) + 1);
            let agreed = self.logs.entry(key).or_default();
            match agreed.batches.get(&base) {
                Some((known, _)) if known == batch => {}
                Some((known, by)) => {
                    let (mine, other) = (describe(batch), describe(known));
                    let said =
                        format!("node {node} has {mine} at {base} of {}, node {by} had {other}", name(key));
                    self.fault(&said);
                }
                None if base == agreed.end => self.agree(node, key, batch, &header),
                None => {
                    let said = format!(
                        "node {node} has a batch at {base} of {}, agreed are offsets to {}",
                        name(key),
                        agreed.end
                    );
                    self.fault(&said);
                }
            }
        }
        end
    }

    fn agree(&mut self, node: i32, key: Key, batch: &[u8], header: &BatchHeader) {
        let base = header.base_offset.0;
        let agreed = self.logs.entry(key).or_default();
        agreed.batches.insert(base, (batch.to_vec(), node));
        agreed.end = base + i64::from(header.last_offset_delta) + 1;
        let mut wrong = Vec::new();
        for (offset, value) in (base..).zip(values(batch, header)) {
            if let Some(told) = agreed.acknowledged.get(&offset).filter(|told| **told != value) {
                wrong
                    .push(format!("offset {offset} of {} was acknowledged as {told}, is {value}", name(key)));
            }
            if let Some((producer, number)) = value.split_once('-')
                && let Ok(number) = number.parse::<u64>()
            {
                let next = agreed.next_of.entry(producer.to_owned()).or_default();
                if number != *next {
                    wrong.push(format!("{value} at {offset} of {}, {producer}-{next} comes next", name(key)));
                }
                *next = number + 1;
            }
            agreed.values.insert(offset, value);
        }
        for said in wrong {
            self.fault(&said);
        }
    }

    /// A producer was told that its records are at `base` and behind it.
    pub(crate) fn acknowledge(&mut self, key: Key, base: i64, values: &[String]) {
        self.trace(&format!("{} at {base} of {} are acknowledged", values.join(" "), name(key)));
        let agreed = self.logs.entry(key).or_default();
        let mut wrong = String::new();
        for (offset, value) in (base..).zip(values) {
            if let Some(known) = agreed.values.get(&offset).filter(|known| *known != value) {
                _ = write!(
                    wrong,
                    "offset {offset} of {} is acknowledged as {value}, was {known} ",
                    name(key)
                );
            }
            agreed.acknowledged.insert(offset, value.clone());
        }
        self.acknowledged += values.len() as u64;
        if !wrong.is_empty() {
            self.fault(&wrong);
        }
    }

    /// Everything acknowledged is agreed on.
    pub(crate) fn settle(&mut self) {
        let mut lost = Vec::new();
        for (key, agreed) in &self.logs {
            for (offset, value) in &agreed.acknowledged {
                if agreed.values.get(offset) != Some(value) {
                    lost.push(format!("{value}, acknowledged at {offset} of {}, is lost", name(*key)));
                }
            }
        }
        for said in lost.into_iter().take(10) {
            self.fault(&said);
        }
    }

    /// The end of what is agreed on.
    pub(crate) fn end(&self, key: Key) -> i64 {
        self.logs.get(&key).map_or(0, |agreed| agreed.end)
    }

    /// Forgets a topic that was deleted, or all that may be lost.
    pub(crate) fn forget(&mut self) {
        self.logs.clear();
    }
}

fn name((topic, partition): Key) -> String {
    format!("{}/{partition}", &topic.0.to_string()[..4])
}

fn describe(batch: &[u8]) -> String {
    match BatchHeader::parse(batch) {
        Ok(header) => format!(
            "{} (epoch {}, {} bytes)",
            values(batch, &header).join(" "),
            header.leader_epoch.0,
            batch.len()
        ),
        Err(error) => error.to_string(),
    }
}

fn values(batch: &[u8], header: &BatchHeader) -> Vec<String> {
    let body = &batch[HEADER_LEN..header.size as usize];
    let Ok(records) = Records::new(body, header.record_count) else { return vec!["unreadable".into()] };
    let value = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
    records
        .map(|record| record.map_or_else(|error| error.to_string(), |record| value(record.value)))
        .collect()
}
