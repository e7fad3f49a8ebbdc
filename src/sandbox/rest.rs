//! Routes of the two REST services, in one table each: it names a request's operation for the log
//! and the faults, and its parts for the handlers.

use serde_json::Value;
use winterbaume_core::protocol::percent_decode;
use winterbaume_core::{MockRequest, MockResponse};

use super::uri::path_of;

/// Method, path with `*` for a part, operation.
type Route = (&'static str, &'static str, &'static str);

/// <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>.
const LAMBDA: &[Route] = &[
    ("POST", "/2015-03-31/functions", "CreateFunction"),
    ("GET", "/2015-03-31/functions", "ListFunctions"),
    ("GET", "/2015-03-31/functions/*", "GetFunction"),
    ("DELETE", "/2015-03-31/functions/*", "DeleteFunction"),
    ("GET", "/2015-03-31/functions/*/configuration", "GetFunctionConfiguration"),
    ("PUT", "/2015-03-31/functions/*/configuration", "UpdateFunctionConfiguration"),
    ("PUT", "/2015-03-31/functions/*/code", "UpdateFunctionCode"),
    ("GET", "/2020-06-30/functions/*/code-signing-config", "GetFunctionCodeSigningConfig"),
    ("POST", "/2015-03-31/functions/*/invocations", "Invoke"),
    ("POST", "/2015-03-31/functions/*/versions", "PublishVersion"),
    ("GET", "/2015-03-31/functions/*/versions", "ListVersionsByFunction"),
    ("POST", "/2015-03-31/functions/*/aliases", "CreateAlias"),
    ("GET", "/2015-03-31/functions/*/aliases", "ListAliases"),
    ("GET", "/2015-03-31/functions/*/aliases/*", "GetAlias"),
    ("PUT", "/2015-03-31/functions/*/aliases/*", "UpdateAlias"),
    ("DELETE", "/2015-03-31/functions/*/aliases/*", "DeleteAlias"),
    ("POST", "/2015-03-31/functions/*/policy", "AddPermission"),
    ("GET", "/2015-03-31/functions/*/policy", "GetPolicy"),
    ("DELETE", "/2015-03-31/functions/*/policy/*", "RemovePermission"),
    ("PUT", "/2017-10-31/functions/*/concurrency", "PutFunctionConcurrency"),
    ("DELETE", "/2017-10-31/functions/*/concurrency", "DeleteFunctionConcurrency"),
    ("GET", "/2019-09-30/functions/*/concurrency", "GetFunctionConcurrency"),
    ("PUT", "/2024-08-31/functions/*/recursion-config", "PutFunctionRecursionConfig"),
    ("GET", "/2024-08-31/functions/*/recursion-config", "GetFunctionRecursionConfig"),
    ("PUT", "/2019-09-25/functions/*/event-invoke-config", "PutFunctionEventInvokeConfig"),
    ("GET", "/2019-09-25/functions/*/event-invoke-config", "GetFunctionEventInvokeConfig"),
    ("DELETE", "/2019-09-25/functions/*/event-invoke-config", "DeleteFunctionEventInvokeConfig"),
    ("POST", "/2021-10-31/functions/*/url", "CreateFunctionUrlConfig"),
    ("GET", "/2021-10-31/functions/*/url", "GetFunctionUrlConfig"),
    ("PUT", "/2021-10-31/functions/*/url", "UpdateFunctionUrlConfig"),
    ("DELETE", "/2021-10-31/functions/*/url", "DeleteFunctionUrlConfig"),
    ("PUT", "/2019-09-30/functions/*/provisioned-concurrency", "PutProvisionedConcurrencyConfig"),
    ("GET", "/2019-09-30/functions/*/provisioned-concurrency", "GetProvisionedConcurrencyConfig"),
    (
        "DELETE",
        "/2019-09-30/functions/*/provisioned-concurrency",
        "DeleteProvisionedConcurrencyConfig",
    ),
    ("GET", "/2017-03-31/tags/*", "ListTags"),
    ("POST", "/2017-03-31/tags/*", "TagResource"),
    ("DELETE", "/2017-03-31/tags/*", "UntagResource"),
];

/// <https://docs.aws.amazon.com/amplify/latest/APIReference/API_Operations.html>.
const AMPLIFY: &[Route] = &[
    ("POST", "/apps", "CreateApp"),
    ("GET", "/apps", "ListApps"),
    ("GET", "/apps/*", "GetApp"),
    ("POST", "/apps/*", "UpdateApp"),
    ("DELETE", "/apps/*", "DeleteApp"),
    ("POST", "/apps/*/branches", "CreateBranch"),
    ("GET", "/apps/*/branches", "ListBranches"),
    ("GET", "/apps/*/branches/*", "GetBranch"),
    ("POST", "/apps/*/branches/*", "UpdateBranch"),
    ("DELETE", "/apps/*/branches/*", "DeleteBranch"),
    ("POST", "/apps/*/branches/*/deployments/start", "StartDeployment"),
    ("GET", "/apps/*/branches/*/jobs", "ListJobs"),
    ("POST", "/apps/*/branches/*/jobs", "StartJob"),
    ("GET", "/apps/*/branches/*/jobs/*", "GetJob"),
    ("DELETE", "/apps/*/branches/*/jobs/*/stop", "StopJob"),
    ("POST", "/apps/*/domains", "CreateDomainAssociation"),
    ("GET", "/apps/*/domains", "ListDomainAssociations"),
    ("GET", "/apps/*/domains/*", "GetDomainAssociation"),
    ("POST", "/apps/*/domains/*", "UpdateDomainAssociation"),
    ("DELETE", "/apps/*/domains/*", "DeleteDomainAssociation"),
    ("GET", "/tags/*", "ListTagsForResource"),
    ("POST", "/tags/*", "TagResource"),
    ("DELETE", "/tags/*", "UntagResource"),
];

/// A request's operation, and the first part of its path.
pub(super) fn operation(service: &str, request: &MockRequest) -> (&'static str, String) {
    let (operation, parts) = matched(service, request);
    // One path reads one of them, and with this query all.
    let lists = operation == "GetProvisionedConcurrencyConfig" && request.uri.contains("List=ALL");
    let operation = if lists { "ListProvisionedConcurrencyConfigs" } else { operation };
    (operation, parts.into_iter().next().unwrap_or_default())
}

/// The parts of a request's path that its route leaves open, decoded.
pub(super) fn parts(service: &str, request: &MockRequest) -> Vec<String> {
    matched(service, request).1
}

fn matched(service: &str, request: &MockRequest) -> (&'static str, Vec<String>) {
    let routes = if service == "lambda" { LAMBDA } else { AMPLIFY };
    // Parts are split before they are decoded: an ARN in a path has encoded slashes.
    let path: Vec<_> = path_of(&request.uri).trim_matches('/').split('/').collect();
    for (method, pattern, operation) in routes {
        let pattern: Vec<_> = pattern.trim_matches('/').split('/').collect();
        let fits = *method == request.method
            && pattern.len() == path.len()
            && pattern.iter().zip(&path).all(|(p, part)| *p == "*" || p == part);
        if fits {
            let open = pattern.iter().zip(&path).filter(|(p, _)| **p == "*");
            return (operation, open.map(|(_, part)| percent_decode(part)).collect());
        }
    }
    ("Unknown", Vec::new())
}

/// An error in the way of REST services: status, code, message.
pub(super) struct Refusal(pub u16, pub &'static str, pub String);

pub(super) type Answer = Result<(u16, Value), Refusal>;

pub(super) fn respond(answer: Answer) -> MockResponse {
    match answer {
        Ok((204, _)) => MockResponse::rest_json(204, ""),
        Ok((status, body)) => MockResponse::rest_json(status, body.to_string()),
        Err(Refusal(status, code, message)) => {
            winterbaume_core::rest_json_error(status, code, &message)
        }
    }
}

pub(super) fn body_of(request: &MockRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap_or_default()
}

/// Cuts one page out of a list: the page, and where the next one begins.
pub(super) fn page(
    all: Vec<Value>,
    begin: Option<&str>,
    size: usize,
) -> (Vec<Value>, Option<String>) {
    let begin: usize = begin.and_then(|b| b.parse().ok()).unwrap_or(0);
    let end = (begin + size).min(all.len());
    let next = (end < all.len()).then(|| end.to_string());
    (all.into_iter().skip(begin).take(size).collect(), next)
}
