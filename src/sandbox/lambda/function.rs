//! One function: its code and configuration, its versions and its aliases.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::configuration::{defaults, merge};
use super::provisioned::Provisioned;
use super::{Answer, Code, Refusal, invalid, missing};
use crate::model::{Clock, sha256_hex};

pub(super) struct Function {
    pub name: String,
    pub arn: String,
    pub(super) clock: Clock,
    pub(super) busy_for: Duration,
    /// `$LATEST`, as GetFunctionConfiguration shows it but for the states.
    latest: Map<String, Value>,
    image: Option<String>,
    code_kms_key_arn: Option<String>,
    /// By number; one that was deleted leaves `None`.
    versions: Vec<Option<Map<String, Value>>>,
    aliases: BTreeMap<String, Value>,
    pub(super) tags: Map<String, Value>,
    pub(super) reserved: Option<i64>,
    pub(super) recursive_loop: Option<String>,
    /// By qualifier; `$LATEST` where there is none.
    pub(super) policies: BTreeMap<String, Vec<Value>>,
    pub(super) urls: BTreeMap<String, Value>,
    pub(super) async_settings: BTreeMap<String, Value>,
    pub(super) provisioned: BTreeMap<String, Provisioned>,
    pending_until: Instant,
    updating_until: Instant,
    revision: u64,
    /// Something was updated since the last version was published.
    updated: bool,
}

pub(super) const LATEST: &str = "$LATEST";

impl Function {
    pub fn new(name: &str, arn: String, clock: Clock, busy_for: Duration) -> Self {
        let now = Instant::now();
        Self {
            name: name.to_owned(),
            arn,
            clock,
            busy_for,
            latest: defaults(name),
            image: None,
            code_kms_key_arn: None,
            versions: Vec::new(),
            aliases: BTreeMap::new(),
            tags: Map::new(),
            reserved: None,
            recursive_loop: None,
            policies: BTreeMap::new(),
            urls: BTreeMap::new(),
            async_settings: BTreeMap::new(),
            provisioned: BTreeMap::new(),
            pending_until: now + busy_for,
            updating_until: now,
            revision: 0,
            updated: true,
        }
    }

