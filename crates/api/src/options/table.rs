//! The options that a connector or a format has, as a table. Errors, `flott connectors` and the manual are made from it, and
//! debug builds check that what is read is what the table says.

use std::fmt::{self, Write};

/// An option, as its table tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigOption {
    /// Its key; of [`OptionKind::Keys`] what its keys begin with, and a star: `properties.*`.
    pub key: &'static str,
    /// What its value is.
    pub kind: OptionKind,
    /// What holds if it is not set.
    pub default: OptionDefault,
    /// What it does, in words for its user, with Markdown.
    pub about: &'static str,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Any text.
    Text,
    /// A number.
    Number,
    /// `true` or `false`.
    Flag,
    /// [`Millis`](super::Millis).
    Duration,
    /// [`MemorySize`](super::MemorySize).
    Memory,
    /// One of these, without regard to case.
    Choice(&'static [&'static str]),
    /// Several options whose keys begin alike.
    Keys,
}

/// What holds if an option is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionDefault {
    /// Nothing, or what the option's text says.
    None,
    /// It must be set.
    Needed,
    /// This value.
    Value(&'static str),
}

/// The options of one thing.
pub type OptionTable = &'static [ConfigOption];

impl ConfigOption {
    const fn of(key: &'static str, kind: OptionKind, about: &'static str) -> Self {
        ConfigOption { key, kind, default: OptionDefault::None, about }
    }

    /// An option whose value is any text.
    pub const fn text(key: &'static str, about: &'static str) -> Self {
        Self::of(key, OptionKind::Text, about)
    }

    /// An option whose value is a number.
    pub const fn number(key: &'static str, about: &'static str) -> Self {
        Self::of(key, OptionKind::Number, about)
    }

    /// An option whose value is `true` or `false`.
    pub const fn flag(key: &'static str, about: &'static str) -> Self {
        Self::of(key, OptionKind::Flag, about)
    }

    /// An option whose value is a length of time.
    pub const fn duration(key: &'static str, about: &'static str) -> Self {
        Self::of(key, OptionKind::Duration, about)
    }

    /// An option whose value is a number of bytes.
    pub const fn memory(key: &'static str, about: &'static str) -> Self {
        Self::of(key, OptionKind::Memory, about)
    }

    /// An option whose value is one of `choices`.
    pub const fn choice(key: &'static str, choices: &'static [&'static str], about: &'static str) -> Self {
        Self::of(key, OptionKind::Choice(choices), about)
    }

    /// All options whose keys begin with what stands before the star of `key`.
    pub const fn keys(key: &'static str, about: &'static str) -> Self {
        Self::of(key, OptionKind::Keys, about)
    }

    /// With a default.
    #[must_use]
    pub const fn or(self, default: &'static str) -> Self {
        ConfigOption { default: OptionDefault::Value(default), ..self }
    }

    /// That must be set.
    #[must_use]
    pub const fn needed(self) -> Self {
        ConfigOption { default: OptionDefault::Needed, ..self }
    }

    /// Whether this is the key of it, or one of its keys.
    pub fn has(&self, key: &str) -> bool {
        match self.kind {
            OptionKind::Keys => key.starts_with(self.key.trim_end_matches('*')),
            _ => self.key == key,
        }
    }
}

impl fmt::Display for OptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionKind::Text => f.write_str("text"),
            OptionKind::Number => f.write_str("number"),
            OptionKind::Flag => f.write_str("true, false"),
            OptionKind::Duration => f.write_str("duration"),
            OptionKind::Memory => f.write_str("memory size"),
            OptionKind::Choice(choices) => f.write_str(&choices.join(", ")),
            OptionKind::Keys => f.write_str("options"),
        }
    }
}

impl fmt::Display for OptionDefault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OptionDefault::None => Ok(()),
            OptionDefault::Needed => f.write_str("needed"),
            OptionDefault::Value("") => f.write_str("''"),
            OptionDefault::Value(value) => f.write_str(value),
        }
    }
}

/// The tables as a table of Markdown. Keys get `prefix` in front.
pub fn markdown(tables: &[OptionTable], prefix: &str) -> String {
    let mut page = String::from("| option | value | default | meaning |\n|---|---|---|---|\n");
    for option in tables.iter().copied().flatten() {
        let default = match option.default {
            OptionDefault::Value(_) => format!("`{}`", option.default),
            _ => option.default.to_string(),
        };
        let kind = match option.kind {
            OptionKind::Choice(choices) => format!("`{}`", choices.join("`, `")),
            OptionKind::Flag => "`true`, `false`".to_owned(),
            kind => kind.to_string(),
        };
        let cells = [format!("`{prefix}{}`", option.key), kind, default, option.about.to_owned()];
        let cells =
            cells.map(|cell| if cell.is_empty() { " ".to_owned() } else { format!(" {} ", cell.replace('|', "\\|")) });
        // Writing to a string cannot fail.
        _ = writeln!(page, "|{}|", cells.join("|"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_told() {
        const TABLE: OptionTable = &[
            ConfigOption::text("topic", "What is read.").needed(),
            ConfigOption::choice("mode", &["a", "b"], "`a` or not.").or("a"),
            ConfigOption::keys("properties.*", ""),
        ];
        let expected = "| option | value | default | meaning |\n|---|---|---|---|\n\
            | `topic` | text | needed | What is read. |\n\
            | `mode` | `a`, `b` | `a` | `a` or not. |\n\
            | `properties.*` | options | | |\n";
        assert_eq!(markdown(&[TABLE], ""), expected);
        assert!(TABLE[2].has("properties.x") && !TABLE[0].has("topics"));
    }
}
