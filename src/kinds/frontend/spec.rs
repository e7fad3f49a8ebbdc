//! What a Frontend manifest may say. Limits are AWS's:
//! <https://docs.aws.amazon.com/amplify/latest/APIReference/API_CreateApp.html>.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kinds::{EnvVar, S3Location, SpecProblem};
use crate::model::{Common, ValueFrom};

/// A web frontend on Amplify Hosting.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "trueup.dev", version = "v1alpha1", kind = "Frontend", namespaced, shortname = "fe")]
#[kube(status = "crate::kinds::CrdStatus")]
#[kube(doc = "A web frontend on Amplify Hosting.")]
#[serde(rename_all = "camelCase")]
pub struct FrontendSpec {
    /// What the manifests of all kinds have: `name`, `deletionPolicy`, `ignore` and `tags`.
    #[serde(flatten)]
    pub common: Common,
    /// What the app is for, in words for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub description: Option<String>,
    /// WEB, which a new app has, for static files; WEB_COMPUTE for server-side rendering.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// How the app is built, by Amplify where there is a repository, by your CI where there is an
    /// artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// Built by Amplify from a git repository; not with `artifact`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// Already built; not with `repository`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The branch that the app is served from, and its settings.
    pub branch: BranchSpec,
    /// Environment variables of the build: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Option<Vec<EnvVar>>,
    /// Redirects and rewrites, in the order in which they are tried: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub custom_rules: Option<Vec<CustomRule>>,
    /// Amplify's YAML for response headers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 25000))]
    pub custom_headers: Option<String>,
    /// `{}` removes the domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Domain>,
    /// A secret of the form `user:password`; `{}` opens the app to everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
    /// The ARN of the role that Amplify works with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub service_role: Option<String>,
    /// The ARN of the role that a server-side rendered app runs with; `""` takes it away.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub compute_role: Option<String>,
    /// Whether Amplify's cache takes cookies into account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_config: Option<CacheConfig>,
    /// The machine that Amplify builds on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_config: Option<JobConfig>,
}

/// What the responses are cached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheConfig {
    /// AMPLIFY_MANAGED, which a new app has; AMPLIFY_MANAGED_NO_COOKIES leaves the cookies out of the cache's keys.
    #[serde(rename = "type")]
    pub kind: CacheConfigType,
}

/// What the responses are cached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum CacheConfigType {
    AmplifyManaged,
    AmplifyManagedNoCookies,
}

/// What Amplify builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JobConfig {
    /// The size of the machine, by its memory; a new app has STANDARD_8GB.
    pub build_compute_type: BuildComputeType,
}

/// The size of the machine that Amplify builds on, by its memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum BuildComputeType {
    #[serde(rename = "STANDARD_8GB")]
    Standard8Gb,
    #[serde(rename = "LARGE_16GB")]
    Large16Gb,
    #[serde(rename = "XLARGE_72GB")]
    Xlarge72Gb,
}

/// What Amplify serves: static files, or an app that renders on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum Platform {
    Web,
    WebCompute,
    WebDynamic,
}

/// How the app is built, by Amplify where there is a repository, by your CI where there is an artifact: by `spec`, or
/// by `command` and `outputDirectory`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Build {
    /// As `nx build web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where the build leaves the app, as `dist/apps/web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_directory: Option<String>,
    /// Amplify's own build specification, instead of the two above.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 25000))]
    pub spec: Option<String>,
}

impl Build {
    /// The build specification that Amplify gets:
    /// <https://docs.aws.amazon.com/amplify/latest/userguide/yml-specification-syntax.html>.
    pub fn specification(&self) -> Option<String> {
        if self.spec.is_some() {
            return self.spec.clone();
        }
        let (command, directory) = (self.command.as_ref()?, self.output_directory.as_ref()?);
        Some(format!(
            "version: 1\nfrontend:\n  phases:\n    preBuild:\n      commands:\n        - npm ci\n    \
             build:\n      commands:\n        - {command}\n  artifacts:\n    baseDirectory: {directory}\n    \
             files:\n      - '**/*'\n"
        ))
    }
}

/// The git repository that Amplify builds the app from; not with `artifact`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    /// As `https://github.com/owner/name`.
    #[schemars(length(min = 1, max = 1000))]
    pub url: String,
    /// A secret: the access token with which Amplify reads the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_from: Option<ValueFrom>,
}

/// Where the built app comes from. Exactly one of the fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct Artifact {
    /// A directory or a zip file, relative to the manifest. `apply` packages and uploads it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub path: Option<String>,
    /// A zip file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Location>,
}

/// The branch that the app is served from, and its settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BranchSpec {
    /// The branch of the repository, or any name for deployments of artifacts.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// What the branch is for, in Amplify's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<Stage>,
    /// The framework of the app, as `Next.js - SSR`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub framework: Option<String>,
    /// Amplify builds every push by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_build: Option<bool>,
    /// Environment variables of this branch's builds, over those of the app: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub env: Option<Vec<EnvVar>>,
    /// A secret of the form `user:password`, instead of the app's; `{}` asks for none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub basic_auth: Option<BasicAuth>,
}

/// What a branch is for, in Amplify's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum Stage {
    Production,
    Beta,
    Development,
    Experimental,
    PullRequest,
}

/// Which requests are redirected or rewritten, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct CustomRule {
    /// The path or address that is asked for, as `/docs/<*>`.
    #[schemars(length(min = 1, max = 2048))]
    pub source: String,
    /// The path or address that it becomes, as `/help/<*>`.
    #[schemars(length(min = 1, max = 2048))]
    pub target: String,
    /// 200 and 404-200 rewrite, 301 and 302 redirect, 404 is for what is not found.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^(200|301|302|404|404-200)$"))]
    pub status: Option<String>,
    /// Which requests are meant, as those from a country by its code `<US>`; all where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub condition: Option<String>,
}

