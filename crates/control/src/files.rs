//! Files of the state folder: ordinary ones only, for their owner only, replaced whole.
//!
//! What lies under a name may be a FIFO, which waits for its other end for ever, a device, or a link to somebody else's
//! file. So nothing in the folder is opened except through [`open`] and [`create`].

use std::{
    fs::{self, File, FileType, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::fs::OFlags;

/// What a new file permits: reading and writing to its owner.
const OWNER_ONLY: u32 = 0o600;

/// What a file may permit: its group may read it, so that a program can collect the log.
const WIDEST: u32 = 0o640;

/// Something else lies where a file is expected.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is a {found}: only an ordinary file is opened here, never what it leads to; move it away"
)]
struct NotAFile {
    found: &'static str,
}

/// Opens an ordinary file; never waits, and follows no link in its last name.
pub(crate) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    // Looked at before it is opened, since opening a device can do something; and after, since it may be another by then.
    match fs::symlink_metadata(path) {
        Ok(found) => expect_file(found.file_type())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = options
        .mode(OWNER_ONLY)
        .custom_flags(flags.bits() as i32)
        .open(path)?;
    expect_file(file.metadata()?.file_type())?;
    Ok(file)
}

/// Makes a new file in the place of whatever was left there.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => open(path, OpenOptions::new().write(true).create_new(true)),
    }
}

/// A file's bytes, at most `limit_bytes`; none where there is no file.
pub(crate) fn read(path: &Path, limit_bytes: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(limit_bytes + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit_bytes {
        let text = format!("it has more than {limit_bytes} bytes");
        return Err(io::Error::other(text));
    }
    Ok(Some(bytes))
}

/// Puts a file with these bytes in the place of `name`, durably: after a crash it has the old bytes or the new ones.
pub(crate) fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let staged = folder.join(format!("{name}.tmp"));
    let written = create(&staged).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written.and_then(|()| fs::rename(&staged, folder.join(name))) {
        // On a full disk its blocks may be what the next attempt lacks.
        let _ = fs::remove_file(&staged);
        return Err(error);
    }
    sync(folder)
}

/// Makes the names in a folder durable.
pub(crate) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Takes from a file what it permits beyond its owner and its group's reading; returns what it had permitted, if that was
/// too much.
pub(crate) fn narrow(path: &Path) -> io::Result<Option<u32>> {
    let file = match open(path, OpenOptions::new().read(true)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mode = file.metadata()?.permissions().mode() & 0o777;
    if mode & !WIDEST == 0 {
        return Ok(None);
    }
    file.set_permissions(Permissions::from_mode(mode & WIDEST))?;
    Ok(Some(mode))
}

/// Whether there is no room left, or none for this user.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn expect_file(found: FileType) -> io::Result<()> {
    let found = match found {
        file if file.is_file() => return Ok(()),
        folder if folder.is_dir() => "folder",
        link if link.is_symlink() => "symbolic link",
        fifo if fifo.is_fifo() => "FIFO",
        socket if socket.is_socket() => "socket",
        _ => "device",
    };
    let kind = io::ErrorKind::InvalidInput;
    Err(io::Error::new(kind, NotAFile { found }))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("a file").permissions().mode() & 0o777
    }

    #[test]
    fn d2_only_ordinary_files_are_opened_and_nothing_hangs() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "x").expect("written");
        fs::create_dir(path("folder")).expect("made");
        symlink(path("file"), path("link")).expect("made");
        symlink("/dev/zero", path("device")).expect("made");
        symlink(path("nowhere"), path("dangling")).expect("made");
        rustix::fs::mkfifoat(rustix::fs::CWD, path("fifo"), 0o600.into()).expect("made");
        for (name, words) in [
            ("folder", "it is a folder"),
            ("link", "it is a symbolic link"),
            ("device", "it is a symbolic link"),
            ("dangling", "it is a symbolic link"),
            ("fifo", "it is a FIFO"),
        ] {
            let read = read(&path(name), 9).expect_err(name).to_string();
            assert!(read.contains(words), "{name}: {read}");
            let mut appending = OpenOptions::new();
            let appended = open(&path(name), appending.append(true).create(true));
            let appended = appended.expect_err(name).to_string();
            assert!(appended.contains(words), "{name}: {appended}");
        }
        let device = read(Path::new("/dev/zero"), 9).expect_err("a device");
        assert!(device.to_string().contains("it is a device"), "{device}");
        assert_eq!(
            read(&path("file"), 9).expect("read"),
            Some(b"x".to_vec()),
            "what the link leads to is as it was"
        );
        assert_eq!(read(&path("missing"), 9).expect("read"), None);
    }

    #[test]
    fn d2_files_are_their_owners_alone_and_wider_ones_are_narrowed() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        replace(folder.path(), "file", b"1").expect("written");
        assert_eq!(mode(&path), 0o600);
        for (wide, narrow) in [(0o644, 0o640), (0o666, 0o640), (0o604, 0o600)] {
            fs::set_permissions(&path, Permissions::from_mode(wide)).expect("set");
            assert_eq!(super::narrow(&path).expect("narrowed"), Some(wide));
            assert_eq!(mode(&path), narrow);
        }
        assert_eq!(super::narrow(&path).expect("looked at"), None);
    }

    #[test]
    fn what_is_left_in_the_way_of_a_new_file_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = folder.path().join("other");
        fs::write(&other, "theirs").expect("written");
        symlink(&other, folder.path().join("file.tmp")).expect("made");
        replace(folder.path(), "file", b"ours").expect("written");
        assert_eq!(fs::read(folder.path().join("file")).expect("read"), b"ours");
        assert_eq!(fs::read(&other).expect("read"), b"theirs");
    }
}
