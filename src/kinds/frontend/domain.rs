//! An app's own domain, told once.

use std::marker::PhantomData;

use aws_sdk_amplify::types as aws;
use aws_smithy_types::error::operation::BuildError;

use super::spec::*;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::{AnyFacet, Facet, Told, UnknownWord};

/// What the calls name a domain by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DomainRef {
    /// The id of the app that has it.
    pub app: String,
    /// `None` is whichever the app has.
    pub name: Option<String>,
}

/// How far a domain has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DomainState {
    /// Amplify's own word.
    pub status: String,
    /// This version has the word.
    pub is_known: bool,
    pub reason: String,
    /// The DNS records that are to be made, as text to append.
    pub records: String,
    /// Where the first of its subdomains is served.
    pub url: Option<String>,
}

pub(super) const DOMAIN: &dyn AnyFacet<DomainRef> = &Told::<CustomDomain>(PhantomData);

pub(super) struct CustomDomain;

/// A domain as it is, or as it is to be written.
#[derive(Clone, Debug)]
pub(super) struct Association {
    pub words: Domain,
    /// `None` where it is still to be made.
    pub state: Option<DomainState>,
}

impl Facet for CustomDomain {
    type Of = DomainRef;
    const FIELD: &'static str = "domain";
    const WHAT: &'static str = "domain";
    const READ: (Service, &'static str) = (Service::Amplify, "GetDomainAssociation");
    const IS_CREATED: bool = true;
    type Sdk = Association;
    type Words = Domain;

    async fn read(session: &Session, of: &DomainRef) -> Result<Option<Association>, AwsError> {
        let Some(name) = &of.name else {
            let listed = session.read(Service::Amplify, "ListDomainAssociations", || {
                session.amplify().list_domain_associations().app_id(&of.app).send()
            });
            let first = listed.await?.domain_associations.into_iter().next();
            return Ok(first.map(|found| association(&found)));
        };
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            let call = session.amplify().get_domain_association().app_id(&of.app);
            call.domain_name(name).send()
        });
        let Some(read) = read.await.absent("NotFoundException")? else { return Ok(None) };
        let found = AwsError::required(service, operation, read.domain_association)?;
        Ok(Some(association(&found)))
    }

    fn words(sdk: &Association) -> Result<Option<Domain>, UnknownWord> {
        Ok(Some(sdk.words.clone()))
    }

    /// The subdomains are a whole. What does not change is left out of the call, and stays.
    fn overlay(mut words: Domain, live: Option<Association>) -> Result<Association, BuildError> {
        if let Some(Association { words: live, .. }) = &live {
            words.auto_subdomains.take_if(|wanted| live.auto_subdomains == Some(*wanted));
            words.certificate_arn.take_if(|wanted| live.certificate_arn.as_ref() == Some(wanted));
        }
        Ok(Association { words, state: live.and_then(|live| live.state) })
    }

    async fn write(session: &Session, of: &DomainRef, sdk: Association) -> Result<(), AwsError> {
        let Association { words, state } = sdk;
        let operation = match state {
            Some(_) => "UpdateDomainAssociation",
            None => "CreateDomainAssociation",
        };
        let refused = |e| AwsError::incomplete(Service::Amplify, operation, &e);
        let name = words.name.clone().unwrap_or_default();
        let subdomains = subdomains(&words).map_err(refused)?;
        let certificate = words.certificate_arn.map(certificate).transpose().map_err(refused)?;
        let amplify = session.amplify();
        if state.is_some() {
            let call = amplify.update_domain_association().app_id(&of.app).domain_name(name);
            let call = call.set_sub_domain_settings(Some(subdomains));
            let call = call.set_enable_auto_sub_domain(words.auto_subdomains);
            let call = call.set_certificate_settings(certificate).send();
            return session.write(Service::Amplify, operation, call).await.map(drop);
        }
        let call = amplify.create_domain_association().app_id(&of.app).domain_name(name);
        let call = call.set_sub_domain_settings(Some(subdomains));
        let call = call.set_enable_auto_sub_domain(words.auto_subdomains);
        let call = call.set_certificate_settings(certificate).send();
        session.write(Service::Amplify, operation, call).await.map(drop)
    }

    async fn clear(
        session: &Session,
        of: &DomainRef,
        _: Option<Self::Sdk>,
    ) -> Result<(), AwsError> {
        let name = of.name.clone().unwrap_or_default();
        let call = session.amplify().delete_domain_association().app_id(&of.app);
        let call = call.domain_name(name).send();
        session.write(Service::Amplify, "DeleteDomainAssociation", call).await.map(drop)
    }
}

