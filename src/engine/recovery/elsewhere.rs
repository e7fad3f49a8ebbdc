//! A copy of an environment in another account or region: what its manifests say there. Pure.
//!
//! Guarantees: whatever names the first account or region names the other one, and what has to be there beforehand is
//! named for people. Nothing else of the manifests changes.

use std::sync::Arc;

use serde_json::{Value, json};

use super::RecoveryError;
use super::manifest::{Backup, PackageCopy};
use super::plan::POLICIES;
use super::rehydrate::Wish;
use crate::aws::partition;
use crate::kinds::environment;
use crate::model::Object;

/// Where a copy is built; what is not given stays as the first environment has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Elsewhere {
    /// The account, as 12 digits.
    pub account_id: Option<String>,
    /// The region, as `eu-west-1`.
    pub region: Option<String>,
    /// The role that is assumed there. The first environment's is of its own account.
    pub role_arn: Option<String>,
    /// The bucket for packages. Lambda takes code from a bucket of its own region alone:
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html>.
    pub artifacts: Option<String>,
}

/// An account and a region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// 12 digits.
    pub account: String,
    /// As `us-east-1`.
    pub region: String,
}

impl Place {
    /// Reads what a backup says, as `123456789012/us-east-1`.
    pub fn read(text: &str) -> Self {
        let (account, region) = text.split_once('/').unwrap_or((text, ""));
        Self { account: account.to_owned(), region: region.to_owned() }
    }
}

/// The way of a copy from one place to another.
pub struct There<'a> {
    wanted: &'a Elsewhere,
    from: Place,
    to: Place,
}

impl<'a> There<'a> {
    /// What is asked for, where that is another place than the backup's. Refused where it cannot be done.
    pub fn of(backup: &Backup, wish: &'a Wish) -> Result<Option<Self>, RecoveryError> {
        let from = Place::read(&backup.place);
        let Some(wanted) = &wish.elsewhere else { return Ok(None) };
        let to = Place {
            account: wanted.account_id.clone().unwrap_or_else(|| from.account.clone()),
            region: wanted.region.clone().unwrap_or_else(|| from.region.clone()),
        };
        if to == from {
            return Ok(None);
        }
        let refused = |message: String| Err(RecoveryError::Refused(message));
        if wish.into.is_none() {
            let message = "in another account or region a copy is built: name it with --into";
            return refused(message.to_owned());
        }
        if wish.at.is_some() {
            let message = "another account or region has no tables that could come back to a time; leave --at out";
            return refused(message.to_owned());
        }
        if wanted.artifacts.is_none() && !backup.packages.is_empty() {
            let message = "functions and frontends take packages from a bucket of their own region and account: make one \
                           there with `trueup init --bucket NAME`, and name it with --into-artifacts";
            return refused(message.to_owned());
        }
        let has_none = backup.tables.iter().all(|t| t.export.is_none() && t.not_exported.is_none());
        if has_none && !backup.tables.is_empty() {
            return refused(format!(
                "backup {} has no items of its {} tables, and DynamoDB's own backups stay in their account and region. \
                 Where the environment is still there: set spec.recovery.backups.exportTables: true, and make another \
                 backup",
                backup.id,
                backup.tables.len()
            ));
        }
        Ok(Some(Self { wanted, from, to }))
    }

    /// Moves the manifests of a copy. Returns what has to be there beforehand, for people.
    pub fn relocate(&self, objects: &mut [Object]) -> Vec<String> {
        relocate(objects, self.wanted, &self.from, &self.to)
    }

    /// The packages of a backup, as they are to lie there.
    pub fn packages(&self, backup: &Backup) -> Vec<PackageCopy> {
        let mut packages = backup.packages.clone();
        for package in &mut packages {
            if let Some(bucket) = &self.wanted.artifacts {
                package.from.bucket.clone_from(bucket);
            }
            package.from.version = None;
        }
        packages
    }
}

