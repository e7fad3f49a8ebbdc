//! The command line: one file a verb.
//!
//! Guarantees: what is asked for goes to standard output, everything else to standard error; colour
//! and progress only on a terminal; an error says what to do next; exit codes are 0 for done, 1 for
//! failed (for `diff`: differences), 2 for a wrong call (for `diff`: failed, or nothing can be done), 130 for
//! interrupted.

#![warn(missing_docs)]

mod apply;
mod approve;
mod backup;
mod comparison;
mod completion;
mod config;
mod confirm;
mod connect;
mod daemon;
mod delete;
mod describe;
mod diff;
mod doctor;
mod drill;
mod error;
mod events;
mod explain;
mod gc;
mod get;
mod health;
mod healthcheck;
mod history;
mod init;
mod jsonpath;
mod labels;
mod log;
mod members;
mod new;
mod out;
mod picture;
mod promote;
mod proposal;
mod provenance;
mod reconcile;
mod recovery;
mod rehydrate;
mod restore;
mod rollback;
mod rollout;
#[cfg(feature = "sandbox")]
mod sandbox;
mod schema;
mod selector;
mod show;
mod store;
mod suspend;
mod traces;
mod upload;
mod validate;
mod vault;
mod verify;
mod wait;
mod watching;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use completion::answer_the_shell;
pub use connect::{Connected, Home};
pub use error::CliError;

use config::Settings;

use crate::manifest::{Scope, Set, Sources, load};
use crate::model::has_hidden;
use crate::store::SigningKeys;

/// Keeps AWS deployments true to their manifests.
#[derive(Debug, Parser)]
#[command(name = "trueup", version, propagate_version = true)]
pub struct Cli {
    /// The DynamoDB table that holds the releases.
    #[arg(long, global = true, env = "TRUEUP_TABLE", default_value = crate::store::TABLE_DEFAULT)]
    table: String,
    /// The AWS region of that table; an environment names its own.
    #[arg(long, global = true, env = "AWS_REGION")]
    region: Option<String>,
    /// Keys that releases are signed with and checked by, one a line: the first signs, all are accepted.
    #[arg(long, global = true, env = "TRUEUP_SIGNING_KEY_FILE", value_name = "FILE")]
    signing_key_file: Option<PathBuf>,
    /// Colours: on a terminal, always or never.
    #[arg(
        long,
        global = true,
        env = "TRUEUP_COLOR",
        value_enum,
        default_value_t,
        value_name = "WHEN"
    )]
    color: out::Colour,
    /// Print long output at once: no pager.
    #[arg(
        long,
        global = true,
        env = "TRUEUP_NO_PAGER",
        value_parser = clap::builder::FalseyValueParser::new()
    )]
    no_pager: bool,
    #[command(subcommand)]
    verb: Verb,
    /// What the command line was read with.
    #[arg(skip)]
    read: Read,
}

