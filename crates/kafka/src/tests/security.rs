//! TLS and SASL, with a broker that asks for them.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flott_api::env::Clock;
use flott_api::testing::batch;
use flott_api::{Error, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::broker::{Broker, own_with};
use super::table::TestTable;

const PASSWORD: &str = "pass-word-of-flott";
const WRONG: &str = "a-wrong-password";

/// Certificates of one authority.
struct Certificates {
    authority: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let authority = params.self_signed(&key).unwrap().pem();
        Certificates { authority, issuer: Issuer::new(params, key) }
    }

    /// A key, and a certificate for that name, in one text.
    fn of(&self, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        format!("{}{}", key.serialize_pem(), certificate.pem())
    }

    /// Both in files: for a broker of that name.
    fn write(&self, folder: &Path, name: &str) -> [String; 2] {
        let of_file = |file: &str, text: &str| {
            let path = folder.join(file);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        [of_file("broker.pem", &self.of(name)), of_file("authority.pem", &self.authority)]
    }
}

/// A broker whose clients come over this protocol.
fn secured(test: &str, protocol: &str, more: &[String], [own, authority]: &[String; 2]) -> Option<Broker> {
    let mut settings = vec![
        "listeners=SECURE://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port+1},PLAINTEXT://127.0.0.1:{port+2}".to_owned(),
        "advertised.listeners=SECURE://127.0.0.1:{port},PLAINTEXT://127.0.0.1:{port+2}".to_owned(),
        format!("listener.security.protocol.map=SECURE:{protocol},CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT"),
        "ssl.keystore.type=PEM".to_owned(),
        "ssl.truststore.type=PEM".to_owned(),
        format!("ssl.keystore.location={own}"),
        format!("ssl.truststore.location={authority}"),
    ];
    settings.extend_from_slice(more);
    own_with(test, &settings.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Writes a row and reads it.
async fn round(table: &TestTable) -> Result<Vec<String>> {
    let mut writer = table.writer();
    writer.write(batch(&table.schema, "+I | 1 | a")).await?;
    writer.prepare_commit(true).await?;
    table.read_with(&[]).await
}

async fn refusal(table: &TestTable) -> Error {
    let quick = table.clone().with("properties.default.api.timeout.ms", "1500").with("properties.max.block.ms", "1500");
    let error = round(&quick).await.unwrap_err();
    let told = format!("{error} {:?} {:?} {error:?}", error.detail(), error.hint());
    assert!(!told.contains(PASSWORD) && !told.contains(WRONG), "{told}");
    error
}

fn jaas(module: &str, password: &str) -> String {
    format!("org.apache.kafka.common.security.{module} required username=\"flott\" password=\"{password}\";")
}

/// Gives a token to whoever has the secret, as an OpenID provider does; without a signature.
#[expect(clippy::disallowed_methods, reason = "a server of the test stands outside of what it tests")]
fn provider(clock: Arc<dyn Clock>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = format!("http://{}/token", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut asked = Vec::new();
            let mut part = [0; 4096];
            while !String::from_utf8_lossy(&asked).contains("grant_type=client_credentials") {
                let n = client.read(&mut part).unwrap();
                asked.extend_from_slice(&part[..n]);
                assert!(n > 0, "no client credentials in {}", String::from_utf8_lossy(&asked));
            }
            let now = clock.now_ms() / 1000;
            let claims = format!(r#"{{"sub":"flott","iat":{now},"exp":{}}}"#, now + 600);
            let [head, claims] = [r#"{"alg":"none"}"#, &claims].map(|part| URL_SAFE_NO_PAD.encode(part));
            let body = format!(r#"{{"access_token":"{head}.{claims}.","token_type":"Bearer","expires_in":600}}"#);
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            write!(client, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn users_come_by_each_mechanism_over_tls() {
    const MODULES: &str = "org.apache.kafka.common.security";
    let (folder, certificates) = (tempfile::tempdir().unwrap(), Certificates::new());
    let files = certificates.write(folder.path(), "127.0.0.1");
    let of = |mechanism: &str, module: &str| {
        format!("listener.name.secure.{mechanism}.sasl.jaas.config={MODULES}.{module};")
    };
    let settings = [
        "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER".to_owned(),
        of("plain", &format!("plain.PlainLoginModule required user_flott=\"{PASSWORD}\"")),
        of("scram-sha-256", "scram.ScramLoginModule required"),
        of("scram-sha-512", "scram.ScramLoginModule required"),
        of("oauthbearer", "oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"flott\""),
        format!("scram:SCRAM-SHA-256=[name=flott,password={PASSWORD}]"),
        format!("scram:SCRAM-SHA-512=[name=flott,password={PASSWORD}]"),
    ];
    let Some(broker) = secured("users_come_by_each_mechanism", "SASL_SSL", &settings, &files) else { return };
    let table = |topic: &str, mechanism: &str, jaas: &str| {
        TestTable::json(
            &broker,
            topic,
            &[
                ("properties.security.protocol", "SASL_SSL"),
                ("properties.ssl.truststore.type", "PEM"),
                ("properties.ssl.truststore.location", &files[1]),
                ("properties.sasl.mechanism", mechanism),
                ("properties.sasl.jaas.config", jaas),
            ],
        )
    };
    let modules = [
        ("PLAIN", "plain.PlainLoginModule"),
        ("SCRAM-SHA-256", "scram.ScramLoginModule"),
        ("SCRAM-SHA-512", "scram.ScramLoginModule"),
    ];
    for (mechanism, module) in modules {
        let rows = round(&table(mechanism, mechanism, &jaas(module, PASSWORD))).await.unwrap();
        assert_eq!(rows, ["+I | 1 | a"], "{mechanism}");
        let error = refusal(&table(mechanism, mechanism, &jaas(module, WRONG))).await;
        assert!(error.detail().is_some_and(|d| d.contains("does not let this job in")), "{mechanism}: {error:?}");
    }
    let client = format!(
        "{MODULES}.oauthbearer.OAuthBearerLoginModule required clientId=\"flott\" clientSecret=\"{PASSWORD}\";"
    );
    let oauth = table("OAUTHBEARER", "OAUTHBEARER", &client);
    let endpoint = provider(Arc::clone(&oauth.environment.clock));
    let oauth = oauth.with("properties.sasl.oauthbearer.token.endpoint.url", &endpoint);
    assert_eq!(round(&oauth).await.unwrap(), ["+I | 1 | a"]);
    let error = refusal(&TestTable::json(&broker, "PLAIN", &[])).await;
    assert!(error.to_string().contains("no broker of"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_sides_show_certificates() {
    let (folder, certificates) = (tempfile::tempdir().unwrap(), Certificates::new());
    // The broker has another name than the one by which it is reached.
    let files = certificates.write(folder.path(), "broker.example");
    let settings = ["ssl.client.auth=required".to_owned()];
    let Some(broker) = secured("both_sides_show_certificates", "SSL", &settings, &files) else { return };
    let own = folder.path().join("own.pem");
    std::fs::write(&own, certificates.of("flott")).unwrap();
    let table = TestTable::json(
        &broker,
        "mutual",
        &[
            ("properties.security.protocol", "SSL"),
            ("properties.ssl.truststore.type", "PEM"),
            ("properties.ssl.truststore.certificates", &certificates.authority),
            ("properties.ssl.keystore.type", "PEM"),
            ("properties.ssl.keystore.location", own.to_str().unwrap()),
            ("properties.ssl.endpoint.identification.algorithm", ""),
        ],
    );
    assert_eq!(round(&table).await.unwrap(), ["+I | 1 | a"]);
    let error = refusal(&table.clone().with("properties.ssl.endpoint.identification.algorithm", "https")).await;
    assert!(error.detail().is_some_and(|detail| detail.contains("certificate")), "{error:?}");
    let stranger = Certificates::new().authority;
    let error = refusal(&table.clone().with("properties.ssl.truststore.certificates", &stranger)).await;
    assert!(error.detail().is_some_and(|detail| detail.contains("certificate")), "{error:?}");
    let mut nobody = table.clone();
    nobody.options.0.remove("properties.ssl.keystore.location");
    refusal(&nobody).await;
}