/// The app's own domain and its subdomains: `name` and `subdomains` together. `{}` removes the domain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    /// Needed unless the domain is to be removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 64),
        regex(
            pattern = r"^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9][A-Za-z0-9-]{0,61}[A-Za-z0-9]\.?$"
        )
    )]
    pub name: Option<String>,
    /// Which subdomain shows which branch: the whole list. Needed with `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["prefix"]))]
    pub subdomains: Option<Vec<Subdomain>>,
    /// A subdomain for each branch that is connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_subdomains: Option<bool>,
    /// The ARN of a certificate of your own in ACM; `""` goes back to one that Amplify makes and renews.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 1000),
        regex(pattern = r"^(arn:aws[a-zA-Z-]*:acm:[a-z0-9-]+:\d{12}:certificate/.+)?$")
    )]
    pub certificate_arn: Option<String>,
}

/// A subdomain, and the branch that it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Subdomain {
    /// As `www`; empty for the domain itself.
    #[schemars(length(max = 255))]
    pub prefix: String,
    /// The object's own branch, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub branch: Option<String>,
}

/// A login that visitors have to give, from a secret of the form `user:password`; `{}` asks for none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// Where the secret is kept: secretsManager or ssm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials_from: Option<ValueFrom>,
}

/// The most characters of a variable's value.
const ENV_CHARS_MAX: usize = 5500;

/// The most characters of a build specification.
const BUILD_CHARS_MAX: usize = 25_000;

pub(super) fn validate(spec: &FrontendSpec) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    if spec.repository.is_some() && spec.artifact.is_some() {
        let message = "a frontend has a repository or an artifact, not both";
        problems.push(SpecProblem::new("artifact", message));
    }
    if let Some(build) = &spec.build {
        let by_hand = build.command.is_some() || build.output_directory.is_some();
        if build.spec.is_some() && by_hand {
            let message = "give spec, or command and outputDirectory";
            problems.push(SpecProblem::new("build", message));
        }
        if build.spec.is_none() && build.command.is_some() != build.output_directory.is_some() {
            let message = "command and outputDirectory go together";
            problems.push(SpecProblem::new("build", message));
        }
        let length = build.specification().map_or(0, |text| text.chars().count());
        if length > BUILD_CHARS_MAX {
            let message = format!(
                "the build specification has {length} characters; Amplify takes {BUILD_CHARS_MAX}"
            );
            problems.push(SpecProblem::new("build", message));
        }
    }
    if let Some(domain) = &spec.domain
        && domain.name.is_none() != domain.subdomains.is_none()
    {
        let message = "a domain needs name and subdomains";
        problems.push(SpecProblem::new("domain", message));
    }
    let subdomains = spec.domain.iter().flat_map(|domain| domain.subdomains.iter().flatten());
    let prefixes: Vec<_> = subdomains.map(|subdomain| &subdomain.prefix).collect();
    for (i, prefix) in
        prefixes.iter().enumerate().filter(|(i, prefix)| prefixes[..*i].contains(prefix))
    {
        let message = format!("the prefix `{prefix}` is given twice");
        problems.push(SpecProblem::new(format!("domain.subdomains[{i}].prefix"), message));
    }
    if let Some(domain) = &spec.domain
        && domain.name.is_none()
        && (domain.auto_subdomains.is_some() || domain.certificate_arn.is_some())
    {
        problems
            .push(SpecProblem::new("domain", "autoSubdomains and certificateArn go with a name"));
    }
    let token = spec.repository.as_ref().and_then(|r| r.token_from.as_ref());
    let login = |auth: &Option<BasicAuth>| auth.as_ref().and_then(|b| b.credentials_from.clone());
    for (path, from) in [
        ("repository.tokenFrom", token.cloned()),
        ("basicAuth.credentialsFrom", login(&spec.basic_auth)),
        ("branch.basicAuth.credentialsFrom", login(&spec.branch.basic_auth)),
    ] {
        if from.is_some_and(|from| from.secret().is_none()) {
            let message = "a secret comes from secretsManager or ssm";
            problems.push(SpecProblem::new(path, message));
        }
    }
    problems.extend(check_env("env", spec.env.as_deref().unwrap_or_default()));
    problems.extend(check_env("branch.env", spec.branch.env.as_deref().unwrap_or_default()));
    problems
}

fn check_env(at: &str, env: &[EnvVar]) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    let mut seen = Vec::new();
    for (i, variable) in env.iter().enumerate() {
        if seen.contains(&&variable.name) {
            let message = format!("variable `{}` is set twice", variable.name);
            problems.push(SpecProblem::new(format!("{at}[{i}].name"), message));
        }
        seen.push(&variable.name);
        // https://docs.aws.amazon.com/amplify/latest/userguide/setting-env-vars.html
        if variable.name.starts_with("AWS") {
            let message =
                format!("`{}`: Amplify takes no variables that begin with AWS", variable.name);
            problems.push(SpecProblem::new(format!("{at}[{i}].name"), message));
        }
        if variable.value.as_ref().is_some_and(|value| value.chars().count() > ENV_CHARS_MAX) {
            let message = format!("a value has at most {ENV_CHARS_MAX} characters");
            problems.push(SpecProblem::new(format!("{at}[{i}].value"), message));
        }
        if let Some(message) = variable.problem() {
            problems.push(SpecProblem::new(format!("{at}[{i}]"), message));
        }
    }
    problems
}
