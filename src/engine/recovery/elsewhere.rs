//! A copy of an environment in another account or region: what its manifests say there. Pure.
//!
//! Guarantees: ARNs and images of the first account are those of the other one, and what has to be there beforehand is
//! named for people, with what names the first account or region all the same. Nothing else of the manifests changes.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::RecoveryError;
use super::manifest::{Backup, PackageCopy};
use super::rehydrate::Wish;
use crate::aws::partition;
use crate::engine::release::BUILT;
use crate::kinds::{S3Location, environment};
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
    /// What the role's trust policy asks for as external id.
    pub external_id: Option<String>,
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

/// What a copy takes that is built elsewhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Relocated {
    /// What has to be there beforehand, and what names the first account or region all the same; for people.
    pub needed: Vec<String>,
    /// The packages of its release, as they are to lie there.
    pub packages: Vec<PackageCopy>,
}

impl<'a> There<'a> {
    /// What is asked for, where that is another place than the backup's. Refused where it cannot be done.
    pub fn of(backup: &Backup, wish: &'a Wish) -> Result<Option<Self>, RecoveryError> {
        let Some(wanted) = &wish.elsewhere else { return Ok(None) };
        let from = Place::read(&backup.place);
        let to = Place {
            account: wanted.account_id.clone().unwrap_or_else(|| from.account.clone()),
            region: wanted.region.clone().unwrap_or_else(|| from.region.clone()),
        };
        match refusal(backup, wish, wanted, &from, &to) {
            Some(message) => Err(RecoveryError::Refused(message)),
            None => Ok(Some(Self { wanted, from, to })),
        }
    }

    /// Moves the manifests of a copy, whose resources have the names of `own`.
    pub fn relocate(&self, objects: &mut [Object], backup: &Backup, own: &[String]) -> Relocated {
        let mut relocated = Relocated::default();
        for object in objects {
            let id = object.id().to_string();
            let is_environment = object.kind == environment::NAME;
            let spec = Arc::make_mut(&mut object.spec);
            if is_environment {
                move_environment(spec, self.wanted, &self.from, &self.to);
                continue;
            }
            self.move_packages(spec, &id, backup, &mut relocated);
            for (field, value) in spec.as_object_mut().into_iter().flatten() {
                let mut found = Vec::new();
                self.rewrite(value, own, &mut found);
                let named = found.into_iter().map(|what| format!("{what} ({id} {field})"));
                relocated.needed.extend(named);
            }
        }
        relocated.needed.sort();
        relocated.needed.dedup();
        relocated
    }

    /// Packages lie in the copy's own bucket, each under a key of its own: two releases, or two buckets, may have had
    /// other bytes under the same one.
    fn move_packages(&self, spec: &mut Value, id: &str, backup: &Backup, out: &mut Relocated) {
        let Some(bucket) = &self.wanted.artifacts else { return };
        for field in BUILT {
            let Some(place) = spec.pointer_mut(&format!("/{field}/s3")) else { continue };
            let Ok(before) = S3Location::deserialize(&*place) else { continue };
            let Some(copy) = backup.packages.iter().find(|copy| copy.from == before) else {
                let what =
                    format!("s3://{}/{}, which is not in the backup", before.bucket, before.key);
                out.needed.push(format!("{what} ({id} {field})"));
                continue;
            };
            let is_by_digest = before.sha256.as_ref().is_some_and(|sha| before.key.contains(sha));
            let key = match is_by_digest {
                true => before.key.clone(),
                false => format!("{}/{}", &copy.key[..16.min(copy.key.len())], before.key),
            };
            place["bucket"] = json!(bucket);
            place["key"] = json!(key);
            if let Some(place) = place.as_object_mut() {
                place.remove("version");
            }
            let from = S3Location { bucket: bucket.clone(), key, version: None, ..before };
            let package = PackageCopy { from, ..copy.clone() };
            if !out.packages.contains(&package) {
                out.packages.push(package);
            }
        }
    }

