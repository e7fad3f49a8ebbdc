//! `trueup diff`: what the daemon would do, by the same observe, plan and check.

use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::comparison::{Comparison, Found};
use super::labels::Labels;
use super::out::note;
use super::proposal::{Proposal, Removable, propose, scope_of};
use super::{CliError, Connected, ManifestArgs};
use super::{out, show};
use crate::engine::release::{Current, moves_all};
use crate::engine::{Known, Preview, preview};
use crate::kinds::environment;
use crate::model::{Object, ObjectId};
use crate::store::content_digest;

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    #[command(flatten)]
    manifests: ManifestArgs,
    /// An environment as it is recorded, instead of manifests.
    #[arg(conflicts_with_all = ["files", "kustomize"])]
    environment: Option<String>,
    /// As with `apply --prune`.
    #[arg(long)]
    prune: bool,
    /// Observe every object of the environments, not only those that are given.
    #[arg(long)]
    all: bool,
    /// Only objects with these labels, as app=web,tier!=back.
    #[arg(short = 'l', long, value_name = "LABELS")]
    selector: Option<Labels>,
    /// As text, for machines, or for a comment on a pull request.
    #[arg(short, long, value_enum, default_value_t)]
    output: DiffOutput,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum DiffOutput {
    #[default]
    Text,
    Json,
    Yaml,
    Markdown,
}

pub(super) async fn run(connected: &Connected, args: &DiffArgs) -> Result<ExitCode, CliError> {
    if let Some(environment) = &args.environment {
        connected.store.existing_head(environment).await?;
        let current = connected.current(environment).await?;
        let leaving = leaving(connected, environment, &current.objects).await?;
        let mut asked = Asked { leaving: &leaving, ..Asked::all(&current) };
        asked.narrow(args.selector.as_ref());
        let compared = compare(connected, environment, asked).await?;
        let found = compared.found();
        print(&[compared], args.output)?;
        return Ok(exit_code(found));
    }
    let set = args.manifests.load(scope_of(args.prune))?;
    let mut comparisons = Vec::new();
    for proposal in propose(connected, &set, args.prune, Removable::All, &[], None).await? {
        comparisons
            .push(of_proposal(connected, &proposal, args.all, args.selector.as_ref()).await?);
    }
    print(&comparisons, args.output)?;
    Ok(exit_code(comparisons.iter().map(Comparison::found).max().unwrap_or(Found::Same)))
}

/// Objects that left the release and are still to be torn down.
async fn leaving(
    connected: &Connected,
    environment: &str,
    kept: &[Object],
) -> Result<Vec<Object>, CliError> {
    let statuses = connected.sound_statuses(environment).await?;
    let gone = statuses.iter().filter(|s| !kept.iter().any(|o| o.id() == s.id()));
    let digests = gone.map(|s| s.spec_digest.clone()).collect();
    Ok(connected.store.objects(environment, &digests).await?.into_values().collect())
}

/// What is to be observed.
struct Asked<'a> {
    objects: &'a [Object],
    leaving: &'a [Object],
    confirmed: BTreeSet<ObjectId>,
    confirmed_anew: BTreeSet<ObjectId>,
    /// The objects that are asked for; all where it is `None`.
    only: Option<BTreeSet<ObjectId>>,
}

impl<'a> Asked<'a> {
    /// Every object of the current release.
    fn all(current: &'a Current) -> Self {
        Self {
            objects: &current.objects,
            leaving: &[],
            confirmed: current.confirmed.clone(),
            confirmed_anew: current.confirmed.difference(&current.used).cloned().collect(),
            only: None,
        }
    }

    /// Leaves those that labels choose, of the objects that are asked for.
    fn narrow(&mut self, labels: Option<&Labels>) {
        let Some(labels) = labels else { return };
        let all = self.objects.iter().chain(self.leaving);
        let chosen = all.filter(|object| labels.choose(object)).map(Object::id);
        let is_asked = |id: &ObjectId| self.only.as_ref().is_none_or(|only| only.contains(id));
        self.only = Some(chosen.filter(is_asked).collect());
    }

    /// How many resources the environment has, asked for or not.
    fn resources(&self) -> usize {
        let all = self.objects.iter().chain(self.leaving);
        all.filter(|object| object.kind != environment::NAME).count()
    }
}

/// Observes what is given and what would leave; with `all` at the rest of the environment too.
pub(super) async fn of_proposal(
    connected: &Connected,
    proposal: &Proposal,
    all: bool,
    labels: Option<&Labels>,
) -> Result<Comparison, CliError> {
    let leaving = proposal.removed_objects();
    let given = proposal.given.iter().chain(&proposal.removed).cloned().collect();
    // What changes in the Environment may change every object.
    let all = all || moves_all(&proposal.current.objects, &proposal.objects);
    let mut asked = Asked {
        objects: &proposal.objects,
        leaving: &leaving,
        confirmed: proposal.confirmed(),
        confirmed_anew: proposal.confirmed_anew(),
        only: (!all).then_some(given),
    };
    asked.narrow(labels);
    compare(connected, &proposal.environment, asked).await
}

