//! What is legal, and hardly meant: warnings, which stop nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::handler;
use super::problem::nearest;
use super::{Problem, Set};
use crate::kinds::environment::{self, EnvironmentSpec};
use crate::model::Object;

/// Regions that have Lambda, from botocore's `endpoints.json` of version 1.43.11.
const REGIONS: [&str; 46] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

/// Runtimes that AWS does not support any more:
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html>; the last of them, nodejs18.x and
/// python3.9, since September and December 2025 (terraform-linters/tflint-ruleset-aws, pull request 969).
const UNSUPPORTED: [&str; 24] = [
    "dotnet6",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "go1.x",
    "java8",
    "nodejs",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "nodejs18.x",
    "nodejs4.3",
    "nodejs6.10",
    "nodejs8.10",
    "provided",
    "python2.7",
    "python3.6",
    "python3.7",
    "python3.8",
    "python3.9",
    "ruby2.5",
    "ruby2.7",
];

/// Runtimes that AWS supports, with those above all of the enum `Runtime` of botocore's model of Lambda, version
/// 1.43.11.
const SUPPORTED: [&str; 22] = [
    "dotnet10",
    "dotnet8",
    "java11",
    "java17",
    "java21",
    "java25",
    "java8.al2",
    "nodejs20.x",
    "nodejs22.x",
    "nodejs24.x",
    "nodejs4.3-edge",
    "provided.al2",
    "provided.al2023",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "ruby3.2",
    "ruby3.3",
    "ruby3.4",
    "ruby4.0",
];

/// What is against a runtime, if anything.
fn against_runtime(runtime: &str) -> Option<String> {
    if UNSUPPORTED.contains(&runtime) {
        return Some(format!("AWS does not support the runtime {runtime} any more"));
    }
    if SUPPORTED.contains(&runtime) {
        return None;
    }
    let near = nearest(runtime, SUPPORTED).map(|near| format!("; did you mean {near}?"));
    let near = near.unwrap_or_default();
    Some(format!("this version of trueup does not know the runtime {runtime}{near}"))
}

/// Every warning about a set.
pub(super) fn advise(set: &Set) -> Vec<Problem> {
    let accounts: BTreeMap<_, _> = set.objects().filter_map(account_of).collect();
    let mut all = Vec::new();
    for (index, (object, directory)) in set.with_directories().enumerate() {
        let mut warn = |pointer: &str, title: String| {
            all.push(set.problem(index, pointer, format!("{}: {title}", object.id())));
        };
        let text = |pointer: &str| object.spec.pointer(pointer).and_then(Value::as_str);
        if object.kind == environment::NAME {
            if let Some(title) = text("/aws/region").and_then(region) {
                warn("/spec/aws/region", title);
            }
            continue;
        }
        if let Some(title) = text("/runtime").and_then(against_runtime) {
            warn("/spec/runtime", title);
        }
        let accounts = text("/role").and_then(role_account).zip(accounts.get(object.environment()));
        if let Some((of_role, account)) = accounts.filter(|(role, account)| role != *account) {
            // Lambda answers "Cross-account pass role is not allowed": serverless/serverless, issue 3374.
            let title = format!(
                "its role belongs to account {of_role} and its Environment to {account}; Lambda takes roles of \
                 its own account only"
            );
            warn("/spec/role", title);
        }
        if let Some(layer) = twice(object.spec.get("layers").and_then(Value::as_array)) {
            // "Two different versions of the same layer are not allowed", also where they are the same version:
            // https://github.com/ServerlessLife/serverless-spy/issues/32.
            let title = format!("Lambda takes one version of a layer, and {layer} is named twice");
            warn("/spec/layers", title);
        }
        if let (Some(runtime), Some(handler), Some(path)) =
            (text("/runtime"), text("/handler"), text("/code/path"))
            && let Some(file) = handler::missing(runtime, handler, &directory.join(path))
        {
            let title = format!(
                "its handler {handler} needs the file {file} in {path}, which is not there; correct the handler, or build the code"
            );
            warn("/spec/handler", title);
        }
        for pointer in ["/code/path", "/artifact/path"] {
            if let Some(path) = text(pointer).filter(|path| !directory.join(path).exists()) {
                let title = format!("{path} is not there; `trueup apply` needs it");
                warn(&format!("/spec{pointer}"), title);
            }
        }
    }
    all
}

fn account_of(object: &Object) -> Option<(String, String)> {
    let is_environment = object.kind == environment::NAME;
    let spec = EnvironmentSpec::deserialize(&*object.spec).ok().filter(|_| is_environment)?;
    Some((object.environment().to_owned(), spec.target().account_id?))
}

/// The first layer that is named twice, in whatever versions.
fn twice(layers: Option<&Vec<Value>>) -> Option<&str> {
    let names = layers?.iter().filter_map(Value::as_str);
    let mut names = names.map(|arn| arn.rsplit_once(':').map_or(arn, |(name, _)| name));
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
}

fn role_account(role: &str) -> Option<String> {
    role.split(':').nth(4).filter(|account| account.len() == 12).map(str::to_owned)
}

fn region(region: &str) -> Option<String> {
    if REGIONS.contains(&region) {
        return None;
    }
    let help =
        nearest(region, REGIONS).map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Some(format!("this version of trueup does not know the region {region}{help}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_that_nobody_knows_is_named_with_the_one_that_was_meant() {
        assert_eq!(region("eu-central-1"), None);
        assert!(region("us-esat-1").unwrap().ends_with("did you mean us-east-1?"));
    }

    #[test]
    fn a_runtime_is_supported_was_supported_or_is_not_known() {
        for (runtime, expected) in [
            ("nodejs22.x", None),
            ("nodejs12.x", Some("AWS does not support the runtime nodejs12.x any more")),
            (
                "nodejs222.x",
                Some(
                    "this version of trueup does not know the runtime nodejs222.x; did you mean nodejs22.x?",
                ),
            ),
            ("cobol85", Some("this version of trueup does not know the runtime cobol85")),
        ] {
            assert_eq!(against_runtime(runtime).as_deref(), expected, "{runtime}");
        }
    }

    #[test]
    fn a_layer_that_is_named_in_two_versions_is_found() {
        let arn = |name: &str, version: u32| {
            Value::from(format!("arn:aws:lambda:us-east-1:123456789012:layer:{name}:{version}"))
        };
        let apart = vec![arn("a", 1), arn("b", 1)];
        let together = vec![arn("a", 1), arn("b", 1), arn("a", 2)];
        assert_eq!(twice(Some(&apart)), None);
        let expected = "arn:aws:lambda:us-east-1:123456789012:layer:a";
        assert_eq!(twice(Some(&together)), Some(expected));
    }

    #[test]
    fn the_account_of_a_role_is_in_its_arn() {
        let role = "arn:aws:iam::123456789012:role/api";
        assert_eq!(role_account(role).as_deref(), Some("123456789012"));
        assert_eq!(role_account("api"), None);
    }
}
