//! A service within the test that is searched: what it is asked, and what is made of its answers.

use std::sync::{Arc, Mutex};

use flott_api::env::Clock;
use flott_api::http::{HttpRequest, HttpResponse};
use flott_api::testing::{FakeWorld, batch, lines, ready};
use flott_api::{ChangeBatch, Field, LogicalType, Schema, TypeKind};
use serde_json::{Value, json};

use super::*;
use crate::testing::options;
use crate::web::testing::{Double, answer, no_answer};

fn schema() -> Schema {
    let int = LogicalType::new(TypeKind::Int);
    Schema::new(vec![Field::new("id", int.clone()), Field::new("name", LogicalType::string()), Field::new("age", int)])
}

fn spec(projection: &[usize], keys: &[usize], more: &[(&str, &str)]) -> LookupSpec {
    let mut all = vec![("hosts", "http://one:9200;http://two:9200"), ("index", "people")];
    for (key, value) in more {
        all.retain(|(known, _)| known != key);
        all.push((*key, *value));
    }
    let table = SourceSpec {
        connector: "opensearch".to_owned(),
        table: "c.d.people".to_owned(),
        options: options(&all),
        schema: schema(),
        projection: projection.to_vec(),
        read_fields: Vec::new(),
        metadata: Vec::new(),
        filters: Vec::new(),
        limit: None,
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
        session_zone: "UTC".to_owned(),
    };
    LookupSpec { table, keys: keys.to_vec(), in_flight_max: None, cache: LookupCache::None }
}

/// Searches by terms in these documents.
fn search(documents: &[Value], request: &HttpRequest) -> Result<HttpResponse> {
    let body = std::str::from_utf8(&request.body).unwrap();
    let mut lines = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut responses = Vec::new();
    while let Some(header) = lines.next() {
        assert_eq!(header, json!({"index": "people"}));
        let asked = lines.next().unwrap();
        let terms = asked["query"]["bool"]["filter"].as_array().unwrap();
        let fits = |document: &&Value| {
            let is =
                |term: &Value| term["term"].as_object().unwrap().iter().all(|(name, value)| document[name] == *value);
            terms.iter().all(is)
        };
        let wanted: Vec<&str> =
            asked["_source"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let source = |document: &Value| {
            let mut source = document.as_object().unwrap().clone();
            source.retain(|name, _| wanted.contains(&name.as_str()));
            json!({"_source": source})
        };
        let hits: Vec<Value> = documents.iter().filter(fits).map(source).collect();
        responses.push(json!({"status": 200, "timed_out": false, "_shards": {"failed": 0},
            "hits": {"total": {"value": hits.len()}, "hits": hits}}));
    }
    answer(200, json!({"responses": responses}).to_string())
}

fn look(double: &Double, clock: &Arc<FakeWorld>, spec: &LookupSpec, keys: &str) -> Result<Vec<String>> {
    let mut table = Elasticsearch::OPENSEARCH.open(spec, &double.environment(clock))?;
    let keys = batch(&spec.table.output_schema().project(&spec.keys), keys);
    let found = ready(table.lookup(keys.rows()))?;
    let rows = lines(&ChangeBatch::inserts(found.rows));
    Ok(found.keys.iter().zip(rows).map(|(key, row)| format!("{key}: {}", row.trim_start_matches("+I | "))).collect())
}

fn people() -> Double {
    let documents = [
        json!({"id": 1, "name": "a", "age": 10}),
        json!({"id": 2, "name": "b", "more": [1]}),
        json!({"id": 3, "name": "a", "age": 30}),
    ];
    Double::new(move |request| search(&documents, request))
}

#[test]
fn the_keys_of_a_batch_are_one_request() {
    let double = people();
    let found =
        look(&double, &FakeWorld::at(0), &spec(&[0, 1, 2], &[1], &[]), "+I | b\n+I | x\n+I | a\n+I | b").unwrap();
    assert_eq!(found, ["0: 2 | b | NULL", "2: 1 | a | 10", "2: 3 | a | 30", "3: 2 | b | NULL"]);
    let asked = double.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].url.starts_with("http://one:9200/_msearch?filter_path="), "{}", asked[0].url);
    // Columns in another order, and a key of two.
    let found = look(&double, &FakeWorld::at(0), &spec(&[2, 0, 1], &[2, 1], &[]), "+I | a | 3").unwrap();
    assert_eq!(found, ["0: 30 | 3 | a"]);
    let many: Vec<String> = (0..600).map(|id| format!("+I | {id}")).collect();
    let found = look(&double, &FakeWorld::at(0), &spec(&[0, 1], &[0], &[]), &many.join("\n")).unwrap();
    assert_eq!((found, double.asked().len()), (vec!["1: 1 | a".into(), "2: 2 | b".into(), "3: 3 | a".into()], 5));
}

#[test]
fn what_may_pass_is_asked_again_and_the_rest_is_told() {
    let one = |response: Value| json!({"responses": [response]}).to_string();
    let answers = Mutex::new(vec![
        (200, one(json!({"status": 404, "error": {"type": "index_not_found_exception", "reason": "no such index"}}))),
        (200, one(json!({"status": 200, "hits": {"total": {"value": 1001}}}))),
        (200, one(json!({"status": 200, "hits": {"total": {"value": 0}}}))),
        (200, one(json!({"status": 200, "_shards": {"failed": 1}}))),
        (200, one(json!({"status": 429, "error": {"type": "rejected", "reason": "full"}}))),
        (0, String::new()),
        (0, String::new()),
    ]);
    let double = Double::new(move |_| {
        let (status, body) = answers.lock().unwrap().pop().unwrap();
        if status == 0 { no_answer() } else { answer(status, body) }
    });
    let clock = FakeWorld::at(0);
    let asked = spec(&[0], &[0], &[]);
    assert_eq!(look(&double, &clock, &asked, "+I | 1").unwrap(), Vec::<String>::new());
    assert_eq!((double.asked().len(), clock.now_ms()), (5, 7000));
    let error = look(&double, &clock, &asked, "+I | 1").unwrap_err();
    assert_eq!(error.message(), "a lookup in table 'c.d.people': a key has more than 1000 documents");
    let error = look(&double, &clock, &asked, "+I | 1").unwrap_err();
    assert!(error.message().ends_with("status 404, index_not_found_exception: no such index"), "{error:?}");
}

#[test]
fn an_index_with_parts_and_a_whole_cache_are_refused() {
    let refused = |key: &str, value: &str| {
        let spec = spec(&[0], &[0], &[(key, value)]).table;
        let table = TableContext {
            path: spec.table,
            schema: spec.schema,
            partition_keys: Vec::new(),
            primary_key: Vec::new(),
            options: spec.options,
            session_zone: spec.session_zone,
        };
        let error = Elasticsearch::SEVEN.describe(&table).unwrap_err();
        format!("{} {}", error.message(), error.detail().unwrap_or(""))
    };
    assert!(refused("index", "p-{name}").contains("is one index"));
    assert!(refused("lookup.cache", "FULL").contains("cannot be read whole"));
}
