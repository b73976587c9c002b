//! Formats with a schema registry, over real HTTP: against a small server of this process, or against the registry whose
//! address `FLOTT_TEST_REGISTRY` has (a real one, of Confluent's protocol).

use std::sync::Arc;

use flott_api::env::Environment;
use flott_api::options::{OptionReader, Options};
use flott_api::testing::{batch, lines};
use flott_api::{Field, LogicalType, Schema, TypeKind};
use flott_formats::{DecodeError, DecoderSpec, Encoded, EncoderSpec, Format, format};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// The schemas of the server, by number from 1, as the JSON texts that they came in.
type Schemas = Arc<Mutex<Vec<String>>>;

/// Answers one request and closes the connection.
async fn serve(mut stream: TcpStream, schemas: Schemas) {
    let (mut seen, mut buffer) = (String::new(), [0; 4096]);
    let body = loop {
        let count = stream.read(&mut buffer).await.unwrap();
        assert!(count > 0, "a request ended too early: {seen}");
        seen.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        let Some((head, body)) = seen.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break body.to_owned();
        }
    };
    let mut schemas = schemas.lock().await;
    let (status, answer) = if seen.starts_with("POST /subjects/") {
        // The schema is the only thing in the object, and stays as quoted as it came.
        let text = body.strip_prefix("{\"schema\":").and_then(|rest| rest.strip_suffix('}')).unwrap().to_owned();
        let known = schemas.iter().position(|schema| *schema == text);
        let place = known.unwrap_or(schemas.len());
        if known.is_none() {
            schemas.push(text);
        }
        ("200 OK", format!("{{\"id\":{}}}", place + 1))
    } else {
        let id = seen.strip_prefix("GET /schemas/ids/").and_then(|rest| rest.split(' ').next()?.parse::<usize>().ok());
        match id.and_then(|id| schemas.get(id.wrapping_sub(1))) {
            Some(schema) => ("200 OK", format!("{{\"schema\":{schema}}}")),
            None => ("404 Not Found", "{\"error_code\":40403,\"message\":\"Schema not found\"}".to_owned()),
        }
    };
    let length = answer.len();
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
    stream.write_all(answer.as_bytes()).await.unwrap();
}

async fn small_registry() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let schemas = Schemas::default();
    #[expect(clippy::disallowed_methods, reason = "the server ends with the runtime of its test")]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            serve(stream, Arc::clone(&schemas)).await;
        }
    });
    url
}

fn made(identifier: &str, url: &str, subject: &str) -> Box<dyn Format> {
    let option = |key: &str, value: &str| (format!("{identifier}.{key}"), value.to_owned());
    let options = Options([option("url", url), option("subject", subject)].into());
    format(identifier, &OptionReader::new(&options, "the test"), "").unwrap()
}

fn schema(columns: &[&str]) -> Schema {
    let field = |name: &&str| match *name {
        "id" => Field::new(*name, LogicalType::not_null(TypeKind::Int)),
        _ => Field::new(*name, LogicalType::string()),
    };
    Schema::new(columns.iter().map(field).collect())
}

async fn written(environment: &Environment, format: &dyn Format, columns: &[&str], rows: &str) -> Vec<Vec<u8>> {
    let schema = schema(columns);
    let mut encoder = format.encoder(&EncoderSpec { schema: schema.clone(), line_ends: false }).unwrap();
    encoder.open(environment).await.unwrap();
    let mut out = Encoded::default();
    encoder.encode(&batch(&schema, rows), &mut out).unwrap();
    let starts = std::iter::once(&0).chain(&out.ends);
    starts.zip(&out.ends).map(|(start, end)| out.bytes[*start..*end].to_vec()).collect()
}

async fn read(
    environment: &Environment,
    format: &dyn Format,
    columns: &[&str],
    messages: &[Vec<u8>],
) -> Result<Vec<String>, String> {
    let projection = (0..columns.len()).collect();
    let spec = DecoderSpec { schema: schema(columns), projection, metadata: Vec::new(), dead_letters: false };
    let mut decoder = format.decoder(&spec).unwrap();
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    decoder.prepare(environment, &messages).await.map_err(|e| e.to_string())?;
    decoder.decode_messages(&messages, &mut Vec::new()).map_err(|e| match e {
        DecodeError::Record(bad) => bad.what,
        DecodeError::Other(e) => e.to_string(),
    })?;
    Ok(lines(&decoder.take().unwrap()))
}

#[tokio::test]
async fn writers_and_readers_of_different_columns_meet_over_a_registry() {
    let environment = flott_runtime::environment::real();
    let url = match std::env::var("FLOTT_TEST_REGISTRY") {
        Ok(url) => url,
        Err(_) => small_registry().await,
    };
    let subject = format!("flott-{:x}", environment.rng.next_u64());
    let avro = made("avro-confluent", &url, &subject);
    let old = ["id", "s"];
    let new = ["id", "s", "more"];
    let mut messages = written(&environment, &*avro, &old, "+I | 1 | a\n+I | 2 | NULL").await;
    messages.extend(written(&environment, &*avro, &new, "+I | 3 | c | x").await);
    assert_ne!(messages[0][..5], messages[2][..5]);
    let by_new = read(&environment, &*avro, &new, &messages).await.unwrap();
    assert_eq!(by_new, ["+I | 1 | a | NULL", "+I | 2 | NULL | NULL", "+I | 3 | c | x"]);
    let by_old = read(&environment, &*avro, &old, &messages).await.unwrap();
    assert_eq!(by_old, ["+I | 1 | a", "+I | 2 | NULL", "+I | 3 | c"]);
    let unknown = read(&environment, &*avro, &old, &[vec![0, 0x7f, 0xff, 0xff, 0xff]]).await.unwrap_err();
    assert!(unknown.contains("schema 2147483647 is not in the registry"), "{unknown}");

    let debezium = made("debezium-avro-confluent", &url, &format!("{subject}-changes"));
    let changes = written(&environment, &*debezium, &old, "+I | 1 | a\n-U | 1 | a\n+U | 1 | b").await;
    let rows = read(&environment, &*debezium, &old, &changes).await.unwrap();
    assert_eq!(rows, ["+I | 1 | a", "-D | 1 | a", "+I | 1 | b"]);
}