    /// What Lambda is doing to the function, where it is.
    pub fn busy(&self) -> Option<&'static str> {
        let now = Instant::now();
        if now < self.pending_until {
            return Some("A create is");
        }
        (now < self.updating_until).then_some("An update is")
    }

    pub fn create(&mut self, body: &Value, code: Option<Code>) -> Result<(), Refusal> {
        let role = body["Role"].as_str().unwrap_or_default();
        if !role.starts_with("arn:aws:iam::") {
            return Err(invalid(
                "1 validation error detected: Value at 'role' is no role".to_owned(),
            ));
        }
        merge(&mut self.latest, body)?;
        self.take_code(code);
        if let Some(architectures) = body["Architectures"].as_array() {
            self.latest.insert("Architectures".to_owned(), json!(architectures));
        }
        let package = body["PackageType"].as_str().unwrap_or("Zip");
        self.latest.insert("PackageType".to_owned(), json!(package));
        self.tags = body["Tags"].as_object().cloned().unwrap_or_default();
        self.touch();
        Ok(())
    }

    pub fn configure(&mut self, body: &Value) -> Answer {
        guard(body, &revision(&self.name, self.revision), "GetFunction")?;
        let mut changed = self.latest.clone();
        merge(&mut changed, body)?;
        self.latest = changed;
        self.update();
        Ok((200, self.configuration(None)?))
    }

    pub fn update_code(&mut self, body: &Value, code: Option<Code>) -> Answer {
        guard(body, &revision(&self.name, self.revision), "GetFunction")?;
        self.take_code(code);
        if let Some(architectures) = body["Architectures"].as_array() {
            self.latest.insert("Architectures".to_owned(), json!(architectures));
        }
        self.update();
        Ok((200, self.configuration(None)?))
    }

    fn take_code(&mut self, code: Option<Code>) {
        let Some(code) = code else { return };
        self.latest.insert("CodeSha256".to_owned(), json!(code.sha256));
        self.latest.insert("CodeSize".to_owned(), json!(code.size));
        self.image = code.image;
        self.code_kms_key_arn = code.kms_key_arn;
    }

    fn update(&mut self) {
        self.updating_until = Instant::now() + self.busy_for;
        self.updated = true;
        self.touch();
    }

    fn touch(&mut self) {
        self.revision += 1;
        let now = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.000+0000").to_string();
        self.latest.insert("LastModified".to_owned(), json!(now));
    }

    /// The configuration of `$LATEST`, a version, or what an alias points to.
    pub fn configuration(&self, qualifier: Option<&str>) -> Result<Value, Refusal> {
        let qualifier = qualifier.filter(|q| *q != LATEST);
        let (fields, version) = match qualifier {
            None => (&self.latest, LATEST.to_owned()),
            Some(qualifier) => {
                let alias = self.aliases.get(qualifier);
                let version =
                    alias.map_or(qualifier, |a| a["FunctionVersion"].as_str().unwrap_or(""));
                let index = version.parse::<usize>().ok().and_then(|v| v.checked_sub(1));
                let found = index.and_then(|i| self.versions.get(i)?.as_ref());
                let fields = match (found, version) {
                    (Some(fields), _) => fields,
                    (None, LATEST) => &self.latest,
                    _ => return Err(missing(&format!("{}:{qualifier}", self.arn))),
                };
                (fields, version.to_owned())
            }
        };
        let mut out = fields.clone();
        let arn = qualifier.map_or_else(|| self.arn.clone(), |q| format!("{}:{q}", self.arn));
        let state = if Instant::now() < self.pending_until { "Pending" } else { "Active" };
        let update = if Instant::now() < self.updating_until { "InProgress" } else { "Successful" };
        let update = if version == LATEST { update } else { "Successful" };
        let extra = json!({
            "FunctionName": self.name,
            "FunctionArn": arn,
            "Version": version,
            "State": state,
            "LastUpdateStatus": update,
            "RevisionId": revision(&self.name, self.revision),
        });
        out.extend(extra.as_object().cloned().unwrap_or_default());
        // As a version that cannot be started: State and StateReasonCode of botocore's model of Lambda (2015-03-31).
        let fails = |environment: &Value| environment["Variables"]["SANDBOX_VERSION"] == "fail";
        if version != LATEST && out.get("Environment").is_some_and(fails) {
            out.insert("State".to_owned(), json!("Failed"));
            out.insert("StateReasonCode".to_owned(), json!("FunctionError.InitTimeout"));
            out.insert("StateReason".to_owned(), json!("the function did not start in time"));
        }
        hide_variables(&mut out);
        Ok(Value::Object(out))
    }

    pub fn describe(&self, qualifier: Option<&str>) -> Answer {
        let mut out = json!({
            "Configuration": self.configuration(qualifier)?,
            "Code": match &self.image {
                Some(image) => json!({"RepositoryType": "ECR", "ImageUri": image}),
                None => json!({"RepositoryType": "S3", "Location": "https://awslambda-us-east-1-tasks.s3.us-east-1.amazonaws.com/snapshots"}),
            },
        });
        if let Some(key) = &self.code_kms_key_arn {
            out["Code"]["SourceKMSKeyArn"] = json!(key);
        }
        if !self.tags.is_empty() {
            out["Tags"] = Value::Object(self.tags.clone());
        }
        if let Some(reserved) = self.reserved {
            out["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
        }
        Ok((200, out))
    }

    /// Nothing new is published where nothing was updated since the last version, whether or not an update
    /// changed anything: <https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html>, and
    /// moto's issue 8379.
    pub fn publish(&mut self, body: &Value) -> Answer {
        let expected = body["CodeSha256"].as_str();
        if expected.is_some_and(|e| self.latest.get("CodeSha256") != Some(&json!(e))) {
            let message = "CodeSHA256 is different from current CodeSHA256 in $LATEST. Please try again with the CodeSHA256 in $LATEST.";
            return Err(invalid(message.to_owned()));
        }
        guard(body, &revision(&self.name, self.revision), "GetFunction")?;
        if std::mem::replace(&mut self.updated, false) {
            let mut version = self.latest.clone();
            if let Some(description) = body["Description"].as_str() {
                version.insert("Description".to_owned(), json!(description));
            }
            self.versions.push(Some(version));
            // Publishing is a change, too.
            self.revision += 1;
        }
        let number = self.versions.len().to_string();
        Ok((201, self.configuration(Some(&number))?))
    }

    pub fn list_versions(&self) -> (u16, Value) {
        let numbers = (1..=self.versions.len()).map(|n| n.to_string());
        let all: Vec<_> = std::iter::once(LATEST.to_owned())
            .chain(numbers)
            .filter_map(|q| self.configuration(Some(&q)).ok())
            .collect();
        (200, json!({"Versions": all}))
    }

    pub fn create_alias(&mut self, body: &Value) -> Answer {
        let name = body["Name"].as_str().unwrap_or_default().to_owned();
        if self.aliases.contains_key(&name) {
            let message = format!("Alias already exists: {}:{name}", self.arn);
            return Err(Refusal(409, "ResourceConflictException", message));
        }
        let alias = self.pointed(&name, body)?;
        self.aliases.insert(name, alias.clone());
        Ok((201, alias))
    }

    pub fn update_alias(&mut self, name: &str, body: &Value) -> Answer {
        let before = self.alias(name)?.1;
        guard(body, before["RevisionId"].as_str().unwrap_or_default(), "GetAlias")?;
        let mut merged = before;
        for member in ["FunctionVersion", "Description", "RoutingConfig"] {
            if !body[member].is_null() {
                merged[member] = body[member].clone();
            }
        }
        let alias = self.pointed(name, &merged)?;
        self.aliases.insert(name.to_owned(), alias.clone());
        Ok((200, alias))
    }

    fn pointed(&mut self, name: &str, body: &Value) -> Result<Value, Refusal> {
        let version = body["FunctionVersion"].as_str().unwrap_or_default();
        self.configuration(Some(version))?;
        self.revision += 1;
        let mut alias = json!({
            "Name": name,
            "AliasArn": format!("{}:{name}", self.arn),
            "FunctionVersion": version,
            "Description": body["Description"].as_str().unwrap_or_default(),
            "RevisionId": revision(name, self.revision),
        });
        let weights = &body["RoutingConfig"]["AdditionalVersionWeights"];
        if weights.as_object().is_some_and(|weights| !weights.is_empty()) {
            if self.provisioned.contains_key(name) {
                let message = "Alias with weights can not be used with Provisioned Concurrency";
                return Err(invalid(message.to_owned()));
            }
            alias["RoutingConfig"] = body["RoutingConfig"].clone();
        }
        Ok(alias)
    }

    pub fn alias(&self, name: &str) -> Answer {
        let alias = self.aliases.get(name).cloned();
        Ok((200, alias.ok_or_else(|| missing(&format!("{}:{name}", self.arn)))?))
    }

    pub fn list_aliases(&self) -> (u16, Value) {
        (200, json!({"Aliases": self.aliases.values().collect::<Vec<_>>()}))
    }

    pub fn delete_alias(&mut self, name: &str) -> Answer {
        self.aliases.remove(name);
        for extras in [&mut self.urls, &mut self.async_settings] {
            extras.remove(name);
        }
        self.policies.remove(name);
        self.provisioned.remove(name);
        Ok((204, Value::Null))
    }

    /// A version goes, unless an alias points to it:
    /// <https://docs.aws.amazon.com/lambda/latest/api/API_DeleteFunction.html>.
    pub fn delete_version(&mut self, version: &str) -> Answer {
        let is_named = self.aliases.values().any(|alias| {
            let weights = &alias["RoutingConfig"]["AdditionalVersionWeights"];
            alias["FunctionVersion"] == version || !weights[version].is_null()
        });
        if is_named {
            let message = format!("Version {version} is referenced by an alias");
            return Err(Refusal(409, "ResourceConflictException", message));
        }
        let index = version.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let found = index.and_then(|index| self.versions.get_mut(index)).filter(|v| v.is_some());
        *found.ok_or_else(|| missing(&format!("{}:{version}", self.arn)))? = None;
        self.provisioned.remove(version);
        Ok((200, json!({})))
    }

    pub fn alias_names(&self) -> impl Iterator<Item = &String> {
        self.aliases.keys()
    }

    /// The version that was published last.
    pub fn newest(&self) -> String {
        self.versions.len().to_string()
    }

    /// Whether a qualifier names something: an alias, a version or `$LATEST`.
    pub fn knows(&self, qualifier: &str) -> bool {
        self.configuration(Some(qualifier)).is_ok()
    }
}

