//! Passwords and tokens: from files, from the environment, or from somebody at the terminal. Never from the command line.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::cli::error::CliError;

const PASSWORD_VARIABLE: &str = "BATEAU_PASSWORD";
const SECRET_MAX: u64 = 64 << 10;
/// Bits of a mode that let others in; a group may read. As a broker's file of users has it.
const FORBIDDEN_MODE: u32 = 0o037;

/// That of `user`, to log in: of the file, or of the environment, or asked for.
pub(super) fn the_password(file: Option<&Path>, user: &str) -> Result<String, CliError> {
    if let Some(file) = file {
        return read_password(file);
    }
    match std::env::var(PASSWORD_VARIABLE) {
        Ok(password) if !password.is_empty() => Ok(password),
        _ => prompt(&format!("password of {user}: "))?.ok_or_else(|| {
            CliError::Usage(format!(
                "no password for {user}: give --password-file or {PASSWORD_VARIABLE}, since there is no terminal to ask at"
            ))
        }),
    }
}

/// The first line of `file`.
///
/// # Errors
/// If it is not there, others may read it, or it is empty.
pub(in crate::cli) fn read_password(file: &Path) -> Result<String, CliError> {
    let failed = |why: String| CliError::Failed(format!("{}: {why}", file.display()));
    let opened = File::open(file).and_then(|opened| Ok((opened.metadata()?, opened)));
    let (metadata, opened) = opened.map_err(|error| failed(error.to_string()))?;
    let mode = metadata.permissions().mode() & 0o777;
    // What is no file on disk, as in <(...), is nobody else's to read.
    if metadata.is_file() && mode & FORBIDDEN_MODE != 0 {
        return Err(failed(format!("mode {mode:04o} lets others read the password: chmod 600 it")));
    }
    let text = first_line(opened).map_err(|error| failed(error.to_string()))?;
    if text.is_empty() { Err(failed("there is no password in it".into())) } else { Ok(text) }
}

/// # Errors
/// If the file cannot be read, or there is no token in it.
pub(super) fn read_token(file: &Path) -> io::Result<String> {
    let failed = |why: &dyn std::fmt::Display| io::Error::other(format!("{}: {why}", file.display()));
    let text = File::open(file).and_then(first_line).map_err(|error| failed(&error))?;
    let token = text.trim();
    let is_token = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if is_token { Ok(token.to_owned()) } else { Err(failed(&"there is no token in it")) }
}

fn first_line(file: File) -> io::Result<String> {
    let mut text = String::new();
    file.take(SECRET_MAX).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Asks at the terminal, where nothing is shown; None if there is no terminal.
///
/// # Errors
/// If the terminal breaks, or whoever sits there gives up.
pub(in crate::cli) fn prompt(question: &str) -> Result<Option<String>, CliError> {
    let Ok(mut terminal) = File::options().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    let asked = terminal.write_all(question.as_bytes()).and_then(|()| {
        let quiet = Quiet::begin(&terminal)?;
        let answer = answer(&mut &terminal);
        drop(quiet);
        terminal.write_all(b"\n")?;
        answer
    });
    asked.map(Some).map_err(CliError::Input)
}

/// Bytes up to the end of the line. The terminal neither edits nor sends signals, so that its modes are put back in any case.
fn answer(terminal: &mut impl Read) -> io::Result<String> {
    const INTERRUPT: u8 = 3;
    const END: u8 = 4;
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        let read = terminal.read(&mut byte)?;
        match byte[0] {
            _ if read == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            b'\n' | b'\r' => break,
            INTERRUPT | END => return Err(io::Error::other("no password was given")),
            // Backspace takes a whole character.
            8 | 127 => while line.pop().is_some_and(|byte: u8| byte & 0xC0 == 0x80) {},
            byte if line.len() < SECRET_MAX as usize => line.push(byte),
            _ => return Err(io::Error::other("the password is too long")),
        }
    }
    String::from_utf8(line).map_err(|_| io::Error::other("the password is not in UTF-8"))
}

/// A terminal that shows nothing of what is typed, until this is gone.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut modes = before.clone();
        modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(terminal, OptionalActions::Flush, &modes)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // There is nobody to tell.
        _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_ends_with_the_line_and_backspace_takes_a_character() {
        assert_eq!(answer(&mut &b"pe\xC3\xA4\x7Fncil\nmore"[..]).unwrap(), "pencil");
        assert!(answer(&mut &b"pen\x03"[..]).is_err());
        assert!(answer(&mut &b"pen"[..]).is_err());
    }
}
