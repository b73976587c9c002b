//! The functions with regular expressions, which are Java's: `REGEXP`, `REGEXP_COUNT`, `REGEXP_EXTRACT`,
//! `REGEXP_EXTRACT_ALL`, `REGEXP_INSTR`, `REGEXP_REPLACE` and `REGEXP_SUBSTR`.
//!
//! A constant that is no regular expression is refused when the query is planned. A column's value that is none gives
//! what Flink gives: `FALSE` from `REGEXP`, null from the others.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::Int32Type;
use flott_api::{Error, LogicalType, Result, TypeKind};

use crate::operand::{Args, Text};
use crate::pattern::{Matcher, Pattern, Unusable};
use crate::registry::{Binding, Body, Function, Give, Infer, Inference, Kernel, Signature, Take};

const TWO_TEXTS: &[Take] = &[Take::Text, Take::Text];

/// The functions of this file.
pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("regexp", Infer::Table(TWO_TEXTS, 0, Give::Boolean), Body::Bound(bind_matches)).fallible(),
    Function::new("regexp_count", Infer::By(infer_int), Body::Bound(bind_count)).fallible(),
    Function::new("regexp_extract", Infer::Table(EXTRACTED, 1, Give::NullableString), Body::Bound(bind_extract))
        .fallible(),
    Function::new("regexp_extract_all", Infer::By(infer_extract_all), Body::Bound(bind_extract_all)).fallible(),
    Function::new("regexp_instr", Infer::By(infer_int), Body::Bound(bind_instr)).fallible(),
    Function::new("regexp_replace", Infer::Table(REPLACED, 0, Give::String), Body::Bound(bind_replace)).fallible(),
    Function::new("regexp_substr", Infer::By(infer_text), Body::Bound(bind_substr)).fallible(),
];
const EXTRACTED: &[Take] = &[Take::Text, Take::Text, Take::Int];
const REPLACED: &[Take] = &[Take::Text, Take::Text, Take::Text];

fn infer_int(call: &Inference<'_>) -> Result<Signature> {
    Ok(Signature { ty: LogicalType::new(TypeKind::Int), ..infer_text(call)? })
}

/// A text and a pattern, of which `NULL` may stand there as it is.
fn infer_text(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 2)?;
    Ok(Signature { args: vec![call.text_or_null(0)?, call.text_or_null(1)?], ty: LogicalType::string() })
}

/// The same and perhaps the number of a group.
fn infer_extract_all(call: &Inference<'_>) -> Result<Signature> {
    call.arity(2, 3)?;
    let mut args = vec![call.text_or_null(0)?, call.text_or_null(1)?];
    if let Some(group) = call.args.get(2) {
        if !group.kind.is_integer() && group.kind != TypeKind::Null {
            return Err(call.mismatch());
        }
        args.push(LogicalType { kind: TypeKind::Int, nullable: group.nullable });
    }
    Ok(Signature { args, ty: LogicalType::new(TypeKind::Array(Box::new(LogicalType::string()))) })
}

/// The pattern of each row: a constant one is compiled once.
struct Patterns {
    constant: Option<Arc<Pattern>>,
}

impl Patterns {
    fn bind(binding: &Binding<'_>) -> Result<Patterns> {
        let compiled = |text| Pattern::new(text).map(|p| Arc::new(p.prepared())).map_err(|why| why.error(text));
        Ok(Patterns { constant: binding.text(1).map(compiled).transpose()? })
    }

    fn of<'a>(&self, args: &Args<'a>) -> Result<RowPatterns<'a>> {
        let constant = self.constant.clone().map(Matcher::new);
        Ok(RowPatterns { constant, texts: args.text(1)?, last: None })
    }
}

struct RowPatterns<'a> {
    constant: Option<Matcher>,
    texts: Text<'a>,
    last: Option<(&'a str, Option<Matcher>)>,
}

impl RowPatterns<'_> {
    /// Nothing if the row's text is no pattern.
    fn matcher(&mut self, row: usize) -> Result<Option<&mut Matcher>> {
        if let Some(constant) = &mut self.constant {
            return Ok(Some(constant));
        }
        let text = self.texts.get(row);
        match &self.last {
            Some((known, _)) if *known == text => {}
            _ => self.last = Some((text, usable(text)?)),
        }
        Ok(self.last.as_mut().and_then(|(_, matcher)| matcher.as_mut()))
    }

    /// The same for who asks for no groups.
    fn get(&mut self, row: usize) -> Result<Option<&Pattern>> {
        Ok(self.matcher(row)?.map(|matcher| matcher.pattern()))
    }
}

fn usable(text: &str) -> Result<Option<Matcher>> {
    match Pattern::new(text) {
        Ok(pattern) => Ok(Some(Matcher::new(Arc::new(pattern)))),
        Err(Unusable::Wrong(_)) => Ok(None),
        Err(why) => Err(why.error(text)),
    }
}

