use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// The files of an open database, and which files they were when it was opened.
///
/// A file that is removed or replaced stays open: writes go on, and are lost when the process ends.
/// (Files are not opened to find out, because closing them would drop the locks of SQLite.)
#[derive(Debug)]
pub(super) struct Place {
    files: Vec<(PathBuf, Identity)>,
}

#[derive(Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Place {
    /// Remembers the files of a database in WAL mode.
    pub(super) fn of(database: &Path) -> Result<Self, (PathBuf, io::Error)> {
        let files = ["", "-wal", "-shm"].map(|suffix| {
            let path = beside(database, suffix);
            match identity(&path) {
                Ok(identity) => Ok((path, identity)),
                Err(error) => Err((path, error)),
            }
        });
        Ok(Self { files: files.into_iter().collect::<Result<_, _>>()? })
    }

    /// Returns the first file that was removed or replaced.
    pub(super) fn lost(&self) -> Option<&Path> {
        let lost = |(path, was): &&(PathBuf, Identity)| identity(path).ok().as_ref() != Some(was);
        self.files.iter().find(lost).map(|(path, _)| path.as_path())
    }
}

/// Returns the path of a file whose name is that of the database and a suffix.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

fn identity(path: &Path) -> io::Result<Identity> {
    let metadata = fs::metadata(path)?;
    Ok(Identity { device: metadata.dev(), inode: metadata.ino() })
}
