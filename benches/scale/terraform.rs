//! `terraform plan` on the same mix, beside the daemon: where Terraform and its AWS provider are on the
//! machine. Resources are made by `terraform apply`, so that the plan reads everything and finds nothing.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::fleet::{Fleet, Objects};
use crate::process::tree_usage;

pub struct Plan {
    pub objects: Objects,
    pub wall: Duration,
    pub cpu: Duration,
    /// Terraform and its provider together.
    pub peak_rss_mib: u64,
}

/// `None` where there is no Terraform, or no provider that needs no download.
pub fn plan(objects: Objects) -> Option<Plan> {
    let fleet = Fleet::new(objects);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("main.tf"), configuration(objects, fleet.url()))
        .expect("it is written");
    for arguments in [
        &["init", "-input=false"][..],
        &["apply", "-auto-approve", "-input=false", "-parallelism=100"],
    ] {
        let done = terraform(folder.path(), arguments).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("terraform {} did not work here; left out", arguments[0]);
            return None;
        }
    }
    let begun = Instant::now();
    let arguments = ["plan", "-input=false", "-parallelism=10", "-detailed-exitcode"];
    let mut child = terraform(folder.path(), &arguments).spawn().ok()?;
    let (over, peak, pid) = (AtomicBool::new(false), AtomicU64::new(0), child.id());
    let (status, cpu) = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                peak.fetch_max(tree_usage(pid), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let before = crate::process::children_cpu();
        let status = child.wait();
        over.store(true, Ordering::Relaxed);
        (status, crate::process::children_cpu() - before)
    });
    // 0 says that nothing differs: it read everything.
    if status.ok()?.code() != Some(0) {
        eprintln!("terraform plan found differences; left out");
        return None;
    }
    Some(Plan { objects, wall: begun.elapsed(), cpu, peak_rss_mib: peak.into_inner() })
}

fn terraform(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("terraform");
    command.args(arguments).current_dir(folder).env("CHECKPOINT_DISABLE", "1");
    // A provider that is unpacked on the machine is taken from there.
    if let Ok(mirror) = std::env::var("BENCH_TERRAFORM_PLUGINS") {
        let file = folder.join("terraformrc");
        let text = format!(
            "provider_installation {{\n  filesystem_mirror {{ path = \"{mirror}\" }}\n}}\n"
        );
        std::fs::write(&file, text).expect("it is written");
        command.env("TF_CLI_CONFIG_FILE", file);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn configuration(objects: Objects, url: &str) -> String {
    let mut text = format!(
        r#"terraform {{
  required_providers {{
    aws = {{ source = "hashicorp/aws" }}
  }}
}}
provider "aws" {{
  region                      = "us-east-1"
  access_key                  = "terraform"
  secret_key                  = "terraform"
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_requesting_account_id  = true
  s3_use_path_style           = true
  endpoints {{
    lambda   = "{url}"
    dynamodb = "{url}"
    s3       = "{url}"
    sts      = "{url}"
  }}
}}
"#
    );
    for i in 0..objects.functions {
        let _ = write!(
            text,
            r#"resource "aws_lambda_function" "f{i}" {{
  function_name = "terraform-f{i}"
  runtime       = "nodejs22.x"
  handler       = "main.handler"
  role          = "arn:aws:iam::123456789012:role/api"
  memory_size   = 512
  timeout       = 15
  s3_bucket     = "artifacts"
  s3_key        = "api.zip"
  environment {{ variables = {{ STAGE = "bench" }} }}
}}
"#
        );
    }
    for i in 0..objects.tables {
        let _ = write!(
            text,
            r#"resource "aws_dynamodb_table" "t{i}" {{
  name         = "terraform-t{i}"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"
  attribute {{
    name = "id"
    type = "S"
  }}
  ttl {{
    attribute_name = "expiresAt"
    enabled        = true
  }}
}}
"#
        );
    }
    for i in 0..objects.buckets {
        let _ = write!(
            text,
            r#"resource "aws_s3_bucket" "b{i}" {{ bucket = "terraform-b{i}" }}
resource "aws_s3_bucket_versioning" "b{i}" {{
  bucket = aws_s3_bucket.b{i}.id
  versioning_configuration {{ status = "Enabled" }}
}}
"#
        );
    }
    text
}
