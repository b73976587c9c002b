//! Partition folders: `k=v/l=w`, with the characters escaped that Flink (and Hive) escapes.

/// What a path says of the partition columns.
pub(super) fn values_of(path: &str, root: &str, keys: &[String], default: &str) -> Vec<Option<String>> {
    let parts = texts_of(path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path));
    let value = |key: &String| {
        let found = parts.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone());
        found.filter(|v| v != default)
    };
    keys.iter().map(value).collect()
}

/// All `k=v` of a path, as they were before they became names of folders.
pub(super) fn texts_of(path: &str) -> Vec<(String, String)> {
    path.split('/').filter_map(|part| part.split_once('=')).map(|(k, v)| (unescape(k), unescape(v))).collect()
}

/// Whether the path has a folder for each partition column.
pub(super) fn has_all(path: &str, root: &str, keys: &[String]) -> bool {
    let below = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
    keys.iter().all(|key| below.split('/').any(|part| part.split_once('=').is_some_and(|(k, _)| unescape(k) == *key)))
}

/// Appends `k=v/`.
pub(super) fn write_folder(key: &str, value: &str, out: &mut String) {
    escape(key, out);
    out.push('=');
    escape(value, out);
    out.push('/');
}

fn escape(text: &str, out: &mut String) {
    const SPECIAL: &str = "\"#%'*/:=?\\\u{7f}{[]^";
    for character in text.chars() {
        if character < ' ' || SPECIAL.contains(character) {
            out.push_str(&format!("%{:02X}", u32::from(character)));
        } else {
            out.push(character);
        }
    }
}

fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = if *first == b'%' { tail.get(..2) } else { None };
        let code = code.and_then(|hex| std::str::from_utf8(hex).ok()).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_flinks_and_read_back() {
        for (value, folder) in [("x", "d=x/"), ("a/b", "d=a%2Fb/"), ("ü=%", "d=ü%3D%25/"), ("%2", "d=%252/")] {
            let mut out = String::new();
            write_folder("d", value, &mut out);
            assert_eq!(out, folder);
            let read = values_of(&format!("/r/{folder}f"), "/r/", &["d".to_owned()], "__D");
            assert_eq!(read, [Some(value.to_owned())]);
        }
        assert_eq!(values_of("/r/d=__D/f", "/r", &["d".to_owned()], "__D"), [None]);
        assert!(!has_all("/r/x=1/f", "/r", &["d".to_owned()]));
    }
}
