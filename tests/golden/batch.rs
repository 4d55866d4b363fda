//! Record batches of magic 2, built byte by byte so that each field can be wrong, and read back for a transcript.
//! Not the broker's codec, on purpose: a mistake there must not be repeated here.
//!
//! Source: KIP-98 (layout), KIP-32 (timestamp type).

use std::io::Write as _;

use bytes::{Buf, BufMut, Bytes};

use crate::answer::{Fields, Names, Writer};

pub(crate) const LOG_APPEND_TIME: i16 = 1 << 3;
pub(crate) const TRANSACTIONAL: i16 = 1 << 4;
pub(crate) const CONTROL: i16 = 1 << 5;
const CODEC_MASK: i16 = 0b111;

/// Bytes from the base offset to the end of the length field.
const BEFORE_LENGTH: usize = 12;
/// Bytes of a batch header, records excluded.
const HEADER: usize = 61;
/// Where the CRC stands; it covers everything behind it.
const CRC_AT: usize = 17;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None = 0,
    Gzip = 1,
    Lz4 = 3,
    Zstd = 4,
}

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) key: Option<&'static str>,
    pub(crate) value: Option<&'static str>,
    /// Unix ms.
    pub(crate) time: i64,
    /// Instead of the position in the batch.
    pub(crate) offset_delta: Option<i32>,
}

#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) base_offset: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) magic: i8,
    pub(crate) attributes: i16,
    pub(crate) records: Vec<Record>,
    pub(crate) producer: (i64, i16),
    pub(crate) base_sequence: i32,
    /// Instead of the true one.
    pub(crate) last_offset_delta: Option<i32>,
    /// Instead of the true one.
    pub(crate) count: Option<i32>,
    /// Instead of the true one.
    pub(crate) max_time: Option<i64>,
    /// What really compresses the records; the codec in `attributes` may tell something else.
    pub(crate) codec: Codec,
    /// Added to the true CRC.
    pub(crate) crc_off_by: u32,
    /// Added to the true length.
    pub(crate) length_off_by: i32,
}

impl Batch {
    /// Records with keys `k0`, `k1` … and these values, one ms apart from `time` on.
    pub(crate) fn of(time: i64, values: &[&'static str]) -> Self {
        const KEYS: [&str; 8] = ["k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"];
        let records = values.iter().zip(KEYS.iter().cycle());
        let records = records.map(|(value, key)| Record {
            key: Some(key),
            value: Some(value),
            time,
            offset_delta: None,
        });
        Self {
            base_offset: 0,
            leader_epoch: -1,
            magic: 2,
            attributes: 0,
            records: records.collect(),
            producer: (-1, -1),
            base_sequence: -1,
            last_offset_delta: None,
            count: None,
            max_time: None,
            codec: Codec::None,
            crc_off_by: 0,
            length_off_by: 0,
        }
    }

    pub(crate) fn by(mut self, (id, epoch): (i64, i16), sequence: i32) -> Self {
        self.producer = (id, epoch);
        self.base_sequence = sequence;
        self
    }

    pub(crate) fn compressed(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self.attributes |= codec as i16;
        self
    }

    /// Changes one thing: `Batch::of(..).with(|b| b.magic = 1)`.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn encode(&self) -> Bytes {
        let first = self.records.first().map_or(-1, |record| record.time);
        let greatest = self.records.iter().map(|record| record.time).max().unwrap_or(-1);
        let count = i32::try_from(self.records.len()).unwrap_or(i32::MAX);
        let mut covered = Vec::new();
        covered.put_i16(self.attributes);
        covered.put_i32(self.last_offset_delta.unwrap_or(count - 1));
        covered.put_i64(first);
        covered.put_i64(self.max_time.unwrap_or(greatest));
        covered.put_i64(self.producer.0);
        covered.put_i16(self.producer.1);
        covered.put_i32(self.base_sequence);
        covered.put_i32(self.count.unwrap_or(count));
        covered.extend(compress(self.codec, &self.encode_records(first)));
        let length = i32::try_from(CRC_AT - BEFORE_LENGTH + 4 + covered.len()).unwrap_or(i32::MAX);
        let mut bytes = Vec::new();
        bytes.put_i64(self.base_offset);
        bytes.put_i32(length + self.length_off_by);
        bytes.put_i32(self.leader_epoch);
        bytes.put_i8(self.magic);
        bytes.put_u32(crc32c::crc32c(&covered).wrapping_add(self.crc_off_by));
        bytes.extend(covered);
        bytes.into()
    }

    fn encode_records(&self, first: i64) -> Vec<u8> {
        let mut all = Vec::new();
        for (delta, record) in (0..).zip(&self.records) {
            let mut body = vec![0];
            put_varint(&mut body, record.time - first);
            put_varint(&mut body, i64::from(record.offset_delta.unwrap_or(delta)));
            put_text(&mut body, record.key);
            put_text(&mut body, record.value);
            put_varint(&mut body, 0);
            put_varint(&mut all, i64::try_from(body.len()).unwrap_or(i64::MAX));
            all.extend(body);
        }
        all
    }
}

