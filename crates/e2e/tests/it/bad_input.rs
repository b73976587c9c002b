//! What is wrong, huge or hostile: it runs, or is refused with its place and its limit; never a panic, never a hang.

mod dead_letters;
mod files;
mod jobs;
mod statements;
mod world;

use world::World;

/// Runs the script, which must be refused, and compares all that the error says.
fn assert_refused(sql: &str, expected: &str) {
    assert_eq!(World::new().refused(sql), expected, "{sql}");
}

/// Runs the script, which must be refused with all of these words.
fn assert_refused_with(sql: &str, words: &[&str]) {
    let refusal = World::new().refused(sql);
    let shown = refusal.get(..1000).unwrap_or(&refusal);
    for word in words {
        assert!(refusal.contains(word), "'{word}' is not in: {shown}");
    }
}
