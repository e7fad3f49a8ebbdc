//! `trueup delete`: takes objects out of an environment. What happens to their resources is up to
//! their deletionPolicy.

use std::collections::BTreeMap;

use clap::Args;

use super::change::check_removals;
use super::out::say;
use super::provenance::ProvenanceArgs;
use super::{CliError, Connected};
use crate::kinds::environment;
use crate::model::{ObjectId, object_references};
use crate::store::Cause;

#[derive(Debug, Args)]
pub(super) struct DeleteArgs {
    environment: String,
    /// As Function/api.
    #[arg(required = true)]
    objects: Vec<ObjectId>,
    /// An object that may leave although it holds data, as Table/orders. May be repeated.
    #[arg(long, value_name = "KIND/NAME")]
    confirm: Vec<ObjectId>,
    #[command(flatten)]
    provenance: ProvenanceArgs,
}

pub(super) async fn run(connected: &Connected, args: &DeleteArgs) -> Result<(), CliError> {
    let name = &args.environment;
    let head = connected.store.existing_head(name).await?;
    let current = connected.current(name).await?;
    let mut statuses = connected.store.statuses(name).await?;
    let has_records = !statuses.is_empty();
    let mut taken_out = BTreeMap::new();
    for id in args.objects.iter().filter(|id| !current.objects.iter().any(|o| o.id() == **id)) {
        // It left the release, and is still there.
        let Some(status) = statuses.remove(id) else {
            return Err(CliError::refused(format!("{name} has no {id}; see `trueup get {name}`")));
        };
        taken_out.insert(id.clone(), status?.spec_digest);
    }
    let kept: Vec<_> =
        current.objects.iter().filter(|o| !args.objects.contains(&o.id())).cloned().collect();
    for object in &kept {
        let references = object_references(&object.spec);
        if let Some(reference) = references.iter().find(|r| args.objects.contains(&r.id())) {
            return Err(CliError::refused(format!(
                "{} refers to {}; delete both, or apply it without the reference first",
                object.id(),
                reference.id()
            )));
        }
    }
    let takes_environment = args.objects.iter().any(|id| &*id.kind == environment::NAME);
    if takes_environment && (has_records || !kept.is_empty()) {
        return Err(CliError::refused(format!(
            "Environment/{name} says where the other objects live; delete those first, wait with \
             `trueup wait {name} --for delete`, then delete it"
        )));
    }
    let digests = taken_out.values().filter(|digest| !digest.is_empty()).cloned().collect();
    let mut before = current.objects;
    before.extend(connected.store.objects(name, &digests).await?.into_values());
    check_removals(name, &before, &kept, &args.confirm)?;
    let mut new = args.provenance.release(Cause::Delete);
    new.objects = kept;
    new.confirmed = args.confirm.iter().cloned().collect();
    new.taken_out = taken_out.into_iter().filter(|(_, digest)| !digest.is_empty()).collect();
    let release = connected.store.record(name, Some(&head), current.release.as_ref(), new).await?;
    say!("{name} release {} recorded: {} removed", release.number, args.objects.len());
    Ok(())
}
