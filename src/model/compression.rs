//! The codecs of Kafka's record batches: what a batch's records are packed with, unpacked under a limit.
//!
//! Works on the part of a batch after its header. Not here: which codec a topic wants, and what the records say.
//!
//! A few hundred bytes can unpack to gigabytes. So nothing is unpacked without a limit, and output grows as bytes come,
//! never by what the input announces. Beside the output a codec has buffers of its own: one unpacked block for snappy
//! (within the limit), up to 12.1 MiB for an lz4 frame of linked 4 MiB blocks, and for zstd the frame's window (reserved
//! up to 128 MiB, touched no further than it is written).

mod lz4;
mod snappy;

use std::borrow::Cow;
use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;

/// The largest zstd window that is read: zstd's own default, and what level 22 writes.
const ZSTD_MAX_WINDOW_LOG: u32 = 27;

/// The first piece of output that [`Compression::decompress`] makes room for; it doubles from there.
const FIRST_OUTPUT: usize = 16 * 1024;

/// How the records of a batch are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

#[derive(Debug, thiserror::Error)]
pub enum CompressionError {
    #[error("compression id {id} is outside 0 to 4")]
    UnknownId { id: i16 },
    #[error("{codec} records unpack to more than the limit of {limit} bytes")]
    AboveLimit { codec: &'static str, limit: usize },
    #[error("{codec} records are damaged")]
    Damaged {
        codec: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{codec} level {level} is outside {min} to {max}")]
    Level { codec: &'static str, level: i32, min: i32, max: i32 },
    #[error("{codec} records can't be packed")]
    Pack {
        codec: &'static str,
        #[source]
        source: io::Error,
    },
}

impl Compression {
    /// The bits of a batch's attributes that hold the codec.
    pub const ATTRIBUTES_MASK: i16 = 0b111;

    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Snappy, Self::Lz4, Self::Zstd];

    /// The codec that a batch's attributes name.
    ///
    /// # Errors
    /// [`CompressionError::UnknownId`] for 5 to 7.
    pub fn from_attributes(attributes: i16) -> Result<Self, CompressionError> {
        match attributes & Self::ATTRIBUTES_MASK {
            0 => Ok(Self::None),
            1 => Ok(Self::Gzip),
            2 => Ok(Self::Snappy),
            3 => Ok(Self::Lz4),
            4 => Ok(Self::Zstd),
            id => Err(CompressionError::UnknownId { id }),
        }
    }

    /// 0 to 4, as in a batch's attributes.
    pub const fn id(self) -> i16 {
        match self {
            Self::None => 0,
            Self::Gzip => 1,
            Self::Snappy => 2,
            Self::Lz4 => 3,
            Self::Zstd => 4,
        }
    }

    /// As Kafka's `compression.type` of a producer calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// Unpacks all of `input`; uncompressed records are lent.
    ///
    /// The output never reserves more than `limit` bytes.
    ///
    /// # Errors
    /// [`CompressionError::AboveLimit`] as soon as there is more than `limit`; [`CompressionError::Damaged`] for
    /// anything that is not one whole stream of this codec.
    pub fn decompress(self, input: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, CompressionError> {
        if self == Self::None {
            return if input.len() <= limit { Ok(Cow::Borrowed(input)) } else { Err(self.above(limit)) };
        }
        let mut reader = self.reader(input, limit)?;
        let mut output = Vec::new();
        loop {
            let filled = output.len();
            if filled == limit {
                // One byte more tells a full stream from one that goes on; the reader refuses it.
                let end = reader.read(&mut [0; 1]);
                return end.map(|_| Cow::Owned(output)).map_err(|error| self.damaged(error));
            }
            let room = filled.max(FIRST_OUTPUT).min(limit - filled);
            output.reserve_exact(room);
            output.resize(filled + room, 0);
            let read = reader.read(&mut output[filled..]).map_err(|error| self.damaged(error))?;
            output.truncate(filled + read);
            if read == 0 {
                return Ok(Cow::Owned(output));
            }
        }
    }

    /// Unpacks `input` piece by piece. Reading fails with a [`CompressionError`] inside the [`io::Error`] when there is
    /// more than `limit`, or damage.
    ///
    /// # Errors
    /// [`CompressionError::Damaged`] if not even a stream of this codec begins here.
    ///
    /// Reads gzip members; snappy both in snappy-java's framing (Java clients) and as one bare block (librdkafka); lz4
    /// frames of magic 2, one or several; zstd frames.
    pub fn reader(self, input: &[u8], limit: usize) -> Result<Reader<'_>, CompressionError> {
        if input.is_empty() && self != Self::None {
            return Err(self.damaged(io::ErrorKind::UnexpectedEof.into()));
        }
        let inner = match self {
            Self::None => Inner::None(input),
            Self::Gzip => Inner::Gzip(Box::new(MultiGzDecoder::new(input))),
            Self::Snappy => Inner::Snappy(snappy::Reader::new(input, limit)),
            Self::Lz4 => Inner::Lz4(lz4::Reader::new(input)),
            Self::Zstd => {
                let open = || {
                    let mut decoder = zstd::Decoder::with_buffer(input)?;
                    decoder.window_log_max(ZSTD_MAX_WINDOW_LOG)?;
                    Ok(decoder)
                };
                Inner::Zstd(open().map_err(|error| self.damaged(error))?)
            }
        };
        Ok(Reader { codec: self, inner, limit, left: limit })
    }

    /// Packs `input`. `level` is what `compression.gzip.level`, `.lz4.level` and `.zstd.level` hold; none means the
    /// codec's default.
    ///
    /// snappy is written in snappy-java's framing, which all clients read. lz4 is written as one frame of independent
    /// 64 KiB blocks, the only ones that Java clients read; `lz4_flex` knows one level, so a level is checked and has
    /// no effect.
    ///
    /// # Errors
    /// [`CompressionError::Level`] outside Kafka's range.
    pub fn compress(self, level: Option<i32>, input: &[u8]) -> Result<Vec<u8>, CompressionError> {
        self.check_level(level)?;
        let packed = match self {
            Self::None => Ok(input.to_vec()),
            Self::Gzip => gzip(level, input),
            Self::Snappy => snappy::compress(input),
            Self::Lz4 => lz4::compress(input),
            Self::Zstd => zstd::bulk::compress(input, level.unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)),
        };
        packed.map_err(|source| CompressionError::Pack { codec: self.name(), source })
    }

    fn check_level(self, level: Option<i32>) -> Result<(), CompressionError> {
        /// `Deflater.DEFAULT_COMPRESSION`: Kafka's default, beside the range.
        const GZIP_DEFAULT: i32 = -1;
        let (min, max) = match self {
            Self::Gzip => (1, 9),
            Self::Lz4 => (1, 17),
            Self::Zstd => (-131_072, 22),
            Self::None | Self::Snappy => return Ok(()),
        };
        match level {
            Some(GZIP_DEFAULT) if self == Self::Gzip => Ok(()),
            Some(level) if level < min || level > max => {
                Err(CompressionError::Level { codec: self.name(), level, min, max })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn above(self, limit: usize) -> CompressionError {
        CompressionError::AboveLimit { codec: self.name(), limit }
    }

    /// Takes a [`CompressionError`] out of `source`, if one is in it.
    fn damaged(self, source: io::Error) -> CompressionError {
        match source.downcast::<CompressionError>() {
            Ok(own) => own,
            Err(source) => CompressionError::Damaged { codec: self.name(), source },
        }
    }
}

/// The unpacked bytes of one batch, at most as many as the limit says. See [`Compression::reader`].
pub struct Reader<'a> {
    codec: Compression,
    inner: Inner<'a>,
    limit: usize,
    /// How much of the limit is left.
    left: usize,
}

enum Inner<'a> {
    None(&'a [u8]),
    Gzip(Box<MultiGzDecoder<&'a [u8]>>),
    Snappy(snappy::Reader<'a>),
    Lz4(lz4::Reader<'a>),
    Zstd(zstd::Decoder<'static, &'a [u8]>),
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { codec, limit, left, inner: _ } = self;
        f.debug_struct("Reader").field("codec", codec).field("limit", limit).field("left", left).finish()
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut probe = [0; 1];
        let at_limit = self.left == 0 && !buffer.is_empty();
        let end = buffer.len().min(self.left);
        let room = if at_limit { &mut probe[..] } else { &mut buffer[..end] };
        let read = match &mut self.inner {
            Inner::None(rest) => rest.read(room),
            Inner::Gzip(decoder) => decoder.read(room),
            Inner::Snappy(reader) => reader.read(room),
            Inner::Lz4(reader) => reader.read(room),
            Inner::Zstd(decoder) => decoder.read(room),
        };
        let read = read.map_err(|error| io::Error::other(self.codec.damaged(error)))?;
        if at_limit && read > 0 {
            return Err(io::Error::other(self.codec.above(self.limit)));
        }
        self.left -= read;
        Ok(read)
    }
}

fn gzip(level: Option<i32>, input: &[u8]) -> io::Result<Vec<u8>> {
    let level = level.and_then(|level| u32::try_from(level).ok());
    let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
    encoder.write_all(input)?;
    encoder.finish()
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests;
