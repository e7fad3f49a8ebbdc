//! `trueup init`: makes the table, and artifact buckets.

use aws_sdk_s3::types as aws;
use clap::Args;

use super::out::say;
use super::{CliError, Connected};
use crate::aws::{Class, Service, Session};

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Also make an artifact bucket: private, encrypted, versioned. May be repeated.
    #[arg(long = "bucket", value_name = "NAME")]
    buckets: Vec<String>,
}

pub(super) async fn run(connected: &Connected, args: &InitArgs) -> Result<(), CliError> {
    let made = connected.store.init().await?;
    let state = if made { "made" } else { "is already there" };
    say!("table {} {state}", connected.store.table());
    let session = connected.sessions.home().await?;
    for bucket in &args.buckets {
        let made = make_bucket(&session, bucket).await?;
        say!("bucket {bucket} {}", if made { "made" } else { "is already there" });
    }
    Ok(())
}

/// Makes a bucket that only its account can read. Returns whether it was made.
pub(super) async fn make_bucket(session: &Session, name: &str) -> Result<bool, CliError> {
    let s3 = session.s3();
    let found =
        session.read(Service::S3, "HeadBucket", || s3.head_bucket().bucket(name).send()).await;
    let exists = match found {
        Ok(_) => true,
        Err(error) if error.class == Class::NotFound => false,
        Err(error) => return Err(error.into()),
    };
    if !exists {
        create_bucket(session, name).await?;
    }
    protect_bucket(session, name).await?;
    Ok(!exists)
}

async fn create_bucket(session: &Session, name: &str) -> Result<(), CliError> {
    let s3 = session.s3();
    let mut call = s3.create_bucket().bucket(name);
    if session.region() != "us-east-1" {
        let location = aws::BucketLocationConstraint::from(session.region());
        let configuration = aws::CreateBucketConfiguration::builder();
        call =
            call.create_bucket_configuration(configuration.location_constraint(location).build());
    }
    session.write(Service::S3, "CreateBucket", call.send()).await?;
    Ok(())
}

/// Private and versioned, also where an earlier `init` got no further than the bucket itself.
async fn protect_bucket(session: &Session, name: &str) -> Result<(), CliError> {
    let s3 = session.s3();
    let block = aws::PublicAccessBlockConfiguration::builder()
        .block_public_acls(true)
        .ignore_public_acls(true)
        .block_public_policy(true)
        .restrict_public_buckets(true)
        .build();
    let call = s3.put_public_access_block().bucket(name).public_access_block_configuration(block);
    session.write(Service::S3, "PutPublicAccessBlock", call.send()).await?;
    let versioning = aws::VersioningConfiguration::builder()
        .status(aws::BucketVersioningStatus::Enabled)
        .build();
    let call = s3.put_bucket_versioning().bucket(name).versioning_configuration(versioning);
    session.write(Service::S3, "PutBucketVersioning", call.send()).await?;
    Ok(())
}
