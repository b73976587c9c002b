//! Reads types as declarations in Python write them: `BIGINT`, `ROW<a INT, b ARRAY<STRING>>`.

use flott_api::types::{DECIMAL_PRECISION_MAX, LENGTH_MAX};
use flott_api::{Error, Field, LogicalType, Result, TypeKind};

/// Deeper types are refused, before the stack ends.
const DEPTH_MAX: usize = 64;

/// The type that a text names.
///
/// # Errors
/// If it names none.
pub(crate) fn parse(text: &str) -> Result<LogicalType> {
    let mut parser = Parser { tokens: tokens(text), at: 0, depth: 0 };
    let parsed = parser.data_type().filter(|_| parser.at == parser.tokens.len());
    parsed.ok_or_else(|| {
        Error::invalid(format!("'{text}' is no type"))
            .with_hint("Write it as SQL does, such as 'BIGINT' or 'ROW<a INT, b ARRAY<STRING>>'.")
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A keyword or a name; quoted ones are names only.
    Word {
        text: String,
        quoted: bool,
    },
    Number(u32),
    Sign(char),
}

fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '`' => quoted_length(rest),
            c if c.is_alphanumeric() || c == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(match first {
            '`' => Token::Word { text: token[1..].trim_end_matches('`').replace("``", "`"), quoted: true },
            c if c.is_ascii_digit() => token.parse().map_or(Token::Sign('?'), Token::Number),
            c if c.is_alphanumeric() || c == '_' => Token::Word { text: token.to_owned(), quoted: false },
            c => Token::Sign(c),
        });
        rest = after.trim_start();
    }
    tokens
}

