//! From a revision to the command line that runs it: which program, its arguments, environment and directory. Looks at
//! the file system, starts nothing.

mod expand;
pub(crate) mod words;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use forebay_knative::RevisionKey;
use forebay_knative::api::{Container, Revision};

use crate::failure::{Failure, hinted};
use crate::options::Options;
use crate::platform::absolute;
use expand::expand;

/// A program ready to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    /// What the program finds as its own name.
    pub(crate) name: OsString,
    pub(crate) args: Vec<String>,
    /// In addition to, and before, what is inherited.
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) dir: PathBuf,
}

/// What the machine adds to every revision.
#[derive(Debug)]
pub(crate) struct Site {
    images: Vec<(String, String)>,
    images_dir: PathBuf,
    /// This binary, for commands that begin with `forebay`.
    this: PathBuf,
    /// PATH as inherited.
    path: Option<OsString>,
}

impl Site {
    pub(crate) fn new(options: &Options, this: PathBuf) -> Self {
        Self {
            images: options.images.clone(),
            images_dir: absolute(&options.images_dir),
            this,
            path: std::env::var_os("PATH"),
        }
    }

    /// How the queue-proxy of a replica is started.
    pub(crate) fn sidecar(
        &self,
        key: &RevisionKey,
        revision: &Revision,
        number: u32,
        ports: (u16, u16),
    ) -> Launch {
        crate::sidecar::launch(&self.this, key, revision, number, ports.0, ports.1)
    }

    /// The command of the one container of `revision`, whose manifest lies in `base`, to listen on `port`.
    pub(crate) fn launch(
        &self,
        key: &RevisionKey,
        revision: &Revision,
        base: &Path,
        port: u16,
    ) -> Result<Launch, Failure> {
        let [container] = &*revision.spec.containers else {
            return Err(Failure::config(format!(
                "revision {key} has {} containers; on one machine a revision runs one",
                revision.spec.containers.len()
            )));
        };
        let env = environment(revision, container, port);
        let value = |name: &str| env.get(name).map(String::as_str);
        let dir = directory(key, container, base)?;
        // A command typed with --image is relative to where it was typed, or lies beside the manifest.
        let (mut words, bases, field): (Vec<String>, Vec<&Path>, _) = if container.command.is_empty() {
            (self.image_command(key, container)?, vec![&self.images_dir, base], "--image")
        } else {
            let words = container.command.iter().map(|word| expand(word, value)).collect();
            (words, vec![base], "spec.template.spec.containers[0].command[0]")
        };
        words.extend(container.args.iter().map(|word| expand(word, value)));
        let mut words = words.into_iter();
        let name = words.next().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| Failure::config(format!("revision {key}: its command is empty")))?;
        let path = env.get("PATH").map(OsString::from).or_else(|| self.path.clone()).unwrap_or_default();
        let program = self.program(&name, &bases, &path).map_err(|what| {
            Failure::cannot_run(format!(
                "revision {key} (image {}): {field}: {what}",
                shown(&container.image)
            ))
        })?;
        Ok(Launch { name: own_name(name, &program), program, args: words.collect(), env, dir })
    }

    /// A command of an exec probe, with the surroundings of `launch`.
    pub(crate) fn probe(&self, launch: &Launch, base: &Path, command: &[Box<str>]) -> Result<Launch, String> {
        let mut words =
            command.iter().map(|word| expand(word, |name| launch.env.get(name).map(String::as_str)));
        let name = words.next().filter(|name| !name.is_empty()).ok_or("its command is empty")?;
        let path =
            launch.env.get("PATH").map(OsString::from).or_else(|| self.path.clone()).unwrap_or_default();
        let program = self.program(&name, &[base], &path)?;
        Ok(Launch { name: own_name(name, &program), program, args: words.collect(), ..launch.clone() })
    }

    /// What stands for the container's image here.
    fn image_command(&self, key: &RevisionKey, container: &Container) -> Result<Vec<String>, Failure> {
        let image = &*container.image;
        // The longest name that fits: `--image app:1=… --image app=…` gives app:1 its own command.
        let given =
            self.images.iter().filter(|(name, _)| names(name, image)).max_by_key(|(name, _)| name.len());
        let Some((_, line)) = given else {
            return Err(Failure::new(
                "ContainerMissing",
                format!(
                    "revision {key}: nothing says how to run image {} on this machine; \
                     give --image '{image}=COMMAND', or `command:` in the manifest",
                    shown(image)
                ),
            ));
        };
        let words = words::split(line)
            .map_err(|why| Failure::config(format!("revision {key}: --image '{image}={line}': {why}")))?;
        if words.is_empty() {
            return Err(Failure::config(format!("revision {key}: --image '{image}=' names no command")));
        }
        Ok(words)
    }

    /// Finds the file to execute, as a shell would, except that paths are relative to each of `bases` in turn.
    fn program(&self, name: &str, bases: &[&Path], path: &OsStr) -> Result<PathBuf, String> {
        if name == "forebay" {
            return Ok(self.this.clone());
        }
        let (candidates, nowhere): (Vec<PathBuf>, String) = if name.contains('/') {
            let mut files: Vec<PathBuf> = bases.iter().map(|base| clean(&base.join(name))).collect();
            files.dedup();
            let shown: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
            (files, format!("{} does not exist", shown.join(" or ")))
        } else {
            let beside = bases.iter().any(|base| base.join(name).exists());
            let hint = if beside {
                format!("; for the file of that name here write ./{name}")
            } else {
                String::new()
            };
            (
                std::env::split_paths(path).map(|dir| dir.join(name)).collect(),
                format!("command {name} is in no directory of PATH{hint}"),
            )
        };
        // The first that can be executed; failing that, why the first that exists cannot.
        let mut reason = None;
        for file in candidates {
            match executable(&file) {
                Ok(()) => return Ok(file),
                Err(why) if file.exists() => reason = reason.or(Some(why)),
                Err(_) => {}
            }
        }
        Err(reason.unwrap_or(nowhere))
    }
}

