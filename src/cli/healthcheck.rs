//! `trueup healthcheck`: asks a daemon beside it how it is, for containers whose image has no other program.

use std::time::Duration;

use clap::Args;

use super::CliError;
use super::out;
use crate::web::{WebRequest, this_machine};

const ENDPOINT: &str = "http://127.0.0.1:8080/livez";

#[derive(Debug, Args)]
pub(super) struct HealthcheckArgs {
    /// What is asked. With TLS, the name in the certificate has to be the address's.
    #[arg(value_name = "URL", default_value = ENDPOINT)]
    url: String,
    /// How long an answer may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=60))]
    timeout: u64,
}

pub(super) async fn run(args: &HealthcheckArgs) -> Result<(), CliError> {
    let timeout = Duration::from_secs(args.timeout);
    let request = WebRequest { url: args.url.clone(), body: None, headers: Vec::new(), timeout };
    match this_machine().send(request).await {
        Ok(answer) if answer.status == 200 => out::line(format_args!("{}", answer.body.trim_end())),
        Ok(answer) => {
            let said = answer.body.trim_end();
            Err(CliError::refused(format!("{} answers {}: {said}", args.url, answer.status)))
        }
        Err(error) => Err(CliError::refused(format!("{} does not answer: {error}", args.url))),
    }
}
