//! `trueup completion`: a completion script for a shell.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Cli;

#[derive(Debug, Args)]
pub(super) struct CompletionArgs {
    shell: Shell,
}

pub(super) fn run(args: &CompletionArgs) {
    clap_complete::generate(args.shell, &mut Cli::command(), "trueup", &mut std::io::stdout());
}