/// Changed objects that an apply looks at before it records them, and for how long at most: it does not keep a person
/// who only wants to record something.
const WARNED_OF_MAX: usize = 50;
const WARNED_WITHIN: Duration = Duration::from_secs(10);

/// Says to a person of changed objects what the daemon could not do as it is. A pipeline has no need of it: it waits for
/// the verdict, and its role may record and need not read.
pub(super) async fn warn_of_obstacles(connected: &Connected, proposal: &Proposal) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let before = &proposal.current.objects;
    let is_changed =
        |object: &&Object| object.kind != environment::NAME && !before.contains(object);
    let changed = proposal.objects.iter().filter(is_changed).map(Object::id);
    let only: BTreeSet<_> = changed.take(WARNED_OF_MAX).collect();
    if only.is_empty() {
        return;
    }
    let asked = Asked {
        objects: &proposal.objects,
        leaving: &[],
        confirmed: proposal.confirmed(),
        confirmed_anew: proposal.confirmed_anew(),
        only: Some(only),
    };
    let compared = compare(connected, &proposal.environment, asked);
    if let Ok(Ok(compared)) = tokio::time::timeout(WARNED_WITHIN, compared).await {
        compared.obstacles().iter().for_each(|obstacle| note!("warning: {obstacle}"));
    }
}

/// Observes every object of an environment as it is recorded.
pub(super) async fn observations(
    connected: &Connected,
    environment: &str,
) -> Result<Vec<Preview>, CliError> {
    let current = connected.current(environment).await?;
    let asked = Asked::all(&current);
    Ok(previews(connected, environment, &asked).await?.0)
}

/// What was observed, and whether the environment is suspended.
async fn previews(
    connected: &Connected,
    environment: &str,
    asked: &Asked<'_>,
) -> Result<(Vec<Preview>, bool), CliError> {
    let Asked { objects, leaving, confirmed, confirmed_anew, only } = asked;
    let store_id = connected.store.id().await?;
    let statuses = connected.sound_statuses(environment).await?;
    let sessions = &connected.sessions;
    let clock = connected.store.clock();
    let digests = statuses.iter().flat_map(|s| s.digests().cloned());
    let earlier = connected.store.objects(environment, &digests.collect()).await?;
    let is_resource = |id: &&ObjectId| *id.kind != *environment::NAME;
    let count = only.as_ref().map(|only| only.iter().filter(is_resource).count());
    let count = count.unwrap_or_else(|| asked.resources());
    let bar = out::progress(count, "comparing {wide_bar} {pos}/{len} objects");
    let head = connected.store.head(environment).await?;
    let rollout = match &head {
        Some(head) => connected.store.rollout(environment, head.release).await?,
        None => None,
    };
    let is_current = head.as_ref().is_some_and(|head| head.digest == content_digest(objects));
    let suspended = head.is_some_and(|head| head.suspended);
    let sources = connected.store.data_sources(environment).await?.into_iter();
    let sources = sources.map(|(id, source)| Ok((id, source?))).collect::<Result<_, CliError>>()?;
    let known = Known {
        store_id: &store_id,
        statuses: &statuses,
        clock,
        suspended,
        objects: earlier,
        confirmed: confirmed.clone(),
        confirmed_anew: confirmed_anew.clone(),
        sources,
        only: only.as_ref(),
        rollout: rollout.as_ref(),
        is_current,
        looked_at: &|| bar.inc(1),
    };
    let previews = preview(sessions, environment, objects, leaving, &known).await?;
    bar.finish_and_clear();
    Ok((previews, suspended))
}

async fn compare(
    connected: &Connected,
    environment: &str,
    asked: Asked<'_>,
) -> Result<Comparison, CliError> {
    let (previews, suspended) = previews(connected, environment, &asked).await?;
    Ok(Comparison::of(environment, suspended, asked.resources(), previews))
}

fn print(comparisons: &[Comparison], output: DiffOutput) -> Result<(), CliError> {
    let reports =
        || json!({"environments": comparisons.iter().map(Comparison::report).collect::<Vec<_>>()});
    match output {
        DiffOutput::Text => {
            comparisons.iter().try_for_each(|compared| out::print(&compared.text()))
        }
        DiffOutput::Markdown => {
            let texts: Vec<_> = comparisons.iter().map(Comparison::markdown).collect();
            out::print(&texts.join("\n"))
        }
        DiffOutput::Json => out::line(format_args!("{}", show::json(&reports()))),
        DiffOutput::Yaml => out::line(format_args!("{}", show::yaml(&reports()))),
    }
}

/// As `diff` itself has it: 0 same, 1 differs, 2 trouble, which a plan that is stuck is too.
fn exit_code(found: Found) -> ExitCode {
    match found {
        Found::Same => ExitCode::SUCCESS,
        Found::Differs => ExitCode::from(1),
        Found::Stuck | Found::Failed => ExitCode::from(2),
    }
}
