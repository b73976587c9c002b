//! What of Java's patterns the recorded expressions do not show: line breaks, limits, and that nothing panics.

use std::sync::Arc;

use super::{Matcher, Pattern, Unusable};

fn found(pattern: &str, text: &str) -> Vec<String> {
    let mut all = Vec::new();
    Pattern::new(pattern).unwrap().each_match(text, |m| all.push(text[m].to_owned())).unwrap();
    all
}

#[test]
fn an_end_may_stand_before_a_line_break() {
    let before_break = |text: &str| Pattern::new("b$").unwrap().is_match(text).unwrap();
    for text in ["ab", "ab\n", "ab\r\n", "ab\r", "ab\u{2028}"] {
        assert!(before_break(text), "{text:?}");
    }
    for text in ["ab\n\n", "ab\nc", "ab\n\r"] {
        assert!(!before_break(text), "{text:?}");
    }
    assert_eq!(found("(?d)b$", "b\n"), ["b"]);
    assert!(found("(?d)b$", "b\r").is_empty());
    // One break of two characters has no place between them.
    assert_eq!(found(r"\r$", "\r\n"), Vec::<String>::new());
}

#[test]
fn lines_end_where_java_ends_them() {
    assert_eq!(found("(?m)^.*$", "a\r\nb\u{85}c\nd"), ["a", "b", "c", "d"]);
    assert_eq!(found("(?m)^", "a\n").len(), 1, "not behind the last break");
    assert_eq!(found("(?m)$", "a\r\nb").len(), 2);
    assert_eq!(found("(?md)^.", "a\rb\nc"), ["a", "c"]);
}

#[test]
fn an_empty_match_may_stand_behind_one_that_is_not() {
    assert_eq!(found("a*", "aab"), ["aa", "", ""]);
    assert_eq!(found("", "äb").len(), 3);
    assert_eq!(found(r"\G\d", "12a3"), ["1", "2"]);
}

#[test]
fn what_goes_back_for_too_long_fails() {
    let pattern = Pattern::new(r"^(a|aa)+\1$").unwrap();
    let error = pattern.is_match(&format!("{}b", "a".repeat(60))).unwrap_err();
    assert!(error.message().contains("takes too long"), "{error}");
    // The same without the reference is searched in linear time.
    assert!(!Pattern::new("^(a|aa)+$").unwrap().is_match(&format!("{}b", "a".repeat(6000))).unwrap());
}

#[test]
fn what_is_wrong_and_what_is_missing_are_told_apart() {
    for (pattern, why) in [
        ("a(", "A group does not end"),
        ("[a", "A set of characters does not end"),
        (r"\", "It ends with a backslash"),
        ("a**", "'*' repeats nothing"),
        (r"\p{Nonsense}", "There is no property 'Nonsense'"),
        ("a{99999999999}", "A repetition has too large a number"),
    ] {
        assert_eq!(Pattern::new(pattern).unwrap_err(), Unusable::Wrong(why.to_owned()), "{pattern}");
    }
    let deep = format!("{}a{}", "(".repeat(300), ")".repeat(300));
    for pattern in [r"\X", r"\p{InCyrillic}", r"\p{javaMirrored}", "(?:.{900}){900}", &deep] {
        assert!(matches!(Pattern::new(pattern), Err(Unusable::Unsupported(_))), "{pattern}");
    }
}

#[test]
fn broken_patterns_never_panic() {
    let pieces = [
        "(", "(?", "<", "[", "]", "^", "&&", "\\", "{", "}", "1", ",", "-", "|", ")", "a", "*", "ä", "\\Q", "x", "u",
        "k<",
    ];
    let mut seed = 1_u64;
    for _ in 0..20_000 {
        let mut pattern = String::new();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            pattern.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        if let Ok(pattern) = Pattern::new(&pattern) {
            _ = Matcher::new(Arc::new(pattern)).captures("aä1-a", 0);
        }
    }
}
