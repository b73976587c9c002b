//! A service within the test: what it is asked, what is made of its answers, and who sees its key.

use std::collections::VecDeque;
use std::sync::Mutex;

use arrow_array::ArrayRef;
use flott_api::env::Environment;
use flott_api::http::{Http, HttpResponse, HttpSettings};
use flott_api::options::Options;
use flott_api::testing::{FakeWorld, ready};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};
use serde_json::{Value, json};

use super::*;

const KEY: &str = "sk-very-secret";

/// An answer: status, headers, body.
type Said<'a> = (u16, &'a [(&'a str, &'a str)], &'a str);
type Prepared = (u16, Vec<(String, String)>, String);

/// Answers in a row; then always the last one. No status is no answer at all.
#[derive(Default)]
struct Service {
    answers: Mutex<VecDeque<Prepared>>,
    asked: Mutex<Vec<HttpRequest>>,
}

struct Shared(Arc<Service>);

impl Http for Shared {
    fn client(&self, _: &HttpSettings) -> Result<Arc<dyn HttpClient>> {
        Ok(Arc::new(Shared(Arc::clone(&self.0))))
    }
}

impl HttpClient for Shared {
    fn send(&self, request: HttpRequest) -> BoxFuture<'static, Result<HttpResponse>> {
        self.0.asked.lock().unwrap().push(request);
        let mut answers = self.0.answers.lock().unwrap();
        let next = answers.front().cloned();
        if answers.len() > 1 {
            answers.pop_front();
        }
        let answered = match next {
            Some((0, _, why)) => {
                Err(Error::new(ErrorKind::External { retry: true }, "the HTTP request failed").with_detail(why))
            }
            Some((status, headers, body)) => Ok(HttpResponse { status, headers, body: Bytes::from(body) }),
            None => Err(Error::internal("nobody answers")),
        };
        Box::pin(std::future::ready(answered))
    }
}

/// A model with these options, its key and a name; of embeddings if the endpoint is of those.
fn spec(options: &[(&str, &str)], metadata: &[&str]) -> ModelSpec {
    let mut all = vec![("endpoint", "http://host/v1/chat/completions"), ("api-key", KEY), ("model", "small")];
    for (key, value) in options {
        all.retain(|(known, _)| known != key);
        all.push((*key, *value));
    }
    let is_chat = all.iter().any(|(key, value)| *key == "endpoint" && value.contains("chat"));
    let vector = || LogicalType::new(TypeKind::Array(Box::new(LogicalType::new(TypeKind::Float))));
    let answer = if is_chat { LogicalType::string() } else { vector() };
    let of = |key: &&str| {
        let found = rows::METADATA.iter().find(|(known, _)| known == key);
        Field::new(*key, found.map_or(LogicalType::string(), |(_, kind)| kind.ty()))
    };
    ModelSpec {
        model: "c.d.m".to_owned(),
        provider: "openai".to_owned(),
        input: Schema::new(vec![Field::new("text", LogicalType::string())]),
        output: Schema::new(std::iter::once(Field::new("answer", answer)).chain(metadata.iter().map(of)).collect()),
        metadata: std::iter::once(None).chain(metadata.iter().map(|key| Some((*key).to_owned()))).collect(),
        options: Options(all.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()),
    }
}

/// A model and its service.
struct World {
    service: Arc<Service>,
    model: Box<dyn ModelProvider>,
    clock: Arc<FakeWorld>,
}

impl World {
    fn of(spec: &ModelSpec, answers: &[Said<'_>]) -> Self {
        let owned = |(status, headers, body): &Said<'_>| {
            let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            (*status, headers, (*body).to_owned())
        };
        let service =
            Arc::new(Service { answers: Mutex::new(answers.iter().map(owned).collect()), ..Service::default() });
        let clock = FakeWorld::at(0);
        let environment = Environment { http: Arc::new(Shared(Arc::clone(&service))), ..clock.environment() };
        let model = OpenAi.open(spec, &environment).unwrap();
        World { service, model, clock }
    }

    fn predict(&self, texts: &[Option<&str>]) -> Result<Predictions> {
        let column: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let inputs = RecordBatch::try_from_iter_with_nullable([("text", column, true)]).unwrap();
        ready(self.model.predict(inputs))
    }