fn put_text(to: &mut Vec<u8>, text: Option<&str>) {
    put_varint(to, text.map_or(-1, |text| i64::try_from(text.len()).unwrap_or(i64::MAX)));
    to.extend_from_slice(text.unwrap_or_default().as_bytes());
}

fn put_varint(to: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
    while rest >= 0x80 {
        to.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    to.push((rest & 0x7f) as u8);
}

/// Compressing into memory cannot fail; if it ever does, the raw bytes make the transcript differ.
fn compress(codec: Codec, raw: &[u8]) -> Vec<u8> {
    let done = match codec {
        Codec::None => Ok(raw.to_vec()),
        Codec::Gzip => {
            let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            to.write_all(raw).and_then(|()| to.finish())
        }
        Codec::Lz4 => {
            let mut to = lz4_flex::frame::FrameEncoder::new(Vec::new());
            to.write_all(raw).and_then(|()| to.finish().map_err(std::io::Error::other))
        }
        Codec::Zstd => zstd::encode_all(raw, 3),
    };
    done.unwrap_or_else(|_| raw.to_vec())
}

/// Writes one line per batch of `records`, as `path.batches[n]`, and one for a cut-off rest.
pub(crate) fn render(to: &mut Writer<'_>, path: &str, mut records: Bytes) {
    let mut number = 0;
    while records.len() >= BEFORE_LENGTH {
        let length = (&records[8..BEFORE_LENGTH]).get_i32();
        let end = usize::try_from(length).map_or(usize::MAX, |length| length.saturating_add(BEFORE_LENGTH));
        if end > records.len() {
            break;
        }
        let batch = records.split_to(end);
        let fields = if batch.len() < HEADER {
            Fields::default().put("short", "true")
        } else {
            header(to.names, batch)
        };
        to.line(format!("{path}.batches[{number}]"), fields);
        number += 1;
    }
    if !records.is_empty() {
        to.line(format!("{path}.cut_off_batch"), Fields::default());
    }
}

fn header(names: &Names, mut batch: Bytes) -> Fields {
    let crc = crc32c::crc32c(&batch[CRC_AT + 4..]);
    let fields = Fields::default().put("base_offset", batch.get_i64().to_string());
    batch.advance(4);
    let fields = fields.epoch(names, "leader_epoch", batch.get_i32());
    let magic = batch.get_i8();
    let told = batch.get_u32();
    let attributes = batch.get_i16();
    let last_delta = batch.get_i32();
    let (first, greatest) = (batch.get_i64(), batch.get_i64());
    let (producer, epoch, sequence) = (batch.get_i64(), batch.get_i16(), batch.get_i32());
    let count = batch.get_i32();
    let inside = if attributes & CODEC_MASK == 0 { read_records(batch) } else { "compressed".to_owned() };
    fields
        .put_if(magic != 2, "magic", magic.to_string())
        .put_if(told != crc, "crc", "wrong")
        .put_if(attributes != 0, "attributes", format!("{attributes:#x}"))
        .put("last_offset_delta", last_delta.to_string())
        .put("base_timestamp", names.time(first))
        .put("max_timestamp", names.time(greatest))
        .put_if(producer != -1, "producer_id", "<pid>")
        .put_if(epoch != -1, "producer_epoch", epoch.to_string())
        .put_if(sequence != -1, "base_sequence", sequence.to_string())
        .put("count", count.to_string())
        .put("records", inside)
}

/// `delta:key=value` of each record, as far as they can be read.
fn read_records(mut rest: Bytes) -> String {
    let mut all = Vec::new();
    while rest.has_remaining() {
        let Some(one) = read_record(&mut rest) else {
            all.push("unreadable".to_owned());
            break;
        };
        all.push(one);
    }
    format!("[{}]", all.join(","))
}

fn read_record(rest: &mut Bytes) -> Option<String> {
    let length = usize::try_from(get_varint(rest)?).ok().filter(|length| *length <= rest.len())?;
    let mut body = rest.split_to(length);
    body.try_get_i8().ok()?;
    let _time_delta = get_varint(&mut body)?;
    let delta = get_varint(&mut body)?;
    let key = get_text(&mut body)?;
    let value = get_text(&mut body)?;
    Some(format!("{delta}:{key}={value}"))
}

fn get_text(from: &mut Bytes) -> Option<String> {
    let length = get_varint(from)?;
    if length < 0 {
        return Some("null".to_owned());
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= from.len())?;
    Some(String::from_utf8_lossy(&from.split_to(length)).into_owned())
}

fn get_varint(from: &mut Bytes) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let byte = from.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_read_back() {
        for value in [0, 1, -1, 63, -64, 64, 300, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(get_varint(&mut bytes.into()), Some(value));
        }
    }

    #[test]
    fn records_read_back() {
        let bytes = Batch::of(5, &["a", "b"]).encode();
        assert_eq!(read_records(bytes.slice(HEADER..)), "[0:k0=a,1:k1=b]");
    }
}
