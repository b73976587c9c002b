//! Showing a broker who comes: SASL's mechanisms PLAIN (RFC 4616), SCRAM (RFC 5802) and OAUTHBEARER (RFC 7628).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use flott_api::env::Environment;
use flott_api::http::{HttpMethod, HttpRequest, HttpSettings};
use flott_api::{Error, Result};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256, Sha512};

use super::failure::external;
use crate::options::{OAuth, Sasl};

/// Fewer rounds than these protect no password; Kafka itself allows no less.
const ROUNDS_MIN: u32 = 4096;
/// More would keep a core busy for a broker that only says so.
const ROUNDS_MAX: u32 = 10_000_000;
const TOKEN_TIMEOUT_MS: u64 = 30_000;

/// One exchange: what is sent in answer to what comes.
pub(super) enum Exchange {
    /// One message, and the answer to it.
    Single {
        message: Option<Bytes>,
    },
    Scram(Box<Scram>),
}

/// How far SCRAM has come.
pub(super) struct Scram {
    user: String,
    password: String,
    strong: bool,
    nonce: String,
    state: State,
}

enum State {
    Begin,
    /// Sent who comes.
    Greeted,
    /// Sent the proof; the broker must show that it knows the password, too.
    Proved {
        signature: Vec<u8>,
    },
    Done,
}

impl Exchange {
    /// Begins, with a token if one is needed.
    pub(super) async fn begin(sasl: &Sasl, environment: &Environment) -> Result<Self> {
        let single = |message: String| Exchange::Single { message: Some(Bytes::from(message)) };
        Ok(match sasl {
            Sasl::Plain { user, password } => single(format!("\0{user}\0{password}")),
            Sasl::OAuth(oauth) => single(format!("n,,\x01auth=Bearer {}\x01\x01", token(oauth, environment).await?)),
            Sasl::Scram { user, password, strong } => {
                let nonce = format!("{:016x}{:016x}", environment.rng.next_u64(), environment.rng.next_u64());
                let (user, password) = (user.replace('=', "=3D").replace(',', "=2C"), password.clone());
                Exchange::Scram(Box::new(Scram { user, password, strong: *strong, nonce, state: State::Begin }))
            }
        })
    }

    /// What is sent next; nothing at the end.
    pub(super) fn next(&mut self, challenge: &[u8]) -> Result<Option<Bytes>> {
        match self {
            // Whoever is let in hears nothing more; a token that is refused is answered with a reason.
            Exchange::Single { message: None } if !challenge.is_empty() => {
                let reason = String::from_utf8_lossy(challenge).into_owned();
                Err(Error::invalid("the broker does not take the token of this job").with_detail(reason))
            }
            Exchange::Single { message } => Ok(message.take()),
            Exchange::Scram(scram) => scram.next(challenge),
        }
    }
}

impl Scram {
    fn next(&mut self, challenge: &[u8]) -> Result<Option<Bytes>> {
        let challenge = std::str::from_utf8(challenge).map_err(|_| senseless())?;
        match std::mem::replace(&mut self.state, State::Done) {
            State::Begin => {
                self.state = State::Greeted;
                Ok(Some(Bytes::from(format!("n,,{}", self.greeting()))))
            }
            State::Greeted => {
                let (proof, signature) =
                    if self.strong { self.prove::<Strong>(challenge)? } else { self.prove::<Usual>(challenge)? };
                self.state = State::Proved { signature };
                Ok(Some(Bytes::from(proof)))
            }
            State::Proved { signature } => {
                let shown = challenge.strip_prefix("v=").and_then(|v| BASE64_STANDARD.decode(v).ok());
                if shown.as_deref() != Some(&signature) {
                    return Err(Error::invalid("the broker does not know the password of this job's user"));
                }
                Ok(None)
            }
            State::Done => Ok(None),
        }
    }

    fn greeting(&self) -> String {
        format!("n={},r={}", self.user, self.nonce)
    }

    /// The proof of the password, and what the broker must show in turn.
    fn prove<H: Hash>(&self, challenge: &str) -> Result<(String, Vec<u8>)> {
        let part = |name: char| {
            challenge.split(',').find_map(|p| p.strip_prefix(name)?.strip_prefix('=')).ok_or_else(senseless)
        };
        let nonce = part('r')?;
        let salt = BASE64_STANDARD.decode(part('s')?).map_err(|_| senseless())?;
        let rounds: u32 = part('i')?.parse().map_err(|_| senseless())?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(senseless());
        }
        if !(ROUNDS_MIN..=ROUNDS_MAX).contains(&rounds) {
            return Err(Error::external(format!("the broker asks for {rounds} rounds of SCRAM"))
                .with_detail(format!("Between {ROUNDS_MIN} and {ROUNDS_MAX} are allowed.")));
        }
        let salted = salted::<H>(self.password.as_bytes(), &salt, rounds);
        let client_key = H::hmac(&salted, &[b"Client Key"]);
        let stored_key = H::hash(&client_key);
        let proofless = format!("c=biws,r={nonce}");
        let message = format!("{},{challenge},{proofless}", self.greeting());
        let signature = H::hmac(&stored_key, &[message.as_bytes()]);
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(k, s)| k ^ s).collect();
        let server_key = H::hmac(&salted, &[b"Server Key"]);
        let expected = H::hmac(&server_key, &[message.as_bytes()]);
        Ok((format!("{proofless},p={}", BASE64_STANDARD.encode(proof)), expected))
    }
}

