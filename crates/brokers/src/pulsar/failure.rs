//! What brokers refuse, and who must act.

use flott_api::Error;

use crate::link::passing;

/// A refusal of a broker: a `ServerError`, and its words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) code: i32,
    text: String,
}

const NAMES: [&str; 26] = [
    "UnknownError",
    "MetadataError",
    "PersistenceError",
    "AuthenticationError",
    "AuthorizationError",
    "ConsumerBusy",
    "ServiceNotReady",
    "ProducerBlockedQuotaExceededError",
    "ProducerBlockedQuotaExceededException",
    "ChecksumError",
    "UnsupportedVersionError",
    "TopicNotFound",
    "SubscriptionNotFound",
    "ConsumerNotFound",
    "TooManyRequests",
    "TopicTerminatedError",
    "ProducerBusy",
    "InvalidTopicName",
    "IncompatibleSchema",
    "ConsumerAssignError",
    "TransactionCoordinatorNotFound",
    "InvalidTxnStatus",
    "NotAllowedError",
    "TransactionConflict",
    "TransactionNotFound",
    "ProducerFenced",
];

impl Refusal {
    pub(super) const TOPIC_NOT_FOUND: i32 = 11;
    const INVALID_TXN_STATUS: i32 = 21;
    const TRANSACTION_NOT_FOUND: i32 = 24;

    /// Whether it says that a transaction is not open, or not known any more.
    pub(super) fn is_of_ended_transaction(&self) -> bool {
        matches!(self.code, Refusal::INVALID_TXN_STATUS | Refusal::TRANSACTION_NOT_FOUND)
    }

    /// That of a code, with the broker's words, which may be a Java exception with all its frames.
    pub(super) fn of(code: i32, text: &str) -> Self {
        const WORDS_MAX: usize = 300;
        let line = text.lines().next().unwrap_or_default();
        Refusal { code, text: line.chars().take(WORDS_MAX).collect() }
    }

    /// The error for it; `what` was refused.
    pub(super) fn error(&self, what: &str) -> Error {
        let code = self.code;
        let name = usize::try_from(code).ok().and_then(|at| NAMES.get(at)).copied().unwrap_or("unknown");
        let message = format!("{what}: Pulsar answers {} ({name}, {code})", self.text);
        match code {
            3 => Error::invalid(format!("{what}: Pulsar does not let this job in ({name}, {code})")).with_hint(
                "Check options 'pulsar.client.authPluginClassName' and 'pulsar.client.authParams'.",
            ),
            4 => Error::invalid(message).with_hint("Grant this role the right to do it."),
            5 => passing(message).with_hint(
                "Another job or client reads this exclusive subscription: give 'source.subscription-name' a name of its own.",
            ),
            7 | 8 => passing(message).with_hint("Too much waits for subscriptions of this topic: the backlog quota is used up."),
            // States of a cluster that is starting, moving topics or electing.
            0 | 1 | 2 | 6 | 9 | 13 | 14 | 16 | 19 => passing(message),
            20 => passing(message)
                .with_hint("Transactions need 'transactionCoordinatorEnabled=true' at the brokers, and their metadata initialised."),
            11 => Error::external(message).with_hint("Create the topic first, or check option 'topics'."),
            17 => Error::invalid(message).with_hint("Check option 'topics'."),
            18 => Error::external(message).with_hint(
                "The topic has a schema, and takes no producers without one: 'schemaValidationEnforced' is set in its namespace.",
            ),
            _ => Error::external(message),
        }
    }
}

/// That a connection is to be made anew, as the broker wants it.
pub(super) fn moved(topic: &str) -> Error {
    passing(format!("the broker has closed topic '{topic}': it may have moved"))
}

#[cfg(test)]
mod tests {
    use flott_api::ErrorKind;

    use super::*;

    #[test]
    fn who_must_act_follows_from_the_code() {
        let kind = |code| Refusal::of(code, "words\n\tat java").error("x").kind();
        let passing = ErrorKind::External { retry: true };
        assert_eq!([kind(3), kind(4), kind(17)], [ErrorKind::Invalid; 3]);
        assert_eq!([kind(5), kind(6), kind(16), kind(20)], [passing; 4]);
        assert_eq!([kind(11), kind(15), kind(99), kind(-1)], [ErrorKind::External { retry: false }; 4]);
        let error = Refusal::of(11, "Topic not found\n\tat java").error("topic 't'");
        assert_eq!(error.message(), "topic 't': Pulsar answers Topic not found (TopicNotFound, 11)");
    }
}
