//! Answers, trouble that passes and trouble that does not, credentials.

use std::io;
use std::sync::Arc;

use flott_api::env::{Environment, FileStatus, FileSystem, FileSystems, ReadFile, WriteFile};
use flott_api::testing::ready;
use flott_api::{ErrorKind, Result};

use super::Registry;
use super::fake::{FakeRegistry, options};

fn registry(pairs: &[(&str, &str)]) -> Registry {
    Registry::new(Arc::new(options(pairs).unwrap()))
}

fn schema(fake: &Arc<FakeRegistry>, registry: &mut Registry, id: u32) -> Result<Result<String, String>> {
    ready(registry.schema(&fake.environment(), id))
}

#[test]
fn schemas_are_had_by_number_and_registered_under_a_subject() {
    let fake = FakeRegistry::with(&["\"int\""]);
    let mut registry = registry(&[("url", "http://a:1/apis/v7/")]);
    assert_eq!(schema(&fake, &mut registry, 1).unwrap().unwrap(), "\"int\"");
    let missing = schema(&fake, &mut registry, 2).unwrap().unwrap_err();
    assert_eq!(missing, "schema 2 is not in the registry (it answers 404: Schema not found)");
    assert_eq!(ready(registry.register(&fake.environment(), "a/b c", "\"long\"")).unwrap(), 2);
    assert_eq!(
        fake.asked(),
        [
            "Get http://a:1/apis/v7/schemas/ids/1",
            "Get http://a:1/apis/v7/schemas/ids/2",
            "Post http://a:1/apis/v7/subjects/a%2Fb%20c/versions"
        ]
    );
}

#[test]
fn trouble_that_passes_is_waited_out_at_every_address() {
    let fake = FakeRegistry::with(&["\"int\""]);
    let mut registry = registry(&[("url", "http://a:1, http://b:2")]);
    fake.troubled(&[None, Some((503, "{}")), Some((429, ""))]);
    assert!(schema(&fake, &mut registry, 1).unwrap().is_ok());
    let hosts: Vec<String> = fake.asked().iter().map(|line| line[11..14].to_owned()).collect();
    assert_eq!(hosts, ["a:1", "b:2", "a:1", "b:2"]);
}

#[test]
fn a_registry_that_stays_away_fails_the_job_to_be_tried_again() {
    let fake = FakeRegistry::with(&[]);
    fake.troubled(&[None; 20]);
    let error = schema(&fake, &mut registry(&[]), 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::External { retry: true });
    assert_eq!(error.message(), "the schema registry at http://registry:8081 does not answer");
    assert_eq!(error.detail(), Some("Connection refused."));
    assert!(error.hint().unwrap().starts_with("Check 't.url'"));
    assert_eq!(fake.asked().len(), 4);
}

