//! Splits lines into fields: where each begins and ends. Fields that were not asked for are only counted.

use super::CsvOptions;

/// Where a field's text lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    start: usize,
    end: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The line has no such field.
    Missing,
    /// In the window, as it stands.
    Window,
    /// In the scratch buffer, because it had escapes.
    Scratch,
}

impl Token {
    pub(super) const MISSING: Token = Token { start: 0, end: 0, place: Place::Missing };

    /// The field's text, or nothing if the line was too short.
    #[inline]
    pub(super) fn text<'a>(&self, window: &'a [u8], scratch: &'a [u8]) -> Option<&'a [u8]> {
        match self.place {
            Place::Missing => None,
            Place::Window => Some(&window[self.start..self.end]),
            Place::Scratch => Some(&scratch[self.start..self.end]),
        }
    }
}

/// How a line ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// With this many fields.
    Fields(usize),
    /// Not yet: more bytes are needed.
    Incomplete,
    /// It cannot be split.
    Bad(String),
    /// There is none: only comments or the end.
    None,
}

/// Splits one line at a time.
pub(super) struct Tokenizer {
    options: CsvOptions,
    /// For each column, which token of a row it is.
    slots: Vec<Option<usize>>,
    special: [bool; 256],
    /// Unescaped fields.
    pub(super) scratch: Vec<u8>,
    /// Where the last line begins, behind its comments.
    pub(super) begin: usize,
}

enum End {
    Delimiter,
    Line,
    Input,
}

enum Stop {
    Incomplete,
    Bad(String),
}

type Field = Result<(Token, End), Stop>;

impl Tokenizer {
    /// A tokenizer for lines of `slots.len()` columns.
    pub(super) fn new(options: CsvOptions, slots: Vec<Option<usize>>) -> Self {
        let mut special = [false; 256];
        for byte in [b'\r', b'\n', options.field_delimiter].into_iter().chain(options.escape) {
            special[byte as usize] = true;
        }
        Tokenizer { options, slots, special, scratch: Vec::new(), begin: 0 }
    }

    /// Splits the line at `*at`, puts the fields that were asked for into `row`, and moves `*at` behind it, also
    /// behind a bad one. An incomplete line leaves `*at` where it was.
    pub(super) fn line(&mut self, window: &[u8], at: &mut usize, end: bool, row: &mut [Token]) -> Line {
        let start = *at;
        if self.options.allow_comments && !self.skip_comments(window, at, end) {
            *at = start;
            return Line::Incomplete;
        }
        if *at >= window.len() {
            return Line::None;
        }
        self.begin = *at;
        match self.fields(window, at, end, row) {
            Ok(count) => Line::Fields(count),
            Err(Stop::Incomplete) => {
                *at = start;
                Line::Incomplete
            }
            Err(Stop::Bad(what)) => match skip_line(window, *at, end) {
                Some(next) => {
                    *at = next;
                    Line::Bad(what)
                }
                None => {
                    *at = start;
                    Line::Incomplete
                }
            },
        }
    }

    fn fields(&mut self, window: &[u8], at: &mut usize, end: bool, row: &mut [Token]) -> Result<usize, Stop> {
        let columns = self.slots.len();
        let mut count = 0;
        loop {
            let (token, stop) = self.field(window, at, end)?;
            if count < columns {
                if let Some(slot) = self.slots[count] {
                    row[slot] = token;
                }
            } else if !self.extra_is_allowed(&token, &stop, count, window) {
                return Err(self.too_many(&token, stop, at, window));
            }
            count += 1;
            match stop {
                End::Delimiter => {}
                End::Line | End::Input => return Ok(count),
            }
        }
    }

    /// One empty field behind the last column is a trailing delimiter.
    fn extra_is_allowed(&self, token: &Token, stop: &End, count: usize, window: &[u8]) -> bool {
        let blank = || token.text(window, &self.scratch).is_some_and(|t| crate::text::trim(t).is_empty());
        let trailing =
            count == self.slots.len() && self.options.allow_trailing_comma && !matches!(stop, End::Delimiter);
        self.options.ignore_trailing || (trailing && blank())
    }

    fn too_many(&self, token: &Token, stop: End, at: &mut usize, window: &[u8]) -> Stop {
        if matches!(stop, End::Line) {
            // So that the caller, who skips to the end of the line, skips this one.
            *at -= 1;
        }
        let text = crate::text::excerpt(token.text(window, &self.scratch).unwrap_or_default());
        Stop::Bad(format!(
            "column {}: there are only {} columns, but here is '{text}'",
            self.slots.len() + 1,
            self.slots.len()
        ))
    }

    /// One field; `*at` is then behind it and its delimiter.
    fn field(&mut self, window: &[u8], at: &mut usize, end: bool) -> Field {
        if self.options.trim_spaces {
            self.skip_blanks(window, at);
        }
        match window.get(*at) {
            Some(byte) if Some(*byte) == self.options.quote => self.quoted(window, at, end),
            _ => self.plain(window, at, end),
        }
    }

    #[inline]
    fn plain(&mut self, window: &[u8], at: &mut usize, end: bool) -> Field {
        let start = *at;
        let mut stop = start;
        while stop < window.len() && !self.special[window[stop] as usize] {
            stop += 1;
        }
        if stop < window.len() && Some(window[stop]) == self.options.escape {
            return self.plain_with_escapes(window, at, end);
        }
        let token = Token { start, end: self.trimmed_end(window, start, stop), place: Place::Window };
        *at = stop;
        Ok((token, self.field_end(window, at, end)?))
    }

