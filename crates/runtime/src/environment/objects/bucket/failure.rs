//! What an error of a bucket's client means: who must act, and whether trying again may help.
//!
//! The client's own texts are not passed on. They quote the server's whole answer, in which AWS repeats
//! what was signed, a session token too.

use std::error::Error as StdError;

use flott_api::{Error, ErrorKind};
use object_store::Error as Cause;
use object_store::client::HttpError;

use super::service::Service;

/// Of a server's message; some send pages.
const MESSAGE_CHARS_MAX: usize = 300;

/// How the client says that a host has no address.
const UNKNOWN_HOST: &str = "failed to lookup address";

/// How the client says that it got no credentials from whoever gives them out.
const TOKEN_REQUEST: &str = "token request";

/// What Azurite answers to whoever asks for the first bytes of an empty blob; Azure itself says 416.
const NO_BYTES: &str = "\"bytes 0--1/0\"";

/// Codes under a status that would be the user's fault, but pass.
const PASSING_CODES: &[&str] = &["RequestTimeout", "SlowDown", "OperationAborted", "ConditionalRequestConflict"];

/// What is known of a failed request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// The status of HTTP, if the server answered.
    status: Option<u16>,
    /// The service's name for the error.
    code: Option<String>,
    message: Option<String>,
    /// Why there was no answer.
    connection: Option<String>,
    /// Whether it was about credentials, and not yet about the object.
    is_about_credentials: bool,
    says_existing: bool,
    has_no_bytes: bool,
}

impl Failed {
    pub(super) fn new(cause: &Cause) -> Self {
        let texts: Vec<String> = chain(cause).map(ToString::to_string).collect();
        // The deepest first: above it paths are quoted, which may say anything.
        let element = |name: &str| texts.iter().rev().find_map(|text| element(text, name));
        Failed {
            status: texts.iter().rev().find_map(|text| status(text)).or_else(|| status_of_kind(cause)),
            code: element("Code"),
            message: element("Message").map(|message| message.chars().take(MESSAGE_CHARS_MAX).collect()),
            connection: chain(cause).any(|e| e.is::<HttpError>()).then(|| texts.last().cloned().unwrap_or_default()),
            is_about_credentials: texts.iter().any(|text| text.contains(TOKEN_REQUEST)),
            says_existing: matches!(cause, Cause::AlreadyExists { .. }),
            has_no_bytes: texts.last().is_some_and(|text| text.contains(NO_BYTES)),
        }
    }

    /// Whether a create found that the object exists already.
    pub(super) fn is_existing_object(&self, service: &Service) -> bool {
        let is_this = |(status, code): &(u16, Option<&str>)| {
            self.status == Some(*status) && code.is_none_or(|code| self.has_code(code))
        };
        self.says_existing && service.existing.iter().any(is_this)
    }

    pub(super) fn is_missing_object(&self, service: &Service) -> bool {
        self.status == Some(404) && !self.is_about_credentials && !self.is_missing_bucket(service)
    }

    fn is_missing_bucket(&self, service: &Service) -> bool {
        service.missing_bucket.iter().any(|code| self.has_code(code))
    }

    pub(super) fn is_behind_the_end(&self) -> bool {
        self.status == Some(416) || self.has_no_bytes
    }

    fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// `object 's3://bucket/a' cannot be written`, with what the server said.
    pub(super) fn error(&self, service: &Service, verb: &str, uri: &str) -> Error {
        let kind = ErrorKind::External { retry: self.may_pass() };
        let error = Error::new(kind, format!("object '{uri}' cannot be {verb}")).with_detail(self.detail());
        match self.hint(service) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    fn may_pass(&self) -> bool {
        match self.status {
            Some(408 | 409 | 425 | 429 | 500..) | None => true,
            Some(_) => self.code.as_deref().is_some_and(|code| PASSING_CODES.contains(&code)),
        }
    }

    fn detail(&self) -> String {
        let code = self.code.as_ref().map(|code| format!(" ({code})")).unwrap_or_default();
        let message = self.message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
        match (self.status, &self.connection) {
            (Some(status), _) => format!("The server answered {status}{code}{}.", message.trim_end_matches('.')),
            (None, Some(connection)) => format!("There was no answer: {connection}."),
            (None, None) => "The server's answer was not understood.".to_owned(),
        }
    }

    fn hint(&self, service: &Service) -> Option<String> {
        if self.connection.as_ref().is_some_and(|why| why.contains(UNKNOWN_HOST)) {
            return Some(service.address_hint.to_owned());
        }
        if self.is_about_credentials {
            return Some(service.credentials_hint.to_owned());
        }
        let hint = match (self.status?, self.code.as_deref()) {
            _ if self.is_missing_bucket(service) => "Create the bucket, or correct its name.",
            (_, Some("ExpiredToken")) => "Get new credentials: these have expired.",
            (300..=399, _) | (_, Some("AuthorizationHeaderMalformed")) => service.region_hint,
            (401 | 403, _) | (_, Some("InvalidToken" | "AuthenticationFailed")) => service.credentials_hint,
            (501, _) => {
                let name = service.name;
                return Some(format!(
                    "The server lacks what Flott needs of {name}: see that it has conditional writes."
                ));
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// An error and what is below it.
fn chain(cause: &Cause) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    let first: &(dyn StdError + 'static) = cause;
    std::iter::successors(Some(first), |e: &&(dyn StdError + 'static)| (*e).source())
}

/// The client keeps the status to itself, but for these.
fn status_of_kind(cause: &Cause) -> Option<u16> {
    Some(match cause {
        Cause::NotFound { .. } => 404,
        Cause::Precondition { .. } => 412,
        Cause::NotModified { .. } => 304,
        Cause::AlreadyExists { .. } => 409,
        Cause::PermissionDenied { .. } => 403,
        Cause::Unauthenticated { .. } => 401,
        _ => return None,
    })
}

/// And in its text, `… status code: 503 Service Unavailable: …`. A redirect without a target has none.
fn status(text: &str) -> Option<u16> {
    if text.contains("redirect without LOCATION") {
        return Some(301);
    }
    // Azure's deletes go as a list, whose answer has a line for each: `… failed for key a: why (code: 403)`.
    let of_list = || text.strip_prefix("Bulk delete request failed")?.rsplit_once("(code: ");
    let (_, behind) = of_list().or_else(|| text.split_once("status code: "))?;
    behind.get(..3)?.parse().ok()
}

/// The text of an element of the server's answer.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, behind) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = behind.split_once(&format!("</{name}>"))?;
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::service::{AZURE, COS, GCS, OSS, S3};
    use super::*;

    fn answered(status: u16, code: &str) -> Failed {
        let text = format!(
            "Server returned non-2xx status code: {status} X: <Error><Code>{code}</Code><Message>No.</Message>\
             <StringToSign>hush</StringToSign></Error>"
        );
        Failed::new(&Cause::Generic { store: "S3", source: text.into() })
    }

    #[test]
    fn what_may_pass_is_tried_again() {
        for (status, code) in
            [(500, "InternalError"), (503, "SlowDown"), (429, "X"), (409, "X"), (400, "RequestTimeout")]
        {
            let error = answered(status, code).error(&S3, "read", "s3://b/a");
            assert_eq!(error.kind(), ErrorKind::External { retry: true }, "{status} {code}");
        }
        for (status, code) in [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "InvalidRequest"), (301, "X")] {
            let error = answered(status, code).error(&S3, "read", "s3://b/a");
            assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{status} {code}");
        }
    }

    #[test]
    fn an_error_says_what_the_server_said_and_no_more() {
        let error = answered(403, "SignatureDoesNotMatch").error(&S3, "written", "s3://b/a");
        assert_eq!(error.message(), "object 's3://b/a' cannot be written");
        assert_eq!(error.detail(), Some("The server answered 403 (SignatureDoesNotMatch): No."));
        assert!(error.hint().unwrap().contains("s3.secret-key"));
        assert!(!format!("{error:?} {error}").contains("hush"));
        assert_eq!(answered(404, "NoSuchBucket").hint(&S3).as_deref(), Some("Create the bucket, or correct its name."));
    }

    #[test]
    fn a_missing_bucket_is_no_missing_object() {
        assert!(answered(404, "NoSuchKey").is_missing_object(&S3));
        assert!(!answered(404, "NoSuchBucket").is_missing_object(&S3));
        assert!(answered(416, "InvalidRange").is_behind_the_end());
    }

    /// As the client passes on the answer to a create.
    fn refused(status: u16, code: &str) -> Failed {
        let text = format!("Server returned non-2xx status code: {status} X: <Error><Code>{code}</Code></Error>");
        Failed::new(&Cause::AlreadyExists { path: "status code: 412".into(), source: text.into() })
    }

    #[test]
    fn each_service_says_in_its_way_that_an_object_exists() {
        for (service, status, code) in [
            (&S3, 412, "PreconditionFailed"),
            (&GCS, 412, "PreconditionFailed"),
            (&AZURE, 409, "BlobAlreadyExists"),
            (&AZURE, 412, "ConditionNotMet"),
            (&OSS, 409, "FileAlreadyExists"),
            (&COS, 409, "FileAlreadyExists"),
        ] {
            assert!(refused(status, code).is_existing_object(service), "{} {code}", service.name);
        }
    }

    #[test]
    fn a_conflict_does_not_say_who_won() {
        for (service, status, code) in [
            (&S3, 409, "ConditionalRequestConflict"),
            (&GCS, 409, "Conflict"),
            (&AZURE, 409, "ContainerBeingDeleted"),
            (&AZURE, 412, "LeaseIdMissing"),
            (&OSS, 409, "FileImmutable"),
            (&OSS, 412, "PreconditionFailed"),
            (&COS, 409, "PathConflict"),
        ] {
            assert!(!refused(status, code).is_existing_object(service), "{} {code}", service.name);
        }
        assert!(refused(409, "ConditionalRequestConflict").may_pass());
        let said = Cause::Generic { store: "S3", source: "status code: 412".into() };
        assert!(!Failed::new(&said).is_existing_object(&S3), "only a create is answered so");
    }

    #[test]
    fn a_delete_that_azure_refuses_has_a_status() {
        let text = "Bulk delete request failed for key status code: 500: This is not permitted. (code: 403)";
        let failed = Failed::new(&Cause::Generic { store: "MicrosoftAzure", source: text.into() });
        assert_eq!((failed.status, failed.hint(&AZURE).as_deref()), (Some(403), Some(AZURE.credentials_hint)));
    }

    #[test]
    fn who_gives_no_credentials_has_not_missed_the_object() {
        let text = "Error performing token request: Server returned non-2xx status code: 404 Not Found: gone";
        let failed = Failed::new(&Cause::Generic { store: "GCS", source: text.into() });
        assert!(!failed.is_missing_object(&GCS));
        assert_eq!(failed.hint(&GCS).as_deref(), Some(GCS.credentials_hint));
    }

    #[test]
    fn an_answer_of_another_kind_is_an_error() {
        for text in ["", "status code: ", "status code: 9é", "<Code></Code>", "</Code><Code>"] {
            let failed = Failed::new(&Cause::Generic { store: "S3", source: text.into() });
            assert_eq!(failed, Failed::default(), "{text}");
            assert_eq!(failed.detail(), "The server's answer was not understood.");
        }
    }
}