fn association(live: &aws::DomainAssociation) -> Association {
    let settings = live.sub_domains().iter().filter_map(|s| s.sub_domain_setting());
    let subdomains = settings.map(|setting| Subdomain {
        prefix: setting.prefix().to_owned(),
        branch: Some(setting.branch_name().to_owned()),
    });
    // A certificate that Amplify makes has no ARN of ours.
    let certificate = live.certificate().and_then(|c| c.custom_certificate_arn());
    let words = Domain {
        name: Some(live.domain_name().to_owned()),
        subdomains: Some(subdomains.collect()),
        auto_subdomains: Some(live.enable_auto_sub_domain()),
        certificate_arn: Some(certificate.unwrap_or_default().to_owned()),
    };
    let state = state(live, &words);
    Association { words, state: Some(state) }
}

fn state(live: &aws::DomainAssociation, words: &Domain) -> DomainState {
    let unverified = live.sub_domains().iter().filter(|s| !s.verified()).map(|s| s.dns_record());
    let certificate = live.certificate_verification_dns_record();
    let records: Vec<_> = certificate.into_iter().chain(unverified).map(str::trim).collect();
    let first = words.subdomains.as_ref().and_then(|subdomains| subdomains.first());
    DomainState {
        status: live.domain_status().as_str().to_owned(),
        is_known: aws::DomainStatus::values().contains(&live.domain_status().as_str()),
        reason: live.status_reason().to_owned(),
        records: match records[..] {
            [] => String::new(),
            _ => format!("; it waits for the DNS records {}", records.join(", ")),
        },
        url: first.map(|first| {
            let dot = if first.prefix.is_empty() { "" } else { "." };
            format!("https://{}{dot}{}", first.prefix, live.domain_name())
        }),
    }
}

fn subdomains(words: &Domain) -> Result<Vec<aws::SubDomainSetting>, BuildError> {
    let setting = |subdomain: &Subdomain| {
        aws::SubDomainSetting::builder()
            .prefix(&subdomain.prefix)
            .branch_name(subdomain.branch.clone().unwrap_or_default())
            .build()
    };
    words.subdomains.iter().flatten().map(setting).collect()
}

fn certificate(arn: String) -> Result<aws::CertificateSettings, BuildError> {
    let settings = aws::CertificateSettings::builder();
    match arn.is_empty() {
        true => settings.r#type(aws::CertificateType::AmplifyManaged),
        false => settings.r#type(aws::CertificateType::Custom).custom_certificate_arn(arn),
    }
    .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_leaves_out_what_stays_as_it_is() {
        let words = |auto, certificate: &str| Domain {
            name: Some("shop.com".to_owned()),
            subdomains: Some(Vec::new()),
            auto_subdomains: Some(auto),
            certificate_arn: Some(certificate.to_owned()),
        };
        let live = Association { words: words(true, "arn"), state: Some(DomainState::default()) };
        for (what, wanted, auto, certificate) in [
            ("nothing", words(true, "arn"), None, None),
            ("the switch", words(false, "arn"), Some(false), None),
            ("the certificate", words(true, ""), None, Some(String::new())),
        ] {
            let written = CustomDomain::overlay(wanted, Some(live.clone())).unwrap().words;
            assert_eq!(
                (written.auto_subdomains, written.certificate_arn),
                (auto, certificate),
                "{what}"
            );
        }
    }
}
