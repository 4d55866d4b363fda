//! A walk over a request, by a table of schemas, before anything is decoded.
//!
//! The decoders reserve memory for what the wire announces (`Vec::with_capacity(count)`): a request of 20 bytes that
//! announces 2^31 topics asks for 150 GB, and a refused allocation aborts the process. So each frame is walked first;
//! what passes [`walk`] the decoder accepts, reserving only for elements that are really there.
//!
//! Not a decoder: the walk keeps no value and allocates nothing. Whether values make sense is for the handlers.
//!
//! **Bound.** A decoded element (struct, string in an array, tagged field) takes at most [`MAX_ELEMENT_BYTES`] beside
//! the bytes that it lends from the frame, and at least 2 bytes of wire. There are at most [`MAX_ELEMENTS`] of them, and
//! everything else decodes to no more than it took on the wire: a decoded request takes at most its frame + 72 MB.

mod cursor;
mod error;
mod field;
mod table;

use std::ops::RangeInclusive;

pub use error::WalkError;

use cursor::Cursor;
use field::{Field, Request, Type};

/// How many elements one request may hold over all its arrays and tagged fields. A Kafka broker has a few thousand
/// partitions, large clusters 200,000 over all brokers; a frame of 100 MiB could announce 50 million.
pub const MAX_ELEMENTS: usize = 250_000;

/// The most that a decoded element takes, on average over a request: the largest struct has 128 bytes, and the first
/// unknown tagged field of a struct, itself an element, costs it a map node of 448.
pub const MAX_ELEMENT_BYTES: usize = 288;

/// Kafka's limit for strings, also compact ones.
const MAX_STRING: usize = i16::MAX as usize;

/// A tagged field is at least its tag and its size.
const MIN_TAGGED_FIELD: usize = 2;

/// What a walk that found nothing wrong saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Bytes of the body. What follows them is ignored, as Kafka does.
    pub consumed: usize,
    /// Structs and strings in arrays, and tagged fields.
    pub elements: usize,
}

/// The versions of `api_key` that the table covers, if it covers any.
pub fn versions(api_key: i16) -> Option<RangeInclusive<i16>> {
    request(api_key).map(|request| request.versions.min..=request.versions.max)
}

/// Checks the body of a request, which begins after the request header.
///
/// After `Ok`, every count and length in the first `consumed` bytes is true, every string UTF-8, and nothing is null
/// that must not be. Bytes after `consumed` are no error: Kafka 4.3 ignores them.
///
/// # Errors
/// [`WalkError`], for the first thing that is wrong.
///
/// Source: Kafka's message JSON of 4.3; KIP-482 for compact lengths and tagged fields. Stricter than Kafka's generated
/// readers, which take any negative length as null, replace what is not UTF-8, and ignore a known tag's size.
pub fn walk(api_key: i16, version: i16, body: &[u8]) -> Result<Walked, WalkError> {
    let request = request(api_key).ok_or(WalkError::UnknownApi { api_key })?;
    if !request.versions.contains(version) {
        let (min, max) = (request.versions.min, request.versions.max);
        return Err(WalkError::UnsupportedVersion { api: request.name, version, min, max });
    }
    let mut walker = Walker::new(body, version, version >= request.flexible_from);
    walker.walk_fields(request.fields)?;
    Ok(Walked { consumed: walker.bytes.position(), elements: walker.elements })
}

/// Checks a request header (version 1, or 2 for flexible requests) and returns how many bytes it takes.
///
/// # Errors
/// [`WalkError`], for the first thing that is wrong.
///
/// Source: `RequestHeader.json`. Version 0 left with Kafka 4.0.
pub fn walk_header(header_version: i16, bytes: &[u8]) -> Result<usize, WalkError> {
    /// Api key, api version and correlation id.
    const IDS: usize = 2 + 2 + 4;
    let flexible = match header_version {
        1 => false,
        2 => true,
        version => return Err(WalkError::UnsupportedHeader { version }),
    };
    let mut walker = Walker::new(bytes, header_version, flexible);
    walker.bytes.skip(IDS, "RequestHeader")?;
    // The client id never became compact, so that any broker can read an ApiVersions request of any version.
    let client_id = walker.bytes.read_i16("ClientId")?;
    if client_id != -1 {
        walker.walk_string(i64::from(client_id), "ClientId")?;
    }
    if flexible {
        walker.walk_tags(&[])?;
    }
    Ok(walker.bytes.position())
}

fn request(api_key: i16) -> Option<&'static Request> {
    table::requests().find(|request| request.api_key == api_key)
}

struct Walker<'a> {
    bytes: Cursor<'a>,
    version: i16,
    /// Whether lengths are compact and structs end with tagged fields (KIP-482).
    flexible: bool,
    /// At most [`MAX_ELEMENTS`].
    elements: usize,
}

impl<'a> Walker<'a> {
    fn new(bytes: &'a [u8], version: i16, flexible: bool) -> Self {
        Self { bytes: Cursor::new(bytes), version, flexible, elements: 0 }
    }

