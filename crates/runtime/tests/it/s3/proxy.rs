//! A proxy before a server, which loses answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use flott_api::env::Environment;
use flott_runtime::environment::real;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Hands requests on to a server, and answers back, unless it is told to lose them.
pub(super) struct Proxy {
    pub(super) port: u16,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    to_lose: AtomicUsize,
    lost: AtomicUsize,
}

impl Proxy {
    pub(super) async fn start(to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (port, faults, world) = (listener.local_addr().unwrap().port(), Arc::new(Faults::default()), real());
        let serve = serve(listener, to, Arc::clone(&faults), world.clone());
        world.spawner.spawn("proxy", Box::pin(serve)).detach();
        Proxy { port, faults }
    }

    /// The server gets the next requests, and its answers do not arrive: the connection breaks.
    pub(super) fn lose_answers(&self, count: usize) {
        self.faults.to_lose.store(count, Ordering::SeqCst);
    }

    /// How many answers were lost.
    pub(super) fn lost(&self) -> usize {
        self.faults.lost.load(Ordering::SeqCst)
    }
}

impl Faults {
    fn lose_one(&self) -> bool {
        let taken = self.to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        self.lost.fetch_add(usize::from(taken), Ordering::SeqCst);
        taken
    }
}

async fn serve(listener: TcpListener, to: u16, faults: Arc<Faults>, world: Environment) {
    while let Ok((client, _)) = listener.accept().await {
        let faults = Arc::clone(&faults);
        let relay = async move {
            if let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await {
                relay(client, server, &faults).await;
            }
        };
        world.spawner.spawn("connection", Box::pin(relay)).detach();
    }
}

/// Ends with the first side that ends, or with an answer that is to be lost.
async fn relay(mut client: TcpStream, mut server: TcpStream, faults: &Faults) {
    let (mut request, mut answer) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let moved = tokio::select! {
            read = client.read(&mut request) => match read {
                Ok(n) if n > 0 => server.write_all(&request[..n]).await,
                _ => return,
            },
            read = server.read(&mut answer) => match read {
                Ok(n) if n > 0 && !faults.lose_one() => client.write_all(&answer[..n]).await,
                _ => return,
            },
        };
        if moved.is_err() {
            return;
        }
    }
}
