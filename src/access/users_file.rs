//! The file of users, lines of `name:password`: for PLAIN as it is, and to make the first SCRAM credentials of. Not
//! here: reading it from disk, and where credentials are kept.

use std::collections::BTreeMap;

use super::sasl::{NAME_MAX, Secret};

/// The largest file that is taken, in bytes.
const FILE_MAX: usize = 16 * 1024 * 1024;

/// Bits of a mode that let others in: all of them for others, writing and executing for the group. The group may read,
/// for so a container gets a secret that is mounted for a user who is not root.
const FORBIDDEN_MODE: u32 = 0o037;

/// Users and their passwords, in memory as they stand in the file.
#[derive(Clone, Debug)]
pub struct Users {
    passwords: BTreeMap<String, Secret>,
    /// Compared with when there is no such user, so that the time does not tell.
    nobody: Secret,
}

/// What is wrong with a file. Lines count from 1; no password is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsersFileError {
    #[error("mode {mode:04o} lets others in; 0600 is for its owner only, and 0640 for a group to read")]
    Mode { mode: u32 },
    #[error("a file of {bytes} bytes is longer than the {FILE_MAX} that are allowed")]
    TooLong { bytes: usize },
    #[error("line {line}: not in UTF-8")]
    Encoding { line: usize },
    #[error("line {line}: expected name:password")]
    NoColon { line: usize },
    #[error("line {line}: {what}")]
    Name { line: usize, what: &'static str },
    #[error("line {line}: {what}")]
    Password { line: usize, what: &'static str },
    #[error("line {line}: {name:?} has a password already, in line {first}")]
    Twice { line: usize, name: String, first: usize },
}

/// Whether a file with this `mode` (as `stat` has it; the kind of file does not matter) keeps its passwords to itself.
///
/// # Errors
/// [`UsersFileError::Mode`] if others may read or write it.
pub fn check_mode(mode: u32) -> Result<(), UsersFileError> {
    if mode & FORBIDDEN_MODE != 0 {
        return Err(UsersFileError::Mode { mode: mode & 0o7777 });
    }
    Ok(())
}

impl Users {
    /// Reads a file. The first colon ends the name; the password is all behind it up to the end of the line (LF or
    /// CRLF), blanks, colons and `#` included. Empty lines and lines that begin with `#` are passed over.
    ///
    /// # Errors
    /// The first line that is wrong: nobody is to find out by a failed login.
    pub fn parse(file: &[u8]) -> Result<Self, UsersFileError> {
        if file.len() > FILE_MAX {
            return Err(UsersFileError::TooLong { bytes: file.len() });
        }
        let mut passwords = BTreeMap::new();
        let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
        for (at, bytes) in file.split(|byte| *byte == b'\n').enumerate() {
            let line = at + 1;
            let text = str::from_utf8(bytes).map_err(|_| UsersFileError::Encoding { line })?;
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.trim().is_empty() || text.trim_start().starts_with('#') {
                continue;
            }
            let (name, password) = text.split_once(':').ok_or(UsersFileError::NoColon { line })?;
            check_name(name).map_err(|what| UsersFileError::Name { line, what })?;
            check_password(password).map_err(|what| UsersFileError::Password { line, what })?;
            if let Some(first) = lines.insert(name, line) {
                return Err(UsersFileError::Twice { line, name: name.to_owned(), first });
            }
            passwords.insert(name.to_owned(), Secret::new(password));
        }
        Ok(Self { passwords, nobody: Secret::new("") })
    }

    /// Whether `password` is that of user `name`. It takes about as long for a user who does not exist.
    pub fn check(&self, name: &str, password: &str) -> bool {
        let found = self.passwords.get(name);
        let fits = found.unwrap_or(&self.nobody).matches(password);
        fits && found.is_some()
    }

    /// All users with their passwords, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Secret)> {
        self.passwords.iter().map(|(name, password)| (name.as_str(), password))
    }

    pub fn len(&self) -> usize {
        self.passwords.len()
    }

    pub fn is_empty(&self) -> bool {
        self.passwords.is_empty()
    }
}

fn check_name(name: &str) -> Result<(), &'static str> {
    match name {
        "" => Err("no name in front of the colon"),
        _ if name.trim() != name => Err("blanks around the name"),
        _ if name.contains(char::is_control) => Err("a control character in the name"),
        _ if name.len() > NAME_MAX => Err("the name is too long"),
        _ => Ok(()),
    }
}

fn check_password(password: &str) -> Result<(), &'static str> {
    match password {
        "" => Err("no password behind the colon"),
        // PLAIN could not carry it.
        _ if password.contains('\0') => Err("a NUL in the password"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(file: &str) -> UsersFileError {
        Users::parse(file.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_line_is_a_name_and_all_behind_the_first_colon() {
        let file = b"# users\n\nalice:s3cret\r\n  # more\nbob: p:w #1 \njos\xC3\xA9:x\n";
        let users = Users::parse(file).unwrap();
        let all: Vec<_> = users.iter().map(|(name, password)| (name, password.reveal())).collect();
        assert_eq!(all, [("alice", "s3cret"), ("bob", " p:w #1 "), ("josé", "x")]);
        assert_eq!((users.len(), users.is_empty()), (3, false));
    }

    #[test]
    fn only_the_password_of_the_user_lets_the_user_in() {
        let users = Users::parse(b"alice:a\nbob:b").unwrap();
        assert!(users.check("alice", "a") && users.check("bob", "b"));
        for (name, password) in
            [("alice", "b"), ("bob", "a"), ("alice", ""), ("nobody", ""), ("", ""), ("nobody", "a")]
        {
            assert!(!users.check(name, password), "{name} {password}");
        }
    }

    #[test]
    fn an_error_has_the_line_and_never_the_password() {
        assert_eq!(refused("a:hunter2\nhunter2\n"), UsersFileError::NoColon { line: 2 });
        let twice = UsersFileError::Twice { line: 3, name: "a".to_owned(), first: 1 };
        assert_eq!(refused("a:hunter2\n\na:hunter2"), twice);
        for (file, line) in [(":hunter2", 1), ("#\n a:hunter2", 2), ("a :hunter2", 1), ("a\tb:hunter2", 1)] {
            assert!(
                matches!(refused(file), UsersFileError::Name { line: found, .. } if found == line),
                "{file}"
            );
        }
        for file in ["a:", "a:\r", "a:hun\0ter2"] {
            assert!(matches!(refused(file), UsersFileError::Password { line: 1, .. }), "{file:?}");
        }
        let encoding = Users::parse(b"a:hunter2\na:hunter2\xFF").unwrap_err();
        assert_eq!(encoding, UsersFileError::Encoding { line: 2 });
        for error in [refused("hunter2"), refused(":hunter2"), refused("a:hunter2\0"), twice, encoding] {
            assert!(!format!("{error:?} {error}").contains("hunter2"));
        }
        assert!(!format!("{:?}", Users::parse(b"a:hunter2").unwrap()).contains("hunter2"));
    }

    #[test]
    fn a_file_that_others_may_read_or_change_is_refused() {
        for mode in [0o600, 0o400, 0o640, 0o440, 0o100_600, 0o700] {
            assert_eq!(check_mode(mode), Ok(()), "{mode:o}");
        }
        for mode in [0o604, 0o602, 0o601, 0o620, 0o660, 0o644, 0o666, 0o777] {
            assert_eq!(check_mode(0o100_000 | mode), Err(UsersFileError::Mode { mode }));
        }
        assert!(check_mode(0o644).unwrap_err().to_string().starts_with("mode 0644"));
    }
}
