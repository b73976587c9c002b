//! Sets of characters: Java's predefined ones, its properties, and upper and lower case.

use regex_syntax::hir::{Class, ClassUnicode, ClassUnicodeRange, HirKind};

use super::Unusable;

/// A set of characters.
pub(super) type Set = ClassUnicode;

/// A set of ranges, both ends included.
pub(super) fn ranges(ranges: &[(char, char)]) -> Set {
    Set::new(ranges.iter().map(|(first, last)| ClassUnicodeRange::new(*first, *last)))
}

/// All characters but these.
pub(super) fn not(mut set: Set) -> Set {
    set.negate();
    set
}

/// The line breaks that end a line for `.` and the anchors.
pub(super) fn breaks(unix: bool) -> Set {
    match unix {
        true => ranges(&[('\n', '\n')]),
        false => ranges(&[('\n', '\n'), ('\r', '\r'), ('\u{85}', '\u{85}'), ('\u{2028}', '\u{2029}')]),
    }
}

/// `\d`, `\h`, `\s`, `\v`, `\w` and, in upper case, all other characters.
pub(super) fn predefined(letter: char, unicode: bool) -> Option<Set> {
    let set = match (letter.to_ascii_lowercase(), unicode) {
        ('d', false) => ranges(&[('0', '9')]),
        ('d', true) => property_of_unicode("Nd")?,
        ('w', false) => ranges(&[('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')]),
        ('w', true) => of(r"\w")?,
        ('s', false) => ranges(&[(' ', ' '), ('\t', '\r')]),
        ('s', true) => property_of_unicode("White_Space")?,
        ('h', _) => ranges(&[
            (' ', ' '),
            ('\t', '\t'),
            ('\u{a0}', '\u{a0}'),
            ('\u{1680}', '\u{1680}'),
            ('\u{180e}', '\u{180e}'),
            ('\u{2000}', '\u{200a}'),
            ('\u{202f}', '\u{202f}'),
            ('\u{205f}', '\u{205f}'),
            ('\u{3000}', '\u{3000}'),
        ]),
        ('v', _) => ranges(&[('\n', '\r'), ('\u{85}', '\u{85}'), ('\u{2028}', '\u{2029}')]),
        _ => return None,
    };
    Some(if letter.is_ascii_uppercase() { not(set) } else { set })
}

/// `\p{name}`.
pub(super) fn property(name: &str, unicode: bool) -> Result<Set, Unusable> {
    let wrong = || Unusable::Wrong(format!("There is no property '{name}'"));
    if let Some((key, value)) = name.split_once('=') {
        return match key.to_ascii_lowercase().as_str() {
            "sc" | "script" => property_of_unicode(&format!("sc={value}")).ok_or_else(wrong),
            "gc" | "general_category" => property_of_unicode(&format!("gc={value}")).ok_or_else(wrong),
            "blk" | "block" => Err(Unusable::Unsupported(format!("Flott does not know the block '{value}'"))),
            _ => Err(wrong()),
        };
    }
    if let Some(block) = name.strip_prefix("In") {
        return Err(Unusable::Unsupported(format!("Flott does not know the block '{block}'")));
    }
    if let Some(is) = name.strip_prefix("Is") {
        return property_of_unicode(is).ok_or_else(wrong);
    }
    if name.starts_with("java") {
        return of_java(name)
            .ok_or_else(|| Unusable::Unsupported(format!("Flott does not know the property '{name}'")));
    }
    match posix(name, unicode) {
        Some(set) => Ok(set),
        None => category(name).ok_or_else(wrong),
    }
}