#[test]
fn what_does_not_pass_is_told_at_once() {
    let fake = FakeRegistry::with(&[]);
    let told = |status, body| {
        fake.troubled(&[Some((status, body))]);
        let error = ready(registry(&[]).register(&fake.environment(), "s", "\"int\"")).unwrap_err();
        assert_eq!(fake.asked().len(), 1);
        format!("{error} {:?}", error.hint())
    };
    assert!(told(401, r#"{"message":"who?"}"#).contains("let this job in: it answers 401: who?"));
    assert!(told(409, r#"{"message":"READER_FIELD_MISSING"}"#).contains("not compatible with the one before it"));
    assert!(told(422, "{}").contains("not understood"));
    assert!(told(404, "{}").contains("subject 's' cannot be written"));
    assert!(told(200, "<html>").contains("does not answer in JSON"));
    assert!(told(200, "{}").contains("gave subject 's' no number"));
}

#[test]
fn schemas_of_other_kinds_are_refused_by_name() {
    let fake = FakeRegistry::with(&[]);
    let told = |body| {
        fake.troubled(&[Some((200, body))]);
        schema(&fake, &mut registry(&[]), 1).unwrap().unwrap_err()
    };
    assert!(told(r#"{"schema":"x","schemaType":"PROTOBUF"}"#).contains("of type PROTOBUF instead of AVRO"));
    assert!(told(r#"{"schema":"x","references":[{"name":"a"}]}"#).contains("refers to other schemas"));
    assert!(told("{}").contains("no schema for 1"));
}

#[test]
fn credentials_go_into_the_header_and_nowhere_else() {
    let header = |pairs: &[(&str, &str)]| {
        let fake = FakeRegistry::with(&["\"int\""]);
        let mut registry = registry(pairs);
        assert!(schema(&fake, &mut registry, 1).unwrap().is_ok());
        fake.asked().remove(0)
    };
    let source = |kind: &'static str, value: &'static str| (kind, value);
    let basic = source("basic-auth.credentials-source", "USER_INFO");
    assert!(header(&[basic, ("basic-auth.user-info", "me:secret")]).ends_with(" Basic bWU6c2VjcmV0"));
    let of_url = header(&[("url", "https://me:s%65cret@host/x")]);
    assert_eq!(of_url, "Get https://host/x/schemas/ids/1 Basic bWU6c2VjcmV0");
    let bearer = source("bearer-auth.credentials-source", "STATIC_TOKEN");
    assert!(header(&[bearer, ("bearer-auth.token", "abc")]).ends_with(" Bearer abc"));
    let property = ("properties.basic.auth.user.info", "me:secret");
    assert!(header(&[("properties.basic.auth.credentials.source", "USER_INFO"), property]).ends_with("bWU6c2VjcmV0"));
}

#[test]
fn options_that_would_not_be_used_are_refused_and_show_no_secret() {
    let told = |pairs: &[(&str, &str)]| {
        let error = options(pairs).err().unwrap();
        let told = format!("{error} {:?} {:?} {error:?}", error.detail(), error.hint());
        assert!(!told.contains("secret"), "{told}");
        told
    };
    assert!(
        told(&[("basic-auth.user-info", "me:secret")]).contains("'t.basic-auth.credentials-source' to 'USER_INFO'")
    );
    assert!(told(&[("bearer-auth.token", "secret")]).contains("STATIC_TOKEN"));
    let sasl = told(&[("basic-auth.credentials-source", "SASL_INHERIT"), ("basic-auth.user-info", "me:secret")]);
    assert!(sasl.contains("'SASL_INHERIT' is not supported yet"), "{sasl}");
    assert!(told(&[("basic-auth.credentials-source", "USER_INFO")]).contains("'t.basic-auth.user-info' is missing"));
    let both = [
        ("url", "http://me:secret@h"),
        ("bearer-auth.token", "secret"),
        ("bearer-auth.credentials-source", "STATIC_TOKEN"),
    ];
    assert!(told(&both).contains("contradict"));
    assert!(told(&[("url", "me:secret@h")]).contains("'t.url' is no URL"));
    assert!(told(&[("url", " , ")]).contains("'t.url' is empty"));
    assert!(told(&[("ssl.keystore.password", "secret")]).contains("'t.ssl.keystore.password' is not supported"));
    assert!(told(&[("properties.sasl.jaas.config", "secret")]).contains("'t.properties.sasl.jaas.config'"));
    assert!(told(&[("properties.schema.registry.ssl.truststore.type", "JKS")]).contains("truststore.type"));
    assert!(told(&[("auto.register.schemas", "false")]).contains("no option 't.auto.register.schemas'"));
    let line = [("bearer-auth.credentials-source", "STATIC_TOKEN"), ("bearer-auth.token", "secret\r\nX: y")];
    assert!(told(&line).contains("control character"));
}

/// One file, and no other.
struct OneFile(&'static [u8]);

impl FileSystem for OneFile {
    fn list(&self, _: &str) -> io::Result<Vec<FileStatus>> {
        Ok(Vec::new())
    }

    fn list_hidden(&self, _: &str) -> io::Result<Vec<FileStatus>> {
        Ok(Vec::new())
    }

    fn open(&self, path: &str) -> io::Result<Box<dyn ReadFile>> {
        if path == "/file" { Ok(Box::new(io::Cursor::new(self.0))) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn create(&self, _: &str) -> io::Result<Box<dyn WriteFile>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn rename(&self, _: &str, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn delete(&self, _: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn exists(&self, path: &str) -> io::Result<bool> {
        Ok(path == "/file")
    }
}

struct Files(&'static [u8]);

impl FileSystems for Files {
    fn resolve(&self, path: &str) -> Result<(Arc<dyn FileSystem>, String)> {
        Ok((Arc::new(OneFile(self.0)), path.to_owned()))
    }
}

#[test]
fn stores_are_pem_files() {
    let fake = FakeRegistry::with(&["\"int\""]);
    let ask = |content: &'static [u8], path: &str| {
        let environment = Environment { files: Arc::new(Files(content)), ..fake.environment() };
        let mut registry = registry(&[("ssl.truststore.location", path)]);
        ready(registry.schema(&environment, 1)).map(drop)
    };
    ask(b"-----BEGIN CERTIFICATE-----", "/file").unwrap();
    let authorities = fake.trust.lock().unwrap()[0].authorities.clone();
    assert_eq!(authorities.as_deref(), Some(b"-----BEGIN CERTIFICATE-----".as_slice()));
    let store = ask(b"\xfe\xed\xfe\xed", "/file").unwrap_err();
    assert!(store.message().starts_with("a file of option 't.ssl.truststore.location' that is no PEM"), "{store}");
    let missing = ask(b"", "/none").unwrap_err();
    assert!(missing.message().contains("'t.ssl.truststore.location' cannot be read"), "{missing}");
}
