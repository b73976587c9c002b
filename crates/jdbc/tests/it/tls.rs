//! TLS to PostgreSQL: with any certificate, and with one that must be the right one.

use std::path::Path;
use std::process::{Command, Stdio};

use flott_api::TypeKind;

use crate::server::own;
use crate::world::{World, field};

/// A key and a certificate that it has signed itself, by the tool that PostgreSQL's packages bring.
fn certificate(folder: &Path, name: &str) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=flott"]);
    command
        .args(["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
        .arg(folder.join(format!("{name}.key")));
    command.arg("-out").arg(folder.join(format!("{name}.crt"))).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().unwrap().success());
}

#[test]
fn tls_is_made_and_certificates_are_checked() {
    let Some(server) = own("postgres", "tls_is_made_and_certificates_are_checked") else { return };
    let world = World::new(&server, "CREATE VIEW session AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()");
    let read = |parameters: &str| {
        let mut spec = world.source_spec("session", &[field("ssl", TypeKind::Boolean)]);
        spec.options.0.insert("url".to_owned(), format!("{}?{parameters}", server.url(&world.database)));
        world.read(&spec).map_err(|e| e.to_string())
    };
    assert!(read("sslmode=require").unwrap_err().contains("server does not support TLS"));
    assert_eq!(read("sslmode=prefer").unwrap(), ["+I | false"]);
    let data = server.folder().join("db");
    certificate(&data, "server");
    certificate(&data, "other");
    world.sql("ALTER SYSTEM SET ssl = on");
    world.sql("SELECT pg_reload_conf()");
    for _ in 0..100 {
        if read("sslmode=prefer").unwrap() == ["+I | true"] {
            break;
        }
        #[expect(clippy::disallowed_methods, reason = "the server lives by the real clock")]
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(read("sslmode=disable").unwrap(), ["+I | false"]);
    assert_eq!(read("sslmode=require").unwrap(), ["+I | true"]);
    let roots = |name: &str| format!("sslmode=verify-full&sslrootcert={}", data.join(name).display());
    assert_eq!(read(&roots("server.crt")).unwrap(), ["+I | true"]);
    let error = read(&roots("other.crt")).unwrap_err();
    assert!(error.contains("invalid peer certificate"), "{error}");
    let error = read(&roots("server.key")).unwrap_err();
    assert!(error.contains("holds no certificates in PEM"), "{error}");
}