/// What a program finds as its own name: a path as found, so that it can find what lies beside it from any directory.
fn own_name(name: String, program: &Path) -> OsString {
    if name.contains('/') { program.into() } else { name.into() }
}

/// Whether an image's name given by the user means this image: the same, or the same without tag and digest.
fn names(given: &str, image: &str) -> bool {
    let untagged = || {
        let plain = image.split_once('@').map_or(image, |(plain, _)| plain);
        // A colon before the last slash belongs to the registry's port.
        match plain.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => plain,
        }
    };
    given == image || given == untagged()
}

/// The container's own variables, then what Knative sets. Everything may be referred to by everything listed after it.
fn environment(revision: &Revision, container: &Container, port: u16) -> BTreeMap<String, String> {
    let mut env = BTreeMap::from([
        ("PORT".to_owned(), port.to_string()),
        ("K_SERVICE".to_owned(), revision.service.as_deref().unwrap_or_default().to_owned()),
        ("K_CONFIGURATION".to_owned(), revision.configuration.to_string()),
        ("K_REVISION".to_owned(), revision.metadata.name.to_string()),
        // Many frameworks listen here when told so; a laptop's network has no business with a replica.
        ("HOST".to_owned(), "127.0.0.1".to_owned()),
    ]);
    for var in &container.env {
        let value = expand(&var.value, |name| env.get(name).map(String::as_str));
        // Knative's webhook refuses these names; were one to come, Knative's value would win.
        if !RESERVED.contains(&&*var.name) {
            env.insert(var.name.to_string(), value);
        }
    }
    env
}

fn directory(key: &RevisionKey, container: &Container, base: &Path) -> Result<PathBuf, Failure> {
    let dir = match &container.working_dir {
        Some(dir) if !dir.is_empty() => clean(&base.join(&**dir)),
        _ => base.to_owned(),
    };
    if dir.is_dir() {
        return Ok(dir);
    }
    let what = if dir.exists() { "is not a directory" } else { "does not exist on this machine" };
    Err(Failure::cannot_run(format!("revision {key}: working directory {} {what}", dir.display())))
}

/// `Err` says in words why the file cannot be executed.
fn executable(file: &Path) -> Result<(), String> {
    match file.metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            Err(format!("{} does not exist", file.display()))
        }
        Err(e) => Err(format!("{}: {e}", file.display())),
        Ok(meta) if meta.is_dir() => Err(format!("{} is a directory", file.display())),
        Ok(meta) if meta.permissions().mode() & 0o111 == 0 => {
            Err(format!("{} is not executable (chmod +x {})", file.display(), file.display()))
        }
        Ok(_) => Ok(()),
    }
}

/// Why `execve` refused a file that [`executable`] accepted.
pub(crate) fn refused(launch: &Launch, error: &std::io::Error) -> String {
    let file = launch.program.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => match interpreter(&launch.program) {
            Some(line) => {
                format!("{file} cannot be run: its first line asks for {line}, which does not exist")
            }
            None => format!("{file} cannot be run: it or its loader does not exist"),
        },
        std::io::ErrorKind::PermissionDenied => format!("{file} cannot be run: permission denied"),
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            format!(
                "{file} cannot be run: neither a program of this machine's kind nor a script that begins with #!"
            )
        }
        _ => format!("{file} cannot be run: {}", hinted(error)),
    }
}

/// What a script's `#!` line names.
fn interpreter(file: &Path) -> Option<String> {
    use std::io::Read;
    // Longer lines are cut off by the kernel too (BINPRM_BUF_SIZE).
    let mut head = [0; 256];
    let length = std::fs::File::open(file).ok()?.read(&mut head).ok()?;
    let line = head[..length].strip_prefix(b"#!")?.split(|&b| b == b'\n').next()?;
    let word = line.trim_ascii().split(|b| b.is_ascii_whitespace()).next()?;
    Some(OsStr::from_bytes(word).to_string_lossy().into_owned())
}

/// Drops `.` components, for people's eyes.
fn clean(path: &Path) -> PathBuf {
    path.components().collect()
}

fn shown(image: &str) -> &str {
    if image.is_empty() { "(none)" } else { image }
}

/// Set by Knative, never by a manifest (serving: pkg/apis/serving/k8s_validation.go).
const RESERVED: [&str; 4] = ["PORT", "K_SERVICE", "K_CONFIGURATION", "K_REVISION"];

#[cfg(test)]
mod tests;
