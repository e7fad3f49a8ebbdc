//! `trueup new`: a manifest to begin with, with what its kind needs.

use clap::Args;

use super::out::say;
use super::{CliError, selector};

#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// Environment, Function, Frontend, Table or Bucket.
    kind: String,
    name: String,
    /// The environment that it belongs to.
    #[arg(short, long, default_value = "development")]
    namespace: String,
}

/// Editors with the YAML language server check the file by the schema that the next line makes.
const MODELINE: &str = "# yaml-language-server: $schema=./trueup.schema.json\n\
                        # trueup schema > trueup.schema.json\n";

pub(super) fn run(args: &NewArgs) -> Result<(), CliError> {
    let kind = selector::kind(&args.kind).map_err(CliError::usage)?;
    say!("{}", manifest(kind, &args.name, &args.namespace));
    Ok(())
}

fn manifest(kind: &str, name: &str, namespace: &str) -> String {
    let spec = match kind {
        "Function" => FUNCTION,
        "Frontend" => FRONTEND,
        "Table" => TABLE,
        "Bucket" => BUCKET,
        _ => ENVIRONMENT,
    };
    let whose =
        if spec == ENVIRONMENT { String::new() } else { format!(", namespace: {namespace}") };
    format!(
        "{MODELINE}apiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name}{whose} }}\nspec:\n{}",
        spec.trim_end()
    )
}

const ENVIRONMENT: &str = r#"  aws:
    region: us-east-1
    accountId: "123456789012"          # the daemon writes to no other account
  artifacts: { bucket: my-artifacts }  # `trueup init --bucket my-artifacts` makes it
"#;

const FUNCTION: &str = r"  runtime: nodejs22.x
  handler: main.handler
  role: arn:aws:iam::123456789012:role/my-role
  memorySize: 256                      # MB
  timeout: 15                          # seconds
  code: { path: dist }                 # a folder or a zip, beside this file
";

const FRONTEND: &str = r"  branch: { name: main, stage: DEVELOPMENT }
  artifact: { path: dist }             # a folder or a zip, beside this file
";

const TABLE: &str = r"  partitionKey: { name: id, type: S }
  billing: { mode: PAY_PER_REQUEST }
  pointInTimeRecovery: { enabled: true }
";

const BUCKET: &str = r"  versioning: Enabled
  publicAccessBlock:
    blockPublicAcls: true
    ignorePublicAcls: true
    blockPublicPolicy: true
    restrictPublicBuckets: true
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::kinds;
    use crate::manifest::{Scope, Source, Sources, load};

    #[test]
    fn every_new_manifest_is_valid_beside_a_new_environment() {
        let of_kinds = kinds().iter().map(|kind| kind.name());
        let all: Vec<_> = ["Environment"].into_iter().chain(of_kinds).collect();
        assert!(all.len() > 4, "{all:?}");
        for kind in all {
            let name = if kind == "Environment" { "development" } else { "mine" };
            let mut text = manifest(kind, name, "development");
            assert!(text.contains(&format!("kind: {kind}\n")), "{text}");
            if kind != "Environment" {
                let environment = manifest("Environment", "development", "development");
                text = format!("{text}\n---\n{environment}");
            }
            let (name, directory) = ("new.yaml".to_owned(), ".".into());
            let source = Source { name, text: text.clone(), directory };
            let loaded = load(Sources(vec![source]), None, Scope::Whole);
            assert!(loaded.is_ok(), "{kind}: {}", loaded.err().unwrap());
        }
    }
}
