//! The certificate that Knative mounts: read when there is one at the start, looked at again every minute, kept when what is there
//! then is none. Owns when it changes; no connection that is open notices.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use forebay_net::tls::{Params, Pem, ServerSpec, ServerTls};
use thiserror::Error;

/// serving: `pkg/queue/certificate/watcher.go`; a test of Knative's counts these lines.
const RELOADED: &str = "Certificate and/or key have changed on disk and were reloaded.";

/// Why there is no certificate.
#[derive(Debug, Error)]
pub enum Unusable {
    /// A file cannot be read.
    #[error("failed to load {}: {error}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// They are no certificate with its key.
    #[error("failed to parse the certificate in {}: {why}", .path.display())]
    Pair {
        /// The directory.
        path: PathBuf,
        /// Why.
        why: String,
    },
}

/// A certificate in force.
pub(crate) struct Certificate {
    directory: PathBuf,
    params: Params,
    read: RefCell<Files>,
    tls: RefCell<Rc<ServerTls>>,
}

#[derive(PartialEq)]
struct Files {
    chain: Arc<[u8]>,
    key: Arc<[u8]>,
}

impl Certificate {
    /// Whether both files are there.
    ///
    /// # Errors
    /// What keeps it from being known.
    pub(crate) fn is_mounted(directory: &Path) -> Result<bool, Unusable> {
        for path in [chain(directory), key(directory)] {
            match path.try_exists() {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => return Err(Unusable::File { path, error }),
            }
        }
        Ok(true)
    }

    pub(crate) fn read(directory: &Path, params: Params) -> Result<Rc<Self>, Unusable> {
        let files = Files::read(directory)?;
        let tls = files.tls(directory, &params)?;
        tracing::info!(directory = %directory.display(), "Starting to watch the following directories for changes");
        tracing::info!("{RELOADED}");
        let (read, tls) = (RefCell::new(files), RefCell::new(tls));
        Ok(Rc::new(Self { directory: directory.to_owned(), params, read, tls }))
    }

    /// What new connections are served with.
    pub(crate) fn tls(&self) -> Rc<ServerTls> {
        self.tls.borrow().clone()
    }

    /// Looks at the files again and again, for ever.
    pub(crate) async fn watch(&self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            match self.look() {
                Ok(true) => tracing::info!("{RELOADED}"),
                Ok(false) => {}
                Err(error) => tracing::error!("{error}; the one before stays in force"),
            }
        }
    }

    /// Whether they have changed and are in force.
    fn look(&self) -> Result<bool, Unusable> {
        let files = Files::read(&self.directory)?;
        if files == *self.read.borrow() {
            return Ok(false);
        }
        let tls = files.tls(&self.directory, &self.params)?;
        *self.tls.borrow_mut() = tls;
        *self.read.borrow_mut() = files;
        Ok(true)
    }
}

impl Files {
    fn read(directory: &Path) -> Result<Self, Unusable> {
        let read = |path: PathBuf| match std::fs::read(&path) {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(Unusable::File { path, error }),
        };
        Ok(Self { chain: read(chain(directory))?, key: read(key(directory))? })
    }

    fn tls(&self, directory: &Path, params: &Params) -> Result<Rc<ServerTls>, Unusable> {
        let spec = ServerSpec {
            certificates: vec![Pem { chain: self.chain.clone(), key: self.key.clone() }],
            alpn: vec![b"h2"[..].into(), b"http/1.1"[..].into()],
            params: params.clone(),
            clients: None,
            tickets: true,
            memory: false,
            client_order: false,
        };
        let tls = ServerTls::new(&spec);
        tls.map(Rc::new).map_err(|why| Unusable::Pair { path: directory.to_owned(), why: why.to_string() })
    }
}

fn chain(directory: &Path) -> PathBuf {
    directory.join("tls.crt")
}

fn key(directory: &Path) -> PathBuf {
    directory.join("tls.key")
}
