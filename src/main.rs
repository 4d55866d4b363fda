//! The `bateau` binary: flags to [`Config`], [`Config`] to [`Agent`], signals to its end.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use bateau::agent::Agent;
use bateau::config::{Cli, Config, LogFormat};
use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// What a wrong configuration exits with, as clap's wrong flags do.
const WRONG_CONFIGURATION: u8 = 2;

fn main() -> ExitCode {
    let environment = std::env::var("BATEAU_SET").ok();
    let flags = Cli::parse().into_serve().with_set_from(environment.as_deref());
    let config = match Config::gather(flags) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    log_to_stderr(&config);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("bateau: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    runtime.block_on(serve(&config))
}

async fn serve(config: &Config) -> ExitCode {
    // Heard from the beginning: a signal that comes while the node starts ends it cleanly, too.
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        eprintln!("bateau: signals cannot be heard");
        return ExitCode::FAILURE;
    };
    let agent = match Agent::start(config).await {
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
    let (kafka, data) = (agent.kafka, agent.data_dir.display());
    tracing::info!(node = agent.node_id, %cluster, %kafka, %data, "serving");
    let said = writeln!(
        std::io::stdout(),
        "bateau {}, node {} of cluster {cluster}\n  kafka   {kafka}\n  data    {data}\n\
         try: echo hello | kcat -b {kafka} -t demo -P && kcat -b {kafka} -t demo -C -e",
        env!("CARGO_PKG_VERSION"),
        agent.node_id,
    );
    if let Err(error) = said {
        tracing::debug!(%error, "nobody reads standard output");
    }
}

fn log_to_stderr(config: &Config) {
    let filter = EnvFilter::new(config.log.as_deref().unwrap_or("info,openraft=error"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let lines = lines.with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        Some(LogFormat::Json) => lines.json().init(),
        Some(LogFormat::Text) | None => lines.with_target(false).init(),
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some errors name their cause themselves.
        if !text.contains(&said) {
            text = text + ": " + &said;
        }
        cause = error.source();
    }
    text
}