fn relocate(
    objects: &mut [Object],
    elsewhere: &Elsewhere,
    from: &Place,
    to: &Place,
) -> Vec<String> {
    let mut needed = Vec::new();
    for object in objects {
        let id = object.id().to_string();
        let is_environment = object.kind == environment::NAME;
        let spec = Arc::make_mut(&mut object.spec);
        if is_environment {
            move_environment(spec, elsewhere, from, to);
            continue;
        }
        if let Some(bucket) = &elsewhere.artifacts {
            move_packages(spec, bucket);
        }
        let mut found = Vec::new();
        rewrite(spec, from, to, &mut found);
        let own = |field: &str| POLICIES.contains(&field);
        let fields = found.into_iter().filter(|(field, _)| !own(field));
        needed.extend(fields.map(|(field, text)| format!("{text} ({id} {field})")));
    }
    needed.sort();
    needed.dedup();
    needed
}

fn move_environment(spec: &mut Value, elsewhere: &Elsewhere, from: &Place, to: &Place) {
    let Some(fields) = spec.as_object_mut() else { return };
    let aws = fields.entry("aws").or_insert_with(|| json!({}));
    aws["region"] = json!(to.region);
    aws["accountId"] = json!(to.account);
    if let Some(aws) = aws.as_object_mut() {
        if from.account != to.account {
            aws.remove("roleArn");
            aws.remove("externalId");
        }
        aws.extend(elsewhere.role_arn.iter().map(|role| ("roleArn".to_owned(), json!(role))));
    }
    if let Some(bucket) = &elsewhere.artifacts {
        fields.insert("artifacts".to_owned(), json!({ "bucket": bucket }));
    }
}

/// Packages lie in the copy's own bucket, under versions of its own.
fn move_packages(spec: &mut Value, bucket: &str) {
    for field in ["code", "artifact"] {
        let Some(place) = spec.pointer_mut(&format!("/{field}/s3")) else { continue };
        place["bucket"] = json!(bucket);
        if let Some(place) = place.as_object_mut() {
            place.remove("version");
        }
    }
}

/// Rewrites every text, and says which fields had something to rewrite.
fn rewrite(value: &mut Value, from: &Place, to: &Place, found: &mut Vec<(String, String)>) {
    let Some(fields) = value.as_object_mut() else { return };
    for (field, value) in fields {
        rewrite_within(value, &mut |text| {
            let moved = moved(text, from, to)?;
            found.push((field.clone(), moved.clone()));
            Some(moved)
        });
    }
}

fn rewrite_within(value: &mut Value, moved: &mut impl FnMut(&str) -> Option<String>) {
    match value {
        Value::String(text) => {
            if let Some(moved) = moved(text) {
                *text = moved;
            }
        }
        Value::Array(values) => {
            values.iter_mut().for_each(|value| rewrite_within(value, moved));
        }
        Value::Object(fields) => {
            fields.values_mut().for_each(|value| rewrite_within(value, moved));
        }
        _ => {}
    }
}

