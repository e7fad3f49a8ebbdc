//! `trueup completion`: a completion script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, CliError, out};

#[derive(Debug, Args)]
pub(super) struct CompletionArgs {
    shell: Shell,
}

pub(super) fn run(args: &CompletionArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "trueup", &mut script);
    out::print(&String::from_utf8_lossy(&script))
}
