//! Standard input in blocks of whole lines, read by a thread of its own.

use std::io::{self, Read};

use tokio::sync::mpsc;

const BLOCK: usize = 256 << 10;
/// Blocks that are read ahead.
const AHEAD: usize = 2;
/// The longest line. Brokers take no record that is nearly as large.
const LINE_MAX: usize = 128 << 20;

#[derive(Debug)]
pub(super) struct Input {
    blocks: mpsc::Receiver<io::Result<Vec<u8>>>,
    total: Option<u64>,
}

impl Input {
    pub(super) fn start() -> Self {
        let (tell, blocks) = mpsc::channel(AHEAD);
        let total = size_of_stdin();
        // Not one of the runtime's threads: it must not hold up the end while nobody types.
        std::thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut rest = Vec::new();
            loop {
                match next_block(&mut stdin, &mut rest) {
                    Ok(None) => return,
                    Ok(Some(block)) => {
                        if tell.blocking_send(Ok(block)).is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        // Whoever has stopped reading does not miss it.
                        _ = tell.blocking_send(Err(error));
                        return;
                    }
                }
            }
        });
        Self { blocks, total }
    }

    /// The next lines, whole; the last may lack its line feed. None at the end.
    pub(super) async fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        self.blocks.recv().await
    }

    /// How many bytes there are together, if that is known.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }
}

/// Reads until there is a whole line; what follows the last line feed stays in `rest`.
fn next_block(stdin: &mut impl Read, rest: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    loop {
        let begin = rest.len();
        rest.resize(begin + BLOCK, 0);
        let read = loop {
            match stdin.read(&mut rest[begin..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        rest.truncate(begin + read);
        if read == 0 {
            return Ok(if rest.is_empty() { None } else { Some(std::mem::take(rest)) });
        }
        if let Some(at) = rest[begin..].iter().rposition(|byte| *byte == b'\n') {
            let after = rest.split_off(begin + at + 1);
            return Ok(Some(std::mem::replace(rest, after)));
        }
        if rest.len() > LINE_MAX {
            return Err(io::Error::other(format!("a line is longer than {LINE_MAX} bytes")));
        }
    }
}

fn size_of_stdin() -> Option<u64> {
    let stat = rustix::fs::fstat(io::stdin()).ok()?;
    let is_file = rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::RegularFile;
    if is_file { u64::try_from(stat.st_size).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives a few bytes at a time.
    struct Dripping<'a>(&'a [u8]);

    impl Read for Dripping<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let count = self.0.len().min(3).min(buffer.len());
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    #[test]
    fn blocks_end_with_lines_however_the_input_comes() {
        let text = b"one\n\nthree and more\nlast";
        let (mut input, mut rest, mut blocks) = (Dripping(text), Vec::new(), Vec::new());
        while let Some(block) = next_block(&mut input, &mut rest).unwrap() {
            blocks.push(block);
        }
        assert_eq!(blocks.concat(), text);
        let (last, whole) = blocks.split_last().unwrap();
        assert!(whole.iter().all(|block| block.ends_with(b"\n")), "{blocks:?}");
        assert_eq!(last, b"last");
    }
}
