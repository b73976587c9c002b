//! What the tab key offers: keywords, tables, columns, functions, and behind `SET` the keys of options.

use std::sync::{Arc, Mutex, PoisonError};

use flott_sql::catalog::Relation;
use flott_sql::config::OPTIONS;
use flott_sql::session::Session;
use reedline::{Completer, CompletionResult, Span, Suggestion};

use super::tokens::{Kind, Token, tokens};
use super::words::KEYWORDS;

/// What names there are; the shell renews it after every statement.
#[derive(Clone, Debug, Default)]
pub(super) struct Vocabulary {
    /// Tables and views, with their columns.
    pub(super) tables: Vec<(String, Vec<String>)>,
    /// Functions.
    pub(super) functions: Vec<String>,
}

impl Vocabulary {
    /// What a session knows.
    pub(super) fn of(session: &Session) -> Self {
        let catalogs = session.catalogs();
        let columns = |name: &String| match catalogs.find(std::slice::from_ref(name)).ok().flatten()?.relation {
            Relation::Table(table) => Some(table.columns.iter().map(|c| c.name.clone()).collect()),
            Relation::View(view) => Some(view.schema.fields.iter().map(|f| f.name.clone()).collect()),
        };
        let names = catalogs.names_here().into_iter();
        Vocabulary {
            tables: names.map(|name| (name.clone(), columns(&name).unwrap_or_default())).collect(),
            functions: flott_functions::function_names().into_iter().map(|name| name.to_string()).collect(),
        }
    }

    /// Words that may stand at the end of this text, in the order they are offered: what fits, and how many bytes of
    /// the text they replace.
    fn candidates(&self, before: &str) -> (Vec<String>, usize) {
        let tokens = tokens(before);
        if let Some(prefix) = option_prefix(&tokens) {
            let keys = OPTIONS.iter().map(|o| o.key).filter(|key| key.starts_with(prefix));
            return (keys.map(str::to_owned).collect(), prefix.len());
        }
        let prefix = match tokens.last() {
            Some(Token { kind: Kind::Text | Kind::Comment | Kind::QuotedName | Kind::Number, .. }) => {
                return (Vec::new(), 0);
            }
            Some(Token { kind: Kind::Word, text, .. }) => *text,
            _ => "",
        };
        if prefix.is_empty() && !before.ends_with('.') {
            return (Vec::new(), 0);
        }
        let behind = &tokens[..tokens.len() - usize::from(!prefix.is_empty())];
        (self.words(behind, prefix), prefix.len())
    }

    fn words(&self, behind: &[Token<'_>], prefix: &str) -> Vec<String> {
        let fits = |word: &&str| {
            word.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
                && word.len() > prefix.len()
        };
        // Behind `t.` only the columns of t make sense; an alias may be any table's.
        if let [.., table, Token { text: ".", .. }] = behind {
            let named = self.tables.iter().filter(|(name, _)| name.eq_ignore_ascii_case(table.text));
            let columns: Vec<&str> = named.flat_map(|(_, columns)| columns).map(String::as_str).collect();
            let all = || self.columns().collect();
            let columns = if columns.is_empty() { all() } else { columns };
            return unique(columns.into_iter().filter(fits));
        }
        let tables = self.tables.iter().map(|(name, _)| name.as_str());
        let functions = self.functions.iter().map(String::as_str);
        let names = tables.chain(self.columns()).chain(functions).filter(fits);
        let keywords = KEYWORDS.iter().copied().filter(fits);
        // A keyword is written as the user writes: small letters stay small.
        let is_small = prefix.chars().all(|c| !c.is_uppercase());
        let keywords = keywords.map(|word| if is_small { word.to_lowercase() } else { word.to_owned() });
        let mut words = unique(names);
        words.extend(keywords);
        words
    }

    fn columns(&self) -> impl Iterator<Item = &str> {
        self.tables.iter().flat_map(|(_, columns)| columns).map(String::as_str)
    }
}

/// The beginning of an option's key, behind `SET '` or `RESET '`.
fn option_prefix<'a>(tokens: &[Token<'a>]) -> Option<&'a str> {
    let (last, behind) = tokens.split_last()?;
    let word = behind.iter().rev().find(|t| !t.text.trim().is_empty())?;
    let sets = ["SET", "RESET"].iter().any(|set| word.text.eq_ignore_ascii_case(set));
    let is_open = last.kind == Kind::Text && (last.text.len() == 1 || !last.text.ends_with('\''));
    (sets && is_open).then(|| &last.text[1..])
}

fn unique<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut words: Vec<String> = words.map(str::to_owned).collect();
    words.sort();
    words.dedup();
    words
}

/// Completes from a vocabulary that somebody else renews.
pub(super) struct SqlCompleter {
    pub(super) vocabulary: Arc<Mutex<Vocabulary>>,
}

impl Completer for SqlCompleter {
    fn complete(&mut self, line: &str, pos: usize) -> CompletionResult {
        let before = line.get(..pos).unwrap_or(line);
        let vocabulary = self.vocabulary.lock().unwrap_or_else(PoisonError::into_inner);
        let (words, replaced) = vocabulary.candidates(before);
        let span = Span::new(before.len() - replaced, before.len());
        let suggestion = |value| Suggestion { value, span, append_whitespace: false, ..Suggestion::default() };
        CompletionResult::fresh(words.into_iter().map(suggestion).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(before: &str) -> Vec<String> {
        let vocabulary = Vocabulary {
            tables: vec![
                ("orders".into(), vec!["id".into(), "price".into()]),
                ("people".into(), vec!["id".into(), "name".into()]),
            ],
            functions: vec!["UPPER".into()],
        };
        vocabulary.candidates(before).0
    }

    #[test]
    fn names_come_before_keywords_which_keep_the_users_case() {
        assert_eq!(offered("SELECT * FROM ord"), ["orders", "order"]);
        assert_eq!(offered("SELECT * FROM t ORD"), ["orders", "ORDER"]);
        assert_eq!(offered("sel"), ["select"]);
        assert_eq!(offered("SELECT UPP"), ["UPPER"]);
    }

    #[test]
    fn columns_of_a_table_and_of_an_alias() {
        assert_eq!(offered("SELECT people."), ["id", "name"]);
        assert_eq!(offered("SELECT people.n"), ["name"]);
        assert_eq!(offered("SELECT x.p"), ["price"]);
    }

    #[test]
    fn options_behind_set() {
        assert_eq!(offered("SET 'table.dml"), ["table.dml-sync"]);
        assert!(offered("RESET '").len() > 10);
        assert!(offered("SET 'table.dml-sync' = '").is_empty());
    }

    #[test]
    fn nothing_within_text_or_comments() {
        for before in ["", "SELECT ", "SELECT 'sel", "-- sel", "SELECT `or"] {
            assert!(offered(before).is_empty(), "{before}");
        }
    }
}
