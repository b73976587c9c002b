//! A double of a server: it speaks the protocol, remembers what it is asked, and answers what a test says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use bson::{Document, RawDocumentBuf, doc};

const HEAD_BYTES: usize = 16;
/// How clients ask before they know a server.
const OP_QUERY: i32 = 2004;
const OP_REPLY: i32 = 1;
const OP_MSG: i32 = 2013;

/// What a test answers to a command.
pub(crate) enum Answer {
    Is(Document),
    /// The command was carried out, and the answer is lost.
    HangUp,
}

/// Commands that were asked, without those by which a client looks after its connections.
pub(crate) type Asked = Arc<Mutex<Vec<Document>>>;

/// A double, for as long as the process lives.
pub(crate) struct Double {
    pub(crate) port: u16,
    asked: Asked,
}

impl Double {
    #[expect(clippy::disallowed_methods, reason = "a server of a test is beside everything")]
    pub(crate) fn new(answer: impl Fn(&Document) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (asked, answer) = (Asked::default(), Arc::new(answer));
        let of_double = Arc::clone(&asked);
        std::thread::spawn(move || {
            for line in listener.incoming() {
                let (asked, answer) = (Arc::clone(&of_double), Arc::clone(&answer));
                std::thread::spawn(move || serve(line.unwrap(), &asked, &*answer));
            }
        });
        Double { port, asked }
    }

    /// The commands of this name, without what is in each.
    pub(crate) fn asked(&self, name: &str) -> Vec<Document> {
        let asked = self.asked.lock().unwrap();
        let mut found: Vec<Document> = asked.iter().filter(|c| c.contains_key(name)).cloned().collect();
        for command in &mut found {
            for key in ["$db", "lsid", "$readPreference", "$clusterTime"] {
                command.remove(key);
            }
        }
        found
    }
}

/// Answers one connection until its client has gone.
fn serve(mut line: TcpStream, asked: &Asked, answer: &(dyn Fn(&Document) -> Answer + Send + Sync)) -> Option<()> {
    loop {
        let mut head = [0; HEAD_BYTES];
        line.read_exact(&mut head).ok()?;
        let number = |at: usize| i32::from_le_bytes(head[at..at + 4].try_into().unwrap());
        let (length, id, code) = (number(0) as usize, number(4), number(12));
        let mut body = vec![0; length - HEAD_BYTES];
        line.read_exact(&mut body).ok()?;
        let command = command_of(code, &body);
        let reply = match command.keys().next().unwrap().as_str() {
            "hello" | "isMaster" | "ismaster" => doc! {
                "ok": 1, "isWritablePrimary": true, "ismaster": true, "minWireVersion": 0, "maxWireVersion": 21,
                "maxBsonObjectSize": 16_777_216, "maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000,
            },
            "ping" | "endSessions" | "killCursors" => doc! { "ok": 1 },
            _ => {
                asked.lock().unwrap().push(command.clone());
                match answer(&command) {
                    Answer::Is(reply) => reply,
                    Answer::HangUp => return None,
                }
            }
        };
        let reply = RawDocumentBuf::try_from(&reply).unwrap().into_bytes();
        let (answered, before) = match code {
            // No cursor, and one document from the first on.
            OP_QUERY => (OP_REPLY, [&8_i32.to_le_bytes()[..], &[0; 8], &[0; 4], &1_i32.to_le_bytes()].concat()),
            _ => (OP_MSG, vec![0; 5]),
        };
        let length = (HEAD_BYTES + before.len() + reply.len()) as i32;
        let head = [length, 1, id, answered].map(i32::to_le_bytes).concat();
        line.write_all(&[head, before, reply].concat()).ok()?;
    }
}

fn command_of(code: i32, body: &[u8]) -> Document {
    let start = match code {
        OP_QUERY => 4 + body[4..].iter().position(|b| *b == 0).unwrap() + 1 + 8,
        OP_MSG => 5,
        _ => panic!("a client asks by operation {code}"),
    };
    let length = i32::from_le_bytes(body[start..start + 4].try_into().unwrap()) as usize;
    let raw = RawDocumentBuf::from_bytes(body[start..start + length].to_vec()).unwrap();
    let mut command = Document::try_from(raw).unwrap();
    // Lists of documents may lie beside the command.
    let mut rest = &body[start + length..];
    while let [1, size @ ..] = rest {
        let size = i32::from_le_bytes(size[..4].try_into().unwrap()) as usize;
        let (section, behind) = rest[1..].split_at(size);
        let name = section[4..].split(|b| *b == 0).next().unwrap();
        let mut documents = &section[4 + name.len() + 1..];
        let mut list = Vec::new();
        while !documents.is_empty() {
            let length = i32::from_le_bytes(documents[..4].try_into().unwrap()) as usize;
            let raw = RawDocumentBuf::from_bytes(documents[..length].to_vec()).unwrap();
            list.push(Document::try_from(raw).unwrap());
            documents = &documents[length..];
        }
        command.insert(String::from_utf8(name.to_vec()).unwrap(), list);
        rest = behind;
    }
    command
}

/// The answer to a question for documents: all of them at once.
pub(crate) fn found(documents: Vec<Document>) -> Answer {
    Answer::Is(doc! { "ok": 1, "cursor": { "id": 0_i64, "ns": "flott.c", "firstBatch": documents } })
}

/// An error of the server.
pub(crate) fn error(code: i32, message: &str) -> Answer {
    Answer::Is(doc! { "ok": 0, "code": code, "codeName": "Some", "errmsg": message })
}
