//! The clauses of the JSON functions in the recorded expressions.

use flott_api::expr::{Expr, Value};
use flott_api::types::LENGTH_MAX;
use flott_api::{LogicalType, TypeKind};

use super::bind::{Stop, constant};
use super::parse::Parser;

type Args = Result<Vec<Expr>, Stop>;

fn text(text: &str) -> Result<Expr, Stop> {
    constant(Value::String(text.into()), TypeKind::Char(text.len() as u32))
}

fn null_of(kind: TypeKind) -> Expr {
    Expr::literal(Value::Null, LogicalType::new(kind))
}

impl Parser<'_> {
    /// The arguments of one of the functions, up to the closing parenthesis.
    pub(super) fn json(&mut self, name: &str) -> Args {
        match name {
            "json_object" => self.json_object(),
            "json_array" => self.json_array(),
            _ => self.json_lookup(name),
        }
    }

    fn json_lookup(&mut self, name: &str) -> Args {
        let input = self.level(0)?;
        if !self.symbol(",") {
            return Err(Stop::Refused("a path is missing".into()));
        }
        let path = self.level(0)?;
        let mut returning = TypeKind::Varchar(LENGTH_MAX);
        if self.word("RETURNING") {
            returning = self.ty()?;
        }
        let wrapper = self.wrapper();
        let (mut on_empty, mut on_error) = (("NULL", null_of(returning.clone())), ("NULL", null_of(returning.clone())));
        let mut exists = "FALSE";
        while let Some((word, default)) = self.behaviour()? {
            let default = default.unwrap_or_else(|| null_of(returning.clone()));
            if self.word("EMPTY") {
                on_empty = (word, default);
                continue;
            }
            self.expect_word("ERROR")?;
            exists = word;
            on_error = (word, default);
        }
        let witness = null_of(returning);
        Ok(match name {
            "json_exists" => vec![input, path, text(exists)?],
            "json_query" => vec![input, path, witness, text(wrapper)?, text(on_empty.0)?, text(on_error.0)?],
            _ => vec![input, path, witness, text(on_empty.0)?, on_empty.1, text(on_error.0)?, on_error.1],
        })
    }

    fn wrapper(&mut self) -> &'static str {
        let all = [
            ("WITHOUT ARRAY WRAPPER", "WITHOUT"),
            ("WITHOUT WRAPPER", "WITHOUT"),
            ("WITH CONDITIONAL ARRAY WRAPPER", "CONDITIONAL"),
            ("WITH CONDITIONAL WRAPPER", "CONDITIONAL"),
            ("WITH UNCONDITIONAL ARRAY WRAPPER", "UNCONDITIONAL"),
            ("WITH UNCONDITIONAL WRAPPER", "UNCONDITIONAL"),
            ("WITH ARRAY WRAPPER", "UNCONDITIONAL"),
            ("WITH WRAPPER", "UNCONDITIONAL"),
        ];
        all.iter().find(|(words, _)| self.words(words)).map_or("WITHOUT", |(_, wrapper)| wrapper)
    }

    /// `NULL ON`, `DEFAULT x ON`, ..
    fn behaviour(&mut self) -> Result<Option<(&'static str, Option<Expr>)>, Stop> {
        if self.word("DEFAULT") {
            let value = self.level(0)?;
            self.expect_word("ON")?;
            return Ok(Some(("DEFAULT", Some(value))));
        }
        let words = ["NULL", "ERROR", "EMPTY ARRAY", "EMPTY OBJECT", "TRUE", "FALSE", "UNKNOWN"];
        let found = words.into_iter().find(|words| self.words(&format!("{words} ON")));
        Ok(found.map(|words| (words, None)))
    }

    fn json_object(&mut self) -> Args {
        let (mut args, mut raw, mut on_null) = (Vec::new(), String::new(), self.on_null().unwrap_or("NULL"));
        while !self.is_close() {
            let key_word = self.word("KEY");
            let key = self.level(3)?;
            let colon = !key_word && self.symbol(":");
            if !(colon || self.word("VALUE")) {
                return Err(Stop::Refused("a key has no value".into()));
            }
            args.push(key);
            args.push(self.json_item(&mut raw)?);
            self.symbol(",");
            on_null = self.on_null().unwrap_or(on_null);
        }
        args.splice(0..0, [text(on_null)?, text(&raw)?]);
        Ok(args)
    }

    fn json_array(&mut self) -> Args {
        let (mut args, mut raw, mut on_null) = (Vec::new(), String::new(), "ABSENT");
        if self.on_null().is_some() {
            return Err(Stop::Refused("no value stands before ON NULL".into()));
        }
        while !self.is_close() {
            args.push(self.json_item(&mut raw)?);
            self.symbol(",");
            on_null = self.on_null().unwrap_or(on_null);
        }
        args.splice(0..0, [text(on_null)?, text(&raw)?]);
        Ok(args)
    }

    fn is_close(&mut self) -> bool {
        let start = self.at;
        let close = self.symbol(")");
        self.at = start;
        close
    }

    fn on_null(&mut self) -> Option<&'static str> {
        ["NULL", "ABSENT"].into_iter().find(|word| self.words(&format!("{word} ON NULL")))
    }

    /// A value, and whether it is JSON already.
    fn json_item(&mut self, raw: &mut String) -> Result<Expr, Stop> {
        let outer = std::mem::replace(&mut self.in_json, true);
        let value = self.level(0);
        self.in_json = outer;
        let value = value?;
        if self.words("FORMAT JSON") {
            return Err(Stop::Refused("FORMAT JSON".into()));
        }
        raw.push(if crate::is_json_call(&value, &|_| false) { '1' } else { '0' });
        Ok(value)
    }
}