    /// The answers with the inputs that they are for.
    fn rows(&self, texts: &[Option<&str>]) -> Vec<String> {
        let Predictions { rows, inputs } = self.predict(texts).unwrap();
        let lines = flott_api::testing::lines(&ChangeBatch::inserts(rows));
        inputs.iter().zip(lines).map(|(input, line)| format!("{input}: {}", line.trim_start_matches("+I | "))).collect()
    }

    fn bodies(&self) -> Vec<Value> {
        let asked = self.service.asked.lock().unwrap();
        asked.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
    }

    fn requests(&self) -> usize {
        self.service.asked.lock().unwrap().len()
    }
}

fn chat(texts: &[&str]) -> String {
    let choices: Vec<Value> =
        texts.iter().map(|text| json!({"message": {"role": "assistant", "content": text}})).collect();
    json!({"id": "x", "choices": choices}).to_string()
}

#[test]
fn a_chat_is_asked_with_the_parameters_that_are_set() {
    let plain = World::of(&spec(&[], &[]), &[(200, &[], &chat(&["hello"]))]);
    assert_eq!(plain.rows(&[Some("hi"), None, Some("you")]), ["0: hello", "2: hello"]);
    let messages = json!([
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "hi"},
    ]);
    assert_eq!(plain.bodies()[0], json!({"model": "small", "messages": messages}));
    let request = plain.service.asked.lock().unwrap()[0].clone();
    assert_eq!((request.method, request.url.as_str()), (HttpMethod::Post, "http://host/v1/chat/completions"));
    assert!(request.headers.contains(&("Authorization".to_owned(), format!("Bearer {KEY}"))));
    let options = [
        ("endpoint", "https://host/V1/Chat/Completions//"),
        ("systemPrompt", "be brief"),
        ("temperature", "0.5"),
        ("top-p", "0.25"),
        ("stop", "a,,b,"),
        ("maxTokens", "7"),
        ("presence-penalty", "-1"),
        ("n", "2"),
        ("seed", "42"),
        ("response-format", "JSON_OBJECT"),
    ];
    let mut all = spec(&[], &[]);
    all.options = spec(&options, &[]).options;
    let all = World::of(&all, &[(200, &[], &chat(&["one", "two"]))]);
    assert_eq!(all.rows(&[Some("hi")]), ["0: one", "0: two"]);
    let mut body = all.bodies().remove(0);
    assert_eq!(body["messages"][0]["content"], "be brief");
    body.as_object_mut().unwrap().remove("messages");
    let wanted = json!({"model": "small", "temperature": 0.5, "top_p": 0.25, "stop": ["a", "", "b"], "max_tokens": 7,
        "presence_penalty": -1.0, "n": 2, "seed": 42, "response_format": {"type": "json_object"}});
    assert_eq!(body, wanted);
    assert_eq!(all.service.asked.lock().unwrap()[0].url, "https://host/V1/Chat/Completions");
}

