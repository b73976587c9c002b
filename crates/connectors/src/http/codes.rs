//! Lists of statuses, as in `2XX,404,!203`.

use flott_api::{Error, Result};

/// Some statuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Codes {
    /// First digits.
    groups: Vec<u16>,
    single: Vec<u16>,
    excluded: Vec<u16>,
}

impl Codes {
    /// Understands the value of an option.
    ///
    /// # Errors
    /// If there is something else in it.
    pub(super) fn parse(key: &str, text: &str) -> Result<Self> {
        let mut codes = Codes::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (excluded, name) = part.strip_prefix('!').map_or((false, part), |rest| (true, rest));
            let group = name.strip_suffix("XX").or_else(|| name.strip_suffix("xx"));
            match (group.and_then(|digit| digit.parse::<u16>().ok()), name.parse::<u16>()) {
                (Some(digit), _) if !excluded && (1..=5).contains(&digit) => codes.groups.push(digit),
                (None, Ok(code)) if (100..600).contains(&code) => {
                    if excluded { &mut codes.excluded } else { &mut codes.single }.push(code);
                }
                _ => {
                    return Err(Error::invalid(format!("option '{key}' has '{part}', which is no status"))
                        .with_hint("It is a list of statuses (404), of groups (5XX), and of exceptions (!501)."));
                }
            }
        }
        let is_exception = |code: &u16| codes.groups.contains(&(code / 100)) && !codes.single.contains(code);
        if let Some(code) = codes.excluded.iter().find(|code| !is_exception(code)) {
            return Err(Error::invalid(format!("option '{key}' has '!{code}', which is no exception of anything"))
                .with_hint(format!(
                    "It stands beside its group, as in '{0}XX,!{code}', and not beside '{code}'.",
                    code / 100
                )));
        }
        Ok(codes)
    }

    /// Whether a status is one of them.
    pub(super) fn contain(&self, status: u16) -> bool {
        let named = self.single.contains(&status) || self.groups.contains(&(status / 100));
        named && !self.excluded.contains(&status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_exceptions() {
        let codes = Codes::parse("k", "2XX, 404,!203").unwrap();
        assert_eq!([200, 203, 299, 404, 405].map(|status| codes.contain(status)), [true, false, true, true, false]);
        assert!(!Codes::parse("k", "").unwrap().contain(200));
        for wrong in ["!2XX", "6XX", "99", "x", "20X", "!404", "5XX,!404", "4XX,404,!404"] {
            assert!(Codes::parse("k", wrong).is_err(), "{wrong}");
        }
    }
}
