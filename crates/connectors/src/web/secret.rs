//! What is not shown.

use std::fmt;
use std::sync::Arc;

/// A password, a key, a header that has one.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    text: Arc<str>,
    /// Other texts that would give it away.
    parts: Vec<Arc<str>>,
}

impl Secret {
    /// A secret. Of a header that begins with the name of a scheme, what stands behind it is one, too.
    pub(crate) fn new(text: &str) -> Self {
        let behind = ["Basic ", "Bearer "].iter().find_map(|scheme| text.strip_prefix(scheme));
        Secret { text: text.into(), parts: behind.map(Arc::from).into_iter().collect() }
    }

    /// The same, which another text would give away.
    #[must_use]
    pub(crate) fn with_part(mut self, part: &str) -> Self {
        self.parts.push(part.into());
        self
    }

    /// For the service, and for nothing else.
    pub(crate) fn reveal(&self) -> &str {
        &self.text
    }

    /// A text of others without the secret, should they have put it there.
    pub(crate) fn hidden_in(&self, text: &str) -> String {
        let all = std::iter::once(&self.text).chain(&self.parts).filter(|part| !part.is_empty());
        all.fold(text.to_owned(), |text, part| text.replace(&**part, "****"))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_part_of_a_secret_is_shown() {
        let secret = Secret::new("Basic bWU6aHVzaA==").with_part("hush").with_part("");
        assert_eq!(secret.hidden_in("Basic bWU6aHVzaA==, bWU6aHVzaA== is me:hush"), "****, **** is me:****");
        assert_eq!((format!("{secret:?}"), secret.reveal()), ("****".to_owned(), "Basic bWU6aHVzaA=="));
    }
}
