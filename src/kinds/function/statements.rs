//! Reads and writes the statements of a qualifier's resource policy; what they say is `permission.rs`'s.

use super::facets::FunctionRef;
use super::permission::{self, Statement};
use super::spec::Permission;
use crate::aws::{Absent, AwsError, Class, Service, Session};
use crate::kinds::as_aws;

pub(super) async fn read(session: &Session, of: &FunctionRef) -> Result<Vec<Statement>, AwsError> {
    let (service, operation) = (Service::Lambda, "GetPolicy");
    let read = session.read(service, operation, || {
        let call = session.lambda().get_policy().function_name(&of.name);
        call.set_qualifier(of.qualifier.clone()).send()
    });
    let Some(read) = read.await.absent("ResourceNotFoundException")? else {
        return Ok(Vec::new());
    };
    let policy = AwsError::required(service, operation, read.policy)?;
    permission::from_policy(&policy)
        .map_err(|error| AwsError::new(Class::Invalid, service, operation, error.to_string()))
}

pub(super) async fn add(
    session: &Session,
    of: &FunctionRef,
    wanted: &Permission,
) -> Result<(), AwsError> {
    let call = session
        .lambda()
        .add_permission()
        .function_name(&of.name)
        .set_qualifier(of.qualifier.clone())
        .statement_id(&wanted.id)
        .set_action(wanted.action.clone())
        .principal(&wanted.principal)
        .set_source_arn(wanted.source_arn.clone())
        .set_source_account(wanted.source_account.clone())
        .set_principal_org_id(wanted.principal_org_id.clone())
        .set_function_url_auth_type(wanted.function_url_auth_type.map(as_aws))
        .set_invoked_via_function_url(wanted.invoked_via_function_url)
        .set_event_source_token(wanted.event_source_token.clone());
    session.write(Service::Lambda, "AddPermission", call.send()).await.map(drop)
}

pub(super) async fn remove(session: &Session, of: &FunctionRef, id: &str) -> Result<(), AwsError> {
    let call = session.lambda().remove_permission().function_name(&of.name);
    let call = call.set_qualifier(of.qualifier.clone()).statement_id(id).send();
    session.write(Service::Lambda, "RemovePermission", call).await.map(drop)
}