#[test]
fn an_embedding_is_a_vector_of_the_dimension_that_was_asked_for() {
    let options =
        [("endpoint", "http://host/v1/embeddings"), ("dimension", "3"), ("error-handling-strategy", "failover")];
    let answer = r#"{"data": [{"index": 0, "embedding": [0.5, -1, 1e-3]}]}"#;
    let world =
        World::of(&spec(&options, &[]), &[(200, &[], answer), (200, &[], r#"{"data": [{"embedding": [1, 2]}]}"#)]);
    assert_eq!(world.rows(&[Some("hi")]), ["0: [0.5, -1, 0.001]"]);
    let body = json!({"model": "small", "input": "hi", "encoding_format": "float", "dimensions": 3});
    assert_eq!(world.bodies(), [body]);
    let error = world.predict(&[Some("hi")]).unwrap_err();
    assert!(error.detail().unwrap().contains("another 'dimension' than was asked for"), "{error:?}");
}

#[test]
fn what_may_be_better_later_is_asked_again_and_the_service_says_when() {
    let troubles: [Said<'_>; 5] = [
        (0, &[], "Connection refused."),
        (500, &[], "oops"),
        (429, &[("retry-after-ms", "17")], "{}"),
        (503, &[("Retry-After", "2")], ""),
        (429, &[("retry-after", "3600")], ""),
    ];
    let last = chat(&["at last"]);
    let answers = [&troubles[..], &[(200, &[], last.as_str())]].concat();
    let world = World::of(&spec(&[], &[]), &answers);
    assert_eq!(world.rows(&[Some("hi")]), ["0: at last"]);
    assert_eq!(world.requests(), 6);
    // 500 and 1000 ms less up to a quarter, 17 ms, 2 s, and 8 s less up to a quarter, for an hour is not waited.
    let waited = world.clock.environment().clock.now_ms();
    assert!((375 + 750 + 17 + 2000 + 6000..=500 + 1000 + 17 + 2000 + 8000).contains(&waited), "{waited}");
    for (status, headers, requests) in [
        (400, &[][..], 1),
        (401, &[], 1),
        (404, &[], 1),
        (408, &[], 3),
        (409, &[], 3),
        (500, &[("x-should-retry", "false")], 1),
        (400, &[("x-should-retry", "true")], 3),
    ] {
        let world = World::of(&spec(&[("retry-num", "2")], &[]), &[(status, headers, "no")]);
        let error = world.predict(&[Some("hi")]).unwrap_err();
        assert_eq!(world.requests(), requests, "{status} {headers:?}");
        assert_eq!(error.kind(), ErrorKind::External { retry: requests > 1 }, "{status}");
    }
}

#[test]
fn a_row_without_an_answer_fails_the_job_or_is_left_out_or_says_why() {
    let busy: [Said<'_>; 1] =
        [(429, &[("x-a", "1"), ("x-a", "2"), ("b", "3")], r#"{"error": {"message": "Slow  down."}}"#)];
    let failing = World::of(&spec(&[("error-handling-strategy", "FAILOVER")], &[]), &busy);
    let error = failing.predict(&[Some("hi")]).unwrap_err();
    assert_eq!(error.message(), "model 'c.d.m' has no answer from http://host/v1/chat/completions");
    assert_eq!(error.detail(), Some("the service answers 429: Slow down."));
    assert_eq!(failing.requests(), 1);
    let ignoring = World::of(&spec(&[("error-handling-strategy", "ignore")], &[]), &busy);
    assert_eq!(ignoring.rows(&[Some("hi")]), Vec::<String>::new());
    let keys = ["http-headers-map", "error-string", "http-status-code"];
    let retrying = [("retry-num", "1"), ("retry-fallback-strategy", "ignore")];
    let told = World::of(&spec(&retrying, &keys), &[busy[0], busy[0], (200, &[], &chat(&["fine"]))]);
    let rows = told.rows(&[Some("hi"), Some("you")]);
    assert_eq!(rows[0], "0: NULL | [(b, [3]), (x-a, [1, 2])] | the service answers 429: Slow down | 429");
    assert_eq!(rows[1], "1: fine | NULL | NULL | NULL");
    let mute = World::of(&spec(&retrying, &keys), &[(0, &[], "Connection refused.")]);
    assert_eq!(mute.rows(&[Some("hi")]), ["0: NULL | NULL | the HTTP request failed: Connection refused | NULL"]);
}

#[test]
fn what_is_no_answer_is_told_and_not_asked_for_again() {
    for (body, why) in [
        ("<html>", "it is no JSON"),
        ("{}", "it has no 'choices'"),
        (r#"{"choices": [{}]}"#, "a choice has no message"),
        (r#"{"choices": [{"message": {"content": 7}}]}"#, "a choice has no message"),
    ] {
        let world = World::of(&spec(&[], &[]), &[(200, &[], body)]);
        let error = world.predict(&[Some("hi")]).unwrap_err();
        assert!(error.detail().unwrap().ends_with(&format!("{why}.")), "{body}: {error:?}");
        assert_eq!(world.requests(), 1, "{body}");
    }
    let empty = World::of(&spec(&[], &[]), &[(200, &[], r#"{"choices": [{"message": {"content": null}}]}"#)]);
    assert_eq!(empty.rows(&[Some("hi")]), ["0: ''"]);
}

#[test]
fn the_key_is_shown_to_the_service_alone() {
    let echoing: [Said<'_>; 1] =
        [(401, &[("x-echo", "Bearer sk-very-secret")], r#"{"error": {"message": "wrong key sk-very-secret"}}"#)];
    let failing = World::of(&spec(&[], &[]), &echoing);
    let error = failing.predict(&[Some("hi")]).unwrap_err();
    assert!(error.detail().unwrap().contains("wrong key ****"), "{error:?}");
    assert!(!format!("{error:?} {error}").contains(KEY), "{error:?}");
    let keys = ["error-string", "http-headers-map"];
    let told = World::of(&spec(&[("error-handling-strategy", "ignore")], &keys), &echoing);
    assert_eq!(
        told.rows(&[Some("hi")]),
        ["0: NULL | the service answers 401: wrong key **** | [(x-echo, [Bearer ****])]"]
    );
    let refused = OpenAi.describe(&spec(&[("temperature", "warm")], &[])).unwrap_err();
    assert!(!format!("{refused:?}").contains(KEY));
}

#[test]
fn options_and_columns_that_do_not_suit_are_refused_by_name() {
    let refused = |options: &[(&str, &str)]| OpenAi.describe(&spec(options, &[])).unwrap_err().message().to_owned();
    for (key, value, message) in [
        ("max-context-size", "10", "option 'max-context-size' of provider 'openai' is not supported yet"),
        (
            "context-overflow-action",
            "skipped",
            "option 'context-overflow-action' of provider 'openai' is not supported yet",
        ),
        ("endpoint", "http://host/v1/chat", "option 'endpoint' is of no service that is known"),
        ("endpoint", "host/chat/completions", "option 'endpoint' has no URL of HTTP"),
        ("endpoint", "http://a:b@host/chat/completions", "option 'endpoint' has a user or a password in its URL"),
        ("endpoint", "http://a:1/b@host/chat/completions", "option 'endpoint' has a user or a password in its URL"),
        ("dimension", "3", "option 'dimension' means nothing to an endpoint of chats"),
        ("temperature", "warm", "option 'temperature' has the value 'warm', which is no number"),
        ("response-format", "xml", "option 'response-format' has the value 'xml'"),
        ("error-handling-strategy", "sometimes", "option 'error-handling-strategy' has the value 'sometimes'"),
        ("retry-num", "-1", "option 'retry-num' has the value '-1', which is no whole number"),
        ("batch-size", "3", "provider 'openai' has no option 'batch-size'"),
    ] {
        assert_eq!(refused(&[(key, value)]), message);
    }
    let both = [("top-p", "1"), ("topP", "1")];
    assert_eq!(refused(&both), "options 'top-p' and 'topP' are the same; only one may be set");
    let unused = [("error-handling-strategy", "ignore"), ("retry-num", "3")];
    assert_eq!(refused(&unused), "option 'retry-num' without 'error-handling-strategy' = 'RETRY'");
    let embeddings = ("endpoint", "http://host/v1/embeddings/");
    assert_eq!(refused(&[embeddings, ("stop", "x")]), "option 'stop' means nothing to an endpoint of embeddings");
    assert_eq!(refused(&[embeddings, ("dimension", "0")]), "option 'dimension' must be more than 0");
    for missing in ["endpoint", "api-key", "model"] {
        let mut model = spec(&[], &[]);
        model.options.0.remove(missing);
        let message = OpenAi.describe(&model).unwrap_err().message().to_owned();
        assert_eq!(message, format!("provider 'openai' needs option '{missing}'"));
    }
    let wrong = |change: fn(&mut ModelSpec)| {
        let mut model = spec(&[], &["error-string"]);
        change(&mut model);
        OpenAi.describe(&model).unwrap_err().message().to_owned()
    };
    let strict = wrong(|model| model.input.fields[0].ty.nullable = false);
    assert_eq!(strict, "column 'text' of INPUT has type STRING NOT NULL, and not STRING");
    let none = wrong(|model| model.output.fields[0].ty = LogicalType::new(TypeKind::Int));
    assert_eq!(none, "column 'answer' of OUTPUT has type INT, and not STRING");
    let two = wrong(|model| model.metadata[1] = None);
    assert_eq!(two, "OUTPUT of a model of provider 'openai' is one column of type STRING");
    let unknown = wrong(|model| model.metadata[1] = Some("cost".to_owned()));
    assert_eq!(unknown, "metadata 'cost' of column 'error-string' does not exist");
    let typed = wrong(|model| model.output.fields[1].ty = LogicalType::new(TypeKind::Int));
    assert_eq!(typed, "column 'error-string' has type INT, and not STRING");
}
