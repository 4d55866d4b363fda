//! The messages of a SCRAM client, taken apart as RFC 5802 writes them. Not here: what they prove.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::NAME_MAX;
use super::error::AuthError;

/// `gs2-header client-first-message-bare`: who the client is, and its nonce.
#[derive(Debug)]
pub(super) struct ClientFirst<'a> {
    /// "n,", perhaps an authorisation identity, and ",".
    pub(super) header: &'a str,
    /// All behind the header: a part of what is signed, and so taken as it came.
    pub(super) bare: &'a str,
    /// Who the client asked to be, if it did.
    pub(super) asked: Option<String>,
    pub(super) name: String,
    pub(super) nonce: &'a str,
}

/// The proof, and all that it covers.
#[derive(Debug)]
pub(super) struct ClientFinal<'a> {
    /// What the client says that its header was, decoded.
    pub(super) header: Vec<u8>,
    /// The client's nonce and the broker's, one behind the other.
    pub(super) nonce: &'a str,
    /// All in front of the proof: a part of what is signed.
    pub(super) without_proof: &'a str,
    pub(super) proof: Vec<u8>,
}

impl<'a> ClientFirst<'a> {
    /// Only "n" is taken for channel binding, as in Kafka: "p" needs what TLS does not give here, and "y" claims that
    /// the broker offered none while the client could, which no client of Kafka says.
    ///
    /// Source: RFC 5802, 7; Kafka `ScramMessages.ClientFirstMessage`, whose names are of ASCII only.
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, AuthError> {
        let text = text(message)?;
        let (flag, behind) = text.split_once(',').ok_or(malformed("expected a gs2 header"))?;
        match flag {
            "n" => {}
            "y" => return Err(AuthError::ChannelBinding { flag: 'y' }),
            _ if flag.starts_with("p=") => return Err(AuthError::ChannelBinding { flag: 'p' }),
            _ => return Err(malformed("expected a gs2 header")),
        }
        let (asked, bare) = behind.split_once(',').ok_or(malformed("expected a gs2 header"))?;
        let asked = match asked {
            "" => None,
            asked => {
                let asked = asked.strip_prefix("a=").ok_or(malformed("expected an identity"))?;
                Some(sasl_name(asked)?)
            }
        };
        let mut attributes = bare.split(',');
        let first = attributes.next().unwrap_or_default();
        if first.starts_with("m=") {
            return Err(AuthError::MandatoryExtension);
        }
        let name = sasl_name(first.strip_prefix("n=").ok_or(malformed("expected a name"))?)?;
        let nonce = nonce(attributes.next())?;
        for extension in attributes {
            let (key, value) = extension_of(extension)?;
            if key == "tokenauth" && value.eq_ignore_ascii_case("true") {
                return Err(AuthError::DelegationToken { name });
            }
        }
        Ok(Self { header: &text[..text.len() - bare.len()], bare, asked, name, nonce })
    }
}

impl<'a> ClientFinal<'a> {
    /// Source: RFC 5802, 7.
    pub(super) fn parse(message: &'a [u8]) -> Result<Self, AuthError> {
        let text = text(message)?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or(malformed("expected a proof"))?;
        let proof = STANDARD.decode(proof).map_err(|_| malformed("expected a proof in base64"))?;
        let mut attributes = without_proof.split(',');
        let header = attributes.next().and_then(|first| first.strip_prefix("c="));
        let header = header.ok_or(malformed("expected a channel binding"))?;
        let header =
            STANDARD.decode(header).map_err(|_| malformed("expected a channel binding in base64"))?;
        let nonce = nonce(attributes.next())?;
        for extension in attributes {
            extension_of(extension)?;
        }
        Ok(Self { header, nonce, without_proof, proof })
    }
}

/// A name as it stands in a message, where "=2C" is a comma and "=3D" is "=".
pub(super) fn sasl_name(written: &str) -> Result<String, AuthError> {
    if written.is_empty() {
        return Err(AuthError::Missing { what: "username" });
    }
    if written.len() > NAME_MAX {
        return Err(malformed("expected a shorter name"));
    }
    let mut pieces = written.split('=');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (stands_for, rest) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            (None, None) => return Err(malformed("expected =2C or =3D in a name")),
        };
        name.push(stands_for);
        name.push_str(rest);
    }
    Ok(name)
}

const fn malformed(what: &'static str) -> AuthError {
    AuthError::Malformed { what }
}