fn senseless() -> Error {
    Error::external("an answer of the broker makes no sense in SCRAM")
}

/// A hash function with its keyed form.
trait Hash {
    fn hash(bytes: &[u8]) -> Vec<u8>;
    fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8>;
}

struct Usual;
struct Strong;

impl Hash for Usual {
    fn hash(bytes: &[u8]) -> Vec<u8> {
        Sha256::digest(bytes).to_vec()
    }

    fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        // A key of any length is allowed, so there is no error.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }
}

impl Hash for Strong {
    fn hash(bytes: &[u8]) -> Vec<u8> {
        Sha512::digest(bytes).to_vec()
    }

    fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let Ok(mut mac) = Hmac::<Sha512>::new_from_slice(key) else { return Vec::new() };
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }
}

/// `Hi` of RFC 5802, which is PBKDF2 of one block.
fn salted<H: Hash>(password: &[u8], salt: &[u8], rounds: u32) -> Vec<u8> {
    let mut round = H::hmac(password, &[salt, &1u32.to_be_bytes()]);
    let mut all = round.clone();
    for _ in 1..rounds {
        round = H::hmac(password, &[&round]);
        all.iter_mut().zip(&round).for_each(|(a, r)| *a ^= r);
    }
    all
}

/// A token for this client, from its provider (RFC 6749, client credentials).
async fn token(oauth: &OAuth, environment: &Environment) -> Result<String> {
    let credentials = BASE64_STANDARD.encode(format!("{}:{}", oauth.client, oauth.secret));
    let headers = [
        ("Accept", "application/json".to_owned()),
        ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
        ("Authorization", format!("Basic {credentials}")),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut body = "grant_type=client_credentials".to_owned();
    if let Some(scope) = &oauth.scope {
        body.push_str(&format!("&scope={}", form(scope)));
    }
    let request = HttpRequest {
        method: HttpMethod::Post,
        url: oauth.endpoint.clone(),
        headers,
        body: Bytes::from(body),
        timeout_ms: TOKEN_TIMEOUT_MS,
    };
    let response = environment.http.client(&HttpSettings::default())?.send(request).await;
    let response =
        response.map_err(|e| e.context("no token from option 'properties.sasl.oauthbearer.token.endpoint.url'"))?;
    let json: Option<serde_json::Value> = serde_json::from_slice(&response.body).ok();
    let token = json.as_ref().and_then(|json| json.get("access_token")?.as_str());
    match (response.status, token) {
        (200..=299, Some(token)) => Ok(token.to_owned()),
        (500..=599 | 408 | 429, _) => Err(external(format!("the provider of tokens answers {}", response.status))),
        (status, _) => Err(Error::invalid(format!("the provider of tokens answers {status} and no token"))
            .with_hint("Check clientId, clientSecret and scope in 'properties.sasl.jaas.config'.")),
    }
}

fn form(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scram() -> Scram {
        let (user, password) = ("user".to_owned(), "pencil".to_owned());
        let nonce = "rOprNGfwEbeRWgbNEkqO".to_owned();
        Scram { user, password, strong: false, nonce, state: State::Begin }
    }

    /// The example of RFC 7677.
    #[test]
    fn scram_proves_as_its_example_does() {
        let mut scram = scram();
        let text = |bytes: Option<Bytes>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
        assert_eq!(text(scram.next(b"").unwrap()), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
        let challenge = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        let proof = text(scram.next(challenge.as_bytes()).unwrap());
        assert_eq!(
            proof,
            "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
        );
        let end = scram.next(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").unwrap();
        assert!(end.is_none());
    }

    #[test]
    fn a_broker_that_does_not_know_the_password_is_not_believed() {
        let mut scram = scram();
        scram.next(b"").unwrap();
        let other_nonce = b"r=xOprNGfwEbeRWgbNEkqO%h,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        assert!(scram.next(other_nonce).is_err());
        let mut scram = self::scram();
        scram.next(b"").unwrap();
        assert!(scram.next(b"r=rOprNGfwEbeRWgbNEkqO1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=1").is_err());
        let mut scram = self::scram();
        scram.next(b"").unwrap();
        scram.next(b"r=rOprNGfwEbeRWgbNEkqO1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").unwrap();
        assert!(scram.next(b"v=AAAA").is_err());
    }

    #[test]
    fn names_with_signs_are_written_so_that_they_can_be_read() {
        assert_eq!(form("a b&c=ä"), "a+b%26c%3D%C3%A4");
    }
}