/// A write that names a revision is made only where that is the latest:
/// <https://docs.aws.amazon.com/lambda/latest/api/API_UpdateAlias.html>.
fn guard(body: &Value, latest: &str, read: &str) -> Result<(), Refusal> {
    if body["RevisionId"].as_str().is_none_or(|asked| asked == latest) {
        return Ok(());
    }
    let message = format!(
        "The Revision Id provided does not match the latest Revision Id. Call the {read} API to retrieve the latest Revision Id"
    );
    Err(Refusal(412, "PreconditionFailedException", message))
}

/// Looks like the UUID that Lambda makes.
fn revision(name: &str, revision: u64) -> String {
    let digest = sha256_hex(format!("{name}{revision}"));
    format!(
        "{}-{}-{}-{}-{}",
        &digest[..8],
        &digest[8..12],
        &digest[12..16],
        &digest[16..20],
        &digest[20..32]
    )
}

/// Of a key `gone` Lambda has the ARN and cannot decrypt by it: it answers, and without the variables.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_EnvironmentError.html>
fn hide_variables(out: &mut Map<String, Value>) {
    let key = out.get("KMSKeyArn").and_then(Value::as_str);
    if key.is_some_and(|key| key.ends_with(":key/gone")) && out.contains_key("Environment") {
        let message = "Lambda was unable to decrypt the environment variables because the KMS key was not found.";
        let error = json!({"ErrorCode": "KMSNotFoundException", "Message": message});
        out.insert("Environment".to_owned(), json!({ "Error": error }));
    }
}
