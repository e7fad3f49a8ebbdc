//! `trueup completion`: what a shell runs to complete a command line, with the names that the store has.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::time::Duration;

use clap::{Arg, Args, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::Shells;

use super::{Cli, CliError, Connected, Home, out};
use crate::kinds::environment;

/// The variable by which the shell asks for candidates.
const VARIABLE: &str = "COMPLETE";

/// Whoever presses Tab does not wait longer for the store.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Candidates at most: more cannot be read.
const CANDIDATES_MAX: usize = 500;

#[derive(Debug, Args)]
pub(super) struct CompletionArgs {
    shell: Shell,
}

pub(super) fn run(args: &CompletionArgs) -> Result<(), CliError> {
    let named = args.shell.to_possible_value();
    let shells = Shells::builtins();
    let shell = named.as_ref().and_then(|shell| shells.completer(shell.get_name()));
    let unknown = || CliError::refused(format!("no completion is known for {}", args.shell));
    let mut script = Vec::new();
    shell
        .ok_or_else(unknown)?
        .write_registration(VARIABLE, "trueup", "trueup", "trueup", &mut script)
        .map_err(|error| CliError::io("cannot write the completion script", error))?;
    out::print(&String::from_utf8_lossy(&script))
}

/// Answers a shell that asks for candidates; returns otherwise.
pub fn answer_the_shell() {
    let command = || completed(Cli::command());
    clap_complete::CompleteEnv::with_factory(command).var(VARIABLE).complete();
}

/// A command and all below it, whose arguments know the names that they may have.
fn completed(command: Command) -> Command {
    command.mut_args(with_names).mut_subcommands(completed)
}

fn with_names(arg: Arg) -> Arg {
    match arg.get_id().as_str() {
        "environment" => arg.add(ArgValueCompleter::new(environments)),
        "object" => arg.add(ArgValueCompleter::new(objects)),
        _ => arg,
    }
}

/// Names of environments.
fn environments(typed: &OsStr) -> Vec<CompletionCandidate> {
    let names = async |connected: Connected| {
        let heads = connected.store.heads().await?;
        Ok(heads.into_iter().map(|(name, _)| name).collect())
    };
    begun_with(typed, ask(names))
}

/// Objects as Kind/name, of the environments that the command line names; of all where it names none.
fn objects(typed: &OsStr) -> Vec<CompletionCandidate> {
    let words: BTreeSet<String> = std::env::args().collect();
    let names = async |connected: Connected| {
        let mut ids = BTreeSet::new();
        let heads = connected.store.heads().await?;
        let is_named = heads.iter().any(|(name, _)| words.contains(name));
        for (name, head) in heads {
            if let (Ok(head), true) = (head, !is_named || words.contains(&name)) {
                let release = connected.store.current(&head).await?;
                let entries = release.objects.iter().filter(|e| e.kind != environment::NAME);
                ids.extend(entries.map(|entry| entry.id().to_string()));
            }
        }
        Ok(ids)
    };
    begun_with(typed, ask(names))
}

/// What the store says, where it says it soon. There is nobody to tell of a failure.
fn ask(
    names: impl AsyncFnOnce(Connected) -> Result<BTreeSet<String>, CliError>,
) -> BTreeSet<String> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return BTreeSet::new();
    };
    let asked = async {
        let connected = Connected::open(&Home::of_variables()).await?;
        names(connected).await
    };
    let answer = runtime.block_on(async { tokio::time::timeout(STORE_TIMEOUT, asked).await });
    answer.ok().and_then(Result::ok).unwrap_or_default()
}

fn begun_with(typed: &OsStr, names: BTreeSet<String>) -> Vec<CompletionCandidate> {
    let typed = typed.to_string_lossy();
    let fitting = names.into_iter().filter(|name| name.starts_with(&*typed));
    fitting.take(CANDIDATES_MAX).map(CompletionCandidate::new).collect()
}