/// Whether the pattern is found; Flink finds the empty one nowhere.
fn bind_matches(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, words, mut patterns) = (args.text(0)?, args.text(1)?, patterns.of(args)?);
        let mut failure = None;
        let mut matches = |row| match patterns.get(row)? {
            Some(pattern) if !words.get(row).is_empty() => pattern.is_match(texts.get(row)),
            _ => Ok(false),
        };
        let truths = args.each_boolean(|row| matches(row).map_err(|e: Error| failure.get_or_insert(e).kind()).ok());
        failure.map_or(Ok(truths), Err)
    }))
}

fn bind_count(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        args.each_number::<Int32Type>(|row| {
            let Some(pattern) = patterns.get(row)? else { return Ok(None) };
            let mut count = 0;
            pattern.each_match(texts.get(row), |_| count += 1)?;
            Ok(Some(count))
        })
    }))
}

/// Where the first match begins, counted from 1 in Java's characters; 0 if there is none.
fn bind_instr(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        args.each_number::<Int32Type>(|row| {
            let Some(pattern) = patterns.get(row)? else { return Ok(None) };
            let text = texts.get(row);
            let found = pattern.find(text, 0)?;
            Ok(Some(found.map_or(0, |m| text[..m.start].encode_utf16().count() as i32 + 1)))
        })
    }))
}

/// The first match.
fn bind_substr(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        args.each_text(|row, out| {
            let Some(pattern) = patterns.get(row)? else { return Ok(false) };
            let found = pattern.find(texts.get(row), 0)?;
            if let Some(range) = &found {
                out.push(&texts.get(row)[range.clone()]);
            }
            Ok(found.is_some())
        })
    }))
}

/// The replacement is plain text: `$1` is no group in Flink.
fn bind_replace(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, replacements, mut patterns) = (args.text(0)?, args.text(2)?, patterns.of(args)?);
        args.each_text(|row, out| {
            let Some(pattern) = patterns.get(row)? else { return Ok(false) };
            let text = texts.get(row);
            let mut rest = 0;
            pattern.each_match(text, |found| {
                out.push(&text[rest..found.start]);
                out.push(replacements.get(row));
                rest = found.end;
            })?;
            out.push(&text[rest..]);
            Ok(true)
        })
    }))
}

/// The group of that number of the first match; 0 is the whole match.
fn bind_extract(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, mut patterns) = (args.text(0)?, patterns.of(args)?);
        let groups = if args.has(2) { Some(args.numbers::<Int32Type>(2)?) } else { None };
        args.each_text(|row, out| {
            let Ok(group) = usize::try_from(groups.as_ref().map_or(0, |g| g.get(row))) else { return Ok(false) };
            let Some(matcher) = patterns.matcher(row)? else { return Ok(false) };
            let found = match group {
                0 => matcher.pattern().find(texts.get(row), 0)?,
                _ => matcher.group(texts.get(row), group)?,
            };
            if let Some(range) = &found {
                out.push(&texts.get(row)[range.clone()]);
            }
            Ok(found.is_some())
        })
    }))
}

/// The group of that number, by default the first one, of every match; null if the pattern does not have it.
fn bind_extract_all(binding: &Binding<'_>) -> Result<Kernel> {
    let patterns = Patterns::bind(binding)?;
    Ok(Box::new(move |args| {
        let (texts, mut patterns, nulls) = (args.text(0)?, patterns.of(args)?, args.nulls());
        let groups = if args.has(2) { Some(args.numbers::<Int32Type>(2)?) } else { None };
        let mut out = ListBuilder::new(StringBuilder::new()).with_field(element());
        for row in 0..args.rows {
            let valid = nulls.as_ref().is_none_or(|n| n.is_valid(row));
            let matcher = if valid { patterns.matcher(row)? } else { None };
            let group = groups.as_ref().map_or(1, |g| g.get(row));
            let group = usize::try_from(group).ok().zip(matcher).filter(|(group, m)| *group <= m.pattern().groups());
            let Some((group, matcher)) = group else {
                out.append(false);
                continue;
            };
            let text = texts.get(row);
            matcher.each_captures(text, |groups| {
                let found = groups.get(group).and_then(Option::as_ref);
                out.values().append_option(found.map(|range| &text[range.clone()]));
            })?;
            out.append(true);
        }
        Ok(Arc::new(out.finish()) as ArrayRef)
    }))
}

fn element() -> arrow_schema::FieldRef {
    match LogicalType::new(TypeKind::Array(Box::new(LogicalType::string()))).arrow() {
        arrow_schema::DataType::List(element) => element,
        other => unreachable!("a list is no {other}"),
    }
}
