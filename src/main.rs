use std::process::ExitCode;

use trueup::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::read() {
        Ok(cli) => cli.run().await,
        Err(code) => code,
    }
}
