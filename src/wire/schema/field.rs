//! The vocabulary of the schema table: what a field of a request is called, which type and versions it has.
//!
//! Not a general reading of Kafka's message JSON: only what decides how many bytes a value takes. Defaults,
//! entity types and map keys have no place here.

/// The first version and the last one, both inclusive, in which something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Versions {
    pub(super) min: i16,
    pub(super) max: i16,
}

impl Versions {
    const ALL: Self = Self { min: 0, max: i16::MAX };
    const NONE: Self = Self { min: 1, max: 0 };

    pub(super) const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

/// How a value lies on the wire.
#[derive(Debug, Clone, Copy)]
pub(super) enum Type {
    /// As many bytes as it says, in every version.
    Fixed(usize),
    String,
    /// `bytes` and `records` alike: the walk does not look inside.
    Bytes,
    Array(&'static Type),
    Struct(&'static [Field]),
}

pub(super) const BOOL: Type = Type::Fixed(1);
pub(super) const INT8: Type = Type::Fixed(1);
pub(super) const INT16: Type = Type::Fixed(2);
pub(super) const INT32: Type = Type::Fixed(4);
pub(super) const INT64: Type = Type::Fixed(8);
pub(super) const UUID: Type = Type::Fixed(16);

/// Bytes of a length or count before KIP-482: `int16` for strings, `int32` for bytes and arrays.
const STRING_LENGTH: usize = 2;
const LENGTH: usize = 4;
/// The least that a varint takes.
const VARINT: usize = 1;

impl Type {
    /// The fewest bytes that a value of this type can take; 0 only for a struct without fields.
    pub(super) fn min_size(self, version: i16, flexible: bool) -> usize {
        match self {
            Self::Fixed(size) => size,
            Self::String => {
                if flexible {
                    VARINT
                } else {
                    STRING_LENGTH
                }
            }
            Self::Bytes | Self::Array(_) => {
                if flexible {
                    VARINT
                } else {
                    LENGTH
                }
            }
            Self::Struct(fields) => {
                let tags = if flexible { VARINT } else { 0 };
                let present = fields.iter().filter(|field| field.is_plain_in(version));
                present.map(|field| field.min_size(version, flexible)).sum::<usize>() + tags
            }
        }
    }
}

/// One field of a request or of a struct inside it, in the order of the wire.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// As Kafka's message JSON calls it.
    pub(super) name: &'static str,
    pub(super) ty: Type,
    pub(super) versions: Versions,
    pub(super) nullable: Versions,
    /// Set: the field travels among the tagged fields (KIP-482) under this number.
    pub(super) tag: Option<u32>,
}

/// A field of every version, never null; the methods below narrow that.
pub(super) const fn field(name: &'static str, ty: Type) -> Field {
    Field { name, ty, versions: Versions::ALL, nullable: Versions::NONE, tag: None }
}

impl Field {
    pub(super) const fn since(mut self, version: i16) -> Self {
        self.versions.min = version;
        self
    }

    /// The last version that has the field.
    pub(super) const fn until(mut self, version: i16) -> Self {
        self.versions.max = version;
        self
    }

    pub(super) const fn nullable(self) -> Self {
        self.nullable_since(0)
    }

    pub(super) const fn nullable_since(mut self, version: i16) -> Self {
        self.nullable = Versions { min: version, max: i16::MAX };
        self
    }

    pub(super) const fn tagged(mut self, tag: u32) -> Self {
        self.tag = Some(tag);
        self
    }

    /// Whether the field stands in the row of fields of `version`, not among its tagged ones.
    pub(super) fn is_plain_in(&self, version: i16) -> bool {
        self.tag.is_none() && self.versions.contains(version)
    }

    /// A nullable struct is one byte when it is null; of the other types, null takes no less than empty.
    fn min_size(&self, version: i16, flexible: bool) -> usize {
        let may_be_absent = matches!(self.ty, Type::Struct(_)) && self.nullable.contains(version);
        if may_be_absent { 1 } else { self.ty.min_size(version, flexible) }
    }
}

/// One API's request body.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) api_key: i16,
    pub(super) name: &'static str,
    pub(super) versions: Versions,
    /// The first version with compact lengths and tagged fields (KIP-482).
    pub(super) flexible_from: i16,
    pub(super) fields: &'static [Field],
}

/// A request of version 0 alone that is never flexible; the methods below widen that.
pub(super) const fn request(api_key: i16, name: &'static str, fields: &'static [Field]) -> Request {
    let versions = Versions { min: 0, max: 0 };
    Request { api_key, name, versions, flexible_from: i16::MAX, fields }
}

impl Request {
    /// Both inclusive.
    pub(super) const fn versions(mut self, min: i16, max: i16) -> Self {
        self.versions = Versions { min, max };
        self
    }

    pub(super) const fn flexible_from(mut self, version: i16) -> Self {
        self.flexible_from = version;
        self
    }
}
