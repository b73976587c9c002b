//! Models of the provider 'openai', over real HTTP against a small server of this process: repetitions, order and bounds under
//! concurrency, slow and broken answers, the key that nobody sees, batch mode, and the examples of the docs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::scripts::Answer;
use crate::session::Runner;

const KEY: &str = "sk-of-the-test";

/// What the server has seen.
#[derive(Default)]
struct Seen {
    bodies: Mutex<Vec<String>>,
    under_way: AtomicUsize,
    under_way_most: AtomicUsize,
}

/// A server that lives as long as its test.
struct Server {
    _runtime: tokio::runtime::Runtime,
    seen: Arc<Seen>,
    url: String,
}

impl Server {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let seen = Arc::<Seen>::default();
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let of_server = Arc::clone(&seen);
        #[expect(clippy::disallowed_methods, reason = "the server ends with its runtime")]
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&of_server)));
            }
        });
        Server { _runtime: runtime, seen, url }
    }

    fn requests(&self, part: &str) -> usize {
        self.seen.bodies.lock().unwrap().iter().filter(|body| body.contains(part)).count()
    }

    /// The answers to a script, in which `${URL}` is the server. None may fail.
    fn rows(&self, script: &str) -> Vec<Vec<String>> {
        let answers = self.answers(script);
        let failed: Vec<_> = answers.iter().filter_map(|a| a.failed.as_ref()).collect();
        assert!(failed.is_empty(), "{failed:?}");
        answers.into_iter().map(|answer| answer.changes).filter(|changes| !changes.is_empty()).collect()
    }

    fn answers(&self, script: &str) -> Vec<Answer> {
        let answers = Runner::new().run(&script.replace("${URL}", &self.url));
        for (_, answer) in &answers {
            let shown = format!("{:?} {:?} {:?}", answer.text, answer.changes, answer.failed);
            assert!(!shown.contains(KEY), "the key is shown: {shown}");
        }
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}

/// A request as it came.
struct Request {
    path: String,
    authorized: bool,
    body: String,
}

async fn request(stream: &mut TcpStream) -> Option<Request> {
    let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        seen.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
        if body.len() >= length.unwrap_or(0) {
            let path = head.split(' ').nth(1)?.to_owned();
            return Some(Request { path, authorized: head.contains(&format!("Bearer {KEY}")), body: body.to_owned() });
        }
    }
}

