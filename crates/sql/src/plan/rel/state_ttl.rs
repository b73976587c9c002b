//! How long a node keeps state where a hint says so.

use flott_api::options::{FromOption, Millis};

/// What `STATE_TTL` says of one input; else `table.exec.state.ttl` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateTtl {
    /// Milliseconds; 0 for ever.
    pub ms: i64,
    /// As it was written.
    pub text: String,
}

impl StateTtl {
    /// A duration; nothing if the text is none.
    pub fn parse(text: &str) -> Option<Self> {
        let ms = i64::try_from(Millis::from_option(text)?.0).ok()?;
        Some(StateTtl { ms, text: text.to_owned() })
    }
}
