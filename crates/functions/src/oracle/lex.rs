//! Words, numbers, strings and symbols of the recorded expressions.

use super::bind::Stop;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Word(String),
    Number(String),
    Text(String),
    Hex(String),
    Symbol(&'static str),
}

const SYMBOLS: [&str; 21] =
    ["||", "<>", "!=", "<=", ">=", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",", ".", ";", ":"];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Stop> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(c) = rest.chars().next() {
        let (token, after) = match c {
            'X' | 'x' if rest[1..].starts_with('\'') => {
                let (text, after) = quoted(&rest[2..])?;
                (Token::Hex(text), after)
            }
            '\'' => {
                let (text, after) = quoted(&rest[1..])?;
                (Token::Text(text), after)
            }
            c if c.is_ascii_digit() || (c == '.' && rest[1..].starts_with(|d: char| d.is_ascii_digit())) => {
                let end = number_end(rest);
                (Token::Number(rest[..end].into()), &rest[end..])
            }
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Token::Word(rest[..end].to_uppercase()), &rest[end..])
            }
            _ => {
                let symbol = SYMBOLS.iter().find(|s| rest.starts_with(**s));
                let symbol = symbol.ok_or_else(|| Stop::Skipped(format!("character {c}")))?;
                (Token::Symbol(symbol), &rest[symbol.len()..])
            }
        };
        found.push(token);
        rest = after.trim_start();
    }
    Ok(found)
}

fn quoted(text: &str) -> Result<(String, &str), Stop> {
    let mut out = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\'' if chars.next_if(|(_, c)| *c == '\'').is_some() => out.push('\''),
            '\'' => return Ok((out, &text[at + 1..])),
            c => out.push(c),
        }
    }
    Err(Stop::Skipped("an open string".into()))
}

fn number_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        let sign = matches!(bytes[end], b'+' | b'-') && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        if !(bytes[end].is_ascii_digit() || matches!(bytes[end], b'.' | b'e' | b'E') || sign) {
            break;
        }
        end += 1;
    }
    end
}