/// How long a name in backticks is; two of them are one within it.
fn quoted_length(text: &str) -> usize {
    let mut at = 1;
    loop {
        match text[at..].find('`') {
            None => return text.len(),
            Some(end) if text[at + end + 1..].starts_with('`') => at += end + 2,
            Some(end) => return at + end + 1,
        }
    }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn data_type(&mut self) -> Option<LogicalType> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return None;
        }
        let word = self.word()?;
        let kind = self.kind(&word)?;
        self.depth -= 1;
        let nullable = if self.words(&["NOT", "NULL"]) {
            false
        } else {
            self.words(&["NULL"]);
            true
        };
        Some(LogicalType { kind, nullable })
    }

    fn kind(&mut self, word: &str) -> Option<TypeKind> {
        Some(match word {
            "BOOLEAN" => TypeKind::Boolean,
            "TINYINT" => TypeKind::TinyInt,
            "SMALLINT" => TypeKind::SmallInt,
            "INT" | "INTEGER" => TypeKind::Int,
            "BIGINT" => TypeKind::BigInt,
            "FLOAT" => TypeKind::Float,
            "DOUBLE" => {
                self.words(&["PRECISION"]);
                TypeKind::Double
            }
            "DATE" => TypeKind::Date,
            "NULL" => TypeKind::Null,
            "VARIANT" => TypeKind::Variant,
            "BITMAP" => TypeKind::Bitmap,
            "STRING" => TypeKind::Varchar(LENGTH_MAX),
            "BYTES" => TypeKind::Varbinary(LENGTH_MAX),
            "CHAR" | "CHARACTER" if !self.words(&["VARYING"]) => TypeKind::Char(self.length()?),
            "CHAR" | "CHARACTER" | "VARCHAR" => TypeKind::Varchar(self.length()?),
            "BINARY" if !self.words(&["VARYING"]) => TypeKind::Binary(self.length()?),
            "BINARY" | "VARBINARY" => TypeKind::Varbinary(self.length()?),
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal()?,
            "TIME" | "TIMESTAMP" | "TIMESTAMP_LTZ" => self.moment(word)?,
            "ARRAY" => TypeKind::Array(Box::new(self.within()?)),
            "MULTISET" => TypeKind::Multiset(Box::new(self.within()?)),
            "MAP" => self.map()?,
            "ROW" => TypeKind::Row(self.fields()?),
            _ => return None,
        })
    }

    fn length(&mut self) -> Option<u32> {
        let length = self.numbers()?.first().copied().unwrap_or(1);
        (1..=LENGTH_MAX).contains(&length).then_some(length)
    }

    fn decimal(&mut self) -> Option<TypeKind> {
        let numbers = self.numbers()?;
        let [precision, scale] = [numbers.first().copied().unwrap_or(10), numbers.get(1).copied().unwrap_or(0)];
        let fits = (1..=u32::from(DECIMAL_PRECISION_MAX)).contains(&precision) && scale <= precision;
        fits.then_some(TypeKind::Decimal { precision: precision as u8, scale: scale as u8 })
    }

    fn moment(&mut self, word: &str) -> Option<TypeKind> {
        let default = if word == "TIME" { 0 } else { 6 };
        let precision = self.numbers()?.first().copied().unwrap_or(default);
        let precision = u8::try_from(precision).ok().filter(|precision| *precision <= 9)?;
        Some(match word {
            "TIME" => {
                self.words(&["WITHOUT", "TIME", "ZONE"]);
                TypeKind::Time(precision)
            }
            "TIMESTAMP_LTZ" => TypeKind::TimestampLtz(precision),
            _ if self.words(&["WITH", "LOCAL", "TIME", "ZONE"]) => TypeKind::TimestampLtz(precision),
            _ if self.words(&["WITH", "TIME", "ZONE"]) => TypeKind::TimestampTz(precision),
            _ => {
                self.words(&["WITHOUT", "TIME", "ZONE"]);
                TypeKind::Timestamp(precision)
            }
        })
    }

    /// `(1)`, `(1, 2)` or nothing.
    fn numbers(&mut self) -> Option<Vec<u32>> {
        let mut numbers = Vec::new();
        if self.sign('(') {
            loop {
                let Some(Token::Number(number)) = self.next() else { return None };
                numbers.push(number);
                if !self.sign(',') {
                    break;
                }
            }
            if !self.sign(')') {
                return None;
            }
        }
        Some(numbers)
    }

    fn within(&mut self) -> Option<LogicalType> {
        let element = self.sign('<').then(|| self.data_type())??;
        self.sign('>').then_some(element)
    }

    fn map(&mut self) -> Option<TypeKind> {
        let key = self.sign('<').then(|| self.data_type())??;
        let value = self.sign(',').then(|| self.data_type())??;
        self.sign('>').then(|| TypeKind::Map(Box::new(key), Box::new(value)))
    }

    fn fields(&mut self) -> Option<Vec<Field>> {
        let end = if self.sign('<') { '>' } else { self.sign('(').then_some(')')? };
        let mut fields = Vec::new();
        while !self.sign(end) {
            if !fields.is_empty() && !self.sign(',') {
                return None;
            }
            let Some(Token::Word { text, .. }) = self.next() else { return None };
            fields.push(Field::new(text, self.data_type()?));
        }
        Some(fields)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// A keyword, in capitals.
    fn word(&mut self) -> Option<String> {
        match self.next()? {
            Token::Word { text, quoted: false } => Some(text.to_uppercase()),
            _ => None,
        }
    }

    fn sign(&mut self, sign: char) -> bool {
        let is = self.tokens.get(self.at) == Some(&Token::Sign(sign));
        self.at += usize::from(is);
        is
    }

    /// Takes these keywords, if they are next.
    fn words(&mut self, words: &[&str]) -> bool {
        let next = self.tokens.get(self.at..self.at + words.len()).unwrap_or_default();
        let is = |token: &Token, word: &str| matches!(token, Token::Word { text, quoted: false } if text.eq_ignore_ascii_case(word));
        let all = next.len() == words.len() && next.iter().zip(words).all(|(token, word)| is(token, word));
        self.at += if all { words.len() } else { 0 };
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_as_flink_writes_them() {
        let cases = [
            ("bigint", "BIGINT"),
            ("INT NOT NULL", "INT NOT NULL"),
            ("STRING NULL", "STRING"),
            ("VARCHAR(2147483647)", "STRING"),
            ("char varying(3)", "VARCHAR(3)"),
            ("CHAR", "CHAR(1)"),
            ("BINARY(2)", "BINARY(2)"),
            ("DECIMAL", "DECIMAL(10, 0)"),
            ("NUMERIC(38,18)", "DECIMAL(38, 18)"),
            ("DOUBLE PRECISION", "DOUBLE"),
            ("TIME", "TIME(0)"),
            ("TIMESTAMP", "TIMESTAMP(6)"),
            ("TIMESTAMP(3) WITHOUT TIME ZONE", "TIMESTAMP(3)"),
            ("TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)"),
            ("TIMESTAMP_LTZ(9)", "TIMESTAMP_LTZ(9)"),
            ("ARRAY<MAP<STRING, INT NOT NULL>>", "ARRAY<MAP<STRING, INT NOT NULL>>"),
            ("Row<f0 INT,`a``b` ARRAY<STRING>>", "ROW<`f0` INT, `a``b` ARRAY<STRING>>"),
            ("ROW(a INT)", "ROW<`a` INT>"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text).unwrap().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_type_is_refused() {
        let deep = format!("{}INT{}", "ARRAY<".repeat(10_000), ">".repeat(10_000));
        for text in [
            "",
            "NUMBER",
            "INT INT",
            "ARRAY<INT",
            "ARRAY",
            "DECIMAL(39, 0)",
            "DECIMAL(2, 3)",
            "CHAR(0)",
            "`INT`",
            "ROW<a>",
            "TIME(99999999999)",
            &deep,
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.message(), format!("'{text}' is no type"));
        }
    }
}