fn text(message: &[u8]) -> Result<&str, AuthError> {
    let text = str::from_utf8(message).map_err(|_| malformed("expected UTF-8"))?;
    if text.contains('\0') {
        return Err(malformed("expected no NUL"));
    }
    Ok(text)
}

fn nonce(attribute: Option<&str>) -> Result<&str, AuthError> {
    let nonce = attribute.and_then(|attribute| attribute.strip_prefix("r="));
    let is_printable = |nonce: &&str| !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic());
    nonce.filter(is_printable).ok_or(malformed("expected a nonce"))
}

fn extension_of(attribute: &str) -> Result<(&str, &str), AuthError> {
    let parts = attribute.split_once('=').filter(|(key, value)| {
        !key.is_empty() && !value.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    parts.ok_or(malformed("expected an extension"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_first(message: &str) -> AuthError {
        ClientFirst::parse(message.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_first_message_is_taken_apart_as_it_came() {
        let first = ClientFirst::parse(b"n,a=b=2Cc,n=a=3Db=2Cc,r=fyko,x=y=z").unwrap();
        assert_eq!((first.header, first.bare), ("n,a=b=2Cc,", "n=a=3Db=2Cc,r=fyko,x=y=z"));
        assert_eq!((first.asked.as_deref(), first.name.as_str()), (Some("b,c"), "a=b,c"));
        assert_eq!(first.nonce, "fyko");
        assert_eq!(ClientFirst::parse("n,,n=jürgen,r=f".as_bytes()).unwrap().name, "jürgen");
    }

    #[test]
    fn channel_binding_is_refused_as_kafka_refuses_it() {
        assert_eq!(refused_first("y,,n=a,r=f"), AuthError::ChannelBinding { flag: 'y' });
        assert_eq!(refused_first("p=tls-unique,,n=a,r=f"), AuthError::ChannelBinding { flag: 'p' });
    }

    #[test]
    fn extensions_are_passed_over_unless_they_must_not_be() {
        assert_eq!(refused_first("n,,m=x,n=a,r=f"), AuthError::MandatoryExtension);
        for written in ["true", "TRUE"] {
            let token = AuthError::DelegationToken { name: "a".to_owned() };
            assert_eq!(refused_first(&format!("n,,n=a,r=f,tokenauth={written}")), token);
        }
        assert!(ClientFirst::parse(b"n,,n=a,r=f,tokenauth=false").is_ok());
    }

    #[test]
    fn a_first_message_out_of_form_is_refused() {
        for message in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=a",
            "n,,r=f,n=a",
            "n,,n=a,r=",
            "n,,n=a,r=a b",
            "n,,n=a=2c,r=f",
            "n,,n=a=,r=f",
            "n,,n=a,r=f,",
            "n,,n=a,r=f,1=2",
            "n,,n=a,r=f,k=",
            "n,b,n=a,r=f",
            "x,,n=a,r=f",
            "n,,n=a\0b,r=f",
            " n,,n=a,r=f",
        ] {
            assert!(matches!(refused_first(message), AuthError::Malformed { .. }), "{message:?}");
        }
        for message in ["n,,n=,r=f", "n,a=,n=a,r=f"] {
            assert_eq!(refused_first(message), AuthError::Missing { what: "username" });
        }
        let long = format!("n,,n={},r=f", "a".repeat(NAME_MAX + 1));
        assert_eq!(refused_first(&long), malformed("expected a shorter name"));
    }

    #[test]
    fn a_final_message_is_split_in_front_of_the_last_proof() {
        let last = ClientFinal::parse(b"c=biws,r=fy3r,x=y,p=AAEC").unwrap();
        assert_eq!((last.header.as_slice(), last.nonce), (b"n,,".as_slice(), "fy3r"));
        assert_eq!((last.without_proof, last.proof.as_slice()), ("c=biws,r=fy3r,x=y", [0, 1, 2].as_slice()));
    }

    #[test]
    fn a_final_message_out_of_form_is_refused() {
        for message in [
            "",
            "c=biws",
            "c=biws,r=f",
            "c=biws,p=AAEC",
            "c=biws,r=f,p=AAE",
            "c=biws,r=f,p=AA-_",
            "c=b!ws,r=f,p=AAEC",
            "r=f,c=biws,p=AAEC",
            "c=biws,r=f,p=AAEC,x=y",
            "c=biws,r=,p=AAEC",
            "c=biws,r=f,x,p=AAEC",
        ] {
            let refused = ClientFinal::parse(message.as_bytes()).unwrap_err();
            assert!(matches!(refused, AuthError::Malformed { .. }), "{message:?}");
        }
    }
}
