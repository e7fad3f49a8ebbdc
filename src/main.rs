use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    trueup::cli::Cli::parse().run().await
}
