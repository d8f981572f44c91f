//! No test sleeps: that something is *not* reported is seen from the report that comes next.

use std::{fs, path::Path};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};

use super::*;
use crate::{
    StoreError,
    tests::{Stage, new_version},
};

/// Far longer than any look takes, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

const POLL: Duration = Duration::from_millis(20);

/// A watched repository with `pets/v1`.
struct Post {
    stage: Stage,
    reports: Receiver<Arrival>,
    watch: Watch,
}

impl Post {
    /// One that gets events and never polls, and one that only polls.
    fn both() -> [Self; 2] {
        let post = |start: &dyn Fn(Repository, Sender<Arrival>) -> Watch| {
            let stage = Stage::new();
            let (sender, reports) = crossbeam_channel::unbounded();
            let watch = start(stage.repository.clone(), sender);
            Self {
                stage,
                reports,
                watch,
            }
        };
        let by_events = |repository, sender: Sender<Arrival>| {
            let watch = Watch::start(repository, Duration::ZERO, move |arrival| {
                sender.send(arrival).unwrap();
            });
            assert!(watch.events.is_some(), "no events can be had here");
            watch
        };
        let by_polling = |repository, sender: Sender<Arrival>| {
            Watch::polling(repository, POLL, move |arrival| {
                sender.send(arrival).unwrap()
            })
        };
        [post(&by_events), post(&by_polling)]
    }

    fn write(&self, model: &str, version: &str) {
        let (model, version) = (model.parse().unwrap(), version.parse().unwrap());
        let written = self
            .stage
            .repository
            .write_version(&model, &version, &new_version());
        written.unwrap();
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.stage.repository.root().join(path)
    }

    #[track_caller]
    fn next(&self) -> String {
        match self.reports.recv_timeout(PATIENCE).expect("a report") {
            Arrival::Came { model, version } => format!("{model}/{version} came"),
            Arrival::Gone { model, version } => format!("{model}/{version} gone"),
        }
    }
}

#[test]
fn each_change_is_reported_once() {
    for post in Post::both() {
        post.write("pets", "v10");
        assert_eq!(post.next(), "pets/v10 came");
        post.write("cars", "v1");
        assert_eq!(post.next(), "cars/v1 came");
        fs::remove_dir_all(post.path("pets/v10")).unwrap();
        assert_eq!(post.next(), "pets/v10 gone");
        fs::rename(post.path("cars"), post.path("CARS")).unwrap();
        assert_eq!(post.next(), "cars/v1 gone");
        // Back again, and new after its disappearance was reported.
        fs::rename(post.path("CARS"), post.path("cars")).unwrap();
        assert_eq!(post.next(), "cars/v1 came");
    }
}

#[test]
fn a_half_copied_version_is_reported_when_it_is_complete() {
    for post in Post::both() {
        let (from, to) = (post.path("pets/v1"), post.path("pets/v2"));
        fs::create_dir_all(to.join("golden")).unwrap();
        let copy = |name: &str| fs::copy(from.join(name), to.join(name)).unwrap();
        for name in [
            "manifest.toml",
            "golden/one.png",
            "golden/one.json",
            "golden/two.png",
        ] {
            copy(name);
        }
        let network = fs::read(from.join("model.onnx")).unwrap();
        fs::write(to.join("model.onnx"), &network[..9]).unwrap();
        post.write("pets", "v3");
        assert_eq!(post.next(), "pets/v3 came");
        copy("golden/two.json");
        post.write("pets", "v4");
        assert_eq!(post.next(), "pets/v4 came");
        fs::write(to.join("model.onnx"), &network).unwrap();
        assert_eq!(post.next(), "pets/v2 came");
    }
}

#[test]
fn a_version_whose_files_change_is_reported_again() {
    for post in Post::both() {
        for (name, bytes) in [
            ("golden/one.png", &b"another picture"[..]),
            // As long as it was: a copy that was corrected.
            ("model.onnx", b"the network's bytez"),
        ] {
            let path = post.path("pets/v1").join(name);
            replace(&path, bytes);
            assert_eq!(post.next(), "pets/v1 came", "{name}");
        }
        // Broken for a while, and then as it was: nothing to report.
        let manifest = post.path("pets/v1/manifest.toml");
        fs::rename(&manifest, post.path("aside")).unwrap();
        post.write("pets", "v2");
        assert_eq!(post.next(), "pets/v2 came");
        fs::rename(post.path("aside"), &manifest).unwrap();
        post.write("pets", "v3");
        assert_eq!(post.next(), "pets/v3 came");
    }
}

/// By one rename, so that there is no moment at which it is half written and reported twice.
fn replace(path: &Path, bytes: &[u8]) {
    let beside = path.with_extension("new");
    fs::write(&beside, bytes).unwrap();
    fs::rename(beside, path).unwrap();
}

#[test]
fn uploads_are_seen_and_never_half() {
    for post in Post::both() {
        let mut archive = tar::Builder::new(vec![]);
        archive.append_dir_all("v2", post.path("pets/v1")).unwrap();
        let archive = archive.into_inner().unwrap();
        let upload = || -> Result<_, StoreError> {
            let version = "v2".parse().unwrap();
            let repository = &post.stage.repository;
            let mut incoming = repository.receive(&post.stage.model, &version, 1 << 20)?;
            incoming.write(&archive)?;
            incoming.finish()
        };
        upload().unwrap();
        assert_eq!(post.next(), "pets/v2 came");
    }
}

#[test]
fn dropping_it_ends_its_thread() {
    for post in Post::both() {
        let Post {
            stage,
            reports,
            watch,
        } = post;
        drop(watch);
        // The thread held the only sender.
        let end = reports.recv_timeout(PATIENCE);
        assert_eq!(end, Err(RecvTimeoutError::Disconnected));
        drop(stage);
    }
}

#[test]
fn a_root_that_can_not_be_read_is_not_an_empty_one() {
    let stage = Stage::new();
    let root = stage.repository.root().to_owned();
    let mut sight = Sight::default();
    assert_eq!(sight.look(&stage.repository).len(), 1);
    let aside = root.with_extension("aside");
    fs::rename(&root, &aside).unwrap();
    assert_eq!(sight.look(&stage.repository), []);
    fs::rename(&aside, &root).unwrap();
    assert_eq!(sight.look(&stage.repository), []);
}

#[test]
fn a_burst_is_one_reason_to_look() {
    let (changed, changes) = bounded(1);
    let (end, ended) = bounded(0);
    let writer = thread::spawn(move || (0..1000).for_each(|_| changed.send(()).unwrap()));
    settle(&changes, &ended, PATIENCE);
    writer.join().unwrap();
    assert_eq!(changes.try_recv(), Err(TryRecvError::Disconnected));
    // The end is not waited for.
    drop(end);
    settle(&never(), &ended, PATIENCE);
}

#[test]
fn what_this_process_makes_visible_is_noted_and_not_reported() {
    for post in Post::both() {
        let (model, version) = ("pets".parse().unwrap(), "v2".parse().unwrap());
        let write = || {
            let repository = &post.stage.repository;
            repository.write_version(&model, &version, &new_version())
        };
        let seen = post.watch.seen();
        seen.publish_unreported(&model, &version, write).unwrap();
        post.write("pets", "v3");
        assert_eq!(post.next(), "pets/v3 came");
        fs::remove_dir_all(post.path("pets/v2")).unwrap();
        assert_eq!(post.next(), "pets/v2 gone");
    }
}