/// POSIX classes: of ASCII, unless `(?U)` says otherwise.
fn posix(name: &str, unicode: bool) -> Option<Set> {
    if unicode {
        let same = match name {
            "Lower" => "Lowercase",
            "Upper" => "Uppercase",
            "Alpha" => "Alphabetic",
            "Digit" => "Nd",
            "Space" => "White_Space",
            "XDigit" => "Hex_Digit",
            "Punct" => "P",
            "Cntrl" => "Cc",
            _ => "",
        };
        if !same.is_empty() {
            return property_of_unicode(same);
        }
    }
    Some(ranges(match name {
        "Lower" => &[('a', 'z')],
        "Upper" => &[('A', 'Z')],
        "ASCII" => &[('\0', '\x7f')],
        "Alpha" => &[('a', 'z'), ('A', 'Z')],
        "Digit" => &[('0', '9')],
        "Alnum" => &[('a', 'z'), ('A', 'Z'), ('0', '9')],
        "Punct" => &[('!', '/'), (':', '@'), ('[', '`'), ('{', '~')],
        "Graph" => &[('!', '~')],
        "Print" => &[(' ', '~')],
        "Blank" => &[(' ', ' '), ('\t', '\t')],
        "Cntrl" => &[('\0', '\x1f'), ('\x7f', '\x7f')],
        "XDigit" => &[('0', '9'), ('a', 'f'), ('A', 'F')],
        "Space" => &[(' ', ' '), ('\t', '\r')],
        _ => return None,
    }))
}

/// A general category by its short name, and what Java adds to them.
fn category(name: &str) -> Option<Set> {
    match name {
        "LD" => united("L", "Nd"),
        "L1" => Some(ranges(&[('\0', '\u{ff}')])),
        "all" => Some(not(Set::empty())),
        _ => property_of_unicode(&format!("gc={name}")),
    }
}

fn of_java(name: &str) -> Option<Set> {
    match name {
        "javaLowerCase" => property_of_unicode("Lowercase"),
        "javaUpperCase" => property_of_unicode("Uppercase"),
        "javaAlphabetic" => property_of_unicode("Alphabetic"),
        "javaIdeographic" => property_of_unicode("Ideographic"),
        "javaTitleCase" => property_of_unicode("Lt"),
        "javaDigit" => property_of_unicode("Nd"),
        "javaLetter" => property_of_unicode("L"),
        "javaLetterOrDigit" => united("L", "Nd"),
        "javaSpaceChar" => property_of_unicode("Z"),
        "javaISOControl" => Some(ranges(&[('\0', '\x1f'), ('\x7f', '\u{9f}')])),
        "javaWhitespace" => {
            let mut set = property_of_unicode("Z")?;
            set.difference(&ranges(&[('\u{a0}', '\u{a0}'), ('\u{2007}', '\u{2007}'), ('\u{202f}', '\u{202f}')]));
            set.union(&ranges(&[('\t', '\r'), ('\x1c', '\x1f')]));
            Some(set)
        }
        _ => None,
    }
}

fn united(one: &str, other: &str) -> Option<Set> {
    let mut set = property_of_unicode(one)?;
    set.union(&property_of_unicode(other)?);
    Some(set)
}

/// A property, script or general category as Unicode names it.
fn property_of_unicode(name: &str) -> Option<Set> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '=' | ' ' | '-');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    of(&format!(r"\p{{{name}}}"))
}

fn of(pattern: &str) -> Option<Set> {
    match regex_syntax::parse(pattern).ok()?.into_kind() {
        HirKind::Class(Class::Unicode(set)) => Some(set),
        // A set of one character is a literal there.
        HirKind::Literal(literal) => {
            let c = std::str::from_utf8(&literal.0).ok()?.chars().next()?;
            Some(ranges(&[(c, c)]))
        }
        _ => None,
    }
}

/// The set with both cases of its letters: those of ASCII, or all.
pub(super) fn both_cases(mut set: Set, unicode: bool) -> Set {
    if unicode {
        set.case_fold_simple();
        return set;
    }
    let (lower, upper) = (('a', 'z'), ('A', 'Z'));
    for (from, to) in [(lower, upper), (upper, lower)] {
        let mut letters = ranges(&[from]);
        letters.intersect(&set);
        let other = |c: char| char::from(((c as u32) - (from.0 as u32) + (to.0 as u32)) as u8);
        let others: Vec<_> = letters.iter().map(|r| (other(r.start()), other(r.end()))).collect();
        set.union(&ranges(&others));
    }
    set
}
