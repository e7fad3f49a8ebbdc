//! One life of everything, every exchange of it held against AWS's models: the figure of what the whole
//! suite does, whose every sandbox is watched ([`super::Exchanges`]).

use std::collections::BTreeSet;

use crate::harness::{Harness, samples, shop};
use crate::proof::figure;

/// Calls that the life below has to make: a life that makes none of them shows nothing.
const MADE: [&str; 22] = [
    "amplify:CreateApp",
    "amplify:CreateBranch",
    "amplify:DeleteApp",
    "amplify:StartDeployment",
    "dynamodb:BatchWriteItem",
    "dynamodb:CreateTable",
    "dynamodb:DeleteTable",
    "dynamodb:DescribeTable",
    "dynamodb:TransactWriteItems",
    "dynamodb:UpdateTimeToLive",
    "lambda:CreateAlias",
    "lambda:CreateFunction",
    "lambda:CreateFunctionUrlConfig",
    "lambda:DeleteFunction",
    "lambda:GetFunction",
    "lambda:PublishVersion",
    "lambda:UpdateFunctionConfiguration",
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:GetBucketTagging",
    "s3:PutBucketPolicy",
    "sts:GetCallerIdentity",
];

#[tokio::test(start_paused = true)]
async fn no_exchange_of_a_whole_life_breaks_a_model_of_aws() {
    if super::model::services().is_none() {
        return;
    }
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    crate::converge::make_secrets(&harness).await;
    harness.apply_set(samples()).await;
    harness.apply(&shop()).await;
    harness.start().await;
    for environment in ["production", "shop"] {
        harness.until_ready(environment).await;
    }
    let edited = shop().replace("memorySize: 512", "memorySize: 1024");
    harness.apply(&edited).await;
    harness.until_ready("shop").await;
    // A table and a bucket are deleted only where that is asked for.
    let gone = edited.replace("spec:\n", "spec:\n  deletionPolicy: Delete\n").replacen(
        "  deletionPolicy: Delete\n",
        "",
        1,
    );
    harness.apply(&gone).await;
    harness.until_ready("shop").await;
    let environment = gone.split("---").next().unwrap();
    harness.apply(environment).await;
    harness
        .until("everything of the shop is gone", || async {
            crate::harness::statuses(&harness.store, "shop").await.is_empty()
        })
        .await;
    let counts = harness.exchanges.counts();
    let made: BTreeSet<_> = counts.keys().map(String::as_str).collect();
    let missing: Vec<_> = MADE.iter().filter(|call| !made.contains(**call)).collect();
    assert!(missing.is_empty(), "never made: {missing:?}");
    assert_eq!(harness.exchanges.violations(), Vec::<String>::new());
    let (operations, exchanges) = (counts.len(), counts.values().sum::<u64>());
    figure(
        "exchanges",
        &format!(
            "{exchanges} of {operations} operations in one life, and every other one of the suite's: 0 violations of AWS's models"
        ),
    );
}