/// Answers the requests of a connection. What the text says decides: `late` takes longer, `busy` is answered at the third time,
/// `never` not at all, `broken` with an error, `garbage` with no JSON; the vector of `short` is too short.
async fn serve(mut stream: TcpStream, seen: Arc<Seen>) {
    while let Some(request) = request(&mut stream).await {
        let before = {
            let mut bodies = seen.bodies.lock().unwrap();
            bodies.push(request.body.clone());
            bodies.iter().filter(|body| **body == request.body).count() - 1
        };
        let under_way = seen.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        seen.under_way_most.fetch_max(under_way, Ordering::SeqCst);
        let has = |word: &str| request.body.contains(word);
        let wait_ms = if has("late") { 200 } else { 20 };
        #[expect(clippy::disallowed_methods, reason = "a server takes real time")]
        tokio::time::sleep(Duration::from_millis(if has("never") { 60_000 } else { wait_ms })).await;
        seen.under_way.fetch_sub(1, Ordering::SeqCst);
        let (status, body) = answer(&request, before);
        let length = body.len();
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nretry-after-ms: 5\r\n");
        if stream.write_all(format!("{head}content-length: {length}\r\n\r\n{body}").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(request: &Request, before: usize) -> (&'static str, String) {
    let has = |word: &str| request.body.contains(word);
    let error = |message: &str| format!("{{\"error\": {{\"message\": \"{message}\"}}}}");
    if !request.authorized {
        return ("401 Unauthorized", error("Incorrect API key provided: somebody-elses"));
    }
    if has("broken") || has("busy") && before < 2 {
        return ("429 Too Many Requests", error("Rate limit reached."));
    }
    if has("garbage") {
        return ("200 OK", "<html>".to_owned());
    }
    match request.path.as_str() {
        "/v1/embeddings" => {
            let vector = if has("short") { "[1]" } else { "[0.5, 1, 2]" };
            ("200 OK", format!("{{\"data\": [{{\"index\": 0, \"embedding\": {vector}}}]}}"))
        }
        "/v1/chat/completions" => {
            // The text of the user is the last content.
            let text = request.body.rsplit("\"content\":\"").next().and_then(|rest| rest.split('"').next());
            let text = text.unwrap_or_default();
            let choice = format!("{{\"message\": {{\"role\": \"assistant\", \"content\": \"re: {text}\"}}}}");
            let choices = if has("\"n\":2") { format!("{choice}, {choice}") } else { choice };
            ("200 OK", format!("{{\"choices\": [{choices}]}}"))
        }
        _ => ("404 Not Found", error("no such path")),
    }
}

const TEXTS: &str = "
CREATE TEMPORARY VIEW texts AS SELECT * FROM (VALUES (1, 'late one'), (2, 'two'), (3, 'busy three'), (4, CAST(NULL AS STRING)),
  (5, 'five'), (6, 'late six'), (7, 'seven'), (8, 'eight')) AS t (id, body);
CREATE MODEL chat INPUT (text STRING) OUTPUT (answer STRING) WITH ('provider' = 'openai',
  'endpoint' = '${URL}/v1/chat/completions', 'api-key' = 'sk-of-the-test', 'model' = 'small');
";

fn ids(rows: &[String]) -> Vec<&str> {
    rows.iter().map(|row| row[3..].split(',').next().unwrap()).collect()
}

#[test]
fn answers_come_in_the_order_of_rows_with_so_many_under_way() {
    let server = Server::new();
    let call = "SELECT id, answer FROM ML_PREDICT(TABLE texts, MODEL chat, DESCRIPTOR(body)";
    let rows = server.rows(&format!("{TEXTS}{call}, MAP['max-concurrent-operations', '3']);")).remove(0);
    assert_eq!(ids(&rows), ["1", "2", "3", "5", "6", "7", "8"], "a row without a text has no answer");
    assert_eq!(rows[0], "+I[1, re: late one]");
    assert_eq!(server.requests("busy three"), 3);
    assert_eq!(server.seen.under_way_most.load(Ordering::SeqCst), 3);
    let modes = "MAP['output-mode', 'ALLOW_UNORDERED', 'max-concurrent-operations', '8']";
    let rows = server.rows(&format!("{TEXTS}{call}, {modes});")).remove(0);
    let mut sorted = ids(&rows);
    assert_ne!(sorted, ["1", "2", "3", "5", "6", "7", "8"], "late ones are overtaken");
    sorted.sort_unstable();
    assert_eq!(sorted, ["1", "2", "3", "5", "6", "7", "8"]);
}

#[test]
fn choices_are_rows_and_batch_mode_gives_the_same() {
    let server = Server::new();
    let script = format!(
        "{TEXTS}ALTER MODEL chat SET ('n' = '2');
SELECT id, answer FROM ML_PREDICT((SELECT * FROM texts WHERE id < 3), MODEL chat, DESCRIPTOR(body));
SET 'execution.runtime-mode' = 'batch';
SELECT id, answer FROM ML_PREDICT((SELECT * FROM texts WHERE id < 3), MODEL chat, DESCRIPTOR(body));
SELECT COUNT(*) AS n FROM ML_PREDICT(TABLE texts, MODEL chat, DESCRIPTOR(body));"
    );
    let rows = server.rows(&script);
    let both = ["+I[1, re: late one]", "+I[1, re: late one]", "+I[2, re: two]", "+I[2, re: two]"];
    assert_eq!((rows[0].as_slice(), rows[1].as_slice()), (&both.map(str::to_owned)[..], &both.map(str::to_owned)[..]));
    assert_eq!(rows[2], ["+I[14]"]);
}

#[test]
fn vectors_have_the_dimension_that_was_asked_for() {
    let server = Server::new();
    let model = "CREATE MODEL embed INPUT (text STRING) OUTPUT (vector ARRAY<FLOAT>) WITH ('provider' = 'openai',
  'endpoint' = '${URL}/v1/embeddings', 'api-key' = 'sk-of-the-test', 'model' = 'vectors', 'dimension' = '3');\n";
    let call = |text: &str| {
        format!("SELECT vector[2] AS v, vector FROM ML_PREDICT((SELECT '{text}' AS b), MODEL embed, DESCRIPTOR(b));")
    };
    let rows = server.rows(&format!("{model}{}", call("hi")));
    assert_eq!(rows[0], ["+I[1.0, [0.5, 1.0, 2.0]]"]);
    let failed = server.answers(&format!("{model}{}", call("short"))).pop().unwrap().failed.unwrap();
    assert!(failed.contains("model 'default_catalog.default_database.embed' has no answer"), "{failed}");
}

#[test]
fn failures_fail_the_job_or_come_as_rows() {
    let server = Server::new();
    let asked = |options: &str, columns: &str, select: &str, text: &str| {
        let script = format!(
            "CREATE MODEL m INPUT (text STRING) OUTPUT (answer STRING{columns}) WITH ('provider' = 'openai', 'model' = 'x',
  'endpoint' = '${{URL}}/v1/chat/completions', 'api-key' = 'sk-of-the-test'{options});
SELECT {select} FROM ML_PREDICT((SELECT '{text}' AS b), MODEL m, DESCRIPTOR(b), MAP['timeout', '300 ms']);"
        );
        server.answers(&script).pop().unwrap()
    };
    let failed = |options: &str, text: &str| asked(options, "", "*", text).failed.unwrap();
    assert!(failed(", 'retry-num' = '2'", "broken").contains("has no answer from"), "broken");
    assert_eq!(server.requests("broken"), 3);
    assert!(failed("", "garbage").contains("has no answer from"), "garbage");
    assert!(failed("", "never").contains("took longer than 300 ms for a row"), "never");
    assert!(failed(", 'error-handling-strategy' = 'failover'", "busy").contains("has no answer from"), "busy");
    let ignored = asked(", 'error-handling-strategy' = 'ignore'", "", "*", "broken");
    assert_eq!((ignored.failed, ignored.changes), (None, Vec::new()));
    let columns = ", `error-string` STRING METADATA VIRTUAL, status INT METADATA FROM 'http-status-code', \
        headers MAP<STRING, ARRAY<STRING>> METADATA FROM 'http-headers-map'";
    let select = "answer, status, `error-string`, headers['retry-after-ms'] AS wait";
    let told = asked(", 'error-handling-strategy' = 'ignore'", columns, select, "broken");
    assert_eq!(
        told.changes,
        ["+I[<NULL>, 429, the service answers 429: Rate limit reached, [5]]"],
        "{:?}",
        told.failed
    );
    let fine = asked(", 'error-handling-strategy' = 'ignore'", columns, select, "fine");
    assert_eq!(fine.changes, ["+I[re: fine, <NULL>, <NULL>, <NULL>]"]);
}

#[test]
fn nobody_but_the_service_sees_the_key() {
    let server = Server::new();
    let script = format!(
        "{TEXTS}SHOW CREATE MODEL chat;
DESCRIBE MODEL chat;
EXPLAIN SELECT * FROM ML_PREDICT(TABLE texts, MODEL chat, DESCRIPTOR(body));
ALTER MODEL chat SET ('tempreature' = '1');
SELECT * FROM ML_PREDICT(TABLE texts, MODEL chat, DESCRIPTOR(body));
ALTER MODEL chat RESET ('tempreature');
ALTER MODEL chat SET ('api-key' = 'wrong');
SELECT * FROM ML_PREDICT(TABLE texts, MODEL chat, DESCRIPTOR(body));"
    );
    // That the key is in no answer is checked for every script.
    let answers = server.answers(&script);
    assert!(answers[2].text.join(" ").contains("'api-key' = '****'"), "{:?}", answers[2].text);
    assert!(answers[6].failed.as_ref().unwrap().contains("has no option 'tempreature'"), "{:?}", answers[6]);
    assert!(answers[9].failed.as_ref().unwrap().contains("has no answer from"), "{:?}", answers[9]);
}

#[test]
fn the_examples_of_the_docs_run() {
    let server = Server::new();
    let page = std::fs::read_to_string(crate::known::oracle().join("../../../docs/models.md")).unwrap();
    let blocks: Vec<&str> = page.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 3, "{}", blocks.len());
    let script = blocks.concat().replace("https://api.openai.com", &server.url).replace("<your key>", KEY);
    assert!(script.contains(&server.url) && script.contains(KEY));
    let rows = server.rows(&script);
    assert!(rows.iter().any(|rows| rows[0].contains("re: ")), "{rows:?}");
}