    /// A struct: its plain fields, then its tagged ones. Recurses no deeper than the table does.
    fn walk_fields(&mut self, fields: &[Field]) -> Result<(), WalkError> {
        let version = self.version;
        for field in fields.iter().filter(|field| field.is_plain_in(version)) {
            self.walk_field(field)?;
        }
        if self.flexible { self.walk_tags(fields) } else { Ok(()) }
    }

    fn walk_field(&mut self, field: &Field) -> Result<(), WalkError> {
        let name = field.name;
        match field.ty {
            Type::Fixed(size) => self.bytes.skip(size, name),
            Type::String => match self.read_length(field)? {
                Some(length) => self.walk_string(length, name),
                None => Ok(()),
            },
            Type::Bytes => match self.read_length(field)? {
                Some(length) => self.bytes.skip(positive(length, name)?, name),
                None => Ok(()),
            },
            Type::Array(element) => match self.read_length(field)? {
                Some(count) => self.walk_array(*element, count, name),
                None => Ok(()),
            },
            Type::Struct(fields) => {
                if field.nullable.contains(self.version) {
                    match self.bytes.read_i8(name)? {
                        -1 => return Ok(()),
                        1 => {}
                        marker => {
                            return Err(WalkError::Length { field: name, length: marker.into() });
                        }
                    }
                }
                self.walk_fields(fields)
            }
        }
    }

    /// The length of a string, bytes or array; `None` is a null that the schema allows.
    fn read_length(&mut self, field: &Field) -> Result<Option<i64>, WalkError> {
        let name = field.name;
        let length = match (self.flexible, field.ty) {
            (true, _) => i64::from(self.bytes.read_uvarint(name)?) - 1,
            (false, Type::String) => self.bytes.read_i16(name)?.into(),
            (false, Type::Fixed(_) | Type::Bytes | Type::Array(_) | Type::Struct(_)) => {
                self.bytes.read_i32(name)?.into()
            }
        };
        match length {
            -1 if field.nullable.contains(self.version) => Ok(None),
            -1 => Err(WalkError::Null { field: name, version: self.version }),
            length => Ok(Some(length)),
        }
    }

    fn walk_array(&mut self, element: Type, count: i64, name: &'static str) -> Result<(), WalkError> {
        let min_size = element.min_size(self.version, self.flexible).max(1);
        let left = self.bytes.left();
        let real = usize::try_from(count)
            .ok()
            .filter(|count| *count <= left / min_size)
            .ok_or(WalkError::Count { field: name, count, min_size, left })?;
        if let Type::Fixed(size) = element {
            return self.bytes.skip(real * size, name);
        }
        self.count_elements(real, name)?;
        let item = field::field(name, element);
        for _ in 0..real {
            self.walk_field(&item)?;
        }
        Ok(())
    }

    fn walk_string(&mut self, length: i64, name: &'static str) -> Result<(), WalkError> {
        let real = positive(length, name)?;
        if real > MAX_STRING {
            return Err(WalkError::Length { field: name, length });
        }
        let bytes = self.bytes.take(real, name)?;
        std::str::from_utf8(bytes).map(drop).map_err(|_| WalkError::NotUtf8 { field: name })
    }

    /// The tagged fields at the end of a struct: those that the schema knows are walked, the others skipped.
    fn walk_tags(&mut self, fields: &[Field]) -> Result<(), WalkError> {
        const NAME: &str = "tagged fields";
        let count = self.bytes.read_uvarint(NAME)?;
        let left = self.bytes.left();
        let real = count as usize;
        if real > left / MIN_TAGGED_FIELD {
            return Err(WalkError::Count {
                field: NAME,
                count: count.into(),
                min_size: MIN_TAGGED_FIELD,
                left,
            });
        }
        self.count_elements(real, NAME)?;
        for _ in 0..real {
            let tag = self.bytes.read_uvarint(NAME)?;
            let size = self.bytes.read_uvarint(NAME)? as usize;
            match fields.iter().find(|field| field.tag == Some(tag)) {
                None => self.bytes.skip(size, NAME)?,
                Some(field) => self.walk_tagged(field, size)?,
            }
        }
        Ok(())
    }

    /// A decoder reads a known tagged field by its type and never looks at `size`: both must agree.
    fn walk_tagged(&mut self, field: &Field, size: usize) -> Result<(), WalkError> {
        if !field.versions.contains(self.version) {
            return Err(WalkError::UnexpectedTag { field: field.name, version: self.version });
        }
        let before = self.bytes.narrow(size, field.name)?;
        let start = self.bytes.position();
        self.walk_field(field)?;
        let consumed = self.bytes.position() - start;
        self.bytes.widen(before);
        if consumed == size { Ok(()) } else { Err(WalkError::TagSize { field: field.name, size, consumed }) }
    }

    fn count_elements(&mut self, count: usize, name: &'static str) -> Result<(), WalkError> {
        self.elements += count;
        if self.elements > MAX_ELEMENTS { Err(WalkError::TooManyElements { field: name }) } else { Ok(()) }
    }
}

fn positive(length: i64, name: &'static str) -> Result<usize, WalkError> {
    usize::try_from(length).map_err(|_| WalkError::Length { field: name, length })
}

#[cfg(test)]
mod tests;
