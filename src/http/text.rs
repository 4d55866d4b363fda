//! Bytes as they stand in JSON: as text where they are UTF-8, else in base64.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Serialize};

/// Padding is written, and need not be there to be read.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How the key, the value and the headers' values of one record are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Encoding {
    #[default]
    Utf8,
    Base64,
}

impl Encoding {
    /// The bytes that `text` stands for.
    ///
    /// # Errors
    /// Why it is no base64.
    pub(super) fn decode(self, text: String) -> Result<Vec<u8>, base64::DecodeError> {
        match self {
            Self::Utf8 => Ok(text.into_bytes()),
            Self::Base64 => BASE64.decode(text),
        }
    }

    /// `bytes`, which must be UTF-8 if that is the encoding; what is not is shown as U+FFFD.
    pub(super) fn encode(self, bytes: &[u8]) -> String {
        match self {
            Self::Utf8 => String::from_utf8_lossy(bytes).into_owned(),
            Self::Base64 => BASE64.encode(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_read_with_and_without_padding_and_written_with_it() {
        for text in ["aGk=", "aGk"] {
            assert_eq!(Encoding::Base64.decode(text.into()).unwrap(), b"hi");
        }
        assert_eq!(Encoding::Base64.encode(b"hi"), "aGk=");
        for bad in ["aGk==", "a", "a b=", "aGk\n"] {
            assert!(Encoding::Base64.decode(bad.into()).is_err(), "{bad}");
        }
    }
}