    /// Rewrites every text below a field, and finds what has to be there.
    fn rewrite(&self, value: &mut Value, own: &[String], found: &mut Vec<String>) {
        match value {
            Value::String(text) => {
                let (moved, named) = self.moved(text);
                let is_own = |what: &String| own.iter().any(|name| what.contains(name.as_str()));
                found.extend(named.into_iter().filter(|what| !is_own(what)));
                if ["subnet-", "sg-", "vpc-"].iter().any(|prefix| moved.starts_with(prefix)) {
                    found.push(moved.clone());
                }
                let is_left = |first: &str, now: &str| first != now && moved.contains(first);
                if is_left(&self.from.account, &self.to.account) {
                    found.push(format!("it still names the account {}", self.from.account));
                }
                if is_left(&self.from.region, &self.to.region) {
                    found.push(format!("it still names the region {}", self.from.region));
                }
                *text = moved;
            }
            Value::Array(values) => {
                values.iter_mut().for_each(|value| self.rewrite(value, own, found));
            }
            Value::Object(fields) => {
                for (field, value) in fields {
                    self.rewrite(value, own, found);
                    if ["secretsManager", "ssm"].contains(&field.as_str()) {
                        found.push(format!("the secret {}", texts(value).join(" ")));
                    }
                }
            }
            _ => {}
        }
    }

    /// A text whose ARNs and images of the first account are those of the other place, and what it names there.
    fn moved(&self, text: &str) -> (String, Vec<String>) {
        let (from, to) = (&self.from, &self.to);
        let (mut out, mut named) = (String::new(), Vec::new());
        let mut rest = text;
        // arn:partition:service:region:account:resource
        while let Some(start) = rest.find("arn:") {
            let (plain, arn) = rest.split_at(start);
            out.push_str(plain);
            let parts: Vec<_> = arn.splitn(6, ':').collect();
            match parts[..] {
                ["arn", part, service, region, account, resource] if account == from.account => {
                    let region = if region == from.region { &to.region } else { region };
                    let begin = format!("arn:{part}:{service}:{region}:{}:", to.account);
                    let end = resource.find(|c: char| c.is_whitespace() || "\"',)]}".contains(c));
                    let (resource, after) = resource.split_at(end.unwrap_or(resource.len()));
                    let now = format!("{begin}{resource}");
                    if !arn.starts_with(&now) {
                        named.push(now);
                    }
                    out.push_str(&begin);
                    out.push_str(resource);
                    rest = after;
                }
                _ => {
                    out.push_str("arn:");
                    rest = &arn["arn:".len()..];
                }
            }
        }
        out.push_str(rest);
        let registry = |place: &Place| format!("{}.dkr.ecr.{}.", place.account, place.region);
        let moved = out.replace(&registry(from), &registry(to));
        if moved != out {
            named.push(moved.clone());
        }
        (moved, named)
    }
}

/// Why a copy cannot be built there.
fn refusal(
    backup: &Backup,
    wish: &Wish,
    wanted: &Elsewhere,
    from: &Place,
    to: &Place,
) -> Option<String> {
    let says = |text: &str| Some(text.to_owned());
    if to == from {
        return says(
            "the copy would be where the first environment is; leave --into-role, --into-external-id and \
             --into-artifacts out, or name another account or region with --into-account and --into-region",
        );
    }
    if partition(&to.region).0 != partition(&from.region).0 {
        return says(
            "S3 and DynamoDB copy nothing from one partition of AWS to another (aws, aws-cn, aws-us-gov)",
        );
    }
    let Some(into) = &wish.into else {
        return says("in another account or region a copy is built: name it with --into");
    };
    let has_bucket = backup.buckets.iter().any(|bucket| bucket.object.starts_with("Bucket/"));
    if *into == backup.environment && has_bucket {
        return says(
            "names of buckets are unique in all of AWS, and those of the first environment may be taken: name the copy \
             otherwise with --into",
        );
    }
    if wish.at.is_some() {
        return says(
            "another account or region has no tables that could come back to a time; leave --at out",
        );
    }
    let role_account = wanted.role_arn.as_deref().and_then(|role| role.split(':').nth(4));
    if role_account.is_some_and(|account| account != to.account) {
        return Some(format!("--into-role is of another account than {}", to.account));
    }
    if wanted.artifacts.is_none() && !backup.packages.is_empty() {
        return says(
            "functions and frontends take packages from a bucket of their own region and account: make one there with \
             `trueup init --bucket NAME`, and name it with --into-artifacts",
        );
    }
    let has_none = backup.tables.iter().all(|table| table.export.is_none());
    (has_none && !backup.tables.is_empty()).then(|| {
        format!(
            "backup {} has no items of its {} tables, and DynamoDB's own backups stay in their account and region. Where \
             the environment is still there: set spec.recovery.backups.exportTables: true, and make another backup",
            backup.id,
            backup.tables.len()
        )
    })
}

