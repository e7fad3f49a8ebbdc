//! The `trueup` command.

use std::process::ExitCode;

use trueup::cli::{Cli, answer_the_shell};

fn main() -> ExitCode {
    // Before there is a runtime: whoever completes a word makes one of its own.
    answer_the_shell();
    match Cli::read() {
        Ok(cli) => cli.run(),
        Err(code) => code,
    }
}