/// `trueup.toml`, and the command line before it was made sense of.
#[derive(Debug, Default)]
struct Read {
    settings: Settings,
    matches: ArgMatches,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the table that holds the releases, and artifact buckets.
    Init(init::InitArgs),
    /// Check manifests without touching AWS.
    Validate(validate::ValidateArgs),
    /// Print JSON Schemas for editors, or CRDs for Kubernetes tools.
    Schema(schema::SchemaArgs),
    /// Print a manifest to begin with.
    New(new::NewArgs),
    /// Say what a kind or a field of a manifest is.
    Explain(explain::ExplainArgs),
    /// Record manifests as a release.
    Apply(apply::ApplyArgs),
    /// Show what the daemon would do.
    Diff(diff::DiffArgs),
    /// List objects and how they are.
    Get(get::GetArgs),
    /// Show everything about one object.
    Describe(describe::DescribeArgs),
    /// List what happened.
    Events(events::EventsArgs),
    /// List releases.
    History(history::HistoryArgs),
    /// Bring what was built for one environment to another.
    Promote(promote::PromoteArgs),
    /// Let a release through that waits for somebody else than its author.
    Approve(approve::ApproveArgs),
    /// Make an earlier release current again.
    Rollback(rollback::RollbackArgs),
    /// Show how far a release is, and decide what becomes of one that waits for a person.
    Rollout(rollout::RolloutArgs),
    /// Wait until objects are ready.
    Wait(wait::WaitArgs),
    /// Ask the daemon to reconcile right now.
    Reconcile(reconcile::ReconcileArgs),
    /// Stop writing to an environment's resources.
    Suspend(suspend::SuspendArgs),
    /// Write again.
    Resume(suspend::SuspendArgs),
    /// Take objects out of an environment.
    Delete(delete::DeleteArgs),
    /// Forget old releases, and delete the packages that only they name.
    Gc(gc::GcArgs),
    /// Make, list, check and delete backups of environments.
    Backup(backup::BackupArgs),
    /// Bring data back that is gone, or a table as it was beside itself.
    Restore(restore::RestoreArgs),
    /// Build a whole environment again from a backup.
    Rehydrate(rehydrate::RehydrateArgs),
    /// Rehearse a rehydration in a scratch environment, and measure it.
    Drill(drill::DrillArgs),
    /// Check credentials, rights, the store and the daemons.
    Doctor(doctor::DoctorArgs),
    /// Ask a daemon on this machine whether it lives, for the health checks of containers.
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Check every record of the store, and mend what can be mended.
    Store(store::StoreArgs),
    /// Run the daemon.
    Run(daemon::RunArgs),
    /// Serve an embedded AWS on loopback, with the daemon and the sample environments on it.
    #[cfg(feature = "sandbox")]
    Sandbox(sandbox::SandboxArgs),
    /// Print a completion script for a shell.
    Completion(completion::CompletionArgs),
    /// Show the settings and where they come from.
    Config(config::ConfigArgs),
}

impl Verb {
    /// It prints what a person reads, and ends.
    fn is_paged(&self) -> bool {
        match self {
            Self::Describe(_) | Self::Diff(_) | Self::Explain(_) | Self::History(_) => true,
            Self::Events(args) => !args.watch,
            Self::Get(args) => !args.watch,
            _ => false,
        }
    }
}

/// Where manifests come from.
#[derive(Debug, Args)]
struct ManifestArgs {
    /// A file, a directory with everything below it, or - for standard input. May be repeated.
    #[arg(short = 'f', long = "filename", value_name = "PATH")]
    files: Vec<PathBuf>,
    /// A kustomization, built with kubectl or kustomize.
    #[arg(short = 'k', long, value_name = "DIR")]
    kustomize: Option<PathBuf>,
    /// The environment of manifests that do not say theirs.
    #[arg(short, long)]
    namespace: Option<String>,
}

impl ManifestArgs {
    /// The files and folders that were given.
    fn paths(&self) -> Vec<PathBuf> {
        self.files.iter().chain(&self.kustomize).cloned().collect()
    }

    fn load(&self, scope: Scope) -> Result<Set, CliError> {
        if self.files.is_empty() && self.kustomize.is_none() {
            return Err(CliError::usage(
                "give manifests with -f PATH, or a kustomization with -k DIR",
            ));
        }
        let mut sources = Sources::default();
        for file in &self.files {
            sources.read(file)?;
        }
        if let Some(directory) = &self.kustomize {
            sources.kustomize(directory)?;
        }
        Ok(load(sources, self.namespace.as_deref(), scope)?)
    }
}

impl Cli {
    /// Reads the command line. What is wrong with it, or asked for by `--help`, is printed here.
    pub fn read() -> Result<Self, ExitCode> {
        let settings = Settings::find().map_err(|error| {
            error.print();
            ExitCode::from(error.exit_code())
        })?;
        Self::read_with(settings).map_err(|error| {
            let code = ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
            let repeats_hidden = error.use_stderr() && has_hidden(&error.to_string());
            if repeats_hidden {
                out::beside(format_args!("{}", error.to_string().trim_end()));
            } else {
                // Where it cannot be printed, there is nobody to tell.
                let _ = error.print();
            }
            code
        })
    }

    fn read_with(settings: Settings) -> Result<Self, clap::Error> {
        let matches = settings.command(Self::command()).try_get_matches()?;
        let cli = Self::from_arg_matches(&matches)?;
        Ok(Self { read: Read { settings, matches }, ..cli })
    }

