//! What an error of the S3 client means: who must act, and whether trying again may help.
//!
//! The client's own texts are not passed on. They quote the server's whole answer, in which AWS repeats
//! what was signed, a session token too.

use std::error::Error as StdError;

use flott_api::{Error, ErrorKind};
use object_store::Error as Cause;
use object_store::client::HttpError;

/// Of a server's message; some send pages.
const MESSAGE_CHARS_MAX: usize = 300;

/// How the client says that a host has no address.
const UNKNOWN_HOST: &str = "failed to lookup address";

/// Codes of S3 under a status that would be the user's fault, but pass.
const PASSING_CODES: &[&str] = &["RequestTimeout", "SlowDown", "OperationAborted", "ConditionalRequestConflict"];

/// Whether a create found that the object exists already. S3 also says "conflict" when two writers
/// meet, which does not mean that one of them has won.
pub(super) fn exists(cause: &Cause) -> bool {
    let Cause::AlreadyExists { source, .. } = cause else { return false };
    matches!(source.downcast_ref(), Some(Cause::Precondition { .. } | Cause::NotModified { .. }))
}

/// What is known of a failed request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Failed {
    /// The status of HTTP, if the server answered.
    status: Option<u16>,
    /// S3's name for the error.
    code: Option<String>,
    message: Option<String>,
    /// Why there was no answer.
    connection: Option<String>,
}

impl Failed {
    pub(super) fn new(cause: &Cause) -> Self {
        let texts: Vec<String> = chain(cause).map(ToString::to_string).collect();
        let element = |name: &str| texts.iter().find_map(|text| element(text, name));
        Failed {
            status: texts.iter().find_map(|text| status(text)).or_else(|| status_of_kind(cause)),
            code: element("Code"),
            message: element("Message").map(|message| message.chars().take(MESSAGE_CHARS_MAX).collect()),
            connection: chain(cause).any(|e| e.is::<HttpError>()).then(|| texts.last().cloned().unwrap_or_default()),
        }
    }

    pub(super) fn is_missing_object(&self) -> bool {
        self.status == Some(404) && !self.has_code("NoSuchBucket")
    }

    pub(super) fn is_behind_the_end(&self) -> bool {
        self.status == Some(416)
    }

    fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    /// `object 's3://bucket/a' cannot be written`, with what the server said.
    pub(super) fn error(&self, verb: &str, uri: &str) -> Error {
        let kind = ErrorKind::External { retry: self.may_pass() };
        let error = Error::new(kind, format!("object '{uri}' cannot be {verb}")).with_detail(self.detail());
        match self.hint() {
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

    fn hint(&self) -> Option<&'static str> {
        if self.connection.as_ref().is_some_and(|why| why.contains(UNKNOWN_HOST)) {
            return Some(
                "Check 's3.endpoint'; if buckets have no host of their own there, set 's3.path.style.access'.",
            );
        }
        Some(match (self.status?, self.code.as_deref()) {
            (_, Some("NoSuchBucket")) => "Create the bucket, or correct its name.",
            (_, Some("ExpiredToken")) => "Get new credentials: these have expired.",
            (300..=399, _) | (_, Some("AuthorizationHeaderMalformed")) => "Set the bucket's region with 's3.region'.",
            (401 | 403, _) | (_, Some("InvalidToken")) => {
                "Check 's3.access-key' and 's3.secret-key', or AWS's environment variables, and what they may do."
            }
            (501, _) => "The server lacks what Flott needs of S3: see that it has conditional writes.",
            _ => return None,
        })
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
    let (_, behind) = text.split_once("status code: ")?;
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
            let error = answered(status, code).error("read", "s3://b/a");
            assert_eq!(error.kind(), ErrorKind::External { retry: true }, "{status} {code}");
        }
        for (status, code) in [(403, "AccessDenied"), (404, "NoSuchBucket"), (400, "InvalidRequest"), (301, "X")] {
            let error = answered(status, code).error("read", "s3://b/a");
            assert_eq!(error.kind(), ErrorKind::External { retry: false }, "{status} {code}");
        }
    }

    #[test]
    fn an_error_says_what_the_server_said_and_no_more() {
        let error = answered(403, "SignatureDoesNotMatch").error("written", "s3://b/a");
        assert_eq!(error.message(), "object 's3://b/a' cannot be written");
        assert_eq!(error.detail(), Some("The server answered 403 (SignatureDoesNotMatch): No."));
        assert!(error.hint().unwrap().contains("s3.secret-key"));
        assert!(!format!("{error:?} {error}").contains("hush"));
        assert_eq!(answered(404, "NoSuchBucket").hint(), Some("Create the bucket, or correct its name."));
    }

    #[test]
    fn a_missing_bucket_is_no_missing_object() {
        assert!(answered(404, "NoSuchKey").is_missing_object());
        assert!(!answered(404, "NoSuchBucket").is_missing_object());
        assert!(answered(416, "InvalidRange").is_behind_the_end());
    }

    #[test]
    fn a_conflict_does_not_say_who_won() {
        let boxed = |cause: Cause| -> Box<dyn StdError + Send + Sync> { Box::new(cause) };
        let inner = Cause::Precondition { path: "a".into(), source: "x".into() };
        assert!(exists(&Cause::AlreadyExists { path: "a".into(), source: boxed(inner) }));
        let conflict = Cause::AlreadyExists { path: "a".into(), source: "status code: 409 Conflict".into() };
        assert!(!exists(&conflict));
        assert!(Failed::new(&conflict).may_pass());
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
