//! Completions for shells, made from the command line itself.

use std::io::Write;

use clap_complete::Shell;

/// Writes the script that `shell` reads.
///
/// # Errors
/// What writing to `out` says; a reader that has gone is none.
pub fn write_completions(
    mut command: clap::Command,
    shell: Shell,
    out: &mut impl Write,
) -> std::io::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "bateau", &mut script);
    match out.write_all(&script).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