    /// Does what was asked for. Errors are printed here.
    pub fn run(self) -> ExitCode {
        match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => {
                let code = runtime.block_on(self.run_here());
                // A name that is looked up cannot be interrupted, and nobody waits for its address any more.
                runtime.shutdown_background();
                code
            }
            Err(error) => {
                CliError::io("cannot start threads", error).print();
                ExitCode::FAILURE
            }
        }
    }

    async fn run_here(self) -> ExitCode {
        out::choose_colour(self.color);
        if !self.no_pager && self.verb.is_paged() {
            out::page();
        }
        let is_diff = matches!(self.verb, Verb::Diff(_));
        let ended = self.dispatch().await;
        out::end_page();
        match ended {
            Ok(code) => code,
            Err(error) => {
                error.print();
                ExitCode::from(if is_diff { 2 } else { error.exit_code() })
            }
        }
    }

    async fn dispatch(self) -> Result<ExitCode, CliError> {
        let keys = self.signing_key_file.as_deref().map(SigningKeys::read).transpose()?;
        // A person signs what they see; what is not signed may be anybody's. The daemon goes by its own flag.
        let builds_on_signed = match &self.verb {
            Verb::Run(args) => args.require_signature,
            _ => keys.is_some(),
        };
        let home = Home { table: self.table, region: self.region, keys, builds_on_signed };
        let connect = || Connected::open(&home);
        match self.verb {
            Verb::Validate(args) => validate::run(&args)?,
            Verb::Schema(args) => schema::run(&args)?,
            Verb::New(args) => new::run(&args)?,
            Verb::Explain(args) => explain::run(&args)?,
            Verb::Completion(args) => completion::run(&args)?,
            Verb::Config(args) => self.read.settings.run(&args, &self.read.matches)?,
            Verb::Doctor(args) => doctor::run(&home, &args).await?,
            Verb::Healthcheck(args) => healthcheck::run(&args).await?,
            Verb::Run(args) => daemon::run(args, &home).await?,
            #[cfg(feature = "sandbox")]
            Verb::Sandbox(args) => sandbox::run(args, home).await?,
            Verb::Init(args) => init::run(&Connected::new(&home).await?, &args).await?,
            Verb::Apply(args) => apply::run(&connect().await?, &args).await?,
            Verb::Diff(args) => return diff::run(&connect().await?, &args).await,
            Verb::Get(args) => get::run(&connect().await?, &args).await?,
            Verb::Describe(args) => describe::run(&connect().await?, &args).await?,
            Verb::Events(args) => events::run(&connect().await?, &args).await?,
            Verb::History(args) => history::run(&connect().await?, &args).await?,
            Verb::Promote(args) => promote::run(&connect().await?, &args).await?,
            Verb::Approve(args) => approve::run(&connect().await?, &args).await?,
            Verb::Rollback(args) => rollback::run(&connect().await?, &args).await?,
            Verb::Rollout(args) => rollout::run(&connect().await?, &args).await?,
            Verb::Wait(args) => wait::run(&connect().await?, &args).await?,
            Verb::Reconcile(args) => reconcile::run(&connect().await?, &args).await?,
            Verb::Suspend(args) => suspend::run(&connect().await?, &args, true).await?,
            Verb::Resume(args) => suspend::run(&connect().await?, &args, false).await?,
            Verb::Gc(args) => gc::run(&connect().await?, &args).await?,
            Verb::Store(args) => store::run(&connect().await?, &args).await?,
            Verb::Delete(args) => delete::run(&connect().await?, &args).await?,
            Verb::Backup(args) if args.needs_store() => {
                backup::run(&connect().await?, &args).await?;
            }
            Verb::Backup(args) => backup::run(&Connected::new(&home).await?, &args).await?,
            Verb::Restore(args) => restore::run(&connect().await?, &args).await?,
            // The store may be what is built again.
            Verb::Rehydrate(args) => {
                rehydrate::run(&Connected::new(&home).await?, &args).await?;
            }
            Verb::Drill(args) => drill::run(&connect().await?, &args).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