fn move_environment(spec: &mut Value, wanted: &Elsewhere, from: &Place, to: &Place) {
    let Some(fields) = spec.as_object_mut() else { return };
    let aws = fields.entry("aws").or_insert_with(|| json!({}));
    aws["region"] = json!(to.region);
    aws["accountId"] = json!(to.account);
    if let Some(aws) = aws.as_object_mut() {
        if from.account != to.account || wanted.role_arn.is_some() {
            aws.remove("roleArn");
            aws.remove("externalId");
        }
        let given = [("roleArn", &wanted.role_arn), ("externalId", &wanted.external_id)];
        let given = given.into_iter().filter_map(|(field, given)| Some((field, given.as_ref()?)));
        aws.extend(given.map(|(field, given)| (field.to_owned(), json!(given))));
    }
    if let Some(bucket) = &wanted.artifacts {
        fields.insert("artifacts".to_owned(), json!({ "bucket": bucket }));
    }
}

/// The texts directly below a value.
fn texts(value: &Value) -> Vec<&str> {
    value.as_object().into_iter().flatten().filter_map(|(_, text)| text.as_str()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::samples::backup;
    use super::*;

    const FIRST: &str = "111111111111";
    const OTHER: &str = "222222222222";

    fn elsewhere() -> Elsewhere {
        Elsewhere {
            account_id: Some(OTHER.to_owned()),
            region: Some("eu-west-1".to_owned()),
            artifacts: Some("second".to_owned()),
            ..Elsewhere::default()
        }
    }

    fn there(wanted: &Elsewhere) -> There<'_> {
        let place = |account: &str, region: &str| Place {
            account: account.to_owned(),
            region: region.to_owned(),
        };
        There { wanted, from: place(FIRST, "us-east-1"), to: place(OTHER, "eu-west-1") }
    }

    fn object(kind: &str, spec: Value) -> Object {
        serde_json::from_value(json!({
            "apiVersion": "trueup.dev/v1alpha1", "kind": kind, "spec": spec,
            "metadata": {"name": "it", "namespace": "copy"},
        }))
        .unwrap()
    }

    fn package(bucket: &str, version: Option<&str>, key: &str) -> PackageCopy {
        let from = S3Location {
            bucket: bucket.to_owned(),
            key: "api.zip".to_owned(),
            version: version.map(str::to_owned),
            ..S3Location::default()
        };
        PackageCopy { from, key: key.to_owned(), bytes: 1 }
    }

    fn sample() -> Backup {
        let mut backup = backup(1, "2026-03-01T12:00:00Z".parse().unwrap(), &[]);
        backup.place = format!("{FIRST}/us-east-1");
        backup.packages = vec![
            package("first", Some("v1"), "aaaaaaaaaaaaaaaaaaaa"),
            package("first", Some("v2"), "bbbbbbbbbbbbbbbbbbbb"),
        ];
        backup
    }

    #[test]
    fn what_names_the_first_account_names_the_other_one() {
        let wanted = elsewhere();
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
            let (moved, named) = there(&wanted).moved(text);
            assert_eq!(moved, expected.unwrap_or(text));
            assert_eq!(named, expected.into_iter().collect::<Vec<_>>(), "{text}");
        }
    }

    #[test]
    fn a_copy_elsewhere_is_reached_by_its_own_role_and_has_packages_of_its_own() {
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
                    "code": {"s3": {"bucket": "first", "key": "api.zip", "version": "v2"}},
                    "vpc": {"subnetIds": ["subnet-1"]},
                    "layers": ["arn:aws:lambda:us-east-1:333333333333:layer:others:1"],
                    "env": [{"name": "KEY", "valueFrom": {"ssm": {"name": "/shop/key"}}}],
                }),
            ),
            object(
                "Table",
                json!({"resourcePolicy": {
                    "Principal": "arn:aws:iam::111111111111:role/reader",
                    "Resource": "arn:aws:dynamodb:us-east-1:111111111111:table/copy-it",
                }}),
            ),
        ];
        let wanted = elsewhere();
        let own = ["copy-it".to_owned()];
        let relocated = there(&wanted).relocate(&mut objects, &sample(), &own);
        let specs: Vec<_> = objects.iter().map(|object| (*object.spec).clone()).collect();
        assert_eq!(
            specs[0],
            json!({
                "aws": {"region": "eu-west-1", "accountId": OTHER},
                "artifacts": {"bucket": "second"},
            })
        );
        assert_eq!(specs[1]["role"], "arn:aws:iam::222222222222:role/api");
        let key = "bbbbbbbbbbbbbbbb/api.zip";
        assert_eq!(specs[1]["code"], json!({"s3": {"bucket": "second", "key": key}}));
        let policy = &specs[2]["resourcePolicy"];
        assert_eq!(policy["Resource"], "arn:aws:dynamodb:eu-west-1:222222222222:table/copy-it");
        assert_eq!(
            relocated.needed,
            [
                "arn:aws:iam::222222222222:role/api (Function/it role)",
                "arn:aws:iam::222222222222:role/reader (Table/it resourcePolicy)",
                "it still names the region us-east-1 (Function/it layers)",
                "subnet-1 (Function/it vpc)",
                "the secret /shop/key (Function/it env)",
            ]
        );
        let packages: Vec<_> =
            relocated.packages.iter().map(|p| (p.from.key.as_str(), p.key.as_str())).collect();
        assert_eq!(packages, [(key, "bbbbbbbbbbbbbbbbbbbb")], "of the current release alone");
    }

    #[test]
    fn what_cannot_be_built_there_is_refused() {
        let mut exported = sample();
        exported.tables[0].export = Some(super::super::manifest::TableExport {
            manifest: "m".to_owned(),
            at: exported.begun_at,
            items: 1,
        });
        let wish = |elsewhere: Elsewhere| Wish {
            into: Some("copy".to_owned()),
            elsewhere: Some(elsewhere),
            ..Wish::default()
        };
        let same = Elsewhere { role_arn: Some("r".to_owned()), ..Elsewhere::default() };
        let china = Elsewhere { region: Some("cn-north-1".to_owned()), ..elsewhere() };
        let role = Elsewhere {
            role_arn: Some("arn:aws:iam::111111111111:role/trueup".to_owned()),
            ..elsewhere()
        };
        for (backup, wish, expected) in [
            (&exported, wish(same), "where the first environment is"),
            (&exported, wish(china), "from one partition"),
            (&exported, wish(role), "of another account"),
            (&exported, Wish { into: None, ..wish(elsewhere()) }, "with --into"),
            (&exported, wish(Elsewhere { artifacts: None, ..elsewhere() }), "--into-artifacts"),
            (&sample(), wish(elsewhere()), "exportTables: true"),
        ] {
            let refused = There::of(backup, &wish).err().unwrap().to_string();
            assert!(refused.contains(expected), "{refused}");
        }
        assert!(There::of(&exported, &wish(elsewhere())).unwrap().is_some());
        assert!(There::of(&exported, &Wish::default()).unwrap().is_none());
    }
}
