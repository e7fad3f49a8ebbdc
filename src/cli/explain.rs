//! `trueup explain`: what a field of a manifest is, as kubectl has it.

use clap::Args;

use super::out::say;
use super::selector;
use super::{CliError, show};
use crate::manifest::{Field, field};

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// A kind, or a field of it, as Function.url.authType.
    field: String,
}

pub(super) fn run(args: &ExplainArgs) -> Result<(), CliError> {
    let (kind, path) = args.field.split_once('.').unwrap_or((&args.field, ""));
    let kind = selector::kind(kind).map_err(CliError::usage)?;
    let path = if path.is_empty() { "spec" } else { path };
    let Some((found, below)) = field(kind, path) else {
        return Err(CliError::refused(unknown(kind, path)));
    };
    say!("KIND:     {kind}");
    say!("FIELD:    {} <{}>{}", found.path, found.kind, needed(&found));
    for limit in &found.limits {
        say!("LIMITS:   {limit}");
    }
    if !found.description.is_empty() {
        say!("\n{}", found.description);
    }
    if !below.is_empty() {
        say!("\nFIELDS:");
        let rows = below.iter().map(|field| {
            let name = field.path.rsplit('.').next().unwrap_or_default().to_owned();
            vec![format!("  {name}"), format!("<{}>{}", field.kind, needed(field)), brief(field)]
        });
        let shown = show::table(&["", "", ""], rows.collect());
        say!("{}", shown.lines().skip(1).collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

fn needed(field: &Field) -> &'static str {
    if field.is_required { " -required-" } else { "" }
}

/// The first sentence.
fn brief(field: &Field) -> String {
    let text = &field.description;
    let end = text.find(". ").or_else(|| text.find(": http"));
    show::brief(end.map_or(text.as_str(), |end| &text[..end]), 90)
}

/// The longest part of the path that there is, and what is below it.
fn unknown(kind: &str, path: &str) -> String {
    let names: Vec<_> = path.split('.').collect();
    let known = (0..names.len()).rev().map(|n| names[..n].join("."));
    let parent = known.map(|path| if path.is_empty() { "spec".to_owned() } else { path });
    let found = parent.into_iter().find_map(|parent| Some((field(kind, &parent)?.1, parent)));
    let Some((below, parent)) = found else { return format!("{kind} has no field `{path}`") };
    let names: Vec<_> = below.iter().filter_map(|f| f.path.rsplit('.').next()).collect();
    let near = crate::manifest::nearest(path.rsplit('.').next().unwrap_or(path), names.clone());
    let help = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("{parent} has {}", names.join(", ")),
    };
    format!("{kind} has no field `{path}`; {help}")
}
