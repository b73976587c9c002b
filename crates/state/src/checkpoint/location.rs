//! Where the files of checkpoints lie: relative to the directory of their job, or anywhere by URI.

use crate::crc::crc32;

const SLUG_CHARS_MAX: usize = 60;

/// Whether a path says by itself where it is: `s3://bucket/a` or `/a`, and not `shared/a`.
pub fn is_uri(path: &str) -> bool {
    path.starts_with('/') || path.contains("://")
}

/// The path of something within a folder or store.
pub(super) fn join(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        _ if folder.ends_with('/') => format!("{folder}{name}"),
        _ => format!("{folder}/{name}"),
    }
}

/// The folder that a path lies in; empty if it lies in none.
pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The last part of a path.
pub(super) fn base_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// A URI without what can be written in several ways: `file:///a//b/` is `/a/b`.
pub(super) fn normal(uri: &str) -> String {
    let uri = if uri.starts_with("file:///") { &uri["file://".len()..] } else { uri };
    let (scheme, rest) = uri.split_once("://").map_or(("", uri), |(_, rest)| uri.split_at(uri.len() - rest.len()));
    let begin = if rest.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    format!("{scheme}{begin}{}", parts.join("/"))
}

/// The folder of a job: its name as far as stores and file systems can take it, and a hash of all of it.
/// `ordinal` counts jobs of the same name, from 1.
pub fn job_key(name: &str, ordinal: u32) -> String {
    let mut slug = String::new();
    for c in name.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9' | '_') => slug.push(c),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
    }
    slug.truncate(SLUG_CHARS_MAX);
    let slug = match slug.trim_end_matches('-') {
        "" => "job",
        slug => slug,
    };
    let hash = crc32(name.as_bytes());
    if ordinal > 1 { format!("{slug}-{hash:08x}-{ordinal}") } else { format!("{slug}-{hash:08x}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jobs_key_is_readable_safe_and_its_own() {
        assert_eq!(job_key("insert-into_default.Orders", 1), "insert-into_default-orders-85cdf6d2");
        assert_eq!(job_key("../../etc", 2), format!("etc-{:08x}-2", crc32(b"../../etc")));
        assert_eq!(job_key("日本", 1), format!("job-{:08x}", crc32("日本".as_bytes())));
        assert_ne!(job_key("a b", 1), job_key("a-b", 1));
        let long = job_key(&"x-".repeat(400), 1);
        assert!(long.len() <= SLUG_CHARS_MAX + 9 && !long.contains("--"), "{long}");
    }

    #[test]
    fn the_same_place_has_one_spelling() {
        for (uri, same) in [
            ("file:///a//b/", "/a/b"),
            ("s3://b//c/", "s3://b/c"),
            ("/a/b", "/a/b"),
            ("memory://x", "memory://x"),
            ("a/b", "a/b"),
        ] {
            assert_eq!(normal(uri), same);
        }
        assert!(is_uri("/a") && is_uri("s3://b/a") && !is_uri("shared/a"));
    }
}
