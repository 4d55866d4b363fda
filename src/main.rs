//! The `bateau` binary: a node (flags to [`Config`], [`Config`] to [`Agent`], signals to its end), or a command for people.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use bateau::agent::{Agent, recover_metadata};
use bateau::cli;
use bateau::config::{Config, LogFormat, ServeFlags};
use bateau::model::SecurityProtocol;
use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use futures_util::future::BoxFuture;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What a wrong configuration exits with, as clap's wrong flags do.
const WRONG_CONFIGURATION: u8 = 2;

/// A Kafka-wire-compatible broker, and commands for any broker that speaks Kafka.
#[derive(Debug, Parser)]
#[command(name = "bateau", version, args_conflicts_with_subcommands = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a node (what `bateau` alone does, too)
    Serve(Box<ServeFlags>),
    #[command(flatten)]
    ForPeople(cli::Command),
    /// Print completions for a shell, as in: bateau completions bash > ~/.local/share/bash-completion/completions/bateau
    Completions { shell: Shell },
}

fn main() -> ExitCode {
    let CommandLine { command, serve } = CommandLine::parse();
    match command {
        None => run_node(serve),
        Some(Command::Serve(flags)) => run_node(*flags),
        Some(Command::ForPeople(command)) => match runtime() {
            Ok(runtime) => runtime.block_on(cli::run(command, on_stopped)),
            Err(code) => code,
        },
        Some(Command::Completions { shell }) => complete(shell),
    }
}

fn complete(shell: Shell) -> ExitCode {
    match cli::write_completions(CommandLine::command(), shell, &mut std::io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bateau: standard output: {error}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Result<Runtime, ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        eprintln!("bateau: no threads to run on: {error}");
        ExitCode::FAILURE
    })
}

fn run_node(flags: ServeFlags) -> ExitCode {
    let environment = std::env::var("BATEAU_SET").ok();
    let flags = flags.with_set_from(environment.as_deref());
    let config = match Config::gather(flags) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    log_to_stderr(&config);
    match runtime() {
        Ok(runtime) => runtime.block_on(serve(&config)),
        Err(code) => code,
    }
}

async fn serve(config: &Config) -> ExitCode {
    // Heard from the beginning: a signal that comes while the node starts ends it cleanly, too.
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        eprintln!("bateau: signals cannot be heard");
        return ExitCode::FAILURE;
    };
    let started = tokio::select! {
        started = Agent::start(config) => started,
        // It is not known to anybody yet, and everything that it wrote may end anywhere.
        _ = term.recv() => return ExitCode::SUCCESS,
        _ = int.recv() => return ExitCode::SUCCESS,
    };
    let agent = match started {
        Ok(agent) => agent,
        Err(error) => {
            eprintln!("bateau: {}", with_causes(&error));
            return ExitCode::FAILURE;
        }
    };
    announce(&agent);
    let code = tokio::select! {
        _ = term.recv() => ExitCode::SUCCESS,
        _ = int.recv() => ExitCode::SUCCESS,
        () = agent.failed() => {
            tracing::error!("votes cannot be kept: this node stops, since it might vote twice");
            ExitCode::FAILURE
        }
    };
    tracing::info!("stopping");
    agent.stop().await;
    tracing::info!("stopped");
    code
}

/// Says on standard output what listens where.
fn announce(agent: &Agent) {
    let cluster = agent.broker().cluster_id_text();
    let data = agent.data_dir.display();
    let http = agent.http().map_or_else(|| "off".into(), |http| http.to_string());
    tracing::info!(node = agent.node_id, %cluster, kafka = ?agent.kafka, %http, %data, "serving");
    let mut text =
        format!("bateau {}, node {} of cluster {cluster}\n", env!("CARGO_PKG_VERSION"), agent.node_id);
    for (name, protocol, address) in &agent.kafka {
        let shown = match protocol {
            SecurityProtocol::Plaintext => String::new(),
            protocol if protocol.name() == name => format!("  {name}"),
            protocol => format!("  {} ({name})", protocol.name()),
        };
        _ = writeln!(text, "  kafka   {address}{shown}");
    }
    if let Some(grpc) = agent.grpc {
        _ = writeln!(text, "  grpc    {grpc}");
    }
    _ = writeln!(text, "  http    {http}");
    _ = writeln!(text, "  data    {data}");
    if let [(_, SecurityProtocol::Plaintext, kafka)] = &agent.kafka[..] {
        _ = writeln!(text, "try: echo hello | kcat -b {kafka} -t demo -P && kcat -b {kafka} -t demo -C -e");
    }
    if let Err(error) = std::io::stdout().write_all(text.as_bytes()) {
        tracing::debug!(%error, "nobody reads standard output");
    }
}

fn log_to_stderr(config: &Config) {
    let filter = EnvFilter::new(
        config.log.as_deref().unwrap_or("info,openraft=off,memberlist_core=off,memberlist_net=off"),
    );
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        Some(LogFormat::Json) => lines.json().init(),
        Some(LogFormat::Text) | None => lines.with_target(false).init(),
    }
}

/// What `bateau cluster recover` does.
fn on_stopped(path: PathBuf, goes_alone: bool) -> BoxFuture<'static, Result<cli::StoppedNode, String>> {
    Box::pin(async move {
        let found = recover_metadata(&path, goes_alone).await.map_err(|error| with_causes(&error))?;
        Ok(cli::StoppedNode {
            node_id: found.identity.node_id,
            cluster_id: bateau::model::uuid_text(found.identity.cluster_id),
            last: found.last,
            applied: found.applied,
            voted_term: found.voted_term,
            voters: found.voters,
            alone: found.alone.map(|alone| (alone.term, alone.index)),
        })
    })
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors name their cause themselves.
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
