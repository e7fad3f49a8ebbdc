//! A function's own HTTPS endpoint, told once.

use aws_sdk_lambda::operation::get_function_url_config::GetFunctionUrlConfigOutput;
use aws_sdk_lambda::types as aws;
use aws_smithy_types::error::operation::BuildError;

use super::facets::FunctionRef;
use super::spec::*;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::{Facet, UnknownWord, as_aws, word};

pub(super) struct Url;

/// A URL as it is or shall be.
#[derive(Clone, Debug)]
pub(super) struct Endpoint {
    pub words: FunctionUrl,
    /// `None` where it is still to be made.
    pub address: Option<String>,
}

impl Facet for Url {
    type Of = FunctionRef;
    const FIELD: &'static str = "url";
    const WHAT: &'static str = "url";
    const READ: (Service, &'static str) = (Service::Lambda, "GetFunctionUrlConfig");
    const IS_CREATED: bool = true;
    type Sdk = Endpoint;
    type Words = FunctionUrl;

    async fn read(session: &Session, of: &FunctionRef) -> Result<Option<Endpoint>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            let call = session.lambda().get_function_url_config().function_name(&of.name);
            call.set_qualifier(of.qualifier.clone()).send()
        });
        let Some(read) = read.await.absent("ResourceNotFoundException")? else { return Ok(None) };
        let words = words(&read).map_err(|unknown| unknown.in_reply(service, operation))?;
        Ok(Some(Endpoint { words, address: Some(read.function_url) }))
    }

    fn words(sdk: &Endpoint) -> Result<Option<FunctionUrl>, UnknownWord> {
        Ok(Some(sdk.words.clone()))
    }

    /// The words say all that a URL has; an update leaves as it is what it does not name.
    fn overlay(words: FunctionUrl, live: Option<Endpoint>) -> Result<Endpoint, BuildError> {
        Ok(Endpoint { words, address: live.and_then(|live| live.address) })
    }

    async fn write(session: &Session, of: &FunctionRef, sdk: Endpoint) -> Result<(), AwsError> {
        let words = sdk.words;
        let auth = words.auth_type.map(as_aws);
        let cors = words.cors.map(cors);
        let mode = words.invoke_mode.map(as_aws);
        if sdk.address.is_some() {
            let call = session.lambda().update_function_url_config().function_name(&of.name);
            let call = call.set_qualifier(of.qualifier.clone()).set_auth_type(auth);
            let call = call.set_cors(cors).set_invoke_mode(mode).send();
            return session.write(Service::Lambda, "UpdateFunctionUrlConfig", call).await.map(drop);
        }
        let call = session.lambda().create_function_url_config().function_name(&of.name);
        let call = call.set_qualifier(of.qualifier.clone()).set_auth_type(auth);
        let call = call.set_cors(cors).set_invoke_mode(mode).send();
        session.write(Service::Lambda, "CreateFunctionUrlConfig", call).await.map(drop)
    }

    async fn clear(
        session: &Session,
        of: &FunctionRef,
        _: Option<Self::Sdk>,
    ) -> Result<(), AwsError> {
        let call = session.lambda().delete_function_url_config().function_name(&of.name);
        let call = call.set_qualifier(of.qualifier.clone()).send();
        session.write(Service::Lambda, "DeleteFunctionUrlConfig", call).await.map(drop)
    }
}

fn words(live: &GetFunctionUrlConfigOutput) -> Result<FunctionUrl, UnknownWord> {
    let mode = live.invoke_mode().map(|mode| word("url.invokeMode", mode));
    Ok(FunctionUrl {
        auth_type: Some(word("url.authType", live.auth_type())?),
        cors: live.cors().and_then(cors_words),
        invoke_mode: mode.transpose()?,
    })
}

/// Without any rule there is no CORS, however Lambda writes that.
fn cors_words(live: &aws::Cors) -> Option<UrlCors> {
    let lists =
        [live.allow_headers(), live.allow_methods(), live.allow_origins(), live.expose_headers()];
    let [allow_headers, allow_methods, allow_origins, expose_headers] =
        lists.map(|list| Some(list.to_vec()));
    let has_rules = lists.iter().any(|list| !list.is_empty())
        || live.allow_credentials().is_some()
        || live.max_age().is_some();
    has_rules.then_some(UrlCors {
        allow_credentials: live.allow_credentials(),
        allow_headers,
        allow_methods,
        allow_origins,
        expose_headers,
        max_age: live.max_age(),
    })
}

fn cors(words: UrlCors) -> aws::Cors {
    aws::Cors::builder()
        .set_allow_credentials(words.allow_credentials)
        .set_allow_headers(words.allow_headers)
        .set_allow_methods(words.allow_methods)
        .set_allow_origins(words.allow_origins)
        .set_expose_headers(words.expose_headers)
        .set_max_age(words.max_age)
        .build()
}