/// A text whose ARNs and images of the first account are those of the other place; `None` where it has none.
fn moved(text: &str, from: &Place, to: &Place) -> Option<String> {
    let (before, after) = (partition(&from.region).0, partition(&to.region).0);
    let mut out = String::new();
    let mut rest = text;
    // arn:partition:service:region:account:resource
    while let Some(start) = rest.find("arn:") {
        let (plain, arn) = rest.split_at(start);
        out.push_str(plain);
        let parts: Vec<_> = arn.splitn(6, ':').collect();
        match parts[..] {
            ["arn", part, service, region, account, resource] if account == from.account => {
                let part = if part == before { after } else { part };
                let region = if region == from.region { &to.region } else { region };
                out.push_str(&format!("arn:{part}:{service}:{region}:{}:", to.account));
                rest = resource;
            }
            _ => {
                out.push_str("arn:");
                rest = &arn["arn:".len()..];
            }
        }
    }
    out.push_str(rest);
    let registry = |place: &Place| format!("{}.dkr.ecr.{}.", place.account, place.region);
    let out = out.replace(&registry(from), &registry(to));
    (out != text).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(account: &str, region: &str) -> Place {
        Place { account: account.to_owned(), region: region.to_owned() }
    }

    fn object(kind: &str, spec: Value) -> Object {
        serde_json::from_value(json!({
            "apiVersion": "trueup.dev/v1alpha1", "kind": kind, "spec": spec,
            "metadata": {"name": "it", "namespace": "copy"},
        }))
        .unwrap()
    }

    #[test]
    fn what_names_the_first_account_or_region_names_the_other_one() {
        let (from, to) = (place("111111111111", "us-east-1"), place("222222222222", "eu-west-1"));
        for (text, expected) in [
            ("arn:aws:iam::111111111111:role/api", Some("arn:aws:iam::222222222222:role/api")),
            (
                "arn:aws:lambda:us-east-1:111111111111:layer:log:3",
                Some("arn:aws:lambda:eu-west-1:222222222222:layer:log:3"),
            ),
            (
                "arn:aws:sns:ap-south-1:111111111111:far",
                Some("arn:aws:sns:ap-south-1:222222222222:far"),
            ),
            (
                "111111111111.dkr.ecr.us-east-1.amazonaws.com/api@sha256:00",
                Some("222222222222.dkr.ecr.eu-west-1.amazonaws.com/api@sha256:00"),
            ),
            ("arn:aws:lambda:us-east-1:333333333333:layer:others:1", None),
            ("arn:aws:s3:::assets", None),
            ("learn: 111111111111", None),
        ] {
            assert_eq!(moved(text, &from, &to).as_deref(), expected, "{text}");
        }
        let china = place("222222222222", "cn-north-1");
        let role = moved("arn:aws:iam::111111111111:role/api", &from, &china);
        assert_eq!(role.as_deref(), Some("arn:aws-cn:iam::222222222222:role/api"));
    }

    #[test]
    fn a_copy_elsewhere_is_reached_by_its_own_role_and_has_packages_of_its_own() {
        let (from, to) = (place("111111111111", "us-east-1"), place("222222222222", "eu-west-1"));
        let mut objects = [
            object(
                "Environment",
                json!({
                    "aws": {"roleArn": "arn:aws:iam::111111111111:role/trueup", "externalId": "x"},
                    "artifacts": {"bucket": "first"},
                }),
            ),
            object(
                "Function",
                json!({
                    "role": "arn:aws:iam::111111111111:role/api",
                    "code": {"s3": {"bucket": "first", "key": "api.zip", "version": "v1"}},
                }),
            ),
            object(
                "Table",
                json!({"resourcePolicy": "arn:aws:dynamodb:us-east-1:111111111111:table/it"}),
            ),
        ];
        let elsewhere = Elsewhere { artifacts: Some("second".to_owned()), ..Elsewhere::default() };
        let needed = relocate(&mut objects, &elsewhere, &from, &to);
        let specs: Vec<_> = objects.iter().map(|object| (*object.spec).clone()).collect();
        assert_eq!(
            specs[0],
            json!({
                "aws": {"region": "eu-west-1", "accountId": "222222222222"},
                "artifacts": {"bucket": "second"},
            })
        );
        let code = json!({"s3": {"bucket": "second", "key": "api.zip"}});
        assert_eq!(specs[1], json!({"role": "arn:aws:iam::222222222222:role/api", "code": code}));
        let policy = json!({"resourcePolicy": "arn:aws:dynamodb:eu-west-1:222222222222:table/it"});
        assert_eq!(specs[2], policy);
        assert_eq!(needed, ["arn:aws:iam::222222222222:role/api (Function/it role)"]);
    }
}
