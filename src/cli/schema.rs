//! `trueup schema`: JSON Schemas for editors, CRDs for Kubernetes tools.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::CliError;
use super::out::say;
use crate::manifest::{crds, json_schema, kind_names};

#[derive(Debug, Args)]
pub(super) struct SchemaArgs {
    /// One kind; all where it is not given.
    kind: Option<String>,
    /// Print custom resource definitions instead, as YAML.
    #[arg(long)]
    crd: bool,
    /// Write a file for each kind into a directory, as kubeconform wants them.
    #[arg(short, long, value_name = "DIR", conflicts_with = "crd")]
    directory: Option<PathBuf>,
}

pub(super) fn run(args: &SchemaArgs) -> Result<(), CliError> {
    let wanted = match &args.kind {
        Some(kind) => vec![kind.as_str()],
        None => kind_names(),
    };
    if let Some(unknown) = wanted.iter().find(|kind| json_schema(kind).is_none()) {
        let known = kind_names().join(", ");
        return Err(CliError::usage(format!("there is no kind `{unknown}`; kinds are {known}")));
    }
    if args.crd {
        return print_crds(&wanted);
    }
    if let Some(directory) = &args.directory {
        return write_files(&wanted, directory);
    }
    let schema = match &wanted[..] {
        [one] => json_schema(one).cloned().unwrap_or_default(),
        all => combined(all),
    };
    say!("{}", pretty(&schema));
    Ok(())
}

/// One schema for files of any kind. Each kind's references stay within its own `$id`.
fn combined(kinds: &[&str]) -> Value {
    let schemas: Vec<_> = kinds
        .iter()
        .filter_map(|kind| {
            let mut schema = json_schema(kind)?.clone();
            schema["$id"] = json!(format!("https://trueup.dev/schemas/{kind}.json"));
            Some(schema)
        })
        .collect();
    json!({"$schema": "https://json-schema.org/draft/2020-12/schema", "anyOf": schemas})
}

fn write_files(kinds: &[&str], directory: &Path) -> Result<(), CliError> {
    std::fs::create_dir_all(directory)
        .map_err(|e| CliError::io(directory.display().to_string(), e))?;
    for kind in kinds {
        let path = directory.join(format!("{}.json", kind.to_lowercase()));
        let text = pretty(json_schema(kind).unwrap_or(&Value::Null)) + "\n";
        std::fs::write(&path, text).map_err(|e| CliError::io(path.display().to_string(), e))?;
        say!("{}", path.display());
    }
    Ok(())
}

fn print_crds(kinds: &[&str]) -> Result<(), CliError> {
    for crd in crds() {
        if kinds.contains(&crd["spec"]["names"]["kind"].as_str().unwrap_or_default()) {
            say!("---\n{}", super::show::yaml(&crd));
        }
    }
    Ok(())
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
