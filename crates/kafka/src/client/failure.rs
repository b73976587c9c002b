//! What goes wrong with a broker, and who must act.

use flott_api::{Error, ErrorKind};
use kafka_protocol::error::ResponseError;

/// The code of an answer.
pub(crate) type Code = ResponseError;

/// The error for an answer with this code; nothing if all is well.
pub(crate) fn code_error(code: i16, what: &str) -> Option<Error> {
    ResponseError::try_from_code(code).map(|code| refused(code, what))
}

/// The error for a broker that refuses something: `topic 'x' cannot be read`.
pub(crate) fn refused(code: Code, what: &str) -> Error {
    let kind = match code {
        _ if is_authorization(code) => ErrorKind::Invalid,
        code => ErrorKind::External { retry: code.is_retriable() },
    };
    let error = Error::new(kind, format!("{what}: Kafka answers {}", name(code)));
    if is_authorization(code) {
        return error.with_hint("Give the user of this job the right to do it, or another user.");
    }
    error
}

fn is_authorization(code: Code) -> bool {
    use ResponseError as E;
    matches!(
        code,
        E::TopicAuthorizationFailed
            | E::GroupAuthorizationFailed
            | E::ClusterAuthorizationFailed
            | E::TransactionalIdAuthorizationFailed
            | E::SaslAuthenticationFailed
    )
}

/// As Kafka writes it: `NOT_LEADER_OR_FOLLOWER`.
fn name(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}

/// A failure outside that may be over soon.
pub(crate) fn external(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::External { retry: true }, message)
}

/// Whether trying again may help.
pub(crate) fn is_passing(e: &Error) -> bool {
    e.kind() == ErrorKind::External { retry: true }
}
