//! The names of classes, which structured types have: Java's rules.

/// What is no identifier although it looks like one.
const KEYWORDS: &str = " _ abstract assert boolean break byte case catch char class const continue default do double \
    else enum extends false final finally float for goto if implements import instanceof int interface long native new \
    null package private protected public return short static strictfp super switch synchronized this throw throws \
    transient true try void volatile while ";

/// Whether a text is the name of a class: identifiers, parted by points.
pub fn is_class_name(text: &str) -> bool {
    text.split('.').all(is_identifier)
}

fn is_identifier(text: &str) -> bool {
    let begins = |c: char| c.is_alphabetic() || matches!(c, '_' | '$');
    text.starts_with(begins)
        && text.chars().all(|c| begins(c) || c.is_numeric())
        && !KEYWORDS.contains(&format!(" {text} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_identifiers_parted_by_points() {
        for name in ["u", "com.example.User", "a.B$C", "_1", "größe.ä"] {
            assert!(is_class_name(name), "{name}");
        }
        for name in ["", "a b", "it's", "1a", ".a", "a.", "a..b", "a-b", "com.class.X", "_", "true"] {
            assert!(!is_class_name(name), "{name}");
        }
    }
}
