//! `trueup describe`: everything about one object, or about one release.

use clap::Args;

use super::get::{environment_rows, with_status};
use super::out::{note, say};
use super::picture::Picture;
use super::selector::object;
use super::show::{self, age, table};
use super::{CliError, Connected};
use crate::kinds::environment;
use crate::model::ObjectId;
use crate::store::Entry;

/// Releases searched for the one before.
const SEARCHED_MAX: usize = 1_000;
/// Events shown of one object.
const EVENTS_MAX: usize = 20;

#[derive(Debug, Args)]
pub(super) struct DescribeArgs {
    /// The environment; with its object in one word, as prod/Table/orders.
    environment: String,
    /// As Table/orders; a release as release/12.
    #[arg(value_parser = named)]
    object: Option<Named>,
}

/// What is described.
#[derive(Clone, Debug)]
enum Named {
    Object(ObjectId),
    Release(u64),
}

fn named(text: &str) -> Result<Named, String> {
    match text.split_once('/') {
        Some((kind, number)) if kind.eq_ignore_ascii_case("release") => {
            let number =
                number.parse().map_err(|_| format!("`{number}` is not a release's number"))?;
            Ok(Named::Release(number))
        }
        _ => object(text).map(Named::Object),
    }
}

impl DescribeArgs {
    /// The environment and what is described of it, however they were given.
    fn named(&self) -> Result<(&str, Named), CliError> {
        if let Some(object) = &self.object {
            return Ok((&self.environment, object.clone()));
        }
        let missing =
            || CliError::usage("name the object, as in `trueup describe prod Table/orders`");
        let (environment, rest) = self.environment.split_once('/').ok_or_else(missing)?;
        Ok((environment, named(rest).map_err(CliError::usage)?))
    }
}

pub(super) async fn run(connected: &Connected, args: &DescribeArgs) -> Result<(), CliError> {
    let (environment, id) = match args.named()? {
        (environment, Named::Object(id)) => (environment, id),
        (environment, Named::Release(number)) => {
            return describe_release(connected, environment, number).await;
        }
    };
    let head = connected.store.existing_head(environment).await?;
    let rows = environment_rows(connected, &head).await?;
    let Some(row) = rows.into_iter().find(|row| row.entry.id() == id) else {
        return Err(CliError::no_such_object(Some(environment), &id));
    };
    if let Some(damage) = &row.damage {
        note!("warning: {}: {damage}", id);
    }
    let digests = Some(row.entry.digest.clone()).filter(|digest| !digest.is_empty());
    let digests = digests.into_iter().collect();
    let objects = connected.store.objects(environment, &digests).await?;
    let now = connected.store.clock().now();
    for object in objects.values() {
        say!("{}", show::yaml(&with_status(object, &row)));
    }
    let events = connected.store.events(environment, 1000).await?;
    let named = id.to_string();
    let lines: Vec<_> = events
        .into_iter()
        .filter(|event| event.object == named)
        .take(EVENTS_MAX)
        .map(|e| {
            let count = if e.count > 1 { format!(" (x{})", e.count) } else { String::new() };
            vec![
                format!("{}{count}", age(e.last_seen, now)),
                format!("{:?}", e.kind),
                e.reason,
                e.message,
            ]
        })
        .collect();
    if lines.is_empty() {
        say!("\nno events");
    } else {
        say!("\n{}", table(&["LAST SEEN", "TYPE", "REASON", "MESSAGE"], lines));
    }
    Ok(())
}

/// A release: who made it, what it changed, and what it came to.
async fn describe_release(
    connected: &Connected,
    environment: &str,
    number: u64,
) -> Result<(), CliError> {
    let Connected { store, .. } = connected;
    let head = store.existing_head(environment).await?;
    let is_waiting = head.waiting() == Some(number);
    let release = match store.proposed(&head).await? {
        Some(waiting) if is_waiting => waiting,
        _ => store.release(environment, number).await?,
    };
    // Numbers that were proposed and never recorded are left out.
    let earlier = match is_waiting {
        true => Some(head.release),
        false => {
            let history = store.history(environment, SEARCHED_MAX).await?;
            let numbers = history.iter().map(|found| match found {
                Ok(release) => release.number,
                Err((number, _)) => *number,
            });
            numbers.filter(|earlier| *earlier < number).max()
        }
    };
    let before = match earlier {
        Some(earlier) => Some(store.release(environment, earlier).await?),
        None => None,
    };
    let promoted = release.promoted.as_ref();
    let fields = [
        ("Release", format!("{environment} {number}")),
        (
            "Recorded",
            if is_waiting { "not yet".to_owned() } else { release.created_at.to_string() },
        ),
        ("Cause", release.cause.to_string()),
        ("Author", release.author.clone()),
        ("Approved by", release.approved_by.clone().unwrap_or_default()),
        ("Commit", release.commit.clone()),
        ("Message", release.message.clone()),
        (
            "Promoted from",
            promoted.map(|p| format!("{} {}", p.environment, p.release)).unwrap_or_default(),
        ),
        ("Digest", release.digest.clone()),
    ];
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        say!("{:15}{value}", format!("{name}:"));
    }
    let changed = |entry: &Entry| {
        let known = before.iter().flat_map(|before| &before.objects).find(|e| e.id() == entry.id());
        match known {
            Some(known) if known.digest == entry.digest => "",
            Some(_) => "changed",
            None if before.is_some() => "new",
            None => "",
        }
    };
    let picture = Picture::read(connected, &head, number).await?;
    let lines = release.objects.iter().map(|entry| {
        let form: String = entry.digest.chars().take(12).collect();
        let (id, generation) = (entry.id().to_string(), entry.generation.to_string());
        let change = changed(entry);
        let is_resource = *entry.id().kind != *environment::NAME;
        let ready = picture.ready(&entry.id(), is_resource && !change.is_empty());
        vec![id, generation, form, change.to_owned(), ready]
    });
    say!("\n{}", table(&["OBJECT", "GENERATION", "DIGEST", "CHANGE", "READY"], lines.collect()));
    for left in release.left.iter().filter(|left| left.release == number) {
        say!("{} left", left.id());
    }
    say!("\n{}", picture.draw(&head, number, store.clock().now()));
    Ok(())
}
