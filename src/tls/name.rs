//! Distinguished names as Java writes them, for that is what Kafka's principals are: `X500Principal.getName()`, RFC 2253.
//!
//! Source: RFC 2253 section 2; for what it leaves open (which strings are shown as such, what is escaped), what a JDK 17 printed.

use std::fmt::Write;

use x509_parser::asn1_rs::{Any, Tag, ToDer};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

const COMMON_NAME: &str = "2.5.4.3";
const SPECIAL: &str = ",=+<>#;\"\\";

/// Most specific first, with commas and no blanks between.
pub(super) fn rfc2253(name: &X509Name<'_>) -> String {
    let parts: Vec<String> =
        name.iter().map(|part| part.iter().map(attribute).collect::<Vec<_>>().join("+")).collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}

/// The last in the order of the certificate, which is the first as written above, and what Go takes.
pub(super) fn common_name(name: &X509Name<'_>) -> Option<String> {
    let of = |attribute: &AttributeTypeAndValue<'_>| attribute.attr_type().to_id_string() == COMMON_NAME;
    let last = name.iter_attributes().filter(|attribute| of(attribute)).last()?;
    let value = last.attr_value();
    let text = if value.tag() == Tag::BmpString { utf16(value.data) } else { shown(value)? };
    (!text.is_empty()).then_some(text)
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let id = attribute.attr_type().to_id_string();
    let value = attribute.attr_value();
    match (keyword(&id), shown(value)) {
        (Some(keyword), Some(text)) => format!("{keyword}={}", escaped(&text)),
        (keyword, _) => format!("{}=#{}", keyword.unwrap_or(&id), hex(value)),
    }
}

/// All that RFC 2253 has; others are written as numbers.
fn keyword(id: &str) -> Option<&'static str> {
    Some(match id {
        COMMON_NAME => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.9" => "STREET",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "0.9.2342.19200300.100.1.1" => "UID",
        "0.9.2342.19200300.100.1.25" => "DC",
        _ => return None,
    })
}

/// Java reads the bytes of all these as UTF-8, even of those that have another encoding.
fn shown(value: &Any<'_>) -> Option<String> {
    let is_text = matches!(
        value.tag(),
        Tag::Utf8String
            | Tag::PrintableString
            | Tag::T61String
            | Tag::Ia5String
            | Tag::GeneralString
            | Tag::BmpString
    );
    is_text.then(|| String::from_utf8_lossy(value.data).into_owned())
}

fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\0' => out.push_str("\\00"),
            _ if SPECIAL.contains(c) => out.extend(['\\', c]),
            _ => out.push(c),
        }
    }
    let blank = |c: char| matches!(c, ' ' | '\r');
    let inner = out.trim_matches(blank);
    if inner.len() == out.len() {
        return out;
    }
    let lead = out.len() - out.trim_start_matches(blank).len();
    let (before, rest) = out.split_at(lead);
    let (inner, after) = rest.split_at(inner.len());
    let each = |blanks: &str| blanks.chars().flat_map(|c| ['\\', c]).collect::<String>();
    format!("{}{inner}{}", each(before), each(after))
}

fn hex(value: &Any<'_>) -> String {
    let mut out = String::new();
    for byte in value.to_der_vec().unwrap_or_default() {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
    }
    out
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::FromDer;

    use super::*;

    /// What `new X500Principal(bytes).getName()` of a JDK 17 printed for each subject.
    const BY_JAVA: [(&str, &str); 18] = [
        (
            "3062310b30090603550406130244453110300e06035504080c0742617661726961310f300d06035504070c064d756e696368310d300b06035504\
             0a0c0441636d653110300e060355040b0c07556e6b6e6f776e310f300d06035504030c06636c69656e74",
            "CN=client,OU=Unknown,O=Acme,L=Munich,ST=Bavaria,C=DE",
        ),
        ("301a3118301606035504030c0f612b6222645c653c663e673b683d69", r#"CN=a\+b\"d\\e\<f\>g\;h\=i"#),
        ("301b3119301706035504030c10206c65616420616e6420747261696c20", r"CN=\ lead and trail\ "),
        ("3010310e300c06035504030c052368617368", r"CN=\#hash"),
        (
            "3032310d300b060355040a0c0441636d653121300d06035504030c06636c69656e743010060a0992268993f22c6401010c027531",
            "CN=client+UID=u1,O=Acme",
        ),
        (
            "30253114301206092a864886f70d01090116056140622e63310d300b06035504030c046d61696c",
            "CN=mail,1.2.840.113549.1.9.1=#16056140622e63",
        ),
        (
            "3081d431133011060a0992268993f22c6401191603636f6d31173015060a0992268993f22c64011916076578616d706c65310f300d0603550409\
             0c064d61696e203131133011060a0992268993f22c6401010c036a6f653115301306035504030c0c5a6fc3ab204dc3bc6c6c6572310b30090603\
             55040513023432310b3009060355040c0c024472310c300a06035504040c03537572310e300c060355042a0c05476976656e310b300906035504\
             110c023831310a3008060355042e130171310a3008060355042b0c0169310a3008060355042c0c0167",
            "2.5.4.44=#0c0167,2.5.4.43=#0c0169,2.5.4.46=#130171,2.5.4.17=#0c023831,2.5.4.42=#0c05476976656e,\
             2.5.4.4=#0c03537572,2.5.4.12=#0c024472,2.5.4.5=#13023432,CN=Zoë Müller,UID=joe,STREET=Main 1,DC=example,DC=com",
        ),
        ("301e310f300d06035504031e060062006d0070310b3009060355040a1e020078", r"O=\00x,CN=\00b\00m\00p"),
        ("300e310c300a060355040314035a6feb", "CN=Zo\u{fffd}"),
        ("300f310d300b0603550403120431322033", "CN=#120431322033"),
        ("300f310d300b06035504031c0400000041", "CN=#1c0400000041"),
        ("300e310c300a06035504030c03610062", r"CN=a\00b"),
        ("30123110300e06035504030c07200d2078200d20", "CN=\\ \\\r\\ x\\ \\\r\\ "),
        ("300b3109300706035504030c00", "CN="),
        ("300e310c300a06035504030c03202020", r"CN=\ \ \ "),
        ("300e310c300a06035504031b0367656e", "CN=gen"),
        ("300f310d300b06035504030c04c2a07809", "CN=\u{a0}x\t"),
        ("3000", ""),
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|digit| digit as u8).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn with_name<T>(hex: &str, f: impl Fn(&X509Name<'_>) -> T) -> T {
        let bytes = bytes(hex);
        f(&X509Name::from_der(&bytes).unwrap().1)
    }

    #[test]
    fn names_are_written_as_java_writes_them() {
        for (der, expected) in BY_JAVA {
            assert_eq!(with_name(der, rfc2253), expected, "{der}");
        }
    }

    #[test]
    fn the_common_name_is_the_last_one_and_never_empty() {
        let of = |der| with_name(der, common_name);
        assert_eq!(
            of("3021310e300c06035504030c056669727374310f300d06035504030c067365636f6e64").unwrap(),
            "second"
        );
        assert_eq!(of("301e310f300d06035504031e060062006d0070310b3009060355040a1e020078").unwrap(), "bmp");
        assert_eq!(of("300f310d300b060355040a0c044f6e6c79"), None);
        assert_eq!(of("300b3109300706035504030c00"), None);
    }
}
