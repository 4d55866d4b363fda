//! Why a command ends before it is done, and with which exit code.

use std::io;

use crate::client::{ClientError, RecordsError};

use super::output::printable;

const REFUSED: u8 = 1;
const WRONG_USAGE: u8 = 2;

#[derive(Debug, thiserror::Error)]
pub(super) enum CliError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("{subject}: {source}")]
    Records { subject: String, source: RecordsError },
    #[error("{0}\nTry --help.")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    #[error("standard input: {0}")]
    Input(#[source] io::Error),
    #[error("standard output: {0}")]
    Output(#[source] io::Error),
    /// Whoever read standard output has seen enough, as in `| head`.
    #[error("nobody reads standard output any more")]
    ReaderGone,
}

/// For commands that try each of several things: the first no is the command's, further ones are told as they come.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    first: Option<CliError>,
}

impl Refusals {
    pub(super) fn keep(&mut self, error: impl Into<CliError>) {
        let error = error.into();
        if self.first.is_some() {
            eprintln!("bateau: {}", printable(&error.to_string()));
        } else {
            self.first = Some(error);
        }
    }

    /// # Errors
    /// The first no, if there was one.
    pub(super) fn outcome(self) -> Result<(), CliError> {
        self.first.map_or(Ok(()), Err)
    }
}

impl CliError {
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => WRONG_USAGE,
            Self::ReaderGone => 0,
            Self::Client(_) | Self::Records { .. } | Self::Failed(_) | Self::Input(_) | Self::Output(_) => {
                REFUSED
            }
        }
    }

    /// An error of writing to standard output.
    pub(super) fn output(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::Output(error) }
    }
}
