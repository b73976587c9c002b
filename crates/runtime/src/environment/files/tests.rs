//! Local files in a fresh folder below the system's temporary one.

use std::io::Read;

use super::*;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        let mut file = LocalFileSystem {}.create(&self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file.finish().unwrap();
    }

    fn read(&self, name: &str) -> String {
        let mut text = String::new();
        LocalFileSystem {}.open(&self.path(name)).unwrap().read_to_string(&mut text).unwrap();
        text
    }
}

#[test]
fn a_listing_is_recursive_sorted_and_without_hidden_files() {
    let folder = Folder::new();
    for name in ["b/2", "a", "b/1", ".hidden", "_temporary/x", "b/.part"] {
        folder.write(name, name);
    }
    let names = |path: &str| -> Vec<String> {
        let found = LocalFileSystem {}.list(path).unwrap();
        found.iter().map(|f| f.path.strip_prefix(&folder.path("")).unwrap().to_owned()).collect()
    };
    assert_eq!(names(&folder.path("")), ["a", "b/1", "b/2"]);
    assert_eq!(names(&folder.path("b/1")), ["b/1"]);
    let status = LocalFileSystem {}.list(&folder.path("b/1")).unwrap();
    assert_eq!(status[0].size, 3);
    assert!(status[0].modified_ms > 1_600_000_000_000);
    let missing = LocalFileSystem {}.list(&folder.path("none")).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
}

#[test]
fn hidden_files_are_listed_apart_and_hidden_folders_left_alone() {
    let folder = Folder::new();
    for name in ["b/2", ".hidden", "_temporary/.x", ".git/x", "b/.part", "b/c/_y"] {
        folder.write(name, name);
    }
    let found = LocalFileSystem {}.list_hidden(&folder.path("")).unwrap();
    let names: Vec<&str> = found.iter().map(|f| f.path.strip_prefix(&folder.path("")).unwrap()).collect();
    assert_eq!(names, [".hidden", "b/.part", "b/c/_y"]);
    assert!(LocalFileSystem {}.list_hidden(&folder.path("none")).unwrap().is_empty());
}

#[test]
fn a_file_where_a_folder_should_be_is_named() {
    let folder = Folder::new();
    folder.write("a", "a");
    for below in ["a/x", "a/b/x"] {
        let refused = LocalFileSystem {}.create(&folder.path(below)).err().unwrap();
        assert_eq!(refused.to_string(), format!("'{}' is no folder", folder.path("a")));
    }
}

#[cfg(unix)]
#[test]
fn a_device_is_no_file() {
    let refused = LocalFileSystem {}.list("/dev/null").unwrap_err();
    assert_eq!(refused.to_string(), "it is neither a file nor a folder");
}

#[test]
fn nothing_is_ever_replaced() {
    let folder = Folder::new();
    let files = LocalFileSystem {};
    folder.write("old", "old");
    folder.write("new", "new");
    assert_eq!(files.create(&folder.path("old")).err().unwrap().kind(), io::ErrorKind::AlreadyExists);
    let refused = files.rename(&folder.path("new"), &folder.path("old")).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(folder.read("old"), "old");
    files.rename(&folder.path("new"), &folder.path("sub/newer")).unwrap();
    assert_eq!(folder.read("sub/newer"), "new");
    assert!(!files.exists(&folder.path("new")).unwrap());
    assert!(files.rename(&folder.path("sub"), &folder.path("old")).is_err());
    files.rename(&folder.path("sub"), &folder.path("moved")).unwrap();
    assert_eq!(folder.read("moved/newer"), "new");
}

#[test]
fn two_that_rename_the_same_file_leave_one_whole_file() {
    let folder = Folder::new();
    let rename = || LocalFileSystem {}.rename(&folder.path("from"), &folder.path("to"));
    for _ in 0..200 {
        folder.write("from", "x");
        let both = std::thread::scope(|scope| {
            let other = scope.spawn(rename);
            [rename(), other.join().unwrap()]
        });
        let done = both.iter().filter(|r| r.is_ok()).count();
        assert!(done >= 1, "{both:?}");
        for refused in both.iter().filter_map(|r| r.as_ref().err()) {
            assert!(matches!(refused.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound), "{refused}");
        }
        assert_eq!(folder.read("to"), "x");
        LocalFileSystem {}.delete(&folder.path("from")).unwrap();
        LocalFileSystem {}.delete(&folder.path("to")).unwrap();
    }
    assert_eq!(rename().unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn deleting_takes_folders_and_missing_files() {
    let folder = Folder::new();
    let files = LocalFileSystem {};
    folder.write("a/b/c", "x");
    files.delete(&folder.path("a")).unwrap();
    assert!(!files.exists(&folder.path("a")).unwrap());
    files.delete(&folder.path("a")).unwrap();
}

#[test]
fn paths_resolve_and_other_schemes_are_refused_by_name() {
    let resolve = |path: &str| LocalFiles::new().resolve(path).map(|(_, p)| p);
    for (path, local) in [
        ("/a/b", "/a/b"),
        ("a/b", "a/b"),
        ("file:///a", "/a"),
        ("file:/a", "/a"),
        ("file://localhost/a", "/a"),
        ("a:b", "a:b"),
    ] {
        assert_eq!(resolve(path).unwrap(), local);
    }
    assert_eq!(resolve("s3://b/a").unwrap_err().message(), "file system 's3' is not supported yet");
    assert_eq!(resolve("file://host/a").unwrap_err().message(), "path 'file://host/a' names another machine");
    assert!(resolve("").is_err());
}