    fn plain_with_escapes(&mut self, window: &[u8], at: &mut usize, end: bool) -> Field {
        let start = self.scratch.len();
        while let Some(byte) = window.get(*at) {
            if Some(*byte) == self.options.escape {
                self.unescape(window, at, end)?;
            } else if self.special[*byte as usize] {
                break;
            } else {
                self.scratch.push(*byte);
                *at += 1;
            }
        }
        let token =
            Token { start, end: self.trimmed_end(&self.scratch, start, self.scratch.len()), place: Place::Scratch };
        Ok((token, self.field_end(window, at, end)?))
    }

    fn quoted(&mut self, window: &[u8], at: &mut usize, end: bool) -> Field {
        let quote = self.options.quote.unwrap_or(b'"');
        let start = *at + 1;
        let simple = memchr::memchr(quote, &window[start..]).map(|i| start + i);
        if let (Some(close), None) = (simple, self.options.escape)
            && close + 1 < window.len()
            && window[close + 1] != quote
        {
            *at = close + 1;
            let token = Token { start, end: close, place: Place::Window };
            return Ok((token, self.after_quote(window, at, end)?));
        }
        *at = start;
        let from = self.scratch.len();
        loop {
            match window.get(*at) {
                None if end => return Err(Stop::Bad("a quoted field has no closing quote".to_owned())),
                None => return Err(Stop::Incomplete),
                Some(byte) if *byte == quote => {
                    *at += 1;
                    match window.get(*at) {
                        Some(next) if *next == quote => self.scratch.push(quote),
                        None if !end => return Err(Stop::Incomplete),
                        _ => break,
                    }
                    *at += 1;
                }
                Some(byte) if Some(*byte) == self.options.escape => self.unescape(window, at, end)?,
                Some(byte) => {
                    self.scratch.push(*byte);
                    *at += 1;
                }
            }
        }
        let token = Token { start: from, end: self.scratch.len(), place: Place::Scratch };
        Ok((token, self.after_quote(window, at, end)?))
    }

    /// Behind the closing quote only blanks may come.
    fn after_quote(&self, window: &[u8], at: &mut usize, end: bool) -> Result<End, Stop> {
        self.skip_blanks(window, at);
        match window.get(*at) {
            Some(byte) if *byte != self.options.field_delimiter && !matches!(byte, b'\r' | b'\n') => {
                let text = crate::text::excerpt(&window[*at..(*at + 1).min(window.len())]);
                Err(Stop::Bad(format!("behind the closing quote of a field comes '{text}' instead of a delimiter")))
            }
            _ => self.field_end(window, at, end),
        }
    }

    /// Takes the delimiter or the end of the line.
    #[inline]
    fn field_end(&self, window: &[u8], at: &mut usize, end: bool) -> Result<End, Stop> {
        let Some(byte) = window.get(*at) else {
            return if end { Ok(End::Input) } else { Err(Stop::Incomplete) };
        };
        *at += 1;
        if *byte == self.options.field_delimiter {
            return Ok(End::Delimiter);
        }
        if *byte == b'\r' {
            match window.get(*at) {
                Some(b'\n') => *at += 1,
                None if !end => return Err(Stop::Incomplete),
                _ => {}
            }
        }
        Ok(End::Line)
    }

    fn unescape(&mut self, window: &[u8], at: &mut usize, end: bool) -> Result<(), Stop> {
        let Some(byte) = window.get(*at + 1) else {
            let ended = || Stop::Bad("the input ends behind an escape character".to_owned());
            return Err(if end { ended() } else { Stop::Incomplete });
        };
        self.scratch.push(match byte {
            b'0' => 0,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            other => *other,
        });
        *at += 2;
        Ok(())
    }

    fn skip_blanks(&self, window: &[u8], at: &mut usize) {
        let blank = |b: &u8| *b <= b' ' && !matches!(*b, b'\r' | b'\n') && *b != self.options.field_delimiter;
        while window.get(*at).is_some_and(blank) {
            *at += 1;
        }
    }

    fn trimmed_end(&self, bytes: &[u8], start: usize, end: usize) -> usize {
        if !self.options.trim_spaces {
            return end;
        }
        end - bytes[start..end].iter().rev().take_while(|b| **b <= b' ').count()
    }

    /// Skips blank lines and comments; says whether the next line's start is known.
    fn skip_comments(&self, window: &[u8], at: &mut usize, end: bool) -> bool {
        loop {
            let line = *at;
            self.skip_blanks(window, at);
            match window.get(*at) {
                Some(b'\r' | b'\n') => *at += 1,
                Some(b'#') => match skip_line(window, *at, end) {
                    Some(next) => *at = next,
                    None => return false,
                },
                None => return end || line == *at,
                Some(_) => {
                    *at = line;
                    return true;
                }
            }
        }
    }
}

/// Where the next line begins.
fn skip_line(window: &[u8], at: usize, end: bool) -> Option<usize> {
    match memchr::memchr2(b'\n', b'\r', &window[at..]) {
        Some(i) if window[at + i] == b'\r' => match window.get(at + i + 1) {
            Some(b'\n') => Some(at + i + 2),
            None if !end => None,
            _ => Some(at + i + 1),
        },
        Some(i) => Some(at + i + 1),
        None => end.then_some(window.len()),
    }
}
